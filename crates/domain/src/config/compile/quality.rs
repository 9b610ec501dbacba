//! `coordinates:` and `quality:` to checks, each with its columns and its bits.

use std::collections::HashMap;

use indexmap::IndexMap;

use super::columns::{is_number, is_time};
use super::meant;
use super::tables::Names;
use crate::config::decode::{At, Many, OneOrMany, Reporter, Slot};
use crate::config::diagnostic::Span;
use crate::config::raw::{CheckedColumns, NullIs, QualityKeys};
use crate::model::{
    Assessment, Column, Flags, Kind, Level, Order, Quality, QualityCheck, Table, Then, qc_name,
};

/// Bits of a flag that is a 32-bit integer without its sign.
const BITS: u32 = 31;

/// The columns that say where a value belongs.
pub(super) fn coordinates(
    slot: &Slot<OneOrMany<String>>,
    names: &Names,
    report: &mut Reporter,
) -> Vec<String> {
    let Some(at) = slot.at() else { return default_coordinates(names.columns) };
    if at.value.0.is_empty() {
        report.error(at.span, "no coordinate is named", "name a column, or remove the key");
    }
    let mut found: Vec<String> = Vec::new();
    for column in &at.value.0.items {
        names.check(&column.value, column.span, report);
        if found.contains(&column.value) {
            report.error(column.span, format!("`{}` is named twice", column.value), "name it once");
        }
        found.push(column.value.clone());
    }
    found
}

/// The first column that is declared as an instant.
pub(super) fn default_coordinates(columns: &[Column]) -> Vec<String> {
    columns.iter().filter(|c| c.kind == Some(Kind::Timestamp)).map(|c| c.name.clone()).take(1).collect()
}

/// The checks of a table. `before` is the table without them; its coordinates are
/// right or were complained about.
pub(super) fn compile(
    list: &Many<QualityKeys>,
    before: &Table,
    names: &Names,
    report: &mut Reporter,
) -> Vec<Quality> {
    let coordinates = &before.coordinates;
    let mut found: Vec<(Quality, Span)> = Vec::new();
    let mut meant_by: Vec<Bits> = Vec::new();
    for at in &list.items {
        let Some((quality, bits)) = one(at, coordinates, names, report) else { continue };
        let name = unique(quality.name.clone(), &quality.columns, &found);
        if name != quality.name
            && let Some(given) = at.value.name.at()
        {
            let message = format!("two checks of one column are called `{}`", quality.name);
            report.error(given.span, message, "rename one of them");
        }
        found.push((Quality { name, ..quality }, at.span));
        meant_by.push(bits);
    }
    give_bits(&mut found, &meant_by, before, report);
    let found: Vec<Quality> = found.into_iter().map(|(quality, _)| quality).collect();
    check_flag_columns(&found, names, report);
    found
}

/// What bits a check is to have.
struct Bits {
    /// From 0, and where it is written.
    written: Option<(u32, Span)>,
    columns: Vec<String>,
}

fn one(
    at: &At<QualityKeys>,
    coordinates: &[String],
    names: &Names,
    report: &mut Reporter,
) -> Option<(Quality, Bits)> {
    let keys = &at.value;
    let check = check(at, report)?;
    let then = then(keys, report);
    let (meant, by_name) = columns(at, coordinates, names, report)?;
    check_then(keys, &then, &meant, coordinates, report);
    let declared = |name: &str| names.column(name);
    let mut applies = Vec::new();
    for (column, span) in &meant {
        let Some(spec) = declared(column) else { continue };
        match unfit(&check, &then, spec) {
            // `all` are those that it can apply to.
            Some(_) if !by_name => continue,
            Some((why, help)) => report.error(*span, format!("the column `{column}` {why}"), help),
            None if check.needs_threshold() && check.threshold(spec).is_none() => {
                if by_name && keys.bit.is_absent() {
                    let (key, help) = threshold_key(&check);
                    report.error(*span, format!("the column `{column}` has no {key}"), help);
                }
            }
            None => applies.push(column.clone()),
        }
    }
    let flags = then.contains(&Then::Flag);
    let written = keys.bit.at().and_then(|at| bit(at, flags, report));
    let bits = Bits {
        written,
        columns: match (flags, written) {
            (false, _) => Vec::new(),
            (true, Some(_)) => meant.into_iter().map(|(column, _)| column).collect(),
            (true, None) => applies.clone(),
        },
    };
    let default = match &check {
        QualityCheck::Min(Level::Warn)
        | QualityCheck::Max(Level::Warn)
        | QualityCheck::Delta(Level::Warn)
        | QualityCheck::Std(Level::Warn) => Assessment::Indeterminate,
        _ => Assessment::Bad,
    };
    let quality = Quality {
        name: keys.name.get().map_or_else(|| check.word(), |name| name.0.clone()),
        columns: applies,
        bits: IndexMap::new(),
        then,
        assessment: keys.assessment.get().copied().unwrap_or(default),
        meaning: keys.meaning.get().cloned().unwrap_or_else(|| made_meaning(&check)),
        correction: keys.correction.get().cloned(),
        tolerate: keys.tolerate.get().map(|share| share.0),
        null_fails: keys.null_is.get() == Some(&NullIs::Fail),
        check,
    };
    Some((quality, bits))
}

