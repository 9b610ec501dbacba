//! Rows of a table for files that others read: which rows, in which order, and
//! what a netCDF file of them declares. Writes nothing.

mod attributes;
mod declare;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{max, min};
use arrow::datatypes::{DataType, Int64Type, Schema, TimestampMicrosecondType};
use datafusion::dataframe::DataFrame;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::{Expr, col, lit};
use datafusion::prelude::{date_trunc, ident};
use datafusion::scalar::ScalarValue;
use futures::StreamExt;
use lakegate_domain::FileId;
use lakegate_domain::export::{Export, Per, Span};
use lakegate_domain::model::Table;

pub use declare::{About, declare};

use crate::layout::{FILE_ID, LOADED_AT, ROW};
use crate::session::{self, Error, Result, View};

/// A table and how it is exported.
#[derive(Clone, Copy, Debug)]
pub struct Recipe<'a> {
    pub table: &'a Table,
    pub export: &'a Export,
    /// Columns whose values the landed file's name says: they are the same in
    /// all rows of a file.
    pub of_file: &'a [String],
}

impl Recipe<'_> {
    /// The column that says where a row belongs: the first that is declared as
    /// such, else the only column of instants.
    pub fn coordinate(&self, schema: &Schema) -> Option<String> {
        let has = |name: &&String| schema.index_of(name).is_ok();
        if let Some(name) = self.table.coordinates.first().filter(has) {
            return Some(name.clone());
        }
        let is_instant = |t: &DataType| matches!(t, DataType::Timestamp(..));
        let mut instants =
            schema.fields().iter().filter(|f| is_instant(f.data_type()) && declare::is_own(f.as_ref()));
        match (instants.next(), instants.next()) {
            (Some(only), None) => Some(only.name().clone()),
            _ => None,
        }
    }

    /// A fingerprint of what an exported file depends on beside its rows; `more`
    /// is what else there is.
    pub fn fingerprint(&self, more: &dyn std::fmt::Debug) -> String {
        // Counted up when files come out differently for another reason.
        const VERSION: u32 = 1;
        let columns: Vec<_> = self
            .table
            .columns
            .iter()
            .map(|c| {
                let thresholds = attributes::LEVELS.map(|level| c.thresholds(level));
                (&c.name, c.kind, &c.unit, &c.description, &c.attributes, thresholds)
            })
            .collect();
        let table = (&self.table.coordinates, &self.table.quality, self.of_file);
        let text = format!("{VERSION} {:?} {table:?} {columns:?} {more:?}", self.export);
        blake3::hash(text.as_bytes()).to_hex()[..16].to_string()
    }
}

/// Which rows.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Of these landed files; of all where not given.
    pub files: Option<Vec<FileId>>,
    /// With a coordinate from the first to before the second instant,
    /// microseconds since 1970.
    pub times: Option<Span>,
}

/// The rows, those of one landed file together where `by_file` says so, then by
/// the row coordinate, missing ones last, then as they came.
///
/// # Errors
/// The table cannot be read.
pub async fn rows(
    view: &View,
    selection: &Selection,
    coordinate: Option<&str>,
    by_file: bool,
) -> Result<SendableRecordBatchStream> {
    let frame = selected(view, selection, coordinate)?;
    let ascending = |name: &str| ident(name).sort(true, false);
    let mut order = Vec::new();
    if by_file {
        order.push(ascending(FILE_ID));
    }
    order.extend(coordinate.map(ascending));
    order.extend([ascending(FILE_ID), ascending(ROW)]);
    Ok(session::run(frame.sort(order)?).await?.1)
}

