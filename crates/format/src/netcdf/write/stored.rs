//! Columns to the values of a variable, in its type.

use arrow::array::*;
use arrow::compute::{CastOptions, cast_with_options, take};
use arrow::datatypes::*;

use super::{Attribute, Storage, Value, Variable, WriteError, shown};
use crate::netcdf::calendar::{Number, TimeUnits};

/// Values of one variable, as they will stand in the file.
pub(super) struct Stored {
    /// Lengths of the dimensions beside that of the rows.
    pub nested: Vec<u64>,
    pub values: Values,
    /// The one value of a column that has the same in every row.
    pub constant: Option<ArrayRef>,
    /// What stands for a missing value.
    fill: Fill,
    time: Option<TimeUnits>,
    /// Whether a missing value came.
    has_missing: bool,
    /// The first row with a value that stands for missing ones though nobody
    /// said so.
    looks_missing: Option<u64>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Values {
    Byte(Vec<i8>),
    UByte(Vec<u8>),
    Short(Vec<i16>),
    UShort(Vec<u16>),
    Int(Vec<i32>),
    UInt(Vec<u32>),
    Int64(Vec<i64>),
    UInt64(Vec<u64>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    Text(Vec<String>),
}

/// What stands for a missing value. Those that nobody declared are the ones of
/// netCDF itself ("netCDF default fill values", `netcdf.h`).
#[derive(Clone, Copy)]
struct Fill {
    integer: i128,
    float: f64,
    is_declared: bool,
}

impl Stored {
    pub fn new(variable: &Variable, nested: Vec<u64>) -> Result<Self, WriteError> {
        let values = Values::of(variable.storage);
        let fill = fill_of(variable)?;
        Ok(Self { nested, values, constant: None, fill, time: None, has_missing: false, looks_missing: None })
    }

    pub fn held_bytes(&self) -> usize {
        self.values.held_bytes()
    }

    /// Appends values, which are no lists any more. `first_row` is where they
    /// come from, for messages.
    pub fn put(
        &mut self,
        variable: &mut Variable,
        array: &ArrayRef,
        first_row: u64,
    ) -> Result<(), WriteError> {
        let is_text = matches!(variable.storage, Storage::String | Storage::Char(_));
        let array = match array.data_type() {
            DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 if !is_text => {
                return self.put_times(variable, array, first_row);
            }
            DataType::Boolean if !is_text => cast(array, &DataType::Int8, variable)?,
            _ => array.clone(),
        };
        let width = self.nested.iter().product::<u64>().max(1);
        let failed = |at: usize, why: String| WriteError::Value {
            variable: variable.name.clone(),
            row: first_row + at as u64 / width + 1,
            why,
        };
        if let Values::Text(texts) = &mut self.values {
            let array = cast(&array, &DataType::Utf8, variable)?;
            let array = array.as_string::<i32>();
            for at in 0..array.len() {
                // netCDF has no missing text but the empty one.
                let text = if array.is_valid(at) { array.value(at) } else { "" };
                if text.contains('\0') {
                    return Err(failed(at, "the text has a NUL byte, which ends a text in netCDF".into()));
                }
                if let Storage::Char(width) = variable.storage
                    && text.len() > width as usize
                {
                    return Err(failed(at, format!("{text:?} is longer than {width} bytes")));
                }
                texts.push(text.to_string());
            }
            return Ok(());
        }
        if array.data_type().is_integer() {
            let wide = cast(&array, &DataType::Decimal128(38, 0), variable)?;
            let wide = wide.as_primitive::<Decimal128Type>();
            for at in 0..wide.len() {
                let number = wide.is_valid(at).then(|| Number::Int(wide.value(at)));
                self.put_number(number, first_row + at as u64 / width + 1).map_err(|why| failed(at, why))?;
            }
            return Ok(());
        }
        let floats = cast(&array, &DataType::Float64, variable)?;
        let floats = floats.as_primitive::<Float64Type>();
        for at in 0..array.len() {
            if array.is_valid(at) && floats.is_null(at) {
                return Err(failed(at, format!("`{}` is no number", shown(&array, at))));
            }
            let number = floats.is_valid(at).then(|| Number::Float(floats.value(at)));
            self.put_number(number, first_row + at as u64 / width + 1).map_err(|why| failed(at, why))?;
        }
        Ok(())
    }

    fn put_times(
        &mut self,
        variable: &mut Variable,
        array: &ArrayRef,
        first_row: u64,
    ) -> Result<(), WriteError> {
        if self.time.is_none() {
            self.time = Some(time_units(variable, array.data_type())?);
        }
        let units = self.time.clone().expect("units that were just made");
        let instants = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, None), variable)?;
        let instants = instants.as_primitive::<TimestampMicrosecondType>();
        let width = self.nested.iter().product::<u64>().max(1);
        let is_float = matches!(self.values, Values::Float(_) | Values::Double(_));
        for at in 0..instants.len() {
            let row = first_row + at as u64 / width + 1;
            let failed = |why: String| WriteError::Value {
                variable: variable.name.clone(),
                row,
                why: format!("{}: {why}", shown(array, at)),
            };
            let number = match instants.is_valid(at) {
                true => Some(units.number_of(instants.value(at), is_float).ok_or_else(|| {
                    failed("the time is no whole number of its unit, or none that is exact".into())
                })?),
                false => None,
            };
            if let (Values::Float(_), Some(Number::Float(f))) = (&self.values, number)
                && f64::from(f as f32) != f
            {
                return Err(failed("a `float` does not hold the time: declare `double`".into()));
            }
            self.put_number(number, row).map_err(failed)?;
        }
        Ok(())
    }

