//! The command line: what can be said, and the help that teaches it. Nothing
//! here does anything.

mod feeds;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
pub use feeds::{
    Feed, FeedAdd, Import, ImportBusobservatory, ImportTsdat, Poll, Simulate, Simulated, SimulatedFeeds,
};
use lakegate_domain::config::parse_lapse;
use lakegate_domain::job::FileState;
use lakegate_domain::{Code, DatasetName, FileId, TableName};
use lakegate_lake::output::OutputFormat;
use lakegate_state::Millis;

/// How a command ended; the table in `--help` says the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    Done = 0,
    Failed = 1,
    /// Wrong usage or configuration. clap ends with it, too.
    Usage = 2,
    /// Finished, but something waits for a person.
    Findings = 3,
    Busy = 4,
    Interrupted = 130,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        std::process::ExitCode::from(exit as u8)
    }
}

const EXIT_CODES: &str = "\
Exit codes:
    0  everything is done
    1  it failed; the message says why
    2  the command line or the configuration is wrong
    3  finished, but: files were parked or match no dataset, or a feed could not be
       polled (run), golden rows differ (test), something does not add up (prove),
       files were refused and nothing was changed (replay), some feeds or parts of
       pipelines cannot be expressed (import)
    4  another process works on this lake
  130  interrupted; `up` and `serve`, which end only so, end with 0

First steps:
  lakegate demo                 make a small lake and load it
  lakegate init my-lake         start your own
  lakegate plan                 see what the landed files would become
  lakegate run                  load them
  lakegate sql 'show tables'    look at the rows";

/// A data lake in one binary.
///
/// Files land; each is recognised, read, standardised, checked and committed
/// exactly once to Delta Lake tables. What fails is parked with its reason and
/// can be redriven.
#[derive(Clone, Debug, Parser)]
#[command(name = "lakegate", version, after_help = EXIT_CODES, propagate_version = true, max_term_width = 100)]
#[command(arg_required_else_help = true, infer_subcommands = false, disable_help_subcommand = false)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// The lake's folder: the one with lake.yaml
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "LAKEGATE_LAKE",
        default_value = ".",
        help_heading = "Global options"
    )]
    pub lake: PathBuf,
    /// Print JSON for scripts
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
    /// Say more; twice for everything
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet", help_heading = "Global options")]
    pub verbose: u8,
    /// Print only results and errors
    #[arg(long, global = true, help_heading = "Global options")]
    pub quiet: bool,
    /// Colours and bold text
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = ColorChoice::Auto, help_heading = "Global options")]
    pub color: ColorChoice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    Always,
    Never,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Start a new lake
    Init(Init),
    /// Check the configuration, and report every mistake at once
    #[command(after_help = "\
Examples:
  lakegate check
  lakegate --lake ~/lakes/harbour check --json | jq .errors

Statements of `transform:` and `expect:` are checked against the columns that are declared. Exit code 2 says that
something is wrong.")]
    Check,
    /// Show what landed files would become, without writing anything
    Plan(Plan),
    /// Load everything that is pending, once, then summarise
    Run(Run),
    /// Load files as they land, and keep the tables in shape, until stopped
    Up(Up),
    /// Poll feeds now, whether or not they are due
    Poll(Poll),
    /// Serve feeds, tables and SQL over HTTP, until stopped
    Serve(Serve),
    /// Add a feed: an endpoint that is polled
    #[command(subcommand)]
    Feed(Feed),
    /// Turn the configuration of another system into datasets
    #[command(subcommand)]
    Import(Import),
    /// Ask the lake in SQL; without a statement, open a prompt
    Sql(Sql),
    /// Show what the lake holds and what waits
    #[command(after_help = "\
