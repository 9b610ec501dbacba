//! The landing zone and the raw store: which files have landed, whether they
//! have settled, and how their bytes become the lake's own.
//!
//! A round of work reads, in this order: [`list`] a zone, [`Settler::sift`] what
//! is new, [`RawStore::receive`] the settled files (from then on nobody outside
//! can harm their bytes), and, once the ledger has accepted them, [`dispose`].
//! [`Watcher`] only says when a round is worth while; [`LakeLock`] keeps a
//! second process off the same lake.
//!
//! [`feed`] brings files of its own into a landing zone: it polls endpoints.
//!
//! Everything here but [`feed`] blocks on the file system: call it from a thread
//! that may.
//! This crate knows neither the ledger nor any table. It never decides whether a
//! file is loaded, it never moves a landed file before it is told to, and it
//! never opens what a file says.

mod disk;
mod dispose;
pub mod feed;
mod list;
mod lock;
mod raw;
mod settle;
mod watch;

pub use dispose::{Disposed, archive_folder, dispose};
pub use list::{Listing, Problem, Seen, ensure, list};
pub use lock::{Held, LakeLock, LockError};
pub use raw::receive::{Outcome, Received, Wanted};
pub use raw::upkeep::{Moved, Swept};
pub use raw::{Method, RawBytes, RawPlace, RawStore, SMALL_FILE_BYTES};
pub use settle::{Observation, Settled, Settler, Sifted, judge};
pub use watch::{Nudge, Watcher};
