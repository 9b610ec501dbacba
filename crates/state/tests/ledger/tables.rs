//! Commits, replay, the raw store's upkeep, strays and system tables.

use lakegate_domain::{FileId, LaneName, RunId, Seq};
use lakegate_state::{
    CommitRecord, Cursor, Error, ExpectationResult, Lineage, Millis, Outcome, RawRef, RunStatus,
    SYSTEM_TABLES, Stray, StrayReason, Swap,
};

use crate::*;

/// `n` rows were read, and most of them quarantined.
fn some_quarantined(n: u64) -> TableRows {
    TableRows { n_committed: 2, n_quarantined: n - 2, ..rows(table(), n) }
}

#[tokio::test]
async fn row_counts_are_of_the_newest_committed_files() {
    let ledger = Ledger::new().await;
    ledger.take(&[arrival("a", "1"), arrival("b", "2"), arrival("c", "3")]).await;
    let claim = ledger.claim_all("w", 2).await.unwrap();
    let outcomes: Vec<Outcome> = claim
        .jobs
        .iter()
        .map(|job| Outcome { tables: vec![some_quarantined(job.seq.0.unsigned_abs() * 10)], ..outcome(job) })
        .collect();
    ledger.finish(&lane(), "w", &outcomes, &[], RUN, Millis(3)).await.unwrap();
    let counts = async |table: &str, n| ledger.read_row_counts(&dataset(), table, n).await.unwrap();
    assert_eq!(counts("positions", 2).await, [30, 20]);
    assert_eq!(counts("other", 2).await, Vec::<u64>::new());
    // What was replaced is no measure.
    ledger.take(&[arrival("c", "4")]).await;
    ledger.drain("w", 4).await;
    assert_eq!(counts("positions", 9).await, [3, 20, 10]);
}

#[tokio::test]
async fn replay_goes_through_what_the_tables_hold_in_order() {
    let ledger = Ledger::new().await;
    assert!(ledger.replayable(&dataset()).await.unwrap().is_empty());
    ledger.take(&[arrival("a", "1"), arrival("b", "2"), arrival("c", "3"), arrival("d", "1")]).await;
    let claim = ledger.claim_all("w", 2).await.unwrap();
    ledger.park(FileId(1), claim.jobs[0].job_id, &malformed(), None, Millis(3)).await.unwrap();
    ledger.drain("w", 3).await;
    ledger.take(&[arrival("b", "5")]).await;
    ledger.drain("w", 4).await;
    let all = lakegate_state::Filter { all: true, ..Default::default() };
    ledger.redrive(&all, false, Millis(5)).await.unwrap();
    ledger.drain("w", 6).await;
    ledger.raw_gone(&[FileId(3)]).await.unwrap();
    assert_eq!(ledger.states().await, "f1 committed, f2 replaced, f3 committed, f4 duplicate, f5 committed");

    let replayable = ledger.replayable(&dataset()).await.unwrap();
    let listed: Vec<_> = replayable.iter().map(|r| (r.job.file_id.0, r.job.seq.0, r.has_raw)).collect();
    assert_eq!(listed, [(3, 3, false), (5, 4, true), (1, 5, true)]);

    assert_eq!(ledger.begin_swap(&dataset(), &[FileId(5)], Millis(7)).await.unwrap(), Seq(1));
    let swap = |files: &[FileId]| vec![Swap { dataset: dataset(), files: files.to_vec() }];
    assert_eq!(ledger.unfinished_swaps().await.unwrap(), swap(&[FileId(5)]));
    assert_eq!(ledger.begin_swap(&dataset(), &[], Millis(7)).await.unwrap(), Seq(2));
    // Whoever takes the lake over finds it still.
    ledger.take_over("next", Millis(7)).await.unwrap();
    assert_eq!(ledger.unfinished_swaps().await.unwrap(), swap(&[]));
    let again =
        Outcome { tables: vec![rows(dataset().table("new"), 8)], n_read: 8, ..outcome(&replayable[1].job) };
    let stale = Outcome { file_id: FileId(2), ..again.clone() };
    let made = CommitRecord {
        lane: LaneName::replay(&dataset()),
        operation: "replay".into(),
        ..commit(dataset().table("new"), 0, 2, 8)
    };
    ledger.finish_replay(&dataset(), &[again.clone(), stale], &[made], RunId(5)).await.unwrap();
    assert_eq!(ledger.unfinished_swaps().await.unwrap(), []);
    assert_eq!(ledger.rows_of(FileId(5)).await.unwrap(), again.tables);
    let file = ledger.file(FileId(5)).await.unwrap().unwrap();
    assert_eq!((file.n_rows, file.run, file.committed_at), (Some(8), Some(RunId(5)), Some(Millis(4))));
    assert_eq!(ledger.file(FileId(2)).await.unwrap().unwrap().n_rows, Some(3));
    let lineage = ledger.system("lineage").await;
    let new = dataset().table("new").to_string();
    let line = lineage.iter().find(|row| row[3] == new.as_str()).unwrap();
    assert_eq!((&line[0], &line[4]), (&5.into(), &0.into()));
    let of_5 = ledger.lineage_of(FileId(5)).await.unwrap();
    assert_eq!(of_5, [Lineage { table: dataset().table("new"), version: Some(0), n_rows: 8 }]);
    assert_eq!(ledger.lineage_of(FileId(2)).await.unwrap(), [], "it was replaced");
    // The ingest lane goes on where it was.
    assert_eq!(ledger.take(&[arrival("z", "z")]).await, [queued(6, 6)]);
}

