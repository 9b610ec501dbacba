//! Which dataset takes a landed name: the truth table of `route`, over
//! compiled datasets.

use std::path::Path;
use std::sync::Arc;

use lakegate_domain::route::{Routed, matches, route, zones};
use lakegate_domain::{Dataset, Lake};

use crate::{compiled, dataset};

fn lake(files: &[(&str, &str)]) -> Lake {
    match compiled(files) {
        Ok(lake) => lake,
        Err(errors) => panic!("{errors}"),
    }
}

fn told(routed: Routed) -> String {
    match routed {
        Routed::To(dataset, groups) => {
            let groups: Vec<_> = groups.iter().map(|(k, v)| format!("{k}={v}")).collect();
            format!("to {} [{}]", dataset.name, groups.join(" "))
        }
        Routed::Unmatched { nearest } => format!("unmatched, near {}", named(&nearest)),
        Routed::Ambiguous { datasets } => format!("ambiguous: {}", named(&datasets)),
        Routed::Junk => "junk".into(),
    }
}

fn named(names: &[lakegate_domain::DatasetName]) -> String {
    names.iter().map(|n| n.dataset.clone()).collect::<Vec<_>>().join(", ")
}

#[test]
fn truth_table() {
    let lake = lake(&[
        ("datasets/met.yaml", "team: t\nlanding: in\nmatch: 'met_(?<site>\\w\\d)\\.csv'\n"),
        ("datasets/all_csv.yaml", "team: t\nlanding: in\nmatch: '(met|sea)_a\\d\\.csv'\n"),
        ("datasets/deep.yaml", "team: t\nlanding: in\nmatch: 'y(?<year>\\d{4})/(?<kind>.+)\\.json'\n"),
    ]);
    let zones = zones(&lake);
    assert_eq!(zones.len(), 1);
    let (folder, sharing) = &zones[0];
    assert_eq!(folder, Path::new("/lake/in"));
    for (name, want) in [
        // One dataset takes it.
        ("met_b1.csv", "to t.met [site=b1]"),
        ("sea_a1.csv", "to t.all_csv []"),
        // A pattern without `/` is tried on the name alone, wherever it lies.
        ("some/folder/met_b1.csv", "to t.met [site=b1]"),
        // A pattern with `/` is tried on the whole path.
        ("y2024/tide.json", "to t.deep [year=2024 kind=tide]"),
        ("y2024/x/tide.json", "to t.deep [year=2024 kind=x/tide]"),
        ("x/y2024/tide.json", "unmatched, near deep, met, all_csv"),
        ("tide.json", "unmatched, near all_csv, deep, met"),
        // Patterns are anchored at both ends.
        ("xmet_b1.csv", "unmatched, near met, all_csv, deep"),
        ("met_b1.csv.gz", "unmatched, near met, all_csv, deep"),
        // Two take it.
        ("met_a1.csv", "ambiguous: all_csv, met"),
        // Junk is nobody's, whatever matches.
        ("met_b1.csv.part", "junk"),
        (".met_b1.csv", "junk"),
    ] {
        let got = told(route(sharing, name));
        match want.split_once(", near ") {
            // How near is a matter of taste; all three are named.
            Some((head, _)) => assert!(got.starts_with(&format!("{head}, near ")), "{name}: {got}"),
            None => assert_eq!(got, want, "{name}"),
        }
    }
}

#[test]
fn the_nearest_pattern_comes_first() {
    let lake = lake(&[
        ("datasets/a.yaml", "team: t\nlanding: in\nmatch: 'station_\\d+\\.csv'\n"),
        ("datasets/b.yaml", "team: t\nlanding: in\nmatch: 'orders\\.json'\n"),
    ]);
    let (_, sharing) = zones(&lake).remove(0);
    assert_eq!(told(route(&sharing, "order.json")), "unmatched, near b, a");
    assert_eq!(told(route(&sharing, "station_x.csv")), "unmatched, near a, b");
}

#[test]
fn a_dataset_without_a_pattern_takes_every_file() {
    let d: Arc<Dataset> = dataset("team: t\n");
    for name in ["a.csv", "x/y/z", "ünïcode.json"] {
        assert_eq!(matches(&d, name), Some(Vec::new()), "{name}");
    }
}

#[test]
fn groups_that_took_no_part_are_left_out() {
    let d = dataset("team: t\nmatch: 'a(?<n>\\d)?(?<tail>x*)'\n");
    assert_eq!(matches(&d, "a"), Some(vec![("tail".into(), "".into())]));
    assert_eq!(matches(&d, "a7xx"), Some(vec![("n".into(), "7".into()), ("tail".into(), "xx".into())]));
    assert_eq!(matches(&d, "b"), None);
}

#[test]
fn zones_are_folders_with_those_that_share_them() {
    let lake = lake(&[
        ("datasets/c.yaml", "team: t\nlanding: ./in/../in/b/\nmatch: c\n"),
        ("datasets/a.yaml", "team: t\nlanding: in\n"),
        ("datasets/b.yaml", "team: t\nlanding: in/b\nmatch: b\n"),
        ("datasets/d.yaml", "team: t\nlanding: /far/away\n"),
    ]);
    let got: Vec<_> = zones(&lake)
        .into_iter()
        .map(|(folder, sharing)| {
            let names: Vec<_> = sharing.iter().map(|d| d.name.dataset.clone()).collect();
            (folder.display().to_string(), names.join(" "))
        })
        .collect();
    assert_eq!(
        got,
        [
            ("/far/away".to_string(), "d".to_string()),
            ("/lake/in".into(), "a".into()),
            ("/lake/in/b".into(), "b c".into())
        ]
    );
}
