//! Keeps the raw store tidy: few packs instead of many, and nothing that a
//! crash has left.
//!
//! Which packs are in use only the ledger knows, so it is told here, never
//! guessed. Bytes are moved in three steps, each of which may be the last:
//! [`RawStore::bundle`] writes the new pack, the ledger takes over the new
//! places, [`RawStore::remove`] drops the old packs. What lies about after a
//! crash between them is an orphan, and a sweep's business.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use lakegate_domain::{Code, DatasetName, Failure};
use zip::result::ZipError;
use zip::{ZipArchive, ZipWriter};

use super::pack::{EntryPlace, entry_name, place, places};
use super::{RawPlace, RawStore, names, raw_failure};
use crate::disk::{self, PART, Staged, mtime_ns, unix_ns};
use crate::list::Problem;

/// Packs at least this large are left as they are.
const BUNDLED_BYTES: u64 = 16 << 20;
/// A bundle takes no more packs once it has this many bytes.
const BUNDLE_BYTES: u64 = 64 << 20;
/// Nor once it has this many entries: a zip has room for 65,535.
const BUNDLE_ENTRIES: u64 = 60_000;
/// Fewer packs than this are not worth a bundle.
const BUNDLE_PACKS: usize = 8;
/// Packs below this are of one size: writing them again costs next to nothing.
const TINY_BYTES: u64 = 1 << 20;

/// A file's bytes lie elsewhere now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    pub from_pack: String,
    pub from_offset: u64,
    pub to: RawPlace,
}

/// What a sweep found and did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Half-written files of a crash that were removed.
    pub n_parts: usize,
    /// Packs that no row of the ledger refers to and that were removed.
    pub n_orphans: usize,
    pub freed_bytes: u64,
    pub problems: Vec<Problem>,
}

/// One file of the store.
struct Kept {
    /// Below the store, with `/` between its parts.
    relative: String,
    path: PathBuf,
    name: String,
    size_bytes: u64,
    /// When it was written: what its id says, for a linked file has the time of
    /// the landed one.
    made_ns: i64,
}

impl RawStore {
    /// Groups of small packs worth a bundle: each of one dataset, of similar size
    /// and at least `older_than` old, oldest first. So a byte is copied only when
    /// its pack has grown to several times its size, and never again once that is
    /// large; and the packs that are left are few, whatever their number was.
    ///
    /// # Errors
    /// LG602 where the store cannot be listed.
    pub fn bundles(&self, now: SystemTime, older_than: Duration) -> Result<Vec<Vec<String>>, Failure> {
        let before_ns = before(now, older_than);
        let mut by_dataset: BTreeMap<String, Vec<Kept>> = BTreeMap::new();
        for file in self.files()? {
            if names::is_pack(&file.name) && file.size_bytes < BUNDLED_BYTES && file.made_ns < before_ns {
                let dataset = dataset_part(&file.relative).to_owned();
                by_dataset.entry(dataset).or_default().push(file);
            }
        }
        let mut groups: Vec<Vec<String>> =
            by_dataset.into_values().flat_map(tiers).flat_map(within_limits).collect();
        groups.retain(|group| group.len() >= BUNDLE_PACKS);
        Ok(groups)
    }

