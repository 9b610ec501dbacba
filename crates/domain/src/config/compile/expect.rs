//! `expect:` to expectations.

use super::columns;
use super::tables::Names;
use crate::config::decode::{At, Many, OneOrMany, Pair, Reporter};
use crate::config::diagnostic::Span;
use crate::config::raw::{ColumnsWord, ExpectKeys, Is, NullIs};
use crate::model::{Check, Columns, Expectation, Kind, OnFail, Scalar};

pub(super) fn compile(list: &[At<ExpectKeys>], names: &Names, report: &mut Reporter) -> Vec<Expectation> {
    let mut found = Vec::new();
    for at in list {
        one(at, names, &mut found, report);
    }
    found
}

/// A check with the word that it adds to a name.
type Checks = Vec<(Check, &'static str)>;

fn one(at: &At<ExpectKeys>, names: &Names, found: &mut Vec<Expectation>, report: &mut Reporter) {
    let keys = &at.value;
    let Some((key, checks)) = predicate(at, report) else { return };
    let Some(columns) = subject(at, key, names, report) else { return };
    let about_rows = key == "rows";
    let default = if about_rows { OnFail::Reject } else { OnFail::Warn };
    let on_fail = keys.on_fail.get().copied().unwrap_or(default);
    check_on_fail(keys, on_fail, about_rows, &columns, report);
    let many = checks.len() > 1;
    for (check, word) in checks {
        check_kinds(&check, &columns, at.span, names, report);
        let given = keys.name.at();
        let base = match given {
            Some(name) if many => format!("{}_{word}", name.value.0),
            Some(name) => name.value.0.clone(),
            None => made_name(&columns, word),
        };
        if let Some(name) = given
            && found.iter().any(|e| e.name == base)
        {
            report.error(name.span, format!("two expectations are called `{base}`"), "rename one of them");
        }
        found.push(Expectation {
            name: unique(base, found),
            columns: columns.clone(),
            check,
            on_fail,
            tolerate: keys.tolerate.get().map(|s| s.0),
            null_fails: keys.null_is.get() == Some(&NullIs::Fail),
        });
    }
}

/// The key that holds the predicate, and its checks; several after `is`.
fn predicate(at: &At<ExpectKeys>, report: &mut Reporter) -> Option<(&'static str, Checks)> {
    let keys = &at.value;
    let written: Vec<&'static str> = [
        ("is", keys.is.is_absent()),
        ("in_range", keys.in_range.is_absent()),
        ("in_set", keys.in_set.is_absent()),
        ("matches", keys.matches.is_absent()),
        ("unique", keys.unique.is_absent()),
        ("rows", keys.rows.is_absent()),
        ("sql", keys.sql.is_absent()),
    ]
    .into_iter()
    .filter(|(_, absent)| !absent)
    .map(|(key, _)| key)
    .collect();
    let [key] = written.as_slice() else {
        let (message, help) = if written.is_empty() {
            (
                "this expects nothing".to_string(),
                "add one of: is, in_range, in_set, matches, unique, rows, sql",
            )
        } else {
            (format!("several predicates: `{}`", written.join("`, `")), "make an expectation of each")
        };
        report.error(at.span, message, help);
        return None;
    };
    let checks = match *key {
        "is" => is(keys.is.at()?, report),
        "in_range" => vec![(range(keys.in_range.at()?, report)?, "in_range")],
        "in_set" => {
            let set = keys.in_set.at()?;
            if set.value.is_empty() {
                report.error(set.span, "no value is in an empty set", "name the values that are allowed");
            }
            vec![(Check::InSet(set.value.items.iter().map(|v| v.value.clone()).collect()), "in_set")]
        }
        "matches" => vec![(Check::Matches(keys.matches.get()?.0.clone()), "matches")],
        "unique" => vec![(Check::Unique, "unique")],
        "rows" => {
            let at = keys.rows.at()?;
            let Pair(min, max) = at.value;
            check_bounds(
                at.span,
                min.zip(max).is_some_and(|(a, b)| a > b),
                min.is_none() && max.is_none(),
                report,
            );
            vec![(Check::Rows { min, max }, "rows")]
        }
        _ => {
            let sql = keys.sql.at()?;
            if sql.value.trim().is_empty() {
                report.error(sql.span, "the predicate is empty", "write one, such as `length(name) > 2`");
            }
            vec![(Check::Sql(sql.value.clone()), "sql")]
        }
    };
    Some((key, checks))
}

