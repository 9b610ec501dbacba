//! `/tables`: every table of the lake, page by page or whole, and what is known
//! of it beside its rows.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::lit;
use lakegate_domain::TableName;
use lakegate_lake::layout::{FILE_ID, ROW};
use lakegate_lake::session::{Error, run};

use super::facts::Facts;
use crate::answer::Answer;
use crate::app::{App, Asked};
use crate::document::Document;
use crate::pages::grid::{self, Next};
use crate::pages::{self, Alternatives, Html};
use crate::params::Params;
use crate::problem::{Problem, Result};
use crate::rows::column;
use crate::wanted::{Format, choose, split_ending};

pub const OFFERED: &[Format] = super::rows::OFFERED_FLAT;
pub const PARAMS: &[&str] = &["format", "show", "limit", "after", "offset"];
/// Farthest that a table is paged through whose rows have no numbers.
const MOST_OFFSET: usize = 1_000_000;

const LIST: &str = "select \"team\" || '.' || \"dataset\" || '.' || \"table\" as \"name\", n_rows, n_files, \
    size_bytes, version, committed, description, problem from system.tables order by 1";

/// `GET /tables`
pub async fn list(State(app): State<Arc<App>>, asked: Asked) -> Result<Response> {
    let (_, ending) = split_ending(&asked.path);
    let params = Params::parse(asked.query.as_deref(), &["format"])?;
    let format = choose(params.get("format"), ending, &asked.headers, OFFERED)?;
    let permit = app.place(format).await?;
    let (schema, rows) = app.session.query(LIST).await?;
    if format == Format::Html {
        return pages::tables::list(&app, rows, &Alternatives::of(&asked, OFFERED)).await;
    }
    let document = Document::new(format, &schema, None)?;
    let name = "tables".to_string();
    Answer { rows, document, format, name, etag: None, deadline: None, max_rows: None, permit }
        .respond()
        .await
}

/// A table that an address names.
enum Named {
    Table(TableName),
    /// Of the schema `system`.
    System(String),
}

impl Named {
    /// Whole names only: an address means the same whatever tables come later.
    fn find(app: &App, name: &str) -> Result<Option<Self>> {
        if let Some(system) = name.strip_prefix("system.") {
            let known = app.session.system_tables();
            return Ok(known.into_iter().find(|(n, _)| n == system).map(|(n, _)| Self::System(n)));
        }
        Ok(app.session.tables()?.into_iter().find(|t| t.to_string() == name).map(Self::Table))
    }
}

/// `GET /tables/{name}`
pub async fn one(State(app): State<Arc<App>>, Path(name): Path<String>, asked: Asked) -> Result<Response> {
    // A table may be called as a form.
    let (stem, ending) = split_ending(&name);
    let (table, name, ending) = match Named::find(&app, &name)? {
        Some(table) => (Some(table), name.as_str(), None),
        None => (Named::find(&app, stem)?, stem, ending),
    };
    let unknown = || {
        let detail = format!("there is no table `{name}`");
        Problem::missing(
            "unknown_table",
            detail,
            "`/tables` lists them; write whole names, team.dataset.table",
        )
    };
    let table = table.ok_or_else(unknown)?;
    let params = Params::parse(asked.query.as_deref(), PARAMS)?;
    let format = choose(params.get("format"), ending, &asked.headers, OFFERED)?;
    let facts = facts(&params, &table)?;
    let permit = app.place(format).await?;
    let asked_for: Option<usize> = params.parsed("limit", "a number of rows")?;
    // A page shows one row more than it has: then there is a next one.
    let limit = match format {
        Format::Html => Some(asked_for.unwrap_or(grid::PAGE_ROWS).min(grid::MOST_ROWS)),
        _ => asked_for,
    };
    let fetch = limit.map(|n| n.saturating_add(usize::from(format == Format::Html)));
    let known = match &table {
        Named::Table(table) => Some((table, app.session.view(table).await?.ok_or_else(unknown)?)),
        Named::System(_) => None,
    };
    if let (Some(facts), Some((table, view))) = (facts, &known) {
        let schema = view.schema()?;
        let mut statement = facts.statement(&app, table, &schema);
        let offset = offset(&params)?;
        statement += &fetch.map_or_else(String::new, |n| format!(" limit {n}"));
        statement += &format!(" offset {offset}");
        let (of_rows, rows) = app.session.query(&statement).await?;
        if format == Format::Html {
            let page = grid::Page { limit: limit.unwrap_or(grid::PAGE_ROWS), next: Next::Offset(offset) };
            let forms = Alternatives::of(&asked, OFFERED);
            return pages::facts::all(&app, table, &schema, facts, rows, &page, &forms).await;
        }
        let document = Document::new(format, &of_rows, None)?;
        let name = format!("{name}-{}", facts.name());
        return Answer { rows, document, format, name, etag: None, deadline: None, max_rows: None, permit }
            .respond()
            .await;
    }
    let is_first = params.get("after").is_none() && params.get("offset").is_none();
    let (rows, next) = match &table {
        Named::System(system) => {
            // The name is one of those that are known.
            let (_, rows) = app.session.query(&format!("select * from system.\"{system}\"")).await?;
            let offset = offset(&params)?;
            (skipped(rows, offset, fetch), Next::Offset(offset))
        }
        Named::Table(table) => page(&app, table, &params, fetch).await?.ok_or_else(unknown)?,
    };
    if format == Format::Html {
        let page = grid::Page { limit: limit.unwrap_or(grid::PAGE_ROWS), next };
        let facts = match &known {
            Some((table, view)) if is_first => {
                pages::facts::newest(&app, table, view.schema()?.as_ref()).await?
            }
            _ => Html::default(),
        };
        return pages::tables::one(&app, name, facts, rows, &page, &Alternatives::of(&asked, OFFERED)).await;
    }
    let document = Document::new(format, &rows.schema(), None)?;
    let name = name.to_string();
    Answer { rows, document, format, name, etag: None, deadline: None, max_rows: None, permit }
        .respond()
        .await
}

