//! What is known of a table beside its rows: what checks found in them, and the
//! files that were exported of them. Each is a statement over system tables.

use arrow::datatypes::{DataType, Schema};
use lakegate_domain::TableName;
use lakegate_domain::model::{Columns, OnFail, Table, Then, qc_name};
use lakegate_lake::layout::{FILE_ID, FLAGS, RESCUED};

use crate::app::App;

/// Files that count as recent.
pub const RECENT: usize = 20;

/// What of a table is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facts {
    /// What each check and expectation found, over all files.
    Quality,
    /// The same by file, where something was found.
    Findings,
    Exports,
}

impl Facts {
    pub const ALL: [Facts; 3] = [Facts::Quality, Facts::Findings, Facts::Exports];

    pub fn name(self) -> &'static str {
        match self {
            Facts::Quality => "quality",
            Facts::Findings => "findings",
            Facts::Exports => "exports",
        }
    }

    /// The statement for a table whose columns are these.
    pub fn statement(self, app: &App, name: &TableName, schema: &Schema) -> String {
        let table = text(&name.to_string());
        let of_files = format!(
            "from system.expectations e join system.files f on f.file_id = e.file_id \
             left join checks c on c.name = e.name \
             where e.table_name = {table} and f.dataset = {} and f.state = 'committed'",
            text(&name.dataset().to_string())
        );
        let checks = || {
            format!(
                "with checks (name, place, assessment, \"rows\") as (values {})",
                checks(app, name, schema)
            )
        };
        // Rows of a table without `provenance` do not tell their file.
        let of_file = match schema.field_with_name(FILE_ID) {
            Ok(_) => format!("nullif(c.\"rows\", '') || ' and {FILE_ID} = ' || e.file_id"),
            Err(_) => "cast(null as varchar)".to_string(),
        };
        match self {
            Facts::Quality => format!(
                "{}, found as (select e.*, c.place, c.assessment, c.\"rows\", \
                 dense_rank() over (order by e.file_id desc) <= {RECENT} as is_recent {of_files}) \
                 select name, column_name as \"column\", nullif(max(assessment), '') as assessment, \
                 last_value(on_fail order by file_id) as on_fail, \
                 sum(n_checked) as n_checked, sum(n_failed) as n_failed, \
                 cast(sum(n_failed) as double) / nullif(sum(n_checked), 0) as share, \
                 sum(n_checked) filter (where is_recent) as n_checked_recent, \
                 sum(n_failed) filter (where is_recent) as n_failed_recent, \
                 count(*) as n_files, count(*) filter (where n_failed > 0) as n_files_failed, \
                 min(file_id) filter (where n_failed > 0) as first_file_id, \
                 first_value(first_time order by file_id) filter (where n_failed > 0) as first_time, \
                 first_value(coalesce(\"first_value\", sample) order by file_id) filter (where n_failed > 0) \
                 as \"first_value\", nullif(max(\"rows\"), '') as \"rows\" from found \
                 group by name, column_name order by max(place) nulls last, name",
                checks()
            ),
            Facts::Findings => format!(
                "{} select e.file_id, f.path, e.name, e.column_name as \"column\", \
                 nullif(c.assessment, '') as assessment, e.on_fail, e.n_checked, e.n_failed, \
                 cast(e.n_failed as double) / nullif(e.n_checked, 0) as share, e.first_time, \
                 coalesce(e.\"first_value\", e.sample) as \"first_value\", \
                 {of_file} as \"rows\" {of_files} \
                 and e.n_failed > 0 order by e.file_id desc, c.place nulls last, e.name",
                checks()
            ),
            Facts::Exports => format!(
                "select part, path, n_rows, size_bytes, n_plots, plots, made_at, error from system.exports \
                 where table_name = {table} order by made_at desc, path, part"
            ),
        }
    }
}

