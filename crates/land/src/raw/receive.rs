//! Makes landed bytes the lake's own.
//!
//! After a file was received, whatever happens to it in the landing zone can no
//! longer change what the lake holds. Nothing in the landing zone is moved or
//! removed here: the ledger has not heard of the file yet.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use lakegate_domain::model::After;
use lakegate_domain::{Code, DatasetName, Failure};

use super::copy::{self, Copied, Failed};
use super::pack::PackBuilder;
use super::{Method, RawPlace, RawStore, SMALL_FILE_BYTES, fingerprint, names};
use crate::disk::{self, Staged, mtime_ns};
use crate::list::Seen;

/// A settled file that a dataset takes.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    pub dataset: &'a DatasetName,
    pub seen: Seen,
    /// Where the landed file goes away a large one is linked instead of copied:
    /// see [`RawStore::receive`].
    pub after: After,
    /// Whether it is text that is read from its beginning to its end, so that a
    /// large one may be kept compressed.
    pub is_text: bool,
}

/// A file whose bytes are safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Size and time as they were while it was read.
    pub seen: Seen,
    /// blake3 of its bytes, in hexadecimal.
    pub fingerprint: String,
    pub raw: RawPlace,
}

/// What became of one wanted file.
pub type Outcome = Result<Received, (Seen, Failure)>;

impl RawStore {
    /// Reads each file of a batch and stores its bytes durably. The answers are
    /// in the batch's order, and one file's failure is no other's.
    ///
    /// Small files of one dataset go into common packs. Memory is bounded by one
    /// pack, whatever the batch. A large file is copied (by reference where the
    /// file system can), or hard-linked where the landed one is archived or
    /// deleted right after: a link costs nothing, but somebody who overwrites the
    /// landed file *in place* overwrites the raw bytes as well, so it is made only
    /// where that name goes away. [`RawStore::open_verified`] sees what a writer
    /// that still held it open has done. Where bytes are copied text is compressed
    /// on the way: it takes a fraction of the room, and of the time to write it.
    ///
    /// | a file that                                      | fails with   |
    /// |--------------------------------------------------|--------------|
    /// | is not, or not for long, what the listing saw    | LG202        |
    /// | has vanished                                     | LG202        |
    /// | may not be read, or is no file                   | LG203        |
    /// | finds no room in the store                       | LG601        |
    /// | finds the store failing otherwise                | LG602        |
    pub fn receive(&self, batch: Vec<Wanted<'_>>) -> Vec<Outcome> {
        let mut outcomes: Vec<Option<Outcome>> = batch.iter().map(|_| None).collect();
        let mut order: Vec<usize> = (0..batch.len()).collect();
        order.sort_by_key(|&i| batch[i].dataset); // stable: a pack keeps the batch's order

        let mut bytes = Vec::new();
        for same_dataset in order.chunk_by(|&a, &b| batch[a].dataset == batch[b].dataset) {
            let mut open = OpenPack::new();
            for &i in same_dataset {
                let Wanted { dataset, seen, after, is_text } = &batch[i];
                if seen.size_bytes >= SMALL_FILE_BYTES {
                    outcomes[i] = Some(
                        self.receive_large(dataset, seen, *after, *is_text, || ())
                            .map_err(|failure| (seen.clone(), failure)),
                    );
                    continue;
                }
                match read_small(seen, &mut bytes, || ()) {
                    Err(failure) => outcomes[i] = Some(Err((seen.clone(), failure))),
                    Ok(fingerprint) => {
                        if let Err(failure) = open.add(i, seen, fingerprint, &bytes) {
                            outcomes[i] = Some(Err((seen.clone(), failure)));
                        }
                        if open.pack.is_full() {
                            let full = std::mem::replace(&mut open, OpenPack::new());
                            self.close(dataset, full, &mut outcomes);
                        }
                    }
                }
            }
            if let Some(&first) = same_dataset.first() {
                self.close(batch[first].dataset, open, &mut outcomes);
            }
        }
        outcomes.into_iter().map(|o| o.expect("every file of the batch was answered")).collect()
    }

