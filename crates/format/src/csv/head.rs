//! The head of a CSV file: how lines end, what separates fields, the columns'
//! names and units.

use bytes::Bytes;
use lakegate_domain::Code;
use lakegate_domain::model::{Csv, Header, Ragged};

use super::split::{is_blank, record_end, record_too_long};
use super::{Layout, parse};
use crate::encoding::{Place, Window};
use crate::error::{Error, Result};

/// What may separate fields where nothing is declared, the likeliest first.
pub(crate) const DELIMITERS: &[u8] = b",;\t|";

/// Reads everything above the first row of data, which is left in the window.
pub(super) fn read(
    window: &mut Window,
    options: &Csv,
    chunk_bytes: usize,
    record_cap: usize,
) -> Result<(Layout, Vec<(String, String)>)> {
    let mut head = Head { window, options, newline: b'\n', chunk_bytes, record_cap };
    head.find_newline()?;
    head.skip_lines()?;
    let first = head.next_record()?;
    let delimiter = match (options.delimiter, first) {
        (Some(delimiter), _) => delimiter,
        (None, Some(n)) => likeliest_delimiter(&head.window.data()[..n], options.quote),
        (None, None) => DELIMITERS[0],
    };
    let mut layout = Layout {
        names: Vec::new().into(),
        delimiter,
        quote: options.quote,
        newline: head.newline,
        comment: options.comment.as_ref().filter(|c| !c.is_empty()).map(|c| c.as_bytes().to_vec()),
        trim: options.trim,
        ragged: options.ragged,
        nameless_last: false,
        record_cap,
    };
    let names = match &options.header {
        Header::Names(names) => names.clone(),
        Header::None => {
            let n = match first {
                Some(n) => head.peek_fields(n, &layout)?.len(),
                None => 0,
            };
            (1..=n).map(|n| format!("column_{n}")).collect()
        }
        Header::Row => {
            let Some(n) = first else {
                return Err(Error::new(
                    Code::NoRecords,
                    format!("{}: the text ends without a header line", head.window.place()),
                ));
            };
            let names = head.take_fields(n, &layout)?;
            layout.nameless_last = names.len() > 1 && names.last().is_some_and(|n| clean(n).is_empty());
            names
        }
    };
    let names = named(&names)?;
    layout.names = names.into();
    let mut units = Vec::new();
    if options.units_row
        && let Some(n) = head.next_record()?
    {
        let fields = head.take_fields(n, &layout)?;
        units = layout
            .names
            .iter()
            .zip(&fields)
            .map(|(name, unit)| (name.clone(), unit.trim().to_string()))
            .filter(|(_, unit)| !unit.is_empty())
            .collect();
    }
    Ok((layout, units))
}

struct Head<'a> {
    window: &'a mut Window,
    options: &'a Csv,
    newline: u8,
    chunk_bytes: usize,
    record_cap: usize,
}

