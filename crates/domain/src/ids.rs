//! Identifiers. People see them with a prefix (`f12`, `r3`); columns and the
//! ledger hold the bare number.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = String;
            /// Accepts both `
            #[doc = $prefix]
            /// 12` and `12`.
            fn from_str(text: &str) -> Result<Self, String> {
                text.strip_prefix($prefix)
                    .unwrap_or(text)
                    .parse()
                    .map($name)
                    .map_err(|_| format!(concat!("`{}` is not an id; ids look like `", $prefix, "12`"), text))
            }
        }
    };
}

number_id!(
    /// One landed file: a name and its bytes. The same name with other bytes is
    /// another file. It is the `_file_id` of every row that came from it.
    FileId, "f");
number_id!(
    /// One recorded execution.
    RunId, "r");
number_id!(
    /// A file's position in its lane, from 1, without gaps when handed out.
    Seq, "s");

/// `team.dataset`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DatasetName {
    pub team: String,
    pub dataset: String,
}

impl DatasetName {
    pub fn new(team: impl Into<String>, dataset: impl Into<String>) -> Self {
        Self { team: team.into(), dataset: dataset.into() }
    }

    pub fn table(&self, table: impl Into<String>) -> TableName {
        TableName { team: self.team.clone(), dataset: self.dataset.clone(), table: table.into() }
    }
}

impl fmt::Display for DatasetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.team, self.dataset)
    }
}

impl FromStr for DatasetName {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split('.').collect::<Vec<_>>()[..] {
            [team, dataset] if !team.is_empty() && !dataset.is_empty() => Ok(Self::new(team, dataset)),
            _ => Err(format!("`{text}` is not a dataset; write `team.dataset`")),
        }
    }
}

/// `team.dataset.table`: the SQL name of a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableName {
    pub team: String,
    pub dataset: String,
    pub table: String,
}

impl TableName {
    pub fn dataset(&self) -> DatasetName {
        DatasetName::new(&self.team, &self.dataset)
    }

    /// The table beside this one that takes its rejected rows.
    pub fn quarantine(&self) -> TableName {
        TableName { table: format!("{}{QUARANTINE_SUFFIX}", self.table), ..self.clone() }
    }
}

/// Longest name of a team, dataset or table: folders are called by it, and file
/// systems take 255 bytes with what is put behind it.
pub const NAME_BYTES: usize = 128;

/// Suffix of a quarantine table's name; no table may be declared with it.
pub const QUARANTINE_SUFFIX: &str = "__quarantine";

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.team, self.dataset, self.table)
    }
}

/// One ordered stream of commits into a dataset. Its text is an on-disk
/// contract: it is the `appId` of the transaction stored in every Delta commit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LaneName(pub String);

impl LaneName {
    /// The lane through which a dataset's landed files are committed.
    pub fn ingest(dataset: &DatasetName) -> Self {
        Self(format!("lakegate/{dataset}/ingest"))
    }

    /// The lane through which a dataset is rebuilt from its raw bytes.
    pub fn replay(dataset: &DatasetName) -> Self {
        Self(format!("lakegate/{dataset}/replay"))
    }
}

impl fmt::Display for LaneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
