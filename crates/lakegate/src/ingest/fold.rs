//! The straight line from a file's rows to what its tables get: transform,
//! conform, quality, expect, and the columns that every row carries. What a file's rows
//! become depends on nothing but the file and the configuration.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow::array::*;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use lakegate_domain::model::{Dataset, Evolve, Kind};
use lakegate_domain::{Code, Failure, FileId};
use lakegate_format::conform::{self, Conformed, Plan, Target};
use lakegate_format::typed_conform::{delta_type, json_text};
use lakegate_lake::expect::{Checked, FileCheck};
use lakegate_lake::layout;
use lakegate_lake::transform::{Held, Limits as TransformLimits, Output, Transform};
use tokio::runtime::Handle;

use super::contents::{Inventory, Tally};
use super::derived;
use super::gather;
use super::hook::Call;
use super::outcome::{FileOut, TableOut};
use super::parse::{Parsed, Rows};
use super::quality::{self, Originals, Slice, Waiting};
use super::tables::{TableView, View};
use crate::statements::placed;

/// The facts of a landed file that its rows may carry.
#[derive(Clone, Debug)]
pub struct FileFacts {
    pub file_id: FileId,
    pub path: String,
    pub size_bytes: u64,
    pub modified_us: i64,
}

/// Rows that are ready for a table, and for the table beside it.
#[derive(Debug)]
pub struct Ready {
    pub table: String,
    pub rows: Option<RecordBatch>,
    pub quarantined: Option<RecordBatch>,
}

/// Why a file's rows go no further.
#[derive(Debug)]
pub enum Halt {
    Failed(Failure),
    /// A person asked to stop; the file is as it was.
    Stopped,
    /// What becomes of its rows does not fit in memory beside the others'.
    TooLarge,
}

impl From<Failure> for Halt {
    fn from(f: Failure) -> Self {
        Halt::Failed(f)
    }
}

/// Takes rows as they become ready.
pub type Put<'p> = dyn FnMut(Ready) -> Result<(), Halt> + 'p;

/// What a transform may make of some rows before they go on.
const SLICE_BYTES: usize = 4 << 20;
/// Rows that a transform sees first, when it is not known what it makes of them,
/// and at most.
const SLICE_ROWS: (usize, usize) = (64, 1 << 16);
/// How often it is looked whether a person asked to stop.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// One file being folded, batch by batch in the file's order.
pub struct FileFold<'a> {
    dataset: &'a Dataset,
    view: View,
    facts: FileFacts,
    loaded_at_us: i64,
    runtime: Handle,
    limits: TransformLimits,
    stop: &'a AtomicBool,
    /// Whether no other file is folded at the same time.
    is_alone: bool,
    /// Where hooks run, and the groups that they are told of.
    hooks: Option<(&'a Path, &'a [(String, String)])>,
    /// Rows that tables got of which others are made, by table.
    origins: BTreeMap<String, Vec<RecordBatch>>,
    tables: BTreeMap<String, TableFold>,
    contents: Inventory,
}

struct TableFold {
    check: FileCheck,
    out: TableOut,
    transforms: HashMap<SchemaRef, Arc<Transform>>,
    /// Input of a transform that looks at the whole file.
    held: Option<Held>,
    /// Rows for quality checks, which look at the whole file too.
    waiting: Option<Waiting>,
    /// Rows that a row-wise transform sees at a time.
    slice_rows: usize,
    /// Rows that came so far.
    n_taken: u64,
}

impl<'a> FileFold<'a> {
    pub fn new(
        dataset: &'a Dataset,
        view: View,
        facts: FileFacts,
        loaded_at_us: i64,
        runtime: Handle,
        limits: TransformLimits,
        stop: &'a AtomicBool,
    ) -> Self {
        Self {
            dataset,
            view,
            facts,
            loaded_at_us,
            runtime,
            limits,
            stop,
            is_alone: true,
            hooks: None,
            origins: BTreeMap::new(),
            tables: BTreeMap::new(),
            contents: Inventory::default(),
        }
    }

