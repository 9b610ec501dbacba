//! `/review`: what files hold, what is wrong with them, and the census of their
//! parameters.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use lakegate_domain::DatasetName;

use crate::answer::Answer;
use crate::app::{App, Asked};
use crate::document::Document;
use crate::pages::grid::{MOST_ROWS, Next, PAGE_ROWS, Page};
use crate::pages::{self, Alternatives};
use crate::params::Params;
use crate::problem::{Problem, Result};
use crate::wanted::{Format, choose, split_ending};

pub const OFFERED: &[Format] = super::rows::OFFERED_FLAT;
pub const PARAMS: &[&str] = &["format", "show", "limit", "offset"];
/// Farthest that a list is paged through.
const MOST_OFFSET: usize = 1_000_000;

const LIST: &str = "select dataset, count(*) as files, \
    count(*) filter (where state = 'committed') as committed, count(*) filter (where state = 'parked') as parked, \
    sum(n_rows) as \"rows\", sum(n_errors) as errors, sum(n_warnings) as warnings, sum(n_notes) as notes \
    from system.review where dataset is not null group by dataset order by dataset";

/// What of a dataset is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    Files,
    Problems,
    Columns,
    Census,
}

impl Show {
    pub const ALL: [Show; 4] = [Show::Files, Show::Problems, Show::Columns, Show::Census];

    pub fn name(self) -> &'static str {
        match self {
            Show::Files => "files",
            Show::Problems => "problems",
            Show::Columns => "columns",
            Show::Census => "census",
        }
    }

    /// The statement for a dataset of the configuration.
    pub fn statement(self, dataset: &DatasetName) -> String {
        let (table, order) = match self {
            Show::Files => ("review", "path, file_id"),
            Show::Problems => ("problems", "path, file_id, line"),
            Show::Columns => ("file_columns", "path, file_id"),
            Show::Census => ("census", "kind, parameter, unit"),
        };
        // Names of datasets are letters, digits and `_`.
        format!("select * from system.{table} where dataset = '{dataset}' order by {order}")
    }
}

/// `GET /review`
pub async fn list(State(app): State<Arc<App>>, asked: Asked) -> Result<Response> {
    let (_, ending) = split_ending(&asked.path);
    let params = Params::parse(asked.query.as_deref(), &["format"])?;
    let format = choose(params.get("format"), ending, &asked.headers, OFFERED)?;
    let permit = app.place(format).await?;
    let (schema, rows) = app.session.query(LIST).await?;
    if format == Format::Html {
        return pages::review::list(&app, rows, &Alternatives::of(&asked, OFFERED)).await;
    }
    let document = Document::new(format, &schema, None)?;
    let name = "review".to_string();
    Answer { rows, document, format, name, etag: None, deadline: None, max_rows: None, permit }
        .respond()
        .await
}

/// `GET /review/{dataset}`
pub async fn one(State(app): State<Arc<App>>, Path(name): Path<String>, asked: Asked) -> Result<Response> {
    // A dataset may be called as a form.
    let find = |name: &str| app.lake.datasets.iter().map(|d| &d.name).find(|n| n.to_string() == name);
    let (stem, ending) = split_ending(&name);
    let (dataset, ending) = match find(&name) {
        Some(dataset) => (Some(dataset), None),
        None => (find(stem), ending),
    };
    let dataset = dataset.ok_or_else(|| {
        let all: Vec<String> = app.lake.datasets.iter().map(|d| d.name.to_string()).collect();
        let help = format!("the datasets are {}", all.join(", "));
        Problem::missing("unknown_dataset", format!("there is no dataset `{stem}`"), help)
    })?;
    let params = Params::parse(asked.query.as_deref(), PARAMS)?;
    let format = choose(params.get("format"), ending, &asked.headers, OFFERED)?;
    let show = params.get("show").map(|name| {
        Show::ALL.into_iter().find(|s| s.name() == name).ok_or_else(|| {
            let all = Show::ALL.map(Show::name).join(", ");
            Problem::bad("wrong_parameter", format!("`show={name}` is none"), format!("one of: {all}"))
        })
    });
    let show = show.transpose()?;
    let permit = app.place(format).await?;
    if format == Format::Html && show.is_none() {
        return pages::review::one(&app, dataset).await;
    }
    let show = show.unwrap_or(Show::Files);
    let limit: Option<usize> = params.parsed("limit", "a number of rows")?;
    let offset: usize = params.parsed("offset", "a number of rows")?.unwrap_or(0).min(MOST_OFFSET);
    let mut statement = show.statement(dataset);
    if format == Format::Html {
        let page = Page { limit: limit.unwrap_or(PAGE_ROWS).min(MOST_ROWS), next: Next::Offset(offset) };
        // One more, to know whether there is a next page.
        statement += &format!(" limit {} offset {offset}", page.limit + 1);
        let (_, rows) = app.session.query(&statement).await?;
        let forms = Alternatives::of(&asked, OFFERED);
        return pages::review::rows(&app, dataset, show, rows, &page, &forms).await;
    }
    if let Some(limit) = limit {
        statement += &format!(" limit {limit}");
    }
    statement += &format!(" offset {offset}");
    let (schema, rows) = app.session.query(&statement).await?;
    let document = Document::new(format, &schema, None)?;
    let name = format!("{dataset}-{}", show.name());
    Answer { rows, document, format, name, etag: None, deadline: None, max_rows: None, permit }
        .respond()
        .await
}
