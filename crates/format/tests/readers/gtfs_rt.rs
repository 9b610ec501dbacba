//! GTFS-Realtime: what an encoder that is not ours writes comes back, real
//! feeds give what another library counted, and damaged ones are errors.

mod damaged;
mod messages;
mod random;
mod real;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::*;
use lakegate_domain::model::{Format, GtfsRt, Names};
use prost::Message;
use serde_json::{Value, json};

use crate::*;
use messages::*;

pub fn as_feed() -> Read {
    reads(Some(Format::GtfsRt(GtfsRt::default())))
}

/// A field of a row as text: times in microseconds.
fn shown(batch: &RecordBatch, column: usize, row: usize) -> Option<String> {
    let array = batch.column(column);
    if array.is_null(row) {
        return None;
    }
    Some(match array.data_type() {
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Float64 => format!("{:?}", array.as_primitive::<Float64Type>().value(row)),
        DataType::Timestamp(..) => array.as_primitive::<TimestampMicrosecondType>().value(row).to_string(),
        _ => array.as_string::<i32>().value(row).to_string(),
    })
}

/// The rows of every stream, in order: the stream's name and its fields.
pub fn feed_rows(bytes: impl AsRef<[u8]>, read: &Read, chunk: usize) -> Result<Vec<(String, Row)>> {
    let mut rows = Vec::new();
    for chunk in chunks_of(bytes, "t", read, chunk)? {
        let Payload::Typed(batch) = &chunk.payload else { panic!("text where typed rows were expected") };
        assert_eq!(chunk.stream.format, "gtfs_rt");
        for row in 0..batch.num_rows() {
            let name = |n: usize| batch.schema_ref().field(n).name().clone();
            let fields = (0..batch.num_columns()).filter_map(|n| Some((name(n), shown(batch, n, row)?)));
            rows.push((chunk.stream.name.clone().unwrap(), fields.collect()));
        }
    }
    Ok(rows)
}

/// The rows of one stream.
pub fn of<'r>(rows: &'r [(String, Row)], stream: &str) -> Vec<&'r Row> {
    rows.iter().filter(|(s, _)| s == stream).map(|(_, row)| row).collect()
}

fn text(text: &str) -> Option<String> {
    Some(text.into())
}

fn feed(entity: Vec<FeedEntity>) -> FeedMessage {
    let header = FeedHeader {
        gtfs_realtime_version: "2.0".into(),
        timestamp: Some(1_700_000_000),
        incrementality: Some(1),
        ..Default::default()
    };
    FeedMessage { header, entity }
}

fn a_vehicle() -> FeedEntity {
    FeedEntity {
        id: "e1".into(),
        vehicle: Some(VehiclePosition {
            trip: Some(TripDescriptor {
                trip_id: text("t"),
                route_id: text("Red"),
                direction_id: Some(0),
                schedule_relationship: Some(4),
                nyct: Some(vec![1, 0xAB]),
                ..Default::default()
            }),
            vehicle: Some(VehicleDescriptor { id: text("1854"), label: text("A"), ..Default::default() }),
            position: Some(Position {
                latitude: 42.25,
                longitude: -71.5,
                bearing: Some(0.0),
                ..Default::default()
            }),
            current_status: Some(2),
            timestamp: Some(1_700_000_001),
            multi_carriage_details: vec![CarriageDetails { id: text("c"), occupancy_percentage: Some(-1) }],
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[test]
fn a_vehicle_in_protobuf_and_in_json() {
    let want = |unknown: Value| {
        row(&[
            ("entity_id", "e1"),
            ("is_deleted", "false"),
            ("trip_id", "t"),
            ("route_id", "Red"),
            ("direction_id", "0"),
            // The specification has no such word.
            ("schedule_relationship", "4"),
            ("schedule_relationship_code", "4"),
            ("vehicle_id", "1854"),
            ("vehicle_label", "A"),
            ("latitude", "42.25"),
            ("longitude", "-71.5"),
            ("bearing", "0.0"),
            ("current_status", "IN_TRANSIT_TO"),
            ("current_status_code", "2"),
            ("timestamp", "1700000001000000"),
            ("multi_carriage_details", r#"[{"id":"c","occupancy_percentage":-1}]"#),
            ("extensions", &unknown.to_string()),
            ("gtfs_realtime_version", "2.0"),
            ("incrementality", "DIFFERENTIAL"),
            ("incrementality_code", "1"),
            ("feed_timestamp", "1700000000000000"),
        ])
    };
    let encoded = feed(vec![a_vehicle()]).encode_to_vec();
    let rows = feed_rows(&encoded, &as_feed(), CHUNK).unwrap();
    assert_eq!(rows, [("vehicle".into(), want(json!({"vehicle.trip.1001": "01ab"})))]);

    let text = r#" {"entity":[{"id":"e1","vehicle":{"trip":{"tripId":"t","route_id":"Red","directionId":0,
        "scheduleRelationship":4,"nyct":[true],"start_time":null},"vehicle":{"id":1854,"label":"A"},
        "position":{"latitude":42.25,"longitude":"-71.5","bearing":0},"currentStatus":"IN_TRANSIT_TO",
        "timestamp":"1700000001","multiCarriageDetails":[{"id":"c","occupancyPercentage":"-1"}]}}],
        "header":{"gtfsRealtimeVersion":"2.0","incrementality":"DIFFERENTIAL","timestamp":1700000000}}"#;
    for chunk in [10, CHUNK] {
        let rows = feed_rows(text, &as_feed(), chunk).unwrap();
        assert_eq!(rows, [("vehicle".into(), want(json!({"vehicle.trip.nyct": [true]})))]);
    }
}

