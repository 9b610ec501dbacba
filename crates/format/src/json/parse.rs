//! One chunk's records to cells. Pure: no file, no state but the chunk's.

use std::collections::HashMap;

use bytes::Bytes;
use bytestring::ByteString;
use lakegate_domain::Code;

use super::syntax::{self, Fault, Parsed, fault, is_space, kind_of, shown, skip_space, unexpected};
use super::{ENCODING_HINT, MAX_DEPTH};
use crate::encoding::{Place, check_text};
use crate::error::{Error, Result};
use crate::text::{Cell, Notation, TextBatch};

/// Cells of one chunk, rows times columns: 256 MiB. Records that share no keys
/// would otherwise fill the memory with cells that say that nothing is there.
const MAX_CELLS: usize = 32 << 20;

/// Parses lines of one object each; blank lines are passed.
///
/// Errors: LG101 with line and column, LG106, LG113; LG102 and LG112 where it is
/// not text.
pub(crate) fn parse_lines(text: Bytes, place: Place, record_cap: usize) -> Result<TextBatch> {
    let checked = check_text(text, place, b'\n', ENCODING_HINT)?;
    let text = checked.as_bytes();
    let mut columns = Columns::new(memchr::memchr_iter(b'\n', text).count() + 1);
    let mut start = 0;
    while start < text.len() {
        let end = memchr::memchr(b'\n', &text[start..]).map_or(text.len(), |n| start + n);
        line(&text[..end], start, &mut columns).map_err(|f| {
            let here = place.advanced(&text[..f.at], b'\n');
            let hint = if here.line == 1 && text.first() == Some(&b'[') {
                "; the file looks like one JSON document: `read: json` reads that"
            } else {
                ""
            };
            Error::new(f.code, format!("{here}: {}{hint}", f.what))
        })?;
        if end - start > record_cap {
            let line = place.advanced(&text[..start], b'\n').line;
            return Err(too_long(format!("line {line}"), end - start, record_cap));
        }
        start = end + 1;
    }
    Ok(columns.batch(checked))
}

fn line(text: &[u8], start: usize, columns: &mut Columns) -> Parsed<()> {
    let at = skip_space(text, start);
    if at == text.len() {
        return Ok(());
    }
    if text[at] != b'{' {
        return fault(at, format!("expected an object (`{{`) on each line, found {}", kind_of(text[at])));
    }
    let end = skip_space(text, columns.record(text, at)?);
    match text.get(end) {
        None => Ok(()),
        Some(b) => fault(end, format!("expected the line to end after its object, found {}", shown(*b))),
    }
}

/// Parses objects that stand between commas, as a [`super::Document`] cuts them.
/// `first_row` is the number of the first one in its array, from 1.
///
/// Errors: as of [`parse_lines`], with the row as well.
pub(crate) fn parse_elements(
    text: Bytes,
    place: Place,
    first_row: u64,
    record_cap: usize,
) -> Result<TextBatch> {
    let checked = check_text(text, place, b'\n', ENCODING_HINT)?;
    let text = checked.as_bytes();
    let mut columns = Columns::new(text.len() / 64 + 1);
    let mut at = skip_space(text, 0);
    while at < text.len() {
        let row = first_row + columns.n_rows as u64;
        let start = at;
        let read = |columns: &mut Columns| -> Parsed<usize> {
            if text[start] != b'{' {
                return fault(start, format!("expected an object (`{{`), found {}", kind_of(text[start])));
            }
            let end = columns.record(text, start)?;
            let after = skip_space(text, end);
            match text.get(after) {
                None => Ok(after),
                Some(b',') => match skip_space(text, after + 1) {
                    next if next < text.len() => Ok(next),
                    _ => fault(text.len(), "a `,` and no record behind it"),
                },
                other => unexpected(after, other, "`,` between records"),
            }
        };
        at = read(&mut columns).map_err(|f| {
            let here = place.advanced(&text[..f.at], b'\n');
            Error::new(f.code, format!("row {row} ({here}): {}", f.what))
        })?;
        if at - start > record_cap {
            return Err(too_long(format!("row {row}"), at - start, record_cap));
        }
    }
    Ok(columns.batch(checked))
}

