//! The tables of one dataset while files are being ingested: what is known of
//! each table's columns, and how it grows.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, SchemaRef};
use lakegate_domain::model::{Column, Dataset, Evolve, Kind, OnFail, PartitionBy, Table};
use lakegate_domain::{Code, Failure, LaneName};
use lakegate_format::conform::{self, Plan, Target};
use lakegate_format::infer::{self, Seen};
use lakegate_format::netcdf::stated::Stated;
use lakegate_format::typed_conform::{self, delta_type};
use lakegate_lake::expect::Checks;
use lakegate_lake::files::widen;
use lakegate_lake::grid::{self, GridStage};
use lakegate_lake::layout::{self, Extras};
use lakegate_lake::log::TableLog;
use lakegate_lake::quality::Stage;
use lakegate_lake::sink::SinkOptions;

use super::dedupe::Dedupers;
use super::derived;
use super::fold::compile_transform;
use super::gather::nulls_of;
use super::parse::{Parsed, Rows};
use super::quality;
use lakegate_format::text::Notation;

/// Rows per chunk that inference looks at.
const LOOK_ROWS: usize = 2000;
/// A larger table is not rewritten because an inferred column becomes wider.
const WIDEN_AT_MOST_BYTES: u64 = 2 << 30;

/// One table: its configuration, its log and its columns.
#[derive(Clone)]
pub struct TableState {
    pub config: Table,
    pub log: TableLog,
    pub quarantine: TableLog,
    pub plan: Plan,
    /// As the table is laid out; only a replay brings today's configuration.
    pub partition_by: Vec<PartitionBy>,
    pub extras: Extras,
    pub grid: Option<Arc<GridStage>>,
    pub quality: Arc<Stage>,
    pub checks: Arc<Checks>,
    /// Whether the plan differs from the stored schema.
    pub grown: bool,
    /// Whether the columns are still to be found: there is no table, or it is
    /// being rebuilt.
    pub anew: bool,
    /// Whether a file's columns were looked at already.
    seen: bool,
    /// Columns that stay integers although doubles came: the table is too large
    /// to be rewritten, or a double would round what it holds.
    stay_int: Vec<String>,
    /// What is declared with a type that the table has not: no rows go to it.
    changed_type: Option<String>,
}

/// The tables of a dataset, opened as files need them.
pub struct Tables {
    dataset: Arc<Dataset>,
    storage: PathBuf,
    lanes: Vec<LaneName>,
    /// Take no account of the stored columns: everything is about to be rebuilt.
    anew: bool,
    open: BTreeMap<String, TableState>,
    /// How often a column became wider: what was conformed before is outdated.
    n_widened: usize,
    /// How data files are rewritten; `None` where none is.
    sink: Option<SinkOptions>,
    /// What is remembered of rows that count as one.
    dedupers: Dedupers,
}

/// What was known of the tables before files were looked at.
pub struct Saved(BTreeMap<String, TableState>);

/// What workers see of the tables: immutable, shared, replaced when a table grows.
#[derive(Clone, Default)]
pub struct View {
    pub tables: HashMap<String, Arc<TableView>>,
}

pub struct TableView {
    pub config: Table,
    pub plan: Plan,
    pub partition_by: Vec<PartitionBy>,
    pub grid: Option<Arc<GridStage>>,
    pub quality: Arc<Stage>,
    pub checks: Arc<Checks>,
    /// No file's columns were looked at yet, and there is no table to tell them.
    fresh: bool,
    stay_int: Vec<String>,
    has_changed_type: bool,
}

impl View {
    /// Whether rows tell something of the columns of their table, or of those that
    /// are made of it, that these do not know yet.
    pub fn is_news(&self, dataset: &Dataset, parsed: &Parsed) -> bool {
        let mut tables = vec![parsed.table.as_str()];
        for (name, origin) in derived::tables(dataset) {
            if tables.contains(&origin.as_str()) {
                tables.push(name);
            }
        }
        let is_new = |name: &&str| self.tables.get(*name).is_none_or(|t| t.fresh || t.has_changed_type);
        tables.iter().any(is_new) || self.tables.get(&parsed.table).is_some_and(|t| t.is_news(&parsed.rows))
    }
}

