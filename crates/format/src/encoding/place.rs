//! Where in a text file something stands.

use std::fmt;

/// A place in a text file. Line and column count from 1; the column counts
/// characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub line: u64,
    pub column: u64,
    /// Offset from 0; of the file, or of its text in UTF-8 where `transcoded`.
    pub byte: u64,
    pub transcoded: bool,
}

impl Place {
    /// The place just after `text`, which begins here.
    pub fn advanced(self, text: &[u8], newline: u8) -> Place {
        let (line, column, tail) = match memchr::memrchr(newline, text) {
            Some(last) => {
                (self.line + memchr::memchr_iter(newline, text).count() as u64, 1, &text[last + 1..])
            }
            None => (self.line, self.column, text),
        };
        let characters = tail.iter().filter(|b| **b & 0xC0 != 0x80).count() as u64;
        Place { line, column: column + characters, byte: self.byte + text.len() as u64, ..self }
    }

    /// The byte offset in words.
    pub fn offset(self) -> String {
        if self.transcoded {
            format!("byte {} of its text in UTF-8", self.byte)
        } else {
            format!("byte {} of the file", self.byte)
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}
