//! WHP-Exchange, the text format of bottle and CTD data of the hydrographic
//! community (WHP 90-1, "WHP-Exchange format description", CCHDO): what can be
//! wrong with a file, and what flags mean.

/// The format's word in the configuration.
pub const FORMAT: &str = "whp_exchange";

/// The parameter that a column of flags belongs to.
pub fn flagged(name: &str) -> Option<&str> {
    name.strip_suffix("_FLAG_W")
}

/// A rule that a file may break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    Utf8,
    ByteOrderMark,
    LineEndings,
    Stamp,
    Header,
    EndData,
    Parameters,
    UnitCount,
    UniqueParameters,
    FlagParameter,
    ErrorParameter,
    FlagAllowed,
    FlagUnit,
    FieldCount,
    FlagValue,
    KeyPresent,
    KeyUnique,
    CoordinatesPresent,
    CoordinatesConstant,
}

impl Rule {
    pub const ALL: [Rule; 19] = [
        Rule::Utf8,
        Rule::ByteOrderMark,
        Rule::LineEndings,
        Rule::Stamp,
        Rule::Header,
        Rule::EndData,
        Rule::Parameters,
        Rule::UnitCount,
        Rule::UniqueParameters,
        Rule::FlagParameter,
        Rule::ErrorParameter,
        Rule::FlagAllowed,
        Rule::FlagUnit,
        Rule::FieldCount,
        Rule::FlagValue,
        Rule::KeyPresent,
        Rule::KeyUnique,
        Rule::CoordinatesPresent,
        Rule::CoordinatesConstant,
    ];

    /// Its word in the configuration and in lists of faults.
    pub fn name(self) -> &'static str {
        match self {
            Rule::Utf8 => "utf8",
            Rule::ByteOrderMark => "byte_order_mark",
            Rule::LineEndings => "line_endings",
            Rule::Stamp => "stamp",
            Rule::Header => "header",
            Rule::EndData => "end_data",
            Rule::Parameters => "parameters",
            Rule::UnitCount => "unit_count",
            Rule::UniqueParameters => "unique_parameters",
            Rule::FlagParameter => "flag_parameter",
            Rule::ErrorParameter => "error_parameter",
            Rule::FlagAllowed => "flag_allowed",
            Rule::FlagUnit => "flag_unit",
            Rule::FieldCount => "field_count",
            Rule::FlagValue => "flag_value",
            Rule::KeyPresent => "key_present",
            Rule::KeyUnique => "key_unique",
            Rule::CoordinatesPresent => "coordinates_present",
            Rule::CoordinatesConstant => "coordinates_constant",
        }
    }

    /// Whether a file that breaks it can be read all the same. What cannot be
    /// read is never accepted.
    pub fn can_be_accepted(self) -> bool {
        !matches!(
            self,
            Rule::Utf8
                | Rule::Stamp
                | Rule::Header
                | Rule::UnitCount
                | Rule::UniqueParameters
                | Rule::FieldCount
        )
    }

    /// Whether a file that breaks it is read unless somebody asks for more: new
    /// parameters are invented every year.
    pub fn is_accepted_by_default(self) -> bool {
        self == Rule::Parameters
    }
}

/// Which meaning the flags of a column have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flags {
    /// Of water samples.
    Sample,
    /// Of CTD measurements.
    Ctd,
    /// Of the bottle itself.
    Bottle,
}

/// What a flag says of the value that it stands beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// There must be a value.
    Value,
    /// There must be none.
    Nothing,
    /// Either.
    Any,
    /// There is no such flag.
    Unknown,
}

impl Flags {
    /// | flag | of samples | of CTD | of bottles |
    /// |---|---|---|---|
    /// | 0 | none assigned: any | any | any |
    /// | 1 | drawn, not yet analysed: nothing | not calibrated: value | any |
    /// | 2, 3, 4 | acceptable, questionable, bad: value | value | any |
    /// | 5 | not reported: nothing | nothing | any |
    /// | 6 | mean of replicates: value | interpolated: value | any |
    /// | 7 | manual peak: value | despiked: value | any |
    /// | 8 | irregular integration: value | unknown | any |
    /// | 9 | not sampled: nothing | nothing | any |
    pub fn beside(self, flag: i64) -> Beside {
        match (self, flag) {
            (_, 0) | (Flags::Bottle, 1..=9) => Beside::Any,
            (Flags::Sample, 1 | 5 | 9) | (Flags::Ctd, 5 | 9) => Beside::Nothing,
            (Flags::Sample, 2..=8) | (Flags::Ctd, 1..=7) => Beside::Value,
            _ => Beside::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags() {
        let table = |flags: Flags| (-1..11).map(|flag| flags.beside(flag)).collect::<Vec<_>>();
        use Beside::{Any as A, Nothing as N, Unknown as U, Value as V};
        assert_eq!(table(Flags::Sample), [U, A, N, V, V, V, N, V, V, V, N, U]);
        assert_eq!(table(Flags::Ctd), [U, A, V, V, V, V, N, V, V, U, N, U]);
        assert_eq!(table(Flags::Bottle), [U, A, A, A, A, A, A, A, A, A, A, U]);
    }

    #[test]
    fn names_are_different() {
        let names: std::collections::BTreeSet<_> = Rule::ALL.iter().map(|r| r.name()).collect();
        assert_eq!(names.len(), Rule::ALL.len());
    }
}
