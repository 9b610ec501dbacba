//! Goes through a file's documents: itself, or the members of the archive that
//! it is, and of archives in it.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use lakegate_domain::Code;
use lakegate_domain::model::{Format, Read, WhpExchange};
use lakegate_domain::route::is_junk;

use super::pick::{Pick, Picker};
use super::recognise::{by_content, recognise};
use super::{Payload, Stream, within};
use crate::container::{Blob, Input, Peeled, Peeler, Walk};
use crate::csv::Splitter;
use crate::encoding::decode;
use crate::error::{Error, Result};
use crate::exchange;
use crate::json::{Document, Lines};
use crate::netcdf;
use crate::transit::gtfs_rt::Feed;
use crate::transit::records::RecordFeed;
use crate::typed::{self, Typed};
use crate::xml;

/// Members that an error lists.
const LISTED: usize = 10;
/// Cells address 2³¹ bytes; no record needs as much.
const MAX_RECORD_BYTES: u64 = 1 << 30;

/// The documents of one landed file, in order.
pub(super) struct Documents {
    peeler: Arc<Peeler>,
    picker: Picker,
    chunk_bytes: usize,
    record_cap: usize,
    /// The landed file, where it is no archive.
    bare: Option<Found>,
    /// The archive and the archives in it that are being walked.
    levels: Vec<Level>,
    is_archive: bool,
    any: bool,
    /// Further streams of the document that was opened last.
    further: VecDeque<(Arc<Stream>, Records)>,
    /// The first members that were not picked.
    passed: Vec<String>,
    n_passed: usize,
}

struct Level {
    walk: Walk,
    /// Path of the archive with a `/`; empty for the landed file.
    prefix: String,
    depth: u32,
    /// How all its members are read, where the archive itself was picked.
    pick: Option<Pick>,
}

struct Found {
    head: Bytes,
    input: Input,
    /// Without the endings of compressions.
    name: String,
    member: Option<String>,
    pick: Pick,
}

/// A document that was looked at.
pub(super) struct Looked {
    pub member: Option<String>,
    /// The word of what it is; `None` where nothing recognises it.
    pub kind: Option<&'static str>,
    /// Where it is read as WHP-Exchange: how.
    pub exchange: Option<WhpExchange>,
    pub input: Input,
}

/// The rows of one document.
pub(super) enum Records {
    Csv(Splitter),
    Json(Document),
    Ndjson(Lines),
    Xml(Box<xml::Document>),
    Listed(Box<RecordFeed>),
    Typed(Typed),
    Netcdf(Box<netcdf::Rows>),
    Feed(Box<Feed>),
    /// With a stream for each list of units.
    Exchange(exchange::Rows, Vec<Arc<Stream>>),
}

impl Records {
    /// The next rows, and their stream where the document has several.
    pub fn next(&mut self) -> Result<Option<(Option<Arc<Stream>>, Payload)>> {
        let payload = match self {
            Records::Csv(splitter) => splitter.next()?.map(Payload::Text),
            Records::Json(document) => document.next()?.map(Payload::Text),
            Records::Ndjson(lines) => lines.next()?.map(Payload::Text),
            Records::Xml(document) => document.next()?.map(Payload::Text),
            Records::Listed(feed) => feed.next()?.map(Payload::Text),
            Records::Exchange(rows, streams) => {
                return Ok(rows.next().map(|(at, chunk)| (streams.get(at).cloned(), Payload::Text(chunk))));
            }
            Records::Typed(typed) => typed.next()?.map(Payload::Typed),
            Records::Netcdf(rows) => rows.next()?.map(Payload::Typed),
            Records::Feed(feed) => {
                let rows = feed.next()?;
                return Ok(rows.map(|(stream, batch)| (Some(stream), Payload::Typed(batch))));
            }
        };
        Ok(payload.map(|p| (None, p)))
    }
}

impl Documents {
    pub fn open(
        input: Input,
        file_name: &str,
        read: &Read,
        peeler: Arc<Peeler>,
        chunk_bytes: usize,
    ) -> Result<Self> {
        let picker = Picker::new(read)?;
        let record_cap = read.caps.record_bytes.clamp(1, MAX_RECORD_BYTES) as usize;
        let mut depth = 0;
        let (mut bare, mut levels) = (None, Vec::new());
        match peeler.peel(input, file_name, &mut depth)? {
            Peeled::Document { head, input, name } => {
                let pick = picker.bare(&name)?;
                bare = Some(Found { head, input, name, member: None, pick });
            }
            Peeled::Archive(walk) => levels.push(Level { walk, prefix: String::new(), depth, pick: None }),
        }
        let is_archive = bare.is_none();
        Ok(Self {
            peeler,
            picker,
            chunk_bytes,
            record_cap,
            bare,
            levels,
            is_archive,
            any: false,
            further: VecDeque::new(),
            passed: Vec::new(),
            n_passed: 0,
        })
    }

