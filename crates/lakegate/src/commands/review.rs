//! `review`: what files hold and what is wrong with them, and the census of their
//! parameters. Nothing is written.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use futures::TryStreamExt;
use lakegate_domain::config::LAKE_FILE;
use lakegate_domain::model::Lake;
use lakegate_domain::review::{Contents, Severity};
use lakegate_domain::{DatasetName, Failure, FileId};
use lakegate_format::open::Source;
use lakegate_lake::output::{self, OutputFormat, TableOptions};
use lakegate_lake::session::Session;
use lakegate_land::RawStore;
use lakegate_state::{FileRow, ReviewFilter, Reviewed, Store};

use super::given::{Found, Given, To, find};
use super::sql::{Out, format_of};
use super::{Result, Shell, Stop, known_dataset};
use crate::cli::{Exit, Review};
use crate::context::{ledger, ledger_path, ledger_to_read};
use crate::ingest::prepare::{each, place, source};
use crate::intake::zone_key;
use crate::render::{self, Progress};
use crate::review::{Reader, Reviews, Wanted, no_lake};

/// Rows that a table on a terminal shows.
const MAX_ROWS: usize = 1000;

pub fn review(shell: &Shell, args: &Review) -> Result<Exit> {
    let format = format_of(shell, args.format, args.output.as_deref())?;
    let scratch = tempfile::tempdir()?;
    let root = shell.root()?;
    let Asked { datasets, paths } = Asked::of(shell, &root, &args.targets)?;
    let lake = match root.join(LAKE_FILE).exists() || paths.is_empty() {
        true => shell.lake_to_read()?,
        // Somebody else's files can be looked at without a lake.
        false => no_lake(&root)?,
    };
    let at_once = args.at_once.unwrap_or_else(|| std::thread::available_parallelism().map_or(2, usize::from));
    let memory = (lake.memory_bytes / 2) as usize / at_once;
    let (runtime, stop) = (shell.runtime.clone(), shell.stop.as_ref());
    let reader = Reader::new(runtime, &lake.root, &lake.storage, scratch.path(), memory, stop)?;
    let desk = Desk { shell, lake: &lake, reader, at_once };

    let reviews = match paths.is_empty() {
        true => desk.landed(&datasets)?,
        false => desk.given(find(&lake, &paths)?)?,
    };
    let Some(reviews) = reviews else { return Ok(Exit::Interrupted) };
    let summary = Summary::of(shell, &reviews)?;
    let session =
        Session::new(scratch.path().join("none"), lake.memory_bytes, scratch.path(), Arc::new(reviews))?;
    match write(shell, &session, args, format) {
        // Whoever read it has seen enough; what was found is found.
        Ok(()) | Err(Stop::Closed) => {}
        Err(stop) => return Err(stop),
    }
    if format == OutputFormat::Table && args.output.is_none() {
        summary.say(shell)?;
    }
    Ok(if summary.n_wrong() > 0 { Exit::Findings } else { Exit::Done })
}

/// What is asked for: datasets, by name, or paths.
struct Asked {
    datasets: Vec<DatasetName>,
    paths: Vec<PathBuf>,
}

impl Asked {
    fn of(shell: &Shell, root: &Path, targets: &[String]) -> Result<Self> {
        let mut asked = Self { datasets: Vec::new(), paths: Vec::new() };
        for target in targets {
            let name = target.parse::<DatasetName>().ok().filter(|_| !target.contains(['/', '\\']));
            match name {
                Some(name) if !Path::new(target).exists() && root.join(LAKE_FILE).exists() => {
                    known_dataset(&shell.lake_to_read()?, &name)?;
                    asked.datasets.push(name);
                }
                _ => asked.paths.push(target.into()),
            }
        }
        if !asked.datasets.is_empty() && !asked.paths.is_empty() {
            return Err(Stop::Usage(
                "datasets and paths are reviewed apart: one is what has landed, the other what has not"
                    .into(),
            ));
        }
        Ok(asked)
    }
}

/// What looking at files needs.
struct Desk<'a> {
    shell: &'a Shell,
    lake: &'a Lake,
    reader: Reader<'a>,
    /// Files that are read at the same time; the others wait for their turn.
    at_once: usize,
}

