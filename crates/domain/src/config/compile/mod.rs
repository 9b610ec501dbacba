//! Declarations to a compiled lake: defaults filled in, names resolved, and
//! what files say of each other checked.

mod columns;
mod dataset;
mod expect;
mod export;
mod feed;
mod publish;
mod quality;
mod read;
mod stages;
mod tables;
mod watch;

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use self::dataset::Draft;
use super::decode::{At, Decode, Reporter, Slot, nearest};
use super::diagnostic::{Diagnostic, Diagnostics, SourceText, Span};
use super::raw::{BatchKeys, LakeFile, UpkeepKeys};
use super::scalars::{Folder, Lapse, Size};
use super::secret::{self, Secret};
use super::yaml;
use crate::model::{BatchLimits, Lake, Upkeep};

/// Team whose tables are the lake's own.
const SYSTEM_TEAM: &str = "system";
/// Less than this and no reader has room for its own buffers.
const LEAST_MEMORY: u64 = 16 << 20;
const DEFAULT_MEMORY: u64 = 256 << 20;
const LEAST_VACUUM_AGE: Duration = Duration::from_secs(600);

/// What the lake says to all its datasets.
struct Surroundings<'a> {
    root: &'a Path,
    storage: PathBuf,
    timezone: String,
    /// `None` where any team may have datasets, or where the list is wrong.
    teams: Option<Vec<String>>,
    env: &'a dyn Fn(&str) -> Option<String>,
}

