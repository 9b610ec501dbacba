//! Feeds that are cut, mutated or something else.

use lakegate_domain::Code;
use lakegate_domain::model::Caps;
use proptest::prelude::*;

use super::*;

fn two_vehicles() -> Vec<u8> {
    feed(vec![a_vehicle(), FeedEntity { id: "e2".into(), ..a_vehicle() }]).encode_to_vec()
}

#[test]
fn each_has_its_code_and_place() {
    let whole = two_vehicles();
    let mut broken = whole.clone();
    let at = whole.windows(2).rposition(|w| w == b"e2").unwrap() + 2;
    // The second vehicle's length says more than the entity has.
    broken[at + 1] = 0x7F;
    let long = [&whole[..], &[0x12, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40]].concat();
    let huge = [&whole[..], &[0x12], &[0xFF; 9], &[1]].concat();
    let nested = {
        let deep = [&[0x0A, 1, b'x'][..], &[0x7B; 200]].concat();
        [&whole[..], &[0x12], &prost_len(deep.len()), &deep].concat()
    };
    for (bytes, code, needles) in [
        (b"".to_vec(), Code::NoRecords, &["empty"][..]),
        (whole[..whole.len() - 1].to_vec(), Code::Malformed, &["cut short", "after 1 entities"]),
        (broken, Code::Malformed, &["entity 2 (`e2`)", "longer than the message"]),
        (long, Code::Malformed, &["cut short", "after 2 entities"]),
        (huge, Code::Malformed, &["cut short"]),
        (nested, Code::TooDeep, &["entity 3 (`x`)", "nested"]),
        (whole[2 + usize::from(whole[1])..].to_vec(), Code::Malformed, &["no feed header"]),
        (b"<!DOCTYPE html><html>".to_vec(), Code::Malformed, &["`<`", "server"]),
        (b"{}".to_vec(), Code::Malformed, &["neither `header` nor `entity`"]),
        (b"{\"a\": 1, \"b\": []}".to_vec(), Code::Malformed, &["keys are `a`, `b`"]),
        (
            b"{\"header\": {}, \"entity\": [{\"id\": \"1\"}, {]}".to_vec(),
            Code::Malformed,
            &["line 1, column 41"],
        ),
        (b"{\"header\": {}, \"entity\": [{}], }".to_vec(), Code::Malformed, &["line 1, column 32"]),
        (b"{\"header\": {}, \"entity\": {}}".to_vec(), Code::Malformed, &["expected an array"]),
        (b"{\"header\": {}, \"entity\": [".to_vec(), Code::Malformed, &["cut short"]),
        (b"{\"header\": {\"timestamp\": 1".to_vec(), Code::Malformed, &["cut short"]),
        (
            b"{\"header\": {}, \"entity\": [{\"vehicle\": \"\\ud800\"}]}".to_vec(),
            Code::Malformed,
            &["row 1, `vehicle`"],
        ),
        (b"Unauthorized".to_vec(), Code::Malformed, &["GTFS-Realtime"]),
    ] {
        let e = match feed_rows(&bytes, &as_feed(), CHUNK) {
            Err(e) => e,
            Ok(rows) => panic!("{bytes:?} was read: {rows:?}"),
        };
        assert_eq!(e.code, code, "{e}");
        for needle in needles {
            assert!(e.message.contains(needle), "`{needle}` is not in: {e}");
        }
    }
    let read = Read { caps: Caps { record_bytes: 50, ..Caps::default() }, ..as_feed() };
    let e = feed_rows(&whole, &read, CHUNK).unwrap_err();
    assert_eq!(e.code, Code::RecordTooLong);
}

