//! One module per group of commands. Each answers how it ended; errors are
//! told here, once.

mod change;
mod demo;
mod drop;
mod export;
mod feed;
mod fixtures;
mod given;
mod import;
mod inspect;
mod plan;
mod poll;
mod prove;
mod review;
mod run;
mod serve;
mod simulate;
mod sql;
mod start;
mod trace;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use lakegate_domain::config::{self, Diagnostics, Texts};
use lakegate_domain::draft::Refusal;
use lakegate_domain::model::Lake;
use lakegate_domain::{Code, DatasetName, Failure, TableName};
use lakegate_lake::session::Session;
use lakegate_land::{LakeLock, LockError};
use lakegate_state::FileFilter;
use tokio::runtime::Handle;

use crate::cli::{Cli, Command, Exit, Feed, Global, Import};
use crate::context::Context;
use crate::{render, statements};

/// Why a command ended early.
pub enum Stop {
    /// The work failed.
    Failed(Failure),
    /// The configuration is wrong.
    Configuration(Box<Diagnostics>),
    /// What was asked for makes no sense here.
    Usage(String),
    /// A statement failed; the message says what to do.
    Query(String),
    /// What was asked for cannot be done.
    Refused(Refusal),
    /// Another process has the lake.
    Busy(String),
    /// The reader of our output went away: nothing more to say.
    Closed,
}

impl From<Failure> for Stop {
    fn from(f: Failure) -> Self {
        Stop::Failed(f)
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Stop::Refused(refusal)
    }
}

impl From<std::io::Error> for Stop {
    fn from(e: std::io::Error) -> Self {
        if e.kind() == std::io::ErrorKind::BrokenPipe {
            return Stop::Closed;
        }
        Stop::Failed(Failure::new(Code::Storage, e.to_string()))
    }
}

impl From<lakegate_state::Error> for Stop {
    fn from(e: lakegate_state::Error) -> Self {
        Stop::Failed(crate::context::ledger(e))
    }
}

impl From<LockError> for Stop {
    fn from(e: LockError) -> Self {
        match e {
            LockError::Held(held) => Stop::Busy(held.to_string()),
            LockError::Storage(f) => Stop::Failed(f),
        }
    }
}

impl From<lakegate_lake::session::Error> for Stop {
    fn from(e: lakegate_lake::session::Error) -> Self {
        use lakegate_lake::session::Kind;
        match e.kind {
            Kind::Statement | Kind::Refused => Stop::Usage(e.to_string()),
            Kind::Memory | Kind::Failed => Stop::Query(e.to_string()),
        }
    }
}

pub type Result<T, E = Stop> = std::result::Result<T, E>;

/// What every command gets.
pub struct Shell {
    pub global: Global,
    pub stop: Arc<AtomicBool>,
    pub runtime: Handle,
    pub color: bool,
    pub width: Option<u16>,
}

impl Shell {
    /// Compiles the lake's configuration.
    pub fn lake(&self) -> Result<Lake> {
        config::load(&self.root()?).map_err(|d| Stop::Configuration(Box::new(d)))
    }

    /// Compiles the lake's configuration and looks at its statements. Answers
    /// warnings beside the lake.
    pub fn lake_with_statements(&self) -> Result<(Lake, Vec<String>)> {
        let lake = self.lake()?;
        let warnings = self.look_at_statements(&lake)?;
        Ok((lake, warnings))
    }

    /// Looks at a lake's statements. Answers warnings.
    pub fn look_at_statements(&self, lake: &Lake) -> Result<Vec<String>> {
        let found = statements::look_at(lake, &self.runtime);
        match found.errors.is_empty() {
            true => Ok(found.warnings),
            false => Err(Stop::Configuration(Box::new(found.errors))),
        }
    }

    /// The lake's configuration, and the text that it was compiled from.
    pub fn lake_and_texts(&self) -> Result<(Lake, Texts)> {
        let (texts, failed) = config::read(&self.root()?);
        match texts {
            Some(texts) if failed.is_empty() => {
                let lake = texts.compile().map_err(|d| Stop::Configuration(Box::new(d)))?;
                Ok((lake, texts))
            }
            // Whatever else is wrong is said as well.
            _ => Err(self.lake().err().unwrap_or_else(|| Stop::Configuration(Box::new(failed)))),
        }
    }

    /// The lake's folder, absolute.
    pub fn root(&self) -> Result<PathBuf> {
        absolute(&self.global.lake)
    }

