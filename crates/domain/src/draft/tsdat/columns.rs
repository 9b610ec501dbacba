//! Variables as columns of a table and variables of its export.

use jiff::fmt::strtime::BrokenDownTime;

use super::pipeline::{Converter, Pipeline, ReaderKind, Retrieval, Style, TIME, Variable};
use super::streams::Plan;
use super::value::Value;
use super::write::{Keys, flow, number};
use super::{Note, NoteKind, Sample};
use crate::draft::scalar;
use crate::units::Conversion;

/// A column, and what is said above it.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub name: String,
    pub keys: Keys,
    pub comment: Option<String>,
    /// The input columns that it is read from.
    pub from: Vec<String>,
    /// What its export says beside it; empty where nothing is to be said.
    pub variable: Keys,
    /// Whether somebody's own Python made it.
    pub is_made: bool,
}

/// Attributes that are keys of a column, or said by other keys.
const OWN: [&str; 4] = ["units", "long_name", "standard_name", "_FillValue"];

/// The column of a variable that is no static one.
pub(super) fn column(
    pipeline: &Pipeline,
    plan: &Plan,
    sample: Option<&Sample>,
    variable: &Variable,
    notes: &mut Vec<Note>,
) -> Column {
    let mut keys = Keys::default();
    let mut comment = None;
    let is_flat = pipeline.readers.iter().any(|r| is_flat(&r.kind));
    let is_list = !variable.is_plain() && variable.name != TIME;
    let is_made = variable.inputs.is_empty() || is_flat && is_list || !plan.is_there(sample, variable);
    let from = plan.columns(pipeline, variable, notes);
    match from.as_slice() {
        // What is made is made under its own name.
        _ if is_made && variable.name != TIME => {
            comment = Some(match from.first() {
                None => "Nothing is read for it: a hook in Python computed it, or it stays empty.".into(),
                Some(column) => format!("No file has it: a hook in Python made it, as `{column}`."),
            });
        }
        [] => {}
        [one] if *one == variable.name => {}
        [one] => keys.text("from", one),
        several => keys.add("from", super::write::list(several)),
    }
    if variable.name == TIME {
        time(pipeline, variable, &mut keys, notes);
    } else {
        if !is_list {
            keys.add("type", kind(pipeline.style, variable));
        }
        if let Some(fill) = variable.attr("_FillValue").filter(|_| !variable.is_text()) {
            let mut nulls: Vec<String> = fill.texts();
            nulls.extend(spelled(plan, &from));
            // Lists are made here or typed already.
            if !is_list {
                keys.add(
                    "nulls",
                    if let [one] = nulls.as_slice() { scalar(one) } else { super::write::list(&nulls) },
                );
            }
        }
        units(pipeline, variable, &mut keys, notes);
        thresholds(variable, &mut keys, notes);
    }
    described(variable, &mut keys);
    let from = if is_made && variable.name != TIME { Vec::new() } else { from };
    Column {
        name: variable.name.clone(),
        keys,
        comment,
        from,
        variable: exported(pipeline, variable),
        is_made,
    }
}

/// A variable whose value is set in the configuration.
pub(super) fn fixed(variable: &Variable, data: &Value, notes: &mut Vec<Note>) -> Keys {
    let mut keys = Keys::default();
    let depth = data.items().iter().any(|item| matches!(item, Value::List(_) | Value::Map(_)));
    if depth || variable.dims.len() > 1 {
        let text = "its `data` is a table of numbers, and a variable without a column is one value or one list here; it is \
                    left out";
        notes.push(Note::new(NoteKind::Lost, &variable.name, text));
        return keys;
    }
    keys.add("value", flow(data));
    if !variable.dims.is_empty() {
        keys.add("dimensions", super::write::list(&variable.dims));
    }
    if let Some(storage) = storage(&variable.dtype) {
        keys.add("type", storage);
    }
    let mut attributes = Keys::default();
    for (key, value) in &variable.attrs {
        if key != "_FillValue" && *value != Value::Null {
            attributes.add(key, attribute(value));
        }
    }
    if !attributes.is_empty() {
        keys.add("attributes", attributes.yaml());
    }
    keys
}

