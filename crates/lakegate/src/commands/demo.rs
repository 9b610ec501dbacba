//! `demo`: a small lake that fills while you watch.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use lakegate_domain::config;
use lakegate_lake::output::{self, OutputFormat, TableOptions};

use super::run::summarise;
use super::{Result, Shell, Stop, absolute};
use crate::cli::{Demo, Exit};
use crate::engine::{self, Report};
use crate::intake::Round;
use crate::render;
use crate::worker::Worked;

const LAKE: &str = "\
# A lake is one folder: this file, datasets/, and the storage it governs.
lake: demo
storage: ./lake
timezone: UTC
teams: [transit, ocean]
";

const POSITIONS: &str = "\
team: transit
description: Where the buses were
match: 'positions_(?<route>[a-z0-9]+)_.*\\.csv'
read: csv
tables:
  positions:
    partition_by: day(reported_at)
    columns:
      vehicle: { type: string, description: Number painted on the bus }
      reported_at: { type: timestamp, timezone: America/New_York }
      lat: { type: float, unit: degrees_north }
      lon: { type: float, unit: degrees_east }
      speed: { type: float, unit: km/h }
    expect:
      - { column: vehicle, is: present, on_fail: quarantine }
      - { column: lat, in_range: [40, 41], on_fail: quarantine }
      - { unique: [vehicle, reported_at], on_fail: drop }
      - { column: speed, in_range: [0, 90], on_fail: flag }
";

const ALERTS: &str = "\
team: transit
description: Service alerts; columns and types are found in the files
match: 'alerts_.*\\.ndjson'
read: ndjson
";

const BUOY: &str = "\
team: ocean
description: One zip a day, two kinds of file in it, one table each
match: 'buoy_(?<site>z\\d+)_\\d+\\.zip'
sites:
  z05: { location: humboldt, latitude: 40.97 }
  z06: { location: morro, latitude: 35.71 }
read:
  zip:
    members:
      met: { member: '.*\\.met\\.csv', csv: {} }
      waves: { member: '.*\\.waves\\.csv', csv: { nulls: ['-999'] } }
tables:
  met:
    columns:
      time: { type: timestamp }
      pressure: { type: float, unit: hPa, valid_range: [850, 1100] }
    expect:
      - { column: time, is: [present, increasing], on_fail: reject }
      - { columns: all, is: in_valid_range, on_fail: flag }
  waves: {}
";

struct Silent;

impl engine::Observer for Silent {
    fn progress(&self, _: &Round, _: &Worked) {}
}

