//! `read:`: how bytes become records.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::config::decode::{
    Decode, Many, Named, OneOrMany, Reporter, Slot, did_you_mean, keyed, text, walk, words,
};
use crate::config::scalars::{Expression, Size, Spelled};
use crate::config::yaml::{Content, Literal, Node};
use crate::exchange::Rule;
use crate::model::{Encoding, Mask, Names, Ragged, Times};

/// A format's word, or a map with one format key.
#[derive(Clone, Debug)]
pub struct ReadDecl(pub ReadKeys);

/// Any format, told by name and bytes.
const AUTO: &str = "auto";

impl ReadDecl {
    /// What may stand alone: every format, and the archives.
    fn words() -> Vec<&'static str> {
        std::iter::once(AUTO).chain(ReadKeys::keys().into_iter().filter(|key| *key != "caps")).collect()
    }
}

impl Decode for ReadDecl {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        let scalar = match &node.content {
            Content::Scalar(scalar) => scalar,
            Content::Map(_) => return ReadKeys::decode(node, report).map(ReadDecl),
            Content::List(_) => {
                report.expected(node, "a format", format!("known here: {}", Self::words().join(", ")));
                return None;
            }
        };
        let mut keys = ReadKeys::default();
        if scalar.text == AUTO {
            return Some(ReadDecl(keys));
        }
        // A word is its key without settings.
        let nothing = Node { span: node.span, content: Content::Map(Vec::new()) };
        if Self::words().contains(&scalar.text.as_str()) && keys.take(&scalar.text, &nothing, report) {
            return Some(ReadDecl(keys));
        }
        let help = did_you_mean(&scalar.text, &Self::words());
        report.expected(node, "a format", help);
        None
    }
}

impl JsonSchema for ReadDecl {
    fn schema_name() -> Cow<'static, str> {
        "Read".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let keys = generator.subschema_for::<ReadKeys>();
        json_schema!({
            "anyOf": [
                { "enum": Self::words() },
                keys,
            ],
        })
    }
}

keyed! {
    /// One format key, or one archive key with a format inside. Compressed files (`.gz`, `.zst`)
    /// need no key: they are recognised by their bytes.
    pub struct ReadKeys {
        /// Members of a zip archive.
        zip = "zip": ArchiveKeys;
        /// Members of a tar archive.
        tar = "tar": ArchiveKeys;
        /// Members of any archive.
        archive = "archive": ArchiveKeys;
        /// What a file may grow to when it is unpacked.
        caps = "caps": CapsKeys;
    }
    .. format: FormatKeys
}

keyed! {
    /// Which members are read and how.
    pub struct ArchiveKeys {
        /// A regular expression for the whole path of a member; all but junk where not given.
        member = "member": Expression;
        /// Several streams of records by name, each with its members and its format.
        members = "members": Named<StreamKeys>;
    }
    .. format: FormatKeys
}

keyed! {
    /// One stream of records of an archive.
    pub struct StreamKeys {
        /// A regular expression for the whole path of a member.
        member = "member": Expression, required;
    }
    .. format: FormatKeys
}

keyed! {
    /// One of the formats; recognised by name and bytes where none is given.
    pub struct FormatKeys {
        /// Delimited text.
        csv = "csv": CsvKeys;
        /// One JSON document.
        json = "json": JsonKeys;
        /// JSON values, one on each line.
        ndjson = "ndjson": NoKeys;
        /// Parquet.
        parquet = "parquet": NoKeys;
        /// Arrow IPC, file or stream.
        arrow = "arrow": NoKeys;
        /// netCDF, classic or netCDF-4.
        netcdf = "netcdf": NetcdfKeys;
        /// One XML document.
        xml = "xml": XmlKeys;
        /// GTFS-Realtime, as protobuf or JSON. Its streams are `vehicle`, `trip_update`,
        /// `stop_time_update`, `alert`, `informed_entity`, `active_period`, `shape`, `stop`,
        /// `trip_modifications` and, for entities that carry nothing, `entity`.
        gtfs_rt = "gtfs_rt": NamesKeys;
        /// SIRI VehicleMonitoring, 1.3 or 2.0, as XML or JSON.
        siri_vm = "siri_vm": NamesKeys;
        /// Clever Devices BusTime, XML.
        clever_devices = "clever_devices": NamesKeys;
        /// NextBus or Umo vehicle locations, XML.
        nextbus = "nextbus": NoKeys;
        /// WHP-Exchange: bottle or CTD data of hydrography. The header of a CTD cast becomes
        /// columns.
        whp_exchange = "whp_exchange": ExchangeKeys;
    }
}

keyed! {
    /// How WHP-Exchange files are read.
    pub struct ExchangeKeys {
        /// Encoding of its text; UTF-8 where not given.
        encoding = "encoding": Encoding;
        /// Rules of the format that a file may break without being parked.
        accept = "accept": OneOrMany<Rule>;
    }
}