fn check(at: &At<QualityKeys>, report: &mut Reporter) -> Option<QualityCheck> {
    let keys = &at.value;
    let check = match (&keys.check, &keys.sql) {
        (Slot::Absent, Slot::Absent) => {
            let help = "add `check: …`, such as `check: missing`, or `sql: …`";
            report.error(at.span, "this checks nothing", help);
            return None;
        }
        (Slot::Given(_), Slot::Given(sql)) => {
            report.error(sql.span, "`sql` stands beside `check`", "make a check of each");
            return None;
        }
        (Slot::Given(word), _) => word.value.0.clone(),
        (_, Slot::Given(sql)) => {
            if sql.value.trim().is_empty() {
                report.error(sql.span, "the predicate is empty", "write one, such as `depth > 0`");
            }
            QualityCheck::Sql(sql.value.clone())
        }
        _ => return None,
    };
    if check == QualityCheck::Missing
        && let Some(null_is) = keys.null_is.at()
    {
        report.error(null_is.span, "`missing` is about missing values already", "remove `null_is`");
    }
    Some(check)
}

fn then(keys: &QualityKeys, report: &mut Reporter) -> Vec<Then> {
    let Some(at) = keys.then.at() else { return vec![Then::Flag] };
    if at.value.0.is_empty() {
        report.error(at.span, "nothing follows", "name what follows, such as `flag`, or remove the key");
    }
    let mut found: Vec<Then> = Vec::new();
    for word in &at.value.0.items {
        let same = |t: &Then| match word.value {
            Then::Sort { .. } => matches!(t, Then::Sort { .. }),
            other => *t == other,
        };
        if found.iter().any(same) {
            report.error(word.span, format!("`{}` comes twice", word.value.word()), "name it once");
        }
        found.push(word.value);
    }
    found
}

/// Reports keys that mean nothing for what follows.
fn check_then(
    keys: &QualityKeys,
    then: &[Then],
    meant: &[(String, Span)],
    coordinates: &[String],
    report: &mut Reporter,
) {
    if keys.then.is_wrong() {
        return;
    }
    if let Some(at) = keys.tolerate.at()
        && !then.contains(&Then::Fail)
    {
        report.error(
            at.span,
            "`tolerate` is for `fail`, which does not follow here",
            "add `fail` to `then`, or remove it",
        );
    }
    if let Some(at) = keys.correction.at()
        && !then.iter().any(|t| t.corrects())
    {
        report.error(
            at.span,
            "`correction` says what was done, and nothing is",
            "add `remove`, `interpolate` or `sort` to `then`, or remove it",
        );
    }
    let Some(at) = keys.then.at() else { return };
    for word in &at.value.0.items {
        let of_coordinate = |c: &&(String, Span)| coordinates.contains(&c.0);
        match word.value {
            Then::Sort { .. } => {
                if let Some((column, _)) = meant.iter().find(|c| !coordinates.contains(&c.0)) {
                    let message = format!("rows are sorted by a coordinate, and `{column}` is none");
                    report.error(
                        word.span,
                        message,
                        "write `columns: coordinates`, or add it to `coordinates`",
                    );
                }
            }
            Then::Interpolate => {
                if let Some((column, _)) = meant.iter().find(of_coordinate) {
                    let message = format!("the coordinate `{column}` is not interpolated");
                    report.error(word.span, message, "use `remove`, `sort` or `fail` for coordinates");
                }
                if coordinates.is_empty() {
                    report.error(
                        word.span,
                        "nothing says along what to interpolate",
                        "add `coordinates: …`, or declare a column of type `timestamp`",
                    );
                }
            }
            _ => {}
        }
    }
}

