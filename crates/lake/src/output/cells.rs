//! Single values as text: the same text for a value wherever it is shown.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use arrow::json::writer::make_encoder;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::{INSTANT, NAIVE};

/// Whether a column holds values inside values.
pub(super) fn is_nested(t: &DataType) -> bool {
    match t {
        DataType::Dictionary(_, value) => is_nested(value),
        t => t.is_nested(),
    }
}

/// The batch with its nested columns as JSON text.
pub(super) fn flat(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let schema = batch.schema();
    if !schema.fields().iter().any(|f| is_nested(f.data_type())) {
        return Ok(batch.clone());
    }
    let mut fields = Vec::with_capacity(batch.num_columns());
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(batch.num_columns());
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        if is_nested(field.data_type()) {
            fields.push(Arc::new(Field::new(field.name(), DataType::Utf8, true)));
            columns.push(Arc::new(json_texts(column)?));
        } else {
            fields.push(field.clone());
            columns.push(column.clone());
        }
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

/// Each value as JSON text, null where it is null.
fn json_texts(column: &ArrayRef) -> Result<StringArray, ArrowError> {
    let field = Arc::new(Field::new("value", column.data_type().clone(), true));
    let options = super::json_options();
    let mut encoder = make_encoder(&field, column.as_ref(), &options)?;
    let mut buffer = Vec::new();
    let texts = (0..column.len())
        .map(|row| {
            if column.is_null(row) {
                return Ok(None);
            }
            buffer.clear();
            encoder.encode(row, &mut buffer);
            String::from_utf8(buffer.clone()).map(Some).map_err(|e| ArrowError::JsonError(e.to_string()))
        })
        .collect::<Result<Vec<_>, ArrowError>>()?;
    Ok(texts.into_iter().collect())
}

/// Texts of a flat column, `None` where it is null; of a nested one JSON texts.
///
/// # Errors
/// A value that has no text.
pub fn texts(column: &ArrayRef) -> Result<Vec<Option<String>>, ArrowError> {
    if is_nested(column.data_type()) {
        return Ok(json_texts(column)?.iter().map(|t| t.map(str::to_string)).collect());
    }
    let options = FormatOptions::new()
        .with_display_error(false)
        .with_timestamp_format(Some(NAIVE))
        .with_timestamp_tz_format(Some(INSTANT))
        .with_datetime_format(Some(NAIVE));
    let formatter = ArrayFormatter::try_new(column.as_ref(), &options)?;
    (0..column.len())
        .map(
            |row| if column.is_null(row) { Ok(None) } else { formatter.value(row).try_to_string().map(Some) },
        )
        .collect()
}
