//! Statements over small tables, with the answers kept in `statements.slt`.
//!
//! `LAKEGATE_UPDATE_GOLDEN=1` writes the answers anew; look at the difference.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, Date32Array, Decimal128Array, Float64Array, Int64Array, ListArray, RecordBatch,
    StringArray, StructArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use deltalake::DeltaTable;
use futures::StreamExt;

use super::*;
use crate::output::{self, OutputFormat, TableOptions};

/// The ledger's stand-in.
struct Ledger;

impl SystemTables for Ledger {
    fn names(&self) -> Vec<(String, String)> {
        vec![
            ("files".into(), "Every file that has landed.".into()),
            ("runs".into(), "Every recorded execution.".into()),
        ]
    }

    fn schema(&self, _: &str) -> Result<SchemaRef, String> {
        let text = |name| Field::new(name, DataType::Utf8, false);
        Ok(Arc::new(Schema::new(vec![text("name"), text("state")])))
    }

    fn scan(&self, name: &str, wanted: &[Wanted]) -> BoxStream<'static, Result<RecordBatch, String>> {
        if let [Wanted { column, value }] = wanted {
            assert_eq!((column.as_str(), value), ("state", &WantedValue::Text("parked".into())));
        }
        if name == "runs" {
            return stream::iter([Err("the ledger is locked by another process".into())]).boxed();
        }
        let pages = [("a.csv", "committed"), ("b.csv", "parked")].map(|(name, state)| {
            let name: ArrayRef = Arc::new(StringArray::from(vec![name]));
            let state: ArrayRef = Arc::new(StringArray::from(vec![state]));
            RecordBatch::try_from_iter([("name", name), ("state", state)]).map_err(|e| e.to_string())
        });
        stream::iter(pages).boxed()
    }
}

/// Makes a table of the batch, partitioned by the columns named.
async fn table(storage: &Path, name: &str, batch: RecordBatch, partition_by: &[&str]) {
    let folder = storage.join("tables").join(name.replace('.', "/"));
    fs::create_dir_all(&folder).unwrap();
    let url = url::Url::from_directory_path(&folder).unwrap();
    let table = DeltaTable::try_from_url(url).await.unwrap();
    let mut write = table.write([batch]).with_description(format!("Rows of {name}."));
    if !partition_by.is_empty() {
        write = write.with_partition_columns(partition_by.iter().copied());
    }
    write.await.unwrap();
}

fn persons() -> RecordBatch {
    let about = |pairs: &[(&str, &str)]| -> HashMap<String, String> {
        pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
    };
    let schema = Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("name", DataType::Utf8, true),
        Field::new("height", DataType::Float64, true).with_metadata(about(&[
            ("unit", "m"),
            ("comment", "standing height [m]"),
            ("standard_name", "height"),
        ])),
        Field::new("MixedCase", DataType::Utf8, true),
        Field::new("org", DataType::Utf8, true),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![1, 2, 3])),
        Arc::new(StringArray::from(vec![Some("Ada"), Some("Grace"), None])),
        Arc::new(Float64Array::from(vec![Some(1.65), None, Some(1.8)])),
        Arc::new(StringArray::from(vec!["x", "y", "z"])),
        Arc::new(StringArray::from(vec!["north", "south", "north"])),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

fn met(first: i64) -> RecordBatch {
    // 2026-03-01T00:00:00Z and later, in microseconds.
    let at = |s: i64| 1_772_323_200_000_000 + s * 1_000_000;
    let columns: [(&str, ArrayRef); 3] = [
        (
            "time",
            Arc::new(TimestampMicrosecondArray::from(vec![at(0), at(3600) + 250_000]).with_timezone("UTC")),
        ),
        ("day", Arc::new(Date32Array::from(vec![20_513, 20_514]))),
        ("pressure", Arc::new(Int64Array::from(vec![first, first + 1]))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn shapes() -> RecordBatch {
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1), None]), None]);
    let structs = StructArray::from(vec![(
        Arc::new(Field::new("a", DataType::Utf8, true)),
        Arc::new(StringArray::from(vec![Some("q\"uote"), None])) as ArrayRef,
    )]);
    let columns: [(&str, ArrayRef); 4] = [
        ("list", Arc::new(lists)),
        ("struct", Arc::new(structs)),
        ("price", Arc::new(Decimal128Array::from(vec![12345, -1]).with_precision_and_scale(10, 2).unwrap())),
        ("bytes", Arc::new(BinaryArray::from(vec![Some(&b"\x00\xff"[..]), None]))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(n, c)| (n, c, true))).unwrap()
}

async fn lake() -> (tempfile::TempDir, Session) {
    let dir = tempfile::tempdir().unwrap();
    table(dir.path(), "demo.legislators.persons", persons(), &["org"]).await;
    table(dir.path(), "demo.legislators.shapes", shapes(), &[]).await;
    table(dir.path(), "ocean.buoy.met", met(1000), &["day"]).await;
    table(dir.path(), "ocean.glider.met", met(2000), &[]).await;
    // A table whose log says nothing sensible.
    let broken = dir.path().join("tables/ocean/buoy/broken/_delta_log");
    fs::create_dir_all(&broken).unwrap();
    fs::write(broken.join("00000000000000000000.json"), "{ not json").unwrap();
    let session = open(dir.path(), 256 << 20);
    (dir, session)
}

