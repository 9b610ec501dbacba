//! `import tsdat`: the pipelines of a repository.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use lakegate_domain::config::{SourceText, Texts};
use lakegate_domain::draft::Refusal;
use lakegate_domain::draft::tsdat::{self, Import, Imported, Member, NoteKind, Sample, Tree};
use lakegate_domain::model::{Dataset, Read};
use lakegate_domain::{Failure, route};
use lakegate_format::open::{Payload, Source, open};
use serde_json::{Value, json};

use super::super::{Result, Shell, Stop};
use super::compiles;
use crate::adding;
use crate::cli::{Exit, ImportTsdat};
use crate::render;

/// Larger files are no configuration.
const LARGEST_BYTES: u64 = 1 << 20;
/// Files that are looked at before a folder counts as the wrong one.
const MOST_FILES: usize = 20_000;
/// Deeper than repositories are.
const DEEPEST: usize = 24;
/// What the root of a repository holds.
const OF_ROOT: [&str; 2] = ["pipelines", "shared"];

pub fn tsdat(shell: &Shell, args: &ImportTsdat) -> Result<Exit> {
    let repository = Repository::of(&args.dir)?;
    let root = shell.root()?;
    let (texts, lake) = adding::current(&root)?;
    let team = adding::team(&lake, args.team.as_deref())?;
    let landing = args.landing.as_deref();
    let import = |samples: &HashMap<String, Sample>| {
        tsdat::import(&repository.tree, &team, landing, samples).map_err(|why| {
            let help = "give a repository of tsdat, a folder of one, or one pipeline file";
            Refusal::usage(format!("{}: {why}", args.dir.display()), help)
        })
    };
    let mut imported = import(&HashMap::new())?;
    if let Some(sample) = &args.sample {
        let samples = samples(&texts, &imported, sample)?;
        imported = import(&samples)?;
    }
    let mut refused = imported.refused;
    // Each is compiled by itself, so that a wrong one does not cost the others.
    let mut good: Vec<Import> = Vec::new();
    for import in imported.datasets {
        let path = import.path();
        if root.join(&path).exists() {
            refused.push((import.source, format!("{path} exists, and is not overwritten")));
            continue;
        }
        let others = good.iter().map(|i| (i.path(), i.yaml.clone()));
        match compiles(&texts, others, &path, &import.yaml) {
            Ok(()) => good.push(import),
            Err(why) => refused.push((import.source, why)),
        }
    }
    if !args.dry_run && !good.is_empty() {
        let files: Vec<(String, &str)> = good.iter().map(|i| (i.path(), i.yaml.as_str())).collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(p, t)| (p.as_str(), *t)).collect();
        adding::write(&root, &files)?;
    }
    report(shell, args, &repository, &root, &good, &refused)?;
    let waits = |import: &Import| import.notes.iter().any(|n| n.kind != NoteKind::Differs);
    Ok(if refused.is_empty() && !good.iter().any(waits) { Exit::Done } else { Exit::Findings })
}

/// The files of a repository, and how its root was found.
struct Repository {
    tree: Tree,
    /// Said to people.
    found: String,
}

impl Repository {
    fn of(dir: &Path) -> Result<Self> {
        let start = std::fs::canonicalize(dir).map_err(|e| {
            let help = "give a repository of tsdat, a folder of one, or one pipeline file";
            Refusal::usage(format!("{} cannot be read: {e}", dir.display()), help)
        })?;
        let (root, found) = root_of(&start);
        let mut files = BTreeMap::new();
        collect(&root, &root, 0, &mut files)?;
        // What was asked for is looked at wherever it lies.
        if start.is_file() {
            read(&root, &start, &mut files)?;
        }
        let start = relative(&root, &start);
        Ok(Self { tree: Tree { root: root.display().to_string(), files, start }, found })
    }
}

/// The folder that a repository's paths are relative to: the nearest one, from
/// where to start upwards, that holds `pipelines/` and `shared/`; else the one
/// above a folder `pipelines`; else where to start.
fn root_of(start: &Path) -> (PathBuf, String) {
    let folder = if start.is_dir() { start } else { start.parent().unwrap_or(start) };
    let holds = |at: &&Path| OF_ROOT.iter().all(|name| at.join(name).is_dir());
    if let Some(root) = folder.ancestors().find(holds) {
        return (root.to_path_buf(), format!("the repository is {}", root.display()));
    }
    let is_pipelines = |at: &&Path| at.file_name().is_some_and(|name| name == OF_ROOT[0]);
    if let Some(root) = folder.ancestors().find(is_pipelines).and_then(Path::parent) {
        return (
            root.to_path_buf(),
            format!("the repository is {}, which holds `pipelines/`", root.display()),
        );
    }
    let found = format!(
        "neither {} nor a folder above it holds `pipelines/` and `shared/`: it is taken for the repository itself",
        folder.display()
    );
    (folder.to_path_buf(), found)
}

