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
