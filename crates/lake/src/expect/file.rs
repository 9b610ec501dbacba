//! One file on its way through a table's expectations, batch by batch.
//!
//! What a file's rows become must not depend on where its batches begin: all
//! that reaches from one row to a later one is kept in [`FileCheck`].

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, PrimitiveArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{filter_record_batch, nullif};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int64Type, SchemaRef,
    TimestampMicrosecondType,
};
use arrow::error::ArrowError;
use arrow::row::RowConverter;
use lakegate_domain::model::OnFail;
use lakegate_domain::{Code, Failure};

use super::rule::{Rule, Test, failing, key_nulls, matches, missing, row_converter};
use super::values::Class;
use super::{Checked, Finding, shown};
use crate::layout::ROW;

/// Rows that a finding names.
const MAX_FIRST_ROWS: usize = 5;

/// One file being checked. It remembers 16 bytes for each distinct key of each
/// `unique` expectation, one value for each `increasing`, and counts. The keys
/// have no limit here: see [`FileCheck::memory_bytes`].
#[derive(Debug)]
pub struct FileCheck {
    schema: SchemaRef,
    rules: Arc<[Rule]>,
    memories: Vec<Memory>,
    tallies: Vec<Tally>,
    n_rows: u64,
}

/// What a rule remembers of earlier rows.
#[derive(Debug)]
enum Memory {
    None,
    Keys(Box<RowConverter>, HashSet<u128>),
    /// The last good value, in the type it compares in, as an array of one.
    Last(Option<ArrayRef>),
}

#[derive(Clone, Debug, Default)]
struct Tally {
    n_failed: u64,
    first_rows: Vec<u64>,
    sample: Option<String>,
}

/// The rows of one batch that fail one rule.
struct Failed {
    rule: usize,
    rows: BooleanBuffer,
    /// For `increasing`: by failing row, in order, the value it was compared with.
    compared: Vec<(usize, String)>,
}

impl FileCheck {
    pub(super) fn new(schema: SchemaRef, rules: Arc<[Rule]>) -> Self {
        let memories = rules
            .iter()
            .map(|r| match r.test {
                Test::Unique { .. } => match row_converter(&schema, &r.columns) {
                    Ok(converter) => Memory::Keys(Box::new(converter), HashSet::new()),
                    Err(_) => unreachable!("the columns were tried when the rule was compiled"),
                },
                Test::Ordered { .. } => Memory::Last(None),
                _ => Memory::None,
            })
            .collect();
        let tallies = vec![Tally::default(); rules.len()];
        FileCheck { schema, rules, memories, tallies, n_rows: 0 }
    }

    /// Checks the file's next rows. Every expectation sees the values as they
    /// came, so the order in which expectations are written never matters.
    ///
    /// `batch` has the columns that the expectations were compiled for, found
    /// by name, and `_row`; others pass through.
    ///
    /// # Errors
    /// LG402 if a predicate cannot be evaluated for a row, naming the row;
    /// LG901 if the batch is not of the table's shape.
    pub fn check(&mut self, batch: RecordBatch) -> Result<Checked, Failure> {
        let n = batch.num_rows();
        let columns = self.columns(&batch)?;
        let numbers = RowNumbers::of(&batch, self.n_rows)?;
        self.n_rows += n as u64;

        let mut failed: Vec<Failed> = Vec::new();
        let rules = self.rules.clone();
        for (i, rule) in rules.iter().enumerate() {
            let input: Vec<ArrayRef> = rule.columns.iter().map(|&c| columns[c].clone()).collect();
            let keep_text = rule.on_fail == OnFail::Quarantine;
            let (rows, compared) = evaluate(rule, input, n, &mut self.memories[i], keep_text)
                .map_err(|e| self.evaluation_failed(rule, e, &numbers))?;
            let n_failed = rows.count_set_bits();
            if n_failed == 0 {
                continue;
            }
            let tally = &mut self.tallies[i];
            tally.n_failed += n_failed as u64;
            let room = MAX_FIRST_ROWS - tally.first_rows.len();
            for row in rows.set_indices().take(room) {
                tally.first_rows.push(numbers.number(row));
                if tally.sample.is_none() {
                    tally.sample = sample(&self.schema, rule, &columns, row);
                }
            }
            failed.push(Failed { rule: i, rows, compared });
        }
        if failed.iter().all(|f| matches!(rules[f.rule].on_fail, OnFail::Warn | OnFail::Reject)) {
            return Ok(Checked::untouched(batch));
        }
        self.act(batch, &columns, &failed)
    }

