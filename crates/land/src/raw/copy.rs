//! A large file's bytes into the store: read once, hashed and written on the
//! way, while what was written before is already on its way to the disk.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::mpsc::sync_channel;

/// How much is read, hashed and written at a time.
const CHUNK: usize = 1 << 20;
/// After how many chunks the disk is asked to keep what it has been given.
const SYNC_EVERY: usize = 32;

/// Which end of a copy failed.
#[derive(Debug)]
pub(crate) enum Failed {
    Reading(io::Error),
    Writing(io::Error),
}

/// Copies `from` into the empty file `to` and makes it durable. Answers the
/// bytes' blake3 fingerprint in hexadecimal.
///
/// Where the file system can share the bytes of two files nothing is copied.
pub(crate) fn copy(from: &File, to: &File) -> Result<String, Failed> {
    if share(from, to) {
        to.sync_all().map_err(Failed::Writing)?;
        return super::fingerprint(to).map_err(Failed::Writing);
    }
    // Only one request waits: the next sync covers whatever came meanwhile.
    let (wish, wishes) = sync_channel::<()>(1);
    std::thread::scope(|scope| {
        let syncing = scope.spawn(move || wishes.iter().try_for_each(|()| to.sync_data()));
        let copied = pass(from, to, &|| {
            let _ = wish.try_send(());
        });
        drop(wish);
        let synced = syncing.join().unwrap_or_else(|_| Err(io::Error::other("syncing panicked")));
        let fingerprint = copied?;
        synced.and_then(|()| to.sync_all()).map_err(Failed::Writing)?;
        Ok(fingerprint)
    })
}

/// One pass over the bytes; `so_far` is called now and then.
fn pass(mut from: &File, mut to: &File, so_far: &dyn Fn()) -> Result<String, Failed> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; CHUNK];
    for n_chunks in 1usize.. {
        let n = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(Failed::Reading(e)),
        };
        hasher.update(&buffer[..n]);
        to.write_all(&buffer[..n]).map_err(Failed::Writing)?;
        if n_chunks.is_multiple_of(SYNC_EVERY) {
            so_far();
        }
    }
    Ok(hasher.finalize().to_string())
}

#[cfg(target_os = "linux")]
fn share(from: &File, to: &File) -> bool {
    rustix::fs::ioctl_ficlone(to, from).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn share(_: &File, _: &File) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_fingerprint_is_that_of_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut rng = fastrand::Rng::with_seed(seed);
        for n in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, CHUNK * (SYNC_EVERY + 2) + 3] {
            let bytes: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(n).collect();
            let (from, to) = (folder.path().join("from"), folder.path().join("to"));
            fs::write(&from, &bytes).unwrap();
            let told = copy(&File::open(&from).unwrap(), &File::create(&to).unwrap()).unwrap();
            assert_eq!(told, blake3::hash(&bytes).to_string(), "{n}");
            assert!(fs::read(&to).unwrap() == bytes, "{n}");
        }
    }

    #[test]
    fn a_copy_that_fails_says_which_end_did() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::write(&from, b"1234").unwrap();
        let writable = File::create(&to).unwrap();
        // A file that is not open for it cannot be read, and one that is not open
        // for it cannot be written.
        let write_only = File::options().write(true).open(&from).unwrap();
        assert!(matches!(copy(&write_only, &writable), Err(Failed::Reading(_))));
        let read_only = File::open(&to).unwrap();
        assert!(matches!(copy(&File::open(&from).unwrap(), &read_only), Err(Failed::Writing(_))));
    }
}
