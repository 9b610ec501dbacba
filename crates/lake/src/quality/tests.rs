//! What each check says of values, and what follows, in plain cases and against
//! a naive reference.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Field, Float64Type, Int32Type, Schema, SchemaRef};
use indexmap::IndexMap;
use lakegate_domain::model::{
    Assessment, Column, Kind, Level, Order, Quality, QualityCheck, Range, Then, qc_name,
};
use lakegate_domain::{Code, Failure};

use super::reference::{self, Cell, File};
use super::{Judged, Rows, Stage};

fn check(check: QualityCheck, columns: &[&str], then: &[Then]) -> Quality {
    let bits = if then.contains(&Then::Flag) { columns } else { &[] };
    Quality {
        name: check.word(),
        check,
        columns: columns.iter().map(ToString::to_string).collect(),
        bits: bits.iter().map(|c| (c.to_string(), 0)).collect(),
        then: then.to_vec(),
        assessment: Assessment::Bad,
        meaning: "bad".into(),
        correction: None,
        tolerate: None,
        null_fails: false,
    }
}

/// A column `v` with every threshold.
fn spec() -> Column {
    Column {
        fail_range: Some(Range { min: Some(0.0), max: Some(10.0) }),
        warn_range: Some(Range { min: None, max: Some(5.0) }),
        valid_delta: Some(3.0),
        valid_std: Some(1.0),
        ..Column::named("v")
    }
}

fn time_spec() -> Column {
    Column { kind: Some(Kind::Timestamp), ..Column::named("time") }
}

fn times(values: Vec<Option<i64>>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC"))
}

/// Judges a file of `time` and `v`.
fn judge(quality: &[Quality], time: ArrayRef, v: ArrayRef) -> Result<Judged, Failure> {
    let schema: SchemaRef = Arc::new(Schema::new(vec![
        Field::new("time", time.data_type().clone(), true),
        Field::new("v", v.data_type().clone(), true),
    ]));
    let stage = Stage::compile(quality, &[time_spec(), spec()], &["time".into()], schema)?;
    let numbers = Int64Array::from_iter_values(1..=v.len() as i64);
    stage.judge(Rows { columns: vec![time, v], numbers, rescued: None })
}

/// Judges a column of floats at rising times and answers its flags.
fn flags(check: &Quality, v: &[Option<f64>]) -> Vec<i32> {
    let time = times((0..v.len() as i64).map(Some).collect());
    let judged = judge(std::slice::from_ref(check), time, Arc::new(Float64Array::from(v.to_vec()))).unwrap();
    judged.batch["qc_v"].as_primitive::<Int32Type>().values().to_vec()
}

fn some(values: &[f64]) -> Vec<Option<f64>> {
    values.iter().copied().map(Some).collect()
}

fn values(judged: &Judged, column: &str) -> Vec<Option<f64>> {
    judged.batch[column].as_primitive::<Float64Type>().iter().collect()
}

const FLAG: &[Then] = &[Then::Flag];

#[test]
fn missing_is_null_or_not_a_number() {
    let q = check(QualityCheck::Missing, &["v"], FLAG);
    assert_eq!(flags(&q, &[Some(1.0), None, Some(f64::NAN), Some(f64::INFINITY)]), [0, 1, 1, 0]);
}

#[test]
fn equality_passes_and_an_open_side_or_no_threshold_is_no_check() {
    let v = some(&[-0.1, 0.0, 5.0, 10.0, 10.1]);
    assert_eq!(flags(&check(QualityCheck::Min(Level::Fail), &["v"], FLAG), &v), [1, 0, 0, 0, 0]);
    assert_eq!(flags(&check(QualityCheck::Max(Level::Fail), &["v"], FLAG), &v), [0, 0, 0, 0, 1]);
    assert_eq!(flags(&check(QualityCheck::Max(Level::Warn), &["v"], FLAG), &v), [0, 0, 0, 1, 1]);
    // The bit is declared, and nothing sets it.
    let q = check(QualityCheck::Min(Level::Warn), &["v"], FLAG);
    assert_eq!(flags(&q, &v), [0; 5]);
}

