//! `tables:`, or the keys of a single table, to tables.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;

use super::columns::{self, PROVENANCE, RESERVED, Role};
use super::{expect, export, meant, quality, stages};
use crate::config::decode::Named;
use crate::config::decode::{Reporter, Slot};
use crate::config::diagnostic::Span;
use crate::config::raw::{ColumnDecl, DatasetFile, TableKeys, TableRest};
use crate::config::scalars;
use crate::config::yaml::Key;
use crate::dedupe::Dedupe;
use crate::ids::QUARANTINE_SUFFIX;
use crate::model::{Column, Evolve, Format, Kind, PartitionBy, Read, Table, TimeUnit};
use crate::transit;

/// Stands for every table that is not declared.
const ANY: &str = "*";
/// The group of `match` that names the table.
const TABLE_GROUP: &str = "table";

/// What the rest of a dataset says to its tables.
pub(super) struct Context<'a> {
    pub dataset: &'a str,
    /// Named groups of `match`; `None` where it is wrong.
    pub groups: Option<&'a [String]>,
    pub site_columns: Vec<String>,
    pub provenance: bool,
    pub read: &'a Read,
    /// The streams of `read`; `None` where that is wrong.
    pub streams: Option<Vec<String>>,
}

impl Context<'_> {
    fn has_table_group(&self) -> Option<bool> {
        self.groups.map(|groups| groups.iter().any(|g| g == TABLE_GROUP))
    }

    fn streams(&self) -> &[String] {
        self.streams.as_deref().unwrap_or_default()
    }

    /// Whether the streams are those of GTFS-Realtime, of which some may be left out.
    fn is_gtfs_rt(&self) -> bool {
        matches!(self.read.format, Some(Format::GtfsRt(_)))
    }

    /// The columns that a preset declares for a stream.
    fn preset(&self, stream: Option<&str>) -> Vec<Column> {
        self.read.format_of(stream).map_or(Vec::new(), |format| transit::columns(format, stream))
    }

    /// A table of a stream, from settings that are shared by several.
    fn of_stream(&self, shared: &Table, stream: &str) -> Table {
        let mut table = Table { from: Some(stream.to_string()), ..shared.clone() };
        if table.transform.is_none() {
            table.columns = with_preset(self.preset(Some(stream)), table.columns);
        }
        if table.coordinates.is_empty() {
            table.coordinates = quality::default_coordinates(&table.columns);
        }
        table
    }
}

/// The declared tables, and the settings of all others.
pub(super) fn compile(
    keys: &DatasetFile,
    at_dataset: Span,
    context: &Context,
    report: &mut Reporter,
) -> (IndexMap<String, Table>, Option<Table>) {
    let by_name = context.has_table_group() == Some(true);
    if by_name && let [_, ..] = context.streams() {
        let span = keys.pattern.at().map_or(at_dataset, |at| at.span);
        let (what, help) = match context.read.format {
            Some(Format::GtfsRt(_)) => ("gtfs_rt", "rename the group"),
            Some(Format::Netcdf(_)) => ("dimension", "rename the group, or give one dimension"),
            _ => ("members", "rename the group, or give one stream: `member: …`"),
        };
        report.error(span, format!("the group `table` and `{what}` both choose the table"), help);
    }
    let declared = keys.tables.at().filter(|at| !at.value.0.is_empty());
    if let Some(at) = declared {
        if !keys.table.is_absent() {
            report.error(
                at.span,
                "`tables` stands beside keys of a single table",
                "put `from`, `columns`, `evolve`, `partition_by`, `sort_by`, `dedupe`, `transform`, `quality`, `expect`, `export` and the like into the tables",
            );
        }
        return several(&at.value.0, at.span, context, report);
    }
    if keys.tables.is_wrong() {
        return (IndexMap::new(), None);
    }
    if !keys.table.is_absent() && by_name {
        let span = keys.pattern.at().map_or(at_dataset, |at| at.span);
        report.error(
            span,
            "the group `table` makes several tables, and the keys of one stand beside it",
            "put them under `tables: { '*': { … } }`",
        );
    }
    let names_streams = !keys.table.from.is_absent() || !keys.table.merge.is_absent();
    let streams = match context.streams() {
        [only] if !names_streams => stages::Streams { from: Some(only.clone()), merge: None },
        _ if names_streams => stages::streams(context.dataset, at_dataset, &keys.table, context, report),
        _ => stages::Streams::default(),
    };
    let only = table(&keys.table, streams, None, context, report);
    if !keys.table.is_absent() {
        if names_streams {
            let tables = IndexMap::from([(context.dataset.to_string(), only)]);
            check_streams(&tables, at_dataset, context, report);
            return (tables, None);
        }
        if let [_, _, ..] = context.streams() {
            report.error(
                at_dataset,
                format!("one table, but several streams: {}", context.streams().join(", ")),
                "write `tables:` with a table for each, or `merge: { by: … }`",
            );
        }
        let from = context.streams().first().cloned();
        return (IndexMap::from([(context.dataset.to_string(), Table { from, ..only })]), None);
    }
    // Nothing is said of tables: they are called after what the file's name or
    // its streams say, else after the dataset.
    if by_name {
        return (IndexMap::new(), Some(only));
    }
    match context.streams() {
        [] => (IndexMap::from([(context.dataset.to_string(), only)]), None),
        streams => {
            check_dimensions(keys, streams, context, report);
            let of = |stream: &String| (stream.clone(), context.of_stream(&only, stream));
            (streams.iter().map(of).collect(), None)
        }
    }
}

