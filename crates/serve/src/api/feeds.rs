//! `/feeds` and `/feeds/{name}`: which feeds there are, and how one stands.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use lakegate_domain::job::FileState;
use lakegate_state::FileFilter;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::activity::{Activity, Day, Gap};
use crate::app::{App, Asked};
use crate::feed::{Feed, Opened};
use crate::health::{Standing, ledger};
use crate::live::Newest;
use crate::pages;
use crate::params::Params;
use crate::problem::Result;
use crate::sheet::{self, Sheet};
use crate::wanted::{Format, choose, split_ending};

/// Feeds that are looked at together.
const AT_ONCE: usize = 4;
/// Gaps that are told, the newest.
const MOST_GAPS: usize = 50;
/// Failures that are told, the newest.
const MOST_FAILURES: u32 = 10;
pub const OFFERED: &[Format] = &[Format::Json, Format::Html, Format::Csv];

/// A feed as it stands.
pub struct Overview {
    pub feed: Arc<Feed>,
    pub standing: Standing,
    /// `None` where it has no rows, or cannot be read.
    pub opened: Option<Arc<Opened>>,
    pub activity: Arc<Activity>,
    pub days: Vec<Day>,
    pub rows_24h: u64,
}

/// A poll that failed, as it is told.
#[derive(Debug, Serialize)]
pub struct PollFailure {
    pub at: Option<Timestamp>,
    pub item: Option<String>,
    pub status: Option<u16>,
    pub message: String,
}

/// A file that waits for a person.
#[derive(Debug, Serialize)]
pub struct Failure {
    pub since: Option<Timestamp>,
    pub file: String,
    pub code: Option<String>,
    pub message: Option<String>,
}

/// All that is told of one feed.
pub struct Details {
    pub overview: Overview,
    pub gaps: Vec<Gap>,
    pub failures: Vec<Failure>,
    /// The last polls that failed, the newest first; none where feeds alone are
    /// served: they tell of the agency's addresses.
    pub failed_polls: Vec<PollFailure>,
    /// Columns with their types, units and descriptions, as JSON objects.
    pub columns: Vec<Map<String, Value>>,
    pub newest: Option<Arc<Newest>>,
}

impl Overview {
    pub async fn of(app: &App, feed: &Arc<Feed>, now: Timestamp) -> Result<Self> {
        let mut opened = feed.open(&app.session).await;
        let mut activity = Arc::default();
        if let Ok(Some(found)) = &opened {
            match feed.counter.activity(found, &feed.publish.time).await {
                Ok(counted) => activity = counted,
                Err(problem) => opened = Err(problem),
            }
        }
        let standing = Standing::of_feed(feed, &opened, app.store.as_ref(), now).await?;
        let since = now.saturating_sub(SignedDuration::from_hours(24)).unwrap_or(Timestamp::MIN);
        Ok(Self {
            days: activity.days(&feed.zone),
            rows_24h: activity.rows_since(since),
            standing,
            opened: opened.ok().flatten(),
            activity,
            feed: feed.clone(),
        })
    }

    fn to_json(&self) -> Map<String, Value> {
        let mut map = Map::new();
        let mut put = |key: &str, value: Value| map.insert(key.to_string(), value);
        put("name", self.feed.name().into());
        put("description", json!(self.feed.description));
        put("dataset", self.feed.dataset.to_string().into());
        put("timezone", self.feed.publish.timezone.as_str().into());
        if let Ok(Value::Object(standing)) = serde_json::to_value(&self.standing) {
            standing.into_iter().for_each(|(key, value)| {
                put(&key, value);
            });
        }
        put("rows_24h", self.rows_24h.into());
        put("url", format!("/feeds/{}", self.feed.name()).into());
        map
    }
}

/// `GET /feeds`
pub async fn list(State(app): State<Arc<App>>, asked: Asked) -> Result<Response> {
    let params = Params::parse(asked.query.as_deref(), &["format"])?;
    let (_, ending) = split_ending(&asked.path);
    let format = choose(params.get("format"), ending, &asked.headers, OFFERED)?;
    let now = Timestamp::now();
    let looks: Vec<_> = app.feeds.iter().map(|feed| Overview::of(&app, feed, now)).collect();
    let all: Vec<Overview> = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
    Ok(match format {
        Format::Html => pages::feeds::list(&app, &all),
        Format::Csv => sheet::text(format, Sheet::of(all.iter().map(Overview::to_json)).to_csv()),
        _ => sheet::json(&all.iter().map(Overview::to_json).collect::<Vec<_>>()),
    })
}

