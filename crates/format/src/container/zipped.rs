//! Members of a zip archive, as streams of their own.
//!
//! The archive's list is read by the `zip` crate. Stored, deflated and zstd
//! members are then streamed here, because the crate's own readers borrow the
//! archive; rarer methods go through the crate and are spooled.

use std::io::{self, Read};
use std::sync::Arc;

use lakegate_domain::Code;
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::names::safe_path;
use super::{Blob, BlobReader, Expanding, Input, Peeler, buffered, inside};
use crate::encoding::Bytestream;
use crate::error::{Error, Result};

pub(crate) struct ZipWalk {
    archive: ZipArchive<BlobReader>,
    blob: Blob,
    next: usize,
    peeler: Arc<Peeler>,
}

impl ZipWalk {
    pub(super) fn open_archive(blob: Blob, peeler: Arc<Peeler>) -> Result<Self> {
        let archive = ZipArchive::new(blob.reader()).map_err(|e| match &e {
            ZipError::InvalidArchive(why) => Error::new(
                Code::DamagedArchive,
                format!("the zip archive is cut short or damaged, its list of members at the end cannot be read ({why})"),
            ),
            _ => unreadable(e),
        })?;
        // The list keeps one member per name: the others would be lost unseen.
        if archive.has_duplicate_names() {
            return Err(Error::new(
                Code::DamagedArchive,
                "the zip archive lists two members under one name; ask for one in which names are unique",
            ));
        }
        peeler.meter.enter(archive.len() as u64)?;
        Ok(Self { archive, blob, next: 0, peeler })
    }

    pub fn next_path(&mut self) -> Result<Option<String>> {
        while self.next < self.archive.len() {
            let entry = self.archive.by_index_data(self.next).map_err(unreadable)?;
            self.next += 1;
            let name = match entry.name() {
                Ok(name) => name.into_owned(),
                Err(_) => String::from_utf8_lossy(entry.name_raw()).into_owned(),
            };
            let path = safe_path(&name)?;
            let folder = entry.is_dir() || name.ends_with(['/', '\\']);
            if !folder && !entry.is_symlink() && !path.is_empty() {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    pub fn open(&mut self) -> Result<Input> {
        let index = self.next - 1;
        let entry = self.archive.by_index_data(index).map_err(unreadable)?;
        if entry.encrypted() {
            return Err(Error::new(
                Code::DamagedArchive,
                "the member is encrypted and there is no password for it; ask for the archive without one",
            ));
        }
        let (method, compressed, size, crc) =
            (entry.compression(), entry.compressed_size(), entry.size(), entry.crc32());
        let start = match self.archive.by_index_raw(index).map_err(unreadable)?.data_start() {
            Some(start) => start,
            None => return Err(damaged("the member's place in the archive is unknown")),
        };
        let raw: Bytestream = Box::new(self.blob.range(start, compressed));
        let expanded: Bytestream = match method {
            CompressionMethod::Stored => raw,
            CompressionMethod::Deflated => Box::new(flate2::bufread::DeflateDecoder::new(buffered(raw))),
            CompressionMethod::Zstd => {
                Box::new(zstd::stream::read::Decoder::with_buffer(buffered(raw)).map_err(super::carried)?)
            }
            CompressionMethod::Bzip2 | CompressionMethod::Deflate64 => {
                let peeler = self.peeler.clone();
                let member = self.archive.by_index(index).map_err(unreadable)?;
                let blob = self.peeler.spool(&mut Expanding::new(member, "zip", peeler))?;
                return Ok(Input::Blob(blob));
            }
            other => {
                return Err(damaged(&format!(
                    "the member is compressed by a method that is not read ({other}); use deflate or zstd"
                )));
            }
        };
        let checked = Checked { inner: expanded, left: size, size, seen: flate2::Crc::new(), crc };
        Ok(Input::Stream(Box::new(Expanding::new(checked, "zip", self.peeler.clone()))))
    }
}

fn damaged(message: &str) -> Error {
    Error::new(Code::DamagedArchive, message)
}

fn unreadable(error: ZipError) -> Error {
    inside(&error).unwrap_or_else(|| match error {
        ZipError::Io(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
            damaged("the zip archive is cut short: a member lies beyond its end")
        }
        other => damaged(&format!("the zip archive is damaged: {other}")),
    })
}

/// A member that must have the size and the checksum that the list says.
struct Checked {
    inner: Bytestream,
    left: u64,
    size: u64,
    seen: flate2::Crc,
    crc: u32,
}

impl Read for Checked {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        let n = self.inner.read(out)?;
        if n as u64 > self.left {
            return Err(io::Error::other(damaged(&format!(
                "the member is longer than the {} bytes that the archive's list says",
                self.size
            ))));
        }
        self.left -= n as u64;
        self.seen.update(&out[..n]);
        if n == 0 && self.left > 0 {
            return Err(io::Error::other(damaged(&format!(
                "the member is cut short: {} of its {} bytes are missing",
                self.left, self.size
            ))));
        }
        if n == 0 && self.seen.sum() != self.crc {
            return Err(io::Error::other(damaged("the member is damaged: its checksum is wrong")));
        }
        Ok(n)
    }
}
