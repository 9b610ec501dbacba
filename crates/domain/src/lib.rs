//! The lake in words: identifiers, compiled configuration, routes, lanes, job
//! states and failure policy.
//!
//! Everything subtle is decided here by pure functions with truth tables. This
//! crate has no clock, no disk (but for reading configuration text handed to
//! it), no `async` and no Arrow: what it needs of those is passed in as values.

pub mod config;
pub mod dedupe;
pub mod draft;
pub mod exchange;
pub mod export;
pub mod failure;
pub mod feed;
pub mod health;
pub mod ids;
pub mod job;
pub mod local;
pub mod model;
pub mod route;
pub mod token;
pub mod transit;
pub mod units;

pub use dedupe::Dedupe;
pub use failure::{Code, Failure};
pub use feed::Feed;
pub use ids::{DatasetName, FileId, LaneName, RunId, Seq, TableName};
pub use model::{Dataset, Lake, Table};
