//! The landing zone and the raw store as a caller meets them: folders with
//! files in, bytes in the store and listings out.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use lakegate_domain::model::After;
use lakegate_domain::{Code, DatasetName};
use lakegate_land::{
    Disposed, Listing, Method, Outcome, RawBytes, RawPlace, RawStore, Received, SMALL_FILE_BYTES, Seen,
    Wanted, archive_folder, dispose, ensure, list,
};
use tempfile::TempDir;

const HOUR: Duration = Duration::from_secs(3600);

/// A landing folder and a raw store beside it.
struct Lake {
    folder: TempDir,
    store: RawStore,
    dataset: DatasetName,
    /// Whether what lands is text.
    is_text: bool,
}

impl Lake {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("landing")).unwrap();
        let store = RawStore::open(folder.path().join("storage/raw")).unwrap();
        Self { folder, store, dataset: DatasetName::new("harbour", "buoy"), is_text: false }
    }

    fn landing(&self) -> PathBuf {
        self.folder.path().join("landing")
    }

    fn land(&self, path: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let os_path = self.landing().join(path);
        fs::create_dir_all(os_path.parent().unwrap()).unwrap();
        fs::write(&os_path, bytes).unwrap();
        os_path
    }

    fn list(&self) -> Listing {
        list(&self.landing(), &[])
    }

    fn seen(&self, path: &str) -> Seen {
        self.list().files.into_iter().find(|f| f.path == path).unwrap()
    }

    fn receive_with(&self, seen: Vec<Seen>, after: After) -> Vec<Outcome> {
        let batch = seen
            .into_iter()
            .map(|seen| Wanted { dataset: &self.dataset, seen, after, is_text: self.is_text })
            .collect();
        self.store.receive(batch)
    }

    /// Receives all that has landed.
    fn receive(&self) -> Vec<Received> {
        let outcomes = self.receive_with(self.list().files, After::Keep);
        outcomes.into_iter().map(|o| o.unwrap()).collect()
    }

    fn stored(&self) -> Vec<String> {
        all_files(self.store.folder())
    }
}

fn all_files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().unwrap().is_dir() {
            found.extend(all_files(&entry.path()).into_iter().map(|f| format!("{name}/{f}")));
        } else {
            found.push(name);
        }
    }
    found.sort();
    found
}

fn place(received: &Received) -> &RawPlace {
    &received.raw
}

fn bytes_of(raw: RawBytes) -> Vec<u8> {
    match raw {
        RawBytes::Bytes(bytes) => bytes,
        RawBytes::File(path) => fs::read(path).unwrap(),
        RawBytes::Zstd(path) => zstd::decode_all(File::open(path).unwrap()).unwrap(),
    }
}

fn text(n: usize) -> String {
    (0..n).map(|i| format!("{i},{},ok\n", i * 7919 % 1009)).collect()
}

// --- listing ---------------------------------------------------------------

#[test]
fn a_listing_is_recursive_sorted_and_without_junk() {
    let lake = Lake::new();
    for path in ["b.csv", "a/z.csv", "a.csv", "a/x.csv/deep.csv", "x.tmp/kept.csv"] {
        lake.land(path, path);
    }
    for junk in ["a.csv.part", ".hidden", ".git/config", "__MACOSX/a.csv", "a/Thumbs.db"] {
        lake.land(junk, "junk");
    }
    let listing = lake.list();
    let paths: Vec<_> = listing.files.iter().map(|f| f.path.as_str()).collect();
    assert_eq!(paths, ["a.csv", "a/x.csv/deep.csv", "a/z.csv", "b.csv", "x.tmp/kept.csv"]);
    assert_eq!(listing.problems, []);
    let first = &listing.files[0];
    assert_eq!((first.size_bytes, &first.os_path), (5, &lake.landing().join("a.csv")));
    let age =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as i64 - first.mtime_ns;
    assert!((-1_000_000_000..600_000_000_000).contains(&age), "{age}");
}

#[test]
fn another_zones_folder_is_left_out() {
    let lake = Lake::new();
    lake.land("inner/a.csv", "");
    lake.land("inner2/a.csv", "");
    let listing = list(&lake.landing(), &[lake.landing().join("inner")]);
    assert_eq!(listing.files.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(), ["inner2/a.csv"]);
}

