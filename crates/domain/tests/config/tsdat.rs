//! Repositories of tsdat and the dataset files that they become: the files of
//! `tsdat/`. Every dataset file passes the compiler of `check`.
//!
//! A case's file `sample` is no file of the repository: each of its lines is the
//! path of an input's member, a colon, and its columns between semicolons.

use std::collections::HashMap;
use std::fmt::Write as _;

use lakegate_domain::draft::tsdat::{Member, Sample, Tree, import};

use crate::cases::{self, Case};
use crate::compiled;

const SAMPLE: &str = "sample";

fn answer(case: &Case) -> String {
    let mut tree = Tree { root: "/repository".into(), ..Tree::default() };
    let mut sample = None;
    for (path, text) in &case.files {
        match path.as_str() {
            SAMPLE => sample = Some(Sample { members: text.lines().map(member).collect() }),
            path => drop(tree.files.insert(path.into(), text.clone())),
        }
    }
    let mut imported = match import(&tree, "ocean", None, &HashMap::new()) {
        Ok(imported) => imported,
        Err(why) => return format!("error: {why}"),
    };
    if let Some(sample) = sample {
        let samples = imported.datasets.iter().map(|d| (d.name.clone(), sample.clone())).collect();
        imported = import(&tree, "ocean", None, &samples).unwrap();
    }
    let mut out = String::new();
    for dataset in &imported.datasets {
        writeln!(out, "--- {} from {}", dataset.path(), dataset.source).unwrap();
        out.push_str(&dataset.yaml);
        if let Err(found) = compiled(&[(&dataset.path(), &dataset.yaml)]) {
            writeln!(out, "{found}").unwrap();
            assert!(std::env::var_os("UPDATE_EXPECT").is_some(), "{}: {found}\n{}", case.title, dataset.yaml);
        }
        for note in &dataset.notes {
            writeln!(out, "{}: {}: {}", note.kind.word(), note.about, note.text).unwrap();
        }
    }
    for (source, why) in &imported.refused {
        writeln!(out, "refused: {source}: {why}").unwrap();
    }
    out
}

fn member(line: &str) -> Member {
    let (path, columns) = line.split_once(':').unwrap();
    Member { path: path.trim().into(), columns: columns.split(';').map(|c| c.trim().into()).collect() }
}

#[test]
fn the_style_of_0_2() {
    cases::check("tsdat/old.txt", answer);
}

#[test]
fn the_current_style() {
    cases::check("tsdat/current.txt", answer);
}

#[test]
fn what_cannot_be_expressed() {
    cases::check("tsdat/lost.txt", answer);
}