    /// Writes a pack and answers for all the files in it, which share its fate.
    fn close(&self, dataset: &DatasetName, open: OpenPack, outcomes: &mut [Option<Outcome>]) {
        if open.files.is_empty() {
            return;
        }
        match self.write_pack(dataset, open.pack) {
            Ok(places) => {
                for ((i, seen, fingerprint), place) in open.files.into_iter().zip(places) {
                    outcomes[i] = Some(Ok(Received { seen, fingerprint, raw: place }));
                }
            }
            Err(failure) => {
                for (i, seen, _) in open.files {
                    outcomes[i] = Some(Err((seen, failure.clone())));
                }
            }
        }
    }

    fn write_pack(&self, dataset: &DatasetName, pack: PackBuilder) -> Result<Vec<RawPlace>, Failure> {
        let (bytes, places) = pack.finish().map_err(|e| {
            Failure::new(Code::Bug, format!("a pack of {dataset} cannot be put together: {e}"))
        })?;
        let (day, folder) = self.day_folder(dataset)?;
        let name = names::new_pack();
        let staged = Staged::new(folder.join(&name));
        let write = || {
            let mut file = File::create_new(staged.part())?;
            file.write_all(&bytes)?;
            file.sync_all()
        };
        write().map_err(|e| disk::failure("write the raw bytes to", staged.part(), &e))?;
        staged.publish().map_err(|e| disk::failure("write the raw bytes to", &folder.join(&name), &e))?;
        let pack = format!("{day}/{name}");
        Ok(places
            .into_iter()
            .map(|p| RawPlace {
                pack: pack.clone(),
                offset: p.offset,
                stored_bytes: p.stored_bytes,
                method: p.method,
            })
            .collect())
    }

    /// `meanwhile` runs after the bytes were taken and before the file is looked
    /// at again; tests let it do what a writer would.
    fn receive_large(
        &self,
        dataset: &DatasetName,
        seen: &Seen,
        after: After,
        is_text: bool,
        meanwhile: impl FnOnce(),
    ) -> Result<Received, Failure> {
        let landed = open_landed(seen)?;
        let (day, folder) = self.day_folder(dataset)?;
        let is_compressed =
            is_text && after == After::Keep && copy::pays(&landed).map_err(|e| unreadable(seen, &e))?;
        let name = names::new_whole(&seen.path, if is_compressed { ".zst" } else { "" });
        let staged = Staged::new(folder.join(&name));
        let storage = |e: io::Error| {
            disk::failure(&format!("copy `{}` to", seen.os_path.display()), &folder.join(&name), &e)
        };

        let linked = after != After::Keep && link(&landed, &seen.os_path, staged.part());
        let (ours, copied) = if linked {
            let ours = File::open(staged.part()).map_err(storage)?;
            // It may never have been synced by whoever wrote it.
            ours.sync_all().map_err(storage)?;
            let fingerprint = fingerprint(&ours).map_err(|e| unreadable(seen, &e))?;
            let n_bytes = ours.metadata().map_err(storage)?.len();
            (ours, Copied { fingerprint, n_bytes })
        } else {
            let ours = File::create_new(staged.part()).map_err(storage)?;
            let copied = copy::copy(&landed, &ours, is_compressed).map_err(|failed| match failed {
                Failed::Reading(e) => unreadable(seen, &e),
                Failed::Writing(e) => storage(e),
            })?;
            (ours, copied)
        };
        meanwhile();
        let metadata = ours.metadata().map_err(storage)?;
        let stored_bytes = metadata.len();
        same_as_seen(seen, &landed)?;
        let Copied { fingerprint, n_bytes } = copied;
        if n_bytes != seen.size_bytes {
            return Err(changed(seen, n_bytes));
        }

        staged.publish().map_err(storage)?;
        if !linked {
            // Nobody else has it open: until its times say otherwise it is what was hashed.
            self.remember(folder.join(&name), &metadata);
        }
        let method = if is_compressed { Method::Zstd } else { Method::Whole };
        let raw = RawPlace { pack: format!("{day}/{name}"), offset: 0, stored_bytes, method };
        Ok(Received { seen: seen.clone(), fingerprint, raw })
    }
}

