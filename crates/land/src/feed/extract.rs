//! What a path finds in an answer: the items of a list, the records of a page.

use lakegate_domain::feed::Path;
use quick_xml::events::{BytesStart, Event};
use serde_json::Value;

/// The texts that a path leads to in a JSON or XML document, in order, each
/// once, without those that are empty.
///
/// # Errors
/// A sentence that says why the document cannot be read.
pub(super) fn items(document: &[u8], path: &Path) -> Result<Vec<String>, String> {
    let mut found = match first_byte(document) {
        Some(b'<') => from_xml(document, path)?,
        _ => {
            let document = json(document)?;
            let mut found = Vec::new();
            let keys = path.keys.iter().chain(&path.attribute).map(String::as_str).collect::<Vec<_>>();
            walk(&document, &keys, &mut |value| found.extend(scalar(value)));
            found
        }
    };
    let mut seen = std::collections::HashSet::new();
    found.retain(|item| !item.is_empty() && seen.insert(item.clone()));
    Ok(found)
}

/// A document as JSON.
pub(super) fn json(document: &[u8]) -> Result<Value, String> {
    let document = document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document);
    serde_json::from_slice(document).map_err(|error| format!("it is not JSON: {error}"))
}

/// The values that a path leads to, lists on the way and at its end gone through.
pub(super) fn records<'v>(document: &'v Value, path: &Path) -> Vec<&'v Value> {
    let keys: Vec<&str> = path.keys.iter().map(String::as_str).collect();
    let mut found = Vec::new();
    walk(document, &keys, &mut |value| found.push(value));
    found
}

/// The first text or number that a path leads to.
pub(super) fn field(record: &Value, path: &Path) -> Option<String> {
    records(record, path).into_iter().find_map(scalar).filter(|text| !text.is_empty())
}

fn first_byte(document: &[u8]) -> Option<u8> {
    let document = document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document);
    document.iter().copied().find(|byte| !byte.is_ascii_whitespace())
}