/// What is asked for beside the rows.
fn facts(params: &Params, table: &Named) -> Result<Option<Facts>> {
    let Some(name) = params.get("show").filter(|name| *name != "rows") else { return Ok(None) };
    let found = Facts::ALL.into_iter().find(|f| f.name() == name);
    match (table, found) {
        (Named::Table(_), Some(found)) => Ok(Some(found)),
        (Named::Table(_), None) => {
            let all = Facts::ALL.map(Facts::name).join(", ");
            Err(Problem::bad(
                "wrong_parameter",
                format!("`show={name}` is none"),
                format!("one of: rows, {all}"),
            ))
        }
        (Named::System(_), _) => {
            let detail = format!("of a table of the ledger there is no `show={name}`");
            Err(Problem::bad("wrong_parameter", detail, "it has rows only"))
        }
    }
}

fn offset(params: &Params) -> Result<usize> {
    let offset = params.parsed("offset", "a number of rows")?.unwrap_or(0);
    if offset > MOST_OFFSET {
        let detail = format!("tables are paged through as far as row {MOST_OFFSET}");
        return Err(Problem::bad("wrong_parameter", detail, "take the whole table, as .csv or .parquet"));
    }
    Ok(offset)
}

/// Rows of a table, and how to go on after them. Rows that carry their file and
/// number are in the order of those, and go on after one of them however deep
/// that is.
async fn page(
    app: &App,
    name: &TableName,
    params: &Params,
    fetch: Option<usize>,
) -> Result<Option<(SendableRecordBatchStream, Next)>> {
    let Some(view) = app.session.view(name).await? else { return Ok(None) };
    let schema = view.schema()?;
    let has = |name: &str| schema.field_with_name(name).is_ok();
    let mut frame = view.frame()?;
    let next = if has(FILE_ID) && has(ROW) {
        if let Some(after) = params.get("after") {
            let parsed = after
                .split_once('.')
                .and_then(|(f, r)| Some((f.parse::<i64>().ok()?, r.parse::<i64>().ok()?)));
            let (file, row) = parsed.ok_or_else(|| {
                let detail = format!("`after={after}` is not a file and a row");
                Problem::bad("wrong_parameter", detail, "follow the link to the next page")
            })?;
            let later = column(FILE_ID).gt(lit(file));
            let same = column(FILE_ID).eq(lit(file)).and(column(ROW).gt(lit(row)));
            frame = frame.filter(later.or(same)).map_err(Error::from)?;
        }
        if fetch.is_some() {
            let order = vec![column(FILE_ID).sort(true, false), column(ROW).sort(true, false)];
            frame = frame.sort(order).and_then(|f| f.limit(0, fetch)).map_err(Error::from)?;
        }
        Next::After
    } else {
        let offset = offset(params)?;
        frame = frame.limit(offset, fetch).map_err(Error::from)?;
        Next::Offset(offset)
    };
    let (_, rows) = run(frame).await?;
    Ok(Some((rows, next)))
}

/// Some rows of a stream that is all in memory.
fn skipped(
    inner: SendableRecordBatchStream,
    offset: usize,
    fetch: Option<usize>,
) -> SendableRecordBatchStream {
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
    use futures::StreamExt;
    let schema = inner.schema();
    let cut = inner.scan((offset, fetch.unwrap_or(usize::MAX)), |(skip, left), batch| {
        let next = match batch {
            _ if *left == 0 => None,
            Ok(batch) => {
                let start = batch.num_rows().min(*skip);
                *skip -= start;
                let n = (batch.num_rows() - start).min(*left);
                *left -= n;
                Some(Ok(batch.slice(start, n)))
            }
            Err(e) => Some(Err(e)),
        };
        futures::future::ready(next)
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, cut))
}
