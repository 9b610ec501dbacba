//! `trace`: from a row to the bytes it was read from, and from a file to its
//! rows and commits.

use std::io::Write;

use lakegate_domain::ids::QUARANTINE_SUFFIX;
use lakegate_domain::model::Dataset;
use lakegate_domain::{Code, Failure, FileId, TableName};
use lakegate_format::conform::original_text;
use lakegate_format::open::open;
use lakegate_state::FileRow;
use serde_json::{Value, json};

use super::{Result, Shell, Stop, known_dataset};
use crate::cli::{Exit, Trace, TraceTarget};
use crate::context::{Context, now};
use crate::ingest::fold::compile_transform;
use crate::ingest::parse::{Parsed, Rows, constants, parse};
use crate::ingest::prepare::{place, source};
use crate::render;

pub fn trace(shell: &Shell, args: &Trace) -> Result<Exit> {
    let ctx = shell.context_to_read()?;
    match (&args.target, args.file) {
        (TraceTarget::File(id), _) => file(shell, &ctx, *id, None),
        (TraceTarget::Table(table), Some(id)) => match args.row {
            Some(row) => one_row(shell, &ctx, table, id, row),
            None => file(shell, &ctx, id, Some(table)),
        },
        (TraceTarget::Table(table), None) => Err(Stop::Usage(format!(
            "say which file: lakegate trace {table} --file FILE_ID [--row N]; every row carries both: select _file_id, \
             _row, * from {table}"
        ))),
    }
}

fn row_of(ctx: &Context, id: FileId) -> Result<FileRow> {
    ctx.block(ctx.store.file(id))?
        .ok_or_else(|| Stop::Usage(format!("there is no file {id}; see `lakegate files`")))
}

fn file(shell: &Shell, ctx: &Context, id: FileId, only: Option<&TableName>) -> Result<Exit> {
    let f = row_of(ctx, id)?;
    let rows = ctx.block(ctx.store.rows_of(id))?;
    let mut lineage = ctx.block(ctx.store.lineage_of(id))?;
    lineage.retain(|l| only.is_none_or(|t| *t == l.table || t.quarantine() == l.table));
    let base = only.map(base_of);
    let rows: Vec<_> = rows.into_iter().filter(|r| base.as_ref().is_none_or(|t| *t == r.table)).collect();
    if shell.global.json {
        let mut v = serde_json::to_value(&f).unwrap_or_default();
        v["file"] = json!(id.to_string());
        v["dataset"] = json!(f.dataset.to_string());
        v["tables"] = rows
            .iter()
            .map(|r| {
                json!({ "table": r.table.to_string(), "n_read": r.n_read, "n_in": r.n_in,
                    "n_committed": r.n_committed, "n_quarantined": r.n_quarantined, "n_dropped": r.n_dropped,
                    "n_duplicate": r.n_duplicate })
            })
            .collect::<Vec<Value>>()
            .into();
        v["lineage"] = json!(lineage);
        shell.print_json(&v)?;
        return Ok(Exit::Done);
    }
    shell.say(format!("{id}  {}  {}", f.dataset, render::visible(&f.path)))?;
    shell.say(format!("  state        {}, {}", f.state.name(), render::ago(f.since.0, now().0)))?;
    shell.say(format!("  landed       {} in {}", render::ago(f.landed_at.0, now().0), f.landing))?;
    shell.say(format!("  size         {}", render::size(f.size_bytes)))?;
    shell.say(format!("  fingerprint  {}", f.fingerprint))?;
    let gone = if f.raw_gone { " (no longer kept)" } else { "" };
    shell.say(format!("  raw bytes    raw/{} at {}, {}{gone}", f.raw.pack, f.raw.offset, f.raw.method))?;
    if let Some(of) = f.of {
        shell.say(format!("  same as      {of}"))?;
    }
    if let Some(by) = f.replaced_by {
        shell.say(format!("  replaced by  {by}"))?;
    }
    if let (Some(code), Some(message)) = (f.code, &f.message) {
        shell.say(format!("  {code}        {message}"))?;
    }
    let mut list = shell.list(&["table", ">read", ">committed", ">quarantined", ">dropped", ">duplicates"]);
    for r in &rows {
        list.row([
            r.table.to_string(),
            render::count(r.n_read),
            render::count(r.n_committed),
            render::count(r.n_quarantined),
            render::count(r.n_dropped),
            render::count(r.n_duplicate),
        ]);
    }
    shell.print_list(&list)?;
    for l in &lineage {
        let version = l.version.map_or_else(|| "an unknown version".into(), |v| format!("version {v}"));
        shell.say(format!("  {} to {} in {version}", render::counted(l.n_rows, "row"), l.table))?;
    }
    Ok(Exit::Done)
}

