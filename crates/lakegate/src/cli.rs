//! The command line: what can be said, and the help that teaches it. Nothing
//! here does anything.

mod export;
mod feeds;
mod look;
mod work;

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
pub use export::{Export, ExportTarget};
pub use feeds::{
    Feed, FeedAdd, Import, ImportBusobservatory, ImportTsdat, Poll, Simulate, Simulated, SimulatedFeeds,
};
use lakegate_domain::{Code, DatasetName, TableName};
use lakegate_lake::output::OutputFormat;
pub use look::{
    Completions, Errors, Files, Parked, Prove, Review, SchemaArgs, SchemaOf, Sql, Tables, Trace, TraceTarget,
};
pub use work::{Demo, Http, Init, Maintain, Plan, Redrive, Replay, Run, Serve, Test, Up};

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
       pipelines cannot be expressed (import), files have problems (review)
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
    /// Show what every file holds and what is wrong with it, and count parameters
    Review(Review),
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

fn output_format() -> impl TypedValueParser<Value = OutputFormat> {
    PossibleValuesParser::new(OutputFormat::ALL.map(OutputFormat::name))
        .try_map(|name| name.parse::<OutputFormat>())
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
            "lakegate review --census --problems",
            "lakegate review --at-once 0",
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
            "lakegate review a.b --census --format csv",
            "lakegate review ./x /y/z.zip --at-once 3 -o out.json",
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
