//! Pipelines of tsdat as they are: imported, run, and their output compared with
//! what tsdat made of the same input. `LAKEGATE_TEST_DATA` names the folder of
//! the samples; without it those tests say that they were skipped.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::cdf::{Cdf, Known, assert_known};
use crate::lake::{DONE, FINDINGS, TestLake, USAGE};
use crate::real_data::{data, read};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// Imports what stands in the lake's own folder.
fn import(lake: &TestLake, dir: &str, more: &[&str], code: i32) -> Value {
    let dir = lake.path(dir);
    let mut args = vec!["import", "tsdat", dir.to_str().unwrap(), "--team", "ops", "--json"];
    args.extend(more);
    lake.lakegate(&args).is(code).json()
}

/// What is said of a pipeline's import, by kind.
fn notes(imported: &Value, kind: &str) -> Vec<String> {
    let notes = imported["datasets"][0]["notes"].as_array().unwrap();
    let of_kind = notes.iter().filter(|n| n["kind"] == kind);
    of_kind.map(|n| format!("{}: {}", n["about"].as_str().unwrap(), n["text"].as_str().unwrap())).collect()
}

const BY_CF: &str = "CF 1.8, section 2.5.1 and 3.5: they are of the type of their variable";
const OF_THE_RUN: &str = "it tells of the run of tsdat";

#[test]
fn the_waves_of_0_2_are_as_tsdat_made_them() {
    let Some(data) = data() else { return };
    let lake = TestLake::new("");
    copy(&data.join("tsdat/v0_2/config"), &lake.path("repository"));
    let imported = import(&lake, "repository/a2e_waves_ingest_config_humboldt_config.yml", &[], DONE);
    let dataset = "humboldt_buoy_z05_waves_20min_a1";
    assert_eq!(imported["datasets"][0]["path"], format!("datasets/{dataset}.yaml"));
    let file = "buoy.z05.00.20201201.000000.waves.csv";
    lake.land(&format!("landing/ops/{dataset}/{file}"), read(&data.join("tsdat/v0_2/input").join(file)));
    lake.run();
    lake.prove();
    let datastream = "humboldt.buoy_z05-waves-20min.a1";
    let name = format!("{datastream}.20201201.000000.nc");
    let ours = Cdf::open(&lake.path(format!("lake/export/humboldt/{datastream}/{name}")));
    let golden = Cdf::open(&data.join("tsdat/v0_2/expected").join(&name));
    assert_known(
        &ours.differences(&golden),
        &[
            Known { pattern: ":history: *", reason: OF_THE_RUN },
            Known { pattern: ":input_files: missing", reason: OF_THE_RUN },
            Known { pattern: "*:valid_range: stored as double, golden int64", reason: BY_CF },
            Known {
                pattern: "*:valid_delta: stored as double, golden int64",
                reason: "it is stored as the range is",
            },
            Known { pattern: "qc_*:flag_masks: stored as int, golden uint", reason: BY_CF },
        ],
    );
}

/// Bins of the current meter.
const BINS: usize = 50;

