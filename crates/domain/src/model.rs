//! The compiled lake: what is left of the configuration once every name is
//! resolved, every pattern compiled and every default filled in. A running lake
//! is immutable; a reload builds another one and swaps it whole.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::dedupe::Dedupe;
use crate::exchange::Rule;
use crate::export::Export;
use crate::feed::{Feed, Feeds, Template};
use crate::health::Rules;
use crate::ids::DatasetName;
use crate::transit::{gtfs_rt, records::Preset};
use crate::units::Conversion;

mod quality;
mod stages;

pub use quality::{Assessment, Flags, Level, Order, Quality, QualityCheck, Range, Then, Thresholds, qc_name};
pub use stages::{Align, Grid, GridLimits, Hook, How, Merge, Method};

/// A whole lake, compiled.
#[derive(Debug)]
pub struct Lake {
    pub name: String,
    /// The folder that holds `lake.yaml`; absolute.
    pub root: PathBuf,
    /// Where tables, raw bytes and state live; absolute.
    pub storage: PathBuf,
    /// IANA zone for naive times of datasets that name none.
    pub timezone: String,
    pub teams: Vec<String>,
    /// Ceiling for the process's buffers.
    pub memory_bytes: u64,
    pub batch: BatchLimits,
    pub upkeep: Upkeep,
    pub feeds: Feeds,
    /// Who is told when a dataset becomes unwell, and when it is well again.
    pub webhook: Option<Webhook>,
    pub datasets: Vec<Arc<Dataset>>,
}

impl Lake {
    pub fn dataset(&self, name: &DatasetName) -> Option<&Arc<Dataset>> {
        self.datasets.iter().find(|d| &d.name == name)
    }
}

/// How many landed files fold into one commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    pub max_files: u32,
    pub max_bytes: u64,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self { max_files: 1000, max_bytes: 256 << 20 }
    }
}

/// Settings of the reconcilers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upkeep {
    /// Size that compaction and large writes aim for.
    pub target_file_bytes: u64,
    /// A partition with at least this many small files is compacted.
    pub compact_at_files: usize,
    /// Age before a removed data file may be deleted.
    pub vacuum_after: Duration,
    /// Commits between two checkpoints.
    pub checkpoint_every: u64,
    /// Age before raw bytes may be deleted; `None` keeps them for ever.
    pub keep_raw: Option<Duration>,
    /// Age before recorded runs and failures are forgotten; `None` keeps them for ever.
    pub keep_runs: Option<Duration>,
    /// Age before the record of a poll may be deleted.
    pub keep_polls: Duration,
}

impl Default for Upkeep {
    fn default() -> Self {
        Self {
            target_file_bytes: 128 << 20,
            compact_at_files: 16,
            vacuum_after: Duration::from_secs(7 * 24 * 3600),
            checkpoint_every: 50,
            keep_raw: None,
            keep_runs: Some(Duration::from_secs(90 * 24 * 3600)),
            keep_polls: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

/// One dataset file, compiled.
#[derive(Debug)]
pub struct Dataset {
    pub name: DatasetName,
    pub description: Option<String>,
    /// The file that declares it; absolute.
    pub source: PathBuf,
    /// Fingerprint of the declaration: which configuration made a commit.
    pub config_hash: String,
    /// Folder in which its files land; absolute.
    pub landing: PathBuf,
    /// The endpoint whose answers land there.
    pub feed: Option<Feed>,
    /// Which names below `landing` are its files. Anchored at both ends; tried
    /// on the file's name or, where the pattern has a `/`, on its whole
    /// relative path. `None` takes every file.
    pub pattern: Option<Pattern>,
    /// IANA zone of naive times.
    pub timezone: String,
    /// Values by the text captured by the group `site`; they become columns.
    pub sites: IndexMap<String, IndexMap<String, Scalar>>,
    pub after: After,
    pub on_change: OnChange,
    /// Whether the same bytes under another name are the same file.
    pub same_bytes: SameBytes,
    pub empty: Empty,
    /// How long a file must not have changed before it is taken.
    pub settle: Duration,
    pub read: Read,
    /// Types of the columns that a transform sees; those not named are text.
    pub input: Vec<Column>,
    pub tables: IndexMap<String, Table>,
    /// Settings for tables that are not named: `tables: { '*': {…} }`.
    pub any_table: Option<Table>,
    pub volume: VolumeGuard,
    /// Whether rows carry `_file_id`, `_row` and `_loaded_at`.
    pub provenance: bool,
    /// How one of its tables is served over HTTP.
    pub publish: Option<Publish>,
    /// What is expected of its freshness and volume.
    pub watch: Rules,
}

/// An address that is told what happens.
#[derive(Clone, Debug)]
pub struct Webhook {
    pub url: Template,
    /// By name, as written.
    pub headers: Vec<(String, Template)>,
}

/// How many rows are to come within a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpectRows {
    pub within: Duration,
    pub at_least: u64,
    pub at_most: Option<u64>,
}

/// A table that is served over HTTP as a feed. Columns that no configuration
/// declares may be missing from the table all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// Name of the feed in addresses, unique in the lake.
    pub name: String,
    /// One of the dataset's tables.
    pub table: String,
    /// IANA zone of its local hours.
    pub timezone: String,
    /// Column that tells the route.
    pub route: String,
    /// Column that tells when, an instant.
    pub time: String,
    /// Column that tells the vehicle.
    pub vehicle: Option<String>,
    /// Columns of the latitude and the longitude, degrees.
    pub position: Option<(String, String)>,
}

#[derive(Clone, Debug)]
pub struct Pattern {
    pub regex: Regex,
    pub text: String,
    /// Tried on the relative path instead of the file's name.
    pub on_path: bool,
    /// Names of its named groups, in order.
    pub groups: Vec<String>,
}

/// What becomes of a landed file after its bytes are safe in the lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum After {
    Keep,
    Archive,
    Delete,
}