/// A threshold of a column of 32 bits is a number of 32 bits.
#[test]
fn equality_passes_in_the_width_of_the_column() {
    let column = Column { fail_range: Some(Range { min: Some(0.1), max: Some(0.1) }), ..Column::named("v") };
    let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("v", DataType::Float32, true)]));
    let quality = [
        check(QualityCheck::Min(Level::Fail), &["v"], FLAG),
        check(QualityCheck::Max(Level::Fail), &["v"], FLAG),
    ];
    let stage = Stage::compile(&quality, &[column], &[], schema).unwrap();
    let columns: Vec<ArrayRef> = vec![Arc::new(Float32Array::from(vec![0.1_f32, 0.100_001, 0.099_999]))];
    let numbers = Int64Array::from_iter_values(1..=3);
    let judged = stage.judge(Rows { columns, numbers, rescued: None }).unwrap();
    let failed: Vec<u64> = judged.findings.iter().map(|f| f.n_failed).collect();
    assert_eq!(failed, [1, 1]);
}

#[test]
fn an_order_is_that_to_the_last_good_value() {
    let up = check(QualityCheck::Ordered(Order::Increasing), &["v"], FLAG);
    // One spike flags itself, and those after it only as far as they are below it.
    assert_eq!(flags(&up, &some(&[1.0, 2.0, 1.5, 2.0, 3.0])), [0, 0, 1, 1, 0]);
    assert_eq!(flags(&up, &some(&[1.0, 90.0, 2.0, 3.0])), [0, 0, 1, 1]);
    let down = check(QualityCheck::Ordered(Order::Decreasing), &["v"], FLAG);
    assert_eq!(flags(&down, &some(&[3.0, 2.0, 2.5, 1.0])), [0, 0, 1, 0]);
    let majority = check(QualityCheck::Ordered(Order::Majority), &["v"], FLAG);
    assert_eq!(flags(&majority, &some(&[3.0, 2.0, 2.5, 1.0])), [0, 0, 1, 0]);
    // As many up as down: increasing.
    assert_eq!(flags(&majority, &some(&[1.0, 2.0, 1.0])), [0, 0, 1]);
    // Missing values are passed over, or fail and are compared with by nobody.
    let v = [None, Some(1.0), None, Some(0.5), Some(2.0)];
    assert_eq!(flags(&up, &v), [0, 0, 0, 1, 0]);
    assert_eq!(flags(&Quality { null_fails: true, ..up }, &v), [1, 0, 1, 1, 0]);
}

#[test]
fn a_step_is_that_from_the_value_before_good_or_not() {
    let q = check(QualityCheck::Delta(Level::Valid), &["v"], FLAG);
    assert_eq!(flags(&q, &some(&[0.0, 3.0, 9.0, 3.0, 2.0])), [0, 0, 1, 1, 0]);
    let v = [None, None, Some(1.0), None, Some(99.0), Some(99.5)];
    assert_eq!(flags(&q, &v), [0; 6]);
    assert_eq!(flags(&Quality { null_fails: true, ..q }, &v), [0, 0, 1, 1, 1, 0]);
}

#[test]
fn a_deviation_counts_upwards_only() {
    let q = check(QualityCheck::Std(Level::Valid), &["v"], FLAG);
    // Mean 0, sample deviation sqrt(50/3).
    assert_eq!(flags(&q, &some(&[-5.0, 0.0, 0.0, 5.0])), [0, 0, 0, 1]);
    assert_eq!(flags(&q, &[Some(7.0), None]), [0, 0]);
}

#[test]
fn predicates_fail_where_they_are_false() {
    let q = check(QualityCheck::Sql("v < 5 or time > timestamp '2000-01-01'".into()), &["v"], FLAG);
    assert_eq!(flags(&q, &[Some(1.0), Some(5.0), None]), [0, 1, 0]);
    assert_eq!(flags(&Quality { null_fails: true, ..q }, &[Some(1.0), Some(5.0), None]), [0, 1, 1]);
    let time = || times(vec![Some(1)]);
    let one = || Arc::new(Float64Array::from(vec![1.0])) as ArrayRef;
    for (sql, why) in [
        ("w > 1", "w"),
        ("v + 1", "true or false"),
        ("sum(v) > 1", "several rows"),
        ("random() > v", "random()"),
    ] {
        let failure =
            judge(&[check(QualityCheck::Sql(sql.into()), &["v"], FLAG)], time(), one()).unwrap_err();
        assert_eq!(failure.code, Code::ExpectationSql);
        assert!(
            failure.message.contains("quality check `sql`") && failure.message.contains(why),
            "{failure}"
        );
    }
}

