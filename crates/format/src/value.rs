//! One field's text as a value of a kind, exactly or not at all.

use std::borrow::Cow;

/// What a JSON token is, by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    Null,
    Bool,
    Number,
    Text,
    Nested,
}

pub fn token(json: &str) -> Token {
    match json.as_bytes().first() {
        Some(b'"') => Token::Text,
        Some(b'{' | b'[') => Token::Nested,
        Some(b't' | b'f') => Token::Bool,
        Some(b'n') | None => Token::Null,
        _ => Token::Number,
    }
}

/// The text of a JSON token: strings unquoted and unescaped, the rest as it stands.
pub fn unquoted(json: &str) -> Cow<'_, str> {
    if token(json) != Token::Text {
        return Cow::Borrowed(json);
    }
    let inner = &json[1..json.len() - 1];
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    match serde_json::from_str::<String>(json) {
        Ok(s) => Cow::Owned(s),
        // A lone surrogate escape has no text: U+FFFD stands for it.
        Err(_) => Cow::Owned(unescaped(inner)),
    }
}

/// The text of a JSON string with halves of surrogate pairs in it.
fn unescaped(inner: &str) -> String {
    let mut units: Vec<u16> = Vec::with_capacity(inner.len());
    let mut rest = inner.chars();
    let mut buffer = [0; 2];
    while let Some(c) = rest.next() {
        let c = match c {
            '\\' => match rest.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some('b') => '\u{8}',
                Some('f') => '\u{c}',
                Some('u') => {
                    let digits: String = rest.by_ref().take(4).collect();
                    // What is no escape after all was refused as JSON before.
                    units.push(u16::from_str_radix(&digits, 16).unwrap_or(0xfffd));
                    continue;
                }
                Some(other) => other,
                None => '\\',
            },
            c => c,
        };
        units.extend_from_slice(c.encode_utf16(&mut buffer));
    }
    String::from_utf16_lossy(&units)
}

/// Whether digits are written in the one way that a number prints as: no
/// leading zeros, no plus sign. `007` is a label, not the number 7.
pub fn is_canonical_number(text: &str) -> bool {
    let t = text.strip_prefix('-').unwrap_or(text).as_bytes();
    match t {
        [b'0', rest @ ..] => !matches!(rest.first(), Some(b'0'..=b'9')),
        [b'1'..=b'9', ..] | [b'.', b'0'..=b'9', ..] => true,
        _ => false,
    }
}

/// Text without the white space around it. Nearly all has none.
#[inline]
pub fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [b'!'..=b'~'] | [b'!'..=b'~', .., b'!'..=b'~'] => text,
        _ => text.trim(),
    }
}

/// An integer, also where it is written as `3.0` or `3e2`.
pub fn int(text: &str) -> Option<i64> {
    let t = trimmed(text);
    if let Ok(n) = lexical_core::parse::<i64>(t.as_bytes()) {
        return Some(n);
    }
    // By its digits: a float would round them, and cut a fraction off.
    if !t.bytes().any(|b| matches!(b, b'.' | b'e' | b'E')) {
        return None;
    }
    i64::try_from(decimal(t, 19, 0)?).ok()
}

/// A float; an integer too long for one is refused rather than rounded.
pub fn float(text: &str) -> Option<f64> {
    let t = trimmed(text);
    let first = *t.as_bytes().first()?;
    if !(first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.')) {
        return match t.to_ascii_lowercase().as_str() {
            "nan" => Some(f64::NAN),
            "inf" | "infinity" => Some(f64::INFINITY),
            _ => None,
        };
    }
    let f = lexical_core::parse::<f64>(t.as_bytes()).ok()?;
    if t.len() > 15 && t.bytes().skip(1).all(|b| b.is_ascii_digit()) {
        let exact = t.parse::<i128>().ok()?;
        if f.is_finite() && (f as i128) != exact {
            return None;
        }
    }
    if f.is_infinite() && !t.to_ascii_lowercase().contains("inf") {
        return None;
    }
    Some(f)
}

/// The nearest 32-bit float; refused where it would be infinite, or another
/// integer than the one that stands there.
pub fn float32(text: &str) -> Option<f32> {
    let wide = float(text)?;
    let narrow = wide as f32;
    let is_integer = trimmed(text).trim_start_matches(['-', '+']).bytes().all(|b| b.is_ascii_digit());
    let fits = narrow.is_finite() == wide.is_finite() && (!is_integer || f64::from(narrow) == wide);
    fits.then_some(narrow)
}

