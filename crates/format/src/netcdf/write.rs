//! Rows to netCDF-4: what is declared is what the file has.
//!
//! One dimension runs along the rows, as where files are read; columns that
//! hold lists have further ones, before or behind it. Values are brought into the declared types
//! without loss but for the rounding of floats, or the writing fails and says
//! which row. What a reader by [`super`] finds in such a file is the table.
//!
//! The file is put together in memory: an export is one file of one day or
//! month, and [`Writer::held_bytes`] says what is held. Variables stand in it by
//! name, not in the order of their declaration: `netcdf-writer` has no other.

mod file;
mod stored;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::DataType;

use stored::{Stored, leaves};

/// A value of an attribute, with its type in the file.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Characters, as CF has all its texts.
    Text(String),
    /// Several texts, of the netCDF type `string`.
    Texts(Vec<String>),
    Byte(Vec<i8>),
    UByte(Vec<u8>),
    Short(Vec<i16>),
    UShort(Vec<u16>),
    Int(Vec<i32>),
    UInt(Vec<u32>),
    Int64(Vec<i64>),
    UInt64(Vec<u64>),
    Float(Vec<f32>),
    Double(Vec<f64>),
}

impl Value {
    /// Numbers as values of a type; `None` where it does not hold one of them.
    pub fn numbers(storage: Storage, numbers: &[f64]) -> Option<Self> {
        macro_rules! whole {
            ($variant:ident, $int:ty) => {{
                let fits = |n: f64| n.fract() == 0.0 && n >= <$int>::MIN as f64 && n <= <$int>::MAX as f64;
                let all = numbers.iter().map(|n| fits(*n).then_some(*n as $int)).collect::<Option<_>>();
                all.map(Value::$variant)
            }};
        }
        match storage {
            Storage::Byte => whole!(Byte, i8),
            Storage::UByte => whole!(UByte, u8),
            Storage::Short => whole!(Short, i16),
            Storage::UShort => whole!(UShort, u16),
            Storage::Int => whole!(Int, i32),
            Storage::UInt => whole!(UInt, u32),
            Storage::Int64 => whole!(Int64, i64),
            Storage::UInt64 => whole!(UInt64, u64),
            Storage::Float => {
                let narrow = |n: f64| Some(n as f32).filter(|f| f.is_finite() || !n.is_finite());
                numbers.iter().map(|n| narrow(*n)).collect::<Option<_>>().map(Value::Float)
            }
            Storage::Double => Some(Value::Double(numbers.to_vec())),
            Storage::String | Storage::Char(_) => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.into())
    }
}

/// A named value, of a file or of a variable.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    pub name: String,
    pub value: Value,
}

impl Attribute {
    pub fn new(name: impl Into<String>, value: impl Into<Value>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// The netCDF type of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    Byte,
    UByte,
    Short,
    UShort,
    Int,
    UInt,
    Int64,
    UInt64,
    Float,
    Double,
    /// Texts of any length.
    String,
    /// Texts in a character array of this width, in bytes; they may be shorter.
    /// The dimension of the width is called `<variable>_strlen`.
    Char(u32),
}

impl Storage {
    /// The type that holds a column of an Arrow type, of lists of it, and loses
    /// nothing. Times become seconds, days become days.
    pub fn of(t: &DataType) -> Self {
        match t {
            DataType::Boolean | DataType::Int8 => Storage::Byte,
            DataType::UInt8 => Storage::UByte,
            DataType::Int16 => Storage::Short,
            DataType::UInt16 => Storage::UShort,
            DataType::Int32 | DataType::Date32 => Storage::Int,
            DataType::UInt32 => Storage::UInt,
            DataType::Int64 => Storage::Int64,
            DataType::UInt64 => Storage::UInt64,
            DataType::Float16 | DataType::Float32 => Storage::Float,
            DataType::Float64 | DataType::Decimal128(..) | DataType::Timestamp(..) => Storage::Double,
            DataType::List(f) | DataType::LargeList(f) | DataType::FixedSizeList(f, _) => {
                Storage::of(f.data_type())
            }
            _ => Storage::String,
        }
    }
}

/// Where a variable's values come from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A column of the rows. Where the variable lacks the dimension of the rows,
    /// the column holds the same value in all of them.
    Column(String),
    /// Values that no row has, in the order of the dimensions, the last one
    /// fastest.
    Constant(ArrayRef),
}

