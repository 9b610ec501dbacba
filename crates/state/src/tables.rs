//! What the ledger keeps of tables: the commits that were made, and how many
//! rows files bring.

use std::collections::HashMap;

use lakegate_domain::{DatasetName, LaneName, Seq, TableName};
use sqlx::Row as _;

use crate::bulk;
use crate::error::Result;
use crate::intern::{self, Tables, parse_table};
use crate::sqlite::Connection;
use crate::store::{Millis, Store, signed, unsigned};

/// One commit to a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitRecord {
    pub table: TableName,
    /// The version that it made.
    pub version: i64,
    pub lane: LaneName,
    /// The token: every seq of the lane up to this one is in the table.
    pub seq: Seq,
    /// Landed files whose rows it holds.
    pub n_files: u32,
    pub n_rows: u64,
    /// Data files added and removed.
    pub n_added: u32,
    pub n_removed: u32,
    pub size_bytes: u64,
    /// `ingest`, `compact`, `replay`, `quarantine`, …
    pub operation: String,
    pub at: Millis,
}

impl Store {
    /// Records commits that no file was finished with: upkeep. A version that
    /// is known already is overwritten.
    pub async fn record_commits(&self, commits: &[CommitRecord]) -> Result<()> {
        if commits.is_empty() {
            return Ok(());
        }
        let mut tx = self.write().await?;
        record(&mut tx, &mut Tables::default(), commits).await?;
        Ok(tx.commit().await?)
    }

    /// The newest version of each of the dataset's tables that the ledger knows
    /// of.
    pub async fn newest_versions(&self, dataset: &DatasetName) -> Result<HashMap<TableName, i64>> {
        let rows = sqlx::query(
            "select t.table_name, t.last_version from tables t join datasets d on d.dataset_id = t.dataset_id \
             where d.dataset = ? and t.last_version is not null",
        )
        .bind(dataset.to_string())
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(|row| Ok((parse_table(row.try_get(0)?)?, row.try_get(1)?))).collect()
    }

    /// Rows that the committed files of the ledger have put into a table, and
    /// into the quarantine beside it.
    pub async fn rows_put_into(&self, table: &TableName) -> Result<(u64, u64)> {
        let row = sqlx::query(
            "select coalesce(sum(r.n_committed), 0), coalesce(sum(r.n_quarantined), 0) from file_tables r \
             join files f on f.file_id = r.file_id join tables t on t.table_id = r.table_id \
             where t.table_name = ? and f.state = 'committed'",
        )
        .bind(table.to_string())
        .fetch_one(self.readers())
        .await?;
        let (rows, quarantined): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        Ok((rows.unsigned_abs(), quarantined.unsigned_abs()))
    }

    /// The rows that the reader found for one table in the dataset's last
    /// committed files, newest first, at most `last_n`.
    pub async fn read_row_counts(&self, dataset: &DatasetName, table: &str, last_n: u32) -> Result<Vec<u64>> {
        let mut tx = self.read().await?;
        let Some(table_id) = intern::find_table(&mut tx, &dataset.table(table)).await? else {
            return Ok(Vec::new());
        };
        let rows = sqlx::query(
            "select r.n_read from file_tables r join files f on f.file_id = r.file_id \
             where r.table_id = ? and f.state = 'committed' order by r.file_id desc limit ?",
        )
        .bind(table_id)
        .bind(i64::from(last_n))
        .fetch_all(&mut *tx)
        .await?;
        rows.iter().map(|row| Ok(unsigned(row.try_get(0)?))).collect()
    }
}

/// Records commits inside a transaction.
pub(crate) async fn record(
    conn: &mut Connection,
    tables: &mut Tables,
    commits: &[CommitRecord],
) -> Result<()> {
    let mut rows = Vec::with_capacity(commits.len());
    for commit in commits {
        rows.push((tables.id(conn, &commit.table).await?, commit));
    }
    bulk::execute(
        conn,
        "insert into commits (table_id, version, lane, seq, n_files, n_rows, n_added, n_removed, size_bytes, \
         operation, committed_at) values $rows on conflict (table_id, version) do update set \
         lane = excluded.lane, seq = excluded.seq, n_files = excluded.n_files, n_rows = excluded.n_rows, \
         n_added = excluded.n_added, n_removed = excluded.n_removed, size_bytes = excluded.size_bytes, \
         operation = excluded.operation, committed_at = excluded.committed_at",
        11,
        &rows,
        |b, (table_id, c)| {
            b.put(*table_id).put(c.version).put(c.lane.0.as_str()).put(c.seq.0);
            b.put(i64::from(c.n_files)).put(signed(c.n_rows));
            b.put(i64::from(c.n_added)).put(i64::from(c.n_removed));
            b.put(signed(c.size_bytes)).put(c.operation.as_str()).put(c.at.0);
        },
    )
    .await?;
    // Tables carry their newest commit, so that status need not look for it.
    bulk::execute(
        conn,
        "with v (table_id, version, at) as (values $rows) update tables set last_version = v.version, \
         last_commit_at = v.at from v where tables.table_id = v.table_id \
         and (tables.last_commit_at is null or tables.last_commit_at <= v.at)",
        3,
        &newest(&rows),
        |b, (table_id, commit)| {
            b.put(*table_id).put(commit.version).put(commit.at.0);
        },
    )
    .await
}

/// The newest commit of each table.
fn newest<'a>(rows: &[(i64, &'a CommitRecord)]) -> Vec<(i64, &'a CommitRecord)> {
    let mut newest = rows.to_vec();
    newest.sort_by_key(|(table_id, c)| (*table_id, std::cmp::Reverse((c.at, c.version))));
    newest.dedup_by_key(|(table_id, _)| *table_id);
    newest
}