    /// Other files are folded at the same time: one that is too large for its
    /// share of the memory is to be tried alone.
    pub fn beside_others(self) -> Self {
        Self { is_alone: false, ..self }
    }

    /// Hooks over another table's rows run in this folder, the lake's.
    pub fn with_hooks(self, root: &'a Path, groups: &'a [(String, String)]) -> Self {
        Self { hooks: Some((root, groups)), ..self }
    }

    /// What was gathered of the file's contents where its rows were all read before.
    pub fn with_contents(self, contents: Inventory) -> Self {
        Self { contents, ..self }
    }

    /// Notes what rows of the file hold, in the file's order.
    pub fn note(&mut self, tally: &Tally) {
        self.contents.add(tally);
    }

    /// Sees the tables as they have grown.
    pub fn set_view(&mut self, view: View) {
        self.view = view;
    }

    /// Whether rows of the file went to this table already.
    pub fn has_rows_of(&self, table: &str) -> bool {
        self.tables.contains_key(table)
    }

    fn table(&self, name: &str) -> Result<Arc<TableView>, Failure> {
        self.view
            .tables
            .get(name)
            .cloned()
            .ok_or_else(|| Failure::new(Code::Bug, format!("table `{name}` was not opened")))
    }

    /// Folds the next batch and hands on what is ready, in pieces whose size does
    /// not depend on what a transform makes of a row. `conformed` is the batch's
    /// conform under the same view, if a worker has done it already.
    pub fn add(
        &mut self,
        parsed: Parsed,
        conformed: Option<Conformed>,
        put: &mut Put<'_>,
    ) -> Result<(), Halt> {
        let table = self.table(&parsed.table)?;
        let fold = self.tables.entry(parsed.table.clone()).or_insert_with(|| TableFold {
            check: table.checks.start(),
            out: TableOut::default(),
            transforms: HashMap::new(),
            held: None,
            waiting: None,
            slice_rows: SLICE_ROWS.0,
            n_taken: 0,
        });
        let n_rows = parsed.rows.n_rows();
        let first_row = fold.n_taken + 1;
        fold.n_taken += n_rows as u64;
        fold.out.counts.n_read += parsed.n_read;
        let Some(sql) = &table.config.transform else {
            let (parsed, flags) = without_flags(&table, parsed)?;
            let conformed = match conformed {
                Some(c) => c,
                None => conform_rows(&table.plan, &parsed, first_row)?,
            };
            let rows = Int64Array::from_iter_values(first_row as i64..(first_row as i64 + n_rows as i64));
            return put(self.conformed(&parsed.table, &table, conformed, rows, flags, parsed.rows)?);
        };
        let input = transform_input(self.dataset, &parsed, &self.facts, first_row, &table.plan.nulls)?;
        let seen: SchemaRef = without_row(input.schema_ref());
        let transform = match fold.transforms.get(&seen) {
            Some(t) => t.clone(),
            None => {
                let compiled = self.runtime.block_on(Transform::compile(sql, seen.clone()));
                let t = Arc::new(compiled.map_err(|f| placed(f, self.dataset, "transform", sql))?);
                fold.transforms.insert(seen, t.clone());
                t
            }
        };
        if !transform.is_row_wise() {
            fold.held.get_or_insert_with(|| Held::new(self.limits.clone())).push(input)?;
            return Ok(());
        }
        let mut slice_rows = fold.slice_rows;
        let mut done = 0;
        // An empty batch, too, says which columns there are.
        while done == 0 || done < n_rows {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Halt::Stopped);
            }
            let n = slice_rows.min(n_rows - done);
            let output = transform.apply(&input.slice(done, n))?;
            // As many more rows at a time as make no more than they may.
            let fit = n * SLICE_BYTES / size_bytes(&output).max(1);
            slice_rows = fit.clamp(1, (n * 8).clamp(1, SLICE_ROWS.1));
            put(self.typed(&parsed.table, &table, output)?)?;
            done += n.max(1);
        }
        self.tables.get_mut(&parsed.table).expect("made above").slice_rows = slice_rows;
        Ok(())
    }

    /// Conforms and checks the output of a transform, which carries `_row`.
    fn typed(&mut self, name: &str, table: &TableView, output: RecordBatch) -> Result<Ready, Halt> {
        let (data, rows) = take_rows(output)?;
        let first = rows.values().first().copied().unwrap_or(1) as u64;
        let (data, flags) = match table.config.origin {
            Some(_) => derived::without_flags(&table.config, &table.plan, &data)?,
            None => (data, derived::no_flags(rows.len())?),
        };
        let conformed = conform::conform_typed(&table.plan, &data, first).map_err(Failure::from)?;
        self.conformed(name, table, conformed, rows, flags, Rows::Typed(data))
    }

    /// Hands rows on, or keeps them where a grid or quality checks are to see the
    /// whole file. `flags` are those that another table's rows came with.
    fn conformed(
        &mut self,
        name: &str,
        table: &TableView,
        conformed: Conformed,
        rows: Int64Array,
        flags: RecordBatch,
        original: Rows,
    ) -> Result<Ready, Halt> {
        if table.quality.is_empty() && table.grid.is_none() {
            let ready = self.checked(name, table, conformed, rows, &Original::Batch(&original))?;
            self.keep(name, table, &ready)?;
            return Ok(ready);
        }
        let fold = self.tables.get_mut(name).expect("made by add");
        fold.waiting.get_or_insert_default().push(table, conformed, rows, flags, original);
        self.check_held(name)?;
        Ok(Ready { table: name.into(), rows: None, quarantined: None })
    }

    /// Keeps the rows that a table gets for those that are made of it.
    fn keep(&mut self, name: &str, table: &TableView, ready: &Ready) -> Result<(), Halt> {
        let Some(rows) = ready.rows.as_ref().filter(|_| derived::is_origin(self.dataset, name)) else {
            return Ok(());
        };
        let own = derived::own_columns(table, rows)?;
        self.origins.entry(name.into()).or_default().push(own);
        self.check_held(name)
    }

    /// Stops a file with more rows to hold than memory may.
    fn check_held(&self, name: &str) -> Result<(), Halt> {
        let waiting: usize = self.tables.values().flat_map(|t| &t.waiting).map(Waiting::size_bytes).sum();
        let kept: usize = self.origins.values().flatten().map(size_bytes).sum();
        self.check_room(name, waiting + kept)
    }

    fn check_room(&self, name: &str, size_bytes: usize) -> Result<(), Halt> {
        if size_bytes <= self.limits.memory_bytes {
            return Ok(());
        }
        if !self.is_alone {
            return Err(Halt::TooLarge);
        }
        let n_rows = self.tables.get(name).map_or(0, |t| t.n_taken);
        Err(of_table(name, quality::too_large(n_rows, self.limits.memory_bytes)).into())
    }

    /// Runs a table's quality checks over the rows that wait for them.
    fn judged(&mut self, name: &str, waiting: Waiting, put: &mut Put<'_>) -> Result<(), Halt> {
        let table = self.table(name)?;
        let grid = table.grid.as_deref();
        let judged = waiting.judge(&table.quality, grid, self.limits.memory_bytes);
        let (mut judged, originals) = judged.map_err(|f| of_table(name, f))?;
        let out = &mut self.tables.get_mut(name).expect("its own key").out;
        out.counts.n_in += judged.n_dropped;
        out.counts.n_dropped += judged.n_dropped;
        out.quality = std::mem::take(&mut judged.findings);
        for Slice { conformed, numbers, first } in quality::slices(&mut judged) {
            let original = Original::File(&originals, first);
            let ready = self.checked(name, &table, conformed, numbers, &original)?;
            self.keep(name, &table, &ready)?;
            put(ready)?;
        }
        Ok(())
    }

    fn checked(
        &mut self,
        name: &str,
        table: &TableView,
        conformed: Conformed,
        rows: Int64Array,
        original: &Original<'_>,
    ) -> Result<Ready, Failure> {
        let fold = self.tables.get_mut(name).expect("made by add");
        let n_in = conformed.batch.num_rows();
        fold.out.counts.n_in += n_in as u64;
        let with_row = with_column(&conformed.batch, layout::ROW, Arc::new(rows.clone()))?;
        let Conformed { rescued, batch: data } = conformed;
        if table.checks.is_empty() {
            fold.out.counts.n_committed += n_in as u64;
            for (f, c) in data.schema_ref().fields().iter().zip(data.columns()) {
                fold.out.stats.entry(f.name().clone()).or_default().add(c.as_ref());
            }
            let ready =
                finish_rows(self.dataset, table, &self.facts, self.loaded_at_us, with_row, rescued, None)?;
            return Ok(Ready { table: name.into(), rows: Some(ready), quarantined: None });
        }
        let Checked { pass, flags, nulled, quarantined, dropped, n_duplicates, kept } =
            fold.check.check(with_row)?;
        self.check_memory(name)?;
        let fold = self.tables.get_mut(name).expect("made by add");
        let counts = &mut fold.out.counts;
        counts.n_committed += pass.num_rows() as u64;
        counts.n_quarantined += quarantined.len() as u64;
        counts.n_duplicate += n_duplicates;
        counts.n_dropped += dropped.len() as u64 - n_duplicates;
        let mut rescued = match (&kept, rescued) {
            (Some(kept), Some(r)) => Some(
                r.into_iter()
                    .zip(kept.values())
                    .filter_map(|(v, keep)| keep.then_some(v))
                    .collect::<Vec<_>>(),
            ),
            (_, r) => r,
        };
        for (row, column, value) in nulled {
            let all = rescued.get_or_insert_with(|| vec![None; pass.num_rows()]);
            all[row] = Some(conform::rescued_with(all[row].as_deref(), &column, &value));
        }
        for (f, c) in pass.schema_ref().fields().iter().zip(pass.columns()) {
            if f.name() != layout::ROW {
                fold.out.stats.entry(f.name().clone()).or_default().add(c.as_ref());
            }
        }
        let quarantine = if quarantined.is_empty() {
            None
        } else {
            Some(quarantine_rows(&self.facts, self.loaded_at_us, &quarantined, &rows, original)?)
        };
        let ready = finish_rows(self.dataset, table, &self.facts, self.loaded_at_us, pass, rescued, flags)?;
        Ok(Ready { table: name.into(), rows: Some(ready), quarantined: quarantine })
    }

    /// Stops a file with more keys than memory may hold.
    fn check_memory(&self, name: &str) -> Result<(), Failure> {
        let held: usize = self.tables.values().map(|t| t.check.memory_bytes()).sum();
        let limit = self.limits.memory_bytes / 3 * 2;
        if held <= limit {
            return Ok(());
        }
        Err(Failure::new(
            Code::TooManyKeys,
            format!(
                "table {name}: the keys that `unique` has to remember of the file's first {} rows take more than {} \
                 MiB of memory",
                self.tables.get(name).map_or(0, |t| t.out.counts.n_in),
                limit >> 20
            ),
        ))
    }

    /// Runs the transforms and the quality checks that look at the whole file;
    /// `put` takes what they yield, batch by batch.
    pub fn rest(&mut self, put: &mut Put<'_>) -> Result<(), Halt> {
        let names: Vec<String> = self.tables.keys().cloned().collect();
        for name in names {
            self.rest_of(&name, put)?;
        }
        for (name, origin) in derived::tables(self.dataset) {
            let Some(rows) = self.origins.get(origin).cloned() else { continue };
            for part in self.derived(name, origin, rows)? {
                self.add(part, None, put)?;
            }
            self.rest_of(name, put)?;
        }
        Ok(())
    }

    fn rest_of(&mut self, name: &str, put: &mut Put<'_>) -> Result<(), Halt> {
        if let Some(held) = self.tables.get_mut(name).and_then(|t| t.held.take()) {
            let table = self.table(name)?;
            self.transformed(name, &table, held, put)?;
        }
        if let Some(waiting) = self.tables.get_mut(name).and_then(|t| t.waiting.take()) {
            self.judged(name, waiting, put)?;
        }
        Ok(())
    }

    /// The rows of a table that is made of another's.
    fn derived(&self, name: &str, origin: &str, rows: Vec<RecordBatch>) -> Result<Vec<Parsed>, Halt> {
        let plan = &self.table(origin)?.plan;
        let parts: Vec<Parsed> = rows.into_iter().map(|rows| derived::parsed(name, plan, rows)).collect();
        let table = self.table(name)?;
        let Some(hook) = &table.config.hook else { return Ok(parts) };
        let Some((root, groups)) = self.hooks else {
            return Err(Failure::new(Code::Bug, format!("table {name}: no folder for its hook")).into());
        };
        let call = Call {
            root,
            dataset: &self.dataset.name,
            table: name,
            file: &self.facts.path,
            groups,
            stop: self.stop,
        };
        let mut held = 0;
        let (is_alone, limit) = (self.is_alone, self.limits.memory_bytes);
        gather::hooked(self.dataset, hook, parts, &call, &mut |size| {
            held += size;
            match (held <= limit, is_alone) {
                (true, _) => Ok(()),
                (false, true) => Err(of_table(name, quality::too_large(0, limit)).into()),
                (false, false) => Err(Halt::TooLarge),
            }
        })
    }

    /// Runs a transform over the rows that it held.
    fn transformed(
        &mut self,
        name: &str,
        table: &TableView,
        held: Held,
        put: &mut Put<'_>,
    ) -> Result<(), Halt> {
        // Batches of one file may know different columns: all of them count.
        let input = merge_schemas(held.schemas().iter().map(|s| s.as_ref().clone()))?;
        let sql = table.config.transform.as_deref().unwrap_or_default();
        let compiled = self.runtime.block_on(Transform::compile(sql, without_row(&input)));
        let transform = compiled.map_err(|f| placed(f, self.dataset, "transform", sql))?;
        let mut output = self.runtime.block_on(transform.run(held))?;
        while let Some(batch) = self.next_of(&mut output)? {
            put(self.typed(name, table, batch)?)?;
        }
        Ok(())
    }

    /// The next rows of a statement, which may work for a long time for them.
    fn next_of(&self, output: &mut Output) -> Result<Option<RecordBatch>, Halt> {
        self.runtime.block_on(async {
            loop {
                if self.stop.load(Ordering::Relaxed) {
                    return Err(Halt::Stopped);
                }
                if let Ok(next) = tokio::time::timeout(LOOK_EVERY, output.next()).await {
                    return Ok(next?);
                }
            }
        })
    }

    /// The file's counts, findings and statistics; rows were handed out by
    /// [`FileFold::add`] and [`FileFold::rest`].
    ///
    /// # Errors
    /// LG501 and LG502 where an expectation rejects the file.
    pub fn finish(self) -> Result<FileOut, Failure> {
        let mut out =
            FileOut { contents: self.contents.finish(self.dataset, &self.view), ..FileOut::default() };
        for (name, fold) in self.tables {
            let TableFold { check, out: mut table, .. } = fold;
            let (findings, rejected) = check.finish();
            if let Some(failure) = rejected {
                return Err(of_table(&name, failure));
            }
            table.findings = findings;
            if !table.counts.is_conserved() {
                return Err(Failure::new(Code::Bug, format!("rows are not conserved: {:?}", table.counts)));
            }
            out.tables.insert(name, table);
        }
        Ok(out)
    }
}

