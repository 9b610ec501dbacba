//! One claim of a lane to committed rows: the life of a file from `claim` to
//! `finish`, in the order that makes it exactly once.
//!
//! 1. read, transform, conform, quality, expect (`prepare`)
//! 2. leave out rows that came before (`dedupe`); a large file's are left out
//!    while it is read
//! 3. park the files that failed, so that no token ever passes over a file that
//!    is still to be parked
//! 4. commit quarantines, then tables, each with the commit token
//! 5. the ledger finishes the jobs
//!
//! A file whose rows a table holds already, by its token, is read again for
//! its figures but not written there again.

pub mod dedupe;
pub mod derived;
pub mod fold;
pub mod gather;
pub mod hook;
pub mod outcome;
pub mod parse;
pub mod prepare;
pub mod quality;
pub mod sinks;
pub mod tables;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use lakegate_domain::failure::{Verdict, verdict};
use lakegate_domain::model::Dataset;
use lakegate_domain::token::is_committed;
use lakegate_domain::{Code, Failure, FileId, LaneName, Seq, TableName};
use lakegate_lake::expect::Finding;
use lakegate_lake::files::without_rows_of;
use lakegate_lake::layout::{self, FILE_ID};
use lakegate_lake::log::{AddFile, Commit, TableLog, table_folder};
use lakegate_lake::sink::{Sink, SinkOptions};
use lakegate_state::{CommitRecord, ExpectationResult, Job, Millis, Outcome, TableRows};
use serde_json::json;

use crate::context::{Context, now};
use crate::failpoint;
use outcome::FileOut;
use prepare::{Env, Prepared, prepare};
use tables::Tables;

/// What one claim came to.
#[derive(Debug, Default)]
pub struct Done {
    pub outcomes: Vec<Outcome>,
    pub commits: Vec<CommitRecord>,
    pub parked: Vec<(Job, Failure)>,
}

impl Done {
    pub fn n_rows(&self) -> u64 {
        self.outcomes.iter().flat_map(|o| &o.tables).map(|t| t.n_committed).sum()
    }
}

/// A failure of the work itself and not of one file's content: the claim goes
/// back, or the job at which it happened is tried again later.
#[derive(Debug)]
pub struct Setback {
    pub failure: Failure,
    /// The job to blame, if one is.
    pub job: Option<Box<Job>>,
}

impl From<Failure> for Setback {
    fn from(failure: Failure) -> Self {
        Setback { failure, job: None }
    }
}

/// Data files that one table's commit, or one streamed file, keeps open.
const OPEN_FILES: usize = 64;

pub fn sink_options(ctx: &Context, sort_by: &[String]) -> SinkOptions {
    SinkOptions {
        target_file_bytes: ctx.lake.upkeep.target_file_bytes,
        memory_bytes: (ctx.lake.memory_bytes / 3) as usize,
        open_files: OPEN_FILES,
        sort_by: sort_by.to_vec(),
    }
}

pub fn env<'a>(ctx: &'a Context, dataset: &'a Dataset) -> Env<'a> {
    Env {
        dataset,
        root: &ctx.lake.root,
        storage: &ctx.lake.storage,
        raw: &ctx.raw,
        spill: &ctx.spill,
        runtime: ctx.runtime.clone(),
        threads: ctx.threads,
        held_bytes: (ctx.lake.memory_bytes / 8 * 3) as usize,
        transform_memory: (ctx.lake.memory_bytes / 2) as usize,
        loaded_at_us: now().0 * 1000,
        sink: sink_options(ctx, &[]),
        stop: &ctx.stop.asked,
        remembered_bytes: remembered_bytes(ctx),
        of_file_bytes: (ctx.lake.memory_bytes / 3) as usize,
    }
}

/// What may be remembered of rows that count as one: of a dataset, and of all the
/// others together.
pub fn remembered_bytes(ctx: &Context) -> usize {
    (ctx.lake.memory_bytes / 8) as usize
}

