//! A tsdat repository's pipelines as dataset files.
//!
//! Both styles: 0.2 with one file for each pipeline, and the current one with
//! five. What is in Python is not run and cannot be taken over; it is listed by
//! name, with the place in the dataset file that its work belongs to.

mod classes;
mod columns;
mod current;
mod globals;
mod old;
mod pipeline;
mod programs;
mod python;
mod quality;
mod reader;
mod repository;
mod storage;
mod streams;
mod value;
mod vap;
mod write;

use std::collections::HashMap;

pub use repository::Tree;

use super::{Yaml, check_name, name};
use pipeline::{Pipeline, Style, TIME, Variable};
use quality::Columns;
use streams::Plan;
use value::Value;
use write::{Keys, list};

/// What a file of a pipeline's inputs holds, to tell what its configuration
/// does not say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    pub members: Vec<Member>,
}

/// One member of an archive, or the file itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Its path in the archive.
    pub path: String,
    pub columns: Vec<String>,
}

/// What a repository comes to.
#[derive(Debug, Default)]
pub struct Imported {
    pub datasets: Vec<Import>,
    /// Pipelines that there can be no dataset of, by their file, and why.
    pub refused: Vec<(String, String)>,
}

/// A pipeline as a dataset file.
#[derive(Clone, Debug)]
pub struct Import {
    /// The pipeline's file, below the repository's root.
    pub source: String,
    /// The dataset's name.
    pub name: String,
    pub yaml: String,
    pub notes: Vec<Note>,
}

impl Import {
    /// Where the file belongs, relative to the lake's folder.
    pub fn path(&self) -> String {
        format!("datasets/{}.yaml", self.name)
    }
}

/// What is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub kind: NoteKind,
    /// The variable, check, key or class.
    pub about: String,
    pub text: String,
}

impl Note {
    fn new(kind: NoteKind, about: &str, text: impl Into<String>) -> Self {
        Self { kind, about: about.to_string(), text: text.into() }
    }
}

/// What a note says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoteKind {
    /// A file that the pipeline refers to is not there.
    Missing,
    /// It has no equivalent, and somebody has to do something.
    Lost,
    /// It is done in another way, or decided here.
    Differs,
}

impl NoteKind {
    pub fn word(self) -> &'static str {
        match self {
            NoteKind::Missing => "missing",
            NoteKind::Lost => "not taken over",
            NoteKind::Differs => "differs",
        }
    }
}

/// Makes a dataset file of each pipeline of a repository. `team` is the team of
/// the datasets, `landing` the folder that the files of all of them land in,
/// `samples` what inputs hold, by the datasets' names.
///
/// # Errors
/// A sentence where there is no pipeline at all.
pub fn import(
    tree: &Tree,
    team: &str,
    landing: Option<&str>,
    samples: &HashMap<String, Sample>,
) -> Result<Imported, String> {
    let (found, wrong) = tree.pipelines();
    if found.is_empty() && wrong.is_empty() {
        return Err(
            "there is no pipeline: neither a YAML file with `retriever:` and `dataset:` nor one with \
                    `dataset_definition:`"
                .into(),
        );
    }
    let mut imported = Imported { refused: wrong, ..Imported::default() };
    for found in found {
        let read = if found.is_old { old::read(tree, &found) } else { current::read(tree, &found) };
        let made = read.and_then(|pipeline| {
            let name = name::as_name(&pipeline.datastream).unwrap_or_default();
            check_name(&name)
                .map_err(|_| format!("`{}` cannot be made the name of a dataset", pipeline.datastream))?;
            Ok((pipeline, name))
        });
        match made {
            Ok((pipeline, name)) => match imported.datasets.iter().find(|d| d.name == name) {
                Some(other) => {
                    let why = format!("it makes `{}`, as {} does", pipeline.datastream, other.source);
                    imported.refused.push((found.path, why));
                }
                None => {
                    let sample = samples.get(&name);
                    imported.datasets.push(dataset(pipeline, name, team, landing, sample));
                }
            },
            Err(why) => imported.refused.push((found.path, why)),
        }
    }
    Ok(imported)
}

