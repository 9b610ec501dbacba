//! Rows to data files: partitioned, split at the target size, sorted within
//! what memory holds, with statistics.
//!
//! A data file that no commit names does not exist for readers; whatever
//! happens here before the commit leaves nothing but files for vacuum.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::*;
use arrow::compute::{concat, concat_batches, interleave_record_batch, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::row::{RowConverter, SortField};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use lakegate_domain::Code;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::{
    DEFAULT_DATA_PAGE_ROW_COUNT_LIMIT, EnabledStatistics, WriterProperties, WriterVersion,
};
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnPath;
use serde_json::{Map, Value, json};

use crate::layout::{DAY_US, civil};
use crate::log::{AddFile, sync_folder};
use crate::{Error, Result};

/// How data files are written.
#[derive(Clone, Debug)]
pub struct SinkOptions {
    pub target_file_bytes: u64,
    /// Ceiling for what a sink holds: rows that wait, and open writers.
    pub memory_bytes: usize,
    /// Data files that may be open at the same time, at least one.
    pub open_files: usize,
    /// Columns by which rows are sorted, as many at a time as memory holds:
    /// each such run is row groups of its own.
    pub sort_by: Vec<String>,
}

/// A partition's values, as Delta spells them, in the order of its columns.
type Key = Vec<Option<String>>;

/// Writes the rows of one table, for one commit.
pub struct Sink {
    folder: PathBuf,
    schema: SchemaRef,
    partition_columns: Vec<String>,
    options: SinkOptions,
    /// Rows as they came: many small batches become few large ones.
    waiting: Vec<RecordBatch>,
    n_waiting: usize,
    waiting_bytes: usize,
    /// Rows of partitions that have no open file, or are to be sorted.
    held: HashMap<Key, Held>,
    held_bytes: usize,
    open: HashMap<Key, OpenFile>,
    done: Vec<AddFile>,
}

#[derive(Default)]
struct Held {
    batches: Vec<RecordBatch>,
    bytes: usize,
}

struct OpenFile {
    writer: ArrowWriter<File>,
    path: String,
    partition: Vec<(String, Option<String>)>,
    n_rows: u64,
}

impl OpenFile {
    fn size_bytes(&self) -> u64 {
        self.writer.bytes_written() as u64 + self.writer.in_progress_size() as u64
    }
}

/// Rows that are parted and written together.
const WRITE_ROWS: usize = 64 * 1024;
/// Rows of a sorted run that are put together at a time.
const SORTED_ROWS: usize = 8192;
/// Rows of a page of a sorted file.
const SORTED_PAGE_ROWS: usize = 4096;
/// Largest dictionary of a column of numbers, as they are before compression.
const NUMBERS_DICTIONARY_BYTES: usize = 64 << 10;
/// Statistics are kept for so many leading columns, as Delta does by default.
const STATS_COLUMNS: usize = 32;
/// Delta's usual cut of text bounds.
const STATS_TEXT: usize = 32;
/// Longest name of a partition's folder; file systems take 255 bytes.
const FOLDER_NAME: usize = 200;
/// Decimals below this are doubles, and JSON numbers, without a rounding.
const EXACT_DECIMAL: u128 = 1_000_000_000_000_000;

impl Sink {
    pub fn new(folder: &Path, schema: SchemaRef, partition_columns: &[String], options: SinkOptions) -> Self {
        Self {
            folder: folder.to_path_buf(),
            schema,
            partition_columns: partition_columns.to_vec(),
            options,
            waiting: Vec::new(),
            n_waiting: 0,
            waiting_bytes: 0,
            held: HashMap::new(),
            held_bytes: 0,
            open: HashMap::new(),
            done: Vec::new(),
        }
    }

    /// The table's schema may grow between two writes; open files are closed.
    pub fn set_schema(&mut self, schema: SchemaRef) -> Result<()> {
        if self.schema != schema {
            self.close_all()?;
            self.schema = schema;
        }
        Ok(())
    }

    /// Writes rows; columns that the batch lacks are null.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.waiting_bytes += batch.get_array_memory_size();
        self.n_waiting += batch.num_rows();
        self.waiting.push(align(batch, &self.schema)?);
        if self.n_waiting >= WRITE_ROWS || self.waiting_bytes > self.options.memory_bytes / 4 {
            self.part_waiting()?;
        }
        Ok(())
    }

    /// Writes these rows and no others; on failure nothing is left of them.
    pub fn write_all(mut self, rows: &[RecordBatch]) -> Result<Vec<AddFile>> {
        for batch in rows {
            if let Err(e) = self.write(batch) {
                self.abandon();
                return Err(e);
            }
        }
        self.finish()
    }

    /// Writes rows that lack their partition columns into the partition given:
    /// what a rewrite of data files needs.
    pub fn write_in(&mut self, partition: &[(String, Option<String>)], batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let rows = align(batch, &data_schema(&self.schema, &self.partition_columns))?;
        self.put(partition.iter().map(|(_, v)| v.clone()).collect(), rows)
    }

    /// What this sink holds in memory.
    pub fn memory_bytes(&self) -> usize {
        let open: usize = self.open.values().map(|f| f.writer.memory_size()).sum();
        self.waiting_bytes + self.held_bytes + open
    }

    /// Data files that are open now.
    pub fn n_open(&self) -> usize {
        self.open.len()
    }

    /// Writes what takes most memory. `false`: there is nothing.
    pub fn release(&mut self) -> Result<bool> {
        let held = self.held.iter().max_by_key(|(_, h)| h.bytes).map(|(k, h)| (h.bytes, k.clone()));
        let open = self.open.iter().map(|(k, f)| (f.writer.memory_size(), k)).max();
        let open = open.filter(|(bytes, _)| *bytes > 0).map(|(bytes, k)| (bytes, k.clone()));
        let (held_bytes, open_bytes) = (held.as_ref().map_or(0, |h| h.0), open.as_ref().map_or(0, |o| o.0));
        if self.waiting_bytes > held_bytes.max(open_bytes) {
            self.part_waiting()?;
        } else if let Some((_, key)) = held.filter(|_| held_bytes >= open_bytes) {
            self.write_held(&key)?;
        } else if let Some((_, key)) = open {
            // A row group ends early: memory is bounded, the file goes on.
            let file = self.open.get_mut(&key).expect("the key was just found");
            file.writer.flush().map_err(Error::writing(&self.folder.join(&file.path)))?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Closes the largest open file.
    pub fn close_largest(&mut self) -> Result<()> {
        let largest = self.open.iter().max_by_key(|(_, f)| f.size_bytes()).map(|(k, _)| k.clone());
        match largest.and_then(|key| self.open.remove(&key)) {
            Some(file) => self.close(file),
            None => Ok(()),
        }
    }

    fn part_waiting(&mut self) -> Result<()> {
        let mut waiting = std::mem::take(&mut self.waiting);
        (self.n_waiting, self.waiting_bytes) = (0, 0);
        let batch = match waiting.len() {
            0 => return Ok(()),
            1 => waiting.swap_remove(0),
            _ => concat_batches(&self.schema, &waiting)?,
        };
        drop(waiting);
        for (key, rows) in split(&batch, &self.partition_columns)? {
            self.put(key, rows)?;
        }
        Ok(())
    }

    fn put(&mut self, key: Key, rows: RecordBatch) -> Result<()> {
        let has_room = self.open.contains_key(&key) || self.open.len() < self.options.open_files;
        // What is sorted is written again from memory: it takes half.
        let (hold, limit) = match self.options.sort_by.is_empty() {
            true => (!has_room, self.options.memory_bytes),
            false => (true, self.options.memory_bytes / 2),
        };
        if hold {
            let bytes = rows.get_array_memory_size();
            let held = self.held.entry(key).or_default();
            held.batches.push(rows);
            held.bytes += bytes;
            self.held_bytes += bytes;
        } else {
            self.append(&key, &rows)?;
        }
        while self.memory_bytes() > limit && self.release()? {}
        Ok(())
    }

    fn write_held(&mut self, key: &Key) -> Result<()> {
        let Some(Held { batches, bytes }) = self.held.remove(key) else { return Ok(()) };
        self.held_bytes -= bytes;
        if self.options.sort_by.is_empty() {
            return batches.iter().try_for_each(|rows| self.append(key, rows));
        }
        let order = order(&batches, &self.options.sort_by)?;
        let batches: Vec<&RecordBatch> = batches.iter().collect();
        for places in order.chunks(SORTED_ROWS) {
            self.append(key, &interleave_record_batch(&batches, places)?)?;
        }
        // The next run begins a row group of its own.
        if let Some(file) = self.open.get_mut(key) {
            file.writer.flush().map_err(Error::writing(&self.folder.join(&file.path)))?;
        }
        Ok(())
    }

    /// Appends rows to the partition's file, and closes it at the target size.
    fn append(&mut self, key: &Key, rows: &RecordBatch) -> Result<()> {
        if !self.open.contains_key(key) {
            while self.open.len() >= self.options.open_files.max(1) {
                self.close_largest()?;
            }
            let file = self.start(key)?;
            self.open.insert(key.clone(), file);
        }
        let file = self.open.get_mut(key).expect("opened above");
        file.writer.write(rows).map_err(Error::writing(&self.folder.join(&file.path)))?;
        file.n_rows += rows.num_rows() as u64;
        if file.size_bytes() >= self.options.target_file_bytes {
            let file = self.open.remove(key).expect("opened above");
            self.close(file)?;
        }
        Ok(())
    }

    fn start(&self, key: &Key) -> Result<OpenFile> {
        let mut path = String::new();
        let partition: Vec<(String, Option<String>)> =
            self.partition_columns.iter().cloned().zip(key.iter().cloned()).collect();
        for (name, value) in &partition {
            path.push_str(&folder_name(name, value.as_deref()));
            path.push('/');
        }
        let folder = self.folder.join(&path);
        fs::create_dir_all(&folder).map_err(Error::io("created", &folder))?;
        path.push_str(&format!("part-{}.zstd.parquet", uuid::Uuid::now_v7()));
        let at = self.folder.join(&path);
        let file = File::create(&at).map_err(Error::io("created", &at))?;
        let schema = data_schema(&self.schema, &self.partition_columns);
        let properties = properties(&schema, !self.options.sort_by.is_empty());
        let writer = ArrowWriter::try_new(file, schema, Some(properties)).map_err(Error::writing(&at))?;
        Ok(OpenFile { writer, path, partition, n_rows: 0 })
    }

    fn close(&mut self, file: OpenFile) -> Result<()> {
        let OpenFile { mut writer, path, partition, n_rows } = file;
        let at = self.folder.join(&path);
        let closed = (|| {
            let metadata = writer.finish().map_err(Error::writing(&at))?;
            let file = writer.inner();
            file.sync_all().map_err(Error::io("made durable", &at))?;
            let size_bytes = file.metadata().map_err(Error::io("looked at", &at))?.len();
            Ok::<_, Error>((metadata, size_bytes))
        })();
        let (metadata, size_bytes) = closed.inspect_err(|_| {
            let _ = fs::remove_file(&at);
        })?;
        let schema = data_schema(&self.schema, &self.partition_columns);
        let stats = stats_json(&schema, &metadata, n_rows).to_string();
        self.done.push(AddFile { path, partition_values: partition, size_bytes, n_rows, stats });
        Ok(())
    }

    fn close_all(&mut self) -> Result<()> {
        self.part_waiting()?;
        let mut keys: Vec<_> = self.held.keys().cloned().collect();
        keys.sort();
        keys.iter().try_for_each(|key| self.write_held(key))?;
        let mut keys: Vec<_> = self.open.keys().cloned().collect();
        keys.sort();
        for key in keys {
            let file = self.open.remove(&key).expect("its own key");
            self.close(file)?;
        }
        Ok(())
    }

    /// Closes everything and makes it durable; on failure nothing is left.
    pub fn finish(mut self) -> Result<Vec<AddFile>> {
        let closed = self.close_all().and_then(|()| {
            let folders: BTreeSet<PathBuf> = self
                .done
                .iter()
                .flat_map(|a| Path::new(&a.path).ancestors().skip(1).map(|f| self.folder.join(f)))
                .collect();
            folders.iter().try_for_each(|f| sync_folder(f))
        });
        match closed {
            Ok(()) => Ok(std::mem::take(&mut self.done)),
            Err(e) => {
                self.abandon();
                Err(e)
            }
        }
    }

    /// Gives up: removes what was written.
    pub fn abandon(mut self) {
        for (_, file) in self.open.drain() {
            let _ = fs::remove_file(self.folder.join(&file.path));
        }
        remove_files(&self.folder, &self.done);
    }
}

/// Removes data files that no commit will name.
pub fn remove_files(folder: &Path, files: &[AddFile]) {
    for f in files {
        let _ = fs::remove_file(folder.join(&f.path));
    }
}

/// A table's columns less those that are in the folder names.
pub(crate) fn data_schema(schema: &Schema, partition_columns: &[String]) -> SchemaRef {
    Arc::new(Schema::new(
        schema
            .fields()
            .iter()
            .filter(|f| !partition_columns.contains(f.name()))
            .map(|f| Field::new(f.name(), f.data_type().clone(), f.is_nullable()))
            .collect::<Vec<_>>(),
    ))
}

fn properties(schema: &Schema, is_sorted: bool) -> WriterProperties {
    // Who asks for a few of sorted rows opens few pages: the smaller, the less is unpacked in vain.
    let page_rows = if is_sorted { SORTED_PAGE_ROWS } else { DEFAULT_DATA_PAGE_ROW_COUNT_LIMIT };
    let builder = WriterProperties::builder()
        .set_data_page_row_count_limit(page_rows)
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        // Of each page, so that an hour of one route is a few pages, not a row group.
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(Some(1 << 20))
        .set_created_by(concat!("lakegate ", env!("CARGO_PKG_VERSION")).to_string())
        // Row numbers are all different: a dictionary of them is only work.
        .set_column_dictionary_enabled(ColumnPath::from("_row"), false);
    // Who reads one value reads the dictionary: of measurements it is as long as they are.
    let numbers = schema.fields().iter().filter(|f| f.data_type().primitive_width().is_some());
    let limited = numbers.fold(builder, |builder, field| {
        let column = ColumnPath::from(vec![field.name().clone()]);
        builder.set_column_dictionary_page_size_limit(column, NUMBERS_DICTIONARY_BYTES)
    });
    limited.build()
}

/// Brings a batch to a schema: columns by name, missing ones null.
pub fn align(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    if batch.schema_ref().fields() == schema.fields() {
        return Ok(batch.clone());
    }
    let columns = schema
        .fields()
        .iter()
        .map(|f| match batch.column_by_name(f.name()) {
            Some(c) if c.data_type() == f.data_type() => Ok(c.clone()),
            Some(c) => arrow::compute::cast(c, f.data_type()).map_err(Error::from),
            None => Ok(new_null_array(f.data_type(), batch.num_rows())),
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

/// Where the rows of some batches are, as batch and row, in the order of some
/// columns, nulls last; as they are where no column is named.
fn order(batches: &[RecordBatch], by: &[String]) -> Result<Vec<(usize, usize)>> {
    let places: Vec<(usize, usize)> =
        batches.iter().enumerate().flat_map(|(b, rows)| (0..rows.num_rows()).map(move |r| (b, r))).collect();
    let mut keys = Vec::new();
    for column in by {
        let parts: Option<Vec<&dyn Array>> =
            batches.iter().map(|b| b.column_by_name(column).map(|a| a.as_ref() as &dyn Array)).collect();
        // A partition column is the same in all rows.
        let Some(parts) = parts.filter(|p| !p.is_empty()) else { continue };
        keys.push(arrow::compute::SortColumn {
            values: concat(&parts)?,
            options: Some(arrow::compute::SortOptions { descending: false, nulls_first: false }),
        });
    }
    if keys.is_empty() {
        return Ok(places);
    }
    let order = arrow::compute::lexsort_to_indices(&keys, None)?;
    Ok(order.values().iter().map(|&i| places[i as usize]).collect())
}

/// Rows by partition, less the partition columns.
fn split(batch: &RecordBatch, partition_columns: &[String]) -> Result<Vec<(Key, RecordBatch)>> {
    if partition_columns.is_empty() {
        return Ok(vec![(Vec::new(), batch.clone())]);
    }
    let at: Vec<usize> =
        partition_columns.iter().map(|c| batch.schema_ref().index_of(c)).collect::<Result<_, _>>()?;
    let keys: Vec<ArrayRef> = at.iter().map(|&i| batch.column(i).clone()).collect();
    let rest: Vec<usize> = (0..batch.num_columns()).filter(|i| !at.contains(i)).collect();
    let data = batch.project(&rest)?;
    let converter = RowConverter::new(keys.iter().map(|k| SortField::new(k.data_type().clone())).collect())?;
    let rows = converter.convert_columns(&keys)?;
    let mut groups: HashMap<&[u8], Vec<u32>> = HashMap::new();
    let rows: Vec<_> = rows.iter().collect();
    for (i, row) in rows.iter().enumerate() {
        groups.entry(row.as_ref()).or_default().push(i as u32);
    }
    let value = |row: u32| keys.iter().map(|k| partition_value(k, row as usize)).collect::<Result<Vec<_>>>();
    if groups.len() == 1 {
        return Ok(vec![(value(0)?, data)]);
    }
    let mut parts: Vec<(u32, (Key, RecordBatch))> = groups
        .into_values()
        .map(|indices| {
            let first = indices[0];
            let rows = take_record_batch(&data, &UInt32Array::from(indices))?;
            Ok((first, (value(first)?, rows)))
        })
        .collect::<Result<_>>()?;
    parts.sort_by_key(|(first, _)| *first);
    Ok(parts.into_iter().map(|(_, p)| p).collect())
}

/// A partition value in Delta's spelling; the empty text is null there.
fn partition_value(array: &ArrayRef, row: usize) -> Result<Option<String>> {
    if array.is_null(row) {
        return Ok(None);
    }
    let text = match array.data_type() {
        DataType::Timestamp(..) => {
            let us = array.as_primitive::<arrow::datatypes::TimestampMicrosecondType>().value(row);
            civil(us)?.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string()
        }
        _ => {
            let format = FormatOptions::default().with_display_error(false);
            let value = ArrayFormatter::try_new(array, &format)?.value(row).try_to_string();
            value.map_err(|e| Error::new(Code::DoesNotFit, format!("a value names no partition: {e}")))?
        }
    };
    Ok(Some(text).filter(|t| !t.is_empty()))
}

/// The folder of a partition, a name that every file system takes. It is for
/// people alone: the commit says which values a file's rows have.
fn folder_name(column: &str, value: Option<&str>) -> String {
    let value = value.unwrap_or("__HIVE_DEFAULT_PARTITION__");
    let mut name = format!("{}={}", file_safe(column), file_safe(value));
    name.truncate(FOLDER_NAME);
    name
}

fn file_safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => out.push(b as char),
            _ => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}

/// Delta's per-file statistics, from the Parquet footer.
/// Source: Delta protocol, "Per-file Statistics".
fn stats_json(schema: &Schema, metadata: &ParquetMetaData, n_rows: u64) -> Value {
    let (mut mins, mut maxs, mut nulls) = (Map::new(), Map::new(), Map::new());
    for (i, field) in schema.fields().iter().enumerate() {
        // A landed file's rows are found by these bounds, however wide the table.
        let wanted = i < STATS_COLUMNS || field.name() == crate::layout::FILE_ID;
        if !wanted || field.data_type().is_nested() {
            continue;
        }
        let leaf = metadata
            .file_metadata()
            .schema_descr()
            .columns()
            .iter()
            .position(|c| c.path().parts().first() == Some(field.name()) && c.path().parts().len() == 1);
        let Some(leaf) = leaf else { continue };
        let mut low: Option<Bound> = None;
        let mut high: Option<Bound> = None;
        let mut n_nulls = Some(0u64);
        let mut bounded = true;
        for group in metadata.row_groups() {
            let Some(s) = group.column(leaf).statistics() else {
                n_nulls = None;
                bounded = false;
                continue;
            };
            n_nulls = n_nulls.zip(s.null_count_opt()).map(|(a, b)| a + b);
            if s.null_count_opt() == Some(group.num_rows() as u64) {
                continue;
            }
            match bounds(field.data_type(), s) {
                Some((a, b)) => {
                    low = Some(
                        low.take().map_or_else(|| a.clone(), |l| if before(&a, &l) { a.clone() } else { l }),
                    );
                    high = Some(
                        high.take().map_or_else(|| b.clone(), |h| if before(&h, &b) { b.clone() } else { h }),
                    );
                }
                None => bounded = false,
            }
        }
        if let Some(n) = n_nulls {
            nulls.insert(field.name().clone(), n.into());
        }
        if bounded && let (Some(low), Some(high)) = (low, high) {
            if let Some(v) = spell(field.data_type(), low, false) {
                mins.insert(field.name().clone(), v);
            }
            if let Some(v) = spell(field.data_type(), high, true) {
                maxs.insert(field.name().clone(), v);
            }
        }
    }
    json!({ "numRecords": n_rows, "minValues": mins, "maxValues": maxs, "nullCount": nulls })
}

/// A bound before it is spelled: comparable.
#[derive(Clone, Debug)]
enum Bound {
    Int(i128),
    Float(f64),
    Text(Vec<u8>),
    Bool(bool),
}

fn before(a: &Bound, b: &Bound) -> bool {
    match (a, b) {
        (Bound::Int(a), Bound::Int(b)) => a < b,
        (Bound::Float(a), Bound::Float(b)) => a < b,
        (Bound::Text(a), Bound::Text(b)) => a < b,
        (Bound::Bool(a), Bound::Bool(b)) => !a & b,
        _ => false,
    }
}

fn bounds(t: &DataType, s: &Statistics) -> Option<(Bound, Bound)> {
    Some(match s {
        Statistics::Boolean(v) => (Bound::Bool(*v.min_opt()?), Bound::Bool(*v.max_opt()?)),
        Statistics::Int32(v) => {
            (Bound::Int(i128::from(*v.min_opt()?)), Bound::Int(i128::from(*v.max_opt()?)))
        }
        Statistics::Int64(v) => {
            (Bound::Int(i128::from(*v.min_opt()?)), Bound::Int(i128::from(*v.max_opt()?)))
        }
        Statistics::Float(v) => {
            (Bound::Float(f64::from(*v.min_opt()?)), Bound::Float(f64::from(*v.max_opt()?)))
        }
        Statistics::Double(v) => (Bound::Float(*v.min_opt()?), Bound::Float(*v.max_opt()?)),
        Statistics::ByteArray(v) if *t == DataType::Utf8 => {
            (Bound::Text(v.min_opt()?.data().to_vec()), Bound::Text(v.max_opt()?.data().to_vec()))
        }
        Statistics::FixedLenByteArray(v) if matches!(t, DataType::Decimal128(..)) => {
            (Bound::Int(big_endian(v.min_opt()?.data())), Bound::Int(big_endian(v.max_opt()?.data())))
        }
        _ => return None,
    })
}

fn big_endian(bytes: &[u8]) -> i128 {
    let negative = bytes.first().is_some_and(|b| b & 0x80 != 0);
    bytes.iter().fold(if negative { -1 } else { 0 }, |n, b| (n << 8) | i128::from(*b))
}

/// A bound in Delta's spelling. A text that is cut must still be a bound: a
/// least value may be shorter, a greatest one is closed with a tie-breaker.
fn spell(t: &DataType, bound: Bound, greatest: bool) -> Option<Value> {
    Some(match (t, bound) {
        (DataType::Date32, Bound::Int(d)) => {
            civil(i64::try_from(d).ok()?.checked_mul(DAY_US)?).ok()?.strftime("%Y-%m-%d").to_string().into()
        }
        (DataType::Timestamp(..), Bound::Int(us)) => {
            // Delta's readers take milliseconds: the bound is widened to them.
            let ms = i64::try_from(us).ok()?.div_euclid(1000) + i64::from(greatest);
            civil(ms.checked_mul(1000)?).ok()?.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string().into()
        }
        (DataType::Decimal128(_, s), Bound::Int(v)) => {
            // Only what a JSON number holds exactly is a safe bound: 15 digits
            // come back as they were, over a power of ten that is a double.
            if v.unsigned_abs() >= EXACT_DECIMAL || *s > 22 {
                return None;
            }
            serde_json::Number::from_f64(v as f64 / 10f64.powi(i32::from(*s)))?.into()
        }
        (_, Bound::Int(v)) => i64::try_from(v).ok()?.into(),
        (_, Bound::Float(f)) => serde_json::Number::from_f64(f)?.into(),
        (_, Bound::Bool(b)) => b.into(),
        (_, Bound::Text(bytes)) => {
            let text = std::str::from_utf8(&bytes).ok()?;
            let Some((mut at, _)) = text.char_indices().nth(STATS_TEXT) else { return Some(text.into()) };
            if !greatest {
                return Some(text[..at].into());
            }
            // The tie-breaker must be greater than what it stands for.
            at += text[at..].chars().take_while(|c| *c == char::MAX).map(char::len_utf8).sum::<usize>();
            format!("{}{}", &text[..at], char::MAX).into()
        }
    })
}

#[cfg(test)]
mod tests;
