//! When a feed is due.

use std::str::FromStr;
use std::time::Duration;

use croner::Cron;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::dice;

/// The ticks of a feed.
#[derive(Clone, Debug)]
pub enum Schedule {
    /// Ticks lie at multiples of the interval since 1970 (UTC), so that they do
    /// not depend on when a process began. At least a second.
    Every(Duration),
    Cron(Box<CronRule>),
}

/// A cron expression in a time zone. A time that the clock skips ticks when it
/// goes on; one that comes twice ticks the first time, unless the expression
/// goes by intervals (`*/10 * * * *`), which ticks in both.
#[derive(Clone, Debug)]
pub struct CronRule {
    text: String,
    cron: Cron,
    zone: TimeZone,
}

/// Why a text is no schedule.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum CronError {
    #[error("{0}")]
    Syntax(String),
    #[error("no date ever matches it")]
    Never,
    #[error("the time zone `{0}` is not known")]
    Zone(String),
}

/// When a feed is to be polled next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The tick that the poll is for.
    pub tick_ms: i64,
    /// When it is to begin: the tick and its jitter. It may have passed.
    pub at_ms: i64,
    /// Ticks since the last poll that this one makes up for.
    pub n_missed: u64,
}

/// Ticks of a cron expression that are counted one by one after a pause; more
/// are not worth the time.
const MAX_COUNTED: u64 = 10_000;

/// A server's wish to be left alone is never longer (see `retry_after`), so a
/// later one is from before the clock was set back.
const LONGEST_HOLD_MS: i64 = 24 * 3600 * 1000;

impl Schedule {
    /// A cron expression of five fields, or six with seconds first.
    pub fn cron(text: &str, zone: &str) -> Result<Self, CronError> {
        let cron = Cron::from_str(text)
            .map_err(|e| CronError::Syntax(e.to_string().trim_end_matches('.').to_string()))?;
        let zone = match zone {
            "UTC" => TimeZone::UTC,
            name => TimeZone::get(name).map_err(|_| CronError::Zone(name.to_string()))?,
        };
        let rule = CronRule { text: text.to_string(), cron, zone };
        // Any moment does: what matches once in four hundred years matches after it.
        if rule.next(0).is_none() {
            return Err(CronError::Never);
        }
        Ok(Schedule::Cron(Box::new(rule)))
    }

    /// The first tick after an instant.
    pub fn next(&self, after_ms: i64) -> Option<i64> {
        match self {
            Schedule::Every(interval) => {
                let step = step_ms(*interval);
                after_ms.div_euclid(step).checked_add(1)?.checked_mul(step)
            }
            Schedule::Cron(rule) => rule.next(after_ms),
        }
    }

    /// The last tick at or before an instant.
    pub fn latest(&self, at_ms: i64) -> Option<i64> {
        match self {
            Schedule::Every(interval) => {
                let step = step_ms(*interval);
                Some(at_ms.div_euclid(step) * step)
            }
            Schedule::Cron(rule) => rule.latest(at_ms),
        }
    }

    /// Ticks after `after_ms` and before `before_ms`.
    fn between(&self, after_ms: i64, before_ms: i64) -> u64 {
        match self {
            Schedule::Every(interval) => {
                let step = step_ms(*interval);
                let (first, end) = (after_ms.div_euclid(step) + 1, before_ms.div_euclid(step));
                u64::try_from(end - first).unwrap_or(0)
            }
            Schedule::Cron(rule) => {
                let mut n = 0;
                let mut at = after_ms;
                while let Some(tick) = rule.next(at).filter(|tick| *tick < before_ms && n < MAX_COUNTED) {
                    n += 1;
                    at = tick;
                }
                n
            }
        }
    }

    /// Decides when a feed is to be polled next. With `L` the last tick at or
    /// before `now` and `N` the first after it:
    ///
    /// | last poll was for      | polled for | missed             |
    /// |------------------------|------------|--------------------|
    /// | nothing yet            | `L`        | 0                  |
    /// | a tick before `L`      | `L`        | ticks between them |
    /// | `L`                    | `N`        | 0                  |
    /// | later than now (the clock was set back) | `N` | 0        |
    ///
    /// It begins at the tick and its jitter, but not before `hold_ms`, until
    /// when the server wants to be left alone. `None`: no tick will ever come.
    pub fn due(
        &self,
        feed: &str,
        jitter: Duration,
        last_ms: Option<i64>,
        hold_ms: Option<i64>,
        now_ms: i64,
    ) -> Option<Due> {
        let latest = self.latest(now_ms);
        let (tick_ms, n_missed) = match (last_ms, latest) {
            (None, Some(latest)) => (latest, 0),
            (Some(last), Some(latest)) if last < latest => (latest, self.between(last, latest)),
            _ => (self.next(now_ms)?, 0),
        };
        let hold = hold_ms.filter(|hold| hold.saturating_sub(now_ms) <= LONGEST_HOLD_MS);
        let at_ms = tick_ms.saturating_add(self.delay(feed, jitter, tick_ms));
        Some(Due { tick_ms, at_ms: at_ms.max(hold.unwrap_or(i64::MIN)), n_missed })
    }

