//! Rows of a table that count as one: the rule is [`lakegate_domain::dedupe`]'s,
//! here it meets Arrow and data files.
//!
//! What a table keeps is read from its own data files, by the columns that the
//! rule needs, where their statistics allow the times that are asked for. It is
//! remembered in memory within a budget, so that it is not read for each file.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::*;
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type, Schema, TimeUnit, TimestampMicrosecondType};
use arrow::row::{RowConverter, SortField};
use lakegate_domain::Code;
use lakegate_domain::dedupe::{Dedupe, Kept, Key};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;
use serde_json::Value;

use crate::expect::one_zero;
use crate::files::LiveFile;
use crate::layout::{DAY_US, FILE_ID};
use crate::{Error, Result};

/// Rows of a data file that are looked at together.
const BATCH_ROWS: usize = 64 * 1024;

/// A table's rule, and what is remembered for it.
pub struct Deduper {
    columns: Columns,
    kept: Kept,
}

/// The columns that a rule looks at.
struct Columns {
    rule: Dedupe,
    /// Of the key and then of the time, as the table has them.
    types: Vec<DataType>,
    /// Those of the key that are in the names of folders.
    partitions: Vec<String>,
    converter: RowConverter,
}

/// The keys and times of some rows.
#[derive(Debug, Default)]
pub struct Keys {
    keys: Vec<Key>,
    at_us: Vec<Option<i64>>,
}

/// The rows of a table that are looked at.
pub struct Held<'a> {
    pub folder: &'a Path,
    pub files: &'a [LiveFile],
    /// Landed files whose rows do not count: they are about to go, or to come.
    pub without: &'a HashSet<i64>,
}

impl Deduper {
    /// For a table that has, or will have, this schema.
    ///
    /// # Errors
    /// LG303 where it lacks a column that the rule names; LG302 where the time's
    /// is none.
    pub fn new(rule: &Dedupe, schema: &Schema, partition_columns: &[String]) -> Result<Self> {
        let types = types(rule, schema)?;
        let fields = types[..rule.key.len()].iter().map(|t| SortField::new(t.clone())).collect();
        let columns = Columns {
            converter: RowConverter::new(fields)?,
            types,
            partitions: rule.key.iter().filter(|c| partition_columns.contains(c)).cloned().collect(),
            rule: rule.clone(),
        };
        Ok(Self { columns, kept: Kept::new(rule) })
    }

    /// Whether it was made for such a table: a column's type may have changed.
    pub fn is_for(&self, rule: &Dedupe, schema: &Schema) -> bool {
        self.columns.rule == *rule && types(rule, schema).is_ok_and(|t| t == self.columns.types)
    }

    /// The keys and times of rows that the table may get. A column that they lack
    /// is missing in each.
    pub fn keys(&self, rows: &RecordBatch) -> Result<Keys> {
        self.columns.keys(rows)
    }

    /// Reads from the table what judging these rows needs and is not remembered.
    /// `held` is asked for only where something is to be read; no more than
    /// `budget_bytes` is remembered of the table.
    ///
    /// # Errors
    /// LG604 where a data file cannot be read.
    pub fn look_up<'h>(
        &mut self,
        rows: &[&Keys],
        budget_bytes: usize,
        held: impl FnOnce() -> Result<Held<'h>>,
    ) -> Result<()> {
        let missing = self.kept.missing(rows.iter().flat_map(|k| k.at_us.iter().copied().flatten()));
        if missing.is_empty() {
            return Ok(());
        }
        let held = held()?;
        let span_us = self.kept.span_us();
        let wants = |low: i64, high: i64| {
            missing.range(low.div_euclid(span_us)..=high.div_euclid(span_us)).next().is_some()
        };
        let wanted = || rows.iter().flat_map(|k| k.keys.iter().copied()).collect();
        let mut loading = self.kept.load(&missing, budget_bytes, &wanted);
        for file in held.files {
            if self.columns.bounds(file).is_some_and(|(low, high)| !wants(low, high)) {
                continue;
            }
            for batch in self.columns.open(&held, file, &wants)? {
                let keys = self.columns.keys(&batch?)?;
                for (key, at_us) in keys.keys.iter().zip(keys.at_us) {
                    if let Some(at_us) = at_us {
                        loading.put(*key, at_us);
                    }
                }
            }
        }
        loading.finish();
        Ok(())
    }

    /// Which of these rows stay. They are remembered as those of the file at hand.
    pub fn judge(&mut self, rows: &Keys) -> BooleanArray {
        let stays = rows.keys.iter().zip(&rows.at_us).map(|(key, at_us)| self.kept.admit(*key, *at_us));
        BooleanArray::from(stays.collect::<Vec<bool>>())
    }

    /// What is remembered, and what happens to it.
    pub fn kept(&mut self) -> &mut Kept {
        &mut self.kept
    }

    pub fn memory_bytes(&self) -> usize {
        self.kept.bytes()
    }
}

