//! `sql`: a statement, a file of statements, or the prompt.

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lakegate_lake::output::{self, OutputFormat, TableOptions};
use lakegate_lake::session::{Position, Script, Session};
use tempfile::TempPath;

use super::{Result, Shell, Stop};
use crate::cli::{Exit, Sql};
use crate::context::{Context, ledger_path, ledger_to_read, spill_to_read};
use crate::system::Ledger;

/// A session over a lake, its ledger included. Reading needs no lock: a lake
/// that another process works on is asked all the same.
pub fn session(shell: &Shell) -> Result<Session> {
    let lake = shell.lake_to_read()?;
    let path = ledger_path(&lake.storage);
    let store = match path.exists() {
        true => Some(shell.runtime.block_on(ledger_to_read(&lake.storage))?),
        false => None,
    };
    let spill = spill_to_read(&lake.storage);
    Ok(Session::new(lake.storage.clone(), lake.memory_bytes, &spill, Arc::new(Ledger(store)))?)
}

pub fn session_of(ctx: &Context) -> Result<Session> {
    let ledger = Arc::new(Ledger(Some(ctx.store.clone())));
    Ok(Session::new(ctx.lake.storage.clone(), ctx.lake.memory_bytes, &ctx.spill, ledger)?)
}

pub fn sql(shell: &Shell, args: &Sql) -> Result<Exit> {
    let session = session(shell)?;
    let text = match (&args.statement, &args.file) {
        (Some(s), _) if s == "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            Some(text)
        }
        (Some(s), _) => Some(s.clone()),
        (None, Some(file)) => Some(
            std::fs::read_to_string(file).map_err(|e| Stop::Usage(format!("`{}`: {e}", file.display())))?,
        ),
        (None, None) => None,
    };
    let Some(text) = text else {
        if !std::io::stdin().is_terminal() {
            return Err(Stop::Usage("name a statement, or `-` to read it from standard input".into()));
        }
        let look = crate::prompt::Look { max_rows: args.max_rows, color: shell.color };
        shell.runtime.block_on(crate::prompt::run(session, look))?;
        return Ok(Exit::Done);
    };
    let Script { statements, rest } = lakegate_lake::session::split(&text);
    let mut all = statements;
    if !rest.trim().is_empty() {
        all.push(rest);
    }
    if all.is_empty() {
        return Err(Stop::Usage("there is no statement".into()));
    }
    let format = format_of(shell, args.format, args.output.as_deref())?;
    if all.len() > 1 && args.output.is_some() {
        return Err(Stop::Usage("--output takes one statement".into()));
    }
    if all.len() > 1 && format.is_binary() {
        return Err(Stop::Usage(format!(
            "as {format} a result is one document, and there are {} statements: ask for each alone",
            all.len()
        )));
    }
    let options = TableOptions { max_rows: args.max_rows, width: shell.width, color: shell.color };
    let mut end = 0;
    for statement in &all {
        // Statements are parts of the text, in its order.
        let start = end + text[end..].find(statement).unwrap_or_default();
        end = (start + statement.len()).min(text.len());
        let mut out = Out::open(args.output.as_deref())?;
        let done = shell.runtime.block_on(async {
            let (_, stream) = session.query(statement).await?;
            output::write(stream, format, &mut out.writer, options).await
        });
        if let Err(mut e) = done {
            use lakegate_lake::session::Kind;
            if !matches!(e.kind, Kind::Statement | Kind::Refused) {
                return Err(e.into());
            }
            e.at = e.at.map(|at| in_whole(&text[..start], at));
            let text = crate::prompt::complaint(&text, &e, shell.color);
            return Err(Stop::Usage(text.trim_start_matches("error: ").to_string()));
        }
        out.finish()?;
    }
    Ok(Exit::Done)
}

/// The form of a result: the one that is asked for, else what the file's name says,
/// else a table on a terminal and CSV anywhere else.
///
/// # Errors
/// The file's name says none; bytes that are noise on a terminal.
pub fn format_of(shell: &Shell, asked: Option<OutputFormat>, output: Option<&Path>) -> Result<OutputFormat> {
    let to_terminal = output.is_none() && std::io::stdout().is_terminal();
    let format = match (asked, output) {
        (Some(f), _) => f,
        (None, Some(path)) => OutputFormat::of_path(path).ok_or_else(|| {
            Stop::Usage(format!("`{}` does not say a format by its ending; add --format", path.display()))
        })?,
        (None, None) if shell.global.json => OutputFormat::Json,
        (None, None) if to_terminal => OutputFormat::Table,
        (None, None) => OutputFormat::Csv,
    };
    match to_terminal && format.is_binary() {
        true => Err(Stop::Usage(format!("{format} is not for a terminal; add --output FILE"))),
        false => Ok(format),
    }
}

/// A place in one statement as a place in the text in which it comes after `before`.
fn in_whole(before: &str, at: Position) -> Position {
    let last_line = before.rfind('\n').map_or(before, |n| &before[n + 1..]);
    Position {
        line: at.line + before.matches('\n').count() as u64,
        column: if at.line == 1 { at.column + last_line.chars().count() as u64 } else { at.column },
    }
}

/// Where a result goes. A file appears whole, once the statement has ended well:
/// until then whatever had its name stays.
pub struct Out {
    pub writer: BufWriter<Box<dyn Write + Send>>,
    /// The file that is being written, gone when dropped, and what it becomes.
    aside: Option<(TempPath, PathBuf)>,
}

impl Out {
    pub fn open(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else {
            return Ok(Self { writer: BufWriter::new(Box::new(std::io::stdout())), aside: None });
        };
        let cannot = |e: std::io::Error| Stop::Usage(format!("`{}`: {e}", path.display()));
        // A link stays one.
        let target = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        if target.exists() && !target.is_file() {
            let device = File::options().write(true).open(&target).map_err(cannot)?;
            return Ok(Self { writer: BufWriter::new(Box::new(device)), aside: None });
        }
        let folder = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(".lakegate-").suffix(".part");
        // As any new file; a temporary one is its owner's alone.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let (file, aside) = builder.tempfile_in(folder).map_err(cannot)?.into_parts();
        Ok(Self { writer: BufWriter::new(Box::new(file)), aside: Some((aside, target)) })
    }

    pub fn finish(mut self) -> Result<()> {
        self.writer.flush()?;
        if let Some((aside, target)) = self.aside {
            aside.persist(target).map_err(|e| e.error)?;
        }
        Ok(())
    }
}

/// A statement's rows as JSON objects, for commands that show some of them.
pub fn rows(
    shell: &Shell,
    session: &Session,
    sql: &str,
) -> Result<Vec<serde_json::Map<String, serde_json::Value>>> {
    let mut buffer: Vec<u8> = Vec::new();
    shell.runtime.block_on(async {
        let (_, stream) = session.query(sql).await?;
        output::write(stream, OutputFormat::Json, &mut buffer, TableOptions::default()).await
    })?;
    serde_json::from_slice(&buffer)
        .map_err(|e| Stop::Failed(lakegate_domain::Failure::new(lakegate_domain::Code::Bug, e.to_string())))
}
