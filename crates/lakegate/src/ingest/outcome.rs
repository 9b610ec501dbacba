//! What one landed file comes to, table by table.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use lakegate_domain::model::Publish;
use lakegate_format::stats::ColumnStats;
use lakegate_lake::expect::Finding;
use lakegate_lake::quality;

/// Rows of one file for one table, and what was counted on the way.
#[derive(Debug, Default)]
pub struct TableOut {
    /// Rows that pass, in the table's columns.
    pub rows: Vec<RecordBatch>,
    /// Rows for the quarantine table.
    pub quarantined: Vec<RecordBatch>,
    pub counts: Counts,
    pub findings: Vec<Finding>,
    /// Of the quality checks, in their order.
    pub quality: Vec<quality::Finding>,
    pub stats: BTreeMap<String, ColumnStats>,
}

/// The conservation law of one file and table:
/// `n_in = n_committed + n_quarantined + n_dropped + n_duplicate`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows that the reader found.
    pub n_read: u64,
    /// Rows after the transform.
    pub n_in: u64,
    pub n_committed: u64,
    pub n_quarantined: u64,
    /// Dropped by an expectation, or because a coordinate failed a quality check.
    pub n_dropped: u64,
    /// Dropped because the same key came before.
    pub n_duplicate: u64,
}

impl Counts {
    pub fn is_conserved(&self) -> bool {
        self.n_in == self.n_committed + self.n_quarantined + self.n_dropped + self.n_duplicate
    }
}

/// One file, read and checked.
#[derive(Debug, Default)]
pub struct FileOut {
    pub tables: BTreeMap<String, TableOut>,
    pub duration_ms: u64,
}

impl FileOut {
    /// The newest time in the file, milliseconds since 1970: of the column by
    /// which it is published, else of the columns that are called `timestamp`.
    pub fn newest_ms(&self, publish: Option<&Publish>) -> Option<i64> {
        let of = |table: &TableOut, column: &str| table.stats.get(column)?.newest_us();
        let newest = match publish {
            Some(publish) => self.tables.get(&publish.table).and_then(|t| of(t, &publish.time)),
            None => self.tables.values().filter_map(|t| of(t, "timestamp")).max(),
        };
        newest.map(|us| us.div_euclid(1000))
    }

    pub fn n_read(&self) -> u64 {
        self.tables.values().map(|t| t.counts.n_read).sum()
    }

    /// Statistics as the ledger keeps them: table, column, figures.
    pub fn stats_json(&self, table_name: impl Fn(&str) -> String) -> String {
        let tables: serde_json::Map<String, serde_json::Value> = self
            .tables
            .iter()
            .map(|(table, out)| {
                let columns: serde_json::Map<_, _> =
                    out.stats.iter().map(|(c, s)| (c.clone(), s.to_json())).collect();
                (table_name(table), columns.into())
            })
            .collect();
        serde_json::Value::Object(tables).to_string()
    }
}