/// One variable.
#[derive(Clone, Debug)]
pub struct Variable {
    pub name: String,
    pub origin: Origin,
    /// As the file has them: those of the lists from the outermost, that of the
    /// rows anywhere among them or not at all.
    pub dimensions: Vec<String>,
    pub storage: Storage,
    /// As they stand in the file. Three are looked at: `_FillValue`, which
    /// stands for what is missing, and `units` and `calendar` of a column of
    /// times. Where they are not declared and needed they are added.
    pub attributes: Vec<Attribute>,
}

/// A dimension beside that of the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dimension {
    pub name: String,
    pub size: u64,
}

/// What a file shall hold.
#[derive(Clone, Debug)]
pub struct Declared {
    pub attributes: Vec<Attribute>,
    /// Name of the dimension along the rows, such as `time`.
    pub rows: String,
    /// Whether that dimension may grow.
    pub unlimited: bool,
    pub dimensions: Vec<Dimension>,
    pub variables: Vec<Variable>,
    /// Of zlib, 0 (none) to 9.
    pub compression: u8,
}

/// Why a file cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The declaration contradicts itself or the rows' columns.
    #[error("netCDF: {0}")]
    Declaration(String),
    /// A value has no place in its variable. Rows count from 1.
    #[error("netCDF variable `{variable}`, row {row}: {why}")]
    Value { variable: String, row: u64, why: String },
}

/// Collects rows and makes a file of them.
pub struct Writer {
    declared: Declared,
    columns: Vec<Stored>,
    n_rows: u64,
}

impl Writer {
    /// # Errors
    /// [`WriteError::Declaration`] where names are given twice, a dimension is
    /// not declared, or a `_FillValue` is none of its variable's type.
    pub fn new(mut declared: Declared) -> Result<Self, WriteError> {
        check(&declared)?;
        let sizes = declared.dimensions.clone();
        let rows = declared.rows.clone();
        let size_of = |name: &String| sizes.iter().find(|d| &d.name == name).map_or(0, |d| d.size);
        let mut columns = Vec::with_capacity(declared.variables.len());
        for variable in &mut declared.variables {
            let nested: Vec<u64> = variable.dimensions.iter().filter(|d| **d != rows).map(size_of).collect();
            columns.push(Stored::new(variable, nested)?);
        }
        let mut writer = Self { declared, columns, n_rows: 0 };
        writer.put_constants()?;
        Ok(writer)
    }

    fn put_constants(&mut self) -> Result<(), WriteError> {
        for (variable, stored) in self.declared.variables.iter_mut().zip(&mut self.columns) {
            let Origin::Constant(values) = &variable.origin else { continue };
            if variable.dimensions.contains(&self.declared.rows) {
                let why = format!("`{}` has constant values and the dimension of the rows", variable.name);
                return Err(WriteError::Declaration(why));
            }
            let n: u64 = stored.nested.iter().product();
            if values.len() as u64 != n {
                let why =
                    format!("`{}` has {} constant values, its dimensions {n}", variable.name, values.len());
                return Err(WriteError::Declaration(why));
            }
            let values = values.clone();
            stored.put(variable, &values, 0)?;
        }
        Ok(())
    }

