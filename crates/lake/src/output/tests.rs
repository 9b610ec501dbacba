//! One result in every format.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int64Array, ListArray, StringArray, TimestampMicrosecondArray,
    TimestampSecondArray,
};
use arrow::datatypes::Int64Type;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream;

use super::*;

fn batch() -> RecordBatch {
    let instants =
        TimestampMicrosecondArray::from(vec![Some(1_772_323_200_000_000), Some(1_772_323_200_250_000), None]);
    let columns: [(&str, ArrayRef); 6] = [
        ("id", Arc::new(Int64Array::from(vec![1, 20, 300]))),
        ("name", Arc::new(StringArray::from(vec![Some("a, \"b\""), Some("日本\nline"), None]))),
        ("at", Arc::new(instants.with_timezone("UTC"))),
        ("naive", Arc::new(TimestampSecondArray::from(vec![Some(0), None, Some(1)]))),
        (
            "list",
            Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([
                Some(vec![Some(1), None]),
                Some(vec![]),
                None,
            ])),
        ),
        ("ok", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(n, c)| (n, c, true))).unwrap()
}

fn stream_of(batches: Vec<RecordBatch>) -> SendableRecordBatchStream {
    Box::pin(RecordBatchStreamAdapter::new(batch().schema(), stream::iter(batches.into_iter().map(Ok))))
}

async fn written(batches: Vec<RecordBatch>, format: OutputFormat, options: TableOptions) -> (u64, Vec<u8>) {
    let mut out = Vec::new();
    let n_rows = write(stream_of(batches), format, &mut out, options).await.unwrap();
    (n_rows, out)
}

async fn text(batches: Vec<RecordBatch>, format: OutputFormat) -> String {
    String::from_utf8(written(batches, format, TableOptions::default()).await.1).unwrap()
}

#[tokio::test]
async fn as_a_table() {
    assert_eq!(
        text(vec![batch()], OutputFormat::Table).await,
        [
            "  id │ name      │ at                       │ naive               │ list     │ ok",
            "─────┼───────────┼──────────────────────────┼─────────────────────┼──────────┼───────",
            "   1 │ a, \"b\"    │ 2026-03-01T00:00:00Z     │ 1970-01-01T00:00:00 │ [1,null] │ true",
            "  20 │ 日本↵line │ 2026-03-01T00:00:00.250Z │ NULL                │ []       │ false",
            " 300 │ NULL      │ NULL                     │ 1970-01-01T00:00:01 │ NULL     │ NULL",
            "",
        ]
        .join("\n")
    );
}

#[tokio::test]
async fn a_long_table_says_how_much_is_left_out() {
    let options = TableOptions { max_rows: 4, ..TableOptions::default() };
    let (n_rows, out) = written(vec![batch(), batch(), batch()], OutputFormat::Table, options).await;
    let out = String::from_utf8(out).unwrap();
    assert_eq!(n_rows, 9);
    assert_eq!(out.lines().count(), 2 + 4 + 1);
    assert!(out.ends_with("… and 5 more rows; `limit`, or `--output FILE`, for all of them\n"), "{out}");
}

#[tokio::test]
async fn a_table_keeps_to_its_width() {
    let options = TableOptions { width: Some(60), ..TableOptions::default() };
    let out = String::from_utf8(written(vec![batch()], OutputFormat::Table, options).await.1).unwrap();
    assert!(out.lines().all(|l| l.chars().count() <= 60), "{out}");
    assert_eq!(out.lines().count(), 5, "cut, not wrapped:\n{out}");
}

#[tokio::test]
async fn too_many_columns_stand_upright() {
    let options = TableOptions { width: Some(30), ..TableOptions::default() };
    let out =
        String::from_utf8(written(vec![batch().slice(1, 1)], OutputFormat::Table, options).await.1).unwrap();
    assert_eq!(
        out,
        "\
── row 1 ──
 id    │ 20
 name  │ 日本↵line
 at    │ 2026-03-01T00:00:00.250Z
 naive │ NULL
 list  │ []
 ok    │ false
"
    );
}

#[tokio::test]
async fn a_terminal_is_not_obeyed() {
    let names: ArrayRef = Arc::new(StringArray::from(vec!["\u{1b}[31mred"]));
    let batch = RecordBatch::try_from_iter([("x", names)]).unwrap();
    let stream = Box::pin(RecordBatchStreamAdapter::new(batch.schema(), stream::iter([Ok(batch)])));
    let mut out = Vec::new();
    write(stream, OutputFormat::Table, &mut out, TableOptions::default()).await.unwrap();
    assert!(!out.contains(&0x1b));
}

