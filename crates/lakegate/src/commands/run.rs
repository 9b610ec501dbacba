//! `run` and `up`.

use std::cell::RefCell;
use std::io::Write;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lakegate_domain::{Code, Failure};
use serde_json::{Value, json};

use super::{Result, Shell, known_dataset};
use crate::cli::{Exit, Run, Up};
use crate::context::Context;
use crate::engine::{self, Observer, Report};
use crate::exports::{self, Exported};
use crate::intake::Round;
use crate::reload::{News, Said, Watch};
use crate::render::{self, Progress};
use crate::worker::{FailedCheck, Parked, Worked};

/// Shows progress while a run goes on.
pub struct Shown {
    progress: RefCell<Progress>,
}

impl Shown {
    pub fn new(shell: &Shell, what: &str) -> Self {
        let quiet = shell.global.quiet || shell.global.json;
        Self { progress: RefCell::new(Progress::new(what, quiet)) }
    }

    pub fn finish(self) {
        self.progress.into_inner().finish();
    }
}

impl Observer for Shown {
    fn progress(&self, round: &Round, worked: &Worked) {
        self.progress.borrow().message(format!(
            "{} taken, {} committed, {}",
            render::counted(round.n_queued as u64, "file"),
            render::count(worked.n_committed),
            render::counted(worked.n_rows, "row"),
        ));
    }

    fn waits(&self, why: &Failure, wait: Duration) {
        self.progress.borrow().note(format!(
            "{why}\n  it is tried again in {}; nothing is lost if you stop here (Ctrl-C) and run again later",
            render::duration(wait)
        ));
    }
}

pub fn run(shell: &Shell, args: &Run) -> Result<Exit> {
    let (_lock, ctx) = shell.work_on(shell.lake_with_statements()?.0)?;
    if let Some(name) = &args.dataset {
        known_dataset(&ctx.lake, name)?;
    }
    let shown = Shown::new(shell, "run");
    let report = engine::run(&ctx, args.dataset.as_ref(), &shown);
    shown.finish();
    let report = report?;
    summarise(shell, &ctx, &report)
}

fn parked_json(p: &Parked) -> Value {
    json!({ "file": p.path, "file_id": p.file_id.to_string(), "dataset": p.dataset.to_string(),
        "code": p.failure.code.id(), "message": p.failure.message })
}

