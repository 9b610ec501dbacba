//! Real feeds. Counts and sums of the protobuf files were made with the Python
//! package `gtfs-realtime-bindings` 3.0.0, those of the JSON files with Python's
//! `json`.

use super::*;

/// File; entities; rows of `vehicle`, `trip_update`, `stop_time_update`,
/// `alert`, `informed_entity`, `active_period`; sums of vehicles' and of
/// arrivals' times in seconds; sum of latitudes; fields that the specification
/// does not have.
type Counted = (&'static str, [usize; 6], u64, u64, f64, Option<usize>);

const COUNTED: &[Counted] = &[
    ("gtfs_rt/mbta_alerts.pb", [0, 0, 0, 51, 275, 2069], 0, 0, 0.0, Some(0)),
    ("gtfs_rt/mbta_tripupdates.pb", [0, 49, 523, 0, 0, 0], 0, 788_597_879_426, 0.0, Some(0)),
    ("gtfs_rt/mbta_vehiclepositions.pb", [48, 0, 0, 0, 0, 0], 72_653_891_162, 0, 2032.476994, Some(0)),
    (
        "gtfs_rt/mbta_viz_VehiclePositions-sample.pb",
        [4, 0, 0, 0, 0, 0],
        6_036_200_088,
        0,
        169.092701,
        Some(0),
    ),
    (
        "gtfs_rt/nyct_ace/1707397157.ace.pb",
        [160, 160, 2862, 0, 0, 0],
        273_183_609_029,
        4_886_579_259_994,
        0.0,
        Some(3183),
    ),
    (
        "gtfs_rt/nyct_ace/1707397217.ace.pb",
        [157, 157, 2835, 0, 0, 0],
        268_061_431_658,
        4_840_479_533_908,
        0.0,
        Some(3150),
    ),
    (
        "gtfs_rt/nyct_ace/1707397277.ace.pb",
        [159, 159, 2858, 0, 0, 0],
        271_476_240_339,
        4_879_749_944_627,
        0.0,
        Some(3177),
    ),
    (
        "gtfs_rt/nyct_ace/1707397338.ace.pb",
        [160, 160, 2867, 0, 0, 0],
        273_183_648_698,
        4_895_116_772_341,
        0.0,
        Some(3188),
    ),
    (
        "gtfs_rt/nyct_ace/1707397398.ace.pb",
        [159, 159, 2845, 0, 0, 0],
        271_476_255_390,
        4_857_554_033_980,
        0.0,
        Some(3164),
    ),
    (
        "gtfs_rt/nyct_ace/1707397458.ace.pb",
        [161, 161, 2891, 0, 0, 0],
        274_891_065_207,
        4_936_094_771_830,
        0.0,
        Some(3214),
    ),
    (
        "gtfs_rt/nyct_ace/1707397519.ace.pb",
        [157, 157, 2865, 0, 0, 0],
        268_061_479_472,
        4_891_702_445_746,
        0.0,
        Some(3180),
    ),
    (
        "gtfs_rt/nyct_ace/1707397579.ace.pb",
        [156, 156, 2837, 0, 0, 0],
        266_354_087_336,
        4_843_895_317_598,
        0.0,
        Some(3150),
    ),
    (
        "gtfs_rt/nyct_ace/1707397640.ace.pb",
        [156, 156, 2807, 0, 0, 0],
        266_354_091_289,
        4_792_673_384_355,
        0.0,
        Some(3120),
    ),
    (
        "gtfs_rt/nyct_ace/1707397700.ace.pb",
        [156, 156, 2780, 0, 0, 0],
        266_354_095_278,
        4_746_573_643_655,
        0.0,
        Some(3093),
    ),
    (
        "gtfs_rt/nyct_ace/1707397760.ace.pb",
        [156, 156, 2825, 0, 0, 0],
        266_354_110_211,
        4_823_406_986_967,
        0.0,
        Some(3138),
    ),
    (
        "gtfs_rt/nyct_ace/1707397821.ace.pb",
        [153, 153, 2803, 0, 0, 0],
        261_231_921_415,
        4_785_844_233_072,
        0.0,
        Some(3110),
    ),
    ("gtfs_rt/concentrate_TripUpdates_enhanced.json", [0, 38, 47, 0, 0, 0], 0, 0, 0.0, None),
    (
        "gtfs_rt/concentrate_VehiclePositions_enhanced.json",
        [550, 0, 0, 0, 0, 0],
        840_182_914_831,
        0,
        23249.725550,
        None,
    ),
    ("gtfs_rt/concentrate_alerts_enhanced.json", [0, 0, 0, 6, 21, 13], 0, 0, 0.0, None),
    (
        "lamp/2019-12-12T00_00_10_https___mbta_gtfs_s3_dev.s3.amazonaws.com_concentrate_VehiclePositions_enhanced.json",
        [735, 0, 0, 0, 0, 0],
        1_158_439_954_152,
        0,
        31128.940355,
        None,
    ),
    (
        "lamp/2022-01-01T00:00:03Z_https_cdn.mbta.com_realtime_VehiclePositions_enhanced.json.gz",
        [426, 0, 0, 0, 0, 0],
        699_063_941_743,
        0,
        18042.399097,
        None,
    ),
    (
        "lamp/2022-05-08T06:04:57Z_https_cdn.mbta.com_realtime_TripUpdates_enhanced.json.gz",
        [0, 79, 1273, 0, 0, 0],
        0,
        735_135_637_557,
        0.0,
        None,
    ),
    (
        "lamp/2022-06-28T10_03_18Z_https_mbta_busloc_s3.s3.amazonaws.com_prod_TripUpdates_enhanced.json.gz",
        [0, 157, 4354, 0, 0, 0],
        0,
        0,
        0.0,
        None,
    ),
    (
        "lamp/2022-07-05T12:35:16Z_https_cdn.mbta.com_realtime_VehiclePositions_enhanced.json.gz",
        [683, 0, 0, 0, 0, 0],
        1_131_747_728_302,
        0,
        28926.178624,
        None,
    ),
    ("lamp/empty.json.gz", [0; 6], 0, 0, 0.0, None),
    ("lamp/one_blank_record.json.gz", [0; 6], 0, 0, 0.0, None),
];

#[test]
fn as_another_library_counts() {
    let Some(data) = test_data() else { return };
    for (file, n_rows, vehicle_times, arrival_times, latitudes, n_unknown) in COUNTED {
        let bytes = std::fs::read(data.join(file)).unwrap();
        let rows = feed_rows(&bytes, &as_feed(), CHUNK).unwrap_or_else(|e| panic!("{file}: {e}"));
        let streams =
            ["vehicle", "trip_update", "stop_time_update", "alert", "informed_entity", "active_period"];
        assert_eq!(streams.map(|s| of(&rows, s).len()), *n_rows, "{file}");
        let sum = |stream: &str, column: &str| {
            let values = of(&rows, stream).into_iter().filter_map(|r| r.get(column));
            values.map(|v| v.parse::<u64>().unwrap() / 1_000_000).sum::<u64>()
        };
        assert_eq!(sum("vehicle", "timestamp"), *vehicle_times, "{file}");
        assert_eq!(sum("stop_time_update", "arrival_time"), *arrival_times, "{file}");
        let found: f64 = of(&rows, "vehicle")
            .into_iter()
            .filter_map(|r| r.get("latitude"))
            .map(|v| v.parse::<f64>().unwrap())
            .sum();
        assert!((found - latitudes).abs() < 1e-5, "{file}: {found}");
        if let Some(n_unknown) = n_unknown {
            let count = |column: &str, row: &Row| {
                row.get(column).map_or(0, |v| {
                    let all: serde_json::Map<String, Value> = serde_json::from_str(v).unwrap();
                    all.values().map(|v| v.as_array().map_or(1, Vec::len)).sum()
                })
            };
            let in_header = rows.first().map_or(0, |(_, row)| count("feed_extensions", row));
            let in_rows: usize = rows.iter().map(|(_, row)| count("extensions", row)).sum();
            assert_eq!(in_header + in_rows, *n_unknown, "{file}");
        }
        // Every row says which feed it is of.
        assert!(rows.iter().all(|(_, row)| row.contains_key("feed_timestamp")), "{file}");
    }
}

#[test]
fn a_feed_of_one_blank_entity() {
    let Some(data) = test_data() else { return };
    let bytes = std::fs::read(data.join("lamp/one_blank_record.json.gz")).unwrap();
    let rows = feed_rows(bytes, &as_feed(), CHUNK).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].0, "entity");
    assert_eq!(rows[0].1["feed_timestamp"], "1640995202000000");
}

/// What older encoders write otherwise, and what they add.
#[test]
fn older_alerts() {
    let Some(data) = test_data() else { return };
    let bytes = std::fs::read(data.join("gtfs_rt/concentrate_alerts_enhanced.json")).unwrap();
    let rows = feed_rows(bytes, &as_feed(), CHUNK).unwrap();
    let alert = of(&rows, "alert")[0];
    assert_eq!(alert["entity_id"], "116292");
    assert_eq!((alert["effect"].as_str(), alert["effect_code"].as_str()), ("NO_SERVICE", "1"));
    assert_eq!(alert["effect_detail"], "STATION_CLOSURE");
    assert!(alert["header_text"].starts_with("Lechmere closed until"));
    let unknown: Value = serde_json::from_str(&alert["extensions"]).unwrap();
    assert_eq!(unknown["alert.severity"], 7);
    assert_eq!(unknown["alert.alert_lifecycle"], "UPCOMING");
    assert_eq!(unknown["alert.service_effect_text"][0]["translation"]["text"], "Lechmere closed");
    let informed = of(&rows, "informed_entity")[0];
    assert_eq!(informed["extensions"], r#"{"alert.informed_entity.activities":["BOARD","EXIT"]}"#);
}
