//! What a host is asked at a time and how fast, whoever asks.

use std::time::Duration;

use lakegate_domain::feed::Cursor;
use lakegate_land::feed::{Which, poll_once};
use tokio::sync::mpsc;

use crate::Polled;
use crate::server::{Server, ok};

async fn poll_all(polled: &Polled) -> usize {
    let (sender, mut receiver) = mpsc::channel(100);
    let feeds: Vec<_> = polled.lake.datasets.iter().map(|d| (d.clone(), Cursor::default())).collect();
    poll_once(&polled.poller, feeds, Which::Due, &sender).await;
    drop(sender);
    let mut landed = 0;
    while let Some(round) = receiver.recv().await {
        landed += round.landed.len();
    }
    landed
}

#[tokio::test]
async fn some_hosts_forbid_requests_at_the_same_time() {
    for (limit, most) in [("", 6), ("feeds: { hosts: { 127.0.0.1: { concurrency: 1 } } }\n", 1)] {
        let server = Server::start(|asked| ok(&asked.target)).await;
        let feeds: Vec<(String, String)> =
            (0..6).map(|n| (format!("f{n}"), format!("url: {}", server.url(&format!("/{n}"))))).collect();
        let feeds: Vec<(&str, &str)> =
            feeds.iter().map(|(name, lines)| (name.as_str(), lines.as_str())).collect();
        let polled = Polled::lake(&format!("lake: l\n{limit}"), &feeds);
        assert_eq!(poll_all(&polled).await, 6);
        assert!(server.most_at_a_time() <= most, "{limit}: {}", server.most_at_a_time());
        assert!(limit.is_empty() == (server.most_at_a_time() > 1), "{limit}: {}", server.most_at_a_time());
    }
}

#[tokio::test]
async fn spacing_is_kept_from_start_to_start() {
    let server = Server::start(|asked| ok(&asked.target)).await;
    let items = Server::start(|_| ok("[1,2,3,4]")).await;
    let mut polled = Polled::feed(&format!(
        "url: {}\nper_host: {{ spacing: 2s }}\nlist: {{ url: '{}', items: . }}",
        server.url("/{item}"),
        items.url("/list")
    ));
    let round = polled.poll().await;
    assert_eq!(round.landed.len(), 4);
    // Both servers are one host: five requests, four waits between them.
    assert_eq!(polled.clock.waits(), [Duration::from_secs(2); 4]);
}
