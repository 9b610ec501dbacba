//! Rows that came before are left out: the last step before a commit, in the
//! order of the lane. Here it is decided which rows of the tables count as
//! earlier; the rule itself is `lakegate_domain::dedupe`'s.
//!
//! Rows are compared with those that the table holds, but for the rows of
//! files that are worked on once more: those of a kill between commit and
//! acknowledgement, which must come to what they came to before; those that are
//! replaced; those that are replayed.

use std::collections::{BTreeMap, HashSet};

use arrow::array::RecordBatch;
use arrow::compute::filter_record_batch;
use lakegate_domain::{Code, Failure, FileId};
use lakegate_lake::dedupe::{Deduper, Held, Keys};
use lakegate_lake::files::{LiveFile, live};
use lakegate_lake::log::{AddFile, table_folder};
use lakegate_state::Job;

use super::outcome::FileOut;
use super::prepare::{Env, Prepared};
use super::tables::Tables;

/// What is remembered of a dataset's tables.
#[derive(Default)]
pub struct Dedupers {
    of: BTreeMap<String, Remembered>,
    /// Files whose rows in the tables do not count.
    without: HashSet<i64>,
    /// Whether no row counts that is in the tables: they are built anew.
    anew: bool,
}

struct Remembered {
    deduper: Deduper,
    /// The table's data files, for as long as one batch is worked on.
    live: Option<Vec<LiveFile>>,
    /// Data files that a replay has written and that nothing names yet.
    written: Vec<LiveFile>,
}

impl Dedupers {
    /// The rows of these files in the tables do not count: they are worked on
    /// again. What is remembered must not hold them.
    pub fn set_without(&mut self, files: impl IntoIterator<Item = FileId>) {
        self.without = files.into_iter().map(|f| f.0).collect();
    }

    /// Takes account of the rows of a replay alone.
    pub fn set_anew(&mut self) {
        self.anew = true;
    }

    /// All has to be read again.
    pub fn clear(&mut self) {
        self.of.clear();
    }

    pub fn memory_bytes(&self) -> usize {
        self.of.values().map(|r| r.deduper.memory_bytes()).sum()
    }

    /// What was ready is in the tables.
    pub fn commit(&mut self) {
        for r in self.of.values_mut() {
            r.deduper.kept().commit();
            r.live = None;
        }
    }

    /// A replay has written these files of a table; they count from now on.
    pub fn written(&mut self, table: &str, files: &[AddFile]) {
        let Some(r) = self.of.get_mut(table) else { return };
        r.written.extend(files.iter().map(|f| LiveFile {
            path: f.path.clone(),
            partition_values: f.partition_values.clone(),
            size_bytes: f.size_bytes,
            n_rows: Some(f.n_rows),
            stats: Some(f.stats.clone()),
        }));
    }

    /// Begins a batch: what an earlier one did not commit is nothing.
    pub fn begin(&mut self) {
        for r in self.of.values_mut() {
            r.deduper.kept().drop_uncommitted();
            r.live = None;
        }
    }

    fn end_file(&mut self) {
        self.of.values_mut().for_each(|r| r.deduper.kept().end_file());
    }

    fn drop_file(&mut self) {
        self.of.values_mut().for_each(|r| r.deduper.kept().drop_file());
    }

    /// What is remembered of the file at hand.
    fn own_bytes(&mut self) -> usize {
        self.of.values_mut().map(|r| r.deduper.kept().own_bytes()).sum()
    }

    fn waiting_bytes(&mut self) -> usize {
        self.of.values_mut().map(|r| r.deduper.kept().waiting_bytes()).sum()
    }
}

impl Tables {
    /// What is remembered of a table; `None` where it keeps all rows.
    fn remembered(&mut self, table: &str) -> Result<Option<&mut Remembered>, Failure> {
        let Some((state, dedupers)) = self.with_dedupers(table) else { return Ok(None) };
        let Some(rule) = &state.config.dedupe else { return Ok(None) };
        let schema = state.schema()?;
        if dedupers.of.get(table).is_none_or(|r| !r.deduper.is_for(rule, &schema)) {
            let deduper = Deduper::new(rule, &schema, &state.partition_columns())?;
            let written = dedupers.of.remove(table).map_or(Vec::new(), |r| r.written);
            dedupers.of.insert(table.to_string(), Remembered { deduper, live: None, written });
        }
        Ok(dedupers.of.get_mut(table))
    }

    /// Reads from a table what judging these rows needs.
    fn look_up(&mut self, env: &Env<'_>, table: &str, rows: &[&Keys]) -> Result<(), Failure> {
        let Some((state, dedupers)) = self.with_dedupers(table) else { return Ok(()) };
        let Dedupers { of, without, anew } = dedupers;
        // A table that joins the others takes its share from them.
        let share = env.remembered_bytes / of.len().max(1);
        for (_, other) in of.iter_mut().filter(|(name, _)| *name != table) {
            other.deduper.kept().forget_beyond(share);
        }
        let Some(r) = of.get_mut(table) else { return Ok(()) };
        let folder = table_folder(env.storage, &env.dataset.name.table(table));
        let mut files: Vec<LiveFile> = Vec::new();
        let Remembered { deduper, live: known, written } = r;
        deduper.look_up(rows, share, || {
            if known.is_none() && !*anew {
                *known = Some(env.runtime.block_on(live(&state.log))?);
            }
            files.extend(known.iter().flatten().chain(&*written).cloned());
            Ok(Held { folder: &folder, files: &files, without })
        })?;
        Ok(())
    }
}

