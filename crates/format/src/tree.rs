//! Records of any shape, from XML or JSON, and the rows that they become: one
//! column for each path to a value.

use std::collections::HashMap;

use bytestring::ByteString;
use lakegate_domain::Code;
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::json::MAX_DEPTH;
use crate::text::{Cell, Notation, TextBatch};

/// Cells of one chunk, rows times columns; a chunk that would have more is cut.
const MAX_CELLS: usize = 4 << 20;

/// What an element's own text is called where it has attributes or children.
pub(crate) const OWN_TEXT: &str = "#text";

/// A value with its scalars as JSON tokens, to the last digit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Null,
    Scalar(String),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    /// The value of a text: a number or a truth value as such where it is
    /// written as JSON writes it, everything else as text.
    pub fn of_text(text: &str) -> Node {
        match text {
            "" => Node::Null,
            "true" | "false" => Node::Scalar(text.into()),
            _ if is_json_number(text) => Node::Scalar(text.into()),
            _ => Node::Scalar(serde_json::Value::from(text).to_string()),
        }
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        match self {
            Node::Object(fields) => fields.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    pub fn write_json(&self, out: &mut String) {
        match self {
            Node::Null => out.push_str("null"),
            Node::Scalar(token) => out.push_str(token),
            Node::List(items) => {
                out.push('[');
                for (n, item) in items.iter().enumerate() {
                    if n > 0 {
                        out.push(',');
                    }
                    item.write_json(out);
                }
                out.push(']');
            }
            Node::Object(fields) => {
                out.push('{');
                for (n, (key, value)) in fields.iter().enumerate() {
                    if n > 0 {
                        out.push(',');
                    }
                    out.push_str(&serde_json::Value::from(key.as_str()).to_string());
                    out.push(':');
                    value.write_json(out);
                }
                out.push('}');
            }
        }
    }

    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }
}

/// An object that is being made. Each name stands once.
#[derive(Default)]
pub(crate) struct Fields {
    list: Vec<(String, Node)>,
    /// Where the names stand, once there are too many to look through.
    index: HashMap<String, usize>,
}

impl Fields {
    const LOOKED_THROUGH: usize = 32;

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn get_mut(&mut self, name: &str) -> Option<&mut Node> {
        let at = match self.list.len() {
            ..=Self::LOOKED_THROUGH => self.list.iter().position(|(n, _)| n == name),
            _ => self.index.get(name).copied(),
        };
        at.map(|at| &mut self.list[at].1)
    }

    /// Adds a field of a name that there is not yet.
    pub fn push(&mut self, name: String, value: Node) {
        self.list.push((name, value));
        let n = self.list.len();
        if n > Self::LOOKED_THROUGH {
            let new = if n == Self::LOOKED_THROUGH + 1 { 0 } else { n - 1 };
            self.index.extend((new..n).map(|at| (self.list[at].0.clone(), at)));
        }
    }

    pub fn done(self) -> Vec<(String, Node)> {
        self.list
    }
}

/// A value of a JSON text that is not looked into before it is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a>(&'a RawValue);

impl<'a> Raw<'a> {
    /// # Errors
    /// LG101 where the text is no JSON document.
    pub fn of_text(text: &'a str) -> Result<Self> {
        serde_json::from_str(text).map(Raw).map_err(no_json)
    }

