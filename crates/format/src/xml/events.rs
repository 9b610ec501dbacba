//! What an XML text says, piece by piece, with where it stands.

use std::io::{self, BufRead, BufReader, Read};

use lakegate_domain::Code;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::container::inside;
use crate::encoding::{Bytestream, Place};
use crate::error::{Error, Result};
use crate::json::MAX_DEPTH;

/// A piece of a document. Comments, declarations and instructions are none.
#[derive(Debug)]
pub(super) enum Piece {
    /// An element begins; it is the last of [`Pieces::open`].
    Open {
        attributes: Vec<(String, String)>,
    },
    Text(String),
    /// The element that is open ends.
    Close,
}

/// The pieces of a document, in order.
pub(super) struct Pieces {
    reader: Reader<Placed>,
    buffer: Vec<u8>,
    record_cap: usize,
    /// Where the piece that is read begins.
    start: Place,
    /// Names of the elements that are open, without prefixes.
    open: Vec<String>,
    /// The innermost element ends before the next piece.
    closing: bool,
    has_root: bool,
}

impl Pieces {
    /// One piece may have `record_cap` bytes.
    pub fn new(text: Bytestream, place: Place, record_cap: usize) -> Self {
        let input = BufReader::new(text);
        let mut reader = Reader::from_reader(Placed { input, place, last: 0, left: 0 });
        reader.config_mut().expand_empty_elements = true;
        Self {
            reader,
            buffer: Vec::new(),
            record_cap,
            start: place,
            open: Vec::new(),
            closing: false,
            has_root: false,
        }
    }

    /// Names of the elements that are open.
    pub fn open(&self) -> &[String] {
        &self.open
    }

    /// Where the last piece began.
    pub fn place(&self) -> Place {
        self.start
    }

    /// The next piece; `None` at the end of a whole document.
    ///
    /// # Errors
    /// LG101 where it is not well-formed, LG102 where it is not text, LG106 where
    /// a piece is too long, LG107 where there is no element, LG113.
    pub fn next(&mut self) -> Result<Option<Piece>> {
        if std::mem::take(&mut self.closing) {
            self.open.pop();
        }
        loop {
            self.buffer.clear();
            let source = self.reader.get_mut();
            source.left = self.record_cap;
            self.start = source.place;
            if source.last == b'<' {
                // The mark was read with the text before it.
                self.start.column -= 1;
                self.start.byte -= 1;
            }
            let event = match self.reader.read_event_into(&mut self.buffer) {
                Ok(event) => event,
                Err(e) => return Err(self.refused(&e)),
            };
            let piece = match event {
                Event::Start(element) => {
                    let found = opened(&element);
                    let (name, attributes) = found.map_err(|e| self.refused(&e))?;
                    self.enter(name)?;
                    Piece::Open { attributes }
                }
                Event::End(_) => {
                    self.closing = true;
                    Piece::Close
                }
                Event::Text(text) => {
                    let text = text.decode().map(|t| t.into_owned());
                    Piece::Text(text.map_err(|e| self.refused(&e.into()))?)
                }
                Event::CData(text) => {
                    let text = text.decode().map(|t| t.into_owned());
                    Piece::Text(text.map_err(|e| self.refused(&e.into()))?)
                }
                Event::GeneralRef(reference) => {
                    let found = match reference.resolve_char_ref() {
                        Ok(Some(character)) => Some(character.to_string()),
                        Ok(None) => {
                            let name = String::from_utf8_lossy(&reference).into_owned();
                            match quick_xml::escape::resolve_predefined_entity(&name) {
                                Some(text) => Some(text.to_string()),
                                None => return Err(self.unknown_entity(&name)),
                            }
                        }
                        Err(e) => return Err(self.refused(&e)),
                    };
                    Piece::Text(found.unwrap_or_default())
                }
                Event::Eof => {
                    return match self.open.last() {
                        Some(name) => {
                            let what = format!("the document is cut short: it ends inside `<{name}>`");
                            Err(self.fault(&what))
                        }
                        None if !self.has_root => Err(Error::new(
                            Code::NoRecords,
                            "the file holds no element: it is no XML document",
                        )),
                        None => Ok(None),
                    };
                }
                Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {
                    continue;
                }
            };
            if let Piece::Text(text) = &piece {
                if text.contains('\0') {
                    let what = format!("{}: a NUL byte, which no text holds", self.start);
                    return Err(Error::new(Code::NulBytes, what));
                }
                if self.open.is_empty() {
                    // A byte order mark may stand before the declaration.
                    if text.trim_matches(|c: char| c.is_whitespace() || c == '\u{FEFF}').is_empty() {
                        continue;
                    }
                    return Err(self.fault("text outside of the document's element: it is no XML document"));
                }
            }
            return Ok(Some(piece));
        }
    }

