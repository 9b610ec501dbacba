//! JSON Schemas of the two kinds of file, for editors.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::raw::{DatasetFile, LakeFile};

/// The schema of `lake.yaml`.
pub fn lake() -> Value {
    of::<LakeFile>("Lakegate: lake.yaml")
}

/// The schema of `datasets/**/*.yaml`.
pub fn dataset() -> Value {
    of::<DatasetFile>("Lakegate: a dataset")
}

fn of<T: JsonSchema>(title: &str) -> Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    schema.insert("title".into(), title.into());
    schema.to_value()
}
