//! NextBus `vehicleLocations`: values are attributes, and ages of reports.

use quick_xml::escape::escape;

use super::{Body, Said};

pub(super) fn xml(said: &Said) -> Body {
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"utf-8\" ?>\n<body copyright=\"Simulated; no rights are reserved.\">\n",
    );
    for report in said.reports {
        let age = said.now.as_second() - report.time.as_second();
        let km_per_h = (report.speed * 3.6).round();
        let drift = if said.drifts { " crowding=\"a field of a later version\"" } else { "" };
        out.push_str(&format!(
            "<vehicle id=\"{}\" routeTag=\"{}\" dirTag=\"{}_{}\" lat=\"{}\" lon=\"{}\" secsSinceReport=\"{age}\" \
             predictable=\"true\" heading=\"{}\" speedKmHr=\"{km_per_h}\"{drift}/>\n",
            escape(report.vehicle.as_str()),
            escape(report.route.as_str()),
            escape(report.route.as_str()),
            report.direction,
            report.latitude,
            report.longitude,
            report.bearing.round(),
        ));
    }
    out.push_str(&format!("<lastTime time=\"{}\"/>\n</body>\n", said.now.as_millisecond()));
    Body { content_type: "text/xml", bytes: out.into_bytes() }
}