impl TableView {
    /// Whether rows tell something of the table's columns that it does not know
    /// yet: a column, or a double where integers were inferred.
    pub fn is_news(&self, rows: &Rows) -> bool {
        self.fresh
            || self.has_changed_type
            || self.config.transform.is_some()
            || !conform::unknown_columns(&self.plan, &rows.names().collect::<Vec<_>>()).is_empty()
            || !drifting(&self.plan, &self.partition_by, &self.stay_int, rows).is_empty()
    }
}

/// Inferred integer columns in which rows hold a number that is not whole.
fn drifting(plan: &Plan, partition_by: &[PartitionBy], stay_int: &[String], rows: &Rows) -> Vec<String> {
    let may = |t: &&Target| {
        !t.declared
            && t.data_type.is_signed_integer()
            && t.spec.kind.is_none()
            && !partition_by.iter().any(|p| p.column_name() == t.spec.name)
            && !stay_int.contains(&t.spec.name)
    };
    if !plan.targets.iter().any(|t| may(&t)) {
        return Vec::new();
    }
    let sources = conform::sources(plan, &rows.names().collect::<Vec<_>>());
    plan.targets
        .iter()
        .zip(sources)
        .filter(|(t, _)| may(t))
        .filter(|(t, source)| match (rows, *source) {
            (_, None) => false,
            (Rows::Text(batch), Some(at)) => {
                infer::has_float(batch, at, &[plan.nulls.as_slice(), &t.spec.nulls].concat())
            }
            (Rows::Typed(batch), Some(at)) => typed_conform::has_float(batch.column(at)),
        })
        .map(|(t, _)| t.spec.name.clone())
        .collect()
}

/// Inferred integer columns for which typed rows have doubles.
fn widened(plan: &Plan, rows: &Rows) -> Vec<String> {
    let Rows::Typed(batch) = rows else { return Vec::new() };
    let sources = conform::sources(plan, &rows.names().collect::<Vec<_>>());
    let is_wider = |(t, source): &(&Target, Option<usize>)| {
        let inferred = !t.declared && t.spec.kind.is_none() && t.data_type.is_signed_integer();
        inferred && source.is_some_and(|at| batch.column(at).data_type().is_floating())
    };
    plan.targets.iter().zip(sources).filter(is_wider).map(|(t, _)| t.spec.name.clone()).collect()
}

impl Tables {
    /// Tables that are only looked at: nothing stored is rewritten.
    pub fn new(dataset: Arc<Dataset>, storage: PathBuf) -> Self {
        let lanes = vec![LaneName::ingest(&dataset.name), LaneName::replay(&dataset.name)];
        Self {
            dataset,
            storage,
            lanes,
            anew: false,
            open: BTreeMap::new(),
            n_widened: 0,
            sink: None,
            dedupers: Dedupers::default(),
        }
    }

    /// Tables whose data files are rewritten, as `sink` says, where a column
    /// becomes wider.
    pub fn live(dataset: Arc<Dataset>, storage: PathBuf, sink: SinkOptions) -> Self {
        Self { sink: Some(sink), ..Self::new(dataset, storage) }
    }

    /// For a rebuild: columns are inferred and laid out as if there were no table.
    pub fn anew(dataset: Arc<Dataset>, storage: PathBuf) -> Self {
        Self { anew: true, ..Self::new(dataset, storage) }
    }

    /// How often a column became wider. Rows conformed before a change are of
    /// another type than the table: whoever holds some conforms them again.
    pub fn n_widened(&self) -> usize {
        self.n_widened
    }

