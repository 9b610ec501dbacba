//! The rows of a file that wait for its end, because quality checks look at all
//! of them at once: held in memory, up to a limit.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, new_null_array};
use arrow::compute::concat;
use lakegate_domain::model::{OnFail, Table, qc_name};
use lakegate_domain::{Code, Failure, TableName};
use lakegate_format::conform::{Conformed, Plan, Target};
use lakegate_lake::quality::{self, Judged, Stage};
use lakegate_state::ExpectationResult;

use super::fold::{Original, size_bytes};
use super::parse::Rows;
use super::tables::TableView;

/// Rows that go on together after they were judged.
pub const SLICE_ROWS: usize = 1 << 16;

/// One file's rows of one table, in the file's order.
#[derive(Default)]
pub struct Waiting {
    /// Batches may know different columns.
    batches: Vec<RecordBatch>,
    numbers: Vec<Int64Array>,
    rescued: Vec<Option<Vec<Option<String>>>>,
    /// As the rows came, where one may be wanted back for the quarantine.
    originals: Vec<Rows>,
    n_rows: usize,
    size_bytes: usize,
}

impl Waiting {
    /// Takes the file's next rows. `original` has a row for each of them.
    pub fn push(&mut self, table: &TableView, conformed: Conformed, numbers: Int64Array, original: Rows) {
        let Conformed { batch, rescued } = conformed;
        self.n_rows += batch.num_rows();
        self.size_bytes += size_bytes(&batch) + batch.num_rows() * (8 + table.quality.flag_bytes());
        self.size_bytes += rescued.iter().flatten().flatten().map(String::len).sum::<usize>();
        if table.config.expect.iter().any(|e| e.on_fail == OnFail::Quarantine) {
            self.size_bytes += original.size_bytes();
            self.originals.push(original);
        }
        self.batches.push(batch);
        self.numbers.push(numbers);
        self.rescued.push(rescued);
    }

    /// What the rows and their flags take, in bytes.
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// The failure of a file that is larger than `limit_bytes`.
    pub fn too_large(&self, limit_bytes: usize) -> Failure {
        Failure::new(
            Code::TooLargeToHold,
            format!(
                "the file's first {} rows take more than {} MiB of memory, and `quality` looks at all of them at once",
                self.n_rows,
                limit_bytes >> 20
            ),
        )
    }

    /// Checks all rows. Columns that a batch did not know are null in its rows.
    ///
    /// # Errors
    /// As [`Stage::judge`].
    pub fn judge(self, stage: &Stage) -> Result<(Judged, Originals), Failure> {
        let n_rows: Vec<usize> = self.batches.iter().map(RecordBatch::num_rows).collect();
        let mut parts: Vec<Vec<ArrayRef>> = Vec::with_capacity(stage.input().fields().len());
        for field in stage.input().fields() {
            let of = |batch: &RecordBatch| match batch.column_by_name(field.name()) {
                Some(column) => column.clone(),
                None => new_null_array(field.data_type(), batch.num_rows()),
            };
            parts.push(self.batches.iter().map(of).collect());
        }
        drop(self.batches);
        // Column by column, so that no more than one is there twice.
        let mut columns = Vec::with_capacity(parts.len());
        for (parts, field) in parts.into_iter().zip(stage.input().fields()) {
            columns.push(match parts.as_slice() {
                [] => new_null_array(field.data_type(), 0),
                [only] => only.clone(),
                all => concat(&all.iter().map(AsRef::as_ref).collect::<Vec<&dyn Array>>()).map_err(bug)?,
            });
        }
        let numbers: Int64Array = self.numbers.iter().flat_map(|n| n.values().iter().copied()).collect();
        let rescued = self.rescued.iter().any(Option::is_some).then(|| {
            let of = |(rescued, n): (Option<Vec<_>>, usize)| rescued.unwrap_or_else(|| vec![None; n]);
            self.rescued.into_iter().zip(n_rows.iter().copied()).flat_map(of).collect()
        });
        let judged = stage.judge(quality::Rows { columns, numbers, rescued })?;
        let mut ends = Vec::with_capacity(n_rows.len());
        n_rows.iter().fold(0, |end, n| {
            ends.push(end + n);
            end + n
        });
        let originals = Originals { parts: self.originals, ends, places: judged.places.clone() };
        Ok((judged, originals))
    }
}

