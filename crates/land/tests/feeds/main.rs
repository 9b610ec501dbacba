//! Polling, against a server on loopback that can misbehave exactly, under a
//! clock that the tests turn.

mod clock;
mod fanout;
mod faults;
mod hosts;
mod links;
mod schedule;
mod secret;
mod server;
mod single;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lakegate_domain::config::{SourceText, compile};
use lakegate_domain::feed::{Cursor, Due};
use lakegate_domain::model::{Dataset, Lake};
use lakegate_land::feed::{Poller, Round};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::clock::TestClock;

/// When all tests begin: 2025-11-21T12:00:00Z.
const START_MS: i64 = 1_763_726_400_000;

/// A lake with feeds and who polls them.
struct Polled {
    folder: TempDir,
    lake: Lake,
    clock: TestClock,
    poller: Arc<Poller>,
    cursors: BTreeMap<String, Cursor>,
}

impl Polled {
    /// A lake of one dataset, `t.d`, with these lines below `feed:`.
    fn feed(lines: &str) -> Self {
        Self::lake("lake: l\n", &[("d", lines)])
    }

    fn lake(lake: &str, feeds: &[(&str, &str)]) -> Self {
        Self::with_env(lake, feeds, &[])
    }

    /// Waits of less than ten minutes pass at once; timeouts are far longer
    /// where a feed says nothing else.
    fn with_env(lake: &str, feeds: &[(&str, &str)], env: &[(&str, &str)]) -> Self {
        Self::build(lake, feeds, env, TestClock::hurried(Duration::from_secs(600)))
    }

    /// No wait passes before the test turns the clock.
    fn on_clock(lake: &str, feeds: &[(&str, &str)], clock: TestClock) -> Self {
        Self::build(lake, feeds, &[], clock)
    }

    fn build(lake: &str, feeds: &[(&str, &str)], env: &[(&str, &str)], clock: TestClock) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let datasets: Vec<SourceText> = feeds
            .iter()
            .map(|(name, lines)| {
                let (dataset, feed): (Vec<&str>, Vec<&str>) =
                    lines.lines().partition(|line| line.starts_with('^'));
                let dataset: String = dataset.iter().map(|line| format!("{}\n", &line[1..])).collect();
                let feed: String = feed.iter().map(|line| format!("  {line}\n")).collect();
                let every = if feed.contains("every:") { "" } else { "  every: 30s\n  jitter: 0s\n" };
                let timeout = if feed.contains("  timeout:") { "" } else { "  timeout: 1h\n" };
                let text = format!("team: t\n{dataset}feed:\n{feed}{every}{timeout}");
                SourceText::new(format!("datasets/{name}.yaml"), text)
            })
            .collect();
        let lake = SourceText::new("lake.yaml", lake);
        let lake = match compile(folder.path(), &lake, &datasets, &|_| None) {
            Ok(lake) => lake,
            Err(errors) => panic!("{errors}"),
        };
        let env: BTreeMap<String, String> = env.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let poller =
            Poller::new(&lake, Arc::new(clock.clone()), Arc::new(move |name: &str| env.get(name).cloned()))
                .unwrap();
        Self { folder, lake, clock, poller: Arc::new(poller), cursors: BTreeMap::new() }
    }

    fn dataset(&self, name: &str) -> Arc<Dataset> {
        self.lake.dataset(&format!("t.{name}").parse().unwrap()).unwrap().clone()
    }

    fn cursor(&self) -> &Cursor {
        &self.cursors["d"]
    }

    /// Polls `t.d` and gives all it came to as one round.
    async fn poll(&mut self) -> Round {
        let rounds = self.poll_in_parts().await;
        let last = rounds.last().unwrap().clone();
        Round {
            polls: rounds.iter().flat_map(|r| r.polls.clone()).collect(),
            landed: rounds.iter().flat_map(|r| r.landed.clone()).collect(),
            ..last
        }
    }

    async fn poll_in_parts(&mut self) -> Vec<Round> {
        let dataset = self.dataset("d");
        let mut cursor = self.cursors.remove("d").unwrap_or_default();
        let now = self.clock.now();
        let due = Due { tick_ms: now, at_ms: now, n_missed: 0 };
        let (sender, mut receiver) = mpsc::channel(1000);
        self.poller.poll(&dataset, &mut cursor, due, &sender).await;
        drop(sender);
        let mut rounds = Vec::new();
        while let Some(round) = receiver.recv().await {
            rounds.push(round);
        }
        let last = rounds.last().expect("a poll says what it came to");
        assert!(last.is_last && last.cursor == cursor);
        assert!(rounds.iter().rev().skip(1).all(|round| !round.is_last));
        self.cursors.insert("d".into(), cursor);
        self.clock.pass(Duration::from_secs(30));
        rounds
    }

    /// Everything below the landing folder of `t.d`: paths and contents.
    fn landed(&self) -> Vec<(String, Vec<u8>)> {
        let landing = self.dataset("d").landing.clone();
        let mut found = Vec::new();
        walk(&landing, &landing, &mut found);
        found.sort();
        found
    }

    fn landed_texts(&self) -> Vec<String> {
        self.landed().into_iter().map(|(_, bytes)| String::from_utf8(bytes).unwrap()).collect()
    }
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path: PathBuf = entry.unwrap().path();
        if path.is_dir() {
            walk(root, &path, found);
        } else {
            let relative = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            found.push((relative, std::fs::read(&path).unwrap()));
        }
    }
}

/// The only poll of a round.
fn only(round: &Round) -> &lakegate_domain::feed::Poll {
    assert_eq!(round.polls.len(), 1, "{:#?}", round.polls);
    &round.polls[0]
}

fn error(round: &Round) -> &str {
    only(round).error.as_deref().expect("it failed")
}