    pub fn get_mut(&mut self, table: &str) -> Option<&mut TableState> {
        self.open.get_mut(table)
    }

    /// Whether a table of the dataset leaves out rows that came before.
    pub fn dedupe(&self) -> bool {
        self.dataset.tables.values().chain(&self.dataset.any_table).any(|t| t.dedupe.is_some())
    }

    pub fn dedupers(&mut self) -> &mut Dedupers {
        &mut self.dedupers
    }

    /// A table and what is remembered of all tables.
    pub fn with_dedupers(&mut self, table: &str) -> Option<(&TableState, &mut Dedupers)> {
        Some((self.open.get(table)?, &mut self.dedupers))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&String, &mut TableState)> {
        self.open.iter_mut()
    }

    /// Opens every table of the dataset that exists, also those that no file of
    /// this batch feeds: a replaced file's rows may be anywhere.
    pub async fn open_existing(&mut self) -> Result<(), Failure> {
        for name in self.existing() {
            if self.config_of(&name).is_some() {
                self.open(&name).await?;
            }
        }
        Ok(())
    }

    /// Tables in storage that today's configuration does not make, by name.
    pub fn unmade(&self) -> Vec<String> {
        self.existing().into_iter().filter(|name| self.config_of(name).is_none()).collect()
    }

    /// Tables in storage, without quarantines, by name.
    fn existing(&self) -> Vec<String> {
        let folder =
            self.storage.join("tables").join(&self.dataset.name.team).join(&self.dataset.name.dataset);
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .map(|d| d.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect())
            .unwrap_or_default();
        names.retain(|n| !n.starts_with('.') && !n.ends_with(lakegate_domain::ids::QUARANTINE_SUFFIX));
        names.sort();
        names
    }

    /// The settings of a table; `None` where the dataset has no place for it.
    fn config_of(&self, table: &str) -> Option<Table> {
        let mut config = self.dataset.tables.get(table).or(self.dataset.any_table.as_ref()).cloned()?;
        if config.transform.is_some() {
            config.columns.iter_mut().for_each(name_as_in_sql);
        }
        Some(config)
    }

    pub async fn open(&mut self, table: &str) -> Result<&mut TableState, Failure> {
        if !self.open.contains_key(table) {
            let state = self.load(table).await?;
            self.open.insert(table.to_string(), state);
        }
        Ok(self.open.get_mut(table).expect("inserted above"))
    }

    async fn load(&self, table: &str) -> Result<TableState, Failure> {
        let Some(config) = self.config_of(table) else {
            let known: Vec<&str> = self.dataset.tables.keys().map(String::as_str).collect();
            return Err(Failure::new(
                Code::NoTable,
                format!("dataset {} has no table `{table}`; it has {}", self.dataset.name, known.join(", ")),
            ));
        };
        let name = self.dataset.name.table(table);
        let log = TableLog::open(&self.storage, &name, &self.lanes).await?;
        let quarantine = TableLog::open(&self.storage, &name.quarantine(), &self.lanes).await?;
        let nulls = nulls_of(&self.dataset, &config, table);
        let stored = log.schema().filter(|_| !self.anew).cloned();
        let mut plan = match &stored {
            Some(stored) => {
                layout::plan_of(stored, &config.columns, config.evolve, &self.dataset.timezone, nulls)
            }
            None => Plan {
                targets: config
                    .columns
                    .iter()
                    .filter_map(|c| c.kind.map(|k| Target::declared(c.clone(), k)))
                    .collect(),
                evolve: config.evolve,
                timezone: self.dataset.timezone.clone(),
                nulls,
            },
        };
        // Flags and what is said of averages are made, not read.
        let made = quality::made_columns(&plan, &config);
        plan.targets.retain(|t| !made.contains(&t.spec.name));
        let flags = config.flags(names_of(&plan));
        let changed_type = stored.as_ref().and_then(|s| {
            layout::changed_type(s, &config.columns).or_else(|| layout::changed_flags(s, &flags))
        });
        let partition_by = match &stored {
            Some(stored) => layout::stored_partitions(stored, log.partition_columns()),
            None => config.partition_by.clone(),
        };
        let has = |column: &str| stored.as_ref().is_some_and(|s| s.index_of(column).is_ok());
        let extras = Extras {
            provenance: self.dataset.provenance,
            rescued: config.evolve == Evolve::Rescue || has(conform::RESCUED),
            flags: config.expect.iter().any(|e| e.on_fail == OnFail::Flag) || has(layout::FLAGS),
        };
        let grown = match &stored {
            Some(s) => {
                let wanted = layout::schema(&plan, &partition_by, extras)?;
                let wanted = layout::with_flags(&grid::with_companions(&config, &wanted), &flags);
                wanted.fields().iter().any(|f| s.index_of(f.name()).is_err())
            }
            None => true,
        };
        let mut state = TableState {
            grid: None,
            quality: quality::none(plan.schema())?,
            checks: Arc::new(Checks::compile(&[], &[], plan.schema()).await?),
            config,
            log,
            quarantine,
            plan,
            partition_by,
            extras,
            grown,
            anew: stored.is_none(),
            seen: false,
            stay_int: Vec::new(),
            changed_type,
        };
        if let Some(note) = state.layout_note() {
            tracing::warn!("{note}");
        }
        // Expectations may name columns that are not inferred yet.
        if !state.anew {
            state.compile_checks().await?;
        }
        Ok(state)
    }

