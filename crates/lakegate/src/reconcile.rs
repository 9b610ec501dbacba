//! Upkeep without input, safe to run at any time and to kill at any point:
//! compaction, checkpoints, vacuum, bundling and retention of raw bytes.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use lakegate_domain::job::FileState;
use lakegate_domain::{Code, Failure, FileId, LaneName, TableName};
use lakegate_lake::catalog;
use lakegate_lake::files::{Compaction, compact};
use lakegate_lake::log::TableLog;
use lakegate_lake::upkeep;
use lakegate_state::{CommitRecord, RawRef};

use crate::context::{Context, now};
use crate::failpoint;
use crate::ingest::sink_options;

/// What was done.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Upkeep {
    pub n_compacted: usize,
    pub n_files_before: usize,
    pub n_files_after: usize,
    pub n_checkpoints: usize,
    pub n_vacuumed: usize,
    pub n_bundled: usize,
    pub n_raw_removed: usize,
    pub raw_removed_bytes: u64,
    pub vacuumed: Vec<String>,
}

/// Which kinds of upkeep to do.
#[derive(Clone, Copy, Debug)]
pub struct Kinds {
    pub compact: bool,
    pub checkpoint: bool,
    pub vacuum: bool,
    pub raw: bool,
    pub dry_run: bool,
}

impl Kinds {
    pub const ALL: Kinds = Kinds { compact: true, checkpoint: true, vacuum: true, raw: true, dry_run: false };
}

/// What a run does at its end: what keeps reads and writes fast, no more.
pub fn after_run(ctx: &Context) -> Result<Upkeep, Failure> {
    maintain(ctx, None, Kinds { compact: true, checkpoint: true, vacuum: false, raw: false, dry_run: false })
}

/// Does the upkeep asked for, on one table or on all.
pub fn maintain(ctx: &Context, only: Option<&TableName>, kinds: Kinds) -> Result<Upkeep, Failure> {
    let mut done = Upkeep::default();
    let tables =
        catalog::discover(&ctx.lake.storage).map_err(|e| Failure::new(Code::Storage, e.to_string()))?;
    for table in tables.iter().filter(|t| only.is_none_or(|o| o == *t)) {
        if ctx.stopping() {
            return Ok(done);
        }
        one_table(ctx, table, kinds, &mut done)?;
    }
    if kinds.raw && only.is_none() && !ctx.stopping() {
        raw(ctx, kinds.dry_run, &mut done)?;
        if let Some(keep) = ctx.lake.upkeep.keep_runs.filter(|_| !kinds.dry_run) {
            while ctx.block(ctx.store.forget_history(now().plus(-(keep.as_millis() as i64))))? {}
        }
    }
    Ok(done)
}

fn one_table(ctx: &Context, table: &TableName, kinds: Kinds, done: &mut Upkeep) -> Result<(), Failure> {
    let rules = ctx.lake.upkeep;
    let lanes = [LaneName::ingest(&table.dataset())];
    let folder = lakegate_lake::log::table_folder(&ctx.lake.storage, table);
    // Most tables have nothing to do: look before opening.
    let version = newest_version(&folder);
    let checkpointed = last_checkpoint(&folder);
    let due = version.saturating_sub(checkpointed) >= rules.checkpoint_every;
    if kinds.compact && !kinds.dry_run && version >= rules.compact_at_files as u64 {
        let mut log = ctx.runtime.block_on(TableLog::open(&ctx.lake.storage, table, &lanes))?;
        let sort_by = ctx
            .lake
            .dataset(&table.dataset())
            .and_then(|d| d.tables.get(&table.table).or(d.any_table.as_ref()).map(|t| t.sort_by.clone()))
            .unwrap_or_default();
        let options = sink_options(ctx, &sort_by);
        match ctx.runtime.block_on(compact(&mut log, rules.compact_at_files, &options)) {
            Ok(Compaction { version: Some(version), n_added, n_removed, size_bytes }) => {
                ctx.failpoints.pass(failpoint::COMPACTED);
                done.n_compacted += 1;
                done.n_files_before += n_removed;
                done.n_files_after += n_added;
                let record = CommitRecord {
                    table: table.clone(),
                    version,
                    lane: lanes[0].clone(),
                    seq: lakegate_domain::Seq(0),
                    n_files: 0,
                    n_rows: 0,
                    n_added: n_added as u32,
                    n_removed: n_removed as u32,
                    size_bytes,
                    operation: "compact".into(),
                    at: now(),
                };
                ctx.block(ctx.store.record_commits(&[record]))?;
            }
            Ok(_) => {}
            // Somebody else wrote meanwhile; the next round tries again.
            Err(e) if e.code == Code::Conflict => {}
            Err(e) => return Err(e.into()),
        }
    }
    if kinds.checkpoint && !kinds.dry_run && due {
        let log = ctx.runtime.block_on(TableLog::open(&ctx.lake.storage, table, &lanes))?;
        if ctx.runtime.block_on(upkeep::checkpoint(&log, rules.checkpoint_every))? {
            done.n_checkpoints += 1;
        }
    }
    if kinds.vacuum {
        let log = ctx.runtime.block_on(TableLog::open(&ctx.lake.storage, table, &lanes))?;
        let gone = ctx.runtime.block_on(upkeep::vacuum(&log, rules.vacuum_after, kinds.dry_run))?;
        done.n_vacuumed += gone.len();
        done.vacuumed.extend(gone.into_iter().map(|f| format!("{table}/{f}")));
    }
    Ok(())
}

