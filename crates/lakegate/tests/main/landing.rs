//! Which files are taken, when, and what becomes of those that come back.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::time::{Duration, SystemTime};

use crate::lake::{DONE, FAILED, Mounted, Stopped, TestLake, await_state};

const PLAIN: &str = "columns: { id: int, word: string }\n";

fn row(id: u32, word: &str) -> String {
    format!("id,word\n{id},{word}\n")
}

fn at(name: &str) -> String {
    format!("landing/ops/notes/{name}")
}

fn words(lake: &TestLake) -> Vec<String> {
    lake.lines("select id, word from ops.notes.notes order by id, word")
}

#[test]
fn a_late_file_with_an_old_time_is_a_new_file() {
    let lake = TestLake::with("notes", PLAIN);
    lake.land(&at("b.csv"), row(2, "on time"));
    lake.run();
    lake.land_at(&at("a.csv"), row(1, "late"), 86_400);
    lake.land_at(&at("c.csv"), row(3, "from before 1980"), 1);
    lake.run();
    assert_eq!(words(&lake), ["1|late", "2|on time", "3|from before 1980"]);
    lake.prove();
}

#[test]
fn touched_renamed_and_copied_files_are_loaded_once() {
    let lake = TestLake::with("notes", PLAIN);
    lake.land(&at("a.csv"), row(1, "one"));
    lake.land(&at("copy of a.csv"), row(1, "one"));
    lake.run();
    lake.touch(&at("a.csv"));
    lake.run();
    lake.rename(&at("a.csv"), &at("sub/renamed.csv"));
    lake.run();
    lake.land(&at("much later.csv"), row(1, "one"));
    lake.run();
    assert_eq!(words(&lake), ["1|one"]);
    assert_eq!(
        lake.states(),
        [
            "a.csv|committed",
            "copy of a.csv|duplicate",
            "much later.csv|duplicate",
            "sub/renamed.csv|duplicate"
        ]
    );
    lake.prove();
}

#[test]
fn same_bytes_load_where_the_dataset_says_so() {
    let lake = TestLake::with("notes", &format!("{PLAIN}same_bytes: load\n"));
    lake.land(&at("a.csv"), row(1, "one"));
    lake.land(&at("b.csv"), row(1, "one"));
    lake.run();
    assert_eq!(words(&lake), ["1|one", "1|one"]);
    lake.touch(&at("b.csv"));
    lake.run();
    assert_eq!(words(&lake).len(), 2);
    lake.prove();
}

#[test]
fn a_changed_file_follows_its_rule() {
    for (rule, rows, states) in [
        ("replace", &["1|after"][..], ["a.csv|replaced", "a.csv|committed"]),
        ("append", &["1|after", "1|before"][..], ["a.csv|committed", "a.csv|committed"]),
        ("ignore", &["1|before"][..], ["a.csv|committed", "a.csv|ignored"]),
    ] {
        let lake = TestLake::with("notes", &format!("{PLAIN}on_change: {rule}\n"));
        lake.land(&at("a.csv"), row(1, "before"));
        lake.run();
        lake.land(&at("a.csv"), row(1, "after"));
        lake.run();
        lake.run();
        assert_eq!(words(&lake), rows, "{rule}");
        assert_eq!(lake.states(), states, "{rule}");
        lake.prove();
    }
}

#[test]
fn a_parked_file_that_comes_back_mended_is_loaded() {
    let lake = TestLake::with("notes", PLAIN);
    lake.land(&at("a.csv"), "id,word\n1\n");
    lake.run_with_findings();
    assert_eq!(lake.parked(), ["a.csv|LG109"]);
    lake.land(&at("a.csv"), row(1, "mended"));
    lake.run();
    assert_eq!(words(&lake), ["1|mended"]);
    assert!(lake.parked().is_empty());
    lake.prove();
}

#[test]
fn after_its_bytes_are_safe_a_file_is_kept_archived_or_deleted() {
    for (after, left, archived) in [("keep", 2, 0), ("archive", 0, 2), ("delete", 0, 0)] {
        let lake = TestLake::with("notes", &format!("{PLAIN}after: {after}\n"));
        lake.land(&at("a.csv"), row(1, "one"));
        lake.land(&at("deep/er/b.csv"), row(2, "two"));
        lake.run();
        assert_eq!(words(&lake), ["1|one", "2|two"], "{after}");
        assert_eq!(lake.files_below("landing").len(), left, "{after}");
        assert_eq!(lake.files_below("lake/archive").len(), archived, "{after}");
        // The lake has the bytes, wherever the landed file went.
        lake.lakegate(&["replay", "ops.notes"]).is(DONE);
        assert_eq!(words(&lake), ["1|one", "2|two"], "{after}");
        // The same name again, with other bytes: it takes the first one's place.
        lake.land(&at("a.csv"), row(1, "uno"));
        lake.run();
        assert_eq!(words(&lake), ["1|uno", "2|two"], "{after}");
        lake.prove();
    }
}