fn is(at: &At<OneOrMany<Is>>, report: &mut Reporter) -> Checks {
    if at.value.0.is_empty() {
        report.error(at.span, "this expects nothing", "name what the values are, such as `present`");
    }
    at.value
        .0
        .items
        .iter()
        .map(|word| match word.value {
            Is::Present => (Check::Present, "present"),
            Is::Unique => (Check::Unique, "unique"),
            Is::Increasing => (Check::Increasing, "increasing"),
            Is::Decreasing => (Check::Decreasing, "decreasing"),
            Is::InValidRange => (Check::InValidRange, "in_valid_range"),
        })
        .collect()
}

fn check_bounds(span: Span, reversed: bool, open: bool, report: &mut Reporter) {
    if reversed {
        report.error(span, "the least value is greater than the greatest", "write `[least, greatest]`");
    } else if open {
        report.error(span, "a range without bounds holds for everything", "give one bound at least");
    }
}

fn range(at: &At<Pair<Scalar>>, report: &mut Reporter) -> Option<Check> {
    let Pair(min, max) = at.value.clone();
    let number = |s: &Scalar| match s {
        Scalar::Int(v) => Some(*v as f64),
        Scalar::Float(v) => Some(*v),
        Scalar::Bool(_) | Scalar::Text(_) => None,
    };
    for bound in [&min, &max].into_iter().flatten() {
        if let Scalar::Bool(_) = bound {
            report.error(at.span, "booleans have no range", "use `in_set: [true]` or `in_set: [false]`");
            return None;
        }
    }
    let mut reversed = false;
    if let (Some(a), Some(b)) = (&min, &max) {
        match (number(a), number(b)) {
            (Some(a), Some(b)) => reversed = a > b,
            // Whether texts are in order depends on what they stand for.
            (None, None) => {}
            _ => {
                let help = "make both numbers, or both texts (dates and times are texts)";
                report.error(at.span, "one bound is a number, the other a text", help);
                return None;
            }
        }
    }
    check_bounds(at.span, reversed, min.is_none() && max.is_none(), report);
    Some(Check::InRange { min, max })
}

/// The columns that an expectation is about; `None` where they are wrong.
fn subject(at: &At<ExpectKeys>, key: &str, names: &Names, report: &mut Reporter) -> Option<Columns> {
    let keys = &at.value;
    if keys.column.is_wrong() || keys.columns.is_wrong() || keys.unique.is_wrong() {
        return None;
    }
    let one: Option<At<String>> = keys.column.at().cloned();
    let several = keys.columns.at();
    let own = keys.unique.at();
    let given = usize::from(one.is_some()) + usize::from(several.is_some()) + usize::from(own.is_some());
    if given > 1 || (given == 1 && key == "rows") {
        let (message, help) = match key {
            "rows" => ("`rows` is about the whole file", "remove `column` or `columns`"),
            "unique" => ("`unique` names its columns itself", "remove `column` or `columns`"),
            _ => ("`column` stands beside `columns`", "keep one of them"),
        };
        report.error(at.span, message, help);
        return None;
    }
    let list: Many<String> = match (one, several, own) {
        (Some(column), _, _) => Many::one(column),
        (_, Some(At { value: ColumnsWord::All, .. }), _) => return Some(Columns::All),
        (_, Some(At { value: ColumnsWord::Named(list), .. }), _) => list.clone(),
        (_, _, Some(unique)) => unique.value.0.clone(),
        (None, None, None) if matches!(key, "rows" | "sql") => return Some(Columns::None),
        (None, None, None) => {
            report.error(at.span, format!("`{key}` of which column?"), "add `column: …` or `columns: all`");
            return None;
        }
    };
    if list.is_empty() {
        report.error(at.span, "no column is named", "name one, or write `columns: all`");
        return None;
    }
    for (n, column) in list.items.iter().enumerate() {
        names.check(&column.value, column.span, report);
        if list.items[..n].iter().any(|c| c.value == column.value) {
            report.error(column.span, format!("`{}` is named twice", column.value), "name it once");
        }
    }
    Some(Columns::Named(list.items.into_iter().map(|c| c.value).collect()))
}

