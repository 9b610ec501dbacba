//! Rows of any result as a table on a page.

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use axum::response::Response;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use lakegate_lake::layout::{FILE_ID, ROW};
use lakegate_lake::output;
use lakegate_lake::session::Error;

use super::{Alternatives, Html, alternatives, page};
use crate::app::App;
use crate::problem::Result;

/// Rows of a page of a table.
pub const PAGE_ROWS: usize = 100;
/// Most rows of a page.
pub const MOST_ROWS: usize = 1000;
/// Characters of a value that are shown.
const MOST_CHARS: usize = 300;

/// How a table goes on after a page.
pub enum Next {
    /// After a row, by its file and number.
    After,
    /// After so many rows and those of the page.
    Offset(usize),
}

/// A page of a table.
pub struct Page {
    pub limit: usize,
    pub next: Next,
}

/// Rows that are shown.
pub struct Shown {
    pub schema: SchemaRef,
    /// Texts by row; `None` for a missing value.
    pub rows: Vec<Vec<Option<String>>>,
    /// Whether there are more than those.
    pub is_cut: bool,
}

/// The first rows of a result, one more being read to know whether there are more.
///
/// # Errors
/// The result cannot be read.
pub async fn shown(mut stream: SendableRecordBatchStream, most: usize) -> Result<Shown, Error> {
    let schema = stream.schema();
    let mut rows = Vec::new();
    while rows.len() <= most {
        let Some(batch) = stream.next().await else { break };
        let batch: RecordBatch = batch?;
        let wanted = batch.num_rows().min(most + 1 - rows.len());
        rows.extend(texts(&batch.slice(0, wanted))?);
    }
    let is_cut = rows.len() > most;
    rows.truncate(most);
    Ok(Shown { schema, rows, is_cut })
}

fn texts(batch: &RecordBatch) -> Result<Vec<Vec<Option<String>>>, Error> {
    let mut rows: Vec<Vec<Option<String>>> = (0..batch.num_rows()).map(|_| Vec::new()).collect();
    for column in batch.columns() {
        let texts = output::texts(column).map_err(datafusion::error::DataFusionError::from)?;
        rows.iter_mut().zip(texts).for_each(|(row, text)| row.push(text));
    }
    Ok(rows)
}

/// A table of rows. `link` turns a value of a column into an address.
pub fn table(html: &mut Html, caption: &str, shown: &Shown, link: impl Fn(&str, &str) -> Option<String>) {
    html.open("div", &[("class", "wide"), ("tabindex", "0"), ("role", "region"), ("aria-label", caption)]);
    html.open("table", &[]).element("caption", &[], caption);
    let names: Vec<&str> = shown.schema.fields().iter().map(|f| f.name().as_str()).collect();
    html.head(&names);
    for row in &shown.rows {
        html.open("tr", &[]);
        for (field, text) in shown.schema.fields().iter().zip(row) {
            let class = match (text, field.data_type()) {
                (None, _) => "null",
                (_, t) if t.is_numeric() => "number",
                (_, DataType::Timestamp(..) | DataType::Date32) => "time",
                _ => "",
            };
            let attributes: &[(&str, &str)] = if class.is_empty() { &[] } else { &[("class", class)] };
            html.open("td", attributes);
            let text = text.as_deref().unwrap_or_default();
            match link(field.name(), text) {
                Some(href) => html.link(&href, text),
                None => match text.char_indices().nth(MOST_CHARS) {
                    Some((cut, _)) => html.text(&text[..cut]).text("…"),
                    None => html.text(text),
                },
            };
            html.close("td");
        }
        html.close("tr");
    }
    html.close("tbody").close("table").close("div");
}

/// A page of rows of a feed.
///
/// # Errors
/// The rows cannot be read.
pub async fn rows(
    app: &App,
    title: &str,
    parents: &[(&str, &str)],
    stream: SendableRecordBatchStream,
    most: usize,
    forms: &Alternatives,
) -> Result<Response> {
    let shown = shown(stream, most).await?;
    let mut html = Html::default();
    alternatives(&mut html, forms);
    let caption = match (shown.rows.len(), shown.is_cut) {
        (n, true) => format!("The first {n} rows; the other forms have all"),
        (1, false) => "1 row".to_string(),
        (n, false) => format!("{n} rows"),
    };
    table(&mut html, &caption, &shown, |_, _| None);
    Ok(page(app, title, parents, html))
}

impl Shown {
    /// The address of the next page, where there is one.
    pub fn next_page(&self, of: &Page) -> Option<String> {
        if !self.is_cut {
            return None;
        }
        let limit = of.limit;
        let start = match of.next {
            Next::Offset(offset) => format!("offset={}", offset + self.rows.len()),
            Next::After => {
                let last = self.rows.last()?;
                let value = |name: &str| last.get(self.schema.index_of(name).ok()?)?.clone();
                format!("after={}.{}", value(FILE_ID)?, value(ROW)?)
            }
        };
        Some(if limit == PAGE_ROWS { format!("?{start}") } else { format!("?limit={limit}&{start}") })
    }
}
