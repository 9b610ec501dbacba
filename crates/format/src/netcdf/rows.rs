//! One record stream of a netCDF file, batch by batch.
//!
//! Values are read in slabs of rows and made into columns in smaller batches,
//! so that what is held is bounded by constants and the cap of one record.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use lakegate_domain::Code;
use lakegate_domain::model::Netcdf;
use netcdf_reader::NcType;

use super::attributes::{self, AttributeValue, Attributes};
use super::compound;
use super::layout::{ColumnPlan, Layout, StreamPlan, Variable};
use super::source::{Handle, NcSource};
use super::values::{Meaning, Values};
use crate::container::Peeler;
use crate::error::{Error, Result};
use crate::typed::BATCH_ROWS;

/// What a slab of all columns aims for. A chunk of the file that two slabs
/// share is decoded twice where it is no longer in the cache: the larger slabs
/// are, the rarer that is.
pub(super) const SLAB_BYTES: u64 = 16 << 20;
const BATCH_BYTES: u64 = 4 << 20;
/// What a text whose length is unknown is taken for.
const TEXT_BYTES: u64 = 64;

/// The rows of one dimension.
pub(crate) struct Rows {
    source: Arc<NcSource>,
    peeler: Arc<Peeler>,
    columns: Vec<Column>,
    schema: SchemaRef,
    n_rows: u64,
    next_row: u64,
    batch_rows: u64,
    slab_rows: u64,
    slab: Slab,
    is_started: bool,
}

struct Column {
    origin: Origin,
    meaning: Option<Meaning>,
    /// Lengths of the lists around a value, from the outermost.
    nested: Vec<usize>,
    /// Stored bytes of a row, for the meter.
    row_bytes: u64,
}

enum Origin {
    /// Read in slabs along an axis.
    Steps { handle: Box<Handle>, axis: usize },
    /// Read whole; the elements of all rows.
    Whole(ArrayRef),
    /// The same in every row: an array of one.
    Constant(ArrayRef),
}

/// The values of some rows, one entry per column.
#[derive(Default)]
struct Slab {
    from: u64,
    to: u64,
    values: Vec<Option<Values>>,
}

impl Rows {
    /// Opens a stream. `units` are those of its columns.
    ///
    /// Errors: LG106 where one row is longer than the cap of a record, LG107
    /// where no variable lies along the dimension, LG108 where two columns have
    /// one name.
    pub(super) fn open(
        source: &Arc<NcSource>,
        layout: &Layout,
        plan: &StreamPlan,
        options: &Netcdf,
        peeler: &Arc<Peeler>,
    ) -> Result<(Self, Vec<(String, String)>)> {
        let (mut columns, mut fields, mut units) = (Vec::new(), Vec::new(), Vec::new());
        let cap = peeler.meter.caps().record_bytes;
        let row_bytes = plan
            .columns
            .iter()
            .fold(0u64, |sum, c| sum.saturating_add(stored_bytes(c, &layout.variables[c.variable])));
        if row_bytes > cap {
            return Err(Error::new(
                Code::RecordTooLong,
                format!(
                    "a row of the netCDF file holds {row_bytes} bytes, more than the cap of {cap}; \
                     name another `dimension:` for rows, or raise `caps: {{ record: … }}` if that is meant"
                ),
            ));
        }
        if !options.dimensions.is_empty() && plan.columns.iter().all(|c| c.axis.is_none()) {
            let name = plan.name.as_ref().unwrap_or(&options.dimensions[0]);
            let message = format!("no variable of the netCDF file lies along the dimension `{name}`");
            return Err(Error::new(Code::NoRecords, message));
        }
        for c in &plan.columns {
            let variable = &layout.variables[c.variable];
            let (column, data_type) = Column::open(source, variable, c, options)?;
            let is_instant = column.meaning.as_ref().is_some_and(Meaning::is_instant);
            let (unit, mut stated) = Attributes::of(variable.nc).stated(is_instant);
            stated.dimensions = Some(c.dimensions.clone());
            stated.rows = plan.rows.clone();
            let mut metadata = HashMap::new();
            stated.put(&mut metadata);
            if let Some(about) = stated.description() {
                metadata.insert("description".into(), about);
            }
            if let Some(unit) = unit {
                metadata.insert("unit".into(), unit.clone());
                units.push((variable.name.clone(), unit));
            }
            fields.push(Field::new(&variable.name, data_type, true).with_metadata(metadata));
            columns.push(column);
        }
        for name in &options.attributes {
            let found = layout.attributes.iter().find(|a| &a.name == name);
            // A column that the file itself has goes before.
            if fields.iter().any(|f| f.name() == name) {
                continue;
            }
            if let Some(value) = found.and_then(attributes::value) {
                let array: ArrayRef = match value {
                    AttributeValue::Int(n) => Arc::new(Int64Array::from(vec![n])),
                    AttributeValue::Float(f) => Arc::new(Float64Array::from(vec![f])),
                    AttributeValue::Text(t) => Arc::new(StringArray::from(vec![t])),
                };
                fields.push(Field::new(name, array.data_type().clone(), true));
                columns.push(Column::constant(array));
            }
        }
        for (n, field) in fields.iter().enumerate() {
            if fields[..n].iter().any(|f| f.name() == field.name()) {
                let message = format!("two variables of the netCDF file are called `{}`", field.name());
                return Err(Error::new(Code::DuplicateColumn, message));
            }
        }
        let rows_of = |bytes: u64| (bytes / row_bytes.max(1)).max(1);
        let batch_rows = rows_of(BATCH_BYTES).min(BATCH_ROWS as u64);
        let rows = Self {
            source: source.clone(),
            peeler: peeler.clone(),
            columns,
            schema: Arc::new(Schema::new(fields)),
            n_rows: plan.n_rows,
            next_row: 0,
            batch_rows,
            slab_rows: rows_of(SLAB_BYTES).max(batch_rows),
            slab: Slab::default(),
            is_started: false,
        };
        Ok((rows, units))
    }

