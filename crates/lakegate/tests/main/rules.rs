//! What configuration promises of rows: expectations, schemas, transforms,
//! guards, layout, replay, upkeep, and what the commands answer.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::lake::{DONE, FAILED, FINDINGS, Stopped, TestLake, USAGE, await_state};

fn at(name: &str) -> String {
    format!("landing/ops/t/{name}")
}

/// A lake with dataset `ops.t`, into which these files have been loaded.
#[track_caller]
fn loaded(declaration: &str, files: &[(&str, &str)]) -> TestLake {
    let lake = TestLake::with("t", declaration);
    files.iter().for_each(|(name, text)| lake.land(&at(name), text));
    let ran = lake.lakegate(&["run"]);
    assert!(matches!(ran.code, Some(DONE | FINDINGS)), "{ran}");
    lake.prove();
    lake
}

const SPEEDS: &str = "id,speed\n1,10\n2,-5\n3,\n4,900\n";

fn speeds(rule: &str) -> TestLake {
    let declaration = format!(
        "columns: {{ id: int, speed: float }}\nexpect:\n  - {{ name: sane, column: speed, in_range: [0, 200], {rule} }}\n"
    );
    loaded(&declaration, &[("a.csv", SPEEDS)])
}

#[test]
fn each_on_fail_does_what_it_says() {
    let all = ["1|10.0", "2|-5.0", "3|", "4|900.0"];
    let select = "select id, speed from t order by id";

    let lake = speeds("on_fail: warn");
    assert_eq!(lake.lines(select), all);
    assert_eq!(
        lake.lines("select name, on_fail, n_checked, n_failed, first_rows from system.expectations"),
        ["sane|warn|4|2|[2,4]"]
    );

    let lake = speeds("on_fail: flag");
    assert_eq!(lake.lines(select), all);
    assert_eq!(lake.lines("select id from t where array_has(_flags, 'sane') order by id"), ["2", "4"]);
    assert_eq!(lake.value("select count(*) from t where _flags is null"), 2);

    let lake = speeds("on_fail: 'null'");
    assert_eq!(lake.lines(select), ["1|10.0", "2|", "3|", "4|"]);
    let rescued = lake.lines("select _rescued from t where id in (2, 4) order by id");
    let values: Vec<Value> =
        rescued.iter().map(|r| serde_json::from_str::<Value>(r).unwrap()["speed"].clone()).collect();
    assert_eq!(values.iter().map(|v| v.as_f64().unwrap()).collect::<Vec<_>>(), [-5.0, 900.0]);

    let lake = speeds("on_fail: drop");
    assert_eq!(lake.lines(select), ["1|10.0", "3|"]);
    assert_eq!(
        lake.lines("select n_read, n_in, n_committed, n_quarantined, n_dropped from system.file_tables"),
        ["4|4|2|0|2"]
    );

    let lake = speeds("on_fail: quarantine");
    assert_eq!(lake.lines(select), ["1|10.0", "3|"]);
    let away = lake
        .sql("select _row, _file_path, _expectation, _reason, _original from t__quarantine order by _row");
    assert_eq!(away.len(), 2);
    assert_eq!((&away[1]["_row"], &away[1]["_file_path"]), (&4.into(), &"a.csv".into()));
    assert_eq!(away[1]["_expectation"], "sane");
    assert!(away[1]["_reason"].as_str().unwrap().contains("900"), "{away:?}");
    let original: Value = serde_json::from_str(away[1]["_original"].as_str().unwrap()).unwrap();
    assert_eq!(original["speed"], "900", "the original text: {original}");

    let lake = speeds("on_fail: reject");
    assert_eq!(lake.parked(), ["a.csv|LG501"]);
    let message = lake.value("select message from system.files");
    assert!(message.as_str().unwrap().contains("sane"), "{message}");

    // NULL passes unless it is said that it fails.
    let lake = speeds("on_fail: drop, null_is: fail");
    assert_eq!(lake.lines(select), ["1|10.0"]);
}

#[test]
fn a_tolerated_share_is_a_limit() {
    let lake = speeds("on_fail: quarantine, tolerate: 50%");
    assert_eq!(lake.value("select count(*) from t"), 2);
    let lake = speeds("on_fail: quarantine, tolerate: 0.49");
    assert_eq!(lake.parked(), ["a.csv|LG502"]);
    let message = lake.value("select message from system.files");
    assert!(message.as_str().unwrap().contains("sane"), "{message}");
}

