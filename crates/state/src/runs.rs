//! Recorded executions: of an ingest, a model, a reconciler.

use lakegate_domain::{DatasetName, RunId};
use serde::{Deserialize, Serialize};
use sqlx::Row as _;

use crate::error::{Error, Result};
use crate::intern;
use crate::store::{Millis, Store, signed};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    Succeeded,
    Failed,
    /// Nobody ended it: its process was killed, or stopped by a person.
    Interrupted,
}

impl RunStatus {
    pub fn name(self) -> &'static str {
        match self {
            RunStatus::Succeeded => "succeeded",
            RunStatus::Failed => "failed",
            RunStatus::Interrupted => "interrupted",
        }
    }
}

/// Rows that one call of [`Store::forget_history`] removes at most, so that
/// nobody waits for it.
const FORGOTTEN_AT_A_TIME: i64 = 10_000;

impl Store {
    /// Forgets runs that ended before `before`, and failures before it that no
    /// file waits for. Returns whether there may be more.
    pub async fn forget_history(&self, before: Millis) -> Result<bool> {
        let mut tx = self.write().await?;
        let mut more = false;
        for sql in [
            "delete from runs where run_id in (select run_id from runs where ended_at < ? \
             order by run_id limit ?)",
            "delete from failures where failure_id in (select e.failure_id from failures e \
             join files f on f.file_id = e.file_id where e.failed_at < ? \
             and (f.failure_id is null or f.failure_id <> e.failure_id) order by e.failure_id limit ?)",
        ] {
            let done = sqlx::query(sql).bind(before.0).bind(FORGOTTEN_AT_A_TIME).execute(&mut *tx).await?;
            more |= done.rows_affected() == FORGOTTEN_AT_A_TIME.unsigned_abs();
        }
        tx.commit().await?;
        Ok(more)
    }

    /// Records that a run of `kind` (`ingest`, `replay`, `maintain`, …) begins.
    pub async fn start_run(&self, kind: &str, dataset: Option<&DatasetName>, now: Millis) -> Result<RunId> {
        let mut tx = self.write().await?;
        let dataset_id = match dataset {
            Some(name) => Some(intern::dataset(&mut tx, name).await?),
            None => None,
        };
        let row = sqlx::query(
            "insert into runs (kind, dataset_id, status, started_at, n_files, n_rows) \
             values (?, ?, 'running', ?, 0, 0) returning run_id",
        )
        .bind(kind)
        .bind(dataset_id)
        .bind(now.0)
        .fetch_one(&mut *tx)
        .await?;
        let run = RunId(row.try_get(0)?);
        tx.commit().await?;
        Ok(run)
    }

    /// Records how a run ended. A run that was marked interrupted meanwhile is
    /// put right.
    pub async fn end_run(
        &self,
        run: RunId,
        status: RunStatus,
        n_files: u64,
        n_rows: u64,
        error: Option<String>,
        now: Millis,
    ) -> Result<()> {
        let mut tx = self.write().await?;
        let done = sqlx::query(
            "update runs set status = ?, ended_at = ?, n_files = ?, n_rows = ?, error = ? where run_id = ?",
        )
        .bind(status.name())
        .bind(now.0)
        .bind(signed(n_files))
        .bind(signed(n_rows))
        .bind(error)
        .bind(run.0)
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Err(Error::corrupt(format!("run {run} is not known")));
        }
        Ok(tx.commit().await?)
    }
}
