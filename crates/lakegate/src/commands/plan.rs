//! `plan`: what landed files would become, without writing anything.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use lakegate_domain::model::{Dataset, Lake};
use lakegate_domain::route::{self, Routed};
use lakegate_domain::{Failure, FileId};
use lakegate_format::open::{Source, open};
use lakegate_lake::transform::Limits;
use lakegate_land::{Seen, list};
use serde_json::{Value, json};

use super::{Result, Shell, Stop, absolute};
use crate::cli::{Exit, Plan};
use crate::context::{ledger, ledger_path, now, open_ledger};
use crate::ingest::fold::{FileFacts, FileFold};
use crate::ingest::outcome::FileOut;
use crate::ingest::parse::{constants, parse, table_of};
use crate::ingest::tables::Tables;
use crate::intake::zone_key;

/// Bytes of a file that a plan reads at most.
const LOOK_BYTES: usize = 16 << 20;

struct Planned {
    path: String,
    answer: Answer,
}

enum Answer {
    Known,
    Junk,
    Stray(String),
    Fails(String, Failure),
    Loads { dataset: String, out: FileOut, partly: bool, columns: Vec<(String, Vec<String>)> },
}

pub fn plan(shell: &Shell, args: &Plan) -> Result<Exit> {
    let lake = shell.lake()?;
    let store = match ledger_path(&lake.storage).exists() {
        true => Some(shell.runtime.block_on(open_ledger(&lake.storage))?),
        false => None,
    };
    let scratch = tempfile::tempdir()?;
    let looker = Looker { shell, lake: &lake, scratch: scratch.path() };
    let zones = route::zones(&lake);
    let folders: Vec<PathBuf> = zones.iter().map(|(f, _)| f.clone()).collect();
    let mut planned: Vec<Planned> = Vec::new();
    if args.paths.is_empty() {
        for (folder, datasets) in &zones {
            let inner: Vec<PathBuf> =
                folders.iter().filter(|f| *f != folder && f.starts_with(folder)).cloned().collect();
            let known = match &store {
                Some(store) => {
                    shell.runtime.block_on(store.known(&zone_key(&lake, folder))).map_err(ledger)?
                }
                None => HashMap::new(),
            };
            for seen in list(folder, &inner).files {
                let k = known.get(&seen.path);
                let shown =
                    seen.os_path.strip_prefix(&lake.root).unwrap_or(&seen.os_path).display().to_string();
                let answer =
                    if k.is_some_and(|k| k.size_bytes == seen.size_bytes && k.mtime_ns == seen.mtime_ns) {
                        Answer::Known
                    } else {
                        routed(&looker, route::route(datasets, &seen.path), &seen)
                    };
                planned.push(Planned { path: shown, answer });
            }
        }
    }
    for path in &args.paths {
        let path = absolute(path)?;
        if !path.exists() {
            return Err(Stop::Usage(format!("`{}` does not exist", path.display())));
        }
        let (base, files) = if path.is_dir() {
            (path.clone(), list(&path, &[]).files)
        } else {
            let parent = path.parent().unwrap_or(Path::new("/")).to_path_buf();
            let files = list(&parent, &[]).files.into_iter().filter(|s| s.os_path == path).collect();
            (parent, files)
        };
        for seen in files {
            // A file of a zone is routed by its zone; any other by all datasets.
            let zone = zones
                .iter()
                .filter(|(f, _)| seen.os_path.starts_with(f))
                .max_by_key(|(f, _)| f.as_os_str().len());
            let (sharing, relative) = match zone {
                Some((folder, datasets)) => {
                    let rel = seen.os_path.strip_prefix(folder).unwrap_or(&seen.os_path);
                    (datasets.clone(), rel.to_string_lossy().into_owned())
                }
                None => (lake.datasets.clone(), seen.path.clone()),
            };
            let shown = base.join(&seen.path).display().to_string();
            planned.push(Planned {
                path: shown,
                answer: routed(&looker, route::route(&sharing, &relative), &seen),
            });
        }
    }
    report(shell, &planned)
}

/// What trying files out needs; it writes to the scratch folder alone.
struct Looker<'a> {
    shell: &'a Shell,
    lake: &'a Lake,
    scratch: &'a Path,
}

fn routed(looker: &Looker<'_>, routed: Routed, seen: &Seen) -> Answer {
    match routed {
        Routed::Junk => Answer::Junk,
        Routed::Unmatched { nearest } => Answer::Stray(format!(
            "no dataset takes it; nearest: {}",
            nearest.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        )),
        Routed::Ambiguous { datasets } => Answer::Stray(format!(
            "more than one dataset takes it: {}",
            datasets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        )),
        Routed::To(dataset, groups) => match try_file(looker, &dataset, &groups, seen) {
            Ok(answer) => answer,
            Err(f) => Answer::Fails(dataset.name.to_string(), f),
        },
    }
}

