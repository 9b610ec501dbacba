//! Files to rows that are ready to be committed: the first steps of a file's life.
//!
//! Small files are read whole, many at a time, one per thread. A large file is
//! read alone, in chunks that are parsed on all threads and folded in order, so
//! that memory is bounded whatever its size.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};

use lakegate_domain::model::{Dataset, Empty};
use lakegate_domain::{Code, Failure, Seq};
use lakegate_format::conform::Conformed;
use lakegate_format::open::{self, Chunk, Reader, Source, Surveyed};
use lakegate_lake::log::AddFile;
use lakegate_lake::sink::SinkOptions;
use lakegate_land::{Method, RawBytes, RawPlace, RawStore};
use lakegate_state::{Job, RawRef};
use tokio::runtime::Handle;

use super::contents::{Inventory, Tally};
use super::dedupe::LeftOut;
use super::fold::{FileFacts, FileFold, Halt, Put, Ready, conform_rows, size_bytes};
use super::gather::Gather;
use super::hook::Call;
use super::outcome::FileOut;
use super::parse::{self, Chunked, Parsed};
use super::sinks::Sinks;
use super::tables::{Tables, View};

/// A file larger than this is read alone, chunk by chunk.
pub const STREAM_OVER_BYTES: u64 = 8 << 20;
/// How many first files of a lane a new table is inferred from.
const SAMPLE_FILES: usize = 20;

const NO_ROWS: &str = "the file has not a single row, at most a header";

/// Whether a table, or the quarantine beside it, holds a job's rows already.
pub type Skip<'a> = dyn Fn(&mut Tables, &str, bool, &Job) -> bool + Sync + 'a;

/// What reading needs.
pub struct Env<'a> {
    pub dataset: &'a Dataset,
    /// The lake's folder.
    pub root: &'a Path,
    pub storage: &'a Path,
    pub raw: &'a RawStore,
    pub spill: &'a Path,
    pub runtime: Handle,
    pub threads: usize,
    /// What the rows of one batch of small files may take as they are read.
    pub held_bytes: usize,
    pub transform_memory: usize,
    pub loaded_at_us: i64,
    pub sink: SinkOptions,
    /// Set when a person asked to stop: a transform that runs is given up.
    pub stop: &'a AtomicBool,
    /// What may be remembered of rows that count as one.
    pub remembered_bytes: usize,
    /// And of one file's, or of those of one batch, until they are committed.
    pub of_file_bytes: usize,
}

impl Env<'_> {
    fn facts(&self, job: &Job) -> FileFacts {
        FileFacts {
            file_id: job.file_id,
            path: job.path.clone(),
            size_bytes: job.size_bytes,
            modified_us: job.mtime_ns / 1000,
        }
    }

    /// Of which file a hook runs; the table is still to be named.
    fn call<'j>(&'j self, job: &'j Job) -> Call<'j> {
        Call {
            root: self.root,
            dataset: &self.dataset.name,
            table: "",
            file: &job.path,
            groups: &job.groups,
            stop: self.stop,
        }
    }

    /// `n_at_once` files are folded at the same time: they share the memory.
    fn fold<'j>(&'j self, job: &'j Job, view: View, n_at_once: usize) -> FileFold<'j> {
        let limits = lakegate_lake::transform::Limits {
            memory_bytes: self.transform_memory / n_at_once.max(1),
            spill_dir: self.spill.to_path_buf(),
        };
        let facts = self.facts(job);
        let fold = FileFold::new(
            self.dataset,
            view,
            facts,
            self.loaded_at_us,
            self.runtime.clone(),
            limits,
            self.stop,
        )
        .with_hooks(self.root, &job.groups);
        if n_at_once > 1 { fold.beside_others() } else { fold }
    }

    /// A file's raw bytes. Proved to be those that landed: a hard-linked file may
    /// have been overwritten in place, to the same size even.
    fn source(&self, job: &Job) -> Result<Source, Failure> {
        Ok(source(self.raw.open_verified(&place(&job.raw)?, &job.fingerprint)?, job.size_bytes))
    }

    /// What the documents of a file are, as far as its raw bytes can be read.
    pub fn survey(&self, job: &Job) -> Vec<Surveyed> {
        let name = job.path.rsplit('/').next().unwrap_or(&job.path);
        match self.source(job) {
            Ok(source) => open::survey(source, name, &self.dataset.read, self.spill),
            Err(_) => Vec::new(),
        }
    }

    /// Opens a file's reader over its raw bytes.
    fn open(&self, job: &Job) -> Result<Reader, Failure> {
        open_source(self.dataset, self.source(job)?, &job.path, job.size_bytes, self.spill)
    }
}

