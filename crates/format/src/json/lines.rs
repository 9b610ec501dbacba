//! Cuts newline-delimited JSON at line ends.

use lakegate_domain::Code;

use crate::encoding::{Bytestream, Place, Window};
use crate::error::{Error, Result};
use crate::open::{Grammar, TextChunk};

/// Reads one NDJSON file, chunk by chunk.
pub(crate) struct Lines {
    window: Window,
    chunk_bytes: usize,
    record_cap: usize,
    any: bool,
    done: bool,
}

impl Lines {
    pub fn new(input: Bytestream, place: Place, chunk_bytes: usize, record_cap: usize) -> Self {
        Self { window: Window::new(input, place), chunk_bytes, record_cap, any: false, done: false }
    }

    /// The next chunk; at least one is returned.
    pub fn next(&mut self) -> Result<Option<TextChunk>> {
        if self.done {
            return Ok(None);
        }
        let mut want = self.chunk_bytes;
        let mut searched = 0;
        let n = loop {
            self.window.fill(want)?;
            let data = self.window.data();
            if self.window.at_end() {
                self.done = true;
                break data.len();
            }
            if let Some(n) = memchr::memrchr(b'\n', &data[searched..]) {
                break searched + n + 1;
            }
            searched = data.len();
            if data.len() > self.record_cap {
                return Err(Error::new(
                    Code::RecordTooLong,
                    format!(
                        "line {}: longer than {} bytes (the cap `record`; {} read) and no line end in it; \
                         if the file is one JSON document, say `read: json`",
                        self.window.place().line,
                        self.record_cap,
                        data.len()
                    ),
                ));
            }
            want = (2 * data.len()).clamp(want, (self.record_cap + 1).max(want));
        };
        if n == 0 && self.any {
            return Ok(None);
        }
        self.any = true;
        let (text, place) = self.window.cut(n);
        Ok(Some(TextChunk::new(text, place, Grammar::Lines { record_cap: self.record_cap })))
    }
}