    /// Writes the entries of several packs of one dataset into a new one, as they
    /// are, without inflating and deflating again, and returns where each lies
    /// now. The old packs stay until they are removed. Every entry's checksum is
    /// verified in the new pack.
    ///
    /// # Errors
    /// LG204 where a pack is missing or damaged, LG601 or LG602 where the new one
    /// cannot be written. The store is then as it was.
    pub fn bundle(&self, packs: &[String]) -> Result<Vec<Moved>, Failure> {
        let Some(first) = packs.first() else { return Ok(Vec::new()) };
        let dataset = dataset_part(first);
        if let Some(other) = packs.iter().find(|p| dataset_part(p) != dataset) {
            let message = format!("`{first}` and `{other}` are of two datasets and cannot share a pack");
            return Err(Failure::new(Code::Bug, message));
        }
        let Some((team, name)) = dataset.split_once('/') else {
            return Err(Failure::new(Code::Bug, format!("`{first}` is no pack of a dataset")));
        };
        let (day, folder) = self.day_folder(&DatasetName::new(team, name))?;
        let name = names::new_pack();
        let staged = Staged::new(folder.join(&name));
        let storage = |e: io::Error| disk::failure("bundle raw bytes into", staged.part(), &e);

        let mut from: Vec<(String, EntryPlace)> = Vec::new();
        let mut bundle = ZipWriter::new(BufWriter::new(File::create_new(staged.part()).map_err(storage)?));
        for pack in packs {
            let path = self.locate(pack)?;
            let mut old = File::open(&path)
                .map_err(ZipError::Io)
                .and_then(|file| ZipArchive::new(BufReader::new(file)))
                .map_err(|e| raw_failure(&path, &e))?;
            for i in 0..old.len() {
                let place = place(&mut old, i).map_err(|e| raw_failure(&path, &e))?;
                let entry = old.by_index_raw(i).map_err(|e| raw_failure(&path, &e))?;
                let landed = entry.name().map_err(|e| raw_failure(&path, &e))?.into_owned();
                let landed = landed.split_once('/').map_or(landed.as_str(), |(_, path)| path);
                let name = entry_name(from.len(), landed);
                bundle.raw_copy_file_rename(entry, name).map_err(|e| storage(io_error(e)))?;
                from.push((pack.clone(), place));
            }
        }
        let written = bundle.finish().map_err(|e| storage(io_error(e)))?;
        let file = written.into_inner().map_err(|e| storage(e.into_error()))?;
        file.sync_all().map_err(storage)?;
        drop(file);

        let to = verified_places(&staged).map_err(|e| raw_failure(staged.part(), &e))?;
        let as_before = from.len() == to.len()
            && from
                .iter()
                .zip(&to)
                .all(|((_, a), b)| (a.stored_bytes, a.method) == (b.stored_bytes, b.method));
        if !as_before {
            return Err(Failure::new(Code::Bug, format!("bundling {first} and others changed an entry")));
        }
        staged.publish().map_err(|e| disk::failure("bundle raw bytes into", &folder.join(&name), &e))?;
        let pack = format!("{day}/{name}");
        let moved = from.into_iter().zip(to).map(|((from_pack, old), new)| Moved {
            from_pack,
            from_offset: old.offset,
            to: RawPlace {
                pack: pack.clone(),
                offset: new.offset,
                stored_bytes: new.stored_bytes,
                method: new.method,
            },
        });
        Ok(moved.collect())
    }

    /// Removes a pack or a large file for good and returns its size; 0 where it
    /// was gone already. The ledger must not refer to it any more.
    ///
    /// # Errors
    /// LG602 where it cannot be removed, LG204 where `pack` is no place in the
    /// store.
    pub fn remove(&self, pack: &str) -> Result<u64, Failure> {
        let path = self.locate(pack)?;
        let removed = fs::metadata(&path).and_then(|m| fs::remove_file(&path).map(|()| m.len()));
        match removed {
            Ok(size_bytes) => Ok(size_bytes),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(e) => Err(disk::failure("remove", &path, &e)),
        }
    }

    /// Removes what crashes have left: half-written files, and packs that are not
    /// in `referenced`, if they are at least `older_than` old. Give it an age far
    /// beyond the time between receiving a file and the ledger's accepting it.
    ///
    /// A pack that is newer than every one referred to is never removed: an older
    /// ledger that was restored, or a new one in place of one that was lost, does
    /// not know of it, and then its bytes are all there is.
    ///
    /// # Errors
    /// LG602 where the store cannot be listed. What cannot be removed is among
    /// the problems.
    pub fn sweep(
        &self,
        referenced: &HashSet<String>,
        older_than: Duration,
        now: SystemTime,
    ) -> Result<Swept, Failure> {
        let before_ns = before(now, older_than);
        let mut swept = Swept::default();
        let mut spared = 0_usize;
        let files = self.files()?;
        let newest_ns = files.iter().filter(|f| referenced.contains(&f.relative)).map(|f| f.made_ns).max();
        for file in files {
            let is_part = file.name.ends_with(PART);
            let is_orphan = !is_part && !referenced.contains(&file.relative);
            let is_old = file.made_ns < before_ns;
            if is_orphan && is_old && newest_ns.is_none_or(|newest| file.made_ns > newest) {
                spared += 1;
            } else if (is_part || is_orphan) && is_old {
                match fs::remove_file(&file.path) {
                    Ok(()) => {
                        swept.freed_bytes += file.size_bytes;
                        if is_part {
                            swept.n_parts += 1;
                        } else {
                            swept.n_orphans += 1;
                        }
                    }
                    Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                    Err(e) => {
                        let message = format!("it is left over and cannot be removed: {e}; remove it");
                        swept.problems.push(Problem::new(&file.path, message));
                    }
                }
            }
        }
        if spared > 0 {
            let message = format!(
                "{spared} files are newer than all that the ledger refers to, and are kept: a crash may have \
                 left them, or the ledger is older than they are; if it is not, remove them by hand"
            );
            swept.problems.push(Problem::new(&self.folder, message));
        }
        self.drop_empty_days(now);
        Ok(swept)
    }

