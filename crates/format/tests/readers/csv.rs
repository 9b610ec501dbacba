//! Delimited text.

use lakegate_domain::Code;
use lakegate_domain::model::{Csv, Encoding, Header, Ragged};
use proptest::prelude::*;

use crate::*;

fn strings(values: &[&str]) -> Vec<String> {
    values.iter().map(|v| v.to_string()).collect()
}

fn grid(values: &[&[&str]]) -> Vec<Vec<String>> {
    values.iter().map(|v| strings(v)).collect()
}

#[track_caller]
fn check(text: impl AsRef<[u8]>, options: Csv, names: &[&str], rows: &[&[&str]]) {
    let found = table(&text, options).unwrap();
    assert_eq!(found, (strings(names), grid(rows)), "{:?}", String::from_utf8_lossy(text.as_ref()));
}

#[test]
fn line_ends() {
    for text in [
        "a,b\n1,2\n3,4\n",
        "a,b\n1,2\n3,4",
        "a,b\r\n1,2\r\n3,4\r\n",
        "a,b\r\n1,2\r\n3,4",
        "a,b\r\n1,2\n3,4\r\n",
        "a,b\n1,2\r\n3,4\r",
        "a,b\r1,2\r3,4\r",
        "a,b\r1,2\r3,4",
        "a,b\r1,2\r\n3,4\r\n",
        "\u{feff}a,b\n1,2\n3,4\n",
        "\n\na,b\n\n1,2\n\r\n3,4\n\n",
        "\r\na,b\r\n\r\n1,2\r\n\r\n3,4\r\n\r\n",
        "\"a\",\"b\"\r\n\"1\",\"2\"\r\n\"3\",\"4\"",
        "\"a\",\"b\"\r\"1\",\"2\"\r\"3\",\"4\"\r",
    ] {
        check(text, Csv::default(), &["a", "b"], &[&["1", "2"], &["3", "4"]]);
    }
    // A lone `\r` where lines end in `\n` is text.
    check("a,b\nx\ry,2\n", Csv::default(), &["a", "b"], &[&["x\ry", "2"]]);
}

#[test]
fn quotes() {
    check(
        "a,b\n\"x,y\",\"l1\nl2\"\n\"he said \"\"hi\"\"\",\"\"\n5\" pipe,a\"b\n\"\"\"\",\r\n",
        Csv::default(),
        &["a", "b"],
        &[&["x,y", "l1\nl2"], &["he said \"hi\"", ""], &["5\" pipe", "a\"b"], &["\"", ""]],
    );
    check(
        "a,b\n'x,y','it''s'\n",
        Csv { quote: Some(b'\''), ..Csv::default() },
        &["a", "b"],
        &[&["x,y", "it's"]],
    );
    check("a,b\n\"x,y\n", Csv { quote: None, ..Csv::default() }, &["a", "b"], &[&["\"x", "y"]]);
    check("\"a\nb\",c\n1,2\n", Csv::default(), &["a\nb", "c"], &[&["1", "2"]]);
}

#[test]
fn quoted_and_missing_fields_differ() {
    let chunks = chunks_of("a,b\n\"\",\n", "t.csv", &reads(None), CHUNK).unwrap();
    let batch = parsed(&chunks[0]).unwrap();
    assert!(batch.columns[0][0].is_quoted());
    assert!(!batch.columns[1][0].is_quoted());
    assert_eq!(batch.get(batch.columns[1][0]), Some(""));
}

#[test]
fn delimiters_are_detected() {
    for (text, names) in [
        ("a,b;c\n", &["a", "b;c"][..]),
        ("a;b;c,d\n", &["a", "b", "c,d"]),
        ("a\tb\n", &["a", "b"]),
        ("a|b|c\n", &["a", "b", "c"]),
        ("\"a,b,c\";d\n", &["a,b,c", "d"]),
        ("only\n", &["only"]),
        ("a,b\tc;d\n", &["a", "b\tc;d"]),
    ] {
        check(text, Csv::default(), names, &[]);
    }
    check("a:b\n1:2\n", Csv { delimiter: Some(b':'), ..Csv::default() }, &["a", "b"], &[&["1", "2"]]);
}

