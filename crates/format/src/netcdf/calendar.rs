//! Times as the CF conventions write them: a number of units since a reference
//! date in a calendar (CF 1.11, section 4.4; units as UDUNITS spells them).

/// A number as a file stores it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Int(i128),
    Float(f64),
}

const MICRO: i128 = 1_000;
const SECOND: i128 = 1_000_000_000;
const DAY: i128 = 86_400 * SECOND;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Calendar {
    /// Julian until 1582-10-04, Gregorian from 1582-10-15, the next day.
    Standard,
    ProlepticGregorian,
    Julian,
    NoLeap,
    AllLeap,
    Days360,
}

/// A unit and a reference date, such as `days since 1950-01-01`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TimeUnits {
    calendar: Calendar,
    unit_ns: i128,
    /// The reference, from 1970-01-01 in UTC where the calendar's days are days
    /// of the world, else from the calendar's year 0.
    epoch_ns: i128,
}

impl TimeUnits {
    /// `None` where the text is no such unit, or one without a fixed length
    /// (months, years), or the calendar is unknown: then numbers stay numbers.
    pub fn parse(units: &str, calendar: Option<&str>) -> Option<Self> {
        let calendar = match calendar.unwrap_or("standard").trim().to_ascii_lowercase().as_str() {
            "standard" | "gregorian" | "" => Calendar::Standard,
            "proleptic_gregorian" => Calendar::ProlepticGregorian,
            "julian" => Calendar::Julian,
            "noleap" | "365_day" => Calendar::NoLeap,
            "all_leap" | "366_day" => Calendar::AllLeap,
            "360_day" => Calendar::Days360,
            _ => return None,
        };
        let mut words = units.trim().splitn(3, char::is_whitespace);
        let unit_ns = match words.next()?.to_ascii_lowercase().as_str() {
            "nanosecond" | "nanoseconds" | "nsec" | "nsecs" | "ns" => 1,
            "microsecond" | "microseconds" | "microsec" | "microsecs" | "usec" | "usecs" | "us" => MICRO,
            "millisecond" | "milliseconds" | "millisec" | "millisecs" | "msec" | "msecs" | "ms" => 1_000_000,
            "second" | "seconds" | "sec" | "secs" | "s" => SECOND,
            "minute" | "minutes" | "min" | "mins" => 60 * SECOND,
            "hour" | "hours" | "hr" | "hrs" | "h" => 3600 * SECOND,
            "day" | "days" | "d" => DAY,
            "week" | "weeks" => 7 * DAY,
            _ => return None,
        };
        if !words.next()?.eq_ignore_ascii_case("since") {
            return None;
        }
        let epoch_ns = calendar.reference(words.next()?.trim())?;
        Some(Self { calendar, unit_ns, epoch_ns })
    }

    /// Whether its days are days of the world, so that a time is an instant.
    pub fn is_instant(&self) -> bool {
        matches!(self.calendar, Calendar::Standard | Calendar::ProlepticGregorian | Calendar::Julian)
    }

    /// Nanoseconds since the calendar's origin. Fractions of a unit are rounded
    /// to the microsecond, which is all that a float holds.
    fn elapsed(&self, number: Number) -> Option<i128> {
        let since = match number {
            Number::Int(n) => n.checked_mul(self.unit_ns)?,
            Number::Float(f) if f.is_finite() => {
                let micros = (f.fract() * self.unit_ns as f64 / MICRO as f64).round();
                (f.trunc() as i128).checked_mul(self.unit_ns)?.checked_add(micros as i128 * MICRO)?
            }
            Number::Float(_) => return None,
        };
        self.epoch_ns.checked_add(since)
    }

    /// Microseconds since 1970 in UTC; fractions are cut. `None` beyond the
    /// years -9999 to 9999.
    pub fn instant(&self, number: Number) -> Option<i64> {
        let us = i64::try_from(self.elapsed(number)?.div_euclid(MICRO)).ok()?;
        jiff::Timestamp::from_microsecond(us).ok().map(|_| us)
    }

