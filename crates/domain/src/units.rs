//! Units of measurement as users of UDUNITS write them, and the conversion
//! from one to another.
//!
//! `mbar`, `m s-1`, `kg.m^-3`, `degF`, `umol/kg` and the like are read by the
//! grammar of UDUNITS-2 and mean what they mean there. Scales are exact rational
//! numbers until the last step, so that `mbar` to `hPa` is a factor of 1 and not
//! of 0.9999999999999999. Some things differ on purpose: `m s -1`, a slip for
//! `m s-1`, is an error, and so is a point before a digit (`m.2`); a unit does
//! not convert to its inverse; and salinity on the practical scale (`psu`) is a
//! quantity of its own, which converts to nothing else.
//!
//! Logarithmic units (`dBZ`) and times since a date are known and refused.

mod exact;
mod grammar;
mod known;

use std::fmt;

use exact::Exact;

/// What a unit measures: powers of metre, kilogram, second, ampere, kelvin,
/// mole, candela and of practical salinity.
type Dimension = [i32; 8];

/// A unit of measurement: `value in base units = scale * (value + origin)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unit {
    dimension: Dimension,
    scale: Exact,
    origin: Exact,
}

impl Unit {
    /// The unit that a text names.
    ///
    /// # Errors
    /// Where the text is no unit, or one without a linear conversion.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        grammar::parse(text)
    }

    const ONE: Unit = Unit { dimension: [0; 8], scale: Exact::ONE, origin: Exact::ZERO };

    fn base(index: usize) -> Self {
        let mut dimension = [0; 8];
        dimension[index] = 1;
        Unit { dimension, ..Unit::ONE }
    }

    fn number(scale: Exact) -> Self {
        Unit { scale, ..Unit::ONE }
    }

    /// `factor` of this unit, as a prefix says it: its zero stays where it is.
    fn prefixed(self, factor: Exact) -> Option<Self> {
        let origin =
            if self.origin.is_zero() { self.origin } else { self.origin.times(factor.inverse()?)? };
        Some(Unit { scale: self.scale.times(factor)?, origin, ..self })
    }

    /// A product. A unit with another zero counts in it as a difference: the
    /// degrees of `degC/m` are kelvins.
    fn times(self, other: Self) -> Option<Self> {
        if self == Unit::ONE {
            return Some(other);
        }
        if other == Unit::ONE {
            return Some(self);
        }
        let mut dimension = self.dimension;
        for (mine, its) in dimension.iter_mut().zip(other.dimension) {
            *mine = mine.checked_add(its)?;
        }
        Some(Unit { dimension, scale: self.scale.times(other.scale)?, origin: Exact::ZERO })
    }

    fn power(self, exponent: i32) -> Option<Self> {
        if exponent == 1 {
            return Some(self);
        }
        let mut dimension = self.dimension;
        for power in &mut dimension {
            *power = power.checked_mul(exponent)?;
        }
        Some(Unit { dimension, scale: self.scale.power(exponent)?, origin: Exact::ZERO })
    }

    /// This unit with its zero at `origin`, counted in it.
    fn shifted(self, origin: Exact) -> Option<Self> {
        Some(Unit { origin: self.origin.plus(origin)?, ..self })
    }
}

impl fmt::Display for Unit {
    /// In base units, such as `100 kg m-1 s-2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const BASE: [&str; 8] = ["m", "kg", "s", "A", "K", "mol", "cd", "psu"];
        let scale = self.scale.to_f64();
        let mut words = Vec::new();
        if scale != 1.0 || self.dimension == [0; 8] {
            words.push(format!("{scale}"));
        }
        for (name, power) in BASE.iter().zip(self.dimension).filter(|(_, power)| *power != 0) {
            words.push(if power == 1 { name.to_string() } else { format!("{name}{power}") });
        }
        f.write_str(&words.join(" "))?;
        if !self.origin.is_zero() {
            write!(f, " @ {}", self.origin.to_f64())?;
        }
        Ok(())
    }
}

/// A linear conversion: `to = (from * multiply + shift) / divide + offset`.
///
/// Factor and divisor are both kept because a division by 100 rounds once, a
/// multiplication by 0.01 twice. Where the zeros differ, all three are whole
/// numbers: 212 degF are (212 * 5 - 160) / 9 = 100 degC, and nothing is rounded
/// before the division. `offset` is for what no such numbers are small enough for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conversion {
    multiply: f64,
    shift: f64,
    divide: f64,
    offset: f64,
}