/// What follows when a name comes back with other bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnChange {
    Replace,
    Append,
    Ignore,
}

/// What becomes of a file without a single row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Empty {
    Park,
    Accept,
}

/// What follows when known bytes come under a new name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SameBytes {
    /// A duplicate: recorded, not loaded.
    Duplicate,
    /// Another file that happens to say the same: loaded.
    Load,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VolumeGuard {
    /// A replacement with less than this share of the rows it replaces parks.
    pub replacement: Option<f64>,
    /// A file with less than this share of the median rows of recent files parks.
    pub file: Option<f64>,
}

/// How bytes become record streams.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// `None`: decided by the file's name and first bytes.
    pub format: Option<Format>,
    /// Members of archives that are read; `None` takes all that are not junk.
    pub member: Option<String>,
    /// More readers by member pattern, each its own stream: `members:`.
    pub streams: Vec<StreamRead>,
    pub caps: Caps,
}

impl Read {
    /// The record streams that its files have, by name; empty where a file has
    /// one, which needs no name.
    pub fn stream_names(&self) -> Vec<String> {
        match &self.format {
            Some(Format::GtfsRt(feed)) => feed.streams.iter().map(|s| s.to_string()).collect(),
            Some(Format::Netcdf(netcdf)) if netcdf.dimensions.len() > 1 => netcdf.dimensions.clone(),
            _ => self.streams.iter().map(|s| s.name.clone()).collect(),
        }
    }

    /// Whether a landed file of this name is text that is read once, from its
    /// beginning to its end.
    pub fn is_streamed_text(&self, name: &str) -> bool {
        if self.member.is_some() || !self.streams.is_empty() {
            return false;
        }
        match &self.format {
            Some(format) => matches!(format, Format::Csv(_) | Format::Ndjson),
            None => {
                let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
                let known = ["csv", "tsv", "txt", "ndjson", "jsonl"];
                known.iter().any(|known| ending.eq_ignore_ascii_case(known))
            }
        }
    }

    /// How a record stream is read.
    pub fn format_of(&self, stream: Option<&str>) -> Option<&Format> {
        let own = self.streams.iter().find(|s| Some(s.name.as_str()) == stream);
        own.and_then(|s| s.format.as_ref()).or(self.format.as_ref())
    }
}

/// One record stream of an archive: the members it takes and how they are read.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamRead {
    pub name: String,
    /// Regular expression, anchored, on the member's whole path.
    pub member: String,
    pub format: Option<Format>,
}

