//! Adding feeds: an endpoint is asked once, and what it answers is run through
//! the path that a landed file goes, as far as the rows. What is proposed of it
//! is decided in `lakegate_domain::draft`; what is written has passed the
//! compiler of `check`.

use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::DataType;
use lakegate_domain::config::{self, Diagnostics, SourceText, Texts};
use lakegate_domain::draft::{
    self, Draft, Hidden, Proposal, Read, Refusal, Sampled, SampledColumn, Shape, Shown, Variable, Wanted,
};
use lakegate_domain::model::{Dataset, Format, Lake, PartitionBy, Table};
use lakegate_domain::route;
use lakegate_domain::{Code, DatasetName, Failure, FileId};
use lakegate_format::open::{Identified, Source, identify, open};
use lakegate_lake::layout;
use lakegate_lake::output;
use lakegate_lake::transform::Limits;
use lakegate_land::feed::{Looked, SystemClock, look};
use tokio::runtime::Handle;

use crate::context::now;
use crate::ingest::fold::{FileFacts, FileFold, Halt, Ready};
use crate::ingest::parse::{constants, parse};
use crate::ingest::tables::Tables;

/// Rows that are shown of each table.
const SHOWN_ROWS: usize = 10;
/// Characters that are shown of a value.
const SHOWN_CHARS: usize = 80;
/// Bytes of an answer that are looked at, as they are in memory.
const LOOK_BYTES: usize = 16 << 20;
/// Shortest that a feed is polled by its own word, seconds.
const LEAST_TTL_S: u64 = 10;
/// Team of a lake that names none.
const DEFAULT_TEAM: &str = "transit";

/// Looks at an endpoint and proposes a dataset file. To be called from a thread
/// that may block.
///
/// # Errors
/// It is no feed, cannot be had, or what is asked for makes no sense here.
pub fn propose(root: &Path, runtime: &Handle, wanted: &Wanted) -> Result<Proposal, Refusal> {
    let (texts, lake) = current(root)?;
    if wanted.url.trim().is_empty() {
        return Err(Refusal::usage(
            "there is no address",
            "give one, as in https://feeds.example.org/vehicles.pb",
        ));
    }
    let team = team(&lake, wanted.team.as_deref())?;
    let name = name(&texts, &lake, wanted)?;
    let dataset = DatasetName::new(&team, &name);
    let hidden = Hidden::of(&name, wanted.url.trim(), &wanted.headers);
    let mut draft = Draft::begin(wanted, name, team, &hidden);
    let begun = compiled(&texts, &draft, &dataset)?;
    let Some(feed) = &begun.feed else { return Err(bug("the dataset has no feed")) };

    let scratch = tempfile::tempdir().map_err(|e| Refusal::failed(e.to_string(), Code::Storage.hint()))?;
    let known = values(&hidden.variables);
    let env = Arc::new(move |name: &str| known.get(name).cloned().or_else(|| std::env::var(name).ok()));
    let clock = Arc::new(SystemClock);
    let looked = runtime
        .block_on(look(feed, lake.feeds.clone(), &lake.root, scratch.path(), clock, env))
        .map_err(|unseen| Refusal::failed(unseen.message, unseen_help(unseen.status)))?;

    let bytes = looked.bytes.clone();
    let Identified { format, ttl_s } =
        identify(bytes.into(), &looked.name, wanted.records.as_deref(), scratch.path()).map_err(no_feed)?;
    draft.read = Some(read_of(&format));
    if let (None, Some(ttl_s)) = (&wanted.every, ttl_s) {
        draft.every = format!("{}s", ttl_s.max(LEAST_TTL_S));
    }
    let look = |draft: &Draft| -> Result<Preview, Refusal> {
        let compiled = compiled(&texts, draft, &dataset)?;
        Preview::of(&compiled, &looked, lake.memory_bytes, runtime, scratch.path()).map_err(unreadable)
    };
    let first = look(&draft)?;
    if first.sampled.iter().all(|s| s.n_rows == 0) {
        return Err(Refusal::failed(
            format!("the address answers {}, but without a single row", format.name()),
            "ask when there are some, as at night few vehicles run; or write the file by hand (docs/feeds.md)",
        ));
    }
    let notes = draft.complete(&first.sampled);
    let preview = look(&draft)?;
    Ok(Proposal {
        dataset: dataset.to_string(),
        path: draft.path(),
        yaml: draft.yaml(),
        format: format.name().to_string(),
        tables: preview.shown,
        variables: hidden.variables.into_iter().map(|v| v.name).collect(),
        notes,
    })
}

