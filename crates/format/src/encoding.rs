//! From whatever encoding a text file has to UTF-8, as a stream, and the check
//! that a chunk of text is what it claims to be.
//!
//! UTF-8 passes through unchecked: chunks are checked where they are parsed, on
//! any thread. Everything else is transcoded here, in bounded memory.

mod marks;
mod place;
mod window;

use std::io::{self, Read};

use bytes::Bytes;
use bytestring::ByteString;
use encoding_rs::{DecoderResult, UTF_16BE, UTF_16LE, WINDOWS_1252};
use lakegate_domain::Code;
use lakegate_domain::model::Encoding;

pub(crate) use marks::{BLOCK, marks};
pub(crate) use place::Place;
pub(crate) use window::Window;

use crate::container::carried;
use crate::error::{Error, Result};

/// A byte stream that may move to another thread.
pub(crate) type Bytestream = Box<dyn Read + Send>;

const RAW_BYTES: usize = 64 << 10;

/// Takes the byte order mark off and transcodes what is not UTF-8. Returns the
/// text and the place of its first character.
///
/// A UTF-16 mark wins over a declared `utf-8`, because no UTF-8 text begins
/// with it. `latin-1` is read as windows-1252, which is what people mean.
pub(crate) fn decode(mut input: Bytestream, declared: Option<Encoding>) -> Result<(Bytestream, Place)> {
    let mut mark = [0u8; 3];
    let mut n = 0;
    while n < mark.len() {
        match input.read(&mut mark[n..]) {
            Ok(0) => break,
            Ok(read) => n += read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(carried(e)),
        }
    }
    let marked = match &mark[..n] {
        [0xEF, 0xBB, 0xBF] => Some((Encoding::Utf8, 3)),
        [0xFF, 0xFE, ..] => Some((Encoding::Utf16Le, 2)),
        [0xFE, 0xFF, ..] => Some((Encoding::Utf16Be, 2)),
        _ => None,
    };
    let (encoding, mark_len) = match (declared, marked) {
        (Some(Encoding::Latin1), _) => (Encoding::Latin1, 0),
        (_, Some(found)) => found,
        (declared, None) => (declared.unwrap_or(Encoding::Utf8), 0),
    };
    let place = Place { line: 1, column: 1, byte: mark_len as u64, transcoded: encoding != Encoding::Utf8 };
    let rest: Bytestream = Box::new(io::Cursor::new(mark[mark_len..n].to_vec()).chain(input));
    let (decoder, name) = match encoding {
        Encoding::Utf8 => return Ok((rest, place)),
        Encoding::Utf16Le => (UTF_16LE.new_decoder_without_bom_handling(), "UTF-16LE"),
        Encoding::Utf16Be => (UTF_16BE.new_decoder_without_bom_handling(), "UTF-16BE"),
        Encoding::Latin1 => (WINDOWS_1252.new_decoder_without_bom_handling(), "Latin-1"),
    };
    let transcoder = Transcoder {
        input: rest,
        decoder,
        name,
        raw: vec![0; RAW_BYTES],
        raw_range: 0..0,
        raw_total: mark_len as u64,
        at_end: false,
        text: vec![0; 2 * RAW_BYTES],
        text_range: 0..0,
        place,
    };
    Ok((Box::new(transcoder), place))
}

/// Reads one encoding, yields UTF-8.
struct Transcoder {
    input: Bytestream,
    decoder: encoding_rs::Decoder,
    name: &'static str,
    raw: Vec<u8>,
    raw_range: std::ops::Range<usize>,
    /// Bytes of the file that the decoder has taken.
    raw_total: u64,
    at_end: bool,
    text: Vec<u8>,
    text_range: std::ops::Range<usize>,
    /// Where the text that was handed out ends.
    place: Place,
}

impl Transcoder {
    /// Refills `text`; leaves it empty at the end of the input.
    fn refill(&mut self) -> io::Result<()> {
        loop {
            if self.raw_range.is_empty() && !self.at_end {
                let n = self.input.read(&mut self.raw)?;
                self.raw_range = 0..n;
                self.at_end = n == 0;
            }
            let (result, read, written) = self.decoder.decode_to_utf8_without_replacement(
                &self.raw[self.raw_range.clone()],
                &mut self.text,
                self.at_end,
            );
            self.raw_range.start += read;
            self.raw_total += read as u64;
            self.text_range = 0..written;
            if let DecoderResult::Malformed(..) = result {
                let at = self.place.advanced(&self.text[..written], b'\n');
                return Err(io::Error::other(Error::new(
                    Code::Encoding,
                    format!(
                        "{at} (about byte {} of the file): not {}: an unpaired surrogate or half a character; \
                         set `encoding:` to what the file is, or ask for the file again",
                        self.raw_total, self.name
                    ),
                )));
            }
            if written > 0 || (self.at_end && result == DecoderResult::InputEmpty) {
                self.place = self.place.advanced(&self.text[..written], b'\n');
                return Ok(());
            }
        }
    }
}

impl Read for Transcoder {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.text_range.is_empty() {
            self.refill()?;
        }
        let n = self.text_range.len().min(out.len());
        let from = self.text_range.start;
        out[..n].copy_from_slice(&self.text[from..from + n]);
        self.text_range.start += n;
        Ok(n)
    }
}

/// A chunk as text: UTF-8 without NUL bytes.
///
/// `newline` is the byte that ends a line, `mend` says what the file's reader
/// could do about another encoding.
pub(crate) fn check_text(text: Bytes, place: Place, newline: u8, mend: &str) -> Result<ByteString> {
    if let Some(at) = memchr::memchr(0, &text) {
        let here = place.advanced(&text[..at], newline);
        return Err(Error::new(
            Code::NulBytes,
            format!("{here} ({}): a NUL byte, which no text holds", here.offset()),
        ));
    }
    ByteString::try_from(text.clone()).map_err(|e| {
        let at = e.valid_up_to();
        let here = place.advanced(&text[..at], newline);
        let byte = text[at];
        Error::new(
            Code::Encoding,
            format!("{here} ({}): the byte 0x{byte:02X} is not UTF-8; {mend}", here.offset()),
        )
    })
}