    /// Removes the folders of past days that hold nothing. Today's and its
    /// neighbours' stay: somebody may be about to write there.
    fn drop_empty_days(&self, now: SystemTime) {
        let Ok(now) = jiff::Timestamp::try_from(now) else { return };
        let Ok(recent) = now.checked_sub(jiff::SignedDuration::from_hours(48)) else { return };
        let recent = recent.strftime("%Y-%m-%d").to_string();
        for day in self.days().unwrap_or_default() {
            let is_past = day.file_name().and_then(|n| n.to_str()).is_some_and(|name| name < recent.as_str());
            if is_past {
                // It fails where the folder is not empty, and that is the test.
                let _ = fs::remove_dir(day);
            }
        }
    }

    /// All the folders `<team>/<dataset>/<day>`.
    fn days(&self) -> Result<Vec<PathBuf>, Failure> {
        let mut level = vec![self.folder.clone()];
        for _ in 0..3 {
            let mut below = Vec::new();
            for folder in level {
                let entries = fs::read_dir(&folder).map_err(|e| disk::failure("list", &folder, &e))?;
                for entry in entries {
                    let entry = entry.map_err(|e| disk::failure("list", &folder, &e))?;
                    if entry.file_type().is_ok_and(|t| t.is_dir()) {
                        below.push(entry.path());
                    }
                }
            }
            level = below;
        }
        Ok(level)
    }

    /// All files of the store that Lakegate wrote, in the order of their paths.
    fn files(&self) -> Result<Vec<Kept>, Failure> {
        let mut files = Vec::new();
        for day in self.days()? {
            let failed = |e: io::Error| disk::failure("list", &day, &e);
            for entry in fs::read_dir(&day).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let path = entry.path();
                let metadata = match entry.metadata() {
                    Ok(metadata) => metadata,
                    Err(e) if e.kind() == io::ErrorKind::NotFound => continue, // removed meanwhile
                    Err(e) => return Err(disk::failure("look at", &path, &e)),
                };
                // What is not named by Lakegate is not Lakegate's to touch.
                let Some(relative) = path.strip_prefix(&self.folder).ok().and_then(|p| p.to_str()) else {
                    continue;
                };
                let Some(made_ns) = path.file_name().and_then(|n| names::made_ns(n.to_str()?)) else {
                    continue;
                };
                if !metadata.is_file() {
                    continue;
                }
                let name = entry.file_name().to_string_lossy().into_owned();
                // A long copy is young for as long as it goes on.
                let made_ns = if name.ends_with(PART) { made_ns.max(mtime_ns(&metadata)) } else { made_ns };
                files.push(Kept {
                    relative: relative.replace(std::path::MAIN_SEPARATOR, "/"),
                    made_ns,
                    size_bytes: metadata.len(),
                    name,
                    path,
                });
            }
        }
        files.sort_by(|a, b| a.relative.cmp(&b.relative));
        Ok(files)
    }
}

/// Parts packs into groups of similar size: one that is larger than all smaller
/// ones of its group together begins the next.
fn tiers(mut packs: Vec<Kept>) -> Vec<Vec<Kept>> {
    packs.sort_by(|a, b| (a.size_bytes, &a.relative).cmp(&(b.size_bytes, &b.relative)));
    let mut tiers: Vec<Vec<Kept>> = Vec::new();
    let mut sum = 0;
    for pack in packs {
        match tiers.last_mut() {
            Some(tier) if pack.size_bytes <= TINY_BYTES.max(sum) => {
                sum += pack.size_bytes;
                tier.push(pack);
            }
            _ => {
                sum = pack.size_bytes;
                tiers.push(vec![pack]);
            }
        }
    }
    tiers
}

/// Parts packs, oldest first, into as many bundles as they need.
fn within_limits(mut packs: Vec<Kept>) -> Vec<Vec<String>> {
    packs.sort_by(|a, b| a.made_ns.cmp(&b.made_ns).then_with(|| a.relative.cmp(&b.relative)));
    let mut groups: Vec<Vec<String>> = Vec::new();
    let mut group: Vec<String> = Vec::new();
    let (mut group_bytes, mut group_entries) = (0, 0);
    for pack in packs {
        let n_entries = n_entries(&pack.path);
        if group_bytes >= BUNDLE_BYTES || group_entries + n_entries > BUNDLE_ENTRIES {
            groups.push(std::mem::take(&mut group));
            (group_bytes, group_entries) = (0, 0);
        }
        group_bytes += pack.size_bytes;
        group_entries += n_entries;
        group.push(pack.relative);
    }
    groups.push(group);
    groups
}

