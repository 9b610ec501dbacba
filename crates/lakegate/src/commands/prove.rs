//! `prove`: the conservation law, file by file.
//!
//! The ledger says how many rows each file has in each table; the tables are
//! counted, not believed.

use std::collections::{BTreeMap, BTreeSet};

use lakegate_domain::TableName;
use lakegate_domain::job::FileState;
use lakegate_lake::layout;
use lakegate_state::FileFilter;
use serde_json::{Value, json};

use super::run::print_list;
use super::{Result, Shell, Stop};
use crate::cli::{Exit, Prove};
use crate::ingest::prepare::place;
use crate::render;

/// Something that does not add up.
struct Finding {
    subject: String,
    what: String,
}

pub fn prove(shell: &Shell, args: &Prove) -> Result<Exit> {
    let ctx = shell.context()?;
    let session = super::sql::session_of(&ctx)?;
    let tables = session.tables()?;
    if let Some(t) = &args.table
        && !tables.contains(t)
    {
        return Err(Stop::Usage(format!("there is no table `{t}`; see `lakegate tables`")));
    }
    let wanted = |t: &TableName| args.table.as_ref().is_none_or(|w| w == t || &w.quarantine() == t);
    let mut findings: Vec<Finding> = Vec::new();
    let mut n_rows = 0u64;

    let files = ctx.block(ctx.store.files(&FileFilter::default()))?;
    let states: BTreeMap<i64, FileState> = files.iter().map(|f| (f.file_id.0, f.state)).collect();
    let names: BTreeMap<i64, String> = files.iter().map(|f| (f.file_id.0, f.path.clone())).collect();

    // What the ledger says: file and table to counts.
    let mut said: BTreeMap<(String, i64), Counts> = BTreeMap::new();
    let ledger = super::sql::rows(shell, &session, "select * from system.file_tables")?;
    for r in &ledger {
        let n = |k: &str| r.get(k).and_then(Value::as_u64).unwrap_or(0);
        let table =
            r.get("table").or(r.get("table_name")).and_then(Value::as_str).unwrap_or_default().to_string();
        let file = r.get("file_id").and_then(Value::as_i64).unwrap_or(0);
        let c = Counts {
            n_in: n("n_in"),
            n_committed: n("n_committed"),
            n_quarantined: n("n_quarantined"),
            n_dropped: n("n_dropped"),
            n_duplicate: n("n_duplicate"),
        };
        if c.n_in != c.n_committed + c.n_quarantined + c.n_dropped + c.n_duplicate {
            findings.push(Finding {
                subject: format!("f{file} {}", names.get(&file).cloned().unwrap_or_default()),
                what: format!("rows are not conserved in {table}: {c:?}"),
            });
        }
        if states.get(&file) == Some(&FileState::Committed) {
            said.insert((table, file), c);
        }
    }

    // What the tables hold.
    for table in tables.iter().filter(|t| wanted(t)) {
        let Some((base, quarantine)) = base_of(table) else { continue };
        let columns = super::sql::rows(
            shell,
            &session,
            &format!(
                "select \"column\" from system.columns where team = '{}' and dataset = '{}' and \"table\" = '{}'",
                table.team, table.dataset, table.table
            ),
        )?;
        if !columns.iter().any(|c| c.get("column").and_then(Value::as_str) == Some(layout::FILE_ID)) {
            continue;
        }
        let counted = match super::sql::rows(
            shell,
            &session,
            &format!(
                "select \"_file_id\" as f, count(*) as n, count(distinct \"_row\") as d from \
                 \"{}\".\"{}\".\"{}\" group by \"_file_id\"",
                table.team, table.dataset, table.table
            ),
        ) {
            Ok(counted) => counted,
            Err(Stop::Failed(f)) => {
                findings.push(Finding { subject: table.to_string(), what: f.to_string() });
                continue;
            }
            Err(other) => return Err(other),
        };
        let mut held: BTreeMap<i64, u64> = BTreeMap::new();
        for r in &counted {
            let file = r.get("f").and_then(Value::as_i64).unwrap_or(-1);
            let n = r.get("n").and_then(Value::as_u64).unwrap_or(0);
            let distinct = r.get("d").and_then(Value::as_u64).unwrap_or(0);
            n_rows += n;
            held.insert(file, n);
            let who = format!("f{file} {}", names.get(&file).cloned().unwrap_or_default());
            if n != distinct {
                findings.push(Finding {
                    subject: who.clone(),
                    what: format!("{table} holds {n} of its rows, but only {distinct} are different"),
                });
            }
            match states.get(&file) {
                Some(FileState::Committed) => {}
                Some(s) => findings.push(Finding {
                    subject: who,
                    what: format!("{table} holds {n} of its rows, but the file is {}", s.name()),
                }),
                None => findings.push(Finding {
                    subject: who,
                    what: format!("{table} holds {n} rows of a file that the ledger does not know"),
                }),
            }
        }
        let base = base.to_string();
        let files: BTreeSet<i64> = said.keys().filter(|(t, _)| *t == base).map(|(_, f)| *f).collect();
        for file in files {
            let c = &said[&(base.clone(), file)];
            let want = if quarantine { c.n_quarantined } else { c.n_committed };
            let have = held.get(&file).copied().unwrap_or(0);
            if have != want {
                findings.push(Finding {
                    subject: format!("f{file} {}", names.get(&file).cloned().unwrap_or_default()),
                    what: format!("{table} holds {have} of its rows; the ledger says {want}"),
                });
            }
        }
    }
    // A table that is gone, or a quarantine that should be there.
    for ((table, file), c) in &said {
        let Some(name) = parse_table(table) else { continue };
        if !wanted(&name) {
            continue;
        }
        for (name, n) in [(name.clone(), c.n_committed), (name.quarantine(), c.n_quarantined)] {
            if n > 0 && !tables.contains(&name) {
                findings.push(Finding {
                    subject: format!("f{file} {}", names.get(file).cloned().unwrap_or_default()),
                    what: format!("table {name} is not there; it should hold {n} of its rows"),
                });
            }
        }
    }
    // The bytes that a replay would need.
    let mut n_raw = 0u64;
    for e in ctx.block(ctx.store.raw_refs())? {
        if args.table.as_ref().is_some_and(|t| t.dataset() != e.dataset) {
            continue;
        }
        if !matches!(
            e.state,
            FileState::Committed | FileState::Queued | FileState::Leased | FileState::Parked
        ) {
            continue;
        }
        n_raw += 1;
        if let Err(f) = place(&e.raw).and_then(|p| ctx.raw.open_raw(&p).map(|_| ())) {
            findings.push(Finding {
                subject: format!("{} {}", e.file_id, names.get(&e.file_id.0).cloned().unwrap_or_default()),
                what: f.to_string(),
            });
        }
    }

    let n_committed = states.values().filter(|s| **s == FileState::Committed).count();
    let exit = if findings.is_empty() { Exit::Done } else { Exit::Findings };
    if shell.global.json {
        let all: Vec<_> =
            findings.iter().map(|f| json!({ "subject": f.subject, "finding": f.what })).collect();
        shell.print_json(&json!({
            "files": n_committed, "rows": n_rows, "raw_files": n_raw, "findings": all,
        }))?;
        return Ok(exit);
    }
    shell.say(format!(
        "{} committed, {} counted in tables, raw bytes of {} present",
        render::counted(n_committed as u64, "file"),
        render::counted(n_rows, "row"),
        render::counted(n_raw, "file")
    ))?;
    if findings.is_empty() {
        shell.say("every row of every file is accounted for, once")?;
    } else {
        let mut list = shell.list(&["file", "finding"]);
        for f in findings.iter().take(100) {
            list.row([f.subject.clone(), f.what.clone()]);
        }
        print_list(shell, &list)?;
        shell.say(format!("{} in all", render::counted(findings.len() as u64, "finding")))?;
    }
    Ok(exit)
}

#[derive(Debug)]
struct Counts {
    n_in: u64,
    n_committed: u64,
    n_quarantined: u64,
    n_dropped: u64,
    n_duplicate: u64,
}

/// The table whose files fill this one, and whether this is its quarantine.
fn base_of(table: &TableName) -> Option<(TableName, bool)> {
    match table.table.strip_suffix(lakegate_domain::ids::QUARANTINE_SUFFIX) {
        Some(base) => Some((table.dataset().table(base), true)),
        None => Some((table.clone(), false)),
    }
}

fn parse_table(text: &str) -> Option<TableName> {
    let mut parts = text.splitn(3, '.');
    Some(TableName { team: parts.next()?.into(), dataset: parts.next()?.into(), table: parts.next()?.into() })
}
