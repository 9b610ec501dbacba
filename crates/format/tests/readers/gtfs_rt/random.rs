//! Any feed that is encoded comes back, in protobuf by another encoder and in
//! the JSON that encoders make of it.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::Map;

use super::*;

fn word() -> BoxedStrategy<Option<String>> {
    option::of(prop_oneof![".{0,6}".boxed(), "[A-Z0-9]{1,5}".boxed()]).boxed()
}

fn trip() -> impl Strategy<Value = TripDescriptor> {
    (word(), word(), option::of(0u32..3), word(), word(), option::of(-1i32..9)).prop_map(
        |(trip_id, route_id, direction_id, start_time, start_date, schedule_relationship)| TripDescriptor {
            trip_id,
            route_id,
            direction_id,
            start_time,
            start_date,
            schedule_relationship,
            nyct: None,
        },
    )
}

fn vehicle() -> impl Strategy<Value = VehicleDescriptor> {
    (word(), word(), word(), option::of(0i32..5)).prop_map(
        |(id, label, license_plate, wheelchair_accessible)| VehicleDescriptor {
            id,
            label,
            license_plate,
            wheelchair_accessible,
        },
    )
}

fn position() -> impl Strategy<Value = Position> {
    // Few digits, so that every way of reading JSON gives the same float.
    let few = |most: i32| (-most..most).prop_map(|n| n as f32 / 256.0);
    let rest = (option::of(few(9000)), option::of(any::<i32>()), option::of(few(9000)));
    (few(23000), few(46000), rest).prop_map(|(latitude, longitude, (bearing, odometer, speed))| Position {
        latitude,
        longitude,
        bearing,
        odometer: odometer.map(|n| f64::from(n) / 8.0),
        speed,
    })
}

fn seconds() -> impl Strategy<Value = Option<u64>> {
    option::of(prop_oneof![Just(0), 1_500_000_000u64..2_000_000_000])
}

fn vehicle_position() -> impl Strategy<Value = VehiclePosition> {
    let carriage = (word(), option::of(-1i32..100))
        .prop_map(|(id, occupancy_percentage)| CarriageDetails { id, occupancy_percentage });
    (
        (option::of(trip()), option::of(vehicle()), option::of(position()), option::of(any::<u32>()), word()),
        (option::of(-2i32..5), seconds(), option::of(0i32..11), option::of(0u32..200), vec(carriage, 0..3)),
    )
        .prop_map(|((trip, vehicle, position, current_stop_sequence, stop_id), rest)| {
            let (current_status, timestamp, occupancy_status, occupancy_percentage, multi_carriage_details) =
                rest;
            VehiclePosition {
                trip,
                vehicle,
                position,
                current_stop_sequence,
                stop_id,
                current_status,
                timestamp,
                occupancy_status,
                occupancy_percentage,
                multi_carriage_details,
            }
        })
}

fn event() -> impl Strategy<Value = Option<StopTimeEvent>> {
    option::of(
        (option::of(any::<i32>()), option::of(-5i64..2_000_000_000), option::of(0i32..9))
            .prop_map(|(delay, time, uncertainty)| StopTimeEvent { delay, time, uncertainty }),
    )
}

fn trip_update() -> impl Strategy<Value = TripUpdate> {
    let update = (option::of(any::<u32>()), word(), event(), event(), option::of(0i32..5)).prop_map(
        |(stop_sequence, stop_id, arrival, departure, schedule_relationship)| StopTimeUpdate {
            stop_sequence,
            stop_id,
            arrival,
            departure,
            schedule_relationship,
        },
    );
    (trip(), option::of(vehicle()), vec(update, 0..5), seconds(), option::of(any::<i32>())).prop_map(
        |(trip, vehicle, stop_time_update, timestamp, delay)| TripUpdate {
            trip,
            vehicle,
            stop_time_update,
            timestamp,
            delay,
        },
    )
}

fn entity() -> impl Strategy<Value = FeedEntity> {
    (".{0,5}", option::of(any::<bool>()), option::of(trip_update()), option::of(vehicle_position())).prop_map(
        |(id, is_deleted, trip_update, vehicle)| FeedEntity {
            id,
            is_deleted,
            trip_update,
            vehicle,
            alert: None,
        },
    )
}