/// The columns that are meant and where they are written, and whether by their names.
fn columns(
    at: &At<QualityKeys>,
    coordinates: &[String],
    names: &Names,
    report: &mut Reporter,
) -> Option<(Vec<(String, Span)>, bool)> {
    let keys = &at.value;
    let columns = keys.columns.at()?;
    let (mut found, by_name): (Vec<(String, Span)>, bool) = match &columns.value {
        CheckedColumns::All => {
            if names.columns.is_empty() {
                report.error(columns.span, "no column is declared", "declare those to check under `columns`");
            }
            let all = names.columns.iter().filter(|c| !coordinates.contains(&c.name));
            (all.map(|c| (c.name.clone(), columns.span)).collect(), false)
        }
        CheckedColumns::Coordinates => {
            if coordinates.is_empty() {
                report.error(
                    columns.span,
                    "the table has no coordinates",
                    "add `coordinates: …`, or declare a column of type `timestamp`",
                );
                return None;
            }
            let all = coordinates.iter().map(|c| (c.clone(), columns.span)).collect();
            (all, true)
        }
        CheckedColumns::Named(list) => {
            if list.is_empty() {
                report.error(columns.span, "no column is named", "name one, or write `columns: all`");
            }
            (list.items.iter().map(|c| (c.value.clone(), c.span)).collect(), true)
        }
    };
    let known = || names.columns.iter().map(|c| c.name.as_str());
    for (n, (column, span)) in found.iter().enumerate() {
        if names.column(column).is_none() {
            let otherwise = format!("declare it under `columns`, as `{column}:` at least");
            let help = meant(column, known(), &otherwise);
            report.error(
                *span,
                format!("`{column}` is not a declared column, and only those are checked"),
                help,
            );
        } else if found[..n].iter().any(|(c, _)| c == column) {
            report.error(*span, format!("`{column}` is named twice"), "name it once");
        }
    }
    for except in keys.except.get().into_iter().flat_map(|list| &list.0.items) {
        match found.iter().position(|(c, _)| *c == except.value) {
            Some(n) => drop(found.remove(n)),
            None => {
                let help = meant(&except.value, found.iter().map(|(c, _)| c.as_str()), "remove it");
                let message = format!("`{}` is not among the columns that are checked", except.value);
                report.error(except.span, message, help);
            }
        }
    }
    // In the table's order, whatever the order written: what a check does must
    // not depend on it.
    found.sort_by_key(|(c, _)| names.columns.iter().position(|d| d.name == *c));
    found.dedup_by(|a, b| a.0 == b.0);
    Some((found, by_name))
}

/// Why a check, or what follows it, is nothing for a column by its type.
fn unfit(check: &QualityCheck, then: &[Then], column: &Column) -> Option<(&'static str, &'static str)> {
    let kind = column.kind?;
    let number = is_number(kind);
    match check {
        QualityCheck::Missing | QualityCheck::Sql(_) => {}
        QualityCheck::Ordered(_) if number || is_time(kind) => {}
        QualityCheck::Ordered(_) => {
            return Some(("has no order", "make its type a number or a time, or leave it out"));
        }
        _ if number => {}
        _ => return Some(("is no number", "make its type `float` or `int`, or leave it out")),
    }
    (then.contains(&Then::Interpolate) && !matches!(kind, Kind::Float | Kind::Float32))
        .then_some(("cannot be interpolated", "make its type `float`, or leave it out"))
}

/// The key of the threshold that a check needs, and how to mend its absence.
fn threshold_key(check: &QualityCheck) -> (String, String) {
    let of = |level: &Level, side: &str, example: &str| {
        let key = format!("{}_range", level.name());
        (
            format!("{side} in `{key}`"),
            format!("add `{key}: {example}` to it under `columns`, or leave it out"),
        )
    };
    match check {
        QualityCheck::Min(level) => of(level, "least value", "[least, null]"),
        QualityCheck::Max(level) => of(level, "greatest value", "[null, greatest]"),
        other => {
            let key = other.word();
            (format!("`{key}`"), format!("add `{key}: …` to it under `columns`, or leave it out"))
        }
    }
}

/// A written bit, from 0.
fn bit(at: &At<u64>, flags: bool, report: &mut Reporter) -> Option<(u32, Span)> {
    if !flags {
        report.error(
            at.span,
            "`bit` is for `flag`, which does not follow here",
            "add `flag` to `then`, or remove it",
        );
        return None;
    }
    match u32::try_from(at.value) {
        Ok(n @ 1..=BITS) => Some((n - 1, at.span)),
        _ => {
            report.error(at.span, format!("there is no bit {}", at.value), format!("bits are 1 to {BITS}"));
            None
        }
    }
}

