//! Conform and rescue lose no value: against a reference that knows numbers
//! only as strings of digits.

use std::collections::BTreeMap;

use arrow::array::types::*;
use arrow::buffer::OffsetBuffer;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use jiff::{Timestamp, civil, tz::TimeZone};
use proptest::prelude::*;
use serde_json::value::RawValue;

use super::*;

const ZONE: &str = "America/New_York";
const KINDS: &[Kind] = &[
    Kind::String,
    Kind::Bool,
    Kind::Int,
    Kind::Int32,
    Kind::Float,
    Kind::Float32,
    Kind::Decimal(12, 3),
    Kind::Decimal(38, 10),
    Kind::Date,
    Kind::Timestamp,
    Kind::Json,
    Kind::Binary,
];

/// A number as sign, digits without zeros at either end, and exponent.
fn number(text: &str) -> Option<(bool, String, i64)> {
    let t = text.trim();
    let negative = t.starts_with('-');
    let t = t.strip_prefix(['-', '+']).unwrap_or(t);
    let (mantissa, exponent) = match t.find(['e', 'E']) {
        Some(at) => (&t[..at], t[at + 1..].parse::<i64>().ok()?),
        None => (t, 0),
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{part}");
    if all.is_empty() || !all.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let cut = all.trim_end_matches('0');
    let exponent = exponent - part.len() as i64 + (all.len() - cut.len()) as i64;
    let digits = cut.trim_start_matches('0');
    Some(if digits.is_empty() { (false, "0".into(), 0) } else { (negative, digits.into(), exponent) })
}

/// The number times 10^`scale`, where that is an integer.
fn scaled(text: &str, scale: i64) -> Option<i128> {
    let (negative, digits, exponent) = number(text)?;
    let zeros = usize::try_from(exponent + scale).ok().filter(|z| *z < 40)?;
    let value: i128 = format!("{digits}{}", "0".repeat(zeros)).parse().ok()?;
    Some(if negative { -value } else { value })
}

/// What a text must become in a column of `kind`; `None`: it does not fit.
fn expected(kind: Kind, declared: bool, text: &str) -> Option<String> {
    let t = text.trim();
    let digits = t.strip_prefix(['-', '+']).unwrap_or(t);
    let label = t.starts_with('+')
        || digits.starts_with('0') && digits[1..].starts_with(|c: char| c.is_ascii_digit());
    let is_integer = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let exact = declared || number(t).is_some() && !label;
    let word = ["NaN", "inf"].contains(&t);
    match kind {
        Kind::String | Kind::Json | Kind::Binary => Some(text.to_string()),
        Kind::Bool => match t.to_ascii_lowercase().as_str() {
            "true" => Some("true".into()),
            "false" => Some("false".into()),
            "1" | "yes" | "y" | "t" if declared => Some("true".into()),
            "0" | "no" | "n" | "f" if declared => Some("false".into()),
            _ => None,
        },
        Kind::Int => {
            scaled(t, 0).filter(|_| exact).and_then(|v| i64::try_from(v).ok()).map(|v| v.to_string())
        }
        Kind::Int32 => {
            scaled(t, 0).filter(|_| exact).and_then(|v| i32::try_from(v).ok()).map(|v| v.to_string())
        }
        Kind::Float => {
            let f: f64 = t.parse().ok().filter(|_| word || exact && number(t).is_some())?;
            let whole = !is_integer || number(&format!("{f:.0}")) == number(t);
            (word || f.is_finite() && whole).then(|| format!("{f:?}"))
        }
        Kind::Float32 => {
            let f = t.parse::<f64>().ok().filter(|_| word || exact && number(t).is_some())? as f32;
            let whole = !is_integer || number(&format!("{f:.0}")) == number(t);
            (word || f.is_finite() && whole).then(|| format!("{f:?}"))
        }
        Kind::Decimal(p, s) => scaled(t, s.into())
            .filter(|v| exact && v.unsigned_abs() < 10u128.pow(p.into()))
            .map(|v| v.to_string()),
        Kind::Date => {
            let day: civil::Date = t.parse().ok().filter(|_| t.len() == 10 && t.as_bytes()[4] == b'-')?;
            Some(day).filter(|d| d.year() >= 1).map(|d| d.to_string())
        }
        Kind::Timestamp => instant(t).map(|us| us.to_string()),
    }
}

fn in_years(ts: Timestamp) -> Option<i64> {
    (1..=9999).contains(&ts.to_zoned(TimeZone::UTC).year()).then(|| ts.as_microsecond())
}

fn naive(at: civil::DateTime) -> Option<i64> {
    Some(at).filter(|at| at.year() >= 1)?.in_tz(ZONE).ok().and_then(|z| in_years(z.timestamp()))
}

fn instant(t: &str) -> Option<i64> {
    if t.len() < 10 || t.as_bytes()[4] != b'-' {
        return None;
    }
    if t.ends_with('Z') {
        return in_years(t.parse::<Timestamp>().ok()?);
    }
    naive(t.parse::<civil::DateTime>().ok()?)
}

/// A value of a conformed column, in the form that [`expected`] has.
fn shown_value(kind: Kind, array: &ArrayRef, row: usize) -> Option<String> {
    if array.is_null(row) {
        return None;
    }
    Some(match kind {
        Kind::String | Kind::Json => array.as_string::<i32>().value(row).to_string(),
        Kind::Binary => String::from_utf8(array.as_binary::<i32>().value(row).to_vec()).unwrap(),
        Kind::Bool => array.as_boolean().value(row).to_string(),
        Kind::Int => array.as_primitive::<Int64Type>().value(row).to_string(),
        Kind::Int32 => array.as_primitive::<Int32Type>().value(row).to_string(),
        Kind::Float => format!("{:?}", array.as_primitive::<Float64Type>().value(row)),
        Kind::Float32 => format!("{:?}", array.as_primitive::<Float32Type>().value(row)),
        Kind::Decimal(..) => array.as_primitive::<Decimal128Type>().value(row).to_string(),
        Kind::Date => {
            let days = array.as_primitive::<Date32Type>().value(row);
            (civil::date(1970, 1, 1) + jiff::Span::new().days(days)).to_string()
        }
        Kind::Timestamp => array.as_primitive::<TimestampMicrosecondType>().value(row).to_string(),
    })
}

fn plan(kind: Kind, declared: bool, nulls: &[&str], evolve: Evolve) -> Plan {
    let mut spec = Column::named("v");
    spec.kind = Some(kind).filter(|k| declared || *k == Kind::Json);
    spec.nulls = nulls.iter().map(|n| n.to_string()).collect();
    Plan {
        targets: vec![Target { spec, data_type: data_type(kind), declared, stated: Stated::default() }],
        evolve,
        timezone: ZONE.into(),
        nulls: Vec::new(),
    }
}

/// What was rescued of a row's `v`, as JSON.
fn rescued(conformed: &Conformed, row: usize) -> Option<String> {
    let json = conformed.rescued.as_ref()?[row].as_ref()?;
    let mut all: BTreeMap<String, Box<RawValue>> = serde_json::from_str(json).unwrap();
    assert_eq!(all.len(), 1, "{json}");
    Some(all.remove("v").unwrap().get().to_string())
}

/// Every row either holds what it must or is rescued whole, and under `fixed`
/// the first that does not fit fails the file.
fn check(
    kind: Kind,
    declared: bool,
    conform: impl Fn(Evolve) -> Result<Conformed>,
    want: &[Option<Option<String>>],
    is_whole: impl Fn(usize, &str) -> bool,
) {
    for evolve in [Evolve::Add, Evolve::Rescue] {
        let got = conform(evolve).unwrap();
        for (row, want) in want.iter().enumerate() {
            let value = shown_value(kind, got.batch.column(0), row);
            let away = rescued(&got, row);
            let context = format!("row {row}: {want:?} became {value:?}, rescued {away:?} ({declared})");
            match want {
                None => assert!(value.is_none() && away.is_none(), "missing, {context}"),
                Some(Some(v)) => assert!(value.as_ref() == Some(v) && away.is_none(), "{context}"),
                Some(None) => {
                    let away = away.unwrap_or_else(|| panic!("lost, {context}"));
                    assert!(value.is_none() && is_whole(row, &away), "{context}");
                }
            }
        }
    }
    match (want.iter().position(|w| *w == Some(None)), conform(Evolve::Fixed)) {
        (None, fixed) => assert!(fixed.unwrap().rescued.is_none()),
        (Some(row), fixed) => {
            let e = fixed.unwrap_err();
            assert_eq!(e.code, Code::DoesNotFit);
            assert!(e.message.starts_with(&format!("row {}, ", row + 1)), "{e}");
        }
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|v| v.to_string()),
        (-1100i32..1100).prop_map(|v| v.to_string()),
        "-?[0-9]{15,25}(\\.0{0,2})?",
        "[-+]?[0-9]{1,12}\\.[0-9]{1,8}",
        "-?[0-9]{1,3}(\\.[0-9]{1,3})?[eE]-?[0-9]{1,2}",
        "-999(\\.0{1,3})?",
        "(true|False|yes|no|1|0|007|NA|NaN|inf| |abc|-|\\.|1,5)?",
        "[02]0[0-9]{2}-(0[1-9]|1[0-3])-[0-3][0-9]( |T)?([0-2][0-9]:[0-5][0-9]:[0-5][0-9])?Z?",
        (-62_135_596_800_000_000i64..253_402_207_200_000_000)
            .prop_map(|us| Timestamp::from_microsecond(us).unwrap().to_string()),
        "\\PC{0,6}",
    ]
}

