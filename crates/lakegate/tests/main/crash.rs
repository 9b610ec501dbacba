//! Killed at every named point, at its first and second passage, and started
//! again until idle: the tables equal those of a run that was never disturbed.

use std::collections::{BTreeMap, BTreeSet};

use crate::lake::{BUSY, DONE, FINDINGS, Snapshot, TestLake, zip};

/// The points of `failpoint.rs`; a test keeps the two alike.
pub const POINTS: [&str; 18] = [
    "received",
    "accepted",
    "disposed",
    "claimed",
    "checked",
    "parked",
    "written",
    "quarantined",
    "committed",
    "unfinished",
    "finished",
    "compacted",
    "replay_written",
    "replayed",
    "bundled",
    "moved",
    "export_written",
    "exported",
];

/// Commits so small, and upkeep so eager, that every point is passed often.
const LAKE: &str = "batch: { files: 2 }\nupkeep: { compact_at_files: 3, checkpoint_every: 4 }\n";

const EVENTS: &str = "
match: '.*\\.(csv|ndjson)'
columns: { id: int, at: timestamp, kind: string, amount: float }
partition_by: day(at)
expect:
  - { name: affordable, column: amount, in_range: [0, 1000], on_fail: quarantine }
  - { name: known, column: kind, in_set: [buy, sell], on_fail: LIMIT }
export: { netcdf: 'events/{start:%Y%m%d}.nc', per: day, attributes: { history: none } }
";

const ORDERS: &str = "
match: '.*\\.zip'
after: archive
read:
  archive:
    members:
      heads: { member: 'heads.*\\.csv', csv: {} }
      lines: { member: 'lines.*\\.ndjson', ndjson: {} }
tables:
  heads:
    columns: { order_id: int, customer: string }
    export: { netcdf: 'orders/{file}.nc', attributes: { history: none } }
  lines:
    columns: { order_id: int, item: string, price: float }
    expect: [ { name: priced, column: price, in_range: [0, null], on_fail: quarantine } ]
";

/// `n` rows of a CSV file, one of them unaffordable, one of an unknown kind.
fn csv(first: u32, n: u32) -> String {
    let mut text = String::from("id,at,kind,amount\n");
    for i in first..first + n {
        let (kind, amount) = match i - first {
            1 => ("buy", 5000.5),
            2 => ("barter", 1.25),
            _ => (if i % 2 == 0 { "buy" } else { "sell" }, f64::from(i) + 0.25),
        };
        text += &format!("{i},2026-03-{:02}T10:00:{:02}Z,{kind},{amount}\n", 1 + i % 3, i % 60);
    }
    text
}

fn ndjson(first: u32, n: u32) -> String {
    (first..first + n)
        .map(|i| {
            format!("{{\"id\":{i},\"at\":\"2026-03-01T00:00:00Z\",\"kind\":\"sell\",\"amount\":{i}.5}}\n")
        })
        .collect()
}

fn order(id: u32) -> Vec<u8> {
    let heads = format!("order_id,customer\n{id},c{id}\n");
    let lines: String = [4.5, -1.0, 7.25]
        .iter()
        .map(|p| format!("{{\"order_id\":{id},\"item\":\"i{id}\",\"price\":{p}}}\n"))
        .collect();
    zip(&[("heads.csv", heads.as_bytes()), ("in/lines.ndjson", lines.as_bytes())])
}

/// Files of one wave, and the first of each kind of trouble.
fn land(lake: &TestLake, wave: u32) {
    let at = |name: &str| format!("landing/ops/events/{name}");
    let base = wave * 1000;
    lake.land(&at(&format!("a{wave}.csv")), csv(base, 6));
    lake.land(&at(&format!("sub/n{wave}.ndjson")), ndjson(base + 100, 4));
    lake.land(&format!("landing/ops/orders/o{wave}.zip"), order(wave));
    match wave {
        0 => {
            lake.land(&at("malformed.csv"), "id,at,kind,amount\n1,2026-03-01T00:00:00Z,buy\n");
            lake.land(&at("twice.csv"), csv(500, 3));
            lake.land(&at("twice again.csv"), csv(500, 3));
        }
        1 => {
            lake.land(&at("malformed too.ndjson"), "{\"id\": 1\n");
            lake.land(&at("a0.csv"), csv(10, 7));
            lake.touch(&at("sub/n0.ndjson"));
            lake.rename(&at("twice.csv"), &at("thrice.csv"));
            lake.land("landing/ops/orders/o0.zip", order(70));
            lake.land("landing/ops/orders/broken.zip", &order(8)[..60]);
        }
        _ => {}
    }
}

