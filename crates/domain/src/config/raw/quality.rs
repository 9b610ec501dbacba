//! `quality:`: checks of values, in order, and the flags that they leave.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::expect::NullIs;
use crate::config::decode::{Decode, Many, OneOrMany, Reporter, keyed, words};
use crate::config::scalars::{Name, Share};
use crate::config::yaml::{Content, Node};
use crate::model::{Assessment, Level, Order, QualityCheck, Then};

keyed! {
    /// One check (`check` or `sql`) over some columns, and what follows where values fail it.
    pub struct QualityKeys {
        /// Its name in findings; the check's own where not given.
        name = "name": Name;
        /// What is checked.
        check = "check": CheckWord;
        /// A predicate in SQL over the row, instead of `check`.
        sql = "sql": String;
        /// The columns that are checked: names, `all` (every declared column but the coordinates)
        /// or `coordinates`.
        columns = "columns": CheckedColumns, required;
        /// Columns that are left out of them.
        except = "except": OneOrMany<String>;
        /// What follows a value that fails, in this order; `flag` where not given.
        then = "then": OneOrMany<Then>;
        /// Share of a column's values that may fail before `fail` parks the file; none where not
        /// given.
        tolerate = "tolerate": Share;
        /// How bad a flag is; `indeterminate` for checks of `warn_…`, `bad` for others, where not
        /// given.
        assessment = "assessment": Assessment;
        /// The flag's bit, from 1 to 31; each column's next free one where not given.
        bit = "bit": u64;
        /// What a flag says, for people; made from the check where not given.
        meaning = "meaning": String;
        /// What `remove`, `interpolate` or `sort` did, for people.
        correction = "correction": String;
        /// Whether a missing value passes or fails; `pass` where not given.
        null_is = "null_is": NullIs;
    }
}

/// A check that is a word.
#[derive(Clone, Debug)]
pub struct CheckWord(pub QualityCheck);

words! { CheckWord, "Check", "what values are checked for":
    /// No value is missing.
    "missing" => CheckWord(QualityCheck::Missing);
    /// Each value is greater than the last good one.
    "increasing" => CheckWord(QualityCheck::Ordered(Order::Increasing));
    /// Each value is less than the last good one.
    "decreasing" => CheckWord(QualityCheck::Ordered(Order::Decreasing));
    /// `increasing`, or `decreasing` where more of the file's steps go down than up.
    "monotonic" => CheckWord(QualityCheck::Ordered(Order::Majority));
    /// Each value is at least the least of `valid_range`.
    "valid_min" => CheckWord(QualityCheck::Min(Level::Valid));
    /// Each value is at most the greatest of `valid_range`.
    "valid_max" => CheckWord(QualityCheck::Max(Level::Valid));
    /// Each value is at least the least of `fail_range`.
    "fail_min" => CheckWord(QualityCheck::Min(Level::Fail));
    /// Each value is at most the greatest of `fail_range`.
    "fail_max" => CheckWord(QualityCheck::Max(Level::Fail));
    /// Each value is at least the least of `warn_range`.
    "warn_min" => CheckWord(QualityCheck::Min(Level::Warn));
    /// Each value is at most the greatest of `warn_range`.
    "warn_max" => CheckWord(QualityCheck::Max(Level::Warn));
    /// Each value differs from the one before by at most `valid_delta`.
    "valid_delta" => CheckWord(QualityCheck::Delta(Level::Valid));
    /// Each value differs from the one before by at most `fail_delta`.
    "fail_delta" => CheckWord(QualityCheck::Delta(Level::Fail));
    /// Each value differs from the one before by at most `warn_delta`.
    "warn_delta" => CheckWord(QualityCheck::Delta(Level::Warn));
    /// Each value is at most `valid_std` standard deviations above the file's mean.
    "valid_std" => CheckWord(QualityCheck::Std(Level::Valid));
    /// Each value is at most `fail_std` standard deviations above the file's mean.
    "fail_std" => CheckWord(QualityCheck::Std(Level::Fail));
    /// Each value is at most `warn_std` standard deviations above the file's mean.
    "warn_std" => CheckWord(QualityCheck::Std(Level::Warn));
    /// No value is a spike by the phase-space method of Goring and Nikora (2002).
    "despike" => CheckWord(QualityCheck::Despike);
}

words! { Then, "Then", "what follows a value that fails":
    /// Counted, nothing else.
    "warn" => Then::Warn;
    /// The check's bit is set in the column's `qc_` column.
    "flag" => Then::Flag;
    /// The value becomes null, and what it was goes to `_rescued`; the row of a coordinate is left
    /// out.
    "remove" => Then::Remove;
    /// The value is taken from a cubic spline through the good ones.
    "interpolate" => Then::Interpolate;
    /// The rows are sorted by the coordinate.
    "sort" => Then::Sort { descending: false };
    /// The rows are sorted by the coordinate, the greatest first.
    "sort_descending" => Then::Sort { descending: true };
    /// The file is parked.
    "fail" => Then::Fail;
}

words! { Assessment, "Assessment", "how bad a flag is":
    /// The value is of no use.
    "bad" => Assessment::Bad;
    /// A person has to judge.
    "indeterminate" => Assessment::Indeterminate;
}

/// `all`, `coordinates`, or columns by name.
#[derive(Clone, Debug)]
pub enum CheckedColumns {
    All,
    Coordinates,
    Named(Many<String>),
}

impl Decode for CheckedColumns {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        match &node.content {
            Content::Scalar(s) if s.plain && s.text == "all" => Some(CheckedColumns::All),
            Content::Scalar(s) if s.plain && s.text == "coordinates" => Some(CheckedColumns::Coordinates),
            _ => OneOrMany::decode(node, report).map(|columns| CheckedColumns::Named(columns.0)),
        }
    }
}

impl JsonSchema for CheckedColumns {
    fn schema_name() -> Cow<'static, str> {
        "CheckedColumns".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "`all` (every declared column but the coordinates), `coordinates`, or columns by name.",
            "anyOf": [
                { "enum": ["all", "coordinates"] },
                { "type": "string" },
                { "type": "array", "items": { "type": "string" } },
            ],
        })
    }
}
