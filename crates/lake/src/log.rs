//! One Delta table's log: its head, and commits in time proportional to the
//! change, whatever the number of live files.
//!
//! Reading a table's state is delta-rs' work; writing a commit is one file that
//! must not exist yet, and this module writes it: the data files, their
//! statistics and the commit token are one atomic step. Data files are written
//! and made durable before.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use deltalake::kernel::StructType;
use deltalake::kernel::engine::arrow_conversion::TryFromArrow;
use deltalake::{DeltaTable, DeltaTableBuilder};
use lakegate_domain::{Code, LaneName, Seq, TableName};
use serde_json::{Value, json};

use crate::{Error, Result};

/// Where a table's files are, below a lake's storage.
pub fn table_folder(storage: &Path, table: &TableName) -> PathBuf {
    storage.join("tables").join(&table.team).join(&table.dataset).join(&table.table)
}

/// A data file that a commit adds.
#[derive(Clone, Debug)]
pub struct AddFile {
    /// Relative to the table's folder, `/` between parts, not encoded.
    pub path: String,
    pub partition_values: Vec<(String, Option<String>)>,
    pub size_bytes: u64,
    pub n_rows: u64,
    /// Delta's statistics of the file, as JSON text.
    pub stats: String,
}

/// A live data file that a commit removes.
#[derive(Clone, Debug)]
pub struct RemoveFile {
    pub path: String,
    pub partition_values: Vec<(String, Option<String>)>,
    pub size_bytes: u64,
}

/// One commit.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// Delta's name of the operation: `WRITE`, `OPTIMIZE`, `DELETE`.
    pub operation: &'static str,
    pub adds: Vec<AddFile>,
    pub removes: Vec<RemoveFile>,
    pub token: Option<(LaneName, Seq)>,
    /// The table's new schema, where it changes.
    pub schema: Option<SchemaRef>,
    /// The table's new partition columns, with a new schema, where the commit
    /// replaces every file.
    pub partition_by: Option<Vec<String>>,
    /// Whether rows change; compaction only moves them.
    pub data_change: bool,
    /// Kept in the commit for those who read histories.
    pub info: Value,
}

/// The newest known state of a table, without its files.
#[derive(Clone, Debug)]
pub struct TableLog {
    pub name: TableName,
    pub folder: PathBuf,
    /// `None` where there is no table yet.
    head: Option<Head>,
    tokens: HashMap<LaneName, Option<Seq>>,
}

#[derive(Clone, Debug)]
struct Head {
    version: i64,
    schema: SchemaRef,
    partition_columns: Vec<String>,
    metadata: Value,
}

impl TableLog {
    /// Opens a table that may not exist yet. `lanes` are those whose tokens the
    /// caller will ask for.
    pub async fn open(storage: &Path, name: &TableName, lanes: &[LaneName]) -> Result<Self> {
        let mut log = TableLog {
            name: name.clone(),
            folder: table_folder(storage, name),
            head: None,
            tokens: lanes.iter().map(|l| (l.clone(), None)).collect(),
        };
        log.reload().await?;
        Ok(log)
    }

    /// Reads the newest state from storage.
    pub async fn reload(&mut self) -> Result<()> {
        let Some(table) = load(&self.folder).await.map_err(|e| e.doing(format!("table {}", self.name)))?
        else {
            self.head = None;
            self.tokens.values_mut().for_each(|t| *t = None);
            return Ok(());
        };
        let state = table.snapshot()?;
        let metadata =
            serde_json::to_value(state.metadata()).map_err(|e| Error::new(Code::Bug, e.to_string()))?;
        let mut schema = state.snapshot().arrow_schema();
        // delta-rs reads strings as views; the writer wants one plain form.
        schema = plain_schema(&schema);
        for (lane, token) in &mut self.tokens {
            *token =
                state.snapshot().transaction_version(table.log_store().as_ref(), &lane.0).await?.map(Seq);
        }
        self.head = Some(Head {
            version: state.version() as i64,
            schema,
            partition_columns: state.metadata().partition_columns().to_vec(),
            metadata,
        });
        Ok(())
    }

    pub fn exists(&self) -> bool {
        self.head.is_some()
    }

    /// The newest version, or -1 where there is no table.
    pub fn version(&self) -> i64 {
        self.head.as_ref().map_or(-1, |h| h.version)
    }

