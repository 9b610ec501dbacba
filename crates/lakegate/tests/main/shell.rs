//! What the commands answer, apart from what they do to rows.

use std::fs;
use std::process::Stdio;

use crate::lake::{DONE, FAILED, FINDINGS, TestLake, USAGE};

fn at(name: &str) -> String {
    format!("landing/ops/t/{name}")
}

/// A lake with dataset `ops.t`, into which one file has been loaded.
#[track_caller]
fn loaded(declaration: &str, text: &str) -> TestLake {
    let lake = TestLake::with("t", declaration);
    lake.land(&at("a.csv"), text);
    lake.run();
    lake
}

#[test]
fn trace_shows_the_record_of_a_row_or_says_why_there_is_none() {
    let rule = "columns: { id: int, v: string }\nexpect: [ { column: id, in_range: [0, 5], on_fail: quarantine } ]\n";
    let lake = loaded(rule, "id,v\n1,first\n9,second\n3,third\n");
    lake.lakegate(&["trace", "ops.t.t__quarantine", "--file", "f1", "--row", "2"]).is(DONE).says("second");
    lake.lakegate(&["trace", "ops.t.t", "--file", "f1", "--row", "3"]).is(DONE).says("third");
    lake.lakegate(&["trace", "ops.t.t", "--file", "f1", "--row", "0"]).is(USAGE);
    lake.lakegate(&["trace", "ops.t.t", "--file", "f1", "--row", "4"]).is(USAGE).says("no row 4");
    lake.lakegate(&["trace", "ops.other.t", "--file", "f1", "--row", "1"]).is(USAGE).says("ops.t");
    let lineage = lake.lakegate(&["trace", "f1", "--json"]).is(DONE).json()["lineage"].clone();
    assert_eq!((&lineage[0]["table"], &lineage[0]["n_rows"]), (&"ops.t.t".into(), &2.into()));
    assert_eq!((&lineage[1]["table"], &lineage[1]["n_rows"]), (&"ops.t.t__quarantine".into(), &1.into()));

    let transform = |sql: &str| format!("input: {{ id: int }}\ntransform: {sql}\n");
    let text = "id,v\n2,b\n1,a\n";
    let lake = loaded(&transform("select id, v from input order by id"), text);
    lake.lakegate(&["trace", "ops.t.t", "--file", "f1", "--row", "1"]).is(USAGE).says("whole file");
    let lake = loaded(&transform("select id * 10 as id, v from input where id < 2"), text);
    lake.lakegate(&["trace", "ops.t.t", "--file", "f1", "--row", "2"]).is(DONE).says("\"a\"");
}

#[test]
fn a_result_replaces_a_file_only_when_it_is_whole() {
    let lake = loaded("columns: { id: int }\n", "id\n1\n");
    let out = lake.path("out/report.csv");
    fs::create_dir(out.parent().unwrap()).unwrap();
    fs::write(&out, "last week's").unwrap();
    let path = out.to_str().unwrap();
    for statement in ["select nope from t", "select 1; select 2", "select id / (id - 1) from t"] {
        let ran = lake.lakegate(&["sql", statement, "--output", path]);
        assert!(matches!(ran.code, Some(USAGE | FAILED)), "{ran}");
        // It was the statement that failed, and no table.
        assert!(!ran.text().contains("LG604"), "{ran}");
        assert_eq!(fs::read_to_string(&out).unwrap(), "last week's");
        assert_eq!(lake.files_below("out").len(), 1, "nothing is left beside it");
    }
    lake.lakegate(&["sql", "select id from t", "--output", path]).is(DONE);
    assert_eq!(fs::read_to_string(&out).unwrap(), "id\n1\n");
    assert_eq!(lake.files_below("out").len(), 1);
    lake.lakegate(&["sql", "select id from t", "--output", "/dev/stdout", "--format", "csv"])
        .is(DONE)
        .says("id\n1\n");
}

#[test]
fn a_reader_that_goes_away_is_no_mistake() {
    let lake = loaded("columns: { id: int }\n", "id\n1\n");
    for args in [
        &["completions", "zsh"][..],
        &["errors"],
        &["errors", "LG101"],
        &["schema", "dataset"],
        &["status"],
        &["check"],
        &["tables", "ops.t.t"],
        &["trace", "ops.t.t", "--file", "f1", "--row", "1"],
        &["sql", "select * from range(1, 100000)", "--format", "csv"],
    ] {
        let mut child = lake.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.code() == Some(DONE) && stderr.is_empty(), "{args:?}: {ended:?}");
    }
}

