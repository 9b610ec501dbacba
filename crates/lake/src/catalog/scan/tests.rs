//! Against delta-rs, which goes through the log each time.

use std::fs;

use arrow::array::{Date32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::prelude::{SessionConfig, SessionContext, col, lit};
use deltalake::protocol::SaveMode;
use lakegate_domain::TableName;

use super::*;
use crate::catalog::snapshots::Snapshots;

const N_COMMITS: i64 = 6;
const N_ROWS: i64 = 40;

/// Rows of one commit. The first ones lack the column `late`; partitions and
/// values may be null; instants have microseconds.
fn rows(commit: i64, rng: &mut fastrand::Rng) -> RecordBatch {
    let n = N_ROWS as usize;
    let some = |rng: &mut fastrand::Rng| rng.u8(..8) > 0;
    let route: Vec<Option<String>> =
        (0..n).map(|_| some(rng).then(|| ["A", "B", "x%y z", "ü"][rng.usize(..4)].to_string())).collect();
    let day: Vec<Option<i32>> = (0..n).map(|_| some(rng).then(|| 19_000 + rng.i32(0..3))).collect();
    let number: Vec<Option<i64>> = (0..n).map(|_| some(rng).then(|| commit * 10 + rng.i64(0..20))).collect();
    let value: Vec<Option<f64>> = (0..n).map(|_| some(rng).then(|| rng.f64() * commit as f64)).collect();
    let at: Vec<Option<i64>> =
        (0..n).map(|_| some(rng).then(|| commit * 3_600_000_000 + rng.i64(0..3_600_000_000))).collect();
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("number", Arc::new(Int64Array::from(number))),
        ("day", Arc::new(Date32Array::from(day))),
        ("at", Arc::new(TimestampMicrosecondArray::from(at).with_timezone("UTC"))),
        ("route", Arc::new(StringArray::from(route))),
        ("value", Arc::new(Float64Array::from(value))),
    ];
    if commit >= N_COMMITS / 2 {
        let late = (0..n).map(|_| some(rng).then(|| ["p", "q"][rng.usize(..2)])).collect::<Vec<_>>();
        columns.push(("late", Arc::new(StringArray::from(late))));
    }
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap()
}

async fn table(storage: &std::path::Path, partition_by: &[&str], rng: &mut fastrand::Rng) -> TableName {
    let name = lakegate_domain::DatasetName::new("demo", "buses").table("seen");
    let folder = crate::log::table_folder(storage, &name);
    fs::create_dir_all(&folder).unwrap();
    let url = url::Url::from_directory_path(&folder).unwrap();
    for commit in 0..N_COMMITS {
        let table = DeltaTable::try_from_url(url.clone()).await.unwrap();
        table
            .write([rows(commit, rng)])
            .with_save_mode(SaveMode::Append)
            .with_schema_mode(deltalake::operations::write::SchemaMode::Merge)
            .with_partition_columns(partition_by.iter().copied())
            .await
            .unwrap();
    }
    name
}

/// A condition on some columns; its literals lie about where the values do.
fn condition(depth: u8, rng: &mut fastrand::Rng) -> String {
    if depth > 0 && rng.bool() {
        let (a, b) = (condition(depth - 1, rng), condition(depth - 1, rng));
        return match rng.u8(..3) {
            0 => format!("({a} and {b})"),
            1 => format!("({a} or {b})"),
            _ => format!("not ({a})"),
        };
    }
    let (column, literal) = match rng.u8(..6) {
        0 => ("number", rng.i64(-5..90).to_string()),
        1 => ("day", format!("date '2022-01-{:02}'", rng.u8(7..12))),
        2 => {
            let at = jiff::Timestamp::from_microsecond(rng.i64(0..N_COMMITS * 3_600_000_000)).unwrap();
            ("at", format!("timestamp '{at}'"))
        }
        3 => ("route", ["'A'", "'x%y z'", "'ü'", "'zz'"][rng.usize(..4)].to_string()),
        4 => ("value", format!("{:.3}", rng.f64() * 6.0)),
        _ => ("late", ["'p'", "'q'", "'r'"][rng.usize(..3)].to_string()),
    };
    match rng.u8(..8) {
        0 => format!("{column} is null"),
        1 => format!("{column} is not null"),
        2 => format!("{column} in ({literal}, {literal})"),
        n => format!("{column} {} {literal}", ["=", "<>", "<", "<=", ">="][usize::from(n) - 3]),
    }
}

async fn answer(context: &SessionContext, table: &str, rest: &str) -> Vec<String> {
    let batches = context.sql(&rest.replace("TABLE", table)).await.unwrap().collect().await.unwrap();
    let options = FormatOptions::new().with_null("null");
    let mut lines = Vec::new();
    for batch in &batches {
        let cells: Vec<_> =
            batch.columns().iter().map(|c| ArrayFormatter::try_new(c, &options).unwrap()).collect();
        lines.extend(
            (0..batch.num_rows())
                .map(|r| cells.iter().map(|c| c.value(r).to_string()).collect::<Vec<_>>().join("|")),
        );
    }
    lines.sort();
    lines
}

