//! Pages of reviews: all datasets; one of them, with its problems, census and
//! files.

use axum::response::Response;
use datafusion::execution::SendableRecordBatchStream;
use lakegate_domain::DatasetName;

use super::grid::{self, MOST_ROWS, PAGE_ROWS, Page, Shown};
use super::html::segment;
use super::{Alternatives, Html, alternatives, page};
use crate::api::review::Show;
use crate::app::App;
use crate::problem::Result;

const STRAYS: &str = "select path, landing, code as reason, message from system.review where dataset is null \
    order by landing, path";

/// `/review`
///
/// # Errors
/// The rows cannot be read.
pub async fn list(app: &App, rows: SendableRecordBatchStream, forms: &Alternatives) -> Result<Response> {
    let shown = grid::shown(rows, MOST_ROWS).await?;
    let strays = ask(app, STRAYS, MOST_ROWS).await?;
    let mut html = Html::default();
    alternatives(&mut html, forms);
    grid::table(&mut html, "Files and their problems, by dataset", &shown, |column, text| {
        let is_known = || app.lake.datasets.iter().any(|d| d.name.to_string() == text);
        (column == "dataset" && is_known()).then(|| format!("/review/{}", segment(text)))
    });
    html.element("h2", &[], "Files that no dataset takes");
    match strays.rows.is_empty() {
        true => html.element("p", &[], "There are none."),
        false => {
            grid::table(&mut html, &counted(&strays), &strays, |_, _| None);
            &mut html
        }
    };
    Ok(page(app, "Review", &[], html))
}

/// `/review/{dataset}`: what is wrong, by rule, then the census, then the files.
///
/// # Errors
/// The rows cannot be read.
pub async fn one(app: &App, dataset: &DatasetName) -> Result<Response> {
    let problems = format!(
        "select severity, code, rule, count(distinct file_id) as files, sum(n) as times, min(path) as \"first file\", \
         min(message) as example from system.problems where dataset = '{dataset}' group by severity, code, rule \
         order by severity, 4 desc, code, rule"
    );
    let kinds = format!(
        "select coalesce(kind, 'not looked at') as kind, state, count(*) as files, sum(n_documents) as documents, \
         sum(n_rows) as \"rows\" from system.review where dataset = '{dataset}' group by kind, state order by 1, 2"
    );
    let mut html = Html::default();
    tabs(&mut html, dataset, None);
    tables(app, &mut html, dataset)?;
    for (title, statement, none, show) in [
        ("Kinds", kinds, "No file has landed yet.", None),
        ("Problems", problems, "Nothing is wrong.", Some(Show::Problems)),
        ("Census", Show::Census.statement(dataset), "No file was read.", Some(Show::Census)),
        ("Files", Show::Files.statement(dataset), "No file has landed yet.", Some(Show::Files)),
    ] {
        html.element("h2", &[], title);
        let most = if show == Some(Show::Files) { PAGE_ROWS } else { MOST_ROWS };
        let shown = ask(app, &statement, most).await?;
        if shown.rows.is_empty() {
            html.element("p", &[], none);
            continue;
        }
        grid::table(&mut html, &counted(&shown), &shown, |_, _| None);
        if let Some(show) = show {
            let all = address(dataset, ".csv", show);
            html.open("p", &[("class", "forms")])
                .link(&address(dataset, "", show), "All of them")
                .text(" · ");
            html.link(&all, "as CSV").close("p");
        }
    }
    Ok(page(app, &format!("Review of {dataset}"), &[("/review", "Review")], html))
}

/// `/review/{dataset}?show=…`
///
/// # Errors
/// The rows cannot be read.
pub async fn rows(
    app: &App,
    dataset: &DatasetName,
    show: Show,
    rows: SendableRecordBatchStream,
    of: &Page,
    forms: &Alternatives,
) -> Result<Response> {
    let shown = grid::shown(rows, of.limit).await?;
    let mut html = Html::default();
    tabs(&mut html, dataset, Some(show));
    alternatives(&mut html, forms);
    grid::table(&mut html, &counted(&shown), &shown, |_, _| None);
    html.open("nav", &[("aria-label", "Pages"), ("class", "pages")]);
    html.link(&address(dataset, "", show), "First page");
    if let Some(next) = shown.next_page(of) {
        let next = format!("{}&{}", address(dataset, "", show), next.trim_start_matches('?'));
        html.open("a", &[("href", &next), ("rel", "next")]).text("Next page").close("a");
    }
    html.close("nav");
    let parent = format!("/review/{}", segment(&dataset.to_string()));
    let parents = [("/review", "Review"), (parent.as_str(), &*dataset.to_string())];
    Ok(page(app, &format!("Review of {dataset}: {}", show.name()), &parents, html))
}

async fn ask(app: &App, statement: &str, most: usize) -> Result<Shown> {
    let (_, rows) = app.session.query(statement).await?;
    Ok(grid::shown(rows, most).await?)
}

fn counted(shown: &Shown) -> String {
    match (shown.rows.len(), shown.is_cut) {
        (n, true) => format!("The first {n} rows, and there are more"),
        (1, false) => "1 row".to_string(),
        (n, false) => format!("{n} rows"),
    }
}

fn address(dataset: &DatasetName, ending: &str, show: Show) -> String {
    format!("/review/{}{ending}?show={}", segment(&dataset.to_string()), show.name())
}

/// Links to the tables of a dataset: what checks found there, plots, exports.
fn tables(app: &App, html: &mut Html, dataset: &DatasetName) -> Result<()> {
    let tables = app.session.tables()?;
    let mut of_dataset = tables.iter().filter(|t| t.dataset() == *dataset).peekable();
    if of_dataset.peek().is_none() {
        return Ok(());
    }
    html.open("p", &[]).text("Findings, plots, exports and rows of ");
    for (i, table) in of_dataset.enumerate() {
        html.text(if i == 0 { "" } else { ", " });
        html.link(&format!("/tables/{}", segment(&table.to_string())), &table.table);
    }
    html.close("p");
    Ok(())
}

/// Links to the parts of a dataset's review.
fn tabs(html: &mut Html, dataset: &DatasetName, here: Option<Show>) {
    html.open("nav", &[("aria-label", "Parts of the review"), ("class", "pages")]);
    for show in Show::ALL.into_iter().filter(|s| Some(*s) != here) {
        let mut name = show.name().to_string();
        name[..1].make_ascii_uppercase();
        html.link(&address(dataset, "", show), &name);
    }
    html.close("nav");
}
