//! A bounded view of a text stream, from which chunks are cut.

use std::io::Read;

use bytes::Bytes;

use super::{Bytestream, Place};
use crate::container::carried;
use crate::error::Result;

/// How much memory is set aside before it is known how long a text is.
const FIRST_BYTES: usize = 64 << 10;

/// The part of a text that has been read and not yet handed out.
pub(crate) struct Window {
    input: Bytestream,
    buffer: Vec<u8>,
    /// What stands before it in `buffer` has been consumed.
    start: usize,
    at_end: bool,
    /// Where `data` begins in the file.
    place: Place,
    newline: u8,
}

impl Window {
    pub fn new(input: Bytestream, place: Place) -> Self {
        Self { input, buffer: Vec::new(), start: 0, at_end: false, place, newline: b'\n' }
    }

    /// Sets the byte by which lines are counted, before anything is consumed.
    pub fn set_newline(&mut self, newline: u8) {
        self.newline = newline;
    }

    pub fn data(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Whether `data` holds all that is left.
    pub fn at_end(&self) -> bool {
        self.at_end
    }

    /// Where `data` begins.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The place of `data()[at]`.
    pub fn place_of(&self, at: usize) -> Place {
        self.place.advanced(&self.data()[..at], self.newline)
    }

    /// Reads until `data` has `want` bytes or the text ends.
    pub fn fill(&mut self, want: usize) -> Result<()> {
        let missing = want.saturating_sub(self.data().len());
        if missing == 0 || self.at_end {
            return Ok(());
        }
        if self.start > 0 && self.start >= self.data().len() {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        // A small file must not cost a large allocation.
        let known = if self.buffer.is_empty() { FIRST_BYTES } else { usize::MAX };
        self.buffer.reserve(missing.min(known));
        let read = (&mut self.input).take(missing as u64).read_to_end(&mut self.buffer).map_err(carried)?;
        self.at_end = read < missing;
        Ok(())
    }

    /// Throws the first `n` bytes away.
    pub fn skip(&mut self, n: usize) {
        self.place = self.place_of(n);
        self.start += n;
    }

    /// Hands out the first `n` bytes and the place where they begin.
    pub fn cut(&mut self, n: usize) -> (Bytes, Place) {
        let place = self.place;
        self.place = self.place_of(n);
        let end = self.start + n;
        let mut rest =
            Vec::with_capacity(if self.at_end { self.buffer.len() - end } else { self.buffer.len() });
        rest.extend_from_slice(&self.buffer[end..]);
        let mut head = std::mem::replace(&mut self.buffer, rest);
        head.truncate(end);
        let bytes = Bytes::from(head).slice(self.start..);
        self.start = 0;
        (bytes, place)
    }
}
