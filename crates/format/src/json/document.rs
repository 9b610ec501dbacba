//! One JSON document as a stream: finds the array of records and cuts it
//! between records. What stands beside the array is passed unbuffered.

mod survey;

pub(crate) use survey::survey;

use lakegate_domain::Code;
use lakegate_domain::model::Json;

use super::MAX_DEPTH;
use super::nesting::{Nesting, Step};
use super::syntax::{self, kind_of, shown, skip_space};
use crate::encoding::{Bytestream, Place, Window};
use crate::error::{Error, Result};
use crate::open::{Grammar, TextChunk};

/// How far a key and its colon may reach.
const KEY_BYTES: usize = 64 << 10;
/// Keys and paths that an error names.
const NAMED: usize = 10;

/// Reads one JSON document, chunk by chunk.
pub(crate) struct Document {
    window: Window,
    stage: Stage,
    /// Objects around the records, still to be closed.
    n_around: usize,
    n_rows: u64,
    chunk_bytes: usize,
    record_cap: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    /// At the document's only record.
    Single,
    /// At the array's `[`.
    Array,
    /// Behind a record.
    Between,
    Done,
}

impl Document {
    /// Goes to where the records are.
    pub fn open(
        input: Bytestream,
        place: Place,
        options: &Json,
        chunk_bytes: usize,
        record_cap: usize,
    ) -> Result<Self> {
        let stage = if options.records == "." { Stage::Single } else { Stage::Array };
        let window = Window::new(input, place);
        let mut document = Self { window, stage, n_around: 0, n_rows: 0, chunk_bytes, record_cap };
        let path: Vec<&str> = match options.records.as_str() {
            "" | "." => Vec::new(),
            path => path.split('.').collect(),
        };
        for depth in 0..path.len() {
            document.descend(&path, depth)?;
        }
        let wanted = if stage == Stage::Single { b'{' } else { b'[' };
        match document.peek()? {
            Some(found) if found == wanted => Ok(document),
            Some(found) => {
                // For what the message says of it, whatever the size of chunks.
                document.window.fill(KEY_BYTES)?;
                Err(document.other_root(found, &path))
            }
            None if path.is_empty() => {
                Err(Error::new(Code::NoRecords, "the file holds nothing but white space"))
            }
            None => Err(document.cut_short("where its records should stand")),
        }
    }

    /// The next chunk; at least one is returned.
    pub fn next(&mut self) -> Result<Option<TextChunk>> {
        match self.stage {
            Stage::Done => return Ok(None),
            Stage::Single => {}
            Stage::Array => {
                self.window.skip(1);
                if self.peek()? == Some(b']') {
                    self.window.skip(1);
                    return self.last(0, 0, 0).map(Some);
                }
            }
            Stage::Between => match self.peek()? {
                Some(b',') => self.window.skip(1),
                Some(b']') => {
                    self.window.skip(1);
                    self.finish()?;
                    return Ok(None);
                }
                Some(found) => {
                    return Err(self.fault(0, &format!("expected `,` or `]`, found {}", shown(found))));
                }
                None => return Err(self.cut_short("inside its array of records")),
            },
        }
        match self.peek()? {
            Some(b'{') => self.records().map(Some),
            Some(b']') => Err(self.fault(0, "a `,` and no record behind it")),
            Some(found) => {
                let row = self.n_rows + 1;
                Err(self.fault(0, &format!("row {row}: expected an object (`{{`), found {}", kind_of(found))))
            }
            None => Err(self.cut_short("inside its array of records")),
        }
    }

    /// Cuts the records that begin here. Only brackets and strings are looked
    /// at; what else stands between records is for the parser to judge.
    fn records(&mut self) -> Result<TextChunk> {
        let single = self.stage == Stage::Single;
        let mut nesting = if single { Nesting::default() } else { Nesting::in_array() };
        let mut want = self.chunk_bytes;
        let mut at = 0;
        loop {
            self.window.fill(want)?;
            let data = self.window.data();
            match nesting.read(data, at, self.chunk_bytes) {
                Step::Ended(end) if single => return self.last(end, end, 1),
                Step::Ended(end) => {
                    // More than white space behind the last record is the
                    // parser's, which finds the mistake.
                    let cut = nesting.last_end;
                    let is_bare = skip_space(data, cut) == end - 1;
                    return self.last(if is_bare { cut } else { end - 1 }, end, nesting.n_ended);
                }
                Step::More(_) if !single && nesting.last_end >= self.chunk_bytes => {
                    return Ok(self.chunk(nesting.last_end, nesting.n_ended));
                }
                Step::More(read) => at = read,
                Step::TooDeep(at) => return Err(self.too_deep(at)),
                Step::Mismatch(at) => return Err(self.mismatch(at)),
            }
            // A single record's own values are not records.
            let cut = if single { 0 } else { nesting.last_end };
            let row = self.n_rows + 1 + if single { 0 } else { nesting.n_ended };
            let len = data.len();
            if self.window.at_end() {
                return Err(match nesting.depth() {
                    _ if nesting.in_string() => self.cut_short(&format!("inside a string of row {row}")),
                    1 if !single => self.cut_short("inside its array of records"),
                    depth => self.cut_short(&format!("inside row {row}, {depth} levels deep")),
                });
            }
            if cut > 0 && len >= self.chunk_bytes {
                return Ok(self.chunk(cut, nesting.n_ended));
            }
            if len - cut > self.record_cap {
                let between = data[cut..].iter().take_while(|b| **b == b',' || syntax::is_space(**b)).count();
                return Err(Error::new(
                    Code::RecordTooLong,
                    format!(
                        "row {row} ({}): the record that begins here is longer than {} bytes (the cap `record`; {} read)",
                        self.window.place_of(cut + between),
                        self.record_cap,
                        len - cut - between
                    ),
                ));
            }
            want = (2 * len).clamp(want, (cut + self.record_cap + 1).max(want));
        }
    }

