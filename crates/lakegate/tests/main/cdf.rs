//! netCDF files compared: every difference of two files in words, and which of
//! them are known.

use std::collections::BTreeMap;
use std::path::Path;

use netcdf_reader::{NcAttrValue, NcFile, NcType};

/// A file as it is compared: by names, whatever their order.
pub struct Cdf {
    dimensions: BTreeMap<String, u64>,
    attributes: BTreeMap<String, Value>,
    variables: BTreeMap<String, Variable>,
}

struct Variable {
    kind: String,
    dimensions: Vec<String>,
    attributes: BTreeMap<String, Value>,
    values: Vec<f64>,
    /// Of a variable of texts, which has no numbers.
    texts: Vec<String>,
}

/// An attribute: texts or numbers, and what it is stored as.
struct Value {
    stored: &'static str,
    texts: Vec<String>,
    numbers: Vec<f64>,
}

impl Value {
    fn of(value: &NcAttrValue) -> Self {
        fn numbers<T: Copy + Into<f64>>(stored: &'static str, values: &[T]) -> Value {
            Value { stored, texts: Vec::new(), numbers: values.iter().map(|v| (*v).into()).collect() }
        }
        match value {
            NcAttrValue::Bytes(v) => numbers("byte", v),
            NcAttrValue::Shorts(v) => numbers("short", v),
            NcAttrValue::Ints(v) => numbers("int", v),
            NcAttrValue::Floats(v) => numbers("float", v),
            NcAttrValue::Doubles(v) => numbers("double", v),
            NcAttrValue::UBytes(v) => numbers("ubyte", v),
            NcAttrValue::UShorts(v) => numbers("ushort", v),
            NcAttrValue::UInts(v) => numbers("uint", v),
            NcAttrValue::Int64s(v) => {
                Value { stored: "int64", texts: Vec::new(), numbers: v.iter().map(|v| *v as f64).collect() }
            }
            NcAttrValue::UInt64s(v) => {
                Value { stored: "uint64", texts: Vec::new(), numbers: v.iter().map(|v| *v as f64).collect() }
            }
            NcAttrValue::Chars(text) => {
                Value { stored: "char", texts: vec![text.clone()], numbers: Vec::new() }
            }
            NcAttrValue::Strings(texts) => {
                Value { stored: "string", texts: texts.clone(), numbers: Vec::new() }
            }
            other => panic!("an attribute that no such file has: {other:?}"),
        }
    }

    fn shown(&self) -> String {
        if self.texts.is_empty() { format!("{:?}", self.numbers) } else { format!("{:?}", self.texts) }
    }

    fn is_same(&self, other: &Value) -> bool {
        let same = |(a, b): (&f64, &f64)| a == b || a.is_nan() && b.is_nan();
        self.texts == other.texts
            && self.numbers.len() == other.numbers.len()
            && self.numbers.iter().zip(&other.numbers).all(same)
    }
}

impl Cdf {
    pub fn open(path: &Path) -> Self {
        let file = NcFile::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let attributes = |found: &[netcdf_reader::NcAttribute]| {
            found.iter().map(|a| (a.name.clone(), Value::of(&a.value))).collect::<BTreeMap<_, _>>()
        };
        let variables = file.variables().unwrap().iter().map(|v| {
            let (values, texts) = match v.dtype {
                NcType::String => (Vec::new(), file.read_variable_as_strings(&v.name).unwrap()),
                _ => (file.read_variable_as_f64(&v.name).unwrap().iter().copied().collect(), Vec::new()),
            };
            let variable = Variable {
                kind: format!("{:?}", v.dtype),
                dimensions: v.dimensions.iter().map(|d| d.name.clone()).collect(),
                attributes: attributes(&v.attributes),
                values,
                texts,
            };
            (v.name.clone(), variable)
        });
        Self {
            dimensions: file.dimensions().unwrap().iter().map(|d| (d.name.clone(), d.size)).collect(),
            attributes: attributes(file.global_attributes().unwrap()),
            variables: variables.collect(),
        }
    }

    /// A variable's values, in the order in which they are stored.
    pub fn values(&self, variable: &str) -> &[f64] {
        &self.variables[variable].values
    }