fn too_long(place: String, size: usize, cap: usize) -> Error {
    Error::new(
        Code::RecordTooLong,
        format!("{place}: the record is {size} bytes long; a record may have {cap} (the cap `record`)"),
    )
}

/// The columns found so far, in order of their first appearance.
struct Columns {
    names: Vec<String>,
    index: HashMap<String, usize>,
    cells: Vec<Vec<Cell>>,
    n_rows: usize,
    /// Rows that the first record's columns make room for.
    expected_rows: usize,
}

impl Columns {
    fn new(expected_rows: usize) -> Self {
        Self { names: Vec::new(), index: HashMap::new(), cells: Vec::new(), n_rows: 0, expected_rows }
    }

    /// Reads the object at `open`; returns where it ends.
    fn record(&mut self, text: &[u8], open: usize) -> Parsed<usize> {
        let row = self.n_rows;
        let mut n_set = 0;
        let mut next = 0;
        let mut at = skip_space(text, open + 1);
        if text.get(at) == Some(&b'}') {
            at += 1;
        } else {
            loop {
                let (close, escaped, value_at) = syntax::key(text, at)?;
                let raw = &text[at + 1..close];
                // Records of one file nearly always have their keys in one order.
                let column = match self.names.get(next) {
                    Some(name) if !escaped && name.as_bytes() == raw => next,
                    _ => self.column(text, at, close, escaped)?,
                };
                next = column + 1;
                let end = syntax::value(text, value_at, 1)?;
                let cell = Cell::in_text(value_at, end - value_at, false);
                let cells = &mut self.cells[column];
                if cells.len() == row {
                    cells.push(cell);
                    n_set += 1;
                } else {
                    cells[row] = cell;
                }
                at = end;
                if at < text.len() && is_space(text[at]) {
                    at = skip_space(text, at);
                }
                match text.get(at) {
                    Some(b',') => at = skip_space(text, at + 1),
                    Some(b'}') => {
                        at += 1;
                        break;
                    }
                    other => return unexpected(at, other, "`,` or `}` after a value"),
                }
            }
        }
        self.n_rows += 1;
        if n_set < self.cells.len() {
            for cells in &mut self.cells {
                if cells.len() == row {
                    cells.push(Cell::ABSENT);
                }
            }
        }
        if self.n_rows * self.cells.len() > MAX_CELLS {
            return Err(Box::new(Fault {
                at: open,
                code: Code::Malformed,
                what: format!(
                    "{} different keys in {} records: the keys seem to be data; \
                     send records with the same keys, and such keys as values",
                    self.cells.len(),
                    self.n_rows
                )
                .into(),
            }));
        }
        Ok(at)
    }

    /// The column of a key that is not the expected one.
    #[cold]
    fn column(&mut self, text: &[u8], at: usize, close: usize, escaped: bool) -> Parsed<usize> {
        let plain = &text[at + 1..close];
        let name = if escaped {
            match serde_json::from_slice::<String>(&text[at..=close]) {
                Ok(name) => name,
                Err(_) => return fault(at, "a key with half of a surrogate pair"),
            }
        } else {
            String::from_utf8_lossy(plain).into_owned()
        };
        if let Some(column) = self.index.get(&name) {
            return Ok(*column);
        }
        let column = self.names.len();
        let mut cells =
            Vec::with_capacity(if self.n_rows == 0 { self.expected_rows.min(4096) } else { self.n_rows + 1 });
        cells.resize(self.n_rows, Cell::ABSENT);
        self.cells.push(cells);
        self.index.insert(name.clone(), column);
        self.names.push(name);
        Ok(column)
    }

    fn batch(self, text: ByteString) -> TextBatch {
        TextBatch {
            notation: Notation::Json,
            names: self.names.into(),
            columns: self.cells,
            n_rows: self.n_rows,
            text,
            side: String::new(),
            surplus: Vec::new(),
        }
    }
}

const _: () = assert!(MAX_DEPTH <= u128::BITS);
