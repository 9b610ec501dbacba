//! Statistics of one file's columns: counts, nulls, least and greatest value,
//! mean and an estimate of how many values are distinct.

use std::hash::{BuildHasher, Hasher};

use arrow::array::*;
use arrow::compute::{cast, max, max_boolean, max_string, min, min_boolean, min_string};
use arrow::datatypes::*;
use serde_json::{Value, json};

use crate::time::{civil_of, is_day};

/// log2 of the number of registers: a standard error of 1.04/√1024 = 3.3 %.
const PRECISION: u32 = 10;
/// Characters of a text that a bound keeps.
const CUT_CHARS: usize = 64;
/// Up to here distinct values are counted, not estimated.
const EXACT: usize = 512;

/// How many different values were seen: exact while few, then a HyperLogLog
/// sketch (Flajolet et al., 2007; linear counting for small cardinalities).
#[derive(Clone, Debug)]
enum Distinct {
    Few(std::collections::HashSet<u64, BuildMix>),
    Many(Box<[u8; 1 << PRECISION]>),
}

/// Hashes are already mixed; a set of them need not hash again.
#[derive(Clone, Copy, Debug, Default)]
struct BuildMix;
#[derive(Default)]
struct Mix(u64);
impl BuildHasher for BuildMix {
    type Hasher = Mix;
    fn build_hasher(&self) -> Mix {
        Mix::default()
    }
}
impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {}
    fn write_u64(&mut self, n: u64) {
        self.0 = n;
    }
}