    /// The next batch; at least one is returned.
    pub fn next(&mut self) -> Result<Option<RecordBatch>> {
        if self.next_row >= self.n_rows {
            if self.is_started {
                return Ok(None);
            }
            self.is_started = true;
            return Ok(Some(RecordBatch::new_empty(self.schema.clone())));
        }
        self.is_started = true;
        if self.next_row >= self.slab.to {
            self.read_slab()?;
        }
        let n = self.batch_rows.min(self.slab.to - self.next_row) as usize;
        let at = (self.next_row - self.slab.from) as usize;
        let columns = self
            .columns
            .iter()
            .zip(&self.slab.values)
            .map(|(column, values)| column.batch(values.as_ref(), at, self.next_row as usize, n))
            .collect::<Result<Vec<_>>>()?;
        self.next_row += n as u64;
        RecordBatch::try_new(self.schema.clone(), columns).map(Some).map_err(bug)
    }

    fn read_slab(&mut self) -> Result<()> {
        let (from, to) = (self.next_row, self.next_row.saturating_add(self.slab_rows).min(self.n_rows));
        // At least a byte for a row: a damaged header may announce any number
        // of rows of nothing.
        let row_bytes = self.columns.iter().map(|c| c.row_bytes).sum::<u64>().max(1);
        self.peeler.meter.expand((to - from).saturating_mul(row_bytes))?;
        self.slab = Slab::default();
        let read = |column: &Column| match &column.origin {
            // Nothing is stored of an empty list.
            Origin::Steps { .. } if column.nested.contains(&0) => Ok(Some(Values::U8(Vec::new()))),
            Origin::Steps { handle, axis } => self.source.read(handle, Some((*axis, from, to))).map(Some),
            Origin::Whole(_) | Origin::Constant(_) => Ok(None),
        };
        let values = self.columns.iter().map(read).collect::<Result<_>>()?;
        self.slab = Slab { from, to, values };
        Ok(())
    }
}

impl Column {
    fn constant(array: ArrayRef) -> Self {
        Self { origin: Origin::Constant(array), meaning: None, nested: Vec::new(), row_bytes: 0 }
    }

