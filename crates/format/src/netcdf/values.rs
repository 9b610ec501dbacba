//! Stored values to columns, by the conventions: missing values, packed and
//! unsigned numbers, times, texts (CF 1.11, sections 2.5, 4.4 and 8.1; netCDF
//! User's Guide, appendix A).

use std::ops::Range;
use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::*;
use lakegate_domain::Code;
use lakegate_domain::model::{Mask, Netcdf, Times};
use netcdf_reader::{NcEnumMember, NcType};

use super::attributes::Attributes;
use super::calendar::{Number, TimeUnits};
use super::element::{decoded, without_end};
use super::layout::Variable;
use crate::error::{Error, Result};

/// Values as they are stored, in the order of the rows.
pub(super) enum Values {
    I8(Vec<i8>),
    U8(Vec<u8>),
    I16(Vec<i16>),
    U16(Vec<u16>),
    I32(Vec<i32>),
    U32(Vec<u32>),
    I64(Vec<i64>),
    U64(Vec<u64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Letters(Vec<u8>),
    Enum(Vec<i128>),
    Text(Vec<String>),
}

/// What the stored values of one variable mean.
pub(super) struct Meaning {
    shape: Shape,
    mask: Option<Masked>,
    /// Whether signed integers are unsigned ones, or the other way round.
    unsigned: Option<bool>,
    packed: Option<Packed>,
    /// For messages.
    name: String,
}

enum Shape {
    Number,
    Truth,
    Time(TimeUnits),
    /// Letters of one text, or one letter each.
    Letters(usize),
    Text,
    Enum(Vec<(i128, String)>),
    /// An enumeration of `FALSE` and `TRUE`.
    EnumTruth,
}

/// Which values are missing ones.
#[derive(Clone, Default)]
struct Masked {
    fills: Vec<Number>,
    fill_text: Option<String>,
    /// Of packed values, unless `range_is_unpacked`.
    low: Option<Number>,
    high: Option<Number>,
    range_is_unpacked: bool,
}

#[derive(Clone, Copy)]
struct Packed {
    scale: f64,
    offset: f64,
    is_single: bool,
}

impl Meaning {
    /// `letters`: length of the texts that a character array holds.
    pub fn of(variable: &Variable, letters: Option<u64>, options: &Netcdf) -> Result<Self> {
        let attributes = Attributes::of(variable.nc);
        let kind = &variable.nc.dtype;
        let is_number = kind.is_primitive() && !matches!(kind, NcType::Char | NcType::String);
        let unsigned = attributes.unsigned().filter(|to| match kind {
            NcType::Byte | NcType::Short | NcType::Int | NcType::Int64 => *to,
            NcType::UByte | NcType::UShort | NcType::UInt | NcType::UInt64 => !*to,
            _ => false,
        });
        let packed = packed(attributes, kind).filter(|_| is_number);
        let shape = match kind {
            NcType::Char => Shape::Letters(match letters {
                Some(n) => usize::try_from(n).unwrap_or(usize::MAX),
                None => 1,
            }),
            NcType::String => Shape::Text,
            NcType::Enum { members, .. } => enumeration(members),
            // How xarray keeps truth values.
            NcType::Byte if attributes.text("dtype").as_deref() == Some("bool") => Shape::Truth,
            _ => match variable.time_units() {
                Some(units) if options.times == Times::Utc && is_number => Shape::Time(units),
                _ => Shape::Number,
            },
        };
        let mask = (options.mask != Mask::None).then(|| Masked::of(attributes, kind, packed, options.mask));
        Ok(Self { shape, mask, unsigned, packed, name: variable.name.clone() })
    }

    /// Whether it is a time with a place in UTC.
    pub fn is_instant(&self) -> bool {
        matches!(&self.shape, Shape::Time(units) if units.is_instant())
    }

    /// The type of one value.
    pub fn data_type(&self, kind: &NcType) -> DataType {
        match (&self.shape, self.packed) {
            (Shape::Truth | Shape::EnumTruth, _) => DataType::Boolean,
            (Shape::Time(units), _) if units.is_instant() => instant_type(),
            (Shape::Time(_) | Shape::Letters(_) | Shape::Text | Shape::Enum(_), _) => DataType::Utf8,
            (Shape::Number, Some(Packed { is_single: true, .. })) => DataType::Float32,
            (Shape::Number, Some(_)) => DataType::Float64,
            (Shape::Number, None) => match (kind, self.unsigned) {
                (NcType::Byte, None) | (NcType::UByte, Some(_)) => DataType::Int8,
                (NcType::UByte, None) | (NcType::Byte, Some(_)) => DataType::UInt8,
                (NcType::Short, None) | (NcType::UShort, Some(_)) => DataType::Int16,
                (NcType::UShort, None) | (NcType::Short, Some(_)) => DataType::UInt16,
                (NcType::Int, None) | (NcType::UInt, Some(_)) => DataType::Int32,
                (NcType::UInt, None) | (NcType::Int, Some(_)) => DataType::UInt32,
                (NcType::Int64, None) | (NcType::UInt64, Some(_)) => DataType::Int64,
                (NcType::UInt64, None) | (NcType::Int64, Some(_)) => DataType::UInt64,
                (NcType::Float, _) => DataType::Float32,
                _ => DataType::Float64,
            },
        }
    }

