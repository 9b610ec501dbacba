//! Configuration: the text of `lake.yaml` and `datasets/**/*.yaml` to a
//! compiled [`Lake`].
//!
//! [`compile`] is pure: text comes in, a lake or everything that is wrong with
//! it comes out. [`load`] is the one place that reads the folder. The path of a
//! text is `yaml` (a tree that knows its places), `raw` (typed declarations, by
//! `decode`), `compile` (names resolved, defaults filled in, checked).

mod compile;
pub(crate) mod decode;
mod diagnostic;
mod raw;
pub(crate) mod scalars;
pub mod schema;
pub mod secret;
pub(crate) mod yaml;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use compile::compile;
pub use diagnostic::{Diagnostic, Diagnostics, Report, SourceText, Span};
pub use scalars::parse_lapse;
pub use secret::Secret;

use self::decode::Reporter;
use self::yaml::{Content, Node};
use crate::model::Lake;

/// Name of the file that makes a folder a lake.
pub const LAKE_FILE: &str = "lake.yaml";
/// Folder of the dataset files, below the root.
pub const DATASETS_FOLDER: &str = "datasets";

/// Reads and compiles the lake whose `lake.yaml` is in `root`, with the
/// process's environment.
pub fn load(root: &Path) -> Result<Lake, Diagnostics> {
    let (texts, mut failed) = read(root);
    let Some(texts) = texts else { return Err(failed) };
    match texts.compile() {
        Ok(lake) if failed.is_empty() => Ok(lake),
        Ok(_) => Err(failed),
        Err(found) => {
            failed.extend(found.items().to_vec());
            Err(failed)
        }
    }
}

/// The text of a lake's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts {
    /// The folder with `lake.yaml`; absolute.
    pub root: PathBuf,
    pub lake: SourceText,
    /// By path.
    pub datasets: Vec<SourceText>,
}

impl Texts {
    /// Compiles them with the process's environment.
    ///
    /// # Errors
    /// As [`compile`].
    pub fn compile(&self) -> Result<Lake, Diagnostics> {
        compile(&self.root, &self.lake, &self.datasets, &|name| std::env::var(name).ok())
    }

    /// The same with more dataset files.
    pub fn with(&self, more: impl IntoIterator<Item = SourceText>) -> Self {
        let mut texts = self.clone();
        texts.datasets.extend(more);
        texts
    }
}

/// Reads the text of the lake in `root`, and what of it cannot be read. There
/// is none where its `lake.yaml` is missing.
pub fn read(root: &Path) -> (Option<Texts>, Diagnostics) {
    let root = std::path::absolute(root).unwrap_or_else(|_| root.to_path_buf());
    let mut failed = Diagnostics::default();
    let lake = read_lake(&root).map_err(|d| failed.push(d)).ok();
    let mut datasets = Vec::new();
    for path in dataset_paths(&root).unwrap_or_else(|(folder, error)| {
        failed.push(unreadable(&folder, &error));
        Vec::new()
    }) {
        let shown = path.strip_prefix(&root).unwrap_or(&path);
        match read_text(&path, shown) {
            Ok(source) => datasets.push(source),
            Err(finding) => failed.push(finding),
        }
    }
    (lake.map(|lake| Texts { root, lake, datasets }), failed)
}

/// The dataset files of the lake in `root`, in the order of their paths.
///
/// # Errors
/// The folder that cannot be listed.
pub fn dataset_paths(root: &Path) -> Result<Vec<PathBuf>, (PathBuf, io::Error)> {
    let mut paths = Vec::new();
    find_yaml(&root.join(DATASETS_FOLDER), &mut paths)?;
    paths.sort();
    Ok(paths)
}

