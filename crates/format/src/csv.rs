//! Delimited text: its layout, found once at its head; chunks cut where a
//! record ends; rows parsed from a chunk on any thread.
//!
//! A quote opens a field only where the field begins; elsewhere it is text, as
//! in `5" pipe`. Splitter and parser share that rule, or chunks would be cut
//! inside quoted fields.

mod head;
mod parse;
mod seams;
mod split;

use std::sync::Arc;

use lakegate_domain::model::Ragged;

pub(crate) use head::DELIMITERS;
pub(crate) use parse::parse;
pub(crate) use split::Splitter;

/// How a file's rows are written: what its head and its options say together.
#[derive(Debug)]
pub(crate) struct Layout {
    pub names: Arc<[String]>,
    pub delimiter: u8,
    pub quote: Option<u8>,
    /// What ends a line: `\n`, which may follow a `\r`, or a lone `\r`.
    pub newline: u8,
    pub comment: Option<Vec<u8>>,
    pub trim: bool,
    pub ragged: Ragged,
    /// The header ended in a delimiter: the last column has no name of its own
    /// and is left out where it has no values.
    pub nameless_last: bool,
    /// Longest record, in bytes.
    pub record_cap: usize,
}

impl Layout {
    /// Whether the quote at `at` opens a field of the record text that begins
    /// at `data[0]`.
    #[inline]
    fn opens(&self, data: &[u8], at: usize) -> bool {
        opens(data, at, std::slice::from_ref(&self.delimiter), self.trim, self.newline)
    }
}

/// Whether a quote at `at` stands where a field begins. `data` begins with a record.
#[inline]
fn opens(data: &[u8], at: usize, delimiters: &[u8], trim: bool, newline: u8) -> bool {
    let mut before = &data[..at];
    if trim {
        while let [rest @ .., b' ' | b'\t'] = before {
            if before.last().is_some_and(|b| delimiters.contains(b)) {
                return true;
            }
            before = rest;
        }
    }
    if newline == b'\r' {
        // What is left of a CRLF in a file of lone `\r`.
        let line_feeds = before.iter().rev().take_while(|b| **b == b'\n').count();
        let line_end = matches!(before[..before.len() - line_feeds].last(), None | Some(b'\r'));
        return line_end || before.last().is_some_and(|b| delimiters.contains(b));
    }
    before.last().is_none_or(|b| *b == newline || delimiters.contains(b))
}

/// A line without the `\r` of a CRLF.
#[inline]
fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}
