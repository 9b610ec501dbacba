//! The checked-in list of the presets' columns is that of the code.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use lakegate_domain::model::{Attribute, Column, Kind, Names};
use lakegate_domain::transit::gtfs_rt::{self, STREAMS};
use lakegate_domain::transit::records::Preset;

const HEAD: &str = "\
# Columns of transit feeds

What `read: gtfs_rt`, `siri_vm`, `clever_devices` and `nextbus` declare, so that a dataset needs no `columns:`. The second
name is the one under `names: bus_observatory`. How they are made is in [reading.md](reading.md#transit-feeds).
";

fn kind(column: &Column) -> &'static str {
    match column.kind {
        Some(Kind::Bool) => "bool",
        Some(Kind::Int) => "int",
        Some(Kind::Float) => "float",
        Some(Kind::Timestamp) => "timestamp",
        Some(Kind::Json) => "json",
        _ => "string",
    }
}

fn table(out: &mut String, title: &str, columns: &[Column], other: &[Column]) {
    write!(out, "\n## {title}\n\n| column | type | unit | `bus_observatory` |\n|---|---|---|---|\n").unwrap();
    for column in columns {
        let same = other.iter().find(|o| o.attributes == column.attributes).map_or("", |o| &o.name);
        let unit = column.unit.as_deref().unwrap_or_default();
        writeln!(out, "| `{}` | {} | {unit} | `{same}` |", column.name, kind(column)).unwrap();
    }
}

/// Marks a column with what it is made from, so that the two namings pair.
fn marked(mut column: Column, origin: String) -> Column {
    column.attributes.insert("origin".into(), Attribute::Text(origin));
    column
}

#[test]
fn are_as_documented() {
    let mut text = HEAD.to_string();
    for stream in &STREAMS {
        let of = |names| {
            let columns = gtfs_rt::columns(stream, names).into_iter();
            columns.map(|c| marked(c.column, format!("{} {:?}", c.path, c.part))).collect::<Vec<_>>()
        };
        let title = format!("gtfs_rt: {}", stream.name);
        table(&mut text, &title, &of(Names::Specification), &of(Names::BusObservatory));
    }
    for preset in Preset::ALL {
        let of = |names| {
            let columns = preset.fields(names).zip(preset.columns(names));
            columns.map(|(f, c)| marked(c, format!("{:?}", f.origin))).collect::<Vec<_>>()
        };
        table(&mut text, preset.name(), &of(Names::Specification), &of(Names::BusObservatory));
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/transit-columns.md");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(&path, &text).expect("the list can be written");
    }
    let checked_in = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        checked_in == text,
        "docs/transit-columns.md is not what the code says; UPDATE_SCHEMA=1 rewrites it"
    );
}
