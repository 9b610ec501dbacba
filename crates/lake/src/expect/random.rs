//! Random files and expectations against the reference, in one batch and in
//! many.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Field, Schema};
use lakegate_domain::model::{Check, Columns, Expectation};
use serde_json::{Value, json};

use super::reference::{self, Outcome, Predicates, Row};
use super::tests::{EVERY_ON_FAIL, compile, float, int, range, set, text};
use super::{Checks, shown};

const PREDICATES: Predicates<'static> = &[
    ("i + j > 0", |row| Some(row["i"].as_i64()? + row["j"].as_i64()? > 0)),
    ("i > 0 or j > 0", |row| {
        let positive = |c: &str| row[c].as_i64().map(|v| v > 0);
        match (positive("i"), positive("j")) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        }
    }),
    ("f is null or f < 3", |row| Some(row["f"].as_f64().is_none_or(|f| f < 3.0))),
    ("length(s) <> i", |row| Some(row["s"].as_str()?.len() as i64 != row["i"].as_i64()?)),
];

fn random_row(rng: &mut fastrand::Rng) -> Row {
    let maybe = |v: Value, rng: &mut fastrand::Rng| if rng.u8(..6) == 0 { Value::Null } else { v };
    let (i, j) = (json!(rng.i64(-3..8)), json!(rng.i64(-3..8)));
    let f = json!(rng.i32(-8..16) as f64 / 2.0);
    let s = json!("ab".chars().cycle().take(rng.usize(..5)).collect::<String>());
    let mut row = Row::new();
    for (name, value) in [("i", i), ("j", j), ("f", f), ("s", s)] {
        row.insert(name.into(), maybe(value, rng));
    }
    row
}

fn random_expectation(n: usize, rng: &mut fastrand::Rng) -> Expectation {
    let names = |all: &[&str], rng: &mut fastrand::Rng| {
        let mut all = all.to_vec();
        rng.shuffle(&mut all);
        all.truncate(1 + rng.usize(..all.len()));
        Columns::Named(all.into_iter().map(String::from).collect())
    };
    let bound = |rng: &mut fastrand::Rng| match rng.u8(..3) {
        0 => None,
        1 => int(rng.i64(-4..9)),
        _ => float(rng.i32(-8..16) as f64 / 2.0),
    };
    let letters = |rng: &mut fastrand::Rng| text(["", "a", "ab", "aba", "b"][rng.usize(..5)]);
    let (check, columns) = match rng.u8(..9) {
        0 => (Check::Present, names(&["i", "j", "f", "s"], rng)),
        1 => (Check::Unique, names(&["i", "f", "s"], rng)),
        2 => (range(bound(rng), bound(rng)), names(&["i", "j", "f"], rng)),
        3 => (range(letters(rng), letters(rng)), names(&["s"], rng)),
        4 => {
            let members: Vec<_> = (0..rng.usize(..4)).map(|_| bound(rng)).collect();
            (set(&members), names(&["i", "f"], rng))
        }
        5 => (Check::Matches(["a|ab", "a*b*", "(ab)+", "."][rng.usize(..4)].into()), names(&["s"], rng)),
        6 => (Check::Increasing, names(&["i", "f", "s"], rng)),
        7 => (Check::Decreasing, names(&["i", "f", "s"], rng)),
        _ => (Check::Sql(PREDICATES[rng.usize(..PREDICATES.len())].0.into()), names(&["i", "f"], rng)),
    };
    Expectation {
        name: format!("e{n}"),
        columns,
        check,
        on_fail: EVERY_ON_FAIL[rng.usize(..6)],
        tolerate: [None, Some(0.1), Some(0.5), Some(1.0)][rng.usize(..4)],
        null_fails: rng.bool(),
    }
}

