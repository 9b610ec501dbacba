//! Random lives of a ledger against a model simple enough to be seen right.

use std::collections::{BTreeMap, BTreeSet};

use lakegate_domain::job::FileState;
use lakegate_domain::model::{OnChange, SameBytes};
use lakegate_domain::{FileId, Seq};
use lakegate_state::{Accepted, Arrival, FileFilter, Filter, Limits, Millis, Outcome};

use crate::*;

struct File {
    path: String,
    bytes: String,
    state: FileState,
    replaces: bool,
    /// The original of a duplicate.
    of: Option<usize>,
}

impl File {
    fn is_live(&self) -> bool {
        matches!(self.state, FileState::Queued | FileState::Leased | FileState::Committed | FileState::Parked)
    }
}

/// The rules, said with loops over everything. Ids count from 1.
#[derive(Default)]
struct Model {
    files: Vec<File>,
    /// The file that a path stands for, and the one last seen there.
    paths: BTreeMap<String, (usize, usize)>,
    last_seq: i64,
    /// Open jobs by seq.
    open: BTreeMap<i64, usize>,
    /// Files that were replaced and whose duplicates are still to be seen to.
    gone: Vec<usize>,
}

impl Model {
    fn add(&mut self, path: &str, bytes: &str, state: FileState, replaces: bool) -> usize {
        self.files.push(File { path: path.into(), bytes: bytes.into(), state, replaces, of: None });
        self.files.len()
    }

    fn queue(&mut self, path: &str, bytes: &str, replaces: bool) -> Accepted {
        let file = self.add(path, bytes, FileState::Queued, replaces);
        self.paths.insert(path.into(), (file, file));
        self.last_seq += 1;
        self.open.insert(self.last_seq, file);
        queued(file as i64, self.last_seq)
    }

    fn accept(&mut self, path: &str, bytes: &str, on_change: OnChange, same_bytes: SameBytes) -> Accepted {
        let Some(&(latest, seen)) = self.paths.get(path) else {
            let original = self.files.iter().position(|f| f.bytes == bytes && f.is_live());
            if let (Some(original), SameBytes::Duplicate) = (original, same_bytes) {
                let file = self.add(path, bytes, FileState::Duplicate, false);
                self.files[file - 1].of = Some(original + 1);
                self.paths.insert(path.into(), (file, file));
                return duplicate(file as i64, original as i64 + 1);
            }
            return self.queue(path, bytes, false);
        };
        if self.files[latest - 1].bytes == bytes {
            self.paths.insert(path.into(), (latest, latest));
            return touched(latest as i64);
        }
        let last = &self.files[latest - 1];
        let parked = last.state == FileState::Parked
            || last.of.is_some_and(|of| self.files[of - 1].state == FileState::Parked);
        match on_change {
            OnChange::Ignore if parked => self.replace(path, bytes),
            OnChange::Ignore if self.files[seen - 1].bytes == bytes => touched(seen as i64),
            OnChange::Ignore => {
                let file = self.add(path, bytes, FileState::Ignored, false);
                self.paths.insert(path.into(), (latest, file));
                ignored(file as i64, latest as i64)
            }
            OnChange::Append => self.queue(path, bytes, false),
            OnChange::Replace => self.replace(path, bytes),
        }
    }

    fn replace(&mut self, path: &str, bytes: &str) -> Accepted {
        for (i, file) in self.files.iter_mut().enumerate() {
            if file.path == path && file.state == FileState::Parked {
                file.state = FileState::Replaced;
                self.gone.push(i + 1);
            }
        }
        self.queue(path, bytes, true)
    }

    /// Duplicates of files that have gone: the bytes are another live file's, or
    /// the first duplicate that its path stands for brings them.
    fn succeed(&mut self) {
        let gone = std::mem::take(&mut self.gone);
        let orphans: Vec<usize> = (1..=self.files.len())
            .filter(|f| {
                let file = &self.files[f - 1];
                file.state == FileState::Duplicate && file.of.is_some_and(|of| gone.contains(&of))
            })
            .collect();
        let mut originals: BTreeMap<String, usize> = BTreeMap::new();
        for &orphan in &orphans {
            let bytes = self.files[orphan - 1].bytes.clone();
            if originals.contains_key(&bytes) {
                continue;
            }
            if let Some(live) = self.files.iter().position(|f| f.bytes == bytes && f.is_live()) {
                originals.insert(bytes, live + 1);
            } else if self.paths[&self.files[orphan - 1].path].0 == orphan {
                self.files[orphan - 1].state = FileState::Queued;
                self.files[orphan - 1].of = None;
                self.last_seq += 1;
                self.open.insert(self.last_seq, orphan);
                originals.insert(bytes, orphan);
            }
        }
        for orphan in orphans {
            let file = &mut self.files[orphan - 1];
            if let Some(&original) = originals.get(&file.bytes).filter(|o| **o != orphan) {
                file.of = Some(original);
            }
        }
    }

