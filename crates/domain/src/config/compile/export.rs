//! `export:` to what is written for others.

use indexmap::IndexMap;

use super::columns;
use super::tables::Names;
use crate::config::decode::{At, Named, Reporter, Slot, nearest};
use crate::config::diagnostic::Span;
use crate::config::raw::{ExportKeys, VariableKeys};
use crate::config::scalars::TemplateText;
use crate::export::{
    BUILT_IN, COLUMN, Export, FileAttribute, Per, Storage, Template, Values, Variable, outline_fault,
};
use crate::ids::DatasetName;
use crate::model::{Attribute, Kind, Quality, qc_name};

/// `None` where nothing is to be exported, or it is so wrong that nothing could be.
pub(super) fn compile(
    slot: &Slot<ExportKeys>,
    names: &Names,
    coordinates: &[String],
    quality: &[Quality],
    report: &mut Reporter,
) -> Option<Export> {
    let at = slot.at()?;
    let keys = &at.value;
    if !names.has_provenance() {
        let help = "remove `provenance: false`, or `export`";
        report.error(at.span, "only rows that carry their file can be exported", help);
    }
    let attributes = file_attributes(&keys.attributes, report);
    let rows = coordinates.first().map(String::as_str);
    let flags: Vec<String> = quality.iter().flat_map(|q| q.bits.keys().map(|c| qc_name(c))).collect();
    let variables = variables(&keys.variables, names, rows, &flags, report);
    let mut except = Vec::new();
    for at in keys.except.get().into_iter().flat_map(|list| &list.0.items) {
        if !flags.contains(&at.value) {
            names.check(&at.value, at.span, report);
        }
        if variables.contains_key(&at.value) {
            let message = format!("`{}` is left out and stands in `variables` as well", at.value);
            report.error(at.span, message, "keep one");
        }
        except.push(at.value.clone());
    }
    let per = keys.per.get().copied().unwrap_or(Per::File);
    let path = keys.netcdf.at()?;
    let export = Export {
        netcdf: path.value.0.clone(),
        plots: keys.plots.get().map(|p| p.0.clone()),
        per,
        attributes,
        variables,
        except,
        flag_meanings: keys.flag_meanings.get().copied().unwrap_or_default(),
    };
    check_names(&export, path.span, keys.plots.at(), &keys.attributes, names, report);
    check_path(&export, &export.netcdf, path.span, report);
    if let Some(plots) = keys.plots.at() {
        check_path(&export, &plots.value.0, plots.span, report);
        check_plots(&plots.value.0, plots.span, report);
    }
    check_times(&export, path.span, names, rows, report);
    Some(export)
}

/// Attributes by name; names that netCDF does not take are reported.
fn attributes(
    slot: &Slot<Named<Attribute>>,
    reserved: &[(&str, &str)],
    report: &mut Reporter,
) -> Vec<(String, At<Attribute>)> {
    let mut found: Vec<(String, At<Attribute>)> = Vec::new();
    for (key, slot) in slot.get().into_iter().flat_map(|named| &named.0) {
        check_name(&key.text, key.span, "attribute", report);
        if let Some((_, instead)) = reserved.iter().find(|(name, _)| *name == key.text) {
            let message = format!("`{}` is no attribute that is written as it stands", key.text);
            report.error(key.span, message, *instead);
        }
        if let Some(at) = slot.at() {
            found.push((key.text.clone(), at.clone()));
        }
    }
    found
}

/// Names as netCDF takes them, and as CF 1.8, section 2.3, recommends them less
/// strictly: a letter or `_` first, then no `/`, and no character that does not print.
fn check_name(name: &str, span: Span, what: &str, report: &mut Reporter) {
    let begins = name.starts_with(|c: char| c.is_alphabetic() || c == '_');
    let odd = |c: char| c.is_control() || c == '/' || c == ' ';
    if !begins || name.contains(odd) {
        let help = "begin with a letter, and write letters, digits and `_`";
        report.error(span, format!("`{name}` cannot be the name of a netCDF {what}"), help);
    }
}

fn file_attributes(slot: &Slot<Named<Attribute>>, report: &mut Reporter) -> IndexMap<String, FileAttribute> {
    let mut found = IndexMap::new();
    for (name, at) in attributes(slot, &[], report) {
        let value = match at.value {
            Attribute::Text(text) => match Template::parse(&text) {
                Ok(template) => FileAttribute::Text(template),
                Err(fault) => {
                    report.error(at.span, format!("`{name}`: {}", fault.why), fault.help);
                    continue;
                }
            },
            value => FileAttribute::Value(value),
        };
        found.insert(name, value);
    }
    found
}

