//! What a file is, by its name and its first bytes.

use std::borrow::Cow;

use encoding_rs::{UTF_16BE, UTF_16LE};
use lakegate_domain::Code;
use lakegate_domain::model::{Csv, Format, GtfsRt, Json, Names, Netcdf, WhpExchange};

use crate::csv::DELIMITERS;
use crate::error::{Error, Result};
use crate::exchange;
use crate::netcdf;
use crate::transit::{gtfs_rt, records};
use crate::typed::{ARROW_MAGIC, PARQUET_MAGIC, STREAM_MAGIC};
use crate::xml::root_of;

/// Decides a format. `name` is without the endings of compressions, `head` are
/// the first bytes after them.
///
/// | first bytes                     | name ends in              | format           |
/// |---------------------------------|---------------------------|------------------|
/// | `PAR1`                          | any                       | Parquet          |
/// | `ARROW1`, a stream's mark       | any                       | Arrow            |
/// | `CDF` 1, 2 or 5; HDF5's mark    | any                       | netCDF           |
/// | a feed header, protobuf or JSON | any                       | GTFS-Realtime    |
/// | SIRI, Clever Devices, NextBus   | any                       | that feed        |
/// | `BOTTLE,` or `CTD,` and a date  | any                       | WHP-Exchange     |
/// | any                             | parquet; arrow feather ipc; nc nc4 cdf netcdf | as the name says |
/// | any                             | json; ndjson jsonl        | as the name says |
/// | `{"`, two lines of objects      | any                       | NDJSON           |
/// | `[{` `[[` `[]` `{"` `{}`        | any                       | JSON             |
/// | text                            | csv txt; tsv; psv         | CSV              |
/// | text, a delimiter in line 1     | any                       | CSV              |
/// | other                           | any                       | LG111            |
pub(super) fn recognise(name: &str, head: &[u8]) -> Result<Format> {
    if head.starts_with(PARQUET_MAGIC) {
        return Ok(Format::Parquet);
    }
    if head.starts_with(ARROW_MAGIC) || head.starts_with(STREAM_MAGIC) {
        return Ok(Format::Arrow);
    }
    if netcdf::MAGICS.iter().any(|magic| head.starts_with(magic)) {
        return Ok(Format::Netcdf(Netcdf::default()));
    }
    if gtfs_rt::is_encoded(head) {
        return Ok(Format::GtfsRt(GtfsRt::default()));
    }
    let ending =
        name.rsplit('/').next().and_then(|n| n.rsplit_once('.')).map(|(_, e)| e.to_ascii_lowercase());
    let ending = ending.as_deref().unwrap_or_default();
    let text = as_text(head);
    // Lines of JSON may each be a feed; then they are lines all the same.
    if !matches!(ending, "ndjson" | "jsonl")
        && let Some(text) = text.as_deref().map(str::trim_start)
    {
        if gtfs_rt::is_json(text) {
            return Ok(Format::GtfsRt(GtfsRt::default()));
        }
        if let Some(preset) = records::recognise(text) {
            return Ok(Format::Records(preset, Names::Specification));
        }
    }
    if text.as_deref().is_some_and(exchange::is_stamped) {
        return Ok(Format::WhpExchange(WhpExchange::default()));
    }
    match ending {
        "parquet" => return Ok(Format::Parquet),
        "arrow" | "feather" | "ipc" => return Ok(Format::Arrow),
        "nc" | "nc4" | "cdf" | "netcdf" => return Ok(Format::Netcdf(Netcdf::default())),
        "json" => return Ok(Format::Json(Json::default())),
        "ndjson" | "jsonl" => return Ok(Format::Ndjson),
        _ => {}
    }
    if let Some(text) = &text
        && let Some(format) = json_kind(text.trim_start())
    {
        return Ok(format);
    }
    let csv = |delimiter: Option<u8>| Ok(Format::Csv(Csv { delimiter, ..Csv::default() }));
    match ending {
        "csv" | "txt" => return csv(None),
        "tsv" => return csv(Some(b'\t')),
        "psv" => return csv(Some(b'|')),
        _ => {}
    }
    if let Some(root) = text.as_deref().and_then(root_of) {
        return Err(Error::new(
            Code::Unrecognised,
            format!(
                "`{name}` begins like XML or HTML, with `<{root}>`: say where its records stand, as in \
                 `read: {{ xml: {{ records: {root}.item }} }}`"
            ),
        ));
    }
    let first_line = text.as_deref().unwrap_or_default().trim_start().lines().next().unwrap_or_default();
    if first_line.bytes().any(|b| DELIMITERS.contains(&b)) {
        return csv(None);
    }
    let what = if text.is_some() { "text without a delimiter in its first line" } else { "not text" };
    Err(Error::new(
        Code::Unrecognised,
        format!(
            "`{name}`: neither its name nor its first bytes say what it is ({what}); \
             name the format, as in `read: csv`"
        ),
    ))
}

/// The format of a document that declares itself, by its bytes or its ending: any
/// but CSV and JSON, of which whoever names a format knows more.
pub(super) fn by_content(name: &str, head: &[u8]) -> Option<Format> {
    recognise(name, head).ok().filter(|f| !matches!(f, Format::Csv(_) | Format::Json(_) | Format::Ndjson))
}

