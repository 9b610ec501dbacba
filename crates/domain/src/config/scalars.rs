//! Values with a spelling of their own: names, sizes, durations, shares, time
//! zones, regular expressions, types, paths.

use std::borrow::Cow;
use std::time::Duration;

use regex::Regex;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::decode::{Decode, Reporter, nearest, scalar, text};
use super::diagnostic::Span;
use super::yaml::{Content, Literal, Node};
use crate::export::Template;
use crate::ids::NAME_BYTES;
use crate::model::{self, Kind, TimeUnit};

/// Declares the JSON Schema of a scalar.
macro_rules! schema {
    ($ty:ty, $name:literal, $($json:tt)+) => {
        impl JsonSchema for $ty {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($($json)+)
            }
        }
    };
}

/// A name of a team, dataset, table or stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(pub String);

/// Whether a text is `[a-z][a-z0-9_]*`.
pub fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The nearest name to a text that is none, or `None` where nothing is left.
pub fn as_name(text: &str) -> Option<String> {
    let mut name = String::new();
    for c in text.trim().chars() {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => name.push(c),
            _ if name.ends_with('_') => {}
            _ => name.push('_'),
        }
    }
    let name = name.trim_matches('_');
    match name.chars().next() {
        None => None,
        Some(c) if c.is_ascii_digit() => Some(format!("n{name}")),
        Some(_) => Some(name.to_string()),
    }
}

/// Reports a text that is no name; `what` says what it should be.
pub fn check_name(name: &str, span: Span, what: &str, report: &mut Reporter) -> bool {
    if name.len() > NAME_BYTES {
        report.error(
            span,
            format!("{} letters are too many for {what}", name.len()),
            format!("names have {NAME_BYTES} at most"),
        );
        return false;
    }
    if is_name(name) {
        return true;
    }
    let help = match as_name(name) {
        Some(better) => format!("names are small letters, digits and `_`: `{better}`"),
        None => "names are small letters, digits and `_`, and begin with a letter".into(),
    };
    report.error(span, format!("`{name}` cannot be {what}"), help);
    false
}

impl Decode for Name {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        let text = text(node, "a name", "", report)?;
        check_name(text, node.span, "a name", report).then(|| Name(text.to_string()))
    }
}

schema!(Name, "Name", {
    "description": "A name: small letters, digits and `_`, beginning with a letter.",
    "type": "string",
    "pattern": "^[a-z][a-z0-9_]*$",
    "maxLength": NAME_BYTES,
});

/// Bytes: `512MiB`, `1GB`, `4096B`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl From<Size> for u64 {
    fn from(size: Size) -> u64 {
        size.0
    }
}

/// Number and unit of a text such as `1.5GiB`.
fn split_unit(text: &str) -> Option<(f64, &str)> {
    let cut = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    Some((text[..cut].parse().ok()?, text[cut..].trim()))
}

pub fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text.trim())?;
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "b" => 1,
        "kb" => 1000,
        "mb" => 1000 * 1000,
        "gb" => 1000 * 1000 * 1000,
        "tb" => 1000 * 1000 * 1000 * 1000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return None,
    };
    let bytes = number * factor as f64;
    (bytes < i64::MAX as f64).then_some(bytes as u64)
}

impl Decode for Size {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        const WHAT: &str = "a size such as `128MiB`";
        const HELP: &str = "write a number and its unit: B, kB, MB, GB, TB, KiB, MiB, GiB, TiB";
        let text = text(node, WHAT, HELP, report)?;
        let size = parse_size(text).map(Size);
        if size.is_none() {
            report.expected(node, WHAT, HELP);
        }
        size
    }
}

schema!(Size, "Size", {
    "description": "A size in bytes with its unit, such as `128MiB` or `1GB`.",
    "type": "string",
    "pattern": "^[0-9]+(\\.[0-9]+)? *([kKmMgGtT][iI]?)?[bB]$",
});

/// A span of time: `7d`, `12h`, `1h30m`, `250ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lapse(pub Duration);

