//! Names, types, units and times: rows as they came become rows of the table.
//!
//! What has no place is never lost: by the table's `evolve` rule it becomes a
//! new column, goes to `_rescued` as JSON, or parks the file.

mod count;
mod measure;
mod parse;
mod rescue;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use lakegate_domain::Code;
use lakegate_domain::model::{Column, Evolve, Kind, Scalar};
use lakegate_domain::units::{Conversion, ConversionError};

pub use count::{n_values_of_text, n_values_of_typed};
pub(crate) use measure::{first_step, second_step};
pub(crate) use parse::{Parser, takes_blanks};
pub(crate) use rescue::Rescue;
pub use rescue::{rescued_together, rescued_with};

use crate::netcdf::stated::Stated;
use crate::text::{Cell, Notation, TextBatch};
use crate::value::{self, Nulls};
use crate::{Error, Result, typed_conform};

/// Holds what had no place, as a JSON object by input column.
pub const RESCUED: &str = "_rescued";

/// The Arrow type of a kind.
pub fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::String | Kind::Json => DataType::Utf8,
        Kind::Bool => DataType::Boolean,
        Kind::Int => DataType::Int64,
        Kind::Int32 => DataType::Int32,
        Kind::Float => DataType::Float64,
        Kind::Float32 => DataType::Float32,
        Kind::Decimal(p, s) => DataType::Decimal128(p, s),
        Kind::Date => DataType::Date32,
        Kind::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Kind::Binary => DataType::Binary,
    }
}

/// The name that an undeclared column gets: lower case, so that SQL reaches it
/// without quotes, and only letters, digits and underscores, so that Delta
/// takes it without column mapping. The mark of an XML attribute, `@`, goes.
pub fn column_name(source: &str) -> String {
    let mut name = String::with_capacity(source.len());
    for c in source.trim().trim_start_matches('@').chars() {
        if c.is_alphanumeric() {
            name.extend(c.to_lowercase());
        } else if c == '_' || !name.ends_with('_') {
            name.push('_');
        }
    }
    let name = match name.trim_end_matches('_') {
        "" if source.starts_with('_') => name,
        "" => "column".to_string(),
        trimmed => trimmed.to_string(),
    };
    match name.as_str() {
        "_file_id" | "_row" | "_loaded_at" | "_rescued" | "_flags" => format!("source{name}"),
        n if n.starts_with(|c: char| c.is_ascii_digit()) => format!("_{n}"),
        _ => name,
    }
}

/// One column of the table and how it is made.
#[derive(Clone, Debug)]
pub struct Target {
    pub spec: Column,
    pub data_type: DataType,
    /// Declared columns are converted leniently (`007` is 7 where the user said
    /// `int`), inferred ones only where nothing is lost.
    pub declared: bool,
    /// What the files state of it.
    pub stated: Stated,
}

impl Target {
    pub fn declared(spec: Column, kind: Kind) -> Self {
        Self { spec, data_type: data_type(kind), declared: true, stated: Stated::default() }
    }

    /// A declared column without a type, whose input has values of `data_type`.
    pub fn untyped(spec: Column, data_type: DataType) -> Self {
        let data_type = match spec.is_measured() {
            true => measure::type_of_measured(&data_type),
            false => data_type,
        };
        Self { spec, data_type, declared: false, stated: Stated::default() }
    }

    pub fn inferred(source: &str, data_type: DataType) -> Self {
        let mut spec = Column::named(column_name(source));
        if spec.name != source {
            spec.from = Some(source.to_string());
        }
        Self { spec, data_type, declared: false, stated: Stated::default() }
    }

    fn kind(&self) -> Option<Kind> {
        self.spec.kind
    }
}

/// The table's side of conform: its columns, in order.
#[derive(Clone, Debug)]
pub struct Plan {
    pub targets: Vec<Target>,
    pub evolve: Evolve,
    /// Zone of naive times in columns that name none.
    pub timezone: String,
    /// Spellings of a missing value for every column.
    pub nulls: Vec<String>,
}

impl Plan {
    pub fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(
            self.targets
                .iter()
                .map(|t| Field::new(&t.spec.name, t.data_type.clone(), true))
                .collect::<Vec<_>>(),
        ))
    }
}

/// Conformed rows.
#[derive(Debug)]
pub struct Conformed {
    /// Exactly the plan's columns.
    pub batch: RecordBatch,
    /// Per row a JSON object of what had no place; `None` where nothing was.
    pub rescued: Option<Vec<Option<String>>>,
}