    /// What it remembers of earlier rows, in memory.
    pub fn memory_bytes(&self) -> usize {
        let keys = self.memories.iter().map(|m| match m {
            // A set keeps an eighth free, and a byte beside each place.
            Memory::Keys(_, keys) => keys.capacity() / 7 * 8 * (size_of::<u128>() + 1),
            Memory::None | Memory::Last(_) => 0,
        });
        keys.sum()
    }

    /// Ends the file: one finding per rule, also for those that nothing failed,
    /// and the failure of the file if more rows failed than may.
    pub fn finish(mut self) -> (Vec<Finding>, Option<Failure>) {
        let rules = self.rules.clone();
        let mut findings = Vec::with_capacity(rules.len());
        let mut rejections: Vec<(Code, Arc<str>, String)> = Vec::new();
        for (rule, tally) in rules.iter().zip(&mut self.tallies) {
            let tally = std::mem::take(tally);
            let mut finding = Finding {
                name: rule.name.to_string(),
                on_fail: rule.on_fail,
                n_checked: self.n_rows,
                n_failed: tally.n_failed,
                first_rows: tally.first_rows,
                sample: tally.sample,
            };
            if let Test::Rows { min, max } = rule.test {
                let holds =
                    min.is_none_or(|min| self.n_rows >= min) && max.is_none_or(|max| self.n_rows <= max);
                // It judges one thing, the file.
                finding.n_checked = 1;
                finding.n_failed = u64::from(!holds);
                finding.sample = (!holds).then(|| counted(self.n_rows));
            }
            rejections.extend(rejection(rule, &finding).map(|(code, text)| (code, rule.name.clone(), text)));
            findings.push(finding);
        }
        (findings, combined(rejections))
    }

