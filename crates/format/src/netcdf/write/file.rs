//! Declared variables and their values to the bytes of a netCDF-4 file.

use netcdf_writer::{
    DimensionId, Error, NcAttrValue, NcFileBuilder, NcFillValueType, NcWriteFormat, NcWriteOptions,
    VariableId,
};

use super::stored::{Stored, Values};
use super::{Declared, Storage, Value, Variable, WriteError};

/// What a chunk of a variable aims for.
const CHUNK_BYTES: u64 = 1 << 20;

pub(super) fn encode(declared: &Declared, columns: &[Stored], n_rows: u64) -> Result<Vec<u8>, WriteError> {
    build(declared, columns, n_rows).map_err(|e| WriteError::Declaration(e.to_string()))
}

fn build(declared: &Declared, columns: &[Stored], n_rows: u64) -> Result<Vec<u8>, Error> {
    let mut file = NcFileBuilder::new();
    let mut dimensions: Vec<(&str, DimensionId, u64)> = Vec::new();
    let rows = match declared.unlimited {
        true => file.add_unlimited_dimension(&declared.rows)?,
        false => file.add_dimension(&declared.rows, n_rows)?,
    };
    dimensions.push((&declared.rows, rows, n_rows));
    for dimension in &declared.dimensions {
        let id = file.add_dimension(&dimension.name, dimension.size)?;
        dimensions.push((&dimension.name, id, dimension.size));
    }
    for attribute in &declared.attributes {
        file.add_attribute(&attribute.name, attribute_value(&attribute.value))?;
    }
    for (variable, stored) in declared.variables.iter().zip(columns) {
        let of_variable: Vec<(DimensionId, u64)> = variable
            .dimensions
            .iter()
            .filter_map(|name| dimensions.iter().find(|(n, ..)| n == name).map(|(_, id, size)| (*id, *size)))
            .collect();
        add(&mut file, variable, stored, of_variable, declared.compression)?;
    }
    file.to_vec(NcWriteOptions { format: NcWriteFormat::Nc4 }).map(|(_, bytes)| bytes)
}

fn add(
    file: &mut NcFileBuilder,
    variable: &Variable,
    stored: &Stored,
    mut dimensions: Vec<(DimensionId, u64)>,
    compression: u8,
) -> Result<(), Error> {
    if let Storage::Char(width) = variable.storage {
        let width = u64::from(width).max(1);
        let letters = file.add_dimension(format!("{}_strlen", variable.name), width)?;
        dimensions.push((letters, width));
    }
    let ids: Vec<DimensionId> = dimensions.iter().map(|(id, _)| *id).collect();
    let sizes: Vec<u64> = dimensions.iter().map(|(_, size)| *size).collect();
    let name = &variable.name;
    macro_rules! numbers {
        ($values:expr, $type:ty) => {{
            let id = file.add_variable::<$type>(name, &ids)?;
            describe(file, variable, id, Some(fill::<$type>))?;
            lay_out(file, id, &sizes, size_of::<$type>() as u64, compression)?;
            file.write_variable(id, $values)
        }};
    }
    match &stored.values {
        Values::Byte(v) => numbers!(v, i8),
        Values::UByte(v) => numbers!(v, u8),
        Values::Short(v) => numbers!(v, i16),
        Values::UShort(v) => numbers!(v, u16),
        Values::Int(v) => numbers!(v, i32),
        Values::UInt(v) => numbers!(v, u32),
        Values::Int64(v) => numbers!(v, i64),
        Values::UInt64(v) => numbers!(v, u64),
        Values::Float(v) => numbers!(v, f32),
        Values::Double(v) => numbers!(v, f64),
        Values::Text(v) if matches!(variable.storage, Storage::Char(_)) => {
            let id = file.add_char_variable(name, &ids)?;
            describe(file, variable, id, None)?;
            lay_out(file, id, &sizes, 1, compression)?;
            file.write_char_variable_strings(id, v)
        }
        Values::Text(v) => {
            let id = file.add_string_variable(name, &ids)?;
            describe(file, variable, id, None)?;
            // What is stored are references, which do not become smaller.
            lay_out(file, id, &sizes, 16, 0)?;
            file.write_string_variable(id, v)
        }
    }
}

type SetFill = fn(&mut NcFileBuilder, VariableId, &Value) -> Result<(), Error>;

fn describe(
    file: &mut NcFileBuilder,
    variable: &Variable,
    id: VariableId,
    fill: Option<SetFill>,
) -> Result<(), Error> {
    for attribute in &variable.attributes {
        match fill {
            Some(set) if attribute.name == "_FillValue" => set(file, id, &attribute.value)?,
            _ => file.add_variable_attribute(id, &attribute.name, attribute_value(&attribute.value))?,
        }
    }
    Ok(())
}

/// A type of numbers, and its values of attributes.
trait Numeric: NcFillValueType {
    fn of(value: &Value) -> Option<Self>;
}

macro_rules! numeric {
    ($($type:ty => $variant:ident),*) => {
        $(impl Numeric for $type {
            fn of(value: &Value) -> Option<Self> {
                match value {
                    Value::$variant(values) => values.first().copied(),
                    _ => None,
                }
            }
        })*
    };
}

numeric!(i8 => Byte, u8 => UByte, i16 => Short, u16 => UShort, i32 => Int, u32 => UInt,
    i64 => Int64, u64 => UInt64, f32 => Float, f64 => Double);

/// A fill value is an attribute, and what HDF5 shows where nothing was written.
fn fill<T: Numeric>(file: &mut NcFileBuilder, id: VariableId, value: &Value) -> Result<(), Error> {
    match T::of(value) {
        Some(value) => file.set_variable_fill_value(id, value),
        None => Ok(()),
    }
}

/// Chunks of whole steps, as many as make a megabyte; one step where that is
/// more. A scalar has no chunks.
fn lay_out(
    file: &mut NcFileBuilder,
    id: VariableId,
    sizes: &[u64],
    value_bytes: u64,
    compression: u8,
) -> Result<(), Error> {
    let Some((steps, inner)) = sizes.split_first() else { return Ok(()) };
    let inner: Vec<u64> = inner.iter().map(|size| (*size).max(1)).collect();
    let step_bytes = inner.iter().fold(value_bytes, |bytes, size| bytes.saturating_mul(*size));
    let mut chunk = vec![(CHUNK_BYTES / step_bytes).clamp(1, (*steps).max(1))];
    chunk.extend(inner);
    file.set_variable_chunking(id, chunk)?;
    if compression > 0 {
        file.set_variable_deflate(id, Some(compression), value_bytes > 1)?;
    }
    Ok(())
}

fn attribute_value(value: &Value) -> NcAttrValue {
    match value {
        Value::Text(text) => NcAttrValue::Chars(text.clone()),
        Value::Texts(texts) => NcAttrValue::Strings(texts.clone()),
        Value::Byte(v) => NcAttrValue::Bytes(v.clone()),
        Value::UByte(v) => NcAttrValue::UBytes(v.clone()),
        Value::Short(v) => NcAttrValue::Shorts(v.clone()),
        Value::UShort(v) => NcAttrValue::UShorts(v.clone()),
        Value::Int(v) => NcAttrValue::Ints(v.clone()),
        Value::UInt(v) => NcAttrValue::UInts(v.clone()),
        Value::Int64(v) => NcAttrValue::Int64s(v.clone()),
        Value::UInt64(v) => NcAttrValue::UInt64s(v.clone()),
        Value::Float(v) => NcAttrValue::Floats(v.clone()),
        Value::Double(v) => NcAttrValue::Doubles(v.clone()),
    }
}
