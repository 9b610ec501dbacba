//! Hundreds of mixed files while the process is killed again and again, at
//! random points and at random times. Afterwards nothing is wrong, and the
//! tables equal those of one undisturbed run over the files as they ended up.
//!
//! `LAKEGATE_SOAK_KILLS` says how many kills (60 where it is not set, so that
//! everybody's test run stays short; 1000 is the full soak), `LAKEGATE_SEED`
//! repeats a run.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;

use crate::crash::POINTS;
use crate::lake::{DONE, FINDINGS, TestLake, gz, zip};

const LAKE: &str = "batch: { files: 7 }\nupkeep: { compact_at_files: 4, checkpoint_every: 10 }\n";

const READINGS: &str = "
columns: { id: int, at: timestamp, place: string, value: float }
partition_by: [place]
expect:
  - { column: value, in_range: [-50, 50], on_fail: quarantine }
  - { column: place, is: present, on_fail: drop }
";

/// A landed file as it is now.
#[derive(Clone)]
struct Landed {
    bytes: Vec<u8>,
    mtime: u64,
    /// It was cut short: only its completion may follow.
    truncated: bool,
    /// It has had other bytes: it may not be renamed. Seen under its new name
    /// alone, nothing would say that its first bytes' rows are to go.
    corrected: bool,
    /// It was renamed or completed: nothing more may follow. A name given up
    /// and then used again would make the result depend on when it was seen.
    settled: bool,
}

struct Zone<'a> {
    lake: &'a TestLake,
    files: BTreeMap<String, Landed>,
    rng: Rng,
    /// Makes every file's rows its own.
    next_id: u64,
    clock: u64,
}

impl Zone<'_> {
    fn path(name: &str) -> String {
        format!("landing/ops/readings/{name}")
    }

    fn put(&mut self, name: &str, file: Landed) {
        self.lake.land_at(&Self::path(name), &file.bytes, file.mtime);
        self.files.insert(name.to_string(), file);
    }

    /// On time, or late with a time long past.
    fn mtime(&mut self) -> u64 {
        self.clock += 2;
        if self.rng.u8(..4) == 0 { self.clock - 400_000_000 } else { self.clock }
    }

    fn rows(&mut self) -> Vec<(u64, String, String)> {
        // No correction halves a file: the volume guard would stop it.
        let n = self.rng.u64(5..9);
        let first = self.next_id;
        self.next_id += 100;
        (first..first + n)
            .map(|id| {
                let place = ["north", "south", ""][self.rng.usize(..3)];
                (id, place.to_string(), format!("{}.5", self.rng.i32(-70..70)))
            })
            .collect()
    }

    fn csv(&mut self) -> Vec<u8> {
        let mut text = String::from("id,at,place,value\n");
        for (id, place, value) in self.rows() {
            text += &format!("{id},2026-05-01T00:00:{:02}Z,{place},{value}\n", id % 60);
        }
        text.into_bytes()
    }

    fn bytes(&mut self, extension: &str) -> Vec<u8> {
        match extension {
            "ndjson" => {
                let mut text = String::new();
                for (id, place, value) in self.rows() {
                    let place = if place.is_empty() { "null".to_string() } else { format!("\"{place}\"") };
                    text += &format!(
                        "{{\"id\":{id},\"at\":\"2026-05-01T00:00:{:02}Z\",\"place\":{place},\"value\":{value}}}\n",
                        id % 60
                    );
                }
                text.into_bytes()
            }
            "zip" => {
                let (a, b) = (self.csv(), self.csv());
                zip(&[("a.csv", &a), ("__MACOSX/._a.csv", b"junk"), ("b/b.csv", &b)])
            }
            "csv.gz" => gz(&self.csv()),
            _ => self.csv(),
        }
    }

    /// One thing that happens in a landing zone.
    fn event(&mut self) {
        let open: Vec<String> =
            self.files.iter().filter(|(_, f)| !f.settled && !f.truncated).map(|(n, _)| n.clone()).collect();
        let first: Vec<String> = open.iter().filter(|n| !self.files[*n].corrected).cloned().collect();
        let truncated: Vec<String> =
            self.files.iter().filter(|(_, f)| f.truncated).map(|(n, _)| n.clone()).collect();
        let mtime = self.mtime();
        match self.rng.u8(..10) {
            0 if !open.is_empty() => {
                let name = open[self.rng.usize(..open.len())].clone();
                let file = Landed { mtime, ..self.files[&name].clone() };
                self.put(&name, file);
            }
            1 if !first.is_empty() => {
                let name = first[self.rng.usize(..first.len())].clone();
                let renamed = format!("renamed/{name}");
                let file = self.files.remove(&name).unwrap();
                self.lake.rename(&Self::path(&name), &Self::path(&renamed));
                self.files.insert(renamed, Landed { settled: true, ..file });
            }
            2 if !open.is_empty() => {
                let name = open[self.rng.usize(..open.len())].clone();
                let bytes = self.bytes(name.split_once('.').unwrap().1);
                self.put(&name, Landed { bytes, mtime, truncated: false, corrected: true, settled: false });
            }
            3 => {
                // Cut within its last row: ragged, whatever the cut.
                let mut bytes = self.csv();
                bytes.truncate(bytes.len() - 7);
                let cut = bytes.iter().rposition(|b| *b == b'Z').unwrap();
                bytes.truncate(cut);
                let name = format!("cut{}.csv", self.next_id);
                self.put(&name, Landed { bytes, mtime, truncated: true, corrected: false, settled: false });
            }
            4 if !truncated.is_empty() => {
                let name = truncated[self.rng.usize(..truncated.len())].clone();
                let bytes = self.csv();
                self.put(&name, Landed { bytes, mtime, truncated: false, corrected: false, settled: true });
            }
            5 if !first.is_empty() => {
                // The bytes of one that may be corrected later: then this one's
                // are to stay.
                let name = first[self.rng.usize(..first.len())].clone();
                let copy = format!("copy{}.{}", self.clock, name.split_once('.').unwrap().1);
                let file = Landed { mtime, ..self.files[&name].clone() };
                self.put(&copy, file);
            }
            _ => {
                let extension = ["csv", "csv", "ndjson", "zip", "csv.gz"][self.rng.usize(..5)];
                let bytes = self.bytes(extension);
                let name = format!("f{}.{extension}", self.next_id);
                self.put(&name, Landed { bytes, mtime, truncated: false, corrected: false, settled: false });
            }
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|e| panic!("{variable}={text}: {e}")))
}