/// The days or months in which landed files have rows, each by its beginning,
/// with the file; `None` for rows without a coordinate.
///
/// # Errors
/// The table cannot be read.
pub async fn periods(
    view: &View,
    selection: &Selection,
    coordinate: &str,
    per: Per,
) -> Result<Vec<(FileId, Option<i64>)>> {
    let frame = selected(view, selection, Some(coordinate))?;
    let begin = date_trunc(lit(per.name()), ident(coordinate)).alias("begin");
    let frame = frame.select(vec![col(FILE_ID), begin])?.distinct()?;
    let mut stream = session::run(frame).await?.1;
    let mut found = Vec::new();
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        let files = batch.column(0).as_primitive::<Int64Type>();
        let begins = micros(batch.column(1))?;
        for row in 0..batch.num_rows() {
            let begin = begins.is_valid(row).then(|| begins.value(row));
            found.push((FileId(files.value(row)), begin));
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn selected(view: &View, selection: &Selection, coordinate: Option<&str>) -> Result<DataFrame> {
    let mut frame = view.frame()?;
    if let Some(files) = &selection.files {
        let ids: Vec<Expr> = files.iter().map(|f| lit(f.0)).collect();
        frame = frame.filter(col(FILE_ID).in_list(ids, false))?;
    }
    if let (Some((from, to)), Some(coordinate)) = (selection.times, coordinate) {
        let instant = |us: i64| lit(ScalarValue::TimestampMicrosecond(Some(us), Some(Arc::from("UTC"))));
        let column = ident(coordinate);
        frame = frame.filter(column.clone().gt_eq(instant(from)).and(column.lt(instant(to))))?;
    }
    Ok(frame)
}

fn micros(array: &ArrayRef) -> Result<arrow::array::TimestampMicrosecondArray> {
    let t = DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None);
    let cast = arrow::compute::cast(array, &t)
        .map_err(|e| Error::from(datafusion::error::DataFusionError::from(e)))?;
    Ok(cast.as_primitive::<TimestampMicrosecondType>().clone())
}

/// First and last instant of a column, microseconds since 1970; `None` where it
/// holds none.
pub fn span_of(batches: &[RecordBatch], column: &str) -> Option<Span> {
    instants(batches, column).reduce(|(a, b), (c, d)| (a.min(c), b.max(d)))
}

/// When the newest of the rows was loaded, microseconds since 1970.
pub fn loaded_at(batches: &[RecordBatch]) -> Option<i64> {
    instants(batches, LOADED_AT).map(|(_, last)| last).max()
}

fn instants(batches: &[RecordBatch], column: &str) -> impl Iterator<Item = Span> {
    batches.iter().filter_map(move |batch| {
        let array = batch.column_by_name(column)?;
        if !matches!(array.data_type(), DataType::Timestamp(..) | DataType::Date32) {
            return None;
        }
        let times = micros(array).ok()?;
        Some((min(&times)?, max(&times)?))
    })
}

/// The landed files of rows, in their order, without repetition.
pub fn files_of(batches: &[RecordBatch]) -> Vec<FileId> {
    let mut found = std::collections::BTreeSet::new();
    for batch in batches {
        if let Some(ids) = batch.column_by_name(FILE_ID).and_then(|c| c.as_primitive_opt::<Int64Type>()) {
            found.extend(ids.iter().flatten().map(FileId));
        }
    }
    found.into_iter().collect()
}

/// Bytes that rows take, without what other slices of the same arrays take.
pub fn size_bytes(batch: &RecordBatch) -> usize {
    let of = |array: &ArrayRef| array.to_data().get_slice_memory_size().unwrap_or(0);
    batch.columns().iter().map(of).sum()
}

/// Parts a batch whose rows of one landed file are together, by file.
pub fn by_file(batch: &RecordBatch) -> Vec<(FileId, RecordBatch)> {
    let Some(ids) = batch.column_by_name(FILE_ID).and_then(|c| c.as_primitive_opt::<Int64Type>()) else {
        return Vec::new();
    };
    let mut parts = Vec::new();
    let mut from = 0;
    while from < ids.len() {
        let id = ids.value(from);
        let n = ids.values()[from..].iter().take_while(|other| **other == id).count();
        parts.push((FileId(id), batch.slice(from, n)));
        from += n;
    }
    parts
}
