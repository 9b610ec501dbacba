//! Conform for columns that already have types.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::OffsetBuffer;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DECIMAL128_MAX_PRECISION, DataType, Date32Type, Field, FieldRef, Fields, Float32Type, Float64Type,
    Int64Type, TimeUnit,
};
use arrow::error::ArrowError;
use arrow::json::writer::{Encoder, EncoderFactory, EncoderOptions, NullableEncoder};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use lakegate_domain::Code;
use lakegate_domain::model::{Evolve, Kind};

use crate::conform::{
    Parser, Plan, Rescue, Target, data_type, does_not_fit, fill_default, first_step, second_step, shown,
    takes_blanks, without_misfits,
};
use crate::value::{self, Nulls};
use crate::{Error, Result, time};

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

/// Converts a column to its target; what has no exact place there is rescued.
///
/// A value means what its text would mean in a CSV file: both ways into a table
/// agree. Null spellings, `format:` and `timezone:` count here too.
pub(crate) fn convert(
    plan: &Plan,
    target: &Target,
    array: &ArrayRef,
    first_row: u64,
    rescue: &mut Rescue,
) -> Result<ArrayRef> {
    let numeric = array.data_type().is_numeric() || target.data_type.is_numeric();
    let nulls = Nulls::new(plan.nulls.iter().chain(&target.spec.nulls), numeric);
    let array = without_nulls(array, &nulls)?;
    let mut misfits = vec![false; array.len()];
    let parser = Parser::new(plan, target);
    let (first, conversion) = first_step(target);
    let mut converted = parser.adapt(&array, &first, &mut misfits)?;
    if let Some(conversion) = conversion {
        converted = second_step(&parser, conversion, &converted, &target.data_type, &mut misfits)?;
    }
    if !misfits.contains(&true) {
        return fill_default(target, converted);
    }
    let formatter = formatter(&array)?;
    for row in (0..array.len()).filter(|&r| misfits[r]) {
        let text = text_of(&array, row, &formatter);
        if plan.evolve == Evolve::Fixed {
            return Err(does_not_fit(target, first_row + row as u64, &text));
        }
        rescue_value(rescue, row, target.spec.source(), &array, &text);
    }
    fill_default(target, without_misfits(converted, misfits)?)
}

/// A column without encodings and with one type for text and one for bytes.
fn plain(array: &ArrayRef) -> Result<ArrayRef> {
    use DataType::*;
    let to = match array.data_type() {
        Dictionary(_, v) => v.as_ref(),
        RunEndEncoded(_, v) => v.data_type(),
        LargeUtf8 | Utf8View => &Utf8,
        LargeBinary | BinaryView | FixedSizeBinary(_) => &Binary,
        Float16 => &Float32,
        Null => return Ok(new_null_array(&Utf8, array.len())),
        _ => return Ok(array.clone()),
    };
    // What an encoding holds may itself be encoded.
    plain(&cast_to(array, to)?)
}

/// A column in its plain form with its null spellings made nulls.
pub(crate) fn without_nulls(array: &ArrayRef, nulls: &Nulls<'_>) -> Result<ArrayRef> {
    without(plain(array)?, nulls)
}

/// The column with its null spellings made nulls.
fn without(array: ArrayRef, nulls: &Nulls<'_>) -> Result<ArrayRef> {
    if nulls.is_empty() || array.data_type().is_nested() {
        return Ok(array);
    }
    let texts = texts(&array)?;
    let is_null: BooleanArray = texts.iter().map(|t| Some(t.is_some_and(|t| nulls.holds(t)))).collect();
    arrow::compute::nullif(&array, &is_null).map_err(bug)
}

fn texts(array: &ArrayRef) -> Result<StringArray> {
    if let Some(texts) = array.as_string_opt::<i32>() {
        return Ok(texts.clone());
    }
    let formatter = formatter(array)?;
    let text = |row| array.is_valid(row).then(|| text_of(array, row, &formatter));
    Ok((0..array.len()).map(text).collect())
}

fn text_of(array: &ArrayRef, row: usize, formatter: &ArrayFormatter<'_>) -> String {
    formatter.value(row).try_to_string().unwrap_or_else(|_| {
        // A time beyond the calendar is the number that it is stored as.
        let count = cast_to(&array.slice(row, 1), &DataType::Int64);
        count.map_or_else(|e| e.to_string(), |c| c.as_primitive::<Int64Type>().value(0).to_string())
    })
}

/// A cast that makes nulls of what does not fit.
fn cast_to(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    cast_with_options(array, to, &CastOptions { safe: true, ..Default::default() }).map_err(bug)
}

/// The greatest integer up to which every one is a float of its own.
const EXACT_INTEGER: f64 = 9_007_199_254_740_992.0;

