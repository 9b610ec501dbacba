//! The two ways to work on a lake: once, until nothing is pending (`run`), and
//! until stopped (`up`). In both, intake goes on in a thread of its own while
//! files that it accepted are brought into their tables.

mod up;

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use lakegate_domain::{DatasetName, Failure};

use crate::context::Context;
use crate::exports::{self, Exported, Only, What};
use crate::intake::{Intake, Round};
use crate::mishap::caught;
use crate::polling;
use crate::reconcile::{self, Kinds, Upkeep};
use crate::replay;
use crate::worker::{Worked, Worker};

pub use up::up;

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub round: Round,
    pub worked: Worked,
    pub upkeep: Upkeep,
    pub exported: Exported,
    /// What kept a part of the work from being done. Nothing of it is lost: the
    /// next run tries it again.
    pub failures: Vec<Failure>,
    pub n_failed_polls: usize,
    pub interrupted: bool,
    pub elapsed: Duration,
}

/// Told as things happen.
pub trait Observer {
    fn progress(&self, round: &Round, worked: &Worked);
    /// Before a run waits to try again what failed.
    fn waits(&self, _why: &Failure, _wait: Duration) {}
}

/// Longest that a run waits for files that are still being written, or for a
/// retry, without anything happening.
const PATIENCE: Duration = Duration::from_secs(30);

/// Takes and commits everything that is pending, once.
pub fn run(ctx: &Context, only: Option<&DatasetName>, observer: &dyn Observer) -> Result<Report, Failure> {
    let started = Instant::now();
    let mut report = Report { failures: replay::resume(ctx), ..Report::default() };
    let mut intake = Intake::new(ctx)?;
    let mut worker = Worker::default();
    let failed = polling::poll_due(ctx, only)?;
    report.n_failed_polls = failed.len();
    report.round.warnings.extend(failed);
    let mut last_progress = Instant::now();
    loop {
        let before = (report.round.n_queued, report.worked.n_committed, report.worked.parked.len());
        let n_failures = report.failures.len();
        pass(ctx, &mut intake, &mut worker, only, &mut report, observer);
        if before != (report.round.n_queued, report.worked.n_committed, report.worked.parked.len()) {
            last_progress = Instant::now();
        }
        if ctx.stopping() {
            report.interrupted = true;
            break;
        }
        if report.failures.len() > n_failures {
            break;
        }
        let waits = [report.round.next, report.worked.retry_in];
        let Some(wait) = waits.into_iter().flatten().min() else { break };
        if last_progress.elapsed() + wait > PATIENCE {
            break;
        }
        if let Some(why) = report.worked.setback.as_ref().filter(|_| report.worked.retry_in == Some(wait)) {
            observer.waits(why, wait);
        }
        pause(ctx, wait);
    }
    if !ctx.stopping() {
        report.exported = exports::export(ctx, &Only::dataset(only), &What::Due, &|_| {});
    }
    if !ctx.stopping() {
        report.upkeep = reconcile::maintain(ctx, None, Kinds::AFTER_RUN);
    }
    report.elapsed = started.elapsed();
    Ok(report)
}

/// What the halves of a round do, for messages.
const TAKING: &str = "taking what has landed";
const POLLING: &str = "polling feeds";
const WATCHING: &str = "watching the health of datasets";
const LOADING: &str = "loading what was taken";
const EXPORTING: &str = "writing exports";

/// One round of intake, and work on what is accepted, at the same time. What
/// fails in one half keeps the other from nothing.
fn pass(
    ctx: &Context,
    intake: &mut Intake,
    worker: &mut Worker,
    only: Option<&DatasetName>,
    report: &mut Report,
    observer: &dyn Observer,
) {
    let earlier = report.round.clone();
    let so_far = Mutex::new(Round::default());
    let taken = |now: &Round| {
        let mut all = earlier.clone();
        all.add(now.clone());
        all
    };
    let (accepted, more) = sync_channel::<()>(1);
    let (round, worked, drained) = std::thread::scope(|scope| {
        let so_far = &so_far;
        let intake = scope.spawn(move || {
            caught(TAKING, || {
                intake.round(ctx, &HashSet::new(), only, None, &|round| {
                    *so_far.lock().expect("no holder panics") = round.clone();
                    // A nudge that waits already says the same.
                    let _ = accepted.try_send(());
                })
            })
        });
        let mut worked = report.worked.clone();
        let drained = loop {
            // Files may have been left from before: there is a drain in any case.
            let is_over = more.recv().is_err();
            let before = worked.clone();
            let round = || taken(&so_far.lock().expect("no holder panics"));
            observer.progress(&round(), &worked);
            let shown = |now: &Worked| {
                let mut all = before.clone();
                all.add(now.clone());
                observer.progress(&round(), &all);
            };
            match caught(LOADING, || worker.drain(ctx, only, &shown)) {
                Ok(now) => worked.add(now),
                Err(f) => break Err(f),
            }
            if is_over {
                break Ok(());
            }
        };
        (intake.join().expect("its panics are caught"), worked, drained)
    });
    report.worked = worked;
    // What was accepted before the failure is told all the same.
    report.round = taken(&so_far.into_inner().expect("no holder panics"));
    match round {
        Ok(round) => report.round = taken(&round),
        Err(failure) => report.failures.push(failure),
    }
    report.failures.extend(drained.err());
    observer.progress(&report.round, &report.worked);
}

/// Sleeps, but not through a request to stop.
pub fn pause(ctx: &Context, wait: Duration) {
    let until = Instant::now() + wait;
    while !ctx.stopping() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left.min(Duration::from_millis(50)));
    }
}