impl Head<'_> {
    /// Reads on. `false`: there is nothing more.
    fn grow(&mut self) -> Result<bool> {
        let have = self.window.data().len();
        if self.window.at_end() {
            return Ok(false);
        }
        if have > self.record_cap {
            let line = self.window.place().line;
            return Err(record_too_long(line, have, self.record_cap, "; there is no line end in it"));
        }
        self.window.fill(self.chunk_bytes.max((2 * have).min(self.record_cap + 1)))?;
        Ok(true)
    }

    /// Decides by the first line end of the file whether lines end in a lone
    /// `\r`. A quoted field of the header may hold others.
    fn find_newline(&mut self) -> Result<()> {
        let prose = self.options.skip_lines > 0;
        loop {
            let at_end = self.window.at_end();
            let data = self.window.data();
            let is_comment = self
                .options
                .comment
                .as_ref()
                .is_some_and(|c| !c.is_empty() && data.starts_with(c.as_bytes()));
            let quote = self.options.quote.filter(|_| !prose && !is_comment);
            let mut inside = false;
            let found = data.iter().position(|b| {
                inside ^= Some(*b) == quote;
                !inside && matches!(b, b'\n' | b'\r')
            });
            match found {
                // What follows a `\r` decides, and may not have been read yet.
                Some(at) if data[at] == b'\r' && at + 1 == data.len() && !at_end => {}
                Some(at) if data[at] == b'\r' && data.get(at + 1) != Some(&b'\n') => {
                    // At the very end `\r` alone may be half a CRLF: harmless.
                    self.newline = b'\r';
                    self.window.set_newline(b'\r');
                    return Ok(());
                }
                Some(_) => return Ok(()),
                None => {}
            }
            if !self.grow()? {
                return Ok(());
            }
        }
    }

    fn skip_lines(&mut self) -> Result<()> {
        for n in 0..self.options.skip_lines {
            loop {
                if let Some(end) = memchr::memchr(self.newline, self.window.data()) {
                    self.window.skip(end + 1);
                    break;
                }
                if !self.grow()? {
                    return Err(Error::new(
                        Code::NoRecords,
                        format!(
                            "the file ends in line {}, and `skip_lines` says to skip {}",
                            n + 1,
                            self.options.skip_lines
                        ),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Passes blank lines and comments; returns the length of the record that
    /// follows, with its line end. `None`: there is none.
    fn next_record(&mut self) -> Result<Option<usize>> {
        loop {
            let at_end = self.window.at_end();
            let data = self.window.data();
            let line_end = memchr::memchr(self.newline, data).map(|n| n + 1);
            if let Some(n) = line_end.or(at_end.then_some(data.len())) {
                let line = &data[..n];
                if line.is_empty() {
                    return Ok(None);
                }
                let bare = line.strip_prefix(b"\n").unwrap_or(line);
                let comment = self.options.comment.as_ref().filter(|c| !c.is_empty());
                if is_blank(line, self.newline) || comment.is_some_and(|c| bare.starts_with(c.as_bytes())) {
                    self.window.skip(n);
                    continue;
                }
                let end = self.options.end.as_ref().map(|e| e.trim().as_bytes());
                if end.is_some_and(|end| bare.trim_ascii() == end) {
                    return Ok(None);
                }
                let delimiters = match &self.options.delimiter {
                    Some(delimiter) => std::slice::from_ref(delimiter),
                    None => DELIMITERS,
                };
                let Csv { quote, trim, .. } = *self.options;
                if let Some(end) = record_end(data, 0, quote, delimiters, trim, self.newline, at_end) {
                    return Ok(Some(end));
                }
            }
            if !self.grow()? && self.window.data().is_empty() {
                return Ok(None);
            }
        }
    }

    fn peek_fields(&self, n: usize, layout: &Layout) -> Result<Vec<String>> {
        fields(&self.window.data()[..n], self.window.place(), layout)
    }

    fn take_fields(&mut self, n: usize, layout: &Layout) -> Result<Vec<String>> {
        let fields = self.peek_fields(n, layout)?;
        self.window.skip(n);
        Ok(fields)
    }
}

/// The fields of one record.
fn fields(record: &[u8], place: Place, layout: &Layout) -> Result<Vec<String>> {
    // Without columns of its own every field of the record is surplus.
    let bare = Layout {
        names: Vec::new().into(),
        comment: None,
        ragged: Ragged::Fill,
        nameless_last: false,
        ..*layout
    };
    let batch = parse(Bytes::copy_from_slice(record), place, &bare)?;
    Ok(batch.surplus.iter().map(|(_, _, cell)| batch.get(*cell).unwrap_or_default().to_string()).collect())
}

/// The candidate that stands most often outside quotes.
fn likeliest_delimiter(line: &[u8], quote: Option<u8>) -> u8 {
    let mut counts = [0usize; 4];
    let mut inside = false;
    for b in line {
        if Some(*b) == quote {
            inside = !inside;
        } else if !inside && let Some(n) = DELIMITERS.iter().position(|d| d == b) {
            counts[n] += 1;
        }
    }
    let mut best = 0;
    for n in 1..counts.len() {
        if counts[n] > counts[best] {
            best = n;
        }
    }
    DELIMITERS[best]
}

fn clean(name: &str) -> &str {
    name.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}

/// Names for columns that have none, and a check that all are different.
fn named(header: &[String]) -> Result<Vec<String>> {
    let mut names: Vec<String> = Vec::with_capacity(header.len());
    let mut seen = std::collections::HashMap::new();
    for (n, name) in header.iter().enumerate() {
        let name = match clean(name) {
            "" => format!("column_{}", n + 1),
            name => name.to_string(),
        };
        if let Some(first) = seen.insert(name.clone(), n) {
            return Err(Error::new(
                Code::DuplicateColumn,
                format!("the header names `{name}` twice, as columns {} and {}", first + 1, n + 1),
            ));
        }
        names.push(name);
    }
    Ok(names)
}
