//! The ledger as `system.*` tables.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Field, Schema};
use futures::FutureExt;
use futures::future::BoxFuture;
use lakegate_lake::layout;
use lakegate_lake::session::SystemTables;
use lakegate_state::{ColumnKind, Rows, SYSTEM_TABLES, Store};
use serde_json::Value;

/// The ledger's tables; none where the lake has no ledger yet.
pub struct Ledger(pub Option<Store>);

impl SystemTables for Ledger {
    fn names(&self) -> Vec<(String, String)> {
        SYSTEM_TABLES.iter().map(|t| (t.name.to_string(), t.doc.to_string())).collect()
    }

    fn load<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<RecordBatch, String>> {
        async move {
            let table = SYSTEM_TABLES
                .iter()
                .find(|t| t.name == name)
                .ok_or_else(|| format!("there is no table `system.{name}`"))?;
            let rows = match &self.0 {
                Some(store) => store.system_table(name).await.map_err(|e| e.to_string())?,
                None => None,
            };
            batch(rows.unwrap_or(Rows { columns: table.columns, rows: Vec::new() }))
        }
        .boxed()
    }
}

fn batch(rows: Rows) -> Result<RecordBatch, String> {
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (i, c) in rows.columns.iter().enumerate() {
        let values = rows.rows.iter().map(|r| &r[i]);
        let column: ArrayRef = match c.kind {
            ColumnKind::Int => Arc::new(values.map(Value::as_i64).collect::<Int64Array>()),
            ColumnKind::Float => Arc::new(values.map(Value::as_f64).collect::<Float64Array>()),
            ColumnKind::Bool => {
                Arc::new(values.map(|v| v.as_bool().or(v.as_i64().map(|n| n != 0))).collect::<BooleanArray>())
            }
            ColumnKind::TimeMs => Arc::new(
                values
                    .map(|v| v.as_i64().map(|ms| ms * 1000))
                    .collect::<TimestampMicrosecondArray>()
                    .with_timezone("UTC"),
            ),
            ColumnKind::Text => Arc::new(
                values
                    .map(|v| match v {
                        Value::Null => None,
                        Value::String(s) => Some(s.clone()),
                        other => Some(other.to_string()),
                    })
                    .collect::<StringArray>(),
            ),
        };
        let t = match c.kind {
            ColumnKind::TimeMs => layout::timestamp(),
            _ => column.data_type().clone(),
        };
        let t = if t == DataType::Null { DataType::Utf8 } else { t };
        fields.push(Field::new(c.name, t, true));
        columns.push(column);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.rows.len()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
        .map_err(|e| e.to_string())
}
