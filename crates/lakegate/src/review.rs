//! Reviews of files: read through as `run` would read them, but into no table; and
//! what came of it, with what the ledger knows, as tables for SQL.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use lakegate_domain::config::{SourceText, Texts};
use lakegate_domain::model::{Dataset, Lake};
use lakegate_domain::review::Contents;
use lakegate_domain::{Code, DatasetName, Failure, FileId};
use lakegate_format::open::{Source, survey};
use lakegate_lake::session::{self, SystemTables};
use lakegate_lake::transform::Limits;
use lakegate_state::{Census, Cursor, REVIEW_TABLES, ReviewFilter, Reviewed, Store};
use tokio::runtime::Handle;

use crate::context::now;
use crate::ingest::contents::{Inventory, of_survey};
use crate::ingest::fold::{FileFacts, FileFold, Halt};
use crate::ingest::gather::Gather;
use crate::ingest::hook::Call;
use crate::ingest::outcome::FileOut;
use crate::ingest::parse::{Chunked, Parsed, constants, parse};
use crate::ingest::prepare::{accept_empty, caught, open_source};
use crate::ingest::tables::Tables;
use crate::system::{Ledger, batch_of};

/// The lake of somebody who has none.
const NO_LAKE: &str = "lake: review\n";
/// What takes a file that no dataset takes: by its bytes alone. The second knows
/// the streams of a format that cannot be read without them.
const BY_CONTENT: [(&str, &str); 2] =
    [("any", "team: review\n"), ("gtfs_rt", "team: review\nread: gtfs_rt\n")];

/// A lake without datasets, for files that belong to none.
///
/// # Errors
/// A mistake of this program.
pub fn no_lake(root: &Path) -> Result<Lake, Failure> {
    compile(root, [])
}

fn compile<const N: usize>(root: &Path, datasets: [(&str, &str); N]) -> Result<Lake, Failure> {
    let texts = Texts {
        root: root.to_path_buf(),
        lake: SourceText::new("lake.yaml", NO_LAKE),
        datasets: datasets.map(|(name, text)| SourceText::new(format!("datasets/{name}.yaml"), text)).into(),
    };
    texts.compile().map_err(|found| Failure::new(Code::Bug, found.to_string()))
}

/// Reads files through. Everything that it writes goes to the scratch folder.
pub struct Reader<'a> {
    pub runtime: Handle,
    /// The lake's folder, in which hooks run.
    pub root: &'a Path,
    /// Where the tables are whose columns the files are to fit.
    pub storage: &'a Path,
    pub scratch: &'a Path,
    /// For one file.
    pub memory_bytes: usize,
    pub stop: &'a AtomicBool,
    by_content: Lake,
}

/// A file to be read through.
pub struct Wanted<'a> {
    pub path: &'a str,
    pub size_bytes: u64,
    pub mtime_ns: i64,
    pub source: Source,
    pub groups: &'a [(String, String)],
}

impl<'a> Reader<'a> {
    /// # Errors
    /// A mistake of this program.
    pub fn new(
        runtime: Handle,
        root: &'a Path,
        storage: &'a Path,
        scratch: &'a Path,
        memory_bytes: usize,
        stop: &'a AtomicBool,
    ) -> Result<Self, Failure> {
        let by_content = compile(scratch, BY_CONTENT)?;
        Ok(Self { runtime, root, storage, scratch, memory_bytes, stop, by_content })
    }

    /// Reads a file by its dataset, or by its bytes alone. `None`: a person asked
    /// to stop before it was read.
    pub fn look(&self, dataset: Option<&Arc<Dataset>>, file: &Wanted<'_>) -> Option<Reviewed> {
        let mut found = Reviewed {
            dataset: dataset.map(|d| d.name.to_string()),
            path: file.path.to_string(),
            state: "read".into(),
            size_bytes: file.size_bytes,
            ..Reviewed::default()
        };
        let (reads, storage) = match dataset {
            Some(dataset) => (dataset.clone(), self.storage),
            None => (self.by_content(file)?, self.scratch),
        };
        let read = match caught(|| self.read(&reads, storage, file)) {
            Err(Halt::Stopped) => return None,
            Err(Halt::Failed(failure)) => Err(failure),
            // Nothing is held here.
            Err(Halt::TooLarge) => Ok(FileOut::default()),
            Ok(out) => Ok(out),
        };
        match accept_empty(&reads, read) {
            Ok(out) => {
                let key = |t: &str| match dataset {
                    Some(dataset) => dataset.name.table(t).to_string(),
                    None => t.to_string(),
                };
                found.column_stats = serde_json::from_str(&out.stats_json(key)).unwrap_or_default();
                found.expectations = crate::ingest::expectations(&reads, &out);
                found.contents = Some(out.contents);
            }
            Err(failure) => {
                let name = file.path.rsplit('/').next().unwrap_or(file.path);
                let documents = survey(file.source.clone(), name, &reads.read, self.scratch);
                found.contents = Some(of_survey(&documents, &failure));
                found.state = "failed".into();
                found.failure = Some((failure.code.id().into(), failure.message));
            }
        }
        Some(found)
    }

    /// What reads a file that no dataset takes.
    fn by_content(&self, file: &Wanted<'_>) -> Option<Arc<Dataset>> {
        let dataset = |(name, _): (&str, &str)| self.by_content.dataset(&DatasetName::new("review", name));
        let any = dataset(BY_CONTENT[0])?;
        let name = file.path.rsplit('/').next().unwrap_or(file.path);
        let documents = survey(file.source.clone(), name, &any.read, self.scratch);
        let has_streams = documents.iter().any(|d| d.kind == Some(BY_CONTENT[1].0));
        (if has_streams { dataset(BY_CONTENT[1]) } else { Some(any) }).cloned()
    }

