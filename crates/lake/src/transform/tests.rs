//! Statements over small files: what they yield, whether they are row-wise,
//! and what is said when they cannot be.

use arrow::array::{Float64Array, StringArray};
use arrow::util::pretty::pretty_format_batches;

use super::*;

fn input() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("a", DataType::Int64, true),
        Field::new("b", DataType::Int64, true),
        Field::new("Name", DataType::Utf8, true),
        Field::new("day", DataType::Utf8, false),
    ]))
}

/// Rows of `a`, `b`, `Name`, numbered from `first`; `day` is the same in all.
fn batch(first: i64, rows: &[(Option<i64>, Option<i64>, &str)]) -> RecordBatch {
    let input = input();
    let fields = input.fields().iter().cloned().chain([Arc::new(Field::new("_row", DataType::Int64, true))]);
    RecordBatch::try_new(
        Arc::new(Schema::new(fields.collect::<Vec<_>>())),
        vec![
            Arc::new(rows.iter().map(|r| r.0).collect::<Int64Array>()),
            Arc::new(rows.iter().map(|r| r.1).collect::<Int64Array>()),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|r| r.2))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|_| "20260131"))),
            Arc::new(Int64Array::from_iter_values(first..first + rows.len() as i64)),
        ],
    )
    .unwrap()
}

fn some_rows() -> RecordBatch {
    batch(
        11,
        &[(Some(1), Some(2), "x"), (None, Some(3), "y"), (Some(4), Some(0), "z"), (Some(9), Some(3), "x")],
    )
}

async fn compile(sql: &str) -> Transform {
    Transform::compile(sql, input()).await.unwrap()
}

async fn refusal(sql: &str) -> String {
    let failure = Transform::compile(sql, input()).await.unwrap_err();
    assert_eq!(failure.code, Code::Transform, "{sql}");
    failure.message
}

fn table(batches: &[RecordBatch]) -> String {
    pretty_format_batches(batches).unwrap().to_string()
}

/// Cells of each row, one space between.
fn cells(batches: &[RecordBatch]) -> Vec<String> {
    table(batches)
        .lines()
        .skip(3)
        .filter(|l| l.starts_with('|'))
        .map(|l| l.split('|').map(str::trim).filter(|c| !c.is_empty()).collect::<Vec<_>>().join(" "))
        .collect()
}

/// Runs a statement over the whole file.
async fn rows_of(
    t: &Transform,
    batches: Vec<RecordBatch>,
    limits: &Limits,
) -> Result<Vec<RecordBatch>, Failure> {
    let mut held = Held::new(limits.clone());
    for batch in batches {
        held.push(batch)?;
    }
    let mut output = t.run(held).await?;
    let mut rows = Vec::new();
    while let Some(batch) = output.next().await? {
        rows.push(batch);
    }
    Ok(rows)
}

fn limits(memory_bytes: usize) -> (tempfile::TempDir, Limits) {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { memory_bytes, spill_dir: dir.path().to_path_buf() };
    (dir, limits)
}

