//! What is known of a table beside its rows, on pages: what checks found, plots,
//! exports.

use std::sync::Arc;

use arrow::datatypes::Schema;
use axum::response::Response;
use datafusion::execution::SendableRecordBatchStream;
use lakegate_domain::TableName;

use super::grid::{self, MOST_ROWS, Page, Shown};
use super::html::segment;
use super::sql;
use super::{Alternatives, Html, alternatives, grouped, page};
use crate::api::facts::{Facts, RECENT, is_checked};
use crate::app::App;
use crate::problem::Result;

/// Exports of a table's first page.
const NEWEST_EXPORTS: usize = 10;
/// Plots that are shown; further ones are links.
const MOST_PLOTS: usize = 12;

/// The first page of a table, before its rows: what was found, the newest plots,
/// the newest exports. Empty where there is nothing of these.
///
/// # Errors
/// The ledger cannot be read.
pub async fn newest(app: &App, table: &TableName, schema: &Schema) -> Result<Html> {
    let ask = async |facts: Facts, most: usize| -> Result<Shown> {
        let statement = format!("{} limit {}", facts.statement(app, table, schema), most + 1);
        let (_, rows) = app.session.query(&statement).await?;
        Ok(grid::shown(rows, most).await?)
    };
    let mut html = Html::default();
    // What was found by checks that are no more is told where it is asked for.
    let mut quality = match is_checked(app, table) {
        true => ask(Facts::Quality, MOST_ROWS).await?,
        false => Shown { schema: Arc::new(Schema::empty()), rows: Vec::new(), is_cut: false },
    };
    let exports = ask(Facts::Exports, NEWEST_EXPORTS).await?;
    if quality.rows.is_empty() && exports.rows.is_empty() {
        return Ok(html);
    }
    let plotted = Table(&exports).rows().find(|export| !plots(export).is_empty());
    html.open("nav", &[("aria-label", "On this page"), ("class", "pages")]);
    for (id, text, is_there) in [
        ("#quality", "Quality", !quality.rows.is_empty()),
        ("#plots", "Plots", plotted.is_some()),
        ("#exports", "Exports", !exports.rows.is_empty()),
        ("#rows", "Rows", true),
    ] {
        if is_there {
            html.element("a", &[("href", id)], text);
        }
    }
    html.close("nav");
    if !quality.rows.is_empty() {
        html.element("h2", &[("id", "quality")], "Quality");
        let n_all = quality.rows.len();
        let failed: Vec<bool> = Table(&quality).rows().map(|row| row.number("n_failed") > 0).collect();
        let mut failed = failed.into_iter();
        quality.rows.retain(|_| failed.next() == Some(true));
        let n_silent = n_all - quality.rows.len();
        if !quality.rows.is_empty() {
            findings(&mut html, "What checks found, over all files", &quality, Facts::Quality);
        }
        let silent = match (quality.rows.is_empty(), n_silent) {
            (true, 1) => "The only check found nothing.".to_string(),
            (true, n) => format!("None of {n} checks found anything."),
            (false, 0) => String::new(),
            (false, 1) => "1 other check found nothing.".to_string(),
            (false, n) => format!("{n} other checks found nothing."),
        };
        html.open("p", &[]).text(&silent).text(" ");
        html.link(&address(table, "", Facts::Quality), "All checks").text(" · ");
        html.link(&address(table, "", Facts::Findings), "What they found in each file").text(" · ");
        html.link(&address(table, ".csv", Facts::Findings), "the same as CSV").close("p");
    }
    if let Some(export) = plotted {
        html.element("h2", &[("id", "plots")], "Plots");
        newest_plots(&mut html, table, schema, &export);
    }
    if !exports.rows.is_empty() {
        html.element("h2", &[("id", "exports")], "Exports");
        let caption = match exports.is_cut {
            true => format!("The newest {} exports", exports.rows.len()),
            false => counted(exports.rows.len(), "export"),
        };
        exported(&mut html, &caption, &exports, schema);
        html.open("p", &[]).link(&address(table, "", Facts::Exports), "All exports").text(" · ");
        html.link(&address(table, ".csv", Facts::Exports), "as CSV").close("p");
    }
    Ok(html)
}