/// The ledger's side of an ingest: each is one transaction.
pub struct Desk<'a> {
    /// A file waits for a person.
    pub park: &'a dyn Fn(&Job, &Failure) -> Result<(), Failure>,
    /// A batch is committed.
    pub finish: &'a dyn Fn(&Done) -> Result<(), Failure>,
}

/// Brings claimed jobs into their tables. `done` tells what was finished, also
/// where the rest meets a setback.
pub fn ingest(
    ctx: &Context,
    dataset: &Arc<Dataset>,
    tables: &mut Tables,
    lane: &LaneName,
    jobs: Vec<Job>,
    desk: &Desk<'_>,
    done: &mut Done,
) -> Result<(), Setback> {
    let mut left = jobs;
    // Once a commit failed by the fault of some file, each file goes alone.
    let mut alone = false;
    while !left.is_empty() {
        let n = if alone { 1 } else { batch_of(&left, tables.dedupe()) };
        let rest = left.split_off(n);
        let batch = std::mem::replace(&mut left, rest);
        let env = env(ctx, dataset);
        if tables.dedupe() {
            set_apart(ctx, tables, lane, &batch)?;
        }
        if batch.iter().any(|j| !j.replaces.is_empty()) {
            ctx.runtime.block_on(tables.open_existing())?;
        }
        let skip = |tables: &mut Tables, table: &str, quarantine: bool, job: &Job| {
            let Some(t) = tables.get_mut(table) else { return false };
            let log = if quarantine { &t.quarantine } else { &t.log };
            is_committed(log.token(lane), job.seq)
        };
        let mut prepared = prepare(&env, tables, batch, &skip)?;
        if prepared.stopped {
            // The jobs go back as they were.
            return Ok(());
        }
        guard_volume(ctx, dataset, &mut prepared)?;
        // The rows of a streamed file are in data files already.
        if tables.dedupe() && !prepared.is_streamed {
            dedupe::leave_out(&env, tables, &mut prepared)?;
        }
        left.splice(0..0, std::mem::take(&mut prepared.left));
        ctx.failpoints.pass(failpoint::CHECKED);

        for (job, failure) in std::mem::take(&mut prepared.failed) {
            refuse(ctx, dataset, tables, lane, job, failure, desk, done)?;
        }
        if prepared.files.is_empty() {
            continue;
        }
        let jobs: Vec<Job> = prepared.files.iter().map(|(job, _)| job.clone()).collect();
        let newest: Vec<Option<Millis>> = match dataset.feed {
            Some(_) => prepared
                .files
                .iter()
                .map(|(_, f)| f.newest_ms(dataset.publish.as_ref()).map(Millis))
                .collect(),
            None => Vec::new(),
        };
        let mut now_done = Done { outcomes: outcomes(dataset, &prepared.files), ..Done::default() };
        match commit(ctx, dataset, tables, lane, prepared) {
            Ok(commits) => now_done.commits = commits,
            // The storage is well: it is what a file holds that cannot be written.
            Err(failure) if verdict(failure.code, 1) == Verdict::Park => {
                tables.forget();
                match <[Job; 1]>::try_from(jobs) {
                    Ok([job]) => refuse(ctx, dataset, tables, lane, job, failure, desk, done)?,
                    Err(jobs) => {
                        alone = true;
                        left.splice(0..0, jobs);
                    }
                }
                continue;
            }
            Err(failure) => return Err(failure.into()),
        }
        tables.dedupers().commit();
        ctx.failpoints.pass(failpoint::UNFINISHED);
        (desk.finish)(&now_done)?;
        ctx.failpoints.pass(failpoint::FINISHED);
        if dataset.feed.is_some() {
            for ((job, outcome), newest) in jobs.iter().zip(&now_done.outcomes).zip(newest) {
                ctx.block(ctx.store.poll_ingested(&dataset.name, &job.path, outcome.n_read, newest))?;
            }
        }
        done.outcomes.extend(now_done.outcomes);
        done.commits.extend(now_done.commits);
    }
    Ok(())
}

