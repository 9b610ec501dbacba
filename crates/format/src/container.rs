//! What bytes are wrapped in: gzip, zstd, zip and tar, nested, recognised by
//! their first bytes and never by a name.
//!
//! Streams stay streams: only what needs seeking (a zip, a Parquet file) is
//! spooled, to memory or to an unnamed temporary file. Nothing is ever written
//! under a member's name. Everything that expands is metered.

mod blob;
mod meter;
mod names;
mod tarred;
mod zipped;

use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use lakegate_domain::Code;
use lakegate_domain::model::Caps;

pub(crate) use blob::{Blob, BlobReader};
use meter::Expanding;
pub(crate) use meter::Meter;
pub(crate) use tarred::TarWalk;
pub(crate) use zipped::ZipWalk;

use crate::encoding::Bytestream;
use crate::error::{Error, Result};

/// How much of an input is looked at to recognise it.
pub(crate) const HEAD_BYTES: usize = 4096;
/// What a spooled input may take of memory before it goes to disk.
const SPOOL_BYTES: usize = 8 << 20;
const PIECE_BYTES: usize = 64 << 10;

/// Bytes that can be sought in, or only read once.
pub(crate) enum Input {
    Blob(Blob),
    Stream(Bytestream),
}

impl Input {
    pub fn into_stream(self) -> Bytestream {
        match self {
            Input::Blob(blob) => Box::new(blob.reader()),
            Input::Stream(stream) => stream,
        }
    }
}

/// What is left once compression is peeled off.
pub(crate) enum Peeled {
    /// Not a container: `head` are its first bytes, `name` what it is called
    /// without the endings of the compressions around it.
    Document {
        head: Bytes,
        input: Input,
        name: String,
    },
    Archive(Walk),
}

/// A walk over an archive's members, in the archive's order.
pub(crate) enum Walk {
    Zip(ZipWalk),
    Tar(TarWalk),
}

impl Walk {
    /// The safe path of the next member that is a file; directories, links and
    /// devices are passed by. `None` after the last one, when the archive has
    /// been read to its end and found whole.
    pub fn next_path(&mut self) -> Result<Option<String>> {
        match self {
            Walk::Zip(walk) => walk.next_path(),
            Walk::Tar(walk) => walk.next_path(),
        }
    }

    /// The bytes of the member that `next_path` named; valid until it is
    /// called again.
    pub fn open(&mut self) -> Result<Input> {
        match self {
            Walk::Zip(walk) => walk.open(),
            Walk::Tar(walk) => walk.open(),
        }
    }
}

/// What peeling needs to know: the caps, what they have been used up by, and
/// where to spool.
#[derive(Debug)]
pub(crate) struct Peeler {
    pub meter: Meter,
    spool: PathBuf,
}

impl Peeler {
    /// `source_bytes`: size of the landed file, which ratios are measured by.
    pub fn new(caps: Caps, source_bytes: u64, spool: &Path) -> Arc<Self> {
        Arc::new(Self { meter: Meter::new(caps, source_bytes), spool: spool.to_path_buf() })
    }

    /// Peels compression off until a document or an archive appears. `depth`
    /// counts the layers around the input and is left at those around the result.
    pub fn peel(self: &Arc<Self>, mut input: Input, name: &str, depth: &mut u32) -> Result<Peeled> {
        let mut name = name.to_string();
        loop {
            let (head, whole) = look(input)?;
            let Some(wrapping) = wrapping(&head) else {
                refuse_unreadable(&head)?;
                return Ok(Peeled::Document { head, input: whole, name });
            };
            *depth += 1;
            if *depth > self.meter.caps().depth {
                return Err(Error::new(
                    Code::TooDeep,
                    format!(
                        "a {} inside {} others: at most {} layers of archives and compression are read; \
                         raise `caps: {{ depth: … }}` if that is meant",
                        wrapping.name(),
                        *depth - 1,
                        self.meter.caps().depth
                    ),
                ));
            }
            input = match wrapping {
                Wrapping::Gzip => {
                    let decoder = flate2::bufread::MultiGzDecoder::new(buffered(whole.into_stream()));
                    name = without_ending(&name, &[("gz", ""), ("tgz", ".tar"), ("gzip", "")]);
                    self.expanding(decoder, "gzip")
                }
                Wrapping::Zstd => {
                    let decoder = zstd::stream::read::Decoder::with_buffer(buffered(whole.into_stream()))
                        .map_err(carried)?;
                    name = without_ending(&name, &[("zst", ""), ("zstd", ""), ("tzst", ".tar")]);
                    self.expanding(decoder, "zstd")
                }
                Wrapping::Zip => {
                    let blob = self.blob(whole)?;
                    return Ok(Peeled::Archive(Walk::Zip(ZipWalk::open_archive(blob, self.clone())?)));
                }
                Wrapping::Tar => {
                    let walk = TarWalk::new(whole.into_stream(), self.clone());
                    return Ok(Peeled::Archive(Walk::Tar(walk)));
                }
            };
        }
    }

    /// Makes an input seekable: up to 8 MiB in memory, more in an unnamed
    /// temporary file that is gone when the last reader is.
    pub fn blob(&self, input: Input) -> Result<Blob> {
        match input {
            Input::Blob(blob) => Ok(blob),
            Input::Stream(mut stream) => self.spool(&mut stream),
        }
    }

