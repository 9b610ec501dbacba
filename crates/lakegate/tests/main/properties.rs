//! What a file's rows become never depends on how files were batched.

use fastrand::Rng;

use crate::lake::{DONE, FINDINGS, Snapshot, TestLake, zip};

type Files = Vec<(String, Vec<u8>)>;

/// How the same files are fed: files per commit, and runs.
const FEEDS: [(usize, usize); 5] = [(1, 1), (3, 1), (1000, 1), (3, 4), (1000, 9)];

fn load(declaration: &str, files: &Files, batch_files: usize, n_runs: usize) -> Snapshot {
    let lake = TestLake::new(&format!("batch: {{ files: {batch_files} }}\n"));
    lake.dataset("things", declaration);
    for part in files.chunks(files.len().div_ceil(n_runs)) {
        for (name, bytes) in part {
            lake.land(&format!("landing/ops/things/{name}"), bytes);
        }
        let ran = lake.lakegate(&["run"]);
        assert!(matches!(ran.code, Some(DONE | FINDINGS)), "{ran}");
    }
    lake.prove();
    lake.snapshot()
}

fn batching_changes_nothing(declaration: &str, files: &Files) -> Snapshot {
    let (n, runs) = FEEDS[0];
    let first = load(declaration, files, n, runs);
    for (n, runs) in &FEEDS[1..] {
        let context = format!("{n} files a commit, {runs} runs, against one file a commit");
        load(declaration, files, *n, *runs).assert_same(&first, &context);
    }
    first
}

/// Rows with every kind of trouble that an expectation or a type can have.
fn mixed(rng: &mut Rng, n_files: usize) -> Files {
    (0..n_files)
        .map(|i| {
            let mut id = i * 100;
            let rows: Vec<[String; 4]> = (0..rng.usize(1..12))
                .map(|_| {
                    id += rng.usize(0..2);
                    let at = format!("2026-02-{:02}T{:02}:00:00Z", 1 + i % 3, rng.u8(..24));
                    let value = match rng.u8(..8) {
                        0 => "n/a".to_string(),
                        1 => "1e9".to_string(),
                        _ => format!("{}.25", rng.u8(..)),
                    };
                    [id.to_string(), at, ["x", "y", ""][rng.usize(..3)].to_string(), value]
                })
                .collect();
            let csv = || {
                let body: String = rows.iter().map(|r| r.join(",") + "\n").collect();
                format!("id,at,tag,value\n{body}").into_bytes()
            };
            match i % 5 {
                0 => {
                    let body: String = rows
                        .iter()
                        .map(|[id, at, tag, v]| {
                            format!("{{\"id\":{id},\"at\":\"{at}\",\"tag\":\"{tag}\",\"value\":\"{v}\",\"extra\":{i}}}\n")
                        })
                        .collect();
                    (format!("{i:03}.ndjson"), body.into_bytes())
                }
                1 => (format!("{i:03}.zip"), zip(&[("a.csv", &csv()), ("b.csv", &csv())])),
                4 if i % 3 == 0 => (format!("{i:03}.csv"), b"id,at,tag,value\n1,2\n".to_vec()),
                _ => (format!("{i:03}.csv"), csv()),
            }
        })
        .collect()
}

const DECLARED: &str = "
columns:
  id: int
  at: timestamp
  tag: string
  value: { type: float, nulls: ['n/a'] }
partition_by: day(at)
sort_by: id
expect:
  - { unique: id, on_fail: drop }
  - { column: value, in_range: [0, 1000], on_fail: quarantine, tolerate: 80% }
  - { column: tag, is: present, on_fail: flag }
";

#[test]
fn declared_columns_and_expectations() {
    let found = batching_changes_nothing(DECLARED, &mixed(&mut Rng::with_seed(7), 30));
    assert!(found.n_rows("ops.things.things") > 50);
    assert!(found.n_rows("ops.things.things__quarantine") > 0);
    assert!(!found.parked.is_empty());
}

#[test]
fn whole_file_and_row_wise_transforms() {
    for sql in [
        "select id, value * 2 as twice, _file_name as name from input where id % 3 <> 0",
        "select tag, count(*) as n, sum(value) as total from input group by tag",
        "select id, row_number() over (order by value, id, at) as place from input",
    ] {
        let declaration = format!(
            "input: {{ id: int, at: timestamp, value: {{ type: float, nulls: ['n/a'] }} }}\ntransform: \"{sql}\"\n"
        );
        let files: Files =
            mixed(&mut Rng::with_seed(11), 15).into_iter().filter(|(_, b)| b.len() > 40).collect();
        let found = batching_changes_nothing(&declaration, &files);
        assert!(found.n_rows("ops.things.things") > 10, "{sql}");
    }
}

fn texts(files: &[(&str, &str)]) -> Files {
    files.iter().map(|(name, text)| (name.to_string(), text.as_bytes().to_vec())).collect()
}

#[test]
fn columns_that_are_added_later() {
    for evolve in ["add", "rescue"] {
        let declaration = format!("evolve: {evolve}\ncolumns: {{ a: float, b: string }}\n");
        let files = texts(&[
            ("01.csv", "a,b\n1,x\n2,y\n"),
            ("02.csv", "a,b\n1.5,x\n"),
            ("03.csv", "a,c\n3,2026-01-01\n"),
            ("04.csv", "a,b\nnone,7\n"),
            ("05.csv", "c,d\n2026-01-02,true\n2026-01-03,false\n"),
            ("06.csv", "d,e\n,\nfalse,\n"),
            ("07.csv", "a,b,c,d,e\n5,,2026-01-03,true,9\n"),
        ]);
        let found = batching_changes_nothing(&declaration, &files);
        assert_eq!(found.n_rows("ops.things.things"), 10, "{found:#?}");
    }
}

#[test]
fn inferred_columns_lose_no_value_however_they_are_batched() {
    // Types come from several files where there are several, so a table's types
    // may differ by what was there when it began; no value is lost either way.
    let drifting = texts(&[
        ("01.csv", "a,b\n1,x\n2,y\n"),
        ("02.csv", "a,b\n1.5,x\n"),
        ("03.csv", "a,c\n3,2026-01-01\n"),
        ("04.csv", "a,b\nnone,7\n"),
        ("05.csv", "c,d\n2026-01-02,true\nsoon,false\n"),
        ("06.csv", "a,b,c,d,e\n5,,2026-01-03,maybe,9\n"),
    ]);
    for (n, runs) in FEEDS {
        let found = load("evolve: add\n", &drifting, n, runs);
        let rows = found.rows["ops.things.things"].join("\n");
        for value in ["x", "y", "1.5", "none", "soon", "maybe", "2026-01-03", "9"] {
            assert!(rows.contains(value), "{value} is lost with {n} files a commit, {runs} runs: {rows}");
        }
        assert_eq!(found.n_rows("ops.things.things"), 8);
    }
}
