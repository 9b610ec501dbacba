//! SQL over the lake: one statement in, a stream of record batches out.
//!
//! Statements only read. Each sees the newest version that every table had when
//! the statement began; memory is bounded, and what does not fit spills to disk.
//! Errors are sentences for people, with the place in the statement where it is
//! known.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::physical_plan::execute_stream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::{SQLOptions, SessionConfig};
use datafusion::sql::parser::Statement;
use futures::stream::{self, BoxStream};
use lakegate_domain::TableName;

use crate::catalog::provider::{Catalog, DEFAULTS};
use crate::catalog::snapshots::Snapshots;
use crate::catalog::{Meaning, Names, contents, discover};

mod error;
mod memory;
mod plain;
mod statement;
mod view;

pub(crate) use error::sentence;
pub use error::{Error, Kind, Position};
pub use statement::{Script, split};
pub use view::{DATA_FILE, DataFile, View, run};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Tables of the `system` schema that are not read from the tables' logs: the
/// ledger's files, jobs and runs.
pub trait SystemTables: Send + Sync {
    /// Names, as in `system.<name>`, each with one line of documentation.
    fn names(&self) -> Vec<(String, String)>;

    /// The columns of a table.
    ///
    /// # Errors
    /// A sentence for people.
    fn schema(&self, name: &str) -> Result<SchemaRef, String>;

    /// A table's rows as of now, some thousands at a time: all those that have
    /// the values `wanted`, and others where that is easier. An error is a
    /// sentence for people.
    fn scan(&self, name: &str, wanted: &[Wanted]) -> BoxStream<'static, Result<RecordBatch, String>>;
}

/// A column of a system table, and the value that a statement wants it to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub column: String,
    pub value: WantedValue,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WantedValue {
    Text(String),
    Int(i64),
}

/// Answers statements about one lake. Cheap to clone; clones share the memory
/// limit.
#[derive(Clone)]
pub struct Session {
    snapshots: Arc<Snapshots>,
    /// Settings, functions and runtime; each statement adds its own catalogue.
    base: Arc<SessionState>,
    system: Arc<dyn SystemTables>,
}

/// Least memory for a core to be worth using: with less, what cores hold at the
/// same time is more than spilling can make up for.
const PARTITION_BYTES: u64 = 32 << 20;

/// Least room for footers and page indexes of data files that were read before.
const METADATA_CACHE_BYTES: usize = 50 << 20;

/// Most that a sort keeps back, per core, to merge what it has spilled.
const SORT_RESERVE_BYTES: u64 = 10 << 20;

impl Session {
    /// A session over the tables in `storage` (an absolute folder). All its
    /// statements together buffer at most `memory_bytes`; the rest goes to
    /// files in `spill_dir`, which is created where it is missing.
    ///
    /// # Errors
    /// `spill_dir` cannot be created or written to.
    pub fn new(
        storage: impl Into<PathBuf>,
        memory_bytes: u64,
        spill_dir: &Path,
        system: Arc<dyn SystemTables>,
    ) -> Result<Self> {
        fs::create_dir_all(spill_dir).map_err(|e| {
            Error::failed(format!(
                "the folder for spilled rows, {}, cannot be created: {e}",
                spill_dir.display()
            ))
        })?;
        let base = Arc::new(base(memory_bytes, spill_dir)?);
        Ok(Self { snapshots: Arc::new(Snapshots::new(storage.into())), base, system })
    }

    /// A session over the same tables with a memory limit of its own, so that
    /// what one is asked leaves room for what the other is asked.
    ///
    /// # Errors
    /// `spill_dir` cannot be written to.
    pub fn beside(&self, memory_bytes: u64, spill_dir: &Path) -> Result<Self> {
        Ok(Self { base: Arc::new(base(memory_bytes, spill_dir)?), ..self.clone() })
    }

    /// The lake's tables, ordered by name.
    ///
    /// # Errors
    /// The storage cannot be listed.
    pub fn tables(&self) -> Result<Vec<TableName>> {
        discover(self.snapshots.storage()).map_err(|e| Error::failed(e.message))
    }

    /// The tables of the `system` schema, each with one line of documentation.
    pub fn system_tables(&self) -> Vec<(String, String)> {
        let own = contents::OWN.iter().map(|(name, doc)| (name.to_string(), doc.to_string()));
        own.chain(self.system.names()).collect()
    }

    /// The newest version of a table; `None` where there is no such table.
    ///
    /// # Errors
    /// The table cannot be opened.
    pub async fn view(&self, name: &TableName) -> Result<Option<View>> {
        let newest = self.snapshots.newest(name).await.map_err(|e| {
            Error::failed(format!("the table {name} cannot be opened: {}", sentence(&e.message)))
        })?;
        newest.map(|s| View::new(name.clone(), s, self.base.clone())).transpose()
    }