fn is_missing(kind: Kind, text: &str, nulls: &[&str], empty: bool) -> bool {
    let blank = matches!(kind, Kind::String | Kind::Json | Kind::Binary);
    let t = text.trim();
    let spelt = nulls.iter().any(|n| {
        let same_number = data_type(kind).is_numeric() && number(t).is_some() && number(t) == number(n);
        *n == t || same_number
    });
    (empty && text.is_empty()) || (!blank && t.is_empty()) || spelt
}

proptest! {
    #[test]
    fn text_loses_no_value(
        texts in proptest::collection::vec((text(), any::<bool>()), 0..20),
        kind in proptest::sample::select(KINDS),
        declared in any::<bool>(),
        json in any::<bool>(),
        with_nulls in any::<bool>(),
    ) {
        let nulls: &[&str] = if with_nulls { &["NA", "-999"] } else { &[] };
        // JSON has numbers and strings; both mean their text.
        let raw: Vec<String> = texts.iter().map(|(t, as_number)| match json {
            true if *as_number && serde_json::from_str::<serde_json::Number>(t).is_ok() => t.clone(),
            true => serde_json::to_string(t).unwrap(),
            false => t.clone(),
        }).collect();
        let want: Vec<_> = texts.iter().zip(&raw).map(|((t, _), raw)| {
            (!is_missing(kind, t, nulls, !json)).then(|| match kind {
                Kind::Json => Some(raw.clone()),
                _ => expected(kind, declared, t),
            })
        }).collect();
        let notation = if json { Notation::Json } else { Notation::Plain };
        let batch = TextBatch::of(notation, &[("v", raw.iter().map(|r| Some(r.as_str())).collect())]);
        let conform = |evolve| conform_text(&plan(kind, declared, nulls, evolve), &batch, 1);
        check(kind, declared, conform, &want, |row, away| match json {
            true => away == raw[row],
            false => serde_json::from_str::<String>(away).unwrap() == raw[row],
        });
    }

    #[test]
    fn typed_rows_lose_no_value(
        values in proptest::collection::vec(proptest::option::weighted(0.9, source()), 0..20),
        of in 0..SOURCES.len(),
        kind in proptest::sample::select(KINDS),
        declared in any::<bool>(),
        with_nulls in any::<bool>(),
    ) {
        let nulls: &[&str] = if with_nulls { &["NA", "-999"] } else { &[] };
        let array = SOURCES[of](&values);
        let texts = display(&array);
        let numeric = array.data_type().is_numeric();
        let want: Vec<_> = texts.iter().enumerate().map(|(row, t)| {
            let t = t.as_ref()?;
            let missing = is_missing(kind, t, nulls, false)
                // A number may be spelt in more than one way whatever it becomes.
                || with_nulls && numeric && number(t) == number("-999");
            (!missing).then(|| expected_typed(kind, declared, &array, row, t))
        }).collect();
        let rows = RecordBatch::try_from_iter([("v", array.clone())]).unwrap();
        let conform = |evolve| conform_typed(&plan(kind, declared, nulls, evolve), &rows, 1);
        check(kind, declared, conform, &want, |row, away| {
            let t = texts[row].as_ref().unwrap();
            match number(away) {
                Some(n) => Some(n) == number(t),
                None => *away == *t || serde_json::from_str::<String>(away).unwrap() == *t,
            }
        });
    }
}

