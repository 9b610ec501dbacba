//! What every command that works on a lake holds: configuration, ledger, raw
//! store and runtime. Made once in `main`; nothing here is global.

use std::fs::File;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lakegate_domain::model::Lake;
use lakegate_domain::{Code, Failure};
use lakegate_land::RawStore;
use lakegate_state::{Millis, Store};
use tokio::runtime::Handle;

use crate::failpoint::Failpoints;

pub struct Context {
    pub lake: Arc<Lake>,
    pub store: Store,
    pub raw: RawStore,
    pub runtime: Handle,
    /// Names this process in leases.
    pub owner: String,
    pub failpoints: Failpoints,
    /// Folder for temporary files.
    pub spill: PathBuf,
    pub threads: usize,
    pub stop: Stopping,
}

/// Why no new work is begun.
#[derive(Clone, Default)]
pub struct Stopping {
    /// A person asked to stop.
    pub asked: Arc<AtomicBool>,
    /// Work goes on with another lake.
    pub swapped: Arc<AtomicBool>,
}

impl Stopping {
    pub fn is_set(&self) -> bool {
        self.is_asked() || self.swapped.load(Ordering::Relaxed)
    }

    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

/// Where the ledger of a lake is.
pub fn ledger_path(storage: &Path) -> PathBuf {
    storage.join("state").join("lakegate.db")
}

fn lock_path(storage: &Path) -> PathBuf {
    storage.join("state").join("open.lock")
}

impl Context {
    /// Opens a lake's stores, making their folders where they are missing.
    pub async fn open(lake: Arc<Lake>, stop: Arc<AtomicBool>) -> Result<Self, Failure> {
        let storage = lake.storage.clone();
        let spill = storage.join("tmp");
        for folder in [storage.join("state"), spill.clone(), storage.join("tables")] {
            std::fs::create_dir_all(&folder).map_err(|e| {
                Failure::new(Code::Storage, format!("cannot make `{}`: {e}", folder.display()))
            })?;
        }
        let store = open_ledger(&storage).await?;
        let raw = RawStore::open(storage.join("raw"))?;
        Ok(Self::of(lake, store, raw, spill, stop))
    }

    /// Opens a lake's stores to look at them: where the lake may only be read,
    /// nothing is locked, made or written.
    pub async fn open_to_read(lake: Arc<Lake>, stop: Arc<AtomicBool>) -> Result<Self, Failure> {
        if may_write(&lake.storage) {
            return Self::open(lake, stop).await;
        }
        let store = ledger_to_read(&lake.storage).await?;
        let raw = RawStore::open_to_read(lake.storage.join("raw"));
        let spill = spill_to_read(&lake.storage);
        Ok(Self::of(lake, store, raw, spill, stop))
    }

    fn of(lake: Arc<Lake>, store: Store, raw: RawStore, spill: PathBuf, stop: Arc<AtomicBool>) -> Self {
        Self {
            lake,
            store,
            raw,
            runtime: Handle::current(),
            owner: format!("{}-{}", std::process::id(), uuid::Uuid::new_v4().simple()),
            failpoints: Failpoints::parse(std::env::var("LAKEGATE_KILL_AT").ok().as_deref()),
            spill,
            threads: std::thread::available_parallelism().map_or(2, usize::from),
            stop: Stopping { asked: stop, swapped: Arc::default() },
        }
    }

    /// The same for another lake over the same storage.
    pub fn with_lake(self, lake: Arc<Lake>) -> Self {
        Self { lake, ..self }
    }

    pub fn stopping(&self) -> bool {
        self.stop.is_set()
    }

    /// Waits for a ledger transaction, from a thread that may block.
    pub fn block<T>(&self, f: impl Future<Output = lakegate_state::Result<T>>) -> Result<T, Failure> {
        self.runtime.block_on(f).map_err(|e| {
            let mut failure = ledger(e);
            if failure.code == Code::DiskFull {
                failure.message += &format!(": {}", ledger_path(&self.lake.storage).display());
            }
            failure
        })
    }
}

/// Opens the ledger, one process after the other: two that made a new one at
/// the same time would each find the other's half.
pub async fn open_ledger(storage: &Path) -> Result<Store, Failure> {
    let path = lock_path(storage);
    let failed =
        |e: std::io::Error| Failure::new(Code::Storage, format!("cannot lock `{}`: {e}", path.display()));
    // Freed when it is dropped, or when the process ends however it ends.
    let lock = File::create(&path).map_err(failed)?;
    lock.lock().map_err(failed)?;
    Store::open(ledger_path(storage)).await.map_err(ledger)
}

/// Whether this user may work on the lake, as far as its ledger tells: `false`
/// for a lake of another user, and on a read-only file system.
pub fn may_write(storage: &Path) -> bool {
    let opened = |path: PathBuf, make: bool| File::options().append(true).create(make).open(path);
    let refused = |e: std::io::Error| {
        matches!(e.kind(), std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem)
    };
    !opened(lock_path(storage), true).is_err_and(refused)
        && !opened(ledger_path(storage), false).is_err_and(refused)
}

/// The ledger for those who only look: with a lock where the lake may be worked
/// on, else as it lies there.
pub async fn ledger_to_read(storage: &Path) -> Result<Store, Failure> {
    match may_write(storage) {
        true => open_ledger(storage).await,
        false => Store::open_to_read(ledger_path(storage)).await.map_err(ledger),
    }
}

/// Where statements of those who only look spill to.
pub fn spill_to_read(storage: &Path) -> PathBuf {
    let own = storage.join("tmp");
    match may_write(storage) && std::fs::create_dir_all(&own).is_ok() && tempfile::tempfile_in(&own).is_ok() {
        true => own,
        false => std::env::temp_dir(),
    }
}

/// A ledger error as a failure of the work at hand.
pub fn ledger(e: lakegate_state::Error) -> Failure {
    use lakegate_state::Error;
    let code = match &e {
        Error::Full { .. } => Code::DiskFull,
        Error::NewerVersion { .. } | Error::OlderVersion { .. } | Error::Corrupt { .. } => Code::Ledger,
        Error::LeaseLost { .. } | Error::NotOpen { .. } => Code::Conflict,
        _ => Code::Storage,
    };
    let mut message = e.to_string();
    if let Some(source) = std::error::Error::source(&e) {
        message = format!("{message} ({source})");
    }
    Failure::new(code, message)
}

/// The clock.
pub fn now() -> Millis {
    Millis(
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |d| d.as_millis() as i64),
    )
}
