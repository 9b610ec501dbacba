//! The SQL of a configuration, looked at before any file has landed: whether it
//! is well formed, only reads, and plans against the columns that are known.

use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use lakegate_domain::Failure;
use lakegate_domain::config::{self, Diagnostic, Diagnostics, LAKE_FILE, SourceText, Span};
use lakegate_domain::model::{
    Check, Column, Dataset, Evolve, Format, Kind, Lake, PartitionBy, QualityCheck, Table,
};
use lakegate_format::conform::{Plan, Target, column_name};
use lakegate_lake::session::Position;
use lakegate_lake::transform::{Others, look};
use lakegate_lake::{expect, layout};
use tokio::runtime::Handle;

use crate::ingest::fold::fact_fields;

/// What was found.
#[derive(Default)]
pub struct Found {
    /// What every file would fail by.
    pub errors: Diagnostics,
    /// What files may yet prove right.
    pub warnings: Vec<String>,
}

/// Looks at the statements of all datasets.
pub fn look_at(lake: &Lake, runtime: &Handle) -> Found {
    let mut errors = Vec::new();
    let mut warnings = Vec::new();
    for dataset in &lake.datasets {
        let mut source = None;
        for (name, table) in tables(dataset) {
            let mut wrong = |key: &str, sql: &str, message: String, help: &str| {
                let text = source.get_or_insert_with(|| text_of(&lake.root, dataset));
                let found = text.as_ref().and_then(|t| Some((t.clone(), config::place_of(t, key, sql)?)));
                // The place in the statement, as one in the file.
                let (place, message) = match found {
                    None => (None, message),
                    Some((text, whole)) => match within(&text, whole, sql, &message) {
                        Some((part, message)) => (Some((text, part)), message),
                        None => (Some((text, whole)), message),
                    },
                };
                let message = match &place {
                    Some(_) => message,
                    None => format!("{}: {message}", dataset.name),
                };
                errors.push(Diagnostic { place, message, help: Some(help.into()) });
            };
            let yields = table.transform.as_ref().and_then(|sql| {
                let (known, others) = input(dataset, &name, table);
                let looked = runtime.block_on(look(sql, &known, others));
                let help = "write one query over `input`, the rows of one file: `select … from input`";
                looked.map_err(|f| wrong("transform", sql, f.message, help)).ok().flatten()
            });
            for column in table.columns.iter().filter(|c| yields.as_ref().is_some_and(|y| !is_yielded(c, y)))
            {
                let names: Vec<String> =
                    yields.iter().flat_map(|y| y.fields()).map(|f| format!("`{}`", f.name())).collect();
                let names = names.join(", ");
                match &column.from {
                    Some(from) => wrong(
                        "from",
                        from,
                        format!("column `{}`: the transform yields no `{from}`", column.name),
                        &format!("it yields {names}: name one of these, or select `{from}`"),
                    ),
                    None if column.default.is_none() => warnings.push(format!(
                        "{}: no row has a value in `{}`: the transform does not yield it, but {names}",
                        dataset.name.table(&name),
                        column.name
                    )),
                    None => {}
                }
            }
            let (known, is_whole) = columns(dataset, table);
            for expectation in &table.expect {
                if let Check::Sql(sql) = &expectation.check
                    && let Err(why) = expect::look(sql, &known, is_whole)
                {
                    let help =
                        "write a condition over the columns of one row, which is true where the row is good";
                    wrong("sql", sql, format!("expectation `{}`: {why}", expectation.name), help);
                }
            }
            for check in &table.quality {
                if let QualityCheck::Sql(sql) = &check.check
                    && let Err(why) = expect::look(sql, &known, is_whole)
                {
                    let help = "write a condition over the columns of one row, which is true where the values are good";
                    wrong("sql", sql, format!("quality check `{}`: {why}", check.name), help);
                }
            }
            let comes = |column: &str| match &yields {
                Some(yields) => yields.column_with_name(column).is_some(),
                None => table.transform.is_some() || from_name(dataset).any(|n| n == column),
            };
            for (key, column) in layout_columns(table) {
                let declared = table.columns.iter().any(|c| c.name == *column);
                if !declared && !layout::is_extra(column) && !comes(column) {
                    warnings.push(format!(
                        "{}: `{key}` names the column `{column}`, which nothing declares: a file that lacks it is \
                         parked",
                        dataset.name.table(&name)
                    ));
                }
            }
        }
    }
    Found { errors: Diagnostics::new(errors), warnings }
}

/// Where in a file's text a sentence about a statement says that something is, and
/// the sentence without that.
fn within(text: &SourceText, whole: Span, sql: &str, message: &str) -> Option<(Span, String)> {
    let (position, message) = Position::split(message);
    let part = config::place_in(text, whole, sql, position?.byte_of(sql)?)?;
    Some((part, message))
}

