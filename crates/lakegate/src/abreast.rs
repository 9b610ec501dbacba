//! Whether the ledger is as new as the tables. One that was restored from an
//! older backup, or made anew beside tables, would hand out seqs that the
//! tables hold already: new files would count as committed without a row.
//!
//! It shows only before the lane hands out more, so it is looked at before a
//! process takes the first file of a dataset, and before it commits to one.

use lakegate_domain::ids::QUARANTINE_SUFFIX;
use lakegate_domain::token::is_ledger_behind;
use lakegate_domain::{Code, DatasetName, Failure, LaneName, TableName};
use lakegate_lake::log::{TableLog, table_folder};

use crate::context::Context;
use crate::reconcile::newest_version;

/// Fails where a table of the dataset holds a seq that the ledger has never
/// handed out, or is gone though the ledger knows of rows in it.
///
/// # Errors
/// LG605; LG604 where a table's log cannot be read, or there is none any more.
pub fn check(ctx: &Context, dataset: &DatasetName) -> Result<(), Failure> {
    let known = ctx.block(ctx.store.newest_versions(dataset))?;
    for table in known.keys() {
        if !table_folder(&ctx.lake.storage, table).join("_delta_log").exists() {
            is_gone(ctx, table)?;
        }
    }
    check_ledger(ctx, dataset)
}

/// As [`check`], where all tables are about to be rebuilt: whether they are
/// there does not matter.
///
/// # Errors
/// As there.
pub fn check_ledger(ctx: &Context, dataset: &DatasetName) -> Result<(), Failure> {
    let lane = LaneName::ingest(dataset);
    let folder = ctx.lake.storage.join("tables").join(&dataset.team).join(&dataset.dataset);
    let known = ctx.block(ctx.store.newest_versions(dataset))?;
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    let last_seq = ctx.block(ctx.store.last_seq(&lane))?;
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

/// Fails where a table that has no folder is to hold rows: made anew it would
/// hold those of new files alone, and nobody would notice.
fn is_gone(ctx: &Context, table: &TableName) -> Result<(), Failure> {
    let (rows, quarantined) = match table.table.strip_suffix(QUARANTINE_SUFFIX) {
        None => (ctx.block(ctx.store.rows_put_into(table))?.0, false),
        Some(of) => (ctx.block(ctx.store.rows_put_into(&table.dataset().table(of)))?.1, true),
    };
    if rows == 0 {
        return Ok(());
    }
    let what = if quarantined { "quarantined rows" } else { "rows" };
    Err(Failure::new(
        Code::TableDamaged,
        format!(
            "table {table} is gone: the ledger knows of {rows} {what} in it and there is no log in `{}`; restore the \
             folder, or rebuild the table: lakegate replay {}",
            table_folder(&ctx.lake.storage, table).display(),
            table.dataset()
        ),
    ))
}