/// What an archive may grow to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Caps {
    pub expanded_bytes: u64,
    /// Expanded size over compressed size, looked at past the first 16 MiB.
    pub ratio: u64,
    pub entries: u64,
    /// Archives inside archives.
    pub depth: u32,
    /// One record: a CSV row, a JSON record.
    pub record_bytes: u64,
}

impl Default for Caps {
    fn default() -> Self {
        Self { expanded_bytes: 64 << 30, ratio: 1000, entries: 100_000, depth: 4, record_bytes: 16 << 20 }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Format {
    Csv(Csv),
    Json(Json),
    Ndjson,
    Parquet,
    Arrow,
    Netcdf(Netcdf),
    Xml(Xml),
    GtfsRt(GtfsRt),
    /// A transit feed that is a list of records.
    Records(Preset, Names),
    WhpExchange(WhpExchange),
}

impl Format {
    pub fn name(&self) -> &'static str {
        match self {
            Format::Csv(_) => "csv",
            Format::Json(_) => "json",
            Format::Ndjson => "ndjson",
            Format::Parquet => "parquet",
            Format::Arrow => "arrow",
            Format::Netcdf(_) => "netcdf",
            Format::Xml(_) => "xml",
            Format::GtfsRt(_) => "gtfs_rt",
            Format::Records(preset, _) => preset.name(),
            Format::WhpExchange(_) => "whp_exchange",
        }
    }
}

/// How WHP-Exchange files are read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WhpExchange {
    pub encoding: Option<Encoding>,
    /// Rules that a file may break and is read all the same.
    pub accept: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Csv {
    /// `None`: the likeliest of `,` `;` tab `|` in the header line.
    pub delimiter: Option<u8>,
    pub quote: Option<u8>,
    pub header: Header,
    /// Lines thrown away before anything is looked at.
    pub skip_lines: usize,
    /// Lines that begin with this are thrown away wherever they stand.
    pub comment: Option<String>,
    /// The row after the header holds units.
    pub units_row: bool,
    /// A line equal to this ends the data.
    pub end: Option<String>,
    /// Spellings of a missing value, beside the empty unquoted field.
    pub nulls: Vec<String>,
    pub encoding: Option<Encoding>,
    pub ragged: Ragged,
    /// Whether spaces around unquoted fields are removed.
    pub trim: bool,
}

impl Default for Csv {
    fn default() -> Self {
        Self {
            delimiter: None,
            quote: Some(b'"'),
            header: Header::Row,
            skip_lines: 0,
            comment: None,
            units_row: false,
            end: None,
            nulls: Vec::new(),
            encoding: None,
            ragged: Ragged::Reject,
            trim: false,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Header {
    /// The first line names the columns.
    Row,
    /// No header: columns are `column_1`, `column_2`, …
    None,
    /// No header: these are the names.
    Names(Vec<String>),
}

/// What follows when a row has another number of fields than the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ragged {
    /// The file is parked.
    Reject,
    /// Missing fields are null; surplus fields are rescued as `_extra_1`, ….
    Fill,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoding {
    #[serde(rename = "utf-8")]
    Utf8,
    #[serde(rename = "utf-16le")]
    Utf16Le,
    #[serde(rename = "utf-16be")]
    Utf16Be,
    #[serde(rename = "latin-1")]
    Latin1,
}

#[derive(Clone, Debug, PartialEq, Default)]
pub struct Json {
    /// Path to the records, as `a.b.c`; empty: the document is an array of
    /// records; `.`: the document is one record.
    pub records: String,
}

/// How a netCDF file becomes rows.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Netcdf {
    /// Dimensions whose steps are rows. None: the file's own record dimension,
    /// or the likeliest one. Several: a record stream for each, named by it.
    pub dimensions: Vec<String>,
    /// Path of the group that is read, with the groups in it; empty for all.
    pub group: String,
    /// Attributes of the group that become columns.
    pub attributes: Vec<String>,
    pub mask: Mask,
    pub times: Times,
}

/// Which stored values are missing values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mask {
    /// Those that `_FillValue` and `missing_value` name, values that were never
    /// written, and NaN.
    #[default]
    Fill,
    /// Those, and what `valid_range`, `valid_min` and `valid_max` exclude.
    ValidRange,
    /// None.
    None,
}

/// What becomes of numbers that count time since a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Times {
    /// Instants in UTC, or text where the calendar has no place in it.
    #[default]
    Utc,
    /// They stay numbers.
    Numbers,
}

/// One XML document whose records are elements.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Xml {
    /// Names of the elements that lead to a record, from the root, without
    /// prefixes.
    pub records: Vec<String>,
    /// Elements below a record, in dots, that are JSON lists wherever they
    /// stand; others are when they stand twice.
    pub lists: Vec<String>,
}

