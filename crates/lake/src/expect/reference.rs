//! The expectations once more, one row at a time over JSON values, with no
//! thought of speed: what the vectorised ones are held against.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use lakegate_domain::Code;
use lakegate_domain::model::{Check, Columns, Expectation, OnFail, Scalar};
use regex::Regex;
use serde_json::{Map, Value};

pub(super) type Row = Map<String, Value>;

/// What becomes of a file, row by row.
#[derive(Debug, PartialEq)]
pub(super) struct Outcome {
    /// `_row` of the rows that stay, with the values nulled and their flags.
    pub(super) pass: BTreeMap<u64, (Row, Vec<String>)>,
    /// `_row`, column, old value.
    pub(super) nulled: BTreeSet<(u64, String, String)>,
    pub(super) quarantined: BTreeMap<u64, String>,
    pub(super) dropped: BTreeMap<u64, String>,
    pub(super) n_duplicates: u64,
    /// Name, rows failed, first rows.
    pub(super) findings: Vec<(String, u64, Vec<u64>)>,
    pub(super) failure: Option<Code>,
}

/// A predicate in SQL and the same in Rust.
pub(super) type Predicates<'a> = &'a [(&'a str, fn(&Row) -> Option<bool>)];

struct Judge<'a> {
    name: String,
    expectation: &'a Expectation,
    columns: Vec<String>,
    seen: HashSet<String>,
    last: Option<Value>,
    failed: Vec<u64>,
}

pub(super) fn outcome(rows: &[Row], expect: &[Expectation], predicates: Predicates<'_>) -> Outcome {
    let mut judges: Vec<Judge> = Vec::new();
    for e in expect {
        let named = match &e.columns {
            Columns::Named(names) => names.clone(),
            _ => Vec::new(),
        };
        let whole = matches!(e.check, Check::Unique | Check::Sql(_) | Check::Rows { .. });
        let parts: Vec<Vec<String>> =
            if whole { vec![named] } else { named.into_iter().map(|n| vec![n]).collect() };
        let several = parts.len() > 1;
        for columns in parts {
            let name = if several { format!("{}[{}]", e.name, columns[0]) } else { e.name.clone() };
            judges.push(Judge {
                name,
                expectation: e,
                columns,
                seen: HashSet::new(),
                last: None,
                failed: vec![],
            });
        }
    }

    let mut out = Outcome {
        pass: BTreeMap::new(),
        nulled: BTreeSet::new(),
        quarantined: BTreeMap::new(),
        dropped: BTreeMap::new(),
        n_duplicates: 0,
        findings: Vec::new(),
        failure: None,
    };
    for (i, row) in rows.iter().enumerate() {
        let number = i as u64 + 1;
        let mut failed: Vec<&Judge> = Vec::new();
        for judge in &mut judges {
            let verdict = judge.verdict(row, predicates);
            if verdict == Some(false) || (verdict.is_none() && judge.expectation.null_fails) {
                judge.failed.push(number);
                failed.push(judge);
            }
        }
        let named = |on_fail: OnFail| -> Vec<&str> {
            failed.iter().filter(|j| j.expectation.on_fail == on_fail).map(|j| j.name.as_str()).collect()
        };
        if !named(OnFail::Quarantine).is_empty() {
            out.quarantined.insert(number, named(OnFail::Quarantine).join(","));
        } else if !named(OnFail::Drop).is_empty() {
            out.dropped.insert(number, named(OnFail::Drop).join(","));
            let by_unique = failed
                .iter()
                .any(|j| j.expectation.on_fail == OnFail::Drop && j.expectation.check == Check::Unique);
            out.n_duplicates += u64::from(by_unique);
        } else {
            let mut kept = row.clone();
            for judge in failed.iter().filter(|j| j.expectation.on_fail == OnFail::Null) {
                for column in &judge.columns {
                    if row[column] != Value::Null {
                        out.nulled.insert((number, column.clone(), row[column].to_string()));
                    }
                    kept[column] = Value::Null;
                }
            }
            let flags = named(OnFail::Flag).into_iter().map(str::to_string).collect();
            out.pass.insert(number, (kept, flags));
        }
    }

    for judge in judges {
        let e = judge.expectation;
        let n = judge.failed.len() as u64;
        let file_fails = match (e.on_fail, e.tolerate) {
            (OnFail::Reject, None) => n > 0,
            (_, Some(share)) => n > 0 && n as f64 / rows.len() as f64 > share,
            (_, None) => false,
        };
        if file_fails && out.failure != Some(Code::Rejected) {
            out.failure = Some(if e.on_fail == OnFail::Reject { Code::Rejected } else { Code::TooManyBad });
        }
        out.findings.push((judge.name, n, judge.failed.into_iter().take(5).collect()));
    }
    out
}

impl Judge<'_> {
    /// True, false or, where something is missing, NULL.
    fn verdict(&mut self, row: &Row, predicates: Predicates<'_>) -> Option<bool> {
        let value = self.columns.first().map_or(&Value::Null, |c| &row[c]);
        match &self.expectation.check {
            Check::Present => Some(!value.is_null()),
            Check::Unique => {
                let key: Vec<&Value> = self.columns.iter().map(|c| &row[c]).collect();
                if key.iter().any(|v| v.is_null()) {
                    return None;
                }
                Some(self.seen.insert(serde_json::to_string(&key).unwrap()))
            }
            Check::InRange { min, max } => {
                if value.is_null() {
                    return None;
                }
                let above = min.as_ref().is_none_or(|m| !less(value, &literal(m)));
                let below = max.as_ref().is_none_or(|m| !less(&literal(m), value));
                Some(above && below)
            }
            Check::InSet(members) => {
                (!value.is_null()).then(|| members.iter().any(|m| equal(&literal(m), value)))
            }
            Check::Matches(pattern) => {
                let whole = Regex::new(&format!("^(?:{pattern})$")).unwrap();
                value.as_str().map(|t| whole.is_match(t))
            }
            Check::Increasing | Check::Decreasing => {
                if value.is_null() {
                    return None;
                }
                let up = self.expectation.check == Check::Increasing;
                let good = match &self.last {
                    None => true,
                    Some(last) if up => less(last, value),
                    Some(last) => less(value, last),
                };
                if good {
                    self.last = Some(value.clone());
                }
                Some(good)
            }
            Check::Sql(sql) => predicates.iter().find(|(s, _)| s == sql).expect("a known predicate").1(row),
            Check::InValidRange | Check::Rows { .. } => unreachable!("not generated"),
        }
    }
}

fn literal(s: &Scalar) -> Value {
    lakegate_format::conform::scalar_json(s)
}

fn less(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a < b,
        _ => a.as_f64().unwrap() < b.as_f64().unwrap(),
    }
}

fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a == b,
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        _ => false,
    }
}
