//! The axis of times: instants in microseconds since 1970 in UTC, the calendar,
//! and ticks at whole units of it from microseconds to millennia.
//!
//! The calendar is the proleptic Gregorian one, and reaches as far as 64 bits
//! of microseconds do, which is farther than date libraries go.

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// What stands between two ticks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Every {
    Micros(i64),
    /// Weeks begin on Monday.
    Weeks(i64),
    Months(i64),
    Years(i64),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    pub at: i64,
    pub label: String,
    /// What the label leaves out, the day or the year: to be shown where it
    /// differs from that of the tick before.
    pub within: String,
}

/// From the finest to the coarsest.
pub(crate) fn ladder() -> impl Iterator<Item = Every> {
    let decimal = (0..6).flat_map(|e| [1, 2, 5].map(|f| f * 10i64.pow(e)));
    let seconds = [1, 2, 5, 10, 15, 30].map(|n| n * SECOND);
    let minutes = [1, 2, 5, 10, 15, 30].map(|n| n * MINUTE);
    let hours = [1, 2, 3, 6, 12].map(|n| n * HOUR);
    let days = [DAY, 2 * DAY];
    decimal
        .chain(seconds)
        .chain(minutes)
        .chain(hours)
        .chain(days)
        .map(Every::Micros)
        .chain([1, 2].map(Every::Weeks))
        .chain([1, 2, 3, 6].map(Every::Months))
        .chain((0..6).flat_map(|e| [1, 2, 5].map(|f| Every::Years(f * 10i64.pow(e)))))
}

impl Every {
    /// Roughly, for a first look at how many there would be.
    fn micros(self) -> i64 {
        match self {
            Every::Micros(n) => n,
            Every::Weeks(n) => n * 7 * DAY,
            Every::Months(n) => n * 30 * DAY,
            Every::Years(n) => n.saturating_mul(365 * DAY),
        }
    }

    /// The ticks from `lo` to `hi`; nothing where they would be more than `most`.
    pub fn ticks(self, lo: i64, hi: i64, most: usize) -> Option<Vec<Tick>> {
        if (i128::from(hi) - i128::from(lo)) / i128::from(self.micros()) > most as i128 {
            return None;
        }
        let even = |step: i64, origin: i64| -> Vec<i64> {
            let (step, origin) = (i128::from(step), i128::from(origin));
            let first = -(-(i128::from(lo) - origin)).div_euclid(step);
            (first..).map(|k| k * step + origin).map_while(|t| within(t, hi)).collect()
        };
        let ats: Vec<i64> = match self {
            Every::Micros(n) => even(n, 0),
            // 1970-01-05 was a Monday.
            Every::Weeks(n) => even(n * 7 * DAY, 4 * DAY),
            Every::Months(n) => months(n, lo, hi),
            Every::Years(n) => months(12 * n, lo, hi),
        };
        Some(ats.into_iter().map(|at| self.tick(at)).collect())
    }

    fn tick(self, at: i64) -> Tick {
        let date = Date::of(at);
        let of_day = at.rem_euclid(DAY);
        let (h, m, s, us) = (of_day / HOUR, of_day / MINUTE % 60, of_day / SECOND % 60, of_day % SECOND);
        let day = || format!("{} {} {}", date.day, MONTHS[date.month as usize - 1], date.year);
        let (label, within) = match self {
            Every::Micros(n) if n % DAY == 0 => day_of_year(date),
            Every::Weeks(_) => day_of_year(date),
            Every::Micros(n) if n % MINUTE == 0 => (format!("{h:02}:{m:02}"), day()),
            Every::Micros(n) if n % SECOND == 0 => (format!("{h:02}:{m:02}:{s:02}"), day()),
            Every::Micros(n) => {
                let decimals = (1..6).find(|d| n % 10i64.pow(6 - d) == 0).unwrap_or(6);
                let part = us / 10i64.pow(6 - decimals);
                (format!("{h:02}:{m:02}:{s:02}.{part:0width$}", width = decimals as usize), day())
            }
            Every::Months(_) => (MONTHS[date.month as usize - 1].to_owned(), date.year.to_string()),
            Every::Years(_) => (date.year.to_string(), String::new()),
        };
        Tick { at, label, within }
    }
}

fn day_of_year(date: Date) -> (String, String) {
    (format!("{} {}", date.day, MONTHS[date.month as usize - 1]), date.year.to_string())
}

fn within(t: i128, hi: i64) -> Option<i64> {
    i64::try_from(t).ok().filter(|t| *t <= hi)
}

/// The first instants of every `n`th month since year 0.
fn months(n: i64, lo: i64, hi: i64) -> Vec<i64> {
    let date = Date::of(lo);
    let first = (date.year * 12 + date.month - 1).div_euclid(n);
    (first..)
        .map(|k| i128::from(Date::days(k * n)) * i128::from(DAY))
        .skip_while(|t| *t < i128::from(lo))
        .map_while(|t| within(t, hi))
        .collect()
}