/// Prints what a run came to and says how it ended.
pub fn summarise(shell: &Shell, ctx: &Context, report: &Report) -> Result<Exit> {
    let strays = ctx.block(ctx.store.list_strays())?;
    let waiting = report.worked.retry_in.is_some();
    let failures: Vec<&Failure> = report.failures.iter().chain(&report.upkeep.failures).collect();
    let (unexported, unwritten): (Vec<&Failure>, Vec<&Failure>) =
        report.exported.failures.iter().partition(|f| f.code == Code::Export);
    let failures = [failures, unwritten].concat();
    let exit = match () {
        _ if report.interrupted => Exit::Interrupted,
        _ if waiting || !failures.is_empty() => Exit::Failed,
        _ if !report.worked.parked.is_empty() || !strays.is_empty() || report.n_failed_polls > 0 => {
            Exit::Findings
        }
        _ if !unexported.is_empty() => Exit::Findings,
        _ => Exit::Done,
    };
    let Report { round, worked, upkeep, exported, .. } = report;
    if shell.global.json {
        let parked: Vec<Value> = worked.parked.iter().map(parked_json).collect();
        let strays: Vec<Value> = strays
            .iter()
            .map(|s| {
                json!({ "landing": s.landing, "file": s.stray.path, "reason": s.stray.reason, "detail": s.stray.detail })
            })
            .collect();
        shell.print_json(&json!({
            "files": { "queued": round.n_queued, "committed": worked.n_committed, "parked": worked.parked.len(),
                "duplicates": round.n_duplicates, "touched": round.n_touched, "ignored": round.n_ignored,
                "waiting": round.n_waiting },
            "rows": { "committed": worked.n_rows, "quarantined": worked.n_quarantined, "dropped": worked.n_dropped },
            "failed_polls": report.n_failed_polls, "tables": worked.rows_by_table, "quality": quality_json(worked),
            "parked": parked, "strays": strays, "warnings": round.warnings,
            "retry_in_ms": worked.retry_in.map(|d| d.as_millis() as u64),
            "setback": worked.setback, "failures": failures, "upkeep": upkeep, "exports": exported, "interrupted": report.interrupted,
            "elapsed_ms": report.elapsed.as_millis() as u64,
        }))?;
        return Ok(exit);
    }
    for w in round.warnings.iter().chain(&upkeep.warnings).chain(&exported.warnings) {
        render::warn(w);
    }
    let mut parts = vec![format!("{} committed", render::counted(worked.n_committed, "file"))];
    let mut also = |n: u64, what: &str| {
        if n > 0 {
            parts.push(format!("{} {what}", render::count(n)));
        }
    };
    also(round.n_duplicates as u64, "duplicate");
    also(round.n_touched as u64, "touched only");
    also(round.n_ignored as u64, "ignored");
    also(worked.parked.len() as u64, "parked");
    also(strays.len() as u64, "unmatched or unreadable");
    also(round.n_waiting as u64, "still being written");
    shell.say(format!("{} in {}", parts.join(", "), render::duration(report.elapsed)))?;
    if !worked.rows_by_table.is_empty() {
        let mut list = shell.list(&["table", ">rows"]);
        for (table, n) in &worked.rows_by_table {
            list.row([table.clone(), render::count(*n)]);
        }
        shell.print_list(&list)?;
    }
    if worked.n_quarantined > 0 || worked.n_dropped > 0 {
        shell.say(format!(
            "{} quarantined, {} dropped by expectations and checks",
            render::counted(worked.n_quarantined, "row"),
            render::count(worked.n_dropped)
        ))?;
    }
    print_quality(shell, worked)?;
    say_exports(shell, ctx, exported)?;
    if !worked.parked.is_empty() {
        let mut list = shell.list(&["parked", "dataset", "file", "code", "reason"]);
        for p in worked.parked.iter().take(20) {
            let (code, reason) = (p.failure.code.id().to_string(), p.failure.message.clone());
            list.row([p.file_id.to_string(), p.dataset.to_string(), p.path.clone(), code, reason]);
        }
        shell.print_list(&list)?;
        if worked.parked.len() > 20 {
            shell.say(format!("… and {} more", worked.parked.len() - 20))?;
        }
        shell.say("look: lakegate parked · explain: lakegate errors CODE · send again: lakegate redrive")?;
    }
    if !strays.is_empty() {
        let mut list = shell.list(&["not taken", "why"]);
        for s in strays.iter().take(20) {
            list.row([format!("{}/{}", s.landing, s.stray.path), s.stray.detail.clone()]);
        }
        shell.print_list(&list)?;
        if strays.len() > 20 {
            shell.say(format!(
                "… and {} more: lakegate sql 'select * from system.strays'",
                strays.len() - 20
            ))?;
        }
    }
    for failure in worked.setback.iter().filter(|_| waiting).chain(failures) {
        eprintln!("error: {}\n  help: {}", render::visible_lines(&failure.to_string()), failure.code.hint());
    }
    Ok(exit)
}

/// Says what was exported.
fn say_exports(shell: &Shell, ctx: &Context, done: &Exported) -> Result<()> {
    if done.n_made + done.n_removed > 0 {
        let removed = match done.n_removed {
            0 => String::new(),
            n => format!(", {} removed", render::count(n)),
        };
        shell.say(format!(
            "{} written ({}) below {}{removed}",
            render::counted(done.n_made, "export"),
            render::size(done.size_bytes),
            exports::folder(&ctx.lake.storage).display()
        ))?;
    }
    let mut unexported = done.failures.iter().filter(|f| f.code == Code::Export);
    for failure in unexported.by_ref().take(20) {
        shell.say(format!("not exported: {failure}"))?;
    }
    match unexported.count() {
        0 => Ok(()),
        n => shell.say(format!(
            "… and {n} more: lakegate sql 'select * from system.exports where error is not null'"
        )),
    }
}

/// Quality checks that are shown; more are counted.
const CHECKS_SHOWN: usize = 20;

/// Says which values failed quality checks, the worst first.
fn print_quality(shell: &Shell, worked: &Worked) -> Result<()> {
    let mut failed: Vec<_> = worked.quality.iter().collect();
    let share = |c: &FailedCheck| c.n_failed as f64 / c.n_checked.max(1) as f64;
    failed.sort_by(|(_, a), (_, b)| share(b).total_cmp(&share(a)));
    let mut list = shell.list(&["quality check", "table", ">failed", ">of", ">share", "first"]);
    for ((table, name), check) in failed.iter().take(CHECKS_SHOWN) {
        let (row, time, value) = &check.first;
        let at = time.as_ref().map_or(String::new(), |t| format!(" ({t})"));
        list.row([
            name.clone(),
            table.clone(),
            render::count(check.n_failed),
            render::count(check.n_checked),
            format!("{:.2} %", share(check) * 100.0),
            format!("row {row}{at}: {value}"),
        ]);
    }
    shell.print_list(&list)?;
    if failed.len() > CHECKS_SHOWN {
        let more = failed.len() - CHECKS_SHOWN;
        shell.say(format!(
            "… and {more} more: lakegate sql 'select * from system.expectations where n_failed > 0'"
        ))?;
    }
    Ok(())
}

