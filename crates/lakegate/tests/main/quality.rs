//! Quality checks end to end: flags beside values, what is removed and where it
//! goes, files that are stopped, what the ledger and the summary say, and that
//! none of it depends on how a file came.

use std::fmt::Write as _;

use serde_json::Value;

use crate::lake::{DONE, FINDINGS, TestLake, USAGE};
use crate::real_data;

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

const BUOY: &str = "columns:
  time: timestamp
  sst: { type: float, unit: degC, nulls: '-9999', fail_range: [-2, 40], warn_range: [null, 30], valid_delta: 5 }
  salt: { type: float32, fail_range: [0, 42] }
  station: string
quality:
  - { check: missing, columns: coordinates, then: remove }
  - { check: increasing, columns: coordinates, then: [flag, sort] }
  - { check: missing, columns: all, meaning: 'Value is equal to _FillValue or NaN' }
  - { check: fail_min, columns: all, then: [remove, flag], meaning: Too little }
  - { check: fail_max, columns: all, then: [remove, flag], meaning: Too much }
  - { check: warn_max, columns: all }
  - { name: jumps, check: valid_delta, columns: all, assessment: indeterminate }
";

const ROWS: &str = "time,sst,salt,station
2020-12-01 00:00:00,12.5,33.1,a
2020-12-01 00:20:00,-9999,33.2,a
,13,33.3,a
2020-12-01 01:00:00,99,-1,
2020-12-01 00:40:00,31,33.5,b
2020-12-01 01:20:00,12,33.6,b
";

