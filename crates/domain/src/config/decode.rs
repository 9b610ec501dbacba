//! From the tree to typed declarations, collecting every error on the way.
//!
//! A declaration is written once, by [`keyed!`] or [`words!`], and gives its
//! struct, its decoder and its JSON Schema. Nothing here knows what any key
//! means.

use std::borrow::Cow;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;

use super::diagnostic::{Diagnostic, SourceText, Span};
use super::yaml::{Content, Key, Literal, Node, Scalar};

/// Collects what is wrong with one file.
pub struct Reporter<'s> {
    source: &'s Arc<SourceText>,
    found: Vec<Diagnostic>,
}

impl<'s> Reporter<'s> {
    pub fn new(source: &'s Arc<SourceText>) -> Self {
        Self { source, found: Vec::new() }
    }

    pub fn source(&self) -> &'s Arc<SourceText> {
        self.source
    }

    /// Reports what is wrong at a place and how to mend it.
    pub fn error(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        let (message, help) = (message.into(), help.into());
        // A value that several places refer to is wrong once.
        let same = |d: &Diagnostic| d.message == message && d.place.as_ref().is_some_and(|(_, s)| *s == span);
        if self.found.iter().any(same) {
            return;
        }
        self.found.push(Diagnostic {
            place: Some((self.source.clone(), span)),
            message,
            help: (!help.is_empty()).then_some(help),
        });
    }

    /// Reports a value of the wrong type.
    pub fn expected(&mut self, node: &Node, what: &str, help: impl Into<String>) {
        self.error(self.place_of(node), format!("expected {what}, found {}", node.described()), help);
    }

    pub fn finish(self) -> Vec<Diagnostic> {
        self.found
    }

    /// The place to show for a node: the node or, where nothing is written, the
    /// word before it, which is its key.
    fn place_of(&self, node: &Node) -> Span {
        if node.span.end > node.span.start {
            return node.span;
        }
        let text = &self.source.text;
        let end =
            text[..node.span.start.min(text.len())].trim_end_matches([':', ' ', '\t', '\r', '\n']).len();
        let stop = |c: char| c.is_whitespace() || matches!(c, '{' | '[' | ',' | '-');
        Span { start: text[..end].rfind(stop).map_or(0, |n| n + 1), end }
    }
}

/// A declaration, or one part of it, read from a node.
pub trait Decode: Sized + JsonSchema {
    /// `None` where the node is wrong; why is in the report then.
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self>;
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct At<T> {
    pub value: T,
    pub span: Span,
}

/// What is known of a key's value. A value that was wrong is not absent: it
/// must not be complained about a second time.
#[derive(Clone, Debug, Default)]
pub enum Slot<T> {
    #[default]
    Absent,
    Wrong,
    Given(At<T>),
}

impl<T> Slot<T> {
    pub fn get(&self) -> Option<&T> {
        self.at().map(|at| &at.value)
    }

    pub fn at(&self) -> Option<&At<T>> {
        match self {
            Slot::Given(at) => Some(at),
            Slot::Absent | Slot::Wrong => None,
        }
    }

    pub fn is_absent(&self) -> bool {
        matches!(self, Slot::Absent)
    }

    pub fn is_wrong(&self) -> bool {
        matches!(self, Slot::Wrong)
    }

    pub fn or<U>(&self, default: U) -> U
    where
        T: Clone + Into<U>,
    {
        self.get().cloned().map_or(default, Into::into)
    }
}

impl<T: Decode> Slot<T> {
    pub fn read(node: &Node, report: &mut Reporter) -> Self {
        match T::decode(node, report) {
            Some(value) => Slot::Given(At { value, span: node.span }),
            None => Slot::Wrong,
        }
    }
}

/// Walks a map's keys; `take` says whether it knows the key.
///
/// Gives `None` where the node is no map. Nothing written stands for a map
/// without keys, so that all lines below a key may be commented out.
pub fn walk(
    node: &Node,
    known: &[&str],
    required: &[&str],
    report: &mut Reporter,
    mut take: impl FnMut(&str, &Node, &mut Reporter) -> bool,
) -> Option<()> {
    let empty = Vec::new();
    let entries = match &node.content {
        Content::Map(entries) => entries,
        _ if node.is_null() => &empty,
        _ => {
            let help = if known.is_empty() {
                "there is nothing to set here: write `{}`".into()
            } else {
                format!("known here: {}", known.join(", "))
            };
            report.expected(node, "a map of keys", help);
            return None;
        }
    };
    for (key, value) in entries {
        if !take(&key.text, value, report) {
            report.error(key.span, format!("unknown key `{}`", key.text), did_you_mean(&key.text, known));
        }
    }
    // A missing key is reported, not fatal: what is there is still looked at.
    for name in required.iter().filter(|name| !entries.iter().any(|(key, _)| key.text == **name)) {
        let span = entries.first().map_or(node.span, |(key, _)| key.span);
        report.error(span, format!("`{name}` is missing"), format!("add `{name}: …` here"));
    }
    Some(())
}

/// The known word that was probably meant.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let lower = word.to_lowercase().replace(['-', ' '], "_");
    known
        .into_iter()
        .map(|k| (strsim::damerau_levenshtein(&lower, &k.to_lowercase().replace('-', "_")), k))
        .filter(|(distance, k)| *distance <= 1.max(k.len().min(lower.len()) / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, k)| k)
}

