//! The lake's tables by name: which there are, which one a name means, and the
//! DataFusion catalogue through which a statement reaches them.
//!
//! A table is opened only when a statement names it, at its newest version, and
//! once per statement however often it is named. Nothing here writes.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use lakegate_domain::{Code, TableName};

use crate::{Error, Result};

pub(crate) mod contents;
pub(crate) mod provider;
pub(crate) mod scan;
pub(crate) mod snapshots;

pub use contents::type_name;

/// Catalogue that unqualified names belong to; it is never shown to people.
pub(crate) const DEFAULT_CATALOG: &str = "lake";
/// Schema that bare names belong to.
pub(crate) const DEFAULT_SCHEMA: &str = "main";
/// Schema of the lake's own tables, such as `system.files`.
pub(crate) const SYSTEM: &str = "system";
/// The standard's own schema; DataFusion fills it from the providers.
const INFORMATION_SCHEMA: &str = "information_schema";

/// All tables of the lake at `storage`, ordered by name.
///
/// A table is a folder `tables/<team>/<dataset>/<table>` with a `_delta_log`.
/// Storage that does not exist yet holds none.
///
/// # Errors
/// A folder that cannot be listed.
pub fn discover(storage: &Path) -> Result<Vec<TableName>> {
    let mut found = Vec::new();
    let root = storage.join("tables");
    for team in folders(&root)? {
        for dataset in folders(&root.join(&team))? {
            let dataset_folder = root.join(&team).join(&dataset);
            for table in folders(&dataset_folder)? {
                if dataset_folder.join(&table).join("_delta_log").is_dir() {
                    found.push(TableName { team: team.clone(), dataset: dataset.clone(), table });
                }
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Names of the folders in `parent` that may belong to people: not hidden, in UTF-8.
fn folders(parent: &Path) -> Result<Vec<String>> {
    let failed = |e: std::io::Error| {
        Error::new(Code::Storage, format!("the folder {} cannot be listed: {e}", parent.display()))
    };
    let entries = match fs::read_dir(parent) {
        Ok(entries) => entries,
        // Also a folder that went away since its parent was listed.
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(failed(e)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        // `is_dir` of the path follows links, the entry's own type does not.
        if let Ok(name) = entry.file_name().into_string()
            && !name.starts_with('.')
            && entry.path().is_dir()
        {
            names.push(name);
        }
    }
    Ok(names)
}

/// What a name in a statement means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Meaning<'a> {
    Table(&'a TableName),
    /// A table of the `system` schema.
    System(&'a str),
    /// A table of `information_schema`, which DataFusion knows.
    Standard,
    /// Several tables have this name; more of it must be said.
    Ambiguous(Vec<&'a TableName>),
    Unknown,
}

/// The names that a statement can use: taken once, when the statement begins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub tables: Vec<TableName>,
    /// Names in the `system` schema.
    pub system: Vec<String>,
}

impl Names {
    /// Finds what a name of one to three parts means. Case counts only where two
    /// tables differ in nothing else: SQL folds unquoted names to lower case.
    ///
    /// | name              | means                                                 |
    /// |-------------------|-------------------------------------------------------|
    /// | `a.b.c`           | team, dataset, table; or `system.main.c`              |
    /// | `a.b`             | `system.b`; or the one dataset `a` with a table `b`   |
    /// | `a`               | the one table of the lake with this name              |
    pub(crate) fn find<'a>(&'a self, name: &[&str]) -> Meaning<'a> {
        if name.len() > 1 && same(name[name.len() - 2], INFORMATION_SCHEMA) {
            return Meaning::Standard;
        }
        match *name {
            [team, dataset, table] => {
                let found = self.matching(|t| (&t.team, team), |t| (&t.dataset, dataset), table);
                match found {
                    Meaning::Unknown if same(team, SYSTEM) && same(dataset, DEFAULT_SCHEMA) => {
                        self.system_table(table)
                    }
                    Meaning::Unknown if same(team, DEFAULT_CATALOG) => match dataset {
                        DEFAULT_SCHEMA => self.find(&[table]),
                        _ => self.find(&[dataset, table]),
                    },
                    found => found,
                }
            }
            [schema, table] => match self.system_table(table) {
                found @ Meaning::System(_) if same(schema, SYSTEM) => found,
                _ => self.matching(|t| (&t.dataset, schema), |t| (&t.table, table), table),
            },
            [table] => self.matching(|t| (&t.table, table), |t| (&t.table, table), table),
            _ => Meaning::Unknown,
        }
    }

    /// Tables that agree in the table's name and two other parts.
    fn matching<'a, 'n>(
        &'a self,
        first: impl Fn(&'a TableName) -> (&'a String, &'n str),
        second: impl Fn(&'a TableName) -> (&'a String, &'n str),
        table: &'n str,
    ) -> Meaning<'a> {
        let parts = |t: &'a TableName| [first(t), second(t), (&t.table, table)];
        let folded: Vec<&TableName> =
            self.tables.iter().filter(|t| parts(t).iter().all(|(have, want)| same(have, want))).collect();
        let exact: Vec<&TableName> =
            folded.iter().filter(|t| parts(t).iter().all(|(have, want)| have == want)).copied().collect();
        match (folded.as_slice(), exact.as_slice()) {
            ([], _) => Meaning::Unknown,
            ([one], _) | (_, [one]) => Meaning::Table(one),
            (_, []) => Meaning::Ambiguous(folded),
            _ => Meaning::Ambiguous(exact),
        }
    }

    fn system_table(&self, table: &str) -> Meaning<'_> {
        self.system.iter().find(|s| same(s, table)).map_or(Meaning::Unknown, |s| Meaning::System(s))
    }

    /// Names close to one that means nothing, best first, at most three that
    /// are about as close.
    pub(crate) fn nearest(&self, name: &[&str]) -> Vec<String> {
        let written = name.join(".").to_lowercase();
        let last = name.last().copied().unwrap_or_default().to_lowercase();
        let all = self
            .tables
            .iter()
            .map(|t| (t.to_string(), t.table.to_lowercase()))
            .chain(self.system.iter().map(|s| (format!("{SYSTEM}.{s}"), s.to_lowercase())));
        let mut scored: Vec<(f64, String)> = all
            .filter_map(|(full, table)| {
                // As many parts as were written, or only the last one.
                let lower = full.to_lowercase();
                let parts: Vec<&str> = lower.split('.').collect();
                let tail = parts[parts.len().saturating_sub(name.len())..].join(".");
                let score = closeness(&written, &tail).max(closeness(&last, &table) * 0.98);
                (score >= CLOSE).then_some((score, full))
            })
            .collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let worst = scored.first().map_or(0.0, |(best, _)| best - 0.1);
        scored.into_iter().take_while(|(score, _)| *score >= worst).take(3).map(|(_, full)| full).collect()
    }
}

/// Closeness from which a name is worth suggesting.
pub(crate) const CLOSE: f64 = 0.6;

/// How alike two names are, 0 to 1; a name that contains the other is close.
pub(crate) fn closeness(a: &str, b: &str) -> f64 {
    let distance = strsim::normalized_damerau_levenshtein(a, b);
    let contained = a.len().min(b.len()) >= 3 && (a.contains(b) || b.contains(a));
    if contained { distance.max(0.7) } else { distance }
}

fn same(a: &str, b: &str) -> bool {
    a == b || a.to_lowercase() == b.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(tables: &[&str]) -> Names {
        let tables = tables
            .iter()
            .map(|t| match t.split('.').collect::<Vec<_>>()[..] {
                [team, dataset, table] => {
                    TableName { team: team.into(), dataset: dataset.into(), table: table.into() }
                }
                _ => panic!("{t} has not three parts"),
            })
            .collect();
        Names { tables, system: vec!["files".into(), "tables".into()] }
    }

    fn meaning(names: &Names, name: &str) -> String {
        match names.find(&name.split('.').collect::<Vec<_>>()) {
            Meaning::Table(t) => t.to_string(),
            Meaning::System(s) => format!("system: {s}"),
            Meaning::Standard => "standard".into(),
            Meaning::Ambiguous(all) => {
                format!("ambiguous: {}", all.iter().map(|t| t.to_string()).collect::<Vec<_>>().join(", "))
            }
            Meaning::Unknown => "unknown".into(),
        }
    }

    #[test]
    fn truth_table() {
        let names = names(&[
            "demo.legislators.persons",
            "demo.legislators.Areas",
            "ocean.buoy.met",
            "ocean.glider.met",
            "ocean.system.files",
            "ocean.system.dives",
            "transit.buoy.met",
            "case.a.T",
            "case.a.t",
        ]);
        for (name, want) in [
            ("demo.legislators.persons", "demo.legislators.persons"),
            ("DEMO.Legislators.PERSONS", "demo.legislators.persons"),
            ("legislators.persons", "demo.legislators.persons"),
            ("persons", "demo.legislators.persons"),
            ("areas", "demo.legislators.Areas"),
            ("met", "ambiguous: ocean.buoy.met, ocean.glider.met, transit.buoy.met"),
            ("buoy.met", "ambiguous: ocean.buoy.met, transit.buoy.met"),
            ("glider.met", "ocean.glider.met"),
            ("system.files", "system: files"),
            ("SYSTEM.Files", "system: files"),
            ("system.main.files", "system: files"),
            ("ocean.system.files", "ocean.system.files"),
            ("system.dives", "ocean.system.dives"),
            ("files", "ocean.system.files"),
            ("tables", "unknown"),
            ("case.a.T", "case.a.T"),
            ("case.a.t", "case.a.t"),
            ("information_schema.tables", "standard"),
            ("demo.information_schema.columns", "standard"),
            ("lake.main.persons", "demo.legislators.persons"),
            ("lake.system.tables", "system: tables"),
            ("lake.legislators.persons", "demo.legislators.persons"),
            ("nobody", "unknown"),
            ("demo.persons", "unknown"),
        ] {
            assert_eq!(meaning(&names, name), want, "{name}");
        }
    }

    #[test]
    fn nearest_names_come_best_first() {
        let names = names(&["demo.legislators.persons", "demo.legislators.memberships", "ocean.buoy.met"]);
        for (name, want) in [
            ("persn", vec!["demo.legislators.persons"]),
            ("demo.legislator.persons", vec!["demo.legislators.persons"]),
            ("demo.persons", vec!["demo.legislators.persons"]),
            ("membership", vec!["demo.legislators.memberships"]),
            ("system.file", vec!["system.files"]),
            ("file", vec!["system.files"]),
            ("zzz", vec![]),
        ] {
            assert_eq!(names.nearest(&name.split('.').collect::<Vec<_>>()), want, "{name}");
        }
    }

    #[test]
    fn discovery_takes_folders_with_a_log() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(discover(dir.path()).unwrap(), []);
        for folder in
            ["a/b/t/_delta_log", "a/b/no_log", "a/b/.hidden/_delta_log", "a/c/u/_delta_log", "a/empty"]
        {
            fs::create_dir_all(dir.path().join("tables").join(folder)).unwrap();
        }
        fs::write(dir.path().join("tables/a/b/file"), "").unwrap();
        let found: Vec<String> = discover(dir.path()).unwrap().iter().map(|t| t.to_string()).collect();
        assert_eq!(found, ["a.b.t", "a.c.u"]);
    }
}