/// A GTFS-Realtime feed message, as protobuf or JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct GtfsRt {
    pub names: Names,
    /// The record streams that are read.
    pub streams: Vec<&'static str>,
}

impl Default for GtfsRt {
    fn default() -> Self {
        Self { names: Names::Specification, streams: gtfs_rt::stream_names().collect() }
    }
}

/// How a transit feed's columns are called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// As the specification calls them, without the messages around them.
    #[default]
    Specification,
    /// As BusObservatory calls them, where it has them.
    BusObservatory,
}

/// One table of a dataset, compiled.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// The record stream it takes, or the first of several; `None` takes the file's
    /// only stream.
    pub from: Option<String>,
    /// The record streams that become one set of rows.
    pub merge: Option<Merge>,
    /// The table of the same dataset whose rows of a file it takes, instead of a
    /// record stream.
    pub of: Option<String>,
    /// That table as it is declared.
    pub origin: Option<Arc<Table>>,
    pub hook: Option<Hook>,
    pub grid: Option<Grid>,
    pub description: Option<String>,
    pub columns: Vec<Column>,
    pub evolve: Evolve,
    pub partition_by: Vec<PartitionBy>,
    pub sort_by: Vec<String>,
    pub dedupe: Option<Dedupe>,
    pub transform: Option<String>,
    /// Columns that say where a value belongs. The first is the one of the rows.
    pub coordinates: Vec<String>,
    /// In the order in which they are done, before `expect`.
    pub quality: Vec<Quality>,
    pub expect: Vec<Expectation>,
    /// How its rows are written to files for others.
    pub export: Option<Export>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub name: String,
    /// `None`: inferred, then pinned.
    pub kind: Option<Kind>,
    /// The input column it is made from; itself where not given.
    pub from: Option<String>,
    /// Input columns that stand for it where the file has not the one before.
    pub or_from: Vec<String>,
    pub nulls: Vec<String>,
    /// `strftime` format of a time given as text, or `unix`, `unix_ms`.
    pub format: Option<String>,
    /// IANA zone of a naive time, instead of the dataset's.
    pub timezone: Option<String>,
    pub unit: Option<String>,
    /// From the unit of the input's values (`from_unit`) to `unit`.
    pub conversion: Option<Conversion>,
    /// Whether values are converted from the unit that the file states for the
    /// input column (`from_unit: stated`), if it does.
    pub stated_unit: bool,
    pub default: Option<Scalar>,
    pub description: Option<String>,
    pub valid_range: Option<Range>,
    pub fail_range: Option<Range>,
    pub warn_range: Option<Range>,
    pub valid_delta: Option<f64>,
    pub fail_delta: Option<f64>,
    pub warn_delta: Option<f64>,
    pub valid_std: Option<f64>,
    pub fail_std: Option<f64>,
    pub warn_std: Option<f64>,
    /// More metadata kept with the column, such as `standard_name`.
    pub attributes: IndexMap<String, Attribute>,
}

impl Column {
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind: None,
            from: None,
            or_from: Vec::new(),
            nulls: Vec::new(),
            format: None,
            timezone: None,
            unit: None,
            conversion: None,
            stated_unit: false,
            default: None,
            description: None,
            valid_range: None,
            fail_range: None,
            warn_range: None,
            valid_delta: None,
            fail_delta: None,
            warn_delta: None,
            valid_std: None,
            fail_std: None,
            warn_std: None,
            attributes: IndexMap::new(),
        }
    }

    /// Name of the input column it is made from.
    pub fn source(&self) -> &str {
        self.from.as_deref().unwrap_or(&self.name)
    }

    /// The input columns that it may be made from; the first that a file has is it.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.source()).chain(self.or_from.iter().map(String::as_str))
    }

    /// Whether it may be made from an input column.
    pub fn is_from(&self, input: &str) -> bool {
        self.sources().any(|s| s == input)
    }

    /// Whether its values are brought from one unit to another.
    pub fn is_measured(&self) -> bool {
        self.conversion.is_some() || self.stated_unit
    }
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    String,
    Bool,
    /// 64-bit signed integer.
    Int,
    Int32,
    /// 64-bit float.
    Float,
    Float32,
    /// Precision 1 to 38, scale at most the precision.
    Decimal(u8, i8),
    Date,
    /// An instant, stored in UTC to the microsecond.
    Timestamp,
    /// JSON text, as it stood in the input.
    Json,
    Binary,
}

