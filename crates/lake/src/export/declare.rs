//! Columns to the variables of a netCDF file: their dimensions, types and
//! attributes.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Field, Schema};
use lakegate_domain::export::{self, FlagMeanings};
use lakegate_domain::model::{self, Column, qc_name};
use lakegate_format::netcdf::stated::Stated;
use lakegate_format::netcdf::write::{Attribute, Declared, Dimension, Origin, Storage, Value, Variable};

use super::Recipe;
use super::attributes::{Attributes, value_of};
use crate::{grid, layout};

/// zlib's level: of instruments' values higher ones make less than a hundredth less.
const COMPRESSION: u8 = 1;
/// Name of the dimension of rows that no coordinate gives a place.
const ROWS: &str = "row";

/// What is to be said of one file, beside its rows.
#[derive(Clone, Debug, Default)]
pub struct About {
    pub attributes: Vec<(String, model::Attribute)>,
    /// Columns in which values were corrected, and how.
    pub corrections: Vec<(String, String)>,
}

/// Whether a column is one of the table's own.
pub(super) fn is_own(field: &Field) -> bool {
    !layout::is_extra(field.name()) && !layout::is_partition(field)
}

/// One column on its way to be a variable.
struct Source<'a> {
    name: &'a str,
    field: &'a Field,
    stated: Stated,
    declared: Option<&'a Column>,
    export: Option<&'a export::Variable>,
    /// Lengths of its lists, from the outermost; `None` where all are missing.
    lengths: Vec<Option<u64>>,
    is_constant: bool,
}

/// What a file of these rows, sorted, declares. The schema is that of the table,
/// with its columns' metadata.
///
/// # Errors
/// A sentence: what is declared contradicts the columns or itself.
pub fn declare(
    recipe: &Recipe<'_>,
    schema: &Schema,
    rows: &[RecordBatch],
    about: &About,
) -> Result<Declared, String> {
    let sources = sources(recipe, schema, rows)?;
    let names: HashMap<String, String> =
        sources.iter().map(|s| (source_name(s).to_string(), s.name.to_string())).collect();
    let mut dimensions = Dimensions::new(recipe, schema, &sources, &names);
    let mut variables = Vec::with_capacity(sources.len());
    for source in &sources {
        let of_variable = dimensions.of(source, &sources)?;
        let storage = storage_of(source);
        variables.push(Variable {
            name: source.name.to_string(),
            origin: Origin::Column(source.name.to_string()),
            dimensions: of_variable,
            storage,
            attributes: attributes(recipe, source, &sources, &names, storage, about)?,
        });
    }
    for (name, declared) in &recipe.export.variables {
        let Some(value) = &declared.value else { continue };
        if variables.iter().any(|v| v.name == *name) {
            return Err(format!("`{name}` has a `value` in `export`, and is a column of the table as well"));
        }
        variables.push(constant(name, declared, value, &mut dimensions)?);
    }
    name_coordinates(recipe, &mut variables);
    Ok(Declared {
        attributes: about
            .attributes
            .iter()
            .map(|(name, value)| Attribute::new(name.as_str(), value_of("", value, Storage::Double)))
            .collect(),
        rows: dimensions.rows,
        unlimited: false,
        dimensions: dimensions.known,
        variables,
        compression: COMPRESSION,
    })
}

/// Names in each variable of values the variables beside it that say where they
/// belong and are not called as a dimension, such as one latitude for all rows
/// (CF 1.8, section 5). One that has such an attribute already keeps it.
fn name_coordinates(recipe: &Recipe<'_>, variables: &mut [Variable]) {
    let of_table = |name: &str| recipe.table.coordinates.iter().any(|c| c == name);
    let is_flags = |v: &Variable, all: &[Variable]| all.iter().any(|other| qc_name(&other.name) == v.name);
    let is_place = |v: &&Variable| of_table(&v.name) || is_position(v);
    let places: Vec<(String, Vec<String>)> =
        variables.iter().filter(is_place).map(|v| (v.name.clone(), v.dimensions.clone())).collect();
    let values: Vec<bool> = variables
        .iter()
        .map(|v| !v.dimensions.is_empty() && !is_place(&v) && !is_axis(v) && !is_flags(v, variables))
        .collect();
    for (variable, _) in variables.iter_mut().zip(values).filter(|(_, is_value)| *is_value) {
        let has_own = variable.attributes.iter().any(|a| a.name == "coordinates");
        let names: Vec<&str> = places
            .iter()
            .filter(|(name, its)| its.as_slice() != [name.as_str()])
            .filter(|(_, its)| its.iter().all(|d| variable.dimensions.contains(d)))
            .map(|(name, _)| name.as_str())
            .collect();
        if !has_own && !names.is_empty() {
            variable.attributes.push(Attribute::new("coordinates", Value::Text(names.join(" "))));
        }
    }
}