    /// The number that stands for an instant, in microseconds since 1970. As a
    /// float, it is one that [`TimeUnits::instant`] takes back to the same
    /// instant; `None` where there is none.
    pub fn number_of(&self, us: i64, as_float: bool) -> Option<Number> {
        let since = (i128::from(us) * MICRO).checked_sub(self.epoch_ns)?;
        let (whole, rest) = (since.div_euclid(self.unit_ns), since.rem_euclid(self.unit_ns));
        if !as_float {
            return (rest == 0).then_some(Number::Int(whole));
        }
        let number = Number::Float(since as f64 / self.unit_ns as f64);
        let exact = Number::Float(whole as f64 + rest as f64 / self.unit_ns as f64);
        [number, exact].into_iter().find(|n| self.instant(*n) == Some(us))
    }

    /// The date and time as the calendar has it: `2000-02-30 12:00:00`.
    pub fn label(&self, number: Number) -> Option<String> {
        let elapsed = self.elapsed(number)?;
        let (year, month, day) = self.calendar.date(i64::try_from(elapsed.div_euclid(DAY)).ok()?);
        if !(-9999..=9999).contains(&year) {
            return None;
        }
        let micros = elapsed.rem_euclid(DAY) / MICRO;
        let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let mut text = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
        if fraction != 0 {
            text.push_str(&format!(".{fraction:06}"));
        }
        Some(text)
    }
}

impl Calendar {
    /// The reference date: `1970-01-01`, `1992-10-8 15:15:42.5 -6:00`,
    /// `2000-01-01T00:00:00Z`. Without an offset it is UTC.
    fn reference(self, text: &str) -> Option<i128> {
        let gap = |c: char| c.is_whitespace() || matches!(c, 'T' | 't');
        let (date, rest) = text.split_once(gap).unwrap_or((text, ""));
        let rest = rest.trim_start();
        let (negative, date) = match date.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, date.strip_prefix('+').unwrap_or(date)),
        };
        let mut parts = date.split('-').map(digits);
        let year = parts.next()?? * if negative { -1 } else { 1 };
        let (month, day) = (parts.next()??, parts.next()??);
        if parts.next().is_some() {
            return None;
        }
        let days = self.day_number(year, month, day)?;
        let at = rest.find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.'))).unwrap_or(rest.len());
        let clock = if at == 0 { 0 } else { clock(&rest[..at])? };
        Some(i128::from(days) * DAY + clock - offset(rest[at..].trim())?)
    }

    /// Days since the origin; `None` where the calendar lacks the date.
    fn day_number(self, year: i64, month: i64, day: i64) -> Option<i64> {
        if !(-99_999..=99_999).contains(&year) || !(1..=12).contains(&month) || day < 1 {
            return None;
        }
        let is_julian = match self {
            Calendar::Julian => true,
            Calendar::Standard if (year, month, day) < (1582, 10, 5) => true,
            Calendar::Standard if (year, month, day) < (1582, 10, 15) => return None,
            _ => false,
        };
        let is_leap = match self {
            Calendar::AllLeap => true,
            Calendar::NoLeap => false,
            _ if is_julian => year.rem_euclid(4) == 0,
            _ => year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0),
        };
        if self == Calendar::Days360 {
            return (day <= 30).then(|| year * 360 + (month - 1) * 30 + day - 1);
        }
        if day > MONTHS[month as usize - 1] + i64::from(is_leap && month == 2) {
            return None;
        }
        let (year_days, february) = match self {
            Calendar::NoLeap => (365, 28),
            Calendar::AllLeap => (366, 29),
            _ => return Some(world_day(year, month, day, is_julian)),
        };
        let before: i64 = MONTHS[..month as usize - 1].iter().sum();
        Some(year * year_days + before + if month > 2 { february - 28 } else { 0 } + day - 1)
    }

    /// The date of a day of a calendar whose years are all alike.
    fn date(self, day_number: i64) -> (i64, i64, i64) {
        let february = if self == Calendar::AllLeap { 29 } else { 28 };
        let length = |month: usize| match self {
            Calendar::Days360 => 30,
            _ if month == 1 => february,
            _ => MONTHS[month],
        };
        let year_days: i64 = (0..12).map(length).sum();
        let mut left = day_number.rem_euclid(year_days);
        let mut month = 0;
        while left >= length(month) {
            left -= length(month);
            month += 1;
        }
        (day_number.div_euclid(year_days), month as i64 + 1, left + 1)
    }
}

