//! Dataset files that are proposed rather than written by hand: what is asked
//! for, what an answer of the endpoint tells, and the YAML of it.
//!
//! Everything here is pure. Whoever proposes compiles the text with the
//! compiler of `check` before it is shown or written, so that a mistake in here
//! is never somebody's configuration.

pub mod busobservatory;
mod choose;
mod name;
mod secrets;
pub mod tsdat;

use std::fmt::Write as _;

use serde::Serialize;

pub use choose::{Sampled, SampledColumn, Shape};
pub use name::{suggest, unique};
pub use secrets::{Hidden, Variable, is_secret_name};

use crate::config::{Diagnostics, scalars};

/// A feed that somebody wants: the words of `feed add` and of the form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pub url: String,
    /// By name, as they were given.
    pub headers: Vec<(String, String)>,
    /// The dataset's name; made from the address where not given.
    pub name: Option<String>,
    pub team: Option<String>,
    /// IANA zone.
    pub timezone: Option<String>,
    /// As `every:` of the file.
    pub every: Option<String>,
    /// Path to the records of a JSON or XML answer, where it cannot be told.
    pub records: Option<String>,
}

/// A dataset file that may be written, and what an answer becomes by it. No
/// secret is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Proposal {
    /// `team.dataset`
    pub dataset: String,
    /// Where the file belongs, relative to the lake's folder.
    pub path: String,
    pub yaml: String,
    /// The format's word.
    pub format: String,
    /// The answer's rows, as they would be in the tables.
    pub tables: Vec<Shown>,
    /// Environment variables that take the place of what was written out, and
    /// are to be set.
    pub variables: Vec<String>,
    /// What could not be told, in sentences.
    pub notes: Vec<String>,
}

/// The first rows of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Shown {
    pub table: String,
    /// Rows of the answer, or of as much of it as was looked at.
    pub n_rows: u64,
    /// Columns that have a value in a row that is shown.
    pub columns: Vec<String>,
    /// Texts by row; `None` for a missing value.
    pub rows: Vec<Vec<Option<String>>>,
}

/// Why nothing is proposed or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What happened.
    pub message: String,
    /// What to do.
    pub help: String,
    /// Whether what was asked for is wrong, rather than what was answered.
    pub is_usage: bool,
}

impl Refusal {
    pub fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into(), is_usage: true }
    }

    pub fn failed(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into(), is_usage: false }
    }

    /// What the compiler has against a proposed file.
    pub fn of(found: &Diagnostics) -> Self {
        Self::usage(found.to_message(), "mend what is asked for, or write the file by hand")
    }
}

/// A dataset file in the making.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    pub name: String,
    pub team: String,
    pub description: Option<String>,
    pub timezone: Option<String>,
    pub url: String,
    pub list: Option<List>,
    pub every: String,
    pub headers: Vec<(String, String)>,
    /// User, and the reference to the password.
    pub auth: Option<(String, String)>,
    /// `read:`; recognised anew with each file where not given.
    pub read: Option<Read>,
    /// `match:`
    pub pattern: Option<String>,
    pub columns: Vec<TimeColumn>,
    /// Tables by name; where there is none the dataset has one, called as itself.
    pub tables: Vec<TableOf>,
    /// Time column that the only table is laid out by, a day at a time.
    pub partition_by: Option<String>,
    /// Of the only table.
    pub dedupe: Option<Dedupe>,
    pub publish: Option<Publish>,
    pub stale_after: Option<String>,
}

/// A fan-out: the list that is asked for first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    pub url: String,
    pub items: String,
    pub keep: String,
}

/// `read:` as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// A format's word alone.
    Word(&'static str),
    /// A preset with the Bus Observatory's names.
    BusObservatory(&'static str),
    /// A format and the path to its records.
    Records(&'static str, String),
}

/// A column whose times are written in a way that must be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeColumn {
    pub name: String,
    /// What the answer calls it, where that is something else.
    pub from: Option<String>,
    pub format: String,
}

/// A table that takes one of several record streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableOf {
    pub name: String,
    pub stream: String,
    pub partition_by: Option<String>,
    pub dedupe: Option<Dedupe>,
}

/// Rows that count as one: those of one key and one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dedupe {
    pub key: String,
    pub time: String,
}

