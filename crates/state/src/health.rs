//! What the health of datasets is judged by, and what was told of it.

use std::collections::HashMap;

use lakegate_domain::DatasetName;
use lakegate_domain::health::State;
use sqlx::Row as _;

use crate::error::{Error, Result};
use crate::intern;
use crate::store::{Millis, Store};

/// A poll that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedPoll {
    pub started_at: Millis,
    /// Of a fan-out.
    pub item: Option<String>,
    pub status: Option<u16>,
    pub error: String,
}

impl Store {
    /// Rows that runs begun since an instant have loaded into a dataset; `None`
    /// where its first run came after that.
    pub async fn rows_since(&self, dataset: &DatasetName, since: Millis) -> Result<Option<u64>> {
        let row = sqlx::query(
            "select (select min(started_at) from runs r where r.dataset_id = d.dataset_id and r.kind = 'ingest'), \
                    (select coalesce(sum(n_rows), 0) from runs r \
                     where r.dataset_id = d.dataset_id and r.kind = 'ingest' and r.started_at >= ?) \
             from datasets d where d.dataset = ?",
        )
        .bind(since.0)
        .bind(dataset.to_string())
        .fetch_optional(self.readers())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let first: Option<i64> = row.try_get(0)?;
        let n: i64 = row.try_get(1)?;
        Ok(first.filter(|first| *first <= since.0).map(|_| n.unsigned_abs()))
    }

    /// The last polls of a feed that failed, the newest first.
    pub async fn failed_polls(&self, dataset: &DatasetName, limit: u32) -> Result<Vec<FailedPoll>> {
        let rows = sqlx::query(
            "select p.started_at, p.item, p.status, p.error from polls p \
             join datasets d on d.dataset_id = p.dataset_id \
             where d.dataset = ? and p.error is not null order by p.poll_id desc limit ?",
        )
        .bind(dataset.to_string())
        .bind(limit)
        .fetch_all(self.readers())
        .await?;
        let failed = |row: &crate::sqlite::Row| -> Result<FailedPoll> {
            let status: Option<i64> = row.try_get(2)?;
            Ok(FailedPoll {
                started_at: Millis(row.try_get(0)?),
                item: row.try_get(1)?,
                status: status.and_then(|s| u16::try_from(s).ok()),
                error: row.try_get(3)?,
            })
        };
        rows.iter().map(failed).collect()
    }

    /// What was told last of each dataset.
    pub async fn told(&self) -> Result<HashMap<DatasetName, State>> {
        let rows = sqlx::query(
            "select d.dataset, h.state from health h join datasets d on d.dataset_id = h.dataset_id",
        )
        .fetch_all(self.readers())
        .await?;
        let told = |row: &crate::sqlite::Row| {
            let dataset = intern::parse_dataset(row.try_get(0)?)?;
            let name: String = row.try_get(1)?;
            let state = State::of_name(&name)
                .ok_or_else(|| Error::corrupt(format!("`{name}` is not a state of {dataset}")))?;
            Ok((dataset, state))
        };
        rows.iter().map(told).collect()
    }

    /// Notes that a state was told.
    pub async fn tell(&self, dataset: &DatasetName, state: State, now: Millis) -> Result<()> {
        let mut tx = self.write().await?;
        let dataset_id = intern::dataset(&mut tx, dataset).await?;
        sqlx::query(
            "insert into health (dataset_id, state, told_at) values (?, ?, ?) \
             on conflict (dataset_id) do update set state = excluded.state, told_at = excluded.told_at",
        )
        .bind(dataset_id)
        .bind(state.name())
        .bind(now.0)
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }
}
