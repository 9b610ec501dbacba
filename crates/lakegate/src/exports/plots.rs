//! Plots of an export's variables: time series, and variables with a profile as
//! images. What is drawn is what the file holds; how is the plot crate's.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use arrow::array::*;
use arrow::compute::cast;
use arrow::datatypes::*;
use lakegate_domain::model::{Assessment, Flags, Table, qc_name};
use lakegate_format::netcdf::write::{Declared, Origin, Storage, Value, Variable};
use lakegate_plot::{Image, Mark, Series, Size, TimeSeries};

/// Width and height of an image.
const IMAGE: Size = Size { width: 960, height: 420 };

/// A plot of each variable of numbers along the rows, by name, as SVG or PNG.
/// Those that say where a value belongs, and flags, have none; flags are marks on
/// the values that they are of.
///
/// # Errors
/// A sentence: values that cannot be drawn.
pub(super) fn draw(
    table: &Table,
    declared: &Declared,
    batches: &[RecordBatch],
    coordinate: &str,
    title: &str,
    as_png: bool,
) -> Result<Vec<(String, Vec<u8>)>, String> {
    let times = times(batches, coordinate)?;
    let drawing = Drawing { table, declared, batches, times: &times, title, as_png };
    let columns = declared.variables.iter().filter_map(|variable| match &variable.origin {
        Origin::Column(column) if column != coordinate && is_drawn(table, declared, variable) => {
            Some((variable, column))
        }
        _ => None,
    });
    let columns: Vec<(&Variable, &String)> = columns.collect();
    let next = AtomicUsize::new(0);
    let draw_some = || {
        let mut drawn = Vec::new();
        while let (at, Some((variable, column))) = taken(&columns, &next) {
            drawn.push((at, drawing.picture(variable, column).map(|p| ((*column).clone(), p))));
        }
        drawn
    };
    let mut drawn = thread::scope(|scope| {
        let n_threads = thread::available_parallelism().map_or(1, usize::from).min(columns.len());
        let threads: Vec<_> = (0..n_threads).map(|_| scope.spawn(draw_some)).collect();
        let ended = threads.into_iter().flat_map(|t| t.join().unwrap_or_else(|e| resume_unwind(e)));
        ended.collect::<Vec<_>>()
    });
    drawn.sort_by_key(|(at, _)| *at);
    drawn.into_iter().map(|(_, picture)| picture).collect()
}

/// The next that nobody has taken, and its place.
fn taken<'a, T>(of: &'a [T], next: &AtomicUsize) -> (usize, Option<&'a T>) {
    let at = next.fetch_add(1, Relaxed);
    (at, of.get(at))
}

/// What the plots of one file have in common.
struct Drawing<'a> {
    table: &'a Table,
    declared: &'a Declared,
    batches: &'a [RecordBatch],
    times: &'a [i64],
    title: &'a str,
    as_png: bool,
}

impl Drawing<'_> {
    fn picture(&self, variable: &Variable, column: &str) -> Result<Vec<u8>, String> {
        let Self { table, declared, batches, times, title, as_png } = *self;
        let failed = |e: lakegate_plot::Error| format!("the plot of `{column}`: {e}");
        let (values, marks) = values(table, batches, column)?;
        let (name, unit) =
            (text(variable, "long_name").unwrap_or(column), text(variable, "units").unwrap_or(""));
        let mut nested = variable.dimensions.iter().filter(|d| **d != declared.rows);
        let Some(dimension) = nested.next() else {
            let period = is_direction(variable).then_some(360.0);
            let series = [Series { name, unit, times_us: times, values: &values, marks: &marks, period }];
            let plot = TimeSeries::new(title, &series);
            return if as_png { plot.png() } else { plot.svg().map(String::into_bytes) }.map_err(failed);
        };
        let levels = levels(declared, batches, dimension);
        let image = Image {
            title,
            name,
            unit,
            times_us: times,
            levels: &levels.values,
            level_name: &levels.name,
            level_unit: &levels.unit,
            downwards: levels.downwards,
            values: &values,
            marks: &marks,
            size: IMAGE,
        };
        if as_png { image.png() } else { image.svg().map(String::into_bytes) }.map_err(failed)
    }
}

/// Whether a variable holds numbers along the rows, of one further dimension at
/// most, and is neither a coordinate nor flags.
fn is_drawn(table: &Table, declared: &Declared, variable: &Variable) -> bool {
    let is_number = !matches!(variable.storage, Storage::String | Storage::Char(_));
    let is_flags = table.columns.iter().any(|c| qc_name(&c.name) == variable.name)
        || text(variable, "standard_name") == Some("quality_flag");
    let is_time = text(variable, "units").is_some_and(|u| u.contains(" since "));
    is_number
        && variable.dimensions.contains(&declared.rows)
        && variable.dimensions.len() <= 2
        && !is_flags
        && !is_time
        && !table.coordinates.contains(&variable.name)
}

/// Whether values are degrees of a turn, so that 359 and 1 are neighbours.
fn is_direction(variable: &Variable) -> bool {
    let says = |name: &str| name == "direction" || name.ends_with("_direction");
    let is_turn = text(variable, "units").is_some_and(|unit| {
        matches!(unit, "degree" | "degrees" | "deg" | "degree_true" | "degrees_true" | "arc_degree" | "°")
    });
    is_turn && (says(&variable.name.to_lowercase()) || text(variable, "standard_name").is_some_and(says))
}

