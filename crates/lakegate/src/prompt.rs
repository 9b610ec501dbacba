//! The interactive SQL prompt: reads lines, runs statements, shows rows. What a
//! statement means and does is the session's business.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use std::time::Instant;

use arrow::array::AsArray;
use futures::StreamExt;
use lakegate_lake::output::{self, OutputFormat, TableOptions};
use lakegate_lake::session::{Error, Session, split};
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use crate::render;

const HELP: &str = "\
A statement ends with `;` and may take several lines. It can only read.

  \\d          the tables
  \\d TABLE    a table's columns
  \\?          this help
  \\q          leave; so does Ctrl-D

Tables are team.dataset.table; a shorter name does where it is the only one.
Tab completes words and names, Ctrl-C stops a statement, Ctrl-R finds an old one.";

/// How results are shown.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    pub max_rows: usize,
    pub color: bool,
}

/// Reads and runs statements until the user leaves.
///
/// Needs a terminal on standard input and a Tokio runtime; while a statement
/// runs, Ctrl-C cancels it, so no other part of the process may end on SIGINT.
///
/// # Errors
/// The terminal cannot be read or written. A wrong statement is no error: it is
/// shown, and the prompt goes on.
pub async fn run(session: Session, look: Look) -> io::Result<()> {
    let words = Arc::new(RwLock::new(Words::default()));
    // Tables' columns may take a while to list; the prompt is there at once.
    let gathering = tokio::spawn(gather(session.clone(), words.clone()));
    let history = history_file();
    let mut editor = editor(words.clone())?;
    if let Some(path) = &history {
        // A first time, or a file of another make: an empty history is no loss.
        let _ = editor.load_history(path);
    }
    writeln!(io::stdout(), "\\? for help, \\q to leave")?;
    loop {
        // Waiting for a key would block the runtime's thread.
        let (returned, line) = tokio::task::spawn_blocking(move || {
            let line = editor.readline("lakegate> ");
            (editor, line)
        })
        .await
        .map_err(io::Error::other)?;
        editor = returned;
        let line = match line {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(ReadlineError::Io(e)) => return Err(e),
            Err(other) => return Err(io::Error::other(other)),
        };
        if line.trim().is_empty() {
            continue;
        }
        // Neither a full disk nor a foreign file keeps anyone from asking.
        let _ = editor.add_history_entry(line.as_str());
        if let Some(path) = &history {
            let _ = editor.append_history(path);
        }
        match Input::of(&line) {
            Input::Leave => break,
            Input::Help => writeln!(io::stdout(), "{HELP}")?,
            Input::Tables => {
                list_tables(&session, look).await?;
                tokio::spawn(gather(session.clone(), words.clone()));
            }
            Input::Describe(table) => statement(&session, &format!("describe {table}"), look).await?,
            Input::Unknown(command) => eprintln!("there is no `{command}`; \\? lists what there is"),
            Input::Statements(all) => {
                for sql in all {
                    statement(&session, &sql, look).await?;
                }
            }
        }
    }
    gathering.abort();
    Ok(())
}

/// What was typed.
#[derive(Debug, PartialEq, Eq)]
enum Input {
    Leave,
    Help,
    Tables,
    Describe(String),
    Unknown(String),
    Statements(Vec<String>),
}

impl Input {
    fn of(text: &str) -> Self {
        let trimmed = text.trim();
        let bare = trimmed.trim_end_matches(';').trim_end();
        if matches!(bare.to_lowercase().as_str(), "exit" | "quit") {
            return Input::Leave;
        }
        if bare.eq_ignore_ascii_case("help") {
            return Input::Help;
        }
        if bare.starts_with('\\') {
            let (command, argument) = bare.split_once(char::is_whitespace).unwrap_or((bare, ""));
            return match (command, argument.trim()) {
                ("\\q", _) => Input::Leave,
                ("\\?" | "\\h", _) => Input::Help,
                ("\\d", "") => Input::Tables,
                ("\\d", table) => Input::Describe(table.to_string()),
                (other, _) => Input::Unknown(other.to_string()),
            };
        }
        let script = split(trimmed);
        let rest = Some(script.rest).filter(|r| !r.is_empty());
        Input::Statements(script.statements.into_iter().chain(rest).collect())
    }