/// Where the rows as they came are to be found.
pub enum Original<'a> {
    Batch(&'a Rows),
    /// The whole file's, and which of its rows is the first one here.
    File(&'a Originals, usize),
}

impl Original<'_> {
    /// Rows as JSON text.
    pub fn texts(&self, rows: &[usize]) -> Result<Vec<String>, Failure> {
        match self {
            Original::Batch(Rows::Text(t)) => {
                Ok(rows.iter().map(|r| conform::original_text(t, *r)).collect())
            }
            Original::Batch(Rows::Typed(b)) => json_rows(b, rows),
            Original::File(all, first) => rows.iter().map(|row| all.text(first + row)).collect(),
        }
    }
}

fn of_table(name: &str, failure: Failure) -> Failure {
    Failure { message: format!("table {name}: {}", failure.message), ..failure }
}

/// Parts what another table gives into values and their flags.
fn without_flags(table: &TableView, parsed: Parsed) -> Result<(Parsed, RecordBatch), Failure> {
    match &parsed.rows {
        Rows::Typed(rows) if table.config.origin.is_some() => {
            let (rows, flags) = derived::without_flags(&table.config, &table.plan, rows)?;
            Ok((Parsed { rows: Rows::Typed(rows), ..parsed }, flags))
        }
        rows => {
            let n_rows = rows.n_rows();
            Ok((parsed, derived::no_flags(n_rows)?))
        }
    }
}