#[test]
fn every_kind_of_predicate() {
    let lake = loaded(
        "columns: { id: int, kind: string, code: string, n: { type: int, valid_range: [0, 9] } }
expect:
  - { unique: id, on_fail: drop }
  - { column: kind, is: present, on_fail: flag }
  - { name: known, column: kind, in_set: [a, b], on_fail: flag }
  - { name: shaped, column: code, matches: '[a-z]{2}', on_fail: flag }
  - { name: small, column: n, is: in_valid_range, on_fail: flag }
  - { name: rising, column: n, is: increasing, on_fail: flag }
  - { name: odd, sql: 'n % 2 = 1', on_fail: warn }
  - { rows: [2, 100] }
",
        &[
            ("a.csv", "id,kind,code,n\n1,a,xy,1\n1,a,xy,2\n2,c,xyz,3\n3,,ab,3\n4,b,ab,40\n"),
            ("short.csv", "id,kind,code,n\n9,a,xy,1\n"),
        ],
    );
    assert_eq!(
        lake.lines("select id, array_to_string(_flags, '+') from t order by id"),
        ["1|", "2|known+shaped", "3|kind_present+rising", "4|small"]
    );
    assert_eq!(lake.parked(), ["short.csv|LG501"]);
    assert_eq!(lake.value("select n_failed from system.expectations where name = 'odd'"), 2);
    assert_eq!(lake.value("select n_duplicate from system.file_tables"), 1);
}

#[test]
fn quarantined_rows_come_back_once_when_the_rule_is_mended() {
    let rule = |max: u32| {
        format!(
            "columns: {{ id: int, speed: float }}\nexpect: [ {{ column: speed, in_range: [-10, {max}], on_fail: quarantine }} ]\n"
        )
    };
    let lake = loaded(&rule(200), &[("a.csv", SPEEDS), ("b.csv", "id,speed\n5,300\n6,5000\n")]);
    assert_eq!(lake.lines("select id from t order by id"), ["1", "2", "3"]);
    assert_eq!(lake.value("select count(*) from t__quarantine"), 3);
    lake.dataset("t", &rule(1000));
    for _ in 0..2 {
        lake.lakegate(&["replay", "ops.t"]).is(DONE);
        assert_eq!(lake.lines("select id from t order by id"), ["1", "2", "3", "4", "5"]);
        assert_eq!(lake.lines("select _row, _file_path from t__quarantine"), ["2|b.csv"]);
        lake.prove();
    }
    // One file alone.
    lake.dataset("t", &rule(9000));
    let id = lake.value("select file_id from system.files where path = 'b.csv'").to_string();
    lake.lakegate(&["replay", "ops.t", "--file", &format!("f{id}")]).is(DONE);
    assert_eq!(lake.lines("select id from t order by id"), ["1", "2", "3", "4", "5", "6"]);
    assert_eq!(lake.value("select count(*) from t__quarantine"), 0);
    lake.prove();
}

#[test]
fn new_columns_and_misfits_follow_evolve() {
    let files = [("1.csv", "id,name\n1,x\n"), ("2.csv", "id,name,more\n2,y,z\nthree,w,v\n")];
    let declare = |evolve: &str| format!("evolve: {evolve}\ncolumns: {{ id: int, name: string }}\n");

    let lake = loaded(&declare("add"), &files);
    assert_eq!(lake.lines("select id, name, more from t order by _file_id, _row"), ["1|x|", "2|y|z", "|w|v"]);
    let rescued = lake.value("select _rescued from t where name = 'w'");
    assert_eq!(serde_json::from_str::<Value>(rescued.as_str().unwrap()).unwrap()["id"], "three");

    let lake = loaded(&declare("fixed"), &files);
    lake.land(&at("3.csv"), "id,name,more\n3,y,z\n");
    lake.land(&at("4.csv"), "id,name\nfour,y\n");
    lake.run_with_findings();
    assert_eq!(lake.lines("select id, name from t"), ["1|x"]);
    assert_eq!(lake.parked(), ["2.csv|LG302", "3.csv|LG301", "4.csv|LG302"]);

    let lake = loaded(&declare("rescue"), &files);
    assert_eq!(lake.lines("select id, name from t order by _file_id, _row"), ["1|x", "2|y", "|w"]);
    let rescued = lake.lines("select _rescued from t where _rescued is not null order by _row");
    let rescued: Vec<Value> = rescued.iter().map(|r| serde_json::from_str(r).unwrap()).collect();
    assert_eq!(
        (&rescued[0]["more"], &rescued[1]["more"], &rescued[1]["id"]),
        (&"z".into(), &"v".into(), &"three".into())
    );
    assert_eq!(lake.value("select count(*) from system.columns where \"column\" = 'more'"), 0);
}