#[tokio::test]
async fn row_wise_statements_keep_the_numbers_of_their_rows() {
    for (sql, columns, rows) in [
        (
            "select * from input",
            "a b Name day",
            vec!["1 2 x 20260131 11", "3 y 20260131 12", "4 0 z 20260131 13", "9 3 x 20260131 14"],
        ),
        ("select b from input", "b", vec!["2 11", "3 12", "0 13", "3 14"]),
        ("select b, a from input where a > 1", "b a", vec!["0 4 13", "3 9 14"]),
        ("select a + b as s, 'k' as k from input where Name = 'x'", "s k", vec!["3 k 11", "12 k 14"]),
        (
            "SELECT A, NAME_ FROM (select a, \"Name\" as name_ from INPUT) t where t.A = 4",
            "a name_",
            vec!["4 z 13"],
        ),
        (
            "with t as (select a * 2 as c from input where b > 0) select c from t where c > 2",
            "c",
            vec!["18 14"],
        ),
        ("select count_ from (select a as count_ from input) where false", "count_", vec![]),
        ("select 1 as one from input", "one", vec!["1 11", "1 12", "1 13", "1 14"]),
        ("select case when b <> 0 then a / b end as q from input", "q", vec!["0 11", "12", "13", "3 14"]),
        ("select a from input where b <> 0 and a / b > 0", "a", vec!["9 14"]),
        (
            "select upper(Name) || day as n, cast(day as bigint) as d from input where a is null",
            "n d",
            vec!["Y20260131 20260131 12"],
        ),
    ] {
        let t = compile(sql).await;
        assert!(t.is_row_wise(), "{sql}");
        let out = t.apply(&some_rows()).unwrap();
        let names: Vec<String> = t.output_schema().fields().iter().map(|f| f.name().clone()).collect();
        assert_eq!(names.join(" "), columns, "{sql}");
        assert_eq!(out.num_columns(), names.len() + 1, "{sql}");
        assert_eq!(out.schema().field(names.len()).name(), "_row", "{sql}");
        for (declared, field) in t.output_schema().fields().iter().zip(out.schema().fields()) {
            assert_eq!(declared, field, "{sql}");
        }
        assert_eq!(cells(std::slice::from_ref(&out)), rows, "{sql}");
        // Batch boundaries mean nothing.
        let parts: Vec<_> = (0..4).map(|i| t.apply(&some_rows().slice(i, 1)).unwrap()).collect();
        assert_eq!(arrow::compute::concat_batches(&out.schema(), &parts).unwrap(), out, "{sql}");
    }
}

#[tokio::test]
async fn the_other_statements_see_the_whole_file_and_number_their_own_rows() {
    for (sql, rows) in [
        ("select count(*) as n from input", vec!["4 1"]),
        ("select Name, sum(b) as s from input group by Name order by Name", vec!["x 5 1", "y 3 2", "z 0 3"]),
        ("select b from input order by b desc", vec!["3 1", "3 2", "2 3", "0 4"]),
        ("select distinct Name from input order by 1", vec!["x 1", "y 2", "z 3"]),
        ("select a from input limit 2", vec!["1 1", "2"]),
        (
            "select b, lag(b) over (order by a) as p from input where a > 0 order by a",
            vec!["2 1", "0 2 2", "3 0 3"],
        ),
        ("select a from input where b = (select max(b) from input)", vec!["1", "9 2"]),
        ("select a from input where a in (select b + 1 from input)", vec!["1 1", "4 2"]),
        ("select i.a from input i join input j on i.b = j.a", vec![]),
        ("select a from input where a = 1 union all select b from input where a = 1", vec!["1 1", "2 2"]),
        ("select unnest([a, b]) as v from input where a = 1", vec!["1 1", "2 2"]),
        ("select a from input where random() >= 0 and a = 1", vec!["1 1"]),
        ("select a from input where now() > '2020-01-01' and a = 1", vec!["1 1"]),
        ("select 7 as seven", vec!["7 1"]),
    ] {
        let t = compile(sql).await;
        assert!(!t.is_row_wise(), "{sql}");
        let (_dir, limits) = limits(64 << 20);
        let halves = vec![some_rows().slice(0, 2), some_rows().slice(2, 2)];
        let out = rows_of(&t, halves, &limits).await.unwrap();
        assert_eq!(cells(&out), rows, "{sql}");
        for b in &out {
            assert_eq!(b.schema().field(b.num_columns() - 1).name(), "_row", "{sql}");
            for (declared, field) in t.output_schema().fields().iter().zip(b.schema().fields()) {
                assert_eq!(declared, field, "{sql}");
            }
        }
        assert_eq!(t.apply(&some_rows()).unwrap_err().code, Code::Bug, "{sql}");
    }
}

