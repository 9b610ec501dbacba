//! Tables that are open: read once for each version, however many ask.
//!
//! Whether a table has a newer version costs a look at two names in its log, so
//! that every question sees the newest version and hardly any has to read a log.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use deltalake::DeltaTable;
use lakegate_domain::TableName;

use super::scan::Contents;
use crate::{Result, log};

/// Most tables that are kept open; those that nobody asked for longest go first.
const MOST: usize = 256;

/// One version of one table.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) table: DeltaTable,
    pub(super) contents: Contents,
    /// The log entry that made this version.
    head: Entry,
}

impl Snapshot {
    pub(crate) fn version(&self) -> u64 {
        self.head.version
    }
}

/// What tells a log entry from another of the same name.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    version: u64,
    len: u64,
    modified: Option<SystemTime>,
}

/// The newest snapshots of a lake's tables.
#[derive(Debug)]
pub(crate) struct Snapshots {
    storage: PathBuf,
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    by_name: HashMap<TableName, (u64, Slot)>,
    /// Counts questions: tells what was asked for last.
    n_asked: u64,
}

/// One table: whoever comes first reads, the others wait for it.
type Slot = Arc<tokio::sync::Mutex<Option<Arc<Snapshot>>>>;

impl Snapshots {
    pub(crate) fn new(storage: PathBuf) -> Self {
        Self { storage, slots: Mutex::default() }
    }

    pub(crate) fn storage(&self) -> &Path {
        &self.storage
    }

    /// The newest version of a table; `None` where there is none.
    ///
    /// # Errors
    /// LG602, LG604 where its log cannot be read.
    pub(crate) async fn newest(&self, name: &TableName) -> Result<Option<Arc<Snapshot>>> {
        let slot = self.slot(name);
        let mut kept = slot.lock().await;
        let folder = log::table_folder(&self.storage, name);
        if let Some(snapshot) = kept.as_ref() {
            let same = entry(&folder, snapshot.head.version).is_some_and(|e| e == snapshot.head);
            match entry(&folder, snapshot.head.version + 1) {
                None if same => return Ok(Some(snapshot.clone())),
                Some(_) if same => {
                    let mut table = snapshot.table.clone();
                    // A log that cannot be continued is read anew, which says what is wrong with it.
                    if table.update_state().await.is_ok() {
                        *kept = snapshot_of(table, &folder)?;
                        return Ok(kept.clone());
                    }
                }
                // Another table has taken its place.
                _ => {}
            }
        }
        *kept = None;
        if let Some(table) = log::load(&folder).await? {
            *kept = snapshot_of(table, &folder)?;
        }
        Ok(kept.clone())
    }

    fn slot(&self, name: &TableName) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.n_asked += 1;
        let now = slots.n_asked;
        if let Some((asked, slot)) = slots.by_name.get_mut(name) {
            *asked = now;
            return slot.clone();
        }
        if slots.by_name.len() >= MOST
            && let Some(oldest) =
                slots.by_name.iter().min_by_key(|(_, (asked, _))| *asked).map(|(n, _)| n.clone())
        {
            slots.by_name.remove(&oldest);
        }
        slots.by_name.entry(name.clone()).or_insert((now, Slot::default())).1.clone()
    }
}

fn snapshot_of(table: DeltaTable, folder: &Path) -> Result<Option<Arc<Snapshot>>> {
    let version = table.snapshot()?.version();
    // A log without its newest entry as a file of its own is never the same again.
    let head = entry(folder, version).unwrap_or(Entry { version, len: u64::MAX, modified: None });
    Ok(Some(Arc::new(Snapshot { contents: Contents::of(&table)?, table, head })))
}

fn entry(folder: &Path, version: u64) -> Option<Entry> {
    let metadata = fs::metadata(folder.join("_delta_log").join(format!("{version:020}.json"))).ok()?;
    Some(Entry { version, len: metadata.len(), modified: metadata.modified().ok() })
}