Examples:
  lakegate status
  lakegate status --json | jq '.datasets[].health'")]
    Status,
    /// List the files that have landed
    Files(Files),
    /// List the files that wait for a person, with the reason
    Parked(Parked),
    /// Send parked files again
    Redrive(Redrive),
    /// Rebuild a dataset's tables from its raw bytes
    Replay(Replay),
    /// Go from a row to its file and bytes, or from a file to its rows
    Trace(Trace),
    /// Write tables' rows to netCDF files for others
    Export(Export),
    /// Prove that every row of every file is accounted for
    Prove(Prove),
    /// List the tables, or describe one
    Tables(Tables),
    /// Compact, checkpoint and clean up the tables
    Maintain(Maintain),
    /// Run the datasets' fixtures and compare with their golden rows
    Test(Test),
    /// Make a small lake with files to try everything on
    Demo(Demo),
    /// Pretend to be agencies that publish feeds, to try polling on
    Simulate(Simulate),
    /// Print the completions for a shell
    Completions(Completions),
    /// Print the JSON Schema of the configuration, for editors
    Schema(SchemaArgs),
    /// Explain an error code, or list them all
    Errors(Errors),
}

/// Writes lake.yaml, a folder for datasets and one example.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  lakegate init                 here, named after this folder
  lakegate init ~/lakes/harbour --name harbour

Nothing that exists is overwritten.")]
pub struct Init {
    /// The new lake's folder
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// The lake's name [default: the folder's name in small letters, with `_` for what is none]
    #[arg(long)]
    pub name: Option<String>,
}

/// Reads landed files as `run` would and shows, for each, its dataset, tables,
/// columns with their types, rows, and what the expectations find. Nothing is
/// written, no file is taken.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  lakegate plan                          everything that has landed
  lakegate plan landing/buoy             one folder
  lakegate plan ~/Downloads/sample.csv   a file that has not landed: which dataset would take it?")]