fn text<'a>(variable: &'a Variable, name: &str) -> Option<&'a str> {
    match &variable.attributes.iter().find(|a| a.name == name)?.value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

/// The instants of the rows; a missing one stands at that of the row before.
fn times(batches: &[RecordBatch], coordinate: &str) -> Result<Vec<i64>, String> {
    let mut out: Vec<i64> = Vec::new();
    for batch in batches {
        let array = batch.column_by_name(coordinate).ok_or("the rows have no times")?;
        let micros = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, None))
            .map_err(|e| format!("`{coordinate}` tells no times to draw: {e}"))?;
        for time in micros.as_primitive::<TimestampMicrosecondType>() {
            let before = out.last().copied().unwrap_or_default();
            out.push(time.unwrap_or(before));
        }
    }
    Ok(out)
}

/// Values of a column, lists of them end to end, and what its flags say of each;
/// NaN where one is missing.
fn values(table: &Table, batches: &[RecordBatch], column: &str) -> Result<(Vec<f64>, Vec<Mark>), String> {
    let odd = |e: arrow::error::ArrowError| format!("`{column}` cannot be drawn: {e}");
    let (mut values, mut marks) = (Vec::new(), Vec::new());
    let flags = table.flags_of(column);
    for batch in batches {
        let Some(array) = batch.column_by_name(column) else { continue };
        let width = widest(batches, column);
        let numbers = cast(&flat(array, width)?, &DataType::Float64).map_err(odd)?;
        values.extend(numbers.as_primitive::<Float64Type>().iter().map(|v| v.unwrap_or(f64::NAN)));
        if let (Some(flags), Some(bits)) = (&flags, batch.column_by_name(&qc_name(column))) {
            let bits = cast(&flat(bits, width)?, &DataType::Int32).map_err(odd)?;
            marks.extend(bits.as_primitive::<Int32Type>().iter().map(|b| mark(flags, b.unwrap_or(0))));
        }
    }
    if marks.len() != values.len() {
        marks.clear();
    }
    Ok((values, marks))
}

/// The worst that bits say.
fn mark(flags: &Flags, bits: i32) -> Mark {
    let set = flags.masks.iter().zip(&flags.assessments).filter(|(mask, _)| bits & **mask != 0);
    set.map(|(_, assessment)| match assessment {
        Assessment::Bad => Mark::Bad,
        Assessment::Indeterminate => Mark::Indeterminate,
    })
    .max()
    .unwrap_or_default()
}

/// Length of a column's lists; `None` where it has no lists.
fn widest(batches: &[RecordBatch], column: &str) -> Option<usize> {
    let of = |array: &ArrayRef| {
        let lists = array.as_list_opt::<i32>()?;
        (0..lists.len()).map(|at| lists.value_length(at) as usize).max()
    };
    batches.iter().filter_map(|b| of(b.column_by_name(column)?)).max()
}

/// The elements of lists of one length, end to end; those of a missing list are
/// missing.
fn flat(array: &ArrayRef, width: Option<usize>) -> Result<ArrayRef, String> {
    let (Some(lists), Some(width)) = (array.as_list_opt::<i32>(), width) else { return Ok(array.clone()) };
    let mut places: Vec<Option<u32>> = Vec::with_capacity(lists.len() * width);
    for (at, ends) in lists.offsets().windows(2).enumerate() {
        match lists.is_valid(at) {
            true => places.extend((ends[0]..ends[1]).map(|place| Some(place as u32))),
            false => places.extend(std::iter::repeat_n(None, width)),
        }
    }
    arrow::compute::take(lists.values(), &UInt32Array::from(places), None).map_err(|e| e.to_string())
}

/// The second axis of an image.
struct Levels {
    values: Vec<f64>,
    name: String,
    unit: String,
    downwards: bool,
}

/// The variable along a dimension alone; its steps where there is none.
fn levels(declared: &Declared, batches: &[RecordBatch], dimension: &str) -> Levels {
    let size = declared.dimensions.iter().find(|d| d.name == dimension).map_or(0, |d| d.size as usize);
    let along = declared.variables.iter().find(|v| v.dimensions == [dimension.to_string()]);
    let found = along.and_then(|v| {
        let array = match &v.origin {
            Origin::Column(column) => {
                let array = batches.first()?.column_by_name(column)?;
                flat(&array.slice(0, 1), Some(size)).ok()?
            }
            Origin::Constant(array) => array.clone(),
        };
        let numbers = cast(&array, &DataType::Float64).ok()?;
        let values: Vec<f64> =
            numbers.as_primitive::<Float64Type>().iter().map(|v| v.unwrap_or(f64::NAN)).collect();
        (values.len() == size).then_some((v, values))
    });
    match found {
        Some((v, values)) => Levels {
            values,
            name: text(v, "long_name").unwrap_or(&v.name).to_string(),
            unit: text(v, "units").unwrap_or_default().to_string(),
            // CF 1.8, section 4.3.1.
            downwards: match text(v, "positive") {
                Some(positive) => positive.eq_ignore_ascii_case("down"),
                None => v.name == "depth" || text(v, "standard_name") == Some("depth"),
            },
        },
        None => Levels {
            values: (1..=size).map(|n| n as f64).collect(),
            name: dimension.to_string(),
            unit: String::new(),
            downwards: false,
        },
    }
}
