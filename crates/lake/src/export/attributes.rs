//! Attributes of variables: what files stated, what the configuration declares,
//! and what checks left.

use std::collections::HashMap;

use lakegate_domain::model::{self, Assessment, Column, Flags, Level, Range, Thresholds};
use lakegate_format::netcdf::stated::Stated;
use lakegate_format::netcdf::write::{Attribute, Storage, Value};

pub(super) const LEVELS: [Level; 3] = [Level::Valid, Level::Fail, Level::Warn];

/// Attributes that are of the type of their variable (CF 1.8, section 2.5.1 and
/// 3.5).
const OF_VARIABLE: [&str; 8] = [
    "valid_min",
    "valid_max",
    "valid_range",
    "actual_range",
    "missing_value",
    "flag_values",
    "flag_masks",
    "_FillValue",
];

/// Attributes whose words are names of variables.
const OF_NAMES: [&str; 8] = [
    "ancillary_variables",
    "coordinates",
    "bounds",
    "climatology",
    "grid_mapping",
    "cell_measures",
    "cell_methods",
    "formula_terms",
];

/// Attributes in the order in which they were first put.
#[derive(Default)]
pub(super) struct Attributes(Vec<Attribute>);

impl Attributes {
    pub fn put(&mut self, name: &str, value: impl Into<Value>) {
        let value = value.into();
        match self.0.iter_mut().find(|a| a.name == name) {
            Some(known) => known.value = value,
            None => self.0.push(Attribute { name: name.into(), value }),
        }
    }

    pub fn put_declared(&mut self, name: &str, value: &model::Attribute, storage: Storage) {
        self.put(name, value_of(name, value, storage));
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        match &self.0.iter().find(|a| a.name == name)?.value {
            Value::Text(text) => Some(text),
            Value::Texts(texts) => texts.first().map(String::as_str),
            _ => None,
        }
    }

    /// Puts what a file stated. Names of variables in it become those that the
    /// columns have.
    pub fn put_stated(&mut self, stated: &Stated, names: &HashMap<String, String>) {
        for Attribute { name, value } in &stated.attributes {
            let value = match value {
                Value::Text(text) if OF_NAMES.contains(&name.as_str()) => Value::Text(renamed(text, names)),
                value => value.clone(),
            };
            self.put(name, value);
        }
    }

    /// Puts what is declared of a column, and its unit.
    pub fn put_column(&mut self, column: &Column, unit: Option<&str>, storage: Storage) {
        for (name, value) in &column.attributes {
            self.put_declared(name, value, storage);
        }
        if let Some(about) = &column.description {
            // CF's word for what people read; where there is one, this says more.
            let name = if self.text("long_name").is_none() { "long_name" } else { "comment" };
            if self.text(name).is_none() {
                self.put(name, about.as_str());
            }
        }
        if let Some(unit) = unit {
            self.put("units", unit);
        }
        for level in LEVELS {
            self.put_thresholds(level.name(), column.thresholds(level), storage);
        }
    }

    fn put_thresholds(&mut self, level: &str, thresholds: Thresholds, storage: Storage) {
        let mut put = |what: &str, values: &[f64]| {
            let name = format!("{level}_{what}");
            self.put(&name, numbers(values, storage));
        };
        match thresholds.range {
            Some(Range { min: Some(min), max: Some(max) }) => put("range", &[min, max]),
            Some(Range { min, max }) => {
                min.iter().for_each(|v| put("min", &[*v]));
                max.iter().for_each(|v| put("max", &[*v]));
            }
            None => {}
        }
        thresholds.delta.iter().for_each(|v| put("delta", &[*v]));
        thresholds.std.iter().for_each(|v| put("std", &[*v]));
    }

    /// Puts what the bits of a flag variable mean. `of` is what people call the
    /// variable that it flags.
    pub fn put_flags(&mut self, flags: &Flags, of: &str, as_texts: bool, storage: Storage) {
        self.put("long_name", format!("Quality check results on field: {of}").as_str());
        self.put("standard_name", "quality_flag");
        self.put("units", "1");
        let masks: Vec<f64> = flags.masks.iter().map(|m| f64::from(*m)).collect();
        self.put("flag_masks", numbers(&masks, storage));
        let meanings = match as_texts {
            true => Value::Texts(flags.meanings.clone()),
            false => Value::Text(flags.meanings.iter().map(|m| word(m)).collect::<Vec<_>>().join(" ")),
        };
        self.put("flag_meanings", meanings);
        let assessment = |a: &Assessment| match a {
            Assessment::Bad => "Bad".to_string(),
            Assessment::Indeterminate => "Indeterminate".to_string(),
        };
        self.put("flag_assessments", Value::Texts(flags.assessments.iter().map(assessment).collect()));
    }

