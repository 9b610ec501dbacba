//! Which files are folded together, and that no row changes.

use lakegate_domain::TableName;

use super::*;

fn file(n: usize, size_bytes: u64) -> LiveFile {
    LiveFile {
        path: format!("{n:04}"),
        partition_values: Vec::new(),
        size_bytes,
        n_rows: Some(1),
        stats: None,
    }
}

const MIB: u64 = 1 << 20;

fn sizes(files: &[u64]) -> Vec<Vec<u64>> {
    let files = files.iter().enumerate().map(|(i, s)| file(i, *s)).collect();
    tiers(files).iter().map(|t| t.iter().map(|f| f.size_bytes).collect()).collect()
}

#[test]
fn files_of_similar_size_are_folded_together() {
    assert_eq!(sizes(&[]), Vec::<Vec<u64>>::new());
    assert_eq!(sizes(&[4000, 60 * MIB, 1, 900_000]), [vec![1, 4000, 900_000], vec![60 * MIB]]);
    assert_eq!(sizes(&[30 * MIB; 3]), [[30 * MIB; 3]]);
    assert_eq!(sizes(&[2 * MIB, 2 * MIB, 5 * MIB, 3 * MIB]), [[2 * MIB, 2 * MIB, 3 * MIB, 5 * MIB]]);
    assert_eq!(sizes(&[2 * MIB, 3 * MIB]), [[2 * MIB], [3 * MIB]]);
}

#[test]
fn a_row_is_rewritten_as_often_as_its_file_doubles() {
    // Files of 2 MiB come one by one, each four of a tier are folded.
    let (mut files, mut written, mut came) = (Vec::new(), 0, 0);
    for n in 0..1000 {
        files.push(file(n, 2 * MIB));
        came += 2 * MIB;
        for tier in tiers(files.clone()).into_iter().filter(|t| t.len() >= 4) {
            files.retain(|f| !tier.iter().any(|t| t.path == f.path));
            let size = tier.iter().map(|f| f.size_bytes).sum();
            written += size;
            files.push(LiveFile { path: format!("x{n}"), ..file(n, size) });
        }
    }
    assert!(files.len() < 40, "{}", files.len());
    assert!(written < came * 10, "{}", written / came);
}

#[tokio::test]
async fn compaction_moves_rows_and_spares_a_large_file() {
    let storage = tempfile::tempdir().unwrap();
    let name = TableName { team: "t".into(), dataset: "d".into(), table: "x".into() };
    let mut rng = fastrand::Rng::with_seed(1);
    let mut rows = |first: i64, n: i64| {
        let texts: Vec<String> = (0..n).map(|_| format!("{:032x}", rng.u128(..))).collect();
        RecordBatch::try_from_iter_with_nullable([
            ("id", Arc::new(Int64Array::from_iter_values((first..first + n).rev())) as ArrayRef, true),
            ("text", Arc::new(StringArray::from(texts)) as ArrayRef, true),
        ])
        .unwrap()
    };
    let options = SinkOptions {
        target_file_bytes: 128 << 20,
        memory_bytes: 16 << 20,
        open_files: 64,
        sort_by: vec!["id".into()],
    };
    let mut log = TableLog::open(storage.path(), &name, &[]).await.unwrap();
    log.create(rows(0, 1).schema(), &[], None).await.unwrap();
    let mut large = String::new();
    for (first, n) in [(1000, 100_000), (0, 10), (10, 10), (20, 10)] {
        let rows = rows(first, n);
        let adds = Sink::new(&log.folder, rows.schema(), &[], options.clone()).write_all(&[rows]).unwrap();
        if n > 10 {
            large = adds[0].path.clone();
            assert!(adds[0].size_bytes > TINY_BYTES);
        }
        log.commit(&Commit { operation: "WRITE", adds, data_change: true, ..Commit::default() })
            .await
            .unwrap();
    }
    let done = compact(&mut log, 3, &options).await.unwrap();
    assert_eq!((done.n_removed, done.n_added, done.version), (3, 1, Some(5)));
    let files = live(&log).await.unwrap();
    assert_eq!(files.len(), 2);
    assert!(files.iter().any(|f| f.path == large), "the large file is as it was");
    let small = files.iter().find(|f| f.path != large).unwrap();
    let mut ids = Vec::new();
    for rows in read_file(&log.folder, &small.path).unwrap() {
        ids.extend(rows.unwrap().column(0).as_primitive::<Int64Type>().values().to_vec());
    }
    assert_eq!(ids, (0..30).collect::<Vec<_>>(), "sorted");
    assert_eq!(compact(&mut log, 3, &options).await.unwrap(), Compaction::default());
}

#[test]
fn a_damaged_data_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("part.parquet"), "no parquet").unwrap();
    for name in ["part.parquet", "gone.parquet"] {
        let failed = read_file(folder.path(), name).err().unwrap();
        assert_eq!(failed.code, Code::TableDamaged);
        assert!(failed.message.contains(name), "{failed}");
    }
}
