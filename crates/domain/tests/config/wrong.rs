//! Wrong configurations and exactly what people are told of them: the files of
//! `wrong/`.

use crate::{cases, compiled};

fn check(name: &str) {
    cases::check(&format!("wrong/{name}"), |case| match compiled(&case.texts()) {
        Ok(_) => panic!("{name}: `{}` compiles", case.title),
        Err(errors) => errors.to_string(),
    });
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