    /// Whether Enter ends the input instead of the line.
    fn is_whole(text: &str) -> bool {
        match Input::of(text) {
            Input::Statements(_) => split(text).rest.is_empty(),
            _ => true,
        }
    }
}

/// Runs one statement and shows its rows, or what is wrong with it.
async fn statement(session: &Session, sql: &str, look: Look) -> io::Result<()> {
    let started = Instant::now();
    let shown = async {
        let (_, stream) = session.query(sql).await?;
        let options =
            TableOptions { max_rows: look.max_rows, width: render::terminal_width(), color: look.color };
        output::write(stream, OutputFormat::Table, &mut io::stdout(), options).await
    };
    // The statement ends where its future is dropped.
    let result = tokio::select! {
        result = shown => result,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            return writeln!(io::stdout(), "cancelled after {}", render::duration(started.elapsed()));
        }
    };
    match result {
        Ok(n_rows) => {
            let took = render::duration(started.elapsed());
            writeln!(io::stdout(), "({}, {took})", render::counted(n_rows, "row"))?;
        }
        Err(e) => eprintln!("{}", complaint(sql, &e, look.color)),
    }
    io::stdout().flush()
}

async fn list_tables(session: &Session, look: Look) -> io::Result<()> {
    const SQL: &str = "select team || '.' || dataset || '.' || \"table\" as \"table\", n_rows, \
                       coalesce(problem, description) as description from system.tables order by 1";
    statement(session, SQL, look).await?;
    let mut system = render::List::new(&["system", ""], look.color, render::terminal_width());
    for (name, doc) in session.system_tables() {
        system.row([format!("system.{name}"), doc]);
    }
    writeln!(io::stdout())?;
    system.print(&mut io::stdout())
}

/// A statement's error for people, with the place in it marked.
///
/// ```text
/// error: line 1, column 15: there is no table `persns`; did you mean …?
///   select * from persns
///                 ^
/// ```
pub fn complaint(sql: &str, error: &Error, color: bool) -> String {
    let (red, plain) = if color { ("\u{1b}[31m", "\u{1b}[0m") } else { ("", "") };
    let mut text = format!("{red}error{plain}: {error}");
    let line = error.at.and_then(|at| {
        let index = usize::try_from(at.line).ok()?.checked_sub(1)?;
        let before = usize::try_from(at.column).ok()?.checked_sub(1)?;
        Some((sql.lines().nth(index)?, before))
    });
    if let Some((line, before)) = line {
        // Tabs stay tabs above and below, so that the mark stands where it should.
        let indent: String = line.chars().take(before).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        text.push_str(&format!("\n  {line}\n  {indent}{red}^{plain}"));
    }
    text
}

/// `$XDG_STATE_HOME/lakegate/history`, or below `~/.local/state`; `None` where
/// neither is to be had.
fn history_file() -> Option<PathBuf> {
    let state = match std::env::var_os("XDG_STATE_HOME").map(PathBuf::from) {
        Some(dir) if dir.is_absolute() => dir,
        _ => std::env::home_dir()?.join(".local/state"),
    };
    let folder = state.join("lakegate");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}

fn editor(words: Arc<RwLock<Words>>) -> io::Result<Editor<Typist, FileHistory>> {
    let config = Config::builder().completion_type(CompletionType::List).auto_add_history(false).build();
    let mut editor = Editor::with_config(config).map_err(io::Error::other)?;
    editor.set_helper(Some(Typist { words }));
    Ok(editor)
}

/// What Tab completes.
#[derive(Clone, Debug, Default)]
struct Words {
    /// Whole names, and bare ones.
    tables: Vec<String>,
    columns: Vec<String>,
}

