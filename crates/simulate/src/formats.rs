//! The feeds, and what they say in their formats.

mod clever;
mod gtfs;
mod nextbus;
mod siri;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::fault::Fault;
use crate::fleet::{Fleet, Report, mixed};

/// A feed.
#[derive(Clone, Copy, Debug)]
pub struct Feed {
    pub name: &'static str,
    pub form: Form,
    /// IANA zone of its local times.
    pub zone: &'static str,
    /// Degrees north and east.
    pub centre: (f64, f64),
    prefix: &'static str,
}

/// The format of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    GtfsRt,
    GtfsRtJson,
    SiriJson,
    SiriXml,
    CleverDevices,
    NextBus,
}

/// The feeds: one of each format, in zones that differ.
pub const FEEDS: [Feed; 6] = [
    Feed {
        name: "harbor",
        form: Form::GtfsRt,
        zone: "America/New_York",
        centre: (42.36, -71.06),
        prefix: "H",
    },
    Feed {
        name: "prairie",
        form: Form::GtfsRtJson,
        zone: "America/Chicago",
        centre: (41.88, -87.63),
        prefix: "P",
    },
    Feed {
        name: "island",
        form: Form::SiriJson,
        zone: "America/New_York",
        centre: (40.63, -74.12),
        prefix: "S",
    },
    Feed { name: "fjord", form: Form::SiriXml, zone: "Europe/Oslo", centre: (59.91, 10.75), prefix: "F" },
    Feed {
        name: "river",
        form: Form::CleverDevices,
        zone: "America/New_York",
        centre: (40.74, -74.17),
        prefix: "",
    },
    Feed {
        name: "ridge",
        form: Form::NextBus,
        zone: "America/Los_Angeles",
        centre: (37.77, -122.42),
        prefix: "R",
    },
];

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Body {
    pub content_type: &'static str,
    pub bytes: Vec<u8>,
}

impl Feed {
    pub fn of_name(name: &str) -> Option<&'static Feed> {
        FEEDS.iter().find(|f| f.name == name)
    }

    /// Its vehicles.
    pub fn fleet(&self, seed: u64, n_routes: u32, vehicles_per_route: u32) -> Fleet {
        let number = FEEDS.iter().position(|f| f.name == self.name).unwrap_or_default();
        Fleet {
            seed: mixed(seed.wrapping_add(number as u64)),
            n_routes,
            vehicles_per_route,
            centre: self.centre,
            zone: TimeZone::get(self.zone).unwrap_or(TimeZone::UTC),
            prefix: self.prefix.to_string(),
        }
    }

    /// Paths below `/<name>/`: of the vehicles, and of what belongs to them.
    pub fn paths(&self) -> &'static [&'static str] {
        match self.form {
            Form::GtfsRt => &["vehicles.pb", "trip_updates.pb", "alerts.pb"],
            Form::GtfsRtJson => &["vehicles.json"],
            Form::SiriJson => &["routes.json", "vehicle-monitoring.json"],
            Form::SiriXml => &["vehicle-monitoring.xml"],
            Form::CleverDevices => &["getBusesForRouteAll.jsp"],
            Form::NextBus => &["vehicleLocations.xml"],
        }
    }
}

/// What a path of a feed says at an instant; `route` is the one that is asked
/// for, where the format has that. `None` for a path that the feed does not have.
///
/// [`Fault::ClockJump`], [`Fault::Drift`] and [`Fault::Empty`] change what is
/// said; the others are the server's.
pub fn body(
    feed: &Feed,
    fleet: &Fleet,
    path: &str,
    route: Option<&str>,
    now: Timestamp,
    fault: Option<Fault>,
) -> Option<Body> {
    if !feed.paths().contains(&path) {
        return None;
    }
    let mut reports = fleet.reports(now, route);
    let mut now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    if fault == Some(Fault::ClockJump) {
        let ahead = |t: Timestamp| t.checked_add(SignedDuration::from_hours(1)).unwrap_or(t);
        now = ahead(now);
        reports.iter_mut().for_each(|r| r.time = ahead(r.time));
    }
    if fault == Some(Fault::Empty) {
        reports.clear();
    }
    let drifts = fault == Some(Fault::Drift);
    let said = Said { fleet, reports: &reports, now, drifts };
    Some(match path {
        "vehicles.pb" => gtfs::vehicles(&said),
        "trip_updates.pb" => gtfs::trip_updates(&said),
        "alerts.pb" => gtfs::alerts(&said),
        "vehicles.json" => gtfs::vehicles_json(&said),
        "routes.json" => siri::routes(&said),
        "vehicle-monitoring.json" => siri::json(&said),
        "vehicle-monitoring.xml" => siri::xml(&said),
        "getBusesForRouteAll.jsp" => clever::xml(&said),
        _ => nextbus::xml(&said),
    })
}

/// What is said.
struct Said<'a> {
    fleet: &'a Fleet,
    reports: &'a [Report],
    /// Whole seconds.
    now: Timestamp,
    drifts: bool,
}

impl Said<'_> {
    /// An instant in local time with its offset, as SIRI writes it.
    fn local(&self, t: Timestamp) -> String {
        t.to_zoned(self.fleet.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }
}

/// Text within an element.
fn element(out: &mut String, name: &str, text: impl AsRef<str>) {
    let text = quick_xml::escape::escape(text.as_ref());
    out.push_str(&format!("<{name}>{text}</{name}>"));
}