#[test]
fn odd_names_are_names_like_any_other() {
    let lake = TestLake::with("notes", PLAIN);
    let long = "x".repeat(240) + ".csv";
    let names: [&[u8]; 12] = [
        b"with space.csv",
        b"-leading-dash.csv",
        "émoji 🚌.csv".as_bytes(),
        b"new\nline.csv",
        b"quote'\".csv",
        b"back\\slash.csv",
        b"%41.csv",
        b"100% {sure}.csv",
        b"$(touch gotcha).csv",
        b"; drop table notes.csv",
        b"not utf-8 \xff\xfe.csv",
        long.as_bytes(),
    ];
    let folder = lake.path("landing/ops/notes/folder with . and ?");
    fs::create_dir_all(&folder).unwrap();
    for (i, name) in names.iter().enumerate() {
        let path = folder.join(OsStr::from_bytes(name));
        fs::write(&path, row(i as u32, "odd")).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
        File::options().append(true).open(&path).unwrap().set_modified(time).unwrap();
    }
    lake.run();
    lake.run();
    assert_eq!(words(&lake).len(), names.len());
    assert_eq!(lake.value("select count(distinct path) from system.files"), names.len());
    lake.prove();
    lake.lakegate(&["files", "--json"]).is(DONE).json();
    lake.lakegate(&["files", "--name", "*drop*"]).is(DONE).says("drop table");
}

#[test]
fn junk_is_left_alone() {
    let lake = TestLake::with("notes", PLAIN);
    for name in [
        "a.csv.part",
        "b.tmp",
        "C.TMP",
        ".hidden.csv",
        "__MACOSX/d.csv",
        ".git/e.csv",
        "f.csv~",
        "g.csv.crdownload",
        "h.csv.filepart",
    ] {
        lake.land(&at(name), row(1, "junk"));
    }
    lake.land(&at("good.csv"), row(2, "good"));
    lake.run();
    assert_eq!(words(&lake), ["2|good"]);
    assert_eq!(lake.value("select count(*) from system.strays"), 0);
    // Finished under its half-written name, then given its own.
    lake.rename(&at("a.csv.part"), &at("a.csv"));
    lake.run();
    assert_eq!(words(&lake), ["1|junk", "2|good"]);
}

#[test]
fn a_file_that_is_still_being_written_is_left_until_it_settles() {
    let lake = TestLake::with("notes", &format!("{PLAIN}settle: 700ms\n"));
    let path = lake.path(at("slow.csv"));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = OpenOptions::new().create(true).append(true).open(&path).unwrap();
    file.write_all(b"id,word\n").unwrap();
    let mut run = Stopped(lake.start(&["run"]));
    for id in 0..10 {
        file.write_all(format!("{id},slow\n").as_bytes()).unwrap();
        // The writer's pace is what is tested: it never pauses for long enough.
        std::thread::sleep(Duration::from_millis(100));
    }
    drop(file);
    let status = await_state("the run ends", || run.0.try_wait().unwrap());
    assert!(status.success(), "{status}");
    assert_eq!(words(&lake).len(), 10);
    assert_eq!(lake.states(), ["slow.csv|committed"], "it was taken once, whole");
}

#[test]
fn a_file_that_vanishes_before_it_settles_was_never_there() {
    let lake = TestLake::with("notes", &format!("{PLAIN}settle: 1s\n"));
    let path = lake.path(at("gone.csv"));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    lake.land(&at("good.csv"), row(1, "good"));
    fs::write(&path, row(2, "gone")).unwrap();
    let mut run = Stopped(lake.start(&["run"]));
    await_state("the good file is committed", || {
        let args = [
            "sql",
            "select count(*) as n from system.files where state = 'committed' and path = 'good.csv'",
            "--format",
            "csv",
        ];
        lake.lakegate(&args).stdout.contains("\n1").then_some(())
    });
    // Whether it is gone before or after it settles, nothing may go wrong.
    fs::remove_file(&path).unwrap();
    let status = await_state("the run ends", || run.0.try_wait().unwrap());
    assert!(status.success(), "{status}");
    lake.run();
    lake.prove();
    assert_eq!(words(&lake)[0], "1|good");
}

