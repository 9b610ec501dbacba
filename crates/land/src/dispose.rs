//! What becomes of a landed file once the ledger has accepted it: its bytes are
//! the lake's own by then, whether its rows are in a table yet or not.
//!
//! The landing zone belongs to somebody else. A file is removed from it only if
//! it still is the one that was received, and a landing zone that may not be
//! written to is a warning, never a failure.

use std::fs::{self, File, Metadata};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use lakegate_domain::DatasetName;
use lakegate_domain::model::After;

use crate::disk::{PART, create_folder, from_unix_ns, mtime_ns, sync_folder};
use crate::list::Seen;

/// What became of the landed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposed {
    /// It stays, as the dataset says.
    Kept,
    Deleted,
    /// It lies here now.
    Archived(PathBuf),
    /// Another version has taken its place, which was left alone.
    Superseded,
    /// Somebody had removed it already.
    Gone,
}

/// Where a dataset's files are archived at `now`:
/// `<storage>/archive/<team>/<dataset>/<yyyy-mm-dd>`, the day in UTC.
pub fn archive_folder(storage: &Path, dataset: &DatasetName, now: SystemTime) -> PathBuf {
    let day = jiff::Timestamp::try_from(now).unwrap_or_default().strftime("%Y-%m-%d").to_string();
    storage.join("archive").join(&dataset.team).join(&dataset.dataset).join(day)
}

