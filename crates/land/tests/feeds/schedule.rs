//! Feeds that are polled by the clock.

use std::time::Duration;

use lakegate_domain::feed::Cursor;
use lakegate_land::feed::{Round, Scheduler, Which, poll_once};
use tokio::sync::mpsc;

use crate::clock::TestClock;
use crate::server::{Reply, Server, answer, ok};
use crate::{Polled, START_MS};

const S: fn(u64) -> Duration = Duration::from_secs;

fn start(polled: &Polled, rounds: &mpsc::Sender<Round>) -> Scheduler {
    let feeds: Vec<_> = polled.lake.datasets.iter().map(|d| (d.clone(), Cursor::default())).collect();
    Scheduler::start(&polled.poller, feeds, rounds)
}

#[tokio::test]
async fn a_dead_feed_never_delays_another_and_missed_ticks_are_counted() {
    let good = Server::start(|_| ok("data")).await;
    let dead = Server::start(|_| Reply::Stall(Vec::new())).await;
    let clock = TestClock::standing();
    let dead_feed = format!("url: {}\ntimeout: 100s\nretries: 0\nevery: 30s\njitter: 0s", dead.url("/x"));
    let polled = Polled::on_clock(
        "lake: l\n",
        &[("dead", &dead_feed), ("good", &format!("url: {}\nevery: 30s\njitter: 0s", good.url("/x")))],
        clock.clone(),
    );
    let (sender, mut rounds) = mpsc::channel(100);
    let scheduler = start(&polled, &sender);
    dead.until_asked(1).await;
    // Both hosts are one, and the dead feed holds its place all the time.
    for tick in 0..4 {
        let round = rounds.recv().await.unwrap();
        assert_eq!(
            (round.dataset.dataset.as_str(), round.polls[0].due_ms),
            ("good", START_MS + tick * 30_000)
        );
        assert_eq!((round.polls[0].n_missed, round.polls[0].identical), (0, tick > 0));
        clock.sleepers_at((tick + 1) * 30_000, 1).await;
        if tick < 3 {
            clock.pass(S(30));
        }
    }
    // At 90 s; the dead feed's time is over at 100 s.
    clock.pass(S(10));
    let round = rounds.recv().await.unwrap();
    assert_eq!((round.dataset.dataset.as_str(), round.polls[0].due_ms), ("dead", START_MS));
    assert!(round.polls[0].error.as_deref().unwrap().contains("did not answer in full"));
    // It makes up for the last of the ticks at 30, 60 and 90 s, once.
    dead.until_asked(2).await;
    clock.sleepers_at(200_000, 1).await;
    clock.pass(S(100));
    let mut round = rounds.recv().await.unwrap();
    while round.dataset.dataset == "good" {
        assert_eq!(round.polls[0].n_missed, 2, "120 and 150 went by while nobody turned the clock");
        round = rounds.recv().await.unwrap();
    }
    assert_eq!((round.polls[0].due_ms, round.polls[0].n_missed), (START_MS + 90_000, 2));
    drop(scheduler);
}

#[tokio::test]
async fn a_server_that_asked_to_be_left_alone_is_polled_when_it_may() {
    let server =
        Server::script(vec![answer("429 Too Many Requests", "Retry-After: 100", ""), ok("data")]).await;
    let clock = TestClock::standing();
    let polled =
        Polled::on_clock("lake: l\n", &[("d", &format!("url: {}", server.url("/x")))], clock.clone());
    let (sender, mut rounds) = mpsc::channel(100);
    let scheduler = start(&polled, &sender);
    let round = rounds.recv().await.unwrap();
    assert_eq!(round.cursor.hold_until_ms, Some(START_MS + 100_000));
    clock.sleepers_at(100_000, 1).await;
    clock.pass(S(100));
    let round = rounds.recv().await.unwrap();
    assert_eq!((round.polls[0].due_ms, round.polls[0].n_missed), (START_MS + 90_000, 2));
    assert_eq!(round.cursor.hold_until_ms, None);
    drop(scheduler);
}

