//! Claiming in order, leases, and what a kill leaves behind.

use lakegate_domain::{DatasetName, FileId, LaneName};
use lakegate_state::{Arrival, Error, LaneWork, Limits, Millis};

use crate::*;

async fn with_files(n: usize) -> Ledger {
    let ledger = Ledger::new().await;
    let arrivals: Vec<Arrival> = (0..n).map(|i| arrival(&format!("{i}"), &i.to_string())).collect();
    ledger.take(&arrivals).await;
    ledger
}

#[tokio::test]
async fn a_claim_tells_everything_of_its_jobs() {
    let ledger = with_files(1).await;
    let claim = ledger.claim_all("w", 5).await.unwrap();
    assert_eq!((claim.lane, claim.owner.as_str(), claim.leased_until), (lane(), "w", Millis(1005)));
    let (job, landed) = (&claim.jobs[0], arrival("0", "0"));
    assert_eq!((job.path.as_str(), job.landing.as_str()), ("0", "landing/bus"));
    assert_eq!((job.size_bytes, job.mtime_ns, job.landed_at), (10, 5, Millis(1)));
    assert_eq!((&job.raw, &job.groups, &job.dataset), (&landed.raw, &landed.groups, &dataset()));
    assert_eq!((&job.fingerprint, job.attempts, job.accepted_volume), (&landed.fingerprint, 0, false));
}

#[tokio::test]
async fn a_claim_keeps_to_its_limits_but_holds_at_least_one_job() {
    let ledger = with_files(5).await;
    let claim = async |max_files, max_bytes| {
        let limits = Limits { max_files, max_bytes };
        ids(&ledger.claim(&lane(), "w", limits, LEASE, Millis(2)).await.unwrap().unwrap())
    };
    assert_eq!(claim(3, u64::MAX).await, [1, 2, 3]);
    assert_eq!(claim(0, 0).await, [1]);
    assert_eq!(claim(9, 29).await, [1, 2]);
    assert_eq!(claim(9, 30).await, [1, 2, 3]);
    // Only what was claimed last is leased.
    assert_eq!(ledger.states().await, "f1 leased, f2 leased, f3 leased, f4 queued, f5 queued");
}

#[tokio::test]
async fn a_lane_has_one_owner_at_a_time() {
    let ledger = with_files(2).await;
    ledger.claim_all("a", 0).await.unwrap();
    assert!(ledger.claim_all("b", 999).await.is_none());
    assert!(ledger.renew(&lane(), "a", LEASE, Millis(900)).await.unwrap());
    assert!(!ledger.renew(&lane(), "b", LEASE, Millis(900)).await.unwrap());
    assert!(ledger.claim_all("b", 1899).await.is_none());

    // The lease ends, and b has it.
    let b = ledger.claim_all("b", 1900).await.unwrap();
    assert_eq!(ids(&b), [1, 2]);
    assert!(!ledger.renew(&lane(), "a", LEASE, Millis(1901)).await.unwrap());
    let late = ledger.finish(&lane(), "a", &[outcome(&b.jobs[0])], &[], RUN, Millis(1902)).await;
    let Err(Error::LeaseLost { holder, .. }) = &late else { panic!("{late:?}") };
    assert_eq!(holder.as_deref(), Some("b"));
    assert_eq!(
        late.unwrap_err().to_string(),
        "the lease of lane lakegate/transit.bus/ingest was lost by a to b; its files are taken up again from the start"
    );
    // What a releases is not its own any more.
    ledger.release(&lane(), "a", Millis(1903)).await.unwrap();
    assert_eq!(ledger.states().await, "f1 leased, f2 leased");
}

#[tokio::test]
async fn an_ended_lease_that_nobody_took_still_finishes() {
    let ledger = with_files(1).await;
    let claim = ledger.claim_all("a", 0).await.unwrap();
    ledger.finish(&lane(), "a", &[outcome(&claim.jobs[0])], &[], RUN, Millis(50_000)).await.unwrap();
    assert_eq!(ledger.states().await, "f1 committed");
}

#[tokio::test]
async fn a_released_lane_is_free_and_no_attempt_is_counted() {
    let ledger = with_files(2).await;
    ledger.claim_all("a", 0).await.unwrap();
    ledger.release(&lane(), "a", Millis(1)).await.unwrap();
    assert_eq!(ledger.states().await, "f1 queued, f2 queued");
    let claim = ledger.claim_all("b", 2).await.unwrap();
    assert_eq!(ids(&claim), [1, 2]);
    assert!(claim.jobs.iter().all(|j| j.attempts == 0));
}