#[test]
fn files_without_rows_are_parked_or_accepted_as_the_dataset_says() {
    let lake = TestLake::with("t", "");
    lake.land(&at("a.csv"), "n\n");
    lake.land(&at("b.csv"), "");
    lake.run_with_findings();
    assert_eq!(lake.parked(), ["a.csv|LG107", "b.csv|LG107"]);
    // A hollow file decides nothing of the columns.
    lake.land(&at("c.csv"), "n\n5\n");
    lake.run();
    assert_eq!(lake.lines("select arrow_typeof(n), n from t"), ["Int64|5"]);

    lake.dataset("t", "empty: accept\n");
    lake.lakegate(&["redrive", "--all"]).is(DONE);
    lake.run();
    assert_eq!(
        lake.lines("select path, state, n_rows from system.files order by path"),
        ["a.csv|committed|0", "b.csv|committed|0", "c.csv|committed|1"]
    );
    lake.prove();
}

#[test]
fn columns_are_renamed_typed_zoned_and_described() {
    let lake = loaded(
        "timezone: America/New_York
columns:
  when: { from: Time Stamp, type: timestamp, format: '%d.%m.%Y %H:%M' }
  utc: { from: epoch, type: timestamp, format: unix }
  pressure: { from: P, type: float, unit: hPa, description: air pressure, nulls: ['-99', bad], standard_name: air_pressure }
  price: decimal(10,2)
  on: { type: date }
  ok: bool
  source: { type: string, default: manual }
",
        &[("a.csv", "Time Stamp,epoch,P,price,on,ok\n04.07.2025 08:30,1700000000,-99,12.50,2025-07-04,true\n,,1013.25,,,\n")],
    );
    assert_eq!(
        lake.lines(
            "select \"when\", utc, pressure, cast(price as string), \"on\", ok, source from t order by _row"
        ),
        ["2025-07-04T12:30:00Z|2023-11-14T22:13:20Z||12.50|2025-07-04|true|manual", "||1013.25||||manual"]
    );
    let column =
        &lake.sql("select unit, description, metadata from system.columns where \"column\" = 'pressure'")[0];
    assert_eq!(column["unit"], "hPa");
    assert!(column["description"].as_str().unwrap().contains("air pressure"), "{column}");
    assert!(column["metadata"].to_string().contains("air_pressure"), "{column}");
}

#[test]
fn transforms_are_row_wise_or_see_the_whole_file_and_never_more() {
    let files = [("1.csv", "id,v\n1,10\n2,20\n"), ("2.csv", "id,v\n3,30\n4,x\n")];
    let lake = loaded(
        "input: { id: int }
transform: select id * 10 as id, upper(v) as v, _file_name as file from input where id <> 2
",
        &files,
    );
    assert_eq!(
        lake.lines("select id, v, file, _row from t order by id"),
        ["10|10|1.csv|1", "30|30|2.csv|1", "40|X|2.csv|2"]
    );
    let lake = loaded(
        "input: { id: int }
transform: select count(*) as n, sum(id) as total from input
",
        &files,
    );
    assert_eq!(lake.lines("select n, total from t order by total"), ["2|3", "2|7"]);

    // A statement that cannot work parks its file and says why.
    let lake = loaded("transform: select nope from input\n", &files[..1]);
    assert_eq!(lake.parked(), ["1.csv|LG401"]);
    let message = lake.value("select message from system.files");
    assert!(message.as_str().unwrap().contains("nope"), "{message}");
    lake.dataset("t", "transform: select id from input\n");
    lake.lakegate(&["redrive", "--code", "LG401"]).is(DONE);
    lake.run();
    assert_eq!(lake.value("select count(*) from t"), 2);
    lake.prove();
}

#[test]
fn the_volume_guard_stops_and_asks() {
    let rows = |n: usize| (0..n).map(|i| format!("{i}\n")).fold("id\n".to_string(), |a, b| a + &b);
    let lake = loaded("columns: { id: int }\n", &[("a.csv", &rows(100))]);
    lake.land(&at("a.csv"), rows(40));
    lake.run_with_findings();
    assert_eq!(lake.parked(), ["a.csv|LG503"]);
    assert_eq!(lake.value("select count(*) from t"), 100, "the old rows stay");
    lake.prove();
    let id = lake.value("select file_id from system.files where state = 'parked'").to_string();
    lake.lakegate(&["redrive", &format!("f{id}")]).is(DONE);
    lake.run_with_findings();
    lake.lakegate(&["redrive", "--accept", &format!("f{id}")]).is(DONE);
    lake.run();
    assert_eq!(lake.value("select count(*) from t"), 40);
    lake.prove();

    let lake = TestLake::with("t", "columns: { id: int, f: int }\nvolume_guard: { file: 20% }\n");
    for i in 0..6 {
        lake.land(&at(&format!("{i}.csv")), rows(50 + i));
    }
    lake.run();
    lake.land(&at("thin.csv"), rows(5));
    lake.run_with_findings();
    assert_eq!(lake.parked(), ["thin.csv|LG503"]);
    lake.prove();
    // However the files are batched.
    for batch in [1, 1000] {
        let lake = TestLake::new(&format!("batch: {{ files: {batch} }}\n"));
        lake.dataset("t", "columns: { id: int }\nvolume_guard: { file: 20% }\n");
        (0..6).for_each(|i| lake.land(&at(&format!("{i}.csv")), rows(50 + i)));
        lake.land(&at("thin.csv"), rows(5));
        lake.run_with_findings();
        assert_eq!(lake.parked(), ["thin.csv|LG503"]);
    }
}

