//! Exports: files for others, made of tables' rows. A derived thing, as a
//! compaction is: made after what was committed, made again where that was cut
//! off, and the same bytes each time.
//!
//! The ledger says which landed files are due. An export goes to a temporary
//! file, then to its place, and only then into the ledger: killed in between, it
//! is made once more. What an export takes the place of goes before that is told.

mod disk;
mod make;
mod part;
mod plots;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lakegate_domain::export::{Export, FOLDER};
use lakegate_domain::ids::QUARANTINE_SUFFIX;
use lakegate_domain::model::{Dataset, Table};
use lakegate_domain::{Code, DatasetName, Failure, FileId, TableName};
use lakegate_lake::catalog;
use lakegate_lake::export::Recipe;
use lakegate_lake::session::{self, Session};
use lakegate_state::Millis;
use serde::Serialize;

use crate::context::Context;
use crate::engine::pause;
use crate::mishap::caught;
use crate::system::Ledger;

/// What was exported.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Exported {
    pub n_made: u64,
    pub n_removed: u64,
    pub n_rows: u64,
    pub size_bytes: u64,
    /// Files and rows by table.
    pub tables: BTreeMap<String, (u64, u64)>,
    /// What is odd, for people.
    pub warnings: Vec<String>,
    /// What could not be made; everything else was.
    pub failures: Vec<Failure>,
}

/// Which tables.
#[derive(Clone, Debug, Default)]
pub struct Only {
    pub dataset: Option<DatasetName>,
    pub table: Option<TableName>,
}

impl Only {
    pub fn dataset(name: Option<&DatasetName>) -> Self {
        Self { dataset: name.cloned(), table: None }
    }

    fn takes(&self, table: &TableName) -> bool {
        self.dataset.as_ref().is_none_or(|d| *d == table.dataset())
            && self.table.as_ref().is_none_or(|t| t == table)
    }
}

/// Which rows, and where to.
#[derive(Clone, Debug)]
pub enum What {
    /// Those that are due, into the lake's folder of exports.
    Due,
    /// Those of all files, or of those committed since a time, again.
    Again(Option<Millis>),
    /// The same into another folder, of which the ledger knows nothing.
    Into(PathBuf, Option<Millis>),
}

/// A table that is exported.
struct Exporting {
    name: TableName,
    dataset: Arc<Dataset>,
    table: Table,
    export: Export,
    /// Names of placeholders that the landed file's name gives a value.
    of_file: Vec<String>,
    /// Columns that hold such values.
    columns_of_file: Vec<String>,
}

impl Exporting {
    fn recipe(&self) -> Recipe<'_> {
        Recipe { table: &self.table, export: &self.export, of_file: &self.columns_of_file }
    }
}

/// Makes what is to be made. What fails at one table keeps none of the others
/// waiting.
pub fn export(ctx: &Context, only: &Only, what: &What, told: &dyn Fn(&Exported)) -> Exported {
    let mut done = Exported::default();
    let tables = match exporting(ctx) {
        Ok(tables) => tables,
        Err(failure) => {
            done.failures.push(failure);
            return done;
        }
    };
    if let Err(failure) = begin(ctx, &tables, only, what) {
        done.failures.push(failure);
        return done;
    }
    let wanted: Vec<&Exporting> = tables.iter().filter(|t| only.takes(&t.name)).collect();
    if wanted.is_empty() {
        return done;
    }
    let session = match session(ctx) {
        Ok(session) => session,
        Err(failure) => {
            done.failures.push(failure);
            return done;
        }
    };
    // Paths that were given away in this run.
    let mut claimed = HashMap::new();
    for table in wanted {
        if ctx.stopping() {
            break;
        }
        let doing = format!("exporting {}", table.name);
        let work = || make::table(ctx, &session, table, what, &mut claimed, &mut done, told);
        if let Err(failure) = caught(&doing, work) {
            done.failures.push(Failure::new(failure.code, format!("{doing}: {}", failure.message)));
        }
    }
    done
}

