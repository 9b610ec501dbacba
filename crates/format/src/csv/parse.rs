//! One chunk's text to cells. Pure: no file, no state but the chunk's.

use bytes::Bytes;
use lakegate_domain::Code;
use lakegate_domain::model::Ragged;

use super::Layout;
use super::seams::{Seams, find};
use crate::encoding::{Place, check_text};
use crate::error::{Error, Result};
use crate::text::{Cell, Notation, TextBatch};

/// How much of a line an error quotes, in characters.
const QUOTED_CHARS: usize = 80;

/// Parses a chunk that begins at a record's beginning and ends at a record's end.
///
/// Errors: LG102 and LG112 (not text), LG101 (quotes that do not fit), LG106,
/// LG109; each with its line in the file.
pub(crate) fn parse(text: Bytes, place: Place, layout: &Layout) -> Result<TextBatch> {
    let text = check_text(
        text,
        place,
        layout.newline,
        "if the file is in another encoding, set `encoding: latin-1` or `utf-16le`; else mend the file",
    )?;
    let mut rows = Rows::new(text.as_bytes(), place, layout);
    rows.read()?;
    let Rows { columns, n_rows, side, surplus, .. } = rows;
    let side = String::from_utf8(side).expect("pieces of text, cut at ASCII bytes");
    let names = layout.names.clone();
    let mut batch = TextBatch { notation: Notation::Plain, names, columns, n_rows, text, side, surplus };
    if layout.nameless_last
        && let Some(last) = batch.columns.last()
        && last.iter().all(|cell| batch.get(*cell).is_none_or(str::is_empty))
    {
        batch.columns.pop();
        batch.names = layout.names[..layout.names.len() - 1].into();
    }
    Ok(batch)
}

struct Rows<'a> {
    text: &'a [u8],
    place: Place,
    layout: &'a Layout,
    columns: Vec<Vec<Cell>>,
    n_rows: usize,
    side: Vec<u8>,
    surplus: Vec<(usize, usize, Cell)>,
}

/// A field and the place of the delimiter or line end behind it.
type Field = (Cell, usize);

impl<'a> Rows<'a> {
    fn new(text: &'a [u8], place: Place, layout: &'a Layout) -> Self {
        let width = layout.names.len();
        // No more rows than lines; nor, unless rows may be short, than lines of
        // nothing but delimiters: a chunk of blank lines must not reserve for
        // each of them.
        let lines = memchr::memchr_iter(layout.newline, text).count() + 1;
        let rows = lines.min(text.len() / width.max(1) + 1);
        Self {
            text,
            place,
            layout,
            columns: (0..width).map(|_| Vec::with_capacity(rows)).collect(),
            n_rows: 0,
            side: Vec::new(),
            surplus: Vec::new(),
        }
    }

    fn read(&mut self) -> Result<()> {
        let Layout { delimiter, newline, .. } = *self.layout;
        let comment = self.layout.comment.as_deref();
        let text = self.text;
        let mut seams = Seams::new(text, delimiter, newline);
        let mut at = 0;
        while at < text.len() {
            // What is left of a line end: a blank line, or the `\n` of a CRLF in
            // a file whose first line ended in a lone `\r`.
            match text[at] {
                b'\r' if matches!(text.get(at + 1), None | Some(b'\n')) => at += 1,
                b'\n' | b'\r' if text[at] == newline || newline == b'\r' => at += 1,
                _ if comment.is_some_and(|c| text[at..].starts_with(c)) => {
                    at = memchr::memchr(newline, &text[at..]).map_or(text.len(), |n| at + n + 1);
                }
                _ => {
                    at = self.record(&mut seams, at)?;
                    continue;
                }
            }
            seams.seek(at);
        }
        Ok(())
    }

    /// Reads the record at `start`; returns where the next one begins.
    #[inline]
    fn record(&mut self, seams: &mut Seams<'_>, start: usize) -> Result<usize> {
        let Layout { delimiter, quote, trim, record_cap, .. } = *self.layout;
        let text = self.text;
        let width = self.columns.len();
        let mut n_fields = 0;
        let mut at = start;
        let end = loop {
            let (cell, end) = if quote.is_some() && text.get(at).copied() == quote {
                self.quoted(seams, at)?
            } else if trim {
                self.trimmed(seams, at)?
            } else {
                let end = seams.next();
                (Cell::in_text(at, self.unterminated(at, end) - at, false), end)
            };
            match self.columns.get_mut(n_fields) {
                Some(column) => column.push(cell),
                None => self.surplus.push((self.n_rows, n_fields + 1 - width, cell)),
            }
            n_fields += 1;
            at = end + 1;
            if end >= text.len() || text[end] != delimiter {
                break end;
            }
        };
        if end - start > record_cap {
            return Err(Error::new(
                Code::RecordTooLong,
                format!(
                    "{}: the record is {} bytes long; a record may have {record_cap} (the cap `record`)",
                    self.line(start),
                    end - start
                ),
            ));
        }
        if n_fields != width {
            self.mend_width(start, end, n_fields)?;
        }
        self.n_rows += 1;
        Ok(at.min(text.len()))
    }

