//! What goes wrong in the middle of things and is put right: replays that are
//! cut off, mistakes of the program, damaged tables, and what `prove` finds.

use std::fs;

use crate::lake::{BUSY, DONE, FAILED, FINDINGS, Stopped, TestLake, USAGE, await_state, zip};

fn at(name: &str) -> String {
    format!("landing/ops/t/{name}")
}

/// Zips with rows for two tables; what is beyond 50 follows `on_fail`.
fn two_tables(on_fail: &str) -> String {
    let table = |name: &str| {
        format!(
            "  {name}: {{ columns: {{ id: int }}, expect: [ {{ column: id, in_range: [0, 50], on_fail: {on_fail} }} ] }}\n"
        )
    };
    format!(
        "read:\n  zip:\n    members:\n      a: {{ member: 'a\\.csv', csv: {{}} }}\n      b: {{ member: 'b\\.csv', csv: {{}} }}\n\
         tables:\n{}{}",
        table("a"),
        table("b")
    )
}

fn counts(lake: &TestLake) -> [u64; 2] {
    ["a", "b"].map(|t| lake.value(&format!("select count(*) from ops.t.{t}")).as_u64().unwrap())
}

#[test]
fn a_replay_cut_off_between_two_tables_is_finished_whatever_comes_between() {
    let lake = TestLake::with("t", &two_tables("warn"));
    for (i, name) in ["x.zip", "y.zip"].iter().enumerate() {
        let text = format!("id\n{i}\n{}\n", 100 + i);
        lake.land(&at(name), zip(&[("a.csv", text.as_bytes()), ("b.csv", text.as_bytes())]));
    }
    lake.run();
    assert_eq!(counts(&lake), [4, 4]);

    lake.dataset("t", &two_tables("drop"));
    assert!(lake.killed_at("replayed:1", &["replay", "ops.t"]).was_killed());
    assert_eq!(counts(&lake), [2, 4], "one table has the new rows");
    lake.lakegate(&["prove"]).is(FINDINGS);

    // A configuration that refuses the files cannot finish it, and says so.
    lake.dataset("t", &two_tables("reject"));
    for _ in 0..2 {
        lake.lakegate(&["run"]).is(FAILED).says("LG501").says("half done");
    }
    assert_eq!(counts(&lake), [2, 4]);

    // Nor is it forgotten when a part is replayed, which would be the newest replay.
    lake.dataset("t", &two_tables("drop"));
    let file = lake.value("select file_id from system.files where path = 'y.zip'");
    lake.lakegate(&["replay", "ops.t", "--file", &format!("f{file}")]).is(DONE);
    assert_eq!(counts(&lake), [2, 2]);
    lake.prove();
    lake.run();
    lake.prove();
}

#[test]
fn a_run_finishes_the_replay_of_one_file_that_was_cut_off() {
    let lake = TestLake::with("t", &two_tables("warn"));
    lake.land(&at("x.zip"), zip(&[("a.csv", b"id\n1\n100\n"), ("b.csv", b"id\n1\n100\n")]));
    lake.land(&at("y.zip"), zip(&[("a.csv", b"id\n2\n200\n"), ("b.csv", b"id\n2\n200\n")]));
    lake.run();
    lake.dataset("t", &two_tables("drop"));
    let file = lake.value("select file_id from system.files where path = 'x.zip'");
    let replay = ["replay", "ops.t", "--file", &format!("f{file}")];
    assert!(lake.killed_at("replayed:1", &replay).was_killed());
    assert_eq!(counts(&lake), [3, 4]);
    // The file is replaced before anybody has finished.
    lake.lakegate(&["run"]).is(DONE).says("finished now");
    assert_eq!(counts(&lake), [3, 3]);
    lake.prove();
    assert!(!lake.run().text().contains("finished now"));
}