#[test]
fn a_check_that_is_nothing_for_a_column_is_refused() {
    let text: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    for (q, why) in [
        (check(QualityCheck::Min(Level::Fail), &["v"], FLAG), "`v` is of type string, which is no number"),
        (check(QualityCheck::Ordered(Order::Majority), &["v"], FLAG), "which has no order"),
        (check(QualityCheck::Missing, &["v"], &[Then::Interpolate]), "cannot be interpolated"),
    ] {
        let failure = judge(&[q], times(vec![Some(1)]), text.clone()).unwrap_err();
        assert_eq!(failure.code, Code::ExpectationSql);
        assert!(failure.message.contains(why), "{failure}");
    }
    // What a column lacks as yet is passed over.
    let judged = judge(&[check(QualityCheck::Missing, &["w"], FLAG)], times(vec![Some(1)]), text).unwrap();
    assert_eq!(judged.batch.num_columns(), 2);
    assert_eq!(judged.findings, []);
}

#[test]
fn what_is_removed_is_rescued_as_it_came() {
    let quality = [
        check(QualityCheck::Max(Level::Fail), &["v"], &[Then::Remove, Then::Flag]),
        // It sees what the other left.
        Quality {
            bits: IndexMap::from([("v".into(), 1)]),
            ..check(QualityCheck::Missing, &["v"], &[Then::Remove, Then::Flag])
        },
    ];
    let v = Arc::new(Float64Array::from(vec![Some(1.0), Some(11.0), None, Some(f64::NAN)]));
    let judged = judge(&quality, times(vec![Some(0), Some(1), Some(2), None]), v).unwrap();
    assert_eq!(values(&judged, "v"), [Some(1.0), None, None, None]);
    assert_eq!(judged.batch["qc_v"].as_primitive::<Int32Type>().values().to_vec(), [0, 3, 2, 2]);
    let rescued = judged.rescued.unwrap();
    assert_eq!(rescued, [None, Some(r#"{"v":11.0}"#.to_string()), None, None]);
    let second = &judged.findings[1];
    assert_eq!((second.name.as_str(), second.n_checked, second.n_failed), ("missing[v]", 4, 3));
    assert_eq!(second.then, "remove,flag");
    assert_eq!(second.first_rows, [2, 3, 4]);
    assert_eq!(second.first_times, ["1970-01-01T00:00:00.000001Z", "1970-01-01T00:00:00.000002Z", "NULL"]);
    assert_eq!(second.first_values, ["NULL", "NULL", "NaN"]);
    assert_eq!(second.sample.as_deref(), Some("v = NULL"));
}

#[test]
fn a_row_whose_coordinate_fails_is_dropped_and_the_next_check_does_not_see_it() {
    let quality = [
        check(QualityCheck::Missing, &["time"], &[Then::Remove]),
        check(QualityCheck::Delta(Level::Valid), &["v"], FLAG),
    ];
    let v = Arc::new(Float64Array::from(vec![1.0, 50.0, 2.0]));
    let judged = judge(&quality, times(vec![Some(0), None, Some(2)]), v).unwrap();
    assert_eq!(values(&judged, "v"), [Some(1.0), Some(2.0)]);
    assert_eq!(judged.numbers.values().to_vec(), [1, 3]);
    assert_eq!(judged.places, [0, 2]);
    assert_eq!(judged.n_dropped, 1);
    assert_eq!(judged.findings[1].n_failed, 0);
}

#[test]
fn rows_are_sorted_and_their_flags_go_with_them() {
    let sort = |descending| Then::Sort { descending };
    let order = Order::Increasing;
    for (then, want) in [
        ([sort(false), Then::Flag], vec![(3, 0), (2, 1), (4, 1), (1, 0), (5, 0)]),
        ([Then::Flag, sort(true)], vec![(1, 0), (2, 1), (4, 1), (3, 0), (5, 0)]),
    ] {
        let q = check(QualityCheck::Ordered(order), &["time"], &then);
        let time = times(vec![Some(9), Some(7), Some(6), Some(7), None]);
        let v = Arc::new(Float64Array::from(vec![0.0; 5]));
        let judged = judge(&[q], time, v).unwrap();
        let qc = judged.batch["qc_time"].as_primitive::<Int32Type>();
        let mut got: Vec<(i64, i32)> =
            judged.numbers.values().iter().copied().zip(qc.values().iter().copied()).collect();
        // Row 3 fails as well: 6 comes after 9.
        let third = got.iter_mut().find(|(n, _)| *n == 3).unwrap();
        assert_eq!(std::mem::take(&mut third.1), 1);
        assert_eq!(got, want);
    }
}

#[test]
fn a_file_fails_beyond_what_is_tolerated_and_says_where() {
    let v = || Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0, 4.0])) as ArrayRef;
    let time = || times(vec![Some(0), Some(0), Some(2), Some(1)]);
    let q = check(QualityCheck::Ordered(Order::Increasing), &["time"], &[Then::Fail]);
    assert!(judge(&[Quality { tolerate: Some(0.5), ..q.clone() }], time(), v()).is_ok());
    let failure = judge(&[Quality { tolerate: Some(0.49), ..q }], time(), v()).unwrap_err();
    assert_eq!(failure.code, Code::BadQuality);
    assert_eq!(
        failure.message,
        "quality check `increasing[time]`: in column `time` a value is out of order: 2 of 4 values (50.00 %), more \
         than the tolerated 49 %; row 2: 1970-01-01T00:00:00Z, row 4: 1970-01-01T00:00:00.000001Z"
    );
    let q = check(QualityCheck::Max(Level::Warn), &["v"], &[Then::Fail]);
    let v = Arc::new(Float64Array::from(vec![6.0; 7]));
    let failure = judge(&[q], times((0..7).map(Some).collect()), v).unwrap_err();
    assert!(failure.message.contains("a value is greater than 5: 7 of 7 values (100.00 %)"), "{failure}");
    assert!(failure.message.ends_with("row 5 (time 1970-01-01T00:00:00.000004Z): 6.0, …"), "{failure}");
}

