//! Pages of feeds: the list, one feed, its routes.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use axum::response::Response;
use datafusion::execution::SendableRecordBatchStream;
use jiff::Timestamp;
use jiff::civil::Date;
use lakegate_domain::model::ExpectRows;
use lakegate_lake::output;
use serde_json::Value;

use super::chart::{self, Place};
use super::html::segment;
use super::{Alternatives, Html, ago, alternatives, grid, grouped, page, state};
use crate::api::feeds::{Details, Overview};
use crate::app::App;
use crate::feed::Feed;
use crate::live::Newest;
use crate::problem::Result;

/// Days of a sparkline.
const SPARK_DAYS: usize = 14;
/// Days of the drawing and the table of a feed's page.
const SHOWN_DAYS: usize = 60;
/// Positions that are drawn.
const MOST_PLACES: usize = 5000;
/// Routes that are listed.
const MOST_ROUTES: usize = 5000;

/// `/feeds`
pub fn list(app: &App, all: &[Overview]) -> Response {
    let now = Timestamp::now();
    let mut html = Html::default();
    forms(&mut html, "/feeds");
    if app.admin.is_some() {
        html.open("p", &[]).link("/feeds/new", "Add a feed").close("p");
    }
    if all.is_empty() {
        html.element(
            "p",
            &[],
            "Nothing is published yet. A dataset with `publish: { route: …, time: … }` is a feed.",
        );
        return page(app, "Feeds", &[], html);
    }
    html.open("table", &[]).element("caption", &[], "Published feeds");
    html.head(&["Feed", "State", "Newest row", "Rows in 24 hours", "Rows", "Last two weeks"]);
    for overview in all {
        let (feed, standing) = (&overview.feed, &overview.standing);
        html.open("tr", &[]).open("th", &[("scope", "row")]);
        html.link(&format!("/feeds/{}", feed.name()), feed.name());
        if let Some(description) = &feed.description {
            html.element("p", &[("class", "note")], description);
        }
        html.close("th");
        state(&mut html, standing);
        html.open("td", &[]);
        if let Some(newest) = standing.newest {
            html.element("time", &[("datetime", &newest.to_string())], &ago(newest, now));
        }
        html.close("td");
        html.element("td", &[("class", "number")], &grouped(overview.rows_24h));
        html.element("td", &[("class", "number")], &standing.rows.map_or_else(String::new, grouped));
        html.open("td", &[]);
        chart::sparkline(&mut html, last(&overview.days, SPARK_DAYS));
        html.close("td").close("tr");
    }
    html.close("tbody").close("table");
    page(app, "Feeds", &[], html)
}

/// `/feeds/{name}`
pub fn one(app: &App, details: &Details) -> Response {
    let now = Timestamp::now();
    let overview = &details.overview;
    let (feed, standing) = (overview.feed.as_ref(), &overview.standing);
    let base = format!("/feeds/{}", feed.name());
    let mut html = Html::default();
    if let Some(description) = &feed.description {
        html.element("p", &[], description);
    }
    forms(&mut html, &base);
    html.open("table", &[("class", "facts")]).element("caption", &[], "How it stands").open("tbody", &[]);
    html.open("tr", &[]).element("th", &[("scope", "row")], "State");
    state(&mut html, standing);
    html.close("tr");
    let newest = standing.newest.map(|t| format!("{} ({})", local(t, feed), ago(t, now)));
    let committed = standing.committed.map(|t| format!("{} ({})", local(t, feed), ago(t, now)));
    let facts = [
        ("What is wrong", standing.detail.clone()),
        ("Newest row", newest),
        ("Table changed", committed),
        ("Stale after", standing.stale_after_s.map(|s| super::age(s as i64))),
        ("Rows expected", feed.rules.rows.map(expected)),
        ("Rows that came in that time", standing.rows_within.map(grouped)),
        ("Rows", standing.rows.map(grouped)),
        ("Rows in 24 hours", Some(grouped(overview.rows_24h))),
        ("Zone of its hours", Some(feed.publish.timezone.clone())),
        ("Table", Some(feed.table.to_string())),
    ];
    for (name, fact) in facts.iter().filter_map(|(n, f)| Some((n, f.as_ref()?))) {
        html.open("tr", &[]).element("th", &[("scope", "row")], name).element("td", &[], fact).close("tr");
    }
    html.close("tbody").close("table");

    html.open("p", &[("class", "forms")]).text("Rows: ");
    html.link(&format!("{base}/routes"), "routes of the newest day").text(" · ");
    html.link(&format!("{base}/live"), "newest positions").text(" · ");
    html.link(&format!("{base}/live.geojson"), "as GeoJSON").close("p");

    positions(&mut html, details, feed);
    days(&mut html, overview);
    gaps(&mut html, details, feed);
    failures(&mut html, details, feed);
    columns(&mut html, details);
    page(app, feed.name(), &[("/feeds", "Feeds")], html)
}