    /// A range of the values, which are counted as texts where letters make
    /// texts. `kind` is the stored type.
    ///
    /// Errors: LG302 for a time that no timestamp holds.
    pub fn elements(&self, values: &Values, range: Range<usize>, kind: &NcType) -> Result<ArrayRef> {
        if range.is_empty() {
            return Ok(new_empty_array(&self.data_type(kind)));
        }
        macro_rules! numbers {
            ($values:expr) => {
                self.numbers($values.get(range).unwrap_or_default())
            };
        }
        macro_rules! turned {
            ($values:expr, $to:ty) => {{
                let part = $values.get(range).unwrap_or_default();
                match self.unsigned {
                    Some(_) => self.numbers(&part.iter().map(|v| *v as $to).collect::<Vec<_>>()),
                    None => self.numbers(part),
                }
            }};
        }
        match values {
            Values::I8(v) => turned!(v, u8),
            Values::U8(v) => turned!(v, i8),
            Values::I16(v) => turned!(v, u16),
            Values::U16(v) => turned!(v, i16),
            Values::I32(v) => turned!(v, u32),
            Values::U32(v) => turned!(v, i32),
            Values::I64(v) => turned!(v, u64),
            Values::U64(v) => turned!(v, i64),
            Values::F32(v) => numbers!(v),
            Values::F64(v) => numbers!(v),
            Values::Letters(v) => self.letters(v, range),
            Values::Text(v) => self.texts(v.get(range).unwrap_or_default().iter().map(String::as_str)),
            Values::Enum(v) => self.members(v.get(range).unwrap_or_default()),
        }
    }

    fn numbers<T: Element>(&self, values: &[T]) -> Result<ArrayRef> {
        let missing = self.missing(values);
        let nulls = || missing.clone().map(|m| NullBuffer::new(!&m));
        let is_missing = |at: usize| missing.as_ref().is_some_and(|m| m.value(at));
        let number = |at: usize| match self.packed {
            Some(packed) => Number::Float(packed.unpack(values[at].float())),
            None => values[at].number(),
        };
        match (&self.shape, self.packed) {
            (Shape::Truth, _) => {
                let truths = BooleanBuffer::collect_bool(values.len(), |at| values[at].float() != 0.0);
                Ok(Arc::new(BooleanArray::new(truths, nulls())))
            }
            (Shape::Time(units), _) if units.is_instant() => {
                let instant = |at: usize| match is_missing(at) || values[at].float().is_nan() {
                    true => Ok(None),
                    false => units.instant(number(at)).map(Some).ok_or_else(|| self.no_time(number(at))),
                };
                let instants =
                    (0..values.len()).map(instant).collect::<Result<TimestampMicrosecondArray>>()?;
                Ok(Arc::new(instants.with_timezone("UTC")))
            }
            (Shape::Time(units), _) => {
                let label = |at: usize| match is_missing(at) || values[at].float().is_nan() {
                    true => Ok(None),
                    false => units.label(number(at)).map(Some).ok_or_else(|| self.no_time(number(at))),
                };
                Ok(Arc::new((0..values.len()).map(label).collect::<Result<StringArray>>()?))
            }
            (_, Some(packed)) if packed.is_single => {
                // As xarray and netCDF4 count: in 32 bits throughout.
                let (scale, offset) = (packed.scale as f32, packed.offset as f32);
                let floats = values.iter().map(|v| v.float() as f32 * scale + offset).collect();
                Ok(Arc::new(Float32Array::new(floats, nulls())))
            }
            (_, Some(packed)) => {
                let floats = values.iter().map(|v| packed.unpack(v.float())).collect();
                Ok(Arc::new(Float64Array::new(floats, nulls())))
            }
            (_, None) => Ok(Arc::new(PrimitiveArray::<T::Arrow>::new(values.to_vec().into(), nulls()))),
        }
    }

