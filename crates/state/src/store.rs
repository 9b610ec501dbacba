//! The open ledger and its transactions.

use std::path::Path;

use lakegate_domain::local::utc;
use serde::{Serialize, Serializer};
use sqlx::Transaction;

use crate::error::Result;
use crate::sqlite::{self, BEGIN_WRITE, Db, Pool};

/// Milliseconds since the Unix epoch, UTC. What is printed for scripts has them as
/// ISO 8601.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub i64);

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        s.serialize_str(&utc(self.0))
    }
}

impl Millis {
    /// This instant and so many milliseconds; never beyond the end of time.
    pub fn plus(self, ms: i64) -> Self {
        Millis(self.0.saturating_add(ms))
    }
}

/// The open ledger. Cheap to clone; clones share the connections.
#[derive(Clone, Debug)]
pub struct Store {
    writer: Pool,
    readers: Pool,
}

impl Store {
    /// Opens the ledger at `path`, creating it if there is none and bringing an
    /// older one up to date. The folder must exist.
    ///
    /// # Errors
    /// `NewerVersion` if a newer program wrote it, `Corrupt` if it is not a
    /// ledger, `Busy` if another process holds it, else `Io`.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        let (writer, readers) = sqlite::open(path.as_ref()).await?;
        Ok(Self { writer, readers })
    }

    /// Opens the ledger at `path` where it may only be read: nothing is written,
    /// locked or brought up to date, and whatever would change it fails.
    ///
    /// # Errors
    /// `NewerVersion` or `OlderVersion` if another program wrote it, else `Io`.
    pub async fn open_to_read(path: impl AsRef<Path>) -> Result<Self> {
        let readers = sqlite::open_to_read(path.as_ref()).await?;
        Ok(Self { writer: readers.clone(), readers })
    }

    /// Closes the connections; what was returned as done is on disk already.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Begins a transaction that may write. It waits for its turn; dropped
    /// without a commit it leaves no trace.
    pub(crate) async fn write(&self) -> Result<Transaction<'static, Db>> {
        Ok(self.writer.begin_with(BEGIN_WRITE).await?)
    }

    /// Begins a transaction that sees one state of the ledger throughout.
    pub(crate) async fn read(&self) -> Result<Transaction<'static, Db>> {
        Ok(self.readers.begin().await?)
    }

    /// For reads of one statement.
    pub(crate) fn readers(&self) -> &Pool {
        &self.readers
    }
}

/// The database has no unsigned numbers; a count beyond 2⁶³ is not a count.
pub(crate) fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// The way back of [`signed`].
pub(crate) fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}