#[test]
fn unmatched_and_ambiguous_names_are_listed() {
    let lake = TestLake::new("");
    for (name, pattern) in
        [("buses", "bus_.*\\.csv"), ("trains", "train_.*\\.csv"), ("all_csv", ".*_both\\.csv")]
    {
        lake.dataset(name, &format!("landing: landing/shared\nmatch: '{pattern}'\n"));
    }
    lake.land("landing/shared/bus_1.csv", row(1, "bus"));
    lake.land("landing/shared/buss_2.csv", row(2, "typo"));
    lake.land("landing/shared/train_both.csv", row(3, "two takers"));
    for _ in 0..2 {
        let ran = lake.run_with_findings();
        assert!(ran.text().contains("buss_2.csv"), "{ran}");
        let strays = lake.sql("select path, reason, detail from system.strays order by path");
        assert_eq!(strays.len(), 2, "{strays:?}");
        assert_eq!((&strays[0]["path"], &strays[0]["reason"]), (&"buss_2.csv".into(), &"unmatched".into()));
        assert!(strays[0]["detail"].as_str().unwrap().contains("ops.buses"), "{strays:?}");
        assert_eq!(
            (&strays[1]["path"], &strays[1]["reason"]),
            (&"train_both.csv".into(), &"ambiguous".into())
        );
        let detail = strays[1]["detail"].as_str().unwrap();
        assert!(detail.contains("ops.trains") && detail.contains("ops.all_csv"), "{detail}");
    }
    // Once the configuration says whose they are, they are loaded.
    lake.dataset("buses", "landing: landing/shared\nmatch: 'buss?_.*\\.csv'\n");
    lake.dataset("all_csv", "landing: landing/shared\nmatch: 'none'\n");
    lake.run();
    assert_eq!(lake.value("select count(*) from system.strays"), 0);
    assert_eq!(lake.value("select count(*) from ops.buses.buses"), 2);
    assert_eq!(lake.value("select count(*) from ops.trains.trains"), 1);
}

#[test]
fn sites_and_groups_of_the_name_become_columns() {
    let lake = TestLake::with(
        "notes",
        "match: '(?<site>z\\d+)_(?<day>\\d+)\\.csv'
sites: { z05: { location: humboldt, latitude: 40.97 }, z06: { location: morro } }
columns: { id: int, word: string, site: string, day: int, location: string, latitude: float }
",
    );
    lake.land(&at("z05_20260101.csv"), row(1, "a"));
    lake.land(&at("z06_20260102.csv"), row(2, "b"));
    lake.run();
    assert_eq!(
        lake.lines("select id, site, day, location, latitude from ops.notes.notes order by id"),
        ["1|z05|20260101|humboldt|40.97", "2|z06|20260102|morro|"]
    );
}

#[test]
fn a_watched_folder_is_loaded_while_files_land() {
    let lake = TestLake::with("notes", PLAIN);
    let up = Stopped(lake.start(&["up"]));
    let count = |lake: &TestLake| -> usize {
        let ran = lake.lakegate(&["sql", "select id from ops.notes.notes", "--format", "csv"]);
        if ran.code == Some(DONE) { ran.stdout.lines().count().saturating_sub(1) } else { 0 }
    };
    lake.land(&at("a.csv"), row(1, "renamed into place"));
    await_state("the first file", || (count(&lake) == 1).then_some(()));
    lake.land(&at("new/folder/b.csv"), row(2, "in a folder that was not there"));
    fs::write(lake.path(at("c.csv")), row(3, "written in place")).unwrap();
    await_state("the other files", || (count(&lake) == 3).then_some(()));
    lake.land(&at("a.csv"), row(1, "changed"));
    await_state("the changed file", || words(&lake).contains(&"1|changed".to_string()).then_some(()));
    assert_eq!(count(&lake), 3);
    let code = up.interrupt();
    assert!(matches!(code, Some(DONE | 130)), "{code:?}");
    lake.prove();
}

#[test]
fn a_copy_keeps_its_rows_when_its_original_changes() {
    let lake = TestLake::with("notes", PLAIN);
    lake.land(&at("latest.csv"), row(1, "first"));
    lake.land(&at("march.csv"), row(1, "first"));
    lake.run();
    lake.land(&at("latest.csv"), row(2, "second"));
    lake.run();
    assert_eq!(words(&lake), ["1|first", "2|second"]);
    assert_eq!(lake.states(), ["latest.csv|replaced", "latest.csv|committed", "march.csv|committed"]);
    lake.prove();
}

