//! The ledger through its public methods, each test on a database of its own.

mod accept;
mod exports;
mod health;
mod lanes;
mod model;
mod opening;
mod outcomes;
mod parked;
mod polls;
mod review;
mod tables;

use std::path::PathBuf;

use lakegate_domain::model::{OnChange, SameBytes};
use lakegate_domain::{Code, DatasetName, Failure, FileId, LaneName, RunId, Seq, TableName};
use lakegate_state::{
    Accepted, Arrival, Claim, CommitRecord, Cursor, FileFilter, Job, Limits, Millis, Narrow, Outcome, RawRef,
    Sighting, Store, TableRows,
};
use tempfile::TempDir;

const ALL: Limits = Limits { max_files: 1000, max_bytes: u64::MAX };
const LEASE: i64 = 1000;
const RUN: RunId = RunId(1);

/// A ledger that goes when the test ends.
struct Ledger {
    store: Store,
    folder: TempDir,
}

impl std::ops::Deref for Ledger {
    type Target = Store;
    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Ledger {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("ledger.db")).await.unwrap();
        Self { store, folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("ledger.db")
    }

    async fn take(&self, arrivals: &[Arrival]) -> Vec<Accepted> {
        self.accept(arrivals, Millis(1)).await.unwrap()
    }

    async fn claim_all(&self, owner: &str, now: i64) -> Option<Claim> {
        self.claim(&lane(), owner, ALL, LEASE, Millis(now)).await.unwrap()
    }

    /// Claims and commits until nothing is left; says what each claim held.
    async fn drain(&self, owner: &str, now: i64) -> Vec<Vec<FileId>> {
        let mut batches = Vec::new();
        while let Some(claim) = self.claim_all(owner, now).await {
            let outcomes: Vec<Outcome> = claim.jobs.iter().map(outcome).collect();
            self.finish(&claim.lane, owner, &outcomes, &[], RUN, Millis(now)).await.unwrap();
            batches.push(claim.jobs.iter().map(|j| j.file_id).collect());
        }
        batches
    }

    /// All rows of a system table.
    async fn system(&self, name: &str) -> Vec<Vec<serde_json::Value>> {
        let mut rows = Vec::new();
        let mut after = Some(Cursor::default());
        while let Some(cursor) = after {
            let page = self.system_page(name, &Narrow::default(), cursor).await.unwrap().unwrap();
            rows.extend(page.rows);
            after = page.next;
        }
        rows
    }

    /// `f1 committed, f2 parked, …`, oldest first.
    async fn states(&self) -> String {
        let mut files = self.files(&FileFilter::default()).await.unwrap();
        files.reverse();
        let states: Vec<String> = files.iter().map(|f| format!("{} {}", f.file_id, f.state.name())).collect();
        states.join(", ")
    }
}

fn dataset() -> DatasetName {
    DatasetName::new("transit", "bus")
}

fn lane() -> LaneName {
    LaneName::ingest(&dataset())
}

fn table() -> TableName {
    dataset().table("positions")
}

/// An arrival of one path whose bytes are named by a word; it replaces, and
/// same bytes are duplicates.
fn arrival(path: &str, bytes: &str) -> Arrival {
    Arrival {
        dataset: dataset(),
        landing: "landing/bus".into(),
        sighting: Sighting { path: path.into(), size_bytes: 10, mtime_ns: 5 },
        fingerprint: fingerprint(bytes),
        raw: RawRef { pack: "2024/p1.pack".into(), offset: 7, stored_bytes: 9, method: "deflate".into() },
        groups: vec![("site".into(), "z05".into()), ("day".into(), "20240102".into())],
        on_change: OnChange::Replace,
        same_bytes: SameBytes::Duplicate,
    }
}

/// Sixty-four hexadecimal digits that differ from one word to the next.
fn fingerprint(bytes: &str) -> String {
    let digits: String = bytes.bytes().map(|b| format!("{b:02x}")).collect();
    format!("{digits:0<64}")
}

fn changing(path: &str, bytes: &str, on_change: OnChange) -> Arrival {
    Arrival { on_change, ..arrival(path, bytes) }
}

fn rows(table: TableName, n: u64) -> TableRows {
    TableRows { table, n_in: n, n_read: n, n_committed: n, n_quarantined: 0, n_dropped: 0, n_duplicate: 0 }
}

fn outcome(job: &Job) -> Outcome {
    Outcome {
        file_id: job.file_id,
        job_id: job.job_id,
        tables: vec![rows(table(), 3)],
        column_stats: String::new(),
        n_read: 3,
        duration_ms: 2,
        expectations: Vec::new(),
        contents: Default::default(),
    }
}

fn commit(table: TableName, version: i64, seq: i64, at: i64) -> CommitRecord {
    CommitRecord {
        table,
        version,
        lane: lane(),
        seq: Seq(seq),
        n_files: 1,
        n_rows: 3,
        n_added: 1,
        n_removed: 0,
        size_bytes: 100,
        operation: "ingest".into(),
        at: Millis(at),
    }
}

fn malformed() -> Failure {
    Failure::new(Code::Malformed, "line 3 has no end")
}

fn ids(claim: &Claim) -> Vec<i64> {
    claim.jobs.iter().map(|j| j.file_id.0).collect()
}

fn queued(file_id: i64, seq: i64) -> Accepted {
    Accepted::Queued { file_id: FileId(file_id), seq: Seq(seq) }
}

fn touched(file_id: i64) -> Accepted {
    Accepted::Touched { file_id: FileId(file_id) }
}

fn duplicate(file_id: i64, of: i64) -> Accepted {
    Accepted::Duplicate { file_id: FileId(file_id), of: FileId(of) }
}

fn ignored(file_id: i64, of: i64) -> Accepted {
    Accepted::Ignored { file_id: FileId(file_id), of: FileId(of) }
}
