//! What a file holds, for reviews: kinds, parameters with their units, how many
//! rows and values, what is wrong with it though it is read. Noted while a file
//! is read, before its tables see it; of a file that is refused, by a survey of its bytes.

use std::collections::HashMap;
use std::sync::Arc;

use lakegate_domain::exchange::{self, Rule};
use lakegate_domain::model::{Column, Dataset, Table};
use lakegate_domain::review::{Contents, Parameter, Part, PartCounts, Problem, Problems, Severity, UNKNOWN};
use lakegate_domain::{Code, Failure};
use lakegate_format::conform::{self, column_name};
use lakegate_format::exchange::{DATETIME, Fault, is_accepted, is_known};
use lakegate_format::open::{Stream, Surveyed};

use super::gather::{merged_names, nulls_of_stream};
use super::parse::Rows;
use super::tables::{TableView, View};

/// What some rows of one record stream hold, as the file has them: before they
/// are merged, computed with or shared out among tables.
#[derive(Clone, Debug)]
pub struct Tally {
    stream: Arc<Stream>,
    /// The tables that the rows go to, in the order of their declaration.
    tables: Vec<String>,
    names: Arc<[String]>,
    n_rows: u64,
    /// By column.
    n_values: Vec<u64>,
}

impl Tally {
    /// `rows` have the file's own columns and no others.
    ///
    /// # Errors
    /// Values of a type that has no plain form.
    pub fn of(
        dataset: &Dataset,
        tables: &[String],
        stream: &Arc<Stream>,
        rows: &Rows,
    ) -> Result<Self, Failure> {
        let names: Arc<[String]> = match rows {
            Rows::Text(batch) => batch.names.clone(),
            Rows::Typed(_) => rows.names().map(str::to_string).collect(),
        };
        let first = tables.first().map(String::as_str);
        let nulls = nulls_of_stream(dataset, stream.name.as_deref().or(first));
        let n_values = |(at, name): (usize, &String)| {
            let column = declared(dataset, tables, stream, name);
            match rows {
                Rows::Text(batch) => Ok(conform::n_values_of_text(batch, at, column, &nulls)),
                Rows::Typed(batch) => conform::n_values_of_typed(batch.column(at), column, &nulls),
            }
        };
        Ok(Self {
            n_values: names.iter().enumerate().map(n_values).collect::<lakegate_format::Result<_>>()?,
            n_rows: rows.n_rows() as u64,
            stream: stream.clone(),
            tables: tables.to_vec(),
            names,
        })
    }
}

/// The column that says how an input column of a stream is read: one of `input:`
/// where a command or a statement sees it first, else one of the tables'.
fn declared<'d>(dataset: &'d Dataset, tables: &[String], stream: &Stream, name: &str) -> Option<&'d Column> {
    let full = stream.name.as_ref().map(|s| format!("{s}.{name}"));
    let short = column_name(name);
    let find = |columns: &'d [Column]| {
        let is_from = |c: &&Column| c.is_from(name) || full.as_deref().is_some_and(|full| c.is_from(full));
        columns.iter().find(is_from).or_else(|| columns.iter().find(|c| c.name == short))
    };
    tables.iter().find_map(|table| {
        let config = dataset.tables.get(table).or(dataset.any_table.as_ref())?;
        find(if sees_input(config) { &dataset.input } else { &config.columns })
    })
}

/// Whether the file's columns go to a command or a statement, behind which
/// nothing is known of them.
fn sees_input(config: &Table) -> bool {
    config.transform.is_some() || config.hook.is_some()
}

/// One record stream of a file, of one kind.
#[derive(Debug)]
struct Held {
    kind: &'static str,
    stream: Option<String>,
    tables: Vec<String>,
    /// The columns of its documents, each set of them once.
    headers: Vec<Arc<[String]>>,
    n_documents: u64,
    n_rows: u64,
    parameters: Vec<Found>,
}

/// A column of a stream with the unit that the file states for it.
#[derive(Debug)]
struct Found {
    name: String,
    unit: Option<String>,
    n_rows: u64,
    n_values: u64,
}

/// What a table makes of a column.
struct MadeOf {
    table: String,
    /// The table's column, where it is known.
    column: Option<String>,
    /// The unit that the dataset says its values are in.
    unit: Option<String>,
}

/// The contents of one file in the making.
#[derive(Debug, Default)]
pub struct Inventory {
    streams: Vec<Held>,
    problems: Problems,
    /// The stream that is being read.
    last: Option<Arc<Stream>>,
}

