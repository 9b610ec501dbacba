//! `from:`, `merge:`, `of:`, `hook:` and `grid:`: where one file's rows of a
//! table come from, and what is done to them as a whole.

use std::time::Duration;

use indexmap::IndexMap;

use super::tables::{Context, Names};
use super::{meant, quality};
use crate::config::decode::{Reporter, Slot};
use crate::config::diagnostic::Span;
use crate::config::raw::{ColumnDecl, GridKeys, HookKeys, MergeKeys, TableKeys, TableRest};
use crate::config::scalars::Lapse;
use crate::config::yaml::Key;
use crate::model::{Align, Column, Grid, GridLimits, Hook, How, Kind, Merge, Method, Table};

/// Stands for every stream.
const ALL: &str = "all";
const HOOK_TIMEOUT: Duration = Duration::from_secs(300);
/// Below this no program starts.
const LEAST_MEMORY: u64 = 16 << 20;

/// The streams that a table takes.
#[derive(Default)]
pub(super) struct Streams {
    pub from: Option<String>,
    pub merge: Option<Merge>,
}

/// What `from` and `merge` say; `name` is the table's.
pub(super) fn streams(
    name: &str,
    span: Span,
    keys: &TableRest,
    context: &Context,
    report: &mut Reporter,
) -> Streams {
    let Some(known) = context.streams.as_deref() else { return Streams::default() };
    let mut named: Vec<String> = Vec::new();
    let mut wrong = keys.from.is_wrong();
    for at in keys.from.get().into_iter().flat_map(|list| &list.0.items) {
        let all = at.value == ALL && !known.contains(&at.value);
        let streams = if all { known.to_vec() } else { vec![at.value.clone()] };
        if !all && !known.contains(&at.value) {
            let help = meant(
                &at.value,
                known.iter().map(String::as_str),
                "streams are those of `read: gtfs_rt`, of `read: { archive: { members: … } }` or the `dimension`s of netCDF; or remove `from`",
            );
            report.error(at.span, format!("there is no stream `{}`", at.value), help);
            wrong = true;
            continue;
        }
        for stream in streams {
            if named.contains(&stream) {
                report.error(at.span, format!("the stream `{stream}` is named twice"), "name it once");
            } else {
                named.push(stream);
            }
        }
    }
    match keys.merge.at() {
        Some(at) => {
            if keys.from.is_absent() {
                named = known.to_vec();
            }
            if named.len() < 2 && !wrong {
                report.error(
                    at.span,
                    "there is nothing to merge: the table takes one stream",
                    "remove `merge`, or name several streams in `from`; `read: { archive: { members: … } }` makes them",
                );
            }
            let from = named.first().cloned();
            Streams { from, merge: merge(&at.value, named) }
        }
        None => {
            if let ([_, _, ..], Some(at)) = (named.as_slice(), keys.from.at())
                && keys.merge.is_absent()
            {
                report.error(
                    at.span,
                    format!("nothing says how the rows of {} become one", named.join(", ")),
                    "add `merge: { by: … }` with the column of the time, or make a table for each",
                );
            }
            // All that are named count as taken, whatever is wrong with them.
            let merge = (named.len() > 1).then(|| Merge {
                streams: named.clone(),
                by: String::new(),
                how: How::Outer,
                tolerance: Duration::ZERO,
            });
            let from = match (named.into_iter().next(), wrong) {
                (Some(stream), _) => Some(stream),
                (None, true) => None,
                (None, false) => own(name, span, known, report),
            };
            Streams { from, merge }
        }
    }
}

/// The stream of a table that names none.
fn own(name: &str, span: Span, known: &[String], report: &mut Reporter) -> Option<String> {
    match known {
        _ if known.iter().any(|s| s == name) => Some(name.to_string()),
        [] => None,
        [only] => Some(only.clone()),
        several => {
            report.error(
                span,
                format!("nothing says which stream `{name}` takes"),
                format!("add `from: …`; streams: {}", several.join(", ")),
            );
            None
        }
    }
}

fn merge(keys: &MergeKeys, streams: Vec<String>) -> Option<Merge> {
    Some(Merge {
        streams,
        by: keys.by.get()?.clone(),
        how: keys.how.get().copied().unwrap_or(How::Outer),
        tolerance: keys.tolerance.get().map_or(Duration::ZERO, |lapse| lapse.0),
    })
}

