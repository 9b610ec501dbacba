//! Work until stopped. Nothing that fails ends it: a failure is told once,
//! waited out, and tried again.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use lakegate_domain::failure::{Verdict, verdict};
use lakegate_domain::{Code, Failure};
use lakegate_land::{Nudge, Watcher};

use super::{EXPORTING, LOADING, Observer, POLLING, TAKING, WATCHING, pause};
use crate::context::Context;
use crate::exports::{self, Exported};
use crate::health;
use crate::intake::{Intake, Round, landing_folders};
use crate::mishap::caught;
use crate::polling;
use crate::reconcile::{self, Kinds};
use crate::replay;
use crate::worker::Worker;

/// How often zones are listed even though no event came.
const LIST_EVERY: Duration = Duration::from_secs(10);
/// How often upkeep looks whether there is something to compact.
const UPKEEP_EVERY: Duration = Duration::from_secs(60);
/// How often raw bytes are bundled and looked through.
const BUNDLE_EVERY: Duration = Duration::from_secs(3600);
/// How often old data files are looked through.
const CLEAN_EVERY: Duration = Duration::from_secs(6 * 3600);
/// Longest wait for a failure that nothing says will pass.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Says each warning once, and a failure once for as long as it lasts.
struct Warnings<'a> {
    say: &'a (dyn Fn(&str) + Sync),
    said: Mutex<HashSet<String>>,
}

impl Warnings<'_> {
    fn say(&self, warning: &str) {
        self.say_once(warning, warning);
    }

    /// Says that something failed and goes on; answers what [`Self::is_over`]
    /// takes.
    fn say_failure(&self, failure: &Failure) -> String {
        // A full disk is met at a new name each time.
        let key = match failure.code {
            Code::DiskFull => failure.code.id().to_string(),
            _ => failure.to_string(),
        };
        self.say_once(&key, &format!("{failure}; it is tried again by itself"));
        key
    }

    /// What is over is said again when it comes back.
    fn is_over(&self, key: &str) {
        self.said.lock().expect("no holder panics").remove(key);
    }

    fn say_once(&self, key: &str, warning: &str) {
        if self.said.lock().expect("no holder panics").insert(key.to_string()) {
            (self.say)(warning);
        }
    }
}

/// Failures one after the other, and how long to wait after each.
struct Trouble<'a> {
    warnings: &'a Warnings<'a>,
    n: u32,
    /// What was said of them.
    said: Vec<String>,
}

impl<'a> Trouble<'a> {
    fn new(warnings: &'a Warnings<'a>) -> Self {
        Self { warnings, n: 0, said: Vec::new() }
    }

    /// The result of a step, or `None` after a failure was told and waited out.
    /// A panic is such a failure too.
    fn outlive<T>(
        &mut self,
        ctx: &Context,
        doing: &str,
        step: impl FnOnce() -> Result<T, Failure>,
    ) -> Option<T> {
        let failure = match caught(doing, step) {
            Ok(done) => {
                self.n = 0;
                self.said.drain(..).for_each(|key| self.warnings.is_over(&key));
                return Some(done);
            }
            Err(failure) => failure,
        };
        self.n += 1;
        self.said.push(self.warnings.say_failure(&failure));
        let wait = match verdict(failure.code, self.n) {
            Verdict::Retry(wait) => wait,
            Verdict::Park => Duration::from_secs(5).saturating_mul(self.n),
        };
        pause(ctx, wait.min(LONGEST_WAIT));
        None
    }
}

