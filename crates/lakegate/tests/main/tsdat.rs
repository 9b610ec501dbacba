//! Pipelines of tsdat as they are: imported, run, and their output compared with
//! what tsdat made of the same input. `LAKEGATE_TEST_DATA` names the folder of
//! the samples; without it those tests say that they were skipped.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cdf::{Cdf, Known, assert_known};
use crate::lake::{DONE, FINDINGS, TestLake};
use crate::real_data::{data, read};

/// The folder that exports stand in.
const EXPORTS: &str = "lake/export";

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        if entry.path().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// Imports a repository that stands in the lake's own folder, `repository/`.
fn import(lake: &TestLake, dir: &str, more: &[&str]) -> serde_json::Value {
    let dir = lake.path(dir);
    let args: Vec<&str> = ["import", "tsdat", dir.to_str().unwrap(), "--team", "ops", "--json"].iter().chain(more).copied().collect();
    let ran = lake.lakegate(&args);
    assert!([DONE, FINDINGS].contains(&ran.code), "{ran}");
    ran.json()
}

/// Why each difference that the importer cannot take away is there.
const AS_BEFORE: [Known; 0] = [];

#[test]
fn the_waves_of_0_2_are_as_tsdat_made_them() {
    let Some(data) = data() else { return };
    let lake = TestLake::new("");
    copy(&data.join("tsdat/v0_2/config"), &lake.path("repository"));
    let imported = import(&lake, "repository/a2e_waves_ingest_config_humboldt_config.yml", &[]);
    let dataset = "humboldt_buoy_z05_waves_20min_a1";
    assert_eq!(imported["datasets"][0]["path"], format!("datasets/{dataset}.yaml"));
    let file = "buoy.z05.00.20201201.000000.waves.csv";
    lake.land(&format!("landing/ops/{dataset}/{file}"), read(&data.join("tsdat/v0_2/input").join(file)));
    lake.run();
    lake.prove();
    let datastream = "humboldt.buoy_z05-waves-20min.a1";
    let name = format!("{datastream}.20201201.000000.nc");
    let ours = Cdf::open(&lake.path(format!("{EXPORTS}/humboldt/{datastream}/{name}")));
    let golden = Cdf::open(&data.join("tsdat/v0_2/expected").join(&name));
    assert_known(&ours.differences(&golden), &AS_BEFORE);
}
