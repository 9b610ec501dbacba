//! Times in text: ISO 8601 and RFC 3339 by hand, because they are most of what
//! there is to read; everything else by `strptime` formats.
//!
//! Naive times become instants by a declared zone. The stated rule for clock
//! changes: a time that happens twice is taken as its first occurrence; a time
//! that is skipped is moved forward by the length of the gap.

use jiff::civil;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::value::trimmed;

/// Microseconds since the Unix epoch, UTC.
pub type Micros = i64;

/// A civil time with its offset from UTC in seconds, if it was written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Written {
    pub days: i32,
    pub micros_of_day: i64,
    pub offset_s: Option<i32>,
}

const DAY_US: i64 = 86_400_000_000;
/// 0001-01-01 and 9999-12-31, in days since 1970-01-01. Beyond these years text
/// has no common form and other engines stop reading.
const FIRST_DAY: i32 = -719_162;
const LAST_DAY: i32 = 2_932_896;

/// Whether a day lies in the years 1 to 9999.
pub fn is_day(days: i32) -> bool {
    (FIRST_DAY..=LAST_DAY).contains(&days)
}

/// Whether an instant lies, in UTC, in the years 1 to 9999.
pub fn is_instant(us: Micros) -> bool {
    (FIRST_DAY as i64 * DAY_US..(LAST_DAY as i64 + 1) * DAY_US).contains(&us)
}

/// Days since 1970-01-01 of a proleptic Gregorian date; `None` where there is
/// no such day, or none in the years 1 to 9999.
fn days_from_civil(y: i32, m: u32, d: u32) -> Option<i32> {
    civil::Date::new(y as i16, m as i8, d as i8).ok().filter(|_| y >= 1)?;
    let y = if m <= 2 { y - 1 } else { y };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let mp = (m as i32 + 9) % 12;
    let doy = (153 * mp + 2) / 5 + d as i32 - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    Some(era * 146_097 + doe - 719_468)
}

/// What a clock and a calendar show so many microseconds after 1970 began on
/// them; `None` beyond the years 1 to 9999.
pub fn civil_of(us: i64) -> Option<civil::DateTime> {
    // Not by way of an instant: those of the library end a day early.
    let days = Some(us).filter(|us| is_instant(*us))?.div_euclid(DAY_US);
    let date = civil::date(1970, 1, 1).checked_add(jiff::Span::new().days(days)).ok()?;
    let time = civil::Time::midnight() + jiff::SignedDuration::from_micros(us.rem_euclid(DAY_US));
    Some(date.to_datetime(time))
}

/// The reverse of [`civil_of`].
fn naive_of(at: civil::DateTime) -> Option<i64> {
    let days = days_from_civil(i32::from(at.year()), at.month() as u32, at.day() as u32)?;
    let since = at.time().duration_since(civil::Time::midnight());
    Some(i64::from(days) * DAY_US + i64::try_from(since.as_micros()).ok()?)
}

fn digits(b: &[u8]) -> Option<u32> {
    let mut n = 0u32;
    for &c in b {
        let d = c.wrapping_sub(b'0');
        if d > 9 {
            return None;
        }
        n = n * 10 + u32::from(d);
    }
    Some(n)
}

/// Parses `YYYY-MM-DD`; nothing else may follow.
pub fn parse_date(text: &str) -> Option<i32> {
    let b = trimmed(text).as_bytes();
    if b.len() != 10 || b[4] != b'-' || b[7] != b'-' {
        return None;
    }
    days_from_civil(digits(&b[0..4])? as i32, digits(&b[5..7])?, digits(&b[8..10])?)
}

