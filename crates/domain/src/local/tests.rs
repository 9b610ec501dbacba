//! Spans against a naive reference: the local time of every fifth minute, asked one by one.

use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::*;

/// Zones with whole, half and quarter hours, with a half-hour change of clocks,
/// with changes that are not yearly, and without any.
const ZONES: [&str; 12] = [
    "America/New_York",
    "Europe/London",
    "Europe/Vienna",
    "Australia/Sydney",
    "Australia/Lord_Howe",
    "Australia/Adelaide",
    "America/St_Johns",
    "America/Santiago",
    "Africa/Casablanca",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "UTC",
];

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

/// Clocks change at full quarters of an hour.
const STEP_MIN: i64 = 5;

/// Every fifth minute from `from` to `to` whose own local time is within the bounds.
fn naive(zone: &TimeZone, from: Timestamp, to: Timestamp, start: DateTime, end: DateTime) -> Vec<Timestamp> {
    let steps = (to.as_second() - from.as_second()) / 60 / STEP_MIN;
    (0..steps)
        .map(|n| from + SignedDuration::from_mins(n * STEP_MIN))
        .filter(|t| {
            let local = t.to_zoned(zone.clone()).datetime();
            start <= local && local < end
        })
        .collect()
}

fn steps(spans: &[Span]) -> Vec<Timestamp> {
    spans
        .iter()
        .flat_map(|s| {
            let n = (s.end.as_second() - s.start.as_second()) / 60 / STEP_MIN;
            (0..n).map(|n| s.start + SignedDuration::from_mins(n * STEP_MIN))
        })
        .collect()
}

fn hour(zone: &TimeZone, day: jiff::civil::Date, hour: i8) -> Vec<Span> {
    let start = day.at(hour, 0, 0, 0);
    spans(zone, start, start.checked_add(1.hour()).unwrap())
}

#[test]
fn every_hour_around_every_transition_of_three_years() {
    let mut n_transitions = 0;
    for name in ZONES {
        let zone = zone(name);
        let (first, last) = (Timestamp::from_second(1_672_531_200).unwrap(), "2026-01-01T00:00:00Z");
        let last: Timestamp = last.parse().unwrap();
        for transition in zone.following(first).take_while(|t| t.timestamp() < last) {
            n_transitions += 1;
            let middle = transition.timestamp().to_zoned(zone.clone()).date();
            let (from, to) = (
                transition.timestamp() - SignedDuration::from_hours(72),
                transition.timestamp() + SignedDuration::from_hours(72),
            );
            for day in [middle.yesterday().unwrap(), middle, middle.tomorrow().unwrap()] {
                for h in 0..24 {
                    let found = hour(&zone, day, h);
                    let start = day.at(h, 0, 0, 0);
                    let want = naive(&zone, from, to, start, start.checked_add(1.hour()).unwrap());
                    assert_eq!(steps(&found), want, "{name} {day} {h}");
                    assert!(found.windows(2).all(|w| w[0].end < w[1].start), "{name} {day} {h}: {found:?}");
                }
                let start = day.at(0, 0, 0, 0);
                let whole = spans(&zone, start, day.tomorrow().unwrap().at(0, 0, 0, 0));
                let want = naive(&zone, from, to, start, day.tomorrow().unwrap().at(0, 0, 0, 0));
                assert_eq!(steps(&whole), want, "{name} {day}");
            }
        }
    }
    // Ten zones whose clocks change twice a year; Morocco's change four times in some.
    assert!(n_transitions >= 9 * 6, "{n_transitions}");
}

#[test]
fn the_hours_of_a_day_are_the_day() {
    for name in ZONES {
        let zone = zone(name);
        // Changes of clocks, ends of months and years, a leap day.
        for day in [
            date(2024, 3, 10),
            date(2024, 11, 3),
            date(2024, 3, 31),
            date(2024, 10, 27),
            date(2024, 4, 7),
            date(2024, 2, 29),
            date(2023, 12, 31),
            date(2024, 1, 1),
            date(2024, 4, 30),
        ] {
            let midnight = day.at(0, 0, 0, 0);
            let whole = spans(&zone, midnight, day.tomorrow().unwrap().at(0, 0, 0, 0));
            let mut hours: Vec<Timestamp> = (0..24).flat_map(|h| steps(&hour(&zone, day, h))).collect();
            hours.sort();
            assert_eq!(hours, steps(&whole), "{name} {day}");
        }
    }
}

#[test]
fn lengths_of_hours_and_days() {
    let hours = |found: &[Span]| found.iter().map(|s| s.end.duration_since(s.start)).sum::<SignedDuration>();
    let of = |h: i64, m: i64| SignedDuration::from_mins(h * 60 + m);
    let new_york = zone("America/New_York");
    let day =
        |z: &TimeZone, d: jiff::civil::Date| spans(z, d.at(0, 0, 0, 0), d.tomorrow().unwrap().at(0, 0, 0, 0));
    assert_eq!(hours(&day(&new_york, date(2024, 3, 10))), of(23, 0));
    assert_eq!(hours(&day(&new_york, date(2024, 11, 3))), of(25, 0));
    assert_eq!(hours(&day(&new_york, date(2024, 12, 31))), of(24, 0));
    assert_eq!(hour(&new_york, date(2024, 3, 10), 2), [], "skipped");
    // Both follow each other at once, so they are one span.
    assert_eq!(hours(&hour(&new_york, date(2024, 11, 3), 1)), of(2, 0));
    assert_eq!(hour(&new_york, date(2024, 11, 3), 1).len(), 1);
    let lord_howe = zone("Australia/Lord_Howe");
    assert_eq!(hours(&day(&lord_howe, date(2024, 4, 7))), of(24, 30));
    // 01:30 to 02:00 comes twice, so the hour has a half, its repetition at once.
    assert_eq!(hours(&hour(&lord_howe, date(2024, 4, 7), 1)), of(1, 30));
    let kolkata = hour(&zone("Asia/Kolkata"), date(2024, 5, 1), 0);
    assert_eq!(kolkata[0].start.to_string(), "2024-04-30T18:30:00Z");
    // A day that was skipped whole: Samoa crossed the date line.
    assert_eq!(day(&zone("Pacific/Apia"), date(2011, 12, 30)), []);
}

#[test]
fn bounds_at_the_ends_of_time_are_taken_as_far_as_they_go() {
    let vienna = zone("Europe/Vienna");
    assert_eq!(spans(&vienna, DateTime::MAX, DateTime::MAX), []);
    assert_eq!(spans(&vienna, date(2024, 1, 2).at(0, 0, 0, 0), date(2024, 1, 1).at(0, 0, 0, 0)), []);
    let whole = spans(&TimeZone::UTC, DateTime::MIN, DateTime::MAX);
    assert_eq!(whole.len(), 1);
}