fn dataset(
    mut pipeline: Pipeline,
    name: String,
    team: &str,
    landing: Option<&str>,
    sample: Option<&Sample>,
) -> Import {
    let mut notes = std::mem::take(&mut pipeline.notes);
    let pattern = pattern(&pipeline, &mut notes);
    let plan = Plan::of(&pipeline, sample, &mut notes);
    let (fixed, read): (Vec<&Variable>, Vec<&Variable>) =
        pipeline.variables.iter().partition(|v| v.data.is_some());
    let columns: Vec<columns::Column> =
        read.iter().map(|v| columns::column(&pipeline, &plan, sample, v, &mut notes)).collect();
    let mut variables: Vec<(String, Keys)> = columns
        .iter()
        .filter(|c| !c.variable.is_empty())
        .map(|c| (c.name.clone(), c.variable.clone()))
        .collect();
    for variable in &fixed {
        let keys = columns::fixed(variable, variable.data.as_ref().unwrap_or(&Value::Null), &mut notes);
        if !keys.is_empty() {
            variables.push((variable.name.clone(), keys));
        }
    }
    let data = read.iter().copied().filter(|v| v.name != TIME && !v.is_coordinate()).collect();
    let entries = quality::entries(&pipeline, &Columns { data }, &mut notes);
    let made: Vec<&str> =
        columns.iter().filter(|c| c.is_made && c.name != TIME).map(|c| c.name.as_str()).collect();
    if !made.is_empty() {
        let text = "no file has what they are read from: a hook in Python made them. Make them at `transform:` (SQL) or \
                    `hook:` (a command) of the table";
        notes.push(Note::new(NoteKind::Lost, &made.join(", "), text));
    }
    let mut told: Vec<Note> = Vec::new();
    notes.into_iter().for_each(|note| {
        if !told.contains(&note) {
            told.push(note);
        }
    });
    let mut notes = told;
    notes.sort_by_key(|n| n.kind);

    let mut out = Yaml::default();
    head(&mut out, &pipeline, &notes);
    out.key(0, "team", team);
    if let Some((_, Value::Text(text))) = pipeline.globals.iter().find(|(key, _)| key == "title") {
        out.key(0, "description", text);
    }
    if let Some(landing) = landing {
        out.key(0, "landing", landing);
    }
    match &pattern {
        Some(pattern) => out.key(0, "match", pattern),
        None => out.comment(0, "Which files are its own is not known: every file of its landing folder is."),
    }
    reading(&mut out, &plan);
    if !made.is_empty() {
        inputs(&mut out, &columns);
    }
    out.line(0, "tables:");
    out.line(1, &format!("{}:", table_name(&pipeline)));
    if let [_, _, ..] = plan.streams.as_slice() {
        let streams: Vec<&str> = plan.streams.iter().map(|s| s.name.as_str()).collect();
        out.line(2, &format!("from: {}", list(&streams)));
        out.line(2, &format!("merge: {{ by: {TIME} }}"));
    }
    if !made.is_empty() {
        out.comment(2, &format!("Make {} here, from the columns of the file:", made.join(", ")));
        out.line(2, "# transform: |");
        out.line(2, &format!("#   select *, … as {} from input", super::scalar(made[0])));
        out.line(2, "# hook: { command: [python3, hooks/pipeline.py] }");
    }
    out.comment(2, "What is not declared is kept beside the columns, in `_rescued`, and is not exported.");
    out.line(2, "evolve: rescue");
    let coordinates: Vec<&str> =
        read.iter().filter(|v| v.is_coordinate() || v.name == TIME).map(|v| v.name.as_str()).collect();
    out.line(2, &format!("coordinates: {}", list(&coordinates)));
    out.line(2, "columns:");
    for column in &columns {
        if let Some(comment) = &column.comment {
            out.comment(3, comment);
        }
        out.map(3, &column.name, &column.keys);
    }
    if !entries.is_empty() {
        // A list of comments would be none.
        if entries.iter().any(|e| e.keys.is_some()) {
            out.line(2, "quality:");
        }
        for entry in &entries {
            if let Some(comment) = &entry.comment {
                out.comment(3, comment);
            }
            if let Some(keys) = &entry.keys {
                out.item(3, keys);
            }
        }
    }
    export(&mut out, &pipeline, &variables);
    Import { source: pipeline.source, name, yaml: out.0, notes }
}

/// What somebody should know before the first key.
fn head(out: &mut Yaml, pipeline: &Pipeline, notes: &[Note]) {
    let style = match pipeline.style {
        Style::Old => "tsdat 0.2",
        Style::Current => "tsdat of 0.3 or later, as 0.10 understands it",
    };
    out.comment(0, &format!("Made by `lakegate import tsdat` from {} ({style}).", pipeline.source));
    let mut last = None;
    for note in notes.iter().filter(|n| n.kind != NoteKind::Differs) {
        if last.replace(note.kind) != Some(note.kind) {
            out.line(0, "#");
            out.comment(
                0,
                match note.kind {
                    NoteKind::Missing => "Missing:",
                    _ => "Not taken over:",
                },
            );
        }
        out.remark(0, &format!("{}: {}", note.about, note.text));
    }
}