    /// The batch's columns in the order of the compiled schema.
    fn columns(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>, Failure> {
        if Arc::ptr_eq(batch.schema_ref(), &self.schema) {
            return Ok(batch.columns().to_vec());
        }
        self.schema
            .fields()
            .iter()
            .enumerate()
            .map(|(i, f)| {
                // The same place first: it is nearly always the one.
                let same = batch.schema_ref().fields().get(i).filter(|b| b.name() == f.name()).map(|_| i);
                let at = same.or_else(|| batch.schema_ref().index_of(f.name()).ok());
                let column = at.map(|at| batch.column(at)).ok_or_else(|| {
                    Failure::new(Code::Bug, format!("rows to be checked have no column `{}`", f.name()))
                })?;
                if column.data_type() != f.data_type() {
                    return Err(Failure::new(
                        Code::Bug,
                        format!(
                            "column `{}` is of type {}, not {}",
                            f.name(),
                            column.data_type(),
                            f.data_type()
                        ),
                    ));
                }
                Ok(column.clone())
            })
            .collect()
    }

    fn evaluation_failed(&self, rule: &Rule, error: Unevaluated, numbers: &RowNumbers<'_>) -> Failure {
        match error {
            Unevaluated::Row(row, why) => Failure::new(
                Code::ExpectationSql,
                format!("expectation `{}` failed in row {}: {why}", rule.name, numbers.number(row)),
            ),
            Unevaluated::Batch(e) => {
                Failure::new(Code::ExpectationSql, format!("expectation `{}` failed: {e}", rule.name))
            }
        }
    }

    /// Does what the failed rules say. Per row the strictest of quarantine and
    /// drop wins; a row that stays has all its nulls and all its flags.
    fn act(&self, batch: RecordBatch, columns: &[ArrayRef], failed: &[Failed]) -> Result<Checked, Failure> {
        let n = batch.num_rows();
        let of = |on_fail: OnFail| failed.iter().filter(move |f| self.rules[f.rule].on_fail == on_fail);
        let union = |on_fail: OnFail| {
            of(on_fail).fold(None::<BooleanBuffer>, |all, f| {
                Some(all.map_or_else(|| f.rows.clone(), |all| &all | &f.rows))
            })
        };
        let quarantine = union(OnFail::Quarantine);
        let drop = match (union(OnFail::Drop), &quarantine) {
            (Some(drop), Some(quarantine)) => Some(&drop & &!quarantine),
            (drop, _) => drop,
        };
        let gone = match (&quarantine, &drop) {
            (Some(q), Some(d)) => Some(q | d),
            (q, d) => q.clone().or_else(|| d.clone()),
        };

        let mut checked = Checked::untouched(batch);
        if let Some(rows) = &quarantine {
            for row in rows.set_indices() {
                let mine = || of(OnFail::Quarantine).filter(move |f| f.rows.value(row));
                let names: Vec<&str> = mine().map(|f| &*self.rules[f.rule].name).collect();
                let reasons: Vec<String> = mine().map(|f| self.explain(f, columns, row)).collect();
                checked.quarantined.push((row, names.join(","), reasons.join("; ")));
            }
        }
        if let Some(rows) = &drop {
            for row in rows.set_indices() {
                let mine: Vec<&Rule> =
                    of(OnFail::Drop).filter(|f| f.rows.value(row)).map(|f| &self.rules[f.rule]).collect();
                let names: Vec<&str> = mine.iter().map(|r| &*r.name).collect();
                checked.n_duplicates += u64::from(mine.iter().any(|r| matches!(r.test, Test::Unique { .. })));
                checked.dropped.push((row, names.join(",")));
            }
        }
        let kept = gone.filter(BooleanBuffer::has_true).map(|gone| BooleanArray::new(!&gone, None));
        // By input row, its place among those that pass.
        let place: Option<Vec<usize>> = kept.as_ref().map(|kept| {
            let mut passed = 0;
            let places = kept.values().iter().map(|k| {
                passed += usize::from(k);
                // Of a row that is not kept nobody asks.
                passed.saturating_sub(1)
            });
            places.collect()
        });
        let place = |row: usize| place.as_ref().map_or(row, |p| p[row]);
        let passes = |row: usize| kept.as_ref().is_none_or(|k| k.value(row));

        for f in of(OnFail::Flag) {
            for row in f.rows.set_indices().filter(|&r| passes(r)) {
                let n_pass = kept.as_ref().map_or(n, BooleanArray::true_count);
                let flags = checked.flags.get_or_insert_with(|| vec![Vec::new(); n_pass]);
                flags[place(row)].push(self.rules[f.rule].name.clone());
            }
        }
        let nulled = self.nulled(&checked.pass, of(OnFail::Null), &passes)?;
        if let Some((batch, cells)) = nulled {
            checked.pass = batch;
            checked.nulled =
                cells.into_iter().map(|(row, column, value)| (place(row), column, value)).collect();
        }
        if let Some(kept) = kept {
            checked.pass = filter_record_batch(&checked.pass, &kept).map_err(bug)?;
            checked.kept = Some(kept);
        }
        Ok(checked)
    }

    /// The batch with values nulled, and what they were, by row and column.
    #[expect(clippy::type_complexity, reason = "it is taken apart by its only caller")]
    fn nulled<'a>(
        &'a self,
        batch: &RecordBatch,
        failed: impl Iterator<Item = &'a Failed>,
        passes: &dyn Fn(usize) -> bool,
    ) -> Result<Option<(RecordBatch, Vec<(usize, String, String)>)>, Failure> {
        let mut masks: Vec<(usize, BooleanBuffer)> = Vec::new();
        for f in failed {
            for &column in &self.rules[f.rule].nulls {
                match masks.iter_mut().find(|(c, _)| *c == column) {
                    Some((_, mask)) => *mask = &*mask | &f.rows,
                    None => masks.push((column, f.rows.clone())),
                }
            }
        }
        if masks.is_empty() {
            return Ok(None);
        }
        masks.sort_unstable_by_key(|(c, _)| *c);
        let mut arrays = batch.columns().to_vec();
        let mut cells = Vec::new();
        for (column, mask) in masks {
            let name = self.schema.field(column).name();
            let at = batch.schema_ref().index_of(name).map_err(bug)?;
            let array = &arrays[at];
            cells.extend(
                mask.set_indices()
                    .filter(|&row| passes(row) && array.is_valid(row))
                    .map(|row| (row, name.clone(), shown::json(array, row))),
            );
            arrays[at] = nullif(array, &BooleanArray::new(mask, None)).map_err(bug)?;
        }
        // Stable: within a row the table's order of columns stays.
        cells.sort_by_key(|(row, ..)| *row);
        let batch = RecordBatch::try_new(batch.schema(), arrays).map_err(bug)?;
        Ok(Some((batch, cells)))
    }