/// Rows of values: what the configuration says of each check, and how the rows
/// are asked for that fail it. The first stands for none, so that there is one.
fn checks(app: &App, name: &TableName, schema: &Schema) -> String {
    let mut rows = vec!["('', 0, '', '')".to_string()];
    let Some(table) = declared(app, name) else { return rows.remove(0) };
    let mut add = |check: &str, assessment: &str, condition: Option<Rows>| {
        let statement = condition.map_or_else(String::new, |rows| rows.statement(name));
        rows.push(format!("({}, {}, {}, {})", text(check), rows.len(), text(assessment), text(&statement)));
    };
    // By variable, as the table has them.
    for column in schema.fields().iter().map(|f| f.name()) {
        for quality in table.quality.iter().filter(|q| q.columns.contains(column)) {
            let flagged = quality.bits.get(column).and_then(|bit| flagged(schema, column, 1 << bit));
            let rescued = || quality.then.iter().any(|t| matches!(t, Then::Remove | Then::Interpolate));
            let rows = flagged.or_else(|| if rescued() { self::rescued(schema, column) } else { None });
            add(&quality.name_of(column), quality.assessment.word(), rows.map(Rows::Table));
        }
    }
    for (check, column, on_fail) in expectations(table, schema) {
        let rows = match on_fail {
            OnFail::Flag => schema
                .field_with_name(FLAGS)
                .is_ok()
                .then(|| Rows::Table(format!("array_has(\"{FLAGS}\", {})", text(&check)))),
            OnFail::Quarantine => Some(Rows::Quarantine(format!("_expectation = {}", text(&check)))),
            OnFail::Null => column.and_then(|c| rescued(schema, &c)).map(Rows::Table),
            _ => None,
        };
        add(&check, "", rows);
    }
    rows.join(", ")
}

fn declared<'a>(app: &'a App, name: &TableName) -> Option<&'a Table> {
    let dataset = app.lake.dataset(&name.dataset())?;
    dataset.tables.get(&name.table).or(dataset.any_table.as_ref())
}

/// Whether the configuration has checks of a table.
pub fn is_checked(app: &App, name: &TableName) -> bool {
    declared(app, name).is_some_and(|table| !table.quality.is_empty() || !table.expect.is_empty())
}

/// Which rows, in which of a table's two tables.
enum Rows {
    Table(String),
    Quarantine(String),
}

impl Rows {
    fn statement(&self, name: &TableName) -> String {
        match self {
            Rows::Table(condition) => format!("select * from {} where {condition}", quoted(name)),
            Rows::Quarantine(condition) => {
                format!("select * from {} where {condition}", quoted(&name.quarantine()))
            }
        }
    }
}

/// Names of a table's expectations as findings have them, each with the column
/// that it is about.
fn expectations(table: &Table, schema: &Schema) -> Vec<(String, Option<String>, OnFail)> {
    let mut all = Vec::new();
    for e in &table.expect {
        let columns: Vec<&String> = match &e.columns {
            Columns::None => Vec::new(),
            Columns::Named(names) => names.iter().collect(),
            Columns::All => schema.fields().iter().map(|f| f.name()).collect(),
        };
        all.push((
            e.name.clone(),
            columns.first().filter(|_| columns.len() == 1).map(|c| c.to_string()),
            e.on_fail,
        ));
        for column in columns {
            all.push((format!("{}[{column}]", e.name), Some(column.clone()), e.on_fail));
        }
    }
    all
}

/// The condition under which a column has a flag; of a list under which any of
/// its elements has any.
fn flagged(schema: &Schema, column: &str, mask: i64) -> Option<String> {
    let qc = qc_name(column);
    let flags = identifier(&qc);
    match schema.field_with_name(&qc).ok()?.data_type() {
        DataType::List(item) if !item.data_type().is_nested() => Some(format!("array_max({flags}) > 0")),
        t if t.is_integer() => Some(format!("{flags} & {mask} <> 0")),
        _ => None,
    }
}

/// The condition under which a value of a column was replaced.
fn rescued(schema: &Schema, column: &str) -> Option<String> {
    schema.field_with_name(RESCUED).ok()?;
    let key = serde_json::Value::from(column).to_string();
    Some(format!("contains({RESCUED}, {})", text(&format!("{key}:"))))
}

/// A text in a statement.
fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A name in a statement.
fn identifier(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if is_plain { name.to_string() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

fn quoted(name: &TableName) -> String {
    [&name.team, &name.dataset, &name.table].map(|part| identifier(part)).join(".")
}
