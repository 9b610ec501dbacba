//! What can be said of exports.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use lakegate_domain::config::parse_lapse;
use lakegate_domain::{DatasetName, TableName};
use lakegate_state::Millis;

use super::table_name;

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

fn export_target(text: &str) -> Result<ExportTarget, String> {
    match text.split('.').count() {
        2 => text.parse().map(ExportTarget::Dataset),
        _ => table_name(text).map(ExportTarget::Table),
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
