//! Finds where a value ends in text that arrives piece by piece, by strings and
//! brackets alone. Whether it is JSON is for the parser to say.

use super::MAX_DEPTH;

/// How far into one value a stream has been read.
#[derive(Debug, Default)]
pub(super) struct Nesting {
    depth: u32,
    /// One bit for each open bracket, the innermost lowest: 1 for `{`.
    braces: u128,
    in_string: bool,
    /// The last byte was a `\` in a string.
    escaped: bool,
}

pub(super) enum Step {
    /// The value ends just before this place.
    Ended(usize),
    /// All was read, and the value goes on.
    More,
    /// Nested too deeply at this place.
    TooDeep(usize),
    /// At this place stands a bracket that closes another kind.
    Mismatch(usize),
}

impl Nesting {
    pub fn in_string(&self) -> bool {
        self.in_string
    }

    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// Reads on from `at`. The first byte it is ever given must begin an
    /// object, an array or a string.
    pub fn read(&mut self, text: &[u8], mut at: usize) -> Step {
        while at < text.len() {
            if self.in_string {
                if self.escaped {
                    self.escaped = false;
                    at += 1;
                    continue;
                }
                match text[at..].iter().position(|b| matches!(b, b'"' | b'\\')) {
                    None => return Step::More,
                    Some(n) => {
                        at += n + 1;
                        if text[at - 1] == b'\\' {
                            self.escaped = true;
                        } else {
                            self.in_string = false;
                            if self.depth == 0 {
                                return Step::Ended(at);
                            }
                        }
                    }
                }
                continue;
            }
            let b = text[at];
            at += 1;
            match b {
                b'"' => self.in_string = true,
                b'{' | b'[' => {
                    if self.depth == MAX_DEPTH {
                        return Step::TooDeep(at - 1);
                    }
                    self.depth += 1;
                    self.braces = self.braces << 1 | u128::from(b == b'{');
                }
                b'}' | b']' => {
                    if (self.braces & 1 == 1) != (b == b'}') {
                        return Step::Mismatch(at - 1);
                    }
                    self.depth -= 1;
                    self.braces >>= 1;
                    if self.depth == 0 {
                        return Step::Ended(at);
                    }
                }
                _ => {}
            }
        }
        Step::More
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the value ends when the text comes in pieces of `piece` bytes.
    fn end(text: &str, piece: usize) -> Option<usize> {
        let mut nesting = Nesting::default();
        let mut at = 0;
        for (n, part) in text.as_bytes().chunks(piece).enumerate() {
            match nesting.read(part, 0) {
                Step::Ended(end) => return Some(n * piece + end),
                Step::More => at += part.len(),
                _ => return None,
            }
        }
        assert_eq!(at, text.len());
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
}
