//! Values in one unit become values in another.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Field, Float64Type};
use lakegate_domain::Code;
use lakegate_domain::units::Conversion;

use super::{Parser, Target};
use crate::{Error, Result};

/// The type in which values of a column are computed: double precision, in
/// lists where the column holds lists.
fn computed_in(t: &DataType) -> DataType {
    match t {
        DataType::List(f) => {
            DataType::List(Arc::new(Field::new(f.name(), computed_in(f.data_type()), f.is_nullable())))
        }
        _ => DataType::Float64,
    }
}

/// The type of a measured column whose type nobody declared, for the type of
/// its input: an integer in another unit is seldom one.
pub(super) fn type_of_measured(t: &DataType) -> DataType {
    match t {
        DataType::List(f) => {
            DataType::List(Arc::new(Field::new(f.name(), type_of_measured(f.data_type()), f.is_nullable())))
        }
        DataType::Float32 => DataType::Float32,
        _ => DataType::Float64,
    }
}

/// The type into which a column is first brought, and the conversion of what is
/// then in it. One that changes nothing is none: the values stay what they are.
pub(crate) fn first_step(target: &Target) -> (DataType, Option<Conversion>) {
    match target.spec.conversion.filter(|c| !c.is_identity()) {
        Some(conversion) => (computed_in(&target.data_type), Some(conversion)),
        None => (target.data_type.clone(), None),
    }
}

/// Converts values that are in the type of [`first_step`] and brings them into
/// the column's own. Marks in `misfits` the rows whose value has none there.
pub(crate) fn second_step(
    parser: &Parser,
    conversion: Conversion,
    array: &ArrayRef,
    to: &DataType,
    misfits: &mut [bool],
) -> Result<ArrayRef> {
    let converted = converted(conversion, array, misfits)?;
    parser.adapt(&converted, to, misfits)
}

fn converted(conversion: Conversion, array: &ArrayRef, misfits: &mut [bool]) -> Result<ArrayRef> {
    if let Some(list) = array.as_list_opt::<i32>() {
        let (DataType::List(element), offsets) = (list.data_type(), list.offsets()) else {
            return Err(Error::new(Code::Bug, format!("a list of type {}", list.data_type())));
        };
        let mut inner = vec![false; list.values().len()];
        let values = converted(conversion, list.values(), &mut inner)?;
        for (row, ends) in offsets.windows(2).enumerate() {
            misfits[row] |= list.is_valid(row) && inner[ends[0] as usize..ends[1] as usize].contains(&true);
        }
        let made = ListArray::try_new(element.clone(), offsets.clone(), values, list.nulls().cloned());
        return Ok(Arc::new(made.map_err(|e| Error::new(Code::Bug, e.to_string()))?));
    }
    let Some(values) = array.as_primitive_opt::<Float64Type>() else {
        return Err(Error::new(Code::Bug, format!("values of type {} have no unit", array.data_type())));
    };
    let made: Float64Array = values.unary(|v| conversion.apply(v));
    for (row, misfit) in misfits.iter_mut().enumerate() {
        // What became infinite had a place in the old unit alone.
        *misfit |= values.is_valid(row) && values.value(row).is_finite() && !made.value(row).is_finite();
    }
    Ok(Arc::new(made))
}
