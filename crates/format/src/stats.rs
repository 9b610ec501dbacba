//! Statistics of one file's columns: counts, nulls, least and greatest value,
//! mean and an estimate of how many values are distinct.

use std::hash::{BuildHasher, Hasher};

use arrow::array::*;
use arrow::compute::{cast, max, max_boolean, max_string, min, min_boolean, min_string};
use arrow::datatypes::*;
use serde_json::{Value, json};

/// log2 of the number of registers: a standard error of 1.04/√1024 = 3.3 %.
const PRECISION: u32 = 10;
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
    let mut h = 0x9e37_79b9_7f4a_7c15u64 ^ bytes.len() as u64;
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

/// Statistics of one column over the batches added so far.
#[derive(Clone, Debug)]
pub struct ColumnStats {
    count: u64,
    nulls: u64,
    min: Option<Value>,
    max: Option<Value>,
    /// Sum and number of the finite values of a numeric column.
    sum: Option<(f64, u64)>,
    distinct: Distinct,
}

impl Default for ColumnStats {
    fn default() -> Self {
        Self {
            count: 0,
            nulls: 0,
            min: None,
            max: None,
            sum: None,
            distinct: Distinct::Few(Default::default()),
        }
    }
}

impl ColumnStats {
    pub fn add(&mut self, array: &dyn Array) {
        self.count += array.len() as u64;
        self.nulls += array.null_count() as u64;
        macro_rules! primitive {
            ($t:ty, $bits:expr, $show:expr) => {{
                let a = array.as_primitive::<$t>();
                for v in a.iter().flatten() {
                    self.distinct.add(mix($bits(v) ^ 0x9e37_79b9_7f4a_7c15));
                }
                self.widen(min(a).map($show), max(a).map($show));
            }};
        }
        match array.data_type() {
            DataType::Int64 => primitive!(Int64Type, |v: i64| v as u64, |v| json!(v)),
            DataType::Int32 => primitive!(Int32Type, |v: i32| v as u64, |v| json!(v)),
            DataType::Int16 => primitive!(Int16Type, |v: i16| v as u64, |v| json!(v)),
            DataType::Int8 => primitive!(Int8Type, |v: i8| v as u64, |v| json!(v)),
            DataType::Float64 => primitive!(Float64Type, |v: f64| v.to_bits(), |v: f64| json!(v)),
            DataType::Float32 => primitive!(Float32Type, |v: f32| u64::from(v.to_bits()), |v: f32| json!(v)),
            DataType::Date32 => primitive!(Date32Type, |v: i32| v as u64, |v| json!(date_text(v))),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                primitive!(TimestampMicrosecondType, |v: i64| v as u64, |v| json!(instant_text(v)))
            }
            DataType::Decimal128(_, s) => {
                let s = *s;
                primitive!(Decimal128Type, |v: i128| (v as u64) ^ ((v >> 64) as u64), |v| json!(
                    decimal_value(v, s)
                ))
            }
            DataType::Utf8 => {
                let a = array.as_string::<i32>();
                for v in a.iter().flatten() {
                    self.distinct.add(hash_bytes(v.as_bytes()));
                }
                self.widen(min_string(a).map(cut), max_string(a).map(cut));
            }
            DataType::Boolean => {
                let a = array.as_boolean();
                for v in a.iter().flatten() {
                    self.distinct.add(mix(u64::from(v) + 1));
                }
                self.widen(min_boolean(a).map(Value::from), max_boolean(a).map(Value::from));
            }
            _ => {}
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

    fn widen(&mut self, low: Option<Value>, high: Option<Value>) {
        if let Some(low) = low.filter(|v| !v.is_null())
            && self.min.as_ref().is_none_or(|m| less(&low, m))
        {
            self.min = Some(low);
        }
        if let Some(high) = high.filter(|v| !v.is_null())
            && self.max.as_ref().is_none_or(|m| less(m, &high))
        {
            self.max = Some(high);
        }
    }

    pub fn to_json(&self) -> Value {
        let mean = self.sum.filter(|(_, n)| *n > 0).map(|(s, n)| s / n as f64);
        json!({
            "count": self.count, "nulls": self.nulls, "min": self.min, "max": self.max,
            "mean": mean, "distinct": self.distinct.estimate(),
        })
    }
}

fn less(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => match (x.as_i64(), y.as_i64()) {
            (Some(x), Some(y)) => x < y,
            _ => x.as_f64() < y.as_f64(),
        },
        (Value::String(x), Value::String(y)) => x < y,
        (Value::Bool(x), Value::Bool(y)) => !x & y,
        _ => false,
    }
}

/// Long texts are cut: a statistic is not a second copy of the data.
fn cut(text: &str) -> Value {
    text.chars().take(64).collect::<String>().into()
}

fn date_text(days: i32) -> String {
    instant_text(i64::from(days) * 86_400_000_000).get(..10).unwrap_or_default().to_string()
}

fn instant_text(micros: i64) -> String {
    jiff::Timestamp::from_microsecond(micros).map_or_else(|_| micros.to_string(), |t| t.to_string())
}

fn decimal_value(v: i128, scale: i8) -> f64 {
    v as f64 / 10f64.powi(i32::from(scale))
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
}
