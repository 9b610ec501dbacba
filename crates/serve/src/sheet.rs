//! Small lists that are all in memory: as JSON and as CSV, from the same rows.

use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::wanted::Format;

/// Some rows with the same columns.
#[derive(Debug, Default)]
pub struct Sheet(Vec<Map<String, Value>>);

impl Sheet {
    /// Rows of values that are JSON objects.
    pub fn of<T: Serialize>(rows: impl IntoIterator<Item = T>) -> Self {
        let object = |row: T| match serde_json::to_value(row) {
            Ok(Value::Object(map)) => map,
            _ => Map::new(),
        };
        Self(rows.into_iter().map(object).collect())
    }

    /// RFC 4180 with a header; a missing value is an empty field.
    pub fn to_csv(&self) -> String {
        let Some(first) = self.0.first() else { return String::new() };
        let mut out = first.keys().map(|k| field(k)).collect::<Vec<_>>().join(",") + "\n";
        for row in &self.0 {
            let text = |v: &Value| match v {
                Value::Null => String::new(),
                Value::String(s) => field(s),
                other => field(&other.to_string()),
            };
            out += &(row.values().map(text).collect::<Vec<_>>().join(",") + "\n");
        }
        out
    }
}

fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.into()
    }
}

/// A text as an answer that is asked for anew each time.
pub fn text(format: Format, body: String) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// A value as JSON that people can read.
pub fn json(value: &impl Serialize) -> Response {
    // Only maps with keys that are no texts cannot be written, and there are none.
    text(Format::Json, serde_json::to_string_pretty(value).unwrap_or_default() + "\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn csv() {
        let sheet = Sheet::of([
            json!({ "a": "x,\"y\"", "b": null, "c": 1.5 }),
            json!({ "a": "z", "b": true, "c": 2 }),
        ]);
        assert_eq!(sheet.to_csv(), "a,b,c\n\"x,\"\"y\"\"\",,1.5\nz,true,2\n");
        assert_eq!(Sheet::of(Vec::<Value>::new()).to_csv(), "");
    }
}
