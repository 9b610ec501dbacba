//! `system.tables` and `system.columns`: what the tables' logs say of them.
//!
//! A table that cannot be opened is listed with its `problem` instead of
//! failing the statement: these are the tables to look at when one is damaged.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Int64Builder, ListBuilder, RecordBatch, StringBuilder,
    TimestampMillisecondBuilder,
};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::error::ArrowError;
use deltalake::DeltaTable;
use futures::{StreamExt, stream};
use lakegate_domain::TableName;

use super::snapshots::{Snapshot, Snapshots};
use crate::Result;
use crate::session::sentence;

pub(crate) const TABLES: &str = "tables";
pub(crate) const COLUMNS: &str = "columns";

/// The tables of this module, with what they hold.
pub(crate) const OWN: [(&str, &str); 2] = [
    (TABLES, "Every table of the lake with its version, files, rows and bytes."),
    (COLUMNS, "Every column of every table with its type, unit and description."),
];

/// Logs read at the same time.
const AT_ONCE: usize = 8;

/// Opens the tables; a table that vanished meanwhile is left out.
async fn open_all(
    snapshots: &Arc<Snapshots>,
    names: &[TableName],
) -> Vec<(TableName, Result<Arc<Snapshot>>)> {
    // Owned futures: borrowed ones in a buffered stream are not `Send` for every lifetime.
    let loads: Vec<_> = names
        .iter()
        .map(|name| {
            let (name, snapshots) = (name.clone(), snapshots.clone());
            async move { snapshots.newest(&name).await.transpose().map(|table| (name, table)) }
        })
        .collect();
    stream::iter(loads).buffered(AT_ONCE).filter_map(|found| async { found }).collect().await
}

/// Facts of one table's newest version.
struct Facts {
    version: i64,
    n_files: i64,
    /// `None` where a data file has no statistics.
    n_rows: Option<i64>,
    size_bytes: i64,
    partition_columns: Vec<String>,
    description: Option<String>,
    created_ms: Option<i64>,
    committed_ms: Option<i64>,
}

fn facts(table: &DeltaTable) -> Result<Facts> {
    let state = table.snapshot()?;
    let (mut n_files, mut n_rows, mut size_bytes) = (0, Some(0), 0);
    for file in state.snapshot().try_log_data()?.iter() {
        n_files += 1;
        size_bytes += file.size();
        n_rows = n_rows.zip(file.num_records()).map(|(sum, n)| sum + n as i64);
    }
    let metadata = state.metadata();
    Ok(Facts {
        version: state.version() as i64,
        n_files,
        n_rows,
        size_bytes,
        partition_columns: metadata.partition_columns().to_vec(),
        description: metadata.description().map(str::to_string),
        created_ms: metadata.created_time(),
        committed_ms: state.version_timestamp(state.version()),
    })
}

