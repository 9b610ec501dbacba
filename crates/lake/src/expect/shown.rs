//! Values of columns as people and `_rescued` see them.
//!
//! Only rows that failed come here, so it may cost what it likes.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::Value;

/// Characters of one value in a message; the rest is cut.
const MAX_SHOWN: usize = 80;

/// `column = value`: text in single quotes, a missing value as `NULL`.
pub(super) fn assignment(column: &str, array: &ArrayRef, row: usize) -> String {
    format!("{column} = {}", value(array, row))
}

/// One value for people.
pub(crate) fn value(array: &ArrayRef, row: usize) -> String {
    if array.is_null(row) {
        return "NULL".into();
    }
    let text = text(array, row);
    let cut = match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    };
    if is_text(array.data_type()) { format!("'{cut}'") } else { cut }
}

/// One value as JSON text, in the form in which `_rescued` keeps what was
/// never a value of the table: numbers that every JSON reader holds exactly as
/// numbers, nested values as such, everything else as a string.
pub(crate) fn json(array: &ArrayRef, row: usize) -> String {
    if array.is_null(row) {
        return "null".into();
    }
    if array.data_type().is_nested() {
        let one = array.slice(row, 1);
        if let Ok(texts) = lakegate_format::typed_conform::json_text(&one) {
            return texts.as_string::<i32>().value(0).to_string();
        }
    }
    let text = text(array, row);
    let value = match array.data_type() {
        DataType::Boolean => Value::Bool(text == "true"),
        t if t.is_integer() && text.len() <= 15 => {
            text.parse::<i64>().map_or_else(|_| text.into(), Into::into)
        }
        DataType::Float16 | DataType::Float32 | DataType::Float64 => match text.parse::<f64>() {
            // Infinite and not-a-number have no JSON number.
            Ok(v) if v.is_finite() => v.into(),
            _ => text.into(),
        },
        _ => text.into(),
    };
    value.to_string()
}

fn text(array: &ArrayRef, row: usize) -> String {
    const OPTIONS: FormatOptions<'static> = FormatOptions::new();
    match ArrayFormatter::try_new(array.as_ref(), &OPTIONS) {
        Ok(formatter) => formatter.value(row).to_string(),
        // No formatter for this type: its name is better than nothing.
        Err(_) => format!("a value of type {}", array.data_type()),
    }
}

fn is_text(t: &DataType) -> bool {
    matches!(t, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}
