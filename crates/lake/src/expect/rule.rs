//! One expectation over one column, compiled: what it tests, and how it is
//! said to people. Nothing of a file is kept here.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{DFSchema, DataFusionError};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::PhysicalExpr;
use lakegate_domain::model::{Check, Column, Columns, Expectation, OnFail, Scalar};
use lakegate_domain::{Code, Failure};
use regex::Regex;

use super::values::{Class, Range, Set};
use crate::layout::is_extra;
use crate::transform::{
    has_subquery, is_of_statement, missing_column, reason, session_state, undetermined_function,
};

/// Members of a set that a message names; the rest are counted.
const MAX_MEMBERS_SHOWN: usize = 8;

/// One line of a table's expectations: it yields one finding per file.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: Arc<str>,
    pub(super) on_fail: OnFail,
    pub(super) tolerate: Option<f64>,
    pub(super) null_fails: bool,
    /// The table's columns that it looks at, by index.
    pub(super) columns: Vec<usize>,
    /// Those whose value becomes null where it fails.
    pub(super) nulls: Vec<usize>,
    pub(super) test: Test,
    /// What is wrong with a row that fails, after the value: `is not in range
    /// 0 to 150`.
    pub(super) complaint: String,
}

#[derive(Debug)]
pub(super) enum Test {
    Present,
    Range(Class, Range),
    Set(Class, Set),
    Matches(Regex),
    Ordered { class: Class, increasing: bool },
    Unique { whole_row: bool },
    Rows { min: Option<u64>, max: Option<u64> },
    Sql(Predicate),
}

/// A boolean expression over some of the table's columns.
#[derive(Debug)]
pub(crate) struct Predicate {
    expr: Arc<dyn PhysicalExpr>,
    /// Only the columns it reads: it is evaluated on a batch of these.
    schema: SchemaRef,
}

/// Compiles one expectation into its rules.
pub(super) fn compile(
    expectation: &Expectation,
    declared: &[Column],
    schema: &SchemaRef,
    state: &mut Option<SessionState>,
    rules: &mut Vec<Rule>,
) -> Result<(), Failure> {
    let name = &expectation.name;
    let wrong = |why: String| Failure::new(Code::ExpectationSql, format!("expectation `{name}`: {why}"));
    let named = |names: &[String]| {
        names.iter().map(|n| index_of(schema, n)).collect::<Result<Vec<usize>, String>>().map_err(&wrong)
    };
    if let Check::Rows { .. } = expectation.check
        && !matches!(expectation.on_fail, OnFail::Warn | OnFail::Reject)
    {
        return Err(wrong(
            "a number of rows is about the whole file: `on_fail` is `warn` or `reject`".into(),
        ));
    }

    let per_column = !matches!(expectation.check, Check::Unique | Check::Rows { .. } | Check::Sql(_));
    if per_column {
        let (columns, all) = match &expectation.columns {
            Columns::Named(names) => (named(names)?, false),
            Columns::All => (every(declared, schema), true),
            Columns::None => return Err(wrong("it names no column; write `column:` or `columns:`".into())),
        };
        let mut found = Vec::new();
        for column in columns {
            match column_test(&expectation.check, declared, schema, column) {
                Ok((test, complaint)) => found.push((column, test, complaint)),
                // `all` means those that it can apply to.
                Err(_) if all => {}
                Err(why) => return Err(wrong(format!("column `{}`: {why}", schema.field(column).name()))),
            }
        }
        let several = found.len() > 1;
        for (column, test, complaint) in found {
            let name =
                if several { format!("{name}[{}]", schema.field(column).name()) } else { name.clone() };
            rules.push(rule(expectation, &name, vec![column], test, complaint));
        }
    } else {
        let (columns, test, complaint) = match &expectation.check {
            Check::Unique => {
                let (columns, whole_row) = match &expectation.columns {
                    Columns::Named(names) => (named(names)?, false),
                    // Declared columns alone would call rows equal that differ in the others.
                    Columns::All | Columns::None => (
                        (0..schema.fields().len()).filter(|&i| !is_extra(schema.field(i).name())).collect(),
                        true,
                    ),
                };
                row_converter(schema, &columns)
                    .map_err(|e| wrong(format!("rows cannot be compared: {e}")))?;
                (columns, Test::Unique { whole_row }, "was in an earlier row of the file".to_string())
            }
            Check::Rows { min, max } => {
                (Vec::new(), Test::Rows { min: *min, max: *max }, rows_complaint(*min, *max))
            }
            Check::Sql(sql) => {
                let state = state.get_or_insert_with(session_state);
                let (predicate, read) = predicate(sql, schema, state).map_err(&wrong)?;
                (read, Test::Sql(predicate), format!("`{sql}` does not hold"))
            }
            _ => unreachable!("checks of one column were compiled above"),
        };
        rules.push(rule(expectation, name, columns, test, complaint));
    }

    if expectation.on_fail == OnFail::Null {
        // A predicate names no column by itself; the expectation does.
        if let Check::Sql(_) = expectation.check {
            let nulls = match &expectation.columns {
                Columns::Named(names) => named(names)?,
                Columns::All => every(declared, schema),
                Columns::None => {
                    return Err(wrong(
                        "`on_fail: null` needs `column:`, the one whose value becomes null".into(),
                    ));
                }
            };
            if let Some(rule) = rules.last_mut() {
                rule.nulls = nulls;
            }
        }
        for rule in rules.iter().filter(|r| r.on_fail == OnFail::Null) {
            if let Some(&fixed) = rule.nulls.iter().find(|&&c| !schema.field(c).is_nullable()) {
                return Err(wrong(format!("column `{}` must not be null", schema.field(fixed).name())));
            }
        }
    }
    Ok(())
}