/// Leaves out rows of files that wait for one commit. A file whose table does
/// not have the rule's columns is among the failed ones afterwards; files that
/// do not fit in memory beside those before them are left for the next batch.
pub fn leave_out(env: &Env<'_>, tables: &mut Tables, prepared: &mut Prepared) -> Result<(), Failure> {
    tables.dedupers().begin();
    let mut good: Vec<(Job, FileOut)> = Vec::with_capacity(prepared.files.len());
    let mut keyed: Vec<BTreeMap<String, Vec<Keys>>> = Vec::with_capacity(prepared.files.len());
    for (job, out) in std::mem::take(&mut prepared.files) {
        match keys_of(tables, &out) {
            Ok(keys) => {
                good.push((job, out));
                keyed.push(keys);
            }
            Err(failure) => prepared.failed.push((job, failure)),
        }
    }
    let mut names: Vec<&String> = keyed.iter().flat_map(BTreeMap::keys).collect();
    names.sort();
    names.dedup();
    for name in names {
        let rows: Vec<&Keys> = keyed.iter().filter_map(|k| k.get(name)).flatten().collect();
        tables.look_up(env, name, &rows)?;
    }
    let mut files = good.into_iter().zip(keyed);
    for ((job, mut out), keys) in files.by_ref() {
        for (name, keys) in keys {
            let Some(r) = tables.remembered(&name)? else { continue };
            let Some(table) = out.tables.get_mut(&name) else { continue };
            let mut n_duplicate = 0;
            for (rows, keys) in table.rows.iter_mut().zip(&keys) {
                n_duplicate += r.leave_out(rows, keys)?;
            }
            table.counts.n_committed -= n_duplicate;
            table.counts.n_duplicate += n_duplicate;
        }
        let own_bytes = tables.dedupers().own_bytes();
        if own_bytes > env.of_file_bytes {
            tables.dedupers().drop_file();
            prepared.failed.push((job, too_many(env, own_bytes)));
            continue;
        }
        tables.dedupers().end_file();
        prepared.files.push((job, out));
        if tables.dedupers().waiting_bytes() > env.of_file_bytes {
            break;
        }
    }
    let rest: Vec<Job> = files.map(|((job, _), _)| job).collect();
    prepared.left.splice(0..0, rest);
    Ok(())
}

/// The keys of a file's rows, by table, of those that leave rows out.
fn keys_of(tables: &mut Tables, out: &FileOut) -> Result<BTreeMap<String, Vec<Keys>>, Failure> {
    let mut all = BTreeMap::new();
    for (name, table) in &out.tables {
        if let Some(r) = tables.remembered(name)? {
            let keys = table.rows.iter().map(|rows| r.deduper.keys(rows)).collect::<Result<Vec<_>, _>>()?;
            all.insert(name.clone(), keys);
        }
    }
    Ok(all)
}

impl Remembered {
    /// Leaves rows out; answers how many.
    fn leave_out(&mut self, rows: &mut RecordBatch, keys: &Keys) -> Result<u64, Failure> {
        let stays = self.deduper.judge(keys);
        let n_out = (stays.len() - stays.true_count()) as u64;
        if n_out > 0 {
            *rows = filter_record_batch(rows, &stays).map_err(|e| Failure::new(Code::Bug, e.to_string()))?;
        }
        Ok(n_out)
    }
}

/// The rows that are left out of a file that is read piece by piece.
#[derive(Default)]
pub struct LeftOut(BTreeMap<String, u64>);

impl LeftOut {
    /// Leaves out rows of the file's next piece.
    pub fn piece(
        &mut self,
        env: &Env<'_>,
        tables: &mut Tables,
        table: &str,
        rows: &mut RecordBatch,
    ) -> Result<(), Failure> {
        let Some(r) = tables.remembered(table)? else { return Ok(()) };
        let keys = r.deduper.keys(rows)?;
        tables.look_up(env, table, &[&keys])?;
        if let Some(r) = tables.remembered(table)? {
            *self.0.entry(table.to_string()).or_default() += r.leave_out(rows, &keys)?;
        }
        let own_bytes = tables.dedupers().own_bytes();
        if own_bytes > env.of_file_bytes { Err(too_many(env, own_bytes)) } else { Ok(()) }
    }

    /// The file is read: its figures are told, and its rows wait for the commit.
    pub fn end(self, tables: &mut Tables, out: &mut FileOut) {
        for (table, n_duplicate) in self.0 {
            if let Some(table) = out.tables.get_mut(&table) {
                table.counts.n_committed -= n_duplicate;
                table.counts.n_duplicate += n_duplicate;
            }
        }
        tables.dedupers().end_file();
    }
}

fn too_many(env: &Env<'_>, own_bytes: usize) -> Failure {
    Failure::new(
        Code::TooManyKeys,
        format!(
            "the keys that `dedupe` has to remember of the file until it is committed take more than {} MiB of memory \
             ({} MiB so far)",
            env.of_file_bytes >> 20,
            own_bytes >> 20
        ),
    )
}