/// Writes dataset files, all or none of those that the compiler refuses; one that
/// exists stays.
///
/// # Errors
/// The compiler refuses them, a file exists, or cannot be written.
pub fn write(root: &Path, files: &[(&str, &str)]) -> Result<(), Refusal> {
    let (texts, _) = current(root)?;
    let more = files.iter().map(|(path, text)| SourceText::new(*path, *text));
    texts.with(more).compile().map_err(|found| Refusal::of(&found))?;
    for (path, text) in files {
        create(&texts.root.join(path), text)?;
    }
    Ok(())
}

/// Writes a file that must not exist yet: whole, or not at all.
fn create(path: &Path, text: &str) -> Result<(), Refusal> {
    let failed = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::AlreadyExists => Refusal::usage(
            format!("{} exists, and is not overwritten", path.display()),
            "choose another name",
        ),
        _ => Refusal::failed(format!("{} cannot be written: {e}", path.display()), Code::Storage.hint()),
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed)?;
    // Hidden until it has its name: nobody takes half of it for a dataset.
    let mut builder = tempfile::Builder::new();
    builder.prefix(".lakegate-").suffix(".part");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    let mut file = builder.tempfile_in(folder).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist_noclobber(path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// The configuration as it is, which must be right.
///
/// # Errors
/// What is wrong with it.
pub fn current(root: &Path) -> Result<(Texts, Lake), Refusal> {
    let wrong = |found: &Diagnostics| {
        Refusal::usage(found.to_message(), "mend the configuration first: `lakegate check`")
    };
    let (texts, failed) = config::read(root);
    let texts = texts.filter(|_| failed.is_empty()).ok_or_else(|| wrong(&failed))?;
    let lake = texts.compile().map_err(|found| wrong(&found))?;
    Ok((texts, lake))
}

/// The team of new datasets: the one that is named, or the only one.
///
/// # Errors
/// Nothing says which.
pub fn team(lake: &Lake, named: Option<&str>) -> Result<String, Refusal> {
    match (named, lake.teams.as_slice()) {
        (Some(team), _) => Ok(team.to_string()),
        (None, []) => Ok(DEFAULT_TEAM.into()),
        (None, [only]) => Ok(only.clone()),
        (None, several) => Err(Refusal::usage(
            "nothing says which team the dataset belongs to",
            format!("give `--team`: {}", several.join(", ")),
        )),
    }
}

/// The name that is asked for, or one that nobody has.
fn name(texts: &Texts, lake: &Lake, wanted: &Wanted) -> Result<String, Refusal> {
    let is_taken = |name: &str| {
        let is_file = |ending: &str| texts.root.join(format!("datasets/{name}.{ending}")).exists();
        is_file("yaml")
            || is_file("yml")
            || lake.datasets.iter().any(|d| {
                d.name.dataset == name || d.publish.as_ref().is_some_and(|publish| publish.name == name)
            })
    };
    let Some(name) = &wanted.name else { return Ok(draft::unique(&draft::suggest(&wanted.url), is_taken)) };
    if let Err(better) = draft::check_name(name) {
        let better = better.map_or_else(String::new, |b| format!(": `{b}`"));
        return Err(Refusal::usage(
            format!("`{name}` cannot be the name of a dataset"),
            format!("names are small letters, digits and `_`, and begin with a letter{better}"),
        ));
    }
    if is_taken(name) {
        return Err(Refusal::usage(
            format!("there is a dataset or feed `{name}` already"),
            format!("choose another name, such as `{}`", draft::unique(name, is_taken)),
        ));
    }
    Ok(name.clone())
}

/// The draft's dataset, as the lake would have it.
fn compiled(texts: &Texts, draft: &Draft, name: &DatasetName) -> Result<Arc<Dataset>, Refusal> {
    let more = SourceText::new(draft.path(), draft.yaml());
    let lake = texts.with([more]).compile().map_err(|found| Refusal::of(&found))?;
    lake.dataset(name).cloned().ok_or_else(|| bug("the dataset is not in the lake"))
}

fn values(variables: &[Variable]) -> HashMap<String, String> {
    variables.iter().map(|v| (v.name.clone(), v.value.clone())).collect()
}

fn bug(what: &str) -> Refusal {
    Refusal::failed(format!("lakegate made a mistake: {what}"), "please report it")
}

fn unseen_help(status: Option<u16>) -> &'static str {
    match status {
        Some(401 | 403 | 407) => {
            "it wants to know who asks: give the key as its documentation says, in the address or with `--header 'Name: value'`"
        }
        Some(404 | 410) => "look at the address",
        Some(429) => "wait, and ask again",
        _ => "look at the address and the network, and ask again",
    }
}

