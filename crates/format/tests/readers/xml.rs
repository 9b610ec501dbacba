//! XML by a path to its records.

use lakegate_domain::Code;
use lakegate_domain::model::{Caps, Format, Xml};
use proptest::prelude::*;

use crate::*;

fn by(records: &str) -> Read {
    with_lists(records, &[])
}

fn with_lists(records: &str, lists: &[&str]) -> Read {
    let steps = |path: &str| path.split('.').map(str::to_string).collect();
    let lists = lists.iter().map(|l| l.to_string()).collect();
    reads(Some(Format::Xml(Xml { records: steps(records), lists })))
}

#[test]
fn elements_attributes_and_lists_become_columns() {
    let text = "\n\n<?xml version='1.0'?><!DOCTYPE r [<!ENTITY x 'y'>]>\n<r xmlns:n='u'><!-- no -->
        <skipped><i><a>0</a></i></skipped>
        <n:list n:at='7'>
          <n:i n:id='1'><n:a> 1.50\t</n:a><b unit='m'>007</b><c/><d><e>true</e><f>x &amp; &#233; &lt;</f></d></n:i>
          <other/>
          <i id=\"2\"><a><![CDATA[<5>]]></a><t>p</t><t>2</t><g xsi:nil='true'>8</g><h><k>1</k></h><h><k/></h></i>
          <i/>
        </n:list>
        <list><i><t>q</t></i></list></r>\n";
    let want = [
        row(&[
            ("@id", "1"),
            ("a", "1.50"),
            ("b.@unit", "\"m\""),
            ("b", "\"007\""),
            ("d.e", "true"),
            ("d.f", "\"x & é <\""),
        ]),
        row(&[("@id", "2"), ("a", "\"<5>\""), ("t", "[\"p\",2]"), ("h", "[{\"k\":1},{\"k\":null}]")]),
        row(&[]),
        row(&[("t", "\"q\"")]),
    ];
    for chunk in [1, 40, CHUNK] {
        assert_eq!(rows_by(text, "t.xml", &by("r.list.i"), chunk).unwrap(), want, "chunks of {chunk}");
    }
    let listed = rows(text, "t.xml", &with_lists("r.list.i", &["t", "d.e"])).unwrap();
    assert_eq!((listed[3]["t"].as_str(), listed[0]["d.e"].as_str()), ("[\"q\"]", "[true]"));
    // The root as the only record.
    assert_eq!(rows("<a><b>1</b>x</a>", "t", &by("a")).unwrap(), [row(&[("b", "1"), ("#text", "\"x\"")])]);
    assert_eq!(rows("<a>x</a>", "t", &by("a")).unwrap(), [row(&[("#text", "\"x\"")])]);
}

#[test]
fn no_records() {
    for text in ["<a/>", "<a><b/></a>", "<a>\n</a>\n"] {
        let chunks = chunks_of(text, "t", &by("a.c"), CHUNK).unwrap();
        assert_eq!((chunks.len(), parsed(&chunks[0]).unwrap().n_rows), (1, 0), "{text}");
        assert_eq!(chunks[0].stream.format, "xml");
    }
}

#[test]
fn encodings() {
    let utf16: Vec<u8> = "\u{FEFF}<?xml version='1.0' encoding='UTF-16'?><a><b>é</b></a>"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let latin = b"<?xml version=\"1.0\" encoding = \"ISO-8859-1\" ?><a><b>\xE9</b></a>".to_vec();
    for bytes in [utf16, latin, "\u{FEFF}<a><b>é</b></a>".into(), gz("<a><b>é</b></a>".as_bytes())] {
        assert_eq!(rows(bytes, "t", &by("a.b")).unwrap(), [row(&[("#text", "\"é\"")])]);
    }
}

#[test]
fn names_of_columns() {
    use lakegate_format::conform::column_name;
    for (path, want) in [
        ("@routeTag", "routetag"),
        ("a.@b", "a_b"),
        ("a.b", "a_b"),
        ("#text", "_text"),
        ("@_row", "source_row"),
    ] {
        assert_eq!(column_name(path), want);
    }
}

