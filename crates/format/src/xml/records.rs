//! The elements that are records, wherever they stand on their path.

use lakegate_domain::Code;
use lakegate_domain::model::{Encoding, Xml};

use super::Around;
use super::events::{Piece, Pieces};
use crate::encoding::{Bytestream, Place};
use crate::error::{Error, Result};
use crate::tree::{Fields, Node, OWN_TEXT};

/// Reads the records of a document, one by one.
pub(crate) struct Elements {
    pieces: Pieces,
    options: Xml,
    record_cap: usize,
    /// Paths outside of records whose values are kept.
    wanted: Vec<&'static str>,
    /// What was found there so far; of several the last one.
    pub around: Around,
}

impl Elements {
    pub fn new(text: Bytestream, place: Place, options: &Xml, record_cap: usize) -> Self {
        Self {
            pieces: Pieces::new(text, place, record_cap),
            options: options.clone(),
            record_cap,
            wanted: Vec::new(),
            around: Around::new(),
        }
    }

    /// Keeps values that stand outside of the records: `a.b`, `a.@c`.
    pub fn keep(mut self, wanted: Vec<&'static str>) -> Self {
        self.wanted = wanted;
        self
    }

    /// The next record; `None` after the last one, when the document has been
    /// read to its end.
    ///
    /// # Errors
    /// LG101 where the document is not well-formed or its root is another; LG102,
    /// LG106, LG112, LG113.
    pub fn next(&mut self) -> Result<Option<Node>> {
        let mut text = String::new();
        while let Some(piece) = self.pieces.next()? {
            match piece {
                Piece::Open { attributes } => {
                    text.clear();
                    let open = self.pieces.open();
                    if open.len() == 1 && self.options.records.first() != open.first() {
                        let what = format!(
                            "the document's root is `{}`; the path to the records, `{}`, begins with another",
                            open[0],
                            self.options.records.join(".")
                        );
                        return Err(self.pieces.fault(&what));
                    }
                    if open == self.options.records {
                        let mut builder =
                            Builder { lists: &self.options.lists, size: 0, cap: self.record_cap };
                        return builder.element(&mut self.pieces, attributes, String::new()).map(Some);
                    }
                    if !self.wanted.is_empty() {
                        let path = open.join(".");
                        for (name, value) in attributes {
                            self.found(&format!("{path}.@{name}"), value);
                        }
                    }
                }
                Piece::Text(more) if !self.wanted.is_empty() && text.len() < self.record_cap => {
                    text.push_str(&more);
                }
                Piece::Text(_) => {}
                Piece::Close => {
                    if !self.wanted.is_empty() && !text.trim().is_empty() {
                        let path = self.pieces.open().join(".");
                        self.found(&path, text.trim().to_string());
                    }
                    text.clear();
                }
            }
        }
        Ok(None)
    }

    fn found(&mut self, path: &str, value: String) {
        if let Some(wanted) = self.wanted.iter().find(|w| **w == path) {
            self.around.insert(wanted, value);
        }
    }
}

/// Makes a record of an element.
struct Builder<'a> {
    lists: &'a [String],
    size: usize,
    cap: usize,
}

impl Builder<'_> {
    /// The element that was just opened, up to its end. `path` is from the
    /// record. Recursion is bounded by the depth that [`Pieces`] allows.
    fn element(
        &mut self,
        pieces: &mut Pieces,
        attributes: Vec<(String, String)>,
        path: String,
    ) -> Result<Node> {
        let mut fields = Fields::default();
        let mut is_nil = false;
        for (name, value) in attributes {
            self.grow(pieces, name.len() + value.len())?;
            is_nil |= name == "nil" && value == "true";
            fields.push(format!("@{name}"), Node::of_text(value.trim()));
        }
        let mut text = String::new();
        loop {
            let Some(piece) = pieces.next()? else {
                return Err(pieces.fault("the document ends inside a record"));
            };
            match piece {
                Piece::Open { attributes } => {
                    let name = pieces.open().last().cloned().unwrap_or_default();
                    self.grow(pieces, name.len())?;
                    let path = match path.as_str() {
                        _ if self.lists.is_empty() => String::new(),
                        "" => name.clone(),
                        path => format!("{path}.{name}"),
                    };
                    let is_list = self.lists.contains(&path);
                    let child = self.element(pieces, attributes, path)?;
                    match fields.get_mut(&name) {
                        None => fields.push(name, if is_list { Node::List(vec![child]) } else { child }),
                        Some(Node::List(items)) => items.push(child),
                        Some(one) => {
                            let first = std::mem::replace(one, Node::Null);
                            *one = Node::List(vec![first, child]);
                        }
                    }
                }
                Piece::Text(more) => {
                    self.grow(pieces, more.len())?;
                    text.push_str(&more);
                }
                Piece::Close => break,
            }
        }
        let own = Node::of_text(text.trim());
        Ok(match (is_nil, fields.is_empty(), own) {
            (true, ..) => Node::Null,
            (_, true, own) => own,
            (_, false, Node::Null) => Node::Object(fields.done()),
            (_, false, own) => {
                fields.push(OWN_TEXT.into(), own);
                Node::Object(fields.done())
            }
        })
    }

    fn grow(&mut self, pieces: &Pieces, by: usize) -> Result<()> {
        self.size += by;
        if self.size > self.cap {
            return Err(Error::new(
                Code::RecordTooLong,
                format!(
                    "{}: the record is longer than {} bytes (the cap `record`)",
                    pieces.place(),
                    self.cap
                ),
            ));
        }
        Ok(())
    }
}

/// The encoding that a document says it has, by its first bytes; `None` where it
/// says nothing or what its mark says as well.
///
/// # Errors
/// LG102 where it is one that is not read.
pub(crate) fn encoding_of(head: &[u8]) -> Result<Option<Encoding>> {
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    if !text.starts_with(b"<?xml") {
        return Ok(None);
    }
    let declaration = String::from_utf8_lossy(&text[..text.len().min(200)]).into_owned();
    let declaration = declaration.split("?>").next().unwrap_or_default();
    let Some((_, behind)) = declaration.split_once("encoding") else { return Ok(None) };
    let value = behind.trim_start().strip_prefix('=').unwrap_or_default().trim_start();
    let quote = value.chars().next().unwrap_or_default();
    let name = value.get(1..).and_then(|v| v.split(quote).next()).unwrap_or_default();
    match name.to_ascii_lowercase().as_str() {
        "utf-8" | "utf8" | "us-ascii" | "ascii" => Ok(None),
        "iso-8859-1" | "latin1" | "latin-1" | "windows-1252" => Ok(Some(Encoding::Latin1)),
        _ => Err(Error::new(
            Code::Encoding,
            format!("the document says that its encoding is `{name}`; read are UTF-8, UTF-16 and ISO 8859-1"),
        )),
    }
}
