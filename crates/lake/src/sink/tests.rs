//! Rows into data files: every row, in its partition, in memory that is
//! bounded, with bounds that hold.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::{
    Date32Type, Decimal128Type, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;
use crate::files::{live, read_file};
use crate::log::{Commit, TableLog};

fn options() -> SinkOptions {
    SinkOptions { target_file_bytes: 128 << 20, memory_bytes: 16 << 20, open_files: 64, sort_by: Vec::new() }
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap()
}

fn rows_of(folder: &Path, file: &AddFile) -> RecordBatch {
    let all: Vec<RecordBatch> = read_file(folder, &file.path).unwrap().map(|b| b.unwrap()).collect();
    concat_batches(&all[0].schema(), &all).unwrap()
}

fn ints(batch: &RecordBatch, column: &str) -> Vec<i64> {
    batch.column_by_name(column).unwrap().as_primitive::<Int64Type>().values().to_vec()
}

#[test]
fn five_thousand_partitions_in_one_batch() {
    // Thousands of files are made durable: in memory that is quick.
    let in_memory = Path::new("/dev/shm");
    let folder = match in_memory.is_dir() {
        true => tempfile::tempdir_in(in_memory).unwrap(),
        false => tempfile::tempdir().unwrap(),
    };
    // In little memory many partitions get a file for each few rows, so there are fewer.
    for (memory_bytes, n_keys) in [(512 << 10, 40), (64 << 20, 5000)] {
        let options = SinkOptions { open_files: 8, memory_bytes, ..options() };
        let keys = Int64Array::from_iter_values((0..20_000).map(|i| i * 7919 % n_keys));
        let rows =
            batch(vec![("k", Arc::new(keys)), ("v", Arc::new(Int64Array::from_iter_values(0..20_000)))]);
        let mut sink = Sink::new(folder.path(), rows.schema(), &["k".into()], options);
        for _ in 0..2 {
            sink.write(&rows).unwrap();
            assert!(sink.n_open() <= 8);
            assert!(sink.memory_bytes() <= memory_bytes, "{}", sink.memory_bytes());
        }
        let files = sink.finish().unwrap();
        assert_eq!(files.iter().map(|f| f.n_rows).sum::<u64>(), 40_000);
        let names: BTreeSet<&Option<String>> = files.iter().map(|f| &f.partition_values[0].1).collect();
        assert_eq!(names.len(), n_keys as usize);
        for file in files.iter().step_by(97) {
            let key: i64 = file.partition_values[0].1.as_deref().unwrap().parse().unwrap();
            let held = ints(&rows_of(folder.path(), file), "v");
            assert!(held.iter().all(|v| v * 7919 % n_keys == key), "{file:?}");
        }
    }
}

#[tokio::test]
async fn any_text_is_a_partition() {
    let long = "é".repeat(300);
    let texts = [
        Some("a b%2F/c"),
        Some(".."),
        Some("."),
        Some(""),
        None,
        Some(long.as_str()),
        Some("x=y"),
        Some("%"),
    ];
    let rows = batch(vec![
        ("place", Arc::new(StringArray::from(texts.to_vec()))),
        ("v", Arc::new(Int64Array::from_iter_values(0..texts.len() as i64))),
    ]);
    let storage = tempfile::tempdir().unwrap();
    let name = lakegate_domain::TableName { team: "t".into(), dataset: "d".into(), table: "x".into() };
    let partitions = ["place".to_string()];
    let mut log = TableLog::open(storage.path(), &name, &[]).await.unwrap();
    log.create(rows.schema(), &partitions, None).await.unwrap();
    let adds = Sink::new(&log.folder, rows.schema(), &partitions, options())
        .write_all(std::slice::from_ref(&rows))
        .unwrap();
    log.commit(&Commit { operation: "WRITE", adds, data_change: true, ..Commit::default() }).await.unwrap();
    // Nothing was written beside the table's folder.
    assert_eq!(fs::read_dir(log.folder.parent().unwrap()).unwrap().count(), 1);
    let mut found: BTreeMap<i64, Option<String>> = BTreeMap::new();
    for file in live(&log).await.unwrap() {
        for rows in read_file(&log.folder, &file.path).unwrap() {
            for v in ints(&rows.unwrap(), "v") {
                found.insert(v, file.partition_values[0].1.clone());
            }
        }
    }
    // Delta has no empty text among partition values.
    let want: Vec<Option<String>> =
        texts.iter().map(|t| t.filter(|t| !t.is_empty()).map(str::to_string)).collect();
    assert_eq!(found.into_values().collect::<Vec<_>>(), want);
}