    /// What is known now, for [`Tables::restore`].
    pub fn save(&self) -> Saved {
        Saved(self.open.clone())
    }

    /// Takes back what was learned since `saved`: a file that fails tells nothing
    /// of its tables' columns.
    pub fn restore(&mut self, saved: Saved) {
        let now = std::mem::replace(&mut self.open, saved.0);
        // A commit since then is in the log, whatever came of the file: such a
        // table is read again when it is needed.
        self.open.retain(|name, before| {
            now.get(name).is_some_and(|now| now.log.version() == before.log.version())
        });
    }

    /// Forgets what is known: the logs have to be read again.
    pub fn forget(&mut self) {
        self.open.clear();
        self.dedupers.clear();
    }

    /// The tables' files were rewritten and their rows are what they were: the
    /// logs have to be read again.
    pub fn reread(&mut self) {
        self.open.clear();
    }

    /// Takes account of a file's columns: opens its tables, infers what is not
    /// known yet, and by the table's rule adds what is new. `samples` are more
    /// files that a table that does not exist yet is inferred from. Where it
    /// fails nothing was learned.
    pub async fn see(&mut self, file: &[Parsed], samples: &[&[Parsed]]) -> Result<(), Failure> {
        let mut names: Vec<&str> = file.iter().map(|p| p.table.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        for name in &names {
            self.open(name).await?;
        }
        let saved = self.save();
        for name in names {
            let mut seen = self.see_table(name, file, samples).await;
            if seen.is_err() && !samples.is_empty() {
                // It may be another file that has the fault.
                self.open.insert(name.to_string(), saved.0[name].clone());
                seen = self.see_table(name, file, &[]).await;
            }
            if let Err(f) = seen {
                self.restore(saved);
                return Err(f);
            }
        }
        if let Err(f) = self.see_derived(file).await {
            self.restore(saved);
            return Err(f);
        }
        Ok(())
    }

    /// Takes account of what the tables of a file tell of those that are made of
    /// them.
    async fn see_derived(&mut self, file: &[Parsed]) -> Result<(), Failure> {
        let dataset = self.dataset.clone();
        let mut seen: Vec<&str> = file.iter().map(|p| p.table.as_str()).collect();
        for (name, origin) in derived::tables(&dataset) {
            if !seen.contains(&origin.as_str()) {
                continue;
            }
            seen.push(name);
            self.open(name).await?;
            let config = &dataset.tables[name];
            let of = self.open.get(origin).ok_or_else(|| Failure::new(Code::Bug, "an origin is not open"))?;
            // What a command makes of the rows is declared.
            let glimpse =
                config.hook.is_none().then(|| derived::glimpse(name, &of.plan, of.quality.output()));
            self.see_table(name, glimpse.as_slice(), &[]).await?;
        }
        Ok(())
    }

    async fn see_table(&mut self, name: &str, file: &[Parsed], samples: &[&[Parsed]]) -> Result<(), Failure> {
        let state = self.open.get_mut(name).expect("opened by see");
        if let Some(what) = &state.changed_type {
            let dataset = &self.dataset.name;
            let mend = format!("`lakegate replay {dataset}` rebuilds the table with the declared types");
            return Err(Failure::new(Code::TypeChanged, format!("table {}: {what}; {mend}", state.log.name)));
        }
        let fresh = state.anew && !state.seen;
        let mut parts: Vec<&Parsed> = file.iter().filter(|p| p.table == name).collect();
        if fresh {
            parts.extend(samples.iter().flat_map(|s| s.iter()).filter(|p| p.table == name));
        }
        let output = match &state.config.transform {
            Some(sql) => {
                let nulls = &state.plan.nulls;
                Some(compile_transform(&self.dataset, sql, &parts, nulls).await?.output_schema())
            }
            None => None,
        };
        if let Some(output) = &output {
            check_yields(&state.config, output, &parts)?;
        }
        if state.config.transform.is_none() {
            for part in file.iter().filter(|p| p.table == name) {
                has_some_known(&state.config, &state.plan, &part.rows)?;
            }
        }
        state.seen = true;
        let before = state.plan.targets.len();
        state.add_columns(&parts, output.as_ref(), fresh);
        if fresh {
            state.in_declared_order();
        }
        conform::check_names(&state.plan, "columns").map_err(Failure::from)?;
        quality::check_names(&state.plan, &state.config)?;
        // A partition column that no file has, or a type that has no place in a
        // table, is this file's failure, here, and not the commit's.
        let schema = state.schema()?;
        lakegate_lake::log::check_schema(&schema)?;
        if let Some(rule) = &state.config.dedupe {
            lakegate_lake::dedupe::check(rule, &schema)?;
        }
        if state.plan.targets.len() != before || fresh {
            state.grown |= state.plan.targets.len() != before;
            state.compile_checks().await?;
        }
        if output.is_none() && state.widen(&parts, self.sink.as_ref()).await? {
            self.n_widened += 1;
        }
        Ok(())
    }

    /// How many columns an open table has now: it changes when the table grows.
    pub fn columns_of(&self, table: &str) -> usize {
        self.open.get(table).map_or(0, |s| s.plan.targets.len())
    }

    pub fn has_expectations(&self, table: &str) -> bool {
        self.open.get(table).is_some_and(|s| !s.config.expect.is_empty())
    }

    pub fn view(&self) -> View {
        View {
            tables: self
                .open
                .iter()
                .map(|(n, s)| {
                    (
                        n.clone(),
                        Arc::new(TableView {
                            config: s.config.clone(),
                            plan: s.plan.clone(),
                            partition_by: s.partition_by.clone(),
                            grid: s.grid.clone(),
                            quality: s.quality.clone(),
                            checks: s.checks.clone(),
                            fresh: s.anew && !s.seen,
                            stay_int: s.stay_int.clone(),
                            has_changed_type: s.changed_type.is_some(),
                        }),
                    )
                })
                .collect(),
        }
    }
}

fn names_of(plan: &Plan) -> impl Iterator<Item = &str> {
    plan.targets.iter().map(|t| t.spec.name.as_str())
}

/// A text file whose header names none of the columns that are declared or were
/// added since is another kind of file, such as a page that says that a service
/// is down. Under `rescue` its values are kept aside, as all that is not known.
fn has_some_known(config: &Table, plan: &Plan, rows: &Rows) -> Result<(), Failure> {
    let Rows::Text(batch) = rows else { return Ok(()) };
    let declared: Vec<&str> =
        config.columns.iter().filter(|c| c.kind.is_some()).map(Column::source).take(8).collect();
    if batch.notation != Notation::Plain || declared.is_empty() || config.evolve == Evolve::Rescue {
        return Ok(());
    }
    let names: Vec<&str> = batch.names.iter().map(String::as_str).collect();
    if conform::sources(plan, &names).iter().any(Option::is_some) {
        return Ok(());
    }
    let found: Vec<String> = names.iter().take(8).map(|n| format!("`{n}`")).collect();
    Err(Failure::new(
        Code::MissingColumn,
        format!(
            "the file has none of the columns that the table declares ({}); it has {}",
            declared.join(", "),
            found.join(", ")
        ),
    ))
}

/// Behind a transform, which sees the file's columns by their SQL names, a column
/// that is made `from:` one of the file's is made from the one of that name.
fn name_as_in_sql(column: &mut Column) {
    if column.from.is_none() {
        return;
    }
    let names: Vec<String> =
        column.sources().map(conform::column_name).filter(|name| !column.is_from(name)).collect();
    column.or_from.extend(names);
}

/// Refuses a file with a column that the table's is made `from:`, where the
/// transform does not hand it on: it would be null in every row.
fn check_yields(config: &Table, output: &SchemaRef, parts: &[&Parsed]) -> Result<(), Failure> {
    let comes = |c: &Column| {
        output.fields().iter().any(|f| c.is_from(f.name()) || conform::column_name(f.name()) == c.name)
    };
    for column in config.columns.iter().filter(|c| c.from.is_some() && !comes(c)) {
        let of_file = parts.iter().flat_map(|p| p.rows.names()).find(|name| column.is_from(name));
        let Some(source) = of_file else { continue };
        let names: Vec<String> = output.fields().iter().take(12).map(|f| format!("`{}`", f.name())).collect();
        return Err(Failure::new(
            Code::MissingColumn,
            format!(
                "column `{}` is made from `{source}`, which the transform does not yield; it yields {}: name one of \
                 these, or select `{source}`",
                column.name,
                names.join(", ")
            ),
        ));
    }
    Ok(())
}

/// What files state of a column; of bounds nothing where its unit is another.
fn stated_of(stated: &HashMap<String, Stated>, spec: &Column) -> Stated {
    let of = spec.sources().find_map(|s| stated.get(s)).cloned().unwrap_or_default();
    if spec.is_measured() { of.without_bounds() } else { of }
}

impl TableState {
    /// The schema that the table should have now.
    pub fn schema(&self) -> Result<SchemaRef, Failure> {
        let schema = layout::schema(&self.plan, &self.partition_by, self.extras)?;
        let schema = grid::with_companions(&self.config, &schema);
        Ok(layout::with_flags(&schema, &self.config.flags(names_of(&self.plan))))
    }