#[tokio::test]
async fn raw_bytes_move_and_go() {
    let ledger = Ledger::new().await;
    ledger.take(&[arrival("a", "1"), arrival("b", "1"), arrival("c", "3")]).await;
    let whole = RawRef { pack: "w/c".into(), offset: 0, stored_bytes: 10, method: "whole".into() };
    ledger.move_raw(&[(FileId(3), whole.clone())]).await.unwrap();
    ledger.raw_gone(&[FileId(1)]).await.unwrap();
    let packed = arrival("", "").raw;
    let packs = [packed.pack.clone(), "w/c".to_string(), "unknown".to_string()];
    let kept = ledger.raw_in(&packs).await.unwrap();
    let listed: Vec<_> = kept.iter().map(|e| (e.file_id.0, e.raw.clone())).collect();
    assert_eq!(listed, [(2, packed), (3, whole)]);
    assert_eq!(ledger.raw_in(&packs[2..]).await.unwrap(), []);
    let known = ledger.raw_packs().await.unwrap();
    let listed: Vec<_> = known.iter().map(|p| (p.pack.as_str(), p.n_files, p.has_unsettled)).collect();
    assert_eq!(listed, [(packs[0].as_str(), 1, false), ("w/c", 1, true)]);
    assert!(ledger.file(FileId(1)).await.unwrap().unwrap().raw_gone);
}