impl Parser {
    /// Converts `array`, which is [`plain`], to type `to` and marks in `misfits`
    /// the rows whose value is no value of it. What stands in those is without
    /// meaning.
    pub(crate) fn adapt(&self, array: &ArrayRef, to: &DataType, misfits: &mut [bool]) -> Result<ArrayRef> {
        use DataType::*;
        let from = array.data_type();
        if from == to && !has_time(to) {
            return Ok(array.clone());
        }
        match (from, to) {
            (Struct(_), Struct(fields)) => self.adapt_struct(array.as_struct(), fields, misfits),
            (Map(..), Map(entries, sorted)) => self.adapt_map(array.as_map(), entries, *sorted, misfits),
            (
                List(f) | LargeList(f) | FixedSizeList(f, _) | ListView(f) | LargeListView(f),
                List(element),
            ) => {
                let list = cast_to(array, &List(f.clone()))?;
                self.adapt_list(list.as_list(), element, misfits)
            }
            (f, Utf8) if f.is_nested() => json_text(array).or_else(|_| Ok(Arc::new(texts(array)?))),
            (f, _) if f.is_nested() => Ok(none_fits(array, to, misfits)),
            (Binary, Utf8) | (Utf8, Binary) => checked(array, cast_to(array, to)?, misfits),
            (Binary, _) => Ok(none_fits(array, to, misfits)),
            (Date32 | Date64 | Timestamp(..), Date32 | Timestamp(..)) => self.adapt_time(array, to, misfits),
            (_, Utf8) => Ok(Arc::new(texts(array)?)),
            (f, t) if f.is_temporal() && t.is_numeric() => Ok(none_fits(array, to, misfits)),
            (f, t) if f.is_integer() && (t.is_integer() || matches!(t, Decimal128(..))) => {
                checked(array, cast_to(array, to)?, misfits)
            }
            (f, Float32 | Float64) if f.is_integer() => same_back(array, cast_to(array, to)?, misfits),
            (Float32, Float64) => cast_to(array, to),
            (Float64, Float32) => {
                let narrow = cast_to(array, to)?;
                let wide = array.as_primitive::<Float64Type>().iter();
                for (row, (w, n)) in wide.zip(narrow.as_primitive::<Float32Type>()).enumerate() {
                    misfits[row] |= w.is_some_and(f64::is_finite) && !n.is_some_and(f32::is_finite);
                }
                Ok(narrow)
            }
            (Float32 | Float64, t) if t.is_integer() => {
                let floats = cast_to(array, &Float64)?;
                let whole = |v: f64| (v.fract() == 0.0 && v.abs() <= EXACT_INTEGER).then_some(v as i64);
                let whole: Int64Array =
                    floats.as_primitive::<Float64Type>().iter().map(|v| v.and_then(whole)).collect();
                checked(array, cast_to(&(Arc::new(whole) as ArrayRef), to)?, misfits)
            }
            (Decimal128(..), Decimal128(..)) => same_back(array, cast_to(array, to)?, misfits),
            (Decimal32(_, s) | Decimal64(_, s) | Decimal128(_, s) | Decimal256(_, s), Float32 | Float64) => {
                let floats = self.parse(&texts(array)?, to, misfits)?;
                // A float that prints as the decimal does stands for it.
                let back = |t: &str| value::decimal(t, DECIMAL128_MAX_PRECISION, *s);
                let single = *to == Float32;
                let wide = cast_to(&floats, &Float64)?;
                let texts = texts(array)?;
                for (row, (t, v)) in texts.iter().zip(wide.as_primitive::<Float64Type>()).enumerate() {
                    let (Some(t), Some(v)) = (t, v) else { continue };
                    let shortest = if single { format!("{:e}", v as f32) } else { format!("{v:e}") };
                    misfits[row] |= back(t).is_none() || back(t) != back(&shortest);
                }
                Ok(floats)
            }
            _ => self.parse(&texts(array)?, to, misfits),
        }
    }

    fn parse(&self, texts: &StringArray, to: &DataType, misfits: &mut [bool]) -> Result<ArrayRef> {
        let blanks = takes_blanks(to);
        let present = texts.iter().map(|t| t.filter(|t| blanks || !t.trim().is_empty()).map(Cow::Borrowed));
        self.column(to, texts.len(), present, |row| {
            misfits[row] = true;
            Ok(())
        })
    }

