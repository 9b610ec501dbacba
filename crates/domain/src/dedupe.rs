//! Which rows of a table count as one, and what has to be remembered to tell.
//!
//! A row is a duplicate if a row that stays in the table came before it, has the
//! same key, and has a time that is at most the window away from its own. Rows
//! come in the order of their files' places in the lane and, within a file, in
//! the file's order.
//!
//! | key | time | a row that stays | this row |
//! |---|---|---|---|
//! | `a` | 10:00 | none | stays |
//! | `a` | 10:00 | `a` 10:00 | duplicate |
//! | `a` | 11:00 | `a` 10:00, window 2 h | duplicate |
//! | `a` | 12:30 | `a` 10:00, window 2 h; the one of 11:00 did not stay | stays |
//! | `a` | 09:00 | `a` 10:00, window 2 h: late rows are compared too | duplicate |
//! | `a` | none | anything | stays: nothing says when it was |
//!
//! Only rows that stay are compared with, so the table alone tells what the rule
//! needs to know, and nothing else has to be kept anywhere. Where the time is a
//! part of the key, equal keys have equal times, and the window says nothing more.
//!
//! What is remembered here is a cache of the table, in spans of time. A span is
//! known whole or not at all; whoever asks loads those that are missing.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::RangeInclusive;
use std::time::Duration;

/// The rule of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dedupe {
    /// Columns that tell rows apart. A missing value equals a missing value.
    pub key: Vec<String>,
    /// Column of the row's time, an instant or a date.
    pub by: String,
    /// How far apart two rows of one key are at most that count as one.
    pub window: Duration,
}

/// How much time a span covers where equal keys have equal times.
const SPAN_US: i64 = 3_600_000_000;

impl Dedupe {
    /// How far from its own time a row's like may be, in microseconds: nothing
    /// where the key tells the time.
    pub fn reach_us(&self) -> i64 {
        match self.key_tells_time() {
            true => 0,
            false => i64::try_from(self.window.as_micros()).unwrap_or(i64::MAX),
        }
    }

    /// Whether equal keys have equal times.
    pub fn key_tells_time(&self) -> bool {
        self.key.contains(&self.by)
    }
}

/// A row's key, as 128 bits of a cryptographic hash. Among a thousand million
/// different keys the chance that any two are taken for one is below 10^-20.
pub type Key = u128;

/// Keys and their times, of rows that stay.
#[derive(Debug)]
enum Entries {
    /// Equal keys have equal times.
    Equal(HashSet<Key>),
    Near(BTreeSet<(Key, i64)>),
}

/// What an entry takes in memory: a set keeps an eighth free and a byte beside
/// each place; the nodes of a tree are two thirds full.
const EQUAL_BYTES: usize = size_of::<Key>() + 1;
const NEAR_BYTES: usize = size_of::<(Key, i64)>() * 3 / 2;
/// What a span takes beside its entries.
const SPAN_BYTES: usize = 160;

impl Entries {
    /// None, of keys that tell the time or do not.
    fn none(key_tells_time: bool) -> Self {
        if key_tells_time { Entries::Equal(HashSet::new()) } else { Entries::Near(BTreeSet::new()) }
    }

    fn insert(&mut self, key: Key, at_us: i64) {
        match self {
            Entries::Equal(keys) => {
                keys.insert(key);
            }
            Entries::Near(keys) => {
                keys.insert((key, at_us));
            }
        }
    }

    fn has(&self, key: Key, from_us: i64, to_us: i64) -> bool {
        match self {
            Entries::Equal(keys) => keys.contains(&key),
            Entries::Near(keys) => keys.range((key, from_us)..=(key, to_us)).next().is_some(),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Entries::Equal(keys) => keys.capacity() / 7 * 8 * EQUAL_BYTES,
            Entries::Near(keys) => keys.len() * NEAR_BYTES,
        }
    }

    fn retain(&mut self, wanted: &HashSet<Key>) {
        match self {
            Entries::Equal(keys) => {
                keys.retain(|key| wanted.contains(key));
                keys.shrink_to_fit();
            }
            Entries::Near(keys) => keys.retain(|(key, _)| wanted.contains(key)),
        }
    }

    /// Moves all entries of `other` here.
    fn append(&mut self, other: Entries) {
        match (self, other) {
            (Entries::Equal(mine), Entries::Equal(other)) if mine.is_empty() => *mine = other,
            (Entries::Equal(mine), Entries::Equal(other)) => mine.extend(other),
            (Entries::Near(mine), Entries::Near(mut other)) => mine.append(&mut other),
            _ => unreachable!("all are made for one rule"),
        }
    }
}

