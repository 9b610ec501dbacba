//! The messages of GTFS-Realtime, field by field, with the numbers and words
//! of the public specification
//! (<https://gtfs.org/documentation/realtime/proto/>), as of its version 2.0
//! with all fields up to 2026, experimental ones included.
//!
//! Only what is said here has a place of its own; every other field of a
//! message is an extension.

use super::Field;
use super::Type::*;

/// A message: its fields in the order of the specification.
#[derive(Debug)]
pub struct Message(pub &'static [Field]);

/// The words of an enumeration with their numbers.
#[derive(Debug)]
pub struct Words(pub &'static [(i32, &'static str)]);

impl Words {
    pub fn word(&self, number: i64) -> Option<&'static str> {
        self.0.iter().find(|(n, _)| i64::from(*n) == number).map(|(_, word)| *word)
    }

    pub fn number(&self, word: &str) -> Option<i32> {
        self.0.iter().find(|(_, w)| *w == word).map(|(number, _)| *number)
    }
}

const fn one(number: u32, name: &'static str, of: super::Type) -> Field {
    Field { number, name, of, repeated: false }
}

const fn many(number: u32, name: &'static str, of: super::Type) -> Field {
    Field { number, name, of, repeated: true }
}

pub static FEED_HEADER: Message = Message(&[
    one(1, "gtfs_realtime_version", Text),
    one(2, "incrementality", Enum(&INCREMENTALITY)),
    one(3, "timestamp", Posix),
    one(4, "feed_version", Text),
]);

static INCREMENTALITY: Words = Words(&[(0, "FULL_DATASET"), (1, "DIFFERENTIAL")]);

pub static FEED_ENTITY: Message = Message(&[
    one(1, "id", Text),
    one(2, "is_deleted", Bool),
    one(3, "trip_update", Of(&TRIP_UPDATE)),
    one(4, "vehicle", Of(&VEHICLE_POSITION)),
    one(5, "alert", Of(&ALERT)),
    one(6, "shape", Of(&SHAPE)),
    one(7, "stop", Of(&STOP)),
    one(8, "trip_modifications", Of(&TRIP_MODIFICATIONS)),
]);

static TRIP_UPDATE: Message = Message(&[
    one(1, "trip", Of(&TRIP_DESCRIPTOR)),
    one(3, "vehicle", Of(&VEHICLE_DESCRIPTOR)),
    many(2, "stop_time_update", Of(&STOP_TIME_UPDATE)),
    one(4, "timestamp", Posix),
    one(5, "delay", Int),
    one(6, "trip_properties", Of(&TRIP_PROPERTIES)),
]);

static STOP_TIME_UPDATE: Message = Message(&[
    one(1, "stop_sequence", Int),
    one(4, "stop_id", Text),
    one(2, "arrival", Of(&STOP_TIME_EVENT)),
    one(3, "departure", Of(&STOP_TIME_EVENT)),
    one(7, "departure_occupancy_status", Enum(&OCCUPANCY_STATUS)),
    one(5, "schedule_relationship", Enum(&STOP_SCHEDULE_RELATIONSHIP)),
    one(6, "stop_time_properties", Of(&STOP_TIME_PROPERTIES)),
]);

static STOP_TIME_EVENT: Message = Message(&[
    one(1, "delay", Int),
    one(2, "time", Posix),
    one(3, "uncertainty", Int),
    one(4, "scheduled_time", Posix),
]);

static STOP_SCHEDULE_RELATIONSHIP: Words =
    Words(&[(0, "SCHEDULED"), (1, "SKIPPED"), (2, "NO_DATA"), (3, "UNSCHEDULED")]);

static STOP_TIME_PROPERTIES: Message = Message(&[
    one(1, "assigned_stop_id", Text),
    one(2, "stop_headsign", Text),
    one(3, "pickup_type", Enum(&DROP_OFF_PICKUP_TYPE)),
    one(4, "drop_off_type", Enum(&DROP_OFF_PICKUP_TYPE)),
]);

static DROP_OFF_PICKUP_TYPE: Words =
    Words(&[(0, "REGULAR"), (1, "NONE"), (2, "PHONE_AGENCY"), (3, "COORDINATE_WITH_DRIVER")]);

static TRIP_PROPERTIES: Message = Message(&[
    one(1, "trip_id", Text),
    one(2, "start_date", Text),
    one(3, "start_time", Text),
    one(4, "shape_id", Text),
    one(5, "trip_headsign", Text),
    one(6, "trip_short_name", Text),
]);

