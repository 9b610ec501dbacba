//! GTFS-Realtime feed messages, in protobuf and in JSON, to the rows of their
//! record streams.
//!
//! A feed's header counts for all its rows and may stand anywhere, so the bytes
//! are gone through twice: for the header, then entity by entity. Memory holds
//! one entity and what its rows and those of a batch take, whatever the feed's
//! size: what every row repeats is bounded, and so is what an entity becomes.

mod encoded;
mod entities;
mod layout;
mod plain;
mod rows;
mod translated;

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::RecordBatch;
use lakegate_domain::Code;
use lakegate_domain::model::GtfsRt;
use lakegate_domain::transit::gtfs_rt::{BARE_ENTITY, STREAMS};
use serde_json::{Map, Value};

use self::entities::{JsonEntities, WireEntities};
use self::layout::{Layout, Node};
use self::rows::{Body, Cell, Row, Rows};
use super::wire::{Fault, Span};
use crate::container::Blob;
use crate::error::{Error, Result};
use crate::open::Stream;
use crate::typed::BATCH_ROWS;

/// Bytes of a header at most: every row has its fields.
const HEADER_BYTES: usize = 16 << 10;
/// Bytes of JSON of a header's extensions that every row has; longer ones are
/// counted.
const HEADER_EXTENSIONS_BYTES: usize = 4 << 10;
/// Bytes of rows that make a batch full, where their number does not.
const BATCH_BYTES: usize = 8 << 20;
/// How many times its cap an entity's rows may be, which repeat its fields.
const ENTITY_GROWTH: usize = 8;

/// Whether first bytes are certainly those of a feed in protobuf: a header
/// whose first field is a version.
pub(crate) fn is_encoded(head: &[u8]) -> bool {
    let [0x0A, len, header @ ..] = head else { return false };
    let header = &header[..header.len().min(usize::from(*len))];
    let [0x0A, len @ 3..8, version @ ..] = header else { return false };
    let version = version.get(..usize::from(*len)).and_then(|v| std::str::from_utf8(v).ok());
    version.and_then(|v| v.split_once('.')).is_some_and(|(major, minor)| {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        is_number(major) && is_number(minor)
    })
}

/// Whether a text that begins like this is certainly a feed in JSON.
pub(crate) fn is_json(text: &str) -> bool {
    if !text.starts_with('{') {
        return false;
    }
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let has = |part: &str| text.contains(part);
    has("\"gtfs_realtime_version\":\"")
        || has("\"gtfsRealtimeVersion\":\"")
        || has("\"entity\":[{")
            && ["vehicle", "trip_update", "tripUpdate", "alert"].iter().any(|of| has(&format!("\"{of}\":{{")))
}

/// One feed message, batch by batch.
pub(crate) struct Feed {
    entities: Entities,
    layouts: Vec<Layout>,
    /// Rows that have not been handed out; `None` for streams that are not read.
    rows: Vec<Option<Rows>>,
    streams: Vec<Arc<Stream>>,
    /// The header's cells, the last of every row.
    header: Vec<Cell<'static>>,
    record_cap: usize,
    ready: VecDeque<(usize, RecordBatch)>,
    any: bool,
    at_end: bool,
}

enum Entities {
    Wire(WireEntities),
    Json(JsonEntities),
}