const TRIP_WORDS: &[(i32, &str)] = &[
    (0, "SCHEDULED"),
    (1, "ADDED"),
    (2, "UNSCHEDULED"),
    (3, "CANCELED"),
    (5, "REPLACEMENT"),
    (6, "DUPLICATED"),
    (7, "DELETED"),
    (8, "NEW"),
];
const STOP_WORDS: &[(i32, &str)] = &[(0, "SCHEDULED"), (1, "SKIPPED"), (2, "NO_DATA"), (3, "UNSCHEDULED")];
const STATUS_WORDS: &[(i32, &str)] = &[(0, "INCOMING_AT"), (1, "STOPPED_AT"), (2, "IN_TRANSIT_TO")];
const CHAIR_WORDS: &[(i32, &str)] =
    &[(0, "NO_VALUE"), (1, "UNKNOWN"), (2, "WHEELCHAIR_ACCESSIBLE"), (3, "WHEELCHAIR_INACCESSIBLE")];
const SEAT_WORDS: &[(i32, &str)] = &[
    (0, "EMPTY"),
    (1, "MANY_SEATS_AVAILABLE"),
    (2, "FEW_SEATS_AVAILABLE"),
    (3, "STANDING_ROOM_ONLY"),
    (4, "CRUSHED_STANDING_ROOM_ONLY"),
    (5, "FULL"),
    (6, "NOT_ACCEPTING_PASSENGERS"),
    (7, "NO_DATA_AVAILABLE"),
    (8, "NOT_BOARDABLE"),
];

fn word_of(words: &[(i32, &str)], number: i32) -> String {
    words.iter().find(|(n, _)| *n == number).map_or(number.to_string(), |(_, w)| w.to_string())
}

/// A row as it should be.
#[derive(Default)]
struct Wanted(Row);

impl Wanted {
    fn put(&mut self, name: &str, value: Option<impl ToString>) -> &mut Self {
        if let Some(value) = value {
            self.0.insert(name.into(), value.to_string());
        }
        self
    }

    fn float(&mut self, name: &str, value: Option<f64>) -> &mut Self {
        self.put(name, value.map(|v| format!("{v:?}")))
    }

    fn time(&mut self, name: &str, seconds: Option<i64>) -> &mut Self {
        self.put(name, seconds.map(|s| s * 1_000_000))
    }

    fn word(&mut self, name: &str, words: &[(i32, &str)], number: Option<i32>) -> &mut Self {
        self.put(name, number.map(|n| word_of(words, n))).put(&format!("{name}_code"), number)
    }

    fn trip(&mut self, t: &TripDescriptor, relationship: &str) -> &mut Self {
        self.put("trip_id", t.trip_id.as_ref()).put("route_id", t.route_id.as_ref());
        self.put("direction_id", t.direction_id).put("start_time", t.start_time.as_ref());
        self.put("start_date", t.start_date.as_ref()).word(relationship, TRIP_WORDS, t.schedule_relationship)
    }

    fn entity(&mut self, e: &FeedEntity) -> &mut Self {
        self.put("entity_id", Some(&e.id)).put("is_deleted", Some(e.is_deleted.unwrap_or(false)));
        self.put("gtfs_realtime_version", Some("2.0")).word(
            "incrementality",
            &[(1, "DIFFERENTIAL")],
            Some(1),
        );
        self.time("feed_timestamp", Some(1_700_000_000))
    }
}