/// A dimension may be called what no table can.
fn check_dimensions(keys: &DatasetFile, streams: &[String], context: &Context, report: &mut Reporter) {
    let (Some(Format::Netcdf(_)), Some(at)) = (&context.read.format, keys.read.at()) else { return };
    if let Some(odd) = streams.iter().find(|s| !s.is_empty() && !scalars::is_name(s)) {
        report.error(
            at.span,
            format!("`{odd}` cannot be the name of a table"),
            format!("name the tables: `tables: {{ name: {{ from: {odd} }} }}`"),
        );
    }
}

fn several(
    entries: &[(Key, Slot<TableKeys>)],
    span: Span,
    context: &Context,
    report: &mut Reporter,
) -> (IndexMap<String, Table>, Option<Table>) {
    let mut tables: IndexMap<String, Table> = IndexMap::new();
    let mut any = None;
    for (key, slot) in stages::origins_first(entries) {
        let is_any = key.text == ANY;
        if !is_any {
            check_table_name(&key.text, key.span, report);
        }
        let Slot::Given(at) = slot else {
            // Wrong in itself; it keeps its name so that nothing asks for it.
            let none = stages::Streams::default();
            tables.insert(key.text.clone(), table(&TableRest::default(), none, None, context, report));
            continue;
        };
        let rest = &at.value.rest;
        let streams = match is_any || !at.value.of.is_absent() {
            true => stages::Streams::default(),
            false => stages::streams(&key.text, key.span, rest, context, report),
        };
        let origin = at.value.of.get().and_then(|name| tables.get(name)).cloned().map(Arc::new);
        let compiled = Table {
            description: at.value.description.get().cloned(),
            of: at.value.of.get().cloned(),
            origin: origin.clone(),
            ..table(rest, streams, origin.as_deref(), context, report)
        };
        if !is_any {
            stages::check_of(&at.value, &compiled, report);
            tables.insert(key.text.clone(), compiled);
            continue;
        }
        for (word, span) in [
            ("from", rest.from.at().map(|at| at.span)),
            ("merge", rest.merge.at().map(|at| at.span)),
            ("of", at.value.of.at().map(|at| at.span)),
        ] {
            if let Some(span) = span {
                report.error(span, "`'*'` takes every stream that is left", format!("remove `{word}`"));
            }
        }
        if context.has_table_group() == Some(false) && context.streams.as_ref().is_some_and(Vec::is_empty) {
            report.error(
                key.span,
                "nothing says which table `'*'` is",
                "name the part of the file's name that tells the table: `(?<table>…)` in `match`",
            );
        }
        any = Some(compiled);
    }
    tables.sort_by_cached_key(|name, _| entries.iter().position(|(key, _)| key.text == *name));
    stages::check_origins(entries, &tables, report);
    // A table that is wrong may be the one that takes a stream.
    if entries.iter().any(|(_, slot)| slot.is_wrong()) {
        return (tables, any.filter(|_| context.streams().is_empty()));
    }
    for stream in context.streams() {
        if let Some(any) = &any
            && !tables.contains_key(stream)
            && !is_taken(stream, &tables)
        {
            tables.insert(stream.clone(), context.of_stream(any, stream));
        }
    }
    check_streams(&tables, span, context, report);
    let any = any.filter(|_| context.streams().is_empty());
    (tables, any)
}