/// Opens a file's reader over its bytes.
pub fn open_source(
    dataset: &Dataset,
    source: Source,
    path: &str,
    size_bytes: u64,
    spill: &Path,
) -> Result<Reader, Failure> {
    if size_bytes == 0 {
        return Err(empty("the file is empty: it has no bytes at all"));
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    let reader = open::open(source, name, &dataset.read, spill)?;
    // An empty member is no reason to pass over the others.
    Ok(if dataset.empty == Empty::Accept { reader.skip_empty_members() } else { reader })
}

fn empty(what: &str) -> Failure {
    Failure::new(
        Code::NoRecords,
        format!("{what}; where such files are normal, say `empty: accept` in the dataset's file"),
    )
}

/// What a file came to that may have no rows: by the dataset's rule it is nobody's
/// concern or this failure.
pub fn accept_empty(dataset: &Dataset, read: Result<FileOut, Failure>) -> Result<FileOut, Failure> {
    match (read, dataset.empty) {
        (Ok(out), Empty::Park) if out.n_read() == 0 => Err(empty(NO_ROWS)),
        (Err(f), Empty::Accept) if f.code == Code::NoRecords => Ok(FileOut::default()),
        (read, _) => read,
    }
}

/// The raw store's own form of where bytes are.
pub fn place(raw: &RawRef) -> Result<RawPlace, Failure> {
    let method = Method::parse(&raw.method).ok_or_else(|| {
        Failure::new(Code::RawMissing, format!("the ledger says `{}` of how bytes are kept", raw.method))
    })?;
    Ok(RawPlace { pack: raw.pack.clone(), offset: raw.offset, stored_bytes: raw.stored_bytes, method })
}

/// Raw bytes as a reader takes them. `size_bytes` is the landed file's.
pub fn source(raw: RawBytes, size_bytes: u64) -> Source {
    match raw {
        RawBytes::Bytes(bytes) => Source::Bytes(bytes.into()),
        RawBytes::File(path) => Source::File(path),
        RawBytes::Zstd(path) => Source::Zstd { path, size_bytes },
    }
}

/// Files that are ready, and those that are not.
#[derive(Default)]
pub struct Prepared {
    pub files: Vec<(Job, FileOut)>,
    pub failed: Vec<(Job, Failure)>,
    /// Data files that a streamed file has written already, by table, and by
    /// table for its quarantine.
    pub streamed: BTreeMap<String, Vec<AddFile>>,
    pub streamed_quarantine: BTreeMap<String, Vec<AddFile>>,
    /// Whether its one file was read piece by piece, and rows that came before
    /// were left out on the way.
    pub is_streamed: bool,
    /// Jobs that did not fit in memory together with the others.
    pub left: Vec<Job>,
    /// A person asked to stop while a transform ran: nothing is prepared, and all
    /// jobs are left.
    pub stopped: bool,
}

impl Prepared {
    fn stopped(left: Vec<Job>) -> Self {
        Self { left, stopped: true, ..Self::default() }
    }
}

/// Reads, transforms, conforms and checks `jobs`.
///
/// `skip` says which tables hold a job's rows already.
pub fn prepare(
    env: &Env<'_>,
    tables: &mut Tables,
    mut jobs: Vec<Job>,
    skip: &Skip<'_>,
) -> Result<Prepared, Failure> {
    if jobs.len() == 1 && jobs[0].size_bytes > STREAM_OVER_BYTES {
        return stream(env, tables, jobs.remove(0), skip);
    }
    let held = AtomicUsize::new(0);
    let parsed = each(env.threads, &jobs, |job| caught(|| parse_whole(env, job, &held)));
    if parsed.iter().any(|p| matches!(p, Err(Halt::Stopped))) {
        return Ok(Prepared::stopped(jobs));
    }
    // The first file that did not fit is where this batch ends.
    if let Some(at) = parsed.iter().position(|p| matches!(p, Err(Halt::TooLarge))) {
        if at == 0 {
            let left = jobs.split_off(1);
            drop(parsed);
            let mut prepared = stream(env, tables, jobs.remove(0), skip)?;
            prepared.left.extend(left);
            return Ok(prepared);
        }
        let left = jobs.split_off(at);
        let mut prepared = whole(env, tables, jobs, parsed.into_iter().take(at).collect(), skip)?;
        prepared.left.extend(left);
        return Ok(prepared);
    }
    whole(env, tables, jobs, parsed, skip)
}

/// A small file, read.
#[derive(Default)]
struct ReadFile {
    parts: Vec<Parsed>,
    contents: Inventory,
}

type ParsedFile = Result<ReadFile, Halt>;

fn whole(
    env: &Env<'_>,
    tables: &mut Tables,
    jobs: Vec<Job>,
    parsed: Vec<ParsedFile>,
    skip: &Skip<'_>,
) -> Result<Prepared, Failure> {
    let all = jobs.clone();
    let mut prepared = Prepared::default();
    let mut good: Vec<(Job, ReadFile)> = Vec::with_capacity(jobs.len());
    for (job, parsed) in jobs.into_iter().zip(parsed) {
        match parsed {
            Ok(p) => {
                // Before its header says what a new table's columns are.
                if env.dataset.empty == Empty::Park && p.parts.iter().all(|p| p.n_read == 0) {
                    prepared.failed.push((job, empty(NO_ROWS)));
                } else {
                    good.push((job, p));
                }
            }
            Err(Halt::Failed(f)) => match accept_empty(env.dataset, Err(f)) {
                Ok(out) => prepared.files.push((job, out)),
                Err(f) => prepared.failed.push((job, f)),
            },
            Err(Halt::Stopped | Halt::TooLarge) => unreachable!("looked for by `prepare`"),
        }
    }
    // Most files tell nothing new; the few that do are looked at in order.
    let known = tables.view();
    let news = each(env.threads, &good, |(_, read)| read.parts.iter().any(|p| known.is_news(env.dataset, p)));
    let saved = tables.save();
    let mut seen: Vec<(Job, ReadFile, bool)> = Vec::with_capacity(good.len());
    let samples: Vec<Vec<Parsed>> = match news.contains(&true) {
        true => good.iter().take(SAMPLE_FILES).map(|(_, p)| p.parts.clone()).collect(),
        false => Vec::new(),
    };
    let samples: Vec<&[Parsed]> = samples.iter().map(Vec::as_slice).collect();
    for ((job, read), news) in good.into_iter().zip(news) {
        match if news { env.runtime.block_on(tables.see(&read.parts, &samples)) } else { Ok(()) } {
            Ok(()) => seen.push((job, read, news)),
            Err(f) => prepared.failed.push((job, f)),
        }
    }
    let view = tables.view();
    let work: Vec<Mutex<Option<ReadFile>>> =
        seen.iter_mut().map(|(_, p, _)| Mutex::new(Some(std::mem::take(p)))).collect();
    let indices: Vec<usize> = (0..seen.len()).collect();
    let n_at_once = env.threads.min(seen.len());
    let made = AtomicUsize::new(0);
    let outs = each(env.threads, &indices, |&i| {
        let read = work[i].lock().expect("taken once").take().unwrap_or_default();
        caught(|| fold_whole(env, env.fold(&seen[i].0, view.clone(), n_at_once), read, &made))
    });
    if outs.iter().any(|out| matches!(out, Err(Halt::Stopped))) {
        tables.restore(saved);
        return Ok(Prepared::stopped(all));
    }
    if let Some(at) = outs.iter().position(|out| matches!(out, Err(Halt::TooLarge))) {
        let seq = seen[at].0.seq;
        drop((outs, work));
        tables.restore(saved);
        return before_the_large(env, tables, all, seq, skip);
    }
    let learned_from_failed = outs.iter().zip(&seen).any(|(out, (.., news))| out.is_err() && *news);
    if learned_from_failed {
        // The others are read again, without what the failed files said of the
        // tables' columns.
        tables.restore(saved);
    }
    for ((job, _, _), out) in seen.into_iter().zip(outs) {
        match out {
            Err(Halt::Failed(f)) => prepared.failed.push((job, f)),
            Err(Halt::Stopped | Halt::TooLarge) => unreachable!("looked for above"),
            Ok(_) if learned_from_failed => prepared.left.push(job),
            Ok(out) => prepared.files.push((job, out)),
        }
    }
    if learned_from_failed {
        prepared.left.extend(prepared.files.drain(..).map(|(job, _)| job));
        prepared.left.sort_by_key(|job| job.seq);
    }
    Ok(prepared)
}

/// Prepares the files before the one of `seq`, of which a transform makes more
/// than fits in memory beside them; that one itself, alone, where it is the first.
fn before_the_large(
    env: &Env<'_>,
    tables: &mut Tables,
    mut jobs: Vec<Job>,
    seq: Seq,
    skip: &Skip<'_>,
) -> Result<Prepared, Failure> {
    let at = jobs.iter().position(|j| j.seq == seq).unwrap_or(0);
    let left = jobs.split_off(at.max(1));
    let mut prepared = match at {
        0 => stream(env, tables, jobs.remove(0), skip)?,
        _ => prepare(env, tables, jobs, skip)?,
    };
    prepared.left.extend(left);
    Ok(prepared)
}

/// Runs `work` over `items` on `threads` threads; answers in the items' order.
pub fn each<T: Sync, R: Send>(threads: usize, items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    if items.len() <= 1 || threads <= 1 {
        return items.iter().map(&work).collect();
    }
    let next = AtomicUsize::new(0);
    let mut all: Vec<(usize, R)> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads.min(items.len()))
            .map(|_| {
                scope.spawn(|| {
                    let mut mine = Vec::new();
                    loop {
                        let i = next.fetch_add(1, Ordering::Relaxed);
                        let Some(item) = items.get(i) else { return mine };
                        mine.push((i, work(item)));
                    }
                })
            })
            .collect();
        handles
            .into_iter()
            .flat_map(|h| h.join().expect("a worker's panic is a bug of this program"))
            .collect()
    });
    all.sort_by_key(|(i, _)| *i);
    all.into_iter().map(|(_, r)| r).collect()
}

