//! YAML text to a tree that knows where each key and value stands.
//!
//! The tree keeps scalars as they were spelled: what a word means is decided by
//! the place where it stands (`off` and `null` are ordinary words of this
//! configuration), so nothing is resolved here. Keys given twice are reported
//! here, all of them, and the first one is kept.

use std::collections::HashMap;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, ScanError, Span as ParserSpan, Tag};

use super::decode::Reporter;
use super::diagnostic::Span;

/// Deeper nesting than any sensible configuration has; protects the stack.
const MAX_DEPTH: usize = 32;
/// More nodes than any sensible file has; protects against aliases of aliases.
const MAX_NODES: usize = 200_000;

/// One value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    pub span: Span,
    pub content: Content,
}

#[derive(Clone, Debug)]
pub enum Content {
    Scalar(Scalar),
    List(Vec<Node>),
    /// Keys as they were spelled, in order, each once.
    Map(Vec<(Key, Node)>),
}

/// A scalar as it was spelled, without its quotes.
#[derive(Clone, Debug)]
pub struct Scalar {
    pub text: String,
    /// Neither quoted nor a block: it may be a number, a boolean or null.
    pub plain: bool,
    /// Bytes between the span's start and the text's first character, where
    /// the text stands in the file exactly as it is; errors within a regular
    /// expression are shown by it.
    pub verbatim: Option<usize>,
}

#[derive(Clone, Debug)]
pub struct Key {
    pub text: String,
    pub span: Span,
}

/// What a plain scalar is by the core schema of YAML 1.2.2, section 10.3.2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Literal<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
}

impl Scalar {
    pub fn literal(&self) -> Literal<'_> {
        let text = self.text.as_str();
        if !self.plain {
            return Literal::Text(text);
        }
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Literal::Null,
            "true" | "True" | "TRUE" => Literal::Bool(true),
            "false" | "False" | "FALSE" => Literal::Bool(false),
            _ => number(text).unwrap_or(Literal::Text(text)),
        }
    }
}

fn number(text: &str) -> Option<Literal<'_>> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    // Rust reads `inf`, `nan` and `infinity` as floats; YAML does not.
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if let Ok(int) = text.parse::<i64>() {
        return Some(Literal::Int(int));
    }
    text.parse::<f64>().ok().filter(|v| v.is_finite()).map(Literal::Float)
}

impl Node {
    /// What stands here, for a message that says what was expected instead.
    pub fn described(&self) -> String {
        match &self.content {
            Content::List(_) => "a list".into(),
            Content::Map(_) => "a map of keys".into(),
            Content::Scalar(scalar) => match scalar.literal() {
                Literal::Null => "nothing".into(),
                Literal::Bool(v) => format!("the boolean `{v}`"),
                Literal::Int(_) | Literal::Float(_) => format!("the number `{}`", scalar.text),
                Literal::Text("") => "an empty text".into(),
                Literal::Text(text) => format!("the text `{}`", shortened(text)),
            },
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(&self.content, Content::Scalar(s) if s.literal() == Literal::Null)
    }
}

/// The first characters of a text, for messages.
fn shortened(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    match first.char_indices().nth(40) {
        Some((cut, _)) => format!("{}…", &first[..cut]),
        None if first.len() < text.trim_end().len() => format!("{first}…"),
        None => first.to_string(),
    }
}

/// Reads the one document of a file. An empty file is a map without keys.
///
/// `None` where the text is not YAML; why is in the report.
pub fn parse(text: &str, report: &mut Reporter) -> Option<Node> {
    let mut builder =
        Builder { events: Parser::new_from_str(text), anchors: HashMap::new(), nodes: 0, text, report };
    builder.document()
}

struct Builder<'t, 'r, 's, E> {
    events: E,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    text: &'t str,
    report: &'r mut Reporter<'s>,
}