    /// The lake for commands that show what was loaded: a dataset's file with
    /// errors does not hide the others.
    pub fn lake_to_read(&self) -> Result<Lake> {
        let (lake, failed) =
            config::load_sound(&self.root()?).map_err(|d| Stop::Configuration(Box::new(d)))?;
        let mut files: Vec<_> = failed.items().iter().filter_map(|d| d.path()).collect();
        files.sort();
        files.dedup();
        for file in files {
            render::warn(format!(
                "{} has errors, and its dataset is left out: `lakegate check` shows them",
                file.display()
            ));
        }
        for unreadable in failed.items().iter().filter(|d| d.path().is_none()) {
            render::warn(format!("{unreadable}; its dataset is left out"));
        }
        Ok(lake)
    }

    pub fn context(&self) -> Result<Context> {
        self.context_of(self.lake()?)
    }

    /// Opens the lake to look at what was loaded, which nobody else need be kept from.
    pub fn context_to_read(&self) -> Result<Context> {
        let lake = Arc::new(self.lake_to_read()?);
        Ok(self.runtime.block_on(Context::open_to_read(lake, self.stop.clone()))?)
    }

    pub fn context_of(&self, lake: Lake) -> Result<Context> {
        Ok(self.runtime.block_on(Context::open(Arc::new(lake), self.stop.clone()))?)
    }

    /// Opens the lake for work: no other process may work on it meanwhile.
    pub fn work(&self) -> Result<(LakeLock, Context)> {
        self.work_on(self.lake()?)
    }

    pub fn work_on(&self, lake: Lake) -> Result<(LakeLock, Context)> {
        std::fs::create_dir_all(&lake.storage).map_err(|e| {
            Failure::new(
                Code::Storage,
                format!("cannot make the storage folder `{}`: {e}", lake.storage.display()),
            )
        })?;
        let lock = LakeLock::try_acquire(&lake.storage)?;
        let ctx = self.context_of(lake)?;
        // The lock says that whoever held leases is gone.
        ctx.block(ctx.store.take_over(&ctx.owner, crate::context::now()))?;
        Ok((lock, ctx))
    }

    pub fn list(&self, columns: &[&str]) -> render::List {
        render::List::new(columns, self.color, self.width)
    }

    /// Prints a value as JSON, for scripts.
    pub fn print_json(&self, value: &impl serde::Serialize) -> Result<()> {
        let mut out = std::io::stdout().lock();
        let written = serde_json::to_writer_pretty(&mut out, value).map_err(io_error);
        heard(written.and_then(|()| writeln!(out)))
    }

    /// A line for people, unless they asked for silence or for JSON.
    pub fn say(&self, line: impl AsRef<str>) -> Result<()> {
        if self.global.quiet || self.global.json {
            return Ok(());
        }
        heard(writeln!(std::io::stdout(), "{}", render::visible_lines(line.as_ref())))
    }

    /// A list for people, in the same cases; an empty one is not shown.
    pub fn print_list(&self, list: &render::List) -> Result<()> {
        if self.global.quiet || self.global.json || list.is_empty() {
            return Ok(());
        }
        heard(list.print(&mut std::io::stdout()))
    }
}

/// What is said to a reader that went away is said: how a command ended does not
/// depend on who listened.
fn heard(written: std::io::Result<()>) -> Result<()> {
    match written {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// An error while JSON was written: most often a reader that went away.
fn io_error(e: serde_json::Error) -> std::io::Error {
    match e.io_error_kind() {
        Some(kind) => std::io::Error::from(kind),
        None => std::io::Error::other(e),
    }
}

pub fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path)
        .map(|p| p.canonicalize().unwrap_or(p))
        .map_err(|e| Stop::Usage(format!("`{}`: {e}", path.display())))
}

/// A dataset by name, or who it might have been.
pub fn known_dataset(lake: &Lake, name: &DatasetName) -> Result<Arc<lakegate_domain::model::Dataset>> {
    lake.dataset(name).cloned().ok_or_else(|| {
        let all: Vec<String> = lake.datasets.iter().map(|d| d.name.to_string()).collect();
        let all = match all.as_slice() {
            [] => "no datasets yet; `lakegate feed add` or a file in `datasets/` makes one".to_string(),
            all => all.join(", "),
        };
        Stop::Usage(format!("there is no dataset `{name}`; the lake has {all}"))
    })
}

/// Refuses a dataset that neither the configuration nor any landed file names.
pub fn known_or_loaded(ctx: &Context, name: Option<&DatasetName>) -> Result<()> {
    let Some(name) = name else { return Ok(()) };
    let filter = FileFilter { dataset: Some(name.clone()), limit: Some(1), ..FileFilter::default() };
    if ctx.lake.dataset(name).is_none() && ctx.block(ctx.store.files(&filter))?.is_empty() {
        known_dataset(&ctx.lake, name)?;
    }
    Ok(())
}