#[tokio::test]
async fn strays_are_the_last_listing_and_remember_since_when() {
    let ledger = Ledger::new().await;
    let stray = |path: &str, reason| Stray { path: path.into(), reason, detail: "d".into(), size_bytes: 4 };
    let (unmatched, ambiguous) = (StrayReason::Unmatched, StrayReason::Ambiguous);
    ledger.strays("z1", &[stray("a", unmatched), stray("b", unmatched)], Millis(1)).await.unwrap();
    ledger.strays("z2", &[stray("a", unmatched)], Millis(1)).await.unwrap();
    ledger.strays("z1", &[stray("a", unmatched), stray("c", unmatched)], Millis(2)).await.unwrap();
    ledger.strays("z2", &[stray("a", ambiguous)], Millis(3)).await.unwrap();
    let list = ledger.list_strays().await.unwrap();
    let listed: Vec<_> =
        list.iter().map(|s| (s.landing.as_str(), s.stray.path.as_str(), s.stray.reason, s.since.0)).collect();
    assert_eq!(listed, [("z1", "a", unmatched, 1), ("z1", "c", unmatched, 2), ("z2", "a", ambiguous, 3)]);
    ledger.strays("z1", &[], Millis(4)).await.unwrap();
    ledger.strays("unheard of", &[], Millis(4)).await.unwrap();
    assert_eq!(ledger.list_strays().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_run_must_have_begun() {
    let ledger = Ledger::new().await;
    let run = ledger.start_run("maintain", None, Millis(1)).await.unwrap();
    ledger.end_run(run, RunStatus::Failed, 0, 0, Some("disk".into()), Millis(2)).await.unwrap();
    let unknown = ledger.end_run(RunId(99), RunStatus::Failed, 0, 0, None, Millis(2)).await;
    assert!(matches!(unknown, Err(Error::Corrupt { .. })), "{unknown:?}");
}

#[tokio::test]
async fn every_system_table_can_be_read_and_is_described() {
    let ledger = Ledger::new().await;
    ledger.take(&[arrival("a", "1"), arrival("b", "2")]).await;
    ledger.claim_all("w", 2).await.unwrap();
    for expected in SYSTEM_TABLES {
        for row in &ledger.system(expected.name).await {
            assert_eq!(row.len(), expected.columns.len(), "{}", expected.name);
        }
        assert!(expected.doc.ends_with('.') && expected.columns.iter().all(|c| c.doc.ends_with('.')));
    }
    assert!(ledger.system_page("tables", &Narrow::default(), Cursor::default()).await.unwrap().is_none());
    let leases = ledger.system("leases").await;
    let lease = serde_json::json!(["lakegate/transit.bus/ingest", "transit.bus", 2, 2, "w", 1002]);
    assert_eq!(leases, [lease.as_array().unwrap().clone()]);
}

#[tokio::test]
async fn a_long_system_table_comes_in_pages() {
    let ledger = Ledger::new().await;
    let n = 9000;
    let arrivals: Vec<Arrival> = (0..n).map(|i| arrival(&format!("f{i}"), &i.to_string())).collect();
    ledger.take(&arrivals).await;
    let claim =
        ledger.claim(&lane(), "w", Limits { max_files: n, ..ALL }, LEASE, Millis(2)).await.unwrap().unwrap();
    let two_tables = |job: &Job| Outcome {
        tables: vec![rows(table(), 3), rows(dataset().table("other"), 0)],
        ..outcome(job)
    };
    let outcomes: Vec<Outcome> = claim.jobs.iter().map(two_tables).collect();
    let commits: Vec<CommitRecord> = (0..5000).map(|v| commit(table(), v, v, 3)).collect();
    ledger.finish(&lane(), "w", &outcomes, &commits, RUN, Millis(3)).await.unwrap();

    let first = ledger.system_page("files", &Narrow::default(), Cursor::default()).await.unwrap().unwrap();
    assert!(first.rows.len() < 5000 && first.next.is_some());
    let ids: Vec<i64> = ledger.system("files").await.iter().map(|row| row[0].as_i64().unwrap()).collect();
    assert_eq!(ids, (1..=i64::from(n)).collect::<Vec<_>>());
    for (name, n_rows) in [("jobs", 9000), ("file_tables", 18_000), ("lineage", 9000), ("commits", 5000)] {
        let rows = ledger.system(name).await;
        let distinct: std::collections::BTreeSet<String> =
            rows.iter().map(|row| format!("{} {}", row[0], row[1])).collect();
        assert_eq!(rows.len(), n_rows, "{name}");
        if name != "lineage" {
            assert_eq!(distinct.len(), n_rows, "{name}");
        }
    }
}

#[tokio::test]
async fn history_is_forgotten_but_for_what_counts() {
    let ledger = Ledger::new().await;
    ledger.take(&[arrival("a", "1"), arrival("b", "2")]).await;
    let ingest = ledger.start_run("ingest", Some(&dataset()), Millis(1)).await.unwrap();
    let replay = ledger.start_run("replay", Some(&dataset()), Millis(1)).await.unwrap();
    let going_on = ledger.start_run("ingest", Some(&dataset()), Millis(1)).await.unwrap();
    let claim = ledger.claim_all("w", 2).await.unwrap();
    let jobs = [claim.jobs[0].job_id, claim.jobs[1].job_id];
    ledger.retry(&jobs, &malformed(), ingest, Millis(0), Millis(3)).await.unwrap();
    let again = ledger.claim_all("w", 4).await.unwrap();
    let last = ledger.claim(&lane(), "w", ALL, LEASE, Millis(4)).await.unwrap().unwrap();
    ledger.finish(&lane(), "w", &[outcome(&last.jobs[0])], &[], ingest, Millis(5)).await.unwrap();
    let b = ledger.claim_all("w", 6).await.unwrap();
    ledger.park(b.jobs[0].file_id, b.jobs[0].job_id, &malformed(), None, Millis(6)).await.unwrap();
    assert_eq!(again.jobs.len(), 1, "what has failed is tried alone");
    for run in [ingest, replay] {
        ledger.end_run(run, RunStatus::Succeeded, 1, 1, None, Millis(7)).await.unwrap();
    }

    let kept = async || {
        let column = |rows: Vec<Vec<serde_json::Value>>, at: usize| -> Vec<i64> {
            rows.iter().map(|r| r[at].as_i64().unwrap()).collect()
        };
        (column(ledger.system("runs").await, 0), column(ledger.system("failures").await, 6))
    };
    assert!(!ledger.forget_history(Millis(3)).await.unwrap());
    assert_eq!(kept().await, (vec![ingest.0, replay.0, going_on.0], vec![1, 1, 2]));
    assert!(!ledger.forget_history(Millis(100)).await.unwrap());
    assert_eq!(kept().await, (vec![going_on.0], vec![2]), "a parked file keeps its reason");
    assert_eq!(ledger.parked(&Default::default()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn pages_leave_out_what_nobody_looks_for() {
    let ledger = Ledger::new().await;
    ledger.take(&[arrival("a", "1"), arrival("b", "2"), arrival("c", "3")]).await;
    let claim = ledger.claim_all("w", 2).await.unwrap();
    let other = dataset().table("other");
    let outcomes: Vec<Outcome> = claim
        .jobs
        .iter()
        .map(|job| {
            let of = if job.file_id.0 == 2 { other.clone() } else { table() };
            let expectations = vec![ExpectationResult {
                table: of.clone(),
                name: "missing[v]".into(),
                on_fail: "flag".into(),
                n_checked: 3,
                n_failed: 1,
                first_rows: vec![2],
                first_times: vec!["2026-01-01T00:00:00Z".into()],
                first_values: vec!["NULL".into()],
                sample: None,
            }];
            Outcome { tables: vec![rows(of, 3)], expectations, ..outcome(job) }
        })
        .collect();
    ledger.finish(&lane(), "w", &outcomes, &[], RUN, Millis(3)).await.unwrap();
    let n_rows = async |name: &str, narrow: Narrow| {
        ledger.system_page(name, &narrow, Cursor::default()).await.unwrap().unwrap().rows.len()
    };
    let of_file = || Narrow { file_id: Some(2), ..Narrow::default() };
    let of_table = || Narrow { table: Some(table().to_string()), ..Narrow::default() };
    let of = |team: &str| Narrow { dataset: Some(DatasetName::new(team, "bus")), ..Narrow::default() };
    for (name, file, table) in
        [("expectations", 1, 2), ("file_tables", 1, 2), ("files", 1, 3), ("jobs", 1, 3), ("runs", 0, 0)]
    {
        assert_eq!((n_rows(name, of_file()).await, n_rows(name, of_table()).await), (file, table), "{name}");
    }
    for name in ["files", "jobs", "review", "problems"] {
        assert_eq!((n_rows(name, of("transit")).await, n_rows(name, of("other")).await), (3, 0), "{name}");
    }
    let found = ledger.system("expectations").await;
    assert_eq!(
        (&found[0][3], &found[0][8], &found[0][9]),
        (&"v".into(), &"2026-01-01T00:00:00Z".into(), &"NULL".into())
    );
}
