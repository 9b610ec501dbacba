//! Where a list of links stands: which records are still to be fetched, and
//! how far the cursor may move.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A record that leads to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub id: String,
    pub link: String,
    /// Where its file lands, below the landing folder; no other record's does.
    pub name: String,
    pub updated: Option<String>,
}

impl Record {
    /// Tells this state of the record from every other.
    pub fn key(&self) -> String {
        match &self.updated {
            Some(updated) => format!("{}\n{updated}", self.id),
            None => self.id.clone(),
        }
    }
}

/// How far the records of a feed have been fetched. It holds no more than the
/// records at and after the cursor or, without one, those still listed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// Every record up to here is done.
    pub cursor: Option<String>,
    /// Records that are done, by key; with when they changed.
    pub done: BTreeMap<String, Option<String>>,
    /// Polls in which a record's link led nowhere, by key.
    pub failed: BTreeMap<String, u32>,
}

/// Polls after which a link that leads nowhere is given up; an error that may
/// pass by itself never counts.
pub const GIVE_UP_AFTER: u32 = 10;

/// Orders two values of an `updated` path: as numbers where both are, as times
/// where both are, else as text. A date alone is its first moment in UTC.
pub fn compare(a: &str, b: &str) -> Ordering {
    if let (Ok(a), Ok(b)) = (a.parse::<f64>(), b.parse::<f64>()) {
        return a.total_cmp(&b);
    }
    if let (Some(a), Some(b)) = (instant(a), instant(b)) {
        return a.cmp(&b);
    }
    a.cmp(b)
}

fn instant(text: &str) -> Option<Timestamp> {
    let utc =
        |naive: jiff::civil::DateTime| naive.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|z| z.timestamp());
    text.parse::<Timestamp>().ok().or_else(|| text.parse::<jiff::civil::DateTime>().ok().and_then(utc))
}

/// The later of two `updated` values.
pub fn newest<'a>(values: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    values.max_by(|a, b| compare(a, b))
}

impl Progress {
    /// The records that are to be fetched, oldest first. Of several states of
    /// one record only the newest: the others' links lead to it as well.
    pub fn wanted<'r>(&self, listed: &'r [Record]) -> Vec<&'r Record> {
        let mut newest: BTreeMap<&str, &Record> = BTreeMap::new();
        for record in listed {
            let later = |known: &&Record| order(record, known).is_ge();
            if newest.get(record.id.as_str()).is_none_or(later) {
                newest.insert(&record.id, record);
            }
        }
        let mut wanted: Vec<&Record> =
            newest.into_values().filter(|record| !self.done.contains_key(&record.key())).collect();
        wanted.sort_by(|a, b| order(a, b).then_with(|| a.id.cmp(&b.id)));
        wanted
    }

    /// Notes that a record's file has landed.
    pub fn fetched(&mut self, record: &Record) {
        let key = record.key();
        self.failed.remove(&key);
        self.done.insert(key, record.updated.clone());
    }

    /// Notes that a record's link leads nowhere; `true` where it is now given up.
    pub fn led_nowhere(&mut self, record: &Record) -> bool {
        let n = self.failed.entry(record.key()).or_insert(0);
        *n += 1;
        let given_up = *n >= GIVE_UP_AFTER;
        if given_up {
            self.fetched(record);
        }
        given_up
    }

    /// Moves the cursor as far as everything is done and forgets what it need
    /// not know. `listed` must be everything that the server has from the
    /// cursor on; after a listing that broke off nothing moves.
    ///
    /// | records by time | done      | cursor after |
    /// |-----------------|-----------|--------------|
    /// | 1 2 3           | 1 2 3     | 3            |
    /// | 1 2 3           | 1 3       | 1            |
    /// | 1 2 2 3         | 1 2 3     | 1            |
    /// | 1 2 3           | 2 3       | as before    |
    pub fn advance(&mut self, listed: &[Record]) {
        // An older state of a record that is done is done with it.
        let open: BTreeSet<String> = self.wanted(listed).into_iter().map(Record::key).collect();
        let first_open = listed
            .iter()
            .filter(|r| open.contains(&r.key()))
            .filter_map(|r| r.updated.as_deref())
            .min_by(|a, b| compare(a, b));
        let reached = listed
            .iter()
            .filter_map(|r| r.updated.as_deref())
            .filter(|u| first_open.is_none_or(|open| compare(u, open).is_lt()))
            .chain(self.cursor.as_deref());
        let cursor = newest(reached).map(str::to_string);
        let listed: BTreeSet<String> = listed.iter().map(Record::key).collect();
        self.done.retain(|key, updated| match (&cursor, updated) {
            (Some(cursor), Some(updated)) => compare(updated, cursor).is_ge(),
            _ => listed.contains(key),
        });
        let done = &self.done;
        self.failed.retain(|key, _| listed.contains(key) && !done.contains_key(key));
        self.cursor = cursor;
    }
}

