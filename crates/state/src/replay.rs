//! The files that a dataset's tables are made of, to make them anew from the
//! raw bytes.

use lakegate_domain::{DatasetName, FileId, LaneName, RunId, Seq};
use sqlx::Row as _;

use crate::bulk;
use crate::error::{Error, Result};
use crate::intern::{self, Tables, parse_dataset};
use crate::lanes::{JOB_COLUMNS, JOB_JOINS, JOB_WIDTH, Job, job_from_row};
use crate::outcomes::{Outcome, Versions, forget_details, store_details};
use crate::store::{Millis, Store, signed};
use crate::tables::{CommitRecord, record};

/// A file whose rows the tables hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Replayable {
    /// The job with which it was committed; it replaces nothing here, since
    /// replaced files are not listed.
    pub job: Job,
    /// Whether its bytes are still kept.
    pub has_raw: bool,
}

/// A replay whose commits have begun and whose end nobody has recorded: some of
/// the dataset's tables may hold the new rows, others still the old ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swap {
    pub dataset: DatasetName,
    /// Whose rows are being swapped; empty for all of the dataset's files.
    pub files: Vec<FileId>,
}

impl Store {
    /// The committed files of a dataset, in the order of their seq: exactly
    /// those whose rows its tables should hold.
    pub async fn replayable(&self, dataset: &DatasetName) -> Result<Vec<Replayable>> {
        let mut tx = self.read().await?;
        let Some(dataset_id) = intern::find_dataset(&mut tx, dataset).await? else {
            return Ok(Vec::new());
        };
        let sql = format!(
            "select {JOB_COLUMNS}, f.raw_gone from jobs j {JOB_JOINS} \
             where f.dataset_id = ? and f.state = 'committed' and j.job_id = f.job_id order by j.seq"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(dataset_id).fetch_all(&mut *tx).await?;
        rows.iter()
            .map(|row| {
                let gone: bool = row.try_get(JOB_WIDTH)?;
                Ok(Replayable { job: job_from_row(row)?, has_raw: !gone })
            })
            .collect()
    }

    /// Notes, before the first commit of a replay, that the rows of `files` (none:
    /// of all files) are about to be swapped, and hands out the next seq of the
    /// dataset's replay lane. The note stays until [`Store::finish_replay`],
    /// whatever happens to the process.
    pub async fn begin_swap(&self, dataset: &DatasetName, files: &[FileId], now: Millis) -> Result<Seq> {
        let mut tx = self.write().await?;
        let dataset_id = intern::dataset(&mut tx, dataset).await?;
        let (lane_id, last) = intern::lane(&mut tx, dataset_id, &LaneName::replay(dataset)).await?;
        intern::set_last_seq(&mut tx, lane_id, last + 1).await?;
        sqlx::query(
            "insert into swaps (dataset_id, file_ids, begun_at) values (?, ?, ?) on conflict (dataset_id) \
             do update set file_ids = excluded.file_ids, begun_at = excluded.begun_at",
        )
        .bind(dataset_id)
        .bind(serde_json::Value::from_iter(files.iter().map(|f| f.0)).to_string())
        .bind(now.0)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Seq(last + 1))
    }

    /// The replays that have begun to swap rows and were not finished, by dataset.
    pub async fn unfinished_swaps(&self) -> Result<Vec<Swap>> {
        let rows = sqlx::query(
            "select d.dataset, s.file_ids from swaps s join datasets d on d.dataset_id = s.dataset_id \
             order by d.dataset",
        )
        .fetch_all(self.readers())
        .await?;
        rows.iter()
            .map(|row| {
                let dataset = parse_dataset(row.try_get(0)?)?;
                let files = serde_json::from_str(row.try_get(1)?).map_err(|e| {
                    Error::corrupt(format!("the files of the replay of {dataset} are not readable ({e})"))
                })?;
                Ok(Swap { dataset, files })
            })
            .collect()
    }

    /// Tables were made anew: what is known of these files is what the replay
    /// found, and no swap is open any more. Files that are no longer committed are
    /// passed over.
    pub async fn finish_replay(
        &self,
        dataset: &DatasetName,
        outcomes: &[Outcome],
        commits: &[CommitRecord],
        run: RunId,
    ) -> Result<()> {
        let mut tx = self.write().await?;
        let dataset_id = intern::dataset(&mut tx, dataset).await?;
        sqlx::query("delete from swaps where dataset_id = ?").bind(dataset_id).execute(&mut *tx).await?;
        let mut tables = Tables::default();
        record(&mut tx, &mut tables, commits).await?;
        let numbered: Vec<(usize, &Outcome)> = outcomes.iter().enumerate().collect();
        let rows = bulk::fetch(
            &mut tx,
            "with v (i, file_id) as (values $rows) select v.i, f.dataset_id from v \
             left join files f on f.file_id = v.file_id where f.state = 'committed'",
            2,
            &numbered,
            |b, (i, outcome)| {
                b.put(signed(*i as u64)).put(outcome.file_id.0);
            },
        )
        .await?;
        let mut committed: Vec<(&Outcome, Seq)> = Vec::with_capacity(rows.len());
        for row in rows {
            if row.try_get::<i64, _>(1)? == dataset_id {
                // A replay's commits each hold all files, whatever their seq.
                committed.push((&outcomes[row.try_get::<i64, _>(0)? as usize], Seq(i64::MIN)));
            }
        }
        let files: Vec<FileId> = committed.iter().map(|(o, _)| o.file_id).collect();
        forget_details(&mut tx, &files).await?;
        let versions = Versions::of(commits.iter());
        store_details(&mut tx, &mut tables, &committed, &versions).await?;
        bulk::execute(
            &mut tx,
            "with v (file_id, run_id, n_read, n_rows, duration_ms) as (values $rows) \
             update files set run_id = v.run_id, n_read = v.n_read, n_rows = v.n_rows, \
             duration_ms = v.duration_ms from v where files.file_id = v.file_id",
            5,
            &committed,
            |b, (outcome, _)| {
                b.put(outcome.file_id.0).put(run.0).put(signed(outcome.n_read));
                b.put(signed(outcome.n_committed())).put(signed(outcome.duration_ms));
            },
        )
        .await?;
        Ok(tx.commit().await?)
    }
}
