//! `status`, `files`, `parked`, `tables`: what the lake holds and what waits.

use lakegate_domain::job::FileState;
use lakegate_domain::{DatasetName, TableName};
use lakegate_lake::output::{self, OutputFormat, TableOptions};
use lakegate_lake::session::Session;
use lakegate_state::{FileFilter, Filter, StrayReason};
use serde_json::{Value, json};

use super::{Result, Shell, known_or_loaded, known_table};
use crate::cli::{Exit, Files, Parked, Tables};
use crate::context::now;
use crate::health;
use crate::render;

pub fn status(shell: &Shell) -> Result<Exit> {
    let ctx = shell.context_to_read()?;
    let status = ctx.block(ctx.store.status())?;
    let strays = ctx.block(ctx.store.list_strays())?;
    let stood = health::look(&ctx, &health::watch(&ctx)?)?;
    let unexported = ctx.block(ctx.store.failed_exports())?;
    let standing = |name: &DatasetName| stood.iter().find(|s| s.dataset == *name).map(|s| &s.standing);
    if shell.global.json {
        let datasets: Vec<_> = status
            .iter()
            .map(|s| {
                let counts: serde_json::Map<_, _> =
                    s.counts.iter().map(|(state, n)| (state.name().to_string(), json!(n))).collect();
                json!({ "dataset": s.dataset.to_string(), "files": counts,
                    "newest_commit": s.newest_commit,
                    "lag_ms": s.oldest_queued.map(|m| now().0 - m.0), "health": standing(&s.dataset) })
            })
            .collect();
        shell.print_json(&json!({ "lake": ctx.lake.name, "datasets": datasets, "strays": strays.len(),
            "failed_exports": unexported }))?;
        return Ok(Exit::Done);
    }
    shell.say(format!("lake {} in {}", ctx.lake.name, ctx.lake.root.display()))?;
    let mut list = shell.list(&[
        "dataset",
        ">committed",
        ">queued",
        ">parked",
        ">duplicates",
        "newest commit",
        "lag",
        "health",
    ]);
    for d in &ctx.lake.datasets {
        let s = status.iter().find(|s| s.dataset == d.name);
        let n = |state: FileState| render::count(s.map_or(0, |s| s.count(state)));
        let queued = s.map_or(0, |s| s.count(FileState::Queued) + s.count(FileState::Leased));
        list.row([
            d.name.to_string(),
            n(FileState::Committed),
            render::count(queued),
            n(FileState::Parked),
            n(FileState::Duplicate),
            s.and_then(|s| s.newest_commit).map_or_else(|| "never".into(), |m| render::ago(m.0, now().0)),
            s.and_then(|s| s.oldest_queued).map_or_else(String::new, |m| {
                render::duration(std::time::Duration::from_millis((now().0 - m.0).max(0) as u64))
            }),
            standing(&d.name).map_or_else(String::new, |s| s.state.name().to_string()),
        ]);
    }
    shell.print_list(&list)?;
    for s in stood.iter().filter(|s| s.standing.is_unwell()) {
        let standing = &s.standing;
        let why = match (&standing.detail, standing.age_s) {
            (Some(detail), _) => detail.clone(),
            (None, Some(age)) => format!(
                "its newest data are {} old",
                render::duration(std::time::Duration::from_secs(age.unsigned_abs()))
            ),
            (None, None) => "it has no rows yet".to_string(),
        };
        shell.say(format!("{} is {}: {why}", s.dataset, standing.state.name()))?;
    }
    let n_unreadable = strays.iter().filter(|s| s.stray.reason == StrayReason::Unreadable).count() as u64;
    let n_unmatched = strays.len() as u64 - n_unreadable;
    for (n, one, many) in [
        (
            n_unmatched,
            "file that no dataset takes, or more than one",
            "files that no dataset takes, or more than one",
        ),
        (
            n_unreadable,
            "landed file or folder that cannot be read",
            "landed files or folders that cannot be read",
        ),
    ] {
        if n > 0 {
            let what = if n == 1 { one } else { many };
            shell.say(format!("{} {what}: lakegate sql 'select * from system.strays'", render::count(n)))?;
        }
    }
    if let Some(first) = unexported.first() {
        shell.say(format!(
            "{} could not be made, such as {} {}: {}; all: lakegate sql 'select * from system.exports where error is not null'",
            render::counted(unexported.len() as u64, "export"),
            first.table,
            first.part,
            first.error.as_deref().unwrap_or_default()
        ))?;
    }
    Ok(Exit::Done)
}

pub fn files(shell: &Shell, args: &Files) -> Result<Exit> {
    let ctx = shell.context_to_read()?;
    known_or_loaded(&ctx, args.dataset.as_ref())?;
    let filter = FileFilter {
        dataset: args.dataset.clone(),
        state: args.state,
        name_like: args.name.clone(),
        limit: Some(args.limit as u32),
        ..FileFilter::default()
    };
    let files = ctx.block(ctx.store.files(&filter))?;
    if shell.global.json {
        let mut all = Vec::new();
        for f in &files {
            let mut v = serde_json::to_value(f).unwrap_or_default();
            v["file"] = json!(f.file_id.to_string());
            v["dataset"] = json!(f.dataset.to_string());
            all.push(v);
        }
        shell.print_json(&all)?;
        return Ok(Exit::Done);
    }
    let mut list = shell.list(&["file", "dataset", "name", "state", ">size", ">rows", "landed"]);
    for f in &files {
        list.row([
            f.file_id.to_string(),
            f.dataset.to_string(),
            f.path.clone(),
            f.state.name().to_string(),
            render::size(f.size_bytes),
            f.n_rows.map_or_else(String::new, render::count),
            render::ago(f.landed_at.0, now().0),
        ]);
    }
    shell.print_list(&list)?;
    if files.is_empty() {
        shell.say("no such files")?;
    }
    Ok(Exit::Done)
}

