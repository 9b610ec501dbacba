//! Log entries on file systems that behave and on those that do not.

use super::*;

/// A file system on which one thing fails.
#[derive(Default)]
struct Broken {
    link: Option<io::ErrorKind>,
    /// The link is made although it is said to have failed.
    links_all_the_same: bool,
    sync: Option<io::ErrorKind>,
}

impl Entries for Broken {
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        if self.links_all_the_same || self.link.is_none() {
            fs::hard_link(from, to)?;
        }
        self.link.map_or(Ok(()), |kind| Err(kind.into()))
    }

    fn sync(&self, _folder: &File) -> io::Result<()> {
        self.sync.map_or(Ok(()), |kind| Err(kind.into()))
    }
}

fn table() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("_delta_log")).unwrap();
    folder
}

fn entry(name: &str) -> [Value; 1] {
    [json!({ "commitInfo": { "txnId": name } })]
}

fn log_of(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder.join("_delta_log"))
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

const FIRST: &str = "00000000000000000000.json";

#[test]
fn what_is_visible_is_done_whatever_fails_afterwards() {
    let folder = table();
    let disk = Broken { sync: Some(io::ErrorKind::Other), ..Broken::default() };
    assert_eq!(publish(&disk, folder.path(), 0, &entry("a")).unwrap(), Published::Done);
    assert_eq!(publish(&Disk, folder.path(), 0, &entry("b")).unwrap(), Published::Exists);
    assert_eq!(log_of(folder.path()), [FIRST]);
}

#[test]
fn a_link_that_says_it_failed_may_have_been_made() {
    for kind in [io::ErrorKind::AlreadyExists, io::ErrorKind::TimedOut] {
        let folder = table();
        let disk = Broken { link: Some(kind), links_all_the_same: true, ..Broken::default() };
        assert_eq!(publish(&disk, folder.path(), 0, &entry("a")).unwrap(), Published::Done);
        assert_eq!(log_of(folder.path()), [FIRST]);
    }
    let folder = table();
    let disk = Broken { link: Some(io::ErrorKind::TimedOut), ..Broken::default() };
    let error = publish(&disk, folder.path(), 0, &entry("a")).unwrap_err();
    assert_eq!(error.code, Code::Storage);
    assert!(error.message.contains(FIRST), "{error}");
    assert!(log_of(folder.path()).is_empty());
}

#[test]
fn a_file_system_without_links_takes_commits_too() {
    for kind in [io::ErrorKind::PermissionDenied, io::ErrorKind::Unsupported] {
        let folder = table();
        let disk = Broken { link: Some(kind), ..Broken::default() };
        assert_eq!(publish(&disk, folder.path(), 0, &entry("a")).unwrap(), Published::Done);
        assert_eq!(publish(&disk, folder.path(), 0, &entry("b")).unwrap(), Published::Exists);
        let text = fs::read_to_string(folder.path().join("_delta_log").join(FIRST)).unwrap();
        assert_eq!(text, "{\"commitInfo\":{\"txnId\":\"a\"}}\n");
        assert_eq!(log_of(folder.path()), [FIRST]);
    }
}

#[test]
fn of_many_writers_one_gets_the_version() {
    let folder = table();
    let done: Vec<Published> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..8)
            .map(|i| {
                let folder = folder.path();
                scope.spawn(move || publish(&Disk, folder, 0, &entry(&i.to_string())).unwrap())
            })
            .collect();
        writers.into_iter().map(|w| w.join().unwrap()).collect()
    });
    assert_eq!(done.iter().filter(|d| **d == Published::Done).count(), 1);
    assert_eq!(log_of(folder.path()), [FIRST]);
}

#[tokio::test]
async fn a_lost_commit_leaves_no_data_file_and_a_failed_one_leaves_them() {
    let storage = tempfile::tempdir().unwrap();
    let name = TableName { team: "t".into(), dataset: "d".into(), table: "x".into() };
    let schema = Arc::new(Schema::new(vec![arrow::datatypes::Field::new(
        "v",
        arrow::datatypes::DataType::Int64,
        true,
    )]));
    let mut first = TableLog::open(storage.path(), &name, &[]).await.unwrap();
    first.create(schema, &[], None).await.unwrap();
    let mut second = TableLog::open(storage.path(), &name, &[]).await.unwrap();
    let commit = |file: &str| {
        fs::write(first.folder.join(file), "rows").unwrap();
        let add = AddFile {
            path: file.into(),
            partition_values: Vec::new(),
            size_bytes: 4,
            n_rows: 1,
            stats: "{}".into(),
        };
        Commit { operation: "WRITE", adds: vec![add], data_change: true, ..Commit::default() }
    };
    let (a, b, c) = (commit("a.parquet"), commit("b.parquet"), commit("c.parquet"));
    first.commit(&a).await.unwrap();
    let lost = second.commit(&b).await.unwrap_err();
    assert_eq!(lost.code, Code::Conflict);
    fs::rename(first.folder.join("_delta_log"), first.folder.join("gone")).unwrap();
    let failed = first.commit(&c).await.unwrap_err();
    assert_eq!(failed.code, Code::Storage);
    assert!(failed.message.contains("_delta_log"), "{failed}");
    let there = |file: &str| first.folder.join(file).exists();
    assert_eq!((there("a.parquet"), there("b.parquet"), there("c.parquet")), (true, false, true));
}
