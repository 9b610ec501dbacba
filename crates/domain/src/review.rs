//! What a review says of a file: what its documents hold, by parameter and unit,
//! and everything that is wrong with it.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::Code;
use crate::exchange;

/// What the kind of a document is called that no reader recognises.
pub const UNKNOWN: &str = "unknown";

/// Different problems of one file that are kept; of more, each rule's are counted.
const MOST: usize = 500;

/// How much a problem matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Rows that should be in a table are not.
    Error,
    /// The rows are there, and something is wrong with them.
    Warning,
    /// Worth knowing: a parameter and unit that nobody has listed.
    Note,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
    }
}

/// Something that is wrong with a file, however often it stands there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub severity: Severity,
    /// The failure that it is, or is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// The rule that is broken: of the format, or the name of an expectation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The first document in which it stands, where the file is an archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// Where it stands there first, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// For people.
    pub message: String,
    /// How often.
    pub n: u64,
}

/// A column of a file, as the file spells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    pub name: String,
    /// The file's; where it states none, that of which the dataset says its
    /// values are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The table's column that is made of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The table that has the column, where it is another than the part's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Whether the format's list has it with this unit; `None` where there is no
    /// list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<bool>,
    /// Whether it holds the flags of another one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_flag: bool,
}

impl Parameter {
    /// What a parameter of a document of this kind is.
    pub fn of(kind: &str, name: &str, unit: Option<&str>, known: Option<bool>) -> Self {
        Self {
            name: name.to_string(),
            unit: unit.filter(|u| !u.is_empty()).map(str::to_string),
            column: None,
            table: None,
            known,
            is_flag: kind == exchange::FORMAT && exchange::flagged(name).is_some(),
        }
    }
}

/// The documents of a file that are of one kind and one record stream: all that is
/// alike in file after file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The format's word, or [`UNKNOWN`].
    pub kind: String,
    /// The name of the table that the rows go to, of several the first; `None` where
    /// they have none to go to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Each pair of name and unit once.
    pub parameters: Vec<Parameter>,
}

/// The figures of a [`Part`], which differ from file to file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartCounts {
    /// Documents whose first rows are of this part: the file itself, or members of
    /// the archive that it is.
    pub n_documents: u64,
    pub n_rows: u64,
    /// For each parameter the rows of the documents that have it, and its values.
    pub parameters: Vec<(u64, u64)>,
}

/// What a file holds, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    pub parts: Vec<Part>,
    /// One for each part.
    pub counts: Vec<PartCounts>,
    pub problems: Vec<Problem>,
}

impl Contents {
    /// The kinds of its documents, each once, with commas between.
    pub fn kind(&self) -> Option<String> {
        let mut kinds: Vec<&str> = Vec::new();
        for part in &self.parts {
            if !kinds.contains(&part.kind.as_str()) {
                kinds.push(&part.kind);
            }
        }
        (!kinds.is_empty()).then(|| kinds.join(", "))
    }
}

/// Problems in the making: those that say the same are counted.
#[derive(Clone, Debug, Default)]
pub struct Problems {
    kept: Vec<Problem>,
    index: HashMap<(Option<String>, String), usize>,
    /// Beyond [`MOST`], by rule.
    more: BTreeMap<(Severity, Option<String>), (Option<Code>, u64)>,
}

impl Problems {
    pub fn add(&mut self, problem: Problem) {
        let key = (problem.rule.clone(), problem.message.clone());
        if let Some(at) = self.index.get(&key) {
            self.kept[*at].n += problem.n;
        } else if self.kept.len() < MOST {
            self.index.insert(key, self.kept.len());
            self.kept.push(problem);
        } else {
            let more = self.more.entry((problem.severity, problem.rule)).or_insert((problem.code, 0));
            more.1 += problem.n;
        }
    }

    /// In the order in which they came.
    pub fn finish(self) -> Vec<Problem> {
        let more = self.more.into_iter().map(|((severity, rule), (code, n))| Problem {
            severity,
            code,
            rule,
            member: None,
            line: None,
            message: format!("{n} more that are not listed"),
            n,
        });
        self.kept.into_iter().chain(more).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(message: &str) -> Problem {
        Problem {
            severity: Severity::Warning,
            code: None,
            rule: Some("flag_value".into()),
            member: Some("a.csv".into()),
            line: Some(3),
            message: message.into(),
            n: 1,
        }
    }

    #[test]
    fn what_says_the_same_is_one_problem_and_none_is_lost() {
        let mut problems = Problems::default();
        for i in 0..2000 {
            problems.add(problem(&format!("{}", i % 1000)));
        }
        let found = problems.finish();
        assert_eq!(found.len(), MOST + 1);
        assert_eq!((found[0].n, found[0].line), (2, Some(3)));
        assert_eq!(found.iter().map(|p| p.n).sum::<u64>(), 2000);
        assert_eq!(found[MOST].rule.as_deref(), Some("flag_value"));
    }

    #[test]
    fn a_file_is_of_every_kind_that_its_documents_are_of() {
        let part = |kind: &str| Part { kind: kind.into(), table: None, parameters: Vec::new() };
        let of = |kinds: &[&str]| {
            Contents { parts: kinds.iter().map(|k| part(k)).collect(), ..Contents::default() }.kind()
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["csv", UNKNOWN, "csv"]).as_deref(), Some("csv, unknown"));
    }

    #[test]
    fn flags_are_those_of_the_format_that_has_them() {
        assert!(Parameter::of("whp_exchange", "OXYGEN_FLAG_W", Some(""), None).is_flag);
        assert!(!Parameter::of("csv", "OXYGEN_FLAG_W", None, None).is_flag);
        assert_eq!(Parameter::of("csv", "a", Some(""), None).unit, None);
    }
}