const MONTHS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// Days from 1970-01-01 (Gregorian) to a date of the Gregorian or the Julian
/// calendar, by counting years from March so that leap days come last.
fn world_day(year: i64, month: i64, day: i64, is_julian: bool) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = 365 * year + year.div_euclid(4) + of_year;
    // What this formula gives for the day that Gregorian 1970-01-01 is.
    match is_julian {
        true => days - 719_470,
        false => days - year.div_euclid(100) + year.div_euclid(400) - 719_468,
    }
}

fn digits(text: &str) -> Option<i64> {
    let ok = !text.is_empty() && text.len() <= 6 && text.bytes().all(|b| b.is_ascii_digit());
    ok.then(|| text.parse().ok()).flatten()
}

/// Nanoseconds of `h`, `h:m` or `h:m:s.f`.
fn clock(text: &str) -> Option<i128> {
    let mut parts = text.split(':');
    let hour = digits(parts.next()?).filter(|h| *h <= 24)?;
    let minute = parts.next().map_or(Some(0), digits).filter(|m| *m < 60)?;
    let seconds: f64 = match parts.next() {
        Some(s) => s.parse().ok().filter(|s| (0.0..61.0).contains(s))?,
        None => 0.0,
    };
    if parts.next().is_some() {
        return None;
    }
    let micros = (seconds * 1e6).round() as i128;
    Some(i128::from(hour * 3600 + minute * 60) * SECOND + micros * MICRO)
}

