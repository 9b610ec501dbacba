//! What had no place, kept as JSON text from end to end: no digit of a number
//! goes through a float, however deep it is nested.

use std::collections::{BTreeMap, HashMap};

use serde_json::value::RawValue;

use crate::value::{self, Token};

/// Collects what had no place, row by row.
#[derive(Default)]
pub(crate) struct Rescue {
    rows: HashMap<usize, Object>,
}

/// Names and JSON texts, in the order they came.
#[derive(Default)]
struct Object(Vec<(String, String)>);

impl Object {
    /// A name that is there already gets the new value.
    fn put(&mut self, name: &str, json: String) {
        match self.0.iter_mut().find(|(n, _)| n == name) {
            Some((_, value)) => *value = json,
            None => self.0.push((name.to_string(), json)),
        }
    }

    fn into_json(self) -> String {
        let mut out = String::from("{");
        for (i, (name, json)) in self.0.into_iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            out.push_str(&quoted(&name));
            out.push(':');
            out.push_str(&json);
        }
        out.push('}');
        out
    }
}

impl Rescue {
    pub fn put_text(&mut self, row: usize, column: &str, text: &str) {
        self.rows.entry(row).or_default().put(column, quoted(text));
    }

    /// `json` is a JSON value; what is none is kept as text.
    pub fn put_json(&mut self, row: usize, column: &str, json: &str) {
        self.rows.entry(row).or_default().put(column, value_or_text(json));
    }

    /// Per row its JSON object; `None` where no row has one.
    pub fn finish(mut self, n_rows: usize) -> Option<Vec<Option<String>>> {
        if self.rows.is_empty() {
            return None;
        }
        Some((0..n_rows).map(|r| self.rows.remove(&r).map(Object::into_json)).collect())
    }

    /// The JSON object of one row.
    pub fn of_row(mut self, row: usize) -> String {
        self.rows.remove(&row).unwrap_or_default().into_json()
    }
}

/// Adds a value to what a row's `_rescued` holds already. `value` is JSON, or
/// else kept as text.
pub fn rescued_with(rescued: Option<&str>, column: &str, value: &str) -> String {
    let before: BTreeMap<String, Box<RawValue>> =
        rescued.and_then(|r| serde_json::from_str(r).ok()).unwrap_or_default();
    let mut object = Object(before.into_iter().map(|(n, v)| (n, v.get().to_string())).collect());
    object.put(column, value_or_text(value));
    object.into_json()
}

/// What several rows' `_rescued` hold, for the one row that is made of them: values
/// of one column as a list, in the order of the rows, where there are several.
pub fn rescued_together(rows: &[&str]) -> Option<String> {
    let mut all: Vec<(String, Vec<String>)> = Vec::new();
    for row in rows {
        let values: BTreeMap<String, Box<RawValue>> = serde_json::from_str(row).unwrap_or_default();
        for (name, value) in values {
            let value = value.get().to_string();
            match all.iter_mut().find(|(n, _)| *n == name) {
                Some((_, values)) => values.push(value),
                None => all.push((name, vec![value])),
            }
        }
    }
    let joined = |values: Vec<String>| match <[String; 1]>::try_from(values) {
        Ok([only]) => only,
        Err(several) => format!("[{}]", several.join(",")),
    };
    let object = Object(all.into_iter().map(|(name, values)| (name, joined(values))).collect());
    (!object.0.is_empty()).then(|| object.into_json())
}

fn value_or_text(json: &str) -> String {
    let is_value = match value::token(json) {
        // A lone surrogate's escape has no text: such a value would make the
        // whole object unreadable.
        Token::Text | Token::Nested if json.contains("\\u") => {
            serde_json::from_str::<serde_json::Value>(json).is_ok()
        }
        _ => serde_json::from_str::<&RawValue>(json).is_ok(),
    };
    if is_value { json.trim().to_string() } else { quoted(json) }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_kept_wherever_they_stand() {
        let mut rescue = Rescue::default();
        for (column, json) in [
            ("id", "123456789012345678901234567890"),
            ("nested", r#"{"v":[0.1234567890123456789,1.50]}"#),
            ("word", "abc"),
            ("broken", r#"{"a":"\ud800"}"#),
            ("quote\"d", "null"),
        ] {
            rescue.put_json(0, column, json);
        }
        rescue.put_text(0, "text", "12\n");
        let json = rescue.of_row(0);
        assert_eq!(
            json,
            concat!(
                r#"{"id":123456789012345678901234567890,"#,
                r#""nested":{"v":[0.1234567890123456789,1.50]},"#,
                r#""word":"abc","broken":"{\"a\":\"\\ud800\"}","quote\"d":null,"text":"12\n"}"#
            )
        );
        assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
        let more = rescued_with(Some(&json), "more", "0.10");
        assert!(more.contains("123456789012345678901234567890") && more.contains("\"more\":0.10"), "{more}");
        assert_eq!(rescued_with(None, "v", "n/a"), r#"{"v":"n/a"}"#);
        assert_eq!(rescued_with(Some(r#"{"v":1}"#), "v", "2"), r#"{"v":2}"#);
    }
}
