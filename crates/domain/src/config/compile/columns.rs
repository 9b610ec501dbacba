//! `columns:` and `input:` to columns.

use indexmap::IndexMap;
use jiff::fmt::strtime::BrokenDownTime;

use crate::config::decode::{Named, Pair, Reporter, Slot};
use crate::config::diagnostic::Span;
use crate::config::raw::{ColumnDecl, ColumnKeys};
use crate::config::yaml::Key;
use crate::model::{Attribute, Column, Kind, Range, Scalar};
use crate::units::{Conversion, ConversionError, Unit};

/// Columns that the lake itself adds to every table.
pub(super) const RESERVED: [&str; 5] = ["_file_id", "_row", "_loaded_at", "_rescued", "_flags"];
/// Those of them that a dataset may turn off.
pub(super) const PROVENANCE: [&str; 3] = ["_file_id", "_row", "_loaded_at"];
/// Characters that Delta does not allow in a name without column mapping.
const ILLEGAL: &[char] = &[' ', ',', ';', '{', '}', '(', ')', '\n', '\t', '='];

/// Where a column's name comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A column of a table.
    Table,
    /// A column of the file, seen by a transform; any name is right.
    Input,
    /// A named group of `match`.
    Group,
    /// A value of a site.
    Site,
}

/// Reports a name that no column of a table can have.
pub(super) fn check_name(name: &str, span: Span, role: Role, report: &mut Reporter) -> bool {
    if name.is_empty() {
        report.error(span, "a column without a name", "give it one");
        return false;
    }
    if RESERVED.iter().any(|r| r.eq_ignore_ascii_case(name)) {
        let help = format!("choose another name: {} are the lake's own", RESERVED.join(", "));
        report.error(span, format!("a column cannot be called `{name}`"), help);
        return false;
    }
    let bad = |c: char| ILLEGAL.contains(&c) || c.is_control();
    if role == Role::Input || !name.contains(bad) {
        return true;
    }
    let words: Vec<&str> = name.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
    let better = if words.is_empty() { "a_name".to_string() } else { words.join("_") };
    let help = match role {
        Role::Table => {
            format!("name it `{better}` and say where it comes from: `{better}: {{ from: '{name}' }}`")
        }
        _ => format!("name it `{better}`"),
    };
    report.error(span, format!("a table's column cannot be called `{name}`"), help);
    false
}

/// Every column that is declared, in order. Those that are wrong have their
/// name at least, so that nothing complains of their absence.
pub(super) fn compile(Named(entries): &Named<ColumnDecl>, role: Role, report: &mut Reporter) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    for (key, slot) in entries {
        check_name(&key.text, key.span, role, report);
        // Engines that read the tables do not tell capitals from small letters.
        let same = |c: &&Column| c.name.eq_ignore_ascii_case(&key.text);
        if let Some(other) = columns.iter().find(same)
            && role == Role::Table
        {
            let message = format!("`{}` and `{}` are the same column to most engines", key.text, other.name);
            report.error(key.span, message, "rename one of them");
        }
        columns.push(match slot {
            Slot::Given(at) => column(key, &at.value.0, role, report),
            Slot::Wrong | Slot::Absent => Column::named(&key.text),
        });
    }
    columns
}

fn column(key: &Key, keys: &ColumnKeys, role: Role, report: &mut Reporter) -> Column {
    // A transform's input is text where nothing else is said of it; what has a
    // unit is a number.
    let of_unit = (role == Role::Input && keys.from_unit.get().is_some()).then_some(Kind::Float);
    let kind = keys.kind.get().copied().or(of_unit);
    if let Some(kind) = kind {
        check_fit(kind, keys, report);
    }
    let inputs = inputs(keys, report);
    Column {
        name: key.text.clone(),
        kind,
        from: inputs.first().cloned(),
        or_from: inputs.into_iter().skip(1).collect(),
        nulls: keys.nulls.get().map_or(Vec::new(), |n| n.0.items.iter().map(|s| s.value.0.clone()).collect()),
        format: keys.format.get().cloned(),
        timezone: keys.timezone.get().map(|z| z.0.clone()),
        unit: keys.unit.get().map(|u| u.0.clone()),
        conversion: conversion(kind, keys, report),
        stated_unit: is_stated(keys),
        default: keys.default.get().cloned(),
        description: keys.description.get().cloned(),
        valid_range: range(&keys.valid_range, report),
        fail_range: range(&keys.fail_range, report),
        warn_range: range(&keys.warn_range, report),
        valid_delta: distance(&keys.valid_delta, report),
        fail_delta: distance(&keys.fail_delta, report),
        warn_delta: distance(&keys.warn_delta, report),
        valid_std: distance(&keys.valid_std, report),
        fail_std: distance(&keys.fail_std, report),
        warn_std: distance(&keys.warn_std, report),
        attributes: attributes(keys, report),
    }
}

