//! One file's rows of one table brought to a regular grid of time.
//!
//! The grid's times are whole multiples of its step since 1970 in UTC, from the
//! one whose step holds the first time of the file to the one whose step holds its
//! last. So files that follow each other share a grid, and what a file gives
//! depends on nothing but the file.
//!
//! Columns in, columns out: this module reads no file and writes no table.

mod series;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::OffsetBuffer;
use arrow::compute::{cast, take};
use arrow::datatypes::{
    DataType, Field, FieldRef, Float64Type, Int32Type, Schema, SchemaRef, TimestampMicrosecondType,
};
use arrow::error::ArrowError;
use lakegate_domain::model::{Align, Assessment, Flags, Grid, Method, Table};
use lakegate_domain::{Code, Failure};
use lakegate_format::conform::rescued_together;

use crate::quality::cells::{Cells, missing};
use crate::quality::{Flagged, Rows};
use series::{Distinct, Grade, Made, average, usual_step};

/// Column of the standard deviations of an averaged one.
fn std_name(column: &str) -> String {
    format!("{column}_std")
}

/// Column of the shares of good values of an averaged one.
fn good_name(column: &str) -> String {
    format!("{column}_goodfraction")
}

/// What companions hold, before the name of the column that they belong to.
const STD_OF: &str = "standard deviation of the values averaged in";
const SHARE_OF: &str = "share of good values among those averaged in";

/// The column of which another is a companion, and what it says of it; `None` of
/// a name that no companion can have.
pub fn companion_of(name: &str) -> Option<(&str, &'static str)> {
    let std = name.strip_suffix("_std").map(|of| (of, STD_OF));
    std.or_else(|| name.strip_suffix("_goodfraction").map(|of| (of, SHARE_OF)))
}

/// Whether a table's grid averages a column.
pub fn is_averaged(table: &Table, field: &Field) -> bool {
    table.grid.as_ref().is_some_and(|grid| how(table, grid, field) == How::Numbers(Method::Average))
}

/// A table's grid, compiled against its Arrow schema.
#[derive(Debug)]
pub struct GridStage {
    grid: Grid,
    /// Of the rows that come in.
    input: SchemaRef,
    /// With the companions of averages.
    output: SchemaRef,
    time: usize,
    /// By column of the input.
    columns: Vec<How>,
    /// By column of the input, the bits of its flags that are bad, and all others.
    masks: Vec<(i32, i32)>,
}

/// What becomes of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// It holds the rows' times.
    Time,
    /// It is taken from the nearest row that has it, however far, without flags.
    Carried,
    /// It holds floats, or lists of them.
    Numbers(Method),
    /// It is taken from the nearest row that has it.
    Nearest,
}

fn how(table: &Table, grid: &Grid, field: &Field) -> How {
    let name = field.name();
    match table.coordinates.iter().position(|c| c == name) {
        Some(0) => return How::Time,
        Some(_) => return How::Carried,
        None if table.prior_flags(name).is_none() => return How::Carried,
        None => {}
    }
    let leaf = match field.data_type() {
        DataType::List(item) => item.data_type(),
        other => other,
    };
    match leaf.is_floating() {
        true => How::Numbers(grid.method_of(name)),
        false => How::Nearest,
    }
}

/// `schema` with the companions of the columns that a table's grid averages:
/// `<column>_std` and `<column>_goodfraction`.
pub fn with_companions(table: &Table, schema: &SchemaRef) -> SchemaRef {
    if table.grid.is_none() {
        return schema.clone();
    }
    let of = |field: &FieldRef| -> Vec<FieldRef> {
        if !is_averaged(table, field) {
            return vec![field.clone()];
        }
        let name = field.name();
        let companion = |its: String, what: &str, unit: Option<&String>| {
            let mut metadata = HashMap::from([("comment".to_string(), format!("{what} {name}"))]);
            if let Some(unit) = unit {
                metadata.insert("unit".into(), unit.clone());
            }
            Arc::new(Field::new(its, companion_type(field.data_type()), true).with_metadata(metadata))
        };
        let unit = field.metadata().get("unit");
        vec![
            field.clone(),
            companion(std_name(name), STD_OF, unit),
            companion(good_name(name), SHARE_OF, Some(&"1".to_string())),
        ]
    };
    Arc::new(Schema::new(schema.fields().iter().flat_map(of).collect::<Vec<_>>()))
}

