//! The heavy half of the lake: DataFusion and Delta. Transforms, expectations,
//! data files, commits, upkeep, and SQL over tables.
//!
//! Only this crate makes a Delta commit or a DataFusion session. It knows no
//! ledger, no landing zone and no configuration files.

pub mod error;
pub mod log;
pub mod sink;

pub use error::{Error, Result};
