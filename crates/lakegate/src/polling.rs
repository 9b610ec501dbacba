//! The feeds of a lake: polled once where they are due (`run`), and for as long
//! as the process lives (`up`). Answers land as files, and what polls came to
//! goes to the ledger; intake takes it from there.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use lakegate_domain::feed::{Cursor, Poll};
use lakegate_domain::model::Dataset;
use lakegate_domain::{DatasetName, Failure};
use lakegate_land::feed::{Poller, Round, Scheduler, SystemClock, Which, poll_once};
use lakegate_state::Polled;
use tokio::sync::mpsc::{Receiver, channel};

use crate::context::{Context, ledger, now};

/// Rounds that wait to be recorded; beyond them polls wait.
const WAITING: usize = 256;
/// How long polls under way may take to end when the process is to stop.
const GRACE: Duration = Duration::from_secs(3);

/// Polls the feeds that are due, once. Answers a sentence for each that failed.
pub fn poll_due(ctx: &Context, only: Option<&DatasetName>) -> Result<Vec<String>, Failure> {
    let mut failed = Vec::new();
    let wanted: Option<Vec<DatasetName>> = only.map(|name| vec![name.clone()]);
    poll(ctx, wanted.as_deref(), Which::Due, |dataset, poll| failed.extend(failure(dataset, poll)))?;
    Ok(failed)
}

/// What went wrong with a poll, for people.
pub fn failure(dataset: &DatasetName, poll: &Poll) -> Option<String> {
    poll.error.as_ref().map(|error| format!("feed {dataset}: {error}"))
}

/// Polls feeds once, those that are named or all. `tell` is told of each request
/// once it is recorded.
pub fn poll(
    ctx: &Context,
    only: Option<&[DatasetName]>,
    which: Which,
    tell: impl FnMut(&DatasetName, &Poll),
) -> Result<(), Failure> {
    let Some(poller) = poller(ctx)? else { return Ok(()) };
    let feeds = feeds(ctx, only)?;
    let (sender, rounds) = channel(WAITING);
    let polls = async move { poll_once(&poller, feeds, which, &sender).await };
    let kept = keep(ctx, rounds, tell);
    ctx.runtime.block_on(async {
        tokio::select! {
            ((), kept) = async { tokio::join!(polls, kept) } => kept,
            () = stopped(ctx) => Ok(()),
        }
    })
}

/// Polls until the process is to stop. `warn` is told what failed.
///
/// # Errors
/// Where the ledger does not take what polls came to. Begun anew, polling goes
/// on from where the ledger says it stands.
pub fn keep_polling(ctx: &Context, mut warn: impl FnMut(String)) -> Result<(), Failure> {
    let Some(poller) = poller(ctx)? else { return Ok(()) };
    let feeds = feeds(ctx, None)?;
    ctx.runtime.block_on(async {
        let (sender, rounds) = channel(WAITING);
        let scheduler = Scheduler::start(&poller, feeds, &sender);
        drop(sender);
        let mut kept = std::pin::pin!(keep(ctx, rounds, |dataset, poll| {
            if let Some(sentence) = failure(dataset, poll) {
                warn(sentence);
            }
        }));
        tokio::select! {
            kept = &mut kept => return kept,
            () = stopped(ctx) => {}
        }
        // What does not end in time is abandoned, and leaves nothing.
        let (_, kept) = tokio::join!(tokio::time::timeout(GRACE, scheduler.stop()), kept);
        kept
    })
}

/// `None` where the lake has no feed.
fn poller(ctx: &Context) -> Result<Option<Arc<Poller>>, Failure> {
    if ctx.lake.datasets.iter().all(|d| d.feed.is_none()) {
        return Ok(None);
    }
    let environment = Arc::new(|name: &str| std::env::var(name).ok());
    Ok(Some(Arc::new(Poller::new(&ctx.lake, Arc::new(SystemClock), environment)?)))
}

fn feeds(ctx: &Context, only: Option<&[DatasetName]>) -> Result<Vec<(Arc<Dataset>, Cursor)>, Failure> {
    let mut cursors = ctx.block(ctx.store.feed_cursors())?;
    let wanted = |d: &&Arc<Dataset>| d.feed.is_some() && only.is_none_or(|o| o.contains(&d.name));
    let feeds = ctx.lake.datasets.iter().filter(wanted);
    Ok(feeds.map(|d| (d.clone(), cursors.remove(&d.name).unwrap_or_default())).collect())
}

/// Records rounds until no more can come.
async fn keep(
    ctx: &Context,
    mut rounds: Receiver<Round>,
    mut tell: impl FnMut(&DatasetName, &Poll),
) -> Result<(), Failure> {
    while let Some(first) = rounds.recv().await {
        let mut batch = vec![first];
        while let Ok(more) = rounds.try_recv() {
            batch.push(more);
        }
        let polled: Vec<Polled> = batch
            .into_iter()
            .map(|Round { dataset, polls, cursor, .. }| Polled { dataset, polls, cursor })
            .collect();
        ctx.store.record_polls(&polled, now()).await.map_err(ledger)?;
        for p in &polled {
            p.polls.iter().for_each(|poll| tell(&p.dataset, poll));
        }
    }
    Ok(())
}

/// Ends when work is to stop.
fn stopped(ctx: &Context) -> impl Future<Output = ()> {
    let stop = ctx.stop.clone();
    async move {
        while !stop.is_set() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