fn is_taken(stream: &str, tables: &IndexMap<String, Table>) -> bool {
    tables.values().any(|t| t.streams().contains(&stream))
}

/// Reports streams that go to no table.
fn check_streams(tables: &IndexMap<String, Table>, span: Span, context: &Context, report: &mut Reporter) {
    // A feed's streams that no table takes are not read.
    if context.is_gtfs_rt() {
        return;
    }
    for stream in context.streams().iter().filter(|stream| !is_taken(stream, tables)) {
        report.error(
            span,
            format!("the stream `{stream}` goes to no table"),
            format!("add a table with `from: {stream}`, or remove the stream"),
        );
    }
}

fn check_table_name(name: &str, span: Span, report: &mut Reporter) {
    if !scalars::check_name(name, span, "the name of a table", report) {
        return;
    }
    if let Some(stem) = name.strip_suffix(QUARANTINE_SUFFIX) {
        let help = format!("it takes the rejected rows of `{stem}`; choose another name");
        report.error(span, format!("names that end in `{QUARANTINE_SUFFIX}` are the lake's own"), help);
    }
}

/// A table without its description and its origin.
fn table(
    keys: &TableRest,
    streams: stages::Streams,
    origin: Option<&Table>,
    context: &Context,
    report: &mut Reporter,
) -> Table {
    let mut columns = keys.columns.get().map_or(Vec::new(), |c| columns::compile(c, Role::Table, report));
    stages::check_stated(keys, &columns, report);
    stages::check_merge(keys, &columns, report);
    // Behind a transform the columns are those that it selects.
    if keys.transform.is_absent() && keys.hook.is_absent() && streams.merge.is_none() {
        let preset = match origin {
            Some(origin) => stages::inherited(origin, keys.grid.get()),
            None => context.preset(streams.from.as_deref()),
        };
        if let Some(declared) = keys.columns.get() {
            check_against_preset(declared, &columns, &preset, report);
        }
        columns = with_preset(preset, columns);
    }
    let evolve = keys.evolve.get().copied().unwrap_or(Evolve::Add);
    let names = Names {
        columns: &columns,
        written: keys.columns.get(),
        // Only then is every column known before a file is seen.
        closed: evolve == Evolve::Fixed && !columns.is_empty() && context.groups.is_some(),
        context,
    };
    let partition_by = partition_by(keys, &names, report);
    let sort_by = sort_by(keys, &names, report);
    let mut coordinates = quality::coordinates(&keys.coordinates, &names, report);
    if let (true, Some(origin)) = (keys.coordinates.is_absent(), origin) {
        let is_made = !keys.transform.is_absent() || !keys.hook.is_absent();
        coordinates = stages::inherited_coordinates(origin, &columns, is_made);
    }
    let grid = stages::grid(&keys.grid, &coordinates, &names, report);
    // What a column is flagged with before its own checks.
    let before = Table { grid, coordinates, origin: origin.cloned().map(Arc::new), ..Table::default() };
    let quality =
        keys.quality.get().map_or(Vec::new(), |list| quality::compile(list, &before, &names, report));
    let Table { grid, coordinates, .. } = before;
    let expect = keys.expect.get().map_or(Vec::new(), |list| expect::compile(&list.items, &names, report));
    Table {
        from: streams.from,
        merge: streams.merge,
        of: None,
        origin: None,
        hook: stages::hook(&keys.hook, report),
        grid,
        description: None,
        evolve,
        partition_by,
        sort_by,
        dedupe: dedupe(keys, &names, report),
        transform: transform(keys, report),
        export: export::compile(&keys.export, &names, &coordinates, &quality, report),
        coordinates,
        quality,
        expect,
        columns,
    }
}

