//! Real files, as public archives hold them. They are not part of the
//! repository: `LAKEGATE_TEST_DATA` names the folder, and without it these
//! tests say that they were skipped.

use std::fs;
use std::path::{Path, PathBuf};

use crate::lake::{DONE, FINDINGS, TestLake, gz, tar, zip};

pub fn data() -> Option<PathBuf> {
    let found = std::env::var_os("LAKEGATE_TEST_DATA").map(PathBuf::from);
    if found.is_none() {
        println!("skipped: LAKEGATE_TEST_DATA is not set");
    }
    // Tests run in the crate's folder, people name paths from the workspace's.
    found.map(
        |f| if f.is_absolute() { f } else { Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(f) },
    )
}

pub fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

const LEGISLATORS: &str = "team: demo
match: '(?<table>[a-z]+)\\.json'
read: READ
tables: { '*': {} }
";

#[test]
fn legislators_load_and_what_is_no_array_is_parked_until_its_reader_is_mended() {
    let Some(data) = data() else { return };
    let lake = TestLake::new("");
    let declare = |read: &str| lake.write("datasets/legislators.yaml", LEGISLATORS.replace("READ", read));
    declare("json");
    for name in ["memberships", "organizations", "regions"] {
        let file = format!("{name}.json");
        lake.land(&format!("landing/demo/legislators/{file}"), read(&data.join("legislators").join(&file)));
    }
    lake.run_with_findings();
    let count = |table: &str| lake.value(&format!("select count(*) from demo.legislators.{table}"));
    assert_eq!((count("memberships"), count("organizations")), (10_439.into(), 13.into()));
    assert_eq!(lake.parked(), ["regions.json|LG101"]);
    let message = lake.value("select message from system.files where state = 'parked'");
    let message = message.as_str().unwrap();
    for part in ["line 1", "column", "ndjson"] {
        assert!(message.to_lowercase().contains(part), "`{part}` is not in: {message}");
    }
    lake.prove();

    declare("ndjson");
    lake.lakegate(&["redrive", "--name", "regions.json"]).is(DONE);
    lake.run();
    let lines = String::from_utf8(read(&data.join("legislators/regions.json"))).unwrap();
    assert_eq!(count("regions"), lines.lines().filter(|l| !l.trim().is_empty()).count());
    assert!(lake.parked().is_empty());
    lake.prove();
    // What belongs together joins.
    let orphans = lake.value(
        "select count(*) from demo.legislators.memberships m \
         left join demo.legislators.organizations o on o.id = m.organization_id where o.id is null",
    );
    assert!(orphans.as_u64().unwrap() < 10_439, "no membership finds its organization");
}

const BOTTLES: &str = "
read:
  csv: { skip_lines: 1, comment: '#', units_row: true, end: END_DATA, trim: true,
         nulls: ['-999', '-999.0', '-999.00', '-999.000', '-999.0000', '-999.000000000'] }
";

#[test]
fn an_exchange_bottle_file_through_the_csv_reader() {
    let Some(data) = data() else { return };
    let bytes = read(&data.join("exchange/33RR20160208_hy1.csv"));
    let lake = TestLake::with("bottles", BOTTLES);
    lake.land("landing/ops/bottles/33RR20160208_hy1.csv", &bytes);
    lake.run();
    lake.prove();

    // Counted here once more, by the plainest means.
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines().skip(1).filter(|l| !l.starts_with('#'));
    let names: Vec<&str> = lines.next().unwrap().split(',').map(str::trim).collect();
    let units: Vec<&str> = lines.next().unwrap().split(',').map(str::trim).collect();
    let rows: Vec<Vec<&str>> =
        lines.take_while(|l| *l != "END_DATA").map(|l| l.split(',').map(str::trim).collect()).collect();
    assert_eq!(lake.value("select count(*) from bottles"), rows.len());
    let column = |name: &str| names.iter().position(|n| *n == name).unwrap();
    for name in ["CTDPRS", "CTDTMP", "SALNTY", "OXYGEN", "CFC-11", "TCARBN"] {
        let values: Vec<f64> =
            rows.iter().map(|r| r[column(name)].parse::<f64>().unwrap()).filter(|v| *v != -999.0).collect();
        let sql = name.to_lowercase().replace('-', "_");
        let found = &lake.sql(&format!("select count({sql}) as n, sum({sql}) as total from bottles"))[0];
        assert_eq!(found["n"], values.len(), "{name}");
        let (total, want) = (found["total"].as_f64().unwrap(), values.iter().sum::<f64>());
        assert!((total - want).abs() < 1e-6 * want.abs(), "{name}: {total}, want {want}");
        let unit = lake.value(&format!("select unit from system.columns where \"column\" = '{sql}'"));
        assert_eq!(unit, units[column(name)], "{name}");
    }
    assert_eq!(lake.value("select count(distinct stnnbr) from bottles").as_u64().unwrap(), {
        let mut stations: Vec<&str> = rows.iter().map(|r| r[column("STNNBR")]).collect();
        stations.sort_unstable();
        stations.dedup();
        stations.len() as u64
    });
}

#[test]
fn a_table_as_csv_parquet_zip_and_tar_gz_is_the_same_table() {
    let Some(data) = data() else { return };
    let fixtures = data.join("tsdat/io_fixtures");
    let csv = read(&fixtures.join("input.csv"));
    let declaration = "
columns:
  time: { from: timestamp, type: timestamp, format: '%Y-%m-%d %H:%M:%S', timezone: UTC }
  first: { from: First Data Var, type: float, unit: degF }
evolve: rescue
same_bytes: load
";
    let feeds: [(&str, Vec<u8>); 6] = [
        ("input.csv", csv.clone()),
        ("input.parquet", read(&fixtures.join("input.parquet"))),
        ("input.zip", zip(&[("input.csv", &csv)])),
        ("input.tar.gz", gz(&tar(&[("input.csv", &csv)]))),
        ("input.csv.gz", gz(&csv)),
        ("nested.zip", zip(&[("deeper/inner.tar", &tar(&[("input.csv", &csv)]))])),
    ];
    for (name, bytes) in feeds {
        let lake = TestLake::with("made", declaration);
        lake.land(&format!("landing/ops/made/{name}"), bytes);
        let ran = lake.lakegate(&["run"]);
        assert!(matches!(ran.code, Some(DONE | FINDINGS)), "{ran}");
        assert!(lake.parked().is_empty(), "{name}: {ran}");
        assert_eq!(
            lake.lines("select time, first, _row from made order by time"),
            ["2022-03-24T21:43:00Z|71.4|1", "2022-03-24T21:44:00Z|71.2|2", "2022-03-24T21:45:00Z|71.1|3"],
            "{name}"
        );
        lake.prove();
    }
}

#[test]
fn real_gzipped_json_documents_with_a_record_path() {
    let Some(data) = data() else { return };
    let name = "2022-01-01T00:00:03Z_https_cdn.mbta.com_realtime_VehiclePositions_enhanced.json.gz";
    let lake = TestLake::with("vehicles", "read: { json: { records: entity } }\n");
    lake.land(&format!("landing/ops/vehicles/{name}"), read(&data.join("lamp").join(name)));
    lake.run();
    let rows = lake.value("select count(*) from vehicles").as_u64().unwrap();
    assert!(rows > 10, "{rows} vehicles");
    assert_eq!(lake.value("select count(distinct id) from vehicles"), rows);
    lake.prove();
}
