//! The addresses of the Bus Observatory's API, in its shapes, so that programs
//! that were written for it go on as they are.
//!
//! Three of its faults are not kept: the last hour of a month is served, what is
//! not published is not, and the hour is that of the feed's own zone throughout.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use jiff::ToSpan;
use jiff::civil::DateTime;
use lakegate_domain::local::spans;
use serde_json::{Value, json};

use super::feeds::Details;
use crate::answer::Answer;
use crate::app::{App, Asked};
use crate::document::{Document, Enveloped};
use crate::pages;
use crate::params::{self, Params};
use crate::problem::Result;
use crate::rows::Rows;
use crate::sheet;
use crate::wanted::{Format, choose};

/// `GET /buses/bulk/{system_id}/{route}/{year}/{month}/{day}/{hour}`
pub async fn bulk(
    State(app): State<Arc<App>>,
    Path((system_id, route, year, month, day, hour)): Path<(String, String, String, String, String, String)>,
    asked: Asked,
) -> Result<Response> {
    let feed = app.feed(&system_id)?;
    Params::parse(asked.query.as_deref(), &[])?;
    let start = params::day(&year, &month, &day)?.at(params::hour(&hour)?, 0, 0, 0);
    let end = start.saturating_add(1.hour());
    let spans = spans(&feed.zone, start, end);
    let query = json!({ "system_id": system_id, "route": route,
        "start (gte)": naive(start), "end (lt)": naive(end) });
    let opened = feed.need(&app.session).await?;
    let mut rows = Rows::new(feed.clone(), opened, spans);
    let name = format!("{system_id}-{route}");
    rows.route = Some(route);
    let permit = app.place(Format::Json).await?;
    let answer = Answer {
        rows: rows.stream().await?,
        document: Document::Enveloped(Enveloped::new(query)),
        format: Format::Json,
        name,
        etag: None,
        deadline: None,
        max_rows: None,
        permit,
    };
    answer.respond().await
}

/// `GET /{system_id}/schema`
pub async fn schema(
    State(app): State<Arc<App>>,
    Path(system_id): Path<String>,
    asked: Asked,
) -> Result<Response> {
    Params::parse(asked.query.as_deref(), &[])?;
    let details = Details::of(&app, app.feed(&system_id)?).await?;
    if choose(None, None, &asked.headers, &[Format::Json, Format::Html])? == Format::Html {
        return Ok(pages::feeds::one(&app, &details));
    }
    let text = |c: &serde_json::Map<String, Value>, key: &str| c.get(key).cloned().unwrap_or_default();
    let columns: Vec<Value> = details
        .columns
        .iter()
        .map(|c| json!({ "Name": text(c, "column"), "Type": text(c, "type") }))
        .collect();
    let days = details.overview.days.iter().filter(|d| d.rows > 0);
    let history: Vec<Value> = days
        .map(|d| json!({ "y": d.day.year(), "m": d.day.month(), "d": d.day.day(), "ct": d.rows }))
        .collect();
    Ok(sheet::json(&json!({ "system_id": system_id, "schema": columns, "history": history })))
}

/// A local time as Python's `isoformat` writes it.
fn naive(t: DateTime) -> String {
    t.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}
