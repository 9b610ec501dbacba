//! Which variables are columns of which record stream: decided from names and
//! shapes alone, before a value is read.

use lakegate_domain::Code;
use lakegate_domain::model::Netcdf;
use netcdf_reader::{NcAttribute, NcGroup, NcType, NcVariable};

use super::attributes::Attributes;
use super::calendar::TimeUnits;
use crate::error::{Error, Result};

/// A dimension of the file.
#[derive(Clone, Debug, PartialEq)]
struct Dimension {
    /// From the root, such as `sensors/time`.
    path: String,
    size: u64,
    is_unlimited: bool,
}

impl Dimension {
    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    fn is_called(&self, name: &str) -> bool {
        self.name() == name
    }
}

/// A variable and where it stands.
pub(super) struct Variable<'a> {
    /// From the root, without a leading slash.
    pub path: String,
    /// From the group that is read: the column's name.
    pub name: String,
    pub nc: &'a NcVariable,
    /// The variable whose unit and calendar it has: itself, or the one whose
    /// bounds it holds (CF 1.11, section 7.1).
    pub measured_by: &'a NcVariable,
    dimensions: Vec<usize>,
}

impl Variable<'_> {
    pub fn time_units(&self) -> Option<TimeUnits> {
        let attributes = Attributes::of(self.measured_by);
        TimeUnits::parse(&attributes.text("units")?, attributes.text("calendar").as_deref())
    }

    /// The axis along which letters make a text, where its rows are the steps
    /// of `rows`: the last one, unless that is the rows' own.
    fn text_axis(&self, rows: Option<usize>) -> Option<usize> {
        let last = self.dimensions.len().checked_sub(1)?;
        (self.nc.dtype == NcType::Char && Some(self.dimensions[last]) != rows).then_some(last)
    }

    /// The dimensions that its values have, those of letters aside.
    fn spread(&self, rows: Option<usize>) -> &[usize] {
        &self.dimensions[..self.text_axis(rows).unwrap_or(self.dimensions.len())]
    }
}

/// One column of a record stream.
pub(super) struct ColumnPlan {
    /// Index of its variable.
    pub variable: usize,
    /// The axis whose steps are rows; `None`: the same value in every row.
    pub axis: Option<usize>,
    /// Lengths of the lists that a value is nested in, from the outermost.
    pub nested: Vec<u64>,
    /// Letters of a text, where the values are character arrays.
    pub letters: Option<u64>,
    /// Names of its dimensions in the file's order, those of letters aside.
    pub dimensions: Vec<String>,
}

/// One record stream.
pub(super) struct StreamPlan {
    /// Name of the dimension, where there are several streams.
    pub name: Option<String>,
    /// Name of the dimension whose steps are rows.
    pub rows: Option<String>,
    pub n_rows: u64,
    pub columns: Vec<ColumnPlan>,
}

/// A file's groups, flattened, and the streams that are made of them.
pub(super) struct Layout<'a> {
    pub variables: Vec<Variable<'a>>,
    /// Attributes of the group that is read.
    pub attributes: &'a [NcAttribute],
    pub streams: Vec<StreamPlan>,
}

impl<'a> Layout<'a> {
    /// `declares`: whether a group declares the dimension of that path itself;
    /// the library lists those of the groups around it as well.
    ///
    /// Errors: LG101 where the file lacks what the options name, LG107 where it
    /// has no variables.
    pub fn of(root: &'a NcGroup, options: &Netcdf, declares: &'a dyn Fn(&str) -> bool) -> Result<Self> {
        let prefix = prefix(&options.group);
        let mut found = Found { dimensions: Vec::new(), variables: Vec::new(), prefix, declares };
        let mut scope = Vec::new();
        found.walk(root, "", &mut scope);
        let Some(group) = root.group(&options.group) else {
            return Err(Error::new(
                Code::Malformed,
                format!("the netCDF file has no group `{}`; it has {}", options.group, groups(root)),
            ));
        };
        let Found { dimensions, variables, .. } = found;
        if variables.is_empty() {
            return Err(Error::new(Code::NoRecords, "the netCDF file has no variables"));
        }
        let rows: Vec<(Option<String>, Option<usize>)> = match options.dimensions.as_slice() {
            [] => vec![(None, likeliest(&dimensions, &variables))],
            [one] => vec![(None, Some(named(one, options, &dimensions)?))],
            several => several
                .iter()
                .map(|name| Ok((Some(name.clone()), Some(named(name, options, &dimensions)?))))
                .collect::<Result<_>>()?,
        };
        let streams = rows
            .into_iter()
            .map(|(name, rows)| StreamPlan {
                name,
                rows: rows.map(|d| dimensions[d].name().to_string()),
                n_rows: rows.map_or(1, |d| dimensions[d].size),
                columns: columns(rows, &dimensions, &variables),
            })
            .collect();
        Ok(Self { variables, attributes: &group.attributes, streams })
    }
}

fn prefix(group: &str) -> String {
    if group.is_empty() { String::new() } else { format!("{group}/") }
}

fn groups(root: &NcGroup) -> String {
    fn list(group: &NcGroup, prefix: &str, out: &mut Vec<String>) {
        for child in &group.groups {
            out.push(format!("`{prefix}{}`", child.name));
            list(child, &format!("{prefix}{}/", child.name), out);
        }
    }
    let mut out = Vec::new();
    list(root, "", &mut out);
    if out.is_empty() { "none".into() } else { out.join(", ") }
}

struct Found<'a> {
    dimensions: Vec<Dimension>,
    variables: Vec<Variable<'a>>,
    /// Of the variables that are read.
    prefix: String,
    declares: &'a dyn Fn(&str) -> bool,
}

