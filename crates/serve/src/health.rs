//! Whether feeds and datasets are as fresh as they are meant to be.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lakegate_domain::DatasetName;
use lakegate_domain::job::FileState;
use lakegate_state::{FileFilter, Store};
use serde::Serialize;

use crate::feed::{Feed, Opened};
use crate::problem::{Problem, Result};

/// How a feed or a dataset stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Its newest data are younger than `stale_after`.
    Fresh,
    /// They are older.
    Stale,
    /// It has no rows yet.
    Empty,
    /// It cannot be read.
    Broken,
    /// It has data, and nothing says how fresh they should be.
    Unwatched,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            State::Fresh => "fresh",
            State::Stale => "stale",
            State::Empty => "empty",
            State::Broken => "broken",
            State::Unwatched => "unwatched",
        }
    }
}

/// What is said of a feed or a dataset.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    pub state: State,
    /// The newest time that a row has; of a dataset that is no feed, when its
    /// newest file was committed.
    pub newest: Option<Timestamp>,
    /// When its table changed last.
    pub committed: Option<Timestamp>,
    /// Time since the earlier of both.
    pub age_s: Option<i64>,
    pub stale_after_s: Option<u64>,
    pub rows: Option<u64>,
    /// Why it is broken.
    pub detail: Option<String>,
}

impl Standing {
    /// Whether somebody should look at it.
    pub fn is_unwell(&self) -> bool {
        match self.state {
            State::Stale | State::Broken => true,
            State::Empty => self.stale_after_s.is_some(),
            State::Fresh | State::Unwatched => false,
        }
    }

    /// Of a feed, by its newest version.
    pub fn of_feed(feed: &Feed, opened: &Result<Option<Arc<Opened>>>, now: Timestamp) -> Self {
        let opened = match opened {
            Ok(Some(opened)) => opened,
            Ok(None) => return Self::without_data(State::Empty, None, feed.stale_after),
            Err(problem) => return Self::broken(problem, feed.stale_after),
        };
        let newest = opened.files.iter().filter_map(|f| f.times).map(|(_, greatest)| greatest).max();
        let rows = opened.files.iter().map(|f| f.n_rows).sum();
        Self { rows, ..Self::of_times(newest, opened.view.committed(), feed.stale_after, now) }
    }

    /// Of a dataset that is no feed, by the ledger.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn of_dataset(
        dataset: &DatasetName,
        stale_after: Option<Duration>,
        store: &Store,
        now: Timestamp,
    ) -> Result<Self> {
        let filter = FileFilter {
            dataset: Some(dataset.clone()),
            state: Some(FileState::Committed),
            limit: Some(1),
            ..FileFilter::default()
        };
        let newest = store.files(&filter).await.map_err(ledger)?.pop().and_then(|f| f.committed_at);
        let newest = newest.and_then(|ms| Timestamp::from_millisecond(ms.0).ok());
        Ok(Self::of_times(newest, newest, stale_after, now))
    }

    fn of_times(
        newest: Option<Timestamp>,
        committed: Option<Timestamp>,
        stale_after: Option<Duration>,
        now: Timestamp,
    ) -> Self {
        let Some(newest) = newest else { return Self::without_data(State::Empty, committed, stale_after) };
        // A vehicle's clock may be ahead; when the table changed is our own.
        let known = committed.map_or(newest, |c| newest.min(c));
        let age = now.duration_since(known).max(SignedDuration::ZERO);
        let state = match stale_after.map(SignedDuration::try_from) {
            None => State::Unwatched,
            Some(Ok(limit)) if age > limit => State::Stale,
            Some(_) => State::Fresh,
        };
        Self {
            state,
            newest: Timestamp::from_second(newest.as_second()).ok(),
            committed,
            age_s: Some(age.as_secs()),
            stale_after_s: stale_after.map(|d| d.as_secs()),
            rows: None,
            detail: None,
        }
    }

    fn without_data(state: State, committed: Option<Timestamp>, stale_after: Option<Duration>) -> Self {
        let stale_after_s = stale_after.map(|d| d.as_secs());
        Self { state, newest: None, committed, age_s: None, stale_after_s, rows: None, detail: None }
    }

    fn broken(problem: &Problem, stale_after: Option<Duration>) -> Self {
        let detail = Some(problem.detail.clone());
        Self { detail, ..Self::without_data(State::Broken, None, stale_after) }
    }
}

/// A ledger that cannot be read, as an answer.
pub fn ledger(e: lakegate_state::Error) -> Problem {
    tracing::warn!(error = %e, "the ledger cannot be read");
    Problem::busy("ledger", format!("the lake's ledger cannot be read: {e}"), 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// | newest row | newest commit | stale after | state |
    #[test]
    fn truth_table() {
        let now = at("2024-03-01T12:00:00Z");
        for (newest, committed, stale_after, want) in [
            (Some("2024-03-01T11:59:30Z"), Some("2024-03-01T11:59:40Z"), Some(60), State::Fresh),
            (Some("2024-03-01T11:58:30Z"), Some("2024-03-01T11:59:40Z"), Some(60), State::Stale),
            // A clock that is ahead does not hide that nothing comes any more.
            (Some("2025-01-01T00:00:00Z"), Some("2024-03-01T11:00:00Z"), Some(60), State::Stale),
            (Some("2025-01-01T00:00:00Z"), Some("2024-03-01T11:59:59Z"), Some(60), State::Fresh),
            (Some("2024-03-01T11:59:00Z"), None, Some(60), State::Fresh),
            (Some("2000-03-01T11:59:00Z"), None, None, State::Unwatched),
            (None, Some("2024-03-01T11:59:59Z"), Some(60), State::Empty),
            (None, None, None, State::Empty),
        ] {
            let found = Standing::of_times(
                newest.map(at),
                committed.map(at),
                stale_after.map(Duration::from_secs),
                now,
            );
            assert_eq!(found.state, want, "{newest:?} {committed:?} {stale_after:?}");
        }
        let ahead = Standing::of_times(Some(at("2024-03-01T13:00:00Z")), None, None, now);
        assert_eq!(ahead.age_s, Some(0));
        let empty = |limit| Standing::without_data(State::Empty, None, limit);
        assert!(!empty(None).is_unwell());
        assert!(empty(Some(Duration::from_secs(1))).is_unwell());
    }
}