#[test]
fn a_missing_folder_is_empty_and_can_be_made() {
    let lake = Lake::new();
    let folder = lake.landing().join("new/deep");
    assert_eq!(list(&folder, &[]), Listing::default());
    ensure(&folder).unwrap();
    ensure(&folder).unwrap();
    assert!(folder.is_dir());
    let file = lake.land("file", "");
    let problem = ensure(&file.join("below")).unwrap_err();
    assert!(problem.message.contains("cannot be created"), "{problem}");
    let listing = list(&file, &[]);
    assert_eq!((listing.files.len(), listing.problems.len()), (0, 1));
}

#[test]
fn any_name_is_listed_received_and_read_back() {
    let lake = Lake::new();
    let long = "x".repeat(250) + ".csv";
    let names: [&[u8]; 14] = [
        b"new\nline.csv",
        b"quo'te\".csv",
        "\u{1f680} caf\u{e9}.csv".as_bytes(),
        "cafe\u{301}.csv".as_bytes(),
        b"-rf",
        b"--",
        b" leading and trailing ",
        b"100%.csv",
        b"back\\slash:colon|pipe?.csv",
        b"bad\xff.csv",
        b"bad\xfe.csv",
        b"50%\xff.csv",
        b"$(touch pwned);.csv",
        long.as_bytes(),
    ];
    for name in names {
        fs::write(lake.landing().join(std::ffi::OsStr::from_bytes(name)), name).unwrap();
    }
    let listing = lake.list();
    assert_eq!(listing.problems, []);
    let paths: BTreeSet<_> = listing.files.iter().map(|f| f.path.as_str()).collect();
    assert_eq!(paths.len(), names.len());
    for path in ["bad%FF.csv", "bad%FE.csv", "50%25%FF.csv", "100%.csv", "new\nline.csv"] {
        assert!(paths.contains(path), "{path:?}");
    }
    let received = lake.receive();
    for file in &received {
        let bytes = bytes_of(lake.store.open_verified(place(file), &file.fingerprint).unwrap());
        assert_eq!(bytes, file.seen.os_path.file_name().unwrap().as_bytes());
    }
}

#[test]
fn an_escaped_name_never_takes_anothers() {
    let lake = Lake::new();
    lake.land("a%FF", "plain");
    fs::write(lake.landing().join(std::ffi::OsStr::from_bytes(b"a\xff")), "bad").unwrap();
    let listing = lake.list();
    assert_eq!(listing.files.len(), 1);
    assert_eq!(listing.files[0].size_bytes, 5);
    assert!(listing.problems[0].message.contains("not UTF-8"), "{}", listing.problems[0]);
}

#[test]
fn links_are_followed_to_files_only() {
    let lake = Lake::new();
    let target = lake.folder.path().join("elsewhere.csv");
    fs::write(&target, "elsewhere").unwrap();
    let link =
        |target: &Path, name: &str| std::os::unix::fs::symlink(target, lake.landing().join(name)).unwrap();
    link(&target, "file.csv");
    link(&lake.landing(), "loop");
    link(Path::new("nowhere"), "dangling.csv");
    link(Path::new("nowhere"), "junk.part");
    let _socket = std::os::unix::net::UnixListener::bind(lake.landing().join("socket")).unwrap();
    assert!(Command::new("mkfifo").arg(lake.landing().join("pipe")).status().unwrap().success());

    let listing = lake.list();
    assert_eq!(listing.files.len(), 1);
    assert_eq!((listing.files[0].path.as_str(), listing.files[0].size_bytes), ("file.csv", 9));
    let problems: Vec<_> = listing
        .problems
        .iter()
        .map(|p| (p.path.file_name().unwrap().to_str().unwrap(), p.message.split([';', ' ']).nth(1).unwrap()))
        .collect();
    assert_eq!(
        problems,
        [("dangling.csv", "link"), ("loop", "link"), ("pipe", "named"), ("socket", "socket")]
    );
}

#[test]
fn a_linked_large_file_is_stored_as_what_it_names() {
    let lake = Lake::new();
    let target = lake.folder.path().join("elsewhere.bin");
    let big = vec![3; SMALL_FILE_BYTES as usize];
    fs::write(&target, &big).unwrap();
    std::os::unix::fs::symlink(&target, lake.landing().join("a.bin")).unwrap();
    let outcome = lake.receive_with(lake.list().files, After::Archive).remove(0).unwrap();
    fs::remove_file(&target).unwrap();
    assert_eq!(bytes_of(lake.store.open_verified(place(&outcome), &outcome.fingerprint).unwrap()), big);
}