pub struct Plan {
    /// Files or folders [default: all landing folders]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

/// Takes every file that has landed, loads it, keeps the tables in shape, and
/// stops. It may be interrupted or killed at any time and run again: nothing is
/// lost, nothing is loaded twice.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  lakegate run
  lakegate run --dataset ocean.buoy
  lakegate run --json | jq .parked

Exit code 3 says that files were parked or match no dataset (`lakegate parked`), or that a feed could not be polled.")]
pub struct Run {
    /// Only this dataset
    #[arg(long, value_name = "TEAM.DATASET")]
    pub dataset: Option<DatasetName>,
}

/// Takes files as they land, loads them, and keeps the tables in shape, until it
/// is stopped. With an address it also serves the lake over HTTP. A changed
/// configuration is taken over by itself; one with errors is told, and work goes on
/// as before.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  lakegate up
  lakegate up --listen 127.0.0.1:8080      and serve the lake beside the work")]
pub struct Up {
    /// Also serve the lake over HTTP here
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    #[command(flatten)]
    pub http: Http,
}

/// Serves the lake over HTTP: published feeds by route and local hour, pages,
/// tables, SQL that reads, /health, /metrics and /openapi.json. It writes
/// nothing but the dataset files of feeds that are added with `--admin`, and may run
/// beside `up` or on its own. A changed configuration is taken over by itself.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  lakegate serve                                     on http://127.0.0.1:8080, for this machine
  lakegate serve --listen 0.0.0.0:8080 --feeds-only  what is published, for everybody
  lakegate serve --listen 127.0.0.1:8080 --name feeds.example.org --behind-proxy
  lakegate serve --admin                             and feeds can be added at /feeds/new

A dataset becomes a feed by `publish:` in its file: docs/serving.md.")]
pub struct Serve {
    /// Where to listen; port 0 takes one that is free
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    #[command(flatten)]
    pub http: Http,
}

/// How a lake is served over HTTP.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "HTTP options")]
pub struct Http {
    /// Serve published feeds alone: no tables, no SQL
    #[arg(long)]
    pub feeds_only: bool,
    /// Requests that one client may make in a minute; 0 for any number
    #[arg(long, value_name = "N", default_value_t = 1200)]
    pub per_minute: u32,
    /// Take a client's address from X-Forwarded-For, as the proxy before this server sets it
    #[arg(long)]
    pub behind_proxy: bool,
    /// A name under which this server is asked, beside those of this machine; may be given more than once
    #[arg(long = "name", value_name = "HOST")]
    pub names: Vec<String>,
    /// Let people on this machine add feeds, at /feeds/new
    #[arg(long, conflicts_with = "feeds_only")]
    pub admin: bool,
    /// The same for people anywhere: only behind a proxy that asks who is there
    #[arg(long, conflicts_with = "feeds_only")]
    pub admin_from_anywhere: bool,
    /// Requests for rows that are answered at the same time
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub at_once: u32,
}

/// Runs one statement, or opens a prompt. SQL only reads. Tables are
/// `team.dataset.table`; a shorter name does where it is the only one. The
/// lake's own tables are in `system`: files, runs, tables, columns and more.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  lakegate sql                                            a prompt; \\? there for help
  lakegate sql 'select count(*) from persons'
  lakegate sql 'select * from met' --output met.parquet   the name says the format
  lakegate sql --file report.sql --format csv
  lakegate sql 'select name, state from system.files where state <> $$committed$$'
  echo 'show tables' | lakegate sql -")]
pub struct Sql {
    /// The statement; `-` reads it from standard input
    #[arg(value_name = "STATEMENT", conflicts_with = "file")]
    pub statement: Option<String>,
    /// How the result is written [default: table on a terminal, else csv]
    #[arg(long, value_name = "FORMAT", value_parser = output_format())]
    pub format: Option<OutputFormat>,
    /// Write the result to a file; its ending says the format
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Read the statements from a file, each ended by `;`; each gives a result of its own, one after the other
    #[arg(long, value_name = "SQLFILE")]
    pub file: Option<PathBuf>,
    /// Rows shown in a table; the rest is counted
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub max_rows: usize,
}

/// Lists landed files, newest first.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  lakegate files --state queued
  lakegate files --dataset ocean.buoy --name '*.zip' --limit 20

For anything else: lakegate sql 'select … from system.files'")]
pub struct Files {
    /// Only files of this dataset
    #[arg(long, value_name = "TEAM.DATASET")]
    pub dataset: Option<DatasetName>,
    /// Only files in this state
    #[arg(long, value_name = "STATE", value_parser = file_state())]
    pub state: Option<FileState>,
    /// Only files whose name matches; `*` stands for anything, `?` for one character
    #[arg(long, value_name = "GLOB")]
    pub name: Option<String>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: usize,
}

/// Lists parked files by reason. Every reason has a code, a sentence that says
/// what happened where, and a way to mend it.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  lakegate parked
  lakegate parked --code LG302
  lakegate errors LG302         what the code means

Mend the cause, then `lakegate redrive`.")]
pub struct Parked {
    /// Only files of this dataset
    #[arg(long, value_name = "TEAM.DATASET")]
    pub dataset: Option<DatasetName>,
    /// Only this reason
    #[arg(long, value_name = "CODE", value_parser = error_code)]
    pub code: Option<Code>,
}

/// Queues parked files once more, as they are; `run` or `up` then loads them.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  lakegate redrive f12 f15
  lakegate redrive --code LG302
  lakegate redrive --dataset ocean.buoy --name '*2026-07*'
  lakegate redrive --accept f31     f31 really has so few rows: load it all the same
  lakegate redrive --all")]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(true).args(["files", "dataset", "code", "name", "all"]))]
pub struct Redrive {
    /// Files, such as f12
    #[arg(value_name = "FILE_ID", conflicts_with = "all")]
    pub files: Vec<FileId>,
    /// Those of this dataset
    #[arg(long, value_name = "TEAM.DATASET", conflicts_with = "files")]
    pub dataset: Option<DatasetName>,
    /// Those parked for this reason
    #[arg(long, value_name = "CODE", value_parser = error_code, conflicts_with = "files")]
    pub code: Option<Code>,
    /// Those whose name matches; `*` stands for anything, `?` for one character
    #[arg(long, value_name = "GLOB", conflicts_with = "files")]
    pub name: Option<String>,
    /// All of them
    #[arg(long, conflicts_with_all = ["dataset", "code", "name"])]
    pub all: bool,
    /// Load them even where they have far fewer rows than usual (LG503)
    #[arg(long)]
    pub accept: bool,
}

/// Runs the raw bytes of a dataset through its configuration as it is now, and
/// replaces the rows in its tables. Readers see the old rows or the new ones,
/// never half of each. A file whose raw bytes are no longer kept keeps its rows.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  lakegate replay ocean.buoy              after a column's unit was mended
  lakegate replay ocean.buoy --file f12   one file only")]
pub struct Replay {
    #[arg(value_name = "TEAM.DATASET")]
    pub dataset: DatasetName,
    /// Only this file; may be given more than once
    #[arg(long = "file", value_name = "FILE_ID")]
    pub files: Vec<FileId>,
}

/// Follows rows to where they came from. With a table and `--file`, and `--row`
/// for one row: the record in the landed file that it was read from. With a
/// file: its history, its commits and where its rows are.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  lakegate trace f12
  lakegate trace ocean.buoy.met --file f12 --row 17

Every row carries its file and number: select _file_id, _row, * from ocean.buoy.met")]
pub struct Trace {
    /// A file, such as f12, or a table, team.dataset.table
    #[arg(value_name = "ROW", value_parser = trace_target)]
    pub target: TraceTarget,
    /// The row's number in its file, from its `_row`
    #[arg(long, value_name = "N", requires = "file", value_parser = clap::value_parser!(u64).range(1..))]
    pub row: Option<u64>,
    /// The row's file, from its `_file_id`
    #[arg(long, value_name = "FILE_ID")]
    pub file: Option<FileId>,
}

/// What `trace` begins at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TraceTarget {
    File(FileId),
    Table(TableName),
}