#[tokio::test]
async fn refusals_say_what_and_where() {
    for (sql, want) in [
        ("", "there is no statement"),
        ("select a from input; select b from input", "it has 2 statements"),
        ("create table t as select * from input", "CREATE is not a query"),
        ("insert into input values (1)", "INSERT is not a query"),
        ("copy input to 'x.csv'", "COPY is not a query"),
        ("set a = 1", "SET is not a query"),
        ("explain select a from input", "EXPLAIN is not a query"),
        ("drop table input", "DROP is not a query"),
        ("select * from other", "it reads `other`"),
        ("select * from x.input", "it reads `x.input`"),
        ("select * from generate_series(1, 2)", "it reads `generate_series`"),
        ("select a from input where a in (select b from elsewhere)", "it reads `elsewhere`"),
        ("select a as _row from input", "it yields a column `_row`"),
        ("select i.a, j.a from input i join input j on i.a = j.a", "it yields two columns `a`"),
        ("selec a from input", "line 1, column 1: "),
        ("select (a\n  from input", "line 2, column 3: "),
        ("select a, Nam from input", "line 1, column 11: there is no column `Nam`; did you mean `Name`"),
        (
            "select nothing_like_it from input",
            "there is no column `nothing_like_it`; the columns are `a`, `b`",
        ),
        ("select frobnicate(a) from input", "frobnicate"),
        ("select a + [1] from input", "cannot coerce"),
    ] {
        let said = refusal(sql).await;
        assert!(said.contains(want), "{sql}: {said}");
        assert!(!said.contains("DataFusion error"), "{sql}: {said}");
    }
}

#[tokio::test]
async fn a_row_that_fails_is_named() {
    let t = compile("select a / b as q from input").await;
    let failure = t.apply(&some_rows()).unwrap_err();
    assert_eq!(failure.code, Code::Transform);
    assert!(failure.message.starts_with("the transform failed in row 13: division by zero"), "{failure}");

    let t = compile("select cast(Name as bigint) as n from input").await;
    let rows: Vec<(Option<i64>, Option<i64>, &str)> =
        (0..5000).map(|i| (None, None, if i == 4321 { "many" } else { "7" })).collect();
    let failure = t.apply(&batch(1, &rows)).unwrap_err();
    assert!(failure.message.starts_with("the transform failed in row 4322: "), "{failure}");
    assert!(failure.message.contains("'many'"), "{failure}");

    let t = compile("select sum(a / b) as q from input").await;
    let (_dir, limits) = limits(1 << 20);
    let failure = rows_of(&t, vec![some_rows()], &limits).await.unwrap_err();
    assert!(failure.message.starts_with("the transform failed: division by zero"), "{failure}");
}

#[tokio::test]
async fn a_batch_of_another_shape_is_a_bug_not_a_panic() {
    let t = compile("select a from input").await;
    for wrong in [
        some_rows().project(&[0, 1, 2, 3]).unwrap(),
        some_rows().project(&[0, 4]).unwrap(),
        RecordBatch::try_from_iter([
            ("a", Arc::new(Float64Array::from(vec![1.0])) as ArrayRef),
            ("b", Arc::new(Int64Array::from(vec![1]))),
            ("Name", Arc::new(StringArray::from(vec!["x"]))),
            ("day", Arc::new(StringArray::from(vec!["x"]))),
            ("_row", Arc::new(Int64Array::from(vec![1]))),
        ])
        .unwrap(),
    ] {
        assert_eq!(t.apply(&wrong).unwrap_err().code, Code::Bug);
    }
    let mixed = some_rows().project(&[4, 3, 2, 1, 0]).unwrap();
    assert_eq!(cells(&[t.apply(&mixed).unwrap()]), ["1 11", "12", "4 13", "9 14"]);
}

