//! XML documents whose records are elements, as a stream: memory holds one
//! record and one chunk of rows. Nothing is fetched and no entity is expanded
//! but the five that XML knows and characters by number.

mod events;
mod records;
mod survey;

use std::collections::HashMap;

use lakegate_domain::model::Xml;

pub(crate) use records::{Elements, encoding_of};
pub(crate) use survey::likeliest;

use crate::encoding::{Bytestream, Place};
use crate::error::Result;
use crate::open::TextChunk;
use crate::tree::TextRows;

/// Reads one XML document, chunk by chunk.
pub(crate) struct Document {
    elements: Elements,
    chunk_bytes: usize,
    any: bool,
    at_end: bool,
}

impl Document {
    pub fn open(
        text: Bytestream,
        place: Place,
        options: &Xml,
        chunk_bytes: usize,
        record_cap: usize,
    ) -> Self {
        let elements = Elements::new(text, place, options, record_cap);
        Self { elements, chunk_bytes, any: false, at_end: false }
    }

    /// The next rows; at least one chunk is returned.
    pub fn next(&mut self) -> Result<Option<TextChunk>> {
        let mut rows = TextRows::default();
        while !self.at_end && !rows.is_full(self.chunk_bytes) {
            match self.elements.next()? {
                Some(record) => rows.push(&record),
                None => self.at_end = true,
            }
        }
        if rows.is_empty() && self.any {
            return Ok(None);
        }
        self.any = true;
        Ok(Some(TextChunk::ready(rows.finish())))
    }
}

/// What a text begins with as XML: the first element's name without its prefix.
pub(crate) fn root_of(text: &str) -> Option<&str> {
    let mut rest = text.trim_start();
    loop {
        rest = rest.strip_prefix('<')?;
        let behind = match rest.as_bytes().first()? {
            b'?' => "?>",
            b'!' if rest.starts_with("!--") => "-->",
            b'!' => ">",
            _ => break,
        };
        rest = rest.split_once(behind)?.1.trim_start();
    }
    let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '>' | '/'))?;
    rest[..end].rsplit(':').next().filter(|name| !name.is_empty())
}

/// Values that stand around the records, by path.
pub(crate) type Around = HashMap<&'static str, String>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots() {
        for (text, want) in [
            ("<a>", Some("a")),
            ("\n\n <?xml version='1.0'?>\n<!-- <x> -->\n<!DOCTYPE y>\n<s:Siri xmlns:s='u'>", Some("Siri")),
            ("<a/>", Some("a")),
            ("<?xml", None),
            ("< a>", None),
            ("a", None),
        ] {
            assert_eq!(root_of(text), want, "{text}");
        }
    }
}