    fn chunk(&mut self, len: usize, n_rows: u64) -> TextChunk {
        let first_row = self.n_rows + 1;
        self.n_rows += n_rows;
        self.stage = Stage::Between;
        let (text, place) = self.window.cut(len);
        TextChunk::new(text, place, Grammar::Elements { first_row, record_cap: self.record_cap })
    }

    /// The last chunk, of `len` bytes; what held the records ends at `end`.
    fn last(&mut self, len: usize, end: usize, n_rows: u64) -> Result<TextChunk> {
        let chunk = self.chunk(len, n_rows);
        self.window.skip(end - len);
        self.finish()?;
        Ok(chunk)
    }

    /// Reads what follows the records: the rest of the objects around them, and
    /// then nothing.
    fn finish(&mut self) -> Result<()> {
        self.stage = Stage::Done;
        for _ in 0..self.n_around {
            loop {
                match self.peek()? {
                    Some(b',') => {
                        self.window.skip(1);
                        self.peek()?;
                        self.key()?;
                        self.pass_value()?;
                    }
                    Some(b'}') => break self.window.skip(1),
                    Some(found) => {
                        return Err(self.fault(
                            0,
                            &format!("expected `,` or `}}` after a value, found {}", shown(found)),
                        ));
                    }
                    None => return Err(self.cut_short("behind its records")),
                }
            }
        }
        match self.peek()? {
            None => Ok(()),
            Some(found) => {
                let what =
                    format!("the document has ended, and more follows, beginning with {}", shown(found));
                Err(self.fault(0, &what))
            }
        }
    }

    /// Enters the object here and goes to the value of `path[depth]`.
    fn descend(&mut self, path: &[&str], depth: usize) -> Result<()> {
        match self.peek()? {
            Some(b'{') => self.window.skip(1),
            Some(found) => {
                let what = format!(
                    "`records: {}`: expected an object with the key `{}`, found {}",
                    path.join("."),
                    path[depth],
                    kind_of(found)
                );
                return Err(self.fault(0, &what));
            }
            None if depth == 0 => {
                return Err(Error::new(Code::NoRecords, "the file holds nothing but white space"));
            }
            None => return Err(self.cut_short("where its records should stand")),
        }
        self.n_around += 1;
        let mut keys = Vec::new();
        loop {
            match self.peek()? {
                Some(b'}') if keys.is_empty() => return Err(self.no_such_key(path, depth, &keys)),
                Some(_) => {}
                None => return Err(self.cut_short("before its records")),
            }
            let key = self.key()?;
            if key == path[depth] {
                return Ok(());
            }
            keys.push(key);
            keys.truncate(NAMED + 1);
            self.pass_value()?;
            match self.peek()? {
                Some(b',') => {
                    self.window.skip(1);
                }
                Some(b'}') => return Err(self.no_such_key(path, depth, &keys)),
                Some(found) => {
                    return Err(
                        self.fault(0, &format!("expected `,` or `}}` after a value, found {}", shown(found)))
                    );
                }
                None => return Err(self.cut_short("before its records")),
            }
        }
    }

    fn no_such_key(&self, path: &[&str], depth: usize, keys: &[String]) -> Error {
        let within =
            if depth == 0 { "the document".into() } else { format!("`{}`", path[..depth].join(".")) };
        let there =
            if keys.is_empty() { "it has no keys".into() } else { format!("its keys are {}", listed(keys)) };
        self.fault(
            0,
            &format!("`records: {}`: {within} has no key `{}`; {there}", path.join("."), path[depth]),
        )
    }

    /// What stands here instead of the records, and what the reader could do.
    fn other_root(&mut self, found: u8, path: &[&str]) -> Error {
        if self.stage == Stage::Single {
            let what = format!(
                "expected one record (`{{`), found {}; for an array of records leave `records:` out",
                kind_of(found)
            );
            return self.fault(0, &what);
        }
        if !path.is_empty() {
            let what = format!("`records: {}`: expected an array, found {}", path.join("."), kind_of(found));
            return self.fault(0, &what);
        }
        let hint = if found == b'{' { root_hint(self.window.data()) } else { String::new() };
        let what = format!("found {}{hint}", kind_of(found));
        let place = self.window.place();
        Error::new(Code::Malformed, format!("expected an array of records (`[`) at {place}, {what}"))
    }

