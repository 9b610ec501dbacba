//! The scale of numbers: its range, its ticks at 1, 2 or 5 times a power of
//! ten, and numbers as text. Ticks are whole multiples of a decimal step and
//! are written as such, so no floating point noise reaches a label.

/// A range that has a width whatever the numbers were, with room at both ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    pub lo: f64,
    pub hi: f64,
}

pub(crate) struct Tick {
    pub value: f64,
    pub label: String,
}

impl Scale {
    /// From the least to the greatest of some finite values (`lo <= hi`), with
    /// `room` (a share of the range) added at both ends. A constant stands in
    /// the middle of a range that suits its size.
    pub fn around(lo: f64, hi: f64, room: f64) -> Scale {
        let size = lo.abs().max(hi.abs());
        // Narrower than this, positions and labels would be rounding errors.
        let least = (size * 1e-11).max(1e-290);
        let pad = if hi - lo >= least {
            // By halves, because the whole may be more than there are numbers.
            (hi / 2.0 - lo / 2.0) * (2.0 * room)
        } else if size < 1e-280 {
            1.0
        } else {
            size * 0.05
        };
        Scale { lo: (lo - pad).max(f64::MIN), hi: (hi + pad).min(f64::MAX) }
    }

    /// Where a value stands: 0 is the low end, 1 the high end.
    pub fn share(&self, value: f64) -> f64 {
        (value / 2.0 - self.lo / 2.0) / (self.hi / 2.0 - self.lo / 2.0)
    }

    /// About as many ticks within the range as there is room for, and no fewer than two, lowest first.
    pub fn ticks(&self, room_for: usize) -> Vec<Tick> {
        let ticks = self.at_most(room_for.max(2));
        // One alone does not tell how far it is to anywhere. With five, a step is half of the range at most.
        if ticks.len() < 2 { self.at_most(room_for.max(5)) } else { ticks }
    }

    /// One more than `n` at most.
    fn at_most(&self, n: usize) -> Vec<Tick> {
        let n = n as f64;
        let rough = self.hi / n - self.lo / n;
        let (mantissa, mut exponent) = scientific(rough);
        // What the subtraction of near numbers leaves shall not make a step twice as long.
        let factor = match mantissa * (1.0 - 1e-6) {
            m if m <= 1.0 => 1,
            m if m <= 2.0 => 2,
            m if m <= 5.0 => 5,
            _ => {
                exponent += 1;
                1
            }
        };
        let step = decimal(factor, exponent);
        // A tick at the very end of the range is one of them.
        let (first, last) = ((self.lo / step - 1e-9).ceil() as i64, (self.hi / step + 1e-9).floor() as i64);
        let wholes: Vec<i64> = (first..=last).map(|k| k * factor).collect();
        let labels = labels(&wholes, exponent);
        wholes
            .iter()
            .zip(labels)
            .map(|(&k, label)| Tick { value: decimal(k, exponent).clamp(self.lo, self.hi), label })
            .collect()
    }
}

/// `whole` times ten to the `exponent`, rounded once.
fn decimal(whole: i64, exponent: i32) -> f64 {
    format!("{whole}e{exponent}").parse().expect("a whole number and an exponent are a number")
}

/// A positive number as mantissa (1 to 10) and exponent.
fn scientific(value: f64) -> (f64, i32) {
    let text = format!("{value:e}");
    let parts = text.split_once('e').and_then(|(m, e)| Some((m.parse().ok()?, e.parse().ok()?)));
    parts.expect("a finite number in scientific form")
}

/// Multiples of ten to the `exponent` as text, all in the same form: plain, or
/// with one power of ten where they are very large or very small.
fn labels(wholes: &[i64], exponent: i32) -> Vec<String> {
    let largest = wholes.iter().map(|k| k.unsigned_abs()).max().unwrap_or(0);
    let digits = largest.checked_ilog10().map_or(0, |d| d as i32);
    let top = digits + exponent;
    let plain = (-4..7).contains(&top);
    wholes
        .iter()
        .map(|&k| match k {
            0 => "0".to_owned(),
            k if plain => pointed(k, exponent),
            k => format!("{}×10{}", pointed(k, -digits), raised(top)),
        })
        .collect()
}

/// A whole number with its decimal point moved: (125, -2) is 1.25, (3, 2) is 300.
fn pointed(whole: i64, exponent: i32) -> String {
    let sign = if whole < 0 { "−" } else { "" };
    let digits = whole.unsigned_abs().to_string();
    if exponent >= 0 {
        return format!("{sign}{digits}{}", "0".repeat(exponent as usize));
    }
    let decimals = exponent.unsigned_abs() as usize;
    let digits = format!("{digits:0>width$}", width = decimals + 1);
    let (before, after) = digits.split_at(digits.len() - decimals);
    format!("{sign}{before}.{after}")
}

