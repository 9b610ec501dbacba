//! `plan`: what landed files would become, without writing anything.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use lakegate_domain::model::{Dataset, Lake};
use lakegate_domain::route;
use lakegate_domain::{Code, Failure, FileId};
use lakegate_format::open::{Source, open};
use lakegate_lake::transform::Limits;
use lakegate_land::{Problem, Seen, list};
use lakegate_state::{Filter, Known, ParkedFile};
use serde_json::{Value, json};

use super::given::{Found, To, find};
use super::{Result, Shell};
use crate::cli::{Exit, Plan};
use crate::context::{ledger, ledger_path, ledger_to_read, now};
use crate::ingest::fold::{FileFacts, FileFold, Halt};
use crate::ingest::gather::Gather;
use crate::ingest::hook::Call;
use crate::ingest::outcome::{FileOut, TableOut};
use crate::ingest::parse::{constants, parse};
use crate::ingest::tables::Tables;
use crate::intake::zone_key;
use crate::render;

/// Bytes of a file that a plan reads at most.
const LOOK_BYTES: usize = 16 << 20;

struct Planned {
    path: String,
    answer: Answer,
}

enum Answer {
    Known,
    /// It is parked; what would come of sending it again as things are now.
    Waits(Box<ParkedFile>, Box<Answer>),
    Junk,
    Stray(String),
    Fails(String, Failure),
    /// A person asked to stop before it was known.
    Stopped,
    Loads {
        dataset: String,
        out: FileOut,
        partly: bool,
        columns: Vec<(String, Vec<String>)>,
        /// By table, the one that it is made of.
        origins: BTreeMap<String, String>,
        notes: Vec<String>,
    },
}

impl Answer {
    fn is_stopped(&self) -> bool {
        match self {
            Answer::Stopped => true,
            Answer::Waits(_, again) => again.is_stopped(),
            _ => false,
        }
    }
}

pub fn plan(shell: &Shell, args: &Plan) -> Result<Exit> {
    let (lake, _) = shell.lake_with_statements()?;
    let store = match ledger_path(&lake.storage).exists() {
        true => Some(shell.runtime.block_on(ledger_to_read(&lake.storage))?),
        false => None,
    };
    let scratch = tempfile::tempdir()?;
    let looker = Looker { shell, lake: &lake, scratch: scratch.path() };
    let zones = route::zones(&lake);
    let folders: Vec<PathBuf> = zones.iter().map(|(f, _)| f.clone()).collect();
    let mut planned: Vec<Planned> = Vec::new();
    if args.paths.is_empty() {
        let parked = match &store {
            Some(store) => {
                shell.runtime.block_on(store.parked(&Filter { all: true, ..Filter::default() }))?
            }
            None => Vec::new(),
        };
        let mut parked: HashMap<_, _> = parked.into_iter().map(|p| (p.file_id, p)).collect();
        for (folder, datasets) in &zones {
            let inner: Vec<PathBuf> =
                folders.iter().filter(|f| *f != folder && f.starts_with(folder)).cloned().collect();
            let known = match &store {
                Some(store) => {
                    shell.runtime.block_on(store.known(&zone_key(&lake, folder))).map_err(ledger)?
                }
                None => HashMap::new(),
            };
            let listing = list(folder, &inner);
            planned.extend(listing.problems.iter().map(|p| unreadable(&lake, p)));
            for seen in listing.files {
                let k = known.get(&seen.path);
                let shown =
                    seen.os_path.strip_prefix(&lake.root).unwrap_or(&seen.os_path).display().to_string();
                let is_same = |k: &&Known| k.size_bytes == seen.size_bytes && k.mtime_ns == seen.mtime_ns;
                let look = || routed(&looker, To::of(route::route(datasets, &seen.path)), &seen);
                let answer = match k.filter(is_same) {
                    None => look(),
                    Some(k) => match parked.remove(&k.file_id) {
                        None => Answer::Known,
                        Some(waiting) => Answer::Waits(Box::new(waiting), Box::new(look())),
                    },
                };
                planned.push(Planned { path: shown, answer });
            }
        }
    }
    let Found { files, problems } = find(&lake, &args.paths)?;
    planned.extend(problems.iter().map(|p| unreadable(&lake, p)));
    for file in files {
        planned.push(Planned { path: file.shown, answer: routed(&looker, file.to, &file.seen) });
    }
    report(shell, &planned)
}

