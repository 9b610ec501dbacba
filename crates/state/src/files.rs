//! Everything about a file, and how the datasets stand.

use lakegate_domain::job::FileState;
use lakegate_domain::{Code, DatasetName, FileId, RunId, Seq, TableName};
use serde::{Serialize, Serializer};
use sqlx::{QueryBuilder, Row as _};

use crate::error::{Error, Result};
use crate::intern::{parse_dataset, parse_table};
use crate::lanes::{parse_groups, row_limit};
use crate::raw::RawRef;
use crate::sqlite::{Db, Row};
use crate::store::{Millis, Store, unsigned};

/// Which files; what is not given does not narrow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileFilter {
    pub file_ids: Vec<FileId>,
    pub dataset: Option<DatasetName>,
    pub state: Option<FileState>,
    /// Part of the path, or with `*` and `?` a pattern for the path or its last
    /// part; `*` takes `/` too. Upper and lower case are the same.
    pub name_like: Option<String>,
    /// Only files before this one: to go on after a page.
    pub before: Option<FileId>,
    pub limit: Option<u32>,
}

/// Everything about a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FileRow {
    pub file_id: FileId,
    pub dataset: DatasetName,
    pub landing: String,
    pub path: String,
    pub state: FileState,
    /// When it came into this state.
    pub since: Millis,
    pub size_bytes: u64,
    /// When it was changed last, nanoseconds since the Unix epoch.
    #[serde(rename = "modified_at", serialize_with = "instant")]
    pub mtime_ns: i64,
    pub landed_at: Millis,
    pub fingerprint: String,
    pub raw: RawRef,
    /// The bytes are no longer kept.
    pub raw_gone: bool,
    pub groups: Vec<(String, String)>,
    /// Its place in the lane, the newest one if it was redriven.
    pub seq: Option<Seq>,
    pub job_id: Option<i64>,
    /// Attempts of that job that have failed.
    pub attempts: u32,
    /// When it may be tried again, if it has failed and waits.
    pub not_before: Option<Millis>,
    /// Whether it takes the place of earlier files of its path.
    pub replaces: bool,
    /// The file that stands in its place: of a duplicate its original, of an
    /// ignored file the one its path stands for.
    pub of: Option<FileId>,
    pub replaced_by: Option<FileId>,
    /// Why it waits: the last failure of a queued or parked file.
    pub code: Option<Code>,
    pub message: Option<String>,
    pub committed_at: Option<Millis>,
    /// The run that committed or parked it.
    pub run: Option<RunId>,
    /// Rows that the reader found, and rows in tables.
    pub n_read: Option<u64>,
    pub n_rows: Option<u64>,
    pub duration_ms: Option<u64>,
}

fn instant<S: Serializer>(ns: &i64, s: S) -> std::result::Result<S::Ok, S::Error> {
    Millis(ns.div_euclid(1_000_000)).serialize(s)
}

/// How a dataset stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DatasetStatus {
    pub dataset: DatasetName,
    /// Files by state; states that no file has are left out.
    pub counts: Vec<(FileState, u64)>,
    /// The newest commit to one of its tables.
    pub newest_commit: Option<Millis>,
    /// When the file landed that has waited longest to be committed: the lag is
    /// the time since then. Parked files do not count.
    pub oldest_queued: Option<Millis>,
}

/// A commit that brought rows of a file into a table or its quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lineage {
    #[serde(serialize_with = "as_text")]
    pub table: TableName,
    /// `None` where the commit's acknowledgement was lost.
    pub version: Option<i64>,
    pub n_rows: u64,
}

fn as_text<S: serde::Serializer>(table: &TableName, s: S) -> std::result::Result<S::Ok, S::Error> {
    s.collect_str(table)
}

impl DatasetStatus {
    pub fn count(&self, state: FileState) -> u64 {
        self.counts.iter().find(|(s, _)| *s == state).map_or(0, |(_, n)| *n)
    }
}

const FILE_COLUMNS: &str = "select f.file_id, d.dataset, z.landing, p.path, f.state, f.since, f.size_bytes, \
    f.mtime_ns, f.landed_at, f.fingerprint, f.pack, f.pack_offset, f.stored_bytes, f.method, f.raw_gone, \
    f.name_groups, f.seq, f.job_id, j.attempts, j.not_before, f.replaces, f.of_file_id, f.replaced_by, e.code, \
    e.message, f.committed_at, f.run_id, f.n_read, f.n_rows, f.duration_ms from files f \
    join datasets d on d.dataset_id = f.dataset_id join paths p on p.path_id = f.path_id \
    join zones z on z.zone_id = p.zone_id left join jobs j on j.job_id = f.job_id \
    left join failures e on e.failure_id = f.failure_id where true";

