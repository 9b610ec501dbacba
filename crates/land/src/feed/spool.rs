//! An answer on its way to its name: hashed as it comes, in memory while it is
//! small, in a file once it is not.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use lakegate_domain::Failure;
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use crate::disk::{self, PART, Staged};

/// Answers up to here stay in memory until they land.
const IN_MEMORY: usize = 256 << 10;

/// The folder, below a landing folder, of answers that are still coming. Its
/// name makes it junk to every listing.
const FOLDER: &str = ".polling";

/// Bytes that are still coming. Dropped before they land they leave nothing.
pub(super) struct Spool {
    landing: PathBuf,
    memory: Vec<u8>,
    file: Option<(tokio::fs::File, Staging)>,
    hasher: blake3::Hasher,
    size_bytes: u64,
}

/// Bytes that are all there.
pub(super) struct Whole {
    landing: PathBuf,
    memory: Vec<u8>,
    file: Option<Staging>,
    pub(super) fingerprint: String,
    pub(super) size_bytes: u64,
}

/// A file without a name yet; removed unless it gets one.
struct Staging(PathBuf);

impl Drop for Staging {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0); // it has its name, or nobody wants it
    }
}

impl Spool {
    pub(super) fn new(landing: &Path) -> Self {
        Self {
            landing: landing.to_path_buf(),
            memory: Vec::new(),
            file: None,
            hasher: blake3::Hasher::new(),
            size_bytes: 0,
        }
    }

    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.hasher.update(bytes);
        self.size_bytes += bytes.len() as u64;
        if self.file.is_none() {
            if self.memory.len() + bytes.len() <= IN_MEMORY {
                self.memory.extend_from_slice(bytes);
                return Ok(());
            }
            let (path, file) = staging(&self.landing)?;
            self.file = Some((tokio::fs::File::from_std(file), path));
        }
        if let Some((file, staging)) = &mut self.file {
            let failed = |e: io::Error| disk::failure("write the answer to", &staging.0, &e);
            if !self.memory.is_empty() {
                file.write_all(&std::mem::take(&mut self.memory)).await.map_err(failed)?;
            }
            file.write_all(bytes).await.map_err(failed)?;
        }
        Ok(())
    }

    /// Ends the writing. The bytes are not durable before they [`Whole::land`].
    pub(super) async fn finish(self) -> Result<Whole, Failure> {
        let file = match self.file {
            Some((mut file, staging)) => {
                file.flush().await.map_err(|e| disk::failure("write the answer to", &staging.0, &e))?;
                Some(staging)
            }
            None => None,
        };
        Ok(Whole {
            landing: self.landing,
            memory: self.memory,
            file,
            fingerprint: self.hasher.finalize().to_string(),
            size_bytes: self.size_bytes,
        })
    }
}

impl Whole {
    /// All of it, for an answer that is read rather than landed.
    pub(super) fn bytes(self) -> Result<Vec<u8>, Failure> {
        match &self.file {
            Some(staging) => {
                fs::read(&staging.0).map_err(|e| disk::failure("read the answer in", &staging.0, &e))
            }
            None => Ok(self.memory),
        }
    }

    /// Gives the bytes their name below the landing folder, durably: a reader
    /// sees all of them under it or none. This waits for the disk.
    pub(super) fn land(mut self, relative: &str) -> Result<PathBuf, Failure> {
        let target = self.landing.join(relative);
        let failed = |e: io::Error| disk::failure("land the answer as", &target, &e);
        let staging = match self.file.take() {
            Some(staging) => staging,
            None => {
                let (staging, mut file) = staging(&self.landing)?;
                file.write_all(&self.memory).map_err(failed)?;
                staging
            }
        };
        File::open(&staging.0).and_then(|file| file.sync_all()).map_err(failed)?;
        if let Some(folder) = target.parent() {
            disk::create_folder(folder).map_err(failed)?;
        }
        Staged::at(staging.0.clone(), target.clone()).publish().map_err(failed)?;
        Ok(target)
    }
}

fn staging(landing: &Path) -> Result<(Staging, File), Failure> {
    let folder = landing.join(FOLDER);
    let path = folder.join(format!("{}{PART}", Uuid::now_v7()));
    let create = || {
        disk::create_folder(&folder)?;
        File::create_new(&path)
    };
    let file = create().map_err(|e| disk::failure("write the answer to", &path, &e))?;
    Ok((Staging(path), file))
}

/// Removes what a crash has left. No answer may be coming.
pub(super) fn sweep(landing: &Path) {
    // A folder that is not there, or stays, harms nothing.
    let _ = fs::remove_dir_all(landing.join(FOLDER));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .map(|d| d.map(|e| e.unwrap().file_name().into_string().unwrap()).collect())
            .unwrap_or_default();
        names.sort();
        names
    }

    #[tokio::test]
    async fn small_and_large_answers_land_whole_and_leave_nothing() {
        let folder = tempfile::tempdir().unwrap();
        for size in [0, 1, IN_MEMORY, IN_MEMORY + 1, 3 * IN_MEMORY + 7] {
            let bytes: Vec<u8> = (0..size).map(|n| n.to_le_bytes()[0]).collect();
            let mut spool = Spool::new(folder.path());
            for chunk in bytes.chunks(100_000) {
                spool.write(chunk).await.unwrap();
            }
            let whole = spool.finish().await.unwrap();
            assert_eq!(
                (whole.size_bytes, &whole.fingerprint),
                (size as u64, &blake3::hash(&bytes).to_string())
            );
            let landed = whole.land(&format!("2025/11/{size}.bin")).unwrap();
            assert_eq!(fs::read(landed).unwrap(), bytes);
            assert_eq!(names(&folder.path().join(FOLDER)), [""; 0]);
        }
    }

    #[tokio::test]
    async fn what_never_lands_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(folder.path());
        spool.write(&vec![1; IN_MEMORY + 1]).await.unwrap();
        assert_eq!(names(&folder.path().join(FOLDER)).len(), 1);
        drop(spool);
        assert_eq!(names(&folder.path().join(FOLDER)), [""; 0]);

        let mut spool = Spool::new(folder.path());
        spool.write(&vec![1; IN_MEMORY + 1]).await.unwrap();
        assert_eq!(spool.finish().await.unwrap().bytes().unwrap().len(), IN_MEMORY + 1);
        assert_eq!(names(&folder.path().join(FOLDER)), [""; 0]);
    }
}
