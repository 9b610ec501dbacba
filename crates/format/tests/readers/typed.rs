//! Parquet and Arrow IPC.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::ipc::writer::{FileWriter, StreamWriter};
use lakegate_domain::Code;
use lakegate_domain::model::Format;
use parquet::arrow::ArrowWriter;

use crate::*;

fn batch(n: i64) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..n));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..n).map(|i| format!("text {i}"))));
    RecordBatch::try_from_iter([("id", ids), ("text", texts)]).unwrap()
}

fn parquet_of(batch: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut w = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    w.write(batch).unwrap();
    w.close().unwrap();
    bytes
}

fn file_of(batch: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut w = FileWriter::try_new(&mut bytes, &batch.schema()).unwrap();
    w.write(batch).unwrap();
    w.finish().unwrap();
    drop(w);
    bytes
}

fn stream_of(batch: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut w = StreamWriter::try_new(&mut bytes, &batch.schema()).unwrap();
    w.write(batch).unwrap();
    w.finish().unwrap();
    drop(w);
    bytes
}

fn batches(bytes: &[u8], name: &str, read: &Read) -> Result<Vec<RecordBatch>> {
    let chunks = chunks_of(bytes, name, read, CHUNK)?;
    Ok(chunks
        .into_iter()
        .map(|c| match c.payload {
            Payload::Typed(batch) => batch,
            Payload::Text(_) => panic!("text where typed rows were expected"),
        })
        .collect())
}

#[test]
fn rows_come_back_in_batches_of_bounded_length() {
    let want = batch(20_000);
    for (name, bytes, format) in [
        ("t.parquet", parquet_of(&want), "parquet"),
        ("t.arrow", file_of(&want), "arrow"),
        ("t.ipc", stream_of(&want), "arrow"),
    ] {
        for wrapped in [
            bytes.clone(),
            gz(&bytes),
            zst(&bytes),
            zip(&[(name, &bytes)]),
            tar(&[(name, &bytes)]),
            gz(&tar(&[(name, &bytes)])),
        ] {
            // Recognised whatever the name says.
            let found = batches(&wrapped, "t.dat", &reads(None)).unwrap();
            assert!(found.iter().all(|b| b.num_rows() <= 8192));
            let all = arrow::compute::concat_batches(&want.schema(), &found).unwrap();
            assert_eq!(all, want, "{name}");
            let chunks = chunks_of(&wrapped, "t.dat", &reads(None), CHUNK).unwrap();
            assert_eq!(chunks[0].stream.format, format);
        }
    }
}

#[test]
fn from_a_file_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let want = batch(10);
    std::fs::write(&path, parquet_of(&want)).unwrap();
    let mut reader =
        lakegate_format::open::open(Source::File(path), "t.parquet", &reads(None), folder.path()).unwrap();
    let Payload::Typed(found) = reader.next().unwrap().unwrap().payload else { panic!() };
    assert_eq!(found, want);
    assert!(reader.next().is_none());
}

#[test]
fn the_schema_is_known_without_rows() {
    let none = batch(0);
    for bytes in [parquet_of(&none), file_of(&none), stream_of(&none)] {
        let found = batches(&bytes, "t", &reads(None)).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].num_rows(), 0);
        assert_eq!(found[0].schema(), none.schema());
    }
}

#[test]
fn damaged_files() {
    let want = batch(1000);
    let half = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
    for (name, bytes, code) in [
        ("t.parquet", half(parquet_of(&want)), Code::DamagedArchive),
        ("t.parquet", b"a,b\n1,2\n".to_vec(), Code::Malformed),
        ("t.parquet", b"PAR1\xFF\xFF\xFF\x7FPAR1".to_vec(), Code::Malformed),
        ("t.arrow", half(file_of(&want)), Code::DamagedArchive),
        ("t.arrow", b"a,b\n1,2\n".to_vec(), Code::Malformed),
        ("t.ipc", half(stream_of(&want)), Code::Malformed),
    ] {
        let e = batches(&bytes, name, &reads(None)).unwrap_err();
        assert_eq!(e.code, code, "{name}: {e}");
    }
    let read = reads(Some(Format::Parquet));
    let e = batches(&zip(&[("x.csv", b"a,b\n1,2\n")]), "t.zip", &read).unwrap_err();
    assert!(e.message.starts_with("in `x.csv`: not a Parquet file"), "{e}");
}

/// A damaged footer may claim anything; it must be an error, not a panic or an
/// allocation of that size.
#[test]
fn flipped_bytes_of_a_footer_are_errors_or_rows() {
    let whole = parquet_of(&batch(50));
    let footer = u32::from_le_bytes(whole[whole.len() - 8..whole.len() - 4].try_into().unwrap()) as usize;
    let from = whole.len() - 8 - footer;
    let mut n_errors = 0;
    for at in (from..whole.len() - 8).step_by(3) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        n_errors += usize::from(batches(&bytes, "t.parquet", &reads(None)).is_err());
    }
    assert!(n_errors > 0);
}