/// A panic of a reader, or of a library below it, is that file's failure.
pub fn caught<R, E: From<Failure>>(work: impl FnOnce() -> Result<R, E>) -> Result<R, E> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let what = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Err(Failure::new(Code::Bug, format!("reading the file panicked: {what}")).into())
    })
}

/// Reads a whole file; it is too large where it does not fit beside the others.
fn parse_whole(env: &Env<'_>, job: &Job, held: &AtomicUsize) -> ParsedFile {
    let constants = parse::constants(env.dataset, &job.groups);
    let mut room = |size: usize| match held.fetch_add(size, Ordering::Relaxed) + size > env.held_bytes {
        true => Err(Halt::TooLarge),
        false => Ok(()),
    };
    let mut read = ReadFile::default();
    let mut gather = Gather::new(env.dataset);
    for chunk in env.open(job)? {
        let chunk = chunk.map_err(Failure::from)?;
        let Chunked { parts, tally } = parse::parse(env.dataset, &job.groups, chunk, &constants)?;
        read.contents.add(&tally);
        for part in parts {
            room(part.rows.size_bytes())?;
            match gather.takes(&part.table) {
                true => gather.push(part),
                false => read.parts.push(part),
            }
        }
    }
    read.parts.extend(gather.finish(&constants, &env.call(job), &mut room)?);
    Ok(read)
}

