//! The SQL of a configuration: looked at before files land, and bounded when it
//! runs.

use std::fmt::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::lake::{DONE, Stopped, TestLake, USAGE, await_state};

#[test]
fn check_and_run_refuse_what_no_file_can_mend() {
    let lake = TestLake::with("t", "");
    lake.land("landing/ops/t/a.csv", "id,v\n1,2\n");
    for (declaration, line, want) in [
        ("transform: delete from input\n", 2, "not a query"),
        ("transform: select 1/0 as x, count(*) as y from input; select 2\n", 2, "2 statements"),
        ("transform: select nosuch(id) as x from input\n", 2, "no function `nosuch`"),
        ("read: csv\ninput: { v: float }\ntransform: select v from input group by id\n", 4, "group by"),
        ("expect:\n  - { sql: 'foo = (', on_fail: warn }\n", 3, "cannot be understood"),
        ("expect:\n  - { sql: 'count(id) > 1' }\n", 3, "looks at one"),
        ("columns: { id: date }\nexpect:\n  - { sql: 'nosuch(id)' }\n", 4, "no function `nosuch`"),
        ("columns: { id: int }\nevolve: fixed\nexpect:\n  - { sql: 'idd > 1' }\n", 5, "no column `idd`"),
        ("columns: { id: { type: timestamp, format: '%Q' } }\n", 2, "does not say enough"),
        ("columns: { id: { type: date, format: '%d' } }\n", 2, "does not say enough"),
        ("columns: { id: { type: date, format: '%Y-%K' } }\n", 2, "cannot be read"),
    ] {
        lake.dataset("t", declaration);
        for args in [&["check"][..], &["run"], &["plan"]] {
            let ran = lake.lakegate(args).is(USAGE).says(want).says("help:");
            assert!(ran.text().contains(&format!("datasets/t.yaml:{line}:")), "{declaration}{ran}");
        }
        let error = lake.lakegate(&["check", "--json"]).is(USAGE).json()["errors"][0].clone();
        assert_eq!(error["line"], line, "{error}");
    }
    lake.dataset("t", "");
    lake.run();
}

#[test]
fn check_accepts_what_a_file_may_prove_right() {
    for declaration in [
        "transform: select id, v || 'x' as w, other from input where other <> ''\n",
        "read: csv\ninput: { v: float }\ntransform: select *, v * 2 as twice, upper(Id) as id2 from input\n",
        "read: parquet\ntransform: select x.y + 1 as z, date_bin(interval '1 hour', at) as h from input\n",
        "match: '(?<site>[a-z]+).csv'\nread: csv\ntransform: select upper(site) as s, _file_name as f from input\n",
        "columns: { id: int }\nexpect: [ { sql: 'id > 0 and other < 3 and length(name) > 2' } ]\n",
        "columns: { id: int }\npartition_by: id\nsort_by: [_row]\n",
    ] {
        let ran = TestLake::with("t", declaration).lakegate(&["check"]).is(DONE);
        assert!(ran.stderr.is_empty(), "{declaration}{ran}");
    }
    for declaration in ["partition_by: nope\n", "read: csv\ntransform: select a from input\nsort_by: nope\n"]
    {
        let lake = TestLake::with("t", declaration);
        lake.lakegate(&["check"]).is(DONE).says("`nope`, which nothing declares");
    }
}