    /// Days and instants. A naive time is one in the column's zone; a day is its
    /// midnight, and only midnight is a day.
    fn adapt_time(&self, array: &ArrayRef, to: &DataType, misfits: &mut [bool]) -> Result<ArrayRef> {
        use DataType::*;
        const DAY_US: i64 = 86_400_000_000;
        if let Date32 = array.data_type()
            && let Date32 = to
        {
            for (row, day) in array.as_primitive::<Date32Type>().iter().enumerate() {
                misfits[row] |= day.is_some_and(|d| !time::is_day(d));
            }
            return Ok(array.clone());
        }
        let (many, few, naive) = match array.data_type() {
            Timestamp(unit, zone) => {
                let (many, few) = match unit {
                    TimeUnit::Second => (1_000_000, 1),
                    TimeUnit::Millisecond => (1000, 1),
                    TimeUnit::Microsecond => (1, 1),
                    TimeUnit::Nanosecond => (1, 1000),
                };
                (many, few, zone.is_none())
            }
            Date32 => (DAY_US, 1, true),
            _ => (1000, 1, true),
        };
        // Days do not cast to 64 bits at once.
        let counts = match array.data_type() {
            Date32 => cast_to(&cast_to(array, &Int32)?, &Int64)?,
            _ => cast_to(array, &Int64)?,
        };
        let micros = counts
            .as_primitive::<Int64Type>()
            .iter()
            .map(|v| v.and_then(|v| v.div_euclid(few).checked_mul(many)).filter(|us| time::is_instant(*us)));
        let out: ArrayRef = match to {
            Date32 => {
                let day = |us: i64| (us.rem_euclid(DAY_US) == 0).then_some(us.div_euclid(DAY_US) as i32);
                Arc::new(micros.map(|us| us.and_then(day)).collect::<Date32Array>())
            }
            _ => {
                let instant = |us: i64| if naive { self.zone.instant_of_naive(us) } else { Some(us) };
                let out: TimestampMicrosecondArray = micros.map(|us| us.and_then(instant)).collect();
                Arc::new(out.with_data_type(to.clone()))
            }
        };
        checked(array, out, misfits)
    }

    /// By name: a field that the table's type lacks has no place, one that the
    /// file's type lacks is null.
    fn adapt_struct(&self, from: &StructArray, to: &Fields, misfits: &mut [bool]) -> Result<ArrayRef> {
        let mut used = vec![false; from.num_columns()];
        let mut columns = Vec::with_capacity(to.len());
        for field in to {
            let Some(at) = from.fields().iter().position(|f| f.name() == field.name()) else {
                columns.push(new_null_array(field.data_type(), from.len()));
                continue;
            };
            used[at] = true;
            columns.push(self.adapt_child(from, from.column(at), field.data_type(), misfits)?);
        }
        for (column, _) in from.columns().iter().zip(used).filter(|(_, used)| !used) {
            let present = column.logical_nulls();
            for (row, misfit) in misfits.iter_mut().enumerate() {
                *misfit |= from.is_valid(row) && present.as_ref().is_none_or(|p| p.is_valid(row));
            }
        }
        let made = StructArray::try_new_with_length(to.clone(), columns, from.nulls().cloned(), from.len());
        Ok(Arc::new(made.map_err(bug)?))
    }

    /// A column of a struct: what is under a missing struct does not count.
    fn adapt_child(
        &self,
        parent: &dyn Array,
        child: &ArrayRef,
        to: &DataType,
        misfits: &mut [bool],
    ) -> Result<ArrayRef> {
        let mut inner = vec![false; child.len()];
        let made = self.adapt(&plain(child)?, to, &mut inner)?;
        for (row, misfit) in inner.into_iter().enumerate() {
            misfits[row] |= misfit && parent.is_valid(row);
        }
        Ok(made)
    }

    fn adapt_list(&self, from: &ListArray, element: &FieldRef, misfits: &mut [bool]) -> Result<ArrayRef> {
        let (offsets, values) = own_part(from.offsets(), from.values());
        let mut inner = vec![false; values.len()];
        let values = self.adapt(&plain(&values)?, element.data_type(), &mut inner)?;
        spread(from, &offsets, &inner, misfits);
        let made = ListArray::try_new(element.clone(), offsets, values, from.nulls().cloned());
        Ok(Arc::new(made.map_err(bug)?))
    }

    /// Keys and values, whatever their fields are called.
    fn adapt_map(
        &self,
        from: &MapArray,
        entries: &FieldRef,
        sorted: bool,
        misfits: &mut [bool],
    ) -> Result<ArrayRef> {
        let DataType::Struct(fields) = entries.data_type() else {
            return Err(Error::new(Code::Bug, format!("a map of {}", entries.data_type())));
        };
        let all: ArrayRef = Arc::new(from.entries().clone());
        let (offsets, part) = own_part(from.offsets(), &all);
        let part = part.as_struct();
        let mut inner = vec![false; part.len()];
        let columns = part
            .columns()
            .iter()
            .zip(fields)
            .map(|(column, field)| self.adapt_child(part, column, field.data_type(), &mut inner))
            .collect::<Result<Vec<_>>>()?;
        spread(from, &offsets, &inner, misfits);
        let part = StructArray::try_new(fields.clone(), columns, None).map_err(bug)?;
        let made = MapArray::try_new(entries.clone(), offsets, part, from.nulls().cloned(), sorted);
        Ok(Arc::new(made.map_err(bug)?))
    }
}

