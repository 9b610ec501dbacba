//! Finds delimiters and line ends, 64 bytes at a time.

use crate::encoding::{BLOCK, marks};

const LOW: u64 = 0x7F7F_7F7F_7F7F_7F7F;
const ONES: u64 = 0x0101_0101_0101_0101;

/// Walks over the places in a text where one of two bytes stands.
///
/// A search per field would spend more time on starting than on searching: the
/// fields of real files are shorter than ten bytes. So one pass marks all hits
/// of a block in a word, from which they are taken one by one.
pub(super) struct Seams<'a> {
    text: &'a [u8],
    first: u8,
    second: u8,
    /// Where the block that `hits` describes begins.
    base: usize,
    hits: u64,
}

impl<'a> Seams<'a> {
    pub fn new(text: &'a [u8], first: u8, second: u8) -> Self {
        let mut seams = Self { text, first, second, base: 0, hits: 0 };
        seams.hits = seams.mark(0);
        seams
    }

    /// The next hit, which is passed; the text's length after the last one.
    #[inline(always)]
    pub fn next(&mut self) -> usize {
        while self.hits == 0 {
            if self.text.len() - self.base <= BLOCK {
                return self.text.len();
            }
            self.base += BLOCK;
            self.hits = self.mark(self.base);
        }
        let at = self.base + self.hits.trailing_zeros() as usize;
        self.hits &= self.hits - 1;
        at
    }

    /// Passes every hit before `at`, which must not be behind the last one.
    pub fn seek(&mut self, at: usize) {
        if at - self.base >= BLOCK {
            let base = at.min(self.text.len());
            self.base = base;
            self.hits = self.mark(base);
        } else {
            self.hits &= u64::MAX << (at - self.base);
        }
    }

    #[inline]
    fn mark(&self, base: usize) -> u64 {
        match self.text[base..].first_chunk::<BLOCK>() {
            Some(block) => self.mark_block(block),
            None => {
                let rest = &self.text[base..];
                let mut block = [0u8; BLOCK];
                block[..rest.len()].copy_from_slice(rest);
                // Where a needle is NUL the filling would hit.
                self.mark_block(&block) & !(u64::MAX.checked_shl(rest.len() as u32).unwrap_or(0))
            }
        }
    }

    #[inline(always)]
    fn mark_block(&self, block: &[u8; BLOCK]) -> u64 {
        let (first, second) = (self.first, self.second);
        marks(block, |b| (b == first) | (b == second))
    }
}

/// The first `needle` from `from`. Near ones, which most quotes are, are found
/// before a library's search has begun.
#[inline]
pub(super) fn find(text: &[u8], mut from: usize, needle: u8) -> Option<usize> {
    const NEAR_WORDS: usize = 4;
    for _ in 0..NEAR_WORDS {
        let Some(word) = text.get(from..).and_then(|t| t.first_chunk::<8>()) else { break };
        let found = zero_bytes(u64::from_le_bytes(*word) ^ (u64::from(needle) * ONES));
        if found != 0 {
            return Some(from + found.trailing_zeros() as usize / 8);
        }
        from += 8;
    }
    memchr::memchr(needle, &text[from..]).map(|n| from + n)
}

/// The top bit of every byte that is zero; exact, unlike the shorter formula,
/// which may also mark the byte after a hit.
#[inline(always)]
fn zero_bytes(word: u64) -> u64 {
    !(((word & LOW) + LOW) | word | LOW)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn finds_what_a_plain_loop_finds(text in proptest::collection::vec(prop_oneof![Just(b','), Just(b'\n'), Just(0u8), Just(0x80), any::<u8>()], 0..300)) {
            let mut seams = Seams::new(&text, b',', b'\n');
            for (at, b) in text.iter().enumerate() {
                if matches!(b, b',' | b'\n') {
                    prop_assert_eq!(seams.next(), at);
                }
            }
            prop_assert_eq!(seams.next(), text.len());
            prop_assert_eq!(seams.next(), text.len());
        }

        #[test]
        fn find_is_a_plain_search(text in proptest::collection::vec(prop_oneof![1 => Just(b'"'), 20 => any::<u8>()], 0..100), from in 0usize..100) {
            let from = from.min(text.len());
            prop_assert_eq!(find(&text, from, b'"'), text[from..].iter().position(|b| *b == b'"').map(|n| from + n));
        }

        #[test]
        fn seeks(text in proptest::collection::vec(prop_oneof![Just(b','), Just(b'x')], 0..300), to in 0usize..300) {
            let to = to.min(text.len());
            let mut seams = Seams::new(&text, b',', b'\n');
            seams.seek(to);
            let want = text[to..].iter().position(|b| *b == b',').map_or(text.len(), |p| to + p);
            prop_assert_eq!(seams.next(), want);
        }
    }
}