    /// Puts the columns of a table that is still to be made in the order of their
    /// declaration, those whose type a file had to tell among them; what is not
    /// declared follows as files have it.
    fn in_declared_order(&mut self) {
        let declared: Vec<&str> = self.config.columns.iter().map(|c| c.name.as_str()).collect();
        let place = |t: &Target| declared.iter().position(|name| *name == t.spec.name);
        self.plan.targets.sort_by_key(|t| place(t).unwrap_or(declared.len()));
    }

    /// What to say where the table is laid out otherwise than is declared now.
    pub fn layout_note(&self) -> Option<String> {
        (self.partition_by != self.config.partition_by).then(|| {
            format!(
                "table {}: the changed `partition_by:` takes effect with `lakegate replay {}`",
                self.log.name,
                self.log.name.dataset()
            )
        })
    }

    pub fn partition_columns(&self) -> Vec<String> {
        self.partition_by.iter().map(PartitionBy::column_name).collect()
    }

    /// Rows may carry `_rescued` for the first time.
    pub fn notice_extras(&mut self, rows: &arrow::array::RecordBatch) {
        if !self.extras.rescued && rows.schema_ref().index_of(conform::RESCUED).is_ok() {
            self.extras.rescued = true;
            self.grown = true;
        }
    }

    async fn compile_checks(&mut self) -> Result<(), Failure> {
        let columns: Vec<Column> = self.plan.targets.iter().map(|t| t.spec.clone()).collect();
        let Table { quality, coordinates, expect, .. } = &self.config;
        let schema = self.plan.schema();
        self.grid = GridStage::compile(&self.config, schema.clone())?.map(Arc::new);
        let schema = self.grid.as_ref().map_or(schema, |grid| grid.output().clone());
        let is_flagged = |column: &str| {
            names_of(&self.plan).any(|name| name == column) && self.config.flags_of(column).is_some()
        };
        let stage = Stage::compile(quality, &columns, coordinates, schema)?;
        self.quality = Arc::new(stage.flagging(is_flagged));
        self.checks = Arc::new(Checks::compile(expect, &columns, self.quality.output().clone()).await?);
        Ok(())
    }

