//! The 0.2 style: one file with the pipeline, its variables and its quality, and
//! a storage configuration beside it.

use super::pipeline::{Converter, Manager, Output, Pipeline, Retrieval, Style, TIME, Variable};
use super::repository::{Found, Tree, folder_of};
use super::value::Value;
use super::{Note, NoteKind, classes, globals, programs, python, storage};

/// What 0.2 puts where a value is missing and no other value is declared.
const FILL: i64 = -9999;

/// # Errors
/// Why there can be no dataset of it.
pub(super) fn read(tree: &Tree, found: &Found) -> Result<Pipeline, String> {
    let mut notes = Vec::new();
    let nothing = Value::Null;
    let pipeline = found.value.get("pipeline").unwrap_or(&nothing);
    let definition = found.value.get("dataset_definition").unwrap_or(&nothing);
    let attributes = definition.get("attributes").unwrap_or(&nothing);
    if pipeline.text("type").is_some_and(|kind| kind != "Ingest") {
        return Err("it is a VAP, which makes a dataset of other datasets: write a table with `of: <table>` into the \
                    dataset file of the pipeline that it reads"
            .into());
    }
    let names = globals::names(pipeline, attributes)?;
    let mut globals = attributes.entries().to_vec();
    globals.retain(|(_, value)| *value != Value::Null);
    globals.push(("datastream_name".into(), Value::Text(names.datastream.clone())));

    let defaults = definition.get("variable_defaults").unwrap_or(&nothing);
    let declared = definition.get("variables").map(Value::entries).unwrap_or_default();
    let variables: Vec<Variable> = declared.iter().map(|(name, d)| variable(name, d, defaults)).collect();
    if !variables.iter().any(|v| v.name == TIME) {
        return Err("its dataset has no variable `time`".into());
    }

    notes.extend(programs::of_old(tree, &found.path));
    let (readers, output) = match tree.storage_of(&found.path) {
        Some((path, storage)) => {
            let handlers =
                storage.at(&["storage", "file_handlers", "input"]).map(Value::entries).unwrap_or_default();
            let (output, storage_notes) = storage::old(&storage, &path, &names);
            notes.extend(storage_notes);
            (handlers.iter().map(|(_, declared)| classes::input_handler(declared)).collect(), output)
        }
        None => {
            let text = format!(
                "no storage configuration (`storage: {{ file_handlers: … }}`) is below {}; its inputs are recognised by \
                 their bytes, and files are called as tsdat does by default",
                tree.root
            );
            notes.push(Note::new(NoteKind::Missing, "storage", text));
            (Vec::new(), Some(storage::old_output(&names)))
        }
    };
    let triggers = triggers(tree, &found.path, &names.location, &mut notes);
    let managers = found.value.get("quality_management").map(Value::entries).unwrap_or_default();
    Ok(Pipeline {
        style: Style::Old,
        source: found.path.clone(),
        triggers,
        readers,
        globals,
        datastream: names.datastream,
        subject: names.subject,
        variables,
        managers: managers.iter().map(|(name, declared)| manager(name, declared)).collect(),
        output: output.unwrap_or_else(|| Output { path: String::new(), per_day: false }),
        notes,
    })
}

fn variable(name: &str, own: &Value, defaults: &Value) -> Variable {
    let whole = own.over(defaults);
    let dims = whole.get("dims").map(Value::texts).unwrap_or_default();
    let data = own.get("data").filter(|data| **data != Value::Null).cloned();
    let mut attrs: Vec<(String, Value)> = whole.get("attrs").map(Value::entries).unwrap_or_default().to_vec();
    attrs.retain(|(_, value)| *value != Value::Null);
    let is_coordinate = dims == [name];
    // Defaults do not give coordinates a fill value, and others have one.
    if is_coordinate && !own.at(&["attrs"]).is_some_and(|a| a.has("_FillValue")) {
        attrs.retain(|(key, _)| key != "_FillValue");
    } else if !is_coordinate && !attrs.iter().any(|(key, _)| key == "_FillValue") {
        attrs.push(("_FillValue".into(), Value::Int(FILL)));
    }
    // Only what has an input of its own is read: defaults do not make one.
    let inputs = match own.get("input") {
        Some(Value::Map(_)) if data.is_none() => vec![retrieval(whole.get("input").unwrap_or(&Value::Null))],
        _ => Vec::new(),
    };
    Variable {
        name: name.to_string(),
        dims,
        dtype: whole.text("type").unwrap_or_else(|| "float".into()),
        data,
        attrs,
        inputs,
    }
}

fn retrieval(input: &Value) -> Retrieval {
    let converter = input.get("converter").map(classes::converter);
    let converter = match converter {
        None | Some(Converter::Units(_)) => Converter::Units(input.text("units")),
        Some(other) => other,
    };
    Retrieval {
        pattern: input.text("file_pattern"),
        names: input.get("name").map(Value::texts).unwrap_or_default(),
        converters: vec![converter],
    }
}

fn manager(name: &str, declared: &Value) -> Manager {
    let handlers =
        declared.get("handlers").or(declared.get("error_handlers")).map(Value::items).unwrap_or_default();
    Manager {
        name: name.to_string(),
        check: classes::check(declared.get("checker").unwrap_or(&Value::Null), Style::Old),
        handlers: handlers.into_iter().map(classes::handler).collect(),
        apply_to: declared.get("variables").map(Value::texts).unwrap_or_default(),
        exclude: declared.get("exclude").map(Value::texts).unwrap_or_default(),
    }
}

/// The patterns of a runner that lead to this configuration: that of the pipeline
/// whose folder it lies in and, where there are several locations, that of its
/// location.
fn triggers(tree: &Tree, path: &str, location: &str, notes: &mut Vec<Note>) -> Vec<String> {
    for (program, text) in tree.programs() {
        let pipelines = python::patterns(text, "pipeline_map");
        let is_in = |name: &str| folder_of(path).split('/').any(|part| part == name);
        let Some((name, pattern)) = pipelines.iter().find(|(name, _)| is_in(name)) else { continue };
        let locations = python::patterns(text, "location_map");
        // The runner takes the file of the location's name; its own name may be another.
        let stem = path.rsplit('/').next().unwrap_or(path).rsplit_once('.').map_or("", |(stem, _)| stem);
        let place = locations
            .iter()
            .find(|(key, _)| stem.strip_suffix(key.as_str()).is_some_and(|rest| rest.ends_with('_')))
            .or_else(|| locations.iter().find(|(key, _)| key == location));
        let Some((place, at)) = place.filter(|_| locations.len() > 1) else { return vec![pattern.clone()] };
        if let Some(joined) = python::both(pattern, at) {
            return vec![joined];
        }
        let text = format!(
            "`{program}` takes for it the names that `{pattern}` ({name}) and `{at}` ({place}) both match: write that \
             as one `match:`; it is `{at}` now"
        );
        notes.push(Note::new(NoteKind::Lost, "match", text));
        return vec![at.clone()];
    }
    Vec::new()
}
