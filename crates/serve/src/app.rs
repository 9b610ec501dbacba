//! What all requests share. Made when the server is bound, and made anew of the
//! same parts when the lake is another one.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use lakegate_domain::model::Lake;
use lakegate_lake::session::Session;
use lakegate_state::Store;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

use crate::admin::Admin;
use crate::feed::Feed;
use crate::limits::Clients;
use crate::metrics::Requests;
use crate::problem::{Problem, Result};
use crate::server::Settings;
use crate::wanted::Format;

/// How long a request waits for its place.
const TURN: Duration = Duration::from_secs(5);

/// What all requests share.
#[derive(Clone)]
pub struct App {
    pub lake: Arc<Lake>,
    /// By name.
    pub feeds: Vec<Arc<Feed>>,
    /// Answers what addresses ask for.
    pub session: Session,
    /// Answers statements, in a memory of its own.
    pub sql: Session,
    /// `None` where the lake has no ledger yet.
    pub store: Option<Store>,
    pub settings: Settings,
    pub clients: Option<Arc<Clients>>,
    pub requests: Arc<Requests>,
    /// Who may add feeds; `None` where nobody may.
    pub admin: Option<Arc<Admin>>,
    /// Why the configuration in the lake's folder is not the one that is served.
    pub kept: Arc<RwLock<Option<String>>>,
    /// Turns true when the server is asked to stop, or the lake is another one.
    pub stopping: watch::Receiver<bool>,
    /// Places of those who are answered at the same time.
    pub places: Arc<Semaphore>,
    /// Places of those who run statements of their own.
    pub statements: Arc<Semaphore>,
    /// Places of those who follow a feed.
    pub followers: Arc<Semaphore>,
}

/// Places that an answer takes whose form is built of large blocks.
const BLOCKS: u32 = 8;

impl App {
    /// The same for another lake, over the same storage.
    pub fn of(&self, lake: Arc<Lake>, stopping: watch::Receiver<bool>) -> Self {
        Self { feeds: Feed::all(&lake, &self.feeds), lake, stopping, ..self.clone() }
    }

    /// Why the configuration in the lake's folder is not the one that is served.
    pub fn kept(&self) -> Option<String> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A feed by its name.
    ///
    /// # Errors
    /// 404 with the names that there are.
    pub fn feed(&self, name: &str) -> Result<&Arc<Feed>> {
        self.feeds.iter().find(|f| f.name() == name).ok_or_else(|| {
            let all: Vec<&str> = self.feeds.iter().map(|f| f.name()).collect();
            let help = match all.as_slice() {
                [] => "nothing is published here yet".to_string(),
                all => format!("the feeds are {}", all.join(", ")),
            };
            Problem::missing("unknown_feed", format!("there is no feed `{name}`"), help)
        })
    }

    /// A place among those who are answered; it is given back when it is dropped.
    ///
    /// # Errors
    /// 503 where none became free.
    pub async fn place(&self, format: Format) -> Result<OwnedSemaphorePermit> {
        let n = if matches!(format, Format::Parquet | Format::Arrow) { BLOCKS } else { 1 };
        let n = n.min(self.settings.at_once.max(1));
        turn(self.places.clone().acquire_many_owned(n)).await
    }

    /// A place among those who run statements.
    ///
    /// # Errors
    /// As [`App::place`].
    pub async fn statement(&self) -> Result<OwnedSemaphorePermit> {
        turn(self.statements.clone().acquire_owned()).await
    }
}

async fn turn(
    place: impl Future<Output = Result<OwnedSemaphorePermit, tokio::sync::AcquireError>>,
) -> Result<OwnedSemaphorePermit> {
    match timeout(TURN, place).await {
        Ok(Ok(permit)) => Ok(permit),
        _ => Err(Problem::busy("busy", "too many requests are being answered", 5)),
    }
}

/// A request, but for what its address names.
#[derive(Debug)]
pub struct Asked {
    pub path: String,
    pub query: Option<String>,
    pub headers: HeaderMap,
}

impl Asked {
    /// Path and parameters.
    pub fn address(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// Whether the client has the answer with this tag already.
    pub fn has(&self, etag: &str) -> bool {
        let known = self.headers.get(axum::http::header::IF_NONE_MATCH).and_then(|v| v.to_str().ok());
        known.is_some_and(|known| known.split(',').any(|tag| tag.trim() == etag))
    }
}

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self {
            path: parts.uri.path().to_string(),
            query: parts.uri.query().map(str::to_string),
            headers: parts.headers.clone(),
        })
    }
}
