//! What can go wrong with the ledger itself, in sentences for people.

use lakegate_domain::LaneName;

use crate::sqlite;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk or the database refused.
    #[error("the ledger cannot {doing}; look at the disk it is on, then start again")]
    Io { doing: String, source: sqlx::Error },

    /// The ledger cannot grow.
    #[error("the disk that the ledger is on is full")]
    Full { source: sqlx::Error },

    /// Another process has been writing for longer than one waits.
    #[error("the ledger is in use by another process; wait for it to end, or stop it")]
    Busy { source: sqlx::Error },

    /// A newer Lakegate wrote this ledger.
    #[error(
        "the ledger {path} was written by a newer lakegate (its version is {found}, this program knows up to \
         {known}); use that lakegate, or restore the ledger and the tables of the same backup"
    )]
    NewerVersion { path: String, found: i64, known: i64 },

    /// An older Lakegate wrote this ledger, which may only be read here.
    #[error(
        "the ledger {path} was written by an older lakegate (its version is {found}, this program's is {known}); a user \
         who may write there brings it up to date with `lakegate status`"
    )]
    OlderVersion { path: String, found: i64, known: i64 },

    /// The lane is no longer ours: whatever was done under the lease must be
    /// compared with the tables' tokens before it is tried again.
    #[error(
        "the lease of lane {lane} was lost by {owner}{}; its files are taken up again from the start",
        holder.as_ref().map(|h| format!(" to {h}")).unwrap_or_default()
    )]
    LeaseLost { lane: LaneName, owner: String, holder: Option<String> },

    /// The job was closed meanwhile: committed, parked or replaced by someone.
    #[error("job {job_id} is no longer open (it ended as {result}); nothing was changed")]
    NotOpen { job_id: i64, result: String },

    /// The ledger contradicts itself or was edited by hand.
    #[error("the ledger is damaged: {message}; restore the ledger and the tables of the same backup")]
    Corrupt { message: String },
}

impl Error {
    pub(crate) fn corrupt(message: impl Into<String>) -> Self {
        Error::Corrupt { message: message.into() }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match sqlite::trouble(&error) {
            sqlite::Trouble::Busy => Error::Busy { source: error },
            sqlite::Trouble::Full => Error::Full { source: error },
            sqlite::Trouble::Damaged => Error::Corrupt { message: error.to_string() },
            sqlite::Trouble::Other => Error::Io { doing: "be read or written".into(), source: error },
        }
    }
}
