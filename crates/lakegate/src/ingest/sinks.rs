//! Data files of one large file, written by threads of their own while the
//! file is still being read. The threads share one memory budget, however many
//! tables the file feeds.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
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

/// A table by its name, or the quarantine beside it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Place {
    table: String,
    quarantine: bool,
}

/// A place and how rows are laid out there.
struct Destination {
    place: Place,
    folder: PathBuf,
    schema: SchemaRef,
    partition_columns: Vec<String>,
    sort_by: Vec<String>,
}

/// One writer thread and the way to it.
struct Writer {
    to: SyncSender<(Arc<Destination>, RecordBatch)>,
    thread: JoinHandle<Result<Written, Failure>>,
}

/// Finished data files and their tables' folders.
type Written = BTreeMap<Place, (PathBuf, Vec<AddFile>)>;

impl Writer {
    fn start(options: SinkOptions) -> Self {
        // A few batches wait at most: memory is bounded by back-pressure.
        let (to, rows) = sync_channel(4);
        Self { to, thread: std::thread::spawn(move || write(&rows, &options)) }
    }

    fn join(self) -> Result<Written, Failure> {
        drop(self.to);
        self.thread.join().unwrap_or_else(|_| Err(Failure::new(Code::Bug, "a writer thread panicked")))
    }
}

/// A writer thread's work: all that comes, within `options`. On failure nothing
/// is left of it.
fn write(
    rows: &Receiver<(Arc<Destination>, RecordBatch)>,
    options: &SinkOptions,
) -> Result<Written, Failure> {
    let mut sinks: BTreeMap<Place, (PathBuf, Sink)> = BTreeMap::new();
    let mut failure = None;
    for (to, rows) in rows {
        let (_, sink) = sinks.entry(to.place.clone()).or_insert_with(|| {
            let options = SinkOptions { sort_by: to.sort_by.clone(), ..options.clone() };
            (to.folder.clone(), Sink::new(&to.folder, to.schema.clone(), &to.partition_columns, options))
        });
        let written = sink.set_schema(to.schema.clone()).and_then(|()| sink.write(&rows));
        if let Err(e) = written.and_then(|()| keep_within(&mut sinks, options)) {
            failure = Some(e);
            break;
        }
    }
    let mut written = Written::new();
    for (place, (folder, sink)) in sinks {
        if failure.is_some() {
            sink.abandon();
            continue;
        }
        match sink.finish() {
            Ok(files) => {
                written.insert(place, (folder, files));
            }
            Err(e) => failure = Some(e),
        }
    }
    match failure {
        None => Ok(written),
        Some(e) => {
            remove(written);
            Err(e.into())
        }
    }
}

/// Holds a thread's sinks to its budget: what takes most is written first, so
/// that a table whose rows are over gives way to the next.
fn keep_within(
    sinks: &mut BTreeMap<Place, (PathBuf, Sink)>,
    options: &SinkOptions,
) -> lakegate_lake::Result<()> {
    while sinks.values().map(|(_, s)| s.memory_bytes()).sum::<usize>() > options.memory_bytes {
        let largest = sinks.values_mut().map(|(_, s)| s).max_by_key(|s| s.memory_bytes());
        if !largest.map_or(Ok(false), Sink::release)? {
            break;
        }
    }
    while sinks.values().map(|(_, s)| s.n_open()).sum::<usize>() > options.open_files {
        if let Some((_, sink)) = sinks.values_mut().max_by_key(|(_, s)| s.n_open()) {
            sink.close_largest()?;
        }
    }
    Ok(())
}

fn remove(written: Written) {
    written.into_values().for_each(|(folder, files)| remove_files(&folder, &files));
}

/// All writers of one streamed file: rows go to them in turn.
pub struct Sinks {
    storage: PathBuf,
    writers: Vec<Writer>,
    next: usize,
    destinations: HashMap<Place, Arc<Destination>>,
}

/// Data files by table.
pub type Files = BTreeMap<String, Vec<AddFile>>;

impl Sinks {
    pub fn new(env: &Env<'_>) -> Self {
        let n = env.threads.max(1);
        let options = SinkOptions {
            memory_bytes: env.sink.memory_bytes / n,
            open_files: (env.sink.open_files / n).max(1),
            ..env.sink.clone()
        };
        Self {
            storage: env.storage.to_path_buf(),
            writers: (0..n).map(|_| Writer::start(options.clone())).collect(),
            next: 0,
            destinations: HashMap::new(),
        }
    }

    /// Hands rows to the writers, unless their table holds them already.
    pub fn put(
        &mut self,
        env: &Env<'_>,
        tables: &mut Tables,
        job: &Job,
        ready: Ready,
        skip: &Skip<'_>,
    ) -> Result<(), Failure> {
        let Ready { table, rows, quarantined } = ready;
        let name = env.dataset.name.table(&table);
        if let Some(rows) = rows.filter(|r| r.num_rows() > 0)
            && !skip(tables, &table, false, job)
        {
            let state = tables.get_mut(&table).ok_or_else(|| Failure::new(Code::Bug, "table is not open"))?;
            state.notice_extras(&rows);
            let to = Destination {
                place: Place { table: table.clone(), quarantine: false },
                folder: table_folder(&self.storage, &name),
                schema: state.schema()?,
                partition_columns: state.partition_columns(),
                sort_by: state.config.sort_by.clone(),
            };
            self.next = (self.next + 1) % self.writers.len();
            self.send(self.next, to, rows)?;
        }
        if let Some(rows) = quarantined.filter(|r| r.num_rows() > 0)
            && !skip(tables, &table, true, job)
        {
            let to = Destination {
                place: Place { table, quarantine: true },
                folder: table_folder(&self.storage, &name.quarantine()),
                schema: quarantine_schema(),
                partition_columns: Vec::new(),
                sort_by: Vec::new(),
            };
            // They are few: always to the same, for one file.
            self.send(0, to, rows)?;
        }
        Ok(())
    }

    fn send(&mut self, writer: usize, to: Destination, rows: RecordBatch) -> Result<(), Failure> {
        let known = self.destinations.get(&to.place).filter(|d| d.schema == to.schema).cloned();
        let to = known.unwrap_or_else(|| {
            let to = Arc::new(to);
            self.destinations.insert(to.place.clone(), to.clone());
            to
        });
        if self.writers[writer].to.send((to, rows)).is_ok() {
            return Ok(());
        }
        // It has ended before its time and says why.
        let why = self.writers.swap_remove(writer).join();
        Err(why.err().unwrap_or_else(|| Failure::new(Code::Bug, "a writer stopped without a reason")))
    }

    fn join(self) -> (Vec<Written>, Option<Failure>) {
        let mut failure = None;
        let mut all = Vec::new();
        for writer in self.writers {
            match writer.join() {
                Ok(written) => all.push(written),
                Err(f) => failure = failure.or(Some(f)),
            }
        }
        (all, failure)
    }

    /// Closes all data files and makes them durable. Answers those of the tables
    /// and those of their quarantines.
    pub fn finish(self) -> Result<(Files, Files), Failure> {
        let (all, failure) = self.join();
        if let Some(failure) = failure {
            all.into_iter().for_each(remove);
            return Err(failure);
        }
        let (mut tables, mut quarantine) = (Files::new(), Files::new());
        for (place, (_, files)) in all.into_iter().flatten() {
            let group = if place.quarantine { &mut quarantine } else { &mut tables };
            group.entry(place.table).or_default().extend(files);
        }
        Ok((tables, quarantine))
    }

    /// Gives up: removes what was written.
    pub fn abandon(self) {
        self.join().0.into_iter().for_each(remove);
    }
}