    /// Opens the next document, or the next stream of one that has several.
    /// `None` after the last one.
    pub fn next(&mut self) -> Result<Option<(Arc<Stream>, Records)>> {
        if let Some(further) = self.further.pop_front() {
            return Ok(Some(further));
        }
        let Some(found) = self.find()? else {
            if self.is_archive && !self.any {
                return Err(self.nothing());
            }
            return Ok(None);
        };
        self.any = true;
        let member = found.member.clone();
        self.read(found).map(Some).map_err(|e| within(e, member.as_deref()))
    }

    /// The next document, not opened: the landed file or a member that is picked.
    fn find(&mut self) -> Result<Option<Found>> {
        match self.bare.take() {
            Some(found) => Ok(Some(found)),
            None => self.next_member(),
        }
    }

    /// What the next document is, and its bytes, without reading its rows.
    /// `None` after the last one.
    pub fn look(&mut self) -> Result<Option<Looked>> {
        let Some(Found { head, input, name, member, pick }) = self.find()? else {
            if self.is_archive && !self.any {
                return Err(self.nothing());
            }
            return Ok(None);
        };
        self.any = true;
        let seen = by_content(&name, &head).or_else(|| match &pick.format {
            Some(declared) => Some(declared.clone()),
            None => recognise(&name, &head).ok(),
        });
        let seen = seen.filter(|_| !head.is_empty());
        let read_as = pick.format.or_else(|| seen.clone());
        let exchange = match read_as {
            Some(Format::WhpExchange(options)) => Some(options),
            _ => None,
        };
        Ok(Some(Looked { member, kind: seen.map(|f| f.name()), exchange, input }))
    }

    /// The longest record.
    pub fn record_cap(&self) -> usize {
        self.record_cap
    }

    /// Makes a document's bytes seekable.
    pub fn blob(&self, input: Input) -> Result<Blob> {
        self.peeler.blob(input)
    }

    /// Whether an error says that the last member holds no records; the walk
    /// goes on behind it.
    pub fn is_empty_member(&self, error: &Error) -> bool {
        self.is_archive && self.any && error.code == Code::NoRecords
    }

    /// The next member that is a document and is picked.
    fn next_member(&mut self) -> Result<Option<Found>> {
        while let Some(level) = self.levels.last_mut() {
            let place = level.prefix.trim_end_matches('/').to_string();
            let inside = |e: Error| if place.is_empty() { e } else { e.within(&place) };
            let Some(path) = level.walk.next_path().map_err(inside)? else {
                self.levels.pop();
                continue;
            };
            if is_junk(&path) {
                continue;
            }
            let full = format!("{}{path}", level.prefix);
            let picked = match &level.pick {
                Some(pick) => Some(pick.clone()),
                None => self.picker.pick(&[&full, &path])?,
            };
            let mut depth = level.depth;
            let peeled = level.walk.open().and_then(|input| self.peeler.peel(input, &path, &mut depth));
            let peeled = match peeled {
                Ok(peeled) => peeled,
                // What nobody asked for may be damaged, encrypted or odd.
                Err(e) if picked.is_none() && matches!(e.code, Code::DamagedArchive | Code::Unrecognised) => {
                    self.pass(full);
                    continue;
                }
                Err(e) => return Err(e.within(&full)),
            };
            match peeled {
                Peeled::Archive(walk) => {
                    self.levels.push(Level { walk, prefix: format!("{full}/"), depth, pick: picked });
                }
                Peeled::Document { head, input, name } => {
                    let picked = match picked {
                        Some(pick) => Some(pick),
                        None => self.picker.pick(&[&format!("{}{name}", level.prefix), &name])?,
                    };
                    match picked {
                        Some(pick) => return Ok(Some(Found { head, input, name, member: Some(full), pick })),
                        None => self.pass(full),
                    }
                }
            }
        }
        Ok(None)
    }

    fn pass(&mut self, path: String) {
        self.n_passed += 1;
        if self.passed.len() < LISTED {
            self.passed.push(path);
        }
    }

