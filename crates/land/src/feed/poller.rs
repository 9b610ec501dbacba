//! One poll of one feed.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lakegate_domain::feed::{Cursor, Due, Fault, Feed, Poll, Source, Step};
use lakegate_domain::model::{Dataset, Lake};
use lakegate_domain::{DatasetName, Failure};
use tokio::sync::mpsc::Sender;
use tokio::task::spawn_blocking;

use super::answer::{Answer, Failed};
use super::client::{Asker, Client, Tried};
use super::clock::Clock;
use super::items::Listed;
use super::secrets::{Environment, Secrets};
use super::spool::{self, Whole};

/// What a poll came to, or, of a long one, what a part of it came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Round {
    pub dataset: DatasetName,
    pub polls: Vec<Poll>,
    /// Where polling stands now.
    pub cursor: Cursor,
    /// The files that landed, as the operating system calls them. They are
    /// complete and durable.
    pub landed: Vec<PathBuf>,
    /// Whether the poll ended with this.
    pub is_last: bool,
}

/// Polls feeds. One poller serves all feeds of a lake.
pub struct Poller {
    pub(super) client: Client,
    env: Environment,
    /// The lake's folder: secrets' files are relative to it.
    root: PathBuf,
    /// Lists of items that are good for longer than one poll, or that stand in
    /// for one that could not be had.
    pub(super) lists: Mutex<HashMap<DatasetName, Listed>>,
}

impl Poller {
    /// A poller for the feeds of a lake. Answers that a crash left half
    /// written are removed, so no other poller may be at work on the lake.
    ///
    /// # Errors
    /// A failure where this machine cannot speak HTTP.
    pub fn new(lake: &Lake, clock: Arc<dyn Clock>, env: Environment) -> Result<Self, Failure> {
        let feeds = || lake.datasets.iter().filter_map(|d| d.feed.as_ref());
        for dataset in lake.datasets.iter().filter(|d| d.feed.is_some()) {
            spool::sweep(&dataset.landing);
        }
        let client = Client::new(lake.feeds.clone(), feeds(), clock)?;
        Ok(Self { client, env, root: lake.root.clone(), lists: Mutex::default() })
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.client.clock
    }

    /// Polls a dataset's feed for one tick, moves its cursor and sends what it
    /// came to: one round, or for a feed of links several. A dataset without a
    /// feed has nothing to poll.
    ///
    /// It does not fail: what goes wrong is in the rounds. Where nobody
    /// receives them any more it ends early.
    pub async fn poll(&self, dataset: &Dataset, cursor: &mut Cursor, due: Due, rounds: &Sender<Round>) {
        let Some(feed) = &dataset.feed else { return };
        *cursor = std::mem::take(cursor).for_request(&feed.request_key());
        cursor.hold_until_ms = None;
        let mut task = Task {
            poller: self,
            dataset,
            feed,
            due,
            n_missed: AtomicU64::new(due.n_missed),
            secrets: Secrets::default(),
            seed: format!("{} {}", dataset.name, due.tick_ms),
        };
        let mut round = Round {
            dataset: dataset.name.clone(),
            polls: Vec::new(),
            cursor: Cursor::default(),
            landed: Vec::new(),
            is_last: true,
        };
        let (of, env, root) = (feed.clone(), self.env.clone(), self.root.clone());
        let opened = spawn_blocking(move || Secrets::open(&of.texts(), &env, &root)).await;
        match opened.unwrap_or_else(|e| Err(format!("lakegate made a mistake: {e}; please report it"))) {
            Ok(secrets) => {
                task.secrets = secrets;
                if let Source::Links { page, links } = &feed.source {
                    task.links(page, links, cursor, &mut round, rounds).await;
                } else {
                    task.items(cursor, &mut round).await;
                }
            }
            Err(message) => {
                let poll = Poll { error: Some(message), ..task.begin(Step::Feed, None) };
                round.polls.push(task.end(poll, &Secrets::default()));
            }
        }
        cursor.last_tick_ms = Some(due.tick_ms);
        round.cursor = cursor.clone();
        // Nobody listens when the process is about to end.
        let _ = rounds.send(round).await;
    }
}

/// One poll that is under way.
pub(super) struct Task<'a> {
    pub(super) poller: &'a Poller,
    pub(super) dataset: &'a Dataset,
    pub(super) feed: &'a Feed,
    pub(super) due: Due,
    /// Missed ticks that are in no row yet.
    pub(super) n_missed: AtomicU64,
    pub(super) secrets: Secrets,
    pub(super) seed: String,
}