pub fn demo(shell: &Shell, args: &Demo) -> Result<Exit> {
    let dir = new_folder(args.dir.as_deref())?;
    for (path, text) in [
        ("lake.yaml", LAKE),
        ("datasets/transit/positions.yaml", POSITIONS),
        ("datasets/transit/alerts.yaml", ALERTS),
        ("datasets/ocean/buoy.yaml", BUOY),
    ] {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap_or(&dir))?;
        fs::write(path, text)?;
    }
    shell.say(format!("a lake in {}", dir.display()))?;
    shell.say("  3 datasets: transit.positions (CSV), transit.alerts (NDJSON), ocean.buoy (zipped CSV)\n")?;
    let dir = absolute(&dir)?;
    let lake = config::load(&dir).map_err(|d| Stop::Configuration(Box::new(d)))?;
    let (_lock, ctx) = shell.work_on(lake)?;
    let mut total = Report::default();
    for (what, path, bytes) in drops()? {
        if ctx.stopping() {
            break;
        }
        land(&dir.join("landing").join(&path), &bytes)?;
        let report = engine::run(&ctx, None, &Silent)?;
        shell.say(format!("  landed {:44} {}", format!("{path} ({what})"), outcome(&report)))?;
        total.elapsed += report.elapsed;
        total.round.add(report.round);
        total.worked.add(report.worked);
        total.failures.extend(report.failures);
        total.interrupted |= report.interrupted;
    }
    shell.say("")?;
    let exit = summarise(shell, &ctx, &total)?;
    if total.interrupted {
        return Ok(exit);
    }
    let session = super::sql::session_of(&ctx)?;
    for sql in [
        "select route, count(*) as rows, round(avg(speed), 1) as km_h, max(reported_at) as newest from \
         transit.positions.positions group by route order by route",
        "select location, count(*) as rows, round(avg(pressure), 1) as hpa from ocean.buoy.met group by location \
         order by location",
        "select _expectation, count(*) as rows, min(_reason) as example from transit.positions.positions__quarantine \
         group by _expectation",
        "select state, count(*) as files, sum(size_bytes) as bytes from system.files group by state order by state",
    ] {
        if shell.global.quiet || shell.global.json {
            break;
        }
        shell.say(format!("\nlakegate sql \"{sql}\""))?;
        let mut out = std::io::stdout();
        let options = TableOptions { max_rows: 20, width: shell.width, color: shell.color };
        shell.runtime.block_on(async {
            let (_, stream) = session.query(sql).await?;
            output::write(stream, OutputFormat::Table, &mut out, options).await
        })?;
        out.flush()?;
    }
    let at = dir.display();
    let lakegate = super::start::program();
    shell.say(format!(
        "\nThe lake is in {at}. Try next:\n  {lakegate} --lake {at} sql                 a prompt over its tables\n  \
         {lakegate} --lake {at} parked              the file that waits for a person, and why\n  \
         {lakegate} --lake {at} trace f1            from a file to its rows, commits and bytes\n  \
         {lakegate} --lake {at} prove               every row of every file accounted for\n  \
         {lakegate} --lake {at} up                  keep loading what lands in {at}/landing"
    ))?;
    Ok(if exit == Exit::Findings { Exit::Done } else { exit })
}

/// The folder that was named, if there is nothing in it, or a temporary one.
pub fn new_folder(named: Option<&Path>) -> Result<PathBuf> {
    let dir = match named {
        Some(dir) => absolute(dir)?,
        None => free_folder()?,
    };
    if fs::read_dir(&dir).is_ok_and(|mut d| d.next().is_some()) {
        return Err(Stop::Usage(format!(
            "`{}` is not empty; name a new folder: lakegate demo DIR",
            dir.display()
        )));
    }
    Ok(dir)
}

fn free_folder() -> Result<PathBuf> {
    let base = std::env::temp_dir();
    for n in 1..10_000 {
        let dir = base.join(format!("lakegate-demo-{n}"));
        match fs::create_dir(&dir) {
            Ok(()) => return Ok(dir),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => {
                return Err(Stop::Usage(format!(
                    "`{}`: {e}; name a folder: lakegate demo DIR",
                    dir.display()
                )));
            }
        }
    }
    Err(Stop::Usage(format!("`{}` is full of demos; name a folder: lakegate demo DIR", base.display())))
}

/// As a careful sender does: write aside, then rename.
fn land(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    let aside = path.with_extension("part");
    fs::write(&aside, bytes)?;
    fs::rename(aside, path)?;
    Ok(())
}

fn outcome(report: &Report) -> String {
    let w = &report.worked;
    match w.parked.first() {
        Some(p) => format!("parked: {}", p.failure),
        None if report.round.n_duplicates > 0 => "a duplicate: these bytes are known".into(),
        None => {
            let mut text = format!("committed, {}", render::counted(w.n_rows, "row"));
            if w.n_quarantined > 0 {
                text.push_str(&format!(", {} quarantined", w.n_quarantined));
            }
            if w.n_dropped > 0 {
                text.push_str(&format!(", {} dropped as seen before", w.n_dropped));
            }
            text
        }
    }
}

