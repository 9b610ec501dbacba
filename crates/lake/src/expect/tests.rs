//! What each check says of true, false and NULL, and what follows by `on_fail`
//! and `tolerate`.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, TimeUnit};
use lakegate_domain::model::{Check, Column, Columns, Expectation, OnFail, Range, Scalar};
use lakegate_domain::{Code, Failure};

use super::{Checked, Checks, Finding};

pub(super) const EVERY_ON_FAIL: [OnFail; 6] =
    [OnFail::Warn, OnFail::Flag, OnFail::Null, OnFail::Drop, OnFail::Quarantine, OnFail::Reject];

fn utc() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// One column `v` and `_row`.
fn one_column(values: ArrayRef) -> RecordBatch {
    let rows: ArrayRef = Arc::new(Int64Array::from_iter_values(1..=values.len() as i64));
    let schema = Schema::new(vec![
        Field::new("v", values.data_type().clone(), true),
        Field::new("_row", DataType::Int64, true),
    ]);
    RecordBatch::try_new(Arc::new(schema), vec![values, rows]).unwrap()
}

pub(super) fn of_v(check: Check, on_fail: OnFail) -> Expectation {
    Expectation {
        name: "rule".into(),
        columns: Columns::Named(vec!["v".into()]),
        check,
        on_fail,
        tolerate: None,
        null_fails: false,
    }
}

pub(super) fn compile(
    expect: &[Expectation],
    columns: &[Column],
    schema: &SchemaRef,
) -> Result<Checks, Failure> {
    // Nothing in it waits, so any executor will do.
    futures::executor::block_on(Checks::compile(expect, columns, schema.clone()))
}

fn check_all(expect: &[Expectation], batch: &RecordBatch) -> (Checked, Vec<Finding>, Option<Failure>) {
    let checks = compile(expect, &[], batch.schema_ref()).unwrap();
    let mut file = checks.start();
    let checked = file.check(batch.clone()).unwrap();
    let (findings, failure) = file.finish();
    (checked, findings, failure)
}

/// By row, whether it fails `check`, with NULL passing and with NULL failing.
fn verdicts(check: Check, values: ArrayRef, columns: &[Column]) -> (Vec<u8>, Vec<u8>) {
    let batch = one_column(values);
    let run = |null_fails: bool| {
        let e = Expectation { null_fails, ..of_v(check.clone(), OnFail::Flag) };
        let checks = compile(&[e], columns, batch.schema_ref()).unwrap();
        let checked = checks.start().check(batch.clone()).unwrap();
        match checked.flags {
            None => vec![0; batch.num_rows()],
            Some(flags) => flags.iter().map(|f| u8::from(!f.is_empty())).collect(),
        }
    };
    (run(false), run(true))
}

pub(super) fn range(min: Option<Scalar>, max: Option<Scalar>) -> Check {
    Check::InRange { min, max }
}

pub(super) fn int(v: i64) -> Option<Scalar> {
    Some(Scalar::Int(v))
}

pub(super) fn float(v: f64) -> Option<Scalar> {
    Some(Scalar::Float(v))
}

pub(super) fn text(v: &str) -> Option<Scalar> {
    Some(Scalar::Text(v.into()))
}

pub(super) fn set(members: &[Option<Scalar>]) -> Check {
    Check::InSet(members.iter().flatten().cloned().collect())
}

/// Compares failing rows, `1` for each that fails: `want` where NULL passes,
/// `want_null` where it fails.
fn expect_verdicts(check: Check, values: ArrayRef, want: &[u8], want_null: &[u8]) {
    let said = format!("{check:?} of {:?}", values.data_type());
    let (passing, failing) = verdicts(check, values, &[]);
    assert_eq!((passing.as_slice(), failing.as_slice()), (want, want_null), "{said}");
}

fn ints(v: &[Option<i64>]) -> ArrayRef {
    Arc::new(Int64Array::from(v.to_vec()))
}

fn floats(v: &[Option<f64>]) -> ArrayRef {
    Arc::new(Float64Array::from(v.to_vec()))
}

fn texts(v: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(v.to_vec()))
}

fn times(v: &[&str]) -> ArrayRef {
    let micros = v.iter().map(|t| t.parse::<jiff::Timestamp>().unwrap().as_microsecond());
    Arc::new(TimestampMicrosecondArray::from_iter_values(micros).with_timezone("UTC"))
}

