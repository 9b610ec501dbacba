//! Several record streams of one file, commands between the reader and the table,
//! grids of time, and tables of another table's rows.

use crate::lake::{DONE, TestLake, zip};

/// Two instruments of one buoy, in one archive.
const READ: &str = "read: { archive: { members: {\n  gill: { member: '.*gill.csv', csv: { nulls: [NA] } },\n  baro: { member: '.*baro.csv', csv: { nulls: ['-999'] } } } } }\n";
const TIME: &str = "time: { type: timestamp, from: [Stamp, Time], format: '%Y-%m-%d %H:%M:%S' }";

fn archive(gill: &str, baro: &str) -> Vec<u8> {
    zip(&[("x.gill.csv", gill.as_bytes()), ("x.baro.csv", baro.as_bytes())])
}

const GILL: &str = "Stamp,Speed (m/s),Kind\n2024-01-01 00:00:00,5.5,a\n2024-01-01 00:10:00,NA,b\n2024-01-01 00:20:01,7,-999\n";
const BARO: &str =
    "Time,Pressure (mb)\n2024-01-01 00:00:00,1000.5\n2024-01-01 00:20:00,-999\n2024-01-01 00:30:00,1002\n";

fn met(how: &str, more: &str) -> String {
    format!(
        "{READ}from: [gill, baro]\nmerge: {{ by: time, {how} }}\n{more}columns:\n  {TIME}\n  speed: {{ type: float, from: 'gill.Speed (m/s)' }}\n  pressure: {{ type: float, from: 'Pressure (mb)' }}\n  kind: {{ type: string, from: Kind }}\n"
    )
}

const ROWS: &str =
    "select to_char(time, '%H:%M:%S') as t, speed, pressure, kind, _row from met order by _row";

#[test]
fn streams_are_merged_by_time() {
    for (how, want) in [
        (
            "how: outer, tolerance: 1s",
            &["00:00:00|5.5|1000.5|a|1", "00:10:00|||b|2", "00:20:01|7.0||-999|3", "00:30:00||1002.0||4"][..],
        ),
        (
            "how: outer",
            &[
                "00:00:00|5.5|1000.5|a|1",
                "00:10:00|||b|2",
                "00:20:00||||3",
                "00:20:01|7.0||-999|4",
                "00:30:00||1002.0||5",
            ],
        ),
        ("how: inner, tolerance: 1s", &["00:00:00|5.5|1000.5|a|1", "00:20:01|7.0||-999|2"]),
        ("how: left, tolerance: 1s", &["00:00:00|5.5|1000.5|a|1", "00:10:00|||b|2", "00:20:01|7.0||-999|3"]),
    ] {
        let lake = TestLake::with("met", &met(how, ""));
        lake.land("landing/ops/met/a.zip", archive(GILL, BARO));
        lake.run();
        assert_eq!(lake.lines(ROWS), want, "{how}");
        assert_eq!(lake.lines("select n_read, n_in from system.file_tables"), [format!("6|{}", want.len())]);
        lake.prove();
        lake.lakegate(&["replay", "ops.met"]).is(DONE);
        lake.prove();
    }
}

#[test]
fn what_a_merge_cannot_make_of_a_file_is_told() {
    let lake = TestLake::with("met", &met("tolerance: 1s", ""));
    // One stream is missing, a time is none, a stream has no time.
    lake.land("landing/ops/met/a.zip", zip(&[("x.baro.csv", BARO.as_bytes())]));
    lake.land("landing/ops/met/b.zip", archive("Stamp,Speed (m/s)\nnoon,1\n", BARO));
    lake.land("landing/ops/met/c.zip", archive("When,Speed (m/s)\n2024-01-01 00:00:00,1\n", BARO));
    lake.run_with_findings();
    assert_eq!(lake.parked(), ["b.zip|LG302", "c.zip|LG303"]);
    lake.lakegate(&["failures"]).says("stream gill: row 1: `Stamp`").says("no column `Stamp` or `Time`");
    assert_eq!(lake.value("select count(*) from met where speed is null and pressure is not null"), 2);
    // A bare name that two streams have.
    let both = met("tolerance: 1s", "").replace("from: Kind", "from: Note");
    lake.dataset("met", &both);
    let noted = |text: &str| text.replacen('\n', ",Note\n", 1).replace("0.5\n", "0.5,x\n");
    lake.land("landing/ops/met/d.zip", archive(&noted(GILL), &noted(BARO)));
    lake.run_with_findings();
    lake.lakegate(&["failures"]).says("may be `gill.Note` or `baro.Note`");
}