    /// Appends a number or, with `None`, what stands for a missing one.
    fn put_number(&mut self, number: Option<Number>, row: u64) -> Result<(), String> {
        let fill = self.fill;
        self.has_missing |= number.is_none();
        let mut is_fill = false;
        macro_rules! integers {
            ($values:expr, $int:ty) => {{
                let value = match number {
                    None => fill.integer as $int,
                    Some(number) => {
                        let whole = match number {
                            Number::Int(n) => Some(n),
                            Number::Float(f) if f.fract() == 0.0 && f.abs() < 1e30 => Some(f as i128),
                            Number::Float(_) => None,
                        };
                        let fits = whole.and_then(|n| <$int>::try_from(n).ok());
                        let value =
                            fits.ok_or_else(|| format!("{} is no value of its type", text(number)))?;
                        is_fill = i128::from(value) == fill.integer;
                        value
                    }
                };
                $values.push(value);
            }};
        }
        match &mut self.values {
            Values::Byte(v) => integers!(v, i8),
            Values::UByte(v) => integers!(v, u8),
            Values::Short(v) => integers!(v, i16),
            Values::UShort(v) => integers!(v, u16),
            Values::Int(v) => integers!(v, i32),
            Values::UInt(v) => integers!(v, u32),
            Values::Int64(v) => integers!(v, i64),
            Values::UInt64(v) => integers!(v, u64),
            Values::Float(v) => {
                let value = float(number, fill, |f| f as f32, f64::from)?;
                is_fill = number.is_some() && value == fill.float as f32;
                v.push(value);
            }
            Values::Double(v) => {
                let value = float(number, fill, |f| f, |f| f)?;
                is_fill = number.is_some() && value == fill.float;
                v.push(value);
            }
            Values::Text(v) => v.push(String::new()),
        }
        if is_fill && fill.is_declared {
            return Err("it is the _FillValue, which stands for a missing value".into());
        }
        if is_fill && self.looks_missing.is_none() {
            self.looks_missing = Some(row);
        }
        Ok(())
    }

    /// Puts the dimension of the rows, which comes first as values are held, to
    /// place `at` among the others.
    pub fn move_rows(&mut self, at: usize, n_rows: u64) {
        let product = |sizes: &[u64]| sizes.iter().product::<u64>() as usize;
        let (before, after) = (product(&self.nested[..at]), product(&self.nested[at..]));
        if before > 1 {
            self.values.move_rows(n_rows as usize, before, after);
        }
    }