#[tokio::test]
async fn a_file_without_rows_has_none_after_it() {
    let none = some_rows().slice(0, 0);
    let t = compile("select a + 1 as c from input where b > 0").await;
    assert_eq!(t.apply(&none).unwrap().num_rows(), 0);
    let t = compile("select b, count(*) as n from input group by b").await;
    let (_dir, limits) = limits(1 << 20);
    assert_eq!(
        rows_of(&t, vec![none], &limits).await.unwrap().iter().map(RecordBatch::num_rows).sum::<usize>(),
        0
    );
    assert_eq!(
        rows_of(&t, vec![], &limits).await.unwrap().iter().map(RecordBatch::num_rows).sum::<usize>(),
        0
    );
}

#[tokio::test]
async fn times_are_instants_in_utc() {
    let t = compile("select to_timestamp(day, '%Y%m%d') as t from input").await;
    let schema = t.output_schema();
    assert!(
        matches!(schema.field(0).data_type(), DataType::Timestamp(_, Some(zone)) if &**zone == "UTC"),
        "{schema}"
    );
}

#[tokio::test]
async fn what_does_not_fit_in_memory_spills_and_counts_on_across_batches() {
    let rows: Vec<(Option<i64>, Option<i64>, &str)> =
        (0..20_000).map(|i| (Some((i * 7919) % 20_011), Some(i), "some text that takes its room")).collect();
    let batches: Vec<RecordBatch> =
        rows.chunks(1000).enumerate().map(|(i, c)| batch(i as i64 * 1000 + 1, c)).collect();
    let t = compile("select a, Name from input order by a").await;
    let (dir, mut limits) = limits(512 << 10);
    let out = rows_of(&t, batches.clone(), &limits).await.unwrap();
    let column = |i: usize| {
        out.iter().flat_map(|b| b.column(i).as_primitive::<Int64Type>().values().to_vec()).collect::<Vec<_>>()
    };
    let mut sorted: Vec<i64> = rows.iter().flat_map(|r| r.0).collect();
    sorted.sort_unstable();
    assert_eq!(column(0), sorted);
    assert_eq!(column(2), (1..=20_000).collect::<Vec<_>>());
    assert_eq!(files_below(dir.path()), 0, "what spilled is gone");

    limits.memory_bytes = 1;
    let failure = rows_of(&t, batches, &limits).await.unwrap_err();
    assert_eq!(failure.code, Code::Transform);
    assert!(failure.message.contains("memory"), "{failure}");
}

#[tokio::test]
async fn held_rows_spill_and_can_be_read_more_than_once() {
    let rows: Vec<(Option<i64>, Option<i64>, &str)> =
        (0..30_000).map(|i| (Some(i), Some(i / 2), "some text that takes its room")).collect();
    let (dir, limits) = limits(2 << 20);
    let mut held = Held::new(limits.clone());
    for (i, rows) in rows.chunks(1000).enumerate() {
        let batch = batch(i as i64 * 1000 + 1, rows);
        // Later batches know no column `b`.
        held.push(if i < 20 { batch } else { batch.project(&[0, 2, 3, 4]).unwrap() }).unwrap();
    }
    assert!(files_below(dir.path()) >= 2, "a file for each schema");
    assert_eq!(held.schemas().len(), 2);
    let t = compile(
        "select count(*) as n, count(i.b) as b, sum(i.a) as s from input i \
         where i.a <= (select max(a) from input where b is null)",
    )
    .await;
    let mut output = t.run(held).await.unwrap();
    let out = output.next().await.unwrap().unwrap();
    assert_eq!(cells(&[out]), ["30000 20000 449985000 1"]);
    assert!(output.next().await.unwrap().is_none());
    drop(output);
    assert_eq!(files_below(dir.path()), 0, "what spilled is gone");

    let nowhere = Limits { spill_dir: dir.path().join("gone"), memory_bytes: 1 };
    let failure = Held::new(nowhere).push(some_rows()).unwrap_err();
    assert_eq!(failure.code, Code::Storage);
    assert!(failure.message.contains("gone"), "{failure}");
}

fn files_below(dir: &std::path::Path) -> usize {
    std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .map(|p| if p.is_dir() { files_below(&p) } else { 1 })
        .sum()
}