/// A file that is read piece by piece comes to the same as a small one.
#[test]
fn a_large_file_is_merged_as_a_small_one() {
    let n = 200_000;
    let mut gill = String::from("Stamp,Speed (m/s),Kind\n");
    let mut baro = String::from("Time,Pressure (mb)\n");
    for k in 0..n {
        let stamp = |s: usize| {
            format!("2024-01-{:02} {:02}:{:02}:{:02}", 1 + s / 86400, s / 3600 % 24, s / 60 % 60, s % 60)
        };
        gill += &format!("{},{}.5,{}\n", stamp(k * 2), k % 50, "x".repeat(30));
        baro += &format!("{},{}\n", stamp(k * 2 + usize::from(k % 3 == 0)), k);
    }
    let bytes = archive(&gill, &baro);
    assert!(gill.len() > 8 << 20);
    let lake = TestLake::with("met", &met("tolerance: 1s", ""));
    lake.land("landing/ops/met/a.zip", &bytes);
    lake.land("landing/ops/met/b.zip", archive(GILL, BARO));
    lake.run();
    lake.prove();
    assert_eq!(
        lake.lines(
            "select count(*), count(speed), count(pressure), count(distinct _row) from met where _file_id = 1"
        ),
        [format!("{n}|{n}|{n}|{n}")]
    );
    // The same rows, one archive entry after the other, uncompressed size over the limit.
    let small = TestLake::new("memory: 64MiB\n");
    small.dataset("met", &met("tolerance: 1s", ""));
    small.land("landing/ops/met/a.zip", &bytes);
    small.run_with_findings();
    assert_eq!(small.parked(), ["a.zip|LG404"]);
}

#[test]
fn a_stream_goes_to_every_table_that_names_it() {
    let lake = TestLake::with(
        "d",
        &format!(
            "{READ}tables:\n  both:\n    from: all\n    merge: {{ by: time }}\n    columns:\n      {TIME}\n  gill: {{}}\n  again: {{ from: gill, evolve: add }}\n"
        ),
    );
    lake.land("landing/ops/d/a.zip", archive(GILL, BARO));
    lake.run();
    lake.prove();
    let count = |table: &str| lake.value(&format!("select count(*) from ops.d.{table}"));
    assert_eq!((count("both"), count("gill"), count("again")), (5.into(), 3.into(), 3.into()));
    // Columns that nobody declared are called after their stream.
    assert_eq!(
        lake.lines("select \"column\" from system.columns where \"table\" = 'both' and \"column\" not like '\\_%' order by ordinal"),
        ["time", "gill_speed_m_s", "gill_kind", "baro_pressure_mb"]
    );
    // One file without streams, two tables.
    let lake =
        TestLake::with("d", "tables:\n  all: {}\n  some: { transform: 'select * from input where a > 1' }\n");
    lake.land("landing/ops/d/a.csv", "a\n1\n2\n3\n");
    lake.run();
    lake.prove();
    assert_eq!(
        lake.lines("select (select count(*) from ops.d.all), (select count(*) from ops.d.some)"),
        ["3|2"]
    );
}

#[test]
fn the_unit_that_a_file_states_is_converted() {
    let lake = TestLake::with(
        "p",
        "read: { csv: { units_row: true } }\ncolumns:\n  p: { type: float, from: [Pressure, P], from_unit: stated, unit: hPa }\n",
    );
    for (name, text) in [
        ("a.csv", "Pressure\nkPa\n100\n"),
        ("b.csv", "P\nhPa\n1001\n"),
        ("c.csv", "P\n\n1002\n"),
        ("d.csv", "P\ndegC\n1\n"),
        ("e.csv", "P\nkilopascals!\n1\n"),
    ] {
        lake.land(&format!("landing/ops/p/{name}"), text);
    }
    lake.run_with_findings();
    assert_eq!(lake.lines("select p from p order by p"), ["1000.0", "1001.0", "1002.0"]);
    assert_eq!(lake.parked(), ["d.csv|LG308", "e.csv|LG308"]);
    lake.lakegate(&["failures"]).says("the file says `degC`, which measures something else");
}

