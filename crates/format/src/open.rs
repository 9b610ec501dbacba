//! The way in: a landed file becomes record streams, chunk by chunk.
//!
//! Reading is sequential and cheap: it peels containers, picks members and
//! finds where records end. What takes time, parsing a chunk's text, is a pure
//! function of the chunk and runs on any thread: [`TextChunk::parse`].
//!
//! Memory is bounded whatever a file's size: a chunk is at most the larger of
//! [`CHUNK_BYTES`] and the cap of one record.

mod chunk;
mod documents;
mod identify;
mod pick;
mod recognise;

use std::fs::File;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::Bytes;
use lakegate_domain::Code;
use lakegate_domain::model::Read;

pub(crate) use chunk::Grammar;
pub use chunk::TextChunk;
use documents::{Documents, Records};
pub use identify::{Identified, identify};

use crate::container::{Blob, Input, Peeler};
use crate::error::{Error, Result};

/// Size that text chunks aim for.
pub const CHUNK_BYTES: usize = 1 << 20;

/// The bytes of a landed file.
#[derive(Clone, Debug)]
pub enum Source {
    Bytes(Bytes),
    File(PathBuf),
    /// The file lies there as Zstandard frames, in which nothing can be sought.
    Zstd {
        path: PathBuf,
        /// Of the file itself; ratios are measured by it.
        size_bytes: u64,
    },
}

/// Where a chunk's rows come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Name of the record stream, where the dataset declares several.
    pub name: Option<String>,
    /// Path of the member inside its archive; members of archives inside
    /// archives are `outer.zip/inner.csv`.
    pub member: Option<String>,
    /// Column and unit, from a CSV file's row of units or the attributes of
    /// netCDF variables.
    pub units: Vec<(String, String)>,
    /// The format's word in the configuration: `csv`, `gtfs_rt`, ….
    pub format: &'static str,
}

/// Rows, either still text or already typed.
#[derive(Clone, Debug)]
pub enum Payload {
    Text(TextChunk),
    Typed(RecordBatch),
}

/// Some consecutive rows of one stream.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// The same `Arc` for all chunks of one member.
    pub stream: Arc<Stream>,
    pub payload: Payload,
}

/// Opens a landed file.
///
/// `file_name` is the name as it landed; it says what the file is where
/// `read.format` does not. `spool` is a folder for unnamed temporary files, for
/// what needs seeking inside of what cannot be sought in.
///
/// Every document yields at least one chunk, possibly without rows, so that its
/// columns are known. Errors name the member, line or row.
pub fn open(source: Source, file_name: &str, read: &Read, spool: &Path) -> Result<Reader> {
    open_with(source, file_name, read, spool, CHUNK_BYTES)
}

/// As [`open`], with another size of chunks. What the rows are does not depend
/// on it.
pub fn open_with(
    source: Source,
    file_name: &str,
    read: &Read,
    spool: &Path,
    chunk_bytes: usize,
) -> Result<Reader> {
    guarded(|| {
        let (input, size_bytes) = match source {
            Source::Bytes(bytes) => (Input::Blob(Blob::from(bytes.clone())), bytes.len() as u64),
            Source::File(path) => {
                let blob = Blob::open(&path)?;
                let size_bytes = blob.size();
                (Input::Blob(blob), size_bytes)
            }
            Source::Zstd { path, size_bytes } => {
                let frames = zstd::Decoder::new(File::open(&path)?)?;
                (Input::Stream(Box::new(frames)), size_bytes)
            }
        };
        let peeler = Peeler::new(read.caps, size_bytes, spool);
        let documents = Documents::open(input, file_name, read, peeler, chunk_bytes.max(1))?;
        Ok(Reader { documents, current: None, skips_empty: false, done: false })
    })
}

/// Yields a file's chunks in the file's order. Ends after the first error.
pub struct Reader {
    documents: Documents,
    current: Option<(Arc<Stream>, Records)>,
    /// Whether members without records are passed over.
    skips_empty: bool,
    done: bool,
}

impl Reader {
    /// Members of archives that hold no records, not even a header, are passed
    /// over instead of being an error.
    pub fn skip_empty_members(mut self) -> Self {
        self.skips_empty = true;
        self
    }

    fn advance(&mut self) -> Result<Option<Chunk>> {
        loop {
            let Some((stream, records)) = &mut self.current else {
                match self.documents.next() {
                    Ok(Some(next)) => self.current = Some(next),
                    Ok(None) => return Ok(None),
                    Err(e) if self.skips_empty && self.documents.is_empty_member(&e) => {}
                    Err(e) => return Err(e),
                }
                continue;
            };
            match records.next() {
                Ok(Some((own, mut payload))) => {
                    let stream = own.as_ref().unwrap_or(stream);
                    if let Payload::Text(chunk) = &mut payload {
                        chunk.belongs_to(stream);
                    }
                    return Ok(Some(Chunk { stream: stream.clone(), payload }));
                }
                Ok(None) => self.current = None,
                Err(e) if self.skips_empty && self.documents.is_empty_member(&e) => self.current = None,
                Err(e) => return Err(within(e, stream.member.as_deref())),
            }
        }
    }
}

impl Iterator for Reader {
    type Item = Result<Chunk>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = guarded(|| self.advance()).transpose();
        self.done = !matches!(next, Some(Ok(_)));
        next
    }
}

/// Says in which member it happened, if there are members.
fn within(error: Error, member: Option<&str>) -> Error {
    match member {
        Some(member) => error.within(member),
        None => error,
    }
}

/// Makes a panic an LG901 of this file: the libraries that formats are read with
/// do not expect every way in which a file can be damaged, and other files must
/// not suffer from it. What panicked is not used again.
fn guarded<T>(read: impl FnOnce() -> Result<T>) -> Result<T> {
    std::panic::catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<&str>().copied();
        let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Err(Error::new(
            Code::Bug,
            format!(
                "the reader gave up on what it did not expect: {}; the file is probably damaged",
                said.unwrap_or("it did not say what")
            ),
        ))
    })
}