/// How many jobs make the next batch. Where rows are compared with those of other
/// files, one that replaces others goes alone: only its own rows are to be
/// compared without those that it replaces.
fn batch_of(jobs: &[Job], dedupe: bool) -> usize {
    match jobs.iter().position(|j| !j.replaces.is_empty()).filter(|_| dedupe) {
        Some(at) => at.max(1),
        None => jobs.len(),
    }
}

/// Sets apart the rows with which those of `batch` are not compared: of files that
/// it replaces, and of files that a kill has left committed and not finished. The
/// latter come to the same rows again.
fn set_apart(ctx: &Context, tables: &mut Tables, lane: &LaneName, batch: &[Job]) -> Result<(), Failure> {
    ctx.runtime.block_on(tables.open_existing())?;
    let replaced: Vec<FileId> = batch.iter().flat_map(|j| j.replaces.iter().copied()).collect();
    if !replaced.is_empty() {
        tables.dedupers().clear();
    }
    let token = tables.iter_mut().filter_map(|(_, t)| t.log.token(lane)).max();
    let again = match (batch.first(), token) {
        (Some(first), Some(token)) if is_committed(Some(token), first.seq) => {
            ctx.block(ctx.store.open_files(lane, first.seq, token))?
        }
        _ => Vec::new(),
    };
    tables.dedupers().set_without(replaced.into_iter().chain(again));
    Ok(())
}

/// Parks a file that failed, once no table holds rows of it: an earlier attempt
/// may have committed some before it was killed.
#[allow(clippy::too_many_arguments, reason = "one step of `ingest`, with what that has in hand")]
fn refuse(
    ctx: &Context,
    dataset: &Dataset,
    tables: &mut Tables,
    lane: &LaneName,
    job: Job,
    failure: Failure,
    desk: &Desk<'_>,
    done: &mut Done,
) -> Result<(), Setback> {
    if verdict(failure.code, job.attempts + 1) != Verdict::Park {
        return Err(Setback { failure, job: Some(Box::new(job)) });
    }
    ctx.runtime.block_on(tables.open_existing())?;
    let mut was_held = false;
    let held: Vec<&mut TableLog> = tables
        .iter_mut()
        .flat_map(|(_, state)| [&mut state.log, &mut state.quarantine])
        .filter(|log| is_committed(log.token(lane), job.seq))
        .collect();
    for log in held {
        let has_owner = log.schema().is_some_and(|s| s.index_of(FILE_ID).is_ok());
        if !has_owner || !job.replaces.is_empty() {
            // Its rows cannot be told from others', or took the place of others.
            return Err(Setback { failure, job: Some(Box::new(job)) });
        }
        take_out(ctx, dataset, log, job.file_id)?;
        was_held = true;
    }
    if was_held {
        tables.dedupers().clear();
    }
    (desk.park)(&job, &failure)?;
    ctx.failpoints.pass(failpoint::PARKED);
    done.parked.push((job, failure));
    Ok(())
}

/// Takes one file's rows out of a table, in a commit of its own.
fn take_out(ctx: &Context, dataset: &Dataset, log: &mut TableLog, file: FileId) -> Result<(), Failure> {
    let rewrite = ctx.runtime.block_on(without_rows_of(log, &[file], &sink_options(ctx, &[])))?;
    if rewrite.removes.is_empty() {
        return Ok(());
    }
    let commit = Commit {
        operation: "DELETE",
        adds: rewrite.adds,
        removes: rewrite.removes,
        data_change: true,
        info: json!({ "dataset": dataset.name.to_string(), "parked": file.0 }),
        ..Commit::default()
    };
    ctx.runtime.block_on(log.commit(&commit))?;
    Ok(())
}

