//! All feeds of a lake, each in a task of its own.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use lakegate_domain::feed::{Cursor, Due, Poll, Step};
use lakegate_domain::model::Dataset;
use tokio::sync::mpsc::Sender;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::poller::{Poller, Round};

/// Feeds that are polled whenever they are due, until it is stopped or dropped.
pub struct Scheduler {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

/// Which feeds are polled a single time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those with a tick since their last poll, whatever its jitter, that no
    /// server wants to be left alone.
    Due,
    /// All.
    Now,
}

impl Scheduler {
    /// Begins to poll. Each feed comes with its cursor as the ledger holds it;
    /// datasets without a feed are left out. Must be called within a runtime.
    pub fn start(
        poller: &Arc<Poller>,
        feeds: impl IntoIterator<Item = (Arc<Dataset>, Cursor)>,
        rounds: &Sender<Round>,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for (dataset, cursor) in feeds.into_iter().filter(|(dataset, _)| dataset.feed.is_some()) {
            tasks.spawn(keep_polling(poller.clone(), dataset, cursor, rounds.clone(), stopped.clone()));
        }
        Self { stop, tasks }
    }

    /// Begins no more polls and waits for those under way, whose rounds must
    /// still be received. Dropped while it waits it abandons them: what they
    /// have not landed leaves nothing.
    pub async fn stop(mut self) {
        // Without a task nobody listens.
        let _ = self.stop.send(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Polls feeds once, all at a time, and ends when the last has.
pub async fn poll_once(
    poller: &Arc<Poller>,
    feeds: impl IntoIterator<Item = (Arc<Dataset>, Cursor)>,
    which: Which,
    rounds: &Sender<Round>,
) {
    let mut tasks = JoinSet::new();
    for (dataset, mut cursor) in feeds {
        let Some(due) = due(poller, &dataset, &cursor) else { continue };
        let now_ms = poller.clock().now_ms();
        let held = cursor.hold_until_ms.is_some_and(|hold| hold > now_ms) && due.at_ms > now_ms;
        let due = match which {
            Which::Due if due.tick_ms > now_ms || held => continue,
            Which::Due => due,
            // Before its tick a poll makes up for the one that is past.
            Which::Now => Due { tick_ms: due.tick_ms.min(now_ms), ..due },
        };
        let (poller, rounds) = (poller.clone(), rounds.clone());
        tasks.spawn(async move { poll(&poller, &dataset, &mut cursor, due, &rounds).await });
    }
    while tasks.join_next().await.is_some() {}
}

async fn keep_polling(
    poller: Arc<Poller>,
    dataset: Arc<Dataset>,
    mut cursor: Cursor,
    rounds: Sender<Round>,
    mut stopped: watch::Receiver<bool>,
) {
    // A schedule that never comes again has nothing left to do.
    while let Some(due) = due(&poller, &dataset, &cursor) {
        if *stopped.borrow() {
            return;
        }
        if due.at_ms > poller.clock().now_ms() {
            tokio::select! {
                () = poller.clock().sleep_until(due.at_ms) => {}
                // An error means that the scheduler was dropped.
                _ = stopped.changed() => return,
            }
            // What is due may have changed while it slept.
            continue;
        }
        poll(&poller, &dataset, &mut cursor, due, &rounds).await;
        if rounds.is_closed() {
            return;
        }
    }
}

fn due(poller: &Poller, dataset: &Dataset, cursor: &Cursor) -> Option<Due> {
    let feed = dataset.feed.as_ref()?;
    let now_ms = poller.clock().now_ms();
    let name = dataset.name.to_string();
    feed.schedule.due(&name, feed.jitter, cursor.last_tick_ms, cursor.hold_until_ms, now_ms)
}

/// One poll. A mistake of ours in it is one failed poll, not the feed's end.
async fn poll(poller: &Poller, dataset: &Dataset, cursor: &mut Cursor, due: Due, rounds: &Sender<Round>) {
    let started_ms = poller.clock().now_ms();
    let before = cursor.clone();
    let polled = AssertUnwindSafe(poller.poll(dataset, cursor, due, rounds)).catch_unwind().await;
    if polled.is_ok() {
        return;
    }
    *cursor = Cursor { last_tick_ms: Some(due.tick_ms), ..before };
    tracing::error!(dataset = %dataset.name, "polling panicked");
    let poll = Poll {
        error: Some("lakegate made a mistake while it polled; please report it".into()),
        ..Poll::begun(Step::Feed, None, due.tick_ms, started_ms)
    };
    let round = Round {
        dataset: dataset.name.clone(),
        polls: vec![poll],
        cursor: cursor.clone(),
        landed: Vec::new(),
        is_last: true,
    };
    // Nobody listens when the process is about to end.
    let _ = rounds.send(round).await;
}
