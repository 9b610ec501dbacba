//! `prove`: the conservation law, file by file.
//!
//! The ledger says how many rows each file has in each table; the tables are
//! counted, not believed.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use futures::StreamExt;
use lakegate_domain::job::FileState;
use lakegate_domain::{Code, Failure, LaneName, TableName};
use lakegate_lake::layout;
use lakegate_lake::log::TableLog;
use lakegate_lake::session::Session;
use lakegate_state::FileFilter;
use roaring::RoaringTreemap;
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
    // Beside a process that works, half of what it does would look wrong.
    let (_lock, ctx) = shell.work()?;
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
        let held = match count(shell, &session, table) {
            Ok(held) => held,
            Err(f) => {
                findings.push(Finding { subject: table.to_string(), what: f.to_string() });
                continue;
            }
        };
        let base = base.to_string();
        let in_ledger = |c: &Counts| if quarantine { c.n_quarantined } else { c.n_committed };
        let held = match held {
            Held::ByFile(held) => held,
            // Its rows do not say whose they are: their number must do.
            Held::Total(n) => {
                n_rows += n;
                let want: u64 = said.iter().filter(|((t, _), _)| *t == base).map(|(_, c)| in_ledger(c)).sum();
                if n != want {
                    findings.push(Finding {
                        subject: table.to_string(),
                        what: format!("it holds {n} rows; the ledger says {want}"),
                    });
                }
                continue;
            }
        };
        for (file, rows) in &held {
            let Rows { n, n_different } = *rows;
            n_rows += n;
            let who = format!("f{file} {}", names.get(file).cloned().unwrap_or_default());
            if n != n_different {
                findings.push(Finding {
                    subject: who.clone(),
                    what: format!("{table} holds {n} of its rows, but only {n_different} are different"),
                });
            }
            let what = match states.get(file) {
                Some(FileState::Committed) if said.contains_key(&(base.clone(), *file)) => continue,
                Some(FileState::Committed) => "the ledger says nothing of them".to_string(),
                Some(s) => format!("the file is {}", s.name()),
                None => "the ledger does not know the file".to_string(),
            };
            findings
                .push(Finding { subject: who, what: format!("{table} holds {n} of its rows, but {what}") });
        }
        let files: BTreeSet<i64> = said.keys().filter(|(t, _)| *t == base).map(|(_, f)| *f).collect();
        for file in files {
            let c = &said[&(base.clone(), file)];
            let want = in_ledger(c);
            let have = held.get(&file).map_or(0, |r| r.n);
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
    // No table is behind what the ledger knows to be committed.
    let commits = super::sql::rows(
        shell,
        &session,
        "select table_name as t, lane, max(seq) as seq from system.commits where seq is not null group by 1, 2",
    )?;
    for r in &commits {
        let text = |k: &str| r.get(k).and_then(Value::as_str).unwrap_or_default();
        let (Some(name), lane) = (parse_table(text("t")), LaneName(text("lane").to_string())) else {
            continue;
        };
        let seq = r.get("seq").and_then(Value::as_i64).unwrap_or(0);
        if lane.0.is_empty() || !wanted(&name) || !tables.contains(&name) {
            continue;
        }
        let log =
            shell.runtime.block_on(TableLog::open(&ctx.lake.storage, &name, std::slice::from_ref(&lane)));
        let token = log.map_err(Failure::from)?.token(&lane).map_or(0, |s| s.0);
        // A token may be ahead of the ledger: the acknowledgement of a commit that a
        // kill cut off is not made up for.
        if token < seq {
            findings.push(Finding {
                subject: name.to_string(),
                what: format!(
                    "its token of lane {lane} is {token}, but the ledger knows of a commit with {seq}"
                ),
            });
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

/// What a table holds of one file.
#[derive(Clone, Copy)]
struct Rows {
    n: u64,
    n_different: u64,
}

enum Held {
    ByFile(BTreeMap<i64, Rows>),
    Total(u64),
}

/// Counts a table's rows, file by file, in memory that does not grow with them
/// by more than a bit for each.
fn count(shell: &Shell, session: &Session, table: &TableName) -> std::result::Result<Held, Failure> {
    let name = format!("\"{}\".\"{}\".\"{}\"", table.team, table.dataset, table.table);
    let damaged = |e: String| Failure::new(Code::TableDamaged, format!("table {table}: {e}"));
    shell.runtime.block_on(async {
        let query = async |sql: String| session.query(&sql).await.map_err(|e| damaged(e.to_string()));
        let (schema, _) = query(format!("select * from {name} limit 0")).await?;
        let has_owner = schema.index_of(layout::FILE_ID).is_ok();
        let what = if has_owner { "\"_file_id\", \"_row\"" } else { "1" };
        let (_, mut batches) = query(format!("select {what} from {name}")).await?;
        let mut total = 0;
        let mut rows: BTreeMap<i64, (u64, RoaringTreemap)> = BTreeMap::new();
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(|e| damaged(e.to_string()))?;
            total += batch.num_rows() as u64;
            if !has_owner {
                continue;
            }
            let column = |i: usize| batch.column(i).as_primitive::<Int64Type>();
            for (file, row) in column(0).iter().zip(column(1)) {
                let (n, different) = rows.entry(file.unwrap_or(-1)).or_default();
                *n += 1;
                different.insert(row.unwrap_or(-1) as u64);
            }
        }
        Ok(match has_owner {
            true => Held::ByFile(
                rows.into_iter().map(|(f, (n, rows))| (f, Rows { n, n_different: rows.len() })).collect(),
            ),
            false => Held::Total(total),
        })
    })
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
