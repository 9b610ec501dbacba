//! The live data files of a table, and rewriting some of them: taking out one
//! landed file's rows, and folding small files into large ones.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::*;
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Int64Type, Schema};
use deltalake::DeltaTable;
use lakegate_domain::{Code, FileId};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::layout::FILE_ID;
use crate::log::{AddFile, Commit, RemoveFile, TableLog, load};
use crate::sink::{Sink, SinkOptions};
use crate::{Error, Result};

/// A live data file.
#[derive(Clone, Debug)]
pub struct LiveFile {
    /// Relative to the table's folder, decoded.
    pub path: String,
    pub partition_values: Vec<(String, Option<String>)>,
    pub size_bytes: u64,
    pub n_rows: Option<u64>,
    pub stats: Option<String>,
}

impl LiveFile {
    fn remove(&self) -> RemoveFile {
        RemoveFile {
            path: self.path.clone(),
            partition_values: self.partition_values.clone(),
            size_bytes: self.size_bytes,
        }
    }

    /// Whether it may hold rows of one of these landed files, by its statistics.
    fn may_hold(&self, ids: &HashSet<i64>) -> bool {
        let bounds = self
            .stats
            .as_deref()
            .and_then(|s| serde_json::from_str::<Value>(s).ok())
            .and_then(|s| Some((s["minValues"][FILE_ID].as_i64()?, s["maxValues"][FILE_ID].as_i64()?)));
        bounds.is_none_or(|(low, high)| ids.iter().any(|id| (low..=high).contains(id)))
    }
}

/// The live files of the newest version that `log` knows.
pub async fn live(log: &TableLog) -> Result<Vec<LiveFile>> {
    let Some(table) = load(&log.folder).await? else { return Ok(Vec::new()) };
    live_of(&table, log.partition_columns())
}

/// The live files of a loaded table.
pub fn live_of(table: &DeltaTable, partition_columns: &[String]) -> Result<Vec<LiveFile>> {
    let state = table.snapshot()?;
    Ok(state
        .snapshot()
        .log_data()
        .iter()
        .map(|f| {
            let values = f.partition_values_map();
            LiveFile {
                path: f.path().into_owned(),
                partition_values: partition_columns
                    .iter()
                    .map(|c| (c.clone(), values.get(c).cloned().flatten()))
                    .collect(),
                size_bytes: f.size().max(0) as u64,
                n_rows: f.num_records().map(|n| n as u64),
                stats: f.stats(),
            }
        })
        .collect())
}

/// A data file's rows, without its partition columns.
pub fn read_file(folder: &Path, path: &str) -> Result<impl Iterator<Item = Result<RecordBatch>> + use<>> {
    let file = File::open(folder.join(path)).map_err(|e| {
        Error::new(Code::TableDamaged, format!("data file `{path}` of `{}`: {e}", folder.display()))
    })?;
    let what = format!("data file `{path}` of `{}`", folder.display());
    let damaged = |e: &dyn std::fmt::Display| Error::new(Code::TableDamaged, format!("{what}: {e}"));
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(|b| b.with_batch_size(8192).build())
        .map_err(|e| damaged(&e))?;
    Ok(reader.map(move |b| b.map_err(|e| Error::new(Code::TableDamaged, format!("{what}: {e}")))))
}

/// What taking rows out comes to, ready to be part of a commit.
#[derive(Debug, Default)]
pub struct Rewrite {
    pub adds: Vec<AddFile>,
    pub removes: Vec<RemoveFile>,
    /// Rows taken out.
    pub n_removed: u64,
}

/// Rewrites every live file that holds rows of the landed files `ids`, without
/// those rows. Nothing changes until the result is committed.
pub async fn without_rows_of(log: &TableLog, ids: &[FileId], options: &SinkOptions) -> Result<Rewrite> {
    let ids: HashSet<i64> = ids.iter().map(|f| f.0).collect();
    let mut rewrite = Rewrite::default();
    let Some(schema) = log.schema().cloned() else { return Ok(rewrite) };
    if schema.index_of(FILE_ID).is_err() || ids.is_empty() {
        return Ok(rewrite);
    }
    for file in live(log).await?.into_iter().filter(|f| f.may_hold(&ids)) {
        let mut sink = Sink::new(&log.folder, schema.clone(), log.partition_columns(), options.clone());
        let mut removed = 0u64;
        for batch in read_file(&log.folder, &file.path)? {
            let batch = batch?;
            let owners = batch
                .column_by_name(FILE_ID)
                .ok_or_else(|| Error::new(Code::TableDamaged, format!("`{}` has no `{FILE_ID}`", file.path)))?
                .as_primitive::<Int64Type>();
            let keep: BooleanArray =
                owners.iter().map(|id| Some(id.is_none_or(|id| !ids.contains(&id)))).collect();
            removed += (keep.len() - keep.true_count()) as u64;
            sink.write_in(&file.partition_values, &filter_record_batch(&batch, &keep)?)?;
        }
        if removed == 0 {
            sink.abandon();
            continue;
        }
        rewrite.n_removed += removed;
        rewrite.adds.extend(sink.finish()?);
        rewrite.removes.push(file.remove());
    }
    Ok(rewrite)
}

/// Integers beyond this are not all doubles: 2^53.
const EXACT_AS_DOUBLE: i64 = 1 << 53;