/// The pattern of the names of files; `None` where nothing tells it.
fn pattern(pipeline: &Pipeline, notes: &mut Vec<Note>) -> Option<String> {
    let mut given = pipeline.triggers.clone();
    if given.is_empty() && pipeline.style == Style::Old {
        return by_inputs(pipeline, notes);
    }
    given.dedup();
    let mut ways = Vec::new();
    for trigger in &given {
        match python::whole(trigger) {
            Ok(way) => ways.push(way),
            Err(why) => {
                let text = format!("the trigger `{trigger}` cannot be used: {why}; write `match:`");
                notes.push(Note::new(NoteKind::Lost, "triggers", text));
            }
        }
    }
    if ways.iter().any(|way| way.contains('/')) {
        let text = "its triggers look at folders too; `match:` looks at the path below the landing folder";
        notes.push(Note::new(NoteKind::Differs, "match", text));
    }
    match ways.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        several => Some(format!("(?:{})", several.join("|"))),
    }
}

/// Where no runner says it: archives for a pipeline that reads several files of
/// a run, else what its reader takes.
fn by_inputs(pipeline: &Pipeline, notes: &mut Vec<Note>) -> Option<String> {
    const ARCHIVES: &str = r".*\.(?:zip|tar|tar\.gz|tgz)";
    let has_patterns = pipeline.variables.iter().flat_map(|v| &v.inputs).any(|r| r.pattern.is_some());
    let found = if has_patterns {
        Some(ARCHIVES.to_string())
    } else {
        let ways: Vec<String> =
            pipeline.readers.iter().filter_map(|r| python::whole(&r.pattern).ok()).collect();
        match ways.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            several => Some(format!("(?:{})", several.join("|"))),
        }
    };
    let text = match &found {
        Some(pattern) => {
            format!("no runner with a `pipeline_map` says which files are its own; `{pattern}` is taken")
        }
        None => "no runner with a `pipeline_map` says which files are its own".into(),
    };
    notes.push(Note::new(NoteKind::Differs, "match", text));
    found
}

fn reading(out: &mut Yaml, plan: &Plan) {
    if plan.streams.is_empty() {
        let format = plan.format.yaml();
        match (plan.is_archive, &plan.member, format) {
            (false, _, None) => {}
            (false, _, Some(format)) => read_line(out, &format),
            (true, member, format) => {
                out.line(0, "read:");
                out.line(1, "archive:");
                match member {
                    Some(member) => out.key(2, "member", member),
                    None if format.is_none() => out.line(2, "member: '.*'"),
                    None => {}
                }
                if let Some(format) = format {
                    out.line(2, &format);
                }
            }
        }
        return;
    }
    out.line(0, "read:");
    out.line(1, "archive:");
    out.line(2, "members:");
    // What is read in one way is said once.
    let first = plan.streams.first().and_then(|s| s.format.yaml());
    for (n, stream) in plan.streams.iter().enumerate() {
        out.line(3, &format!("{}:", stream.name));
        out.key(4, "member", &stream.member);
        let format = stream.format.yaml();
        let word = stream.format.word;
        match &format {
            Some(format) if n == 0 && plan.streams[1..].iter().any(|s| s.format == stream.format) => {
                let keys = format.split_once(": ").map_or("", |(_, keys)| keys);
                out.line(4, &format!("{word}: &{word} {keys}"));
            }
            Some(_) if n > 0 && format == first => out.line(4, &format!("{word}: *{word}")),
            Some(format) => out.line(4, format),
            None => {}
        }
    }
}

/// The file's columns under their own names. Behind a transform or a hook they
/// would have others, and `from:` would find nothing.
fn inputs(out: &mut Yaml, columns: &[columns::Column]) {
    let mut listed: Vec<&String> = columns.iter().flat_map(|c| &c.from).collect();
    listed.sort();
    listed.dedup();
    if !listed.is_empty() {
        out.comment(0, "What a transform or a hook sees under the name that `from:` has; others it sees as SQL writes them.");
        out.line(0, "input:");
        listed.iter().for_each(|name| out.line(1, &format!("{}: string", super::scalar(name))));
    }
}

fn read_line(out: &mut Yaml, format: &str) {
    out.line(0, "read:");
    out.line(1, format);
}

/// The dataset's name and qualifier, as the name of a table.
fn table_name(pipeline: &Pipeline) -> String {
    name::as_name(&pipeline.subject).unwrap_or_else(|| "data".into())
}

fn export(out: &mut Yaml, pipeline: &Pipeline, variables: &[(String, Keys)]) {
    if pipeline.output.path.is_empty() {
        return;
    }
    out.line(2, "export:");
    out.key(3, "netcdf", &pipeline.output.path);
    if pipeline.output.per_day {
        out.line(3, "per: day");
    }
    // As tsdat does, and not as CF asks for.
    out.line(3, "flag_meanings: texts");
    out.line(3, "attributes:");
    for (key, value) in &pipeline.globals {
        let value = match value {
            // Braces are placeholders there.
            Value::Text(text) => super::scalar(&text.replace('{', "{{").replace('}', "}}")),
            other => columns::attribute(other),
        };
        out.line(4, &format!("{}: {value}", super::scalar(key)));
    }
    if !variables.is_empty() {
        out.line(3, "variables:");
        variables.iter().for_each(|(name, keys)| out.map(4, name, keys));
    }
}