/// The values that a list's rows point to, and the offsets in them.
fn own_part(offsets: &OffsetBuffer<i32>, values: &ArrayRef) -> (OffsetBuffer<i32>, ArrayRef) {
    let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
    let own: Vec<i32> = offsets.iter().map(|o| o - first).collect();
    (OffsetBuffer::new(own.into()), values.slice(first as usize, (last - first) as usize))
}

/// A value that does not fit makes its whole list one.
fn spread(from: &dyn Array, offsets: &OffsetBuffer<i32>, inner: &[bool], misfits: &mut [bool]) {
    for (row, ends) in offsets.windows(2).enumerate() {
        misfits[row] |= from.is_valid(row) && inner[ends[0] as usize..ends[1] as usize].contains(&true);
    }
}

/// Values that became null did not fit.
fn checked(from: &ArrayRef, to: ArrayRef, misfits: &mut [bool]) -> Result<ArrayRef> {
    if to.null_count() > from.null_count() {
        for (row, misfit) in misfits.iter_mut().enumerate() {
            *misfit |= from.is_valid(row) && to.is_null(row);
        }
    }
    Ok(to)
}

/// Values that do not come back as they were did not fit.
fn same_back(from: &ArrayRef, to: ArrayRef, misfits: &mut [bool]) -> Result<ArrayRef> {
    let back = cast_to(&to, from.data_type())?;
    let same = arrow::compute::kernels::cmp::not_distinct(&back, from).map_err(bug)?;
    for (row, misfit) in misfits.iter_mut().enumerate() {
        *misfit |= from.is_valid(row) && !same.value(row);
    }
    Ok(to)
}

fn none_fits(from: &ArrayRef, to: &DataType, misfits: &mut [bool]) -> ArrayRef {
    for (row, misfit) in misfits.iter_mut().enumerate() {
        *misfit |= from.is_valid(row);
    }
    new_null_array(to, from.len())
}

/// Whether a type has days or instants, which are looked at one by one.
fn has_time(t: &DataType) -> bool {
    match t {
        DataType::Date32 | DataType::Timestamp(..) => true,
        DataType::List(f) | DataType::Map(f, _) => has_time(f.data_type()),
        DataType::Struct(fields) => fields.iter().any(|f| has_time(f.data_type())),
        _ => false,
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
    let array = plain(array)?;
    let array = without(array.clone(), &Nulls::new(&plan.nulls, array.data_type().is_numeric()))?;
    if array.null_count() == array.len() {
        return Ok(());
    }
    let formatter = formatter(&array)?;
    for row in (0..array.len()).filter(|&r| array.is_valid(r)) {
        let text = text_of(&array, row, &formatter);
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
        rescue_value(rescue, row, name, &array, &text);
    }
    Ok(())
}

/// `text` is the value's own; numbers keep all their digits.
fn rescue_value(rescue: &mut Rescue, row: usize, name: &str, array: &ArrayRef, text: &str) {
    let t = array.data_type();
    if t.is_nested()
        && let Ok(json) = json_text(&array.slice(row, 1))
    {
        return rescue.put_json(row, name, json.as_string::<i32>().value(0));
    }
    // What is no JSON number, such as `NaN`, is kept as text.
    if t.is_numeric() || *t == DataType::Boolean {
        rescue.put_json(row, name, text);
    } else {
        rescue.put_text(row, name, text);
    }
}

/// JSON has no `NaN` and no infinity: they are written as text, not lost.
#[derive(Debug)]
struct AllFloats;

struct Floats<'a>(ArrayFormatter<'a>);

impl EncoderFactory for AllFloats {
    fn make_default_encoder<'a>(
        &self,
        _: &'a FieldRef,
        array: &'a dyn Array,
        _: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        if !array.data_type().is_floating() {
            return Ok(None);
        }
        let floats = Floats(ArrayFormatter::try_new(array, &OPTIONS)?);
        Ok(Some(NullableEncoder::new(Box::new(floats), array.nulls().cloned())))
    }
}

impl Encoder for Floats<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        let text = self.0.value(row).to_string();
        let is_number = text.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit());
        if is_number {
            out.extend(text.bytes());
        } else {
            out.extend(format!("\"{text}\"").bytes());
        }
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
            .with_encoder_factory(Arc::new(AllFloats))
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

const OPTIONS: FormatOptions<'static> = FormatOptions::new();

fn formatter(array: &ArrayRef) -> Result<ArrayFormatter<'_>> {
    ArrayFormatter::try_new(array.as_ref(), &OPTIONS).map_err(bug)
}

fn bug(e: ArrowError) -> Error {
    Error::new(Code::Bug, e.to_string())
}