/// Writes the exports that `export:` declares, below `export/` of the storage.
/// `run` and `up` do so by themselves; this makes what is due, or all again, or
/// writes copies to another folder, which the lake then forgets.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  lakegate export                                    what is due
  lakegate export ocean.buoy --all                   all files of a dataset again
  lakegate export ocean.buoy.met --since 7d --out /mnt/handover

Exit code 3 says that some exports could not be made; `select * from system.exports` lists all.")]
pub struct Export {
    /// Only this dataset or table
    #[arg(value_name = "DATASET[.TABLE]", value_parser = export_target)]
    pub target: Option<ExportTarget>,
    /// Make them again though nothing changed
    #[arg(long)]
    pub all: bool,
    /// Those of files that were loaded since: 2026-11-21, a time, or 7d ago; again, though nothing changed
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub since: Option<Since>,
    /// Write to this folder instead, all files but for --since
    #[arg(long, value_name = "DIR", conflicts_with = "all")]
    pub out: Option<PathBuf>,
}

/// What `export` is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportTarget {
    Dataset(DatasetName),
    Table(TableName),
}

fn export_target(text: &str) -> Result<ExportTarget, String> {
    match text.split('.').count() {
        2 => text.parse().map(ExportTarget::Dataset),
        _ => table_name(text).map(ExportTarget::Table),
    }
}

/// A time, or how long ago it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    At(Millis),
    Ago(Duration),
}

impl Since {
    pub fn before(self, now: Millis) -> Millis {
        match self {
            Since::At(at) => at,
            Since::Ago(lapse) => now.plus(-i64::try_from(lapse.as_millis()).unwrap_or(i64::MAX)),
        }
    }
}

fn since(text: &str) -> Result<Since, String> {
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(Since::At(Millis(time.as_millisecond())));
    }
    if let Ok(time) = text.parse::<jiff::civil::DateTime>() {
        let time = time.to_zoned(jiff::tz::TimeZone::UTC).map_err(|e| e.to_string())?;
        return Ok(Since::At(Millis(time.timestamp().as_millisecond())));
    }
    parse_lapse(text).map(Since::Ago).ok_or_else(|| {
        "write a day (2026-11-21), a time (2026-11-21T12:00:00Z) or how long ago (7d, 12h)".into()
    })
}

/// Counts the tables' rows and compares them with the ledger. For every file and
/// table: rows in (the file's, or what its transform makes of them) = rows in the
/// table + quarantined + dropped by an expectation + removed as duplicates, each
/// there once; every data file is there and every value in it can be read; every
/// commit token is one that the ledger has handed out; the raw bytes are those that
/// landed.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  lakegate prove
  lakegate prove ocean.buoy.met
  lakegate prove --quick            of the tables only the columns that say whose the rows are

Exit code 3 says that something does not add up; each finding names its file.")]
pub struct Prove {
    /// Only this table
    #[arg(value_name = "TEAM.DATASET.TABLE", value_parser = table_name)]
    pub table: Option<TableName>,
    /// Count rows without reading their values
    #[arg(long)]
    pub quick: bool,
}

