//! Conform for columns that already have types.

use arrow::array::*;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use lakegate_domain::Code;
use lakegate_domain::model::{Evolve, Kind};
use std::sync::Arc;

use crate::conform::{Plan, Rescue, Target, data_type, does_not_fit, fill_default, shown};
use crate::time::{TimeFormat, Zone};
use crate::{Error, Result};

/// Whether a column holds a number that a column of integers cannot take.
pub fn has_float(array: &ArrayRef) -> bool {
    match array.data_type() {
        DataType::Float32 => {
            array.as_primitive::<arrow::datatypes::Float32Type>().iter().flatten().any(|v| v.fract() != 0.0)
        }
        DataType::Float64 => {
            array.as_primitive::<arrow::datatypes::Float64Type>().iter().flatten().any(|v| v.fract() != 0.0)
        }
        _ => false,
    }
}

/// The nearest type that a Delta table holds, for the type of an input column.
pub fn delta_type(t: &DataType) -> DataType {
    match t {
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        // Beyond i64 lies half of u64: a decimal holds it all.
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 => DataType::Float32,
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Date64 => DataType::Date32,
        DataType::Timestamp(_, Some(_)) => data_type(Kind::Timestamp),
        DataType::Timestamp(_, None) => data_type(Kind::Timestamp),
        DataType::Time32(_) | DataType::Time64(_) | DataType::Duration(_) | DataType::Interval(_) => {
            DataType::Utf8
        }
        DataType::Decimal256(_, _) => DataType::Utf8,
        DataType::Dictionary(_, v) => delta_type(v),
        DataType::List(f)
        | DataType::LargeList(f)
        | DataType::FixedSizeList(f, _)
        | DataType::ListView(f) => {
            DataType::List(Arc::new(Field::new("element", delta_type(f.data_type()), true)))
        }
        DataType::Struct(fields) => DataType::Struct(
            fields.iter().map(|f| Field::new(f.name(), delta_type(f.data_type()), true)).collect(),
        ),
        DataType::Null => DataType::Utf8,
        other => other.clone(),
    }
}

/// Casts a column to its target; what the cast would change or drop is rescued.
pub(crate) fn convert(
    plan: &Plan,
    target: &Target,
    array: &ArrayRef,
    first_row: u64,
    rescue: &mut Rescue,
) -> Result<ArrayRef> {
    let converted = cast(plan, target, array)?;
    // A value that became null, or another number, did not fit.
    let mut misfits: Vec<usize> = Vec::new();
    if converted.null_count() > array.null_count() {
        misfits.extend((0..array.len()).filter(|&r| array.is_valid(r) && converted.is_null(r)));
    }
    misfits.extend(changed_numbers(array, &converted));
    if misfits.is_empty() {
        return fill_default(target, converted);
    }
    let formatter = formatter(array)?;
    let mut keep = vec![true; array.len()];
    for row in misfits {
        let text = formatter.value(row).to_string();
        if plan.evolve == Evolve::Fixed {
            return Err(does_not_fit(target, first_row + row as u64, &text));
        }
        rescue.put(row, target.spec.source(), json_value(array, row, text));
        keep[row] = false;
    }
    let drop = BooleanArray::from(keep.iter().map(|k| !k).collect::<Vec<_>>());
    let nulled = arrow::compute::nullif(&converted, &drop).map_err(bug)?;
    fill_default(target, nulled)
}

fn cast(plan: &Plan, target: &Target, array: &ArrayRef) -> Result<ArrayRef> {
    let to = &target.data_type;
    let zone_name = target.spec.timezone.as_deref().unwrap_or(&plan.timezone);
    if let DataType::Timestamp(..) = to {
        match array.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                let texts = cast_to(array, &DataType::Utf8)?;
                let format = TimeFormat::new(target.spec.format.as_deref());
                let zone = Zone::new(zone_name);
                let out: TimestampMicrosecondArray = texts
                    .as_string::<i32>()
                    .iter()
                    .map(|t| t.and_then(|t| format.parse_instant(t, &zone)))
                    .collect();
                return Ok(Arc::new(out.with_timezone("UTC")));
            }
            DataType::Timestamp(_, None) => {
                let naive = cast_to(array, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
                let zone = Zone::new(zone_name);
                let out: TimestampMicrosecondArray = naive
                    .as_primitive::<arrow::datatypes::TimestampMicrosecondType>()
                    .iter()
                    .map(|us| {
                        us.and_then(|us| {
                            zone.instant(us.div_euclid(86_400_000_000) as i32, us.rem_euclid(86_400_000_000))
                        })
                    })
                    .collect();
                return Ok(Arc::new(out.with_timezone("UTC")));
            }
            DataType::Int32 | DataType::Int64 | DataType::Float64 if target.spec.format.is_some() => {
                let texts = cast_to(array, &DataType::Utf8)?;
                let format = TimeFormat::new(target.spec.format.as_deref());
                let zone = Zone::new(zone_name);
                let out: TimestampMicrosecondArray = texts
                    .as_string::<i32>()
                    .iter()
                    .map(|t| t.and_then(|t| format.parse_instant(t, &zone)))
                    .collect();
                return Ok(Arc::new(out.with_timezone("UTC")));
            }
            _ => {}
        }
    }
    if target.spec.kind == Some(Kind::Json) && array.data_type().is_nested() {
        return json_text(array);
    }
    if to == &DataType::Utf8 && array.data_type().is_nested() {
        return json_text(array);
    }
    cast_to(array, to).or_else(|_| {
        // No such cast: everything that is there is a misfit.
        Ok(new_null_array(to, array.len()))
    })
}