    fn enter(&mut self, name: String) -> Result<()> {
        if self.open.is_empty() && self.has_root {
            return Err(self.fault(&format!("the document has ended, and `<{name}>` follows")));
        }
        if self.open.len() == MAX_DEPTH as usize {
            let what = format!("{}: nested deeper than {MAX_DEPTH} levels", self.start);
            return Err(Error::new(Code::TooDeep, what));
        }
        self.has_root = true;
        self.open.push(name);
        Ok(())
    }

    pub fn fault(&self, what: &str) -> Error {
        Error::new(Code::Malformed, format!("{}: {what}", self.start))
    }

    fn unknown_entity(&self, name: &str) -> Error {
        let name: String = name.chars().take(60).collect();
        self.fault(&format!("`&{name};` is not expanded: only the entities of XML itself are"))
    }

    fn refused(&self, error: &quick_xml::Error) -> Error {
        use quick_xml::Error::{Encoding, Escape, Io};
        use quick_xml::escape::EscapeError::UnrecognizedEntity;
        if let Io(io) = error {
            return match inside(io.as_ref()) {
                Some(own) if own.code == Code::RecordTooLong => {
                    Error::new(own.code, format!("{}: {}", self.start, own.message))
                }
                Some(own) => own,
                None => Error::new(Code::Storage, io.to_string()),
            };
        }
        match error {
            Encoding(_) => Error::new(
                Code::Encoding,
                format!(
                    "{} ({}) or a little behind: bytes that are not UTF-8, and the document does not say that it is \
                     something else",
                    self.start,
                    self.start.offset()
                ),
            ),
            Escape(UnrecognizedEntity(_, name)) => self.unknown_entity(name),
            other => self.fault(&other.to_string()),
        }
    }
}

/// An element's name and attributes, without prefixes and namespaces.
fn opened(element: &BytesStart<'_>) -> quick_xml::Result<(String, Vec<(String, String)>)> {
    let name = text(element.local_name().as_ref())?;
    let mut attributes = Vec::new();
    for attribute in element.attributes() {
        let attribute = attribute?;
        let is_namespace = attribute.key.as_namespace_binding().is_some();
        if !is_namespace {
            let key = text(attribute.key.local_name().as_ref())?;
            attributes.push((key, attribute.unescape_value()?.into_owned()));
        }
    }
    Ok((name, attributes))
}

fn text(bytes: &[u8]) -> quick_xml::Result<String> {
    let text = std::str::from_utf8(bytes).map_err(quick_xml::encoding::EncodingError::from)?;
    Ok(text.to_string())
}

/// Bytes that know their place, and how many of them a piece may still have.
struct Placed {
    input: BufReader<Bytestream>,
    /// Where the next byte stands.
    place: Place,
    /// The last byte that was taken.
    last: u8,
    left: usize,
}

impl Read for Placed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let ready = self.fill_buf()?;
        let n = ready.len().min(out.len());
        out[..n].copy_from_slice(&ready[..n]);
        self.consume(n);
        Ok(n)
    }
}

impl BufRead for Placed {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let ready = self.input.fill_buf()?;
        if self.left == 0 && !ready.is_empty() {
            let what = "what begins here is longer than one record may be (the cap `record`)";
            return Err(io::Error::other(Error::new(Code::RecordTooLong, what)));
        }
        Ok(&ready[..ready.len().min(self.left)])
    }

    fn consume(&mut self, n: usize) {
        let taken = &self.input.buffer()[..n];
        self.place = self.place.advanced(taken, b'\n');
        self.last = taken.last().copied().unwrap_or(self.last);
        self.left -= n.min(self.left);
        self.input.consume(n);
    }
}
