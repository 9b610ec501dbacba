//! Reading one version of one table.
//!
//! Which data files a version has, with their sizes, partition values and
//! statistics, is found out once for each version; a question then prunes that
//! list and reads what is left, without going through the log again. So are
//! tables read that are as the lake writes them. What other engines may have made
//! of a table (deletion vectors, renamed columns, files elsewhere) is left to
//! delta-rs.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, BooleanArray, TimestampMicrosecondArray, UInt64Array};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::stats::Precision;
use datafusion::common::{Column, DFSchema, ScalarValue, Statistics};
use datafusion::config::{ParquetOptions, TableParquetOptions};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{CastExpr, Column as PhysicalColumn};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::projection::ProjectionExec;
use deltalake::DeltaTable;
use deltalake::delta_datafusion::{DeltaScanConfig, DeltaScanNext, FileSelection};
use object_store::ObjectMeta;
use object_store::path::Path;

use super::snapshots::Snapshot;
use crate::session::sentence;
use crate::{Error, Result};
use lakegate_domain::Code;

/// Column that tells a row's data file, where it is asked for.
pub const DATA_FILE: &str = "_data_file";

/// What a version of a table is made of.
pub(crate) struct Contents {
    /// The columns as statements see them, in the table's order.
    schema: SchemaRef,
    /// `None` where only delta-rs knows how to read it.
    plain: Option<Plain>,
}

/// A version whose rows are those of its data files, column for column.
struct Plain {
    store: ObjectStoreUrl,
    /// What the files hold.
    file_schema: SchemaRef,
    partition_fields: Vec<FieldRef>,
    /// For each column of the table: its place among the files' columns and, behind
    /// them, the partition columns.
    places: Vec<usize>,
    files: Vec<Live>,
    /// Statistics of columns that were asked for, one value for each file.
    bounds: Mutex<HashMap<(String, Bound), Option<ArrayRef>>>,
}

/// A data file of a version.
struct Live {
    /// Relative to the table's folder, decoded.
    path: String,
    file: PartitionedFile,
    n_rows: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Bound {
    Least,
    Greatest,
    Nulls,
}

impl Contents {
    pub(crate) fn of(table: &DeltaTable) -> Result<Self> {
        let state = table.snapshot()?;
        // Names and types are those that delta-rs gives, whoever reads.
        let by_log = DeltaScanNext::new(state.snapshot().clone(), config())
            .map_err(|e| Error::new(Code::TableDamaged, sentence(&e.to_string())))?;
        let schema = by_log.schema();
        Ok(Self { plain: Plain::of(table, &schema), schema })
    }
}

/// How delta-rs reads.
fn config() -> DeltaScanConfig {
    // Partition columns have the type that the table declares, not a dictionary of it.
    DeltaScanConfig::new().with_wrap_partition_values(false)
}

impl Plain {
    fn of(table: &DeltaTable, schema: &SchemaRef) -> Option<Self> {
        let state = table.snapshot().ok()?;
        // The first protocol has neither deletion vectors nor renamed columns.
        if state.protocol().min_reader_version() > 1 {
            return None;
        }
        let names = state.metadata().partition_columns();
        let (partition_fields, held): (Vec<FieldRef>, Vec<FieldRef>) =
            schema.fields().iter().cloned().partition(|f| names.contains(f.name()));
        let from_text = |t: &DataType| !t.is_nested() && !t.is_binary();
        if !partition_fields.iter().all(|f| from_text(f.data_type())) {
            return None;
        }
        let place = |f: &FieldRef| {
            let partition = partition_fields.iter().position(|p| p.name() == f.name());
            partition.map(|i| held.len() + i).or_else(|| held.iter().position(|h| h.name() == f.name()))
        };
        let places = schema.fields().iter().map(place).collect::<Option<Vec<_>>>()?;
        let root = table.table_url();
        let store = ObjectStoreUrl::parse(&root[..url::Position::BeforePath]).ok()?;
        let folder = Path::from_url_path(root.path()).ok()?;
        let mut files = Vec::new();
        for file in state.snapshot().try_log_data().ok()?.iter() {
            let path = file.path().into_owned();
            if path.starts_with('/') || path.contains("://") {
                return None;
            }
            let values = match partition_fields.is_empty() {
                true => HashMap::new(),
                false => file.partition_values_map(),
            };
            let value = |f: &FieldRef| match values.get(f.name()).cloned().flatten() {
                Some(text) if !text.is_empty() => ScalarValue::try_from_string(text, f.data_type()).ok(),
                _ => ScalarValue::try_new_null(f.data_type()).ok(),
            };
            let meta = ObjectMeta {
                location: Path::parse(format!("{folder}/{path}")).ok()?,
                last_modified: file.modification_datetime().ok()?,
                size: u64::try_from(file.size()).ok()?,
                e_tag: None,
                version: None,
            };
            files.push(Live {
                path,
                file: PartitionedFile::new_from_meta(meta)
                    .with_partition_values(partition_fields.iter().map(value).collect::<Option<Vec<_>>>()?),
                n_rows: file.num_records(),
            });
        }
        let file_schema = Arc::new(Schema::new(held));
        Some(Self { store, file_schema, partition_fields, places, files, bounds: Mutex::default() })
    }
}

/// One version of one table, for DataFusion.
pub(crate) struct Scan {
    snapshot: Arc<Snapshot>,
    schema: SchemaRef,
    /// Paths of data files, with which [`DATA_FILE`] is the last column; all files,
    /// without it, where there are none given.
    only: Option<HashSet<String>>,
}

impl Scan {
    /// All rows.
    pub(crate) fn new(snapshot: Arc<Snapshot>) -> Self {
        Self { schema: snapshot.contents.schema.clone(), snapshot, only: None }
    }