/// The newest version by the names in the log folder.
pub fn newest_version(folder: &std::path::Path) -> u64 {
    std::fs::read_dir(folder.join("_delta_log"))
        .map(|d| {
            d.flatten()
                .filter_map(|e| {
                    e.file_name().to_string_lossy().strip_suffix(".json").and_then(|n| n.parse().ok())
                })
                .max()
                .unwrap_or(0)
        })
        .unwrap_or(0)
}

fn last_checkpoint(folder: &std::path::Path) -> u64 {
    std::fs::read(folder.join("_delta_log/_last_checkpoint"))
        .ok()
        .and_then(|b| serde_json::from_slice::<serde_json::Value>(&b).ok())
        .and_then(|v| v["version"].as_u64())
        .unwrap_or(0)
}

/// Packs younger than this are left alone: a file may just be on its way from
/// the raw store into the ledger.
const ORPHAN_AGE: Duration = Duration::from_secs(24 * 3600);
/// Small packs older than this are bundled.
const BUNDLE_AGE: Duration = Duration::from_secs(3600);

/// Bundles small packs, removes raw bytes past their retention, and sweeps
/// what crashes have left.
fn raw(ctx: &Context, dry_run: bool, done: &mut Upkeep) -> Result<(), Failure> {
    if dry_run {
        return Ok(());
    }
    let age = std::env::var("LAKEGATE_BUNDLE_AGE_S")
        .ok()
        .and_then(|s| s.parse().ok())
        .map_or(BUNDLE_AGE, Duration::from_secs);
    let time = SystemTime::now();
    let groups = ctx.raw.bundles(time, age)?;
    let entries = if groups.is_empty() { Vec::new() } else { ctx.block(ctx.store.raw_refs())? };
    let mut at: HashMap<(&str, u64), Vec<FileId>> = HashMap::new();
    for e in &entries {
        at.entry((e.raw.pack.as_str(), e.raw.offset)).or_default().push(e.file_id);
    }
    for group in groups {
        let moved = ctx.raw.bundle(&group)?;
        ctx.failpoints.pass(failpoint::BUNDLED);
        let moves: Vec<(FileId, RawRef)> = moved
            .iter()
            .filter_map(|m| at.get(&(m.from_pack.as_str(), m.from_offset)).map(|ids| (ids, &m.to)))
            .flat_map(|(ids, to)| {
                ids.iter().map(move |id| {
                    (
                        *id,
                        RawRef {
                            pack: to.pack.clone(),
                            offset: to.offset,
                            stored_bytes: to.stored_bytes,
                            method: to.method.name().to_string(),
                        },
                    )
                })
            })
            .collect();
        ctx.block(ctx.store.move_raw(&moves))?;
        for pack in &group {
            ctx.raw.remove(pack)?;
        }
        done.n_bundled += group.len();
    }
    let entries = ctx.block(ctx.store.raw_refs())?;
    if let Some(keep) = ctx.lake.upkeep.keep_raw {
        let before = now().0 - keep.as_millis() as i64;
        let settled = |s: FileState| !matches!(s, FileState::Queued | FileState::Leased | FileState::Parked);
        // A pack goes when every file in it may go.
        let mut packs: HashMap<&str, (bool, Vec<FileId>)> = HashMap::new();
        for e in &entries {
            let (all, ids) = packs.entry(&e.raw.pack).or_insert((true, Vec::new()));
            *all &= settled(e.state) && e.landed_at.0 < before;
            ids.push(e.file_id);
        }
        for (pack, (_, ids)) in packs.into_iter().filter(|(_, (all, _))| *all) {
            ctx.block(ctx.store.raw_gone(&ids))?;
            done.raw_removed_bytes += ctx.raw.remove(pack)?;
            done.n_raw_removed += ids.len();
        }
    }
    let referenced: HashSet<String> =
        ctx.block(ctx.store.raw_refs())?.into_iter().map(|e| e.raw.pack).collect();
    let swept = ctx.raw.sweep(&referenced, ORPHAN_AGE, time)?;
    done.raw_removed_bytes += swept.freed_bytes;
    done.n_raw_removed += swept.n_orphans;
    Ok(())
}
