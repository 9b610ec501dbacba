//! The two ways to work on a lake: once, until nothing is pending (`run`), and
//! until stopped (`up`). Both are the same rounds of intake, work and upkeep.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use lakegate_domain::{DatasetName, Failure};
use lakegate_land::{Nudge, Watcher};

use crate::context::Context;
use crate::intake::{Intake, Round, landing_folders};
use crate::reconcile::{self, Kinds, Upkeep};
use crate::worker::{Worked, Worker};

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub round: Round,
    pub worked: Worked,
    pub upkeep: Upkeep,
    pub interrupted: bool,
    pub elapsed: Duration,
}

/// Told as things happen.
pub trait Observer {
    fn progress(&self, round: &Round, worked: &Worked);
}

/// Longest that a run waits for files that are still being written, or for a
/// retry, without anything happening.
const PATIENCE: Duration = Duration::from_secs(30);

/// Takes and commits everything that is pending, once.
pub fn run(ctx: &Context, only: Option<&DatasetName>, observer: &dyn Observer) -> Result<Report, Failure> {
    let started = Instant::now();
    let mut report = Report::default();
    let mut intake = Intake::new(ctx)?;
    let mut worker = Worker::default();
    let mut last_progress = Instant::now();
    loop {
        let round = intake.round(ctx, &HashSet::new(), only, None)?;
        let queued = round.n_queued;
        report.round.add(round);
        observer.progress(&report.round, &report.worked);
        let base = report.worked.clone();
        let worked = worker.drain(ctx, only, &|w| {
            let mut so_far = base.clone();
            so_far.add(w.clone());
            observer.progress(&report.round, &so_far);
        })?;
        if queued > 0 || worked.n_committed > 0 || !worked.parked.is_empty() {
            last_progress = Instant::now();
        }
        report.worked.add(worked);
        if ctx.stopping() {
            report.interrupted = true;
            break;
        }
        let waits = [report.round.next, report.worked.retry_in];
        let Some(wait) = waits.into_iter().flatten().min() else { break };
        if last_progress.elapsed() + wait > PATIENCE {
            break;
        }
        pause(ctx, wait);
    }
    if !ctx.stopping() {
        report.upkeep = reconcile::after_run(ctx)?;
    }
    report.elapsed = started.elapsed();
    Ok(report)
}

/// Sleeps, but not through a request to stop.
fn pause(ctx: &Context, wait: Duration) {
    let until = Instant::now() + wait;
    while !ctx.stopping() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left.min(Duration::from_millis(50)));
    }
}

/// How often zones are listed even though no event came.
const LIST_EVERY: Duration = Duration::from_secs(10);
/// How often upkeep looks whether there is something to compact.
const UPKEEP_EVERY: Duration = Duration::from_secs(60);
/// How often old data files and raw bytes are looked through.
const CLEAN_EVERY: Duration = Duration::from_secs(6 * 3600);

/// Works until the process is asked to stop. `observer` is told after each
/// round in which something happened.
pub fn up(ctx: &Context, observer: &dyn Observer, warn: &dyn Fn(&str)) -> Result<(), Failure> {
    let folders = landing_folders(&ctx.lake);
    for folder in &folders {
        if let Err(p) = lakegate_land::ensure(folder) {
            warn(&format!("{}: {}", p.path.display(), p.message));
        }
    }
    let (watcher, nudges) = Watcher::start(&folders);
    for p in watcher.problems() {
        warn(&format!("{}: {}; it is listed every {} s", p.path.display(), p.message, LIST_EVERY.as_secs()));
    }
    let mut intake = Intake::new(ctx)?;
    let mut worker = Worker::default();
    let mut warned: HashSet<String> = HashSet::new();
    let mut listed: Option<Instant> = None;
    let mut upkept = Instant::now();
    let mut cleaned = Instant::now();
    let mut renamed_in: HashSet<PathBuf> = HashSet::new();
    let mut touched: Vec<PathBuf> = Vec::new();
    while !ctx.stopping() {
        let all = listed.is_none_or(|l| l.elapsed() >= LIST_EVERY);
        let zones = (!all).then_some(touched.as_slice());
        let round = intake.round(ctx, &renamed_in, None, zones)?;
        if all {
            listed = Some(Instant::now());
        }
        renamed_in.clear();
        touched.clear();
        for w in &round.warnings {
            if warned.insert(w.clone()) {
                warn(w);
            }
        }
        let worked = worker.drain(ctx, None, &|_| {})?;
        if let Some(failure) = &worked.setback {
            warn(&format!("{failure}; it is tried again by itself"));
        }
        if round.n_queued > 0 || worked.n_committed > 0 || !worked.parked.is_empty() {
            observer.progress(&round, &worked);
        }
        if upkept.elapsed() >= UPKEEP_EVERY && !ctx.stopping() {
            let mut done = reconcile::after_run(ctx)?;
            if cleaned.elapsed() >= CLEAN_EVERY {
                done = reconcile::maintain(ctx, None, Kinds::ALL)?;
                cleaned = Instant::now();
            }
            if done.n_compacted > 0 {
                worker.forget();
            }
            upkept = Instant::now();
        }
        let wait =
            [round.next, worked.retry_in, Some(LIST_EVERY)].into_iter().flatten().min().unwrap_or(LIST_EVERY);
        let until = Instant::now() + wait;
        // Files that wait to settle are looked at again in their own zone.
        if round.n_waiting > 0 {
            listed = None;
        }
        while !ctx.stopping() {
            let left = until.saturating_duration_since(Instant::now());
            match nudges.recv_timeout(left.min(Duration::from_millis(100))) {
                Ok(nudge) => {
                    note(nudge, &mut renamed_in, &mut touched, &mut listed);
                    while let Ok(more) = nudges.try_recv() {
                        note(more, &mut renamed_in, &mut touched, &mut listed);
                    }
                    break;
                }
                Err(RecvTimeoutError::Timeout) if left.is_zero() => break,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    pause(ctx, left);
                    break;
                }
            }
        }
    }
    Ok(())
}

fn note(
    nudge: Nudge,
    renamed_in: &mut HashSet<PathBuf>,
    touched: &mut Vec<PathBuf>,
    listed: &mut Option<Instant>,
) {
    match nudge {
        Nudge::At { path, renamed_in: complete } => {
            if complete {
                renamed_in.insert(path.clone());
            }
            touched.push(path);
        }
        Nudge::ListAll => *listed = None,
    }
}