/// Which of an input's columns each column of the plan is made from: the first
/// that is called as it says, letter by letter; else one that nothing else is
/// made from and that would get the same name, such as `NAME` for `Name`.
pub fn sources(plan: &Plan, names: &[&str]) -> Vec<Option<usize>> {
    let by_name: HashMap<&str, usize> = names.iter().enumerate().map(|(i, n)| (*n, i)).collect();
    let exact = |t: &Target| t.spec.sources().find_map(|source| by_name.get(source).copied());
    let mut found: Vec<Option<usize>> = plan.targets.iter().map(exact).collect();
    let is_exact = |name: &str| plan.targets.iter().any(|t| t.spec.is_from(name));
    for (i, name) in names.iter().enumerate().filter(|(_, n)| !is_exact(n)) {
        let meant = column_name(name);
        let target = plan.targets.iter().position(|t| t.spec.name == meant);
        if let Some(slot) = target.map(|t| &mut found[t]).filter(|slot| slot.is_none()) {
            *slot = Some(i);
        }
    }
    found
}

/// The columns of an input that the plan knows nothing of.
pub fn unknown_columns<'a>(plan: &Plan, names: &[&'a str]) -> Vec<&'a str> {
    if names.iter().all(|n| plan.targets.iter().any(|t| t.spec.source() == *n)) {
        return Vec::new();
    }
    let used = sources(plan, names);
    names.iter().enumerate().filter(|(i, _)| !used.contains(&Some(*i))).map(|(_, n)| *n).collect()
}

/// The plan with the conversions from the units that a file states for its
/// columns, by name.
///
/// # Errors
/// LG308 where a stated unit is not known, or measures something else.
pub fn with_stated_units<'p>(
    plan: &'p Plan,
    names: &[&str],
    units: &[(String, String)],
) -> Result<Cow<'p, Plan>> {
    if !plan.targets.iter().any(|t| t.spec.stated_unit) {
        return Ok(Cow::Borrowed(plan));
    }
    let used = sources(plan, names);
    let mut plan = plan.clone();
    for (target, source) in plan.targets.iter_mut().zip(used).filter(|(t, _)| t.spec.stated_unit) {
        let Some(name) = source.map(|at| names[at]) else { continue };
        let stated = units.iter().find(|(column, _)| column == name).map(|(_, unit)| unit.as_str());
        let (Some(stated), Some(unit)) = (stated, target.spec.unit.as_deref()) else { continue };
        if stated != unit {
            let conversion = Conversion::between(stated, unit).map_err(|e| {
                Error::new(
                    Code::StatedUnit,
                    format!(
                        "column `{name}`, which becomes `{}` in `{unit}`: {}",
                        target.spec.name,
                        told(&e, stated)
                    ),
                )
            })?;
            target.spec.conversion = Some(conversion);
        }
    }
    Ok(Cow::Owned(plan))
}

/// Why a stated unit has no conversion, for people.
fn told(e: &ConversionError, stated: &str) -> String {
    match e {
        ConversionError::From(unit) | ConversionError::To(unit) => format!("{unit}; {}", unit.help()),
        ConversionError::Different { .. } => {
            format!("the file says `{stated}`, which measures something else")
        }
        ConversionError::TooGreat => format!("the factor from `{stated}` is beyond what is computed"),
    }
}

/// Checks that no two input columns become the same column; Delta's names differ
/// by more than case. `key` is the key of the dataset's file under which one of
/// them can be given another name.
///
/// # Errors
/// LG306 naming both.
pub fn check_names(plan: &Plan, key: &str) -> Result<()> {
    let mut taken: HashMap<String, &str> = HashMap::new();
    for t in &plan.targets {
        if let Some(other) = taken.insert(t.spec.name.to_lowercase(), t.spec.source()) {
            return Err(Error::new(
                Code::BadName,
                format!(
                    "columns `{other}` and `{source}` both become `{name}`; give one of them another name: `{key}: {{ \
                     {name}_2: {{ from: '{source}' }} }}`",
                    source = t.spec.source(),
                    name = t.spec.name
                ),
            ));
        }
    }
    Ok(())
}

/// Conforms rows of text. `first_row` is the number, in its file, of the
/// batch's first row.
///
/// # Errors
/// Under [`Evolve::Fixed`]: an unknown column with values (LG301), a value that
/// does not fit (LG302), a declared column that the input lacks (LG303).
pub fn conform_text(plan: &Plan, batch: &TextBatch, first_row: u64) -> Result<Conformed> {
    let mut rescue = Rescue::default();
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(plan.targets.len());
    let names: Vec<&str> = batch.names.iter().map(String::as_str).collect();
    let used = sources(plan, &names);
    for (target, &column) in plan.targets.iter().zip(&used) {
        if column.is_none() && batch.n_rows > 0 {
            require(plan, target)?;
        }
        arrays.push(convert_column(plan, target, batch, column, first_row, &mut rescue)?);
    }
    for i in 0..batch.names.len() {
        if used.contains(&Some(i)) {
            continue;
        }
        keep_unknown(plan, batch, i, first_row, &mut rescue)?;
    }
    for (row, ordinal, cell) in &batch.surplus {
        let text = batch.get(*cell).unwrap_or_default();
        if plan.evolve == Evolve::Fixed {
            return Err(Error::new(
                Code::Ragged,
                format!("row {}: surplus field {ordinal} = {}", first_row + *row as u64, shown(text)),
            ));
        }
        rescue.put_text(*row, &format!("_extra_{ordinal}"), text);
    }
    Ok(Conformed { batch: assemble(plan, arrays, batch.n_rows)?, rescued: rescue.finish(batch.n_rows) })
}