impl Conversion {
    /// The conversion from values in one unit to values in another.
    ///
    /// # Errors
    /// Where either is no unit, or where they measure different things.
    pub fn between(from: &str, to: &str) -> Result<Self, ConversionError> {
        let a = Unit::parse(from).map_err(ConversionError::From)?;
        let b = Unit::parse(to).map_err(ConversionError::To)?;
        if a.dimension != b.dimension {
            return Err(ConversionError::Different { from: a.to_string(), to: b.to_string() });
        }
        Self::of_units(a, b)
            .filter(|c| [c.multiply, c.shift, c.divide, c.offset].into_iter().all(f64::is_finite))
            .filter(|c| c.multiply != 0.0 && c.divide != 0.0)
            .ok_or(ConversionError::TooGreat)
    }

    fn of_units(from: Unit, to: Unit) -> Option<Self> {
        let ratio = from.scale.times(to.scale.inverse()?)?;
        let offset = ratio.times(from.origin)?.plus(to.origin.times(Exact::MINUS_ONE)?)?;
        if offset.is_zero() {
            let (multiply, divide) = ratio.factor_and_divisor();
            return Some(Self { multiply, shift: 0.0, divide, offset: 0.0 });
        }
        if let Some([multiply, shift, divide]) = ratio.over_one_divisor(offset) {
            return Some(Self { multiply, shift, divide, offset: 0.0 });
        }
        let (multiply, divide) = ratio.factor_and_divisor();
        Some(Self { multiply, shift: 0.0, divide, offset: offset.to_f64() })
    }

    /// Whether every value stays as it is.
    pub fn is_identity(&self) -> bool {
        self.multiply == self.divide && self.offset() == 0.0
    }

    /// What one more of the old unit is in the new one.
    pub fn scale(&self) -> f64 {
        self.multiply / self.divide
    }

    /// What zero of the old unit is in the new one.
    pub fn offset(&self) -> f64 {
        self.shift / self.divide + self.offset
    }

    /// Converts one value. The conversion that changes nothing is exact.
    pub fn apply(&self, value: f64) -> f64 {
        if self.multiply == self.divide && self.shift == 0.0 {
            return value + self.offset;
        }
        // A factor of 1 or a divisor of 1 loses nothing.
        (value * self.multiply + self.shift) / self.divide + self.offset
    }
}

/// Why a text is no unit that values can be converted from or to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// A word that names no unit, and the one that was probably meant.
    #[error("`{word}` is no unit of measurement that UDUNITS knows")]
    Unknown { word: String, near: Option<String> },
    #[error("`{text}` is not written as a unit: {why}")]
    Syntax { text: String, why: String },
    #[error("`{word}` is a logarithmic unit, which has no factor to another")]
    Logarithmic { word: String },
    #[error("`{text}` is a time since a date")]
    Time { text: String },
    #[error("`{text}` has powers or factors beyond what is computed")]
    TooGreat { text: String },
}

impl UnitError {
    /// How to mend it.
    pub fn help(&self) -> String {
        match self {
            UnitError::Unknown { near: Some(near), .. } => format!("did you mean `{near}`?"),
            UnitError::Unknown { near: None, .. } => {
                "units are those of UDUNITS, such as `hPa`, `degC`, `m s-1`, `umol/kg` or `1`".into()
            }
            UnitError::Syntax { .. } => {
                "write it as UDUNITS does, such as `kg m-3`, `m/s` or `W.m^-2`".into()
            }
            UnitError::Logarithmic { .. } => "compute it in `transform:`".into(),
            UnitError::Time { .. } => {
                "make the column a `timestamp`: its `format` says how it is counted".into()
            }
            UnitError::TooGreat { .. } => "write a simpler unit".into(),
        }
    }
}

/// Why values cannot be converted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConversionError {
    /// The unit that values are in.
    From(UnitError),
    /// The unit that they shall be in.
    To(UnitError),
    /// They measure different things; both in base units.
    Different {
        from: String,
        to: String,
    },
    TooGreat,
}
