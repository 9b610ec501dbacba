//! Times the ledger's busy methods as it grows:
//! `cargo run --release -p lakegate-state --example ledger_bench [files]`.

use std::time::Instant;

use lakegate_domain::model::{OnChange, SameBytes};
use lakegate_domain::review::Contents;
use lakegate_domain::{DatasetName, LaneName, RunId, Seq};
use lakegate_state::{Arrival, CommitRecord, Limits, Millis, Outcome, RawRef, Sighting, Store, TableRows};

const BATCH: usize = 1000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let total: usize = std::env::args().nth(1).map_or(Ok(100_000), |n| n.parse())?;
    let folder = tempfile::tempdir()?;
    let store = Store::open(folder.path().join("ledger.db")).await?;
    let dataset = DatasetName::new("transit", "bus");
    let lane = LaneName::ingest(&dataset);
    let mut rng = fastrand::Rng::with_seed(1);
    println!("{:>9} {:>10} {:>10} {:>10}", "files", "accept ms", "claim ms", "finish ms");
    for batch in 0..total.div_ceil(BATCH) {
        let arrivals: Vec<Arrival> =
            (0..BATCH).map(|i| arrival(&dataset, batch * BATCH + i, &mut rng)).collect();
        let start = Instant::now();
        store.accept(&arrivals, Millis(batch as i64)).await?;
        let accepted = start.elapsed();

        let limits = Limits { max_files: BATCH as u32, max_bytes: u64::MAX };
        let start = Instant::now();
        let claim =
            store.claim(&lane, "bench", limits, 60_000, Millis(0)).await?.ok_or("nothing to claim")?;
        let claimed = start.elapsed();

        let outcomes: Vec<Outcome> = claim
            .jobs
            .iter()
            .map(|job| Outcome {
                file_id: job.file_id,
                job_id: job.job_id,
                tables: vec![TableRows {
                    table: dataset.table("positions"),
                    n_in: 100,
                    n_read: 100,
                    n_committed: 100,
                    n_quarantined: 0,
                    n_dropped: 0,
                    n_duplicate: 0,
                }],
                column_stats:
                    r#"{"transit.bus.positions":{"speed":{"count":100,"nulls":0,"min":0,"max":9}}}"#.into(),
                n_read: 100,
                duration_ms: 1,
                expectations: Vec::new(),
                contents: Contents::default(),
            })
            .collect();
        let commit = CommitRecord {
            table: dataset.table("positions"),
            version: batch as i64,
            lane: lane.clone(),
            seq: claim.jobs.last().map_or(Seq(0), |job| job.seq),
            n_files: BATCH as u32,
            n_rows: 100 * BATCH as u64,
            n_added: 1,
            n_removed: 0,
            size_bytes: 1 << 20,
            operation: "ingest".into(),
            at: Millis(batch as i64),
        };
        let start = Instant::now();
        store.finish(&lane, "bench", &outcomes, &[commit], RunId(1), Millis(0)).await?;
        let finished = start.elapsed();
        if batch < 3 || (batch + 1) % 10 == 0 {
            let ms = |t: std::time::Duration| t.as_secs_f64() * 1e3;
            let files = (batch + 1) * BATCH;
            println!("{files:>9} {:>10.1} {:>10.1} {:>10.1}", ms(accepted), ms(claimed), ms(finished));
        }
    }
    for _ in 0..2 {
        let start = Instant::now();
        let known = store.known("landing/bus").await?;
        println!("known: {} paths in {:?}", known.len(), start.elapsed());
    }
    let start = Instant::now();
    store.status().await?;
    println!("status in {:?}", start.elapsed());
    let start = Instant::now();
    store.lanes_with_work(Millis(0)).await?;
    println!("lanes with work in {:?}", start.elapsed());
    let bytes = std::fs::metadata(folder.path().join("ledger.db"))?.len();
    println!("ledger: {} bytes a file", bytes / total as u64);
    Ok(())
}

/// A file whose name comes in order and whose fingerprint does not.
fn arrival(dataset: &DatasetName, n: usize, rng: &mut fastrand::Rng) -> Arrival {
    Arrival {
        dataset: dataset.clone(),
        landing: "landing/bus".into(),
        sighting: Sighting {
            path: format!("2024/01/vehicles-{n:09}.pb"),
            size_bytes: 4096,
            mtime_ns: n as i64,
        },
        fingerprint: (0..4).map(|_| format!("{:016x}", rng.u64(..))).collect(),
        raw: RawRef {
            pack: format!("{}.pack", n / 1000),
            offset: 0,
            stored_bytes: 2048,
            method: "deflate".into(),
        },
        groups: Vec::new(),
        on_change: OnChange::Replace,
        same_bytes: SameBytes::Duplicate,
    }
}