words! { Rule, "ExchangeRule", "a rule of WHP-Exchange that a file can break and still be read":
    /// It begins with a byte order mark.
    "byte_order_mark" => Rule::ByteOrderMark;
    /// Lines end in something else than `\n`.
    "line_endings" => Rule::LineEndings;
    /// `END_DATA` is missing.
    "end_data" => Rule::EndData;
    /// A parameter and its unit are not among the known ones. Accepted anyway.
    "parameters" => Rule::Parameters;
    /// A column of flags has no parameter.
    "flag_parameter" => Rule::FlagParameter;
    /// A column of errors has no parameter.
    "error_parameter" => Rule::ErrorParameter;
    /// A column of flags belongs to a column that has none.
    "flag_allowed" => Rule::FlagAllowed;
    /// A column of flags has a unit.
    "flag_unit" => Rule::FlagUnit;
    /// A flag does not go with its value.
    "flag_value" => Rule::FlagValue;
    /// A part of a row's key is missing.
    "key_present" => Rule::KeyPresent;
    /// Two rows have one key.
    "key_unique" => Rule::KeyUnique;
    /// Position, date or pressure is missing.
    "coordinates_present" => Rule::CoordinatesPresent;
    /// The position changes within a cast.
    "coordinates_constant" => Rule::CoordinatesConstant;
}

keyed! {
    /// One XML document.
    pub struct XmlKeys {
        /// Path to the elements that are records, from the root, `a.b.c`; names without prefixes.
        records = "records": String, required;
        /// Elements below a record, `a.b`, that are lists even where they stand once.
        lists = "lists": OneOrMany<String>;
    }
}

keyed! {
    /// A transit feed.
    pub struct NamesKeys {
        /// How its columns are called; `specification` where not given.
        names = "names": Names;
    }
}

words! { Names, "Names", "how columns are called":
    /// As the specification calls them, without the messages around them: `route_id`.
    "specification" => Names::Specification;
    /// As BusObservatory calls them: `vehicle.trip.route_id`.
    "bus_observatory" | "dotted" => Names::BusObservatory;
}

keyed! {
    /// Delimited text.
    pub struct CsvKeys {
        /// One character or `tab`; the likeliest of `,` `;` tab `|` where not given.
        delimiter = "delimiter": Delimiter;
        /// One character or `none`; `"` where not given.
        quote = "quote": Quote;
        /// Whether the first line names the columns, or their names; `true` where not given.
        header = "header": HeaderLine;
        /// Lines thrown away before anything is looked at; 0 where not given.
        skip_lines = "skip_lines": u64;
        /// Lines that begin with this are thrown away.
        comment = "comment": String;
        /// Whether the row after the header holds units; `false` where not given.
        units_row = "units_row": bool;
        /// A line equal to this ends the data.
        end = "end": String;
        /// Spellings of a missing value, beside the empty field.
        nulls = "nulls": OneOrMany<Spelled>;
        /// The text's encoding; by its mark, else UTF-8, where not given.
        encoding = "encoding": Encoding;
        /// What follows a row with another number of fields than the header; `reject` where not given.
        ragged = "ragged": Ragged;
        /// Whether spaces around fields are removed; `false` where not given.
        trim = "trim": bool;
    }
}

keyed! {
    /// One JSON document.
    pub struct JsonKeys {
        /// Path to the records, `a.b.c`; where not given the document is a list of records; `.`
        /// makes the document one record.
        records = "records": String;
    }
}

keyed! {
    /// netCDF, classic or netCDF-4.
    pub struct NetcdfKeys {
        /// The dimension whose steps are rows; the record dimension, else the likeliest one, where
        /// not given. Several make a stream of records each, named by the dimension.
        dimension = "dimension": OneOrMany<Spelled>;
        /// Path of the group that is read, with the groups in it; all of the file where not given.
        group = "group": String;
        /// Attributes of the group that become columns, the same in every row.
        attributes = "attributes": OneOrMany<Spelled>;
        /// Which stored values are missing values; `fill` where not given.
        mask = "mask": Mask;
        /// What becomes of numbers that count time since a reference; `utc` where not given.
        times = "times": Times;
    }
}

/// A format that has no settings.
#[derive(Clone, Copy, Debug)]
pub struct NoKeys;

impl Decode for NoKeys {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        walk(node, &[], &[], report, |_, _, _| false).map(|()| NoKeys)
    }
}

impl JsonSchema for NoKeys {
    fn schema_name() -> Cow<'static, str> {
        "NoKeys".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["object", "null"], "additionalProperties": false })
    }
}

