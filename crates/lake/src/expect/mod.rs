//! A table's expectations: compiled once, then asked about the rows of one
//! file after the other.
//!
//! A row fails an expectation where its predicate is false; where it is NULL
//! the row passes unless `null_is: fail`. What follows for a row that fails
//! several, strictest first:
//!
//! | on_fail    | the row                                   | the file                        |
//! |------------|-------------------------------------------|---------------------------------|
//! | reject     | as the others say                         | fails beyond `tolerate` (LG501) |
//! | quarantine | leaves for the quarantine table           | fails beyond `tolerate` (LG502) |
//! | drop       | leaves, unless it is quarantined          | the same                        |
//! | null       | stays, the value nulled                   | the same                        |
//! | flag       | stays, the expectation's name in `_flags` | the same                        |
//! | warn       | stays                                     | the same                        |
//!
//! `null` and `flag` do not exclude each other: a row that stays has every
//! value nulled and every flag that its failures ask for.
//!
//! This module reads values and moves rows; it writes no tables.

mod file;
pub(crate) mod rule;
pub(crate) mod shown;
mod values;

#[cfg(test)]
mod random;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef};
use lakegate_domain::Failure;
use lakegate_domain::model::{Column, Expectation, OnFail};

pub use file::FileCheck;
pub(crate) use file::one_zero;

/// A table's expectations compiled against its Arrow schema.
#[derive(Clone, Debug)]
pub struct Checks {
    schema: SchemaRef,
    rules: Arc<[rule::Rule]>,
}

impl Checks {
    /// Compiles `expect` for rows of `schema`; `columns` are the table's
    /// declared columns, which `columns: all` ranges over and whose
    /// `valid_range` `in_valid_range` means.
    ///
    /// An expectation over several columns becomes one rule per column, named
    /// `name[column]` if there is more than one.
    ///
    /// # Errors
    /// LG402 naming the expectation: a column that is not there, a literal that
    /// is no value of its column, a bad pattern, a predicate that does not plan
    /// or is not a deterministic boolean of one row.
    pub async fn compile(
        expect: &[Expectation],
        columns: &[Column],
        schema: SchemaRef,
    ) -> Result<Checks, Failure> {
        let mut rules = Vec::new();
        // A session costs a millisecond: only for those who write SQL.
        let mut session = None;
        for expectation in expect {
            rule::compile(expectation, columns, &schema, &mut session, &mut rules)?;
        }
        Ok(Checks { schema, rules: rules.into() })
    }

    /// Whether every row passes unseen.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The columns, by name, that the checked rows must have.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Begins a file.
    pub fn start(&self) -> FileCheck {
        FileCheck::new(self.schema.clone(), self.rules.clone())
    }
}

/// What is wrong with an expectation's predicate whatever a file holds. `known`
/// are columns of the table whose types are declared; all of it where `is_whole`.
///
/// # Errors
/// A sentence for people.
pub fn look(sql: &str, known: &Schema, is_whole: bool) -> Result<(), String> {
    rule::look(sql, known, is_whole)
}

/// What became of the rows of one batch: each is in `pass`, in `quarantined` or
/// in `dropped`, exactly once.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The rows that stay, in their order, values nulled where `on_fail: null`
    /// says so. The schema is the input's.
    pub pass: RecordBatch,
    /// By row of `pass`, the names of the failed `flag` expectations; `None` if
    /// there are none.
    pub flags: Option<Vec<Vec<Arc<str>>>>,
    /// Row of `pass`, column, and the value that was there as JSON text; by row
    /// and then in the table's order of columns. What was null already is not
    /// among them.
    pub nulled: Vec<(usize, String, String)>,
    /// Row of the input, names of the expectations that sent it away, comma
    /// separated, and the reason for people.
    pub quarantined: Vec<(usize, String, String)>,
    /// Row of the input and the names of the expectations, comma separated.
    pub dropped: Vec<(usize, String)>,
    /// Of the dropped rows, those that a `unique` expectation dropped.
    pub n_duplicates: u64,
    /// By row of the input, whether it is in `pass`; `None` if all are.
    pub kept: Option<BooleanArray>,
}

impl Checked {
    fn untouched(batch: RecordBatch) -> Self {
        Checked {
            pass: batch,
            flags: None,
            nulled: Vec::new(),
            quarantined: Vec::new(),
            dropped: Vec::new(),
            n_duplicates: 0,
            kept: None,
        }
    }
}

/// How one rule fared with one file, also where nothing failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub name: String,
    pub on_fail: OnFail,
    /// Rows of the file; 1 for an expectation about the file itself (`rows`).
    pub n_checked: u64,
    pub n_failed: u64,
    /// `_row` of the first rows that failed, at most five.
    pub first_rows: Vec<u64>,
    /// The values of the first row that failed: `speed = 230`.
    pub sample: Option<String>,
}
