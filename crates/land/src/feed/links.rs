//! Feeds that answer lists of links: page after page, and what each record's
//! link leads to.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use futures::StreamExt;
use lakegate_domain::feed::links::{GIVE_UP_AFTER, Record, newest};
use lakegate_domain::feed::{Cursor, Fault, Fill, Links, Paging, Poll, Step, Template, name};
use lakegate_domain::model::OnChange;
use reqwest::Url;
use serde_json::Value;
use tokio::sync::mpsc::Sender;

use super::answer::{Answer, Failed};
use super::client::check_origin;
use super::extract;
use super::poller::{Round, Task, land, not_empty, not_sent, note_answer, note_failure, note_hold, read};
use super::request::Ask;
use super::secrets::Secrets;

/// How often one page is asked for again because its links had expired.
const MAX_REASKS: usize = 5;

/// A page of records.
struct Page {
    /// Where it came from; links may be relative to it.
    url: Url,
    records: Vec<Record>,
    /// Records that were left out, in words.
    complaint: Option<String>,
    next: Option<String>,
}

/// Which page is asked for.
#[derive(Clone)]
enum Turn {
    /// By the feed's own address.
    Filled { cursor: Option<String>, page: Option<u64> },
    /// At an address that the page before gave.
    At { home: Url, url: Url },
}

/// A page and where it stands.
struct PageOf<'a> {
    template: &'a Template,
    links: &'a Links,
    turn: Turn,
    /// From 1.
    n: usize,
}

/// What one link came to.
struct Fetched {
    record: Record,
    poll: Poll,
    landed: Option<PathBuf>,
    fault: Option<Fault>,
    hold: Option<Duration>,
}

