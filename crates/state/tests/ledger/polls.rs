//! Polls of feeds and their cursors.

use lakegate_domain::DatasetName;
use lakegate_domain::feed::links::{Progress, Record};
use lakegate_domain::feed::{Cursor, Mark, Poll, Step};
use lakegate_state::{Millis, Polled};
use serde_json::{Value, json};

use crate::*;

fn poll(started_ms: i64) -> Poll {
    Poll {
        duration_ms: 40,
        status: Some(200),
        size_bytes: 9,
        attempts: 1,
        path: Some(format!("{started_ms}.pb")),
        fingerprint: Some("ff".into()),
        ..Poll::begun(Step::Feed, None, started_ms - 5, started_ms)
    }
}

fn failed(started_ms: i64) -> Poll {
    Poll {
        error: Some("no connection".into()),
        attempts: 3,
        ..Poll::begun(Step::List, None, started_ms, started_ms)
    }
}

fn cursor(last_tick_ms: i64) -> Cursor {
    let mut links = Progress { cursor: Some("2024-01-01".into()), ..Progress::default() };
    let record = |id: &str| Record {
        id: id.into(),
        link: "l".into(),
        name: "n".into(),
        updated: Some("2024-01-02".into()),
    };
    links.fetched(&record("a"));
    links.led_nowhere(&record("b"));
    let mark = Mark { etag: Some("\"v1\"".into()), last_modified: None, fingerprint: "ff".into() };
    Cursor {
        last_tick_ms: Some(last_tick_ms),
        hold_until_ms: Some(7),
        request_key: "k".into(),
        marks: [(String::new(), mark.clone()), ("B63 \"x\"".into(), mark)].into(),
        links,
    }
}

fn polled(dataset: &DatasetName, polls: Vec<Poll>, at: i64) -> Polled {
    Polled { dataset: dataset.clone(), polls, cursor: cursor(at) }
}

#[tokio::test]
async fn polls_and_cursors_are_recorded_together() {
    let ledger = Ledger::new().await;
    let (bus, tram) = (dataset(), DatasetName::new("transit", "tram"));
    assert!(ledger.feed_cursors().await.unwrap().is_empty());
    let item = Poll { item: Some("B63".into()), identical: true, n_missed: 2, path: None, ..poll(110) };
    ledger
        .record_polls(
            &[polled(&bus, vec![poll(100), item], 100), polled(&tram, vec![failed(105)], 105)],
            Millis(120),
        )
        .await
        .unwrap();
    ledger.record_polls(&[polled(&bus, vec![], 130)], Millis(130)).await.unwrap();
    let cursors = ledger.feed_cursors().await.unwrap();
    assert_eq!((cursors.len(), &cursors[&bus], &cursors[&tram]), (2, &cursor(130), &cursor(105)));

    ledger.poll_ingested(&bus, "100.pb", 42, Some(Millis(99))).await.unwrap();
    ledger.poll_ingested(&bus, "unheard.pb", 1, None).await.unwrap();
    ledger.poll_ingested(&DatasetName::new("no", "body"), "100.pb", 1, None).await.unwrap();
    let rows = ledger.system("polls").await;
    let row = |values: Value| values.as_array().unwrap().clone();
    assert_eq!(
        rows,
        [
            row(json!([
                1,
                "transit.bus",
                "feed",
                null,
                95,
                100,
                40,
                200,
                9,
                1,
                0,
                false,
                "100.pb",
                "ff",
                null,
                42,
                99,
                null
            ])),
            row(json!([
                2,
                "transit.bus",
                "feed",
                "B63",
                105,
                110,
                40,
                200,
                9,
                1,
                2,
                true,
                null,
                "ff",
                null,
                null,
                null,
                null
            ])),
            row(json!([
                3,
                "transit.tram",
                "list",
                null,
                105,
                105,
                0,
                null,
                0,
                3,
                0,
                false,
                null,
                null,
                null,
                null,
                null,
                "no connection"
            ])),
        ]
    );
}

#[tokio::test]
async fn a_path_that_lands_again_means_its_last_poll() {
    let ledger = Ledger::new().await;
    let again = Poll { path: Some("100.pb".into()), ..poll(200) };
    ledger.record_polls(&[polled(&dataset(), vec![poll(100), again], 1)], Millis(1)).await.unwrap();
    ledger.poll_ingested(&dataset(), "100.pb", 5, None).await.unwrap();
    let rows = ledger.system("polls").await;
    assert_eq!((&rows[0][15], &rows[1][15]), (&Value::Null, &json!(5)));
}

#[tokio::test]
async fn records_of_polls_do_not_grow_for_ever() {
    let ledger = Ledger::new().await;
    let polls = (0..1000).map(poll).collect();
    ledger.record_polls(&[polled(&dataset(), polls, 1)], Millis(1)).await.unwrap();
    assert_eq!(ledger.trim_polls(Millis(100), 10_000).await.unwrap(), 100);
    assert_eq!(ledger.trim_polls(Millis(100), 10_000).await.unwrap(), 0);
    assert_eq!(ledger.trim_polls(Millis(100), 250).await.unwrap(), 650);
    let rows = ledger.system("polls").await;
    assert_eq!((rows.len(), &rows[0][5]), (250, &json!(750)), "the newest stay");
    assert_eq!(ledger.feed_cursors().await.unwrap()[&dataset()], cursor(1), "the cursor stays");
}