/// Something that a value of any type is made from.
#[derive(Clone, Debug)]
struct Seed {
    int: i64,
    text: String,
}

fn source() -> impl Strategy<Value = Seed> {
    let int = prop_oneof![
        any::<i64>(),
        -1100i64..1100,
        Just(1i64 << 53),
        Just((1 << 53) + 1),
        any::<i32>().prop_map(i64::from)
    ];
    (int, text()).prop_map(|(int, text)| Seed { int, text })
}

type Make = fn(&[Option<Seed>]) -> ArrayRef;

fn ints<T: ArrowPrimitiveType>(values: &[Option<Seed>], of: fn(i64) -> T::Native) -> ArrayRef {
    Arc::new(values.iter().map(|v| v.as_ref().map(|s| of(s.int))).collect::<PrimitiveArray<T>>())
}

fn strings(values: &[Option<Seed>]) -> StringArray {
    values.iter().map(|v| v.as_ref().map(|s| s.text.as_str())).collect()
}

fn float(int: i64) -> f64 {
    match int.rem_euclid(7) {
        0 => f64::from_bits(int as u64),
        1 => (int % 1000) as f64 / 8.0,
        2 => (int % 100_000) as f64 / 1000.0,
        3 => f64::NAN,
        _ => int as f64,
    }
}

