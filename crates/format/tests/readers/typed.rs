//! Parquet and Arrow IPC.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int32Builder, Int64Array, ListBuilder, RecordBatch, StringArray, StructArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use lakegate_domain::Code;
use lakegate_domain::model::Format;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

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

/// Every kind of column that damage could be done to.
fn varied() -> RecordBatch {
    let n = 40;
    let words = ["alpha", "beta", "", "gamma"];
    let ints: ArrayRef = Arc::new(Int64Array::from_iter((0..n).map(|i| (i % 5 != 0).then_some(i))));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..n).map(|i| words[i as usize % 4])));
    let dictionary =
        cast(&texts, &DataType::Dictionary(DataType::Int8.into(), DataType::Utf8.into())).unwrap();
    let views = cast(&texts, &DataType::Utf8View).unwrap();
    let flags: ArrayRef = Arc::new(BooleanArray::from_iter((0..n).map(|i| Some(i % 3 == 0))));
    let mut lists = ListBuilder::new(Int32Builder::new());
    for i in 0..n {
        lists.values().append_value(i as i32);
        lists.append(i % 2 == 0);
    }
    let lists: ArrayRef = Arc::new(lists.finish());
    let pairs: ArrayRef = Arc::new(StructArray::from(vec![
        (Arc::new(Field::new("a", DataType::Int64, true)), ints.clone()),
        (Arc::new(Field::new("b", DataType::Boolean, true)), flags.clone()),
    ]));
    RecordBatch::try_from_iter([
        ("ints", ints),
        ("texts", texts),
        ("dictionary", dictionary),
        ("views", views),
        ("flags", flags),
        ("lists", lists),
        ("pairs", pairs),
    ])
    .unwrap()
}

fn packed(batch: &RecordBatch, stream: bool, codec: CompressionType) -> Vec<u8> {
    let options = IpcWriteOptions::default().try_with_compression(Some(codec)).unwrap();
    let mut bytes = Vec::new();
    if stream {
        let mut w = StreamWriter::try_new_with_options(&mut bytes, &batch.schema(), options).unwrap();
        w.write(batch).unwrap();
        w.finish().unwrap();
        drop(w);
    } else {
        let mut w = FileWriter::try_new_with_options(&mut bytes, &batch.schema(), options).unwrap();
        w.write(batch).unwrap();
        w.finish().unwrap();
        drop(w);
    }
    bytes
}

fn squeezed_parquet(batch: &RecordBatch) -> Vec<u8> {
    let options = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut bytes = Vec::new();
    let mut w = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(options)).unwrap();
    w.write(batch).unwrap();
    w.close().unwrap();
    bytes
}

/// A damaged file may claim anything of itself. What comes of it is an error, or
/// rows where the damage does not show: never the end of the process, by a panic
/// or by an allocation of any size.
#[test]
fn flipped_bytes_are_errors_or_rows() {
    let batch = varied();
    for (name, whole) in [
        ("t.arrow", file_of(&batch)),
        ("t.arrows", stream_of(&batch)),
        ("t.arrow", packed(&batch, false, CompressionType::ZSTD)),
        ("t.arrows", packed(&batch, true, CompressionType::LZ4_FRAME)),
        ("t.parquet", parquet_of(&batch)),
        ("t.parquet", squeezed_parquet(&batch)),
    ] {
        assert_eq!(batches(&whole, name, &reads(None)).unwrap()[0].num_rows(), 40, "{name}");
        let mut state = 0x5EED_u64;
        let mut random = |below: usize| {
            // Knuth's MMIX generator.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        let mut n_errors = 0;
        let n_trials = trials();
        for _ in 0..n_trials {
            let mut bytes = whole.clone();
            for _ in 0..1 + random(3) {
                // What a length or an offset becomes must be tried, not only noise.
                let value = [0, 0x7F, 0x80, 0xFF, random(256) as u8][random(5)];
                let at = random(bytes.len());
                bytes[at] = value;
            }
            n_errors += usize::from(batches(&bytes, name, &reads(None)).is_err());
        }
        assert!(n_errors > n_trials / 20, "{name}: {n_errors} of {n_trials}");
    }
}

/// How often each file is damaged; more where somebody looks for trouble.
fn trials() -> usize {
    std::env::var("LAKEGATE_FLIPS").ok().and_then(|n| n.parse().ok()).unwrap_or(400)
}

#[test]
fn a_length_beyond_the_file_is_an_error() {
    let batch = varied();
    // Where the batch's block stands, as the footer says it: 24 bytes of offset,
    // length of the head, and length of the body.
    let mut bytes = file_of(&batch);
    let footer = i32::from_le_bytes(bytes[bytes.len() - 10..][..4].try_into().unwrap()) as usize;
    let from = bytes.len() - 10 - footer;
    let blocks: Vec<usize> = (from..bytes.len() - 34)
        .filter(|at| {
            let word = |at: usize| i64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
            let (offset, head, body) = (word(*at), word(at + 8), word(at + 16));
            at % 8 == from % 8
                && (8..from as i64).contains(&offset)
                && head > 0
                && body > 0
                && offset + head + body <= from as i64
        })
        .collect();
    assert!(!blocks.is_empty());
    for at in blocks {
        bytes[at + 16..at + 24].copy_from_slice(&(1i64 << 50).to_le_bytes());
    }
    let e = batches(&bytes, "t.arrow", &reads(None)).unwrap_err();
    assert!(e.message.contains("nonsense of where batches stand"), "{e}");
}

#[test]
fn a_batch_is_held_only_up_to_its_cap() {
    let want = batch(20_000);
    let mut read = reads(None);
    read.caps.record_bytes = 1024;
    for (name, bytes) in [
        ("t.arrow", file_of(&want)),
        ("t.arrows", stream_of(&want)),
        // Small until it is unpacked.
        ("t.arrow", packed(&batch(3000), false, CompressionType::ZSTD)),
        ("t.arrows", packed(&batch(3000), true, CompressionType::ZSTD)),
    ] {
        let e = batches(&bytes, name, &read).unwrap_err();
        assert_eq!(e.code, Code::RecordTooLong, "{name}: {e}");
        assert!(e.message.contains("caps: { record"), "{e}");
    }
    assert_eq!(batches(&file_of(&batch(100)), "t.arrow", &read).unwrap()[0].num_rows(), 100);
}