#[tokio::test]
async fn whoever_takes_over_finds_the_same_jobs() {
    let ledger = with_files(3).await;
    let train = Arrival { dataset: DatasetName::new("transit", "train"), ..arrival("t", "t") };
    let train_lane = LaneName::ingest(&train.dataset);
    ledger.take(&[train]).await;
    let before = ledger.claim_all("dead", 0).await.unwrap();
    ledger.claim(&train_lane, "new", ALL, LEASE, Millis(0)).await.unwrap().unwrap();
    let run = ledger.start_run("ingest", Some(&dataset()), Millis(0)).await.unwrap();

    // As after a kill: the ledger is opened anew.
    ledger.close().await;
    let store = lakegate_state::Store::open(ledger.path()).await.unwrap();
    store.take_over("new", Millis(1)).await.unwrap();
    let after = store.claim(&lane(), "new", ALL, LEASE, Millis(1)).await.unwrap().unwrap();
    assert_eq!(after.jobs, before.jobs);
    // Its own lease is untouched.
    assert!(store.renew(&train_lane, "new", LEASE, Millis(2)).await.unwrap());
    assert!(!store.renew(&lane(), "dead", LEASE, Millis(2)).await.unwrap());

    let runs = store.system_page("runs", &Narrow::default(), Cursor::default()).await.unwrap().unwrap().rows;
    assert_eq!(runs[0][0], run.0);
    assert_eq!(runs[0][3], "interrupted");
    assert_eq!(runs[0][5], 1);
}

#[tokio::test]
async fn a_replacement_waits_for_what_it_replaces() {
    let ledger = Ledger::new().await;
    ledger
        .take(&[
            arrival("a", "1"),
            arrival("b", "2"),
            arrival("a", "3"),
            arrival("c", "4"),
            arrival("a", "5"),
        ])
        .await;
    let claim = ledger.claim_all("w", 2).await.unwrap();
    assert_eq!(ids(&claim), [1, 2]);
    assert_eq!(
        ledger.drain("w", 2).await,
        [vec![FileId(1), FileId(2)], vec![FileId(3), FileId(4)], vec![FileId(5)]]
    );
    assert_eq!(ledger.states().await, "f1 replaced, f2 committed, f3 replaced, f4 committed, f5 committed");
}

#[tokio::test]
async fn a_failed_job_waits_and_is_claimed_alone() {
    let ledger = with_files(5).await;
    let claim = ledger.claim_all("w", 0).await.unwrap();
    ledger.retry(&[claim.jobs[2].job_id], &malformed(), RUN, Millis(100), Millis(1)).await.unwrap();
    assert_eq!(ledger.states().await, "f1 leased, f2 leased, f3 queued, f4 leased, f5 leased");

    // It ends the batch before it; then nothing passes it by.
    assert_eq!(ledger.drain("w", 50).await, [[FileId(1), FileId(2)]]);
    assert_eq!(
        ledger.lanes_with_work(Millis(50)).await.unwrap(),
        [LaneWork { lane: lane(), dataset: dataset(), n_files: 3, not_before: Some(Millis(100)) }]
    );
    assert_eq!(ledger.lanes_with_work(Millis(100)).await.unwrap()[0].not_before, None);

    let alone = ledger.claim_all("w", 100).await.unwrap();
    assert_eq!((ids(&alone), alone.jobs[0].attempts), (vec![3], 1));
    assert_eq!(ledger.drain("w", 100).await, [vec![FileId(3)], vec![FileId(4), FileId(5)]]);
    assert!(ledger.lanes_with_work(Millis(100)).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_failed_job_later_in_the_lane_ends_the_batch_even_when_its_time_has_come() {
    let ledger = with_files(3).await;
    let claim = ledger.claim_all("w", 0).await.unwrap();
    ledger.retry(&[claim.jobs[1].job_id], &malformed(), RUN, Millis(0), Millis(1)).await.unwrap();
    assert_eq!(ledger.drain("w", 2).await, [[FileId(1)], [FileId(2)], [FileId(3)]]);
}

#[tokio::test]
async fn two_openings_of_one_ledger_see_each_other() {
    let ledger = with_files(2).await;
    let other = lakegate_state::Store::open(ledger.path()).await.unwrap();
    ledger.claim_all("a", 0).await.unwrap();
    assert!(other.claim(&lane(), "b", ALL, LEASE, Millis(1)).await.unwrap().is_none());
    ledger.release(&lane(), "a", Millis(2)).await.unwrap();
    assert!(other.claim(&lane(), "b", ALL, LEASE, Millis(3)).await.unwrap().is_some());
}

#[tokio::test]
async fn writers_at_the_same_time_take_turns() {
    let ledger = Ledger::new().await;
    let other = lakegate_state::Store::open(ledger.path()).await.unwrap();
    let mut tasks = Vec::new();
    for i in 0..20 {
        let store = if i % 2 == 0 { ledger.store.clone() } else { other.clone() };
        tasks.push(tokio::spawn(async move {
            store.accept(&[arrival(&format!("{i}"), &format!("b{i}"))], Millis(1)).await.unwrap()
        }));
    }
    let mut seqs = Vec::new();
    for task in tasks {
        let [lakegate_state::Accepted::Queued { seq, .. }] = task.await.unwrap()[..] else { panic!() };
        seqs.push(seq.0);
    }
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=20).collect::<Vec<_>>());
}
