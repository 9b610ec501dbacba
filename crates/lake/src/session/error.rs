//! The engine's errors as sentences for people.

use std::fmt;

use datafusion::common::{Column, Diagnostic, SchemaError};
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;
use deltalake::DeltaTableError;

use crate::catalog::{CLOSE, closeness};

/// What was wrong with a statement or its execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub kind: Kind,
    /// A sentence: what happened and what to do.
    pub message: String,
    /// Where in the statement, where it is known.
    pub at: Option<Position>,
}

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The statement is wrong: it does not parse, or names what is not there.
    Statement,
    /// The statement does more than read.
    Refused,
    /// It needs more memory than it may have.
    Memory,
    /// It failed while it ran.
    Failed,
}

/// A place in a statement; both count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub line: u64,
    pub column: u64,
}

impl Position {
    /// Takes the first place out of a sentence that says one.
    pub fn split(sentence: &str) -> (Option<Self>, String) {
        let found = sentence.match_indices("line ").find_map(|(start, word)| {
            let rest = &sentence[start + word.len()..];
            let (line, rest) = rest.split_once(", column ")?;
            let (column, rest) = rest.split_once(": ")?;
            let place = Position { line: line.parse().ok()?, column: column.parse().ok()? };
            Some((place, format!("{}{rest}", &sentence[..start])))
        });
        match found {
            Some((place, sentence)) => (Some(place), sentence),
            None => (None, sentence.to_string()),
        }
    }

    /// The byte of a text that stands here.
    pub fn byte_of(self, text: &str) -> Option<usize> {
        let line = usize::try_from(self.line).ok()?.checked_sub(1)?;
        let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
        let column = usize::try_from(self.column).ok()?.checked_sub(1)?;
        let within = text.get(start..)?.char_indices().nth(column).map(|(at, _)| at);
        Some(start + within.unwrap_or_default())
    }
}