impl From<Lapse> for Duration {
    fn from(lapse: Lapse) -> Duration {
        lapse.0
    }
}

pub fn parse_lapse(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let after = &rest[digits..];
        let unit = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let factor_ms: u64 = match after[..unit].trim() {
            "ms" => 1,
            "s" => 1000,
            "m" | "min" => 60 * 1000,
            "h" => 3600 * 1000,
            "d" => 24 * 3600 * 1000,
            "w" => 7 * 24 * 3600 * 1000,
            _ => return None,
        };
        total = total.checked_add(Duration::from_millis(number.checked_mul(factor_ms)?))?;
        rest = &after[unit..];
    }
    Some(total)
}

impl Decode for Lapse {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        const WHAT: &str = "a duration such as `30s`";
        const HELP: &str = "write a number and its unit: ms, s, m, h, d, w";
        let text = text(node, WHAT, HELP, report)?;
        let lapse = parse_lapse(text).map(Lapse);
        if lapse.is_none() {
            report.expected(node, WHAT, HELP);
        }
        lapse
    }
}

schema!(Lapse, "Duration", {
    "description": "A duration with its unit, such as `250ms`, `30s`, `12h` or `7d`.",
    "type": "string",
    "pattern": "^([0-9]+ ?(ms|s|m|min|h|d|w) ?)+$",
});

/// `forever`, or a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping(pub Option<Duration>);

impl Decode for Keeping {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        match &node.content {
            Content::Scalar(s) if s.text == "forever" => Some(Keeping(None)),
            _ => {
                let found = text(node, "`forever` or a duration such as `90d`", "", report)?;
                let lapse = parse_lapse(found);
                if lapse.is_none() {
                    report.expected(
                        node,
                        "`forever` or a duration such as `90d`",
                        "units: ms, s, m, h, d, w",
                    );
                }
                lapse.map(|d| Keeping(Some(d)))
            }
        }
    }
}

schema!(Keeping, "Keeping", {
    "description": "`forever`, or a duration such as `90d`.",
    "type": "string",
});

/// A share of rows, 0 to 1: `5%` or `0.05`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(pub f64);

impl Decode for Share {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        const WHAT: &str = "a share such as `5%` or `0.05`";
        let scalar = scalar(node, WHAT, "", report)?;
        let share = match scalar.literal() {
            Literal::Float(v) => Some(v),
            Literal::Int(v) => Some(v as f64),
            Literal::Text(t) => {
                t.strip_suffix('%').and_then(|n| n.trim().parse::<f64>().ok()).map(|v| v / 100.0)
            }
            Literal::Null | Literal::Bool(_) => None,
        };
        match share {
            Some(v) if (0.0..=1.0).contains(&v) => Some(Share(v)),
            Some(_) => {
                let help = match scalar.literal() {
                    Literal::Int(v) if v <= 100 => format!("for {v} of a hundred write `{v}%`"),
                    _ => "write 0% to 100%, or 0 to 1".into(),
                };
                report.error(node.span, format!("`{}` is no share", scalar.text), help);
                None
            }
            None => {
                report.expected(node, WHAT, "write 0% to 100%, or 0 to 1");
                None
            }
        }
    }
}

schema!(Share, "Share", {
    "description": "A share: `5%` or `0.05`.",
    "anyOf": [
        { "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)? ?%$" },
        { "type": "number", "minimum": 0, "maximum": 1 },
    ],
});

/// A share, or `off`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guard(pub Option<f64>);

impl Decode for Guard {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        match &node.content {
            Content::Scalar(s) if s.text == "off" => Some(Guard(None)),
            _ => Share::decode(node, report).map(|s| Guard(Some(s.0))),
        }
    }
}

impl JsonSchema for Guard {
    fn schema_name() -> Cow<'static, str> {
        "Guard".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let share = generator.subschema_for::<Share>();
        json_schema!({ "description": "A share, or `off`.", "anyOf": [{ "const": "off" }, share] })
    }
}

/// An IANA time zone, in its usual spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(pub String);