    /// Adds a name to the variables that say more of this one.
    pub fn add_ancillary(&mut self, name: &str) {
        let known = self.text("ancillary_variables").unwrap_or_default();
        if !known.split_whitespace().any(|n| n == name) {
            let all = if known.is_empty() { name.to_string() } else { format!("{known} {name}") };
            self.put("ancillary_variables", all.as_str());
        }
    }

    pub fn finish(self) -> Vec<Attribute> {
        self.0
    }
}

/// A declared attribute in the type that it has in the file: numbers are `int`
/// where they fit, or of the variable's type where CF says so.
pub(super) fn value_of(name: &str, value: &model::Attribute, storage: Storage) -> Value {
    let of_variable = OF_VARIABLE.contains(&name);
    match value {
        model::Attribute::Text(text) => Value::Text(text.clone()),
        model::Attribute::Texts(texts) => Value::Texts(texts.clone()),
        model::Attribute::Ints(v) if of_variable => {
            numbers(&v.iter().map(|v| *v as f64).collect::<Vec<_>>(), storage)
        }
        model::Attribute::Ints(v) => match v.iter().map(|v| i32::try_from(*v).ok()).collect() {
            Some(narrow) => Value::Int(narrow),
            None => Value::Int64(v.clone()),
        },
        model::Attribute::Floats(v) if of_variable => numbers(v, storage),
        model::Attribute::Floats(v) => Value::Double(v.clone()),
    }
}

/// Numbers in a type that holds all of them: the variable's, else `double`.
fn numbers(values: &[f64], storage: Storage) -> Value {
    Value::numbers(storage, values).unwrap_or_else(|| Value::Double(values.to_vec()))
}

/// A sentence as one word, of the characters that CF 1.8, section 3.5, allows.
fn word(sentence: &str) -> String {
    let mut out = String::new();
    for c in sentence.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-' | '@') {
            out.push(c);
        } else if !out.ends_with('_') && !out.is_empty() {
            out.push('_');
        }
    }
    let trimmed = out.trim_end_matches(['_', '.']);
    if trimmed.is_empty() { "flagged".into() } else { trimmed.to_string() }
}

/// Each word that is the name of a variable becomes that of its column.
fn renamed(text: &str, names: &HashMap<String, String>) -> String {
    let word = |word: &str| {
        let (name, colon) = word.strip_suffix(':').map_or((word, ""), |name| (name, ":"));
        names.get(name).map_or_else(|| word.to_string(), |known| format!("{known}{colon}"))
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_become_words() {
        for (sentence, want) in [
            ("Value is equal to _FillValue or NaN", "Value_is_equal_to_FillValue_or_NaN"),
            ("Value is less than the fail_range.", "Value_is_less_than_the_fail_range"),
            ("  °C?", "C"),
            ("…", "flagged"),
        ] {
            assert_eq!(word(sentence), want);
        }
    }

    #[test]
    fn names_within_attributes() {
        let names = HashMap::from([("SST".to_string(), "sst".to_string())]);
        assert_eq!(renamed("qc SST lat", &names), "qc sst lat");
        assert_eq!(renamed("SST: mean", &names), "sst: mean");
    }

    #[test]
    fn numbers_have_the_type_of_their_variable_where_cf_says_so() {
        let ints = model::Attribute::Ints(vec![0, 5]);
        assert_eq!(value_of("valid_range", &ints, Storage::Float), Value::Float(vec![0.0, 5.0]));
        assert_eq!(value_of("levels", &ints, Storage::Float), Value::Int(vec![0, 5]));
        let wide = model::Attribute::Ints(vec![1 << 40]);
        assert_eq!(value_of("levels", &wide, Storage::Float), Value::Int64(vec![1 << 40]));
        let odd = model::Attribute::Floats(vec![0.5]);
        assert_eq!(value_of("valid_min", &odd, Storage::Int), Value::Double(vec![0.5]));
    }
}