static VEHICLE_POSITION: Message = Message(&[
    one(1, "trip", Of(&TRIP_DESCRIPTOR)),
    one(8, "vehicle", Of(&VEHICLE_DESCRIPTOR)),
    one(2, "position", Of(&POSITION)),
    one(3, "current_stop_sequence", Int),
    one(7, "stop_id", Text),
    one(4, "current_status", Enum(&VEHICLE_STOP_STATUS)),
    one(5, "timestamp", Posix),
    one(6, "congestion_level", Enum(&CONGESTION_LEVEL)),
    one(9, "occupancy_status", Enum(&OCCUPANCY_STATUS)),
    one(10, "occupancy_percentage", Int),
    many(11, "multi_carriage_details", Of(&CARRIAGE_DETAILS)),
]);

static VEHICLE_STOP_STATUS: Words = Words(&[(0, "INCOMING_AT"), (1, "STOPPED_AT"), (2, "IN_TRANSIT_TO")]);

static CONGESTION_LEVEL: Words = Words(&[
    (0, "UNKNOWN_CONGESTION_LEVEL"),
    (1, "RUNNING_SMOOTHLY"),
    (2, "STOP_AND_GO"),
    (3, "CONGESTION"),
    (4, "SEVERE_CONGESTION"),
]);

static OCCUPANCY_STATUS: Words = Words(&[
    (0, "EMPTY"),
    (1, "MANY_SEATS_AVAILABLE"),
    (2, "FEW_SEATS_AVAILABLE"),
    (3, "STANDING_ROOM_ONLY"),
    (4, "CRUSHED_STANDING_ROOM_ONLY"),
    (5, "FULL"),
    (6, "NOT_ACCEPTING_PASSENGERS"),
    (7, "NO_DATA_AVAILABLE"),
    (8, "NOT_BOARDABLE"),
]);

static CARRIAGE_DETAILS: Message = Message(&[
    one(1, "id", Text),
    one(2, "label", Text),
    one(3, "occupancy_status", Enum(&OCCUPANCY_STATUS)),
    one(4, "occupancy_percentage", Int),
    one(5, "carriage_sequence", Int),
]);

static ALERT: Message = Message(&[
    many(1, "active_period", Of(&TIME_RANGE)),
    many(2, "communication_period", Of(&TIME_RANGE)),
    many(3, "impact_period", Of(&TIME_RANGE)),
    many(5, "informed_entity", Of(&ENTITY_SELECTOR)),
    one(6, "cause", Enum(&CAUSE)),
    one(7, "effect", Enum(&EFFECT)),
    one(8, "url", Translated),
    one(10, "header_text", Translated),
    one(11, "description_text", Translated),
    one(12, "tts_header_text", Translated),
    one(13, "tts_description_text", Translated),
    one(14, "severity_level", Enum(&SEVERITY_LEVEL)),
    one(15, "image", Json(&TRANSLATED_IMAGE)),
    one(16, "image_alternative_text", Translated),
    one(17, "cause_detail", Translated),
    one(18, "effect_detail", Translated),
]);

static CAUSE: Words = Words(&[
    (1, "UNKNOWN_CAUSE"),
    (2, "OTHER_CAUSE"),
    (3, "TECHNICAL_PROBLEM"),
    (4, "STRIKE"),
    (5, "DEMONSTRATION"),
    (6, "ACCIDENT"),
    (7, "HOLIDAY"),
    (8, "WEATHER"),
    (9, "MAINTENANCE"),
    (10, "CONSTRUCTION"),
    (11, "POLICE_ACTIVITY"),
    (12, "MEDICAL_EMERGENCY"),
    (13, "SPECIAL_EVENT"),
]);

static EFFECT: Words = Words(&[
    (1, "NO_SERVICE"),
    (2, "REDUCED_SERVICE"),
    (3, "SIGNIFICANT_DELAYS"),
    (4, "DETOUR"),
    (5, "ADDITIONAL_SERVICE"),
    (6, "MODIFIED_SERVICE"),
    (7, "OTHER_EFFECT"),
    (8, "UNKNOWN_EFFECT"),
    (9, "STOP_MOVED"),
    (10, "NO_EFFECT"),
    (11, "ACCESSIBILITY_ISSUE"),
]);

static SEVERITY_LEVEL: Words = Words(&[(1, "UNKNOWN_SEVERITY"), (2, "INFO"), (3, "WARNING"), (4, "SEVERE")]);

static TIME_RANGE: Message = Message(&[one(1, "start", Posix), one(2, "end", Posix)]);

static POSITION: Message = Message(&[
    one(1, "latitude", Float),
    one(2, "longitude", Float),
    one(3, "bearing", Float),
    one(4, "odometer", Double),
    one(5, "speed", Float),
]);

