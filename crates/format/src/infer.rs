//! What kind of values a text column holds, from samples.

use lakegate_domain::model::{Column, Kind};

use crate::text::{Notation, TextBatch};
use crate::time;
use crate::value::{self, Nulls, Token, trimmed};

/// What has been seen in one column so far. Merging is commutative and
/// associative: the order of samples never matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    bool_: bool,
    int: bool,
    float: bool,
    date: bool,
    timestamp: bool,
    text: bool,
    nested: bool,
}

impl Seen {
    pub fn is_empty(self) -> bool {
        self == Seen::default()
    }

    pub fn merge(self, o: Seen) -> Seen {
        Seen {
            bool_: self.bool_ | o.bool_,
            int: self.int | o.int,
            float: self.float | o.float,
            date: self.date | o.date,
            timestamp: self.timestamp | o.timestamp,
            text: self.text | o.text,
            nested: self.nested | o.nested,
        }
    }

    /// Adds one value, unless it is one of `nulls`.
    fn add(&mut self, text: &str, quoted: bool, notation: Notation, nulls: &Nulls<'_>) {
        match notation {
            Notation::Json => match value::token(text) {
                Token::Null => {}
                Token::Bool => self.bool_ = true,
                Token::Nested => self.nested = true,
                Token::Number if nulls.holds(text) => {}
                Token::Number => self.number(text),
                // A JSON string says that it is text, unless it is a time.
                Token::Text => {
                    let t = value::unquoted(text);
                    if nulls.holds(&t) {
                        return;
                    }
                    match () {
                        _ if time::parse_date(&t).is_some() => self.date = true,
                        _ if time::parse_iso(&t).is_some() => self.timestamp = true,
                        _ => self.text = true,
                    }
                }
            },
            Notation::Plain => {
                let t = trimmed(text);
                if t.is_empty() {
                    self.text |= quoted && !text.is_empty();
                    return;
                }
                if nulls.holds(t) {
                    return;
                }
                match () {
                    _ if value::is_canonical_number(t) => self.number(t),
                    _ if value::boolean(t, false).is_some() => self.bool_ = true,
                    _ if time::parse_date(t).is_some() => self.date = true,
                    _ if time::parse_iso(t).is_some() => self.timestamp = true,
                    _ => self.text = true,
                }
            }
        }
    }

    fn number(&mut self, t: &str) {
        let digits_only = t.bytes().skip(usize::from(t.starts_with('-'))).all(|b| b.is_ascii_digit());
        if digits_only && value::int(t).is_some() {
            self.int = true;
        } else if !digits_only && value::float(t).is_some() {
            self.float = true;
        } else if time::parse_date(t).is_some() {
            self.date = true;
        } else if time::parse_iso(t).is_some() {
            self.timestamp = true;
        } else {
            // Digits beyond what any number type holds stay as they are.
            self.text = true;
        }
    }

    /// Whether a number was among the values that is not a whole one.
    pub fn has_float(self) -> bool {
        self.float
    }

    /// The narrowest kind that holds everything seen; `None` if nothing was.
    pub fn kind(self) -> Option<Kind> {
        let Seen { bool_, int, float, date, timestamp, text, nested } = self;
        if self.is_empty() {
            return None;
        }
        Some(match (bool_, int || float, date || timestamp, text, nested) {
            (.., true) => Kind::Json,
            (false, false, true, false, _) => {
                if timestamp {
                    Kind::Timestamp
                } else {
                    Kind::Date
                }
            }
            (false, true, false, false, _) => {
                if float {
                    Kind::Float
                } else {
                    Kind::Int
                }
            }
            (true, false, false, false, _) => Kind::Bool,
            _ => Kind::String,
        })
    }
}

/// Looks at up to `max_rows` rows of each column of a batch, spread over it; at
/// all of them where those hold nothing, so that a sparse column is not taken
/// for an empty one.
///
/// `nulls` spell a missing value in every column, those of `columns` in the one
/// that is made from the input column.
pub fn look(batch: &TextBatch, nulls: &[String], columns: &[Column], max_rows: usize) -> Vec<(String, Seen)> {
    let step = (batch.n_rows / max_rows.max(1)).max(1);
    batch
        .names
        .iter()
        .zip(&batch.columns)
        .map(|(name, cells)| {
            let own = columns.iter().filter(|c| c.is_from(name)).flat_map(|c| &c.nulls);
            let nulls = Nulls::new(nulls.iter().chain(own), true);
            let look_at = |step: usize| {
                let mut seen = Seen::default();
                for cell in cells.iter().step_by(step) {
                    if let Some(text) = batch.get(*cell) {
                        seen.add(text, cell.is_quoted(), batch.notation, &nulls);
                    }
                }
                seen
            };
            let mut seen = look_at(step);
            if seen.is_empty() && step > 1 {
                seen = look_at(1);
            }
            (name.clone(), seen)
        })
        .collect()
}

