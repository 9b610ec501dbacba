//! `redrive`, `replay`, `maintain`.

use lakegate_domain::Code;
use lakegate_state::Filter;
use serde_json::json;

use super::{Result, Shell, Stop, known_dataset, known_or_loaded, known_table};
use crate::cli::{Exit, Maintain, Redrive, Replay};
use crate::context::now;
use crate::reconcile::{self, Kinds};
use crate::render::{self, Progress};

pub fn redrive(shell: &Shell, args: &Redrive) -> Result<Exit> {
    let ctx = shell.context()?;
    known_or_loaded(&ctx, args.dataset.as_ref())?;
    for id in &args.files {
        if ctx.block(ctx.store.file(*id))?.is_none() {
            return Err(Stop::Usage(format!("there is no file {id}; see `lakegate parked`")));
        }
    }
    for dataset in ctx.lake.datasets.iter().filter(|d| args.dataset.as_ref().is_none_or(|n| *n == d.name)) {
        crate::abreast::check(&ctx, &dataset.name)?;
    }
    let filter = Filter {
        file_ids: args.files.clone(),
        dataset: args.dataset.clone(),
        code: args.code,
        name_like: args.name.clone(),
        all: args.all,
    };
    let sent = ctx.block(ctx.store.redrive(&filter, args.accept, now()))?;
    let not_parked: Vec<String> =
        args.files.iter().filter(|id| !sent.contains(id)).map(ToString::to_string).collect();
    // Of those that were named none was sent.
    let exit = if sent.is_empty() && !args.files.is_empty() { Exit::Failed } else { Exit::Done };
    if shell.global.json {
        let redriven: Vec<String> = sent.iter().map(ToString::to_string).collect();
        shell.print_json(&json!({ "redriven": redriven, "not_parked": not_parked }))?;
        return Ok(exit);
    }
    if !not_parked.is_empty() {
        render::warn(format!("not parked, and left as they are: {}", not_parked.join(", ")));
    }
    if sent.is_empty() {
        shell.say("no parked file matches; see `lakegate parked`")?;
    } else {
        shell.say(format!(
            "{} queued again; `lakegate run` (or a running `lakegate up`) loads them",
            render::counted(sent.len() as u64, "file")
        ))?;
    }
    Ok(exit)
}

/// Refused files that are listed for people.
const REFUSED_SHOWN: usize = 20;

pub fn replay(shell: &Shell, args: &Replay) -> Result<Exit> {
    let (_lock, ctx) = shell.work()?;
    let dataset = known_dataset(&ctx.lake, &args.dataset)?;
    if let Some(objection) = crate::replay::objection(&ctx, &dataset, &args.files)? {
        return Err(Stop::Usage(objection));
    }
    let progress = Progress::new("replay", shell.global.quiet || shell.global.json);
    let replayed = crate::replay::replay(&ctx, &dataset, &args.files, &|n, of| {
        progress.message(format!("{} of {}", render::count(n as u64), render::counted(of as u64, "file")));
    });
    progress.finish();
    let replayed = replayed?;
    if shell.global.json {
        let refused: Vec<_> = replayed
            .refused
            .iter()
            .map(|(p, f)| json!({ "file": p, "code": f.code.id(), "message": f.message }))
            .collect();
        shell.print_json(&json!({
            "files": replayed.n_files, "rows": replayed.n_rows, "tables": replayed.tables,
            "emptied": replayed.emptied, "kept_without_raw": replayed.n_kept, "refused": refused, "interrupted": replayed.stopped,
        }))?;
    } else if replayed.stopped {
        eprintln!("stopped; the tables are as they were");
    } else if replayed.n_files == 0 && replayed.n_kept == 0 {
        shell.say(format!("dataset {} has no committed files", dataset.name))?;
    } else if replayed.refused.is_empty() {
        shell.say(format!(
            "{} replayed: {} in {}",
            render::counted(replayed.n_files as u64, "file"),
            render::counted(replayed.n_rows, "row"),
            replayed.tables.join(", ")
        ))?;
    }
    for table in &replayed.emptied {
        shell.say(format!(
            "{table} is made by no configuration any more: it is empty now; `lakegate tables --drop {table}` removes it"
        ))?;
    }
    if replayed.n_kept > 0 && replayed.is_whole() && !shell.global.json {
        shell.say(format!(
            "the raw bytes of {} are no longer kept (`keep_raw`): their rows stayed as they were",
            render::counted(replayed.n_kept as u64, "file")
        ))?;
    }
    if replayed.stopped {
        return Ok(Exit::Interrupted);
    }
    if !replayed.refused.is_empty() {
        if !shell.global.json {
            let n_gone = replayed.refused.iter().filter(|(_, f)| f.code == Code::RawMissing).count();
            let why = match replayed.refused.len() - n_gone {
                0 => "raw bytes that the replay needs are missing or damaged",
                _ if n_gone == 0 => "today's configuration refuses some files",
                _ => {
                    "today's configuration refuses some files, and raw bytes of others are missing or damaged"
                }
            };
            eprintln!("error: {why}; the tables are as they were");
            for (path, f) in replayed.refused.iter().take(REFUSED_SHOWN) {
                eprintln!("  {}: {}", render::visible(path), render::visible_lines(&f.to_string()));
            }
            if let Some(more) = replayed.refused.len().checked_sub(REFUSED_SHOWN).filter(|n| *n > 0) {
                eprintln!("  … and {} more; `--json` has all of them", render::count(more as u64));
            }
        }
        return Ok(Exit::Findings);
    }
    Ok(Exit::Done)
}

pub fn maintain(shell: &Shell, args: &Maintain) -> Result<Exit> {
    let (_lock, ctx) = shell.work()?;
    if let Some(table) = &args.table {
        known_table(&super::sql::session_of(&ctx)?, table)?;
    }
    let all = !(args.compact || args.vacuum || args.checkpoint || args.raw);
    let kinds = Kinds {
        compact: all || args.compact,
        checkpoint: all || args.checkpoint,
        vacuum: all || args.vacuum,
        raw: all || args.raw,
        dry_run: args.dry_run,
    };
    let done = reconcile::maintain(&ctx, args.table.as_ref(), kinds);
    let exit = if done.failures.is_empty() { Exit::Done } else { Exit::Failed };
    if shell.global.json {
        shell.print_json(&done)?;
        return Ok(exit);
    }
    let would = if args.dry_run { "would be " } else { "" };
    let before = render::counted(done.n_files_before as u64, "data file");
    let files = match args.dry_run {
        true => format!("{before} folded"),
        false => format!("{before} became {}", render::count(done.n_files_after as u64)),
    };
    shell.say(format!(
        "{} {would}compacted ({files}), {} {would}checkpointed",
        render::counted(done.n_compacted as u64, "table"),
        render::count(done.n_checkpoints as u64)
    ))?;
    shell.say(format!("{} {would}vacuumed", render::counted(done.n_vacuumed as u64, "data file")))?;
    for f in done.vacuumed.iter().take(if args.dry_run { 50 } else { 0 }) {
        shell.say(format!("  {f}"))?;
    }
    shell.say(format!(
        "{} {would}bundled, raw bytes of {} {would}removed ({})",
        render::counted(done.n_bundled as u64, "raw pack"),
        render::counted(done.n_raw_removed as u64, "file"),
        render::size(done.raw_removed_bytes)
    ))?;
    for w in &done.warnings {
        render::warn(w);
    }
    for f in &done.failures {
        eprintln!("error: {}\n  help: {}", render::visible_lines(&f.to_string()), f.code.hint());
    }
    Ok(exit)
}