    /// What a file replaces, as ids.
    fn replaces(&self, file: usize) -> Vec<FileId> {
        let by = &self.files[file - 1];
        if !by.replaces {
            return Vec::new();
        }
        (1..file)
            .filter(|f| self.files[f - 1].path == by.path && self.files[f - 1].is_live())
            .map(|f| FileId(f as i64))
            .collect()
    }

    fn finish(&mut self, file: usize) {
        self.files[file - 1].state = FileState::Committed;
        for replaced in self.replaces(file) {
            self.files[replaced.0 as usize - 1].state = FileState::Replaced;
            self.open.retain(|_, f| *f as i64 != replaced.0);
            self.gone.push(replaced.0 as usize);
        }
    }

    fn park(&mut self, file: usize) {
        let path = &self.files[file - 1].path;
        let superseded = self.files[file..].iter().any(|f| f.path == *path && f.replaces && f.is_live());
        self.files[file - 1].state = if superseded { FileState::Replaced } else { FileState::Parked };
        if superseded {
            self.gone.push(file);
            self.succeed();
        }
    }

    fn states(&self) -> Vec<&'static str> {
        self.files.iter().map(|f| f.state.name()).collect()
    }
}

fn random_arrivals(rng: &mut fastrand::Rng) -> Vec<Arrival> {
    (0..rng.usize(1..8))
        .map(|_| {
            let on_change = *rng
                .choice(&[OnChange::Replace, OnChange::Replace, OnChange::Append, OnChange::Ignore])
                .unwrap();
            let same_bytes = *rng.choice(&[SameBytes::Duplicate, SameBytes::Load]).unwrap();
            let path = format!("p{}", rng.u32(0..6));
            Arrival { on_change, same_bytes, ..arrival(&path, &format!("b{}", rng.u32(0..8))) }
        })
        .collect()
}

fn word(fingerprint: &str) -> String {
    fingerprint.trim_end_matches('0').to_string()
}

/// One life: arrivals in random batches; claims that are finished, parked,
/// retried, or lost by a kill; redrives. After every step the ledger's states
/// are the model's, and the rows that a table would hold are those of the
/// committed files.
async fn live(seed: u64, steps: usize) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let ledger = Ledger::new().await;
    let mut model = Model::default();
    let mut table: BTreeSet<FileId> = BTreeSet::new();
    // The token of the last commit: no job up to it may be parked any more.
    let mut token = Seq(0);
    let mut owner = 0;
    for step in 0..steps {
        let now = Millis(step as i64);
        match rng.u32(0..10) {
            0..5 => {
                let arrivals = random_arrivals(&mut rng);
                let expected: Vec<Accepted> = arrivals
                    .iter()
                    .map(|a| model.accept(&a.sighting.path, &word(&a.fingerprint), a.on_change, a.same_bytes))
                    .collect();
                let answers = ledger.accept(&arrivals, now).await.unwrap();
                assert_eq!(answers, expected, "seed {seed}, step {step}");
                model.succeed();
            }
            5..9 => {
                let limits = Limits { max_files: rng.u32(1..6), max_bytes: u64::MAX };
                let name = format!("owner{owner}");
                let claim = ledger.claim(&lane(), &name, limits, LEASE, now).await.unwrap();
                let Some(claim) = claim else {
                    assert!(model.open.is_empty(), "seed {seed}, step {step}: open jobs were not claimed");
                    continue;
                };
                let expected: Vec<(Seq, FileId)> = model
                    .open
                    .iter()
                    .take(claim.jobs.len())
                    .map(|(seq, file)| (Seq(*seq), FileId(*file as i64)))
                    .collect();
                let claimed: Vec<(Seq, FileId)> = claim.jobs.iter().map(|j| (j.seq, j.file_id)).collect();
                assert_eq!(claimed, expected, "seed {seed}, step {step}");
                let batch: BTreeSet<FileId> = claim.jobs.iter().map(|j| j.file_id).collect();
                let killed = rng.u32(0..6) == 0;
                let mut outcomes: Vec<Outcome> = Vec::new();
                for job in &claim.jobs {
                    assert_eq!(
                        job.replaces,
                        model.replaces(job.file_id.0 as usize),
                        "seed {seed}, step {step}"
                    );
                    assert!(job.replaces.iter().all(|f| !batch.contains(f)), "seed {seed}, step {step}");
                }
                for job in &claim.jobs {
                    match rng.u32(0..8) {
                        0 if !killed && job.seq > token => {
                            ledger.park(job.file_id, job.job_id, &malformed(), None, now).await.unwrap();
                            model.open.remove(&job.seq.0);
                            model.park(job.file_id.0 as usize);
                        }
                        _ => outcomes.push(outcome(job)),
                    }
                }
                // The tables' commit comes first; a kill between it and the
                // ledger leaves the same jobs to be claimed again.
                let done: BTreeSet<FileId> = outcomes.iter().map(|o| o.file_id).collect();
                for job in claim.jobs.iter().filter(|j| done.contains(&j.file_id)) {
                    table.insert(job.file_id);
                    token = token.max(job.seq);
                    job.replaces.iter().for_each(|f| {
                        table.remove(f);
                    });
                }
                if killed {
                    owner += 1;
                    ledger.take_over(&format!("owner{owner}"), now).await.unwrap();
                    let lost = ledger.finish(&lane(), &name, &outcomes, &[], RUN, now).await;
                    assert!(lost.is_err(), "seed {seed}, step {step}: finished without the lease");
                } else {
                    ledger.finish(&lane(), &name, &outcomes, &[], RUN, now).await.unwrap();
                    for job in claim.jobs.iter().filter(|j| done.contains(&j.file_id)) {
                        model.open.remove(&job.seq.0);
                        model.finish(job.file_id.0 as usize);
                    }
                    model.succeed();
                    ledger.release(&lane(), &name, now).await.unwrap();
                }
            }
            _ => {
                let all = Filter { all: true, ..Filter::default() };
                for file_id in ledger.redrive(&all, false, now).await.unwrap() {
                    let file = &mut model.files[file_id.0 as usize - 1];
                    assert_eq!(file.state, FileState::Parked, "seed {seed}, step {step}");
                    file.state = FileState::Queued;
                    model.last_seq += 1;
                    model.open.insert(model.last_seq, file_id.0 as usize);
                }
            }
        }
        let mut files = ledger.files(&FileFilter::default()).await.unwrap();
        files.reverse();
        let states: Vec<&str> = files.iter().map(|f| f.state.name()).collect();
        assert_eq!(states, model.states(), "seed {seed}, step {step}");
        let known = ledger.known("landing/bus").await.unwrap();
        assert_eq!(known.len(), model.paths.len(), "seed {seed}, step {step}");
        for (path, (_, seen)) in &model.paths {
            assert_eq!(known[path].file_id, FileId(*seen as i64), "seed {seed}, step {step}, path {path}");
        }
    }
    // Once everything open is committed, the tables hold the committed files'
    // rows and no others.
    while let Some(claim) = ledger.claim_all("last", i64::from(u32::MAX)).await {
        for job in &claim.jobs {
            table.insert(job.file_id);
            job.replaces.iter().for_each(|f| {
                table.remove(f);
            });
        }
        let outcomes: Vec<Outcome> = claim.jobs.iter().map(outcome).collect();
        ledger.finish(&lane(), "last", &outcomes, &[], RUN, Millis(0)).await.unwrap();
    }
    let replayable = ledger.replayable(&dataset()).await.unwrap();
    let held: BTreeSet<FileId> = replayable.iter().map(|r| r.job.file_id).collect();
    assert_eq!(table, held, "seed {seed}");
}

