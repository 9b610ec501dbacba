//! What is wrong with a configuration, for people: file, line, column, the
//! text with a caret under it, and the way to mend it.
//!
//! Findings are collected, never thrown: a person who has made five mistakes is
//! told of five.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::{LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};
use serde_json::{Value, json};

/// The text of one configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceText {
    /// As it is shown to people: relative to the lake's root.
    pub path: PathBuf,
    pub text: String,
}

impl SourceText {
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// Line and column of a byte, both from 1, columns in characters.
    pub fn position(&self, byte: usize) -> (usize, usize) {
        let before = &self.text[..floor_boundary(&self.text, byte)];
        let start = before.rfind('\n').map_or(0, |n| n + 1);
        (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
    }
}

/// The nearest character boundary at or before `byte`.
fn floor_boundary(text: &str, byte: usize) -> usize {
    let mut byte = byte.min(text.len());
    while !text.is_char_boundary(byte) {
        byte -= 1;
    }
    byte
}

impl SourceCode for SourceText {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let found = self.text.as_str().read_span(span, before, after)?;
        Ok(Box::new(MietteSpanContents::new_named(
            self.path.display().to_string(),
            found.data(),
            *found.span(),
            found.line(),
            found.column(),
            found.line_count(),
        )))
    }
}

/// A range of bytes in a file's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// The file and the place in it; `None` where a file or folder as a whole
    /// is meant, which the message then names.
    pub place: Option<(Arc<SourceText>, Span)>,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A finding that has no place in a text.
    pub fn of_no_place(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { place: None, message: message.into(), help: Some(help.into()) }
    }

    pub fn path(&self) -> Option<&Path> {
        self.place.as_ref().map(|(source, _)| source.path.as_path())
    }

    /// Line and column, both from 1.
    pub fn position(&self) -> Option<(usize, usize)> {
        self.place.as_ref().map(|(source, span)| source.position(span.start))
    }

    fn to_json(&self) -> Value {
        let position = self.position();
        json!({
            "file": self.path().map(|p| p.display().to_string()),
            "line": position.map(|p| p.0),
            "column": position.map(|p| p.1),
            "message": self.message,
            "help": self.help,
        })
    }
}

impl fmt::Display for Diagnostic {
    /// The message alone; [`Diagnostics`] and [`Report`] show the place and the help.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Diagnostic {}

impl miette::Diagnostic for Diagnostic {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|h| Box::new(h) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.place.as_ref().map(|(source, _)| source.as_ref() as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let (_, span) = self.place.as_ref()?;
        let range = span.start..span.end.max(span.start);
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(None, range))))
    }
}

/// Everything that is wrong, in the order of files and lines.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    items: Vec<Diagnostic>,
}

impl Diagnostics {
    pub fn new(items: Vec<Diagnostic>) -> Self {
        Self { items }
    }

    pub fn items(&self) -> &[Diagnostic] {
        &self.items
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn push(&mut self, item: Diagnostic) {
        self.items.push(item);
    }

    pub(crate) fn extend(&mut self, items: impl IntoIterator<Item = Diagnostic>) {
        self.items.extend(items);
    }

    /// Orders by place. Files keep the order in which they were first named.
    pub(crate) fn sort(&mut self, files: &[Arc<SourceText>]) {
        let rank = |d: &Diagnostic| {
            let file =
                d.place.as_ref().and_then(|(source, _)| files.iter().position(|f| Arc::ptr_eq(f, source)));
            (file.map_or(0, |n| n + 1), d.place.as_ref().map(|(_, span)| *span))
        };
        self.items.sort_by_key(rank);
    }

    /// For `--json`: a list of `{file, line, column, message, help}`.
    pub fn to_json(&self) -> Value {
        Value::Array(self.items.iter().map(Diagnostic::to_json).collect())
    }
}

/// Plain text, each finding with its line and a caret, then the count.
impl Diagnostics {
    /// All of them as the message of one error: what prints it says that it is one.
    pub fn to_message(&self) -> String {
        let text = self.to_string();
        let text = text.trim_end();
        text.strip_prefix("error: ").unwrap_or(text).to_string()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for item in &self.items {
            writeln!(f, "error: {}", item.message)?;
            let mut margin = 0;
            if let Some((source, span)) = &item.place {
                margin = write_snippet(f, source, *span)?;
            }
            if let Some(help) = &item.help {
                for (n, line) in help.lines().enumerate() {
                    let lead = if n == 0 { "= help:" } else { "       " };
                    writeln!(f, "{:margin$} {lead} {line}", "")?;
                }
            }
            writeln!(f)?;
        }
        let mut files: Vec<_> = self.items.iter().filter_map(Diagnostic::path).collect();
        files.sort();
        files.dedup();
        let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
        match files.len() {
            0 => write!(f, "{}", plural(self.len(), "error")),
            n => write!(f, "{} in {}", plural(self.len(), "error"), plural(n, "file")),
        }
    }
}

/// Writes where it is and the line itself; gives the width of the line number.
fn write_snippet(f: &mut fmt::Formatter<'_>, source: &SourceText, span: Span) -> Result<usize, fmt::Error> {
    let (line, column) = source.position(span.start);
    let start = floor_boundary(&source.text, span.start);
    let line_start = source.text[..start].rfind('\n').map_or(0, |n| n + 1);
    let line_end = source.text[start..].find('\n').map_or(source.text.len(), |n| start + n);
    let text = source.text[line_start..line_end].trim_end_matches('\r');
    let shown_end = floor_boundary(&source.text, span.end).clamp(start, line_end);
    let carets = source.text[start..shown_end].trim_end().chars().count().max(1);
    // Tabs stay tabs, so that the caret stands under its text at any tab width.
    let pad: String =
        source.text[line_start..start].chars().map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let number = line.to_string();
    let width = number.len();
    writeln!(f, "{:width$}--> {}:{line}:{column}", "", source.path.display())?;
    writeln!(f, "{:width$} |", "")?;
    writeln!(f, "{number} | {text}")?;
    writeln!(f, "{:width$} | {pad}{}", "", "^".repeat(carets))?;
    Ok(width)
}

impl std::error::Error for Diagnostics {}

/// The findings for miette's reporters, which show places and help themselves
/// where [`Diagnostics`] would say everything twice.
#[derive(Clone, Debug)]
pub struct Report(pub Diagnostics);

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration has errors")
    }
}

impl std::error::Error for Report {}

impl miette::Diagnostic for Report {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        Some(Box::new(self.0.items.iter().map(|d| d as &dyn miette::Diagnostic)))
    }
}
