//! One version of one table, for those who ask with values instead of text:
//! what comes from a request becomes an expression and never part of a statement.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::SortOptions;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::DFSchema;
use datafusion::dataframe::DataFrame;
use datafusion::datasource::provider_as_source;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::filter_pushdown::FilterPushdown;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use jiff::Timestamp;
use lakegate_domain::TableName;
use serde_json::Value;

use super::{Error, Result, plain, sentence};
use crate::catalog::contents;
pub use crate::catalog::scan::DATA_FILE;
use crate::catalog::scan::Scan;
use crate::catalog::snapshots::Snapshot;

const ASCENDING: SortOptions = SortOptions { descending: false, nulls_first: false };

/// One version of one table.
#[derive(Clone, Debug)]
pub struct View {
    name: TableName,
    snapshot: Arc<Snapshot>,
    state: Arc<SessionState>,
}

/// A live data file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFile {
    /// Relative to the table's folder; the same for as long as the file lives.
    pub path: String,
    /// `None` where it has no statistics.
    pub n_rows: Option<u64>,
    /// Least and greatest instant of the column that was asked for, both widened
    /// to milliseconds; `None` where they are not known or it has none.
    pub times: Option<(Timestamp, Timestamp)>,
    /// Rows that have no instant there.
    pub n_untimed: Option<u64>,
}

impl View {
    pub(super) fn new(name: TableName, snapshot: Arc<Snapshot>, state: Arc<SessionState>) -> Result<Self> {
        let view = Self { name, snapshot, state };
        view.snapshot.table.update_datafusion_session(view.state.as_ref()).map_err(|e| view.damaged(&e))?;
        Ok(view)
    }

    pub fn name(&self) -> &TableName {
        &self.name
    }

    pub fn version(&self) -> u64 {
        self.snapshot.version()
    }

    /// Whether both are the same version of the same table.
    pub fn is_same(&self, other: &View) -> bool {
        Arc::ptr_eq(&self.snapshot, &other.snapshot)
    }

    /// The columns as the table declares them, strings and binaries in their plain forms.
    ///
    /// # Errors
    /// The table is damaged.
    pub fn schema(&self) -> Result<SchemaRef> {
        let state = self.snapshot.table.snapshot().map_err(|e| self.damaged(&e))?;
        Ok(crate::log::plain_schema(&state.snapshot().arrow_schema()))
    }

    /// Columns by which the table is laid out; they are part of the schema.
    ///
    /// # Errors
    /// The table is damaged.
    pub fn partition_columns(&self) -> Result<Vec<String>> {
        let state = self.snapshot.table.snapshot().map_err(|e| self.damaged(&e))?;
        Ok(state.metadata().partition_columns().to_vec())
    }

    /// When this version was committed.
    pub fn committed(&self) -> Option<Timestamp> {
        let state = self.snapshot.table.snapshot().ok()?;
        Timestamp::from_millisecond(state.version_timestamp(state.version())?).ok()
    }

    /// One row for each column: `column`, `type`, `unit`, `description`, `nullable`.
    ///
    /// # Errors
    /// The table is damaged.
    pub fn described(&self) -> Result<RecordBatch> {
        let state = self.snapshot.table.snapshot().map_err(|e| self.damaged(&e))?;
        contents::described(&state.snapshot().arrow_schema())
            .map_err(|e| Error::from(DataFusionError::from(e)))
    }

    /// The live data files and what their statistics say of `time_column`.
    ///
    /// # Errors
    /// The table is damaged.
    pub fn data_files(&self, time_column: &str) -> Result<Vec<DataFile>> {
        let state = self.snapshot.table.snapshot().map_err(|e| self.damaged(&e))?;
        let files = state.snapshot().try_log_data().map_err(|e| self.damaged(&e))?;
        Ok(files
            .iter()
            .map(|file| {
                let stats = file.stats().and_then(|s| serde_json::from_str::<Value>(&s).ok());
                let bound = |which: &str| -> Option<Timestamp> {
                    stats.as_ref()?[which][time_column].as_str()?.parse().ok()
                };
                DataFile {
                    path: file.path().into_owned(),
                    n_rows: file.num_records().map(|n| n as u64),
                    times: bound("minValues").zip(bound("maxValues")),
                    n_untimed: stats.as_ref().and_then(|s| s["nullCount"][time_column].as_u64()),
                }
            })
            .collect())
    }

