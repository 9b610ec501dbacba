//! `/feeds/{name}/stream`: new positions as they are committed, as server-sent
//! events. Each is a `FeatureCollection` of the vehicles that have moved; the
//! first is that of all.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::app::{App, Asked};
use crate::document::{Document, GeoJson};
use crate::feed::Feed;
use crate::live::Newest;
use crate::params::Params;
use crate::problem::{Problem, Result};

/// How often it is looked whether the table has changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A sign of life, so that nothing between closes a quiet connection.
const ALIVE_EVERY: Duration = Duration::from_secs(15);
/// When a client that lost its connection asks again.
const RETRY: Duration = Duration::from_secs(3);

/// One who follows a feed.
struct Follower {
    app: Arc<App>,
    feed: Arc<Feed>,
    told: Option<Arc<Newest>>,
    look: Interval,
    stopping: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

/// `GET /feeds/{name}/stream`
pub async fn follow(State(app): State<Arc<App>>, Path(name): Path<String>, asked: Asked) -> Result<Response> {
    Params::parse(asked.query.as_deref(), &[])?;
    let feed = app.feed(&name)?.clone();
    // What cannot be served is said now, not as an event.
    if let Some(opened) = feed.open(&app.session).await? {
        feed.live.newest(&feed, &opened).await?;
    }
    let place = app.followers.clone().try_acquire_owned();
    let _place = place.map_err(|_| Problem::busy("busy", "too many clients follow feeds", 30))?;
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let stopping = app.stopping.clone();
    let follower = Follower { app, feed, told: None, look, stopping, _place };
    let events = stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok::<Event, Infallible>(event), follower))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE_EVERY)).into_response())
}

impl Follower {
    /// The next event; `None` when the server stops.
    async fn next(&mut self) -> Option<Event> {
        loop {
            tokio::select! {
                _ = self.stopping.wait_for(|stop| *stop) => return None,
                _ = self.look.tick() => {}
            }
            // A table that cannot be read now is looked at again.
            let Ok(Some(opened)) = self.feed.open(&self.app.session).await else { continue };
            let Ok(newest) = self.feed.live.newest(&self.feed, &opened).await else { continue };
            if self.told.as_ref().is_some_and(|told| Arc::ptr_eq(told, &newest)) {
                continue;
            }
            let Ok(changed) = newest.since(self.told.as_deref()) else { continue };
            let is_first = self.told.is_none();
            let version = newest.version;
            self.told = Some(newest);
            if changed.num_rows() == 0 && !is_first {
                continue;
            }
            if let Some(data) = features(&self.feed, &changed) {
                let event = Event::default().event("positions").id(version.to_string()).data(data);
                return Some(if is_first { event.retry(RETRY) } else { event });
            }
        }
    }
}

fn features(feed: &Feed, rows: &RecordBatch) -> Option<String> {
    let mut document = Document::GeoJson(GeoJson::new(feed.publish.position.clone()));
    let mut bytes = document.write(rows).ok()?;
    bytes.extend(document.finish().ok()?);
    // A line of an event's data must not hold a line break.
    String::from_utf8(bytes).ok().map(|text| text.replace('\n', ""))
}
