//! The health of datasets, watched for as long as the process lives; who is to
//! be told of a change is told once.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lakegate_domain::health::is_news;
use lakegate_domain::model::Webhook;
use lakegate_domain::{Code, Failure};
use lakegate_lake::session::Session;
use lakegate_serve::{Stood, Watch};
use serde_json::{Value, json};

use crate::context::{Context, now};
use crate::engine::pause;
use crate::system::Ledger;

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(5);
/// Memory for looking at tables' logs, bytes.
const MEMORY: u64 = 32 << 20;

/// Looks at everything that is published or watched.
pub fn watch(ctx: &Context) -> Result<Watch, Failure> {
    let system = Arc::new(Ledger(Some(ctx.store.clone())));
    let session = Session::new(ctx.lake.storage.clone(), MEMORY, &ctx.spill, system)
        .map_err(|e| Failure::new(Code::Storage, e.to_string()))?;
    Ok(Watch::new(ctx.lake.clone(), session, ctx.store.clone()))
}

/// How everything stands.
pub fn look(ctx: &Context, watch: &Watch) -> Result<Vec<Stood>, Failure> {
    ctx.runtime.block_on(watch.look()).map_err(|e| Failure::new(Code::Storage, e))
}

/// Tells the webhook of changes until the process is to stop. Ends at once
/// where there is none.
///
/// # Errors
/// Where the ledger cannot be read or written, or the webhook takes no message:
/// begun anew, it is told what it has not been told.
pub fn keep_watching(ctx: &Context) -> Result<(), Failure> {
    let Some(webhook) = &ctx.lake.webhook else { return Ok(()) };
    let watch = watch(ctx)?;
    while !ctx.stopping() {
        let mut told = ctx.block(ctx.store.told())?;
        for stood in look(ctx, &watch)? {
            let standing = &stood.standing;
            let before = told.remove(&stood.dataset);
            if ctx.stopping() {
                return Ok(());
            }
            if !is_news(before, standing.state, standing.rules) {
                continue;
            }
            let message = message(ctx, &stood, before.map(|s| s.name()));
            tell(ctx, webhook, &message)?;
            ctx.block(ctx.store.tell(&stood.dataset, standing.state, now()))?;
        }
        pause(ctx, EVERY);
    }
    Ok(())
}

fn tell(ctx: &Context, webhook: &Webhook, message: &Value) -> Result<(), Failure> {
    let environment: lakegate_land::feed::Environment = Arc::new(|name: &str| std::env::var(name).ok());
    ctx.runtime.block_on(lakegate_land::feed::tell(webhook, message, &environment, &ctx.lake.root))
}

fn message(ctx: &Context, stood: &Stood, before: Option<&str>) -> Value {
    let standing = &stood.standing;
    let is_unwell = standing.is_unwell();
    let word = if is_unwell { standing.state.name() } else { "well again" };
    let mut text = format!("{} of the lake {} is {word}", stood.name(), ctx.lake.name);
    if let Some(detail) = &standing.detail {
        text.push_str(&format!(": {detail}"));
    } else if let (true, Some(age)) = (is_unwell, standing.age_s) {
        text.push_str(&format!(": its newest data are {age} s old"));
    }
    json!({
        "text": text, "lake": ctx.lake.name, "dataset": stood.dataset.to_string(), "feed": stood.feed,
        "state": standing.state.name(), "unwell": is_unwell, "told_before": before,
        "newest": standing.newest, "committed": standing.committed, "age_s": standing.age_s,
        "stale_after_s": standing.stale_after_s, "rows_within": standing.rows_within,
        "detail": standing.detail, "at": Timestamp::now(),
    })
}