/// The command that gives what it is given changes nothing.
#[test]
fn a_hook_stands_between_the_file_and_the_table() {
    let columns = "columns:\n  t: { type: timestamp, from: Stamp, format: '%Y-%m-%d %H:%M:%S' }\n  speed: { type: float, from: 'Speed (m/s)', nulls: NA }\n  kind: { type: string, from: Kind }\n";
    let plain = TestLake::with("g", columns);
    let hooked = TestLake::with("g", &format!("hook: {{ command: cat }}\n{columns}"));
    for lake in [&plain, &hooked] {
        lake.land("landing/ops/g/a.csv", GILL);
        lake.run();
        lake.prove();
        lake.lakegate(&["replay", "ops.g"]).is(DONE);
    }
    hooked.snapshot().assert_same(&plain.snapshot(), "a hook that changes nothing");

    // A missing program parks; when it is there, redrive goes on.
    let lake = TestLake::with("g", &format!("hook: {{ command: [hooks/same.sh] }}\n{columns}"));
    lake.land("landing/ops/g/a.csv", GILL);
    lake.run_with_findings();
    assert_eq!(lake.parked(), ["a.csv|LG405"]);
    lake.lakegate(&["failures"]).says("there is no program `hooks/same.sh` in the lake's folder");
    lake.write("hooks/same.sh", "#!/bin/sh\necho \"reading $LAKEGATE_FILE\" >&2\ncat\n");
    let path = lake.path("hooks/same.sh");
    std::process::Command::new("chmod").arg("+x").arg(path).status().unwrap();
    lake.lakegate(&["redrive", "--code", "LG405"]).is(DONE);
    lake.lakegate_with(&[("LAKEGATE_LOG", "lakegate=info")], &["run"]).is(DONE).says("reading a.csv");
    assert_eq!(lake.value("select count(*) from g"), 3);
    lake.prove();
}

#[test]
fn a_hook_after_a_merge_sees_its_rows() {
    let more = "hook: { command: [sh, -c, 'tee seen | cat'] }\n";
    let lake = TestLake::with("met", &met("how: outer, tolerance: 1s", more));
    lake.land("landing/ops/met/a.zip", archive(GILL, BARO));
    lake.run();
    assert_eq!(lake.value("select count(*) from met where speed is not null and pressure is not null"), 1);
    let seen = std::fs::read(lake.path("seen")).unwrap();
    let seen = String::from_utf8_lossy(&seen);
    assert!(seen.contains("gill.Speed (m/s)") && seen.contains("Pressure (mb)"), "{seen}");
    lake.prove();
}

const RAW: &str = "time,v,kind\n2024-01-01T00:00:00Z,1,a\n2024-01-01T00:04:00Z,3,a\n2024-01-01T00:08:00Z,900,b\n2024-01-01T00:10:00Z,5,b\n2024-01-01T00:30:00Z,7,c\n";

fn levels(more: &str) -> String {
    format!(
        "tables:\n  b1:\n    columns:\n      time: timestamp\n      v: {{ type: float, unit: m, fail_range: [0, 100] }}\n      kind: string\n    quality:\n      - {{ check: fail_max, columns: v, then: flag }}\n  c1:\n    of: b1\n{more}"
    )
}

#[test]
fn a_level_is_made_of_the_one_before() {
    let lake = TestLake::with("d", &levels("    grid: { every: 10min, align: left }\n"));
    lake.land("landing/ops/d/a.csv", RAW);
    lake.run();
    lake.prove();
    let rows = "select to_char(time, '%H:%M') as t, v, round(v_std, 3) as s, v_goodfraction, qc_v, kind from ops.d.c1 order by _row";
    // What is flagged as bad is left out of the average.
    let want = [
        "00:00|2.0|1.0|0.6666666666666666|32|a",
        "00:10|5.0|0.0|1.0|0|b",
        "00:20|||0.0|129|b",
        "00:30|7.0|0.0|1.0|0|c",
    ];
    assert_eq!(lake.lines(rows), want);
    assert_eq!(lake.lines("select qc_v from ops.d.b1 order by _row"), ["0", "0", "1", "0", "0"]);
    assert_eq!(
        lake.lines("select table_name, n_read, n_in, n_committed from system.file_tables order by 1"),
        ["ops.d.b1|5|5|5", "ops.d.c1|0|4|4"]
    );
    // A second file of more columns, a replaced one, and a replay.
    lake.land("landing/ops/d/b.csv", "time,v,w\n2024-01-02T00:00:00Z,1,2\n2024-01-02T00:01:00Z,2,5\n");
    lake.land("landing/ops/d/a.csv", RAW.replace(",900,", ",8,"));
    lake.run();
    lake.prove();
    assert_eq!(
        lake.lines("select v, w, w_goodfraction from ops.d.c1 where time > '2024-01-02' order by time"),
        ["1.5|3.5|1.0"]
    );
    assert_eq!(lake.value("select v from ops.d.c1 where time = '2024-01-01'"), 4);
    let before = lake.snapshot();
    lake.lakegate(&["replay", "ops.d"]).is(DONE);
    lake.prove();
    lake.snapshot().assert_same(&before, "after a replay");
}

