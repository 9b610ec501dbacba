//! Claims lanes and brings their files into tables, until nothing is left.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lakegate_domain::failure::{Verdict, verdict};
use lakegate_domain::{Code, DatasetName, Failure, FileId, LaneName, RunId};
use lakegate_state::{Job, Limits, RunStatus};

use crate::abreast;
use crate::context::{Context, now};
use crate::failpoint;
use crate::ingest::tables::Tables;
use crate::ingest::{self, Desk, Done, Setback};
use crate::mishap::caught;

/// How long a lane is ours without a sign of life.
const LEASE_MS: i64 = 60_000;
/// Text of small files that one claim may hold.
const CLAIM_BYTES: u64 = 32 << 20;

/// Works through lanes; keeps what it knows of tables between claims.
#[derive(Default)]
pub struct Worker {
    tables: HashMap<DatasetName, Tables>,
    /// Lanes in which a batch met a mistake of this program: their files are
    /// worked on one by one until the one is found at which it happens.
    singly: HashSet<LaneName>,
    /// Whether all tables are about to be rebuilt: one that is gone may be made
    /// anew.
    before_rebuild: bool,
}

/// A file that waits for a person, and why.
#[derive(Clone, Debug)]
pub struct Parked {
    pub file_id: FileId,
    pub dataset: DatasetName,
    /// Below its landing folder.
    pub path: String,
    pub failure: Failure,
}

/// How columns of several files fared with one quality check.
#[derive(Clone, Debug, Default)]
pub struct FailedCheck {
    /// Values of the files in which some failed.
    pub n_checked: u64,
    pub n_failed: u64,
    /// The first that failed in the first of the files: its row, its first
    /// coordinate and what it is.
    pub first: (u64, Option<String>, String),
}

impl FailedCheck {
    fn add(&mut self, o: FailedCheck) {
        if self.n_failed == 0 {
            self.first = o.first;
        }
        self.n_checked += o.n_checked;
        self.n_failed += o.n_failed;
    }
}

/// What working came to.
#[derive(Clone, Debug, Default)]
pub struct Worked {
    pub n_committed: u64,
    pub n_rows: u64,
    pub n_quarantined: u64,
    pub n_dropped: u64,
    pub parked: Vec<Parked>,
    pub rows_by_table: BTreeMap<String, u64>,
    /// Quality checks that values failed, by table and name.
    pub quality: BTreeMap<(String, String), FailedCheck>,
    /// When the earliest retry is due.
    pub retry_in: Option<Duration>,
    /// The newest failure that made a job wait.
    pub setback: Option<Failure>,
}

impl Worked {
    pub fn add(&mut self, o: Worked) {
        self.n_committed += o.n_committed;
        self.n_rows += o.n_rows;
        self.n_quarantined += o.n_quarantined;
        self.n_dropped += o.n_dropped;
        self.parked.extend(o.parked);
        for (t, n) in o.rows_by_table {
            *self.rows_by_table.entry(t).or_default() += n;
        }
        for (check, o) in o.quality {
            self.quality.entry(check).or_default().add(o);
        }
        self.retry_in = o.retry_in;
        self.setback = o.setback.or(self.setback.take());
    }

    fn count(&mut self, done: &Done) {
        self.n_committed += done.outcomes.len() as u64;
        self.n_rows += done.n_rows();
        for t in done.outcomes.iter().flat_map(|o| &o.tables) {
            self.n_quarantined += t.n_quarantined;
            self.n_dropped += t.n_dropped + t.n_duplicate;
        }
        for r in done.outcomes.iter().flat_map(|o| &o.expectations) {
            // Expectations name rows and no values.
            if let (Some(&row), Some(value)) = (r.first_rows.first(), r.first_values.first()) {
                let first = (row, r.first_times.first().cloned(), value.clone());
                let failed = FailedCheck { n_checked: r.n_checked, n_failed: r.n_failed, first };
                self.quality.entry((r.table.to_string(), r.name.clone())).or_default().add(failed);
            }
        }
        for (t, n) in ingest::rows_by_table(&done.outcomes) {
            *self.rows_by_table.entry(t).or_default() += n;
        }
    }
}

impl Worker {
    /// A worker that clears the lanes before tables are rebuilt, `all` of them
    /// or some.
    pub fn before_rebuild(all: bool) -> Self {
        Self { before_rebuild: all, ..Self::default() }
    }

