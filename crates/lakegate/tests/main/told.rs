//! What people are told: names that a terminal could obey, damaged tables,
//! tables that nothing makes, limits of the system.

use std::fs;
use std::process::{Command, Stdio};

use crate::lake::{DONE, FAILED, FINDINGS, TestLake, USAGE};

fn at(name: &str) -> String {
    format!("landing/ops/t/{name}")
}

fn loaded(declaration: &str, text: &str) -> TestLake {
    let lake = TestLake::with("t", declaration);
    lake.land(&at("a.csv"), text);
    lake.run();
    lake
}

/// The data files of `ops.t.t`.
fn data_files(lake: &TestLake) -> Vec<std::path::PathBuf> {
    let folder = "lake/tables/ops/t/t";
    let all = lake.files_below(folder);
    all.iter()
        .filter(|f| f.ends_with(".parquet") && !f.contains("_delta_log"))
        .map(|f| lake.path(folder).join(f))
        .collect()
}

#[test]
fn prove_reads_every_value_of_the_tables() {
    let text: String = (0..500).map(|i| format!("{i},text {i} of this row\n")).collect();
    let lake = loaded("columns: { id: int, v: string }\n", &format!("id,v\n{text}"));
    lake.prove();
    let files = data_files(&lake);
    for file in &files {
        let mut bytes = fs::read(file).unwrap();
        bytes[4..104].fill(0);
        fs::write(file, bytes).unwrap();
    }
    let ran = lake.lakegate(&["prove"]).is(FINDINGS).says("ops.t.t");
    let name = files[0].file_name().unwrap().to_string_lossy().into_owned();
    assert!(ran.stdout.replace(['\n', ' '], "").contains(&name), "{ran}");
    lake.lakegate(&["prove", "--quick"]).is(DONE);
}

#[test]
fn a_table_that_nothing_makes_any_more_is_emptied_and_can_be_removed() {
    let lake = TestLake::with(
        "t",
        "tables: { old: { expect: [ { column: id, in_range: [0, 5], on_fail: quarantine } ] } }\n",
    );
    lake.land(&at("a.csv"), "id\n1\n2\n9\n");
    lake.run();
    lake.lakegate(&["tables", "--drop", "ops.t.old", "--yes"])
        .is(USAGE)
        .says("the configuration makes ops.t.old");
    lake.dataset("t", "tables: { new: {} }\n");
    lake.lakegate(&["tables", "--drop", "ops.t.old", "--yes"]).is(USAGE).says("lakegate replay ops.t");
    lake.lakegate(&["replay", "ops.t"]).is(DONE).says("lakegate tables --drop ops.t.old");
    assert_eq!(lake.value("select count(*) from ops.t.old"), 0);
    assert_eq!(lake.value("select count(*) from ops.t.old__quarantine"), 0);
    assert_eq!(lake.value("select count(*) from ops.t.new"), 3);
    lake.prove();
    lake.lakegate(&["tables", "--drop", "ops.t.old"]).is(USAGE).says("--yes");
    lake.lakegate(&["tables", "--drop", "ops.t.old", "--yes"])
        .is(DONE)
        .says("removed ops.t.old and ops.t.old__quarantine");
    assert_eq!(lake.lines("select \"table\" from system.tables"), ["new"]);
    assert_eq!(
        lake.value("select count(*) from system.runs where kind = 'drop' and status = 'succeeded'"),
        1
    );
    lake.prove();
    lake.lakegate(&["tables", "--drop", "ops.t.old", "--yes"]).is(USAGE).says("no table");

    // One that an earlier version left behind is a finding with its remedy.
    lake.dataset("t", "tables: { old: {} }\n");
    lake.lakegate(&["replay", "ops.t"]).is(DONE);
    let kept = tempfile::tempdir().unwrap();
    let copy = |from: std::path::PathBuf, to: std::path::PathBuf| {
        assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
    };
    copy(lake.path("lake/tables/ops/t/old"), kept.path().join("old"));
    lake.dataset("t", "tables: { new: {} }\n");
    lake.lakegate(&["replay", "ops.t"]).is(DONE);
    fs::remove_dir_all(lake.path("lake/tables/ops/t/old")).unwrap();
    copy(kept.path().join("old"), lake.path("lake/tables/ops/t/old"));
    let ran = lake.lakegate(&["prove", "--json"]).is(FINDINGS);
    assert!(ran.stdout.contains("lakegate tables --drop ops.t.old"), "{ran}");
    lake.lakegate(&["tables", "--drop", "ops.t.old", "--yes"]).is(DONE);
    lake.prove();
}

