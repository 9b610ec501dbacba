//! Light SQL over the rows of one file, which it sees as the table `input`.
//!
//! A statement that only projects and filters, deterministically, is
//! *row-wise*: what becomes of a row depends on nothing but that row. Such a
//! transform is evaluated batch by batch, in bounded memory, and its rows keep
//! their numbers. Every other statement runs over the whole file at once, whose
//! rows are [`Held`] until then.
//!
//! This module must not look at tables of the lake: heavy SQL belongs to models.

use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::execution::{SendableRecordBatchStream, SessionStateDefaults, TaskContext};
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::physical_plan::{PhysicalExpr, execute_stream};
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::{DFParser, Statement};
use datafusion::sql::sqlparser::ast::Statement as Sql;
use futures::StreamExt;
use lakegate_domain::{Code, Failure};

use crate::layout::ROW;

mod held;
mod look;

pub use held::Held;
pub use look::{Others, look};
pub(crate) use look::{is_of_statement, missing_column};

/// The name under which a statement sees the file's rows.
const INPUT: &str = "input";

/// Memory that a sort keeps back for merging what it spilled.
const MAX_SORT_RESERVE_BYTES: usize = 10 << 20;

/// Rows that a statement over a whole file takes at a time.
const BATCH_ROWS: usize = 8192;
/// The same, where each may become many.
const UNNESTED_ROWS: usize = 1024;

type DfResult<T> = std::result::Result<T, DataFusionError>;

/// A compiled statement.
pub struct Transform {
    /// The columns the statement may see, without `_row`.
    input: SchemaRef,
    /// What it yields, without `_row`; every column may be null.
    output: SchemaRef,
    state: SessionState,
    plan: LogicalPlan,
    /// How a row-wise statement is evaluated; `None` for any other.
    steps: Option<Vec<Step>>,
}

/// What a statement over a whole file may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For the rows that wait and, in its other three quarters, for sorting,
    /// grouping and joining them; beyond it either spills.
    pub memory_bytes: usize,
    /// Where they spill to; it must exist.
    pub spill_dir: PathBuf,
}

/// The rows that a statement over a whole file yields, batch by batch.
pub struct Output {
    stream: SendableRecordBatchStream,
    schema: SchemaRef,
    n_rows: i64,
}

impl Output {
    /// The next rows: the output columns and `_row`, which counts from 1.
    ///
    /// # Errors
    /// LG401 with the reason; LG601 where spilling finds no space.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, Failure> {
        let Some(batch) = self.stream.next().await.transpose().map_err(failed)? else { return Ok(None) };
        let n = batch.num_rows() as i64;
        let mut columns = batch.columns().to_vec();
        columns.push(Arc::new(Int64Array::from_iter_values(self.n_rows + 1..=self.n_rows + n)));
        self.n_rows += n;
        RecordBatch::try_new(self.schema.clone(), columns).map(Some).map_err(|e| bug(e.to_string()))
    }
}

/// One stage of a row-wise statement; each sees the batch of the one before.
#[derive(Clone, Debug)]
enum Step {
    /// These columns, in this order.
    Columns(Vec<usize>, SchemaRef),
    Filter(Arc<dyn PhysicalExpr>),
    Project(Vec<Arc<dyn PhysicalExpr>>, SchemaRef),
    /// No row, whatever comes in: a condition that never holds.
    Nothing(SchemaRef),
}

impl Transform {
    /// Compiles one query over `input`: the file's columns, the route's named
    /// groups and `_file_name`, `_file_path`, `_file_size`, `_file_modified`,
    /// without `_row`.
    ///
    /// Names are matched as they are written or, failing that, in lower case.
    ///
    /// # Errors
    /// LG401, with the place in the statement where it is known: it is not
    /// exactly one query, reads another table, names what is not there, or does
    /// not plan.
    pub async fn compile(sql: &str, input: SchemaRef) -> Result<Transform, Failure> {
        let input = nullable(&input);
        let statement = parse(sql)?;
        let mut state = session_state();
        check_tables(&state, &statement)?;
        let plan = match planned(&mut state, &statement, &input, false).await {
            Ok(plan) => plan,
            Err(first) => planned(&mut state, &statement, &input, true).await.map_err(|_| failed(first))?,
        };
        check_names(&plan)?;

        let optimised = state.optimize(&plan).map_err(failed)?;
        let steps = match depends_on_more_than_the_row(&plan).map_err(failed)? {
            true => None,
            false => {
                let mut steps = Vec::new();
                let row_wise = row_wise_steps(&optimised, &state, &mut steps).map_err(failed)?;
                row_wise.then_some(steps)
            }
        };
        let output = match &steps {
            Some(steps) => steps
                .iter()
                .rev()
                .find_map(|s| match s {
                    Step::Columns(_, schema) | Step::Project(_, schema) | Step::Nothing(schema) => {
                        Some(schema.clone())
                    }
                    Step::Filter(_) => None,
                })
                .unwrap_or_else(|| input.clone()),
            None => nullable(&state.create_physical_plan(&plan).await.map_err(failed)?.schema()),
        };
        // The steps name their columns as the plan does; people see the query's names.
        let output = renamed(&output, &plan);
        Ok(Transform { input, output, state, plan, steps })
    }

