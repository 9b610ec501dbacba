//! References to secrets. A configuration holds where a secret is, never what
//! it is, and whatever prints a configuration prints the reference.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

/// A text that may refer to secrets: `apikey ${env:CITY_KEY}`.
///
/// `Debug`, `Display` and `Serialize` show the text as it was written. The
/// value exists only while [`Secret::resolve`]'s caller holds it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    written: String,
    parts: Vec<Part>,
}

#[derive(Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Env(String),
    File(PathBuf),
}

/// Why a text is no reference, or a reference has no value. Names the
/// reference, never a value.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("`{0}` is not closed: write `${{env:NAME}}` or `${{file:PATH}}`")]
    Unclosed(String),
    #[error("`${{{0}}}` is not a reference: write `${{env:NAME}}` or `${{file:PATH}}`")]
    Unknown(String),
    #[error("the environment variable `{0}` is not set")]
    NotSet(String),
    #[error("the file `{path}` of a secret cannot be read")]
    Unreadable { path: String, source: io::Error },
}

impl Secret {
    /// Reads the references of a text. A `$` that is not followed by `{` is a
    /// dollar sign.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(begin) = rest.find("${") {
            if begin > 0 {
                parts.push(Part::Literal(rest[..begin].to_string()));
            }
            let inner = &rest[begin + 2..];
            let end = inner.find('}').ok_or_else(|| Error::Unclosed(rest[begin..].to_string()))?;
            parts.push(match inner[..end].split_once(':') {
                Some(("env", name)) if !name.is_empty() => Part::Env(name.to_string()),
                Some(("file", path)) if !path.is_empty() => Part::File(path.into()),
                _ => return Err(Error::Unknown(inner[..end].to_string())),
            });
            rest = &inner[end + 1..];
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_string()));
        }
        Ok(Self { written: text.to_string(), parts })
    }

    /// The value. A file's last line end is no part of it.
    pub fn resolve(
        &self,
        env: &dyn Fn(&str) -> Option<String>,
        file: &dyn Fn(&Path) -> io::Result<String>,
    ) -> Result<String, Error> {
        let mut value = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => value.push_str(text),
                Part::Env(name) => value.push_str(&env(name).ok_or_else(|| Error::NotSet(name.clone()))?),
                Part::File(path) => {
                    let text = file(path)
                        .map_err(|source| Error::Unreadable { path: path.display().to_string(), source })?;
                    value.push_str(text.strip_suffix('\n').unwrap_or(&text).trim_end_matches('\r'));
                }
            }
        }
        Ok(value)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({:?})", self.written)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        (name == "KEY").then(|| "hunter2".to_string())
    }

    fn file(path: &Path) -> io::Result<String> {
        match path.to_str() {
            Some("/run/token") => Ok("swordfish\r\n".into()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    #[test]
    fn resolves_late_and_shows_only_the_reference() {
        let secret = Secret::parse("key ${env:KEY}/${file:/run/token} at $5").unwrap();
        assert_eq!(secret.resolve(&env, &file).unwrap(), "key hunter2/swordfish at $5");
        let json = serde_json::to_string(&secret).unwrap();
        for shown in [format!("{secret}"), format!("{secret:?}"), json] {
            assert!(shown.contains("key ${env:KEY}/${file:/run/token} at $5"), "{shown}");
            assert!(!shown.contains("hunter2") && !shown.contains("swordfish"), "{shown}");
        }
    }

    #[test]
    fn errors_name_the_reference() {
        for (text, want) in [
            ("${env:KEY", "`${env:KEY` is not closed: write `${env:NAME}` or `${file:PATH}`"),
            ("${KEY}", "`${KEY}` is not a reference: write `${env:NAME}` or `${file:PATH}`"),
            ("${env:}", "`${env:}` is not a reference: write `${env:NAME}` or `${file:PATH}`"),
        ] {
            assert_eq!(Secret::parse(text).unwrap_err().to_string(), want);
        }
        for (text, want) in [
            ("${env:NONE}", "the environment variable `NONE` is not set"),
            ("${file:/none}", "the file `/none` of a secret cannot be read"),
        ] {
            assert_eq!(Secret::parse(text).unwrap().resolve(&env, &file).unwrap_err().to_string(), want);
        }
    }
}