/// A preset's columns, those that are declared again as they are declared, and
/// the other declared ones.
fn with_preset(preset: Vec<Column>, mut declared: Vec<Column>) -> Vec<Column> {
    let mut columns = Vec::with_capacity(preset.len() + declared.len());
    for of_preset in preset {
        let Some(at) = declared.iter().position(|c| c.is_from(&of_preset.name)) else {
            columns.push(of_preset);
            continue;
        };
        let own = declared.remove(at);
        columns.push(Column { kind: own.kind.or(of_preset.kind), unit: own.unit.or(of_preset.unit), ..own });
    }
    columns.extend(declared);
    columns
}

/// Reports declared columns that are called as one of the preset and made from
/// another.
fn check_against_preset(
    Named(entries): &Named<ColumnDecl>,
    columns: &[Column],
    preset: &[Column],
    report: &mut Reporter,
) {
    for ((key, _), column) in entries.iter().zip(columns) {
        let same = |p: &&Column| p.name.eq_ignore_ascii_case(&column.name) && !column.is_from(&p.name);
        let Some(other) = preset.iter().find(same) else { continue };
        if !columns.iter().any(|c| c.is_from(&other.name)) {
            let message = format!("`{}` is a column of the feed already", other.name);
            let help =
                format!("choose another name, or rename that one: `a_name: {{ from: {} }}`", other.name);
            report.error(key.span, message, help);
        }
    }
}

fn transform(keys: &TableRest, report: &mut Reporter) -> Option<String> {
    let at = keys.transform.at()?;
    if at.value.trim().is_empty() {
        report.error(at.span, "the transform is empty", "write a `select … from input`, or remove the key");
    }
    Some(at.value.clone())
}

/// The columns that a table's keys may name.
pub(super) struct Names<'a> {
    pub columns: &'a [Column],
    written: Option<&'a Named<ColumnDecl>>,
    closed: bool,
    context: &'a Context<'a>,
}

impl Names<'_> {
    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// Columns that are the same in all rows of a file.
    pub(super) fn names_from_file(&self) -> impl Iterator<Item = &String> {
        let groups = self.context.groups.unwrap_or_default().iter().filter(|g| *g != TABLE_GROUP);
        groups.chain(&self.context.site_columns)
    }

    /// Where a column is declared; nowhere where a preset does it.
    pub(super) fn span_of(&self, name: &str) -> Span {
        let mut entries = self.written.into_iter().flat_map(|Named(entries)| entries);
        entries.find(|(key, _)| key.text == name).map_or(Span::default(), |(key, _)| key.span)
    }

    /// Reports a data column that the table cannot have.
    pub(super) fn check(&self, name: &str, span: Span, report: &mut Reporter) {
        let elsewhere = || self.context.groups.unwrap_or_default().iter().chain(&self.context.site_columns);
        if RESERVED.contains(&name) {
            report.error(span, format!("`{name}` is the lake's own column"), "name a column of the data");
        } else if self.closed && self.column(name).is_none() && !elsewhere().any(|c| c == name) {
            let known = self.columns.iter().map(|c| &c.name).chain(elsewhere()).map(String::as_str);
            let help = meant(name, known, "declare it under `columns`");
            report.error(span, format!("the table has no column `{name}`"), help);
        }
    }

    /// Whether every column is known before a file is seen.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn has_provenance(&self) -> bool {
        self.context.provenance
    }

    /// What a landed file's name says: groups of `match`, and values of its
    /// site; `None` where `match` is wrong.
    pub(super) fn of_file(&self) -> Option<Vec<String>> {
        let groups = self.context.groups?.iter().filter(|g| *g != TABLE_GROUP);
        Some(groups.chain(&self.context.site_columns).cloned().collect())
    }

    /// As [`Names::check`], where the columns that say where a row comes from
    /// are right as well.
    fn check_layout(&self, name: &str, span: Span, report: &mut Reporter) {
        if !PROVENANCE.contains(&name) {
            self.check(name, span, report);
        } else if !self.context.provenance {
            let message = format!("the table has no column `{name}`");
            report.error(span, message, "remove `provenance: false`, or name another column");
        }
    }
}

