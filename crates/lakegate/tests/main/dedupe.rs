//! Rows that count as one: however files are batched, killed, replaced, replayed
//! or sent again, each table holds what a plain list of the rows comes to, and
//! every row is accounted for.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::lake::{DONE, FINDINGS, TestLake, zip};

/// Two tables of each file, one with the time in its key, one without.
const BUS: &str = "
read:
  archive:
    members:
      vehicles: { member: 'vehicles.csv', csv: {} }
      stops: { member: 'stops.csv', csv: {} }
tables:
  vehicles:
    columns: { vehicle: string, at: timestamp, speed: float }
    partition_by: day(at)
    dedupe: { key: [vehicle, at], by: at }
    expect: [ { name: sane, column: speed, in_range: [0, 100], on_fail: quarantine } ]
  stops:
    columns: { vehicle: string, at: timestamp }
    dedupe: { key: vehicle, by: at, window: 10m }
";

const KEPT: &str = "select f.path, t._row from ops.bus.TABLE t join system.files f on f.file_id = t._file_id \
                    order by f.path, t._row";

const COUNTS: &str = "select f.path, t.n_in, t.n_committed, t.n_quarantined, t.n_duplicate \
                      from system.file_tables t join system.files f on f.file_id = t.file_id \
                      where t.table_name = 'ops.bus.TABLE' and f.state = 'committed' order by f.path";

#[derive(Clone)]
struct Row {
    vehicle: u32,
    /// Minutes since the first of March.
    minute: i64,
    speed: u32,
}

fn rows(seed: u64, n: usize) -> Vec<Row> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut row =
        || Row { vehicle: random.u32(0..6), minute: random.i64(0..90) * 5, speed: random.u32(0..120) };
    (0..n).map(|_| row()).collect()
}

fn at(minute: i64) -> String {
    let (day, minute) = (1 + minute / 120, minute % 120);
    format!("2026-03-{day:02}T{:02}:{:02}:00Z", 22 + minute / 60, minute % 60)
}

/// Minutes as they are told apart: each day here has its last two hours.
fn instant(minute: i64) -> i64 {
    minute / 120 * 1440 + minute % 120
}

fn file(rows: &[Row]) -> Vec<u8> {
    let (mut vehicles, mut stops) = (String::from("vehicle,at,speed\n"), String::from("vehicle,at\n"));
    for Row { vehicle, minute, speed } in rows {
        writeln!(vehicles, "v{vehicle},{},{speed}", at(*minute)).unwrap();
        writeln!(stops, "v{vehicle},{}", at(*minute)).unwrap();
    }
    zip(&[("vehicles.csv", vehicles.as_bytes()), ("stops.csv", stops.as_bytes())])
}

fn name(n: usize) -> String {
    format!("f{n:02}.zip")
}

/// What the tables should hold, and what became of each file's rows.
struct Expected {
    kept: [Vec<String>; 2],
    counts: [Vec<String>; 2],
}

fn expected(files: &[Vec<Row>]) -> Expected {
    let mut all = Expected { kept: [vec![], vec![]], counts: [vec![], vec![]] };
    let mut vehicles: BTreeSet<(u32, i64)> = BTreeSet::new();
    let mut stops: Vec<(u32, i64)> = Vec::new();
    for (n, rows) in files.iter().enumerate() {
        let mut counts = [[0, 0, 0]; 2];
        for (i, row) in rows.iter().enumerate() {
            let line = format!("{}|{}", name(n), i + 1);
            let t = instant(row.minute);
            if row.speed > 100 {
                counts[0][1] += 1;
            } else if vehicles.insert((row.vehicle, t)) {
                counts[0][0] += 1;
                all.kept[0].push(line.clone());
            } else {
                counts[0][2] += 1;
            }
            if stops.iter().any(|(v, o)| *v == row.vehicle && t.abs_diff(*o) <= 10) {
                counts[1][2] += 1;
            } else {
                stops.push((row.vehicle, t));
                counts[1][0] += 1;
                all.kept[1].push(line);
            }
        }
        for (table, [kept, quarantined, duplicate]) in counts.into_iter().enumerate() {
            all.counts[table].push(format!("{}|{}|{kept}|{quarantined}|{duplicate}", name(n), rows.len()));
        }
    }
    all
}

#[track_caller]
fn holds(lake: &TestLake, want: &Expected, context: &str) {
    for (table, (kept, counts)) in ["vehicles", "stops"].iter().zip(want.kept.iter().zip(&want.counts)) {
        assert_eq!(&lake.lines(&COUNTS.replace("TABLE", table)), counts, "{table}: {context}");
        let mut kept = kept.clone();
        kept.sort_by_key(|line| {
            let (path, row) = line.split_once('|').unwrap();
            (path.to_string(), row.parse::<u32>().unwrap())
        });
        assert_eq!(lake.lines(&KEPT.replace("TABLE", table)), kept, "{table}: {context}");
    }
    lake.prove();
}

