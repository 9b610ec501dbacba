//! What waits for a person, redriving it, and finding files.

use lakegate_domain::job::FileState;
use lakegate_domain::{Code, DatasetName, Failure, FileId, Seq};
use lakegate_state::{Arrival, FileFilter, Filter, Millis};

use crate::*;

/// f1 and f2 of bus are parked with two codes, f3 is committed, f4 of train is
/// parked.
async fn with_parked() -> Ledger {
    let ledger = Ledger::new().await;
    let train = Arrival { dataset: DatasetName::new("transit", "train"), ..arrival("line/t_1.csv", "t") };
    ledger.take(&[arrival("a.csv", "1"), arrival("sub/B.csv", "2"), arrival("c.json", "3"), train]).await;
    let claim = ledger.claim_all("w", 2).await.unwrap();
    for (i, code) in [Code::Malformed, Code::Volume].into_iter().enumerate() {
        let job = &claim.jobs[i];
        let failure = Failure::new(code, format!("trouble {i}"));
        ledger.park(job.file_id, job.job_id, &failure, None, Millis(3)).await.unwrap();
    }
    ledger.drain("w", 4).await;
    let train_lane = lakegate_domain::LaneName::ingest(&DatasetName::new("transit", "train"));
    let claim = ledger.claim(&train_lane, "w", ALL, LEASE, Millis(2)).await.unwrap().unwrap();
    ledger.park(FileId(4), claim.jobs[0].job_id, &malformed(), None, Millis(5)).await.unwrap();
    ledger
}

fn found(files: impl IntoIterator<Item = FileId>) -> Vec<i64> {
    files.into_iter().map(|f| f.0).collect()
}

#[tokio::test]
async fn parked_files_are_listed_with_their_reasons() {
    let ledger = with_parked().await;
    let all = ledger.parked(&Filter::default()).await.unwrap();
    assert_eq!(found(all.iter().map(|p| p.file_id)), [1, 2, 4]);
    let first = &all[0];
    assert_eq!((first.code, first.message.as_str(), first.attempts), (Code::Malformed, "trouble 0", 1));
    assert_eq!((first.parked_at, first.landed_at, first.path.as_str()), (Millis(3), Millis(1), "a.csv"));

    let which = async |filter: Filter| found(ledger.parked(&filter).await.unwrap().iter().map(|p| p.file_id));
    let none = Filter::default();
    assert_eq!(which(Filter { code: Some(Code::Malformed), ..none.clone() }).await, [1, 4]);
    assert_eq!(which(Filter { dataset: Some(dataset()), ..none.clone() }).await, [1, 2]);
    assert_eq!(which(Filter { file_ids: vec![FileId(2), FileId(3)], ..none.clone() }).await, [2]);
    assert_eq!(which(Filter { name_like: Some("b.CSV".into()), ..none.clone() }).await, [2]);
    let both = Filter { dataset: Some(dataset()), code: Some(Code::Malformed), ..none };
    assert_eq!(which(both).await, [1]);
}

#[tokio::test]
async fn redriven_files_go_to_the_end_of_their_lanes() {
    let ledger = with_parked().await;
    let nothing = ledger.redrive(&Filter::default(), false, Millis(6)).await.unwrap();
    assert_eq!(nothing, [], "a filter without conditions must say `all`");

    let all = Filter { all: true, ..Filter::default() };
    assert_eq!(found(ledger.redrive(&all, true, Millis(6)).await.unwrap()), [1, 2, 4]);
    assert_eq!(ledger.redrive(&all, true, Millis(6)).await.unwrap(), []);
    let claim = ledger.claim_all("w", 7).await.unwrap();
    let seqs: Vec<_> =
        claim.jobs.iter().map(|j| (j.file_id.0, j.seq.0, j.attempts, j.accepted_volume)).collect();
    assert_eq!(seqs, [(1, 4, 0, true), (2, 5, 0, true)]);
    assert_eq!(ledger.file(FileId(4)).await.unwrap().unwrap().seq, Some(Seq(2)));
    assert_eq!(ledger.file(FileId(1)).await.unwrap().unwrap().code, None);

    ledger.drain("w", 8).await;
    // New files come after redriven ones.
    assert_eq!(ledger.take(&[arrival("d", "d")]).await, [queued(5, 6)]);
    let jobs = ledger.system("jobs").await;
    let states: Vec<_> = jobs.iter().map(|row| row[5].as_str().unwrap()).collect();
    assert_eq!(states, ["parked", "parked", "done", "parked", "done", "done", "queued", "queued"]);
}