/// The names of a table's companions.
pub fn companions(table: &Table, schema: &SchemaRef) -> Vec<String> {
    let averaged = schema.fields().iter().filter(|f| is_averaged(table, f));
    averaged.flat_map(|f| [std_name(f.name()), good_name(f.name())]).collect()
}

fn companion_type(of: &DataType) -> DataType {
    match of {
        DataType::List(item) => {
            DataType::List(Arc::new(item.as_ref().clone().with_data_type(DataType::Float64)))
        }
        _ => DataType::Float64,
    }
}

/// The type in which a column without a declared one is kept in a table with a
/// grid: the mean of whole numbers is none.
pub fn kept_type(table: &Table, column: &str, data_type: DataType) -> DataType {
    let Some(grid) = &table.grid else { return data_type };
    let is_made = table.prior_flags(column).is_some() && grid.method_of(column) != Method::Nearest;
    match data_type {
        ref t if is_made && t.is_integer() => DataType::Float64,
        DataType::List(item) if is_made && item.data_type().is_integer() => {
            DataType::List(Arc::new(item.as_ref().clone().with_data_type(DataType::Float64)))
        }
        other => other,
    }
}

impl GridStage {
    /// Compiles a table's grid for rows of `schema`; `None` where it has none.
    ///
    /// # Errors
    /// LG303 where the rows have no column of times.
    pub fn compile(table: &Table, schema: SchemaRef) -> Result<Option<GridStage>, Failure> {
        let Some(grid) = &table.grid else { return Ok(None) };
        let time = table.coordinates.first().and_then(|c| schema.index_of(c).ok());
        let time = time.filter(|at| matches!(schema.field(*at).data_type(), DataType::Timestamp(..)));
        let Some(time) = time else {
            let named = table.coordinates.first().map_or("", String::as_str);
            return Err(Failure::new(
                Code::MissingColumn,
                format!("there is no column `{named}` of times, by which `grid:` could place the rows"),
            ));
        };
        let columns = schema.fields().iter().map(|f| how(table, grid, f)).collect();
        let masks = schema
            .fields()
            .iter()
            .map(|f| table.origin_flags(f.name()).as_ref().map_or((0, 0), masks))
            .collect();
        let output = with_companions(table, &schema);
        Ok(Some(GridStage { grid: grid.clone(), input: schema, output, time, columns, masks }))
    }

    /// The columns that rows come with.
    pub fn input(&self) -> &SchemaRef {
        &self.input
    }

    /// The columns that rows have afterwards.
    pub fn output(&self) -> &SchemaRef {
        &self.output
    }

    /// Brings all rows of a file to the grid. Rows without a time are left out. What
    /// had no place so far goes with the time of the grid whose step its row is in.
    /// `limit_bytes` is what the rows may take.
    ///
    /// # Errors
    /// LG404 where the file's times are so far apart that the grid does not fit.
    pub fn apply(&self, given: Flagged, limit_bytes: usize) -> Result<Flagged, Failure> {
        let order = self.order(&given.rows.columns[self.time]);
        let (columns, flags) = sorted(&given, &order).map_err(bug)?;
        let times: Vec<i64> = columns[self.time].as_primitive::<TimestampMicrosecondType>().values().to_vec();
        let labels = self.labels(&times, limit_bytes)?;
        let reach = Reach::of(&self.grid, &times, &labels);
        let mut made = GridColumns::default();
        for (at, how) in self.columns.iter().enumerate() {
            let flags = flags.get(at).and_then(Option::as_ref);
            match how {
                How::Time => {
                    let out = TimestampMicrosecondArray::from(labels.clone());
                    made.push(Arc::new(out.with_data_type(columns[at].data_type().clone())), None);
                }
                How::Carried => {
                    let (column, _) = reach.taken(&columns[at], &[], None).map_err(bug)?;
                    made.push(column, None);
                }
                How::Nearest => {
                    let grades = row_grades(&columns[at], flags, self.masks[at]);
                    let (column, flags) = reach.taken(&columns[at], &grades, reach.range).map_err(bug)?;
                    made.push(column, Some(flags));
                }
                How::Numbers(method) => {
                    let places = reach.numbers(&columns[at], flags, self.masks[at], *method, &self.grid);
                    made.push_numbers(columns[at].data_type(), places, *method, labels.len()).map_err(bug)?;
                }
            }
        }
        let numbers = Int64Array::from_iter_values(1..=labels.len() as i64);
        let rescued = given.rows.rescued.map(|all| {
            let texts = order.values().iter().map(|row| all[*row as usize].as_deref());
            self.rescued(texts, &times, &labels)
        });
        Ok(Flagged { rows: Rows { columns: made.columns, numbers, rescued }, flags: made.flags })
    }

