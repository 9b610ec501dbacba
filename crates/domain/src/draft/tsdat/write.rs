//! YAML of a dataset file.

use super::super::{Yaml, scalar};
use super::value::Value;

/// Widest line that is written as one, where it can be broken.
const WIDTH: usize = 118;

/// A value in one line.
pub(super) fn flow(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(v) => v.to_string(),
        Value::Int(v) => v.to_string(),
        Value::Float(v) => number(*v),
        Value::Text(text) => scalar(text),
        Value::List(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) => {
            let entries: Vec<String> =
                entries.iter().map(|(k, v)| format!("{}: {}", scalar(k), flow(v))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}

/// Texts in one line.
pub(super) fn list<T: AsRef<str>>(texts: &[T]) -> String {
    format!("[{}]", texts.iter().map(|t| scalar(t.as_ref())).collect::<Vec<_>>().join(", "))
}

/// A number that is read back as it is, whole ones without a point.
pub(super) fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 { format!("{value:.0}") } else { value.to_string() }
}

/// The keys of a map with their values in YAML.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys(Vec<(String, String)>);

impl Keys {
    pub fn add(&mut self, key: &str, value: impl Into<String>) {
        self.0.push((key.to_string(), value.into()));
    }

    pub fn text(&mut self, key: &str, text: &str) {
        self.add(key, scalar(text));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn yaml(&self) -> String {
        let keys: Vec<String> =
            self.0.iter().map(|(key, value)| format!("{}: {value}", scalar(key))).collect();
        if keys.is_empty() { "{}".into() } else { format!("{{ {} }}", keys.join(", ")) }
    }
}

impl Yaml {
    /// `name: { … }`, in lines of their own where it is long.
    pub(super) fn map(&mut self, depth: usize, name: &str, keys: &Keys) {
        let name = scalar(name);
        let one = format!("{name}: {}", keys.yaml());
        if 2 * depth + one.chars().count() <= WIDTH {
            return self.line(depth, &one);
        }
        self.line(depth, &format!("{name}:"));
        keys.0.iter().for_each(|(key, value)| self.line(depth + 1, &format!("{}: {value}", scalar(key))));
    }

    /// `- { … }`, in lines of their own where it is long.
    pub(super) fn item(&mut self, depth: usize, keys: &Keys) {
        let one = format!("- {}", keys.yaml());
        if 2 * depth + one.chars().count() <= WIDTH {
            return self.line(depth, &one);
        }
        for (n, (key, value)) in keys.0.iter().enumerate() {
            let mark = if n == 0 { "- " } else { "  " };
            self.line(depth, &format!("{mark}{}: {value}", scalar(key)));
        }
    }

    /// A comment, broken into lines between words.
    pub(super) fn comment(&mut self, depth: usize, text: &str) {
        self.wrapped(depth, "", text);
    }

    /// A comment that is an item of a list.
    pub(super) fn remark(&mut self, depth: usize, text: &str) {
        self.wrapped(depth, "- ", text);
    }

    fn wrapped(&mut self, depth: usize, mark: &str, text: &str) {
        const COMMENT_WIDTH: usize = 96;
        let mut line = String::new();
        let mut before = mark.to_string();
        for word in text.split_whitespace() {
            if !line.is_empty()
                && 2 * depth + before.len() + line.chars().count() + word.chars().count() > COMMENT_WIDTH
            {
                self.line(depth, &format!("# {before}{line}"));
                before = " ".repeat(mark.len());
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line(depth, &format!("# {before}{line}"));
    }
}