    /// The columns it yields, without `_row`.
    pub fn output_schema(&self) -> SchemaRef {
        self.output.clone()
    }

    /// Whether it only projects and filters with deterministic functions, so
    /// that a row's meaning cannot depend on other rows.
    pub fn is_row_wise(&self) -> bool {
        self.steps.is_some()
    }

    /// Evaluates a row-wise statement. `batch` has the input columns and
    /// `_row`; the result has the output columns and then the `_row` of the
    /// rows that are left.
    ///
    /// A row fails only if it fails by itself: `b <> 0 and a / b > 1` guards
    /// its division whatever other rows the batch holds.
    ///
    /// # Errors
    /// LG401 naming the first row that fails; LG901 if the statement is not
    /// row-wise or the batch is not of the input's shape.
    pub fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch, Failure> {
        let Some(steps) = &self.steps else {
            return Err(bug("a transform that needs the whole file was given one batch of it"));
        };
        let (input, rows, row_field) = self.split(batch)?;
        let mut parts = Vec::new();
        evaluate(steps, input, rows, &mut parts)?;
        let schema = self.with_row(row_field);
        let mut out = parts
            .into_iter()
            .map(|(part, rows)| {
                let mut columns = part.columns().to_vec();
                columns.push(Arc::new(rows) as ArrayRef);
                RecordBatch::try_new(schema.clone(), columns).map_err(|e| bug(e.to_string()))
            })
            .collect::<Result<Vec<_>, _>>()?;
        match out.len() {
            1 => Ok(out.swap_remove(0)),
            _ => arrow::compute::concat_batches(&schema, &out).map_err(|e| bug(e.to_string())),
        }
    }

    /// Evaluates the statement over all rows of one file, which may be read more
    /// than once.
    ///
    /// # Errors
    /// LG401 with the reason; LG601 where spilling finds no space.
    pub async fn run(&self, rows: Held) -> Result<Output, Failure> {
        let limits = rows.limits().clone();
        let row = Arc::new(Field::new(ROW, DataType::Int64, true));
        // What `unnest` takes apart is made whole first, for all rows of a batch.
        let batch_rows = if unnests(&self.plan).map_err(failed)? { UNNESTED_ROWS } else { BATCH_ROWS };
        let rows = rows.scanned_as(self.input.clone(), batch_rows)?;
        let table = StreamingTable::try_new(self.input.clone(), vec![rows]).map_err(failed)?;
        let plan = reading_from(&self.plan, Arc::new(table)).map_err(failed)?;

        let memory_bytes = limits.memory_bytes / 4 * 3;
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(GreedyMemoryPool::new(memory_bytes)))
            .with_disk_manager_builder(
                DiskManagerBuilder::default().with_mode(DiskManagerMode::Directories(vec![limits.spill_dir])),
            )
            .build_arc()
            .map_err(failed)?;
        let mut state = self.state.clone();
        // What sorts keep back must not eat a small limit.
        let reserve = (memory_bytes / 8).clamp(64 << 10, MAX_SORT_RESERVE_BYTES);
        let execution = &mut state.config_mut().options_mut().execution;
        execution.sort_spill_reservation_bytes = reserve;
        execution.enforce_batch_size_in_joins = true;
        *state.config_mut() = state.config().clone().with_batch_size(batch_rows);
        // `now()` is the time of this run, not of the compilation.
        state.mark_start_execution();
        let physical = state.create_physical_plan(&plan).await.map_err(failed)?;
        let context = Arc::new(TaskContext::from(&state).with_runtime(runtime));
        let stream = execute_stream(physical, context).map_err(failed)?;
        Ok(Output { stream, schema: self.with_row(row), n_rows: 0 })
    }

    /// Parts a batch into the statement's input and its row numbers.
    fn split(&self, batch: &RecordBatch) -> Result<(RecordBatch, Int64Array, FieldRef), Failure> {
        let schema = batch.schema_ref();
        let at = |name: &str| {
            schema.index_of(name).map_err(|_| bug(format!("a batch for a transform has no column `{name}`")))
        };
        let row = at(ROW)?;
        let rows = batch
            .column(row)
            .as_primitive_opt::<Int64Type>()
            .ok_or_else(|| bug(format!("`{ROW}` is not of 64-bit integers")))?
            .clone();
        let columns = self
            .input
            .fields()
            .iter()
            .map(|f| at(f.name()).map(|i| batch.column(i).clone()))
            .collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let input = RecordBatch::try_new_with_options(self.input.clone(), columns, &options)
            .map_err(|e| bug(e.to_string()))?;
        Ok((input, rows, schema.fields()[row].clone()))
    }

    fn with_row(&self, row: FieldRef) -> SchemaRef {
        Arc::new(Schema::new(self.output.fields().iter().cloned().chain([row]).collect::<Vec<_>>()))
    }
}

