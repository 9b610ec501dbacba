//! Messages in protobuf to cells.

use std::borrow::Cow;

use lakegate_domain::transit::gtfs_rt::{Field, Message, TRANSLATED_STRING, Type};
use serde_json::{Map, Value};

use super::layout::{Node, Step};
use super::rows::{Body, Cell, Row};
use super::translated;
use crate::transit::wire::{Encoded, Fault, Fields, Span};

/// Fills the cells of a message's fields. What stands twice counts as it stands
/// last, as everywhere in protobuf; messages that stand twice are one.
pub(super) fn fill<'a>(node: &Node, span: Span<'a>, row: &mut Row<'a>) -> Result<(), Fault> {
    for found in Fields::new(span) {
        let (number, encoded) = found?;
        let taken = match node.by_number(number) {
            Some((field, step)) => take(node, field, step, encoded, row)?,
            None => false,
        };
        if !taken {
            row.extend(&node.path, &number.to_string(), raw(encoded));
        }
    }
    Ok(())
}

/// Whether the value is of the field's type; then it is in its cell.
fn take<'a>(
    node: &Node,
    field: &Field,
    step: &Step,
    encoded: Encoded<'a>,
    row: &mut Row<'a>,
) -> Result<bool, Fault> {
    match (step, encoded) {
        (Step::Value(at), _) => {
            let Some(cell) = scalar(field, encoded) else { return Ok(false) };
            if matches!((&cell, encoded), (Cell::Text(Cow::Owned(_)), Encoded::Bytes(_))) {
                // Not UTF-8: readable in the column, and whole here.
                row.extend(&node.path, field.name, raw(encoded));
            }
            row.cells[*at] = cell;
        }
        (Step::Enum { word, number }, Encoded::Varint(v)) => {
            let v = v as i64;
            row.cells[*word] = Cell::Text(word_of(field, v));
            row.cells[*number] = Cell::Int(v);
        }
        (Step::Message(inner), Encoded::Bytes(span)) => fill(inner, span, row)?,
        (Step::Rows(stream), Encoded::Bytes(span)) => row.inner.push((*stream, Body::Wire(span))),
        (Step::Translated { text, json }, Encoded::Bytes(span)) => {
            let value = object(&TRANSLATED_STRING, span)?;
            (row.cells[*text], row.cells[*json]) = translated::cells(&value);
        }
        (Step::Json(at), _) => {
            let Some(value) = json(field, encoded)? else { return Ok(false) };
            match field.repeated {
                true => row.push_json(*at, value),
                false => row.cells[*at] = Cell::Json(value),
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// A cell of a field that holds no message; `None` where it is encoded as
/// another type.
fn scalar<'a>(field: &Field, encoded: Encoded<'a>) -> Option<Cell<'a>> {
    Some(match (field.of, encoded) {
        (Type::Bool, Encoded::Varint(v)) => Cell::Bool(v != 0),
        (Type::Int, Encoded::Varint(v)) => Cell::Int(v as i64),
        (Type::Float, Encoded::Fixed32(v)) => Cell::Float(f32::from_bits(v).into()),
        (Type::Double, Encoded::Fixed64(v)) => Cell::Float(f64::from_bits(v)),
        (Type::Text, Encoded::Bytes(span)) => Cell::Text(String::from_utf8_lossy(span.bytes)),
        // Beyond the year 290,000 is no time that anybody means.
        (Type::Posix, Encoded::Varint(v)) => Cell::Instant((v as i64).checked_mul(1_000_000)?),
        _ => return None,
    })
}

/// The word for an enumeration's number, or the number.
pub(super) fn word_of(field: &Field, number: i64) -> Cow<'static, str> {
    let word = match field.of {
        Type::Enum(words) => words.word(number),
        _ => None,
    };
    word.map_or_else(|| Cow::Owned(number.to_string()), Cow::Borrowed)
}

/// A field as JSON; `None` where it is encoded as another type.
fn json(field: &Field, encoded: Encoded<'_>) -> Result<Option<Value>, Fault> {
    Ok(match (field.of, encoded) {
        (Type::Of(message) | Type::Json(message), Encoded::Bytes(span)) => Some(object(message, span)?),
        (Type::Translated, Encoded::Bytes(span)) => Some(object(&TRANSLATED_STRING, span)?),
        (Type::Enum(_), Encoded::Varint(v)) => Some(Value::from(word_of(field, v as i64))),
        (Type::Posix, Encoded::Varint(v)) => Some(Value::from(v)),
        _ => match scalar(field, encoded) {
            Some(Cell::Bool(v)) => Some(v.into()),
            Some(Cell::Int(v)) => Some(v.into()),
            Some(Cell::Float(v)) => Some(v.into()),
            Some(Cell::Text(v)) => Some(v.into()),
            _ => None,
        },
    })
}

/// A message as JSON, fields by name, those that the specification does not
/// have by number.
fn object(message: &Message, span: Span<'_>) -> Result<Value, Fault> {
    let mut object = Map::new();
    for found in Fields::new(span) {
        let (number, encoded) = found?;
        let known = message.0.iter().find(|f| f.number == number);
        let value = match known {
            Some(field) => json(field, encoded)?,
            None => None,
        };
        match (known, value) {
            (Some(field), Some(value)) if field.repeated => {
                let list = object.entry(field.name).or_insert_with(|| Value::Array(Vec::new()));
                if let Value::Array(list) = list {
                    list.push(value);
                }
            }
            (Some(field), Some(value)) => {
                object.insert(field.name.into(), value);
            }
            _ => {
                object.insert(number.to_string(), raw(encoded));
            }
        }
    }
    Ok(Value::Object(object))
}

/// A value whose meaning is not known: numbers as they are, bytes in hex.
pub(super) fn raw(encoded: Encoded<'_>) -> Value {
    match encoded {
        Encoded::Varint(v) => v.into(),
        Encoded::Fixed64(v) => v.into(),
        Encoded::Fixed32(v) => v.into(),
        Encoded::Bytes(span) | Encoded::Group(span) => {
            const DIGITS: [char; 16] =
                ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
            let digits = |byte: &u8| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
            span.bytes.iter().flat_map(digits).collect::<String>().into()
        }
    }
}