/// A pack that is being filled, and whose files they are.
struct OpenPack {
    pack: PackBuilder,
    /// Position in the batch, the file, its fingerprint.
    files: Vec<(usize, Seen, String)>,
}

impl OpenPack {
    fn new() -> Self {
        Self { pack: PackBuilder::new(), files: Vec::new() }
    }

    fn add(&mut self, i: usize, seen: &Seen, fingerprint: String, bytes: &[u8]) -> Result<(), Failure> {
        self.pack.add(&seen.path, seen.mtime_ns, bytes).map_err(|e| {
            Failure::new(Code::Bug, format!("`{}` cannot be packed: {e}", seen.os_path.display()))
        })?;
        self.files.push((i, seen.clone(), fingerprint));
        Ok(())
    }
}

/// Reads a small file whole into `bytes` and returns its fingerprint.
/// `meanwhile` as in `receive_large`.
fn read_small(seen: &Seen, bytes: &mut Vec<u8>, meanwhile: impl FnOnce()) -> Result<String, Failure> {
    let landed = open_landed(seen)?;
    bytes.clear();
    // One byte more than it should have shows that it grew, and no more is
    // read however much it grew.
    (&landed).take(seen.size_bytes + 1).read_to_end(bytes).map_err(|e| unreadable(seen, &e))?;
    meanwhile();
    same_as_seen(seen, &landed)?;
    if bytes.len() as u64 != seen.size_bytes {
        return Err(changed(seen, bytes.len() as u64));
    }
    Ok(blake3::hash(bytes).to_string())
}

/// Opens a landed file, provided that it is still what the listing saw.
fn open_landed(seen: &Seen) -> Result<File, Failure> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        // A pipe that took the file's place would otherwise be waited for.
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags(libc::O_NONBLOCK);
    }
    let file = options.open(&seen.os_path).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => {
            Failure::new(Code::Changed, format!("`{}` vanished before it was read", seen.os_path.display()))
        }
        _ => unreadable(seen, &e),
    })?;
    same_as_seen(seen, &file)?;
    Ok(file)
}

fn same_as_seen(seen: &Seen, file: &File) -> Result<(), Failure> {
    let metadata = file.metadata().map_err(|e| unreadable(seen, &e))?;
    if !metadata.is_file() {
        let message = format!("`{}` is no longer a file", seen.os_path.display());
        return Err(Failure::new(Code::Unreadable, message));
    }
    if metadata.len() != seen.size_bytes || mtime_ns(&metadata) != seen.mtime_ns {
        return Err(changed(seen, metadata.len()));
    }
    Ok(())
}

fn changed(seen: &Seen, size_bytes: u64) -> Failure {
    let path = seen.os_path.display();
    let message = if size_bytes == seen.size_bytes {
        format!("`{path}` was written to while it was read")
    } else {
        format!("`{path}` had {} bytes when it was listed and {size_bytes} when it was read", seen.size_bytes)
    };
    Failure::new(Code::Changed, message)
}

fn unreadable(seen: &Seen, error: &io::Error) -> Failure {
    Failure::new(Code::Unreadable, format!("`{}` cannot be read: {error}", seen.os_path.display()))
}

/// Gives the opened file a second name; `false` where that cannot be, for
/// whatever reason, and the file is to be copied.
fn link(landed: &File, os_path: &Path, part: &Path) -> bool {
    // A link to a symbolic link would keep only the latter.
    let Ok(real) = fs::canonicalize(os_path) else { return false };
    if fs::hard_link(real, part).is_err() {
        return false;
    }
    let same = match (landed.metadata(), fs::symlink_metadata(part)) {
        (Ok(landed), Ok(linked)) => same_file(&landed, &linked),
        _ => false,
    };
    if !same {
        // Another file took its place between opening and linking.
        let _ = fs::remove_file(part);
    }
    same
}