/// Conforms typed rows (Parquet, Arrow, the output of a transform).
pub fn conform_typed(plan: &Plan, batch: &RecordBatch, first_row: u64) -> Result<Conformed> {
    let mut rescue = Rescue::default();
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(plan.targets.len());
    let names: Vec<&str> = batch.schema_ref().fields().iter().map(|f| f.name().as_str()).collect();
    let used = sources(plan, &names);
    for (target, column) in plan.targets.iter().zip(&used) {
        match *column {
            Some(i) => {
                arrays.push(typed_conform::convert(plan, target, batch.column(i), first_row, &mut rescue)?)
            }
            None => {
                require(plan, target)?;
                arrays.push(missing(target, batch.num_rows())?);
            }
        }
    }
    for (i, field) in batch.schema_ref().fields().iter().enumerate() {
        if used.contains(&Some(i)) {
            continue;
        }
        typed_conform::keep_unknown(plan, field.name(), batch.column(i), first_row, &mut rescue)?;
    }
    Ok(Conformed {
        batch: assemble(plan, arrays, batch.num_rows())?,
        rescued: rescue.finish(batch.num_rows()),
    })
}

fn assemble(plan: &Plan, arrays: Vec<ArrayRef>, n_rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
    RecordBatch::try_new_with_options(plan.schema(), arrays, &options)
        .map_err(|e| Error::new(Code::Bug, format!("conformed columns disagree: {e}")))
}

fn require(plan: &Plan, target: &Target) -> Result<()> {
    if plan.evolve == Evolve::Fixed && target.spec.default.is_none() {
        return Err(Error::new(
            Code::MissingColumn,
            format!(
                "no column `{}`, which the table's `{}` is made from",
                target.spec.source(),
                target.spec.name
            ),
        ));
    }
    Ok(())
}

/// A column of the default, or of nulls, where the input has none.
fn missing(target: &Target, n_rows: usize) -> Result<ArrayRef> {
    let Some(default) = &target.spec.default else {
        return Ok(new_null_array(&target.data_type, n_rows));
    };
    let one = StringArray::from(vec![default.to_string()]);
    let cast = arrow::compute::cast(&one, &target.data_type).map_err(|e| {
        Error::new(Code::DoesNotFit, format!("default of column `{}`: {e}", target.spec.name))
    })?;
    let indices = UInt32Array::from(vec![0u32; n_rows]);
    arrow::compute::take(&cast, &indices, None).map_err(|e| Error::new(Code::Bug, e.to_string()))
}

/// A value for people: quoted, and cut where it is long.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 60;
    let mut cut: String = text.chars().take(MOST).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    format!("{cut:?}")
}

pub(crate) fn does_not_fit(target: &Target, row: u64, text: &str) -> Error {
    let kind = match target.kind() {
        Some(k) => format!("{k:?}").to_lowercase(),
        None => target.data_type.to_string(),
    };
    Error::new(
        Code::DoesNotFit,
        format!(
            "row {row}, column `{}`: {} is not a value of type {kind}",
            target.spec.source(),
            shown(text)
        ),
    )
}

fn keep_unknown(
    plan: &Plan,
    batch: &TextBatch,
    column: usize,
    first_row: u64,
    rescue: &mut Rescue,
) -> Result<()> {
    let name = &batch.names[column];
    let missing = Missing { nulls: Nulls::new(&plan.nulls, false), notation: batch.notation, blanks: true };
    for (row, cell) in batch.columns[column].iter().enumerate() {
        if missing.text(batch, *cell).is_none() {
            continue;
        }
        let raw = batch.get(*cell).unwrap_or_default();
        if plan.evolve == Evolve::Fixed {
            return Err(Error::new(
                Code::UnknownColumn,
                format!(
                    "column `{name}` is not declared; row {} holds {}",
                    first_row + row as u64,
                    shown(raw)
                ),
            ));
        }
        put_cell(rescue, row, name, raw, batch.notation);
    }
    Ok(())
}

/// Keeps a field's text as it came.
fn put_cell(rescue: &mut Rescue, row: usize, name: &str, raw: &str, notation: Notation) {
    match notation {
        Notation::Plain => rescue.put_text(row, name, raw),
        Notation::Json => rescue.put_json(row, name, raw),
    }
}

