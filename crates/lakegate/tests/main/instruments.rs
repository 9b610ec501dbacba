//! Several record streams of one file, commands between the reader and the table,
//! grids of time, and tables of another table's rows.

use crate::lake::{DONE, TestLake, zip};

/// Two instruments of one buoy, in one archive.
const READ: &str = "read: { archive: { members: {\n  gill: { member: '.*gill.csv', csv: { nulls: [NA] } },\n  baro: { member: '.*baro.csv', csv: { nulls: ['-999'] } } } } }\n";
const TIME: &str = "time: { type: timestamp, from: [Stamp, Time], format: '%Y-%m-%d %H:%M:%S' }";

fn archive(gill: &str, baro: &str) -> Vec<u8> {
    zip(&[("x.gill.csv", gill.as_bytes()), ("x.baro.csv", baro.as_bytes())])
}

/// Some failure says so.
#[track_caller]
fn told(lake: &TestLake, part: &str) {
    let all = lake.lines("select message from system.failures");
    assert!(all.iter().any(|m| m.contains(part)), "nothing says `{part}`: {all:#?}");
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
    told(&lake, "stream gill: row 1: `Stamp`");
    told(&lake, "no column `Stamp` or `Time`");
    assert_eq!(lake.value("select count(*) from met where speed is null and pressure is not null"), 2);
    // A bare name that two streams have.
    let both = met("tolerance: 1s", "").replace("from: Kind", "from: Note");
    lake.dataset("met", &both);
    let noted = |text: &str| {
        let (head, rows) = text.split_once('\n').unwrap();
        format!("{head},Note\n{}", rows.replace('\n', ",x\n"))
    };
    lake.land("landing/ops/met/d.zip", archive(&noted(GILL), &noted(BARO)));
    lake.run_with_findings();
    told(&lake, "may be `gill.Note` or `baro.Note`");
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
    let lake = TestLake::with(
        "d",
        "tables:\n  whole: {}\n  some: { transform: 'select * from input where a > 1' }\n",
    );
    lake.land("landing/ops/d/a.csv", "a\n1\n2\n3\n");
    lake.run();
    lake.prove();
    assert_eq!(
        lake.lines("select (select count(*) from ops.d.whole) as a, (select count(*) from ops.d.some) as b"),
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
        ("c.csv", "P,q\n,\n1002,1\n"),
        ("d.csv", "P\ndegC\n1\n"),
        ("e.csv", "P\nkilopascals!\n1\n"),
    ] {
        lake.land(&format!("landing/ops/p/{name}"), text);
    }
    lake.run_with_findings();
    assert_eq!(lake.lines("select p from p order by p"), ["1000.0", "1001.0", "1002.0"]);
    assert_eq!(lake.parked(), ["d.csv|LG308", "e.csv|LG308"]);
    told(&lake, "the file says `degC`, which measures something else");
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
    told(&lake, "there is no program `hooks/same.sh` in the lake's folder");
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
        "00:20|||0.0|129|c",
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
        lake.lines("select v, w, w_goodfraction from ops.d.c1 where time >= '2024-01-02' order by time"),
        ["1.5|3.5|1.0"]
    );
    assert_eq!(lake.value("select v from ops.d.c1 where time = '2024-01-01'"), 4.0);
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
    told(&lake, "is one of the times wrong?");
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

#[test]
fn a_step_that_lies_in_two_files_has_a_row_of_each() {
    for (align, want) in [
        // 00:00 is the middle of the step from 23:55 to 00:05.
        ("center", &["23:50:00|1.0|1.0", "00:00:00|2.0|1.0", "00:00:00|10.0|1.0", "00:10:00|20.0|1.0"][..]),
        ("left", &["23:50:00|1.5|1.0", "00:00:00|10.0|1.0", "00:10:00|20.0|1.0"]),
    ] {
        let lake = TestLake::with(
            "g",
            &format!("columns: {{ time: timestamp, v: float }}\ngrid: {{ every: 10min, align: {align} }}\n"),
        );
        lake.land("landing/ops/g/1.csv", "time,v\n2024-01-01T23:50:00Z,1\n2024-01-01T23:58:00Z,2\n");
        lake.land("landing/ops/g/2.csv", "time,v\n2024-01-02T00:00:00Z,10\n2024-01-02T00:10:00Z,20\n");
        lake.run();
        let rows = "select to_char(time, '%H:%M:%S') as t, v, v_goodfraction from g order by time, v";
        assert_eq!(lake.lines(rows), want, "{align}");
        lake.prove();
    }
}

#[test]
fn what_had_no_place_goes_with_the_step_of_its_row() {
    let lake =
        TestLake::with("g", "columns: { time: timestamp, v: float }\ngrid: { every: 10min, align: left }\n");
    lake.land(
        "landing/ops/g/1.csv",
        "time,v\n2024-01-01T00:21:00Z,5\n2024-01-01T00:01:00Z,n/a\n2024-01-01T00:02:00Z,2\n2024-01-01T00:03:00Z,--\n2024-01-01T00:11:00Z,x\n",
    );
    lake.run();
    assert_eq!(
        lake.lines("select to_char(time, '%H:%M'), v, _rescued from g order by time"),
        ["00:00|2.0|{\"v\":[\"n/a\",\"--\"]}", "00:10||{\"v\":\"x\"}", "00:20|5.0|"]
    );
    lake.prove();
}

#[test]
fn a_table_of_another_has_its_coordinates() {
    let lists = "input: { v1: float, v2: float }\ntables:\n  a:\n    transform: select time, make_array(4.0, 8.0) as depth, \
                 make_array(v1, v2) as v from input\n    coordinates: [time, depth]\n    columns: { time: timestamp, \
                 depth: { unit: m }, v: { unit: m } }\n";
    // As they are, under another name, behind SQL that keeps them or names the time anew, and its own.
    for (of, time, depth, averaged) in [
        ("grid: { every: 10min, align: left }", "time", "depth", false),
        ("grid: { every: 10min, align: left }\n    columns: { z: { from: depth } }", "time", "z", false),
        ("grid: { every: 10min, align: left }\n    transform: select * from input", "time", "depth", false),
        (
            "grid: { every: 10min, align: left }\n    transform: select time as t, depth, v from input\n    columns: { t: timestamp }",
            "t",
            "depth",
            false,
        ),
        ("grid: { every: 10min, align: left }\n    coordinates: time", "time", "depth", true),
    ] {
        let lake = TestLake::with(
            "g",
            &format!("{lists}  b:\n    of: a\n    {of}\n    export: {{ netcdf: '{{file}}.nc' }}\n"),
        );
        lake.land("landing/ops/g/1.csv", "time,v1,v2\n2024-01-01T00:00:00Z,1,2\n2024-01-01T00:05:00Z,3,4\n");
        lake.run();
        assert_eq!(
            lake.lines(&format!("select {time}, {depth}, v from b")),
            ["2024-01-01T00:00:00Z|[4.0,8.0]|[2.0,3.0]"]
        );
        let columns = lake.lines("select column_name from information_schema.columns where table_name = 'b'");
        assert_eq!(columns.contains(&format!("{depth}_std")), averaged, "{of}: {columns:?}");
        let nc = netcdf_reader::NcFile::open(lake.path("lake/export/1.nc")).unwrap();
        let dimensions: Vec<String> =
            nc.variable("v").unwrap().dimensions.iter().map(|d| d.name.clone()).collect();
        let along = if averaged { "v_0" } else { depth };
        assert_eq!(dimensions, [time, along], "{of}");
        lake.prove();
    }
}