impl fmt::Debug for Transform {
    // Without the session: it knows hundreds of functions.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transform")
            .field("input", &self.input)
            .field("output", &self.output)
            .field("plan", &format_args!("{}", self.plan.display_indent()))
            .field("row_wise", &self.is_row_wise())
            .finish()
    }
}

/// A session for compiling SQL: one partition, so that the order of rows is
/// always the same; time zone UTC; strings as plain `Utf8`; names as written.
pub(crate) fn session_state() -> SessionState {
    let mut config = SessionConfig::new().with_target_partitions(1);
    let options = config.options_mut();
    options.execution.time_zone = Some("UTC".into());
    options.sql_parser.collect_spans = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.sql_parser.enable_ident_normalization = false;
    // `input_file_name()` and the like would answer about storage, not about
    // the landed file; that is `_file_name`.
    let functions = SessionStateDefaults::default_scalar_functions()
        .into_iter()
        .filter(|f| !matches!(f.name(), "input_file_name" | "file_row_index"))
        .collect();
    SessionStateBuilder::new()
        .with_config(config)
        .with_default_features()
        .with_scalar_functions(functions)
        .build()
}

/// The name of a function in `expr` whose answer is not decided by its
/// arguments, such as `now` or `random`.
pub(crate) fn undetermined_function(expr: &Expr) -> DfResult<Option<String>> {
    let mut found = None;
    expr.apply(|e| {
        if let Expr::ScalarFunction(f) = e
            && f.func.signature().volatility != Volatility::Immutable
        {
            found = Some(f.func.name().to_string());
            return Ok(TreeNodeRecursion::Stop);
        }
        if let Expr::ScalarVariable(..) = e {
            found = Some(e.to_string());
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// Whether `expr` holds a query of its own.
pub(crate) fn has_subquery(expr: &Expr) -> DfResult<bool> {
    expr.exists(|e| {
        Ok(matches!(
            e,
            Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::ScalarSubquery(_)
                | Expr::SetComparison(_)
                | Expr::OuterReferenceColumn(..)
        ))
    })
}

/// The engine's reason in a sentence for people, with the place in the
/// statement where it is known.
pub(crate) fn reason(error: DataFusionError) -> String {
    crate::session::Error::from(error).to_string()
}

fn failed(error: DataFusionError) -> Failure {
    if let DataFusionError::IoError(io) = error.find_root()
        && io.kind() == std::io::ErrorKind::StorageFull
    {
        return Failure::new(Code::DiskFull, format!("the transform found no space to spill to: {io}"));
    }
    Failure::new(Code::Transform, format!("the transform failed: {}", reason(error)))
}

fn refused(why: impl std::fmt::Display) -> Failure {
    Failure::new(Code::Transform, format!("the transform is refused: {why}"))
}

fn bug(why: impl Into<String>) -> Failure {
    Failure::new(Code::Bug, why)
}

/// Every column may be null and metadata is gone: what is compared and joined
/// later is names and types alone.
fn nullable(schema: &Schema) -> SchemaRef {
    Arc::new(Schema::new(
        schema.fields().iter().map(|f| Field::new(f.name(), f.data_type().clone(), true)).collect::<Vec<_>>(),
    ))
}

/// `schema` with the names that the query gives its columns.
fn renamed(schema: &Schema, plan: &LogicalPlan) -> SchemaRef {
    Arc::new(Schema::new(
        schema
            .fields()
            .iter()
            .zip(plan.schema().fields())
            .map(|(f, named)| Field::new(named.name(), f.data_type().clone(), true))
            .collect::<Vec<_>>(),
    ))
}

/// Parses exactly one query.
fn parse(sql: &str) -> Result<Statement, Failure> {
    let mut statements = DFParser::parse_sql(sql).map_err(failed)?;
    match (statements.pop_front(), statements.len()) {
        (None, _) => Err(refused("there is no statement; write one `select … from input`")),
        (Some(Statement::Statement(s)), 0) if matches!(*s, Sql::Query(_)) => Ok(Statement::Statement(s)),
        (Some(other), 0) => {
            let text = other.to_string();
            let verb = text.split_whitespace().next().unwrap_or_default().to_uppercase();
            Err(refused(format!(
                "it is one query over `input`, and {verb} is not a query; write `select … from input`"
            )))
        }
        (Some(_), more) => {
            Err(refused(format!("it has {} statements; write one query over `input`", more + 1)))
        }
    }
}

/// Plans a statement over a file with these columns. `normalise`: names that are
/// not quoted are in small letters.
async fn planned(
    state: &mut SessionState,
    statement: &Statement,
    input: &SchemaRef,
    normalise: bool,
) -> DfResult<LogicalPlan> {
    state.config_mut().options_mut().sql_parser.enable_ident_normalization = normalise;
    let tables = state.schema_for_ref(INPUT)?;
    tables.deregister_table(INPUT)?;
    tables.register_table(INPUT.to_string(), Arc::new(MemTable::try_new(input.clone(), vec![vec![]])?))?;
    state.statement_to_plan(statement.clone()).await
}

fn check_tables(state: &SessionState, statement: &Statement) -> Result<(), Failure> {
    let tables = state.resolve_table_references(statement).map_err(failed)?;
    match tables.iter().find(|t| t.schema().is_some() || !t.table().eq_ignore_ascii_case(INPUT)) {
        None => Ok(()),
        Some(other) => Err(refused(format!(
            "it reads `{other}`, but a transform sees the rows of one file only, as the table `{INPUT}`; \
             write a model to read other tables"
        ))),
    }
}

fn check_names(plan: &LogicalPlan) -> Result<(), Failure> {
    let mut seen = HashSet::new();
    for field in plan.schema().fields() {
        if field.name() == ROW {
            return Err(refused(format!(
                "it yields a column `{ROW}`, which is the number of the row; name it otherwise"
            )));
        }
        if !seen.insert(field.name()) {
            return Err(refused(format!(
                "it yields two columns `{0}`; name one of them with `as`",
                field.name()
            )));
        }
    }
    match plan {
        LogicalPlan::Ddl(_) | LogicalPlan::Dml(_) | LogicalPlan::Copy(_) | LogicalPlan::Statement(_) => {
            Err(refused("it changes something; a transform only reads"))
        }
        _ => Ok(()),
    }
}

/// Whether an expression anywhere in the plan as written looks beyond its row.
/// The optimiser would hide it: it folds `now()` to a constant.
fn depends_on_more_than_the_row(plan: &LogicalPlan) -> DfResult<bool> {
    let mut depends = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|e| {
            if undetermined_function(e)?.is_some() || has_subquery(e)? {
                depends = true;
                return Ok(TreeNodeRecursion::Stop);
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(if depends { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(depends)
}

/// Appends the steps of `plan`, innermost first; `false` if it is not row-wise.
fn row_wise_steps(plan: &LogicalPlan, state: &SessionState, steps: &mut Vec<Step>) -> DfResult<bool> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            if scan.fetch.is_some() || !scan.filters.is_empty() {
                return Ok(false);
            }
            if let Some(columns) = &scan.projection {
                steps.push(Step::Columns(columns.clone(), nullable(scan.projected_schema.as_arrow())));
            }
            Ok(true)
        }
        LogicalPlan::SubqueryAlias(alias) => row_wise_steps(&alias.input, state, steps),
        LogicalPlan::Filter(filter) => {
            if !row_wise_steps(&filter.input, state, steps)? {
                return Ok(false);
            }
            steps.push(Step::Filter(
                state.create_physical_expr(filter.predicate.clone(), filter.input.schema())?,
            ));
            Ok(true)
        }
        LogicalPlan::Projection(projection) => {
            if !row_wise_steps(&projection.input, state, steps)? {
                return Ok(false);
            }
            let before = projection.input.schema();
            let mut exprs = Vec::with_capacity(projection.expr.len());
            let mut fields = Vec::with_capacity(projection.expr.len());
            for (expr, named) in projection.expr.iter().zip(projection.schema.fields()) {
                let physical = state.create_physical_expr(expr.clone(), before)?;
                fields.push(Field::new(named.name(), physical.data_type(before.as_arrow())?, true));
                exprs.push(physical);
            }
            steps.push(Step::Project(exprs, Arc::new(Schema::new(fields))));
            Ok(true)
        }
        LogicalPlan::EmptyRelation(empty) if !empty.produce_one_row => {
            steps.push(Step::Nothing(nullable(empty.schema.as_arrow())));
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// Takes rows through the steps. Where a batch fails it is halved until the
/// rows that fail by themselves are found: an engine that evaluates both sides
/// of an `and` over a batch fails for rows that the first side rules out.
fn evaluate(
    steps: &[Step],
    input: RecordBatch,
    rows: Int64Array,
    out: &mut Vec<(RecordBatch, Int64Array)>,
) -> Result<(), Failure> {
    let error = match through(steps, &input, &rows) {
        Ok(part) => {
            out.push(part);
            return Ok(());
        }
        Err(e) => e,
    };
    let n = input.num_rows();
    if n <= 1 {
        let place = rows.values().first().map(|r| format!(" in row {r}")).unwrap_or_default();
        return Err(Failure::new(Code::Transform, format!("the transform failed{place}: {}", reason(error))));
    }
    let half = n / 2;
    evaluate(steps, input.slice(0, half), rows.slice(0, half), out)?;
    evaluate(steps, input.slice(half, n - half), rows.slice(half, n - half), out)
}

fn through(steps: &[Step], input: &RecordBatch, rows: &Int64Array) -> DfResult<(RecordBatch, Int64Array)> {
    let mut batch = input.clone();
    let mut rows = rows.clone();
    for step in steps {
        let n = batch.num_rows();
        let options = RecordBatchOptions::new().with_row_count(Some(n));
        match step {
            Step::Columns(columns, schema) => {
                let columns = columns.iter().map(|&c| batch.column(c).clone()).collect();
                batch = RecordBatch::try_new_with_options(schema.clone(), columns, &options)?;
            }
            Step::Filter(predicate) => {
                let holds = predicate.evaluate(&batch)?.into_array(n)?;
                let holds = holds.as_boolean_opt().ok_or_else(|| {
                    DataFusionError::Plan(format!("the condition `{predicate}` is not true or false"))
                })?;
                batch = arrow::compute::filter_record_batch(&batch, holds)?;
                rows = arrow::compute::filter(&rows, holds)?.as_primitive::<Int64Type>().clone();
            }
            Step::Project(exprs, schema) => {
                let columns = exprs
                    .iter()
                    .map(|e| e.evaluate(&batch).and_then(|v| v.into_array(n)))
                    .collect::<DfResult<Vec<_>>>()?;
                batch = RecordBatch::try_new_with_options(schema.clone(), columns, &options)?;
            }
            Step::Nothing(schema) => {
                batch = RecordBatch::new_empty(schema.clone());
                rows = rows.slice(0, 0);
            }
        }
    }
    Ok((batch, rows))
}

fn unnests(plan: &LogicalPlan) -> DfResult<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found |= matches!(node, LogicalPlan::Unnest(_));
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// The plan with every scan of `input` reading `table`.
fn reading_from(plan: &LogicalPlan, table: Arc<dyn TableProvider>) -> DfResult<LogicalPlan> {
    let source = provider_as_source(table);
    plan.clone()
        .transform_up_with_subqueries(|node| match node {
            LogicalPlan::TableScan(mut scan) => {
                scan.source = source.clone();
                Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
            }
            other => Ok(Transformed::no(other)),
        })
        .map(|t| t.data)
}

#[cfg(test)]
mod tests;