#[test]
fn names() {
    check(" a , ,\"c \"\n1,2,3\n", Csv::default(), &["a", "column_2", "c"], &[&["1", "2", "3"]]);
    let none = Csv { header: Header::None, ..Csv::default() };
    check("1,2\n3,4\n", none.clone(), &["column_1", "column_2"], &[&["1", "2"], &["3", "4"]]);
    check("\n# x\n", Csv { comment: Some("#".into()), ..none }, &[], &[]);
    let given = Csv { header: Header::Names(strings(&["x", "y"])), ..Csv::default() };
    check("1,2\n3,4\n", given, &["x", "y"], &[&["1", "2"], &["3", "4"]]);
    check("a,b", Csv::default(), &["a", "b"], &[]);
}

#[test]
fn a_trailing_delimiter_makes_no_column_unless_it_has_values() {
    check("a,b,\n1,2,\n3,4,\n", Csv::default(), &["a", "b"], &[&["1", "2"], &["3", "4"]]);
    check("a,b,\n1,2\n3,4,\n", Csv::default(), &["a", "b"], &[&["1", "2"], &["3", "4"]]);
    check(
        "a,b,\n1,2,\n3,4,x\n",
        Csv::default(),
        &["a", "b", "column_3"],
        &[&["1", "2", ""], &["3", "4", "x"]],
    );
    check("a,b,\n", Csv::default(), &["a", "b"], &[]);
}

#[test]
fn preamble_comments_and_end() {
    let options = Csv {
        skip_lines: 2,
        comment: Some("#".into()),
        end: Some("END_DATA".into()),
        header: Header::Row,
        ..Csv::default()
    };
    let text = "it's \"odd\nsecond\n# it's \"a\" comment, \"\na,b\n1,2\n#,\"\n\n\"#no\nEND_DATA\",3\nEND_DATA\n\"rubbish,,,\n";
    check(text, options.clone(), &["a", "b"], &[&["1", "2"], &["#no\nEND_DATA", "3"]]);
    check(
        text.replace('\n', "\r\n"),
        options.clone(),
        &["a", "b"],
        &[&["1", "2"], &["#no\r\nEND_DATA", "3"]],
    );
    check("\n\na,b\n1,2\n# last", options.clone(), &["a", "b"], &[&["1", "2"]]);
    check("\n\na,b\nEND_DATA", options.clone(), &["a", "b"], &[]);
    check("\n\na,b\n1,2\nEND_DATA", options, &["a", "b"], &[&["1", "2"]]);
}

#[test]
fn units() {
    let read = as_csv(Csv { units_row: true, ..Csv::default() });
    let chunks = chunks_of("t,p,x\n\"s\", hPa ,\n1,2,3\n", "t.csv", &read, CHUNK).unwrap();
    let units: Vec<_> = chunks[0].stream.units.iter().map(|(c, u)| (c.as_str(), u.as_str())).collect();
    assert_eq!(units, [("t", "s"), ("p", "hPa")]);
    assert_eq!(parsed(&chunks[0]).unwrap().n_rows, 1);
}

#[test]
fn spaces_are_trimmed_where_declared() {
    let trim = Csv { trim: true, ..Csv::default() };
    check("a, b\n 1 ,\t2 \r\n  ,  \"x , y\" \n", trim.clone(), &["a", "b"], &[&["1", "2"], &["", "x , y"]]);
    check("a,b\n 1 ,2 \n", Csv::default(), &["a", "b"], &[&[" 1 ", "2 "]]);
    let tabs = Csv { delimiter: Some(b'\t'), ..trim };
    check("a\tb\tc\n 1\t\t \"x\ty\"\n", tabs, &["a", "b", "c"], &[&["1", "", "x\ty"]]);
}