fn rule(expectation: &Expectation, name: &str, columns: Vec<usize>, test: Test, complaint: String) -> Rule {
    let nulls = if expectation.on_fail == OnFail::Null { columns.clone() } else { Vec::new() };
    Rule {
        name: name.into(),
        on_fail: expectation.on_fail,
        tolerate: expectation.tolerate,
        null_fails: expectation.null_fails,
        columns,
        nulls,
        test,
        complaint,
    }
}

/// What `columns: all` ranges over: the declared columns or, where a table
/// declares none, all that it has; never lakegate's own.
fn every(declared: &[Column], schema: &Schema) -> Vec<usize> {
    (0..schema.fields().len())
        .filter(|&i| {
            let name = schema.field(i).name();
            !is_extra(name) && (declared.is_empty() || declared.iter().any(|c| &c.name == name))
        })
        .collect()
}

fn index_of(schema: &Schema, name: &str) -> Result<usize, String> {
    schema.index_of(name).map_err(|_| {
        let names: Vec<String> = schema.fields().iter().map(|f| format!("`{}`", f.name())).collect();
        format!("there is no column `{name}`; the columns are {}", names.join(", "))
    })
}

/// The test of one column and its complaint, or why there is none.
fn column_test(
    check: &Check,
    declared: &[Column],
    schema: &Schema,
    column: usize,
) -> Result<(Test, String), String> {
    let field = schema.field(column);
    let class = Class::of(field.data_type());
    let comparable = || class.ok_or_else(|| format!("values of type {} do not compare", field.data_type()));
    Ok(match check {
        Check::Present => (Test::Present, "is missing".into()),
        Check::InRange { min, max } => {
            let class = comparable()?;
            let range = Range::new(class, min.as_ref(), max.as_ref())?;
            (Test::Range(class, range), range_complaint(min.as_ref(), max.as_ref()))
        }
        Check::InValidRange => {
            let class = comparable()?;
            if !matches!(class, Class::Int | Class::Float | Class::Float32 | Class::Decimal(..)) {
                return Err("a valid range is of numbers".into());
            }
            let valid = declared
                .iter()
                .find(|c| &c.name == field.name())
                .and_then(|c| c.valid_range)
                .ok_or("it has no `valid_range`")?;
            let (min, max) = (valid.min.map(Scalar::Float), valid.max.map(Scalar::Float));
            let range = Range::new(class, min.as_ref(), max.as_ref())?;
            let complaint =
                range_complaint(min.as_ref(), max.as_ref()).replace("in range", "in its valid range");
            (Test::Range(class, range), complaint)
        }
        Check::InSet(members) => {
            let class = comparable()?;
            (Test::Set(class, Set::new(class, members)?), set_complaint(members))
        }
        Check::Matches(pattern) => {
            if field.data_type().is_nested() || class.is_none() {
                return Err(format!("a pattern needs text, and its type is {}", field.data_type()));
            }
            // Alone first: a bracket too many must not close the group around it.
            let text = |e: regex::Error| {
                let e = e.to_string();
                format!(
                    "the pattern is not a regular expression: {}",
                    e.lines().last().unwrap_or(&e).trim().trim_start_matches("error: ")
                )
            };
            Regex::new(pattern).map_err(text)?;
            let whole = Regex::new(&format!(r"\A(?:{pattern})\z"))
                .or_else(|_| Regex::new(&format!("\\A(?:{pattern}\n)\\z")))
                .map_err(text)?;
            (Test::Matches(whole), format!("does not match `{pattern}`"))
        }
        Check::Increasing | Check::Decreasing => {
            let class = comparable()?;
            if class == Class::Bool {
                return Err("true and false have no order".into());
            }
            let increasing = *check == Check::Increasing;
            let complaint = if increasing { "does not increase" } else { "does not decrease" };
            (Test::Ordered { class, increasing }, complaint.into())
        }
        Check::Unique | Check::Rows { .. } | Check::Sql(_) => unreachable!("not about one column"),
    })
}

