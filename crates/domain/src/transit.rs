//! Transit feeds as presets: what their records are and the typed columns that
//! they become, so that a dataset file needs none.
//!
//! Only facts about the formats are here; bytes are read in the crate `format`.

pub mod gtfs_rt;
pub mod records;

use crate::model::{Column, Format};

/// The columns that a preset declares for a record stream; none for a format
/// that is no preset. `stream` is looked at where a feed has several.
pub fn columns(format: &Format, stream: Option<&str>) -> Vec<Column> {
    match format {
        Format::GtfsRt(read) => gtfs_rt::STREAMS
            .iter()
            .filter(|s| Some(s.name) == stream)
            .flat_map(|s| gtfs_rt::columns(s, read.names))
            .map(|c| c.column)
            .collect(),
        Format::Records(preset, names) => preset.columns(*names),
        _ => Vec::new(),
    }
}
