//! The commented examples of the documentation are right and complete, and the
//! folder is read as it is documented.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use lakegate_domain::DatasetName;
use lakegate_domain::config::{load, schema};
use lakegate_domain::model::{BatchLimits, Caps, Columns, Format, OnFail, Upkeep};
use serde_json::Value;

fn docs(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    fs::read_to_string(path).expect("the example can be read")
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().expect("a file has a folder")).expect("the folder can be made");
    fs::write(path, text).expect("the file can be written");
}

#[test]
fn the_examples_load() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "lake.yaml", &docs("lake.example.yaml"));
    write(root.path(), "datasets/ocean/example.yaml", &docs("dataset.example.yaml"));
    write(root.path(), "datasets/.hidden.yaml", "nonsense: true");
    write(root.path(), "datasets/notes.txt", "nonsense");
    write(root.path(), "datasets/small.yml", "team: ocean\n");
    let lake = match load(root.path()) {
        Ok(lake) => lake,
        Err(errors) => panic!("{errors}"),
    };

    // The example shows the defaults.
    assert_eq!(lake.batch, BatchLimits::default());
    assert_eq!(lake.upkeep, Upkeep::default());
    assert_eq!(lake.memory_bytes, 256 << 20);
    assert_eq!(lake.storage, root.path().join("lake"));
    assert_eq!(lake.datasets.len(), 2);

    let buoy = lake.dataset(&DatasetName::new("ocean", "buoy")).unwrap();
    assert_eq!(buoy.source, root.path().join("datasets/ocean/example.yaml"));
    assert_eq!(buoy.landing, root.path().join("landing/buoy"));
    assert_eq!(buoy.pattern.as_ref().unwrap().groups, ["site", "day", "clock"]);
    assert_eq!(buoy.read.caps, Caps::default());
    let streams: Vec<_> = buoy.read.streams.iter().map(|s| (s.name.as_str(), s.format.as_ref())).collect();
    assert!(
        matches!(
            streams[..],
            [
                ("met", Some(Format::Csv(_))),
                ("waves", Some(Format::Json(_))),
                ("profiles", Some(Format::Netcdf(_)))
            ]
        ),
        "{streams:?}"
    );
    assert_eq!(buoy.tables["waves"].from.as_deref(), Some("waves"));
    let expect = &buoy.tables["met"].expect;
    let names: Vec<_> = expect.iter().map(|e| e.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "time_present",
            "time_increasing",
            "all_in_valid_range",
            "pressure_in_range",
            "station_in_set",
            "station_matches",
            "one_row_each",
            "rows",
            "sql"
        ]
    );
    assert_eq!(expect[3].on_fail, OnFail::Null);
    assert_eq!(expect[3].tolerate, Some(0.05));
    assert_eq!(expect[2].columns, Columns::All);

    let small = lake.dataset(&DatasetName::new("ocean", "small")).unwrap();
    assert_eq!(small.tables.keys().collect::<Vec<_>>(), ["small"]);
}

/// Every key of a schema, wherever it stands.
fn keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::Object(properties)) = map.get("properties") {
                found.extend(properties.keys().cloned());
            }
            map.values().for_each(|inner| keys(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| keys(inner, found)),
        _ => {}
    }
}

#[test]
fn the_examples_name_every_key() {
    for (schema, example) in
        [(schema::lake(), docs("lake.example.yaml")), (schema::dataset(), docs("dataset.example.yaml"))]
    {
        let mut known = BTreeSet::new();
        keys(&schema, &mut known);
        // The formats and archives that are said to be synonyms or alternatives in words.
        let said = ["zip", "tar", "ndjson", "parquet", "arrow"];
        for key in known.iter().filter(|k| !said.contains(&k.as_str())) {
            assert!(example.contains(&format!("{key}:")), "the example does not show `{key}`");
        }
    }
}

/// The blocks of a page that begin with the name of their file.
#[test]
fn what_the_page_on_feeds_shows_compiles() {
    let page = docs("feeds.md");
    let blocks: Vec<&str> =
        page.split("```yaml\n# ").skip(1).filter_map(|block| block.split("```").next()).collect();
    let files: Vec<(&str, &str)> = blocks.iter().filter_map(|block| block.split_once('\n')).collect();
    assert!(files.len() >= 5 && files.iter().any(|(path, _)| *path == "lake.yaml"), "{files:?}");
    match crate::compiled(&files) {
        Ok(lake) => assert!(lake.datasets.iter().all(|d| d.feed.is_some())),
        Err(errors) => panic!("{errors}"),
    }
}

#[test]
fn a_folder_without_a_lake_says_what_to_do() {
    let root = tempfile::tempdir().unwrap();
    let errors = load(root.path()).unwrap_err().to_string();
    assert!(errors.contains("there is no `lake.yaml` in"), "{errors}");
    assert!(errors.contains("`lakegate init`"), "{errors}");

    write(root.path(), "lake.yml", "lake: x\n");
    let errors = load(root.path()).unwrap_err().to_string();
    assert!(errors.contains("rename it to `lake.yaml`"), "{errors}");
}

#[test]
fn files_that_are_not_text_are_named_beside_all_other_errors() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "lake.yaml", "lake: x\ncolour: red\n");
    write(root.path(), "datasets/a.yaml", "team: 1\n");
    fs::write(root.path().join("datasets/b.yaml"), [0xff, 0xfe, b't', 0]).unwrap();
    let errors = load(root.path()).unwrap_err();
    let text = errors.to_string();
    for part in ["this is not UTF-8", "save the file as UTF-8", "unknown key `colour`", "expected a name"] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    assert_eq!(errors.len(), 3);
}