#[test]
fn every_check_of_true_false_and_null() {
    let three = || ints(&[Some(5), Some(50), None]);
    expect_verdicts(Check::Present, three(), &[0, 0, 1], &[0, 0, 1]);
    expect_verdicts(range(int(0), int(10)), three(), &[0, 1, 0], &[0, 1, 1]);
    expect_verdicts(set(&[int(5), int(6)]), three(), &[0, 1, 0], &[0, 1, 1]);
    expect_verdicts(Check::Matches(r"\d".into()), three(), &[0, 1, 0], &[0, 1, 1]);
    expect_verdicts(Check::Sql("v < 10".into()), three(), &[0, 1, 0], &[0, 1, 1]);
    expect_verdicts(
        Check::Unique,
        ints(&[Some(1), Some(2), Some(1), None, None, Some(1)]),
        &[0, 0, 1, 0, 0, 1],
        &[0, 0, 1, 1, 1, 1],
    );
    expect_verdicts(
        Check::Increasing,
        ints(&[Some(1), None, Some(1), Some(9), Some(4), Some(10)]),
        &[0, 0, 1, 0, 1, 0],
        &[0, 1, 1, 0, 1, 0],
    );
    expect_verdicts(
        Check::Decreasing,
        ints(&[Some(9), Some(9), Some(4), None, Some(5), Some(3)]),
        &[0, 1, 0, 0, 1, 0],
        &[0, 1, 0, 1, 1, 0],
    );
    let column =
        Column { valid_range: Some(Range { min: Some(0.0), max: Some(10.0) }), ..Column::named("v") };
    assert_eq!(verdicts(Check::InValidRange, three(), &[column]), (vec![0, 1, 0], vec![0, 1, 1]));
}

#[test]
fn ranges_are_of_the_columns_own_type() {
    let same = |check: Check, values: ArrayRef, want: &[u8]| expect_verdicts(check, values, want, want);
    // Bounds are inclusive; NaN lies nowhere; both zeros are zero.
    same(
        range(float(0.0), float(1.5)),
        floats(&[Some(-0.0), Some(0.0), Some(1.5), Some(1.6), Some(f64::NAN), Some(f64::INFINITY)]),
        &[0, 0, 0, 1, 1, 1],
    );
    same(range(float(0.0), None), floats(&[Some(f64::NAN), Some(f64::INFINITY), Some(-1.0)]), &[1, 0, 1]);
    // The nearest of its own precision is what was meant.
    same(range(None, float(0.1)), Arc::new(Float32Array::from(vec![0.1f32, 0.2])), &[0, 1]);
    same(range(float(1.5), float(3.5)), ints(&[Some(1), Some(2), Some(3), Some(4)]), &[1, 0, 0, 1]);
    same(range(float(-1.5), None), ints(&[Some(-2), Some(-1)]), &[1, 0]);
    same(range(float(1e30), None), ints(&[Some(i64::MAX)]), &[1]);
    same(range(float(-1e300), float(1e300)), ints(&[Some(i64::MAX), Some(i64::MIN)]), &[0, 0]);
    same(range(None, float(-1e300)), ints(&[Some(i64::MIN)]), &[1]);
    same(range(int(0), int(10)), Arc::new(Int32Array::from(vec![-1, 0, 10, 11])), &[1, 0, 0, 1]);
    same(range(None, int(i64::MAX)), Arc::new(UInt64Array::from(vec![1u64, u64::MAX])), &[0, 1]);
    let decimals = Decimal128Array::from(vec![10, 11, 12, -11]).with_precision_and_scale(9, 1).unwrap();
    same(range(float(-1.05), float(1.15)), Arc::new(decimals), &[0, 0, 1, 1]);
    let wide = Decimal128Array::from(vec![i128::pow(10, 37)]).with_precision_and_scale(38, 0).unwrap();
    same(range(text("10000000000000000000000000000000000000"), None), Arc::new(wide.clone()), &[0]);
    same(range(text("10000000000000000000000000000000000000.5"), None), Arc::new(wide), &[1]);
    same(range(text("b"), text("d")), texts(&[Some("a"), Some("b"), Some("d"), Some("da")]), &[1, 0, 0, 1]);
    same(range(text("b"), None), Arc::new(StringViewArray::from(vec!["a", "b"])), &[1, 0]);
    // 2026-01-01 is day 20454.
    let days = || Arc::new(Date32Array::from(vec![20453, 20454, 20455]));
    same(range(text("2026-01-01"), text("2026-01-01")), days(), &[1, 0, 1]);
    same(range(text("2026-01-01T12:00:00Z"), None), days(), &[1, 1, 0]);
    same(range(None, text("2026-01-01T12:00:00Z")), days(), &[0, 0, 1]);
    let instants = times(&["2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"]);
    same(range(text("2026-01-01"), None), instants.clone(), &[1, 0, 0]);
    same(range(None, text("2026-01-01T01:00:00+01:00")), instants, &[0, 0, 1]);
}