impl<'t, E> Builder<'t, '_, '_, E>
where
    E: Iterator<Item = Result<(Event<'t>, ParserSpan), ScanError>>,
{
    fn document(&mut self) -> Option<Node> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                Event::StreamEnd => break,
                _ if root.is_some() => {
                    self.report.error(
                        self.span(&span),
                        "a second document begins here",
                        "one file describes one thing: put it into a file of its own",
                    );
                    return None;
                }
                event => root = Some(self.node(event, span, 0)?),
            }
        }
        let whole = Span { start: 0, end: 0 };
        let empty = Node { span: whole, content: Content::Map(Vec::new()) };
        Some(root.filter(|node| !node.is_null()).unwrap_or(empty))
    }

    /// The next event that is not a comment.
    fn next(&mut self) -> Option<(Event<'t>, ParserSpan)> {
        loop {
            match self.events.next() {
                Some(Ok((Event::Comment(..), _))) => {}
                Some(Ok(found)) => return Some(found),
                Some(Err(error)) => {
                    let start = error.marker().byte_offset().unwrap_or(self.text.len());
                    self.report.error(
                        Span { start, end: start },
                        format!("this is not YAML: {}", error.info()),
                        "look at the indentation, the quotes and the brackets around here",
                    );
                    return None;
                }
                // The parser ends its stream with an event; nothing comes after.
                None => return Some((Event::StreamEnd, ParserSpan::default())),
            }
        }
    }

    fn node(&mut self, event: Event<'t>, at: ParserSpan, depth: usize) -> Option<Node> {
        let span = self.span(&at);
        self.nodes += 1;
        if depth > MAX_DEPTH || self.nodes > MAX_NODES {
            self.report.error(span, "nested too deeply, or too long", "no configuration needs this");
            return None;
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), span);
                let verbatim = match style {
                    ScalarStyle::Plain => Some(0),
                    ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Some(1),
                    _ => None,
                };
                let verbatim = verbatim
                    .filter(|n| self.text.get(span.start + n..).is_some_and(|t| t.starts_with(&*text)));
                let plain = style == ScalarStyle::Plain;
                let scalar = Scalar { text: text.into_owned(), plain, verbatim };
                Some(self.anchored(anchor, Node { span, content: Content::Scalar(scalar) }))
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), span);
                let mut items = Vec::new();
                let end = loop {
                    match self.next()? {
                        (Event::SequenceEnd, at) => break self.span(&at).end,
                        (event, at) => items.push(self.node(event, at, depth + 1)?),
                    }
                };
                let span = Span { start: span.start, end: end.max(span.end) };
                Some(self.anchored(anchor, Node { span, content: Content::List(items) }))
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), span);
                let mut entries: Vec<(Key, Node)> = Vec::new();
                let end = loop {
                    let (event, at) = self.next()?;
                    if let Event::MappingEnd = event {
                        break self.span(&at).end;
                    }
                    let key = self.node(event, at, depth + 1)?;
                    let (event, at) = self.next()?;
                    let value = self.node(event, at, depth + 1)?;
                    self.entry(&mut entries, key, value);
                };
                let span = Span { start: span.start, end: end.max(span.end) };
                Some(self.anchored(anchor, Node { span, content: Content::Map(entries) }))
            }
            Event::Alias(id) => {
                // The copy stands where the alias does: that is the line to look at.
                let copy = self.anchors.get(&id).cloned().map(|n| Node { span, ..n });
                self.nodes += copy.as_ref().map_or(0, count);
                if copy.is_none() {
                    self.report.error(span, "this refers to itself", "give the value here");
                }
                copy
            }
            _ => {
                self.report.error(span, "a value is missing here", "give one, or remove the key");
                None
            }
        }
    }

    fn entry(&mut self, entries: &mut Vec<(Key, Node)>, key: Node, value: Node) {
        let Content::Scalar(scalar) = key.content else {
            let message = format!("a key must be a word, not {}", key.described());
            self.report.error(key.span, message, "put a value in braces or brackets into quotes");
            return;
        };
        let key = Key { text: scalar.text, span: key.span };
        match entries.iter().find(|(known, _)| known.text == key.text) {
            Some((first, _)) => {
                let (line, _) = self.report.source().position(first.span.start);
                self.report.error(
                    key.span,
                    format!("`{}` is given twice", key.text),
                    format!("it was first given on line {line}: keep one of them"),
                );
            }
            None => entries.push((key, value)),
        }
    }

    fn anchored(&mut self, anchor: usize, node: Node) -> Node {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        node
    }

    fn refuse_tag(&mut self, tag: Option<&Tag>, span: Span) {
        if tag.is_some() {
            self.report.error(
                span,
                "tags (`!…`) are not read here",
                "remove the tag; put a text into quotes",
            );
        }
    }

    fn span(&self, span: &ParserSpan) -> Span {
        let end_of_text = self.text.len();
        Span {
            start: span.start.byte_offset().unwrap_or(end_of_text),
            end: span.end.byte_offset().unwrap_or(end_of_text),
        }
    }
}

fn count(node: &Node) -> usize {
    1 + match &node.content {
        Content::Scalar(_) => 0,
        Content::List(items) => items.iter().map(count).sum(),
        Content::Map(entries) => entries.iter().map(|(_, value)| count(value)).sum(),
    }
}
