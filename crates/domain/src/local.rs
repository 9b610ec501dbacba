//! Local time to instants: which instants have a local time within given bounds.
//!
//! An hour of a local day is a set of instants. It is one hour long but for the
//! days when clocks change: an hour that is skipped has no instants, an hour that
//! comes twice has two stretches of them. Rows of a local hour are those whose
//! instant lies in the set, so that every row of a day is in exactly one of its
//! hours, however long the day is.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// Instants from `start`, inclusive, to `end`, exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub start: Timestamp,
    pub end: Timestamp,
}

/// Farther than any offset is from UTC.
const FARTHEST: SignedDuration = SignedDuration::from_hours(26);

/// The instants whose local time in `zone` is at or after `start` and before
/// `end`, as spans in order that do not touch each other.
///
/// Bounds beyond the years that instants can have are taken as the first or the
/// last instant.
pub fn spans(zone: &TimeZone, start: DateTime, end: DateTime) -> Vec<Span> {
    let mut found: Vec<Span> = Vec::new();
    if start >= end {
        return found;
    }
    let last = instant(end, Offset::UTC).saturating_add(FARTHEST).unwrap_or(Timestamp::MAX);
    // A stretch of one offset begins where the last one ended.
    let mut from = instant(start, Offset::UTC).saturating_sub(FARTHEST).unwrap_or(Timestamp::MIN);
    while from < last {
        let offset = zone.to_offset(from);
        let to =
            zone.following(from).find(|t| t.offset() != offset).map_or(last, |t| t.timestamp()).min(last);
        let span = Span { start: instant(start, offset).max(from), end: instant(end, offset).min(to) };
        if span.start < span.end {
            match found.last_mut() {
                Some(previous) if previous.end == span.start => previous.end = span.end,
                _ => found.push(span),
            }
        }
        from = to;
    }
    found
}

/// The instant of a local time under a known offset, or the nearest there is.
fn instant(local: DateTime, offset: Offset) -> Timestamp {
    offset.to_timestamp(local).unwrap_or(if local.year() < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// An instant, milliseconds since 1970, as ISO 8601 in UTC: `2026-11-21T12:00:00.5Z`.
/// One beyond the calendar is its number.
pub fn utc(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |t| t.to_string())
}

#[cfg(test)]
mod tests;