/// What the rows of a batch take, without what else is in their buffers.
pub fn size_bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|c| c.to_data().get_slice_memory_size().unwrap_or(0)).sum()
}

/// Rows as the plan's columns, converted from the units that their file states.
pub fn conform_rows(plan: &Plan, parsed: &Parsed, first_row: u64) -> Result<Conformed, Failure> {
    let names: Vec<&str> = parsed.rows.names().collect();
    let plan = conform::with_stated_units(plan, &names, &parsed.stream.units)?;
    Ok(match &parsed.rows {
        Rows::Text(t) => conform::conform_text(&plan, t, first_row)?,
        Rows::Typed(b) => conform::conform_typed(&plan, b, first_row)?,
    })
}

/// The file's columns as a transform sees them: by their SQL names, those of
/// `input:` with their types, everything else of a text file as text.
/// `nulls` are the spellings of a missing value of the reader that feeds the table.
fn input_plan(dataset: &Dataset, rows: &Rows, nulls: &[String]) -> Result<Plan, Failure> {
    let mut targets: Vec<Target> =
        dataset.input.iter().map(|c| Target::declared(c.clone(), c.kind.unwrap_or(Kind::String))).collect();
    let mut add = |name: &str, t: DataType| {
        if !targets.iter().any(|x| x.spec.is_from(name)) {
            targets.push(Target::inferred(name, t));
        }
    };
    match rows {
        Rows::Text(t) => t.names.iter().for_each(|n| add(n, DataType::Utf8)),
        Rows::Typed(b) => {
            b.schema_ref().fields().iter().for_each(|f| add(f.name(), delta_type(f.data_type())))
        }
    }
    let plan =
        Plan { targets, evolve: Evolve::Rescue, timezone: dataset.timezone.clone(), nulls: nulls.to_vec() };
    conform::check_names(&plan, "input")?;
    Ok(plan)
}

