//! What becomes of an arrival, rule by rule.

use lakegate_domain::job::FileState;
use lakegate_domain::model::{OnChange, SameBytes};
use lakegate_domain::{DatasetName, FileId, Seq};
use lakegate_state::{Arrival, FileFilter, Known, Millis, RawRef, Sighting};

use crate::*;

fn known_as(size_bytes: u64, mtime_ns: i64, file_id: i64) -> Known {
    Known { size_bytes, mtime_ns, file_id: FileId(file_id), dataset: dataset().into() }
}

#[tokio::test]
async fn new_files_are_queued_in_order_and_known() {
    let ledger = Ledger::new().await;
    let answers = ledger.take(&[arrival("a", "one"), arrival("sub/b", "two")]).await;
    assert_eq!(answers, [queued(1, 1), queued(2, 2)]);
    assert_eq!(ledger.take(&[arrival("c", "three")]).await, [queued(3, 3)]);

    let known = ledger.known("landing/bus").await.unwrap();
    assert_eq!(known.len(), 3);
    assert_eq!(known["sub/b"], known_as(10, 5, 2));
    assert!(ledger.known("landing").await.unwrap().is_empty());

    let file = ledger.file(FileId(2)).await.unwrap().unwrap();
    assert_eq!(file.path, "sub/b");
    assert_eq!(file.landing, "landing/bus");
    assert_eq!(file.dataset, dataset());
    assert_eq!(file.state, FileState::Queued);
    assert_eq!(file.landed_at, Millis(1));
    assert_eq!(file.seq, Some(Seq(2)));
    assert_eq!(file.fingerprint, fingerprint("two"));
    assert_eq!(file.raw, arrival("", "").raw);
    assert_eq!(file.groups, arrival("", "").groups);
    assert_eq!(ledger.file(FileId(9)).await.unwrap(), None);
}

#[tokio::test]
async fn the_same_bytes_under_the_same_name_only_touch() {
    let ledger = Ledger::new().await;
    ledger.take(&[arrival("a", "one")]).await;
    let mut again = arrival("a", "one");
    again.sighting = Sighting { path: "a".into(), size_bytes: 11, mtime_ns: 99 };
    for rule in [OnChange::Replace, OnChange::Append, OnChange::Ignore] {
        assert_eq!(ledger.take(&[Arrival { on_change: rule, ..again.clone() }]).await, [touched(1)]);
    }
    let known = ledger.known("landing/bus").await.unwrap();
    assert_eq!(known["a"], known_as(11, 99, 1));
    assert_eq!(ledger.states().await, "f1 queued");
}

#[tokio::test]
async fn one_name_in_two_zones_is_two_paths() {
    let ledger = Ledger::new().await;
    let other = Arrival { landing: "landing/other".into(), ..arrival("a", "two") };
    assert_eq!(ledger.take(&[arrival("a", "one"), other]).await, [queued(1, 1), queued(2, 2)]);
    assert_eq!(ledger.known("landing/other").await.unwrap()["a"].file_id, FileId(2));
    assert_eq!(ledger.claim_all("w", 2).await.unwrap().jobs[1].replaces, []);
}

#[tokio::test]
async fn known_bytes_under_a_new_name_are_a_duplicate() {
    let ledger = Ledger::new().await;
    let answers = ledger.take(&[arrival("a", "one"), arrival("b", "one")]).await;
    assert_eq!(answers, [queued(1, 1), duplicate(2, 1)]);
    assert_eq!(ledger.take(&[arrival("c", "one"), arrival("d", "x")]).await, [duplicate(3, 1), queued(4, 2)]);
    // Seen again, a duplicate is what its path stands for.
    assert_eq!(ledger.take(&[arrival("b", "one")]).await, [touched(2)]);
    assert_eq!(ledger.file(FileId(3)).await.unwrap().unwrap().of, Some(FileId(1)));
    assert_eq!(ledger.drain("w", 2).await.concat(), [FileId(1), FileId(4)]);
    assert_eq!(ledger.take(&[arrival("e", "one")]).await, [duplicate(5, 1)]);
}