/// A failure of a dataset's statement: the place in the statement that it names,
/// as one in the dataset's file.
pub fn placed(failure: Failure, dataset: &Dataset, key: &str, sql: &str) -> Failure {
    let root = dataset.source.ancestors().find(|folder| folder.join(LAKE_FILE).exists());
    let found = root.and_then(|root| {
        let text = text_of(root, dataset)?;
        let whole = config::place_of(&text, key, sql)?;
        let (part, message) = within(&text, whole, sql, &failure.message)?;
        let (line, column) = text.position(part.start);
        Some(format!("{message} ({}, line {line}, column {column})", text.path.display()))
    });
    match found {
        Some(message) => Failure { message, ..failure },
        None => failure,
    }
}

/// Whether a declared column is made of one that a transform yields, by the name
/// that the file's column has in SQL, too.
fn is_yielded(column: &Column, yields: &Schema) -> bool {
    let is_it = |name: &str| {
        column.is_from(name)
            || column_name(name) == column.name
            || column.sources().any(|s| column_name(s) == name)
    };
    yields.fields().iter().any(|f| is_it(f.name()))
}

fn tables(dataset: &Dataset) -> impl Iterator<Item = (String, &Table)> {
    let any = dataset.any_table.iter().map(|t| ("*".to_string(), t));
    dataset.tables.iter().map(|(n, t)| (n.clone(), t)).chain(any)
}

fn text_of(root: &Path, dataset: &Dataset) -> Option<Arc<SourceText>> {
    let text = std::fs::read_to_string(&dataset.source).ok()?;
    let shown = dataset.source.strip_prefix(root).unwrap_or(&dataset.source);
    Some(Arc::new(SourceText::new(shown, text)))
}

/// Columns that come from a file's name.
fn from_name(dataset: &Dataset) -> impl Iterator<Item = &String> {
    let groups = dataset.pattern.iter().flat_map(|p| &p.groups).filter(|g| *g != "table");
    groups.chain(dataset.sites.values().flat_map(|s| s.keys()))
}

/// What a transform sees, as far as it is known without a file.
fn input(dataset: &Dataset, name: &str, table: &Table) -> (Schema, Others) {
    let stream = table.from.as_deref().unwrap_or(name);
    // Streams that are merged, a command and another table have columns of their own.
    let is_made = table.merge.is_some() || table.hook.is_some() || table.of.is_some();
    let others = match dataset.read.format_of(Some(stream)).filter(|_| !is_made) {
        Some(Format::Csv(_) | Format::Json(_) | Format::Ndjson | Format::Xml(_)) => Others::Text,
        // Told by a file's bytes, or with types of their own.
        None | Some(_) => Others::Unknown,
    };
    let mut targets: Vec<Target> =
        dataset.input.iter().map(|c| Target::declared(c.clone(), c.kind.unwrap_or(Kind::String))).collect();
    if others == Others::Text {
        for name in from_name(dataset) {
            if !targets.iter().any(|t| t.spec.is_from(name)) {
                targets.push(Target::inferred(name, DataType::Utf8));
            }
        }
    }
    (schema(dataset, targets, fact_fields().into_iter().collect()), others)
}

/// The table's columns whose types are declared, and whether there are no others.
fn columns(dataset: &Dataset, table: &Table) -> (Schema, bool) {
    let typed = |c: &Column| c.kind.map(|kind| Target::declared(c.clone(), kind));
    let targets: Vec<Target> = table.columns.iter().filter_map(typed).collect();
    let is_whole = table.evolve == Evolve::Fixed
        && !targets.is_empty()
        && targets.len() == table.columns.len()
        && from_name(dataset).next().is_none();
    (schema(dataset, targets, Vec::new()), is_whole)
}

fn schema(dataset: &Dataset, targets: Vec<Target>, more: Vec<Field>) -> Schema {
    let plan = Plan { targets, evolve: Evolve::Add, timezone: dataset.timezone.clone(), nulls: Vec::new() };
    let schema = plan.schema();
    let fields = schema.fields().iter().map(|f| f.as_ref().clone()).chain(more);
    Schema::new(fields.map(|f| f.with_nullable(true)).collect::<Vec<_>>())
}

/// The columns by which a table is laid out, each with the key that names it.
fn layout_columns(table: &Table) -> impl Iterator<Item = (&'static str, &String)> {
    let partitions = table.partition_by.iter().map(|by| match by {
        PartitionBy::Column(column) | PartitionBy::Time { column, .. } => ("partition_by", column),
    });
    partitions.chain(table.sort_by.iter().map(|column| ("sort_by", column)))
}
