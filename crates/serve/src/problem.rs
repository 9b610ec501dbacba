//! What went wrong with a request, as `application/problem+json` (RFC 9457):
//! what happened, and what to do about it.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use lakegate_lake::session::{self, Kind};
use serde_json::{Value, json};

/// An answer that says why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub status: StatusCode,
    /// Tells problems apart for programs: `unknown_feed`.
    pub code: &'static str,
    /// What happened.
    pub detail: String,
    /// What to do.
    pub help: String,
    /// Seconds after which it is worth asking again.
    pub retry_after_s: Option<u64>,
}

pub type Result<T, E = Problem> = std::result::Result<T, E>;

impl Problem {
    pub fn new(
        status: StatusCode,
        code: &'static str,
        detail: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self { status, code, detail: detail.into(), help: help.into(), retry_after_s: None }
    }

    /// A request that makes no sense.
    pub fn bad(code: &'static str, detail: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail, help)
    }

    pub fn missing(code: &'static str, detail: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail, help)
    }

    /// Nothing is wrong with the request; it comes at a bad time.
    pub fn busy(code: &'static str, detail: impl Into<String>, retry_after_s: u64) -> Self {
        let help = format!("ask again in {retry_after_s} s");
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail, help);
        Self { retry_after_s: Some(retry_after_s), ..problem }
    }

    /// What a status alone says, for answers that were not made here.
    pub fn of_status(status: StatusCode) -> Self {
        let title = status.canonical_reason().unwrap_or("the request failed").to_lowercase();
        let help = match status {
            StatusCode::NOT_FOUND => "`/openapi.json` lists the addresses, `/` the feeds",
            StatusCode::METHOD_NOT_ALLOWED => "use GET; only statements and forms are sent by POST",
            StatusCode::PAYLOAD_TOO_LARGE => "send less",
            _ => "`/openapi.json` says how to ask",
        };
        Self::new(status, "http", title, help)
    }

    pub fn to_json(&self) -> Value {
        json!({
            "type": format!("urn:lakegate:{}", self.code),
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "help": self.help,
        })
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.to_json().to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        // Whoever reads pages gets a page of it.
        response.extensions_mut().insert(self);
        response
    }
}

impl From<session::Error> for Problem {
    fn from(e: session::Error) -> Self {
        let text = e.to_string();
        match e.kind {
            Kind::Statement => Self::bad("wrong_statement", text, "mend the statement"),
            Kind::Refused => {
                Self::new(StatusCode::FORBIDDEN, "refused", text, "ask with a statement that only reads")
            }
            Kind::Memory => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "too_much_memory",
                text,
                "ask for fewer rows or columns at a time",
            ),
            Kind::Failed => {
                tracing::warn!(error = text, "a request failed");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "failed",
                    text,
                    "ask again; if it fails still, tell whoever runs this lake",
                )
            }
        }
    }
}

/// A status as a person says it.
pub fn reason(status: u16) -> &'static str {
    match status {
        400 => "The request makes no sense; `help` says how to mend it",
        403 => "It may not be done, by this statement or from there",
        404 => "There is no such thing; `help` says what there is",
        422 => "The answer would take more than it may",
        429 => "Too many requests; `Retry-After` says when to ask again",
        503 => "Not now; `Retry-After` says when to ask again",
        _ => "It failed",
    }
}
