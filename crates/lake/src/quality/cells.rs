//! A column's values as cells: one for each row or, where values are lists,
//! one for each place in each row's list, however deep the lists are nested.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int32Array, Int64Array, ListArray,
};
use arrow::buffer::BooleanBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int32Type};
use arrow::error::ArrowError;

/// The cells of a column.
pub(crate) struct Cells {
    n_rows: usize,
    /// The innermost values; a cell is an index into them.
    pub leaf: ArrayRef,
    /// By row its cells; `None` where a row is a cell.
    lists: Option<Vec<Range<usize>>>,
    /// Rows whose list is missing as a whole.
    without_list: Option<BooleanBuffer>,
}

impl Cells {
    pub fn of(column: &ArrayRef) -> Self {
        let n_rows = column.len();
        if !matches!(column.data_type(), DataType::List(_)) {
            return Cells { n_rows, leaf: column.clone(), lists: None, without_list: None };
        }
        let mut leaf = column.clone();
        let mut ranges: Vec<Range<usize>> = (0..n_rows).map(|row| row..row + 1).collect();
        while let Some(list) = leaf.as_list_opt::<i32>() {
            let at = |i: usize| list.value_offsets()[i] as usize;
            for range in &mut ranges {
                *range = if range.start == range.end { 0..0 } else { at(range.start)..at(range.end) };
            }
            let inner = list.values().clone();
            leaf = inner;
        }
        let without_list = column.logical_nulls().map(|valid| !valid.inner());
        if let Some(missing) = &without_list {
            missing.set_indices().for_each(|row| ranges[row] = 0..0);
        }
        Cells { n_rows, leaf, lists: Some(ranges), without_list }
    }

    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    pub fn are_lists(&self) -> bool {
        self.lists.is_some()
    }

    /// The cells of a row.
    pub fn of_row(&self, row: usize) -> Range<usize> {
        self.lists.as_ref().map_or(row..row + 1, |lists| lists[row].clone())
    }

    /// Whether a row's list is missing as a whole, so that it has no cell.
    pub fn lacks_list(&self, row: usize) -> bool {
        self.without_list.as_ref().is_some_and(|missing| missing.value(row))
    }

    /// How many values there are: a missing list counts as one.
    pub fn n_values(&self) -> u64 {
        let Some(lists) = &self.lists else { return self.n_rows as u64 };
        let n_missing = self.without_list.as_ref().map_or(0, BooleanBuffer::count_set_bits);
        (lists.iter().map(ExactSizeIterator::len).sum::<usize>() + n_missing) as u64
    }

    /// Most cells that a row has.
    pub fn n_places(&self) -> usize {
        self.lists.as_ref().map_or(1, |lists| lists.iter().map(ExactSizeIterator::len).max().unwrap_or(0))
    }

    /// Down the rows, the cell at one place of each row's list; `None` where the
    /// list is shorter.
    pub fn at_place(&self, place: usize) -> impl Iterator<Item = Option<usize>> + '_ {
        (0..self.n_rows).map(move |row| {
            let cells = self.of_row(row);
            (place < cells.len()).then(|| cells.start + place)
        })
    }

    /// The column with other innermost values, in the shape of `column`, which
    /// these are the cells of.
    pub fn with_leaf(column: &ArrayRef, leaf: &ArrayRef) -> Result<ArrayRef, ArrowError> {
        let DataType::List(item) = column.data_type() else { return Ok(leaf.clone()) };
        let list = column.as_list::<i32>();
        let inner = Self::with_leaf(list.values(), leaf)?;
        let field = Arc::new(item.as_ref().clone().with_data_type(inner.data_type().clone()));
        let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
        Ok(Arc::new(ListArray::try_new(field, offsets, inner, nulls)?))
    }

    /// The flags of all its values before any check: 0, in the shape of `column`.
    pub fn no_flags(&self, column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
        let none: ArrayRef = Arc::new(Int32Array::from(vec![0; self.leaf.len()]));
        Self::with_leaf(column, &none)
    }
}

