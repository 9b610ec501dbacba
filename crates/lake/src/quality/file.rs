//! One file on its way through a table's quality checks.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float32Array, Float64Array, UInt32Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::kernels::zip::zip;
use arrow::compute::{SortColumn, SortOptions, cast, lexsort_to_indices, nullif, take};
use arrow::datatypes::{DataType, Field, Int64Type};
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use lakegate_domain::model::Then;
use lakegate_domain::{Code, Failure};
use lakegate_format::conform::rescued_with;

use super::cells::{Cells, Numbers, missing, with_bit};
use super::check::{Failed, Test, evaluate};
use super::{Finding, Flagged, Judged, Rows, Stage, Step, share, spline};
use crate::expect::shown;

/// Values that a finding shows.
const MAX_FIRST: usize = 5;

/// The file as the checks so far have left it.
struct Work<'a> {
    stage: &'a Stage,
    columns: Vec<ArrayRef>,
    /// By column, its flags; `None` where it has none.
    flags: Vec<Option<ArrayRef>>,
    numbers: ArrayRef,
    /// By row of the input.
    rescued: Option<Vec<Option<String>>>,
    /// By row now, which row of the input it was.
    places: Vec<u32>,
    /// Column and row of the input whose value was put into `rescued`: the first
    /// that was taken away is the one that came.
    put: HashSet<(usize, u32)>,
    n_dropped: u64,
}

