//! What a netCDF file states of a variable, kept with the column that it
//! becomes, so that an export can state it again with the same types.
//!
//! Metadata of columns are texts; other engines read those of the attributes'
//! own names. This is kept beside them, as JSON under one name of the lake's own.

use std::collections::HashMap;

use serde_json::{Value as Json, json};

use super::write::{Attribute, Value};

/// Name of the metadata.
const STATED: &str = "lakegate.stated";

/// What a file states of one variable.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stated {
    /// But for units, and those that say how values are stored.
    pub attributes: Vec<Attribute>,
    /// Its dimensions in their order; `None` where nothing is known of them.
    pub dimensions: Option<Vec<String>>,
    /// The dimension whose steps are rows.
    pub rows: Option<String>,
}

/// Attributes that bound values: they mean nothing once the unit is another.
const OF_VALUES: [&str; 4] = ["valid_min", "valid_max", "valid_range", "actual_range"];

impl Stated {
    /// What the metadata of a column say.
    pub fn of(metadata: &HashMap<String, String>) -> Option<Self> {
        let json: Json = serde_json::from_str(metadata.get(STATED)?).ok()?;
        let names = |json: &Json| -> Option<Vec<String>> {
            json.as_array()?.iter().map(|n| n.as_str().map(str::to_string)).collect()
        };
        let attribute = |json: &Json| -> Option<Attribute> {
            let values = names(&json["values"])?;
            Some(Attribute::new(json["name"].as_str()?, value(json["type"].as_str()?, &values)?))
        };
        Some(Self {
            attributes: json["attributes"].as_array().into_iter().flatten().filter_map(attribute).collect(),
            dimensions: names(&json["dimensions"]),
            rows: json["rows"].as_str().map(str::to_string),
        })
    }

    /// Adds it to the metadata of a column, and its attributes as texts by their
    /// own names.
    pub fn put(&self, metadata: &mut HashMap<String, String>) {
        if *self == Self::default() {
            return;
        }
        let attributes: Vec<Json> = self
            .attributes
            .iter()
            .map(|a| json!({ "name": a.name, "type": type_name(&a.value), "values": texts(&a.value) }))
            .collect();
        let json = json!({ "attributes": attributes, "dimensions": self.dimensions, "rows": self.rows });
        metadata.insert(STATED.into(), json.to_string());
        for attribute in &self.attributes {
            metadata.insert(attribute.name.clone(), shown(&attribute.value));
        }
    }

    /// What is said of the variable to people: its description, else its name.
    pub fn description(&self) -> Option<String> {
        let text = |name: &str| match self.attributes.iter().find(|a| a.name == name).map(|a| &a.value) {
            Some(Value::Text(text)) => Some(text.clone()),
            Some(Value::Texts(texts)) => texts.first().cloned(),
            _ => None,
        };
        text("description").or_else(|| text("long_name"))
    }

    /// Without what is true of values in another unit alone.
    pub fn without_bounds(mut self) -> Self {
        self.attributes.retain(|a| !OF_VALUES.contains(&a.name.as_str()));
        self
    }
}

/// The value as one text: numbers between commas, several texts as a JSON list.
fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Texts(texts) => match texts.as_slice() {
            [one] => one.clone(),
            several => Json::from(several).to_string(),
        },
        numbers => texts(numbers).join(","),
    }
}

macro_rules! types {
    ($($name:literal => $variant:ident),*) => {
        fn type_name(value: &Value) -> &'static str {
            match value {
                Value::Text(_) => "char",
                Value::Texts(_) => "string",
                $(Value::$variant(_) => $name,)*
            }
        }

        /// Each value with its own digits: what is read from them is the same.
        fn texts(value: &Value) -> Vec<String> {
            match value {
                Value::Text(text) => vec![text.clone()],
                Value::Texts(texts) => texts.clone(),
                $(Value::$variant(v) => v.iter().map(ToString::to_string).collect(),)*
            }
        }

        fn value(name: &str, texts: &[String]) -> Option<Value> {
            Some(match name {
                "char" => Value::Text(texts.first()?.clone()),
                "string" => Value::Texts(texts.to_vec()),
                $($name => Value::$variant(texts.iter().map(|t| t.parse().ok()).collect::<Option<_>>()?),)*
                _ => return None,
            })
        }
    };
}

types! {
    "byte" => Byte, "ubyte" => UByte, "short" => Short, "ushort" => UShort, "int" => Int, "uint" => UInt,
    "int64" => Int64, "uint64" => UInt64, "float" => Float, "double" => Double
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let stated = Stated {
            attributes: vec![
                Attribute::new("long_name", "Sea \"surface\""),
                Attribute::new("words", Value::Texts(vec!["a b".into(), "c".into()])),
                Attribute::new("flag_masks", Value::Byte(vec![1, 2, -4])),
                Attribute::new("valid_range", Value::Float(vec![0.1, f32::INFINITY])),
                Attribute::new("precise", Value::Double(vec![0.1 + 0.2, -0.0, 1e-300])),
            ],
            dimensions: Some(vec!["depth".into(), "time".into()]),
            rows: Some("time".into()),
        };
        let mut metadata = HashMap::from([("unit".to_string(), "m".to_string())]);
        stated.put(&mut metadata);
        assert_eq!(Stated::of(&metadata), Some(stated.clone()));
        assert_eq!(metadata["valid_range"], "0.1,inf");
        assert_eq!(metadata["words"], r#"["a b","c"]"#);
        assert_eq!(stated.description().as_deref(), Some("Sea \"surface\""));
        assert_eq!(stated.without_bounds().attributes.len(), 4);
        assert_eq!(Stated::of(&HashMap::new()), None);
    }
}