/// The rows of a file as they came, by where they stand now.
pub struct Originals {
    parts: Vec<Rows>,
    /// By part, how many rows there are up to its end.
    ends: Vec<usize>,
    /// By row now, which row of the file it was.
    places: Vec<u32>,
}

impl Originals {
    /// A row as it came, as JSON text.
    pub fn text(&self, row: usize) -> Result<String, Failure> {
        let place = self.places[row] as usize;
        let part = self.ends.partition_point(|end| *end <= place);
        let start = if part == 0 { 0 } else { self.ends[part - 1] };
        let rows = self.parts.get(part).ok_or_else(|| Failure::new(Code::Bug, "a row's original is gone"))?;
        let texts = Original::Batch(rows).texts(&[place - start])?;
        Ok(texts.into_iter().next().unwrap_or_default())
    }
}

/// What the ledger keeps of findings.
pub fn results(
    table: &TableName,
    findings: &[quality::Finding],
) -> impl Iterator<Item = ExpectationResult> + use<> {
    let all: Vec<_> = findings
        .iter()
        .map(|f| ExpectationResult {
            table: table.clone(),
            name: f.name.clone(),
            on_fail: f.then.clone(),
            n_checked: f.n_checked,
            n_failed: f.n_failed,
            first_rows: f.first_rows.clone(),
            first_times: f.first_times.clone(),
            first_values: f.first_values.clone(),
            sample: f.sample.clone(),
        })
        .collect();
    all.into_iter()
}

/// A part of the judged rows, ready to go on.
pub struct Slice {
    pub conformed: Conformed,
    pub numbers: Int64Array,
    /// Which of the judged rows is its first.
    pub first: usize,
}

/// The judged rows in parts that do not depend on how they came.
pub fn slices(judged: &mut Judged) -> impl Iterator<Item = Slice> + use<> {
    let batch = judged.batch.clone();
    let numbers = judged.numbers.clone();
    let mut rescued = judged.rescued.take();
    let n = batch.num_rows();
    // A file without rows says which columns there are, too.
    (0..n.max(1)).step_by(SLICE_ROWS).map(move |first| {
        let n = SLICE_ROWS.min(n - first.min(n));
        let rescued =
            rescued.as_mut().map(|all| all[first..first + n].iter_mut().map(Option::take).collect());
        Slice {
            conformed: Conformed { batch: batch.slice(first, n), rescued },
            numbers: numbers.slice(first, n),
            first,
        }
    })
}

/// Refuses a file whose columns are called as those that the table's checks make.
///
/// # Errors
/// LG306 naming the column.
pub fn check_names(plan: &Plan, table: &Table) -> Result<(), Failure> {
    let flags: Vec<String> = table.flags().keys().map(|column| qc_name(column)).collect();
    let taken = |t: &&Target| flags.iter().any(|f| f.eq_ignore_ascii_case(&t.spec.name));
    let Some(target) = plan.targets.iter().find(taken) else { return Ok(()) };
    let (name, source) = (&target.spec.name, target.spec.source());
    Err(Failure::new(
        Code::BadName,
        format!(
            "the file has a column `{source}`, and `{name}` holds the flags of the table's own checks; keep the file's as \
             `columns: {{ {name}_given: {{ from: {source} }} }}`"
        ),
    ))
}

fn bug(e: arrow::error::ArrowError) -> Failure {
    Failure::new(Code::Bug, e.to_string())
}

/// No checks, for a table that is not looked at yet.
pub fn none(schema: arrow::datatypes::SchemaRef) -> Result<Arc<Stage>, Failure> {
    Stage::compile(&[], &[], &[], schema).map(Arc::new)
}