fn check_on_fail(
    keys: &ExpectKeys,
    on_fail: OnFail,
    about_rows: bool,
    columns: &Columns,
    report: &mut Reporter,
) {
    let span = keys.on_fail.at().map(|at| at.span);
    if let Some(span) = span
        && about_rows
        && !matches!(on_fail, OnFail::Warn | OnFail::Reject)
    {
        report.error(
            span,
            "a number of rows is no row's fault",
            "after `rows` write `on_fail: warn` or `on_fail: reject`",
        );
    } else if let Some(span) = span
        && on_fail == OnFail::Null
        && *columns == Columns::None
    {
        report.error(span, "nothing says whose value becomes null", "add `column: …` or `columns: …`");
    }
    let of_rows = [
        ("tolerate", keys.tolerate.at().map(|at| at.span)),
        ("null_is", keys.null_is.at().map(|at| at.span)),
    ];
    for (key, span) in of_rows {
        if let Some(span) = span
            && about_rows
        {
            report.error(span, format!("`{key}` counts rows, and `rows` is about the file"), "remove it");
        }
    }
}

/// Reports a check that a declared column can never pass or fail by its type.
fn check_kinds(check: &Check, columns: &Columns, span: Span, names: &Names, report: &mut Reporter) {
    if let (Check::InValidRange, Columns::All) = (check, columns)
        && names.columns.iter().all(|c| c.valid_range.is_none())
    {
        report.error(span, "no column has a `valid_range`", "add `valid_range: [least, greatest]` to one");
    }
    let Columns::Named(list) = columns else { return };
    for name in list {
        let column = names.column(name);
        let kind = column.and_then(|c| c.kind);
        let fault = match check {
            Check::InValidRange if column.is_none_or(|c| c.valid_range.is_none()) => {
                Some(("has no `valid_range`", "add `valid_range: [least, greatest]` to it under `columns`"))
            }
            Check::Matches(_) if kind.is_some_and(|k| !matches!(k, Kind::String | Kind::Json)) => {
                Some(("is no text to match", "make its type `string`, or use `in_range` or `in_set`"))
            }
            Check::InRange { min, max }
                if [min, max].into_iter().flatten().any(|b| kind.is_some_and(|k| !comparable(k, b))) =>
            {
                Some(("is of another type than the bounds", "write bounds of the column's type"))
            }
            Check::InSet(set) if set.iter().any(|v| kind.is_some_and(|k| !columns::fits(k, v))) => {
                Some(("is of another type than the values", "write values of the column's type"))
            }
            _ => None,
        };
        if let Some((why, help)) = fault {
            report.error(span, format!("the column `{name}` {why}"), help);
        }
    }
}

/// Whether values of a type can be compared with a bound: any number with any
/// number, texts with what is written as text.
fn comparable(kind: Kind, bound: &Scalar) -> bool {
    match bound {
        Scalar::Int(_) | Scalar::Float(_) => columns::is_number(kind),
        Scalar::Text(_) => columns::fits(kind, bound),
        Scalar::Bool(_) => false,
    }
}

/// `time_present`, `all_in_valid_range`, `rows`.
fn made_name(columns: &Columns, word: &str) -> String {
    let subject = match columns {
        Columns::None => return word.to_string(),
        Columns::All => "all".to_string(),
        Columns::Named(list) => list.join("_"),
    };
    let subject: String =
        subject.chars().map(|c| if c.is_alphanumeric() || c == '_' { c } else { '_' }).collect();
    format!("{subject}_{word}")
}

fn unique(base: String, found: &[Expectation]) -> String {
    let taken = |name: &str| found.iter().any(|e| e.name == name);
    if !taken(&base) {
        return base;
    }
    let numbered = (2..).map(|n| format!("{base}_{n}")).find(|name| !taken(name));
    numbered.expect("there are more numbers than expectations")
}