#[test]
fn what_memory_holds_at_a_time_is_sorted_and_nothing_more_is_claimed() {
    let folder = tempfile::tempdir().unwrap();
    let n = 40_000;
    let rows = batch(vec![
        ("id", Arc::new(Int64Array::from_iter((0..n).map(|i| (i % 9 != 0).then_some(i * 7919 % 40_009))))),
        ("text", Arc::new(StringArray::from_iter_values((0..n).map(|i| format!("some text {i}"))))),
    ]);
    let sort_by = vec!["id".to_string(), "text".to_string()];
    for (memory_bytes, at_least) in [(1 << 20, 2), (64 << 20, 1)] {
        let options = SinkOptions { memory_bytes, sort_by: sort_by.clone(), ..options() };
        let mut sink = Sink::new(folder.path(), rows.schema(), &[], options);
        for at in (0..n as usize).step_by(1000) {
            // A copy: a slice would count as all rows.
            let indices = UInt64Array::from_iter_values(at as u64..at as u64 + 1000);
            sink.write(&arrow::compute::take_record_batch(&rows, &indices).unwrap()).unwrap();
        }
        let files = sink.finish().unwrap();
        assert_eq!(files.iter().map(|f| f.n_rows).sum::<u64>(), n as u64);
        let mut n_groups = 0;
        for file in &files {
            let open = || File::open(folder.path().join(&file.path)).unwrap();
            let builder = ParquetRecordBatchReaderBuilder::try_new(open()).unwrap();
            let groups = builder.metadata().row_groups().to_vec();
            for (i, group) in groups.iter().enumerate() {
                assert!(group.sorting_columns().is_none(), "nobody may rely on it");
                let reader = ParquetRecordBatchReaderBuilder::try_new(open())
                    .unwrap()
                    .with_row_groups(vec![i])
                    .with_batch_size(1 << 20)
                    .build()
                    .unwrap();
                for rows in reader {
                    let rows = rows.unwrap();
                    let ids = rows.column(0).as_primitive::<Int64Type>();
                    let ids: Vec<Option<i64>> = ids.iter().collect();
                    let nulls_last = |v: &Option<i64>| v.unwrap_or(i64::MAX);
                    assert!(ids.is_sorted_by_key(nulls_last));
                }
            }
            n_groups += groups.len();
        }
        assert!(n_groups >= at_least, "{n_groups}");
        assert!(memory_bytes < 2 << 20 || n_groups == 1, "{n_groups}");
    }
}

#[test]
fn a_failure_names_the_file_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let rows = batch(vec![("v", Arc::new(Int64Array::from(vec![1])))]);
    let in_the_way = folder.path().join("table");
    fs::write(&in_the_way, "no folder").unwrap();
    let failed = Sink::new(&in_the_way, rows.schema(), &[], options()).write_all(&[rows]).unwrap_err();
    assert_eq!(failed.code, Code::Storage);
    assert!(failed.message.contains("/table"), "{failed}");
}

/// A bound that is a number. `serde_json` reads numbers to the last but one bit.
fn number(stats: &str, which: &str, column: &str) -> Option<f64> {
    let (_, from) = stats.split_once(&format!("\"{which}\":{{"))?;
    let (bounds, _) = from.split_once('}')?;
    let (_, value) = bounds.split_once(&format!("\"{column}\":"))?;
    value.split(',').next()?.parse().ok()
}

/// The bounds of a column in a file's statistics.
fn bound<'a>(stats: &'a Value, which: &str, column: &str) -> Option<&'a Value> {
    stats[which].get(column)
}