/// `system.tables`, one row a table, ordered by name.
pub(crate) async fn tables(
    snapshots: &Arc<Snapshots>,
    names: &[TableName],
) -> Result<RecordBatch, ArrowError> {
    let mut text: [StringBuilder; 5] = Default::default();
    let mut numbers: [Int64Builder; 4] = Default::default();
    let mut partition_columns = ListBuilder::new(StringBuilder::new());
    let mut times: [TimestampMillisecondBuilder; 2] =
        std::array::from_fn(|_| TimestampMillisecondBuilder::new().with_timezone("UTC"));
    for (name, table) in open_all(snapshots, names).await {
        let (facts, problem) = match table.and_then(|t| facts(&t.table)) {
            Ok(facts) => (Some(facts), None),
            Err(e) => (None, Some(sentence(&e.to_string()))),
        };
        let facts = facts.as_ref();
        let words = [
            Some(name.team.as_str()),
            Some(name.dataset.as_str()),
            Some(name.table.as_str()),
            facts.and_then(|f| f.description.as_deref()),
            problem.as_deref(),
        ];
        text.iter_mut().zip(words).for_each(|(b, v)| b.append_option(v));
        let counts = [
            facts.map(|f| f.version),
            facts.map(|f| f.n_files),
            facts.and_then(|f| f.n_rows),
            facts.map(|f| f.size_bytes),
        ];
        numbers.iter_mut().zip(counts).for_each(|(b, v)| b.append_option(v));
        match facts {
            Some(f) => partition_columns.append_value(f.partition_columns.iter().map(Some)),
            None => partition_columns.append_null(),
        }
        let instants = [facts.and_then(|f| f.created_ms), facts.and_then(|f| f.committed_ms)];
        times.iter_mut().zip(instants).for_each(|(b, v)| b.append_option(v));
    }
    let [team, dataset, table, description, problem] = text.map(|mut b| Arc::new(b.finish()) as ArrayRef);
    let [version, n_files, n_rows, size_bytes] = numbers.map(|mut b| Arc::new(b.finish()) as ArrayRef);
    let [created, committed] = times.map(|mut b| Arc::new(b.finish()) as ArrayRef);
    RecordBatch::try_from_iter_with_nullable([
        ("team", team, false),
        ("dataset", dataset, false),
        ("table", table, false),
        ("version", version, true),
        ("n_files", n_files, true),
        ("n_rows", n_rows, true),
        ("size_bytes", size_bytes, true),
        ("partition_columns", Arc::new(partition_columns.finish()) as ArrayRef, true),
        ("created", created, true),
        ("committed", committed, true),
        ("description", description, true),
        ("problem", problem, true),
    ])
}

/// `system.columns`, one row a column, in the tables' order.
pub(crate) async fn columns(
    snapshots: &Arc<Snapshots>,
    names: &[TableName],
) -> Result<RecordBatch, ArrowError> {
    let mut text: [StringBuilder; 8] = Default::default();
    let mut ordinals = Int64Builder::new();
    let mut nullables = BooleanBuilder::new();
    for (name, table) in open_all(snapshots, names).await {
        // What is wrong with a table is said once, in `system.tables`.
        let Some(schema) = table.ok().and_then(|t| arrow_schema(&t.table)) else { continue };
        for (i, field) in schema.fields().iter().enumerate() {
            let about = About::of(field.metadata());
            let words = [
                Some(name.team.clone()),
                Some(name.dataset.clone()),
                Some(name.table.clone()),
                Some(field.name().clone()),
                Some(type_name(field.data_type())),
                about.unit,
                about.description,
                about.other,
            ];
            text.iter_mut().zip(words).for_each(|(b, v)| b.append_option(v));
            ordinals.append_value(i as i64 + 1);
            nullables.append_value(field.is_nullable());
        }
    }
    let [team, dataset, table, column, kind, unit, description, metadata] =
        text.map(|mut b| Arc::new(b.finish()) as ArrayRef);
    RecordBatch::try_from_iter_with_nullable([
        ("team", team, false),
        ("dataset", dataset, false),
        ("table", table, false),
        ("ordinal", Arc::new(ordinals.finish()) as ArrayRef, false),
        ("column", column, false),
        ("type", kind, false),
        ("nullable", Arc::new(nullables.finish()) as ArrayRef, false),
        ("unit", unit, true),
        ("description", description, true),
        ("metadata", metadata, true),
    ])
}

/// The columns of one schema, as `DESCRIBE` shows them.
pub(crate) fn described(schema: &Schema) -> Result<RecordBatch, ArrowError> {
    let mut text: [StringBuilder; 4] = Default::default();
    let mut nullables = BooleanBuilder::new();
    for field in schema.fields() {
        let about = About::of(field.metadata());
        let words =
            [Some(field.name().clone()), Some(type_name(field.data_type())), about.unit, about.description];
        text.iter_mut().zip(words).for_each(|(b, v)| b.append_option(v));
        nullables.append_value(field.is_nullable());
    }
    let [column, kind, unit, description] = text.map(|mut b| Arc::new(b.finish()) as ArrayRef);
    RecordBatch::try_from_iter_with_nullable([
        ("column", column, false),
        ("type", kind, false),
        ("nullable", Arc::new(nullables.finish()) as ArrayRef, false),
        ("unit", unit, true),
        ("description", description, true),
    ])
}