impl Desk<'_> {
    /// Does `work` for each item, some at the same time. `None`: a person asked to
    /// stop.
    fn each<T: Sync, R: Send>(
        &self,
        items: &[T],
        name: impl Fn(&T) -> String + Sync,
        work: impl Fn(&T) -> Option<R> + Sync,
    ) -> Option<Vec<R>> {
        let global = &self.shell.global;
        let progress = Mutex::new((0, Progress::new("review", global.quiet || global.json)));
        let done = each(self.at_once, items, |item| {
            let done = work(item);
            if let Ok(mut progress) = progress.lock() {
                progress.0 += 1;
                progress.1.message(format!("{} of {}: {}", progress.0, items.len(), name(item)));
            }
            done
        });
        if let Ok((_, progress)) = progress.into_inner() {
            progress.finish();
        }
        done.into_iter().collect()
    }

    /// Files that were named.
    fn given(&self, found: Found) -> Result<Option<Reviews>> {
        let mut files: Vec<Reviewed> = Vec::new();
        for problem in found.problems {
            files.push(Reviewed {
                path: problem.path.display().to_string(),
                state: "stray".into(),
                stray: Some(("unreadable".into(), problem.message)),
                ..Reviewed::default()
            });
        }
        let read = self.each(&found.files, |g| g.shown.clone(), |given| self.one(given));
        let Some(read) = read else { return Ok(None) };
        files.extend(read.into_iter().flatten());
        Ok(Some(Reviews { files: Arc::new(files), ..Reviews::default() }))
    }

    /// `None`: a person asked to stop; nothing inside: it is junk.
    fn one(&self, given: &Given) -> Option<Option<Reviewed>> {
        let (dataset, groups, stray) = match &given.to {
            To::Junk => return Some(None),
            To::Dataset(dataset, groups) => (Some(dataset), groups.as_slice(), None),
            // Where there are no datasets, none can be expected to take it.
            To::Nowhere(..) if self.lake.datasets.is_empty() => (None, [].as_slice(), None),
            To::Nowhere(reason, why) => (None, [].as_slice(), Some((reason.name().to_string(), why.clone()))),
        };
        let seen = &given.seen;
        let mut found = self.reader.look(
            dataset,
            &Wanted {
                path: &seen.path,
                size_bytes: seen.size_bytes,
                mtime_ns: seen.mtime_ns,
                source: Source::File(seen.os_path.clone()),
                groups,
            },
        )?;
        found.path.clone_from(&given.shown);
        if stray.is_some() {
            found.state = "stray".into();
            found.stray = stray;
        }
        Some(Some(found))
    }

    /// What has landed, as the ledger knows it. Of files of which it does not know
    /// what they hold the raw bytes are read again.
    fn landed(&self, datasets: &[DatasetName]) -> Result<Option<Reviews>> {
        let path = ledger_path(&self.lake.storage);
        if !path.exists() {
            self.shell.say("nothing has landed yet; `lakegate run` loads files, and `lakegate review PATH` looks at some")?;
            return Ok(Some(Reviews::default()));
        }
        let store = self.shell.runtime.block_on(ledger_to_read(&self.lake.storage))?;
        let of = |name: &DatasetName| ReviewFilter {
            dataset: Some(name.clone()),
            landing: self.lake.dataset(name).map(|d| zone_key(self.lake, &d.landing)),
        };
        let filters = match datasets {
            [] => vec![ReviewFilter::default()],
            datasets => datasets.iter().map(of).collect(),
        };
        let reviews = Reviews { store: Some(store.clone()), filters, ..Reviews::default() };
        let lacking = self.shell.runtime.block_on(async {
            reviews
                .pages()
                .try_fold(Vec::new(), async |mut lacking, files| {
                    lacking.extend(files.into_iter().filter(lacks).filter_map(|f| f.file_id));
                    Ok(lacking)
                })
                .await
        });
        let lacking = lacking.map_err(ledger)?;
        let raw = RawStore::open_to_read(self.lake.storage.join("raw"));
        let looked_up =
            self.each(&lacking, ToString::to_string, |id| self.again(&store, &raw, *id).transpose_stop());
        let Some(looked_up) = looked_up else { return Ok(None) };
        let mut contents: HashMap<FileId, Contents> = HashMap::new();
        for found in looked_up {
            match found {
                Ok(Some((id, found))) => {
                    contents.insert(id, found);
                }
                Ok(None) => {}
                Err(failure) => render::warn(failure.to_string()),
            }
        }
        Ok(Some(Reviews { looked_up: Arc::new(contents), ..reviews }))
    }

    /// Reads a landed file's raw bytes once more.
    fn again(&self, store: &Store, raw: &RawStore, id: FileId) -> Again {
        match self.try_again(store, raw, id) {
            Ok(found) => found,
            Err(failure) => Again::Fails(failure),
        }
    }

    fn try_again(&self, store: &Store, raw: &RawStore, id: FileId) -> Result<Again, Failure> {
        let row = self.shell.runtime.block_on(store.file(id)).map_err(ledger)?;
        let Some(FileRow { dataset, path, size_bytes, mtime_ns, fingerprint, raw: at, groups, .. }) = row
        else {
            return Ok(Again::Gone);
        };
        let Some(dataset) = self.lake.dataset(&dataset) else { return Ok(Again::Gone) };
        let failed = |f: Failure| Failure::new(f.code, format!("{path} ({id}): {}", f.message));
        let bytes = raw.open_verified(&place(&at)?, &fingerprint).map_err(failed)?;
        let source = source(bytes, size_bytes);
        let wanted = Wanted { path: &path, size_bytes, mtime_ns, source, groups: &groups };
        Ok(match self.reader.look(Some(dataset), &wanted) {
            None => Again::Stopped,
            Some(found) => found.contents.map_or(Again::Gone, |contents| Again::Found(id, contents)),
        })
    }
}