#[tokio::test]
async fn stopping_begins_nothing_and_waits_for_what_is_under_way() {
    let server = Server::start(|asked| match asked.target.as_str() {
        "/slow" => Reply::Stall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n".to_vec()),
        _ => ok("data"),
    })
    .await;
    let clock = TestClock::standing();
    let slow = format!("url: {}\ntimeout: 20s\nretries: 5", server.url("/slow"));
    let polled = Polled::on_clock(
        "lake: l\n",
        &[("idle", &format!("url: {}", server.url("/x"))), ("slow", &slow)],
        clock.clone(),
    );
    let (sender, mut rounds) = mpsc::channel(100);
    let scheduler = start(&polled, &sender);
    assert_eq!(rounds.recv().await.unwrap().dataset.dataset, "idle");
    server.until_asked(2).await;
    clock.sleepers_at(20_000, 1).await;
    clock.sleepers_at(30_000, 1).await;
    let stopping = tokio::spawn(scheduler.stop());
    // The slow one goes on until its time is over, attempt by attempt.
    while !stopping.is_finished() {
        clock.pass(S(1));
        tokio::task::yield_now().await;
    }
    stopping.await.unwrap();
    drop(sender);
    let round = rounds.recv().await.unwrap();
    assert_eq!((round.dataset.dataset.as_str(), round.polls[0].attempts), ("slow", 6));
    assert!(rounds.recv().await.is_none(), "nothing was begun");
}

#[tokio::test]
async fn abandoned_polls_leave_nothing() {
    let long = [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &vec![b'x'; 400_000]].concat();
    let server = Server::start(move |_| Reply::Stall(long.clone())).await;
    let polled =
        Polled::on_clock("lake: l\n", &[("d", &format!("url: {}", server.url("/x")))], TestClock::standing());
    let (sender, mut rounds) = mpsc::channel(100);
    let scheduler = start(&polled, &sender);
    let spooling = polled.dataset("d").landing.join(".polling");
    while std::fs::read_dir(&spooling).map_or(0, Iterator::count) == 0 {
        tokio::task::yield_now().await;
    }
    drop(scheduler);
    drop(sender);
    assert!(rounds.recv().await.is_none());
    assert!(polled.landed().is_empty());
}

#[tokio::test]
async fn once_means_what_is_due_or_everything() {
    let server = Server::start(|asked| ok(&asked.target)).await;
    let polled = Polled::lake(
        "lake: l\n",
        &[
            ("a", &format!("url: {}\nevery: 1h", server.url("/a"))),
            ("b", &format!("url: {}\nevery: 1h", server.url("/b"))),
            ("c", &format!("url: {}\nevery: 1h", server.url("/c"))),
        ],
    );
    polled.clock.pass(S(1800));
    let cursors = || {
        // `a` was never polled, `b` was for this hour, `c` is left alone for a while.
        let at = |last_ms: Option<i64>, hold_ms: Option<i64>| Cursor {
            last_tick_ms: last_ms.map(|ms| START_MS + ms),
            hold_until_ms: hold_ms.map(|ms| START_MS + ms),
            ..Cursor::default()
        };
        let cursors = [at(None, None), at(Some(0), None), at(Some(-3_600_000), Some(2_000_000))];
        polled.lake.datasets.iter().cloned().zip(cursors).collect::<Vec<_>>()
    };
    for (which, want) in [(Which::Due, vec!["a"]), (Which::Now, vec!["a", "b", "c"])] {
        let (sender, mut receiver) = mpsc::channel(100);
        poll_once(&polled.poller, cursors(), which, &sender).await;
        drop(sender);
        let mut polled_feeds = Vec::new();
        while let Some(round) = receiver.recv().await {
            assert_eq!(round.polls[0].error, None);
            // After a forced poll the next tick is the next hour's.
            let due = polled.dataset(&round.dataset.dataset).feed.as_ref().unwrap().schedule.due(
                "x",
                Duration::ZERO,
                round.cursor.last_tick_ms,
                None,
                polled.clock.now(),
            );
            assert_eq!(due.unwrap().tick_ms, START_MS + 3_600_000);
            polled_feeds.push(round.dataset.dataset);
        }
        polled_feeds.sort();
        assert_eq!(polled_feeds, want, "{which:?}");
    }
}
