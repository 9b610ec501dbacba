//! What an answer is that nobody has described: its format and, where that
//! needs one, the path to its records. For proposals; a landed file is
//! recognised by `recognise`.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use lakegate_domain::Code;
use lakegate_domain::model::{Caps, Format, Json, Names, Xml};
use lakegate_domain::transit::records::Preset;

use super::guarded;
use super::recognise::{as_text, recognise};
use crate::container::{Blob, Input, Peeled, Peeler};
use crate::encoding::decode;
use crate::error::{Error, Result};
use crate::json::Shape;
use crate::xml::{encoding_of, likeliest, root_of};

/// Characters of an answer that a message shows.
const SHOWN: usize = 120;

/// What an answer is.
#[derive(Clone, Debug, PartialEq)]
pub struct Identified {
    pub format: Format,
    /// For how long the answer is good, where it says so (GBFS `ttl`), seconds.
    pub ttl_s: Option<u64>,
}

impl From<Format> for Identified {
    fn from(format: Format) -> Self {
        Self { format, ttl_s: None }
    }
}

/// Identifies an answer by its bytes and the name that it would land under.
/// `records` is the path to its records, where somebody has said it. `spool` is
/// a folder for unnamed temporary files.
///
/// # Errors
/// LG107 where there is nothing in it now, LG111 where it is no data, each with
/// the beginning of the answer or what it says; LG101 where it is damaged.
pub fn identify(bytes: Bytes, name: &str, records: Option<&str>, spool: &Path) -> Result<Identified> {
    guarded(|| {
        let blob = Blob::from(bytes);
        let peeler = Peeler::new(Caps::default(), blob.size(), spool);
        match peeler.peel(Input::Blob(blob), name, &mut 0)? {
            Peeled::Document { head, input, name } => document(&peeler, &head, input, &name, records),
            Peeled::Archive(_) => Err(unknown(
                "the answer is an archive of files: write its dataset by hand, with `read: { archive: … }` (docs/reading.md)",
            )),
        }
    })
}

fn document(
    peeler: &Arc<Peeler>,
    head: &Bytes,
    input: Input,
    name: &str,
    records: Option<&str>,
) -> Result<Identified> {
    let text = as_text(head);
    let text = text.as_deref().map(str::trim_start).unwrap_or_default();
    let root = root_of(text);
    let lower = text.get(..15).unwrap_or(text).to_ascii_lowercase();
    if lower.starts_with("<!doctype html") || root.is_some_and(|r| r.eq_ignore_ascii_case("html")) {
        return Err(unknown(&web_page(text)));
    }
    let blob = peeler.blob(input)?;
    match (recognise(name, head), root) {
        // The same root without a single vehicle.
        (_, Some("buses")) => Ok(Format::Records(Preset::CleverDevices, Names::Specification).into()),
        (_, Some("body")) if text.contains("copyright") || text.contains("lastTime") => {
            Ok(Format::Records(Preset::NextBus, Names::Specification).into())
        }
        (Ok(Format::Json(_) | Format::Ndjson), _) => json(&blob, records),
        (Ok(format), _) => Ok(format.into()),
        (Err(_), Some(_)) => xml(&blob, head, records),
        (Err(_), None) if text.is_empty() => {
            Err(unknown("the answer is neither text nor any format that is known; look at the address"))
        }
        (Err(_), None) => Err(unknown(&format!("the answer is no feed; it begins with {}", quoted(text)))),
    }
}

fn json(blob: &Blob, records: Option<&str>) -> Result<Identified> {
    let (text, _) = decode(Input::Blob(blob.clone()).into_stream(), None)?;
    let shape = Shape::of(text).map_err(|e| {
        let what =
            format!("the answer begins like JSON and is not: line {}, column {}", e.line(), e.column());
        Error::new(Code::Malformed, format!("{what}; it may be cut off, or no feed"))
    })?;
    let of = |path: &str| Format::Json(Json { records: path.to_string() });
    let ttl_s =
        shape.top.iter().find(|(key, _)| key == "ttl").and_then(|(_, value)| value.as_ref()?.parse().ok());
    if let Some(path) = records {
        return Ok(Identified { format: of(path), ttl_s });
    }
    if shape.is_lines {
        return Ok(Format::Ndjson.into());
    }
    if let Some(list) = shape.likeliest() {
        let has = |key: &str| list.keys.iter().any(|k| k == key);
        if list.path.ends_with("feeds") && has("name") && has("url") {
            return Err(unknown(&format!(
                "the answer is a list of feeds (GBFS), at `{}`: give the address of one of them",
                list.path
            )));
        }
        return Ok(Identified { format: of(&list.path), ttl_s });
    }
    const COMPLAINTS: [&str; 8] =
        ["error", "errors", "error_message", "errormessage", "message", "fault", "detail", "status"];
    let complaint = shape.top.iter().find(|(key, value)| {
        COMPLAINTS.contains(&key.to_ascii_lowercase().as_str()) && (value.is_some() || shape.top.len() == 1)
    });
    match complaint {
        Some((key, value)) if shape.top.len() <= 5 => {
            let said = value.as_deref().map_or_else(|| "something".into(), quoted);
            Err(unknown(&format!("the answer is no feed, but a complaint: its `{key}` says {said}")))
        }
        _ if shape.lists.iter().any(|l| l.n_items == 0) => Err(nothing()),
        _ if shape.is_object && !shape.top.is_empty() => Ok(Identified { format: of("."), ttl_s }),
        _ => Err(unknown("the answer is JSON without a single object in a list; look at the address")),
    }
}

