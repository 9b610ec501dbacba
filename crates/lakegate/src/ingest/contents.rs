//! What a file holds, for reviews: kinds, parameters with their units, how many
//! rows and values, what is wrong with it though it is read. Gathered while a file
//! is folded; of a file that is refused, by a survey of its bytes.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use lakegate_domain::exchange::{self, Rule};
use lakegate_domain::model::Column;
use lakegate_domain::review::{Contents, Parameter, Part, PartCounts, Problem, Problems, Severity, UNKNOWN};
use lakegate_domain::{Code, Failure};
use lakegate_format::conform::{Plan, sources};
use lakegate_format::exchange::{DATETIME, Fault, is_accepted, is_known};
use lakegate_format::open::{Stream, Surveyed};

use serde::de::IgnoredAny;

use super::parse::Parsed;

/// What became of a batch: the plan's columns, and what did not fit into them.
pub struct Made<'a> {
    pub batch: &'a RecordBatch,
    /// By row, as in `Conformed`.
    pub rescued: Option<&'a [Option<String>]>,
}

impl Made<'_> {
    /// How many values of each input column did not fit.
    fn rescued_by_name(&self) -> HashMap<String, u64> {
        let mut found: HashMap<String, u64> = HashMap::new();
        for text in self.rescued.into_iter().flatten().flatten() {
            let names: HashMap<String, IgnoredAny> = serde_json::from_str(text).unwrap_or_default();
            names.into_keys().for_each(|name| *found.entry(name).or_default() += 1);
        }
        found
    }
}

/// The contents of one file in the making.
#[derive(Debug, Default)]
pub struct Gathered {
    parts: Vec<Part>,
    counts: Vec<PartCounts>,
    problems: Problems,
    /// The stream that is being read.
    stream: Option<Arc<Stream>>,
}

impl Gathered {
    /// Adds a batch of rows. `plan` says which columns are made of which, and
    /// `declared` what the dataset says of them; `made` are the plan's columns as
    /// they came of the rows. `is_table`: they are the table's.
    pub fn add(
        &mut self,
        parsed: &Parsed,
        plan: &Plan,
        declared: &[Column],
        is_table: bool,
        made: &Made<'_>,
    ) {
        let stream = &parsed.stream;
        let part = self.part(&parsed.table, stream);
        let n_rows = parsed.rows.n_rows() as u64;
        let names: Vec<&str> = parsed.rows.names().collect();
        let rescued = made.rescued_by_name();
        let mut found: Vec<Option<(usize, u64)>> = vec![None; names.len()];
        for (target, source) in sources(plan, &names).into_iter().enumerate() {
            let Some(at) = source else { continue };
            let column = made.batch.column(target);
            let n = match plan.targets[target].spec.default {
                None => {
                    let n_lost = rescued.get(names[at]).copied().unwrap_or(0);
                    (column.len() - column.null_count()) as u64 + n_lost
                }
                // It stands in the place of what is missing.
                Some(_) => parsed.rows.n_values(at, &plan.nulls),
            };
            if found[at].is_none_or(|(_, most)| n > most) {
                found[at] = Some((target, n));
            }
        }
        let (parameters, counts) = (&mut self.parts[part].parameters, &mut self.counts[part]);
        counts.n_rows += n_rows;
        let is_ours = |name: &str| stream.format == exchange::FORMAT && name == DATETIME;
        for (i, name) in names.iter().take(parsed.n_own).enumerate().filter(|(_, name)| !is_ours(name)) {
            let target = found[i].map(|(t, _)| &plan.targets[t].spec);
            // Not the unit that the plan knows from earlier files.
            let declared = || declared.iter().find(|c| target.is_some_and(|t| t.name == c.name));
            let unit = stream.units.iter().find(|(n, unit)| n == name && !unit.is_empty());
            let unit = match unit {
                Some((_, unit)) => Some(unit.as_str()),
                None => declared().and_then(|c| c.from_unit.as_deref().or(c.unit.as_deref())),
            };
            // In most files, the same column stands at the same place.
            let is_it = |p: &Parameter| p.name == *name && p.unit.as_deref() == unit;
            let at = match parameters.get(i).is_some_and(is_it) {
                true => Some(i),
                false => parameters.iter().position(is_it),
            };
            let at = at.unwrap_or_else(|| {
                let known = match stream.kind == exchange::FORMAT {
                    true => is_known(name, unit.unwrap_or_default()),
                    false => None,
                };
                let column = target.filter(|_| is_table).map(|t| t.name.clone());
                parameters.push(Parameter { column, ..Parameter::of(stream.kind, name, unit, known) });
                counts.parameters.push((0, 0));
                parameters.len() - 1
            });
            counts.parameters[at].0 += n_rows;
            counts.parameters[at].1 +=
                found[i].map_or_else(|| parsed.rows.n_values(i, &plan.nulls), |(_, n)| n);
        }
    }