/// Help for a word that is none of those known.
pub fn did_you_mean(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "remove it".into(),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// Reports a value that is none of some words.
pub fn refuse_word(node: &Node, words: &[&str], report: &mut Reporter) {
    let (last, others) = words.split_last().expect("a declaration of words has words");
    let what = format!("`{}` or `{last}`", others.join("`, `"));
    let near = match &node.content {
        Content::Scalar(scalar) => nearest(&scalar.text, words.iter().copied()),
        Content::List(_) | Content::Map(_) => None,
    };
    let help = near.map_or("write one of these words".to_string(), |word| format!("did you mean `{word}`?"));
    report.expected(node, &what, help);
}

/// The scalar of a node.
pub fn scalar<'n>(node: &'n Node, what: &str, help: &str, report: &mut Reporter) -> Option<&'n Scalar> {
    match &node.content {
        Content::Scalar(scalar) => Some(scalar),
        _ => {
            report.expected(node, what, help);
            None
        }
    }
}

/// The text of a node, which must be a text and not look like a number.
pub fn text<'n>(node: &'n Node, what: &str, help: &str, report: &mut Reporter) -> Option<&'n str> {
    let scalar = scalar(node, what, help, report)?;
    match scalar.literal() {
        Literal::Text(text) => Some(text),
        Literal::Null => {
            report.expected(node, what, "give a value, or remove the key");
            None
        }
        _ => {
            let quoted = format!("if it is meant as text, put it into quotes: '{}'", scalar.text);
            report.expected(node, what, if help.is_empty() { &quoted } else { help });
            None
        }
    }
}

impl Decode for String {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        let text = text(node, "text", "", report)?;
        if text.contains("${env:") || text.contains("${file:") {
            report.error(
                node.span,
                "a reference (`${env:…}`, `${file:…}`) is not read here",
                "references may stand in `storage` and `landing`; write the text itself here",
            );
            return None;
        }
        Some(text.to_string())
    }
}

impl Decode for bool {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        match &node.content {
            Content::Scalar(s) if matches!(s.literal(), Literal::Bool(_)) => {
                Some(s.literal() == Literal::Bool(true))
            }
            _ => {
                report.expected(node, "`true` or `false`", "write `true` or `false`, without quotes");
                None
            }
        }
    }
}

impl Decode for u64 {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        if let Content::Scalar(s) = &node.content
            && let Literal::Int(v) = s.literal()
            && let Ok(v) = u64::try_from(v)
        {
            return Some(v);
        }
        report.expected(node, "a whole number, 0 or more", "write it in digits, without quotes");
        None
    }
}

impl Decode for f64 {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        if let Content::Scalar(s) = &node.content {
            match s.literal() {
                Literal::Int(v) => return Some(v as f64),
                Literal::Float(v) => return Some(v),
                _ => {}
            }
        }
        report.expected(node, "a number", "write it in digits, without quotes");
        None
    }
}

/// A list of values. Those that are wrong are left out: the report has them,
/// and the others are still looked at.
#[derive(Clone, Debug)]
pub struct Many<T> {
    pub items: Vec<At<T>>,
    /// How many are written.
    written: usize,
}

impl<T> Many<T> {
    pub fn one(item: At<T>) -> Self {
        Many { items: vec![item], written: 1 }
    }

    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.written == 0
    }

    /// Whether none was wrong.
    pub fn is_complete(&self) -> bool {
        self.items.len() == self.written
    }
}