/// `true`/`false`; where the column is declared also `t f yes no y n 1 0`.
pub fn boolean(text: &str, declared: bool) -> Option<bool> {
    let t = trimmed(text);
    if t.eq_ignore_ascii_case("true") {
        return Some(true);
    }
    if t.eq_ignore_ascii_case("false") {
        return Some(false);
    }
    if !declared {
        return None;
    }
    match t.to_ascii_lowercase().as_str() {
        "t" | "yes" | "y" | "1" => Some(true),
        "f" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}

/// An exact decimal of `scale` places, or `None` where digits would be lost.
pub fn decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let t = trimmed(text);
    let (negative, t) = match t.as_bytes().first()? {
        b'-' => (true, &t[1..]),
        b'+' => (false, &t[1..]),
        _ => (false, t),
    };
    let (mantissa, exponent) = match t.find(['e', 'E']) {
        Some(at) => (&t[..at], t[at + 1..].parse::<i32>().ok()?),
        None => (t, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value: i128 = 0;
    for b in whole.bytes().chain(fraction.bytes()) {
        if !b.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(i128::from(b - b'0'))?;
    }
    if value == 0 {
        return Some(0);
    }
    // No digit of 128 bits is further from the point.
    if exponent.abs() > 80 {
        return None;
    }
    let mut shift = i32::from(scale) + exponent - fraction.len() as i32;
    while shift > 0 {
        value = value.checked_mul(10)?;
        shift -= 1;
    }
    while shift < 0 {
        if value % 10 != 0 {
            return None;
        }
        value /= 10;
        shift += 1;
    }
    let limit = 10i128.checked_pow(u32::from(precision))?;
    (value < limit).then_some(if negative { -value } else { value })
}

/// The spellings of a missing value that count for one column.
#[derive(Debug, Default)]
pub(crate) struct Nulls<'a> {
    spellings: Vec<&'a str>,
    /// Those that are numbers, for numeric columns: `-999` also means `-999.00`.
    numbers: Vec<f64>,
    /// Whether all of those numbers are below zero, so that what has no minus sign
    /// is none of them.
    are_negative: bool,
}

impl<'a> Nulls<'a> {
    pub fn new(spellings: impl IntoIterator<Item = &'a String>, numeric: bool) -> Self {
        let spellings: Vec<&str> = spellings.into_iter().map(String::as_str).collect();
        // No number equals NaN, however it is spelled.
        let number = |spelling: &&str| float(spelling).filter(|f| !f.is_nan());
        let numbers: Vec<f64> =
            if numeric { spellings.iter().filter_map(number).collect() } else { Vec::new() };
        let are_negative = numbers.iter().all(|n| *n < 0.0);
        Self { spellings, numbers, are_negative }
    }

    pub fn is_empty(&self) -> bool {
        self.spellings.is_empty()
    }

    pub fn holds(&self, text: &str) -> bool {
        if self.spellings.is_empty() {
            return false;
        }
        let t = trimmed(text);
        self.spellings.contains(&t)
            || !self.numbers.is_empty()
                && (!self.are_negative || t.starts_with('-'))
                && float(t).is_some_and(|f| self.numbers.contains(&f))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ints() {
        for (text, want) in [
            ("3", Some(3)),
            (" -7 ", Some(-7)),
            ("3.0", Some(3)),
            ("3e2", Some(300)),
            ("3.5", None),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("9007199254740993.0", Some(9_007_199_254_740_993)),
            ("9007199254740992.5", None),
            ("0.99999999999999999999", None),
            ("1e18", Some(1_000_000_000_000_000_000)),
            ("1e19", None),
            ("abc", None),
            ("", None),
        ] {
            assert_eq!(int(text), want, "{text:?}");
        }
    }

    #[test]
    fn floats_that_would_round_an_integer_are_refused() {
        assert_eq!(float("9007199254740993"), None);
        assert_eq!(float("9007199254740992"), Some(9007199254740992.0));
        assert_eq!(float("1e400"), None);
        assert_eq!(float("-.5"), Some(-0.5));
        assert!(float("NaN").unwrap().is_nan());
        assert_eq!(float("12abc"), None);
        assert_eq!((float32("0.1"), float32("1e39")), (Some(0.1), None));
        assert_eq!((float32("16777216"), float32("16777217")), (Some(16_777_216.0), None));
        assert_eq!(float32("-inf"), Some(f32::NEG_INFINITY));
    }

    #[test]
    fn decimals_are_exact_or_nothing() {
        assert_eq!(decimal("1.50", 10, 2), Some(150));
        assert_eq!(decimal("-1.5", 10, 2), Some(-150));
        assert_eq!(decimal("1.500", 10, 2), Some(150));
        assert_eq!(decimal("1.505", 10, 2), None);
        assert_eq!(decimal("123456", 5, 0), None);
        assert_eq!(decimal("1.2e3", 10, 0), Some(1200));
        assert_eq!(decimal("", 10, 2), None);
        assert_eq!((decimal("0e999", 10, 2), decimal("1e999", 10, 2)), (Some(0), None));
    }

    #[test]
    fn canonical() {
        for (t, want) in
            [("0", true), ("007", false), ("0.5", true), ("-0", true), ("+1", false), ("-01", false)]
        {
            assert_eq!(is_canonical_number(t), want, "{t}");
        }
    }
}