/// Whether a variable is called as its only dimension.
fn is_axis(variable: &Variable) -> bool {
    variable.dimensions == [variable.name.as_str()]
}

/// Whether a variable says by its attributes that it is a latitude, a longitude
/// (CF 1.8, sections 4.1 and 4.2) or another axis.
fn is_position(variable: &Variable) -> bool {
    let text = |name: &str| match &variable.attributes.iter().find(|a| a.name == name)?.value {
        Value::Text(text) => Some(text.as_str()),
        _ => None,
    };
    const UNITS: [&str; 12] = [
        "degrees_north",
        "degree_north",
        "degree_N",
        "degrees_N",
        "degreeN",
        "degreesN",
        "degrees_east",
        "degree_east",
        "degree_E",
        "degrees_E",
        "degreeE",
        "degreesE",
    ];
    text("units").is_some_and(|unit| UNITS.contains(&unit))
        || text("standard_name").is_some_and(|name| matches!(name, "latitude" | "longitude"))
        || text("axis").is_some_and(|axis| matches!(axis, "X" | "Y" | "Z" | "T"))
}

/// Name of the input column that a column is made from.
fn source_name<'a>(source: &'a Source<'_>) -> &'a str {
    match source.declared {
        Some(column) => column.source(),
        None => source.field.metadata().get(layout::FROM).map_or(source.name, String::as_str),
    }
}

fn sources<'a>(
    recipe: &Recipe<'a>,
    schema: &'a Schema,
    rows: &[RecordBatch],
) -> Result<Vec<Source<'a>>, String> {
    let has = |name: &str| schema.field_with_name(name).is_ok_and(is_own);
    for (name, declared) in &recipe.export.variables {
        if declared.value.is_none() && !has(name) {
            return Err(format!("the table has no column `{name}`, which `export.variables` names"));
        }
    }
    let mut found = Vec::new();
    for field in schema.fields().iter().filter(|f| is_own(f)) {
        let name = field.name().as_str();
        let declared = recipe.table.columns.iter().find(|c| c.name == name);
        let export = recipe.export.variables.get(name);
        // What is the same in all rows of a file goes into names and attributes,
        // unless somebody asks for it.
        let is_said = declared.is_some() || export.is_some();
        if recipe.export.except.iter().any(|e| e == name)
            || !is_said && recipe.of_file.iter().any(|c| c == name)
        {
            continue;
        }
        let arrays: Vec<ArrayRef> = rows.iter().filter_map(|b| b.column_by_name(name).cloned()).collect();
        found.push(Source {
            name,
            field,
            stated: Stated::of(field.metadata()).unwrap_or_default(),
            declared,
            export,
            lengths: lengths(field.data_type(), &arrays),
            is_constant: is_constant(&arrays),
        });
    }
    Ok(found)
}

/// Lengths of lists by the first that is there, level by level.
fn lengths(t: &DataType, arrays: &[ArrayRef]) -> Vec<Option<u64>> {
    let (DataType::List(element) | DataType::LargeList(element) | DataType::FixedSizeList(element, _)) = t
    else {
        return Vec::new();
    };
    let lists: Vec<LargeListArray> = arrays
        .iter()
        .filter_map(|a| {
            let t = DataType::LargeList(match a.data_type() {
                DataType::List(f) | DataType::LargeList(f) | DataType::FixedSizeList(f, _) => f.clone(),
                _ => return None,
            });
            Some(arrow::compute::cast(a, &t).ok()?.as_list::<i64>().clone())
        })
        .collect();
    let of = |l: &LargeListArray| (0..l.len()).find(|at| l.is_valid(*at)).map(|at| l.value_length(at) as u64);
    let mut found = vec![lists.iter().find_map(of)];
    let inner: Vec<ArrayRef> = lists.iter().map(|l| l.values().clone()).collect();
    found.extend(lengths(element.data_type(), &inner));
    found
}