    /// How long after its tick a poll begins: the same for the same feed and
    /// tick, and never as long as to the next tick.
    fn delay(&self, feed: &str, jitter: Duration, tick_ms: i64) -> i64 {
        let most = i64::try_from(jitter.as_millis()).unwrap_or(i64::MAX);
        if most == 0 {
            return 0;
        }
        let room = self.next(tick_ms).map_or(i64::MAX, |next| next - tick_ms - 1);
        let most = most.min(room).max(0).unsigned_abs();
        i64::try_from(dice(feed, &[tick_ms], most)).unwrap_or(0)
    }
}

/// As it is written in the configuration.
impl std::fmt::Display for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Schedule::Every(interval) => write!(f, "{interval:?}"),
            Schedule::Cron(rule) => f.write_str(&rule.text),
        }
    }
}

fn step_ms(interval: Duration) -> i64 {
    i64::try_from(interval.as_millis()).unwrap_or(i64::MAX).max(1)
}

impl CronRule {
    fn at(&self, ms: i64) -> Option<Zoned> {
        Some(Timestamp::from_second(ms.div_euclid(1000)).ok()?.to_zoned(self.zone.clone()))
    }

    fn next(&self, after_ms: i64) -> Option<i64> {
        let found = self.cron.find_next_occurrence(&self.at(after_ms)?, false).ok()?;
        Some(found.timestamp().as_millisecond())
    }