/// A day of the Gregorian calendar; the year before 1 is 0.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Date {
    year: i64,
    month: i64,
    day: i64,
}

/// In the calendar that starts its years with March, the leap day is the last
/// of a year, and the months repeat every five: 153 days.
impl Date {
    fn of(micros: i64) -> Date {
        // Days since 1 March of year 0.
        let days = micros.div_euclid(DAY) + 719_468;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        Date {
            year: era * 400 + year_of_era + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * march_month + 2) / 5 + 1,
        }
    }

    /// Days from 1970-01-01 to the first of a month, counted in months since January of year 0.
    fn days(months: i64) -> i64 {
        let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
        let year = year - i64::from(month <= 2);
        let march_month = if month > 2 { month - 3 } else { month + 9 };
        let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let day_of_era =
            year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + (153 * march_month + 2) / 5;
        era * 146_097 + day_of_era - 719_468
    }
}

/// An instant for people, as `2020-12-01 06:00:00` with what there is of a fraction.
pub(crate) fn instant(at: i64) -> String {
    let Date { year, month, day } = Date::of(at);
    let of_day = at.rem_euclid(DAY);
    let (h, m, s) = (of_day / HOUR, of_day / MINUTE % 60, of_day / SECOND % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02} {h:02}:{m:02}:{s:02}");
    if of_day % SECOND != 0 {
        text.push_str(format!(".{:06}", of_day % SECOND).trim_end_matches('0'));
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn micros(text: &str) -> i64 {
        text.parse::<jiff::Timestamp>().unwrap().as_microsecond()
    }

    fn shown(every: Every, lo: &str, hi: &str) -> Vec<(String, String)> {
        let ticks = every.ticks(micros(lo), micros(hi), 100).unwrap();
        ticks.into_iter().map(|t| (t.label, t.within)).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn ticks_stand_on_whole_units() {
        assert_eq!(
            shown(Every::Micros(12 * HOUR), "2020-12-01T00:00:00Z", "2020-12-02T00:00:00Z"),
            pairs(&[("00:00", "1 Dec 2020"), ("12:00", "1 Dec 2020"), ("00:00", "2 Dec 2020")]),
        );
        assert_eq!(
            shown(Every::Micros(500), "1969-12-31T23:59:59.9991Z", "1970-01-01T00:00:00.0001Z"),
            pairs(&[("23:59:59.9995", "31 Dec 1969"), ("00:00:00.0000", "1 Jan 1970")]),
        );
        assert_eq!(
            shown(Every::Weeks(1), "2026-11-15T00:00:00Z", "2026-11-24T00:00:00Z"),
            pairs(&[("16 Nov", "2026"), ("23 Nov", "2026")]),
        );
        assert_eq!(
            shown(Every::Months(3), "2019-12-01T00:00:00Z", "2020-07-01T00:00:00Z"),
            pairs(&[("Jan", "2020"), ("Apr", "2020"), ("Jul", "2020")]),
        );
        assert_eq!(
            shown(Every::Years(20), "1979-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
            pairs(&[("1980", ""), ("2000", ""), ("2020", "")]),
        );
    }

    #[test]
    fn the_ends_of_time_have_ticks_too() {
        for every in ladder() {
            for (lo, hi) in [(i64::MIN, i64::MIN + 5), (i64::MAX - 5, i64::MAX), (i64::MIN, i64::MAX)] {
                for tick in every.ticks(lo, hi, 50).unwrap_or_default() {
                    assert!(lo <= tick.at && tick.at <= hi);
                }
            }
        }
        assert_eq!(instant(i64::MIN), "-290308-12-21 19:59:05.224192");
        assert_eq!(instant(0), "1970-01-01 00:00:00");
    }

    proptest! {
        #[test]
        fn the_calendar_is_that_of_jiff(us in -377_705_023_201_000_000i64..253_402_207_200_000_000) {
            let civil = jiff::Timestamp::from_microsecond(us).unwrap().to_zoned(jiff::tz::TimeZone::UTC);
            let date = Date::of(us);
            prop_assert_eq!(
                (date.year, date.month, date.day),
                (i64::from(civil.year()), i64::from(civil.month()), i64::from(civil.day())),
            );
            let first = Date::days(date.year * 12 + date.month - 1);
            prop_assert_eq!(first + date.day - 1, us.div_euclid(DAY));
        }

        #[test]
        fn ticks_rise_within_the_range(lo in any::<i64>(), span in prop_oneof![0..DAY, 0..i64::MAX]) {
            let hi = lo.saturating_add(span);
            for every in ladder() {
                let Some(ticks) = every.ticks(lo, hi, 40) else { continue };
                prop_assert!(ticks.len() <= 45);
                prop_assert!(ticks.iter().all(|t| (lo..=hi).contains(&t.at)));
                prop_assert!(ticks.windows(2).all(|w| w[0].at < w[1].at));
            }
        }
    }
}