/// Folds a file in memory. `made` counts what has become of this batch's rows.
fn fold_whole(
    env: &Env<'_>,
    fold: FileFold<'_>,
    read: ReadFile,
    made: &AtomicUsize,
) -> Result<FileOut, Halt> {
    let started = std::time::Instant::now();
    let mut fold = fold.with_contents(read.contents);
    let mut ready: Vec<Ready> = Vec::new();
    let put: &mut Put<'_> = &mut |r| {
        let size: usize = r.rows.iter().chain(&r.quarantined).map(size_bytes).sum();
        ready.push(r);
        match made.fetch_add(size, Ordering::Relaxed) + size > env.held_bytes {
            true => Err(Halt::TooLarge),
            false => Ok(()),
        }
    };
    for p in read.parts {
        fold.add(p, None, put)?;
    }
    fold.rest(put)?;
    let mut out = fold.finish()?;
    for r in ready {
        let table = out.tables.entry(r.table).or_default();
        table.rows.extend(r.rows);
        table.quarantined.extend(r.quarantined);
    }
    out.duration_ms = started.elapsed().as_millis() as u64;
    Ok(out)
}

/// What a worker makes of a chunk.
struct WorkedChunk {
    parts: Vec<Worked>,
    tally: Tally,
}

/// And of its rows for one table.
struct Worked {
    parsed: Parsed,
    conformed: Option<Conformed>,
    /// Whether the rows tell something of the table's columns that the view did
    /// not know.
    is_news: bool,
}