impl From<Zone> for String {
    fn from(zone: Zone) -> String {
        zone.0
    }
}

impl Decode for Zone {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        const WHAT: &str = "a time zone such as `Europe/Vienna`";
        let name = text(node, WHAT, "write an IANA name, such as `UTC` or `America/New_York`", report)?;
        // No database is needed for it, and some machines have none.
        if name.eq_ignore_ascii_case("UTC") {
            return Some(Zone("UTC".into()));
        }
        if let Ok(zone) = jiff::tz::db().get(name)
            && let Some(known) = zone.iana_name()
        {
            return Some(Zone(known.to_string()));
        }
        let known: Vec<String> = jiff::tz::db().available().map(|n| n.to_string()).collect();
        if known.is_empty() {
            report.error(
                node.span,
                "this machine has no time zone database",
                "install the package `tzdata`, or use `UTC`",
            );
            return None;
        }
        let city = known.iter().find(|k| k.rsplit('/').next().is_some_and(|c| c.eq_ignore_ascii_case(name)));
        let near = city.map(String::as_str).or_else(|| nearest(name, known.iter().map(String::as_str)));
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "write an IANA name, such as `UTC` or `America/New_York`".into(),
        };
        report.error(node.span, format!("`{name}` is not a known time zone"), help);
        None
    }
}

schema!(Zone, "TimeZone", {
    "description": "An IANA time zone, such as `UTC` or `America/New_York`.",
    "type": "string",
});

/// A regular expression that compiles, as it was written.
#[derive(Clone, Debug)]
pub struct Expression(pub String);

impl Expression {
    /// Compiled so that it must match a whole text.
    ///
    /// The second form is for verbose expressions that end in a comment, which
    /// would swallow the closing bracket; there, a line break means nothing.
    pub fn anchored(&self) -> Result<Regex, regex::Error> {
        let expression = &self.0;
        Regex::new(&format!("^(?:{expression})$")).or_else(|_| Regex::new(&format!("^(?:{expression}\n)$")))
    }
}

impl Decode for Expression {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        let written = text(node, "a regular expression", "put it into single quotes", report)?;
        // A block ends in a line break that no name has.
        let written = written.trim_end_matches('\n');
        let error = match Regex::new(written) {
            Ok(_) => return Some(Expression(written.to_string())),
            Err(error) => error.to_string(),
        };
        // The library draws the expression with a caret below and ends with the reason.
        let reason = error.lines().rev().find_map(|l| l.strip_prefix("error: ")).unwrap_or(&error);
        let caret = error.lines().find(|l| l.contains('^') && l.trim_matches([' ', '^']).is_empty());
        let verbatim = match &node.content {
            Content::Scalar(scalar) => scalar.verbatim,
            _ => None,
        };
        let span = caret
            .zip(verbatim)
            .and_then(|(line, offset)| {
                let chars = line.chars().count() - line.trim_start().chars().count();
                let at = written.char_indices().nth(chars.checked_sub(4)?)?.0;
                let start = node.span.start + offset + at;
                Some(Span { start, end: start + line.trim().len() })
            })
            .unwrap_or(node.span);
        report.error(
            span,
            format!("this regular expression is wrong: {reason}"),
            "write a literal `.`, `(` or `[` as `\\.`, `\\(`, `\\[`; a named group is `(?<name>…)`",
        );
        None
    }
}

schema!(Expression, "RegularExpression", {
    "description": "A regular expression in the syntax of Rust's `regex` crate.",
    "type": "string",
});

/// A folder, which may hold `${env:NAME}`.
#[derive(Clone, Debug)]
pub struct Folder(pub String);

impl Decode for Folder {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        let folder = text(node, "a folder", "", report)?;
        if let Some((scheme, _)) = folder.split_once("://") {
            report.error(
                node.span,
                format!("`{scheme}://` storage is not in this version"),
                "use a folder of this machine, such as `./lake`",
            );
            return None;
        }
        if folder.is_empty() {
            report.error(node.span, "an empty text is no folder", "write `.` for the lake's own folder");
            return None;
        }
        Some(Folder(folder.to_string()))
    }
}