struct Story {
    lake: TestLake,
    /// The kill that is still to come, if any.
    kill: Option<String>,
}

impl Story {
    /// Runs a command; where it is killed, runs it again, undisturbed.
    fn step(&mut self, args: &[&str], codes: &[i32]) {
        if let Some(point) = self.kill.clone() {
            let ran = self.lake.killed_at(&point, args);
            if !ran.was_killed() {
                assert!(ran.code.is_some_and(|c| codes.contains(&c)), "{ran}");
                return;
            }
            self.kill = None;
        }
        let ran = self.lake.lakegate(args);
        assert!(ran.code.is_some_and(|c| codes.contains(&c)), "{ran}");
    }
}

/// What is left when a story has ended.
struct End {
    tables: Snapshot,
    landing: BTreeSet<String>,
    /// Without the day of archiving, which may end in the middle of a story.
    archive: BTreeSet<String>,
    exports: BTreeMap<String, Vec<u8>>,
    killed: bool,
}

/// Waves of files, a mended rule and its replay, and upkeep.
fn story(kill: Option<String>, n_waves: u32) -> End {
    let mut story = Story { lake: TestLake::new(LAKE), kill };
    story.lake.dataset("events", &EVENTS.replace("LIMIT", "quarantine"));
    story.lake.dataset("orders", ORDERS);
    for wave in 0..n_waves {
        land(&story.lake, wave);
        story.step(&["run"], &[DONE, FINDINGS]);
    }
    story.lake.dataset("events", &EVENTS.replace("LIMIT", "warn"));
    story.step(&["replay", "ops.events"], &[DONE]);
    story.step(&["replay", "ops.orders"], &[DONE]);
    story.step(&["redrive", "--all"], &[DONE]);
    story.step(&["run"], &[DONE, FINDINGS]);
    story.step(&["maintain"], &[DONE]);
    story.lake.lakegate(&["run"]).is(DONE);
    if n_waves >= WAVES_TO_BUNDLE {
        // What was bundled can still be read.
        story.lake.lakegate(&["replay", "ops.events"]).is(DONE);
    }
    story.lake.prove();
    let without_day =
        |path: String| path.split('/').filter(|part| !part.starts_with("20")).collect::<Vec<_>>().join("/");
    End {
        tables: story.lake.snapshot(),
        landing: story.lake.files_below("landing"),
        archive: story.lake.files_below("lake/archive").into_iter().map(without_day).collect(),
        exports: exports(&story.lake),
        killed: story.kill.is_none(),
    }
}

/// The files for others, with their bytes.
fn exports(lake: &TestLake) -> BTreeMap<String, Vec<u8>> {
    let bytes = |path: &String| std::fs::read(lake.path("lake/export").join(path)).unwrap();
    lake.files_below("lake/export").into_iter().map(|path| (path.clone(), bytes(&path))).collect()
}

/// So many packs of raw bytes there must be before they are bundled.
const WAVES_TO_BUNDLE: u32 = 9;

fn survives(point: &str) {
    assert!(POINTS.contains(&point));
    let n_waves = if ["bundled", "moved"].contains(&point) { WAVES_TO_BUNDLE } else { 3 };
    let undisturbed = story(None, n_waves);
    assert!(undisturbed.archive.len() as u32 > n_waves, "{:?}", undisturbed.archive);
    assert!(!undisturbed.landing.iter().any(|f| f.starts_with("ops/orders")), "{:?}", undisturbed.landing);
    for table in
        ["ops.events.events", "ops.events.events__quarantine", "ops.orders.heads", "ops.orders.lines"]
    {
        assert!(undisturbed.tables.n_rows(table) > 0, "{table} is empty");
    }
    assert_eq!(undisturbed.tables.parked.len(), 3, "{:?}", undisturbed.tables.parked);
    let exported: Vec<_> = undisturbed.exports.keys().filter(|path| path.starts_with("events/")).collect();
    assert_eq!(exported, ["events/20260301.nc", "events/20260302.nc", "events/20260303.nc"]);
    assert_eq!(undisturbed.exports.len() as u32, 3 + n_waves);
    // A replay has written all of its files once.
    let passages = if point == "replay_written" { 1 } else { 2 };
    for n in 1..=passages {
        let kill = format!("{point}:{n}");
        let disturbed = story(Some(kill.clone()), n_waves);
        assert!(disturbed.killed, "{kill} was never passed");
        disturbed.tables.assert_same(&undisturbed.tables, &format!("killed at {kill}"));
        assert_eq!(disturbed.landing, undisturbed.landing, "killed at {kill}");
        assert_eq!(disturbed.archive, undisturbed.archive, "killed at {kill}");
        for (path, bytes) in &undisturbed.exports {
            assert!(disturbed.exports.get(path) == Some(bytes), "killed at {kill}: {path} is another");
        }
        assert_eq!(disturbed.exports.len(), undisturbed.exports.len(), "killed at {kill}");
    }
}