/// Makes integer columns into doubles, in one commit that changes no row's
/// meaning: every live file is rewritten. `None` where that was not done,
/// because the table is larger than `at_most_bytes` or holds an integer that a
/// double would round.
///
/// # Errors
/// LG603 where another writer committed first.
pub async fn widen(
    log: &mut TableLog,
    columns: &[String],
    at_most_bytes: u64,
    options: &SinkOptions,
) -> Result<Option<i64>> {
    let Some(stored) = log.schema().cloned() else { return Ok(None) };
    let fields = stored.fields().iter().map(|f| match columns.contains(f.name()) {
        true => f.as_ref().clone().with_data_type(DataType::Float64),
        false => f.as_ref().clone(),
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let files = live(log).await?;
    if files.iter().map(|f| f.size_bytes).sum::<u64>() > at_most_bytes {
        return Ok(None);
    }
    let mut sink = Sink::new(&log.folder, schema.clone(), log.partition_columns(), options.clone());
    let written = (|| {
        for file in &files {
            for batch in read_file(&log.folder, &file.path)? {
                let batch = batch?;
                if columns.iter().any(|c| batch.column_by_name(c).is_some_and(|a| !is_exact(a))) {
                    return Ok(false);
                }
                sink.write_in(&file.partition_values, &batch)?;
            }
        }
        Ok::<_, Error>(true)
    })();
    match written {
        Ok(true) => {}
        Ok(false) => {
            sink.abandon();
            return Ok(None);
        }
        Err(e) => {
            sink.abandon();
            return Err(e);
        }
    }
    let commit = Commit {
        operation: "CHANGE COLUMN",
        adds: sink.finish()?,
        removes: files.iter().map(LiveFile::remove).collect(),
        schema: Some(schema),
        info: serde_json::json!({ "widened": columns }),
        ..Commit::default()
    };
    log.commit(&commit).await.map(Some)
}

/// Whether every value is the same number as a double.
fn is_exact(array: &ArrayRef) -> bool {
    match array.as_primitive_opt::<Int64Type>() {
        Some(a) => a.iter().flatten().all(|v| (-EXACT_AS_DOUBLE..=EXACT_AS_DOUBLE).contains(&v)),
        None => true,
    }
}

/// What a compaction did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compaction {
    pub n_removed: usize,
    pub n_added: usize,
    pub version: Option<i64>,
    pub size_bytes: u64,
}

/// Files below this are of one size: rewriting them costs next to nothing.
const TINY_BYTES: u64 = 1 << 20;

/// Parts the small files of one partition into groups of similar size: a file
/// that is larger than all smaller ones of its group together begins the next.
/// So a row is rewritten each time its file has at least doubled, and not
/// whenever some small files have come.
fn tiers(mut files: Vec<LiveFile>) -> Vec<Vec<LiveFile>> {
    files.sort_by(|a, b| (a.size_bytes, &a.path).cmp(&(b.size_bytes, &b.path)));
    let mut tiers: Vec<Vec<LiveFile>> = Vec::new();
    let mut sum = 0;
    for file in files {
        match tiers.last_mut() {
            Some(tier) if file.size_bytes <= TINY_BYTES.max(sum) => {
                sum += file.size_bytes;
                tier.push(file);
            }
            _ => {
                sum = file.size_bytes;
                tiers.push(vec![file]);
            }
        }
    }
    tiers
}

/// The small files that a compaction would fold, each group into one or few: at
/// least `at_files` files of one partition and of similar size.
pub async fn foldable(log: &TableLog, at_files: usize, options: &SinkOptions) -> Result<Vec<Vec<LiveFile>>> {
    let small = options.target_file_bytes / 2;
    let mut partitions: std::collections::BTreeMap<Vec<Option<String>>, Vec<LiveFile>> = Default::default();
    for f in live(log).await?.into_iter().filter(|f| f.size_bytes < small) {
        partitions.entry(f.partition_values.iter().map(|(_, v)| v.clone()).collect()).or_default().push(f);
    }
    Ok(partitions.into_values().flat_map(tiers).filter(|f| f.len() >= at_files.max(2)).collect())
}

/// Folds the small files of each partition into larger ones, up to the target
/// size, in one commit that changes no row. A killed compaction leaves nothing
/// but unnamed files.
pub async fn compact(log: &mut TableLog, at_files: usize, options: &SinkOptions) -> Result<Compaction> {
    let Some(schema) = log.schema().cloned() else { return Ok(Compaction::default()) };
    let mut commit = Commit { operation: "OPTIMIZE", data_change: false, ..Commit::default() };
    for mut files in foldable(log, at_files, options).await? {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let before: u64 = files.iter().filter_map(|f| f.n_rows).sum();
        let mut sink = Sink::new(&log.folder, schema.clone(), log.partition_columns(), options.clone());
        for file in &files {
            for batch in read_file(&log.folder, &file.path)? {
                sink.write_in(&file.partition_values, &batch?)?;
            }
        }
        let adds = sink.finish()?;
        let after: u64 = adds.iter().map(|a| a.n_rows).sum();
        if files.iter().all(|f| f.n_rows.is_some()) && before != after {
            crate::sink::remove_files(&log.folder, &adds);
            return Err(Error::new(
                Code::TableDamaged,
                format!("table {}: files say {before} rows but hold {after}; nothing was changed", log.name),
            ));
        }
        commit.removes.extend(files.iter().map(LiveFile::remove));
        commit.adds.extend(adds);
    }
    if commit.removes.is_empty() {
        return Ok(Compaction::default());
    }
    let mut done = Compaction {
        n_removed: commit.removes.len(),
        n_added: commit.adds.len(),
        version: None,
        size_bytes: commit.adds.iter().map(|a| a.size_bytes).sum(),
    };
    done.version = Some(log.commit(&commit).await?);
    Ok(done)
}

#[cfg(test)]
mod tests;
