//! A tsdat pipeline, whatever its style: what both come to before a dataset is
//! made of them.

use super::Note;
use super::value::Value;

/// Which tsdat a pipeline is written for: they differ in what is flagged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// 0.2: one file, with its storage configuration beside it.
    Old,
    /// 0.3 and later; meanings as of 0.10.
    Current,
}

#[derive(Clone, Debug)]
pub(super) struct Pipeline {
    pub style: Style,
    /// The pipeline's file, below the repository's root.
    pub source: String,
    /// Regular expressions of input names, as Python's `re.match` takes them.
    pub triggers: Vec<String>,
    pub readers: Vec<Reader>,
    /// Global attributes of the output, as they are declared or made.
    pub globals: Vec<(String, Value)>,
    /// `location.name-qualifier-temporal.level`
    pub datastream: String,
    /// What the table is called: the dataset's name and qualifier.
    pub subject: String,
    pub variables: Vec<Variable>,
    pub managers: Vec<Manager>,
    pub output: Output,
    pub notes: Vec<Note>,
}

/// What reads the inputs whose names match.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    pub pattern: String,
    pub kind: ReaderKind,
}

#[derive(Clone, Debug)]
pub(super) enum ReaderKind {
    /// Keyword arguments of `pandas.read_csv`.
    Csv(Value),
    /// Keyword arguments of `xarray.open_dataset`.
    Netcdf(Value),
    Parquet,
    Archive(Vec<Reader>),
    /// A class that is somebody's own, or without equivalent.
    Unknown(String),
}

/// A variable of the output.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    pub name: String,
    pub dims: Vec<String>,
    pub dtype: String,
    /// Set in the configuration instead of read.
    pub data: Option<Value>,
    pub attrs: Vec<(String, Value)>,
    /// Where it is read from; the first whose pattern the input's name matches.
    pub inputs: Vec<Retrieval>,
}

impl Variable {
    /// Whether it is dimensioned by itself alone.
    pub fn is_coordinate(&self) -> bool {
        self.dims == [self.name.as_str()]
    }

    pub fn attr(&self, name: &str) -> Option<&Value> {
        self.attrs.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    pub fn is_text(&self) -> bool {
        matches!(self.dtype.as_str(), "str" | "char" | "string" | "object") || self.dtype.starts_with("<U")
    }

    /// Whether it has one value for each time and nothing more.
    pub fn is_plain(&self) -> bool {
        self.dims == [TIME]
    }
}

/// The coordinate of rows, which every dataset of tsdat has.
pub(super) const TIME: &str = "time";

/// Where a variable is read from.
#[derive(Clone, Debug)]
pub(super) struct Retrieval {
    /// Regular expression of the input's name; `None` for every input.
    pub pattern: Option<String>,
    /// Names in the input; the first that is there.
    pub names: Vec<String>,
    pub converters: Vec<Converter>,
}

#[derive(Clone, Debug)]
pub(super) enum Converter {
    /// From the unit given, or from the one that the input states.
    Units(Option<String>),
    Time {
        format: Option<String>,
        zone: Option<String>,
        /// Of numbers since 1970.
        unit: Option<String>,
    },
    Unknown(String),
}

/// One check of quality and what follows.
#[derive(Clone, Debug)]
pub(super) struct Manager {
    pub name: String,
    pub check: Check,
    pub handlers: Vec<Handler>,
    /// `COORDS`, `DATA_VARS`, `ALL`, or variables' names.
    pub apply_to: Vec<String>,
    pub exclude: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Check {
    Missing,
    Monotonic,
    Increasing,
    Decreasing,
    Threshold(Threshold),
    Despike,
    Unknown(String),
}

/// A check against an attribute of the variable itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Threshold {
    /// `valid`, `fail` or `warn`
    pub level: &'static str,
    pub side: Side,
    /// The attribute is `<level>_range`, not `<level>_min` or `<level>_max`.
    pub of_range: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Min,
    Max,
    Delta,
    Std,
}

impl Side {
    pub fn word(self) -> &'static str {
        match self {
            Side::Min => "min",
            Side::Max => "max",
            Side::Delta => "delta",
            Side::Std => "std",
        }
    }
}

impl Threshold {
    /// The attribute that it is read from.
    pub fn attribute(self) -> String {
        let word = if self.of_range { "range" } else { self.side.word() };
        format!("{}_{word}", self.level)
    }

    /// Its value for a variable.
    pub fn of(self, variable: &Variable) -> Option<f64> {
        let value = variable.attr(&self.attribute())?;
        let items = value.items();
        match self.side {
            Side::Max => items.last(),
            _ => items.first(),
        }?
        .as_number()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Handler {
    Remove { correction: Option<String> },
    Record { bit: Option<i64>, assessment: String, meaning: String },
    Sort { ascending: bool, correction: String },
    Fail { tolerance: f64 },
    Interpolate,
    Unknown(String),
}

/// Where the output goes, below the storage's root.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Output {
    /// Of one file, without its ending, in placeholders of an export.
    pub path: String,
    pub per_day: bool,
}