impl Store {
    /// The files that pass the filter, newest first.
    pub async fn files(&self, filter: &FileFilter) -> Result<Vec<FileRow>> {
        let mut query = QueryBuilder::<Db>::new(FILE_COLUMNS);
        push_ids(&mut query, &filter.file_ids);
        push_standing(&mut query, filter);
        if let Some(name) = &filter.name_like {
            push_name(&mut query, name);
        }
        if let Some(before) = filter.before {
            query.push(" and f.file_id < ").push_bind(before.0);
        }
        query.push(" order by f.file_id desc limit ").push_bind(row_limit(filter.limit));
        let rows = query.build().persistent(false).fetch_all(self.readers()).await?;
        rows.iter().map(file_from_row).collect()
    }

    /// One file, if it is known.
    pub async fn file(&self, file_id: FileId) -> Result<Option<FileRow>> {
        let filter = FileFilter { file_ids: vec![file_id], ..FileFilter::default() };
        Ok(self.files(&filter).await?.pop())
    }

    /// The commits that brought a committed file's rows, by table: each table's
    /// own before that to its quarantine.
    pub async fn lineage_of(&self, file_id: FileId) -> Result<Vec<Lineage>> {
        let rows = sqlx::query(
            "select t.table_name, r.version, r.n_committed, r.quarantine_version, r.n_quarantined \
             from file_tables r join tables t on t.table_id = r.table_id join files f on f.file_id = r.file_id \
             where r.file_id = ? and f.state = 'committed' order by t.table_name",
        )
        .bind(file_id.0)
        .fetch_all(self.readers())
        .await?;
        let mut all = Vec::new();
        for row in &rows {
            let table = parse_table(row.try_get(0)?)?;
            let quarantine = table.quarantine();
            for (table, at) in [(table, 1), (quarantine, 3)] {
                let n_rows = unsigned(row.try_get(at + 1)?);
                if n_rows > 0 {
                    all.push(Lineage { table, version: row.try_get(at)?, n_rows });
                }
            }
        }
        Ok(all)
    }

    /// How each dataset stands that has ever had a file or a table, by name.
    pub async fn status(&self) -> Result<Vec<DatasetStatus>> {
        let mut tx = self.read().await?;
        let rows = sqlx::query(
            "select d.dataset, (select max(t.last_commit_at) from tables t where t.dataset_id = d.dataset_id), \
             (select min(f.landed_at) from files f where f.dataset_id = d.dataset_id \
              and f.state in ('queued', 'leased')), d.dataset_id \
             from datasets d order by d.dataset",
        )
        .fetch_all(&mut *tx)
        .await?;
        let counts = sqlx::query(
            "select dataset_id, state, count(*) from files group by dataset_id, state order by 1, 2",
        )
        .fetch_all(&mut *tx)
        .await?;
        rows.iter()
            .map(|row| {
                let dataset_id: i64 = row.try_get(3)?;
                let mut mine = Vec::new();
                for count in &counts {
                    if count.try_get::<i64, _>(0)? == dataset_id {
                        mine.push((parse_state(count.try_get(1)?)?, unsigned(count.try_get(2)?)));
                    }
                }
                Ok(DatasetStatus {
                    dataset: parse_dataset(row.try_get(0)?)?,
                    counts: mine,
                    newest_commit: row.try_get::<Option<i64>, _>(1)?.map(Millis),
                    oldest_queued: row.try_get::<Option<i64>, _>(2)?.map(Millis),
                })
            })
            .collect()
    }
}

/// Narrows by dataset and state in such a way that a page of files costs the
/// page and not the dataset.
fn push_standing(query: &mut QueryBuilder<Db>, filter: &FileFilter) {
    const DATASET: &str = "(select dataset_id from datasets where dataset = ";
    match (&filter.dataset, filter.state) {
        (Some(dataset), Some(state)) => {
            query.push(" and f.dataset_id = ").push(DATASET).push_bind(dataset.to_string());
            query.push(") and f.state = ").push_bind(state.name());
        }
        (Some(dataset), None)
            if filter.name_like.is_none() && filter.file_ids.is_empty() && filter.limit.is_some() =>
        {
            // The index is by dataset and state: the newest of each state hold
            // the newest of all.
            query.push(" and f.file_id in (");
            for (i, state) in FileState::ALL.into_iter().enumerate() {
                query.push(if i > 0 { " union all " } else { "" });
                query.push("select * from (select file_id from files where dataset_id = ");
                query.push(DATASET).push_bind(dataset.to_string());
                query.push(") and state = ").push_bind(state.name());
                if let Some(before) = filter.before {
                    query.push(" and file_id < ").push_bind(before.0);
                }
                query.push(" order by file_id desc limit ").push_bind(row_limit(filter.limit));
                query.push(") newest");
            }
            query.push(")");
        }
        (Some(dataset), None) => {
            query.push(" and f.dataset_id = ").push(DATASET).push_bind(dataset.to_string()).push(")");
        }
        // Of the usual state there is one in any few files; the others may be
        // rare, and are found by the index.
        (None, Some(FileState::Committed)) => {
            query.push(" and f.state = 'committed'");
        }
        (None, Some(state)) => {
            query.push(" and f.dataset_id in (select dataset_id from datasets) and f.state = ");
            query.push_bind(state.name());
        }
        (None, None) => {}
    }
}