impl Inventory {
    /// Adds rows in the order in which the file has them.
    pub fn add(&mut self, tally: &Tally) {
        let stream = &tally.stream;
        let held = self.held(tally);
        let is_known = |h: &Arc<[String]>| Arc::ptr_eq(h, &tally.names) || *h == tally.names;
        if !held.headers.iter().any(is_known) {
            held.headers.push(tally.names.clone());
        }
        held.n_rows += tally.n_rows;
        // Which the reader makes of two others.
        let is_ours = |name: &str| stream.format == exchange::FORMAT && name == DATETIME;
        for (i, name) in tally.names.iter().enumerate().filter(|(_, name)| !is_ours(name)) {
            let unit = stream.units.iter().find(|(n, unit)| n == name && !unit.is_empty());
            let unit = unit.map(|(_, unit)| unit.as_str());
            // In most files, the same column stands at the same place.
            let is_it = |p: &Found| p.name == *name && p.unit.as_deref() == unit;
            let at = match held.parameters.get(i).is_some_and(is_it) {
                true => Some(i),
                false => held.parameters.iter().position(is_it),
            };
            let at = at.unwrap_or_else(|| {
                let unit = unit.map(str::to_string);
                held.parameters.push(Found { name: name.clone(), unit, n_rows: 0, n_values: 0 });
                held.parameters.len() - 1
            });
            held.parameters[at].n_rows += tally.n_rows;
            held.parameters[at].n_values += tally.n_values[i];
        }
    }

    /// What is known of the rows' stream. Of a new document its faults are noted.
    fn held(&mut self, tally: &Tally) -> &mut Held {
        let stream = &tally.stream;
        let last = self.last.replace(stream.clone());
        // A document may have several streams, which take turns.
        let is_new = last.is_none_or(|last| last.member != stream.member);
        let at = self.streams.iter().position(|h| h.kind == stream.kind && h.stream == stream.name);
        let at = at.unwrap_or_else(|| {
            self.streams.push(Held {
                kind: stream.kind,
                stream: stream.name.clone(),
                tables: tally.tables.clone(),
                headers: Vec::new(),
                n_documents: 0,
                n_rows: 0,
                parameters: Vec::new(),
            });
            self.streams.len() - 1
        });
        if is_new {
            self.streams[at].n_documents += 1;
            for fault in &stream.faults {
                self.problems.add(of_fault(fault, true, stream.member.as_deref()));
            }
        }
        &mut self.streams[at]
    }

    /// The contents, now that it is known which columns the tables made of them.
    pub fn finish(self, dataset: &Dataset, view: &View) -> Contents {
        let mut contents = Contents { problems: self.problems.finish(), ..Contents::default() };
        let columns: Vec<_> =
            (0..self.streams.len()).map(|at| made_of(dataset, view, &self.streams, at)).collect();
        for (held, columns) in self.streams.into_iter().zip(columns) {
            let table = held.tables.first().cloned();
            let mut counts =
                PartCounts { n_documents: held.n_documents, n_rows: held.n_rows, ..PartCounts::default() };
            let mut parameters: Vec<Parameter> = Vec::with_capacity(held.parameters.len());
            for found in held.parameters {
                let made = columns.get(&found.name);
                let unit = found.unit.or_else(|| made?.unit.clone());
                let known = match held.kind == exchange::FORMAT {
                    true => is_known(&found.name, unit.as_deref().unwrap_or_default()),
                    false => None,
                };
                let parameter = Parameter {
                    column: made.and_then(|m| m.column.clone()),
                    table: made
                        .filter(|m| m.column.is_some())
                        .map(|m| m.table.clone())
                        .filter(|t| table.as_ref() != Some(t)),
                    ..Parameter::of(held.kind, &found.name, unit.as_deref(), known)
                };
                // A document may state the unit that the dataset says for others.
                match parameters.iter().position(|p| *p == parameter) {
                    Some(at) => {
                        counts.parameters[at].0 += found.n_rows;
                        counts.parameters[at].1 += found.n_values;
                    }
                    None => {
                        parameters.push(parameter);
                        counts.parameters.push((found.n_rows, found.n_values));
                    }
                }
            }
            contents.parts.push(Part { kind: held.kind.into(), table, parameters });
            contents.counts.push(counts);
        }
        contents
    }
}

