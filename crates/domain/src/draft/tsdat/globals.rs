//! What a dataset is called, of what it is said to be.

use super::value::Value;

/// The names of a dataset.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub location: String,
    /// As tsdat builds it: `location.name-qualifier-temporal.level`.
    pub datastream: String,
    /// Name and qualifier.
    pub subject: String,
    /// What may stand in a template of a file's name.
    pub parts: Vec<(&'static str, String)>,
}

/// # Errors
/// A part that every datastream has is missing.
pub(super) fn names(keys: &Value, more: &Value) -> Result<Names, String> {
    let part = |key: &str| keys.text(key).or_else(|| more.text(key)).filter(|text| !text.is_empty());
    let needed = |key: &str| part(key).ok_or_else(|| format!("it does not say its `{key}`"));
    let (location, name, level) = (needed("location_id")?, needed("dataset_name")?, needed("data_level")?);
    let mut subject = name.clone();
    let mut stream = format!("{location}.{name}");
    if let Some(qualifier) = part("qualifier") {
        subject = format!("{subject}_{qualifier}");
        stream = format!("{stream}-{qualifier}");
    }
    if let Some(temporal) = part("temporal") {
        stream = format!("{stream}-{temporal}");
    }
    let datastream = part("datastream").unwrap_or_else(|| format!("{stream}.{level}"));
    let parts = [
        ("location_id", Some(location.clone())),
        ("dataset_name", Some(name)),
        ("qualifier", part("qualifier")),
        ("temporal", part("temporal")),
        ("data_level", Some(level)),
        ("datastream", Some(datastream.clone())),
    ];
    let parts = parts.into_iter().filter_map(|(key, value)| value.map(|value| (key, value))).collect();
    Ok(Names { location, datastream, subject, parts })
}
