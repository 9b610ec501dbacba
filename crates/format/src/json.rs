//! JSON: documents whose records are split off one by one, and one record per
//! line. Records are cut, not converted: each field's token is kept as it
//! stands, so no digit of a number is lost.
//!
//! Where a record has a key twice, the last one counts.

mod document;
mod lines;
mod nesting;
mod parse;
mod shape;
mod syntax;

pub(crate) use document::{Document, survey};
pub(crate) use lines::Lines;
pub(crate) use parse::{parse_elements, parse_lines};
pub(crate) use shape::Shape;

/// Levels of `{` and `[` within one record or document.
pub(crate) const MAX_DEPTH: u32 = 128;

/// What could be done about another encoding.
const ENCODING_HINT: &str = "JSON is UTF-8; ask for the file in UTF-8";