#[tokio::test]
async fn as_csv() {
    assert_eq!(
        text(vec![batch().slice(0, 1), batch().slice(1, 2)], OutputFormat::Csv).await,
        "id,name,at,naive,list,ok\n\
         1,\"a, \"\"b\"\"\",2026-03-01T00:00:00Z,1970-01-01T00:00:00,\"[1,null]\",true\n\
         20,\"日本\nline\",2026-03-01T00:00:00.250Z,,[],false\n\
         300,,,1970-01-01T00:00:01,,\n"
    );
    assert_eq!(text(vec![], OutputFormat::Csv).await, "id,name,at,naive,list,ok\n");
}

#[tokio::test]
async fn as_json() {
    let rows = [
        r#"{"id":1,"name":"a, \"b\"","at":"2026-03-01T00:00:00Z","naive":"1970-01-01T00:00:00","list":[1,null],"ok":true}"#,
        r#"{"id":20,"name":"日本\nline","at":"2026-03-01T00:00:00.250Z","naive":null,"list":[],"ok":false}"#,
        r#"{"id":300,"name":null,"at":null,"naive":"1970-01-01T00:00:01","list":null,"ok":null}"#,
    ];
    let batches = || vec![batch().slice(0, 2), batch().slice(2, 1)];
    assert_eq!(text(batches(), OutputFormat::Json).await, format!("[\n{}\n]\n", rows.join(",\n")));
    assert_eq!(text(batches(), OutputFormat::Ndjson).await, format!("{}\n", rows.join("\n")));
    assert_eq!(text(vec![], OutputFormat::Json).await, "[\n]\n");
    assert_eq!(text(vec![], OutputFormat::Ndjson).await, "");
    let parsed: serde_json::Value = serde_json::from_str(&text(batches(), OutputFormat::Json).await).unwrap();
    assert_eq!(parsed.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn parquet_and_arrow_come_back_as_they_went() {
    use arrow::ipc::reader::FileReader;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReader;

    for batches in [vec![], vec![batch(), batch()]] {
        let (n_rows, bytes) = written(batches.clone(), OutputFormat::Parquet, TableOptions::default()).await;
        let read: Vec<RecordBatch> = ParquetRecordBatchReader::try_new(bytes::Bytes::from(bytes), 1024)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(n_rows, 3 * batches.len() as u64);
        assert_eq!(
            arrow::compute::concat_batches(&batch().schema(), &read).unwrap(),
            arrow::compute::concat_batches(&batch().schema(), &batches).unwrap()
        );
        let (_, bytes) = written(batches.clone(), OutputFormat::Arrow, TableOptions::default()).await;
        let read: Vec<RecordBatch> =
            FileReader::try_new(std::io::Cursor::new(bytes), None).unwrap().map(Result::unwrap).collect();
        assert_eq!(read, batches);
    }
}

#[tokio::test]
async fn an_error_in_the_stream_is_a_sentence() {
    let failing =
        stream::iter([Ok(batch()), Err(DataFusionError::Execution("Execution error: it broke".into()))]);
    let stream = Box::pin(RecordBatchStreamAdapter::new(batch().schema(), failing));
    let error = write(stream, OutputFormat::Csv, &mut Vec::new(), TableOptions::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "it broke");
}

/// A pipe whose reader leaves after some bytes, or a disk that fills up.
struct Limited(usize, io::ErrorKind);

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(self.1.into());
        }
        let n = bytes.len().min(self.0);
        self.0 -= n;
        Ok(n)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_reader_that_leaves_is_no_error_and_a_full_disk_is_one() {
    for format in OutputFormat::ALL {
        let write_to = |kind| async move {
            write(stream_of(vec![batch(); 50]), format, &mut Limited(100, kind), TableOptions::default())
                .await
        };
        assert!(write_to(io::ErrorKind::BrokenPipe).await.is_ok(), "{format}");
        let error = write_to(io::ErrorKind::StorageFull).await.unwrap_err();
        assert!(error.message.starts_with("the result cannot be written: "), "{format}: {error}");
    }
}

#[test]
fn formats_have_names_and_endings() {
    for format in OutputFormat::ALL {
        assert_eq!(format.name().parse(), Ok(format));
    }
    assert!("xml".parse::<OutputFormat>().unwrap_err().contains("ndjson"));
    for (name, want) in [
        ("a.csv", Some(OutputFormat::Csv)),
        ("a.b.JSONL", Some(OutputFormat::Ndjson)),
        ("a.parquet", Some(OutputFormat::Parquet)),
        ("a.feather", Some(OutputFormat::Arrow)),
        ("a.xyz", None),
        ("a", None),
    ] {
        assert_eq!(OutputFormat::of_path(std::path::Path::new(name)), want, "{name}");
    }
}