fn try_file(
    looker: &Looker<'_>,
    dataset: &std::sync::Arc<Dataset>,
    groups: &[(String, String)],
    seen: &Seen,
) -> Result<Answer, Failure> {
    let values = constants(dataset, groups);
    let name = seen.path.rsplit('/').next().unwrap_or(&seen.path);
    let mut parsed = Vec::new();
    let mut bytes = 0;
    let mut partly = false;
    for chunk in open(Source::File(seen.os_path.clone()), name, &dataset.read, looker.scratch)? {
        let chunk = chunk?;
        let table = table_of(dataset, groups, &chunk.stream)?;
        let part = parse(chunk, table, &values)?;
        bytes += part.rows.size_bytes();
        parsed.push(part);
        if bytes > LOOK_BYTES {
            partly = true;
            break;
        }
    }
    let mut tables = Tables::new(dataset.clone(), looker.lake.storage.clone());
    looker.shell.runtime.block_on(tables.see(&parsed, &[]))?;
    let facts = FileFacts {
        file_id: FileId(0),
        path: seen.path.clone(),
        size_bytes: seen.size_bytes,
        modified_us: seen.mtime_ns / 1000,
    };
    let limits = Limits {
        memory_bytes: (looker.lake.memory_bytes / 2) as usize,
        spill_dir: looker.scratch.to_path_buf(),
    };
    let mut fold =
        FileFold::new(dataset, tables.view(), facts, now().0 * 1000, looker.shell.runtime.clone(), limits);
    for p in parsed {
        fold.add(p, None)?;
    }
    fold.rest()?;
    let out = fold.finish()?;
    let mut columns = Vec::new();
    for (table, state) in tables.iter_mut() {
        let stored = state.log.schema().cloned();
        let shown = state
            .plan
            .targets
            .iter()
            .map(|t| {
                let kind = lakegate_lake::layout::type_name(&t.data_type, t.spec.kind);
                let new = match stored.as_ref().map(|s| s.field_with_name(&t.spec.name)) {
                    None => String::new(),
                    Some(Err(_)) => " (new)".into(),
                    Some(Ok(f)) if f.data_type() != &t.data_type => {
                        format!(" (was {})", lakegate_lake::layout::type_name(f.data_type(), t.spec.kind))
                    }
                    Some(Ok(_)) => String::new(),
                };
                format!("{} {kind}{new}", t.spec.name)
            })
            .collect();
        columns.push((table.clone(), shown));
    }
    Ok(Answer::Loads { dataset: dataset.name.to_string(), out, partly, columns })
}

fn report(shell: &Shell, planned: &[Planned]) -> Result<Exit> {
    let trouble = planned.iter().any(|p| matches!(p.answer, Answer::Stray(_) | Answer::Fails(..)));
    let exit = if trouble { Exit::Findings } else { Exit::Done };
    if shell.global.json {
        let all: Vec<Value> = planned.iter().map(as_json).collect();
        shell.print_json(&all)?;
        return Ok(exit);
    }
    if planned.is_empty() {
        shell.say("no files have landed; `lakegate check` says where they would")?;
    }
    let known = planned.iter().filter(|p| matches!(p.answer, Answer::Known)).count();
    for p in planned {
        match &p.answer {
            Answer::Known => {}
            Answer::Junk => {
                shell.say(format!("{}\n    left alone: hidden, half written or junk by its name", p.path))?
            }
            Answer::Stray(why) => shell.say(format!("{}\n    not taken: {why}", p.path))?,
            Answer::Fails(dataset, f) => {
                shell.say(format!(
                    "{}\n    {dataset}: would be parked: {f}\n    help: {}",
                    p.path,
                    f.code.hint()
                ))?;
            }
            Answer::Loads { dataset, out, partly, columns } => {
                let more = if *partly { " (the first part of the file)" } else { "" };
                shell.say(format!("{}\n    {dataset}{more}", p.path))?;
                for (table, t) in &out.tables {
                    let c = t.counts;
                    shell.say(format!(
                        "    -> {table}: {} rows read, {} to the table, {} quarantined, {} dropped",
                        c.n_read,
                        c.n_committed,
                        c.n_quarantined,
                        c.n_dropped + c.n_duplicate
                    ))?;
                    if let Some((_, names)) = columns.iter().find(|(n, _)| n == table) {
                        shell.say(format!("       {}", names.join(", ")))?;
                    }
                    for f in t.findings.iter().filter(|f| f.n_failed > 0) {
                        let sample = f.sample.as_deref().unwrap_or_default();
                        shell.say(format!(
                            "       {}: {} of {} fail; {sample}",
                            f.name, f.n_failed, f.n_checked
                        ))?;
                    }
                }
            }
        }
    }
    if known > 0 {
        shell.say(format!("{known} known and unchanged"))?;
    }
    Ok(exit)
}

fn as_json(p: &Planned) -> Value {
    match &p.answer {
        Answer::Known => json!({ "file": p.path, "answer": "known" }),
        Answer::Junk => json!({ "file": p.path, "answer": "junk" }),
        Answer::Stray(why) => json!({ "file": p.path, "answer": "stray", "detail": why }),
        Answer::Fails(dataset, f) => json!({
            "file": p.path, "answer": "parked", "dataset": dataset, "code": f.code.id(), "message": f.message,
        }),
        Answer::Loads { dataset, out, partly, columns } => {
            let tables: Vec<Value> = out
                .tables
                .iter()
                .map(|(name, t)| {
                    let names = columns.iter().find(|(n, _)| n == name).map(|(_, c)| c.clone());
                    json!({ "table": name, "n_read": t.counts.n_read, "n_committed": t.counts.n_committed,
                        "n_quarantined": t.counts.n_quarantined,
                        "n_dropped": t.counts.n_dropped + t.counts.n_duplicate, "columns": names })
                })
                .collect();
            json!({ "file": p.path, "answer": "loads", "dataset": dataset, "partly": partly, "tables": tables })
        }
    }
}
