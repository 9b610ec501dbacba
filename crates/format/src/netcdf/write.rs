//! Rows to netCDF-4: what is declared is what the file has.
//!
//! One dimension runs along the rows, as where files are read; columns that
//! hold lists have further ones. Values are brought into the declared types
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
use arrow::datatypes::{DataType, Schema};

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
    /// That of the rows first, or not at all.
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

impl Declared {
    /// A file of all columns of a table, in the types that lose nothing. Units
    /// and descriptions that the schema's metadata has become attributes.
    ///
    /// `lengths`: of the lists of each column that holds lists, from the
    /// outermost; their dimensions are called `<column>_<n>`, and those of
    /// columns that have one name and all lengths in common with it are shared.
    pub fn of_schema(schema: &Schema, rows: &str, lengths: &dyn Fn(&str) -> Vec<u64>) -> Self {
        let mut dimensions: Vec<Dimension> = Vec::new();
        let mut variables = Vec::new();
        for field in schema.fields() {
            let mut of_variable = vec![rows.to_string()];
            for (n, size) in lengths(field.name()).into_iter().enumerate() {
                let name = format!("{}_{n}", field.name());
                of_variable.push(name.clone());
                dimensions.push(Dimension { name, size });
            }
            let storage = Storage::of(field.data_type());
            variables.push(Variable {
                name: field.name().clone(),
                origin: Origin::Column(field.name().clone()),
                dimensions: of_variable,
                storage,
                attributes: of_metadata(field.metadata(), field.data_type()),
            });
        }
        Self {
            attributes: vec![Attribute::new("Conventions", "CF-1.8")],
            rows: rows.to_string(),
            unlimited: true,
            dimensions,
            variables,
            compression: 4,
        }
    }
}

/// What the metadata of a column says to people and programs elsewhere.
fn of_metadata(metadata: &std::collections::HashMap<String, String>, t: &DataType) -> Vec<Attribute> {
    let mut t = t;
    while let DataType::List(f) | DataType::LargeList(f) | DataType::FixedSizeList(f, _) = t {
        t = f.data_type();
    }
    let mut out = Vec::new();
    let mut put = |name: &str, value: &str| out.push(Attribute::new(name, value));
    if *t == DataType::Boolean {
        // How xarray keeps truth values.
        put("dtype", "bool");
    }
    let is_time = matches!(t, DataType::Timestamp(..) | DataType::Date32);
    if let Some(unit) = metadata.get("unit").filter(|_| !is_time) {
        put("units", unit);
    }
    if let Some(about) = metadata.get("description").filter(|_| !metadata.contains_key("long_name")) {
        put("long_name", about);
    }
    let mut names: Vec<&String> = metadata.keys().collect();
    names.sort();
    for name in names {
        // Names with a point are the lake's own and those of other engines.
        let of_others = name.contains('.') || matches!(name.as_str(), "unit" | "description" | "comment");
        // Thresholds are numbers there, and text here.
        let is_threshold = ["_range", "_delta", "_std"].iter().any(|end| {
            name.strip_suffix(end).is_some_and(|level| matches!(level, "valid" | "fail" | "warn"))
        });
        if !of_others && !name.starts_with('_') && !is_threshold {
            put(name, &metadata[name]);
        }
    }
    out
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

    /// Bytes of values that are held.
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
            if at > 0 && *dimension == declared.rows {
                return wrong(format!(
                    "`{}`: the dimension of the rows, `{dimension}`, comes first",
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
