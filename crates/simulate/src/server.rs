//! The feeds over HTTP.

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body as HttpBody;
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use bytes::Bytes;
use futures::{StreamExt, stream};
use jiff::Timestamp;
use tokio::net::TcpListener;

use crate::fault::{Fault, Faults};
use crate::fleet::Fleet;
use crate::formats::{self, Body, FEEDS, Feed, Form};

/// How long a slow answer takes.
const SLOW: Duration = Duration::from_secs(30);
/// What `Retry-After` says, seconds.
const RETRY_S: u32 = 5;
/// Time in which half an answer leaves.
const FLUSH: Duration = Duration::from_millis(50);
const PAGE: &str = "<!doctype html><title>Maintenance</title><p>We are back soon.\n";

/// What the feeds say, and what goes wrong with it.
#[derive(Debug)]
pub struct Simulator {
    pub seed: u64,
    pub n_routes: u32,
    pub vehicles_per_route: u32,
    pub faults: Faults,
    /// What time it is.
    pub clock: fn() -> Timestamp,
}

impl Simulator {
    fn fleet(&self, feed: &Feed) -> Fleet {
        feed.fleet(self.seed, self.n_routes, self.vehicles_per_route)
    }
}

/// The addresses: `/` lists them, `/{feed}/…` are the feeds' own, `?fault=…`
/// spoils one answer, and `PUT` and `DELETE` of `/{feed}/fault/{fault}` all of them.
fn router(simulator: Arc<Simulator>) -> Router {
    Router::new()
        .route("/", get(list))
        .route("/{feed}/fault/{fault}", put(spoil).delete(mend))
        .route("/{feed}/{path}", get(answer))
        .with_state(simulator)
}

/// Answers until `stopped`.
///
/// # Errors
/// The listener failed.
pub async fn serve(
    listener: TcpListener,
    simulator: Arc<Simulator>,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    // Answers that take long are not waited for: nobody misses them.
    tokio::select! {
        ended = axum::serve(listener, router(simulator)).into_future() => ended,
        () = stopped => Ok(()),
    }
}

async fn list() -> String {
    let mut out = String::from("Feeds of buses that do not exist:\n\n");
    for feed in &FEEDS {
        for path in feed.paths() {
            out.push_str(&format!("  /{}/{path}\n", feed.name));
        }
    }
    let names: Vec<&str> = Fault::ALL.iter().map(|f| f.name()).collect();
    out.push_str(&format!(
        "\n?fault=NAME spoils one answer, PUT /FEED/fault/NAME those of a feed until DELETE.\nFaults: {}\n",
        names.join(", ")
    ));
    out
}

async fn spoil(
    State(simulator): State<Arc<Simulator>>,
    Path((feed, fault)): Path<(String, String)>,
) -> Response {
    match (Feed::of_name(&feed), Fault::of_name(&fault)) {
        (Some(feed), Some(fault)) => {
            simulator.faults.set(feed.name, Some(fault), (simulator.clock)());
            StatusCode::NO_CONTENT.into_response()
        }
        _ => missing(),
    }
}

async fn mend(State(simulator): State<Arc<Simulator>>, Path((feed, _)): Path<(String, String)>) -> Response {
    simulator.faults.set(&feed, None, (simulator.clock)());
    StatusCode::NO_CONTENT.into_response()
}

#[derive(Debug, Default)]
struct Wanted {
    route: Option<String>,
    fault: Option<Fault>,
}

async fn answer(
    State(simulator): State<Arc<Simulator>>,
    Path((feed, path)): Path<(String, String)>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Response {
    let Some(feed) = Feed::of_name(&feed) else { return missing() };
    let mut wanted = Wanted::default();
    for (key, value) in query {
        match key.as_str() {
            "LineRef" if feed.form == Form::SiriJson => wanted.route = Some(value),
            "r" if feed.form == Form::NextBus => wanted.route = Some(value),
            "fault" => wanted.fault = Fault::of_name(&value),
            _ => {}
        }
    }
    let now = (simulator.clock)();
    let struck = wanted.fault.map(|f| (f, now)).or_else(|| simulator.faults.next(feed.name, now));
    let (fault, since) = struck.map_or((None, now), |(fault, since)| (Some(fault), since));
    let at = if fault == Some(Fault::Repeated) { since } else { now };
    let said = formats::body(feed, &simulator.fleet(feed), &path, wanted.route.as_deref(), at, fault);
    let Some(said) = said else { return missing() };
    match fault {
        Some(Fault::Error) => (StatusCode::INTERNAL_SERVER_ERROR, "something went wrong\n").into_response(),
        Some(Fault::Limited) => {
            let wait = [(RETRY_AFTER, HeaderValue::from(RETRY_S))];
            (StatusCode::TOO_MANY_REQUESTS, wait, "too many requests\n").into_response()
        }
        Some(Fault::WrongType) => ([(CONTENT_TYPE, "text/html")], PAGE).into_response(),
        Some(Fault::Truncated) => truncated(said),
        Some(Fault::Slow) => {
            tokio::time::sleep(SLOW).await;
            whole(said, &headers)
        }
        _ => whole(said, &headers),
    }
}

fn missing() -> Response {
    (StatusCode::NOT_FOUND, "there is no such address; / lists them\n").into_response()
}

fn whole(said: Body, headers: &HeaderMap) -> Response {
    let etag = format!("\"{}\"", &blake3::hash(&said.bytes).to_hex()[..16]);
    if headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, [(ETAG, etag)]).into_response();
    }
    let headers = [(CONTENT_TYPE, said.content_type.to_string()), (ETAG, etag)];
    (headers, said.bytes).into_response()
}

/// Says how long it is, and ends in the middle.
fn truncated(said: Body) -> Response {
    let n = said.bytes.len();
    let half = Bytes::from(said.bytes).slice(..n / 2);
    // The half is on its way before the connection breaks.
    let broken = async {
        tokio::time::sleep(FLUSH).await;
        Err(std::io::Error::other("cut off, as asked for"))
    };
    let cut = stream::once(async { Ok(half) }).chain(stream::once(broken));
    let headers = [(CONTENT_TYPE, said.content_type.to_string()), (CONTENT_LENGTH, n.to_string())];
    (headers, HttpBody::from_stream(cut)).into_response()
}
