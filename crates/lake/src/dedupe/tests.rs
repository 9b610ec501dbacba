//! Rows in real data files, judged by what is read back from those.

use std::time::Duration;

use arrow::datatypes::SchemaRef;

use super::*;
use crate::layout::timestamp;
use crate::log::AddFile;
use crate::sink::{Sink, SinkOptions};

fn schema(partitioned: bool) -> SchemaRef {
    let mut fields = vec![
        Field::new("id", DataType::Utf8, true),
        Field::new("route", DataType::Utf8, true),
        Field::new("speed", DataType::Float64, true),
        Field::new("at", timestamp(), true),
        Field::new(FILE_ID, DataType::Int64, true),
    ];
    if partitioned {
        fields.push(Field::new("at_day", DataType::Date32, true));
    }
    Arc::new(Schema::new(fields))
}

#[derive(Clone, Debug)]
struct Row {
    id: Option<&'static str>,
    route: Option<&'static str>,
    speed: f64,
    at_us: Option<i64>,
}

fn batch(rows: &[Row], file: i64, partitioned: bool) -> RecordBatch {
    let at: TimestampMicrosecondArray = rows.iter().map(|r| r.at_us).collect();
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|r| r.id).collect::<StringArray>()),
        Arc::new(rows.iter().map(|r| r.route).collect::<StringArray>()),
        Arc::new(rows.iter().map(|r| Some(r.speed)).collect::<Float64Array>()),
        Arc::new(at.with_timezone("UTC")),
        Arc::new(Int64Array::from(vec![file; rows.len()])),
    ];
    if partitioned {
        let day = |r: &Row| r.at_us.map(|t| t.div_euclid(DAY_US) as i32);
        columns.push(Arc::new(rows.iter().map(day).collect::<Date32Array>()));
    }
    RecordBatch::try_new(schema(partitioned), columns).unwrap()
}

fn live(files: Vec<AddFile>) -> impl Iterator<Item = LiveFile> {
    files.into_iter().map(|f| LiveFile {
        path: f.path,
        partition_values: f.partition_values,
        size_bytes: f.size_bytes,
        n_rows: Some(f.n_rows),
        stats: Some(f.stats),
    })
}

fn options() -> SinkOptions {
    SinkOptions { target_file_bytes: 1 << 20, memory_bytes: 1 << 20, open_files: 8, sort_by: Vec::new() }
}

/// Whether two rows have one key; an empty text names no folder.
fn is_like(a: &Row, b: &Row, rule: &Dedupe, route_is_folder: bool) -> bool {
    let route = |r: &Row| r.route.filter(|t| !(route_is_folder && t.is_empty()));
    rule.key.iter().all(|column| match column.as_str() {
        "id" => a.id == b.id,
        "route" => route(a) == route(b),
        "speed" => a.speed == b.speed || a.speed.is_nan() && b.speed.is_nan(),
        _ => a.at_us == b.at_us,
    })
}

