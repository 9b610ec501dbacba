//! DataFusion's view of the catalogue, made anew for each statement.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemTable, SchemaProvider, Session, TableProvider,
};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::session_state::SessionState;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::TryStreamExt;
use lakegate_domain::TableName;
use tokio::sync::Mutex;

use super::scan::Scan;
use super::snapshots::Snapshots;
use super::{DEFAULT_CATALOG, DEFAULT_SCHEMA, Meaning, Names, SYSTEM, contents};
use crate::session::{SystemTables, Wanted, WantedValue, sentence};

/// The catalogue of one statement: a fixed list of names, tables opened when named.
#[derive(Clone)]
pub(crate) struct Catalog {
    inner: Arc<Inner>,
}

struct Inner {
    snapshots: Arc<Snapshots>,
    names: Names,
    system: Arc<dyn SystemTables>,
    /// Settings of scans and the runtime whose object stores they use.
    state: Arc<SessionState>,
    /// One version of each table for the whole statement.
    opened: Mutex<HashMap<TableName, Arc<dyn TableProvider>>>,
}

impl Catalog {
    pub(crate) fn new(
        snapshots: Arc<Snapshots>,
        names: Names,
        system: Arc<dyn SystemTables>,
        state: Arc<SessionState>,
    ) -> Self {
        Self { inner: Arc::new(Inner { snapshots, names, system, state, opened: Mutex::default() }) }
    }

    pub(crate) fn names(&self) -> &Names {
        &self.inner.names
    }

    /// Opens the table that a name of one to three parts means.
    pub(crate) async fn table(&self, name: &[&str]) -> DataFusionResult<Option<Arc<dyn TableProvider>>> {
        match self.inner.names.find(name) {
            Meaning::Table(table) => self.inner.open(table).await,
            Meaning::System(table) => self.inner.system_table(table).await,
            Meaning::Ambiguous(_) | Meaning::Standard | Meaning::Unknown => Ok(None),
        }
    }
}

impl Inner {
    async fn open(&self, name: &TableName) -> DataFusionResult<Option<Arc<dyn TableProvider>>> {
        let mut opened = self.opened.lock().await;
        if let Some(provider) = opened.get(name) {
            return Ok(Some(provider.clone()));
        }
        let damaged = |e: &dyn fmt::Display| {
            external(format!("the table {name} cannot be opened: {}", sentence(&e.to_string())))
        };
        let Some(newest) = self.snapshots.newest(name).await.map_err(|e| damaged(&e))? else {
            return Ok(None);
        };
        newest.table.update_datafusion_session(self.state.as_ref()).map_err(|e| damaged(&e))?;
        let provider: Arc<dyn TableProvider> = Arc::new(Scan::new(newest));
        opened.insert(name.clone(), provider.clone());
        Ok(Some(provider))
    }

    async fn system_table(&self, name: &str) -> DataFusionResult<Option<Arc<dyn TableProvider>>> {
        let unreadable = |e: String| external(format!("the table {SYSTEM}.{name} cannot be read: {e}"));
        let batch = match name {
            contents::TABLES => contents::tables(&self.snapshots, &self.names.tables).await?,
            contents::COLUMNS => contents::columns(&self.snapshots, &self.names.tables).await?,
            _ => {
                let schema = self.system.schema(name).map_err(unreadable)?;
                let (system, name) = (self.system.clone(), name.to_string());
                return Ok(Some(Arc::new(LedgerTable { system, name, schema })));
            }
        };
        Ok(Some(Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?)))
    }
}

/// One of the ledger's tables.
struct LedgerTable {
    system: Arc<dyn SystemTables>,
    name: String,
    schema: SchemaRef,
}

impl fmt::Debug for LedgerTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LedgerTable").field("name", &self.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for LedgerTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    /// The ledger may give more rows than are wanted.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        let of = |filter: &&Expr| match wanted(filter) {
            Some(_) => TableProviderFilterPushDown::Inexact,
            None => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(of).collect())
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let rows: Arc<dyn PartitionStream> = Arc::new(Ledger {
            system: self.system.clone(),
            name: self.name.clone(),
            schema: self.schema.clone(),
            wanted: filters.iter().filter_map(wanted).collect(),
        });
        let schema = self.schema.clone();
        Ok(Arc::new(StreamingTableExec::try_new(schema, vec![rows], projection, [], false, limit)?))
    }
}

