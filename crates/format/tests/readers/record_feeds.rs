//! SIRI VehicleMonitoring, Clever Devices and NextBus: what is read, and what
//! it is once it has the columns that the preset declares.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use lakegate_domain::Code;
use lakegate_domain::model::{Evolve, Format, GtfsRt, Kind, Names};
use lakegate_domain::transit;
use lakegate_domain::transit::records::Preset;
use lakegate_format::conform::{Plan, Target, conform_text, conform_typed};
use proptest::prelude::*;

use crate::*;

fn as_preset(preset: Preset, names: Names) -> Read {
    reads(Some(Format::Records(preset, names)))
}

fn plan(format: &Format, stream: Option<&str>, timezone: &str) -> Plan {
    let columns = transit::columns(format, stream).into_iter();
    let targets = columns.map(|c| Target::declared(c.clone(), c.kind.unwrap())).collect();
    // Whatever is not declared, or does not fit, is an error.
    Plan { targets, evolve: Evolve::Fixed, timezone: timezone.into(), nulls: Vec::new() }
}

/// The conformed rows: times in UTC.
fn typed(bytes: impl AsRef<[u8]>, read: &Read, timezone: &str) -> Result<Vec<Row>> {
    let format = read.format.clone().unwrap();
    let mut rows = Vec::new();
    for chunk in chunks_of(bytes, "t", read, CHUNK)? {
        let batch = conform_text(&plan(&format, None, timezone), &parsed(&chunk)?, 1)?.batch;
        let options = FormatOptions::new().with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.fZ"));
        for row in 0..batch.num_rows() {
            let mut fields = Row::new();
            for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
                if array.is_valid(row) {
                    let text = ArrayFormatter::try_new(array, &options).unwrap().value(row).to_string();
                    fields.insert(field.name().clone(), text);
                }
            }
            rows.push(fields);
        }
    }
    Ok(rows)
}

#[track_caller]
fn has(row: &Row, fields: &[(&str, &str)]) {
    for (name, value) in fields {
        assert_eq!(row.get(*name).map(String::as_str), Some(*value), "{name} of {row:?}");
    }
}

const CLEVER: &str = "\n\n\r\n\t\n\n\n<?xml version=\"1.0\"?>\n<buses rt=\"159\">\n\t<time>3:02 PM</time>\n\
    \t<bus>\t<id>5229</id><consist></consist><m>1</m><rt>159</rt><rtRtpiFeedName/><rtdd>159</rtdd>\
    <d>South West Bound</d><dd>New York</dd><dn>SSW</dn><lat>40.786</lat><lon>-74.018</lon><pid>1805</pid>\
    <run>MAN</run><fs>\t159 NEW YORK\t</fs><op>519910</op><bid>MAN</bid><wid1>0374</wid1><new>x</new></bus>\n\
    <bus><id>5230</id><run>12</run></bus></buses>\n";