#[test]
fn what_is_read_back_is_what_was_kept() {
    for seed in 0..16 {
        let mut random = fastrand::Rng::with_seed(seed);
        let partitioned = random.bool();
        let partition_by: Vec<String> = match partitioned {
            true => vec!["route".into(), "at_day".into()],
            false => Vec::new(),
        };
        let key: &[&str] =
            [&["id", "at"][..], &["id", "route"], &["speed", "id", "route", "at"]][random.usize(..3)];
        let window = Duration::from_secs(random.u64(1..50_000));
        let rule = Dedupe { key: key.iter().map(|c| c.to_string()).collect(), by: "at".into(), window };
        let folder = tempfile::tempdir().unwrap();
        let schema = schema(partitioned);
        let budget = [0, 4_000, 1 << 20][random.usize(..3)];
        let mut deduper = Deduper::new(&rule, &schema, &partition_by).unwrap();
        let mut files: Vec<LiveFile> = Vec::new();
        let mut kept: Vec<(i64, Row)> = Vec::new();
        let mut n_left_out = 0;
        for file in 0..20_i64 {
            let mut row = || Row {
                id: [None, Some("a"), Some("b"), Some("")][random.usize(..4)],
                route: [None, Some("M1"), Some(""), Some("a/b c")][random.usize(..4)],
                speed: [0.0, -0.0, f64::NAN, 1.5][random.usize(..4)],
                at_us: (random.u8(..) > 10).then(|| random.i64(0..40) * 3_600_000_000 * 3 / 2 - DAY_US),
            };
            let rows: Vec<Row> = (0..20).map(|_| row()).collect();
            // Now and then a file is worked on again: its own rows do not count.
            let again = random.u8(..5) == 0 && file > 0;
            let (id, rows) = match again {
                true => {
                    (file - 1, kept.iter().filter(|(f, _)| *f == file - 1).map(|(_, r)| r.clone()).collect())
                }
                false => (file, rows),
            };
            let without: HashSet<i64> = again.then_some(id).into_iter().collect();
            if again {
                deduper = Deduper::new(&rule, &schema, &partition_by).unwrap();
            }
            let batch = batch(&rows, id, partitioned);
            let keys = deduper.keys(&batch).unwrap();
            deduper
                .look_up(&[&keys], budget, || {
                    Ok(Held { folder: folder.path(), files: &files, without: &without })
                })
                .unwrap();
            let stays = deduper.judge(&keys);
            deduper.kept().end_file();
            deduper.kept().commit();
            let mut want = Vec::new();
            let mut others: Vec<(i64, Row)> =
                kept.iter().filter(|(f, _)| !without.contains(f)).cloned().collect();
            for row in &rows {
                let near = |other: &Row| {
                    let apart = row.at_us.zip(other.at_us).map(|(a, b)| a.abs_diff(b));
                    apart.is_some_and(|us| us <= rule.reach_us() as u64)
                };
                let is_duplicate = others.iter().any(|(_, o)| near(o) && is_like(row, o, &rule, partitioned));
                want.push(!is_duplicate);
                if !is_duplicate {
                    others.push((id, row.clone()));
                }
            }
            assert_eq!(stays, BooleanArray::from(want.clone()), "seed {seed}, file {file}, {rule:?}");
            if again {
                assert!(want.iter().all(|stays| *stays), "what stayed before stays again");
                // What was judged is in the table, and has been all the time.
                continue;
            }
            kept = others;
            n_left_out += want.iter().filter(|stays| !**stays).count();
            let rows = filter_record_batch(&batch, &stays).unwrap();
            let sink = Sink::new(folder.path(), schema.clone(), &partition_by, options());
            files.extend(live(sink.write_all(&[rows]).unwrap()));
            if random.u8(..6) == 0 {
                deduper = Deduper::new(&rule, &schema, &partition_by).unwrap();
            }
        }
        assert!(n_left_out > 0 && !kept.is_empty(), "seed {seed}: {n_left_out} of the rows left out");
    }
}

#[test]
fn files_of_other_times_are_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let rule = Dedupe { key: vec!["id".into(), "at".into()], by: "at".into(), window: Duration::ZERO };
    let schema = schema(false);
    let at = |hour: i64| Row { id: Some("a"), route: None, speed: 1.0, at_us: Some(hour * 3_600_000_000) };
    let mut files = Vec::new();
    for hour in 0..3 {
        let sink = Sink::new(folder.path(), schema.clone(), &[], options());
        files.extend(live(sink.write_all(&[batch(&[at(hour)], hour, false)]).unwrap()));
    }
    // Whoever opened these would say so.
    for other in [0, 2] {
        std::fs::remove_file(folder.path().join(&files[other].path)).unwrap();
    }
    let mut deduper = Deduper::new(&rule, &schema, &[]).unwrap();
    let without = HashSet::new();
    let mut judged = |hour: i64| {
        let keys = deduper.keys(&batch(&[at(hour)], 9, false)).unwrap();
        let held = || Ok(Held { folder: folder.path(), files: &files, without: &without });
        deduper.look_up(&[&keys], 1 << 20, held).map(|()| deduper.judge(&keys).value(0))
    };
    assert!(!judged(1).unwrap());
    assert!(judged(7).unwrap());
    assert_eq!(judged(2).unwrap_err().code, Code::TableDamaged);
}

#[test]
fn a_rule_needs_its_columns() {
    let rule =
        |key: &str, by: &str| Dedupe { key: vec![key.into()], by: by.into(), window: Duration::from_secs(9) };
    let code = |rule: Dedupe| check(&rule, &schema(false)).map_err(|e| e.code);
    assert_eq!(code(rule("id", "at")), Ok(()));
    assert_eq!(code(rule("vehicle", "at")), Err(Code::MissingColumn));
    assert_eq!(code(rule("id", "then")), Err(Code::MissingColumn));
    assert_eq!(code(rule("id", "route")), Err(Code::DoesNotFit));
}