/// Compiles the text of a lake.
///
/// `root` is the absolute folder that relative folders are below; `lake` and
/// `datasets` carry their paths relative to it, `env` gives the environment's
/// variables. The datasets of the result are ordered by name.
///
/// # Errors
///
/// Everything that is wrong in any of the files, by file and place.
pub fn compile(
    root: &Path,
    lake: &SourceText,
    datasets: &[SourceText],
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Lake, Diagnostics> {
    let root = normal(root);
    let mut sources = vec![Arc::new(lake.clone())];
    let mut found = Diagnostics::default();

    let (mut compiled, teams) = {
        let mut report = Reporter::new(&sources[0]);
        let file = declaration::<LakeFile>(&sources[0], &mut report);
        let compiled = lake_file(&root, file.as_ref(), env, &mut report);
        found.extend(report.finish());
        compiled
    };
    let around = Surroundings {
        root: &root,
        storage: compiled.storage.clone(),
        timezone: compiled.timezone.clone(),
        teams,
        env,
    };

    let mut drafts = Vec::new();
    for text in datasets {
        let source = Arc::new(text.clone());
        let mut report = Reporter::new(&source);
        let draft = dataset::compile(&source, &around, &mut report);
        found.extend(report.finish());
        sources.push(source.clone());
        drafts.extend(draft);
    }
    found.extend(same_names(&drafts));
    found.extend(same_landings(&drafts));
    found.extend(same_feeds(&drafts));
    if !found.is_empty() {
        found.sort(&sources);
        return Err(found);
    }

    compiled.datasets = drafts.into_iter().map(|draft| Arc::new(draft.dataset)).collect();
    compiled.datasets.sort_by(|a, b| a.name.cmp(&b.name));
    feed::agree(&mut compiled.feeds, compiled.datasets.iter().filter_map(|d| d.feed.as_ref()));
    if around.teams.is_none() {
        compiled.teams = compiled.datasets.iter().map(|d| d.name.team.clone()).collect();
        compiled.teams.dedup();
    }
    Ok(compiled)
}

/// The declaration that a file's text makes.
fn declaration<T: Decode>(source: &SourceText, report: &mut Reporter) -> Option<T> {
    let tree = yaml::parse(&source.text, report)?;
    T::decode(&tree, report)
}

/// The lake without its datasets; the teams, where they are to be checked.
///
/// A file with errors gives a lake with defaults, so that the datasets can be
/// checked as far as possible.
fn lake_file(
    root: &Path,
    file: Option<&LakeFile>,
    env: &dyn Fn(&str) -> Option<String>,
    report: &mut Reporter,
) -> (Lake, Option<Vec<String>>) {
    let empty = LakeFile::default();
    let keys = file.unwrap_or(&empty);
    if let Some(teams) = keys.teams.get() {
        for (n, team) in teams.items.iter().enumerate() {
            refuse_system(&team.value.0, team.span, report);
            if teams.items[..n].iter().any(|t| t.value == team.value) {
                report.error(team.span, format!("team `{}` is named twice", team.value.0), "name it once");
            }
        }
    }
    let teams: Option<Vec<String>> = keys
        .teams
        .get()
        .filter(|teams| teams.is_complete())
        .map(|teams| teams.items.iter().map(|t| t.value.0.clone()).collect());
    if let Some(name) = keys.lake.at()
        && name.value.trim().is_empty()
    {
        report.error(name.span, "a lake without a name", "give it one; people see it");
    }
    if let Some(memory) = keys.memory.at()
        && memory.value.0 < LEAST_MEMORY
    {
        report.error(memory.span, "this is too little memory to read a file", "give `16MiB` or more");
    }
    let lake = Lake {
        name: keys.lake.get().cloned().unwrap_or_default(),
        root: root.to_path_buf(),
        storage: folder(&keys.storage, root, env, report).unwrap_or_else(|| root.join("lake")),
        timezone: keys.timezone.or("UTC".to_string()),
        teams: teams.clone().unwrap_or_default(),
        memory_bytes: keys.memory.or(DEFAULT_MEMORY),
        batch: batch(keys.batch.get(), report),
        upkeep: upkeep(keys.upkeep.get(), report),
        feeds: feed::lake(keys.feeds.get(), report),
        webhook: watch::notify(keys.notify.get(), report),
        datasets: Vec::new(),
    };
    (lake, teams)
}

fn batch(keys: Option<&BatchKeys>, report: &mut Reporter) -> BatchLimits {
    let default = BatchLimits::default();
    let Some(keys) = keys else { return default };
    BatchLimits {
        max_files: bounded(&keys.files, 1, u32::MAX.into(), default.max_files.into(), report) as u32,
        max_bytes: some_bytes(&keys.size, default.max_bytes, report),
    }
}

fn upkeep(keys: Option<&UpkeepKeys>, report: &mut Reporter) -> Upkeep {
    let default = Upkeep::default();
    let Some(keys) = keys else { return default };
    let most = u32::MAX.into();
    Upkeep {
        target_file_bytes: some_bytes(&keys.target_file_size, default.target_file_bytes, report),
        compact_at_files: bounded(&keys.compact_at_files, 2, most, default.compact_at_files as u64, report)
            as usize,
        vacuum_after: vacuum_after(&keys.vacuum_after, default.vacuum_after, report),
        checkpoint_every: bounded(&keys.checkpoint_every, 1, most, default.checkpoint_every, report),
        keep_raw: keys.keep_raw.get().map_or(default.keep_raw, |k| k.0),
        keep_runs: keys.keep_runs.get().map_or(default.keep_runs, |k| k.0),
        keep_polls: keys.keep_polls.or(default.keep_polls),
    }
}

/// A data file younger than this may belong to a commit that is being made, or
/// to a query that still reads it.
fn vacuum_after(slot: &Slot<Lapse>, default: Duration, report: &mut Reporter) -> Duration {
    if let Some(at) = slot.at()
        && at.value.0 < LEAST_VACUUM_AGE
    {
        let message = "data files this young may be in use";
        report.error(at.span, message, "write `10min` or more");
    }
    slot.or(default)
}

/// A number that must lie between two others, both inclusive.
fn bounded(slot: &Slot<u64>, least: u64, most: u64, default: u64, report: &mut Reporter) -> u64 {
    match slot.at() {
        None => default,
        Some(at) if (least..=most).contains(&at.value) => at.value,
        Some(at) => {
            let (message, help) = if at.value < least {
                (format!("{} is too little", at.value), format!("write {least} or more"))
            } else {
                (format!("{} is too much", at.value), format!("write {most} or less"))
            };
            report.error(at.span, message, help);
            default
        }
    }
}

/// A size that must not be nothing.
fn some_bytes(slot: &Slot<Size>, default: u64, report: &mut Reporter) -> u64 {
    if let Some(at) = slot.at()
        && at.value.0 == 0
    {
        report.error(at.span, "a size of nothing", "write a size such as `64MiB`");
    }
    slot.or(default)
}

fn refuse_system(team: &str, span: Span, report: &mut Reporter) {
    if team == SYSTEM_TEAM {
        report.error(span, "the team `system` is the lake's own", "choose another name");
    }
}

/// An absolute folder: references replaced, below `root` where it is relative.
fn folder(
    slot: &Slot<Folder>,
    root: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    report: &mut Reporter,
) -> Option<PathBuf> {
    let At { value: Folder(written), span } = slot.at()?;
    if written.contains("${file:") {
        report.error(*span, "a folder cannot come from a file", "write the folder, or `${env:NAME}`");
        return None;
    }
    // Only variables are left, so no file is ever asked for.
    let no_file = |_: &Path| Err(std::io::ErrorKind::Unsupported.into());
    match Secret::parse(written).and_then(|text| text.resolve(env, &no_file)) {
        Ok(text) => Some(normal(&root.join(text))),
        Err(error) => {
            let help = match error {
                secret::Error::NotSet(_) => "set it, or write the folder itself",
                _ => "mend the reference, or write the folder itself",
            };
            report.error(*span, error.to_string(), help);
            None
        }
    }
}

/// The path without `.` and `..`, so that one folder has one spelling.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

/// Where a draft's name or landing folder is declared, as `file:line`.
fn place(source: &SourceText, span: Span) -> String {
    format!("{}:{}", source.path.display(), source.position(span.start).0)
}

fn same_names(drafts: &[Draft]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (n, later) in drafts.iter().enumerate().filter(|(_, d)| d.is_named) {
        let Some(first) = drafts[..n].iter().find(|d| d.dataset.name == later.dataset.name) else { continue };
        found.push(Diagnostic {
            place: Some((later.source.clone(), later.name_span)),
            message: format!(
                "the dataset `{}` is also declared in {}",
                later.dataset.name,
                place(&first.source, first.name_span)
            ),
            help: Some("rename one of them with `dataset: …`, or remove it".into()),
        });
    }
    found
}

fn same_landings(drafts: &[Draft]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (n, later) in drafts.iter().enumerate().filter(|(_, d)| d.takes_all) {
        // Two declarations of one dataset share everything; that is said elsewhere.
        let shares = |d: &&Draft| {
            d.takes_all && d.dataset.landing == later.dataset.landing && d.dataset.name != later.dataset.name
        };
        let Some(first) = drafts[..n].iter().find(shares) else { continue };
        found.push(Diagnostic {
            place: Some((later.source.clone(), later.landing_span)),
            message: format!(
                "`{}` and `{}` ({}) take every file of the same folder",
                later.dataset.name,
                first.dataset.name,
                place(&first.source, first.landing_span)
            ),
            help: Some("give each a `match: …`, or a `landing: …` of its own".into()),
        });
    }
    found
}

fn same_feeds(drafts: &[Draft]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let name = |d: &Draft| d.dataset.publish.as_ref().map(|p| p.name.clone());
    for (n, later) in drafts.iter().enumerate().filter(|(_, d)| d.dataset.publish.is_some()) {
        // Two declarations of one dataset share everything; that is said elsewhere.
        let same = |d: &&Draft| name(d) == name(later) && d.dataset.name != later.dataset.name;
        let Some(first) = drafts[..n].iter().find(same) else { continue };
        found.push(Diagnostic {
            place: Some((later.source.clone(), later.publish_span)),
            message: format!(
                "`{}` and `{}` ({}) are published under the same name",
                later.dataset.name,
                first.dataset.name,
                place(&first.source, first.publish_span)
            ),
            help: Some("give one of them another name: `publish: { name: …, … }`".into()),
        });
    }
    found
}

/// Help for a name that is none of those known.
fn meant<'k>(word: &str, known: impl Iterator<Item = &'k str> + Clone, otherwise: &str) -> String {
    match nearest(word, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let all: Vec<_> = known.take(20).collect();
            if all.is_empty() { otherwise.to_string() } else { format!("known here: {}", all.join(", ")) }
        }
    }
}
