//! Raw bytes through today's configuration: a dataset's tables are rebuilt
//! beside the live ones and swapped in by one commit each, so that no reader
//! sees them empty, doubled or half done.

use std::collections::BTreeMap;
use std::sync::Arc;

use lakegate_domain::model::Dataset;
use lakegate_domain::{Code, Failure, FileId, LaneName, Seq};
use lakegate_lake::files::{live, without_rows_of};
use lakegate_lake::log::{AddFile, Commit, RemoveFile};
use lakegate_lake::sink::remove_files;
use lakegate_state::{CommitRecord, Job, Outcome, RunStatus};
use serde_json::json;

use crate::context::{Context, now};
use crate::failpoint;
use crate::ingest::fold::quarantine_schema;
use crate::ingest::prepare::{STREAM_OVER_BYTES, prepare};
use crate::ingest::tables::Tables;
use crate::ingest::{env, grown_schema, outcomes, sink_options, write_rows};
use crate::worker::Worker;

/// What a replay came to.
#[derive(Debug, Default)]
pub struct Replayed {
    pub n_files: usize,
    pub n_rows: u64,
    pub tables: Vec<String>,
    /// Files that today's configuration refuses. Where there are any, nothing
    /// was changed.
    pub refused: Vec<(String, Failure)>,
}

/// Kind of a replay's run; with `:` and file ids where it is of some files.
pub const KIND: &str = "replay";

/// Raw text held at a time.
const HELD_BYTES: u64 = 32 << 20;

/// Rebuilds a dataset, or the rows of some of its files, from raw bytes.
pub fn replay(
    ctx: &Context,
    dataset: &Arc<Dataset>,
    only: &[FileId],
    progress: &dyn Fn(usize, usize),
) -> Result<Replayed, Failure> {
    settle(ctx, dataset)?;
    let lane = LaneName::replay(&dataset.name);
    let mut jobs: Vec<Job> =
        ctx.block(ctx.store.replayable(&dataset.name))?.into_iter().map(|r| r.job).collect();
    let all = only.is_empty();
    if !all {
        if let Some(missing) = only.iter().find(|id| !jobs.iter().any(|j| j.file_id == **id)) {
            return Err(Failure::new(
                Code::RawMissing,
                format!(
                    "file {missing} has no rows in dataset {} to replay; see `lakegate files`",
                    dataset.name
                ),
            ));
        }
        jobs.retain(|j| only.contains(&j.file_id));
    }
    let mut replayed = Replayed { n_files: jobs.len(), ..Replayed::default() };
    if jobs.is_empty() {
        return Ok(replayed);
    }
    // The run's kind says what is to be replayed: an interrupted one is resumed.
    let kind = match only {
        [] => KIND.to_string(),
        ids => format!("{KIND}:{}", ids.iter().map(|f| f.0.to_string()).collect::<Vec<_>>().join(",")),
    };
    let run = ctx.block(ctx.store.start_run(&kind, Some(&dataset.name), now()))?;
    let result = rebuild(ctx, dataset, &lane, jobs, all, &mut replayed, progress);
    let (status, error) = match &result {
        Ok(_) if replayed.refused.is_empty() => (RunStatus::Succeeded, None),
        Ok(_) => (RunStatus::Failed, Some("today's configuration refuses some files".to_string())),
        Err(f) => (RunStatus::Failed, Some(f.to_string())),
    };
    if let Ok((outcomes, commits)) = &result
        && replayed.refused.is_empty()
    {
        ctx.failpoints.pass(failpoint::REPLAYED);
        ctx.block(ctx.store.finish_replay(&dataset.name, outcomes, commits, run, now()))?;
    }
    ctx.block(ctx.store.end_run(run, status, replayed.n_files as u64, replayed.n_rows, error, now()))?;
    result.map(|_| replayed)
}

/// Brings the dataset's open jobs to their end first. A job whose commit was not
/// acknowledged has rows in the tables that the ledger does not know of; a
/// replay would take them away, and the job's token would keep them away.
fn settle(ctx: &Context, dataset: &Dataset) -> Result<(), Failure> {
    Worker::default().drain(ctx, Some(&dataset.name), &|_| {})?;
    let open = ctx.block(ctx.store.lanes_with_work(now()))?.into_iter().find(|l| l.dataset == dataset.name);
    match open {
        Some(lane) if !ctx.stopping() => Err(Failure::new(
            Code::Conflict,
            format!(
                "{} files of {} wait to be tried again; replay when they are done",
                lane.n_files, dataset.name
            ),
        )),
        _ => Ok(()),
    }
}

type Files = BTreeMap<(bool, String), Vec<AddFile>>;