/// Whether all rows hold the same value.
fn is_constant(arrays: &[ArrayRef]) -> bool {
    let mut arrays = arrays.iter().filter(|a| !a.is_empty());
    let Some(first) = arrays.next() else { return false };
    let one = first.slice(0, 1);
    std::iter::once(first)
        .chain(arrays)
        .all(|array| (0..array.len()).all(|at| array.slice(at, 1).as_ref() == one.as_ref()))
}

/// The dimensions of a file as they become known.
struct Dimensions<'a> {
    rows: String,
    known: Vec<Dimension>,
    /// Names of input columns and what they are called here.
    names: &'a HashMap<String, String>,
    /// Columns of lists that say where values along their dimension belong.
    along: Vec<String>,
    /// Columns whose values the landed file's name says.
    of_file: &'a [String],
}

impl<'a> Dimensions<'a> {
    fn new(
        recipe: &Recipe<'a>,
        schema: &Schema,
        sources: &[Source<'_>],
        names: &'a HashMap<String, String>,
    ) -> Self {
        let coordinate = recipe.coordinate(schema);
        let of = |name: &String| sources.iter().find(|s| s.name == name);
        let declared = coordinate.as_ref().and_then(of).and_then(|s| s.export?.dimensions.as_ref());
        let stated =
            coordinate.as_ref().and_then(of).into_iter().chain(sources).find_map(|s| s.stated.rows.clone());
        let rows = match (declared.map(Vec::as_slice), stated) {
            (Some([one]), _) => one.clone(),
            (_, Some(stated)) => names.get(&stated).cloned().unwrap_or(stated),
            _ => coordinate.clone().unwrap_or_else(|| ROWS.to_string()),
        };
        let is_along = |s: &&Source<'_>| {
            s.lengths.len() == 1 && recipe.table.coordinates.iter().skip(1).any(|c| c == s.name)
        };
        let along = sources.iter().filter(is_along).map(|s| s.name.to_string()).collect();
        Self { rows, known: Vec::new(), names, along, of_file: recipe.of_file }
    }

