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

impl Store {
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