const SOURCES: &[Make] = &[
    |v| ints::<Int8Type>(v, |i| i as i8),
    |v| ints::<Int16Type>(v, |i| i as i16),
    |v| ints::<Int32Type>(v, |i| i as i32),
    |v| ints::<Int64Type>(v, |i| i),
    |v| ints::<UInt8Type>(v, |i| i as u8),
    |v| ints::<UInt16Type>(v, |i| i as u16),
    |v| ints::<UInt32Type>(v, |i| i as u32),
    |v| ints::<UInt64Type>(v, |i| i as u64),
    |v| ints::<Float32Type>(v, |i| float(i) as f32),
    |v| ints::<Float64Type>(v, float),
    |v| {
        Arc::new(
            ints::<Decimal128Type>(v, i128::from)
                .as_primitive::<Decimal128Type>()
                .clone()
                .with_data_type(DataType::Decimal128(20, 4)),
        )
    },
    |v| {
        Arc::new(
            ints::<Decimal128Type>(v, |i| i128::from(i) * i128::from(i >> 20))
                .as_primitive::<Decimal128Type>()
                .clone()
                .with_data_type(DataType::Decimal128(38, 12)),
        )
    },
    |v| Arc::new(strings(v)),
    |v| arrow::compute::cast(&strings(v), &DataType::Utf8View).unwrap(),
    |v| {
        arrow::compute::cast(
            &strings(v),
            &DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into()),
        )
        .unwrap()
    },
    |v| Arc::new(v.iter().map(|v| v.as_ref().map(|s| s.int % 2 == 0)).collect::<BooleanArray>()),
    |v| ints::<Date32Type>(v, |i| (i % 4_000_000) as i32),
    |v| ints::<TimestampSecondType>(v, |i| i % 300_000_000_000),
    |v| ints::<TimestampMillisecondType>(v, |i| i % 300_000_000_000_000),
    |v| ints::<TimestampMicrosecondType>(v, |i| i % 3_600_000 * 86_400_000_000),
    |v| {
        Arc::new(
            ints::<TimestampNanosecondType>(v, |i| i)
                .as_primitive::<TimestampNanosecondType>()
                .clone()
                .with_timezone("+05:30"),
        )
    },
    |v| {
        Arc::new(
            ints::<TimestampMicrosecondType>(v, |i| i % 300_000_000_000_000_000)
                .as_primitive::<TimestampMicrosecondType>()
                .clone()
                .with_timezone("UTC"),
        )
    },
];

