//! GTFS-Realtime: its messages, the record streams that a feed becomes, and
//! their columns.
//!
//! A feed message is a header and entities. Each entity yields a row in the
//! stream of what it carries, and rows in the streams of its repeated parts.
//! Messages inside messages become columns; what is repeated and has no stream
//! of its own becomes JSON.

mod spec;

pub use spec::{FEED_ENTITY, FEED_HEADER, Message, TRANSLATED_STRING, TRANSLATION, Words};

use crate::model::{Column, Kind, Names};

/// One field of a message.
#[derive(Debug)]
pub struct Field {
    pub number: u32,
    pub name: &'static str,
    pub of: Type,
    pub repeated: bool,
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    Bool,
    /// Any of the integer types; all of them are encoded alike.
    Int,
    Float,
    Double,
    Text,
    /// Seconds since 1970-01-01T00:00:00Z.
    Posix,
    Enum(&'static Words),
    Of(&'static Message),
    /// `TranslatedString`: a text and its translations.
    Translated,
    /// A message that is kept whole, as JSON.
    Json(&'static Message),
}

/// Rows of one kind that a feed yields.
#[derive(Debug)]
pub struct RecordStream {
    pub name: &'static str,
    /// Where its message stands in an entity, in dots; empty for `entity`.
    pub path: &'static str,
    /// Fields of the message around it that its rows have as well.
    pub inherits: &'static [&'static str],
}

/// Holds entities that carry nothing known: deleted ones, and those of kinds
/// that the specification does not have.
pub const BARE_ENTITY: &str = "entity";

/// All streams; what is repeated inside another stream's message comes after it.
pub static STREAMS: [RecordStream; 10] = [
    stream("vehicle", "vehicle", &[]),
    stream("trip_update", "trip_update", &[]),
    stream(
        "stop_time_update",
        "trip_update.stop_time_update",
        &[
            "trip_update.trip.trip_id",
            "trip_update.trip.route_id",
            "trip_update.trip.direction_id",
            "trip_update.trip.start_time",
            "trip_update.trip.start_date",
            "trip_update.trip.schedule_relationship",
            "trip_update.vehicle.id",
            "trip_update.vehicle.label",
            "trip_update.timestamp",
        ],
    ),
    stream("alert", "alert", &[]),
    stream("informed_entity", "alert.informed_entity", &[]),
    stream("active_period", "alert.active_period", &[]),
    stream("shape", "shape", &[]),
    stream("stop", "stop", &[]),
    stream("trip_modifications", "trip_modifications", &[]),
    stream(BARE_ENTITY, "", &[]),
];

const fn stream(name: &'static str, path: &'static str, inherits: &'static [&'static str]) -> RecordStream {
    RecordStream { name, path, inherits }
}

/// The names of all streams.
pub fn stream_names() -> impl Iterator<Item = &'static str> {
    STREAMS.iter().map(|s| s.name)
}

/// What part of a field a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    Value,
    /// An enumeration's word; the number as text where the specification has
    /// no word for it.
    Word,
    /// An enumeration's number.
    Number,
    /// The text of a translated string in English, or without a language, or
    /// the first there is.
    Text,
    /// JSON: all that is repeated, or all translations.
    Json,
    /// JSON: the fields of the row's messages that the specification does not
    /// have, by path and number.
    Extensions,
}

/// A column of a stream and what it is made from.
#[derive(Clone, Debug)]
pub struct StreamColumn {
    pub column: Column,
    /// Path of the field: from the entity, or `header.…`.
    pub path: String,
    pub part: Part,
}

/// The columns of a stream: its entity's, the inherited ones, its own, the
/// feed header's.
pub fn columns(stream: &RecordStream, names: Names) -> Vec<StreamColumn> {
    let mut found = Found { stream, names, columns: Vec::new() };
    found.field("", field_of(&FEED_ENTITY, "id"));
    found.field("", field_of(&FEED_ENTITY, "is_deleted"));
    for path in stream.inherits {
        let (around, field) = lookup(path);
        found.field(around, field);
    }
    if let Some(message) = message_at(stream.path) {
        found.message(stream.path, message);
    }
    found.add("", Part::Extensions, Kind::Json);
    found.message("header", &FEED_HEADER);
    found.add("header", Part::Extensions, Kind::Json);
    found.columns
}

/// The message of a stream; `None` for entities that carry none.
pub fn message_at(path: &str) -> Option<&'static Message> {
    let (_, field) = (!path.is_empty()).then(|| lookup(path))?;
    match field.of {
        Type::Of(message) => Some(message),
        _ => None,
    }
}