    pub fn text(self) -> &'a str {
        self.0.get()
    }

    /// An object's keys and values; none of another value.
    pub fn fields(self) -> Result<Vec<(String, Raw<'a>)>> {
        if !self.text().starts_with('{') {
            return Ok(Vec::new());
        }
        serde_json::from_str::<Keys<'a>>(self.text()).map(|keys| keys.0).map_err(no_json)
    }

    /// The values of a list, or the value itself where it is none.
    pub fn items(self) -> Result<Vec<Raw<'a>>> {
        match self.text().as_bytes().first() {
            Some(b'[') => {
                let items: Vec<&'a RawValue> = serde_json::from_str(self.text()).map_err(no_json)?;
                Ok(items.into_iter().map(Raw).collect())
            }
            Some(b'n') => Ok(Vec::new()),
            _ => Ok(vec![self]),
        }
    }

    /// All of it. Of a key that stands twice the last one counts.
    ///
    /// # Errors
    /// LG101 for half of a surrogate pair, LG113.
    pub fn node(self) -> Result<Node> {
        self.node_at(1)
    }

    fn node_at(self, depth: u32) -> Result<Node> {
        if depth > MAX_DEPTH {
            return Err(Error::new(Code::TooDeep, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(match self.text().as_bytes().first() {
            Some(b'{') => {
                let mut object = Fields::default();
                for (key, value) in self.fields()? {
                    let value = value.node_at(depth + 1)?;
                    match object.get_mut(&key) {
                        Some(old) => *old = value,
                        None => object.push(key, value),
                    }
                }
                Node::Object(object.done())
            }
            Some(b'[') => {
                let items = self.items()?;
                Node::List(items.into_iter().map(|item| item.node_at(depth + 1)).collect::<Result<_>>()?)
            }
            Some(b'n') => Node::Null,
            Some(b'"') => {
                serde_json::from_str::<String>(self.text()).map_err(no_json)?;
                Node::Scalar(self.text().into())
            }
            _ => Node::Scalar(self.text().into()),
        })
    }
}

fn no_json(error: serde_json::Error) -> Error {
    Error::new(Code::Malformed, error.to_string())
}

/// An object's keys and values, in order.
struct Keys<'a>(Vec<(String, Raw<'a>)>);

impl<'de: 'a, 'a> serde::Deserialize<'de> for Keys<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Keys<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, &'de RawValue>()? {
                    fields.push((key, Raw(value)));
                }
                Ok(Keys(fields))
            }
        }

        deserializer.deserialize_map(Visitor)
    }
}