schema!(Folder, "Folder", {
    "description": "A folder, relative to the lake's root. `${env:NAME}` is replaced.",
    "type": "string",
});

/// Any scalar, taken as it is spelled: `-999`, `NA`, `05`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spelled(pub String);

impl Decode for Spelled {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        scalar(node, "a word or number", "", report).map(|s| Spelled(s.text.clone()))
    }
}

schema!(Spelled, "Spelled", {
    "description": "A word or number, taken as it is spelled.",
    "type": ["string", "number", "boolean", "null"],
});

impl Decode for model::Scalar {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        let scalar = scalar(node, "a value", "", report)?;
        match scalar.literal() {
            Literal::Bool(v) => Some(model::Scalar::Bool(v)),
            Literal::Int(v) => Some(model::Scalar::Int(v)),
            Literal::Float(v) => Some(model::Scalar::Float(v)),
            Literal::Text(v) => Some(model::Scalar::Text(v.to_string())),
            Literal::Null => {
                report.expected(node, "a value", "give a value; the word `null` goes into quotes");
                None
            }
        }
    }
}

schema!(model::Scalar, "Value", {
    "description": "A text, a number or a boolean.",
    "type": ["string", "number", "boolean"],
});

/// One value, or a list of values of one kind: texts or numbers.
impl Decode for model::Attribute {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        const WHAT: &str = "a text, a number, or a list of them";
        let Content::List(items) = &node.content else {
            let scalar = scalar(node, WHAT, "write a value, or a list: `[1, 2]`", report)?;
            if scalar.literal() == Literal::Null {
                report.expected(node, WHAT, "give a value; the word `null` goes into quotes");
                return None;
            }
            return Some(match scalar.literal() {
                Literal::Int(v) => model::Attribute::Ints(vec![v]),
                Literal::Float(v) => model::Attribute::Floats(vec![v]),
                _ => model::Attribute::Text(scalar.text.clone()),
            });
        };
        let (mut ints, mut floats, mut texts) = (Vec::new(), Vec::new(), Vec::new());
        for item in items {
            match self::scalar(item, "a text or a number", "a list has values alone", report)?.literal() {
                Literal::Int(v) => {
                    ints.push(v);
                    floats.push(v as f64);
                }
                Literal::Float(v) => floats.push(v),
                Literal::Text(v) => texts.push(v.to_string()),
                Literal::Bool(_) | Literal::Null => {
                    report.expected(item, "a text or a number", "put it into quotes if it is meant as text");
                    return None;
                }
            }
        }
        if items.is_empty() {
            report.error(node.span, "a list without values", "give one, or remove the key");
            return None;
        }
        match (texts.is_empty(), floats.is_empty()) {
            (true, _) if ints.len() == items.len() => Some(model::Attribute::Ints(ints)),
            (true, _) => Some(model::Attribute::Floats(floats)),
            (false, true) => Some(model::Attribute::Texts(texts)),
            (false, false) => {
                report.error(node.span, "texts and numbers in one list", "put the numbers into quotes");
                None
            }
        }
    }
}

schema!(model::Attribute, "Attribute", {
    "description": "A text, a number, or a list of texts or of numbers.",
    "anyOf": [
        { "type": ["string", "number", "boolean"] },
        { "type": "array", "minItems": 1, "items": { "type": "string" } },
        { "type": "array", "minItems": 1, "items": { "type": "number" } },
    ],
});

/// A name with placeholders: `{site}/{start:%Y%m%d}.nc`.
#[derive(Clone, Debug, PartialEq)]
pub struct TemplateText(pub Template);

impl Decode for TemplateText {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        let written = text(node, "a path with placeholders", "put it into quotes", report)?;
        match Template::parse(written) {
            Ok(template) => Some(TemplateText(template)),
            Err(fault) => {
                report.error(span_within(node, &fault.at), fault.why, fault.help);
                None
            }
        }
    }
}

