//! What came of asking: an answer, or why there is none, in words for people.

use std::error::Error as _;
use std::time::Duration;

use lakegate_domain::Failure;
use lakegate_domain::feed::Fault;
use reqwest::Url;

use super::spool::Whole;

/// A good answer.
pub(super) struct Answer {
    pub(super) status: u16,
    /// Where it came from in the end.
    pub(super) url: Url,
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
    pub(super) content_type: Option<String>,
    /// `None`: nothing has changed.
    pub(super) body: Option<Whole>,
}

impl Answer {
    pub(super) fn size_bytes(&self) -> u64 {
        self.body.as_ref().map_or(0, |body| body.size_bytes)
    }
}

/// No good answer. The message may still hold what a server said.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) fault: Fault,
    pub(super) message: String,
    pub(super) status: Option<u16>,
    /// Bytes that came before it failed, unpacked.
    pub(super) size_bytes: u64,
    /// How long the server wants to be left alone.
    pub(super) wait: Option<Duration>,
}

impl Failed {
    pub(super) fn new(fault: Fault, message: impl Into<String>) -> Self {
        Self { fault, message: message.into(), status: None, size_bytes: 0, wait: None }
    }

    pub(super) fn storage(failure: &Failure) -> Self {
        Self::new(Fault::Storage, format!("{failure}; {}", failure.code.hint()))
    }

    /// An answer that came whole but is not what was asked for.
    pub(super) fn content(answer: &Answer, message: impl Into<String>) -> Self {
        Self {
            status: Some(answer.status),
            size_bytes: answer.size_bytes(),
            ..Self::new(Fault::Content, message)
        }
    }

    /// The server could not be reached, or broke off before its headers.
    pub(super) fn unreachable(shown: &str, error: reqwest::Error) -> Self {
        let is_connect = error.is_connect();
        let why = cause(error);
        match is_connect {
            true => Self::new(
                Fault::Unreachable,
                format!(
                    "`{shown}` cannot be reached: {why}; look at the address, the network and the server"
                ),
            ),
            false => Self::new(
                Fault::CutShort,
                format!("`{shown}` broke off without an answer: {why}; it is asked again"),
            ),
        }
    }

    /// The body broke off.
    pub(super) fn cut_short(shown: &str, status: u16, size_bytes: u64, error: reqwest::Error) -> Self {
        let message = format!(
            "the answer of `{shown}` broke off after {size_bytes} bytes, or was damaged on the way: {}; nothing of it was kept",
            cause(error)
        );
        Self { status: Some(status), size_bytes, ..Self::new(Fault::CutShort, message) }
    }

    pub(super) fn timed_out(shown: &str, timeout: Duration, status: Option<u16>, size_bytes: u64) -> Self {
        let message = format!(
            "`{shown}` did not answer in full within {timeout:?}, {size_bytes} bytes had come; if it is always this slow, raise `timeout`"
        );
        Self { status, size_bytes, ..Self::new(Fault::TimedOut, message) }
    }

    pub(super) fn status(shown: &str, status: reqwest::StatusCode, wait: Option<Duration>) -> Self {
        let hint = match status.as_u16() {
            401 | 403 | 407 => "look at `auth`, `headers`, `query` and the secrets they refer to",
            404 | 410 => "look at the address",
            405 => "look at `method`",
            408 | 425 | 500..=599 => "the server has a problem; the feed is asked again by itself",
            429 => "the server asks for fewer requests; poll less often or set `per_host`",
            304 => "the server says so although nothing was there before; set `conditional: false`",
            _ => "look at the address, `method` and `headers`",
        };
        let message = format!("`{shown}` answered {status}; {hint}");
        Self { status: Some(status.as_u16()), wait, ..Self::new(Fault::Status(status.as_u16()), message) }
    }

    pub(super) fn too_large(shown: &str, status: u16, size_bytes: u64, most: u64) -> Self {
        let message = format!(
            "the answer of `{shown}` is larger than {most} bytes; if it is genuine, raise `max_size`. Nothing of it was kept"
        );
        Self { status: Some(status), size_bytes, ..Self::new(Fault::TooLarge, message) }
    }
}

/// The innermost reason: the outer ones only say that something failed.
fn cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        reason = inner.to_string();
        source = inner.source();
    }
    reason
}