fn arrow_schema(table: &DeltaTable) -> Option<SchemaRef> {
    table.snapshot().ok().map(|s| s.snapshot().arrow_schema())
}

/// A column's metadata, sorted for people.
#[derive(Debug, Default, PartialEq)]
struct About {
    unit: Option<String>,
    description: Option<String>,
    /// The rest, as a JSON object with sorted keys.
    other: Option<String>,
}

impl About {
    fn of(metadata: &std::collections::HashMap<String, String>) -> Self {
        let unit = metadata.get("unit").cloned();
        // The comment that other engines show repeats the unit: `wave height [m]`.
        let description = metadata
            .get("comment")
            .map(|c| match &unit {
                Some(u) => c.strip_suffix(&format!("[{u}]")).unwrap_or(c).trim_end(),
                None => c,
            })
            .filter(|c| !c.is_empty())
            .map(str::to_string);
        let mut rest: Vec<_> =
            metadata.iter().filter(|(k, _)| !matches!(k.as_str(), "unit" | "comment")).collect();
        rest.sort();
        let other: serde_json::Map<String, serde_json::Value> =
            rest.into_iter().map(|(k, v)| (k.clone(), v.clone().into())).collect();
        Self {
            unit,
            description,
            other: (!other.is_empty()).then(|| serde_json::Value::Object(other).to_string()),
        }
    }
}

/// A type in the words of the configuration.
pub fn type_name(t: &DataType) -> String {
    match t {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".into(),
        DataType::Boolean => "bool".into(),
        DataType::Int8 => "int8".into(),
        DataType::Int16 => "int16".into(),
        DataType::Int32 => "int32".into(),
        DataType::Int64 => "int".into(),
        DataType::Float32 => "float32".into(),
        DataType::Float64 => "float".into(),
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s) => format!("decimal({p},{s})"),
        DataType::Date32 | DataType::Date64 => "date".into(),
        DataType::Timestamp(_, Some(_)) => "timestamp".into(),
        DataType::Timestamp(_, None) => "timestamp without zone".into(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            "binary".into()
        }
        DataType::List(f)
        | DataType::LargeList(f)
        | DataType::ListView(f)
        | DataType::FixedSizeList(f, _) => {
            format!("list<{}>", type_name(f.data_type()))
        }
        DataType::Struct(fields) => {
            let parts: Vec<String> =
                fields.iter().map(|f| format!("{}: {}", f.name(), type_name(f.data_type()))).collect();
            format!("struct<{}>", parts.join(", "))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(kv) if kv.len() == 2 => {
                format!("map<{}, {}>", type_name(kv[0].data_type()), type_name(kv[1].data_type()))
            }
            other => format!("map<{}>", type_name(other)),
        },
        DataType::Dictionary(_, value) => type_name(value),
        other => other.to_string().to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn metadata_is_sorted_for_people() {
        let about = |pairs: &[(&str, &str)]| {
            About::of(&pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect::<HashMap<_, _>>())
        };
        let some = |s: &str| Some(s.to_string());
        assert_eq!(about(&[]), About::default());
        assert_eq!(
            about(&[("unit", "m"), ("comment", "wave height [m]")]),
            About { unit: some("m"), description: some("wave height"), other: None }
        );
        assert_eq!(
            about(&[("unit", "m"), ("comment", "[m]")]),
            About { unit: some("m"), ..About::default() }
        );
        assert_eq!(
            about(&[("comment", "a [b]"), ("z", "1"), ("a", "2")]),
            About { unit: None, description: some("a [b]"), other: some(r#"{"a":"2","z":"1"}"#) }
        );
    }
}