// --- receiving -------------------------------------------------------------

#[test]
fn a_batch_becomes_one_pack_that_any_tool_opens() {
    let lake = Lake::new();
    lake.land("a.csv", text(500));
    lake.land("deep/b.csv", "tiny");
    lake.land("empty.csv", "");
    lake.land("noise.gz", [&b"\x1f\x8b"[..], &[1; 900]].concat());
    let received = lake.receive();

    let packs: HashSet<_> = received.iter().map(|r| place(r).pack.clone()).collect();
    assert_eq!(packs.len(), 1);
    let pack = packs.into_iter().next().unwrap();
    assert_eq!(lake.stored(), [pack.as_str()]);
    let parts: Vec<_> = pack.split('/').collect();
    assert_eq!((parts[0], parts[1], parts[2].len(), parts.len()), ("harbour", "buoy", 10, 4));

    let methods: Vec<_> = received.iter().map(|r| (r.seen.path.as_str(), place(r).method)).collect();
    assert_eq!(
        methods,
        [
            ("a.csv", Method::Deflate),
            ("deep/b.csv", Method::Stored),
            ("empty.csv", Method::Stored),
            ("noise.gz", Method::Stored)
        ]
    );
    for file in &received {
        let landed = fs::read(&file.seen.os_path).unwrap();
        assert_eq!(file.fingerprint, blake3_of(&landed));
        assert_eq!(bytes_of(lake.store.open_raw(place(file)).unwrap()), landed);
    }

    let path = lake.store.folder().join(&pack);
    let mut archive = zip::ZipArchive::new(File::open(&path).unwrap()).unwrap();
    let names: Vec<_> = archive.file_names().map(|n| n.unwrap().into_owned()).collect();
    assert_eq!(names, ["00001/a.csv", "00002/deep/b.csv", "00003/empty.csv", "00004/noise.gz"]);
    let mut first = String::new();
    archive.by_name("00001/a.csv").unwrap().read_to_string(&mut first).unwrap();
    assert_eq!(first, text(500));

    python_agrees(&path, 4);
}

fn blake3_of(bytes: &[u8]) -> String {
    RawBytes::Bytes(bytes.to_vec()).fingerprint().unwrap()
}

/// Python's zipfile finds `n` entries and every checksum right.
fn python_agrees(pack: &Path, n: usize) {
    let script =
        "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); print(z.testzip(), len(z.namelist()))";
    match Command::new("python3").args(["-c", script]).arg(pack).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout);
            assert_eq!(said.trim(), format!("None {n}"), "{}", String::from_utf8_lossy(&output.stderr));
        }
        Err(e) => println!("not compared with Python's zipfile: {e}"),
    }
}

#[test]
fn datasets_never_share_a_pack_and_answers_keep_their_order() {
    let lake = Lake::new();
    let (one, two) = (DatasetName::new("t", "one"), DatasetName::new("t", "two"));
    for i in 0..6 {
        lake.land(&format!("{i}.csv"), format!("file {i}"));
    }
    let batch = lake
        .list()
        .files
        .into_iter()
        .enumerate()
        .map(|(i, seen)| Wanted { dataset: [&two, &one][i % 2], seen, after: After::Keep, is_text: false })
        .collect();
    let outcomes = lake.store.receive(batch);
    for (i, outcome) in outcomes.iter().enumerate() {
        let received = outcome.as_ref().unwrap();
        assert_eq!(received.seen.path, format!("{i}.csv"));
        assert!(place(received).pack.starts_with(["t/two/", "t/one/"][i % 2]));
        assert_eq!(bytes_of(lake.store.open_raw(place(received)).unwrap()), format!("file {i}").as_bytes());
    }
    assert_eq!(lake.stored().len(), 2);
}

#[test]
fn packs_are_cut_by_bytes() {
    let lake = Lake::new();
    for i in 0..24 {
        lake.land(&format!("{i:02}.bin"), vec![i as u8; 3 << 20]);
    }
    let received = lake.receive();
    let packs: BTreeSet<_> = received.iter().map(|r| &place(r).pack).collect();
    assert_eq!(packs.len(), 3);
    for (i, file) in received.iter().enumerate() {
        let raw = lake.store.open_verified(place(file), &file.fingerprint).unwrap();
        assert_eq!(bytes_of(raw), vec![i as u8; 3 << 20]);
    }
}