#[test]
fn partitions_are_folders_and_rows_are_sorted() {
    let lake = loaded(
        "columns: { id: int, at: timestamp, place: string }
partition_by: [place, day(at), month(at), hour(at)]
sort_by: [id]
",
        &[(
            "a.csv",
            "id,at,place\n3,2026-01-01T01:00:00Z,x\n1,2026-01-01T01:30:00Z,x\n2,2026-02-02T02:00:00Z,y\n4,,\n",
        )],
    );
    let files = lake.files_below("lake/tables/ops/t/t");
    let has = |parts: &[&str]| files.iter().any(|f| parts.iter().all(|p| f.contains(p)));
    assert!(
        has(&["place=x/", "at_day=2026-01-01/", "at_month=2026-01-01/", "at_hour=2026-01-01"]),
        "{files:?}"
    );
    assert!(has(&["place=__HIVE_DEFAULT_PARTITION__/", "at_day=__HIVE_DEFAULT_PARTITION__/"]), "{files:?}");
    assert_eq!(
        lake.lines("select id from t where at_day = date '2026-01-01'"),
        ["1", "3"],
        "sorted in its file"
    );
    assert_eq!(lake.value("select count(*) from t where at_day is null"), 1);
}

#[test]
fn another_partitioning_waits_for_a_replay() {
    let declared = |by: &str| format!("columns: {{ id: int, at: timestamp }}\npartition_by: {by}\n");
    let lake = loaded(&declared("month(at)"), &[("a.csv", "id,at\n1,2026-01-15T01:00:00Z\n")]);
    lake.dataset("t", &declared("day(at)"));
    lake.land(&at("b.csv"), "id,at\n2,2026-02-16T01:00:00Z\n");
    let plan = lake.lakegate(&["plan"]).is(DONE);
    assert!(plan.stdout.contains("`partition_by:` takes effect with `lakegate replay ops.t`"), "{plan}");
    lake.run();
    assert_eq!(lake.lines("select id, at_month from t order by id"), ["1|2026-01-01", "2|2026-02-01"]);
    lake.prove();
    lake.lakegate(&["replay", "ops.t"]).is(DONE);
    assert_eq!(lake.lines("select id, at_day from t order by id"), ["1|2026-01-15", "2|2026-02-16"]);
    lake.lakegate(&["sql", "select at_month from t"]).is(USAGE);
    lake.land(&at("c.csv"), "id,at\n3,2026-03-17T01:00:00Z\n");
    assert!(!lake.lakegate(&["plan"]).is(DONE).stdout.contains("replay"));
    lake.run();
    assert_eq!(lake.lines("select at_day from t where id = 3"), ["2026-03-17"]);
    lake.prove();
}

#[test]
fn a_table_may_be_partitioned_by_the_day_of_loading() {
    let lake = loaded("columns: { id: int }\npartition_by: day(_loaded_at)\n", &[("a.csv", "id\n1\n2\n")]);
    assert_eq!(
        lake.lines("select id from t where _loaded_at_day = cast(_loaded_at as date) order by id"),
        ["1", "2"]
    );
    lake.dataset("t", "columns: { id: int }\npartition_by: _file_id\n");
    let ran = lake.lakegate(&["check"]).is(USAGE);
    assert!(format!("{ran}").contains("cannot partition by `_file_id`"), "{ran}");
}

#[test]
fn the_quarantine_keeps_what_a_transform_made_as_it_was() {
    let lake = loaded(
        "transform: \"select id, v || ' km/h' as v from input\"
columns: { id: int, v: float }
expect: [ { column: v, is: present, on_fail: quarantine } ]
",
        &[("a.csv", "id,v\n1,30\n")],
    );
    let kept = lake.lines("select _original from t__quarantine");
    let kept: Value = serde_json::from_str(&kept[0]).unwrap();
    assert_eq!(kept["v"], "30 km/h");
}

