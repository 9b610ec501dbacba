//! Pages of tables: the list of all, and one table's rows.

use axum::response::Response;
use datafusion::execution::SendableRecordBatchStream;

use super::grid::{self, Page};
use super::html::segment;
use super::{Alternatives, Html, alternatives, page};
use crate::app::App;
use crate::problem::Result;

/// Most tables of the list.
const MOST_TABLES: usize = 10_000;

/// `/tables`
///
/// # Errors
/// The list cannot be read.
pub async fn list(app: &App, rows: SendableRecordBatchStream, forms: &Alternatives) -> Result<Response> {
    let shown = grid::shown(rows, MOST_TABLES).await?;
    let mut html = Html::default();
    alternatives(&mut html, forms);
    let caption = format!("{} tables", shown.rows.len());
    grid::table(&mut html, &caption, &shown, |column, text| {
        (column == "name").then(|| format!("/tables/{}", segment(text)))
    });
    html.element("h2", &[], "The lake's own tables").open("dl", &[]);
    for (name, doc) in app.session.system_tables() {
        html.open("dt", &[]).link(&format!("/tables/system.{}", segment(&name)), &format!("system.{name}"));
        html.close("dt").element("dd", &[], &doc);
    }
    html.close("dl");
    Ok(page(app, "Tables", &[], html))
}

/// `/tables/{name}`: what else is known of the table, then its rows.
///
/// # Errors
/// The rows cannot be read.
pub async fn one(
    app: &App,
    name: &str,
    facts: Html,
    rows: SendableRecordBatchStream,
    of: &Page,
    forms: &Alternatives,
) -> Result<Response> {
    let shown = grid::shown(rows, of.limit).await?;
    let mut html = Html::default();
    let is_alone = facts.is_empty();
    html.append(facts);
    if !is_alone {
        html.element("h2", &[("id", "rows")], "Rows");
    }
    alternatives(&mut html, forms);
    let n = shown.rows.len();
    let caption = match (shown.is_cut, n) {
        (true, _) => format!("{n} rows, and there are more"),
        (false, 1) => "1 row".to_string(),
        (false, _) => format!("{n} rows, to the last"),
    };
    grid::table(&mut html, &caption, &shown, |_, _| None);
    html.open("nav", &[("aria-label", "Pages"), ("class", "pages")]);
    html.link(&format!("/tables/{}", segment(name)), "First page");
    if let Some(next) = shown.next_page(of) {
        html.open("a", &[("href", &next), ("rel", "next")]).text("Next page").close("a");
    }
    html.close("nav");
    Ok(page(app, name, &[("/tables", "Tables")], html))
}
