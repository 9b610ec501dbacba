//! NextBus, later Umo, `vehicleLocations`: `<body><vehicle …/><lastTime …/>`,
//! all in attributes.

use super::{Derived, REST, RecordField, around, derived, field};
use crate::model::Kind::{Bool, Float, Int, String, Timestamp};

pub(super) static FIELDS: &[RecordField] = &[
    field("id", "@id", String),
    field("route_tag", "@routeTag", String),
    field("dir_tag", "@dirTag", String),
    field("lat", "@lat", Float).unit("degree"),
    field("lon", "@lon", Float).unit("degree"),
    derived("timestamp", Derived::ReportTime, Timestamp),
    field("secs_since_report", "@secsSinceReport", Int).unit("s"),
    field("predictable", "@predictable", Bool),
    field("heading", "@heading", Float).unit("degree"),
    field("speed_km_hr", "@speedKmHr", Float).unit("km h-1"),
    field("leading_vehicle_id", "@leadingVehicleId", String),
    field("passenger_count", "@passengerCount", Int),
    around("last_time", "body.lastTime.@time", Timestamp),
    REST,
];