#[tokio::test]
async fn random_lives_follow_the_model() {
    for seed in 0..24 {
        live(seed, 40).await;
    }
}

/// What it is all for, said without any of the rules: where names that change
/// are replaced and equal bytes are loaded once, and nothing waits for a person,
/// the tables hold exactly the bytes that the names show.
#[tokio::test]
async fn tables_hold_the_bytes_that_the_names_show() {
    for seed in 0..40 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let ledger = Ledger::new().await;
        let mut shown: BTreeMap<String, String> = BTreeMap::new();
        for step in 0..40 {
            let arrivals: Vec<Arrival> = (0..rng.usize(1..6))
                .map(|_| arrival(&format!("p{}", rng.u32(0..6)), &format!("b{}", rng.u32(0..5))))
                .collect();
            ledger.accept(&arrivals, Millis(step)).await.unwrap();
            shown.extend(arrivals.into_iter().map(|a| (a.sighting.path, word(&a.fingerprint))));
            let limits = Limits { max_files: rng.u32(1..4), max_bytes: u64::MAX };
            let Some(claim) = ledger.claim(&lane(), "w", limits, LEASE, Millis(step)).await.unwrap() else {
                continue;
            };
            match claim.jobs.iter().find(|_| rng.u32(0..10) == 0) {
                // Mended at once, by other bytes under its name.
                Some(job) => {
                    ledger.park(job.file_id, job.job_id, &malformed(), None, Millis(step)).await.unwrap();
                    let bytes = format!("mended{step}");
                    ledger.accept(&[arrival(&job.path, &bytes)], Millis(step)).await.unwrap();
                    shown.insert(job.path.clone(), word(&fingerprint(&bytes)));
                }
                None => {
                    let outcomes: Vec<Outcome> = claim.jobs.iter().map(outcome).collect();
                    ledger.finish(&lane(), "w", &outcomes, &[], RUN, Millis(step)).await.unwrap();
                }
            }
        }
        ledger.drain("w", 1000).await;
        let files = ledger.files(&FileFilter::default()).await.unwrap();
        let committed = files.iter().filter(|f| f.state == FileState::Committed);
        let held: BTreeSet<String> = committed.map(|f| word(&f.fingerprint)).collect();
        let shown: BTreeSet<String> = shown.into_values().collect();
        assert_eq!(held, shown, "seed {seed}");
    }
}