    fn nothing(&self) -> Error {
        if self.n_passed == 0 {
            return Error::new(Code::NoRecords, "the archive holds no files");
        }
        let mut list = self.passed.iter().map(|p| format!("`{p}`")).collect::<Vec<_>>().join(", ");
        if self.n_passed > self.passed.len() {
            list.push_str(&format!(" and {} more", self.n_passed - self.passed.len()));
        }
        Error::new(
            Code::NoMember,
            format!("no member of the archive fits the declared pattern; it holds {list}"),
        )
    }

    fn read(&mut self, found: Found) -> Result<(Arc<Stream>, Records)> {
        let Found { head, input, name, member, pick } = found;
        if head.is_empty() {
            return Err(Error::new(Code::NoRecords, "the file is empty (0 bytes)"));
        }
        let format = match pick.format {
            Some(format) => format,
            None => match recognise(&name, &head)? {
                // Its streams need tables, which only the configuration can name.
                Format::GtfsRt(_) => {
                    return Err(Error::new(
                        Code::Unrecognised,
                        format!(
                            "`{name}` is a GTFS-Realtime feed, with several streams of records: say `read: gtfs_rt`"
                        ),
                    ));
                }
                format => format,
            },
        };
        let kind = by_content(&name, &head).map_or(format.name(), |seen| seen.name());
        let (chunk_bytes, cap) = (self.chunk_bytes, self.record_cap);
        let mut units = Vec::new();
        let records = match &format {
            Format::Csv(options) => {
                let (text, place) = decode(input.into_stream(), options.encoding)?;
                let (splitter, found) = Splitter::open(text, place, options, chunk_bytes, cap)?;
                units = found;
                Records::Csv(splitter)
            }
            Format::Json(options) => {
                let (text, place) = decode(input.into_stream(), None)?;
                Records::Json(Document::open(text, place, options, chunk_bytes, cap)?)
            }
            Format::Ndjson => {
                let (text, place) = decode(input.into_stream(), None)?;
                Records::Ndjson(Lines::new(text, place, chunk_bytes, cap))
            }
            Format::Parquet => Records::Typed(Typed::parquet(self.peeler.blob(input)?)?),
            Format::Arrow if head.starts_with(typed::ARROW_MAGIC) => {
                Records::Typed(Typed::arrow_file(self.peeler.blob(input)?, cap)?)
            }
            Format::Arrow => Records::Typed(Typed::arrow_stream(input.into_stream(), cap)?),
            Format::Netcdf(options) => {
                let opened = netcdf::open(self.peeler.blob(input)?, options, &self.peeler)?;
                self.further.extend(opened.into_iter().map(|o| {
                    let name = o.name.or_else(|| pick.stream.clone());
                    let stream = Stream {
                        name,
                        member: member.clone(),
                        units: o.units,
                        format: format.name(),
                        kind,
                        faults: Vec::new(),
                    };
                    (Arc::new(stream), Records::Netcdf(Box::new(o.rows)))
                }));
                return self
                    .further
                    .pop_front()
                    .ok_or_else(|| Error::new(Code::NoRecords, "the netCDF file has no record streams"));
            }
            Format::GtfsRt(options) => {
                let blob = self.peeler.blob(input)?;
                let feed = Feed::open(&blob, &head, options, member.clone(), chunk_bytes, cap)?;
                Records::Feed(Box::new(feed))
            }
            Format::Xml(options) => {
                let (text, place) = decode(input.into_stream(), xml::encoding_of(&head)?)?;
                Records::Xml(Box::new(xml::Document::open(text, place, options, chunk_bytes, cap)))
            }
            Format::WhpExchange(options) => {
                let blob = self.peeler.blob(input)?;
                let opened = exchange::Rows::open(&blob, options, chunk_bytes, cap)?;
                let of_units = |units| Stream {
                    name: pick.stream.clone(),
                    member: member.clone(),
                    units,
                    format: format.name(),
                    kind,
                    faults: opened.accepted.clone(),
                };
                let streams: Vec<_> = opened.units.into_iter().map(|u| Arc::new(of_units(u))).collect();
                let first = streams.first().cloned().unwrap_or_else(|| Arc::new(of_units(Vec::new())));
                return Ok((first, Records::Exchange(opened.rows, streams)));
            }
            Format::Records(preset, names) => {
                let blob = self.peeler.blob(input)?;
                let feed = RecordFeed::open(&blob, &head, *preset, *names, chunk_bytes, cap)?;
                Records::Listed(Box::new(feed))
            }
        };
        let stream =
            Stream { name: pick.stream, member, units, format: format.name(), kind, faults: Vec::new() };
        Ok((Arc::new(stream), records))
    }
}
