//! Quality checks of one file's rows, in the order in which they are written,
//! and the flags that they leave beside the values.

use indexmap::IndexMap;

use super::{Column, Table};

/// Values that a column may take. Both bounds belong to it; a side that is not
/// given is open, and one side at least is given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    pub min: Option<f64>,
    pub max: Option<f64>,
}

/// Which of a column's thresholds a check means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Valid,
    Fail,
    Warn,
}

impl Level {
    pub fn name(self) -> &'static str {
        match self {
            Level::Valid => "valid",
            Level::Fail => "fail",
            Level::Warn => "warn",
        }
    }
}

/// What a column declares for the checks of one [`Level`], in the column's unit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Thresholds {
    pub range: Option<Range>,
    /// Greatest difference of two values that follow each other.
    pub delta: Option<f64>,
    /// Greatest distance above the mean, in standard deviations.
    pub std: Option<f64>,
}

impl Column {
    pub fn thresholds(&self, level: Level) -> Thresholds {
        let (range, delta, std) = match level {
            Level::Valid => (self.valid_range, self.valid_delta, self.valid_std),
            Level::Fail => (self.fail_range, self.fail_delta, self.fail_std),
            Level::Warn => (self.warn_range, self.warn_delta, self.warn_std),
        };
        Thresholds { range, delta, std }
    }
}

/// The order that values are to have. A value is compared with the last good
/// one; equal values are in no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Increasing,
    Decreasing,
    /// Increasing, unless more steps of the file go down than up.
    Majority,
}

/// What a value must be to be good.
#[derive(Clone, Debug, PartialEq)]
pub enum QualityCheck {
    /// Not missing.
    Missing,
    /// Of numbers, dates and times.
    Ordered(Order),
    /// Not less than the least value of the column's range.
    Min(Level),
    /// Not greater than the greatest value of the column's range.
    Max(Level),
    /// Not farther from the value of the row before than the column's delta.
    Delta(Level),
    /// Not farther above the file's mean than so many standard deviations.
    Std(Level),
    /// No spike by the phase-space method: Goring and Nikora (2002), Wahl (2003).
    Despike,
    /// A predicate in SQL over the row.
    Sql(String),
}

impl QualityCheck {
    /// As the configuration calls it.
    pub fn word(&self) -> String {
        let of = |level: &Level, what: &str| format!("{}_{what}", level.name());
        match self {
            QualityCheck::Missing => "missing".into(),
            QualityCheck::Ordered(Order::Increasing) => "increasing".into(),
            QualityCheck::Ordered(Order::Decreasing) => "decreasing".into(),
            QualityCheck::Ordered(Order::Majority) => "monotonic".into(),
            QualityCheck::Min(level) => of(level, "min"),
            QualityCheck::Max(level) => of(level, "max"),
            QualityCheck::Delta(level) => of(level, "delta"),
            QualityCheck::Std(level) => of(level, "std"),
            QualityCheck::Despike => "despike".into(),
            QualityCheck::Sql(_) => "sql".into(),
        }
    }

    /// The threshold that a column declares for it; `None` where there is none,
    /// or the check needs none.
    pub fn threshold(&self, column: &Column) -> Option<f64> {
        match self {
            QualityCheck::Min(level) => column.thresholds(*level).range?.min,
            QualityCheck::Max(level) => column.thresholds(*level).range?.max,
            QualityCheck::Delta(level) => column.thresholds(*level).delta,
            QualityCheck::Std(level) => column.thresholds(*level).std,
            _ => None,
        }
    }

    pub fn needs_threshold(&self) -> bool {
        matches!(
            self,
            QualityCheck::Min(_) | QualityCheck::Max(_) | QualityCheck::Delta(_) | QualityCheck::Std(_)
        )
    }
}

