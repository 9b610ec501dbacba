//! A feed's entities, one by one, and its header before them.

use std::borrow::Cow;
use std::io::{BufReader, Read};

use lakegate_domain::Code;
use lakegate_domain::model::Json;
use lakegate_domain::transit::gtfs_rt::{FEED_ENTITY, STREAMS};
use serde_json::{Map, Value};

use super::layout::camel_case;
use super::rows::{Body, Cell};
use super::{Entity, HEADER_BYTES, Sink, encoded};
use crate::container::{Blob, BlobReader, carried};
use crate::encoding::decode;
use crate::error::{Error, Result};
use crate::json::{Document, survey};
use crate::transit::wire::{Encoded, Fault, FaultKind, Fields, Span};

/// Fields of a feed message.
const HEADER: u32 = 1;
const ENTITY: u32 = 2;

/// The stream of what an entity's field holds.
fn stream_of(field: impl Fn(&'static lakegate_domain::transit::gtfs_rt::Field) -> bool) -> Option<usize> {
    let found = FEED_ENTITY.0.iter().find(|f| field(f))?;
    STREAMS.iter().position(|s| s.path == found.name)
}

/// Entities in protobuf.
pub(super) struct WireEntities {
    input: BufReader<BlobReader>,
    at: u64,
    size: u64,
    record_cap: usize,
    /// The entity that is being read.
    buffer: Vec<u8>,
    n_entities: u64,
}

/// The header in protobuf, and what else stands beside the entities.
pub(super) struct WireHeader {
    pub bytes: Vec<u8>,
    pub extensions: Vec<(u32, Value)>,
}

/// A field of the feed message.
enum Top {
    Bytes { number: u32, len: u64, at: u64 },
    Other { number: u32, value: u64 },
}

impl WireEntities {
    /// Reads the header, wherever it stands, and goes to the first entity.
    pub fn open(blob: &Blob, record_cap: usize) -> Result<(Self, WireHeader)> {
        let start = |blob: &Blob| Self {
            input: BufReader::new(blob.reader()),
            at: 0,
            size: blob.size(),
            record_cap,
            buffer: Vec::new(),
            n_entities: 0,
        };
        let mut all = start(blob);
        let mut header = WireHeader { bytes: Vec::new(), extensions: Vec::new() };
        let (mut any, mut n_bytes) = (false, 0);
        while let Some(field) = all.field()? {
            match field {
                Top::Bytes { number: HEADER, len, at } => {
                    all.take(len, at, HEADER_BYTES)?;
                    // One that stands again says all anew: messages that were put
                    // behind each other have a header each.
                    header.bytes = std::mem::take(&mut all.buffer);
                    any = true;
                }
                Top::Bytes { number: ENTITY, len, at } => {
                    all.n_entities += 1;
                    all.pass(len, at)?;
                }
                Top::Bytes { number, len, at } => {
                    all.take(len, at, HEADER_BYTES)?;
                    n_bytes += len;
                    let span = Span { bytes: &all.buffer, at };
                    header.extensions.push((number, encoded::raw(Encoded::Bytes(span))));
                }
                Top::Other { number, value } => {
                    n_bytes += 8;
                    header.extensions.push((number, encoded::raw(Encoded::Varint(value))));
                }
            }
            if n_bytes > HEADER_BYTES as u64 {
                return Err(all.not_a_feed(all.at, "too much that is neither a header nor an entity"));
            }
        }
        if !any {
            return Err(Error::new(
                Code::Malformed,
                "no GTFS-Realtime feed: it has no feed header, which every feed begins with",
            ));
        }
        Ok((start(blob), header))
    }

    /// Gives the next entity to the sink; `false` at the end.
    pub fn next(&mut self, sink: &mut Sink<'_>) -> Result<bool> {
        while let Some(field) = self.field()? {
            let Top::Bytes { number, len, at } = field else { continue };
            if number != ENTITY {
                self.pass(len, at)?;
                continue;
            }
            self.n_entities += 1;
            self.take(len, at, self.record_cap)?;
            let span = Span { bytes: &self.buffer, at };
            entity(span).and_then(|e| sink.entity(e)).map_err(|f| self.fault(span, f))?;
            return Ok(true);
        }
        Ok(false)
    }

    /// The next field, up to the bytes that it holds.
    fn field(&mut self) -> Result<Option<Top>> {
        let start = self.at;
        if start == self.size {
            return Ok(None);
        }
        let key = self.varint()?;
        let Ok(number @ 1..) = u32::try_from(key >> 3) else {
            return Err(self.not_a_feed(start, "a field number that cannot be"));
        };
        Ok(Some(match key & 7 {
            2 => {
                let len = self.varint()?;
                if len > self.size - self.at {
                    return Err(self.cut_short(len));
                }
                Top::Bytes { number, len, at: self.at }
            }
            _ if number == HEADER || number == ENTITY => {
                return Err(self.not_a_feed(start, "a header or an entity that is no message"));
            }
            0 => Top::Other { number, value: self.varint()? },
            1 => Top::Other { number, value: u64::from_le_bytes(self.fixed()?) },
            5 => Top::Other { number, value: u32::from_le_bytes(self.fixed()?).into() },
            _ => return Err(self.not_a_feed(start, "a wire type that has no place there")),
        }))
    }

    fn varint(&mut self) -> Result<u64> {
        let start = self.at;
        let mut value = 0u64;
        for n in 0..10 {
            let [byte] = self.fixed()?;
            value |= u64::from(byte & 0x7F) << (7 * n);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.not_a_feed(start, "a number of more than ten bytes"))
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        if self.size - self.at < N as u64 {
            return Err(self.cut_short(N as u64));
        }
        self.input.read_exact(&mut bytes).map_err(carried)?;
        self.at += N as u64;
        Ok(bytes)
    }

    /// Reads a field's bytes into the buffer.
    fn take(&mut self, len: u64, at: u64, most: usize) -> Result<()> {
        if len > most as u64 {
            let what = if most == HEADER_BYTES { "a header may have" } else { "the cap `record` is" };
            let message = format!("byte {at} of the file: a message of {len} bytes; {what} {most}");
            return Err(Error::new(Code::RecordTooLong, message));
        }
        self.buffer.clear();
        self.buffer.resize(len as usize, 0);
        self.input.read_exact(&mut self.buffer).map_err(carried)?;
        self.at += len;
        Ok(())
    }

    fn pass(&mut self, len: u64, at: u64) -> Result<()> {
        let by = i64::try_from(len).map_err(|_| self.not_a_feed(at, "a length that cannot be"))?;
        self.input.seek_relative(by).map_err(carried)?;
        self.at += len;
        Ok(())
    }

    fn not_a_feed(&self, at: u64, what: &str) -> Error {
        Error::new(
            Code::Malformed,
            format!(
                "no GTFS-Realtime feed, or a damaged one: byte {at} of the file, after {} entities: {what}",
                self.n_entities
            ),
        )
    }

    fn cut_short(&self, wanted: u64) -> Error {
        Error::new(
            Code::Malformed,
            format!(
                "no GTFS-Realtime feed, or one that is cut short: at byte {} of the file, after {} entities, {wanted} bytes should \
                 follow and {} do",
                self.at,
                self.n_entities,
                self.size - self.at
            ),
        )
    }

    fn fault(&self, span: Span<'_>, fault: Fault) -> Error {
        let id = entity_id(span).map(|id| format!(" (`{id}`)")).unwrap_or_default();
        let code = code_of(fault.kind);
        Error::new(
            code,
            format!("entity {}{id}, byte {} of the file: {}", self.n_entities, fault.at, fault.what),
        )
    }
}

fn entity(span: Span<'_>) -> Result<Entity<'_>, Fault> {
    let mut entity =
        Entity { cells: [Cell::Null, Cell::Bool(false)], extensions: Map::new(), carried: Vec::new() };
    for found in Fields::new(span) {
        let (number, value) = found?;
        match (number, value) {
            (1, Encoded::Bytes(id)) => entity.cells[0] = Cell::Text(String::from_utf8_lossy(id.bytes)),
            (2, Encoded::Varint(v)) => entity.cells[1] = Cell::Bool(v != 0),
            (number, Encoded::Bytes(message)) => match stream_of(|f| f.number == number) {
                Some(stream) => entity.carried.push((stream, Body::Wire(message))),
                None => keep(&mut entity, &number.to_string(), encoded::raw(value)),
            },
            _ => keep(&mut entity, &number.to_string(), encoded::raw(value)),
        }
    }
    Ok(entity)
}

fn keep(entity: &mut Entity<'_>, field: &str, value: Value) {
    entity.extensions.insert(field.to_string(), value);
}

fn code_of(kind: FaultKind) -> Code {
    match kind {
        FaultKind::NoMessage => Code::Malformed,
        FaultKind::TooDeep => Code::TooDeep,
        FaultKind::TooLong => Code::RecordTooLong,
    }
}

/// What a damaged entity calls itself.
fn entity_id(span: Span<'_>) -> Option<String> {
    match Fields::new(span).next()? {
        Ok((1, Encoded::Bytes(id))) => Some(String::from_utf8_lossy(id.bytes).chars().take(60).collect()),
        _ => None,
    }
}

/// Entities in JSON.
pub(super) struct JsonEntities {
    /// `None` where the feed has no list of entities.
    records: Option<Document>,
    n_entities: u64,
}

impl JsonEntities {
    /// Reads the header, wherever it stands, and goes to the first entity.
    pub fn open(blob: &Blob, chunk_bytes: usize, record_cap: usize) -> Result<(Self, Value)> {
        let text = || decode(Box::new(blob.reader()), None);
        let (input, place) = text()?;
        let found = survey(input, place, "header", chunk_bytes, HEADER_BYTES)?;
        let entity = found.keys.iter().rev().find(|(key, _)| key == "entity").map(|(_, first)| *first);
        if found.value.is_none() && entity.is_none() {
            let keys = found.keys.iter().take(10).map(|(k, _)| format!("`{k}`")).collect::<Vec<_>>();
            return Err(Error::new(
                Code::Malformed,
                format!(
                    "no GTFS-Realtime feed: the document has neither `header` nor `entity`; its keys are {}",
                    keys.join(", ")
                ),
            ));
        }
        let header = match &found.value {
            Some(text) => serde_json::from_str(text)
                .map_err(|e| Error::new(Code::Malformed, format!("the feed's `header`: {e}")))?,
            None => Value::Null,
        };
        let records = match entity {
            None | Some(b'n') => None,
            Some(_) => {
                let (input, place) = text()?;
                let options = Json { records: "entity".into() };
                Some(Document::open(input, place, &options, chunk_bytes, record_cap)?)
            }
        };
        Ok((Self { records, n_entities: 0 }, header))
    }

    /// Gives some entities to the sink; `false` at the end.
    pub fn next(&mut self, sink: &mut Sink<'_>) -> Result<bool> {
        let Some(records) = &mut self.records else { return Ok(false) };
        let Some(chunk) = records.next()? else { return Ok(false) };
        let batch = chunk.parse()?;
        for row in 0..batch.n_rows {
            self.n_entities += 1;
            let mut fields = Vec::new();
            for (name, cells) in batch.names.iter().zip(&batch.columns) {
                let Some(text) = batch.get(cells[row]) else { continue };
                let value: Value = serde_json::from_str(text).map_err(|e| {
                    Error::new(Code::Malformed, format!("row {}, `{name}`: {e}", self.n_entities))
                })?;
                if !value.is_null() {
                    fields.push((name.as_str(), value));
                }
            }
            sink.entity(entity_of(&fields))
                .map_err(|f| Error::new(code_of(f.kind), format!("row {}: {}", self.n_entities, f.what)))?;
        }
        Ok(true)
    }
}

fn entity_of<'a>(fields: &'a [(&str, Value)]) -> Entity<'a> {
    let mut entity =
        Entity { cells: [Cell::Null, Cell::Bool(false)], extensions: Map::new(), carried: Vec::new() };
    for (name, value) in fields {
        match (*name, value) {
            ("id", Value::String(id)) => entity.cells[0] = Cell::Text(Cow::Borrowed(id)),
            ("id", Value::Number(id)) => entity.cells[0] = Cell::Text(Cow::Owned(id.to_string())),
            ("is_deleted" | "isDeleted", Value::Bool(v)) => entity.cells[1] = Cell::Bool(*v),
            (name, Value::Object(_)) => match stream_of(|f| f.name == name || camel_case(f.name) == name) {
                Some(stream) => entity.carried.push((stream, Body::Json(value))),
                None => keep(&mut entity, name, value.clone()),
            },
            _ => keep(&mut entity, name, value.clone()),
        }
    }
    entity
}