    fn latest(&self, at_ms: i64) -> Option<i64> {
        let found = self.cron.find_previous_occurrence(&self.at(at_ms)?, true).ok()?;
        Some(found.timestamp().as_millisecond())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    fn every(seconds: u64) -> Schedule {
        Schedule::Every(Duration::from_secs(seconds))
    }

    #[test]
    fn truth_table() {
        let s = every(30);
        let due = |last: Option<i64>, now| {
            let due = s.due("f", Duration::ZERO, last, None, now).unwrap();
            (due.tick_ms, due.n_missed)
        };
        for (last, now, want, why) in [
            (None, 65_000, (60_000, 0), "never polled: at once"),
            (Some(60_000), 65_000, (90_000, 0), "the next one"),
            (Some(60_000), 90_000, (90_000, 0), "just due"),
            (Some(60_000), 155_000, (150_000, 2), "90 and 120 were missed"),
            (Some(61_000), 155_000, (150_000, 2), "a last tick of another schedule"),
            (Some(900_000), 65_000, (90_000, 0), "the clock was set back"),
            (Some(0), 30 * 1_000_000_000, (30_000_000_000, 999_999), "a long pause is one poll"),
            (Some(-60_000), -1, (-30_000, 0), "before 1970"),
        ] {
            assert_eq!(due(last, now), want, "{why}");
        }
    }

    #[test]
    fn a_hold_delays_and_an_absurd_one_does_not() {
        let due = |hold| every(30).due("f", Duration::ZERO, Some(0), Some(hold), 31_000).unwrap().at_ms;
        assert_eq!(due(95_000), 95_000);
        assert_eq!(due(10_000), 30_000);
        assert_eq!(due(31_000 + LONGEST_HOLD_MS + 1), 30_000);
    }

    #[test]
    fn jitter_is_fixed_by_feed_and_tick_and_spreads() {
        let s = every(30);
        let jitter = Duration::from_secs(5);
        let at =
            |feed: &str, tick: i64| s.due(feed, jitter, Some(tick - 1), None, tick).unwrap().at_ms - tick;
        let mut seen = [0_u32; 5];
        for i in 0..1000 {
            let delay = at(&format!("team.feed{i}"), 90_000);
            assert!((0..=5_000).contains(&delay));
            assert_eq!(delay, at(&format!("team.feed{i}"), 90_000));
            seen[usize::try_from((delay / 1000).min(4)).unwrap()] += 1;
        }
        assert!(seen.iter().all(|n| (120..=280).contains(n)), "{seen:?}");
        let same_feed: std::collections::BTreeSet<_> = (1..100).map(|k| at("f", k * 30_000)).collect();
        assert!(same_feed.len() > 80, "a feed's delay changes from tick to tick");
        // However long the jitter, a poll begins before the next tick.
        let long = s.due("f", Duration::from_secs(3600), Some(-1), None, 0).unwrap();
        assert!(long.at_ms < 30_000);
    }

    #[test]
    fn cron_across_changes_of_the_clock() {
        let new_york = |text| Schedule::cron(text, "America/New_York").unwrap();
        for (text, after, want) in [
            // 2025-03-09 02:30 does not exist: the job runs when the clock goes on.
            ("30 2 * * *", "2025-03-08T20:00:00Z", ["2025-03-09T07:00:00Z", "2025-03-10T06:30:00Z"]),
            // 2025-11-02 01:30 comes twice: the job runs once.
            ("30 1 * * *", "2025-11-01T12:00:00Z", ["2025-11-02T05:30:00Z", "2025-11-03T06:30:00Z"]),
            // What goes by intervals goes through both hours.
            ("*/30 * * * *", "2025-11-02T05:15:00Z", ["2025-11-02T05:30:00Z", "2025-11-02T06:00:00Z"]),
            ("0 0 29 2 *", "2025-01-01T00:00:00Z", ["2028-02-29T05:00:00Z", "2032-02-29T05:00:00Z"]),
            ("15 0 12 * * *", "2025-06-01T00:00:00Z", ["2025-06-01T16:00:15Z", "2025-06-02T16:00:15Z"]),
        ] {
            let s = new_york(text);
            let first = s.next(ms(after)).unwrap();
            let second = s.next(first).unwrap();
            assert_eq!([first, second], want.map(ms), "{text}");
            assert_eq!(s.latest(first), Some(first), "{text}");
            assert_eq!(s.latest(second - 1), Some(first), "{text}");
        }
    }

    #[test]
    fn what_is_no_schedule() {
        assert!(matches!(Schedule::cron("99 * * * *", "UTC"), Err(CronError::Syntax(_))));
        assert!(matches!(Schedule::cron("often", "UTC"), Err(CronError::Syntax(_))));
        assert_eq!(Schedule::cron("0 0 30 2 *", "UTC").unwrap_err(), CronError::Never);
        assert!(matches!(Schedule::cron("0 0 * * *", "Mars/Base"), Err(CronError::Zone(_))));
    }

    /// Random walks of a clock against counting ticks one by one.
    #[test]
    fn every_tick_is_polled_or_counted_as_missed() {
        let mut random = fastrand::Rng::with_seed(7);
        let schedules = [
            every(1),
            every(30),
            every(7),
            Schedule::cron("*/10 * * * *", "America/New_York").unwrap(),
            Schedule::cron("5,35 1-3 * * *", "America/New_York").unwrap(),
            Schedule::cron("*/15 * * * * *", "Australia/Lord_Howe").unwrap(),
            Schedule::cron("30 2 * * *", "Europe/Vienna").unwrap(),
            Schedule::cron("15,45 2 * * *", "Europe/Vienna").unwrap(),
        ];
        // Around both changes of the clock of every zone above.
        let starts = [
            "2025-03-09T05:00:00Z",
            "2025-11-02T04:00:00Z",
            "2025-10-25T22:00:00Z",
            "2025-03-29T23:00:00Z",
            "2025-04-05T13:00:00Z",
            "2025-10-04T14:00:00Z",
        ];
        for schedule in &schedules {
            for start in starts {
                let begin = ms(start);
                let end = begin + 8 * 3600 * 1000;
                let mut naive = Vec::new();
                let mut at = begin - 1;
                while let Some(tick) = schedule.next(at).filter(|t| *t <= end) {
                    assert!(tick > at, "{schedule} goes on");
                    naive.push(tick);
                    at = tick;
                }
                let mut now = begin;
                let mut last = Some(begin - 1);
                let mut handled = Vec::new();
                let mut n_missed = 0;
                while now <= end {
                    let jitter = Duration::from_millis(random.u64(0..3000));
                    let due = schedule.due("f", jitter, last, None, now).unwrap();
                    let expected: Vec<i64> =
                        naive.iter().copied().filter(|t| *t <= now && Some(*t) > last).collect();
                    if let Some(newest) = expected.last() {
                        assert_eq!(
                            (due.tick_ms, due.n_missed),
                            (*newest, expected.len() as u64 - 1),
                            "{schedule} at {now}"
                        );
                        if due.at_ms <= now {
                            n_missed += due.n_missed;
                            handled.push(due.tick_ms);
                            last = Some(due.tick_ms);
                        }
                    } else if due.tick_ms <= end {
                        assert_eq!(
                            Some(&due.tick_ms),
                            naive.iter().find(|t| **t > now),
                            "{schedule} at {now}"
                        );
                    }
                    // Mostly a little on, at times a long pause.
                    now += if random.u8(..) < 20 { random.i64(1..3_600_000) } else { random.i64(1..40_000) };
                }
                let done = naive.iter().filter(|t| Some(**t) <= last).count();
                assert_eq!(
                    handled.len() + usize::try_from(n_missed).unwrap(),
                    done,
                    "{schedule} from {start}"
                );
            }
        }
    }
}