impl Task<'_> {
    /// Goes through the pages and lands what their links lead to, oldest
    /// first. What was done is told after every page, so that a poll that ends
    /// early is taken up where it stood.
    pub(super) async fn links(
        &self,
        page: &Template,
        links: &Links,
        cursor: &mut Cursor,
        round: &mut Round,
        rounds: &Sender<Round>,
    ) {
        let start = cursor.links.cursor.clone().or_else(|| links.start.clone());
        let first = match links.paging {
            Paging::Number(first) => Some(first),
            Paging::None | Paging::Next(_) | Paging::Cursor => None,
        };
        let mut of =
            PageOf { template: page, links, turn: Turn::Filled { cursor: start, page: first }, n: 1 };
        let mut listed: Vec<Record> = Vec::new();
        let mut keys: HashSet<String> = HashSet::new();
        let mut given: HashSet<String> = HashSet::new();
        while let Some(found) = self.page(&of, cursor, round).await {
            let n_before = keys.len();
            for record in &found.records {
                if keys.insert(record.key()) {
                    listed.push(record.clone());
                }
            }
            let has_news = keys.len() > n_before;
            self.fetch_all(&of, &found, cursor, round).await;
            if cursor.hold_until_ms.is_some() {
                return;
            }
            // Servers exist whose last page leads to itself, or that answer the same for ever.
            let next = turn_after(&of, &found, has_news)
                .filter(|turn| !matches!(turn, Turn::At { url, .. } if !given.insert(url.to_string())));
            let Some(next) = next else {
                cursor.links.advance(&listed);
                return;
            };
            if of.n == links.max_pages {
                // Records come in the cursor's order, so what was listed is a whole beginning.
                if links.paging == Paging::Cursor {
                    cursor.links.advance(&listed);
                } else {
                    let message = format!(
                        "`{page}` has more than {} pages, and nothing of the others is fetched; raise `max_pages`",
                        of.n
                    );
                    let poll =
                        Poll { error: Some(message), ..self.begin(Step::Page, Some((of.n + 1).to_string())) };
                    round.polls.push(self.end(poll, &self.secrets));
                }
                return;
            }
            of.turn = next;
            of.n += 1;
            if !self.send_part(cursor, round, rounds).await {
                return;
            }
        }
    }

    /// Asks for a page. `None` where it cannot be had; why is in the round.
    async fn page(&self, of: &PageOf<'_>, cursor: &mut Cursor, round: &mut Round) -> Option<Page> {
        let mut secrets = self.secrets.clone();
        let mut poll = self.begin(Step::Page, Some(of.n.to_string()));
        let seed = format!("{} page {}", self.seed, of.n);
        let asked = match &of.turn {
            Turn::Filled { cursor, page } => {
                let fill = Fill { item: None, cursor: cursor.as_deref(), page: *page };
                Ask::of(self.feed, of.template, &fill, &mut secrets)
            }
            Turn::At { home, url } => self.given(of.template, home, url.clone(), None, &mut secrets),
        };
        let tried = match &asked {
            Ok(ask) => self.poller.client.ask(self.asker(&secrets, &seed), ask, None).await,
            Err(message) => not_sent(message.clone()),
        };
        poll.attempts = tried.attempts;
        note_hold(cursor, tried.hold, self.now_ms());
        let found = match tried.result.and_then(not_empty) {
            Ok(answer) => {
                note_answer(&mut poll, &answer);
                read_page(of, answer).await
            }
            Err(failed) => Err(failed),
        };
        let found = match found {
            Ok(page) => {
                poll.error.clone_from(&page.complaint);
                Some(page)
            }
            Err(failed) => {
                note_failure(&mut poll, failed);
                None
            }
        };
        round.polls.push(self.end(poll, &secrets));
        found
    }

    /// Lands what a page's records lead to. Where links have expired the page
    /// is asked for again, as long as that helps.
    async fn fetch_all(&self, of: &PageOf<'_>, page: &Page, cursor: &mut Cursor, round: &mut Round) {
        let mut wanted: Vec<Record> = cursor.links.wanted(&page.records).into_iter().cloned().collect();
        for pass in 0..=MAX_REASKS {
            let fetching: Vec<_> = wanted
                .into_iter()
                .enumerate()
                .map(async |(n, record)| (n, self.fetch(of, &page.url, record).await))
                .collect();
            let fetching = futures::stream::iter(fetching).buffer_unordered(self.feed.concurrency);
            let mut fetched: Vec<(usize, Fetched)> = fetching.collect().await;
            fetched.sort_by_key(|(n, _)| *n);
            let now_ms = self.now_ms();
            let mut refused: Vec<Record> = Vec::new();
            let mut n_landed = 0;
            for (_, Fetched { record, poll, landed, fault, hold }) in fetched {
                note_hold(cursor, hold, now_ms);
                round.polls.push(poll);
                round.landed.extend(landed);
                match fault {
                    None => {
                        cursor.links.fetched(&record);
                        n_landed += 1;
                    }
                    Some(Fault::Status(400 | 401 | 403 | 404 | 410)) => refused.push(record),
                    Some(fault) if may_pass(fault) => {}
                    Some(_) => self.led_nowhere(&record, cursor, round),
                }
            }
            if refused.is_empty() || cursor.hold_until_ms.is_some() {
                return;
            }
            // Links that are fresh and refused all the same lead nowhere.
            if pass == MAX_REASKS || (pass > 0 && n_landed == 0) {
                refused.iter().for_each(|record| self.led_nowhere(record, cursor, round));
                return;
            }
            let Some(again) = self.page(of, cursor, round).await else { return };
            wanted = Vec::new();
            for record in refused {
                match again.records.iter().find(|fresh| fresh.key() == record.key()) {
                    Some(fresh) if fresh.link != record.link => wanted.push(fresh.clone()),
                    Some(_) => self.led_nowhere(&record, cursor, round),
                    // It has changed or is gone: the next poll's pages will say.
                    None => {}
                }
            }
        }
    }

    fn led_nowhere(&self, record: &Record, cursor: &mut Cursor, round: &mut Round) {
        if cursor.links.led_nowhere(record) {
            let message = format!(
                "its link has led nowhere in {GIVE_UP_AFTER} polls and is given up until the record changes"
            );
            let poll = Poll { error: Some(message), ..self.begin(Step::Link, Some(record.name.clone())) };
            round.polls.push(self.end(poll, &self.secrets));
        }
    }

    /// Fetches what one link leads to and lands it.
    async fn fetch(&self, of: &PageOf<'_>, home: &Url, record: Record) -> Fetched {
        let mut secrets = self.secrets.clone();
        let seed = format!("{} {}", self.seed, record.id);
        let poll = self.begin(Step::Link, Some(record.name.clone()));
        let mut fetched = Fetched { record, poll, landed: None, fault: None, hold: None };
        let asked = home
            .join(&fetched.record.link)
            .map_err(|_| "the record's link is no address; look at `link`".to_string())
            .and_then(|url| self.given(of.template, home, url, Some(of.links.timeout), &mut secrets));
        let tried = match &asked {
            Ok(ask) => self.poller.client.ask(self.asker(&secrets, &seed), ask, None).await,
            Err(message) => not_sent(message.clone()),
        };
        fetched.poll.attempts = tried.attempts;
        fetched.hold = tried.hold;
        let outcome = match tried.result.and_then(not_empty) {
            Ok(answer) => self.keep_linked(answer, &mut fetched).await,
            Err(failed) => Err(failed),
        };
        if let Err(failed) = outcome {
            fetched.fault = Some(failed.fault);
            note_failure(&mut fetched.poll, failed);
        }
        fetched.poll = self.end(fetched.poll, &secrets);
        fetched
    }

    async fn keep_linked(&self, mut answer: Answer, fetched: &mut Fetched) -> Result<(), Failed> {
        note_answer(&mut fetched.poll, &answer);
        let Some(body) = answer.body.take() else { return Ok(()) };
        let name = &fetched.record.name;
        let relative = match self.dataset.on_change {
            // Its rows take the place of the earlier file's of the same name.
            OnChange::Replace | OnChange::Ignore => name.clone(),
            // Another file, which the earlier one's name must not stand in for.
            OnChange::Append => format!("{}/{name}", &body.fingerprint[..16]),
        };
        fetched.landed = Some(land(body, relative.clone()).await?);
        fetched.poll.path = Some(relative);
        Ok(())
    }

    /// The request for an address that the server at `home` gave. Another
    /// origin is sent no secret.
    fn given(
        &self,
        template: &Template,
        home: &Url,
        url: Url,
        timeout: Option<Duration>,
        secrets: &mut Secrets,
    ) -> Result<Ask, String> {
        let host = url.host_str().unwrap_or_default().to_string();
        if !matches!(url.scheme(), "http" | "https") || host.is_empty() {
            return Err(format!("the page `{template}` leads to something that is no address on the web"));
        }
        check_origin(home, &url, secrets)
            .map_err(|why| format!("the page `{template}` leads to `{host}`, {why}"))?;
        // Without its query, which may be a signature.
        let shown = format!("{}{}", url.origin().ascii_serialization(), url.path());
        let is_home = url.origin() == home.origin();
        let mut ask = Ask::to(self.feed, url, shown, secrets)?;
        if !is_home {
            ask.secret_headers.clear();
        }
        ask.timeout = timeout.unwrap_or(ask.timeout);
        Ok(ask)
    }
}