#[test]
fn each_error_has_its_place() {
    let bomb = {
        let mut text = String::from("<!DOCTYPE a [<!ENTITY l0 'lol'>");
        for n in 1..10 {
            text += &format!("<!ENTITY l{n} '{}'>", format!("&l{};", n - 1).repeat(10));
        }
        text + "]>\n<a>\n <b>&l9;</b></a>"
    };
    let deep = format!("<a>{}", "<b>".repeat(200));
    for (text, code, needles) in [
        ("", Code::NoRecords, &["empty"][..]),
        (" \n", Code::NoRecords, &["no element"]),
        ("hello", Code::Malformed, &["line 1, column 1", "outside"]),
        ("<a><b></c></a>", Code::Malformed, &["line 1, column 7", "`</b>`", "`</c>`"]),
        ("<a>\n <b>é</b>\n <b", Code::Malformed, &["line 3, column 2", "not closed"]),
        ("<a>\n<b>x", Code::Malformed, &["line 2", "cut short", "`<b>`"]),
        ("<a></a><a/>", Code::Malformed, &["column 8", "`<a>` follows"]),
        ("<a></a>x", Code::Malformed, &["column 8", "outside"]),
        ("<a><b x='1' x='2'/></a>", Code::Malformed, &["column 4", "duplicate"]),
        ("<a><b x=1/></a>", Code::Malformed, &["column 4"]),
        ("<a><b>&nbsp;</b></a>", Code::Malformed, &["column 7", "`&nbsp;`"]),
        ("<a><b x='&y;'/></a>", Code::Malformed, &["column 4", "`&y;`"]),
        ("<a><b>&#xD800;</b></a>", Code::Malformed, &["column 7"]),
        (&bomb, Code::Malformed, &["line 3", "`&l9;`"]),
        (&deep, Code::TooDeep, &["nested"]),
        ("<html><body/></html>", Code::Malformed, &["root is `html`", "`a.b`"]),
        ("<?xml version='1.0' encoding='KOI8-R'?><a/>", Code::Encoding, &["`KOI8-R`"]),
        ("<a><b>\0</b></a>", Code::NulBytes, &["line 1"]),
    ] {
        let e = error(text, "t", &by("a.b"));
        assert_eq!(e.code, code, "{e}");
        for needle in needles {
            assert!(e.message.contains(needle), "`{needle}` is not in: {e}");
        }
    }
    let e = error(b"<a><b>\xE9</b></a>", "t", &by("a.b"));
    assert_eq!(e.code, Code::Encoding);
    assert!(e.message.contains("line 1, column 7"), "{e}");
    let e = error("<r><x>1</x></r>", "t.dat", &reads(None));
    assert!(e.code == Code::Unrecognised && e.message.contains("records: r.item"), "{e}");
}

/// Neither a record nor anything outside of one may fill the memory.
#[test]
fn what_is_too_long() {
    let read = Read { caps: Caps { record_bytes: 1000, ..Caps::default() }, ..by("a.b") };
    let long = "x".repeat(2000);
    let many = "<c>x</c>".repeat(1000);
    for (text, needle) in [
        (format!("<a>\n<b><c>{long}</c></b></a>"), "line 2"),
        (format!("<a>\n<b c='{long}'/></a>"), "line 2"),
        (format!("<a>\n<b>{many}</b></a>"), "line 2"),
        (format!("<a>\n<!--{long}--></a>"), "line 2"),
        (format!("<a>\n{long}</a>"), "line 1"),
        (format!("<{long}/>"), "line 1"),
    ] {
        let e = error(&text, "t", &read);
        assert_eq!(e.code, Code::RecordTooLong, "{e}");
        assert!(e.message.contains(needle), "{e}");
    }
    assert_eq!(rows(format!("<a>{}</a>", "<b>x</b>".repeat(1000)), "t", &read).unwrap().len(), 1000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Records of one level come back, however they are cut.
    #[test]
    fn texts_come_back(records in proptest::collection::vec(proptest::collection::vec(".{0,8}", 0..4), 0..10), chunk in 1usize..60) {
        let keep = |text: &String| text.chars().all(|c| !c.is_control() && c != '\u{FFFE}' && c != '\u{FFFF}');
        let records: Vec<Vec<&String>> = records.iter().map(|r| r.iter().filter(|t| keep(t)).collect()).collect();
        let mut text = String::from("<r>");
        for record in &records {
            text += "<i>";
            for (n, value) in record.iter().enumerate() {
                text += &format!("<f{n}>{}</f{n}>", quick_xml::escape::escape(value.as_str()));
            }
            text += "</i>\n";
        }
        text += "</r>";
        let found = rows_by(&text, "t", &by("r.i"), chunk).unwrap();
        prop_assert_eq!(found.len(), records.len());
        for (row, record) in found.iter().zip(&records) {
            for (n, value) in record.iter().enumerate() {
                let token = row.get(&format!("f{n}")).map_or("", String::as_str);
                prop_assert_eq!(lakegate_format::value::unquoted(token), value.trim());
            }
        }
    }

    #[test]
    fn nonsense_is_an_error_or_rows(parts in proptest::collection::vec(prop_oneof![
        Just("<"), Just(">"), Just("<a>"), Just("</a>"), Just("<b>"), Just("</b>"), Just("<b/>"), Just("&"), Just("&amp;"),
        Just("&#9;"), Just("<!--"), Just("-->"), Just("<![CDATA["), Just("]]>"), Just("<?"), Just("?>"), Just("x='"), Just("'"),
        Just("\""), Just("<!DOCTYPE"), Just(" "), Just("é"), Just("\0"),
    ], 0..20), chunk in 1usize..50) {
        for text in [parts.concat(), format!("<a><b>{}</b></a>", parts.concat())] {
            if let Err(e) = rows_by(&text, "t", &by("a.b"), chunk) {
                prop_assert!(e.code != Code::Bug && e.code != Code::Storage, "{}", e);
            }
        }
    }
}