/// `/tables/{name}?show=…`
///
/// # Errors
/// The rows cannot be read.
pub async fn all(
    app: &App,
    table: &TableName,
    schema: &Schema,
    facts: Facts,
    rows: SendableRecordBatchStream,
    of: &Page,
    forms: &Alternatives,
) -> Result<Response> {
    let shown = grid::shown(rows, of.limit).await?;
    let mut html = Html::default();
    let name = table.to_string();
    let parent = format!("/tables/{}", segment(&name));
    html.open("nav", &[("aria-label", "Parts of the table"), ("class", "pages")]).link(&parent, "Rows");
    for other in Facts::ALL.into_iter().filter(|f| *f != facts) {
        html.link(&address(table, "", other), title(other));
    }
    html.close("nav");
    alternatives(&mut html, forms);
    let n = shown.rows.len();
    let (one, none) = match facts {
        Facts::Quality => ("check", "Nothing is checked, or no file was committed."),
        Facts::Findings => ("finding", "Nothing was found."),
        Facts::Exports => ("export", "Nothing was exported."),
    };
    let caption =
        if shown.is_cut { format!("{}, and there are more", counted(n, one)) } else { counted(n, one) };
    match (n, facts) {
        (0, _) => drop(html.element("p", &[], none)),
        (_, Facts::Exports) => exported(&mut html, &caption, &shown, schema),
        (_, Facts::Quality | Facts::Findings) => findings(&mut html, &caption, &shown, facts),
    }
    html.open("nav", &[("aria-label", "Pages"), ("class", "pages")]);
    html.link(&address(table, "", facts), "First page");
    if let Some(next) = shown.next_page(of) {
        let next = format!("{}&{}", address(table, "", facts), next.trim_start_matches('?'));
        html.open("a", &[("href", &next), ("rel", "next")]).text("Next page").close("a");
    }
    html.close("nav");
    let parents = [("/tables", "Tables"), (parent.as_str(), name.as_str())];
    Ok(page(app, &format!("{name}: {}", facts.name()), &parents, html))
}

fn title(facts: Facts) -> &'static str {
    match facts {
        Facts::Quality => "Quality",
        Facts::Findings => "Findings",
        Facts::Exports => "Exports",
    }
}

fn address(table: &TableName, ending: &str, facts: Facts) -> String {
    format!("/tables/{}{ending}?show={}", segment(&table.to_string()), facts.name())
}

fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Rows of a result, by the names of its columns.
struct Table<'a>(&'a Shown);

struct Row<'a>(&'a Shown, &'a [Option<String>]);

impl<'a> Table<'a> {
    fn rows(&self) -> impl Iterator<Item = Row<'a>> + use<'a> {
        let shown = self.0;
        shown.rows.iter().map(move |row| Row(shown, row))
    }
}

impl<'a> Row<'a> {
    /// A value; empty where it is missing.
    fn text(&self, column: &str) -> &'a str {
        let at = self.0.schema.index_of(column).ok();
        at.and_then(|at| self.1[at].as_deref()).unwrap_or_default()
    }

    fn number(&self, column: &str) -> u64 {
        self.text(column).parse().unwrap_or_default()
    }
}

/// A table of what checks found, in all files or in each.
fn findings(html: &mut Html, caption: &str, shown: &Shown, facts: Facts) {
    wide(html, caption);
    let recent = format!("Last {RECENT} files");
    let of_all = facts == Facts::Quality;
    match of_all {
        true => {
            html.head(&["Column", "Check", "Assessment", "Then", "Failed", "Share", &recent, "First", "Rows"])
        }
        false => {
            html.head(&["File", "Column", "Check", "Assessment", "Then", "Failed", "Share", "First", "Rows"])
        }
    };
    for row in Table(shown).rows() {
        let (name, column) = (row.text("name"), row.text("column"));
        let check = name.strip_suffix(&format!("[{column}]")).unwrap_or(name);
        html.open("tr", &[]);
        match of_all {
            true => html.element("th", &[("scope", "row")], column),
            false => html.element("th", &[("scope", "row")], row.text("path")).element("td", &[], column),
        };
        html.element("td", &[], check);
        let assessment = row.text("assessment");
        html.open("td", &[]);
        if !assessment.is_empty() {
            html.element("span", &[("class", &format!("state {assessment}"))], assessment);
        }
        html.close("td").element("td", &[], row.text("on_fail"));
        html.element("td", &[("class", "number")], &of(&row, "n_failed", "n_checked"));
        html.element("td", &[("class", "number")], &share(row.text("share")));
        if of_all {
            html.element("td", &[("class", "number")], &of(&row, "n_failed_recent", "n_checked_recent"));
        }
        html.open("td", &[]);
        let time = row.text("first_time");
        if !time.is_empty() {
            html.element("span", &[("class", "time")], time).text(" ");
        }
        html.text(row.text("first_value")).close("td");
        html.open("td", &[("class", "time")]);
        let statement = row.text("rows");
        if !statement.is_empty() && row.number("n_failed") > 0 {
            for (ending, text, label) in [("", "SQL", "Rows that fail"), (".csv", "CSV", "The same as CSV:")]
            {
                let (href, label) = (sql::address(statement, ending), format!("{label} {name}"));
                html.open("a", &[("href", &href), ("aria-label", &label)]).text(text).close("a").text(" ");
            }
        }
        html.close("td").close("tr");
    }
    html.close("tbody").close("table").close("div");
}