fn display(array: &ArrayRef) -> Vec<Option<String>> {
    let options = FormatOptions::new();
    let f = ArrayFormatter::try_new(array, &options).unwrap();
    (0..array.len()).map(|r| array.is_valid(r).then(|| f.value(r).to_string())).collect()
}

/// As [`expected`] of the value's text, except where types know more.
fn expected_typed(kind: Kind, declared: bool, array: &ArrayRef, row: usize, text: &str) -> Option<String> {
    use DataType::*;
    let float = match array.data_type() {
        Float32 => Some(f64::from(array.as_primitive::<Float32Type>().value(row))),
        Float64 => Some(array.as_primitive::<Float64Type>().value(row)),
        _ => None,
    };
    if let Some(f) = float {
        match kind {
            Kind::Int | Kind::Int32 if f.abs() > 9_007_199_254_740_992.0 => return None,
            Kind::Int if f.fract() == 0.0 => return Some((f as i64).to_string()),
            Kind::Int32 if f.fract() == 0.0 => return i32::try_from(f as i64).ok().map(|v| v.to_string()),
            Kind::Float => return Some(format!("{f:?}")),
            Kind::Float32 => {
                return ((f as f32).is_finite() == f.is_finite()).then(|| format!("{:?}", f as f32));
            }
            _ => {}
        }
    }
    let micros = match array.data_type() {
        Date32 => Some((i64::from(array.as_primitive::<Date32Type>().value(row)) * 86_400_000_000, true)),
        Timestamp(unit, zone) => {
            let v = i128::from(
                arrow::compute::cast(array, &Int64).unwrap().as_primitive::<Int64Type>().value(row),
            );
            let ns = match unit {
                TimeUnit::Second => v * 1_000_000_000,
                TimeUnit::Millisecond => v * 1_000_000,
                TimeUnit::Microsecond => v * 1000,
                TimeUnit::Nanosecond => v,
            };
            Some((ns.div_euclid(1000) as i64, zone.is_none()))
        }
        _ => None,
    };
    if let (Some((us, is_naive)), Kind::Date | Kind::Timestamp) = (micros, kind) {
        let utc = jiff::Timestamp::from_microsecond(us).ok()?.to_zoned(TimeZone::UTC);
        in_years(utc.timestamp())?;
        return match kind {
            Kind::Date => (us % 86_400_000_000 == 0).then(|| utc.date().to_string()),
            _ if is_naive => naive(utc.datetime()).map(|us| us.to_string()),
            _ => Some(us.to_string()),
        };
    }
    let fits = expected(kind, declared, text);
    if let (Decimal128(..), Kind::Float | Kind::Float32) = (array.data_type(), kind) {
        return fits.filter(|f| number(f) == number(text));
    }
    fits
}

