//! What a poll came to, and where polling stands: what the ledger keeps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::links::Progress;

/// One request of a poll, however often it was tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Poll {
    pub step: Step,
    /// The item of a fan-out, the page's number, or the link's file.
    pub item: Option<String>,
    /// The tick that it was for.
    pub due_ms: i64,
    pub started_ms: i64,
    /// From the start to the last byte, waits between attempts included.
    pub duration_ms: u64,
    /// The last answer's status; `None` where there was no answer.
    pub status: Option<u16>,
    /// Bytes of the answer, unpacked.
    pub size_bytes: u64,
    pub attempts: u32,
    /// Ticks before this one that nothing was polled for.
    pub n_missed: u64,
    /// The answer said, or was, the same as the one before: nothing landed.
    pub identical: bool,
    /// Where the answer landed, below the dataset's landing folder.
    pub path: Option<String>,
    /// blake3 of the answer, in hexadecimal.
    pub fingerprint: Option<String>,
    pub etag: Option<String>,
    /// Why it failed, for people; no secret's value is in it.
    pub error: Option<String>,
}

impl Poll {
    /// A request that has come to nothing yet.
    pub fn begun(step: Step, item: Option<String>, due_ms: i64, started_ms: i64) -> Self {
        Self {
            step,
            item,
            due_ms,
            started_ms,
            duration_ms: 0,
            status: None,
            size_bytes: 0,
            attempts: 0,
            n_missed: 0,
            identical: false,
            path: None,
            fingerprint: None,
            etag: None,
            error: None,
        }
    }
}

/// What a request was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The feed itself, or an item of a fan-out.
    Feed,
    /// The list of a fan-out's items.
    List,
    /// A page of links.
    Page,
    /// What a link led to.
    Link,
}

impl Step {
    pub fn name(self) -> &'static str {
        match self {
            Step::Feed => "feed",
            Step::List => "list",
            Step::Page => "page",
            Step::Link => "link",
        }
    }
}

/// Where polling of a feed stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cursor {
    /// The tick that was last polled for.
    pub last_tick_ms: Option<i64>,
    /// Until when the server wants to be left alone.
    pub hold_until_ms: Option<i64>,
    /// Which request the marks are of ([`super::Feed::request_key`]).
    pub request_key: String,
    /// The last good answer by item; the empty name where there are no items.
    pub marks: BTreeMap<String, Mark>,
    pub links: Progress,
}

/// What is known of the last good answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
    /// blake3 of its bytes, in hexadecimal.
    pub fingerprint: String,
}

impl Cursor {
    /// The cursor for a request: marks of another one are forgotten, the rest
    /// holds whatever the request.
    pub fn for_request(mut self, key: &str) -> Self {
        if self.request_key != key {
            self.request_key = key.to_string();
            self.marks.clear();
        }
        self
    }
}
