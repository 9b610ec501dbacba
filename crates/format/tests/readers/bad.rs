//! A corpus of bad input: each case has its code and names its place.

use lakegate_domain::Code;
use lakegate_domain::model::{Caps, Csv, Encoding, Format, Header};

use crate::*;

#[track_caller]
fn bad(bytes: impl AsRef<[u8]>, read: &Read, code: Code, needles: &[&str]) {
    for chunk in [16, CHUNK] {
        let e = match rows_by(&bytes, "t", read, chunk) {
            Err(e) => e,
            Ok(rows) => panic!("{:?} was read: {rows:?}", String::from_utf8_lossy(bytes.as_ref())),
        };
        assert_eq!(e.code, code, "chunks of {chunk}: {e}");
        for needle in needles {
            assert!(e.message.contains(needle), "chunks of {chunk}: `{needle}` is not in: {e}");
        }
    }
}

#[test]
fn csv() {
    let csv = as_csv(Csv::default());
    let many = "1,2\n".repeat(50);
    for (text, code, needles) in [
        ("", Code::NoRecords, &["empty"][..]),
        ("\n\n", Code::NoRecords, &["without a header"]),
        ("a,b,a\n", Code::DuplicateColumn, &["`a`", "columns 1 and 3"]),
        ("column_2,\n", Code::DuplicateColumn, &["`column_2`"]),
        ("a,b\n1,2\n1,2,3\n", Code::Ragged, &["line 3", "expected 2", "found 3", "`1,2,3`"]),
        ("a,b\r\n1\r\n", Code::Ragged, &["line 2", "expected 2", "found 1", "`1`"]),
        ("a,b\r1\r", Code::Ragged, &["line 2"]),
        ("a,b\n\n\n\"x\ny\",2\n1\n", Code::Ragged, &["line 6"]),
        ("a,b\n1,\"x\"y\n", Code::Malformed, &["line 2, column 6", "closing quote"]),
        ("a,b\n1,2\n\"é\nx\n3,4\n", Code::Malformed, &["line 3, column 1", "never closed"]),
        ("a,b\n1,\u{0}\n", Code::NulBytes, &["line 2, column 3", "byte 6 of the file"]),
    ] {
        bad(text, &csv, code, needles);
    }
    bad(format!("a,b\n{many}1\n"), &csv, Code::Ragged, &["line 52"]);
    bad(format!("a,b\n{many}1,\"é\"\"x\"y\n"), &csv, Code::Malformed, &["line 52, column 9"]);
    bad(
        [b"a,b\n1,2\n".as_slice(), b"\xC3\xA9,\xE9\n"].concat(),
        &csv,
        Code::Encoding,
        &["line 3, column 3", "byte 11 of the file", "0xE9", "latin-1"],
    );
    bad(
        [b"\xEF\xBB\xBFa,b\n\xFF".as_slice()].concat(),
        &csv,
        Code::Encoding,
        &["line 2, column 1", "byte 7"],
    );
    bad(b"n\xE4me\n1\n", &csv, Code::Encoding, &["line 1, column 2"]);
    let names = as_csv(Csv { header: Header::Names(vec!["a".into(), "a".into()]), ..Csv::default() });
    bad("1,2\n", &names, Code::DuplicateColumn, &["`a`"]);
    bad("a\nb\n", &as_csv(Csv { skip_lines: 5, ..Csv::default() }), Code::NoRecords, &["line 3", "skip 5"]);
}

#[test]
fn wide_lines_are_quoted_in_part() {
    let e = error(format!("a,b\n{}\n", "x".repeat(500)), "t.csv", &reads(None));
    assert!(e.message.contains(&format!("`{}…`", "x".repeat(80))), "{e}");
}

