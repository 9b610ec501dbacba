//! Landed files to accepted jobs: list, route, settle, receive, accept,
//! dispose.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lakegate_domain::model::{After, Dataset, Lake};
use lakegate_domain::route::{self, Groups, Routed};
use lakegate_domain::{Code, DatasetName, Failure};
use lakegate_land::{Seen, Settler, Wanted, archive_folder, dispose, ensure, list};
use lakegate_state::{Accepted, Arrival, Known, RawRef, Sighting, Stray, StrayReason};

use crate::abreast;
use crate::context::{Context, ledger, now};
use crate::failpoint;

/// Files received and accepted at a time.
const RECEIVE_FILES: usize = 1000;

/// When a file that changed while it was read is looked at again, at the least.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// One landing folder and the datasets that share it.
struct Zone {
    folder: PathBuf,
    key: String,
    datasets: Vec<Arc<Dataset>>,
    inner: Vec<PathBuf>,
    known: HashMap<String, Known>,
    /// Whether the known names were compared with today's routes.
    routed: bool,
    /// Landed files that could not be archived or deleted, as long as this
    /// process lives.
    stuck: HashSet<String>,
}

/// Finds and takes landed files, round after round.
pub struct Intake {
    zones: Vec<Zone>,
    settler: Settler,
    /// Datasets whose tables the ledger was compared with.
    abreast: HashSet<DatasetName>,
}

/// What a round came to.
#[derive(Clone, Debug, Default)]
pub struct Round {
    pub n_listed: usize,
    pub n_queued: usize,
    pub n_touched: usize,
    pub n_duplicates: usize,
    pub n_ignored: usize,
    pub n_strays: usize,
    /// Files that are still being written.
    pub n_waiting: usize,
    /// When the first of those can be ready.
    pub next: Option<Duration>,
    /// Sentences for people: what could not be listed, read or removed.
    pub warnings: Vec<String>,
}

impl Round {
    /// This and what another zone came to.
    fn with(&self, zone: Round) -> Round {
        let mut all = self.clone();
        all.add(zone);
        all.n_strays += self.n_strays;
        all.n_waiting += self.n_waiting;
        all.next = [all.next, self.next].into_iter().flatten().min();
        all
    }

    /// Adds a later round; what waits and what is unmatched is as that one says.
    pub fn add(&mut self, other: Round) {
        self.n_listed = other.n_listed;
        self.n_queued += other.n_queued;
        self.n_touched += other.n_touched;
        self.n_duplicates += other.n_duplicates;
        self.n_ignored += other.n_ignored;
        self.n_strays = other.n_strays;
        self.n_waiting = other.n_waiting;
        self.next = other.next;
        for w in other.warnings {
            if !self.warnings.contains(&w) {
                self.warnings.push(w);
            }
        }
    }
}

/// The landing folders of a lake.
pub fn landing_folders(lake: &Lake) -> Vec<PathBuf> {
    route::zones(lake).into_iter().map(|(folder, _)| folder).collect()
}

impl Intake {
    pub fn new(ctx: &Context) -> Result<Self, Failure> {
        let all = route::zones(&ctx.lake);
        let folders: Vec<PathBuf> = all.iter().map(|(f, _)| f.clone()).collect();
        let mut zones = Vec::new();
        for (folder, datasets) in all {
            let key = zone_key(&ctx.lake, &folder);
            let inner = folders.iter().filter(|f| **f != folder && f.starts_with(&folder)).cloned().collect();
            let known = ctx.block(ctx.store.known(&key))?;
            let stuck = HashSet::new();
            zones.push(Zone { folder, key, datasets, inner, known, routed: false, stuck });
        }
        Ok(Self { zones, settler: Settler::new(), abreast: HashSet::new() })
    }

    /// Looks through all zones once and takes what is new and settled; where
    /// `touched` paths are given, only through the zones that hold one.
    /// `accepted` is told what the round came to, after each batch.
    pub fn round(
        &mut self,
        ctx: &Context,
        renamed_in: &HashSet<PathBuf>,
        only: Option<&DatasetName>,
        touched: Option<&[PathBuf]>,
        accepted: &dyn Fn(&Round),
    ) -> Result<Round, Failure> {
        let mut total = Round::default();
        for i in 0..self.zones.len() {
            if ctx.stopping() {
                break;
            }
            if touched.is_some_and(|paths| !paths.iter().any(|p| p.starts_with(&self.zones[i].folder))) {
                continue;
            }
            if only.is_some_and(|d| !self.zones[i].datasets.iter().any(|x| &x.name == d)) {
                continue;
            }
            let one = self.zone(ctx, i, renamed_in, only, &|now| accepted(&total.with(now.clone())))?;
            total = total.with(one);
        }
        Ok(total)
    }

