//! How many values an input column has, whatever becomes of them.

use arrow::array::{Array, ArrayRef};
use lakegate_domain::model::Column;

use super::{Missing, data_type, takes_blanks};
use crate::text::{Notation, TextBatch};
use crate::value::Nulls;
use crate::{Result, typed_conform};

/// The spellings of a missing value of a column: `nulls`, and its own.
fn nulls_of<'a>(column: Option<&'a Column>, nulls: &'a [String], is_numeric: bool) -> Nulls<'a> {
    Nulls::new(nulls.iter().chain(column.into_iter().flat_map(|c| &c.nulls)), is_numeric)
}

/// The values of a column of text. `declared` says how it is read, `nulls` spell
/// a missing value in every column. Where no type is declared blank text is no
/// value, and a spelling that is a number means that number, as in inference.
pub fn n_values_of_text(batch: &TextBatch, at: usize, declared: Option<&Column>, nulls: &[String]) -> u64 {
    let kind = declared.and_then(|c| c.kind).map(data_type);
    let is_numeric = kind.as_ref().is_none_or(|t| t.is_numeric());
    let nulls = nulls_of(declared, nulls, is_numeric);
    // JSON says of a text that it is one.
    let blanks = kind.as_ref().map_or(batch.notation == Notation::Json, takes_blanks);
    let missing = Missing { nulls, notation: batch.notation, blanks };
    let cells = &batch.columns[at];
    cells.iter().filter(|cell| missing.text(batch, **cell).is_some()).count() as u64
}

/// The values of a typed column, as [`n_values_of_text`].
///
/// # Errors
/// A type that Arrow cannot bring into its plain form.
pub fn n_values_of_typed(column: &ArrayRef, declared: Option<&Column>, nulls: &[String]) -> Result<u64> {
    let kind = declared.and_then(|c| c.kind).map(data_type);
    let is_numeric = column.data_type().is_numeric() || kind.is_some_and(|t| t.is_numeric());
    let values = typed_conform::without_nulls(column, &nulls_of(declared, nulls, is_numeric))?;
    Ok((values.len() - values.logical_null_count()) as u64)
}