/// What the pipeline's hook `customize_raw_datasets` did in Python, as SQL: one
/// list of each row's bins, and how deep they are.
fn currents() -> String {
    let listed = |of: &dyn Fn(usize) -> String| (1..=BINS).map(of).collect::<Vec<_>>().join(", ");
    let speeds = listed(&|n| format!("cast(currents_vel{n}_mm_s as double)"));
    // 225 is its fill value.
    let directions = listed(&|n| format!("nullif(cast(currents_dir{n}_deg as double), 225)"));
    let depths = listed(&|n| format!("{} + above.depth", 4 * n));
    format!(
        "    transform: |
      select input.*, make_array({speeds}) as current_speed, make_array({directions}) as current_direction,
        make_array({depths}) as depth
      from input cross join (
        select median(cast(\"currents.BlankingDistance\" as double)) + median(cast(\"currents.HeadDepth\" as double)) as depth
        from input
      ) above
"
    )
}

#[test]
fn the_buoy_of_0_2_is_as_tsdat_made_it_once_its_hook_is_written() {
    let Some(data) = data() else { return };
    let lake = TestLake::new("");
    copy(&data.join("tsdat/v0_2/config"), &lake.path("repository"));
    let archive = data.join("tsdat/v0_2/input/buoy.z05.00.20201201.000000.zip");
    let pipeline = "repository/a2e_buoy_ingest_config_humboldt_config.yml";
    let imported = import(&lake, pipeline, &["--sample", archive.to_str().unwrap()], FINDINGS);
    let left = notes(&imported, "not taken over");
    let made = "depth, current_speed, current_direction, gill_wind_speed, gill_wind_direction, YSI_SST: ";
    assert!(left.len() == 1 && left[0].starts_with(made), "{left:#?}");

    // At the places that the file names.
    let dataset = "humboldt_buoy_z05_10min_a1";
    let path = format!("datasets/{dataset}.yaml");
    let mut text = fs::read_to_string(lake.path(&path)).unwrap();
    let place = text.find("    # transform: |").unwrap();
    text.insert_str(place, &currents());
    for (column, from) in [
        ("gill_wind_speed", "gill_horizontal_speed_m_s"),
        ("gill_wind_direction", "gill_horizontal_direction_deg"),
        ("YSI_SST", "surfacetemp_surface_temperature_c"),
    ] {
        let key = format!("      {column}:\n");
        assert!(text.contains(&key), "{text}");
        text = text.replacen(&key, &format!("{key}        from: '{from}'\n"), 1);
    }
    lake.write(&path, text);
    lake.lakegate(&["check"]).is(DONE);

    lake.land(&format!("landing/ops/{dataset}/buoy.z05.00.20201201.000000.zip"), read(&archive));
    lake.run();
    lake.prove();
    let datastream = "humboldt.buoy_z05-10min.a1";
    let name = format!("{datastream}.20201201.000000.nc");
    let ours = Cdf::open(&lake.path(format!("lake/export/humboldt/{datastream}/{name}")));
    let golden = Cdf::open(&data.join("tsdat/v0_2/expected").join(&name));
    assert_known(
        &ours.differences(&golden),
        &[
            Known { pattern: ":history: *", reason: OF_THE_RUN },
            Known { pattern: "*:coordinates: added", reason: "CF 1.8, section 5, for a scalar coordinate" },
            Known { pattern: ":input_files: missing", reason: OF_THE_RUN },
            Known {
                pattern: "depth:_FillValue: missing",
                reason: "xarray gives NaN where nothing is declared",
            },
            Known {
                pattern: "*:fail_range: stored as double, golden int64",
                reason: "it is stored as `valid_range` is",
            },
            Known { pattern: "qc_*:flag_masks: stored as int, golden int64", reason: BY_CF },
        ],
    );
}

/// What the template of a repository has in `shared/`, which is not among the
/// samples.
const QUALITY: &str = "
managers:
  - name: Require Valid Coordinate Variables
    checker: { classname: tsdat.qc.checkers.CheckMissing }
    handlers: [ { classname: tsdat.qc.handlers.FailPipeline } ]
    apply_to: [COORDS]
  - name: Fail Pipeline if Coordinate Variables are not Monotonic
    checker: { classname: tsdat.qc.checkers.CheckMonotonic, parameters: { require_increasing: true } }
    handlers: [ { classname: tsdat.qc.handlers.FailPipeline } ]
    apply_to: [COORDS]
  - name: Remove missing data
    checker: { classname: tsdat.qc.checkers.CheckMissing }
    handlers:
      - classname: tsdat.qc.handlers.RemoveFailedValues
      - { classname: tsdat.qc.handlers.RecordQualityResults, parameters: { bit: 1, assessment: bad, meaning: Value is equal to _FillValue or NaN } }
    apply_to: [DATA_VARS]
  - name: Flag data below minimum valid threshold
    checker: { classname: tsdat.qc.checkers.CheckValidMin }
    handlers: [ { classname: tsdat.qc.handlers.RecordQualityResults, parameters: { bit: 2, assessment: bad, meaning: Value is less than the valid_range. } } ]
    apply_to: [DATA_VARS]
  - name: Flag data above maximum valid threshold
    checker: { classname: tsdat.qc.checkers.CheckValidMax }
    handlers: [ { classname: tsdat.qc.handlers.RecordQualityResults, parameters: { bit: 3, assessment: bad, meaning: Value is greater than the valid_range. } } ]
    apply_to: [DATA_VARS]
";

#[test]
fn the_waves_of_the_current_style_are_as_tsdat_made_them() {
    let Some(data) = data() else { return };
    let lake = TestLake::new("");
    // As in a repository, with its shared files.
    let config = "repository/pipelines/example_pipeline/config";
    copy(&data.join("tsdat/v0_9/config"), &lake.path(config));
    lake.write("repository/shared/quality.yaml", QUALITY);
    lake.write("repository/shared/storage.yaml", "classname: tsdat.io.storage.FileSystem\n");
    // One file of a repository: its root is found above it.
    let imported = import(&lake, &format!("{config}/pipeline.yaml"), &[], FINDINGS);
    assert!(imported["repository"].as_str().unwrap().ends_with("/repository"), "{imported:#}");
    assert_eq!(notes(&imported, "missing"), Vec::<String>::new());
    assert!(notes(&imported, "not taken over")[0].contains("ExamplePipeline"), "{imported:#}");
    let dataset = "morro_buoy_z06_waves_a1";
    let file = "buoy.z06.00.20201201.000000.waves.csv";
    lake.land(&format!("landing/ops/{dataset}/{file}"), read(&data.join("tsdat/v0_9").join(file)));
    lake.run();
    lake.prove();
    let datastream = "morro.buoy_z06-waves.a1";
    let ours = format!("lake/export/data/morro/{datastream}/{datastream}.20201201.000000.nc");
    let ours = Cdf::open(&lake.path(ours));
    let golden = Cdf::open(&data.join(format!("tsdat/v0_9/expected.{datastream}.20201201.000000.nc")));
    // The golden file was made by 0.4. What 0.10 makes is as ours but for the
    // types of attributes.
    const BITS: &str = "0.4 counts checks that do not apply to a variable; 0.10 does not";
    assert_known(
        &ours.differences(&golden),
        &[
            Known { pattern: ":Conventions: added", reason: "0.4 had no default, 0.10 has" },
            Known { pattern: ":featureType: added", reason: "0.4 had no default, 0.10 has" },
            Known { pattern: ":history: *", reason: OF_THE_RUN },
            Known { pattern: ":code_version: missing", reason: OF_THE_RUN },
            Known { pattern: "*:valid_max: stored as double, golden int", reason: BY_CF },
            Known {
                pattern: "num_zero_crossings: type Int64, golden Double",
                reason: "0.4 did not cast, 0.10 does",
            },
            Known {
                pattern: "num_zero_crossings:_FillValue: stored as int64, golden double",
                reason: "as its variable",
            },
            Known { pattern: "qc_*:flag_masks: *, golden [1.0, 2.0, 4.0]", reason: BITS },
            Known { pattern: "qc_*:flag_meanings: *", reason: BITS },
            Known { pattern: "qc_*:flag_assessments: *", reason: BITS },
            Known { pattern: "time:units: *", reason: "0.4 kept the capital letter of its configuration" },
        ],
    );
}

#[test]
fn a_sample_without_its_shared_files_goes_on_without_quality_and_says_so() {
    let Some(data) = data() else { return };
    let lake = TestLake::new("");
    copy(&data.join("tsdat/v0_9/config"), &lake.path("config"));
    let imported = import(&lake, "config", &[], FINDINGS);
    assert_eq!(imported["datasets"].as_array().unwrap().len(), 2, "{imported:#}");
    let missing = notes(&imported, "missing");
    for (note, name) in missing.iter().zip(["shared/quality.yaml", "shared/storage.yaml"]) {
        assert!(note.contains(name) && note.contains("looked for"), "{note}");
    }
    assert_eq!(missing.len(), 2, "{missing:#?}");
    // By the overrides of the second pipeline.
    let humboldt = fs::read_to_string(lake.path("datasets/humboldt_buoy_z05_waves_a1.yaml")).unwrap();
    assert!(
        humboldt.contains("location_meaning: 'Humboldt, CA'") && !humboldt.contains("quality:\n"),
        "{humboldt}"
    );
    lake.lakegate(&["check"]).is(DONE);
    // Nothing that exists is overwritten.
    let again = import(&lake, "config", &[], FINDINGS);
    assert_eq!(again["refused"].as_array().unwrap().len(), 2, "{again:#}");
    let nothing = lake.path("nothing");
    fs::create_dir(&nothing).unwrap();
    for dir in ["nothing", "missing"] {
        let dir = lake.path(dir);
        lake.lakegate(&["import", "tsdat", dir.to_str().unwrap(), "--team", "ops"])
            .is(USAGE)
            .says("pipeline");
    }
}

/// A pipeline whose times are out of order, with what follows.
fn of_times(handler: &str) -> TestLake {
    let lake = TestLake::new("");
    lake.write(
        "repository/pipelines/heights/config/pipeline.yaml",
        format!(
            "triggers: ['.*time\\.csv']
classname: tsdat.pipeline.pipelines.IngestPipeline
retriever:
  classname: tsdat.io.retrievers.DefaultRetriever
  readers: {{ .*: {{ classname: tsdat.io.readers.CSVReader }} }}
  coords:
    time: {{ name: TimeString, data_converters: [ {{ classname: tsdat.io.converters.StringToDatetime, format: '%Y%m%d %H%M%S' }} ] }}
  data_vars:
    height: {{ name: InHeight(m), data_converters: [ {{ classname: tsdat.io.converters.UnitsConverter, input_units: m }} ] }}
dataset:
  attrs: {{ title: Heights, description: Heights, location_id: sgp, dataset_name: heights, data_level: b1 }}
  coords: {{ time: {{ dims: [time], dtype: 'datetime64[s]', attrs: {{ units: Seconds since 1970-01-01 00:00:00 }} }} }}
  data_vars: {{ height: {{ dims: [time], dtype: float, attrs: {{ units: km, valid_min: 0 }} }} }}
quality:
  managers:
    - name: order
      checker: {{ classname: tsdat.qc.checkers.CheckMonotonic }}
      handlers: [ {{ classname: tsdat.qc.handlers.{handler} }} ]
      apply_to: [COORDS]
    - name: low
      checker: {{ classname: tsdat.qc.checkers.CheckValidMin }}
      handlers: [ {{ classname: tsdat.qc.handlers.RecordQualityResults, parameters: {{ assessment: bad, meaning: Low }} }} ]
      apply_to: [DATA_VARS]
storage: {{ classname: tsdat.io.storage.FileSystem }}
"
        ),
    );
    import(&lake, "repository", &[], DONE);
    lake
}

/// The third time is not after the second.
const OUT_OF_ORDER: &str = "TimeString,InHeight(m),Remark
\"20220503 120000\",4000,a
\"20220503 120002\",-500,b
\"20220503 120001\",2000,c
";

#[test]
fn times_out_of_order_are_what_the_configuration_says() {
    const LANDED: &str = "landing/ops/sgp_heights_b1/bad_time.csv";
    // The file is not loaded, and what is wrong is told.
    let fails = |bytes: Vec<u8>, time: &str| {
        let lake = of_times("FailPipeline");
        lake.land(LANDED, bytes);
        lake.run_with_findings();
        let message = lake.value("select message from system.files where state = 'parked'");
        let message = message.as_str().unwrap();
        assert!(message.contains("order") && message.contains(time), "{message}");
    };
    fails(OUT_OF_ORDER.into(), "2022-05-03T12:00:01");

    // The row whose time is not after the last good one is left out.
    let lake = of_times("RemoveFailedValues");
    lake.land(LANDED, OUT_OF_ORDER);
    lake.run();
    assert_eq!(
        lake.lines("select time, height, qc_height from heights order by _row"),
        ["2022-05-03T12:00:00Z|4.0|0", "2022-05-03T12:00:02Z|-0.5|1"]
    );
    lake.prove();

    let lake = of_times("SortDatasetByCoordinate");
    lake.land(LANDED, OUT_OF_ORDER);
    lake.run();
    let name = "lake/export/data/sgp/sgp.heights.b1/sgp.heights.b1.20220503.120000.nc";
    assert_eq!(Cdf::open(&lake.path(name)).values("height"), [4.0, 2.0, -0.5]);
    lake.prove();

    // A file of tsdat's own.
    let Some(data) = data() else { return };
    fails(read(&data.join("tsdat/v0_2/input/bad_time.csv")), "2021-10-01T00:00:01");
}