#[test]
fn sets_compare_by_value() {
    let same = |check: Check, values: ArrayRef, want: &[u8]| expect_verdicts(check, values, want, want);
    same(set(&[int(1), float(2.0), float(2.5)]), ints(&[Some(1), Some(2), Some(3)]), &[0, 0, 1]);
    same(
        set(&[int(0), float(2.5)]),
        floats(&[Some(-0.0), Some(2.5), Some(2.0), Some(f64::NAN)]),
        &[0, 0, 1, 1],
    );
    same(set(&[float(0.1)]), Arc::new(Float32Array::from(vec![0.1f32, 0.2])), &[0, 1]);
    same(set(&[int(7), text("a")]), texts(&[Some("7"), Some("a"), Some("b")]), &[0, 0, 1]);
    same(set(&[Some(Scalar::Bool(true))]), Arc::new(BooleanArray::from(vec![true, false])), &[0, 1]);
    let decimals = Decimal128Array::from(vec![110, 115]).with_precision_and_scale(9, 2).unwrap();
    same(set(&[float(1.1), float(1.155)]), Arc::new(decimals), &[0, 1]);
    same(set(&[text("2026-01-01")]), Arc::new(Date32Array::from(vec![20454, 20455])), &[0, 1]);
    same(set(&[text("2026-01-01T01:00:00+01:00")]), times(&["2026-01-01T00:00:00Z"]), &[0]);
}

#[test]
fn a_pattern_matches_the_whole_text() {
    let same = |pattern: &str, values: &[Option<&str>], want: &[u8]| {
        expect_verdicts(Check::Matches(pattern.into()), texts(values), want, want);
    };
    same("a|ab", &[Some("a"), Some("ab"), Some("abc"), Some("xa"), Some("a\n")], &[0, 0, 1, 1, 1]);
    same("(?x) a b # both", &[Some("ab"), Some("a b")], &[0, 1]);
    same("", &[Some(""), Some("a")], &[0, 1]);
}

#[test]
fn order_takes_no_bad_value_as_its_last() {
    let same = |check: Check, values: ArrayRef, want: &[u8]| expect_verdicts(check, values, want, want);
    same(
        Check::Increasing,
        floats(&[Some(f64::NAN), Some(1.0), Some(f64::NAN), Some(2.0), Some(1.5), Some(3.0)]),
        &[1, 0, 1, 0, 1, 0],
    );
    same(Check::Increasing, texts(&[Some("a"), Some("b"), Some("B"), Some("c")]), &[0, 0, 1, 0]);
    same(
        Check::Decreasing,
        times(&["2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"]),
        &[0, 0, 1],
    );
    let decimals = Decimal128Array::from(vec![1, 3, 2, 4]).with_precision_and_scale(9, 1).unwrap();
    same(Check::Increasing, Arc::new(decimals), &[0, 0, 1, 0]);
    same(Check::Increasing, Arc::new(Date32Array::from(vec![1, 1, 2])), &[0, 1, 0]);
}

#[test]
fn equal_floats_are_duplicates() {
    let same = |values: ArrayRef, want: &[u8]| expect_verdicts(Check::Unique, values, want, want);
    same(floats(&[Some(0.0), Some(-0.0), Some(f64::NAN), Some(-f64::NAN), Some(1.0)]), &[0, 1, 0, 1, 0]);
    same(Arc::new(Float32Array::from(vec![0.0f32, -0.0])), &[0, 1]);
    same(texts(&[Some("a"), Some(""), Some("a")]), &[0, 0, 1]);
}