/// The input columns, in the order in which they are tried.
fn inputs(keys: &ColumnKeys, report: &mut Reporter) -> Vec<String> {
    let mut inputs: Vec<String> = Vec::new();
    let Some(at) = keys.from.at() else { return inputs };
    for input in &at.value.0.items {
        if inputs.contains(&input.value.0) {
            report.error(input.span, format!("`{}` is named twice", input.value.0), "name it once");
        }
        inputs.push(input.value.0.clone());
    }
    if at.value.0.is_empty() {
        report.error(at.span, "`from` names no column", "name one, or remove `from`");
    }
    inputs
}

/// The unit that a file states.
const STATED: &str = "stated";

fn is_stated(keys: &ColumnKeys) -> bool {
    keys.from_unit.get().is_some_and(|unit| unit.0 == STATED)
}

pub(super) fn is_time(kind: Kind) -> bool {
    matches!(kind, Kind::Date | Kind::Timestamp)
}

pub(super) fn is_number(kind: Kind) -> bool {
    matches!(kind, Kind::Int | Kind::Int32 | Kind::Float | Kind::Float32 | Kind::Decimal(..))
}

/// The conversion that `from_unit` asks for. A unit without it is kept with the
/// column and may be any text: amounts of money and scores have units too.
fn conversion(kind: Option<Kind>, keys: &ColumnKeys, report: &mut Reporter) -> Option<Conversion> {
    let from = keys.from_unit.at()?;
    if let Some(kind) = kind
        && !matches!(kind, Kind::Float | Kind::Float32)
    {
        let help = "make its type `float` or `float32`, or remove `from_unit`";
        report.error(from.span, "`from_unit` is for a column of floating point, and this one is none", help);
        return None;
    }
    let Some(to) = keys.unit.at() else {
        // A unit that is wrong was complained about.
        if keys.unit.is_absent() {
            let help = "add `unit: …`, the unit of the values in the table";
            report.error(from.span, "`from_unit` stands without `unit`", help);
        }
        return None;
    };
    if is_stated(keys) {
        if let Err(unit) = Unit::parse(&to.value.0) {
            report.error(to.span, unit.to_string(), unit.help());
        }
        return None;
    }
    match Conversion::between(&from.value.0, &to.value.0) {
        Ok(conversion) => Some(conversion),
        Err(e) => {
            let at = if matches!(e, ConversionError::To(_)) { to } else { from };
            let (message, help) = refused(&e, &from.value.0, &to.value.0);
            report.error(at.span, message, help);
            None
        }
    }
}

/// What is said of units that have no conversion.
fn refused(e: &ConversionError, from: &str, to: &str) -> (String, String) {
    match e {
        ConversionError::From(unit) | ConversionError::To(unit) => (unit.to_string(), unit.help()),
        ConversionError::Different { from: a, to: b } => {
            let letter =
                |text: &str, letter: &str| text.split(|c: char| !c.is_alphabetic()).any(|w| w == letter);
            let help = if letter(from, "C") || letter(to, "C") {
                "`C` is the coulomb; degrees are `degC`".to_string()
            } else if letter(from, "F") || letter(to, "F") {
                "`F` is the farad; degrees are `degF`".to_string()
            } else {
                format!("in base units the one is `{a}`, the other `{b}`")
            };
            (format!("`{from}` and `{to}` measure different things"), help)
        }
        ConversionError::TooGreat => (
            format!("the factor from `{from}` to `{to}` is beyond what is computed"),
            "write simpler units".into(),
        ),
    }
}