/// The place of a part of a text, where it stands as it is written.
fn span_within(node: &Node, at: &std::ops::Range<usize>) -> Span {
    let verbatim = match &node.content {
        Content::Scalar(scalar) => scalar.verbatim,
        _ => None,
    };
    let Some(offset) = verbatim else { return node.span };
    let start = node.span.start + offset;
    Span { start: start + at.start, end: start + at.end }
}

schema!(TemplateText, "Template", {
    "description": "A path with placeholders: `{site}/{start:%Y%m%d}.nc`.",
    "type": "string",
});

/// What stands for a missing value: a number or `nan`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FillValue(pub f64);

impl Decode for FillValue {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        if let Content::Scalar(s) = &node.content
            && s.text.trim_start_matches('.').eq_ignore_ascii_case("nan")
        {
            return Some(FillValue(f64::NAN));
        }
        f64::decode(node, report).map(FillValue)
    }
}

schema!(FillValue, "Fill", {
    "description": "A number, or `nan`.",
    "anyOf": [{ "type": "number" }, { "enum": ["nan", "NaN", ".nan", ".NaN"] }],
});

const KINDS: [&str; 11] = [
    "string",
    "bool",
    "int",
    "int32",
    "float",
    "float32",
    "decimal(p,s)",
    "date",
    "timestamp",
    "json",
    "binary",
];

/// The type that a word names; aliases are those of common SQL dialects.
pub fn parse_kind(word: &str) -> Option<Kind> {
    let lower = word.trim().to_ascii_lowercase();
    if let Some(inner) = lower.strip_prefix("decimal").or_else(|| lower.strip_prefix("numeric")) {
        let inner = inner.trim().strip_prefix('(')?.strip_suffix(')')?;
        let (precision, scale) = inner.split_once(',').unwrap_or((inner, "0"));
        let precision: u8 = precision.trim().parse().ok()?;
        let scale: i8 = scale.trim().parse().ok()?;
        let fits = (1..=38).contains(&precision) && (0..=precision as i8).contains(&scale);
        return fits.then_some(Kind::Decimal(precision, scale));
    }
    Some(match lower.as_str() {
        "string" | "text" | "varchar" | "char" | "utf8" => Kind::String,
        "bool" | "boolean" => Kind::Bool,
        "int" | "int64" | "bigint" | "long" | "integer" => Kind::Int,
        "int32" => Kind::Int32,
        "float" | "float64" | "double" => Kind::Float,
        "float32" | "real" => Kind::Float32,
        "date" => Kind::Date,
        "timestamp" | "datetime" => Kind::Timestamp,
        "json" => Kind::Json,
        "binary" | "bytes" => Kind::Binary,
        _ => return None,
    })
}

impl Decode for Kind {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        const WHAT: &str = "a type";
        let list = format!("types: {}", KINDS.join(", "));
        let word = text(node, WHAT, &list, report)?;
        if let Some(kind) = parse_kind(word) {
            return Some(kind);
        }
        let help = if word.starts_with("decimal(") && !word.ends_with(')') {
            "within braces the comma ends the value: put it into quotes, 'decimal(10,2)'".into()
        } else if word.starts_with("decimal") {
            "write `decimal(precision,scale)`: precision 1 to 38, scale 0 to the precision".into()
        } else {
            match nearest(word, KINDS) {
                Some(near) => format!("did you mean `{near}`?"),
                None => list,
            }
        };
        report.error(node.span, format!("`{word}` is not a type"), help);
        None
    }
}

/// A pattern for these words in small letters or capitals: patterns of JSON
/// Schema have no flag for it.
fn any_case(words: &[&str]) -> String {
    let letter = |c: char| match c.is_ascii_alphabetic() {
        true => format!("[{c}{}]", c.to_ascii_uppercase()),
        false => c.to_string(),
    };
    let words: Vec<String> = words.iter().map(|w| w.chars().map(letter).collect()).collect();
    format!("^({})$", words.join("|"))
}

