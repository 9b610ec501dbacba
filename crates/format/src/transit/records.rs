//! Feeds that are lists of records to rows: SIRI VehicleMonitoring, Clever
//! Devices, NextBus. Rows are text until they are conformed, which knows the
//! zone of naive times and keeps what does not fit.

use std::collections::{HashMap, VecDeque};
use std::io::Read;

use lakegate_domain::Code;
use lakegate_domain::model::{Kind, Names, Xml};
use lakegate_domain::transit::records::{Derived, Origin, Preset, RecordField};

use crate::container::{Blob, carried};
use crate::encoding::{check_text, decode};
use crate::error::{Error, Result};
use crate::open::TextChunk;
use crate::tree::{Node, OWN_TEXT, Raw, TextRows};
use crate::value;
use crate::xml::{Around, Elements, encoding_of, root_of};

/// Where some encoders put a text that has properties.
const VALUE: &str = "value";
/// Where SIRI's records stand in JSON.
const SIRI_PATH: [&str; 3] = ["Siri", "ServiceDelivery", "VehicleMonitoringDelivery"];
const SIRI_RECORDS: &str = "VehicleActivity";

/// The preset of a document that begins like this, where that is certain.
pub(crate) fn recognise(text: &str) -> Option<Preset> {
    let has = |word: &str| text.contains(word);
    if text.starts_with('{') {
        return (has("\"Siri\"") && has("\"VehicleMonitoringDelivery\"")).then_some(Preset::SiriVm);
    }
    match root_of(text)? {
        "Siri" if has("VehicleMonitoringDelivery") => Some(Preset::SiriVm),
        "buses" if has("<bus>") || has("<bus ") => Some(Preset::CleverDevices),
        "body" if has("<vehicle ") && has("secsSinceReport=") => Some(Preset::NextBus),
        _ => None,
    }
}

/// One feed, chunk by chunk.
pub(crate) struct RecordFeed {
    preset: Preset,
    fields: Vec<RecordField>,
    names: Names,
    /// Columns by their path in a record.
    columns: HashMap<&'static str, usize>,
    source: Source,
    /// What stands behind the records and counts for all of them.
    behind: Around,
    chunk_bytes: usize,
    n_records: u64,
    any: bool,
    at_end: bool,
}

enum Source {
    Xml(Box<Elements>),
    /// The texts of the records, and what stands around them.
    Json {
        records: VecDeque<String>,
        around: Around,
        error: Option<String>,
    },
}

impl RecordFeed {
    /// # Errors
    /// LG101 where the document is not of the preset's format; LG102, LG106,
    /// LG112, LG113.
    pub fn open(
        blob: &Blob,
        head: &[u8],
        preset: Preset,
        names: Names,
        chunk_bytes: usize,
        record_cap: usize,
    ) -> Result<Self> {
        let fields: Vec<RecordField> = preset.fields(names).collect();
        let columns = fields.iter().enumerate().filter_map(|(n, field)| match field.origin {
            Origin::Record(path) => Some((path, n)),
            _ => None,
        });
        let columns = columns.collect();
        let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
        let mut behind = Around::new();
        let source = if preset == Preset::SiriVm && text.starts_with(b"{") {
            json_source(blob, record_cap)?
        } else {
            if preset == Preset::NextBus {
                // The time of the document stands behind the records.
                let mut all = elements(blob, head, preset, record_cap)?;
                while all.next()?.is_some() {}
                behind = all.around;
            }
            Source::Xml(Box::new(elements(blob, head, preset, record_cap)?))
        };
        Ok(Self {
            preset,
            fields,
            names,
            columns,
            source,
            behind,
            chunk_bytes,
            n_records: 0,
            any: false,
            at_end: false,
        })
    }

    /// The next rows; at least one chunk is returned, possibly without rows.
    pub fn next(&mut self) -> Result<Option<TextChunk>> {
        let mut rows = TextRows::with_columns(self.fields.iter().map(|f| f.column_name(self.names)));
        while !self.at_end && !rows.is_full(self.chunk_bytes) {
            match self.record()? {
                Some(record) => {
                    self.n_records += 1;
                    self.fill(&record, &mut rows);
                }
                None => self.at_end = true,
            }
        }
        if self.at_end && self.n_records == 0 {
            self.refuse_error()?;
        }
        if rows.is_empty() && self.any {
            return Ok(None);
        }
        self.any = true;
        Ok(Some(TextChunk::ready(rows.finish())))
    }

