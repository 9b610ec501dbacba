//! Rows of a record stream on their way to Arrow.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{Field, Schema, SchemaRef};
use lakegate_domain::Code;
use lakegate_domain::model::Kind;
use serde_json::{Map, Value};

use super::layout::Layout;
use crate::conform::data_type;
use crate::error::{Error, Result};
use crate::transit::wire::Span;

/// One value of a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Cell<'a> {
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// Microseconds since the Unix epoch.
    Instant(i64),
    Text(Cow<'a, str>),
    /// Becomes JSON text.
    Json(Value),
}

impl Cell<'_> {
    pub fn into_owned(self) -> Cell<'static> {
        match self {
            Cell::Null => Cell::Null,
            Cell::Bool(v) => Cell::Bool(v),
            Cell::Int(v) => Cell::Int(v),
            Cell::Float(v) => Cell::Float(v),
            Cell::Instant(v) => Cell::Instant(v),
            Cell::Text(v) => Cell::Text(Cow::Owned(v.into_owned())),
            Cell::Json(v) => Cell::Json(v),
        }
    }
}

/// A message as it came.
#[derive(Clone, Copy, Debug)]
pub(super) enum Body<'a> {
    Wire(Span<'a>),
    Json(&'a Value),
}

/// A row that is being filled.
#[derive(Default)]
pub(super) struct Row<'a> {
    pub cells: Vec<Cell<'a>>,
    /// Fields without a column, by path.
    pub extensions: Map<String, Value>,
    /// Rows of other streams that stand inside it, in their order.
    pub inner: Vec<(usize, Body<'a>)>,
}

impl<'a> Row<'a> {
    pub fn new(n_columns: usize) -> Self {
        Self { cells: vec![Cell::Null; n_columns], ..Self::default() }
    }

    /// Keeps a field that has no column; one that stands twice becomes a list.
    pub fn extend(&mut self, around: &str, field: &str, value: Value) {
        let path = lakegate_domain::transit::gtfs_rt::joined(around, field);
        match self.extensions.get_mut(&path) {
            None => {
                self.extensions.insert(path, value);
            }
            Some(Value::Array(list)) => list.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }

    /// Adds to a list of JSON values.
    pub fn push_json(&mut self, column: usize, value: Value) {
        match &mut self.cells[column] {
            Cell::Json(Value::Array(list)) => list.push(value),
            cell => *cell = Cell::Json(Value::Array(vec![value])),
        }
    }
}

enum Builder {
    Bool(BooleanBuilder),
    Int(Int64Builder),
    Float(Float64Builder),
    Instant(TimestampMicrosecondBuilder),
    Text(StringBuilder),
}

impl Builder {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Bool => Builder::Bool(BooleanBuilder::new()),
            Kind::Int => Builder::Int(Int64Builder::new()),
            Kind::Float => Builder::Float(Float64Builder::new()),
            Kind::Timestamp => {
                Builder::Instant(TimestampMicrosecondBuilder::new().with_data_type(data_type(kind)))
            }
            _ => Builder::Text(StringBuilder::new()),
        }
    }

    /// Adds a value; what it takes, about.
    fn push(&mut self, cell: &Cell<'_>) -> usize {
        let mut len = 0;
        match (self, cell) {
            (Builder::Bool(b), Cell::Bool(v)) => b.append_value(*v),
            (Builder::Int(b), Cell::Int(v)) => b.append_value(*v),
            (Builder::Float(b), Cell::Float(v)) => b.append_value(*v),
            (Builder::Instant(b), Cell::Instant(v)) => b.append_value(*v),
            (Builder::Text(b), Cell::Text(v)) => {
                len = v.len();
                b.append_value(v);
            }
            (Builder::Text(b), Cell::Json(v)) => {
                let text = v.to_string();
                len = text.len();
                b.append_value(text);
            }
            // What does not have the column's type was never made.
            (Builder::Bool(b), _) => b.append_null(),
            (Builder::Int(b), _) => b.append_null(),
            (Builder::Float(b), _) => b.append_null(),
            (Builder::Instant(b), _) => b.append_null(),
            (Builder::Text(b), _) => b.append_null(),
        }
        len + size_of::<i64>()
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Builder::Bool(b) => Arc::new(b.finish()),
            Builder::Int(b) => Arc::new(b.finish()),
            Builder::Float(b) => Arc::new(b.finish()),
            Builder::Instant(b) => Arc::new(b.finish()),
            Builder::Text(b) => Arc::new(b.finish()),
        }
    }
}

/// The rows of one stream that have not been handed out.
pub(super) struct Rows {
    schema: SchemaRef,
    builders: Vec<Builder>,
    pub n_rows: usize,
    /// What the rows take, about.
    pub size_bytes: usize,
}

impl Rows {
    pub fn new(layout: &Layout) -> Self {
        let kind = |c: &lakegate_domain::model::Column| c.kind.unwrap_or(Kind::String);
        let columns = layout.columns.iter().map(|c| &c.column);
        let fields: Vec<_> = columns.clone().map(|c| Field::new(&c.name, data_type(kind(c)), true)).collect();
        let builders = columns.map(|c| Builder::new(kind(c))).collect();
        Self { schema: Arc::new(Schema::new(fields)), builders, n_rows: 0, size_bytes: 0 }
    }

    /// Adds a row; what it takes, about.
    pub fn push<'c>(&mut self, cells: impl Iterator<Item = &'c Cell<'c>>) -> usize {
        let mut size_bytes = 0;
        for (builder, cell) in self.builders.iter_mut().zip(cells) {
            size_bytes += builder.push(cell);
        }
        self.n_rows += 1;
        self.size_bytes += size_bytes;
        size_bytes
    }

    /// Hands out what there is.
    pub fn finish(&mut self) -> Result<RecordBatch> {
        (self.n_rows, self.size_bytes) = (0, 0);
        let arrays = self.builders.iter_mut().map(Builder::finish).collect();
        RecordBatch::try_new(self.schema.clone(), arrays).map_err(|e| Error::new(Code::Bug, e.to_string()))
    }
}