    /// The end of an unquoted field without the `\r` of a CRLF.
    #[inline(always)]
    fn unterminated(&self, at: usize, end: usize) -> usize {
        let is_crlf = self.layout.newline == b'\n'
            && end > at
            && self.text[end - 1] == b'\r'
            && self.text.get(end).is_none_or(|b| *b == b'\n');
        end - usize::from(is_crlf)
    }

    /// An unquoted field without the spaces around it, or a quoted one behind spaces.
    fn trimmed(&mut self, seams: &mut Seams<'_>, at: usize) -> Result<Field> {
        let is_space = |b: u8| matches!(b, b' ' | b'\t') && b != self.layout.delimiter;
        let mut from = at;
        while self.text.get(from).is_some_and(|b| is_space(*b)) {
            from += 1;
        }
        if self.layout.quote.is_some() && self.text.get(from).copied() == self.layout.quote {
            return self.quoted(seams, from);
        }
        let end = seams.next();
        let mut to = self.unterminated(at, end);
        let from = from.min(to);
        while to > from && is_space(self.text[to - 1]) {
            to -= 1;
        }
        Ok((Cell::in_text(from, to - from, false), end))
    }

    /// A quoted field whose quote stands at `open`.
    #[inline]
    fn quoted(&mut self, seams: &mut Seams<'_>, open: usize) -> Result<Field> {
        let text = self.text;
        let quote = text[open];
        let side_from = self.side.len();
        let mut from = open + 1;
        let close = loop {
            let Some(at) = find(text, from, quote) else {
                let here = self.place.advanced(&text[..open], self.layout.newline);
                return Err(Error::new(
                    Code::Malformed,
                    format!("{here}: the quote that opens here is never closed: {}", self.excerpt(open)),
                ));
            };
            if text.get(at + 1) != Some(&quote) {
                break at;
            }
            // A doubled quote: what stands before it and one of the two.
            self.side.extend_from_slice(&text[from..=at]);
            from = at + 2;
        };
        let cell = if self.side.len() == side_from {
            Cell::in_text(open + 1, close - open - 1, true)
        } else {
            self.side.extend_from_slice(&text[from..close]);
            Cell::in_side(side_from, self.side.len() - side_from, true)
        };
        let mut end = close + 1;
        let Layout { delimiter, newline, trim, .. } = *self.layout;
        if trim {
            while text.get(end).is_some_and(|b| matches!(b, b' ' | b'\t') && *b != delimiter) {
                end += 1;
            }
        }
        if newline == b'\n'
            && text.get(end) == Some(&b'\r')
            && matches!(text.get(end + 1), None | Some(b'\n'))
        {
            end += 1;
        }
        if let Some(b) = text.get(end)
            && *b != delimiter
            && *b != newline
        {
            let here = self.place.advanced(&text[..end], newline);
            return Err(Error::new(
                Code::Malformed,
                format!(
                    "{here}: text after a closing quote: {}; a quote inside a quoted field is written twice",
                    self.excerpt(open)
                ),
            ));
        }
        seams.seek(end);
        // The seam itself is passed, as it is after an unquoted field.
        if end < text.len() {
            seams.next();
        }
        Ok((cell, end))
    }

    /// A row with another number of fields than the header.
    #[cold]
    fn mend_width(&mut self, start: usize, end: usize, n_fields: usize) -> Result<()> {
        let width = self.columns.len();
        let lacks_nameless = self.layout.nameless_last && n_fields + 1 == width;
        if self.layout.ragged == Ragged::Reject && !lacks_nameless {
            return Err(Error::new(
                Code::Ragged,
                format!(
                    "{}: expected {width} fields, found {n_fields}: {}",
                    self.line(start),
                    self.excerpt_of(&self.text[start..end.min(self.text.len())])
                ),
            ));
        }
        for column in self.columns.iter_mut().skip(n_fields) {
            column.push(Cell::ABSENT);
        }
        Ok(())
    }

    fn line(&self, at: usize) -> String {
        format!("line {}", self.place.advanced(&self.text[..at], self.layout.newline).line)
    }

    fn excerpt(&self, from: usize) -> String {
        let rest = &self.text[from..];
        let end = memchr::memchr(self.layout.newline, rest).unwrap_or(rest.len());
        self.excerpt_of(&rest[..end])
    }

    /// The beginning of some text, as an error quotes it.
    fn excerpt_of(&self, text: &[u8]) -> String {
        let text = String::from_utf8_lossy(text);
        let text = text.trim_end_matches(['\r', '\n']);
        match text.char_indices().nth(QUOTED_CHARS) {
            Some((cut, _)) => format!("`{}…`", &text[..cut]),
            None => format!("`{text}`"),
        }
    }
}
