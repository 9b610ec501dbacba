//! Finishing, parking and trying again.

use lakegate_domain::job::FileState;
use lakegate_domain::{Code, Failure, FileId, RunId, Seq};
use lakegate_state::{Error, ExpectationResult, Millis, Outcome, RunStatus, TableRows};
use serde_json::json;

use crate::*;

fn rich(job: &lakegate_state::Job) -> Outcome {
    let quarantined = TableRows { n_in: 5, n_read: 6, n_quarantined: 2, ..rows(table(), 3) };
    Outcome {
        tables: vec![quarantined, rows(dataset().table("alerts"), 0)],
        column_stats: json!({ table().to_string(): {
            "speed": { "count": 5, "nulls": 1, "min": 0.5, "max": 9, "mean": 4.25, "distinct": 3 },
            "route": { "count": 5, "nulls": 0, "min": "B1", "max": "B9" },
        }})
        .to_string(),
        n_read: 6,
        expectations: vec![ExpectationResult {
            table: table(),
            name: "speed_positive".into(),
            on_fail: "quarantine".into(),
            n_checked: 5,
            n_failed: 2,
            first_rows: vec![3, 4],

            first_times: Vec::new(),
            first_values: Vec::new(),
            sample: Some("-1".into()),
        }],
        ..outcome(job)
    }
}

#[tokio::test]
async fn finishing_stores_everything_at_once() {
    let ledger = Ledger::new().await;
    ledger.take(&[arrival("a", "1"), arrival("b", "2")]).await;
    let run = ledger.start_run("ingest", Some(&dataset()), Millis(5)).await.unwrap();
    let claim = ledger.claim_all("w", 5).await.unwrap();
    let outcomes = [rich(&claim.jobs[0]), outcome(&claim.jobs[1])];
    let commits = [commit(table().quarantine(), 0, 2, 6), commit(table(), 4, 2, 7)];
    ledger.finish(&lane(), "w", &outcomes, &commits, run, Millis(8)).await.unwrap();
    ledger.end_run(run, RunStatus::Succeeded, 2, 6, None, Millis(9)).await.unwrap();

    let file = ledger.file(FileId(1)).await.unwrap().unwrap();
    assert_eq!((file.state, file.committed_at, file.run), (FileState::Committed, Some(Millis(8)), Some(run)));
    assert_eq!((file.n_read, file.n_rows, file.duration_ms), (Some(6), Some(3), Some(2)));
    let mut tables = outcomes[0].tables.clone();
    tables.sort_by(|a, b| a.table.cmp(&b.table));
    assert_eq!(ledger.rows_of(FileId(1)).await.unwrap(), tables);

    let table_text = table().to_string();
    let system = async |name| ledger.system(name).await;
    assert_eq!(
        system("expectations").await,
        [json!([
            1,
            table_text,
            "speed_positive",
            null,
            "quarantine",
            5,
            2,
            "[3,4]",
            null,
            null,
            "[]",
            "[]",
            "-1",
            8
        ])
        .as_array()
        .unwrap()
        .clone()]
    );
    assert_eq!(
        system("column_stats").await,
        [
            json!([1, table_text, "speed", 5, 1, "0.5", "9", 4.25, 3]).as_array().unwrap().clone(),
            json!([1, table_text, "route", 5, 0, "B1", "B9", null, null]).as_array().unwrap().clone(),
        ]
    );
    assert_eq!(
        system("lineage").await,
        [
            json!([1, "transit.bus", "a", table_text, 4, 3, 8]).as_array().unwrap().clone(),
            json!([1, "transit.bus", "a", table().quarantine().to_string(), 0, 2, 8])
                .as_array()
                .unwrap()
                .clone(),
            json!([2, "transit.bus", "b", table_text, 4, 3, 8]).as_array().unwrap().clone(),
        ]
    );
    assert_eq!(system("commits").await.len(), 2);
    assert_eq!(system("file_tables").await.len(), 3);
    let runs = json!([run.0, "ingest", "transit.bus", "succeeded", 5, 9, 2, 6, null]);
    assert_eq!(system("runs").await, [runs.as_array().unwrap().clone()]);
}

#[tokio::test]
async fn a_file_came_with_the_first_commit_that_reaches_its_seq() {
    let ledger = Ledger::new().await;
    ledger.take(&[arrival("a", "1"), arrival("b", "2"), arrival("c", "3")]).await;
    let claim = ledger.claim_all("w", 2).await.unwrap();
    let outcomes: Vec<Outcome> = claim.jobs.iter().map(outcome).collect();
    let commits = [commit(table(), 9, 2, 3), commit(table(), 8, 1, 3)];
    ledger.finish(&lane(), "w", &outcomes, &commits, RUN, Millis(3)).await.unwrap();
    let lineage = ledger.system("lineage").await;
    let versions: Vec<_> = lineage.iter().map(|row| row[4].clone()).collect();
    // The third file's commit is not known: its acknowledgement was lost.
    assert_eq!(versions, [json!(8), json!(9), json!(null)]);
}