    /// Takes the next rows.
    ///
    /// # Errors
    /// Where a column is missing, a list is of another length than its
    /// dimension, a value has no place in its variable's type, or a value that
    /// shall be the same in every row is not.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<(), WriteError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        for (variable, stored) in self.declared.variables.iter_mut().zip(&mut self.columns) {
            let Origin::Column(column) = &variable.origin else { continue };
            let Some(array) = batch.column_by_name(column) else {
                let why =
                    format!("the rows have no column `{column}`, which `{}` is made from", variable.name);
                return Err(WriteError::Declaration(why));
            };
            let array = array.clone();
            if variable.dimensions.contains(&self.declared.rows) {
                let values = leaves(&variable.name, &array, &stored.nested, self.n_rows)?;
                stored.put(variable, &values, self.n_rows)?;
                continue;
            }
            let first = match &stored.constant {
                Some(first) => first.clone(),
                None => {
                    let first = array.slice(0, 1);
                    let values = leaves(&variable.name, &first, &stored.nested, self.n_rows)?;
                    stored.put(variable, &values, self.n_rows)?;
                    stored.constant = Some(first.clone());
                    first
                }
            };
            if let Some(row) = (0..array.len()).find(|row| array.slice(*row, 1).as_ref() != first.as_ref()) {
                return Err(WriteError::Value {
                    variable: variable.name.clone(),
                    row: self.n_rows + row as u64 + 1,
                    why: format!(
                        "it has no dimension `{}`, and its value is not that of row 1",
                        self.declared.rows
                    ),
                });
            }
        }
        self.n_rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Bytes of values that are held. The file takes about as much again while it
    /// is put together, and the largest variable whose rows do not come first.
    pub fn held_bytes(&self) -> usize {
        self.columns.iter().map(Stored::held_bytes).sum()
    }

    /// The file.
    ///
    /// # Errors
    /// Where an attribute is longer than 64 KiB, or names are none that netCDF
    /// takes.
    pub fn finish(mut self) -> Result<Vec<u8>, WriteError> {
        for (variable, stored) in self.declared.variables.iter_mut().zip(&mut self.columns) {
            stored.fill_up(variable)?;
            if let Some(at) = variable.dimensions.iter().position(|d| *d == self.declared.rows) {
                stored.move_rows(at, self.n_rows);
            }
        }
        file::encode(&self.declared, &self.columns, self.n_rows)
    }
}

/// Writes rows into one file.
///
/// # Errors
/// As [`Writer`].
pub fn write(declared: Declared, batches: &[RecordBatch]) -> Result<Vec<u8>, WriteError> {
    let mut writer = Writer::new(declared)?;
    batches.iter().try_for_each(|batch| writer.push(batch))?;
    writer.finish()
}

fn check(declared: &Declared) -> Result<(), WriteError> {
    let wrong = |why: String| Err(WriteError::Declaration(why));
    let mut names: Vec<&str> = vec![&declared.rows];
    for dimension in &declared.dimensions {
        if names.contains(&dimension.name.as_str()) {
            return wrong(format!("the dimension `{}` is declared twice", dimension.name));
        }
        names.push(&dimension.name);
    }
    if declared.compression > 9 {
        return wrong(format!("compression {} is beyond 9", declared.compression));
    }
    for (n, variable) in declared.variables.iter().enumerate() {
        if declared.variables[..n].iter().any(|other| other.name == variable.name) {
            return wrong(format!("the variable `{}` is declared twice", variable.name));
        }
        for (at, dimension) in variable.dimensions.iter().enumerate() {
            if !names.contains(&dimension.as_str()) {
                return wrong(format!(
                    "`{}` has the dimension `{dimension}`, which is not declared",
                    variable.name
                ));
            }
            if variable.dimensions[..at].contains(dimension) {
                return wrong(format!("`{}` has the dimension `{dimension}` twice", variable.name));
            }
        }
        for (at, attribute) in variable.attributes.iter().enumerate() {
            if variable.attributes[..at].iter().any(|other| other.name == attribute.name) {
                return wrong(format!("`{}` has the attribute `{}` twice", variable.name, attribute.name));
            }
        }
    }
    Ok(())
}

/// One value as text, for messages.
fn shown(array: &dyn Array, at: usize) -> String {
    let one: Arc<dyn Array> = array.slice(at, 1);
    let formatted = arrow::util::display::array_value_to_string(&one, 0);
    formatted.unwrap_or_else(|_| "a value".into())
}
