//! Configuration and routes, through the public functions of the crate.

mod cases;
mod drafts;
mod examples;
mod feeds;
mod meaning;
mod quality;
mod routes;
mod schemas;
mod transit_columns;
mod tsdat;
mod wrong;

use std::path::Path;

use lakegate_domain::Lake;
use lakegate_domain::config::{Diagnostics, SourceText, compile};

/// The environment of all tests.
fn env(name: &str) -> Option<String> {
    (name == "STORE").then(|| "/data/store".to_string())
}

/// Compiles a lake from `(path, text)`; `lake.yaml` may be left out.
fn compiled(files: &[(&str, &str)]) -> Result<Lake, Diagnostics> {
    let text = files.iter().find(|(path, _)| *path == "lake.yaml").map_or("lake: test\n", |(_, text)| text);
    let datasets: Vec<_> = files
        .iter()
        .filter(|(path, _)| *path != "lake.yaml")
        .map(|(path, text)| SourceText::new(*path, *text))
        .collect();
    compile(Path::new("/lake"), &SourceText::new("lake.yaml", text), &datasets, &env)
}

/// The lake of one dataset, which must be right.
fn dataset(text: &str) -> std::sync::Arc<lakegate_domain::Dataset> {
    match compiled(&[("datasets/d.yaml", text)]) {
        Ok(lake) => lake.datasets[0].clone(),
        Err(errors) => panic!("{errors}"),
    }
}
