//! A clock that shows what a test sets it to.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use lakegate_land::feed::Clock;
use tokio::sync::{oneshot, watch};

use crate::START_MS;

#[derive(Clone)]
pub struct TestClock(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    /// Told whenever somebody begins or ends to wait.
    changed: watch::Sender<u64>,
}

struct State {
    now_ms: i64,
    /// Shorter waits pass at once and move the hands.
    hurried: Duration,
    sleepers: Vec<(i64, oneshot::Sender<()>)>,
    /// Every wait that was asked for.
    waits: Vec<Duration>,
}

impl TestClock {
    pub fn hurried(hurried: Duration) -> Self {
        let state = State { now_ms: START_MS, hurried, sleepers: Vec::new(), waits: Vec::new() };
        Self(Arc::new(Inner { state: Mutex::new(state), changed: watch::channel(0).0 }))
    }

    pub fn standing() -> Self {
        Self::hurried(Duration::ZERO)
    }

    pub fn now(&self) -> i64 {
        self.0.state.lock().unwrap().now_ms
    }

    /// Turns the hands on and wakes whoever waited for it.
    pub fn pass(&self, time: Duration) {
        {
            let mut state = self.0.state.lock().unwrap();
            state.now_ms += i64::try_from(time.as_millis()).unwrap();
            let now = state.now_ms;
            let (due, rest) = std::mem::take(&mut state.sleepers).into_iter().partition(|(at, _)| *at <= now);
            state.sleepers = rest;
            for (_, wake) in due {
                let _ = wake.send(()); // it may have stopped waiting
            }
        }
        self.0.changed.send_modify(|n| *n += 1);
    }

    /// Until so many wait for exactly this moment, in milliseconds after the start.
    pub async fn sleepers_at(&self, after_start_ms: i64, n: usize) {
        let mut changed = self.0.changed.subscribe();
        loop {
            {
                let state = self.0.state.lock().unwrap();
                let is_waiting = |(at, wake): &&(i64, oneshot::Sender<()>)| {
                    *at == START_MS + after_start_ms && !wake.is_closed()
                };
                if state.sleepers.iter().filter(is_waiting).count() >= n {
                    return;
                }
            }
            changed.changed().await.unwrap();
        }
    }

    /// The waits so far that passed at once, but for those of no time.
    pub fn waits(&self) -> Vec<Duration> {
        self.0.state.lock().unwrap().waits.clone()
    }

    fn wait(&self, at_ms: i64) -> BoxFuture<'static, ()> {
        let receiver = {
            let mut state = self.0.state.lock().unwrap();
            if at_ms <= state.now_ms {
                return std::future::ready(()).boxed();
            }
            let wait = Duration::from_millis((at_ms - state.now_ms).unsigned_abs());
            if wait < state.hurried {
                state.now_ms = at_ms;
                state.waits.push(wait);
                return std::future::ready(()).boxed();
            }
            let (sender, receiver) = oneshot::channel();
            state.sleepers.push((at_ms, sender));
            receiver
        };
        self.0.changed.send_modify(|n| *n += 1);
        receiver.map(|_| ()).boxed()
    }
}

impl Clock for TestClock {
    fn now_ms(&self) -> i64 {
        self.now()
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        self.wait(self.now() + i64::try_from(wait.as_millis()).unwrap())
    }

    fn sleep_until(&self, at_ms: i64) -> BoxFuture<'static, ()> {
        self.wait(at_ms)
    }
}