fn walk<'v>(value: &'v Value, keys: &[&str], found: &mut dyn FnMut(&'v Value)) {
    match (value, keys) {
        (Value::Array(items), _) => items.iter().for_each(|item| walk(item, keys, found)),
        (value, []) => found(value),
        (Value::Object(map), [key, rest @ ..]) => {
            if let Some(inner) = map.get(*key) {
                walk(inner, rest, found);
            }
        }
        _ => {}
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(_) | Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Names are compared without their prefixes.
fn from_xml(document: &[u8], path: &Path) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(document).map_err(|e| format!("it is not UTF-8: {e}"))?;
    // A declaration must come first; some servers send blank lines before it.
    let mut reader = quick_xml::Reader::from_str(text.trim_start_matches('\u{feff}').trim_start());
    let mut stack: Vec<String> = Vec::new();
    let mut found = Vec::new();
    let mut inner: Option<String> = None;
    let bad = |reader: &quick_xml::Reader<&[u8]>, why: String| {
        format!("it is not XML, at byte {}: {why}", reader.error_position())
    };
    loop {
        let event = reader.read_event().map_err(|e| bad(&reader, e.to_string()))?;
        match event {
            Event::Start(element) => {
                stack.push(name(&element));
                if stack == path.keys {
                    inner = Some(String::new());
                    attribute(&element, path, &mut found).map_err(|e| bad(&reader, e))?;
                }
            }
            Event::Empty(element) => {
                stack.push(name(&element));
                if stack == path.keys {
                    attribute(&element, path, &mut found).map_err(|e| bad(&reader, e))?;
                }
                stack.pop();
            }
            Event::End(_) => {
                if stack == path.keys
                    && let Some(text) = inner.take().filter(|_| path.attribute.is_none())
                {
                    found.push(text.trim().to_string());
                }
                stack.pop();
            }
            Event::Text(text) => {
                if let Some(inner) = inner.as_mut().filter(|_| stack == path.keys) {
                    inner.push_str(&text.decode().map_err(|e| bad(&reader, e.to_string()))?);
                }
            }
            Event::CData(text) => {
                if let Some(inner) = inner.as_mut().filter(|_| stack == path.keys) {
                    inner.push_str(&text.decode().map_err(|e| bad(&reader, e.to_string()))?);
                }
            }
            Event::GeneralRef(reference) => {
                if let Some(inner) = inner.as_mut().filter(|_| stack == path.keys) {
                    let reference = reference.decode().map_err(|e| bad(&reader, e.to_string()))?;
                    let text = format!("&{reference};");
                    inner.push_str(
                        &quick_xml::escape::unescape(&text).map_err(|e| bad(&reader, e.to_string()))?,
                    );
                }
            }
            Event::Eof if stack.is_empty() => return Ok(found),
            Event::Eof => return Err(format!("it is not XML: it ends within `{}`", stack.join("."))),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

fn name(element: &BytesStart) -> String {
    String::from_utf8_lossy(element.local_name().as_ref()).into_owned()
}

fn attribute(element: &BytesStart, path: &Path, found: &mut Vec<String>) -> Result<(), String> {
    let Some(wanted) = &path.attribute else { return Ok(()) };
    for attribute in element.attributes() {
        let attribute = attribute.map_err(|e| e.to_string())?;
        if attribute.key.local_name().as_ref() == wanted.as_bytes() {
            let raw = std::str::from_utf8(&attribute.value).map_err(|e| e.to_string())?;
            found.push(quick_xml::escape::unescape(raw).map_err(|e| e.to_string())?.trim().to_string());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Path {
        Path::parse(text).unwrap()
    }

    #[test]
    fn items_of_json_and_xml() {
        let xml = "\n\n<?xml version='1.0'?>\n<!-- x --><b:body xmlns:b='u'><route tag='1' title='a'/><route tag='R&amp;D'>\
                   <id> x<i>no</i>&lt;y </id></route><route tag='1'><id><![CDATA[z]]></id></route></b:body>";
        for (document, at, want) in [
            (
                r#"{"data":{"list":[{"id":"a"},{"id":7},{"id":null},{"x":1},{"id":"a"}]}}"#,
                "data.list.id",
                vec!["a", "7"],
            ),
            (r#"["a", ["b", ""], "a"]"#, ".", vec!["a", "b"]),
            (r#"[{"a":["x","y"]},{"a":"z"}]"#, "a", vec!["x", "y", "z"]),
            (r#"{"a":{"b":1}}"#, "a", vec![]),
            ("\u{feff}{\"a\":\"b\"}", "a", vec!["b"]),
            (xml, "body.route@tag", vec!["1", "R&D"]),
            (xml, "body.route.id", vec!["x<y", "z"]),
            (xml, "route.id", vec![]),
        ] {
            assert_eq!(items(document.as_bytes(), &path(at)).unwrap(), want, "{at} in {document}");
        }
    }

    #[test]
    fn broken_documents_say_where() {
        for (document, want) in [
            ("<a><b></a>", "not XML, at byte"),
            ("<a><b>", "ends within `a.b`"),
            ("{\"a\":", "not JSON: EOF while parsing"),
            ("", "not JSON"),
        ] {
            let error = items(document.as_bytes(), &path("a.b")).unwrap_err();
            assert!(error.contains(want), "{document}: {error}");
        }
    }

    #[test]
    fn records_and_their_fields() {
        let document = json(br#"{"results":[{"id":1,"f":{"u":"x"}},{"id":"2"}],"next":null}"#).unwrap();
        let found = records(&document, &path("results"));
        assert_eq!(found.len(), 2);
        let fields: Vec<_> = found.iter().map(|r| (field(r, &path("id")), field(r, &path("f.u")))).collect();
        assert_eq!(fields, [(Some("1".into()), Some("x".into())), (Some("2".into()), None)]);
        assert_eq!(field(&document, &path("next")), None);
    }
}