#[cfg(unix)]
fn same_file(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// Without identities of files nothing can be proved, so that files are copied.
#[cfg(not(unix))]
fn same_file(_: &Metadata, _: &Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::SystemTime;

    use super::*;
    use crate::disk::unix_ns;

    fn landed(folder: &Path, name: &str, bytes: &[u8]) -> Seen {
        let os_path = folder.join(name);
        fs::write(&os_path, bytes).unwrap();
        see(os_path)
    }

    fn see(os_path: PathBuf) -> Seen {
        let metadata = fs::metadata(&os_path).unwrap();
        Seen { path: "a".into(), os_path, size_bytes: metadata.len(), mtime_ns: mtime_ns(&metadata) }
    }

    fn append(path: &Path, bytes: &[u8]) {
        OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
    }

    /// Writes other bytes of the same length, under a time that differs for sure.
    fn overwrite(path: &Path, bytes: &[u8]) {
        fs::write(path, bytes).unwrap();
        let later = SystemTime::now() + std::time::Duration::from_secs(5);
        File::options().write(true).open(path).unwrap().set_modified(later).unwrap();
        assert!(unix_ns(later) > 0);
    }

    #[test]
    fn a_small_file_that_is_written_to_while_it_is_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = Vec::new();
        let seen = landed(folder.path(), "a", b"1234");
        assert!(read_small(&seen, &mut bytes, || ()).is_ok());
        for (name, meddle) in [
            ("grows", (|p: &Path| append(p, b"5")) as fn(&Path)),
            ("shrinks", |p| File::options().write(true).open(p).unwrap().set_len(1).unwrap()),
            ("other bytes", |p| overwrite(p, b"4321")),
        ] {
            let seen = landed(folder.path(), name, b"1234");
            let failure = read_small(&seen, &mut bytes, || meddle(&seen.os_path)).unwrap_err();
            assert_eq!(failure.code, Code::Changed, "{name}");
            assert!(failure.message.contains(name), "{failure}");
        }
    }

    #[test]
    fn a_small_file_that_is_replaced_while_it_is_read_is_what_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = Vec::new();
        let seen = landed(folder.path(), "a", b"1234");
        let other = landed(folder.path(), "b", b"56789");
        let fingerprint =
            read_small(&seen, &mut bytes, || fs::rename(&other.os_path, &seen.os_path).unwrap());
        assert_eq!(fingerprint.unwrap(), blake3::hash(b"1234").to_string());
        assert_eq!(bytes, b"1234");
    }

    #[test]
    fn a_large_file_that_changes_is_refused_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = RawStore::open(folder.path().join("raw")).unwrap();
        let dataset = DatasetName::new("t", "d");
        let big = vec![7; SMALL_FILE_BYTES as usize + 3];
        for after in [After::Keep, After::Archive] {
            for meddle in [(|p: &Path| append(p, b"5")) as fn(&Path), |p| {
                overwrite(p, &vec![8; SMALL_FILE_BYTES as usize + 3]);
            }] {
                let seen = landed(folder.path(), "a", &big);
                let meanwhile = || meddle(&seen.os_path);
                let failure = store.receive_large(&dataset, &seen, after, false, meanwhile).unwrap_err();
                assert_eq!(failure.code, Code::Changed);
                let (_, day) = store.day_folder(&dataset).unwrap();
                assert_eq!(fs::read_dir(day).unwrap().count(), 0, "{after:?}");
            }
        }
    }

    #[test]
    fn a_link_is_never_made_to_a_file_that_took_the_place() {
        let folder = tempfile::tempdir().unwrap();
        let seen = landed(folder.path(), "a", b"1234");
        let opened = open_landed(&seen).unwrap();
        let other = landed(folder.path(), "b", b"5678");
        fs::rename(&other.os_path, &seen.os_path).unwrap();
        let part = folder.path().join("x.part");
        assert!(!link(&opened, &seen.os_path, &part));
        assert!(!part.exists());
    }
}
