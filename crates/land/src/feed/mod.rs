//! Polling: feeds are asked over HTTP, and each answer that differs from the
//! one before lands as a file.
//!
//! [`Poller::poll`] does one poll of one feed and reports it as [`Round`]s;
//! [`Scheduler`] does so for all feeds for as long as it lives, each in a task
//! of its own, so that a slow feed never delays another; [`poll_once`] does so
//! a single time; [`look`] asks without landing anything. An answer's bytes are durable under their name before the
//! round that tells of them is sent: whoever keeps the rounds may be killed at
//! any point, and the worst is that the same answer lands again under another
//! name, which the ledger knows for a duplicate.
//!
//! What is decided without a network is decided in `lakegate_domain::feed`.
//! Nothing in here knows the ledger. No value of a secret is in anything that
//! comes out (see `secrets`).

mod answer;
mod client;
mod clock;
mod extract;
mod gate;
mod items;
mod links;
mod look;
mod poller;
mod request;
mod scheduler;
mod secrets;
mod spool;
mod webhook;

pub use clock::{Clock, SystemClock};
pub use look::{Looked, Unseen, look};
pub use poller::{Poller, Round};
pub use scheduler::{Scheduler, Which, poll_once};
pub use secrets::Environment;
pub use webhook::tell;
