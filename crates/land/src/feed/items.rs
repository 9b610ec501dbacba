//! Feeds whose answers land as they are: one address, several, or one for each
//! item of a list.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt;
use lakegate_domain::feed::{Cursor, Fill, List, Mark, Poll, Source, Step, Template, name};

use super::answer::{Answer, Failed};
use super::extract;
use super::poller::{Round, Task, land, not_empty, not_sent, note_answer, note_failure, note_hold, read};
use super::request::Ask;
use super::secrets::Secrets;

/// The items that a list told, and when.
#[derive(Clone)]
pub(super) struct Listed {
    items: Vec<String>,
    at_ms: i64,
}

/// What one item came to.
struct Done {
    poll: Poll,
    /// The item's new mark; `None` where the old one holds.
    mark: Option<Mark>,
    landed: Option<PathBuf>,
    hold: Option<Duration>,
}

impl Task<'_> {
    /// Polls every item of the feed, so many at a time.
    pub(super) async fn items(&self, cursor: &mut Cursor, round: &mut Round) {
        let addresses: Vec<(Option<String>, &Template)> = match &self.feed.source {
            Source::One(url) => vec![(None, url)],
            Source::Named(urls) => urls.iter().map(|(name, url)| (Some(name.clone()), url)).collect(),
            Source::List { list, each } => {
                let items = self.list(list, cursor, round).await;
                items.into_iter().map(|item| (Some(item), each)).collect()
            }
            Source::Links { .. } => Vec::new(),
        };
        // Once the server asks to be left alone nothing more is begun.
        let stop = AtomicBool::new(cursor.hold_until_ms.is_some());
        let (marks, stop) = (&cursor.marks, &stop);
        let polls: Vec<_> = addresses
            .iter()
            .enumerate()
            .map(|(n, (item, url))| async move {
                if stop.load(Ordering::Relaxed) {
                    return None;
                }
                let mark = marks.get(item.as_deref().unwrap_or_default());
                let done = self.item(item.as_deref(), url, mark).await;
                stop.fetch_or(done.hold.is_some(), Ordering::Relaxed);
                Some((n, done))
            })
            .collect();
        let polled = futures::stream::iter(polls).buffer_unordered(self.feed.concurrency);
        let mut done: Vec<(usize, Done)> = polled.filter_map(std::future::ready).collect().await;
        done.sort_by_key(|(n, _)| *n);
        let now_ms = self.now_ms();
        for (n, done) in done {
            if let Some(mark) = done.mark {
                cursor.marks.insert(addresses[n].0.clone().unwrap_or_default(), mark);
            }
            note_hold(cursor, done.hold, now_ms);
            round.polls.push(done.poll);
            round.landed.extend(done.landed);
        }
        if !addresses.is_empty() {
            let known: BTreeSet<&str> =
                addresses.iter().map(|(item, _)| item.as_deref().unwrap_or_default()).collect();
            cursor.marks.retain(|item, _| known.contains(item.as_str()));
        }
    }

    async fn item(&self, item: Option<&str>, url: &Template, mark: Option<&Mark>) -> Done {
        let fill = Fill { item, ..Fill::default() };
        // Its own copy: credentials that the request makes of them are secrets too.
        let mut secrets = self.secrets.clone();
        let seed = format!("{} {}", self.seed, item.unwrap_or_default());
        let poll = self.begin(Step::Feed, item.map(str::to_string));
        let mut done = Done { poll, mark: None, landed: None, hold: None };
        let tried = match Ask::of(self.feed, url, &fill, &mut secrets) {
            Ok(ask) => self.poller.client.ask(self.asker(&secrets, &seed), &ask, mark).await,
            Err(message) => not_sent(message),
        };
        done.poll.attempts = tried.attempts;
        done.hold = tried.hold;
        let outcome = match tried.result.and_then(not_empty) {
            Ok(answer) => self.keep(answer, mark, &secrets, &mut done).await,
            Err(failed) => Err(failed),
        };
        if let Err(failed) = outcome {
            note_failure(&mut done.poll, failed);
        }
        done.poll = self.end(done.poll, &secrets);
        done
    }

    /// Lands a good answer, unless it is the same as the one before.
    async fn keep(
        &self,
        mut answer: Answer,
        mark: Option<&Mark>,
        secrets: &Secrets,
        done: &mut Done,
    ) -> Result<(), Failed> {
        note_answer(&mut done.poll, &answer);
        let Some(body) = answer.body.take() else {
            done.poll.identical = true;
            return Ok(());
        };
        // What would bring a secret into the ledger is not remembered.
        let clean = |text: &Option<String>| text.clone().filter(|text| !secrets.are_in(text));
        let new = Mark {
            etag: clean(&answer.etag),
            last_modified: clean(&answer.last_modified),
            fingerprint: body.fingerprint.clone(),
        };
        if mark.is_some_and(|mark| mark.fingerprint == new.fingerprint) {
            done.poll.identical = true;
        } else {
            let ending = name::extension(answer.url.path(), answer.content_type.as_deref());
            let item = done.poll.item.as_deref().map(|item| secrets.redact(item));
            let relative = name::polled(done.poll.started_ms, item.as_deref(), &new.fingerprint, &ending);
            done.landed = Some(land(body, relative.clone()).await?);
            done.poll.path = Some(relative);
        }
        done.mark = Some(new);
        Ok(())
    }

    /// The items of a list: a fresh one, the one that is still good, or, where
    /// none can be had, the last one.
    async fn list(&self, list: &List, cursor: &mut Cursor, round: &mut Round) -> Vec<String> {
        let lists = || self.poller.lists.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lists().get(&self.dataset.name).cloned();
        if let (Some(known), Some(keep)) = (&known, list.keep) {
            let age = u64::try_from(self.now_ms() - known.at_ms).map(Duration::from_millis);
            if age.is_ok_and(|age| age < keep) {
                return known.items.clone();
            }
        }
        let mut secrets = self.secrets.clone();
        let mut poll = self.begin(Step::List, None);
        let seed = format!("{} list", self.seed);
        // `query` and `body` are the items' own.
        let tried = match Ask::plain(self.feed, &list.url, &Fill::default(), &mut secrets) {
            Ok(ask) => self.poller.client.ask(self.asker(&secrets, &seed), &ask, None).await,
            Err(message) => not_sent(message),
        };
        poll.attempts = tried.attempts;
        note_hold(cursor, tried.hold, self.now_ms());
        let items = match tried.result.and_then(not_empty) {
            Ok(answer) => {
                note_answer(&mut poll, &answer);
                told(list, answer).await
            }
            Err(failed) => Err(failed),
        };
        let items = match items {
            Ok(items) => {
                let listed = Listed { items: items.clone(), at_ms: self.now_ms() };
                lists().insert(self.dataset.name.clone(), listed);
                items
            }
            Err(mut failed) => {
                if known.is_some() {
                    failed.message.push_str("; the items of the list before are polled");
                }
                note_failure(&mut poll, failed);
                known.map(|known| known.items).unwrap_or_default()
            }
        };
        round.polls.push(self.end(poll, &secrets));
        items
    }
}

/// The items that a list's answer tells.
async fn told(list: &List, mut answer: Answer) -> Result<Vec<String>, Failed> {
    let (shown, path) = (list.url.to_string(), list.items.clone());
    let document = read(&mut answer).await?;
    let items = extract::items(&document, &path)
        .map_err(|why| Failed::content(&answer, format!("the list `{shown}` cannot be read: {why}")))?;
    if items.is_empty() {
        let message = format!("the list `{shown}` has nothing at `{path}`; look at `items`");
        return Err(Failed::content(&answer, message));
    }
    if items.len() > list.max_items {
        let message =
            format!("the list `{shown}` has {} items; if they are genuine, raise `max_items`", items.len());
        return Err(Failed::content(&answer, message));
    }
    Ok(items)
}