/// Works until the process is asked to stop. `observer` is told after each
/// round in which something happened.
pub fn up(ctx: &Context, observer: &dyn Observer, warn: &(dyn Fn(&str) + Sync)) -> Result<(), Failure> {
    let warnings = Warnings { say: warn, said: Mutex::default() };
    let folders = landing_folders(&ctx.lake);
    for folder in &folders {
        if let Err(p) = lakegate_land::ensure(folder) {
            warnings.say(&format!("{}: {}", p.path.display(), p.message));
        }
    }
    let (watcher, nudges) = Watcher::start(&folders);
    for p in watcher.problems() {
        warnings.say(&format!(
            "{}: {}; it is listed every {} s",
            p.path.display(),
            p.message,
            LIST_EVERY.as_secs()
        ));
    }
    let intake = Intake::new(ctx)?;
    let taken = Mutex::new(Round::default());
    let (accepted, more) = sync_channel::<()>(1);
    std::thread::scope(|scope| {
        let (taken, warnings) = (&taken, &warnings);
        scope.spawn(move || {
            let mut trouble = Trouble::new(warnings);
            while !ctx.stopping() {
                let warn = |sentence: String| warnings.say(&sentence);
                // It ends by itself where there is no feed, or at a failure.
                if trouble.outlive(ctx, POLLING, || polling::keep_polling(ctx, warn)).is_some() {
                    return;
                }
            }
        });
        scope.spawn(move || {
            let mut trouble = Trouble::new(warnings);
            while !ctx.stopping() {
                if trouble.outlive(ctx, WATCHING, || health::keep_watching(ctx)).is_some() {
                    return;
                }
            }
        });
        let (committed, to_export) = sync_channel::<()>(1);
        scope.spawn(move || {
            let mut trouble = Trouble::new(warnings);
            let told = |done: &Exported| {
                done.warnings.iter().for_each(|w| warnings.say(w));
                done.failures.iter().for_each(|f| {
                    warnings.say_failure(f);
                });
            };
            while !ctx.stopping() {
                if trouble
                    .outlive(ctx, EXPORTING, || exports::keep_exporting(ctx, &to_export, &told))
                    .is_some()
                {
                    return;
                }
            }
        });
        scope.spawn(move || take(ctx, intake, &nudges, taken, accepted, warnings));
        work(ctx, &more, taken, &committed, observer, warnings);
    });
    Ok(())
}

/// The intake's side: looks when an event comes, and now and then anyway.
fn take(
    ctx: &Context,
    mut intake: Intake,
    nudges: &Receiver<Nudge>,
    taken: &Mutex<Round>,
    accepted: SyncSender<()>,
    warnings: &Warnings<'_>,
) {
    let mut trouble = Trouble::new(warnings);
    let mut hints = Hints::default();
    while !ctx.stopping() {
        let all = hints.listed.is_none_or(|l| l.elapsed() >= LIST_EVERY);
        let zones = (!all).then_some(hints.touched.as_slice());
        // A nudge that waits already says the same.
        let nudge = || {
            let _ = accepted.try_send(());
        };
        let round = trouble.outlive(ctx, TAKING, || {
            let round = intake.round(ctx, &hints.renamed_in, None, zones, &|_| nudge());
            // Some may have been accepted before it failed.
            nudge();
            round
        });
        let Some(round) = round else {
            // Nobody knows what was missed.
            hints = Hints::default();
            continue;
        };
        if all {
            hints.listed = Some(Instant::now());
        }
        hints.renamed_in.clear();
        hints.touched.clear();
        round.warnings.iter().for_each(|w| warnings.say(w));
        let wait = round.next.map_or(LIST_EVERY, |next| next.min(LIST_EVERY));
        // A file that is still being written may be in any zone.
        if round.n_waiting > 0 {
            hints.listed = None;
        }
        if round.n_queued > 0 {
            taken.lock().expect("no holder panics").add(round);
            nudge();
        }
        hints.gather(ctx, nudges, wait);
    }
}

/// What events said since the last round.
#[derive(Default)]
struct Hints {
    renamed_in: HashSet<PathBuf>,
    touched: Vec<PathBuf>,
    /// When every zone was listed last; `None` where that is due.
    listed: Option<Instant>,
}

impl Hints {
    /// Waits for an event, at most for `wait`.
    fn gather(&mut self, ctx: &Context, nudges: &Receiver<Nudge>, wait: Duration) {
        let until = Instant::now() + wait;
        while !ctx.stopping() {
            let left = until.saturating_duration_since(Instant::now());
            match nudges.recv_timeout(left.min(Duration::from_millis(100))) {
                Ok(nudge) => {
                    self.note(nudge);
                    while let Ok(more) = nudges.try_recv() {
                        self.note(more);
                    }
                    return;
                }
                Err(RecvTimeoutError::Timeout) if left.is_zero() => return,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return pause(ctx, left),
            }
        }
    }