/// What came of reading a landed file once more.
enum Again {
    Found(FileId, Contents),
    /// Nothing can be looked at any more.
    Gone,
    Stopped,
    Fails(Failure),
}

impl Again {
    fn transpose_stop(self) -> Option<Result<Option<(FileId, Contents)>, Failure>> {
        match self {
            Again::Stopped => None,
            Again::Found(id, contents) => Some(Ok(Some((id, contents)))),
            Again::Gone => Some(Ok(None)),
            Again::Fails(failure) => Some(Err(failure)),
        }
    }
}

/// Whether the ledger does not know what a file holds that could be looked at: one
/// from before it kept that, or one that was parked when the process was killed.
fn lacks(file: &Reviewed) -> bool {
    file.contents.is_none() && !file.raw_gone && matches!(file.state.as_str(), "committed" | "parked")
}

fn write(shell: &Shell, session: &Session, args: &Review, format: OutputFormat) -> Result<()> {
    // A terminal has room for some; files have all.
    let of_terminal = format == OutputFormat::Table;
    let (table, few, order) = match (args.problems, args.columns, args.census) {
        (true, ..) => ("problems", "path, severity, code, rule, member, line, n, message", "path"),
        (_, true, _) => (
            "file_columns",
            "path, kind, parameter, unit, is_known, n_rows, n_values, min, max, mean",
            "path",
        ),
        (_, _, true) => (
            "census",
            "dataset, kind, parameter, unit, is_known, n_files, n_rows, n_values",
            "dataset, kind, parameter, unit",
        ),
        _ => (
            "review",
            "path, dataset, state, kind, n_documents as documents, n_rows as \"rows\", n_parameters as parameters, \
             n_values as \"values\", n_errors as errors, n_warnings as warnings, n_notes as notes",
            "path",
        ),
    };
    let columns = if of_terminal { few } else { "*" };
    let statement = format!("select {columns} from system.{table} order by {order}");
    let options = TableOptions { max_rows: MAX_ROWS, width: shell.width, color: shell.color };
    let mut out = Out::open(args.output.as_deref())?;
    shell.runtime.block_on(async {
        let (_, stream) = session.query(&statement).await?;
        output::write(stream, format, &mut out.writer, options).await
    })?;
    out.finish()
}

/// What the files come to.
#[derive(Default)]
struct Summary {
    n_files: u64,
    kinds: BTreeMap<String, u64>,
    n_by_severity: BTreeMap<Severity, u64>,
    n_not_known: u64,
}

impl Summary {
    fn of(shell: &Shell, reviews: &Reviews) -> Result<Self> {
        let counted = shell.runtime.block_on(async {
            reviews
                .pages()
                .try_fold(Summary::default(), async |mut sum, files| {
                    files.iter().for_each(|f| sum.add(f));
                    Ok(sum)
                })
                .await
        });
        counted.map_err(|e| Stop::Failed(ledger(e)))
    }

    fn add(&mut self, file: &Reviewed) {
        self.n_files += 1;
        match file.contents.as_ref().and_then(Contents::kind) {
            Some(kind) => *self.kinds.entry(kind).or_default() += 1,
            None => self.n_not_known += 1,
        }
        for problem in file.problems() {
            *self.n_by_severity.entry(problem.severity).or_default() += problem.n;
        }
    }

    fn n(&self, severity: Severity) -> u64 {
        self.n_by_severity.get(&severity).copied().unwrap_or(0)
    }

    /// Problems that somebody should look at.
    fn n_wrong(&self) -> u64 {
        self.n(Severity::Error) + self.n(Severity::Warning)
    }

    fn say(&self, shell: &Shell) -> Result<()> {
        let mut kinds: Vec<String> =
            self.kinds.iter().map(|(kind, n)| format!("{} {kind}", render::count(*n))).collect();
        if self.n_not_known > 0 {
            kinds.push(format!("{} not looked at", render::count(self.n_not_known)));
        }
        shell.say(format!("{}: {}", render::counted(self.n_files, "file"), kinds.join(", ")))?;
        shell.say(format!(
            "{}, {}, {}; `--problems` lists them, `--census` counts parameters",
            render::counted(self.n(Severity::Error), "error"),
            render::counted(self.n(Severity::Warning), "warning"),
            render::counted(self.n(Severity::Note), "note"),
        ))
    }
}
