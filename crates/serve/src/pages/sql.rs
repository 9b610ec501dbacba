//! The page of `/sql`: a statement, and what came of it.

use arrow::datatypes::SchemaRef;
use axum::http::StatusCode;
use axum::response::Response;
use datafusion::execution::SendableRecordBatchStream;
use tokio::time::{Instant, timeout_at};

use super::grid::{self, MOST_ROWS};
use super::{Alternatives, Html, alternatives, page};
use crate::app::App;
use crate::problem::{Problem, Result};

/// The address of a statement's page.
pub fn address(statement: &str, ending: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("q", statement).finish();
    format!("/sql{ending}?{query}")
}

fn ask(html: &mut Html, statement: &str) {
    html.open("form", &[("action", "/sql"), ("method", "get")]);
    html.raw("<label for=\"q\">A statement that reads. <code>show tables</code> lists the tables.</label>");
    html.open("textarea", &[("id", "q"), ("name", "q"), ("rows", "6"), ("spellcheck", "false")]);
    // A line break right after the tag would be lost.
    html.raw("\n").text(statement).close("textarea");
    html.raw("<button type=\"submit\">Run</button>").close("form");
}

/// The page without a result.
pub fn form(app: &App, statement: &str) -> Response {
    let mut html = Html::default();
    ask(&mut html, statement);
    page(app, "SQL", &[], html)
}

/// The page with what came of a statement.
pub async fn result(
    app: &App,
    statement: &str,
    found: Result<(SchemaRef, SendableRecordBatchStream)>,
    deadline: Instant,
    forms: &Alternatives,
) -> Response {
    let shown = match found {
        Ok((_, rows)) => match timeout_at(deadline, grid::shown(rows, MOST_ROWS)).await {
            Ok(shown) => shown.map_err(Problem::from),
            Err(_) => Err(Problem::busy("too_slow", "the statement takes longer than it may", 60)),
        },
        Err(problem) => Err(problem),
    };
    let mut html = Html::default();
    ask(&mut html, statement);
    let mut status = StatusCode::OK;
    match shown {
        Ok(shown) => {
            alternatives(&mut html, forms);
            let caption = match (shown.rows.len(), shown.is_cut) {
                (n, true) => format!("The first {n} rows; the other forms have all"),
                (1, false) => "1 row".to_string(),
                (n, false) => format!("{n} rows"),
            };
            grid::table(&mut html, &caption, &shown, |_, _| None);
        }
        Err(problem) => {
            status = problem.status;
            html.open("div", &[("role", "alert"), ("class", "alert")]);
            html.element("p", &[], &problem.detail).element("p", &[("class", "help")], &problem.help);
            html.close("div");
        }
    }
    let mut response = page(app, "SQL", &[], html);
    *response.status_mut() = status;
    response
}