#[test]
fn a_terminal_finds_nothing_to_obey_in_a_name() {
    let lake = TestLake::with("t", "columns: { id: int }\n");
    let name = "\u{1b}[31mred\n.csv";
    lake.land(&at(name), "id\nx,y\n");
    lake.land("landing/ops/t/\u{1b}[2J/b.csv", "id\n1\n");
    lake.run_with_findings();
    for args in [
        &["files"][..],
        &["parked"],
        &["trace", "f1"],
        &["plan"],
        &["status"],
        &["run"],
        &["redrive", "--all"],
    ] {
        let ran = lake.lakegate(args);
        assert!(!ran.text().contains('\u{1b}'), "{ran}");
    }
    let ran = lake.run_with_findings();
    assert!(!ran.text().contains('\u{1b}') && ran.stdout.contains(r"\x1b[31mred\n.csv"), "{ran}");
    assert_eq!(lake.lakegate(&["files"]).is(DONE).stdout.lines().count(), 3);
    let json = lake.lakegate(&["files", "--json"]).is(DONE).json();
    assert!(json.as_array().unwrap().iter().any(|f| f["path"] == name), "{json}");
}

#[test]
fn a_damaged_log_is_told_in_one_sentence() {
    let lake = loaded("columns: { id: int }\n", "id\n1\n");
    lake.land(&at("b.csv"), "id\n2\n");
    lake.run();
    let log = lake.path("lake/tables/ops/t/t/_delta_log");
    let version = |n: u32| log.join(format!("{n:020}.json"));
    let whole = fs::read(version(1)).unwrap();
    let told = |args: &[&str]| {
        let output = lake.command(args).env("RUST_BACKTRACE", "1").output().unwrap();
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        for noise in ["\u{1b}", "buoyant_kernel", "   0: ", "ParsedLogPath", "backtrace", "ERROR"] {
            assert!(!text.contains(noise), "{args:?} says {noise:?}: {text}");
        }
        assert!(text.lines().count() < 12, "{args:?}: {text}");
        text
    };
    fs::write(version(1), "{\n").unwrap();
    for args in [&["sql", "select * from t"][..], &["run"], &["prove"], &["tables"]] {
        told(args);
    }
    fs::write(version(1), whole).unwrap();
    fs::remove_file(version(0)).unwrap();
    fs::remove_file(version(1)).unwrap();
    for args in [&["sql", "select * from t"][..], &["prove"]] {
        told(args);
    }
}