fn file_from_row(row: &Row) -> Result<FileRow> {
    let state = parse_state(row.try_get(4)?)?;
    let not_before: Option<i64> = row.try_get(19)?;
    Ok(FileRow {
        file_id: FileId(row.try_get(0)?),
        dataset: parse_dataset(row.try_get(1)?)?,
        landing: row.try_get(2)?,
        path: row.try_get(3)?,
        state,
        since: Millis(row.try_get(5)?),
        size_bytes: unsigned(row.try_get(6)?),
        mtime_ns: row.try_get(7)?,
        landed_at: Millis(row.try_get(8)?),
        fingerprint: row.try_get(9)?,
        raw: RawRef::from_row(row, 10)?,
        raw_gone: row.try_get(14)?,
        groups: parse_groups(row.try_get(15)?)?,
        seq: row.try_get::<Option<i64>, _>(16)?.map(Seq),
        job_id: row.try_get(17)?,
        attempts: row.try_get::<Option<u32>, _>(18)?.unwrap_or(0),
        not_before: not_before.filter(|t| *t > 0 && state == FileState::Queued).map(Millis),
        replaces: row.try_get(20)?,
        of: row.try_get::<Option<i64>, _>(21)?.map(FileId),
        replaced_by: row.try_get::<Option<i64>, _>(22)?.map(FileId),
        code: row.try_get::<Option<&str>, _>(23)?.map(parse_code).transpose()?,
        message: row.try_get(24)?,
        committed_at: row.try_get::<Option<i64>, _>(25)?.map(Millis),
        run: row.try_get::<Option<i64>, _>(26)?.map(RunId),
        n_read: row.try_get::<Option<i64>, _>(27)?.map(unsigned),
        n_rows: row.try_get::<Option<i64>, _>(28)?.map(unsigned),
        duration_ms: row.try_get::<Option<i64>, _>(29)?.map(unsigned),
    })
}

pub(crate) fn parse_state(text: &str) -> Result<FileState> {
    FileState::parse(text).ok_or_else(|| Error::corrupt(format!("`{text}` is not the state of a file")))
}

pub(crate) fn parse_code(text: &str) -> Result<Code> {
    Code::parse(text).ok_or_else(|| Error::corrupt(format!("`{text}` is not an error code")))
}

/// Narrows a query that has files as `f`.
pub(crate) fn push_ids(query: &mut QueryBuilder<Db>, ids: &[FileId]) {
    if ids.is_empty() {
        return;
    }
    // Numbers need no binding, and there may be more than a statement can bind.
    query.push(" and f.file_id in (");
    for (i, id) in ids.iter().enumerate() {
        query.push(if i > 0 { "," } else { "" }).push(id.0);
    }
    query.push(")");
}

/// Narrows a query that has paths as `p`, by [`FileFilter::name_like`].
pub(crate) fn push_name(query: &mut QueryBuilder<Db>, name: &str) {
    let pattern = like_pattern(name);
    query
        .push(" and (lower(p.path) like ")
        .push_bind(pattern.clone())
        .push(r" escape '\' or lower(p.path) like ")
        .push_bind(format!("%/{pattern}"))
        .push(r" escape '\')");
}

fn like_pattern(name: &str) -> String {
    let mut pattern = String::with_capacity(name.len() + 2);
    for c in name.to_ascii_lowercase().chars() {
        match c {
            '*' => pattern.push('%'),
            '?' => pattern.push('_'),
            '%' | '_' | '\\' => pattern.extend(['\\', c]),
            c => pattern.push(c),
        }
    }
    if name.contains(['*', '?']) { pattern } else { format!("%{pattern}%") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (name, pattern) in [
            ("bus", "%bus%"),
            ("Bus_1", r"%bus\_1%"),
            ("*.csv", "%.csv"),
            ("z0?/100%", r"z0_/100\%"),
            (r"a\b", r"%a\\b%"),
        ] {
            assert_eq!(like_pattern(name), pattern);
        }
    }
}
