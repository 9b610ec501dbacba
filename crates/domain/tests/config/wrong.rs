//! Wrong configurations and exactly what people are told of them.
//!
//! Each file of `wrong/` holds cases: `## title`, then `=== path` before each
//! file's text, then `>>>` before what is expected. `UPDATE_EXPECT=1` rewrites
//! what is expected.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::compiled;

struct Case {
    title: String,
    files: Vec<(String, String)>,
    expected: String,
}

fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut in_expected = false;
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            cases.push(Case { title: title.into(), files: Vec::new(), expected: String::new() });
            in_expected = false;
            continue;
        }
        let Some(case) = cases.last_mut() else { panic!("text before the first case: {line}") };
        if let Some(path) = line.strip_prefix("=== ") {
            case.files.push((path.into(), String::new()));
        } else if line == ">>>" {
            in_expected = true;
        } else {
            let out = match in_expected {
                true => &mut case.expected,
                false => &mut case.files.last_mut().expect("a `===` line comes before text").1,
            };
            out.push_str(line);
            out.push('\n');
        }
    }
    cases
}

fn rendered(cases: &[Case]) -> String {
    let mut out = String::new();
    for case in cases {
        writeln!(out, "## {}", case.title).expect("a string takes all");
        for (path, text) in &case.files {
            write!(out, "=== {path}\n{text}").expect("a string takes all");
        }
        writeln!(out, ">>>\n{}\n", case.expected.trim_end()).expect("a string takes all");
    }
    out
}

/// Runs every case of a file and compares the whole file, so that a failure
/// shows all differences at once.
fn check(name: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/config/wrong").join(name);
    let text = fs::read_to_string(&path).expect("the cases can be read");
    let mut found = cases(&text);
    assert!(!found.is_empty(), "{name} has no cases");
    for case in &mut found {
        let files: Vec<_> = case.files.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
        case.expected = match compiled(&files) {
            Ok(_) => panic!("{name}: `{}` compiles", case.title),
            Err(errors) => errors.to_string(),
        };
    }
    let got = rendered(&found);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, got).expect("the cases can be written");
    } else if got != text {
        let line = got.lines().zip(text.lines()).position(|(a, b)| a != b).unwrap_or(0);
        panic!("{name} differs from line {} on; UPDATE_EXPECT=1 rewrites it. It is now:\n{got}", line + 1);
    }
}

#[test]
fn shape() {
    check("shape.txt");
}

#[test]
fn lake() {
    check("lake.txt");
}

#[test]
fn dataset() {
    check("dataset.txt");
}

#[test]
fn read() {
    check("read.txt");
}

#[test]
fn feeds() {
    check("feeds.txt");
}

#[test]
fn stages() {
    check("stages.txt");
}

#[test]
fn tables() {
    check("tables.txt");
}

#[test]
fn expectations() {
    check("expectations.txt");
}

#[test]
fn quality() {
    check("quality.txt");
}

#[test]
fn published() {
    check("published.txt");
}

#[test]
fn export() {
    check("export.txt");
}