/// Parses `YYYY-MM-DD[T ]hh:mm[:ss[.f…]][Z|±hh[[:]mm]]`. Fractions beyond the
/// microsecond are cut; a leap second is taken as the second after it.
pub fn parse_iso(text: &str) -> Option<Written> {
    let b = trimmed(text).as_bytes();
    if b.len() < 16 || b[4] != b'-' || b[7] != b'-' || !matches!(b[10], b'T' | b't' | b' ') || b[13] != b':' {
        return None;
    }
    let days = days_from_civil(digits(&b[0..4])? as i32, digits(&b[5..7])?, digits(&b[8..10])?)?;
    let (hour, minute) = (digits(&b[11..13])?, digits(&b[14..16])?);
    let mut at = 16;
    let mut second = 0;
    let mut micros = 0i64;
    if b.get(at) == Some(&b':') {
        second = digits(b.get(at + 1..at + 3)?)?;
        at += 3;
        if matches!(b.get(at), Some(b'.' | b',')) {
            at += 1;
            let start = at;
            let mut scale = 100_000i64;
            while let Some(c) = b.get(at).filter(|c| c.is_ascii_digit()) {
                micros += i64::from(c - b'0') * scale;
                scale /= 10;
                at += 1;
            }
            if at == start {
                return None;
            }
        }
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let rest = &b[at..];
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    let offset_s = match rest {
        [] => None,
        [b'Z' | b'z'] | b"UTC" => Some(0),
        [sign @ (b'+' | b'-'), off @ ..] => {
            let (h, m) = match off.len() {
                2 => (digits(off)?, 0),
                4 => (digits(&off[..2])?, digits(&off[2..])?),
                5 if off[2] == b':' => (digits(&off[..2])?, digits(&off[3..])?),
                _ => return None,
            };
            if h > 23 || m > 59 {
                return None;
            }
            let s = (h * 3600 + m * 60) as i32;
            Some(if *sign == b'-' { -s } else { s })
        }
        _ => return None,
    };
    let micros_of_day = i64::from(hour * 3600 + minute * 60 + second) * 1_000_000 + micros;
    Some(Written { days, micros_of_day, offset_s })
}

/// Where naive times are.
#[derive(Clone, Debug)]
pub struct Zone(Option<TimeZone>);

impl Zone {
    /// `name` is an IANA zone that the configuration has already checked;
    /// an unknown one reads as UTC.
    pub fn new(name: &str) -> Self {
        match name {
            "UTC" | "Etc/UTC" | "Z" => Zone(None),
            _ => Zone(TimeZone::get(name).ok()),
        }
    }

    /// The instant of a civil time in this zone; `None` beyond the years 1 to
    /// 9999.
    pub fn instant(&self, days: i32, micros_of_day: i64) -> Option<Micros> {
        if !is_day(days) {
            return None;
        }
        let naive = i64::from(days) * DAY_US + micros_of_day;
        let offset_s = match &self.0 {
            None => 0,
            // Where a time happens twice or not at all, the offset before the
            // clock change gives the first, or the one after the gap.
            Some(zone) => match zone.to_ambiguous_timestamp(civil_of(naive)?).offset() {
                AmbiguousOffset::Unambiguous { offset } => offset.seconds(),
                AmbiguousOffset::Gap { before, .. } | AmbiguousOffset::Fold { before, .. } => {
                    before.seconds()
                }
            },
        };
        Some(naive - i64::from(offset_s) * 1_000_000).filter(|us| is_instant(*us))
    }

    /// The instant of a civil time in this zone, given as microseconds since
    /// 1970-01-01 on the clock there.
    pub fn instant_of_naive(&self, us: i64) -> Option<Micros> {
        self.instant(i32::try_from(us.div_euclid(DAY_US)).ok()?, us.rem_euclid(DAY_US))
    }
}

/// How a column's times are written.
#[derive(Clone, Debug)]
pub enum TimeFormat {
    /// ISO 8601.
    Iso,
    /// Seconds, or thousandths, since the Unix epoch.
    Unix {
        per_second: i64,
    },
    Strptime(String),
}

/// The parts of a time in a format. A year before 1000 is none: `%Y` would take
/// the `26` of 2026 for the year 26.
fn broken_down(format: &str, text: &str) -> Option<BrokenDownTime> {
    let parts = BrokenDownTime::parse(format, trimmed(text)).ok()?;
    let is_short = parts.year().is_some_and(|year| year < 1000) && format.contains("%Y");
    (!is_short).then_some(parts)
}

impl TimeFormat {
    pub fn new(format: Option<&str>) -> Self {
        match format {
            None | Some("iso" | "%Y-%m-%d %H:%M:%S" | "%Y-%m-%dT%H:%M:%S") => TimeFormat::Iso,
            Some("unix") => TimeFormat::Unix { per_second: 1 },
            Some("unix_ms") => TimeFormat::Unix { per_second: 1000 },
            Some("unix_us") => TimeFormat::Unix { per_second: 1_000_000 },
            Some(f) => TimeFormat::Strptime(f.to_string()),
        }
    }

    /// An instant in the years 1 to 9999, or `None` where the text is not such a
    /// time.
    pub fn parse_instant(&self, text: &str, zone: &Zone) -> Option<Micros> {
        let us = match self {
            TimeFormat::Iso => match parse_iso(text) {
                Some(Written { days, micros_of_day, offset_s: Some(o) }) => {
                    i64::from(days) * DAY_US + micros_of_day - i64::from(o) * 1_000_000
                }
                Some(w) => zone.instant(w.days, w.micros_of_day)?,
                None => zone.instant(parse_date(text)?, 0)?,
            },
            TimeFormat::Unix { per_second } => {
                let text = trimmed(text);
                let scale = 1_000_000 / per_second;
                match text.parse::<i64>() {
                    Ok(n) => n.checked_mul(scale)?,
                    // Out of range saturates, and is refused below.
                    Err(_) => {
                        (text.parse::<f64>().ok().filter(|f| !f.is_nan())? * scale as f64).round() as i64
                    }
                }
            }
            TimeFormat::Strptime(format) => {
                let tm = broken_down(format, text)?;
                if let Ok(ts) = tm.to_timestamp() {
                    ts.as_microsecond()
                } else {
                    let dt = tm.to_datetime().or_else(|_| tm.to_date().map(|d| d.at(0, 0, 0, 0))).ok()?;
                    let naive = naive_of(dt)?;
                    match tm.offset() {
                        Some(offset) => naive - i64::from(offset.seconds()) * 1_000_000,
                        None => zone.instant_of_naive(naive)?,
                    }
                }
            }
        };
        Some(us).filter(|us| is_instant(*us))
    }

    /// Days since the epoch in the years 1 to 9999, or `None` where the text is
    /// not such a date.
    pub fn parse_days(&self, text: &str) -> Option<i32> {
        match self {
            TimeFormat::Iso => parse_date(text),
            TimeFormat::Unix { .. } => {
                self.parse_instant(text, &Zone(None)).map(|us| us.div_euclid(DAY_US) as i32)
            }
            TimeFormat::Strptime(format) => {
                let d = broken_down(format, text)?.to_date().ok()?;
                days_from_civil(i32::from(d.year()), d.month() as u32, d.day() as u32)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, format: Option<&str>, zone: &str) -> Option<String> {
        let us = TimeFormat::new(format).parse_instant(text, &Zone::new(zone))?;
        Some(format!("{}Z", civil_of(us).unwrap()))
    }

    #[test]
    fn iso_and_friends() {
        for (text, format, zone, want) in [
            ("2026-03-01T10:00:00Z", None, "UTC", Some("2026-03-01T10:00:00Z")),
            ("2026-03-01 10:00", None, "UTC", Some("2026-03-01T10:00:00Z")),
            ("2026-03-01 10:00:00.1234567", None, "UTC", Some("2026-03-01T10:00:00.123456Z")),
            ("2026-03-01T10:00:00+05:30", None, "UTC", Some("2026-03-01T04:30:00Z")),
            ("2026-03-01T10:00:00-0800", None, "America/New_York", Some("2026-03-01T18:00:00Z")),
            ("2026-07-01 10:00:00", None, "America/New_York", Some("2026-07-01T14:00:00Z")),
            // Twice on this night: the first one.
            ("2026-11-01 01:30:00", None, "America/New_York", Some("2026-11-01T05:30:00Z")),
            // Skipped on this night: moved forward.
            ("2026-03-08 02:30:00", None, "America/New_York", Some("2026-03-08T07:30:00Z")),
            ("1700000000", Some("unix"), "UTC", Some("2023-11-14T22:13:20Z")),
            ("1700000000123", Some("unix_ms"), "UTC", Some("2023-11-14T22:13:20.123Z")),
            ("26-02-19", Some("%Y-%m-%d"), "UTC", None),
            ("26-02-19", Some("%y-%m-%d"), "UTC", Some("2026-02-19T00:00:00Z")),
            ("20160219 0557", Some("%Y%m%d %H%M"), "UTC", Some("2016-02-19T05:57:00Z")),
            ("2026-02-30 00:00:00", None, "UTC", None),
            ("2026-02-03 24:00:00", None, "UTC", None),
            ("nonsense", None, "UTC", None),
            // Only the years 1 to 9999 are times.
            ("0000-12-31 00:00:00", None, "UTC", None),
            ("0001-01-01 00:00:00", None, "UTC", Some("0001-01-01T00:00:00Z")),
            ("0001-01-01 00:00:00+01:00", None, "UTC", None),
            ("9999-12-31 23:59:59.999999", None, "UTC", Some("9999-12-31T23:59:59.999999Z")),
            ("9999-12-31 23:00:00", None, "America/New_York", None),
            ("9999-12-31", None, "America/New_York", Some("9999-12-31T05:00:00Z")),
            (
                "31.12.9999 23:00 +0100",
                Some("%d.%m.%Y %H:%M %z"),
                "America/New_York",
                Some("9999-12-31T22:00:00Z"),
            ),
            ("253402300799", Some("unix"), "UTC", Some("9999-12-31T23:59:59Z")),
            ("253402300800", Some("unix"), "UTC", None),
            ("1e300", Some("unix"), "UTC", None),
            ("9223372036854775807", Some("unix_us"), "UTC", None),
        ] {
            assert_eq!(at(text, format, zone).as_deref(), want, "{text} {format:?} {zone}");
        }
    }

    #[test]
    fn days_agree_with_the_calendar_library() {
        for (y, m, d) in [(1970, 1, 1), (2000, 2, 29), (1600, 3, 1), (9999, 12, 31), (1, 1, 1)] {
            let days = days_from_civil(i32::from(y), m as u32, d as u32).unwrap();
            assert!(is_day(days) && is_instant(i64::from(days) * DAY_US));
            let want =
                civil::date(y, m, d).since((jiff::Unit::Day, civil::date(1970, 1, 1))).unwrap().get_days();
            assert_eq!(days, want);
        }
        assert!(!is_day(FIRST_DAY - 1) && !is_day(LAST_DAY + 1));
        assert_eq!(TimeFormat::new(Some("%Y-%m-%d")).parse_days("-0044-03-15"), None);
    }
}