#[test]
fn random_kills_lose_nothing_and_double_nothing() {
    let seed = number("LAKEGATE_SEED").unwrap_or(20_260_301);
    let n_kills = number("LAKEGATE_SOAK_KILLS").unwrap_or(60);
    println!("LAKEGATE_SEED={seed} LAKEGATE_SOAK_KILLS={n_kills}");
    let lake = TestLake::new(LAKE);
    lake.dataset("readings", READINGS);
    // Some hundreds of events, however many kills.
    let per_kill = (300 / n_kills).clamp(1, 10);
    let mut zone = Zone {
        lake: &lake,
        files: BTreeMap::new(),
        rng: Rng::with_seed(seed),
        next_id: 0,
        clock: 1_700_000_000,
    };
    let mut rng = Rng::with_seed(seed ^ 0x5eed);
    let (mut n_killed, mut n_rounds) = (0, 0);
    while n_killed < n_kills {
        n_rounds += 1;
        assert!(n_rounds < 20 * n_kills + 100, "kills are not taking place; seed {seed}");
        if zone.files.len() < 400 {
            (0..per_kill).for_each(|_| zone.event());
        }
        let args: &[&str] = match rng.u8(..12) {
            0 => &["replay", "ops.readings"],
            1 => &["redrive", "--all"],
            2 => &["maintain"],
            _ => &["run"],
        };
        if rng.bool() {
            let point = format!("{}:{}", POINTS[rng.usize(..POINTS.len())], rng.u8(1..4));
            let ran = lake.killed_at(&point, args);
            n_killed += u64::from(ran.was_killed());
            let went_well = ran.was_killed() || matches!(ran.code, Some(DONE | FINDINGS));
            assert!(went_well, "seed {seed}, {point}: {ran}");
        } else {
            let mut child = lake.start(args);
            // The one sleep that is not for a state: the time of the kill is
            // what is random.
            std::thread::sleep(Duration::from_millis(rng.u64(0..400)));
            child.kill().unwrap();
            let status = child.wait().unwrap();
            n_killed += u64::from(status.code().is_none());
            assert!(matches!(status.code(), None | Some(DONE | FINDINGS)), "seed {seed}: {args:?} {status}");
        }
    }
    let ran = lake.lakegate(&["run"]);
    assert!(matches!(ran.code, Some(DONE | FINDINGS)), "seed {seed}: {ran}");
    let proof = lake.lakegate(&["prove"]);
    assert_eq!(proof.code, Some(DONE), "seed {seed}: {proof}");

    let reference = TestLake::new("");
    reference.dataset("readings", READINGS);
    for (name, file) in &zone.files {
        reference.land_at(&Zone::path(name), &file.bytes, file.mtime);
    }
    let ran = reference.lakegate(&["run"]);
    assert!(matches!(ran.code, Some(DONE | FINDINGS)), "seed {seed}: {ran}");
    // A file may have been seen before it was renamed, or only afterwards.
    let volatile = ["_file_path"];
    let (got, want) = (lake.snapshot_without(&volatile), reference.snapshot_without(&volatile));
    assert!(
        want.n_rows("ops.readings.readings") > 100 && want.n_rows("ops.readings.readings__quarantine") > 10
    );
    got.assert_same(&want, &format!("after {n_killed} kills; repeat with LAKEGATE_SEED={seed}"));
}