/// What one reading of a large file came to.
enum Streamed {
    Whole(FileOut),
    /// A column became wider on the way, so that what was written has the old
    /// type; or one was added to a table with expectations, which have not
    /// judged the rows before it by all columns.
    Again,
}

/// Reads one large file. Its rows are in data files when this returns; nothing
/// names those before the commit.
fn stream(env: &Env<'_>, tables: &mut Tables, job: Job, skip: &Skip<'_>) -> Result<Prepared, Failure> {
    let mut prepared = Prepared { is_streamed: true, ..Prepared::default() };
    loop {
        let mut sinks = Sinks::new(env);
        let saved = tables.save();
        match caught(|| stream_rows(env, tables, &job, skip, &mut sinks)) {
            // A column widens once, and the second reading knows all columns:
            // this ends.
            Ok(Streamed::Again) => sinks.abandon(),
            Err(Halt::Stopped) => {
                sinks.abandon();
                tables.restore(saved);
                return Ok(Prepared::stopped(vec![job]));
            }
            Ok(Streamed::Whole(out)) if out.n_read() > 0 || env.dataset.empty == Empty::Accept => {
                let (streamed, quarantine) = sinks.finish()?;
                prepared.streamed = streamed;
                prepared.streamed_quarantine = quarantine;
                prepared.files.push((job, out));
                return Ok(prepared);
            }
            other => {
                sinks.abandon();
                tables.restore(saved);
                let read = match other {
                    Err(Halt::Failed(failure)) => Err(failure),
                    _ => Ok(FileOut::default()),
                };
                match accept_empty(env.dataset, read) {
                    Ok(out) => prepared.files.push((job, out)),
                    Err(failure) => prepared.failed.push((job, failure)),
                }
                return Ok(prepared);
            }
        }
    }
}