    fn spool(&self, stream: &mut dyn Read) -> Result<Blob> {
        let mut memory = Vec::new();
        stream.take(SPOOL_BYTES as u64 + 1).read_to_end(&mut memory).map_err(carried)?;
        if memory.len() <= SPOOL_BYTES {
            return Ok(Blob::from(Bytes::from(memory)));
        }
        let failed = |e: io::Error| {
            let inner = Error::from(e);
            Error::new(
                inner.code,
                format!("cannot spool to a temporary file in `{}`: {}", self.spool.display(), inner.message),
            )
        };
        let mut file = tempfile::tempfile_in(&self.spool).map_err(failed)?;
        let mut size = 0u64;
        loop {
            io::Write::write_all(&mut file, &memory).map_err(failed)?;
            size += memory.len() as u64;
            memory.clear();
            // Read and written in turn, so that either's error is told apart.
            stream.take(SPOOL_BYTES as u64).read_to_end(&mut memory).map_err(carried)?;
            if memory.is_empty() {
                return Ok(Blob::from_file(file, size));
            }
        }
    }

    fn expanding(self: &Arc<Self>, inner: impl Read + Send + 'static, kind: &'static str) -> Input {
        Input::Stream(Box::new(Expanding::new(inner, kind, self.clone())))
    }
}

#[derive(Clone, Copy)]
enum Wrapping {
    Gzip,
    Zstd,
    Zip,
    Tar,
}

impl Wrapping {
    fn name(self) -> &'static str {
        match self {
            Wrapping::Gzip => "gzip",
            Wrapping::Zstd => "zstd",
            Wrapping::Zip => "zip",
            Wrapping::Tar => "tar",
        }
    }
}

fn wrapping(head: &[u8]) -> Option<Wrapping> {
    match head {
        [0x1F, 0x8B, ..] => Some(Wrapping::Gzip),
        [0x28, 0xB5, 0x2F, 0xFD, ..] => Some(Wrapping::Zstd),
        // A skippable frame, which pzstd and others write in front.
        [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Some(Wrapping::Zstd),
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Wrapping::Zip),
        // No text has the NULs that fill a tar's header.
        _ if head.len() >= 512 && &head[257..262] == b"ustar" && head[..512].contains(&0) => {
            Some(Wrapping::Tar)
        }
        _ => None,
    }
}

/// Names the containers that are known and not read, instead of taking them
/// for text.
fn refuse_unreadable(head: &[u8]) -> Result<()> {
    let what = match head {
        [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => "xz-compressed",
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..] => "bzip2-compressed",
        [b'7', b'z', 0xBC, 0xAF, 0x27, 0x1C, ..] => "a 7z archive",
        [b'R', b'a', b'r', b'!', 0x1A, 7, ..] => "a rar archive",
        [0x04, 0x22, 0x4D, 0x18, ..] => "lz4-compressed",
        [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1, ..] => "an old Office document",
        _ => return Ok(()),
    };
    Err(Error::new(
        Code::Unrecognised,
        format!("it is {what}, which is not read; send it plain or as gz, zst, zip or tar"),
    ))
}

/// Reads the first bytes of an input and returns it as if it had not been touched.
fn look(input: Input) -> Result<(Bytes, Input)> {
    match input {
        Input::Blob(blob) => {
            let head = first_bytes(&mut blob.reader())?;
            Ok((head, Input::Blob(blob)))
        }
        Input::Stream(mut stream) => {
            let head = first_bytes(&mut stream)?;
            let again = io::Cursor::new(head.clone()).chain(stream);
            Ok((head, Input::Stream(Box::new(again))))
        }
    }
}

fn first_bytes(stream: &mut dyn Read) -> Result<Bytes> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    stream.take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(carried)?;
    Ok(head.into())
}

fn buffered(stream: Bytestream) -> BufReader<Bytestream> {
    BufReader::with_capacity(PIECE_BYTES, stream)
}

/// The name without a compression's ending, whatever its case; `instead` takes
/// the ending's place.
fn without_ending(name: &str, endings: &[(&str, &str)]) -> String {
    let Some((stem, ending)) = name.rsplit_once('.') else { return name.to_string() };
    match endings.iter().find(|(known, _)| ending.eq_ignore_ascii_case(known)) {
        Some((_, instead)) => format!("{stem}{instead}"),
        None => name.to_string(),
    }
}

/// The reader's own error that an I/O error carries through a library, or what
/// the I/O error means by itself.
pub(crate) fn carried(error: io::Error) -> Error {
    inside(&error).unwrap_or_else(|| Error::from(error))
}

/// Looks for an [`Error`] below an I/O error, however deeply libraries wrapped it.
pub(crate) fn inside(error: &(dyn std::error::Error + 'static)) -> Option<Error> {
    let mut current = error;
    loop {
        if let Some(found) = current.downcast_ref::<Error>() {
            return Some(found.clone());
        }
        // The source of an I/O error is its content's source, not its content.
        current = match current.downcast_ref::<io::Error>() {
            Some(io) => io.get_ref()?,
            None => current.source()?,
        };
    }
}

/// LG103 for a compression or archive whose bytes make no sense.
fn damaged(kind: &str, error: &io::Error) -> Error {
    if let Some(own) = inside(error) {
        return own;
    }
    let message = if error.kind() == io::ErrorKind::UnexpectedEof {
        format!("the {kind} data is cut short: it ends before its end mark")
    } else {
        format!("the {kind} data is damaged: {error}")
    };
    Error::new(Code::DamagedArchive, message)
}