fn expected(rows: ExpectRows) -> String {
    let time = super::age(rows.within.as_secs() as i64);
    match rows.at_most {
        Some(most) => format!("{} to {} in {time}", grouped(rows.at_least), grouped(most)),
        None => format!("{} or more in {time}", grouped(rows.at_least)),
    }
}

fn positions(html: &mut Html, details: &Details, feed: &Feed) {
    let (Some(newest), Some(position)) = (&details.newest, &feed.publish.position) else { return };
    let places = places(newest, feed, position);
    html.element("h2", &[], "Newest positions");
    if places.is_empty() {
        html.element("p", &[], "No vehicle has told where it is.");
    } else {
        chart::scatter(html, &places);
    }
}

/// The vehicles that say where they are.
fn places(newest: &Newest, feed: &Feed, (latitude, longitude): &(String, String)) -> Vec<Place> {
    let numbers =
        |name: &str| -> Option<ArrayRef> { cast(newest.rows.column_by_name(name)?, &DataType::Float64).ok() };
    let texts = |name: Option<&String>| -> Option<Vec<Option<String>>> {
        output::texts(newest.rows.column_by_name(name?)?).ok()
    };
    let Some((latitudes, longitudes)) = numbers(latitude).zip(numbers(longitude)) else { return Vec::new() };
    let (latitudes, longitudes) =
        (latitudes.as_primitive::<Float64Type>(), longitudes.as_primitive::<Float64Type>());
    let labels = [
        texts(feed.publish.vehicle.as_ref()),
        texts(Some(&feed.publish.route)),
        texts(Some(&feed.publish.time)),
    ];
    let on_globe = |latitude: f64, longitude: f64| latitude.abs() <= 90.0 && longitude.abs() <= 180.0;
    (0..newest.rows.num_rows())
        .filter(|row| latitudes.is_valid(*row) && longitudes.is_valid(*row))
        .map(|row| (row, latitudes.value(row), longitudes.value(row)))
        // Null Island is where receivers without a fix are.
        .filter(|(_, latitude, longitude)| {
            on_globe(*latitude, *longitude) && (*latitude, *longitude) != (0.0, 0.0)
        })
        .take(MOST_PLACES)
        .map(|(row, latitude, longitude)| {
            let parts: Vec<&str> = labels.iter().flatten().filter_map(|l| l.get(row)?.as_deref()).collect();
            Place { latitude, longitude, label: parts.join(" · ") }
        })
        .collect()
}

fn days(html: &mut Html, overview: &Overview) {
    html.element("h2", &[], "Rows a day");
    let shown = last(&overview.days, SHOWN_DAYS);
    if shown.is_empty() {
        html.element("p", &[], "There are no rows yet.");
        return;
    }
    chart::bars(html, shown);
    html.open("details", &[]).element("summary", &[], "The figures");
    html.open("table", &[])
        .element("caption", &[], "Rows of each local day, newest first")
        .head(&["Day", "Rows"]);
    for day in shown.iter().rev() {
        html.open("tr", &[]).element("th", &[("scope", "row")], &day.day.to_string());
        html.element("td", &[("class", "number")], &grouped(day.rows)).close("tr");
    }
    html.close("tbody").close("table").close("details");
}