#[test]
fn utf16() {
    // A high surrogate, then a letter.
    let units: [u16; 8] = [0xFEFF, 0x61, 0x0A, 0x62, 0xD800, 0x63, 0x0A, 0x64];
    let bytes: Vec<u8> = units.iter().flat_map(|u| u.to_le_bytes()).collect();
    bad(bytes, &as_csv(Csv::default()), Code::Encoding, &["line 2, column 2", "surrogate"]);
    // Without a mark it looks like text with NULs.
    bad(b"a\0,\0b\0\n\0", &as_csv(Csv::default()), Code::NulBytes, &["line 1, column 2"]);
    // Declared, and half of a character at the end.
    let declared = as_csv(Csv { encoding: Some(Encoding::Utf16Be), ..Csv::default() });
    bad(b"\0a\0\n\0", &declared, Code::Encoding, &["line 2"]);
}

#[test]
fn json() {
    let json = as_json("");
    for (text, code, needles) in [
        ("", Code::NoRecords, &["empty"][..]),
        ("  \n", Code::NoRecords, &["white space"]),
        (
            "{\"a\":1}\n{\"a\":2}\n",
            Code::Malformed,
            &[
                "expected an array of records (`[`) at line 1, column 1, found an object",
                "the file looks like one JSON document per line: `read: ndjson` reads that",
            ],
        ),
        (
            "{\"n\":1,\"items\":[{}],\"m\":{\"rows\":[]}}",
            Code::Malformed,
            &["`items`, `m.rows`", "records: items"],
        ),
        ("\n {\"n\":1}", Code::Malformed, &["line 2, column 2", "found an object", "records: ."]),
        ("3", Code::Malformed, &["line 1, column 1", "found a number"]),
        ("hello", Code::Malformed, &["line 1, column 1", "not JSON"]),
        ("[{\"a\":1},\n 5]", Code::Malformed, &["row 2", "line 2, column 2", "found a number"]),
        ("[{\"a\":1},\n[]]", Code::Malformed, &["row 2", "line 2, column 1", "found an array"]),
        ("[{\"a\":1},\n{\"a\":NaN}]", Code::Malformed, &["row 2", "line 2, column 6", "NaN"]),
        ("[{\"a\":1},\n{\"a\":1", Code::Malformed, &["line 2, column 7", "cut short"]),
        ("[{\"a\":1}", Code::Malformed, &["line 1, column 9", "cut short"]),
        ("[", Code::Malformed, &["line 1, column 2", "cut short"]),
        ("[{\"a\":\"x", Code::Malformed, &["cut short", "string"]),
        ("[{\"a\":1}]\n{", Code::Malformed, &["line 2, column 1", "ended"]),
        ("[{\"a\":1},]", Code::Malformed, &["line 1, column 10"]),
        ("[{\"a\":1} {\"a\":1}]", Code::Malformed, &["line 1, column 10"]),
        ("[{\"a\":1,}]", Code::Malformed, &["row 1", "line 1, column 9"]),
        ("[{\"a\":01}]", Code::Malformed, &["row 1", "line 1, column 8"]),
        ("[{\"a\":[1}]", Code::Malformed, &["line 1, column 9"]),
        ("[{\"é\":\"\\x\"}]", Code::Malformed, &["row 1", "line 1, column 8", "escape"]),
        ("[{\"\\ud800\":1}]", Code::Malformed, &["row 1", "surrogate"]),
    ] {
        bad(text, &json, code, needles);
    }
    let deep = format!("[{{\"a\":{}1{}}}]", "[".repeat(200), "]".repeat(200));
    bad(deep, &json, Code::TooDeep, &["line 1", "128"]);
    bad(b"[{\"a\":\"\xE9\"}]", &json, Code::Encoding, &["line 1, column 8", "UTF-8"]);
    for (text, path, needles) in [
        ("{\"a\":{\"x\":1,\"y\":2}}", "a.b", &["`a` has no key `b`", "`x`, `y`"][..]),
        ("{}", "a", &["no key `a`", "no keys"]),
        ("[1]", "a", &["`records: a`", "found an array"]),
        ("{\"a\":{}}", "a", &["`records: a`", "found an object"]),
        ("{\"a\":[{}]", "a", &["cut short"]),
        ("{\"a\":[{}],\"b\":}", "a", &["line 1, column 15"]),
        ("{\"a\":[{}]} x", "a", &["line 1, column 12"]),
        ("{\"x\":NaN,\"a\":[]}", "a", &["NaN"]),
        ("[{}]", ".", &["one record", "found an array"]),
        ("{} {}", ".", &["line 1, column 4"]),
    ] {
        bad(text, &as_json(path), Code::Malformed, needles);
    }
}