    /// Fills what no row gave a value, and declares what stands for missing
    /// values where some are.
    pub fn fill_up(&mut self, variable: &mut Variable) -> Result<(), WriteError> {
        let has_rows = variable.dimensions.len() > self.nested.len();
        if !has_rows && self.values.is_empty() {
            for _ in 0..self.nested.iter().product::<u64>() {
                self.put_number(None, 0).map_err(WriteError::Declaration)?;
            }
        }
        if self.fill.is_declared {
            return Ok(());
        }
        // Of bytes alone no value is taken for a missing one where nobody says so.
        let is_byte = matches!(self.values, Values::Byte(_) | Values::UByte(_));
        if let Some(row) = self.looks_missing
            && (self.has_missing || !is_byte)
        {
            return Err(WriteError::Value {
                variable: variable.name.clone(),
                row,
                why: "its value stands for a missing one in netCDF: declare another `_FillValue`".into(),
            });
        }
        if let Some(value) = self.values.fill_value(self.fill).filter(|_| self.has_missing) {
            variable.attributes.insert(0, Attribute { name: "_FillValue".into(), value });
        }
        Ok(())
    }
}

/// A number as a float, or what stands for a missing one.
fn float<T: Copy>(
    number: Option<Number>,
    fill: Fill,
    narrow: impl Fn(f64) -> T,
    widen: impl Fn(T) -> f64,
) -> Result<T, String> {
    Ok(match number {
        None => narrow(fill.float),
        Some(Number::Float(f)) => {
            let made = narrow(f);
            if f.is_finite() && !widen(made).is_finite() {
                return Err(format!("{f} is beyond its type"));
            }
            made
        }
        Some(Number::Int(n)) => {
            let made = narrow(n as f64);
            if widen(made) as i128 != n {
                return Err(format!("{n} would be rounded: declare a wider type"));
            }
            made
        }
    })
}

impl Values {
    fn of(storage: Storage) -> Self {
        match storage {
            Storage::Byte => Values::Byte(Vec::new()),
            Storage::UByte => Values::UByte(Vec::new()),
            Storage::Short => Values::Short(Vec::new()),
            Storage::UShort => Values::UShort(Vec::new()),
            Storage::Int => Values::Int(Vec::new()),
            Storage::UInt => Values::UInt(Vec::new()),
            Storage::Int64 => Values::Int64(Vec::new()),
            Storage::UInt64 => Values::UInt64(Vec::new()),
            Storage::Float => Values::Float(Vec::new()),
            Storage::Double => Values::Double(Vec::new()),
            Storage::String | Storage::Char(_) => Values::Text(Vec::new()),
        }
    }

    fn is_empty(&self) -> bool {
        self.held_bytes() == 0
    }

    /// From (rows, before, after) to (before, rows, after).
    fn move_rows(&mut self, n_rows: usize, before: usize, after: usize) {
        fn moved<T: Clone>(values: &mut Vec<T>, n_rows: usize, before: usize, after: usize) {
            let mut out = Vec::with_capacity(values.len());
            for outer in 0..before {
                for row in 0..n_rows {
                    let from = (row * before + outer) * after;
                    out.extend_from_slice(&values[from..from + after]);
                }
            }
            *values = out;
        }
        match self {
            Values::Byte(v) => moved(v, n_rows, before, after),
            Values::UByte(v) => moved(v, n_rows, before, after),
            Values::Short(v) => moved(v, n_rows, before, after),
            Values::UShort(v) => moved(v, n_rows, before, after),
            Values::Int(v) => moved(v, n_rows, before, after),
            Values::UInt(v) => moved(v, n_rows, before, after),
            Values::Int64(v) => moved(v, n_rows, before, after),
            Values::UInt64(v) => moved(v, n_rows, before, after),
            Values::Float(v) => moved(v, n_rows, before, after),
            Values::Double(v) => moved(v, n_rows, before, after),
            Values::Text(v) => moved(v, n_rows, before, after),
        }
    }