fn land(lake: &TestLake, n: usize, rows: &[Row]) {
    lake.land(&format!("landing/ops/bus/{}", name(n)), file(rows));
}

fn bus(batch: usize) -> TestLake {
    let lake = TestLake::new(&format!(
        "batch: {{ files: {batch} }}\nupkeep: {{ compact_at_files: 3, checkpoint_every: 4 }}\n"
    ));
    lake.dataset("bus", BUS);
    lake
}

#[test]
fn batches_never_change_what_stays() {
    let files: Vec<Vec<Row>> = (0..9).map(|n| rows(n, 40)).collect();
    let want = expected(&files);
    for batch in [1, 2, 100] {
        let lake = bus(batch);
        for (n, rows) in files.iter().enumerate() {
            land(&lake, n, rows);
            if n == 4 {
                lake.run();
            }
        }
        lake.run();
        holds(&lake, &want, &format!("{batch} files at a time"));
        lake.lakegate(&["replay", "ops.bus"]).is(DONE);
        holds(&lake, &want, "replayed");
    }
}

/// Killed at a point while files are loaded and while they are replayed.
fn survives(point: &str) {
    let files: Vec<Vec<Row>> = (0..6).map(|n| rows(100 + n, 30)).collect();
    let want = expected(&files);
    for n in 1..=2 {
        let kill = format!("{point}:{n}");
        let lake = bus(2);
        let mut is_killed = false;
        for (n, rows) in files.iter().enumerate() {
            land(&lake, n, rows);
            if n % 3 == 2 {
                is_killed |= lake.killed_at(&kill, &["run"]).was_killed();
            }
        }
        // Whoever works next claims more at a time: other batches than before.
        lake.write("lake.yaml", "lake: test\nbatch: { files: 3 }\n");
        lake.run();
        holds(&lake, &want, &kill);
        if point.starts_with("replay") {
            is_killed |= lake.killed_at(&kill, &["replay", "ops.bus"]).was_killed();
            lake.run();
            holds(&lake, &want, &format!("{kill}, replayed"));
        }
        assert!(is_killed || (point == "replay_written" && n == 2), "{kill} was never passed");
    }
}

