//! Clever Devices BusTime, with the traits of the real one: blank lines before
//! the document, tabs, and buses without a run.

use super::{Body, Said, element};

/// Blank lines before the document.
const BLANK_LINES: usize = 33;

pub(super) fn xml(said: &Said) -> Body {
    let mut out = "\n".repeat(BLANK_LINES);
    out.push_str("<?xml version=\"1.0\"?>\n<buses rtpiFeedName=\"bus\">\n\t");
    // The feed has no time but one of day.
    let local = said.now.to_zoned(said.fleet.zone.clone());
    element(&mut out, "time", local.strftime("%-I:%M %p").to_string());
    for (n, report) in said.reports.iter().enumerate() {
        let run = if n % 9 == 4 { "MAN".to_string() } else { format!("{}", 100 + n) };
        out.push_str("\n\t<bus>\n\t\t");
        element(&mut out, "id", &report.vehicle);
        out.push_str("<consist></consist><m>1</m>");
        element(&mut out, "rt", &report.route);
        element(&mut out, "rtdd", &report.route);
        element(&mut out, "d", if report.direction == 0 { "East Bound" } else { "West Bound" });
        element(&mut out, "dd", "River & Main");
        element(&mut out, "dn", compass(report.bearing));
        element(&mut out, "lat", report.latitude.to_string());
        element(&mut out, "lon", report.longitude.to_string());
        element(&mut out, "pid", (1800 + report.direction).to_string());
        element(&mut out, "run", &run);
        element(&mut out, "fs", format!("{} RIVER & MAIN", report.route));
        element(&mut out, "op", "519910");
        element(&mut out, "bid", &run);
        element(&mut out, "wid1", "0374");
        if said.drifts {
            element(&mut out, "crowding", "a field of a later version");
        }
        out.push_str("\n\t</bus>");
    }
    out.push_str("\n</buses>\n");
    Body { content_type: "text/xml;charset=UTF-8", bytes: out.into_bytes() }
}

fn compass(bearing: f64) -> &'static str {
    const NAMES: [&str; 8] = ["N", "NE", "E", "SE", "S", "SW", "W", "NW"];
    NAMES[((bearing + 22.5) / 45.0) as usize % 8]
}