impl Task<'_> {
    pub(super) fn now_ms(&self) -> i64 {
        self.poller.client.clock.now_ms()
    }

    /// Who asks; `secrets` are those of the request.
    pub(super) fn asker<'s>(&'s self, secrets: &'s Secrets, seed: &'s str) -> Asker<'s> {
        Asker { feed: self.feed, secrets, landing: &self.dataset.landing, seed }
    }

    /// The row of a request that begins now.
    pub(super) fn begin(&self, step: Step, item: Option<String>) -> Poll {
        // Missed ticks are the whole poll's, so they stand in one row alone.
        let n_missed = self.n_missed.swap(0, Ordering::Relaxed);
        Poll { n_missed, ..Poll::begun(step, item, self.due.tick_ms, self.now_ms()) }
    }

    /// Ends a request's row and sees to it that no secret is in it, whatever a
    /// server may have said.
    pub(super) fn end(&self, mut poll: Poll, secrets: &Secrets) -> Poll {
        poll.duration_ms = u64::try_from(self.now_ms() - poll.started_ms).unwrap_or(0);
        for text in [&mut poll.item, &mut poll.path, &mut poll.etag, &mut poll.error].into_iter().flatten() {
            *text = secrets.redact(text);
        }
        poll
    }

    /// Sends what has come of a long poll so far; `false` where nobody wants it.
    pub(super) async fn send_part(&self, cursor: &Cursor, round: &mut Round, rounds: &Sender<Round>) -> bool {
        let part = Round {
            dataset: round.dataset.clone(),
            polls: std::mem::take(&mut round.polls),
            cursor: cursor.clone(),
            landed: std::mem::take(&mut round.landed),
            is_last: false,
        };
        rounds.send(part).await.is_ok()
    }
}

/// Notes an answer in its row.
pub(super) fn note_answer(poll: &mut Poll, answer: &Answer) {
    poll.status = Some(answer.status);
    poll.size_bytes = answer.size_bytes();
    poll.etag.clone_from(&answer.etag);
    poll.fingerprint = answer.body.as_ref().map(|body| body.fingerprint.clone());
}

/// Notes a failure in its row.
pub(super) fn note_failure(poll: &mut Poll, failed: Failed) {
    poll.status = failed.status.or(poll.status);
    poll.size_bytes = failed.size_bytes.max(poll.size_bytes);
    poll.error = Some(failed.message);
}

/// A request that could not be made.
pub(super) fn not_sent(message: String) -> Tried {
    Tried { result: Err(Failed::new(Fault::Request, message)), attempts: 0, hold: None }
}

/// An answer of no bytes at all is no data.
pub(super) fn not_empty(answer: Answer) -> Result<Answer, Failed> {
    match &answer.body {
        Some(body) if body.size_bytes == 0 => {
            let host = answer.url.host_str().unwrap_or_default().to_string();
            Err(Failed::content(&answer, format!("`{host}` answered with nothing at all; nothing was kept")))
        }
        _ => Ok(answer),
    }
}

/// Lands an answer, away from the threads that answers come in on.
pub(super) async fn land(body: Whole, relative: String) -> Result<PathBuf, Failed> {
    let landed = spawn_blocking(move || body.land(&relative)).await;
    match landed {
        Ok(landed) => landed.map_err(|failure| Failed::storage(&failure)),
        Err(e) => Err(Failed::new(Fault::Storage, format!("lakegate made a mistake: {e}; please report it"))),
    }
}

/// The bytes of an answer that is read rather than landed.
pub(super) async fn read(answer: &mut Answer) -> Result<Vec<u8>, Failed> {
    let Some(body) = answer.body.take() else { return Ok(Vec::new()) };
    match spawn_blocking(move || body.bytes()).await {
        Ok(bytes) => bytes.map_err(|failure| Failed::storage(&failure)),
        Err(e) => Err(Failed::new(Fault::Storage, format!("lakegate made a mistake: {e}; please report it"))),
    }
}

/// Remembers until when the server wants to be left alone.
pub(super) fn note_hold(cursor: &mut Cursor, hold: Option<Duration>, now_ms: i64) {
    let until = hold.map(|hold| now_ms.saturating_add(i64::try_from(hold.as_millis()).unwrap_or(i64::MAX)));
    cursor.hold_until_ms = cursor.hold_until_ms.max(until);
}
