//! Text as values of a column's type: what CSV, JSON and typed files with other
//! types than the table's go through alike.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::DataType;

use super::{Plan, Target};
use crate::time::{TimeFormat, Zone};
use crate::typed_conform::nested_from_json;
use crate::{Result, value};

/// How one column's text is understood.
pub(crate) struct Parser {
    /// Declared columns are converted leniently (`007` is 7 where the user said
    /// `int`), inferred ones only where nothing is lost.
    declared: bool,
    pub format: TimeFormat,
    pub zone: Zone,
}

/// Whether blank text is a value of the type, rather than a missing one.
pub(crate) fn takes_blanks(to: &DataType) -> bool {
    matches!(to, DataType::Utf8 | DataType::Binary)
}

impl Parser {
    pub fn new(plan: &Plan, target: &Target) -> Self {
        Self {
            declared: target.declared,
            format: TimeFormat::new(target.spec.format.as_deref()),
            zone: Zone::new(target.spec.timezone.as_deref().unwrap_or(&plan.timezone)),
        }
    }

    /// Builds a column of type `to`. A text that is no value of it becomes null
    /// and is told to `misfit` by its place.
    pub fn column<'t>(
        &self,
        to: &DataType,
        n: usize,
        texts: impl Iterator<Item = Option<Cow<'t, str>>>,
        mut misfit: impl FnMut(usize) -> Result<()>,
    ) -> Result<ArrayRef> {
        // One loop per type: the type is decided once per column, not per value.
        macro_rules! build {
            ($builder:expr, $parse:expr) => {{
                let parse = $parse;
                let mut b = $builder;
                for (row, text) in texts.enumerate() {
                    match text {
                        None => b.append_null(),
                        Some(t) => match parse(&t) {
                            Some(v) => b.append_value(v),
                            None => {
                                misfit(row)?;
                                b.append_null()
                            }
                        },
                    }
                }
                Arc::new(b.finish()) as ArrayRef
            }};
        }
        let exact = |t: &str| self.declared || value::is_canonical_number(value::trimmed(t));
        // A word such as `NaN` or `inf` has one spelling.
        let exact_float = |t: &str| exact(t) || value::trimmed(t).starts_with(char::is_alphabetic);
        macro_rules! integers {
            ($builder:ty, $int:ty) => {
                build!(<$builder>::with_capacity(n), |t: &str| exact(t)
                    .then(|| value::int(t))
                    .flatten()
                    .and_then(|v| <$int>::try_from(v).ok()))
            };
        }
        Ok(match to {
            DataType::Int64 => integers!(Int64Builder, i64),
            DataType::Int32 => integers!(Int32Builder, i32),
            DataType::Int16 => integers!(Int16Builder, i16),
            DataType::Int8 => integers!(Int8Builder, i8),
            DataType::Float64 => build!(Float64Builder::with_capacity(n), |t: &str| exact_float(t)
                .then(|| value::float(t))
                .flatten()),
            DataType::Float32 => build!(Float32Builder::with_capacity(n), |t: &str| exact_float(t)
                .then(|| value::float32(t))
                .flatten()),
            DataType::Decimal128(p, s) => {
                build!(Decimal128Builder::with_capacity(n).with_data_type(to.clone()), |t: &str| exact(t)
                    .then(|| value::decimal(t, *p, *s))
                    .flatten())
            }
            DataType::Boolean => {
                build!(BooleanBuilder::with_capacity(n), |t: &str| value::boolean(t, self.declared))
            }
            DataType::Date32 => build!(Date32Builder::with_capacity(n), |t: &str| self.format.parse_days(t)),
            DataType::Timestamp(..) => {
                build!(TimestampMicrosecondBuilder::with_capacity(n).with_data_type(to.clone()), |t: &str| {
                    self.format.parse_instant(t, &self.zone)
                })
            }
            DataType::Binary => {
                let mut b = BinaryBuilder::with_capacity(n, n * 16);
                for text in texts {
                    b.append_option(text.as_ref().map(|t| t.as_bytes()));
                }
                Arc::new(b.finish())
            }
            DataType::Utf8 => {
                let mut b = StringBuilder::with_capacity(n, n * 12);
                for text in texts {
                    b.append_option(text);
                }
                Arc::new(b.finish())
            }
            // A nested type, from a table that typed files made: the text is JSON.
            other => nested_from_json(&texts.collect::<StringArray>(), other, misfit)?,
        })
    }
}