fn rebuild(
    ctx: &Context,
    dataset: &Arc<Dataset>,
    lane: &LaneName,
    jobs: Vec<Job>,
    all: bool,
    replayed: &mut Replayed,
    progress: &dyn Fn(usize, usize),
) -> Result<(Vec<Outcome>, Vec<CommitRecord>), Failure> {
    let total = jobs.len();
    let ids: Vec<FileId> = jobs.iter().map(|j| j.file_id).collect();
    let mut tables = match all {
        true => Tables::anew(dataset.clone(), ctx.lake.storage.clone()),
        false => Tables::live(dataset.clone(), ctx.lake.storage.clone(), sink_options(ctx, &[])),
    };
    ctx.runtime.block_on(tables.open_existing())?;
    let mut written: Files = BTreeMap::new();
    let mut figures: Vec<Outcome> = Vec::new();
    let mut left = jobs.clone();
    let discard = |written: &mut Files| {
        for ((quarantine, table), files) in std::mem::take(written) {
            let name = dataset.name.table(&table);
            let name = if quarantine { name.quarantine() } else { name };
            remove_files(&lakegate_lake::log::table_folder(&ctx.lake.storage, &name), &files);
        }
    };
    let result = (|| {
        while !left.is_empty() {
            if ctx.stopping() {
                return Err(Failure::new(Code::Storage, "stopped; the tables are as they were"));
            }
            let mut bytes = 0;
            let n = left
                .iter()
                .take(ctx.lake.batch.max_files as usize)
                .take_while(|j| {
                    bytes += j.size_bytes;
                    bytes <= HELD_BYTES
                })
                .count()
                .max(1);
            let n =
                left.iter().take(n).position(|j| j.size_bytes > STREAM_OVER_BYTES).map_or(n, |at| at.max(1));
            let mut batch: Vec<Job> = left.drain(..n).collect();
            batch.iter_mut().for_each(|j| j.accepted_volume = true);
            let env = env(ctx, dataset);
            let n_widened = tables.n_widened();
            let mut prepared = prepare(&env, &mut tables, batch, &|_, _, _, _| false)?;
            if tables.n_widened() != n_widened && !written.is_empty() {
                // What is written has a type that the column no longer has.
                for (table, files) in std::mem::take(&mut prepared.streamed) {
                    written.entry((false, table)).or_default().extend(files);
                }
                for (table, files) in std::mem::take(&mut prepared.streamed_quarantine) {
                    written.entry((true, table)).or_default().extend(files);
                }
                discard(&mut written);
                figures.clear();
                replayed.refused.clear();
                left = jobs.clone();
                continue;
            }
            for (table, files) in std::mem::take(&mut prepared.streamed) {
                written.entry((false, table)).or_default().extend(files);
            }
            for (table, files) in std::mem::take(&mut prepared.streamed_quarantine) {
                written.entry((true, table)).or_default().extend(files);
            }
            prepared.left.append(&mut left);
            left = std::mem::take(&mut prepared.left);
            replayed.refused.extend(prepared.failed.drain(..).map(|(j, f)| (j.path, f)));
            figures.extend(outcomes(dataset, &prepared.files));
            write(ctx, dataset, &mut tables, &mut prepared.files, &mut written)?;
            progress(total - left.len(), total);
        }
        Ok(())
    })();
    if let Err(f) = result {
        discard(&mut written);
        return Err(f);
    }
    if !replayed.refused.is_empty() {
        discard(&mut written);
        return Ok((Vec::new(), Vec::new()));
    }
    ctx.failpoints.pass(failpoint::REPLAY_WRITTEN);
    replayed.n_rows = figures.iter().flat_map(|o| &o.tables).map(|t| t.n_committed).sum();
    let seq = ctx.block(ctx.store.next_replay_seq(&dataset.name, now()))?;
    let commits = swap(ctx, dataset, &mut tables, lane, seq, &ids, all, written)?;
    replayed.tables = commits.iter().map(|c| c.table.to_string()).collect();
    Ok((figures, commits))
}

/// Writes a batch's rows into data files that nothing names yet.
fn write(
    ctx: &Context,
    _dataset: &Dataset,
    tables: &mut Tables,
    files: &mut [(Job, crate::ingest::outcome::FileOut)],
    written: &mut Files,
) -> Result<(), Failure> {
    let mut names: Vec<String> = files.iter().flat_map(|(_, o)| o.tables.keys().cloned()).collect();
    names.sort();
    names.dedup();
    for name in names {
        for quarantine in [true, false] {
            let mut rows = Vec::new();
            for (_, out) in files.iter_mut() {
                if let Some(t) = out.tables.get_mut(&name) {
                    rows.append(if quarantine { &mut t.quarantined } else { &mut t.rows });
                }
            }
            rows.retain(|r| r.num_rows() > 0);
            if rows.is_empty() {
                continue;
            }
            let state = tables.get_mut(&name).ok_or_else(|| Failure::new(Code::Bug, "table is not open"))?;
            rows.iter().filter(|_| !quarantine).for_each(|r| state.notice_extras(r));
            let schema = if quarantine { quarantine_schema() } else { state.schema()? };
            let partitions = if quarantine { Vec::new() } else { state.partition_columns() };
            let sort_by = if quarantine { Vec::new() } else { state.config.sort_by.clone() };
            let description = state.config.description.clone();
            let log = if quarantine { &mut state.quarantine } else { &mut state.log };
            if !log.exists() {
                ctx.runtime.block_on(log.create(schema.clone(), &partitions, description.as_deref()))?;
            }
            let adds = write_rows(log, schema, &partitions, rows, sink_options(ctx, &sort_by))?;
            written.entry((quarantine, name.clone())).or_default().extend(adds);
        }
    }
    Ok(())
}