macro_rules! points {
    ($($point:ident)*) => {
        $(#[test] fn $point() { survives(stringify!($point)); })*

        #[test]
        fn every_point_has_its_test() {
            assert_eq!(POINTS, [$(stringify!($point)),*]);
        }
    };
}

points! {
    received accepted disposed claimed checked parked written quarantined committed
    unfinished finished compacted replay_written replayed bundled moved export_written exported
}

#[test]
fn the_points_are_those_of_the_source() {
    let source = include_str!("../../src/failpoint.rs");
    let declared: Vec<&str> = source
        .lines()
        .filter_map(|l| l.strip_prefix("pub const ")?.split_once(": &str = \""))
        .map(|(_, value)| value.trim_end_matches("\";"))
        .collect();
    assert_eq!(declared, POINTS);
    assert!(source.contains(&format!("pub const ALL: [&str; {}]", POINTS.len())));
}

#[test]
fn two_processes_on_one_lake_do_no_harm() {
    let reference = TestLake::new(LAKE);
    let shared = TestLake::new(LAKE);
    for lake in [&reference, &shared] {
        lake.dataset("events", &EVENTS.replace("LIMIT", "quarantine"));
        lake.dataset("orders", ORDERS);
        (0..6).for_each(|wave| land(lake, wave));
    }
    reference.run_with_findings();
    for _ in 0..3 {
        let both = [shared.start(&["run"]), shared.start(&["run"])];
        for mut child in both {
            let code = child.wait().unwrap().code();
            assert!(matches!(code, Some(DONE | FINDINGS | BUSY)), "ended with {code:?}");
        }
    }
    let ran = shared.lakegate(&["run"]);
    assert!(matches!(ran.code, Some(DONE | FINDINGS)), "{ran}");
    shared.prove();
    shared.snapshot().assert_same(&reference.snapshot(), "two processes at once");
}

#[test]
fn a_second_process_says_who_holds_the_lake() {
    let lake = TestLake::with("events", &EVENTS.replace("LIMIT", "warn"));
    let up = crate::lake::Stopped(lake.start(&["up"]));
    lake.land("landing/ops/events/a.csv", csv(0, 3));
    crate::lake::await_state("the file is committed", || {
        (lake
            .lakegate(&[
                "sql",
                "select count(*) as n from system.files where state = 'committed'",
                "--format",
                "csv",
            ])
            .stdout
            .contains("\n1"))
        .then_some(())
    });
    let holder = up.0.id().to_string();
    lake.lakegate(&["run"]).is(BUSY).says(&holder);
    let code = up.interrupt();
    assert!(matches!(code, Some(DONE | 130)), "{code:?}");
    lake.run();
    lake.prove();
}

#[test]
fn a_file_that_can_no_longer_be_read_is_parked_without_the_rows_it_left() {
    // Killed when the first of two tables is committed, then made unreadable.
    let reads = "read: { archive: { members: { a: { member: 'a\\.csv', csv: {} }, b: { member: 'b\\.csv', csv: {} } } } }\n";
    let broken = reads.replace("b\\.csv', csv: {}", "b\\.csv', ndjson: {}");
    let lake = TestLake::with("t", reads);
    lake.land("landing/ops/t/0.zip", zip(&[("a.csv", b"x\n0\n"), ("b.csv", b"y\n0\n")]));
    lake.run();
    lake.land("landing/ops/t/1.zip", zip(&[("a.csv", b"x\n1\n"), ("b.csv", b"y\n1\n")]));
    assert!(lake.killed_at("committed", &["run"]).was_killed());
    assert_eq!(lake.lines("select x from ops.t.a order by x"), ["0", "1"], "half of it is there");
    lake.dataset("t", &broken);
    lake.run_with_findings();
    assert_eq!(lake.lines("select x from ops.t.a"), ["0"], "and gone when the file is parked");
    lake.prove();
    lake.dataset("t", reads);
    lake.lakegate(&["redrive", "--all"]).is(DONE);
    lake.run();
    assert_eq!(lake.lines("select x from ops.t.a order by x"), ["0", "1"]);
    assert_eq!(lake.lines("select y from ops.t.b order by y"), ["0", "1"]);
    lake.prove();
}
