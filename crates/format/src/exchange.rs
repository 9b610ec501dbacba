//! WHP-Exchange: bottle and CTD files of hydrography (`domain::exchange`).
//!
//! A file is read whole and checked against the rules of the format before its
//! first row is given out: what is wrong in its last line parks all of it. Fill
//! values become missing ones, the header of a CTD cast becomes columns, date and
//! time of day become `DATETIME`. Everything else stays as it stands, digits and
//! all, for conform to give it types.

mod check;
mod document;
mod known;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::Read;

use lakegate_domain::Code;
use lakegate_domain::exchange::{Rule, flagged};
use lakegate_domain::model::{Encoding, WhpExchange};

pub use document::{Cast, Document, Kind};

use crate::container::{Blob, carried};
use crate::encoding::decode;
use crate::error::{Error, Result};
use crate::open::TextChunk;
use crate::tree::TextRows;

/// Name of the column that date and time of day make.
pub const DATETIME: &str = "DATETIME";

/// One way in which a file breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Fault {
    pub rule: Rule,
    /// From 1.
    pub line: u64,
    /// What it is, with the column and the value.
    pub what: String,
}

impl Fault {
    fn new(rule: Rule, line: u64, what: impl Into<String>) -> Self {
        Self { rule, line, what: what.into() }
    }
}

/// What a file is and what is wrong with it, whatever that is.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// `None` where the file cannot be read.
    pub kind: Option<Kind>,
    pub n_casts: usize,
    pub n_rows: u64,
    /// Parameters with their units, as the file spells them, in the order in which
    /// they come.
    pub parameters: Vec<Counted>,
    /// In the order of their lines.
    pub faults: Vec<Fault>,
}

/// A parameter of a file and how often it stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    pub name: String,
    /// Empty where there is none.
    pub unit: String,
    /// Rows of the casts that have it.
    pub n_rows: u64,
    /// Those in which it is no fill.
    pub n_values: u64,
}

/// Whether the list of parameters has one with this unit; `None` for columns of
/// flags and for the instant that a reader makes. What the header of a cast says
/// of its place has no unit there.
pub fn is_known(name: &str, unit: &str) -> Option<bool> {
    let is_place = || unit.is_empty() && known::PLACE.contains(&name);
    (flagged(name).is_none() && name != DATETIME).then(|| known::is_known(name, unit) || is_place())
}

/// Looks at a file's bytes: everything that is wrong with it, not only what
/// parks it.
pub fn inspect(bytes: &[u8], encoding: Option<Encoding>) -> Report {
    let mut faults = Vec::new();
    let text = match text_of(bytes, encoding, &mut faults) {
        Some(text) => text,
        None => return Report { faults, ..Report::default() },
    };
    let document = match Document::parse(&text, &mut faults) {
        Some(document) => document,
        None => return Report { faults, ..Report::default() },
    };
    check::check(&document, &mut faults);
    faults.sort_by_key(|fault| fault.line);
    Report {
        kind: Some(document.kind),
        n_casts: document.casts.len(),
        n_rows: document.casts.iter().map(|cast| cast.rows.len() as u64).sum(),
        parameters: counted(&document),
        faults,
    }
}

/// What a header gives to all rows of its cast counts as a parameter, as it
/// becomes a column.
fn counted(document: &Document) -> Vec<Counted> {
    let mut all: Vec<Counted> = Vec::new();
    let mut add = |name: &str, unit: &str, n_rows: usize, n_values: usize| {
        let at = all.iter().position(|c| c.name == name && c.unit == unit).unwrap_or_else(|| {
            all.push(Counted { name: name.into(), unit: unit.into(), n_rows: 0, n_values: 0 });
            all.len() - 1
        });
        all[at].n_rows += n_rows as u64;
        all[at].n_values += n_values as u64;
    };
    for cast in &document.casts {
        let n = cast.rows.len();
        for (name, value) in &cast.header {
            add(name, "", n, if document::is_fill(value) { 0 } else { n });
        }
        for (at, (name, unit)) in cast.names.iter().zip(&cast.units).enumerate() {
            add(name, unit, n, cast.rows.iter().filter(|row| !document::is_fill(row.fields[at])).count());
        }
    }
    all
}