    /// Which values are missing; `None` where none is.
    fn missing<T: Element>(&self, values: &[T]) -> Option<BooleanBuffer> {
        let mask = self.mask.as_ref()?;
        let turned = |n: &Number| T::from_number(*n, self.unsigned.is_some());
        let fills: Vec<T> = mask.fills.iter().filter_map(turned).collect();
        let bound = |n: Option<Number>| match n? {
            Number::Int(_) if self.unsigned.is_some() => n.as_ref().and_then(turned).map(T::float),
            Number::Int(n) => Some(n as f64),
            Number::Float(f) => Some(f),
        };
        let (low, high) = (bound(mask.low), bound(mask.high));
        let is_outside = |v: T| {
            let f = match self.packed {
                Some(packed) if mask.range_is_unpacked => packed.unpack(v.float()),
                _ => v.float(),
            };
            low.is_some_and(|low| f < low) || high.is_some_and(|high| f > high)
        };
        let has_range = low.is_some() || high.is_some();
        let missing = BooleanBuffer::collect_bool(values.len(), |at| {
            let v = values[at];
            v.float().is_nan() || fills.contains(&v) || has_range && is_outside(v)
        });
        (missing.count_set_bits() > 0).then_some(missing)
    }

    fn no_time(&self, number: Number) -> Error {
        let shown = match number {
            Number::Int(n) => n.to_string(),
            Number::Float(f) => format!("{f:e}"),
        };
        Error::new(
            Code::DoesNotFit,
            format!(
                "the variable `{}` holds {shown}, a time beyond the years -9999 to 9999; \
                 `read: {{ netcdf: {{ times: numbers }} }}` keeps times as numbers",
                self.name
            ),
        )
    }

    fn letters(&self, letters: &[u8], range: Range<usize>) -> Result<ArrayRef> {
        let Shape::Letters(length) = self.shape else { return self.texts(std::iter::empty()) };
        let fill = self.mask.as_ref().and_then(|m| m.fill_text.as_deref());
        let is_fill =
            |bytes: &&[u8]| fill.is_some_and(|f| matches!(f.as_bytes(), [f] if bytes.iter().all(|b| b == f)));
        let texts: Vec<String> = range
            .map(|at| letters.get(at * length..(at + 1) * length).unwrap_or_default())
            // What was never written, letter by letter.
            .map(|bytes| if is_fill(&bytes) { &[] } else { bytes })
            .map(|bytes| decoded(without_end(bytes, 0)))
            .collect();
        self.texts(texts.iter().map(String::as_str))
    }

    fn texts<'t>(&self, texts: impl Iterator<Item = &'t str> + Clone) -> Result<ArrayRef> {
        within_offsets(&self.name, texts.clone().map(str::len))?;
        let missing = |text: &str| match &self.mask {
            Some(mask) => text.is_empty() || mask.fill_text.as_deref() == Some(text),
            None => false,
        };
        Ok(Arc::new(texts.map(|t| (!missing(t)).then_some(t)).collect::<StringArray>()))
    }

    fn members(&self, values: &[i128]) -> Result<ArrayRef> {
        let Shape::Enum(members) = &self.shape else {
            let truths = values.iter().map(|v| Some(*v != 0));
            return Ok(Arc::new(truths.collect::<BooleanArray>()));
        };
        // A value that its type does not name is kept as a number.
        let name = |value: &i128| match members.iter().find(|(v, _)| v == value) {
            Some((_, name)) => name.clone(),
            None => value.to_string(),
        };
        let fills: Vec<i128> = self.mask.iter().flat_map(|m| &m.fills).filter_map(|n| whole(*n)).collect();
        let texts = values.iter().map(|v| (!fills.contains(v)).then(|| name(v)));
        Ok(Arc::new(texts.collect::<StringArray>()))
    }
}

pub(super) fn instant_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Text of one batch is addressed by 31 bits.
pub(super) fn within_offsets(name: &str, lengths: impl Iterator<Item = usize>) -> Result<()> {
    let total = lengths.fold(0usize, usize::saturating_add);
    if i32::try_from(total).is_ok() {
        return Ok(());
    }
    let message =
        format!("the texts of the variable `{name}` are too long to be read: {total} bytes in one batch");
    Err(Error::new(Code::RecordTooLong, message))
}

fn enumeration(members: &[NcEnumMember]) -> Shape {
    let named: Vec<(i128, String)> =
        members.iter().filter_map(|m| Some((m.value.as_i128()?, m.name.clone()))).collect();
    // How h5py and h5netcdf keep truth values.
    let is = |value: i128, word: &str| named.iter().any(|(v, n)| *v == value && n.eq_ignore_ascii_case(word));
    match named.len() == 2 && is(0, "FALSE") && is(1, "TRUE") {
        true => Shape::EnumTruth,
        false => Shape::Enum(named),
    }
}