#[tokio::test]
async fn finishing_twice_changes_nothing_the_second_time() {
    let ledger = Ledger::new().await;
    ledger.take(&[arrival("a", "1"), arrival("b", "2")]).await;
    let claim = ledger.claim_all("w", 2).await.unwrap();
    let (a, b) = (outcome(&claim.jobs[0]), outcome(&claim.jobs[1]));
    let commits = [commit(table(), 0, 1, 3)];
    ledger.finish(&lane(), "w", std::slice::from_ref(&a), &commits, RunId(7), Millis(3)).await.unwrap();
    ledger.finish(&lane(), "w", &[a, b], &commits, RunId(8), Millis(4)).await.unwrap();
    let first = ledger.file(FileId(1)).await.unwrap().unwrap();
    assert_eq!((first.committed_at, first.run), (Some(Millis(3)), Some(RunId(7))));
    assert_eq!(ledger.states().await, "f1 committed, f2 committed");
    assert_eq!(ledger.system("commits").await.len(), 1);
}

#[tokio::test]
async fn finishing_is_all_or_nothing() {
    let ledger = Ledger::new().await;
    ledger.take(&[arrival("a", "1"), arrival("b", "2")]).await;
    let claim = ledger.claim_all("w", 2).await.unwrap();
    let (a, b) = (outcome(&claim.jobs[0]), outcome(&claim.jobs[1]));
    ledger.park(b.file_id, b.job_id, &malformed(), None, Millis(3)).await.unwrap();
    let result = ledger
        .finish(&lane(), "w", &[a.clone(), b.clone()], &[commit(table(), 0, 2, 3)], RUN, Millis(4))
        .await;
    let Err(Error::NotOpen { job_id, result }) = result else { panic!("{result:?}") };
    assert_eq!((job_id, result.as_str()), (b.job_id, "parked"));
    assert_eq!(ledger.states().await, "f1 leased, f2 parked");
    assert!(ledger.system("commits").await.is_empty());

    // A job is not taken for another file's.
    let mixed = Outcome { file_id: b.file_id, ..a };
    let result = ledger.finish(&lane(), "w", &[mixed], &[], RUN, Millis(4)).await;
    assert!(matches!(result, Err(Error::Corrupt { .. })), "{result:?}");
}

#[tokio::test]
async fn parking_leaves_a_hole_that_others_pass() {
    let ledger = Ledger::new().await;
    ledger.take(&[arrival("a", "1"), arrival("b", "2")]).await;
    let claim = ledger.claim_all("w", 2).await.unwrap();
    let job = &claim.jobs[0];
    let state = ledger.park(job.file_id, job.job_id, &malformed(), Some(RunId(4)), Millis(3)).await.unwrap();
    assert_eq!(state, FileState::Parked);
    let file = ledger.file(FileId(1)).await.unwrap().unwrap();
    assert_eq!((file.code, file.message.as_deref()), (Some(Code::Malformed), Some("line 3 has no end")));
    assert_eq!((file.attempts, file.since, file.run), (1, Millis(3), Some(RunId(4))));
    assert_eq!(ledger.drain("w", 4).await, [[FileId(2)]]);

    // Who comes late changes nothing.
    let late = ledger.park(FileId(2), claim.jobs[1].job_id, &malformed(), None, Millis(5)).await;
    assert!(matches!(&late, Err(Error::NotOpen { result, .. }) if result == "done"), "{late:?}");
    assert_eq!(ledger.states().await, "f1 parked, f2 committed");
}

#[tokio::test]
async fn a_file_that_fails_after_its_replacement_came_is_replaced() {
    let ledger = Ledger::new().await;
    ledger.take(&[arrival("a", "1")]).await;
    let claim = ledger.claim_all("w", 2).await.unwrap();
    ledger.take(&[arrival("a", "2")]).await;
    let state = ledger.park(FileId(1), claim.jobs[0].job_id, &malformed(), None, Millis(3)).await.unwrap();
    assert_eq!(state, FileState::Replaced);
    assert_eq!(ledger.claim_all("w", 4).await.unwrap().jobs[0].replaces, []);
    // Its failure is on record all the same.
    assert_eq!(ledger.system("failures").await.len(), 1);
}

#[tokio::test]
async fn every_attempt_is_counted_and_recorded() {
    let ledger = Ledger::new().await;
    ledger.take(&[arrival("a", "1"), arrival("b", "2")]).await;
    let full = Failure::new(Code::DiskFull, "no space left on /lake");
    for attempt in 1..=3 {
        let claim = ledger.claim_all("w", attempt * 10).await.unwrap();
        ledger
            .retry(&[claim.jobs[0].job_id], &full, RUN, Millis(attempt * 10 + 5), Millis(attempt * 10))
            .await
            .unwrap();
        let file = ledger.file(FileId(1)).await.unwrap().unwrap();
        assert_eq!((file.attempts, file.code), (u32::try_from(attempt).unwrap(), Some(Code::DiskFull)));
        assert_eq!((file.state, file.not_before), (FileState::Queued, Some(Millis(attempt * 10 + 5))));
    }
    assert_eq!(ledger.drain("w", 100).await.concat(), [FileId(1), FileId(2)]);
    let file = ledger.file(FileId(1)).await.unwrap().unwrap();
    assert_eq!((file.state, file.code, file.seq), (FileState::Committed, None, Some(Seq(1))));
    assert_eq!(ledger.system("failures").await.len(), 3);

    // A job that is done is not tried again.
    ledger.retry(&[file.job_id.unwrap()], &full, RUN, Millis(0), Millis(101)).await.unwrap();
    assert_eq!(ledger.states().await, "f1 committed, f2 committed");
}