/// Fills in the names of tables, then of columns. A lake that cannot be listed
/// has nothing to complete; the user's own statement will say why.
async fn gather(session: Session, words: Arc<RwLock<Words>>) {
    let mut tables: Vec<String> =
        session.system_tables().into_iter().map(|(t, _)| format!("system.{t}")).collect();
    for name in session.tables().unwrap_or_default() {
        tables.push(name.to_string());
        tables.push(name.table);
    }
    tables.sort();
    tables.dedup();
    set(&words, |w| w.tables = tables);
    let Ok((_, mut rows)) = session.query("select distinct \"column\" from system.columns order by 1").await
    else {
        return;
    };
    let mut columns = Vec::new();
    while let Some(Ok(batch)) = rows.next().await {
        columns.extend(batch.column(0).as_string::<i32>().iter().flatten().map(str::to_string));
    }
    set(&words, |w| w.columns = columns);
}

fn set(words: &RwLock<Words>, change: impl FnOnce(&mut Words)) {
    change(&mut words.write().unwrap_or_else(std::sync::PoisonError::into_inner));
}

/// Completes and validates what is typed.
struct Typist {
    words: Arc<RwLock<Words>>,
}

const KEYWORDS: [&str; 56] = [
    "all",
    "and",
    "as",
    "asc",
    "between",
    "by",
    "case",
    "cast",
    "coalesce",
    "count",
    "cross",
    "date_trunc",
    "desc",
    "describe",
    "distinct",
    "else",
    "end",
    "except",
    "exists",
    "explain",
    "false",
    "from",
    "full",
    "group",
    "having",
    "ilike",
    "in",
    "inner",
    "intersect",
    "interval",
    "is",
    "join",
    "lateral",
    "left",
    "like",
    "limit",
    "max",
    "min",
    "not",
    "null",
    "nulls",
    "offset",
    "on",
    "or",
    "order",
    "outer",
    "over",
    "partition",
    "right",
    "select",
    "show",
    "sum",
    "then",
    "union",
    "where",
    "with",
];

impl Words {
    /// Where the word before the cursor begins, and what it may become.
    fn complete(&self, line: &str, cursor: usize) -> (usize, Vec<String>) {
        let before = &line[..cursor];
        let start = before
            .char_indices()
            .rev()
            .take_while(|(_, c)| c.is_alphanumeric() || matches!(c, '_' | '.' | '\\'))
            .last()
            .map_or(cursor, |(at, _)| at);
        let word = &before[start..];
        let lower = word.to_lowercase();
        let previous = before[..start].split_whitespace().next_back().unwrap_or_default().to_lowercase();
        let fits = |candidate: &&String| candidate.to_lowercase().starts_with(&lower);
        let tables = self.tables.iter().filter(fits).cloned();
        if matches!(previous.as_str(), "from" | "join" | "describe" | "table" | "columns" | "\\d") {
            return (start, tables.collect());
        }
        // `p.na`: an alias before the column.
        if let Some((_, last)) = lower.rsplit_once('.')
            && !self.tables.iter().any(|t| t.to_lowercase().starts_with(&lower))
        {
            let from = start + word.len() - last.len();
            return (
                from,
                self.columns.iter().filter(|c| c.to_lowercase().starts_with(last)).cloned().collect(),
            );
        }
        if word.is_empty() {
            return (start, Vec::new());
        }
        let shouted = word.chars().all(|c| !c.is_lowercase());
        let keywords = KEYWORDS
            .iter()
            .filter(|k| k.starts_with(&lower))
            .map(|k| if shouted { k.to_uppercase() } else { k.to_string() });
        let columns = self.columns.iter().filter(fits).cloned();
        let mut all: Vec<String> = columns.chain(keywords).chain(tables).collect();
        let mut seen = std::collections::HashSet::new();
        all.retain(|w| seen.insert(w.clone()));
        (start, all)
    }
}

impl Completer for Typist {
    type Candidate = Pair;

    fn complete(&self, line: &str, cursor: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let words = self.words.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (start, found) = words.complete(line, cursor);
        let pairs = found
            .into_iter()
            .map(|word| {
                let replacement = if needs_quotes(&word) { format!("\"{word}\"") } else { word.clone() };
                Pair { display: word, replacement }
            })
            .collect();
        Ok((start, pairs))
    }
}