/// Holds back a file that is far smaller than what came before it.
fn guard_volume(ctx: &Context, dataset: &Dataset, prepared: &mut Prepared) -> Result<(), Failure> {
    let mut kept: Vec<(Job, FileOut)> = Vec::with_capacity(prepared.files.len());
    for (job, out) in std::mem::take(&mut prepared.files) {
        match volume_failure(ctx, dataset, &job, &out, &kept)? {
            Some(failure) => prepared.failed.push((job, failure)),
            None => kept.push((job, out)),
        }
    }
    prepared.files = kept;
    if prepared.files.is_empty() {
        // A streamed file that was held back: its data files are nobody's.
        for (table, files) in std::mem::take(&mut prepared.streamed) {
            let folder = table_folder(&ctx.lake.storage, &dataset.name.table(table));
            lakegate_lake::sink::remove_files(&folder, &files);
        }
        prepared.streamed_quarantine.clear();
    }
    Ok(())
}

/// Files that the median of `volume_guard: file` is taken of.
const GUARD_FILES: u32 = 20;
/// So many earlier files must there be before the guard has an opinion.
const GUARD_AT_LEAST: usize = 5;

fn volume_failure(
    ctx: &Context,
    dataset: &Dataset,
    job: &Job,
    out: &FileOut,
    before_it: &[(Job, FileOut)],
) -> Result<Option<Failure>, Failure> {
    if job.accepted_volume {
        return Ok(None);
    }
    let n = out.n_read();
    if let Some(share) = dataset.volume.replacement
        && !job.replaces.is_empty()
    {
        let mut before = 0;
        for id in &job.replaces {
            let rows = ctx.block(ctx.store.rows_of(*id))?;
            before = before.max(rows.iter().map(|t| t.n_read).sum::<u64>());
        }
        if (n as f64) < before as f64 * share {
            return Ok(Some(Failure::new(
                Code::Volume,
                format!("{n} rows replace {before}; the guard stops at less than {:.0} %", share * 100.0),
            )));
        }
    }
    if let Some(share) = dataset.volume.file {
        for (table, t) in &out.tables {
            // Those of its own batch come first: they are the newest.
            let in_batch = before_it.iter().rev().filter_map(|(_, out)| out.tables.get(table));
            let mut past: Vec<u64> = in_batch.map(|t| t.counts.n_read).collect();
            past.extend(ctx.block(ctx.store.read_row_counts(&dataset.name, table, GUARD_FILES))?);
            past.truncate(GUARD_FILES as usize);
            if past.len() < GUARD_AT_LEAST {
                continue;
            }
            past.sort_unstable();
            let median = past[past.len() / 2];
            if (t.counts.n_read as f64) < median as f64 * share {
                return Ok(Some(Failure::new(
                    Code::Volume,
                    format!(
                        "{} rows for table {table}, where the last {} files had {median} in the median; the guard \
                         stops at less than {:.0} %",
                        t.counts.n_read,
                        past.len(),
                        share * 100.0
                    ),
                )));
            }
        }
    }
    Ok(None)
}

/// What the ledger keeps of each file.
pub fn outcomes(dataset: &Dataset, files: &[(Job, FileOut)]) -> Vec<Outcome> {
    files
        .iter()
        .map(|(job, out)| Outcome {
            file_id: job.file_id,
            job_id: job.job_id,
            n_read: out.n_read(),
            duration_ms: out.duration_ms,
            column_stats: out.stats_json(|t| dataset.name.table(t).to_string()),
            tables: out
                .tables
                .iter()
                .map(|(table, t)| TableRows {
                    table: dataset.name.table(table),
                    n_read: t.counts.n_read,
                    n_in: t.counts.n_in,
                    n_committed: t.counts.n_committed,
                    n_quarantined: t.counts.n_quarantined,
                    n_dropped: t.counts.n_dropped,
                    n_duplicate: t.counts.n_duplicate,
                })
                .collect(),
            expectations: out
                .tables
                .iter()
                .flat_map(|(table, t)| {
                    let table = dataset.name.table(table);
                    quality::results(&table, &t.quality).chain(expectation_results(table, &t.findings))
                })
                .collect(),
        })
        .collect()
}

fn expectation_results(
    table: TableName,
    findings: &[Finding],
) -> impl Iterator<Item = ExpectationResult> + '_ {
    findings.iter().map(move |f| ExpectationResult {
        table: table.clone(),
        name: f.name.clone(),
        on_fail: format!("{:?}", f.on_fail).to_lowercase(),
        n_checked: f.n_checked,
        n_failed: f.n_failed,
        first_rows: f.first_rows.clone(),
        first_times: Vec::new(),
        first_values: Vec::new(),
        sample: f.sample.clone(),
    })
}

