//! `expect:`: what must hold of the rows.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::config::decode::{Decode, Many, OneOrMany, Pair, Reporter, keyed, words};
use crate::config::scalars::{Expression, Name, Share};
use crate::config::yaml::{Content, Node};
use crate::model::{OnFail, Scalar};

keyed! {
    /// One predicate (`is`, `in_range`, `in_set`, `matches`, `unique`, `rows` or `sql`) and what
    /// follows where it does not hold.
    pub struct ExpectKeys {
        /// Its name in findings and `_flags`; made from the predicate where not given.
        name = "name": Name;
        /// The column it is about.
        column = "column": String;
        /// The columns it is about: a list, or `all`.
        columns = "columns": ColumnsWord;
        /// What the values are; several words make several expectations.
        is = "is": OneOrMany<Is>;
        /// Least and greatest value; `null` leaves a side open.
        in_range = "in_range": Pair<Scalar>;
        /// Every value that is allowed.
        in_set = "in_set": Many<Scalar>;
        /// A regular expression for the whole text.
        matches = "matches": Expression;
        /// No two rows of a file agree in all these columns.
        unique = "unique": OneOrMany<String>;
        /// Least and greatest number of rows of a file; `null` leaves a side open.
        rows = "rows": Pair<u64>;
        /// A predicate in SQL.
        sql = "sql": String;
        /// What follows where it does not hold; `warn` where not given, for `rows` it is `reject`.
        on_fail = "on_fail": OnFail;
        /// Share of a file's rows that may fail before the file is rejected.
        tolerate = "tolerate": Share;
        /// Whether a missing value passes or fails; `pass` where not given.
        null_is = "null_is": NullIs;
    }
}

/// What a word after `is:` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Is {
    Present,
    Unique,
    Increasing,
    Decreasing,
    InValidRange,
}

words! { Is, "Is", "what values are":
    /// No value is missing.
    "present" => Is::Present;
    /// No two rows of a file agree in all the columns.
    "unique" => Is::Unique;
    /// Each value is greater than the one before.
    "increasing" => Is::Increasing;
    /// Each value is less than the one before.
    "decreasing" => Is::Decreasing;
    /// Each value is within the column's `valid_range`.
    "in_valid_range" => Is::InValidRange;
}

/// What a missing value is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NullIs {
    Pass,
    Fail,
}

words! { NullIs, "NullIs", "what a missing value does":
    /// The row passes.
    "pass" => NullIs::Pass;
    /// The row fails.
    "fail" => NullIs::Fail;
}

words! { OnFail, "OnFail", "what follows a failure":
    /// Counted, nothing else.
    "warn" => OnFail::Warn;
    /// The expectation's name is added to the row's `_flags`.
    "flag" => OnFail::Flag;
    /// The value becomes null; what it was goes to `_rescued`.
    "null" => OnFail::Null;
    /// The row is left out and counted.
    "drop" => OnFail::Drop;
    /// The row goes to the quarantine table.
    "quarantine" => OnFail::Quarantine;
    /// The file is parked.
    "reject" => OnFail::Reject;
}

/// `all`, or columns by name.
#[derive(Clone, Debug)]
pub enum ColumnsWord {
    All,
    Named(Many<String>),
}

impl Decode for ColumnsWord {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        match &node.content {
            Content::Scalar(s) if s.plain && s.text == "all" => Some(ColumnsWord::All),
            _ => OneOrMany::decode(node, report).map(|columns| ColumnsWord::Named(columns.0)),
        }
    }
}

impl JsonSchema for ColumnsWord {
    fn schema_name() -> Cow<'static, str> {
        "Columns".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "`all`, or columns by name.",
            "anyOf": [{ "const": "all" }, { "type": "string" }, { "type": "array", "items": { "type": "string" } }],
        })
    }
}
