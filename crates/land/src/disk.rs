//! Writing so that it lasts: folders and files that are on the disk when a
//! function returns, and failures of the storage in words.
//!
//! It knows nothing of packs, datasets or landing zones.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lakegate_domain::{Code, Failure};

/// What a file that is still being written is called; a sweep removes those
/// that a crash has left.
pub(crate) const PART: &str = ".part";

/// Nanoseconds since 1970, negative before; held at the ends of `i64` (1677
/// and 2262).
pub(crate) fn unix_ns(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |ns| -ns),
    }
}

/// The inverse of [`unix_ns`].
pub(crate) fn from_unix_ns(ns: i64) -> SystemTime {
    let distance = Duration::from_nanos(ns.unsigned_abs());
    let time = if ns < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) };
    time.unwrap_or(UNIX_EPOCH)
}

/// A file's modification time. Where the platform keeps none it is 1970, so
/// that the size alone decides.
pub(crate) fn mtime_ns(metadata: &Metadata) -> i64 {
    metadata.modified().map_or(0, unix_ns)
}

/// A failure of the lake's own storage: LG601 where it is full, LG602 otherwise.
///
/// `what` completes "cannot …", such as `write`.
pub(crate) fn failure(what: &str, path: &Path, error: &io::Error) -> Failure {
    let code = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            Code::DiskFull
        }
        _ => Code::Storage,
    };
    Failure::new(code, format!("cannot {what} `{}`: {error}", path.display()))
}

/// Makes the names in `folder` survive a power cut.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    // Only Unix opens folders as files, and only there a rename needs it.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Creates a folder and those above it, each durably.
pub(crate) fn create_folder(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Ok(()) => folder.parent().map_or(Ok(()), sync_folder),
        Err(_) if folder.is_dir() => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => match folder.parent() {
            Some(parent) if parent != folder => {
                create_folder(parent)?;
                create_folder(folder)
            }
            _ => Err(e),
        },
        Err(e) => Err(e),
    }
}

/// A file on its way to its name. It is written as `<name>.part` and, unless
/// [`Staged::publish`] was reached, removed again.
pub(crate) struct Staged {
    part: PathBuf,
    target: PathBuf,
    published: bool,
}

impl Staged {
    pub(crate) fn new(target: PathBuf) -> Self {
        let mut part = target.clone().into_os_string();
        part.push(PART);
        Self::at(part.into(), target)
    }

    /// For a part that is written elsewhere on the same file system.
    pub(crate) fn at(part: PathBuf, target: PathBuf) -> Self {
        Self { part, target, published: false }
    }

    /// Where to write.
    pub(crate) fn part(&self) -> &Path {
        &self.part
    }

    /// Gives the file its name, durably. Its contents must have been synced.
    pub(crate) fn publish(mut self) -> io::Result<()> {
        fs::rename(&self.part, &self.target)?;
        self.published = true;
        let synced = self.target.parent().map_or(Ok(()), sync_folder);
        if synced.is_err() {
            // The caller is told that it failed, so nothing may stay.
            let _ = fs::remove_file(&self.target);
        }
        synced
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.published {
            let _ = fs::remove_file(&self.part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_both_ways() {
        for ns in [0, 1, -1, 1_700_000_000_123_456_789, -2_000_000_001] {
            assert_eq!(unix_ns(from_unix_ns(ns)), ns);
        }
    }

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        let path = Path::new("x");
        for (kind, code) in [
            (io::ErrorKind::StorageFull, Code::DiskFull),
            (io::ErrorKind::QuotaExceeded, Code::DiskFull),
            (io::ErrorKind::PermissionDenied, Code::Storage),
        ] {
            assert_eq!(failure("write", path, &kind.into()).code, code);
        }
    }

    #[test]
    fn what_is_not_published_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b/c");
        create_folder(&deep).unwrap();
        create_folder(&deep).unwrap();

        let staged = Staged::new(deep.join("x"));
        fs::write(staged.part(), "half").unwrap();
        drop(staged);
        assert_eq!(fs::read_dir(&deep).unwrap().count(), 0);

        let staged = Staged::new(deep.join("x"));
        fs::write(staged.part(), "whole").unwrap();
        staged.publish().unwrap();
        assert_eq!(fs::read_to_string(deep.join("x")).unwrap(), "whole");
        assert_eq!(fs::read_dir(&deep).unwrap().count(), 1);
    }

    #[test]
    fn a_file_in_a_folders_place_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "").unwrap();
        assert!(create_folder(&folder.path().join("a")).is_err());
        assert!(create_folder(&folder.path().join("a/b")).is_err());
    }
}