#[test]
fn a_whole_row_repeats_with_its_nulls() {
    let schema = Arc::new(Schema::new(vec![
        Field::new("a", DataType::Int64, true),
        Field::new("b", DataType::Utf8, true),
        Field::new("_row", DataType::Int64, true),
    ]));
    let batch = RecordBatch::try_new(
        schema,
        vec![
            ints(&[Some(1), Some(1), Some(1), None]),
            texts(&[None, Some("x"), None, Some("x")]),
            ints(&[Some(1), Some(2), Some(3), Some(4)]),
        ],
    )
    .unwrap();
    let e = Expectation { columns: Columns::All, ..of_v(Check::Unique, OnFail::Drop) };
    let (checked, ..) = check_all(std::slice::from_ref(&e), &batch);
    assert_eq!(checked.dropped, [(2, "rule".to_string())]);
    assert_eq!(checked.n_duplicates, 1);
    let (checked, ..) = check_all(&[Expectation { null_fails: true, ..e }], &batch);
    assert_eq!(checked.dropped.iter().map(|d| d.0).collect::<Vec<_>>(), [0, 2, 3]);
}

/// Each check with one value that holds, one that does not, and NULL.
fn every_check() -> Vec<(Check, ArrayRef)> {
    let plain = || ints(&[Some(5), Some(50), None]);
    vec![
        (Check::Present, plain()),
        (range(int(0), int(10)), plain()),
        (set(&[int(5)]), plain()),
        (Check::Matches(r"\d".into()), plain()),
        (Check::Sql("v < 10".into()), plain()),
        (Check::Unique, ints(&[Some(5), Some(5), None])),
        (Check::Increasing, ints(&[Some(5), Some(4), None])),
        (Check::Decreasing, ints(&[Some(5), Some(6), None])),
    ]
}