pub fn parked(shell: &Shell, args: &Parked) -> Result<Exit> {
    let ctx = shell.context_to_read()?;
    known_or_loaded(&ctx, args.dataset.as_ref())?;
    let filter = Filter { dataset: args.dataset.clone(), code: args.code, ..Filter::default() };
    let parked = ctx.block(ctx.store.parked(&filter))?;
    if shell.global.json {
        let all: Vec<_> = parked
            .iter()
            .map(|p| {
                json!({ "file": p.file_id.to_string(), "file_id": p.file_id.0, "dataset": p.dataset.to_string(),
                    "path": p.path, "landing": p.landing, "size_bytes": p.size_bytes, "code": p.code.id(),
                    "title": p.code.title(), "message": p.message, "help": p.code.hint(), "attempts": p.attempts,
                    "landed_at": p.landed_at, "parked_at": p.parked_at, "raw_gone": p.raw_gone })
            })
            .collect();
        shell.print_json(&all)?;
        return Ok(Exit::Done);
    }
    if parked.is_empty() {
        shell.say("nothing is parked")?;
        return Ok(Exit::Done);
    }
    for p in &parked {
        shell.say(format!(
            "{}  {}  {}  {}  parked {}",
            p.file_id,
            p.dataset,
            render::visible(&p.path),
            render::size(p.size_bytes),
            render::ago(p.parked_at.0, now().0)
        ))?;
        shell.say(format!("    {} {}: {}", p.code.id(), p.code.title(), p.message))?;
        shell.say(format!("    help: {}", p.code.hint()))?;
    }
    shell.say("send again: lakegate redrive FILE… · --code CODE · --all")?;
    Ok(Exit::Done)
}

pub fn tables(shell: &Shell, args: &Tables) -> Result<Exit> {
    if let Some(table) = &args.drop {
        return super::drop::drop_table(shell, table, args.yes);
    }
    let session = super::sql::session(shell)?;
    if let Some(table) = &args.table {
        return one_table(shell, &session, table);
    }
    let sql = "select * from system.tables order by team, dataset, \"table\"";
    let format = if shell.global.json { OutputFormat::Json } else { OutputFormat::Table };
    let options = TableOptions { max_rows: 10_000, width: shell.width, color: shell.color };
    let mut out = std::io::BufWriter::new(std::io::stdout());
    shell.runtime.block_on(async {
        let (_, stream) = session.query(sql).await?;
        output::write(stream, format, &mut out, options).await
    })?;
    std::io::Write::flush(&mut out)?;
    Ok(Exit::Done)
}

/// Commits that `tables TABLE` shows.
const NEWEST_COMMITS: usize = 10;

fn one_table(shell: &Shell, session: &Session, table: &TableName) -> Result<Exit> {
    known_table(session, table)?;
    let is_it = format!(
        "team = '{}' and dataset = '{}' and \"table\" = '{}'",
        quoted(&table.team),
        quoted(&table.dataset),
        quoted(&table.table)
    );
    let facts = super::sql::rows(shell, session, &format!("select * from system.tables where {is_it}"))?;
    let facts = facts.into_iter().next().unwrap_or_default();
    let columns = super::sql::rows(
        shell,
        session,
        &format!(
            "select \"column\", type, unit, description from system.columns where {is_it} order by ordinal"
        ),
    )?;
    let commits = super::sql::rows(
        shell,
        session,
        &format!(
            "select version, operation, n_files, n_rows, n_added, n_removed, size_bytes, committed_at \
             from system.commits where table_name = '{}' order by version desc limit {NEWEST_COMMITS}",
            quoted(&table.to_string())
        ),
    )?;
    if shell.global.json {
        let mut all = facts;
        all.insert("columns".into(), json!(columns));
        all.insert("commits".into(), json!(commits));
        shell.print_json(&all)?;
        return Ok(Exit::Done);
    }
    let number = |row: &Row, key: &str| row.get(key).and_then(Value::as_u64).unwrap_or(0);
    let text = |row: &Row, key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_string();
    if let Some(problem) = facts.get("problem").and_then(Value::as_str) {
        shell.say(format!("{table}: {problem}"))?;
    } else {
        let partitions: Vec<&str> =
            facts["partition_columns"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        shell.say(format!(
            "{table}: version {}, {} in {}, {}, {}",
            number(&facts, "version"),
            render::counted(number(&facts, "n_rows"), "row"),
            render::counted(number(&facts, "n_files"), "data file"),
            render::size(number(&facts, "size_bytes")),
            match partitions[..] {
                [] => "not partitioned".to_string(),
                _ => format!("partitioned by {}", partitions.join(", ")),
            }
        ))?;
    }
    let mut list = shell.list(&["column", "type", "unit", "description"]);
    for c in &columns {
        list.row(["column", "type", "unit", "description"].map(|key| text(c, key)));
    }
    shell.print_list(&list)?;
    let mut list = shell.list(&[">version", "commit", ">files", ">rows", ">added", ">removed", "when"]);
    for c in &commits {
        let count = |key: &str| render::count(number(c, key));
        list.row([
            number(c, "version").to_string(),
            text(c, "operation"),
            count("n_files"),
            count("n_rows"),
            count("n_added"),
            count("n_removed"),
            text(c, "committed_at"),
        ]);
    }
    shell.print_list(&list)?;
    Ok(Exit::Done)
}

type Row = serde_json::Map<String, Value>;

/// A name inside an SQL text.
fn quoted(name: &str) -> String {
    name.replace('\'', "''")
}