#[test]
fn an_interrupted_replay_changes_nothing_and_says_so_by_its_exit_code() {
    let lake = TestLake::new("batch: { files: 1 }\n");
    lake.dataset("t", "columns: { id: int }\n");
    (0..150).for_each(|i| lake.land(&at(&format!("{i}.csv")), format!("id\n{i}\n")));
    lake.run();
    let replay = Stopped(lake.start(&["replay", "ops.t"]));
    await_state("the replay has begun", || {
        let runs = "select count(*) as n from system.runs where kind = 'replay'";
        lake.lakegate(&["sql", runs, "--format", "csv"]).stdout.contains("\n1\n").then_some(())
    });
    let code = replay.interrupt();
    assert!(matches!(code, Some(130 | DONE)), "{code:?}");
    lake.prove();
    assert!(!lake.run().text().contains("finished now"), "what changed nothing is not taken up again");
}

#[test]
fn one_file_is_not_replayed_where_rows_do_not_say_whose_they_are() {
    let lake = TestLake::with("t", "columns: { id: int }\nprovenance: false\n");
    lake.land(&at("a.csv"), "id\n1\n2\n");
    lake.run();
    lake.lakegate(&["replay", "ops.t", "--file", "f1"]).is(USAGE).says("lakegate replay ops.t");
    assert_eq!(lake.value("select count(*) from t"), 2);
    lake.lakegate(&["replay", "ops.t", "--file", "f9"]).is(USAGE).says("f9");
    lake.lakegate(&["replay", "ops.t"]).is(DONE);
    assert_eq!(lake.value("select count(*) from t"), 2);
    lake.prove();
}

#[test]
fn rows_outlive_their_raw_bytes_in_a_replay() {
    let rule = |on_fail: &str| {
        format!(
            "columns: {{ id: int }}\nexpect: [ {{ column: id, in_range: [0, 50], on_fail: {on_fail} }} ]\n"
        )
    };
    let lake = TestLake::new("upkeep: { keep_raw: 0s }\n");
    lake.dataset("t", &rule("warn"));
    lake.land(&at("old.csv"), "id\n1\n100\n");
    lake.run();
    lake.lakegate(&["maintain", "--raw", "--dry-run"]).is(DONE).says("raw bytes of 1 file would be removed");
    assert_eq!(lake.value("select count(*) from system.files where raw_gone"), 0);
    lake.lakegate(&["maintain", "--raw"]).is(DONE).says("raw bytes of 1 file removed");
    assert_eq!(lake.value("select count(*) from system.files where raw_gone"), 1);
    lake.write("lake.yaml", "lake: test\n");
    lake.land(&at("new.csv"), "id\n2\n200\n");
    lake.run();
    lake.dataset("t", &rule("drop"));
    lake.lakegate(&["replay", "ops.t"]).is(DONE).says("1 file are no longer kept");
    assert_eq!(lake.lines("select id from t order by id"), ["1", "2", "100"]);
    lake.prove();
}

#[test]
fn a_mistake_at_one_file_ends_neither_the_run_nor_the_others() {
    let lake = TestLake::with("t", "columns: { id: int }\n");
    (0..3).for_each(|i| lake.land(&at(&format!("{i}.csv")), format!("id\n{i}\n")));
    lake.killed_at("checked:1:panic", &["run"]).is(DONE).says("LG901");
    assert_eq!(lake.value("select count(*) from t"), 3);
    lake.prove();
    // A single file is named, and tried again.
    lake.land(&at("alone.csv"), "id\n9\n");
    lake.killed_at("checked:1:panic", &["run"]).is(DONE);
    let failures = lake.lines("select code, message from system.failures");
    assert!(failures.len() == 1 && failures[0].starts_with("LG901|") && failures[0].contains("alone.csv"));
    assert_eq!(lake.value("select count(*) from t"), 4);
    lake.prove();
    // In the intake, too: what was accepted before is loaded.
    lake.land(&at("last.csv"), "id\n10\n");
    lake.killed_at("received:1:panic", &["run"]).is(FAILED).says("LG901").says("0 files committed");
    lake.run();
    assert_eq!(lake.value("select count(*) from t"), 5);
    lake.prove();
}

/// The data files of `ops.NAME.NAME`, relative to its folder.
fn data_files(lake: &TestLake, name: &str) -> Vec<String> {
    lake.files_below(&format!("lake/tables/ops/{name}/{name}"))
        .into_iter()
        .filter(|f| f.ends_with(".parquet") && !f.contains("_delta_log"))
        .collect()
}

