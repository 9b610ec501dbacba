//! Typed comparison of column values with literals of the configuration.
//!
//! A column is compared in its own type: bounds and set members are converted
//! once, at compile time, so that nothing is rounded row by row. This module
//! knows neither expectations nor what follows a failure.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int64Type, TimeUnit,
    TimestampMicrosecondType,
};
use arrow::error::ArrowError;
use lakegate_domain::model::Scalar;
use lakegate_format::time::{parse_date, parse_iso};

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// How the values of a column compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Bool,
    Int,
    Float32,
    Float,
    /// Its scale.
    Decimal(u8, i8),
    Date,
    /// Microseconds since the epoch; a naive time counts as UTC.
    Time,
    Text,
}

impl Class {
    /// The class of a type; `None` for binary and nested types, which compare
    /// with no literal.
    pub(super) fn of(data_type: &DataType) -> Option<Class> {
        Some(match data_type {
            DataType::Boolean => Class::Bool,
            DataType::UInt64 => Class::Decimal(20, 0),
            t if t.is_integer() => Class::Int,
            DataType::Float16 | DataType::Float32 => Class::Float32,
            DataType::Float64 => Class::Float,
            DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) if *s >= 0 => {
                Class::Decimal(*p, *s)
            }
            DataType::Date32 | DataType::Date64 => Class::Date,
            DataType::Timestamp(..) => Class::Time,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Class::Text,
            DataType::Dictionary(_, values) => return Class::of(values),
            _ => return None,
        })
    }

    /// The type in which its values are compared.
    fn canonical(self) -> DataType {
        match self {
            Class::Bool => DataType::Boolean,
            Class::Int => DataType::Int64,
            Class::Float32 => DataType::Float32,
            Class::Float => DataType::Float64,
            Class::Decimal(p, s) => DataType::Decimal128(p, s),
            Class::Date => DataType::Date32,
            Class::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Class::Text => DataType::Utf8,
        }
    }

    /// The values of a column of this class in the type they compare in.
    pub(super) fn view(self, array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
        let to = self.canonical();
        if array.data_type() == &to {
            return Ok(array.clone());
        }
        cast_with_options(array, &to, &CastOptions { safe: true, ..Default::default() })
    }

    fn noun(self) -> &'static str {
        match self {
            Class::Bool => "true or false",
            Class::Int | Class::Float32 | Class::Float | Class::Decimal(..) => "a number",
            Class::Date => "a date such as 2026-01-31",
            Class::Time => "a time such as 2026-01-31T08:00:00Z",
            Class::Text => "text",
        }
    }

    fn refuse(self, literal: &Scalar) -> String {
        format!("`{literal}` is not {}", self.noun())
    }
}

/// Inclusive bounds in a column's own type.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Range {
    /// Integers, days or microseconds, by the class.
    Whole(i64, i64),
    Decimal(i128, i128),
    Float32(f32, f32),
    Float(f64, f64),
    Text(Option<String>, Option<String>),
}

impl Range {
    /// Converts bounds to a class. A bound between two values of the class
    /// moves inwards: integers from 1.5 are integers from 2.
    pub(super) fn new(class: Class, min: Option<&Scalar>, max: Option<&Scalar>) -> Result<Range, String> {
        Ok(match class {
            Class::Bool => return Err("true and false have no range".into()),
            Class::Text => {
                // Text is ordered as text: a number here would compare as digits.
                let text = |s: Option<&Scalar>| match s {
                    None => Ok(None),
                    Some(Scalar::Text(t)) => Ok(Some(t.clone())),
                    Some(other) => {
                        Err(format!("`{other}` is not text; quote it, or give the column a number type"))
                    }
                };
                Range::Text(text(min)?, text(max)?)
            }
            Class::Float => Range::Float(
                float(class, min)?.unwrap_or(f64::NEG_INFINITY),
                float(class, max)?.unwrap_or(f64::INFINITY),
            ),
            Class::Float32 => Range::Float32(
                float(class, min)?.map_or(f32::NEG_INFINITY, |v| v as f32),
                float(class, max)?.map_or(f32::INFINITY, |v| v as f32),
            ),
            Class::Int => {
                let (min, max) = scaled_bounds(class, 0, min, max)?;
                whole(min, max)
            }
            Class::Decimal(_, scale) => {
                let (min, max) = scaled_bounds(class, scale as u32, min, max)?;
                Range::Decimal(min, max)
            }
            Class::Date => {
                let days = |s: Option<&Scalar>, round: fn(i64) -> i64| {
                    s.map(|s| micros(class, s).map(round).map(i128::from)).transpose()
                };
                whole(
                    days(min, |us| {
                        us.div_euclid(MICROS_PER_DAY) + i64::from(us.rem_euclid(MICROS_PER_DAY) != 0)
                    })?
                    .unwrap_or(i128::MIN),
                    days(max, |us| us.div_euclid(MICROS_PER_DAY))?.unwrap_or(i128::MAX),
                )
            }
            Class::Time => {
                let instant = |s: Option<&Scalar>| s.map(|s| micros(class, s).map(i128::from)).transpose();
                whole(instant(min)?.unwrap_or(i128::MIN), instant(max)?.unwrap_or(i128::MAX))
            }
        })
    }