    fn zone(
        &mut self,
        ctx: &Context,
        at: usize,
        renamed_in: &HashSet<PathBuf>,
        only: Option<&DatasetName>,
        accepted: &dyn Fn(&Round),
    ) -> Result<Round, Failure> {
        let zone = &mut self.zones[at];
        let mut round = Round::default();
        if let Err(problem) = ensure(&zone.folder) {
            round.warnings.push(format!("{}: {}", problem.path.display(), problem.message));
        }
        let listing = list(&zone.folder, &zone.inner);
        round.n_listed = listing.files.len();
        let mut strays: Vec<Stray> = Vec::new();
        for p in listing.problems {
            let path = p.path.strip_prefix(&zone.folder).unwrap_or(&p.path).to_string_lossy().into_owned();
            round.warnings.push(format!("{}: {}", p.path.display(), p.message));
            strays.push(Stray { path, reason: StrayReason::Unreadable, detail: p.message, size_bytes: 0 });
        }
        let today = SystemTime::now();
        let disposing: HashMap<DatasetName, (Arc<Dataset>, PathBuf)> = zone
            .datasets
            .iter()
            .filter(|d| d.after != After::Keep)
            .map(|d| (d.name.clone(), (d.clone(), archive_folder(&ctx.lake.storage, &d.name, today))))
            .collect();
        let mut routes: HashMap<String, (Arc<Dataset>, Groups)> = HashMap::new();
        let mut new: Vec<Seen> = Vec::new();
        for seen in listing.files {
            if let Some(owner) = zone.owner(&seen)
                && (zone.routed || !zone.has_moved(&owner, &seen))
            {
                if only.is_none_or(|d| *d == *owner)
                    && let Some((dataset, folder)) = disposing.get(&*owner)
                {
                    // A kill or a failure has left it.
                    zone.dispose(&seen, dataset.after, folder, &mut round);
                }
                continue;
            }
            match route::route(&zone.datasets, &seen.path) {
                Routed::Junk => {}
                Routed::To(dataset, groups) => {
                    if only.is_none_or(|d| *d == dataset.name) {
                        routes.insert(seen.path.clone(), (dataset, groups));
                        new.push(seen);
                    }
                }
                Routed::Unmatched { nearest } => {
                    let nearest: Vec<String> = nearest.iter().map(ToString::to_string).collect();
                    strays.push(Stray {
                        path: seen.path,
                        reason: StrayReason::Unmatched,
                        detail: format!(
                            "no dataset's `match` takes this name; nearest: {}",
                            nearest.join(", ")
                        ),
                        size_bytes: seen.size_bytes,
                    });
                }
                Routed::Ambiguous { datasets } => {
                    let names: Vec<String> = datasets.iter().map(ToString::to_string).collect();
                    strays.push(Stray {
                        path: seen.path,
                        reason: StrayReason::Ambiguous,
                        detail: format!("more than one dataset takes this name: {}", names.join(", ")),
                        size_bytes: seen.size_bytes,
                    });
                }
            }
        }
        zone.routed |= only.is_none();
        let now_ns = now().0 * 1_000_000;
        let sifted = self.settler.sift(&zone.folder, new, renamed_in, now_ns, &|s| routes[&s.path].0.settle);
        round.n_waiting = sifted.n_waiting;
        round.next = sifted.next;
        for seen in &sifted.settled {
            let name = &routes[&seen.path].0.name;
            if !self.abreast.contains(name) {
                abreast::check(ctx, name)?;
                self.abreast.insert(name.clone());
            }
        }
        for batch in sifted.settled.chunks(RECEIVE_FILES) {
            if ctx.stopping() {
                break;
            }
            take(ctx, zone, batch, &routes, &disposing, &mut round, &mut strays)?;
            accepted(&round);
        }
        round.n_strays = strays.len();
        if only.is_none() {
            ctx.block(ctx.store.strays(&zone.key, &strays, now()))?;
        }
        Ok(round)
    }
}

impl Zone {
    /// The dataset that has taken exactly this file, by its name, size and time.
    fn owner(&self, seen: &Seen) -> Option<Arc<DatasetName>> {
        let known = self.known.get(&seen.path)?;
        (known.size_bytes == seen.size_bytes && known.mtime_ns == seen.mtime_ns)
            .then(|| known.dataset.clone())
    }

    /// Whether today's routes give the file to another dataset.
    fn has_moved(&self, owner: &DatasetName, seen: &Seen) -> bool {
        matches!(route::route(&self.datasets, &seen.path), Routed::To(d, _) if d.name != *owner)
    }