/// Whether a text is a number as JSON writes it.
fn is_json_number(text: &str) -> bool {
    fn digits(b: &[u8]) -> usize {
        b.iter().take_while(|b| b.is_ascii_digit()).count()
    }
    let b = text.as_bytes();
    let b = b.strip_prefix(b"-").unwrap_or(b);
    let whole = digits(b);
    if whole == 0 || (whole > 1 && b[0] == b'0') {
        return false;
    }
    let mut rest = &b[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let n = digits(fraction);
        if n == 0 {
            return false;
        }
        rest = &fraction[n..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = match exponent {
            [b'+' | b'-', digits @ ..] => digits,
            other => other,
        };
        return digits(exponent) == exponent.len() && !exponent.is_empty();
    }
    rest.is_empty()
}

/// Rows on their way to a chunk.
#[derive(Default)]
pub(crate) struct TextRows {
    names: Vec<String>,
    index: HashMap<String, usize>,
    cells: Vec<Vec<Cell>>,
    side: String,
    n_rows: usize,
}

impl TextRows {
    /// Rows that have these columns, whatever they hold.
    pub fn with_columns(names: impl Iterator<Item = impl Into<String>>) -> Self {
        let mut rows = Self::default();
        for name in names {
            rows.column(&name.into());
        }
        rows
    }

    pub fn is_empty(&self) -> bool {
        self.n_rows == 0
    }

    pub fn is_full(&self, chunk_bytes: usize) -> bool {
        self.side.len() >= chunk_bytes || (self.n_rows + 1) * self.names.len() > MAX_CELLS
    }

    /// The column of a name; the next one where it is new.
    fn column(&mut self, name: &str) -> usize {
        if let Some(column) = self.index.get(name) {
            return *column;
        }
        self.names.push(name.to_string());
        self.index.insert(name.to_string(), self.names.len() - 1);
        self.cells.push(vec![Cell::ABSENT; self.n_rows]);
        self.names.len() - 1
    }

    /// Adds a row that is filled with [`TextRows::set`].
    pub fn begin(&mut self) {
        self.n_rows += 1;
        for cells in &mut self.cells {
            cells.push(Cell::ABSENT);
        }
    }

    /// Sets a field of the last row to a JSON token.
    pub fn set(&mut self, column: usize, token: &str) {
        let cell = Cell::in_side(self.side.len(), token.len(), false);
        self.side.push_str(token);
        self.cells[column][self.n_rows - 1] = cell;
    }

    /// Adds a record: a column for each path to a value, lists as JSON.
    pub fn push(&mut self, record: &Node) {
        self.begin();
        match record {
            Node::Object(_) => self.flatten("", record),
            other => self.put(OWN_TEXT, other),
        }
    }

    fn flatten(&mut self, path: &str, node: &Node) {
        match node {
            Node::Object(fields) => {
                for (key, value) in fields {
                    match (path, key.as_str()) {
                        ("", key) => self.flatten(key, value),
                        (path, OWN_TEXT) => self.put(path, value),
                        (path, key) => self.flatten(&format!("{path}.{key}"), value),
                    }
                }
            }
            other => self.put(path, other),
        }
    }

    fn put(&mut self, path: &str, value: &Node) {
        let column = self.column(path);
        match value {
            Node::Null => {}
            Node::Scalar(token) => self.set(column, token),
            other => self.set(column, &other.to_json()),
        }
    }

    pub fn finish(self) -> TextBatch {
        TextBatch {
            notation: Notation::Json,
            names: self.names.into(),
            columns: self.cells,
            n_rows: self.n_rows,
            text: ByteString::new(),
            side: self.side,
            surplus: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts() {
        for (text, want) in [
            ("12", "12"),
            ("-0.50", "-0.50"),
            ("1e5", "1e5"),
            ("007", "\"007\""),
            ("1.", "\"1.\""),
            (".5", "\".5\""),
            ("+1", "\"+1\""),
            ("12a", "\"12a\""),
            ("true", "true"),
            ("True", "\"True\""),
            ("a\"b", "\"a\\\"b\""),
        ] {
            assert_eq!(Node::of_text(text), Node::Scalar(want.into()));
        }
        assert_eq!(Node::of_text(""), Node::Null);
    }

    proptest! {
        #[test]
        fn numbers_are_those_of_json(text in "[-0-9.eE+]{1,6}") {
            prop_assert_eq!(is_json_number(&text), serde_json::from_str::<f64>(&text).is_ok() || text.contains(['e', 'E']) && serde_json::from_str::<&RawValue>(&text).is_ok());
        }
    }

    #[test]
    fn many_names() {
        let mut fields = Fields::default();
        for n in 0..100 {
            assert!(fields.get_mut(&n.to_string()).is_none());
            fields.push(n.to_string(), Node::of_text(&n.to_string()));
            for m in 0..=n {
                assert_eq!(fields.get_mut(&m.to_string()), Some(&mut Node::Scalar(m.to_string())));
            }
        }
        assert_eq!(fields.done().len(), 100);
    }

    #[test]
    fn json_keeps_its_digits() {
        let text = r#"{"a":[1.10,{"b":null}],"a":{"c":"é\n"},"d":12345678901234567890.0}"#;
        let node = Raw::of_text(text).unwrap().node().unwrap();
        assert_eq!(node.to_json(), r#"{"a":{"c":"é\n"},"d":12345678901234567890.0}"#);
        let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        for (bad, code) in [
            ("{", Code::Malformed),
            ("\"\\ud800\"", Code::Malformed),
            ("[1,]", Code::Malformed),
            ("{\"a\":1}}", Code::Malformed),
            (&deep, Code::TooDeep),
        ] {
            let e = Raw::of_text(bad).and_then(Raw::node).unwrap_err();
            assert_eq!(e.code, code, "{e}");
        }
    }
}