    /// Makes doubles of the inferred integer columns in which `parts` hold one.
    /// Rows that the table holds already are rewritten at once, in a commit of
    /// its own; without a `sink` only the plan changes.
    async fn widen(&mut self, parts: &[&Parsed], sink: Option<&SinkOptions>) -> Result<bool, Failure> {
        let mut columns: Vec<String> = Vec::new();
        for part in parts {
            columns.extend(drifting(&self.plan, &self.partition_by, &self.stay_int, &part.rows));
        }
        if self.config.origin.is_some() {
            // A glimpse has no values: the types say that doubles are to come.
            columns.extend(parts.iter().flat_map(|part| widened(&self.plan, &part.rows)));
            columns.retain(|c| !self.stay_int.contains(c));
        }
        columns.sort();
        columns.dedup();
        if columns.is_empty() {
            return Ok(false);
        }
        let stored: Vec<String> = columns
            .iter()
            .filter(|c| self.log.schema().is_some_and(|s| s.index_of(c).is_ok()))
            .cloned()
            .collect();
        if let Some(sink) = sink
            && !stored.is_empty()
            && widen(&mut self.log, &stored, WIDEN_AT_MOST_BYTES, sink).await?.is_none()
        {
            tracing::warn!(
                table = %self.log.name,
                columns = stored.join(", "),
                "doubles came where integers were inferred; the table is too large to be rewritten or holds \
                 integers that a double would round, so they go to `_rescued`: declare the columns and replay"
            );
            self.stay_int.extend(columns);
            return Ok(false);
        }
        for t in self.plan.targets.iter_mut().filter(|t| columns.contains(&t.spec.name)) {
            t.data_type = DataType::Float64;
        }
        self.compile_checks().await?;
        Ok(true)
    }

