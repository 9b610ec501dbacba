//! Messages in JSON to cells. Encoders differ: names in small letters or in
//! camel case, numbers as text, enumerations by word or number, `null` for what
//! is absent. All of that is taken; what is something else is an extension.

use std::borrow::Cow;

use lakegate_domain::transit::gtfs_rt::{Field, Type};
use serde_json::{Map, Value};

use super::encoded::word_of;
use super::layout::{Node, Step, camel_case};
use super::rows::{Body, Cell, Row};
use super::translated;
use crate::time::{TimeFormat, Zone};
use crate::value;

/// Fills the cells of a message's fields.
pub(super) fn fill<'a>(node: &Node, message: &'a Map<String, Value>, row: &mut Row<'a>) {
    for (key, value) in message {
        if value.is_null() {
            continue;
        }
        let taken = match node.by_name(key) {
            Some((field, step)) => take(node, field, step, value, row),
            None => false,
        };
        if !taken {
            row.extend(&node.path, key, value.clone());
        }
    }
}

/// Whether the value is of the field's type; then it is in its cell.
fn take<'a>(node: &Node, field: &Field, step: &Step, value: &'a Value, row: &mut Row<'a>) -> bool {
    match (step, value) {
        (Step::Value(at), _) => {
            let Some(cell) = scalar(field.of, value) else { return false };
            row.cells[*at] = cell;
        }
        (Step::Enum { word, number }, _) => {
            let Some((text, n)) = enumerated(field, value) else { return false };
            row.cells[*word] = Cell::Text(text);
            row.cells[*number] = n.map_or(Cell::Null, Cell::Int);
        }
        (Step::Message(inner), Value::Object(message)) => fill(inner, message, row),
        (Step::Rows(stream), Value::Object(_)) => row.inner.push((*stream, Body::Json(value))),
        (Step::Rows(stream), Value::Array(items)) => {
            for item in items {
                match item {
                    Value::Object(_) => row.inner.push((*stream, Body::Json(item))),
                    Value::Null => {}
                    other => row.extend(&node.path, field.name, other.clone()),
                }
            }
        }
        (Step::Translated { text, json }, _) if translated::is_one(value) => {
            (row.cells[*text], row.cells[*json]) = translated::cells(value);
        }
        (Step::Json(at), _) => {
            let value = normal(field, value);
            row.cells[*at] = match value {
                Value::Array(_) => Cell::Json(value),
                one if field.repeated => Cell::Json(Value::Array(vec![one])),
                one => Cell::Json(one),
            };
        }
        _ => return false,
    }
    true
}

fn scalar(of: Type, value: &Value) -> Option<Cell<'_>> {
    Some(match (of, value) {
        (Type::Bool, Value::Bool(v)) => Cell::Bool(*v),
        (Type::Bool, Value::String(v)) => Cell::Bool(v.parse().ok()?),
        (Type::Int, _) => Cell::Int(integer(value)?),
        (Type::Float | Type::Double, Value::Number(v)) => Cell::Float(v.as_f64()?),
        (Type::Float | Type::Double, Value::String(v)) => Cell::Float(v.trim().parse().ok()?),
        (Type::Text, Value::String(v)) => Cell::Text(Cow::Borrowed(v)),
        (Type::Text, Value::Number(v)) => Cell::Text(Cow::Owned(v.to_string())),
        (Type::Posix, Value::String(text)) if integer(value).is_none() => {
            Cell::Instant(TimeFormat::Iso.parse_instant(text, &Zone::new("UTC"))?)
        }
        (Type::Posix, _) => match integer(value) {
            Some(seconds) => Cell::Instant(seconds.checked_mul(1_000_000)?),
            None => Cell::Instant(
                TimeFormat::new(Some("unix")).parse_instant(&value.to_string(), &Zone::new("UTC"))?,
            ),
        },
        _ => return None,
    })
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(n) => value::int(&n.to_string()),
        Value::String(text) => value::int(text),
        _ => None,
    }
}

/// An enumeration's word and number.
fn enumerated(field: &Field, value: &Value) -> Option<(Cow<'static, str>, Option<i64>)> {
    let Type::Enum(words) = field.of else { return None };
    if let Some(number) = integer(value) {
        return Some((word_of(field, number), Some(number)));
    }
    let Value::String(text) = value else { return None };
    let number = words.number(text);
    Some((Cow::Owned(text.clone()), number.map(i64::from)))
}

/// JSON by the specification's names and words, without nulls.
fn normal(field: &Field, value: &Value) -> Value {
    match (field.of, value) {
        (_, Value::Array(items)) => {
            items.iter().filter(|v| !v.is_null()).map(|v| normal(field, v)).collect::<Vec<_>>().into()
        }
        (Type::Of(message) | Type::Json(message), Value::Object(map)) => {
            let mut object = Map::new();
            for (key, value) in map.iter().filter(|(_, v)| !v.is_null()) {
                let known = message.0.iter().find(|f| f.name == key || camel_case(f.name) == *key);
                match known {
                    Some(inner) => object.insert(inner.name.into(), normal(inner, value)),
                    None => object.insert(key.clone(), value.clone()),
                };
            }
            object.into()
        }
        (Type::Enum(_), _) => enumerated(field, value).map_or_else(|| value.clone(), |(word, _)| word.into()),
        (Type::Int | Type::Posix, _) => integer(value).map_or_else(|| value.clone(), Value::from),
        _ => value.clone(),
    }
}