    /// What had no place in the rows of each step, whose `texts` are in the order of
    /// their `times`.
    fn rescued<'t>(
        &self,
        texts: impl Iterator<Item = Option<&'t str>>,
        times: &[i64],
        labels: &[i64],
    ) -> Vec<Option<String>> {
        let mut by_label: Vec<Vec<&str>> = vec![Vec::new(); labels.len()];
        for (text, time) in texts.zip(times) {
            let label = self.label(*time);
            let at = labels.partition_point(|l| i128::from(*l) < label);
            if let (Some(text), Some(of)) = (text, by_label.get_mut(at)) {
                of.push(text);
            }
        }
        by_label.iter().map(|texts| rescued_together(texts)).collect()
    }

    /// The rows that have a time, by it.
    fn order(&self, times: &ArrayRef) -> UInt32Array {
        let rising = times.as_primitive::<TimestampMicrosecondType>();
        let mut rows: Vec<u32> =
            (0..times.len() as u32).filter(|row| rising.is_valid(*row as usize)).collect();
        // Stable: rows of one time stay in the file's order.
        rows.sort_by_key(|row| rising.value(*row as usize));
        rows.into()
    }

    /// The time of the grid in whose step a time is.
    fn label(&self, time: i64) -> i128 {
        let (time, every) = (i128::from(time), self.grid.every.as_micros() as i128);
        match self.grid.align {
            Align::Left => time.div_euclid(every) * every,
            Align::Center => (time + every / 2).div_euclid(every) * every,
            Align::Right => (time.div_euclid(every) + 1) * every,
        }
    }

    /// The grid's times from the first to the last of `times`.
    fn labels(&self, times: &[i64], limit_bytes: usize) -> Result<Vec<i64>, Failure> {
        let (Some(first), Some(last)) = (times.first(), times.last()) else { return Ok(Vec::new()) };
        let every = self.grid.every.as_micros() as i128;
        let (first, last) = (self.label(*first), self.label(*last));
        let n = (last - first) / every + 1;
        // A value, its companions and its flags.
        let row_bytes = 28 * self.columns.len() as i128;
        if n * row_bytes > limit_bytes as i128 {
            return Err(Failure::new(
                Code::TooLargeToHold,
                format!(
                    "the file's times go from {} to {}: a grid of every {:?} has {n} rows, which take more than {} MiB \
                     of memory; is one of the times wrong?",
                    shown(times[0]),
                    shown(times[times.len() - 1]),
                    self.grid.every,
                    limit_bytes >> 20
                ),
            ));
        }
        let mut labels = Vec::with_capacity(n as usize);
        for k in 0..n {
            let time = i64::try_from(first + k * every);
            labels.push(time.map_err(|_| {
                Failure::new(Code::DoesNotFit, "the grid ends beyond the times that a table holds")
            })?);
        }
        Ok(labels)
    }
}

/// Columns and their flags in an order of rows.
fn sorted(
    given: &Flagged,
    order: &UInt32Array,
) -> Result<(Vec<ArrayRef>, Vec<Option<ArrayRef>>), ArrowError> {
    let columns = given.rows.columns.iter().map(|c| take(c, order, None)).collect::<Result<_, _>>()?;
    let flags = given
        .flags
        .iter()
        .map(|f| f.as_ref().map(|f| take(f, order, None)).transpose())
        .collect::<Result<_, _>>()?;
    Ok((columns, flags))
}