pub(super) fn judge(stage: &Stage, given: Flagged) -> Result<Judged, Failure> {
    let Flagged { rows: Rows { columns, numbers, rescued }, flags: mut prior } = given;
    prior.resize(columns.len(), None);
    let n = numbers.len();
    let fits = |(column, field): (&ArrayRef, &Arc<Field>)| {
        column.len() == n && column.data_type() == field.data_type()
    };
    if columns.len() != stage.input.fields().len() || !columns.iter().zip(stage.input.fields()).all(fits) {
        return Err(Failure::new(Code::Bug, "rows for quality checks are not of the table's shape"));
    }
    let n =
        u32::try_from(n).map_err(|_| Failure::new(Code::TooLargeToHold, format!("{n} rows are too many")))?;
    let flags = columns
        .iter()
        .zip(&stage.flagged)
        .zip(prior)
        .map(|((column, flagged), prior)| match (flagged, prior) {
            (false, _) => Ok(None),
            (true, Some(flags)) => Ok(Some(flags)),
            (true, None) => Cells::of(column).no_flags(column).map(Some),
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(bug)?;
    let mut work = Work {
        stage,
        columns,
        flags,
        numbers: Arc::new(numbers),
        rescued,
        places: (0..n).collect(),
        put: HashSet::new(),
        n_dropped: 0,
    };
    let mut findings = Vec::with_capacity(stage.steps.len());
    for step in &stage.steps {
        findings.push(work.step(step)?);
    }
    work.finish(findings)
}

impl Work<'_> {
    fn step(&mut self, step: &Step) -> Result<Finding, Failure> {
        let cells = Cells::of(&self.columns[step.column]);
        let failed = evaluate(&step.test, &cells, &self.columns, step.null_fails).map_err(|(row, why)| {
            let number = self.number(row);
            Failure::new(
                Code::ExpectationSql,
                format!("quality check `{}` failed in row {number}: {why}", step.name),
            )
        })?;
        let finding = self.finding(step, &cells, &failed);
        if finding.n_failed > 0 {
            self.act(step, &finding, failed).map_err(|e| match e {
                Stop::Failure(f) => f,
                Stop::Arrow(e) => bug(e),
            })?;
        }
        Ok(finding)
    }

    /// Does what follows, in the order written.
    fn act(&mut self, step: &Step, finding: &Finding, mut failed: Failed) -> Result<(), Stop> {
        for then in &step.then {
            let cells = Cells::of(&self.columns[step.column]);
            match then {
                Then::Warn => {}
                Then::Flag => {
                    if let (Some(bit), Some(flags)) = (step.bit, &mut self.flags[step.column]) {
                        *flags = with_bit(flags, bit, &failed.cells)?;
                    }
                }
                Then::Remove if self.stage.coordinates.contains(&step.column) => {
                    let stay: Vec<u32> = (0..self.places.len() as u32)
                        .filter(|&row| !failed.row(&cells, row as usize))
                        .collect();
                    self.n_dropped += (self.places.len() - stay.len()) as u64;
                    failed = failed.taken(&cells, &stay);
                    self.take(stay)?;
                }
                Then::Remove => {
                    self.rescue(step.column, &cells, &failed.cells);
                    let gone = BooleanArray::new(failed.cells.clone(), None);
                    let leaf = nullif(&cells.leaf, &gone)?;
                    self.columns[step.column] = Cells::with_leaf(&self.columns[step.column], &leaf)?;
                }
                Then::Interpolate => self.interpolate(step.column, &cells, &failed.cells)?,
                Then::Sort { descending } => {
                    let options = SortOptions { descending: *descending, nulls_first: false };
                    let column = &self.columns[step.column];
                    let order = self.sorted(column, options)?;
                    failed = failed.taken(&cells, &order);
                    self.take(order)?;
                }
                Then::Fail => {
                    let found = finding.n_failed as f64 / finding.n_checked as f64;
                    if found > step.tolerate {
                        return Err(Stop::Failure(self.failure(step, finding)));
                    }
                }
            }
        }
        Ok(())
    }

    /// The rows in the order of a column. Rows of equal values stay as they stood.
    fn sorted(&self, column: &ArrayRef, options: SortOptions) -> Result<Vec<u32>, ArrowError> {
        // The engine's sort is not stable: the rows' places decide between equals.
        let places: ArrayRef = Arc::new(UInt32Array::from_iter_values(0..column.len() as u32));
        let by = |values: &ArrayRef, options| SortColumn { values: values.clone(), options };
        let order = lexsort_to_indices(&[by(column, Some(options)), by(&places, None)], None)?;
        Ok(order.values().to_vec())
    }

    /// Goes on with these rows alone, in this order.
    fn take(&mut self, rows: Vec<u32>) -> Result<(), ArrowError> {
        self.places = rows.iter().map(|&row| self.places[row as usize]).collect();
        let indices = UInt32Array::from(rows);
        for column in self.columns.iter_mut().chain(self.flags.iter_mut().flatten()) {
            *column = take(column, &indices, None)?;
        }
        self.numbers = take(&self.numbers, &indices, None)?;
        Ok(())
    }

    /// Puts failed values aside as they came, before they are gone. What is
    /// missing is not kept.
    fn rescue(&mut self, column: usize, cells: &Cells, failed: &BooleanBuffer) {
        let gone = failed & &!&missing(&cells.leaf);
        if !gone.has_true() {
            return;
        }
        let name = self.stage.input.field(column).name();
        let n = self.rescued.as_ref().map_or_else(|| self.n_input(), Vec::len);
        for row in 0..self.places.len() {
            if cells.of_row(row).any(|cell| gone.value(cell)) && self.put.insert((column, self.places[row])) {
                let value = shown::json(&self.columns[column], row);
                let all = self.rescued.get_or_insert_with(|| vec![None; n]);
                let slot = &mut all[self.places[row] as usize];
                *slot = Some(rescued_with(slot.as_deref(), name, &value));
            }
        }
    }

    /// Rows that came in.
    fn n_input(&self) -> usize {
        self.places.len() + self.n_dropped as usize
    }

    /// Replaces failed values by those of a spline along the first coordinate.
    /// Those that it does not reach become null.
    fn interpolate(
        &mut self,
        column: usize,
        cells: &Cells,
        failed: &BooleanBuffer,
    ) -> Result<(), ArrowError> {
        self.rescue(column, cells, failed);
        let along = self.axis()?;
        let Some(numbers) = Numbers::of(&cells.leaf) else { return Ok(()) };
        let mut leaf: Vec<Option<f64>> =
            (0..cells.leaf.len()).map(|cell| numbers.get(cell).filter(|_| !failed.value(cell))).collect();
        for place in 0..cells.n_places() {
            let series: Vec<Option<usize>> = cells.at_place(place).collect();
            let values: Vec<Option<f64>> = series.iter().map(|cell| cell.and_then(|c| leaf[c])).collect();
            for (i, value) in spline::fill(&along, &values) {
                if let Some(cell) = series[i].filter(|&cell| failed.value(cell)) {
                    leaf[cell] = Some(value);
                }
            }
        }
        // What did not fail stays to the last bit, also where it is no number.
        let gone = BooleanArray::new(failed.clone(), None);
        let filled: ArrayRef = match cells.leaf.data_type() {
            DataType::Float32 => Arc::new(leaf.iter().map(|v| v.map(|v| v as f32)).collect::<Float32Array>()),
            _ => Arc::new(Float64Array::from(leaf)),
        };
        let leaf = zip(&gone, &filled, &cells.leaf)?;
        self.columns[column] = Cells::with_leaf(&self.columns[column], &leaf)?;
        Ok(())
    }

    /// Where each row stands along the first coordinate, from the first row on.
    fn axis(&self) -> Result<Vec<Option<f64>>, ArrowError> {
        let Some(&first) = self.stage.coordinates.first() else { return Ok(vec![None; self.places.len()]) };
        let column = &self.columns[first];
        let whole = |column: &ArrayRef| -> Result<Vec<Option<f64>>, ArrowError> {
            let values = cast(column, &DataType::Int64)?;
            let values = values.as_primitive::<Int64Type>();
            let origin = values.iter().flatten().next().unwrap_or(0);
            // Differences of instants are exact long after the instants are not.
            Ok(values.iter().map(|v| v.map(|v| v.wrapping_sub(origin) as f64)).collect())
        };
        match column.data_type() {
            DataType::Timestamp(..) => whole(column),
            DataType::Date32 => whole(&cast(column, &DataType::Int32)?),
            t if t.is_integer() => whole(column),
            _ => Ok(match Numbers::of(column) {
                Some(numbers) => (0..column.len()).map(|row| numbers.get(row)).collect(),
                None => vec![None; column.len()],
            }),
        }
    }

    fn number(&self, row: usize) -> u64 {
        let numbers = self.numbers.as_primitive::<Int64Type>();
        if row < numbers.len() { numbers.value(row).unsigned_abs() } else { 0 }
    }

    fn finding(&self, step: &Step, cells: &Cells, failed: &Failed) -> Finding {
        let words: Vec<&str> = step.then.iter().map(|t| t.word()).collect();
        let mut finding = Finding {
            name: step.name.clone(),
            then: words.join(","),
            n_checked: cells.n_values(),
            n_failed: failed.n(),
            first_rows: Vec::new(),
            first_times: Vec::new(),
            first_values: Vec::new(),
            sample: None,
        };
        if finding.n_failed == 0 {
            return finding;
        }
        let column = self.stage.input.field(step.column).name();
        let time = self.stage.coordinates.first().map(|&c| &self.columns[c]);
        for row in 0..cells.n_rows() {
            let of_row = cells.of_row(row).filter(|&cell| failed.cells.value(cell)).map(Some);
            let whole = failed.lists.as_ref().is_some_and(|l| l.value(row)).then_some(None);
            for cell in of_row.chain(whole) {
                if finding.first_rows.len() == MAX_FIRST {
                    return finding;
                }
                let value = cell.map_or_else(|| "NULL".into(), |cell| shown::value(&cells.leaf, cell));
                finding.sample.get_or_insert_with(|| format!("{column} = {value}"));
                finding.first_rows.push(self.number(row));
                finding.first_times.extend(time.map(|t| shown::value(t, row)));
                finding.first_values.push(value);
            }
        }
        finding
    }

    /// Why a file goes no further.
    fn failure(&self, step: &Step, finding: &Finding) -> Failure {
        let column = self.stage.input.field(step.column).name();
        let of_time = self.stage.coordinates.first().filter(|&&c| c != step.column);
        let time = of_time.map(|&c| self.stage.input.field(c).name());
        let shown: Vec<String> = finding
            .first_rows
            .iter()
            .zip(&finding.first_values)
            .enumerate()
            .map(|(i, (row, value))| match (time, finding.first_times.get(i)) {
                (Some(name), Some(at)) => format!("row {row} ({name} {at}): {value}"),
                _ => format!("row {row}: {value}"),
            })
            .collect();
        let complaint = match step.test {
            Test::Sql(..) => step.complaint.clone(),
            _ => format!("a value {}", step.complaint),
        };
        let more = if finding.n_failed as usize > shown.len() { ", …" } else { "" };
        Failure::new(
            Code::BadQuality,
            format!(
                "quality check `{}`: in column `{column}` {complaint}: {}, more than the tolerated {} %; {}{more}",
                step.name,
                share(finding.n_failed, finding.n_checked),
                (step.tolerate * 10_000.0).round() / 100.0,
                shown.join(", ")
            ),
        )
    }

    fn finish(self, findings: Vec<Finding>) -> Result<Judged, Failure> {
        let Work { stage, columns, flags, numbers, rescued, places, n_dropped, .. } = self;
        let arrays: Vec<ArrayRef> =
            columns.into_iter().zip(flags).flat_map(|(c, f)| [Some(c), f].into_iter().flatten()).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(places.len()));
        let batch = RecordBatch::try_new_with_options(stage.output.clone(), arrays, &options).map_err(bug)?;
        let rescued = rescued
            .map(|mut all| places.iter().map(|&place| all[place as usize].take()).collect::<Vec<_>>())
            .filter(|all| all.iter().any(Option::is_some));
        let numbers = numbers.as_primitive::<Int64Type>().clone();
        Ok(Judged { batch, numbers, places, rescued, n_dropped, findings })
    }
}

enum Stop {
    Failure(Failure),
    Arrow(ArrowError),
}

impl From<ArrowError> for Stop {
    fn from(e: ArrowError) -> Self {
        Stop::Arrow(e)
    }
}

fn bug(e: ArrowError) -> Failure {
    Failure::new(Code::Bug, e.to_string())
}
