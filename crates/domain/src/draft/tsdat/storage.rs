//! Where output went, and what it was called. Values of parameters that are not
//! known here are never shown: they may be secrets.

use regex::{Captures, Regex};

use super::globals::Names;
use super::pipeline::Output;
use super::value::Value;
use super::{Note, NoteKind, classes};

const ENDING: &str = "nc";

/// Of the current style. `None`: the output is no netCDF file.
pub(super) fn current(storage: &Value, names: &Names) -> (Option<Output>, Vec<Note>) {
    const KNOWN: [&str; 7] = [
        "storage_root",
        "data_storage_path",
        "data_filename_template",
        "ancillary_storage_path",
        "ancillary_filename_template",
        "bucket",
        "region",
    ];
    let mut notes = Vec::new();
    let parameters = storage.get("parameters").cloned().unwrap_or(Value::Null);
    let class = storage.text("classname").unwrap_or_else(|| "tsdat.io.storage.FileSystem".into());
    if !matches!(classes::own(&class), Some("FileSystem" | "FileSystemS3" | "ZarrLocalStorage")) {
        notes.push(Note::new(NoteKind::Lost, &class, elsewhere("a storage of its own")));
    }
    if parameters.has("bucket") || class.ends_with("FileSystemS3") {
        notes.push(Note::new(NoteKind::Lost, "storage", elsewhere("a bucket")));
    }
    notes.extend(root(&parameters, &["storage_root"]));
    notes.extend(unknown(&parameters, &KNOWN));
    let handler = storage.at(&["handler", "classname"]).and_then(Value::as_text);
    let handler = handler.unwrap_or_else(|| "tsdat.io.handlers.NetCDFHandler".into());
    let per_day = match classes::own(&handler) {
        Some("NetCDFHandler") => false,
        Some("SplitNetCDFHandler") => {
            notes.extend(split(
                storage.at(&["handler", "parameters", "writer"]).or(storage.at(&["handler", "parameters"])),
            ));
            true
        }
        _ => {
            let text = "output is written by it, and exports are netCDF here; the table itself is Parquet, and \
                        `lakegate sql --output` writes CSV and more";
            notes.push(Note::new(NoteKind::Lost, &handler, text));
            return (None, notes);
        }
    };
    let folder =
        parameters.text("data_storage_path").unwrap_or_else(|| "data/{location_id}/{datastream}".into());
    let file = parameters
        .text("data_filename_template")
        .unwrap_or_else(|| "{datastream}.{yyyy}{mm}{dd}.{HH}{MM}{SS}.{extension}".into());
    let whole = format!("{folder}/{file}");
    let path =
        template(whole.strip_prefix("{storage_root}/").unwrap_or(&whole), names).unwrap_or_else(|unknown| {
            let text = format!(
                "`{{{unknown}}}` of `{whole}` is nothing that is known here; change `netcdf:` under `export:`"
            );
            notes.push(Note::new(NoteKind::Lost, "data_filename_template", text));
            let usual = "data/{location_id}/{datastream}/{datastream}.{date_time}.{extension}";
            template(usual, names).expect("these are known")
        });
    (Some(Output { path, per_day }), notes)
}

/// Of the 0.2 style, from the file at `path`.
pub(super) fn old(storage: &Value, path: &str, names: &Names) -> (Option<Output>, Vec<Note>) {
    let mut notes = Vec::new();
    let declared = storage.get("storage").cloned().unwrap_or(Value::Null);
    let class = declared.text("classname").unwrap_or_default();
    let parameters = declared.get("parameters").cloned().unwrap_or(Value::Null);
    if class.starts_with("${") {
        let text =
            format!("`{path}` takes the class from the environment, `{class}`; exports are files here");
        notes.push(Note::new(NoteKind::Differs, "storage", text));
    } else if parameters.has("bucket_name") || class.ends_with("S3Storage") || class.ends_with("AwsStorage") {
        notes.push(Note::new(NoteKind::Lost, "storage", elsewhere("a bucket")));
    }
    notes.extend(root(&parameters, &["root_dir"]));
    notes.extend(unknown(&parameters, &["retain_input_files", "root_dir", "bucket_name"]));
    let handlers = declared.at(&["file_handlers", "output"]).map(Value::entries).unwrap_or_default();
    let classes: Vec<String> = handlers.iter().filter_map(|(_, handler)| handler.text("classname")).collect();
    if !classes.is_empty() && !classes.iter().any(|c| classes::own(c) == Some("NetCdfHandler")) {
        let text = "output is written by it, and exports are netCDF here; the table itself is Parquet";
        notes.push(Note::new(NoteKind::Lost, &classes.join(", "), text));
        return (None, notes);
    }
    (Some(old_output(names)), notes)
}

pub(super) fn old_output(names: &Names) -> Output {
    let usual = "{location_id}/{datastream}/{datastream}.{date_time}.{extension}";
    Output { path: template(usual, names).expect("these are known"), per_day: false }
}

fn elsewhere(what: &str) -> String {
    format!("output went to {what}; exports are files below `<storage>/export` here: copy them from there")
}