fn order(a: &Record, b: &Record) -> Ordering {
    match (&a.updated, &b.updated) {
        (Some(a), Some(b)) => compare(a, b),
        (a, b) => a.cmp(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str, updated: Option<&str>) -> Record {
        Record {
            id: id.into(),
            link: format!("https://h/{id}"),
            name: id.into(),
            updated: updated.map(str::to_string),
        }
    }

    #[test]
    fn values_are_compared_as_what_they_are() {
        for (a, b) in [
            ("9", "10"),
            ("1.5", "2"),
            ("2024-01-01T00:00:00+02:00", "2024-01-01T00:00:00Z"),
            ("2024-01-01T23:00:00-05:00", "2024-01-02T05:00:00Z"),
            ("2023-12-31", "2024-01-01T00:00:00Z"),
            ("2024-01-01T00:00:00", "2024-01-01T00:00:01Z"),
            ("a", "b"),
        ] {
            assert_eq!(compare(a, b), Ordering::Less, "{a} {b}");
            assert_eq!(compare(b, a), Ordering::Greater, "{b} {a}");
        }
        assert_eq!(compare("2024-01-01T00:00:00.000Z", "2024-01-01T00:00:00Z"), Ordering::Equal);
    }

    #[test]
    fn the_cursor_moves_as_far_as_everything_is_done() {
        let records =
            [record("a", Some("1")), record("b", Some("2")), record("c", Some("2")), record("d", Some("3"))];
        for (done, cursor, remembered) in [
            ("abcd", Some("3"), "d"),
            ("ad", Some("1"), "ad"),
            ("abd", Some("1"), "abd"),
            ("bcd", None, "bcd"),
            ("", None, ""),
        ] {
            let mut progress = Progress::default();
            records.iter().filter(|r| done.contains(&r.id)).for_each(|r| progress.fetched(r));
            progress.advance(&records);
            assert_eq!(progress.cursor.as_deref(), cursor, "{done}");
            let ids: String = progress.done.keys().map(|k| k.split('\n').next().unwrap()).collect();
            assert_eq!(ids, remembered, "{done}");
        }
    }

    #[test]
    fn without_times_only_what_is_listed_is_remembered() {
        let mut progress = Progress::default();
        let (a, b) = (record("a", None), record("b", None));
        progress.fetched(&a);
        progress.fetched(&b);
        progress.advance(std::slice::from_ref(&b));
        assert_eq!(
            (progress.cursor, progress.done.into_keys().collect::<Vec<_>>()),
            (None, vec!["b".to_string()])
        );
    }

    #[test]
    fn a_dead_link_holds_the_cursor_until_it_is_given_up() {
        let records = [record("a", Some("1")), record("b", Some("2"))];
        let mut progress = Progress::default();
        progress.fetched(&records[1]);
        for n in 1..GIVE_UP_AFTER {
            assert!(!progress.led_nowhere(&records[0]), "{n}");
            progress.advance(&records);
            assert_eq!(progress.cursor, None);
        }
        assert!(progress.led_nowhere(&records[0]));
        progress.advance(&records);
        assert_eq!(progress.cursor.as_deref(), Some("2"));
        assert!(progress.failed.is_empty());
    }

    /// A server whose records change, whose links fail and whose listings break
    /// off, against the plain rule: in the end each record's newest state has
    /// been fetched, and nothing was fetched twice.
    #[test]
    fn every_newest_state_is_fetched_exactly_once() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut server: BTreeMap<String, u32> = BTreeMap::new();
            let mut clock = 0;
            let mut progress = Progress::default();
            let mut fetched: BTreeSet<String> = BTreeSet::new();
            for round in 0..60 {
                let quiet = round >= 50;
                for _ in 0..if quiet { 0 } else { random.u32(0..4) } {
                    clock += random.u32(0..2);
                    server.insert(format!("r{}", random.u8(0..12)), clock);
                }
                // What the server answers from the cursor on, ties included.
                let from: u32 = progress.cursor.as_deref().map_or(0, |c| c.parse().unwrap());
                let mut listed: Vec<Record> = server
                    .iter()
                    .filter(|(_, at)| **at >= from)
                    .map(|(id, at)| record(id, Some(&at.to_string())))
                    .collect();
                random.shuffle(&mut listed);
                let breaks_off = !quiet && random.u8(0..4) == 0;
                if breaks_off {
                    listed.truncate(listed.len() / 2);
                }
                let wanted: Vec<Record> = progress.wanted(&listed).into_iter().cloned().collect();
                for r in &wanted {
                    if quiet || random.u8(0..3) > 0 {
                        assert!(fetched.insert(r.key()), "seed {seed}: {} twice", r.key());
                        progress.fetched(r);
                    }
                }
                if !breaks_off {
                    progress.advance(&listed);
                }
                assert!(progress.done.len() <= server.len() * 3 + 12, "seed {seed}: bounded");
            }
            for (id, at) in &server {
                assert!(fetched.contains(&format!("{id}\n{at}")), "seed {seed}: {id} at {at}");
            }
        }
    }
}
