//! SIRI VehicleMonitoring: JSON route by route, as OneBusAway answers it, and
//! XML of everything.

use serde_json::{Value, json};

use super::{Body, Said, element};
use crate::fleet::Report;

/// The list of routes that comes first.
pub(super) fn routes(said: &Said) -> Body {
    let list: Vec<Value> = said
        .fleet
        .routes()
        .map(|r| json!({ "id": r, "shortName": r, "agencyId": "island", "type": 3 }))
        .collect();
    let answer =
        json!({ "code": 200, "text": "OK", "version": 2, "data": { "limitExceeded": false, "list": list } });
    Body { content_type: "application/json", bytes: answer.to_string().into_bytes() }
}

pub(super) fn json(said: &Said) -> Body {
    let now = said.local(said.now);
    let mut delivery = json!({ "ResponseTimestamp": now, "ValidUntil": now });
    // A route without vehicles has no list of them.
    if !said.reports.is_empty() {
        delivery["VehicleActivity"] = said.reports.iter().map(|r| activity(said, r)).collect();
    }
    let answer = json!({ "Siri": { "ServiceDelivery": {
        "ResponseTimestamp": now, "VehicleMonitoringDelivery": [delivery],
    } } });
    Body { content_type: "application/json", bytes: answer.to_string().into_bytes() }
}

fn activity(said: &Said, report: &Report) -> Value {
    let bearing = if said.drifts { json!(report.bearing.to_string()) } else { json!(report.bearing) };
    let day = &report.start_date;
    let day = format!("{}-{}-{}", &day[..4], &day[4..6], &day[6..]);
    let mut journey = json!({
        "LineRef": report.route,
        "DirectionRef": report.direction.to_string(),
        "FramedVehicleJourneyRef": { "DataFrameRef": day, "DatedVehicleJourneyRef": report.trip },
        "PublishedLineName": report.route,
        "OperatorRef": "island",
        "DestinationName": format!("{} Terminal", report.route),
        "SituationRef": [],
        "Monitored": true,
        "VehicleLocation": { "Longitude": report.longitude, "Latitude": report.latitude },
        "Bearing": bearing,
        "ProgressRate": "normalProgress",
        "VehicleRef": format!("island_{}", report.vehicle),
        "MonitoredCall": { "StopPointRef": report.stop, "VisitNumber": 1, "StopPointName": report.stop },
    });
    if said.drifts {
        journey["Crowding"] = json!("a field of a later version");
    }
    json!({ "MonitoredVehicleJourney": journey, "RecordedAtTime": said.local(report.time) })
}

pub(super) fn xml(said: &Said) -> Body {
    let now = said.local(said.now);
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Siri xmlns=\"http://www.siri.org.uk/siri\" version=\"2.0\"><ServiceDelivery>",
    );
    element(&mut out, "ResponseTimestamp", &now);
    element(&mut out, "ProducerRef", "fjord");
    out.push_str("<VehicleMonitoringDelivery version=\"2.0\">");
    element(&mut out, "ResponseTimestamp", &now);
    for report in said.reports {
        out.push_str("<VehicleActivity>");
        element(&mut out, "RecordedAtTime", said.local(report.time));
        out.push_str("<MonitoredVehicleJourney>");
        element(&mut out, "LineRef", &report.route);
        element(&mut out, "DirectionRef", report.direction.to_string());
        out.push_str("<FramedVehicleJourneyRef>");
        element(&mut out, "DataFrameRef", &report.start_date);
        element(&mut out, "DatedVehicleJourneyRef", &report.trip);
        out.push_str("</FramedVehicleJourneyRef>");
        element(&mut out, "PublishedLineName", &report.route);
        element(&mut out, "Monitored", "true");
        out.push_str("<VehicleLocation>");
        element(&mut out, "Longitude", report.longitude.to_string());
        element(&mut out, "Latitude", report.latitude.to_string());
        out.push_str("</VehicleLocation>");
        element(&mut out, "Bearing", report.bearing.to_string());
        if said.drifts {
            element(&mut out, "Crowding", "a field of a later version");
        }
        element(&mut out, "VehicleRef", &report.vehicle);
        out.push_str("</MonitoredVehicleJourney></VehicleActivity>\n");
    }
    out.push_str("</VehicleMonitoringDelivery></ServiceDelivery></Siri>\n");
    Body { content_type: "application/xml", bytes: out.into_bytes() }
}