    /// The whole table, to be narrowed.
    ///
    /// # Errors
    /// The table is damaged.
    pub fn frame(&self) -> Result<DataFrame> {
        self.frame_of(Scan::new(self.snapshot.clone()))
    }

    /// Some columns of the rows that pass, in the order of some columns, those without a
    /// value last; the first `limit` of them.
    ///
    /// It is what [`View::frame`] can be narrowed to, planned by hand: for few rows of a
    /// large table the planner takes as long as the reading.
    ///
    /// # Errors
    /// The table is damaged, or has no such column.
    pub async fn select(
        &self,
        filter: Expr,
        order: &[&str],
        columns: &[String],
        limit: Option<usize>,
    ) -> Result<(SchemaRef, SendableRecordBatchStream)> {
        let plan = self.selection(filter, order, columns, limit).await?;
        Ok(plain::stream(execute_stream(plan, self.state.task_ctx())?))
    }

    async fn selection(
        &self,
        filter: Expr,
        order: &[&str],
        columns: &[String],
        limit: Option<usize>,
    ) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        let state = self.state.as_ref();
        let rows = Scan::new(self.snapshot.clone());
        let named = columns.iter().map(String::as_str).chain(order.iter().copied());
        let named: BTreeSet<&str> =
            named.chain(filter.column_refs().iter().map(|c| c.name.as_str())).collect();
        let schema = rows.schema();
        let read = named.into_iter().map(|name| schema.index_of(name)).collect::<Result<Vec<_>, _>>()?;
        let read = rows.scan(state, Some(&read), std::slice::from_ref(&filter), None).await?;
        let schema = read.schema();
        let filter = state.create_physical_expr(filter, &DFSchema::try_from(schema.clone())?)?;
        let passing = Arc::new(FilterExec::try_new(filter, read)?);
        let passing = FilterPushdown::new().optimize(passing, state.config_options())?;
        let by = order.iter().map(|name| Ok(PhysicalSortExpr::new(col(name, &schema)?, ASCENDING)));
        let by = by.collect::<datafusion::error::Result<Vec<_>>>()?;
        let sorted: Arc<dyn ExecutionPlan> = match LexOrdering::new(by) {
            Some(by) => {
                let sorted = SortExec::new(by.clone(), passing).with_preserve_partitioning(true);
                let sorted = Arc::new(sorted.with_fetch(limit));
                Arc::new(SortPreservingMergeExec::new(by, sorted).with_fetch(limit))
            }
            None => Arc::new(CoalescePartitionsExec::new(passing).with_fetch(limit)),
        };
        let chosen = columns.iter().map(|name| Ok((col(name, &schema)?, name.clone())));
        let chosen = chosen.collect::<datafusion::error::Result<Vec<_>>>()?;
        Ok(Arc::new(ProjectionExec::try_new(chosen, sorted)?))
    }

    /// The rows of some data files, each with its file's path below the table's
    /// folder as the end of the text in [`DATA_FILE`].
    ///
    /// # Errors
    /// The table is damaged.
    pub fn files_frame(&self, paths: impl IntoIterator<Item = String>) -> Result<DataFrame> {
        self.frame_of(Scan::of_files(self.snapshot.clone(), paths))
    }

    fn frame_of(&self, rows: Scan) -> Result<DataFrame> {
        let source = provider_as_source(Arc::new(rows));
        let plan = LogicalPlanBuilder::scan(&self.name.table, source, None)?.build()?;
        Ok(DataFrame::new(SessionState::clone(&self.state), plan))
    }

    fn damaged(&self, e: &dyn std::fmt::Display) -> Error {
        Error::failed(format!("the table {} cannot be read: {}", self.name, sentence(&e.to_string())))
    }
}

/// Runs what was asked of a [`View`]. Types and errors are those of statements.
///
/// # Errors
/// What was asked makes no sense, or the data files cannot be read.
pub async fn run(frame: DataFrame) -> Result<(SchemaRef, SendableRecordBatchStream)> {
    Ok(plain::stream(frame.execute_stream().await?))
}
