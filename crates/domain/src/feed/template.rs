//! Texts of a request with places to fill: `…/{item}.json?key=${env:KEY}`.

use std::fmt;

use crate::config::secret::{self, Secret};

/// A text with references to secrets and places that each request fills.
///
/// `Debug` and `Display` show it as it was written, so that no value of a
/// secret is ever shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Template {
    written: String,
    parts: Vec<Part>,
}

#[derive(Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// Exactly one reference.
    Secret(Secret),
    Place(Placeholder),
}

/// What a request fills in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Placeholder {
    Item,
    Cursor,
    Page,
}

impl Placeholder {
    pub const ALL: [Placeholder; 3] = [Placeholder::Item, Placeholder::Cursor, Placeholder::Page];

    /// As it is written, with its braces.
    pub fn written(self) -> &'static str {
        match self {
            Placeholder::Item => "{item}",
            Placeholder::Cursor => "{cursor}",
            Placeholder::Page => "{page}",
        }
    }
}

/// The values of one request's places; those that are not given are empty.
#[derive(Clone, Debug, Default)]
pub struct Fill<'a> {
    pub item: Option<&'a str>,
    pub cursor: Option<&'a str>,
    pub page: Option<u64>,
}

impl Template {
    /// Reads a text. Braces around anything but a place's name are braces.
    pub fn parse(text: &str) -> Result<Self, secret::Error> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let place = Placeholder::ALL.into_iter().find(|p| rest.starts_with(p.written()));
            let (part, length) = if rest.starts_with("${") {
                let length = rest.find('}').map_or(rest.len(), |end| end + 1);
                (Part::Secret(Secret::parse(&rest[..length])?), length)
            } else if let Some(place) = place {
                (Part::Place(place), place.written().len())
            } else {
                literal.push(c);
                rest = &rest[c.len_utf8()..];
                continue;
            };
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(part);
            rest = &rest[length..];
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self { written: text.to_string(), parts })
    }

    /// The places that it has.
    pub fn places(&self) -> impl Iterator<Item = Placeholder> {
        self.parts.iter().filter_map(|part| match part {
            Part::Place(place) => Some(*place),
            Part::Literal(_) | Part::Secret(_) => None,
        })
    }

    /// The references that it has, each a secret of its own.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.parts.iter().filter_map(|part| match part {
            Part::Secret(secret) => Some(secret),
            Part::Literal(_) | Part::Place(_) => None,
        })
    }

    /// Whether it has neither places nor references.
    pub fn is_literal(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Literal(_)))
    }

    /// The address that it may become: secrets and places hold an `x`. `None`
    /// where that is no address.
    pub fn sample_url(&self) -> Option<url::Url> {
        let fill = Fill { item: Some("x"), cursor: Some("x"), page: Some(1) };
        let mut first = self.written.starts_with("${");
        let sample = self.fill_url(&fill, |_| {
            let value = if std::mem::take(&mut first) { "https://x.invalid" } else { "x" };
            Ok::<_, std::convert::Infallible>(value.to_string())
        });
        let Ok(sample) = sample;
        url::Url::parse(&sample).ok()
    }

    /// The host of an address, where it is written out.
    pub fn host(&self) -> Option<String> {
        let (_, behind) = self.written.split_once("://")?;
        let authority = behind.split(['/', '?', '#']).next()?;
        if authority.contains('{') {
            return None;
        }
        Some(self.sample_url()?.host_str()?.to_string())
    }

    /// The text with everything filled in; `secret` gives the value of a reference.
    pub fn fill<E>(
        &self,
        fill: &Fill,
        mut secret: impl FnMut(&Secret) -> Result<String, E>,
    ) -> Result<String, E> {
        self.render(fill, &mut secret, |_, value| value.to_string())
    }

    /// The address with everything filled in. What fills a place is percent-encoded;
    /// so is a secret behind the `?`. Before it a secret may be a whole address.
    pub fn fill_url<E>(
        &self,
        fill: &Fill,
        mut secret: impl FnMut(&Secret) -> Result<String, E>,
    ) -> Result<String, E> {
        self.render(fill, &mut secret, |part, value| match part {
            Behind::Place | Behind::SecretInQuery => encoded(value),
            Behind::Secret => value.to_string(),
        })
    }

    fn render<E>(
        &self,
        fill: &Fill,
        secret: &mut dyn FnMut(&Secret) -> Result<String, E>,
        written: impl Fn(Behind, &str) -> String,
    ) -> Result<String, E> {
        let mut out = String::new();
        let mut in_query = false;
        for part in &self.parts {
            match part {
                Part::Literal(text) => {
                    in_query |= text.contains('?');
                    out.push_str(text);
                }
                Part::Secret(reference) => {
                    let behind = if in_query { Behind::SecretInQuery } else { Behind::Secret };
                    out.push_str(&written(behind, &secret(reference)?));
                }
                Part::Place(place) => {
                    let page = fill.page.map(|n| n.to_string());
                    let value = match place {
                        Placeholder::Item => fill.item,
                        Placeholder::Cursor => fill.cursor,
                        Placeholder::Page => page.as_deref(),
                    };
                    out.push_str(&written(Behind::Place, value.unwrap_or_default()));
                }
            }
        }
        Ok(out)
    }
}

/// What a value came from.
enum Behind {
    Place,
    Secret,
    SecretInQuery,
}

/// Percent-encoded but for what RFC 3986, section 2.3, calls unreserved.
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte.into()),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({:?})", self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_places_and_secrets() {
        let item = Fill { item: Some("a b/ü"), cursor: Some("2024-01-01T00:00+01"), page: Some(3) };
        for (text, plain, url) in [
            ("https://h/x", "https://h/x", "https://h/x"),
            ("h/{item}.json", "h/a b/ü.json", "h/a%20b%2F%C3%BC.json"),
            (
                "h?since={cursor}&p={page}",
                "h?since=2024-01-01T00:00+01&p=3",
                "h?since=2024-01-01T00%3A00%2B01&p=3",
            ),
            ("${env:K}/x?k=${env:K}", "s&1/x?k=s&1", "s&1/x?k=s%261"),
            (
                "{\"a\": {\"item\": {item}}}",
                "{\"a\": {\"item\": a b/ü}}",
                "{\"a\": {\"item\": a%20b%2F%C3%BC}}",
            ),
            ("$5 {other} {", "$5 {other} {", "$5 {other} {"),
        ] {
            let template = Template::parse(text).unwrap();
            let secret = |s: &Secret| {
                assert_eq!(s.to_string(), "${env:K}");
                Ok::<_, ()>("s&1".to_string())
            };
            assert_eq!(template.fill(&item, secret).unwrap(), plain);
            assert_eq!(template.fill_url(&item, secret).unwrap(), url);
            assert_eq!(template.to_string(), text);
        }
    }

    #[test]
    fn what_is_not_given_is_empty_and_bad_references_are_refused() {
        let template = Template::parse("a{item}b{page}").unwrap();
        assert_eq!(template.fill(&Fill::default(), |_| Ok::<_, ()>(String::new())).unwrap(), "ab");
        assert_eq!(template.places().collect::<Vec<_>>(), [Placeholder::Item, Placeholder::Page]);
        assert!(Template::parse("x${env:").is_err() && Template::parse("${KEY}").is_err());
    }
}