#[test]
fn flags_stand_beside_the_values_and_nothing_is_lost() {
    let lake = TestLake::with("t", BUOY);
    lake.land(&at("a.csv"), ROWS);
    // A file is loaded although values are bad.
    let ran = lake.run();
    lake.prove();
    let select = "select _row, sst, qc_sst, salt, qc_salt, station, qc_station, qc_time from t order by time";
    assert_eq!(
        lake.lines(select),
        [
            "1|12.5|0|33.1|0|a|0|0",
            // Bit 1 of `sst` is `missing`.
            "2||1|33.2|0|a|0|0",
            // Too late in the file, and sorted; beyond the warning, and a value after none is no jump.
            "5|31.0|8|33.5|0|b|0|1",
            // Removed, and flagged all the same; `jumps` saw what was left.
            "4||4||2||1|0",
            "6|12.0|0|33.6|0|b|0|0",
        ]
    );
    assert_eq!(
        lake.lines("select _row, _rescued from t where _rescued is not null"),
        [r#"4|{"salt":-1.0,"sst":99.0}"#]
    );
    // The row without a time is counted.
    assert_eq!(
        lake.lines("select n_read, n_in, n_committed, n_quarantined, n_dropped from system.file_tables"),
        ["6|6|5|0|1"]
    );
    let said = lake.lines(
        "select name, on_fail, n_checked, n_failed, first_rows, first_times, first_values, sample \
         from system.expectations where n_failed > 0 order by name",
    );
    assert_eq!(
        said,
        [
            r#"fail_max[sst]|remove,flag|5|1|[4]|["2020-12-01T01:00:00Z"]|["99.0"]|sst = 99.0"#,
            r#"fail_min[salt]|remove,flag|5|1|[4]|["2020-12-01T01:00:00Z"]|["-1.0"]|salt = -1.0"#,
            r#"increasing[time]|flag,sort|5|1|[5]|["2020-12-01T00:40:00Z"]|["2020-12-01T00:40:00Z"]|time = 2020-12-01T00:40:00Z"#,
            r#"missing[sst]|flag|5|1|[2]|["2020-12-01T00:20:00Z"]|["NULL"]|sst = NULL"#,
            r#"missing[station]|flag|5|1|[4]|["2020-12-01T01:00:00Z"]|["NULL"]|station = NULL"#,
            r#"missing[time]|remove|6|1|[3]|["NULL"]|["NULL"]|time = NULL"#,
            r#"warn_max[sst]|flag|5|1|[5]|["2020-12-01T00:40:00Z"]|["31.0"]|sst = 31.0"#,
        ]
    );
    // Checks that nothing failed are there, too.
    assert_eq!(lake.value("select n_checked from system.expectations where name = 'jumps[sst]'"), 5);
    let ran = ran.says("fail_max[sst]").says("20.00 %").says("row 4 (2020-12-01T01:00:00Z): 99.0");
    ran.says("1 dropped by expectations and checks");
}

#[test]
fn the_columns_of_flags_say_what_they_mean() {
    let lake = loaded(BUOY, &[("a.csv", ROWS)]);
    let names =
        lake.lines("select \"column\", type from system.columns where \"table\" = 't' order by ordinal");
    let data: Vec<&str> = names.iter().map(String::as_str).filter(|n| !n.starts_with('_')).collect();
    assert_eq!(
        data,
        [
            "time|timestamp",
            "qc_time|int32",
            "sst|float",
            "qc_sst|int32",
            "salt|float32",
            "qc_salt|int32",
            "station|string",
            "qc_station|int32"
        ]
    );
    let schema = schema_of(&lake);
    let field = |name: &str| {
        let fields = schema["fields"].as_array().unwrap();
        fields.iter().find(|f| f["name"] == name).unwrap()["metadata"].clone()
    };
    let list =
        |field: &Value, key: &str| serde_json::from_str::<Value>(field[key].as_str().unwrap()).unwrap();
    let sst = field("qc_sst");
    assert_eq!(list(&sst, "flag_masks"), serde_json::json!([1, 2, 4, 8, 16]));
    assert_eq!(list(&sst, "flag_meanings")[0], "Value is equal to _FillValue or NaN");
    assert_eq!(
        list(&sst, "flag_assessments"),
        serde_json::json!(["bad", "bad", "bad", "indeterminate", "indeterminate"])
    );
    assert_eq!(sst["standard_name"], "quality_flag");
    assert_eq!(list(&field("qc_salt"), "flag_masks"), serde_json::json!([1, 2, 4]));
    assert_eq!((&field("sst")["fail_range"], &field("sst")["warn_range"]), (&"-2,40".into(), &",30".into()));

    assert_eq!(
        lake.value("select description from system.columns where \"column\" = 'qc_salt'"),
        "flags of salt: 1 = Value is equal to _FillValue or NaN (bad); 2 = Too little (bad); 4 = Too much (bad)"
    );

    // Another meaning is told with the next rows.
    lake.dataset("t", &BUOY.replace("Too much", "Far too much"));
    lake.land(&at("b.csv"), ROWS.replace("2020-12", "2021-01"));
    lake.run();
    lake.prove();
    let schema = schema_of(&lake);
    assert!(schema.to_string().contains("Far too much"), "{schema}");
}

/// The schema of `ops.t` as its log has it now.
fn schema_of(lake: &TestLake) -> Value {
    let log = lake.path("lake/tables/ops/t/t/_delta_log");
    let mut files: Vec<_> = std::fs::read_dir(log).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "json"));
    files.sort();
    let texts = files.iter().map(|f| std::fs::read_to_string(f).unwrap()).collect::<String>();
    let mut found = texts.lines().filter_map(|line| {
        let action: Value = serde_json::from_str(line).unwrap();
        action["metaData"]["schemaString"].as_str().map(|s| serde_json::from_str(s).unwrap())
    });
    found.next_back().unwrap()
}

#[test]
fn a_file_is_stopped_beyond_what_is_tolerated() {
    let declaration = |tolerate: &str| {
        format!(
            "columns: {{ time: timestamp, v: float }}\nquality:\n  - {{ check: missing, columns: coordinates, then: fail }}\n  \
             - {{ check: monotonic, columns: coordinates, then: fail, tolerate: {tolerate} }}\n"
        )
    };
    let rows = "time,v\n2020-01-01T00:00:00Z,1\n2020-01-01T00:00:02Z,2\n2020-01-01T00:00:01Z,3\n2020-01-01T00:00:03Z,4\n";
    let missing = "time,v\n2021-01-01T00:00:00Z,1\n,2\n";
    let lake = loaded(&declaration("20%"), &[("a.csv", rows), ("b.csv", missing)]);
    assert_eq!(lake.parked(), ["a.csv|LG504", "b.csv|LG504"]);
    let message = |name: &str| {
        let found = lake.value(&format!("select message from system.files where path = '{name}'"));
        found.as_str().unwrap().to_string()
    };
    assert_eq!(
        message("a.csv"),
        "table t: quality check `monotonic[time]`: in column `time` a value is out of order: 1 of 4 values (25.00 %), \
         more than the tolerated 20 %; row 3: 2020-01-01T00:00:01Z"
    );
    assert!(message("b.csv").contains("`missing[time]`"), "{}", message("b.csv"));
    // More is tolerated, and the file loads.
    lake.dataset("t", &declaration("25%"));
    lake.lakegate(&["redrive", "--name", "a.csv"]).is(DONE);
    assert_eq!(lake.lakegate(&["run"]).code, Some(DONE));
    assert_eq!(lake.value("select count(*) from t"), 4);
    assert_eq!(lake.parked(), ["b.csv|LG504"]);
    lake.prove();
}