#[tokio::test]
async fn known_bytes_are_loaded_where_the_dataset_says_so() {
    let ledger = Ledger::new().await;
    let load = |path| Arrival { same_bytes: SameBytes::Load, ..arrival(path, "one") };
    assert_eq!(ledger.take(&[load("a"), load("b")]).await, [queued(1, 1), queued(2, 2)]);
    // The earliest is the original.
    assert_eq!(ledger.take(&[arrival("c", "one")]).await, [duplicate(3, 1)]);
}

#[tokio::test]
async fn bytes_that_share_the_beginning_of_their_fingerprint_differ() {
    let ledger = Ledger::new().await;
    let alike = |path, last: char| {
        let fingerprint = format!("{}{last}", "a".repeat(63));
        Arrival { fingerprint, ..arrival(path, "") }
    };
    assert_eq!(ledger.take(&[alike("a", '1'), alike("b", '2')]).await, [queued(1, 1), queued(2, 2)]);
    assert_eq!(ledger.take(&[alike("c", '2'), alike("d", '3')]).await, [duplicate(3, 2), queued(4, 3)]);
}

#[tokio::test]
async fn a_fingerprint_is_compared_within_its_dataset() {
    let ledger = Ledger::new().await;
    let train = DatasetName::new("transit", "train");
    let other = Arrival { dataset: train, ..arrival("b", "one") };
    assert_eq!(ledger.take(&[arrival("a", "one"), other]).await, [queued(1, 1), queued(2, 1)]);
}

#[tokio::test]
async fn a_parked_original_counts_and_a_replaced_one_does_not() {
    let ledger = Ledger::new().await;
    ledger.take(&[arrival("a", "one")]).await;
    let claim = ledger.claim_all("w", 2).await.unwrap();
    ledger.park(FileId(1), claim.jobs[0].job_id, &malformed(), None, Millis(3)).await.unwrap();
    assert_eq!(ledger.take(&[arrival("b", "one")]).await, [duplicate(2, 1)]);

    // Replacing the parked one makes its bytes new again, within one call too.
    let answers = ledger.take(&[arrival("a", "two"), arrival("c", "one"), arrival("d", "one")]).await;
    assert_eq!(answers, [queued(3, 2), queued(4, 3), duplicate(5, 4)]);
    assert_eq!(ledger.states().await, "f1 replaced, f2 duplicate, f3 queued, f4 queued, f5 duplicate");
}

#[tokio::test]
async fn a_duplicate_takes_the_place_of_an_original_that_goes() {
    let ledger = Ledger::new().await;
    ledger.take(&[arrival("a", "one"), arrival("b", "one"), arrival("c", "one"), arrival("b", "x")]).await;
    ledger.drain("w", 2).await;
    assert_eq!(ledger.take(&[arrival("a", "two")]).await, [queued(5, 3)]);
    assert_eq!(ledger.drain("w", 2).await, [[FileId(5)], [FileId(3)]]);
    // `b` shows other bytes by now; `c` still shows these.
    assert_eq!(ledger.states().await, "f1 replaced, f2 duplicate, f3 committed, f4 committed, f5 committed");
    assert_eq!(ledger.file(FileId(2)).await.unwrap().unwrap().of, Some(FileId(3)));
    assert_eq!(ledger.file(FileId(3)).await.unwrap().unwrap().of, None);
    assert_eq!(ledger.take(&[arrival("c", "one"), arrival("d", "one")]).await, [touched(3), duplicate(6, 3)]);
}

#[tokio::test]
async fn a_duplicate_of_bytes_that_another_file_brings_too_becomes_that_ones() {
    let ledger = Ledger::new().await;
    ledger.take(&[arrival("a", "one"), arrival("b", "one"), arrival("c", "two")]).await;
    ledger.drain("w", 2).await;
    ledger.take(&[arrival("c", "one")]).await;
    ledger.take(&[arrival("a", "three")]).await;
    ledger.drain("w", 2).await;
    assert_eq!(ledger.states().await, "f1 replaced, f2 duplicate, f3 replaced, f4 committed, f5 committed");
    assert_eq!(ledger.file(FileId(2)).await.unwrap().unwrap().of, Some(FileId(4)));
}