#[test]
fn ragged_rows_are_filled_where_declared() {
    let fill = Csv { ragged: Ragged::Fill, ..Csv::default() };
    check("a,b,c\n1\n1,2,3\n", fill.clone(), &["a", "b", "c"], &[&["1", "∅", "∅"], &["1", "2", "3"]]);
    let chunks = chunks_of("a,b\n1,2\n3,4,x,\"y\"\"\"\n", "t.csv", &as_csv(fill), CHUNK).unwrap();
    let batch = parsed(&chunks[0]).unwrap();
    let surplus: Vec<_> = batch.surplus.iter().map(|(r, n, c)| (*r, *n, batch.get(*c).unwrap())).collect();
    assert_eq!(surplus, [(1, 1, "x"), (1, 2, "y\"")]);
}

#[test]
fn a_small_file_is_one_chunk_and_a_header_alone_is_known() {
    assert_eq!(chunks_of("a,b\n1,2\n", "t.csv", &reads(None), CHUNK).unwrap().len(), 1);
    let chunks = chunks_of("a,b\n", "t.csv", &reads(None), CHUNK).unwrap();
    assert_eq!(chunks.len(), 1);
    assert_eq!(&parsed(&chunks[0]).unwrap().names[..], ["a", "b"]);
    assert_eq!(chunks[0].stream.format, "csv");
}

#[test]
fn chunks_are_bounded() {
    let text = format!("a,b\n{}", "some text,\"quoted, text\"\n".repeat(20_000));
    let chunks = chunks_of(&text, "t.csv", &reads(None), 10_000).unwrap();
    assert!(chunks.len() > 40);
    for chunk in &chunks {
        let Payload::Text(text) = &chunk.payload else { panic!() };
        assert!(text.size_bytes() <= 10_000);
    }
}

#[test]
fn encodings() {
    let text = "größe,ort\r\n\"1,5\",Zürich\n2,日本\n";
    let want = (strings(&["größe", "ort"]), grid(&[&["1,5", "Zürich"], &["2", "日本"]]));
    let le: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let be: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let marked = |mark: [u8; 2], bytes: &[u8]| [&mark[..], bytes].concat();
    for (bytes, encoding) in [
        (text.as_bytes().to_vec(), None),
        (text.as_bytes().to_vec(), Some(Encoding::Utf8)),
        ([b"\xEF\xBB\xBF", text.as_bytes()].concat(), None),
        (marked([0xFF, 0xFE], &le), None),
        (marked([0xFE, 0xFF], &be), None),
        (marked([0xFF, 0xFE], &le), Some(Encoding::Utf16Le)),
        (marked([0xFF, 0xFE], &le), Some(Encoding::Utf8)),
        (le, Some(Encoding::Utf16Le)),
        (be, Some(Encoding::Utf16Be)),
    ] {
        assert_eq!(
            table(&bytes, Csv { encoding, ..Csv::default() }).unwrap(),
            want,
            "{encoding:?} {bytes:?}"
        );
    }
    let latin = Csv { encoding: Some(Encoding::Latin1), ..Csv::default() };
    check(b"n\xE4me\n\x8010 caf\xE9\n", latin, &["näme"], &[&["€10 café"]]);
}

#[test]
fn utf16_is_transcoded_across_buffers() {
    let mut text = String::from("a,b\n");
    for n in 0..40_000 {
        text.push_str(&format!("{n},é😀{n}\n"));
    }
    let le: Vec<u8> = [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let (_, found) = table(&le, Csv::default()).unwrap();
    assert_eq!(found.len(), 40_000);
    assert!(found.iter().enumerate().all(|(n, r)| r[0] == n.to_string() && r[1] == format!("é😀{n}")));
}

/// A field that needs any care.
fn field() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just(",".to_string()),
        Just(";".into()),
        Just("\"".into()),
        Just("\"\"".into()),
        Just("\n".into()),
        Just("\r\n".into()),
        Just(" ".into()),
        Just("#".into()),
        Just("é".into()),
        Just("日本".into()),
        "[a-z0-9]{0,12}",
        Just("x".repeat(70)),
    ];
    proptest::collection::vec(part, 0..4).prop_map(|parts| parts.concat())
}

