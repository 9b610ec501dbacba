//! The current style: `pipeline.yaml` with its retriever, dataset, quality and
//! storage, each inline or in a file of its own with `overrides:`.

use super::pipeline::{Manager, Output, Pipeline, Retrieval, Style, TIME, Variable};
use super::repository::{Found, Tree};
use super::value::{self, Value};
use super::{Note, NoteKind, classes, globals, programs, storage, vap};

/// # Errors
/// Why there can be no dataset of it.
pub(super) fn read(tree: &Tree, found: &Found) -> Result<Pipeline, String> {
    let mut notes = Vec::new();
    let retriever = required(tree, found, "retriever", &mut notes)?;
    let dataset = required(tree, found, "dataset", &mut notes)?;
    let quality = section(tree, found, "quality", &mut notes).unwrap_or_else(|why| {
        notes.push(Note::new(
            NoteKind::Missing,
            "quality",
            format!("{why}; the dataset has no quality checks until it is there and imported anew"),
        ));
        Value::Null
    });
    let storage = section(tree, found, "storage", &mut notes).unwrap_or_else(|why| {
        notes.push(Note::new(
            NoteKind::Missing,
            "storage",
            format!("{why}; files are called as tsdat does by default"),
        ));
        Value::Null
    });

    if let Some(class) = retriever.text("classname")
        && classes::own(&class) != Some("DefaultRetriever")
    {
        return Err(match classes::own(&class) {
            Some("StorageRetriever") => vap::refusal(&found.value, &retriever),
            _ => format!(
                "its retriever is a class of its own, `{class}`: write the dataset file by hand, with its work as `hook:`"
            ),
        });
    }
    if let Some(kwargs) = retriever.at(&["parameters", "merge_kwargs"]) {
        let join = kwargs.text("join").unwrap_or_else(|| "outer".into());
        if join != "outer" {
            let text = format!("inputs are joined by `{join}`, and are joined `outer` here; change `merge:`");
            notes.push(Note::new(NoteKind::Lost, "merge_kwargs", text));
        }
    }
    if let Some(class) = found.value.text("classname") {
        notes.extend(programs::of_class(tree, &class));
    }

    let attrs = dataset.get("attrs").cloned().unwrap_or(Value::Null);
    let names = globals::names(&attrs, &attrs)?;
    let mut globals = vec![];
    for (key, default) in [("Conventions", "CF-1.6"), ("featureType", "timeSeries")] {
        if !attrs.has(key) {
            globals.push((key.to_string(), Value::Text(default.into())));
        }
    }
    let made = ["history", "code_version", "inputs"];
    globals.extend(
        attrs.entries().iter().filter(|(key, v)| !made.contains(&key.as_str()) && *v != Value::Null).cloned(),
    );
    if !attrs.has("datastream") {
        globals.push(("datastream".into(), Value::Text(names.datastream.clone())));
    }

    let variables = ["coords", "data_vars"]
        .iter()
        .flat_map(|part| {
            let retrieved = retriever.get(part).cloned().unwrap_or(Value::Null);
            let declared = dataset.get(part).map(Value::entries).unwrap_or_default().to_vec();
            declared.into_iter().map(move |(name, declared)| variable(&name, &declared, retrieved.get(&name)))
        })
        .collect::<Vec<_>>();
    if !variables.iter().any(|v| v.name == TIME) {
        return Err("its dataset has no coordinate `time`".into());
    }
    let readers = retriever.get("readers").map(Value::entries).unwrap_or_default();
    let (output, storage_notes) = storage::current(&storage, &names);
    notes.extend(storage_notes);
    Ok(Pipeline {
        style: Style::Current,
        source: found.path.clone(),
        triggers: found.value.get("triggers").map(Value::texts).unwrap_or_default(),
        readers: readers.iter().map(|(pattern, declared)| classes::reader(pattern, declared)).collect(),
        globals,
        datastream: names.datastream,
        subject: names.subject,
        variables,
        managers: quality
            .get("managers")
            .map(Value::items)
            .unwrap_or_default()
            .into_iter()
            .map(manager)
            .collect(),
        output: output.unwrap_or_else(|| Output { path: String::new(), per_day: false }),
        notes,
    })
}