pub(super) fn hook(slot: &Slot<HookKeys>, report: &mut Reporter) -> Option<Hook> {
    let at = slot.at()?;
    let command = at.value.command.at()?;
    let words: Vec<String> = command.value.0.items.iter().map(|word| word.value.0.clone()).collect();
    if words.first().is_none_or(|program| program.trim().is_empty()) {
        report.error(
            command.span,
            "the command is empty",
            "name a program and its arguments: `command: [python3, hooks/x.py]`",
        );
        return None;
    }
    if let ([one], Some(word)) = (words.as_slice(), command.value.0.items.first())
        && one.contains(' ')
    {
        let parts: Vec<&str> = one.split_whitespace().collect();
        report.error(
            word.span,
            format!("`{one}` is one word, and no shell takes it apart"),
            format!("write a list: `command: [{}]`", parts.join(", ")),
        );
    }
    let memory_bytes = at.value.memory.get().map(|size| size.0);
    if let (Some(bytes), Some(at)) = (memory_bytes, at.value.memory.at())
        && bytes < LEAST_MEMORY
    {
        report.error(at.span, "no program starts with so little memory", "give it `64MiB` or more");
    }
    let timeout = positive(&at.value.timeout, report).unwrap_or(HOOK_TIMEOUT);
    Some(Hook { command: words, timeout, memory_bytes })
}

/// A span of time that must not be none.
fn positive(slot: &Slot<Lapse>, report: &mut Reporter) -> Option<Duration> {
    let at = slot.at()?;
    if at.value.0.is_zero() {
        report.error(at.span, "this takes no time at all", "write a duration such as `10m`");
        return None;
    }
    Some(at.value.0)
}

pub(super) fn grid(
    slot: &Slot<GridKeys>,
    coordinates: &[String],
    names: &Names,
    report: &mut Reporter,
) -> Option<Grid> {
    let at = slot.at()?;
    let keys = &at.value;
    let every = positive(&keys.every, report);
    let width = positive(&keys.width, report);
    let mut columns = IndexMap::new();
    for (key, method) in keys.columns.get().into_iter().flat_map(|named| &named.0) {
        names.check(&key.text, key.span, report);
        let Some(method) = method.at() else { continue };
        if let Some(kind) = names.column(&key.text).and_then(|c| c.kind) {
            check_method(key, method.span, method.value, kind, report);
        }
        columns.insert(key.text.clone(), method.value);
    }
    let shares = [("goodfrac_bad_min", &keys.goodfrac_bad_min), ("goodfrac_ind_min", &keys.goodfrac_ind_min)];
    for (key, slot) in shares {
        if let Some(at) = slot.at().filter(|at| !(0.0..=1.0).contains(&at.value)) {
            report.error(at.span, format!("`{key}` is a share, from 0 to 1"), "write a number such as `0.5`");
        }
    }
    if coordinates.is_empty() {
        report.error(
            at.span,
            "nothing says what the rows' time is",
            "declare a column of type `timestamp`, or name it: `coordinates: …`",
        );
    }
    if let Some(time) = coordinates.first().and_then(|c| names.column(c))
        && time.kind.is_some_and(|kind| kind != Kind::Timestamp)
    {
        report.error(
            at.span,
            format!("the first coordinate, `{}`, is no time", time.name),
            "make its type `timestamp`, or name another first in `coordinates`",
        );
    }
    let every = every?;
    let method = keys.method.get().copied().unwrap_or(Method::Average);
    let whole = names.columns.iter().filter(|c| method != Method::Nearest && !columns.contains_key(&c.name));
    for column in whole.filter(|c| c.kind.is_some_and(is_exact)) {
        let help = format!(
            "make its type `float`, or take the nearest: `grid: {{ columns: {{ {}: nearest }} }}`",
            column.name
        );
        report.error(names.span_of(&column.name), whole_number(&column.name), help);
    }
    let grid = Grid {
        every,
        method,
        align: keys.align.get().copied().unwrap_or(Align::Center),
        width: width.unwrap_or(every),
        range: keys.range.get().map(|lapse| lapse.0),
        columns,
        limits: GridLimits {
            std_bad_max: keys.std_bad_max.get().copied(),
            std_ind_max: keys.std_ind_max.get().copied(),
            goodfrac_bad_min: keys.goodfrac_bad_min.get().copied(),
            goodfrac_ind_min: keys.goodfrac_ind_min.get().copied(),
        },
        constants: names.names_from_file().cloned().collect(),
    };
    check_companions(&grid, coordinates, names, report);
    Some(grid)
}

