//! GTFS-Realtime 2.0, in protobuf and in JSON.

use prost::Message;
use serde_json::{Value, json};

use super::{Body, Said};
use crate::fleet::Report;

const PROTOBUF: &str = "application/x-protobuf";
/// Stops that a trip update tells of.
const STOPS_AHEAD: u32 = 4;
/// Seconds from one stop to the next.
const BETWEEN_STOPS: i64 = 75;

#[derive(Clone, PartialEq, Message)]
struct FeedMessage {
    #[prost(message, required, tag = "1")]
    header: Header,
    #[prost(message, repeated, tag = "2")]
    entity: Vec<Entity>,
}

#[derive(Clone, PartialEq, Message)]
struct Header {
    #[prost(string, required, tag = "1")]
    version: String,
    #[prost(int32, optional, tag = "2")]
    incrementality: Option<i32>,
    #[prost(uint64, optional, tag = "3")]
    timestamp: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct Entity {
    #[prost(string, required, tag = "1")]
    id: String,
    #[prost(message, optional, tag = "3")]
    trip_update: Option<TripUpdate>,
    #[prost(message, optional, tag = "4")]
    vehicle: Option<Vehicle>,
    #[prost(message, optional, tag = "5")]
    alert: Option<Alert>,
}

#[derive(Clone, PartialEq, Message)]
struct Vehicle {
    #[prost(message, optional, tag = "1")]
    trip: Option<Trip>,
    #[prost(message, optional, tag = "2")]
    position: Option<Position>,
    #[prost(uint32, optional, tag = "3")]
    stop_sequence: Option<u32>,
    #[prost(int32, optional, tag = "4")]
    status: Option<i32>,
    #[prost(uint64, optional, tag = "5")]
    timestamp: Option<u64>,
    #[prost(string, optional, tag = "7")]
    stop_id: Option<String>,
    #[prost(message, optional, tag = "8")]
    vehicle: Option<Descriptor>,
    /// A field that the specification does not have.
    #[prost(string, optional, tag = "1999")]
    drift: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Trip {
    #[prost(string, optional, tag = "1")]
    trip_id: Option<String>,
    #[prost(string, optional, tag = "2")]
    start_time: Option<String>,
    #[prost(string, optional, tag = "3")]
    start_date: Option<String>,
    #[prost(string, optional, tag = "5")]
    route_id: Option<String>,
    #[prost(uint32, optional, tag = "6")]
    direction_id: Option<u32>,
}

#[derive(Clone, PartialEq, Message)]
struct Position {
    #[prost(float, required, tag = "1")]
    latitude: f32,
    #[prost(float, required, tag = "2")]
    longitude: f32,
    #[prost(float, optional, tag = "3")]
    bearing: Option<f32>,
    #[prost(float, optional, tag = "5")]
    speed: Option<f32>,
}

#[derive(Clone, PartialEq, Message)]
struct Descriptor {
    #[prost(string, optional, tag = "1")]
    id: Option<String>,
    #[prost(string, optional, tag = "2")]
    label: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct TripUpdate {
    #[prost(message, required, tag = "1")]
    trip: Trip,
    #[prost(message, repeated, tag = "2")]
    stop_time_update: Vec<StopTime>,
    #[prost(message, optional, tag = "3")]
    vehicle: Option<Descriptor>,
    #[prost(uint64, optional, tag = "4")]
    timestamp: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct StopTime {
    #[prost(uint32, optional, tag = "1")]
    stop_sequence: Option<u32>,
    #[prost(message, optional, tag = "2")]
    arrival: Option<Event>,
    #[prost(string, optional, tag = "4")]
    stop_id: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(int32, optional, tag = "1")]
    delay: Option<i32>,
    #[prost(int64, optional, tag = "2")]
    time: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct Alert {
    #[prost(message, repeated, tag = "5")]
    informed_entity: Vec<Selector>,
    #[prost(int32, optional, tag = "6")]
    cause: Option<i32>,
    #[prost(int32, optional, tag = "7")]
    effect: Option<i32>,
    #[prost(message, optional, tag = "10")]
    header_text: Option<Translated>,
}

#[derive(Clone, PartialEq, Message)]
struct Selector {
    #[prost(string, optional, tag = "2")]
    route_id: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Translated {
    #[prost(message, repeated, tag = "1")]
    translation: Vec<Translation>,
}

#[derive(Clone, PartialEq, Message)]
struct Translation {
    #[prost(string, required, tag = "1")]
    text: String,
    #[prost(string, optional, tag = "2")]
    language: Option<String>,
}

/// `IN_TRANSIT_TO`
const IN_TRANSIT: i32 = 2;
/// `CONSTRUCTION`
const CONSTRUCTION: i32 = 10;
/// `DETOUR`
const DETOUR: i32 = 4;

fn message(said: &Said, entity: Vec<Entity>) -> Body {
    let header = Header {
        version: "2.0".to_string(),
        incrementality: Some(0),
        timestamp: u64::try_from(said.now.as_second()).ok(),
    };
    Body { content_type: PROTOBUF, bytes: FeedMessage { header, entity }.encode_to_vec() }
}

fn trip(report: &Report) -> Trip {
    Trip {
        trip_id: Some(report.trip.clone()),
        start_time: Some(report.start_time.clone()),
        start_date: Some(report.start_date.clone()),
        route_id: Some(report.route.clone()),
        direction_id: Some(report.direction),
    }
}

fn descriptor(report: &Report) -> Descriptor {
    Descriptor { id: Some(report.vehicle.clone()), label: Some(format!("Bus {}", report.vehicle)) }
}

pub(super) fn vehicles(said: &Said) -> Body {
    let entity = |report: &Report| Entity {
        id: format!("v{}", report.vehicle),
        vehicle: Some(Vehicle {
            trip: Some(trip(report)),
            position: Some(Position {
                latitude: report.latitude as f32,
                longitude: report.longitude as f32,
                bearing: Some(report.bearing as f32),
                speed: Some(report.speed as f32),
            }),
            stop_sequence: Some(report.stop_sequence),
            status: Some(IN_TRANSIT),
            timestamp: u64::try_from(report.time.as_second()).ok(),
            stop_id: Some(report.stop.clone()),
            vehicle: Some(descriptor(report)),
            drift: said.drifts.then(|| "a field of a later version".to_string()),
        }),
        ..Entity::default()
    };
    message(said, said.reports.iter().map(entity).collect())
}

pub(super) fn trip_updates(said: &Said) -> Body {
    let entity = |report: &Report| {
        let stop = |ahead: u32| StopTime {
            stop_sequence: Some(report.stop_sequence + ahead),
            arrival: Some(Event {
                delay: Some(i32::from(report.speed < 5.0) * 90),
                time: Some(report.time.as_second() + i64::from(ahead + 1) * BETWEEN_STOPS),
            }),
            stop_id: Some(format!("{}:{}", report.route, report.stop_sequence + ahead)),
        };
        Entity {
            id: format!("t{}", report.vehicle),
            trip_update: Some(TripUpdate {
                trip: trip(report),
                stop_time_update: (0..STOPS_AHEAD).map(stop).collect(),
                vehicle: Some(descriptor(report)),
                timestamp: u64::try_from(report.time.as_second()).ok(),
            }),
            ..Entity::default()
        }
    };
    message(said, said.reports.iter().map(entity).collect())
}

pub(super) fn alerts(said: &Said) -> Body {
    let Some(route) = said.fleet.routes().next() else { return message(said, Vec::new()) };
    let text = |text: String, language: &str| Translation { text, language: Some(language.to_string()) };
    let alert = Alert {
        informed_entity: vec![Selector { route_id: Some(route.clone()) }],
        cause: Some(CONSTRUCTION),
        effect: Some(DETOUR),
        header_text: Some(Translated {
            translation: vec![
                text(format!("{route} takes another way"), "en"),
                text(format!("{route} va por otro camino"), "es"),
            ],
        }),
    };
    message(said, vec![Entity { id: "a1".to_string(), alert: Some(alert), ..Entity::default() }])
}

pub(super) fn vehicles_json(said: &Said) -> Body {
    let entity = |report: &Report| {
        // What drifts is a number that comes as text.
        let speed = if said.drifts { json!(report.speed.to_string()) } else { json!(report.speed) };
        let mut vehicle = json!({
            "trip": { "tripId": report.trip, "routeId": report.route, "directionId": report.direction,
                "startDate": report.start_date, "startTime": report.start_time },
            "position": { "latitude": report.latitude, "longitude": report.longitude,
                "bearing": report.bearing, "speed": speed },
            "currentStopSequence": report.stop_sequence,
            "currentStatus": "IN_TRANSIT_TO",
            "stopId": report.stop,
            "timestamp": report.time.as_second().to_string(),
            "vehicle": { "id": report.vehicle, "label": format!("Bus {}", report.vehicle) },
        });
        if said.drifts {
            vehicle["crowding"] = json!("a field of a later version");
        }
        json!({ "id": format!("v{}", report.vehicle), "vehicle": vehicle })
    };
    let entities: Vec<Value> = said.reports.iter().map(entity).collect();
    let message = json!({
        "header": { "gtfsRealtimeVersion": "2.0", "incrementality": "FULL_DATASET",
            "timestamp": said.now.as_second().to_string() },
        "entity": entities,
    });
    Body { content_type: "application/json", bytes: message.to_string().into_bytes() }
}