/// Finalizer of SplitMix64 (Steele et al., 2014).
fn mix(mut h: u64) -> u64 {
    h = (h ^ (h >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    h = (h ^ (h >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    h ^ (h >> 31)
}

fn hash_bytes(bytes: &[u8]) -> u64 {
    // Mixed, so that the length and the first bytes do not cancel out.
    let mut h = mix(0x9e37_79b9_7f4a_7c15 ^ bytes.len() as u64);
    let mut chunks = bytes.chunks_exact(8);
    for c in &mut chunks {
        h = mix(h ^ u64::from_le_bytes(c.try_into().expect("chunks of eight")));
    }
    let mut tail = [0u8; 8];
    tail[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
    mix(h ^ u64::from_le_bytes(tail))
}

impl Distinct {
    fn add(&mut self, hash: u64) {
        match self {
            Distinct::Few(set) => {
                set.insert(hash);
                if set.len() > EXACT {
                    let mut registers = Box::new([0u8; 1 << PRECISION]);
                    for h in set.iter() {
                        register(&mut registers, *h);
                    }
                    *self = Distinct::Many(registers);
                }
            }
            Distinct::Many(registers) => register(registers, hash),
        }
    }

    fn estimate(&self) -> u64 {
        match self {
            Distinct::Few(set) => set.len() as u64,
            Distinct::Many(registers) => {
                let m = f64::from(1 << PRECISION);
                let sum: f64 = registers.iter().map(|&r| (-f64::from(r)).exp2()).sum();
                let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
                let zeros = registers.iter().filter(|&&r| r == 0).count();
                let estimate = if raw <= 2.5 * m && zeros > 0 { m * (m / zeros as f64).ln() } else { raw };
                estimate.round() as u64
            }
        }
    }
}

#[inline]
fn register(registers: &mut [u8; 1 << PRECISION], hash: u64) {
    let index = (hash >> (64 - PRECISION)) as usize;
    let rank = ((hash << PRECISION).leading_zeros().min(64 - PRECISION) + 1) as u8;
    let slot = &mut registers[index];
    *slot = (*slot).max(rank);
}

/// A least or greatest value, compared as what it is. One column's bounds are
/// of one kind.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
enum Bound {
    Bool(bool),
    Int(i64),
    /// Never NaN.
    Float(f64),
    /// With its scale.
    Decimal(i128, i8),
    Day(i32),
    Instant(i64),
    Text(String),
}

impl Bound {
    fn to_json(&self) -> Value {
        match self {
            Bound::Bool(v) => json!(v),
            Bound::Int(v) => json!(v),
            Bound::Float(v) if v.is_finite() => json!(v),
            // JSON has no infinity, and no more digits than a float.
            Bound::Float(v) => json!(v.to_string()),
            Bound::Decimal(v, scale) => {
                json!(Decimal128Type::format_decimal(*v, DECIMAL128_MAX_PRECISION, *scale))
            }
            Bound::Day(v) if is_day(*v) => {
                let at = instant_text(i64::from(*v) * 86_400_000_000);
                json!(at.split('T').next())
            }
            Bound::Day(v) => json!(v.to_string()),
            Bound::Instant(v) => json!(instant_text(*v)),
            Bound::Text(v) => json!(v),
        }
    }
}

/// Statistics of one column over the batches added so far.
#[derive(Clone, Debug)]
pub struct ColumnStats {
    count: u64,
    nulls: u64,
    min: Option<Bound>,
    max: Option<Bound>,
    /// Sum and number of the finite values of a numeric column.
    sum: Option<(f64, u64)>,
    /// `None` where the type's values are not told apart: nested ones, bytes.
    distinct: Option<Distinct>,
}

impl Default for ColumnStats {
    fn default() -> Self {
        Self {
            count: 0,
            nulls: 0,
            min: None,
            max: None,
            sum: None,
            distinct: Some(Distinct::Few(Default::default())),
        }
    }
}

impl ColumnStats {
    /// The greatest value of a column of instants, microseconds since 1970.
    pub fn newest_us(&self) -> Option<i64> {
        match self.max {
            Some(Bound::Instant(us)) => Some(us),
            _ => None,
        }
    }

    pub fn add(&mut self, array: &dyn Array) {
        self.count += array.len() as u64;
        self.nulls += array.null_count() as u64;
        macro_rules! primitive {
            ($t:ty, $bits:expr, $bound:expr) => {{
                let a = array.as_primitive::<$t>();
                self.see(a.iter().flatten().map(|v| mix($bits(v) ^ 0x9e37_79b9_7f4a_7c15)));
                self.widen(min(a).map($bound), max(a).map($bound));
            }};
        }
        // `min` and `max` put NaN above infinity; it bounds nothing.
        macro_rules! floats {
            ($t:ty, $bits:expr) => {{
                let a = array.as_primitive::<$t>();
                self.see(a.iter().flatten().map(|v| mix($bits(v) ^ 0x9e37_79b9_7f4a_7c15)));
                let numbers = || a.iter().flatten().filter(|v| !v.is_nan()).map(f64::from);
                self.widen(
                    numbers().reduce(f64::min).map(Bound::Float),
                    numbers().reduce(f64::max).map(Bound::Float),
                );
            }};
        }
        match array.data_type() {
            DataType::Int64 => primitive!(Int64Type, |v: i64| v as u64, Bound::Int),
            DataType::Int32 => primitive!(Int32Type, |v: i32| v as u64, |v| Bound::Int(v.into())),
            DataType::Int16 => primitive!(Int16Type, |v: i16| v as u64, |v| Bound::Int(v.into())),
            DataType::Int8 => primitive!(Int8Type, |v: i8| v as u64, |v| Bound::Int(v.into())),
            DataType::Float64 => floats!(Float64Type, |v: f64| v.to_bits()),
            DataType::Float32 => floats!(Float32Type, |v: f32| u64::from(v.to_bits())),
            DataType::Date32 => primitive!(Date32Type, |v: i32| v as u64, Bound::Day),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                primitive!(TimestampMicrosecondType, |v: i64| v as u64, Bound::Instant)
            }
            DataType::Decimal128(_, s) => {
                let s = *s;
                primitive!(Decimal128Type, |v: i128| hash_bytes(&v.to_le_bytes()), |v| Bound::Decimal(v, s))
            }
            DataType::Utf8 => {
                let a = array.as_string::<i32>();
                self.see(a.iter().flatten().map(|v| hash_bytes(v.as_bytes())));
                self.widen(min_string(a).map(cut), max_string(a).map(cut));
            }
            DataType::Boolean => {
                let a = array.as_boolean();
                self.see(a.iter().flatten().map(|v| mix(u64::from(v) + 1)));
                self.widen(min_boolean(a).map(Bound::Bool), max_boolean(a).map(Bound::Bool));
            }
            _ => self.distinct = None,
        }
        if array.data_type().is_numeric()
            && let Ok(floats) = cast(array, &DataType::Float64)
        {
            let (mut sum, mut n) = self.sum.unwrap_or_default();
            for v in floats.as_primitive::<Float64Type>().iter().flatten().filter(|v| v.is_finite()) {
                sum += v;
                n += 1;
            }
            self.sum = Some((sum, n));
        }
    }

    fn see(&mut self, hashes: impl Iterator<Item = u64>) {
        if let Some(distinct) = &mut self.distinct {
            hashes.for_each(|h| distinct.add(h));
        }
    }

    fn widen(&mut self, low: Option<Bound>, high: Option<Bound>) {
        if let Some(low) = low
            && self.min.as_ref().is_none_or(|m| low < *m)
        {
            self.min = Some(low);
        }
        if let Some(high) = high
            && self.max.as_ref().is_none_or(|m| high > *m)
        {
            self.max = Some(high);
        }
    }

    /// `{ "count", "nulls", "min", "max", "mean", "distinct" }`. Bounds that JSON
    /// has no number for are text: decimals, infinities, times. NaN is no bound;
    /// `distinct` is null for nested values and bytes.
    pub fn to_json(&self) -> Value {
        let mean = self.sum.filter(|(_, n)| *n > 0).map(|(s, n)| s / n as f64);
        json!({
            "count": self.count,
            "nulls": self.nulls,
            "min": self.min.as_ref().map(Bound::to_json),
            "max": self.max.as_ref().map(Bound::to_json),
            "mean": mean,
            "distinct": self.distinct.as_ref().map(Distinct::estimate),
        })
    }
}

/// Long texts are cut: a statistic is not a second copy of the data.
fn cut(text: &str) -> Bound {
    Bound::Text(text.chars().take(CUT_CHARS).collect())
}

fn instant_text(micros: i64) -> String {
    civil_of(micros).map_or_else(|| micros.to_string(), |at| format!("{at}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_bounds_do_not_depend_on_batching() {
        let all = Int64Array::from_iter((0..5000).map(|i| (i % 7 != 0).then_some(i % 1000)));
        let mut whole = ColumnStats::default();
        whole.add(&all);
        let mut parts = ColumnStats::default();
        for start in (0..5000).step_by(123) {
            parts.add(&all.slice(start, 123.min(5000 - start)));
        }
        assert_eq!(whole.to_json(), parts.to_json());
        let j = whole.to_json();
        assert_eq!(
            (j["count"].as_u64(), j["min"].as_i64(), j["max"].as_i64()),
            (Some(5000), Some(0), Some(999))
        );
    }

    #[test]
    fn distinct_is_exact_when_few_and_close_when_many() {
        let mut few = ColumnStats::default();
        few.add(&StringArray::from_iter_values((0..1000).map(|i| format!("v{}", i % 300))));
        assert_eq!(few.to_json()["distinct"], 300);
        let mut many = ColumnStats::default();
        many.add(&Int64Array::from_iter_values(0..200_000));
        let estimate = many.to_json()["distinct"].as_u64().unwrap() as f64;
        assert!((estimate / 200_000.0 - 1.0).abs() < 0.1, "{estimate}");
    }

    #[test]
    fn nan_bounds_nothing_and_infinity_does() {
        let mut s = ColumnStats::default();
        s.add(&Float64Array::from(vec![f64::NAN, 1.5, -2.0]));
        s.add(&Float64Array::from(vec![f64::NAN]));
        let j = s.to_json();
        assert_eq!((&j["min"], &j["max"], &j["mean"]), (&json!(-2.0), &json!(1.5), &json!(-0.25)));
        s.add(&Float64Array::from(vec![f64::INFINITY]));
        assert_eq!(s.to_json()["max"], "inf");
    }

    #[test]
    fn what_is_not_counted_says_so() {
        let mut s = ColumnStats::default();
        s.add(&BinaryArray::from_vec(vec![b"a", b"b"]));
        assert_eq!(s.to_json()["distinct"], Value::Null);
        assert_eq!(ColumnStats::default().to_json()["distinct"], 0);
    }

    #[test]
    fn times_are_shown_as_such_within_the_calendar() {
        assert_eq!(instant_text(1_500_000), "1970-01-01T00:00:01.5Z");
        assert_eq!(instant_text(253_402_300_799_000_000), "9999-12-31T23:59:59Z");
        assert_eq!(instant_text(i64::MIN), i64::MIN.to_string());
        let mut s = ColumnStats::default();
        s.add(&Date32Array::from(vec![i32::MIN, 0, i32::MAX]));
        assert_eq!(s.to_json()["max"], i32::MAX.to_string());
    }

    /// The shown form of a naive reference's bound.
    fn bounds<T: Clone>(
        values: &[Option<T>],
        less: impl Fn(&T, &T) -> bool,
        show: impl Fn(&T) -> Value,
    ) -> (Value, Value) {
        let mut low: Option<T> = None;
        let mut high: Option<T> = None;
        for v in values.iter().flatten() {
            if low.as_ref().is_none_or(|l| less(v, l)) {
                low = Some(v.clone());
            }
            if high.as_ref().is_none_or(|h| less(h, v)) {
                high = Some(v.clone());
            }
        }
        (low.as_ref().map_or(Value::Null, &show), high.as_ref().map_or(Value::Null, &show))
    }

    /// Statistics of `array`, added in parts of `step` rows.
    fn stats_of(array: &dyn Array, step: usize) -> Value {
        let mut s = ColumnStats::default();
        for start in (0..array.len()).step_by(step) {
            s.add(&array.slice(start, step.min(array.len() - start)));
        }
        s.to_json()
    }

    fn check(array: &dyn Array, step: usize, want: (Value, Value), n_distinct: usize) {
        let j = stats_of(array, step);
        assert_eq!((j["min"].clone(), j["max"].clone()), want, "{array:?}");
        assert_eq!(j["count"], array.len());
        assert_eq!(j["nulls"], array.null_count());
        assert_eq!(j["distinct"], n_distinct, "{array:?}");
    }

    fn n_distinct<T: std::hash::Hash + Eq>(values: impl Iterator<Item = T>) -> usize {
        values.collect::<std::collections::HashSet<_>>().len()
    }

    use proptest::prelude::*;

    fn some<T: Strategy>(values: T) -> impl Strategy<Value = Vec<Option<T::Value>>>
    where
        T::Value: Clone,
    {
        proptest::collection::vec(proptest::option::weighted(0.8, values), 0..40)
    }

    proptest! {
        #[test]
        fn floats_agree_with_a_naive_reference(
            values in some(prop_oneof![
                any::<f64>(), Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), (-5i8..5).prop_map(f64::from)
            ]),
            step in 1usize..9,
        ) {
            let numbers: Vec<_> = values.iter().map(|v| v.filter(|v| !v.is_nan())).collect();
            let show = |v: &f64| if v.is_finite() { json!(v) } else { json!(v.to_string()) };
            let array = Float64Array::from(values.clone());
            let distinct = n_distinct(values.iter().flatten().map(|v| v.to_bits()));
            check(&array, step, bounds(&numbers, |a, b| a < b, show), distinct);
        }

        #[test]
        fn decimals_agree_with_a_naive_reference(
            values in some(prop_oneof![-99i128..99, -10i128.pow(37)..10i128.pow(37)]),
            step in 1usize..9,
        ) {
            let array = Decimal128Array::from(values.clone()).with_precision_and_scale(38, 2).unwrap();
            let show = |v: &i128| {
                let digits = format!("{:03}", v.abs());
                let (whole, part) = digits.split_at(digits.len() - 2);
                json!(format!("{}{whole}.{part}", if *v < 0 { "-" } else { "" }))
            };
            check(&array, step, bounds(&values, |a, b| a < b, show), n_distinct(values.iter().flatten()));
        }

        #[test]
        fn texts_agree_with_a_naive_reference(
            values in some(prop_oneof!["[a-c]{0,3}", "[aä]{62,66}[a-c]?", ".{0,5}"]),
            step in 1usize..9,
        ) {
            let cut: Vec<_> =
                values.iter().map(|v| v.as_ref().map(|v| v.chars().take(64).collect::<String>())).collect();
            let array = StringArray::from(values.clone());
            check(&array, step, bounds(&cut, |a, b| a < b, |v| json!(v)), n_distinct(values.iter().flatten()));
        }

        #[test]
        fn instants_agree_with_a_naive_reference(
            values in some(prop_oneof![-3_000_000i64..3_000_000, -62_135_596_800_000_000i64..253_402_300_800_000_000]),
            step in 1usize..9,
        ) {
            let array = TimestampMicrosecondArray::from(values.clone()).with_timezone("UTC");
            let show = |v: &i64| json!(instant_text(*v));
            check(&array, step, bounds(&values, |a, b| a < b, show), n_distinct(values.iter().flatten()));
        }
    }
}