fn range_complaint(min: Option<&Scalar>, max: Option<&Scalar>) -> String {
    match (min, max) {
        (Some(min), Some(max)) => format!("is not in range {min} to {max}"),
        (Some(min), None) => format!("is not in range {min} and above"),
        (None, Some(max)) => format!("is not in range {max} and below"),
        (None, None) => "is not a value of any range".into(),
    }
}

fn set_complaint(members: &[Scalar]) -> String {
    let shown: Vec<String> = members.iter().take(MAX_MEMBERS_SHOWN).map(ToString::to_string).collect();
    match members.len().saturating_sub(MAX_MEMBERS_SHOWN) {
        0 => format!("is not one of {}", shown.join(", ")),
        more => format!("is not one of {} and {more} more", shown.join(", ")),
    }
}

fn rows_complaint(min: Option<u64>, max: Option<u64>) -> String {
    match (min, max) {
        (Some(min), Some(max)) => format!("not {min} to {max}"),
        (Some(min), None) => format!("fewer than {min}"),
        (None, Some(max)) => format!("more than {max}"),
        (None, None) => "any number".into(),
    }
}

/// Looks at a predicate over a table of which `known` are some columns, and all
/// where `is_whole`. Answers what is wrong with it whatever a file holds.
pub(super) fn look(sql: &str, known: &Schema, is_whole: bool) -> Result<(), String> {
    let mut state = session_state();
    let mut fields: Vec<_> = known.fields().iter().cloned().collect();
    let n_known = fields.len();
    loop {
        let schema: SchemaRef = Arc::new(Schema::new(fields.clone()));
        let whole = DFSchema::try_from(schema.as_ref().clone()).map_err(reason)?;
        let mut parse = |normalise: bool| {
            state.config_mut().options_mut().sql_parser.enable_ident_normalization = normalise;
            state.create_logical_expr(sql, &whole)
        };
        let found = match parse(false) {
            Err(first) => parse(true).map_err(|_| first),
            ok => ok,
        };
        match found {
            Ok(_) if fields.len() == n_known => return predicate(sql, &schema, &mut state).map(|_| ()),
            Ok(expr) => return of_one_row(sql, &expr),
            Err(e) => match missing_column(&e) {
                Some(column) if !is_whole && !fields.iter().any(|f| *f.name() == column) => {
                    fields.push(Arc::new(Field::new(column, DataType::Utf8, true)));
                }
                None if fields.len() > n_known && !is_of_statement(&e) => return Ok(()),
                _ => return Err(format!("`{sql}`: {}", reason(e))),
            },
        }
    }
}

/// Refuses a predicate that needs more than one row to be judged.
fn of_one_row(sql: &str, expr: &Expr) -> Result<(), String> {
    let why = |e: DataFusionError| format!("`{sql}`: {}", reason(e));
    if has_subquery(expr).map_err(why)? {
        return Err(format!("`{sql}` holds a query; an expectation looks at one row of one file"));
    }
    if let Some(function) = undetermined_function(expr).map_err(why)? {
        return Err(format!(
            "`{sql}` calls {function}(), whose answer changes; a file must be judged the same whenever it is read"
        ));
    }
    let beyond_the_row = expr
        .exists(|e| Ok(matches!(e, Expr::AggregateFunction(_) | Expr::WindowFunction(_) | Expr::Unnest(_))))
        .map_err(why)?;
    match beyond_the_row {
        true => Err(format!("`{sql}` looks at several rows; an expectation looks at one")),
        false => Ok(()),
    }
}