    /// Why a row fails a rule, as a sentence: `speed = 230 is not in range 0 to 150`.
    fn explain(&self, failed: &Failed, columns: &[ArrayRef], row: usize) -> String {
        let rule = &self.rules[failed.rule];
        let values = || values(&self.schema, rule, columns, row);
        let is_null = rule.columns.iter().any(|&c| columns[c].is_null(row));
        match &rule.test {
            Test::Sql(_) if rule.columns.is_empty() => rule.complaint.clone(),
            Test::Sql(_) => format!("{} ({})", rule.complaint, values()),
            Test::Unique { whole_row: true } if !is_null => "the whole row was in the file before".into(),
            Test::Unique { .. } if is_null => format!("{} has no value to compare", values()),
            Test::Unique { .. } => format!("{} {}", values(), rule.complaint),
            _ if is_null => format!("{} is missing", self.schema.field(rule.columns[0]).name()),
            Test::Ordered { .. } => {
                let before = failed.compared.binary_search_by_key(&row, |(r, _)| *r).ok();
                match before.map(|i| failed.compared[i].1.as_str()) {
                    Some(last) => format!("{} {}: the value before is {last}", values(), rule.complaint),
                    None => format!("{} {}", values(), rule.complaint),
                }
            }
            _ => format!("{} {}", values(), rule.complaint),
        }
    }
}

/// The values that a rule looks at in a row: `speed = 230, route = 'M15'`.
fn values(schema: &SchemaRef, rule: &Rule, columns: &[ArrayRef], row: usize) -> String {
    let shown: Vec<String> =
        rule.columns.iter().map(|&c| shown::assignment(schema.field(c).name(), &columns[c], row)).collect();
    shown.join(", ")
}

fn sample(schema: &SchemaRef, rule: &Rule, columns: &[ArrayRef], row: usize) -> Option<String> {
    (!rule.columns.is_empty()).then(|| values(schema, rule, columns, row))
}

/// The numbers of a batch's rows in their file.
enum RowNumbers<'a> {
    Column(&'a PrimitiveArray<Int64Type>),
    /// No `_row`: counted from here.
    From(u64),
}

impl<'a> RowNumbers<'a> {
    fn of(batch: &'a RecordBatch, n_before: u64) -> Result<Self, Failure> {
        match batch.column_by_name(ROW) {
            None => Ok(RowNumbers::From(n_before + 1)),
            Some(column) => column
                .as_primitive_opt::<Int64Type>()
                .map(RowNumbers::Column)
                .ok_or_else(|| Failure::new(Code::Bug, format!("`{ROW}` is not of 64-bit integers"))),
        }
    }

    fn number(&self, row: usize) -> u64 {
        match self {
            RowNumbers::Column(numbers) if row < numbers.len() => numbers.value(row).unsigned_abs(),
            RowNumbers::Column(_) => 0,
            RowNumbers::From(first) => first + row as u64,
        }
    }
}

/// Why a rule has no answer.
enum Unevaluated {
    Row(usize, String),
    Batch(ArrowError),
}

impl From<ArrowError> for Unevaluated {
    fn from(e: ArrowError) -> Self {
        Unevaluated::Batch(e)
    }
}