/// As [`load`], for those who look at what was loaded before: a dataset's file
/// that has errors is left out, and what is wrong with it is told beside the lake.
///
/// # Errors
///
/// What is wrong with `lake.yaml` itself, and with all else.
pub fn load_sound(root: &Path) -> Result<(Lake, Diagnostics), Diagnostics> {
    let (texts, mut failed) = read(root);
    let Some(mut texts) = texts else { return Err(failed) };
    loop {
        let found = match texts.compile() {
            Ok(lake) => return Ok((lake, failed)),
            Err(found) => found,
        };
        let n = texts.datasets.len();
        texts.datasets.retain(|d| !found.items().iter().any(|f| f.path() == Some(&d.path)));
        failed.extend(found.items().to_vec());
        if texts.datasets.len() == n {
            return Err(failed);
        }
    }
}

/// Where a file's text gives one of its keys a value, for findings that are made
/// when it is compiled already.
pub fn place_of(source: &Arc<SourceText>, key: &str, value: &str) -> Option<Span> {
    fn find(node: &Node, key: &str, value: &str) -> Option<Span> {
        match &node.content {
            Content::Scalar(_) => None,
            Content::List(items) => items.iter().find_map(|n| find(n, key, value)),
            Content::Map(entries) => entries.iter().find_map(|(k, n)| match &n.content {
                Content::Scalar(s) if k.text == key && s.text == value => Some(n.span),
                _ => find(n, key, value),
            }),
        }
    }
    find(&yaml::parse(&source.text, &mut Reporter::new(source))?, key, value)
}

/// Where in a file's text a byte of a value stands, whose scalar is at `span`. How
/// the scalar is written (in a block, folded, in quotes) does not matter: what is
/// no white space stands in it in the same order.
pub fn place_in(source: &SourceText, span: Span, value: &str, byte: usize) -> Option<Span> {
    let is_seen = |(_, c): &(usize, char)| !c.is_whitespace();
    let text = source.text.get(span.start..)?;
    let skipped = match text.starts_with(['|', '>']) {
        true => text.find('\n')?,
        false => 0,
    };
    let mut written = text[skipped..].char_indices().filter(is_seen);
    for (at, c) in value.char_indices().filter(is_seen) {
        // Quotes, and what escapes another, are no part of the value.
        let (found, _) = written.find(|(_, w)| *w == c)?;
        if at >= byte {
            let start = span.start + skipped + found;
            return Some(Span { start, end: start + c.len_utf8() });
        }
    }
    None
}

fn read_lake(root: &Path) -> Result<SourceText, Diagnostic> {
    let path = root.join(LAKE_FILE);
    match path.try_exists() {
        Ok(true) | Err(_) => read_text(&path, Path::new(LAKE_FILE)),
        Ok(false) => {
            let help = if root.join("lake.yml").exists() {
                "there is a `lake.yml`: rename it to `lake.yaml`"
            } else {
                "go to a lake's folder, name one with `--lake FOLDER`, or make one with `lakegate init`"
            };
            Err(Diagnostic::of_no_place(format!("there is no `{LAKE_FILE}` in {}", root.display()), help))
        }
    }
}

/// The text of a file, which is shown as `shown`.
fn read_text(path: &Path, shown: &Path) -> Result<SourceText, Diagnostic> {
    let bytes = fs::read(path).map_err(|error| unreadable(path, &error))?;
    String::from_utf8(bytes).map(|text| SourceText::new(shown, text)).map_err(|error| {
        let start = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        Diagnostic {
            place: Some((Arc::new(SourceText::new(shown, text)), Span { start, end: start })),
            message: "this is not UTF-8".into(),
            help: Some("save the file as UTF-8".into()),
        }
    })
}

fn unreadable(path: &Path, error: &io::Error) -> Diagnostic {
    let help = "give the user that runs lakegate the right to read it";
    Diagnostic::of_no_place(format!("{} cannot be read: {error}", path.display()), help)
}

/// Collects the YAML files of a folder and of all below it, but for hidden
/// ones. A folder that does not exist has none.
fn find_yaml(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), (PathBuf, io::Error)> {
    let fail = |error| (folder.to_path_buf(), error);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(fail(error)),
    };
    for entry in entries {
        let entry = entry.map_err(fail)?;
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type().map_err(fail)?.is_dir() {
            find_yaml(&path, found)?;
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            found.push(path);
        }
    }
    Ok(())
}