/// Facts of the file that a transform sees beside its columns.
pub fn fact_fields() -> [Field; 4] {
    [
        Field::new("_file_name", DataType::Utf8, true),
        Field::new("_file_path", DataType::Utf8, true),
        Field::new("_file_size", DataType::Int64, true),
        Field::new("_file_modified", layout::timestamp(), true),
    ]
}

/// A transform compiled for a file's columns, before any row is read.
pub async fn compile_transform(
    dataset: &Dataset,
    sql: &str,
    parts: &[&Parsed],
    nulls: &[String],
) -> Result<Transform, Failure> {
    let mut schemas = Vec::new();
    for p in parts {
        let plan = input_plan(dataset, &p.rows, nulls)?;
        let fields: Vec<Field> =
            plan.schema().fields().iter().map(|f| f.as_ref().clone()).chain(fact_fields()).collect();
        schemas.push(Schema::new(fields));
    }
    let input = merge_schemas(schemas)?;
    Transform::compile(sql, input).await.map_err(|f| placed(f, dataset, "transform", sql))
}

/// What a transform sees of a batch: the file's columns, as the plan has them, its
/// facts, and `_row`.
pub fn transform_input(
    dataset: &Dataset,
    parsed: &Parsed,
    facts: &FileFacts,
    first_row: u64,
    nulls: &[String],
) -> Result<RecordBatch, Failure> {
    let plan = input_plan(dataset, &parsed.rows, nulls)?;
    let Conformed { batch, rescued } = conform_rows(&plan, parsed, first_row)?;
    if let Some(row) = rescued.and_then(|r| r.iter().position(Option::is_some)) {
        return Err(Failure::new(
            Code::DoesNotFit,
            format!("row {}: a value does not fit the type that `input:` declares", first_row + row as u64),
        ));
    }
    let n = batch.num_rows();
    let name = facts.path.rsplit('/').next().unwrap_or(&facts.path);
    let modified = TimestampMicrosecondArray::from(vec![facts.modified_us; n]).with_timezone("UTC");
    let values: [ArrayRef; 4] = [
        Arc::new(StringArray::from(vec![name; n])),
        Arc::new(StringArray::from(vec![facts.path.as_str(); n])),
        Arc::new(Int64Array::from(vec![facts.size_bytes as i64; n])),
        Arc::new(modified),
    ];
    let mut batch = batch;
    for (field, value) in fact_fields().iter().zip(values) {
        batch = with_column(&batch, field.name(), value)?;
    }
    let rows = Int64Array::from_iter_values(first_row as i64..first_row as i64 + n as i64);
    with_column(&batch, layout::ROW, Arc::new(rows))
}

