//! The readers through their front door: bytes in, rows or errors out.

mod bad;
mod containers;
mod csv;
mod exchange;
mod gtfs_rt;
mod json;
mod netcdf;
mod record_feeds;
mod tsdat;
mod typed;
mod units;
mod xml;

use std::collections::BTreeMap;
use std::io::Write;

use bytes::Bytes;
use lakegate_domain::model::{Caps, Csv, Format, Json, Read, StreamRead};
use lakegate_format::open::{Chunk, Payload, Source, open_with};
use lakegate_format::text::TextBatch;
use lakegate_format::{Error, Result};

pub const CHUNK: usize = 1 << 20;

/// The default way to read, in one format or, with `None`, as recognised.
pub fn reads(format: Option<Format>) -> Read {
    Read { format, member: None, streams: Vec::new(), caps: Caps::default() }
}

pub fn as_csv(options: Csv) -> Read {
    reads(Some(Format::Csv(options)))
}

pub fn as_json(records: &str) -> Read {
    reads(Some(Format::Json(Json { records: records.into() })))
}

pub fn stream(name: &str, member: &str) -> StreamRead {
    StreamRead { name: name.into(), member: member.into(), format: None }
}

pub fn chunks_of(bytes: impl AsRef<[u8]>, name: &str, read: &Read, chunk: usize) -> Result<Vec<Chunk>> {
    let spool = std::env::temp_dir();
    let source = Source::Bytes(Bytes::copy_from_slice(bytes.as_ref()));
    open_with(source, name, read, &spool, chunk)?.collect()
}

pub fn parsed(chunk: &Chunk) -> Result<TextBatch> {
    match &chunk.payload {
        Payload::Text(text) => text.clone().parse(),
        Payload::Typed(_) => panic!("typed rows where text was expected"),
    }
}

/// A row: the fields that are there, by column.
pub type Row = BTreeMap<String, String>;

/// All rows of all chunks.
pub fn rows_by(bytes: impl AsRef<[u8]>, name: &str, read: &Read, chunk: usize) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for chunk in chunks_of(bytes, name, read, chunk)? {
        let batch = parsed(&chunk)?;
        assert_eq!(batch.names.len(), batch.columns.len());
        for row in 0..batch.n_rows {
            rows.push(
                batch
                    .names
                    .iter()
                    .zip(&batch.columns)
                    .filter_map(|(name, cells)| Some((name.clone(), batch.get(cells[row])?.to_string())))
                    .collect(),
            );
        }
    }
    Ok(rows)
}

pub fn rows(bytes: impl AsRef<[u8]>, name: &str, read: &Read) -> Result<Vec<Row>> {
    rows_by(bytes, name, read, CHUNK)
}

pub fn row(fields: &[(&str, &str)]) -> Row {
    fields.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect()
}

/// Names and rows of a CSV text, all fields as text, absent ones as `∅`.
pub fn table(bytes: impl AsRef<[u8]>, options: Csv) -> Result<(Vec<String>, Vec<Vec<String>>)> {
    let mut names = Vec::new();
    let mut table = Vec::new();
    for chunk in chunks_of(bytes, "t.csv", &as_csv(options), CHUNK)? {
        let batch = parsed(&chunk)?;
        names = batch.names.to_vec();
        for row in 0..batch.n_rows {
            table.push(batch.columns.iter().map(|c| batch.get(c[row]).unwrap_or("∅").to_string()).collect());
        }
    }
    Ok((names, table))
}

/// The error of reading and parsing everything.
pub fn error(bytes: impl AsRef<[u8]>, name: &str, read: &Read) -> Error {
    match rows(bytes, name, read) {
        Err(e) => e,
        Ok(rows) => panic!("`{name}` was read: {rows:?}"),
    }
}

pub fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut w = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    w.write_all(bytes).unwrap();
    w.finish().unwrap()
}

pub fn zst(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

pub fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut w = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        // Not `set_path`, which refuses the names that are tested for here.
        if name.len() <= 100 {
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            w.append(&header, *bytes).unwrap();
        } else {
            w.append_data(&mut header, name, *bytes).unwrap();
        }
    }
    w.into_inner().unwrap()
}

pub fn zip_by(members: &[(&str, &[u8])], method: zip::CompressionMethod) -> Vec<u8> {
    let mut w = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        w.start_file(*name, options).unwrap();
        w.write_all(bytes).unwrap();
    }
    w.finish().unwrap().into_inner()
}

pub fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    zip_by(members, zip::CompressionMethod::Deflated)
}

/// Real files that are not part of the repository: `LAKEGATE_TEST_DATA` names
/// their folder, and without it the tests that need them say so and pass.
pub fn test_data() -> Option<std::path::PathBuf> {
    let found = std::env::var_os("LAKEGATE_TEST_DATA").map(Into::into);
    if found.is_none() {
        println!("skipped: LAKEGATE_TEST_DATA is not set");
    }
    found
}

/// Reading may move between threads, and chunks are parsed on any.
#[test]
fn readers_and_chunks_are_send() {
    fn check<T: Send>() {}
    check::<lakegate_format::open::Reader>();
    check::<Chunk>();
}
