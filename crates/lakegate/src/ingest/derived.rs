//! Tables that are made of another table's rows of the same file.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use lakegate_domain::model::{Dataset, Table, qc_name};
use lakegate_domain::{Code, Failure};
use lakegate_format::conform::{self, Plan};
use lakegate_format::open::Stream;
use lakegate_lake::quality::flags_type;

use super::parse::{Parsed, Rows};
use super::tables::TableView;

/// What the format of rows is called that come from a table.
const OF_TABLE: &str = "table";

/// The tables of a dataset that are made of others, each after the one that it is
/// made of, which is named beside it.
pub fn tables(dataset: &Dataset) -> Vec<(&String, &String)> {
    let depth = |table: &Table| {
        let mut n = 0;
        let mut above = table.origin.as_deref();
        while let Some(table) = above {
            n += 1;
            above = table.origin.as_deref();
        }
        n
    };
    let mut derived: Vec<(usize, &String, &String)> =
        dataset.tables.iter().filter_map(|(name, t)| Some((depth(t), name, t.of.as_ref()?))).collect();
    derived.sort_by_key(|(depth, ..)| *depth);
    derived.into_iter().map(|(_, name, of)| (name, of)).collect()
}

/// Whether a table of the dataset is made of this one.
pub fn is_origin(dataset: &Dataset, table: &str) -> bool {
    dataset.tables.values().any(|t| t.of.as_deref() == Some(table))
}

/// The rows that a table gets, as one that is made of it sees them: its own
/// columns with their flags, and nothing that the lake adds.
pub fn own_columns(table: &TableView, rows: &RecordBatch) -> Result<RecordBatch, Failure> {
    let own: Vec<usize> = table
        .quality
        .output()
        .fields()
        .iter()
        .filter_map(|f| rows.schema_ref().index_of(f.name()).ok())
        .collect();
    rows.project(&own).map_err(bug)
}

/// Rows for a table, as from a reader; `plan` is that of the table they come from.
pub fn parsed(table: &str, plan: &Plan, rows: RecordBatch) -> Parsed {
    let unit = |t: &conform::Target| Some((t.spec.name.clone(), t.spec.unit.clone()?));
    let units = plan.targets.iter().filter_map(unit).collect();
    let stream =
        Stream { name: None, member: None, units, format: OF_TABLE, kind: OF_TABLE, faults: Vec::new() };
    // The reader's rows were counted where they came first.
    Parsed { table: table.into(), stream: Arc::new(stream), rows: Rows::Typed(rows), n_read: 0 }
}

/// What is looked at of a table to know the columns of one that is made of it.
pub fn glimpse(table: &str, plan: &Plan, schema: &SchemaRef) -> Parsed {
    // With what files state of a column, which holds for it here too.
    let stated = |f: &FieldRef| {
        let mut metadata = f.metadata().clone();
        if let Some(target) = plan.targets.iter().find(|t| t.spec.name == *f.name()) {
            target.stated.put(&mut metadata);
        }
        f.as_ref().clone().with_metadata(metadata)
    };
    let schema = Schema::new(schema.fields().iter().map(stated).collect::<Vec<_>>());
    parsed(table, plan, RecordBatch::new_empty(Arc::new(schema)))
}

/// The column whose flags another holds, where both are among the columns that
/// come from the table that `config` is made of.
pub fn flagged<'n>(config: &Table, names: &[&'n str], name: &str) -> Option<&'n str> {
    let origin = config.origin.as_ref()?;
    names.iter().copied().find(|n| qc_name(n) == name && origin.flags_of(n).is_some())
}

/// Parts rows of another table into values and their flags, which are called
/// after the columns that the values become.
///
/// # Errors
/// LG302 where a column of flags holds none.
pub fn without_flags(
    config: &Table,
    plan: &Plan,
    rows: &RecordBatch,
) -> Result<(RecordBatch, RecordBatch), Failure> {
    let names: Vec<&str> = rows.schema_ref().fields().iter().map(|f| f.name().as_str()).collect();
    let is_flags = |at: &usize| flagged(config, &names, names[*at]).is_some();
    let values: Vec<usize> = (0..names.len()).filter(|at| !is_flags(at)).collect();
    let (mut fields, mut columns): (Vec<Field>, Vec<ArrayRef>) = (Vec::new(), Vec::new());
    for (target, source) in plan.targets.iter().zip(conform::sources(plan, &names)) {
        let of = source.and_then(|at| names.iter().position(|n| *n == qc_name(names[at])));
        let Some(at) = of.filter(is_flags) else { continue };
        let to = flags_type(&target.data_type);
        let flags = cast(rows.column(at), &to).map_err(|e| {
            Failure::new(Code::DoesNotFit, format!("`{}` does not hold flags: {e}", names[at]))
        })?;
        fields.push(Field::new(qc_name(&target.spec.name), to, true));
        columns.push(flags);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    let flags = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options);
    Ok((rows.project(&values).map_err(bug)?, flags.map_err(bug)?))
}

/// No flags, for `n_rows` rows.
pub fn no_flags(n_rows: usize) -> Result<RecordBatch, Failure> {
    let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options).map_err(bug)
}

fn bug(e: arrow::error::ArrowError) -> Failure {
    Failure::new(Code::Bug, e.to_string())
}