/// Keeps, deletes or archives a landed file after the ledger accepted it.
///
/// `seen` is what [`crate::Received`] told. An archived file keeps its path below
/// `archive_folder`, with `.2`, `.3`, … behind its name where that is taken; no
/// archived file is ever overwritten.
///
/// Between the last look and the removal lies a moment in which a writer may
/// replace the file; no file system closes it. Writers that rename into place
/// under a new name are never affected.
///
/// # Errors
/// A warning for people: the file stays where it is, and no harm is done.
pub fn dispose(seen: &Seen, after: After, archive_folder: &Path) -> Result<Disposed, String> {
    if after == After::Keep {
        return Ok(Disposed::Kept);
    }
    let landed = &seen.os_path;
    let metadata = match fs::metadata(landed) {
        Ok(metadata) => metadata,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Disposed::Gone),
        Err(e) => return Err(format!("`{}` was loaded but cannot be looked at: {e}", landed.display())),
    };
    if !is_as_seen(seen, &metadata) {
        return Ok(Disposed::Superseded);
    }
    match after {
        After::Keep => Ok(Disposed::Kept),
        After::Delete => remove(landed).map(|()| Disposed::Deleted).map_err(|e| {
            format!(
                "`{}` was loaded but cannot be deleted: {e}; allow it, or set `after: keep`",
                landed.display()
            )
        }),
        After::Archive => archive(seen, archive_folder).map_err(|e| {
            format!(
                "`{}` was loaded but cannot be moved to `{}`: {e}; allow it, or set `after: keep`",
                landed.display(),
                archive_folder.display()
            )
        }),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn is_as_seen(seen: &Seen, metadata: &Metadata) -> bool {
    metadata.is_file() && metadata.len() == seen.size_bytes && mtime_ns(metadata) == seen.mtime_ns
}

fn archive(seen: &Seen, archive_folder: &Path) -> io::Result<Disposed> {
    let wanted = archive_folder.join(&seen.path);
    let folder = wanted.parent().unwrap_or(archive_folder);
    create_folder(folder)?;
    // A link's target is not ours to move, so that its bytes are copied.
    let is_link = fs::symlink_metadata(&seen.os_path)?.is_symlink();
    let (archived, is_new) =
        match if is_link { Err(io::ErrorKind::Unsupported.into()) } else { link(&seen.os_path, &wanted) } {
            Ok(found) => found,
            Err(_) => copy(seen, &wanted)?,
        };
    if !is_as_seen(seen, &fs::metadata(&archived)?) {
        // It was replaced since the look before; the newer one stays.
        fs::remove_file(&archived)?;
        return Ok(Disposed::Superseded);
    }
    sync_folder(folder)?;
    if let Err(e) = remove(&seen.os_path) {
        // The file stays where it is, so that its twin would come again with
        // each day.
        if is_new {
            let _ = fs::remove_file(&archived);
        }
        return Err(e);
    }
    Ok(Disposed::Archived(archived))
}

/// Gives the file a second name in the archive, and says whether that is new. A
/// rename would overwrite what is there; a link never does.
fn link(landed: &Path, wanted: &Path) -> io::Result<(PathBuf, bool)> {
    first_free(wanted, |path| match fs::hard_link(landed, path) {
        // Who archived it before, on the same day, was killed before its landed name was removed.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && is_same_file(landed, path)? => Ok(false),
        other => other.map(|()| true),
    })
}

/// Whether two names are of one file.
#[cfg(unix)]
fn is_same_file(one: &Path, other: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let identity = |path: &Path| fs::symlink_metadata(path).map(|m| (m.dev(), m.ino()));
    Ok(identity(one)? == identity(other)?)
}

#[cfg(not(unix))]
fn is_same_file(_: &Path, _: &Path) -> io::Result<bool> {
    Ok(false)
}

/// Copies where linking is impossible, as between file systems.
fn copy(seen: &Seen, wanted: &Path) -> io::Result<(PathBuf, bool)> {
    let mut part = wanted.as_os_str().to_owned();
    part.push(PART);
    let part = PathBuf::from(part);
    let result = (|| {
        fs::copy(&seen.os_path, &part)?;
        let copied = File::options().append(true).open(&part)?;
        if copied.metadata()?.len() != seen.size_bytes {
            return Err(io::Error::other("it changed while it was copied"));
        }
        copied.set_modified(from_unix_ns(seen.mtime_ns))?;
        copied.sync_all()?;
        first_free(wanted, |path| match fs::hard_link(&part, path) {
            // As above, told by what it holds.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && is_twin(&part, path)? => Ok(false),
            // Some file systems know no links; there, look before the rename.
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists && !path.exists() => {
                fs::rename(&part, path).map(|()| true)
            }
            other => other.map(|()| true),
        })
    })();
    let _ = fs::remove_file(&part);
    result
}

/// Whether two files have the same time and the same bytes.
fn is_twin(one: &Path, other: &Path) -> io::Result<bool> {
    let (a, b) = (fs::metadata(one)?, fs::metadata(other)?);
    if !b.is_file() || (a.len(), mtime_ns(&a)) != (b.len(), mtime_ns(&b)) {
        return Ok(false);
    }
    let (mut a, mut b) = (BufReader::new(File::open(one)?), BufReader::new(File::open(other)?));
    loop {
        let (x, y) = (a.fill_buf()?, b.fill_buf()?);
        let n = x.len().min(y.len());
        if n == 0 || x[..n] != y[..n] {
            return Ok(x.is_empty() && y.is_empty());
        }
        a.consume(n);
        b.consume(n);
    }
}

/// Tries `wanted`, then `wanted.2`, `wanted.3`, … until one is not taken.
fn first_free(
    wanted: &Path,
    mut attempt: impl FnMut(&Path) -> io::Result<bool>,
) -> io::Result<(PathBuf, bool)> {
    for n in 1_u32.. {
        let path = if n == 1 {
            wanted.to_path_buf()
        } else {
            let mut numbered = wanted.as_os_str().to_owned();
            numbered.push(format!(".{n}"));
            numbered.into()
        };
        match attempt(&path) {
            Ok(is_new) => return Ok((path, is_new)),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_keeps_bytes_and_time_and_never_overwrites() {
        let folder = tempfile::tempdir().unwrap();
        let landed = folder.path().join("a.csv");
        fs::write(&landed, "new").unwrap();
        let wanted = folder.path().join("kept.csv");
        fs::write(&wanted, "older").unwrap();
        let seen = Seen {
            path: "a.csv".into(),
            os_path: landed,
            size_bytes: 3,
            mtime_ns: 1_700_000_000_000_000_000,
        };

        let (path, is_new) = copy(&seen, &wanted).unwrap();
        assert!(is_new);
        assert_eq!(path, folder.path().join("kept.csv.2"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(mtime_ns(&fs::metadata(&path).unwrap()), seen.mtime_ns);
        assert_eq!(fs::read_to_string(&wanted).unwrap(), "older");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);

        // Killed before the landed name was removed, it is copied once more.
        assert_eq!(copy(&seen, &wanted).unwrap(), (path, false));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        fs::write(&seen.os_path, "NEW").unwrap();
        assert_eq!(copy(&seen, &wanted).unwrap(), (folder.path().join("kept.csv.3"), true));
    }

    #[test]
    fn a_file_that_lies_in_the_archive_already_is_not_archived_again() {
        let folder = tempfile::tempdir().unwrap();
        let (landed, archive) = (folder.path().join("a.csv"), folder.path().join("archive"));
        fs::create_dir(&archive).unwrap();
        fs::write(archive.join("a.csv"), "older").unwrap();
        fs::write(&landed, "new").unwrap();
        // As a kill between the link and the removal leaves it.
        fs::hard_link(&landed, archive.join("a.csv.2")).unwrap();
        let mtime_ns = mtime_ns(&fs::metadata(&landed).unwrap());
        let seen = Seen { path: "a.csv".into(), os_path: landed.clone(), size_bytes: 3, mtime_ns };
        let disposed = dispose(&seen, After::Archive, &archive).unwrap();
        assert_eq!(disposed, Disposed::Archived(archive.join("a.csv.2")));
        assert!(!landed.exists());
        assert_eq!(fs::read_dir(&archive).unwrap().count(), 2);
    }
}