/// What follows when a file has columns or values that the table has no place for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Evolve {
    /// New columns are added; values that do not fit go to `_rescued`.
    #[default]
    Add,
    /// Either parks the file.
    Fixed,
    /// Both go to `_rescued`.
    Rescue,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartitionBy {
    Column(String),
    /// Of a time column, in UTC; stored as the column `<column>_<unit>`.
    Time {
        column: String,
        unit: TimeUnit,
    },
}

impl PartitionBy {
    /// Name of the partition column in the table.
    pub fn column_name(&self) -> String {
        match self {
            PartitionBy::Column(c) => c.clone(),
            PartitionBy::Time { column, unit } => format!("{column}_{}", unit.name()),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    Hour,
    Day,
    Month,
}

impl TimeUnit {
    pub fn name(self) -> &'static str {
        match self {
            TimeUnit::Hour => "hour",
            TimeUnit::Day => "day",
            TimeUnit::Month => "month",
        }
    }
}

/// A literal of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

impl std::fmt::Display for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Scalar::Bool(v) => write!(f, "{v}"),
            Scalar::Int(v) => write!(f, "{v}"),
            Scalar::Float(v) => write!(f, "{v}"),
            Scalar::Text(v) => f.write_str(v),
        }
    }
}

/// What is said of a column or an exported file, with its type.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    Text(String),
    Texts(Vec<String>),
    Ints(Vec<i64>),
    Floats(Vec<f64>),
}

/// As metadata that is text shows it: values between commas, texts as JSON.
impl std::fmt::Display for Attribute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let listed = |values: Vec<String>| values.join(",");
        match self {
            Attribute::Text(text) => f.write_str(text),
            Attribute::Texts(texts) => f.write_str(&serde_json::Value::from(texts.as_slice()).to_string()),
            Attribute::Ints(v) => f.write_str(&listed(v.iter().map(i64::to_string).collect())),
            Attribute::Floats(v) => f.write_str(&listed(v.iter().map(f64::to_string).collect())),
        }
    }
}

/// A predicate over a file's rows and what follows where it does not hold.
///
/// A predicate fails for a row only where it is **false**. Where it is NULL (a
/// value is missing) the row passes, unless `null_is: fail`; `present` alone is
/// about missing values. Whole-file predicates (`unique`, `increasing`, `rows`)
/// look at one file, never at a batch of files.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// Unique within its table; made from the predicate where not given.
    pub name: String,
    pub columns: Columns,
    pub check: Check,
    pub on_fail: OnFail,
    /// Share of a file's rows, 0 to 1, that may fail. Where more fail the file
    /// is rejected. `None`: any number, but for `reject`, where it is none.
    pub tolerate: Option<f64>,
    pub null_fails: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Columns {
    /// Of the whole row or file.
    None,
    All,
    Named(Vec<String>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Check {
    Present,
    /// No two rows of the file agree in all the columns named.
    Unique,
    /// Bounds are inclusive.
    InRange {
        min: Option<Scalar>,
        max: Option<Scalar>,
    },
    /// Within the column's own `valid_range`.
    InValidRange,
    InSet(Vec<Scalar>),
    /// The whole text matches this regular expression.
    Matches(String),
    /// Each value is greater than the last good one of the file.
    Increasing,
    /// Each value is less than the last good one of the file.
    Decreasing,
    /// The file's number of rows, after its transform.
    Rows {
        min: Option<u64>,
        max: Option<u64>,
    },
    Sql(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFail {
    /// Counted, nothing else.
    Warn,
    /// The expectation's name is added to the row's `_flags`.
    Flag,
    /// The value becomes null; what it was goes to `_rescued`.
    Null,
    /// The row is left out and counted.
    Drop,
    /// The row goes to the quarantine table.
    Quarantine,
    /// The file is parked.
    Reject,
}
