//! Which dataset takes a landed name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::ids::DatasetName;
use crate::model::{Dataset, Lake};

/// The named groups of a route, in the pattern's order, with what they captured.
pub type Groups = Vec<(String, String)>;

/// What the routes say of one file.
#[derive(Clone, Debug)]
pub enum Routed {
    /// Exactly one dataset takes it.
    To(Arc<Dataset>, Groups),
    /// None takes it; the nearest ones by how much of the name they share.
    Unmatched { nearest: Vec<DatasetName> },
    /// Several do: configuration must say which.
    Ambiguous { datasets: Vec<DatasetName> },
    /// Junk by name: half-written, hidden, or an archiver's droppings.
    Junk,
}

/// Whether a path below a landing folder is never a landed file: `.part`,
/// `.tmp` and the like while being written, dot files, `__MACOSX`.
///
/// `relative` uses `/` between its parts.
pub fn is_junk(relative: &str) -> bool {
    const HALF_WRITTEN: [&str; 8] =
        [".part", ".tmp", ".partial", ".crdownload", ".filepart", ".swp", ".download", "~"];
    relative.split('/').any(|part| part.starts_with('.') || part == "__MACOSX")
        || {
            let lower = relative.to_lowercase();
            HALF_WRITTEN.iter().any(|ending| lower.ends_with(ending))
        }
        || matches!(relative.rsplit('/').next(), Some("Thumbs.db" | "desktop.ini"))
}

/// What one dataset says of a path below its landing folder.
pub fn matches(dataset: &Dataset, relative: &str) -> Option<Groups> {
    let Some(pattern) = &dataset.pattern else { return Some(Vec::new()) };
    let subject = if pattern.on_path { relative } else { relative.rsplit('/').next().unwrap_or(relative) };
    let captures = pattern.regex.captures(subject)?;
    Some(
        pattern
            .groups
            .iter()
            .filter_map(|g| captures.name(g).map(|m| (g.clone(), m.as_str().to_string())))
            .collect(),
    )
}

/// The landing folders of a lake, each once, with the datasets that share it.
///
/// A folder inside another one belongs to its own datasets alone: the outer
/// one's files end where the inner folder begins.
pub fn zones(lake: &Lake) -> Vec<(PathBuf, Vec<Arc<Dataset>>)> {
    let mut zones: Vec<(PathBuf, Vec<Arc<Dataset>>)> = Vec::new();
    for dataset in &lake.datasets {
        match zones.iter_mut().find(|(folder, _)| folder == &dataset.landing) {
            Some((_, sharing)) => sharing.push(dataset.clone()),
            None => zones.push((dataset.landing.clone(), vec![dataset.clone()])),
        }
    }
    zones.sort_by(|a, b| a.0.cmp(&b.0));
    zones
}

/// Routes one path of a zone to the datasets that share the zone.
///
/// | datasets that match | answer    |
/// |---------------------|-----------|
/// | 0                   | unmatched |
/// | 1                   | it        |
/// | 2 or more           | ambiguous |
pub fn route(sharing: &[Arc<Dataset>], relative: &str) -> Routed {
    if is_junk(relative) {
        return Routed::Junk;
    }
    let mut found: Vec<(Arc<Dataset>, Groups)> =
        sharing.iter().filter_map(|d| matches(d, relative).map(|g| (d.clone(), g))).collect();
    match found.len() {
        0 => Routed::Unmatched { nearest: nearest(sharing, relative) },
        1 => {
            let (dataset, groups) = found.remove(0);
            Routed::To(dataset, groups)
        }
        _ => Routed::Ambiguous { datasets: found.into_iter().map(|(d, _)| d.name.clone()).collect() },
    }
}

/// Datasets whose pattern looks most like the name, best first, at most three.
fn nearest(sharing: &[Arc<Dataset>], relative: &str) -> Vec<DatasetName> {
    let name =
        Path::new(relative).file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    let mut scored: Vec<(f64, &Arc<Dataset>)> = sharing
        .iter()
        .map(|d| {
            let pattern = d.pattern.as_ref().map(|p| p.text.to_lowercase()).unwrap_or_default();
            (strsim::normalized_damerau_levenshtein(&pattern, &name), d)
        })
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.name.cmp(&b.1.name)));
    scored.into_iter().take(3).map(|(_, d)| d.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junk() {
        for (name, junk) in [
            ("a.csv", false),
            ("deep/er/a.csv", false),
            ("a.csv.part", true),
            ("A.TMP", true),
            (".hidden", true),
            (".git/config", true),
            ("__MACOSX/a.csv", true),
            ("x/._a.csv", true),
            ("partial.csv", false),
            ("tmp/a.csv", false),
            ("a.csv~", true),
        ] {
            assert_eq!(is_junk(name), junk, "{name}");
        }
    }
}
