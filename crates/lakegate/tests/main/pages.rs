//! Pages of tables of instruments: what checks found, exports and plots, as people
//! and programs ask for them.

use std::fs;

use serde_json::Value;

use crate::http::Served;
use crate::lake::TestLake;

const BUOY: &str = "
match: 'b(?<n>\\d)\\.csv'
columns:
  time: timestamp
  temp: { type: float, valid_range: [0, 30], unit: degC }
  salt: { type: float, valid_range: [0, null] }
  note: string
quality:
  - { check: missing, columns: [temp, salt] }
  - { check: valid_max, columns: temp, meaning: \"it's too warm\" }
  - { check: valid_min, columns: salt, then: remove }
expect:
  - { column: note, in_set: [a, b], on_fail: flag, name: known }
  - { column: salt, in_range: [null, 40], on_fail: quarantine, name: not_brine }
export:
  netcdf: 'data/{file}.nc'
  plots: 'data/{file}.{column}.svg'
";

fn buoys() -> TestLake {
    let lake = TestLake::with("buoy", BUOY);
    let at = |n: u8| format!("landing/ops/buoy/b{n}.csv");
    let header = "time,temp,salt,note\n";
    lake.land(&at(1), format!("{header}2026-01-01T00:00:00Z,20,35,a\n2026-01-01T01:00:00Z,31,35,odd\n2026-01-01T02:00:00Z,,-1,b\n"));
    lake.land(&at(2), format!("{header}2026-01-02T00:00:00Z,99,35,a\n2026-01-02T01:00:00Z,20,41,a\n"));
    lake.run();
    lake
}

fn find<'r>(rows: &'r Value, name: &str) -> &'r Value {
    let rows = rows.as_array().unwrap();
    rows.iter().find(|r| r["name"] == name).unwrap_or_else(|| panic!("{name} is not in {rows:?}"))
}

#[test]
fn findings_are_told_by_variable_with_the_rows_that_fail() {
    let lake = buoys();
    let served = Served::of(&lake, &[]);
    let all = served.get("/tables/ops.buoy.buoy.json?show=quality").is(200).json();
    let warm = find(&all, "valid_max[temp]");
    assert_eq!(
        (&warm["column"], &warm["assessment"], &warm["on_fail"]),
        (&"temp".into(), &"bad".into(), &"flag".into())
    );
    assert_eq!(
        (&warm["n_checked"], &warm["n_failed"], &warm["n_files_failed"]),
        (&5.into(), &2.into(), &2.into())
    );
    assert_eq!((&warm["first_time"], &warm["first_value"]), (&"2026-01-01T01:00:00Z".into(), &"31.0".into()));
    assert_eq!(warm["share"], 0.4);
    // Each statement finds as many rows as failed.
    for (name, n) in
        [("missing[temp]", 1), ("valid_max[temp]", 2), ("valid_min[salt]", 1), ("known", 1), ("not_brine", 1)]
    {
        let row = find(&all, name);
        assert_eq!(row["n_failed"], n, "{row}");
        assert_eq!(lake.sql(row["rows"].as_str().unwrap()).len(), n, "{row}");
    }
    // A check that a column has no flag of is of no rows.
    assert_eq!(find(&all, "missing[salt]")["n_failed"], 0);
    // By file, newest first, and only what was found.
    let found = served.get("/tables/ops.buoy.buoy.json?show=findings").is(200).json();
    let told: Vec<String> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|r| format!("{} {} {}", r["path"].as_str().unwrap(), r["name"].as_str().unwrap(), r["n_failed"]))
        .collect();
    assert_eq!(
        told,
        [
            "b2.csv valid_max[temp] 1",
            "b2.csv not_brine 1",
            "b1.csv missing[temp] 1",
            "b1.csv valid_max[temp] 1",
            "b1.csv valid_min[salt] 1",
            "b1.csv known 1",
        ]
    );
    for row in found.as_array().unwrap() {
        assert_eq!(lake.sql(row["rows"].as_str().unwrap()).len(), 1, "{row}");
    }
    // A file that was replaced counts no more.
    lake.land("landing/ops/buoy/b2.csv", "time,temp,salt,note\n2026-01-02T00:00:00Z,21,35,a\n");
    lake.run();
    let again = served.get("/tables/ops.buoy.buoy.json?show=quality").is(200).json();
    assert_eq!(find(&again, "valid_max[temp]")["n_failed"], 1);
    let page = served.page("/tables/ops.buoy.buoy").is(200);
    for part in ["id=\"quality\"", "id=\"plots\"", "id=\"exports\"", "id=\"rows\"", "valid_max"] {
        page.says(part);
    }
    // Later pages have rows alone, and so have tables of the ledger.
    for path in ["/tables/ops.buoy.buoy?after=1.1", "/tables/system.expectations"] {
        let text = served.page(path).is(200).text();
        assert!(!text.contains("id=\"quality\""), "{path}");
    }
    served.get("/tables/ops.buoy.buoy?show=nothing").says_problem(400, "wrong_parameter");
    served.get("/tables/system.files?show=quality").says_problem(400, "wrong_parameter");
    // The ledger's table has the same for SQL.
    assert_eq!(
        lake.lines("select column_name, first_time, first_value from system.expectations where name = 'missing[temp]' and n_failed > 0"),
        ["temp|2026-01-01T02:00:00Z|NULL"]
    );
}