/// The rows of an entity, said once more.
fn wanted(e: &FeedEntity) -> Vec<(String, Row)> {
    let mut rows = Vec::new();
    if let Some(v) = &e.vehicle {
        let mut row = Wanted::default();
        row.entity(e);
        if let Some(t) = &v.trip {
            row.trip(t, "schedule_relationship");
        }
        if let Some(d) = &v.vehicle {
            row.put("vehicle_id", d.id.as_ref()).put("vehicle_label", d.label.as_ref());
            row.put("license_plate", d.license_plate.as_ref());
            row.word("wheelchair_accessible", CHAIR_WORDS, d.wheelchair_accessible);
        }
        if let Some(p) = &v.position {
            row.float("latitude", Some(p.latitude.into())).float("longitude", Some(p.longitude.into()));
            row.float("bearing", p.bearing.map(Into::into)).float("speed", p.speed.map(Into::into));
            row.float("odometer", p.odometer);
        }
        row.put("current_stop_sequence", v.current_stop_sequence).put("stop_id", v.stop_id.as_ref());
        row.word("current_status", STATUS_WORDS, v.current_status);
        row.time("timestamp", v.timestamp.map(|t| t as i64));
        row.word("occupancy_status", SEAT_WORDS, v.occupancy_status);
        row.put("occupancy_percentage", v.occupancy_percentage);
        if !v.multi_carriage_details.is_empty() {
            let carriage = |c: &CarriageDetails| {
                let mut object = Map::new();
                c.id.as_ref().map(|id| object.insert("id".into(), id.as_str().into()));
                c.occupancy_percentage.map(|p| object.insert("occupancy_percentage".into(), p.into()));
                Value::Object(object)
            };
            let all: Vec<_> = v.multi_carriage_details.iter().map(carriage).collect();
            row.put("multi_carriage_details", Some(Value::from(all)));
        }
        rows.push(("vehicle".into(), row.0));
    }
    if let Some(u) = &e.trip_update {
        let mut row = Wanted::default();
        row.entity(e).trip(&u.trip, "schedule_relationship");
        if let Some(d) = &u.vehicle {
            row.put("vehicle_id", d.id.as_ref()).put("vehicle_label", d.label.as_ref());
            row.put("license_plate", d.license_plate.as_ref());
            row.word("wheelchair_accessible", CHAIR_WORDS, d.wheelchair_accessible);
        }
        row.time("timestamp", u.timestamp.map(|t| t as i64)).put("delay", u.delay);
        rows.push(("trip_update".into(), row.0));
        for s in &u.stop_time_update {
            let mut row = Wanted::default();
            row.entity(e).trip(&u.trip, "trip_schedule_relationship");
            if let Some(d) = &u.vehicle {
                row.put("vehicle_id", d.id.as_ref()).put("vehicle_label", d.label.as_ref());
            }
            row.time("timestamp", u.timestamp.map(|t| t as i64));
            row.put("stop_sequence", s.stop_sequence).put("stop_id", s.stop_id.as_ref());
            for (name, event) in [("arrival", &s.arrival), ("departure", &s.departure)] {
                if let Some(event) = event {
                    row.put(&format!("{name}_delay"), event.delay).time(&format!("{name}_time"), event.time);
                    row.put(&format!("{name}_uncertainty"), event.uncertainty);
                }
            }
            row.word("schedule_relationship", STOP_WORDS, s.schedule_relationship);
            rows.push(("stop_time_update".into(), row.0));
        }
    }
    if rows.is_empty() {
        let mut row = Wanted::default();
        row.entity(e);
        rows.push(("entity".into(), row.0));
    }
    rows
}

/// How an encoder writes JSON.
#[derive(Clone, Copy, Debug)]
struct Style {
    camel: bool,
    words: bool,
    texts: bool,
    nulls: bool,
}

/// An object that is being written.
struct Written(Style, Map<String, Value>);

impl Written {
    fn new(style: Style) -> Self {
        Written(style, Map::new())
    }

    fn put(mut self, name: &str, value: Option<impl Into<Value>>) -> Self {
        let value = value.map(Into::into);
        let key = match self.0.camel {
            true => {
                let mut words = name.split('_');
                let first = words.next().unwrap().to_string();
                words.fold(first, |all, w| all + &w[..1].to_uppercase() + &w[1..])
            }
            false => name.to_string(),
        };
        match value {
            Some(value) => self.1.insert(key, value),
            None if self.0.nulls => self.1.insert(key, Value::Null),
            None => None,
        };
        self
    }

    /// 64-bit numbers are texts in the JSON of protobuf.
    fn long(self, name: &str, value: Option<i64>) -> Self {
        let texts = self.0.texts;
        self.put(name, value.map(|v| if texts { Value::from(v.to_string()) } else { v.into() }))
    }

    fn word(self, name: &str, words: &[(i32, &str)], number: Option<i32>) -> Self {
        let as_words = self.0.words;
        self.put(
            name,
            number.map(|n| match words.iter().find(|(w, _)| *w == n) {
                Some((_, word)) if as_words => Value::from(*word),
                _ => n.into(),
            }),
        )
    }

    fn done(self) -> Value {
        Value::Object(self.1)
    }
}

