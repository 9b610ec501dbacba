//! What an answer's rows tell of the dataset: what it is laid out by, and how
//! it is served.

use super::{Dedupe, Draft, Publish, Read, TableOf, TimeColumn, when_polled};

/// What a column's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Time,
    Number,
    Text,
    /// Neither can be searched for: lists, JSON, bytes.
    Other,
}

/// A column as an answer's rows fill it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampledColumn {
    pub name: String,
    /// What the answer calls it.
    pub source: String,
    pub shape: Shape,
    /// Rows that have a value.
    pub n_values: usize,
    /// The first value, as text.
    pub first: Option<String>,
    /// Whether all rows that have a value have that one.
    pub is_constant: bool,
}

/// The rows of one record stream of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sampled {
    /// `None` where an answer has one stream.
    pub stream: Option<String>,
    pub n_rows: u64,
    pub columns: Vec<SampledColumn>,
}

/// Age from which on a published feed counts as stale, where nobody says.
const STALE_AFTER: &str = "10m";

// Names are compared without `_`, in small letters; what comes first is better.
const TIMES: [&str; 18] = [
    "timestamp",
    "recordedattime",
    "recordedat",
    "lastreported",
    "observedat",
    "reportedat",
    "reporttime",
    "updatedat",
    "lastupdated",
    "lastupdate",
    "datetime",
    "time",
    "ts",
    "date",
    "createdat",
    "feedtimestamp",
    "responsetimestamp",
    "polledat",
];
const ROUTES: [&str; 8] =
    ["routeid", "lineref", "routetag", "route", "rt", "lineid", "line", "publishedlinename"];
const VEHICLES: [&str; 8] =
    ["vehicleid", "vehicleref", "vehicle", "busid", "bikeid", "vid", "entityid", "id"];
const LATITUDES: [&str; 2] = ["latitude", "lat"];
const LONGITUDES: [&str; 4] = ["longitude", "lon", "lng", "long"];
const ZONES: [&str; 4] = ["timezone", "tz", "agencytimezone", "zone"];

/// Streams that tell where vehicles are, before all others.
const POSITIONS: &str = "vehicle";

impl Draft {
    /// Adds what the rows tell. Answers what they do not, in sentences.
    pub fn complete(&mut self, sampled: &[Sampled]) -> Vec<String> {
        let mut notes = Vec::new();
        if self.timezone.is_none() {
            self.timezone = sampled.iter().find_map(zone);
        }
        let filled: Vec<&Sampled> = sampled.iter().filter(|s| s.n_rows > 0).collect();
        let served = filled.iter().find(|s| s.stream.as_deref() == Some(POSITIONS)).or(filled.first());
        let Some(served) = served else { return notes };
        if served.stream.is_some() {
            self.tables = filled
                .iter()
                .filter_map(|s| {
                    let stream = s.stream.clone()?;
                    Some(TableOf {
                        name: plural(&stream),
                        stream,
                        partition_by: best(s, &TIMES, &[Shape::Time]).map(|c| c.name.clone()),
                        dedupe: (s.stream.as_deref() == Some(POSITIONS)).then(|| report(s)).flatten(),
                    })
                })
                .collect();
        }
        let time = match served.stream {
            Some(_) => best(served, &TIMES, &[Shape::Time]).map(|c| c.name.clone()),
            None => {
                self.partition_by = Some(self.time(served));
                // Elsewhere nothing says that a vehicle has one row at a time.
                let is_position = matches!(self.read, Some(Read::Word("siri_vm" | "nextbus")));
                self.dedupe = is_position.then(|| report(served)).flatten();
                self.partition_by.clone()
            }
        };
        match best(served, &ROUTES, &[Shape::Text, Shape::Number]).zip(time) {
            Some((route, time)) => {
                let vehicle = best(served, &VEHICLES, &[Shape::Text, Shape::Number]);
                let place = |names: &[&str]| best(served, names, &[Shape::Number]).map(|c| c.name.clone());
                self.publish = Some(Publish {
                    table: served.stream.as_deref().filter(|_| self.tables.len() > 1).map(plural),
                    route: route.name.clone(),
                    time,
                    vehicle: vehicle.map(|c| c.name.clone()),
                    position: place(&LATITUDES).zip(place(&LONGITUDES)),
                });
                self.stale_after = Some(STALE_AFTER.into());
            }
            None => notes.push(
                "it is not published: no column is called like a route, or like a time; add `publish: { route: …, time: … }` \
                 to serve it"
                    .into(),
            ),
        }
        if self.timezone.is_none() {
            notes.push(
                "nothing in the answer tells its zone: local hours and naive times go by the lake's `timezone`, unless \
                 the file says otherwise"
                    .into(),
            );
        }
        notes
    }