#[test]
fn a_large_file_is_a_pack_of_its_own() {
    use std::os::unix::fs::MetadataExt;
    // Where the landed file stays, nobody may write to the raw bytes through it.
    for (after, linked) in [(After::Keep, false), (After::Archive, true), (After::Delete, true)] {
        let lake = Lake::new();
        let big = vec![9; SMALL_FILE_BYTES as usize];
        let landed = lake.land("deep/big one.bin", &big);
        let received = lake.receive_with(lake.list().files, after).remove(0).unwrap();
        let place = place(&received);
        assert_eq!((place.method, place.offset, place.stored_bytes), (Method::Whole, 0, SMALL_FILE_BYTES));
        assert!(place.pack.ends_with("-big one.bin"), "{}", place.pack);
        assert_eq!(fs::metadata(&landed).unwrap().nlink() == 2, linked, "{after:?}");

        fs::remove_file(&landed).unwrap();
        let raw = lake.store.open_verified(place, &received.fingerprint).unwrap();
        assert!(matches!(raw, RawBytes::File(_)));
        assert_eq!(bytes_of(raw), big);
    }
}

#[test]
fn a_large_text_that_stays_in_the_landing_zone_is_kept_compressed() {
    let text = "2026-01-01T00:00:00Z,12.5,north\n".repeat(400_000).into_bytes();
    let mut rng = fastrand::Rng::with_seed(1);
    let noise = std::iter::repeat_with(|| rng.u8(..)).take(SMALL_FILE_BYTES as usize + 1).collect();
    for (bytes, after, method) in [
        (&text, After::Keep, Method::Zstd),
        (&text, After::Delete, Method::Whole),
        (&noise, After::Keep, Method::Whole),
    ] {
        let lake = Lake { is_text: true, ..Lake::new() };
        lake.land("big.csv", bytes);
        let received = lake.receive_with(lake.list().files, after).remove(0).unwrap();
        let place = place(&received);
        assert_eq!((place.method, received.seen.size_bytes), (method, bytes.len() as u64));
        assert_eq!(place.pack.ends_with("-big.csv.zst"), method == Method::Zstd, "{}", place.pack);
        let stored = fs::read(lake.store.folder().join(&place.pack)).unwrap();
        assert_eq!(place.stored_bytes, stored.len() as u64);
        assert_eq!(received.fingerprint, blake3_of(bytes));
        // The second time it is read through, and damage is seen.
        for _ in 0..2 {
            assert!(bytes_of(lake.store.open_verified(place, &received.fingerprint).unwrap()) == *bytes);
        }
        if method == Method::Zstd {
            assert!(stored.len() * 10 < bytes.len(), "{}", stored.len());
            let mut damaged = stored.clone();
            damaged[stored.len() / 2] ^= 1;
            fs::write(lake.store.folder().join(&place.pack), damaged).unwrap();
            let failure = lake.store.open_verified(place, &received.fingerprint).unwrap_err();
            assert_eq!(failure.code, Code::RawMissing);
        }
    }
}

#[test]
fn a_linked_file_that_is_overwritten_in_place_is_seen() {
    let lake = Lake::new();
    let landed = lake.land("big.bin", vec![9; SMALL_FILE_BYTES as usize]);
    let received = lake.receive_with(lake.list().files, After::Archive).remove(0).unwrap();
    let mut file = File::options().write(true).open(&landed).unwrap();
    file.write_all(b"other").unwrap();
    let failure = lake.store.open_verified(place(&received), &received.fingerprint).unwrap_err();
    assert_eq!(failure.code, Code::RawMissing);
    file.set_len(5).unwrap();
    assert_eq!(lake.store.open_raw(place(&received)).unwrap_err().code, Code::RawMissing);
}

#[test]
fn one_files_failure_is_no_others() {
    let lake = Lake::new();
    for name in ["changed", "fine", "folder", "grown", "pipe", "vanished"] {
        lake.land(name, name);
    }
    let seen = lake.list().files;
    let at = |name: &str| lake.landing().join(name);
    File::options().write(true).open(at("changed")).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    fs::remove_file(at("folder")).unwrap();
    fs::create_dir(at("folder")).unwrap();
    fs::write(at("grown"), "grown more").unwrap();
    fs::remove_file(at("pipe")).unwrap();
    assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
    fs::remove_file(at("vanished")).unwrap();

    let outcomes = lake.receive_with(seen, After::Keep);
    let codes: Vec<_> = outcomes
        .iter()
        .map(|o| match o {
            Ok(received) => (received.seen.path.as_str(), None),
            Err((seen, failure)) => {
                assert!(failure.message.contains(seen.os_path.to_str().unwrap()), "{failure}");
                (seen.path.as_str(), Some(failure.code))
            }
        })
        .collect();
    assert_eq!(
        codes,
        [
            ("changed", Some(Code::Changed)),
            ("fine", None),
            ("folder", Some(Code::Unreadable)),
            ("grown", Some(Code::Changed)),
            ("pipe", Some(Code::Unreadable)),
            ("vanished", Some(Code::Changed)),
        ]
    );
}