fn xml(blob: &Blob, head: &[u8], records: Option<&str>) -> Result<Identified> {
    let of = |records: Vec<String>| Identified::from(Format::Xml(Xml { records, lists: Vec::new() }));
    if let Some(path) = records {
        return Ok(of(path.split('.').map(str::to_string).collect()));
    }
    let (text, place) = decode(Input::Blob(blob.clone()).into_stream(), encoding_of(head)?)?;
    match likeliest(text, place, Caps::default().record_bytes as usize)? {
        Some(path) => Ok(of(path)),
        None => Err(Error::new(
            Code::NoRecords,
            "the answer is XML in which nothing stands twice that could be a record: ask when there are some, or say \
             where they would stand, as in `root.list.item`",
        )),
    }
}

fn nothing() -> Error {
    Error::new(Code::NoRecords, "the answer's lists are empty now: ask when there is something in them")
}

fn unknown(what: &str) -> Error {
    Error::new(Code::Unrecognised, what)
}

/// A web page by its title, which often says what went wrong.
fn web_page(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let title = lower.find("<title").and_then(|at| {
        let from = at + lower[at..].find('>')? + 1;
        let to = from + lower[from..].find('<')?;
        Some(text[from..to].trim()).filter(|t| !t.is_empty())
    });
    let called = title.map_or_else(String::new, |t| format!(", called {},", quoted(t)));
    format!(
        "the answer is a web page{called} and no feed: look for the address of the data itself, or whether it asks who \
         you are"
    )
}

fn quoted(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = line.chars().filter(|c| !c.is_control()).take(SHOWN).collect();
    format!("`{cut}{}`", if cut.len() < line.len() { "…" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, records: Option<&str>) -> Result<Identified> {
        let folder = tempfile::tempdir().unwrap();
        identify(Bytes::copy_from_slice(text.as_bytes()), "a.bin", records, folder.path())
    }

    #[test]
    fn formats_with_the_paths_to_their_records() {
        for (text, want) in [
            ("\n\r\n\u{3}2.0\u{18}\u{1}\u{20}\u{1}\u{18}\u{1}", "gtfs_rt"),
            ("{\"header\":{\"gtfsRealtimeVersion\":\"2.0\"},\"entity\":[]}", "gtfs_rt"),
            ("<Siri><VehicleMonitoringDelivery/></Siri>", "siri_vm"),
            ("<buses><time>1</time></buses>", "clever_devices"),
            ("<body copyright='x'><lastTime time='1'/></body>", "nextbus"),
            ("{\"a\":1}\n{\"a\":2}\n", "ndjson"),
            ("a,b\n1,2\n", "csv"),
        ] {
            assert_eq!(of(text, None).unwrap().format.name(), want, "{text}");
        }
        let json = |text: &str, records| match of(text, records).unwrap() {
            Identified { format: Format::Json(json), ttl_s } => (json.records, ttl_s),
            other => panic!("{other:?}"),
        };
        let gbfs = "{\"last_updated\":1,\"ttl\":60,\"data\":{\"stations\":[{\"station_id\":\"a\"}]}}";
        assert_eq!(json(gbfs, None), ("data.stations".into(), Some(60)));
        assert_eq!(json(gbfs, Some("data.bikes")).0, "data.bikes");
        assert_eq!(json("{\"lat\":1,\"lon\":2}", None).0, ".");
        let xml = of("<r><v id='1'/><v id='2'/></r>", None).unwrap();
        assert_eq!(xml.format, Format::Xml(Xml { records: vec!["r".into(), "v".into()], lists: Vec::new() }));
    }

    #[test]
    fn what_is_no_feed_says_what_it_is() {
        for (text, code, part) in [
            ("<!DOCTYPE html><html><head><title>Sign\n in</title>", Code::Unrecognised, "called `Sign in`"),
            ("<html><body/></html>", Code::Unrecognised, "web page"),
            ("{\"error\":\"invalid key\"}", Code::Unrecognised, "`invalid key`"),
            ("{\"data\":{\"feeds\":[{\"name\":\"a\",\"url\":\"u\"}]}}", Code::Unrecognised, "list of feeds"),
            ("{\"data\":{\"bikes\":[]}}", Code::NoRecords, "empty now"),
            ("[[1],[2]]", Code::Unrecognised, "without a single object"),
            ("{\"a\":[{\"b\":", Code::Malformed, "cut off"),
            ("Forbidden", Code::Unrecognised, "`Forbidden`"),
            ("<r><a/></r>", Code::NoRecords, "nothing stands twice"),
            ("PK\u{3}\u{4}", Code::DamagedArchive, ""),
        ] {
            let e = of(text, None).unwrap_err();
            assert_eq!(e.code, code, "{text}: {e}");
            assert!(e.message.contains(part), "{e}");
        }
    }
}
