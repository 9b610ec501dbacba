//! The files of a tsdat repository: which of them are pipelines, and where the
//! others are that they refer to.

use std::collections::BTreeMap;

use super::value::{self, Value};

/// The YAML and Python files of a repository.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// The folder that paths in it are relative to, for messages.
    pub root: String,
    /// Texts by their path below the root, with `/`.
    pub files: BTreeMap<String, String>,
    /// The folder or file that was asked for, below the root; empty for the root.
    pub start: String,
}

/// A configuration that is a pipeline.
#[derive(Debug)]
pub(super) struct Found {
    pub path: String,
    pub value: Value,
    pub is_old: bool,
}

impl Tree {
    /// The pipelines at or below where to start, and YAML files there that look
    /// like one and cannot be read, with the reason.
    pub(super) fn pipelines(&self) -> (Vec<Found>, Vec<(String, String)>) {
        let (mut found, mut wrong) = (Vec::new(), Vec::new());
        for (path, text) in self.files.iter().filter(|(path, _)| is_yaml(path) && self.is_asked_for(path)) {
            let may_be_one = ["triggers", "dataset_definition"].iter().any(|word| text.contains(word));
            match value::parse(path, text) {
                Ok(value) if value.has("dataset_definition") => {
                    found.push(Found { path: path.clone(), value, is_old: true });
                }
                Ok(value) if value.has("retriever") && value.has("dataset") => {
                    found.push(Found { path: path.clone(), value, is_old: false });
                }
                Ok(_) => {}
                Err(why) if may_be_one || *path == self.start => wrong.push((path.clone(), why)),
                Err(_) => {}
            }
        }
        (found, wrong)
    }