/// What follows a value that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Counted, nothing else.
    Warn,
    /// The check's bit is set in `qc_<column>`.
    Flag,
    /// The value becomes null; what it was goes to `_rescued`. A row whose
    /// coordinate fails is left out and counted.
    Remove,
    /// The value is replaced by one of a cubic spline through the good ones.
    Interpolate,
    /// The rows are sorted by the column, missing values last.
    Sort { descending: bool },
    /// The file is parked.
    Fail,
}

impl Then {
    pub fn word(self) -> &'static str {
        match self {
            Then::Warn => "warn",
            Then::Flag => "flag",
            Then::Remove => "remove",
            Then::Interpolate => "interpolate",
            Then::Sort { descending: false } => "sort",
            Then::Sort { descending: true } => "sort_descending",
            Then::Fail => "fail",
        }
    }

    /// Whether it changes what is in the table.
    pub fn corrects(self) -> bool {
        matches!(self, Then::Remove | Then::Interpolate | Then::Sort { .. })
    }
}

/// How bad a flag is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assessment {
    Bad,
    Indeterminate,
}

impl Assessment {
    pub fn word(self) -> &'static str {
        match self {
            Assessment::Bad => "bad",
            Assessment::Indeterminate => "indeterminate",
        }
    }
}

/// One check over columns of a table, and what follows where values fail.
///
/// Checks run one after the other, and each over one column after the other:
/// each sees what those before it left. A check looks at one whole file.
#[derive(Clone, Debug, PartialEq)]
pub struct Quality {
    /// As findings call it; [`Quality::name_of`] adds the column.
    pub name: String,
    pub check: QualityCheck,
    /// The columns that it applies to, in the table's order.
    pub columns: Vec<String>,
    /// Its bit by column, from 0, where it flags. Columns that a written `bit:`
    /// is declared for and whose threshold is missing are here and not in `columns`.
    pub bits: IndexMap<String, u32>,
    /// In the order written, which is the order in which they are done.
    pub then: Vec<Then>,
    pub assessment: Assessment,
    /// What a flag says, for people.
    pub meaning: String,
    /// What was done, for people, where `then` corrects values.
    pub correction: Option<String>,
    /// Share of a file's values, 0 to 1, that may fail before [`Then::Fail`]
    /// parks the file; none where not given.
    pub tolerate: Option<f64>,
    /// Whether a missing value fails a check that is not about missing values.
    pub null_fails: bool,
}

impl Quality {
    /// The name of its finding about a column: `missing[pressure]`.
    pub fn name_of(&self, column: &str) -> String {
        format!("{}[{column}]", self.name)
    }
}

/// The bits of a column's flags, by rising mask. The lists are of one length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Each a power of two.
    pub masks: Vec<i32>,
    pub meanings: Vec<String>,
    pub assessments: Vec<Assessment>,
}

impl Table {
    /// The flags of those of `columns` that have some.
    pub fn flags<'c>(&self, columns: impl IntoIterator<Item = &'c str>) -> IndexMap<String, Flags> {
        columns.into_iter().filter_map(|c| Some((c.to_string(), self.flags_of(c)?))).collect()
    }

    /// The flags of a column; `None` where nothing flags it, and the table has
    /// no [`qc_name`] of it.
    pub fn flags_of(&self, column: &str) -> Option<Flags> {
        let mut flags = self.prior_flags(column).unwrap_or_default();
        let mut of: Vec<(u32, &Quality)> =
            self.quality.iter().filter_map(|q| Some((*q.bits.get(column)?, q))).collect();
        of.sort_by_key(|(bit, _)| *bit);
        // Checks may share a bit that means the same.
        of.dedup_by_key(|(bit, _)| *bit);
        for (bit, quality) in of {
            flags.masks.push(1 << bit);
            flags.meanings.push(quality.meaning.clone());
            flags.assessments.push(quality.assessment);
        }
        (!flags.masks.is_empty()).then_some(flags)
    }
}

/// The column that holds the flags of another: `qc_<column>`, 32-bit integers,
/// 0 where all is good; in the shape of the lists where values are lists.
pub fn qc_name(column: &str) -> String {
    format!("qc_{column}")
}