    fn held_bytes(&self) -> usize {
        match self {
            Values::Byte(v) => v.len(),
            Values::UByte(v) => v.len(),
            Values::Short(v) => v.len() * 2,
            Values::UShort(v) => v.len() * 2,
            Values::Int(v) => v.len() * 4,
            Values::UInt(v) => v.len() * 4,
            Values::Int64(v) => v.len() * 8,
            Values::UInt64(v) => v.len() * 8,
            Values::Float(v) => v.len() * 4,
            Values::Double(v) => v.len() * 8,
            Values::Text(v) => v.iter().map(|t| t.len() + size_of::<String>()).sum(),
        }
    }

    fn fill_value(&self, fill: Fill) -> Option<Value> {
        Some(match self {
            Values::Byte(_) => Value::Byte(vec![fill.integer as i8]),
            Values::UByte(_) => Value::UByte(vec![fill.integer as u8]),
            Values::Short(_) => Value::Short(vec![fill.integer as i16]),
            Values::UShort(_) => Value::UShort(vec![fill.integer as u16]),
            Values::Int(_) => Value::Int(vec![fill.integer as i32]),
            Values::UInt(_) => Value::UInt(vec![fill.integer as u32]),
            Values::Int64(_) => Value::Int64(vec![fill.integer as i64]),
            Values::UInt64(_) => Value::UInt64(vec![fill.integer as u64]),
            Values::Float(_) => Value::Float(vec![fill.float as f32]),
            Values::Double(_) => Value::Double(vec![fill.float]),
            Values::Text(_) => return None,
        })
    }
}

fn text(number: Number) -> String {
    match number {
        Number::Int(n) => n.to_string(),
        Number::Float(f) => f.to_string(),
    }
}

/// The value that `_FillValue` declares, or netCDF's own.
fn fill_of(variable: &Variable) -> Result<Fill, WriteError> {
    let wrong = |why: &str| WriteError::Declaration(format!("the _FillValue of `{}` {why}", variable.name));
    // As `netcdf.h` has them, of the types in their order.
    let (integer, float) = match variable.storage {
        Storage::Byte => (-127, 0.0),
        Storage::UByte => (255, 0.0),
        Storage::Short => (-32_767, 0.0),
        Storage::UShort => (65_535, 0.0),
        Storage::Int => (-2_147_483_647, 0.0),
        Storage::UInt => (4_294_967_295, 0.0),
        Storage::Int64 => (-9_223_372_036_854_775_806, 0.0),
        Storage::UInt64 => (18_446_744_073_709_551_614, 0.0),
        Storage::Float => (0, f64::from(9.969_21e36_f32)),
        Storage::Double => (0, 9.969_209_968_386_869e36),
        Storage::String | Storage::Char(_) => (0, 0.0),
    };
    let Some(declared) = variable.attributes.iter().find(|a| a.name == "_FillValue") else {
        return Ok(Fill { integer, float, is_declared: false });
    };
    let fill = |integer: i128, float: f64| Ok(Fill { integer, float, is_declared: true });
    macro_rules! integer {
        ($values:expr) => {
            match $values.as_slice() {
                [one] => fill(i128::from(*one), 0.0),
                _ => Err(wrong("is not one value")),
            }
        };
    }
    macro_rules! float {
        ($values:expr) => {
            match $values.as_slice() {
                [one] => fill(0, f64::from(*one)),
                _ => Err(wrong("is not one value")),
            }
        };
    }
    match (variable.storage, &declared.value) {
        (Storage::Byte, Value::Byte(v)) => integer!(v),
        (Storage::UByte, Value::UByte(v)) => integer!(v),
        (Storage::Short, Value::Short(v)) => integer!(v),
        (Storage::UShort, Value::UShort(v)) => integer!(v),
        (Storage::Int, Value::Int(v)) => integer!(v),
        (Storage::UInt, Value::UInt(v)) => integer!(v),
        (Storage::Int64, Value::Int64(v)) => integer!(v),
        (Storage::UInt64, Value::UInt64(v)) => integer!(v),
        (Storage::Float, Value::Float(v)) => float!(v),
        (Storage::Double, Value::Double(v)) => float!(v),
        (Storage::String | Storage::Char(_), _) => Err(wrong("has no use: a missing text is an empty one")),
        _ => Err(wrong("is not of the variable's type")),
    }
}

