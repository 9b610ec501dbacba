//! Parameters of an address: which there are, and what they say.

use std::str::FromStr;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use lakegate_domain::local::{Span, spans};

use crate::problem::{Problem, Result};

/// Years that requests may name.
const YEARS: std::ops::RangeInclusive<i16> = 1900..=2200;

/// The parameters behind the `?` of an address.
#[derive(Debug, Default)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Parses them; `known` are those that the address takes.
    ///
    /// # Errors
    /// 400 for one that is unknown or that is given twice.
    pub fn parse(query: Option<&str>, known: &[&str]) -> Result<Self> {
        let mut params: Vec<(String, String)> = Vec::new();
        for (key, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !known.contains(&key.as_ref()) {
                let help = match known {
                    [] => "it takes none".to_string(),
                    known => format!("it takes {}", known.join(", ")),
                };
                let detail = format!("this address has no parameter `{key}`");
                return Err(Problem::bad("unknown_parameter", detail, help));
            }
            if params.iter().any(|(k, _)| *k == key) {
                let detail = format!("the parameter `{key}` is given twice");
                return Err(Problem::bad("wrong_parameter", detail, "give it once"));
            }
            params.push((key.into_owned(), value.into_owned()));
        }
        Ok(Self(params))
    }

    /// What a parameter says; one that says nothing counts as not given, as
    /// empty fields of a form do.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(k, v)| k == key && !v.is_empty()).map(|(_, v)| v.as_str())
    }

    /// # Errors
    /// 400 where it is not of that type.
    pub fn parsed<T: FromStr>(&self, key: &'static str, what: &str) -> Result<Option<T>> {
        self.get(key).map(|text| text.parse().map_err(|_| wrong(key, text, what))).transpose()
    }

    /// The zone that `tz` names, or another.
    ///
    /// # Errors
    /// 400 for an unknown one.
    pub fn zone(&self, otherwise: &TimeZone) -> Result<TimeZone> {
        match self.get("tz") {
            None => Ok(otherwise.clone()),
            Some(name) => TimeZone::get(name)
                .map_err(|_| wrong("tz", name, "an IANA time zone, such as `America/New_York`")),
        }
    }

    /// The instants from `start` to `end`, in order. Times without an offset are
    /// local: where both are, the range is that of all instants with such a
    /// local time, so that an hour that comes twice is taken twice.
    ///
    /// # Errors
    /// 400 where one is missing or wrong, or where they are the wrong way round.
    pub fn range(&self, zone: &TimeZone) -> Result<Vec<Span>> {
        let (Some(start), Some(end)) = (self.get("start"), self.get("end")) else {
            let detail = "a range needs both `start` and `end`";
            return Err(Problem::bad(
                "wrong_parameter",
                detail,
                "such as ?start=2024-03-01&end=2024-03-02T12:00",
            ));
        };
        let (is_ordered, found) = match (moment("start", start)?, moment("end", end)?) {
            (Moment::Local(start), Moment::Local(end)) => (start < end, spans(zone, start, end)),
            (start, end) => {
                let span = Span { start: start.instant("start", zone)?, end: end.instant("end", zone)? };
                (span.start < span.end, vec![span])
            }
        };
        if !is_ordered {
            let detail = format!("the range from {start} to {end} is empty");
            return Err(Problem::bad("wrong_parameter", detail, "let `start` be before `end`"));
        }
        Ok(found)
    }
}

/// An instant, or a time that a zone makes one of.
#[derive(Clone, Copy, Debug)]
enum Moment {
    Instant(Timestamp),
    Local(DateTime),
}

impl Moment {
    fn instant(self, key: &'static str, zone: &TimeZone) -> Result<Timestamp> {
        match self {
            Moment::Instant(t) => Ok(t),
            Moment::Local(t) => t
                .to_zoned(zone.clone())
                .map(|z: Zoned| z.timestamp())
                .map_err(|_| wrong(key, &t.to_string(), "a time within the calendar")),
        }
    }
}

fn moment(key: &'static str, text: &str) -> Result<Moment> {
    const WHAT: &str = "a time such as 2024-03-01, 2024-03-01T12:00 or 2024-03-01T12:00:00-05:00";
    let found = if let Ok(t) = text.parse::<Timestamp>() {
        Some(Moment::Instant(t))
    } else if let Ok(d) = text.parse::<Date>()
        && text.len() <= 10
    {
        Some(Moment::Local(d.to_datetime(Time::midnight())))
    } else {
        text.parse::<DateTime>().ok().map(Moment::Local)
    };
    let year = match found {
        Some(Moment::Instant(t)) => t.to_zoned(TimeZone::UTC).year(),
        Some(Moment::Local(t)) => t.year(),
        None => return Err(wrong(key, text, WHAT)),
    };
    match found {
        Some(found) if YEARS.contains(&year) => Ok(found),
        _ => Err(wrong(key, text, WHAT)),
    }
}