#[test]
fn a_store_that_cannot_be_written_fails_every_file_and_leaves_nothing() {
    let lake = Lake::new();
    lake.land("a.csv", "a");
    lake.land("b.bin", vec![0; SMALL_FILE_BYTES as usize]);
    // In the place of the team's folder, as rights do not stop every user.
    fs::write(lake.store.folder().join("harbour"), "").unwrap();
    for outcome in lake.receive_with(lake.list().files, After::Keep) {
        let (_, failure) = outcome.unwrap_err();
        assert_eq!(failure.code, Code::Storage, "{failure}");
    }
    assert_eq!(lake.stored(), ["harbour"]);
}

/// A small file system of its own, where the user may mount one.
struct Disk(TempDir);

impl Disk {
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let option = format!("size={size}");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &option, "tmpfs"]).arg(folder.path()).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(folder)),
            Ok(output) => {
                println!(
                    "skipped, no disk can be mounted: {}",
                    String::from_utf8_lossy(&output.stderr).trim()
                );
                None
            }
            Err(e) => {
                println!("skipped, no disk can be mounted: {e}");
                None
            }
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_said_so_and_leaves_nothing() {
    let Some(disk) = Disk::mount("2m") else { return };
    let mut lake = Lake::new();
    lake.store = RawStore::open(disk.0.path().join("raw")).unwrap();
    let mut random = fastrand::Rng::with_seed(1);
    let mut noise = |n: usize| std::iter::repeat_with(|| random.u8(..)).take(n).collect::<Vec<_>>();
    lake.land("large.bin", noise(SMALL_FILE_BYTES as usize + 1));
    lake.land("small.bin", noise(3 << 20));
    for after in [After::Keep, After::Archive] {
        for outcome in lake.receive_with(lake.list().files, after) {
            let (_, failure) = outcome.unwrap_err();
            assert_eq!(failure.code, Code::DiskFull, "{failure}");
        }
        assert_eq!(lake.stored(), [""; 0]);
    }
    // What fits is taken again as soon as there is room.
    fs::remove_file(lake.landing().join("large.bin")).unwrap();
    lake.land("small.bin", noise(1 << 20));
    assert_eq!(lake.receive().len(), 1);
}

#[test]
fn another_file_system_is_copied_to_and_archived_to() {
    let Some(disk) = Disk::mount("16m") else { return };
    let mut lake = Lake::new();
    lake.store = RawStore::open(disk.0.path().join("raw")).unwrap();
    let big = vec![1; SMALL_FILE_BYTES as usize];
    lake.land("big.bin", &big);
    let received = lake.receive_with(lake.list().files, After::Archive).remove(0).unwrap();
    assert_eq!(bytes_of(lake.store.open_verified(place(&received), &received.fingerprint).unwrap()), big);

    let archived = dispose(&received.seen, After::Archive, &disk.0.path().join("archive")).unwrap();
    assert_eq!(archived, Disposed::Archived(disk.0.path().join("archive/big.bin")));
    assert_eq!(fs::read(disk.0.path().join("archive/big.bin")).unwrap(), big);
    assert_eq!(lake.list().files, []);
}

#[test]
fn a_copied_file_that_is_overwritten_in_the_store_is_seen() {
    let lake = Lake::new();
    lake.land("big.bin", vec![9; SMALL_FILE_BYTES as usize]);
    let received = lake.receive_with(lake.list().files, After::Keep).remove(0).unwrap();
    let raw = lake.store.folder().join(&place(&received).pack);
    // The times of some file systems are as coarse as this.
    let later = SystemTime::now() + Duration::from_secs(2);
    let mut file = File::options().write(true).open(&raw).unwrap();
    file.write_all(b"other").unwrap();
    file.set_modified(later).unwrap();
    let failure = lake.store.open_verified(place(&received), &received.fingerprint).unwrap_err();
    assert_eq!(failure.code, Code::RawMissing);
}