impl Dedupe {
    fn yaml(&self) -> String {
        let (key, time) = (scalar(&self.key), scalar(&self.time));
        format!("dedupe: {{ key: [{key}, {time}], by: {time} }}")
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publish {
    /// `None` where the dataset has one table.
    pub table: Option<String>,
    pub route: String,
    pub time: String,
    pub vehicle: Option<String>,
    pub position: Option<(String, String)>,
}

/// Part of a landed name that tells when the poll began, as a group of `match`.
fn when_polled(column: &str) -> String {
    format!("(?<{column}>[0-9TZ.]+)-[0-9a-f]{{8}}\\..+")
}

impl TimeColumn {
    /// The column of [`when_polled`].
    fn polled(column: &str) -> Self {
        Self { name: column.into(), from: None, format: "%Y%m%dT%H%M%S%.fZ".into() }
    }
}

impl Draft {
    /// What is asked for, its address and headers without written-out secrets,
    /// before anything is known of the answers.
    pub fn begin(wanted: &Wanted, name: String, team: String, hidden: &Hidden) -> Self {
        Self {
            name,
            team,
            timezone: wanted.timezone.clone(),
            url: hidden.url.clone(),
            every: wanted.every.clone().unwrap_or_else(|| "30s".into()),
            headers: hidden.headers.clone(),
            auth: hidden.auth.clone(),
            ..Self::default()
        }
    }

    /// The file's text.
    pub fn yaml(&self) -> String {
        let mut out = Yaml::default();
        out.key(0, "team", &self.team);
        out.optional(0, "description", self.description.as_deref());
        out.optional(0, "timezone", self.timezone.as_deref());
        out.line(0, "feed:");
        out.key(1, "url", &self.url);
        if let Some(list) = &self.list {
            out.line(1, "list:");
            out.key(2, "url", &list.url);
            out.key(2, "items", &list.items);
            out.key(2, "keep", &list.keep);
        }
        out.key(1, "every", &self.every);
        if !self.headers.is_empty() {
            out.line(1, "headers:");
            self.headers.iter().for_each(|(name, value)| out.key(2, &scalar(name), value));
        }
        if let Some((user, password)) = &self.auth {
            out.line(1, &format!("auth: {{ user: {}, password: {} }}", scalar(user), scalar(password)));
        }
        out.optional(0, "match", self.pattern.as_deref());
        match &self.read {
            None => {}
            Some(Read::Word(word)) => out.key(0, "read", word),
            Some(Read::BusObservatory(word)) => {
                out.line(0, &format!("read: {{ {word}: {{ names: bus_observatory }} }}"));
            }
            Some(Read::Records(word, path)) => {
                out.line(0, &format!("read: {{ {word}: {{ records: {} }} }}", scalar(path)));
            }
        }
        if !self.columns.is_empty() {
            out.line(0, "columns:");
            for TimeColumn { name, from, format } in &self.columns {
                let (name, format) = (scalar(name), scalar(format));
                let from = from.as_ref().map_or_else(String::new, |from| format!("from: {}, ", scalar(from)));
                out.line(1, &format!("{name}: {{ {from}type: timestamp, format: {format}, timezone: UTC }}"));
            }
        }
        if !self.tables.is_empty() {
            out.line(0, "tables:");
            for TableOf { name, stream, partition_by, dedupe } in &self.tables {
                let by = partition_by.as_ref().map_or_else(String::new, |column| {
                    format!(", partition_by: {}", scalar(&format!("day({column})")))
                });
                let dedupe = dedupe.as_ref().map_or_else(String::new, |d| format!(", {}", d.yaml()));
                out.line(1, &format!("{}: {{ from: {}{by}{dedupe} }}", scalar(name), scalar(stream)));
            }
        }
        if let Some(column) = &self.partition_by {
            out.key(0, "partition_by", &format!("day({column})"));
        }
        if let Some(dedupe) = &self.dedupe {
            out.line(0, &dedupe.yaml());
        }
        if let Some(publish) = &self.publish {
            out.line(0, "publish:");
            out.optional(1, "table", publish.table.as_deref());
            out.key(1, "route", &publish.route);
            out.key(1, "time", &publish.time);
            out.optional(1, "vehicle", publish.vehicle.as_deref());
            if let Some((latitude, longitude)) = &publish.position {
                out.key(1, "latitude", latitude);
                out.key(1, "longitude", longitude);
            }
        }
        out.optional(0, "stale_after", self.stale_after.as_deref());
        out.0
    }

    /// Where the file belongs, relative to the lake's folder.
    pub fn path(&self) -> String {
        format!("datasets/{}.yaml", self.name)
    }
}

/// Whether a text can be the name of a dataset; else the nearest that can.
///
/// # Errors
/// The nearest name, or nothing where nothing is left of it.
pub fn check_name(text: &str) -> Result<(), Option<String>> {
    if scalars::is_name(text) && text.len() <= crate::ids::NAME_BYTES {
        return Ok(());
    }
    Err(name::as_name(text))
}

#[derive(Default)]
struct Yaml(String);

impl Yaml {
    fn line(&mut self, depth: usize, text: &str) {
        let _ = writeln!(self.0, "{:1$}{text}", "", depth * 2); // a String takes everything
    }

    fn key(&mut self, depth: usize, key: &str, value: &str) {
        self.line(depth, &format!("{key}: {}", scalar(value)));
    }

    fn optional(&mut self, depth: usize, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.key(depth, key, value);
        }
    }
}

/// A text as a scalar that means it, in lines and within braces: plain where
/// nothing in it could mean anything else, else between quotes.
fn scalar(text: &str) -> String {
    const WORDS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_./-()".contains(&b))
        && text.bytes().any(|b| b.is_ascii_alphabetic())
        // What may be taken for a number, `1e5` or `0x1f`, is quoted as well.
        && (!text.starts_with(|c: char| c.is_ascii_digit()) || is_lapse(text))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if is_plain {
        return text.to_string();
    }
    if text.chars().any(char::is_control) {
        // Only between double quotes can they be written at all; JSON's are YAML's.
        return serde_json::Value::from(text).to_string();
    }
    format!("'{}'", text.replace('\'', "''"))
}

/// `30s`, `10m`: digits and one letter that makes no number of them.
fn is_lapse(text: &str) -> bool {
    let digits = text.trim_end_matches(['s', 'm', 'h', 'd']);
    digits.len() + 1 == text.len() && digits.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_mean_what_they_say() {
        for (text, want) in [
            ("route_id", "route_id"),
            ("vehicle.trip.route_id", "vehicle.trip.route_id"),
            ("day(vehicle.timestamp)", "day(vehicle.timestamp)"),
            ("America/New_York", "America/New_York"),
            ("30s", "30s"),
            ("1e5", "'1e5'"),
            ("12", "'12'"),
            ("No", "'No'"),
            ("", "''"),
            ("https://h/x?a={item}", "'https://h/x?a={item}'"),
            ("it's", "'it''s'"),
            ("- a", "'- a'"),
            ("a: b", "'a: b'"),
            ("a # b", "'a # b'"),
            ("a\nb", "\"a\\nb\""),
        ] {
            assert_eq!(scalar(text), want);
        }
    }

    #[test]
    fn the_text_of_a_file() {
        let draft = Draft {
            name: "city".into(),
            team: "transit".into(),
            description: Some("City: buses".into()),
            timezone: Some("America/New_York".into()),
            url: "https://h/x?key=${env:CITY_KEY}".into(),
            every: "30s".into(),
            headers: vec![("X-Api-Key".into(), "${env:CITY_KEY}".into())],
            auth: Some(("me".into(), "${env:CITY_PASSWORD}".into())),
            read: Some(Read::Word("gtfs_rt")),
            tables: vec![TableOf {
                name: "vehicles".into(),
                stream: "vehicle".into(),
                partition_by: Some("timestamp".into()),
                dedupe: Some(Dedupe { key: "vehicle_id".into(), time: "timestamp".into() }),
            }],
            publish: Some(Publish {
                table: Some("vehicles".into()),
                route: "route_id".into(),
                time: "timestamp".into(),
                vehicle: Some("vehicle_id".into()),
                position: Some(("latitude".into(), "longitude".into())),
            }),
            stale_after: Some("10m".into()),
            ..Draft::default()
        };
        assert_eq!(
            draft.yaml(),
            "team: transit\ndescription: 'City: buses'\ntimezone: America/New_York\nfeed:\n  \
             url: 'https://h/x?key=${env:CITY_KEY}'\n  every: 30s\n  headers:\n    X-Api-Key: '${env:CITY_KEY}'\n  \
             auth: { user: me, password: '${env:CITY_PASSWORD}' }\nread: gtfs_rt\ntables:\n  \
             vehicles: { from: vehicle, partition_by: day(timestamp), dedupe: { key: [vehicle_id, timestamp], by: timestamp } }\npublish:\n  table: vehicles\n  \
             route: route_id\n  time: timestamp\n  vehicle: vehicle_id\n  latitude: latitude\n  \
             longitude: longitude\nstale_after: 10m\n"
        );
        assert_eq!(draft.path(), "datasets/city.yaml");
    }
}