/// The field at a path from the entity, and the path around it. Paths are those
/// of [`STREAMS`], which a test looks up.
fn lookup(path: &str) -> (&str, &'static Field) {
    let (around, name) = path.rsplit_once('.').unwrap_or(("", path));
    let message = message_at(around).unwrap_or(&FEED_ENTITY);
    (around, field_of(message, name))
}

fn field_of(message: &'static Message, name: &str) -> &'static Field {
    message.0.iter().find(|f| f.name == name).expect("the streams name fields of the specification")
}

/// `around.name`, or `name` alone.
pub fn joined(around: &str, name: &str) -> String {
    if around.is_empty() { name.to_string() } else { format!("{around}.{name}") }
}

struct Found<'a> {
    stream: &'a RecordStream,
    names: Names,
    columns: Vec<StreamColumn>,
}

impl Found<'_> {
    fn message(&mut self, path: &str, message: &Message) {
        for field in message.0 {
            self.field(path, field);
        }
    }

    fn field(&mut self, around: &str, field: &Field) {
        let path = joined(around, field.name);
        if field.repeated {
            // What is a stream of its own is not told twice.
            if !STREAMS.iter().any(|s| s.path == path) {
                self.add(&path, Part::Json, Kind::Json);
            }
            return;
        }
        match field.of {
            Type::Bool => self.add(&path, Part::Value, Kind::Bool),
            Type::Int => self.add(&path, Part::Value, Kind::Int),
            Type::Float | Type::Double => self.add(&path, Part::Value, Kind::Float),
            Type::Text => self.add(&path, Part::Value, Kind::String),
            Type::Posix => self.add(&path, Part::Value, Kind::Timestamp),
            Type::Enum(_) => {
                self.add(&path, Part::Word, Kind::String);
                self.add(&path, Part::Number, Kind::Int);
            }
            Type::Of(message) => self.message(&path, message),
            Type::Translated => {
                self.add(&path, Part::Text, Kind::String);
                self.add(&path, Part::Json, Kind::Json);
            }
            Type::Json(_) => self.add(&path, Part::Json, Kind::Json),
        }
    }

    fn add(&mut self, path: &str, part: Part, kind: Kind) {
        let name = match self.names {
            Names::Specification => bare_name(self.stream.name, path, part),
            Names::BusObservatory => dotted_name(path, part),
        };
        let mut column = Column::named(name);
        column.kind = Some(kind);
        column.unit = unit(path, part).map(str::to_string);
        self.columns.push(StreamColumn { column, path: path.to_string(), part });
    }
}

/// The field's own name, and the message's before it where two of a stream
/// would be called the same.
fn bare_name(stream: &str, path: &str, part: Part) -> String {
    if part == Part::Extensions {
        return if path.is_empty() { "extensions" } else { "feed_extensions" }.into();
    }
    let mut steps = path.rsplit('.');
    let leaf = steps.next().unwrap_or_default();
    let message = steps.next().unwrap_or_default();
    let prefix = match (message, leaf) {
        ("", "id") => "entity_",
        ("header", "timestamp") => "feed_",
        ("vehicle", "id" | "label") => "vehicle_",
        ("modified_trip", "start_time" | "start_date") => "modified_trip_",
        ("trip_properties", "trip_id" | "start_time" | "start_date") => "trip_properties_",
        ("arrival", _) => "arrival_",
        ("departure", _) => "departure_",
        ("active_period", _) => "active_period_",
        ("trip", "schedule_relationship") if stream == "stop_time_update" => "trip_",
        ("trip", "route_id" | "direction_id") if stream == "informed_entity" => "trip_",
        _ => "",
    };
    let suffix = match (part, leaf) {
        (Part::Number, _) => "_code",
        // Beside its text; what is JSON alone has the name to itself.
        (Part::Json, leaf) if is_translated(path, leaf) => "_translations",
        _ => "",
    };
    format!("{prefix}{leaf}{suffix}")
}

/// BusObservatory's names: the path, with an enumeration's number under it.
fn dotted_name(path: &str, part: Part) -> String {
    let leaf = path.rsplit('.').next().unwrap_or_default();
    match part {
        Part::Word => format!("{path}.name"),
        Part::Json if is_translated(path, leaf) => format!("{path}.translation"),
        Part::Extensions => joined(path, "extensions"),
        _ => path.to_string(),
    }
}

fn is_translated(path: &str, leaf: &str) -> bool {
    !leaf.is_empty() && !path.starts_with("header") && matches!(lookup(path).1.of, Type::Translated)
}