/// How many entries a pack has, by its last record (APPNOTE.TXT 4.3.16), which
/// is 22 bytes long as packs have no comment. A pack that cannot be read counts
/// as empty: bundling it says what is wrong.
fn n_entries(pack: &Path) -> u64 {
    const RECORD: usize = 22;
    let read = || -> io::Result<u64> {
        let mut file = File::open(pack)?;
        file.seek(SeekFrom::End(-(RECORD as i64)))?;
        let mut record = [0; RECORD];
        file.read_exact(&mut record)?;
        let is_last = record.starts_with(b"PK\x05\x06");
        Ok(if is_last { u16::from_le_bytes([record[10], record[11]]).into() } else { 0 })
    };
    read().unwrap_or(0)
}

fn before(now: SystemTime, older_than: Duration) -> i64 {
    unix_ns(now).saturating_sub(i64::try_from(older_than.as_nanos()).unwrap_or(i64::MAX))
}

/// `<team>/<dataset>` of a pack's path.
fn dataset_part(pack: &str) -> &str {
    pack.match_indices('/').nth(1).map_or("", |(end, _)| &pack[..end])
}

fn io_error(error: ZipError) -> io::Error {
    match error {
        ZipError::Io(e) => e,
        other => io::Error::other(other),
    }
}

/// The places in a new pack, each entry read through once against its checksum.
fn verified_places(staged: &Staged) -> Result<Vec<EntryPlace>, ZipError> {
    let mut archive = ZipArchive::new(BufReader::new(File::open(staged.part())?))?;
    for i in 0..archive.len() {
        io::copy(&mut archive.by_index(i)?, &mut io::sink())?;
    }
    places(&mut archive)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::pack::PackBuilder;

    #[test]
    fn a_bundle_has_no_more_entries_than_a_zip_has_room_for() {
        let folder = tempfile::tempdir().unwrap();
        let store = RawStore::open(folder.path().to_path_buf()).unwrap();
        let (_, day) = store.day_folder(&DatasetName::new("t", "d")).unwrap();
        let mut pack = PackBuilder::new();
        (0..7_000).for_each(|i| pack.add(&i.to_string(), 0, b"").unwrap());
        let (bytes, _) = pack.finish().unwrap();
        for _ in 0..17 {
            fs::write(day.join(names::new_pack()), &bytes).unwrap();
        }
        let later = SystemTime::now() + Duration::from_secs(60);
        let groups = store.bundles(later, Duration::ZERO).unwrap();
        assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [8, 8]);
    }

    /// A feed that is polled every 30 seconds, for 100 days, bundled each hour.
    #[test]
    fn a_feed_leaves_few_packs_and_its_bytes_are_seldom_copied() {
        const HOURLY: usize = 120;
        const POLL_BYTES: u64 = 20_000;
        let mut packs: Vec<u64> = Vec::new();
        let (mut copied, mut most) = (0, 0);
        for hour in 0..2400_u64 {
            packs.extend(std::iter::repeat_n(POLL_BYTES, HOURLY));
            let kept = packs.iter().enumerate().map(|(i, size)| Kept {
                relative: i.to_string(),
                path: PathBuf::new(),
                name: String::new(),
                size_bytes: *size,
                made_ns: 0,
            });
            let groups = tiers(kept.filter(|k| k.size_bytes < BUNDLED_BYTES).collect());
            let mut gone: Vec<usize> = Vec::new();
            for group in groups.into_iter().filter(|g| g.len() >= BUNDLE_PACKS) {
                let size = group.iter().map(|k| k.size_bytes).sum();
                gone.extend(group.iter().map(|k| k.relative.parse::<usize>().unwrap()));
                copied += size;
                packs.push(size);
            }
            gone.sort_unstable();
            gone.into_iter().rev().for_each(|i| {
                packs.remove(i);
            });
            let small = packs.iter().filter(|size| **size < BUNDLED_BYTES).count();
            most = most.max(small);
            assert_eq!(packs.iter().sum::<u64>(), (hour + 1) * HOURLY as u64 * POLL_BYTES);
        }
        assert!(most <= 2 * BUNDLE_PACKS, "{most} packs wait to be bundled");
        let total: u64 = packs.iter().sum();
        assert!(copied <= 3 * total, "each byte was copied {} times", copied as f64 / total as f64);
    }
}