#[test]
fn what_no_spline_reaches_is_missing_and_everything_is_rescued() {
    let q = check(QualityCheck::Max(Level::Fail), &["v"], &[Then::Interpolate]);
    // A cubic comes back as it was, between the good values.
    let cubic = |i: i64| 0.01 * (i as f64 - 3.0).powi(3);
    let v: Vec<f64> = (0..10).map(|i| if [0, 4, 5].contains(&i) { 99.0 } else { cubic(i) }).collect();
    let judged =
        judge(&[q], times((0..10).map(|i| Some(i * 1_000_000)).collect()), Arc::new(Float64Array::from(v)))
            .unwrap();
    let got = values(&judged, "v");
    assert_eq!(got[0], None);
    for (i, value) in got.iter().enumerate().skip(1) {
        assert!((value.unwrap() - cubic(i as i64)).abs() < 1e-12, "{i}: {value:?}");
    }
    let rescued = judged.rescued.unwrap();
    assert_eq!(rescued.iter().flatten().count(), 3);
}

/// Interpolation touches nothing that did not fail.
#[test]
fn a_gap_beside_what_failed_stays_a_gap() {
    let q = check(QualityCheck::Max(Level::Fail), &["v"], &[Then::Interpolate]);
    let mut v: Vec<Option<f64>> = (0..12).map(|i| Some(f64::from(i) / 10.0)).collect();
    (v[3], v[5], v[8]) = (Some(99.0), None, Some(f64::NAN));
    let time = times((0..12).map(|i| Some(i * 1_000_000)).collect());
    let judged = judge(&[q], time, Arc::new(Float64Array::from(v))).unwrap();
    let got = values(&judged, "v");
    assert!((got[3].unwrap() - 0.3).abs() < 1e-12, "{got:?}");
    assert_eq!(got[5], None);
    assert!(got[8].unwrap().is_nan());
}

