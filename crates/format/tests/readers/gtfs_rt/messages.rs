//! The messages of GTFS-Realtime for an encoder that is not ours.

use prost::Message;

macro_rules! message {
    ($name:ident { $($(#[$meta:meta])* $field:ident : $ty:ty,)* }) => {
        #[derive(Clone, PartialEq, Message)]
        pub struct $name { $($(#[$meta])* pub $field: $ty,)* }
    };
}

message!(FeedMessage {
    #[prost(message, required, tag = "1")]
    header: FeedHeader,
    #[prost(message, repeated, tag = "2")]
    entity: Vec<FeedEntity>,
});

message!(FeedHeader {
    #[prost(string, required, tag = "1")]
    gtfs_realtime_version: String,
    #[prost(int32, optional, tag = "2")]
    incrementality: Option<i32>,
    #[prost(uint64, optional, tag = "3")]
    timestamp: Option<u64>,
    #[prost(string, optional, tag = "4")]
    feed_version: Option<String>,
});

message!(FeedEntity {
    #[prost(string, required, tag = "1")]
    id: String,
    #[prost(bool, optional, tag = "2")]
    is_deleted: Option<bool>,
    #[prost(message, optional, tag = "3")]
    trip_update: Option<TripUpdate>,
    #[prost(message, optional, tag = "4")]
    vehicle: Option<VehiclePosition>,
    #[prost(message, optional, tag = "5")]
    alert: Option<Alert>,
});

message!(TripDescriptor {
    #[prost(string, optional, tag = "1")]
    trip_id: Option<String>,
    #[prost(string, optional, tag = "5")]
    route_id: Option<String>,
    #[prost(uint32, optional, tag = "6")]
    direction_id: Option<u32>,
    #[prost(string, optional, tag = "2")]
    start_time: Option<String>,
    #[prost(string, optional, tag = "3")]
    start_date: Option<String>,
    #[prost(int32, optional, tag = "4")]
    schedule_relationship: Option<i32>,
    // What the New York subway adds.
    #[prost(bytes = "vec", optional, tag = "1001")]
    nyct: Option<Vec<u8>>,
});

message!(VehicleDescriptor {
    #[prost(string, optional, tag = "1")]
    id: Option<String>,
    #[prost(string, optional, tag = "2")]
    label: Option<String>,
    #[prost(string, optional, tag = "3")]
    license_plate: Option<String>,
    #[prost(int32, optional, tag = "4")]
    wheelchair_accessible: Option<i32>,
});

message!(Position {
    #[prost(float, required, tag = "1")]
    latitude: f32,
    #[prost(float, required, tag = "2")]
    longitude: f32,
    #[prost(float, optional, tag = "3")]
    bearing: Option<f32>,
    #[prost(double, optional, tag = "4")]
    odometer: Option<f64>,
    #[prost(float, optional, tag = "5")]
    speed: Option<f32>,
});

message!(VehiclePosition {
    #[prost(message, optional, tag = "1")]
    trip: Option<TripDescriptor>,
    #[prost(message, optional, tag = "8")]
    vehicle: Option<VehicleDescriptor>,
    #[prost(message, optional, tag = "2")]
    position: Option<Position>,
    #[prost(uint32, optional, tag = "3")]
    current_stop_sequence: Option<u32>,
    #[prost(string, optional, tag = "7")]
    stop_id: Option<String>,
    #[prost(int32, optional, tag = "4")]
    current_status: Option<i32>,
    #[prost(uint64, optional, tag = "5")]
    timestamp: Option<u64>,
    #[prost(int32, optional, tag = "9")]
    occupancy_status: Option<i32>,
    #[prost(uint32, optional, tag = "10")]
    occupancy_percentage: Option<u32>,
    #[prost(message, repeated, tag = "11")]
    multi_carriage_details: Vec<CarriageDetails>,
});

message!(CarriageDetails {
    #[prost(string, optional, tag = "1")]
    id: Option<String>,
    #[prost(int32, optional, tag = "4")]
    occupancy_percentage: Option<i32>,
});

message!(TripUpdate {
    #[prost(message, required, tag = "1")]
    trip: TripDescriptor,
    #[prost(message, optional, tag = "3")]
    vehicle: Option<VehicleDescriptor>,
    #[prost(message, repeated, tag = "2")]
    stop_time_update: Vec<StopTimeUpdate>,
    #[prost(uint64, optional, tag = "4")]
    timestamp: Option<u64>,
    #[prost(int32, optional, tag = "5")]
    delay: Option<i32>,
});

message!(StopTimeEvent {
    #[prost(int32, optional, tag = "1")]
    delay: Option<i32>,
    #[prost(int64, optional, tag = "2")]
    time: Option<i64>,
    #[prost(int32, optional, tag = "3")]
    uncertainty: Option<i32>,
});

message!(StopTimeUpdate {
    #[prost(uint32, optional, tag = "1")]
    stop_sequence: Option<u32>,
    #[prost(string, optional, tag = "4")]
    stop_id: Option<String>,
    #[prost(message, optional, tag = "2")]
    arrival: Option<StopTimeEvent>,
    #[prost(message, optional, tag = "3")]
    departure: Option<StopTimeEvent>,
    #[prost(int32, optional, tag = "5")]
    schedule_relationship: Option<i32>,
});

message!(TimeRange {
    #[prost(uint64, optional, tag = "1")]
    start: Option<u64>,
    #[prost(uint64, optional, tag = "2")]
    end: Option<u64>,
});

message!(EntitySelector {
    #[prost(string, optional, tag = "1")]
    agency_id: Option<String>,
    #[prost(string, optional, tag = "2")]
    route_id: Option<String>,
    #[prost(int32, optional, tag = "3")]
    route_type: Option<i32>,
    #[prost(message, optional, tag = "4")]
    trip: Option<TripDescriptor>,
    #[prost(string, optional, tag = "5")]
    stop_id: Option<String>,
});

message!(Translation {
    #[prost(string, required, tag = "1")]
    text: String,
    #[prost(string, optional, tag = "2")]
    language: Option<String>,
});

message!(TranslatedString {
    #[prost(message, repeated, tag = "1")]
    translation: Vec<Translation>,
});

message!(Alert {
    #[prost(message, repeated, tag = "1")]
    active_period: Vec<TimeRange>,
    #[prost(message, repeated, tag = "5")]
    informed_entity: Vec<EntitySelector>,
    #[prost(int32, optional, tag = "6")]
    cause: Option<i32>,
    #[prost(message, optional, tag = "10")]
    header_text: Option<TranslatedString>,
});
