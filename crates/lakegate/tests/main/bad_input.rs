//! What is wrong with files: each is parked with its code and a message that
//! says where, and nothing else is harmed.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::lake::{DONE, FAILED, FINDINGS, Mounted, Stopped, TestLake, await_state, gz, tar, zip, zst};

/// What there is of a file: its name, bytes, code, and parts of its message.
type Bad = (&'static str, Vec<u8>, &'static str, &'static [&'static str]);

const THINGS: &str = "
columns: { a: int, b: string }
evolve: fixed
same_bytes: load
read: { caps: { expanded: 32MiB, ratio: 200, entries: 50, depth: 2, record: 1MiB } }
";

fn at(name: &str) -> String {
    format!("landing/ops/things/{name}")
}

const GOOD: &[u8] = b"a,b\n1,x\n2,y\n";

/// Text that does not compress away.
fn noise(n_rows: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(3);
    let mut text = String::from("a,b\n");
    (0..n_rows).for_each(|i| text += &format!("{i},{:016x}{:016x}\n", rng.u64(..), rng.u64(..)));
    text.into_bytes()
}

fn corpus() -> Vec<Bad> {
    let large = noise(2000);
    let cut = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
    let rows = "7,nothing to see\n".repeat(4 << 20);
    let bomb = [b"a,b\n", rows.as_bytes()].concat();
    let many: Vec<(String, Vec<u8>)> = (0..60).map(|i| (format!("{i}.csv"), GOOD.to_vec())).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|(n, b)| (n.as_str(), b.as_slice())).collect();
    let nested = (0..5).fold(GOOD.to_vec(), |inner, i| zip(&[(&format!("{i}.zip"), &inner)]));
    vec![
        ("cut.zip", cut(zip(&[("a.csv", &large)])), "LG103", &[]),
        ("cut.csv.gz", cut(gz(&large)), "LG103", &[]),
        ("cut.csv.zst", cut(zst(&large)), "LG103", &[]),
        ("cut.tar", tar(&[("a.csv", &large)])[..4000].to_vec(), "LG103", &[]),
        ("bomb.zip", zip(&[("a.csv", &bomb)]), "LG104", &["a.csv"]),
        ("bomb.csv.gz", gz(&bomb), "LG104", &[]),
        ("crowd.zip", zip(&many), "LG104", &["50"]),
        ("matryoshka.zip", nested, "LG113", &[]),
        ("escape.zip", zip(&[("../../evil.csv", GOOD)]), "LG105", &["../../evil.csv"]),
        ("escape.tar", tar(&[("/etc/evil.csv", GOOD)]), "LG105", &["/etc/evil.csv"]),
        ("utf8.csv", b"a,b\n1,fine\n2,caf\xe9\n".to_vec(), "LG102", &["line 3"]),
        ("utf8.ndjson", b"{\"a\":1,\"b\":\"x\"}\n{\"a\":2,\"b\":\"\xff\"}\n".to_vec(), "LG102", &["line 2"]),
        ("endless.csv", [b"a,b\n1,".as_slice(), &vec![b'x'; 100 << 20]].concat(), "LG106", &[]),
        ("endless.ndjson", [b"{\"a\":1,\"b\":\"".as_slice(), &vec![b'x'; 3 << 20]].concat(), "LG106", &[]),
        ("quote.csv", [b"a,b\n1,\"never closed\n".as_slice(), &noise(40_000)].concat(), "LG106", &["line 2"]),
        (
            "deep.json",
            format!("[{{\"a\":{}1{}}}]", "[".repeat(9000), "]".repeat(9000)).into_bytes(),
            "LG113",
            &[],
        ),
        (
            "deep.ndjson",
            format!("{{\"a\":{}1{}}}\n", "[".repeat(9000), "]".repeat(9000)).into_bytes(),
            "LG113",
            &[],
        ),
        ("nul.csv", b"a,b\n1,x\n2,\0y\n".to_vec(), "LG112", &["line 3"]),
        ("nothing.csv", Vec::new(), "LG107", &["no bytes", "empty: accept"]),
        ("header only.csv", b"a,b\n".to_vec(), "LG107", &["not a single row", "empty: accept"]),
        ("no element.json", b"[]".to_vec(), "LG107", &["not a single row"]),
        ("blank.ndjson", b" \n".to_vec(), "LG107", &["not a single row"]),
        ("nothing.ndjson", Vec::new(), "LG107", &[]),
        ("blank.csv", b"\n\n\n".to_vec(), "LG107", &[]),
        ("nothing.zip", zip(&[]), "LG107", &[]),
        ("doubled.csv", b"a,b,a\n1,x,2\n".to_vec(), "LG108", &["a"]),
        ("ragged.csv", b"a,b\n1,x\n2\n3,y,z\n".to_vec(), "LG109", &["line 3"]),
        ("not.json", b"{\"a\": 1, \"b\": oops}\n".to_vec(), "LG101", &["line 1", "column"]),
        ("not.ndjson", b"{\"a\":1,\"b\":\"x\"}\n{\"a\":2,\n".to_vec(), "LG101", &["line 2"]),
        ("not.parquet", b"PAR1 but not really PAR1".to_vec(), "LG101", &[]),
        ("surplus.csv", b"a,b,c\n1,x,2\n".to_vec(), "LG301", &["c"]),
        ("lacking.csv", b"b\nx\n".to_vec(), "LG303", &["a"]),
        ("misfit.csv", b"a,b\n1,x\ntwo,y\n".to_vec(), "LG302", &["two", "a", "2"]),
    ]
}