#[test]
fn nested_values_go_by_name_and_lose_nothing() {
    let fields = |names: &[&str], t: &DataType| -> DataType {
        DataType::Struct(names.iter().map(|n| Field::new(*n, t.clone(), true)).collect())
    };
    let float = |v: &[Option<f64>]| -> ArrayRef { Arc::new(Float64Array::from(v.to_vec())) };
    let from = fields(&["lon", "alt"], &DataType::Float64);
    let DataType::Struct(of) = &from else { unreachable!() };
    let place: ArrayRef = Arc::new(StructArray::new(
        of.clone(),
        vec![float(&[Some(10.5), Some(11.0), Some(f64::NAN), None]), float(&[None, Some(3.25), None, None])],
        Some(vec![true, true, true, false].into()),
    ));
    let target = |t: &DataType| Plan {
        targets: vec![Target::untyped(Column::named("v"), t.clone())],
        evolve: Evolve::Add,
        timezone: "UTC".into(),
        nulls: Vec::new(),
    };
    let conform = |t: &DataType, array: &ArrayRef| {
        let rows = RecordBatch::try_from_iter_with_nullable([("v", array.clone(), true)]).unwrap();
        conform_typed(&target(t), &rows, 1).unwrap()
    };

    let got = conform(&fields(&["lat", "lon"], &DataType::Float64), &place);
    let column = got.batch.column(0).as_struct();
    let lon = column.column(1).as_primitive::<Float64Type>();
    assert_eq!(column.column(0).null_count(), 4);
    assert_eq!((lon.value(0), lon.value(2).is_nan()), (10.5, true));
    // Row 2 has a field without a place.
    assert_eq!((0..4).map(|r| column.is_valid(r)).collect::<Vec<_>>(), [true, false, true, false]);
    assert_eq!(rescued(&got, 1).unwrap(), r#"{"lon":11.0,"alt":3.25}"#);
    assert_eq!((rescued(&got, 0), rescued(&got, 2), rescued(&got, 3)), (None, None, None));

    // Within lists of structs, sliced, with other names and narrower types.
    let items: ArrayRef = Arc::new(
        LargeListArray::try_new(
            Arc::new(Field::new("item", from.clone(), true)),
            OffsetBuffer::from_lengths([1, 1, 2, 0]),
            place.clone(),
            None,
        )
        .unwrap(),
    );
    let list = |t: DataType| DataType::List(Arc::new(Field::new("element", t, true)));
    let got = conform(&list(fields(&["lon"], &DataType::Float32)), &items.slice(1, 3));
    let column = got.batch.column(0).as_list::<i32>();
    assert_eq!((column.is_null(0), column.value_length(1), column.value_length(2)), (true, 2, 0));
    assert_eq!(rescued(&got, 0).unwrap(), r#"[{"lon":11.0,"alt":3.25}]"#);
    assert_eq!(rescued(&got, 1), None);

    // As text, NaN stays.
    let got = conform(&DataType::Utf8, &place);
    assert_eq!(got.batch.column(0).as_string::<i32>().value(2), r#"{"lon":"NaN","alt":null}"#);
    // And back.
    let text: ArrayRef = got.batch.column(0).clone();
    let got = conform(&from, &text);
    assert_eq!(got.batch.column(0), &place);
}

#[test]
fn maps_go_by_position() {
    let mut b = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    b.keys().append_value("a");
    b.values().append_value(1 << 40);
    b.append(true).unwrap();
    b.keys().append_value("b");
    b.values().append_value(7);
    b.append(true).unwrap();
    let map: ArrayRef = Arc::new(b.finish());
    let entries = DataType::Struct(
        vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Int32, true)].into(),
    );
    let to = DataType::Map(Arc::new(Field::new("key_value", entries, false)), false);
    let mut plan = plan(Kind::Int, false, &[], Evolve::Add);
    plan.targets[0].data_type = to;
    let got = conform_typed(&plan, &RecordBatch::try_from_iter([("v", map)]).unwrap(), 1).unwrap();
    let column = got.batch.column(0).as_map();
    assert!(column.is_null(0));
    assert_eq!(column.value(1).column(1).as_primitive::<Int32Type>().value(0), 7);
    assert_eq!(rescued(&got, 0).unwrap(), r#"{"a":1099511627776}"#);
}

#[test]
fn nulls_formats_and_zones_count_for_typed_columns() {
    let conform = |kind: Kind, format: Option<&str>, nulls: &[&str], array: ArrayRef| {
        let mut plan = plan(kind, true, nulls, Evolve::Add);
        plan.targets[0].spec.format = format.map(Into::into);
        conform_typed(&plan, &RecordBatch::try_from_iter([("v", array)]).unwrap(), 1).unwrap()
    };
    let shown = |kind, got: &Conformed, row| shown_value(kind, got.batch.column(0), row);

    let depths: ArrayRef = Arc::new(Float32Array::from(vec![-999.0, 1.5]));
    let got = conform(Kind::Float, None, &["-999"], depths);
    assert_eq!((shown(Kind::Float, &got, 0), shown(Kind::Float, &got, 1)), (None, Some("1.5".into())));
    assert!(got.rescued.is_none());

    let dates: ArrayRef = Arc::new(StringArray::from(vec!["01.03.2026", "2026-03-01"]));
    let got = conform(Kind::Date, Some("%d.%m.%Y"), &[], dates);
    assert_eq!(shown(Kind::Date, &got, 0).as_deref(), Some("2026-03-01"));
    assert_eq!(rescued(&got, 1).as_deref(), Some("\"2026-03-01\""));
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![20_260_301]));
    let got = conform(Kind::Date, Some("%Y%m%d"), &[], numbers);
    assert_eq!(shown(Kind::Date, &got, 0).as_deref(), Some("2026-03-01"));

    // A day begins at the column's midnight, as it does in a CSV file.
    let days: ArrayRef = Arc::new(Date32Array::from(vec![20_513]));
    let typed = conform(Kind::Timestamp, None, &[], days);
    let batch = TextBatch::of(Notation::Plain, &[("v", vec![Some("2026-03-01")])]);
    let text = conform_text(&plan(Kind::Timestamp, true, &[], Evolve::Add), &batch, 1).unwrap();
    assert_eq!(typed.batch, text.batch);
    assert_eq!(shown(Kind::Timestamp, &typed, 0), instant("2026-03-01T05:00:00Z").map(|us| us.to_string()));

    // Nothing at all is nothing to rescue.
    let got = conform(Kind::Int, None, &[], Arc::new(NullArray::new(3)));
    assert!(got.rescued.is_none() && got.batch.column(0).null_count() == 3);
    let rows =
        RecordBatch::try_from_iter_with_nullable([("other", Arc::new(NullArray::new(3)) as ArrayRef, true)]);
    let got = conform_typed(&plan(Kind::Int, true, &[], Evolve::Add), &rows.unwrap(), 1).unwrap();
    assert!(got.rescued.is_none());
}

#[test]
fn instants_beyond_the_calendar_are_kept_as_numbers() {
    let array: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![i64::MAX, 0]).with_timezone("UTC"));
    let rows = RecordBatch::try_from_iter([("v", array)]).unwrap();
    let got = conform_typed(&plan(Kind::Timestamp, true, &[], Evolve::Add), &rows, 1).unwrap();
    assert_eq!(rescued(&got, 0).unwrap(), format!("\"{}\"", i64::MAX));
    assert_eq!(shown_value(Kind::Timestamp, got.batch.column(0), 1).as_deref(), Some("0"));
}
