//! A feed's rows: of a local hour or day of one route, of a range, and the
//! newest position of every vehicle.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::functions_aggregate::expr_fn::{count, max, min};
use datafusion::logical_expr::lit;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream;
use jiff::ToSpan;
use jiff::civil::Date;
use lakegate_domain::local::{Span, spans};
use lakegate_lake::session::{Error, run};

use crate::answer::Answer;
use crate::app::{App, Asked};
use crate::document::Document;
use crate::feed::Feed;
use crate::pages::{self, Alternatives};
use crate::params::{self, Params};
use crate::problem::Result;
use crate::rows::{Rows, column};
use crate::wanted::{Format, choose, split_ending};

/// Forms of rows.
pub const OFFERED: &[Format] = &[
    Format::Json,
    Format::Html,
    Format::Csv,
    Format::Ndjson,
    Format::Parquet,
    Format::Arrow,
    Format::GeoJson,
];
/// Forms of the newest positions.
pub const OFFERED_LIVE: &[Format] = &[
    Format::GeoJson,
    Format::Html,
    Format::Json,
    Format::Csv,
    Format::Ndjson,
    Format::Parquet,
    Format::Arrow,
];
/// Forms of rows without a position.
pub const OFFERED_FLAT: &[Format] =
    &[Format::Json, Format::Html, Format::Csv, Format::Ndjson, Format::Parquet, Format::Arrow];

/// Parameters of rows whose instants the address tells.
pub const PARAMS: &[&str] = &["format", "columns", "limit", "tz"];
/// Parameters of rows whose instants they tell.
pub const RANGE_PARAMS: &[&str] = &["format", "columns", "limit", "tz", "start", "end", "route"];

/// What the rows of a page are called, and which they are.
struct Asking<'a> {
    title: String,
    file_name: String,
    feed: &'a Arc<Feed>,
    route: Option<String>,
    spans: Vec<Span>,
}

/// `GET /feeds/{name}/routes/{route}/{year}/{month}/{day}/{hour}`
pub async fn hour(
    State(app): State<Arc<App>>,
    Path((name, route, year, month, day, hour)): Path<(String, String, String, String, String, String)>,
    asked: Asked,
) -> Result<Response> {
    let feed = app.feed(&name)?;
    let (hour, ending) = split_ending(&hour);
    let (day, hour) = (params::day(&year, &month, &day)?, params::hour(hour)?);
    let params = Params::parse(asked.query.as_deref(), PARAMS)?;
    let asking = Asking {
        title: format!("{name}: route {route}, {day} {hour:02}:00"),
        file_name: format!("{name}-{route}-{day}-{hour:02}"),
        feed,
        route: Some(route),
        spans: spans_of_hour(&params, feed, day, hour)?,
    };
    respond(&app, asking, &params, ending, &asked).await
}

/// `GET /feeds/{name}/routes/{route}/{year}/{month}/{day}`
pub async fn day(
    State(app): State<Arc<App>>,
    Path((name, route, year, month, day)): Path<(String, String, String, String, String)>,
    asked: Asked,
) -> Result<Response> {
    let feed = app.feed(&name)?;
    let (day, ending) = split_ending(&day);
    let day = params::day(&year, &month, day)?;
    let params = Params::parse(asked.query.as_deref(), PARAMS)?;
    let asking = Asking {
        title: format!("{name}: route {route}, {day}"),
        file_name: format!("{name}-{route}-{day}"),
        feed,
        route: Some(route),
        spans: spans_of_day(&params, feed, day)?,
    };
    respond(&app, asking, &params, ending, &asked).await
}

/// `GET /feeds/{name}/rows`
pub async fn range(State(app): State<Arc<App>>, Path(name): Path<String>, asked: Asked) -> Result<Response> {
    let feed = app.feed(&name)?;
    let (_, ending) = split_ending(&asked.path);
    let params = Params::parse(asked.query.as_deref(), RANGE_PARAMS)?;
    let zone = params.zone(&feed.zone)?;
    let asking = Asking {
        title: format!("{name}: rows"),
        file_name: format!("{name}-rows"),
        feed,
        route: params.get("route").map(str::to_string),
        spans: params.range(&zone)?,
    };
    respond(&app, asking, &params, ending, &asked).await
}

/// The instants of a local hour.
fn spans_of_hour(params: &Params, feed: &Feed, day: Date, hour: i8) -> Result<Vec<Span>> {
    let start = day.at(hour, 0, 0, 0);
    Ok(spans(&params.zone(&feed.zone)?, start, start.saturating_add(1.hour())))
}

fn spans_of_day(params: &Params, feed: &Feed, day: Date) -> Result<Vec<Span>> {
    let start = day.at(0, 0, 0, 0);
    Ok(spans(&params.zone(&feed.zone)?, start, start.saturating_add(1.day())))
}

