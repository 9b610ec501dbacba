//! Vehicles that go round their routes, and report where they are now and then.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Metres of a degree of latitude.
const METRES: f64 = 111_320.0;
/// Stops along a lap.
const STOPS: u32 = 24;
/// Seconds between the reports of a vehicle: the least, and by how much they differ.
const REPORT_EVERY: (u64, u64) = (15, 31);
/// Seconds of a lap: the least, and by how much they differ.
const LAP: (u64, u64) = (1_500, 1_201);

/// Vehicles of one agency.
#[derive(Clone, Debug)]
pub struct Fleet {
    pub seed: u64,
    pub n_routes: u32,
    pub vehicles_per_route: u32,
    /// Degrees north and east.
    pub centre: (f64, f64),
    /// Zone of local times and service days.
    pub zone: TimeZone,
    /// What the names of routes begin with.
    pub prefix: String,
}

/// What a vehicle said last.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub vehicle: String,
    pub route: String,
    /// Changes with every lap.
    pub trip: String,
    /// 0 in the first half of a lap, 1 in the second.
    pub direction: u32,
    /// Service day, `yyyymmdd`.
    pub start_date: String,
    /// Local time at which the lap began, `HH:MM:SS`.
    pub start_time: String,
    /// Degrees.
    pub latitude: f64,
    pub longitude: f64,
    /// Degrees from north, clockwise.
    pub bearing: f64,
    /// Metres in a second.
    pub speed: f64,
    /// Of the next stop, from 1.
    pub stop_sequence: u32,
    pub stop: String,
    /// When it was said; whole seconds.
    pub time: Timestamp,
}

impl Fleet {
    pub fn routes(&self) -> impl Iterator<Item = String> {
        (1..=self.n_routes).map(|n| self.route(n))
    }

    fn route(&self, n: u32) -> String {
        format!("{}{n}", self.prefix)
    }

    /// What every vehicle said last, as of an instant; of one route, or of all.
    pub fn reports(&self, now: Timestamp, route: Option<&str>) -> Vec<Report> {
        let wanted = (1..=self.n_routes).filter(|n| route.is_none_or(|r| r == self.route(*n)));
        wanted
            .flat_map(|n| (0..self.vehicles_per_route).map(move |v| (n, v)))
            .map(|(n, v)| self.report(now, n, v))
            .collect()
    }

    fn report(&self, now: Timestamp, route: u32, vehicle: u32) -> Report {
        let number = route * 1000 + vehicle;
        let dice = mixed(self.seed ^ (u64::from(number) << 20));
        let every = (REPORT_EVERY.0 + dice % REPORT_EVERY.1) as i64;
        let shift = (dice >> 8) as i64 % every;
        let second = (now.as_second() - shift).div_euclid(every) * every + shift;
        let time = Timestamp::from_second(second).unwrap_or(now);

        let lap_s = (LAP.0 + (dice >> 16) % LAP.1) as i64;
        let begun = i64::from(vehicle) * lap_s / i64::from(self.vehicles_per_route.max(1));
        let lap = (second + begun).div_euclid(lap_s);
        let along = (second + begun).rem_euclid(lap_s) as f64 / lap_s as f64;
        let (latitude, longitude) = self.place(route, along);
        let ahead = self.place(route, along + 1.0 / lap_s as f64);
        let north = (ahead.0 - latitude) * METRES;
        let east = (ahead.1 - longitude) * METRES * latitude.to_radians().cos();
        let started = Timestamp::from_second(lap * lap_s - begun).unwrap_or(time);
        let local = started.to_zoned(self.zone.clone());
        let stop_sequence = (along * f64::from(STOPS)) as u32 + 1;
        let name = self.route(route);
        Report {
            vehicle: format!("{number}"),
            trip: format!("{name}-{lap}"),
            direction: u32::from(along >= 0.5),
            start_date: local.strftime("%Y%m%d").to_string(),
            start_time: local.strftime("%H:%M:%S").to_string(),
            latitude: rounded(latitude, 1e6),
            longitude: rounded(longitude, 1e6),
            bearing: rounded(east.atan2(north).to_degrees().rem_euclid(360.0), 10.0),
            speed: rounded(north.hypot(east), 100.0),
            stop_sequence,
            stop: format!("{name}:{stop_sequence}"),
            time,
            route: name,
        }
    }

    /// Where a lap leads after a part of it: each route is a curve of its own.
    fn place(&self, route: u32, along: f64) -> (f64, f64) {
        let angle = along * std::f64::consts::TAU;
        let dice = mixed(self.seed.wrapping_add(u64::from(route)));
        let turn = (dice % 628) as f64 / 100.0;
        let (wide, high) =
            (0.02 + (dice >> 10) as f64 % 30.0 / 1000.0, 0.01 + (dice >> 20) as f64 % 20.0 / 1000.0);
        let (x, y) = (wide * angle.cos(), high * (2.0 * angle + turn).sin());
        let (x, y) = (x * turn.cos() - y * turn.sin(), x * turn.sin() + y * turn.cos());
        (self.centre.0 + y, self.centre.1 + x)
    }
}

fn rounded(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}

/// Splitmix64: bits that look like chance and follow from the input.
pub(crate) fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn fleet() -> Fleet {
        Fleet {
            seed: 7,
            n_routes: 3,
            vehicles_per_route: 5,
            centre: (42.36, -71.06),
            zone: TimeZone::get("America/New_York").unwrap(),
            prefix: "H".to_string(),
        }
    }

    #[test]
    fn a_vehicle_says_the_same_until_it_reports_again() {
        let fleet = fleet();
        let start = Timestamp::from_second(1_700_000_000).unwrap();
        let mut times: BTreeSet<(String, Timestamp)> = BTreeSet::new();
        let mut reports: BTreeSet<String> = BTreeSet::new();
        for s in 0..600 {
            let now = Timestamp::from_second(1_700_000_000 + s).unwrap();
            for report in fleet.reports(now, None) {
                assert!(report.time <= now && now.as_second() - report.time.as_second() < 46, "{report:?}");
                times.insert((report.vehicle.clone(), report.time));
                reports.insert(format!("{report:?}"));
            }
        }
        assert_eq!(times.len(), reports.len());
        assert_eq!(fleet.reports(start, None).len(), 15);
        assert_eq!(fleet.reports(start, Some("H2")).len(), 5);
        assert_eq!(fleet.reports(start, Some("none")), []);
    }

    #[test]
    fn vehicles_go_at_the_pace_of_buses() {
        let fleet = fleet();
        for s in (0..86_400).step_by(997) {
            for report in fleet.reports(Timestamp::from_second(1_700_000_000 + s).unwrap(), None) {
                assert!(report.speed < 40.0 && (0.0..=360.0).contains(&report.bearing), "{report:?}");
                assert!((report.latitude - 42.36).abs() < 0.2 && (report.longitude + 71.06).abs() < 0.2);
                assert!((1..=STOPS).contains(&report.stop_sequence));
            }
        }
    }
}
