//! Upkeep without input, safe to run at any time and to kill at any point:
//! compaction, checkpoints, vacuum, bundling and retention of raw bytes.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use lakegate_domain::{Code, Failure, FileId, LaneName, TableName};
use lakegate_lake::catalog;
use lakegate_lake::files::{Compaction, compact, foldable};
use lakegate_lake::log::TableLog;
use lakegate_lake::upkeep;
use lakegate_state::{CommitRecord, RawRef};

use crate::context::{Context, now};
use crate::failpoint;
use crate::ingest::sink_options;
use crate::mishap::caught;

/// What was done, or in a dry run would be.
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
    /// What is odd, for people.
    pub warnings: Vec<String>,
    /// What could not be done; everything else was.
    pub failures: Vec<Failure>,
}

impl Upkeep {
    /// Runs a part of the upkeep that stands for itself.
    fn part(&mut self, of: &str, work: impl FnOnce(&mut Self) -> Result<(), Failure>) {
        if let Err(f) = caught(&format!("upkeep of {of}"), || work(self)) {
            self.failures.push(Failure::new(f.code, format!("upkeep of {of}: {}", f.message)));
        }
    }
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
    /// What a run does at its end: what keeps reads and writes fast, no more.
    pub const AFTER_RUN: Kinds = Kinds { vacuum: false, raw: false, ..Kinds::ALL };
}

/// Polls that the ledger keeps at most, however young.
const MOST_POLLS: u64 = 500_000;

/// Does the upkeep asked for, on one table or on all. What fails at one table
/// keeps none of the others waiting.
pub fn maintain(ctx: &Context, only: Option<&TableName>, kinds: Kinds) -> Upkeep {
    let mut done = Upkeep::default();
    let tables = match catalog::discover(&ctx.lake.storage) {
        Ok(tables) => tables,
        Err(e) => {
            done.failures.push(Failure::new(Code::Storage, e.to_string()));
            return done;
        }
    };
    for table in tables.iter().filter(|t| only.is_none_or(|o| o == *t)) {
        if ctx.stopping() {
            return done;
        }
        done.part(&table.to_string(), |done| one_table(ctx, table, kinds, done));
    }
    if kinds.raw && only.is_none() && !ctx.stopping() {
        done.part("raw bytes", |done| raw(ctx, kinds.dry_run, done));
        if !kinds.dry_run {
            let before = now().plus(-(ctx.lake.upkeep.keep_polls.as_millis() as i64));
            done.part("the ledger", |_| {
                while ctx.block(ctx.store.trim_polls(before, MOST_POLLS))? > 0 {}
                Ok(())
            });
        }
        if let Some(keep) = ctx.lake.upkeep.keep_runs.filter(|_| !kinds.dry_run) {
            done.part("the ledger", |_| {
                while ctx.block(ctx.store.forget_history(now().plus(-(keep.as_millis() as i64))))? {}
                Ok(())
            });
        }
    }
    done
}