/// Lists all tables with their version, rows and bytes, or shows one table's
/// columns, partitions and newest commits.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  lakegate tables
  lakegate tables ocean.buoy.met
  lakegate tables --drop ocean.buoy.old     after it was renamed and `lakegate replay ocean.buoy`")]
pub struct Tables {
    #[arg(value_name = "TEAM.DATASET.TABLE", value_parser = table_name)]
    pub table: Option<TableName>,
    /// Remove a table that no configuration makes any more, and the quarantine beside it
    #[arg(long, value_name = "TEAM.DATASET.TABLE", value_parser = table_name, conflicts_with = "table")]
    pub drop: Option<TableName>,
    /// Do not ask
    #[arg(long, requires = "drop")]
    pub yes: bool,
}

/// Does the upkeep now. `run` compacts and checkpoints by itself, `up` also
/// cleans up every six hours. Without a choice, all of what is due: small files are compacted, logs get a checkpoint, data files
/// and raw bytes past their retention are removed. Readers are never disturbed.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  lakegate maintain --dry-run
  lakegate maintain --table ocean.buoy.met --compact")]
pub struct Maintain {
    /// Only this table
    #[arg(long, value_name = "TEAM.DATASET.TABLE", value_parser = table_name)]
    pub table: Option<TableName>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Fold small data files into large ones
    #[arg(long)]
    pub compact: bool,
    /// Remove data files that no kept version needs
    #[arg(long)]
    pub vacuum: bool,
    /// Write a checkpoint of the log
    #[arg(long)]
    pub checkpoint: bool,
    /// Remove raw bytes past their retention
    #[arg(long, conflicts_with = "table")]
    pub raw: bool,
}

/// Loads each dataset's fixtures, fixtures/<team>/<dataset>/<case>, in a lake of its
/// own and compares the rows with the golden ones beside them.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  lakegate test
  lakegate test ocean.buoy
  lakegate test ocean.buoy --update    take today's rows as the golden ones; look at the diff")]
pub struct Test {
    /// Only this dataset
    #[arg(value_name = "TEAM.DATASET")]
    pub dataset: Option<DatasetName>,
    /// Write the golden rows anew
    #[arg(long)]
    pub update: bool,
}

/// Makes a small lake and lands files in it while you watch: good ones, one that
/// is cut short, one that comes twice. Then asks the tables a few questions. With
/// --feeds it is the lake of examples/bus_observatory, polled and served.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  lakegate demo
  lakegate demo my-demo && lakegate --lake my-demo sql
  lakegate demo --feeds      then open http://127.0.0.1:8080")]
pub struct Demo {
    /// The folder to make; it must not exist or be empty [default: a temporary one]
    #[arg(value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Buses instead of files: simulated feeds are polled, loaded and served until Ctrl-C
    #[arg(long)]
    pub feeds: bool,
    /// Where the pages of --feeds are served
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", requires = "feeds")]
    pub listen: SocketAddr,
}

/// Prints a script for your shell to complete commands and options.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  lakegate completions bash > ~/.local/share/bash-completion/completions/lakegate
  lakegate completions zsh > ~/.zfunc/_lakegate
  lakegate completions fish > ~/.config/fish/completions/lakegate.fish")]
