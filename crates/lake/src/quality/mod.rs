//! A table's quality checks: one after the other over all rows of one file.
//!
//! Unlike an expectation a check may change what the next one sees: it nulls,
//! interpolates, sorts and leaves out rows; and it sets bits in the column of
//! flags beside the values. A check takes its columns one by one, in the table's
//! order, and does all that follows for one before it looks at the next.
//!
//! The meaning of the checks is tsdat's (<https://tsdat.readthedocs.io>), which
//! the instruments' configurations of many years rely on: thresholds belong to
//! the range they bound; a difference is that to the row before, good or not; an
//! order is that to the last good value; a deviation counts upwards only. What
//! is another is said in `docs/quality.md`.
//!
//! Columns in, columns out: this module reads no file and writes no table.

pub(crate) mod cells;
mod check;
mod despike;
mod file;
mod spline;

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use lakegate_domain::model::{Column, Quality, QualityCheck, Then, qc_name};
use lakegate_domain::{Code, Failure};

use crate::expect::rule::predicate;
use crate::transform::session_state;
pub use cells::flags_type;
use check::{Test, unfit};

/// A table's checks compiled against its Arrow schema.
#[derive(Debug)]
pub struct Stage {
    /// Of the rows that come in.
    input: SchemaRef,
    /// With a column of flags behind each column that has some.
    output: SchemaRef,
    /// By column of the input, whether it has flags.
    flagged: Vec<bool>,
    coordinates: Vec<usize>,
    steps: Vec<Step>,
}

/// One check of one column.
#[derive(Debug)]
struct Step {
    name: String,
    column: usize,
    test: Test,
    /// What a value is not, for people: `is less than 850`.
    complaint: String,
    bit: Option<u32>,
    then: Vec<Then>,
    tolerate: f64,
    null_fails: bool,
}

/// All rows of one file for one table.
#[derive(Debug)]
pub struct Rows {
    /// In the order of the schema that the stage was compiled for.
    pub columns: Vec<ArrayRef>,
    /// The rows' numbers in their file.
    pub numbers: Int64Array,
    /// By row what had no place so far, as a JSON object; `None` where no row has any.
    pub rescued: Option<Vec<Option<String>>>,
}

/// Rows whose values may have flags already.
#[derive(Debug)]
pub struct Flagged {
    pub rows: Rows,
    /// By column of the rows, its flags; none where there are fewer.
    pub flags: Vec<Option<ArrayRef>>,
}

/// What became of them.
#[derive(Debug)]
pub struct Judged {
    /// The rows that are left, in their order now, with their flags.
    pub batch: RecordBatch,
    /// By row of `batch`, its number in the file.
    pub numbers: Int64Array,
    /// By row of `batch`, which row of the input it was.
    pub places: Vec<u32>,
    /// By row of `batch`.
    pub rescued: Option<Vec<Option<String>>>,
    /// Rows that are left out because a coordinate failed.
    pub n_dropped: u64,
    pub findings: Vec<Finding>,
}

/// How one column fared with one check, also where nothing failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `missing[pressure]`
    pub name: String,
    /// What followed: `remove,flag`.
    pub then: String,
    /// Values; in a column of lists these are their elements.
    pub n_checked: u64,
    pub n_failed: u64,
    /// `_row` of the first values that failed, at most five.
    pub first_rows: Vec<u64>,
    /// The rows' first coordinate, by row of `first_rows`; empty without one.
    pub first_times: Vec<String>,
    /// The values, by row of `first_rows`.
    pub first_values: Vec<String>,
    /// The first of them: `pressure = 230`.
    pub sample: Option<String>,
}

impl Stage {
    /// Compiles `quality` for rows of `schema`. `columns` are the table's declared
    /// columns, which have the thresholds. A column that the table does not have
    /// yet, because its type is to be inferred, is passed over.
    ///
    /// # Errors
    /// LG402 naming the check: a predicate that does not plan or is not a
    /// deterministic boolean of one row, or a check that is nothing for a
    /// column's type.
    pub fn compile(
        quality: &[Quality],
        columns: &[Column],
        coordinates: &[String],
        schema: SchemaRef,
    ) -> Result<Stage, Failure> {
        let mut steps = Vec::new();
        // A session costs a millisecond: only for those who write SQL.
        let mut session = None;
        let coordinates: Vec<usize> = coordinates.iter().filter_map(|c| schema.index_of(c).ok()).collect();
        for check in quality {
            for name in &check.columns {
                let wrong = |why: String| {
                    Failure::new(Code::ExpectationSql, format!("quality check `{}`: {why}", check.name))
                };
                let Ok(column) = schema.index_of(name) else { continue };
                let declared = columns.iter().find(|c| &c.name == name);
                let (test, complaint) = match &check.check {
                    QualityCheck::Sql(sql) => {
                        let state = session.get_or_insert_with(session_state);
                        let (predicate, reads) = predicate(sql, &schema, state).map_err(wrong)?;
                        (Test::Sql(predicate, reads), format!("fails `{sql}`"))
                    }
                    other => {
                        let threshold = declared.and_then(|c| other.threshold(c));
                        match test(other, threshold) {
                            Some(test) => test,
                            None => continue,
                        }
                    }
                };
                let data_type = schema.field(column).data_type();
                if let Some(why) = unfit(&test, data_type) {
                    return Err(wrong(format!("column `{name}` {why}; declare its type, or leave it out")));
                }
                if check.then.iter().any(|t| matches!(t, Then::Sort { .. })) && data_type.is_nested() {
                    return Err(wrong(format!(
                        "column `{name}` is of lists, by which rows cannot be sorted"
                    )));
                }
                let interpolates = check.then.contains(&Then::Interpolate);
                if interpolates && !is_floating(data_type) {
                    let found = crate::catalog::type_name(data_type);
                    return Err(wrong(format!(
                        "column `{name}` is of type {found}, which cannot be interpolated; declare it as `float`"
                    )));
                }
                if interpolates && coordinates.first().is_none_or(|c| !is_axis(schema.field(*c).data_type()))
                {
                    return Err(wrong("the first of `coordinates` is no column of numbers or times, along which it could be interpolated".into()));
                }
                steps.push(Step {
                    name: check.name_of(name),
                    column,
                    test,
                    complaint,
                    bit: check.bits.get(name).copied(),
                    then: check.then.clone(),
                    tolerate: check.tolerate.unwrap_or(0.0),
                    null_fails: check.null_fails,
                });
            }
        }
        let has_flags = |name: &String| quality.iter().any(|q| q.bits.contains_key(name));
        let flagged: Vec<bool> = schema.fields().iter().map(|f| has_flags(f.name())).collect();
        let output = if flagged.contains(&true) { with_flags(&schema, &flagged) } else { schema.clone() };
        Ok(Stage { input: schema, output, flagged, coordinates, steps })
    }

