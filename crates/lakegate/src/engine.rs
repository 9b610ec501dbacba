//! The two ways to work on a lake: once, until nothing is pending (`run`), and
//! until stopped (`up`). Both are the same rounds of intake, work and upkeep.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use lakegate_domain::failure::{Verdict, verdict};
use lakegate_domain::{Code, DatasetName, Failure};
use lakegate_land::{Nudge, Watcher};

use crate::context::Context;
use crate::intake::{Intake, Round, landing_folders};
use crate::mishap::caught;
use crate::reconcile::{self, Kinds, Upkeep};
use crate::replay;
use crate::worker::{Worked, Worker};

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub round: Round,
    pub worked: Worked,
    pub upkeep: Upkeep,
    /// What kept a part of the work from being done. Nothing of it is lost: the
    /// next run tries it again.
    pub failures: Vec<Failure>,
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

/// What the halves of a round do, for messages.
const LOOKING: &str = "taking what has landed";
const LOADING: &str = "loading what was taken";

/// Takes and commits everything that is pending, once.
pub fn run(ctx: &Context, only: Option<&DatasetName>, observer: &dyn Observer) -> Result<Report, Failure> {
    let started = Instant::now();
    let mut report = Report { failures: replay::resume(ctx), ..Report::default() };
    let mut intake = Intake::new(ctx)?;
    let mut worker = Worker::default();
    let mut last_progress = Instant::now();
    loop {
        let n_failures = report.failures.len();
        let mut queued = 0;
        match caught(LOOKING, || intake.round(ctx, &HashSet::new(), only, None)) {
            Ok(round) => {
                queued = round.n_queued;
                report.round.add(round);
            }
            Err(failure) => report.failures.push(failure),
        }
        observer.progress(&report.round, &report.worked);
        let base = report.worked.clone();
        let shown = |w: &Worked| {
            let mut so_far = base.clone();
            so_far.add(w.clone());
            observer.progress(&report.round, &so_far);
        };
        let worked = caught(LOADING, || worker.drain(ctx, only, &shown));
        match worked {
            Ok(worked) => {
                if queued > 0 || worked.n_committed > 0 || !worked.parked.is_empty() {
                    last_progress = Instant::now();
                }
                report.worked.add(worked);
            }
            Err(failure) => report.failures.push(failure),
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
        pause(ctx, wait);
    }
    if !ctx.stopping() {
        report.upkeep = reconcile::maintain(ctx, None, Kinds::AFTER_RUN);
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

/// Waits between two attempts while something fails: one second, then twice as
/// long each time.
fn backoff(n_failed: u32) -> Duration {
    const LONGEST: Duration = Duration::from_secs(300);
    Duration::from_secs(1 << n_failed.saturating_sub(1).min(16)).min(LONGEST)
}

/// Says each thing once, for as long as it lasts.
#[derive(Default)]
struct Said(HashSet<String>);

impl Said {
    /// Tells of those `things`, each with what makes it the same, that were not
    /// told yet. `whole`: what is not among them is over, and is told anew when
    /// it comes back.
    fn tell(&mut self, things: Vec<(String, String)>, whole: bool, warn: &dyn Fn(&str)) {
        let before = if whole { std::mem::take(&mut self.0) } else { self.0.clone() };
        for (key, text) in things {
            if !before.contains(&key) && !self.0.contains(&key) {
                warn(&text);
            }
            self.0.insert(key);
        }
    }
}

/// What makes a failure the same as another: a full disk is met at a new name
/// each time.
fn same(failure: &Failure) -> String {
    match failure.code {
        Code::DiskFull => failure.code.id().into(),
        _ => failure.to_string(),
    }
}

/// Works until the process is asked to stop, whatever fails meanwhile: it says
/// so once, waits, and goes on. `observer` is told after each round in which
/// something happened.
pub fn up(ctx: &Context, observer: &dyn Observer, warn: &dyn Fn(&str)) {
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
    // Made anew after a failure: it may know what the ledger does not.
    let mut intake: Option<Intake> = None;
    let mut worker = Worker::default();
    let (mut said_of_files, mut said_of_work, mut said_of_upkeep) =
        (Said::default(), Said::default(), Said::default());
    let mut n_failed = 0;
    let mut is_resumed = false;
    let mut listed: Option<Instant> = None;
    let mut upkept = Instant::now();
    let mut cleaned = Instant::now();
    let mut renamed_in: HashSet<PathBuf> = HashSet::new();
    let mut touched: Vec<PathBuf> = Vec::new();
    while !ctx.stopping() {
        let mut failures: Vec<Failure> = Vec::new();
        if !is_resumed {
            let again = |f: &Failure| verdict(f.code, 1) != Verdict::Park;
            let (passing, lasting): (Vec<_>, Vec<_>) = replay::resume(ctx).into_iter().partition(again);
            // What a person has to mend first is not tried over and over.
            lasting.iter().for_each(|f| warn(&f.to_string()));
            is_resumed = passing.is_empty();
            failures = passing;
        }
        let all = listed.is_none_or(|l| l.elapsed() >= LIST_EVERY);
        let zones = (!all).then_some(touched.as_slice());
        let round = caught(LOOKING, || {
            let intake = match &mut intake {
                Some(intake) => intake,
                none => none.insert(Intake::new(ctx)?),
            };
            intake.round(ctx, &renamed_in, None, zones)
        });
        let round = match round {
            Ok(round) => {
                listed = if all { Some(Instant::now()) } else { listed };
                renamed_in.clear();
                touched.clear();
                round
            }
            Err(failure) => {
                failures.push(failure);
                intake = None;
                Round::default()
            }
        };
        let odd = round.warnings.iter().map(|w| (w.clone(), w.clone())).collect();
        said_of_files.tell(odd, all && intake.is_some(), warn);
        let worked = caught(LOADING, || worker.drain(ctx, None, &|_| {})).unwrap_or_else(|failure| {
            failures.push(failure);
            worker.forget();
            Worked::default()
        });
        if round.n_queued > 0 || worked.n_committed > 0 || !worked.parked.is_empty() {
            observer.progress(&round, &worked);
        }
        let troubles: Vec<(String, String)> = failures
            .iter()
            .chain(&worked.setback)
            .map(|f| (same(f), format!("{f}; it is tried again by itself")))
            .collect();
        said_of_work.tell(troubles, worked.retry_in.is_none(), warn);
        if upkept.elapsed() >= UPKEEP_EVERY && !ctx.stopping() {
            let is_cleaning = cleaned.elapsed() >= CLEAN_EVERY;
            let kinds = if is_cleaning { Kinds::ALL } else { Kinds::AFTER_RUN };
            let done = reconcile::maintain(ctx, None, kinds);
            // These commits are not the worker's own.
            if done.n_compacted > 0 || done.n_vacuumed > 0 {
                worker.forget();
            }
            let odd = done.warnings.iter().map(|w| (w.clone(), w.clone()));
            let odd = odd.chain(done.failures.iter().map(|f| (same(f), f.to_string())));
            said_of_upkeep.tell(odd.collect(), is_cleaning, warn);
            upkept = Instant::now();
            cleaned = if is_cleaning { upkept } else { cleaned };
        }
        if !failures.is_empty() {
            n_failed += 1;
            listed = None;
            pause(ctx, backoff(n_failed));
            continue;
        }
        n_failed = 0;
        let wait =
            [round.next, worked.retry_in, Some(LIST_EVERY)].into_iter().flatten().min().unwrap_or(LIST_EVERY);
        let until = Instant::now() + wait;
        // Which files are to settle is not known here: every zone is listed again.
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn waits_grow_to_five_minutes() {
        let waits: Vec<u64> = [1, 2, 3, 9, 10, u32::MAX].map(|n| backoff(n).as_secs()).to_vec();
        assert_eq!(waits, [1, 2, 4, 256, 300, 300]);
    }

    #[test]
    fn what_lasts_is_said_once_and_what_comes_back_again() {
        let told = RefCell::new(Vec::new());
        let warn = |text: &str| told.borrow_mut().push(text.to_string());
        let mut said = Said::default();
        let mut tell = |keys: &[&str], whole| {
            said.tell(keys.iter().map(|k| (k.to_string(), k.to_string())).collect(), whole, &warn);
            std::mem::take(&mut *told.borrow_mut())
        };
        assert_eq!(tell(&["a", "b", "a"], true), ["a", "b"]);
        assert_eq!(tell(&["b"], false), [""; 0], "only a part was looked at");
        assert_eq!(tell(&["a", "c"], true), ["c"]);
        assert_eq!(tell(&["b"], true), ["b"], "it was over");
    }

    #[test]
    fn a_full_disk_is_one_failure_wherever_it_is_met() {
        let full = |at: &str| Failure::new(Code::DiskFull, format!("cannot write `{at}`"));
        assert_eq!(same(&full("x")), same(&full("y")));
        assert_ne!(same(&Failure::new(Code::Storage, "x")), same(&Failure::new(Code::Storage, "y")));
    }
}