fn shown(time: i64) -> String {
    crate::layout::civil(time).map_or_else(|_| time.to_string(), |t| format!("{t}Z"))
}

/// Bits that are bad, and all others.
fn masks(flags: &Flags) -> (i32, i32) {
    let mut masks = (0, 0);
    for (mask, assessment) in flags.masks.iter().zip(&flags.assessments) {
        match assessment {
            Assessment::Bad => masks.0 |= mask,
            Assessment::Indeterminate => masks.1 |= mask,
        }
    }
    masks
}

/// What flags say of a value.
fn grade(flags: i32, masks: (i32, i32)) -> Grade {
    match flags {
        f if f & masks.0 != 0 => Grade::Bad,
        f if f & masks.1 != 0 => Grade::Doubtful,
        _ => Grade::Good,
    }
}

/// The grades of values that are taken as they are. The flags of a list count
/// together.
fn row_grades(column: &ArrayRef, flags: Option<&ArrayRef>, masks: (i32, i32)) -> Vec<Grade> {
    let is_missing = if column.data_type().is_nested() {
        let nulls = column.logical_nulls();
        (0..column.len()).map(|row| nulls.as_ref().is_some_and(|n| n.is_null(row))).collect::<Vec<_>>()
    } else {
        missing(column).iter().collect()
    };
    let cells = flags.map(Cells::of);
    (0..column.len())
        .map(|row| {
            if is_missing[row] {
                return Grade::Bad;
            }
            let Some(cells) = &cells else { return Grade::Good };
            let leaf = cells.leaf.as_primitive::<Int32Type>();
            let all = cells.of_row(row).filter(|c| leaf.is_valid(*c)).fold(0, |all, c| all | leaf.value(c));
            grade(all, masks)
        })
        .collect()
}

/// The rows' times, and what of them each time of the grid can reach.
struct Reach<'a> {
    times: &'a [i64],
    /// The span that each time of the grid is for.
    spans: Vec<(i64, i64)>,
    /// Its middle.
    middles: Vec<i64>,
    range: Option<u64>,
}

impl<'a> Reach<'a> {
    fn of(grid: &Grid, times: &'a [i64], labels: &[i64]) -> Self {
        let width = grid.width.as_micros().min(i64::MAX as u128) as i64;
        let before = match grid.align {
            Align::Left => 0,
            Align::Center => width / 2,
            Align::Right => width,
        };
        let spans: Vec<(i64, i64)> = labels
            .iter()
            .map(|t| (t.saturating_sub(before), t.saturating_sub(before).saturating_add(width)))
            .collect();
        let middles = spans.iter().map(|(start, _)| start.saturating_add(width / 2)).collect();
        let every = grid.every.as_micros() as u64;
        let range = match grid.range {
            Some(range) => range.as_micros() as u64,
            None => every.max(usual_step(times).unwrap_or(every)),
        };
        Reach { times, spans, middles, range: Some(range) }
    }

    /// Each value of the grid as it is in the nearest row, and its flags. Without
    /// `grades` all that is not missing is good.
    fn taken(
        &self,
        column: &ArrayRef,
        grades: &[Grade],
        range: Option<u64>,
    ) -> Result<(ArrayRef, ArrayRef), ArrowError> {
        let own = if grades.is_empty() { row_grades(column, None, (0, 0)) } else { Vec::new() };
        let grades = if grades.is_empty() { &own } else { grades };
        let found = Distinct::of(self.times, grades).nearest(&self.middles, range);
        let rows: UInt32Array = found.iter().map(|(row, _)| row.map(|row| row as u32)).collect();
        let taken = take(column, &rows, None)?;
        let cells = Cells::of(&taken);
        let mut flags = vec![0; cells.leaf.len()];
        for (row, (_, its)) in found.iter().enumerate() {
            cells.of_row(row).for_each(|cell| flags[cell] = *its);
        }
        let leaf: ArrayRef = Arc::new(Int32Array::from(flags));
        let flags = Cells::with_leaf(&taken, &leaf)?;
        Ok((taken, flags))
    }

