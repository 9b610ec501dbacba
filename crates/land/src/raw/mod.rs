//! The raw store: every received file's bytes, unchanged, so that any table can
//! be rebuilt from them.
//!
//! Below its folder lie `<team>/<dataset>/<yyyy-mm-dd>/`, the day (UTC) of
//! receipt, and in them
//! - `<uuid>.zip`, a *pack* of small files: a plain zip that any tool opens, of
//!   which Lakegate itself needs only the places that the ledger remembers;
//! - `<uuid>-<name>`, one large file as it landed, or `<uuid>-<name>.zst`, one of
//!   text, compressed so that `zstd -d` gives it back.
//!
//! The ids are UUIDs of version 7: they sort by time and carry it. What is
//! written is never changed again. The store does not know which of its packs
//! the ledger refers to; whoever removes something must.

mod copy;
mod names;
mod pack;
pub(crate) mod receive;
pub(crate) mod upkeep;

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex};

use flate2::read::DeflateDecoder;
use lakegate_domain::{Code, DatasetName, Failure};

use crate::disk::{self, create_folder};

/// Files below this size share packs; larger ones lie by themselves. It is also
/// how much memory reading one packed file can take.
pub const SMALL_FILE_BYTES: u64 = 4 << 20;

/// How the bytes lie in their pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// As they are, in a pack.
    Stored,
    /// As a raw deflate stream (RFC 1951), in a pack.
    Deflate,
    /// As they are, and the whole of the file.
    Whole,
    /// As Zstandard frames (RFC 8878), and the whole of the file.
    Zstd,
}

impl Method {
    /// The word by which the ledger knows it.
    pub fn name(self) -> &'static str {
        match self {
            Method::Stored => "stored",
            Method::Deflate => "deflate",
            Method::Whole => "whole",
            Method::Zstd => "zstd",
        }
    }

    /// The inverse of [`Method::name`].
    pub fn parse(name: &str) -> Option<Self> {
        [Method::Stored, Method::Deflate, Method::Whole, Method::Zstd].into_iter().find(|m| m.name() == name)
    }
}

/// Where one file's bytes lie in the raw store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RawPlace {
    /// Path below the store, with `/` between its parts.
    pub pack: String,
    /// Of the first byte, within the pack.
    pub offset: u64,
    /// How many bytes of the pack are this file's.
    pub stored_bytes: u64,
    pub method: Method,
}

/// A file's bytes, read back.
#[derive(Clone, PartialEq, Eq)]
pub enum RawBytes {
    /// A small file's; below [`SMALL_FILE_BYTES`].
    Bytes(Vec<u8>),
    /// A large file lies here. It is to be read, never changed.
    File(PathBuf),
    /// A large file lies here as Zstandard frames.
    Zstd(PathBuf),
}

impl fmt::Debug for RawBytes {
    /// Without the bytes, of which there can be millions.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RawBytes::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            RawBytes::File(path) => write!(f, "File({})", path.display()),
            RawBytes::Zstd(path) => write!(f, "Zstd({})", path.display()),
        }
    }
}

impl RawBytes {
    /// The bytes' blake3 fingerprint in hexadecimal. Reads a large file whole,
    /// in small steps.
    pub fn fingerprint(&self) -> io::Result<String> {
        match self {
            RawBytes::Bytes(bytes) => Ok(blake3::hash(bytes).to_string()),
            RawBytes::File(path) => fingerprint(File::open(path)?),
            RawBytes::Zstd(path) => fingerprint(zstd::Decoder::new(File::open(path)?)?),
        }
    }
}

fn fingerprint(bytes: impl Read) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(bytes)?;
    Ok(hasher.finalize().to_string())
}

/// The raw store of one lake. Cheap to clone and to share between threads.
#[derive(Clone, Debug)]
pub struct RawStore {
    folder: PathBuf,
    /// Large files that were copied and hashed just now, until they are opened.
    hashed: Arc<Mutex<HashMap<PathBuf, Identity>>>,
}

/// What tells whether a file is still the one that was looked at: device, inode,
/// size, and when its bytes and its entry changed, in seconds and nanoseconds.
type Identity = (u64, u64, u64, (i64, i64), (i64, i64));

#[cfg(unix)]
fn identity(of: &fs::Metadata) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    Some((of.dev(), of.ino(), of.size(), (of.mtime(), of.mtime_nsec()), (of.ctime(), of.ctime_nsec())))
}

/// Without identities of files nothing can be told.
#[cfg(not(unix))]
fn identity(_: &fs::Metadata) -> Option<Identity> {
    None
}

impl RawStore {
    /// Opens the store in `folder`, creating it where it is missing.
    ///
    /// # Errors
    /// LG601 or LG602 where the folder cannot be made.
    pub fn open(folder: PathBuf) -> Result<Self, Failure> {
        create_folder(&folder).map_err(|e| disk::failure("create the raw store", &folder, &e))?;
        Ok(Self::open_to_read(folder))
    }