    fn record(&mut self) -> Result<Option<Node>> {
        match &mut self.source {
            Source::Xml(elements) => elements.next(),
            Source::Json { records, .. } => {
                let Some(text) = records.pop_front() else { return Ok(None) };
                let at = |e: Error| Error::new(e.code, format!("row {}: {}", self.n_records + 1, e.message));
                Raw::of_text(&text).and_then(|raw| raw.node()).map(Some).map_err(at)
            }
        }
    }

    /// An answer that says what went wrong is not one without records.
    fn refuse_error(&self) -> Result<()> {
        let said = match &self.source {
            Source::Xml(elements) => {
                self.preset.error_paths().iter().find_map(|path| elements.around.get(path).cloned())
            }
            Source::Json { error, .. } => error.clone(),
        };
        match said {
            Some(text) => {
                let text: String = text.chars().take(300).collect();
                Err(Error::new(Code::Malformed, format!("the feed answered with an error: {text}")))
            }
            None => Ok(()),
        }
    }

    fn fill(&self, record: &Node, rows: &mut TextRows) {
        rows.begin();
        let mut found = Found { feed: self, tokens: vec![None; self.fields.len()], rest: Vec::new() };
        found.node(record, String::new());
        let Found { mut tokens, rest, .. } = found;
        let around = match &self.source {
            Source::Xml(elements) => &elements.around,
            Source::Json { around, .. } => around,
        };
        let around = |path: &str| self.behind.get(path).or_else(|| around.get(path));
        for (n, field) in self.fields.iter().enumerate() {
            let token = match field.origin {
                Origin::Record(_) => continue,
                Origin::Around(path) => around(path).map(|text| match (self.preset, field.kind) {
                    (Preset::NextBus, Kind::Timestamp) => milliseconds(text, 0),
                    _ => Node::of_text(text),
                }),
                Origin::Derived(Derived::ShortLine) => {
                    let line = self.columns.get("MonitoredVehicleJourney.LineRef");
                    line.and_then(|at| tokens[*at].as_deref()).map(|line| {
                        let line = value::unquoted(line);
                        Node::of_text(line.rsplit('_').next().unwrap_or_default())
                    })
                }
                Origin::Derived(Derived::ReportTime) => {
                    let age = self.columns.get("@secsSinceReport").and_then(|at| tokens[*at].as_deref());
                    let age = age.and_then(|age| value::int(&value::unquoted(age)));
                    age.zip(around("body.lastTime.@time")).map(|(age, time)| milliseconds(time, age))
                }
                Origin::Rest if rest.is_empty() => None,
                Origin::Rest => Some(Node::Object(rest.clone())),
            };
            tokens[n] = token.filter(|t| *t != Node::Null).map(|t| t.to_json());
        }
        for (column, token) in tokens.iter().enumerate() {
            if let Some(token) = token {
                rows.set(column, token);
            }
        }
    }
}

/// Milliseconds since the epoch less some seconds, as a time; what is none
/// stays as it is.
fn milliseconds(text: &str, less_seconds: i64) -> Node {
    let time = value::int(text)
        .and_then(|ms| ms.checked_sub(less_seconds.checked_mul(1000)?))
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map_or_else(|| Node::of_text(text), |time| Node::of_text(&time.to_string()))
}

/// A record's fields by column, and those that have none.
struct Found<'a> {
    feed: &'a RecordFeed,
    tokens: Vec<Option<String>>,
    rest: Vec<(String, Node)>,
}