    /// All columns, partition columns among them; `None` where there is no table.
    pub fn schema(&self) -> Option<&SchemaRef> {
        self.head.as_ref().map(|h| &h.schema)
    }

    pub fn partition_columns(&self) -> &[String] {
        self.head.as_ref().map_or(&[], |h| &h.partition_columns)
    }

    /// The highest seq of the lane whose rows the table holds.
    pub fn token(&self, lane: &LaneName) -> Option<Seq> {
        self.tokens.get(lane).copied().flatten()
    }

    /// Creates the table in version 0.
    ///
    /// # Errors
    /// LG603 where another writer was faster.
    pub async fn create(
        &mut self,
        schema: SchemaRef,
        partition_by: &[String],
        description: Option<&str>,
    ) -> Result<()> {
        fs::create_dir_all(self.folder.join("_delta_log"))?;
        let metadata = json!({
            "id": uuid::Uuid::new_v4().to_string(),
            "name": self.name.to_string(),
            "description": description,
            "format": { "provider": "parquet", "options": {} },
            "schemaString": schema_string(&schema)?,
            "partitionColumns": partition_by,
            "configuration": {},
            "createdTime": now_ms(),
        });
        let lines = [
            json!({ "commitInfo": {
                "timestamp": now_ms(), "operation": "CREATE TABLE",
                "operationParameters": { "mode": "ErrorIfExists" },
                "engineInfo": engine(),
            }}),
            json!({ "protocol": { "minReaderVersion": 1, "minWriterVersion": 2 } }),
            json!({ "metaData": metadata }),
        ];
        match publish(&self.folder, 0, &lines)? {
            Published::Done => {
                self.head =
                    Some(Head { version: 0, schema, partition_columns: partition_by.to_vec(), metadata });
                Ok(())
            }
            Published::Exists => Err(self.lost(0)),
        }
    }

    /// Commits after the head that this value knows.
    ///
    /// # Errors
    /// LG603 where another writer committed first: nothing was written; reload,
    /// look at the token again, and decide anew.
    pub async fn commit(&mut self, commit: &Commit) -> Result<i64> {
        let head = self
            .head
            .as_mut()
            .ok_or_else(|| Error::new(Code::Bug, "commit to a table that does not exist"))?;
        let version = head.version + 1;
        let at = now_ms();
        let mut lines = Vec::with_capacity(commit.adds.len() + commit.removes.len() + 3);
        lines.push(json!({ "commitInfo": {
            "timestamp": at,
            "operation": commit.operation,
            "operationParameters": { "mode": "Append", "partitionBy": json!(head.partition_columns).to_string() },
            "engineInfo": engine(),
            "isBlindAppend": commit.removes.is_empty() && commit.data_change,
            "operationMetrics": {
                "numFiles": commit.adds.len().to_string(),
                "numOutputRows": commit.adds.iter().map(|a| a.n_rows).sum::<u64>().to_string(),
                "numOutputBytes": commit.adds.iter().map(|a| a.size_bytes).sum::<u64>().to_string(),
            },
            "lakegate": commit.info,
        }}));
        let mut changed = None;
        if let Some(schema) = &commit.schema {
            let mut metadata = head.metadata.clone();
            metadata["schemaString"] = schema_string(schema)?.into();
            if let Some(columns) = &commit.partition_by {
                metadata["partitionColumns"] = json!(columns);
            }
            lines.push(json!({ "metaData": metadata }));
            changed = Some((schema.clone(), metadata));
        }
        if let Some((lane, seq)) = &commit.token {
            lines.push(json!({ "txn": { "appId": lane.0, "version": seq.0, "lastUpdated": at } }));
        }
        for r in &commit.removes {
            lines.push(json!({ "remove": {
                "path": encode_path(&r.path), "deletionTimestamp": at, "dataChange": commit.data_change,
                "extendedFileMetadata": true, "partitionValues": values(&r.partition_values), "size": r.size_bytes,
            }}));
        }
        for a in &commit.adds {
            lines.push(json!({ "add": {
                "path": encode_path(&a.path), "partitionValues": values(&a.partition_values), "size": a.size_bytes,
                "modificationTime": at, "dataChange": commit.data_change, "stats": a.stats,
            }}));
        }
        match publish(&self.folder, version, &lines)? {
            Published::Done => {
                head.version = version;
                if let Some((schema, metadata)) = changed {
                    head.schema = schema;
                    head.metadata = metadata;
                    if let Some(columns) = &commit.partition_by {
                        head.partition_columns = columns.clone();
                    }
                }
                if let Some((lane, seq)) = &commit.token {
                    self.tokens.insert(lane.clone(), Some(*seq));
                }
                Ok(version)
            }
            Published::Exists => Err(self.lost(version)),
        }
    }