/// The rows of a data file that a rule looks at, with the columns that it needs.
type DataRows = Box<dyn Iterator<Item = Result<RecordBatch>>>;

impl Columns {
    fn names(&self) -> impl Iterator<Item = &String> {
        self.rule.key.iter().chain([&self.rule.by])
    }

    fn keys(&self, rows: &RecordBatch) -> Result<Keys> {
        let columns = self.names().zip(&self.types).map(|(name, t)| match rows.column_by_name(name) {
            None => Ok(new_null_array(t, rows.num_rows())),
            Some(column) if column.data_type() == t => Ok(column.clone()),
            Some(column) => cast(column, t),
        });
        let mut columns = columns.collect::<Result<Vec<ArrayRef>, _>>()?;
        let at = columns.pop().expect("the time's column is the last");
        for (name, column) in self.rule.key.iter().zip(&mut columns) {
            *column = one_zero(column);
            if self.partitions.contains(name) {
                *column = without_empty(column);
            }
        }
        let rows = self.converter.convert_columns(&columns)?;
        let hash = |row: arrow::row::Row<'_>| {
            let hash = blake3::hash(row.as_ref());
            Key::from_le_bytes(hash.as_bytes()[..size_of::<Key>()].try_into().expect("a hash has 32 bytes"))
        };
        Ok(Keys { keys: rows.iter().map(hash).collect(), at_us: micros(&at)? })
    }

    /// The least and greatest time of a data file, where that is known.
    fn bounds(&self, file: &LiveFile) -> Option<(i64, i64)> {
        let by = &self.rule.by;
        if let Some((_, value)) = file.partition_values.iter().find(|(column, _)| column == by) {
            let at_us = spelled_us(value.as_deref()?)?;
            return Some((at_us, at_us));
        }
        let stats: Value = serde_json::from_str(file.stats.as_deref()?).ok()?;
        let bound = |which: &str| spelled_us(stats[which][by.as_str()].as_str()?);
        Some((bound("minValues")?, bound("maxValues")?))
    }

    /// Reads a data file; row groups without a time that is wanted are passed over.
    fn open(&self, held: &Held<'_>, file: &LiveFile, wants: &dyn Fn(i64, i64) -> bool) -> Result<DataRows> {
        let at = format!("data file `{}` of `{}`", file.path, held.folder.display());
        let damaged = move |e: &dyn std::fmt::Display| Error::new(Code::TableDamaged, format!("{at}: {e}"));
        let opened = File::open(held.folder.join(&file.path)).map_err(|e| damaged(&e))?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(opened).map_err(|e| damaged(&e))?;
        let leaves = builder.parquet_schema();
        let names = self.names().map(String::as_str).chain([FILE_ID]);
        let mask = ProjectionMask::columns(leaves, names);
        let time = leaves.columns().iter().position(|c| c.path().parts() == [self.rule.by.as_str()]);
        let is_wanted = |group: &RowGroupMetaData| match time.map(|leaf| times(group, leaf)) {
            Some(Some((low, high))) => wants(low * self.unit_us(), high * self.unit_us()),
            Some(None) | None => true,
        };
        let groups = builder.metadata().row_groups().iter().enumerate();
        let groups = groups.filter(|(_, group)| is_wanted(group)).map(|(i, _)| i).collect();
        let reader =
            builder.with_projection(mask).with_row_groups(groups).with_batch_size(BATCH_ROWS).build();
        let reader = reader.map_err(|e| damaged(&e))?;
        let constants: Vec<(String, Option<String>)> =
            file.partition_values.iter().filter(|(c, _)| self.names().any(|n| n == c)).cloned().collect();
        let without = held.without.clone();
        Ok(Box::new(reader.map(move |batch| {
            let batch = batch.map_err(|e| damaged(&e))?;
            with_constants(&without_files(batch, &without)?, &constants)
        })))
    }

    /// What one step of the time's own numbers is, in microseconds.
    fn unit_us(&self) -> i64 {
        if self.types.last() == Some(&DataType::Date32) { DAY_US } else { 1 }
    }
}