    /// Whether each value lies within; NULL where it is null. NaN lies nowhere.
    pub(super) fn holds(&self, class: Class, array: &ArrayRef) -> Result<BooleanArray, ArrowError> {
        let a = class.view(array)?;
        Ok(match self {
            Range::Whole(min, max) => match class {
                Class::Date => {
                    let within = |v: i32| i64::from(v) >= *min && i64::from(v) <= *max;
                    BooleanArray::from_unary(a.as_primitive::<Date32Type>(), within)
                }
                Class::Time => BooleanArray::from_unary(a.as_primitive::<TimestampMicrosecondType>(), |v| {
                    v >= *min && v <= *max
                }),
                _ => BooleanArray::from_unary(a.as_primitive::<Int64Type>(), |v| v >= *min && v <= *max),
            },
            Range::Decimal(min, max) => {
                BooleanArray::from_unary(a.as_primitive::<Decimal128Type>(), |v| v >= *min && v <= *max)
            }
            Range::Float32(min, max) => {
                BooleanArray::from_unary(a.as_primitive::<Float32Type>(), |v| v >= *min && v <= *max)
            }
            Range::Float(min, max) => {
                BooleanArray::from_unary(a.as_primitive::<Float64Type>(), |v| v >= *min && v <= *max)
            }
            Range::Text(min, max) => BooleanArray::from_unary(a.as_string::<i32>(), |v: &str| {
                min.as_deref().is_none_or(|m| v >= m) && max.as_deref().is_none_or(|m| v <= m)
            }),
        })
    }
}

/// `i64` bounds; a range that no `i64` lies in becomes an empty one.
fn whole(min: i128, max: i128) -> Range {
    let (lowest, highest) = (i128::from(i64::MIN), i128::from(i64::MAX));
    if min > max || min > highest || max < lowest {
        return Range::Whole(1, 0);
    }
    // Clamped into `i64` just now.
    Range::Whole(min.max(lowest) as i64, max.min(highest) as i64)
}

/// Values in a column's own type, sorted.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Set {
    Bool { has_true: bool, has_false: bool },
    Whole(Vec<i64>),
    Decimal(Vec<i128>),
    Float32(Vec<f32>),
    Float(Vec<f64>),
    Text(Vec<String>),
}

impl Set {
    /// Converts members to a class. Numbers compare as numbers: `1.0` is the
    /// integer 1, and `1.5` is no integer. In a set of texts a number or a
    /// boolean stands for its own spelling.
    pub(super) fn new(class: Class, members: &[Scalar]) -> Result<Set, String> {
        Ok(match class {
            Class::Bool => {
                let mut values = Vec::new();
                for m in members {
                    values.push(match m {
                        Scalar::Bool(v) => *v,
                        Scalar::Text(t) if t == "true" || t == "false" => t == "true",
                        other => return Err(class.refuse(other)),
                    });
                }
                Set::Bool { has_true: values.contains(&true), has_false: values.contains(&false) }
            }
            Class::Text => {
                let mut texts: Vec<String> = members.iter().map(ToString::to_string).collect();
                texts.sort_unstable();
                Set::Text(texts)
            }
            Class::Int => {
                let values = exact_members(class, 0, members)?;
                Set::Whole(values.into_iter().filter_map(|v| i64::try_from(v).ok()).collect())
            }
            Class::Decimal(_, scale) => Set::Decimal(exact_members(class, scale as u32, members)?),
            Class::Float | Class::Float32 => {
                let mut values = Vec::new();
                for m in members {
                    // Adding zero makes -0 the 0 that it equals.
                    values.extend(float(class, Some(m))?.map(|v| v + 0.0));
                }
                if class == Class::Float {
                    values.sort_unstable_by(f64::total_cmp);
                    Set::Float(values)
                } else {
                    let mut values: Vec<f32> = values.into_iter().map(|v| v as f32 + 0.0).collect();
                    values.sort_unstable_by(f32::total_cmp);
                    Set::Float32(values)
                }
            }
            Class::Date => {
                let mut days = Vec::new();
                for m in members {
                    let us = micros(class, m)?;
                    days.extend((us.rem_euclid(MICROS_PER_DAY) == 0).then(|| us.div_euclid(MICROS_PER_DAY)));
                }
                days.sort_unstable();
                Set::Whole(days)
            }
            Class::Time => {
                let mut times = members.iter().map(|m| micros(class, m)).collect::<Result<Vec<_>, _>>()?;
                times.sort_unstable();
                Set::Whole(times)
            }
        })
    }