    /// The rows of some data files, named relative to the table's folder. What
    /// [`DATA_FILE`] says ends with that name.
    pub(crate) fn of_files(snapshot: Arc<Snapshot>, paths: impl IntoIterator<Item = String>) -> Self {
        let mut fields = snapshot.contents.schema.fields().to_vec();
        fields.push(Arc::new(Field::new(DATA_FILE, DataType::Utf8, true)));
        Self { schema: Arc::new(Schema::new(fields)), snapshot, only: Some(paths.into_iter().collect()) }
    }

    /// As delta-rs reads it.
    async fn by_log(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let snapshot = self.snapshot.table.snapshot()?.snapshot().clone();
        let provider = match &self.only {
            None => DeltaScanNext::new(snapshot, config())?,
            Some(paths) => DeltaScanNext::new(snapshot, config().with_file_column_name(DATA_FILE))?
                .with_file_selection(FileSelection::from_file_paths(paths.iter().cloned())),
        };
        let plan = provider.scan(state, projection, filters, limit).await?;
        let wanted = self.projected(projection)?;
        if plan.schema().fields() == wanted.fields() {
            return Ok(plan);
        }
        // It tells a row's file in a type of its own.
        let columns = wanted.fields().iter().enumerate().map(|(at, field)| {
            let column = Arc::new(PhysicalColumn::new(field.name(), at));
            let cast = CastExpr::new_with_target_field(column, field.clone(), None);
            (Arc::new(cast) as Arc<dyn PhysicalExpr>, field.name().clone())
        });
        Ok(Arc::new(ProjectionExec::try_new(columns.collect::<Vec<_>>(), plan)?))
    }

