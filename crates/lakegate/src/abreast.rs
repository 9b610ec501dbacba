//! Whether the ledger is as new as the tables. One that was restored from an
//! older backup, or made anew beside tables, would hand out seqs that the
//! tables hold already: new files would count as committed without a row.
//!
//! It shows only before the lane hands out more, so it is looked at before a
//! process takes the first file of a dataset, and before it commits to one.

use lakegate_domain::token::is_ledger_behind;
use lakegate_domain::{Code, DatasetName, Failure, LaneName};
use lakegate_lake::log::TableLog;

use crate::context::Context;
use crate::reconcile::newest_version;

/// Fails where a table of the dataset holds a seq that the ledger has never
/// handed out.
///
/// # Errors
/// LG605; LG604 where a table's log cannot be read.
pub fn check(ctx: &Context, dataset: &DatasetName) -> Result<(), Failure> {
    let lane = LaneName::ingest(dataset);
    let folder = ctx.lake.storage.join("tables").join(&dataset.team).join(&dataset.dataset);
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    let last_seq = ctx.block(ctx.store.last_seq(&lane))?;
    let known = ctx.block(ctx.store.newest_versions(dataset))?;
    for entry in entries.flatten() {
        let table = dataset.table(entry.file_name().to_string_lossy());
        // A look at names spares opening a table of which the ledger knows all.
        if known.get(&table).is_some_and(|v| *v >= newest_version(&entry.path()) as i64) {
            continue;
        }
        let lanes = std::slice::from_ref(&lane);
        let log = ctx.runtime.block_on(TableLog::open(&ctx.lake.storage, &table, lanes))?;
        let token = log.token(&lane);
        if let Some(held) = token.filter(|_| is_ledger_behind(token, last_seq)) {
            return Err(Failure::new(
                Code::Ledger,
                format!(
                    "table {table} holds seq {held} of lane {lane}, and this ledger has handed out {last_seq}: it is \
                     older than the tables; restore the ledger and the tables of the same backup"
                ),
            ));
        }
    }
    Ok(())
}
