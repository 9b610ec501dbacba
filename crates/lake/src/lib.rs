//! The heavy half of the lake: DataFusion and Delta. Transforms, expectations,
//! data files, commits, upkeep, and SQL over tables.
//!
//! Only this crate makes a Delta commit or a DataFusion session. It knows no
//! ledger, no landing zone and no configuration files.

pub mod catalog;
pub mod dedupe;
pub mod error;
pub mod expect;
pub mod export;
pub mod files;
pub mod grid;
pub mod layout;
pub mod log;
pub mod output;
pub mod owners;
pub mod quality;
pub mod session;
pub mod sink;
pub mod transform;
pub mod upkeep;

pub use error::{Error, Result};
