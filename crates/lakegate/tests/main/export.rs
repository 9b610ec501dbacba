//! Exports end to end: what is written, when it is written again, and that what
//! a netCDF file says survives the table.

use std::collections::BTreeMap;
use std::fs;

use netcdf_reader::{NcAttrValue, NcFile};

use crate::lake::{DONE, FINDINGS, TestLake, USAGE};

/// Where exports lie.
const FOLDER: &str = "lake/export";

/// Dimensions, attributes and values of a variable.
type Listed = (Vec<String>, BTreeMap<String, String>, Vec<String>);

/// What a netCDF file says: dimensions, attributes and its variables by name.
#[derive(Debug, PartialEq)]
struct Content {
    dimensions: BTreeMap<String, u64>,
    attributes: BTreeMap<String, String>,
    variables: BTreeMap<String, Listed>,
}

impl Content {
    fn of(lake: &TestLake, path: &str) -> Self {
        let bytes = fs::read(lake.path(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
        let file = NcFile::from_vec(bytes).unwrap();
        let listed = |attributes: &[netcdf_reader::NcAttribute]| -> BTreeMap<String, String> {
            attributes.iter().map(|a| (a.name.clone(), shown(&a.value))).collect()
        };
        let dimensions = file.dimensions().unwrap().iter().map(|d| (d.name.clone(), d.size)).collect();
        let mut variables = BTreeMap::new();
        for v in file.variables().unwrap() {
            let values: Vec<String> = match &v.dtype {
                netcdf_reader::NcType::String => file.read_variable_as_strings(&v.name).unwrap(),
                netcdf_reader::NcType::Char => vec![file.read_variable_as_string(&v.name).unwrap()],
                _ => file.read_variable_as_f64(&v.name).unwrap().iter().map(f64::to_string).collect(),
            };
            let of_variable: Vec<String> = v.dimensions.iter().map(|d| d.name.clone()).collect();
            variables.insert(v.name.clone(), (of_variable, listed(&v.attributes), values));
        }
        Self { dimensions, attributes: listed(file.global_attributes().unwrap()), variables }
    }

    fn attribute(&self, variable: &str, name: &str) -> &str {
        self.variables[variable].1.get(name).map_or("", String::as_str)
    }
}

/// A value with its type: `5 int`, `"text"`.
fn shown(value: &NcAttrValue) -> String {
    match value {
        NcAttrValue::Chars(text) => text.clone(),
        other => format!("{other:?}"),
    }
}

fn exports(lake: &TestLake) -> Vec<String> {
    lake.files_below(FOLDER).into_iter().collect()
}

const BUOY: &str = "
match: 'buoy\\.(?<site>z\\d+)\\.(?<day>\\d{8})\\.csv'
sites: { z05: { location: humboldt, latitude: 40.97 }, z06: { location: morro, latitude: 35.71 } }
columns:
  time: { type: timestamp, standard_name: time, long_name: Time (UTC) }
  pressure: { type: float, unit: hPa, from_unit: Pa, valid_range: [850, 1100], standard_name: air_pressure, long_name: Air pressure, attributes: { height_m: 4, levels: [1, 2.5], words: [a, b] } }
  count: { type: int, description: How many }
export:
  netcdf: '{location}/{datastream}.{start:%Y%m%d.%H%M%S}.nc'
  attributes: { title: 'Buoy of {location}', datastream: '{location}.buoy.b1', version: 3, history: none }
  variables:
    time: { type: int64 }
    pressure: { fill: -9999 }
    latitude: { attributes: { units: degrees_north } }
    height: { value: [2, 10], dimensions: [height], attributes: { units: m } }
    platform: { value: buoy }
";

const Z05: &str = "time,pressure,count\n2020-12-01T00:10:00Z,101300,2\n2020-12-01T00:00:00Z,,1\n";

fn buoys(more: &str) -> TestLake {
    let lake = TestLake::with("buoy", &format!("{BUOY}{more}"));
    lake.land("landing/ops/buoy/buoy.z05.20201201.csv", Z05);
    lake.land(
        "landing/ops/buoy/buoy.z06.20201201.csv",
        "time,pressure,count\n2020-12-01T00:00:00Z,100000,\n",
    );
    lake
}

#[test]
fn what_is_declared_is_what_the_file_has() {
    let lake = buoys("");
    lake.run().says("2 exports written");
    let names = ["humboldt/humboldt.buoy.b1.20201201.000000.nc", "morro/morro.buoy.b1.20201201.000000.nc"];
    assert_eq!(exports(&lake), names);
    let nc = Content::of(&lake, &format!("{FOLDER}/{}", names[0]));
    assert_eq!(nc.dimensions, BTreeMap::from([("height".into(), 2), ("time".into(), 2)]));
    assert_eq!(nc.attributes["title"], "Buoy of humboldt");
    assert_eq!(nc.attributes["Conventions"], "CF-1.8");
    assert_eq!((nc.attributes["version"].as_str(), nc.attributes["history"].as_str()), ("Ints([3])", "none"));
    let names: Vec<_> = nc.variables.keys().map(String::as_str).collect();
    assert_eq!(names, ["count", "height", "latitude", "platform", "pressure", "time"]);
    // Sorted by time, whatever the order in the file.
    assert_eq!(nc.variables["time"].2, ["1606780800", "1606781400"]);
    assert_eq!(nc.variables["pressure"].2, ["-9999", "1013"]);
    assert_eq!(nc.variables["latitude"].0, Vec::<String>::new());
    assert_eq!(nc.variables["latitude"].2, ["40.97"]);
    assert_eq!(nc.variables["height"].2, ["2", "10"]);
    for (variable, name, want) in [
        ("time", "units", "seconds since 1970-01-01"),
        ("time", "standard_name", "time"),
        ("pressure", "_FillValue", "Doubles([-9999.0])"),
        ("pressure", "units", "hPa"),
        ("pressure", "valid_range", "Doubles([850.0, 1100.0])"),
        ("pressure", "height_m", "Ints([4])"),
        ("pressure", "levels", "Doubles([1.0, 2.5])"),
        ("pressure", "words", "Strings([\"a\", \"b\"])"),
        ("count", "long_name", "How many"),
        ("latitude", "units", "degrees_north"),
    ] {
        assert_eq!(nc.attribute(variable, name), want, "{variable}:{name}");
    }
    assert_eq!(lake.value("select count(*) from system.exports where error is null"), 2);
    lake.run();
    let before = lake.lines("select made_at from system.exports order by path");
    lake.lakegate(&["export", "--json"]).is(DONE);
    assert_eq!(lake.lines("select made_at from system.exports order by path"), before);
}

#[test]
fn again_they_are_the_same_bytes() {
    let lake = buoys("");
    lake.run();
    let bytes = |folder: &str| -> Vec<Vec<u8>> {
        lake.files_below(folder).iter().map(|p| fs::read(lake.path(folder).join(p)).unwrap()).collect()
    };
    let first = bytes(FOLDER);
    let made = lake.lakegate(&["export", "ops.buoy", "--all", "--json"]).is(DONE).json();
    assert_eq!((made["exports"]["n_made"].as_u64(), made["exports"]["n_rows"].as_u64()), (Some(2), Some(3)));
    assert_eq!(bytes(FOLDER), first);
    lake.lakegate(&["replay", "ops.buoy"]).is(DONE);
    lake.run().says("2 exports written");
    assert_eq!(bytes(FOLDER), first);
    lake.lakegate(&["export", "ops.buoy.buoy", "--out", "elsewhere"]).is(DONE).says("2 exports written");
    assert_eq!(bytes("elsewhere"), first);
    lake.lakegate(&["export", "--since", "2020-01-01"]).is(DONE).says("2 exports written");
    lake.lakegate(&["export", "--since", "2090-01-01"]).is(DONE).says("0 exports written");
    lake.lakegate(&["export", "--since", "soon"]).is(USAGE).says("how long ago");
    lake.lakegate(&["export", "ops.nothing"]).is(USAGE).says("ops.buoy");
}

#[test]
fn exports_follow_their_files_and_their_declaration() {
    let lake = buoys("");
    lake.run();
    // The file comes again, with another first time: another path.
    lake.land("landing/ops/buoy/buoy.z05.20201201.csv", Z05.replace("2020-12-01T00:00", "2020-12-01T00:05"));
    lake.run().says("1 export written").says("1 removed");
    let names = ["humboldt/humboldt.buoy.b1.20201201.000500.nc", "morro/morro.buoy.b1.20201201.000000.nc"];
    assert_eq!(exports(&lake), names);
    // And with the same: the same path, with other rows.
    lake.land("landing/ops/buoy/buoy.z05.20201201.csv", Z05.replace("00:00:00Z,,1", "00:05:00Z,90000,7"));
    lake.run();
    assert_eq!(exports(&lake), names);
    let nc = Content::of(&lake, &format!("{FOLDER}/{}", names[0]));
    assert_eq!(nc.variables["count"].2, ["7", "2"]);
    // Another template moves all of them, and leaves no folder behind.
    lake.dataset("buoy", &BUOY.replace("{location}/{datastream}.{start:%Y%m%d.%H%M%S}", "all/{file}"));
    lake.run().says("2 exports written");
    assert_eq!(exports(&lake), ["all/buoy.z05.20201201.nc", "all/buoy.z06.20201201.nc"]);
    assert!(!lake.path(FOLDER).join("morro").exists());
    // So does another value of a site.
    lake.dataset("buoy", &BUOY.replace("morro", "eureka"));
    lake.run().says("2 exports written");
    assert!(exports(&lake).contains(&"eureka/eureka.buoy.b1.20201201.000000.nc".to_string()));
    // What is exported no more stays, and is made anew when it is again.
    let (plain, _) = BUOY.split_once("export:").unwrap();
    lake.dataset("buoy", plain);
    lake.run();
    lake.lakegate(&["export"]).is(USAGE).says("nothing says how");
    assert_eq!(exports(&lake).len(), 2);
    lake.dataset("buoy", &BUOY.replace("per: file", "per: day"));
    lake.run().says("2 exports written");
    assert_eq!(exports(&lake).len(), 2);
}

#[test]
fn days_have_the_rows_of_many_files_and_lose_those_that_go() {
    let by_day = BUOY
        .replace("{location}/{datastream}.{start:%Y%m%d.%H%M%S}", "{location}.{start:%Y%m%d}")
        .replace("  attributes:", "  per: day\n  attributes:");
    let lake = TestLake::with("buoy", &by_day);
    let row = |time: &str, n: u32| format!("{time},100000,{n}\n");
    let csv = |rows: &[String]| format!("time,pressure,count\n{}", rows.concat());
    let first = csv(&[row("2020-12-01T23:00:00Z", 1), row("2020-12-02T01:00:00Z", 2)]);
    lake.land("landing/ops/buoy/buoy.z05.20201201.csv", &first);
    lake.land("landing/ops/buoy/buoy.z05.20201202.csv", csv(&[row("2020-12-02T00:30:00Z", 3)]));
    lake.land("landing/ops/buoy/buoy.z06.20201201.csv", csv(&[row("2020-12-02T00:00:00Z", 4)]));
    lake.run().says("3 exports written");
    let counts = |path: &str| Content::of(&lake, &format!("{FOLDER}/{path}")).variables["count"].2.clone();
    assert_eq!(exports(&lake), ["humboldt.20201201.nc", "humboldt.20201202.nc", "morro.20201202.nc"]);
    assert_eq!(counts("humboldt.20201202.nc"), ["3", "2"]);
    // A file that comes again with fewer days.
    lake.land(
        "landing/ops/buoy/buoy.z05.20201201.csv",
        csv(&[row("2020-12-02T00:10:00Z", 5), row("2020-12-02T02:00:00Z", 6)]),
    );
    lake.run().says("1 export written").says("1 removed");
    assert_eq!(exports(&lake), ["humboldt.20201202.nc", "morro.20201202.nc"]);
    assert_eq!(counts("humboldt.20201202.nc"), ["5", "3", "6"]);
    let parts = lake.lines("select part, n_rows from system.exports order by part");
    assert_eq!(parts, ["2020-12-02 location=humboldt|3", "2020-12-02 location=morro|1"]);
    let nc = lake.lakegate(&["export", "--out", "copy"]).is(DONE);
    assert!(nc.text().contains("2 exports written"), "{nc}");
}

#[test]
fn two_exports_with_one_path_are_told_and_mended() {
    let lake = TestLake::with(
        "t",
        "columns: { at: timestamp, v: float }\nexport: { netcdf: '{start:%Y%m%d}.nc' }\n",
    );
    lake.land("landing/ops/t/a.csv", "at,v\n2020-12-01T00:00:00Z,1\n");
    lake.land("landing/ops/t/b.csv", "at,v\n2020-12-01T01:00:00Z,2\n");
    let said = lake.run_with_findings();
    assert!(said.text().contains("`20201201.nc` is the path of"), "{said}");
    assert!(said.text().contains("a.csv") && said.text().contains("b.csv"), "{said}");
    lake.lakegate(&["status"]).is(DONE).says("1 export could not be made");
    lake.lakegate(&["export"]).is(FINDINGS).says("is the path of f1 (a.csv) as well");
    assert_eq!(exports(&lake), ["20201201.nc"]);
    lake.dataset("t", "columns: { at: timestamp, v: float }\nexport: { netcdf: '{start:%Y%m%d.%H}.nc' }\n");
    lake.run().says("2 exports written");
    assert_eq!(exports(&lake), ["20201201.00.nc", "20201201.01.nc"]);
    assert_eq!(lake.value("select count(*) from system.exports where error is not null"), 0);
}

#[test]
fn what_cannot_be_written_is_told_and_the_rest_is_made() {
    let declaration = "columns: { at: timestamp, v: float }\nexport: { netcdf: '{file}.nc', variables: { v: { type: short, fill: -1 } } }\n";
    let lake = TestLake::with("t", declaration);
    lake.land("landing/ops/t/a.csv", "at,v\n2020-12-01T00:00:00Z,1\n");
    lake.land("landing/ops/t/b.csv", "at,v\n2020-12-01T01:00:00Z,2.5\n");
    lake.land("landing/ops/t/c.csv", "at,v\n2020-12-01T01:00:00Z,-1\n");
    let said =
        lake.run_with_findings().says("row 1: 2.5 is no value of its type").says("it is the _FillValue");
    assert!(said.text().contains("f2 (b.csv)"), "{said}");
    assert_eq!(exports(&lake), ["a.nc"]);
    lake.dataset("t", &declaration.replace("type: short, fill: -1", "type: float"));
    lake.run().says("3 exports written");
}

#[test]
fn memory_bounds_an_export() {
    let lake = TestLake::new("memory: 16MiB\n");
    lake.dataset(
        "t",
        "columns: { at: timestamp, v: float }\nexport: { netcdf: '{start:%Y%m}.nc', per: month }\n",
    );
    let rows: String = (0..300_000).map(|i| format!("2020-12-01T00:00:{:02}Z,{i}\n", i % 60)).collect();
    lake.land("landing/ops/t/a.csv", format!("at,v\n{rows}"));
    lake.run_with_findings().says("more than 4.0 MiB of values, a quarter of `memory: 16.0 MiB`");
}

/// Lists with a coordinate of their own, as netCDF has them, turned or not.
const PROFILES: &str = r#"
input: { first: float, second: float }
transform: |
  select time, make_array(5.0, 10.0, 20.5) as depth, make_array(first, second, null) as speed, station from input
coordinates: [time, depth]
columns:
  time: { type: timestamp }
  depth: { unit: m, attributes: { positive: down } }
  speed: { unit: m/s, long_name: Current speed, attributes: { comment: by ADCP, valid_max: 5, cell_methods: 'time: mean' } }
  station: { type: string }
export:
  netcdf: '{file}.nc'
  attributes: { history: none, title: Currents }
  variables:
    speed: { dimensions: [depth, time], fill: -9999 }
    number: { value: 120, attributes: { long_name: Number of the buoy, codes: [1, 2] } }
"#;

fn profile(hour: u32) -> String {
    let row = |n: u32| {
        let (minute, second) = (n * 10, f64::from(n) * 1.25);
        format!("2020-12-01T{hour:02}:{minute:02}:00Z,{hour}.25,{second},a\n")
    };
    format!("time,first,second,station\n{}", (0..4).map(row).collect::<String>())
}

#[test]
fn lists_become_dimensions_and_a_read_file_is_written_as_it_was() {
    let lake = TestLake::with("made", PROFILES);
    lake.land("landing/ops/made/a.csv", profile(3));
    lake.run();
    let first = Content::of(&lake, "lake/export/a.nc");
    assert_eq!(first.dimensions, BTreeMap::from([("depth".into(), 3), ("time".into(), 4)]));
    assert_eq!(first.variables["depth"].0, ["depth"]);
    assert_eq!(first.variables["depth"].2, ["5", "10", "20.5"]);
    assert_eq!(first.variables["speed"].0, ["depth", "time"]);
    assert_eq!(first.variables["speed"].2[..8], ["3.25", "3.25", "3.25", "3.25", "0", "1.25", "2.5", "3.75"]);
    assert_eq!(first.attribute("speed", "valid_max"), "Doubles([5.0])");

    // Read without a word said of its columns, and written again.
    lake.dataset(
        "read_back",
        "export: { netcdf: 'back/{file}.nc', attributes: { history: none, title: Currents } }\n",
    );
    let bytes = fs::read(lake.path("lake/export/a.nc")).unwrap();
    lake.land("landing/ops/read_back/a.nc", bytes);
    lake.run();
    let back = Content::of(&lake, "lake/export/back/a.nc");
    let mut want = first;
    // What stands for missing values is netCDF's own now.
    let speed = want.variables.get_mut("speed").unwrap();
    speed
        .2
        .iter_mut()
        .filter(|v| *v == "-9999")
        .for_each(|v| *v = "9969209968386869000000000000000000000".into());
    speed.1.insert("_FillValue".into(), "Doubles([9.969209968386869e36])".into());
    assert_eq!(back, want);
    // Other engines find the attributes with the column.
    let described = lake.lakegate(&["tables", "ops.read_back.read_back"]).is(DONE);
    assert!(described.text().contains("Current speed"), "{described}");
}

/// The golden files of tsdat through a table and back, in the types of the table.
#[test]
fn real_files_survive_the_way_there_and_back() {
    let Some(data) = std::env::var_os("LAKEGATE_TEST_DATA") else {
        eprintln!("skipped: LAKEGATE_TEST_DATA is not set");
        return;
    };
    let folder = std::path::Path::new(&data).join("tsdat/v0_2/expected");
    let lake =
        TestLake::with("buoy", "export: { netcdf: '{file}.nc', variables: { time: { type: int64 } } }\n");
    let names = [
        "humboldt.buoy_z05-10min.a1.20201201.000000.nc",
        "humboldt.buoy_z05-waves-20min.a1.20201201.000000.nc",
    ];
    for name in names {
        let Ok(bytes) = fs::read(folder.join(name)) else {
            eprintln!("skipped: {} is not there", folder.display());
            return;
        };
        lake.dataset(if name.contains("waves") { "waves" } else { "currents" }, &format!(
            "match: '{}'\nexport: {{ netcdf: '{{dataset}}/{{file}}.nc', variables: {{ time: {{ type: int64 }} }} }}\n",
            regex_of(name)
        ));
        let dataset = if name.contains("waves") { "waves" } else { "currents" };
        lake.land(&format!("landing/ops/{dataset}/{name}"), bytes);
    }
    fs::remove_file(lake.path("datasets/buoy.yaml")).unwrap();
    lake.run();
    for name in names {
        let dataset = if name.contains("waves") { "waves" } else { "currents" };
        let golden = {
            fs::create_dir_all(lake.path("golden")).unwrap();
            fs::copy(folder.join(name), lake.path(format!("golden/{name}"))).unwrap();
            Content::of(&lake, &format!("golden/{name}"))
        };
        let back = Content::of(&lake, &format!("{FOLDER}/{dataset}/{name}"));
        assert_eq!(back.dimensions, golden.dimensions, "{name}");
        for (variable, (of_golden, attributes, values)) in &golden.variables {
            // An undeclared column has a name in small letters.
            let (of_back, back_attributes, back_values) = &back.variables[&variable.to_lowercase()];
            assert_eq!(of_back, of_golden, "{variable}");
            let fill = attributes
                .get("_FillValue")
                .map(|f| f.trim_start_matches("Doubles([").trim_end_matches("])").to_string());
            let is_missing = |v: &String| {
                let v: f64 = v.parse().unwrap();
                v.is_nan() || v > 9e36 || fill.as_ref().is_some_and(|f| f.parse() == Ok(v))
            };
            for (a, b) in values.iter().zip(back_values) {
                assert!(a == b || is_missing(a) && is_missing(b), "{variable}: {a} {b}");
            }
            for (name, value) in
                attributes.iter().filter(|(n, _)| !["_FillValue", "calendar"].contains(&n.as_str()))
            {
                let names_another = matches!(name.as_str(), "ancillary_variables");
                let value = if names_another { value.to_lowercase() } else { value.clone() };
                let found = back_attributes
                    .get(name)
                    .map(|v| if names_another { v.to_lowercase() } else { v.clone() });
                assert_eq!(found, Some(value), "{variable}:{name}");
            }
        }
    }
}

fn regex_of(name: &str) -> String {
    name.replace('.', "\\.")
}

#[test]
fn killed_at_each_point_the_exports_are_those_of_a_quiet_run() {
    let quiet = buoys("");
    quiet.run();
    for point in
        ["committed:1", "finished:1", "export_written:1", "export_written:2", "exported:1", "exported:2"]
    {
        let lake = buoys("");
        assert!(lake.killed_at(point, &["run"]).was_killed(), "{point}");
        lake.run();
        assert_eq!(exports(&lake), exports(&quiet), "{point}");
        for path in exports(&quiet) {
            let of = |lake: &TestLake| fs::read(lake.path(FOLDER).join(&path)).unwrap();
            assert_eq!(of(&lake), of(&quiet), "{point}: {path}");
        }
        // A file that takes another's place, killed on the way.
        lake.land(
            "landing/ops/buoy/buoy.z05.20201201.csv",
            Z05.replace("2020-12-01T00:00", "2020-12-01T00:05"),
        );
        lake.killed_at(point.split(':').next().unwrap(), &["run"]);
        lake.run();
        assert!(!exports(&lake).iter().any(|p| p.contains("humboldt") && p.contains("000000")), "{point}");
        assert_eq!(exports(&lake).len(), 2, "{point}");
    }
}

#[test]
fn up_exports_what_it_commits() {
    let lake = buoys("");
    let up = crate::lake::Stopped(lake.start(&["up"]));
    crate::lake::await_state("exports are written", || (exports(&lake).len() == 2).then_some(()));
    lake.land("landing/ops/buoy/buoy.z05.20201202.csv", Z05.replace("2020-12-01", "2020-12-02"));
    crate::lake::await_state("the next is written", || (exports(&lake).len() == 3).then_some(()));
    up.interrupt();
    lake.run();
    assert_eq!(lake.value("select count(*) from system.exports where error is null"), 3);
}

#[test]
fn plots_lie_beside_their_export_and_follow_it() {
    let with_plots = PROFILES.replace("  attributes:", "  plots: 'plots/{file}.{column}.svg'\n  attributes:");
    let lake = TestLake::with("made", &with_plots);
    lake.land("landing/ops/made/a.csv", profile(3));
    lake.run();
    assert_eq!(exports(&lake), ["a.nc", "plots/a.speed.svg"]);
    let svg = fs::read_to_string(lake.path("lake/export/plots/a.speed.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("Current speed"), "{}", &svg[..200.min(svg.len())]);
    lake.dataset("made", &with_plots.replace(".svg", ".png"));
    lake.run();
    assert_eq!(exports(&lake), ["a.nc", "plots/a.speed.png"]);
    assert!(fs::read(lake.path("lake/export/plots/a.speed.png")).unwrap().starts_with(b"\x89PNG"));
    lake.dataset("made", PROFILES);
    lake.run();
    assert_eq!(exports(&lake), ["a.nc"]);
    // Of a series, with its flags.
    let flagged = BUOY.replace("valid_range: [850, 1100]", "fail_range: [1000, 1010]").replace(
        "export:",
        "quality: [ { check: fail_max, columns: pressure } ]\nexport:\n  plots: 'p/{file}.{column}.svg'",
    );
    lake.dataset("buoy", &flagged);
    lake.land("landing/ops/buoy/buoy.z05.20201201.csv", Z05);
    lake.run();
    let plots: Vec<_> = exports(&lake).into_iter().filter(|p| p.starts_with("p/")).collect();
    assert_eq!(plots, ["p/buoy.z05.20201201.count.svg", "p/buoy.z05.20201201.pressure.svg"]);
    let svg = fs::read_to_string(lake.path("lake/export").join(&plots[1])).unwrap();
    assert!(svg.contains("bad"), "{svg}");
    assert_eq!(lake.lines("select n_plots from system.exports where part = 'f2'"), ["2"]);
}