fn quality_json(worked: &Worked) -> Vec<Value> {
    let of = |((table, name), check): (&(String, String), &FailedCheck)| {
        let (row, time, value) = &check.first;
        json!({ "table": table, "name": name, "n_checked": check.n_checked, "n_failed": check.n_failed,
            "first_row": row, "first_time": time, "first_value": value })
    };
    worked.quality.iter().map(of).collect()
}

/// How long a lake that could not be begun with waits.
const AGAIN: Duration = Duration::from_secs(5);

/// Says a line per round in which something happened.
struct Told<'a> {
    shell: &'a Shell,
}

impl Observer for Told<'_> {
    fn progress(&self, round: &Round, worked: &Worked) {
        let at = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
        if self.shell.global.json {
            let parked: Vec<Value> = worked.parked.iter().map(parked_json).collect();
            let line = json!({ "at": at.to_string(), "queued": round.n_queued, "committed": worked.n_committed,
                "rows": worked.n_rows, "parked": parked });
            // Whoever read it is gone; the work goes on.
            let _ = writeln!(std::io::stdout(), "{line}");
            return;
        }
        let _ = self.shell.say(format!(
            "{at} {} taken, {} committed, {}",
            render::counted(round.n_queued as u64, "file"),
            render::count(worked.n_committed),
            render::counted(worked.n_rows, "row"),
        ));
        for p in &worked.parked {
            let (id, dataset, path) = (p.file_id, &p.dataset, render::visible(&p.path));
            let _ = self.shell.say(format!("{at} parked {id} of {dataset}, {path}: {}", p.failure));
        }
    }
}

pub fn up(shell: &Shell, args: &Up) -> Result<Exit> {
    let (lake, texts) = shell.lake_and_texts()?;
    shell.look_at_statements(&lake)?;
    let (_lock, mut ctx) = shell.work_on(lake)?;
    let mut watch = Watch::new(ctx.lake.clone(), texts, ctx.stop.asked.clone());
    let served = super::serve::beside(shell, &ctx, &args.http, args.listen, &watch)?;
    let next = Arc::new(Mutex::new(None));
    let (swapped, waiting) = (ctx.stop.swapped.clone(), next.clone());
    let (on, said) = (served.as_ref().map(|(on, _)| on.clone()), Said::new(shell));
    watch.start(&ctx.runtime, move |news| {
        said.say(&news);
        if let Some(on) = &on {
            super::serve::take(on, &news);
        }
        if let News::Lake(lake) = news {
            *waiting.lock().expect("no holder panics") = Some(lake);
            swapped.store(true, Ordering::Relaxed);
        }
    });
    shell.say(format!(
        "lake {} is up: {} watched in {}; Ctrl-C stops",
        ctx.lake.name,
        render::counted(ctx.lake.datasets.len() as u64, "dataset"),
        ctx.lake.root.display()
    ))?;
    let mut is_first = true;
    loop {
        // It ends when somebody asks, or when there is another lake to work on:
        // what is in hand is finished first.
        let ended = engine::up(&ctx, &Told { shell }, &|w| render::warn(w));
        if let Err(failure) = ended {
            if is_first || ctx.stop.is_asked() {
                return Err(failure.into());
            }
            render::warn(format!("{failure}; it is tried again by itself"));
            engine::pause(&ctx, AGAIN);
        }
        if ctx.stop.is_asked() {
            break;
        }
        is_first = false;
        // A lake that comes after this is seen in the next round.
        ctx.stop.swapped.store(false, Ordering::Relaxed);
        let next = next.lock().expect("no holder panics").take();
        if let Some(lake) = next {
            ctx = ctx.with_lake(lake);
        }
    }
    if let Some((_, running)) = served {
        // It ends by itself: the same request to stop reaches it.
        let _ = shell.runtime.block_on(running);
    }
    shell.say("stopped; nothing half done is left")?;
    Ok(Exit::Done)
}
