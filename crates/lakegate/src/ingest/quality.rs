//! The rows of a file that wait for its end, because quality checks look at all
//! of them at once: held in memory, up to a limit.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, new_null_array};
use arrow::compute::concat;
use arrow::datatypes::Field;
use lakegate_domain::model::{OnFail, Table, qc_name};
use lakegate_domain::{Code, Failure, TableName};
use lakegate_format::conform::{Conformed, Plan, Target};
use lakegate_lake::grid::{self, GridStage};
use lakegate_lake::quality::{self, Flagged, Judged, Stage, flags_type};
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
    /// Flags that the rows came with, by column.
    flags: Vec<RecordBatch>,
    rescued: Vec<Option<Vec<Option<String>>>>,
    /// As the rows came, where one may be wanted back for the quarantine.
    originals: Vec<Rows>,
    size_bytes: usize,
}

impl Waiting {
    /// Takes the file's next rows. `original` has a row for each of them.
    pub fn push(
        &mut self,
        table: &TableView,
        conformed: Conformed,
        numbers: Int64Array,
        flags: RecordBatch,
        original: Rows,
    ) {
        let Conformed { batch, rescued } = conformed;
        self.size_bytes += size_bytes(&flags);
        self.flags.push(flags);
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

    /// Brings all rows to the grid, if there is one, and checks them. Columns that a
    /// batch did not know are null in its rows.
    ///
    /// # Errors
    /// As [`Stage::judge`] and [`GridStage::apply`].
    pub fn judge(
        self,
        stage: &Stage,
        grid: Option<&GridStage>,
        limit_bytes: usize,
    ) -> Result<(Judged, Originals), Failure> {
        let n_rows: Vec<usize> = self.batches.iter().map(RecordBatch::num_rows).collect();
        let input = grid.map_or(stage.input(), GridStage::input);
        let fields = || input.fields().iter();
        let columns = fields()
            .map(|field| match whole(&self.batches, field)? {
                Some(column) => Ok(column),
                None => Ok(new_null_array(field.data_type(), n_rows.iter().sum())),
            })
            .collect::<Result<Vec<_>, Failure>>()?;
        drop(self.batches);
        let flags = fields()
            .map(|field| {
                let of = Field::new(qc_name(field.name()), flags_type(field.data_type()), true);
                whole(&self.flags, &of)
            })
            .collect::<Result<Vec<_>, Failure>>()?;
        let numbers: Int64Array = self.numbers.iter().flat_map(|n| n.values().iter().copied()).collect();
        let rescued = self.rescued.iter().any(Option::is_some).then(|| {
            let of = |(rescued, n): (Option<Vec<_>>, usize)| rescued.unwrap_or_else(|| vec![None; n]);
            self.rescued.into_iter().zip(n_rows.iter().copied()).flat_map(of).collect()
        });
        let given = Flagged { rows: quality::Rows { columns, numbers, rescued }, flags };
        if let Some(grid) = grid {
            let made = grid.apply(given, limit_bytes)?;
            let original =
                RecordBatch::try_new(grid.output().clone(), made.rows.columns.clone()).map_err(bug)?;
            let ends = vec![original.num_rows()];
            let judged = stage.judge_flagged(made)?;
            let originals =
                Originals { parts: vec![Rows::Typed(original)], ends, places: judged.places.clone() };
            return Ok((judged, originals));
        }
        let judged = stage.judge_flagged(given)?;
        let mut ends = Vec::with_capacity(n_rows.len());
        n_rows.iter().fold(0, |end, n| {
            ends.push(end + n);
            end + n
        });
        let originals = Originals { parts: self.originals, ends, places: judged.places.clone() };
        Ok((judged, originals))
    }
}

/// The failure of a file with more rows than may be held.
pub fn too_large(n_rows: u64, limit_bytes: usize) -> Failure {
    let rows = if n_rows > 0 { format!("first {n_rows} rows") } else { "rows".into() };
    Failure::new(
        Code::TooLargeToHold,
        format!(
            "the file's {rows} take more than {} MiB of memory, and all of them are looked at at once (`quality`, \
             `grid`, or a table that is made `of` this one)",
            limit_bytes >> 20
        ),
    )
}

/// A column of all batches, null in those that lack it; `None` where all do.
fn whole(batches: &[RecordBatch], field: &Field) -> Result<Option<ArrayRef>, Failure> {
    if batches.iter().all(|b| b.column_by_name(field.name()).is_none()) {
        return Ok(None);
    }
    let of = |batch: &RecordBatch| match batch.column_by_name(field.name()) {
        Some(column) => column.clone(),
        None => new_null_array(field.data_type(), batch.num_rows()),
    };
    let parts: Vec<ArrayRef> = batches.iter().map(of).collect();
    Ok(Some(match parts.as_slice() {
        [only] => only.clone(),
        all => concat(&all.iter().map(AsRef::as_ref).collect::<Vec<&dyn Array>>()).map_err(bug)?,
    }))
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
    let made = made_columns(plan, table);
    let taken = |t: &&Target| made.iter().any(|f| f.eq_ignore_ascii_case(&t.spec.name));
    let Some(target) = plan.targets.iter().find(taken) else { return Ok(()) };
    let (name, source) = (&target.spec.name, target.spec.source());
    let mend = match table.transform {
        Some(_) => format!("give it another name in the transform: `{source} as {name}_given`"),
        None => format!("keep the file's as `columns: {{ {name}_given: {{ from: {source} }} }}`"),
    };
    Err(Failure::new(
        Code::BadName,
        format!(
            "there is a column `{source}`, and `{name}` is one that the table's own `quality` or `grid` makes; {mend}"
        ),
    ))
}

/// The columns that a table's checks and grid add to those of the plan: flags, and
/// what is said of averages.
pub fn made_columns(plan: &Plan, table: &Table) -> Vec<String> {
    let names = || plan.targets.iter().map(|t| t.spec.name.as_str());
    // What is made of a column that is made itself is none.
    let flags: Vec<String> = table.flags(names()).keys().map(|column| qc_name(column)).collect();
    flags.into_iter().chain(grid::companions(table, &plan.schema())).collect()
}

fn bug(e: arrow::error::ArrowError) -> Failure {
    Failure::new(Code::Bug, e.to_string())
}

/// No checks, for a table that is not looked at yet.
pub fn none(schema: arrow::datatypes::SchemaRef) -> Result<Arc<Stage>, Failure> {
    Stage::compile(&[], &[], &[], schema).map(Arc::new)
}
