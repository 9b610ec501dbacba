//! Cuts a file's text into chunks at ends of records, sequentially and cheaply:
//! it looks at quotes and line ends alone.

use std::sync::Arc;

use lakegate_domain::Code;
use lakegate_domain::model::{Csv, Ragged};

use super::seams::Seams;
use super::{Layout, head, without_cr};
use crate::encoding::{Bytestream, Place, Window};
use crate::error::{Error, Result};
use crate::open::{Grammar, TextChunk};

/// Cells that a chunk may come to where rows may be shorter than the header.
const FILLED_CELLS: usize = 16 << 20;

/// Reads one CSV file, chunk by chunk.
pub(crate) struct Splitter {
    window: Window,
    layout: Arc<Layout>,
    end: Option<Vec<u8>>,
    chunk_bytes: usize,
    any: bool,
    done: bool,
}

/// How far a chunk has been looked at; places are relative to its beginning.
#[derive(Default)]
struct Scan {
    at: usize,
    /// Where the quoted field that `at` stands in was opened.
    open: Option<usize>,
    /// Where a line begins, if `at` stands there.
    line_start: bool,
    /// End of the last whole record.
    cut: usize,
    /// Beginning of the line that ends the data.
    end: Option<usize>,
}

impl Splitter {
    /// Reads the head of a file. Returns the splitter of its rows and the
    /// columns' units, where a row of units is declared.
    pub fn open(
        input: Bytestream,
        place: Place,
        options: &Csv,
        chunk_bytes: usize,
        record_cap: usize,
    ) -> Result<(Self, Vec<(String, String)>)> {
        let mut window = Window::new(input, place);
        let (layout, units) = head::read(&mut window, options, chunk_bytes, record_cap)?;
        let chunk_bytes = match layout.ragged {
            Ragged::Reject => chunk_bytes,
            // A row of one byte may become a cell of every column.
            Ragged::Fill => chunk_bytes.min((2 * FILLED_CELLS / layout.names.len().max(1)).max(4096)),
        };
        let end = options.end.as_ref().map(|e| e.trim().as_bytes().to_vec());
        Ok((Self { window, layout: Arc::new(layout), end, chunk_bytes, any: false, done: false }, units))
    }

    /// The next chunk; at least one is returned, so that a header without rows
    /// is known too.
    pub fn next(&mut self) -> Result<Option<TextChunk>> {
        if self.done {
            return Ok(None);
        }
        let cap = self.layout.record_cap;
        let mut scan = Scan { line_start: true, ..Scan::default() };
        let mut want = self.chunk_bytes;
        let n = loop {
            self.window.fill(want)?;
            self.scan(&mut scan);
            if let Some(end) = scan.end {
                self.done = true;
                break end;
            }
            if self.window.at_end() {
                self.done = true;
                break self.window.data().len();
            }
            if scan.cut > 0 {
                break scan.cut;
            }
            if self.window.data().len() > cap {
                return Err(self.too_long(&scan));
            }
            want = (2 * self.window.data().len()).clamp(want, (cap + 1).max(want));
        };
        if n == 0 && self.any {
            return Ok(None);
        }
        self.any = true;
        let (text, place) = self.window.cut(n);
        Ok(Some(TextChunk::new(text, place, Grammar::Csv(self.layout.clone()))))
    }

    fn scan(&self, scan: &mut Scan) {
        let data = self.window.data();
        match self.layout.quote {
            _ if self.layout.comment.is_some() || self.end.is_some() => self.scan_lines(data, scan),
            Some(quote) => self.scan_quotes(data, scan, quote),
            None => {
                if let Some(n) = memchr::memrchr(self.layout.newline, &data[scan.at..]) {
                    scan.cut = scan.at + n + 1;
                }
                scan.at = data.len();
            }
        }
    }

    /// Goes from quote to quote and line end to line end; the last line end
    /// outside quotes is where the chunk may be cut.
    fn scan_quotes(&self, data: &[u8], scan: &mut Scan, quote: u8) {
        let newline = self.layout.newline;
        if scan.open.is_none() {
            // Many files have no quotes at all.
            let until = memchr::memchr(quote, &data[scan.at..]).map_or(data.len(), |n| scan.at + n);
            if let Some(n) = memchr::memrchr(newline, &data[scan.at..until]) {
                scan.cut = scan.at + n + 1;
            }
            scan.at = until;
        }
        let mut seams = Seams::new(data, quote, newline);
        seams.seek(scan.at);
        loop {
            let at = seams.next();
            if at == data.len() {
                scan.at = at;
                return;
            }
            if data[at] != quote {
                if scan.open.is_none() {
                    scan.cut = at + 1;
                }
            } else if scan.open.is_none() {
                if self.layout.opens(data, at) {
                    scan.open = Some(at);
                }
            } else if data.get(at + 1) == Some(&quote) {
                seams.next();
            } else if at + 1 == data.len() && !self.window.at_end() {
                // It cannot be told yet from a doubled one.
                scan.at = at;
                return;
            } else {
                scan.open = None;
            }
        }
    }