fn stream_rows(
    env: &Env<'_>,
    tables: &mut Tables,
    job: &Job,
    skip: &Skip<'_>,
    sinks: &mut Sinks,
) -> Result<Streamed, Halt> {
    let started = std::time::Instant::now();
    let constants = parse::constants(env.dataset, &job.groups);
    let mut reader = env.open(job)?;
    let mut gathered = Gathered::new(env);
    // The first chunk says what the columns are.
    let mut first: Vec<Parsed> = Vec::new();
    let mut contents = Inventory::default();
    if let Some(chunk) = reader.next() {
        let chunk = chunk.map_err(Failure::from)?;
        let Chunked { parts, tally } = parse::parse(env.dataset, &job.groups, chunk, &constants)?;
        contents.add(&tally);
        for part in parts {
            first.extend(gathered.take(part)?);
        }
        env.runtime.block_on(tables.see(&first, &[]))?;
    }
    let mut fold = env.fold(job, tables.view(), 1).with_contents(contents);
    let mut left_out = LeftOut::default();
    tables.dedupers().begin();
    let mut grown_since = false;
    let mut again = false;
    let n_widened = tables.n_widened();

    let (chunk_in, chunk_out) = sync_channel::<(usize, Chunk)>(env.threads * 2);
    let (work_in, work_out) = sync_channel::<(usize, Result<WorkedChunk, Failure>)>(env.threads * 2);
    // Owned by the workers alone: when they have ended, the reader sees it.
    let chunk_out = Arc::new(Mutex::new(chunk_out));
    let worker_view = tables.view();
    let out = std::thread::scope(|scope| -> Result<Option<FileOut>, Halt> {
        let errors = work_in.clone();
        scope.spawn(move || {
            for (index, chunk) in reader.enumerate() {
                match chunk {
                    Ok(c) => {
                        if chunk_in.send((index, c)).is_err() {
                            return;
                        }
                    }
                    Err(e) => {
                        let _ = errors.send((index, Err(e.into())));
                        return;
                    }
                }
            }
        });
        for _ in 0..env.threads {
            let (chunk_out, work_in, constants, worker_view) =
                (chunk_out.clone(), work_in.clone(), &constants, &worker_view);
            scope.spawn(move || {
                loop {
                    let next = chunk_out.lock().expect("a reader's panic is a bug").recv();
                    let Ok((index, chunk)) = next else { return };
                    let worked = work(env, job, chunk, constants, worker_view);
                    if work_in.send((index, worked)).is_err() {
                        return;
                    }
                }
            });
        }
        drop((work_in, chunk_out));
        // On an early return the receiver goes first: workers and reader see a
        // closed channel and end, then the scope joins them.
        let work_out = work_out;
        let mut put = |tables: &mut Tables, mut ready: Ready, sinks: &mut Sinks| -> Result<(), Halt> {
            if let Some(rows) = &mut ready.rows {
                left_out.piece(env, tables, &ready.table, rows)?;
            }
            Ok(sinks.put(env, tables, job, ready, skip)?)
        };
        for parsed in first.drain(..) {
            fold.add(parsed, None, &mut |ready| put(tables, ready, sinks))?;
        }
        let mut waiting: BTreeMap<usize, Result<WorkedChunk, Failure>> = BTreeMap::new();
        let mut next = 0;
        while let Ok((index, worked)) = work_out.recv() {
            waiting.insert(index, worked);
            while let Some(worked) = waiting.remove(&next) {
                next += 1;
                let WorkedChunk { parts, tally } = worked?;
                fold.note(&tally);
                for Worked { parsed, conformed, is_news } in parts {
                    let Some(parsed) = gathered.take(parsed)? else { continue };
                    if is_news {
                        let before = tables.columns_of(&parsed.table);
                        env.runtime.block_on(tables.see(std::slice::from_ref(&parsed), &[]))?;
                        if tables.n_widened() != n_widened {
                            return Ok(None);
                        }
                        if tables.columns_of(&parsed.table) != before {
                            grown_since = true;
                            again |=
                                fold.has_rows_of(&parsed.table) && tables.has_expectations(&parsed.table);
                            fold.set_view(tables.view());
                        }
                    }
                    if again {
                        // The rest is looked at for more columns, once for all.
                        continue;
                    }
                    // Once the table grew, what workers conformed under the first
                    // view may lack a column.
                    let conformed = if grown_since { None } else { conformed };
                    fold.add(parsed, conformed, &mut |ready| put(tables, ready, sinks))?;
                }
            }
        }
        // All batches of what was made of the whole file are looked at before any
        // is conformed: a later one may hold what the first has not.
        let made = gathered.finish(&constants, job)?;
        if !made.is_empty() {
            env.runtime.block_on(tables.see(&made, &[]))?;
            if tables.n_widened() != n_widened {
                return Ok(None);
            }
            fold.set_view(tables.view());
        }
        if again {
            return Ok(None);
        }
        for parsed in made {
            fold.add(parsed, None, &mut |ready| put(tables, ready, sinks))?;
        }
        fold.rest(&mut |ready| put(tables, ready, sinks))?;
        let mut out = fold.finish()?;
        left_out.end(tables, &mut out);
        Ok(Some(out))
    });
    let Some(mut out) = out? else { return Ok(Streamed::Again) };
    out.duration_ms = started.elapsed().as_millis() as u64;
    Ok(Streamed::Whole(out))
}