/// Rows and files for one table, waiting for its commit.
#[derive(Default)]
pub struct Pending {
    pub rows: Vec<RecordBatch>,
    pub files: Vec<AddFile>,
    pub max_seq: i64,
    pub n_files: u32,
    pub file_ids: Vec<i64>,
}

fn commit(
    ctx: &Context,
    dataset: &Arc<Dataset>,
    tables: &mut Tables,
    lane: &LaneName,
    mut prepared: Prepared,
) -> Result<Vec<CommitRecord>, Failure> {
    let mut records = Vec::new();
    let seqs: Vec<Seq> = prepared.files.iter().map(|(j, _)| j.seq).collect();
    let highest = seqs.iter().copied().max().unwrap_or(Seq(0));
    let mut streamed = std::mem::take(&mut prepared.streamed);
    let mut streamed_quarantine = std::mem::take(&mut prepared.streamed_quarantine);
    let replaced: Vec<(Seq, Vec<FileId>)> = prepared
        .files
        .iter()
        .filter(|(j, _)| !j.replaces.is_empty())
        .map(|(j, _)| (j.seq, j.replaces.clone()))
        .collect();

    let mut names: Vec<String> = prepared.files.iter().flat_map(|(_, o)| o.tables.keys().cloned()).collect();
    if !replaced.is_empty() {
        names.extend(tables.iter_mut().map(|(n, _)| n.clone()));
    }
    names.sort();
    names.dedup();

    // Quarantines first: a row is never in a table's past but not accounted for.
    for quarantine in [true, false] {
        for name in &names {
            let state = tables.get_mut(name).ok_or_else(|| Failure::new(Code::Bug, "table is not open"))?;
            let log = if quarantine { &state.quarantine } else { &state.log };
            let token = log.token(lane);
            let mut pending = Pending { max_seq: highest.0, ..Pending::default() };
            for (job, out) in &mut prepared.files {
                if is_committed(token, job.seq) {
                    continue;
                }
                let Some(t) = out.tables.get_mut(name) else { continue };
                let rows = std::mem::take(if quarantine { &mut t.quarantined } else { &mut t.rows });
                if rows.iter().any(|r| r.num_rows() > 0) {
                    pending.n_files += 1;
                    pending.file_ids.push(job.file_id.0);
                }
                pending.rows.extend(rows.into_iter().filter(|r| r.num_rows() > 0));
            }
            let files = if quarantine { streamed_quarantine.remove(name) } else { streamed.remove(name) };
            if let Some(files) = files.filter(|f| !f.is_empty()) {
                pending.n_files = 1;
                pending.file_ids = prepared.files.iter().map(|(j, _)| j.file_id.0).collect();
                pending.files = files;
            }
            let gone: Vec<FileId> = replaced
                .iter()
                .filter(|(seq, _)| !is_committed(token, *seq))
                .flat_map(|(_, ids)| ids.iter().copied())
                .collect();
            if let Some(record) = commit_table(ctx, dataset, state, quarantine, lane, pending, &gone)? {
                records.push(record);
                ctx.failpoints.pass(if quarantine { failpoint::QUARANTINED } else { failpoint::COMMITTED });
            }
        }
    }
    Ok(records)
}