/// Where output went, with what stands in the environment as a reference.
fn root(parameters: &Value, keys: &[&str]) -> Option<Note> {
    let given = keys.iter().find_map(|key| parameters.text(key))?;
    let reference = Regex::new(r"\$\{?([A-Z_][A-Z0-9_]*)\}?").expect("it is a constant");
    let text = match reference.captures(&given) {
        // The folder of the configuration is 0.2's own word.
        Some(found) if &found[1] != "CONFIG_DIR" => format!(
            "output went below `{given}`; exports stand below `<storage>/export`: for the same place write \
             `storage: '{}'` into lake.yaml",
            reference.replace_all(&given, "$${env:$1}")
        ),
        _ => format!("output went below `{given}`; exports stand below `<storage>/export` of the lake"),
    };
    Some(Note::new(NoteKind::Differs, "storage", text))
}

fn unknown(parameters: &Value, known: &[&str]) -> Option<Note> {
    let names: Vec<&str> =
        parameters.entries().iter().map(|(k, _)| k.as_str()).filter(|k| !known.contains(k)).collect();
    (!names.is_empty()).then(|| {
        let text = format!("parameters of the storage that mean nothing here: {}", names.join(", "));
        Note::new(NoteKind::Lost, "storage", text)
    })
}

/// A writer that splits: by days here.
fn split(writer: Option<&Value>) -> Option<Note> {
    let find = |key: &str| writer.and_then(|w| w.text(key).or_else(|| w.at(&["parameters", key])?.as_text()));
    let unit = find("time_unit").unwrap_or_else(|| "D".into());
    let interval = find("time_interval").unwrap_or_else(|| "1".into());
    (unit != "D" || interval != "1").then(|| {
        let text = format!("output is split every {interval} {unit}; `per: day` here");
        Note::new(NoteKind::Lost, "SplitNetCDFHandler", text)
    })
}

/// A template of tsdat in the placeholders of an export. Parts in brackets are
/// left out where something in them is not known.
///
/// # Errors
/// The placeholder that is not known.
fn template(text: &str, names: &Names) -> Result<String, String> {
    let placeholder = Regex::new(r"\{(\w+)\}").expect("it is a constant");
    let mut unknown = None;
    let substitute = |text: &str, unknown: &mut Option<String>| {
        let found = placeholder.replace_all(text, |c: &Captures| {
            known(&c[1], names).unwrap_or_else(|| {
                *unknown = Some(c[1].to_string());
                String::new()
            })
        });
        found.into_owned()
    };
    let optional = Regex::new(r"\[([^\]]*)\]").expect("it is a constant");
    let text = optional.replace_all(text, |c: &Captures| {
        let mut missing = None;
        let part = substitute(&c[1], &mut missing);
        if missing.is_some() { String::new() } else { part }
    });
    let mut text = substitute(&text, &mut unknown);
    if let Some(name) = unknown {
        return Err(name);
    }
    // `{start:%Y}{start:%m}` says the same as `{start:%Y%m}`.
    let pair = Regex::new(r"\{start:([^}]*)\}([-_.T]*)\{start:([^}]*)\}").expect("it is a constant");
    while pair.is_match(&text) {
        text = pair.replace(&text, "{start:$1$2$3}").into_owned();
    }
    Ok(text)
}

fn known(name: &str, names: &Names) -> Option<String> {
    let format = match name {
        "year" | "yyyy" => "%Y",
        "month" | "mm" => "%m",
        "day" | "dd" => "%d",
        "hour" | "HH" => "%H",
        "minute" | "MM" => "%M",
        "second" | "SS" => "%S",
        "date_time" => "%Y%m%d.%H%M%S",
        "date" | "start_date" => "%Y%m%d",
        "time" | "start_time" => "%H%M%S",
        "extension" | "ext" => return Some(ENDING.into()),
        _ => return names.parts.iter().find(|(part, _)| *part == name).map(|(_, value)| value.clone()),
    };
    Some(format!("{{start:{format}}}"))
}

#[cfg(test)]
mod tests {
    use super::super::globals;
    use super::super::value::parse;
    use super::*;

    fn names() -> Names {
        let keys = parse("a", "location_id: sgp\ndataset_name: met\ndata_level: b1\n").unwrap();
        globals::names(&keys, &Value::Null).unwrap()
    }

    #[test]
    fn templates() {
        for (given, want) in [
            ("{datastream}.{yyyy}{mm}{dd}.{HH}{MM}{SS}.{extension}", "sgp.met.b1.{start:%Y%m%d.%H%M%S}.nc"),
            (
                "data/{location_id}/{year}/{month}/x.{date_time}.{ext}",
                "data/sgp/{start:%Y}/{start:%m}/x.{start:%Y%m%d.%H%M%S}.nc",
            ),
            ("{dataset_name}[-{qualifier}][.{data_level}].{start_date}.nc", "met.b1.{start:%Y%m%d}.nc"),
        ] {
            assert_eq!(template(given, &names()).unwrap(), want);
        }
        assert_eq!(template("{nothing}.nc", &names()).unwrap_err(), "nothing");
    }

    #[test]
    fn secrets_are_not_shown() {
        let storage = parse(
            "s",
            "classname: tsdat.io.storage.FileSystemS3\nparameters: { bucket: b, aws_secret_access_key: sekret, storage_root: '${ROOT}/x' }",
        )
        .unwrap();
        let (output, notes) = current(&storage, &names());
        let told = notes.iter().map(|n| n.text.as_str()).collect::<Vec<_>>().join("\n");
        assert!(!told.contains("sekret") && told.contains("aws_secret_access_key"), "{told}");
        assert!(told.contains("storage: '${env:ROOT}/x'"), "{told}");
        assert_eq!(output.unwrap().path, "data/sgp/sgp.met.b1/sgp.met.b1.{start:%Y%m%d.%H%M%S}.nc");
    }
}