/// The type of the flags of a column.
pub fn flags_type(of: &DataType) -> DataType {
    match of {
        DataType::List(item) => {
            DataType::List(Arc::new(item.as_ref().clone().with_data_type(flags_type(item.data_type()))))
        }
        _ => DataType::Int32,
    }
}

/// Sets a bit of the flags of cells that fail.
pub(super) fn with_bit(flags: &ArrayRef, bit: u32, failed: &BooleanBuffer) -> Result<ArrayRef, ArrowError> {
    let cells = Cells::of(flags);
    let mut values = cells.leaf.as_primitive::<Int32Type>().values().to_vec();
    failed.set_indices().for_each(|cell| values[cell] |= 1 << bit);
    let leaf: ArrayRef = Arc::new(Int32Array::from(values));
    Cells::with_leaf(flags, &leaf)
}

/// Cells as numbers. Not-a-number is missing.
pub(super) struct Numbers {
    values: Float64Array,
    /// Of 32 bits: what is compared is compared in these.
    pub is_single: bool,
}

impl Numbers {
    /// `None` where the cells are no numbers.
    pub fn of(leaf: &ArrayRef) -> Option<Self> {
        let is_number = leaf.data_type().is_numeric();
        let values = is_number.then(|| cast(leaf, &DataType::Float64).ok()).flatten()?;
        let is_single = *leaf.data_type() == DataType::Float32;
        Some(Numbers { values: values.as_primitive::<Float64Type>().clone(), is_single })
    }

    pub fn get(&self, cell: usize) -> Option<f64> {
        let value = self.values.value(cell);
        (self.values.is_valid(cell) && !value.is_nan()).then_some(value)
    }

    /// A threshold as it is compared with values of this width.
    pub fn threshold(&self, threshold: f64) -> f64 {
        if self.is_single { f64::from(threshold as f32) } else { threshold }
    }

    /// The distance of two values, in their width.
    pub fn distance(&self, a: f64, b: f64) -> f64 {
        if self.is_single { f64::from((a as f32 - b as f32).abs()) } else { (a - b).abs() }
    }
}

/// Cells that have an order, in the type they compare in.
pub(super) enum Ordered {
    Whole(Int64Array),
    Decimal(Decimal128Array),
    Float(Numbers),
}

impl Ordered {
    /// Of numbers, dates and times; `None` of others.
    pub fn of(leaf: &ArrayRef) -> Option<Self> {
        let whole = |array: &ArrayRef| {
            let array = cast(array, &DataType::Int64).ok()?;
            Some(Ordered::Whole(array.as_primitive().clone()))
        };
        match leaf.data_type() {
            DataType::Timestamp(..) => whole(leaf),
            // Days have 32 bits, and no cast to 64.
            DataType::Date32 => whole(&cast(leaf, &DataType::Int32).ok()?),
            DataType::Decimal128(..) => Some(Ordered::Decimal(leaf.as_primitive().clone())),
            t if t.is_integer() => whole(leaf),
            t if t.is_floating() => Numbers::of(leaf).map(Ordered::Float),
            _ => None,
        }
    }
}

/// The cells whose value is missing: null, not-a-number, text without a letter.
pub(crate) fn missing(leaf: &ArrayRef) -> BooleanBuffer {
    let nulls = leaf.logical_nulls();
    let valid = |cell: usize| nulls.as_ref().is_none_or(|n| n.is_valid(cell));
    match leaf.data_type() {
        DataType::Float64 => {
            let values = leaf.as_primitive::<Float64Type>();
            BooleanBuffer::collect_bool(leaf.len(), |i| !valid(i) || values.value(i).is_nan())
        }
        DataType::Float32 => {
            let values = leaf.as_primitive::<Float32Type>();
            BooleanBuffer::collect_bool(leaf.len(), |i| !valid(i) || values.value(i).is_nan())
        }
        DataType::Utf8 => {
            let values = leaf.as_string::<i32>();
            BooleanBuffer::collect_bool(leaf.len(), |i| !valid(i) || values.value(i).is_empty())
        }
        _ => BooleanBuffer::collect_bool(leaf.len(), |i| !valid(i)),
    }
}