#[test]
fn a_changed_threshold_is_brought_to_all_rows_by_a_replay() {
    let declaration = |most: u32| {
        format!(
            "columns: {{ time: timestamp, v: {{ type: float, fail_range: [0, {most}] }} }}\n\
             quality: [{{ check: fail_max, columns: all, then: [remove, flag] }}]\n"
        )
    };
    let rows = "time,v\n2020-01-01T00:00:00Z,5\n2020-01-01T00:00:02Z,15\n2020-01-01T00:00:03Z,25\n";
    let lake = loaded(&declaration(10), &[("a.csv", rows), ("b.csv", &rows.replace("2020", "2021"))]);
    let select = "select v, qc_v, _rescued from t order by time";
    assert_eq!(lake.lines(select)[..3], ["5.0|0|", r#"|1|{"v":15.0}"#, r#"|1|{"v":25.0}"#]);
    lake.dataset("t", &declaration(20));
    lake.lakegate(&["replay", "ops.t"]).is(DONE);
    let once = ["5.0|0|", "15.0|0|", r#"|1|{"v":25.0}"#];
    assert_eq!(lake.lines(select), [once, once].concat());
    let failed = "select n_failed from system.expectations where name = 'fail_max[v]'";
    assert_eq!(lake.lines(failed), ["1", "1"]);
    lake.prove();
    // Without checks there are no flags.
    lake.dataset("t", "columns: { time: timestamp, v: float }\n");
    lake.lakegate(&["replay", "ops.t"]).is(DONE);
    assert_eq!(
        lake.lines("select v from t where time < '2021-01-01' order by time"),
        ["5.0", "15.0", "25.0"]
    );
    assert_eq!(lake.value("select count(*) from system.columns where \"column\" = 'qc_v'"), 0);
    lake.prove();
}

/// A table that is there already gets its flags with the next file, and files
/// from before have none.
#[test]
fn checks_may_come_later() {
    let lake =
        loaded("columns: { time: timestamp, v: float }\n", &[("a.csv", "time,v\n2020-01-01T00:00:00Z,\n")]);
    lake.dataset(
        "t",
        "columns: { time: timestamp, v: float }\nquality: [{ check: missing, columns: all }]\n",
    );
    lake.land(&at("b.csv"), "time,v\n2020-01-02T00:00:00Z,\n2020-01-03T00:00:00Z,1\n");
    lake.run();
    lake.prove();
    assert_eq!(lake.lines("select v, qc_v from t order by time"), ["|", "|1", "1.0|0"]);
}

#[test]
fn lists_have_lists_of_flags() {
    let lake = loaded(
        "input: { time: timestamp, a: float, b: float }
transform: 'select time, make_array(a, b) as speed from input'
columns: { time: timestamp, speed: { fail_range: [0, 10], valid_delta: 3 } }
quality:
  - { check: missing, columns: all }
  - { check: fail_max, columns: all, then: [remove, flag] }
  - { check: valid_delta, columns: all }
expect: [{ sql: 'array_length(qc_speed) = 2', on_fail: reject }]
",
        &[(
            "a.csv",
            "time,a,b\n2020-01-01T00:00:00Z,1,2\n2020-01-01T00:00:01Z,,50\n2020-01-01T00:00:02Z,8,9\n2020-01-01T00:00:03Z,2,8\n",
        )],
    );
    assert_eq!(lake.parked(), Vec::<String>::new());
    assert_eq!(
        lake.lines("select speed, qc_speed, _rescued from t order by time"),
        [
            "[1.0,2.0]|[0,0]|",
            r#"[null,null]|[1,2]|{"speed":[null,50.0]}"#,
            "[8.0,9.0]|[0,0]|",
            "[2.0,8.0]|[4,0]|"
        ]
    );
}

/// Expectations see what the checks left, and a row that they send away is kept
/// as it came.
#[test]
fn expectations_come_after_the_checks() {
    let lake = loaded(
        "columns: { time: timestamp, v: { type: float, fail_range: [0, 10] } }
quality:
  - { check: missing, columns: coordinates, then: remove }
  - { check: increasing, columns: coordinates, then: sort }
  - { check: fail_max, columns: all, then: [remove, flag] }
expect:
  - { column: time, is: increasing, on_fail: reject }
  - { column: v, is: present, on_fail: quarantine }
  - { sql: 'qc_v = 0', name: good, null_is: fail }
",
        &[("a.csv", "time,v\n,1\n2020-01-01T00:00:03Z,99\n2020-01-01T00:00:02Z,2\n2020-01-01T00:00:01Z,\n")],
    );
    assert_eq!(lake.parked(), Vec::<String>::new());
    assert_eq!(lake.lines("select _row, v, qc_v from t"), ["3|2.0|0"]);
    let away = lake.sql("select _row, _original from t__quarantine order by _row");
    let originals: Vec<Value> =
        away.iter().map(|r| serde_json::from_str(r["_original"].as_str().unwrap()).unwrap()).collect();
    assert_eq!((&away[0]["_row"], &away[1]["_row"]), (&2.into(), &4.into()));
    assert_eq!((&originals[0]["v"], &originals[1]["time"]), (&"99".into(), &"2020-01-01T00:00:01Z".into()));
    assert_eq!(
        lake.lines("select n_in, n_committed, n_quarantined, n_dropped from system.file_tables"),
        ["4|1|2|1"]
    );
    assert_eq!(lake.value("select n_failed from system.expectations where name = 'good'"), 1);
}

const SERIES: &str = "columns:
  time: timestamp
  v: { type: float, fail_range: [-3, 3], valid_std: 2 }
  w: { type: float, valid_delta: 100 }
quality:
  - { check: monotonic, columns: coordinates, then: [sort, flag] }
  - { check: despike, columns: v }
  - { check: valid_std, columns: v }
  - { check: fail_max, columns: v, then: [interpolate, flag] }
  - { check: valid_delta, columns: w }
expect: [{ column: v, in_range: [-1, null], on_fail: quarantine }]
";

/// Rows of `time,v,w`, each with as much padding.
fn series(n: usize, padding: usize) -> String {
    let mut text = String::from("time,v,w,padding\n");
    let pad = "x".repeat(padding);
    for i in 0..n {
        let x = i as f64;
        let spike = if i % 997 == 5 { 6.0 } else { 0.0 };
        // Two rows change places now and then.
        let second = if i % 500 == 7 {
            i + 1
        } else if i % 500 == 8 {
            i - 1
        } else {
            i
        };
        let (h, m, s) = (second / 3600, second / 60 % 60, second % 60);
        let w = i * i % 300;
        let v = (x / 30.0).sin() + spike;
        writeln!(text, "2020-01-01T{h:02}:{m:02}:{s:02}Z,{v},{w},{pad}").unwrap();
    }
    text
}

#[test]
fn a_large_file_comes_to_what_a_small_one_comes_to() {
    const N: usize = 20_000;
    let (small, large) = (TestLake::with("t", SERIES), TestLake::with("t", SERIES));
    small.land(&at("a.csv"), series(N, 1));
    let text = series(N, 500);
    assert!(text.len() > 9 << 20, "it is to be read in pieces");
    large.land(&at("a.csv"), text);
    small.run();
    large.run();
    small.prove();
    large.prove();
    let without = |lake: &TestLake| lake.snapshot_without(&["padding", "_original"]);
    without(&large).assert_same(&without(&small), "read in pieces");
    let flagged = "select sum(case when qc_v & 1 > 0 then 1 else 0 end), sum(case when qc_v & 4 > 0 then 1 else 0 end), \
                   sum(case when qc_time > 0 then 1 else 0 end), count(*) from t";
    let counts = small.lines(flagged);
    let figures: Vec<usize> = counts[0].split('|').map(|n| n.parse().unwrap()).collect();
    assert!(figures[0] >= 21 && figures[1] == 21 && figures[2] == 40, "{counts:?}");
    let all = "select n_in, n_committed + n_quarantined from system.file_tables";
    assert_eq!(small.lines(all), [format!("{N}|{N}")]);
}

#[test]
fn files_come_to_the_same_one_by_one_and_together() {
    let texts: Vec<String> =
        (0..6).map(|n| series(40 + n * 300, 1).replace("2020", &format!("20{n:02}"))).collect();
    let (together, single) = (TestLake::with("t", SERIES), TestLake::with("t", SERIES));
    for (n, text) in texts.iter().enumerate() {
        together.land(&at(&format!("{n}.csv")), text);
        single.land(&at(&format!("{n}.csv")), text);
        single.run();
    }
    together.run();
    together.prove();
    single.prove();
    together.snapshot().assert_same(&single.snapshot(), "in one batch");
}

/// Each is too large for its share of the memory, and fits alone.
#[test]
fn files_that_do_not_fit_beside_each_other_are_judged_alone_and_one_that_never_fits_is_parked() {
    let lake = TestLake::new("memory: 32MiB\n");
    lake.dataset(
        "t",
        "columns: { time: timestamp, a: float, b: float }\nquality: [{ check: despike, columns: all }]\n",
    );
    let rows = |n: usize, year: usize| {
        let mut text = String::from("time,a,b\n");
        for i in 0..n {
            writeln!(text, "{year}-01-01T{:02}:{:02}:{:02}Z,{},1", i / 3600 % 24, i / 60 % 60, i % 60, i % 7)
                .unwrap();
        }
        text
    };
    for n in 0..3 {
        lake.land(&at(&format!("{n}.csv")), rows(220_000, 2000 + n));
    }
    lake.land(&at("huge.csv"), rows(900_000, 2010));
    lake.run_with_findings();
    assert_eq!(lake.parked(), ["huge.csv|LG404"]);
    assert_eq!(lake.value("select count(*) from t"), 660_000);
    let message = lake.value("select message from system.files where path = 'huge.csv'");
    assert!(message.as_str().unwrap().contains("more than 16 MiB of memory"), "{message}");
    lake.prove();
}

#[test]
fn what_is_wrong_is_told_before_a_file_lands() {
    let lake = TestLake::with(
        "t",
        "columns: { time: timestamp, v: float }\nevolve: fixed\nquality: [{ sql: 'v > lenght', columns: v }]\n",
    );
    lake.lakegate(&["check"])
        .is(USAGE)
        .says("datasets/t.yaml:4:23")
        .says("quality check `sql`")
        .says("lenght");
    // Until a file lands nobody knows that it is text.
    let lake = loaded(
        "columns: { time: timestamp, v: { fail_range: [0, 1] } }\nquality: [{ check: fail_max, columns: all }]\n",
        &[("a.csv", "time,v\n2020-01-01T00:00:00Z,n\n")],
    );
    assert_eq!(lake.parked(), ["a.csv|LG402"]);
}

/// A file that has the column of flags itself must not be taken for its own checks.
#[test]
fn a_file_with_flags_of_its_own_says_where_they_are_to_go() {
    let quality = "quality: [{ check: missing, columns: all, except: EXCEPT }]\n";
    let declare = |columns: &str, except: &str| {
        format!("columns: {{ time: timestamp, v: float{columns} }}\n{}", quality.replace("EXCEPT", except))
    };
    let lake = loaded(&declare("", "[]"), &[("a.csv", "time,v,qc_v\n2020-01-01T00:00:00Z,,7\n")]);
    assert_eq!(lake.parked(), ["a.csv|LG306"]);
    let message = lake.value("select message from system.files");
    assert!(message.as_str().unwrap().contains("qc_v_given: { from: qc_v }"), "{message}");
    lake.dataset("t", &declare(", qc_v_given: { from: qc_v, type: int }", "qc_v_given"));
    lake.lakegate(&["redrive", "--all"]).is(DONE);
    lake.run();
    assert_eq!(lake.lines("select v, qc_v, qc_v_given from t"), ["|1|7"]);
    lake.prove();
}

/// A plan says what would fail, and a stopped file.
#[test]
fn a_plan_says_what_checks_would_find() {
    let lake = TestLake::with("t", BUOY);
    lake.land(&at("a.csv"), ROWS);
    let ran = lake.lakegate(&["plan"]).is(DONE).says("fail_max[sst]: 1 of 5 values (20.00 %); sst = 99.0");
    ran.says("6 rows read, 5 to the table, 0 quarantined, 1 dropped");
}

/// A day of a buoy's waves through the checks of its public configuration comes
/// to the flags of its public output.
#[test]
fn the_flags_of_a_buoy_are_those_of_its_published_file() {
    let Some(data) = real_data::data() else { return };
    let columns = [
        ("mean_wave_height", "Havg", "0.03", "10"),
        ("mean_wave_period_ts", "Tavg", "0.03", "30"),
        ("mean_wave_period", "MeanPeriod", "5", "30"),
        ("mean_wave_direction", "MeanDirection", "15", "360"),
        ("max_wave_height", "Hmax", "0.03", "10"),
        ("max_wave_period", "Tmax", "0.03", "30"),
        ("peak_wave_period", "PeakPeriod", "10", "30"),
        ("significant_wave_height", "HM0", "3", "30"),
    ];
    let mut declared = String::new();
    for (name, from, delta, most) in columns {
        writeln!(
            declared,
            "  {name}: {{ from: {from}, type: float, valid_delta: {delta}, valid_range: [0, {most}] }}"
        )
        .unwrap();
    }
    let lake = TestLake::with(
        "t",
        &format!(
            "match: '.*\\.csv'
columns:
  time: {{ from: DataTimeStamp, type: timestamp, format: '%Y-%m-%d %H:%M:%S', timezone: UTC }}
{declared}quality:
  - {{ check: missing, columns: coordinates, then: fail }}
  - {{ check: monotonic, columns: coordinates, then: fail }}
  - {{ check: missing, columns: all, then: [remove, flag], bit: 1 }}
  - {{ check: fail_min, columns: all, bit: 2 }}
  - {{ check: fail_max, columns: all, bit: 3 }}
  - {{ check: warn_min, columns: all, bit: 4 }}
  - {{ check: warn_max, columns: all, bit: 5 }}
  - {{ check: valid_delta, columns: all, bit: 6, null_is: fail }}
"
        ),
    );
    lake.dataset("golden", "match: '.*\\.nc'\n");
    let input = real_data::read(&data.join("tsdat/v0_2/input/buoy.z05.00.20201201.000000.waves.csv"));
    lake.land(&at("waves.csv"), input);
    let golden = data.join("tsdat/v0_2/expected/humboldt.buoy_z05-waves-20min.a1.20201201.000000.nc");
    lake.land("landing/ops/golden/waves.nc", real_data::read(&golden));
    lake.run();
    lake.prove();
    for (name, ..) in columns {
        // The publisher's reader of CSV was off by a bit here and there.
        let values = |table: &str| {
            lake.lines(&format!("select time, round({name}, 9), qc_{name} from {table} order by time"))
        };
        let (got, want) = (values("ops.t.t"), values("ops.golden.golden"));
        assert_eq!(got, want, "{name}");
        assert_eq!(got.len(), 72);
    }
}

#[test]
fn what_the_files_name_says_is_missing_only_where_it_says_nothing() {
    let lake = loaded(
        "match: '(?<site>z\\d+)\\.csv'\nsites: { z1: { location: humboldt, latitude: 40.97 }, z2: { location: morro } }\n\
         columns: { time: timestamp, v: float, site: string, location: string, latitude: float }\n\
         quality: [ { check: missing, columns: all } ]\n",
        &[("z1.csv", "time,v\n2026-01-01T00:00:00Z,1\n"), ("z2.csv", "time,v\n2026-01-01T00:00:00Z,2\n")],
    );
    assert_eq!(
        lake.lines("select site, qc_site, location, qc_location, latitude, qc_latitude from t order by site"),
        ["z1|0|humboldt|0|40.97|0", "z2|0|morro|0||1"]
    );
    assert_eq!(
        lake.lines("select name, n_failed from system.expectations where n_failed > 0"),
        ["missing[latitude]|1"]
    );
}