fn raised(exponent: i32) -> String {
    let digit = |c: char| match c {
        '-' => '⁻',
        c => c.to_digit(10).and_then(|d| "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(d as usize)).unwrap_or(c),
    };
    exponent.to_string().chars().map(digit).collect()
}

/// A number for people, to five digits.
pub(crate) fn short(value: f64) -> String {
    if value.is_nan() {
        return "missing".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "infinity".to_owned() } else { "−infinity".to_owned() };
    }
    let text = format!("{value:.4e}");
    let (mantissa, exponent) = text.split_once('e').expect("scientific form");
    let exponent: i32 = exponent.parse().expect("an exponent");
    let negative = mantissa.starts_with('-');
    let whole: i64 = mantissa.replace(['.', '-'], "").parse().expect("five digits");
    let (mut whole, mut scale) = (whole, exponent - 4);
    while whole != 0 && whole % 10 == 0 {
        (whole, scale) = (whole / 10, scale + 1);
    }
    labels(&[if negative { -whole } else { whole }], scale).remove(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(lo: f64, hi: f64, most: usize) -> Vec<String> {
        Scale { lo, hi }.ticks(most).into_iter().map(|t| t.label).collect()
    }

    #[test]
    fn ticks_are_round_and_without_noise() {
        assert_eq!(shown(0.0, 1.0, 5), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(shown(-0.35, 0.11, 5), ["−0.3", "−0.2", "−0.1", "0", "0.1"]);
        assert_eq!(shown(1.2, 8.9, 4), ["2", "4", "6", "8"]);
        assert_eq!(
            shown(101_324.996, 101_325.004, 4),
            ["101324.996", "101324.998", "101325.000", "101325.002", "101325.004"]
        );
        assert_eq!(shown(0.0, 46340.0, 5), ["0", "10000", "20000", "30000", "40000"]);
        assert_eq!(shown(0.0, 3.2e9, 4), ["0", "1×10⁹", "2×10⁹", "3×10⁹"]);
        assert_eq!(shown(-2e-7, 2e-7, 4), ["−2×10⁻⁷", "−1×10⁻⁷", "0", "1×10⁻⁷", "2×10⁻⁷"]);
        assert_eq!(shown(f64::MIN, f64::MAX, 4), ["−1×10³⁰⁸", "0", "1×10³⁰⁸"]);
    }

    #[test]
    fn numbers_for_people() {
        let all = [0.0, -1.5, 46340.0, 2.0 / 3.0, 1e12, -4.25e-9, 100.0, f64::INFINITY, 5e-324];
        assert_eq!(
            all.map(short),
            ["0", "−1.5", "46340", "0.66667", "1×10¹²", "−4.25×10⁻⁹", "100", "infinity", "4.9407×10⁻³²⁴"],
        );
    }

    proptest! {
        #[test]
        fn any_range_has_room_and_ticks_in_order(
            a in proptest::num::f64::NORMAL | proptest::num::f64::ZERO | proptest::num::f64::SUBNORMAL,
            width in prop_oneof![Just(0.0), 1e-300..1e-290f64, 1e-9..1e9f64, 1e200..1e308f64],
            most in 2usize..12,
        ) {
            let scale = Scale::around(a, (a + width).min(f64::MAX), 0.05);
            prop_assert!(scale.lo < scale.hi, "{scale:?}");
            let (at, end) = (scale.share(a), scale.share((a + width).min(f64::MAX)));
            prop_assert!((0.0..=1.0).contains(&at) && at <= end && end <= 1.0, "{at} {end}");
            let ticks = scale.ticks(most);
            prop_assert!((2..=most.max(5) + 1).contains(&ticks.len()), "{}", ticks.len());
            for pair in ticks.windows(2) {
                prop_assert!(pair[0].value < pair[1].value);
                prop_assert!(pair[0].label != pair[1].label);
            }
            for tick in &ticks {
                prop_assert!((0.0..=1.0).contains(&scale.share(tick.value)));
            }
        }

        #[test]
        fn a_label_is_the_number_of_its_tick(lo in -1e6..1e6f64, width in 1e-3..1e6f64) {
            for tick in (Scale { lo, hi: lo + width }).ticks(6) {
                let read: f64 = tick.label.replace('−', "-").parse().unwrap();
                prop_assert_eq!(read, tick.value);
            }
        }
    }
}
