//! What makes one file's rows of a table out of several record streams, of a
//! command, or of another table.

use std::time::Duration;

use indexmap::IndexMap;

use super::{Assessment, Column, Flags, Table};

/// Several record streams of a file that become one set of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merge {
    /// In the order that counts: the first stream that has a row says its time.
    pub streams: Vec<String>,
    /// The column by which rows come together, as it is written.
    pub by: String,
    pub how: How,
    /// How far apart two times may be that are taken for one.
    pub tolerance: Duration,
}

/// Which rows a merge gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Outer,
    Inner,
    Left,
}

/// A command that takes one file's rows and gives others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// The program and its arguments; never empty.
    pub command: Vec<String>,
    pub timeout: Duration,
    /// Its address space, on systems that can hold it to one.
    pub memory_bytes: Option<u64>,
}

/// A regular grid of time to which a file's rows are brought.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// Whole microseconds, more than none.
    pub every: Duration,
    pub method: Method,
    pub align: Align,
    /// The span that a time of the grid is for.
    pub width: Duration,
    /// `None`: the longer of `every` and the usual step of the file's times.
    pub range: Option<Duration>,
    /// Columns with a method of their own.
    pub columns: IndexMap<String, Method>,
    pub limits: GridLimits,
    /// Columns from a file's name: the same in all its rows, they are carried over
    /// as they are.
    pub constants: Vec<String>,
}

/// What is known of a value on a grid, as ADI and tsdat number it: bit, name,
/// meaning, and how bad it is.
const GRID_FLAGS: [(&str, &str, Assessment); 13] = [
    ("QC_BAD", "no value could be made", Assessment::Bad),
    ("QC_INDETERMINATE", "made of at least one indeterminate value", Assessment::Indeterminate),
    ("QC_INTERPOLATE", "interpolated between others than its two neighbours", Assessment::Indeterminate),
    ("QC_EXTRAPOLATE", "extrapolated from two values on one side", Assessment::Indeterminate),
    ("QC_NOT_USING_CLOSEST", "the nearest value was not good, this is another", Assessment::Indeterminate),
    ("QC_SOME_BAD_INPUTS", "bad values within the span were left out", Assessment::Indeterminate),
    ("QC_ZERO_WEIGHT", "all values within the span weigh nothing", Assessment::Indeterminate),
    ("QC_OUTSIDE_RANGE", "there are no values within reach", Assessment::Bad),
    ("QC_ALL_BAD_INPUTS", "all values within reach are bad", Assessment::Bad),
    ("QC_BAD_STD", "the standard deviation is greater than std_bad_max", Assessment::Bad),
    ("QC_INDETERMINATE_STD", "the standard deviation is greater than std_ind_max", Assessment::Indeterminate),
    ("QC_BAD_GOODFRAC", "the share of good values is less than goodfrac_bad_min", Assessment::Bad),
    (
        "QC_INDETERMINATE_GOODFRAC",
        "the share of good values is less than goodfrac_ind_min",
        Assessment::Indeterminate,
    ),
];

impl Grid {
    /// The flags of every column on a grid.
    pub fn flags() -> Flags {
        Flags {
            masks: (0..GRID_FLAGS.len()).map(|bit| 1 << bit).collect(),
            meanings: GRID_FLAGS.iter().map(|(name, meaning, _)| format!("{name}: {meaning}")).collect(),
            assessments: GRID_FLAGS.iter().map(|(.., assessment)| *assessment).collect(),
        }
    }

    /// How the values of a column are made, if they are numbers.
    pub fn method_of(&self, column: &str) -> Method {
        self.columns.get(column).copied().unwrap_or(self.method)
    }
}

/// From where on an average is marked; none where not declared.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GridLimits {
    pub std_bad_max: Option<f64>,
    pub std_ind_max: Option<f64>,
    pub goodfrac_bad_min: Option<f64>,
    pub goodfrac_ind_min: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Average,
    Interpolate,
    Nearest,
}

/// Where a time of a grid stands in its span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Center,
    Right,
}

impl Table {
    /// The record streams that it takes by name; none where it takes the file's
    /// only one, or another table's rows.
    pub fn streams(&self) -> Vec<&str> {
        match &self.merge {
            Some(merge) => merge.streams.iter().map(String::as_str).collect(),
            None => self.from.as_deref().into_iter().collect(),
        }
    }

    /// Whether rows of a stream go to it. `name` is its own, which stands for the
    /// stream where it names none.
    pub fn takes(&self, name: &str, stream: &str) -> bool {
        match (&self.of, &self.merge) {
            (Some(_), _) => false,
            (None, Some(merge)) => merge.streams.iter().any(|s| s == stream),
            (None, None) => self.from.as_deref().unwrap_or(name) == stream,
        }
    }

    /// The flags that a column's values have before the table's own checks: those
    /// of its grid or, without one, those that another table's rows come with.
    pub fn prior_flags(&self, column: &str) -> Option<Flags> {
        match (&self.grid, &self.origin) {
            (Some(grid), _) => {
                let is_value = !self.coordinates.iter().any(|c| c == column)
                    && !grid.constants.iter().any(|c| c.eq_ignore_ascii_case(column))
                    && !self.is_companion(column);
                is_value.then(Grid::flags)
            }
            (None, Some(_)) => self.origin_flags(column),
            (None, None) => None,
        }
    }

    /// The flags that a column's values have in the table that this one is made of.
    pub fn origin_flags(&self, column: &str) -> Option<Flags> {
        let own = self.columns.iter().find(|c| c.name == column);
        self.origin.as_ref()?.flags_of(own.map_or(column, Column::source))
    }

    /// Whether a column says something of an average of the grid.
    fn is_companion(&self, column: &str) -> bool {
        let is_declared = |name: &str| self.columns.iter().any(|c| c.name == name);
        let of = column.strip_suffix("_std").or_else(|| column.strip_suffix("_goodfraction"));
        of.is_some_and(is_declared) && !is_declared(column)
    }

    /// Whether a file's rows of it come together before its columns are made.
    pub fn is_gathered(&self) -> bool {
        self.of.is_none() && (self.merge.is_some() || self.hook.is_some())
    }
}
