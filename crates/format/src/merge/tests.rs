use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Field, Schema};
use lakegate_domain::model::{Column, How};
use proptest::prelude::*;

use super::*;
use crate::text::{Notation, TextBatch};

type Rows = Vec<Vec<Option<u32>>>;

/// The rule as it is written, tried on all pairs again and again.
fn naive(keys: &[Vec<Option<i64>>], how: How, tolerance: u64) -> Rows {
    let mut rows: Vec<(i64, Vec<Option<u32>>)> = Vec::new();
    for (stream, keys) in keys.iter().enumerate() {
        let mut its: Vec<(i64, u32)> =
            keys.iter().enumerate().filter_map(|(n, k)| Some(((*k)?, n as u32))).collect();
        its.sort_by_key(|(key, _)| *key);
        let (mut of_left, mut of_right) = (vec![None; rows.len()], vec![None; its.len()]);
        loop {
            let mut best: Option<(u64, i64, usize, usize)> = None;
            for (a, (left, _)) in rows.iter().enumerate().filter(|(a, _)| of_left[*a].is_none()) {
                for (b, (right, _)) in its.iter().enumerate().filter(|(b, _)| of_right[*b].is_none()) {
                    let pair = (left.abs_diff(*right), *left.min(right), a, b);
                    if pair.0 <= tolerance && best.is_none_or(|best| pair < best) {
                        best = Some(pair);
                    }
                }
            }
            let Some((.., a, b)) = best else { break };
            of_left[a] = Some(its[b].1);
            of_right[b] = Some(a);
        }
        for ((_, row), partner) in rows.iter_mut().zip(of_left) {
            row.push(partner);
        }
        if stream > 0 && how == How::Inner {
            rows.retain(|(_, row)| row[stream].is_some());
        }
        if stream == 0 || how == How::Outer {
            for ((key, row), _) in its.iter().zip(&of_right).filter(|(_, taken)| taken.is_none()) {
                let mut new = vec![None; stream];
                new.push(Some(*row));
                rows.push((*key, new));
            }
        }
        rows.sort_by_key(|(key, _)| *key);
    }
    for (stream, keys) in keys.iter().enumerate() {
        let stays = how == How::Outer || how == How::Left && stream == 0;
        for (row, _) in keys.iter().enumerate().filter(|(_, k)| k.is_none() && stays) {
            let mut new = vec![None; stream];
            new.push(Some(row as u32));
            rows.push((0, new));
        }
    }
    let of = |s: usize| rows.iter().map(|(_, row)| row.get(s).copied().flatten()).collect();
    (0..keys.len()).map(of).collect()
}