type Drop = (&'static str, String, Vec<u8>);

/// Files as they come in life: good, bad, and twice.
fn drops() -> Result<Vec<Drop>> {
    let mut rng = fastrand::Rng::with_seed(7);
    let first = positions(&mut rng, 8, 600);
    let mut broken = positions(&mut rng, 10, 40);
    // The sender crashed in the middle of a quoted field.
    broken.extend_from_slice(b"B1009,\"2026-03-02 10:4");
    Ok(vec![
        ("CSV", "transit/positions/positions_m15_0800.csv".into(), first.clone()),
        ("CSV", "transit/positions/positions_bx12_0900.csv".into(), positions(&mut rng, 9, 900)),
        ("NDJSON", "transit/alerts/alerts_20260302.ndjson".into(), alerts(&mut rng)),
        ("zipped CSV", "ocean/buoy/buoy_z05_20260302.zip".into(), buoy(&mut rng)?),
        ("the same again", "transit/positions/positions_m15_0800_copy.csv".into(), first),
        ("cut short", "transit/positions/positions_m15_1000.csv".into(), broken),
        ("zipped CSV", "ocean/buoy/buoy_z06_20260302.zip".into(), buoy(&mut rng)?),
    ])
}

fn positions(rng: &mut fastrand::Rng, hour: u32, n: u32) -> Vec<u8> {
    let mut text = String::from("vehicle,reported_at,lat,lon,speed\n");
    for i in 0..n {
        let vehicle = 1000 + rng.u32(0..40);
        // A receiver without a fix says 0, 0.
        let (lat, lon) = match rng.u32(0..150) {
            0 => (0.0, 0.0),
            _ => (40.7 + rng.f64() * 0.1, -74.0 + rng.f64() * 0.1),
        };
        let speed = if rng.u32(0..200) == 0 { 140.0 } else { rng.f64() * 50.0 };
        let (minute, second) = (i * 60 / n, rng.u32(0..12) * 5);
        text.push_str(&format!(
            "B{vehicle},2026-03-02 {hour:02}:{minute:02}:{second:02},{lat:.5},{lon:.5},{speed:.1}\n"
        ));
    }
    text.into_bytes()
}

fn alerts(rng: &mut fastrand::Rng) -> Vec<u8> {
    let effects = ["DETOUR", "REDUCED_SERVICE", "STOP_MOVED"];
    let mut text = String::new();
    for i in 0..25 {
        let routes = &["m15", "bx12"][..=rng.usize(0..2)];
        let line = serde_json::json!({
            "id": format!("A{i:03}"), "effect": effects[rng.usize(0..3)],
            "begins": format!("2026-03-02T{:02}:00:00Z", rng.u32(5..22)),
            "routes": routes, "severity": rng.u32(1..6),
        });
        text.push_str(&line.to_string());
        text.push('\n');
    }
    text.into_bytes()
}

fn buoy(rng: &mut fastrand::Rng) -> Result<Vec<u8>> {
    let mut met = String::from("time,pressure,air_temperature\n");
    let mut waves = String::from("time,height,period\n");
    for i in 0..144 {
        let time = format!("2026-03-02 {:02}:{:02}:00", i / 6, i % 6 * 10);
        let pressure = if rng.u32(0..100) == 0 { 8000.0 } else { 1012.0 + rng.f64() * 8.0 };
        met.push_str(&format!("{time},{pressure:.1},{:.2}\n", 11.0 + rng.f64() * 3.0));
        let height = if rng.u32(0..40) == 0 { "-999".to_string() } else { format!("{:.2}", rng.f64() * 4.0) };
        waves.push_str(&format!("{time},{height},{:.1}\n", 6.0 + rng.f64() * 9.0));
    }
    let mut out = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    let wrong = |e: zip::result::ZipError| std::io::Error::other(e);
    for (name, text) in
        [("day.met.csv", &met), ("day.waves.csv", &waves), ("__MACOSX/._day.met.csv", &String::new())]
    {
        out.start_file(name, options).map_err(wrong)?;
        out.write_all(text.as_bytes())?;
    }
    Ok(out.finish().map_err(wrong)?.into_inner())
}