fn no_feed(error: lakegate_format::Error) -> Refusal {
    let help = match error.code {
        Code::NoRecords => "ask again later, or write the file by hand (docs/feeds.md)",
        _ => "look at the address; what can be read is in docs/reading.md",
    };
    Refusal::failed(error.message, help)
}

fn unreadable(failure: Failure) -> Refusal {
    Refusal::failed(
        format!("the answer cannot be read: {}", failure.message),
        "ask again; if it is always so, write the file by hand (docs/feeds.md)",
    )
}

fn read_of(format: &Format) -> Read {
    match format {
        Format::Json(json) if !json.records.is_empty() => Read::Records("json", json.records.clone()),
        Format::Xml(xml) => Read::Records("xml", xml.records.join(".")),
        other => Read::Word(other.name()),
    }
}

/// An answer's rows by today's draft.
struct Preview {
    sampled: Vec<Sampled>,
    shown: Vec<Shown>,
}

/// One table's rows, as they come.
#[derive(Default)]
struct Seen {
    /// Columns that only say where a row is stored.
    partitions: Vec<String>,
    n_rows: u64,
    columns: Vec<SampledColumn>,
    /// Texts of the first rows, by row.
    rows: Vec<Vec<Option<String>>>,
}

impl Preview {
    /// Reads, transforms and conforms the answer as a landed file; nothing is
    /// written but to `scratch`.
    fn of(
        dataset: &Arc<Dataset>,
        looked: &Looked,
        memory_bytes: u64,
        runtime: &Handle,
        scratch: &Path,
    ) -> Result<Self, Failure> {
        let Some(groups) = route::matches(dataset, &looked.name) else {
            return Err(Failure::new(Code::Bug, "`match` does not take the answer's own name"));
        };
        let values = constants(dataset, &groups);
        let file_name = looked.name.rsplit('/').next().unwrap_or(&looked.name);
        let mut parsed = Vec::new();
        let mut bytes = 0;
        for chunk in open(Source::Bytes(looked.bytes.clone().into()), file_name, &dataset.read, scratch)? {
            let chunk = chunk?;
            for part in parse(dataset, &groups, chunk, &values)?.parts {
                bytes += part.rows.size_bytes();
                parsed.push(part);
            }
            if bytes > LOOK_BYTES {
                break;
            }
        }
        let mut tables = Tables::new(dataset.clone(), scratch.to_path_buf());
        runtime.block_on(tables.see(&parsed, &[]))?;
        let sources: HashMap<(String, String), String> = tables
            .iter_mut()
            .flat_map(|(table, state)| {
                state
                    .plan
                    .targets
                    .iter()
                    .map(|t| ((table.clone(), t.spec.name.clone()), t.spec.source().to_string()))
            })
            .collect();
        let facts = FileFacts {
            file_id: FileId(0),
            path: looked.name.clone(),
            size_bytes: looked.bytes.len() as u64,
            modified_us: now().0 * 1000,
        };
        let limits = Limits { memory_bytes: (memory_bytes / 2) as usize, spill_dir: scratch.to_path_buf() };
        let never = AtomicBool::new(false);
        let mut fold =
            FileFold::new(dataset, tables.view(), facts, now().0 * 1000, runtime.clone(), limits, &never);
        // In the order in which the dataset declares them.
        let mut seen: Vec<(String, Seen)> =
            dataset.tables.iter().map(|(name, table)| (name.clone(), Seen::of(table))).collect();
        let mut take = |ready: Ready| -> Result<(), Halt> {
            let found = seen.iter_mut().find(|(t, _)| *t == ready.table);
            let (Some(rows), Some((_, seen))) = (ready.rows, found) else { return Ok(()) };
            let source = |column: &str| {
                sources
                    .get(&(ready.table.clone(), column.to_string()))
                    .map_or(column, String::as_str)
                    .to_string()
            };
            Ok(seen.add(&rows, source)?)
        };
        for part in parsed {
            fold.add(part, None, &mut take).map_err(|halt| match halt {
                Halt::Failed(failure) => failure,
                // Nothing is transformed here.
                Halt::Stopped | Halt::TooLarge => Failure::new(Code::Bug, "a look was cut off"),
            })?;
        }
        let sampled = seen.iter().map(|(table, seen)| Sampled {
            stream: dataset.tables.get(table).and_then(|t| t.from.clone()),
            n_rows: seen.n_rows,
            columns: seen.columns.clone(),
        });
        let sampled = sampled.collect();
        let shown =
            seen.into_iter().filter(|(_, s)| s.n_rows > 0).map(|(table, seen)| seen.shown(table)).collect();
        Ok(Self { sampled, shown })
    }
}

