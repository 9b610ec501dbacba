//! How fast text is split and parsed, in memory and on one core.
//!
//! `cargo run --release -p lakegate-format --example reader_speed [MiB]`
//!
//! Feeds are measured where `LAKEGATE_TEST_DATA` names a folder of real ones:
//! their records are repeated until there are enough.

use std::fmt::Write;
use std::path::Path;
use std::time::Instant;

use bytes::Bytes;
use lakegate_domain::model::{Caps, Format, GtfsRt, Names, Read, Xml};
use lakegate_domain::transit::records::Preset;
use lakegate_format::open::{Payload, Source, open};

fn main() -> lakegate_format::Result<()> {
    let mib: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(200);
    for (what, name, text) in [
        ("CSV, plain", "t.csv", csv(mib << 20, false)),
        ("CSV, quoted", "t.csv", csv(mib << 20, true)),
        ("NDJSON", "t.ndjson", json(mib << 20, "", "\n", "")),
        ("JSON array", "t.json", json(mib << 20, "[", ",", "]")),
    ] {
        measure(what, name, None, Bytes::from(text))?;
    }
    if let Some(data) = std::env::var_os("LAKEGATE_TEST_DATA") {
        feeds(Path::new(&data), mib << 20)?;
    }
    Ok(())
}

fn feeds(data: &Path, size: usize) -> lakegate_format::Result<()> {
    let read = |name: &str| std::fs::read(data.join(name));
    let gtfs_rt = || Some(Format::GtfsRt(GtfsRt::default()));
    // In protobuf two messages behind each other are one.
    let subway = read("gtfs_rt/nyct_ace/1707397157.ace.pb")?;
    measure("GTFS-RT", "t.pb", gtfs_rt(), subway.repeat(size / subway.len() + 1).into())?;
    let buses =
        String::from_utf8_lossy(&read("gtfs_rt/concentrate_VehiclePositions_enhanced.json")?).into_owned();
    measure("GTFS-RT JSON", "t.json", gtfs_rt(), repeated(&buses, "\"entity\": [", "]\n}", ",", size))?;
    let siri = String::from_utf8_lossy(&read("siri/barbeau_vehicle-monitoring.xml")?).into_owned();
    let siri = repeated(&siri, "</ValidUntil>", "</VehicleMonitoringDelivery>", "", size);
    let preset = Format::Records(Preset::SiriVm, Names::Specification);
    measure("SIRI XML", "t.xml", Some(preset), siri.clone())?;
    let records = Preset::SiriVm.record_path().iter().map(|s| s.to_string()).collect();
    measure("XML", "t.xml", Some(Format::Xml(Xml { records, lists: Vec::new() })), siri)
}

/// The text with what stands between `open` and `close` as often as needed.
fn repeated(text: &str, open: &str, close: &str, between: &str, size: usize) -> Bytes {
    let (before, rest) = text.split_once(open).expect("the file is the one that is known");
    let (records, after) = rest.rsplit_once(close).expect("the file is the one that is known");
    let all = vec![records; size / records.len() + 1].join(between);
    Bytes::from(format!("{before}{open}{all}{close}{after}"))
}

fn measure(what: &str, name: &str, format: Option<Format>, text: Bytes) -> lakegate_format::Result<()> {
    let read = Read { format, member: None, streams: Vec::new(), caps: Caps::default() };
    let megabytes = text.len() as f64 / 1e6;
    let begun = Instant::now();
    let mut splitting = std::time::Duration::ZERO;
    let mut reader = open(Source::Bytes(text), name, &read, Path::new("."))?;
    let mut n_rows = 0;
    loop {
        let before = Instant::now();
        let chunk = reader.next().transpose()?;
        splitting += before.elapsed();
        match chunk.map(|c| c.payload) {
            Some(Payload::Text(text)) => n_rows += text.parse()?.n_rows,
            Some(Payload::Typed(batch)) => n_rows += batch.num_rows(),
            None => break,
        }
    }
    let total = begun.elapsed();
    println!(
        "{what:12} {megabytes:6.0} MB {n_rows:9} rows  {:6.0} MB/s  (splitting {:6.0} MB/s, parsing {:6.0} MB/s)",
        megabytes / total.as_secs_f64(),
        megabytes / splitting.as_secs_f64(),
        megabytes / (total - splitting).as_secs_f64(),
    );
    Ok(())
}

/// Numbers whose digits look random and are the same each time.
fn digits(n: u64) -> u64 {
    n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40
}

fn csv(size: usize, quoted: bool) -> String {
    let mut text = String::with_capacity(size + 200);
    text.push_str("id,time,site,latitude,longitude,temperature,status,note\n");
    let mut n = 0;
    while text.len() < size {
        let d = digits(n);
        let line = if quoted {
            writeln!(
                text,
                "\"{n}\",\"2026-01-{:02} 10:00:00\",\"z{:02}\",\"{}.5\",\"-{}.25\",\"{}\",\"ok\",\"some, note\"",
                n % 28 + 1,
                d % 100,
                d % 90,
                d % 180,
                d
            )
        } else {
            writeln!(
                text,
                "{n},2026-01-{:02} 10:00:00,z{:02},{}.5,-{}.25,{},ok,some note",
                n % 28 + 1,
                d % 100,
                d % 90,
                d % 180,
                d
            )
        };
        line.expect("writing to a String does not fail");
        n += 1;
    }
    text
}

fn json(size: usize, open: &str, between: &str, close: &str) -> String {
    let mut text = String::with_capacity(size + 200);
    text.push_str(open);
    let mut n = 0;
    while text.len() < size {
        if n > 0 {
            text.push_str(between);
        }
        let d = digits(n);
        write!(
            text,
            "{{\"id\":{n},\"time\":\"2026-01-{:02}T10:00:00Z\",\"site\":\"z{:02}\",\"position\":{{\"lat\":{}.5,\"lon\":-{}.25}},\"value\":{d},\"ok\":true,\"note\":\"some note\"}}",
            n % 28 + 1,
            d % 100,
            d % 90,
            d % 180,
        )
        .expect("writing to a String does not fail");
        n += 1;
    }
    text.push_str(close);
    text
}