/// The unit that times are counted in: as declared, else seconds since 1970, or
/// days of days, which are then declared.
fn time_units(variable: &mut Variable, t: &DataType) -> Result<TimeUnits, WriteError> {
    let text = |name: &str| {
        variable.attributes.iter().find(|a| a.name == name).map(|a| match &a.value {
            Value::Text(text) => text.clone(),
            other => format!("{other:?}"),
        })
    };
    let (units, calendar) = (text("units"), text("calendar"));
    let Some(units) = units else {
        let units = if *t == DataType::Date32 { "days since 1970-01-01" } else { "seconds since 1970-01-01" };
        variable.attributes.push(Attribute::new("units", units));
        if calendar.is_none() {
            variable.attributes.push(Attribute::new("calendar", "standard"));
        }
        return time_units(variable, t);
    };
    TimeUnits::parse(&units, calendar.as_deref()).filter(TimeUnits::is_instant).ok_or_else(|| {
        WriteError::Declaration(format!(
            "`{}` holds times, and its units are {units:?}; write `seconds since 1970-01-01`, in a calendar of the world",
            variable.name
        ))
    })
}

/// A cast in which values that do not fit become null.
fn cast(array: &ArrayRef, to: &DataType, variable: &Variable) -> Result<ArrayRef, WriteError> {
    if array.data_type() == to {
        return Ok(array.clone());
    }
    cast_with_options(array, to, &CastOptions { safe: true, ..Default::default() }).map_err(|_| {
        WriteError::Declaration(format!(
            "`{}` cannot be stored as {:?}: its column has the type {}",
            variable.name,
            variable.storage,
            array.data_type()
        ))
    })
}

/// The values of lists, as many in each as its dimension has steps; those of a
/// missing list are missing.
pub(super) fn leaves(
    variable: &str,
    array: &ArrayRef,
    sizes: &[u64],
    first_row: u64,
) -> Result<ArrayRef, WriteError> {
    let wrong = |why: String| WriteError::Declaration(format!("`{variable}` {why}"));
    let mut array = array.clone();
    let mut width = 1u64;
    for size in sizes {
        let element = match array.data_type() {
            DataType::List(f) | DataType::LargeList(f) | DataType::FixedSizeList(f, _) => f.clone(),
            other => {
                return Err(wrong(format!(
                    "has more dimensions than its column, of type {other}, has lists"
                )));
            }
        };
        let lists = cast_with_options(&array, &DataType::LargeList(element), &CastOptions::default())
            .map_err(|e| wrong(format!("has lists that cannot be read: {e}")))?;
        let lists = lists.as_list::<i64>();
        let mut places: Vec<Option<u64>> = Vec::with_capacity(lists.len());
        for (at, ends) in lists.offsets().windows(2).enumerate() {
            let (from, to) = (ends[0] as u64, ends[1] as u64);
            if lists.is_null(at) {
                places.extend((0..*size).map(|_| None));
            } else if to - from == *size {
                places.extend((from..to).map(Some));
            } else {
                return Err(WriteError::Value {
                    variable: variable.to_string(),
                    row: first_row + at as u64 / width + 1,
                    why: format!("a list of {} where its dimension has {size}", to - from),
                });
            }
        }
        array = take(lists.values(), &UInt64Array::from(places), None)
            .map_err(|e| wrong(format!("has lists that cannot be read: {e}")))?;
        width *= size;
    }
    match array.data_type() {
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => {
            Err(wrong("has fewer dimensions than its column has lists".into()))
        }
        _ => Ok(array),
    }
}
