//! Builds one pack in memory: a zip, and the place of each entry in it.
//!
//! In memory, because a pack is small by design and goes to the disk in one
//! write; nothing of a failed pack is ever there.

use std::io::Cursor;

use jiff::Timestamp;
use jiff::tz::Offset;
use zip::result::{ZipError, ZipResult};
use zip::write::{PreparedZipFile, SimpleFileOptions};
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use super::{Method, names};

/// A pack that has taken this many bytes is full.
const PACK_BYTES: u64 = 32 << 20;
/// A pack with this many entries is full: well below the 65,535 at which a zip
/// needs extensions that some tools lack.
const PACK_ENTRIES: usize = 20_000;

/// Where one entry lies in its pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EntryPlace {
    pub offset: u64,
    pub stored_bytes: u64,
    pub method: Method,
}

pub(super) struct PackBuilder {
    zip: ZipWriter<Cursor<Vec<u8>>>,
    n_entries: usize,
    taken_bytes: u64,
}

impl PackBuilder {
    pub(super) fn new() -> Self {
        Self { zip: ZipWriter::new(Cursor::new(Vec::new())), n_entries: 0, taken_bytes: 0 }
    }

    pub(super) fn is_full(&self) -> bool {
        self.taken_bytes >= PACK_BYTES || self.n_entries >= PACK_ENTRIES
    }

    /// Adds a file; its place is known when the pack is finished.
    pub(super) fn add(&mut self, path: &str, mtime_ns: i64, bytes: &[u8]) -> ZipResult<()> {
        let name = entry_name(self.n_entries, path);
        let options = SimpleFileOptions::default().last_modified_time(zip_time(mtime_ns));
        let stored = || {
            PreparedZipFile::from_data(&name, options.compression_method(CompressionMethod::Stored), bytes)
        };
        let prepared = if bytes.is_empty() || is_compressed(bytes) {
            stored()?
        } else {
            let deflate = options.compression_method(CompressionMethod::Deflated).compression_level(Some(1));
            let deflated = PreparedZipFile::from_data(&name, deflate, bytes)?;
            if deflated.compressed_size() < bytes.len() as u64 { deflated } else { stored()? }
        };
        self.zip.add_prepared_file(prepared)?;
        self.n_entries += 1;
        self.taken_bytes += bytes.len() as u64;
        Ok(())
    }

    /// The pack's bytes and its entries' places, in the order of adding.
    pub(super) fn finish(self) -> ZipResult<(Vec<u8>, Vec<EntryPlace>)> {
        let mut archive = self.zip.finish_into_readable()?;
        let places = places(&mut archive)?;
        Ok((archive.into_inner().into_inner(), places))
    }
}

/// The place of each entry of a zip, in the order of its directory.
pub(super) fn places<R: std::io::Read + std::io::Seek>(
    archive: &mut ZipArchive<R>,
) -> ZipResult<Vec<EntryPlace>> {
    (0..archive.len()).map(|i| place(archive, i)).collect()
}

/// The place of one entry.
pub(super) fn place<R: std::io::Read + std::io::Seek>(
    archive: &mut ZipArchive<R>,
    i: usize,
) -> ZipResult<EntryPlace> {
    let entry = archive.by_index_raw(i)?;
    let method = match entry.compression() {
        CompressionMethod::Stored => Method::Stored,
        CompressionMethod::Deflated => Method::Deflate,
        _ => return Err(ZipError::UnsupportedArchive("a pack holds stored and deflated entries only")),
    };
    let offset = entry.data_start().ok_or(ZipError::FileNotFound)?;
    Ok(EntryPlace { offset, stored_bytes: entry.compressed_size(), method })
}

/// The name of the `i`th entry: unique by its number, telling by its path.
pub(super) fn entry_name(i: usize, path: &str) -> String {
    format!("{:05}/{}", i + 1, names::safe_path(path))
}

/// A zip's time, in UTC; the format knows the years 1980 to 2107.
fn zip_time(mtime_ns: i64) -> DateTime {
    let civil =
        Timestamp::from_nanosecond(mtime_ns.into()).map(|t| Offset::UTC.to_datetime(t)).unwrap_or_default();
    u16::try_from(civil.year())
        .ok()
        .and_then(|year| {
            let small = |v: i8| u8::try_from(v).unwrap_or(0);
            DateTime::from_date_and_time(
                year,
                small(civil.month()),
                small(civil.day()),
                small(civil.hour()),
                small(civil.minute()),
                small(civil.second()),
            )
            .ok()
        })
        .unwrap_or_default()
}

/// Whether bytes begin like something that is compressed already, so that
/// trying again would only cost time.
fn is_compressed(bytes: &[u8]) -> bool {
    const MAGIC: [&[u8]; 10] = [
        b"\x1f\x8b",           // gzip
        b"PK\x03\x04",         // zip
        b"\x28\xb5\x2f\xfd",   // zstd
        b"PAR1",               // Parquet
        b"BZh",                // bzip2
        b"\xfd7zXZ\0",         // xz
        b"7z\xbc\xaf\x27\x1c", // 7z
        b"\x04\x22\x4d\x18",   // lz4
        b"\x89PNG",            // PNG
        b"\xff\xd8\xff",       // JPEG
    ];
    MAGIC.iter().any(|magic| bytes.starts_with(magic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_outside_what_a_zip_can_say_are_its_first() {
        let at = |text: &str| {
            let t: Timestamp = text.parse().unwrap();
            zip_time(i64::try_from(t.as_nanosecond()).unwrap()).to_string()
        };
        assert_eq!(at("2024-02-29T23:59:58Z"), "2024-02-29 23:59:58");
        assert_eq!(at("1969-12-31T00:00:00Z"), DateTime::default().to_string());
        assert_eq!(at("2200-01-01T00:00:00Z"), DateTime::default().to_string());
    }

    #[test]
    fn only_what_shrinks_is_deflated() {
        let noise: Vec<u8> = std::iter::repeat_with({
            let mut random = fastrand::Rng::with_seed(7);
            move || random.u8(..)
        })
        .take(5000)
        .collect();
        let gzip = [&b"\x1f\x8b"[..], &[0; 5000]].concat();
        let mut pack = PackBuilder::new();
        for bytes in [&b""[..], b"a", &[b'a'; 5000], &noise, &gzip] {
            pack.add("x", 0, bytes).unwrap();
        }
        let (_, places) = pack.finish().unwrap();
        let methods: Vec<_> = places.iter().map(|p| p.method).collect();
        use Method::{Deflate, Stored};
        assert_eq!(methods, [Stored, Stored, Deflate, Stored, Stored]);
        assert_eq!(places[3].stored_bytes, 5000);
        assert!(places[2].stored_bytes < 100);
    }

    #[test]
    fn a_pack_is_full_by_bytes_or_entries() {
        let mut pack = PackBuilder::new();
        let zeros = vec![0; 3 << 20];
        let mut n = 0;
        while !pack.is_full() {
            pack.add("x", 0, &zeros).unwrap();
            n += 1;
        }
        assert_eq!(n, 11);
        let mut pack = PackBuilder::new();
        for _ in 0..PACK_ENTRIES {
            assert!(!pack.is_full());
            pack.add("x", 0, b"").unwrap();
        }
        assert!(pack.is_full());
    }
}