#[test]
fn a_limit_of_file_sizes_fails_as_a_full_disk() {
    let lake = TestLake::with("t", "");
    let text: String =
        (0..200_000u64).map(|i| format!("{},{i}\n", i.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    lake.land(&at("a.csv"), format!("id,v\n{text}"));
    let ran = Command::new("sh")
        .args(["-c", "ulimit -f 4000; exec \"$0\" run --lake \"$1\"", env!("CARGO_BIN_EXE_lakegate")])
        .arg(lake.root())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert_eq!(ran.status.code(), Some(FAILED), "{text}");
    assert!(text.contains("LG601"), "{text}");
    lake.run();
    assert_eq!(lake.value("select count(*) from t"), 200_000);
    lake.prove();
}

#[test]
fn a_refused_replay_says_why() {
    let lake = TestLake::with("t", "columns: { id: string }\nevolve: fixed\n");
    for i in 0..24 {
        lake.land(&at(&format!("{i:02}.csv")), format!("id\nx{i}\n"));
    }
    lake.run();
    lake.dataset("t", "columns: { id: int }\nevolve: fixed\n");
    lake.lakegate(&["replay", "ops.t"])
        .is(FINDINGS)
        .says("configuration refuses some files")
        .says("… and 4 more");
    lake.dataset("t", "columns: { id: string }\nevolve: fixed\n");
    for pack in lake.files_below("lake/raw") {
        fs::remove_file(lake.path("lake/raw").join(pack)).unwrap();
    }
    let ran = lake.lakegate(&["replay", "ops.t"]).is(FINDINGS).says("raw bytes that the replay needs");
    assert!(!ran.text().contains("configuration refuses"), "{ran}");
}

#[test]
fn what_is_not_there_is_said_to_be_so() {
    let lake = loaded("columns: { id: int }\n", "id\n1\n");
    lake.lakegate(&["maintain", "--table", "ops.t.x"]).is(USAGE).says("no table `ops.t.x`");
    lake.lakegate(&["files", "--dataset", "ops.x"]).is(USAGE).says("no dataset `ops.x`");
    lake.lakegate(&["parked", "--dataset", "ops.x"]).is(USAGE).says("no dataset `ops.x`");
    lake.lakegate(&["redrive", "f99"]).is(USAGE).says("no file f99");
    lake.lakegate(&["redrive", "f1"]).is(FAILED).says("not parked");
    // Its files stay to be seen when the dataset is gone.
    fs::remove_file(lake.path("datasets/t.yaml")).unwrap();
    lake.lakegate(&["files", "--dataset", "ops.t"]).is(DONE).says("a.csv");
}

#[test]
fn a_place_in_a_file_of_statements_is_the_files() {
    let lake = loaded("columns: { id: int }\n", "id\n1\n");
    lake.write("q.sql", "select 1;\n  select id,\n    nope from t;\n");
    lake.lakegate(&["sql", "--file", "q.sql"]).is(USAGE).says("line 3, column 5").says("    nope from t");
    lake.write("q.sql", "select 1; select nope from t");
    lake.lakegate(&["sql", "--file", "q.sql"]).is(USAGE).says("line 1, column 18");
}

#[test]
fn a_plan_of_any_file_asks_those_who_know_it_by_its_name() {
    let lake = TestLake::with("t", "");
    lake.dataset("u", "");
    lake.dataset("named", "match: 'known_.*\\.csv'\n");
    lake.write("elsewhere/known_1.csv", "id\n1\n");
    lake.write("elsewhere/other.csv", "id\n1\n");
    lake.lakegate(&["plan", "elsewhere/known_1.csv"]).is(DONE).says("ops.named");
    let ran = lake.lakegate(&["plan", "elsewhere/other.csv"]).is(FINDINGS).says("no `match:` fits its name");
    assert!(!ran.stdout.contains("more than one"), "{ran}");
}

#[test]
fn init_writes_what_check_reads_or_says_where_it_cannot() {
    let folder = tempfile::tempdir().unwrap();
    let init = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_lakegate"))
            .args(args)
            .current_dir(folder.path())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for (i, name) in ["a: b\nc\"", "true", "12", "my lake", "#x", "plain_1"].iter().enumerate() {
        let dir = format!("lake{i}");
        assert_eq!(init(&["init", &dir, "--name", name]).0, Some(DONE));
        let json = Command::new(env!("CARGO_BIN_EXE_lakegate"))
            .args(["check", "--json", "--lake", &dir])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!(json["lake"], *name, "{json}");
    }
    let (code, text) = init(&["init", "/proc/foo"]);
    assert_eq!(code, Some(FAILED));
    assert!(text.contains("/proc/foo") && !text.contains("tried again by itself"), "{text}");
}

#[test]
fn a_parked_file_is_told_with_its_id_and_dataset() {
    let lake = TestLake::with("t", "columns: { id: int }\n");
    lake.land("landing/ops/t/x/f.csv", "id\n1,2\n");
    let ran = lake.run_with_findings();
    assert!(
        ran.stdout.contains("ops.t") && ran.stdout.contains("f1") && ran.stdout.contains("x/f.csv"),
        "{ran}"
    );
}

/// The steps of `examples/legislators/README.md`, as they stand there.
#[test]
fn the_legislators_are_mended_as_their_page_says() {
    let lake = TestLake::new("");
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/legislators");
    assert!(
        Command::new("cp").args(["-R", &format!("{example}/.")]).arg(lake.root()).status().unwrap().success()
    );
    let page = fs::read_to_string(format!("{example}/README.md")).unwrap();
    let lines = page.lines().filter_map(|l| l.strip_prefix("    "));
    let mut codes = Vec::new();
    for line in lines {
        match line.strip_prefix("lakegate ").map(|l| l.split('#').next().unwrap_or(l).trim()) {
            Some(command @ ("run" | "prove")) => codes.push(lake.lakegate(&[command]).code),
            Some(_) => {}
            None if line.starts_with("mkdir") || line.starts_with("cp ") || line.starts_with('{') => {
                let sh = Command::new("bash").args(["-c", line]).current_dir(lake.root()).status().unwrap();
                assert!(sh.success(), "{line}");
            }
            None => {}
        }
    }
    assert_eq!(codes, [Some(FINDINGS), Some(DONE), Some(DONE)]);
    assert_eq!(lake.value("select count(*) from demo.legislators.regions"), 2);
    lake.lakegate(&["test"]).is(DONE);
    lake.lakegate(&["replay", "demo.legislators"]).is(DONE);
    lake.prove();
}