fn merge_schemas(schemas: impl IntoIterator<Item = Schema>) -> Result<SchemaRef, Failure> {
    Schema::try_merge(schemas)
        .map(Arc::new)
        .map_err(|e| Failure::new(Code::Transform, format!("the file's columns change their types: {e}")))
}

fn without_row(schema: &Schema) -> SchemaRef {
    Arc::new(Schema::new(
        schema.fields().iter().filter(|f| f.name() != layout::ROW).cloned().collect::<Vec<_>>(),
    ))
}

fn take_rows(batch: RecordBatch) -> Result<(RecordBatch, Int64Array), Failure> {
    let at = batch
        .schema_ref()
        .index_of(layout::ROW)
        .map_err(|e| Failure::new(Code::Bug, format!("a transform lost its row numbers: {e}")))?;
    let rows = batch.column(at).as_primitive::<arrow::datatypes::Int64Type>().clone();
    let rest: Vec<usize> = (0..batch.num_columns()).filter(|i| *i != at).collect();
    Ok((batch.project(&rest).map_err(bug)?, rows))
}

fn with_column(batch: &RecordBatch, name: &str, array: ArrayRef) -> Result<RecordBatch, Failure> {
    let mut fields: Vec<_> = batch.schema_ref().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(name, array.data_type().clone(), true)));
    let mut columns = batch.columns().to_vec();
    columns.push(array);
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(bug)
}

