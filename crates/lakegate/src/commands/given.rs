//! Files that somebody names on the command line, and the dataset that each would
//! go to. Nothing is opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lakegate_domain::model::{Dataset, Lake};
use lakegate_domain::route::{self, Groups, Routed};
use lakegate_land::{Problem, Seen, list};
use lakegate_state::StrayReason;

use super::{Result, Stop, absolute};

/// A file and where it would go.
pub struct Given {
    /// Its path as it was given, with what is below it.
    pub shown: String,
    pub seen: Seen,
    pub to: To,
}

/// Where a file would go.
pub enum To {
    Dataset(Arc<Dataset>, Groups),
    /// Hidden, half written or junk by its name.
    Junk,
    /// No dataset takes it, or several do; the sentence says which.
    Nowhere(StrayReason, String),
}

/// Files that were found, and what cannot be looked at.
#[derive(Default)]
pub struct Found {
    pub files: Vec<Given>,
    pub problems: Vec<Problem>,
}

impl To {
    pub fn of(routed: Routed) -> Self {
        let names = |all: &[lakegate_domain::DatasetName]| {
            all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        match routed {
            Routed::To(dataset, groups) => To::Dataset(dataset, groups),
            Routed::Junk => To::Junk,
            Routed::Unmatched { nearest } if nearest.is_empty() => {
                To::Nowhere(StrayReason::Unmatched, "no dataset takes it".into())
            }
            Routed::Unmatched { nearest } => To::Nowhere(
                StrayReason::Unmatched,
                format!("no dataset takes it; nearest: {}", names(&nearest)),
            ),
            Routed::Ambiguous { datasets } => To::Nowhere(
                StrayReason::Ambiguous,
                format!("more than one dataset takes it: {}", names(&datasets)),
            ),
        }
    }
}

/// The files that the paths name, those below folders in the order of their paths.
///
/// # Errors
/// A path that does not exist.
pub fn find(lake: &Lake, paths: &[PathBuf]) -> Result<Found> {
    let zones = route::zones(lake);
    let mut found = Found::default();
    for path in paths {
        let path = absolute(path)?;
        if !path.exists() {
            return Err(Stop::Usage(format!("`{}` does not exist", path.display())));
        }
        let (base, files) = if path.is_dir() {
            let listing = list(&path, &[]);
            found.problems.extend(listing.problems);
            (path.clone(), listing.files)
        } else {
            let parent = path.parent().unwrap_or(Path::new("/")).to_path_buf();
            let files = list(&parent, &[]).files.into_iter().filter(|s| s.os_path == path).collect();
            (parent, files)
        };
        for seen in files {
            // A file of a zone is routed by its zone; any other by all datasets.
            let zone = zones
                .iter()
                .filter(|(folder, _)| seen.os_path.starts_with(folder))
                .max_by_key(|(folder, _)| folder.as_os_str().len());
            let to = match zone {
                Some((folder, datasets)) => {
                    let relative = seen.os_path.strip_prefix(folder).unwrap_or(&seen.os_path);
                    To::of(route::route(datasets, &relative.to_string_lossy()))
                }
                None => by_name(&lake.datasets, &seen.path),
            };
            found.files.push(Given { shown: base.join(&seen.path).display().to_string(), seen, to });
        }
    }
    Ok(found)
}

/// A file that lies in no landing folder: the datasets that know files by their
/// names are asked first, since the others take whatever lands in their folder.
fn by_name(all: &[Arc<Dataset>], relative: &str) -> To {
    let (by_name, any): (Vec<_>, Vec<_>) = all.iter().cloned().partition(|d| d.pattern.is_some());
    match route::route(&by_name, relative) {
        Routed::Unmatched { .. } if any.len() == 1 => To::of(route::route(&any, relative)),
        Routed::Unmatched { .. } if any.len() > 1 => {
            let names: Vec<String> = any.iter().map(|d| d.name.to_string()).collect();
            let why = format!(
                "no `match:` fits its name, and it lies in no landing folder; any file that lands in theirs is taken \
                 by {}",
                names.join(", ")
            );
            To::Nowhere(StrayReason::Unmatched, why)
        }
        other => To::of(other),
    }
}
