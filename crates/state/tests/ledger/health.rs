//! What health is judged by, and what was told of it.

use lakegate_domain::DatasetName;
use lakegate_domain::feed::{Cursor, Poll, Step};
use lakegate_domain::health::State;
use lakegate_state::{Millis, Polled, RunStatus};

use crate::*;

#[tokio::test]
async fn rows_are_counted_from_the_first_run_on() {
    let ledger = Ledger::new().await;
    let bus = dataset();
    assert_eq!(ledger.rows_since(&bus, Millis(0)).await.unwrap(), None);
    for (at, n_rows) in [(1000, 5), (2000, 7), (3000, 11)] {
        let run = ledger.start_run("ingest", Some(&bus), Millis(at)).await.unwrap();
        ledger.end_run(run, RunStatus::Succeeded, 1, n_rows, None, Millis(at + 10)).await.unwrap();
        // Rows that come again are not rows that come.
        let run = ledger.start_run("replay", Some(&bus), Millis(at)).await.unwrap();
        ledger.end_run(run, RunStatus::Succeeded, 1, 1000, None, Millis(at + 10)).await.unwrap();
    }
    // Nobody has looked for so long.
    assert_eq!(ledger.rows_since(&bus, Millis(999)).await.unwrap(), None);
    assert_eq!(ledger.rows_since(&bus, Millis(1000)).await.unwrap(), Some(23));
    assert_eq!(ledger.rows_since(&bus, Millis(2001)).await.unwrap(), Some(11));
    assert_eq!(ledger.rows_since(&bus, Millis(9000)).await.unwrap(), Some(0));
    assert_eq!(ledger.rows_since(&DatasetName::new("no", "body"), Millis(9000)).await.unwrap(), None);
}

#[tokio::test]
async fn states_are_told_once() {
    let ledger = Ledger::new().await;
    let (bus, tram) = (dataset(), DatasetName::new("transit", "tram"));
    assert!(ledger.told().await.unwrap().is_empty());
    ledger.tell(&bus, State::Stale, Millis(1)).await.unwrap();
    ledger.tell(&tram, State::Low, Millis(2)).await.unwrap();
    ledger.tell(&bus, State::Fresh, Millis(3)).await.unwrap();
    assert_eq!(ledger.told().await.unwrap(), [(bus, State::Fresh), (tram, State::Low)].into());
}

#[tokio::test]
async fn failed_polls_come_newest_first() {
    let ledger = Ledger::new().await;
    let bus = dataset();
    let poll = |at: i64, error: Option<&str>| Poll {
        error: error.map(str::to_string),
        status: Some(500),
        ..Poll::begun(Step::Feed, None, at, at)
    };
    let polls = vec![poll(1, Some("first")), poll(2, None), poll(3, Some("second")), poll(4, Some("third"))];
    let polled = Polled { dataset: bus.clone(), polls, cursor: Cursor::default() };
    ledger.record_polls(&[polled], Millis(5)).await.unwrap();
    let failed = ledger.failed_polls(&bus, 2).await.unwrap();
    assert_eq!(failed.iter().map(|f| f.error.as_str()).collect::<Vec<_>>(), ["third", "second"]);
    assert_eq!((failed[0].started_at, failed[0].status), (Millis(4), Some(500)));
}