// --- reading back ----------------------------------------------------------

#[test]
fn damage_is_found_and_names_the_pack() {
    let lake = Lake::new();
    lake.land("a.csv", text(500));
    lake.land("b.csv", "tiny");
    let received = lake.receive();
    let (deflated, stored) = (place(&received[0]), place(&received[1]));
    let path = lake.store.folder().join(&deflated.pack);
    let whole = fs::read(&path).unwrap();
    let check = |place: &RawPlace, fingerprint: &str, why: &str| {
        let Err(failure) = lake.store.open_verified(place, fingerprint) else { panic!("{why}: not found") };
        assert_eq!(failure.code, Code::RawMissing, "{why}");
        assert!(failure.message.contains(&place.pack), "{why}: {failure}");
    };

    // Not at the very end, where a bit may mean nothing.
    for part in 0..4 {
        let at = deflated.offset + deflated.stored_bytes * part / 4;
        let mut damaged = whole.clone();
        damaged[at as usize] ^= 0x10;
        fs::write(&path, damaged).unwrap();
        check(deflated, &received[0].fingerprint, "a bit of a deflated entry");
    }
    let mut damaged = whole.clone();
    damaged[stored.offset as usize] ^= 1;
    fs::write(&path, damaged).unwrap();
    check(stored, &received[1].fingerprint, "a bit of a stored entry");
    fs::write(&path, &whole[..deflated.offset as usize + 3]).unwrap();
    check(deflated, &received[0].fingerprint, "cut short");
    fs::remove_file(&path).unwrap();
    check(deflated, &received[0].fingerprint, "missing");
    fs::write(&path, &whole).unwrap();
    lake.store.open_verified(deflated, &received[0].fingerprint).unwrap();
}

#[test]
fn a_place_never_leads_out_of_the_store() {
    let lake = Lake::new();
    fs::write(lake.folder.path().join("secret"), "secret").unwrap();
    for pack in ["../../secret", "/etc/passwd", "", "a/../../../secret"] {
        let place = RawPlace { pack: pack.into(), offset: 0, stored_bytes: 6, method: Method::Whole };
        assert_eq!(lake.store.open_raw(&place).unwrap_err().code, Code::RawMissing, "{pack}");
        assert_eq!(lake.store.remove(pack).unwrap_err().code, Code::RawMissing, "{pack}");
    }
}

#[test]
fn methods_have_words() {
    for (method, name) in [
        (Method::Stored, "stored"),
        (Method::Deflate, "deflate"),
        (Method::Whole, "whole"),
        (Method::Zstd, "zstd"),
    ] {
        assert_eq!((method.name(), Method::parse(name)), (name, Some(method)));
    }
    assert_eq!(Method::parse("lz4"), None);
}

// --- disposing -------------------------------------------------------------

#[test]
fn disposing_follows_the_dataset() {
    let lake = Lake::new();
    let archive = archive_folder(lake.folder.path(), &lake.dataset, SystemTime::UNIX_EPOCH);
    assert_eq!(archive, lake.folder.path().join("archive/harbour/buoy/1970-01-01"));
    let path = lake.land("deep/a.csv", "one");

    assert_eq!(dispose(&lake.seen("deep/a.csv"), After::Keep, &archive), Ok(Disposed::Kept));
    assert!(path.exists());

    let first = dispose(&lake.seen("deep/a.csv"), After::Archive, &archive);
    assert_eq!(first, Ok(Disposed::Archived(archive.join("deep/a.csv"))));
    assert!(!path.exists());

    lake.land("deep/a.csv", "two");
    let second = dispose(&lake.seen("deep/a.csv"), After::Archive, &archive);
    assert_eq!(second, Ok(Disposed::Archived(archive.join("deep/a.csv.2"))));
    assert_eq!(fs::read_to_string(archive.join("deep/a.csv")).unwrap(), "one");
    assert_eq!(fs::read_to_string(archive.join("deep/a.csv.2")).unwrap(), "two");

    lake.land("deep/a.csv", "three");
    let seen = lake.seen("deep/a.csv");
    assert_eq!(dispose(&seen, After::Delete, &archive), Ok(Disposed::Deleted));
    assert!(!path.exists());
    assert_eq!(dispose(&seen, After::Delete, &archive), Ok(Disposed::Gone));
    assert_eq!(dispose(&seen, After::Archive, &archive), Ok(Disposed::Gone));
}