/// A folder, link or device in a landing folder that `run` does not take either.
fn unreadable(lake: &Lake, problem: &Problem) -> Planned {
    let shown = problem.path.strip_prefix(&lake.root).unwrap_or(&problem.path);
    Planned { path: shown.display().to_string(), answer: Answer::Stray(problem.message.clone()) }
}

/// What trying files out needs; it writes to the scratch folder alone.
struct Looker<'a> {
    shell: &'a Shell,
    lake: &'a Lake,
    scratch: &'a Path,
}

fn routed(looker: &Looker<'_>, to: To, seen: &Seen) -> Answer {
    if looker.shell.stop.load(Ordering::Relaxed) {
        return Answer::Stopped;
    }
    match to {
        To::Junk => Answer::Junk,
        To::Nowhere(_, why) => Answer::Stray(why),
        To::Dataset(dataset, groups) => match try_file(looker, &dataset, &groups, seen) {
            Ok(answer) => answer,
            // As `run` does: it is taken when it can be read.
            Err(f) if f.code == Code::Unreadable => Answer::Stray(f.message),
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
    let mut gather = Gather::new(dataset);
    let mut bytes = 0;
    let mut partly = false;
    for chunk in open(Source::File(seen.os_path.clone()), name, &dataset.read, looker.scratch)? {
        let chunk = chunk?;
        for part in parse(dataset, groups, chunk, &values)?.parts {
            bytes += part.rows.size_bytes();
            match gather.takes(&part.table) {
                true => gather.push(part),
                false => parsed.push(part),
            }
        }
        if bytes > LOOK_BYTES {
            partly = true;
            break;
        }
    }
    let shell = looker.shell;
    let call = Call {
        root: &looker.lake.root,
        dataset: &dataset.name,
        table: "",
        file: &seen.path,
        groups,
        stop: &shell.stop,
    };
    match gather.finish(&values, &call, &mut |_| Ok(())) {
        Ok(made) => parsed.extend(made),
        Err(Halt::Failed(failure)) => return Err(failure),
        Err(Halt::Stopped | Halt::TooLarge) => return Ok(Answer::Stopped),
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
    let at_us = now().0 * 1000;
    let mut fold =
        FileFold::new(dataset, tables.view(), facts, at_us, shell.runtime.clone(), limits, &shell.stop)
            .with_hooks(&looker.lake.root, groups);
    let folded = parsed.into_iter().try_for_each(|p| fold.add(p, None, &mut |_| Ok(())));
    match folded.and_then(|()| fold.rest(&mut |_| Ok(()))) {
        Err(Halt::Failed(failure)) => return Err(failure),
        Err(Halt::Stopped) => return Ok(Answer::Stopped),
        Err(Halt::TooLarge) | Ok(()) => {}
    }
    let out = fold.finish()?;
    let mut columns = Vec::new();
    let mut notes = Vec::new();
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
        notes.extend(state.layout_note());
    }
    let origins =
        dataset.tables.iter().filter_map(|(name, table)| Some((name.clone(), table.of.clone()?))).collect();
    Ok(Answer::Loads { dataset: dataset.name.to_string(), out, partly, columns, origins, notes })
}

/// The tables of a file, each after the one that it is made of.
fn in_order<'o>(out: &'o FileOut, origins: &BTreeMap<String, String>) -> Vec<(&'o String, &'o TableOut)> {
    let depth = |name: &String| std::iter::successors(origins.get(name), |of| origins.get(*of)).count();
    let mut tables: Vec<_> = out.tables.iter().collect();
    tables.sort_by_key(|(name, _)| depth(name));
    tables
}

fn report(shell: &Shell, planned: &[Planned]) -> Result<Exit> {
    let trouble = planned.iter().any(|p| matches!(p.answer, Answer::Stray(_) | Answer::Fails(..)));
    let exit = match () {
        _ if planned.iter().any(|p| p.answer.is_stopped()) => Exit::Interrupted,
        _ if trouble => Exit::Findings,
        _ => Exit::Done,
    };
    if shell.global.json {
        let all: Vec<Value> = planned.iter().map(as_json).collect();
        shell.print_json(&all)?;
        return Ok(exit);
    }
    if planned.is_empty() {
        shell.say("no files have landed; `lakegate check` says where they would")?;
    }
    let known = planned.iter().filter(|p| matches!(p.answer, Answer::Known)).count();
    for p in planned.iter().filter(|p| !matches!(p.answer, Answer::Known | Answer::Stopped)) {
        shell.say(render::visible(&p.path))?;
        say(shell, &p.answer)?;
    }
    if known > 0 {
        shell.say(format!("{known} known and unchanged"))?;
    }
    Ok(exit)
}

/// Says what would come of a file, below its name.
fn say(shell: &Shell, answer: &Answer) -> Result<()> {
    match answer {
        Answer::Known | Answer::Stopped => Ok(()),
        Answer::Waits(parked, again) => {
            shell.say(format!(
                "    {} is parked: {} {}\n    `lakegate redrive {}` now:",
                parked.file_id,
                parked.code.id(),
                parked.message,
                parked.file_id
            ))?;
            say(shell, again)
        }
        Answer::Junk => shell.say("    left alone: hidden, half written or junk by its name"),
        Answer::Stray(why) => shell.say(format!("    not taken: {why}")),
        Answer::Fails(dataset, f) => {
            shell.say(format!("    {dataset}: would be parked: {f}\n    help: {}", f.code.hint()))
        }
        Answer::Loads { dataset, out, partly, columns, origins, notes } => {
            let more = if *partly { " (the first part of the file)" } else { "" };
            shell.say(format!("    {dataset}{more}"))?;
            for (table, t) in in_order(out, origins) {
                let c = t.counts;
                let from = match origins.get(table) {
                    Some(origin) => format!("made of {origin}"),
                    None => format!("{} rows read", c.n_read),
                };
                shell.say(format!(
                    "    -> {table}: {from}, {} to the table, {} quarantined, {} dropped",
                    c.n_committed,
                    c.n_quarantined,
                    c.n_dropped + c.n_duplicate
                ))?;
                if let Some((_, names)) = columns.iter().find(|(n, _)| n == table) {
                    shell.say(format!("       {}", names.join(", ")))?;
                }
                for f in t.quality.iter().filter(|f| f.n_failed > 0) {
                    let sample = f.sample.as_deref().unwrap_or_default();
                    shell.say(format!("       {f}; {sample}"))?;
                }
                for f in t.findings.iter().filter(|f| f.n_failed > 0) {
                    let sample = f.sample.as_deref().unwrap_or_default();
                    shell.say(format!(
                        "       {}: {} of {} fail; {sample}",
                        f.name, f.n_failed, f.n_checked
                    ))?;
                }
            }
            notes.iter().try_for_each(|note| shell.say(format!("    note: {note}")))
        }
    }
}

fn as_json(p: &Planned) -> Value {
    let mut v = of_answer(&p.answer);
    v["file"] = json!(p.path);
    v
}

fn of_answer(answer: &Answer) -> Value {
    match answer {
        Answer::Known => json!({ "answer": "known" }),
        Answer::Waits(parked, again) => json!({
            "answer": "waits", "file_id": parked.file_id.to_string(), "dataset": parked.dataset.to_string(),
            "code": parked.code.id(), "message": parked.message, "redrive": of_answer(again),
        }),
        Answer::Junk => json!({ "answer": "junk" }),
        Answer::Stopped => json!({ "answer": "stopped" }),
        Answer::Stray(why) => json!({ "answer": "stray", "detail": why }),
        Answer::Fails(dataset, f) => json!({
            "answer": "parked", "dataset": dataset, "code": f.code.id(), "message": f.message,
        }),
        Answer::Loads { dataset, out, partly, columns, origins, notes } => {
            let tables: Vec<Value> = in_order(out, origins)
                .into_iter()
                .map(|(name, t)| {
                    let names = columns.iter().find(|(n, _)| n == name).map(|(_, c)| c.clone());
                    json!({ "table": name, "of": origins.get(name), "n_read": t.counts.n_read,
                        "n_committed": t.counts.n_committed, "n_quarantined": t.counts.n_quarantined,
                        "n_dropped": t.counts.n_dropped + t.counts.n_duplicate, "columns": names })
                })
                .collect();
            json!({ "answer": "loads", "dataset": dataset, "partly": partly, "tables": tables, "notes": notes })
        }
    }
}