/// Which page comes next; `None` after the last.
fn turn_after(of: &PageOf, found: &Page, has_news: bool) -> Option<Turn> {
    match &of.links.paging {
        Paging::None => None,
        Paging::Next(_) => {
            let url = found.url.join(found.next.as_ref()?).ok()?;
            Some(Turn::At { home: found.url.clone(), url })
        }
        Paging::Number(first) => match &of.turn {
            Turn::Filled { cursor, page } if has_news => {
                Some(Turn::Filled { cursor: cursor.clone(), page: Some(page.unwrap_or(*first) + 1) })
            }
            Turn::Filled { .. } | Turn::At { .. } => None,
        },
        Paging::Cursor if has_news => {
            let newest = newest(found.records.iter().filter_map(|r| r.updated.as_deref()))?;
            Some(Turn::Filled { cursor: Some(newest.to_string()), page: None })
        }
        Paging::Cursor => None,
    }
}

/// The records of a page's answer.
async fn read_page(of: &PageOf<'_>, mut answer: Answer) -> Result<Page, Failed> {
    let PageOf { template, links, .. } = of;
    let document = read(&mut answer).await?;
    let document = extract::json(&document)
        .map_err(|why| Failed::content(&answer, format!("the page `{template}` cannot be read: {why}")))?;
    let found = extract::records(&document, &links.records);
    let is_there = !found.is_empty() || leads_to_list(&document, &links.records.keys);
    if !is_there {
        let message = format!("the page `{template}` has nothing at `{}`; look at `records`", links.records);
        return Err(Failed::content(&answer, message));
    }
    let mut records = Vec::new();
    let mut bad: Vec<(usize, String)> = Vec::new();
    for (n, found) in found.iter().enumerate() {
        match record(links, found, &answer.url) {
            Ok(record) => records.push(record),
            Err(why) => bad.push((n + 1, why)),
        }
    }
    let complaint = bad.first().map(|(first, why)| {
        format!(
            "{} of {} records of the page `{template}` are left out; the first is number {first}: {why}",
            bad.len(),
            found.len()
        )
    });
    let next = match &links.paging {
        Paging::Next(path) => extract::field(&document, path),
        _ => None,
    };
    Ok(Page { url: answer.url, records, complaint, next })
}

/// Whether a failure may pass by itself, so that it proves nothing of a link.
fn may_pass(fault: Fault) -> bool {
    match fault {
        Fault::Unreachable | Fault::TimedOut | Fault::CutShort | Fault::Storage => true,
        Fault::Status(status) => matches!(status, 408 | 425 | 429 | 500..),
        Fault::Request | Fault::TooLarge | Fault::Redirect | Fault::Content => false,
    }
}

/// Whether a path ends at a list, be it empty.
fn leads_to_list(document: &Value, keys: &[String]) -> bool {
    keys.iter().try_fold(document, |value, key| value.get(key)).is_some_and(Value::is_array)
}

/// A record as the configuration reads it.
fn record(links: &Links, found: &Value, home: &Url) -> Result<Record, String> {
    let link = extract::field(found, &links.link).ok_or_else(|| format!("it has no `{}`", links.link))?;
    let url = home.join(&link).map_err(|_| format!("its `{}` is no address", links.link))?;
    let needed = |path: &lakegate_domain::feed::Path| {
        extract::field(found, path).ok_or_else(|| format!("it has no `{path}`"))
    };
    let id = links.id.as_ref().map(needed).transpose()?;
    let name = links.name.as_ref().map(needed).transpose()?;
    Ok(Record {
        name: name::linked(id.as_deref(), name.as_deref(), url.path()),
        id: id.unwrap_or_else(|| format!("{}{}", url.origin().ascii_serialization(), url.path())),
        updated: links.updated.as_ref().map(needed).transpose()?,
        link,
    })
}