schema!(Kind, "Type", {
    "description": "The type of a column.",
    "type": "string",
    "anyOf": [
        // What editors offer; then what is taken as well, in capitals too.
        { "enum": ["string", "bool", "int", "int32", "float", "float32", "date", "timestamp", "json", "binary"] },
        { "pattern": any_case(&["string", "bool", "int", "int32", "float", "float32", "date", "timestamp",
            "json", "binary", "text", "varchar", "char", "utf8", "boolean", "int64", "bigint", "long", "integer",
            "double", "float64", "real", "datetime", "bytes"]) },
        { "pattern": "^([dD][eE][cC][iI][mM][aA][lL]|[nN][uU][mM][eE][rR][iI][cC]) *\\( *[0-9]+ *(, *[0-9]+ *)?\\)$" },
    ],
});

/// What a table's files are laid out by: `city`, `day(time)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionWord(pub model::PartitionBy);

impl Decode for PartitionWord {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        let word = text(node, "a column, or `day(column)`", "", report)?.trim();
        let Some((unit, rest)) = word.split_once('(') else {
            return Some(PartitionWord(model::PartitionBy::Column(word.to_string())));
        };
        let column = rest.strip_suffix(')').map(str::trim).filter(|c| !c.is_empty());
        let known = match unit.trim() {
            "hour" => Some(TimeUnit::Hour),
            "day" => Some(TimeUnit::Day),
            "month" => Some(TimeUnit::Month),
            _ => None,
        };
        match (known, column) {
            (Some(unit), Some(column)) => {
                Some(PartitionWord(model::PartitionBy::Time { column: column.to_string(), unit }))
            }
            _ => {
                let help = "write a column, or `hour(column)`, `day(column)`, `month(column)`";
                report.error(node.span, format!("`{word}` cannot be partitioned by"), help);
                None
            }
        }
    }
}

schema!(PartitionWord, "Partition", {
    "description": "A column, or `hour(column)`, `day(column)`, `month(column)` of a time column.",
    "type": "string",
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, want) in [
            ("0B", Some(0)),
            ("512MiB", Some(512 << 20)),
            ("1GB", Some(1_000_000_000)),
            ("1.5 KiB", Some(1536)),
            ("12", None),
            ("MiB", None),
            ("-1B", None),
            ("1 parsec", None),
            ("99999999999TiB", None),
        ] {
            assert_eq!(parse_size(text), want, "{text}");
        }
    }

    #[test]
    fn durations() {
        let ms = |n| Some(Duration::from_millis(n));
        for (text, want) in [
            ("250ms", ms(250)),
            ("30s", ms(30_000)),
            ("1h30m", ms(5_400_000)),
            ("7d", ms(604_800_000)),
            ("1 d 2 h", ms(93_600_000)),
            ("", None),
            ("30", None),
            ("s", None),
            ("1.5h", None),
            ("1y", None),
            ("99999999999999999999d", None),
            ("9999999999999999999d", None),
        ] {
            assert_eq!(parse_lapse(text), want, "{text}");
        }
    }

    #[test]
    fn kinds() {
        for (text, want) in [
            ("decimal(10,2)", Some(Kind::Decimal(10, 2))),
            ("DECIMAL( 38 , 38 )", Some(Kind::Decimal(38, 38))),
            ("decimal(5)", Some(Kind::Decimal(5, 0))),
            ("decimal(39,2)", None),
            ("decimal(3,4)", None),
            ("decimal", None),
            ("BIGINT", Some(Kind::Int)),
            ("real", Some(Kind::Float32)),
            ("stirng", None),
        ] {
            assert_eq!(parse_kind(text), want, "{text}");
        }
    }

    #[test]
    fn better_names() {
        for (text, want) in [
            ("My Data", Some("my_data")),
            ("a--b", Some("a_b")),
            ("2020", Some("n2020")),
            ("_x_", Some("x")),
            ("é", None),
        ] {
            assert_eq!(as_name(text).as_deref(), want, "{text}");
        }
    }
}
