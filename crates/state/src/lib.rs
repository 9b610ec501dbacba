//! The ledger: which files have landed, where each stands, what became of it.
//!
//! Only this crate opens the database, and each public method of [`Store`] is
//! one transaction: after a kill it either happened or it did not. The ledger
//! never looks at a clock (times come in as [`Millis`]), at landed bytes or at
//! tables, and it decides nothing that `lakegate-domain` can decide.
//!
//! | module       | what it answers |
//! |--------------|-----------------|
//! | [`arrivals`] | is this file new, and what follows |
//! | [`lanes`]    | which files come next, and who may commit them |
//! | [`outcomes`] | what became of a claimed file |
//! | [`parked`]   | which files wait for a person |
//! | [`files`]    | everything about a file; how datasets stand |
//! | [`replay`]   | the files that a table is made of |
//! | [`tables`]   | commits, and how many rows files bring |
//! | [`polls`]    | what polls of feeds came to |
//! | [`exports`]  | what was exported, and what is to be |
//! | [`raw`]      | where the bytes are kept |
//! | [`strays`]   | what no dataset takes |
//! | [`review`]   | what each file holds, and what is wrong with it |
//! | [`runs`]     | recorded executions |
//! | [`system`]   | all of it as tables for SQL |

pub mod arrivals;
mod bulk;
mod error;
pub mod exports;
pub mod files;
mod health;
mod intern;
pub mod lanes;
mod originals;
pub mod outcomes;
pub mod parked;
pub mod polls;
pub mod raw;
pub mod replay;
pub mod review;
pub mod runs;
mod sqlite;
mod store;
pub mod strays;
pub mod system;
pub mod tables;

pub use arrivals::{Accepted, Arrival, Known, Sighting};
pub use error::{Error, Result};
pub use exports::{Due, Export, Made};
pub use files::{DatasetStatus, FileFilter, FileRow, Lineage};
pub use health::FailedPoll;
pub use lanes::{Claim, Job, LaneWork, Limits};
pub use outcomes::{ExpectationResult, Outcome, TableRows};
pub use parked::{Filter, ParkedFile};
pub use polls::Polled;
pub use raw::{RawEntry, RawPack, RawRef};
pub use replay::{Replayable, Swap};
pub use review::{Census, REVIEW_TABLES, ReviewFilter, Reviewed};
pub use runs::RunStatus;
pub use store::{Millis, Store};
pub use strays::{Stray, StrayReason, StrayRow};
pub use system::{ColumnKind, Cursor, Narrow, Page, SYSTEM_TABLES, SystemColumn, SystemTable};
pub use tables::CommitRecord;