    fn open(
        source: &NcSource,
        variable: &Variable,
        plan: &ColumnPlan,
        options: &Netcdf,
    ) -> Result<(Self, DataType)> {
        let kind = &variable.nc.dtype;
        let handle = source.variable(&variable.path, variable.nc)?;
        let nested = plan.nested.iter().map(|n| length(*n)).collect::<Result<Vec<_>>>()?;
        let row_bytes = stored_bytes(plan, variable);
        if compound::is_compound(kind) {
            let texts: ArrayRef =
                Arc::new(compound::as_json(&variable.name, &source.read_whole(&handle, plan.axis)?)?);
            let data_type = lists_of(DataType::Utf8, nested.len());
            let column = match plan.axis {
                Some(_) => Self { origin: Origin::Whole(texts), meaning: None, nested, row_bytes },
                None => Self::constant(in_lists(texts, &nested, 1)?),
            };
            return Ok((column, data_type));
        }
        let meaning = Meaning::of(variable, plan.letters, options)?;
        let data_type = lists_of(meaning.data_type(kind), nested.len());
        if let Some(axis) = plan.axis {
            let origin = Origin::Steps { handle: Box::new(handle), axis };
            return Ok((Self { origin, meaning: Some(meaning), nested, row_bytes }, data_type));
        }
        let elements = nested.iter().product::<usize>();
        let values = match elements {
            0 => Values::U8(Vec::new()),
            _ => source.read(&handle, None)?,
        };
        let array = in_lists(meaning.elements(&values, 0..elements, kind)?, &nested, 1)?;
        let column = Self { meaning: Some(meaning), ..Self::constant(array) };
        Ok((column, data_type))
    }

    /// `n` rows, which begin at `at` in the slab and at `row` in the file.
    fn batch(&self, values: Option<&Values>, at: usize, row: usize, n: usize) -> Result<ArrayRef> {
        let per_row = self.nested.iter().product::<usize>();
        match (&self.origin, &self.meaning, values) {
            (Origin::Steps { handle, .. }, Some(meaning), Some(values)) => {
                let elements = meaning.elements(values, at * per_row..(at + n) * per_row, handle.kind())?;
                in_lists(elements, &self.nested, n)
            }
            (Origin::Whole(all), ..) if (row + n) * per_row <= all.len() => {
                in_lists(all.slice(row * per_row, n * per_row), &self.nested, n)
            }
            (Origin::Constant(one), ..) => {
                arrow::compute::take(one, &UInt32Array::from(vec![0; n]), None).map_err(bug)
            }
            _ => Err(Error::new(Code::Malformed, "the netCDF file has fewer values than it announces")),
        }
    }
}

/// Bytes of a row as they are stored, or as they are held where that is more.
fn stored_bytes(plan: &ColumnPlan, variable: &Variable) -> u64 {
    let size = match &variable.nc.dtype {
        NcType::String => TEXT_BYTES,
        NcType::Char => 1,
        _ if Attributes::of(variable.nc).is_packed() => 8,
        kind => kind.size().map_or(TEXT_BYTES, |n| (n as u64).max(1)),
    };
    let nested = plan.nested.iter().chain(&plan.letters);
    nested.fold(size, |product, n| product.saturating_mul(*n))
}

fn length(n: u64) -> Result<usize> {
    usize::try_from(n).map_err(|_| {
        Error::new(Code::Malformed, format!("the netCDF file announces a dimension of {n} steps"))
    })
}

fn element(of: DataType) -> FieldRef {
    Arc::new(Field::new("element", of, true))
}

fn lists_of(value: DataType, depth: usize) -> DataType {
    (0..depth).fold(value, |inner, _| DataType::List(element(inner)))
}

/// Elements in lists of fixed lengths, `n` of the outermost.
fn in_lists(elements: ArrayRef, nested: &[usize], n: usize) -> Result<ArrayRef> {
    let mut inner = elements;
    for (depth, length) in nested.iter().enumerate().rev() {
        let n_lists = n * nested[..depth].iter().product::<usize>();
        if i32::try_from(n_lists.saturating_mul(*length)).is_err() || n_lists * length != inner.len() {
            return Err(Error::new(Code::Malformed, "the netCDF file has fewer values than it announces"));
        }
        let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(*length, n_lists));
        let field = element(inner.data_type().clone());
        inner = Arc::new(ListArray::try_new(field, offsets, inner, None).map_err(bug)?);
    }
    Ok(inner)
}

fn bug(e: arrow::error::ArrowError) -> Error {
    Error::new(Code::Bug, e.to_string())
}