fn variables(
    slot: &Slot<Named<VariableKeys>>,
    names: &Names,
    rows: Option<&str>,
    flags: &[String],
    report: &mut Reporter,
) -> IndexMap<String, Variable> {
    let mut found = IndexMap::new();
    for (key, slot) in slot.get().into_iter().flat_map(|named| &named.0) {
        check_name(&key.text, key.span, "variable", report);
        let Some(at) = slot.at() else { continue };
        let keys = &at.value;
        let column = names.column(&key.text);
        match (keys.value.at(), column) {
            (Some(value), Some(_)) => {
                let message = format!("`{}` is a column already, and has a `value` here", key.text);
                report.error(value.span, message, "choose another name for the variable, or remove `value`");
            }
            (None, None) if keys.value.is_absent() && !flags.contains(&key.text) => {
                names.check(&key.text, key.span, report)
            }
            _ => {}
        }
        let variable = Variable {
            dimensions: dimensions(&key.text, keys, column.and_then(|c| c.kind), rows, report),
            storage: keys.storage.get().copied(),
            fill: fill(keys, report),
            value: keys.value.get().cloned(),
            attributes: attributes(&keys.attributes, &[("_FillValue", "write `fill: …`")], report)
                .into_iter()
                .map(|(name, at)| (name, at.value))
                .collect(),
        };
        check_type(column.and_then(|c| c.kind), keys, report);
        found.insert(key.text.clone(), variable);
    }
    found
}

fn dimensions(
    name: &str,
    keys: &VariableKeys,
    kind: Option<Kind>,
    rows: Option<&str>,
    report: &mut Reporter,
) -> Option<Vec<String>> {
    let given = keys.dimensions.at();
    let mut found: Vec<String> = Vec::new();
    for at in given.into_iter().flat_map(|list| &list.value.0.items) {
        check_name(&at.value, at.span, "dimension", report);
        if found.contains(&at.value) {
            report.error(at.span, format!("`{}` is named twice", at.value), "name it once");
        }
        found.push(at.value.clone());
    }
    if let Some(value) = keys.value.at() {
        let wanted = usize::from(n_values(&value.value) != 1 || !found.is_empty());
        if found.len() != wanted {
            let (why, help) = match wanted {
                1 if found.is_empty() => ("a list lies along a dimension", "add `dimensions: [ … ]`"),
                _ => ("a `value` lies along one dimension at most", "name one"),
            };
            report.error(value.span, format!("`{name}`: {why}"), help);
        }
        return given.map(|_| found);
    }
    // What has a declared type is no list: its one dimension is that of the rows.
    if let (Some(at), Some(_), [_, _, ..]) = (given, kind, found.as_slice()) {
        let other = found.iter().find(|d| rows != Some(d)).map_or("", String::as_str);
        report.error(
            at.span,
            format!("`{name}` holds one value in each row: no column gives the dimension `{other}`"),
            "name the dimension of the rows alone, or remove the column's `type` where it holds lists",
        );
    }
    given.map(|_| found)
}

fn n_values(value: &Attribute) -> usize {
    match value {
        Attribute::Text(_) => 1,
        Attribute::Texts(v) => v.len(),
        Attribute::Ints(v) => v.len(),
        Attribute::Floats(v) => v.len(),
    }
}

fn fill(keys: &VariableKeys, report: &mut Reporter) -> Option<f64> {
    let at = keys.fill.at()?;
    let fill = at.value.0;
    if let Some(storage) = keys.storage.get()
        && let Some((least, most)) = bounds(*storage)
        && !(fill.fract() == 0.0 && (least..=most).contains(&fill))
    {
        let help = format!("write a whole number from {least} to {most}, or another `type`");
        report.error(at.span, format!("`{fill}` is no value of the type"), help);
    }
    if keys.storage.get() == Some(&Storage::String) {
        report.error(at.span, "a missing text is an empty one", "remove `fill`");
    }
    Some(fill)
}

/// Least and greatest value of a type of whole numbers.
fn bounds(storage: Storage) -> Option<(f64, f64)> {
    Some(match storage {
        Storage::Byte => (f64::from(i8::MIN), f64::from(i8::MAX)),
        Storage::UByte => (0.0, f64::from(u8::MAX)),
        Storage::Short => (f64::from(i16::MIN), f64::from(i16::MAX)),
        Storage::UShort => (0.0, f64::from(u16::MAX)),
        Storage::Int => (f64::from(i32::MIN), f64::from(i32::MAX)),
        Storage::UInt => (0.0, f64::from(u32::MAX)),
        Storage::Int64 => (i64::MIN as f64, i64::MAX as f64),
        Storage::UInt64 => (0.0, u64::MAX as f64),
        Storage::Float | Storage::Double | Storage::String => return None,
    })
}

