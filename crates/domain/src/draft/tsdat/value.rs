//! Somebody else's YAML as values: what a word means is what tsdat's own reader,
//! YAML 1.1, takes it for.

use std::path::Path;
use std::sync::Arc;

use crate::config::decode::Reporter;
use crate::config::yaml::{self, Content, Literal, Node};
use crate::config::{Diagnostics, SourceText};

/// A value of a configuration. Maps keep their order.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
}

/// Reads a file's text.
///
/// # Errors
/// What is wrong with it, in one sentence without the text itself.
pub(super) fn parse(path: &str, text: &str) -> Result<Value, String> {
    // What PyYAML takes and YAML does not is tried again as it was meant.
    strict(path, text).or_else(|why| strict(path, &indented(text)).map_err(|_| why))
}

fn strict(path: &str, text: &str) -> Result<Value, String> {
    let source = Arc::new(SourceText::new(Path::new(path), text));
    let mut report = Reporter::new(&source);
    let root = yaml::parse(text, &mut report);
    let found = Diagnostics::new(report.finish());
    match (root, found.items().first()) {
        (Some(root), None) => Ok(Value::of(&root)),
        (_, Some(first)) => {
            let at = first.position().map_or_else(String::new, |(line, column)| format!("{line}:{column}: "));
            Err(format!("{at}{}", first.message))
        }
        (None, None) => Err("this is not YAML".into()),
    }
}

/// The text with every line that goes on a quoted text indented. PyYAML lets such
/// lines begin anywhere; white space there means nothing.
fn indented(text: &str) -> String {
    const DEEP: &str = "                                                                ";
    let mut out = String::with_capacity(text.len());
    let mut quote: Option<char> = None;
    // Whether a quote would begin a text here.
    let mut begins = true;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        match (quote, c) {
            (Some(_), '\n') => out.push_str(DEEP),
            (Some('"'), '\\') => out.extend(chars.next()),
            (Some('\''), '\'') if chars.peek() == Some(&'\'') => out.extend(chars.next()),
            (Some(q), c) if q == c => {
                quote = None;
                begins = false;
            }
            (Some(_), _) => {}
            (None, '"' | '\'') if begins => quote = Some(c),
            (None, '#') if begins => {
                while let Some(c) = chars.next_if(|c| *c != '\n') {
                    out.push(c);
                }
            }
            (None, ' ' | '\t') => {}
            (None, c) => begins = matches!(c, '\n' | ':' | '-' | '[' | '{' | ',' | '?'),
        }
    }
    out
}

impl Value {
    fn of(node: &Node) -> Self {
        match &node.content {
            Content::List(items) => Value::List(items.iter().map(Value::of).collect()),
            Content::Map(entries) => Value::Map(merged(entries)),
            Content::Scalar(scalar) => match scalar.literal() {
                Literal::Null => Value::Null,
                Literal::Bool(v) => Value::Bool(v),
                Literal::Int(v) => Value::Int(v),
                Literal::Float(v) => Value::Float(v),
                Literal::Text(text) if scalar.plain => match text {
                    "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Value::Bool(true),
                    "no" | "No" | "NO" | "off" | "Off" | "OFF" => Value::Bool(false),
                    _ => Value::Text(text.to_string()),
                },
                Literal::Text(text) => Value::Text(text.to_string()),
            },
        }
    }

    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Map(entries) => entries.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// Below several keys.
    pub fn at(&self, path: &[&str]) -> Option<&Value> {
        path.iter().try_fold(self, |value, key| value.get(key))
    }

    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// The text under a key; numbers as they would be written.
    pub fn text(&self, key: &str) -> Option<String> {
        self.get(key).and_then(Value::as_text)
    }