fn open(storage: &Path, memory_bytes: u64) -> Session {
    Session::new(storage, memory_bytes, &storage.join("spill"), Arc::new(Ledger)).unwrap()
}

/// A statement's rows as a table, or its error.
async fn answer(session: &Session, sql: &str) -> String {
    let written = async {
        let (_, stream) = session.query(sql).await?;
        let mut out = Vec::new();
        output::write(stream, OutputFormat::Table, &mut out, TableOptions::default()).await?;
        Ok::<_, Error>(String::from_utf8(out).unwrap())
    };
    match written.await {
        Ok(text) => text,
        Err(e) => format!("{:?}: {e}\n", e.kind),
    }
}

/// The file with each statement's answer as it is now. A statement begins with
/// `> `, goes on with `. `, and is followed by its answer and an empty line.
async fn replayed(session: &Session, golden: &str) -> String {
    let mut text = String::new();
    let mut lines = golden.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with('#') || line.is_empty() && !text.ends_with("\n\n") {
            text.push_str(&format!("{line}\n"));
        }
        let Some(first) = line.strip_prefix("> ") else { continue };
        let mut sql = first.to_string();
        text.push_str(&format!("{line}\n"));
        while let Some(more) = lines.next_if(|l| l.starts_with(". ")) {
            sql.push_str(&format!("\n{}", &more[2..]));
            text.push_str(&format!("{more}\n"));
        }
        text.push_str(&answer(session, &sql).await);
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_and_their_answers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/session/statements.slt");
    let golden = fs::read_to_string(&path).unwrap();
    let (dir, session) = lake().await;
    let now = replayed(&session, &golden).await.replace(&*dir.path().to_string_lossy(), "<storage>");
    if std::env::var_os("LAKEGATE_UPDATE_GOLDEN").is_some() {
        fs::write(&path, now).unwrap();
        return;
    }
    for (number, (want, got)) in golden.lines().zip(now.lines()).enumerate() {
        assert_eq!(got, want, "statements.slt, line {}", number + 1);
    }
    assert_eq!(now.lines().count(), golden.lines().count(), "the answers end elsewhere");
}

#[tokio::test]
async fn the_ledger_is_told_which_rows_are_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let session =
        Session::new(folder.path(), 64 << 20, &folder.path().join("tmp"), Arc::new(Ledger)).unwrap();
    // The stand-in refuses to be asked for anything else, and gives all rows.
    for sql in [
        "select name from system.files where state = 'parked'",
        "select name from system.files where 'parked' = state and name > 'a' limit 1",
    ] {
        let (_, stream) = session.query(sql).await.unwrap();
        let batches: Vec<RecordBatch> = stream.map(|b| b.unwrap()).collect().await;
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 1, "{sql}");
    }
}

#[tokio::test]
async fn an_empty_lake_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let session = open(dir.path(), 64 << 20);
    assert_eq!(
        answer(&session, "select * from persons").await,
        "Statement: line 1, column 15: there is no table `persons`: the lake holds no tables yet; \
         `lakegate run` loads what has landed\n"
    );
    assert_eq!(answer(&session, "select count(*) as n from system.tables").await, " n\n───\n 0\n");
}

#[tokio::test]
async fn every_statement_sees_the_newest_version() {
    let dir = tempfile::tempdir().unwrap();
    let session = open(dir.path(), 64 << 20);
    for n in 1..=3 {
        table(dir.path(), "a.b.t", met(n), &[]).await;
        let sql = "select count(*) as n, (select version from system.tables) as version from t";
        assert_eq!(
            answer(&session, sql).await,
            format!(" n │ version\n───┼─────────\n {} │       {}\n", 2 * n, n - 1)
        );
    }
}

#[tokio::test]
async fn a_missing_data_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    table(dir.path(), "a.b.t", met(1), &[]).await;
    for entry in fs::read_dir(dir.path().join("tables/a/b/t")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "parquet") {
            fs::remove_file(path).unwrap();
        }
    }
    let text = answer(&open(dir.path(), 64 << 20), "select * from t").await;
    assert!(text.starts_with("Failed: the data file "), "{text}");
    assert!(text.contains("is missing"), "{text}");
    assert!(
        !text.contains("Object") && !text.contains("error:") && !text.contains("cannot be read"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sort_larger_than_memory_spills() {
    let dir = tempfile::tempdir().unwrap();
    let session = open(dir.path(), 16 << 20);
    // 3 million numbers of 8 bytes and as many strings: well above the limit.
    let sql = "with t as (select value, md5(cast(value as varchar)) as h from range(1, 1000000) as r(value)) \
               select h, row_number() over (order by h) as n from t order by h desc limit 1";
    let text = answer(&session, sql).await;
    assert!(text.contains("999999"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_little_memory_is_said_in_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let session = open(dir.path(), 1 << 20);
    let sql = "select count(*) from range(1, 2000000) as a(v) join range(1, 2000000) as b(v) on a.v = b.v";
    let text = answer(&session, sql).await;
    assert!(text.starts_with("Memory: the statement needs more memory than it may use"), "{text}");
}
