//! Bytes that can be read anywhere, by several readers at once.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use lakegate_domain::Code;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use crate::error::{Error, Result};

/// Seekable bytes: in memory, or a file that is read by position so that its
/// readers share no cursor.
#[derive(Clone, Debug)]
pub(crate) struct Blob {
    data: Data,
    size: u64,
}

#[derive(Clone, Debug)]
enum Data {
    Memory(Bytes),
    File(Arc<File>),
}

impl From<Bytes> for Blob {
    fn from(bytes: Bytes) -> Self {
        Self { size: bytes.len() as u64, data: Data::Memory(bytes) }
    }
}

impl Blob {
    pub fn open(path: &Path) -> Result<Self> {
        let failed = |e: io::Error| {
            let inner = Error::from(e);
            Error::new(inner.code, format!("cannot read `{}`: {}", path.display(), inner.message))
        };
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(Error::new(
                Code::Unreadable,
                format!("`{}` is a folder, not a file", path.display()),
            ));
        }
        Ok(Self::from_file(file, metadata.len()))
    }

    pub fn from_file(file: File, size: u64) -> Self {
        Self { data: Data::File(Arc::new(file)), size }
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes that are in memory already, without copying them; they must lie
    /// within the size.
    pub fn bytes(&self, at: u64, len: usize) -> Option<Bytes> {
        match &self.data {
            Data::Memory(bytes) => {
                let from = usize::try_from(at).ok()?;
                (from.checked_add(len)? <= bytes.len()).then(|| bytes.slice(from..from + len))
            }
            Data::File(_) => None,
        }
    }

    /// Reads from the first byte to where the bytes end.
    pub fn reader(&self) -> BlobReader {
        // Not to `size`: a device says that it has none.
        BlobReader { blob: self.clone(), at: 0, end: u64::MAX }
    }

    /// Reads `len` bytes from `start`, or fewer where there are fewer.
    pub fn range(&self, start: u64, len: u64) -> BlobReader {
        BlobReader { blob: self.clone(), at: start, end: start.saturating_add(len) }
    }

    fn read_at(&self, out: &mut [u8], at: u64) -> io::Result<usize> {
        match &self.data {
            Data::Memory(bytes) => {
                let from = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
                let n = out.len().min(bytes.len() - from);
                out[..n].copy_from_slice(&bytes[from..from + n]);
                Ok(n)
            }
            // Tagged, so that no decoder takes a failing disk for a damaged file.
            Data::File(file) => read_file_at(file, out, at).map_err(|e| {
                if e.kind() == io::ErrorKind::Interrupted { e } else { io::Error::other(Error::from(e)) }
            }),
        }
    }
}

#[cfg(unix)]
fn read_file_at(file: &File, out: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, out, at)
}

#[cfg(windows)]
fn read_file_at(file: &File, out: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, out, at)
}

/// One reader of a [`Blob`], with its own position.
#[derive(Clone, Debug)]
pub(crate) struct BlobReader {
    blob: Blob,
    at: u64,
    end: u64,
}

impl Read for BlobReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let want = out.len().min(left);
        let n = self.blob.read_at(&mut out[..want], self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for BlobReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.blob.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at =
            at.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a seek to before the beginning"))?;
        Ok(self.at)
    }
}

impl Length for Blob {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for Blob {
    type T = io::BufReader<BlobReader>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(io::BufReader::new(self.range(start, self.size.saturating_sub(start))))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        // Before anything is allocated: a damaged footer may claim any length.
        if start.checked_add(length as u64).is_none_or(|end| end > self.size) {
            return Err(ParquetError::EOF(format!(
                "{length} bytes wanted at byte {start} of a file of {} bytes",
                self.size
            )));
        }
        if let Some(bytes) = self.bytes(start, length) {
            return Ok(bytes);
        }
        let mut buffer = vec![0; length];
        self.range(start, length as u64).read_exact(&mut buffer)?;
        Ok(buffer.into())
    }
}