/// A day of the address.
///
/// # Errors
/// 400 where there is no such day.
pub fn day(year: &str, month: &str, day: &str) -> Result<Date> {
    let number = |text: &str, digits: usize| -> Option<i16> {
        let plain = !text.is_empty() && text.len() <= digits && text.bytes().all(|b| b.is_ascii_digit());
        if plain { text.parse().ok() } else { None }
    };
    let parts = (number(year, 4), number(month, 2), number(day, 2));
    if let (Some(y), Some(m), Some(d)) = parts
        && YEARS.contains(&y)
        && let Ok(date) = Date::new(y, m as i8, d as i8)
    {
        return Ok(date);
    }
    let detail = format!("there is no day {year}/{month}/{day}");
    Err(Problem::bad("wrong_day", detail, "write year/month/day, such as 2024/02/29"))
}

/// An hour of the address, 0 to 23.
///
/// # Errors
/// 400 where there is no such hour.
pub fn hour(text: &str) -> Result<i8> {
    let plain = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<i8>() {
        Ok(h @ 0..=23) if plain => Ok(h),
        _ => Err(Problem::bad("wrong_hour", format!("there is no hour `{text}`"), "write 0 to 23")),
    }
}

fn wrong(key: &str, text: &str, what: &str) -> Problem {
    Problem::bad("wrong_parameter", format!("`{key}={text}` is not {what}"), format!("give {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(query: &str, zone: &str) -> Result<Vec<String>> {
        let params = Params::parse(Some(query), &["start", "end"])?;
        let found = params.range(&TimeZone::get(zone).unwrap())?;
        Ok(found.iter().map(|s| format!("{}..{}", s.start, s.end)).collect())
    }

    #[test]
    fn ranges() {
        for (query, want) in [
            ("start=2024-03-01&end=2024-03-02", "2024-03-01T05:00:00Z..2024-03-02T05:00:00Z"),
            ("start=2024-03-01T12:00&end=2024-03-01T13:30", "2024-03-01T17:00:00Z..2024-03-01T18:30:00Z"),
            ("start=2024-03-01T12:00Z&end=2024-03-01T13:00%2B01:00", ""),
            (
                "start=2024-03-01T12:00Z&end=2024-03-01T12:30-05:00",
                "2024-03-01T12:00:00Z..2024-03-01T17:30:00Z",
            ),
            ("start=2024-03-01T05:30Z&end=2024-03-02", "2024-03-01T05:30:00Z..2024-03-02T05:00:00Z"),
            // The hour that comes twice is taken twice.
            ("start=2024-11-03T01:00&end=2024-11-03T02:00", "2024-11-03T05:00:00Z..2024-11-03T07:00:00Z"),
        ] {
            let found = range(query, "America/New_York").unwrap_or_default();
            assert_eq!(found.join(" "), want, "{query}");
        }
        // Half an hour that comes twice, with half an hour between.
        let found = range("start=2024-11-03T01:30&end=2024-11-03T02:00", "America/New_York").unwrap();
        assert_eq!(found.len(), 2);
        // The hour that is skipped is no mistake.
        assert_eq!(
            range("start=2024-03-10T02:00&end=2024-03-10T03:00", "America/New_York").unwrap().len(),
            0
        );
        for query in [
            "",
            "start=2024-03-01",
            "start=2024-03-02&end=2024-03-01",
            "start=yesterday&end=2024-03-01",
            "start=2024-03-01&end=2024-02-30",
            "start=0001-01-01&end=2024-03-01",
            "start=2024-03-01T00:00Z&end=99999-01-01",
            "start=2024-03-01&end=2024-03-02'--",
        ] {
            assert_eq!(range(query, "UTC").unwrap_err().status, 400, "{query}");
        }
    }

    #[test]
    fn days_and_hours() {
        assert_eq!(day("2024", "2", "29").unwrap().to_string(), "2024-02-29");
        assert_eq!(day("2024", "02", "09").unwrap().to_string(), "2024-02-09");
        for (y, m, d) in [
            ("2023", "2", "29"),
            ("2024", "13", "1"),
            ("24", "1", "1"),
            ("2024", "+1", "1"),
            ("2024", "1", ""),
        ] {
            assert!(day(y, m, d).is_err(), "{y}/{m}/{d}");
        }
        assert_eq!(hour("7").unwrap(), 7);
        assert_eq!(hour("07").unwrap(), 7);
        for text in ["24", "-1", "", "+7", "007", "7a"] {
            assert!(hour(text).is_err(), "{text}");
        }
    }

    #[test]
    fn parameters_are_known_and_given_once() {
        assert!(Params::parse(Some("a=1"), &["a"]).is_ok());
        assert!(Params::parse(Some("b=1"), &["a"]).is_err());
        assert!(Params::parse(Some("a=1&a=2"), &["a"]).is_err());
        assert_eq!(Params::parse(Some("a="), &["a"]).unwrap().get("a"), None);
    }
}