/// Adds what every row carries, and the columns of time partitions.
fn finish_rows(
    dataset: &Dataset,
    table: &TableView,
    facts: &FileFacts,
    loaded_at_us: i64,
    rows: RecordBatch,
    rescued: Option<Vec<Option<String>>>,
    flags: Option<Vec<Vec<Arc<str>>>>,
) -> Result<RecordBatch, Failure> {
    let n = rows.num_rows();
    let mut batch = rows;
    if dataset.provenance {
        let ids = Int64Array::from(vec![facts.file_id.0; n]);
        batch = with_column(&batch, layout::FILE_ID, Arc::new(ids))?;
        let at = TimestampMicrosecondArray::from(vec![loaded_at_us; n]).with_timezone("UTC");
        batch = with_column(&batch, layout::LOADED_AT, Arc::new(at))?;
    }
    if let Some(flags) = flags {
        let mut b =
            ListBuilder::new(StringBuilder::new()).with_field(Field::new("element", DataType::Utf8, true));
        for names in &flags {
            if names.is_empty() {
                b.append_null();
                continue;
            }
            names.iter().for_each(|n| b.values().append_value(n));
            b.append(true);
        }
        batch = with_column(&batch, layout::FLAGS, Arc::new(b.finish()))?;
    }
    if let Some(rescued) = rescued
        && rescued.iter().any(Option::is_some)
    {
        batch = with_column(&batch, conform::RESCUED, Arc::new(StringArray::from(rescued)))?;
    }
    // With the rows' numbers, which a failure names.
    batch = layout::with_partitions(batch, &table.partition_by)?;
    if dataset.provenance { Ok(batch) } else { Ok(take_rows(batch)?.0) }
}

