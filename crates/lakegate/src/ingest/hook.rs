//! A command that takes one file's rows and gives others.
//!
//! It reads an Arrow IPC stream from its standard input and writes one to its
//! standard output. Both are served at the same time, so that it may write before
//! it has read everything; neither waits for a process that does neither read nor
//! write. The command is the leader of a process group of its own: when it has
//! ended, or has to, whatever it left behind ends with it.

#[cfg(unix)]
mod pipe;
#[cfg(unix)]
mod process;
#[cfg(all(test, unix))]
mod tests;

use std::path::Path;
use std::sync::atomic::AtomicBool;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use lakegate_domain::ids::DatasetName;
use lakegate_domain::model::Hook;
use lakegate_domain::{Code, Failure};

use super::fold::Halt;

/// Of which file, for which table, a hook runs.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// The lake's folder.
    pub root: &'a Path,
    pub dataset: &'a DatasetName,
    pub table: &'a str,
    /// The landed file's path below its landing folder.
    pub file: &'a str,
    /// What the route captured of the name.
    pub groups: &'a [(String, String)],
    /// Set when a person asked to stop.
    pub stop: &'a AtomicBool,
}

/// Says whether so many more bytes may be held.
pub type Room<'r> = dyn FnMut(usize) -> Result<(), Halt> + Send + 'r;

/// Runs a hook over rows.
///
/// # Errors
/// LG405: there is no such program, it failed, took too long, or gave no Arrow
/// IPC stream. What `room` says where its rows are too many.
pub fn run(
    hook: &Hook,
    call: &Call<'_>,
    schema: &SchemaRef,
    rows: &[RecordBatch],
    room: &mut Room<'_>,
) -> Result<Vec<RecordBatch>, Halt> {
    #[cfg(unix)]
    return process::run(hook, call, schema, rows, room);
    #[cfg(not(unix))]
    {
        let _ = (hook, schema, rows, room, call.root, call.dataset, call.file, call.groups, call.stop);
        Err(failed(call, "hooks run on Linux, macOS and other Unix systems alone".into()))
    }
}

fn failed(call: &Call<'_>, what: String) -> Halt {
    Halt::Failed(Failure::new(Code::Hook, format!("table {}: {what}", call.table)))
}
