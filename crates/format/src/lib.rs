//! Bytes to record batches: containers, readers, schema inference, conform and
//! column statistics. Blocking code that reads in bounded memory; it knows no
//! tables, no ledger and no clock.

pub mod error;
pub mod text;

mod container;
mod csv;
mod encoding;
pub mod exchange;
mod json;
pub mod netcdf;
pub mod open;
mod transit;
mod tree;
pub mod typed;

pub use error::{Error, Result};

pub mod conform;
pub mod infer;
pub mod merge;
pub mod stats;
pub mod time;
pub mod typed_conform;
pub mod value;
mod xml;