#[test]
fn clever_devices() {
    let read = as_preset(Preset::CleverDevices, Names::Specification);
    let rows = typed(CLEVER, &read, "America/New_York").unwrap();
    assert_eq!(rows.len(), 2);
    has(
        &rows[0],
        &[
            ("id", "5229"),
            ("rt", "159"),
            ("d", "South West Bound"),
            ("dn", "SSW"),
            ("lat", "40.786"),
            ("lon", "-74.018"),
            ("run", "MAN"),
            ("fs", "159 NEW YORK"),
            ("wid1", "0374"),
            ("feed_time", "3:02 PM"),
            ("extensions", r#"{"new":"x"}"#),
        ],
    );
    has(&rows[1], &[("id", "5230"), ("run", "12"), ("feed_time", "3:02 PM")]);
    assert!(!rows[0].contains_key("consist") && !rows[1].contains_key("lat"));
    let dotted = as_preset(Preset::CleverDevices, Names::BusObservatory);
    let chunks = chunks_of(CLEVER, "t", &dotted, CHUNK).unwrap();
    assert!(parsed(&chunks[0]).unwrap().names.iter().any(|n| n == "pdRtpiFeedName"));
}

const NEXTBUS: &str = r#"<?xml version="1.0" encoding="utf-8" ?>
<body copyright="All data copyright agency 2026.">
<vehicle id="1004" routeTag="N" dirTag="N____I_F00" lat="37.7768" lon="-122.3947" secsSinceReport="15" predictable="true" heading="218" speedKmHr="0" leadingVehicleId="1005"/>
<vehicle id="0007" routeTag="J" lat="37.7" lon="-122.4" secsSinceReport="0" predictable="false" heading="-4" speedKmHr="31.5" odd="1"/>
<lastTime time="1700000000123"/>
</body>"#;

#[test]
fn nextbus() {
    let rows = typed(NEXTBUS, &as_preset(Preset::NextBus, Names::Specification), "UTC").unwrap();
    has(
        &rows[0],
        &[
            ("id", "1004"),
            ("route_tag", "N"),
            ("dir_tag", "N____I_F00"),
            ("lat", "37.7768"),
            ("lon", "-122.3947"),
            // 15 s before the document's 22:13:20.123.
            ("timestamp", "2023-11-14T22:13:05.123Z"),
            ("last_time", "2023-11-14T22:13:20.123Z"),
            ("predictable", "true"),
            ("heading", "218.0"),
            ("leading_vehicle_id", "1005"),
        ],
    );
    has(
        &rows[1],
        &[("id", "0007"), ("timestamp", "2023-11-14T22:13:20.123Z"), ("extensions", r#"{"@odd":1}"#)],
    );
    let error_page = r#"<body><Error shouldRetry="false">agency parameter "x" is not valid.</Error></body>"#;
    let e = error(error_page, "t", &as_preset(Preset::NextBus, Names::Specification));
    assert!(e.code == Code::Malformed && e.message.contains("\"x\" is not valid"), "{e}");
    // No vehicle is out.
    assert!(
        rows_by(
            "<body><lastTime time='1'/></body>",
            "t",
            &as_preset(Preset::NextBus, Names::Specification),
            1
        )
        .unwrap()
        .is_empty()
    );
}

fn siri() -> Read {
    as_preset(Preset::SiriVm, Names::Specification)
}

/// Version 2.0 in the forms that its encoders have.
#[test]
fn siri_in_other_words() {
    let json = r#"{"Siri":{"version":"2.0","ServiceDelivery":{"ResponseTimestamp":"2026-11-01T01:30:00-05:00","ProducerRef":"x",
        "VehicleMonitoringDelivery":[{"VehicleActivity":[
          {"RecordedAtTime":"2026-11-01T01:29:00-04:00","MonitoredVehicleJourney":{"LineRef":{"value":"MTA NYCT_M1"},
           "PublishedLineName":["M1"],"DestinationName":["SOUTH FERRY","S FERRY"],"Occupancy":null,
           "VehicleLocation":{"Longitude":-73.97000000000000,"Latitude":"40.7500"},"SituationRef":[{"SituationSimpleRef":"s"}],
           "MonitoredCall":{"ExpectedArrivalTime":"2026-11-01T01:40:00-04:00","Extensions":{"Capacities":{"EstimatedPassengerCount":12}}},
           "OnwardCalls":{"OnwardCall":[{"StopPointRef":"a"}]},"New":{"a":[1]}}}]},
         {"ResponseTimestamp":"x"},
         {"VehicleActivity":{"RecordedAtTime":"2026-07-01T00:00:00"}}]}}}"#;
    let rows = typed(json, &siri(), "America/New_York").unwrap();
    assert_eq!(rows.len(), 2);
    has(
        &rows[0],
        &[
            ("recorded_at_time", "2026-11-01T05:29:00Z"),
            ("response_timestamp", "2026-11-01T06:30:00Z"),
            ("siri_version", "2.0"),
            ("producer_ref", "x"),
            ("line_ref", "MTA NYCT_M1"),
            ("published_line_name", "M1"),
            ("destination_name", "SOUTH FERRY"),
            ("longitude", "-73.97"),
            ("latitude", "40.75"),
            ("expected_arrival_time", "2026-11-01T05:40:00Z"),
            ("estimated_passenger_count", "12"),
            ("situation_ref", r#"[{"SituationSimpleRef":"s"}]"#),
            ("onward_calls", r#"{"OnwardCall":[{"StopPointRef":"a"}]}"#),
            (
                "extensions",
                r#"{"MonitoredVehicleJourney.DestinationName":["SOUTH FERRY","S FERRY"],"MonitoredVehicleJourney.New.a":[1]}"#,
            ),
        ],
    );
    // A time without an offset is of the dataset's zone.
    has(&rows[1], &[("recorded_at_time", "2026-07-01T04:00:00Z")]);
    let old = typed(json, &as_preset(Preset::SiriVm, Names::BusObservatory), "UTC").unwrap();
    has(&old[0], &[("route", "M1"), ("route_long", "MTA NYCT_M1"), ("timestamp", "2026-11-01T05:29:00Z")]);
    has(&old[0], &[("lat", "40.75"), ("passenger_count", "12"), ("next_stop_eta", "2026-11-01T05:40:00Z")]);
}

#[test]
fn siri_that_is_none() {
    let delivery = |inner: &str| {
        format!(r#"{{"Siri":{{"ServiceDelivery":{{"VehicleMonitoringDelivery":[{{{inner}}}]}}}}}}"#)
    };
    let xml = |inner: &str| {
        format!(
            "<Siri><ServiceDelivery><VehicleMonitoringDelivery>{inner}</VehicleMonitoringDelivery></ServiceDelivery></Siri>"
        )
    };
    for (text, code, needle) in [
        ("{}".to_string(), Code::Malformed, "the document has no key `Siri`; it has no keys"),
        (
            r#"{"Siri":{"a":1}}"#.into(),
            Code::Malformed,
            "Siri has no key `ServiceDelivery`; its keys are `a`",
        ),
        ("{\n\"Siri\":{]".into(), Code::Malformed, "line 2 column 9"),
        (delivery(r#""ErrorCondition":{"Description":"No such route"}"#), Code::Malformed, "No such route"),
        (delivery(r#""VehicleActivity":[{"a":"\ud800"}]"#), Code::Malformed, "row 1"),
        (
            delivery(&format!(r#""VehicleActivity":[{}1{}]"#, "[".repeat(9999), "]".repeat(9999))),
            Code::TooDeep,
            "row 1",
        ),
        (
            xml("<ErrorCondition><OtherError><ErrorText>No key</ErrorText></OtherError></ErrorCondition>"),
            Code::Malformed,
            "No key",
        ),
        (xml("<VehicleActivity>"), Code::Malformed, "`</VehicleActivity>`"),
        ("<html/>".into(), Code::Malformed, "root is `html`"),
    ] {
        let e = error(&text, "t", &siri());
        assert_eq!(e.code, code, "{e}");
        assert!(e.message.contains(needle), "`{needle}` is not in: {e}");
    }
    assert!(rows(delivery(""), "t", &siri()).unwrap().is_empty());
    assert!(rows(xml(""), "t", &siri()).unwrap().is_empty());
}

/// Figures made by hand from the files' text.
#[test]
fn real_siri() {
    let Some(data) = test_data() else { return };
    let read_file = |name: &str| std::fs::read(data.join("siri").join(name)).unwrap();
    let json = typed(read_file("barbeau_vehicle-monitoring.json"), &siri(), "UTC").unwrap();
    assert_eq!(json.len(), 2);
    has(
        &json[0],
        &[
            ("recorded_at_time", "2012-08-21T16:05:38.980Z"),
            ("response_timestamp", "2012-08-21T16:06:21.485Z"),
            ("line_ref", "MTA NYCT_S40"),
            ("vehicle_ref", "MTA NYCT_6174"),
            ("data_frame_ref", "2012-08-21"),
            ("latitude", "40.627523"),
            ("longitude", "-74.166504"),
            ("bearing", "88.00143"),
            ("monitored", "true"),
            ("distance_from_call", "8.04"),
            ("call_distance_along_route", "2372.71"),
            ("stops_from_call", "0"),
            ("presentable_distance", "at stop"),
        ],
    );
    assert!(!json[0].contains_key("occupancy") && !json[0].contains_key("extensions"), "{:?}", json[0]);
    let xml = typed(read_file("barbeau_vehicle-monitoring.xml"), &siri(), "UTC").unwrap();
    assert_eq!(xml.len(), 2);
    has(
        &xml[1],
        &[
            ("recorded_at_time", "2012-09-12T13:27:52.867Z"),
            ("vehicle_ref", "MTA NYCT_6188"),
            ("latitude", "40.636815"),
            ("bearing", "0.7555014"),
            ("presentable_distance", "approaching"),
            ("visit_number", "1"),
        ],
    );
    // Both encodings have the same columns.
    let keys = |row: &Row| row.keys().cloned().collect::<Vec<_>>();
    assert!(keys(&xml[0]).iter().all(|k| json[0].contains_key(k)), "{:?}", keys(&xml[0]));
    let uk = typed(read_file("uk_bods_testSiriVm.xml"), &siri(), "Europe/London").unwrap();
    assert_eq!(uk.len(), 2);
    has(
        &uk[0],
        &[
            // British Summer Time.
            ("recorded_at_time", "2018-08-17T14:13:20Z"),
            ("valid_until_time", "2018-08-17T15:13:29Z"),
            ("response_timestamp", "2018-08-17T14:14:21.432Z"),
            ("siri_version", "2.0"),
            ("producer_ref", "ATB"),
            ("line_ref", "ATB:Line:60"),
            ("delay", "PT0S"),
            ("is_complete_stop_sequence", "false"),
            ("latitude", "63.43613"),
        ],
    );
    for file in
        ["barbeau_vehicle-monitoring.json", "barbeau_vehicle-monitoring.xml", "uk_bods_testSiriVm.xml"]
    {
        let chunks = chunks_of(read_file(file), file, &reads(None), CHUNK).unwrap();
        assert_eq!(chunks[0].stream.format, "siri_vm");
        assert_eq!(parsed(&chunks[0]).unwrap().n_rows, 2);
    }
}

#[test]
fn auto_knows_them() {
    for (text, format) in [(CLEVER, "clever_devices"), (NEXTBUS, "nextbus")] {
        let chunks = chunks_of(text, "feed.xml", &reads(None), CHUNK).unwrap();
        assert_eq!((chunks[0].stream.format, &chunks[0].stream.name), (format, &None));
    }
}

/// What a GTFS-Realtime feed yields is what the configuration declares.
#[test]
fn the_declared_columns_of_gtfs_rt_fit() {
    for names in [Names::Specification, Names::BusObservatory] {
        let format = Format::GtfsRt(GtfsRt { names, ..GtfsRt::default() });
        let text = r#"{"header":{"gtfs_realtime_version":"2.0","timestamp":9},"entity":[
            {"id":"1","vehicle":{"timestamp":1},"trip_update":{"stop_time_update":[{"arrival":{"time":1}}]},
             "alert":{"active_period":[{}],"informed_entity":[{}]},"shape":{},"stop":{"stop_lat":1.5},
             "trip_modifications":{"start_times":["a"]}},{"id":"2"}]}"#;
        let chunks = chunks_of(text, "t", &reads(Some(format.clone())), CHUNK).unwrap();
        assert_eq!(chunks.len(), 10);
        for chunk in chunks {
            let Payload::Typed(batch) = chunk.payload else { panic!() };
            let plan = plan(&format, chunk.stream.name.as_deref(), "UTC");
            let conformed = conform_typed(&plan, &batch, 1).unwrap();
            assert!(conformed.rescued.is_none());
            assert_eq!(conformed.batch, batch);
            for (target, field) in plan.targets.iter().zip(batch.schema_ref().fields()) {
                if target.spec.kind == Some(Kind::Timestamp) {
                    assert!(matches!(field.data_type(), DataType::Timestamp(..)));
                    let last = batch.column_by_name(field.name()).unwrap();
                    assert_eq!(last.as_primitive::<TimestampMicrosecondType>().len(), batch.num_rows());
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Mutated answers are rows or errors.
    #[test]
    fn mutations(which in 0usize..4, edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..3), 1..6)) {
        let siri_json = r#"{"Siri":{"ServiceDelivery":{"VehicleMonitoringDelivery":[{"VehicleActivity":[{"RecordedAtTime":"x","MonitoredVehicleJourney":{"LineRef":"a"}}]}]}}}"#;
        let siri_xml = "<Siri><ServiceDelivery><VehicleMonitoringDelivery><VehicleActivity><RecordedAtTime>x</RecordedAtTime></VehicleActivity></VehicleMonitoringDelivery></ServiceDelivery></Siri>";
        let (text, preset) = [
            (CLEVER, Preset::CleverDevices), (NEXTBUS, Preset::NextBus), (siri_json, Preset::SiriVm), (siri_xml, Preset::SiriVm),
        ][which];
        let mut bytes = text.as_bytes().to_vec();
        for (at, byte, kind) in edits {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => { bytes.remove(at); }
            }
        }
        if let Err(e) = rows(&bytes, "t", &as_preset(preset, Names::BusObservatory)) {
            prop_assert!(e.code != Code::Bug && e.code != Code::Storage && !e.message.is_empty(), "{}", e);
        }
    }
}