impl Seen {
    fn of(table: &Table) -> Self {
        let made = table.partition_by.iter().filter(|p| matches!(p, PartitionBy::Time { .. }));
        Self { partitions: made.map(PartitionBy::column_name).collect(), ..Self::default() }
    }

    fn add(&mut self, rows: &RecordBatch, source: impl Fn(&str) -> String) -> Result<(), Failure> {
        self.n_rows += rows.num_rows() as u64;
        let n_new = SHOWN_ROWS.saturating_sub(self.rows.len()).min(rows.num_rows());
        let first_new = self.rows.len();
        self.rows.extend((0..n_new).map(|_| vec![None; self.columns.len()]));
        for (field, column) in rows.schema_ref().fields().iter().zip(rows.columns()) {
            if layout::is_extra(field.name()) || self.partitions.contains(field.name()) {
                continue;
            }
            let texts = output::texts(column).map_err(|e| Failure::new(Code::Bug, e.to_string()))?;
            let at = match self.columns.iter().position(|c| c.name == *field.name()) {
                Some(at) => at,
                None => {
                    self.columns.push(SampledColumn {
                        name: field.name().clone(),
                        source: source(field.name()),
                        shape: shape(field.data_type()),
                        n_values: 0,
                        first: None,
                        is_constant: true,
                    });
                    self.rows.iter_mut().for_each(|row| row.push(None));
                    self.columns.len() - 1
                }
            };
            let sampled = &mut self.columns[at];
            sampled.n_values += column.len() - column.null_count();
            for text in texts.iter().flatten() {
                let first = sampled.first.get_or_insert_with(|| text.clone());
                sampled.is_constant &= first == text;
            }
            for (row, text) in self.rows[first_new..].iter_mut().zip(texts) {
                row[at] = text.map(|t| cut(&t));
            }
        }
        Ok(())
    }

    /// The first rows, without the columns that are empty in all of them.
    fn shown(self, table: String) -> Shown {
        let filled: Vec<usize> =
            (0..self.columns.len()).filter(|at| self.rows.iter().any(|row| row[*at].is_some())).collect();
        Shown {
            table,
            n_rows: self.n_rows,
            columns: filled.iter().map(|at| self.columns[*at].name.clone()).collect(),
            rows: self.rows.iter().map(|row| filled.iter().map(|at| row[*at].clone()).collect()).collect(),
        }
    }
}

fn shape(of: &DataType) -> Shape {
    match of {
        DataType::Timestamp(..) => Shape::Time,
        t if t.is_numeric() => Shape::Number,
        DataType::Utf8 => Shape::Text,
        _ => Shape::Other,
    }
}

/// A value in one line, and not too long a one.
fn cut(text: &str) -> String {
    let text = text.replace(|c: char| c.is_control(), " ");
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