#[test]
fn a_level_may_be_checked_hooked_and_made_again() {
    let more = "    columns:\n      time: timestamp\n      v: { type: float, warn_range: [2, null] }\n    quality:\n      - { check: warn_min, columns: v, then: flag }\n  d1:\n    of: c1\n    hook: { command: cat }\n    columns: { time: timestamp, value: { from: v, type: float } }\n";
    let lake = TestLake::with("d", &levels(more));
    lake.land("landing/ops/d/a.csv", RAW);
    lake.run();
    lake.prove();
    // The flags of the level before stay, and the next ones have the next bits.
    let flags = ["2", "0", "1", "0", "0"];
    assert_eq!(lake.lines("select qc_v from ops.d.c1 order by _row"), flags);
    assert_eq!(lake.lines("select qc_value from ops.d.d1 order by _row"), flags);
    assert_eq!(
        lake.lines("select table_name, n_read, n_in from system.file_tables order by 1"),
        ["ops.d.b1|5|5", "ops.d.c1|0|5", "ops.d.d1|0|5"]
    );
}

/// However files are batched, and however often work is cut off.
#[test]
fn batches_do_not_matter_to_levels() {
    let declaration = levels("    grid: { every: 10min, align: left }\n");
    let files: Vec<(String, String)> = (1..9)
        .map(|day| {
            (
                format!("landing/ops/d/{day}.csv"),
                RAW.replace("01-01T", &format!("01-0{day}T"))
                    .replace(",3,", if day % 2 == 0 { ",3.5," } else { ",3," }),
            )
        })
        .collect();
    let one = TestLake::with(
        "d",
        &declaration
            .replace("v: { type: float, unit: m, fail_range: [0, 100] }", "v: { fail_range: [0, 100] }"),
    );
    files.iter().for_each(|(name, text)| one.land(name, text));
    one.run();
    let many = TestLake::with(
        "d",
        &declaration
            .replace("v: { type: float, unit: m, fail_range: [0, 100] }", "v: { fail_range: [0, 100] }"),
    );
    for (name, text) in &files {
        many.land(name, text);
        many.run();
    }
    many.prove();
    many.snapshot().assert_same(&one.snapshot(), "one by one");
    let killed = TestLake::with("d", &declaration);
    files.iter().for_each(|(name, text)| killed.land(name, text));
    for point in ["committed:1", "quarantined:1", "written:2", "unfinished:1"] {
        killed.killed_at(point, &["run"]);
    }
    killed.run();
    killed.prove();
    assert_eq!(killed.value("select count(*) from ops.d.c1"), 32);
}

#[test]
fn a_clock_that_is_wrong_makes_no_endless_grid() {
    let lake = TestLake::new("memory: 64MiB\n");
    lake.dataset("d", "columns: { time: timestamp, v: float }\ngrid: { every: 1s }\n");
    lake.land("landing/ops/d/a.csv", "time,v\n1970-01-01T00:00:00Z,1\n2024-01-01T00:00:00Z,2\n");
    lake.run_with_findings();
    assert_eq!(lake.parked(), ["a.csv|LG404"]);
    lake.lakegate(&["failures"]).says("is one of the times wrong?");
}

#[test]
fn plan_and_trace_know_rows_that_are_made_of_several() {
    let lake = TestLake::with("met", &met("tolerance: 1s", ""));
    lake.land("landing/ops/met/a.zip", archive(GILL, BARO));
    lake.lakegate(&["plan"]).is(DONE).says("6 rows read, 4 to the table");
    lake.run();
    lake.lakegate(&["trace", "ops.met.met", "--file", "f1", "--row", "2"])
        .says("is a row of no single record");
}
