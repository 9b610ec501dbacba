//! Landed files to accepted jobs: list, route, settle, receive, accept,
//! dispose.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lakegate_domain::model::{Dataset, Lake};
use lakegate_domain::route::{self, Groups, Routed};
use lakegate_domain::{DatasetName, Failure};
use lakegate_land::{Seen, Settler, Wanted, archive_folder, dispose, ensure, list};
use lakegate_state::{Accepted, Arrival, Known, RawRef, Sighting, Stray, StrayReason};

use crate::context::{Context, ledger, now};
use crate::failpoint;

/// Files received and accepted at a time.
const RECEIVE_FILES: usize = 1000;

/// One landing folder and the datasets that share it.
struct Zone {
    folder: PathBuf,
    key: String,
    datasets: Vec<Arc<Dataset>>,
    inner: Vec<PathBuf>,
    known: HashMap<String, Known>,
}

/// Finds and takes landed files, round after round.
pub struct Intake {
    zones: Vec<Zone>,
    settler: Settler,
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
            zones.push(Zone { folder, key, datasets, inner, known });
        }
        Ok(Self { zones, settler: Settler::new() })
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
        let mut routes: HashMap<String, (Arc<Dataset>, Groups)> = HashMap::new();
        let mut new: Vec<Seen> = Vec::new();
        for seen in listing.files {
            let known = zone.known.get(&seen.path);
            if known.is_some_and(|k| k.size_bytes == seen.size_bytes && k.mtime_ns == seen.mtime_ns) {
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
        let now_ns = now().0 * 1_000_000;
        let sifted = self.settler.sift(&zone.folder, new, renamed_in, now_ns, &|s| routes[&s.path].0.settle);
        round.n_waiting = sifted.n_waiting;
        round.next = sifted.next;
        for batch in sifted.settled.chunks(RECEIVE_FILES) {
            if ctx.stopping() {
                break;
            }
            take(ctx, zone, batch, &routes, &mut round, &mut strays)?;
            accepted(&round);
        }
        round.n_strays = strays.len();
        if only.is_none() {
            ctx.block(ctx.store.strays(&zone.key, &strays, now()))?;
        }
        Ok(round)
    }
}

/// The zone's name in the ledger: relative where it lies in the lake's folder,
/// so that a lake may be moved.
pub fn zone_key(lake: &Lake, folder: &std::path::Path) -> String {
    folder.strip_prefix(&lake.root).unwrap_or(folder).to_string_lossy().into_owned()
}

/// Receives one batch of settled files and accepts them in one transaction.
fn take(
    ctx: &Context,
    zone: &mut Zone,
    batch: &[Seen],
    routes: &HashMap<String, (Arc<Dataset>, Groups)>,
    round: &mut Round,
    strays: &mut Vec<Stray>,
) -> Result<(), Failure> {
    let wanted = batch
        .iter()
        .map(|seen| {
            let dataset = &routes[&seen.path].0;
            Wanted { dataset: &dataset.name, seen: seen.clone(), on_change: dataset.on_change }
        })
        .collect();
    let received = ctx.raw.receive(wanted, &|_, _| false);
    ctx.failpoints.pass(failpoint::RECEIVED);
    let mut arrivals = Vec::new();
    let mut taken: Vec<Seen> = Vec::new();
    for outcome in received {
        match outcome {
            Ok(r) => {
                let (dataset, groups) = &routes[&r.seen.path];
                let Some(raw) = r.raw else { continue };
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
                // A full disk stops the intake; the next round tries again.
                lakegate_domain::Code::DiskFull | lakegate_domain::Code::Storage => return Err(failure),
                // It changes or vanishes: the next round sees what became of it.
                lakegate_domain::Code::Changed => round.n_waiting += 1,
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
            Known { size_bytes: seen.size_bytes, mtime_ns: seen.mtime_ns, file_id: *file_id },
        );
    }
    // Its bytes are the lake's own now: the landed file has done its work.
    let mut folders: BTreeMap<&DatasetName, PathBuf> = BTreeMap::new();
    for (arrival, seen) in arrivals.iter().zip(&taken) {
        let dataset = &routes[&seen.path].0;
        let folder = folders
            .entry(&dataset.name)
            .or_insert_with(|| archive_folder(&ctx.lake.storage, &arrival.dataset, SystemTime::now()));
        if let Err(warning) = dispose(seen, dataset.after, folder) {
            round.warnings.push(warning);
        }
    }
    ctx.failpoints.pass(failpoint::DISPOSED);
    Ok(())
}
