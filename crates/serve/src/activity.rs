//! How many rows a feed has in every quarter of an hour.
//!
//! Data files never change, so each is counted once: most by their statistics
//! alone, the others by reading one column. What was counted is kept for as long
//! as the file lives, a few numbers for each.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, cast, lit};
use futures::StreamExt;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use lakegate_lake::session::{DATA_FILE, DataFile, Error, View, run};
use serde::Serialize;
use tokio::sync::Mutex;

use crate::feed::Opened;
use crate::problem::Result;
use crate::rows::column;

/// Length of a slot. Local days and hours begin with one in every zone of today.
const SLOT_S: i64 = 900;
/// Data files that are read by one query.
const FILES_AT_ONCE: usize = 64;
/// Longest time without rows that is still no gap, where the feed says nothing.
const QUIET: Duration = Duration::from_secs(3600);
/// Days that are counted, the newest.
const MOST_DAYS: usize = 3660;

/// What one version of a feed's table holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Rows by slot, in slots since 1970, UTC.
    slots: BTreeMap<i64, u64>,
}

/// The rows of a local day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Day {
    pub day: Date,
    pub rows: u64,
}

/// A time without rows, to the quarter of an hour.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gap {
    pub start: Timestamp,
    pub end: Timestamp,
    pub hours: f64,
}

/// Counts, and remembers what it has counted.
#[derive(Debug, Default)]
pub struct Counter(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    by_file: HashMap<String, Vec<(i64, u64)>>,
    of: Option<(View, Arc<Activity>)>,
}

impl Counter {
    /// The activity of a version. Who asks for one that is being counted waits.
    ///
    /// # Errors
    /// A data file cannot be read.
    pub async fn activity(&self, opened: &Opened, time: &str) -> Result<Arc<Activity>> {
        let mut counted = self.0.lock().await;
        if let Some((view, activity)) = &counted.of
            && view.is_same(&opened.view)
        {
            return Ok(activity.clone());
        }
        let alive: HashSet<&str> = opened.files.iter().map(|f| f.path.as_str()).collect();
        counted.by_file.retain(|path, _| alive.contains(path.as_str()));
        let mut unread = Vec::new();
        for file in &opened.files {
            if counted.by_file.contains_key(&file.path) {
                continue;
            }
            match by_statistics(file) {
                Some(slots) => {
                    counted.by_file.insert(file.path.clone(), slots);
                }
                None => unread.push(file.path.clone()),
            }
        }
        for paths in unread.chunks(FILES_AT_ONCE) {
            let mut read = by_reading(&opened.view, paths, time).await?;
            for path in paths {
                let slots = read.remove(file_name(path)).unwrap_or_default();
                counted.by_file.insert(path.clone(), slots);
            }
        }
        let mut activity = Activity::default();
        for (slot, rows) in counted.by_file.values().flatten() {
            *activity.slots.entry(*slot).or_default() += rows;
        }
        let activity = Arc::new(activity);
        counted.of = Some((opened.view.clone(), activity.clone()));
        Ok(activity)
    }
}

/// The slots of a file whose rows are all in one of them.
fn by_statistics(file: &DataFile) -> Option<Vec<(i64, u64)>> {
    let (n_rows, n_untimed) = (file.n_rows?, file.n_untimed?);
    if n_rows == n_untimed {
        return Some(Vec::new());
    }
    let (least, greatest) = file.times?;
    (slot_of(least) == slot_of(greatest)).then(|| vec![(slot_of(least), n_rows.saturating_sub(n_untimed))])
}

async fn by_reading(view: &View, paths: &[String], time: &str) -> Result<HashMap<String, Vec<(i64, u64)>>> {
    let micros: Expr = cast(column(time), DataType::Int64);
    // Division goes towards zero: instants before 1970 would share a slot.
    let length = SLOT_S * 1_000_000;
    let slot = (micros.clone() - ((micros % lit(length) + lit(length)) % lit(length))) / lit(length);
    let frame = view
        .files_frame(paths.iter().cloned())?
        .filter(column(time).is_not_null())
        .and_then(|f| {
            f.aggregate(
                vec![cast(column(DATA_FILE), DataType::Utf8).alias("file"), slot.alias("slot")],
                vec![count(lit(1_i64)).alias("n_rows")],
            )
        })
        .map_err(Error::from)?;
    let (_, mut batches) = run(frame).await?;
    let mut found: HashMap<String, Vec<(i64, u64)>> = HashMap::new();
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(Error::from)?;
        let files = batch.column(0).as_string::<i32>();
        let slots = batch.column(1).as_primitive::<Int64Type>();
        let counts = batch.column(2).as_primitive::<Int64Type>();
        for row in (0..batch.num_rows()).filter(|row| files.is_valid(*row)) {
            let slots_of = found.entry(file_name(files.value(row)).to_string()).or_default();
            slots_of.push((slots.value(row), counts.value(row).max(0) as u64));
        }
    }
    Ok(found)
}

/// The last part of a path: data files have names that are unique.
fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn slot_of(t: Timestamp) -> i64 {
    t.as_second().div_euclid(SLOT_S)
}

fn start_of(slot: i64) -> Timestamp {
    Timestamp::from_second(slot.saturating_mul(SLOT_S)).unwrap_or(Timestamp::MAX)
}