    /// Works until no lane has a job that is due, or the process is to stop.
    /// `progress` is told after each batch.
    pub fn drain(
        &mut self,
        ctx: &Context,
        only: Option<&DatasetName>,
        progress: &dyn Fn(&Worked),
    ) -> Result<Worked, Failure> {
        let mut total = Worked::default();
        loop {
            let mut any = false;
            let mut retry_in = None;
            for lane in ctx.block(ctx.store.lanes_with_work(now()))? {
                if only.is_some_and(|d| *d != lane.dataset) {
                    continue;
                }
                if let Some(at) = lane.not_before.filter(|at| *at > now()) {
                    let left = Duration::from_millis((at.0 - now().0).max(1) as u64);
                    retry_in = Some(retry_in.map_or(left, |r: Duration| r.min(left)));
                    continue;
                }
                while !ctx.stopping() {
                    let Some(worked) = self.claim(ctx, &lane.lane, &lane.dataset)? else { break };
                    any = true;
                    total.add(worked);
                    progress(&total);
                }
            }
            total.retry_in = retry_in;
            if !any || ctx.stopping() {
                return Ok(total);
            }
        }
    }

    /// Works on one claim; `None` where there is nothing to claim.
    fn claim(
        &mut self,
        ctx: &Context,
        lane: &LaneName,
        name: &DatasetName,
    ) -> Result<Option<Worked>, Failure> {
        let Some(dataset) = ctx.lake.dataset(name).cloned() else {
            // Its configuration is gone; its files wait until it is back.
            return Ok(None);
        };
        let limits = Limits {
            max_files: if self.singly.contains(lane) { 1 } else { ctx.lake.batch.max_files },
            max_bytes: ctx.lake.batch.max_bytes.min(CLAIM_BYTES),
        };
        let Some(claim) = ctx.block(ctx.store.claim(lane, &ctx.owner, limits, LEASE_MS, now()))? else {
            self.singly.remove(lane);
            return Ok(None);
        };
        ctx.failpoints.pass(failpoint::CLAIMED);
        let _heartbeat = Heartbeat::start(ctx, lane.clone());
        let run = ctx.block(ctx.store.start_run("ingest", Some(name), now()))?;
        let mut worked = Worked::default();
        let park = |job: &Job, failure: &Failure| -> Result<(), Failure> {
            ctx.block(ctx.store.park(job.file_id, job.job_id, failure, Some(run), now())).map(|_| ())
        };
        let finish = |done: &Done| -> Result<(), Failure> {
            ctx.block(ctx.store.finish(lane, &ctx.owner, &done.outcomes, &done.commits, run, now()))
        };
        let before_rebuild = self.before_rebuild;
        let tables = self.tables.entry(name.clone()).or_insert_with(|| {
            Tables::live(dataset.clone(), ctx.lake.storage.clone(), ingest::sink_options(ctx, &[]))
        });
        let mut done = Done::default();
        let desk = Desk { park: &park, finish: &finish };
        let only = <&[Job; 1]>::try_from(claim.jobs.as_slice()).ok().map(|[job]| Box::new(job.clone()));
        let doing = match &only {
            Some(job) => format!("loading {} ({}) of {name}", job.path, job.file_id),
            None => format!("loading {} files of {name}", claim.jobs.len()),
        };
        let result = caught(&doing, || {
            if tables.iter_mut().next().is_none() {
                match before_rebuild {
                    true => abreast::check_ledger(ctx, name)?,
                    false => abreast::check(ctx, name)?,
                }
            }
            ingest::ingest(ctx, &dataset, tables, lane, claim.jobs, &desk, &mut done)
        });
        worked.count(&done);
        worked.parked = done
            .parked
            .iter()
            .map(|(job, failure)| Parked {
                file_id: job.file_id,
                dataset: name.clone(),
                path: job.path.clone(),
                failure: failure.clone(),
            })
            .collect();
        match result {
            Ok(()) => self.end(ctx, run, &worked, None)?,
            // It is not known at which of several files it happens: nobody has to
            // wait, each goes alone.
            Err(Setback { failure, job: None }) if failure.code == Code::Bug && only.is_none() => {
                tracing::warn!(lane = %lane, "{failure}; its files go one by one");
                self.tables.remove(name);
                self.singly.insert(lane.clone());
                self.end(ctx, run, &worked, Some(&failure))?;
            }
            Err(mut setback) => {
                // What the tables look like now has to be read again.
                self.tables.remove(name);
                if setback.failure.code == Code::Bug {
                    setback.job = setback.job.or(only);
                    self.singly.remove(lane);
                }
                self.retry(ctx, lane, run, &setback)?;
                self.end(ctx, run, &worked, Some(&setback.failure))?;
                worked.setback = Some(setback.failure);
            }
        }
        ctx.block(ctx.store.release(lane, &ctx.owner, now()))?;
        self.remember_less(ctx, name);
        Ok(Some(worked))
    }

