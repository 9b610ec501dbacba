//! `test`: a dataset's fixtures through the real path in a scratch lake, and
//! the rows compared with golden ones.
//!
//! `fixtures/<team>/<dataset>/<case>/input/…` lands in the dataset's landing
//! folder; `…/<case>/golden/<table>.csv` is what its tables must hold, ordered
//! by file name and row; `golden/parked.csv` lists parked files with their
//! codes. A file of the case that no dataset takes fails it, and so does a case
//! that comes to nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lakegate_domain::model::{Dataset, Lake};
use lakegate_domain::{Code, DatasetName, Failure, config};
use lakegate_lake::output::{self, OutputFormat, TableOptions};
use lakegate_state::Filter;
use serde_json::json;
use similar::{ChangeTag, TextDiff};

use super::{Result, Shell, Stop, known_dataset};
use crate::cli::{Exit, Test};
use crate::engine;
use crate::intake::Round;
use crate::worker::Worked;

struct Case {
    dataset: DatasetName,
    name: String,
    folder: PathBuf,
}

struct Silent;

impl engine::Observer for Silent {
    fn progress(&self, _: &Round, _: &Worked) {}
}

pub fn test(shell: &Shell, args: &Test) -> Result<Exit> {
    let root = shell.root()?;
    let lake = shell.lake()?;
    if let Some(name) = &args.dataset {
        known_dataset(&lake, name)?;
    }
    let cases = find_cases(&root.join("fixtures"), &lake, args.dataset.as_ref())?;
    if cases.is_empty() {
        return Err(Stop::Usage(format!(
            "there are no fixtures; put a landed file into {}/fixtures/TEAM/DATASET/CASE/input/ and run `lakegate test \
             --update`",
            root.display()
        )));
    }
    let (mut n_passed, mut n_failed) = (0, 0);
    let mut told = Vec::new();
    for case in &cases {
        let (found, mut differences) = run_case(shell, &root, case)?;
        let golden_folder = case.folder.join("golden");
        if args.update && differences.is_empty() {
            update(&golden_folder, &found)?;
            shell.say(format!("{} {}: {} golden files written", case.dataset, case.name, found.len()))?;
            n_passed += 1;
            continue;
        }
        if !args.update {
            differences.extend(compare(&read_golden(&golden_folder)?, &found));
        }
        if differences.is_empty() {
            n_passed += 1;
            shell.say(format!("ok      {} {}", case.dataset, case.name))?;
        } else {
            n_failed += 1;
            shell.say(format!("differs {} {}", case.dataset, case.name))?;
            for d in &differences {
                shell.say(d)?;
            }
        }
        told.push(
            json!({ "dataset": case.dataset.to_string(), "case": case.name, "differences": differences }),
        );
    }
    if shell.global.json {
        shell.print_json(&json!({ "passed": n_passed, "failed": n_failed, "cases": told }))?;
    } else {
        shell.say(format!("{n_passed} passed, {n_failed} failed"))?;
    }
    Ok(if n_failed == 0 { Exit::Done } else { Exit::Findings })
}