/// Tells the ledger which tables are exported and how, and what is to be made
/// again though nothing changed.
fn begin(ctx: &Context, tables: &[Exporting], only: &Only, what: &What) -> Result<(), Failure> {
    if let What::Into(..) = what {
        return Ok(());
    }
    // Values of sites stand in names and attributes.
    let recipe = |t: &Exporting| (t.name.clone(), t.recipe().fingerprint(&t.dataset.sites));
    let recipes: Vec<_> = tables.iter().map(recipe).collect();
    ctx.block(ctx.store.export_by(&recipes))?;
    if let What::Again(since) = what {
        for table in tables.iter().filter(|t| only.takes(&t.name)) {
            ctx.block(ctx.store.export_again(&table.name, *since))?;
        }
    }
    Ok(())
}

/// The tables in storage that today's configuration exports, by name.
fn exporting(ctx: &Context) -> Result<Vec<Exporting>, Failure> {
    let mut found = Vec::new();
    if !is_any(ctx, &Only::default()) {
        return Ok(found);
    }
    for name in catalog::discover(&ctx.lake.storage)? {
        let Some(dataset) = ctx.lake.dataset(&name.dataset()) else { continue };
        let table = dataset.tables.get(&name.table).or(dataset.any_table.as_ref());
        let Some((table, export)) = table.and_then(|t| Some((t, t.export.as_ref()?))) else { continue };
        if name.table.ends_with(QUARANTINE_SUFFIX) {
            continue;
        }
        let of_file = part::names_of(dataset);
        let as_column = |name: &String| lakegate_format::conform::column_name(name);
        found.push(Exporting {
            columns_of_file: of_file.iter().cloned().chain(of_file.iter().map(as_column)).collect(),
            of_file,
            dataset: dataset.clone(),
            table: table.clone(),
            export: export.clone(),
            name,
        });
    }
    Ok(found)
}

/// Whether the configuration exports one of these tables, whether or not it has
/// rows yet.
pub fn is_any(ctx: &Context, only: &Only) -> bool {
    ctx.lake.datasets.iter().filter(|d| only.dataset.as_ref().is_none_or(|o| *o == d.name)).any(|d| {
        let of_table = |t: &Table| t.export.is_some();
        match &only.table {
            None => d.tables.values().chain(&d.any_table).any(of_table),
            Some(name) if name.dataset() == d.name => {
                d.tables.get(&name.table).or(d.any_table.as_ref()).is_some_and(of_table)
            }
            Some(_) => false,
        }
    })
}

/// Where exports lie.
pub fn folder(storage: &Path) -> PathBuf {
    storage.join(FOLDER)
}

/// A session whose sorting leaves room for the files that are put together.
fn session(ctx: &Context) -> Result<Session, Failure> {
    let ledger = Arc::new(Ledger(Some(ctx.store.clone())));
    Session::new(ctx.lake.storage.clone(), ctx.lake.memory_bytes / 4, &ctx.spill, ledger).map_err(unread)
}

/// Why rows could not be read.
fn unread(e: session::Error) -> Failure {
    let code = if e.kind == session::Kind::Memory { Code::Export } else { Code::TableDamaged };
    Failure::new(code, e.to_string())
}

/// How often exports are looked at though nothing was committed: those that
/// failed are tried again.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Makes exports until asked to stop: whenever `committed` says that something
/// was.
pub fn keep_exporting(
    ctx: &Context,
    committed: &std::sync::mpsc::Receiver<()>,
    told: &dyn Fn(&Exported),
) -> Result<(), Failure> {
    if !is_any(ctx, &Only::default()) {
        // Nothing to do until the configuration says so, and then all begins anew.
        while !ctx.stopping() {
            pause(ctx, LOOK_EVERY);
        }
        return Ok(());
    }
    while !ctx.stopping() {
        let done = export(ctx, &Only::default(), &What::Due, &|_| {});
        told(&done);
        let mut waited = Duration::ZERO;
        const STEP: Duration = Duration::from_millis(100);
        while !ctx.stopping() && waited < LOOK_EVERY {
            match committed.recv_timeout(STEP) {
                Ok(()) => break,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => waited += STEP,
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => pause(ctx, LOOK_EVERY),
            }
        }
    }
    Ok(())
}

/// A landed file for messages: `f12 (b.csv)`.
fn shown(file_id: FileId, path: &str) -> String {
    format!("{file_id} ({})", crate::render::visible(path))
}