fn is_exact(kind: Kind) -> bool {
    matches!(kind, Kind::Int | Kind::Int32 | Kind::Decimal(..))
}

fn whole_number(column: &str) -> String {
    format!("a value on the grid is seldom one of the type of `{column}`")
}

fn check_method(key: &Key, span: Span, method: Method, kind: Kind, report: &mut Reporter) {
    if method == Method::Nearest || matches!(kind, Kind::Float | Kind::Float32) {
        return;
    }
    if is_exact(kind) {
        report.error(span, whole_number(&key.text), "make its type `float`, or write `nearest`");
    } else {
        report.error(span, format!("the values of `{}` are no numbers", key.text), "write `nearest`");
    }
}

/// The columns that a table has from the one that it is made of, as that one
/// gives them: named as there, converted and typed already.
pub(super) fn inherited(origin: &Table, grid: Option<&GridKeys>) -> Vec<Column> {
    let method = |column: &str| match grid {
        None => Method::Nearest,
        Some(keys) => {
            let mut own = keys.columns.get().into_iter().flat_map(|named| &named.0);
            let own = own.find(|(key, _)| key.text == column).and_then(|(_, method)| method.get().copied());
            own.or(keys.method.get().copied()).unwrap_or(Method::Average)
        }
    };
    let of = |column: &Column| Column {
        kind: column.kind.map(|kind| match method(&column.name) {
            Method::Average | Method::Interpolate if is_exact(kind) => Kind::Float,
            _ => kind,
        }),
        from: None,
        or_from: Vec::new(),
        nulls: Vec::new(),
        format: None,
        timezone: None,
        conversion: None,
        stated_unit: false,
        default: None,
        ..column.clone()
    };
    origin.columns.iter().map(of).collect()
}

/// The coordinates that a table has from the one that it is made of, under the
/// names that its `columns` give them. `is_made`: SQL or a command stands between,
/// so that the first of its own instants is the time where it does not have the
/// other's.
pub(super) fn inherited_coordinates(origin: &Table, columns: &[Column], is_made: bool) -> Vec<String> {
    let here = |name: &String| columns.iter().find(|c| c.is_from(name)).map(|c| c.name.clone());
    let mut found: Vec<String> =
        origin.coordinates.iter().map(|name| here(name).unwrap_or_else(|| name.clone())).collect();
    let own = quality::default_coordinates(columns);
    let has_time = origin.coordinates.first().is_some_and(|name| !is_made || here(name).is_some());
    if let (false, [time]) = (has_time, own.as_slice()) {
        found.splice(..found.len().min(1), [time.clone()]);
    }
    found
}

/// Reports a unit that is `stated` where no file states it: behind SQL and
/// commands the columns are others than the file's.
pub(super) fn check_stated(keys: &TableRest, columns: &[Column], report: &mut Reporter) {
    let behind = match (keys.transform.is_absent(), keys.hook.is_absent()) {
        (false, _) => "transform",
        (_, false) => "hook",
        _ => return,
    };
    let entries = keys.columns.get().into_iter().flat_map(|named| &named.0);
    for ((_, slot), _) in entries.zip(columns).filter(|(_, column)| column.stated_unit) {
        let Some(ColumnDecl(keys)) = slot.get() else { continue };
        let Some(at) = keys.from_unit.at() else { continue };
        let help = match behind {
            "transform" => "say it of the file's column, under `input`",
            _ => "name the unit that the command gives",
        };
        report.error(at.span, format!("no file states a unit of what a {behind} gives"), help);
    }
}

/// Reports a merge by a column that is declared as one that rows cannot be merged
/// by.
pub(super) fn check_merge(keys: &TableRest, columns: &[Column], report: &mut Reporter) {
    let Some(merge) = keys.merge.get() else { return };
    let Some(by) = merge.by.at() else { return };
    let declared = columns.iter().find(|c| c.name == by.value || c.is_from(&by.value));
    match declared.and_then(|c| c.kind) {
        None | Some(Kind::Timestamp | Kind::Date) => {}
        Some(Kind::Int | Kind::Int32) => {
            if let Some(at) = merge.tolerance.at().filter(|at| !at.value.0.is_zero()) {
                let message = format!("`{}` is a number, and a tolerance is a span of time", by.value);
                report.error(at.span, message, "remove `tolerance`, or merge by a time");
            }
        }
        Some(_) => report.error(
            by.span,
            format!("rows cannot be merged by `{}`", by.value),
            "name a column of type `timestamp`, `date` or `int`",
        ),
    }
}