/// Objects, of which the last ones differ from each other in a column alone
/// that the first 8 MiB do not have.
fn late_column() -> String {
    let early = (0..400_000).map(|i| format!("{{\"id\":{i},\"v\":\"early\"}}\n"));
    let late = (0..100).map(|i| format!("{{\"id\":1,\"v\":\"early\",\"late\":{i}}}\n"));
    early.chain(late).collect()
}

#[test]
fn rows_that_differ_in_a_column_that_comes_late_are_no_duplicates() {
    let text = late_column();
    assert!(text.len() > 9 << 20, "read in chunks");
    let lake = TestLake::with(
        "t",
        "read: ndjson\nexpect: [ { name: once, columns: all, is: unique, on_fail: drop } ]\n",
    );
    lake.land(&at("a.ndjson"), &text);
    lake.land(&at("b.ndjson"), format!("{text}{{\"id\":1,\"v\":\"early\"}}\n"));
    lake.run();
    assert_eq!(
        lake.lines("select n_committed, n_duplicate from system.file_tables order by file_id"),
        ["400100|0", "400100|1"]
    );
    assert_eq!(lake.value("select count(late) from t"), 200);
    lake.prove();
}

#[test]
fn keys_that_memory_does_not_hold_park_the_file() {
    let text: String = (0..2_000_000).map(|i| format!("{i}\n")).fold("id\n".into(), |a: String, l| a + &l);
    let lake = TestLake::new("memory: 64MiB\n");
    lake.dataset("t", "columns: { id: int }\nexpect: [ { unique: id, on_fail: drop } ]\n");
    lake.land(&at("a.csv"), text);
    lake.land(&at("b.csv"), "id\n1\n1\n");
    lake.run_with_findings();
    assert_eq!(lake.parked(), ["a.csv|LG403"]);
    assert_eq!(lake.lines("select id from t"), ["1"]);
    lake.write("lake.yaml", "lake: test\nmemory: 1GiB\n");
    lake.lakegate(&["redrive", "--code", "LG403"]).is(DONE);
    lake.run();
    assert_eq!(lake.value("select count(*) from t"), 2_000_001);
    lake.prove();
}

#[test]
fn a_transform_over_a_large_file_and_sorted_rows_need_little_memory() {
    let rows: String =
        (0..350_000_i64).map(|i| format!("{},some text of row {i}\n", i * 7919 % 350_003)).collect();
    let lake = TestLake::new("memory: 64MiB\n");
    lake.dataset(
        "t",
        "transform: select id, text, row_number() over (order by id) as place from input
input: { id: int }
sort_by: text
partition_by: part
columns: { id: int, text: string, place: int, part: { type: int, default: 1 } }
",
    );
    lake.land(&at("a.csv"), format!("id,text\n{rows}"));
    lake.run();
    assert_eq!(
        lake.lines("select count(*), count(distinct place), max(place) from t"),
        ["350000|350000|350000"]
    );
    assert_eq!(lake.value("select count(*) from t where (id, place) in ((0, 1))"), 1);
    assert!(lake.files_below("lake/tmp").is_empty(), "{:?}", lake.files_below("lake/tmp"));
}

/// Sees a table, over and over, as another process does.
fn counts_while(lake: &TestLake, mut work: Stopped, statement: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    await_state("the work ends", || {
        let ended = work.0.try_wait().unwrap();
        seen.insert(lake.lakegate(&["sql", statement, "--format", "csv"]).is(DONE).stdout);
        ended
    });
    seen
}

#[test]
fn readers_never_see_a_table_empty_or_doubled_while_it_is_replayed() {
    let lake = TestLake::with("t", "columns: { id: int, v: string }\n");
    for f in 0..5 {
        let rows: String = (0..20_000).map(|i| format!("{},value {i}\n", f * 20_000 + i)).collect();
        lake.land(&at(&format!("{f}.csv")), format!("id,v\n{rows}"));
    }
    lake.run();
    lake.dataset("t", "columns: { id: int, v: { type: string, from: v, description: once more } }\n");
    let work = Stopped(lake.start(&["replay", "ops.t"]));
    let seen = counts_while(&lake, work, "select count(*) as n, count(distinct id) as d from t");
    assert_eq!(seen, BTreeSet::from(["n,d\n100000,100000\n".to_string()]));
    lake.prove();
}

/// Makes removals an hour older than they are.
fn an_hour_later(log: &std::path::Path) {
    for entry in std::fs::read_dir(log).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        let mut older = String::new();
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let mut action: serde_json::Value = serde_json::from_str(line).unwrap();
            if let Some(at) = action.pointer_mut("/remove/deletionTimestamp") {
                *at = (at.as_i64().unwrap() - 3_600_000).into();
            }
            older += &format!("{action}\n");
        }
        std::fs::write(&path, older).unwrap();
    }
}