fn relative(root: &Path, path: &Path) -> String {
    let parts = path.strip_prefix(root).unwrap_or(path).components();
    parts.map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// Every YAML and Python file below a folder, but for what is hidden or made.
fn collect(root: &Path, folder: &Path, depth: usize, files: &mut BTreeMap<String, String>) -> Result<()> {
    const MADE: [&str; 5] = ["node_modules", "__pycache__", "venv", "site-packages", "storage"];
    let failed = |e: std::io::Error| {
        Refusal::usage(format!("{} cannot be read: {e}", folder.display()), "look at its rights")
    };
    let mut entries: Vec<_> = std::fs::read_dir(folder).and_then(Iterator::collect).map_err(failed)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        let Ok(kind) = entry.file_type() else { continue };
        if name.starts_with('.') || MADE.contains(&&*name) {
            continue;
        }
        if kind.is_dir() && depth < DEEPEST {
            collect(root, &path, depth + 1, files)?;
        } else if kind.is_file() {
            read(root, &path, files)?;
        }
        if files.len() > MOST_FILES {
            let message = format!("{} holds more than {MOST_FILES} YAML and Python files", root.display());
            return Err(Refusal::usage(message, "give the folder of the repository itself").into());
        }
    }
    Ok(())
}

/// A file that may be configuration or its program; others are passed by.
fn read(root: &Path, path: &Path, files: &mut BTreeMap<String, String>) -> Result<()> {
    let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    let is_text = matches!(ending.as_deref(), Some("yaml" | "yml" | "py"));
    let is_small = std::fs::metadata(path).is_ok_and(|m| m.len() <= LARGEST_BYTES);
    if is_text && is_small {
        let bytes = std::fs::read(path)?;
        files.insert(relative(root, path), String::from_utf8_lossy(&bytes).into_owned());
    }
    Ok(())
}

/// What a file holds, for each pipeline whose own it is.
fn samples(texts: &Texts, imported: &Imported, sample: &Path) -> Result<HashMap<String, Sample>> {
    let name = sample.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut found = HashMap::new();
    for import in &imported.datasets {
        // A wrong one is told of later.
        let Ok(lake) = texts.with([SourceText::new(import.path(), import.yaml.clone())]).compile() else {
            continue;
        };
        let Some(dataset) = lake.datasets.iter().find(|d| d.name.dataset == import.name) else { continue };
        if route::matches(dataset, &name).is_some() {
            found.insert(import.name.clone(), looked_at(dataset, sample, &name)?);
        }
    }
    if found.is_empty() {
        let message = format!("{} belongs to none of the pipelines, by its name", sample.display());
        return Err(Refusal::usage(message, "give a file that one of them takes").into());
    }
    Ok(found)
}

/// The members of a file and their columns. Whatever stream a member is, it is
/// read as the first one is.
fn looked_at(dataset: &Dataset, path: &Path, name: &str) -> Result<Sample> {
    let declared = &dataset.read;
    let format = declared.streams.first().and_then(|s| s.format.clone()).or(declared.format.clone());
    let read = Read { format, member: None, streams: Vec::new(), caps: declared.caps };
    let spool = tempfile::tempdir()?;
    let failed = |e: lakegate_format::Error| {
        Stop::Failed(Failure::new(e.code, format!("{}: {}", path.display(), e.message)))
    };
    let chunks = open(Source::File(path.to_path_buf()), name, &read, spool.path()).map_err(failed)?;
    let mut sample = Sample::default();
    for chunk in chunks.skip_empty_members() {
        let chunk = chunk.map_err(failed)?;
        let member = chunk.stream.member.clone().unwrap_or_else(|| name.to_string());
        if sample.members.last().is_some_and(|last| last.path == member) {
            continue;
        }
        let columns = match chunk.payload {
            Payload::Text(text) => text.parse().map_err(failed)?.names.to_vec(),
            Payload::Typed(batch) => batch.schema().fields().iter().map(|f| f.name().clone()).collect(),
        };
        sample.members.push(Member { path: member, columns });
    }
    Ok(sample)
}

fn report(
    shell: &Shell,
    args: &ImportTsdat,
    repository: &Repository,
    root: &Path,
    good: &[Import],
    refused: &[(String, String)],
) -> Result<()> {
    if shell.global.json {
        let datasets: Vec<Value> = good
            .iter()
            .map(|i| {
                let notes: Vec<Value> = i
                    .notes
                    .iter()
                    .map(|n| json!({ "kind": n.kind.word(), "about": n.about, "text": n.text }))
                    .collect();
                json!({ "pipeline": i.source, "path": i.path(), "yaml": i.yaml, "notes": notes })
            })
            .collect();
        let refused: Vec<Value> =
            refused.iter().map(|(pipeline, why)| json!({ "pipeline": pipeline, "reason": why })).collect();
        return shell.print_json(&json!({ "written": !args.dry_run, "repository": repository.tree.root,
            "datasets": datasets, "refused": refused }));
    }
    shell.say(&repository.found)?;
    let verb = if args.dry_run { "would write" } else { "wrote" };
    let n = render::counted(good.len() as u64, "dataset file");
    shell.say(format!("{verb} {n} to {}", root.join("datasets").display()))?;
    let mut list = shell.list(&["pipeline", "file", "to do"]);
    for import in good {
        let n = import.notes.iter().filter(|n| n.kind != NoteKind::Differs).count();
        let to_do = if n == 0 { "nothing".into() } else { render::counted(n as u64, "thing") };
        list.row([import.source.clone(), import.path(), to_do]);
    }
    shell.print_list(&list)?;
    for import in good {
        for note in &import.notes {
            let (name, kind) = (&import.name, note.kind.word());
            shell.say(format!("{name}: {kind}: {}: {}", note.about, note.text))?;
        }
    }
    if !refused.is_empty() {
        let mut list = shell.list(&["not expressed", "why"]);
        refused.iter().for_each(|(pipeline, why)| {
            list.row([pipeline, why]);
        });
        shell.print_list(&list)?;
    }
    Ok(())
}
