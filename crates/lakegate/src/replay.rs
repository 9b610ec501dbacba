//! Raw bytes through today's configuration: a dataset's tables are rebuilt
//! beside the live ones and swapped in by one commit each, so that no reader
//! sees them empty, doubled or half done.

use std::collections::BTreeMap;
use std::sync::Arc;

use lakegate_domain::model::Dataset;
use lakegate_domain::{Code, Failure, FileId, LaneName, Seq, TableName};
use lakegate_lake::files::{LiveFile, live, without_rows_of};
use lakegate_lake::layout::FILE_ID;
use lakegate_lake::log::{AddFile, Commit, RemoveFile, TableLog};
use lakegate_lake::sink::remove_files;
use lakegate_state::{CommitRecord, Job, Outcome, RunStatus};
use serde_json::json;

use crate::context::{Context, now};
use crate::failpoint;
use crate::ingest::dedupe::leave_out;
use crate::ingest::fold::quarantine_schema;
use crate::ingest::prepare::{STREAM_OVER_BYTES, prepare};
use crate::ingest::tables::Tables;
use crate::ingest::{env, grown_schema, outcomes, sink_options, write_rows};
use crate::mishap::caught;
use crate::worker::Worker;

/// What a replay came to.
#[derive(Debug, Default)]
pub struct Replayed {
    pub n_files: usize,
    pub n_rows: u64,
    pub tables: Vec<String>,
    /// Files whose raw bytes are no longer kept: their rows stayed as they were.
    pub n_kept: usize,
    /// Files that today's configuration refuses. Where there are any, nothing
    /// was changed.
    pub refused: Vec<(String, Failure)>,
    /// Tables that no configuration makes any more, and that are empty now.
    pub emptied: Vec<String>,
    /// A person asked to stop before anything was changed.
    pub stopped: bool,
}

impl Replayed {
    /// Whether it was done.
    pub fn is_whole(&self) -> bool {
        self.refused.is_empty() && !self.stopped
    }
}

/// What the ledger calls the commit that empties a table which nothing makes.
const EMPTIED: &str = "replay away";

/// Raw text held at a time.
const HELD_BYTES: u64 = 32 << 20;

/// Why these files alone cannot be replayed, for people; `None` where they can.
pub fn objection(ctx: &Context, dataset: &Arc<Dataset>, only: &[FileId]) -> Result<Option<String>, Failure> {
    if only.is_empty() {
        return Ok(None);
    }
    let files = ctx.block(ctx.store.replayable(&dataset.name))?;
    if let Some(missing) = only.iter().find(|id| !files.iter().any(|f| f.job.file_id == **id)) {
        return Ok(Some(format!(
            "file {missing} has no rows in dataset {} to replay; see `lakegate files`",
            dataset.name
        )));
    }
    let mut tables = Tables::new(dataset.clone(), ctx.lake.storage.clone());
    ctx.runtime.block_on(tables.open_existing())?;
    Ok(without_owner(&mut tables).map(|table| {
        format!(
            "rows of {table} do not say which file they came from (`provenance: false`), so that those of one \
             file cannot be told from the others'; replay the whole dataset: lakegate replay {}",
            dataset.name
        )
    }))
}

/// A table whose rows do not say which file they came from.
fn without_owner(tables: &mut Tables) -> Option<TableName> {
    let lacks = |log: &TableLog| log.schema().is_some_and(|s| s.index_of(FILE_ID).is_err());
    tables.iter_mut().find(|(_, t)| lacks(&t.log)).map(|(_, t)| t.log.name.clone())
}

/// Rebuilds a dataset, or the rows of some of its files, from raw bytes.
///
/// Where an earlier replay of the dataset was cut off between its commits, that
/// one is finished first, or done again as a part of this one.
pub fn replay(
    ctx: &Context,
    dataset: &Arc<Dataset>,
    only: &[FileId],
    progress: &dyn Fn(usize, usize),
) -> Result<Replayed, Failure> {
    let all = only.is_empty();
    match all {
        true => crate::abreast::check_ledger(ctx, &dataset.name)?,
        false => crate::abreast::check(ctx, &dataset.name)?,
    }
    settle(ctx, dataset, all)?;
    let unfinished =
        ctx.block(ctx.store.unfinished_swaps())?.into_iter().find(|swap| swap.dataset == dataset.name);
    if let Some(swap) = &unfinished
        && !only.is_empty()
        && swap.files != only
    {
        let earlier = once(ctx, dataset, &swap.files, true, progress)?;
        if !earlier.is_whole() {
            return Ok(earlier);
        }
        return once(ctx, dataset, only, false, progress);
    }
    once(ctx, dataset, only, unfinished.is_some(), progress)
}