/// What tables make of the columns of one of a file's streams, by column: of
/// several tables the first that makes a column of it.
fn made_of(dataset: &Dataset, view: &View, streams: &[Held], at: usize) -> HashMap<String, MadeOf> {
    let mut made: HashMap<String, MadeOf> = HashMap::new();
    for (name, table) in streams[at].tables.iter().filter_map(|name| Some((name, view.tables.get(name)?))) {
        for header in headers(dataset, table, streams, at) {
            for (column, found) in columns_of(dataset, name, table, &header) {
                let known = made.get(&column);
                if known.is_none_or(|known| known.column.is_none() && found.column.is_some()) {
                    made.insert(column, found);
                }
            }
        }
    }
    made
}

/// A stream's columns, each beside what the table's rows call it.
type Header = Vec<(String, String)>;

/// The sets of columns that rows of a table come with from a stream; of merged
/// streams they are one.
fn headers(dataset: &Dataset, table: &TableView, streams: &[Held], at: usize) -> Vec<Header> {
    let Some(merge) = &table.config.merge else {
        let same = |names: &Arc<[String]>| names.iter().map(|n| (n.clone(), n.clone())).collect();
        return streams[at].headers.iter().map(same).collect();
    };
    let all = |held: &Held| {
        let mut columns: Vec<String> = Vec::new();
        for name in held.headers.iter().flat_map(|h| h.iter()) {
            if !columns.contains(name) {
                columns.push(name.clone());
            }
        }
        columns
    };
    let of_merge = |name: &String| {
        let held = streams.iter().find(|h| h.stream.as_ref() == Some(name))?;
        Some((name.clone(), all(held)))
    };
    let merged: Vec<(String, Vec<String>)> = merge.streams.iter().filter_map(of_merge).collect();
    let names = merged_names(dataset, &table.config, merge, &merged).unwrap_or_default();
    let its = merged.into_iter().zip(names).find(|((name, _), _)| streams[at].stream.as_ref() == Some(name));
    its.map(|((_, columns), names)| columns.into_iter().zip(names).collect()).into_iter().collect()
}

/// What a table makes of the columns of a header.
fn columns_of(
    dataset: &Dataset,
    name: &str,
    table: &TableView,
    header: &[(String, String)],
) -> Vec<(String, MadeOf)> {
    let config = &table.config;
    let unit = |c: &Column| c.from_unit.clone().or_else(|| c.unit.clone());
    let made = |column, unit| MadeOf { table: name.to_string(), column, unit };
    if sees_input(config) {
        // What comes of it is told by nobody.
        let of = |(own, called): &(String, String)| {
            let input = dataset.input.iter();
            let declared = input.clone().find(|c| c.is_from(called) || c.is_from(own));
            let declared = declared.or_else(|| input.clone().find(|c| c.name == column_name(own)))?;
            Some((own.clone(), made(None, unit(declared))))
        };
        return header.iter().filter_map(of).collect();
    }
    let names: Vec<&str> = header.iter().map(|(_, called)| called.as_str()).collect();
    let targets = table.plan.targets.iter().map(|t| &t.spec.name);
    let of = |(target, source): (&String, Option<usize>)| {
        // Not the unit that the plan knows from earlier files.
        let unit = config.columns.iter().find(|c| c.name == *target).and_then(unit);
        Some((header[source?].0.clone(), made(Some(target.clone()), unit)))
    };
    targets.zip(conform::sources(&table.plan, &names)).filter_map(of).collect()
}

/// The contents of a file that is refused. Each rule of WHP-Exchange that it
/// breaks is a problem of its own where such a rule is the reason; else there is
/// the failure alone, which the ledger has.
pub fn of_survey(documents: &[Surveyed], failure: &Failure) -> Contents {
    let is_of_format = matches!(failure.code, Code::Malformed | Code::Encoding);
    let mut contents = Contents::default();
    let mut problems = Problems::default();
    for document in documents {
        let kind = document.kind.unwrap_or(UNKNOWN);
        let at = contents.parts.iter().position(|p| p.kind == kind).unwrap_or_else(|| {
            contents.parts.push(Part { kind: kind.into(), table: None, parameters: Vec::new() });
            contents.counts.push(PartCounts::default());
            contents.parts.len() - 1
        });
        let counts = &mut contents.counts[at];
        counts.n_documents += 1;
        let Some((options, report)) = &document.exchange else { continue };
        counts.n_rows += report.n_rows;
        let parameters = &mut contents.parts[at].parameters;
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
                problems.add(of_fault(fault, accepted, document.member.as_deref()));
            }
        }
    }
    Contents { problems: problems.finish(), ..contents }
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
