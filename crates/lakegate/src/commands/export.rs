//! `export`: files for others, on demand.

use lakegate_domain::{Code, Failure};
use serde_json::json;

use super::{Result, Shell, Stop, absolute, known_dataset};
use crate::cli::{Exit, Export, ExportTarget};
use crate::context::{Context, now};
use crate::exports::{self, Exported, Only, What};
use crate::render::{self, Progress};

pub fn export(shell: &Shell, args: &Export) -> Result<Exit> {
    let only = match &args.target {
        None => Only::default(),
        Some(ExportTarget::Dataset(name)) => Only::dataset(Some(name)),
        Some(ExportTarget::Table(name)) => Only { dataset: Some(name.dataset()), table: Some(name.clone()) },
    };
    let since = args.since.map(|s| s.before(now()));
    match &args.out {
        Some(folder) => {
            let folder = absolute(folder)?;
            let ctx = shell.context_to_read()?;
            run(shell, &ctx, &only, &What::Into(folder, since))
        }
        None => {
            let (_lock, ctx) = shell.work()?;
            let what = match (args.all, since) {
                (false, None) => What::Due,
                (_, since) => What::Again(since),
            };
            run(shell, &ctx, &only, &what)
        }
    }
}

fn run(shell: &Shell, ctx: &Context, only: &Only, what: &What) -> Result<Exit> {
    if let Some(name) = &only.dataset {
        known_dataset(&ctx.lake, name)?;
    }
    if !exports::is_any(ctx, only) {
        let of = match (&only.dataset, &only.table) {
            (_, Some(table)) => table.to_string(),
            (Some(dataset), None) => dataset.to_string(),
            (None, None) => "the lake".to_string(),
        };
        return Err(Stop::Usage(format!(
            "nothing says how {of} is exported: add `export: {{ netcdf: '…' }}` to a table; docs/export.md shows how"
        )));
    }
    let progress = Progress::new("export", shell.global.quiet || shell.global.json);
    let done = exports::export(ctx, only, what, &|done| {
        progress.message(format!(
            "{}, {}",
            render::counted(done.n_made, "file"),
            render::size(done.size_bytes)
        ));
    });
    progress.finish();
    let folder = match what {
        What::Into(folder, _) => folder.clone(),
        What::Due | What::Again(_) => exports::folder(&ctx.lake.storage),
    };
    tell(shell, ctx, &done, &folder)
}

fn tell(shell: &Shell, ctx: &Context, done: &Exported, folder: &std::path::Path) -> Result<Exit> {
    let exit = match () {
        _ if ctx.stopping() => Exit::Interrupted,
        _ if done.failures.iter().any(|f| f.code != Code::Export) => Exit::Failed,
        _ if !done.failures.is_empty() => Exit::Findings,
        _ => Exit::Done,
    };
    if shell.global.json {
        shell.print_json(&json!({ "folder": folder, "exports": done }))?;
        return Ok(exit);
    }
    done.warnings.iter().for_each(render::warn);
    let removed = if done.n_removed > 0 {
        format!(", {} removed", render::count(done.n_removed))
    } else {
        String::new()
    };
    shell.say(format!(
        "{} written ({}) below {}{removed}",
        render::counted(done.n_made, "export"),
        render::size(done.size_bytes),
        folder.display()
    ))?;
    let mut list = shell.list(&["table", ">files", ">rows"]);
    for (table, (n_files, n_rows)) in &done.tables {
        list.row([table.clone(), render::count(*n_files), render::count(*n_rows)]);
    }
    shell.print_list(&list)?;
    for Failure { code, message } in &done.failures {
        let text = format!("{code}: {message}");
        eprintln!("error: {}\n  help: {}", render::visible_lines(&text), code.hint());
    }
    Ok(exit)
}