/// Whether a text begins with a stamp: the kind, and a date.
pub(crate) fn is_stamped(text: &str) -> bool {
    let of_kind = text.strip_prefix("BOTTLE,").or_else(|| text.strip_prefix("CTD,"));
    of_kind.and_then(|rest| rest.get(..8)).is_some_and(|date| date.bytes().all(|b| b.is_ascii_digit()))
}

/// The file's text, with the faults of its bytes. `None`: it is no text.
fn text_of(bytes: &[u8], encoding: Option<Encoding>, faults: &mut Vec<Fault>) -> Option<String> {
    let (mark, rest) = match bytes.strip_prefix(b"\xEF\xBB\xBF") {
        Some(rest) => (true, rest),
        None => (false, bytes),
    };
    if mark {
        faults.push(Fault::new(Rule::ByteOrderMark, 1, "a byte order mark stands before the stamp"));
    }
    let text = match encoding.unwrap_or(Encoding::Utf8) {
        Encoding::Utf8 => match std::str::from_utf8(rest) {
            Ok(text) => text.to_string(),
            Err(e) => {
                let line = 1 + rest[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count() as u64;
                let byte = rest[e.valid_up_to()];
                let what = format!(
                    "the byte 0x{byte:02X} is not UTF-8; if the file is Latin-1, say `encoding: latin-1`"
                );
                faults.push(Fault::new(Rule::Utf8, line, what));
                return None;
            }
        },
        other => {
            let mut text = String::new();
            let decoded = decode(Box::new(std::io::Cursor::new(rest.to_vec())), Some(other))
                .and_then(|(mut input, _)| input.read_to_string(&mut text).map_err(carried));
            if let Err(e) = decoded {
                faults.push(Fault::new(Rule::Utf8, 1, e.message));
                return None;
            }
            text
        }
    };
    if !text.contains('\r') {
        return Some(text);
    }
    let lines = text.matches('\n').count();
    let what = match (text.matches("\r\n").count(), text.matches('\r').count()) {
        (0, _) => "lines end in `\\r` alone, not in `\\n`".to_string(),
        (pairs, all) if pairs == all && pairs == lines => "lines end in `\\r\\n`, not in `\\n`".to_string(),
        _ => "lines end in different ways, not all in `\\n`".to_string(),
    };
    faults.push(Fault::new(Rule::LineEndings, 1, what));
    Some(text.replace("\r\n", "\n").replace('\r', "\n"))
}

/// A file that can be read.
pub(crate) struct Opened {
    pub rows: Rows,
    /// Of its columns; more than one list where casts have other units.
    pub units: Vec<Vec<(String, String)>>,
    /// What is wrong with it all the same.
    pub accepted: Vec<Fault>,
}

/// The rows of one file, cast by cast.
pub(crate) struct Rows {
    /// Each with the place of its cast's units among those of the file.
    chunks: VecDeque<(usize, TextChunk)>,
}

impl Rows {
    /// Reads and checks a whole file.
    ///
    /// # Errors
    /// LG106 where it is longer than the cap of a record, LG102 where it is no
    /// text, LG101 where it breaks a rule that is not accepted: the first one by
    /// line, with the number of others.
    pub fn open(blob: &Blob, options: &WhpExchange, chunk_bytes: usize, record_cap: usize) -> Result<Opened> {
        let mut bytes = Vec::new();
        blob.reader().take(record_cap as u64 + 1).read_to_end(&mut bytes).map_err(carried)?;
        if bytes.len() > record_cap {
            return Err(Error::new(
                Code::RecordTooLong,
                format!(
                    "a WHP-Exchange file counts as one record, and this one is longer than {record_cap} bytes (the \
                     cap `record`); raise that"
                ),
            ));
        }
        let mut faults = Vec::new();
        let text = text_of(&bytes, options.encoding, &mut faults);
        drop(bytes);
        let document = text.as_ref().and_then(|text| Document::parse(text, &mut faults));
        if let Some(document) = &document {
            check::check(document, &mut faults);
        }
        let (mut accepted, faults): (Vec<Fault>, Vec<Fault>) =
            faults.into_iter().partition(|fault| is_accepted(fault.rule, options));
        let Some(document) = document.filter(|_| faults.is_empty()) else { return Err(refused(faults)) };
        accepted.sort_by_key(|fault| fault.line);
        let mut units: Vec<Vec<(String, String)>> = Vec::new();
        let mut chunks = VecDeque::new();
        for cast in &document.casts {
            let named = cast.names.iter().zip(&cast.units).filter(|(_, unit)| !unit.is_empty());
            let of_cast: Vec<_> = named.map(|(name, unit)| (name.to_string(), unit.to_string())).collect();
            let at = units.iter().position(|known| *known == of_cast).unwrap_or_else(|| {
                units.push(of_cast);
                units.len() - 1
            });
            put(cast, chunk_bytes, &mut |chunk| chunks.push_back((at, chunk)));
        }
        Ok(Opened { rows: Self { chunks }, units, accepted })
    }

    /// The next rows, and which units they have; a cast without rows has a chunk as
    /// well.
    pub fn next(&mut self) -> Option<(usize, TextChunk)> {
        self.chunks.pop_front()
    }
}

/// Whether files that break a rule are read all the same.
pub fn is_accepted(rule: Rule, options: &WhpExchange) -> bool {
    rule.is_accepted_by_default() || rule.can_be_accepted() && options.accept.contains(&rule)
}

/// Makes chunks of a cast's rows.
fn put(cast: &Cast, chunk_bytes: usize, add: &mut dyn FnMut(TextChunk)) {
    let with_time = !cast.has(DATETIME) && (cast.has("DATE") || cast.header_value("DATE").is_some());
    let header = cast.header.iter().map(|(name, _)| *name);
    let names = || header.clone().chain(cast.names.iter().copied()).chain(with_time.then_some(DATETIME));
    let mut out = TextRows::with_columns(names());
    for row in &cast.rows {
        if out.is_full(chunk_bytes) {
            let full = std::mem::replace(&mut out, TextRows::with_columns(names()));
            add(TextChunk::ready(full.finish()));
        }
        out.begin();
        let fields = cast.header.iter().map(|(_, value)| *value).chain(row.fields.iter().copied());
        for (column, field) in fields.enumerate().filter(|(_, field)| !document::is_fill(field)) {
            out.set(column, &token(field));
        }
        if with_time
            && let Some(instant) = document::instant(cast.value(row, "DATE"), cast.value(row, "TIME"))
        {
            out.set(cast.header.len() + cast.names.len(), &token(&instant));
        }
    }
    add(TextChunk::ready(out.finish()));
}

/// A number as it stands, everything else as a JSON text.
fn token(field: &str) -> Cow<'_, str> {
    if is_json_number(field.as_bytes()) {
        Cow::Borrowed(field)
    } else {
        Cow::Owned(serde_json::Value::from(field).to_string())
    }
}

/// Without an exponent, which the format has none of.
fn is_json_number(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let whole = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let is_digits = |rest: &[u8]| !rest.is_empty() && rest.iter().all(u8::is_ascii_digit);
    let starts_well = whole == 1 || (whole > 1 && text[0] != b'0');
    starts_well && (whole == text.len() || text[whole] == b'.' && is_digits(&text[whole + 1..]))
}

fn refused(mut faults: Vec<Fault>) -> Error {
    faults.sort_by_key(|fault| fault.line);
    let Some(first) = faults.first() else {
        return Error::new(Code::Bug, "the file was refused without a reason");
    };
    let code = if first.rule == Rule::Utf8 { Code::Encoding } else { Code::Malformed };
    let mut message = first.to_string();
    let same = faults.iter().filter(|fault| fault.rule == first.rule).count() - 1;
    let others = faults.len() - 1 - same;
    if same > 0 {
        message.push_str(&format!("; {same} more of this kind"));
    }
    if others > 0 {
        message.push_str(&format!("; {others} of other kinds"));
    }
    if first.rule.can_be_accepted() {
        message.push_str(&format!("; `accept: {}` reads such files all the same", first.rule.name()));
    }
    Error::new(code, message)
}
