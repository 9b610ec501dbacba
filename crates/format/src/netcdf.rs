//! netCDF, classic and netCDF-4: the steps of a dimension are rows, the
//! variables along it columns. What the conventions say of stored values is
//! applied here; which variables belong together is said in [`layout`].

mod attributes;
mod calendar;
mod compound;
mod element;
mod layout;
mod records;
mod rows;
mod source;
pub mod stated;
mod values;
pub mod write;

use std::sync::Arc;

use lakegate_domain::model::Netcdf;

use crate::container::{Blob, Peeler};
use crate::error::Result;
use layout::Layout;
pub(crate) use rows::Rows;
use source::NcSource;

/// How netCDF files begin: the classic formats, then HDF5, which netCDF-4 is.
pub(crate) const MAGICS: [&[u8]; 4] = [b"CDF\x01", b"CDF\x02", b"CDF\x05", b"\x89HDF\r\n\x1a\n"];

/// One record stream of a file.
pub(crate) struct Opened {
    /// The dimension, where several are read.
    pub name: Option<String>,
    /// Column and unit.
    pub units: Vec<(String, String)>,
    pub rows: Rows,
}

/// Opens the record streams of a file.
///
/// Errors: LG101 where it is damaged, something else, or lacks what the options
/// name; LG103 where it is cut short; LG106 where a row or a piece of the file
/// is longer than the cap of a record; LG107 where it has no variables.
pub(crate) fn open(blob: Blob, options: &Netcdf, peeler: &Arc<Peeler>) -> Result<Vec<Opened>> {
    let cap = peeler.meter.caps().record_bytes.max(rows::SLAB_BYTES);
    let source = Arc::new(NcSource::open(blob, usize::try_from(cap).unwrap_or(usize::MAX))?);
    let declares = |path: &str| source.declares_dimension(path);
    let layout = Layout::of(source.root()?, options, &declares)?;
    layout
        .streams
        .iter()
        .map(|plan| {
            let (rows, units) = Rows::open(&source, &layout, plan, options, peeler)?;
            Ok(Opened { name: plan.name.clone(), units, rows })
        })
        .collect()
}
