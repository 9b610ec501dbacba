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

#[test]
fn how_a_run_ended_does_not_depend_on_who_listens() {
    let lake = TestLake::with("t", "columns: { id: int }\nevolve: fixed\n");
    for n in 0..4 {
        lake.land(&at(&format!("{n}.csv")), format!("other\n{n}\n"));
    }
    let mut child = lake.command(&["run"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    // The reader goes away before a word was said.
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(FINDINGS));
    assert_eq!(lake.parked().len(), 4);
}

#[test]
fn a_lake_without_tables_or_datasets_says_so() {
    let lake = TestLake::with("t", "columns: { id: int }\n");
    lake.lakegate(&["tables", "ops.t.t"]).is(USAGE).says("the lake has no tables yet; `lakegate run`");
    TestLake::new("")
        .lakegate(&["replay", "ops.t"])
        .is(USAGE)
        .says("the lake has no datasets yet; `lakegate feed add`");
}

/// Work of more than a second, after which a line would have been due.
#[cfg(unix)]
#[test]
fn progress_is_for_terminals() {
    let lake = TestLake::with("t", "hook: { command: [sh, -c, 'sleep 2; cat'] }\ncolumns: { id: int }\n");
    lake.land(&at("a.csv"), "id\n1\n");
    assert_eq!(lake.run().stderr, "");
}

#[test]
fn times_for_scripts_are_iso_8601_in_utc() {
    let lake = loaded("columns: { id: int }\nevolve: fixed\n", "id\n1\n");
    lake.land_at(&at("b.csv"), "other\n1\n", 1_700_000_000);
    lake.run_with_findings();
    let is_time = |v: &serde_json::Value| {
        v.as_str().is_some_and(|t| t.parse::<jiff::Timestamp>().is_ok() && t.ends_with('Z'))
    };
    let files = lake.lakegate(&["files", "--json"]).is(DONE).json();
    for file in files.as_array().unwrap() {
        for key in ["since", "landed_at", "modified_at"] {
            assert!(is_time(&file[key]), "{key}: {file}");
        }
    }
    assert_eq!(files[0]["modified_at"], "2023-11-14T22:13:20Z");
    let parked = lake.lakegate(&["parked", "--json"]).is(DONE).json();
    assert!(is_time(&parked[0]["landed_at"]) && is_time(&parked[0]["parked_at"]), "{parked}");
    let status = lake.lakegate(&["status", "--json"]).is(DONE).json();
    assert!(is_time(&status["datasets"][0]["newest_commit"]), "{status}");
    assert!(is_time(&lake.lakegate(&["trace", "f1", "--json"]).is(DONE).json()["committed_at"]));
}

#[test]
fn several_statements_give_several_answers() {
    let lake = TestLake::new("");
    let two = "select 1 as a; select 2 as b";
    for format in ["parquet", "arrow"] {
        lake.lakegate(&["sql", two, "--format", format]).is(USAGE).says("there are 2 statements");
    }
    let ran = lake.lakegate(&["sql", two, "--json"]).is(DONE);
    let answers: Vec<serde_json::Value> =
        serde_json::Deserializer::from_str(&ran.stdout).into_iter().map(|v| v.unwrap()).collect();
    assert_eq!(answers, [serde_json::json!([{ "a": 1 }]), serde_json::json!([{ "b": 2 }])]);
    let lines = lake.lakegate(&["sql", two, "--format", "ndjson"]).is(DONE).stdout;
    assert_eq!(lines, "{\"a\":1}\n{\"b\":2}\n");
}

#[test]
fn a_plan_says_what_a_redrive_would_do() {
    let lake = TestLake::with("t", "columns: { id: int }\nevolve: fixed\n");
    lake.land(&at("a.csv"), "id,extra\n1,x\n2,y\n");
    lake.land(&at("b.csv"), "nothing\n1\n");
    lake.land(&at("c.csv"), "id\n3\n");
    lake.run_with_findings();
    lake.lakegate(&["plan"]).is(DONE).says("f1 is parked: LG").says("1 known and unchanged");
    lake.dataset("t", "columns: { id: int }\n");
    let plan = lake.lakegate(&["plan"]).is(DONE);
    let plan = plan.says("`lakegate redrive f1` now:").says("2 rows read, 2 to the table");
    let text = plan.text();
    let of_b = &text[text.find("b.csv").unwrap()..];
    assert!(of_b.contains("would be parked"), "{text}");
    let plan = lake.lakegate(&["plan", "--json"]).is(DONE).json();
    assert_eq!(
        (&plan[0]["answer"], &plan[0]["redrive"]["answer"]),
        (&"waits".into(), &"loads".into()),
        "{plan}"
    );
    assert_eq!(
        (&plan[1]["answer"], &plan[1]["redrive"]["answer"]),
        (&"waits".into(), &"parked".into()),
        "{plan}"
    );
    assert_eq!(plan[2]["answer"], "known");
}

#[test]
fn a_plan_shows_tables_after_those_that_they_are_made_of() {
    let lake = TestLake::with(
        "t",
        "tables:\n  raw: { columns: { time: timestamp, v: float } }\n  hours: { of: raw, grid: { every: 1h } }\n",
    );
    lake.land(&at("a.csv"), "time,v\n2026-01-01T00:00:00Z,1\n2026-01-01T01:30:00Z,2\n");
    let text = lake.lakegate(&["plan"]).is(DONE).text();
    let place = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part} is not in {text}"));
    assert!(place("-> raw: 2 rows read, 2 to") < place("-> hours: made of raw, "), "{text}");
}

#[test]
fn errors_of_a_transform_stand_where_it_is_written() {
    for (declaration, place) in [
        (
            "columns: { id: int }\ntransform: |\n  select id,\n    no_such(id) as x\n  from input\n",
            "t.yaml:5:5",
        ),
        ("transform: >-\n  select id,\n    no_such(id) as x\n  from input\n", "t.yaml:4:5"),
        ("transform: 'select ''a'' as a, no_such(id) as x from input'\n", "t.yaml:2:32"),
    ] {
        let lake = TestLake::with("t", declaration);
        let said = lake.lakegate(&["check"]).is(USAGE).text();
        assert!(said.contains(place) && said.contains("no_such(id)"), "{place}: {said}");
        let place = lake.lakegate(&["check", "--json"]).is(USAGE).json()["errors"][0].clone();
        assert!(!place["message"].as_str().unwrap().contains("line "), "{place}");
    }
    // What only a file's columns can tell.
    let lake = TestLake::with("t", "transform: |\n  select id,\n    nope as x\n  from input\n");
    lake.land(&at("a.csv"), "id\n1\n");
    lake.run_with_findings();
    let message = lake.value("select message from system.files");
    let message = message.as_str().unwrap();
    assert!(
        message.contains("no column `nope`") && message.ends_with("(datasets/t.yaml, line 4, column 5)"),
        "{message}"
    );
}
