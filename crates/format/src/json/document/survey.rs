//! What an object holds beside its records: for formats that say of all
//! records together what may stand before or behind them.

use lakegate_domain::Code;

use super::{Document, KEY_BYTES, Stage};
use crate::encoding::{Bytestream, Place, Window};
use crate::error::{Error, Result};
use crate::json::nesting::{Nesting, Step};
use crate::json::syntax::{kind_of, shown};

/// The keys of a document that is an object.
pub(crate) struct Survey {
    /// Every key and the first byte of its value.
    pub keys: Vec<(String, u8)>,
    /// The text of the value that was looked for.
    pub value: Option<String>,
}

/// Goes through a document that is an object and keeps the value of `wanted`,
/// of at most `cap` bytes.
///
/// # Errors
/// As of [`Document::open`]; LG106 where the value is longer.
pub(crate) fn survey(
    input: Bytestream,
    place: Place,
    wanted: &str,
    chunk_bytes: usize,
    cap: usize,
) -> Result<Survey> {
    let window = Window::new(input, place);
    let mut document =
        Document { window, stage: Stage::Done, n_around: 0, n_rows: 0, chunk_bytes, record_cap: cap };
    match document.peek()? {
        Some(b'{') => document.window.skip(1),
        Some(found) => {
            return Err(document.fault(0, &format!("expected an object (`{{`), found {}", kind_of(found))));
        }
        None => return Err(Error::new(Code::NoRecords, "the file holds nothing but white space")),
    }
    let mut found = Survey { keys: Vec::new(), value: None };
    if document.peek()? == Some(b'}') {
        document.window.skip(1);
        document.finish()?;
        return Ok(found);
    }
    loop {
        if document.peek()?.is_none() {
            return Err(document.cut_short("between its keys"));
        }
        let key = document.key()?;
        let first = document.peek()?.unwrap_or_default();
        if key == wanted {
            found.value = Some(document.value(cap)?);
        } else {
            document.pass_value()?;
        }
        // No document that makes sense has more; those are read, not kept.
        if found.keys.len() < KEY_BYTES {
            found.keys.push((key, first));
        }
        match document.peek()? {
            Some(b',') => document.window.skip(1),
            Some(b'}') => break document.window.skip(1),
            Some(other) => {
                let what = format!("expected `,` or `}}` after a value, found {}", shown(other));
                return Err(document.fault(0, &what));
            }
            None => return Err(document.cut_short("between its keys")),
        }
        document.peek()?;
    }
    document.finish()?;
    Ok(found)
}

impl Document {
    /// Reads the object or array that begins here.
    fn value(&mut self, cap: usize) -> Result<String> {
        if !matches!(self.peek()?, Some(b'{' | b'[')) {
            // Numbers and words are nothing that anybody looks for.
            self.pass_value()?;
            return Ok("null".into());
        }
        let mut nesting = Nesting::default();
        let (mut at, mut want) = (0, self.chunk_bytes);
        let end = loop {
            self.window.fill(want)?;
            let step = nesting.read(self.window.data(), at, usize::MAX);
            let read = match step {
                Step::Ended(end) => end,
                Step::More(read) => read,
                Step::TooDeep(at) => return Err(self.too_deep(at)),
                Step::Mismatch(at) => return Err(self.mismatch(at)),
            };
            if read > cap {
                let what =
                    format!("{}: a value of more than the {cap} bytes it may have", self.window.place());
                return Err(Error::new(Code::RecordTooLong, what));
            }
            match step {
                Step::Ended(end) => break end,
                _ if self.window.at_end() => return Err(self.cut_short("inside a value")),
                _ => at = read,
            }
            want = 2 * self.window.data().len();
        };
        let text = std::str::from_utf8(&self.window.data()[..end]).map(str::to_string);
        let text = text.map_err(|e| self.fault(e.valid_up_to(), "bytes that are not UTF-8"))?;
        self.window.skip(end);
        Ok(text)
    }
}
