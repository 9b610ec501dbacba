//! Feeds: endpoints that are polled. What a feed is once it is compiled, and
//! every decision about polling that needs no network: when a feed is due
//! ([`Schedule::due`]), what follows a failed attempt ([`after`]), what a landed
//! answer is called ([`name`]), and where a list of links stands ([`links`]).
//!
//! Times are milliseconds since the Unix epoch (UTC) and always come from
//! outside: there is no clock here.

pub mod links;
pub mod name;
mod path;
mod record;
mod retry;
mod schedule;
mod template;

use std::collections::BTreeMap;
use std::time::Duration;

pub use path::{Path, PathError};
pub use record::{Cursor, Mark, Poll, Step};
pub use retry::{Fault, Next, after, retry_after};
pub use schedule::{CronError, Due, Schedule};
pub use template::{Fill, Placeholder, Template, encoded};

/// A feed, compiled.
#[derive(Clone, Debug)]
pub struct Feed {
    pub source: Source,
    pub schedule: Schedule,
    /// Most that a poll begins after its tick; which delay each tick has is
    /// decided by the feed's name and the tick.
    pub jitter: Duration,
    /// Settings that every request of the feed shares.
    pub request: Request,
    /// Items of a fan-out, or links, that are asked for at a time.
    pub concurrency: usize,
    /// What the feed says of its hosts; `None` leaves it to the lake.
    pub per_host: Option<HostLimits>,
}

/// What a feed asks for.
#[derive(Clone, Debug)]
pub enum Source {
    /// One address.
    One(Template),
    /// Several addresses, each under the name of its item.
    Named(Vec<(String, Template)>),
    /// A list is asked for first, then `each` once per item of it.
    List { list: List, each: Template },
    /// The address answers a list of links, and what they lead to is landed.
    Links { page: Template, links: Box<Links> },
}

/// The request that tells a fan-out's items.
#[derive(Clone, Debug)]
pub struct List {
    pub url: Template,
    /// Path to the items in the answer.
    pub items: Path,
    /// How long a list is good for; `None` asks for it with every poll.
    pub keep: Option<Duration>,
    /// A longer list is refused.
    pub max_items: usize,
}

/// How an answer's records lead to files.
#[derive(Clone, Debug)]
pub struct Links {
    /// Path to the records in the answer.
    pub records: Path,
    /// Paths within a record.
    pub link: Path,
    /// What the landed file is called, see [`name::linked`].
    pub name: Option<Path>,
    /// What tells one record from another; the link without its query where `None`.
    pub id: Option<Path>,
    /// When a record last changed. Orders records; the newest is the cursor.
    pub updated: Option<Path>,
    /// The cursor of the first request.
    pub start: Option<String>,
    pub paging: Paging,
    /// Pages that one poll asks for at most.
    pub max_pages: usize,
    /// Longest that one download may take.
    pub timeout: Duration,
}

/// How one page of records leads to the next.
#[derive(Clone, Debug, PartialEq)]
pub enum Paging {
    /// There is one page.
    None,
    /// The answer holds the next page's address here, or nothing.
    Next(Path),
    /// `{page}` counts from here until a page has no records.
    Number(u64),
    /// `{cursor}` follows the newest record until nothing new is answered.
    Cursor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
}

impl Method {
    pub fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
        }
    }
}

/// How a server is asked.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    /// By name, as written.
    pub headers: Vec<(String, Template)>,
    /// Added to the address's own query.
    pub query: Vec<(String, Template)>,
    pub body: Option<Template>,
    pub auth: Option<Auth>,
    /// Longest that an attempt may take, from its start to the last byte.
    pub timeout: Duration,
    /// Longest that reaching the server may take.
    pub connect_timeout: Duration,
    /// Attempts after the first.
    pub retries: u32,
    /// A larger answer is refused, packed or unpacked.
    pub max_bytes: u64,
    pub redirects: u32,
    /// Whether the server may answer that nothing has changed.
    pub conditional: bool,
}

#[derive(Clone, Debug)]
pub enum Auth {
    Basic { user: Template, password: Template },
    Bearer(Template),
}

/// What one host is asked at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostLimits {
    /// Requests under way at a time.
    pub concurrency: usize,
    /// Least time from the start of one request to the start of the next.
    pub spacing: Duration,
}

impl Default for HostLimits {
    fn default() -> Self {
        Self { concurrency: 8, spacing: Duration::ZERO }
    }
}

impl HostLimits {
    /// Limits that break neither of two.
    pub fn strictest(self, other: Self) -> Self {
        Self {
            concurrency: self.concurrency.min(other.concurrency),
            spacing: self.spacing.max(other.spacing),
        }
    }
}

/// What holds for all feeds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Feeds {
    /// Of hosts that nothing else is said of.
    pub per_host: HostLimits,
    /// By host: what the lake and all feeds that name it agree on.
    pub hosts: BTreeMap<String, HostLimits>,
}

impl Feeds {
    /// The limits that hold when a feed asks a host: the strictest that anybody
    /// has set for it.
    pub fn limits(&self, host: &str, feed: &Feed) -> HostLimits {
        match (self.hosts.get(host), feed.per_host) {
            (Some(known), Some(own)) => known.strictest(own),
            (Some(limits), None) => *limits,
            (None, own) => own.unwrap_or(self.per_host),
        }
    }
}

impl Feed {
    /// Every address that is written in the configuration.
    pub fn addresses(&self) -> Vec<&Template> {
        match &self.source {
            Source::One(url) | Source::Links { page: url, .. } => vec![url],
            Source::Named(urls) => urls.iter().map(|(_, url)| url).collect(),
            Source::List { list, each } => vec![&list.url, each],
        }
    }

    /// Every text of its requests that may refer to a secret.
    pub fn texts(&self) -> Vec<&Template> {
        let Request { headers, query, body, auth, .. } = &self.request;
        let mut texts = self.addresses();
        texts.extend(headers.iter().chain(query).map(|(_, text)| text));
        texts.extend(body);
        match auth {
            Some(Auth::Basic { user, password }) => texts.extend([user, password]),
            Some(Auth::Bearer(token)) => texts.push(token),
            None => {}
        }
        texts
    }

    /// What a mark in the cursor depends on: answers to another request prove
    /// nothing about this one's. It shows references, never a secret's value.
    pub fn request_key(&self) -> String {
        let names: Vec<&String> =
            self.request.headers.iter().chain(&self.request.query).map(|(n, _)| n).collect();
        let shown = format!("{:?}", (self.request.method, names, self.texts()));
        format!("{:016x}", fnv(shown.bytes()))
    }
}

/// FNV-1a, 64 bits: tells two texts apart and stays the same for ever.
pub(crate) fn fnv(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes
        .into_iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// A number in `0..=most` that is decided by its seeds alone and looks random.
pub(crate) fn dice(name: &str, seeds: &[i64], most: u64) -> u64 {
    let seeded = name.bytes().chain(seeds.iter().flat_map(|s| s.to_le_bytes()));
    // FNV's low bits follow its last byte; the finaliser of SplitMix64 spreads them.
    let mut z = fnv(seeded);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    match most.checked_add(1) {
        Some(n) => z % n,
        None => z,
    }
}