/// One Delta commit: rows, removals and the token, or nothing.
fn commit_table(
    ctx: &Context,
    dataset: &Dataset,
    state: &mut tables::TableState,
    quarantine: bool,
    lane: &LaneName,
    pending: Pending,
    gone: &[FileId],
) -> Result<Option<CommitRecord>, Failure> {
    let is_empty = pending.rows.is_empty() && pending.files.is_empty();
    let exists = if quarantine { state.quarantine.exists() } else { state.log.exists() };
    if is_empty && (gone.is_empty() || !exists) && (quarantine || exists) {
        return Ok(None);
    }
    pending.rows.iter().filter(|_| !quarantine).for_each(|r| state.notice_extras(r));
    let schema = if quarantine { fold::quarantine_schema() } else { state.schema()? };
    let sort_by = if quarantine { Vec::new() } else { state.config.sort_by.clone() };
    let options = sink_options(ctx, &sort_by);
    let description = if quarantine { None } else { state.config.description.clone() };
    let partition_by = if quarantine { Vec::new() } else { state.partition_columns() };
    let log = if quarantine { &mut state.quarantine } else { &mut state.log };
    if !exists {
        ctx.runtime.block_on(log.create(schema.clone(), &partition_by, description.as_deref()))?;
    }
    if is_empty && gone.is_empty() {
        return Ok(None);
    }
    let rewrite = ctx.runtime.block_on(without_rows_of(log, gone, &options))?;
    let mut adds = pending.files;
    adds.extend(write_rows(log, schema.clone(), &partition_by, pending.rows, options)?);
    ctx.failpoints.pass(failpoint::WRITTEN);
    let n_rows = adds.iter().map(|a| a.n_rows).sum();
    let n_added = adds.len() + rewrite.adds.len();
    adds.extend(rewrite.adds);
    if adds.is_empty() && rewrite.removes.is_empty() {
        return Ok(None);
    }
    let commit = Commit {
        operation: "WRITE",
        removes: rewrite.removes,
        token: Some((lane.clone(), Seq(pending.max_seq))),
        schema: grown_schema(log, &schema),
        partition_by: None,
        data_change: true,
        info: json!({
            "dataset": dataset.name.to_string(), "lane": lane.0, "seq": pending.max_seq,
            "files": pending.file_ids, "replaced": gone.iter().map(|f| f.0).collect::<Vec<_>>(),
            "config": dataset.config_hash,
        }),
        adds,
    };
    let size_bytes = commit.adds.iter().map(|a| a.size_bytes).sum();
    let version = ctx.runtime.block_on(log.commit(&commit)).map_err(Failure::from)?;
    Ok(Some(CommitRecord {
        table: log.name.clone(),
        version,
        lane: lane.clone(),
        seq: Seq(pending.max_seq),
        n_files: pending.n_files,
        n_rows,
        n_added: n_added as u32,
        n_removed: commit.removes.len() as u32,
        size_bytes,
        operation: if quarantine { "quarantine" } else { "ingest" }.into(),
        at: now(),
    }))
}

/// The schema to put into the commit, where the stored one lacks a column.
/// Stored columns keep their order; new ones come last. Columns of flags say what
/// their bits mean now.
pub fn grown_schema(log: &TableLog, wanted: &SchemaRef) -> Option<SchemaRef> {
    let stored = log.schema()?;
    let new: Vec<_> =
        wanted.fields().iter().filter(|f| stored.index_of(f.name()).is_err()).cloned().collect();
    // What flags mean is told anew where checks have changed: rows come with them now.
    let retold: Vec<_> = stored.fields().iter().map(|f| layout::with_flags_of(f, wanted)).collect();
    if new.is_empty() && retold.iter().zip(stored.fields()).all(|(a, b)| Arc::ptr_eq(a, b)) {
        return None;
    }
    let fields: Vec<_> = retold.into_iter().chain(new).collect();
    Some(Arc::new(arrow::datatypes::Schema::new(fields)))
}

/// Writes rows to data files that no commit names yet.
pub fn write_rows(
    log: &TableLog,
    schema: SchemaRef,
    partitions: &[String],
    rows: Vec<RecordBatch>,
    options: SinkOptions,
) -> Result<Vec<AddFile>, Failure> {
    Ok(Sink::new(&log.folder, schema, partitions, options).write_all(&rows)?)
}

/// Rows by table, for those who show them.
pub fn rows_by_table(outcomes: &[Outcome]) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for t in outcomes.iter().flat_map(|o| &o.tables) {
        *all.entry(t.table.to_string()).or_default() += t.n_committed;
    }
    all
}