#[test]
fn ndjson() {
    let lines = reads(Some(Format::Ndjson));
    for (text, code, needles) in [
        ("", Code::NoRecords, &["empty"][..]),
        ("{\"a\":1}\nnull\n", Code::Malformed, &["line 2, column 1", "found null"]),
        ("{\"a\":1}\n\n[1]\n", Code::Malformed, &["line 3, column 1", "found an array"]),
        ("[{\"a\":1},\n{\"a\":1}]", Code::Malformed, &["line 1, column 1", "`read: json`"]),
        ("{\"a\":1}\r\n{\"a\":\r\n1}\n", Code::Malformed, &["line 2, column 7"]),
        ("{\"a\":1} {\"a\":2}\n", Code::Malformed, &["line 1, column 9"]),
        ("{\"a\":1}\n{\"é\":tru}\n", Code::Malformed, &["line 2, column 6", "`tru`"]),
        ("{\"a\":\"x\n\"}\n", Code::Malformed, &["line 1, column 6", "string"]),
        ("{a:1}\n", Code::Malformed, &["line 1, column 2", "key"]),
        ("{\"a\":Infinity}\n", Code::Malformed, &["line 1, column 6", "Infinity"]),
    ] {
        bad(text, &lines, code, needles);
    }
    bad(
        format!("{{}}\n{{\"a\":{}1{}}}\n", "[".repeat(200), "]".repeat(200)),
        &lines,
        Code::TooDeep,
        &["line 2"],
    );
    bad(b"{}\n{\"a\":\"\0\"}\n", &lines, Code::NulBytes, &["line 2, column 7"]);
}

#[test]
fn keys_that_are_data_do_not_fill_the_memory() {
    let text: String = (0..20_000).map(|n| format!("{{\"key {n}\":1}}\n")).collect();
    let e = error(text, "t.ndjson", &reads(None));
    assert_eq!(e.code, Code::Malformed);
    assert!(e.message.contains("different keys"), "{e}");
}

#[test]
fn records_longer_than_the_cap() {
    let caps = Caps { record_bytes: 1000, ..Caps::default() };
    let long = "x".repeat(5000);
    for (name, text, place) in [
        ("t.csv", format!("a,b\n1,2\n{long},2\n"), "line 3"),
        ("t.csv", format!("{long}\n"), "line 1"),
        ("t.csv", format!("a,b\n1,2\n\"{}\",2\n", "x\n".repeat(2500)), "line 3"),
        ("t.json", format!("[{{\"a\":1}},\n{{\"a\":\"{long}\"}}]"), "row 2"),
        ("t.ndjson", format!("{{\"a\":1}}\n{{\"a\":\"{long}\"}}\n"), "line 2"),
    ] {
        for chunk in [16, 2000, CHUNK] {
            let e = rows_by(&text, name, &Read { caps, ..reads(None) }, chunk).unwrap_err();
            assert_eq!(e.code, Code::RecordTooLong, "{name} in chunks of {chunk}: {e}");
            assert!(e.message.contains(place) && e.message.contains("1000"), "{e}");
        }
    }
}

#[cfg(unix)]
#[test]
fn an_endless_device_stops_at_the_cap() {
    let caps = Caps { record_bytes: 1 << 20, ..Caps::default() };
    for format in [Format::Csv(Csv::default()), Format::Ndjson] {
        let read = Read { caps, ..reads(Some(format)) };
        let source = Source::File("/dev/zero".into());
        let e = open_with(source, "t", &read, &std::env::temp_dir(), 1000)
            .unwrap()
            .find_map(|c| c.err())
            .unwrap();
        assert_eq!(e.code, Code::RecordTooLong, "{e}");
        assert!(e.message.contains("line 1"), "{e}");
    }
}
