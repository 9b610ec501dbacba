//! What can go wrong with a file, in codes that people can look up, and what
//! follows: wait and try again, or park the file for a person.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($variant:ident = $id:literal, $title:literal, $hint:literal;)*) => {
        /// An error code. Each has a page, `docs/errors/<id>.md`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $(#[doc = $title] $variant,)* }

        impl Code {
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// The stable identifier, such as `LG101`.
            pub fn id(self) -> &'static str {
                match self { $(Code::$variant => $id,)* }
            }

            /// One line that names the problem.
            pub fn title(self) -> &'static str {
                match self { $(Code::$variant => $title,)* }
            }

            /// The code's page, for people who want to know more.
            pub fn page(self) -> &'static str {
                match self {
                    $(Code::$variant => include_str!(concat!("../../../docs/errors/", $id, ".md")),)*
                }
            }

            /// What a person does about it.
            pub fn hint(self) -> &'static str {
                match self { $(Code::$variant => $hint,)* }
            }

            pub fn parse(id: &str) -> Option<Self> {
                match id { $($id => Some(Code::$variant),)* _ => None }
            }
        }
    };
}

codes! {
    Malformed = "LG101", "the file is not in the format that its dataset declares",
        "compare the file with the dataset's `read:`; mend whichever is wrong, then redrive";
    Encoding = "LG102", "the text is not in the declared encoding",
        "set `read: { csv: { encoding: … } }` to the file's encoding, then redrive";
    DamagedArchive = "LG103", "the archive is cut short or damaged",
        "ask for the file again; the same name with other bytes is picked up by itself";
    CapExceeded = "LG104", "the archive grows beyond its caps",
        "if the file is genuine, raise the cap under `read: { caps: … }`, then redrive";
    UnsafeName = "LG105", "a member's name leaves the archive's folder",
        "do not trust this archive; ask its sender for one with relative names";
    RecordTooLong = "LG106", "one record is longer than the cap",
        "look for a missing line end or quote; if it is genuine, raise `caps: { record: … }`";
    NoRecords = "LG107", "the file holds nothing to read",
        "ask for the file again; the same name with other bytes is picked up by itself";
    DuplicateColumn = "LG108", "two columns have the same name",
        "give the names with `read: { csv: { header: [ … ] } }`, then redrive";
    Ragged = "LG109", "a row has another number of fields than the header",
        "mend the file, or accept such rows with `read: { csv: { ragged: fill } }`, then redrive";
    NoMember = "LG110", "no member of the archive matches",
        "compare `read: { zip: { member: … } }` with the archive's list, then redrive";
    Unrecognised = "LG111", "the format is not recognised",
        "name it with `read:` in the dataset, then redrive";
    NulBytes = "LG112", "text with NUL bytes",
        "it is binary, or UTF-16 without its mark: set `encoding:` or ask for the file again";
    TooDeep = "LG113", "nested too deeply",
        "the document or archive is nested beyond what is read; ask its sender for a flatter one";
    Changed = "LG202", "the file changed while it was read",
        "nothing: it is taken again when it has settled; write under a `.part` name, then rename";
    Unreadable = "LG203", "the file cannot be read",
        "give the user that runs lakegate the right to read it, then redrive";
    RawMissing = "LG204", "the raw bytes are missing or damaged",
        "land the file again; or restore the raw store from its backup, then redrive";
    UnknownColumn = "LG301", "the file has a column that the table does not declare",
        "declare the column, or choose `evolve: add` or `rescue`, then redrive";
    DoesNotFit = "LG302", "a value does not fit its column",
        "mend the column's type, format or nulls, or choose `evolve: rescue`, then redrive";
    MissingColumn = "LG303", "the file lacks a column that the table declares",
        "mend `from:`, give a `default:`, or choose `evolve: add`, then redrive";
    NoTable = "LG304", "the file's rows have no table to go to",
        "declare the table, or `'*'` for any, under `tables:`, then redrive";
    BadName = "LG306", "two columns become the same column of the table",
        "map one of them to another name with `columns: { name: { from: … } }`, then redrive";
    TypeChanged = "LG307", "a column is declared with another type than the table has",
        "`lakegate replay` rebuilds the table with today's types, then redrive; or declare the type that it has";
    StatedUnit = "LG308", "a unit that the file states has no conversion",
        "name the unit with `from_unit: …`, or mend the file; then redrive";
    Transform = "LG401", "the transform failed",
        "mend the statement in the dataset's file, then redrive";
    ExpectationSql = "LG402", "an expectation's SQL failed",
        "mend the expectation, then redrive";
    TooManyKeys = "LG403", "one file has more keys to remember than memory holds",
        "raise `memory:` in lake.yaml, ask for smaller files, or remove `unique` or `dedupe`; then redrive";
    TooLargeToHold = "LG404", "one file's rows do not fit in memory at once",
        "raise `memory:` in lake.yaml, or ask for smaller files; then redrive";
    Hook = "LG405", "a hook failed",
        "read what the command said, mend it or the file, then redrive";
    Rejected = "LG501", "rejected by an expectation",
        "mend the file or the expectation, then redrive";
    TooManyBad = "LG502", "more rows failed an expectation than are tolerated",
        "mend the file, the expectation or `tolerate:`, then redrive";
    Volume = "LG503", "far fewer rows than usual",
        "if it is right, `lakegate redrive --accept FILE`";
    BadQuality = "LG504", "stopped by a quality check",
        "mend the file, the check or its `tolerate:`, then redrive";
    DiskFull = "LG601", "no space left",
        "make room; the work goes on by itself";
    Storage = "LG602", "the storage failed",
        "see that the place in the message is there and that the user who runs lakegate may use it; a file in work is tried again, then parked";
    Conflict = "LG603", "another writer committed first",
        "nothing: the work is tried again by itself";
    TableDamaged = "LG604", "the table cannot be used",
        "look at the message; the work is tried again by itself, `lakegate prove` says what is missing";
    Ledger = "LG605", "the ledger cannot be used",
        "restore the ledger and the tables of the same backup, or use the lakegate that wrote it";
    Export = "LG701", "an export cannot be written",
        "mend what the message names; `lakegate export` or the next `lakegate run` makes it";
    Bug = "LG901", "lakegate made a mistake",
        "please report it with the message; then redrive";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.id())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let id = String::deserialize(d)?;
        Code::parse(&id).ok_or_else(|| serde::de::Error::custom(format!("unknown error code {id}")))
    }
}