    /// A store that is only read, and may not be there.
    pub fn open_to_read(folder: PathBuf) -> Self {
        Self { folder, hashed: Arc::default() }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Reads a file's bytes back, straight from their place.
    ///
    /// # Errors
    /// LG204 where the pack is missing, too short or not what the place says.
    /// Bytes that changed without changing their length pass:
    /// [`RawStore::open_verified`] sees those as well.
    pub fn open_raw(&self, place: &RawPlace) -> Result<RawBytes, Failure> {
        let path = self.locate(&place.pack)?;
        let damaged = |why: &dyn std::fmt::Display| raw_failure(&path, why);
        match place.method {
            Method::Whole | Method::Zstd => {
                let metadata = fs::metadata(&path).map_err(|e| damaged(&e))?;
                if metadata.len() != place.stored_bytes {
                    let (now, then) = (metadata.len(), place.stored_bytes);
                    return Err(damaged(&format_args!("it has {now} bytes where {then} were received")));
                }
                Ok(if place.method == Method::Zstd { RawBytes::Zstd(path) } else { RawBytes::File(path) })
            }
            Method::Stored | Method::Deflate => {
                let stored = read_at(&path, place.offset, place.stored_bytes).map_err(|e| damaged(&e))?;
                if place.method == Method::Stored {
                    return Ok(RawBytes::Bytes(stored));
                }
                inflate(&stored).map(RawBytes::Bytes).map_err(|e| damaged(&e))
            }
        }
    }

    /// [`RawStore::open_raw`], and proof that the bytes are those received:
    /// `fingerprint` is the one that [`RawStore::receive`] told. A large file is
    /// read once for it, unless this process has just copied and hashed it and its
    /// times say that it has not been touched since.
    ///
    /// # Errors
    /// LG204 as above, and where the bytes are others.
    pub fn open_verified(&self, place: &RawPlace, fingerprint: &str) -> Result<RawBytes, Failure> {
        let raw = self.open_raw(place)?;
        let path = self.locate(&place.pack)?;
        if matches!(raw, RawBytes::File(_) | RawBytes::Zstd(_)) && self.is_as_hashed(&path) {
            return Ok(raw);
        }
        let found = raw.fingerprint().map_err(|e| raw_failure(&path, &e))?;
        if found != fingerprint {
            let why = format_args!(
                "the bytes from {} have the fingerprint {found} where {fingerprint} were received",
                place.offset
            );
            return Err(raw_failure(&path, &why));
        }
        Ok(raw)
    }

    /// Notes that a file was hashed, and what it looked like then.
    fn remember(&self, path: PathBuf, metadata: &fs::Metadata) {
        // Renaming it has changed its entry, and nothing else.
        let (Some(then), Some(now)) =
            (identity(metadata), fs::metadata(&path).ok().as_ref().and_then(identity))
        else {
            return;
        };
        let ((dev, ino, size, mtime, _), (now_dev, now_ino, now_size, now_mtime, _)) = (then, now);
        if (dev, ino, size, mtime) == (now_dev, now_ino, now_size, now_mtime) {
            self.hashed.lock().expect("no holder panics").insert(path, now);
        }
    }

    /// Whether a file is what it was when it was hashed. Only the first to ask is
    /// told: what is remembered stays small, and a second look is a real one.
    fn is_as_hashed(&self, path: &Path) -> bool {
        let known = self.hashed.lock().expect("no holder panics").remove(path);
        known.is_some() && known == fs::metadata(path).ok().as_ref().and_then(identity)
    }

    /// A pack's own path. A place that leads out of the store is damaged.
    fn locate(&self, pack: &str) -> Result<PathBuf, Failure> {
        let relative = Path::new(pack);
        let inside = relative.components().all(|c| matches!(c, Component::Normal(_)));
        if pack.is_empty() || !inside {
            let message = format!(
                "`{pack}` is no place in the raw store `{}`: the ledger is damaged",
                self.folder.display()
            );
            return Err(Failure::new(Code::RawMissing, message));
        }
        Ok(self.folder.join(relative))
    }

    /// The day's folder of a dataset, relative and absolute, made where missing.
    fn day_folder(&self, dataset: &DatasetName) -> Result<(String, PathBuf), Failure> {
        let day = jiff::Timestamp::now().strftime("%Y-%m-%d");
        let relative =
            format!("{}/{}/{day}", names::safe_part(&dataset.team), names::safe_part(&dataset.dataset));
        let folder = self.folder.join(&relative);
        create_folder(&folder).map_err(|e| disk::failure("create", &folder, &e))?;
        Ok((relative, folder))
    }
}

fn raw_failure(path: &Path, why: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        Code::RawMissing,
        format!("the raw bytes in `{}` cannot be read back: {why}", path.display()),
    )
}

fn read_at(path: &Path, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    if length > SMALL_FILE_BYTES {
        return Err(io::Error::other(format!("a packed file of {length} bytes cannot be")));
    }
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::with_capacity(usize::try_from(length).map_err(io::Error::other)?);
    let n = file.take(length).read_to_end(&mut bytes)?;
    if n as u64 != length {
        return Err(io::Error::other(format!(
            "it ends at {} where {} is expected",
            offset + n as u64,
            offset + length
        )));
    }
    Ok(bytes)
}

fn inflate(stored: &[u8]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(stored.len().saturating_mul(3).min(1 << 20));
    DeflateDecoder::new(stored).take(SMALL_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > SMALL_FILE_BYTES {
        return Err(io::Error::other("it inflates to more than was ever packed"));
    }
    Ok(bytes)
}