#[test]
fn parts_that_repeat_are_rows_of_their_own_streams() {
    let trip = TripDescriptor { trip_id: text("t"), schedule_relationship: Some(1), ..Default::default() };
    let event = |time| Some(StopTimeEvent { time: Some(time), delay: Some(-60), uncertainty: None });
    let update = |n, arrival| StopTimeUpdate { stop_sequence: Some(n), arrival, ..Default::default() };
    let trip_update = TripUpdate {
        trip: trip.clone(),
        vehicle: Some(VehicleDescriptor { id: text("v"), ..Default::default() }),
        stop_time_update: vec![update(1, event(60)), update(2, None)],
        timestamp: Some(7),
        delay: Some(-5),
    };
    let translated =
        |language: &str, text: &str| Translation { text: text.into(), language: Some(language.into()) };
    let alert = Alert {
        active_period: vec![TimeRange { start: Some(1), end: None }],
        informed_entity: vec![
            EntitySelector { route_id: text("r"), route_type: Some(3), ..Default::default() },
            EntitySelector { trip: Some(trip), ..Default::default() },
        ],
        cause: Some(10),
        header_text: Some(TranslatedString {
            translation: vec![translated("fr", "Non"), translated("en", "No")],
        }),
    };
    let entities = vec![
        FeedEntity { id: "a".into(), trip_update: Some(trip_update), ..Default::default() },
        FeedEntity { id: "b".into(), alert: Some(alert), ..Default::default() },
        FeedEntity { id: "c".into(), is_deleted: Some(true), ..Default::default() },
    ];
    let rows = feed_rows(feed(entities).encode_to_vec(), &as_feed(), CHUNK).unwrap();
    let is = |stream: &str, n: usize, wanted: &[(&str, &str)]| {
        let rows = of(&rows, stream);
        for (name, value) in wanted {
            assert_eq!(rows[n].get(*name).map(String::as_str), Some(*value), "{stream} {n} {name}");
        }
    };
    let streams: Vec<_> = rows.iter().map(|(s, _)| s.as_str()).collect();
    assert_eq!(
        streams,
        [
            "trip_update",
            "stop_time_update",
            "stop_time_update",
            "alert",
            "informed_entity",
            "informed_entity",
            "active_period",
            "entity"
        ]
    );
    is("trip_update", 0, &[("trip_id", "t"), ("delay", "-5"), ("timestamp", "7000000"), ("vehicle_id", "v")]);
    let inherited = [
        ("trip_id", "t"),
        ("trip_schedule_relationship", "ADDED"),
        ("vehicle_id", "v"),
        ("timestamp", "7000000"),
        ("entity_id", "a"),
    ];
    is("stop_time_update", 0, &inherited);
    is("stop_time_update", 1, &inherited);
    is(
        "stop_time_update",
        0,
        &[("stop_sequence", "1"), ("arrival_time", "60000000"), ("arrival_delay", "-60")],
    );
    assert!(!of(&rows, "stop_time_update")[1].contains_key("arrival_time"));
    is("alert", 0, &[("cause", "CONSTRUCTION"), ("cause_code", "10"), ("header_text", "No")]);
    is(
        "alert",
        0,
        &[("header_text_translations", r#"[{"text":"Non","language":"fr"},{"text":"No","language":"en"}]"#)],
    );
    is("informed_entity", 0, &[("entity_id", "b"), ("route_id", "r"), ("route_type", "3")]);
    is("informed_entity", 1, &[("trip_id", "t"), ("schedule_relationship", "ADDED")]);
    is("active_period", 0, &[("active_period_start", "1000000")]);
    is("entity", 0, &[("entity_id", "c"), ("is_deleted", "true"), ("gtfs_realtime_version", "2.0")]);
}

#[test]
fn only_the_streams_that_are_wanted() {
    let entities = vec![a_vehicle(), FeedEntity { id: "c".into(), ..Default::default() }];
    let bytes = feed(entities).encode_to_vec();
    let read = |streams: Vec<&'static str>| {
        reads(Some(Format::GtfsRt(GtfsRt { names: Names::BusObservatory, streams })))
    };
    let rows = feed_rows(&bytes, &read(vec!["vehicle"]), CHUNK).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].1["vehicle.current_status"], "2");
    assert_eq!(rows[0].1["vehicle.current_status.name"], "IN_TRANSIT_TO");
    // Columns are known without rows.
    let chunks = chunks_of(&bytes, "t", &read(vec!["alert"]), CHUNK).unwrap();
    assert_eq!(chunks.len(), 1);
    let Payload::Typed(batch) = &chunks[0].payload else { panic!() };
    assert_eq!(batch.num_rows(), 0);
    assert!(batch.schema_ref().index_of("alert.header_text").is_ok());
}