    /// What of this file is not as in the other, each as `place: what`. A place is
    /// a variable's name, `variable:attribute`, or `:attribute` of the file.
    pub fn differences(&self, golden: &Cdf) -> Vec<String> {
        let mut found = Vec::new();
        compared(&self.dimensions, &golden.dimensions, "dimension ", &mut found, |place, a, b, found| {
            if a != b {
                found.push(format!("{place}: size {a}, golden {b}"));
            }
        });
        compared(&self.attributes, &golden.attributes, ":", &mut found, attribute);
        compared(&self.variables, &golden.variables, "", &mut found, |name, a, b, found| {
            if a.kind != b.kind {
                found.push(format!("{name}: type {}, golden {}", a.kind, b.kind));
            }
            if a.dimensions != b.dimensions {
                found.push(format!("{name}: dimensions {:?}, golden {:?}", a.dimensions, b.dimensions));
            }
            compared(&a.attributes, &b.attributes, &format!("{name}:"), found, attribute);
            values(name, a, b, found);
        });
        found
    }
}

fn attribute(place: &str, a: &Value, b: &Value, found: &mut Vec<String>) {
    if !a.is_same(b) {
        found.push(format!("{place}: {}, golden {}", a.shown(), b.shown()));
    } else if a.stored != b.stored {
        found.push(format!("{place}: stored as {}, golden {}", a.stored, b.stored));
    }
}

fn values(name: &str, a: &Variable, b: &Variable, found: &mut Vec<String>) {
    if a.texts != b.texts {
        found.push(format!("{name}: {:?}, golden {:?}", a.texts, b.texts));
    }
    if a.values.len() != b.values.len() {
        return found.push(format!("{name}: {} values, golden {}", a.values.len(), b.values.len()));
    }
    // To the rounding of a multiplication or two.
    let same = |a: f64, b: f64| a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-12 * b.abs();
    let differ: Vec<usize> = (0..a.values.len()).filter(|n| !same(a.values[*n], b.values[*n])).collect();
    if let Some(first) = differ.first() {
        let (a, b) = (a.values[*first], b.values[*first]);
        found.push(format!("{name}: {} values differ, first {first}: {a}, golden {b}", differ.len()));
    }
}

/// Compares what both have, and says what only one has.
fn compared<T>(
    ours: &BTreeMap<String, T>,
    golden: &BTreeMap<String, T>,
    before: &str,
    found: &mut Vec<String>,
    mut compare: impl FnMut(&str, &T, &T, &mut Vec<String>),
) {
    for (name, b) in golden {
        let place = format!("{before}{name}");
        match ours.get(name) {
            Some(a) => compare(&place, a, b, found),
            None => found.push(format!("{place}: missing")),
        }
    }
    found.extend(
        ours.keys().filter(|name| !golden.contains_key(*name)).map(|n| format!("{before}{n}: added")),
    );
}

/// A difference that is known, and why it is.
pub struct Known {
    /// Of what `differences` says; `*` is anything.
    pub pattern: &'static str,
    pub reason: &'static str,
}

/// Panics at differences that nobody knows, and at known ones that are none.
pub fn assert_known(differences: &[String], known: &[Known]) {
    let fits = |known: &Known, text: &str| {
        let mut rest = text;
        let mut parts = known.pattern.split('*');
        let Some(first) = parts.next().and_then(|first| rest.strip_prefix(first)) else { return false };
        rest = first;
        let parts: Vec<&str> = parts.collect();
        for (n, part) in parts.iter().enumerate() {
            let at = if n + 1 == parts.len() {
                rest.ends_with(part).then(|| rest.len() - part.len())
            } else {
                rest.find(part)
            };
            let Some(at) = at else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.is_empty() || known.pattern.ends_with('*')
    };
    let unknown: Vec<&String> = differences.iter().filter(|d| !known.iter().any(|k| fits(k, d))).collect();
    let stale: Vec<String> = known
        .iter()
        .filter(|k| !differences.iter().any(|d| fits(k, d)))
        .map(|k| format!("{} ({})", k.pattern, k.reason))
        .collect();
    assert!(unknown.is_empty(), "differences that are not known:\n{unknown:#?}");
    assert!(stale.is_empty(), "differences that are known and are none:\n{stale:#?}");
}