fn variable(name: &str, declared: &Value, retrieved: Option<&Value>) -> Variable {
    let mut attrs = declared.get("attrs").map(Value::entries).unwrap_or_default().to_vec();
    let dtype = declared.text("dtype").unwrap_or_else(|| "float".into());
    let has_fill = attrs.iter().any(|(key, _)| key == "_FillValue");
    if !has_fill && dtype != "str" && !dtype.contains("datetime") {
        let least = if dtype == "int8" { -128 } else { 0 };
        let fill = if dtype == "int8" || dtype.contains("uint") { least } else { -9999 };
        attrs.push(("_FillValue".into(), Value::Int(fill)));
    }
    let inputs = retrieved.map_or(Vec::new(), |retrieved| match retrieved.get("name") {
        Some(_) => vec![retrieval(None, retrieved)],
        // Keyed by the input's name.
        None => retrieved.entries().iter().map(|(pattern, r)| retrieval(Some(pattern), r)).collect(),
    });
    Variable {
        name: name.to_string(),
        dims: declared.get("dims").map(Value::texts).unwrap_or_default(),
        dtype,
        data: declared.get("data").filter(|data| **data != Value::Null).cloned(),
        attrs,
        inputs,
    }
}

fn retrieval(pattern: Option<&String>, declared: &Value) -> Retrieval {
    Retrieval {
        pattern: pattern.filter(|p| p.as_str() != ".*").cloned(),
        names: declared.get("name").map(Value::texts).unwrap_or_default(),
        converters: declared
            .get("data_converters")
            .map(Value::items)
            .unwrap_or_default()
            .into_iter()
            .map(classes::converter)
            .collect(),
    }
}

fn manager(declared: &Value) -> Manager {
    Manager {
        name: declared.text("name").unwrap_or_default(),
        check: classes::check(declared.get("checker").unwrap_or(&Value::Null), Style::Current),
        handlers: declared
            .get("handlers")
            .map(Value::items)
            .unwrap_or_default()
            .into_iter()
            .map(classes::handler)
            .collect(),
        apply_to: declared.get("apply_to").map(Value::texts).unwrap_or_default(),
        exclude: declared.get("exclude").map(Value::texts).unwrap_or_default(),
    }
}

fn required(tree: &Tree, found: &Found, name: &str, notes: &mut Vec<Note>) -> Result<Value, String> {
    match section(tree, found, name, notes)? {
        Value::Null => Err(format!("it has no `{name}`")),
        value => Ok(value),
    }
}

/// A section as it is meant: from its file, with its overrides.
///
/// # Errors
/// Its file is missing or wrong, or an override points nowhere.
fn section(tree: &Tree, found: &Found, name: &str, notes: &mut Vec<Note>) -> Result<Value, String> {
    let Some(declared) = found.value.get(name) else { return Ok(Value::Null) };
    let Some(reference) = declared.text("path") else { return Ok(declared.clone()) };
    let path = tree.resolve(&reference, &found.path).map_err(|tried| {
        format!("`{reference}` is missing: looked for {} below {}", tried.join(", "), tree.root)
    })?;
    if path != reference && !reference.starts_with('.') {
        let text = format!("`{reference}` is not there; took `{path}`, which lies nearer");
        notes.push(Note::new(NoteKind::Differs, name, text));
    }
    let mut value = value::parse(&path, &tree.files[&path]).map_err(|why| format!("`{path}`: {why}"))?;
    for (pointer, new) in declared.get("overrides").map(Value::entries).unwrap_or_default() {
        value.set(pointer, new.clone()).map_err(|why| format!("`overrides` of `{name}`: {why}"))?;
    }
    Ok(value)
}
