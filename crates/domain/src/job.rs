//! States of a landed file, past participles all.

use serde::{Deserialize, Serialize};

/// Where a landed file stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileState {
    /// Its bytes are safe and its job waits for a worker.
    Queued,
    /// A worker has it.
    Leased,
    /// Its rows are in its tables.
    Committed,
    /// It waits for a person.
    Parked,
    /// Known bytes under a new name: nothing to do.
    Duplicate,
    /// The dataset says that changed files are ignored.
    Ignored,
    /// A newer file of the same name took its place.
    Replaced,
}

impl FileState {
    pub const ALL: [FileState; 7] = [
        FileState::Queued,
        FileState::Leased,
        FileState::Committed,
        FileState::Parked,
        FileState::Duplicate,
        FileState::Ignored,
        FileState::Replaced,
    ];

    pub fn name(self) -> &'static str {
        match self {
            FileState::Queued => "queued",
            FileState::Leased => "leased",
            FileState::Committed => "committed",
            FileState::Parked => "parked",
            FileState::Duplicate => "duplicate",
            FileState::Ignored => "ignored",
            FileState::Replaced => "replaced",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == text)
    }
}