/// Nanoseconds that a zone is ahead of UTC: nothing, `Z`, `UTC`, `+01:00`,
/// `-6:00`, `+0530`.
fn offset(text: &str) -> Option<i128> {
    if matches!(text.to_ascii_uppercase().as_str(), "" | "Z" | "UTC" | "GMT" | "UT") {
        return Some(0);
    }
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (hours, minutes) = match rest.split_once(':') {
        Some((h, m)) => (digits(h)?, digits(m)?),
        None if rest.len() == 4 => (digits(rest.get(..2)?)?, digits(rest.get(2..)?)?),
        None => (digits(rest)?, 0),
    };
    (hours <= 18 && minutes < 60).then(|| sign * i128::from(hours * 3600 + minutes * 60) * SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(units: &str, calendar: Option<&str>, number: Number) -> String {
        let us = TimeUnits::parse(units, calendar).expect(units).instant(number).expect("in range");
        jiff::Timestamp::from_microsecond(us).unwrap().to_string()
    }

    /// As `cftime.num2date` 1.6.6 has them, changed to the proleptic Gregorian
    /// calendar; offsets as UDUNITS has them.
    #[test]
    fn instants() {
        use Number::{Float, Int};
        for (units, calendar, number, want) in [
            ("seconds since 1970-01-01", None, Int(1_606_780_800), "2020-12-01T00:00:00Z"),
            ("Seconds since 1970-01-01", Some("proleptic_gregorian"), Int(0), "1970-01-01T00:00:00Z"),
            ("days since 1950-01-01T00:00:00Z", None, Float(25_536.25), "2019-12-01T06:00:00Z"),
            ("hours since 1-1-1 00:00:0.0", Some("standard"), Int(17_067_072), "1948-01-01T00:00:00Z"),
            ("hours since 1-1-1", Some("proleptic_gregorian"), Int(17_067_024), "1948-01-01T00:00:00Z"),
            ("seconds since 1992-10-8 15:15:42.5 -6:00", None, Float(0.25), "1992-10-08T21:15:42.75Z"),
            ("minutes since 2000-01-01 00:00:00 +0530", None, Int(330), "2000-01-01T00:00:00Z"),
            ("hours since 2000-01-01 12 UTC", None, Int(-12), "2000-01-01T00:00:00Z"),
            ("days since 1582-10-04", Some("gregorian"), Int(1), "1582-10-15T00:00:00Z"),
            ("days since 1582-10-15", None, Int(-1), "1582-10-14T00:00:00Z"),
            ("days since 2000-01-01", Some("julian"), Int(0), "2000-01-14T00:00:00Z"),
            ("days since 1900-02-29", Some("julian"), Int(0), "1900-03-13T00:00:00Z"),
            ("days since -4712-01-01 12:00:00", Some("julian"), Float(2_440_587.5), "1970-01-01T00:00:00Z"),
            ("milliseconds since 2000-01-01", None, Int(1), "2000-01-01T00:00:00.001Z"),
            ("nanoseconds since 2000-01-01", None, Int(-1), "1999-12-31T23:59:59.999999Z"),
            ("weeks since 2000-01-01", None, Int(1), "2000-01-08T00:00:00Z"),
            ("days since 2000-01-01", None, Float(0.1), "2000-01-01T02:24:00Z"),
        ] {
            assert_eq!(instant(units, calendar, number), want, "{units} {calendar:?} {number:?}");
        }
    }

    #[test]
    fn labels_of_calendars_that_no_world_follows() {
        for (units, calendar, number, want) in [
            ("days since 2000-02-28", "noleap", 1.0, "2000-03-01 00:00:00"),
            ("days since 2001-02-28", "366_day", 1.0, "2001-02-29 00:00:00"),
            ("days since 2000-01-01", "360_day", 59.5, "2000-02-30 12:00:00"),
            ("days since 2000-01-01", "365_day", -0.25, "1999-12-31 18:00:00"),
            ("seconds since 0001-01-01", "360_day", 0.5, "0001-01-01 00:00:00.500000"),
        ] {
            let units = TimeUnits::parse(units, Some(calendar)).expect(units);
            assert!(!units.is_instant());
            assert_eq!(units.label(Number::Float(number)).unwrap(), want, "{calendar}");
        }
    }

    #[test]
    fn what_is_no_time_stays_a_number() {
        for (units, calendar) in [
            ("m", None),
            ("days", None),
            ("months since 2000-01-01", None),
            ("days since the launch", None),
            ("days since 2001-02-29", None),
            ("days since 1582-10-10", None),
            ("days since 2000-13-01", None),
            ("days since 2000-01-01 25:00", None),
            ("days since 2000-01-01 00:00:00 CEST", None),
            ("days since 2000-01-01 00:00:00 \u{fffd}5", None),
            ("days since 2000-01-01\u{3000}é", None),
            ("days since 2000-01-01", Some("tai")),
            ("days since 2000-01-01", Some("none")),
            ("", None),
        ] {
            assert_eq!(TimeUnits::parse(units, calendar), None, "{units:?} {calendar:?}");
        }
        let units = TimeUnits::parse("days since 2000-01-01", None).unwrap();
        assert_eq!(units.instant(Number::Float(f64::NAN)), None);
        assert_eq!(units.instant(Number::Float(1e300)), None);
        assert_eq!(units.instant(Number::Int(i128::MAX)), None);
        assert_eq!(units.instant(Number::Int(4_000_000)), None);
    }

    /// Counting dates day by day agrees with the formula, in every calendar.
    #[test]
    fn days_are_consecutive() {
        use Calendar::*;
        for calendar in [Standard, ProlepticGregorian, Julian, NoLeap, AllLeap, Days360] {
            let mut last = None;
            for year in -5..2105 {
                for month in 1..=12 {
                    for day in 1..=31 {
                        let Some(n) = calendar.day_number(year, month, day) else { continue };
                        assert!(last.is_none_or(|l| n == l + 1), "{calendar:?} {year}-{month}-{day}");
                        last = Some(n);
                        if matches!(calendar, NoLeap | AllLeap | Days360) {
                            assert_eq!(calendar.date(n), (year, month, day));
                        }
                    }
                }
            }
        }
    }
}
