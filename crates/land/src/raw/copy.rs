//! A large file's bytes into the store: read once, hashed, perhaps compressed
//! and written on the way, while what was written before is already on its way
//! to the disk.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::mpsc::{SyncSender, sync_channel};

/// How much is read, hashed and written at a time. Compressed, it is a frame of
/// its own.
const BLOCK: usize = 2 << 20;
/// After how many blocks the disk is asked to keep what it has been given.
const SYNC_EVERY: usize = 16;
/// Fast, and text still takes a fraction of its size.
const LEVEL: i32 = 1;
/// Blocks that are compressed at the same time, at most.
const MAX_ABREAST: usize = 8;

/// Which end of a copy failed.
#[derive(Debug)]
pub(crate) enum Failed {
    Reading(io::Error),
    Writing(io::Error),
}

/// What was read.
#[derive(Debug)]
pub(crate) struct Copied {
    /// blake3 of the bytes, in hexadecimal.
    pub fingerprint: String,
    /// How many they were, before they were compressed.
    pub n_bytes: u64,
}

/// Whether the file's first bytes take less than half of their room compressed.
/// The file is left at its beginning.
pub(crate) fn pays(file: &File) -> io::Result<bool> {
    let mut head = vec![0; BLOCK];
    let n = fill(file, &mut head)?;
    io::Seek::rewind(&mut &*file)?;
    Ok(zstd::bulk::compress(&head[..n], LEVEL)?.len() < n / 2)
}

/// Copies `from` into the empty file `to`, as Zstandard frames if asked to, and
/// makes it durable.
///
/// Where the file system can share the bytes of two files nothing is copied, if
/// they are to stay as they are.
pub(crate) fn copy(from: &File, to: &File, compress: bool) -> Result<Copied, Failed> {
    if !compress && share(from, to) {
        to.sync_all().map_err(Failed::Writing)?;
        let fingerprint = super::fingerprint(to).map_err(Failed::Writing)?;
        let n_bytes = to.metadata().map_err(Failed::Writing)?.len();
        return Ok(Copied { fingerprint, n_bytes });
    }
    // Only one request waits: the next sync covers whatever came meanwhile.
    let (wish, wishes) = sync_channel::<()>(1);
    std::thread::scope(|scope| {
        let syncing = scope.spawn(move || wishes.iter().try_for_each(|()| to.sync_data()));
        let mut pass = Pass { from, to, wish, hasher: blake3::Hasher::new(), n_bytes: 0, n_written: 0 };
        let copied = if compress { pass.compressed() } else { pass.plain() };
        let Pass { wish, hasher, n_bytes, .. } = pass;
        drop(wish);
        let synced = syncing.join().unwrap_or_else(|_| Err(io::Error::other("syncing panicked")));
        copied?;
        synced.and_then(|()| to.sync_all()).map_err(Failed::Writing)?;
        Ok(Copied { fingerprint: hasher.finalize().to_string(), n_bytes })
    })
}

/// One pass over the bytes.
struct Pass<'a> {
    from: &'a File,
    to: &'a File,
    wish: SyncSender<()>,
    hasher: blake3::Hasher,
    n_bytes: u64,
    n_written: usize,
}