/// What an entity carries: the streams of its messages, by number, with the
/// messages.
struct Entity<'a> {
    cells: [Cell<'a>; 2],
    extensions: Map<String, Value>,
    carried: Vec<(usize, Body<'a>)>,
}

impl Feed {
    /// Finds the header and goes back to the beginning. `member` is where in an
    /// archive the feed stands.
    ///
    /// # Errors
    /// LG101 where it is no feed, or cut short; LG106 where its header is longer
    /// than `record_cap` bytes.
    pub fn open(
        blob: &Blob,
        head: &[u8],
        options: &GtfsRt,
        member: Option<String>,
        chunk_bytes: usize,
        record_cap: usize,
    ) -> Result<Self> {
        let (layouts, header_node) = layout::layouts(options.names);
        let n_header = layouts[0].columns.len() - layouts[0].header;
        let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
        let is_utf16 = matches!(head, [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..]);
        let (entities, header) = if is_utf16 || text.starts_with(b"{") && !is_encoded(head) {
            let (entities, header) = JsonEntities::open(blob, chunk_bytes, record_cap)?;
            (Entities::Json(entities), header_cells(&header_node, n_header, Body::Json(&header), Vec::new())?)
        } else if text.starts_with(b"<") {
            return Err(Error::new(
                Code::Malformed,
                "expected a GTFS-Realtime feed, found `<`: a page or an XML document; look at what the server says",
            ));
        } else {
            let (entities, header) = WireEntities::open(blob, record_cap)?;
            let body = Body::Wire(Span { bytes: &header.bytes, at: 0 });
            (Entities::Wire(entities), header_cells(&header_node, n_header, body, header.extensions)?)
        };
        let wanted = |l: &Layout| options.streams.contains(&l.stream.name);
        let rows = layouts.iter().map(|l| wanted(l).then(|| Rows::new(l))).collect();
        let stream = |l: &Layout| {
            let name = Some(l.stream.name.to_string());
            Arc::new(Stream {
                name,
                member: member.clone(),
                units: Vec::new(),
                format: "gtfs_rt",
                kind: "gtfs_rt",
                faults: Vec::new(),
            })
        };
        let streams = layouts.iter().map(stream).collect();
        Ok(Self {
            entities,
            rows,
            streams,
            layouts,
            header,
            record_cap,
            ready: VecDeque::new(),
            any: false,
            at_end: false,
        })
    }

    /// The next rows; at least one batch is returned, possibly without rows.
    pub fn next(&mut self) -> Result<Option<(Arc<Stream>, RecordBatch)>> {
        loop {
            if let Some((stream, batch)) = self.ready.pop_front() {
                self.any = true;
                return Ok(Some((self.streams[stream].clone(), batch)));
            }
            if self.at_end {
                let first = self.rows.iter_mut().enumerate().find_map(|(n, r)| Some((n, r.as_mut()?)));
                return match first {
                    Some((n, rows)) if !std::mem::replace(&mut self.any, true) => {
                        Ok(Some((self.streams[n].clone(), rows.finish()?)))
                    }
                    _ => Ok(None),
                };
            }
            self.read_on()?;
            let is_full =
                self.rows.iter().flatten().any(|r| r.n_rows >= BATCH_ROWS || r.size_bytes >= BATCH_BYTES);
            if !is_full && !self.at_end {
                continue;
            }
            for (n, rows) in self.rows.iter_mut().enumerate() {
                if let Some(rows) = rows.as_mut().filter(|r| r.n_rows > 0) {
                    self.ready.push_back((n, rows.finish()?));
                }
            }
        }
    }

    /// Reads some entities.
    fn read_on(&mut self) -> Result<()> {
        let most_bytes = self.record_cap.saturating_mul(ENTITY_GROWTH).clamp(BATCH_BYTES, 1 << 30);
        let (layouts, rows) = (&self.layouts, &mut self.rows);
        let mut sink = Sink { layouts, rows, header: &self.header, most_bytes, made_bytes: 0 };
        self.at_end = !match &mut self.entities {
            Entities::Wire(entities) => entities.next(&mut sink)?,
            Entities::Json(entities) => entities.next(&mut sink)?,
        };
        Ok(())
    }
}

/// Where rows go.
struct Sink<'f> {
    layouts: &'f [Layout],
    rows: &'f mut [Option<Rows>],
    header: &'f [Cell<'static>],
    /// What the rows of one entity may take, and have taken.
    most_bytes: usize,
    made_bytes: usize,
}

