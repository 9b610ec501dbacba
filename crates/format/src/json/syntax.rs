//! The grammar of JSON (RFC 8259) over a slice: where a token ends, or why it
//! is none. Nothing is converted.

use std::borrow::Cow;

use lakegate_domain::Code;

use super::MAX_DEPTH;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// What is wrong, and at which byte of the slice.
#[derive(Debug)]
pub(super) struct Fault {
    pub at: usize,
    pub code: Code,
    pub what: Cow<'static, str>,
}

pub(super) type Parsed<T> = Result<T, Box<Fault>>;

pub(super) fn fault<T>(at: usize, what: impl Into<Cow<'static, str>>) -> Parsed<T> {
    Err(Box::new(Fault { at, code: Code::Malformed, what: what.into() }))
}

#[inline(always)]
pub(super) fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\n' | b'\r' | b'\t')
}

/// The first byte from `at` that is not white space; the length if there is none.
#[inline(always)]
pub(super) fn skip_space(text: &[u8], mut at: usize) -> usize {
    while at < text.len() && is_space(text[at]) {
        at += 1;
    }
    at
}

/// What begins with this byte, for messages.
pub(super) fn kind_of(first: u8) -> &'static str {
    match first {
        b'{' => "an object",
        b'[' => "an array",
        b'"' => "a string",
        b'-' | b'0'..=b'9' => "a number",
        b't' | b'f' => "true or false",
        b'n' => "null",
        _ => "text that is not JSON",
    }
}

/// A byte for messages.
pub(super) fn shown(b: u8) -> String {
    if b.is_ascii_graphic() { format!("`{}`", char::from(b)) } else { format!("the byte 0x{b:02X}") }
}

/// Where the value at `at` ends. `depth` is that of what stands around it.
pub(super) fn value(text: &[u8], at: usize, depth: u32) -> Parsed<usize> {
    match text.get(at) {
        Some(b'"') => string(text, at + 1).map(|(close, _)| close + 1),
        Some(b'-' | b'0'..=b'9') => number(text, at),
        Some(b'{') => object(text, at, depth + 1),
        Some(b'[') => array(text, at, depth + 1),
        Some(b't') => word(text, at, b"true"),
        Some(b'f') => word(text, at, b"false"),
        Some(b'n') => word(text, at, b"null"),
        Some(b'N') if text[at..].starts_with(b"NaN") => fault(at, "`NaN` is no JSON value; write null"),
        Some(b'I') if text[at..].starts_with(b"Inf") => fault(at, "`Infinity` is no JSON value; write null"),
        Some(b) => fault(at, format!("expected a value, found {}", shown(*b))),
        None => fault(at, "the text ends where a value should stand"),
    }
}

fn check_depth(at: usize, depth: u32) -> Parsed<()> {
    if depth > MAX_DEPTH {
        return Err(Box::new(Fault {
            at,
            code: Code::TooDeep,
            what: format!("nested deeper than {MAX_DEPTH} levels").into(),
        }));
    }
    Ok(())
}

fn object(text: &[u8], open: usize, depth: u32) -> Parsed<usize> {
    check_depth(open, depth)?;
    let mut at = skip_space(text, open + 1);
    if text.get(at) == Some(&b'}') {
        return Ok(at + 1);
    }
    loop {
        let (_, _, after) = key(text, at)?;
        at = value(text, after, depth)?;
        at = skip_space(text, at);
        match text.get(at) {
            Some(b',') => at = skip_space(text, at + 1),
            Some(b'}') => return Ok(at + 1),
            other => return unexpected(at, other, "`,` or `}` after a value"),
        }
    }
}

fn array(text: &[u8], open: usize, depth: u32) -> Parsed<usize> {
    check_depth(open, depth)?;
    let mut at = skip_space(text, open + 1);
    if text.get(at) == Some(&b']') {
        return Ok(at + 1);
    }
    loop {
        at = value(text, at, depth)?;
        at = skip_space(text, at);
        match text.get(at) {
            Some(b',') => at = skip_space(text, at + 1),
            Some(b']') => return Ok(at + 1),
            other => return unexpected(at, other, "`,` or `]` after a value"),
        }
    }
}

#[cold]
pub(super) fn unexpected<T>(at: usize, found: Option<&u8>, expected: &str) -> Parsed<T> {
    match found {
        Some(b) => fault(at, format!("expected {expected}, found {}", shown(*b))),
        None => fault(at, format!("expected {expected}, and the text ends")),
    }
}

/// A key at `at` with its colon: its closing quote, whether it has escapes, and
/// where the value begins.
#[inline]
pub(super) fn key(text: &[u8], at: usize) -> Parsed<(usize, bool, usize)> {
    if text.get(at) != Some(&b'"') {
        return unexpected(at, text.get(at), "a key in quotes");
    }
    let (close, escaped) = string(text, at + 1)?;
    let mut after = close + 1;
    if text.get(after) != Some(&b':') {
        after = skip_space(text, after);
        if text.get(after) != Some(&b':') {
            return unexpected(after, text.get(after), "`:` after a key");
        }
    }
    Ok((close, escaped, skip_space(text, after + 1)))
}

/// The closing quote of the string whose text begins at `at`, and whether it
/// has escapes.
#[inline]
pub(super) fn string(text: &[u8], mut at: usize) -> Parsed<(usize, bool)> {
    let open = at;
    let mut escaped = false;
    loop {
        at = special(text, at);
        match text.get(at) {
            Some(b'"') => return Ok((at, escaped)),
            Some(b'\\') => {
                escaped = true;
                at = escape(text, at)?;
            }
            Some(b) => return fault(at, format!("{} inside a string must be escaped", shown(*b))),
            None => return fault(open - 1, "the text ends inside the string that begins here"),
        }
    }
}

