//! The rows that one exported file holds: of one landed file, or of a day or a
//! month and of landed files whose names say the same.

use lakegate_domain::FileId;
use lakegate_domain::export::{Per, Span};
use lakegate_domain::model::{Dataset, Scalar};
use serde::{Deserialize, Serialize};

/// What tells the rows of an export; the ledger keeps it as JSON.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Part {
    pub rows: Rows,
    /// What the landed files' names say, as far as the export's names take it.
    pub of_file: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Rows {
    File(i64),
    /// From an instant to before another, microseconds since 1970.
    Day(Span),
    Month(Span),
}

impl Part {
    pub fn of_landed(file_id: FileId) -> Self {
        Self { rows: Rows::File(file_id.0), of_file: Vec::new() }
    }

    /// The day or month that begins at an instant.
    pub fn of_period(per: Per, begin: i64, of_file: Vec<(String, String)>) -> Self {
        let rows = match per {
            Per::Month => Rows::Month((begin, month_after(begin))),
            Per::Day | Per::File => Rows::Day((begin, begin.saturating_add(DAY_US))),
        };
        Self { rows, of_file }
    }

    /// Whether an export that is declared so may have such parts.
    pub fn is_of(&self, per: Per, taken: &[String]) -> bool {
        let is_per = match self.rows {
            Rows::File(_) => per == Per::File,
            Rows::Day(_) => per == Per::Day,
            Rows::Month(_) => per == Per::Month,
        };
        let names = self.of_file.iter().map(|(name, _)| name);
        is_per && (per == Per::File || names.eq(taken))
    }

    /// Its name in the ledger: `f12`, `2020-12-01`, `2020-12 site=z05`.
    pub fn name(&self) -> String {
        let mut name = match self.rows {
            Rows::File(id) => FileId(id).to_string(),
            Rows::Day((begin, _)) => dated(begin, "%Y-%m-%d"),
            Rows::Month((begin, _)) => dated(begin, "%Y-%m"),
        };
        for (key, value) in &self.of_file {
            name.push_str(&format!(" {key}={value}"));
        }
        name
    }

    pub fn about(&self) -> String {
        serde_json::to_string(self).expect("numbers and text are JSON")
    }

    pub fn parse(about: &str) -> Option<Self> {
        serde_json::from_str(about).ok()
    }
}

const DAY_US: i64 = 86_400_000_000;

fn dated(us: i64, format: &str) -> String {
    match jiff::Timestamp::from_microsecond(us) {
        Ok(time) => time.strftime(format).to_string(),
        Err(_) => us.to_string(),
    }
}

/// The beginning of the next month.
fn month_after(begin: i64) -> i64 {
    let next = jiff::Timestamp::from_microsecond(begin).ok().and_then(|t| {
        let date = t.to_zoned(jiff::tz::TimeZone::UTC).date().first_of_month();
        let next = date.checked_add(jiff::Span::new().months(1)).ok()?;
        Some(next.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_microsecond())
    });
    next.unwrap_or(i64::MAX)
}

/// Names of what a landed file's name says: groups of `match:` and values of its
/// site.
pub(super) fn names_of(dataset: &Dataset) -> Vec<String> {
    let groups = dataset.pattern.iter().flat_map(|p| &p.groups).filter(|g| *g != "table").cloned();
    let mut names: Vec<String> = groups.collect();
    for name in dataset.sites.values().flat_map(|site| site.keys()) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// What the name of a landed file says. A site that is not declared has no
/// values.
pub(super) fn values_of(dataset: &Dataset, groups: &[(String, String)]) -> Vec<(String, String)> {
    let site = groups.iter().find(|(g, _)| g == "site").and_then(|(_, v)| dataset.sites.get(v));
    let of_site = site.into_iter().flatten().map(|(name, value)| (name.clone(), Scalar::to_string(value)));
    groups.iter().filter(|(g, _)| g != "table").cloned().chain(of_site).collect()
}

/// Those of the values that an export's names take, in the order of the names; a
/// value that is not there is empty.
pub(super) fn taken(names: &[String], values: &[(String, String)]) -> Vec<(String, String)> {
    let value = |name: &String| values.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v).to_string();
    names.iter().map(|name| (name.clone(), value(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2020-12-01T00:00:00Z.
    const DECEMBER: i64 = 1_606_780_800_000_000;

    #[test]
    fn names_and_periods() {
        let site = vec![("site".to_string(), "z05".to_string())];
        let month = Part::of_period(Per::Month, DECEMBER, site);
        assert_eq!(month.name(), "2020-12 site=z05");
        assert_eq!(month.rows, Rows::Month((DECEMBER, DECEMBER + 31 * DAY_US)));
        assert_eq!(Part::parse(&month.about()), Some(month.clone()));
        assert!(month.is_of(Per::Month, &["site".into()]));
        assert!(!month.is_of(Per::Month, &[]) && !month.is_of(Per::Day, &["site".into()]));
        let day = Part::of_period(Per::Day, DECEMBER, Vec::new());
        assert_eq!((day.name().as_str(), day.rows), ("2020-12-01", Rows::Day((DECEMBER, DECEMBER + DAY_US))));
        assert_eq!(Part::of_landed(FileId(12)).name(), "f12");
    }
}