/// A failure of one file: what, where, and by its code how to mend it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    pub code: Code,
    /// For people: what happened and where.
    pub message: String,
}

impl Failure {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Failure {}

/// What follows a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Try the job again after this delay, before jitter.
    Retry(Duration),
    /// Wait for a person.
    Park,
}

/// Attempts after which even a failure that may pass by itself is parked. A
/// full disk, a lost race, a table and the ledger are never the file's fault:
/// they wait for ever.
pub const MAX_ATTEMPTS: u32 = 6;

/// Decides what follows the `attempt`th failed attempt (from 1).
///
/// | code                     | attempt < 6      | attempt >= 6     |
/// |--------------------------|------------------|------------------|
/// | LG601 disk full          | 5 s · 2ⁿ, ≤ 5 min| the same         |
/// | LG603 conflict           | 50 ms · 2ⁿ, ≤ 5 s| the same         |
/// | LG604 table, LG605 ledger| 1 s · 2ⁿ, ≤ 5 min| the same         |
/// | LG602 storage            | 1 s · 2ⁿ, ≤ 5 min| park             |
/// | everything else          | park             | park             |
pub fn verdict(code: Code, attempt: u32) -> Verdict {
    let backoff = |base: Duration, cap: Duration| {
        Verdict::Retry(base.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(cap))
    };
    let five_minutes = Duration::from_secs(300);
    match code {
        Code::DiskFull => backoff(Duration::from_secs(5), five_minutes),
        Code::Conflict => backoff(Duration::from_millis(50), Duration::from_secs(5)),
        Code::TableDamaged | Code::Ledger => backoff(Duration::from_secs(1), five_minutes),
        Code::Storage if attempt < MAX_ATTEMPTS => backoff(Duration::from_secs(1), five_minutes),
        _ => Verdict::Park,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_known_by_its_id_and_unique() {
        for &code in Code::ALL {
            assert_eq!(Code::parse(code.id()), Some(code));
        }
        let mut ids: Vec<_> = Code::ALL.iter().map(|c| c.id()).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), Code::ALL.len());
    }

    /// Pages and index say what the codes say, and there is no page too many.
    #[test]
    fn every_code_has_its_page_and_its_row() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors");
        let index = std::fs::read_to_string(format!("{folder}/README.md")).unwrap();
        for code in Code::ALL {
            let (id, title, hint) = (code.id(), code.title(), code.hint());
            assert_eq!(code.page().lines().next(), Some(format!("# {id}: {title}").as_str()));
            let row = format!("| [{id}]({id}.md) | {title} | {hint} |");
            assert!(index.lines().any(|l| l == row), "README.md lacks: {row}");
        }
        let mut pages: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .filter_map(|name| name.strip_suffix(".md").map(str::to_string))
            .filter(|name| name != "README")
            .collect();
        pages.sort();
        let mut ids: Vec<_> = Code::ALL.iter().map(|c| c.id()).collect();
        ids.sort();
        assert_eq!(pages, ids);
    }

    #[test]
    fn truth_table() {
        let s = Duration::from_secs;
        for (code, attempt, want) in [
            (Code::DiskFull, 1, Verdict::Retry(s(5))),
            (Code::DiskFull, 3, Verdict::Retry(s(20))),
            (Code::DiskFull, 100, Verdict::Retry(s(300))),
            (Code::Conflict, 1, Verdict::Retry(Duration::from_millis(50))),
            (Code::Conflict, 100, Verdict::Retry(s(5))),
            (Code::TableDamaged, 1, Verdict::Retry(s(1))),
            (Code::TableDamaged, 3, Verdict::Retry(s(4))),
            (Code::TableDamaged, 100, Verdict::Retry(s(300))),
            (Code::Ledger, 100, Verdict::Retry(s(300))),
            (Code::Storage, 1, Verdict::Retry(s(1))),
            (Code::Storage, 5, Verdict::Retry(s(16))),
            (Code::Storage, 6, Verdict::Park),
            (Code::Malformed, 1, Verdict::Park),
            (Code::Volume, 1, Verdict::Park),
            (Code::Bug, 1, Verdict::Park),
        ] {
            assert_eq!(verdict(code, attempt), want, "{code} attempt {attempt}");
        }
    }

    #[test]
    fn only_what_is_no_files_fault_is_tried_again() {
        let retried: Vec<_> =
            Code::ALL.iter().filter(|c| verdict(**c, 1) != Verdict::Park).map(|c| c.id()).collect();
        assert_eq!(retried, ["LG601", "LG602", "LG603", "LG604", "LG605"]);
    }
}