/// Reports keys that mean nothing for a column's type.
fn check_fit(kind: Kind, keys: &ColumnKeys, report: &mut Reporter) {
    let spans = [
        ("format", keys.format.at().map(|at| at.span), is_time(kind), "date or timestamp"),
        ("timezone", keys.timezone.at().map(|at| at.span), kind == Kind::Timestamp, "timestamp"),
    ];
    let number = is_number(kind);
    let thresholds = [
        ("valid_range", keys.valid_range.at().map(|at| at.span), number, "number"),
        ("fail_range", keys.fail_range.at().map(|at| at.span), number, "number"),
        ("warn_range", keys.warn_range.at().map(|at| at.span), number, "number"),
        ("valid_delta", keys.valid_delta.at().map(|at| at.span), number, "number"),
        ("fail_delta", keys.fail_delta.at().map(|at| at.span), number, "number"),
        ("warn_delta", keys.warn_delta.at().map(|at| at.span), number, "number"),
        ("valid_std", keys.valid_std.at().map(|at| at.span), number, "number"),
        ("fail_std", keys.fail_std.at().map(|at| at.span), number, "number"),
        ("warn_std", keys.warn_std.at().map(|at| at.span), number, "number"),
    ];
    for (key, span, fits, of) in spans.into_iter().chain(thresholds) {
        if let Some(span) = span
            && !fits
        {
            let help = format!("remove `{key}`, or make it a {of}");
            report.error(span, format!("`{key}` is for a {of}, and this column is none"), help);
        }
    }
    if let Some(at) = keys.format.at()
        && let Some((why, help)) = format_fault(kind, &at.value)
    {
        report.error(at.span, why, help);
    }
    if let Some(at) = keys.default.at()
        && !fits(kind, &at.value)
    {
        report.error(
            at.span,
            format!("the default `{}` is not of the column's type", at.value),
            "write a value of that type, or change the type",
        );
    }
}

/// Words that stand for a way of writing times.
const FORMAT_WORDS: [&str; 4] = ["iso", "unix", "unix_ms", "unix_us"];

/// Why no text that is written by a `strftime` format can become a value of this
/// type, and what to write: found by writing a time and reading it back.
fn format_fault(kind: Kind, format: &str) -> Option<(String, &'static str)> {
    const EXAMPLE: &str = "such as `%Y-%m-%d` or `%d.%m.%Y %H:%M`; without `format:` it is ISO 8601";
    if !is_time(kind) || FORMAT_WORDS.contains(&format) {
        return None;
    }
    let time = jiff::civil::date(2026, 11, 27).at(21, 34, 56, 123_456_789);
    let Ok(time) = time.to_zoned(jiff::tz::TimeZone::UTC) else { return None };
    let read = BrokenDownTime::from(&time)
        .to_string(format)
        .map_err(|_| ())
        .and_then(|text| BrokenDownTime::parse(format, text.trim()).map_err(|_| ()));
    let Ok(read) = read else {
        return Some((format!("the format `{format}` has a directive that cannot be read"), EXAMPLE));
    };
    let (makes, what) = match kind {
        Kind::Date => (read.to_date().is_ok(), "a date"),
        _ => {
            let is_instant = read.to_timestamp().is_ok() || read.to_datetime().is_ok();
            (is_instant || read.to_date().is_ok(), "an instant")
        }
    };
    let lacks = || (format!("the format `{format}` does not say enough for {what}"), EXAMPLE);
    (!makes).then(lacks)
}