#[test]
fn a_file_whose_route_has_changed_goes_to_its_new_dataset() {
    let lake = TestLake::new("");
    let route = |name: &str, pattern: &str| {
        lake.dataset(name, &format!("landing: landing/shared\nmatch: '{pattern}'\n"));
    };
    route("buses", ".*\\.csv");
    route("trains", "none");
    lake.land("landing/shared/a.csv", row(1, "bus"));
    lake.land("landing/shared/t.csv", row(2, "train"));
    lake.run();
    assert_eq!(lake.value("select count(*) from ops.buses.buses"), 2);
    route("buses", "a\\.csv");
    route("trains", "t\\.csv");
    lake.run();
    lake.run();
    assert_eq!(lake.lines("select word from ops.trains.trains"), ["train"]);
    // Back again, and changed meanwhile: one version of it is there.
    lake.land("landing/shared/t.csv", row(2, "tram"));
    route("buses", ".*\\.csv");
    route("trains", "none");
    lake.run();
    assert_eq!(lake.lines("select word from ops.buses.buses order by id"), ["bus", "tram"]);
}

#[test]
fn what_could_not_be_archived_is_archived_later() {
    let lake = TestLake::with("notes", PLAIN);
    lake.land(&at("a.csv"), row(1, "one"));
    lake.run();
    lake.dataset("notes", &format!("{PLAIN}after: archive\n"));
    lake.run();
    assert_eq!(lake.files_below("landing").len(), 0);
    assert_eq!(lake.files_below("lake/archive").len(), 1);
    assert_eq!(words(&lake), ["1|one"]);
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn a_ledger_older_than_its_tables_stops_the_lake_before_anything_is_lost() {
    let lake = TestLake::with("notes", PLAIN);
    let (state, older, newest) = (lake.path("lake/state"), lake.path("older"), lake.path("newest"));
    lake.land(&at("a.csv"), row(1, "one"));
    lake.run();
    copy_folder(&state, &older);
    lake.land(&at("b.csv"), row(2, "two"));
    lake.run();
    lake.land(&at("c.csv"), row(3, "three"));
    lake.run();
    fs::rename(&state, &newest).unwrap();
    copy_folder(&older, &state);
    for n in 0..5 {
        lake.land(&at(&format!("d{n}.csv")), row(10 + n, "new"));
    }
    for _ in 0..2 {
        lake.lakegate(&["run"]).is(FAILED).says("LG605").says("older than the tables");
        lake.lakegate(&["replay", "ops.notes"]).is(FAILED).says("LG605");
        lake.lakegate(&["redrive", "--all"]).is(FAILED).says("LG605");
    }
    // The same where there is no ledger any more.
    fs::remove_dir_all(&state).unwrap();
    lake.lakegate(&["run"]).is(FAILED).says("LG605");
    // Nothing was taken, so that the right ledger goes on as if nothing had been.
    fs::remove_dir_all(&state).unwrap();
    fs::rename(&newest, &state).unwrap();
    lake.run();
    assert_eq!(words(&lake).len(), 8);
    lake.prove();
}

#[test]
fn what_was_received_before_the_disk_was_full_is_accepted() {
    let lake = TestLake::with("notes", PLAIN);
    let Some(raw) = Mounted::tmpfs(&lake.path("lake/raw"), "size=2m") else { return };
    // Words in which there is nothing to compress.
    let mut rng = fastrand::Rng::with_seed(1);
    let mut word = || (0..60).map(|_| rng.alphanumeric()).collect::<String>();
    let rows: String = (0..100_000).map(|i| format!("{i},{}\n", word())).collect();
    lake.land(&at("big.csv"), format!("id,word\n{rows}"));
    lake.land(&at("small.csv"), row(1, "small"));
    lake.lakegate(&["run"]).is(FAILED).says("LG601");
    assert_eq!(lake.states(), ["small.csv|committed"]);
    raw.remount("size=64m");
    lake.run();
    assert_eq!(lake.states(), ["big.csv|committed", "small.csv|committed"]);
    lake.prove();
}

#[test]
fn a_parked_file_whose_bytes_are_gone_is_read_again_where_it_lies() {
    let lake = TestLake::with("notes", PLAIN);
    lake.land(&at("a.csv"), "id,word\n1\n");
    lake.run_with_findings();
    fs::remove_dir_all(lake.path("lake/raw/ops")).unwrap();
    lake.dataset("notes", &format!("{PLAIN}read: {{ csv: {{ ragged: fill }} }}\n"));
    lake.lakegate(&["redrive", "--all"]).is(DONE);
    lake.run_with_findings();
    assert_eq!(lake.parked(), ["a.csv|LG204"]);
    lake.run();
    assert_eq!(words(&lake), ["1|"]);
    lake.prove();
}