impl Found<'_> {
    fn node(&mut self, node: &Node, path: String) {
        if let Some(column) = self.feed.columns.get(path.as_str()) {
            self.column(*column, node, path);
            return;
        }
        match node {
            Node::Object(fields) => self.fields(fields, &path, &[]),
            Node::Null => {}
            other => self.rest.push((path, other.clone())),
        }
    }

    fn fields(&mut self, fields: &[(String, Node)], path: &str, without: &[&str]) {
        for (key, value) in fields.iter().filter(|(key, _)| !without.contains(&key.as_str())) {
            self.node(value, if path.is_empty() { key.clone() } else { format!("{path}.{key}") });
        }
    }

    fn column(&mut self, column: usize, node: &Node, path: String) {
        let token = match node {
            Node::Null => return,
            any if self.feed.fields[column].kind == Kind::Json => match any {
                Node::List(items) if items.is_empty() => return,
                Node::Object(fields) if fields.is_empty() => return,
                any => any.to_json(),
            },
            Node::Scalar(token) => token.clone(),
            Node::List(items) => {
                if let [first, others @ ..] = items.as_slice() {
                    // One value has the column; where there are more, all are kept.
                    self.column(column, first, path.clone());
                    if !others.is_empty() {
                        self.rest.push((path, node.clone()));
                    }
                }
                return;
            }
            // A text with properties beside it.
            Node::Object(fields) => {
                let text = [OWN_TEXT, VALUE].into_iter().find_map(|key| node.get(key));
                if let Some(Node::Scalar(token)) = text {
                    self.tokens[column] = Some(token.clone());
                }
                self.fields(fields, &path, &[OWN_TEXT, VALUE]);
                return;
            }
        };
        self.tokens[column] = Some(token);
    }
}

fn elements(blob: &Blob, head: &[u8], preset: Preset, record_cap: usize) -> Result<Elements> {
    let (text, place) = decode(Box::new(blob.reader()), encoding_of(head)?)?;
    let records = preset.record_path().iter().map(|step| step.to_string()).collect();
    let options = Xml { records, lists: Vec::new() };
    Ok(Elements::new(text, place, &options, record_cap).keep(preset.paths_around()))
}

/// A SIRI answer in JSON. It is read whole: one answer counts as one record.
fn json_source(blob: &Blob, record_cap: usize) -> Result<Source> {
    let (input, place) = decode(Box::new(blob.reader()), None)?;
    let mut text = Vec::new();
    input.take(record_cap as u64 + 1).read_to_end(&mut text).map_err(carried)?;
    if text.len() > record_cap {
        return Err(Error::new(
            Code::RecordTooLong,
            format!(
                "a SIRI answer in JSON counts as one record, and this one is longer than {record_cap} bytes (the cap \
                 `record`); raise that, or ask for XML"
            ),
        ));
    }
    let text = check_text(text.into(), place, b'\n', "JSON is UTF-8; ask for the file in UTF-8")?;

    let mut around = Around::new();
    let mut level = Raw::of_text(&text)?;
    let mut path = String::new();
    for step in SIRI_PATH {
        let fields = level.fields()?;
        for (key, value) in &fields {
            let found = format!("{path}.{}", if key == "version" { "@version" } else { key });
            if let Some(wanted) = Preset::SiriVm.paths_around().iter().find(|w| **w == found) {
                around.insert(wanted, value::unquoted(value.text()).into_owned());
            }
        }
        let keys =
            || fields.iter().take(10).map(|(key, _)| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        let Some((_, inner)) = fields.iter().rev().find(|(key, _)| key == step) else {
            let of = if path.is_empty() { "the document" } else { &path };
            let there =
                if fields.is_empty() { "it has no keys".into() } else { format!("its keys are {}", keys()) };
            let message = format!("no SIRI VehicleMonitoring answer: {of} has no key `{step}`; {there}");
            return Err(Error::new(Code::Malformed, message));
        };
        level = *inner;
        path = lakegate_domain::transit::gtfs_rt::joined(&path, step);
    }
    let mut records = VecDeque::new();
    let mut error = None;
    for delivery in level.items()? {
        for (key, value) in delivery.fields()? {
            match key.as_str() {
                SIRI_RECORDS => records.extend(value.items()?.into_iter().map(|r| r.text().to_string())),
                "ErrorCondition" => error = Some(value.text().to_string()),
                _ => {}
            }
        }
    }
    Ok(Source::Json { records, around, error })
}