    /// Goes line by line, because the beginning of a line may be a comment or
    /// the end of the data. Quotes in comments mean nothing.
    fn scan_lines(&self, data: &[u8], scan: &mut Scan) {
        let newline = self.layout.newline;
        loop {
            if scan.open.is_some()
                && let Some(quote) = self.layout.quote
                && !close(data, scan, quote, self.window.at_end())
            {
                return;
            }
            let line_end = memchr::memchr(newline, &data[scan.at..]).map(|n| scan.at + n);
            if scan.line_start {
                if line_end.is_none() && !self.window.at_end() {
                    return;
                }
                let line = &data[scan.at..line_end.unwrap_or(data.len())];
                let bare = line.strip_prefix(b"\n").unwrap_or(line);
                if self.end.as_deref().is_some_and(|end| bare.trim_ascii() == end) {
                    scan.end = Some(scan.at);
                    return;
                }
                if self.layout.comment.as_deref().is_some_and(|c| bare.starts_with(c)) {
                    scan.at = line_end.map_or(data.len(), |e| e + 1);
                    scan.cut = if line_end.is_some() { scan.at } else { scan.cut };
                    if line_end.is_none() {
                        return;
                    }
                    continue;
                }
                scan.line_start = false;
            }
            let until = line_end.unwrap_or(data.len());
            let quote = self.layout.quote.and_then(|q| memchr::memchr(q, &data[scan.at..until]));
            match (quote, line_end) {
                (Some(n), _) => {
                    let at = scan.at + n;
                    if self.layout.opens(data, at) {
                        scan.open = Some(at);
                    }
                    scan.at = at + 1;
                }
                (None, Some(end)) => {
                    scan.at = end + 1;
                    scan.cut = scan.at;
                    scan.line_start = true;
                }
                (None, None) => {
                    scan.at = data.len();
                    return;
                }
            }
        }
    }

    fn too_long(&self, scan: &Scan) -> Error {
        let line = self.window.place().line;
        let quote = match scan.open {
            Some(at) => format!("; a quote opens on {} and is not closed", self.window.place_of(at)),
            None => "; there is no line end in it".to_string(),
        };
        record_too_long(line, self.window.data().len(), self.layout.record_cap, &quote)
    }
}

/// LG106 for a record that goes on beyond the cap.
pub(super) fn record_too_long(line: u64, read: usize, cap: usize, why: &str) -> Error {
    Error::new(
        Code::RecordTooLong,
        format!(
            "line {line}: the record that begins here is longer than {cap} bytes (the cap `record`; {read} read){why}"
        ),
    )
}

/// Goes on behind the quote that closes the open field. `false`: it is not in
/// `data`, or cannot be told from a doubled one yet.
fn close(data: &[u8], scan: &mut Scan, quote: u8, at_end: bool) -> bool {
    while let Some(n) = memchr::memchr(quote, &data[scan.at..]) {
        let at = scan.at + n;
        if at + 1 == data.len() && !at_end {
            scan.at = at;
            return false;
        }
        if data.get(at + 1) != Some(&quote) {
            scan.at = at + 1;
            scan.open = None;
            return true;
        }
        scan.at = at + 2;
    }
    scan.at = data.len();
    false
}

/// Where the record at `from` ends: behind its line end, or where the text
/// ends. `None`: not in `data`.
pub(super) fn record_end(
    data: &[u8],
    from: usize,
    quote: Option<u8>,
    delimiters: &[u8],
    trim: bool,
    newline: u8,
    at_end: bool,
) -> Option<usize> {
    let record = &data[from..];
    let mut scan = Scan::default();
    loop {
        if scan.open.is_some()
            && let Some(quote) = quote
            && !close(record, &mut scan, quote, at_end)
        {
            return at_end.then_some(data.len());
        }
        let next = match quote {
            Some(quote) => memchr::memchr2(quote, newline, &record[scan.at..]),
            None => memchr::memchr(newline, &record[scan.at..]),
        };
        let Some(n) = next else { return at_end.then_some(data.len()) };
        let at = scan.at + n;
        scan.at = at + 1;
        if record[at] == newline {
            return Some(from + at + 1);
        }
        if super::opens(record, at, delimiters, trim, newline) {
            scan.open = Some(at);
        }
    }
}

/// Whether a line holds nothing.
pub(super) fn is_blank(line: &[u8], newline: u8) -> bool {
    let line = line.strip_suffix(&[newline]).unwrap_or(line);
    without_cr(line.strip_prefix(b"\n").unwrap_or(line)).is_empty()
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    const START: Place = Place { line: 1, column: 1, byte: 0, transcoded: false };

    /// Counts what is read of an endless text.
    struct Counted<R>(R, Arc<AtomicU64>);

    impl<R: Read> Read for Counted<R> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let n = self.0.read(out)?;
            self.1.fetch_add(n as u64, Ordering::Relaxed);
            Ok(n)
        }
    }

    /// Reads `head`, then one byte for ever; returns the error and how much was read.
    fn endless(head: &'static str, byte: u8, options: &Csv) -> (Error, u64) {
        let read = Arc::new(AtomicU64::new(0));
        let input = Counted(head.as_bytes().chain(io::repeat(byte)), read.clone());
        let error = match Splitter::open(Box::new(input), START, options, 4096, 100_000) {
            Err(e) => e,
            Ok((mut splitter, _)) => loop {
                match splitter.next() {
                    Err(e) => break e,
                    Ok(chunk) => assert!(chunk.is_some(), "an endless text ended"),
                }
            },
        };
        (error, read.load(Ordering::Relaxed))
    }

    #[test]
    fn an_endless_line_stops_at_the_cap() {
        let lines = Csv { comment: Some("#".into()), end: Some("END".into()), ..Csv::default() };
        let no_quotes = Csv { quote: None, ..Csv::default() };
        for options in [Csv::default(), lines, no_quotes] {
            for head in ["", "a,b\n", "a,b\n1,2\n", "a,b\n1,\"x\n"] {
                let (error, read) = endless(head, b'x', &options);
                assert_eq!(error.code, Code::RecordTooLong, "{error}");
                let line =
                    head.matches('\n').count() + usize::from(!head.contains('"') || options.quote.is_none());
                assert!(error.message.contains(&format!("line {line}:")), "{head:?}: {error}");
                assert!(read <= 2 * 100_000 + 4096, "{read} bytes read");
            }
        }
    }
}