/// A span of time of the table.
#[derive(Debug)]
struct Span {
    entries: Entries,
    /// When it was last looked at.
    used: u64,
}

/// What is remembered of the rows that stay.
#[derive(Debug)]
pub struct Kept {
    key_tells_time: bool,
    reach_us: i64,
    span_us: i64,
    /// Of the table, by number of the span.
    spans: BTreeMap<i64, Span>,
    /// Of the table, for the rows at hand alone, where a span has no room.
    found: Entries,
    /// Of files that wait for their commit, by number of the span.
    waiting: BTreeMap<i64, Entries>,
    /// Of the file at hand, by number of the span.
    own: BTreeMap<i64, Entries>,
    /// Counts the times that something was looked up.
    clock: u64,
}

impl Kept {
    pub fn new(rule: &Dedupe) -> Self {
        let reach_us = rule.reach_us();
        let key_tells_time = rule.key_tells_time();
        Self {
            key_tells_time,
            reach_us,
            span_us: reach_us.max(SPAN_US),
            spans: BTreeMap::new(),
            found: Entries::none(key_tells_time),
            waiting: BTreeMap::new(),
            own: BTreeMap::new(),
            clock: 0,
        }
    }

    fn spans_of(&self, at_us: i64) -> RangeInclusive<i64> {
        let (from, to) = self.around(at_us);
        self.span_of(from)..=self.span_of(to)
    }

    /// How much time a span covers, in microseconds: a time lies in the span that
    /// has the number of its quotient.
    pub fn span_us(&self) -> i64 {
        self.span_us
    }

    fn span_of(&self, at_us: i64) -> i64 {
        at_us.div_euclid(self.span_us)
    }

    /// The times that are not too far from this one.
    fn around(&self, at_us: i64) -> (i64, i64) {
        (at_us.saturating_sub(self.reach_us), at_us.saturating_add(self.reach_us))
    }

    /// The spans that have to be loaded before rows of these times are judged.
    pub fn missing(&mut self, times_us: impl IntoIterator<Item = i64>) -> BTreeSet<i64> {
        self.clock += 1;
        self.found = Entries::none(self.key_tells_time);
        let mut missing = BTreeSet::new();
        for at_us in times_us {
            for id in self.spans_of(at_us) {
                match self.spans.get_mut(&id) {
                    Some(span) => span.used = self.clock,
                    None => {
                        missing.insert(id);
                    }
                }
            }
        }
        missing
    }