/// The first `"`, `\` or control character from `at`; the length if there is none.
#[inline]
fn special(text: &[u8], mut at: usize) -> usize {
    while let Some(word) = text.get(at..).and_then(|t| t.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*word);
        let hits = special_bytes(word);
        if hits != 0 {
            return at + hits.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while at < text.len() && !matches!(text[at], b'"' | b'\\' | 0..0x20) {
        at += 1;
    }
    at
}

/// Marks bytes that end a plain run in a string. The lowest mark is exact;
/// higher ones may be carries.
#[inline(always)]
fn special_bytes(word: u64) -> u64 {
    let zero = |x: u64| x.wrapping_sub(ONES) & !x;
    let quote = zero(word ^ (u64::from(b'"') * ONES));
    let escape = zero(word ^ (u64::from(b'\\') * ONES));
    let control = word.wrapping_sub(0x20 * ONES) & !word;
    (quote | escape | control) & HIGH
}

/// Where the escape that begins with the `\` at `at` ends.
fn escape(text: &[u8], at: usize) -> Parsed<usize> {
    match text.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => match text.get(at + 2..at + 6) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => Ok(at + 6),
            Some(_) => fault(at, "`\\u` needs four hexadecimal digits"),
            None => fault(at, "the text ends inside an escape"),
        },
        Some(b) => fault(at, format!("`\\` followed by {} is no escape", shown(*b))),
        None => fault(at, "the text ends inside an escape"),
    }
}

#[inline]
fn digits(text: &[u8], mut at: usize) -> usize {
    while text.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    at
}

#[inline]
fn number(text: &[u8], start: usize) -> Parsed<usize> {
    let mut at = start + usize::from(text[start] == b'-');
    match text.get(at) {
        Some(b'0') => at += 1,
        Some(b'1'..=b'9') => at = digits(text, at + 1),
        Some(b'I') => return fault(start, "`-Infinity` is no JSON value; write null"),
        other => return unexpected(at, other, "a digit"),
    }
    if text.get(at) == Some(&b'.') {
        let end = digits(text, at + 1);
        if end == at + 1 {
            return unexpected(end, text.get(end), "a digit after the decimal point");
        }
        at = end;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        at += 1 + usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        let end = digits(text, at);
        if end == at {
            return unexpected(end, text.get(end), "a digit of the exponent");
        }
        at = end;
    }
    Ok(at)
}

fn word(text: &[u8], at: usize, word: &'static [u8]) -> Parsed<usize> {
    if text[at..].starts_with(word) {
        return Ok(at + word.len());
    }
    let end = text[at..].iter().take_while(|b| b.is_ascii_alphanumeric()).take(20).count();
    fault(at, format!("`{}` is no JSON value", String::from_utf8_lossy(&text[at..at + end])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One whole document, as `serde_json` sees it.
    fn accepts(text: &str) -> bool {
        let bytes = text.as_bytes();
        value(bytes, skip_space(bytes, 0), 0).is_ok_and(|end| skip_space(bytes, end) == bytes.len())
    }

    #[test]
    fn the_same_grammar_as_serde_json() {
        for text in [
            "0",
            "-0",
            "01",
            "1.",
            ".5",
            "1.5",
            "1e5",
            "1E+5",
            "1e",
            "-",
            "--1",
            "+1",
            "1.5e-10",
            "true",
            "tru",
            "nul",
            "null",
            "NaN",
            "-Infinity",
            "Infinity",
            "\"\"",
            "\"a",
            "\"\\u12g4\"",
            "\"\\u00e9\"",
            "\"\\x\"",
            "\"\t\"",
            "{}",
            "{\"a\":1}",
            "{\"a\":1,}",
            "{,}",
            "{\"a\"}",
            "{a:1}",
            "[1,2]",
            "[1,]",
            "[,]",
            "[1 2]",
            "[[[]]]",
            "[]]",
            "{\"a\":[{\"b\":null}]}",
            " 1 ",
            "1 1",
            "",
            "\u{a0}1",
            "\"é\"",
            "'a'",
        ] {
            let theirs = serde_json::from_str::<Box<serde_json::value::RawValue>>(text).is_ok();
            assert_eq!(accepts(text), theirs, "{text}");
        }
    }

    #[test]
    fn depth_is_capped() {
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(accepts(&deep(128)));
        let text = deep(129);
        assert_eq!(value(text.as_bytes(), 0, 0).unwrap_err().code, Code::TooDeep);
    }

    proptest! {
        #[test]
        fn like_serde_json_on_random_tokens(parts in proptest::collection::vec(prop_oneof![
            Just("{"), Just("}"), Just("["), Just("]"), Just(","), Just(":"), Just("\"a\""), Just("\"b\\n\""),
            Just("\"quite a long text, longer than a word\""), Just("\"\\"), Just("\""), Just("1"), Just("-2.5e3"),
            Just("0"), Just("true"), Just("null"), Just(" "), Just("\n"), Just("\\u00e9"), Just("é"), Just("\u{1}"),
        ], 0..12)) {
            let text = parts.concat();
            let theirs = serde_json::from_str::<Box<serde_json::value::RawValue>>(&text).is_ok();
            prop_assert_eq!(accepts(&text), theirs, "{}", text);
        }

        #[test]
        fn special_is_found_where_a_loop_finds_it(text in proptest::collection::vec(any::<u8>(), 0..64)) {
            let want = text.iter().position(|b| matches!(b, b'"' | b'\\' | 0..0x20)).unwrap_or(text.len());
            prop_assert_eq!(special(&text, 0), want);
        }
    }
}