    /// The dimensions of a column, which are known afterwards.
    fn of(&mut self, source: &Source<'_>, all: &[Source<'_>]) -> Result<Vec<String>, String> {
        let names = self.names_of(source, all)?;
        let nested = names.iter().filter(|n| **n != self.rows);
        let pairs: Vec<(String, Option<u64>)> = nested.cloned().zip(source.lengths.iter().copied()).collect();
        for (name, length) in pairs {
            // Of lists that are all missing any length is right.
            let size = length.or_else(|| self.size_of(&name, all)).unwrap_or(1);
            self.know(&name, size, source.name)?;
        }
        Ok(names)
    }

    /// The length that other columns give a dimension.
    fn size_of(&self, name: &str, all: &[Source<'_>]) -> Option<u64> {
        let known = self.known.iter().find(|d| d.name == name).map(|d| d.size);
        known.or_else(|| {
            all.iter().find_map(|other| {
                let names = self.names_of(other, all).ok()?;
                let at = names.iter().filter(|n| **n != self.rows).position(|n| n == name)?;
                *other.lengths.get(at)?
            })
        })
    }

    fn know(&mut self, name: &str, size: u64, of: &str) -> Result<(), String> {
        match self.known.iter().find(|d| d.name == name) {
            Some(known) if known.size != size => Err(format!(
                "the dimension `{name}` has {size} steps in `{of}`, and {} elsewhere; give one of them other `dimensions`",
                known.size
            )),
            Some(_) => Ok(()),
            None => {
                self.known.push(Dimension { name: name.into(), size });
                Ok(())
            }
        }
    }

    /// Declared ones; else those that its file stated; else those of the value
    /// that it flags; else the rows, then those of its lists.
    fn names_of(&self, source: &Source<'_>, all: &[Source<'_>]) -> Result<Vec<String>, String> {
        let depth = source.lengths.len();
        let n_nested = |names: &[String]| names.iter().filter(|n| **n != self.rows).count();
        if let Some(declared) = source.export.and_then(|e| e.dimensions.as_ref()) {
            if n_nested(declared) != depth {
                return Err(format!(
                    "`{}` is declared with the dimensions {}, and holds {} in each row",
                    source.name,
                    declared.join(", "),
                    match depth {
                        0 => "one value".to_string(),
                        1 => "a list".to_string(),
                        n => format!("lists {n} deep"),
                    }
                ));
            }
            return Ok(declared.clone());
        }
        if let Some(stated) = &source.stated.dimensions {
            let own = |name: &String| self.names.get(name).cloned().unwrap_or_else(|| name.clone());
            let stated: Vec<String> = stated.iter().map(own).collect();
            let is_right = n_nested(&stated) == depth
                && (stated.contains(&self.rows) || source.is_constant)
                && !(1..stated.len()).any(|at| stated[..at].contains(&stated[at]));
            if is_right {
                return Ok(stated);
            }
        }
        let flagged = all.iter().find(|other| qc_name(other.name) == source.name);
        if let Some(flagged) = flagged.filter(|f| f.lengths.len() == depth) {
            return self.names_of(flagged, all);
        }
        if self.along.iter().any(|c| c == source.name) {
            let own = self.along_name(source);
            return Ok(if source.is_constant { vec![own] } else { vec![self.rows.clone(), own] });
        }
        let is_of_file = self.of_file.iter().any(|c| c == source.name || c == source_name(source));
        if depth == 0 && is_of_file && source.is_constant {
            return Ok(Vec::new());
        }
        let mut names = vec![self.rows.clone()];
        for (n, length) in source.lengths.iter().enumerate() {
            let coordinate = all.iter().find(|c| {
                let is_along = self.along.iter().any(|a| a == c.name);
                is_along && c.lengths[0] == *length && !names.contains(&self.along_name(c))
            });
            names.push(coordinate.map_or_else(|| format!("{}_{n}", source.name), |c| self.along_name(c)));
        }
        Ok(names)
    }

    /// A coordinate of the same values in all rows names its dimension (CF 1.8,
    /// section 2.4); one that changes must not.
    fn along_name(&self, source: &Source<'_>) -> String {
        let declared = source.export.and_then(|e| e.dimensions.as_ref());
        if let Some(name) = declared.and_then(|d| d.iter().find(|n| **n != self.rows)) {
            return name.clone();
        }
        if source.is_constant { source.name.to_string() } else { format!("{}_0", source.name) }
    }
}

fn storage_of(source: &Source<'_>) -> Storage {
    match source.export.and_then(|e| e.storage) {
        Some(storage) => stored(storage),
        None => Storage::of(source.field.data_type()),
    }
}

fn stored(storage: export::Storage) -> Storage {
    match storage {
        export::Storage::Byte => Storage::Byte,
        export::Storage::UByte => Storage::UByte,
        export::Storage::Short => Storage::Short,
        export::Storage::UShort => Storage::UShort,
        export::Storage::Int => Storage::Int,
        export::Storage::UInt => Storage::UInt,
        export::Storage::Int64 => Storage::Int64,
        export::Storage::UInt64 => Storage::UInt64,
        export::Storage::Float => Storage::Float,
        export::Storage::Double => Storage::Double,
        export::Storage::String => Storage::String,
    }
}

fn fill(name: &str, fill: f64, storage: Storage) -> Result<Value, String> {
    Value::numbers(storage, &[fill])
        .ok_or_else(|| format!("the `fill` of `{name}`, {fill}, is no value of its type, {storage:?}"))
}

/// What people call a variable.
fn called(source: &Source<'_>) -> String {
    let about = source.declared.and_then(|c| c.attributes.get("long_name")).map(ToString::to_string);
    let about =
        about.or_else(|| source.declared?.description.clone()).or_else(|| source.stated.description());
    about.unwrap_or_else(|| source.name.to_string())
}