impl Activity {
    /// Rows of each local day from the first to the last that has any, in order.
    pub fn days(&self, zone: &TimeZone) -> Vec<Day> {
        let mut by_day: BTreeMap<Date, u64> = BTreeMap::new();
        for (slot, rows) in &self.slots {
            *by_day.entry(start_of(*slot).to_zoned(zone.clone()).date()).or_default() += rows;
        }
        let Some(last) = by_day.keys().next_back().copied() else { return Vec::new() };
        let first = by_day.keys().next().copied().unwrap_or(last);
        // A single wrong clock must not make a calendar of centuries.
        let earliest = last.saturating_sub((MOST_DAYS as i64 - 1).days()).max(first);
        let mut days = Vec::new();
        let mut day = earliest;
        loop {
            days.push(Day { day, rows: by_day.get(&day).copied().unwrap_or(0) });
            match day.tomorrow() {
                Ok(next) if next <= last => day = next,
                _ => return days,
            }
        }
    }

    /// Rows whose time is at or after an instant, to the quarter of an hour.
    pub fn rows_since(&self, t: Timestamp) -> u64 {
        self.slots.range(slot_of(t)..).map(|(_, rows)| rows).sum()
    }

    /// The newest times without rows, newest first, at most `most`: between rows,
    /// and from the last ones to `now`. One that is no longer than `quiet` (by
    /// default an hour) is none.
    pub fn gaps(&self, quiet: Option<Duration>, now: Timestamp, most: usize) -> Vec<Gap> {
        let quiet = SignedDuration::try_from(quiet.unwrap_or(QUIET)).unwrap_or(SignedDuration::MAX);
        let mut gaps = Vec::new();
        let mut end = now;
        for slot in self.slots.range(..=slot_of(now)).rev().map(|(slot, _)| *slot) {
            let start = start_of(slot + 1);
            if end.duration_since(start) > quiet {
                let hours = end.duration_since(start).as_secs_f64() / 3600.0;
                gaps.push(Gap { start, end, hours: (hours * 100.0).round() / 100.0 });
                if gaps.len() >= most {
                    break;
                }
            }
            end = start_of(slot);
        }
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn activity(slots: &[(&str, u64)]) -> Activity {
        Activity { slots: slots.iter().map(|(t, n)| (slot_of(at(t)), *n)).collect() }
    }

    #[test]
    fn days_are_local_and_without_holes() {
        let found = activity(&[
            ("2024-03-10T04:45:00Z", 1),
            ("2024-03-10T05:00:00Z", 2),
            ("2024-03-12T03:45:00Z", 4),
            ("2024-03-12T04:00:00Z", 8),
        ]);
        let days = |zone: &str| -> Vec<(String, u64)> {
            found.days(&TimeZone::get(zone).unwrap()).iter().map(|d| (d.day.to_string(), d.rows)).collect()
        };
        // The clocks change on the tenth: the days after it begin an hour earlier.
        assert_eq!(
            days("America/New_York"),
            [
                ("2024-03-09".into(), 1),
                ("2024-03-10".into(), 2),
                ("2024-03-11".into(), 4),
                ("2024-03-12".into(), 8)
            ]
        );
        assert_eq!(
            days("UTC"),
            [("2024-03-10".into(), 3), ("2024-03-11".into(), 0), ("2024-03-12".into(), 12)]
        );
        assert_eq!(found.rows_since(at("2024-03-12T03:50:00Z")), 12);
        assert_eq!(Activity::default().days(&TimeZone::UTC), []);
    }

    #[test]
    fn one_wrong_clock_makes_no_calendar_of_centuries() {
        let found = activity(&[("1970-01-01T00:00:00Z", 1), ("2024-03-10T04:45:00Z", 1)]);
        assert_eq!(found.days(&TimeZone::UTC).len(), MOST_DAYS);
    }

    #[test]
    fn gaps() {
        let found = activity(&[
            ("2024-03-10T00:00:00Z", 1),
            ("2024-03-10T01:00:00Z", 1),
            ("2024-03-10T02:15:00Z", 1),
            ("2024-03-10T04:00:00Z", 1),
            ("2999-01-01T00:00:00Z", 1),
        ]);
        let spans = |quiet: Option<u64>, now: &str| -> Vec<String> {
            let quiet = quiet.map(Duration::from_secs);
            found.gaps(quiet, at(now), 10).iter().map(|g| format!("{}..{}", g.start, g.end)).collect()
        };
        assert_eq!(spans(None, "2024-03-10T05:00:00Z"), ["2024-03-10T02:30:00Z..2024-03-10T04:00:00Z"]);
        assert_eq!(
            spans(Some(3000), "2024-03-10T06:00:00Z"),
            [
                "2024-03-10T04:15:00Z..2024-03-10T06:00:00Z",
                "2024-03-10T02:30:00Z..2024-03-10T04:00:00Z",
                "2024-03-10T01:15:00Z..2024-03-10T02:15:00Z",
            ]
        );
        assert_eq!(found.gaps(Some(Duration::from_secs(60)), at("2024-03-10T06:00:00Z"), 2).len(), 2);
    }

    #[test]
    fn slots_of_statistics() {
        let file = |least: &str, greatest: &str, n_untimed| DataFile {
            path: "a".into(),
            n_rows: Some(10),
            times: Some((at(least), at(greatest))),
            n_untimed: Some(n_untimed),
        };
        let one = file("2024-03-10T00:00:00Z", "2024-03-10T00:14:59Z", 3);
        assert_eq!(by_statistics(&one), Some(vec![(slot_of(at("2024-03-10T00:00:00Z")), 7)]));
        assert_eq!(by_statistics(&file("2024-03-10T00:00:00Z", "2024-03-10T00:15:00Z", 3)), None);
        assert_eq!(
            by_statistics(&DataFile { times: None, n_untimed: Some(10), ..one.clone() }),
            Some(vec![])
        );
        assert_eq!(by_statistics(&DataFile { times: None, ..one.clone() }), None);
        assert_eq!(by_statistics(&DataFile { n_rows: None, ..one }), None);
    }
}