macro_rules! survives {
    ($($point:ident)*) => {
        mod killed_at {
            $(#[test] fn $point() { super::survives(stringify!($point)); })*
        }
    };
}

survives! {
    claimed checked written quarantined committed unfinished finished compacted replay_written replayed
}

#[test]
fn random_kills_never_change_what_stays() {
    let seed = std::env::var("LAKEGATE_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(11);
    let mut random = fastrand::Rng::with_seed(seed);
    let files: Vec<Vec<Row>> = (0..12).map(|n| rows(1000 + n, 25)).collect();
    let want = expected(&files);
    let lake = bus(3);
    let points =
        ["received", "accepted", "claimed", "written", "quarantined", "committed", "unfinished", "compacted"];
    for (n, rows) in files.iter().enumerate() {
        land(&lake, n, rows);
        if random.bool() {
            let kill = format!("{}:{}", points[random.usize(..points.len())], random.u32(1..4));
            lake.killed_at(&kill, &["run"]);
        }
        if random.u8(..4) == 0 {
            lake.write("lake.yaml", format!("lake: test\nbatch: {{ files: {} }}\n", random.u32(1..6)));
        }
    }
    lake.run();
    holds(&lake, &want, &format!("seed {seed}"));
}

const T: &str = "columns: { id: string, at: timestamp }\ndedupe: { key: [id, at], by: at, window: 2h }\n";

fn t(lake: &TestLake, name: &str, ids: &[&str]) {
    let rows: String = ids.iter().map(|id| format!("{id},2026-03-01T00:00:00Z\n")).collect();
    lake.land(&format!("landing/ops/t/{name}"), format!("id,at\n{rows}"));
}

const BY_FILE: &str =
    "select f.path, t.id from ops.t.t t join system.files f on f.file_id = t._file_id order by t.id, f.path";

#[test]
fn a_replaced_file_is_compared_with_others_and_not_with_itself() {
    let lake = TestLake::with("t", &format!("volume_guard: off\n{T}"));
    t(&lake, "a.csv", &["1", "2"]);
    lake.run();
    t(&lake, "b.csv", &["1", "3"]);
    lake.run();
    assert_eq!(lake.lines(BY_FILE), ["a.csv|1", "a.csv|2", "b.csv|3"]);
    t(&lake, "a.csv", &["2", "3", "4"]);
    t(&lake, "c.csv", &["2", "4", "5"]);
    lake.run();
    // What the first `a.csv` kept out of others comes back with a replay only.
    assert_eq!(lake.lines(BY_FILE), ["a.csv|2", "b.csv|3", "a.csv|4", "c.csv|5"]);
    lake.prove();
    lake.lakegate(&["replay", "ops.t"]).is(DONE);
    assert_eq!(lake.lines(BY_FILE), ["b.csv|1", "a.csv|2", "b.csv|3", "a.csv|4", "c.csv|5"]);
    lake.prove();
    // One file alone is compared with all others.
    let b = lake.value("select min(file_id) from system.files where path = 'b.csv'").as_i64().unwrap();
    lake.lakegate(&["replay", "ops.t", "--file", &format!("f{b}")]).is(DONE);
    assert_eq!(lake.lines(BY_FILE), ["b.csv|1", "a.csv|2", "b.csv|3", "a.csv|4", "c.csv|5"]);
    lake.prove();
}

#[test]
fn what_is_parked_keeps_nothing_out_and_comes_last_when_it_is_sent_again() {
    let rule = |max: u32| format!("{T}expect: [ {{ rows: [1, {max}] }} ]\n");
    let lake = TestLake::with("t", &rule(2));
    t(&lake, "a.csv", &["1", "2", "3"]);
    t(&lake, "b.csv", &["1", "1"]);
    lake.run_with_findings();
    assert_eq!(lake.lines(BY_FILE), ["b.csv|1"]);
    lake.dataset("t", &rule(9));
    lake.lakegate(&["redrive", "--all"]).is(DONE);
    lake.run();
    assert_eq!(lake.lines(BY_FILE), ["b.csv|1", "a.csv|2", "a.csv|3"]);
    assert_eq!(lake.value("select sum(n_duplicate) from system.file_tables"), 2);
    lake.prove();
}

#[test]
fn a_rule_whose_column_no_file_has_parks_files_and_a_mended_one_takes_them() {
    let lake = TestLake::with("t", "dedupe: { key: [idd, at], by: at }\n");
    t(&lake, "a.csv", &["1", "1"]);
    let ran = lake.run_with_findings();
    assert_eq!(lake.parked(), ["a.csv|LG303"], "{ran}");
    lake.dataset("t", "dedupe: { key: [id, at], by: at }\n");
    lake.lakegate(&["redrive", "--all"]).is(DONE);
    lake.run();
    assert_eq!(lake.lines(BY_FILE), ["a.csv|1"]);
    // A rule that was right and is no more.
    lake.dataset("t", "dedupe: { key: [id, at], by: id }\n");
    t(&lake, "b.csv", &["1", "2"]);
    lake.run_with_findings();
    assert_eq!(lake.parked(), ["b.csv|LG302"]);
    lake.prove();
}

#[test]
fn a_large_file_is_compared_piece_by_piece() {
    let lake = TestLake::with("t", T);
    // Beyond 8 MiB: each row twice, half a file apart, and a hundred of them before.
    t(&lake, "a.csv", &["700000", "700001"]);
    lake.run();
    let n = 150_000;
    let mut text = String::from("id,at\n");
    for _ in 0..2 {
        for i in 0..n {
            writeln!(text, "{},2026-03-01T{:02}:00:00Z", 700_000 + i, i % 20).unwrap();
        }
    }
    assert!(text.len() > 8 << 20, "{}", text.len());
    lake.land("landing/ops/t/large.csv", &text);
    assert!(lake.killed_at("unfinished:1", &["run"]).was_killed());
    lake.run();
    let counts = "select f.path, t.n_in, t.n_committed, t.n_duplicate from system.file_tables t \
                  join system.files f on f.file_id = t.file_id order by f.path";
    let large = format!("large.csv|{}|{}|{}", 2 * n, n - 1, n + 1);
    assert_eq!(lake.lines(counts), ["a.csv|2|2|0", &large]);
    lake.prove();
    // The same process goes on after the large file: it knows its rows.
    let some: String = text.split_inclusive('\n').take(3000).collect();
    lake.land("landing/ops/t/small.csv", some);
    lake.run();
    assert_eq!(lake.value("select count(*) from ops.t.t"), n + 1);
    lake.lakegate(&["replay", "ops.t"]).is(DONE);
    assert_eq!(lake.lines(counts)[1], large);
    lake.prove();
}

#[test]
fn little_memory_changes_nothing_but_a_file_beyond_it_is_parked() {
    let lake = TestLake::new("memory: 16MiB\n");
    lake.dataset("t", T);
    let rows = |from: u32, n: u32| -> String {
        (from..from + n).map(|i| format!("{i},2026-03-01T00:00:{:02}Z\n", i % 60)).collect()
    };
    // What is remembered of a table is 2 MiB: one span has more than that.
    for file in 0..4 {
        let text = format!("id,at\n{}{}", rows(file * 40_000, 40_000), rows(0, 100));
        lake.land(&format!("landing/ops/t/{file}.csv"), text);
        lake.run();
    }
    assert_eq!(lake.value("select count(*) from ops.t.t"), 160_000);
    assert_eq!(lake.value("select sum(n_duplicate) from system.file_tables"), 400);
    lake.prove();
    lake.land("landing/ops/t/huge.csv", format!("id,at\n{}", rows(1_000_000, 320_000)));
    assert_eq!(lake.lakegate(&["run"]).code, Some(FINDINGS));
    assert_eq!(lake.parked(), ["huge.csv|LG403"]);
    lake.prove();
}