    fn is_asked_for(&self, path: &str) -> bool {
        let below = path.strip_prefix(self.start.as_str());
        self.start.is_empty() || below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The file that a pipeline's `path:` means. `Err`: where it was looked for.
    ///
    /// tsdat takes the path as it is, from the folder it was started in, or from
    /// the pipeline's own where it begins with a dot. Repositories are moved and
    /// copied in part: so every folder above the pipeline is tried as well, and
    /// last the folder beside it.
    pub(super) fn resolve(&self, reference: &str, pipeline: &str) -> Result<String, Vec<String>> {
        let folder = folder_of(pipeline);
        let mut tried = Vec::new();
        if reference.starts_with("./") || reference.starts_with("../") {
            tried.extend(joined(folder, reference));
        }
        let mut above = Some(folder);
        while let Some(at) = above {
            tried.extend(joined(at, reference));
            above = (!at.is_empty()).then(|| folder_of(at));
        }
        tried.reverse();
        tried.extend(joined(folder, reference.rsplit('/').next().unwrap_or(reference)));
        let mut seen = Vec::new();
        tried.retain(|path| {
            !seen.contains(path) && {
                seen.push(path.clone());
                true
            }
        });
        match tried.iter().find(|path| self.files.contains_key(*path)) {
            Some(path) => Ok(path.clone()),
            None => Err(tried),
        }
    }

    /// The storage configuration of a 0.2 pipeline: nothing in the pipeline names
    /// it. The nearest one is taken, by folder and then by how its name begins.
    pub(super) fn storage_of(&self, pipeline: &str) -> Option<(String, Value)> {
        let folder = folder_of(pipeline);
        let mut best: Option<((usize, usize), String, Value)> = None;
        for (path, text) in self.files.iter().filter(|(path, text)| is_yaml(path) && text.contains("storage"))
        {
            let Ok(value) = value::parse(path, text) else { continue };
            if value.at(&["storage", "file_handlers"]).is_none() {
                continue;
            }
            let shared = shared_folders(folder, folder_of(path));
            let alike = pipeline.bytes().zip(path.bytes()).take_while(|(a, b)| a == b).count();
            if best.as_ref().is_none_or(|(rank, ..)| *rank < (shared, alike)) {
                best = Some(((shared, alike), path.clone(), value));
            }
        }
        best.map(|(_, path, value)| (path, value))
    }

    /// The Python file of a class, `pipelines.example.pipeline.ExamplePipeline`.
    pub(super) fn module_of(&self, class: &str) -> Option<(&str, &str)> {
        let (module, _) = class.rsplit_once('.')?;
        let path = format!("{}.py", module.replace('.', "/"));
        self.files.get_key_value(&path).map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The file `pipeline.py` that a 0.2 configuration belongs to: in the folder of
    /// the configuration, in the one above it, or in the `pipeline` of that.
    pub(super) fn program_of(&self, pipeline: &str) -> Option<(&str, &str)> {
        let folder = folder_of(pipeline);
        let above = folder_of(folder);
        [(folder, "pipeline.py"), (above, "pipeline.py"), (above, "pipeline/pipeline.py")]
            .iter()
            .flat_map(|(folder, name)| joined(folder, name))
            .find_map(|path| self.files.get_key_value(&path))
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Texts of all Python files.
    pub(super) fn programs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter(|(path, _)| path.ends_with(".py")).map(|(p, t)| (p.as_str(), t.as_str()))
    }
}

pub(super) fn is_yaml(path: &str) -> bool {
    path.ends_with(".yaml") || path.ends_with(".yml")
}

pub(super) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// A path in a folder, without `.` and `..`; nothing where it leaves the root.
fn joined(folder: &str, path: &str) -> Option<String> {
    if path.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|p| !p.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn shared_folders(a: &str, b: &str) -> usize {
    a.split('/').zip(b.split('/')).take_while(|(a, b)| a == b && !a.is_empty()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> Tree {
        let files = files.iter().map(|(p, t)| (p.to_string(), t.to_string())).collect();
        Tree { root: "/r".into(), files, start: String::new() }
    }

    #[test]
    fn paths_are_found_from_the_root_from_above_and_beside() {
        let tree = tree(&[
            ("shared/quality.yaml", ""),
            ("pipelines/a/config/dataset.yaml", ""),
            ("moved/config/retriever.yaml", ""),
        ]);
        let of = |reference, pipeline| tree.resolve(reference, pipeline);
        let a = "pipelines/a/config/pipeline.yaml";
        assert_eq!(of("shared/quality.yaml", a).unwrap(), "shared/quality.yaml");
        assert_eq!(of("./dataset.yaml", a).unwrap(), "pipelines/a/config/dataset.yaml");
        assert_eq!(of("../config/dataset.yaml", a).unwrap(), "pipelines/a/config/dataset.yaml");
        let moved = "moved/config/pipeline.yaml";
        assert_eq!(of("pipelines/x/config/retriever.yaml", moved).unwrap(), "moved/config/retriever.yaml");
        assert_eq!(of("shared/quality.yaml", moved).unwrap(), "shared/quality.yaml");
        let tried = of("shared/storage.yaml", moved).unwrap_err();
        assert_eq!(
            tried,
            [
                "shared/storage.yaml",
                "moved/shared/storage.yaml",
                "moved/config/shared/storage.yaml",
                "moved/config/storage.yaml"
            ]
        );
        assert!(of("../../../../etc/passwd", a).is_err());
        assert!(of("/etc/passwd", a).is_err());
    }

    #[test]
    fn the_nearest_storage_is_taken() {
        let storage = "storage: { file_handlers: {} }";
        let tree = tree(&[
            ("config/buoy_storage.yml", storage),
            ("config/waves_storage.yml", storage),
            ("other/config/waves_x.yml", storage),
        ]);
        let of = |pipeline| tree.storage_of(pipeline).map(|(path, _)| path);
        assert_eq!(of("config/waves_humboldt.yml").unwrap(), "config/waves_storage.yml");
        assert_eq!(of("config/buoy_humboldt.yml").unwrap(), "config/buoy_storage.yml");
        assert_eq!(of("other/config/a.yml").unwrap(), "other/config/waves_x.yml");
    }
}
