//! One process at a time works on a lake.
//!
//! The lock is the operating system's, so that it ends with its holder however
//! that ends; the file's text only says who holds it. The file itself stays: to
//! remove it would let two processes lock two files of one name.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use lakegate_domain::Failure;

use crate::disk::{create_folder, failure};

const NAME: &str = "lakegate.lock";

/// Held while this process may work on a lake; freed when it is dropped.
#[derive(Debug)]
pub struct LakeLock {
    _file: File,
}

/// Who works on the lake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// `None` in the moment between its locking the file and signing it.
    pub pid: Option<u32>,
    /// The command line; empty where it is not known.
    pub command: String,
    /// UTC, as RFC 3339; empty where it is not known.
    pub since: String,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another process works on this lake")?;
        if let Some(pid) = self.pid {
            write!(f, ": `{}`, process {pid}, since {}", self.command, self.since)?;
        }
        f.write_str("; wait until it is done, or stop it")
    }
}

/// Why a lake could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("{0}")]
    Held(Held),
    /// The lock file cannot be made, or the file system has no locks.
    #[error(transparent)]
    Storage(#[from] Failure),
}

impl LakeLock {
    /// Locks the lake whose storage is this folder, or says who has it. It does
    /// not wait.
    ///
    /// # Errors
    /// [`LockError::Held`] where another holds it, be it in this process.
    pub fn try_acquire(storage: &Path) -> Result<Self, LockError> {
        let path = storage.join(NAME);
        let failed = |e: io::Error| LockError::Storage(failure("lock the lake by", &path, &e));
        create_folder(storage).map_err(failed)?;
        // Not truncated: until it is ours it names somebody else.
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                file.read_to_string(&mut text).map_err(failed)?;
                return Err(LockError::Held(parse(&text)));
            }
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        file.set_len(0).map_err(failed)?;
        file.rewind().map_err(failed)?;
        file.write_all(signature().as_bytes()).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// Three lines: process, time, command; the last as it may hold anything.
fn signature() -> String {
    let command = std::env::args_os()
        .map(|a| a.to_string_lossy().replace(char::is_control, " "))
        .collect::<Vec<_>>()
        .join(" ");
    format!("{}\n{:.0}\n{command}\n", std::process::id(), jiff::Timestamp::now())
}

fn parse(text: &str) -> Held {
    let mut lines = text.lines();
    let mut line = || lines.next().unwrap_or_default().to_owned();
    Held { pid: line().parse().ok(), since: line(), command: line() }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    const CHILD: &str = "LAKEGATE_TEST_LOCK_CHILD";

    #[test]
    fn the_second_learns_who_the_first_is() {
        let storage = tempfile::tempdir().unwrap();
        let first = LakeLock::try_acquire(&storage.path().join("new")).unwrap();
        let Err(LockError::Held(held)) = LakeLock::try_acquire(&storage.path().join("new")) else {
            panic!("locked twice");
        };
        assert_eq!(held.pid, Some(std::process::id()));
        assert!(held.since.parse::<jiff::Timestamp>().is_ok(), "{held}");
        assert!(held.to_string().contains(&held.command) && !held.command.is_empty());
        drop(first);
        LakeLock::try_acquire(&storage.path().join("new")).unwrap();
    }

    #[test]
    fn an_unsigned_lock_is_held_all_the_same() {
        let storage = tempfile::tempdir().unwrap();
        let file = File::create(storage.path().join(NAME)).unwrap();
        file.lock().unwrap();
        let Err(LockError::Held(held)) = LakeLock::try_acquire(storage.path()) else { panic!("not held") };
        assert_eq!(held.pid, None);
        assert!(held.to_string().starts_with("another process works on this lake; wait"));
    }

    #[test]
    fn a_folder_in_its_place_is_an_error_that_names_it() {
        let storage = tempfile::tempdir().unwrap();
        std::fs::create_dir(storage.path().join(NAME)).unwrap();
        let error = LakeLock::try_acquire(storage.path()).unwrap_err();
        assert!(matches!(&error, LockError::Storage(f) if f.message.contains(NAME)), "{error}");
    }

    /// Runs this very test in another process, which holds the lock until it is
    /// killed.
    #[test]
    fn a_killed_holder_frees_it() {
        if let Some(storage) = std::env::var_os(CHILD) {
            let _lock = LakeLock::try_acquire(Path::new(&storage)).unwrap();
            println!("\nlocked");
            let _ = std::io::stdin().read_line(&mut String::new());
            return;
        }
        let storage = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "lock::tests::a_killed_holder_frees_it", "--nocapture"])
            .env(CHILD, storage.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "locked"), "the child never locked");
        let Err(LockError::Held(held)) = LakeLock::try_acquire(storage.path()) else { panic!("not held") };
        assert_eq!(held.pid, Some(child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        LakeLock::try_acquire(storage.path()).unwrap();
    }
}