#[test]
fn compaction_and_vacuum_keep_every_row_and_every_live_file() {
    let lake = TestLake::new("upkeep: { compact_at_files: 100, vacuum_after: 10min }\nbatch: { files: 1 }\n");
    lake.dataset("t", "columns: { id: int, place: string }\npartition_by: place\n");
    for i in 0..12 {
        lake.land(&at(&format!("{i}.csv")), format!("id,place\n{i},x\n{},y\n", 100 + i));
    }
    lake.run();
    let before = lake.snapshot();
    let data_files = |lake: &TestLake| {
        lake.files_below("lake/tables/ops/t/t")
            .iter()
            .filter(|f| f.ends_with(".parquet") && !f.contains("_delta_log"))
            .count()
    };
    assert_eq!(data_files(&lake), 24);

    lake.write("lake.yaml", "lake: test\nupkeep: { compact_at_files: 3, vacuum_after: 10min }\n");
    lake.lakegate(&["maintain", "--dry-run"]).is(DONE);
    assert_eq!(lake.value("select n_files from system.tables"), 24, "a dry run does nothing");
    lake.lakegate(&["maintain", "--compact"]).is(DONE);
    assert_eq!(lake.value("select n_files from system.tables"), 2, "one file a partition");
    lake.snapshot().assert_same(&before, "after compaction");
    lake.prove();
    lake.lakegate(&["maintain", "--vacuum"]).is(DONE);
    assert_eq!(data_files(&lake), 26, "what was just removed may still be read");
    an_hour_later(&lake.path("lake/tables/ops/t/t/_delta_log"));
    lake.lakegate(&["maintain", "--vacuum"]).is(DONE);
    assert_eq!(data_files(&lake), 2);
    lake.lakegate(&["maintain"]).is(DONE);
    lake.snapshot().assert_same(&before, "after vacuum");
    lake.land(&at("0.csv"), "id,place\n0,z\n1000,y\n");
    lake.run();
    assert_eq!(lake.value("select count(*) from t"), 24);
    assert_eq!(lake.value("select place from t where id = 0"), "z");
    lake.prove();
}

#[test]
fn everything_that_can_be_observed_is_a_table() {
    let lake = loaded(
        "columns: { id: int, v: float }\nexpect: [ { column: v, in_range: [0, 9], on_fail: quarantine } ]\n",
        &[("a.csv", "id,v\n1,1.5\n2,\n3,99\n"), ("b.csv", "id,v\nbroken\n")],
    );
    for table in [
        "files",
        "jobs",
        "runs",
        "failures",
        "expectations",
        "file_tables",
        "column_stats",
        "commits",
        "lineage",
        "tables",
        "columns",
    ] {
        assert!(
            lake.value(&format!("select count(*) from system.{table}")).as_u64().unwrap() > 0,
            "{table} is empty"
        );
    }
    assert_eq!(
        lake.lines("select n_values, n_nulls, min, max, mean, n_distinct from system.column_stats where column_name = 'v'"),
        ["2|1|1.5|1.5|1.5|1"]
    );
    assert_eq!(lake.lines("select code, verdict, path from system.failures"), ["LG109|park|b.csv"]);
    let out = lake.path("files.csv");
    lake.lakegate(&[
        "sql",
        "select path, size_bytes from system.files order by path",
        "--output",
        out.to_str().unwrap(),
    ])
    .is(DONE);
    assert_eq!(fs::read_to_string(out).unwrap(), "path,size_bytes\na.csv,19\nb.csv,12\n");
}

#[test]
fn trace_goes_from_a_row_to_its_bytes_and_back() {
    let lake = loaded("columns: { id: int, v: string }\n", &[("a.csv", "id,v\n1,first\n2,second\n")]);
    let row = &lake.sql("select _file_id as f, _row as r from t where v = 'second'")[0];
    let (file, number) = (format!("f{}", row["f"]), row["r"].to_string());
    lake.lakegate(&["trace", "ops.t.t", "--file", &file, "--row", &number]).is(DONE).says("second");
    lake.lakegate(&["trace", &file]).is(DONE).says("a.csv").says("ops.t.t");
    lake.lakegate(&["trace", &file, "--json"]).is(DONE).json();
    lake.lakegate(&["trace", "f99"]).says("f99");
}