/// Whether what is read has one value in a row and column.
fn is_flat(kind: &ReaderKind) -> bool {
    match kind {
        ReaderKind::Csv(_) => true,
        ReaderKind::Archive(nested) => nested.iter().any(|reader| is_flat(&reader.kind)),
        _ => false,
    }
}

/// How times are written.
fn time(pipeline: &Pipeline, variable: &Variable, keys: &mut Keys, notes: &mut Vec<Note>) {
    keys.add("type", "timestamp");
    let mut told: Option<(Option<String>, Option<String>, Option<String>)> = None;
    for converter in variable.inputs.iter().flat_map(|r| &r.converters) {
        match converter {
            Converter::Time { format, zone, unit } => {
                let found = (format.clone(), zone.clone(), unit.clone());
                if told.as_ref().is_some_and(|t| *t != found) {
                    let text = "its inputs write times in several ways; the first is taken";
                    notes.push(Note::new(NoteKind::Lost, TIME, text));
                }
                told.get_or_insert(found);
            }
            Converter::Units(_) => {}
            Converter::Unknown(class) => notes.push(unknown(class, TIME)),
        }
    }
    let Some((format, zone, unit)) = told else { return };
    if let Some(unit) = unit {
        match unit.as_str() {
            "s" => keys.add("format", "unix"),
            "ms" => keys.add("format", "unix_ms"),
            "us" => keys.add("format", "unix_us"),
            _ => {
                let text = format!(
                    "times are numbers of `{unit}` since 1970; write them in seconds by `transform:`"
                );
                notes.push(Note::new(NoteKind::Lost, TIME, text));
            }
        }
    } else if let Some(format) = format.map(|f| f.replace(".%f", "%.f")) {
        if is_readable(&format) {
            keys.text("format", &format);
        } else {
            let text = format!(
                "the format `{format}` cannot be read here; times are taken for ISO 8601: write their `format:`"
            );
            notes.push(Note::new(NoteKind::Lost, TIME, text));
        }
    } else if pipeline.style == Style::Current {
        let text = "no format of times is given, and pandas guesses; they are taken for ISO 8601";
        notes.push(Note::new(NoteKind::Differs, TIME, text));
    }
    keys.text("timezone", zone.as_deref().unwrap_or("UTC"));
}

/// Whether times that are written by a format can be read by it.
fn is_readable(format: &str) -> bool {
    let example = jiff::civil::date(2026, 11, 27).at(21, 34, 56, 123_456_000);
    let Ok(example) = example.to_zoned(jiff::tz::TimeZone::UTC) else { return false };
    let read = BrokenDownTime::from(&example)
        .to_string(format)
        .ok()
        .and_then(|text| BrokenDownTime::parse(format, text.trim()).ok());
    read.is_some_and(|t| t.to_timestamp().is_ok() || t.to_datetime().is_ok() || t.to_date().is_ok())
}

fn unknown(class: &str, about: &str) -> Note {
    let text = match class.rsplit('.').next().unwrap_or(class) {
        "NearestNeighbor" | "BinAverage" | "Interpolate" | "Automatic" | "CreateTimeGrid"
        | "LinearInterpolate" => format!(
            "`{class}` puts it on another coordinate; for times there is `grid:` of the table, which works on all of its columns"
        ),
        _ => format!(
            "its input is converted by `{class}`; do its work by `transform:` (SQL) or `hook:` (a command)"
        ),
    };
    Note::new(NoteKind::Lost, about, text)
}