pub struct Completions {
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Prints the schema by which an editor completes and checks the configuration.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  lakegate schema dataset --example        every key, with a line of explanation
  lakegate schema dataset > dataset.schema.json
  then, at the top of a dataset's file:
  # yaml-language-server: $schema=../dataset.schema.json")]
pub struct SchemaArgs {
    /// Of lake.yaml, or of a file in datasets/
    #[arg(value_enum)]
    pub of: SchemaOf,
    /// Print an example that has and explains every key
    #[arg(long)]
    pub example: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    Lake,
    Dataset,
}

/// Says what an error code means and how to mend its cause.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  lakegate errors
  lakegate errors LG302")]
pub struct Errors {
    #[arg(value_name = "CODE", value_parser = error_code)]
    pub code: Option<Code>,
}

fn output_format() -> impl TypedValueParser<Value = OutputFormat> {
    PossibleValuesParser::new(OutputFormat::ALL.map(OutputFormat::name))
        .try_map(|name| name.parse::<OutputFormat>())
}

fn file_state() -> impl TypedValueParser<Value = FileState> {
    PossibleValuesParser::new(FileState::ALL.map(FileState::name))
        .try_map(|name| FileState::parse(&name).ok_or("not a state"))
}

fn error_code(text: &str) -> Result<Code, String> {
    Code::parse(&text.to_uppercase())
        .ok_or_else(|| format!("there is no error code `{text}`; `lakegate errors` lists them"))
}

fn table_name(text: &str) -> Result<TableName, String> {
    match text.split('.').collect::<Vec<_>>()[..] {
        [team, dataset, table] if ![team, dataset, table].contains(&"") => {
            Ok(DatasetName::new(team, dataset).table(table))
        }
        _ => Err(format!("`{text}` is not a table; write `team.dataset.table`")),
    }
}

fn trace_target(text: &str) -> Result<TraceTarget, String> {
    if let Ok(id) = text.parse::<FileId>() {
        return Ok(TraceTarget::File(id));
    }
    table_name(text)
        .map(TraceTarget::Table)
        .map_err(|_| format!("`{text}` is neither a file, such as `f12`, nor a table, `team.dataset.table`"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_definitions_hold_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_teaches_by_example_or_needs_none() {
        let needs_none = ["help"];
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            assert!(command.get_about().is_some(), "{name} has no description");
            let example = command.get_after_help().map(|h| h.to_string()).unwrap_or_default();
            let shown = example.contains(&format!("lakegate {name}"));
            assert!(shown || needs_none.contains(&name), "{name} has no example");
        }
    }

    #[test]
    fn the_help_lists_every_exit_code() {
        let help = Cli::command().render_help().to_string();
        for exit in [Exit::Done, Exit::Failed, Exit::Usage, Exit::Findings, Exit::Busy, Exit::Interrupted] {
            let code = (exit as u8).to_string();
            assert!(help.lines().any(|l| l.trim_start().starts_with(&code)), "{code} is not explained");
        }
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for line in [
            "lakegate",
            "lakegate sql a --file b",
            "lakegate sql a --format xml",
            "lakegate redrive",
            "lakegate redrive --all --code LG302",
            "lakegate redrive f1 --all",
            "lakegate redrive x12",
            "lakegate files --state lost",
            "lakegate parked --code LG999",
            "lakegate trace a.b",
            "lakegate trace a.b.c --row 3",
            "lakegate trace a.b.c --file f1 --row 0",
            "lakegate run --dataset a",
            "lakegate prove a.b.",
            "lakegate --verbose --quiet status",
            "lakegate serve --listen localhost",
            "lakegate serve --admin --feeds-only",
            "lakegate feed add",
            "lakegate feed add u --yes --print",
            "lakegate feed add u --header X",
            "lakegate import busobservatory",
            "lakegate import tsdat",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn what_is_right_is_taken() {
        for line in [
            "lakegate status --json --lake /tmp",
            "lakegate -vv run --dataset a.b",
            "lakegate redrive f1 2 --accept",
            "lakegate redrive --dataset a.b --code lg302 --name *.csv",
            "lakegate trace f12",
            "lakegate trace a.b.c --file f12 --row 3",
            "lakegate sql",
            "lakegate sql - --format ndjson",
            "lakegate replay a.b --file 1 --file f2",
            "lakegate schema lake",
            "lakegate completions zsh",
            "lakegate up --listen 127.0.0.1:0 --admin",
            "lakegate feed add https://h/x?key=a --header X-Key:b --header Accept:c --name d --print",
            "lakegate import busobservatory stack_config.json --team t --dry-run",
            "lakegate import tsdat pipelines --team t --landing in --sample a.zip --dry-run",
            "lakegate serve --listen [::1]:8080 --feeds-only --name a --name b --per-minute 0",
        ] {
            assert!(parse(line).is_ok(), "{line}: {}", parse(line).unwrap_err());
        }
        let Command::Trace(trace) = parse("lakegate trace a.b.c").unwrap().command else {
            panic!("not trace")
        };
        assert_eq!(trace.target, TraceTarget::Table(DatasetName::new("a", "b").table("c")));
    }
}