fn attributes(
    recipe: &Recipe<'_>,
    source: &Source<'_>,
    all: &[Source<'_>],
    names: &HashMap<String, String>,
    storage: Storage,
    about: &About,
) -> Result<Vec<Attribute>, String> {
    let mut out = Attributes::default();
    if let Some(value) = source.export.and_then(|e| e.fill) {
        out.put("_FillValue", fill(source.name, value, storage)?);
    }
    let mut t = source.field.data_type();
    while let DataType::List(f) | DataType::LargeList(f) | DataType::FixedSizeList(f, _) = t {
        t = f.data_type();
    }
    if *t == DataType::Boolean && storage == Storage::Byte {
        // How xarray keeps truth values.
        out.put("dtype", "bool");
    }
    out.put_stated(&source.stated, names);
    let is_time = matches!(t, DataType::Timestamp(..) | DataType::Date32);
    let stored_unit = source.field.metadata().get("unit").map(String::as_str);
    let unit = source.declared.and_then(|c| c.unit.as_deref()).or(stored_unit).filter(|_| !is_time);
    match source.declared {
        Some(column) => out.put_column(column, unit, storage),
        None => unit.iter().for_each(|unit| out.put("units", *unit)),
    }
    if let Some(flagged) = all.iter().find(|other| qc_name(other.name) == source.name)
        && let Some(flags) = recipe.table.flags_of(flagged.name)
    {
        let as_texts = recipe.export.flag_meanings == FlagMeanings::Texts;
        out.put_flags(&flags, &called(flagged), as_texts, storage);
    }
    if let (None, Some((of, what))) = (source.declared, grid::companion_of(source.name))
        && let Some(of) = all.iter().find(|s| s.name == of && grid::is_averaged(recipe.table, s.field))
    {
        out.put("long_name", format!("{what} {}", called(of)).as_str());
    }
    let of: Vec<&str> =
        about.corrections.iter().filter(|(c, _)| c == source.name).map(|(_, how)| how.as_str()).collect();
    if !of.is_empty() {
        out.put("corrections_applied", of.join("; ").as_str());
    }
    let flags = qc_name(source.name);
    if recipe.table.flags_of(source.name).is_some() && all.iter().any(|other| other.name == flags) {
        out.add_ancillary(&flags);
    }
    for (name, value) in source.export.iter().flat_map(|e| &e.attributes) {
        out.put_declared(name, value, storage);
    }
    Ok(out.finish())
}

/// A variable whose value the configuration gives.
fn constant(
    name: &str,
    declared: &export::Variable,
    value: &model::Attribute,
    dimensions: &mut Dimensions<'_>,
) -> Result<Variable, String> {
    let (array, own): (ArrayRef, Storage) = match value {
        model::Attribute::Text(text) => (Arc::new(StringArray::from(vec![text.as_str()])), Storage::String),
        model::Attribute::Texts(texts) => (Arc::new(StringArray::from(texts.clone())), Storage::String),
        model::Attribute::Ints(v) => {
            let is_narrow = v.iter().all(|v| i32::try_from(*v).is_ok());
            (Arc::new(Int64Array::from(v.clone())), if is_narrow { Storage::Int } else { Storage::Int64 })
        }
        model::Attribute::Floats(v) => (Arc::new(Float64Array::from(v.clone())), Storage::Double),
    };
    let storage = declared.storage.map_or(own, stored);
    let of_variable = declared.dimensions.clone().unwrap_or_default();
    if of_variable.contains(&dimensions.rows) {
        return Err(format!("`{name}` has a `value` and the dimension of the rows, `{}`", dimensions.rows));
    }
    for dimension in &of_variable {
        dimensions.know(dimension, array.len() as u64, name)?;
    }
    let mut attributes = Attributes::default();
    if let Some(value) = declared.fill {
        attributes.put("_FillValue", fill(name, value, storage)?);
    }
    for (name, value) in &declared.attributes {
        attributes.put_declared(name, value, storage);
    }
    Ok(Variable {
        name: name.to_string(),
        origin: Origin::Constant(array),
        dimensions: of_variable,
        storage,
        attributes: attributes.finish(),
    })
}