#[tokio::test]
async fn a_duplicate_of_a_parked_file_that_is_replaced_is_queued() {
    let ledger = Ledger::new().await;
    ledger.take(&[arrival("a", "one"), arrival("b", "one")]).await;
    let claim = ledger.claim_all("w", 2).await.unwrap();
    ledger.park(FileId(1), claim.jobs[0].job_id, &malformed(), None, Millis(3)).await.unwrap();
    assert_eq!(ledger.take(&[arrival("a", "two"), arrival("c", "x")]).await, [queued(3, 2), queued(4, 3)]);
    assert_eq!(ledger.states().await, "f1 replaced, f2 queued, f3 queued, f4 queued");
    assert_eq!(ledger.file(FileId(2)).await.unwrap().unwrap().seq, Some(Seq(4)));

    // One that fails after its correction has come is replaced at once.
    let ledger = Ledger::new().await;
    ledger.take(&[arrival("a", "one"), arrival("b", "one")]).await;
    let claim = ledger.claim_all("w", 2).await.unwrap();
    ledger.take(&[arrival("a", "two")]).await;
    ledger.park(FileId(1), claim.jobs[0].job_id, &malformed(), None, Millis(3)).await.unwrap();
    assert_eq!(ledger.states().await, "f1 replaced, f2 queued, f3 queued");
}

/// The arrival with its bytes in a pack of its own.
fn in_pack(pack: &str, arrival: Arrival) -> Arrival {
    Arrival { raw: RawRef { pack: pack.into(), ..arrival.raw.clone() }, ..arrival }
}

#[tokio::test]
async fn landing_a_file_again_brings_its_bytes_again() {
    let ledger = Ledger::new().await;
    let pack = async |file| {
        let file = ledger.file(FileId(file)).await.unwrap().unwrap();
        (file.raw.pack, file.raw_gone)
    };
    ledger.take(&[in_pack("p1", arrival("a", "one")), in_pack("p1", arrival("b", "two"))]).await;
    ledger.drain("w", 2).await;
    ledger.raw_gone(&[FileId(1), FileId(2)]).await.unwrap();
    assert_eq!(ledger.take(&[in_pack("p2", arrival("a", "one"))]).await, [touched(1)]);
    assert_eq!(pack(1).await, ("p2".into(), false));
    assert_eq!(ledger.take(&[in_pack("p3", arrival("c", "two"))]).await, [duplicate(3, 2)]);
    assert_eq!(pack(2).await, ("p3".into(), false));
    // Good bytes stay where they are, whoever has the same.
    assert_eq!(ledger.take(&[in_pack("p4", arrival("d", "two"))]).await, [duplicate(4, 2)]);
    assert_eq!(pack(2).await, ("p3".into(), false));

    ledger.take(&[in_pack("p5", arrival("e", "five"))]).await;
    let claim = ledger.claim_all("w", 2).await.unwrap();
    ledger.park(FileId(5), claim.jobs[0].job_id, &malformed(), None, Millis(3)).await.unwrap();
    assert_eq!(ledger.take(&[in_pack("p6", arrival("f", "five"))]).await, [duplicate(6, 5)]);
    assert_eq!(pack(5).await, ("p6".into(), false));
}

#[tokio::test]
async fn a_file_that_waits_for_its_bytes_is_taken_again() {
    let ledger = Ledger::new().await;
    ledger.take(&[arrival("a", "one"), arrival("b", "two")]).await;
    let claim = ledger.claim_all("w", 2).await.unwrap();
    for (job, code) in claim.jobs.iter().zip([Code::RawMissing, Code::Malformed]) {
        let failure = Failure::new(code, "trouble");
        ledger.park(job.file_id, job.job_id, &failure, None, Millis(3)).await.unwrap();
    }
    let known = ledger.known("landing/bus").await.unwrap();
    assert_eq!(known.keys().collect::<Vec<_>>(), ["b"]);
    assert_eq!(ledger.take(&[arrival("a", "one"), arrival("b", "two")]).await, [touched(1), touched(2)]);
    assert_eq!(ledger.states().await, "f1 queued, f2 parked");
    assert_eq!(ledger.drain("w", 4).await, [[FileId(1)]]);
    assert_eq!(ledger.known("landing/bus").await.unwrap().len(), 2);
}