    fn add_columns(&mut self, parts: &[&Parsed], output: Option<&SchemaRef>, fresh: bool) {
        // A table that says `fixed` or `rescue` takes its columns from its first
        // files, and no more after that.
        let may_add = self.plan.evolve == Evolve::Add || (fresh && self.config.columns.is_empty());
        let mut order: Vec<String> = Vec::new();
        let mut seen: HashMap<String, Seen> = HashMap::new();
        let mut typed: HashMap<String, DataType> = HashMap::new();
        let mut units: HashMap<String, String> = HashMap::new();
        let mut stated: HashMap<String, Stated> = HashMap::new();
        let mut note = |schema: &SchemaRef| {
            let of = |f: &FieldRef| Some((f.name().clone(), Stated::of(f.metadata())?));
            stated.extend(schema.fields().iter().filter_map(of));
        };
        for part in parts {
            units.extend(part.stream.units.iter().cloned());
            if let (None, Rows::Typed(batch)) = (output, &part.rows) {
                note(batch.schema_ref());
            }
            // Behind a transform the file's own columns say nothing of the table's.
            if output.is_some() {
                continue;
            }
            match &part.rows {
                Rows::Text(batch) => {
                    for (name, s) in infer::look(batch, &self.plan.nulls, &self.config.columns, LOOK_ROWS) {
                        if !seen.contains_key(&name) {
                            order.push(name.clone());
                        }
                        let all = seen.entry(name).or_default();
                        *all = all.merge(s);
                    }
                }
                Rows::Typed(batch) => {
                    let names: Vec<&str> = part.rows.names().collect();
                    for f in batch.schema_ref().fields() {
                        if derived::flagged(&self.config, &names, f.name()).is_some() {
                            continue;
                        }
                        if typed.insert(f.name().clone(), delta_type(f.data_type())).is_none() {
                            order.push(f.name().clone());
                        }
                    }
                }
            }
        }
        output.into_iter().for_each(note);
        for target in &mut self.plan.targets {
            if target.spec.unit.is_none() {
                let stated = target.spec.sources().find_map(|s| units.get(s)).cloned();
                target.spec.unit = stated;
            }
            if target.stated == Stated::default() {
                target.stated = stated_of(&stated, &target.spec);
            }
        }
        let names: Vec<&str> =
            output.into_iter().flat_map(|s| s.fields()).map(|f| f.name().as_str()).collect();
        for f in output.into_iter().flat_map(|s| s.fields()) {
            if derived::flagged(&self.config, &names, f.name()).is_some() {
                continue;
            }
            typed.insert(f.name().clone(), delta_type(f.data_type()));
            order.push(f.name().clone());
        }
        // Parts are asked one by one: what one lacks another may have.
        let inputs: Vec<Vec<&str>> = match output {
            Some(schema) => vec![schema.fields().iter().map(|f| f.name().as_str()).collect()],
            None => parts.iter().map(|p| p.rows.names().collect()).collect(),
        };
        let unknown = |plan: &Plan, name: &str| {
            inputs.iter().any(|names| conform::unknown_columns(plan, names).contains(&name))
        };
        // Of several inputs of a column the first that is there counts.
        let is_source = |c: &Column, name: &str| {
            inputs.iter().any(|names| c.sources().find(|s| names.contains(s)) == Some(name))
        };
        for name in order {
            let declared: Option<Column> = self
                .config
                .columns
                .iter()
                .find(|c| c.kind.is_none() && is_source(c, &name))
                .filter(|c| !self.plan.targets.iter().any(|t| t.spec.name == c.name))
                .cloned();
            let known = !unknown(&self.plan, &name);
            if known && declared.is_none() || declared.is_none() && !may_add {
                continue;
            }
            let kind = seen.get(&name).and_then(|s| s.kind());
            let data_type = match (kind, typed.get(&name)) {
                (_, Some(t)) => t.clone(),
                (Some(k), None) => conform::data_type(k),
                // Nothing but missing values so far: it is added when it holds one,
                // unless the table's columns end with this file.
                (None, None) if self.plan.evolve != Evolve::Add || declared.is_some() => DataType::Utf8,
                (None, None) => continue,
            };
            let column = declared.as_ref().map_or_else(|| conform::column_name(&name), |c| c.name.clone());
            let data_type = grid::kept_type(&self.config, &column, data_type);
            let mut target = match declared {
                Some(spec) => Target::untyped(spec, data_type),
                None => Target::inferred(&name, data_type),
            };
            if kind == Some(Kind::Json) {
                target.spec.kind = Some(Kind::Json);
            }
            if target.spec.unit.is_none() {
                target.spec.unit = units.get(&name).cloned();
            }
            target.stated = stated_of(&stated, &target.spec);
            self.plan.targets.push(target);
        }
    }
}
