//! What files hold: noted when they are parked and when they are committed, told
//! as tables.

use lakegate_domain::review::{Contents, Parameter, Part, PartCounts, Problem, Severity};
use lakegate_domain::{Code, FileId};
use lakegate_state::{Cursor, Filter, Millis, ReviewFilter, Stray, StrayReason};
use serde_json::json;

use crate::*;

/// One document of some rows with a column of this unit.
fn contents(unit: &str, n_rows: u64, problem: Option<Severity>) -> Contents {
    let parameter =
        Parameter { column: Some("speed".into()), ..Parameter::of("csv", "Speed", Some(unit), None) };
    let problem = problem.map(|severity| Problem {
        severity,
        code: (severity == Severity::Error).then_some(Code::Malformed),
        rule: Some("flag_value".into()),
        member: None,
        line: Some(7),
        message: "it is wrong".into(),
        n: 2,
    });
    Contents {
        parts: vec![Part {
            kind: "csv".into(),
            table: Some("positions".into()),
            parameters: vec![parameter],
        }],
        counts: vec![PartCounts { n_documents: 1, n_rows, parameters: vec![(n_rows, n_rows - 1)] }],
        problems: problem.into_iter().collect(),
    }
}

async fn census(ledger: &Ledger) -> Vec<String> {
    let line = |row: &Vec<serde_json::Value>| format!("{} {} {} {}", row[3], row[5], row[6], row[7]);
    ledger.system("census").await.iter().map(line).collect()
}

#[tokio::test]
async fn what_files_hold_is_kept_counted_and_overwritten() {
    let ledger = Ledger::new().await;
    ledger.take(&[arrival("a", "1"), arrival("b", "2"), arrival("c", "3"), arrival("d", "1")]).await;
    let claim = ledger.claim_all("w", 2).await.unwrap();
    let holds = |i: usize, contents| lakegate_state::Outcome { contents, ..outcome(&claim.jobs[i]) };
    let parked = &claim.jobs[2];
    ledger.park(parked.file_id, parked.job_id, &malformed(), None, Millis(3)).await.unwrap();
    ledger.note_contents(parked.file_id, &contents("m", 5, Some(Severity::Error))).await.unwrap();
    ledger.note_contents(FileId(99), &contents("m", 5, None)).await.unwrap();
    let outcomes = [holds(0, contents("m/s", 3, None)), holds(1, contents("m/s", 4, Some(Severity::Note)))];
    ledger.finish(&lane(), "w", &outcomes, &[], RUN, Millis(4)).await.unwrap();
    let stray = Stray {
        path: "z".into(),
        reason: StrayReason::Unmatched,
        detail: "nobody takes it".into(),
        size_bytes: 1,
    };
    ledger.strays("landing/bus", &[stray], Millis(4)).await.unwrap();

    let line = |row: &Vec<serde_json::Value>| {
        [3, 4, 5, 7, 10, 12, 13].map(|i| row[i].to_string().replace('"', "")).join("|")
    };
    let files: Vec<String> = ledger.system("review").await.iter().map(line).collect();
    let want = [
        "a|committed|csv|3|0|0|null",
        "b|committed|csv|4|0|2|null",
        "c|parked|csv|5|2|0|LG101",
        "d|duplicate|csv|3|0|0|null",
    ];
    assert_eq!(files[..4], want);
    assert_eq!(files[4], "z|stray|null|null|1|0|unmatched");
    let problems = ledger.system("problems").await;
    assert_eq!(problems.len(), 3, "the failure says no more than the rule: {problems:?}");
    // Twice the same bytes count once; units are kept apart.
    assert_eq!(census(&ledger).await, ["\"m\" 1 5 4", "\"m/s\" 2 7 5"]);
    let columns = ledger.system("file_columns").await;
    assert_eq!((&columns[0][10], &columns[0][11]), (&json!("transit.bus.positions"), &json!("speed")));

    // Sent again and committed, with other contents.
    ledger.redrive(&Filter { all: true, ..Filter::default() }, false, Millis(5)).await.unwrap();
    let again = ledger.claim_all("w", 6).await.unwrap();
    let outcome = lakegate_state::Outcome { contents: contents("m/s", 9, None), ..outcome(&again.jobs[0]) };
    ledger.finish(&lane(), "w", &[outcome], &[], RUN, Millis(7)).await.unwrap();
    assert_eq!(census(&ledger).await, ["\"m/s\" 3 16 13"]);
    assert_eq!(ledger.system("problems").await.len(), 2);

    let of = async |landing: &str| {
        let filter = ReviewFilter { dataset: Some(dataset()), landing: Some(landing.into()) };
        ledger.reviewed(&filter, Cursor::default()).await.unwrap().files.len()
    };
    assert_eq!((of("landing/bus").await, of("elsewhere").await), (5, 4));
}

#[tokio::test]
async fn many_files_come_in_pages_and_share_their_shape() {
    let ledger = Ledger::new().await;
    let n = 600;
    let arrivals: Vec<_> = (0..n).map(|i| arrival(&format!("f{i}"), &i.to_string())).collect();
    ledger.take(&arrivals).await;
    let limits = Limits { max_files: n, ..ALL };
    let claim = ledger.claim(&lane(), "w", limits, LEASE, Millis(2)).await.unwrap().unwrap();
    let holds = |job: &Job| lakegate_state::Outcome { contents: contents("m", 2, None), ..outcome(job) };
    let outcomes: Vec<_> = claim.jobs.iter().map(holds).collect();
    ledger.finish(&lane(), "w", &outcomes, &[], RUN, Millis(3)).await.unwrap();
    assert_eq!(ledger.system("review").await.len(), 600);
    assert_eq!(census(&ledger).await, ["\"m\" 600 1200 600"]);
    let first = ledger.reviewed(&ReviewFilter::default(), Cursor::default()).await.unwrap();
    assert!(first.files.len() < 600 && first.next.is_some());
}
