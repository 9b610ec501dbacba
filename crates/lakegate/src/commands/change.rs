//! `redrive`, `replay`, `maintain`.

use lakegate_state::Filter;
use serde_json::json;

use super::{Result, Shell, known_dataset};
use crate::cli::{Exit, Maintain, Redrive, Replay};
use crate::context::now;
use crate::reconcile::{self, Kinds};
use crate::render::{self, Progress};

pub fn redrive(shell: &Shell, args: &Redrive) -> Result<Exit> {
    let ctx = shell.context()?;
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
    if shell.global.json {
        shell.print_json(&json!({ "redriven": sent.iter().map(ToString::to_string).collect::<Vec<_>>() }))?;
        return Ok(Exit::Done);
    }
    if sent.is_empty() {
        shell.say("no parked file matches; see `lakegate parked`")?;
    } else {
        shell.say(format!(
            "{} queued again; `lakegate run` (or a running `lakegate up`) loads them",
            render::counted(sent.len() as u64, "file")
        ))?;
    }
    Ok(Exit::Done)
}

pub fn replay(shell: &Shell, args: &Replay) -> Result<Exit> {
    let (_lock, ctx) = shell.work()?;
    let dataset = known_dataset(&ctx.lake, &args.dataset)?;
    // Another dataset's replay may have been cut short; this one begins anew.
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
            "files": replayed.n_files, "rows": replayed.n_rows, "tables": replayed.tables, "refused": refused,
        }))?;
    } else if replayed.n_files == 0 {
        shell.say(format!("dataset {} has no committed files", dataset.name))?;
    } else if replayed.refused.is_empty() {
        shell.say(format!(
            "{} replayed: {} in {}",
            render::counted(replayed.n_files as u64, "file"),
            render::counted(replayed.n_rows, "row"),
            replayed.tables.join(", ")
        ))?;
    }
    if !replayed.refused.is_empty() {
        if !shell.global.json {
            eprintln!("error: today's configuration refuses some files; the tables are as they were");
            for (path, f) in replayed.refused.iter().take(20) {
                eprintln!("  {path}: {f}");
            }
        }
        return Ok(Exit::Findings);
    }
    Ok(Exit::Done)
}

pub fn maintain(shell: &Shell, args: &Maintain) -> Result<Exit> {
    let (_lock, ctx) = shell.work()?;
    let all = !(args.compact || args.vacuum || args.checkpoint || args.raw);
    let kinds = Kinds {
        compact: all || args.compact,
        checkpoint: all || args.checkpoint,
        vacuum: all || args.vacuum,
        raw: all || args.raw,
        dry_run: args.dry_run,
    };
    let done = reconcile::maintain(&ctx, args.table.as_ref(), kinds)?;
    if shell.global.json {
        shell.print_json(&done)?;
        return Ok(Exit::Done);
    }
    let would = if args.dry_run { "would be " } else { "" };
    shell.say(format!(
        "{} compacted ({} data files became {}), {} checkpointed",
        render::counted(done.n_compacted as u64, "table"),
        render::count(done.n_files_before as u64),
        render::count(done.n_files_after as u64),
        render::count(done.n_checkpoints as u64)
    ))?;
    shell.say(format!("{} {would}vacuumed", render::counted(done.n_vacuumed as u64, "data file")))?;
    for f in done.vacuumed.iter().take(if args.dry_run { 50 } else { 0 }) {
        shell.say(format!("  {f}"))?;
    }
    shell.say(format!(
        "{} bundled, {} removed ({})",
        render::counted(done.n_bundled as u64, "raw pack"),
        render::count(done.n_raw_removed as u64),
        render::size(done.raw_removed_bytes)
    ))?;
    Ok(Exit::Done)
}
