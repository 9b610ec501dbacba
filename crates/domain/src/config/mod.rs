//! Configuration: the text of `lake.yaml` and `datasets/**/*.yaml` to a
//! compiled [`Lake`].
//!
//! [`compile`] is pure: text comes in, a lake or everything that is wrong with
//! it comes out. [`load`] is the one place that reads the folder. The path of a
//! text is `yaml` (a tree that knows its places), `raw` (typed declarations, by
//! `decode`), `compile` (names resolved, defaults filled in, checked).

mod compile;
mod decode;
mod diagnostic;
mod raw;
mod scalars;
pub mod schema;
pub mod secret;
mod yaml;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use compile::compile;
pub use diagnostic::{Diagnostic, Diagnostics, Report, SourceText, Span};
pub use secret::Secret;

use crate::model::Lake;

/// Name of the file that makes a folder a lake.
pub const LAKE_FILE: &str = "lake.yaml";
/// Folder of the dataset files, below the root.
pub const DATASETS_FOLDER: &str = "datasets";

/// Reads and compiles the lake whose `lake.yaml` is in `root`, with the
/// process's environment.
pub fn load(root: &Path) -> Result<Lake, Diagnostics> {
    let root = std::path::absolute(root).unwrap_or_else(|_| root.to_path_buf());
    let mut failed = Diagnostics::default();
    let lake = read_lake(&root).map_err(|d| failed.push(d)).ok();
    let mut paths = Vec::new();
    if let Err((folder, error)) = find_yaml(&root.join(DATASETS_FOLDER), &mut paths) {
        failed.push(unreadable(&folder, &error));
    }
    paths.sort();
    let mut datasets = Vec::new();
    for path in paths {
        match fs::read_to_string(&path) {
            Ok(text) => {
                let shown = path.strip_prefix(&root).unwrap_or(&path);
                datasets.push(SourceText::new(shown, text));
            }
            Err(error) => failed.push(unreadable(&path, &error)),
        }
    }
    let Some(lake) = lake else { return Err(failed) };
    let env = |name: &str| std::env::var(name).ok();
    match compile(&root, &lake, &datasets, &env) {
        Ok(lake) if failed.is_empty() => Ok(lake),
        Ok(_) => Err(failed),
        Err(found) => {
            failed.extend(found.items().to_vec());
            Err(failed)
        }
    }
}

fn read_lake(root: &Path) -> Result<SourceText, Diagnostic> {
    let path = root.join(LAKE_FILE);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(SourceText::new(LAKE_FILE, text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let help = if root.join("lake.yml").exists() {
                "there is a `lake.yml`: rename it to `lake.yaml`"
            } else {
                "go to a lake's folder, name one with `--lake FOLDER`, or make one with `lakegate init`"
            };
            Err(Diagnostic::of_no_place(format!("there is no `{LAKE_FILE}` in {}", root.display()), help))
        }
        Err(error) => Err(unreadable(&path, &error)),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Diagnostic {
    let help = match error.kind() {
        io::ErrorKind::InvalidData => "save it as UTF-8",
        _ => "give the user that runs lakegate the right to read it",
    };
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
