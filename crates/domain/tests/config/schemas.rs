//! The checked-in JSON Schemas are those of the code.

use std::fs;
use std::path::PathBuf;

use lakegate_domain::config::schema;
use serde_json::Value;

fn check(name: &str, generated: &Value) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    let text = serde_json::to_string_pretty(generated).expect("a schema is JSON") + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(&path, &text).expect("the schema can be written");
    }
    let checked_in = fs::read_to_string(&path).unwrap_or_default();
    assert!(checked_in == text, "docs/{name} is not what the code says; UPDATE_SCHEMA=1 rewrites it");
}

#[test]
fn lake() {
    check("lake.schema.json", &schema::lake());
}

#[test]
fn dataset() {
    check("dataset.schema.json", &schema::dataset());
}

/// Follows every `$ref` and looks into every object.
fn walk(value: &Value, root: &Value, path: &str) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(target)) = map.get("$ref") {
                let pointer = target.strip_prefix('#').expect("references stay in the file");
                assert!(root.pointer(pointer).is_some(), "{path}: {target} leads nowhere");
            }
            if let Some(Value::Object(properties)) = map.get("properties") {
                assert_eq!(map.get("additionalProperties"), Some(&Value::Bool(false)), "{path}");
                for (key, property) in properties {
                    assert!(property.get("description").is_some(), "{path}: `{key}` is not described");
                }
            }
            for (key, inner) in map {
                walk(inner, root, &format!("{path}/{key}"));
            }
        }
        Value::Array(items) => {
            items.iter().for_each(|inner| walk(inner, root, path));
        }
        _ => {}
    }
}

#[test]
fn every_key_is_described_and_every_reference_leads_somewhere() {
    for schema in [schema::lake(), schema::dataset()] {
        walk(&schema, &schema, "");
    }
}

/// What the reader takes, an editor must not underline.
#[test]
fn schemas_take_what_the_reader_takes() {
    let dataset = schema::dataset();
    let pattern_of = |name: &str| {
        let definition = &dataset["$defs"][name];
        let patterns: Vec<regex::Regex> = std::iter::once(definition)
            .chain(definition["anyOf"].as_array().into_iter().flatten())
            .filter_map(|d| d["pattern"].as_str())
            .map(|p| regex::Regex::new(p).expect("a pattern"))
            .collect();
        patterns
    };
    let types = pattern_of("Type");
    for word in ["STRING", "char", "utf8", "bytes", "Bytes", "numeric(10, 2)", "DECIMAL(5)", "real"] {
        crate::dataset(&format!("team: t\ncolumns: {{ c: '{word}' }}\n"));
        assert!(types.iter().any(|p| p.is_match(word)), "{word}");
    }
    let sizes = pattern_of("Size");
    for size in ["128mib", "1 GB", "20000.5KiB", "99999999b"] {
        let lake = format!("lake: h\nmemory: {size}\n");
        assert!(crate::compiled(&[("lake.yaml", &lake)]).is_ok(), "{size}");
        assert!(sizes.iter().any(|p| p.is_match(size)), "{size}");
    }
    let encodings = &dataset["$defs"]["Encoding"].to_string();
    for alias in ["utf8", "UTF-8", "cp1252", "UTF-16LE"] {
        crate::dataset(&format!("team: t\nread: {{ csv: {{ encoding: {alias} }} }}\n"));
        assert!(encodings.contains(&format!("\"{alias}\"")), "{alias}");
    }
}