#[test]
fn a_table_is_shown_with_its_partitions_and_commits() {
    let lake = loaded(
        "columns: { id: int, at: timestamp }\npartition_by: day(at)\n",
        "id,at\n1,2026-01-01T00:00:00Z\n",
    );
    lake.lakegate(&["tables", "ops.t.t"])
        .is(DONE)
        .says("partitioned by at_day")
        .says("ingest")
        .says("timestamp");
    let shown = lake.lakegate(&["tables", "ops.t.t", "--json"]).is(DONE).json();
    assert_eq!(shown["partition_columns"], serde_json::json!(["at_day"]));
    assert_eq!(shown["commits"][0]["n_rows"], 1);
    assert_eq!(shown["columns"][0]["column"], "id");
}

#[test]
fn redrive_says_which_files_are_not_parked() {
    let lake = loaded("columns: { id: int }\n", "id\n1\n");
    lake.land(&at("bad.csv"), "id\n1,2\n");
    lake.run_with_findings();
    let ran = lake.lakegate(&["redrive", "f1", "f2"]).is(DONE).says("1 file queued again");
    assert!(ran.stderr.contains("f1") && !ran.stderr.contains("f2"), "{ran}");
    lake.run_with_findings();
    let json = lake.lakegate(&["redrive", "f1", "f2", "--json"]).is(DONE).json();
    assert_eq!(json, serde_json::json!({ "redriven": ["f2"], "not_parked": ["f1"] }));
}

#[test]
fn a_dry_run_says_what_upkeep_would_do() {
    let lake =
        TestLake::new("batch: { files: 1 }\nupkeep: { compact_at_files: 100, checkpoint_every: 100 }\n");
    lake.dataset("t", "columns: { id: int }\n");
    for i in 0..9 {
        lake.land(&at(&format!("{i}.csv")), format!("id\n{i}\n"));
        lake.run();
    }
    lake.write("lake.yaml", "lake: test\nupkeep: { compact_at_files: 3, checkpoint_every: 3 }\n");
    let dry = lake.lakegate(&["maintain", "--dry-run", "--json"]).is(DONE).json();
    let figures = |v: &serde_json::Value| {
        ["n_compacted", "n_files_before", "n_checkpoints", "n_bundled"].map(|k| v[k].as_u64().unwrap())
    };
    assert_eq!(figures(&dry), [1, 9, 1, 9]);
    assert_eq!(lake.value("select n_files from system.tables"), 9, "nothing was done");
    assert_eq!(figures(&lake.lakegate(&["maintain", "--json"]).is(DONE).json()), [1, 9, 1, 9]);
    assert_eq!(lake.value("select n_files from system.tables"), 1);
    lake.prove();
}

#[test]
fn a_fixture_that_loads_nothing_fails() {
    let lake = TestLake::with("t", "match: 'a.*\\.csv'\ncolumns: { id: int }\n");
    lake.write("fixtures/ops/t/first/input/a.csv", "id\n1\n");
    lake.lakegate(&["test", "--update"]).is(DONE);
    lake.lakegate(&["test"]).is(DONE);

    // A name that no dataset takes.
    lake.write("fixtures/ops/t/first/input/b.csv", "id\n2\n");
    lake.lakegate(&["test"]).is(FINDINGS).says("b.csv");
    fs::remove_file(lake.path("fixtures/ops/t/first/input/b.csv")).unwrap();
    lake.lakegate(&["test"]).is(DONE);

    // Two datasets that share a landing folder, and both take it.
    let shared = "landing: landing/shared\nmatch: '.*\\.csv'\ncolumns: { id: int }\n";
    lake.dataset("t", shared);
    lake.dataset("u", shared);
    lake.lakegate(&["test"]).is(FINDINGS).says("more than one dataset");
    fs::remove_file(lake.path("datasets/u.yaml")).unwrap();

    // A slip in `match` must not pass for the golden rows.
    lake.dataset("t", "match: 'aa.*\\.csv'\ncolumns: { id: int }\n");
    lake.lakegate(&["test", "--update"]).is(FINDINGS);
    assert!(lake.path("fixtures/ops/t/first/golden/t.csv").exists());
    fs::remove_file(lake.path("fixtures/ops/t/first/input/a.csv")).unwrap();
    lake.lakegate(&["test"]).is(FINDINGS).says("no file of");
}