/// A writer as simple as can be: a bit says whether a field is quoted that
/// need not be.
fn written(rows: &[Vec<String>], quote_all: &[bool], newline: &str) -> String {
    let mut text = String::new();
    let mut n = 0;
    for row in rows {
        for (i, field) in row.iter().enumerate() {
            n += 1;
            if i > 0 {
                text.push(',');
            }
            let needs = field.is_empty() && row.len() == 1
                || field.contains([',', '"', '\n', '\r', '#'])
                || quote_all[n % quote_all.len()];
            if needs {
                text.push_str(&format!("\"{}\"", field.replace('"', "\"\"")));
            } else {
                text.push_str(field);
            }
        }
        text.push_str(newline);
    }
    text
}

/// What makes parsing hard, and little else.
const PIECES: &[&[u8]] = &[b",", b"\"", b"\n", b"\r", b"\r\n", b" ", b"ab", b"#", b"END", b"\xE9", b"\0"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_chunk_size_gives_what_was_written(
        (width, rows) in (1usize..5).prop_flat_map(|w| (Just(w), proptest::collection::vec(proptest::collection::vec(field(), w), 0..30))),
        quote_all in proptest::collection::vec(any::<bool>(), 1..7),
        newline in prop_oneof![Just("\n"), Just("\r\n")],
        chunk in prop_oneof![16usize..200, 200usize..4000, Just(CHUNK)],
        comment in any::<bool>(), last_newline in any::<bool>(),
    ) {
        let names: Vec<String> = (0..width).map(|n| format!("c{n}")).collect();
        let mut text = written(std::slice::from_ref(&names), &[false], newline) + &written(&rows, &quote_all, newline);
        if !last_newline {
            text.truncate(text.len() - newline.len());
        }
        let options = Csv {
            delimiter: Some(b','),
            comment: comment.then(|| "#".into()),
            ..Csv::default()
        };
        let want: Vec<Row> = rows.iter().map(|r| names.iter().cloned().zip(r.iter().cloned()).collect()).collect();
        prop_assert_eq!(rows_by(&text, "t.csv", &as_csv(options), chunk).unwrap(), want);
    }

    #[test]
    fn any_bytes_are_rows_or_an_error(
        parts in proptest::collection::vec(proptest::sample::select(PIECES), 0..60),
        trim in any::<bool>(), fill in any::<bool>(), lines in any::<bool>(), small in 1usize..64,
    ) {
        let text = parts.concat();
        let options = Csv {
            trim,
            ragged: if fill { Ragged::Fill } else { Ragged::Reject },
            comment: lines.then(|| "#".into()),
            end: lines.then(|| "END".into()),
            ..Csv::default()
        };
        let whole = rows_by(&text, "t.csv", &as_csv(options.clone()), CHUNK);
        let cut = rows_by(&text, "t.csv", &as_csv(options), small);
        match (whole, cut) {
            (Ok(whole), Ok(cut)) => {
                // The nameless last column is left out chunk by chunk.
                let bare = |rows: Vec<Row>| rows.into_iter().map(|r| r.into_iter().filter(|(_, v)| !v.is_empty()).collect()).collect::<Vec<Row>>();
                prop_assert_eq!(bare(whole), bare(cut));
            }
            (Err(whole), Err(cut)) => {
                // Which of several errors comes first may differ; a chunk is checked for bad bytes as a whole.
                prop_assert!(whole.code == cut.code || matches!(whole.code, Code::Encoding | Code::NulBytes), "{} / {}", whole, cut);
            }
            (whole, cut) => prop_assert!(false, "{:?} / {:?}", whole, cut),
        }
    }
}