    /// Archives or deletes a landed file whose bytes are the lake's own. What
    /// cannot be is said once and left alone.
    fn dispose(&mut self, seen: &Seen, after: After, folder: &Path, round: &mut Round) {
        if self.stuck.contains(&seen.path) {
            return;
        }
        if let Err(warning) = dispose(seen, after, folder) {
            round.warnings.push(warning);
            self.stuck.insert(seen.path.clone());
        }
    }
}

/// The zone's name in the ledger: relative where it lies in the lake's folder,
/// so that a lake may be moved.
pub fn zone_key(lake: &Lake, folder: &Path) -> String {
    folder.strip_prefix(&lake.root).unwrap_or(folder).to_string_lossy().into_owned()
}

/// Receives one batch of settled files and accepts them in one transaction.
fn take(
    ctx: &Context,
    zone: &mut Zone,
    batch: &[Seen],
    routes: &HashMap<String, (Arc<Dataset>, Groups)>,
    disposing: &HashMap<DatasetName, (Arc<Dataset>, PathBuf)>,
    round: &mut Round,
    strays: &mut Vec<Stray>,
) -> Result<(), Failure> {
    let wanted = batch
        .iter()
        .map(|seen| {
            let dataset = &routes[&seen.path].0;
            let is_text = dataset.read.is_streamed_text(&seen.path);
            Wanted { dataset: &dataset.name, seen: seen.clone(), after: dataset.after, is_text }
        })
        .collect();
    let received = ctx.raw.receive(wanted);
    ctx.failpoints.pass(failpoint::RECEIVED);
    let mut arrivals = Vec::new();
    let mut taken: Vec<Seen> = Vec::new();
    let mut failed: Option<Failure> = None;
    for outcome in received {
        match outcome {
            Ok(r) => {
                let (dataset, groups) = &routes[&r.seen.path];
                let raw = r.raw;
                arrivals.push(Arrival {
                    dataset: dataset.name.clone(),
                    landing: zone.key.clone(),
                    sighting: Sighting {
                        path: r.seen.path.clone(),
                        size_bytes: r.seen.size_bytes,
                        mtime_ns: r.seen.mtime_ns,
                    },
                    fingerprint: r.fingerprint,
                    raw: RawRef {
                        pack: raw.pack,
                        offset: raw.offset,
                        stored_bytes: raw.stored_bytes,
                        method: raw.method.name().to_string(),
                    },
                    groups: groups.clone(),
                    on_change: dataset.on_change,
                    same_bytes: dataset.same_bytes,
                });
                taken.push(r.seen);
            }
            Err((seen, failure)) => match failure.code {
                // A full disk stops the intake, once what was received is accepted;
                // the next round tries again.
                Code::DiskFull | Code::Storage => failed = Some(failure),
                // It changes or vanishes: the next round sees what became of it.
                Code::Changed => {
                    round.n_waiting += 1;
                    let again = routes[&seen.path].0.settle.max(LOOK_AGAIN);
                    round.next = Some(round.next.map_or(again, |next| next.min(again)));
                }
                _ => {
                    round.warnings.push(failure.to_string());
                    strays.push(Stray {
                        path: seen.path,
                        reason: StrayReason::Unreadable,
                        detail: failure.message,
                        size_bytes: seen.size_bytes,
                    });
                }
            },
        }
    }
    let accepted = ctx.runtime.block_on(ctx.store.accept(&arrivals, now())).map_err(ledger)?;
    ctx.failpoints.pass(failpoint::ACCEPTED);
    let mut names: HashMap<&DatasetName, Arc<DatasetName>> = HashMap::new();
    for ((accepted, arrival), seen) in accepted.iter().zip(&arrivals).zip(&taken) {
        let file_id = match accepted {
            Accepted::Queued { file_id, .. } => {
                round.n_queued += 1;
                file_id
            }
            Accepted::Touched { file_id } => {
                round.n_touched += 1;
                file_id
            }
            Accepted::Duplicate { file_id, .. } => {
                round.n_duplicates += 1;
                file_id
            }
            Accepted::Ignored { file_id, .. } => {
                round.n_ignored += 1;
                file_id
            }
        };
        zone.known.insert(
            arrival.sighting.path.clone(),
            Known {
                size_bytes: seen.size_bytes,
                mtime_ns: seen.mtime_ns,
                file_id: *file_id,
                dataset: names
                    .entry(&arrival.dataset)
                    .or_insert_with(|| arrival.dataset.clone().into())
                    .clone(),
            },
        );
        // What could not be disposed of may be another file by now.
        zone.stuck.remove(&arrival.sighting.path);
    }
    // Its bytes are the lake's own now: the landed file has done its work.
    for seen in &taken {
        if let Some((dataset, folder)) = disposing.get(&routes[&seen.path].0.name) {
            zone.dispose(seen, dataset.after, folder, round);
        }
    }
    ctx.failpoints.pass(failpoint::DISPOSED);
    failed.map_or(Ok(()), Err)
}