    fn read(&self, dataset: &Arc<Dataset>, storage: &Path, file: &Wanted<'_>) -> Result<FileOut, Halt> {
        let values = constants(dataset, file.groups);
        let facts = FileFacts {
            file_id: FileId(0),
            path: file.path.to_string(),
            size_bytes: file.size_bytes,
            modified_us: file.mtime_ns / 1000,
        };
        let mut tables = Tables::new(dataset.clone(), storage.to_path_buf());
        // A column that is found late, or becomes wider, begins a second reading,
        // which knows it.
        loop {
            let limits = Limits { memory_bytes: self.memory_bytes, spill_dir: self.scratch.to_path_buf() };
            let (runtime, at_us) = (self.runtime.clone(), now().0 * 1000);
            let mut fold =
                FileFold::new(dataset, tables.view(), facts.clone(), at_us, runtime, limits, self.stop);
            fold = fold.with_hooks(self.root, file.groups);
            let n_widened = tables.n_widened();
            let mut again = false;
            let mut add = |part: Parsed, tables: &mut Tables| -> Result<(), Halt> {
                if tables.view().is_news(dataset, &part) {
                    let before = tables.columns_of(&part.table);
                    self.runtime.block_on(tables.see(std::slice::from_ref(&part), &[]))?;
                    let grown = tables.columns_of(&part.table) != before;
                    again |= grown && fold.has_rows_of(&part.table);
                    again |= tables.n_widened() != n_widened;
                    fold.set_view(tables.view());
                }
                if again { Ok(()) } else { fold.add(part, None, &mut |_| Ok(())) }
            };
            let mut gather = Gather::new(dataset);
            let mut contents = Inventory::default();
            let source = file.source.clone();
            for chunk in open_source(dataset, source, file.path, file.size_bytes, self.scratch)? {
                if self.stop.load(Ordering::Relaxed) {
                    return Err(Halt::Stopped);
                }
                let chunk = chunk.map_err(Failure::from)?;
                let Chunked { parts, tally } = parse(dataset, file.groups, chunk, &values)?;
                contents.add(&tally);
                for part in parts {
                    match gather.takes(&part.table) {
                        true => gather.push(part),
                        false => add(part, &mut tables)?,
                    }
                }
            }
            let call = Call {
                root: self.root,
                dataset: &dataset.name,
                table: "",
                file: file.path,
                groups: file.groups,
                stop: self.stop,
            };
            for part in gather.finish(&values, &call, &mut |_| Ok(()))? {
                add(part, &mut tables)?;
            }
            if !again {
                fold.rest(&mut |_| Ok(()))?;
                return Ok(fold.with_contents(contents).finish()?);
            }
        }
    }
}

/// Reviews as tables for SQL: those of the ledger, with the contents that were
/// looked up for files of which it has none, and those of files that never landed.
#[derive(Clone, Default)]
pub struct Reviews {
    /// `None` where there is no ledger, or nothing of it is asked for.
    pub store: Option<Store>,
    /// Which of the ledger's files, one after the other.
    pub filters: Vec<ReviewFilter>,
    pub looked_up: Arc<HashMap<FileId, Contents>>,
    pub files: Arc<Vec<Reviewed>>,
}

/// Where the next page begins: of which filter, after which key.
type At = (usize, Cursor);

impl Reviews {
    /// All files, some at a time.
    pub fn pages(&self) -> BoxStream<'static, lakegate_state::Result<Vec<Reviewed>>> {
        let own = stream::iter([Ok(self.files.as_ref().clone())]);
        let reviews = self.clone();
        let ledger = stream::try_unfold((0, Cursor::default()), move |at: At| {
            let reviews = reviews.clone();
            async move { reviews.page(at).await }
        });
        own.chain(ledger).boxed()
    }

    async fn page(&self, (n, after): At) -> lakegate_state::Result<Option<(Vec<Reviewed>, At)>> {
        let (Some(store), Some(filter)) = (&self.store, self.filters.get(n)) else { return Ok(None) };
        let mut page = store.reviewed(filter, after).await?;
        for file in &mut page.files {
            if let Some(contents) = file.file_id.and_then(|id| self.looked_up.get(&id)) {
                file.contents = Some(contents.clone());
            }
        }
        let next = page.next.map_or((n + 1, Cursor::default()), |after| (n, after));
        Ok(Some((page.files, next)))
    }
}

impl SystemTables for Reviews {
    fn names(&self) -> Vec<(String, String)> {
        let all = Ledger(None).names().into_iter();
        all.filter(|(name, _)| REVIEW_TABLES.contains(&name.as_str())).collect()
    }

    fn schema(&self, name: &str) -> Result<SchemaRef, String> {
        Ledger(None).schema(name)
    }

    /// All files: those that are not asked for are not among them.
    fn scan(&self, name: &str, _: &[session::Wanted]) -> BoxStream<'static, Result<RecordBatch, String>> {
        let name = name.to_string();
        let pages = self.pages().map_err(|e| e.to_string());
        if name == "census" {
            let census = pages.try_fold(Census::default(), async |mut census, files| {
                files.iter().for_each(|f| census.add(f));
                Ok(census)
            });
            return stream::once(async move { batch_of(&name, &census.await?.rows()) }).boxed();
        }
        pages
            .and_then(move |files| {
                let rows: Vec<_> = files.iter().flat_map(|f| f.rows(&name)).collect();
                std::future::ready(batch_of(&name, &rows))
            })
            .boxed()
    }
}