/// Whether a column of a batch holds a number that a column of integers cannot
/// take. Every cell is looked at; `nulls` are the reader's and the column's own.
pub fn has_float(batch: &TextBatch, column: usize, nulls: &[String]) -> bool {
    let nulls = Nulls::new(nulls, true);
    let mut seen = Seen::default();
    batch.columns[column].iter().any(|cell| {
        let Some(text) = batch.get(*cell) else { return false };
        // Only these make a number a float; most cells have none of them.
        if memchr::memchr3(b'.', b'e', b'E', text.as_bytes()).is_some() {
            seen.add(text, cell.is_quoted(), batch.notation, &nulls);
        }
        seen.has_float()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(values: &[&str], notation: Notation) -> Option<Kind> {
        let mut seen = Seen::default();
        for v in values {
            seen.add(v, false, notation, &Nulls::new(&["-999".into()], true));
        }
        seen.kind()
    }

    #[test]
    fn plain() {
        use Notation::Plain;
        for (values, want) in [
            (&["1", "2", ""][..], Some(Kind::Int)),
            (&["1", "2.5"], Some(Kind::Float)),
            (&["1", "-999", "007"], Some(Kind::String)),
            (&["1.0"], Some(Kind::Float)),
            (&["true", "FALSE"], Some(Kind::Bool)),
            (&["2026-01-01"], Some(Kind::Date)),
            (&["2026-01-01", "2026-01-01 10:00"], Some(Kind::Timestamp)),
            (&["123456789012345678901234"], Some(Kind::String)),
            (&["a", "1"], Some(Kind::String)),
            (&["", "-999", "-999.00"], None),
        ] {
            assert_eq!(kind(values, Plain), want, "{values:?}");
        }
    }

    #[test]
    fn json() {
        use Notation::Json;
        for (values, want) in [
            (&["1", "null"][..], Some(Kind::Int)),
            (&["-999.0", "1"], Some(Kind::Int)),
            (&["1", "1.5e3"], Some(Kind::Float)),
            (&["\"1\""], Some(Kind::String)),
            (&["\"2026-01-01T00:00:00Z\""], Some(Kind::Timestamp)),
            (&["{\"a\":1}", "\"x\""], Some(Kind::Json)),
            (&["1", "\"x\""], Some(Kind::String)),
        ] {
            assert_eq!(kind(values, Json), want, "{values:?}");
        }
    }

    fn batch(a: &[&str], b: &[&str]) -> TextBatch {
        fn fields<'a>(values: &[&'a str]) -> Vec<Option<&'a str>> {
            values.iter().map(|v| Some(*v)).collect()
        }
        TextBatch::of(Notation::Plain, &[("a", fields(a)), ("b", fields(b))])
    }

    #[test]
    fn a_value_between_the_samples_is_found() {
        let mut values = vec![""; 100];
        values[37] = "2.5";
        let seen = look(&batch(&values, &["1"; 100]), &[], &[], 10);
        assert_eq!(seen[0].1.kind(), Some(Kind::Float));
        assert_eq!(seen[1].1.kind(), Some(Kind::Int));
    }

    #[test]
    fn a_columns_own_nulls_do_not_say_its_type() {
        let mut spec = Column::named("renamed");
        spec.from = Some("a".into());
        spec.nulls = vec!["n/a".into()];
        let rows = batch(&["1", "n/a"], &["1", "n/a"]);
        let seen = look(&rows, &[], &[spec], 10);
        assert_eq!(seen[0].1.kind(), Some(Kind::Int));
        assert_eq!(seen[1].1.kind(), Some(Kind::String));
        assert!(!has_float(&batch(&["1", "-9.5"], &["", ""]), 0, &["-9.5".into()]));
    }
}