impl Pass<'_> {
    fn plain(&mut self) -> Result<(), Failed> {
        let mut block = vec![0; BLOCK];
        loop {
            let n = self.read(&mut block)?;
            if n == 0 {
                return Ok(());
            }
            self.write(&block[..n])?;
        }
    }

    /// While some blocks are compressed, the next ones are read.
    fn compressed(&mut self) -> Result<(), Failed> {
        let abreast = std::thread::available_parallelism().map_or(1, |n| n.get().min(MAX_ABREAST));
        let mut read = self.read_some(abreast, Vec::new())?;
        let mut spare = Vec::new();
        while !read.is_empty() {
            let frames = std::thread::scope(|scope| {
                let working: Vec<_> =
                    read.iter().map(|block| scope.spawn(|| zstd::bulk::compress(block, LEVEL))).collect();
                let next = self.read_some(abreast, std::mem::take(&mut spare));
                let done = working
                    .into_iter()
                    .map(|w| w.join().unwrap_or_else(|_| Err(io::Error::other("compressing panicked"))));
                (done.collect::<io::Result<Vec<_>>>(), next)
            });
            let (frames, next) = frames;
            for frame in frames.map_err(Failed::Writing)? {
                self.write(&frame)?;
            }
            spare = std::mem::replace(&mut read, next?);
        }
        Ok(())
    }

    /// The next blocks, in buffers that are used again.
    fn read_some(&mut self, n: usize, mut spare: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Failed> {
        let mut blocks = Vec::with_capacity(n);
        for _ in 0..n {
            let mut block = spare.pop().unwrap_or_default();
            block.resize(BLOCK, 0);
            let n = self.read(&mut block)?;
            if n == 0 {
                break;
            }
            block.truncate(n);
            blocks.push(block);
        }
        Ok(blocks)
    }

    fn read(&mut self, block: &mut [u8]) -> Result<usize, Failed> {
        let n = fill(self.from, block).map_err(Failed::Reading)?;
        self.hasher.update(&block[..n]);
        self.n_bytes += n as u64;
        Ok(n)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failed> {
        let mut to = self.to;
        to.write_all(bytes).map_err(Failed::Writing)?;
        self.n_written += 1;
        if self.n_written.is_multiple_of(SYNC_EVERY) {
            let _ = self.wish.try_send(());
        }
        Ok(())
    }
}

/// Reads until the buffer is full or the file ends.
fn fill(mut from: &File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut n = 0;
    while n < buffer.len() {
        match from.read(&mut buffer[n..]) {
            Ok(0) => break,
            Ok(more) => n += more,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(n)
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
    fn the_fingerprint_is_that_of_what_was_read() {
        let folder = tempfile::tempdir().unwrap();
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut rng = fastrand::Rng::with_seed(seed);
        for n in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, BLOCK * (SYNC_EVERY + 2) + 3] {
            let bytes: Vec<u8> = std::iter::repeat_with(|| rng.u8(b'0'..=b'9')).take(n).collect();
            let (from, to) = (folder.path().join("from"), folder.path().join("to"));
            fs::write(&from, &bytes).unwrap();
            // No bytes are no frame; `pays` says no.
            for compress in [false, n > 0] {
                let told = copy(&File::open(&from).unwrap(), &File::create(&to).unwrap(), compress).unwrap();
                assert_eq!(told.fingerprint, blake3::hash(&bytes).to_string(), "{n}");
                assert_eq!(told.n_bytes, n as u64);
                let stored = fs::read(&to).unwrap();
                let back = if compress { zstd::decode_all(&stored[..]).unwrap() } else { stored };
                assert!(back == bytes, "{n} {compress}");
            }
        }
    }

    #[test]
    fn compressing_pays_for_text_and_not_for_noise() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut rng = fastrand::Rng::with_seed(1);
        for (bytes, want) in [
            ("2026-01-01,12.5,north\n".repeat(5000).into_bytes(), true),
            (std::iter::repeat_with(|| rng.u8(..)).take(100_000).collect(), false),
            (Vec::new(), false),
        ] {
            fs::write(&path, &bytes).unwrap();
            let file = File::open(&path).unwrap();
            assert_eq!(pays(&file).unwrap(), want);
            let mut again = Vec::new();
            (&file).read_to_end(&mut again).unwrap();
            assert!(again == bytes, "the file is at its beginning");
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
        let read_only = File::open(&to).unwrap();
        for compress in [false, true] {
            assert!(matches!(copy(&write_only, &writable, compress), Err(Failed::Reading(_))));
            let readable = File::open(&from).unwrap();
            assert!(matches!(copy(&readable, &read_only, compress), Err(Failed::Writing(_))));
        }
    }
}
