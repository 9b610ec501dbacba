//! The ledger as `system.*` tables.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use lakegate_lake::layout;
use lakegate_lake::session::{SystemTables, Wanted, WantedValue};
use lakegate_state::{ColumnKind, Cursor, Narrow, Page, SYSTEM_TABLES, Store, SystemColumn, SystemTable};
use serde_json::Value;

/// The ledger's tables; none where the lake has no ledger yet.
pub struct Ledger(pub Option<Store>);

impl SystemTables for Ledger {
    fn names(&self) -> Vec<(String, String)> {
        SYSTEM_TABLES.iter().map(|t| (t.name.to_string(), t.doc.to_string())).collect()
    }

    fn schema(&self, name: &str) -> Result<SchemaRef, String> {
        Ok(schema(table(name)?))
    }

    fn scan(&self, name: &str, wanted: &[Wanted]) -> BoxStream<'static, Result<RecordBatch, String>> {
        let (Ok(table), Some(store)) = (table(name), self.0.clone()) else { return stream::empty().boxed() };
        let narrow = narrow(wanted);
        let pages = stream::try_unfold(Some(Cursor::default()), move |after| {
            let (store, narrow) = (store.clone(), narrow.clone());
            async move {
                let Some(after) = after else { return Ok(None) };
                let page = store.system_page(table.name, &narrow, after).await.map_err(|e| e.to_string())?;
                let Some(Page { rows, next }) = page else { return Ok(None) };
                Ok(Some((batch(table, &rows)?, next)))
            }
        });
        pages.boxed()
    }
}

/// What the ledger can look for of what a statement wants.
fn narrow(wanted: &[Wanted]) -> Narrow {
    let mut narrow = Narrow::default();
    for Wanted { column, value } in wanted {
        match (column.as_str(), value) {
            ("dataset", WantedValue::Text(name)) => narrow.dataset = name.parse().ok(),
            ("table_name", WantedValue::Text(name)) => narrow.table = Some(name.clone()),
            ("file_id", WantedValue::Int(id)) => narrow.file_id = Some(*id),
            _ => {}
        }
    }
    narrow
}

fn table(name: &str) -> Result<&'static SystemTable, String> {
    SYSTEM_TABLES.iter().find(|t| t.name == name).ok_or_else(|| format!("there is no table `system.{name}`"))
}

fn schema(table: &SystemTable) -> SchemaRef {
    let fields = table.columns.iter().map(|c| {
        let t = match c.kind {
            ColumnKind::Int => DataType::Int64,
            ColumnKind::Float => DataType::Float64,
            ColumnKind::Bool => DataType::Boolean,
            ColumnKind::TimeMs => layout::timestamp(),
            ColumnKind::Text => DataType::Utf8,
        };
        Field::new(c.name, t, true)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Rows of a system table as Arrow.
///
/// # Errors
/// There is no such table.
pub fn batch_of(name: &str, rows: &[Vec<Value>]) -> Result<RecordBatch, String> {
    batch(table(name)?, rows)
}

fn batch(table: &SystemTable, rows: &[Vec<Value>]) -> Result<RecordBatch, String> {
    let column = |(i, c): (usize, &SystemColumn)| -> ArrayRef {
        let values = rows.iter().map(|r| &r[i]);
        match c.kind {
            ColumnKind::Int => Arc::new(values.map(Value::as_i64).collect::<Int64Array>()),
            ColumnKind::Float => Arc::new(values.map(Value::as_f64).collect::<Float64Array>()),
            ColumnKind::Bool => Arc::new(values.map(Value::as_bool).collect::<BooleanArray>()),
            ColumnKind::TimeMs => Arc::new(
                values
                    .map(|v| v.as_i64().map(|ms| ms * 1000))
                    .collect::<TimestampMicrosecondArray>()
                    .with_timezone("UTC"),
            ),
            ColumnKind::Text => Arc::new(values.map(Value::as_str).collect::<StringArray>()),
        }
    };
    let columns = table.columns.iter().enumerate().map(column).collect();
    RecordBatch::try_new(schema(table), columns).map_err(|e| e.to_string())
}