/// A column's type: what is read keeps it in 0.2, where pandas makes floating
/// point of every column that a value is missing in; later versions cast.
fn kind(style: Style, variable: &Variable) -> &'static str {
    if variable.is_text() {
        return "string";
    }
    if style == Style::Old {
        return "float";
    }
    match variable.dtype.as_str() {
        "float32" | "f4" | "<f4" => "float32",
        "int8" | "int16" | "int32" | "uint8" | "uint16" | "short" | "ushort" | "byte" | "ubyte" | "i4" => {
            "int32"
        }
        dtype if dtype.contains("int") || dtype == "long" || dtype == "ulong" => "int",
        "bool" => "bool",
        dtype if dtype.contains("datetime") => "timestamp",
        _ => "float",
    }
}

/// The netCDF type of a NumPy type; `None` where it is that of the column.
fn storage(dtype: &str) -> Option<&'static str> {
    Some(match dtype {
        "float" | "double" | "float64" | "f8" => "double",
        "float32" | "f4" | "single" => "float",
        "int" | "long" | "int64" | "i8" => "int64",
        "int32" | "intc" | "i4" => "int",
        "int16" | "short" => "short",
        "int8" | "byte" => "byte",
        "uint8" | "ubyte" => "ubyte",
        "uint16" | "ushort" => "ushort",
        "uint32" => "uint",
        "uint64" | "uint" | "ulong" => "uint64",
        "str" | "char" | "string" => "string",
        _ => return None,
    })
}

/// What the export says of a variable beside its column.
fn exported(pipeline: &Pipeline, variable: &Variable) -> Keys {
    let mut keys = Keys::default();
    if variable.name == TIME {
        // As xarray stores times: whole seconds where they are.
        if has_whole_seconds(pipeline, variable) {
            keys.add("type", "int64");
        }
        keys.add("attributes", "{ calendar: proleptic_gregorian }");
        return keys;
    }
    if !variable.is_plain() && !variable.dims.is_empty() {
        keys.add("dimensions", super::write::list(&variable.dims));
    }
    let storage = match pipeline.style {
        Style::Old if variable.is_text() => Some("string"),
        Style::Old => Some("double"),
        Style::Current => storage(&variable.dtype),
    };
    if let Some(storage) = storage {
        keys.add("type", storage);
    }
    if let Some(fill) = variable.attr("_FillValue").and_then(Value::as_number).filter(|_| !variable.is_text())
    {
        keys.add("fill", number(fill));
    }
    keys
}

/// Whether no time can have a fraction of a second, by how times are written.
fn has_whole_seconds(pipeline: &Pipeline, variable: &Variable) -> bool {
    let mut converters = variable.inputs.iter().flat_map(|r| &r.converters).peekable();
    variable.dtype == "datetime64[s]" && pipeline.style == Style::Current
        || converters.peek().is_some()
            && converters.all(|c| match c {
                Converter::Time { format: Some(format), unit: None, .. } => !format.contains("%f"),
                Converter::Time { unit, .. } => {
                    unit.as_deref() == Some("s") && !variable.dtype.contains("float")
                }
                _ => false,
            })
}

/// Spellings of a missing value that pandas was told for one column.
fn spelled(plan: &Plan, from: &[String]) -> Vec<String> {
    let formats = plan.streams.iter().map(|s| &s.format).chain([&plan.format]);
    let of_columns = formats.flat_map(|f| &f.column_nulls);
    of_columns
        .filter(|(column, _)| from.iter().any(|f| f == column || f.ends_with(&format!(".{column}"))))
        .flat_map(|(_, nulls)| nulls.clone())
        .collect()
}

