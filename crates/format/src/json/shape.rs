//! Where the records of a JSON document that nobody has described stand. Memory
//! holds its lists' paths, not its values.

use std::fmt;
use std::io::Read;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Characters of a value that are kept.
const KEPT: usize = 200;

/// What a document is made of.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    /// Every list that keys alone lead to.
    pub lists: Vec<List>,
    /// Keys of the outermost object, with the values that are words or numbers.
    pub top: Vec<(String, Option<String>)>,
    pub is_object: bool,
    /// Whether another object stands behind the first.
    pub is_lines: bool,
}

#[derive(Debug)]
pub(crate) struct List {
    /// In dots; empty for the document itself.
    pub path: String,
    pub n_items: u64,
    /// Items that are objects.
    pub n_objects: u64,
    /// Keys of the first object.
    pub keys: Vec<String>,
}

impl Shape {
    /// Goes through a document.
    ///
    /// # Errors
    /// It is not JSON, or cannot be read.
    pub fn of(text: impl Read) -> Result<Self, serde_json::Error> {
        let mut shape = Shape::default();
        let mut document = serde_json::Deserializer::from_reader(std::io::BufReader::new(text));
        Value { shape: &mut shape, path: Some(String::new()), depth: 0 }.deserialize(&mut document)?;
        if let Err(trailing) = document.end() {
            // One line more is enough to know.
            let more = serde::Deserialize::deserialize(&mut document);
            shape.is_lines = shape.is_object && more.is_ok_and(|_: IgnoredAny| true);
            if !shape.is_lines {
                return Err(trailing);
            }
        }
        Ok(shape)
    }

    /// The list of the most objects, and of several such the first nearest to the root.
    pub fn likeliest(&self) -> Option<&List> {
        let depth = |l: &List| if l.path.is_empty() { 0 } else { l.path.matches('.').count() + 1 };
        self.lists
            .iter()
            .filter(|l| l.n_objects > 0)
            .min_by(|a, b| b.n_objects.cmp(&a.n_objects).then(depth(a).cmp(&depth(b))))
    }
}

/// A value; `path` leads to it, `None` where keys alone do not.
struct Value<'a> {
    shape: &'a mut Shape,
    path: Option<String>,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    /// The value, where it is a word or a number.
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

fn kept(text: &str) -> Option<String> {
    Some(text.chars().take(KEPT).collect())
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(kept(value))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Value { shape, path, depth } = self;
        shape.is_object |= depth == 0;
        while let Some(key) = map.next_key::<String>()? {
            // A key with a point in it cannot be written in a path.
            let path = path.as_ref().filter(|_| !key.is_empty() && !key.contains('.')).map(|path| match path
                .as_str()
            {
                "" => key.clone(),
                path => format!("{path}.{key}"),
            });
            let value = map.next_value_seed(Value { shape: &mut *shape, path, depth: depth + 1 })?;
            if depth == 0 {
                shape.top.push((key, value));
            }
        }
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut list = List { path: String::new(), n_items: 0, n_objects: 0, keys: Vec::new() };
        while let Some(keys) = items.next_element_seed(Item { wants_keys: list.keys.is_empty() })? {
            list.n_items += 1;
            if let Some(keys) = keys {
                list.n_objects += 1;
                if list.keys.is_empty() {
                    list.keys = keys;
                }
            }
        }
        if let Some(path) = self.path {
            self.shape.lists.push(List { path, ..list });
        }
        Ok(None)
    }
}

/// An item of a list: its keys, if it is an object.
struct Item {
    wants_keys: bool,
}

impl<'de> DeserializeSeed<'de> for Item {
    type Value = Option<Vec<String>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Item {
    type Value = Option<Vec<String>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut keys = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            map.next_value::<IgnoredAny>()?;
            if self.wants_keys {
                keys.push(key);
            }
        }
        Ok(Some(keys))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn likeliest(text: &str) -> Option<String> {
        Shape::of(text.as_bytes()).unwrap().likeliest().map(|l| l.path.clone())
    }

    #[test]
    fn the_longest_list_of_objects() {
        for (text, want) in [
            ("[{\"a\":1}]", Some("")),
            ("{\"data\":{\"stations\":[{\"id\":1},{\"id\":2}]},\"x\":[1,2,3]}", Some("data.stations")),
            ("{\"a\":[{}],\"b\":{\"c\":[{}]}}", Some("a")),
            // Nobody can write the path to it.
            ("{\"a.b\":[{}]}", None),
            // A list in a record is no list of records.
            ("{\"a\":[{\"s\":[{},{},{}]}]}", Some("a")),
            ("{\"a\":[]}", None),
        ] {
            assert_eq!(likeliest(text).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn lines_and_words() {
        let shape = Shape::of("{\"error\":\"no key\",\"n\":3}".as_bytes()).unwrap();
        let top: Vec<_> = shape.top.iter().map(|(k, v)| (k.as_str(), v.as_deref())).collect();
        assert_eq!(top, [("error", Some("no key")), ("n", Some("3"))]);
        assert!(!shape.is_lines);
        assert!(Shape::of("{\"a\":1}\n{\"a\":2}\n".as_bytes()).unwrap().is_lines);
        assert!(Shape::of("{\"a\":1} x".as_bytes()).is_err());
        assert!(Shape::of("{\"a\":".as_bytes()).is_err());
    }
}