#[test]
fn a_newer_file_is_never_removed() {
    let lake = Lake::new();
    let archive = lake.folder.path().join("archive");
    let path = lake.land("a.csv", "one");
    let seen = lake.seen("a.csv");
    for (what, change) in [
        ("longer", (|p: &Path| fs::write(p, "longer").unwrap()) as fn(&Path)),
        ("same size, other time", |p| {
            fs::write(p, "two").unwrap();
            File::options().write(true).open(p).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        }),
        ("a folder", |p| {
            fs::remove_file(p).unwrap();
            fs::create_dir(p).unwrap();
        }),
    ] {
        change(&path);
        for after in [After::Delete, After::Archive] {
            assert_eq!(dispose(&seen, after, &archive), Ok(Disposed::Superseded), "{what}");
        }
        assert!(path.exists(), "{what}");
    }
}

#[test]
fn an_archive_that_cannot_be_written_is_a_warning_and_the_file_stays() {
    let lake = Lake::new();
    let path = lake.land("a.csv", "one");
    let archive = lake.folder.path().join("archive");
    fs::write(&archive, "a file in its place").unwrap();
    let warning = dispose(&lake.seen("a.csv"), After::Archive, &archive.join("t")).unwrap_err();
    assert!(warning.contains("a.csv") && warning.contains("after: keep"), "{warning}");
    assert!(path.exists());
}

#[test]
fn a_link_is_disposed_of_without_its_target() {
    let lake = Lake::new();
    let target = lake.folder.path().join("target");
    fs::write(&target, "kept").unwrap();
    let link = lake.landing().join("a.csv");
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let archive = lake.folder.path().join("archive");
    let archived = dispose(&lake.seen("a.csv"), After::Archive, &archive);
    assert_eq!(archived, Ok(Disposed::Archived(archive.join("a.csv"))));
    assert!(fs::symlink_metadata(archive.join("a.csv")).unwrap().is_file());
    assert!(fs::symlink_metadata(&link).is_err() && target.exists());

    std::os::unix::fs::symlink(&target, &link).unwrap();
    assert_eq!(dispose(&lake.seen("a.csv"), After::Delete, &archive), Ok(Disposed::Deleted));
    assert!(target.exists());
}

// --- upkeep ----------------------------------------------------------------

#[test]
fn a_bundle_keeps_every_byte() {
    let lake = Lake::new();
    let mut before = Vec::new();
    for round in 0..9 {
        lake.land(&format!("{round}/a.csv"), text(100 + round));
        lake.land(&format!("{round}/b \u{1f680}.csv"), format!("tiny {round}"));
        lake.land("big.bin", vec![round as u8; SMALL_FILE_BYTES as usize]);
        before.extend(lake.receive());
        fs::remove_dir_all(lake.landing()).unwrap();
    }
    let now = SystemTime::now();
    assert_eq!(lake.store.bundles(now, HOUR).unwrap(), [[""; 0]; 0], "too young");
    let groups = lake.store.bundles(now + 2 * HOUR, HOUR).unwrap();
    assert_eq!((groups.len(), groups[0].len()), (1, 9));
    let sorted_by_time = before.iter().filter(|r| place(r).method != Method::Whole).map(|r| &place(r).pack);
    let in_order: Vec<_> = sorted_by_time.step_by(2).cloned().collect();
    assert_eq!(groups[0], in_order);

    let moved = lake.store.bundle(&groups[0]).unwrap();
    assert_eq!(moved.len(), 18);
    for pack in &groups[0] {
        assert!(lake.store.remove(pack).unwrap() > 0);
        assert_eq!(lake.store.remove(pack).unwrap(), 0);
    }
    for file in &before {
        let old = place(file);
        let new = moved
            .iter()
            .find(|m| (&m.from_pack, m.from_offset) == (&old.pack, old.offset))
            .map_or(old, |m| &m.to);
        assert_eq!((new.stored_bytes, new.method), (old.stored_bytes, old.method));
        lake.store.open_verified(new, &file.fingerprint).unwrap();
    }
    let bundle = &moved[0].to.pack;
    python_agrees(&lake.store.folder().join(bundle), 18);
    assert_eq!(lake.stored().len(), 10);
}