fn gaps(html: &mut Html, details: &Details, feed: &Feed) {
    html.element("h2", &[], "Gaps");
    if details.gaps.is_empty() {
        html.element("p", &[], "There are none.");
        return;
    }
    html.open("table", &[]).element(
        "caption",
        &[],
        "Times without rows, newest first, to the quarter of an hour",
    );
    html.head(&["From", "To", "Hours"]);
    for gap in &details.gaps {
        html.open("tr", &[]).element("td", &[], &local(gap.start, feed)).element(
            "td",
            &[],
            &local(gap.end, feed),
        );
        html.element("td", &[("class", "number")], &gap.hours.to_string()).close("tr");
    }
    html.close("tbody").close("table");
}

fn failures(html: &mut Html, details: &Details, feed: &Feed) {
    html.element("h2", &[], "Last failures");
    if details.failures.is_empty() {
        html.element("p", &[], "No file waits for a person.");
    } else {
        parked(html, details);
    }
    if details.failed_polls.is_empty() {
        return;
    }
    html.open("table", &[]).element("caption", &[], "Polls that failed, newest first");
    html.head(&["At", "Item", "Status", "What happened"]);
    for failed in &details.failed_polls {
        html.open("tr", &[]).element("td", &[], &failed.at.map_or_else(String::new, |t| local(t, feed)));
        html.element("td", &[], failed.item.as_deref().unwrap_or_default());
        html.element("td", &[], &failed.status.map_or_else(String::new, |s| s.to_string()));
        html.element("td", &[], &failed.message).close("tr");
    }
    html.close("tbody").close("table");
}

fn parked(html: &mut Html, details: &Details) {
    html.open("table", &[]).element("caption", &[], "Files that wait for a person, newest first");
    html.head(&["Since", "File", "Code", "What happened"]);
    for failure in &details.failures {
        html.open("tr", &[]).element("td", &[], &failure.since.map_or_else(String::new, |t| t.to_string()));
        html.element("td", &[], &failure.file).element(
            "td",
            &[],
            failure.code.as_deref().unwrap_or_default(),
        );
        html.element("td", &[], failure.message.as_deref().unwrap_or_default()).close("tr");
    }
    html.close("tbody").close("table");
}

fn columns(html: &mut Html, details: &Details) {
    html.element("h2", &[("id", "schema")], "Columns");
    html.open("table", &[]).element("caption", &[], "Columns of its rows");
    html.head(&["Column", "Type", "Unit", "Description"]);
    for column in &details.columns {
        let text = |key: &str| column.get(key).and_then(Value::as_str).unwrap_or_default();
        html.open("tr", &[]).element("th", &[("scope", "row")], text("column"));
        html.element("td", &[], text("type")).element("td", &[], text("unit"));
        html.element("td", &[], text("description")).close("tr");
    }
    html.close("tbody").close("table");
}

/// `/feeds/{name}/routes`: each route with a link to every hour of the day.
///
/// # Errors
/// The routes cannot be read.
pub async fn routes(
    app: &App,
    feed: &Feed,
    day: Option<Date>,
    rows: SendableRecordBatchStream,
    others: &Alternatives,
) -> Result<Response> {
    let shown = grid::shown(rows, MOST_ROUTES).await?;
    let mut html = Html::default();
    alternatives(&mut html, others);
    let caption = match day {
        Some(day) => format!("Routes from {day} on: a route leads to its day"),
        None => "Routes".to_string(),
    };
    grid::table(&mut html, &caption, &shown, |column, text| {
        let day = day.filter(|_| column == "route" && !text.is_empty())?;
        let (name, route) = (feed.name(), segment(text));
        Some(format!("/feeds/{name}/routes/{route}/{}", day.strftime("%Y/%m/%d")))
    });
    let base = format!("/feeds/{}", feed.name());
    Ok(page(app, &format!("{}: routes", feed.name()), &[("/feeds", "Feeds"), (&base, feed.name())], html))
}

fn forms(html: &mut Html, path: &str) {
    html.open("p", &[("class", "forms")]).text("This as ");
    html.link(&format!("{path}.json"), "json").text(" · ").link(&format!("{path}.csv"), "csv").close("p");
}

fn local(t: Timestamp, feed: &Feed) -> String {
    t.to_zoned(feed.zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

fn last<T>(all: &[T], n: usize) -> &[T] {
    &all[all.len().saturating_sub(n)..]
}
