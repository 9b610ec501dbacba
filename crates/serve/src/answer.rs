//! A stream of rows as the body of an answer. Small ones are sent whole; of
//! large ones a few batches are in memory, and a reader that is slow holds up
//! the statement.

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG};
use axum::response::{IntoResponse, Response};
use datafusion::execution::SendableRecordBatchStream;
use futures::{StreamExt, stream};
use lakegate_lake::session::Error;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, timeout, timeout_at};

use crate::document::Document;
use crate::problem::{Problem, Result};
use crate::wanted::Format;

/// An answer up to this size is sent whole, with its length.
const WHOLE_BYTES: usize = 256 << 10;
/// How long a reader may take for one piece of an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Rows that are about to be sent.
pub struct Answer {
    pub rows: SendableRecordBatchStream,
    pub document: Document,
    pub format: Format,
    /// What a file of it would be called, without its ending.
    pub name: String,
    pub etag: Option<String>,
    /// When the last row must have been made.
    pub deadline: Option<Instant>,
    /// Most rows; an answer that would have more is cut off, so that nobody
    /// takes it for all of them.
    pub max_rows: Option<u64>,
    /// The place among those who are answered at the same time.
    pub permit: OwnedSemaphorePermit,
}

impl Answer {
    /// The answer. What is wrong before the first rows are there is a problem;
    /// what goes wrong later cuts the answer off.
    ///
    /// # Errors
    /// The rows cannot be read, or not in time.
    pub async fn respond(self) -> Result<Response> {
        let mut headers = vec![
            (CONTENT_TYPE, HeaderValue::from_static(self.format.media_type())),
            (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        ];
        // Names come from the configuration and from the address: what a header
        // cannot say plainly is left out.
        let name: String =
            self.name.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
        if let Ok(value) =
            HeaderValue::from_str(&format!("inline; filename=\"{name}.{}\"", self.format.name()))
        {
            headers.push((CONTENT_DISPOSITION, value));
        }
        if let Some(Ok(value)) = self.etag.as_deref().map(HeaderValue::from_str) {
            headers.push((ETAG, value));
        }
        let mut writing = Writing {
            rows: self.rows,
            document: Some(self.document),
            deadline: self.deadline,
            rows_left: self.max_rows,
        };
        let mut start = Vec::new();
        let body = loop {
            match writing.next().await? {
                Some(bytes) => start.extend(bytes),
                None => break Body::from(start),
            }
            if start.len() > WHOLE_BYTES {
                break streamed(start, writing, self.permit);
            }
        };
        let mut response = body.into_response();
        response.headers_mut().extend(headers);
        Ok(response)
    }
}

/// Rows on their way into a document.
struct Writing {
    rows: SendableRecordBatchStream,
    /// `None` when it is finished.
    document: Option<Document>,
    deadline: Option<Instant>,
    rows_left: Option<u64>,
}

impl Writing {
    /// The next bytes; `None` after the last.
    async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let Some(document) = &mut self.document else { return Ok(None) };
        let batch = match self.deadline {
            Some(deadline) => timeout_at(deadline, self.rows.next()).await.map_err(|_| too_slow())?,
            None => self.rows.next().await,
        };
        let Some(batch) = batch else {
            return Ok(match self.document.take() {
                Some(document) => Some(document.finish()?),
                None => None,
            });
        };
        let batch = batch.map_err(Error::from)?;
        if let Some(left) = &mut self.rows_left {
            *left = left.checked_sub(batch.num_rows() as u64).ok_or_else(too_many)?;
        }
        Ok(Some(document.write(&batch)?))
    }
}

/// Sends what there is and then what comes, from a task of its own.
fn streamed(start: Vec<u8>, mut writing: Writing, permit: OwnedSemaphorePermit) -> Body {
    let (tx, rx) = mpsc::channel::<io::Result<Bytes>>(2);
    tokio::spawn(async move {
        let _permit = permit;
        let mut next = Ok(Some(start));
        loop {
            let piece = match next {
                Ok(None) => return,
                Ok(Some(bytes)) if bytes.is_empty() => None,
                Ok(Some(bytes)) => Some(Ok(Bytes::from(bytes))),
                Err(problem) => {
                    let problem: Problem = problem;
                    tracing::warn!(problem = problem.detail, "an answer was cut off");
                    Some(Err(io::Error::other(problem.detail)))
                }
            };
            let is_last = matches!(piece, Some(Err(_)));
            if let Some(piece) = piece {
                // A reader that went away, or that stopped reading.
                let Ok(Ok(())) = timeout(PATIENCE, tx.send(piece)).await else { return };
            }
            if is_last {
                return;
            }
            next = tokio::select! {
                () = tx.closed() => return,
                next = writing.next() => next,
            };
        }
    });
    let pieces = stream::unfold(rx, |mut rx| async move { rx.recv().await.map(|piece| (piece, rx)) });
    // What compresses may ask once more after the end.
    Body::from_stream(pieces.fuse())
}

fn too_slow() -> Problem {
    Problem::new(
        axum::http::StatusCode::SERVICE_UNAVAILABLE,
        "too_slow",
        "the statement takes longer than it may",
        "narrow it with `where`, or ask with `lakegate sql`, which has no such limit",
    )
}

fn too_many() -> Problem {
    Problem::new(
        axum::http::StatusCode::UNPROCESSABLE_ENTITY,
        "too_many_rows",
        "the result has more rows than an answer may have",
        "add a `limit`, or ask with `lakegate sql`, which has no such limit",
    )
}
