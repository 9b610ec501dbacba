//! `read:` to the reader's settings.

use super::bounded;
use crate::config::decode::{Keyed, Named, OneOrMany, Reporter, Slot};
use crate::config::diagnostic::Span;
use crate::config::raw::{
    ArchiveKeys, CapsKeys, CsvKeys, FormatKeys, HeaderLine, JsonKeys, NamesKeys, NetcdfKeys, ReadDecl,
    StreamKeys, XmlKeys,
};
use crate::config::scalars::{self, Spelled};
use crate::ids::QUARANTINE_SUFFIX;
use crate::model::{
    Caps, Column, Csv, Format, GtfsRt, Header, Json, Names, Netcdf, Ragged, Read, StreamRead, WhpExchange,
    Xml,
};
use crate::transit::records::Preset;

pub(super) fn compile(slot: &Slot<ReadDecl>, report: &mut Reporter) -> Read {
    let mut read = Read { format: None, member: None, streams: Vec::new(), caps: Caps::default() };
    let Some(at) = slot.at() else { return read };
    let keys = &at.value.0;
    if let Some(given) = keys.caps.get() {
        read.caps = caps(given, report);
    }
    let archives: Vec<_> = keys.archives().collect();
    let formats = keys.format.written();
    if archives.len() > 1 {
        report.error(
            at.span,
            "`zip`, `tar` and `archive` mean the same: give one",
            "archives are recognised by their bytes; `archive` takes them all",
        );
    }
    if let ([_, ..], [format, ..]) = (archives.as_slice(), formats.as_slice()) {
        report.error(
            at.span,
            format!("`{format}` stands beside an archive"),
            format!("put it inside: `archive: {{ {format}: … }}`"),
        );
    }
    read.format = format(&keys.format, at.span, report);
    if let Some(Slot::Given(archive)) = archives.first() {
        let inner = &archive.value;
        let outer = read.format.take();
        read.format = format(&inner.format, archive.span, report).or(outer);
        read.member = inner.member.get().map(|m| m.0.clone());
        read.streams = streams(inner, archive.span, report);
    }
    read
}

/// What a transform sees: the declared columns, and those of a preset whose
/// records are text.
pub(super) fn input(read: &Read, mut declared: Vec<Column>) -> Vec<Column> {
    let Some(Format::Records(preset, names)) = read.format else { return declared };
    for column in preset.columns(names) {
        if !declared.iter().any(|c| c.is_from(&column.name)) {
            declared.push(column);
        }
    }
    declared
}

fn streams(archive: &ArchiveKeys, span: Span, report: &mut Reporter) -> Vec<StreamRead> {
    let Some(members) = archive.members.at() else { return Vec::new() };
    if !archive.member.is_absent() || !archive.format.written().is_empty() {
        report.error(
            span,
            "`members` stands beside `member` or a format",
            "with `members` each stream has its own `member` and format, inside",
        );
    }
    let Named(entries) = &members.value;
    if entries.is_empty() {
        report.error(members.span, "`members` names no stream", "write `members: { name: { member: '…' } }`");
    }
    let mut streams = Vec::new();
    for (name, slot) in entries {
        scalars::check_name(&name.text, name.span, "the name of a stream", report);
        if name.text.ends_with(QUARANTINE_SUFFIX) {
            let message = format!("names that end in `{QUARANTINE_SUFFIX}` are the lake's own");
            report.error(name.span, message, "choose another name");
        }
        let Slot::Given(at) = slot else { continue };
        let StreamKeys { member, format: formats } = &at.value;
        if let Some(dimension) = formats.netcdf.get().and_then(|n| n.dimension.at())
            && dimension.value.0.items.len() > 1
        {
            report.error(
                dimension.span,
                format!("the stream `{}` has one table, and several dimensions make several", name.text),
                "give one dimension; without `members:` several make a stream each",
            );
        }
        if let Some(feed) = formats.gtfs_rt.at() {
            report.error(
                feed.span,
                "a GTFS-Realtime feed has streams of its own",
                "leave `members` out: `archive: { member: '…', gtfs_rt: {} }`",
            );
        }
        streams.push(StreamRead {
            name: name.text.clone(),
            member: member.get().map(|m| m.0.clone()).unwrap_or_default(),
            format: format(formats, at.span, report),
        });
    }
    streams
}

fn format(keys: &FormatKeys, span: Span, report: &mut Reporter) -> Option<Format> {
    let written = keys.written();
    if written.len() > 1 {
        let listed = written.join("`, `");
        report.error(span, format!("several formats: `{listed}`"), "give one of them");
    }
    if let Some(at) = keys.csv.at() {
        return Some(Format::Csv(csv(&at.value, report)));
    }
    if let Some(given) = keys.json.get() {
        return Some(Format::Json(json(given, report)));
    }
    if let Some(given) = keys.netcdf.get() {
        return Some(Format::Netcdf(netcdf(given, report)));
    }
    if let Some(given) = keys.xml.get() {
        return Some(Format::Xml(xml(given, report)));
    }
    if let Some(given) = keys.gtfs_rt.get() {
        return Some(Format::GtfsRt(GtfsRt { names: names(given), ..GtfsRt::default() }));
    }
    for (given, preset) in
        [(keys.siri_vm.get(), Preset::SiriVm), (keys.clever_devices.get(), Preset::CleverDevices)]
    {
        if let Some(given) = given {
            return Some(Format::Records(preset, names(given)));
        }
    }
    if keys.nextbus.get().is_some() {
        return Some(Format::Records(Preset::NextBus, Names::Specification));
    }
    if let Some(given) = keys.whp_exchange.get() {
        let accept =
            given.accept.get().map_or(Vec::new(), |list| list.0.items.iter().map(|r| r.value).collect());
        return Some(Format::WhpExchange(WhpExchange { encoding: given.encoding.get().copied(), accept }));
    }
    keys.ndjson
        .get()
        .map(|_| Format::Ndjson)
        .or_else(|| keys.parquet.get().map(|_| Format::Parquet))
        .or_else(|| keys.arrow.get().map(|_| Format::Arrow))
}

