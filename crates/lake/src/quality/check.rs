//! Which values of one column fail one check.

use arrow::array::{Array, ArrayRef, BooleanBufferBuilder};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::DataType;
use lakegate_domain::model::Order;

use super::cells::{Cells, Numbers, Ordered, missing};
use super::despike;
use crate::expect::rule::{Predicate, failing};

/// A check compiled for one column.
#[derive(Debug)]
pub(super) enum Test {
    Missing,
    Ordered(Order),
    Min(f64),
    Max(f64),
    Delta(f64),
    Std(f64),
    Despike,
    /// The predicate and the columns of the table that it reads.
    Sql(Predicate, Vec<usize>),
}

/// The values that fail.
pub(super) struct Failed {
    /// By cell.
    pub cells: BooleanBuffer,
    /// By row, where a list as a whole fails; `None` where none does.
    pub lists: Option<BooleanBuffer>,
}

impl Failed {
    pub fn n(&self) -> u64 {
        let lists = self.lists.as_ref().map_or(0, BooleanBuffer::count_set_bits);
        (self.cells.count_set_bits() + lists) as u64
    }

    /// Whether a value of the row fails.
    pub fn row(&self, cells: &Cells, row: usize) -> bool {
        self.lists.as_ref().is_some_and(|l| l.value(row)) || cells.of_row(row).any(|c| self.cells.value(c))
    }

    /// Of a batch whose rows are now those of `indices`.
    pub fn taken(&self, before: &Cells, indices: &[u32]) -> Self {
        let mut cells = BooleanBufferBuilder::new(self.cells.len());
        for &row in indices {
            before.of_row(row as usize).for_each(|cell| cells.append(self.cells.value(cell)));
        }
        let lists = self
            .lists
            .as_ref()
            .map(|lists| BooleanBuffer::collect_bool(indices.len(), |i| lists.value(indices[i] as usize)));
        Failed { cells: cells.finish(), lists }
    }
}

/// Why a check, or an interpolation, is nothing for cells of this type, as a
/// sentence without its subject.
pub(super) fn unfit(test: &Test, data_type: &DataType) -> Option<String> {
    let mut inner = data_type;
    while let DataType::List(item) = inner {
        inner = item.data_type();
    }
    let is_number = inner.is_numeric();
    match test {
        Test::Missing | Test::Sql(..) => None,
        Test::Ordered(_) if data_type.is_nested() => Some("is of lists, which have no order".into()),
        Test::Ordered(_) => {
            let has_order = is_number || matches!(inner, DataType::Timestamp(..) | DataType::Date32);
            (!has_order)
                .then(|| format!("is of type {}, which has no order", crate::catalog::type_name(inner)))
        }
        _ => (!is_number)
            .then(|| format!("is of type {}, which is no number", crate::catalog::type_name(inner))),
    }
}

/// Applies a test to a column's cells. `columns` are all of the batch, for a
/// predicate. The type was looked at by [`unfit`].
///
/// # Errors
/// The row at which a predicate has no answer, and why.
pub(super) fn evaluate(
    test: &Test,
    cells: &Cells,
    columns: &[ArrayRef],
    null_fails: bool,
) -> Result<Failed, (usize, String)> {
    let n = cells.leaf.len();
    let no_numbers = || (0, "its values are no numbers".to_string());
    let numbers = || Numbers::of(&cells.leaf).ok_or_else(no_numbers);
    let found = match test {
        Test::Missing => missing(&cells.leaf),
        Test::Min(threshold) => {
            let numbers = numbers()?;
            let least = numbers.threshold(*threshold);
            BooleanBuffer::collect_bool(n, |i| numbers.get(i).is_some_and(|v| v < least))
        }
        Test::Max(threshold) => {
            let numbers = numbers()?;
            let greatest = numbers.threshold(*threshold);
            BooleanBuffer::collect_bool(n, |i| numbers.get(i).is_some_and(|v| v > greatest))
        }
        Test::Delta(threshold) => {
            return Ok(whole_lists(cells, null_fails, steps(cells, &numbers()?, *threshold, null_fails)));
        }
        Test::Std(threshold) => far_above(cells, &numbers()?, *threshold),
        Test::Despike => spiky(cells, &numbers()?),
        Test::Ordered(order) => match Ordered::of(&cells.leaf).ok_or_else(no_numbers)? {
            Ordered::Whole(a) => out_of_order(n, *order, |i| a.is_valid(i).then(|| a.value(i))),
            Ordered::Decimal(a) => out_of_order(n, *order, |i| a.is_valid(i).then(|| a.value(i))),
            Ordered::Float(a) => out_of_order(n, *order, |i| a.get(i)),
        },
        Test::Sql(predicate, reads) => {
            let input = reads.iter().map(|&c| columns[c].clone()).collect();
            let rows = failing(&predicate.holds(input, cells.n_rows())?, null_fails);
            if !cells.are_lists() {
                return Ok(Failed { cells: rows, lists: None });
            }
            let mut found = unset(n);
            for row in rows.set_indices() {
                cells.of_row(row).for_each(|cell| found.set_bit(cell, true));
            }
            // A row without a list fails as a whole.
            let lists =
                BooleanBuffer::collect_bool(cells.n_rows(), |row| rows.value(row) && cells.lacks_list(row));
            return Ok(Failed { cells: found.finish(), lists: Some(lists) });
        }
    };
    let missing_fails = null_fails && !matches!(test, Test::Missing);
    let found = if missing_fails { &found | &missing(&cells.leaf) } else { found };
    Ok(whole_lists(cells, missing_fails || matches!(test, Test::Missing), found))
}