    /// Whether each value is a member; NULL where it is null.
    pub(super) fn holds(&self, class: Class, array: &ArrayRef) -> Result<BooleanArray, ArrowError> {
        let a = class.view(array)?;
        Ok(match self {
            Set::Bool { has_true, has_false } => {
                BooleanArray::from_unary(a.as_boolean(), |v| if v { *has_true } else { *has_false })
            }
            Set::Whole(members) => match class {
                Class::Date => BooleanArray::from_unary(a.as_primitive::<Date32Type>(), |v| {
                    members.binary_search(&i64::from(v)).is_ok()
                }),
                Class::Time => BooleanArray::from_unary(a.as_primitive::<TimestampMicrosecondType>(), |v| {
                    members.binary_search(&v).is_ok()
                }),
                _ => BooleanArray::from_unary(a.as_primitive::<Int64Type>(), |v| {
                    members.binary_search(&v).is_ok()
                }),
            },
            Set::Decimal(members) => BooleanArray::from_unary(a.as_primitive::<Decimal128Type>(), |v| {
                members.binary_search(&v).is_ok()
            }),
            Set::Float32(members) => BooleanArray::from_unary(a.as_primitive::<Float32Type>(), |v| {
                members.binary_search_by(|m| m.total_cmp(&(v + 0.0))).is_ok()
            }),
            Set::Float(members) => BooleanArray::from_unary(a.as_primitive::<Float64Type>(), |v| {
                members.binary_search_by(|m| m.total_cmp(&(v + 0.0))).is_ok()
            }),
            Set::Text(members) => BooleanArray::from_unary(a.as_string::<i32>(), |v: &str| {
                members.binary_search_by(|m| m.as_str().cmp(v)).is_ok()
            }),
        })
    }
}

/// A bound or member as a float; NaN is no literal to compare with.
fn float(class: Class, literal: Option<&Scalar>) -> Result<Option<f64>, String> {
    let Some(literal) = literal else { return Ok(None) };
    let value = match literal {
        Scalar::Int(v) => *v as f64,
        Scalar::Float(v) => *v,
        Scalar::Text(t) => t.trim().parse().map_err(|_| class.refuse(literal))?,
        Scalar::Bool(_) => return Err(class.refuse(literal)),
    };
    if value.is_nan() { Err("NaN compares with nothing".into()) } else { Ok(Some(value)) }
}

/// A literal number in units of 10^-scale, rounded down, and whether that
/// changed it. Beyond `i128` it saturates.
fn scaled(class: Class, scale: u32, literal: &Scalar) -> Result<(i128, bool), String> {
    let text = match literal {
        Scalar::Int(v) => v.to_string(),
        Scalar::Float(v) if v.is_infinite() => {
            return Ok((if *v > 0.0 { i128::MAX } else { i128::MIN }, true));
        }
        // The shortest text that reads back as this float: the literal as it was written.
        Scalar::Float(v) if v.is_finite() => v.to_string(),
        Scalar::Text(t) => t.trim().to_string(),
        other => return Err(class.refuse(other)),
    };
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(&text)),
    };
    let (int, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if !plain(int) || !plain(fraction) || (int.is_empty() && fraction.is_empty()) {
        return Err(class.refuse(literal));
    }
    let scale = scale as usize;
    let (kept, cut) = fraction.split_at(fraction.len().min(scale));
    let inexact = cut.bytes().any(|b| b != b'0');
    let mut magnitude: i128 = 0;
    for digit in int.bytes().chain(kept.bytes()).chain(std::iter::repeat_n(b'0', scale - kept.len())) {
        let Some(next) = magnitude.checked_mul(10).and_then(|m| m.checked_add(i128::from(digit - b'0')))
        else {
            return Ok((if negative { i128::MIN } else { i128::MAX }, true));
        };
        magnitude = next;
    }
    Ok((if negative { -magnitude - i128::from(inexact) } else { magnitude }, inexact))
}

fn scaled_bounds(
    class: Class,
    scale: u32,
    min: Option<&Scalar>,
    max: Option<&Scalar>,
) -> Result<(i128, i128), String> {
    let min = match min {
        None => i128::MIN,
        Some(m) => {
            let (floor, inexact) = scaled(class, scale, m)?;
            // What saturated downwards bounds nothing and stays there.
            if inexact && floor != i128::MIN { floor.saturating_add(1) } else { floor }
        }
    };
    let max = match max {
        None => i128::MAX,
        Some(m) => scaled(class, scale, m)?.0,
    };
    Ok((min, max))
}

/// The members that are values of this scale, sorted; others equal nothing.
fn exact_members(class: Class, scale: u32, members: &[Scalar]) -> Result<Vec<i128>, String> {
    let mut values = Vec::with_capacity(members.len());
    for m in members {
        let (value, inexact) = scaled(class, scale, m)?;
        values.extend((!inexact).then_some(value));
    }
    values.sort_unstable();
    Ok(values)
}

/// A literal time in microseconds since the epoch: RFC 3339, a naive time
/// taken as UTC, or a date taken as its midnight in UTC.
fn micros(class: Class, literal: &Scalar) -> Result<i64, String> {
    let Scalar::Text(text) = literal else { return Err(class.refuse(literal)) };
    if let Some(days) = parse_date(text) {
        return Ok(i64::from(days) * MICROS_PER_DAY);
    }
    let written = parse_iso(text).ok_or_else(|| class.refuse(literal))?;
    let offset = i64::from(written.offset_s.unwrap_or(0)) * 1_000_000;
    Ok(i64::from(written.days) * MICROS_PER_DAY + written.micros_of_day - offset)
}