#[tokio::test]
async fn the_correction_of_a_parked_file_counts_also_where_changes_are_ignored() {
    let ledger = Ledger::new().await;
    let ignore = |path, bytes| changing(path, bytes, OnChange::Ignore);
    ledger.take(&[ignore("a", "one"), ignore("b", "one")]).await;
    let claim = ledger.claim_all("w", 2).await.unwrap();
    ledger.park(FileId(1), claim.jobs[0].job_id, &malformed(), None, Millis(3)).await.unwrap();
    assert_eq!(ledger.take(&[ignore("b", "mended b")]).await, [queued(3, 2)]);
    assert_eq!(ledger.take(&[ignore("a", "mended a")]).await, [queued(4, 3)]);
    assert_eq!(ledger.states().await, "f1 replaced, f2 duplicate, f3 queued, f4 queued");
    ledger.drain("w", 4).await;
    assert_eq!(ledger.take(&[ignore("a", "again")]).await, [ignored(5, 4)]);
}

#[tokio::test]
async fn a_changed_file_is_ignored_where_the_dataset_says_so() {
    let ledger = Ledger::new().await;
    let ignore = |bytes| changing("a", bytes, OnChange::Ignore);
    ledger.take(&[ignore("one")]).await;
    let mut two = ignore("two");
    two.sighting.mtime_ns = 77;
    assert_eq!(ledger.take(&[two.clone()]).await, [ignored(2, 1)]);
    // It is not read again, and not recorded again when it is.
    assert_eq!(ledger.known("landing/bus").await.unwrap()["a"], known_as(10, 77, 2));
    assert_eq!(ledger.take(&[two]).await, [touched(2)]);
    assert_eq!(ledger.take(&[ignore("three")]).await, [ignored(3, 1)]);
    // The path still stands for what was loaded.
    assert_eq!(ledger.take(&[ignore("one")]).await, [touched(1)]);
    assert_eq!(ledger.states().await, "f1 queued, f2 ignored, f3 ignored");
    // Once changes count, the ignored bytes do so too.
    assert_eq!(ledger.take(&[ignore("two")]).await, [ignored(4, 1)]);
    assert_eq!(ledger.take(&[arrival("a", "two")]).await, [queued(5, 2)]);
}

#[tokio::test]
async fn an_appended_file_leaves_the_earlier_one() {
    let ledger = Ledger::new().await;
    let append = |bytes| changing("a", bytes, OnChange::Append);
    assert_eq!(
        ledger.take(&[append("one"), append("two"), append("two")]).await,
        [queued(1, 1), queued(2, 2), touched(2)]
    );
    assert_eq!(ledger.drain("w", 2).await, [[FileId(1), FileId(2)]]);
    // Back to the first bytes is a change as well.
    assert_eq!(ledger.take(&[append("one")]).await, [queued(3, 3)]);
    ledger.drain("w", 2).await;
    assert_eq!(ledger.states().await, "f1 committed, f2 committed, f3 committed");
    // Whoever replaces then takes the place of all three.
    ledger.take(&[arrival("a", "four")]).await;
    let claim = ledger.claim_all("w", 2).await.unwrap();
    assert_eq!(claim.jobs[0].replaces, [FileId(1), FileId(2), FileId(3)]);
}