/// Whether a name is reached only in quotes: letters that SQL would fold or not
/// take. Keywords in capitals are no names.
fn needs_quotes(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.');
    !word.chars().all(plain) && !KEYWORDS.contains(&word.to_lowercase().as_str())
}

impl Validator for Typist {
    fn validate(&self, typed: &mut ValidationContext) -> rustyline::Result<ValidationResult> {
        Ok(if Input::is_whole(typed.input()) {
            ValidationResult::Valid(None)
        } else {
            ValidationResult::Incomplete
        })
    }
}

impl Highlighter for Typist {}

impl Hinter for Typist {
    type Hint = String;
}

impl Helper for Typist {}

#[cfg(test)]
mod tests {
    use lakegate_lake::session::{Kind, Position};

    use super::*;

    #[test]
    fn what_was_typed() {
        let statements = |all: &[&str]| Input::Statements(all.iter().map(|s| s.to_string()).collect());
        for (text, want) in [
            ("\\q", Input::Leave),
            (" quit; ", Input::Leave),
            ("EXIT", Input::Leave),
            ("\\?", Input::Help),
            ("help", Input::Help),
            ("\\d", Input::Tables),
            ("\\d  a.b.c ;", Input::Describe("a.b.c".into())),
            ("\\x", Input::Unknown("\\x".into())),
            ("select 1; select 2;", statements(&["select 1", "select 2"])),
            ("-- nothing", statements(&[])),
        ] {
            assert_eq!(Input::of(text), want, "{text}");
        }
    }

    #[test]
    fn enter_ends_what_is_whole() {
        for (text, whole) in [
            ("", true),
            ("\\d", true),
            ("quit", true),
            ("select 1", false),
            ("select 1;", true),
            ("select ';", false),
            ("select 1; select", false),
            ("select 1; -- done", true),
        ] {
            assert_eq!(Input::is_whole(text), whole, "{text}");
        }
    }

    #[test]
    fn completions_follow_what_stands_before() {
        let words = Words {
            tables: ["demo.l.persons", "persons", "system.files"].map(String::from).into(),
            columns: ["name", "person_id", "phone"].map(String::from).into(),
        };
        let complete = |line: &str| words.complete(line, line.len());
        let some = |at: usize, found: &[&str]| (at, found.iter().map(|s| s.to_string()).collect::<Vec<_>>());
        assert_eq!(complete("sel"), some(0, &["select"]));
        assert_eq!(complete("SEL"), some(0, &["SELECT"]));
        assert_eq!(complete("select pe"), some(7, &["person_id", "persons"]));
        assert_eq!(complete("select * from pe"), some(14, &["persons"]));
        assert_eq!(complete("select * from "), some(14, &["demo.l.persons", "persons", "system.files"]));
        assert_eq!(complete("select * from system.f"), some(14, &["system.files"]));
        assert_eq!(complete("select p.ph"), some(9, &["phone"]));
        assert_eq!(complete("\\d de"), some(3, &["demo.l.persons"]));
        assert_eq!(complete("select "), some(7, &[]));
        assert_eq!(complete("select 'é', na"), some(13, &["name"]));
    }

    #[test]
    fn keywords_are_sorted_and_lower() {
        assert!(KEYWORDS.is_sorted());
        assert!(KEYWORDS.iter().all(|k| *k == k.to_lowercase()));
    }

    #[test]
    fn the_place_of_an_error_is_marked() {
        let mut error = Error {
            kind: Kind::Statement,
            message: "there is no table `x`".into(),
            at: Some(Position { line: 2, column: 7 }),
        };
        assert_eq!(
            complaint("select *\n\tfrom x", &error, false),
            "error: line 2, column 7: there is no table `x`\n  \tfrom x\n  \t     ^"
        );
        error.at = Some(Position { line: 9, column: 1 });
        assert_eq!(complaint("select *", &error, false), "error: line 9, column 1: there is no table `x`");
        error.at = None;
        assert_eq!(complaint("select *", &error, false), "error: there is no table `x`");
    }
}