fn units(pipeline: &Pipeline, variable: &Variable, keys: &mut Keys, notes: &mut Vec<Note>) {
    let unit = variable.attr("units").and_then(Value::as_text);
    let mut given: Option<String> = None;
    let mut may_state =
        pipeline.style == Style::Current && pipeline.readers.iter().any(|r| states_units(&r.kind));
    for converter in variable.inputs.iter().flat_map(|r: &Retrieval| &r.converters) {
        match converter {
            Converter::Units(from) => given = given.or(from.clone()),
            Converter::Time { .. } => may_state = false,
            Converter::Unknown(class) => notes.push(unknown(class, &variable.name)),
        }
    }
    let Some(unit) = unit else { return };
    let is_number = !variable.is_text() && kind(pipeline.style, variable).starts_with("float");
    if let Some(from) = given.filter(|from| *from != unit && from != "1" && unit != "1") {
        match Conversion::between(&from, &unit) {
            Ok(_) if is_number => keys.text("from_unit", &from),
            Ok(_) => {
                let text = format!(
                    "it is converted from `{from}` to `{unit}`, which a column of whole numbers is not"
                );
                notes.push(Note::new(NoteKind::Lost, &variable.name, text));
            }
            Err(_) => {
                let text =
                    format!("there is no conversion from `{from}` to `{unit}`; values are taken as they are");
                notes.push(Note::new(NoteKind::Lost, &variable.name, text));
            }
        }
    } else if may_state && is_number && unit != "1" && Conversion::between(&unit, &unit).is_ok() {
        keys.add("from_unit", "stated");
    }
    keys.text("unit", &unit);
}

/// Whether files say the units of their variables.
fn states_units(kind: &ReaderKind) -> bool {
    match kind {
        ReaderKind::Netcdf(_) => true,
        ReaderKind::Archive(nested) => nested.iter().any(|reader| states_units(&reader.kind)),
        _ => false,
    }
}

/// Limits, as keys of the column.
fn thresholds(variable: &Variable, keys: &mut Keys, notes: &mut Vec<Note>) {
    for level in ["valid", "fail", "warn"] {
        let of = |word: &str| variable.attr(&format!("{level}_{word}")).filter(|v| **v != Value::Null);
        let range = of("range").map(Value::items);
        let mut sides = [None, None];
        if let Some(range) = &range {
            sides = [range.first().copied().cloned(), range.last().copied().cloned()];
        }
        for (side, word) in sides.iter_mut().zip(["min", "max"]) {
            let Some(own) = of(word) else { continue };
            if side.as_ref().is_some_and(|s| s.as_number() != own.as_number()) {
                let text = format!(
                    "`{level}_{word}` and `{level}_range` say different limits; `{level}_{word}` is taken"
                );
                notes.push(Note::new(NoteKind::Differs, &variable.name, text));
            }
            *side = Some(own.clone());
        }
        if sides.iter().any(Option::is_some) {
            let sides = sides.map(|s| s.as_ref().map_or("null".into(), flow));
            keys.add(&format!("{level}_range"), format!("[{}]", sides.join(", ")));
        }
        for word in ["delta", "std"] {
            if let Some(limit) = of(word) {
                keys.add(&format!("{level}_{word}"), flow(limit));
            }
        }
    }
}

fn is_threshold(key: &str) -> bool {
    key.split_once('_').is_some_and(|(level, word)| {
        ["valid", "fail", "warn"].contains(&level) && ["range", "min", "max", "delta", "std"].contains(&word)
    })
}

/// Names for people, and all other attributes with their types.
fn described(variable: &Variable, keys: &mut Keys) {
    let is_time = variable.name == TIME;
    for key in ["standard_name", "long_name"] {
        if let Some(text) = variable.attr(key).and_then(Value::as_text) {
            keys.text(key, &text);
        }
    }
    let mut more = Keys::default();
    for (key, value) in &variable.attrs {
        let is_said = OWN.contains(&key.as_str()) || !is_time && is_threshold(key);
        if !is_said && *value != Value::Null {
            more.add(key, attribute(value));
        }
    }
    if !more.is_empty() {
        keys.add("attributes", more.yaml());
    }
}

/// An attribute's value: texts and numbers, and lists of them.
pub(super) fn attribute(value: &Value) -> String {
    match value {
        Value::Bool(v) => scalar(&v.to_string()),
        Value::Map(_) => scalar(&flow(value)),
        other => flow(other),
    }
}