/// Gives every flag its bit: written ones first, then each column's next free
/// ones in the order of the checks.
fn give_bits(found: &mut [(Quality, Span)], meant_by: &[Bits], before: &Table, report: &mut Reporter) {
    let prior: HashMap<&String, Flags> = meant_by
        .iter()
        .flat_map(|bits| &bits.columns)
        .filter_map(|column| Some((column, before.flags_of(column)?)))
        .collect();
    let prior_meaning = |column: &String, bit: u32| {
        let flags = prior.get(column)?;
        let at = flags.masks.iter().position(|mask| *mask == 1 << bit)?;
        Some(flags.meanings[at].as_str())
    };
    // By column and bit, the check that has it.
    let mut taken: HashMap<(&str, u32), usize> = HashMap::new();
    for (n, bits) in meant_by.iter().enumerate() {
        let Some((bit, span)) = bits.written else { continue };
        for column in &bits.columns {
            if let Some(meaning) = prior_meaning(column, bit) {
                let message = format!("bit {} of `{}` has another meaning already", bit + 1, qc_name(column));
                let help = format!("it is `{meaning}`; choose another bit, or leave `bit` out");
                report.error(span, message, help);
                continue;
            }
            let other = *taken.entry((column, bit)).or_insert(n);
            let (a, b) = (&found[other].0, &found[n].0);
            if (&a.meaning, a.assessment) != (&b.meaning, b.assessment) {
                let message = format!("bit {} of `{}` has another meaning already", bit + 1, qc_name(column));
                let help = format!("it is `{}`; choose another bit, or leave `bit` out", a.meaning);
                report.error(span, message, help);
            }
        }
        let given = bits.columns.iter().map(|column| (column.clone(), bit)).collect();
        found[n].0.bits = given;
    }
    for (n, bits) in meant_by.iter().enumerate().filter(|(_, bits)| bits.written.is_none()) {
        for column in &bits.columns {
            let is_free = |bit: &u32| {
                !taken.contains_key(&(column.as_str(), *bit)) && prior_meaning(column, *bit).is_none()
            };
            let Some(bit) = (0..BITS).find(is_free) else {
                let message = format!("`{}` has {BITS} flags already", qc_name(column));
                report.error(
                    found[n].1,
                    message,
                    "let checks share a `bit` and a `meaning`, or leave some out",
                );
                continue;
            };
            taken.insert((column, bit), n);
            found[n].0.bits.insert(column.clone(), bit);
        }
    }
}

/// The columns of flags must not be called as others.
fn check_flag_columns(found: &[Quality], names: &Names, report: &mut Reporter) {
    for column in names.columns {
        let is_flags = |of: &String| qc_name(of).eq_ignore_ascii_case(&column.name);
        if let Some(of) = found.iter().flat_map(|q| q.bits.keys()).find(|of| is_flags(of)) {
            let message = format!("`{}` is the column of the flags of `{of}`", column.name);
            let help = format!(
                "rename the declared column: `{}_given: {{ from: {} }}`",
                column.name,
                column.source()
            );
            report.error(names.span_of(&column.name), message, help);
        }
    }
}

/// A name that no other check has for one of the columns.
fn unique(base: String, columns: &[String], found: &[(Quality, Span)]) -> String {
    let taken = |name: &str| {
        found.iter().any(|(q, _)| q.name == name && q.columns.iter().any(|c| columns.contains(c)))
    };
    if !taken(&base) {
        return base;
    }
    let numbered = (2..).map(|n| format!("{base}_{n}")).find(|name| !taken(name));
    numbered.expect("there are more numbers than checks")
}

fn made_meaning(check: &QualityCheck) -> String {
    match check {
        QualityCheck::Missing => "Value is missing".into(),
        QualityCheck::Ordered(Order::Increasing) => "Value does not increase".into(),
        QualityCheck::Ordered(Order::Decreasing) => "Value does not decrease".into(),
        QualityCheck::Ordered(Order::Majority) => "Value breaks the order of the others".into(),
        QualityCheck::Min(level) => format!("Value is less than the {}_range", level.name()),
        QualityCheck::Max(level) => format!("Value is greater than the {}_range", level.name()),
        QualityCheck::Delta(level) => {
            format!("Value differs from the one before by more than {}_delta", level.name())
        }
        QualityCheck::Std(level) => {
            format!("Value is more than {}_std standard deviations above the mean", level.name())
        }
        QualityCheck::Despike => "Value is a spike".into(),
        QualityCheck::Sql(sql) => format!("Not so: {sql}"),
    }
}
