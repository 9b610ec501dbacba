//! Finds where values end in text that arrives piece by piece, by strings and
//! brackets alone. Whether it is JSON is for the parser to say.

use super::MAX_DEPTH;
use crate::encoding::{BLOCK, marks};

/// How far into one value a stream has been read.
#[derive(Debug, Default)]
pub(super) struct Nesting {
    depth: u32,
    /// One bit for each open bracket, the innermost lowest: 1 for `{`.
    braces: u128,
    in_string: bool,
    /// The last byte was a `\` in a string.
    escaped: bool,
    /// Where the last value one level deep ended, and how many have.
    pub last_end: usize,
    pub n_ended: u64,
}

#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// The value ends just before this place.
    Ended(usize),
    /// All was read, or `until` is reached, and the value goes on.
    More(usize),
    /// Nested too deeply at this place.
    TooDeep(usize),
    /// At this place stands a bracket that closes another kind.
    Mismatch(usize),
}

impl Nesting {
    /// As if the `[` of an array had just been read.
    pub fn in_array() -> Self {
        Self { depth: 1, ..Self::default() }
    }

    pub fn in_string(&self) -> bool {
        self.in_string
    }

    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// Reads on from `at`, until the value ends or a value one level deep ends
    /// at `until` or later. The first byte a default one is ever given must
    /// begin an object, an array or a string.
    pub fn read(&mut self, text: &[u8], mut at: usize, until: usize) -> Step {
        loop {
            if !self.escaped
                && self.depth > 0
                && let Some(block) = text.get(at..).and_then(|t| t.first_chunk::<BLOCK>())
                && let Some(brackets) = self.brackets(block)
            {
                let mut left = brackets;
                while left != 0 {
                    let here = at + left.trailing_zeros() as usize;
                    left &= left - 1;
                    if let Some(step) = self.bracket(text[here], here, until) {
                        // What follows the bracket has not been read.
                        self.in_string = false;
                        return step;
                    }
                }
                at += BLOCK;
            } else if at == text.len() {
                return Step::More(at);
            } else {
                let end = text.len().min(at + BLOCK);
                if let Some(step) = self.read_slowly(text, &mut at, end, until) {
                    return step;
                }
            }
        }
    }

    /// The brackets of a block that stand outside strings, one bit each, and
    /// whether a string goes on behind it. `None`: the block has escapes.
    #[inline]
    fn brackets(&mut self, block: &[u8; BLOCK]) -> Option<u64> {
        // Without an early end, so that it is compared as vectors.
        if block.iter().fold(false, |any, b| any | (*b == b'\\')) {
            return None;
        }
        // `{` and `[` differ in one bit alone, as do `}` and `]`.
        let brackets = marks(block, |b| matches!(b | 0x20, b'{' | b'}'));
        let quotes = marks(block, |b| b == b'"');
        // Each bit becomes the parity of the quotes up to it.
        let mut strings = quotes;
        for shift in [1, 2, 4, 8, 16, 32] {
            strings ^= strings << shift;
        }
        if self.in_string {
            strings = !strings;
        }
        self.in_string = strings >> 63 == 1;
        Some(brackets & !strings)
    }

    /// Takes one bracket; says so if reading ends there.
    #[inline]
    fn bracket(&mut self, b: u8, at: usize, until: usize) -> Option<Step> {
        if matches!(b, b'{' | b'[') {
            if self.depth == MAX_DEPTH {
                return Some(Step::TooDeep(at));
            }
            self.depth += 1;
            self.braces = self.braces << 1 | u128::from(b == b'{');
            return None;
        }
        if (self.braces & 1 == 1) != (b == b'}') {
            return Some(Step::Mismatch(at));
        }
        self.depth -= 1;
        self.braces >>= 1;
        match self.depth {
            0 => Some(Step::Ended(at + 1)),
            1 => {
                self.last_end = at + 1;
                self.n_ended += 1;
                (self.last_end >= until).then_some(Step::More(at + 1))
            }
            _ => None,
        }
    }

    /// Byte by byte, where there are escapes or the text is nearly at its end.
    fn read_slowly(&mut self, text: &[u8], at: &mut usize, end: usize, until: usize) -> Option<Step> {
        while *at < end {
            let b = text[*at];
            *at += 1;
            if self.escaped {
                self.escaped = false;
            } else if self.in_string {
                self.escaped = b == b'\\';
                self.in_string = b != b'"';
                if !self.in_string && self.depth == 0 {
                    return Some(Step::Ended(*at));
                }
            } else if b == b'"' {
                self.in_string = true;
            } else if matches!(b, b'{' | b'}' | b'[' | b']')
                && let Some(step) = self.bracket(b, *at - 1, until)
            {
                return Some(step);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Where the value ends when the text comes in pieces of `piece` bytes.
    fn end(text: &str, piece: usize) -> Option<usize> {
        let mut nesting = Nesting::default();
        for (n, part) in text.as_bytes().chunks(piece).enumerate() {
            match nesting.read(part, 0, usize::MAX) {
                Step::Ended(end) => return Some(n * piece + end),
                Step::More(at) => assert_eq!(at, part.len()),
                _ => return None,
            }
        }
        None
    }

    #[test]
    fn ends_wherever_the_text_is_cut() {
        for (text, want) in [
            ("{} ", Some(2)),
            (r#"{"a":"}"},"#, Some(9)),
            (r#"{"a":"\"}"},"#, Some(11)),
            (r#"{"a":"\\"}x"#, Some(10)),
            (r#"[[1],{"b":[2]}]]"#, Some(15)),
            (r#""a\"b" "#, Some(6)),
            (r#"{"a":1"#, None),
            (r#"{"a":[1}"#, None),
        ] {
            for piece in [1, 2, 3, 100] {
                assert_eq!(end(text, piece), want, "{text} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn stops_behind_the_value_that_reaches_far_enough() {
        let text = br#"{"a":[1]}, {"b":"{"} , {"c":1}]"#;
        let mut nesting = Nesting::in_array();
        assert_eq!(nesting.read(text, 0, 10), Step::More(20));
        assert_eq!((nesting.last_end, nesting.n_ended), (20, 2));
        assert_eq!(nesting.read(text, 20, 1000), Step::Ended(text.len()));
        assert_eq!((nesting.last_end, nesting.n_ended), (30, 3));
    }

    proptest! {
        /// Blocks at once and bytes one by one see the same.
        #[test]
        fn blocks_are_as_bytes(parts in proptest::collection::vec(prop_oneof![
            4 => Just("{"), 4 => Just("}"), 2 => Just("["), 2 => Just("]"), 3 => Just("\""), 1 => Just("\\"), 6 => Just("plain text, "), 1 => Just("é{"),
        ], 0..60), piece in 1usize..200) {
            let text = format!("[{}", parts.concat());
            prop_assert_eq!(end(&text, piece), end(&text, 1));
            prop_assert_eq!(end(&text, usize::MAX), end(&text, 1));
        }
    }
}