/// The rows that fail `rule`; its memory moves on past the batch.
fn evaluate(
    rule: &Rule,
    input: Vec<ArrayRef>,
    n_rows: usize,
    memory: &mut Memory,
    keep_text: bool,
) -> Result<(BooleanBuffer, Vec<(usize, String)>), Unevaluated> {
    let holds = match (&rule.test, memory) {
        (Test::Present, _) => return Ok((missing(&input[0]), Vec::new())),
        (Test::Rows { .. }, _) => return Ok((BooleanBuffer::new_unset(n_rows), Vec::new())),
        (Test::Range(class, range), _) => range.holds(*class, &input[0])?,
        (Test::Set(class, set), _) => set.holds(*class, &input[0])?,
        (Test::Matches(regex), _) => matches(regex, &input[0])?,
        (Test::Sql(predicate), _) => {
            predicate.holds(input, n_rows).map_err(|(row, why)| Unevaluated::Row(row, why))?
        }
        (Test::Unique { whole_row }, Memory::Keys(converter, seen)) => {
            first_occurrences(converter, seen, &input, *whole_row, rule.null_fails)?
        }
        (Test::Ordered { class, increasing }, Memory::Last(last)) => {
            let values = class.view(&input[0])?;
            let run = ordered(*class, &values, last.as_ref(), *increasing);
            let texts = if keep_text { run.texts(&values, last.as_ref()) } else { Vec::new() };
            if let Some(row) = run.last {
                // One value of its own: a slice would keep the whole batch alive.
                *last = Some(arrow::compute::take(
                    &values,
                    &arrow::array::UInt32Array::from(vec![row as u32]),
                    None,
                )?);
            }
            let holds = BooleanArray::new(run.holds, values.nulls().cloned());
            return Ok((failing(&holds, rule.null_fails), texts));
        }
        (Test::Unique { .. } | Test::Ordered { .. }, _) => {
            unreachable!("a rule's memory was made for its test")
        }
    };
    Ok((failing(&holds, rule.null_fails), Vec::new()))
}

/// Which rows bring a key that no earlier row of the file had. NULL where a
/// part of the key is, but for whole rows, where NULL equals NULL.
fn first_occurrences(
    converter: &RowConverter,
    seen: &mut HashSet<u128>,
    columns: &[ArrayRef],
    whole_row: bool,
    null_fails: bool,
) -> Result<BooleanArray, ArrowError> {
    let n = columns.first().map_or(0, |c| c.len());
    let comparable: Vec<ArrayRef> = columns.iter().map(one_zero).collect();
    // With `null_is: fail` a missing value fails a whole row, too.
    let nulls = if whole_row && !null_fails { None } else { key_nulls(&comparable) };
    let rows = converter.convert_columns(&comparable)?;
    let first = BooleanBuffer::collect_bool(n, |i| {
        if nulls.as_ref().is_some_and(|valid| valid.is_null(i)) {
            return true;
        }
        let hash = blake3::hash(rows.row(i).as_ref());
        let half: [u8; 16] = hash.as_bytes()[..16].try_into().expect("a hash has 32 bytes");
        seen.insert(u128::from_le_bytes(half))
    });
    Ok(BooleanArray::new(first, nulls))
}

/// Floats with one zero and one NaN, so that equal values are equal bytes.
pub(crate) fn one_zero(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Float32 => {
            let one = |v: f32| if v.is_nan() { f32::NAN } else { v + 0.0 };
            Arc::new(array.as_primitive::<Float32Type>().unary::<_, Float32Type>(one))
        }
        DataType::Float64 => {
            let one = |v: f64| if v.is_nan() { f64::NAN } else { v + 0.0 };
            Arc::new(array.as_primitive::<Float64Type>().unary::<_, Float64Type>(one))
        }
        _ => array.clone(),
    }
}

/// A batch against the last good value.
struct Run {
    holds: BooleanBuffer,
    /// The row of the batch's last good value; `None`: there is none in it.
    last: Option<usize>,
    /// By row that fails: the row it was compared with, `None` for the value
    /// that an earlier batch left; rows that compare with nothing are absent.
    against: Vec<(usize, Option<usize>)>,
}

impl Run {
    /// What failing rows were compared with, for people.
    fn texts(&self, values: &ArrayRef, carried: Option<&ArrayRef>) -> Vec<(usize, String)> {
        self.against
            .iter()
            .filter_map(|&(row, before)| match before {
                Some(before) => Some((row, shown::value(values, before))),
                None => carried.map(|c| (row, shown::value(c, 0))),
            })
            .collect()
    }
}