/// Reports declared columns that are called as what the grid says of an average.
fn check_companions(grid: &Grid, coordinates: &[String], names: &Names, report: &mut Reporter) {
    for column in names.columns.iter().filter(|c| !coordinates.contains(&c.name)) {
        let is_number = column.kind.is_none_or(|kind| matches!(kind, Kind::Float | Kind::Float32));
        if !is_number || grid.method_of(&column.name) != Method::Average {
            continue;
        }
        for companion in [format!("{}_std", column.name), format!("{}_goodfraction", column.name)] {
            if let Some(other) = names.column(&companion) {
                let message =
                    format!("`{companion}` is what the grid says of the averages of `{}`", column.name);
                let help = format!(
                    "rename the declared column: `{companion}_given: {{ from: {} }}`",
                    other.source()
                );
                report.error(names.span_of(&companion), message, help);
            }
        }
    }
}

/// Reports `of` where it stands beside what it excludes, or where the rest of it
/// is not enough.
pub(super) fn check_of(keys: &TableKeys, table: &Table, report: &mut Reporter) {
    let Some(of) = keys.of.at() else { return };
    for (key, is_absent) in [("from", keys.rest.from.is_absent()), ("merge", keys.rest.merge.is_absent())] {
        if !is_absent {
            report.error(
                of.span,
                format!("`of` and `{key}` both say where the rows come from"),
                "keep one of them",
            );
        }
    }
    if table.hook.is_some() && table.transform.is_none() && !table.columns.iter().any(|c| c.kind.is_some()) {
        report.error(
            of.span,
            "nothing says which columns the command makes of the other table's rows",
            "declare them with their types under `columns`",
        );
    }
}

/// The declared tables, each after the one that it is made of.
pub(super) fn origins_first(entries: &[(Key, Slot<TableKeys>)]) -> Vec<&(Key, Slot<TableKeys>)> {
    let of = |slot: &Slot<TableKeys>| slot.get().and_then(|keys| keys.of.get().cloned());
    let mut ordered: Vec<&(Key, Slot<TableKeys>)> = Vec::new();
    let mut left: Vec<&(Key, Slot<TableKeys>)> = entries.iter().collect();
    while !left.is_empty() {
        let is_there = |name: &String| ordered.iter().any(|(key, _)| key.text == *name);
        let (ready, waiting): (Vec<_>, Vec<_>) =
            left.iter().partition(|(_, slot)| of(slot).as_ref().is_none_or(is_there));
        // Those that wait for one another, or for what is not there.
        left = if ready.is_empty() { Vec::new() } else { waiting.clone() };
        ordered.extend(if ready.is_empty() { waiting } else { ready });
    }
    ordered
}

/// Reports tables that are made of one that is not there, of one another, or of
/// one whose rows come together only after files are told apart.
pub(super) fn check_origins(
    entries: &[(Key, Slot<TableKeys>)],
    tables: &IndexMap<String, Table>,
    report: &mut Reporter,
) {
    for (key, slot) in entries {
        let Some(at) = slot.get().and_then(|keys| keys.of.at()) else { continue };
        let Some(origin) = tables.get(&at.value) else {
            let others = tables.keys().map(String::as_str).filter(|name| *name != key.text);
            let help = meant(&at.value, others, "name a table of this file");
            report.error(at.span, format!("there is no table `{}`", at.value), help);
            continue;
        };
        if origin.dedupe.is_some() {
            report.error(
                at.span,
                format!("`{}` leaves out rows of other files, and its rows of one file are wanted", at.value),
                format!("put `dedupe` into `{}`, or make it of another table", key.text),
            );
        }
        let mut above = &at.value;
        for _ in 0..=tables.len() {
            if *above == key.text {
                let message = format!("`{}` is made of itself", key.text);
                report.error(at.span, message, "a table is made of one that takes a stream, in the end");
                break;
            }
            let Some(next) = tables.get(above).and_then(|t| t.of.as_ref()) else { break };
            above = next;
        }
    }
}