fn batch_of(rows: &[Row]) -> RecordBatch {
    let schema = Arc::new(Schema::new(vec![
        Field::new("i", DataType::Int64, true),
        Field::new("j", DataType::Int32, true),
        Field::new("f", DataType::Float64, true),
        Field::new("s", DataType::Utf8, true),
        Field::new("_row", DataType::Int64, true),
    ]));
    let column = |name: &'static str| rows.iter().map(move |r| &r[name]);
    RecordBatch::try_new(
        schema,
        vec![
            Arc::new(column("i").map(Value::as_i64).collect::<Int64Array>()),
            Arc::new(column("j").map(|v| v.as_i64().map(|v| v as i32)).collect::<Int32Array>()),
            Arc::new(column("f").map(Value::as_f64).collect::<Float64Array>()),
            Arc::new(column("s").map(Value::as_str).collect::<StringArray>()),
            Arc::new(Int64Array::from_iter_values(1..=rows.len() as i64)),
        ],
    )
    .unwrap()
}

fn cell(batch: &RecordBatch, column: &str, row: usize) -> Value {
    let array = batch.column_by_name(column).unwrap();
    serde_json::from_str(&shown::json(array, row)).unwrap()
}

/// Runs a file in batches of the given sizes and says what became of it.
fn vectorised(checks: &Checks, batch: &RecordBatch, sizes: &[usize]) -> Outcome {
    let mut out = reference::outcome(&[], &[], PREDICATES);
    let mut file = checks.start();
    let mut start = 0;
    for &size in sizes {
        let part = batch.slice(start, size);
        let number = |row: usize| (start + row) as u64 + 1;
        let checked = file.check(part.clone()).unwrap();
        let kept: Vec<usize> = match &checked.kept {
            None => (0..size).collect(),
            Some(kept) => kept.values().set_indices().collect(),
        };
        assert_eq!(kept.len(), checked.pass.num_rows());
        for (at, &row) in kept.iter().enumerate() {
            let values: Row =
                ["i", "j", "f", "s"].iter().map(|c| (c.to_string(), cell(&checked.pass, c, at))).collect();
            assert_eq!(cell(&checked.pass, "_row", at), number(row));
            let flags = checked.flags.iter().flat_map(|f| &f[at]).map(|f| f.to_string()).collect();
            out.pass.insert(number(row), (values, flags));
        }
        for (at, column, value) in checked.nulled {
            assert!(out.nulled.insert((number(kept[at]), column, value)), "nulled twice");
        }
        out.quarantined.extend(checked.quarantined.into_iter().map(|(row, names, _)| (number(row), names)));
        out.dropped.extend(checked.dropped.into_iter().map(|(row, names)| (number(row), names)));
        out.n_duplicates += checked.n_duplicates;
        start += size;
    }
    let (findings, failure) = file.finish();
    out.findings = findings.into_iter().map(|f| (f.name, f.n_failed, f.first_rows)).collect();
    out.failure = failure.map(|f| f.code);
    out
}

#[test]
fn random_files_fare_as_the_reference_says_however_they_are_batched() {
    for seed in 0..300 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let rows: Vec<Row> = (0..rng.usize(..60)).map(|_| random_row(&mut rng)).collect();
        let expect: Vec<Expectation> =
            (0..1 + rng.usize(..5)).map(|n| random_expectation(n, &mut rng)).collect();
        let batch = batch_of(&rows);
        let checks = compile(&expect, &[], batch.schema_ref()).unwrap();

        let want = reference::outcome(&rows, &expect, PREDICATES);
        assert_eq!(vectorised(&checks, &batch, &[rows.len()]), want, "seed {seed}: {expect:#?}");
        let mut sizes = Vec::new();
        let mut left = rows.len();
        while left > 0 {
            sizes.push(rng.usize(..=left.min(20)));
            left -= sizes[sizes.len() - 1];
        }
        assert_eq!(
            vectorised(&checks, &batch, &sizes),
            want,
            "seed {seed}, batches of {sizes:?}: {expect:#?}"
        );
        assert_eq!(want.pass.len() + want.quarantined.len() + want.dropped.len(), rows.len(), "seed {seed}");
    }
}
