//! Numbers that stay exact under products and sums: a fraction, a power of ten
//! and a power of pi.

use std::f64::consts::PI;

/// `numerator / divisor * 10^ten * pi^pi`, reduced: neither has a factor of ten,
/// and they have no common one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exact {
    numerator: i128,
    divisor: i128,
    ten: i32,
    pi: i32,
}

impl Exact {
    pub const ZERO: Exact = Exact { numerator: 0, divisor: 1, ten: 0, pi: 0 };
    pub const ONE: Exact = Exact { numerator: 1, divisor: 1, ten: 0, pi: 0 };
    pub const MINUS_ONE: Exact = Exact { numerator: -1, divisor: 1, ten: 0, pi: 0 };
    pub const PI: Exact = Exact { numerator: 1, divisor: 1, ten: 0, pi: 1 };

    /// A decimal number as it is written: `1.602e-19`, `.1`, `-5`.
    pub fn decimal(text: &str) -> Option<Self> {
        let (mantissa, ten) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        let places = i32::try_from(fraction.len()).ok()?;
        // Powers of ten beyond this are no unit, and would overflow later.
        let ten = ten.checked_sub(places).filter(|ten| ten.abs() < 400)?;
        Some(Self { numerator: digits.parse().ok()?, divisor: 1, ten, pi: 0 }.reduced())
    }

    pub fn is_zero(&self) -> bool {
        self.numerator == 0
    }

    pub fn inverse(self) -> Option<Self> {
        if self.is_zero() {
            return None;
        }
        let sign = self.numerator.signum();
        let (numerator, divisor) = (self.divisor * sign, self.numerator * sign);
        Some(Self { numerator, divisor, ten: -self.ten, pi: -self.pi }.reduced())
    }

    /// `None` where it is beyond what can be held.
    pub fn times(self, other: Self) -> Option<Self> {
        // Across first: what cancels does not overflow.
        let a = gcd(self.numerator, other.divisor);
        let b = gcd(other.numerator, self.divisor);
        let made = Self {
            numerator: (self.numerator / a).checked_mul(other.numerator / b)?,
            divisor: (self.divisor / b).checked_mul(other.divisor / a)?,
            ten: self.ten.checked_add(other.ten)?,
            pi: self.pi.checked_add(other.pi)?,
        };
        Some(made.reduced())
    }

    pub fn power(self, exponent: i32) -> Option<Self> {
        // More is no unit, and would only take long.
        if exponent.abs() > 64 {
            return None;
        }
        let base = if exponent < 0 { self.inverse()? } else { self };
        (0..exponent.abs()).try_fold(Self::ONE, |made, _| made.times(base))
    }

    /// `None` where it is beyond what can be held, or the powers of pi differ.
    pub fn plus(self, other: Self) -> Option<Self> {
        if self.is_zero() {
            return Some(other);
        }
        if other.is_zero() {
            return Some(self);
        }
        if self.pi != other.pi {
            return None;
        }
        let ten = self.ten.min(other.ten);
        let at = |n: Self| {
            let shift = 10i128.checked_pow(u32::try_from(n.ten - ten).ok()?)?;
            n.numerator.checked_mul(shift)
        };
        let numerator =
            at(self)?.checked_mul(other.divisor)?.checked_add(at(other)?.checked_mul(self.divisor)?)?;
        let divisor = self.divisor.checked_mul(other.divisor)?;
        Some(Self { numerator, divisor, ten, pi: self.pi }.reduced())
    }

    fn reduced(mut self) -> Self {
        if self.is_zero() {
            return Self::ZERO;
        }
        let common = gcd(self.numerator, self.divisor);
        self.numerator /= common;
        self.divisor /= common;
        while self.numerator % 10 == 0 {
            self.numerator /= 10;
            self.ten += 1;
        }
        while self.divisor % 10 == 0 {
            self.divisor /= 10;
            self.ten -= 1;
        }
        self
    }

    pub fn to_f64(self) -> f64 {
        let (factor, divisor) = self.factor_and_divisor();
        factor / divisor
    }

    /// This number and another as whole numbers over one divisor, `[this, other,
    /// divisor]`; `None` where one of them is too large to be exact as a float.
    pub fn over_one_divisor(self, other: Self) -> Option<[f64; 3]> {
        const LARGEST: i128 = 1 << f64::MANTISSA_DIGITS;
        let fraction = |n: Self| {
            let power = 10i128.checked_pow(n.ten.unsigned_abs())?;
            let is_up = n.ten >= 0;
            let numerator = if is_up { n.numerator.checked_mul(power)? } else { n.numerator };
            let divisor = if is_up { n.divisor } else { n.divisor.checked_mul(power)? };
            let common = gcd(numerator, divisor);
            (n.pi == 0).then_some((numerator / common, divisor / common))
        };
        let ((a, a_divisor), (b, b_divisor)) = (fraction(self)?, fraction(other)?);
        let divisor = a_divisor.checked_mul(b_divisor / gcd(a_divisor, b_divisor))?;
        let whole = [a.checked_mul(divisor / a_divisor)?, b.checked_mul(divisor / b_divisor)?, divisor];
        whole.iter().all(|n| n.abs() <= LARGEST).then(|| whole.map(|n| n as f64))
    }

    /// The number as a quotient of floats, each as near as a float can be.
    pub fn factor_and_divisor(self) -> (f64, f64) {
        let (up, down) = if self.ten < 0 { (0, -self.ten) } else { (self.ten, 0) };
        // The text's nearest float: powers of ten beyond 22 are no exact floats.
        let near = |n: i128, ten: i32| format!("{n}e{ten}").parse::<f64>().unwrap_or(f64::NAN);
        let turns = PI.powi(self.pi.abs());
        let (turns_up, turns_down) = if self.pi < 0 { (1.0, turns) } else { (turns, 1.0) };
        (near(self.numerator, up) * turns_up, near(self.divisor, down) * turns_down)
    }
}

/// At least 1. Divisors are never zero, so neither is what it divides.
fn gcd(a: i128, b: i128) -> i128 {
    let (mut a, mut b) = (a.unsigned_abs(), b.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    i128::try_from(a).unwrap_or(1).max(1)
}