/// Columns of every quarantine table.
pub fn quarantine_schema() -> SchemaRef {
    let text = |n: &str| Field::new(n, DataType::Utf8, true);
    Arc::new(Schema::new(vec![
        Field::new(layout::FILE_ID, DataType::Int64, true),
        Field::new(layout::ROW, DataType::Int64, true),
        text("_file_path"),
        text("_expectation"),
        text("_reason"),
        text("_original"),
        Field::new(layout::LOADED_AT, layout::timestamp(), true),
    ]))
}

fn quarantine_rows(
    facts: &FileFacts,
    loaded_at_us: i64,
    quarantined: &[(usize, String, String)],
    rows: &Int64Array,
    original: &Original<'_>,
) -> Result<RecordBatch, Failure> {
    let n = quarantined.len();
    let originals = original.texts(&quarantined.iter().map(|(row, ..)| *row).collect::<Vec<_>>())?;
    RecordBatch::try_new(
        quarantine_schema(),
        vec![
            Arc::new(Int64Array::from(vec![facts.file_id.0; n])),
            Arc::new(Int64Array::from_iter_values(quarantined.iter().map(|(r, ..)| rows.value(*r)))),
            Arc::new(StringArray::from(vec![facts.path.as_str(); n])),
            Arc::new(StringArray::from_iter_values(quarantined.iter().map(|(_, e, _)| e))),
            Arc::new(StringArray::from_iter_values(quarantined.iter().map(|(_, _, r)| r))),
            Arc::new(StringArray::from(originals)),
            Arc::new(TimestampMicrosecondArray::from(vec![loaded_at_us; n]).with_timezone("UTC")),
        ],
    )
    .map_err(bug)
}

fn json_rows(batch: &RecordBatch, rows: &[usize]) -> Result<Vec<String>, Failure> {
    let indices = UInt32Array::from_iter_values(rows.iter().map(|row| *row as u32));
    let rows = arrow::compute::take_record_batch(batch, &indices).map_err(bug)?;
    let texts = json_text(&(Arc::new(StructArray::from(rows)) as ArrayRef)).map_err(Failure::from)?;
    Ok(texts.as_string::<i32>().iter().map(|t| t.unwrap_or("{}").to_string()).collect())
}

fn bug(e: arrow::error::ArrowError) -> Failure {
    Failure::new(Code::Bug, e.to_string())
}