#[test]
fn each_bad_file_is_parked_with_its_code_and_all_others_are_committed() {
    let lake = TestLake::with("things", THINGS);
    let corpus = corpus();
    for (i, (name, bytes, ..)) in corpus.iter().enumerate() {
        lake.land(&at(&format!("{i:02} good.csv")), format!("a,b\n{i},good\n"));
        lake.land(&at(&format!("{i:02} {name}")), bytes);
    }
    // A folder named like a file is a folder.
    lake.land(&at("folder.csv/inside.csv"), "a,b\n999,inside\n");
    lake.run_with_findings();

    let parked = lake.lakegate(&["parked", "--json"]).is(DONE).json();
    let parked: Vec<&Value> = match &parked {
        Value::Array(files) => files.iter().collect(),
        other => panic!("`parked --json` is no list: {other}"),
    };
    let mut wrong = Vec::new();
    for (i, (name, _, code, parts)) in corpus.iter().enumerate() {
        let path = format!("{i:02} {name}");
        match parked.iter().find(|p| p["path"] == path.as_str()) {
            None => wrong.push(format!("{path} is not parked, want {code}")),
            Some(found) => {
                let message = found["message"].as_str().unwrap();
                if found["code"] != *code || parts.iter().any(|p| !message.contains(p)) || message.is_empty()
                {
                    wrong.push(format!("{path}: want {code} {parts:?}, got {} {message}", found["code"]));
                }
                if message.contains("Error {")
                    || message.contains("ArrowError")
                    || message.contains("panicked")
                {
                    wrong.push(format!("{path}: not a sentence for people: {message}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(parked.len(), corpus.len());
    assert_eq!(lake.value("select count(*) from ops.things.things"), corpus.len() + 1);
    assert_eq!(lake.value("select count(distinct a) from ops.things.things where b = 'good'"), corpus.len());
    lake.prove();
    assert!(!lake.path("evil.csv").exists() && !std::path::Path::new("/etc/evil.csv").exists());
    // Nothing changes when they are sent again as they are, and nothing is lost.
    lake.lakegate(&["redrive", "--all"]).is(DONE);
    lake.run_with_findings();
    assert_eq!(lake.parked().len(), corpus.len());
    lake.prove();
}

#[test]
fn a_file_that_cannot_be_read_is_listed_and_the_others_are_committed() {
    let lake = TestLake::with("things", "columns: { a: int, b: string }\n");
    lake.land(&at("good.csv"), GOOD);
    std::os::unix::fs::symlink("nowhere", lake.path(at("dangling.csv"))).unwrap();
    assert!(Command::new("mkfifo").arg(lake.path(at("pipe.csv"))).status().unwrap().success());
    lake.run_with_findings();
    assert_eq!(
        lake.lines("select path, reason from system.strays order by path"),
        ["dangling.csv|unreadable", "pipe.csv|unreadable"]
    );
    assert_eq!(lake.value("select count(*) from ops.things.things"), 2);
    lake.prove();
}

#[test]
fn a_file_that_changes_while_it_is_read_is_loaded_as_it_ends_up() {
    let lake = TestLake::with("things", "columns: { a: int, b: string }\nsettle: 0ms\n");
    let path = lake.path(at("changing.csv"));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, noise(100)).unwrap();
    let mut up = Stopped(lake.start(&["up"]));
    // Without time to settle, every one of these may be caught half-way.
    for n in (1..40).map(|i| i * 3000) {
        std::fs::write(&path, noise(n)).unwrap();
    }
    await_state("the last version is committed", || {
        let ran = lake.lakegate(&["sql", "select count(*) as n from ops.things.things", "--format", "csv"]);
        ran.stdout.contains(&format!("\n{}\n", 39 * 3000)).then_some(())
    });
    assert!(up.0.try_wait().unwrap().is_none(), "`up` ended");
    up.interrupt();
    lake.prove();
}

#[test]
fn a_read_only_landing_zone_is_read_once() {
    let lake = TestLake::with("things", "columns: { a: int, b: string }\nafter: delete\n");
    let Some(mount) = Mounted::tmpfs(&lake.path("landing/ops/things"), "size=1m") else { return };
    std::fs::write(lake.path(at("a.csv")), GOOD).unwrap();
    mount.remount("ro");
    for _ in 0..2 {
        let ran = lake.lakegate(&["run"]);
        assert!(matches!(ran.code, Some(DONE | FINDINGS)), "{ran}");
        assert_eq!(lake.value("select count(*) from ops.things.things"), 2);
    }
    assert!(lake.path(at("a.csv")).exists());
    lake.prove();
}

#[test]
fn a_disk_that_is_too_full_for_the_bytes_parks_nothing_and_goes_on_when_there_is_room() {
    let lake = TestLake::with("things", "columns: { a: int, b: string }\n");
    let Some(mount) = Mounted::tmpfs(&lake.path("lake"), "size=4m") else { return };
    lake.land(&at("small.csv"), GOOD);
    lake.run();
    lake.land(&at("large.csv"), noise(300_000));
    let ran = lake.lakegate(&["run"]).is(FAILED);
    assert!(ran.text().contains("LG601") || ran.text().contains("space"), "{ran}");
    mount.remount("size=100m");
    assert!(lake.parked().is_empty());
    assert_eq!(lake.value("select count(*) from ops.things.things"), 2);
    lake.prove();
    lake.run();
    assert_eq!(lake.value("select count(*) from ops.things.things"), 300_002);
    lake.prove();
}

#[test]
fn a_run_that_waits_for_room_says_so_at_once() {
    let lake = TestLake::with("things", "columns: { a: int, b: string }\n");
    let Some(mount) = Mounted::tmpfs(&lake.path("lake/tables"), "size=1m") else { return };
    lake.land(&at("large.csv"), noise(85_000));
    let mut run = lake.command(&["run"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(run.stderr.take().unwrap()).lines().map(|line| line.unwrap());
    // Before anything was tried a second time.
    assert!(said.next().is_some_and(|line| line.contains("LG601")));
    assert!(said.next().is_some_and(|line| line.contains("it is tried again in ")));
    mount.remount("size=100m");
    assert_eq!(run.wait().unwrap().code(), Some(DONE));
    assert_eq!(lake.value("select count(*) from ops.things.things"), 85_000);
}

#[test]
fn a_disk_that_is_too_full_for_the_rows_parks_nothing_and_goes_on_by_itself() {
    let lake = TestLake::with("things", "columns: { a: int, b: string }\n");
    // Only the tables lie on the small disk: each file's rows would fit, both files' do not.
    let Some(mount) = Mounted::tmpfs(&lake.path("lake/tables"), "size=3m") else { return };
    lake.land(&at("small.csv"), GOOD);
    lake.run();
    lake.land(&at("one.csv"), noise(85_000));
    lake.land(&at("other.csv"), noise(84_999));
    let up = Stopped(lake.start(&["up"]));
    await_state("the work has met the full disk", || {
        let ran = lake.lakegate(&[
            "sql",
            "select count(*) as n from system.failures where code = 'LG601'",
            "--format",
            "csv",
        ]);
        (ran.code == Some(DONE) && !ran.stdout.contains("\n0\n")).then_some(())
    });
    mount.remount("size=100m");
    await_state("the rows are there", || {
        let ran = lake.lakegate(&["sql", "select count(*) as n from ops.things.things", "--format", "csv"]);
        ran.stdout.contains("\n170001\n").then_some(())
    });
    assert_eq!(up.interrupt(), Some(DONE), "it lived through it");
    lake.run();
    assert!(lake.parked().is_empty());
    assert_eq!(lake.value("select count(*) from ops.things.things"), 170_001);
    lake.prove();
}

#[test]
fn up_lives_through_a_disk_that_is_too_full_for_the_bytes() {
    let lake = TestLake::with("things", "columns: { a: int, b: string }\n");
    let Some(mount) = Mounted::tmpfs(&lake.path("lake"), "size=4m") else { return };
    let up = Stopped(lake.start(&["up"]));
    lake.land(&at("large.csv"), noise(300_000));
    lake.land(&at("small.csv"), GOOD);
    let n_rows = || {
        let ran = lake.lakegate(&["sql", "select count(*) as n from ops.things.things", "--format", "csv"]);
        ran.stdout.lines().nth(1).map(str::to_string)
    };
    await_state("what there is room for is there", || (n_rows()? == "2").then_some(()));
    mount.remount("size=100m");
    await_state("the rest is there", || (n_rows()? == "300002").then_some(()));
    assert_eq!(up.interrupt(), Some(DONE), "it lived through it");
    assert!(lake.parked().is_empty());
    lake.prove();
}