fn partition_by(keys: &TableRest, names: &Names, report: &mut Reporter) -> Vec<PartitionBy> {
    let mut found: Vec<PartitionBy> = Vec::new();
    for at in keys.partition_by.get().into_iter().flat_map(|list| &list.0.items) {
        let by = at.value.0.clone();
        let (column, unit) = match &by {
            PartitionBy::Column(column) => (column, None),
            PartitionBy::Time { column, unit } => (column, Some(*unit)),
        };
        names.check_layout(column, at.span, report);
        let kind = match column.as_str() {
            "_loaded_at" => Some(Kind::Timestamp),
            "_file_id" | "_row" => {
                let message = format!("cannot partition by `{column}`: nearly every value would be one");
                report.error(at.span, message, "choose a column with few values, or `day(_loaded_at)`");
                None
            }
            _ => names.column(column).and_then(|c| c.kind),
        };
        if let Some(kind) = kind {
            check_partition_kind(column, unit, kind, at.span, report);
        }
        let name = by.column_name();
        if unit.is_some() && names.column(&name).is_some() {
            let message = format!("the partition column `{name}` is a column of the table already");
            report.error(at.span, message, "rename that column, or partition by it");
        }
        if found.iter().any(|other| other.column_name() == name) {
            report.error(at.span, format!("`{name}` is named twice"), "name it once");
        }
        found.push(by);
    }
    found
}

fn check_partition_kind(column: &str, unit: Option<TimeUnit>, kind: Kind, span: Span, report: &mut Reporter) {
    let fault = match (unit, kind) {
        (None, Kind::Float | Kind::Float32 | Kind::Json | Kind::Binary) => {
            Some(("values of this type make no partitions", "choose a column with few values"))
        }
        (None, Kind::Timestamp) => {
            Some(("every instant would be a partition of its own", "write `day(…)`, `hour(…)` or `month(…)`"))
        }
        (Some(TimeUnit::Hour), Kind::Date) => Some(("a date has no hours", "write `day(…)` or `month(…)`")),
        (Some(_), kind) if !columns::is_time(kind) => {
            Some(("this is no time column", "make its type `timestamp` or `date`, or name it alone"))
        }
        _ => None,
    };
    if let Some((why, help)) = fault {
        report.error(span, format!("cannot partition by `{column}`: {why}"), help);
    }
}

fn sort_by(keys: &TableRest, names: &Names, report: &mut Reporter) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for at in keys.sort_by.get().into_iter().flat_map(|list| &list.0.items) {
        names.check_layout(&at.value, at.span, report);
        if found.contains(&at.value) {
            report.error(at.span, format!("`{}` is named twice", at.value), "name it once");
        }
        found.push(at.value.clone());
    }
    found
}

fn dedupe(keys: &TableRest, names: &Names, report: &mut Reporter) -> Option<Dedupe> {
    let at = keys.dedupe.at()?;
    let keys = &at.value;
    if !names.context.provenance {
        let help = "remove `provenance: false`, or `dedupe`";
        report.error(
            at.span,
            "only rows that carry their file can be told apart when work is done again",
            help,
        );
    }
    let mut key: Vec<String> = Vec::new();
    for at in keys.key.get().into_iter().flat_map(|list| &list.0.items) {
        names.check(&at.value, at.span, report);
        if key.contains(&at.value) {
            report.error(at.span, format!("`{}` is named twice", at.value), "name it once");
        }
        key.push(at.value.clone());
    }
    if let Some(list) = keys.key.at().filter(|list| list.value.0.items.is_empty()) {
        report.error(
            list.span,
            "the key is empty: all rows would be one",
            "name the columns that tell rows apart",
        );
    }
    let by = keys.by.at()?;
    names.check(&by.value, by.span, report);
    let kind = names.column(&by.value).and_then(|c| c.kind);
    if kind.is_some_and(|kind| !columns::is_time(kind)) {
        let message = format!("`{}` is no time column", by.value);
        report.error(by.span, message, "name another column, or make its type `timestamp` or `date`");
    }
    if keys.window.is_absent() && !key.is_empty() && !key.contains(&by.value) {
        let help = format!("add `window: 2h`, or put `{}` into the key", by.value);
        report.error(at.span, "nothing says how far apart two rows of one key may be", help);
    }
    let window = keys.window.get().map_or(Duration::ZERO, |lapse| lapse.0);
    Some(Dedupe { key, by: by.value.clone(), window })
}