/// Compiles a predicate and says which columns it reads.
pub(crate) fn predicate(
    sql: &str,
    schema: &SchemaRef,
    state: &mut SessionState,
) -> Result<(Predicate, Vec<usize>), String> {
    let why = |e: DataFusionError| format!("`{sql}`: {}", reason(e));
    let whole = DFSchema::try_from(schema.as_ref().clone()).map_err(why)?;
    let mut parse = |normalise: bool| {
        state.config_mut().options_mut().sql_parser.enable_ident_normalization = normalise;
        state.create_logical_expr(sql, &whole)
    };
    // Names as they are written or, failing that, in lower case.
    let expr = match parse(false) {
        Ok(expr) => expr,
        Err(first) => parse(true).map_err(|_| why(first))?,
    };
    of_one_row(sql, &expr)?;
    let mut read: Vec<usize> =
        expr.column_refs().iter().filter_map(|c| schema.index_of(&c.name).ok()).collect();
    read.sort_unstable();
    read.dedup();
    let narrow = Arc::new(schema.project(&read).map_err(|e| why(e.into()))?);
    let narrow_df = DFSchema::try_from(narrow.as_ref().clone()).map_err(why)?;
    let expr = state.create_physical_expr(expr, &narrow_df).map_err(why)?;
    let kind = expr.data_type(&narrow).map_err(why)?;
    if kind != DataType::Boolean {
        return Err(format!("`{sql}` is of type {kind}; a predicate is true or false"));
    }
    Ok((Predicate { expr, schema: narrow }, read))
}

impl Predicate {
    /// Evaluates it on `columns`, those it reads. A row fails to evaluate only
    /// if it does so by itself; the error names the row by its index.
    pub(crate) fn holds(
        &self,
        columns: Vec<ArrayRef>,
        n_rows: usize,
    ) -> Result<BooleanArray, (usize, String)> {
        let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
        let schema = self.schema.clone();
        let batch =
            RecordBatch::try_new_with_options(schema, columns, &options).map_err(|e| (0, e.to_string()))?;
        let mut parts = Vec::new();
        self.in_parts(&batch, 0, &mut parts)?;
        if parts.len() == 1 {
            return Ok(parts.swap_remove(0));
        }
        Ok(parts.iter().flat_map(|p| p.iter()).collect())
    }

    /// An engine that evaluates both sides of an `and` over a batch fails for
    /// rows that the first side rules out: halve until each row stands alone.
    fn in_parts(
        &self,
        batch: &RecordBatch,
        start: usize,
        out: &mut Vec<BooleanArray>,
    ) -> Result<(), (usize, String)> {
        let n = batch.num_rows();
        let result = self.expr.evaluate(batch).and_then(|v| v.into_array(n));
        match result {
            Ok(array) => {
                let holds = array.as_boolean_opt().ok_or((start, "it is not true or false".to_string()))?;
                out.push(holds.clone());
                Ok(())
            }
            Err(e) if n <= 1 => Err((start, reason(e))),
            Err(_) => {
                let half = n / 2;
                self.in_parts(&batch.slice(0, half), start, out)?;
                self.in_parts(&batch.slice(half, n - half), start + half, out)
            }
        }
    }
}

/// Encodes rows of these columns so that equal rows are equal bytes.
pub(super) fn row_converter(schema: &Schema, columns: &[usize]) -> Result<RowConverter, ArrowError> {
    RowConverter::new(columns.iter().map(|&c| SortField::new(schema.field(c).data_type().clone())).collect())
}

/// The rows whose value does not match.
pub(super) fn matches(regex: &Regex, array: &ArrayRef) -> Result<BooleanArray, ArrowError> {
    let texts = match array.data_type() {
        DataType::Utf8 => array.clone(),
        _ => cast(array, &DataType::Utf8)?,
    };
    Ok(BooleanArray::from_unary(texts.as_string::<i32>(), |v: &str| regex.is_match(v)))
}

/// The rows that fail: those where it is false and, by `null_fails`, those
/// where it is NULL.
pub(crate) fn failing(holds: &BooleanArray, null_fails: bool) -> BooleanBuffer {
    let no = !holds.values();
    match holds.nulls() {
        None => no,
        Some(valid) if null_fails => &no | &!valid.inner(),
        Some(valid) => &no & valid.inner(),
    }
}

/// The rows whose value is missing.
pub(super) fn missing(array: &ArrayRef) -> BooleanBuffer {
    match array.logical_nulls() {
        Some(valid) => !valid.inner(),
        None => BooleanBuffer::new_unset(array.len()),
    }
}

/// Validity of a whole key: NULL where any part is.
pub(super) fn key_nulls(columns: &[ArrayRef]) -> Option<NullBuffer> {
    columns.iter().fold(None, |all, c| NullBuffer::union(all.as_ref(), c.logical_nulls().as_ref()))
}