impl<T: Decode> Decode for Many<T> {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        let Content::List(nodes) = &node.content else {
            report.expected(node, "a list", "write a list: `[ a, b ]`, or each on a line after `- `");
            return None;
        };
        let read = |item: &Node| Some(At { value: T::decode(item, report)?, span: item.span });
        Some(Many { items: nodes.iter().filter_map(read).collect(), written: nodes.len() })
    }
}

impl<T: JsonSchema> JsonSchema for Many<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Many_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "items": generator.subschema_for::<T>() })
    }
}

/// A list of values; a single value may stand for a list of one.
#[derive(Clone, Debug)]
pub struct OneOrMany<T>(pub Many<T>);

impl<T: Decode> Decode for OneOrMany<T> {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        if let Content::List(_) = node.content {
            return Many::decode(node, report).map(OneOrMany);
        }
        T::decode(node, report).map(|value| OneOrMany(Many::one(At { value, span: node.span })))
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let item = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [item, { "type": "array", "items": item }] })
    }
}

/// Two values in brackets, either of which may be `null`.
#[derive(Clone, Debug)]
pub struct Pair<T>(pub Option<T>, pub Option<T>);

impl<T: Decode> Decode for Pair<T> {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        const HELP: &str = "write `[least, most]`; `null` leaves a side open";
        let Content::List(items) = &node.content else {
            report.expected(node, "a list of two bounds", HELP);
            return None;
        };
        let [min, max] = items.as_slice() else {
            report.error(node.span, format!("expected two bounds, found {}", items.len()), HELP);
            return None;
        };
        let mut read = |item: &Node| {
            if item.is_null() { Some(None) } else { T::decode(item, report).map(Some) }
        };
        let (min, max) = (read(min), read(max));
        Some(Pair(min?, max?))
    }
}

impl<T: JsonSchema> JsonSchema for Pair<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Pair_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let side = generator.subschema_for::<T>();
        json_schema!({
            "type": "array",
            "items": { "anyOf": [side, { "type": "null" }] },
            "minItems": 2,
            "maxItems": 2,
        })
    }
}

/// A map whose keys are the user's own names, in order.
#[derive(Clone, Debug)]
pub struct Named<T>(pub Vec<(Key, Slot<T>)>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Named(Vec::new())
    }
}

impl<T: Decode> Decode for Named<T> {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        match &node.content {
            Content::Map(entries) => Some(Named(
                entries.iter().map(|(key, value)| (key.clone(), Slot::read(value, report))).collect(),
            )),
            _ if node.is_null() => Some(Named::default()),
            _ => {
                report.expected(node, "a map of names", "write one `name: …` on each line");
                None
            }
        }
    }
}

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Named_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["object", "null"],
            "additionalProperties": generator.subschema_for::<T>(),
        })
    }
}

/// A subschema with a description of its own.
pub fn described(schema: Schema, doc: &str) -> Schema {
    let mut schema = schema;
    if !doc.is_empty() {
        schema.insert("description".into(), json!(doc));
    }
    schema
}

/// The lines of a doc comment as one text.
pub fn prose(lines: &[&str]) -> String {
    let text: Vec<_> = lines.iter().map(|line| line.trim()).collect();
    text.join("\n").split("\n\n").map(|p| p.replace('\n', " ")).collect::<Vec<_>>().join("\n\n")
}

/// The keys of a map, as [`keyed!`] declares them.
pub trait Keyed {
    /// The keys that are written, right or wrong, in the order of the declaration.
    fn written(&self) -> Vec<&'static str>;
}

