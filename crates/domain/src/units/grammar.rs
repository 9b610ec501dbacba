//! The grammar of UDUNITS-2 (its documentation, "The UDUNITS-2 unit grammar"):
//! products, quotients, powers, numbers and a shifted zero.

use super::exact::Exact;
use super::known::{self, Found};
use super::{Unit, UnitError};

/// How deep parentheses may go.
const DEEPEST: usize = 16;

pub(super) fn parse(text: &str) -> Result<Unit, UnitError> {
    let mut parser = Parser { text, rest: text.trim(), depth: 0 };
    if parser.rest.is_empty() {
        return Err(parser.syntax("it is empty; a pure number has the unit `1`"));
    }
    let unit = parser.shifted()?;
    match parser.rest.chars().next() {
        None => Ok(unit),
        Some(c) => Err(parser.syntax(format!("`{c}` is out of place"))),
    }
}

struct Parser<'t> {
    text: &'t str,
    rest: &'t str,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn syntax(&self, why: impl Into<String>) -> UnitError {
        UnitError::Syntax { text: self.text.into(), why: why.into() }
    }

    fn too_great(&self) -> UnitError {
        UnitError::TooGreat { text: self.text.into() }
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest.strip_prefix(token);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    /// A word between other words, such as `per`.
    fn take_word(&mut self, words: &[&str]) -> bool {
        for word in words {
            if let Some(after) = self.rest.strip_prefix(word)
                && !after.starts_with(is_of_name)
            {
                self.rest = after;
                return true;
            }
        }
        false
    }

    /// A product, and where its zero is: `K @ 273.15`.
    fn shifted(&mut self) -> Result<Unit, UnitError> {
        let unit = self.product()?;
        let before = self.rest;
        self.rest = self.rest.trim_start();
        if !self.take("@")
            && !self.take_word(&["after", "from", "since", "ref", "AFTER", "FROM", "SINCE", "REF"])
        {
            self.rest = before;
            return Ok(unit);
        }
        self.rest = self.rest.trim_start();
        // `seconds since 1970-01-01` and the like: a number alone is a shift.
        let start = self.rest;
        let number = self.number();
        let is_time = unit.dimension == known::TIME;
        match number {
            Some(origin) if !is_time && (self.rest.is_empty() || self.rest.starts_with(')')) => {
                unit.shifted(origin).ok_or_else(|| self.too_great())
            }
            _ if is_time => Err(UnitError::Time { text: self.text.into() }),
            _ => {
                self.rest = start;
                Err(self.syntax("a number must follow, such as `K @ 273.15`"))
            }
        }
    }

    fn product(&mut self) -> Result<Unit, UnitError> {
        let mut made = self.power()?;
        loop {
            let before = self.rest;
            let trimmed = self.rest.trim_start();
            let had_space = trimmed.len() < before.len();
            self.rest = trimmed;
            let divide = self.take("/") || had_space && self.take_word(&["per", "PER", "Per"]);
            if divide {
                self.rest = self.rest.trim_start();
                let divisor = self.power()?;
                let inverse = divisor.power(-1).ok_or_else(|| self.too_great())?;
                made = made.times(inverse).ok_or_else(|| self.too_great())?;
                continue;
            }
            if had_space && self.rest.starts_with(['+', '-']) {
                return Err(self.syntax("a space stands before an exponent"));
            }
            if self.rest.starts_with('.') && self.rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
                return Err(self.syntax("the point before a digit may be a product or a fraction"));
            }
            let raises = self.rest.starts_with("**");
            if !raises && (self.take("*") || self.take(".") || self.take("·") || self.take("-")) {
                self.rest = self.rest.trim_start();
            } else if !self.starts_power() || had_space && self.is_shift() {
                self.rest = before;
                return Ok(made);
            }
            let factor = self.power()?;
            made = made.times(factor).ok_or_else(|| self.too_great())?;
        }
    }

    fn starts_power(&self) -> bool {
        self.peek().is_some_and(|c| c == '(' || c.is_ascii_digit() || is_of_name(c) || is_mark(c))
    }

    fn is_shift(&self) -> bool {
        let word: String = self.rest.chars().take_while(|c| c.is_ascii_alphabetic()).collect();
        matches!(word.to_ascii_lowercase().as_str(), "after" | "from" | "since" | "ref")
    }

    fn power(&mut self) -> Result<Unit, UnitError> {
        let is_number = self.rest.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'));
        let base = self.basic()?;
        let exponent = if self.take("**") || self.take("^") {
            Some(self.integer().ok_or_else(|| self.syntax("an exponent is a whole number"))?)
        } else if let Some(exponent) = self.superscript() {
            Some(exponent)
        } else if is_number {
            None
        } else {
            self.integer()
        };
        match exponent {
            Some(exponent) => base.power(exponent).ok_or_else(|| self.too_great()),
            None => Ok(base),
        }
    }

    fn basic(&mut self) -> Result<Unit, UnitError> {
        if self.take("(") {
            self.depth += 1;
            if self.depth > DEEPEST {
                return Err(self.too_great());
            }
            self.rest = self.rest.trim_start();
            let inner = self.shifted()?;
            self.rest = self.rest.trim_start();
            if !self.take(")") {
                return Err(self.syntax("a `)` is missing"));
            }
            self.depth -= 1;
            return Ok(inner);
        }
        if let Some(number) = self.number() {
            if number.is_zero() {
                return Err(self.syntax("a unit of nothing"));
            }
            return Ok(Unit::number(number));
        }
        let name = self.name().ok_or_else(|| match self.peek() {
            Some(c) => self.syntax(format!("a unit or a number must stand where `{c}` is")),
            None => self.syntax("a unit or a number is missing at its end"),
        })?;
        if matches!(name, "lg" | "ln" | "lb" | "log") && self.rest.trim_start().starts_with('(') {
            return Err(UnitError::Logarithmic { word: self.text.trim().into() });
        }
        match known::find(name) {
            Found::Unit(unit) => Ok(unit),
            Found::Logarithmic => Err(UnitError::Logarithmic { word: name.into() }),
            Found::Nothing { near } => Err(UnitError::Unknown { word: name.into(), near }),
        }
    }

    /// A number with its sign: `1000`, `1e-3`, `.5`.
    fn number(&mut self) -> Option<Exact> {
        let bytes = self.rest.as_bytes();
        let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
        let mut end = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
        let whole = digits(end);
        end += whole;
        let mut fraction = 0;
        if bytes.get(end) == Some(&b'.') {
            fraction = digits(end + 1);
            // The point of `2.m` is a product.
            if fraction > 0 {
                end += 1 + fraction;
            }
        }
        if whole + fraction == 0 {
            return None;
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let power = digits((end + 1 + sign).min(bytes.len()));
            if power > 0 {
                end += 1 + sign + power;
            }
        }
        let number = Exact::decimal(self.rest[..end].trim_start_matches('+'))?;
        self.rest = &self.rest[end..];
        Some(number)
    }

    /// A whole number right here: the exponent of `m-2`. What is too long for
    /// one is greater than any exponent may be.
    fn integer(&mut self) -> Option<i32> {
        let bytes = self.rest.as_bytes();
        let sign = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
        let digits = bytes[sign.min(bytes.len())..].iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        let (text, rest) = self.rest.split_at(sign + digits);
        self.rest = rest;
        Some(text.parse().unwrap_or(i32::MAX))
    }

    fn superscript(&mut self) -> Option<i32> {
        const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
        let mut text = String::new();
        let mut end = 0;
        for c in self.rest.chars() {
            match c {
                '⁻' if text.is_empty() => text.push('-'),
                '⁺' if text.is_empty() => text.push('+'),
                c => match DIGITS.iter().position(|d| *d == c) {
                    Some(digit) => text.push_str(&digit.to_string()),
                    None => break,
                },
            }
            end += c.len_utf8();
        }
        if !text.ends_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        self.rest = &self.rest[end..];
        Some(text.parse().unwrap_or(i32::MAX))
    }

    /// A unit's name: letters, with digits inside it but not at its end.
    fn name(&mut self) -> Option<&'t str> {
        let first = self.peek()?;
        if is_mark(first) {
            let (mark, rest) = self.rest.split_at(first.len_utf8());
            // `°C` is one name, `°` another.
            let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            let end = if first == '°' { first.len_utf8() + letters } else { mark.len() };
            let (name, rest) = self.rest.split_at(end);
            self.rest = rest;
            return Some(name);
        }
        // Names with dashes in them are known by heart.
        if let Some(name) = known::DASHED
            .iter()
            .find(|name| self.rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)))
        {
            let (name, rest) = self.rest.split_at(name.len());
            self.rest = rest;
            return Some(name);
        }
        if !is_of_name(first) {
            return None;
        }
        let end = self.rest.find(|c: char| !is_of_name(c) && !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let name = self.rest[..end].trim_end_matches(|c: char| c.is_ascii_digit());
        self.rest = &self.rest[name.len()..];
        Some(name)
    }
}

fn is_of_name(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

/// A mark that is a unit by itself, or begins one.
fn is_mark(c: char) -> bool {
    matches!(c, '%' | '\'' | '"' | '°' | '′' | '″' | '℃' | '℉')
}