    /// Loads `missing` spans. Where they would take more than `budget_bytes`,
    /// with what is remembered already, the longest unused spans are forgotten;
    /// where that is not enough only the keys of the rows at hand are loaded,
    /// which `wanted` tells, and nothing of it is remembered.
    pub fn load<'a>(
        &'a mut self,
        missing: &BTreeSet<i64>,
        budget_bytes: usize,
        wanted: &'a dyn Fn() -> HashSet<Key>,
    ) -> Loading<'a> {
        let spans = missing.iter().map(|id| (*id, Entries::none(self.key_tells_time))).collect();
        let known_bytes = self.known_bytes();
        Loading { kept: self, spans, n: 0, known_bytes, budget_bytes, wanted, narrow: None }
    }

    /// Whether a row stays; if so it is remembered as one of the file at hand.
    /// What its time needs has been loaded. `None`: the row has no time.
    pub fn admit(&mut self, key: Key, at_us: Option<i64>) -> bool {
        let Some(at_us) = at_us else { return true };
        let (from_us, to_us) = self.around(at_us);
        let has = |entries: &Entries| entries.has(key, from_us, to_us);
        let is_duplicate = has(&self.found)
            || self.spans_of(at_us).any(|id| {
                self.own.get(&id).is_some_and(has)
                    || self.waiting.get(&id).is_some_and(has)
                    || self.spans.get(&id).is_some_and(|span| has(&span.entries))
            });
        if is_duplicate {
            return false;
        }
        let own = self.own.entry(self.span_of(at_us));
        own.or_insert_with(|| Entries::none(self.key_tells_time)).insert(key, at_us);
        true
    }

    /// The file at hand is ready to be committed.
    pub fn end_file(&mut self) {
        for (id, entries) in std::mem::take(&mut self.own) {
            self.waiting.entry(id).or_insert_with(|| Entries::none(self.key_tells_time)).append(entries);
        }
    }

    /// Nothing of the file at hand comes into the table.
    pub fn drop_file(&mut self) {
        self.own.clear();
    }

    /// Nothing of what is not committed comes into the table.
    pub fn drop_uncommitted(&mut self) {
        self.own.clear();
        self.waiting.clear();
    }

    /// What was ready is in the table now.
    pub fn commit(&mut self) {
        for (id, entries) in std::mem::take(&mut self.waiting) {
            // A span that is not known is loaded when it is needed, with these.
            if let Some(span) = self.spans.get_mut(&id) {
                span.entries.append(entries);
            }
        }
    }

    /// The table may have changed in other ways: all has to be loaded again.
    pub fn clear(&mut self) {
        self.drop_uncommitted();
        self.spans.clear();
    }

    /// What is remembered of the file at hand, in memory.
    pub fn own_bytes(&self) -> usize {
        self.own.values().map(|e| e.bytes() + SPAN_BYTES).sum()
    }

    /// What is remembered of files that wait for their commit, in memory.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting.values().map(|e| e.bytes() + SPAN_BYTES).sum()
    }

    /// All that is remembered, in memory.
    pub fn bytes(&self) -> usize {
        self.known_bytes() + self.own_bytes() + self.waiting_bytes() + self.found.bytes()
    }

    fn known_bytes(&self) -> usize {
        self.spans.values().map(|s| s.entries.bytes() + SPAN_BYTES).sum()
    }

    /// Forgets the longest unused spans, but none that the rows at hand need,
    /// until the others take no more than this. Answers what is left.
    pub fn forget_beyond(&mut self, bytes: usize) -> usize {
        let mut left = self.known_bytes();
        let unused = self.spans.iter().filter(|(_, s)| s.used < self.clock);
        let mut oldest: Vec<(u64, i64)> = unused.map(|(id, s)| (s.used, *id)).collect();
        oldest.sort_unstable();
        for (_, id) in oldest {
            if left <= bytes {
                break;
            }
            left -= self.spans.remove(&id).map_or(0, |s| s.entries.bytes() + SPAN_BYTES);
        }
        left
    }
}

/// Rows of the table on their way into memory.
pub struct Loading<'a> {
    kept: &'a mut Kept,
    spans: BTreeMap<i64, Entries>,
    n: usize,
    known_bytes: usize,
    budget_bytes: usize,
    wanted: &'a dyn Fn() -> HashSet<Key>,
    /// Set when there is no room: the only keys that are looked for.
    narrow: Option<HashSet<Key>>,
}

impl Loading<'_> {
    /// A row of the table; those of other spans are passed over.
    pub fn put(&mut self, key: Key, at_us: i64) {
        let Some(entries) = self.spans.get_mut(&self.kept.span_of(at_us)) else { return };
        if let Some(wanted) = &self.narrow {
            if wanted.contains(&key) {
                self.kept.found.insert(key, at_us);
            }
            return;
        }
        entries.insert(key, at_us);
        self.n += 1;
        // Sets grow by doubling: looking now and then is near enough.
        if self.n.is_power_of_two() || self.n.is_multiple_of(1 << 16) {
            self.keep_within();
        }
    }

    fn bytes(&self) -> usize {
        self.spans.values().map(|e| e.bytes() + SPAN_BYTES).sum()
    }

    fn keep_within(&mut self) {
        let bytes = self.bytes();
        if bytes + self.known_bytes > self.budget_bytes {
            self.known_bytes = self.kept.forget_beyond(self.budget_bytes.saturating_sub(bytes));
        }
        if bytes + self.known_bytes <= self.budget_bytes {
            return;
        }
        let wanted = (self.wanted)();
        for entries in self.spans.values_mut() {
            let mut entries = std::mem::replace(entries, Entries::none(self.kept.key_tells_time));
            entries.retain(&wanted);
            self.kept.found.append(entries);
        }
        self.narrow = Some(wanted);
    }

    /// All rows of the spans were put.
    pub fn finish(mut self) {
        if self.narrow.is_none() {
            self.keep_within();
        }
        if self.narrow.is_some() {
            return;
        }
        let used = self.kept.clock;
        let known = self.spans.into_iter().map(|(id, entries)| (id, Span { entries, used }));
        self.kept.spans.extend(known);
    }
}

#[cfg(test)]
mod tests;