fn csv(keys: &CsvKeys, report: &mut Reporter) -> Csv {
    let default = Csv::default();
    let quote = keys.quote.get().map_or(default.quote, |q| q.0);
    if let Some(at) = keys.delimiter.at()
        && Some(at.value.0) == quote
    {
        report.error(
            at.span,
            "the delimiter and the quote are the same",
            "choose another `quote`, or `none`",
        );
    }
    for slot in [&keys.comment, &keys.end] {
        if let Some(at) = slot.at()
            && at.value.is_empty()
        {
            report.error(at.span, "an empty text matches every line", "give a text, or remove the key");
        }
    }
    Csv {
        delimiter: keys.delimiter.get().map(|d| d.0),
        quote,
        header: header(&keys.header, report),
        skip_lines: bounded(&keys.skip_lines, 0, u32::MAX.into(), 0, report) as usize,
        comment: keys.comment.get().cloned(),
        units_row: keys.units_row.or(false),
        end: keys.end.get().cloned(),
        nulls: keys.nulls.get().map_or(Vec::new(), |n| n.0.items.iter().map(|s| s.value.0.clone()).collect()),
        encoding: keys.encoding.get().copied(),
        ragged: keys.ragged.get().copied().unwrap_or(Ragged::Reject),
        trim: keys.trim.or(false),
    }
}

fn header(slot: &Slot<HeaderLine>, report: &mut Reporter) -> Header {
    let Some(at) = slot.at() else { return Header::Row };
    let names = match &at.value {
        HeaderLine::Row => return Header::Row,
        HeaderLine::None => return Header::None,
        HeaderLine::Names(names) => names,
    };
    if names.is_empty() {
        report.error(
            at.span,
            "the header names no column",
            "for columns without names write `header: false`",
        );
    }
    for (n, name) in names.items.iter().enumerate() {
        if name.value.0.is_empty() {
            report.error(name.span, "a column without a name", "give it one");
        } else if names.items[..n].iter().any(|other| other.value == name.value) {
            report.error(
                name.span,
                format!("two columns are called `{}`", name.value.0),
                "rename one of them",
            );
        }
    }
    Header::Names(names.items.iter().map(|n| n.value.0.clone()).collect())
}

fn json(keys: &JsonKeys, report: &mut Reporter) -> Json {
    let Some(at) = keys.records.at() else { return Json::default() };
    let path = &at.value;
    if path != "." && !path.is_empty() && path.split('.').any(str::is_empty) {
        report.error(
            at.span,
            format!("`{path}` is no path"),
            "write the keys that lead to the records, `a.b.c`, or `.` for the document itself",
        );
    }
    Json { records: path.clone() }
}

fn netcdf(keys: &NetcdfKeys, report: &mut Reporter) -> Netcdf {
    let mut names = |slot: &Slot<OneOrMany<Spelled>>, what: &str| -> Vec<String> {
        let items = slot.get().map_or(&[][..], |list| &list.0.items);
        for (n, item) in items.iter().enumerate() {
            if item.value.0.is_empty() {
                report.error(item.span, format!("{what} without a name"), "give its name, or remove it");
            } else if items[..n].iter().any(|other| other.value == item.value) {
                report.error(item.span, format!("`{}` is given twice", item.value.0), "remove one of them");
            }
        }
        items.iter().map(|item| item.value.0.clone()).collect()
    };
    Netcdf {
        dimensions: names(&keys.dimension, "a dimension"),
        group: keys.group.get().map_or("", |g| g.trim_matches('/')).to_string(),
        attributes: names(&keys.attributes, "an attribute"),
        mask: keys.mask.get().copied().unwrap_or_default(),
        times: keys.times.get().copied().unwrap_or_default(),
    }
}

fn names(keys: &NamesKeys) -> Names {
    keys.names.get().copied().unwrap_or_default()
}

fn xml(keys: &XmlKeys, report: &mut Reporter) -> Xml {
    let mut steps = |path: &str, span: Span| -> Vec<String> {
        if path.split('.').any(str::is_empty) {
            let help = "write the names of the elements that lead there, `a.b.c`";
            report.error(span, format!("`{path}` is no path"), help);
        }
        path.split('.').map(str::to_string).collect()
    };
    let records = keys.records.at().map_or(Vec::new(), |at| steps(&at.value, at.span));
    let lists = keys.lists.get().map_or(&[][..], |l| &l.0.items);
    Xml { records, lists: lists.iter().map(|at| steps(&at.value, at.span).join(".")).collect() }
}

fn caps(keys: &CapsKeys, report: &mut Reporter) -> Caps {
    let default = Caps::default();
    let most = i64::MAX as u64;
    Caps {
        expanded_bytes: super::some_bytes(&keys.expanded, default.expanded_bytes, report),
        ratio: bounded(&keys.ratio, 1, most, default.ratio, report),
        entries: bounded(&keys.entries, 1, most, default.entries, report),
        depth: bounded(&keys.depth, 1, 64, default.depth.into(), report) as u32,
        record_bytes: super::some_bytes(&keys.record, default.record_bytes, report),
    }
}