    /// Passes white space; the byte that follows, which stays.
    fn peek(&mut self) -> Result<Option<u8>> {
        loop {
            let n = skip_space(self.window.data(), 0);
            self.window.skip(n);
            if let Some(b) = self.window.data().first() {
                return Ok(Some(*b));
            }
            if self.window.at_end() {
                return Ok(None);
            }
            self.window.fill(self.chunk_bytes)?;
        }
    }

    /// Reads a key and its colon.
    fn key(&mut self) -> Result<String> {
        self.window.fill(KEY_BYTES)?;
        let data = self.window.data();
        let (close, _, after) = match syntax::key(data, 0) {
            Ok(found) => found,
            Err(f) => return Err(self.fault(f.at, &f.what)),
        };
        let key = serde_json::from_slice::<String>(&data[..=close])
            .map_err(|_| self.fault(0, "a key that is no text: bad UTF-8, or half of a surrogate pair"))?;
        self.window.skip(after);
        Ok(key)
    }

    /// Passes one value without keeping it.
    fn pass_value(&mut self) -> Result<()> {
        match self.peek()? {
            Some(b'{' | b'[' | b'"') => {
                let mut nesting = Nesting::default();
                loop {
                    match nesting.read(self.window.data(), 0, usize::MAX) {
                        Step::Ended(end) => {
                            self.window.skip(end);
                            return Ok(());
                        }
                        Step::More(_) if self.window.at_end() => return Err(self.cut_short("inside a value")),
                        Step::More(_) => {
                            self.window.skip(self.window.data().len());
                            self.window.fill(self.chunk_bytes)?;
                        }
                        Step::TooDeep(at) => return Err(self.too_deep(at)),
                        Step::Mismatch(at) => return Err(self.mismatch(at)),
                    }
                }
            }
            Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => loop {
                let data = self.window.data();
                let end = data.iter().position(|b| matches!(b, b',' | b'}' | b']') || syntax::is_space(*b));
                let n = end.unwrap_or(data.len());
                self.window.skip(n);
                if end.is_some() || self.window.at_end() {
                    return Ok(());
                }
                self.window.fill(self.chunk_bytes)?;
            },
            Some(_) => {
                let what = match syntax::value(self.window.data(), 0, 0) {
                    Err(f) => f.what.into_owned(),
                    Ok(_) => "expected a value".into(),
                };
                Err(self.fault(0, &what))
            }
            None => Err(self.cut_short("where a value should stand")),
        }
    }

    fn fault(&self, at: usize, what: &str) -> Error {
        Error::new(Code::Malformed, format!("{}: {what}", self.window.place_of(at)))
    }

    fn cut_short(&self, place: &str) -> Error {
        let end = self.window.place_of(self.window.data().len());
        Error::new(Code::Malformed, format!("{end}: the document is cut short: it ends {place}"))
    }

    fn too_deep(&self, at: usize) -> Error {
        let here = self.window.place_of(at);
        Error::new(Code::TooDeep, format!("{here}: nested deeper than {MAX_DEPTH} levels"))
    }

    fn mismatch(&self, at: usize) -> Error {
        let what = format!("{} closes a bracket of the other kind, or none", shown(self.window.data()[at]));
        self.fault(at, &what)
    }
}

fn listed(names: &[String]) -> String {
    let mut text = names.iter().take(NAMED).map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
    if names.len() > NAMED {
        text.push_str(", …");
    }
    text
}

/// What a document that is an object, of which `data` is the beginning, could
/// be read as.
fn root_hint(data: &[u8]) -> String {
    if let Ok(end) = syntax::value(data, 0, 0) {
        let next = skip_space(data, end);
        if data.get(next) == Some(&b'{') && data[end..next].contains(&b'\n') {
            return "; the file looks like one JSON document per line: `read: ndjson` reads that".into();
        }
    }
    let mut arrays = Vec::new();
    find_arrays(data, "", 3, &mut arrays);
    match arrays.first() {
        Some(first) => format!(
            "; it has arrays at {}: name the one that holds the records, as in `read: {{ json: {{ records: {first} }} }}`",
            listed(&arrays)
        ),
        None => "; if the document is one record, say `read: { json: { records: . } }`".into(),
    }
}

/// Collects the paths of arrays in the object that begins `data`, as far as it
/// is there and makes sense.
fn find_arrays(data: &[u8], prefix: &str, levels: u32, found: &mut Vec<String>) {
    let mut at = skip_space(data, 1);
    while let Ok((close, _, value_at)) = syntax::key(data, at) {
        let Ok(key) = serde_json::from_slice::<String>(&data[at..=close]) else { return };
        match data.get(value_at) {
            Some(b'[') if found.len() <= NAMED => found.push(format!("{prefix}{key}")),
            Some(b'{') if levels > 1 => {
                find_arrays(&data[value_at..], &format!("{prefix}{key}."), levels - 1, found)
            }
            _ => {}
        }
        let Ok(end) = syntax::value(data, value_at, 0) else { return };
        at = skip_space(data, end);
        if data.get(at) != Some(&b',') {
            return;
        }
        at = skip_space(data, at + 1);
    }
}
