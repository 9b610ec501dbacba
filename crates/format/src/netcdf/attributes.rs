//! What a variable's attributes say of its values.

use netcdf_reader::{NcAttrValue, NcAttribute, NcVariable};

use super::calendar::Number;
use super::stated::Stated;
use super::write::{self, Value};

/// Attributes that say how values are stored, not what they mean.
const OF_STORAGE: &[&str] =
    &["_FillValue", "missing_value", "scale_factor", "add_offset", "_Unsigned", "_Encoding"];

/// A variable's attributes, read as the conventions mean them.
#[derive(Clone, Copy)]
pub(super) struct Attributes<'a>(&'a [NcAttribute]);

impl<'a> Attributes<'a> {
    pub fn of(variable: &'a NcVariable) -> Self {
        Self(&variable.attributes)
    }

    fn get(self, name: &str) -> Option<&'a NcAttrValue> {
        self.0.iter().find(|a| a.name == name).map(|a| &a.value)
    }

    pub fn text(self, name: &str) -> Option<String> {
        self.get(name).and_then(NcAttrValue::as_string)
    }

    /// All numbers of an attribute; none where it is absent or a text.
    pub fn numbers(self, name: &str) -> Vec<Number> {
        self.get(name).map_or(Vec::new(), numbers)
    }

    /// Whether a number of the attribute is a float of 32 bits; `None` where
    /// there is no such number.
    pub fn is_single(self, name: &str) -> Option<bool> {
        let value = self.get(name).filter(|v| !numbers(v).is_empty())?;
        Some(matches!(value, NcAttrValue::Floats(_)))
    }

    pub fn number(self, name: &str) -> Option<f64> {
        self.get(name).and_then(NcAttrValue::as_f64)
    }

    /// Whether values are stored as smaller numbers than they are.
    pub fn is_packed(self) -> bool {
        self.number("scale_factor").is_some() || self.number("add_offset").is_some()
    }

    /// `_Unsigned`, where it says something.
    pub fn unsigned(self) -> Option<bool> {
        match self.text("_Unsigned")?.to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// What is kept with a column: its unit, and every attribute that does not
    /// merely say how values are stored. Those of a time that became an instant
    /// have no unit, no calendar and no bounds left; bounds of packed values are
    /// of what is stored (CF 1.8, section 8.1).
    pub fn stated(self, is_instant: bool) -> (Option<String>, Stated) {
        let unit = self.text("units").filter(|_| !is_instant);
        let kept = |a: &&NcAttribute| {
            let of_time = is_instant && a.name == "calendar";
            !OF_STORAGE.contains(&a.name.as_str()) && a.name != "units" && !of_time
        };
        let attributes = self.0.iter().filter(kept).filter_map(typed).collect();
        let stated = Stated { attributes, ..Stated::default() };
        let has_bounds = !is_instant && !self.is_packed();
        (unit, if has_bounds { stated } else { stated.without_bounds() })
    }
}

/// An attribute with its type; `None` for those of a type that a file declares.
fn typed(attribute: &NcAttribute) -> Option<write::Attribute> {
    let value = match attribute.value.clone() {
        NcAttrValue::Chars(text) => Value::Text(text),
        NcAttrValue::Strings(texts) => Value::Texts(texts),
        NcAttrValue::Bytes(v) => Value::Byte(v),
        NcAttrValue::Shorts(v) => Value::Short(v),
        NcAttrValue::Ints(v) => Value::Int(v),
        NcAttrValue::UBytes(v) => Value::UByte(v),
        NcAttrValue::UShorts(v) => Value::UShort(v),
        NcAttrValue::UInts(v) => Value::UInt(v),
        NcAttrValue::Int64s(v) => Value::Int64(v),
        NcAttrValue::UInt64s(v) => Value::UInt64(v),
        NcAttrValue::Floats(v) => Value::Float(v),
        NcAttrValue::Doubles(v) => Value::Double(v),
        NcAttrValue::UserDefined { .. } => return None,
    };
    Some(write::Attribute { name: attribute.name.clone(), value })
}

/// The one value of an attribute, for a column; several are a text.
pub(super) enum AttributeValue {
    Int(i64),
    Float(f64),
    Text(String),
}

pub(super) fn value(attribute: &NcAttribute) -> Option<AttributeValue> {
    match numbers(&attribute.value).as_slice() {
        [Number::Float(f)] => Some(AttributeValue::Float(*f)),
        [Number::Int(n)] if i64::try_from(*n).is_ok() => Some(AttributeValue::Int(*n as i64)),
        _ => shown(&attribute.value).map(AttributeValue::Text),
    }
}

fn numbers(value: &NcAttrValue) -> Vec<Number> {
    fn ints<T: Copy + Into<i128>>(values: &[T]) -> Vec<Number> {
        values.iter().map(|v| Number::Int((*v).into())).collect()
    }
    match value {
        NcAttrValue::Bytes(v) => ints(v),
        NcAttrValue::Shorts(v) => ints(v),
        NcAttrValue::Ints(v) => ints(v),
        NcAttrValue::UBytes(v) => ints(v),
        NcAttrValue::UShorts(v) => ints(v),
        NcAttrValue::UInts(v) => ints(v),
        NcAttrValue::Int64s(v) => ints(v),
        NcAttrValue::UInt64s(v) => ints(v),
        NcAttrValue::Floats(v) => v.iter().map(|f| Number::Float(f64::from(*f))).collect(),
        NcAttrValue::Doubles(v) => v.iter().map(|f| Number::Float(*f)).collect(),
        NcAttrValue::Chars(_) | NcAttrValue::Strings(_) | NcAttrValue::UserDefined { .. } => Vec::new(),
    }
}

/// The attribute as text: numbers between commas, several texts as a JSON list.
fn shown(value: &NcAttrValue) -> Option<String> {
    match value {
        NcAttrValue::Chars(text) => Some(text.clone()),
        NcAttrValue::Strings(texts) => match texts.as_slice() {
            [one] => Some(one.clone()),
            several => serde_json::to_string(several).ok(),
        },
        // `f32` is written with its own digits, not with those of the `f64` it equals.
        NcAttrValue::Floats(v) => Some(joined(v)),
        NcAttrValue::Doubles(v) => Some(joined(v)),
        NcAttrValue::UserDefined { .. } => None,
        integers => {
            let texts = numbers(integers);
            let texts = texts.iter().map(|n| match n {
                Number::Int(n) => n.to_string(),
                Number::Float(f) => f.to_string(),
            });
            Some(texts.collect::<Vec<_>>().join(","))
        }
    }
}

fn joined<T: ToString>(values: &[T]) -> String {
    values.iter().map(T::to_string).collect::<Vec<_>>().join(",")
}