/// Reports a type that can hold no value of the column.
fn check_type(kind: Option<Kind>, keys: &VariableKeys, report: &mut Reporter) {
    let (Some(at), Some(kind)) = (keys.storage.at(), kind) else { return };
    let is_text = matches!(kind, Kind::String | Kind::Json | Kind::Binary);
    if is_text && at.value != Storage::String {
        let help = "write `type: string`, or make the column's type a number";
        report.error(at.span, "the column holds texts, which are no numbers", help);
    }
}

/// Reports placeholders that nothing gives a value.
fn check_names(
    export: &Export,
    span: Span,
    plots: Option<&At<TemplateText>>,
    written: &Slot<Named<Attribute>>,
    names: &Names,
    report: &mut Reporter,
) {
    let Some(of_file) = names.of_file() else { return };
    let known = || {
        let attributes = export.attributes.keys().map(String::as_str);
        of_file.iter().map(String::as_str).chain(attributes).chain(BUILT_IN).chain(["start", "end"])
    };
    let span_of = |name: &str| {
        let given = written.get().and_then(|named| named.0.iter().find(|(key, _)| key.text == name));
        given.and_then(|(_, slot)| slot.at()).map_or(span, |at| at.span)
    };
    let mut texts = vec![(&export.netcdf, span)];
    texts.extend(plots.map(|at| (&at.value.0, at.span)));
    for (name, attribute) in &export.attributes {
        if let FileAttribute::Text(text) = attribute {
            texts.push((text, span_of(name)));
        }
    }
    let mut all_known = true;
    for (text, span) in texts {
        let is_plot = plots.is_some_and(|at| at.value.0 == *text);
        let unknown = |name: &&str| !(known().any(|k| k == *name) || is_plot && *name == COLUMN);
        for name in text.names().filter(unknown) {
            all_known = false;
            let help = match nearest(name, known()) {
                Some(near) => format!("did you mean `{{{near}}}`?"),
                None => {
                    let all: Vec<_> = known().collect();
                    format!("known here: {}; a brace itself is written `{{{{`", all.join(", "))
                }
            };
            report.error(span, format!("nothing gives `{{{name}}}` a value"), help);
        }
        if export.per != Per::File && text.names().any(|name| name == "file") {
            let message = format!("a {} has rows of several files, and none `{{file}}`", export.per.name());
            report.error(span, message, "remove `{file}`, or write `per: file`");
            all_known = false;
        }
    }
    // What is left are attributes that take one another in a circle.
    let of_file: Vec<_> = of_file.into_iter().map(|name| (name, "x".to_string())).collect();
    let dataset = DatasetName::new("x", "x");
    let values = Values {
        export,
        dataset: &dataset,
        table: "x",
        of_file: &of_file,
        file: Some("x"),
        span: Some((0, 0)),
        column: None,
    };
    if let (true, Err(why)) = (all_known, values.attributes()) {
        report.error(
            span,
            format!("attributes take one another in a circle: {why}"),
            "write one of them out",
        );
    }
}

fn check_path(export: &Export, template: &Template, span: Span, report: &mut Reporter) {
    if let Some(why) = outline_fault(template) {
        let help = "write a path below the folder of exports: `{dataset}/{start:%Y%m%d.%H%M%S}.nc`";
        report.error(span, format!("this {why}"), help);
    }
    if export.per != Per::File && !template.has_start() {
        let message = format!("every {} would have the same path", export.per.name());
        let format = if export.per == Per::Day { "%Y%m%d" } else { "%Y%m" };
        report.error(span, message, format!("add `{{start:{format}}}`"));
    }
}

/// Reports a path that is the same for all variables, or of no picture.
fn check_plots(plots: &Template, span: Span, report: &mut Reporter) {
    if !plots.names().any(|name| name == COLUMN) {
        report.error(span, "every variable's plot would have the same path", "add `{column}`");
    }
    if !matches!(plots.extension(), Some("svg" | "png")) {
        report.error(span, "nothing says what kind of picture a plot is", "end the path in `.svg` or `.png`");
    }
}

/// Reports that no column tells times, where every column is known.
fn check_times(export: &Export, span: Span, names: &Names, rows: Option<&str>, report: &mut Reporter) {
    let texts = export.attributes.values().filter_map(|a| match a {
        FileAttribute::Text(text) => Some(text),
        FileAttribute::Value(_) => None,
    });
    let has_time = std::iter::once(&export.netcdf).chain(&export.plots).chain(texts).any(Template::has_time);
    if !has_time && export.plots.is_none() && export.per == Per::File {
        return;
    }
    let kind = rows.and_then(|name| names.column(name)).and_then(|c| c.kind);
    let none = rows.is_none() && names.is_closed();
    if none || kind.is_some_and(|kind| !columns::is_time(kind)) {
        report.error(
            span,
            "no column says which times `{start}`, `{end}`, days, months and plots are of",
            "declare a column of the type `timestamp`, and name it first in `coordinates` if that is given",
        );
    }
}