    fn note(&mut self, nudge: Nudge) {
        match nudge {
            Nudge::At { path, renamed_in: complete } => {
                if complete {
                    self.renamed_in.insert(path.clone());
                }
                self.touched.push(path);
            }
            Nudge::ListAll => self.listed = None,
        }
    }
}

/// The worker's side: brings accepted files into tables, and looks after those
/// when there is time.
fn work(
    ctx: &Context,
    more: &Receiver<()>,
    taken: &Mutex<Round>,
    committed: &SyncSender<()>,
    observer: &dyn Observer,
    warnings: &Warnings<'_>,
) {
    let mut worker = Worker::default();
    let mut trouble = Trouble::new(warnings);
    let mut is_resumed = false;
    let mut upkept = Instant::now();
    let mut cleaned = Instant::now();
    // A process that never lives for long bundles all the same.
    let mut bundled: Option<Instant> = None;
    while !ctx.stopping() {
        if !is_resumed {
            is_resumed = resume(ctx, warnings);
        }
        let Some(worked) = trouble.outlive(ctx, LOADING, || worker.drain(ctx, None, &|_| {})) else {
            // What is known of the tables may be what the failure left.
            worker.forget();
            continue;
        };
        if let Some(failure) = &worked.setback {
            warnings.say_failure(failure);
        }
        if worked.n_committed > 0 {
            // A nudge that waits already says the same.
            let _ = committed.try_send(());
        }
        let round = std::mem::take(&mut *taken.lock().expect("no holder panics"));
        if round.n_queued > 0 || worked.n_committed > 0 || !worked.parked.is_empty() {
            observer.progress(&round, &worked);
        }
        if upkept.elapsed() >= UPKEEP_EVERY && !ctx.stopping() {
            let is_cleaning = cleaned.elapsed() >= CLEAN_EVERY;
            let is_bundling = bundled.is_none_or(|at| at.elapsed() >= BUNDLE_EVERY);
            let kinds = Kinds { vacuum: is_cleaning, raw: is_bundling, ..Kinds::ALL };
            let kept = reconcile::maintain(ctx, None, kinds);
            kept.warnings.iter().for_each(|w| warnings.say(w));
            kept.failures.iter().for_each(|f| {
                warnings.say_failure(f);
            });
            if is_cleaning {
                cleaned = Instant::now();
            }
            if is_bundling {
                bundled = Some(Instant::now());
            }
            // Compaction and vacuum commit: the logs have to be read again.
            if !kept.failures.is_empty() {
                worker.forget();
            } else if kept.n_compacted > 0 || kept.n_vacuumed > 0 {
                worker.reread();
            }
            upkept = Instant::now();
        }
        wait(ctx, more, worked.retry_in.map_or(UPKEEP_EVERY, |r| r.min(UPKEEP_EVERY)));
    }
}

/// Finishes replays that were cut off. Answers whether all is done that can be
/// done: what a person has to mend first is not tried over and over.
fn resume(ctx: &Context, warnings: &Warnings<'_>) -> bool {
    let failures = replay::resume(ctx);
    failures.iter().for_each(|f| warnings.say(&f.to_string()));
    failures.iter().all(|f| verdict(f.code, 1) == Verdict::Park)
}

/// Waits until something was accepted, at most for `longest`.
fn wait(ctx: &Context, more: &Receiver<()>, longest: Duration) {
    let until = Instant::now() + longest;
    while !ctx.stopping() {
        let left = until.saturating_duration_since(Instant::now());
        match more.recv_timeout(left.min(Duration::from_millis(100))) {
            Err(RecvTimeoutError::Timeout) if !left.is_zero() => {}
            Err(RecvTimeoutError::Disconnected) => return pause(ctx, left),
            _ => return,
        }
    }
}
