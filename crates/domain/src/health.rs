//! Whether what a dataset holds is as new and as much as it is meant to be.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::model::ExpectRows;

/// How a feed or a dataset stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is as it is meant to be.
    Fresh,
    /// Its newest data are older than `stale_after`.
    Stale,
    /// Fewer rows came than `expect_rows` says.
    Low,
    /// More rows came than `expect_rows` says.
    High,
    /// It has no rows yet.
    Empty,
    /// It cannot be read.
    Broken,
    /// It has data, and nothing says how fresh or how many they should be.
    Unwatched,
}

impl State {
    pub const ALL: [State; 7] =
        [State::Fresh, State::Stale, State::Low, State::High, State::Empty, State::Broken, State::Unwatched];

    pub fn name(self) -> &'static str {
        match self {
            State::Fresh => "fresh",
            State::Stale => "stale",
            State::Low => "low",
            State::High => "high",
            State::Empty => "empty",
            State::Broken => "broken",
            State::Unwatched => "unwatched",
        }
    }

    pub fn of_name(name: &str) -> Option<State> {
        Self::ALL.into_iter().find(|s| s.name() == name)
    }

    /// Whether somebody should look at it. What has no rows yet is unwell where
    /// something is expected of it.
    pub fn is_unwell(self, rules: Rules) -> bool {
        match self {
            State::Stale | State::Low | State::High | State::Broken => true,
            State::Empty => rules.is_watched(),
            State::Fresh | State::Unwatched => false,
        }
    }
}

/// What is expected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Age of the newest data from which on it is stale.
    pub stale_after: Option<Duration>,
    pub rows: Option<ExpectRows>,
}

impl Rules {
    pub fn is_watched(self) -> bool {
        self.stale_after.is_some() || self.rows.is_some()
    }
}

/// What is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The newest time that a row has.
    pub newest: Option<Timestamp>,
    /// When its table changed last.
    pub committed: Option<Timestamp>,
    /// Rows that came within the time that `expect_rows` says; `None` where
    /// nobody has looked for so long.
    pub rows_within: Option<u64>,
}

impl Known {
    /// Time since its newest data came: since the newest row, or since the
    /// newest commit where rows are ahead of their time. A vehicle's clock may
    /// be wrong; when the table changed is our own.
    pub fn age(self, now: Timestamp) -> Option<SignedDuration> {
        let newest = self.newest?;
        let known = self.committed.map_or(newest, |c| newest.min(c));
        Some(now.duration_since(known).max(SignedDuration::ZERO))
    }

    /// How something stands of which this is known.
    pub fn state(self, rules: Rules, now: Timestamp) -> State {
        let Some(age) = self.age(now) else { return State::Empty };
        let limit = rules.stale_after.and_then(|d| SignedDuration::try_from(d).ok());
        match (rules.rows, self.rows_within) {
            _ if limit.is_some_and(|limit| age > limit) => State::Stale,
            (Some(expected), Some(n)) if n < expected.at_least => State::Low,
            (Some(expected), Some(n)) if expected.at_most.is_some_and(|most| n > most) => State::High,
            _ if rules.is_watched() => State::Fresh,
            _ => State::Unwatched,
        }
    }
}

/// Whether a change is told: when something becomes unwell, is unwell in
/// another way, or is well again. `told` is what was told last.
pub fn is_news(told: Option<State>, state: State, rules: Rules) -> bool {
    let was_unwell = told.filter(|s| s.is_unwell(Rules { stale_after: Some(Duration::ZERO), ..rules }));
    match (was_unwell, state.is_unwell(rules)) {
        (Some(before), true) => before != state,
        (None, is_unwell) => is_unwell,
        (Some(_), false) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// | newest row | newest commit | stale after | state |
    #[test]
    fn freshness() {
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
            let known = Known { newest: newest.map(at), committed: committed.map(at), rows_within: None };
            let rules = Rules { stale_after: stale_after.map(Duration::from_secs), rows: None };
            assert_eq!(known.state(rules, now), want, "{known:?} {rules:?}");
        }
        let ahead = Known { newest: Some(at("2024-03-01T13:00:00Z")), ..Known::default() };
        assert_eq!(ahead.age(now), Some(SignedDuration::ZERO));
    }

    #[test]
    fn volumes() {
        let now = at("2024-03-01T12:00:00Z");
        let expected = |at_most| ExpectRows { within: Duration::from_secs(3600), at_least: 10, at_most };
        for (n, at_most, want) in [
            (Some(9), None, State::Low),
            (Some(10), None, State::Fresh),
            (Some(99), Some(99), State::Fresh),
            (Some(100), Some(99), State::High),
            // Nobody has looked for an hour yet.
            (None, Some(99), State::Fresh),
        ] {
            let known = Known { newest: Some(now), committed: Some(now), rows_within: n };
            let rules = Rules { stale_after: None, rows: Some(expected(at_most)) };
            assert_eq!(known.state(rules, now), want, "{n:?} {at_most:?}");
            // What has come to nothing is stale before it is too little.
            let old = Known { newest: Some(at("2024-03-01T11:00:00Z")), ..known };
            let rules = Rules { stale_after: Some(Duration::from_secs(60)), ..rules };
            assert_eq!(old.state(rules, now), State::Stale);
        }
    }

    #[test]
    fn news() {
        let watched = Rules { stale_after: Some(Duration::from_secs(1)), rows: None };
        for (told, state, want) in [
            (None, State::Fresh, false),
            (None, State::Stale, true),
            (None, State::Empty, true),
            (Some(State::Stale), State::Stale, false),
            (Some(State::Stale), State::Broken, true),
            (Some(State::Stale), State::Fresh, true),
            (Some(State::Fresh), State::Fresh, false),
            (Some(State::Fresh), State::Low, true),
            (Some(State::Empty), State::Fresh, true),
            (Some(State::Empty), State::Empty, false),
        ] {
            assert_eq!(is_news(told, state, watched), want, "{told:?} {state:?}");
        }
        assert!(!is_news(None, State::Empty, Rules::default()));
        // The rule has gone: it is well again.
        assert!(is_news(Some(State::Stale), State::Unwatched, Rules::default()));
        for state in State::ALL {
            assert_eq!(State::of_name(state.name()), Some(state));
        }
    }
}
