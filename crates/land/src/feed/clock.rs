//! Time as polling sees it: handed in, so that tests can turn the hands.

use std::time::{Duration, SystemTime};

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::disk::unix_ns;

/// A clock and the waits that go by it.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970 (UTC).
    fn now_ms(&self) -> i64;

    /// Waits so long, whatever becomes of the clock's hands.
    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()>;

    /// Waits until the clock shows this.
    fn sleep_until(&self, at_ms: i64) -> BoxFuture<'static, ()>;
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

/// How soon a clock that was set, or a machine that slept, is noticed.
const LOOK_EVERY: Duration = Duration::from_secs(10);

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        unix_ns(SystemTime::now()) / 1_000_000
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(wait).boxed()
    }

    fn sleep_until(&self, at_ms: i64) -> BoxFuture<'static, ()> {
        async move {
            loop {
                let left = at_ms.saturating_sub(SystemClock.now_ms());
                match u64::try_from(left) {
                    Ok(ms) if ms > 0 => tokio::time::sleep(Duration::from_millis(ms).min(LOOK_EVERY)).await,
                    _ => return,
                }
            }
        }
        .boxed()
    }
}
