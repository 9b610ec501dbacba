//! `tables --drop`: removes a table that no configuration makes any more and of
//! whose rows the ledger says nothing.

use std::io::{BufRead, IsTerminal, Write};

use lakegate_domain::ids::QUARANTINE_SUFFIX;
use lakegate_domain::{Code, Failure, TableName};
use lakegate_lake::log::table_folder;
use lakegate_state::RunStatus;
use serde_json::json;

use super::{Result, Shell, Stop, known_table};
use crate::cli::Exit;
use crate::context::{Context, now};

pub fn drop_table(shell: &Shell, table: &TableName, yes: bool) -> Result<Exit> {
    let (_lock, ctx) = shell.work()?;
    let session = super::sql::session_of(&ctx)?;
    known_table(&session, table)?;
    let base = match table.table.strip_suffix(QUARANTINE_SUFFIX) {
        Some(base) => table.dataset().table(base),
        None => table.clone(),
    };
    if let Some(objection) = objection(shell, &ctx, &base)? {
        return Err(Stop::Usage(objection));
    }
    let all = session.tables()?;
    let gone: Vec<TableName> =
        [base.clone(), base.quarantine()].into_iter().filter(|t| all.contains(t)).collect();
    let names: Vec<String> = gone.iter().map(ToString::to_string).collect();
    if !yes && !agreed(&format!("remove {} with all its versions?", names.join(" and ")))? {
        shell.say("nothing was removed")?;
        return Ok(Exit::Done);
    }
    let run = ctx.block(ctx.store.start_run("drop", Some(&table.dataset()), now()))?;
    let done = gone.iter().try_for_each(|t| remove(&ctx, t));
    let (status, error) = match &done {
        Ok(()) => (RunStatus::Succeeded, None),
        Err(f) => (RunStatus::Failed, Some(f.to_string())),
    };
    ctx.block(ctx.store.end_run(run, status, 0, 0, error, now()))?;
    done?;
    if shell.global.json {
        shell.print_json(&json!({ "dropped": names }))?;
    }
    shell.say(format!("removed {}", names.join(" and ")))?;
    Ok(Exit::Done)
}

/// Why the table has to stay; `None` where nobody needs it.
fn objection(shell: &Shell, ctx: &Context, table: &TableName) -> Result<Option<String>> {
    let dataset = table.dataset();
    let config = ctx.lake.dataset(&dataset);
    if let Some(config) = config
        && (config.tables.contains_key(&table.table) || config.any_table.is_some())
    {
        let file = config.source.strip_prefix(&ctx.lake.root).unwrap_or(&config.source);
        return Ok(Some(format!("the configuration makes {table}; take it out of {} first", file.display())));
    }
    let sql = format!(
        "select coalesce(sum(n_committed + n_quarantined), 0) as n from system.file_tables t join system.files f on \
         f.file_id = t.file_id where f.state = 'committed' and t.table_name = '{}'",
        table.to_string().replace('\'', "''")
    );
    let session = super::sql::session_of(ctx)?;
    let rows = super::sql::rows(shell, &session, &sql)?;
    let n = rows.first().and_then(|r| r.get("n")?.as_i64()).unwrap_or(0);
    if n == 0 {
        return Ok(None);
    }
    let how = match config {
        Some(_) => format!("`lakegate replay {dataset}` puts them where today's configuration says"),
        None => {
            format!("the dataset {dataset} is not configured any more: put its file back, then replay it")
        }
    };
    Ok(Some(format!("{table} holds {n} rows of committed files; {how}")))
}

/// Asks a person. Nobody is asked where nobody can answer.
fn agreed(question: &str) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(Stop::Usage(format!("{question} add `--yes`")));
    }
    write!(std::io::stderr(), "{question} [y/N] ")?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Moves the table's folder out of sight at once, then removes it.
fn remove(ctx: &Context, table: &TableName) -> std::result::Result<(), Failure> {
    let folder = table_folder(&ctx.lake.storage, table);
    let aside = ctx.spill.join(format!("dropped-{}", uuid::Uuid::new_v4().simple()));
    std::fs::rename(&folder, &aside)
        .and_then(|()| std::fs::remove_dir_all(&aside))
        .map_err(|e| Failure::new(Code::Storage, format!("`{}` cannot be removed: {e}", folder.display())))
}