#[test]
fn a_damaged_table_hides_nothing_and_stops_no_other_upkeep() {
    let lake = TestLake::new("batch: { files: 1 }\nupkeep: { compact_at_files: 100 }\n");
    for name in ["t", "u"] {
        lake.dataset(name, "columns: { id: int }\n");
        (0..3).for_each(|i| lake.land(&format!("landing/ops/{name}/{i}.csv"), format!("id\n{i}\n")));
    }
    lake.run();
    let hidden = lake.path("lake/tables/ops/t/t").join(&data_files(&lake, "t")[0]);
    fs::rename(&hidden, lake.path("hidden")).unwrap();
    lake.write("lake.yaml", "lake: test\nupkeep: { compact_at_files: 3 }\n");
    lake.land("landing/ops/u/3.csv", "id\n3\n");
    let ran = lake.lakegate(&["run"]).is(FAILED).says("1 file committed").says("upkeep of ops.t.t");
    assert!(ran.stderr.contains("LG604"), "{ran}");
    assert_eq!(lake.value("select n_files from system.tables where dataset = 'u'"), 1, "compacted");
    lake.lakegate(&["maintain", "--compact"]).is(FAILED).says("ops.t.t");
    fs::rename(lake.path("hidden"), hidden).unwrap();
    lake.run();
    assert_eq!(lake.value("select n_files from system.tables where dataset = 't'"), 1);
    lake.prove();
}

/// Writes the table's next version by hand.
fn commit(lake: &TestLake, action: &str, file: &str) {
    let folder = lake.path("lake/tables/ops/t/t");
    let version = fs::read_dir(folder.join("_delta_log")).unwrap().count();
    let size = fs::metadata(folder.join(file)).unwrap().len();
    let line = format!(
        "{{\"{action}\":{{\"path\":\"{file}\",\"partitionValues\":{{}},\"size\":{size},\"modificationTime\":0,\
         \"deletionTimestamp\":0,\"dataChange\":true}}}}\n"
    );
    fs::write(folder.join(format!("_delta_log/{version:020}.json")), line).unwrap();
}

#[test]
fn prove_counts_rows_of_tables_with_and_without_owners() {
    for provenance in [true, false] {
        let lake = TestLake::with(
            "t",
            &format!("columns: {{ id: int }}\nprovenance: {provenance}\nevolve: fixed\n"),
        );
        lake.land(&at("a.csv"), "id\n1\n2\n");
        lake.run();
        lake.lakegate(&["prove"]).is(DONE).says("2 rows counted");
        let file = &data_files(&lake, "t")[0];
        let folder = lake.path("lake/tables/ops/t/t");
        fs::copy(folder.join(file), folder.join("again.parquet")).unwrap();
        commit(&lake, "add", "again.parquet");
        let ran = lake.lakegate(&["prove"]).is(FINDINGS).says("holds 4");
        assert_eq!(ran.text().contains("2 of its rows more than once"), provenance, "{ran}");
        commit(&lake, "remove", "again.parquet");
        lake.prove();
        commit(&lake, "remove", file);
        lake.lakegate(&["prove"]).is(FINDINGS).says("holds 0").says("the ledger says 2");
    }
}

#[test]
fn prove_waits_for_nobody_and_reads_the_raw_bytes() {
    let lake = TestLake::with("t", "columns: { id: int }\n");
    lake.land(&at("a.csv"), "id\n1\n2\n");
    let up = Stopped(lake.start(&["up"]));
    await_state("the file is committed", || {
        let ran = lake.lakegate(&["sql", "select count(*) as n from t", "--format", "csv"]);
        ran.stdout.contains("\n2\n").then_some(())
    });
    lake.lakegate(&["prove"]).is(BUSY);
    up.interrupt();
    lake.prove();
    let pack = lake.files_below("lake/raw").into_iter().next().unwrap();
    let pack = lake.path("lake/raw").join(pack);
    let mut bytes = fs::read(&pack).unwrap();
    // One bit of the file's own bytes, behind the entry's header.
    let text = bytes.windows(2).position(|w| w == b"id").unwrap_or(bytes.len() / 3);
    bytes[text] ^= 1;
    fs::write(&pack, bytes).unwrap();
    lake.lakegate(&["prove"]).is(FINDINGS).says("a.csv");
}
