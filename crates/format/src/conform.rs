//! Names, types, units and times: rows as they came become rows of the table.
//!
//! What has no place is never lost: by the table's `evolve` rule it becomes a
//! new column, goes to `_rescued` as JSON, or parks the file.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use lakegate_domain::Code;
use lakegate_domain::model::{Column, Evolve, Kind, Scalar};

use crate::text::{Notation, TextBatch};
use crate::time::{TimeFormat, Zone};
use crate::value::{self, Token};
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
}

impl Target {
    pub fn declared(spec: Column, kind: Kind) -> Self {
        Self { spec, data_type: data_type(kind), declared: true }
    }

    pub fn inferred(source: &str, data_type: DataType) -> Self {
        let mut spec = Column::named(column_name(source));
        if spec.name != source {
            spec.from = Some(source.to_string());
        }
        Self { spec, data_type, declared: false }
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

/// Collects what had no place, row by row.
#[derive(Default)]
pub(crate) struct Rescue {
    rows: HashMap<usize, serde_json::Map<String, serde_json::Value>>,
}

impl Rescue {
    pub(crate) fn put(&mut self, row: usize, column: &str, value: serde_json::Value) {
        self.rows.entry(row).or_default().insert(column.to_string(), value);
    }

    /// `raw` is JSON text; it is kept to the last digit.
    fn put_raw(&mut self, row: usize, column: &str, raw: &str) {
        // `arbitrary_precision` is off, so a long number would be rounded on its
        // way through `Value`; as text it is whole.
        let value = match value::token(raw) {
            Token::Number
                if value::is_canonical_number(raw) && value::float(raw).is_some() && raw.len() <= 15 =>
            {
                serde_json::from_str(raw).unwrap_or_else(|_| raw.into())
            }
            Token::Number => raw.into(),
            _ => serde_json::from_str(raw).unwrap_or_else(|_| raw.into()),
        };
        self.put(row, column, value);
    }

    pub(crate) fn finish(mut self, n_rows: usize) -> Option<Vec<Option<String>>> {
        if self.rows.is_empty() {
            return None;
        }
        Some(
            (0..n_rows)
                .map(|r| self.rows.remove(&r).map(|m| serde_json::Value::Object(m).to_string()))
                .collect(),
        )
    }
}

/// The columns of an input that the plan knows nothing of.
pub fn unknown_columns<'a>(plan: &Plan, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    names.filter(|n| !plan.targets.iter().any(|t| t.spec.source() == *n)).collect()
}

/// Checks that no two input columns become the same column of the table;
/// Delta's names differ by more than case.
pub fn check_names(plan: &Plan) -> Result<()> {
    let mut taken: HashMap<String, &str> = HashMap::new();
    for t in &plan.targets {
        if let Some(other) = taken.insert(t.spec.name.to_lowercase(), t.spec.source()) {
            return Err(Error::new(
                Code::BadName,
                format!("columns `{other}` and `{}` both become `{}`", t.spec.source(), t.spec.name),
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
    let position: HashMap<&str, usize> =
        batch.names.iter().enumerate().map(|(i, n)| (n.as_str(), i)).collect();
    for target in &plan.targets {
        let column = position.get(target.spec.source()).copied();
        if column.is_none() && batch.n_rows > 0 {
            require(plan, target)?;
        }
        arrays.push(convert_column(plan, target, batch, column, first_row, &mut rescue)?);
    }
    for (i, name) in batch.names.iter().enumerate() {
        if plan.targets.iter().any(|t| t.spec.source() == name) {
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
        rescue.put(*row, &format!("_extra_{ordinal}"), text.into());
    }
    Ok(Conformed { batch: assemble(plan, arrays, batch.n_rows)?, rescued: rescue.finish(batch.n_rows) })
}

/// Conforms typed rows (Parquet, Arrow, the output of a transform).
pub fn conform_typed(plan: &Plan, batch: &RecordBatch, first_row: u64) -> Result<Conformed> {
    let mut rescue = Rescue::default();
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(plan.targets.len());
    for target in &plan.targets {
        match batch.schema_ref().index_of(target.spec.source()) {
            Ok(i) => {
                arrays.push(typed_conform::convert(plan, target, batch.column(i), first_row, &mut rescue)?)
            }
            Err(_) => {
                require(plan, target)?;
                arrays.push(missing(target, batch.num_rows())?);
            }
        }
    }
    for (i, field) in batch.schema_ref().fields().iter().enumerate() {
        if plan.targets.iter().any(|t| t.spec.source() == field.name()) {
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
    for (row, cell) in batch.columns[column].iter().enumerate() {
        let Some(text) = batch.get(*cell) else { continue };
        let empty = match batch.notation {
            Notation::Plain => text.is_empty() && !cell.is_quoted(),
            Notation::Json => text == "null",
        };
        if empty || plan.nulls.iter().any(|n| n == text) {
            continue;
        }
        if plan.evolve == Evolve::Fixed {
            return Err(Error::new(
                Code::UnknownColumn,
                format!(
                    "column `{name}` is not declared; row {} holds {}",
                    first_row + row as u64,
                    shown(text)
                ),
            ));
        }
        match batch.notation {
            Notation::Plain => rescue.put(row, name, text.into()),
            Notation::Json => rescue.put_raw(row, name, text),
        }
    }
    Ok(())
}

/// One column's rules, resolved once per batch.
struct Rules<'a> {
    nulls: Vec<&'a str>,
    /// Null spellings that are numbers, for numeric columns: `-999` also
    /// matches `-999.00`.
    null_numbers: Vec<f64>,
    notation: Notation,
    text_column: bool,
}

impl Rules<'_> {
    /// The field's text, or `None` where it is missing.
    fn text<'b>(&self, batch: &'b TextBatch, cell: crate::text::Cell) -> Option<std::borrow::Cow<'b, str>> {
        let raw = batch.get(cell)?;
        let text = match self.notation {
            Notation::Plain => {
                if raw.is_empty() && !(self.text_column && cell.is_quoted()) {
                    return None;
                }
                std::borrow::Cow::Borrowed(raw)
            }
            Notation::Json => {
                if raw == "null" {
                    return None;
                }
                value::unquoted(raw)
            }
        };
        if !self.text_column && text.trim().is_empty() {
            return None;
        }
        if !self.nulls.is_empty() {
            let t = text.trim();
            if self.nulls.contains(&t) {
                return None;
            }
            if !self.null_numbers.is_empty()
                && let Some(f) = value::float(t)
                && self.null_numbers.contains(&f)
            {
                return None;
            }
        }
        Some(text)
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
    let numeric = target.data_type.is_numeric();
    let nulls: Vec<&str> = plan.nulls.iter().chain(&target.spec.nulls).map(String::as_str).collect();
    let rules = Rules {
        null_numbers: if numeric {
            nulls.iter().filter_map(|n| value::float(n)).collect()
        } else {
            Vec::new()
        },
        nulls,
        notation: batch.notation,
        text_column: matches!(target.data_type, DataType::Utf8 | DataType::Binary),
    };
    let cells = &batch.columns[column];
    let name = &batch.names[column];
    let n = cells.len();
    let declared = target.declared;
    let mut misfit = |row: usize, cell: crate::text::Cell| -> Result<()> {
        let raw = batch.get(cell).unwrap_or_default();
        if plan.evolve == Evolve::Fixed {
            return Err(does_not_fit(target, first_row + row as u64, raw));
        }
        match batch.notation {
            Notation::Plain => rescue.put(row, name, raw.into()),
            Notation::Json => rescue.put_raw(row, name, raw),
        }
        Ok(())
    };

    // One loop per type: the type is decided once per column, not per value.
    macro_rules! numbers {
        ($builder:expr, $parse:expr) => {{
            let mut b = $builder;
            for (row, cell) in cells.iter().enumerate() {
                match rules.text(batch, *cell) {
                    None => b.append_null(),
                    Some(t) => match $parse(&t) {
                        Some(v) => b.append_value(v),
                        None => {
                            misfit(row, *cell)?;
                            b.append_null()
                        }
                    },
                }
            }
            Arc::new(b.finish()) as ArrayRef
        }};
    }
    let exact = |t: &str| declared || value::is_canonical_number(t.trim());
    let array: ArrayRef = match &target.data_type {
        DataType::Int64 => {
            numbers!(Int64Builder::with_capacity(n), |t: &str| if exact(t) { value::int(t) } else { None })
        }
        DataType::Int32 => {
            numbers!(Int32Builder::with_capacity(n), |t: &str| value::int(t)
                .and_then(|v| i32::try_from(v).ok()))
        }
        DataType::Float64 => numbers!(Float64Builder::with_capacity(n), |t: &str| {
            if exact(t) || !t.trim().starts_with(|c: char| c.is_ascii_digit() || c == '-') {
                value::float(t)
            } else {
                None
            }
        }),
        DataType::Float32 => {
            numbers!(Float32Builder::with_capacity(n), |t: &str| value::float(t).map(|f| f as f32))
        }
        DataType::Decimal128(p, s) => {
            let (p, s) = (*p, *s);
            let b = Decimal128Builder::with_capacity(n).with_data_type(target.data_type.clone());
            numbers!(b, |t: &str| value::decimal(t, p, s))
        }
        DataType::Boolean => {
            numbers!(BooleanBuilder::with_capacity(n), |t: &str| value::boolean(t, declared))
        }
        DataType::Date32 => {
            let format = TimeFormat::new(target.spec.format.as_deref());
            numbers!(Date32Builder::with_capacity(n), |t: &str| format.parse_days(t))
        }
        DataType::Timestamp(..) => {
            let format = TimeFormat::new(target.spec.format.as_deref());
            let zone = Zone::new(target.spec.timezone.as_deref().unwrap_or(&plan.timezone));
            let b = TimestampMicrosecondBuilder::with_capacity(n).with_data_type(target.data_type.clone());
            numbers!(b, |t: &str| format.parse_instant(t, &zone))
        }
        DataType::Binary => {
            let mut b = BinaryBuilder::with_capacity(n, n * 16);
            for cell in cells {
                b.append_option(rules.text(batch, *cell).map(|t| t.into_owned().into_bytes()));
            }
            Arc::new(b.finish())
        }
        DataType::Utf8 => {
            let keep_token = target.kind() == Some(Kind::Json) && batch.notation == Notation::Json;
            let mut b = StringBuilder::with_capacity(n, n * 12);
            for cell in cells {
                match rules.text(batch, *cell) {
                    None => b.append_null(),
                    Some(_) if keep_token => b.append_value(batch.get(*cell).unwrap_or_default()),
                    Some(t) => b.append_value(&t),
                }
            }
            Arc::new(b.finish())
        }
        // A nested type, from a table that typed files made: the text is JSON.
        other => {
            let texts: StringArray = cells.iter().map(|c| rules.text(batch, *c)).collect();
            typed_conform::nested_from_json(&texts, other, |row| misfit(row, cells[row]))?
        }
    };
    fill_default(target, array)
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
            match batch.notation {
                Notation::Plain => rescue.put(row, name, text.into()),
                Notation::Json => rescue.put_raw(row, name, text),
            }
        }
    }
    for (r, ordinal, cell) in &batch.surplus {
        if *r == row {
            rescue.put(row, &format!("_extra_{ordinal}"), batch.get(*cell).unwrap_or_default().into());
        }
    }
    rescue.rows.remove(&row).map_or_else(|| "{}".into(), |m| serde_json::Value::Object(m).to_string())
}