/// One replay, as a run. `finishes`: it ends one that was cut off.
fn once(
    ctx: &Context,
    dataset: &Arc<Dataset>,
    only: &[FileId],
    finishes: bool,
    progress: &dyn Fn(usize, usize),
) -> Result<Replayed, Failure> {
    let mut files = ctx.block(ctx.store.replayable(&dataset.name))?;
    if !only.is_empty() {
        files.retain(|f| only.contains(&f.job.file_id));
    }
    let n_kept = match only {
        // What has no raw bytes any more cannot be rebuilt: it stays.
        [] => files.extract_if(.., |f| !f.has_raw).count(),
        _ => 0,
    };
    let jobs: Vec<Job> = files.into_iter().map(|f| f.job).collect();
    let mut replayed = Replayed { n_files: jobs.len(), n_kept, ..Replayed::default() };
    if jobs.is_empty() && !finishes {
        return Ok(replayed);
    }
    if only.is_empty() && n_kept > 0 {
        // What is kept as it is must be there.
        crate::abreast::check(ctx, &dataset.name)?;
    }
    let all = only.is_empty() && n_kept == 0;
    let run = ctx.block(ctx.store.start_run("replay", Some(&dataset.name), now()))?;
    let result = match jobs.is_empty() {
        // Every file of the swap was replaced meanwhile, and its rows are gone.
        true => Ok((Vec::new(), Vec::new())),
        false => rebuild(ctx, dataset, jobs, all, &mut replayed, progress),
    };
    let (status, error) = match &result {
        Ok(_) if replayed.stopped => (RunStatus::Interrupted, None),
        Ok(_) if replayed.refused.is_empty() => (RunStatus::Succeeded, None),
        Ok(_) => (RunStatus::Failed, Some("some files were refused".to_string())),
        Err(f) => (RunStatus::Failed, Some(f.to_string())),
    };
    if let Ok((outcomes, commits)) = &result
        && replayed.is_whole()
    {
        ctx.failpoints.pass(failpoint::REPLAYED);
        ctx.block(ctx.store.finish_replay(&dataset.name, outcomes, commits, run))?;
    }
    ctx.block(ctx.store.end_run(run, status, replayed.n_files as u64, replayed.n_rows, error, now()))?;
    result.map(|_| replayed)
}

/// Brings the dataset's open jobs to their end first. A job whose commit was not
/// acknowledged has rows in the tables that the ledger does not know of; a
/// replay would take them away, and the job's token would keep them away.
fn settle(ctx: &Context, dataset: &Dataset, all: bool) -> Result<(), Failure> {
    Worker::before_rebuild(all).drain(ctx, Some(&dataset.name), &|_| {})?;
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
    match all {
        true => tables.dedupers().set_anew(),
        false => tables.dedupers().set_without(ids.iter().copied()),
    }
    if replayed.n_kept > 0
        && let Some(table) = without_owner(&mut tables)
    {
        return Err(Failure::new(
            Code::RawMissing,
            format!(
                "the raw bytes of {} files are no longer kept, and rows of {table} do not say which file they \
                 came from (`provenance: false`): theirs cannot be told from those that would be rebuilt",
                replayed.n_kept
            ),
        ));
    }
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
                replayed.stopped = true;
                return Ok(());
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
            if prepared.stopped {
                replayed.stopped = true;
                return Ok(());
            }
            if tables.n_widened() != n_widened && !written.is_empty() {
                // What is written has a type that the column no longer has.
                for (table, files) in std::mem::take(&mut prepared.streamed) {
                    written.entry((false, table)).or_default().extend(files);
                }
                for (table, files) in std::mem::take(&mut prepared.streamed_quarantine) {
                    written.entry((true, table)).or_default().extend(files);
                }
                discard(&mut written);
                tables.dedupers().clear();
                figures.clear();
                replayed.refused.clear();
                left = jobs.clone();
                continue;
            }
            if tables.dedupe() && !prepared.is_streamed {
                leave_out(&env, &mut tables, &mut prepared)?;
            }
            for (table, files) in std::mem::take(&mut prepared.streamed) {
                tables.dedupers().written(&table, &files);
                written.entry((false, table)).or_default().extend(files);
            }
            for (table, files) in std::mem::take(&mut prepared.streamed_quarantine) {
                written.entry((true, table)).or_default().extend(files);
            }
            prepared.left.append(&mut left);
            left = std::mem::take(&mut prepared.left);
            replayed.refused.extend(prepared.failed.drain(..).map(|(j, f)| (j.path, f)));
            figures.extend(outcomes(dataset, &prepared.files));
            write(ctx, &mut tables, &mut prepared.files, &mut written)?;
            tables.dedupers().commit();
            progress(total - left.len(), total);
        }
        Ok(())
    })();
    if let Err(f) = result {
        discard(&mut written);
        return Err(f);
    }
    if !replayed.is_whole() {
        discard(&mut written);
        return Ok((Vec::new(), Vec::new()));
    }
    ctx.failpoints.pass(failpoint::REPLAY_WRITTEN);
    replayed.n_rows = figures.iter().flat_map(|o| &o.tables).map(|t| t.n_committed).sum();
    let seq = ctx.block(ctx.store.begin_swap(&dataset.name, if all { &[] } else { &ids }, now()))?;
    let commits = swap(ctx, dataset, &mut tables, seq, &ids, all, written).map_err(|f| {
        let rest = "what is not swapped yet is swapped by the next `lakegate run`";
        Failure::new(f.code, format!("{}; {rest}", f.message))
    })?;
    replayed.tables =
        commits.iter().filter(|c| c.operation != EMPTIED).map(|c| c.table.to_string()).collect();
    replayed.emptied =
        commits.iter().filter(|c| c.operation == EMPTIED).map(|c| c.table.to_string()).collect();
    Ok((figures, commits))
}