/// The most memory that a command had at any time, bytes, where the system tells.
fn peak(lake: &TestLake, args: &[&str]) -> u64 {
    let mut child = lake.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let kib =
            text.lines().find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        peak = peak.max(kib.unwrap_or(0u64) << 10);
        if let Some(ended) = child.try_wait().unwrap() {
            assert_eq!(ended.code(), Some(DONE));
            return peak;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_a_transform_makes_is_not_held_in_memory() {
    let text = (0..400).fold("id\n".to_string(), |mut text, i| {
        let _ = writeln!(text, "{i}");
        text
    });
    // 400 MB each: of one row many, and of each row a long one.
    for (sql, n) in [
        ("select id, repeat('x', 1000) as s, unnest(range(1000)) as u from input", 400_000),
        ("select id, repeat('x', 1000000) as s from input", 400),
    ] {
        let lake = TestLake::new("memory: 32MiB\n");
        lake.dataset("t", &format!("transform: {sql}\n"));
        // The second is in a batch with others, which wait for it.
        for name in ["a", "b", "c"] {
            let text = if name == "b" { text.clone() } else { format!("id\n{name}\n") };
            lake.land(&format!("landing/ops/t/{name}.csv"), text);
        }
        let peak = peak(&lake, &["run"]);
        assert!(peak < 400 << 20, "{} MiB for {sql}", peak >> 20);
        let each = n / 400;
        assert_eq!(lake.value("select count(*) from t"), n + 2 * each, "{sql}");
        assert_eq!(lake.states().len(), 3);
        lake.prove();
    }
}

#[test]
fn ctrl_c_ends_a_transform_and_gives_its_file_back() {
    let sql = "select count(md5(cast(u as varchar))) as n from (select unnest(range(2000)) as u from input)";
    let lake = TestLake::with("t", &format!("transform: {sql}\n"));
    lake.land("landing/ops/t/a.csv", format!("id\n{}", "1\n".repeat(200_000)));
    let running = Stopped(lake.start(&["run"]));
    await_state("the file being worked on", || {
        let states = lake.states();
        (states == ["a.csv|leased"]).then_some(())
    });
    let asked = Instant::now();
    assert_eq!(running.interrupt(), Some(130));
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
    assert_eq!(lake.states(), ["a.csv|queued"]);
    assert_eq!(lake.lines("select attempts from system.jobs"), ["0"]);
}

#[test]
fn columns_behind_a_transform_are_found_by_the_name_that_the_file_has() {
    let rows = "id,Vel1 (mm/s),Other\n1,5,a\n2,,b\n";
    // As the file has it, as SQL has it, and as the statement calls it.
    for (from, sql) in [
        ("'Vel1 (mm/s)'", "select * from input"),
        ("vel1_mm_s", "select * from input"),
        ("'Vel1 (mm/s)'", "select id, vel1_mm_s from input order by id"),
        ("'Vel1 (mm/s)'", "select id, vel1_mm_s as \"Vel1 (mm/s)\" from input"),
        ("[nothing, 'Vel1 (mm/s)']", "select * from input"),
    ] {
        let lake = TestLake::with(
            "t",
            &format!("columns: {{ speed: {{ type: float, from: {from} }} }}\ntransform: '{sql}'\n"),
        );
        lake.land("landing/ops/t/a.csv", rows);
        let checked = lake.lakegate(&["check"]).is(DONE);
        assert!(checked.stderr.is_empty(), "{from} of {sql}: {checked}");
        lake.run();
        assert_eq!(lake.lines("select id, speed from t order by id"), ["1|5.0", "2|"], "{from} of {sql}");
        let columns = "select column_name from information_schema.columns where table_name = 't'";
        assert!(!lake.lines(columns).contains(&"vel1_mm_s".to_string()), "{from} of {sql}: twice");
        lake.prove();
    }
    // A column of a file that is not there is null, as without a statement.
    let lake = TestLake::with(
        "t",
        "columns: { speed: { type: float, from: Nope } }\ntransform: select * from input\n",
    );
    lake.land("landing/ops/t/a.csv", rows);
    lake.run();
    assert_eq!(lake.value("select count(*) - count(speed) from t"), 2);
}

#[test]
fn a_column_that_a_transform_does_not_yield_is_told() {
    let declared = "read: csv\ncolumns:\n  id: int\n  t: { type: string, from: Other }\n";
    let lake = TestLake::with("t", &format!("{declared}transform: select id, id as twice from input\n"));
    for args in [&["check"][..], &["run"]] {
        let ran = lake.lakegate(args).is(USAGE);
        let ran = ran.says("`t`: the transform yields no `Other`").says("it yields `id`, `twice`");
        assert!(ran.text().contains("datasets/t.yaml:5:"), "{ran}");
    }
    let lake =
        TestLake::with("t", "read: csv\ncolumns: { id: int, u: int }\ntransform: select id from input\n");
    lake.lakegate(&["check"]).is(DONE).says("no row has a value in `u`");
    // What reads the file is not known before there is one.
    let lake = TestLake::with("t", &format!("{declared}transform: select * exclude (other) from input\n"));
    lake.land("landing/ops/t/a.csv", "id,Other\n1,a\n");
    lake.lakegate(&["check"]).is(DONE);
    lake.run_with_findings();
    assert_eq!(lake.parked(), ["a.csv|LG303"]);
    let message = lake.value("select message from system.failures").to_string();
    assert!(
        message.contains("`t` is made from `Other`") && message.contains("yields `id`, `_file_name`"),
        "{message}"
    );
}

#[test]
fn two_columns_of_one_name_are_mended_where_they_meet() {
    for (transform, mend) in [("", "columns"), ("transform: select * from input\n", "input")] {
        let lake = TestLake::with("t", transform);
        lake.land("landing/ops/t/a.csv", "ID,Id\n1,2\n");
        lake.run_with_findings();
        assert_eq!(lake.parked(), ["a.csv|LG306"]);
        let advice = format!("{mend}: {{ id_2: {{ from: 'Id' }} }}");
        let message = lake.value("select message from system.failures").to_string();
        assert!(message.contains(&advice), "{message}");
        // As it is written.
        lake.dataset("t", &format!("{transform}{advice}\n"));
        lake.lakegate(&["redrive", "--all"]).is(DONE);
        lake.run();
        assert_eq!(lake.lines("select id, id_2 from t"), ["1|2"]);
    }
}
