//! Rows of text, as they stood in the file: the common ground of CSV and JSON
//! between a parser, which only finds where fields begin and end, and conform,
//! which gives them types. Nothing is converted here, so nothing is lost.

use std::sync::Arc;

use bytestring::ByteString;

/// Where one field's text stands. Eight bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    start: u32,
    len: u32,
}

const SIDE: u32 = 1 << 31;
const QUOTED: u32 = 1 << 31;

impl Cell {
    /// No such field in this row: a key that the record lacks, a row too short.
    pub const ABSENT: Cell = Cell { start: u32::MAX, len: u32::MAX };

    /// Text that stands in [`TextBatch::text`] as it is. Both below 2³¹.
    pub fn in_text(start: usize, len: usize, quoted: bool) -> Self {
        debug_assert!(start < SIDE as usize && len < QUOTED as usize);
        Cell { start: start as u32, len: len as u32 | if quoted { QUOTED } else { 0 } }
    }

    /// Text that had to be unescaped and stands in [`TextBatch::side`].
    pub fn in_side(start: usize, len: usize, quoted: bool) -> Self {
        let cell = Self::in_text(start, len, quoted);
        Cell { start: cell.start | SIDE, ..cell }
    }

    /// The same text where it stands in another batch's text: what stood in
    /// [`TextBatch::text`] begins at `text` there, what in [`TextBatch::side`] at
    /// `side`.
    pub(crate) fn moved(self, text: usize, side: usize) -> Self {
        if self.is_absent() {
            return self;
        }
        let base = if self.start & SIDE != 0 { side } else { text };
        Cell { start: (self.start & !SIDE) + base as u32, len: self.len }
    }

    pub fn is_absent(self) -> bool {
        self == Self::ABSENT
    }

    /// Whether the field was quoted (CSV): a quoted empty field is an empty
    /// text, an unquoted one is a missing value.
    pub fn is_quoted(self) -> bool {
        !self.is_absent() && self.len & QUOTED != 0
    }
}

/// How a cell's text is to be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notation {
    /// The text is the value (CSV).
    Plain,
    /// The text is a JSON value: `"a"`, `1.50`, `true`, `null`, `{…}`, `[…]`.
    Json,
}

/// Rows of text, column by column.
#[derive(Clone, Debug)]
pub struct TextBatch {
    pub notation: Notation,
    /// Names of the columns, unique. JSON batches of one file may differ.
    pub names: Arc<[String]>,
    /// Per column as many cells as there are rows.
    pub columns: Vec<Vec<Cell>>,
    pub n_rows: usize,
    pub text: ByteString,
    pub side: String,
    /// Fields of rows longer than the header, under [`Ragged::Fill`]
    /// (`lakegate_domain::model::Ragged`): row in this batch, surplus ordinal
    /// from 1, text.
    pub surplus: Vec<(usize, usize, Cell)>,
}

impl TextBatch {
    /// A cell's text; `None` where the field is absent.
    #[inline]
    pub fn get(&self, cell: Cell) -> Option<&str> {
        if cell.is_absent() {
            return None;
        }
        let len = (cell.len & !QUOTED) as usize;
        let start = (cell.start & !SIDE) as usize;
        let all: &str = if cell.start & SIDE != 0 { &self.side } else { &self.text };
        // Parsers cut at ASCII bytes.
        Some(&all[start..start + len])
    }
}

#[cfg(test)]
impl TextBatch {
    /// Columns of fields; `None` is an absent one.
    pub fn of(notation: Notation, columns: &[(&str, Vec<Option<&str>>)]) -> Self {
        let mut text = String::new();
        let mut cell = |field: &Option<&str>| {
            field.map_or(Cell::ABSENT, |f| {
                text.push_str(f);
                Cell::in_text(text.len() - f.len(), f.len(), false)
            })
        };
        let cells = columns.iter().map(|(_, fields)| fields.iter().map(&mut cell).collect()).collect();
        Self {
            notation,
            names: columns.iter().map(|(name, _)| name.to_string()).collect(),
            columns: cells,
            n_rows: columns.first().map_or(0, |(_, fields)| fields.len()),
            text: text.into(),
            side: String::new(),
            surplus: Vec::new(),
        }
    }
}
