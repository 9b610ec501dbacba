//! JSON documents and NDJSON.

use lakegate_domain::model::Format;
use proptest::prelude::*;
use serde_json::{Map, Value};

use crate::*;

fn ndjson() -> Read {
    reads(Some(Format::Ndjson))
}

#[test]
fn tokens_stay_as_they_stand() {
    let text = r#"[ {"a": 1.10, "b":"x\"\u00e9", "c": {"d": [1, 2]}},
                   {"b":null,"a":12345678901234567890123,"a":-0.0e+5 } , {} ]"#;
    let found = rows(text, "t.json", &as_json("")).unwrap();
    assert_eq!(
        found,
        [
            row(&[("a", "1.10"), ("b", r#""x\"\u00e9""#), ("c", r#"{"d": [1, 2]}"#)]),
            // Of a key that stands twice the last one counts.
            row(&[("a", "-0.0e+5"), ("b", "null")]),
            row(&[]),
        ]
    );
    let lines = text[1..text.len() - 1].replace(" , {}", "\r\n{}").replace("},\n", "}\n\n");
    assert_eq!(rows(lines, "t.ndjson", &ndjson()).unwrap(), found);
}

#[test]
fn columns_stand_in_order_of_appearance() {
    let text = "{\"b\":1,\"a\":2}\n{\"a\":3,\"c\":4,\"b\":5}\n{\"k\\u0065y\":1, \"key\": 2}";
    let chunks = chunks_of(text, "t.ndjson", &ndjson(), CHUNK).unwrap();
    assert_eq!(chunks[0].stream.format, "ndjson");
    let batch = parsed(&chunks[0]).unwrap();
    assert_eq!(&batch.names[..], ["b", "a", "c", "key"]);
    assert_eq!(batch.get(batch.columns[3][2]), Some("2"));
    assert!(batch.columns[2][0].is_absent());
}

#[test]
fn a_backslash_in_a_name_is_not_an_escape_in_a_key() {
    // The first key is `a\b`; the second is `a`, backspace.
    let text = "{\"a\\\\b\":1}\n{\"a\\b\":2}\n";
    let found = rows(text, "t.ndjson", &ndjson()).unwrap();
    assert_eq!(found, [row(&[("a\\b", "1")]), row(&[("a\u{8}", "2")])]);
}

#[test]
fn records_by_path() {
    let text = r#"{ "meta": {"n": [1,"]}",{"x":"\\"}], "data": 0}, "s": "}", "f": -1.5, "data": {"k": null,
        "items" : [{"a":1},{"a":2}], "after": [{"b":[]}]}, "end": true }  "#;
    for chunk in [1, 7, 20, CHUNK] {
        let found = rows_by(text, "t.json", &as_json("data.items"), chunk).unwrap();
        assert_eq!(found, [row(&[("a", "1")]), row(&[("a", "2")])], "chunks of {chunk}");
    }
    let one = rows("  {\"a\": [1]}\n", "t.json", &as_json(".")).unwrap();
    assert_eq!(one, [row(&[("a", "[1]")])]);
}

#[test]
fn no_rows() {
    for (text, read) in
        [("[]", as_json("")), (" [ ] ", as_json("")), ("{\"a\":[]}", as_json("a")), ("\n\n", ndjson())]
    {
        let chunks = chunks_of(text, "t", &read, CHUNK).unwrap();
        assert_eq!(chunks.len(), 1, "{text}");
        assert_eq!(parsed(&chunks[0]).unwrap().n_rows, 0);
    }
}

#[test]
fn utf16_by_its_mark() {
    let text = "[{\"a\":\"é\"}]";
    let le: Vec<u8> = [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    assert_eq!(rows(le, "t.json", &as_json("")).unwrap(), [row(&[("a", "\"é\"")])]);
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        // Few digits, so that both ways of reading them give the same float.
        any::<i32>().prop_map(|n| Value::from(f64::from(n) / 8.0)),
        ".{0,10}".prop_map(Value::from),
        Just(Value::from("\"}{][\\,\n")),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::vec((".{0,3}", inner), 0..3)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

fn record() -> impl Strategy<Value = Map<String, Value>> {
    proptest::collection::vec(
        (prop_oneof![Just("a".to_string()), Just("b\"".into()), Just("é".into()), ".{0,4}"], value()),
        0..5,
    )
    .prop_map(|pairs| pairs.into_iter().collect())
}

fn as_values(rows: Vec<Row>) -> Vec<Map<String, Value>> {
    let parse = |(k, v): (String, String)| (k, serde_json::from_str(&v).unwrap());
    let mut maps: Vec<Map<String, Value>> =
        rows.into_iter().map(|r| r.into_iter().map(parse).collect()).collect();
    maps.iter_mut().for_each(Map::sort_keys);
    maps
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn like_serde_json(records in proptest::collection::vec(record(), 0..20), chunk in prop_oneof![1usize..300, Just(CHUNK)], pretty in any::<bool>()) {
        let mut want = records.clone();
        want.iter_mut().for_each(Map::sort_keys);
        let document = Value::from(records.iter().cloned().map(Value::Object).collect::<Vec<_>>());
        let text = if pretty { serde_json::to_string_pretty(&document) } else { serde_json::to_string(&document) }.unwrap();
        prop_assert_eq!(as_values(rows_by(&text, "t.json", &as_json(""), chunk).unwrap()), want.clone());
        let nested = format!("{{\"x\":{text},\"a\":{{\"b\":{text},\"c\":1}}}}");
        prop_assert_eq!(as_values(rows_by(&nested, "t.json", &as_json("a.b"), chunk).unwrap()), want.clone());
        let lines: String = records.iter().map(|r| serde_json::to_string(r).unwrap() + "\n").collect();
        if !lines.is_empty() {
            prop_assert_eq!(as_values(rows_by(&lines, "t.ndjson", &ndjson(), chunk).unwrap()), want);
        }
    }

    /// Broken documents are refused, whatever the chunks, and never panic.
    #[test]
    fn whatever_serde_json_refuses_is_refused(
        parts in proptest::collection::vec(prop_oneof![
            Just("{"), Just("}"), Just("["), Just("]"), Just(","), Just(":"), Just("\"a\""), Just("\"a\":1"), Just("{\"a\":1}"), Just("\\"), Just("\""), Just("1"), Just(" "), Just("\n"),
        ], 0..14),
        chunk in 1usize..40,
    ) {
        let text = format!("[{}]", parts.concat());
        let theirs = serde_json::from_str::<Vec<Map<String, Value>>>(&text);
        let ours = rows_by(&text, "t.json", &as_json(""), chunk);
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{} {:?} {:?}", text, ours, theirs);
    }
}