    /// With flags for these columns too, whose values come with some.
    pub fn flagging(mut self, is_flagged: impl Fn(&str) -> bool) -> Stage {
        for (flagged, field) in self.flagged.iter_mut().zip(self.input.fields()) {
            *flagged |= is_flagged(field.name());
        }
        if self.flagged.contains(&true) {
            self.output = with_flags(&self.input, &self.flagged);
        }
        self
    }

    /// Whether rows pass unseen, and need not wait for the end of their file.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && !self.flagged.contains(&true)
    }

    /// The columns that rows come with.
    pub fn input(&self) -> &SchemaRef {
        &self.input
    }

    /// The columns that rows have afterwards.
    pub fn output(&self) -> &SchemaRef {
        &self.output
    }

    /// Memory that the flags of a row will take, in bytes, where values are no lists.
    pub fn flag_bytes(&self) -> usize {
        self.flagged.iter().filter(|f| **f).count() * size_of::<i32>()
    }

    /// Checks all rows of a file.
    ///
    /// # Errors
    /// LG504 where a check says `fail`, LG402 where a predicate has no answer for
    /// a row, LG901 if the columns are not those of the schema.
    pub fn judge(&self, rows: Rows) -> Result<Judged, Failure> {
        self.judge_flagged(Flagged { rows, flags: Vec::new() })
    }

    /// As [`Stage::judge`], of values that may have flags.
    pub fn judge_flagged(&self, given: Flagged) -> Result<Judged, Failure> {
        file::judge(self, given)
    }
}

fn is_floating(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(item) => is_floating(item.data_type()),
        other => matches!(other, DataType::Float32 | DataType::Float64),
    }
}

/// Whether values stand in a row along which there is a before and an after.
fn is_axis(data_type: &DataType) -> bool {
    data_type.is_numeric() || matches!(data_type, DataType::Timestamp(..) | DataType::Date32)
}

/// The test of a check that is a word; `None` where a threshold is missing.
fn test(check: &QualityCheck, threshold: Option<f64>) -> Option<(Test, String)> {
    Some(match check {
        QualityCheck::Missing => (Test::Missing, "is missing".into()),
        QualityCheck::Ordered(order) => (Test::Ordered(*order), "is out of order".into()),
        QualityCheck::Despike => (Test::Despike, "is a spike".into()),
        QualityCheck::Min(_) => (Test::Min(threshold?), format!("is less than {}", threshold?)),
        QualityCheck::Max(_) => (Test::Max(threshold?), format!("is greater than {}", threshold?)),
        QualityCheck::Delta(_) => {
            (Test::Delta(threshold?), format!("is more than {} from the value before", threshold?))
        }
        QualityCheck::Std(_) => {
            (Test::Std(threshold?), format!("is more than {} standard deviations above the mean", threshold?))
        }
        QualityCheck::Sql(_) => return None,
    })
}

/// A schema with a column of flags behind each column that has some.
fn with_flags(schema: &Schema, flagged: &[bool]) -> SchemaRef {
    let fields = schema.fields().iter().zip(flagged).flat_map(|(field, flagged)| {
        let flags =
            flagged.then(|| Arc::new(Field::new(qc_name(field.name()), flags_type(field.data_type()), true)));
        [Some(field.clone()), flags].into_iter().flatten()
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

impl fmt::Display for Finding {
    /// `missing[pressure]: 3 of 144 (2.08 %)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, share(self.n_failed, self.n_checked))
    }
}

/// `3 of 144 values (2.08 %)`
fn share(n_failed: u64, n_checked: u64) -> String {
    let percent = if n_checked == 0 { 0.0 } else { n_failed as f64 / n_checked as f64 * 100.0 };
    format!("{n_failed} of {n_checked} values ({percent:.2} %)")
}