/// One commit per table: the old rows go as the new ones come.
#[allow(clippy::too_many_arguments, reason = "one caller; a struct would only name them twice")]
fn swap(
    ctx: &Context,
    dataset: &Dataset,
    tables: &mut Tables,
    lane: &LaneName,
    seq: Seq,
    ids: &[FileId],
    all: bool,
    mut written: Files,
) -> Result<Vec<CommitRecord>, Failure> {
    let mut records = Vec::new();
    let names: Vec<String> = tables.iter_mut().map(|(n, _)| n.clone()).collect();
    for quarantine in [true, false] {
        for name in &names {
            let state = tables.get_mut(name).ok_or_else(|| Failure::new(Code::Bug, "table is not open"))?;
            let adds = written.remove(&(quarantine, name.clone())).unwrap_or_default();
            let schema = if quarantine { quarantine_schema() } else { state.schema()? };
            let partitions = state.partition_columns();
            let log = if quarantine { &mut state.quarantine } else { &mut state.log };
            if !log.exists() {
                continue;
            }
            let mut commit = Commit {
                operation: "WRITE",
                token: Some((lane.clone(), seq)),
                data_change: true,
                schema: if all && !quarantine { Some(schema) } else { grown_schema(log, &schema) },
                partition_by: (all && !quarantine).then_some(partitions),
                info: json!({
                    "dataset": dataset.name.to_string(), "lane": lane.0, "seq": seq.0, "replay": true,
                    "files": ids.iter().map(|f| f.0).collect::<Vec<_>>(), "config": dataset.config_hash,
                }),
                ..Commit::default()
            };
            let n_rows: u64 = adds.iter().map(|a| a.n_rows).sum();
            if all {
                commit.removes = ctx
                    .runtime
                    .block_on(live(log))?
                    .into_iter()
                    .map(|f| RemoveFile {
                        path: f.path,
                        partition_values: f.partition_values,
                        size_bytes: f.size_bytes,
                    })
                    .collect();
                commit.adds = adds;
            } else {
                let rewrite = ctx.runtime.block_on(without_rows_of(log, ids, &sink_options(ctx, &[])))?;
                commit.removes = rewrite.removes;
                commit.adds = rewrite.adds;
                commit.adds.extend(adds);
            }
            if commit.adds.is_empty() && commit.removes.is_empty() {
                continue;
            }
            let version = ctx.runtime.block_on(log.commit(&commit))?;
            ctx.failpoints.pass(failpoint::REPLAYED);
            records.push(CommitRecord {
                table: log.name.clone(),
                version,
                lane: lane.clone(),
                seq,
                n_files: ids.len() as u32,
                n_rows,
                n_added: commit.adds.len() as u32,
                n_removed: commit.removes.len() as u32,
                size_bytes: commit.adds.iter().map(|a| a.size_bytes).sum(),
                operation: if quarantine { "replay quarantine" } else { "replay" }.into(),
                at: now(),
            });
        }
    }
    Ok(records)
}

/// Finishes replays that a killed process left half done: some tables may
/// have been swapped while the ledger still holds the old figures.
pub fn resume(ctx: &Context) -> Result<(), Failure> {
    let Some(rows) = ctx.block(ctx.store.system_table("runs"))? else { return Ok(()) };
    let column = |name: &str| rows.columns.iter().position(|c| c.name == name);
    let (Some(id), Some(kind), Some(dataset), Some(status)) =
        (column("run_id"), column("kind"), column("dataset"), column("status"))
    else {
        return Err(Failure::new(Code::Bug, "system.runs lacks a column"));
    };
    // The newest replay of each dataset decides.
    let mut newest: BTreeMap<String, (i64, String, String)> = BTreeMap::new();
    for row in &rows.rows {
        let (Some(kind), Some(dataset)) = (row[kind].as_str(), row[dataset].as_str()) else { continue };
        if !kind.starts_with(KIND) {
            continue;
        }
        let entry =
            (row[id].as_i64().unwrap_or(0), kind.to_string(), row[status].as_str().unwrap_or("").to_string());
        let slot = newest.entry(dataset.to_string()).or_insert_with(|| entry.clone());
        if entry.0 > slot.0 {
            *slot = entry;
        }
    }
    for (dataset, (_, kind, status)) in newest {
        let Ok(name) = dataset.parse() else { continue };
        let (true, Some(dataset)) = (status == "interrupted", ctx.lake.dataset(&name).cloned()) else {
            continue;
        };
        let ids: Vec<FileId> = kind
            .strip_prefix(KIND)
            .and_then(|k| k.strip_prefix(':'))
            .map(|ids| ids.split(',').filter_map(|i| i.parse().ok().map(FileId)).collect())
            .unwrap_or_default();
        eprintln!("a replay of {name} was interrupted; it is done again");
        replay(ctx, &dataset, &ids, &|_, _| {})?;
    }
    Ok(())
}