/// The first bytes as text, if they are.
pub(super) fn as_text(head: &[u8]) -> Option<Cow<'_, str>> {
    match head {
        [0xFF, 0xFE, rest @ ..] => Some(UTF_16LE.decode_without_bom_handling(rest).0),
        [0xFE, 0xFF, rest @ ..] => Some(UTF_16BE.decode_without_bom_handling(rest).0),
        _ if head.contains(&0) => None,
        [0xEF, 0xBB, 0xBF, rest @ ..] => Some(String::from_utf8_lossy(rest)),
        // Bytes beyond ASCII may be another encoding's; the reader says which.
        _ => Some(String::from_utf8_lossy(head)),
    }
}

/// The kind of JSON that a text begins like. `[` alone does not say it: headers
/// such as `[time],[value]` begin so too.
fn json_kind(text: &str) -> Option<Format> {
    let second = text.get(1..)?.trim_start().bytes().next();
    match (text.bytes().next()?, second) {
        (b'[', Some(b'{' | b'[' | b']')) => Some(Format::Json(Json::default())),
        (b'{', Some(b'"' | b'}')) => {
            let mut lines = text.lines();
            let first = lines.next().unwrap_or_default();
            let whole = serde_json::from_str::<&serde_json::value::RawValue>(first).is_ok();
            let next = lines.find(|l| !l.trim().is_empty());
            Some(match next {
                _ if !whole => Format::Json(Json::default()),
                None => Format::Ndjson,
                Some(line) if line.trim_start().starts_with('{') => Format::Ndjson,
                Some(_) => Format::Json(Json::default()),
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_name_and_content() {
        for (name, head, want) in [
            ("a.csv", "a,b\n", "csv"),
            ("a.CSV", "a\n", "csv"),
            ("a.txt", "a\n", "csv"),
            ("a.tsv", "a\n", "csv"),
            ("a.psv", "a\n", "csv"),
            ("a.json", "[]", "json"),
            ("a.json", "{\"a\":1}\n{\"a\":2}\n", "json"),
            ("a.ndjson", "", "ndjson"),
            ("a.jsonl", "{}", "ndjson"),
            ("a.parquet", "x", "parquet"),
            ("a.csv", "PAR1....", "parquet"),
            ("a.bin", "ARROW1\0\0", "arrow"),
            ("a.feather", "", "arrow"),
            ("a.csv", "CDF\u{1}\0", "netcdf"),
            ("a", "CDF\u{2}\0", "netcdf"),
            ("a", "CDF\u{5}\0", "netcdf"),
            ("a.NC", "", "netcdf"),
            ("a.csv", "CDF,b\n1,2\n", "csv"),
            ("a.csv", "CTD,b\n1,2\n", "csv"),
            ("a.csv", "CTD,20160123OCPNOCBAK\n", "whp_exchange"),
            ("a", "BOTTLE,20191105CCHSIOCBG\n#\n", "whp_exchange"),
            ("a", "a;b\n1;2\n", "csv"),
            ("a.dat", "\u{feff}a\tb\n", "csv"),
            ("a.csv", "[time],[value]\n", "csv"),
            ("a.csv", "[{\"a\":1}]", "json"),
            ("a", " [ { \"a\": 1 } ]", "json"),
            ("a", "{\"a\":1}\n{\"a\":2}\n", "ndjson"),
            ("a.log", "{\"a\":1}", "ndjson"),
            ("a.pb", "\n\r\n\u{3}2.0\u{18}\u{1}\u{20}\u{1}\u{18}\u{1}", "gtfs_rt"),
            ("a.json", "{\"entity\" : [ {\"id\":\"1\", \"vehicle\": {}}]}", "gtfs_rt"),
            ("a.json", "{\"header\":{\"gtfsRealtimeVersion\": \"2.0\"}}", "gtfs_rt"),
            ("a.jsonl", "{\"header\":{\"gtfsRealtimeVersion\": \"2.0\"}}", "ndjson"),
            ("a", "{\"entity\":\"x\",\"vehicle\":{}}\n{}", "ndjson"),
            ("a.xml", "<?xml?><s:Siri><VehicleMonitoringDelivery>", "siri_vm"),
            ("a.json", "{\"Siri\":{\"a\":{\"VehicleMonitoringDelivery\":[]}}}", "siri_vm"),
            ("a", "{\n  \"a\": 1\n}\n", "json"),
        ] {
            assert_eq!(recognise(name, head.as_bytes()).unwrap().name(), want, "{name} {head:?}");
        }
        assert_eq!(recognise("a", &[0xFF, 0xFF, 0xFF, 0xFF, 16]).unwrap().name(), "arrow");
        assert_eq!(recognise("a.h5", b"\x89HDF\r\n\x1a\n\0").unwrap().name(), "netcdf");
        assert_eq!(recognise("a", b"\xFF\xFEa\0,\0b\0").unwrap().name(), "csv");
        assert!(matches!(recognise("a.tsv", b"a").unwrap(), Format::Csv(Csv { delimiter: Some(b'\t'), .. })));
    }

    #[test]
    fn the_rest_is_named() {
        for head in [&b"\x00\x01\x02"[..], b"hello world", b"", b"\x89PNG\r\n\x1a\n\0"] {
            let e = recognise("a.bin", head).unwrap_err();
            assert_eq!(e.code, Code::Unrecognised);
            assert!(e.message.contains("`a.bin`"), "{e}");
        }
    }
}
