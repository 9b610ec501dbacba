//! `/sql`: one statement that only reads, within limits of time, memory and rows.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use crate::answer::Answer;
use crate::app::{App, Asked};
use crate::document::Document;
use crate::pages::{self, Alternatives};
use crate::params::Params;
use crate::problem::{Problem, Result};
use crate::wanted::{Format, choose, split_ending};

/// Longest that a statement runs.
pub const TIMEOUT: Duration = Duration::from_secs(60);
/// Most rows of an answer.
pub const MOST_ROWS: u64 = 1_000_000;
/// Longest statement.
pub const MOST_BYTES: usize = 64 << 10;
pub const OFFERED: &[Format] = super::rows::OFFERED_FLAT;
pub const PARAMS: &[&str] = &["q", "format"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    sql: String,
}

/// `GET /sql?q=…`
pub async fn get(State(app): State<Arc<App>>, asked: Asked) -> Result<Response> {
    let params = Params::parse(asked.query.as_deref(), PARAMS)?;
    answer(&app, &asked, &params, params.get("q").unwrap_or_default()).await
}

/// `POST /sql`: the statement is the body, or `{"sql": "…"}`.
pub async fn post(State(app): State<Arc<App>>, asked: Asked, body: Bytes) -> Result<Response> {
    let params = Params::parse(asked.query.as_deref(), &["format"])?;
    let media_type = asked.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let wrong =
        |what: String| Problem::bad("wrong_body", what, "send the statement itself, or {\"sql\": \"…\"}");
    let statement = if media_type.starts_with("application/json") {
        let body: Body = serde_json::from_slice(&body)
            .map_err(|e| wrong(format!("the body is not as it should be: {e}")))?;
        body.sql
    } else {
        String::from_utf8(body.to_vec()).map_err(|_| wrong("the body is not UTF-8".into()))?
    };
    answer(&app, &asked, &params, &statement).await
}

async fn answer(app: &App, asked: &Asked, params: &Params, statement: &str) -> Result<Response> {
    let (_, ending) = split_ending(&asked.path);
    let format = choose(params.get("format"), ending, &asked.headers, OFFERED)?;
    let is_empty = statement.trim().is_empty();
    if is_empty && format == Format::Html {
        return Ok(pages::sql::form(app, ""));
    }
    if statement.len() > MOST_BYTES {
        let detail = format!("the statement has {} bytes", statement.len());
        return Err(Problem::bad("wrong_statement", detail, format!("at most {MOST_BYTES} are taken")));
    }
    let deadline = Instant::now() + TIMEOUT;
    let permit = app.statement().await?;
    let asked_for = timeout_at(deadline, app.sql.query(statement));
    let found =
        asked_for.await.map_err(|_| Problem::busy("too_slow", "the statement takes too long to plan", 60));
    if format == Format::Html {
        // A page keeps what was written, whatever came of it.
        let found = found.and_then(|f| Ok(f?));
        let alternatives = Alternatives::of(asked, OFFERED);
        return Ok(pages::sql::result(app, statement, found, deadline, &alternatives).await);
    }
    let (schema, rows) = found??;
    let document = Document::new(format, &schema, None)?;
    let answer = Answer {
        rows,
        document,
        format,
        name: "result".into(),
        etag: None,
        deadline: Some(deadline),
        max_rows: Some(MOST_ROWS),
        permit,
    };
    answer.respond().await
}