#[tokio::test]
async fn a_replacement_takes_over_when_it_is_committed() {
    let ledger = Ledger::new().await;
    ledger.take(&[arrival("a", "one")]).await;
    ledger.drain("w", 2).await;
    assert_eq!(ledger.take(&[arrival("a", "two")]).await, [queued(2, 2)]);
    assert_eq!(ledger.states().await, "f1 committed, f2 queued");
    let claim = ledger.claim_all("w", 3).await.unwrap();
    assert_eq!(claim.jobs[0].replaces, [FileId(1)]);
    assert_eq!(ledger.states().await, "f1 committed, f2 leased");
    ledger.drain("w", 4).await;
    assert_eq!(ledger.states().await, "f1 replaced, f2 committed");
    assert_eq!(ledger.file(FileId(1)).await.unwrap().unwrap().replaced_by, Some(FileId(2)));

    // Back to the first bytes is a change as well.
    assert_eq!(ledger.take(&[arrival("a", "one")]).await, [queued(3, 3)]);
    ledger.drain("w", 5).await;
    assert_eq!(ledger.states().await, "f1 replaced, f2 replaced, f3 committed");
}

#[tokio::test]
async fn a_path_whose_route_has_changed_is_new_to_its_dataset() {
    let ledger = Ledger::new().await;
    ledger.take(&[arrival("a", "one")]).await;
    let train = DatasetName::new("transit", "train");
    let other = |bytes| Arrival { dataset: train.clone(), ..arrival("a", bytes) };
    assert_eq!(ledger.take(&[other("one")]).await, [queued(2, 1)]);
    assert_eq!(ledger.take(&[other("two")]).await, [queued(3, 2)]);
    let claim = ledger
        .claim(&lakegate_domain::LaneName::ingest(&train), "w", ALL, LEASE, Millis(2))
        .await
        .unwrap()
        .unwrap();
    // One at a time, and the other dataset's file is not its to replace.
    assert_eq!(ids(&claim), [2]);
    assert_eq!(claim.jobs[0].replaces, []);
    assert_eq!(ledger.states().await, "f1 queued, f2 leased, f3 queued");
}

#[tokio::test]
async fn a_path_that_comes_back_to_its_dataset_replaces_what_that_holds() {
    let ledger = Ledger::new().await;
    let train = |bytes| Arrival { dataset: DatasetName::new("transit", "train"), ..arrival("a", bytes) };
    ledger.take(&[arrival("a", "one")]).await;
    ledger.drain("w", 2).await;
    assert_eq!(ledger.take(&[train("two"), arrival("a", "three")]).await, [queued(2, 1), queued(3, 2)]);
    assert_eq!(ledger.claim_all("w", 3).await.unwrap().jobs[0].replaces, [FileId(1)]);
    ledger.drain("w", 4).await;
    assert_eq!(ledger.states().await, "f1 replaced, f2 queued, f3 committed");
    assert_eq!(ledger.known("landing/bus").await.unwrap()["a"].dataset, dataset().into());
}

#[tokio::test]
async fn nothing_comes_of_nothing() {
    let ledger = Ledger::new().await;
    assert!(ledger.take(&[]).await.is_empty());
    assert!(ledger.files(&FileFilter::default()).await.unwrap().is_empty());
    assert!(ledger.status().await.unwrap().is_empty());
    assert!(ledger.claim_all("w", 1).await.is_none());
}

#[tokio::test]
async fn a_thousand_at_once_keep_their_order() {
    let ledger = Ledger::new().await;
    let arrivals: Vec<Arrival> = (0..1000).map(|i| arrival(&format!("f{i}"), &i.to_string())).collect();
    let answers = ledger.take(&arrivals).await;
    for (i, answer) in answers.iter().enumerate() {
        let n = i64::try_from(i).unwrap() + 1;
        assert_eq!(*answer, queued(n, n));
    }
    let claim = ledger.claim_all("w", 2).await.unwrap();
    assert!(claim.jobs.iter().zip(&arrivals).all(|(job, a)| job.path == a.sighting.path));
    assert_eq!(claim.jobs.len(), 1000);
    assert_eq!(ledger.last_seq(&lane()).await.unwrap(), Seq(1000));
    assert_eq!(ledger.last_seq(&LaneName("other".into())).await.unwrap(), Seq(0));
}