    /// The column that tells when: one of the rows, else when they were polled.
    fn time(&mut self, served: &Sampled) -> String {
        if let Some(column) = best(served, &TIMES, &[Shape::Time]) {
            return column.name.clone();
        }
        let counted = TIMES.iter().find_map(|name| {
            let column = served.columns.iter().find(|c| is_called(&c.name, name))?;
            Some((column, epoch(column)?))
        });
        if let Some((column, format)) = counted {
            self.columns.push(TimeColumn {
                name: column.name.clone(),
                from: (column.source != column.name).then(|| column.source.clone()),
                format: format.into(),
            });
            return column.name.clone();
        }
        const POLLED_AT: &str = "polled_at";
        self.pattern = Some(when_polled(POLLED_AT));
        self.columns.push(TimeColumn::polled(POLLED_AT));
        POLLED_AT.into()
    }
}

/// The best column by its name that has values of these shapes.
fn best<'s>(sampled: &'s Sampled, names: &[&str], shapes: &[Shape]) -> Option<&'s SampledColumn> {
    let fits = |c: &&SampledColumn| c.n_values > 0 && shapes.contains(&c.shape);
    names.iter().find_map(|name| sampled.columns.iter().filter(fits).find(|c| is_called(&c.name, name)))
}

fn is_called(column: &str, name: &str) -> bool {
    let bare = column.rsplit('.').next().unwrap_or(column);
    bare.bytes().filter(|b| *b != b'_').map(|b| b.to_ascii_lowercase()).eq(name.bytes())
}

/// What makes two reports of a position one: a vehicle that stands still tells
/// the same time for minutes. The time must be the report's own.
fn report(sampled: &Sampled) -> Option<Dedupe> {
    let key = best(sampled, &VEHICLES, &[Shape::Text, Shape::Number])?;
    let time = best(sampled, &["timestamp", "recordedattime"], &[Shape::Time])?;
    Some(Dedupe { key: key.name.clone(), time: time.name.clone() })
}

/// How a number counts time, if it lies in the years 2000 to 2100 when it does.
fn epoch(column: &SampledColumn) -> Option<&'static str> {
    const SECONDS: std::ops::Range<f64> = 946_684_800.0..4_102_444_800.0;
    let value: f64 = column.first.as_deref()?.trim().parse().ok()?;
    if column.shape != Shape::Number {
        return None;
    }
    match value {
        v if SECONDS.contains(&v) => Some("unix"),
        v if SECONDS.contains(&(v / 1000.0)) => Some("unix_ms"),
        _ => None,
    }
}

/// The zone that all rows name.
fn zone(sampled: &Sampled) -> Option<String> {
    let column = best(sampled, &ZONES, &[Shape::Text]).filter(|c| c.is_constant)?;
    let name = column.first.clone()?;
    (name.contains('/') && jiff::tz::TimeZone::get(&name).is_ok()).then_some(name)
}

