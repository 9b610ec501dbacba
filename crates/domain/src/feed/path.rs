//! Paths into an answer: `data.list.id`, `body.route@tag`.

use std::fmt;

/// A path into a JSON or XML document: keys or element names from the root
/// on. Lists on the way are gone through item by item. `@name` at the end
/// takes an attribute; `.` alone is the document itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    pub keys: Vec<String>,
    pub attribute: Option<String>,
}

/// Why a text is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("`{0}` is no path")]
    Empty(String),
    #[error("`{0}` has brackets")]
    Brackets(String),
}

impl Path {
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if text.contains(['[', ']']) {
            return Err(PathError::Brackets(text.to_string()));
        }
        let (keys, attribute) = match text.split_once('@') {
            Some((keys, attribute)) => (keys, Some(attribute.to_string())),
            None => (text, None),
        };
        let keys: Vec<String> = match keys {
            "." => Vec::new(),
            keys => keys.split('.').map(str::to_string).collect(),
        };
        let bad_attribute = attribute.as_ref().is_some_and(|a| a.is_empty() || a.contains(['@', '.']));
        if keys.iter().any(String::is_empty) || bad_attribute {
            return Err(PathError::Empty(text.to_string()));
        }
        Ok(Self { keys, attribute })
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.keys.is_empty() {
            true => f.write_str(".")?,
            false => f.write_str(&self.keys.join("."))?,
        }
        self.attribute.as_ref().map_or(Ok(()), |attribute| write!(f, "@{attribute}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for text in ["a", "data.list.id", "body.route@tag", ".", ".@id"] {
            assert_eq!(Path::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "a..b", ".a", "a.", "a@", "a@b@c", "@b", "a@b.c"] {
            assert!(matches!(Path::parse(text), Err(PathError::Empty(_))), "{text}");
        }
        assert!(matches!(Path::parse("a[].b"), Err(PathError::Brackets(_))));
    }
}