    fn projected(&self, projection: Option<&Vec<usize>>) -> DataFusionResult<SchemaRef> {
        match projection {
            Some(chosen) => Ok(Arc::new(self.schema.project(chosen)?)),
            None => Ok(self.schema.clone()),
        }
    }
}

#[async_trait]
impl TableProvider for Scan {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Files and pages are left out by filters; rows are not.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let Some(plain) = &self.snapshot.contents.plain else {
            return self.by_log(state, projection, filters, limit).await;
        };
        let wanted = self.wanted(plain, state, filters)?;
        let mut partition_fields = plain.partition_fields.clone();
        let mut places = plain.places.clone();
        if self.only.is_some() {
            places.push(plain.file_schema.fields().len() + partition_fields.len());
            partition_fields.extend(self.schema.fields().last().cloned());
        }
        let files: Vec<PartitionedFile> = wanted
            .iter()
            .map(|live| {
                let mut file = live.file.clone();
                if self.only.is_some() {
                    file.partition_values.push(ScalarValue::from(live.path.as_str()));
                }
                file
            })
            .collect();
        let columns: Vec<usize> = match projection {
            Some(chosen) => chosen.iter().map(|&i| places[i]).collect(),
            None => places,
        };
        if files.is_empty() {
            return Ok(Arc::new(EmptyExec::new(self.projected(projection)?)));
        }
        let table_schema = TableSchema::builder(plain.file_schema.clone())
            .with_table_partition_cols(partition_fields)
            .build();
        let mut statistics = Statistics::new_unknown(table_schema.table_schema());
        if let Some(n) = wanted.iter().map(|live| live.n_rows).sum::<Option<usize>>() {
            statistics.num_rows = Precision::Exact(n);
        }
        let runtime = state.runtime_env();
        let reader = CachedParquetFileReaderFactory::new(
            runtime.object_store(&plain.store)?,
            runtime.cache_manager.get_file_metadata_cache(),
        );
        // Old engines write instants as INT96; none writes nanoseconds to Delta tables.
        let global = ParquetOptions {
            coerce_int96: Some("us".into()),
            ..state.config_options().execution.parquet.clone()
        };
        let options = TableParquetOptions { global, ..TableParquetOptions::default() };
        let source = ParquetSource::new(table_schema)
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::new(reader));
        let groups = FileGroup::new(files).split_files(state.config().target_partitions());
        let config = FileScanConfigBuilder::new(plain.store.clone(), Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(Some(columns))?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

impl Scan {
    /// The data files that may hold rows that pass.
    fn wanted<'a>(
        &self,
        plain: &'a Plain,
        state: &dyn Session,
        filters: &[Expr],
    ) -> DataFusionResult<Vec<&'a Live>> {
        let is_meant = |live: &&Live| self.only.as_ref().is_none_or(|paths| paths.contains(&live.path));
        let Some(filter) = conjunction(filters.to_vec()) else {
            return Ok(plain.files.iter().filter(is_meant).collect());
        };
        let columns = DFSchema::try_from(self.schema.clone())?;
        let filter = state.create_physical_expr(filter, &columns)?;
        let kept = match PruningPredicateBuilder::new().with_file_schema(self.schema.clone()).build(filter) {
            Some(predicate) => predicate.prune(&FileStatistics { plain, table: &self.snapshot.table })?,
            // It says nothing of least and greatest values.
            None => vec![true; plain.files.len()],
        };
        Ok(plain.files.iter().zip(kept).filter(|(_, kept)| *kept).map(|(f, _)| f).filter(is_meant).collect())
    }
}

/// What the log says of the columns' values in each data file.
struct FileStatistics<'a> {
    plain: &'a Plain,
    table: &'a DeltaTable,
}

impl FileStatistics<'_> {
    /// Read from the log once for each version, column and bound.
    fn bound(
        &self,
        column: &str,
        bound: Bound,
        read: impl FnOnce(&dyn PruningStatistics) -> Option<ArrayRef>,
    ) -> Option<ArrayRef> {
        let mut bounds = self.plain.bounds.lock().unwrap_or_else(PoisonError::into_inner);
        let known = bounds.entry((column.to_string(), bound)).or_insert_with(|| {
            let log = self.table.snapshot().ok()?.snapshot().try_log_data().ok()?;
            read(&log).filter(|values| values.len() == self.plain.files.len())
        });
        known.clone()
    }
}

impl PruningStatistics for FileStatistics<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bound(column.name(), Bound::Least, |log| log.min_values(column))
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bound(column.name(), Bound::Greatest, |log| Some(widened(log.max_values(column)?)))
    }

    fn num_containers(&self) -> usize {
        self.plain.files.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        if !self.plain.partition_fields.iter().any(|f| f.name() == column.name()) {
            return self.bound(column.name(), Bound::Nulls, |log| log.null_counts(column));
        }
        // All of a file's rows have its partition's value.
        let values = self.min_values(column)?;
        let files = self.plain.files.iter().enumerate();
        let n_nulls =
            files.map(|(i, f)| if values.is_null(i) { f.n_rows.map(|n| n as u64) } else { Some(0) });
        Some(Arc::new(n_nulls.collect::<UInt64Array>()))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        let n_rows = self.plain.files.iter().map(|f| f.n_rows.map(|n| n as u64));
        Some(Arc::new(n_rows.collect::<UInt64Array>()))
    }

    fn contained(&self, _: &Column, _: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

/// Statistics tell instants in milliseconds, and most engines cut off the rest.
fn widened(greatest: ArrayRef) -> ArrayRef {
    match greatest.as_any().downcast_ref::<TimestampMicrosecondArray>() {
        Some(instants) => {
            let widened: TimestampMicrosecondArray = instants.unary_opt(|t| t.checked_add(999));
            Arc::new(widened.with_timezone_opt(instants.timezone()))
        }
        None => greatest,
    }
}

impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scan").field("version", &self.snapshot.version()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contents").field("is_plain", &self.plain.is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