/// `GET /feeds/{name}`
pub async fn one(State(app): State<Arc<App>>, Path(name): Path<String>, asked: Asked) -> Result<Response> {
    let params = Params::parse(asked.query.as_deref(), &["format"])?;
    let (name, ending) = split_ending(&name);
    let format = choose(params.get("format"), ending, &asked.headers, OFFERED)?;
    let details = Details::of(&app, app.feed(name)?).await?;
    Ok(match format {
        Format::Html => pages::feeds::one(&app, &details),
        Format::Csv => sheet::text(format, Sheet::of(&details.overview.days).to_csv()),
        _ => sheet::json(&details.to_json()),
    })
}

impl Details {
    pub async fn of(app: &App, feed: &Arc<Feed>) -> Result<Self> {
        let now = Timestamp::now();
        let overview = Overview::of(app, feed, now).await?;
        let quiet = feed.rules.stale_after;
        let gaps = overview.activity.gaps(quiet, now, MOST_GAPS);
        let mut columns = Vec::new();
        let mut newest = None;
        if let Some(opened) = &overview.opened {
            columns = described(opened)?;
            if feed.publish.vehicle.is_some() {
                newest = Some(feed.live.newest(feed, opened).await?);
            }
        }
        let failures = failures(app, feed).await?;
        Ok(Self { gaps, failures, failed_polls: failed_polls(app, feed).await?, columns, newest, overview })
    }

    fn to_json(&self) -> Value {
        let mut map = self.overview.to_json();
        let feed = self.overview.feed.as_ref();
        let publish = &feed.publish;
        let version = self.overview.opened.as_ref().map(|o| o.view.version());
        map.insert("table".into(), feed.table.to_string().into());
        map.insert("version".into(), json!(version));
        map.insert(
            "roles".into(),
            json!({ "route": publish.route, "time": publish.time, "vehicle": publish.vehicle,
                "latitude": publish.position.as_ref().map(|p| &p.0),
                "longitude": publish.position.as_ref().map(|p| &p.1) }),
        );
        map.insert("columns".into(), json!(self.columns));
        map.insert("days".into(), json!(self.overview.days));
        map.insert("gaps".into(), json!(self.gaps));
        map.insert("failures".into(), json!(self.failures));
        map.insert("failed_polls".into(), json!(self.failed_polls));
        let base = format!("/feeds/{}", feed.name());
        map.insert(
            "links".into(),
            json!({ "hour": format!("{base}/routes/{{route}}/{{year}}/{{month}}/{{day}}/{{hour}}"),
                "day": format!("{base}/routes/{{route}}/{{year}}/{{month}}/{{day}}"),
                "range": format!("{base}/rows{{?start,end,tz,route}}"),
                "routes": format!("{base}/routes"), "live": format!("{base}/live"),
                "stream": format!("{base}/stream") }),
        );
        Value::Object(map)
    }
}

/// The columns that a feed's rows have.
fn described(opened: &Opened) -> Result<Vec<Map<String, Value>>> {
    let batch = opened.view.described()?;
    let mut lines =
        lakegate_lake::output::Encoder::new(lakegate_lake::output::OutputFormat::Ndjson, &batch.schema())?;
    let mut text = lines.write(&batch)?;
    text.extend(lines.finish()?);
    let parsed =
        text.split(|b| *b == b'\n').filter_map(|l| serde_json::from_slice::<Map<String, Value>>(l).ok());
    let is_shown = |c: &Map<String, Value>| {
        c.get("column").and_then(Value::as_str).is_some_and(|name| opened.columns.iter().any(|c| c == name))
    };
    Ok(parsed.filter(is_shown).collect())
}

async fn failures(app: &App, feed: &Feed) -> Result<Vec<Failure>> {
    let Some(store) = &app.store else { return Ok(Vec::new()) };
    let filter = FileFilter {
        dataset: Some(feed.dataset.clone()),
        state: Some(FileState::Parked),
        limit: Some(MOST_FAILURES),
        ..FileFilter::default()
    };
    let parked = store.files(&filter).await.map_err(ledger)?;
    Ok(parked
        .into_iter()
        .map(|f| Failure {
            since: Timestamp::from_millisecond(f.since.0).ok(),
            file: f.path,
            code: f.code.map(|c| c.id().to_string()),
            message: f.message,
        })
        .collect())
}

async fn failed_polls(app: &App, feed: &Feed) -> Result<Vec<PollFailure>> {
    let Some(store) = app.store.as_ref().filter(|_| !app.settings.feeds_only) else { return Ok(Vec::new()) };
    let failed = store.failed_polls(&feed.dataset, MOST_FAILURES).await.map_err(ledger)?;
    Ok(failed
        .into_iter()
        .map(|f| PollFailure {
            at: Timestamp::from_millisecond(f.started_at.0).ok(),
            item: f.item,
            status: f.status,
            message: f.error,
        })
        .collect())
}
