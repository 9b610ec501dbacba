//! Rows to data files: partitioned, split at the target size, with statistics.
//!
//! A data file that no commit names does not exist for readers; whatever
//! happens here before the commit leaves nothing but files for vacuum.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::*;
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::row::{RowConverter, SortField};
use lakegate_domain::Code;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnPath;
use serde_json::{Map, Value, json};

use crate::log::AddFile;
use crate::{Error, Result};

/// How data files are written.
#[derive(Clone, Debug)]
pub struct SinkOptions {
    pub target_file_bytes: u64,
    /// Ceiling for all open writers of this sink together.
    pub memory_bytes: usize,
    /// Columns by which the rows of a file are sorted; the writer notes them.
    pub sort_by: Vec<String>,
}

/// Writes the rows of one table, for one commit.
pub struct Sink {
    folder: PathBuf,
    schema: SchemaRef,
    partition_columns: Vec<String>,
    options: SinkOptions,
    open: HashMap<Vec<Option<String>>, OpenFile>,
    done: Vec<AddFile>,
}

struct OpenFile {
    writer: ArrowWriter<File>,
    path: String,
    partition: Vec<(String, Option<String>)>,
    n_rows: u64,
}

/// Statistics are kept for so many leading columns, as Delta does by default.
const STATS_COLUMNS: usize = 32;
/// Delta's usual cut of text bounds.
const STATS_TEXT: usize = 32;

