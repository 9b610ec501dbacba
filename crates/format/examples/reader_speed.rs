//! How fast text is split and parsed, in memory and on one core.
//!
//! `cargo run --release -p lakegate-format --example reader_speed [MiB]`

use std::fmt::Write;
use std::path::Path;
use std::time::Instant;

use bytes::Bytes;
use lakegate_domain::model::{Caps, Read};
use lakegate_format::open::{Payload, Source, open};

fn main() -> lakegate_format::Result<()> {
    let mib: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(200);
    for (what, name, text) in [
        ("CSV, plain", "t.csv", csv(mib << 20, false)),
        ("CSV, quoted", "t.csv", csv(mib << 20, true)),
        ("NDJSON", "t.ndjson", json(mib << 20, "", "\n", "")),
        ("JSON array", "t.json", json(mib << 20, "[", ",", "]")),
    ] {
        measure(what, name, Bytes::from(text))?;
    }
    Ok(())
}

fn measure(what: &str, name: &str, text: Bytes) -> lakegate_format::Result<()> {
    let read = Read { format: None, member: None, streams: Vec::new(), caps: Caps::default() };
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