async fn respond(
    app: &App,
    asking: Asking<'_>,
    params: &Params,
    ending: Option<Format>,
    asked: &Asked,
) -> Result<Response> {
    let format = choose(params.get("format"), ending, &asked.headers, OFFERED)?;
    let opened = asking.feed.need(&app.session).await?;
    let mut rows = Rows::new(asking.feed.clone(), opened, asking.spans);
    rows.route = asking.route;
    if let Some(names) = params.get("columns") {
        rows.select(names)?;
    }
    rows.limit = params.parsed("limit", "a number of rows")?;
    let position = asking.feed.publish.position.as_ref();
    if format == Format::Html {
        let most = rows.limit.unwrap_or(usize::MAX).min(pages::grid::MOST_ROWS);
        rows.limit = Some(most + 1);
        let _place = app.place(format).await?;
        let alternatives = Alternatives::of(asked, OFFERED);
        let feed = format!("/feeds/{}", asking.feed.name());
        let parent = [("/feeds", "Feeds"), (feed.as_str(), asking.feed.name())];
        return pages::grid::rows(app, &asking.title, &parent, rows.stream().await?, most, &alternatives)
            .await;
    }
    let etag = rows.etag(&format!("{}\n{}", asked.address(), format.name()));
    if asked.has(&etag) {
        return Ok(not_modified(&etag));
    }
    let permit = app.place(format).await?;
    let document = Document::new(format, &rows.schema(), position)?;
    let (name, rows) = (asking.file_name, rows.stream().await?);
    let answer =
        Answer { rows, document, format, name, etag: Some(etag), deadline: None, max_rows: None, permit };
    answer.respond().await
}

fn not_modified(etag: &str) -> Response {
    let mut headers = HeaderMap::new();
    if let Ok(value) = etag.parse() {
        headers.insert(axum::http::header::ETAG, value);
    }
    (StatusCode::NOT_MODIFIED, headers).into_response()
}

/// `GET /feeds/{name}/routes`
pub async fn routes(State(app): State<Arc<App>>, Path(name): Path<String>, asked: Asked) -> Result<Response> {
    let feed = app.feed(&name)?;
    let (_, ending) = split_ending(&asked.path);
    let params = Params::parse(asked.query.as_deref(), &["format", "tz", "start", "end"])?;
    let format = choose(params.get("format"), ending, &asked.headers, OFFERED_FLAT)?;
    let opened = feed.need(&app.session).await?;
    // Without a range: the newest day that has rows.
    let spans = match (params.get("start"), params.get("end")) {
        (None, None) => {
            let activity = feed.counter.activity(&opened, &feed.publish.time).await?;
            match activity.days(&feed.zone).last() {
                Some(newest) => spans_of_day(&params, feed, newest.day)?,
                None => Vec::new(),
            }
        }
        _ => params.range(&params.zone(&feed.zone)?)?,
    };
    let permit = app.place(format).await?;
    let within = spans.iter().map(|s| opened.within(&feed.publish.time, *s)).reduce(|a, b| a.or(b));
    let (route, time) = (feed.publish.route.as_str(), feed.publish.time.as_str());
    let frame = opened
        .view
        .frame()?
        .filter(within.unwrap_or(lit(false)))
        .and_then(|f| {
            f.aggregate(
                vec![column(route).alias("route")],
                vec![
                    count(lit(1_i64)).alias("rows"),
                    min(column(time)).alias("first"),
                    max(column(time)).alias("last"),
                ],
            )
        })
        .and_then(|f| f.sort(vec![column("route").sort(true, false)]))
        .map_err(Error::from)?;
    let (schema, rows) = run(frame).await?;
    if format == Format::Html {
        let days: Vec<Date> =
            spans.iter().take(1).map(|s| s.start.to_zoned(feed.zone.clone()).date()).collect();
        return pages::feeds::routes(
            &app,
            feed,
            days.first().copied(),
            rows,
            &Alternatives::of(&asked, OFFERED_FLAT),
        )
        .await;
    }
    let document = Document::new(format, &schema, None)?;
    let name = format!("{name}-routes");
    Answer { rows, document, format, name, etag: None, deadline: None, max_rows: None, permit }
        .respond()
        .await
}

/// `GET /feeds/{name}/live`
pub async fn live(State(app): State<Arc<App>>, Path(name): Path<String>, asked: Asked) -> Result<Response> {
    let feed = app.feed(&name)?;
    let (_, ending) = split_ending(&asked.path);
    let params = Params::parse(asked.query.as_deref(), &["format"])?;
    let format = choose(params.get("format"), ending, &asked.headers, OFFERED_LIVE)?;
    let opened = feed.need(&app.session).await?;
    let permit = app.place(format).await?;
    let newest = feed.live.newest(feed, &opened).await?;
    let batch = newest.rows.clone();
    let schema = batch.schema();
    let once = stream::once(async move { Ok(batch) });
    let rows: SendableRecordBatchStream = Box::pin(RecordBatchStreamAdapter::new(schema.clone(), once));
    if format == Format::Html {
        let title = format!("{name}: newest positions");
        let feed = format!("/feeds/{name}");
        let parent = [("/feeds", "Feeds"), (feed.as_str(), name.as_str())];
        let alternatives = Alternatives::of(&asked, OFFERED_LIVE);
        return pages::grid::rows(&app, &title, &parent, rows, pages::grid::MOST_ROWS, &alternatives).await;
    }
    let document = Document::new(format, &schema, feed.publish.position.as_ref())?;
    let name = format!("{name}-live");
    Answer { rows, document, format, name, etag: None, deadline: None, max_rows: None, permit }
        .respond()
        .await
}