fn folders(path: &Path) -> Result<Vec<PathBuf>> {
    let mut all: Vec<PathBuf> = match fs::read_dir(path) {
        Ok(d) => d.flatten().map(|e| e.path()).filter(|p| p.is_dir()).collect(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(e) => return Err(e.into()),
    };
    all.sort();
    Ok(all)
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

fn find_cases(fixtures: &Path, lake: &Lake, only: Option<&DatasetName>) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for team in folders(fixtures)? {
        for dataset in folders(&team)? {
            let name = DatasetName::new(name_of(&team), name_of(&dataset));
            if only.is_some_and(|o| *o != name) {
                continue;
            }
            if lake.dataset(&name).is_none() {
                return Err(Stop::Usage(format!("`{}` is for no dataset of the lake", dataset.display())));
            }
            for case in folders(&dataset)? {
                cases.push(Case { dataset: name.clone(), name: name_of(&case), folder: case });
            }
        }
    }
    Ok(cases)
}

/// Table or `parked` to CSV text.
type Tables = BTreeMap<String, String>;

/// Loads a case's files. Answers what they came to, and what is wrong with it
/// whatever the golden rows say.
fn run_case(shell: &Shell, root: &Path, case: &Case) -> Result<(Tables, Vec<String>)> {
    let scratch = tempfile::tempdir()?;
    let mut lake = config::load(root).map_err(|d| Stop::Configuration(Box::new(d)))?;
    let before = std::mem::replace(&mut lake.root, scratch.path().to_path_buf());
    lake.storage = scratch.path().join("lake");
    let mut landing = None;
    // Datasets that share a landing folder share one here, too: routes are tested
    // as they are used.
    let mut outside: Vec<PathBuf> = Vec::new();
    for dataset in &mut lake.datasets {
        let d: &mut Dataset = Arc::get_mut(dataset)
            .ok_or_else(|| Failure::new(Code::Bug, "a dataset is shared before the lake runs"))?;
        d.landing = match d.landing.strip_prefix(&before) {
            Ok(relative) => scratch.path().join(relative),
            Err(_) => {
                let at = outside.iter().position(|p| *p == d.landing).unwrap_or_else(|| {
                    outside.push(d.landing.clone());
                    outside.len() - 1
                });
                scratch.path().join("outside").join(at.to_string())
            }
        };
        d.settle = std::time::Duration::ZERO;
        if d.name == case.dataset {
            landing = Some(d.landing.clone());
        }
    }
    // Hooks are in the lake's own folder, and run there.
    lake.root = before;
    let landing = landing.ok_or_else(|| Failure::new(Code::Bug, "the case's dataset is gone"))?;
    copy_folder(&case.folder.join("input"), &landing)?;
    let (_lock, ctx) = shell.work_on(lake)?;
    let report = engine::run(&ctx, None, &Silent)?;
    let setback = report.worked.setback.filter(|_| report.worked.retry_in.is_some());
    if let Some(f) = report.failures.into_iter().chain(setback).next() {
        return Err(f.into());
    }
    let strays = ctx.block(ctx.store.list_strays())?;
    let mut wrong: Vec<String> =
        strays.iter().map(|s| format!("  {}: {}", s.stray.path, s.stray.detail)).collect();
    wrong.extend(report.exported.failures.iter().map(|f| format!("  not exported: {f}")));
    let mut found = Tables::new();
    let session = super::sql::session_of(&ctx)?;
    for table in session.tables()? {
        if table.dataset() != case.dataset {
            continue;
        }
        let columns = super::sql::rows(
            shell,
            &session,
            &format!(
                "select \"column\" from system.columns where team = '{}' and dataset = '{}' and \"table\" = '{}' \
                 order by ordinal",
                table.team, table.dataset, table.table
            ),
        )?;
        let columns: Vec<String> = columns
            .iter()
            .filter_map(|c| c.get("column").and_then(|c| c.as_str()).map(str::to_string))
            .filter(|c| c != "_loaded_at")
            .collect();
        let shown: Vec<String> = columns
            .iter()
            .map(|c| if c == "_file_id" { "f.path as _file".to_string() } else { format!("t.\"{c}\"") })
            .collect();
        let provenance = columns.iter().any(|c| c == "_file_id");
        let order = if provenance { "order by f.path, t.\"_row\"" } else { "order by 1" };
        let join = if provenance { "left join system.files f on f.file_id = t.\"_file_id\"" } else { "" };
        let sql = format!(
            "select {} from \"{}\".\"{}\".\"{}\" t {join} {order}",
            shown.join(", "),
            table.team,
            table.dataset,
            table.table
        );
        let mut buffer: Vec<u8> = Vec::new();
        shell.runtime.block_on(async {
            let (_, stream) = session.query(&sql).await?;
            output::write(stream, OutputFormat::Csv, &mut buffer, TableOptions::default()).await
        })?;
        found.insert(table.table.clone(), String::from_utf8_lossy(&buffer).into_owned());
    }
    let parked = ctx.block(ctx.store.parked(&Filter::default()))?;
    if !parked.is_empty() {
        let mut lines: Vec<String> = parked.iter().map(|p| format!("{},{}\n", p.path, p.code.id())).collect();
        lines.sort();
        found.insert("parked".into(), format!("file,code\n{}", lines.concat()));
    }
    if found.is_empty() && wrong.is_empty() {
        wrong.push(format!("  no file of `input/` came to a table of {} or was parked", case.dataset));
    }
    Ok((found, wrong))
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let entries = fs::read_dir(from).map_err(|e| Stop::Usage(format!("`{}`: {e}", from.display())))?;
    for entry in entries {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn read_golden(folder: &Path) -> Result<Tables> {
    let mut golden = Tables::new();
    let entries = match fs::read_dir(folder) {
        Ok(e) => e,
        Err(_) => return Ok(golden),
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|e| e == "csv") {
            let name = path.file_stem().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            golden.insert(name, fs::read_to_string(&path)?);
        }
    }
    Ok(golden)
}

fn update(folder: &Path, found: &Tables) -> Result<()> {
    fs::create_dir_all(folder)?;
    for name in read_golden(folder)?.keys().filter(|n| !found.contains_key(*n)) {
        fs::remove_file(folder.join(format!("{name}.csv")))?;
    }
    for (name, text) in found {
        fs::write(folder.join(format!("{name}.csv")), text)?;
    }
    Ok(())
}

fn compare(golden: &Tables, found: &Tables) -> Vec<String> {
    let mut all = Vec::new();
    let names: std::collections::BTreeSet<&String> = golden.keys().chain(found.keys()).collect();
    for name in names {
        match (golden.get(name), found.get(name)) {
            (Some(g), Some(f)) if g == f => {}
            (Some(g), Some(f)) => all.push(format!("  {name}:\n{}", difference(g, f))),
            (Some(_), None) => all.push(format!("  {name}: golden rows are there, but no table was made")),
            (None, Some(f)) => all.push(format!(
                "  {name}: made, but there is no golden/{name}.csv ({} rows)",
                f.lines().count().saturating_sub(1)
            )),
            (None, None) => {}
        }
    }
    all
}

/// Lines that differ, with one line around them; `-` golden, `+` found.
fn difference(golden: &str, found: &str) -> String {
    let diff = TextDiff::from_lines(golden, found);
    let mut out = String::new();
    let header = golden.lines().next().unwrap_or_default();
    let groups = diff.grouped_ops(1);
    // Unless it is among the lines that are shown anyway.
    if groups.first().and_then(|ops| ops.first()).is_some_and(|op| op.old_range().start > 0) {
        out.push_str(&format!("      {header}\n"));
    }
    for group in groups.iter().take(20) {
        for op in group {
            for change in diff.iter_changes(op) {
                let sign = match change.tag() {
                    ChangeTag::Delete => '-',
                    ChangeTag::Insert => '+',
                    ChangeTag::Equal => ' ',
                };
                out.push_str(&format!("    {sign} {}\n", change.value().trim_end()));
            }
        }
    }
    out.trim_end().to_string()
}