fn work(
    env: &Env<'_>,
    job: &Job,
    chunk: Chunk,
    constants: &[(String, String)],
    view: &View,
) -> Result<WorkedChunk, Failure> {
    let Chunked { parts, tally } = parse::parse(env.dataset, &job.groups, chunk, constants)?;
    let work = |parsed: Parsed| {
        let known = view.tables.get(&parsed.table);
        let is_news = view.is_news(env.dataset, &parsed);
        let conformed = match known {
            // A failure is found again in order, where the row's number is known.
            Some(t) if !is_news => conform_rows(&t.plan, &parsed, 1).ok(),
            _ => None,
        };
        Worked { parsed, conformed, is_news }
    };
    Ok(WorkedChunk { parts: parts.into_iter().map(work).collect(), tally })
}

/// Rows of a large file that come together before their columns are looked at,
/// within the memory that one batch may take.
struct Gathered<'a> {
    env: &'a Env<'a>,
    gather: Gather<'a>,
    size_bytes: usize,
}

impl<'a> Gathered<'a> {
    fn new(env: &'a Env<'a>) -> Self {
        Self { env, gather: Gather::new(env.dataset), size_bytes: 0 }
    }

    /// Keeps rows of tables that are gathered, and hands on others.
    fn take(&mut self, parsed: Parsed) -> Result<Option<Parsed>, Halt> {
        if !self.gather.takes(&parsed.table) {
            return Ok(Some(parsed));
        }
        hold(&mut self.size_bytes, parsed.rows.size_bytes(), self.env)?;
        self.gather.push(parsed);
        Ok(None)
    }

    fn finish(self, constants: &[(String, String)], job: &Job) -> Result<Vec<Parsed>, Halt> {
        let mut size_bytes = self.size_bytes;
        self.gather.finish(constants, &self.env.call(job), &mut |size| hold(&mut size_bytes, size, self.env))
    }
}

fn hold(held: &mut usize, size: usize, env: &Env<'_>) -> Result<(), Halt> {
    *held += size;
    if *held <= env.held_bytes {
        return Ok(());
    }
    Err(Halt::Failed(Failure::new(
        Code::TooLargeToHold,
        format!(
            "`merge` and `hook` take all of a file's rows at once, and its rows with what is made of them take more \
             than {} MiB of memory",
            env.held_bytes >> 20
        ),
    )))
}