    /// The part that a batch belongs to. Of a new document its faults are noted.
    fn part(&mut self, table: &str, stream: &Arc<Stream>) -> usize {
        let last = self.stream.replace(stream.clone());
        // A document may have several streams, which take turns.
        let is_new = last.is_none_or(|last| last.member != stream.member);
        let at = self.parts.iter().position(|p| p.kind == stream.kind && p.table.as_deref() == Some(table));
        let at = at.unwrap_or_else(|| {
            let (kind, table) = (stream.kind.to_string(), Some(table.to_string()));
            self.parts.push(Part { kind, table, parameters: Vec::new() });
            self.counts.push(PartCounts::default());
            self.parts.len() - 1
        });
        if is_new {
            self.counts[at].n_documents += 1;
            for fault in &stream.faults {
                self.problems.add(of_fault(fault, true, stream.member.as_deref()));
            }
        }
        at
    }

    pub fn finish(self) -> Contents {
        Contents { parts: self.parts, counts: self.counts, problems: self.problems.finish() }
    }
}

/// The contents of a file that is refused. Each rule of WHP-Exchange that it
/// breaks is a problem of its own where such a rule is the reason; else there is
/// the failure alone, which the ledger has.
pub fn of_survey(documents: &[Surveyed], failure: &Failure) -> Contents {
    let is_of_format = matches!(failure.code, Code::Malformed | Code::Encoding);
    let mut gathered = Gathered::default();
    for document in documents {
        let kind = document.kind.unwrap_or(UNKNOWN);
        let at = gathered.parts.iter().position(|p| p.kind == kind).unwrap_or_else(|| {
            gathered.parts.push(Part { kind: kind.into(), table: None, parameters: Vec::new() });
            gathered.counts.push(PartCounts::default());
            gathered.parts.len() - 1
        });
        let counts = &mut gathered.counts[at];
        counts.n_documents += 1;
        let Some((options, report)) = &document.exchange else { continue };
        counts.n_rows += report.n_rows;
        let parameters = &mut gathered.parts[at].parameters;
        for p in &report.parameters {
            let new = Parameter::of(kind, &p.name, Some(&p.unit), is_known(&p.name, &p.unit));
            let at = parameters.iter().position(|known| *known == new).unwrap_or_else(|| {
                parameters.push(new);
                counts.parameters.push((0, 0));
                parameters.len() - 1
            });
            counts.parameters[at].0 += p.n_rows;
            counts.parameters[at].1 += p.n_values;
        }
        for fault in &report.faults {
            let accepted = is_accepted(fault.rule, options);
            if is_of_format || accepted {
                gathered.problems.add(of_fault(fault, accepted, document.member.as_deref()));
            }
        }
    }
    gathered.finish()
}

fn of_fault(fault: &Fault, accepted: bool, member: Option<&str>) -> Problem {
    let severity = match (fault.rule.is_accepted_by_default(), accepted) {
        (true, _) => Severity::Note,
        (false, true) => Severity::Warning,
        (false, false) => Severity::Error,
    };
    let code = if fault.rule == Rule::Utf8 { Code::Encoding } else { Code::Malformed };
    Problem {
        severity,
        code: (severity == Severity::Error).then_some(code),
        rule: Some(fault.rule.name().to_string()),
        member: member.map(str::to_string),
        line: Some(fault.line),
        message: fault.what.clone(),
        n: 1,
    }
}