static TRIP_DESCRIPTOR: Message = Message(&[
    one(1, "trip_id", Text),
    one(5, "route_id", Text),
    one(6, "direction_id", Int),
    one(2, "start_time", Text),
    one(3, "start_date", Text),
    one(4, "schedule_relationship", Enum(&TRIP_SCHEDULE_RELATIONSHIP)),
    one(7, "modified_trip", Of(&MODIFIED_TRIP_SELECTOR)),
]);

/// `REPLACEMENT` is in use though no longer recommended.
static TRIP_SCHEDULE_RELATIONSHIP: Words = Words(&[
    (0, "SCHEDULED"),
    (1, "ADDED"),
    (2, "UNSCHEDULED"),
    (3, "CANCELED"),
    (5, "REPLACEMENT"),
    (6, "DUPLICATED"),
    (7, "DELETED"),
    (8, "NEW"),
]);

static MODIFIED_TRIP_SELECTOR: Message = Message(&[
    one(1, "modifications_id", Text),
    one(2, "affected_trip_id", Text),
    one(3, "start_time", Text),
    one(4, "start_date", Text),
]);

static VEHICLE_DESCRIPTOR: Message = Message(&[
    one(1, "id", Text),
    one(2, "label", Text),
    one(3, "license_plate", Text),
    one(4, "wheelchair_accessible", Enum(&WHEELCHAIR_ACCESSIBLE)),
]);

static WHEELCHAIR_ACCESSIBLE: Words =
    Words(&[(0, "NO_VALUE"), (1, "UNKNOWN"), (2, "WHEELCHAIR_ACCESSIBLE"), (3, "WHEELCHAIR_INACCESSIBLE")]);

static ENTITY_SELECTOR: Message = Message(&[
    one(1, "agency_id", Text),
    one(2, "route_id", Text),
    one(3, "route_type", Int),
    one(4, "trip", Of(&TRIP_DESCRIPTOR)),
    one(5, "stop_id", Text),
    one(6, "direction_id", Int),
]);

pub static TRANSLATED_STRING: Message = Message(&[many(1, "translation", Of(&TRANSLATION))]);

pub static TRANSLATION: Message = Message(&[one(1, "text", Text), one(2, "language", Text)]);

static TRANSLATED_IMAGE: Message = Message(&[many(1, "localized_image", Of(&LOCALIZED_IMAGE))]);

static LOCALIZED_IMAGE: Message =
    Message(&[one(1, "url", Text), one(2, "media_type", Text), one(3, "language", Text)]);

static SHAPE: Message = Message(&[one(1, "shape_id", Text), one(2, "encoded_polyline", Text)]);

static STOP: Message = Message(&[
    one(1, "stop_id", Text),
    one(2, "stop_code", Translated),
    one(3, "stop_name", Translated),
    one(4, "tts_stop_name", Translated),
    one(5, "stop_desc", Translated),
    one(6, "stop_lat", Float),
    one(7, "stop_lon", Float),
    one(8, "zone_id", Text),
    one(9, "stop_url", Translated),
    one(11, "parent_station", Text),
    one(12, "stop_timezone", Text),
    one(13, "wheelchair_boarding", Enum(&WHEELCHAIR_BOARDING)),
    one(14, "level_id", Text),
    one(15, "platform_code", Translated),
]);

static WHEELCHAIR_BOARDING: Words = Words(&[(0, "UNKNOWN"), (1, "AVAILABLE"), (2, "NOT_AVAILABLE")]);

static TRIP_MODIFICATIONS: Message = Message(&[
    many(1, "selected_trips", Of(&SELECTED_TRIPS)),
    many(2, "start_times", Text),
    many(3, "service_dates", Text),
    many(4, "modifications", Of(&MODIFICATION)),
]);

static SELECTED_TRIPS: Message = Message(&[many(1, "trip_ids", Text), one(2, "shape_id", Text)]);

static MODIFICATION: Message = Message(&[
    one(1, "start_stop_selector", Of(&STOP_SELECTOR)),
    one(2, "end_stop_selector", Of(&STOP_SELECTOR)),
    one(3, "propagated_modification_delay", Int),
    many(4, "replacement_stops", Of(&REPLACEMENT_STOP)),
    one(5, "service_alert_id", Text),
    one(6, "last_modified_time", Posix),
]);

static STOP_SELECTOR: Message = Message(&[one(1, "stop_sequence", Int), one(2, "stop_id", Text)]);

static REPLACEMENT_STOP: Message = Message(&[one(1, "travel_time_to_stop", Int), one(2, "stop_id", Text)]);