fn written(message: &FeedMessage, style: Style) -> Value {
    let new = || Written::new(style);
    let trip = |t: &TripDescriptor| {
        new()
            .put("trip_id", t.trip_id.clone())
            .put("route_id", t.route_id.clone())
            .put("direction_id", t.direction_id)
            .put("start_time", t.start_time.clone())
            .put("start_date", t.start_date.clone())
            .word("schedule_relationship", TRIP_WORDS, t.schedule_relationship)
            .done()
    };
    let vehicle = |d: &VehicleDescriptor| {
        new()
            .put("id", d.id.clone())
            .put("label", d.label.clone())
            .put("license_plate", d.license_plate.clone())
            .word("wheelchair_accessible", CHAIR_WORDS, d.wheelchair_accessible)
            .done()
    };
    let event = |e: &StopTimeEvent| {
        new().put("delay", e.delay).long("time", e.time).put("uncertainty", e.uncertainty).done()
    };
    let position = |p: &Position| {
        new()
            .put("latitude", Some(f64::from(p.latitude)))
            .put("longitude", Some(f64::from(p.longitude)))
            .put("bearing", p.bearing.map(f64::from))
            .put("odometer", p.odometer)
            .put("speed", p.speed.map(f64::from))
            .done()
    };
    let entities: Vec<Value> = message
        .entity
        .iter()
        .map(|e| {
            let trip_update = e.trip_update.as_ref().map(|u| {
                let updates: Vec<Value> = u
                    .stop_time_update
                    .iter()
                    .map(|s| {
                        new()
                            .put("stop_sequence", s.stop_sequence)
                            .put("stop_id", s.stop_id.clone())
                            .put("arrival", s.arrival.as_ref().map(event))
                            .put("departure", s.departure.as_ref().map(event))
                            .word("schedule_relationship", STOP_WORDS, s.schedule_relationship)
                            .done()
                    })
                    .collect();
                new()
                    .put("stop_time_update", Some(updates))
                    .put("trip", Some(trip(&u.trip)))
                    .put("vehicle", u.vehicle.as_ref().map(vehicle))
                    .long("timestamp", u.timestamp.map(|t| t as i64))
                    .put("delay", u.delay)
                    .done()
            });
            let position = e.vehicle.as_ref().map(|v| {
                let carriages = v.multi_carriage_details.iter().map(|c| {
                    new().put("id", c.id.clone()).put("occupancy_percentage", c.occupancy_percentage).done()
                });
                let carriages: Vec<Value> = carriages.collect();
                new()
                    .put("trip", v.trip.as_ref().map(trip))
                    .put("vehicle", v.vehicle.as_ref().map(vehicle))
                    .put("position", v.position.as_ref().map(position))
                    .put("current_stop_sequence", v.current_stop_sequence)
                    .put("stop_id", v.stop_id.clone())
                    .word("current_status", STATUS_WORDS, v.current_status)
                    .long("timestamp", v.timestamp.map(|t| t as i64))
                    .word("occupancy_status", SEAT_WORDS, v.occupancy_status)
                    .put("occupancy_percentage", v.occupancy_percentage)
                    .put("multi_carriage_details", (!carriages.is_empty()).then_some(carriages))
                    .done()
            });
            new()
                .put("id", Some(e.id.clone()))
                .put("is_deleted", e.is_deleted)
                .put("vehicle", position)
                .put("trip_update", trip_update)
                .done()
        })
        .collect();
    let header = new()
        .put("gtfs_realtime_version", Some("2.0"))
        .word("incrementality", &[(1, "DIFFERENTIAL")], Some(1))
        .long("timestamp", Some(1_700_000_000))
        .done();
    json!({ "entity": entities, "header": header })
}

/// By stream, in the order of the entities within each.
fn sorted(mut rows: Vec<(String, Row)>) -> Vec<(String, Row)> {
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_encoded_comes_back(entities in vec(entity(), 0..8), chunk in 1usize..4000,
        (camel, words, texts, nulls) in any::<(bool, bool, bool, bool)>()) {
        let message = feed(entities);
        let want = sorted(message.entity.iter().flat_map(wanted).collect());
        let encoded = feed_rows(message.encode_to_vec(), &as_feed(), chunk).unwrap();
        prop_assert_eq!(sorted(encoded), want.clone());
        let text = written(&message, Style { camel, words, texts, nulls }).to_string();
        prop_assert_eq!(sorted(feed_rows(text, &as_feed(), chunk).unwrap()), want);
    }
}
