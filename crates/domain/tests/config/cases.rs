//! Cases that are texts, and what is expected of them.
//!
//! A file holds cases: `## title`, then `=== path` before each file's text, then
//! `>>>` before what is expected. `UPDATE_EXPECT=1` rewrites what is expected.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

pub struct Case {
    pub title: String,
    /// Path and text.
    pub files: Vec<(String, String)>,
    expected: String,
}

impl Case {
    pub fn texts(&self) -> Vec<(&str, &str)> {
        self.files.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect()
    }
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
pub fn check(path: &str, answer: impl Fn(&Case) -> String) {
    let whole = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/config").join(path);
    let text = fs::read_to_string(&whole).expect("the cases can be read");
    let mut found = cases(&text);
    assert!(!found.is_empty(), "{path} has no cases");
    for case in &mut found {
        case.expected = answer(case);
    }
    let got = rendered(&found);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&whole, got).expect("the cases can be written");
    } else if got != text {
        let line = got.lines().zip(text.lines()).position(|(a, b)| a != b).unwrap_or(0);
        panic!("{path} differs from line {} on; UPDATE_EXPECT=1 rewrites it. It is now:\n{got}", line + 1);
    }
}