fn one_row(shell: &Shell, ctx: &Context, table: &TableName, id: FileId, row: u64) -> Result<Exit> {
    let f = row_of(ctx, id)?;
    let dataset = known_dataset(&ctx.lake, &f.dataset)?;
    if table.dataset() != f.dataset {
        return Err(Stop::Usage(format!("{id} is a file of {}: it has no rows in {table}", f.dataset)));
    }
    // A quarantined row has the number that it would have in the table.
    let base = base_of(table);
    if f.raw_gone {
        return Err(Stop::Failed(Failure::new(
            Code::RawMissing,
            format!("the bytes of {id} are no longer kept"),
        )));
    }
    let config = dataset.tables.get(&base.table).or(dataset.any_table.as_ref());
    if config.is_some_and(|t| t.is_gathered() || t.of.is_some() || t.grid.is_some()) {
        return Err(Stop::Usage(format!(
            "a row of {base} is made of several (`merge`, `hook`, `of`, `grid`): its row {row} is a row of no single \
             record"
        )));
    }
    let source = source(ctx.raw.open_raw(&place(&f.raw)?)?, f.size_bytes);
    let name = f.path.rsplit('/').next().unwrap_or(&f.path);
    let values = constants(&dataset, &f.groups);
    let mut seen = 0u64;
    for chunk in open(source, name, &dataset.read, &ctx.spill).map_err(Failure::from)? {
        let chunk = chunk.map_err(Failure::from)?;
        let member = chunk.stream.member.clone();
        let parts = parse(&dataset, &f.groups, chunk, &values)?.parts;
        let Some(parsed) = parts.into_iter().find(|p| p.table == base.table) else { continue };
        if seen == 0 && !is_row_wise(ctx, &dataset, &parsed)? {
            return Err(Stop::Usage(format!(
                "the transform of {base} looks at a whole file: its row {row} is a row of the transform's result and \
                 of no single record"
            )));
        }
        let n = parsed.rows.n_rows() as u64;
        if row <= seen + n {
            let at = (row - seen - 1) as usize;
            let original = match &parsed.rows {
                Rows::Text(t) => original_text(t, at),
                Rows::Typed(b) => typed_row(b, at)?,
            };
            return show(shell, &f, table, row, member, &original);
        }
        seen += n;
    }
    Err(Stop::Usage(format!("{id} has {seen} records for {table}; there is no row {row}")))
}

/// The table whose files fill this one: a quarantine's is the one beside it.
fn base_of(table: &TableName) -> TableName {
    match table.table.strip_suffix(QUARANTINE_SUFFIX) {
        Some(base) => table.dataset().table(base),
        None => table.clone(),
    }
}

/// Whether each row of the table is made of the record with its number.
fn is_row_wise(ctx: &Context, dataset: &Dataset, parsed: &Parsed) -> Result<bool> {
    let config = dataset.tables.get(&parsed.table).or(dataset.any_table.as_ref());
    let Some(sql) = config.and_then(|t| t.transform.as_deref()) else { return Ok(true) };
    // How a missing value is spelled changes no plan.
    let transform = ctx.runtime.block_on(compile_transform(dataset, sql, &[parsed], &[]))?;
    Ok(transform.is_row_wise())
}

fn typed_row(batch: &arrow::array::RecordBatch, at: usize) -> Result<String> {
    let bug = |e: arrow::error::ArrowError| Stop::Failed(Failure::new(Code::Bug, e.to_string()));
    let mut buffer = Vec::new();
    let mut writer = arrow::json::LineDelimitedWriter::new(&mut buffer);
    writer.write(&batch.slice(at, 1)).map_err(bug)?;
    writer.finish().map_err(bug)?;
    drop(writer);
    Ok(String::from_utf8_lossy(&buffer).trim_end().to_string())
}

fn show(
    shell: &Shell,
    f: &FileRow,
    table: &TableName,
    row: u64,
    member: Option<String>,
    original: &str,
) -> Result<Exit> {
    if shell.global.json {
        shell.print_json(&json!({
            "table": table.to_string(), "file": f.file_id.to_string(), "path": f.path, "member": member, "row": row,
            "raw": f.raw, "original": serde_json::from_str::<Value>(original).unwrap_or_else(|_| original.into()),
        }))?;
        return Ok(Exit::Done);
    }
    let inside = member.map_or_else(String::new, |m| format!(", member {m}"));
    shell.say(format!("row {row} of {table} came from record {row} of {} {}{inside}", f.file_id, f.path))?;
    shell.say(format!("raw bytes: raw/{} at {}, {}", f.raw.pack, f.raw.offset, f.raw.method))?;
    writeln!(std::io::stdout(), "{original}")?;
    Ok(Exit::Done)
}