/// A few bytes become a row that repeats what stands around it: that is bounded.
#[test]
fn what_would_fill_the_memory() {
    let caps = Caps { record_bytes: 4 << 20, ..Caps::default() };
    let read = Read { caps, ..as_feed() };
    let update = TripUpdate {
        trip: TripDescriptor { trip_id: Some("x".repeat(1000)), ..Default::default() },
        stop_time_update: vec![StopTimeUpdate::default(); 100_000],
        ..Default::default()
    };
    let bytes = feed(vec![FeedEntity { id: "e".into(), trip_update: Some(update), ..Default::default() }]);
    let e = feed_rows(bytes.encode_to_vec(), &read, CHUNK).unwrap_err();
    assert_eq!(e.code, Code::RecordTooLong, "{e}");
    assert!(e.message.contains("entity 1 (`e`)"), "{e}");
    let updates = vec!["{}"; 100_000].join(",");
    let text = format!(
        r#"{{"header":{{}},"entity":[{{"trip_update":{{"trip":{{"trip_id":"{}"}},"stop_time_update":[{updates}]}}}}]}}"#,
        "x".repeat(1000)
    );
    let e = feed_rows(text, &read, CHUNK).unwrap_err();
    assert_eq!(e.code, Code::RecordTooLong, "{e}");
    assert!(e.message.contains("row 1"), "{e}");
    // What every row of a feed repeats.
    let mut long = feed(vec![a_vehicle()]);
    long.header.gtfs_realtime_version = "x".repeat(20_000);
    let e = feed_rows(long.encode_to_vec(), &as_feed(), CHUNK).unwrap_err();
    assert_eq!(e.code, Code::RecordTooLong, "{e}");
    let text = format!(r#"{{"header":{{"a":"{}"}},"entity":[]}}"#, "x".repeat(20_000));
    assert_eq!(feed_rows(text, &as_feed(), 100).unwrap_err().code, Code::RecordTooLong);
    let extended = [&feed(vec![a_vehicle()]).encode_to_vec()[..], &[0x1A, 0xB8, 0x17], &[7; 3000]].concat();
    let rows = feed_rows(extended, &as_feed(), CHUNK).unwrap();
    assert!(rows[0].1["feed_extensions"].contains(r#""n_fields":1"#), "{}", rows[0].1["feed_extensions"]);
}

/// A feed that ends early is refused, but where an entity ends: that, its bytes
/// do not say.
#[test]
fn every_cut() {
    let whole = two_vehicles();
    let first = feed(vec![a_vehicle()]).encode_to_vec().len();
    let header = feed(Vec::new()).encode_to_vec().len();
    for len in 0..whole.len() {
        let read = feed_rows(&whole[..len], &as_feed(), CHUNK);
        assert_eq!(read.is_ok(), len == header || len == first, "{len}: {read:?}");
    }
    let text = r#"{"header":{"timestamp":1},"entity":[{"id":"é","vehicle":{"stop_id":"\u00e9"}},{}]} "#;
    for len in 0..text.len() - 1 {
        let read = feed_rows(&text.as_bytes()[..len], &as_feed(), 16);
        assert!(read.is_err(), "{len}: {read:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Whatever the bytes, there are rows or an error that says something, and
    /// the other implementation refuses no less of what it knows. Fields that it does not know it passes over,
    /// where ours finds messages in some of them: then it has less to encode again.
    #[test]
    fn mutated_bytes(edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..3), 1..8)) {
        let mut bytes = two_vehicles();
        for (at, byte, kind) in edits {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => { bytes.remove(at); }
            }
        }
        let ours = feed_rows(&bytes, &as_feed(), CHUNK);
        if let Err(e) = &ours {
            prop_assert!(!e.message.is_empty() && e.code != Code::Bug, "{}", e);
        }
        let knows_all = FeedMessage::decode(&bytes[..]).is_ok_and(|m| m.encoded_len() == bytes.len());
        if !bytes.starts_with(b"{") && knows_all {
            // Where it finds no header it makes one up.
            let has_none = matches!(&ours, Err(e) if e.message.contains("no feed header") || e.message.contains("wire type that has no place") || e.message.contains("`<`"));
            prop_assert!(ours.is_ok() || has_none, "{:?}", ours);
        }
    }

    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 1..200)) {
        for prefix in [&b""[..], b"\x0A\x05\x0A\x032.0", b"{", b"{\"header\":{},\"entity\":["] {
            let bytes = [prefix, &bytes].concat();
            if let Err(e) = feed_rows(&bytes, &as_feed(), 32) {
                prop_assert!(e.code != Code::Bug, "{}", e);
            }
        }
    }
}