/// A struct whose fields are the keys of a map.
///
/// `field = "key": Type` is optional, `required field = …` is not; a field
/// after `..` takes the keys that are left. Each field is a [`Slot`].
macro_rules! keyed {
    (
        $(#[doc = $about:literal])*
        pub struct $name:ident {
            $( $(#[doc = $doc:literal])* $field:ident = $key:literal : $ty:ty $(, $required:ident)? ; )*
        }
        $(.. $rest:ident : $rest_ty:ty)?
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, Default)]
        pub struct $name {
            $( $(#[doc = $doc])* pub $field: $crate::config::decode::Slot<$ty>, )*
            $( pub $rest: $rest_ty, )?
        }

        impl $name {
            /// Whether the key is one of these; then its value is taken.
            pub(crate) fn take(
                &mut self,
                key: &str,
                value: &$crate::config::yaml::Node,
                report: &mut $crate::config::decode::Reporter,
            ) -> bool {
                match key {
                    $( $key => self.$field = $crate::config::decode::Slot::read(value, report), )*
                    _ => return false $( || self.$rest.take(key, value, report) )?,
                }
                true
            }

            /// Every key that is known, in the order of the declaration.
            pub fn keys() -> Vec<&'static str> {
                #[allow(unused_mut, reason = "only a declaration with a rest extends it")]
                let mut keys = vec![$($key),*];
                $( keys.extend(<$rest_ty>::keys()); )?
                keys
            }

            const REQUIRED: &'static [&'static str] =
                &[$( $( $crate::config::decode::keyed!(@required $required $key), )? )*];

            pub(crate) fn properties(
                generator: &mut ::schemars::SchemaGenerator,
            ) -> ::serde_json::Map<String, ::serde_json::Value> {
                let mut properties = ::serde_json::Map::new();
                $(
                    let schema = generator.subschema_for::<$ty>();
                    let doc = $crate::config::decode::prose(&[$($doc),*]);
                    properties.insert(
                        $key.to_string(),
                        $crate::config::decode::described(schema, &doc).to_value(),
                    );
                )*
                $( properties.extend(<$rest_ty>::properties(generator)); )?
                properties
            }
        }

        impl $crate::config::decode::Keyed for $name {
            fn written(&self) -> Vec<&'static str> {
                let mut written = Vec::new();
                $( if !self.$field.is_absent() { written.push($key); } )*
                $( written.extend(self.$rest.written()); )?
                written
            }
        }

        impl $crate::config::decode::Decode for $name {
            fn decode(
                node: &$crate::config::yaml::Node,
                report: &mut $crate::config::decode::Reporter,
            ) -> Option<Self> {
                let mut new = Self::default();
                $crate::config::decode::walk(node, &Self::keys(), Self::REQUIRED, report, |key, value, report| {
                    new.take(key, value, report)
                })?;
                Some(new)
            }
        }

        impl ::schemars::JsonSchema for $name {
            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut ::schemars::SchemaGenerator) -> ::schemars::Schema {
                let properties = Self::properties(generator);
                let mut schema = ::schemars::json_schema!({
                    "description": $crate::config::decode::prose(&[$($about),*]),
                    "type": ["object", "null"],
                    "properties": properties,
                    "additionalProperties": false,
                });
                if !Self::REQUIRED.is_empty() {
                    schema.insert("type".into(), "object".into());
                    schema.insert("required".into(), Self::REQUIRED.into());
                }
                schema
            }
        }
    };
    (@required required $key:literal) => { $key };
}
pub(crate) use keyed;

/// Words of the configuration for the values of a type.
macro_rules! words {
    ($ty:ty, $name:literal, $what:literal: $( $(#[doc = $doc:literal])* $word:literal $(| $alias:literal)* => $value:expr; )*) => {
        impl $crate::config::decode::Decode for $ty {
            fn decode(
                node: &$crate::config::yaml::Node,
                report: &mut $crate::config::decode::Reporter,
            ) -> Option<Self> {
                const WORDS: &[&str] = &[$($word),*];
                if let $crate::config::yaml::Content::Scalar(scalar) = &node.content {
                    match scalar.text.as_str() {
                        $( $word $(| $alias)* => return Some($value), )*
                        _ => {}
                    }
                }
                $crate::config::decode::refuse_word(node, WORDS, report);
                None
            }
        }

        impl ::schemars::JsonSchema for $ty {
            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut ::schemars::SchemaGenerator) -> ::schemars::Schema {
                // `null` is an ordinary word here and nothing at all to editors.
                let mut words = Vec::new();
                $(
                    let doc = $crate::config::decode::prose(&[$($doc),*]);
                    words.push(match &[$word $(, $alias)*][..] {
                        ["null"] => ::serde_json::json!({ "enum": ["null", null], "description": doc }),
                        [word] => ::serde_json::json!({ "const": word, "description": doc }),
                        words => ::serde_json::json!({ "enum": words, "description": doc }),
                    });
                )*
                ::schemars::json_schema!({ "description": $what, "oneOf": words })
            }
        }
    };
}
pub(crate) use words;