fn lists(rows: &[Cell]) -> ArrayRef {
    let mut b =
        ListBuilder::new(Float64Builder::new()).with_field(Field::new("element", DataType::Float64, true));
    for row in rows {
        row.iter().flatten().for_each(|v| b.values().append_option(*v));
        b.append(row.is_some());
    }
    Arc::new(b.finish())
}

fn cells(list: &ArrayRef) -> Vec<Cell> {
    let list = list.as_list::<i32>();
    list.iter().map(|row| row.map(|row| row.as_primitive::<Float64Type>().iter().collect())).collect()
}

#[test]
fn lists_are_checked_element_by_element_and_steps_go_down_the_rows() {
    let quality = [
        check(QualityCheck::Missing, &["v"], &[Then::Warn]),
        check(QualityCheck::Delta(Level::Valid), &["v"], FLAG),
        check(QualityCheck::Max(Level::Fail), &["v"], &[Then::Remove]),
    ];
    let v = lists(&[Some(some(&[1.0, 50.0])), None, Some(vec![Some(1.0), None]), Some(some(&[9.0]))]);
    let judged = judge(&quality, times((0..4).map(Some).collect()), v).unwrap();
    let qc = judged.batch["qc_v"].as_list::<i32>();
    assert_eq!(judged.batch["qc_v"].data_type(), &super::flags_type(judged.batch["v"].data_type()));
    let flags: Vec<Option<Vec<i32>>> =
        qc.iter().map(|row| row.map(|row| row.as_primitive::<Int32Type>().values().to_vec())).collect();
    assert_eq!(flags, [Some(vec![0, 0]), None, Some(vec![0, 0]), Some(vec![1])]);
    // A missing list is one missing value.
    assert_eq!((judged.findings[0].n_checked, judged.findings[0].n_failed), (6, 2));
    assert_eq!(judged.findings[0].first_rows, [2, 3]);
    assert_eq!(cells(&judged.batch["v"])[0], Some(vec![Some(1.0), None]));
    assert_eq!(judged.rescued.unwrap()[0].as_deref(), Some(r#"{"v":[1.0,50.0]}"#));
}

/// Lists within lists have flags of the same shape.
#[test]
fn nested_lists_keep_their_shape() {
    let inner = |rows: &[Cell]| lists(rows);
    let item = Arc::new(Field::new("element", inner(&[]).data_type().clone(), true));
    let leafs = inner(&[Some(some(&[1.0, 99.0])), Some(some(&[3.0])), Some(vec![]), Some(vec![None])]);
    let offsets = arrow::buffer::OffsetBuffer::from_lengths([2, 0, 2]);
    let v: ArrayRef = Arc::new(ListArray::new(item, offsets, leafs, None));
    let q = check(QualityCheck::Max(Level::Fail), &["v"], &[Then::Flag, Then::Remove]);
    let judged = judge(&[q], times((0..3).map(Some).collect()), v).unwrap();
    let text = |column: &str| {
        let texts = lakegate_format::typed_conform::json_text(&judged.batch[column]).unwrap();
        texts.as_string::<i32>().iter().map(|t| t.unwrap().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(text("qc_v"), ["[[0,1],[0]]", "[]", "[[],[0]]"]);
    assert_eq!(text("v"), ["[[1.0,null],[3.0]]", "[]", "[[],[null]]"]);
}

#[test]
fn a_file_without_rows_has_findings() {
    let q = check(QualityCheck::Missing, &["v", "time"], FLAG);
    let judged = judge(&[q], times(vec![]), Arc::new(Float64Array::from(Vec::<f64>::new()))).unwrap();
    assert_eq!(judged.batch.num_rows(), 0);
    assert_eq!(judged.findings.iter().map(|f| f.n_checked).collect::<Vec<_>>(), [0, 0]);
}

const WORDS: usize = 9;

fn any_check(rng: &mut fastrand::Rng) -> QualityCheck {
    match rng.usize(..WORDS) {
        0 => QualityCheck::Missing,
        1 => QualityCheck::Min(Level::Fail),
        2 => QualityCheck::Max(Level::Fail),
        3 => QualityCheck::Max(Level::Warn),
        4 => QualityCheck::Delta(Level::Valid),
        5 => QualityCheck::Std(Level::Valid),
        6 => QualityCheck::Ordered(Order::Increasing),
        7 => QualityCheck::Ordered(Order::Decreasing),
        _ => QualityCheck::Ordered(Order::Majority),
    }
}

fn any_quality(rng: &mut fastrand::Rng, bit: u32) -> Quality {
    let ordered = |c: &QualityCheck| matches!(c, QualityCheck::Ordered(_));
    let of_time = rng.bool();
    let mut found = any_check(rng);
    while of_time && !ordered(&found) && found != QualityCheck::Missing {
        found = any_check(rng);
    }
    let columns: &[&str] = match of_time {
        true => &["time"],
        false if ordered(&found) => &["v"],
        false => [&["v"][..], &["w"], &["v", "w"]][rng.usize(..3)],
    };
    let all = [Then::Warn, Then::Flag, Then::Remove, Then::Sort { descending: rng.bool() }, Then::Fail];
    let mut then: Vec<Then> = all.into_iter().filter(|_| rng.usize(..3) == 0).collect();
    then.retain(|t| of_time || !matches!(t, Then::Sort { .. }));
    if then.is_empty() {
        then.push(Then::Flag);
    }
    rng.shuffle(&mut then);
    let base = check(found, columns, &then);
    Quality {
        name: format!("q{bit}"),
        bits: base.bits.keys().map(|c| (c.clone(), bit)).collect(),
        tolerate: Some(rng.f64()),
        null_fails: base.check != QualityCheck::Missing && rng.bool(),
        ..base
    }
}

fn any_value(rng: &mut fastrand::Rng) -> Option<f64> {
    (rng.usize(..5) > 0).then(|| f64::from(rng.i32(-3..16)))
}

/// Any checks in any order over any file come to what the reference comes to.
#[test]
fn checks_agree_with_the_reference() {
    let mut rng = fastrand::Rng::with_seed(20_261_121);
    let specs = [time_spec(), spec(), Column { name: "w".into(), ..spec() }];
    let mut n_stopped = 0;
    let rounds = 1500;
    for round in 0..rounds {
        let n = rng.usize(..13);
        let quality: Vec<Quality> = (0..rng.u32(1..5)).map(|bit| any_quality(&mut rng, bit)).collect();
        let time: Vec<Option<f64>> =
            (0..n).map(|_| (rng.usize(..6) > 0).then(|| f64::from(rng.i32(0..20)))).collect();
        let v: Vec<Cell> = (0..n).map(|_| Some(vec![any_value(&mut rng)])).collect();
        let w: Vec<Cell> = (0..n)
            .map(|_| {
                let len = if rng.usize(..4) == 0 { rng.usize(..4) } else { 2 };
                (rng.usize(..6) > 0).then(|| (0..len).map(|_| any_value(&mut rng)).collect())
            })
            .collect();
        let shape = |cells: &[Cell]| cells.iter().map(|c| c.as_ref().map(|v| vec![0; v.len()])).collect();
        let mut file = File {
            numbers: (1..=n as u64).collect(),
            time: time.clone(),
            flags: vec![shape(&v), shape(&w)],
            columns: vec![("v".into(), v.clone()), ("w".into(), w.clone())],
            time_flags: vec![0; n],
            n_dropped: 0,
        };
        let want = reference::judge(&mut file, &quality, &specs);

        let floats: Float64Array = v.iter().map(|c| c.as_ref().unwrap()[0]).collect();
        let columns = vec![
            times(time.iter().map(|t| t.map(|t| t as i64)).collect()),
            Arc::new(floats) as ArrayRef,
            lists(&w),
        ];
        let names = ["time", "v", "w"];
        let fields: Vec<Field> = names
            .iter()
            .zip(&columns)
            .map(|(name, c)| Field::new(*name, c.data_type().clone(), true))
            .collect();
        let stage =
            Stage::compile(&quality, &specs, &["time".into()], Arc::new(Schema::new(fields))).unwrap();
        let numbers = Int64Array::from_iter_values(1..=n as i64);
        let got = stage.judge(Rows { columns, numbers, rescued: None });
        let (want, got) = match (want, got) {
            (Err(name), Err(failure)) => {
                assert!(failure.message.contains(&format!("`{name}`")), "{round}: {failure}");
                n_stopped += 1;
                continue;
            }
            (Ok(want), Ok(got)) => (want, got),
            (want, got) => panic!("{round}: {want:?} and {got:?}\n{quality:#?}\n{time:?}\n{v:?}\n{w:?}"),
        };
        let context = format!("round {round}: {quality:#?}\n{time:?}\n{v:?}\n{w:?}");
        let tallies: Vec<reference::Tally> = got
            .findings
            .iter()
            .map(|f| (f.name.clone(), f.n_checked, f.n_failed, f.first_rows.clone()))
            .collect();
        assert_eq!(tallies, want, "{context}");
        assert_eq!(got.n_dropped, file.n_dropped, "{context}");
        let rows: Vec<u64> = got.numbers.values().iter().map(|n| *n as u64).collect();
        assert_eq!(rows, file.numbers, "{context}");
        assert!(got.places.iter().zip(&rows).all(|(p, n)| u64::from(*p) + 1 == *n), "{context}");
        let got_v: Vec<Cell> = values(&got, "v").into_iter().map(|v| Some(vec![v])).collect();
        assert_eq!(got_v, file.columns[0].1, "{context}");
        assert_eq!(cells(&got.batch["w"]), file.columns[1].1, "{context}");
        for (at, column) in ["v", "w"].into_iter().enumerate() {
            let Some(qc) = got.batch.column_by_name(&qc_name(column)) else { continue };
            let qc: Vec<Option<Vec<i32>>> = match qc.as_list_opt::<i32>() {
                Some(list) => list
                    .iter()
                    .map(|row| row.map(|row| row.as_primitive::<Int32Type>().values().to_vec()))
                    .collect(),
                None => qc.as_primitive::<Int32Type>().values().iter().map(|v| Some(vec![*v])).collect(),
            };
            assert_eq!(qc, file.flags[at], "{context}");
        }
        if let Some(qc) = got.batch.column_by_name("qc_time") {
            assert_eq!(qc.as_primitive::<Int32Type>().values().to_vec(), file.time_flags, "{context}");
        }
        // Nothing that was a value is lost: it is in the table or aside.
        let n_gone = v
            .iter()
            .zip(1_u64..)
            .filter(|(cell, n)| {
                let now = rows.iter().position(|r| r == n);
                now.is_some_and(|at| cell.as_ref().unwrap()[0].is_some() && got_v[at] == Some(vec![None]))
            })
            .count();
        let n_aside = got.rescued.iter().flatten().flatten().filter(|r| r.contains("\"v\"")).count();
        assert_eq!(n_gone, n_aside, "{context}");
    }
    assert!((rounds / 20..rounds / 2).contains(&n_stopped), "{n_stopped} files were stopped");
}

/// Figures of mhkit 1.1 (`GN2002`, which tsdat's check calls), for a sine with
/// three spikes.
#[test]
fn spikes_are_those_that_mhkit_finds() {
    let series = |n: usize| -> Vec<f64> {
        (0..n)
            .map(|i| {
                let x = i as f64;
                (x / 20.0).sin() + 0.1 * (x * 1.7).cos() + if [50, 300, 711].contains(&i) { 4.0 } else { 0.0 }
            })
            .collect()
    };
    let found = |n: usize| -> Vec<usize> {
        super::despike::spikes(&series(n)).iter().enumerate().filter_map(|(i, s)| s.then_some(i)).collect()
    };
    let around: Vec<usize> = [50, 300, 711].into_iter().flat_map(|i| i - 2..=i + 2).collect();
    assert_eq!(found(1000), around);
    // More than one block, and a last one that overlaps the one before.
    assert_eq!(found(12_000), around);
    assert_eq!(found(5), [2, 3, 4]);
    assert_eq!(found(11), [2, 3, 6, 7]);
    // Second differences take five values; mhkit calls all values of fewer spikes.
    for n in 0..5 {
        assert_eq!(found(n), Vec::<usize>::new());
    }
    assert!(super::despike::spikes(&[7.0; 100]).iter().all(|s| !s), "a flat series has no spikes");
}