#[test]
fn prove_finds_what_is_wrong() {
    let lake = loaded("columns: { id: int }\n", &[("a.csv", "id\n1\n2\n")]);
    let tables = lake.path("lake/tables/ops/t/t");
    let data = lake
        .files_below("lake/tables/ops/t/t")
        .into_iter()
        .find(|f| f.ends_with(".parquet") && !f.contains("_delta_log"))
        .unwrap();
    fs::rename(tables.join(&data), lake.path("hidden")).unwrap();
    lake.lakegate(&["prove"]).is(FINDINGS).says(&data);
    lake.lakegate(&["sql", "select * from t"]).is(FAILED).says(&data);
    fs::rename(lake.path("hidden"), tables.join(&data)).unwrap();
    lake.prove();
    for pack in lake.files_below("lake/raw") {
        fs::remove_file(lake.path("lake/raw").join(pack)).unwrap();
    }
    lake.lakegate(&["prove"]).is(FINDINGS).says("a.csv");
}

#[test]
fn exit_codes_say_what_happened() {
    let lake = TestLake::with("t", "columns: { id: int }\n");
    lake.lakegate(&["run"]).is(DONE);
    lake.land(&at("a.csv"), "id\n1\n");
    lake.lakegate(&["plan"]).is(DONE).says("a.csv");
    assert_eq!(lake.value("select count(*) from system.files"), 0, "plan takes nothing");
    lake.run();
    for (args, code) in [
        (&["sql", "select 1"][..], DONE),
        (&["sql", "select nope from t"], USAGE),
        (&["sql", "delete from t"], USAGE),
        (&["sql", "select * from nowhere"], USAGE),
        (&["nonsense"], USAGE),
        (&["run", "--dataset", "ops.nope"], USAGE),
        (&["replay", "ops.nope"], USAGE),
        (&["status"], DONE),
        (&["parked"], DONE),
        (&["tables"], DONE),
        (&["tables", "ops.t.t"], DONE),
        (&["errors", "LG101"], DONE),
        (&["errors"], DONE),
        (&["check"], DONE),
        (&["maintain"], DONE),
        (&["schema", "lake"], DONE),
        (&["completions", "bash"], DONE),
    ] {
        lake.lakegate(args).is(code);
    }
    for args in [
        &["status"][..],
        &["files"],
        &["parked"],
        &["tables"],
        &["prove"],
        &["plan"],
        &["run"],
        &["check"],
        &["maintain"],
    ] {
        lake.lakegate(&[args, &["--json"]].concat()).is(DONE).json();
    }
    lake.lakegate(&["sql", "select vv from t"]).is(USAGE).says("vv");
    lake.lakegate(&["sql", "select * from ops.t.tt"]).is(USAGE).says("did you mean");
    let elsewhere = tempfile::tempdir().unwrap();
    let nowhere = lake.lakegate(&["run"]);
    assert_eq!(nowhere.code, Some(DONE));
    let ran = std::process::Command::new(env!("CARGO_BIN_EXE_lakegate"))
        .args(["run", "--lake"])
        .arg(elsewhere.path())
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(USAGE));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("lakegate init"));
}

#[test]
fn check_reports_every_mistake_at_once_with_its_place() {
    let lake = TestLake::with("t", "partition_bye: day(at)\ncolumns: { id: integger }\nafter: burn\n");
    lake.write("datasets/u.yaml", "team: ops\nmatch: '('\nread: { csv: { delimiter: 1 } }\n");
    let ran = lake.lakegate(&["check"]).is(USAGE);
    let text = ran.text();
    for part in [
        "t.yaml:2:1",
        "did you mean `partition_by`",
        "t.yaml:3:",
        "integger",
        "t.yaml:4:",
        "burn",
        "u.yaml:2:",
        "u.yaml:3:",
    ] {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
    // Nothing runs on a configuration that is wrong.
    lake.lakegate(&["run"]).is(USAGE);
    assert!(lake.files_below("lake").is_empty());
    let json = lake.lakegate(&["check", "--json"]).is(USAGE).json();
    assert!(json.to_string().contains("partition_bye"), "{json}");
}

#[test]
fn init_makes_a_lake_that_works_and_overwrites_nothing() {
    let lake = TestLake::new("");
    let dir = lake.path("made");
    let dir = dir.to_str().unwrap();
    lake.lakegate(&["init", dir, "--name", "harbour"]).is(DONE);
    let command = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lakegate"));
        command.args(args).args(["--lake", dir]).output().unwrap().status.code()
    };
    assert_eq!(command(&["check"]), Some(DONE));
    assert_eq!(command(&["run"]), Some(DONE));
    let text = fs::read_to_string(Path::new(dir).join("lake.yaml")).unwrap();
    assert!(text.contains("harbour"));
    lake.lakegate(&["init", dir, "--name", "other"]);
    assert_eq!(fs::read_to_string(Path::new(dir).join("lake.yaml")).unwrap(), text);
}

fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copied(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn the_examples_pass_their_own_tests() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut n_examples = 0;
    for entry in fs::read_dir(&examples).unwrap().flatten().filter(|e| e.path().join("lake.yaml").exists()) {
        // What is polled has no fixtures: `observatory` tests it.
        if !entry.path().join("fixtures").exists() {
            continue;
        }
        n_examples += 1;
        let lake = TestLake::new("");
        copied(&entry.path(), lake.root());
        lake.lakegate(&["check"]).is(DONE);
        if !lake.path("fixtures").exists() {
            // It polls feeds, and has a test of its own.
            continue;
        }
        lake.lakegate(&["test"]).is(DONE);
        assert!(lake.files_below("lake").is_empty(), "`test` works in a lake of its own");
        // What its fixtures hold, landed and loaded.
        let mut n_files = 0;
        for input in lake.files_below("fixtures").iter().filter(|f| f.contains("/input/")) {
            let parts: Vec<&str> = input.splitn(5, '/').collect();
            let [team, dataset, _, _, name] = parts[..] else { panic!("{input}") };
            lake.land(
                &format!("landing/{team}/{dataset}/{name}"),
                fs::read(lake.path("fixtures").join(input)).unwrap(),
            );
            n_files += 1;
        }
        let n_parked: usize = lake
            .files_below("fixtures")
            .iter()
            .filter(|f| f.ends_with("golden/parked.csv"))
            .map(|f| fs::read_to_string(lake.path("fixtures").join(f)).unwrap().lines().count() - 1)
            .sum();
        lake.lakegate(&["run"]).is(if n_parked > 0 { FINDINGS } else { DONE });
        assert_eq!(lake.parked().len(), n_parked);
        let unexported = lake.lines("select path, part, error from system.exports where error is not null");
        assert_eq!(unexported, Vec::<String>::new());
        let committed = lake.value("select count(*) from system.files where state = 'committed'");
        assert_eq!(committed, n_files - n_parked, "{:?}", lake.states());
        lake.prove();
    }
    assert!(n_examples >= 3, "{n_examples} examples");
}

#[test]
fn golden_rows_that_differ_are_shown() {
    let lake = TestLake::with("t", "columns: { id: int, v: string }\n");
    lake.write("fixtures/ops/t/first/input/a.csv", "id,v\n1,x\n2,y\n");
    lake.lakegate(&["test", "--update"]).is(DONE);
    lake.lakegate(&["test"]).is(DONE);
    let golden = lake.path("fixtures/ops/t/first/golden/t.csv");
    let text = fs::read_to_string(&golden).unwrap();
    fs::write(&golden, text.replace(",y", ",why")).unwrap();
    lake.lakegate(&["test"]).is(FINDINGS).says("why").says("first");
    lake.lakegate(&["test", "ops.t", "--json"]).is(FINDINGS).json();
}

#[test]
fn a_fixture_whose_export_fails_is_no_success() {
    // Both files want the same name.
    let lake = TestLake::with("t", "columns: { id: int }\nexport: { netcdf: same.nc }\n");
    lake.write("fixtures/ops/t/first/input/a.csv", "id\n1\n");
    lake.write("fixtures/ops/t/first/input/b.csv", "id\n2\n");
    lake.lakegate(&["test", "--update"]);
    lake.lakegate(&["test"]).is(FINDINGS).says("not exported").says("LG701");
}

#[test]
fn ctrl_c_leaves_nothing_half_done() {
    let lake = TestLake::new("batch: { files: 1 }\n");
    lake.dataset("t", "columns: { id: int }\n");
    (0..150).for_each(|i| lake.land(&at(&format!("{i}.csv")), format!("id\n{i}\n")));
    let run = Stopped(lake.start(&["run"]));
    await_state("the run has begun", || {
        let ran = lake.lakegate(&[
            "sql",
            "select path from system.files where state = 'committed'",
            "--format",
            "csv",
        ]);
        (ran.stdout.lines().count() > 1).then_some(())
    });
    let code = run.interrupt();
    assert!(matches!(code, Some(130 | DONE)), "{code:?}");
    lake.prove();
    lake.run();
    assert_eq!(lake.value("select count(*) from t"), 150);
    lake.prove();
}

#[test]
fn one_dataset_can_be_run_alone() {
    let lake = TestLake::with("t", "columns: { id: int }\n");
    lake.dataset("u", "columns: { id: int }\n");
    lake.land(&at("a.csv"), "id\n1\n");
    lake.land("landing/ops/u/b.csv", "id\n2\n");
    lake.lakegate(&["run", "--dataset", "ops.u"]).is(DONE);
    assert_eq!(lake.states(), ["b.csv|committed"]);
    lake.run();
    assert_eq!(lake.states(), ["a.csv|committed", "b.csv|committed"]);
}