/// The cells that fail and, where missing values do, the lists that are missing.
fn whole_lists(cells: &Cells, missing_fails: bool, found: BooleanBuffer) -> Failed {
    let lists = (missing_fails && cells.are_lists())
        .then(|| BooleanBuffer::collect_bool(cells.n_rows(), |row| cells.lacks_list(row)));
    Failed { cells: found, lists }
}

fn unset(n: usize) -> BooleanBufferBuilder {
    let mut builder = BooleanBufferBuilder::new(n);
    builder.append_n(n, false);
    builder
}

/// Values that do not come after the last good one. The first value is good.
fn out_of_order<T: PartialOrd + Copy>(
    n: usize,
    order: Order,
    get: impl Fn(usize) -> Option<T>,
) -> BooleanBuffer {
    let increasing = match order {
        Order::Increasing => true,
        Order::Decreasing => false,
        Order::Majority => {
            // Of steps from one row to the next, without those over missing values.
            let steps = (1..n).filter_map(|i| Some((get(i - 1)?, get(i)?)));
            let (mut up, mut down) = (0_usize, 0_usize);
            for (before, value) in steps {
                up += usize::from(value > before);
                down += usize::from(value < before);
            }
            up >= down
        }
    };
    let mut last_good: Option<T> = None;
    let mut found = BooleanBufferBuilder::new(n);
    for i in 0..n {
        let value = get(i);
        let fails = match (value, last_good) {
            (Some(value), Some(last)) => !(if increasing { value > last } else { value < last }),
            _ => false,
        };
        if value.is_some() && !fails {
            last_good = value;
        }
        found.append(fails);
    }
    found.finish()
}

/// Values too far from the one of the row before, at the same place. The first
/// row passes.
fn steps(cells: &Cells, numbers: &Numbers, threshold: f64, null_fails: bool) -> BooleanBuffer {
    let most = numbers.threshold(threshold);
    let mut found = unset(cells.leaf.len());
    let get = |cell: Option<usize>| cell.and_then(|cell| numbers.get(cell));
    for place in 0..cells.n_places() {
        let mut before: Option<Option<usize>> = None;
        for cell in cells.at_place(place) {
            if let (Some(before), Some(cell)) = (before, cell) {
                let fails = match (get(before), get(Some(cell))) {
                    (Some(a), Some(b)) => numbers.distance(a, b) > most,
                    (None, None) => false,
                    _ => null_fails,
                };
                found.set_bit(cell, fails);
            }
            before = Some(cell);
        }
    }
    found.finish()
}

/// Values more than so many standard deviations above the mean of their place.
fn far_above(cells: &Cells, numbers: &Numbers, threshold: f64) -> BooleanBuffer {
    let mut found = unset(cells.leaf.len());
    for place in 0..cells.n_places() {
        let series = || cells.at_place(place).flatten().filter_map(|cell| Some((cell, numbers.get(cell)?)));
        let (n, total) = series().fold((0_u64, Sum::default()), |(n, sum), (_, v)| (n + 1, sum.plus(v)));
        if n < 2 {
            continue;
        }
        let mean = total.value() / n as f64;
        let squares = series().fold(Sum::default(), |sum, (_, v)| sum.plus((v - mean).powi(2)));
        let most = mean + threshold * (squares.value() / (n - 1) as f64).sqrt();
        series().for_each(|(cell, v)| found.set_bit(cell, v > most));
    }
    found.finish()
}

/// A sum that loses nothing of small terms (Neumaier 1974).
#[derive(Clone, Copy, Default)]
struct Sum {
    total: f64,
    lost: f64,
}

impl Sum {
    fn plus(self, v: f64) -> Self {
        let total = self.total + v;
        let lost =
            if self.total.abs() >= v.abs() { (self.total - total) + v } else { (v - total) + self.total };
        Sum { total, lost: self.lost + lost }
    }

    fn value(self) -> f64 {
        self.total + self.lost
    }
}

/// Spikes of each place's series. Missing values are passed over.
fn spiky(cells: &Cells, numbers: &Numbers) -> BooleanBuffer {
    let mut found = unset(cells.leaf.len());
    for place in 0..cells.n_places() {
        let (at, values): (Vec<usize>, Vec<f64>) =
            cells.at_place(place).flatten().filter_map(|cell| Some((cell, numbers.get(cell)?))).unzip();
        for (cell, spike) in at.into_iter().zip(despike::spikes(&values)) {
            found.set_bit(cell, spike);
        }
    }
    found.finish()
}
