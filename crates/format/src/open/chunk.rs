//! A piece of text that ends where a record ends, and knows its place.

use std::sync::Arc;

use bytes::Bytes;

use super::{Stream, guarded, within};
use crate::csv::{self, Layout};
use crate::encoding::Place;
use crate::error::Result;
use crate::json;
use crate::text::TextBatch;

/// Records of one file as text. It owns its bytes, so it can be parsed on any
/// thread, and it knows where in the file it stands, so its errors do too.
#[derive(Clone, Debug)]
pub struct TextChunk {
    text: Bytes,
    place: Place,
    grammar: Grammar,
    stream: Option<Arc<Stream>>,
}

/// How a chunk's text is parsed.
#[derive(Clone, Debug)]
pub(crate) enum Grammar {
    Csv(Arc<Layout>),
    /// One JSON object per line.
    Lines {
        record_cap: usize,
    },
    /// JSON objects between commas; `first_row` is the first one's number.
    Elements {
        first_row: u64,
        record_cap: usize,
    },
    /// None: the rows were found where the records were.
    Ready(Box<TextBatch>),
}

impl TextChunk {
    pub(crate) fn new(text: Bytes, place: Place, grammar: Grammar) -> Self {
        Self { text, place, grammar, stream: None }
    }

    /// Rows that are parsed already.
    pub(crate) fn ready(batch: TextBatch) -> Self {
        let place = Place { line: 1, column: 1, byte: 0, transcoded: false };
        Self::new(Bytes::new(), place, Grammar::Ready(Box::new(batch)))
    }

    pub(super) fn belongs_to(&mut self, stream: &Arc<Stream>) {
        self.stream = Some(stream.clone());
    }

    /// Finds the rows and fields. Pure, and the costly part of reading.
    ///
    /// Errors: LG101 (not in its format), LG102 (not UTF-8), LG106 (a record
    /// too long), LG109 (a row too short or long), LG112 (NUL bytes), LG113
    /// (nested too deeply), each with its line in the file.
    pub fn parse(self) -> Result<TextBatch> {
        let Self { text, place, grammar, stream } = self;
        let parsed = guarded(|| match grammar {
            Grammar::Csv(layout) => csv::parse(text, place, &layout),
            Grammar::Lines { record_cap } => json::parse_lines(text, place, record_cap),
            Grammar::Elements { first_row, record_cap } => {
                json::parse_elements(text, place, first_row, record_cap)
            }
            Grammar::Ready(batch) => Ok(*batch),
        });
        parsed.map_err(|e| within(e, stream.and_then(|s| s.member.clone()).as_deref()))
    }

    /// Length of the text.
    pub fn size_bytes(&self) -> usize {
        match &self.grammar {
            Grammar::Ready(batch) => batch.side.len(),
            _ => self.text.len(),
        }
    }
}
