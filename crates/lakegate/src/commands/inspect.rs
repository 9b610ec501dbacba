//! `status`, `files`, `parked`, `tables`: what the lake holds and what waits.

use lakegate_domain::job::FileState;
use lakegate_state::{FileFilter, Filter};
use serde_json::json;

use super::run::print_list;
use super::{Result, Shell, Stop};
use crate::cli::{Exit, Files, Parked, Tables};
use crate::context::now;
use crate::render;

pub fn status(shell: &Shell) -> Result<Exit> {
    let ctx = shell.context()?;
    let status = ctx.block(ctx.store.status())?;
    let strays = ctx.block(ctx.store.list_strays())?;
    if shell.global.json {
        let datasets: Vec<_> = status
            .iter()
            .map(|s| {
                let counts: serde_json::Map<_, _> =
                    s.counts.iter().map(|(state, n)| (state.name().to_string(), json!(n))).collect();
                json!({ "dataset": s.dataset.to_string(), "files": counts,
                    "newest_commit_ms": s.newest_commit.map(|m| m.0),
                    "lag_ms": s.oldest_queued.map(|m| now().0 - m.0) })
            })
            .collect();
        shell.print_json(&json!({ "lake": ctx.lake.name, "datasets": datasets, "strays": strays.len() }))?;
        return Ok(Exit::Done);
    }
    shell.say(format!("lake {} in {}", ctx.lake.name, ctx.lake.root.display()))?;
    let mut list =
        shell.list(&["dataset", "committed", "queued", "parked", "duplicates", "newest commit", "lag"]);
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
        ]);
    }
    print_list(shell, &list)?;
    if !strays.is_empty() {
        shell.say(format!(
            "{} no dataset takes: lakegate sql 'select * from system.strays'",
            render::counted(strays.len() as u64, "file")
        ))?;
    }
    Ok(Exit::Done)
}

pub fn files(shell: &Shell, args: &Files) -> Result<Exit> {
    let ctx = shell.context()?;
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
    let mut list = shell.list(&["file", "dataset", "name", "state", "size", "rows", "landed"]);
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
    print_list(shell, &list)?;
    if files.is_empty() {
        shell.say("no such files")?;
    }
    Ok(Exit::Done)
}

pub fn parked(shell: &Shell, args: &Parked) -> Result<Exit> {
    let ctx = shell.context()?;
    let filter = Filter { dataset: args.dataset.clone(), code: args.code, ..Filter::default() };
    let parked = ctx.block(ctx.store.parked(&filter))?;
    if shell.global.json {
        let all: Vec<_> = parked
            .iter()
            .map(|p| {
                json!({ "file": p.file_id.to_string(), "file_id": p.file_id.0, "dataset": p.dataset.to_string(),
                    "path": p.path, "landing": p.landing, "size_bytes": p.size_bytes, "code": p.code.id(),
                    "title": p.code.title(), "message": p.message, "help": p.code.hint(), "attempts": p.attempts,
                    "landed_at_ms": p.landed_at.0, "parked_at_ms": p.parked_at.0, "raw_gone": p.raw_gone })
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
            p.path,
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
    let session = super::sql::session(shell)?;
    let sql = match &args.table {
        None => "select * from system.tables order by team, dataset, \"table\"".to_string(),
        Some(t) => {
            if !session.tables()?.contains(t) {
                let all: Vec<String> = session.tables()?.iter().map(ToString::to_string).collect();
                return Err(Stop::Usage(format!("there is no table `{t}`; the lake has {}", all.join(", "))));
            }
            format!(
                "select \"column\", type, unit, description from system.columns where team = '{}' and dataset = '{}' \
                 and \"table\" = '{}' order by ordinal",
                t.team, t.dataset, t.table
            )
        }
    };
    let format = match shell.global.json {
        true => lakegate_lake::output::OutputFormat::Json,
        false => lakegate_lake::output::OutputFormat::Table,
    };
    let options =
        lakegate_lake::output::TableOptions { max_rows: 10_000, width: shell.width, color: shell.color };
    let mut out = std::io::BufWriter::new(std::io::stdout());
    shell.runtime.block_on(async {
        let (_, stream) = session.query(&sql).await?;
        lakegate_lake::output::write(stream, format, &mut out, options).await
    })?;
    std::io::Write::flush(&mut out)?;
    Ok(Exit::Done)
}