#[test]
fn exports_and_plots_are_given_and_nothing_else_of_the_disk() {
    let lake = buoys();
    let served = Served::of(&lake, &[]);
    let all = served.get("/tables/ops.buoy.buoy.json?show=exports").is(200).json();
    assert_eq!(all.as_array().unwrap().len(), 2, "{all}");
    let plots: Vec<String> = serde_json::from_str(all[0]["plots"].as_str().unwrap()).unwrap();
    assert_eq!(plots.len(), 2, "{plots:?}");
    let page = served.page("/tables/ops.buoy.buoy").is(200).text();
    for plot in &plots {
        assert!(
            page.contains(&format!("<img class=\"plot\" src=\"/exports/{plot}\" alt=\"Plot of ")),
            "{page}"
        );
    }
    let on_disk = |path: &str| fs::read(lake.path("lake/export").join(path)).unwrap();
    for (path, media_type, how) in [
        ("data/b1.nc", "application/x-netcdf", "attachment"),
        ("data/b1.temp.svg", "image/svg+xml", "inline"),
    ] {
        let answer = served.get(&format!("/exports/{path}")).is(200);
        assert_eq!(answer.body, on_disk(path), "{path}");
        assert_eq!(answer.media_type(), media_type);
        assert!(answer.header("content-disposition").unwrap().starts_with(how));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let tag = answer.header("etag").unwrap().to_string();
        served.ask("GET", &format!("/exports/{path}"), &[("If-None-Match", &tag)], b"").is(304);
    }
    // What is sent in packed form comes to its end as well.
    for _ in 0..20 {
        let packed =
            served.ask("GET", "/exports/data/b1.temp.svg", &[("Accept-Encoding", "gzip")], b"").is(200);
        assert_eq!(packed.header("content-encoding"), Some("gzip"));
        assert!(packed.is_whole);
    }
    // Only what the ledger names, and only from the folder.
    fs::write(lake.path("lake/export/data/other.nc"), "x").unwrap();
    for path in [
        "data/other.nc",
        "..%2Fstate%2Flakegate.db",
        "data/../data/b1.nc",
        "data",
        "data/b1.nc/",
        "%2Fetc%2Fpasswd",
    ] {
        let answer = served.get(&format!("/exports/{path}"));
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
    }
    #[cfg(unix)]
    {
        let target = lake.path("lake/export/data/b2.nc");
        fs::remove_file(&target).unwrap();
        std::os::unix::fs::symlink(lake.path("lake.yaml"), &target).unwrap();
        served.get("/exports/data/b2.nc").says_problem(404, "unknown_export");
    }
    fs::remove_file(lake.path("lake/export/data/b1.nc")).unwrap();
    let gone = served.get("/exports/data/b1.nc").says_problem(404, "unknown_export");
    gone.says("lakegate export --all");
    let public = Served::of(&lake, &["--feeds-only"]);
    public.get("/exports/data/b1.temp.svg").is(404);
}

#[test]
fn a_packed_answer_that_is_streamed_comes_to_its_end() {
    let lake = TestLake::with("t", "columns: { id: int, v: string }\n");
    let rows: String = (0..40_000).map(|i| format!("{i},word {}\n", i * 7919 % 40_009)).collect();
    lake.land("landing/ops/t/a.csv", format!("id,v\n{rows}"));
    lake.run();
    let served = Served::of(&lake, &[]);
    for packing in ["gzip", "zstd"] {
        let answer = served.ask("GET", "/tables/ops.t.t.json", &[("Accept-Encoding", packing)], b"").is(200);
        assert_eq!(answer.header("content-encoding"), Some(packing));
        assert!(answer.is_whole, "{packing}");
    }
}