    fn lost(&self, version: i64) -> Error {
        Error::new(
            Code::Conflict,
            format!("table {}: version {version} was committed by another writer", self.name),
        )
    }
}

/// Opens a table with delta-rs; `None` where there is none.
pub async fn load(folder: &Path) -> Result<Option<DeltaTable>> {
    if !folder.join("_delta_log").is_dir() {
        return Ok(None);
    }
    let url = url::Url::from_directory_path(folder)
        .map_err(|()| Error::new(Code::Bug, format!("`{}` is not an absolute path", folder.display())))?;
    let mut table = DeltaTableBuilder::from_url(url)?.build()?;
    match table.load().await {
        Ok(()) => Ok(Some(table)),
        Err(deltalake::DeltaTableError::NotATable(_)) => Ok(None),
        Err(e) => {
            // A log folder without a first commit is a table that was about to be.
            let empty = fs::read_dir(folder.join("_delta_log"))
                .map(|mut d| !d.any(|e| e.is_ok_and(|e| e.path().extension().is_some_and(|x| x == "json"))))
                .unwrap_or(false);
            if empty { Ok(None) } else { Err(e.into()) }
        }
    }
}

/// The same schema with plain strings and binaries in place of views.
pub fn plain_schema(schema: &Schema) -> SchemaRef {
    use arrow::datatypes::{DataType, Field};
    fn plain(t: &DataType) -> DataType {
        match t {
            DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
            DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
            DataType::List(f) => DataType::List(Arc::new(field(f))),
            DataType::Struct(fs) => DataType::Struct(fs.iter().map(|f| field(f)).collect()),
            other => other.clone(),
        }
    }
    fn field(f: &Field) -> Field {
        f.clone().with_data_type(plain(f.data_type()))
    }
    Arc::new(Schema::new(schema.fields().iter().map(|f| field(f)).collect::<Vec<_>>()))
}

/// Whether a Delta table can have these columns.
///
/// # Errors
/// LG302 for a type that has no place in one.
pub fn check_schema(schema: &Schema) -> Result<()> {
    schema_string(schema).map(|_| ())
}

fn schema_string(schema: &Schema) -> Result<String> {
    let delta = StructType::try_from_arrow(schema).map_err(|e| {
        Error::new(Code::DoesNotFit, format!("a column's type has no place in a Delta table: {e}"))
    })?;
    serde_json::to_string(&delta).map_err(|e| Error::new(Code::Bug, e.to_string()))
}

fn values(pairs: &[(String, Option<String>)]) -> Value {
    pairs.iter().map(|(k, v)| (k.clone(), v.clone().map_or(Value::Null, Value::from))).collect()
}

fn engine() -> String {
    concat!("lakegate/", env!("CARGO_PKG_VERSION")).to_string()
}

/// Delta keeps paths as URIs: what is not plainly safe is percent-encoded.
pub fn encode_path(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for b in path.bytes() {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'=' => out.push(b as char),
            _ => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}

pub(crate) fn now_ms() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64)
}

enum Published {
    Done,
    Exists,
}

/// Writes one log entry so that it appears whole or not at all, and only if its
/// version is free: written aside, made durable, then linked to its name.
fn publish(folder: &Path, version: i64, lines: &[Value]) -> Result<Published> {
    let log = folder.join("_delta_log");
    let aside = log.join(format!("_commit_{}.json.tmp", uuid::Uuid::new_v4()));
    let mut text = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut text, line).map_err(|e| Error::new(Code::Bug, e.to_string()))?;
        text.push(b'\n');
    }
    let target = log.join(format!("{version:020}.json"));
    let written = (|| {
        let mut file = File::create(&aside)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::hard_link(&aside, &target)?;
        File::open(&log)?.sync_all()
    })();
    let _ = fs::remove_file(&aside);
    match written {
        Ok(()) => Ok(Published::Done),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(Published::Exists),
        Err(e) => Err(e.into()),
    }
}