/// `3 of 1 000`.
fn of(row: &Row<'_>, part: &str, whole: &str) -> String {
    format!("{} of {}", grouped(row.number(part)), grouped(row.number(whole)))
}

/// A share as percent.
fn share(text: &str) -> String {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share < 0.0001 => "< 0.01 %".to_string(),
        Ok(share) => format!("{:.2} %", share * 100.0),
        Err(_) => String::new(),
    }
}

/// A table of exports.
fn exported(html: &mut Html, caption: &str, shown: &Shown, schema: &Schema) {
    wide(html, caption);
    html.head(&["File", "Of", "Rows", "Bytes", "Made", "Plots", "What failed"]);
    for row in Table(shown).rows() {
        let path = row.text("path");
        html.open("tr", &[]).open("th", &[("scope", "row")]);
        match path {
            "" => html.text("none yet"),
            path => html.link(&file(path), path),
        };
        html.close("th").element("td", &[], row.text("part"));
        html.element("td", &[("class", "number")], &grouped(row.number("n_rows")));
        html.element("td", &[("class", "number")], &grouped(row.number("size_bytes")));
        html.element("td", &[("class", "time")], row.text("made_at")).open("td", &[]);
        for (i, plot) in plots(&row).iter().enumerate() {
            html.text(if i == 0 { "" } else { ", " }).link(&file(plot), of_column(plot, schema));
        }
        html.close("td").element("td", &[], row.text("error")).close("tr");
    }
    html.close("tbody").close("table").close("div");
}

fn wide(html: &mut Html, caption: &str) {
    html.open("div", &[("class", "wide"), ("tabindex", "0"), ("role", "region"), ("aria-label", caption)]);
    html.open("table", &[]).element("caption", &[], caption);
}

/// The plots of one export, drawn on the page.
fn newest_plots(html: &mut Html, table: &TableName, schema: &Schema, export: &Row<'_>) {
    let all = plots(export);
    html.open("p", &[("class", "note")]).text("Of the newest export, ");
    html.link(&file(export.text("path")), export.text("path")).text(".").close("p");
    for plot in all.iter().take(MOST_PLOTS) {
        let column = of_column(plot, schema);
        let alt = format!(
            "Plot of {column} of {table} over time, {} rows; flagged values are marked",
            grouped(export.number("n_rows"))
        );
        html.open("figure", &[]).open("a", &[("href", &file(plot))]);
        html.open("img", &[("class", "plot"), ("src", &file(plot)), ("alt", &alt), ("loading", "lazy")]);
        html.close("a").element("figcaption", &[], column).close("figure");
    }
    if all.len() > MOST_PLOTS {
        html.open("p", &[]).text("Further plots: ");
        for (i, plot) in all.iter().enumerate().skip(MOST_PLOTS) {
            html.text(if i == MOST_PLOTS { "" } else { ", " }).link(&file(plot), of_column(plot, schema));
        }
        html.close("p");
    }
}

/// Paths of the plots beside an export.
fn plots(export: &Row<'_>) -> Vec<String> {
    serde_json::from_str(export.text("plots")).unwrap_or_default()
}

/// The address of a file below the folder of exports.
fn file(path: &str) -> String {
    path.split('/').fold("/exports".to_string(), |address, part| address + "/" + &segment(part))
}

/// What a plot is of: the column that its name says last, of these the longest;
/// the name where it says none.
fn of_column<'a>(path: &'a str, schema: &'a Schema) -> &'a str {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let columns = schema.fields().iter().map(|f| f.name().as_str());
    let found = columns.filter_map(|c| Some((stem.rfind(c)? + c.len(), c.len(), c))).max();
    found.map_or(name, |(_, _, column)| column)
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field};

    use super::*;

    #[test]
    fn plots_are_called_by_their_columns() {
        let schema = Schema::new(
            ["time", "temp", "sea_temp", "pressure"].map(|n| Field::new(n, DataType::Float64, true)).to_vec(),
        );
        for (path, want) in [
            ("a/b.temp.svg", "temp"),
            ("a/b.sea_temp.20260401.svg", "sea_temp"),
            ("pressure_buoy.temp.png", "temp"),
            ("a/b.svg", "b.svg"),
        ] {
            assert_eq!(of_column(path, &schema), want, "{path}");
        }
    }

    #[test]
    fn shares_and_addresses() {
        assert_eq!(["0.5", "0.0000001", "0", ""].map(share), ["50.00 %", "< 0.01 %", "0.00 %", ""]);
        assert_eq!(file("a b/../c#.nc"), "/exports/a%20b/%2E%2E/c%23.nc");
    }
}
