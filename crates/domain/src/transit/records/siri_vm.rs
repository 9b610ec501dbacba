//! SIRI VehicleMonitoring, 1.3 and 2.0 (CEN/TS 15531-3, `VehicleActivity`),
//! with the extensions of MTA Bus Time.

use super::{Derived, REST, RecordField, around, derived, field};
use crate::model::Kind::{Bool, Float, Int, Json, String, Timestamp};

pub(super) static RECORD: &[&str] =
    &["Siri", "ServiceDelivery", "VehicleMonitoringDelivery", "VehicleActivity"];

pub(super) static ERRORS: &[&str] = &[
    "Siri.ServiceDelivery.VehicleMonitoringDelivery.ErrorCondition.Description",
    "Siri.ServiceDelivery.VehicleMonitoringDelivery.ErrorCondition.OtherError.ErrorText",
    "Siri.ServiceDelivery.ErrorCondition.Description",
    "Siri.ServiceDelivery.ErrorCondition.OtherError.ErrorText",
];

pub(super) static FIELDS: &[RecordField] = &[
    field("recorded_at_time", "RecordedAtTime", Timestamp).bus_observatory("timestamp"),
    derived("route", Derived::ShortLine, String),
    field("item_identifier", "ItemIdentifier", String),
    field("valid_until_time", "ValidUntilTime", Timestamp),
    field("vehicle_monitoring_ref", "VehicleMonitoringRef", String),
    field("link_distance", "ProgressBetweenStops.LinkDistance", Float).unit("m"),
    field("percentage", "ProgressBetweenStops.Percentage", Float).unit("percent"),
    field("line_ref", "MonitoredVehicleJourney.LineRef", String).bus_observatory("route_long"),
    field("direction_ref", "MonitoredVehicleJourney.DirectionRef", String).bus_observatory("direction"),
    field("data_frame_ref", "MonitoredVehicleJourney.FramedVehicleJourneyRef.DataFrameRef", String)
        .bus_observatory("service_date"),
    field(
        "dated_vehicle_journey_ref",
        "MonitoredVehicleJourney.FramedVehicleJourneyRef.DatedVehicleJourneyRef",
        String,
    )
    .bus_observatory("trip_id"),
    field("vehicle_journey_ref", "MonitoredVehicleJourney.VehicleJourneyRef", String),
    field("journey_pattern_ref", "MonitoredVehicleJourney.JourneyPatternRef", String)
        .bus_observatory("gtfs_shape_id"),
    field("journey_pattern_name", "MonitoredVehicleJourney.JourneyPatternName", String),
    field("vehicle_mode", "MonitoredVehicleJourney.VehicleMode", String),
    field("route_ref", "MonitoredVehicleJourney.RouteRef", String),
    field("published_line_name", "MonitoredVehicleJourney.PublishedLineName", String)
        .bus_observatory("route_short"),
    field("group_of_lines_ref", "MonitoredVehicleJourney.GroupOfLinesRef", String),
    field("direction_name", "MonitoredVehicleJourney.DirectionName", String),
    field("external_line_ref", "MonitoredVehicleJourney.ExternalLineRef", String),
    field("operator_ref", "MonitoredVehicleJourney.OperatorRef", String).bus_observatory("agency"),
    field("product_category_ref", "MonitoredVehicleJourney.ProductCategoryRef", String),
    field("service_feature_ref", "MonitoredVehicleJourney.ServiceFeatureRef", String),
    field("vehicle_feature_ref", "MonitoredVehicleJourney.VehicleFeatureRef", String),
    field("origin_ref", "MonitoredVehicleJourney.OriginRef", String).bus_observatory("origin_id"),
    field("origin_name", "MonitoredVehicleJourney.OriginName", String),
    field("origin_short_name", "MonitoredVehicleJourney.OriginShortName", String),
    field("via", "MonitoredVehicleJourney.Via", Json),
    field("destination_ref", "MonitoredVehicleJourney.DestinationRef", String)
        .bus_observatory("destination_id"),
    field("destination_name", "MonitoredVehicleJourney.DestinationName", String)
        .bus_observatory("destination_name"),
    field("destination_short_name", "MonitoredVehicleJourney.DestinationShortName", String),
    field("vehicle_journey_name", "MonitoredVehicleJourney.VehicleJourneyName", String),
    field("journey_note", "MonitoredVehicleJourney.JourneyNote", String),
    field("headway_service", "MonitoredVehicleJourney.HeadwayService", Bool),
    field("origin_aimed_departure_time", "MonitoredVehicleJourney.OriginAimedDepartureTime", Timestamp),
    field("destination_aimed_arrival_time", "MonitoredVehicleJourney.DestinationAimedArrivalTime", Timestamp),
    field("first_or_last_journey", "MonitoredVehicleJourney.FirstOrLastJourney", String),
    field("situation_ref", "MonitoredVehicleJourney.SituationRef", Json).bus_observatory("alert"),
    field("monitored", "MonitoredVehicleJourney.Monitored", Bool),
    field("monitoring_error", "MonitoredVehicleJourney.MonitoringError", String),
    field("in_congestion", "MonitoredVehicleJourney.InCongestion", Bool),
    field("in_panic", "MonitoredVehicleJourney.InPanic", Bool),
    field("prediction_inaccurate", "MonitoredVehicleJourney.PredictionInaccurate", Bool),
    field("data_source", "MonitoredVehicleJourney.DataSource", String),
    field("confidence_level", "MonitoredVehicleJourney.ConfidenceLevel", String),
    field("latitude", "MonitoredVehicleJourney.VehicleLocation.Latitude", Float)
        .bus_observatory("lat")
        .unit("degree"),
    field("longitude", "MonitoredVehicleJourney.VehicleLocation.Longitude", Float)
        .bus_observatory("lon")
        .unit("degree"),
    field("coordinates", "MonitoredVehicleJourney.VehicleLocation.Coordinates", String),
    field("srs_name", "MonitoredVehicleJourney.VehicleLocation.@srsName", String),
    field("precision", "MonitoredVehicleJourney.VehicleLocation.Precision", Float).unit("m"),
    field("location_recorded_at_time", "MonitoredVehicleJourney.LocationRecordedAtTime", Timestamp),
    field("bearing", "MonitoredVehicleJourney.Bearing", Float).bus_observatory("bearing").unit("degree"),
    field("progress_rate", "MonitoredVehicleJourney.ProgressRate", String).bus_observatory("progress_rate"),
    field("progress_status", "MonitoredVehicleJourney.ProgressStatus", String)
        .bus_observatory("progress_status"),
    field("velocity", "MonitoredVehicleJourney.Velocity", Float),
    field("engine_on", "MonitoredVehicleJourney.EngineOn", Bool),
    field("occupancy", "MonitoredVehicleJourney.Occupancy", String).bus_observatory("occupancy"),
    // An ISO 8601 duration, such as `-PT90S`.
    field("delay", "MonitoredVehicleJourney.Delay", String),
    field("is_complete_stop_sequence", "MonitoredVehicleJourney.IsCompleteStopSequence", Bool),
    field("train_block_part", "MonitoredVehicleJourney.TrainBlockPart", Json),
    field("block_ref", "MonitoredVehicleJourney.BlockRef", String).bus_observatory("gtfs_block_id"),
    field("course_of_journey_ref", "MonitoredVehicleJourney.CourseOfJourneyRef", String),
    field("vehicle_ref", "MonitoredVehicleJourney.VehicleRef", String).bus_observatory("vehicle_id"),
    field("additional_vehicle_journey_ref", "MonitoredVehicleJourney.AdditionalVehicleJourneyRef", Json),
    field("driver_ref", "MonitoredVehicleJourney.DriverRef", String),
    field("previous_calls", "MonitoredVehicleJourney.PreviousCalls", Json),
    field("stop_point_ref", "MonitoredVehicleJourney.MonitoredCall.StopPointRef", String)
        .bus_observatory("next_stop_id"),
    field("visit_number", "MonitoredVehicleJourney.MonitoredCall.VisitNumber", Int),
    // `order` is a word of SQL.
    field("call_order", "MonitoredVehicleJourney.MonitoredCall.Order", Int),
    field("stop_point_name", "MonitoredVehicleJourney.MonitoredCall.StopPointName", String),
    field("vehicle_at_stop", "MonitoredVehicleJourney.MonitoredCall.VehicleAtStop", Bool),
    field("destination_display", "MonitoredVehicleJourney.MonitoredCall.DestinationDisplay", String),
    field("aimed_arrival_time", "MonitoredVehicleJourney.MonitoredCall.AimedArrivalTime", Timestamp),
    field("expected_arrival_time", "MonitoredVehicleJourney.MonitoredCall.ExpectedArrivalTime", Timestamp)
        .bus_observatory("next_stop_eta"),
    field("actual_arrival_time", "MonitoredVehicleJourney.MonitoredCall.ActualArrivalTime", Timestamp),
    field("arrival_status", "MonitoredVehicleJourney.MonitoredCall.ArrivalStatus", String),
    field("arrival_proximity_text", "MonitoredVehicleJourney.MonitoredCall.ArrivalProximityText", String),
    field("arrival_platform_name", "MonitoredVehicleJourney.MonitoredCall.ArrivalPlatformName", String),
    field("aimed_departure_time", "MonitoredVehicleJourney.MonitoredCall.AimedDepartureTime", Timestamp),
    field(
        "expected_departure_time",
        "MonitoredVehicleJourney.MonitoredCall.ExpectedDepartureTime",
        Timestamp,
    ),
    field("actual_departure_time", "MonitoredVehicleJourney.MonitoredCall.ActualDepartureTime", Timestamp),
    field("departure_status", "MonitoredVehicleJourney.MonitoredCall.DepartureStatus", String),
    field("departure_platform_name", "MonitoredVehicleJourney.MonitoredCall.DeparturePlatformName", String),
    field("distance_from_stop", "MonitoredVehicleJourney.MonitoredCall.DistanceFromStop", Float).unit("m"),
    field("number_of_stops_away", "MonitoredVehicleJourney.MonitoredCall.NumberOfStopsAway", Int),
    field(
        "call_distance_along_route",
        "MonitoredVehicleJourney.MonitoredCall.Extensions.Distances.CallDistanceAlongRoute",
        Float,
    )
    .bus_observatory("next_stop_d_along_route")
    .unit("m"),
    field(
        "distance_from_call",
        "MonitoredVehicleJourney.MonitoredCall.Extensions.Distances.DistanceFromCall",
        Float,
    )
    .bus_observatory("next_stop_d")
    .unit("m"),
    field(
        "presentable_distance",
        "MonitoredVehicleJourney.MonitoredCall.Extensions.Distances.PresentableDistance",
        String,
    ),
    field("stops_from_call", "MonitoredVehicleJourney.MonitoredCall.Extensions.Distances.StopsFromCall", Int),
    field(
        "estimated_passenger_count",
        "MonitoredVehicleJourney.MonitoredCall.Extensions.Capacities.EstimatedPassengerCount",
        Int,
    )
    .bus_observatory("passenger_count"),
    field(
        "estimated_passenger_capacity",
        "MonitoredVehicleJourney.MonitoredCall.Extensions.Capacities.EstimatedPassengerCapacity",
        Int,
    ),
    field(
        "estimated_passenger_load_factor",
        "MonitoredVehicleJourney.MonitoredCall.Extensions.Capacities.EstimatedPassengerLoadFactor",
        String,
    ),
    field("onward_calls", "MonitoredVehicleJourney.OnwardCalls", Json),
    around("producer_ref", "Siri.ServiceDelivery.ProducerRef", String),
    around("response_timestamp", "Siri.ServiceDelivery.ResponseTimestamp", Timestamp),
    around("siri_version", "Siri.@version", String),
    REST,
];