/// Headers and messages that stand twice are one, as the wire format says; a
/// header may stand behind the entities.
#[test]
fn parts_of_a_message_may_stand_anywhere() {
    let whole = feed(vec![a_vehicle()]);
    let header = FeedMessage { entity: Vec::new(), ..whole.clone() }.encode_to_vec();
    let entity = whole.encode_to_vec()[header.len()..].to_vec();
    let want = feed_rows(whole.encode_to_vec(), &as_feed(), CHUNK).unwrap();
    assert_eq!(feed_rows([&entity[..], &header].concat(), &as_feed(), CHUNK).unwrap(), want);
    assert_eq!(feed_rows([&header[..], &entity, &header].concat(), &as_feed(), CHUNK).unwrap(), want);

    let vehicle = a_vehicle().vehicle.unwrap();
    let part = |vehicle| FeedEntity { vehicle: Some(vehicle), ..FeedEntity::default() }.encode_to_vec();
    let first = part(VehiclePosition { position: None, ..vehicle.clone() });
    let second = part(VehiclePosition { position: vehicle.position.clone(), ..Default::default() });
    let mut halves = FeedEntity { id: "e1".into(), ..Default::default() }.encode_to_vec();
    // Behind the empty id of each.
    halves.extend([&first[2..], &second[2..]].concat());
    let bytes = [&header[..], &[0x12], &prost_len(halves.len()), &halves].concat();
    assert_eq!(feed_rows(bytes, &as_feed(), CHUNK).unwrap(), want);
}

fn prost_len(len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encode_length_delimiter(len, &mut bytes).unwrap();
    bytes
}

#[test]
fn text_that_is_not_utf8_is_kept_whole() {
    let mut bytes = feed(vec![a_vehicle()]).encode_to_vec();
    let at = bytes.windows(3).position(|w| w == b"Red").unwrap();
    bytes[at] = 0xE9;
    let rows = feed_rows(&bytes, &as_feed(), CHUNK).unwrap();
    assert_eq!(rows[0].1["route_id"], "\u{FFFD}ed");
    assert!(
        rows[0].1["extensions"].contains(r#""vehicle.trip.route_id":"e96564""#),
        "{}",
        rows[0].1["extensions"]
    );
}

#[test]
fn many_rows_come_in_batches() {
    let entities: Vec<_> = (0..20_000).map(|n| FeedEntity { id: n.to_string(), ..a_vehicle() }).collect();
    let bytes = feed(entities).encode_to_vec();
    for packed in [bytes.clone(), gz(&bytes), zip(&[("x.pb", &bytes)])] {
        let chunks = chunks_of(&packed, "t.pb.gz", &as_feed(), CHUNK).unwrap();
        assert_eq!(chunks.len(), 3);
        let rows = feed_rows(&packed, &as_feed(), CHUNK).unwrap();
        assert!(rows.iter().enumerate().all(|(n, (_, row))| row["entity_id"] == n.to_string()));
        assert_eq!(rows.len(), 20_000);
    }
}

#[test]
fn auto_says_what_it_found() {
    for bytes in [
        feed(vec![a_vehicle()]).encode_to_vec(),
        br#"{"header":{"gtfs_realtime_version":"2.0"},"entity":[]}"#.to_vec(),
        b" {\n \"entity\": [{\"id\":\"1\", \"trip_update\": {} }]}".to_vec(),
    ] {
        let e = error(bytes, "feed.json", &reads(None));
        assert_eq!(e.code, lakegate_domain::Code::Unrecognised);
        assert!(e.message.contains("`read: gtfs_rt`"), "{e}");
    }
}