impl<'a> Found<'a> {
    /// `scope`: the dimensions of the groups around, from the root.
    fn walk(&mut self, group: &'a NcGroup, path: &str, scope: &mut Vec<usize>) {
        let outer = scope.len();
        for d in &group.dimensions {
            let is_around = scope[..outer].iter().any(|at| self.dimensions[*at].is_called(&d.name));
            if is_around && !(self.declares)(&format!("{path}{}", d.name)) {
                continue;
            }
            scope.push(self.dimensions.len());
            self.dimensions.push(Dimension {
                path: format!("{path}{}", d.name),
                size: d.size,
                is_unlimited: d.is_unlimited,
            });
        }
        for nc in &group.variables {
            let full = format!("{path}{}", nc.name);
            let Some(name) = full.strip_prefix(self.prefix.as_str()).map(str::to_string) else { continue };
            let dimensions = nc.dimensions.iter().map(|d| self.resolve(d, path, scope)).collect();
            let bounded = group.variables.iter().find(|other| {
                let attributes = Attributes::of(other);
                ["bounds", "climatology"].iter().any(|a| attributes.text(a).as_deref() == Some(&nc.name))
            });
            let measured_by = match Attributes::of(nc).text("units") {
                None => bounded.unwrap_or(nc),
                Some(_) => nc,
            };
            self.variables.push(Variable { path: full, name, nc, measured_by, dimensions });
        }
        for child in &group.groups {
            self.walk(child, &format!("{path}{}/", child.name), scope);
        }
        scope.truncate(outer);
    }

    /// The innermost dimension of that name and size. A plain HDF5 file
    /// declares none: then it is the group's own.
    fn resolve(&mut self, d: &netcdf_reader::NcDimension, path: &str, scope: &mut Vec<usize>) -> usize {
        let is_it = |at: &&usize| {
            let known = &self.dimensions[**at];
            known.is_called(&d.name) && known.size == d.size
        };
        if let Some(at) = scope.iter().rev().find(is_it) {
            return *at;
        }
        self.dimensions.push(Dimension {
            path: format!("{path}{}", d.name),
            size: d.size,
            is_unlimited: d.is_unlimited,
        });
        scope.push(self.dimensions.len() - 1);
        self.dimensions.len() - 1
    }
}

/// A dimension by its name in the group that is read, or in those around it.
fn named(name: &str, options: &Netcdf, dimensions: &[Dimension]) -> Result<usize> {
    let mut group = options.group.as_str();
    loop {
        let path = format!("{}{name}", prefix(group));
        if let Some(at) = dimensions.iter().position(|d| d.path == path) {
            return Ok(at);
        }
        if group.is_empty() {
            break;
        }
        group = group.rsplit_once('/').map_or("", |(outer, _)| outer);
    }
    let mut known: Vec<_> = dimensions.iter().map(|d| format!("`{}`", d.path)).collect();
    known.dedup();
    let known = if known.is_empty() { "none".into() } else { known.join(", ") };
    Err(Error::new(
        Code::Malformed,
        format!("the netCDF file has no dimension `{name}`, which `dimension:` names; it has {known}"),
    ))
}

/// The dimension that is most likely meant by rows. The first of these rules
/// that tells dimensions apart decides; where none does, the first one.
///
/// 1. It is unlimited: the record dimension.
/// 2. A variable along it alone is a time.
/// 3. It has the most variables.
fn likeliest(dimensions: &[Dimension], variables: &[Variable]) -> Option<usize> {
    let likely = |at: usize| {
        let on_it = || variables.iter().filter(move |v| v.spread(None).contains(&at));
        let is_time = |v: &Variable| {
            let attributes = Attributes::of(v.nc);
            v.time_units().is_some()
                || attributes.text("standard_name").as_deref() == Some("time")
                || attributes.text("axis").as_deref() == Some("T")
        };
        let has_time = on_it().any(|v| v.spread(None) == [at] && is_time(v));
        (dimensions[at].is_unlimited, has_time, on_it().count())
    };
    let candidates = (0..dimensions.len()).filter(|at| likely(*at).2 > 0);
    // The first of equals, where `max_by_key` takes the last.
    candidates.rev().max_by_key(|at| likely(*at))
}

/// | a variable that            | is                                     |
/// |----------------------------|----------------------------------------|
/// | has the rows' dimension    | a column; its other dimensions nest lists |
/// | has none                   | a column with the same value in every row |
/// | lies along one of the nested dimensions alone | a column with the same list in every row |
/// | is another                 | no column of this stream               |
fn columns(rows: Option<usize>, dimensions: &[Dimension], variables: &[Variable]) -> Vec<ColumnPlan> {
    let nested_ones: Vec<usize> = variables
        .iter()
        .map(|v| v.spread(rows))
        .filter(|spread| rows.is_some_and(|r| spread.contains(&r)))
        .flat_map(|spread| spread.iter().copied().filter(|d| Some(*d) != rows))
        .collect();
    let plan = |(at, v): (usize, &Variable)| {
        let spread = v.spread(rows);
        let axis = spread.iter().position(|d| Some(*d) == rows);
        let is_column = match spread {
            _ if axis.is_some() => true,
            [] => true,
            [one] => nested_ones.contains(one),
            _ => false,
        };
        is_column.then(|| ColumnPlan {
            variable: at,
            axis,
            nested: (0..spread.len())
                .filter(|n| Some(*n) != axis)
                .map(|n| dimensions[spread[n]].size)
                .collect(),
            letters: v.text_axis(rows).map(|n| dimensions[v.dimensions[n]].size),
            dimensions: spread.iter().map(|d| dimensions[*d].name().to_string()).collect(),
        })
    };
    variables.iter().enumerate().filter_map(plan).collect()
}
