//! How many requests a host is asked at a time, and how fast after each other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use lakegate_domain::feed::HostLimits;
use tokio::sync::Notify;

use super::clock::Clock;

/// One gate per host, shared by all feeds.
pub(super) struct Gates {
    clock: Arc<dyn Clock>,
    hosts: Mutex<HashMap<String, Arc<Host>>>,
}

#[derive(Default)]
struct Host {
    /// Held by whoever is next; the others wait in the order in which they came.
    turn: tokio::sync::Mutex<()>,
    counts: Mutex<Counts>,
    left: Notify,
}

#[derive(Default)]
struct Counts {
    under_way: usize,
    last_start_ms: Option<i64>,
}

/// The right to have one request under way; given back when it is dropped.
pub(super) struct Pass(Arc<Host>);

impl Gates {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, hosts: Mutex::default() }
    }

    /// Waits until the host may be asked once more. Dropped while it waits it
    /// leaves no trace.
    pub(super) async fn enter(&self, host: &str, limits: HostLimits) -> Pass {
        let host = self
            .hosts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(host.to_string())
            .or_default()
            .clone();
        let turn = host.turn.lock().await;
        loop {
            let left = host.left.notified();
            if host.counts().under_way < limits.concurrency {
                break;
            }
            left.await;
        }
        let spacing = i64::try_from(limits.spacing.as_millis()).unwrap_or(i64::MAX);
        let now = self.clock.now_ms();
        // A start in the future is from before the clock was set back.
        let last = host.counts().last_start_ms.filter(|last| *last <= now);
        if let Some(wait) =
            last.and_then(|last| u64::try_from(last.saturating_add(spacing) - now).ok()).filter(|w| *w > 0)
        {
            self.clock.sleep(std::time::Duration::from_millis(wait)).await;
        }
        {
            let mut counts = host.counts();
            counts.under_way += 1;
            counts.last_start_ms = Some(self.clock.now_ms());
        }
        drop(turn);
        Pass(host)
    }
}

impl Host {
    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        // Nothing in here panics half-way through a change.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.counts().under_way -= 1;
        // Only the holder of the turn waits for it.
        self.0.left.notify_one();
    }
}
