//! The rows of a merge, made of those of its streams.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::*;
use arrow::compute::{concat, interleave, take};
use arrow::datatypes::{DataType, Date32Type, Field, Int32Type, Int64Type, Schema, TimestampMicrosecondType};
use lakegate_domain::Code;

use super::{Joined, MergedColumn};
use crate::conform::{self, Conformed, Plan};
use crate::text::{Cell, Notation, TextBatch};
use crate::value::{self, Nulls};
use crate::{Error, Result};

/// Text beyond which cells cannot say where they stand.
const MOST_TEXT: usize = 1 << 31;
const DAY_US: i64 = 86_400_000_000;

/// The keys of text rows. `plan` has one column, the key; `source` is what the
/// batch calls it.
///
/// # Errors
/// LG302 with the row for a text that is no key; `first_row` is the number of the
/// batch's first.
pub fn keys_of_text(
    plan: &Plan,
    source: &str,
    batch: &TextBatch,
    first_row: u64,
) -> Result<Vec<Option<i64>>> {
    let Some(at) = batch.names.iter().position(|n| n == source) else {
        return Ok(vec![None; batch.n_rows]);
    };
    let only = TextBatch {
        notation: batch.notation,
        names: vec![source.to_string()].into(),
        columns: vec![batch.columns[at].clone()],
        n_rows: batch.n_rows,
        text: batch.text.clone(),
        side: batch.side.clone(),
        surplus: Vec::new(),
    };
    keys(conform::conform_text(plan, &only, first_row)?, source, first_row)
}

/// As [`keys_of_text`], of typed rows.
pub fn keys_of_typed(
    plan: &Plan,
    source: &str,
    batch: &RecordBatch,
    first_row: u64,
) -> Result<Vec<Option<i64>>> {
    let Ok(at) = batch.schema_ref().index_of(source) else { return Ok(vec![None; batch.num_rows()]) };
    keys(conform::conform_typed(plan, &batch.project(&[at])?, first_row)?, source, first_row)
}

fn keys(conformed: Conformed, source: &str, first_row: u64) -> Result<Vec<Option<i64>>> {
    if let Some((at, misfit)) =
        conformed.rescued.iter().flatten().enumerate().find_map(|(at, text)| Some((at, text.as_ref()?)))
    {
        return Err(Error::new(
            Code::DoesNotFit,
            format!(
                "row {}: `{source}` is what rows are merged by, and this is no value of it: {misfit}",
                first_row + at as u64
            ),
        ));
    }
    let array = conformed.batch.column(0);
    Ok(match array.data_type() {
        DataType::Timestamp(..) => array.as_primitive::<TimestampMicrosecondType>().iter().collect(),
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>().iter();
            days.map(|d| d.map(|d| i64::from(d) * DAY_US)).collect()
        }
        DataType::Int64 => array.as_primitive::<Int64Type>().iter().collect(),
        DataType::Int32 => array.as_primitive::<Int32Type>().iter().map(|v| v.map(i64::from)).collect(),
        other => {
            return Err(Error::new(
                Code::DoesNotFit,
                format!("`{source}` is of type {other}: rows are merged by a time, a date or a whole number"),
            ));
        }
    })
}