impl Sink<'_> {
    /// Makes an entity's rows.
    ///
    /// Errors are of the entity's bytes; in JSON there are none.
    fn entity(&mut self, mut entity: Entity<'_>) -> Result<(), Fault> {
        self.made_bytes = 0;
        if entity.carried.is_empty() {
            let bare = self.layouts.len() - 1;
            debug_assert_eq!(STREAMS[bare].name, BARE_ENTITY);
            let row = Row { extensions: entity.extensions, ..Row::new(self.layouts[bare].columns.len()) };
            self.push(bare, &entity.cells, row);
            return Ok(());
        }
        while let Some((stream, body)) = entity.carried.first().copied() {
            let layout = &self.layouts[stream];
            let mut row = Row::new(layout.columns.len());
            // What belongs to none of the messages is told with the first.
            row.extensions = std::mem::take(&mut entity.extensions);
            let Some(node) = &layout.node else { return Ok(()) };
            fill(node, body, &mut row)?;
            entity.carried.remove(0);
            // In protobuf a message that stands twice is one.
            while let Some(again) = entity.carried.iter().position(|(s, _)| *s == stream) {
                fill(node, entity.carried.remove(again).1, &mut row)?;
            }
            let inner = std::mem::take(&mut row.inner);
            for (of, body) in inner {
                self.inner(of, body, &row, &entity.cells)?;
                if self.made_bytes > self.most_bytes {
                    let Body::Wire(Span { at, .. }) = body else { return Err(Fault::too_long(0)) };
                    return Err(Fault::too_long(at));
                }
            }
            self.push(stream, &entity.cells, row);
        }
        Ok(())
    }

    /// Makes a row of what stands in another row's message.
    fn inner<'a>(
        &mut self,
        stream: usize,
        body: Body<'a>,
        around: &Row<'a>,
        entity: &[Cell<'a>; 2],
    ) -> Result<(), Fault> {
        let layout = &self.layouts[stream];
        let (Some(node), Some(_)) = (&layout.node, &self.rows[stream]) else { return Ok(()) };
        let mut row = Row::new(layout.columns.len());
        for (from, to) in &layout.inherited {
            row.cells[*to] = around.cells[*from].clone();
        }
        fill(node, body, &mut row)?;
        self.push(stream, entity, row);
        Ok(())
    }

    fn push<'a>(&mut self, stream: usize, entity: &[Cell<'a>; 2], mut row: Row<'a>) {
        let layout = &self.layouts[stream];
        let Some(rows) = &mut self.rows[stream] else { return };
        for (at, cell) in layout.entity.iter().zip(entity) {
            row.cells[*at] = cell.clone();
        }
        if !row.extensions.is_empty() {
            row.cells[layout.extensions] = Cell::Json(Value::Object(row.extensions));
        }
        self.made_bytes += rows.push(row.cells[..layout.header].iter().chain(self.header));
    }
}

fn fill<'a>(node: &Node, body: Body<'a>, row: &mut Row<'a>) -> Result<(), Fault> {
    match body {
        Body::Wire(span) => encoded::fill(node, span, row),
        Body::Json(Value::Object(message)) => {
            plain::fill(node, message, row);
            Ok(())
        }
        Body::Json(_) => Ok(()),
    }
}

/// The header's cells, its extensions and the feed message's own last.
fn header_cells(
    node: &Node,
    n_cells: usize,
    body: Body<'_>,
    extensions: Vec<(u32, Value)>,
) -> Result<Vec<Cell<'static>>> {
    let mut row = Row::new(n_cells);
    fill(node, body, &mut row)
        .map_err(|f| Error::new(Code::Malformed, format!("the feed's header: {}", f.what)))?;
    for (number, value) in extensions {
        row.extend("", &number.to_string(), value);
    }
    if !row.extensions.is_empty() {
        let n_fields = row.extensions.values().map(|v| v.as_array().map_or(1, Vec::len)).sum::<usize>();
        let all = Value::Object(std::mem::take(&mut row.extensions));
        let n_bytes = all.to_string().len();
        row.cells[n_cells - 1] = Cell::Json(match n_bytes {
            ..=HEADER_EXTENSIONS_BYTES => all,
            _ => serde_json::json!({ "n_fields": n_fields, "n_bytes": n_bytes }),
        });
    }
    // Written once, not for each row.
    let written = |cell| match cell {
        Cell::Json(value) => Cell::Text(value.to_string().into()),
        other => other.into_owned(),
    };
    Ok(row.cells.into_iter().map(written).collect())
}