/// What counts as a missing value in one column, resolved once per batch.
struct Missing<'a> {
    nulls: Nulls<'a>,
    notation: Notation,
    /// Whether blank text is a value.
    blanks: bool,
}

impl Missing<'_> {
    /// The field's text, or `None` where it is missing.
    fn text<'b>(&self, batch: &'b TextBatch, cell: Cell) -> Option<Cow<'b, str>> {
        let raw = batch.get(cell)?;
        let text = match self.notation {
            Notation::Plain => {
                if raw.is_empty() && !(self.blanks && cell.is_quoted()) {
                    return None;
                }
                Cow::Borrowed(raw)
            }
            Notation::Json => {
                if raw == "null" {
                    return None;
                }
                value::unquoted(raw)
            }
        };
        let is_missing = !self.blanks && value::trimmed(&text).is_empty() || self.nulls.holds(&text);
        (!is_missing).then_some(text)
    }
}

fn convert_column(
    plan: &Plan,
    target: &Target,
    batch: &TextBatch,
    column: Option<usize>,
    first_row: u64,
    rescue: &mut Rescue,
) -> Result<ArrayRef> {
    let Some(column) = column else { return missing(target, batch.n_rows) };
    let (first, conversion) = first_step(target);
    let missing = Missing {
        nulls: Nulls::new(plan.nulls.iter().chain(&target.spec.nulls), first.is_numeric()),
        notation: batch.notation,
        blanks: takes_blanks(&first),
    };
    let cells = &batch.columns[column];
    // JSON stays as it stands, quotes and all.
    let keep_token = target.kind() == Some(Kind::Json) && batch.notation == Notation::Json;
    let text = |cell: &Cell| match missing.text(batch, *cell) {
        Some(_) if keep_token => batch.get(*cell).map(Cow::Borrowed),
        text => text,
    };
    let mut misfit = |row: usize| {
        let raw = batch.get(cells[row]).unwrap_or_default();
        if plan.evolve == Evolve::Fixed {
            return Err(does_not_fit(target, first_row + row as u64, raw));
        }
        put_cell(rescue, row, &batch.names[column], raw, batch.notation);
        Ok(())
    };
    let parser = Parser::new(plan, target);
    let mut array = parser.column(&first, cells.len(), cells.iter().map(text), &mut misfit)?;
    if let Some(conversion) = conversion {
        let mut misfits = vec![false; array.len()];
        array = second_step(&parser, conversion, &array, &target.data_type, &mut misfits)?;
        for row in (0..misfits.len()).filter(|&row| misfits[row]) {
            misfit(row)?;
        }
        array = without_misfits(array, misfits)?;
    }
    fill_default(target, array)
}

/// Makes nulls of what did not fit.
pub(crate) fn without_misfits(array: ArrayRef, misfits: Vec<bool>) -> Result<ArrayRef> {
    if !misfits.contains(&true) {
        return Ok(array);
    }
    arrow::compute::nullif(&array, &BooleanArray::from(misfits))
        .map_err(|e| Error::new(Code::Bug, e.to_string()))
}

/// Puts the default where a value is missing.
pub(crate) fn fill_default(target: &Target, array: ArrayRef) -> Result<ArrayRef> {
    let Some(_) = &target.spec.default else { return Ok(array) };
    if array.null_count() == 0 {
        return Ok(array);
    }
    let defaults = missing(target, array.len())?;
    let is_null = arrow::compute::is_null(&array).map_err(|e| Error::new(Code::Bug, e.to_string()))?;
    arrow::compute::kernels::zip::zip(&is_null, &defaults, &array)
        .map_err(|e| Error::new(Code::Bug, e.to_string()))
}

/// The scalar as JSON.
pub fn scalar_json(s: &Scalar) -> serde_json::Value {
    match s {
        Scalar::Bool(v) => (*v).into(),
        Scalar::Int(v) => (*v).into(),
        Scalar::Float(v) => (*v).into(),
        Scalar::Text(v) => v.as_str().into(),
    }
}

/// One row as it came, as a JSON object: what quarantine keeps.
pub fn original_text(batch: &TextBatch, row: usize) -> String {
    let mut rescue = Rescue::default();
    for (i, name) in batch.names.iter().enumerate() {
        if let Some(text) = batch.get(batch.columns[i][row]) {
            put_cell(&mut rescue, row, name, text, batch.notation);
        }
    }
    for (r, ordinal, cell) in &batch.surplus {
        if *r == row {
            let text = batch.get(*cell).unwrap_or_default();
            rescue.put_text(row, &format!("_extra_{ordinal}"), text);
        }
    }
    rescue.of_row(row)
}