/// The text rows of a merge. `streams` are the batches of each stream in their
/// order, all of one notation; `keys` is what each stream calls the key; `nulls`
/// are spellings of a missing value of one stream alone.
///
/// # Errors
/// LG404 where there is more text than one batch can hold.
pub fn merge_text(
    columns: &[MergedColumn],
    streams: &[Vec<TextBatch>],
    keys: &[String],
    nulls: &[Vec<String>],
    joined: &Joined,
) -> Result<TextBatch> {
    let mut text = String::new();
    // Where each batch's text and what was unescaped of it begin.
    let mut bases: Vec<Vec<(usize, usize)>> = Vec::new();
    for batches in streams {
        let mut its = Vec::new();
        for batch in batches {
            let base = text.len();
            text.push_str(&batch.text);
            its.push((base, text.len()));
            text.push_str(&batch.side);
        }
        bases.push(its);
    }
    if text.len() >= MOST_TEXT {
        return Err(Error::new(
            Code::TooLargeToHold,
            format!("the streams of a merge have {} MiB of text; 2048 is the most", text.len() >> 20),
        ));
    }
    // A stream's column, all batches as one.
    let cells_of = |stream: usize, source: &str| -> Vec<Cell> {
        let own = Nulls::new(&nulls[stream], true);
        let mut cells = Vec::new();
        for (batch, base) in streams[stream].iter().zip(&bases[stream]) {
            let Some(at) = batch.names.iter().position(|n| n == source) else {
                cells.resize(cells.len() + batch.n_rows, Cell::ABSENT);
                continue;
            };
            cells.extend(batch.columns[at].iter().map(|cell| {
                let is_missing = !own.is_empty()
                    && batch.get(*cell).is_some_and(|raw| match batch.notation {
                        Notation::Plain => own.holds(raw),
                        Notation::Json => own.holds(&value::unquoted(raw)),
                    });
                if is_missing { Cell::ABSENT } else { cell.moved(base.0, base.1) }
            }));
        }
        cells
    };
    let mut made = Vec::with_capacity(columns.len());
    for column in columns {
        made.push(match column.stream {
            Some(stream) => {
                let cells = cells_of(stream, &column.source);
                joined.rows[stream]
                    .iter()
                    .map(|row| row.map_or(Cell::ABSENT, |row| cells[row as usize]))
                    .collect()
            }
            None => {
                let of: Vec<Vec<Cell>> = keys.iter().enumerate().map(|(s, key)| cells_of(s, key)).collect();
                first_streams(joined).map(|(stream, row)| of[stream][row as usize]).collect::<Vec<Cell>>()
            }
        });
    }
    Ok(TextBatch {
        notation: streams.iter().flatten().next().map_or(Notation::Plain, |b| b.notation),
        names: columns.iter().map(|c| c.name.clone()).collect(),
        columns: made,
        n_rows: joined.n_rows,
        text: text.into(),
        side: String::new(),
        surplus: surplus(streams, &bases, joined),
    })
}

/// The first stream that has each row, and its row there.
fn first_streams(joined: &Joined) -> impl Iterator<Item = (usize, u32)> {
    (0..joined.n_rows).map(|row| {
        let first = joined.rows.iter().enumerate().find_map(|(s, of)| Some((s, of[row]?)));
        first.expect("a row of a merge is a row of a stream")
    })
}

/// Surplus fields go with their rows; where two streams have some in one row,
/// those of the later one are counted on.
fn surplus(
    streams: &[Vec<TextBatch>],
    bases: &[Vec<(usize, usize)>],
    joined: &Joined,
) -> Vec<(usize, usize, Cell)> {
    let mut found: Vec<(usize, usize, Cell)> = Vec::new();
    let mut counted: HashMap<usize, usize> = HashMap::new();
    for (stream, batches) in streams.iter().enumerate() {
        if batches.iter().all(|b| b.surplus.is_empty()) {
            continue;
        }
        let to: HashMap<u32, usize> =
            joined.rows[stream].iter().enumerate().filter_map(|(at, row)| Some(((*row)?, at))).collect();
        let mut first = 0;
        for (batch, base) in batches.iter().zip(&bases[stream]) {
            for (row, _, cell) in &batch.surplus {
                if let Some(at) = to.get(&((first + row) as u32)) {
                    let ordinal = counted.entry(*at).or_default();
                    *ordinal += 1;
                    found.push((*at, *ordinal, cell.moved(base.0, base.1)));
                }
            }
            first += batch.n_rows;
        }
    }
    found.sort_by_key(|(row, ordinal, _)| (*row, *ordinal));
    found
}

