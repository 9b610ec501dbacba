//! The rows of a file that wait for its end, because a statement looks at all
//! of them: in memory up to a share of the limit, beyond it in Arrow IPC files.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use datafusion::common::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use lakegate_domain::{Code, Failure};

use super::Limits;
use crate::sink::align;

/// Rows of one file, in its order. Batches may know different columns.
#[derive(Debug)]
pub struct Held {
    limits: Limits,
    /// Closed spill files, oldest first.
    spilled: Vec<Spilled>,
    writing: Option<Writing>,
    /// What came after everything that is spilled.
    memory: Vec<RecordBatch>,
    memory_bytes: usize,
    /// The schemas that batches had.
    schemas: Vec<SchemaRef>,
}

/// A file of batches of one schema; it goes when nobody needs it any more.
#[derive(Debug)]
struct Spilled(PathBuf);

impl Drop for Spilled {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

struct Writing {
    to: StreamWriter<BufWriter<File>>,
    schema: SchemaRef,
    file: Spilled,
}

impl fmt::Debug for Writing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}

impl Held {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            spilled: Vec::new(),
            writing: None,
            memory: Vec::new(),
            memory_bytes: 0,
            schemas: Vec::new(),
        }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The schemas of the batches, each once, in the order in which they came.
    pub fn schemas(&self) -> &[SchemaRef] {
        &self.schemas
    }

    /// Takes the file's next rows.
    ///
    /// # Errors
    /// LG601 or LG602 where they cannot be spilled.
    pub fn push(&mut self, batch: RecordBatch) -> Result<(), Failure> {
        if self.schemas.last() != Some(batch.schema_ref()) && !self.schemas.contains(batch.schema_ref()) {
            self.schemas.push(batch.schema());
        }
        self.memory_bytes += batch.get_array_memory_size();
        self.memory.push(batch);
        if self.memory_bytes > self.limits.memory_bytes / 4 {
            self.spill().map_err(|e| self.failed(&e))?;
        }
        Ok(())
    }

    fn spill(&mut self) -> Result<(), ArrowError> {
        self.memory_bytes = 0;
        for batch in std::mem::take(&mut self.memory) {
            if self.writing.as_ref().is_none_or(|w| &w.schema != batch.schema_ref()) {
                self.close()?;
                let path = self.limits.spill_dir.join(format!("held-{}.arrows", uuid::Uuid::new_v4()));
                let to = File::create_new(&path)?;
                let file = Spilled(path);
                let schema = batch.schema();
                self.writing =
                    Some(Writing { to: StreamWriter::try_new_buffered(to, &schema)?, schema, file });
            }
            if let Some(writing) = &mut self.writing {
                writing.to.write(&batch)?;
            }
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), ArrowError> {
        if let Some(Writing { mut to, file, .. }) = self.writing.take() {
            to.finish()?;
            io::Write::flush(to.get_mut())?;
            self.spilled.push(file);
        }
        Ok(())
    }

    fn failed(&self, e: &ArrowError) -> Failure {
        let full = matches!(e, ArrowError::IoError(_, io) if io.kind() == io::ErrorKind::StorageFull);
        Failure::new(
            if full { Code::DiskFull } else { Code::Storage },
            format!("a file's rows cannot be spilled to `{}`: {e}", self.limits.spill_dir.display()),
        )
    }

    /// All rows as one table, at most `batch_rows` at a time: columns by name,
    /// those that a batch lacks null.
    pub(super) fn scanned_as(
        mut self,
        schema: SchemaRef,
        batch_rows: usize,
    ) -> Result<Arc<dyn PartitionStream>, Failure> {
        self.close().map_err(|e| self.failed(&e))?;
        let (spilled, memory) = (self.spilled.into(), self.memory.into());
        Ok(Arc::new(Scan { schema, batch_rows, spilled, memory }))
    }
}

/// Held rows, to be read as often as a statement likes.
#[derive(Debug)]
struct Scan {
    schema: SchemaRef,
    batch_rows: usize,
    spilled: Arc<[Spilled]>,
    memory: Arc<[RecordBatch]>,
}

impl PartitionStream for Scan {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (spilled, memory) = (self.spilled.clone(), self.memory.clone());
        let from_disk = (0..spilled.len()).flat_map(move |i| {
            let opened = File::open(&spilled[i].0)
                .map_err(ArrowError::from)
                .and_then(|f| StreamReader::try_new(BufReader::new(f), None));
            let rows: Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send> = match opened {
                Ok(reader) => Box::new(reader),
                Err(e) => Box::new(std::iter::once(Err(e))),
            };
            rows
        });
        let from_memory = (0..memory.len()).map(move |i| Ok(memory[i].clone()));
        let schema = self.schema.clone();
        let batch_rows = self.batch_rows;
        let in_parts = move |batch: Result<RecordBatch, ArrowError>| {
            let n = batch.as_ref().map_or(1, |b| b.num_rows().max(1));
            (0..n).step_by(batch_rows).map(move |at| match &batch {
                Ok(b) => Ok(b.slice(at, batch_rows.min(b.num_rows() - at))),
                Err(e) => Err(ArrowError::ComputeError(e.to_string())),
            })
        };
        let rows = from_disk.chain(from_memory).flat_map(in_parts).map(move |batch| {
            let aligned =
                batch.and_then(|b| align(&b, &schema).map_err(|e| ArrowError::ComputeError(e.to_string())));
            aligned.map_err(DataFusionError::from)
        });
        let stream = futures::stream::iter(rows);
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), stream))
    }
}