/// Packed values are floats of the type that the attributes have, except that
/// 32-bit integers do not fit into 32-bit floats.
fn packed(attributes: Attributes, kind: &NcType) -> Option<Packed> {
    let (scale, offset) = (attributes.number("scale_factor"), attributes.number("add_offset"));
    if !attributes.is_packed() {
        return None;
    }
    let single = |name: &str| attributes.is_single(name).unwrap_or(true);
    let is_narrow =
        matches!(kind, NcType::Byte | NcType::UByte | NcType::Short | NcType::UShort | NcType::Float);
    Some(Packed {
        scale: scale.unwrap_or(1.0),
        offset: offset.unwrap_or(0.0),
        is_single: is_narrow && single("scale_factor") && single("add_offset"),
    })
}

impl Packed {
    fn unpack(self, stored: f64) -> f64 {
        stored * self.scale + self.offset
    }
}

impl Masked {
    fn of(attributes: Attributes, kind: &NcType, packed: Option<Packed>, mask: Mask) -> Self {
        let mut fills = attributes.numbers("_FillValue");
        if fills.is_empty() {
            fills.extend(never_written(kind));
        }
        fills.extend(attributes.numbers("missing_value"));
        let fill_text = attributes.text("_FillValue").or_else(|| attributes.text("missing_value"));
        let mut masked = Self { fills, fill_text, ..Self::default() };
        if mask == Mask::ValidRange {
            let (low, high) = match attributes.numbers("valid_range").as_slice() {
                [low, high] => (Some(*low), Some(*high)),
                _ => (
                    attributes.numbers("valid_min").first().copied(),
                    attributes.numbers("valid_max").first().copied(),
                ),
            };
            // A range given in floats for packed integers is meant of the values
            // that they stand for.
            let is_float = [low, high].iter().flatten().any(|n| matches!(n, Number::Float(_)));
            let is_integer = !matches!(kind, NcType::Float | NcType::Double);
            masked.range_is_unpacked = packed.is_some() && is_integer && is_float;
            (masked.low, masked.high) = (low, high);
        }
        masked
    }
}

/// What the library writes where nothing was written. Not of bytes: all their
/// values are in use.
fn never_written(kind: &NcType) -> Option<Number> {
    Some(match kind {
        NcType::Short => Number::Int(-32_767),
        NcType::UShort => Number::Int(65_535),
        NcType::Int => Number::Int(-2_147_483_647),
        NcType::UInt => Number::Int(4_294_967_295),
        NcType::Int64 => Number::Int(-9_223_372_036_854_775_806),
        NcType::UInt64 => Number::Int(18_446_744_073_709_551_614),
        // The next `f32` and `f64` to it, which are two numbers.
        NcType::Float => Number::Float(f64::from(9.969_21e36_f32)),
        NcType::Double => Number::Float(9.969_209_968_386_869e36),
        _ => return None,
    })
}

/// The integer that a number is.
fn whole(number: Number) -> Option<i128> {
    match number {
        Number::Int(n) => Some(n),
        Number::Float(f) => (f.fract() == 0.0 && f.abs() < 1e30).then_some(f as i128),
    }
}

/// A number type of the file.
trait Element: ArrowNativeType {
    type Arrow: ArrowPrimitiveType<Native = Self>;

    fn float(self) -> f64;
    fn number(self) -> Number;
    /// The value that an attribute means; `wraps`: its sign is that of the
    /// stored type, which `_Unsigned` turns.
    fn from_number(number: Number, wraps: bool) -> Option<Self>;
}

macro_rules! integers {
    ($($ty:ty: $arrow:ty;)*) => {$(
        impl Element for $ty {
            type Arrow = $arrow;

            fn float(self) -> f64 {
                self as f64
            }

            fn number(self) -> Number {
                Number::Int(self.into())
            }

            fn from_number(number: Number, wraps: bool) -> Option<Self> {
                let n = whole(number)?;
                match wraps {
                    true => Some(n as $ty),
                    false => <$ty>::try_from(n).ok(),
                }
            }
        }
    )*};
}

integers! {
    i8: Int8Type;
    u8: UInt8Type;
    i16: Int16Type;
    u16: UInt16Type;
    i32: Int32Type;
    u32: UInt32Type;
    i64: Int64Type;
    u64: UInt64Type;
}

macro_rules! floats {
    ($($ty:ty: $arrow:ty;)*) => {$(
        impl Element for $ty {
            type Arrow = $arrow;

            fn float(self) -> f64 {
                self.into()
            }

            fn number(self) -> Number {
                Number::Float(self.into())
            }

            fn from_number(number: Number, _: bool) -> Option<Self> {
                Some(match number {
                    Number::Int(n) => n as $ty,
                    Number::Float(f) => f as $ty,
                })
            }
        }
    )*};
}

floats! {
    f32: Float32Type;
    f64: Float64Type;
}