/// Whether a literal can stand for a value of a type. Texts are looked at no
/// further where the type has a format of its own.
pub(super) fn fits(kind: Kind, value: &Scalar) -> bool {
    match (kind, value) {
        (Kind::String | Kind::Json | Kind::Binary | Kind::Date | Kind::Timestamp, Scalar::Text(_)) => true,
        (Kind::Bool, Scalar::Bool(_)) | (Kind::Int, Scalar::Int(_)) => true,
        (Kind::Int32, Scalar::Int(v)) => i32::try_from(*v).is_ok(),
        (Kind::Float | Kind::Float32 | Kind::Decimal(..), Scalar::Int(_) | Scalar::Float(_)) => true,
        (Kind::Decimal(..), Scalar::Text(text)) => text.parse::<f64>().is_ok_and(f64::is_finite),
        _ => false,
    }
}

fn range(slot: &Slot<Pair<f64>>, report: &mut Reporter) -> Option<Range> {
    let at = slot.at()?;
    let Pair(min, max) = at.value;
    let fault = if [min, max].into_iter().flatten().any(f64::is_nan) {
        ("NaN compares with nothing", "write a number, or `null` for an open side")
    } else if min.zip(max).is_some_and(|(min, max)| min > max) {
        ("the least value is greater than the greatest", "write `[least, greatest]`")
    } else if min.is_none() && max.is_none() {
        ("a range without bounds holds for everything", "give one bound at least")
    } else {
        return Some(Range { min, max });
    };
    report.error(at.span, fault.0, fault.1);
    None
}

/// A threshold that is no value of the column but a distance.
fn distance(slot: &Slot<f64>, report: &mut Reporter) -> Option<f64> {
    let at = slot.at()?;
    let is_distance = at.value >= 0.0;
    if !is_distance {
        report.error(at.span, "a distance is 0 or more", "write it without a sign");
    }
    is_distance.then_some(at.value)
}

fn attributes(keys: &ColumnKeys, report: &mut Reporter) -> IndexMap<String, Attribute> {
    let mut attributes = IndexMap::new();
    for (name, slot) in [("standard_name", &keys.standard_name), ("long_name", &keys.long_name)] {
        if let Some(value) = slot.get() {
            attributes.insert(name.to_string(), Attribute::Text(value.clone()));
        }
    }
    for (key, slot) in keys.attributes.get().into_iter().flat_map(|named| &named.0) {
        if attributes.contains_key(&key.text) {
            report.error(
                key.span,
                format!("`{}` is given beside `attributes` already", key.text),
                "keep one",
            );
        }
        if let Some(value) = slot.get() {
            attributes.insert(key.text.clone(), value.clone());
        }
    }
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_that_no_value_can_come_from_are_told() {
        let fault = |kind, format| format_fault(kind, format).map(|(why, _)| why);
        for (kind, format) in [
            (Kind::Date, "%Y-%m-%d"),
            (Kind::Date, "%d.%m.%y"),
            (Kind::Date, "%Y%j"),
            (Kind::Date, "unix"),
            (Kind::Date, "%b %e, %Y"),
            (Kind::Timestamp, "%Y-%m-%d"),
            (Kind::Timestamp, "%Y%m%d%H%M%S"),
            (Kind::Timestamp, "%d/%m/%Y %I:%M:%S %p"),
            (Kind::Timestamp, "%A, %d %B %Y %H:%M:%S%.f %z"),
            (Kind::Timestamp, "%s"),
            (Kind::Timestamp, "unix_us"),
            (Kind::String, "%Q"),
        ] {
            assert_eq!(fault(kind, format), None, "{format}");
        }
        for (kind, format, want) in [
            (Kind::Timestamp, "%Q", "enough for an instant"),
            (Kind::Timestamp, "%H:%M", "enough for an instant"),
            (Kind::Timestamp, "%Y-%m-%d %K", "cannot be read"),
            (Kind::Timestamp, "%Y-%m-%d %Z", "cannot be read"),
            (Kind::Date, "%d", "enough for a date"),
            (Kind::Date, "%s", "enough for a date"),
            (Kind::Date, "YYYY-MM-DD", "enough for a date"),
            (Kind::Date, "%", "cannot be read"),
        ] {
            let fault = fault(kind, format).unwrap_or_default();
            assert!(fault.contains(want), "{format}: {fault}");
        }
    }
}