/// Writes a batch's rows into data files that nothing names yet.
fn write(
    ctx: &Context,
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
            if !quarantine {
                tables.dedupers().written(&name, &adds);
            }
            written.entry((quarantine, name.clone())).or_default().extend(adds);
        }
    }
    Ok(())
}

/// One commit per table: the old rows go as the new ones come.
fn swap(
    ctx: &Context,
    dataset: &Dataset,
    tables: &mut Tables,
    seq: Seq,
    ids: &[FileId],
    all: bool,
    mut written: Files,
) -> Result<Vec<CommitRecord>, Failure> {
    let lane = LaneName::replay(&dataset.name);
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
                commit.removes = removes(ctx, log)?;
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
    if all {
        // Every file is read anew, and none of its rows goes there.
        for name in tables.unmade() {
            let name = dataset.name.table(&name);
            for name in [name.quarantine(), name] {
                records.extend(empty(ctx, dataset, &name, &lane, seq)?);
            }
        }
    }
    Ok(records)
}

/// Takes all rows out of a table that no configuration makes any more.
fn empty(
    ctx: &Context,
    dataset: &Dataset,
    name: &TableName,
    lane: &LaneName,
    seq: Seq,
) -> Result<Option<CommitRecord>, Failure> {
    let mut log =
        ctx.runtime.block_on(TableLog::open(&ctx.lake.storage, name, std::slice::from_ref(lane)))?;
    let removes = removes(ctx, &log)?;
    if removes.is_empty() {
        return Ok(None);
    }
    let commit = Commit {
        operation: "DELETE",
        token: Some((lane.clone(), seq)),
        data_change: true,
        info: json!({ "dataset": dataset.name.to_string(), "lane": lane.0, "seq": seq.0, "replay": true }),
        removes,
        ..Commit::default()
    };
    let version = ctx.runtime.block_on(log.commit(&commit))?;
    ctx.failpoints.pass(failpoint::REPLAYED);
    Ok(Some(CommitRecord {
        table: name.clone(),
        version,
        lane: lane.clone(),
        seq,
        n_files: 0,
        n_rows: 0,
        n_added: 0,
        n_removed: commit.removes.len() as u32,
        size_bytes: 0,
        operation: EMPTIED.into(),
        at: now(),
    }))
}

/// The removal of all live files of a table.
fn removes(ctx: &Context, log: &TableLog) -> Result<Vec<RemoveFile>, Failure> {
    let files = ctx.runtime.block_on(live(log))?;
    let remove = |f: LiveFile| RemoveFile {
        path: f.path,
        partition_values: f.partition_values,
        size_bytes: f.size_bytes,
    };
    Ok(files.into_iter().map(remove).collect())
}

/// Finishes replays that were cut off between their first commit and the ledger's
/// word of it: some tables hold the new rows, others the old ones. Answers what
/// kept one from being finished; it is noted still.
pub fn resume(ctx: &Context) -> Vec<Failure> {
    let swaps = match ctx.block(ctx.store.unfinished_swaps()) {
        Ok(swaps) => swaps,
        Err(failure) => return vec![failure],
    };
    let mut failures = Vec::new();
    for swap in swaps {
        // Its configuration is gone; it waits until it is back.
        let Some(dataset) = ctx.lake.dataset(&swap.dataset).cloned() else { continue };
        let name = &dataset.name;
        eprintln!("a replay of {name} was cut off between two tables; it is finished now");
        let doing = format!("finishing the replay of {name}");
        match caught(&doing, || replay(ctx, &dataset, &swap.files, &|_, _| {})) {
            Ok(replayed) => failures.extend(replayed.refused.into_iter().next().map(|(path, f)| {
                let what = "some tables hold the new rows and others the old ones, as long as today's";
                Failure::new(
                    f.code,
                    format!(
                        "the replay of {name} is half done: {what} configuration refuses {path}: {}",
                        f.message
                    ),
                )
            })),
            Err(f) => failures
                .push(Failure::new(f.code, format!("the replay of {name} is half done: {}", f.message))),
        }
    }
    failures
}
