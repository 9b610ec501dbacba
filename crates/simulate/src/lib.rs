//! Feeds of buses that do not exist, in the formats that agencies speak, with
//! faults on demand: for examples, tests and benchmarks of what polls them.
//!
//! What a feed says at an instant follows from the instant and the seed alone:
//! two simulators agree, and a poll can be foretold.

mod fault;
mod fleet;
mod formats;
mod server;

pub use fault::{Fault, Faults};
pub use fleet::{Fleet, Report};
pub use formats::{Body, FEEDS, Feed, Form, body};
pub use server::{Simulator, serve};