fn ordered(class: Class, values: &ArrayRef, last: Option<&ArrayRef>, increasing: bool) -> Run {
    macro_rules! primitive {
        ($t:ty) => {{
            let carried = last.map(|l| l.as_primitive::<$t>().value(0));
            let array = values.as_primitive::<$t>();
            run(array.len(), |i| array.is_valid(i).then(|| array.value(i)), carried, increasing)
        }};
    }
    match class {
        Class::Int => primitive!(Int64Type),
        Class::Float => primitive!(Float64Type),
        Class::Float32 => primitive!(Float32Type),
        Class::Decimal(..) => primitive!(Decimal128Type),
        Class::Date => primitive!(Date32Type),
        Class::Time => primitive!(TimestampMicrosecondType),
        Class::Text => {
            let carried = last.map(|l| l.as_string::<i32>().value(0));
            let array = values.as_string::<i32>();
            run(array.len(), |i| array.is_valid(i).then(|| array.value(i)), carried, increasing)
        }
        Class::Bool => unreachable!("true and false have no order: refused when compiled"),
    }
}

/// A value that fails does not become the last good one; NaN is never good.
fn run<T: PartialOrd + Copy>(
    n: usize,
    value: impl Fn(usize) -> Option<T>,
    carried: Option<T>,
    increasing: bool,
) -> Run {
    let mut last = carried;
    let mut last_row = None;
    let mut against = Vec::new();
    let holds = BooleanBuffer::collect_bool(n, |row| {
        let Some(v) = value(row) else { return true };
        let good = match last {
            // A value that does not equal itself is not a number.
            None => v.partial_cmp(&v).is_some(),
            Some(l) if increasing => v > l,
            Some(l) => v < l,
        };
        if good {
            last = Some(v);
            last_row = Some(row);
        } else if last.is_some() {
            against.push((row, last_row));
        }
        good
    });
    Run { holds, last: last_row, against }
}

/// Whether a finding fails the file, and the sentence that says so.
fn rejection(rule: &Rule, finding: &Finding) -> Option<(Code, String)> {
    if finding.n_failed == 0 {
        return None;
    }
    if let Test::Rows { .. } = rule.test {
        let found = finding.sample.as_deref().unwrap_or_default();
        return (rule.on_fail == OnFail::Reject).then(|| {
            (Code::Rejected, format!("expectation `{}`: the file has {found}, {}", rule.name, rule.complaint))
        });
    }
    let (code, tolerated) = match (rule.on_fail, rule.tolerate) {
        (OnFail::Reject, share) => (Code::Rejected, share.unwrap_or(0.0)),
        (_, Some(share)) => (Code::TooManyBad, share),
        (_, None) => return None,
    };
    // Division rounds to the nearest, so 7 of 100 is exactly the literal 0.07.
    if finding.n_failed as f64 / finding.n_checked as f64 <= tolerated {
        return None;
    }
    let beyond = match rule.tolerate {
        Some(share) if share > 0.0 => format!(", more than the tolerated {} %", (share * 1e6).round() / 1e4),
        _ => String::new(),
    };
    let rows: Vec<String> = finding.first_rows.iter().map(u64::to_string).collect();
    let dots = if finding.n_failed as usize > rows.len() { ", …" } else { "" };
    let plural = if rows.len() == 1 { "row" } else { "rows" };
    let example = finding.sample.as_deref().map(|s| format!(", for example {s}")).unwrap_or_default();
    let what = match (&rule.test, rule.columns.is_empty()) {
        (Test::Sql(_), _) | (_, true) => rule.complaint.clone(),
        _ => format!("a value {}", rule.complaint),
    };
    Some((
        code,
        format!(
            "expectation `{}`: {what} in {} of {}{beyond}; {plural} {}{dots}{example}",
            rule.name,
            finding.n_failed,
            counted(finding.n_checked),
            rows.join(", "),
        ),
    ))
}

fn counted(n_rows: u64) -> String {
    if n_rows == 1 { "1 row".into() } else { format!("{n_rows} rows") }
}

/// One failure of all rejections: the first in full, outright ones before
/// exceeded shares, and the names of the others.
fn combined(mut rejections: Vec<(Code, Arc<str>, String)>) -> Option<Failure> {
    rejections.sort_by_key(|(code, ..)| *code != Code::Rejected);
    let mut rest = rejections.into_iter();
    let (code, _, text) = rest.next()?;
    let others: Vec<String> = rest.map(|(_, name, _)| format!("`{name}`")).collect();
    let text = if others.is_empty() { text } else { format!("{text}; and also by {}", others.join(", ")) };
    Some(Failure::new(code, text))
}

fn bug(e: ArrowError) -> Failure {
    Failure::new(Code::Bug, format!("checked rows could not be put together: {e}"))
}