keyed! {
    /// What a file may grow to when it is unpacked; beyond this it is parked.
    pub struct CapsKeys {
        /// All members together; `64GiB` where not given.
        expanded = "expanded": Size;
        /// Unpacked over packed size, looked at past the first 16 MiB; 1000 where not given.
        ratio = "ratio": u64;
        /// Members of an archive; 100000 where not given.
        entries = "entries": u64;
        /// Archives within archives; 4 where not given.
        depth = "depth": u64;
        /// One record: a CSV row, a JSON value; `16MiB` where not given.
        record = "record": Size;
    }
}

/// One ASCII character, or `tab`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delimiter(pub u8);

/// The one ASCII character of a text.
fn one_character(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | 0) => Some(*byte),
        _ => None,
    }
}

impl Decode for Delimiter {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        const WHAT: &str = "one character or `tab`";
        let text = text(node, WHAT, "put it into quotes: ';'", report)?;
        let byte = if text == "tab" { Some(b'\t') } else { one_character(text) };
        if byte.is_none() {
            report.expected(node, WHAT, "put it into quotes, such as '|' or ';'");
        }
        byte.map(Delimiter)
    }
}

impl JsonSchema for Delimiter {
    fn schema_name() -> Cow<'static, str> {
        "Delimiter".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "anyOf": [{ "const": "tab" }, { "minLength": 1, "maxLength": 1 }] })
    }
}

/// One ASCII character, or `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote(pub Option<u8>);

impl Decode for Quote {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        const WHAT: &str = "one character or `none`";
        let text = text(node, WHAT, "put it into quotes: '\"'", report)?;
        let quote = if text == "none" { Some(None) } else { one_character(text).map(Some) };
        if quote.is_none() {
            report.expected(node, WHAT, "put it into quotes, such as '\"'");
        }
        quote.map(Quote)
    }
}

impl JsonSchema for Quote {
    fn schema_name() -> Cow<'static, str> {
        "Quote".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "anyOf": [{ "const": "none" }, { "minLength": 1, "maxLength": 1 }] })
    }
}

/// `true`, `false`, or the columns' names.
#[derive(Clone, Debug)]
pub enum HeaderLine {
    Row,
    None,
    Names(Many<Spelled>),
}

impl Decode for HeaderLine {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        match &node.content {
            Content::List(_) => Many::decode(node, report).map(HeaderLine::Names),
            Content::Scalar(s) if s.literal() == Literal::Bool(true) => Some(HeaderLine::Row),
            Content::Scalar(s) if s.literal() == Literal::Bool(false) => Some(HeaderLine::None),
            _ => {
                report.expected(node, "`true`, `false` or a list of names", "write `header: [ a, b, c ]`");
                None
            }
        }
    }
}

impl JsonSchema for HeaderLine {
    fn schema_name() -> Cow<'static, str> {
        "Header".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let name = generator.subschema_for::<Spelled>();
        json_schema!({ "anyOf": [{ "type": "boolean" }, { "type": "array", "items": name }] })
    }
}

words! { Encoding, "Encoding", "an encoding":
    /// UTF-8.
    "utf-8" | "utf8" | "UTF-8" | "UTF8" | "ascii" | "us-ascii" => Encoding::Utf8;
    /// UTF-16, low byte first.
    "utf-16le" | "utf16le" | "UTF-16LE" => Encoding::Utf16Le;
    /// UTF-16, high byte first.
    "utf-16be" | "utf16be" | "UTF-16BE" => Encoding::Utf16Be;
    /// ISO 8859-1, read as Windows-1252.
    "latin-1" | "latin1" | "iso-8859-1" | "ISO-8859-1" | "windows-1252" | "cp1252" => Encoding::Latin1;
}

words! { Mask, "Mask", "which values are missing values":
    /// What `_FillValue` and `missing_value` name, what was never written, and NaN.
    "fill" => Mask::Fill;
    /// That, and what lies outside `valid_range`, `valid_min` or `valid_max`.
    "valid_range" => Mask::ValidRange;
    /// None: every value is kept as it is stored.
    "none" => Mask::None;
}

words! { Times, "Times", "what becomes of times":
    /// Instants in UTC; text where the calendar has no place in it.
    "utc" => Times::Utc;
    /// They stay numbers, with their unit.
    "numbers" => Times::Numbers;
}

words! { Ragged, "Ragged", "what follows a ragged row":
    /// The file is parked.
    "reject" => Ragged::Reject;
    /// Missing fields are null, surplus ones go to `_rescued`.
    "fill" => Ragged::Fill;
}

impl ReadKeys {
    /// The archive key that is written, if any.
    pub fn archives(&self) -> impl Iterator<Item = &Slot<ArchiveKeys>> {
        [&self.zip, &self.tar, &self.archive].into_iter().filter(|slot| !slot.is_absent())
    }
}