fn context() -> SessionContext {
    let mut config = SessionConfig::new().with_target_partitions(2);
    config.options_mut().execution.parquet.pushdown_filters = true;
    SessionContext::new_with_config(config)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_question_is_answered_as_delta_rs_answers_it() {
    for (seed, partition_by) in [(1, &[][..]), (2, &["day"]), (3, &["route", "day"]), (4, &["number"])] {
        println!("seed {seed}");
        let mut rng = fastrand::Rng::with_seed(seed);
        let folder = tempfile::tempdir().unwrap();
        let name = table(folder.path(), partition_by, &mut rng).await;
        let newest = Snapshots::new(folder.path().to_path_buf()).newest(&name).await.unwrap().unwrap();
        assert!(newest.contents.plain.is_some(), "it is read without the log");
        let by_log =
            DeltaScanNext::new(newest.table.snapshot().unwrap().snapshot().clone(), config()).unwrap();
        let context = context();
        context.register_table("plain", Arc::new(Scan::new(newest.clone()))).unwrap();
        newest.table.update_datafusion_session(&context.state()).unwrap();
        context.register_table("by_log", Arc::new(by_log)).unwrap();
        for _ in 0..25 {
            let condition = condition(2, &mut rng);
            let chosen =
                ["*", "late, number", "count(*), max(at), min(route)", "day, count(*)"][rng.usize(..4)];
            let by = if chosen.starts_with("day") { " group by day" } else { "" };
            let question = format!("select {chosen} from TABLE where {condition}{by}");
            let plain = answer(&context, "plain", &question).await;
            assert_eq!(plain, answer(&context, "by_log", &question).await, "{question}");
        }
        for question in ["select count(*) from TABLE", "select max(number), min(day), count(late) from TABLE"]
        {
            assert_eq!(
                answer(&context, "plain", question).await,
                answer(&context, "by_log", question).await,
                "{question}"
            );
        }
    }
}

#[tokio::test]
async fn data_files_that_cannot_hold_an_answer_are_not_read() {
    let mut rng = fastrand::Rng::with_seed(5);
    let folder = tempfile::tempdir().unwrap();
    let name = table(folder.path(), &["day"], &mut rng).await;
    let newest = Snapshots::new(folder.path().to_path_buf()).newest(&name).await.unwrap().unwrap();
    let plain = newest.contents.plain.as_ref().unwrap();
    let scan = Scan::new(newest.clone());
    let state = context().state();
    let wanted = |filter: Expr| scan.wanted(plain, &state, &[filter]).unwrap().len();
    assert_eq!(plain.files.len(), 24, "six commits, three days and rows without one");
    assert_eq!(wanted(lit(true)), 24);
    let day = |d: i32| lit(ScalarValue::Date32(Some(d)));
    assert_eq!(wanted(col("day").eq(day(19_000))), 6);
    assert_eq!(wanted(col("day").eq(day(20_000))), 0);
    assert_eq!(wanted(col("day").is_null()), 6);
    assert_eq!(wanted(col("day").is_not_null()), 18);
    let at = |us: i64| lit(ScalarValue::TimestampMicrosecond(Some(us), Some("UTC".into())));
    let hour = 3_600_000_000;
    assert_eq!(wanted(col("at").gt_eq(at(3 * hour)).and(col("at").lt(at(4 * hour)))), 4);
    assert_eq!(wanted(col("at").gt_eq(at(3 * hour)).and(col("day").eq(day(19_001)))), 3);
    assert_eq!(wanted(col("number").lt(lit(0))), 0);

    let one = plain.files[0].path.clone();
    let context = context();
    let rows = Scan::of_files(newest.clone(), [one.clone()]);
    context.register_table("one", Arc::new(rows)).unwrap();
    let said = answer(&context, "one", "select distinct _data_file from TABLE").await;
    assert_eq!(said, [one]);
}

#[tokio::test]
async fn a_table_of_a_later_protocol_is_left_to_delta_rs() {
    let mut rng = fastrand::Rng::with_seed(6);
    let folder = tempfile::tempdir().unwrap();
    let name = table(folder.path(), &[], &mut rng).await;
    let log = crate::log::table_folder(folder.path(), &name).join("_delta_log");
    fs::write(
        log.join(format!("{N_COMMITS:020}.json")),
        "{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[\"deletionVectors\"],\
         \"writerFeatures\":[\"deletionVectors\"]}}\n",
    )
    .unwrap();
    let newest = Snapshots::new(folder.path().to_path_buf()).newest(&name).await.unwrap().unwrap();
    assert!(newest.contents.plain.is_none());
    let context = context();
    newest.table.update_datafusion_session(&context.state()).unwrap();
    context.register_table("all", Arc::new(Scan::new(newest.clone()))).unwrap();
    let n = (N_COMMITS * N_ROWS).to_string();
    assert_eq!(answer(&context, "all", "select count(*) from TABLE").await, [n]);

    let files = newest.table.snapshot().unwrap().snapshot().try_log_data().unwrap();
    let one = files.iter().next().unwrap().path().into_owned();
    context.register_table("one", Arc::new(Scan::of_files(newest.clone(), [one.clone()]))).unwrap();
    let said = answer(&context, "one", "select count(*), _data_file from TABLE group by _data_file").await;
    assert!(
        said.len() == 1 && said[0].starts_with(&N_ROWS.to_string()) && said[0].ends_with(&one),
        "{said:?}"
    );
}