/// `vehicle` as `vehicles`, `informed_entity` as `informed_entities`.
fn plural(stream: &str) -> String {
    match stream.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if stream.ends_with('s') => stream.to_string(),
        None => format!("{stream}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, shape: Shape, first: &str) -> SampledColumn {
        SampledColumn {
            name: name.into(),
            source: name.into(),
            shape,
            n_values: usize::from(!first.is_empty()),
            first: Some(first.to_string()).filter(|f| !f.is_empty()),
            is_constant: true,
        }
    }

    fn one(columns: &[(&str, Shape, &str)]) -> (Draft, Vec<String>) {
        let columns = columns.iter().map(|(n, s, f)| column(n, *s, f)).collect();
        let mut draft = Draft::default();
        let notes = draft.complete(&[Sampled { stream: None, n_rows: 1, columns }]);
        (draft, notes)
    }

    #[test]
    fn streams_become_tables_and_positions_are_served() {
        let columns = vec![
            column("timestamp", Shape::Time, "2024"),
            column("route_id", Shape::Text, "M1"),
            column("vehicle_id", Shape::Text, ""),
            column("entity_id", Shape::Text, "e1"),
            column("latitude", Shape::Number, "1"),
            column("longitude", Shape::Number, "1"),
        ];
        let alerts =
            vec![column("timestamp", Shape::Time, ""), column("feed_timestamp", Shape::Time, "2024")];
        let of = |stream: &str, n_rows, columns: &[SampledColumn]| Sampled {
            stream: Some(stream.into()),
            n_rows,
            columns: columns.to_vec(),
        };
        let mut draft = Draft::default();
        draft.complete(&[of("alert", 1, &alerts), of("vehicle", 2, &columns), of("shape", 0, &[])]);
        let tables: Vec<_> =
            draft.tables.iter().map(|t| (t.name.as_str(), t.partition_by.as_deref())).collect();
        assert_eq!(tables, [("alerts", Some("feed_timestamp")), ("vehicles", Some("timestamp"))]);
        let dedupe: Vec<_> = draft.tables.iter().map(|t| t.dedupe.clone()).collect();
        assert_eq!(dedupe, [None, Some(Dedupe { key: "entity_id".into(), time: "timestamp".into() })]);
        let publish = draft.publish.unwrap();
        assert_eq!((publish.table.as_deref(), publish.route.as_str()), (Some("vehicles"), "route_id"));
        assert_eq!(publish.vehicle.as_deref(), Some("entity_id"), "whatever has values");
        assert_eq!(draft.partition_by, None);
        assert_eq!(plural("informed_entity"), "informed_entities");
    }

    #[test]
    fn times_are_found_counted_or_those_of_the_poll() {
        let (draft, notes) = one(&[("lastReported", Shape::Number, "1700000000"), ("id", Shape::Text, "x")]);
        assert_eq!(draft.columns[0].format, "unix");
        assert_eq!(draft.partition_by.as_deref(), Some("lastReported"));
        assert!(draft.publish.is_none() && notes[0].contains("route"), "{notes:?}");
        let (draft, _) = one(&[("time", Shape::Number, "1700000000123"), ("rt", Shape::Text, "1")]);
        assert_eq!(
            (draft.columns[0].format.as_str(), draft.publish.unwrap().time.as_str()),
            ("unix_ms", "time")
        );
        // A stream of several without any time has a table all the same.
        let mut draft = Draft::default();
        let columns = vec![column("route_id", Shape::Text, "M1")];
        draft.complete(&[Sampled { stream: Some("vehicle".into()), n_rows: 1, columns }]);
        assert_eq!((draft.tables.len(), draft.publish, draft.pattern), (1, None, None));
        // A number that is no time, and no other column.
        let (draft, _) = one(&[("time", Shape::Number, "12"), ("rt", Shape::Text, "1")]);
        assert_eq!(draft.publish.unwrap().time, "polled_at");
        assert!(draft.pattern.unwrap().starts_with("(?<polled_at>"));
    }

    #[test]
    fn zones_are_taken_where_they_are_named() {
        let (draft, _) = one(&[("timezone", Shape::Text, "Europe/Oslo")]);
        assert_eq!(draft.timezone.as_deref(), Some("Europe/Oslo"));
        let (draft, notes) = one(&[("timezone", Shape::Text, "Summer/Time")]);
        assert_eq!(draft.timezone, None);
        assert!(notes.iter().any(|n| n.contains("zone")), "{notes:?}");
    }
}
