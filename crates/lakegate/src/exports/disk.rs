//! Exported files on disk: each is there whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use lakegate_domain::{Code, Failure};

use crate::failpoint::{self, Failpoints};

/// How temporary files begin; no template can make such a name.
const TEMPORARY: &str = ".lakegate-";

/// Threads that write at once: the disk takes as long for a few files as for one.
const AT_ONCE: usize = 8;

/// Writes files: all of them first under other names beside theirs, and to the disk
/// itself, then each in its place.
pub(super) fn write(root: &Path, files: &[(&str, &[u8])], failpoints: &Failpoints) -> Result<(), Failure> {
    let temporaries: Vec<PathBuf> = files.iter().map(|(path, _)| temporary(root, path)).collect();
    let mut folders: Vec<&Path> = temporaries.iter().filter_map(|t| t.parent()).collect();
    folders.sort_unstable();
    folders.dedup();
    for folder in &folders {
        fs::create_dir_all(folder).map_err(|e| failed("made", folder, &e))?;
    }
    let next = AtomicUsize::new(0);
    let write_some = || -> Result<(), Failure> {
        while let Some((at, (_, bytes))) =
            Some(next.fetch_add(1, Relaxed)).and_then(|n| Some((n, files.get(n)?)))
        {
            let there = &temporaries[at];
            File::create(there)
                .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
                .map_err(|e| failed("written", there, &e))?;
        }
        Ok(())
    };
    let written = thread::scope(|scope| {
        let writers: Vec<_> = (0..files.len().min(AT_ONCE)).map(|_| scope.spawn(write_some)).collect();
        let ended = writers.into_iter().map(|w| w.join().unwrap_or_else(|e| resume_unwind(e)));
        ended.collect::<Vec<_>>().into_iter().collect::<Result<(), Failure>>()
    });
    if let Err(failure) = written {
        // What is there of them is of no use; the failure is told in any case.
        temporaries.iter().for_each(|t| drop(fs::remove_file(t)));
        return Err(failure);
    }
    failpoints.pass(failpoint::EXPORT_WRITTEN);
    for (there, (path, _)) in temporaries.iter().zip(files) {
        let target = below(root, path);
        fs::rename(there, &target).map_err(|e| failed("put in its place", &target, &e))?;
    }
    for folder in folders {
        sync_folder(folder)?;
    }
    failpoints.pass(failpoint::EXPORTED);
    Ok(())
}

/// One name for one path: what a killed process left is written over.
fn temporary(root: &Path, path: &str) -> PathBuf {
    let name = format!("{TEMPORARY}{}", &blake3::hash(path.as_bytes()).to_hex()[..16]);
    below(root, path).parent().unwrap_or(root).join(name)
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
        let paths: Vec<String> = (3..40).map(|n| format!("a/b/{n}.svg")).collect();
        let mut files: Vec<(&str, &[u8])> = vec![("a/b/1.nc", b"one"), ("a/c/2.nc", b"two")];
        files.extend(paths.iter().map(|p| (p.as_str(), p.as_bytes())));
        write(root.path(), &files, &failpoints).unwrap();
        for (path, bytes) in files {
            assert_eq!(fs::read(root.path().join(path)).unwrap(), bytes, "{path}");
        }
        paths.iter().for_each(|path| remove(root.path(), path).unwrap());
        write(root.path(), &[("a/b/1.nc", b"other")], &failpoints).unwrap();
        assert_eq!(fs::read(root.path().join("a/b/1.nc")).unwrap(), b"other");
        remove(root.path(), "a/b/1.nc").unwrap();
        remove(root.path(), "a/b/1.nc").unwrap();
        assert!(!root.path().join("a/b").exists());
        assert!(root.path().join("a/c/2.nc").exists());
        remove(root.path(), "a/c/2.nc").unwrap();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
