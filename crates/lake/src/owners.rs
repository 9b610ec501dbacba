//! Which landed file each row of a data file came from, without the rows: what
//! counting them takes.

use std::fs::File;
use std::path::Path;

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use lakegate_domain::Code;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::layout::{FILE_ID, ROW};
use crate::session::sentence;
use crate::{Error, Result};

/// Rows per batch: two numbers each.
const BATCH_ROWS: usize = 64 * 1024;

/// The same, where all columns are read.
const WHOLE_ROWS: usize = 4 * 1024;

/// Some rows of a data file: their landed files' ids and their numbers there.
/// Rows that do not say are null.
#[derive(Debug)]
pub struct Owners {
    pub file_ids: Int64Array,
    pub rows: Int64Array,
}

/// Reads the owners of all rows of a data file, batch by batch.
///
/// # Errors
/// LG604, here or later, where the file is missing or cannot be read.
pub fn owners(folder: &Path, path: &str) -> Result<impl Iterator<Item = Result<Owners>> + use<>> {
    let at = format!("data file `{path}` of `{}`", folder.display());
    let damaged = move |e: &dyn std::fmt::Display| {
        Error::new(Code::TableDamaged, format!("{at}: {}", sentence(&e.to_string())))
    };
    let file = File::open(folder.join(path)).map_err(|e| damaged(&e))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| damaged(&e))?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), [FILE_ID, ROW]);
    let reader =
        builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(|e| damaged(&e))?;
    Ok(reader.map(move |batch| {
        let batch = batch.map_err(|e| damaged(&e))?;
        Ok(Owners { file_ids: numbers(&batch, FILE_ID), rows: numbers(&batch, ROW) })
    }))
}

/// Reads every value of a data file, and keeps none: what is damaged shows.
///
/// # Errors
/// LG604 where the file is missing or some column of it cannot be read.
pub fn read_whole(folder: &Path, path: &str) -> Result<()> {
    let damaged = |e: &dyn std::fmt::Display| {
        let at = format!("data file `{path}` of `{}`", folder.display());
        Error::new(Code::TableDamaged, format!("{at}: {}", sentence(&e.to_string())))
    };
    let file = File::open(folder.join(path)).map_err(|e| damaged(&e))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| damaged(&e))?;
    let batches = builder.with_batch_size(WHOLE_ROWS).build().map_err(|e| damaged(&e))?;
    for batch in batches {
        batch.map_err(|e| damaged(&e))?;
    }
    Ok(())
}

fn numbers(batch: &RecordBatch, column: &str) -> Int64Array {
    match batch.column_by_name(column).and_then(|c| c.as_primitive_opt::<Int64Type>()) {
        Some(numbers) => numbers.clone(),
        None => Int64Array::new_null(batch.num_rows()),
    }
}