#[test]
fn bounds_hold_for_every_value() {
    let folder = tempfile::tempdir().unwrap();
    let mut rng = fastrand::Rng::with_seed(7);
    for round in 0..60 {
        let n = rng.usize(1..40);
        let wide = rng.bool();
        let some = |rng: &mut fastrand::Rng| rng.u8(..) > 40;
        let floats: Vec<Option<f64>> = (0..n)
            .map(|_| {
                some(&mut rng).then(|| match rng.u8(0..8) {
                    0 => f64::NAN,
                    1 => f64::INFINITY,
                    2 => -0.0,
                    _ => (rng.f64() - 0.5) * 1e9,
                })
            })
            .collect();
        let decimals: Vec<Option<i128>> = (0..n)
            .map(|_| {
                let limit = if wide { 99_999_999_999_999_999_999 } else { 999_999_999_999_999 };
                some(&mut rng).then(|| rng.i128(-limit..=limit))
            })
            .collect();
        let texts: Vec<Option<String>> = (0..n)
            .map(|_| {
                let length = rng.usize(0..60);
                some(&mut rng).then(|| {
                    (0..length).map(|_| *rng.choice(&['a', 'z', 'é', '\u{10FFFF}']).unwrap()).collect()
                })
            })
            .collect();
        let micros: Vec<Option<i64>> = (0..n)
            .map(|_| some(&mut rng).then(|| rng.i64(-62_135_596_800_000_000..253_402_300_799_000_000)))
            .collect();
        let days: Vec<Option<i32>> =
            (0..n).map(|_| some(&mut rng).then(|| rng.i32(-719_162..=2_932_896))).collect();
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("f", Arc::new(Float64Array::from(floats.clone()))),
            ("d", Arc::new(Decimal128Array::from(decimals.clone()).with_precision_and_scale(20, 4).unwrap())),
            ("s", Arc::new(StringArray::from(texts.clone()))),
            ("t", Arc::new(TimestampMicrosecondArray::from(micros.clone()).with_timezone("UTC"))),
            ("day", Arc::new(Date32Array::from(days.clone()))),
        ];
        let rows = batch(columns);
        let sink = Sink::new(folder.path(), rows.schema(), &[], options());
        let files = sink.write_all(std::slice::from_ref(&rows)).unwrap();
        let stats: Value = serde_json::from_str(&files[0].stats).unwrap();
        let what = format!("round {round}: {stats}");
        assert_eq!(stats["numRecords"], n as u64, "{what}");
        for (i, field) in rows.schema().fields().iter().enumerate() {
            assert_eq!(stats["nullCount"][field.name()], rows.column(i).null_count() as u64, "{what}");
        }
        let number = |which: &str, c: &str| number(&files[0].stats, which, c);
        for v in rows.column(0).as_primitive::<Float64Type>().iter().flatten().filter(|v| !v.is_nan()) {
            assert!(number("minValues", "f").is_none_or(|m| m <= v), "{what}");
            assert!(number("maxValues", "f").is_none_or(|m| m >= v), "{what}");
        }
        let scaled = |which: &str| {
            number(which, "d").map(|v| format!("{v:.4}").replace('.', "").parse::<i128>().unwrap())
        };
        for v in rows.column(1).as_primitive::<Decimal128Type>().iter().flatten() {
            assert!(scaled("minValues").is_none_or(|m| m <= v), "{v} {what}");
            assert!(scaled("maxValues").is_none_or(|m| m >= v), "{v} {what}");
        }
        if !wide && decimals.iter().any(Option::is_some) {
            assert!(scaled("minValues").is_some(), "fifteen digits are exact: {what}");
        }
        let text = |which: &str, c: &str| bound(&stats, which, c).map(|v| v.as_str().unwrap().to_string());
        for v in texts.iter().flatten() {
            assert!(text("minValues", "s").is_none_or(|m| m <= *v), "{v} {what}");
            assert!(text("maxValues", "s").is_none_or(|m| m >= *v), "{v} {what}");
        }
        for v in rows.column(3).as_primitive::<TimestampMicrosecondType>().iter().flatten() {
            let v = civil(v).unwrap().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
            assert!(text("minValues", "t").is_none_or(|m| m[..23] <= v[..23]), "{v} {what}");
            assert!(text("maxValues", "t").is_none_or(|m| m[..23] >= v[..23]), "{v} {what}");
        }
        for v in rows.column(4).as_primitive::<Date32Type>().iter().flatten() {
            let v = civil(i64::from(v) * DAY_US).unwrap().strftime("%Y-%m-%d").to_string();
            assert!(text("minValues", "day").unwrap() <= v, "{v} {what}");
            assert!(text("maxValues", "day").unwrap() >= v, "{v} {what}");
        }
    }
}

#[test]
fn partition_values_are_spelled_as_delta_does() {
    let spelled = |a: ArrayRef| partition_value(&a, 0).unwrap();
    let some = |s: &str| Some(s.to_string());
    let at =
        |us: i64| -> ArrayRef { Arc::new(TimestampMicrosecondArray::from(vec![us]).with_timezone("UTC")) };
    assert_eq!(spelled(at(0)), some("1970-01-01 00:00:00.000000"));
    assert_eq!(spelled(at(-62_135_596_800_000_000)), some("0001-01-01 00:00:00.000000"));
    assert_eq!(spelled(at(253_402_300_799_999_999)), some("9999-12-31 23:59:59.999999"));
    assert_eq!(spelled(Arc::new(Date32Array::from(vec![2_932_896]))), some("9999-12-31"));
    assert_eq!(spelled(Arc::new(BooleanArray::from(vec![true]))), some("true"));
    assert_eq!(spelled(Arc::new(StringArray::from(vec![""]))), None);
    assert_eq!(partition_value(&at(i64::MAX), 0).unwrap_err().code, Code::DoesNotFit);
    assert_eq!(at(0).data_type(), &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
}