/// Whether a table with this schema has the columns that its rule names.
///
/// # Errors
/// LG303 and LG302, as [`Deduper::new`].
pub fn check(rule: &Dedupe, schema: &Schema) -> Result<()> {
    types(rule, schema).map(|_| ())
}

/// The types of the rule's columns in such a table.
fn types(rule: &Dedupe, schema: &Schema) -> Result<Vec<DataType>> {
    let of = |name: &String| match schema.field_with_name(name) {
        Ok(field) => Ok(field.data_type().clone()),
        Err(_) => Err(Error::new(
            Code::MissingColumn,
            format!(
                "`dedupe` names the column `{name}`, which the table does not have; declare it under `columns`"
            ),
        )),
    };
    let types = rule.key.iter().chain([&rule.by]).map(of).collect::<Result<Vec<_>>>()?;
    match types.last() {
        Some(DataType::Timestamp(..) | DataType::Date32) => Ok(types),
        other => Err(Error::new(
            Code::DoesNotFit,
            format!(
                "`dedupe` needs a time in `by`, but the type of `{}` is {}",
                rule.by,
                other.map(crate::catalog::type_name).unwrap_or_default()
            ),
        )),
    }
}

/// Instants and dates as microseconds since 1970.
fn micros(times: &ArrayRef) -> Result<Vec<Option<i64>>> {
    let micros = cast(times, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
    Ok(micros.as_primitive::<TimestampMicrosecondType>().iter().collect())
}

/// Delta's spelling of an instant or a date, as microseconds since 1970.
fn spelled_us(text: &str) -> Option<i64> {
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Some(instant.as_microsecond());
    }
    let civil: jiff::civil::DateTime = text.parse().ok()?;
    Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_microsecond())
}

/// The least and greatest number in a column of a row group.
fn times(group: &RowGroupMetaData, leaf: usize) -> Option<(i64, i64)> {
    match group.column(leaf).statistics()? {
        Statistics::Int64(s) => Some((*s.min_opt()?, *s.max_opt()?)),
        Statistics::Int32(s) => Some(((*s.min_opt()?).into(), (*s.max_opt()?).into())),
        _ => None,
    }
}

/// Empty texts as missing values: the name of a folder knows no other.
fn without_empty(column: &ArrayRef) -> ArrayRef {
    match column.as_string_opt::<i32>() {
        Some(texts) => Arc::new(texts.iter().map(|t| t.filter(|t| !t.is_empty())).collect::<StringArray>()),
        None => column.clone(),
    }
}

/// Less the rows of some landed files.
fn without_files(rows: RecordBatch, files: &HashSet<i64>) -> Result<RecordBatch> {
    let owners = rows.column_by_name(FILE_ID).and_then(|c| c.as_primitive_opt::<Int64Type>());
    let Some(owners) = owners.filter(|_| !files.is_empty()) else { return Ok(rows) };
    let stays = owners.iter().map(|id| Some(id.is_none_or(|id| !files.contains(&id))));
    Ok(filter_record_batch(&rows, &stays.collect())?)
}

/// With the columns that the names of folders tell.
fn with_constants(rows: &RecordBatch, constants: &[(String, Option<String>)]) -> Result<RecordBatch> {
    let mut fields: Vec<FieldRef> = rows.schema_ref().fields().to_vec();
    let mut columns = rows.columns().to_vec();
    for (name, value) in constants {
        fields.push(Arc::new(Field::new(name, DataType::Utf8, true)));
        columns.push(Arc::new(StringArray::from(vec![value.as_deref(); rows.num_rows()])));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?)
}

#[cfg(test)]
mod tests;