/// What a filter wants, where it compares a column with a text or an integer.
fn wanted(filter: &Expr) -> Option<Wanted> {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = filter else { return None };
    let (column, value) = match (left.as_ref(), right.as_ref()) {
        (Expr::Column(column), Expr::Literal(value, _)) | (Expr::Literal(value, _), Expr::Column(column)) => {
            (column.name.clone(), value)
        }
        _ => return None,
    };
    let value = match value {
        ScalarValue::Int64(Some(n)) => WantedValue::Int(*n),
        value => WantedValue::Text(value.try_as_str()??.to_string()),
    };
    Some(Wanted { column, value })
}

/// Rows of one of the ledger's tables, read anew by every scan.
struct Ledger {
    system: Arc<dyn SystemTables>,
    name: String,
    schema: SchemaRef,
    wanted: Vec<Wanted>,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PartitionStream for Ledger {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let name = self.name.clone();
        let unreadable = move |e: String| external(format!("the table {SYSTEM}.{name} cannot be read: {e}"));
        let rows = self.system.scan(&self.name, &self.wanted).map_err(unreadable);
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), rows))
    }
}

fn external(message: String) -> DataFusionError {
    DataFusionError::External(message.into())
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog").field("storage", &self.inner.snapshots.storage()).finish_non_exhaustive()
    }
}

impl CatalogProviderList for Catalog {
    fn register_catalog(&self, _: String, _: Arc<dyn CatalogProvider>) -> Option<Arc<dyn CatalogProvider>> {
        // The lake's folders say which catalogues there are.
        None
    }

    fn catalog_names(&self) -> Vec<String> {
        let mut names: BTreeSet<&str> = self.inner.names.tables.iter().map(|t| t.team.as_str()).collect();
        names.insert(DEFAULT_CATALOG);
        names.into_iter().map(str::to_string).collect()
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        Some(Arc::new(Team { catalog: self.clone(), name: name.to_string() }))
    }
}

/// A team, or the catalogue of unqualified names.
#[derive(Debug)]
struct Team {
    catalog: Catalog,
    name: String,
}

impl CatalogProvider for Team {
    fn schema_names(&self) -> Vec<String> {
        let tables = &self.catalog.inner.names.tables;
        let mut names: BTreeSet<&str> =
            tables.iter().filter(|t| t.team == self.name).map(|t| t.dataset.as_str()).collect();
        if self.name == DEFAULT_CATALOG {
            names.insert(SYSTEM);
        }
        names.into_iter().map(str::to_string).collect()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        Some(Arc::new(Dataset {
            catalog: self.catalog.clone(),
            team: self.name.clone(),
            name: name.to_string(),
        }))
    }
}

/// A dataset, the `system` schema, or the schema of bare names.
#[derive(Debug)]
struct Dataset {
    catalog: Catalog,
    team: String,
    name: String,
}

impl Dataset {
    fn find(&self, table: &str) -> Meaning<'_> {
        self.catalog.inner.names.find(&[&self.team, &self.name, table])
    }
}

#[async_trait]
impl SchemaProvider for Dataset {
    /// Only what belongs here: a bare name reaches more tables than are listed.
    fn table_names(&self) -> Vec<String> {
        let names = &self.catalog.inner.names;
        let mut listed: Vec<String> = names
            .tables
            .iter()
            .filter(|t| t.team == self.team && t.dataset == self.name)
            .map(|t| t.table.clone())
            .collect();
        if self.team == DEFAULT_CATALOG && self.name == SYSTEM {
            listed.extend(names.system.iter().cloned());
        }
        listed
    }

    async fn table(&self, table: &str) -> DataFusionResult<Option<Arc<dyn TableProvider>>> {
        self.catalog.table(&[&self.team, &self.name, table]).await
    }

    /// Known without opening the table.
    async fn table_type(&self, table: &str) -> DataFusionResult<Option<TableType>> {
        Ok(self.table_exist(table).then_some(TableType::Base))
    }

    fn table_exist(&self, table: &str) -> bool {
        matches!(self.find(table), Meaning::Table(_) | Meaning::System(_))
    }
}

/// The schema of bare names, in the form that DataFusion's settings want.
pub(crate) const DEFAULTS: (&str, &str) = (DEFAULT_CATALOG, DEFAULT_SCHEMA);