    pub fn as_text(&self) -> Option<String> {
        match self {
            Value::Text(text) => Some(text.clone()),
            Value::Int(v) => Some(v.to_string()),
            Value::Float(v) => Some(v.to_string()),
            Value::Bool(v) => Some(v.to_string()),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    pub fn as_number(&self) -> Option<f64> {
        match self {
            Value::Int(v) => Some(*v as f64),
            Value::Float(v) => Some(*v),
            // A number that YAML 1.1 takes for a text, `1e5`.
            Value::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(v) => Some(*v),
            _ => None,
        }
    }

    pub fn entries(&self) -> &[(String, Value)] {
        match self {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; what is no list is a list of one, but for nothing.
    pub fn items(&self) -> Vec<&Value> {
        match self {
            Value::List(items) => items.iter().collect(),
            Value::Null => Vec::new(),
            other => vec![other],
        }
    }

    /// The texts of a list, or of one.
    pub fn texts(&self) -> Vec<String> {
        self.items().into_iter().filter_map(Value::as_text).collect()
    }

    /// Puts a value where a JSON pointer points (RFC 6901), as `jsonpointer`'s
    /// `set_pointer` does: all but the last step must be there.
    ///
    /// # Errors
    /// The step that is not there.
    pub fn set(&mut self, pointer: &str, new: Value) -> Result<(), String> {
        let Some(steps) = pointer.strip_prefix('/') else {
            return Err(format!("`{pointer}` does not begin with `/`"));
        };
        let steps: Vec<String> = steps.split('/').map(|s| s.replace("~1", "/").replace("~0", "~")).collect();
        let (last, above) = steps.split_last().expect("a split has at least one part");
        let mut place = self;
        for step in above {
            place = place.step(step).ok_or_else(|| format!("`{pointer}` points nowhere: no `{step}`"))?;
        }
        match place {
            Value::Map(entries) => match entries.iter_mut().find(|(key, _)| key == last) {
                Some((_, value)) => *value = new,
                None => entries.push((last.clone(), new)),
            },
            Value::List(items) if last == "-" => items.push(new),
            Value::List(items) => match last.parse::<usize>().ok().and_then(|n| items.get_mut(n)) {
                Some(value) => *value = new,
                None => return Err(format!("`{pointer}` points nowhere: no item `{last}`")),
            },
            _ => return Err(format!("`{pointer}` points into a value that has no parts")),
        }
        Ok(())
    }

    fn step(&mut self, step: &str) -> Option<&mut Value> {
        match self {
            Value::Map(entries) => entries.iter_mut().find(|(key, _)| key == step).map(|(_, value)| value),
            Value::List(items) => step.parse::<usize>().ok().and_then(|n| items.get_mut(n)),
            _ => None,
        }
    }

    /// These keys, and those of `defaults` that are missing; maps key by key.
    pub fn over(&self, defaults: &Value) -> Value {
        let (Value::Map(own), Value::Map(others)) = (self, defaults) else { return self.clone() };
        let mut entries = own.clone();
        for (key, value) in others {
            match entries.iter_mut().find(|(k, _)| k == key) {
                Some((_, mine)) => *mine = mine.over(value),
                None => entries.push((key.clone(), value.clone())),
            }
        }
        Value::Map(entries)
    }
}

/// A map with the maps that `<<` names merged into it; its own keys win.
fn merged(entries: &[(yaml::Key, Node)]) -> Vec<(String, Value)> {
    let mut own: Vec<(String, Value)> = Vec::new();
    let mut others: Vec<(String, Value)> = Vec::new();
    for (key, node) in entries {
        let value = Value::of(node);
        if key.text != "<<" {
            own.push((key.text.clone(), value));
            continue;
        }
        for map in value.items() {
            for (key, value) in map.entries() {
                if !others.iter().any(|(k, _)| k == key) {
                    others.push((key.clone(), value.clone()));
                }
            }
        }
    }
    others.retain(|(key, _)| !own.iter().any(|(k, _)| k == key));
    own.extend(others);
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_what_yaml_1_1_says() {
        let value =
            parse("a.yaml", "a: on\nb: 'on'\nc: -9999\nd: 0.03\ne: 10.21947/1671051\nf: ~\n").unwrap();
        assert_eq!(
            value.entries().iter().map(|(_, v)| v.clone()).collect::<Vec<_>>(),
            [
                Value::Bool(true),
                Value::Text("on".into()),
                Value::Int(-9999),
                Value::Float(0.03),
                Value::Text("10.21947/1671051".into()),
                Value::Null
            ]
        );
    }

    #[test]
    fn merge_keys_are_merged() {
        let value = parse("a.yaml", "base: &b { x: 1, y: 2 }\nown: { <<: *b, y: 3 }\n").unwrap();
        let own = value.get("own").unwrap();
        assert_eq!((own.get("x"), own.get("y")), (Some(&Value::Int(1)), Some(&Value::Int(3))));
    }

    #[test]
    fn pointers_set_what_they_point_to() {
        let mut value =
            parse("a.yaml", "attrs: { location_id: a }\nlist: [1, { k: 2 }]\n'a/b': { c: 1 }").unwrap();
        for (pointer, path) in [
            ("/attrs/location_id", &["attrs", "location_id"][..]),
            ("/attrs/new", &["attrs", "new"]),
            ("/a~1b/c", &["a/b", "c"]),
        ] {
            value.set(pointer, Value::Int(7)).unwrap();
            assert_eq!(value.at(path), Some(&Value::Int(7)), "{pointer}");
        }
        value.set("/list/1/k", Value::Int(7)).unwrap();
        value.set("/list/-", Value::Int(8)).unwrap();
        assert_eq!(value.get("list").unwrap().items().len(), 3);
        for wrong in ["attrs", "/no/key", "/list/9", "/list/0/x"] {
            assert!(value.set(wrong, Value::Null).is_err(), "{wrong}");
        }
    }

    /// A description as it stands in a public configuration.
    #[test]
    fn quoted_texts_may_go_on_anywhere() {
        let text = "a:\n    b: \"one \n    two \\\" \n three\"\n    c: don't # it's\n    d: 'x''\n  y'\n";
        let value = parse("a.yaml", text).unwrap();
        let own = value.get("a").unwrap();
        assert_eq!(own.text("b").unwrap(), "one two \" three");
        assert_eq!((own.text("c").unwrap().as_str(), own.text("d").unwrap().as_str()), ("don't", "x' y"));
    }

    #[test]
    fn what_is_no_yaml_is_told_without_its_text() {
        let wrong = parse("a.yaml", "a: [1,\nsecret: x").unwrap_err();
        assert!(wrong.contains("YAML") && !wrong.contains("secret"), "{wrong}");
    }
}