impl Sink {
    pub fn new(folder: &Path, schema: SchemaRef, partition_columns: &[String], options: SinkOptions) -> Self {
        Self {
            folder: folder.to_path_buf(),
            schema,
            partition_columns: partition_columns.to_vec(),
            options,
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
        let batch = align(batch, &self.schema)?;
        for (key, rows) in split(&batch, &self.partition_columns)? {
            self.write_partition(key, &rows)?;
        }
        while self.open.values().map(|f| f.writer.memory_size()).sum::<usize>() > self.options.memory_bytes {
            let Some((key, _)) = self.open.iter().max_by_key(|(_, f)| f.writer.memory_size()) else { break };
            let key = key.clone();
            let file = self.open.get_mut(&key).expect("the key was just found");
            // A row group ends early: memory is bounded, the file goes on.
            file.writer.flush()?;
            if self.open.len() > 256 {
                let file = self.open.remove(&key).expect("the key was just found");
                self.close(file)?;
            }
            if self.open.values().all(|f| f.writer.in_progress_size() == 0) {
                break;
            }
        }
        Ok(())
    }

    /// Writes rows that lack their partition columns into the partition given:
    /// what a rewrite of data files needs.
    pub fn write_in(&mut self, partition: &[(String, Option<String>)], batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let rows = align(batch, &data_schema(&self.schema, &self.partition_columns))?;
        self.write_partition(partition.iter().map(|(_, v)| v.clone()).collect(), &rows)
    }

    fn write_partition(&mut self, key: Vec<Option<String>>, rows: &RecordBatch) -> Result<()> {
        if !self.open.contains_key(&key) {
            let file = self.start(&key)?;
            self.open.insert(key.clone(), file);
        }
        let file = self.open.get_mut(&key).expect("opened above");
        file.writer.write(rows)?;
        file.n_rows += rows.num_rows() as u64;
        if file.writer.bytes_written() as u64 + file.writer.in_progress_size() as u64
            >= self.options.target_file_bytes
        {
            let file = self.open.remove(&key).expect("opened above");
            self.close(file)?;
        }
        Ok(())
    }

    fn start(&self, key: &[Option<String>]) -> Result<OpenFile> {
        let mut path = String::new();
        let partition: Vec<(String, Option<String>)> =
            self.partition_columns.iter().cloned().zip(key.iter().cloned()).collect();
        for (name, value) in &partition {
            let value = value.as_deref().unwrap_or("__HIVE_DEFAULT_PARTITION__");
            path.push_str(&format!("{}={}/", file_safe(name), file_safe(value)));
        }
        fs::create_dir_all(self.folder.join(&path))?;
        path.push_str(&format!("part-{}.zstd.parquet", uuid::Uuid::now_v7()));
        let file = File::create(self.folder.join(&path))?;
        let schema = data_schema(&self.schema, &self.partition_columns);
        let writer = ArrowWriter::try_new(file, schema.clone(), Some(properties(&schema, &self.options)?))?;
        Ok(OpenFile { writer, path, partition, n_rows: 0 })
    }

    fn close(&mut self, file: OpenFile) -> Result<()> {
        let OpenFile { mut writer, path, partition, n_rows } = file;
        let metadata = writer.finish()?;
        let file = writer.inner();
        file.sync_all()?;
        let size_bytes = file.metadata()?.len();
        let schema = data_schema(&self.schema, &self.partition_columns);
        let stats = stats_json(&schema, &metadata, n_rows).to_string();
        self.done.push(AddFile { path, partition_values: partition, size_bytes, n_rows, stats });
        Ok(())
    }

    fn close_all(&mut self) -> Result<()> {
        let mut keys: Vec<_> = self.open.keys().cloned().collect();
        keys.sort();
        for key in keys {
            let file = self.open.remove(&key).expect("its own key");
            self.close(file)?;
        }
        Ok(())
    }

    /// Closes everything and makes it durable.
    pub fn finish(mut self) -> Result<Vec<AddFile>> {
        self.close_all()?;
        let mut folders: Vec<PathBuf> = self
            .done
            .iter()
            .filter_map(|a| self.folder.join(&a.path).parent().map(Path::to_path_buf))
            .collect();
        folders.sort();
        folders.dedup();
        for folder in folders {
            File::open(&folder)?.sync_all()?;
        }
        Ok(std::mem::take(&mut self.done))
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
fn data_schema(schema: &Schema, partition_columns: &[String]) -> SchemaRef {
    Arc::new(Schema::new(
        schema
            .fields()
            .iter()
            .filter(|f| !partition_columns.contains(f.name()))
            .map(|f| Field::new(f.name(), f.data_type().clone(), f.is_nullable()))
            .collect::<Vec<_>>(),
    ))
}

fn properties(schema: &Schema, options: &SinkOptions) -> Result<WriterProperties> {
    let mut builder = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_row_count(Some(1 << 20))
        .set_created_by(concat!("lakegate ", env!("CARGO_PKG_VERSION")).to_string());
    // Row numbers are all different: a dictionary of them is only work.
    builder = builder.set_column_dictionary_enabled(ColumnPath::from("_row"), false);
    let sorting: Vec<_> = options
        .sort_by
        .iter()
        .filter_map(|c| schema.index_of(c).ok())
        .map(|i| parquet::file::metadata::SortingColumn {
            column_idx: i as i32,
            descending: false,
            nulls_first: false,
        })
        .collect();
    if !sorting.is_empty() {
        builder = builder.set_sorting_columns(Some(sorting));
    }
    Ok(builder.build())
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

/// Rows in the order of some columns, nulls last; as they are where none is named.
pub fn sorted(batch: RecordBatch, by: &[String]) -> Result<RecordBatch> {
    let keys: Vec<arrow::compute::SortColumn> = by
        .iter()
        .filter_map(|c| batch.column_by_name(c))
        .map(|values| arrow::compute::SortColumn {
            values: values.clone(),
            options: Some(arrow::compute::SortOptions { descending: false, nulls_first: false }),
        })
        .collect();
    if keys.is_empty() {
        return Ok(batch);
    }
    let order = arrow::compute::lexsort_to_indices(&keys, None)?;
    Ok(take_record_batch(&batch, &order)?)
}

/// A partition's values, as Delta spells them, and its rows less those columns.
type Part = (Vec<Option<String>>, RecordBatch);

fn split(batch: &RecordBatch, partition_columns: &[String]) -> Result<Vec<Part>> {
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
    let mut parts: Vec<(u32, Part)> = groups
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
            let t = jiff::Timestamp::from_microsecond(us)
                .map_err(|e| Error::new(Code::DoesNotFit, e.to_string()))?;
            t.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string()
        }
        _ => arrow::util::display::array_value_to_string(array, row)?,
    };
    Ok(Some(text).filter(|t| !t.is_empty()))
}

/// A folder name that every file system takes.
fn file_safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' => out.push(c),
            _ => {
                let mut b = [0; 4];
                for byte in c.encode_utf8(&mut b).bytes() {
                    out.push_str(&format!("%{byte:02X}"));
                }
            }
        }
    }
    // A value such as `..` must not become a step upwards.
    if out.chars().all(|c| c == '.') { out.replace('.', "%2E") } else { out.chars().take(200).collect() }
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
            let ts = jiff::Timestamp::from_second(d as i64 * 86_400).ok()?;
            ts.strftime("%Y-%m-%d").to_string().into()
        }
        (DataType::Timestamp(..), Bound::Int(us)) => {
            // Delta's readers take milliseconds: the bound is widened to them.
            let ms = if greatest { (us as i64).div_euclid(1000) + 1 } else { (us as i64).div_euclid(1000) };
            jiff::Timestamp::from_millisecond(ms).ok()?.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string().into()
        }
        (DataType::Decimal128(_, s), Bound::Int(v)) => {
            let f = v as f64 / 10f64.powi(i32::from(*s));
            // Only what a JSON number holds exactly is a safe bound.
            if v.abs() > (1 << 53) {
                return None;
            }
            serde_json::Number::from_f64(f)?.into()
        }
        (_, Bound::Int(v)) => i64::try_from(v).ok()?.into(),
        (_, Bound::Float(f)) => serde_json::Number::from_f64(f)?.into(),
        (_, Bound::Bool(b)) => b.into(),
        (_, Bound::Text(bytes)) => {
            let text = std::str::from_utf8(&bytes).ok()?;
            if text.chars().count() <= STATS_TEXT {
                text.into()
            } else {
                let mut cut: String = text.chars().take(STATS_TEXT).collect();
                if greatest {
                    cut.push(char::MAX);
                }
                cut.into()
            }
        }
    })
}