#[tokio::test]
async fn a_redriven_replacement_still_replaces() {
    let ledger = Ledger::new().await;
    ledger.take(&[arrival("a", "1")]).await;
    ledger.drain("w", 2).await;
    ledger.take(&[arrival("a", "2"), arrival("b", "3")]).await;
    let claim = ledger.claim_all("w", 3).await.unwrap();
    ledger.park(FileId(2), claim.jobs[0].job_id, &malformed(), None, Millis(4)).await.unwrap();
    ledger.drain("w", 5).await;
    assert_eq!(ledger.states().await, "f1 committed, f2 parked, f3 committed");

    let one = Filter { file_ids: vec![FileId(2)], ..Filter::default() };
    ledger.redrive(&one, false, Millis(6)).await.unwrap();
    assert_eq!(ledger.claim_all("w", 7).await.unwrap().jobs[0].replaces, [FileId(1)]);
    ledger.drain("w", 8).await;
    assert_eq!(ledger.states().await, "f1 replaced, f2 committed, f3 committed");
}

#[tokio::test]
async fn a_newer_replacement_ends_a_parked_one() {
    let ledger = Ledger::new().await;
    ledger.take(&[arrival("a", "1")]).await;
    ledger.drain("w", 2).await;
    ledger.take(&[arrival("a", "2")]).await;
    let claim = ledger.claim_all("w", 3).await.unwrap();
    ledger.park(FileId(2), claim.jobs[0].job_id, &malformed(), None, Millis(4)).await.unwrap();
    ledger.take(&[arrival("a", "3")]).await;
    assert_eq!(ledger.states().await, "f1 committed, f2 replaced, f3 queued");
    assert_eq!(ledger.file(FileId(2)).await.unwrap().unwrap().replaced_by, Some(FileId(3)));
    assert_eq!(ledger.claim_all("w", 5).await.unwrap().jobs[0].replaces, [FileId(1)]);
    let all = Filter { all: true, ..Filter::default() };
    assert_eq!(ledger.redrive(&all, false, Millis(6)).await.unwrap(), []);
}

#[tokio::test]
async fn files_are_found_by_what_is_known_of_them() {
    let ledger = with_parked().await;
    let which =
        async |filter: FileFilter| found(ledger.files(&filter).await.unwrap().iter().map(|f| f.file_id));
    let any = FileFilter::default();
    assert_eq!(which(any.clone()).await, [4, 3, 2, 1]);
    assert_eq!(which(FileFilter { limit: Some(2), ..any.clone() }).await, [4, 3]);
    assert_eq!(which(FileFilter { limit: Some(2), before: Some(FileId(3)), ..any.clone() }).await, [2, 1]);
    assert_eq!(which(FileFilter { dataset: Some(dataset()), ..any.clone() }).await, [3, 2, 1]);
    let of_bus = FileFilter { dataset: Some(dataset()), limit: Some(2), ..any.clone() };
    assert_eq!(which(of_bus.clone()).await, [3, 2]);
    assert_eq!(which(FileFilter { before: Some(FileId(3)), ..of_bus.clone() }).await, [2, 1]);
    assert_eq!(which(FileFilter { name_like: Some("a.c".into()), ..of_bus.clone() }).await, [1]);
    assert_eq!(which(FileFilter { file_ids: vec![FileId(3), FileId(4)], ..of_bus.clone() }).await, [3]);
    assert_eq!(which(FileFilter { state: Some(FileState::Parked), ..of_bus }).await, [2, 1]);
    assert_eq!(which(FileFilter { state: Some(FileState::Committed), ..any.clone() }).await, [3]);
    assert_eq!(which(FileFilter { state: Some(FileState::Parked), ..any.clone() }).await, [4, 2, 1]);
    let named = async |name: &str| which(FileFilter { name_like: Some(name.into()), ..any.clone() }).await;
    assert_eq!(named("csv").await, [4, 2, 1]);
    assert_eq!(named("?.csv").await, [2, 1]);
    assert_eq!(named("sub/*").await, [2]);
    assert_eq!(named("t_1").await, [4]);
    assert_eq!(named("a_csv").await, Vec::<i64>::new(), "an underscore is an underscore");
}

#[tokio::test]
async fn status_counts_files_and_knows_the_lag() {
    let ledger = with_parked().await;
    ledger.accept(&[arrival("x", "x")], Millis(40)).await.unwrap();
    ledger.accept(&[arrival("y", "y")], Millis(50)).await.unwrap();
    ledger.record_commits(&[commit(table(), 3, 3, 30), commit(table(), 2, 3, 20)]).await.unwrap();
    let versions = ledger.newest_versions(&dataset()).await.unwrap();
    assert_eq!(versions.into_iter().collect::<Vec<_>>(), [(table(), 3)]);
    let status = ledger.status().await.unwrap();
    assert_eq!(status.len(), 2);
    assert_eq!(status[0].dataset, dataset());
    assert_eq!(status[0].counts, [(FileState::Committed, 1), (FileState::Parked, 2), (FileState::Queued, 2)]);
    assert_eq!((status[0].newest_commit, status[0].oldest_queued), (Some(Millis(30)), Some(Millis(40))));
    assert_eq!((status[1].newest_commit, status[1].oldest_queued), (None, None));
    assert_eq!((status[1].count(FileState::Parked), status[1].count(FileState::Queued)), (1, 0));
}