fn cast_to(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    cast_with_options(array, to, &CastOptions { safe: true, ..Default::default() }).map_err(bug)
}

/// Rows whose number the cast altered: fractions cut, integers rounded.
fn changed_numbers(from: &ArrayRef, to: &ArrayRef) -> Vec<usize> {
    use DataType::*;
    let narrowing = matches!(
        (from.data_type(), to.data_type()),
        (Float16 | Float32 | Float64 | Decimal128(..) | Decimal256(..), Int8 | Int16 | Int32 | Int64)
            | (Int64 | UInt64, Float32 | Float64)
            | (Int32 | UInt32, Float32)
    );
    if !narrowing {
        return Vec::new();
    }
    let Ok(back) = cast_with_options(to, from.data_type(), &CastOptions { safe: true, ..Default::default() })
    else {
        return Vec::new();
    };
    let same = arrow::compute::kernels::cmp::not_distinct(&back, from);
    match same {
        Ok(same) => {
            (0..from.len()).filter(|&r| from.is_valid(r) && to.is_valid(r) && !same.value(r)).collect()
        }
        Err(_) => Vec::new(),
    }
}

/// Under `fixed` an error, otherwise rescued, row by row.
pub(crate) fn keep_unknown(
    plan: &Plan,
    name: &str,
    array: &ArrayRef,
    first_row: u64,
    rescue: &mut Rescue,
) -> Result<()> {
    if array.null_count() == array.len() {
        return Ok(());
    }
    let formatter = formatter(array)?;
    for row in 0..array.len() {
        if array.is_null(row) {
            continue;
        }
        let text = formatter.value(row).to_string();
        if plan.evolve == Evolve::Fixed {
            return Err(Error::new(
                Code::UnknownColumn,
                format!(
                    "column `{name}` is not declared; row {} holds {}",
                    first_row + row as u64,
                    shown(&text)
                ),
            ));
        }
        rescue.put(row, name, json_value(array, row, text));
    }
    Ok(())
}

fn json_value(array: &ArrayRef, row: usize, text: String) -> serde_json::Value {
    if array.data_type().is_nested() {
        let one = array.slice(row, 1);
        if let Ok(json) = json_text(&one)
            && let Ok(v) = serde_json::from_str(json.as_string::<i32>().value(0))
        {
            return v;
        }
    }
    match array.data_type() {
        DataType::Boolean => (text == "true").into(),
        t if t.is_integer() && text.len() <= 15 => {
            text.parse::<i64>().map_or_else(|_| text.into(), Into::into)
        }
        DataType::Float64 | DataType::Float32 => text
            .parse::<f64>()
            .ok()
            .and_then(serde_json::Number::from_f64)
            .map_or_else(|| text.into(), Into::into),
        _ => text.into(),
    }
}

/// Each value of a nested column as JSON text.
pub fn json_text(array: &ArrayRef) -> Result<ArrayRef> {
    let schema = arrow::datatypes::Schema::new(vec![Field::new("v", array.data_type().clone(), true)]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![array.clone()]).map_err(bug)?;
    let mut out = StringBuilder::new();
    let mut buffer = Vec::new();
    {
        let mut writer = arrow::json::WriterBuilder::new()
            .with_explicit_nulls(true)
            .build::<_, arrow::json::writer::LineDelimited>(&mut buffer);
        writer.write(&batch).map_err(bug)?;
        writer.finish().map_err(bug)?;
    }
    for (row, line) in buffer.split(|b| *b == b'\n').take(array.len()).enumerate() {
        if array.is_null(row) {
            out.append_null();
            continue;
        }
        // `{"v":…}`: what stands between the key and the last brace.
        let text = std::str::from_utf8(&line[5..line.len() - 1])
            .map_err(|e| Error::new(Code::Bug, e.to_string()))?;
        out.append_value(text);
    }
    Ok(Arc::new(out.finish()))
}

/// Parses JSON text into a nested type, value by value, so that one that does
/// not fit spoils no other.
pub(crate) fn nested_from_json(
    texts: &StringArray,
    to: &DataType,
    mut misfit: impl FnMut(usize) -> Result<()>,
) -> Result<ArrayRef> {
    let schema = Arc::new(arrow::datatypes::Schema::new(vec![Field::new("v", to.clone(), true)]));
    let mut parts: Vec<ArrayRef> = Vec::with_capacity(texts.len());
    for row in 0..texts.len() {
        let one = (!texts.is_null(row))
            .then(|| {
                let line = format!("{{\"v\":{}}}", texts.value(row));
                let mut reader = arrow::json::ReaderBuilder::new(schema.clone())
                    .with_strict_mode(true)
                    .build(line.as_bytes())
                    .ok()?;
                reader.next()?.ok().map(|b| b.column(0).clone())
            })
            .flatten();
        match one {
            Some(a) if a.len() == 1 => parts.push(a),
            _ => {
                if !texts.is_null(row) {
                    misfit(row)?;
                }
                parts.push(new_null_array(to, 1));
            }
        }
    }
    if parts.is_empty() {
        return Ok(new_empty_array(to));
    }
    let refs: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
    arrow::compute::concat(&refs).map_err(bug)
}

fn formatter(array: &ArrayRef) -> Result<ArrayFormatter<'_>> {
    const OPTIONS: FormatOptions<'static> = FormatOptions::new();
    ArrayFormatter::try_new(array.as_ref(), &OPTIONS).map_err(bug)
}

fn bug(e: arrow::error::ArrowError) -> Error {
    Error::new(Code::Bug, e.to_string())
}
