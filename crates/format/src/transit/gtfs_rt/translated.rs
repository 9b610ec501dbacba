//! A text in several languages.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::rows::Cell;

/// The text that stands for all, and all of them as JSON.
///
/// Takes what the specification says, `{"translation": [{"text": …}]}`, and
/// what older encoders write: a list of such, one instead of a list, a text.
pub(super) fn cells(value: &Value) -> (Cell<'static>, Cell<'static>) {
    let mut all = Vec::new();
    collect(value, &mut all);
    let is_plain = |t: &Map<String, Value>| match t.get("language").and_then(Value::as_str) {
        None | Some("") => true,
        Some(language) => language == "en" || language.starts_with("en-"),
    };
    let chosen = all.iter().find(|t| is_plain(t)).or_else(|| all.first());
    let text = match chosen.and_then(|t| t.get("text")) {
        Some(Value::String(text)) => Cell::Text(Cow::Owned(text.clone())),
        _ => Cell::Null,
    };
    if all.is_empty() {
        return (text, Cell::Null);
    }
    (text, Cell::Json(Value::Array(all.into_iter().map(Value::Object).collect())))
}

/// Whether anything of this can be a translated text.
pub(super) fn is_one(value: &Value) -> bool {
    let mut all = Vec::new();
    collect(value, &mut all);
    !all.is_empty()
}

fn collect(value: &Value, all: &mut Vec<Map<String, Value>>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, all)),
        Value::String(_) => all.push(Map::from_iter([("text".to_string(), value.clone())])),
        Value::Object(map) => match map.get("translation") {
            Some(inner) => collect(inner, all),
            None if map.contains_key("text") => all.push(map.clone()),
            None => {}
        },
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_form() {
        let list = json!([{"text": "Halt", "language": "de"}, {"text": "Stop", "language": "en-US"}]);
        for (value, text, json) in [
            (json!({"translation": list}), Some("Stop"), Some(list.clone())),
            (json!({"translation": list[0]}), Some("Halt"), Some(json!([list[0]]))),
            (json!([{"translation": list[0]}, {"translation": list[1]}]), Some("Stop"), Some(list.clone())),
            (json!("Stop"), Some("Stop"), Some(json!([{"text": "Stop"}]))),
            (json!({"translation": []}), None, None),
            (json!(7), None, None),
        ] {
            let (found_text, found_json) = cells(&value);
            assert_eq!(found_text, text.map_or(Cell::Null, |t| Cell::Text(t.into())), "{value}");
            assert_eq!(found_json, json.map_or(Cell::Null, Cell::Json), "{value}");
        }
    }
}
