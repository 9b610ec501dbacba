//! Exported files on disk: each is there whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use lakegate_domain::{Code, Failure};

use crate::failpoint::{self, Failpoints};

/// How temporary files begin; no template can make such a name.
const TEMPORARY: &str = ".lakegate-";

/// Writes a file: first under another name beside it, and to the disk itself,
/// then in its place.
pub(super) fn write(root: &Path, path: &str, bytes: &[u8], failpoints: &Failpoints) -> Result<(), Failure> {
    let target = below(root, path);
    let parent = target.parent().unwrap_or(root).to_path_buf();
    fs::create_dir_all(&parent).map_err(|e| failed("made", &parent, &e))?;
    // One name for one path: what a killed process left is written over.
    let temporary = parent.join(format!("{TEMPORARY}{}", &blake3::hash(path.as_bytes()).to_hex()[..16]));
    let written = (|| {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()
    })();
    if let Err(e) = written {
        // What is there of it is of no use; the failure is told in any case.
        let _ = fs::remove_file(&temporary);
        return Err(failed("written", &temporary, &e));
    }
    failpoints.pass(failpoint::EXPORT_WRITTEN);
    fs::rename(&temporary, &target).map_err(|e| failed("put in its place", &target, &e))?;
    sync_folder(&parent)?;
    failpoints.pass(failpoint::EXPORTED);
    Ok(())
}

/// Removes a file, and the folders that are empty then. A file that is not there
/// is removed already.
pub(super) fn remove(root: &Path, path: &str) -> Result<(), Failure> {
    let target = below(root, path);
    match fs::remove_file(&target) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(failed("removed", &target, &e)),
    }
    let mut folder = target.parent();
    while let Some(parent) = folder.filter(|f| *f != root && f.starts_with(root)) {
        // One that is not empty stays.
        if fs::remove_dir(parent).is_err() {
            return sync_folder(parent);
        }
        folder = parent.parent();
    }
    Ok(())
}

fn below(root: &Path, path: &str) -> PathBuf {
    path.split('/').fold(root.to_path_buf(), |folder, part| folder.join(part))
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> Result<(), Failure> {
    File::open(folder).and_then(|f| f.sync_all()).map_err(|e| failed("written", folder, &e))
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> Result<(), Failure> {
    Ok(())
}

fn failed(what: &str, path: &Path, e: &io::Error) -> Failure {
    let code = match e.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            Code::DiskFull
        }
        _ => Code::Storage,
    };
    Failure::new(code, format!("`{}` cannot be {what}: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_whole_and_leave_no_empty_folder() {
        let root = tempfile::tempdir().unwrap();
        let failpoints = Failpoints::default();
        for path in ["a/b/1.nc", "a/c/2.nc"] {
            write(root.path(), path, path.as_bytes(), &failpoints).unwrap();
        }
        write(root.path(), "a/b/1.nc", b"other", &failpoints).unwrap();
        assert_eq!(fs::read(root.path().join("a/b/1.nc")).unwrap(), b"other");
        remove(root.path(), "a/b/1.nc").unwrap();
        remove(root.path(), "a/b/1.nc").unwrap();
        assert!(!root.path().join("a/b").exists());
        assert!(root.path().join("a/c/2.nc").exists());
        remove(root.path(), "a/c/2.nc").unwrap();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
