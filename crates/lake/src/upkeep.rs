//! Upkeep of a table's log and files beside compaction: checkpoints, and
//! removal of files that no retained version names.

use std::time::Duration;

use deltalake::checkpoints;

use crate::log::{TableLog, load};
use crate::{Error, Result};

/// Log entries are looked through for old ones once in so many checkpoints: that
/// takes a look at each of them.
const CLEAN_CHECKPOINTS: u64 = 20;

/// Writes a checkpoint of the newest version if the last one is at least
/// `every` commits old, and now and then removes log entries that are older than
/// `keep`, the age at which the data files of their versions go, or than the
/// table's own `delta.logRetentionDuration`. Answers whether a checkpoint was
/// written.
pub async fn checkpoint(log: &TableLog, every: u64, keep: Duration) -> Result<bool> {
    let Some(table) = load(&log.folder).await? else { return Ok(false) };
    let version = table.version().unwrap_or_default();
    let last = std::fs::read(log.folder.join("_delta_log/_last_checkpoint"))
        .ok()
        .and_then(|b| serde_json::from_slice::<serde_json::Value>(&b).ok())
        .and_then(|v| v["version"].as_u64())
        .unwrap_or(0);
    let every = every.max(1);
    if version < last + every {
        return Ok(false);
    }
    checkpoints::create_checkpoint(&table, None).await?;
    let cleaning = |version: u64| version / (every * CLEAN_CHECKPOINTS);
    if cleaning(version) > cleaning(last) {
        let keep = table.snapshot()?.table_config().log_retention_duration.unwrap_or(keep);
        let before = chrono::Utc::now().timestamp_millis().saturating_sub(keep.as_millis() as i64);
        checkpoints::cleanup_expired_logs_for(version, table.log_store().as_ref(), before, None).await?;
    }
    Ok(true)
}

/// Deletes data files that are in no version younger than `after`, and files
/// of that age that no version ever named. Answers their paths.
pub async fn vacuum(log: &TableLog, after: Duration, dry_run: bool) -> Result<Vec<String>> {
    let Some(table) = load(&log.folder).await? else { return Ok(Vec::new()) };
    let retention = chrono::Duration::from_std(after)
        .map_err(|e| Error::new(lakegate_domain::Code::Bug, format!("vacuum retention: {e}")))?;
    let (_, metrics) = table
        .vacuum()
        .with_retention_period(retention)
        .with_enforce_retention_duration(false)
        .with_mode(deltalake::operations::vacuum::VacuumMode::Full)
        .with_dry_run(dry_run)
        .await?;
    Ok(metrics.files_deleted)
}