#[test]
fn a_damaged_pack_is_not_bundled_and_nothing_changes() {
    let lake = Lake::new();
    let mut packs = Vec::new();
    for round in 0..3 {
        lake.land("a.csv", text(100 + round));
        packs.push(place(&lake.receive()[0]).clone());
    }
    let names: Vec<_> = packs.iter().map(|p| p.pack.clone()).collect();
    let path = lake.store.folder().join(&names[1]);
    let mut bytes = fs::read(&path).unwrap();
    bytes[packs[1].offset as usize + 20] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let stored = lake.stored();
    assert_eq!(lake.store.bundle(&names).unwrap_err().code, Code::RawMissing);
    fs::write(&path, "no zip").unwrap();
    assert_eq!(lake.store.bundle(&names).unwrap_err().code, Code::RawMissing);
    fs::remove_file(&path).unwrap();
    assert_eq!(lake.store.bundle(&names).unwrap_err().code, Code::RawMissing);
    assert_eq!(lake.stored(), stored.into_iter().filter(|s| *s != names[1]).collect::<Vec<_>>());
    assert_eq!(lake.store.bundle(&[]).unwrap(), []);
    let foreign = [names[0].clone(), names[0].replace("buoy", "other")];
    assert_eq!(lake.store.bundle(&foreign).unwrap_err().code, Code::Bug);
}

#[test]
fn what_a_crash_has_left_is_swept_and_nothing_else() {
    let lake = Lake::new();
    lake.land("a.csv", "a");
    lake.land("big.bin", vec![1; SMALL_FILE_BYTES as usize]);
    // A landed file's own time must not make its link look old.
    let big = lake.landing().join("big.bin");
    File::options().write(true).open(&big).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    // Received twice: what the ledger accepted is the second time's.
    let orphans = lake.receive_with(lake.list().files, After::Archive);
    assert!(orphans.iter().all(Result::is_ok));
    let kept: Vec<_> =
        lake.receive_with(lake.list().files, After::Archive).into_iter().map(|o| o.unwrap()).collect();
    let day = lake.store.folder().join(&place(&kept[0]).pack).parent().unwrap().to_path_buf();
    fs::write(day.join("01890a5d-ac96-774b-bcce-b302099a8057.zip.part"), "half").unwrap();
    // Somebody's own notes are not Lakegate's to remove.
    fs::write(day.join("README.part"), "notes").unwrap();
    let past = lake.store.folder().join("harbour/buoy/2001-01-01");
    fs::create_dir(&past).unwrap();

    let referenced: HashSet<_> = kept.iter().map(|r| place(r).pack.clone()).collect();
    let now = SystemTime::now();
    let swept = lake.store.sweep(&referenced, HOUR, now).unwrap();
    assert_eq!((swept.n_parts, swept.n_orphans, swept.freed_bytes), (0, 0, 0));
    assert_eq!(lake.stored().len(), 6);
    assert!(!past.exists() && day.exists());

    let swept = lake.store.sweep(&referenced, HOUR, now + 2 * HOUR).unwrap();
    assert_eq!((swept.n_parts, swept.n_orphans), (1, 2));
    assert!(swept.freed_bytes > SMALL_FILE_BYTES);
    assert_eq!(lake.stored().len(), 3);
    assert_eq!(swept.problems, []);
    assert!(day.join("README.part").exists());
    for file in &kept {
        lake.store.open_verified(place(file), &file.fingerprint).unwrap();
    }
}

#[test]
fn a_ledger_that_was_restored_does_not_cost_the_bytes_received_since() {
    let lake = Lake::new();
    lake.land("a.csv", "a");
    let known = lake.receive();
    lake.land("b.csv", "b");
    let since = lake.receive();
    let referenced = HashSet::from([place(&known[0]).pack.clone()]);
    let swept = lake.store.sweep(&referenced, HOUR, SystemTime::now() + 2 * HOUR).unwrap();
    assert_eq!((swept.n_orphans, swept.problems.len()), (0, 1));
    for file in &since {
        lake.store.open_verified(place(file), &file.fingerprint).unwrap();
    }
}

#[test]
fn a_lost_ledger_does_not_cost_the_raw_bytes() {
    let lake = Lake::new();
    lake.land("a.csv", "a");
    let received = lake.receive();
    let swept = lake.store.sweep(&HashSet::new(), HOUR, SystemTime::now() + 2 * HOUR).unwrap();
    assert_eq!((swept.n_orphans, swept.problems.len()), (0, 1));
    lake.store.open_verified(place(&received[0]), &received[0].fingerprint).unwrap();
}
