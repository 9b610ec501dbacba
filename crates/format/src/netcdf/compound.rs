//! Values of the types that people declare in netCDF-4: compounds, arrays,
//! variable lengths, bytes. They become JSON.

use std::fmt::Write as _;

use arrow::array::StringArray;
use netcdf_reader::{NcType, NcValue};
use serde_json::{Map, Value};

use super::values::within_offsets;
use crate::error::Result;

/// Whether values of a type become JSON, and can only be read whole.
pub(super) fn is_compound(kind: &NcType) -> bool {
    matches!(
        kind,
        NcType::Compound { .. } | NcType::Opaque { .. } | NcType::Array { .. } | NcType::VLen { .. }
    )
}

pub(super) fn as_json(name: &str, values: &[NcValue]) -> Result<StringArray> {
    let texts: Vec<String> = values.iter().map(|v| json(v).to_string()).collect();
    within_offsets(name, texts.iter().map(String::len))?;
    Ok(StringArray::from(texts))
}

fn json(value: &NcValue) -> Value {
    match value {
        NcValue::Byte(n) => (*n).into(),
        NcValue::Char(c) => char::from(*c).to_string().into(),
        NcValue::Short(n) => (*n).into(),
        NcValue::Int(n) => (*n).into(),
        // With the digits of the `f32`, not of the `f64` that it equals.
        NcValue::Float(f) => f.to_string().parse::<f64>().map_or(Value::Null, number),
        NcValue::Double(f) => number(*f),
        NcValue::UByte(n) => (*n).into(),
        NcValue::UShort(n) => (*n).into(),
        NcValue::UInt(n) => (*n).into(),
        NcValue::Int64(n) => (*n).into(),
        NcValue::UInt64(n) => (*n).into(),
        NcValue::String(text) => text.as_str().into(),
        NcValue::Enum(member) => match &member.member {
            Some(name) => name.as_str().into(),
            None => member.value.as_i128().map_or(Value::Null, |n| n.to_string().into()),
        },
        NcValue::Opaque(bytes) => bytes
            .iter()
            .fold(String::new(), |mut hex, byte| {
                // Writing to a string cannot fail.
                let _ = write!(hex, "{byte:02x}");
                hex
            })
            .into(),
        NcValue::Compound(fields) => {
            fields.iter().map(|f| (f.name.clone(), json(&f.value))).collect::<Map<_, _>>().into()
        }
        NcValue::Array(array) => array.values.iter().map(json).collect(),
        NcValue::VLen(values) => values.iter().map(json).collect(),
    }
}

/// JSON has no infinities and no NaN.
fn number(f: f64) -> Value {
    serde_json::Number::from_f64(f).map_or(Value::Null, Value::Number)
}