/// Refuses a table that is not there.
pub fn known_table(session: &Session, table: &TableName) -> Result<()> {
    let all = session.tables()?;
    if all.contains(table) {
        return Ok(());
    }
    let all: Vec<String> = all.iter().map(ToString::to_string).collect();
    let all = match all.as_slice() {
        [] => "no tables yet; `lakegate run` loads what has landed".to_string(),
        all => all.join(", "),
    };
    Err(Stop::Usage(format!("there is no table `{table}`; the lake has {all}")))
}

/// Runs a command and tells what went wrong.
pub fn execute(cli: Cli, stop: Arc<AtomicBool>) -> Exit {
    let stdout = std::io::stdout();
    let shell = Shell {
        color: render::use_color(cli.global.color, &stdout),
        width: if stdout.is_terminal() { render::terminal_width() } else { None },
        global: cli.global,
        stop,
        runtime: Handle::current(),
    };
    let result = match cli.command {
        Command::Init(a) => start::init(&shell, &a),
        Command::Check => start::check(&shell),
        Command::Schema(a) => start::schema(&a),
        Command::Errors(a) => start::errors(&shell, &a),
        Command::Completions(a) => start::completions(&a),
        Command::Plan(a) => plan::plan(&shell, &a),
        Command::Run(a) => run::run(&shell, &a),
        Command::Up(a) => run::up(&shell, &a),
        Command::Poll(a) => poll::poll(&shell, &a),
        Command::Serve(a) => serve::serve(&shell, &a),
        Command::Sql(a) => sql::sql(&shell, &a),
        Command::Status => inspect::status(&shell),
        Command::Files(a) => inspect::files(&shell, &a),
        Command::Parked(a) => inspect::parked(&shell, &a),
        Command::Tables(a) => inspect::tables(&shell, &a),
        Command::Trace(a) => trace::trace(&shell, &a),
        Command::Redrive(a) => change::redrive(&shell, &a),
        Command::Replay(a) => change::replay(&shell, &a),
        Command::Maintain(a) => change::maintain(&shell, &a),
        Command::Export(a) => export::export(&shell, &a),
        Command::Review(a) => review::review(&shell, &a),
        Command::Prove(a) => prove::prove(&shell, &a),
        Command::Test(a) => fixtures::test(&shell, &a),
        Command::Demo(a) if a.feeds => simulate::demo(&shell, &a),
        Command::Demo(a) => demo::demo(&shell, &a),
        Command::Simulate(a) => simulate::simulate(&shell, &a),
        Command::Feed(Feed::Add(a)) => feed::add(&shell, &a),
        Command::Import(Import::Busobservatory(a)) => import::busobservatory(&shell, &a),
        Command::Import(Import::Tsdat(a)) => import::tsdat(&shell, &a),
    };
    match result {
        Ok(exit) => exit,
        Err(stop) => tell(&shell, stop),
    }
}

fn tell(shell: &Shell, stop: Stop) -> Exit {
    let (exit, text, json) = match stop {
        Stop::Closed => return Exit::Done,
        Stop::Failed(f) => (
            Exit::Failed,
            format!("error: {f}\n  help: {}", f.code.hint()),
            serde_json::json!({ "error": { "code": f.code.id(), "message": f.message, "help": f.code.hint() } }),
        ),
        Stop::Configuration(d) => (Exit::Usage, d.to_string(), serde_json::json!({ "errors": d.to_json() })),
        Stop::Query(m) => {
            (Exit::Failed, format!("error: {m}"), serde_json::json!({ "error": { "message": m } }))
        }
        Stop::Refused(Refusal { message, help, is_usage }) => (
            if is_usage { Exit::Usage } else { Exit::Failed },
            format!("error: {message}\n  help: {help}"),
            serde_json::json!({ "error": { "message": message, "help": help } }),
        ),
        Stop::Usage(m) => {
            (Exit::Usage, format!("error: {m}"), serde_json::json!({ "error": { "message": m } }))
        }
        Stop::Busy(m) => {
            (Exit::Busy, format!("error: {m}"), serde_json::json!({ "error": { "message": m } }))
        }
    };
    if shell.global.json {
        let _ = shell.print_json(&json);
    } else {
        let _ = writeln!(std::io::stderr(), "{}", render::visible_lines(text.trim_end()));
    }
    exit
}