fn some_keys() -> impl Strategy<Value = Vec<Vec<Option<i64>>>> {
    // Few values, so that keys come twice and distances are equal.
    let key = prop_oneof![9 => (0i64..25).prop_map(Some), 1 => Just(None)];
    prop::collection::vec(prop::collection::vec(key, 0..14), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn joins_as_the_rule_says(
        keys in some_keys(),
        how in prop_oneof![Just(How::Outer), Just(How::Inner), Just(How::Left)],
        tolerance in 0u64..8,
    ) {
        let joined = join(&keys, how, tolerance);
        prop_assert_eq!(&joined.rows, &naive(&keys, how, tolerance));
        // No row twice, and with `outer` none is lost.
        for (rows, keys) in joined.rows.iter().zip(&keys) {
            let mut used: Vec<u32> = rows.iter().flatten().copied().collect();
            used.sort_unstable();
            let n = used.len();
            used.dedup();
            prop_assert_eq!(used.len(), n);
            prop_assert!(how != How::Outer || n == keys.len());
        }
    }

    /// Text and typed rows come to the same, however they are cut into batches.
    #[test]
    fn text_and_typed_rows_agree(
        keys in some_keys(),
        tolerance in 0u64..3,
        cut in 1usize..5,
    ) {
        let joined = join(&keys, How::Outer, tolerance);
        let columns = vec![
            MergedColumn { stream: None, source: "t".into(), name: "t".into() },
            MergedColumn { stream: Some(0), source: "v".into(), name: "s0.v".into() },
            MergedColumn { stream: Some(keys.len() - 1), source: "v".into(), name: "last".into() },
        ];
        let texts: Vec<Vec<TextBatch>> = keys.iter().enumerate().map(|(s, keys)| batches(s, keys, cut)).collect();
        let typed: Vec<Vec<RecordBatch>> =
            texts.iter().map(|b| b.iter().map(|b| as_typed(b).unwrap()).collect()).collect();
        let own: Vec<String> = keys.iter().map(|_| "t".to_string()).collect();
        let nulls = vec![Vec::new(); keys.len()];
        let text = merge_text(&columns, &texts, &own, &nulls, &joined).unwrap();
        let typed = merge_typed(&columns, &typed, &own, &joined).unwrap();
        prop_assert_eq!(as_typed(&text).unwrap(), typed);
    }
}

/// Rows of the columns `t` and `v`, `cut` in a batch.
fn batches(stream: usize, keys: &[Option<i64>], cut: usize) -> Vec<TextBatch> {
    let rows: Vec<(Option<String>, String)> = keys
        .iter()
        .enumerate()
        .map(|(n, key)| (key.map(|k| k.to_string()), format!("{stream}-{n}")))
        .collect();
    let mut made: Vec<TextBatch> = rows
        .chunks(cut)
        .map(|rows| {
            let t = rows.iter().map(|(t, _)| t.as_deref()).collect();
            let v = rows.iter().map(|(_, v)| Some(v.as_str())).collect();
            TextBatch::of(Notation::Plain, &[("t", t), ("v", v)])
        })
        .collect();
    if made.is_empty() {
        made.push(TextBatch::of(Notation::Plain, &[("t", vec![]), ("v", vec![])]));
    }
    made
}

#[test]
fn a_large_tolerance_takes_no_longer() {
    let keys: Vec<Option<i64>> = (0..200_000).map(|n| Some(n * 10)).collect();
    let other: Vec<Option<i64>> = (0..200_000).map(|n| Some(n * 10 + 4)).collect();
    let joined = join(&[keys, other], How::Outer, 3_600_000_000);
    assert_eq!(joined.n_rows, 200_000);
    assert_eq!(joined.rows[0], joined.rows[1]);
}

fn named(declared: &[Column], streams: &[(&str, &[&str])]) -> Result<Vec<String>, String> {
    let keys: Vec<String> = streams.iter().map(|_| "t".to_string()).collect();
    let streams: Vec<(String, Vec<String>)> =
        streams.iter().map(|(s, c)| (s.to_string(), c.iter().map(|c| c.to_string()).collect())).collect();
    let naming = Naming { streams: &streams, keys: &keys, key: "t", declared: declared.iter().collect() };
    names(&naming).map(|c| c.into_iter().map(|c| c.name).collect()).map_err(|e| e.message)
}

#[test]
fn columns_are_called_after_their_stream_unless_they_are_named_otherwise() {
    let from = |name: &str, from: &str| Column { from: Some(from.into()), ..Column::named(name) };
    let streams: [(&str, &[&str]); 2] = [("gill", &["t", "Speed", "Dir"]), ("wind", &["t", "Speed", "Gust"])];
    let declared = [from("a", "gill.Speed"), from("b", "Gust"), Column::named("dir")];
    assert_eq!(named(&declared, &streams).unwrap(), ["t", "gill.Speed", "Dir", "wind.Speed", "Gust"]);
    // The same, whatever streams a file lacks.
    assert_eq!(named(&declared, &streams[1..]).unwrap(), ["t", "wind.Speed", "Gust"]);
    let why = named(&[from("a", "Speed")], &streams).unwrap_err();
    assert!(why.contains("`gill.Speed` or `wind.Speed`"), "{why}");
    // The first of several inputs that there is.
    let several = Column { or_from: vec!["Gust".into()], ..from("a", "Gusts") };
    assert_eq!(named(&[several], &streams).unwrap()[4], "Gust");
}

#[test]
fn spellings_of_one_stream_and_surplus_fields_go_with_their_rows() {
    let mut a = TextBatch::of(
        Notation::Plain,
        &[("t", vec![Some("2"), Some("1")]), ("v", vec![Some("x"), Some("NA")])],
    );
    a.surplus.push((0, 1, a.columns[1][0]));
    let b = TextBatch::of(Notation::Plain, &[("t", vec![Some("2")]), ("v", vec![Some("NA")])]);
    let joined = join(&[vec![Some(2), Some(1)], vec![Some(2)]], How::Outer, 0);
    let column =
        |stream| MergedColumn { stream: Some(stream), source: "v".into(), name: format!("{stream}") };
    let nulls = [vec!["NA".to_string()], vec![]];
    let own = ["t".to_string(), "t".to_string()];
    let made = merge_text(&[column(0), column(1)], &[vec![a], vec![b]], &own, &nulls, &joined).unwrap();
    let texts = as_typed(&made).unwrap();
    let expected = RecordBatch::try_new(
        Arc::new(Schema::new(vec![
            Field::new("0", DataType::Utf8, true),
            Field::new("1", DataType::Utf8, true),
        ])),
        vec![
            Arc::new(StringArray::from(vec![None, Some("x")])),
            Arc::new(StringArray::from(vec![None, Some("NA")])),
        ],
    );
    assert_eq!(texts, expected.unwrap());
    assert_eq!(
        made.surplus.iter().map(|(row, n, c)| (*row, *n, made.get(*c))).collect::<Vec<_>>(),
        [(1, 1, Some("x"))]
    );
}
