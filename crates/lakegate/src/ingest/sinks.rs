//! Data files of one large file, written by threads of their own while the
//! file is still being read.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use lakegate_domain::{Code, Failure};
use lakegate_lake::log::{AddFile, table_folder};
use lakegate_lake::sink::{Sink, SinkOptions, remove_files};
use lakegate_state::Job;

use super::fold::{Ready, quarantine_schema};
use super::prepare::{Env, Skip};
use super::tables::Tables;

enum Message {
    Rows(RecordBatch),
    Schema(SchemaRef),
}

/// One writer thread and the way to it.
struct Writer {
    to: SyncSender<Message>,
    thread: JoinHandle<Result<Vec<AddFile>, Failure>>,
}

impl Writer {
    fn start(
        folder: PathBuf,
        schema: SchemaRef,
        partition_columns: Vec<String>,
        options: SinkOptions,
    ) -> Self {
        // A few batches wait at most: memory is bounded by back-pressure.
        let (to, messages) = sync_channel::<Message>(4);
        let thread = std::thread::spawn(move || {
            let mut sink = Sink::new(&folder, schema, &partition_columns, options);
            for message in messages {
                let done = match message {
                    Message::Rows(rows) => sink.write(&rows),
                    Message::Schema(schema) => sink.set_schema(schema),
                };
                if let Err(e) = done {
                    sink.abandon();
                    return Err(e.into());
                }
            }
            Ok(sink.finish()?)
        });
        Self { to, thread }
    }

    fn join(self) -> Result<Vec<AddFile>, Failure> {
        drop(self.to);
        self.thread.join().unwrap_or_else(|_| Err(Failure::new(Code::Bug, "a writer thread panicked")))
    }
}

/// The writers of one table: rows go to them in turn.
struct TableWriters {
    folder: PathBuf,
    schema: SchemaRef,
    writers: Vec<Writer>,
    next: usize,
}

/// All writers of one streamed file.
pub struct Sinks {
    storage: PathBuf,
    options: SinkOptions,
    tables: BTreeMap<String, TableWriters>,
    quarantine: BTreeMap<String, TableWriters>,
}

/// Data files by table.
pub type Files = BTreeMap<String, Vec<AddFile>>;

impl Sinks {
    pub fn new(env: &Env<'_>) -> Self {
        Self {
            storage: env.storage.to_path_buf(),
            options: env.sink.clone(),
            tables: BTreeMap::new(),
            quarantine: BTreeMap::new(),
        }
    }

    /// Hands rows to the writers of their table, unless it holds them already.
    pub fn put(
        &mut self,
        env: &Env<'_>,
        tables: &mut Tables,
        job: &Job,
        ready: Ready,
        skip: &Skip<'_>,
    ) -> Result<(), Failure> {
        let Ready { table, rows, quarantined } = ready;
        if let Some(rows) = rows.filter(|r| r.num_rows() > 0)
            && !skip(tables, &table, false, job)
        {
            let state = tables.get_mut(&table).ok_or_else(|| Failure::new(Code::Bug, "table is not open"))?;
            state.notice_extras(&rows);
            let schema = state.schema()?;
            let partitions = state.partition_columns();
            let name = env.dataset.name.table(&table);
            self.send(
                false,
                &table,
                table_folder(&self.storage, &name),
                schema,
                partitions,
                env.threads,
                rows,
            )?;
        }
        if let Some(rows) = quarantined.filter(|r| r.num_rows() > 0)
            && !skip(tables, &table, true, job)
        {
            let name = env.dataset.name.table(&table).quarantine();
            let folder = table_folder(&self.storage, &name);
            self.send(true, &table, folder, quarantine_schema(), Vec::new(), 1, rows)?;
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments, reason = "one caller; a struct would only name them twice")]
    fn send(
        &mut self,
        quarantine: bool,
        table: &str,
        folder: PathBuf,
        schema: SchemaRef,
        partition_columns: Vec<String>,
        n_writers: usize,
        rows: RecordBatch,
    ) -> Result<(), Failure> {
        let options = SinkOptions {
            memory_bytes: self.options.memory_bytes / n_writers.max(1),
            ..self.options.clone()
        };
        let group = if quarantine { &mut self.quarantine } else { &mut self.tables };
        let t = group.entry(table.to_string()).or_insert_with(|| TableWriters {
            writers: (0..n_writers.max(1))
                .map(|_| {
                    Writer::start(folder.clone(), schema.clone(), partition_columns.clone(), options.clone())
                })
                .collect(),
            folder,
            schema: schema.clone(),
            next: 0,
        });
        let broken = |_| Failure::new(Code::Storage, "a writer stopped");
        if t.schema != schema {
            for w in &t.writers {
                if w.to.send(Message::Schema(schema.clone())).is_err() {
                    return Err(self.why().unwrap_or_else(|| broken(())));
                }
            }
            t.schema = schema;
        }
        let next = t.next % t.writers.len();
        t.next += 1;
        if t.writers[next].to.send(Message::Rows(rows)).is_err() {
            return Err(self.why().unwrap_or_else(|| broken(())));
        }
        Ok(())
    }

    /// The failure of a writer that has ended early.
    fn why(&mut self) -> Option<Failure> {
        let all = self.tables.values_mut().chain(self.quarantine.values_mut());
        for t in all {
            while let Some(at) = t.writers.iter().position(|w| w.thread.is_finished()) {
                if let Err(f) = t.writers.remove(at).join() {
                    return Some(f);
                }
            }
        }
        None
    }

    /// Closes all data files and makes them durable.
    pub fn finish(self) -> Result<(Files, Files), Failure> {
        let mut failure = None;
        let mut join = |group: BTreeMap<String, TableWriters>| -> Vec<(String, PathBuf, Vec<AddFile>)> {
            group
                .into_iter()
                .map(|(name, t)| {
                    let mut files = Vec::new();
                    for w in t.writers {
                        match w.join() {
                            Ok(f) => files.extend(f),
                            Err(f) => failure = Some(f),
                        }
                    }
                    (name, t.folder, files)
                })
                .collect()
        };
        let tables = join(self.tables);
        let quarantine = join(self.quarantine);
        if let Some(failure) = failure {
            for (_, folder, files) in tables.iter().chain(&quarantine) {
                remove_files(folder, files);
            }
            return Err(failure);
        }
        let named =
            |all: Vec<(String, PathBuf, Vec<AddFile>)>| all.into_iter().map(|(n, _, f)| (n, f)).collect();
        Ok((named(tables), named(quarantine)))
    }

    /// Gives up: removes what was written.
    pub fn abandon(self) {
        for t in self.tables.into_values().chain(self.quarantine.into_values()) {
            for w in t.writers {
                if let Ok(files) = w.join() {
                    remove_files(&t.folder, &files);
                }
            }
        }
    }
}
