//! What polls of feeds came to, and where polling stands.

use std::collections::HashMap;

use lakegate_domain::DatasetName;
use lakegate_domain::feed::{Cursor, Poll};
use sqlx::Row as _;

use crate::bulk;
use crate::error::{Error, Result};
use crate::intern;
use crate::store::{Millis, Store, signed};

/// What a poll, or a part of a long one, came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Polled {
    pub dataset: DatasetName,
    pub polls: Vec<Poll>,
    /// Where polling stands after it.
    pub cursor: Cursor,
}

/// Rows that one call of [`Store::trim_polls`] deletes at most, so that nobody
/// waits long for the ledger.
const TRIM: i64 = 20_000;

impl Store {
    /// Records polls and moves the cursors of their feeds, all or nothing. The
    /// files that they tell of must have landed.
    pub async fn record_polls(&self, polled: &[Polled], now: Millis) -> Result<()> {
        let mut tx = self.write().await?;
        let mut rows: Vec<(i64, &Poll)> = Vec::new();
        for polled in polled {
            let dataset_id = intern::dataset(&mut tx, &polled.dataset).await?;
            rows.extend(polled.polls.iter().map(|poll| (dataset_id, poll)));
            let cursor = serde_json::to_string(&polled.cursor).map_err(|e| {
                Error::corrupt(format!("the cursor of {} cannot be written: {e}", polled.dataset))
            })?;
            sqlx::query(
                "insert into feed_cursors (dataset_id, cursor, updated_at) values (?, ?, ?) \
                 on conflict (dataset_id) do update set cursor = excluded.cursor, updated_at = excluded.updated_at",
            )
            .bind(dataset_id)
            .bind(cursor)
            .bind(now.0)
            .execute(&mut *tx)
            .await?;
        }
        let sql = "insert into polls (dataset_id, step, item, due_at, started_at, duration_ms, status, size_bytes, \
                   attempts, n_missed, identical, path, fingerprint, etag, error) values $rows";
        bulk::execute(&mut tx, sql, 15, &rows, |binds, (dataset_id, poll)| {
            binds
                .put(*dataset_id)
                .put(poll.step.name())
                .put(poll.item.clone())
                .put(poll.due_ms)
                .put(poll.started_ms)
                .put(signed(poll.duration_ms))
                .put(poll.status.map(i64::from))
                .put(signed(poll.size_bytes))
                .put(i64::from(poll.attempts))
                .put(signed(poll.n_missed))
                .put(i64::from(poll.identical))
                .put(poll.path.clone())
                .put(poll.fingerprint.clone())
                .put(poll.etag.clone())
                .put(poll.error.clone());
        })
        .await?;
        Ok(tx.commit().await?)
    }

    /// Where polling of each feed stands; one that was never polled is not in it.
    pub async fn feed_cursors(&self) -> Result<HashMap<DatasetName, Cursor>> {
        let rows = sqlx::query(
            "select d.dataset, c.cursor from feed_cursors c join datasets d on d.dataset_id = c.dataset_id",
        )
        .fetch_all(self.readers())
        .await?;
        let cursor = |row: &crate::sqlite::Row| {
            let dataset = intern::parse_dataset(row.try_get(0)?)?;
            let cursor = parse(&dataset, row.try_get(1)?)?;
            Ok((dataset, cursor))
        };
        rows.iter().map(cursor).collect()
    }

    /// Notes what ingesting a landed answer found in it: entities, and the
    /// newest time among them. A file that no poll landed is no error.
    pub async fn poll_ingested(
        &self,
        dataset: &DatasetName,
        path: &str,
        n_entities: u64,
        newest: Option<Millis>,
    ) -> Result<()> {
        let mut tx = self.write().await?;
        if let Some(dataset_id) = intern::find_dataset(&mut tx, dataset).await? {
            // A link's file may land again under its name: the last one is meant.
            sqlx::query(
                "update polls set n_entities = ?, newest_at = ? where poll_id = \
                 (select max(poll_id) from polls where dataset_id = ? and path = ?)",
            )
            .bind(signed(n_entities))
            .bind(newest.map(|m| m.0))
            .bind(dataset_id)
            .bind(path)
            .execute(&mut *tx)
            .await?;
        }
        Ok(tx.commit().await?)
    }

    /// Deletes polls that began before an instant, and the oldest ones beyond
    /// `at_most`; says how many. Not all at once: call it until it says none.
    pub async fn trim_polls(&self, before: Millis, at_most: u64) -> Result<u64> {
        let mut tx = self.write().await?;
        let old = sqlx::query(
            "delete from polls where poll_id in (select poll_id from polls where started_at < ? limit ?)",
        )
        .bind(before.0)
        .bind(TRIM)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        let n: i64 = sqlx::query("select count(*) from polls").fetch_one(&mut *tx).await?.try_get(0)?;
        let excess = n.saturating_sub(signed(at_most)).clamp(0, TRIM);
        let surplus = if excess > 0 {
            sqlx::query(
                "delete from polls where poll_id in (select poll_id from polls order by started_at, poll_id limit ?)",
            )
            .bind(excess)
            .execute(&mut *tx)
            .await?
            .rows_affected()
        } else {
            0
        };
        tx.commit().await?;
        Ok(old + surplus)
    }
}

fn parse(dataset: &DatasetName, text: &str) -> Result<Cursor> {
    serde_json::from_str(text)
        .map_err(|e| Error::corrupt(format!("the cursor of {dataset} cannot be read: {e}")))
}