/// Text rows as typed ones: each column the text of its values, null where there
/// is none.
pub fn as_typed(batch: &TextBatch) -> Result<RecordBatch> {
    let text = |cell: &Cell| -> Option<Cow<'_, str>> {
        let raw = batch.get(*cell)?;
        match batch.notation {
            Notation::Plain => (!raw.is_empty() || cell.is_quoted()).then_some(Cow::Borrowed(raw)),
            Notation::Json => (raw != "null").then(|| value::unquoted(raw)),
        }
    };
    let fields: Vec<Field> = batch.names.iter().map(|n| Field::new(n, DataType::Utf8, true)).collect();
    let columns = batch.columns.iter().map(|cells| {
        let texts: StringArray = cells.iter().map(text).collect();
        Arc::new(texts) as ArrayRef
    });
    let options = RecordBatchOptions::new().with_row_count(Some(batch.n_rows));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns.collect(), &options)?)
}

/// The typed rows of a merge, as [`merge_text`].
///
/// # Errors
/// LG302 where the batches of one stream disagree in a column's type, or the
/// streams in that of the key.
pub fn merge_typed(
    columns: &[MergedColumn],
    streams: &[Vec<RecordBatch>],
    keys: &[String],
    joined: &Joined,
) -> Result<RecordBatch> {
    let mut fields = Vec::with_capacity(columns.len());
    let mut made: Vec<ArrayRef> = Vec::with_capacity(columns.len());
    for column in columns {
        let array = match column.stream {
            Some(stream) => {
                let all = whole(&streams[stream], &column.source)?;
                take(&all, &UInt32Array::from(joined.rows[stream].clone()), None)?
            }
            None => {
                let all =
                    streams.iter().zip(keys).map(|(s, key)| whole(s, key)).collect::<Result<Vec<_>>>()?;
                let rows: Vec<(usize, usize)> =
                    first_streams(joined).map(|(stream, row)| (stream, row as usize)).collect();
                let arrays: Vec<&dyn Array> = all.iter().map(AsRef::as_ref).collect();
                interleave(&arrays, &rows).map_err(|e| {
                    Error::new(Code::DoesNotFit, format!("the streams' `{}` differ: {e}", column.name))
                })?
            }
        };
        let metadata = stated(column, streams, keys);
        fields.push(Field::new(&column.name, array.data_type().clone(), true).with_metadata(metadata));
        made.push(array);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(joined.n_rows));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), made, &options)?)
}

/// What a stream says of a column, or the first of all of the key.
fn stated(column: &MergedColumn, streams: &[Vec<RecordBatch>], keys: &[String]) -> HashMap<String, String> {
    let source = match column.stream {
        Some(_) => &column.source,
        None => match keys.first() {
            Some(key) => key,
            None => return HashMap::new(),
        },
    };
    let batch = streams.get(column.stream.unwrap_or(0)).and_then(|s| s.first());
    let field = batch.and_then(|b| b.schema_ref().field_with_name(source).ok().cloned());
    field.map_or_else(HashMap::new, |f| f.metadata().clone())
}

/// A column of all batches of a stream; null in those that lack it.
fn whole(batches: &[RecordBatch], name: &str) -> Result<ArrayRef> {
    let data_type = batches
        .iter()
        .find_map(|b| b.column_by_name(name))
        .map_or(DataType::Utf8, |column| column.data_type().clone());
    let parts: Vec<ArrayRef> = batches
        .iter()
        .map(|b| match b.column_by_name(name) {
            Some(column) => column.clone(),
            None => new_null_array(&data_type, b.num_rows()),
        })
        .collect();
    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
    if parts.is_empty() {
        return Ok(new_empty_array(&data_type));
    }
    concat(&parts).map_err(|e| {
        Error::new(Code::DoesNotFit, format!("column `{name}` changes its type within a stream: {e}"))
    })
}

/// What the rows of a merge take in memory at most, for those of its streams.
pub fn merged_bytes(streams_bytes: usize) -> usize {
    // Text is copied once, cells and values once more.
    streams_bytes * 2
}