    /// The values of the grid of each place of a column's lists, or of its only
    /// one.
    fn numbers(
        &self,
        column: &ArrayRef,
        flags: Option<&ArrayRef>,
        masks: (i32, i32),
        method: Method,
        grid: &Grid,
    ) -> Vec<Vec<Made>> {
        let cells = Cells::of(column);
        let leaf =
            cast(&cells.leaf, &DataType::Float64).unwrap_or_else(|_| new_null_array(&DataType::Float64, 0));
        let leaf = leaf.as_primitive::<Float64Type>();
        let flags = flags.map(Cells::of);
        let mut places = Vec::with_capacity(cells.n_places());
        for place in 0..cells.n_places() {
            let of_flags: Vec<Option<usize>> =
                flags.as_ref().map_or(Vec::new(), |f| f.at_place(place).collect());
            let (mut values, mut grades) =
                (Vec::with_capacity(self.times.len()), Vec::with_capacity(self.times.len()));
            for (row, cell) in cells.at_place(place).enumerate() {
                let value = cell.filter(|c| leaf.is_valid(*c)).map_or(f64::NAN, |c| leaf.value(c));
                let flag = of_flags.get(row).copied().flatten().zip(flags.as_ref()).map_or(0, |(cell, f)| {
                    let all = f.leaf.as_primitive::<Int32Type>();
                    if all.is_valid(cell) { all.value(cell) } else { 0 }
                });
                grades.push(if value.is_finite() { grade(flag, masks) } else { Grade::Bad });
                values.push(value);
            }
            places.push(match method {
                Method::Average => average(self.times, &values, &grades, &self.spans, &grid.limits),
                Method::Interpolate => {
                    Distinct::of(self.times, &grades).interpolate(&values, &self.middles, self.range)
                }
                Method::Nearest => Distinct::of(self.times, &grades)
                    .nearest(&self.middles, self.range)
                    .into_iter()
                    .map(|(row, flags)| Made { value: row.map(|row| values[row]), flags, ..Made::default() })
                    .collect(),
            });
        }
        places
    }
}

/// Columns of the grid's rows, with their flags.
#[derive(Default)]
struct GridColumns {
    columns: Vec<ArrayRef>,
    flags: Vec<Option<ArrayRef>>,
}

impl GridColumns {
    fn push(&mut self, column: ArrayRef, flags: Option<ArrayRef>) {
        self.columns.push(column);
        self.flags.push(flags);
    }

    /// A column of numbers or of lists of them, and for averages its companions.
    fn push_numbers(
        &mut self,
        data_type: &DataType,
        places: Vec<Vec<Made>>,
        method: Method,
        n_rows: usize,
    ) -> Result<(), ArrowError> {
        let of = |get: &dyn Fn(&Made) -> Option<f64>| -> ArrayRef {
            Arc::new(cells(&places, n_rows, get).collect::<Float64Array>())
        };
        let shaped = |leaf: ArrayRef, to: &DataType| -> Result<ArrayRef, ArrowError> {
            let DataType::List(item) = to else { return cast(&leaf, to) };
            let leaf = cast(&leaf, item.data_type())?;
            let offsets = OffsetBuffer::from_lengths(vec![places.len(); n_rows]);
            Ok(Arc::new(ListArray::try_new(item.clone(), offsets, leaf, None)?))
        };
        let flags: ArrayRef =
            Arc::new(cells(&places, n_rows, &|m: &Made| Some(m.flags)).collect::<Int32Array>());
        let flags = shaped(flags, &crate::quality::flags_type(data_type))?;
        self.push(shaped(of(&|m| m.value), data_type)?, Some(flags));
        if method == Method::Average {
            let companion = companion_type(data_type);
            self.push(shaped(of(&|m| m.std), &companion)?, None);
            self.push(shaped(of(&|m| m.good), &companion)?, None);
        }
        Ok(())
    }
}

/// Something of each value, row by row. A column without rows has no place.
fn cells<'a, T>(
    places: &'a [Vec<Made>],
    n_rows: usize,
    get: &'a dyn Fn(&Made) -> Option<T>,
) -> impl Iterator<Item = Option<T>> + 'a {
    (0..n_rows).flat_map(move |row| places.iter().map(move |place| get(&place[row])))
}

fn bug(e: ArrowError) -> Failure {
    Failure::new(Code::Bug, e.to_string())
}
