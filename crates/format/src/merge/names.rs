//! What the columns of merged streams are called.

use lakegate_domain::Code;
use lakegate_domain::model::Column;

use crate::conform::column_name;
use crate::{Error, Result};

/// A column of the merged rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergedColumn {
    /// The stream it is from; `None` for the key, which all of them have.
    pub stream: Option<usize>,
    /// As the stream calls it; for the key as the merge does.
    pub source: String,
    pub name: String,
}

/// What names are made of.
pub struct Naming<'a> {
    /// The streams that the file has, with their columns.
    pub streams: &'a [(String, Vec<String>)],
    /// Each stream's column of the key.
    pub keys: &'a [String],
    /// What the key is called in the merge.
    pub key: &'a str,
    /// Columns that name their inputs: those of the table, and of `input:`.
    pub declared: Vec<&'a Column>,
}

/// Names the columns of a merge: the key, then each stream's in its order.
///
/// A column is called `stream.column`, whatever streams a file has or lacks; but
/// where a declared column names it without its stream, as it is named there.
///
/// # Errors
/// LG306 where a declared column names one that several streams have.
pub fn names(naming: &Naming<'_>) -> Result<Vec<MergedColumn>> {
    let mut columns = vec![MergedColumn { stream: None, source: naming.key.into(), name: naming.key.into() }];
    for (at, (stream, own)) in naming.streams.iter().enumerate() {
        for source in own.iter().filter(|c| **c != naming.keys[at]) {
            columns.push(MergedColumn {
                stream: Some(at),
                source: source.clone(),
                name: format!("{stream}.{source}"),
            });
        }
    }
    for declared in &naming.declared {
        if declared.sources().any(|s| s == naming.key || columns.iter().any(|c| c.name == s)) {
            continue;
        }
        // As in a file of one stream: letter by letter first, then by the name
        // that an input column gets.
        let exact: Vec<&str> = declared.sources().collect();
        let by_name = |c: &MergedColumn| column_name(&c.source) == declared.name;
        let found = exact
            .iter()
            .map(|s| matching(&columns, |c| c.source == *s))
            .find(|found| !found.is_empty())
            .unwrap_or_else(|| matching(&columns, by_name));
        match found.as_slice() {
            [] => {}
            [only] => columns[*only].name = columns[*only].source.clone(),
            several => {
                let full: Vec<String> = several.iter().map(|at| format!("`{}`", columns[*at].name)).collect();
                return Err(Error::new(
                    Code::BadName,
                    format!(
                        "column `{}` may be {}: several streams have a column `{}`, say which under `from:`",
                        declared.name,
                        full.join(" or "),
                        columns[several[0]].source
                    ),
                ));
            }
        }
    }
    Ok(columns)
}

fn matching(columns: &[MergedColumn], is_it: impl Fn(&MergedColumn) -> bool) -> Vec<usize> {
    columns.iter().enumerate().filter(|(_, c)| c.stream.is_some() && is_it(c)).map(|(at, _)| at).collect()
}
