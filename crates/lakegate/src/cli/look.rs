//! What can be said of looking: what shows the lake and changes nothing.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use clap_complete::Shell;
use lakegate_domain::job::FileState;
use lakegate_domain::{Code, DatasetName, FileId, TableName};
use lakegate_lake::output::OutputFormat;

use super::{error_code, output_format, table_name};

/// Runs one statement, or opens a prompt. SQL only reads. Tables are
/// `team.dataset.table`; a shorter name does where it is the only one. The
/// lake's own tables are in `system`: files, runs, tables, columns and more. Several
/// statements, with `;` between, are answered one after the other: as json an array
/// for each, as `jq` reads them, as ndjson rows alone; parquet and arrow take one.
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

/// Lists for every file its kind, rows, columns and problems: of landed files what
/// the ledger knows, of other files what reading them shows. A census counts which
/// parameter, with which unit, is in how many files. Nothing is written.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  lakegate review                                  all that has landed
  lakegate review ocean.bottles --problems
  lakegate review --census --output census.csv
  lakegate review ~/Downloads/cruise_zips          files that have not landed; needs no lake

In SQL: select * from system.review, system.file_columns, system.problems, system.census
Exit code 3 says that there are errors or warnings; parameters that nobody lists are notes.")]
pub struct Review {
    /// Datasets, or files and folders that have not landed [default: all that has landed]
    #[arg(value_name = "DATASET|PATH")]
    pub targets: Vec<String>,
    /// List the problems instead of the files
    #[arg(long, group = "what")]
    pub problems: bool,
    /// List the files' columns with their statistics
    #[arg(long, group = "what")]
    pub columns: bool,
    /// Count which parameter, with which unit, is in how many files
    #[arg(long, group = "what")]
    pub census: bool,
    /// How the result is written [default: table on a terminal, else csv]
    #[arg(long, value_name = "FORMAT", value_parser = output_format())]
    pub format: Option<OutputFormat>,
    /// Write the result to a file; its ending says the format
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Files that are read at the same time; the others wait [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1024))]
    pub at_once: Option<usize>,
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

fn file_state() -> impl TypedValueParser<Value = FileState> {
    PossibleValuesParser::new(FileState::ALL.map(FileState::name))
        .try_map(|name| FileState::parse(&name).ok_or("not a state"))
}

fn trace_target(text: &str) -> Result<TraceTarget, String> {
    if let Ok(id) = text.parse::<FileId>() {
        return Ok(TraceTarget::File(id));
    }
    table_name(text)
        .map(TraceTarget::Table)
        .map_err(|_| format!("`{text}` is neither a file, such as `f12`, nor a table, `team.dataset.table`"))
}