fn one_table(ctx: &Context, table: &TableName, kinds: Kinds, done: &mut Upkeep) -> Result<(), Failure> {
    let rules = ctx.lake.upkeep;
    let lanes = [LaneName::ingest(&table.dataset())];
    let folder = lakegate_lake::log::table_folder(&ctx.lake.storage, table);
    // Most tables have nothing to do: look before opening.
    let version = newest_version(&folder);
    if kinds.compact && version >= rules.compact_at_files as u64 {
        compact_table(ctx, table, kinds.dry_run, done)?;
    }
    if kinds.checkpoint
        && newest_version(&folder).saturating_sub(last_checkpoint(&folder)) >= rules.checkpoint_every
    {
        let log = ctx.runtime.block_on(TableLog::open(&ctx.lake.storage, table, &lanes))?;
        let write =
            || ctx.runtime.block_on(upkeep::checkpoint(&log, rules.checkpoint_every, rules.vacuum_after));
        if kinds.dry_run || write()? {
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

fn compact_table(ctx: &Context, table: &TableName, dry_run: bool, done: &mut Upkeep) -> Result<(), Failure> {
    let lane = LaneName::ingest(&table.dataset());
    let mut log =
        ctx.runtime.block_on(TableLog::open(&ctx.lake.storage, table, std::slice::from_ref(&lane)))?;
    let sort_by = ctx
        .lake
        .dataset(&table.dataset())
        .and_then(|d| d.tables.get(&table.table).or(d.any_table.as_ref()).map(|t| t.sort_by.clone()))
        .unwrap_or_default();
    let options = sink_options(ctx, &sort_by);
    let at_files = ctx.lake.upkeep.compact_at_files;
    if dry_run {
        let folded = ctx.runtime.block_on(foldable(&log, at_files, &options))?;
        done.n_compacted += usize::from(!folded.is_empty());
        done.n_files_before += folded.iter().map(Vec::len).sum::<usize>();
        return Ok(());
    }
    match ctx.runtime.block_on(compact(&mut log, at_files, &options)) {
        Ok(Compaction { version: Some(version), n_added, n_removed, size_bytes }) => {
            ctx.failpoints.pass(failpoint::COMPACTED);
            done.n_compacted += 1;
            done.n_files_before += n_removed;
            done.n_files_after += n_added;
            let record = CommitRecord {
                table: table.clone(),
                version,
                lane,
                seq: lakegate_domain::Seq(0),
                n_files: 0,
                n_rows: 0,
                n_added: n_added as u32,
                n_removed: n_removed as u32,
                size_bytes,
                operation: "compact".into(),
                at: now(),
            };
            ctx.block(ctx.store.record_commits(&[record]))
        }
        Ok(_) => Ok(()),
        // Somebody else wrote meanwhile; the next round tries again.
        Err(e) if e.code == Code::Conflict => Ok(()),
        Err(e) => Err(e.into()),
    }
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
/// Small packs older than this are bundled: an hour of a feed's answers at a time.
const BUNDLE_AGE: Duration = Duration::from_secs(3600);

/// Bundles small packs, removes raw bytes past their retention, and sweeps
/// what crashes have left. A dry run does not look for the last.
fn raw(ctx: &Context, dry_run: bool, done: &mut Upkeep) -> Result<(), Failure> {
    let age = std::env::var("LAKEGATE_BUNDLE_AGE_S")
        .ok()
        .and_then(|s| s.parse().ok())
        .map_or(BUNDLE_AGE, Duration::from_secs);
    let time = SystemTime::now();
    let groups = ctx.raw.bundles(time, age)?;
    if dry_run {
        done.n_bundled += groups.iter().map(Vec::len).sum::<usize>();
    }
    for group in groups.iter().filter(|_| !dry_run) {
        if ctx.stopping() {
            return Ok(());
        }
        done.part(&format!("raw bytes, {} and others", group[0]), |done| bundle(ctx, group, done));
    }
    let packs = ctx.block(ctx.store.raw_packs())?;
    let mut referenced: HashSet<String> = packs.iter().map(|p| p.pack.clone()).collect();
    if let Some(keep) = ctx.lake.upkeep.keep_raw {
        let before = now().0 - keep.as_millis() as i64;
        for pack in packs.iter().filter(|p| !p.has_unsettled && p.newest_landed_at.0 < before) {
            let files = ctx.block(ctx.store.raw_in(std::slice::from_ref(&pack.pack)))?;
            done.n_raw_removed += files.len();
            if dry_run {
                // Files may share bytes.
                let places: HashMap<u64, u64> =
                    files.iter().map(|e| (e.raw.offset, e.raw.stored_bytes)).collect();
                done.raw_removed_bytes += places.values().sum::<u64>();
                continue;
            }
            ctx.block(ctx.store.raw_gone(&files.iter().map(|e| e.file_id).collect::<Vec<_>>()))?;
            done.raw_removed_bytes += ctx.raw.remove(&pack.pack)?;
            referenced.remove(&pack.pack);
        }
    }
    if !dry_run {
        let swept = ctx.raw.sweep(&referenced, ORPHAN_AGE, time)?;
        done.raw_removed_bytes += swept.freed_bytes;
        done.n_raw_removed += swept.n_orphans;
        done.warnings.extend(swept.problems.iter().map(|p| format!("{}: {}", p.path.display(), p.message)));
    }
    Ok(())
}

/// Folds a group of packs into one.
fn bundle(ctx: &Context, group: &[String], done: &mut Upkeep) -> Result<(), Failure> {
    let moved = ctx.raw.bundle(group)?;
    ctx.failpoints.pass(failpoint::BUNDLED);
    let entries = ctx.block(ctx.store.raw_in(group))?;
    let mut at: HashMap<(&str, u64), Vec<FileId>> = HashMap::new();
    for e in &entries {
        at.entry((e.raw.pack.as_str(), e.raw.offset)).or_default().push(e.file_id);
    }
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
    ctx.failpoints.pass(failpoint::MOVED);
    for pack in group {
        ctx.raw.remove(pack)?;
    }
    done.n_bundled += group.len();
    Ok(())
}
