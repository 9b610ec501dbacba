//! Everything that is peculiar to SQLite: how the database is opened and how
//! its errors are told apart. Statements elsewhere keep to SQL that PostgreSQL
//! has too (`with … as (values …)`, `on conflict`, `update … from`,
//! `returning`), so that a second backend replaces this module, the placeholder
//! style in `bulk` and the migrations' types.

use std::path::Path;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use crate::error::{Error, Result};

pub(crate) type Db = sqlx::Sqlite;
pub(crate) type Connection = sqlx::SqliteConnection;
pub(crate) type Row = sqlx::sqlite::SqliteRow;
pub(crate) type Arguments = sqlx::sqlite::SqliteArguments;
pub(crate) type Pool = SqlitePool;

/// Readers at a time; they do not hold up the writer.
const READERS: u32 = 4;

/// How long a statement waits for another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// A writer waits its turn inside the process for as long as it takes; this
/// only bounds a wait that would otherwise never end.
const TURN_TIMEOUT: Duration = Duration::from_secs(120);

/// Bulk statements come in nine lengths each, so more than the usual hundred.
const CACHED_STATEMENTS: usize = 512;

/// Takes the write lock at once: a transaction that reads first and then finds
/// another writer could not go on.
pub(crate) const BEGIN_WRITE: &str = "begin immediate";

pub(crate) static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Opens or creates the database and brings it to this program's version.
/// Returns the writer's connection and the readers'.
pub(crate) async fn open(path: &Path) -> Result<(Pool, Pool)> {
    let opening = |source| match trouble(&source) {
        Trouble::Busy => Error::Busy { source },
        Trouble::Full => Error::Full { source },
        Trouble::Damaged => Error::corrupt(format!("{} is not a ledger ({source})", path.display())),
        Trouble::Other => Error::Io { doing: format!("be opened at {}", path.display()), source },
    };
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(CACHED_STATEMENTS)
        .row_buffer_size(1024)
        .pragma("cache_size", "-32768")
        .disable_statement_logging();
    let pool = || {
        SqlitePoolOptions::new()
            .acquire_timeout(TURN_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
    };
    let writer = pool().max_connections(1).connect_with(options.clone()).await.map_err(opening)?;
    migrate(&writer, path).await?;
    let readers = pool()
        .max_connections(READERS)
        .connect_with(options.create_if_missing(false).pragma("query_only", "on"))
        .await
        .map_err(opening)?;
    Ok((writer, readers))
}

/// Opens a database that may only be read, where nothing can be locked or made
/// beside it.
pub(crate) async fn open_to_read(path: &Path) -> Result<Pool> {
    let doing = |why: &str| format!("be read at {}{why}", path.display());
    let beside = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        std::path::PathBuf::from(name)
    };
    let has_wal = std::fs::metadata(beside("-wal")).is_ok_and(|wal| wal.len() > 0);
    let has_index = std::fs::File::open(beside("-shm")).is_ok() && beside("-wal").exists();
    // Without the index of the write-ahead log none of it can be read. Where
    // that log is empty, the database is whole without it, and nobody writes.
    if has_wal && !has_index {
        let why = ", since it was cut off: its last writes can be told only by a user who may write there, with any \
                   command of lakegate";
        let source = sqlx::Error::Io(std::io::ErrorKind::PermissionDenied.into());
        return Err(Error::Io { doing: doing(why), source });
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .immutable(!has_index)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(CACHED_STATEMENTS)
        .row_buffer_size(1024)
        .pragma("query_only", "on")
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new()
        .acquire_timeout(TURN_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .max_connections(READERS)
        .connect_with(options)
        .await
        .map_err(|source| Error::Io { doing: doing(""), source })?;
    let found: i64 =
        sqlx::query_scalar("select coalesce(max(version), 0) from _sqlx_migrations where success")
            .fetch_one(&pool)
            .await
            .map_err(|source| Error::Io { doing: doing(""), source })?;
    let known = known_version();
    match found {
        _ if found > known => Err(Error::NewerVersion { path: path.display().to_string(), found, known }),
        _ if found < known => Err(Error::OlderVersion { path: path.display().to_string(), found, known }),
        _ => Ok(pool),
    }
}

async fn migrate(writer: &Pool, path: &Path) -> Result<()> {
    MIGRATIONS.run(writer).await.map_err(|error| match error {
        MigrateError::VersionMissing(found) if found > known_version() => {
            Error::NewerVersion { path: path.display().to_string(), found, known: known_version() }
        }
        MigrateError::VersionMissing(found) | MigrateError::VersionMismatch(found) => Error::corrupt(
            format!("{} was made by a lakegate whose step {found} differs from this one's", path.display()),
        ),
        MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => source.into(),
        other => Error::Io {
            doing: format!("be brought up to date at {}", path.display()),
            source: sqlx::Error::Migrate(Box::new(other)),
        },
    })
}

/// The newest version of the ledger that this program knows.
pub(crate) fn known_version() -> i64 {
    MIGRATIONS.iter().map(|m| m.version).max().unwrap_or(0)
}

#[derive(Debug)]
pub(crate) enum Trouble {
    Busy,
    Full,
    Damaged,
    Other,
}

/// Sorts an error by what a person would do about it. Numbers are SQLite's
/// result codes; their low byte is the primary one.
pub(crate) fn trouble(error: &sqlx::Error) -> Trouble {
    const BUSY: i64 = 5;
    const LOCKED: i64 = 6;
    const CORRUPT: i64 = 11;
    const FULL: i64 = 13;
    const CONSTRAINT: i64 = 19;
    const NOT_A_DATABASE: i64 = 26;
    match error {
        sqlx::Error::PoolTimedOut => Trouble::Busy,
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::RowNotFound => {
            Trouble::Damaged
        }
        sqlx::Error::Database(e) => {
            let code = e.code().and_then(|c| c.parse::<i64>().ok()).unwrap_or_default();
            match code & 0xff {
                BUSY | LOCKED => Trouble::Busy,
                FULL => Trouble::Full,
                CORRUPT | CONSTRAINT | NOT_A_DATABASE => Trouble::Damaged,
                _ => Trouble::Other,
            }
        }
        _ => Trouble::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_disk_is_told_by_its_number() {
        let mut conn = SqliteConnectOptions::new().pragma("max_page_count", "4").connect().await.unwrap();
        sqlx::query("create table t (x)").execute(&mut conn).await.unwrap();
        let full = sqlx::query("insert into t values (randomblob(100000))").execute(&mut conn).await;
        let trouble = trouble(&full.unwrap_err());
        assert!(matches!(trouble, Trouble::Full), "{trouble:?}");
    }
}
