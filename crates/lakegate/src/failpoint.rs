//! Named points at every edge of the commit protocol where a test may kill the
//! process. Exactly-once is a claim until it was killed between each pair of
//! steps.
//!
//! `LAKEGATE_KILL_AT=<name>[:<n>]` kills with SIGKILL at the `n`th passage,
//! `<name>:<n>:panic` panics there. Without it a point costs one comparison.

use std::sync::atomic::{AtomicU32, Ordering};

/// After bytes were received and before the ledger knows of them.
pub const RECEIVED: &str = "received";
/// After the ledger accepted files.
pub const ACCEPTED: &str = "accepted";
/// After landed files were archived or deleted.
pub const DISPOSED: &str = "disposed";
/// After jobs were claimed.
pub const CLAIMED: &str = "claimed";
/// After files were read and checked.
pub const CHECKED: &str = "checked";
/// After bad files of a batch were parked.
pub const PARKED: &str = "parked";
/// After data files were written, before any commit names them.
pub const WRITTEN: &str = "written";
/// After the quarantine's commit, before the table's.
pub const QUARANTINED: &str = "quarantined";
/// After one table's commit; with several tables, between two of them.
pub const COMMITTED: &str = "committed";
/// After the last commit, before the ledger knows of it.
pub const UNFINISHED: &str = "unfinished";
/// After the ledger finished the jobs.
pub const FINISHED: &str = "finished";
/// After a compaction's commit.
pub const COMPACTED: &str = "compacted";
/// After a replay wrote its data files, before it swaps them in.
pub const REPLAY_WRITTEN: &str = "replay_written";
/// Between a replay's commits to two tables, and before the ledger knows.
pub const REPLAYED: &str = "replayed";
/// After small packs of raw bytes were bundled, before the ledger knows.
pub const BUNDLED: &str = "bundled";
/// After the ledger knows of a bundle, before the packs that it replaces go.
pub const MOVED: &str = "moved";
/// After an export's bytes are on the disk, before it is in its place.
pub const EXPORT_WRITTEN: &str = "export_written";
/// After an export is in its place, before the ledger knows.
pub const EXPORTED: &str = "exported";

/// All points: a name that is none of them is a typing error.
pub const ALL: [&str; 18] = [
    RECEIVED,
    ACCEPTED,
    DISPOSED,
    CLAIMED,
    CHECKED,
    PARKED,
    WRITTEN,
    QUARANTINED,
    COMMITTED,
    UNFINISHED,
    FINISHED,
    COMPACTED,
    REPLAY_WRITTEN,
    REPLAYED,
    BUNDLED,
    MOVED,
    EXPORT_WRITTEN,
    EXPORTED,
];

/// The point at which this process is to die, if any.
#[derive(Debug, Default)]
pub struct Failpoints {
    at: Option<(String, AtomicU32)>,
    panics: bool,
}

impl Failpoints {
    /// Reads `<name>[:<n>[:panic]]`.
    pub fn parse(text: Option<&str>) -> Self {
        let text = text.filter(|t| !t.is_empty());
        let panics = text.is_some_and(|t| t.ends_with(":panic"));
        let at = text.map(|t| t.trim_end_matches(":panic")).map(|t| {
            let (name, n) = t.split_once(':').unwrap_or((t, "1"));
            if !ALL.contains(&name) {
                eprintln!(
                    "warning: LAKEGATE_KILL_AT: there is no point `{name}`; the points are {}",
                    ALL.join(", ")
                );
            }
            (name.to_string(), AtomicU32::new(n.parse().unwrap_or(1)))
        });
        Self { at, panics }
    }

    pub fn pass(&self, name: &str) {
        if let Some((at, left)) = &self.at
            && at == name
            && left.fetch_sub(1, Ordering::Relaxed) == 1
        {
            if self.panics {
                panic!("asked to panic at `{name}`");
            }
            kill_self();
        }
    }
}

/// SIGKILL to this process: no destructor, no flush, no handler runs.
fn kill_self() {
    let _ = std::process::Command::new("kill").args(["-9", &std::process::id().to_string()]).status();
    // Where there is no `kill` program, an abort is as sudden.
    std::process::abort();
}