fn unit(path: &str, part: Part) -> Option<&'static str> {
    let mut steps = path.rsplit('.');
    let leaf = steps.next()?;
    match (steps.next().unwrap_or_default(), leaf) {
        _ if part != Part::Value => None,
        ("position", "latitude" | "longitude" | "bearing") => Some("degree"),
        ("stop", "stop_lat" | "stop_lon") => Some("degree"),
        ("position", "odometer") => Some("m"),
        ("position", "speed") => Some("m s-1"),
        (_, "delay" | "uncertainty") => Some("s"),
        (_, "occupancy_percentage") => Some("percent"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(stream: &str, names: Names) -> Vec<String> {
        let stream = STREAMS.iter().find(|s| s.name == stream).unwrap();
        columns(stream, names).into_iter().map(|c| c.column.name).collect()
    }

    #[test]
    fn no_two_columns_of_a_stream_are_called_the_same() {
        for stream in &STREAMS {
            for naming in [Names::Specification, Names::BusObservatory] {
                let found = names(stream.name, naming);
                let mut lower: Vec<_> = found.iter().map(|n| n.to_lowercase()).collect();
                lower.sort();
                lower.dedup();
                assert_eq!(lower.len(), found.len(), "{}: {found:?}", stream.name);
            }
        }
    }

    #[test]
    fn numbers_and_words_are_unique_in_their_message() {
        fn check(message: &Message) {
            for (n, field) in message.0.iter().enumerate() {
                let same = |o: &&Field| o.number == field.number || o.name == field.name;
                assert_eq!(message.0[..n].iter().find(same).map(|f| f.name), None, "{}", field.name);
                match field.of {
                    Type::Of(inner) | Type::Json(inner) => check(inner),
                    Type::Enum(words) => {
                        for (number, word) in words.0 {
                            assert_eq!(words.word((*number).into()), Some(*word));
                            assert_eq!(words.number(word), Some(*number));
                        }
                    }
                    _ => {}
                }
            }
        }
        check(&FEED_HEADER);
        check(&FEED_ENTITY);
        check(&TRANSLATED_STRING);
    }

    #[test]
    fn vehicles_have_the_names_that_people_look_for() {
        assert_eq!(
            names("vehicle", Names::Specification).join(" "),
            "entity_id is_deleted trip_id route_id direction_id start_time start_date schedule_relationship \
             schedule_relationship_code modifications_id affected_trip_id modified_trip_start_time \
             modified_trip_start_date vehicle_id vehicle_label license_plate wheelchair_accessible \
             wheelchair_accessible_code latitude longitude bearing odometer speed current_stop_sequence stop_id \
             current_status current_status_code timestamp congestion_level congestion_level_code \
             occupancy_status occupancy_status_code occupancy_percentage multi_carriage_details extensions \
             gtfs_realtime_version incrementality incrementality_code feed_timestamp feed_version feed_extensions"
        );
        let dotted = names("vehicle", Names::BusObservatory);
        // Those that BusObservatory has.
        for name in "id is_deleted vehicle.trip.trip_id vehicle.trip.route_id vehicle.trip.direction_id \
                     vehicle.trip.start_time vehicle.trip.start_date vehicle.trip.schedule_relationship \
                     vehicle.position.latitude vehicle.position.longitude vehicle.position.bearing \
                     vehicle.position.speed vehicle.position.odometer vehicle.timestamp vehicle.vehicle.id \
                     vehicle.vehicle.label vehicle.vehicle.license_plate vehicle.current_stop_sequence \
                     vehicle.stop_id vehicle.current_status vehicle.congestion_level vehicle.occupancy_status"
            .split_whitespace()
        {
            assert!(dotted.iter().any(|n| n == name), "{name} is not in {dotted:?}");
        }
    }

    #[test]
    fn other_streams() {
        let of = |stream| names(stream, Names::Specification).join(" ");
        for (stream, want) in [
            ("stop_time_update", "trip_schedule_relationship trip_schedule_relationship_code vehicle_id"),
            ("stop_time_update", "stop_sequence stop_id arrival_delay arrival_time arrival_uncertainty"),
            ("stop_time_update", "departure_scheduled_time departure_occupancy_status"),
            ("trip_update", "timestamp delay trip_properties_trip_id trip_properties_start_date"),
            ("alert", "header_text header_text_translations description_text"),
            ("alert", "image image_alternative_text"),
            ("informed_entity", "agency_id route_id route_type trip_id trip_route_id trip_direction_id"),
            ("active_period", "active_period_start active_period_end extensions"),
            ("stop", "stop_lat stop_lon zone_id"),
            ("trip_modifications", "selected_trips start_times service_dates modifications"),
            ("entity", "entity_id is_deleted extensions"),
        ] {
            assert!(of(stream).contains(want), "{stream}: {}", of(stream));
        }
        assert!(!of("trip_update").contains("stop_time_update"));
    }
}