    /// Runs one statement. Strings, binaries and instants come in one form each:
    /// `Utf8`, `Binary`, and timestamps with the zone `UTC`.
    ///
    /// Dropping the stream cancels the statement. An error inside the stream is
    /// turned into a sentence by [`Error::from`].
    ///
    /// # Errors
    /// A statement that is wrong, that does more than read, or whose tables
    /// cannot be opened.
    pub async fn query(&self, sql: &str) -> Result<(SchemaRef, SendableRecordBatchStream)> {
        let statement = statement::parse(sql)?;
        statement::only_reads(&statement)?;
        let statement = statement::in_our_words(statement)?;

        let names = Names {
            tables: self.tables()?,
            system: self.system_tables().into_iter().map(|(name, _)| name).collect(),
        };
        let catalog = Catalog::new(self.snapshots.clone(), names, self.system.clone(), self.base.clone());
        let mut state = SessionState::clone(&self.base);
        state.register_catalog_list(Arc::new(catalog.clone()));
        state.mark_start_execution();
        known_names(&state, &statement, catalog.names())?;
        if let Some(described) = describe(&catalog, &statement).await? {
            return Ok(described);
        }

        let plan = state.statement_to_plan(statement).await?;
        // What the syntax did not show: a plan that writes all the same.
        SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false)
            .verify_plan(&plan)
            .map_err(|_| Error::refused("this statement is refused: SQL here only reads"))?;
        let physical = state.create_physical_plan(&plan).await?;
        let stream = execute_stream(physical, state.task_ctx())?;
        Ok(plain::stream(stream))
    }
}

/// Settings, functions and a runtime whose statements buffer at most `memory_bytes`.
fn base(memory_bytes: u64, spill_dir: &Path) -> Result<SessionState> {
    let memory = usize::try_from(memory_bytes).unwrap_or(usize::MAX);
    let spill =
        DiskManagerBuilder::default().with_mode(DiskManagerMode::Directories(vec![spill_dir.to_path_buf()]));
    let metadata_cache = (memory / 4).max(METADATA_CACHE_BYTES);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(memory::Pool::new(memory)))
        .with_disk_manager_builder(spill)
        .with_metadata_cache_limit(metadata_cache)
        .build_arc()?;
    let (catalog, schema) = DEFAULTS;
    let mut config = SessionConfig::new()
        .with_information_schema(true)
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(catalog, schema);
    let cores = config.target_partitions() as u64;
    let partitions = (memory_bytes / PARTITION_BYTES).clamp(1, cores);
    let options = config.options_mut();
    options.execution.time_zone = Some("UTC".into());
    options.execution.target_partitions = partitions as usize;
    // A small limit must not be eaten by what sorts keep back.
    let reserve = (memory_bytes / (16 * partitions)).clamp(64 << 10, SORT_RESERVE_BYTES);
    options.execution.sort_spill_reservation_bytes = reserve as usize;
    options.execution.parquet.pushdown_filters = true;
    options.sql_parser.collect_spans = true;
    Ok(SessionStateBuilder::new()
        .with_default_features()
        .with_config(config)
        .with_runtime_env(runtime)
        .build())
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("storage", &self.snapshots.storage()).finish_non_exhaustive()
    }
}

/// `DESCRIBE table`, in the words of the configuration.
async fn describe(
    catalog: &Catalog,
    statement: &Statement,
) -> Result<Option<(SchemaRef, SendableRecordBatchStream)>> {
    let Some(name) = statement::described_table(statement) else { return Ok(None) };
    let parts: Vec<&str> = name.iter().map(String::as_str).collect();
    let Some(table) = catalog.table(&parts).await? else { return Ok(None) };
    let described = contents::described(&table.schema()).map_err(DataFusionError::from)?;
    let schema = described.schema();
    let once = stream::once(async move { Ok(described) });
    Ok(Some((schema.clone(), Box::pin(RecordBatchStreamAdapter::new(schema, once)))))
}

/// Checks that every table that a statement names exists and is the only one of
/// its name.
fn known_names(state: &SessionState, statement: &Statement, names: &Names) -> Result<()> {
    for reference in state.resolve_table_references(statement)? {
        let parts: Vec<&str> = [reference.catalog(), reference.schema(), Some(reference.table())]
            .into_iter()
            .flatten()
            .collect();
        // `range(1, 3)` looks like a table to the parser.
        if parts.len() == 1 && state.table_functions().contains_key(reference.table()) {
            continue;
        }
        let written = parts.join(".");
        let message = match names.find(&parts) {
            Meaning::Table(_) | Meaning::System(_) | Meaning::Standard => continue,
            Meaning::Ambiguous(tables) => {
                let all: Vec<String> = tables.iter().map(|t| format!("`{t}`")).collect();
                format!("`{written}` names {} tables: {}; write more of the name", all.len(), all.join(", "))
            }
            Meaning::Unknown => unknown_table(&written, &parts, names),
        };
        return Err(Error::statement(message).at(statement::position_of(statement, &parts)));
    }
    Ok(())
}

fn unknown_table(written: &str, parts: &[&str], names: &Names) -> String {
    let near: Vec<String> = names.nearest(parts).into_iter().map(|n| format!("`{n}`")).collect();
    match near.as_slice() {
        [] if names.tables.is_empty() => {
            format!(
                "there is no table `{written}`: the lake holds no tables yet; `lakegate run` loads what has landed"
            )
        }
        [] => format!("there is no table `{written}`; `show tables` lists all {}", names.tables.len()),
        [one] => format!("there is no table `{written}`; did you mean {one}?"),
        [head @ .., last] => {
            format!("there is no table `{written}`; did you mean {} or {last}?", head.join(", "))
        }
    }
}

#[cfg(test)]
mod tests;