impl Error {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), at: None }
    }

    pub(crate) fn statement(message: impl Into<String>) -> Self {
        Self::new(Kind::Statement, message)
    }

    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(Kind::Refused, message)
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, message)
    }

    /// Says where, unless that is known already.
    pub(crate) fn at(mut self, at: Option<Position>) -> Self {
        self.at = self.at.or(at);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Position { line, column }) = self.at {
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<DataFusionError> for Error {
    fn from(e: DataFusionError) -> Self {
        explain(&e)
    }
}

/// Finds the cause below the engine's layers and says it in a sentence.
fn explain(e: &DataFusionError) -> Error {
    match e {
        DataFusionError::Diagnostic(diagnostic, cause) => explain(cause).at(position(diagnostic)),
        DataFusionError::Context(_, cause) => explain(cause),
        DataFusionError::Shared(cause) => explain(cause),
        DataFusionError::Collection(all) => match all.first() {
            Some(first) => explain(first),
            None => Error::failed("the statement failed"),
        },
        DataFusionError::SQL(parser, _) => syntax(parser),
        DataFusionError::SchemaError(schema, _) => names(schema),
        DataFusionError::ResourcesExhausted(detail) if detail.contains("disk space") => Error::new(
            Kind::Memory,
            "the statement spills more rows to disk than it may; narrow it with `where` or `limit`",
        ),
        DataFusionError::ResourcesExhausted(detail) => {
            // Which operator asked for how much helps nobody but developers.
            tracing::debug!(detail, "a statement ran out of memory");
            Error::new(
                Kind::Memory,
                "the statement needs more memory than it may use; narrow it with `where`, group by fewer \
                 columns, or raise `memory` in lake.yaml",
            )
        }
        DataFusionError::External(cause) => external(cause.as_ref()),
        DataFusionError::ObjectStore(cause) => storage(cause),
        DataFusionError::ArrowError(cause, _) => match cause.as_ref() {
            arrow::error::ArrowError::DivideByZero => {
                Error::failed("division by zero; `nullif(x, 0)` makes it null")
            }
            arrow::error::ArrowError::ExternalError(cause) => external(cause.as_ref()),
            other => Error::failed(sentence(&other.to_string())),
        },
        DataFusionError::ParquetError(cause) => match cause.as_ref() {
            deltalake::parquet::errors::ParquetError::External(cause) => external(cause.as_ref()),
            other => data_file(&other.to_string()),
        },
        DataFusionError::Plan(detail) => Error::statement(planning(detail)),
        DataFusionError::NotImplemented(detail) => {
            Error::statement(format!("this is not supported: {}", sentence(detail)))
        }
        // Also how the planner says that it knows no function at all like this one.
        DataFusionError::Internal(detail) => {
            Error::failed(format!("the SQL engine failed on this statement: {}", sentence(detail)))
        }
        DataFusionError::Execution(detail) => Error::failed(sentence(detail)),
        other => Error::failed(sentence(&other.message())),
    }
}

/// An error that was carried through the engine.
fn external(cause: &(dyn std::error::Error + Send + Sync + 'static)) -> Error {
    if let Some(ours) = cause.downcast_ref::<Error>() {
        return ours.clone();
    }
    if let Some(inner) = cause.downcast_ref::<DataFusionError>() {
        return explain(inner);
    }
    if let Some(store) = cause.downcast_ref::<object_store::Error>() {
        return storage(store);
    }
    if let Some(DeltaTableError::ObjectStore { source }) = cause.downcast_ref::<DeltaTableError>() {
        return storage(source);
    }
    Error::failed(sentence(&cause.to_string()))
}

/// A Parquet reader's error, which may hold the storage's as text only.
fn data_file(text: &str) -> Error {
    match text.split_once("Object at location ").and_then(|(_, rest)| rest.split_once(" not found")) {
        Some((path, _)) => missing(path),
        None => Error::failed(format!("a data file cannot be read: {}", sentence(text))),
    }
}

fn missing(path: &str) -> Error {
    Error::failed(format!(
        "the data file {path} is missing; it may have been cleaned up while the statement ran: run it again, \
         and if it fails still, `lakegate prove` says what is missing"
    ))
}

fn storage(e: &object_store::Error) -> Error {
    match e {
        object_store::Error::NotFound { path, .. } => missing(path),
        other => Error::failed(format!("the storage failed: {}", sentence(&other.to_string()))),
    }
}

/// The planner's messages that people meet most, in shorter words.
fn planning(detail: &str) -> String {
    let quoted = |mark: char| detail.split(mark).nth(1).unwrap_or_default();
    if detail.starts_with("Invalid function '") {
        let name = quoted('\'');
        let close = detail
            .split_once("Did you mean '")
            .map(|(_, rest)| rest.trim_end_matches(['?', '\'']))
            .filter(|suggested| closeness(name, suggested) >= CLOSE);
        return match close {
            Some(suggested) => format!("there is no function `{name}`; did you mean `{suggested}`?"),
            None => format!("there is no function `{name}`; `show functions` lists them"),
        };
    }
    if detail.contains("must appear in the GROUP BY clause") {
        let column =
            detail.split_once("column \"").and_then(|(_, rest)| rest.split_once('"')).map(|(c, _)| c);
        let column = column.unwrap_or("which is not aggregated");
        return format!(
            "the column `{column}` must be in `group by` or inside an aggregate such as `max(…)`"
        );
    }
    if detail.contains("failed to match any signature")
        && let Some((_, received)) = detail.split_once("but received ")
    {
        let kind = received.split(" (").next().unwrap_or(received).to_lowercase();
        return format!("the function `{}` does not take arguments of type {kind}", quoted('\''));
    }
    sentence(detail)
}

fn syntax(e: &ParserError) -> Error {
    let (detail, at) = match e {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => split_position(text),
        ParserError::RecursionLimitExceeded => ("it is nested too deeply", None),
    };
    let detail = detail
        .replace("Expected: ", "expected ")
        .replace(", found: EOF", ", found its end")
        .replace(", found: ", ", found ");
    Error::statement(format!("the statement cannot be understood: {}", sentence(&detail))).at(at)
}

/// Takes `at Line: 1, Column: 8` off the end of a parser's message.
fn split_position(text: &str) -> (&str, Option<Position>) {
    let Some((detail, place)) = text.rsplit_once(" at Line: ") else { return (text, None) };
    let position = place.split_once(", Column: ").and_then(|(line, column)| {
        let digits: String = column.chars().take_while(char::is_ascii_digit).collect();
        Some(Position { line: line.trim().parse().ok()?, column: digits.parse().ok()? })
    });
    match position {
        Some(p) => (detail, Some(p)),
        None => (text, None),
    }
}

fn names(e: &SchemaError) -> Error {
    match e {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let at = field.spans().first().map(|s| Position { line: s.start.line, column: s.start.column });
            Error::statement(unknown_column(field, valid_fields)).at(at)
        }
        SchemaError::AmbiguousReference { field } => Error::statement(format!(
            "column `{}` is in more than one of the tables; write the table's name or alias before it",
            field.name
        )),
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => {
            Error::statement(format!("two columns are called `{name}`; rename one with `as`"))
        }
    }
}

fn unknown_column(wanted: &Column, valid: &[Column]) -> String {
    let shown = |c: &Column| match &c.relation {
        Some(table) if wanted.relation.is_some() => format!("{}.{}", table.table(), c.name),
        _ => c.name.clone(),
    };
    let written = shown(wanted);
    let lower = wanted.name.to_lowercase();
    let start = format!("there is no column `{written}`");
    if let Some(cased) = valid.iter().find(|c| c.name != lower && c.name.to_lowercase() == lower) {
        return format!(
            "{start}; the column `{0}` has capital letters and must be written in double quotes: \"{0}\"",
            cased.name
        );
    }
    let mut scored: Vec<(f64, String)> = valid
        .iter()
        .map(|c| (closeness(&lower, &c.name.to_lowercase()), shown(c)))
        .filter(|(score, _)| *score >= CLOSE)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.dedup_by(|a, b| a.1 == b.1);
    if let Some((_, best)) = scored.first() {
        return format!("{start}; did you mean `{best}`?");
    }
    const LISTED: usize = 12;
    let mut all: Vec<String> = valid.iter().take(LISTED).map(|c| format!("`{}`", shown(c))).collect();
    if valid.len() > LISTED {
        all.push(format!("and {} more", valid.len() - LISTED));
    }
    if all.is_empty() { start } else { format!("{start}; the columns are {}", all.join(", ")) }
}

fn position(diagnostic: &Diagnostic) -> Option<Position> {
    diagnostic.span.map(|s| Position { line: s.start.line, column: s.start.column })
}

/// One line without the engine's headings and traces.
pub(crate) fn sentence(text: &str) -> String {
    const HEADINGS: [&str; 21] = [
        "DataFusion error: ",
        "Error during planning: ",
        "Execution error: ",
        "External error: ",
        "External: ",
        "Arrow error: ",
        "ArrowError: ",
        "Schema error: ",
        "SQL error: ",
        "Internal error: ",
        "This feature is not implemented: ",
        "Not yet implemented: ",
        "Invalid argument error: ",
        "Cast error: ",
        "Compute error: ",
        "Parser error: ",
        "Parquet error: ",
        "Object Store error: ",
        "Kernel error: ",
        "Json error: ",
        "Generic DeltaTable error: ",
    ];
    let mut text = text.split("\nThis issue was likely caused by").next().unwrap_or(text);
    text = text.split("\n\nbacktrace:").next().unwrap_or(text);
    // A trace as the standard library prints it.
    text = text.split("\n   0: ").next().unwrap_or(text);
    text = text.split("\n  0: ").next().unwrap_or(text);
    // What a library holds in memory says nothing to people.
    if text.contains("ParsedLogPath {") {
        return "files of its log are missing: the versions in `_delta_log` do not follow one another".into();
    }
    while let Some(rest) = HEADINGS.iter().find_map(|h| text.strip_prefix(h)) {
        text = rest;
    }
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for heading in HEADINGS {
        line = line.replace(heading, "");
    }
    for kind in ["Utf8View", "LargeUtf8", "Utf8"] {
        line = line.replace(kind, "string");
    }
    while line.ends_with('.') {
        line.pop();
    }
    // A sentence goes on in small letters, unless it begins with a name.
    let mut chars = line.chars();
    match (chars.next(), chars.next()) {
        (Some(first), Some(second)) if first.is_uppercase() && (second.is_lowercase() || second == ' ') => {
            let rest = &line[first.len_utf8()..];
            format!("{}{rest}", first.to_lowercase())
        }
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_go_out_of_sentences_and_into_texts() {
        let error = Error { at: Some(Position { line: 2, column: 3 }), ..Error::failed("too much") };
        let (place, rest) = Position::split(&format!("it failed: {error}"));
        assert_eq!((place, rest.as_str()), (error.at, "it failed: too much"));
        assert_eq!(Position::split("line 7 is wrong: no").0, None);
        for (line, column, want) in [(1, 1, "select"), (2, 3, "ö, b"), (2, 4, ", b"), (3, 9, "")] {
            let text = "select\n  ö, b\nfrom";
            let at = Position { line, column }.byte_of(text).unwrap();
            assert!(text[at..].starts_with(want), "{line}:{column}");
        }
    }

    #[test]
    fn headings_go_and_sentences_stay() {
        for (text, want) in [
            (
                "Arrow error: Cast error: Cannot cast string 'x' to value of Int64 type",
                "cannot cast string 'x' to value of Int64 type",
            ),
            ("No function matches.\n  Candidates:\n a", "no function matches. Candidates: a"),
            ("Oops.\nThis issue was likely caused by a bug in DataFusion's code.", "oops"),
            ("UTF-8 is wrong", "UTF-8 is wrong"),
            ("", ""),
        ] {
            assert_eq!(sentence(text), want, "{text}");
        }
    }

    #[test]
    fn an_error_of_ours_survives_the_engine() {
        let ours = Error::new(Kind::Memory, "too much").at(Some(Position { line: 2, column: 3 }));
        let carried = DataFusionError::External(Box::new(ours.clone()));
        let wrapped = DataFusionError::Context("Optimizer rule 'x' failed".into(), Box::new(carried));
        assert_eq!(Error::from(wrapped), ours);
        assert_eq!(ours.to_string(), "line 2, column 3: too much");
    }
}