#[test]
fn what_follows_every_check_by_on_fail_and_tolerate() {
    for (check, values) in every_check() {
        let batch = one_column(values);
        for on_fail in EVERY_ON_FAIL {
            for null_fails in [false, true] {
                for tolerate in [None, Some(0.0), Some(1.0 / 3.0), Some(2.0 / 3.0), Some(1.0)] {
                    let e = Expectation { null_fails, tolerate, ..of_v(check.clone(), on_fail) };
                    let said = format!("{e:?}");
                    let fails: Vec<usize> = match check {
                        Check::Present => vec![2],
                        _ if null_fails => vec![1, 2],
                        _ => vec![1],
                    };
                    let (checked, findings, failure) = check_all(&[e], &batch);

                    let gone: Vec<usize> = if matches!(on_fail, OnFail::Drop | OnFail::Quarantine) {
                        fails.clone()
                    } else {
                        vec![]
                    };
                    assert_eq!(checked.pass.num_rows(), 3 - gone.len(), "{said}");
                    let kept: Option<Vec<bool>> =
                        (!gone.is_empty()).then(|| (0..3).map(|r| !gone.contains(&r)).collect());
                    assert_eq!(
                        checked.kept.as_ref().map(|k| k.values().iter().collect::<Vec<_>>()),
                        kept,
                        "{said}"
                    );
                    let quarantined: Vec<usize> = checked.quarantined.iter().map(|q| q.0).collect();
                    let dropped: Vec<usize> = checked.dropped.iter().map(|d| d.0).collect();
                    assert_eq!(
                        quarantined,
                        if on_fail == OnFail::Quarantine { &fails[..] } else { &[] },
                        "{said}"
                    );
                    assert_eq!(dropped, if on_fail == OnFail::Drop { &fails[..] } else { &[] }, "{said}");
                    let duplicates = if check == Check::Unique { dropped.len() as u64 } else { 0 };
                    assert_eq!(checked.n_duplicates, duplicates, "{said}");
                    assert_eq!(checked.flags.is_some(), on_fail == OnFail::Flag, "{said}");
                    for (row, flags) in checked.flags.iter().flatten().enumerate() {
                        assert_eq!(flags.len(), usize::from(fails.contains(&row)), "{said}");
                    }
                    // The value that is nulled is row 1's: the other was null before.
                    let nulls = on_fail == OnFail::Null && check != Check::Present;
                    assert_eq!(checked.nulled.len(), usize::from(nulls), "{said}");
                    let n_null = usize::from(!gone.contains(&2)) + usize::from(nulls);
                    assert_eq!(checked.pass.column(0).null_count(), n_null, "{said}");

                    let share = fails.len() as f64 / 3.0;
                    let code = match (on_fail, tolerate) {
                        (OnFail::Reject, t) => (share > t.unwrap_or(0.0)).then_some(Code::Rejected),
                        (_, Some(t)) => (share > t).then_some(Code::TooManyBad),
                        (_, None) => None,
                    };
                    assert_eq!(failure.map(|f| f.code), code, "{said}");
                    assert_eq!(findings.len(), 1, "{said}");
                    let f = &findings[0];
                    assert_eq!((f.n_checked, f.n_failed), (3, fails.len() as u64), "{said}");
                    assert_eq!(
                        f.first_rows,
                        fails.iter().map(|r| *r as u64 + 1).collect::<Vec<_>>(),
                        "{said}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_number_of_rows_is_judged_at_the_end() {
    for (min, max, n, on_fail, n_failed, code) in [
        (Some(2), None, 1, OnFail::Reject, 1, Some(Code::Rejected)),
        (Some(2), None, 1, OnFail::Warn, 1, None),
        (Some(2), Some(4), 2, OnFail::Reject, 0, None),
        (Some(2), Some(4), 4, OnFail::Reject, 0, None),
        (None, Some(4), 5, OnFail::Reject, 1, Some(Code::Rejected)),
        (Some(1), None, 0, OnFail::Reject, 1, Some(Code::Rejected)),
    ] {
        let e = Expectation { columns: Columns::None, ..of_v(Check::Rows { min, max }, on_fail) };
        let schema = one_column(ints(&[])).schema();
        let mut file = compile(&[e], &[], &schema).unwrap().start();
        for _ in 0..n {
            let checked = file.check(one_column(ints(&[Some(1)]))).unwrap();
            assert_eq!(checked.pass.num_rows(), 1);
        }
        let (findings, failure) = file.finish();
        assert_eq!((findings[0].n_checked, findings[0].n_failed), (1, n_failed));
        assert_eq!(failure.map(|f| f.code), code, "{min:?} {max:?} {n}");
    }
}

#[test]
fn the_strictest_action_wins_and_all_marks_of_a_row_that_stays_are_made() {
    let named = |name: &str, max: i64, on_fail: OnFail| Expectation {
        name: name.into(),
        ..of_v(range(None, int(max)), on_fail)
    };
    let expect = [
        named("w", 10, OnFail::Warn),
        named("f1", 20, OnFail::Flag),
        named("f2", 30, OnFail::Flag),
        named("n1", 40, OnFail::Null),
        named("n2", 41, OnFail::Null),
        named("d1", 50, OnFail::Drop),
        named("d2", 60, OnFail::Drop),
        named("q1", 70, OnFail::Quarantine),
        named("q2", 80, OnFail::Quarantine),
        Expectation { tolerate: Some(0.2), ..named("r", 90, OnFail::Reject) },
    ];
    let batch =
        one_column(ints(&[Some(5), Some(15), Some(35), Some(45), Some(55), Some(65), Some(75), Some(95)]));
    let mut shuffled = expect.to_vec();
    shuffled.reverse();
    for (order, reversed) in [(expect.to_vec(), false), (shuffled, true)] {
        let list = |names: &[&str]| {
            let mut names = names.to_vec();
            if reversed {
                names.reverse();
            }
            names.join(",")
        };
        let (checked, findings, failure) = check_all(&order, &batch);
        assert_eq!(failure, None, "one of eight is tolerated");
        assert_eq!(findings.iter().find(|f| f.name == "r").unwrap().n_failed, 1);
        assert_eq!(
            checked.dropped,
            [(4, list(&["d1"])), (5, list(&["d1", "d2"]))],
            "what is quarantined is not dropped"
        );
        let quarantined: Vec<_> = checked.quarantined.iter().map(|(r, n, _)| (*r, n.clone())).collect();
        assert_eq!(quarantined, [(6, list(&["q1"])), (7, list(&["q1", "q2"]))]);
        let flags: Vec<String> = checked.flags.unwrap().iter().map(|f| f.join(",")).collect();
        assert_eq!(flags, ["".to_string(), "".into(), list(&["f1", "f2"]), list(&["f1", "f2"])]);
        assert_eq!(checked.nulled, [(3, "v".to_string(), "45".to_string())], "once, though two say so");
        assert_eq!(
            checked.pass.column(0).as_primitive::<Int64Type>().iter().collect::<Vec<_>>(),
            [Some(5), Some(15), Some(35), None]
        );
        assert_eq!(checked.pass.column(1).as_primitive::<Int64Type>().values(), &[1, 2, 3, 4]);
    }
}

#[test]
fn a_value_that_is_nulled_is_kept_as_json() {
    let nulled = |values: ArrayRef| {
        let e = of_v(Check::Sql("false".into()), OnFail::Null);
        let (checked, ..) = check_all(&[e], &one_column(values));
        assert_eq!(checked.pass.column(0).null_count(), checked.pass.num_rows());
        checked.nulled.into_iter().map(|(_, _, v)| v).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(nulled(ints(&[Some(1), None, Some(i64::MAX)])), r#"1 "9223372036854775807""#);
    assert_eq!(nulled(floats(&[Some(1.5), Some(f64::NAN)])), r#"1.5 "NaN""#);
    assert_eq!(nulled(texts(&[Some("a\"b")])), r#""a\"b""#);
    assert_eq!(nulled(Arc::new(BooleanArray::from(vec![true]))), "true");
    assert_eq!(nulled(times(&["2026-01-01T00:00:00Z"])), r#""2026-01-01T00:00:00Z""#);
    let decimals = Decimal128Array::from(vec![110]).with_precision_and_scale(9, 2).unwrap();
    assert_eq!(nulled(Arc::new(decimals)), r#""1.10""#);
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>([Some([Some(1), None]), None]);
    assert_eq!(nulled(Arc::new(list)), "[1,null]");
}

#[test]
fn reasons_are_sentences() {
    let reason = |e: Expectation, values: ArrayRef| {
        let (checked, ..) = check_all(&[e], &one_column(values));
        checked.quarantined.into_iter().map(|(_, _, r)| r).collect::<Vec<_>>().join(" | ")
    };
    let of = |check: Check| Expectation { null_fails: true, ..of_v(check, OnFail::Quarantine) };
    let all = [
        reason(of(range(int(0), int(150))), ints(&[Some(230), None])),
        reason(of(range(int(0), None)), ints(&[Some(-1)])),
        reason(of(range(None, float(1.5))), ints(&[Some(2)])),
        reason(of(Check::Present), ints(&[None])),
        reason(of(set(&[text("a"), text("b")])), texts(&[Some("c")])),
        reason(of(set(&(1..12).map(int).collect::<Vec<_>>())), ints(&[Some(0)])),
        reason(of(Check::Matches("[a-z]+".into())), texts(&[Some("A"), Some(&"ä".repeat(90))])),
        reason(of(Check::Increasing), ints(&[Some(5), Some(4), None, Some(6), Some(6)])),
        reason(of(Check::Unique), ints(&[Some(5), Some(5), None])),
        reason(of(Check::Sql("v < 10 and v > 0".into())), ints(&[Some(50), None])),
        reason(of(Check::Sql("false".into())), ints(&[Some(1)])),
    ];
    assert_eq!(
        all,
        [
            "v = 230 is not in range 0 to 150 | v is missing",
            "v = -1 is not in range 0 and above",
            "v = 2 is not in range 1.5 and below",
            "v is missing",
            "v = 'c' is not one of a, b",
            "v = 0 is not one of 1, 2, 3, 4, 5, 6, 7, 8 and 3 more",
            &format!("v = 'A' does not match `[a-z]+` | v = '{}…' does not match `[a-z]+`", "ä".repeat(80)),
            "v = 4 does not increase: the value before is 5 | v is missing | v = 6 does not increase: the value before is 6",
            "v = 5 was in an earlier row of the file | v = NULL has no value to compare",
            "`v < 10 and v > 0` does not hold (v = 50) | `v < 10 and v > 0` does not hold (v = NULL)",
            "`false` does not hold",
        ]
    );
}

#[test]
fn failures_name_the_expectation_the_counts_and_the_rows() {
    let mut values: Vec<Option<i64>> = vec![Some(1); 100];
    for row in [3, 8, 16, 20, 30, 40] {
        values[row] = Some(230);
    }
    let batch = one_column(ints(&values));
    let of = |name: &str, on_fail, tolerate| Expectation {
        name: name.into(),
        tolerate,
        ..of_v(range(int(0), int(150)), on_fail)
    };
    let message = |expect: &[Expectation]| check_all(expect, &batch).2.unwrap().to_string();
    assert_eq!(
        message(&[of("speed", OnFail::Reject, None)]),
        "LG501: expectation `speed`: a value is not in range 0 to 150 in 6 of 100 rows; \
         rows 4, 9, 17, 21, 31, …, for example v = 230"
    );
    assert_eq!(
        message(&[of("speed", OnFail::Drop, Some(0.05)), of("more", OnFail::Reject, Some(0.0125))]),
        "LG501: expectation `more`: a value is not in range 0 to 150 in 6 of 100 rows, more than the tolerated \
         1.25 %; rows 4, 9, 17, 21, 31, …, for example v = 230; and also by `speed`"
    );
    assert_eq!(
        check_all(&[of("speed", OnFail::Drop, Some(0.06))], &batch).2,
        None,
        "six of a hundred are 0.06"
    );
    let one = one_column(ints(&[Some(5)]));
    let e = of_v(Check::Sql("v < 5".into()), OnFail::Reject);
    assert_eq!(
        check_all(&[e], &one).2.unwrap().message,
        "expectation `rule`: `v < 5` does not hold in 1 of 1 row; row 1, for example v = 5"
    );
    let e = of_v(Check::Rows { min: Some(10), max: None }, OnFail::Reject);
    assert_eq!(
        check_all(&[e], &one).2.unwrap().message,
        "expectation `rule`: the file has 1 row, fewer than 10"
    );
}

#[test]
fn all_columns_means_those_that_the_check_can_apply_to() {
    let schema: SchemaRef = Arc::new(Schema::new(vec![
        Field::new("a", DataType::Int64, true),
        Field::new("b", DataType::Utf8, true),
        Field::new("t", utc(), true),
        Field::new("undeclared", DataType::Int64, true),
        Field::new("_row", DataType::Int64, true),
    ]));
    let declared = [
        Column { valid_range: Some(Range { min: Some(0.0), max: Some(1.0) }), ..Column::named("a") },
        Column { valid_range: Some(Range { min: Some(0.0), max: Some(1.0) }), ..Column::named("b") },
        Column::named("t"),
    ];
    let names = |check: Check, declared: &[Column]| {
        let e = Expectation { columns: Columns::All, ..of_v(check, OnFail::Warn) };
        let (findings, _) = compile(&[e], declared, &schema).unwrap().start().finish();
        findings.into_iter().map(|f| f.name).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(Check::Present, &declared), "rule[a] rule[b] rule[t]");
    assert_eq!(names(Check::Present, &[]), "rule[a] rule[b] rule[t] rule[undeclared]");
    assert_eq!(names(Check::InValidRange, &declared), "rule");
    assert_eq!(names(range(text("2026-01-01"), None), &declared), "rule[b] rule[t]");
    assert_eq!(names(range(text("2026-01-01"), None), &declared[..1]), "");
    assert_eq!(names(Check::Unique, &declared), "rule");
}

#[test]
fn what_does_not_compile_says_why() {
    let schema: SchemaRef = Arc::new(Schema::new(vec![
        Field::new("v", DataType::Int64, true),
        Field::new("b", DataType::Boolean, true),
        Field::new("t", utc(), true),
        Field::new("fixed", DataType::Int64, false),
        Field::new("bytes", DataType::Binary, true),
    ]));
    let why = |column: &str, check: Check, on_fail: OnFail| {
        let columns = Columns::Named(vec![column.into()]);
        let failure = compile(&[Expectation { columns, ..of_v(check, on_fail) }], &[], &schema).unwrap_err();
        assert_eq!(failure.code, Code::ExpectationSql);
        failure.message.strip_prefix("expectation `rule`: ").expect("it is named").to_string()
    };
    let sql = |text: &str| why("v", Check::Sql(text.into()), OnFail::Warn);
    let all = [
        why("w", Check::Present, OnFail::Warn),
        why("v", range(text("much"), None), OnFail::Warn),
        why("v", range(float(f64::NAN), None), OnFail::Warn),
        why("t", range(int(5), None), OnFail::Warn),
        why("t", set(&[text("yesterday")]), OnFail::Warn),
        why("b", range(int(0), None), OnFail::Warn),
        why("bytes", set(&[int(1)]), OnFail::Warn),
        why("bytes", Check::Matches("a".into()), OnFail::Warn),
        why("v", Check::Matches("a)(b".into()), OnFail::Warn),
        why("b", Check::Increasing, OnFail::Warn),
        why("v", Check::InValidRange, OnFail::Warn),
        why("fixed", Check::Present, OnFail::Null),
        why("v", Check::Rows { min: None, max: None }, OnFail::Drop),
        sql("v +"),
        sql("w > 1"),
        sql("v + 1"),
        sql("random() < 1"),
        sql("t < now()"),
        sql("v in (select 1)"),
        sql("sum(v) > 1"),
        sql("v > 1; select 1"),
    ];
    assert_eq!(
        all,
        [
            "there is no column `w`; the columns are `v`, `b`, `t`, `fixed`, `bytes`",
            "column `v`: `much` is not a number",
            "column `v`: `NaN` is not a number",
            "column `t`: `5` is not a time such as 2026-01-31T08:00:00Z",
            "column `t`: `yesterday` is not a time such as 2026-01-31T08:00:00Z",
            "column `b`: true and false have no range",
            "column `bytes`: values of type Binary do not compare",
            "column `bytes`: a pattern needs text, and its type is Binary",
            "column `v`: the pattern is not a regular expression: unopened group",
            "column `b`: true and false have no order",
            "column `v`: it has no `valid_range`",
            "column `fixed` must not be null",
            "a number of rows is about the whole file: `on_fail` is `warn` or `reject`",
            "`v +`: the statement cannot be understood: expected an expression, found its end",
            "`w > 1`: line 1, column 1: there is no column `w`; the columns are `v`, `b`, `t`, `fixed`, `bytes`",
            "`v + 1` is of type Int64; a predicate is true or false",
            "`random() < 1` calls random(), whose answer changes; a file must be judged the same whenever it is read",
            "`t < now()` calls now(), whose answer changes; a file must be judged the same whenever it is read",
            "`v in (select 1)` holds a query; an expectation looks at one row of one file",
            "`sum(v) > 1` looks at several rows; an expectation looks at one",
            "`v > 1; select 1`: line 1, column 6: the statement cannot be understood: expected end of expression, found ;",
        ]
    );
    let failure = compile(
        &[Expectation { columns: Columns::None, ..of_v(Check::Sql("v > 1".into()), OnFail::Null) }],
        &[],
        &schema,
    )
    .unwrap_err();
    assert!(failure.message.contains("needs `column:`"), "{failure}");
}

#[test]
fn a_predicate_fails_for_a_row_only_by_itself() {
    let values = ints(&[Some(4), Some(0), None, Some(1), Some(0), Some(2)]);
    let (checked, ..) = check_all(
        &[of_v(Check::Sql("v <> 0 and 8 / v > 3".into()), OnFail::Flag)],
        &one_column(values.clone()),
    );
    let failed: Vec<bool> = checked.flags.unwrap().iter().map(|f| !f.is_empty()).collect();
    assert_eq!(failed, [true, true, false, false, true, false]);

    let checks = compile(
        &[of_v(Check::Sql("8 / v > 3".into()), OnFail::Flag)],
        &[],
        one_column(values.clone()).schema_ref(),
    )
    .unwrap();
    let failure = checks.start().check(one_column(values)).unwrap_err();
    assert_eq!(failure.code, Code::ExpectationSql);
    assert!(failure.message.starts_with("expectation `rule` failed in row 2: division by zero"), "{failure}");
}

#[test]
fn columns_are_found_by_name() {
    let batch = one_column(ints(&[Some(1), Some(200)]));
    let checks = compile(&[of_v(range(None, int(10)), OnFail::Quarantine)], &[], batch.schema_ref()).unwrap();
    let turned = batch.project(&[1, 0]).unwrap();
    let checked = checks.start().check(turned).unwrap();
    assert_eq!(checked.quarantined.len(), 1);
    assert_eq!(checked.pass.schema().field(0).name(), "_row");
    let without = batch.project(&[1]).unwrap();
    assert_eq!(checks.start().check(without).unwrap_err().code, Code::Bug);
    let other_type = one_column(texts(&[Some("1")]));
    assert_eq!(checks.start().check(other_type).unwrap_err().code, Code::Bug);
}

#[test]
fn nothing_to_check_passes_the_batch_as_it_is() {
    let batch = one_column(ints(&[Some(1)]));
    let checks = compile(&[], &[], batch.schema_ref()).unwrap();
    assert!(checks.is_empty());
    let mut file = checks.start();
    assert_eq!(file.check(batch.clone()).unwrap(), Checked::untouched(batch));
    assert_eq!(file.finish(), (vec![], None));
}

#[test]
fn what_unique_remembers_is_counted() {
    let batch = one_column(ints(&(0..10_000).map(Some).collect::<Vec<_>>()));
    let e = Expectation { check: Check::Unique, ..of_v(range(None, int(10)), OnFail::Drop) };
    let checks = compile(&[e], &[], batch.schema_ref()).unwrap();
    let mut file = checks.start();
    assert_eq!(file.memory_bytes(), 0);
    file.check(batch.clone()).unwrap();
    let held = file.memory_bytes();
    assert!((160_000..500_000).contains(&held), "{held}");
    file.check(batch).unwrap();
    assert_eq!(file.memory_bytes(), held, "the same keys again take nothing");
}
