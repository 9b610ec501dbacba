//! `expect_rows:` of a dataset and `notify:` of the lake: what is watched, and
//! who is told.

use std::time::Duration;

use super::feed::{address, sent_headers};
use crate::config::decode::{At, Reporter};
use crate::config::raw::{ExpectRowsKeys, NotifyKeys};
use crate::model::{ExpectRows, Webhook};

/// A shorter time is over before a run is.
const LEAST_WINDOW: Duration = Duration::from_secs(10);
/// For the hint of a secret that is written out.
const NAME: &str = "webhook";

pub(super) fn expect_rows(at: &At<ExpectRowsKeys>, report: &mut Reporter) -> Option<ExpectRows> {
    let keys = &at.value;
    let within = keys.within.at()?;
    if within.value.0 < LEAST_WINDOW {
        report.error(within.span, "this is too short to count rows in", "write `10s` or more");
    }
    if keys.at_least.is_absent() && keys.at_most.is_absent() {
        report.error(at.span, "nothing is expected", "add `at_least: 1000`, `at_most: …`, or both");
    }
    let expected = ExpectRows {
        within: within.value.0,
        at_least: keys.at_least.or(0),
        at_most: keys.at_most.get().copied(),
    };
    if let Some(most) = keys.at_most.at()
        && most.value < expected.at_least
    {
        report.error(most.span, format!("{} is less than `at_least`", most.value), "raise it, or lower that");
    }
    Some(expected)
}

pub(super) fn notify(keys: Option<&NotifyKeys>, report: &mut Reporter) -> Option<Webhook> {
    let keys = keys?;
    let headers = sent_headers(&keys.headers, false, NAME, report);
    let url = address(keys.webhook.at()?, &[], NAME, report)?;
    Some(Webhook { url, headers })
}