    /// Holds what is remembered of rows to its share of memory: other datasets'
    /// give way, the largest first. It is read again when it is needed.
    fn remember_less(&mut self, ctx: &Context, but: &DatasetName) {
        let others = self.tables.iter_mut().filter(|(name, _)| *name != but);
        let mut others: Vec<_> = others.map(|(_, t)| (t.dedupers().memory_bytes(), t)).collect();
        others.sort_unstable_by_key(|(bytes, _)| *bytes);
        let mut left: usize = others.iter().map(|(bytes, _)| bytes).sum();
        while left > ingest::remembered_bytes(ctx)
            && let Some((bytes, tables)) = others.pop()
        {
            tables.dedupers().clear();
            left -= bytes;
        }
    }

    fn retry(&self, ctx: &Context, lane: &LaneName, run: RunId, setback: &Setback) -> Result<(), Failure> {
        let Setback { failure, job } = setback;
        tracing::warn!(lane = %lane, "{failure}");
        // A failure that is no file's fault delays the lane's first job, and with
        // it the lane: the others wait behind it in order.
        ctx.block(ctx.store.release(lane, &ctx.owner, now()))?;
        let job = match job {
            Some(job) => Some(job.as_ref().clone()),
            None => {
                let limits = Limits { max_files: 1, max_bytes: 1 };
                ctx.block(ctx.store.claim(lane, &ctx.owner, limits, LEASE_MS, now()))?
                    .and_then(|c| c.jobs.into_iter().next())
            }
        };
        let Some(job) = job else { return Ok(()) };
        let attempt = job.attempts + 1;
        let delay = match verdict(failure.code, attempt) {
            Verdict::Retry(delay) => delay,
            // It is not proved that the attempt left nothing: try on, slowly.
            Verdict::Park => Duration::from_secs(5) * attempt.min(60),
        };
        // Half to all of the delay: workers that failed together part.
        let jittered = delay.mul_f64(0.5 + fastrand::f64() / 2.0);
        let at = now().plus(jittered.as_millis() as i64);
        ctx.block(ctx.store.retry(&[job.job_id], failure, run, at, now()))?;
        Ok(())
    }

    fn end(
        &self,
        ctx: &Context,
        run: RunId,
        worked: &Worked,
        failure: Option<&Failure>,
    ) -> Result<(), Failure> {
        let status = if failure.is_some() { RunStatus::Failed } else { RunStatus::Succeeded };
        let error = failure.map(ToString::to_string);
        ctx.block(ctx.store.end_run(run, status, worked.n_committed, worked.n_rows, error, now()))
    }

    /// Forgets what is known of tables: somebody else may have changed them.
    pub fn forget(&mut self) {
        self.tables.clear();
    }

    /// The tables' files were rewritten, and no row was changed.
    pub fn reread(&mut self) {
        self.tables.values_mut().for_each(Tables::reread);
    }
}

/// Keeps a lease alive while a claim is being worked on.
struct Heartbeat {
    stop: Arc<AtomicBool>,
}

impl Heartbeat {
    fn start(ctx: &Context, lane: LaneName) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (store, owner, flag) = (ctx.store.clone(), ctx.owner.clone(), stop.clone());
        ctx.runtime.spawn(async move {
            let every = Duration::from_millis(LEASE_MS as u64 / 4);
            loop {
                tokio::time::sleep(every).await;
                if flag.load(Ordering::Relaxed) {
                    return;
                }
                if !matches!(store.renew(&lane, &owner, LEASE_MS, now()).await, Ok(true)) {
                    return;
                }
            }
        });
        Self { stop }
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
