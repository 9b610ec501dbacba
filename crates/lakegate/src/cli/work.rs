//! What can be said of work: what loads, serves and changes the lake.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use lakegate_domain::{Code, DatasetName, FileId, TableName};

use super::{error_code, table_name};

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
