//! What can be said of feeds: polling, adding, importing and simulating them.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use lakegate_domain::DatasetName;

/// Polls feeds once, at once, and says what each answered. What is new lands; the
/// next `run` loads it. A tick that is polled early is not polled again.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  lakegate poll                     every feed
  lakegate poll transit.city_bus && lakegate run

Exit code 1 says that a poll failed.")]
pub struct Poll {
    /// Only these
    #[arg(value_name = "TEAM.DATASET")]
    pub datasets: Vec<DatasetName>,
}

/// Add feeds to the lake.
#[derive(Clone, Debug, Subcommand)]
#[command(after_help = "\
Examples:
  lakegate feed add https://cdn.example.org/VehiclePositions.pb")]
pub enum Feed {
    /// Look at an endpoint, propose a dataset file for it, and write that
    Add(FeedAdd),
}

/// Asks an endpoint once, recognises what it answers (GTFS-Realtime, SIRI, Clever
/// Devices, NextBus, GBFS, or any JSON, NDJSON, CSV or XML), shows the dataset file
/// that it proposes and the first ten rows, and writes the file when you say yes.
/// Nothing that exists is overwritten.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  lakegate feed add https://cdn.example.org/VehiclePositions.pb
  lakegate feed add 'https://api.example.org/vm.json?key=abc' --name city --timezone America/New_York
  lakegate feed add https://api.example.org/buses --header 'Authorization: apikey ${env:CITY_KEY}' --yes
  lakegate feed add https://gbfs.example.org/station_status.json --print

A key that is written out, in the address or a header, becomes `${env:NAME}`; which variable is to be set is said.")]
pub struct FeedAdd {
    /// The address
    #[arg(value_name = "URL")]
    pub url: String,
    /// The dataset's name [default: made from the address]
    #[arg(long)]
    pub name: Option<String>,
    /// Its team [default: the lake's only one]
    #[arg(long)]
    pub team: Option<String>,
    /// IANA zone of local hours and naive times [default: what the answer says, else the lake's]
    #[arg(long, value_name = "ZONE")]
    pub timezone: Option<String>,
    /// How often it is polled [default: what the answer says, else 30s]
    #[arg(long, value_name = "LAPSE")]
    pub every: Option<String>,
    /// A header that is sent, `Name: value`; may be given more than once
    #[arg(long = "header", value_name = "HEADER", value_parser = header)]
    pub headers: Vec<(String, String)>,
    /// Path to the records of JSON or XML, where it cannot be told
    #[arg(long, value_name = "PATH")]
    pub records: Option<String>,
    /// Write the file without asking
    #[arg(long, conflicts_with = "print")]
    pub yes: bool,
    /// Print the file, and write nothing
    #[arg(long)]
    pub print: bool,
}

/// Turn the configuration of another system into datasets.
#[derive(Clone, Debug, Subcommand)]
#[command(after_help = "\
Examples:
  lakegate import busobservatory config/stack_config.json
  lakegate import tsdat ~/ingest-pipelines")]
pub enum Import {
    /// A Bus Observatory's stack_config.json: a dataset for each feed
    Busobservatory(ImportBusobservatory),
    /// A repository of tsdat: a dataset for each pipeline
    Tsdat(ImportTsdat),
}

/// Writes a dataset file for each pipeline of a tsdat repository, of the 0.2 style or
/// the current one: what files it takes and how they are read, its variables with all
/// attributes, its quality checks with their bits, and an export that is called and
/// laid out as tsdat's. What is in Python (hooks, classes of your own) is listed by
/// name, with the place in the file where its work belongs. Nothing that exists is
/// overwritten.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  lakegate import tsdat ~/ingest-pipelines --dry-run
  lakegate import tsdat pipelines/buoy/config/pipeline_humboldt.yaml --team ocean
  lakegate import tsdat pipelines/buoy --sample data/buoy.z05.00.20201201.000000.zip

Exit code 3 says that something waits for you: a file that is missing, a hook, a
pipeline that was not written.")]
pub struct ImportTsdat {
    /// A repository, a folder of one, or one pipeline file
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Team of the datasets [default: the lake's only one]
    #[arg(long)]
    pub team: Option<String>,
    /// One landing folder for all of them; each takes the files of its pattern
    /// [default: landing/<team>/<dataset>]
    #[arg(long, value_name = "DIR")]
    pub landing: Option<String>,
    /// An input file: its members and columns tell what the configuration does not say
    #[arg(long, value_name = "FILE")]
    pub sample: Option<PathBuf>,
    /// Say what would be written, and write nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Writes a dataset file for each feed of a Bus Observatory's stack_config.json.
/// Columns keep their names, the old addresses answer, and every key becomes a
/// reference to an environment variable; the names to set are listed. What cannot be
/// expressed is named with the reason. Nothing that exists is overwritten.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  lakegate import busobservatory config/stack_config.json --dry-run
  lakegate import busobservatory config/stack_config.json --team transit

Exit code 3 says that some feeds were not written.")]
pub struct ImportBusobservatory {
    /// The stack_config.json
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Team of the datasets [default: the lake's only one]
    #[arg(long)]
    pub team: Option<String>,
    /// Say what would be written, and write nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Simulates what a lake polls.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  lakegate simulate feeds      then poll them with examples/bus_observatory")]
pub struct Simulate {
    #[command(subcommand)]
    pub what: Simulated,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Simulated {
    /// Answer as six transit agencies do, until stopped
    Feeds(SimulatedFeeds),
}

/// Serves the positions of buses that do not exist as GTFS-Realtime (protobuf
/// and JSON), SIRI (JSON and XML), Clever Devices and NextBus, with faults on
/// demand. Its first page lists the addresses and the faults.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  lakegate simulate feeds
  lakegate simulate feeds --vehicles 300 --faults 0.05
  curl http://127.0.0.1:8085/prairie/vehicles.json
  curl -X PUT http://127.0.0.1:8085/harbor/fault/slow      DELETE ends it

examples/bus_observatory polls these feeds.")]
pub struct SimulatedFeeds {
    /// Where to listen; port 0 takes one that is free
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8085")]
    pub listen: SocketAddr,
    /// Routes of each feed
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..1000))]
    pub routes: u32,
    /// Vehicles of each route
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(0..1000))]
    pub vehicles: u32,
    /// Share of the answers that go wrong by chance, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub faults: f64,
    /// Decides where buses go and which answers go wrong
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().into(), value.trim().into())),
        _ => Err("write `Name: value`, as in `X-Api-Key: ${env:KEY}`".into()),
    }
}
