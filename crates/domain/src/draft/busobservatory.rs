//! A Bus Observatory's `stack_config.json` as dataset files.
//!
//! One object for each feed, by its system's id. What is true is written
//! `"True"`. Keys stand in the file: none of them leaves this module but as a
//! reference.

use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use super::{Draft, Hidden, List, Publish, Read, TableOf, TimeColumn, Variable, check_name, when_polled};
use crate::model::{Format, GtfsRt, Names};
use crate::transit::records::Preset;
use crate::transit::{self, gtfs_rt};

/// How often feeds were asked, however they are declared.
const EVERY: &str = "1m";
/// How long a list of routes is good for.
const KEEP: &str = "1h";
const STALE_AFTER: &str = "10m";

/// The only server of SIRI that the Bus Observatory could ask, and the agency
/// whose routes it asked for; its program knew both, whatever the file says.
const SIRI_HOST: &str = "http://bustime.mta.info";
const SIRI_AGENCY: &str = "MTA%20NYCT";
const ROUTE_LIST: &str = "/api/where/routes-for-agency/";

/// What a configuration comes to.
#[derive(Debug, Default)]
pub struct Imported {
    pub drafts: Vec<Imports>,
    /// Feeds that cannot be expressed, and why.
    pub refused: Vec<(String, String)>,
}

/// A feed that can be expressed.
#[derive(Debug)]
pub struct Imports {
    pub system_id: String,
    pub draft: Draft,
    pub variables: Vec<Variable>,
    /// What is not as it was, in sentences.
    pub notes: Vec<String>,
}

/// A feed as it is declared. Everything may be missing or empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Declared {
    publish: Flag,
    system_name: String,
    city_name: String,
    feed_type: String,
    url: String,
    api_key: String,
    header: Flag,
    header_format: HeaderFormat,
    route_key: String,
    timestamp_key: String,
    tz: String,
    notes: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HeaderFormat {
    key_name: String,
    template: String,
}

/// A truth that is written as text, or as one.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(try_from = "Value")]
struct Flag(bool);

impl TryFrom<Value> for Flag {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value {
            Value::Bool(b) => Ok(Flag(b)),
            Value::Null => Ok(Flag(false)),
            Value::String(s) if s.eq_ignore_ascii_case("true") => Ok(Flag(true)),
            Value::String(s) if s.is_empty() || s.eq_ignore_ascii_case("false") => Ok(Flag(false)),
            _ => Err("`publish` and `header` are \"True\" or \"False\"".into()),
        }
    }
}

/// Reads a configuration. `team` is the team of its datasets.
///
/// # Errors
/// A sentence where it is no configuration at all.
pub fn import(text: &str, team: &str) -> Result<Imported, String> {
    let document: Value = serde_json::from_str(text).map_err(|e| {
        format!(
            "it is not JSON: line {}, column {}; save it as the deployment reads it",
            e.line(),
            e.column()
        )
    })?;
    let Some(feeds) = document.get("feeds").and_then(Value::as_object) else {
        return Err("it has no `feeds: { … }`; give the `stack_config.json` of a Bus Observatory".into());
    };
    let mut imported = Imported::default();
    for (system_id, declared) in feeds {
        match of(system_id, declared, team) {
            Ok(found) => imported.drafts.push(found),
            Err(why) => imported.refused.push((system_id.clone(), why)),
        }
    }
    Ok(imported)
}

fn of(system_id: &str, declared: &Value, team: &str) -> Result<Imports, String> {
    check_name(system_id).map_err(|better| {
        let better = better.map_or_else(String::new, |b| format!(", such as `{b}`"));
        format!("its id cannot be the name of a dataset; rename it in the file{better}")
    })?;
    // `null` is as good as missing.
    let keys: Map<String, Value> = declared
        .as_object()
        .ok_or("it is not an object; write `{ \"feed_type\": …, \"url\": … }`")?
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    // The error of a wrong type would show the value, which may be a key.
    let keys: Declared = serde_json::from_value(Value::Object(keys))
        .map_err(|_| "a value has the wrong type: all are texts, `header_format` is an object of texts")?;
    let kind = Kind::of(&keys.feed_type)?;
    let mut draft = Draft {
        name: system_id.to_string(),
        team: team.to_string(),
        description: description(&keys),
        timezone: Some(keys.tz.trim().to_string()).filter(|tz| !tz.is_empty()),
        every: EVERY.into(),
        ..Draft::default()
    };
    let mut notes = Vec::new();
    if draft.timezone.is_none() {
        notes.push("it says no `tz`: its local hours go by the lake's `timezone`".to_string());
    }
    let variables = request(&keys, kind, &mut draft, &mut notes)?;
    kind.rows(&mut draft);
    publish(&keys, kind, &mut draft, &mut notes);
    Ok(Imports { system_id: system_id.to_string(), draft, variables, notes })
}

fn description(keys: &Declared) -> Option<String> {
    let place = [&keys.system_name, &keys.city_name].map(|t| t.trim());
    let named = place.into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join(", ");
    let all = [named.as_str(), keys.notes.trim()];
    let text = all.into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join(". ");
    Some(text).filter(|t| !t.is_empty())
}

/// Address and headers of the draft, and the secrets that stood in them.
fn request(
    keys: &Declared,
    kind: Kind,
    draft: &mut Draft,
    notes: &mut Vec<String>,
) -> Result<Vec<Variable>, String> {
    let key = keys.api_key.trim();
    let own = Variable { name: format!("{}_KEY", draft.name.to_ascii_uppercase()), value: key.to_string() };
    let reference = format!("${{env:{}}}", own.name);
    let mut headers = Vec::new();
    if keys.header.0 {
        let HeaderFormat { key_name, template } = &keys.header_format;
        if key_name.trim().is_empty() || key.is_empty() {
            return Err(
                "its key goes into a header, but `header_format.key_name` or `api_key` is missing".into()
            );
        }
        let template = if template.is_empty() { "{key_value}" } else { template };
        headers.push((key_name.clone(), template.replace("{key_value}", &reference)));
    }
    if keys.url.contains("{}") && key.is_empty() {
        return Err("its `url` has a place for a key, `{}`, and there is no `api_key`".into());
    }
    let mut url = keys.url.trim().replace("{}", &reference);
    let mut list = None;
    if kind == Kind::Siri {
        (url, list) = siri(&url, (!key.is_empty()).then_some(&reference), notes)?;
    }
    if url.is_empty() {
        return Err("it has no `url`".into());
    }
    let is_used = [Some(&url), list.as_ref()]
        .into_iter()
        .flatten()
        .chain(headers.iter().map(|(_, value)| value))
        .any(|text| text.contains(&reference));
    // A key that is pasted into the address gets the same name.
    let known = if key.is_empty() { Vec::new() } else { vec![own] };
    let hidden = Hidden::beside(known, &draft.name, &url, &headers);
    let of_list = list.map(|list| Hidden::beside(hidden.variables.clone(), &draft.name, &list, &[]));
    draft.url = hidden.url;
    draft.headers = hidden.headers;
    draft.auth = hidden.auth;
    let mut variables = hidden.variables;
    if let Some(hidden) = of_list {
        variables = hidden.variables;
        draft.list = Some(List { url: hidden.url, items: "data.list.id".into(), keep: KEEP.into() });
    }
    let is_pasted = draft.url.contains(&reference);
    if !key.is_empty() && !is_used && !is_pasted {
        notes.push("its `api_key` was sent nowhere, and is not taken over".into());
        variables.remove(0);
    }
    Ok(variables)
}

/// The addresses of a feed of SIRI: of each route, and of the list of routes.
fn siri(
    url: &str,
    key: Option<&String>,
    notes: &mut Vec<String>,
) -> Result<(String, Option<String>), String> {
    const EACH: &str = "/api/siri/vehicle-monitoring.json";
    if url.contains(EACH) && (url.contains("LineRef=") || !url.contains("bustime.mta.info")) {
        return Ok((url.to_string(), None));
    }
    let given = if url.is_empty() { SIRI_HOST } else { url };
    // Its secrets are no part of what is looked at here.
    let bare = given.split('?').next().unwrap_or_default();
    let parsed = Url::parse(bare).ok().filter(Url::has_host).ok_or("its `url` is not an address")?;
    let origin = parsed.origin().ascii_serialization();
    let agency = match parsed.path().strip_prefix(ROUTE_LIST) {
        Some(file) => file.trim_end_matches(".json").to_string(),
        None if parsed.host_str().is_some_and(|h| h.ends_with("mta.info") || h.ends_with("obanyc.com")) => {
            notes.push(format!(
                "its routes are those of {}, which the Bus Observatory's program asked for",
                SIRI_AGENCY.replace("%20", " ")
            ));
            SIRI_AGENCY.to_string()
        }
        None => {
            return Err(format!(
                "nothing tells its routes: make its `url` the list of them, `{origin}{ROUTE_LIST}AGENCY.json?key={{}}`"
            ));
        }
    };
    let (before, behind) =
        key.map_or_else(Default::default, |key| (format!("key={key}&"), format!("?key={key}")));
    let each = format!("{origin}{EACH}?{before}VehicleMonitoringDetailLevel=calls&LineRef={{item}}");
    Ok((each, Some(format!("{origin}{ROUTE_LIST}{agency}.json{behind}"))))
}

/// What feeds there were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    GtfsRt,
    Siri,
    CleverDevices,
}

/// The table's name of when a poll began, where the feed tells no time.
const POLLED: &str = "timestamp";

impl Kind {
    fn of(word: &str) -> Result<Self, String> {
        match word.trim() {
            "gtfsrt" => Ok(Kind::GtfsRt),
            "siri" => Ok(Kind::Siri),
            "njxml" => Ok(Kind::CleverDevices),
            "" => Err("it says no `feed_type`".into()),
            other => Err(format!("its `feed_type`, `{other}`, is none of gtfsrt, siri and njxml")),
        }
    }

    /// How its answers are read, and what their rows are laid out by.
    fn rows(self, draft: &mut Draft) {
        draft.read = Some(Read::BusObservatory(match self {
            Kind::GtfsRt => "gtfs_rt",
            Kind::Siri => Preset::SiriVm.name(),
            Kind::CleverDevices => Preset::CleverDevices.name(),
        }));
        match self {
            Kind::GtfsRt => draft.tables.push(TableOf {
                name: draft.name.clone(),
                stream: "vehicle".into(),
                partition_by: Some("vehicle.timestamp".into()),
                // As it was: clients count on every row.
                dedupe: None,
            }),
            Kind::Siri => draft.partition_by = Some("timestamp".into()),
            Kind::CleverDevices => {
                draft.pattern = Some(when_polled(POLLED));
                draft.columns.push(TimeColumn::polled(POLLED));
                draft.partition_by = Some(POLLED.into());
            }
        }
    }

    /// The columns by which it is served: route, time, vehicle, latitude, longitude.
    fn roles(self) -> [&'static str; 5] {
        match self {
            Kind::GtfsRt => [
                "vehicle.trip.route_id",
                "vehicle.timestamp",
                "vehicle.vehicle.id",
                "vehicle.position.latitude",
                "vehicle.position.longitude",
            ],
            Kind::Siri => ["route", "timestamp", "vehicle_id", "lat", "lon"],
            Kind::CleverDevices => ["rt", POLLED, "id", "lat", "lon"],
        }
    }

    /// Whether its rows have a column.
    fn has(self, column: &str) -> bool {
        let names = Names::BusObservatory;
        let format = match self {
            Kind::GtfsRt => Format::GtfsRt(GtfsRt { names, ..GtfsRt::default() }),
            Kind::Siri => Format::Records(Preset::SiriVm, names),
            Kind::CleverDevices => Format::Records(Preset::CleverDevices, names),
        };
        let vehicle = gtfs_rt::STREAMS[0].name;
        (self == Kind::CleverDevices && column == POLLED)
            || transit::columns(&format, Some(vehicle)).iter().any(|c| c.name == column)
    }
}

fn publish(keys: &Declared, kind: Kind, draft: &mut Draft, notes: &mut Vec<String>) {
    if !keys.publish.0 {
        return;
    }
    let [route, time, vehicle, latitude, longitude] = kind.roles();
    let mut column = |key: &str, given: &str, usual: &str| {
        let given = given.trim();
        if given.is_empty() || given == usual {
            return usual.to_string();
        }
        if kind.has(given) {
            return given.to_string();
        }
        notes.push(format!("its `{key}`, `{given}`, is no column of such a feed; `{usual}` takes its place"));
        usual.to_string()
    };
    draft.publish = Some(Publish {
        table: None,
        route: column("route_key", &keys.route_key, route),
        time: column("timestamp_key", &keys.timestamp_key, time),
        vehicle: Some(vehicle.into()),
        position: Some((latitude.into(), longitude.into())),
    });
    draft.stale_after = Some(STALE_AFTER.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Literals in this file stand for keys; none of them may ever be shown.
    const KEY: &str = "sekret-1234";

    fn imported(feeds: &str) -> Imported {
        let text = format!("{{\"bucket_name\":\"b\",\"feeds\":{{{feeds}}}}}");
        import(&text, "transit").unwrap()
    }

    #[test]
    fn every_style_of_authentication() {
        for (keys, url, header) in [
            ("\"url\":\"https://h/x\"", "https://h/x", None),
            (
                "\"url\":\"https://h/x?key={}\",\"api_key\":\"sekret-1234\",\"header\":\"False\"",
                "https://h/x?key=${env:A_KEY}",
                None,
            ),
            (
                "\"url\":\"https://h/x\",\"api_key\":\"sekret-1234\",\"header\":\"True\",\
                 \"header_format\":{\"key_name\":\"Authorization\",\"template\":\"apikey {key_value}\"}",
                "https://h/x",
                Some("apikey ${env:A_KEY}"),
            ),
            // Pasted into the address.
            (
                "\"url\":\"https://h/x?token=sekret-1234\",\"api_key\":\"sekret-1234\",\"header\":\"False\"",
                "https://h/x?token=${env:A_KEY}",
                None,
            ),
            (
                "\"url\":\"https://h/x?token=sekret-1234\",\"api_key\":\"other\"",
                "https://h/x?token=${env:A_KEY_2}",
                None,
            ),
        ] {
            let found = imported(&format!("\"a\":{{\"feed_type\":\"gtfsrt\",\"tz\":\"UTC\",{keys}}}"));
            assert!(found.refused.is_empty(), "{found:?}");
            let Imports { draft, variables, .. } = &found.drafts[0];
            assert_eq!(draft.url, url, "{keys}");
            assert_eq!(draft.headers.first().map(|(_, v)| v.as_str()), header);
            for shown in [draft.yaml(), format!("{found:?}")] {
                assert!(!shown.contains(KEY), "{shown}");
            }
            let wants = draft.yaml().contains("${env:");
            assert_eq!(variables.iter().any(|v| v.value == KEY), wants && keys.contains(KEY), "{keys}");
        }
    }

    #[test]
    fn siri_asks_for_its_routes_first() {
        let of = |url: &str| {
            let keys = format!(
                "\"feed_type\":\"siri\",\"url\":\"{url}\",\"api_key\":\"sekret-1234\",\"tz\":\"UTC\""
            );
            imported(&format!("\"a\":{{{keys}}}"))
        };
        let each = "?key=${env:A_KEY}&VehicleMonitoringDetailLevel=calls&LineRef={item}";
        for (url, origin, agency) in [
            ("", "http://bustime.mta.info", "MTA%20NYCT"),
            ("http://bustime.mta.info/?key={}", "http://bustime.mta.info", "MTA%20NYCT"),
            ("https://h.org/api/where/routes-for-agency/7.json?key={}", "https://h.org", "7"),
        ] {
            let found = of(url);
            let draft = &found.drafts[0].draft;
            assert_eq!(draft.url, format!("{origin}/api/siri/vehicle-monitoring.json{each}"));
            let list = draft.list.as_ref().unwrap();
            assert_eq!(
                list.url,
                format!("{origin}/api/where/routes-for-agency/{agency}.json?key=${{env:A_KEY}}")
            );
        }
        let refused = of("https://h.org/vehicles");
        assert!(
            refused.drafts.is_empty() && refused.refused[0].1.contains("routes-for-agency"),
            "{refused:?}"
        );
    }

    #[test]
    fn what_is_published_and_by_which_columns() {
        let of = |more: &str| {
            let keys = format!("\"feed_type\":\"gtfsrt\",\"url\":\"https://h/x\",\"tz\":\"UTC\"{more}");
            imported(&format!("\"a\":{{{keys}}}")).drafts.remove(0)
        };
        assert_eq!(of(",\"publish\":\"False\"").draft.publish, None);
        let publish =
            of(",\"publish\":\"True\",\"route_key\":\"vehicle.trip.trip_id\"").draft.publish.unwrap();
        assert_eq!(
            (publish.route.as_str(), publish.time.as_str()),
            ("vehicle.trip.trip_id", "vehicle.timestamp")
        );
        let odd = of(",\"publish\":true,\"route_key\":\"line\"");
        assert_eq!(odd.draft.publish.unwrap().route, "vehicle.trip.route_id");
        assert!(odd.notes[0].contains("`line`"), "{:?}", odd.notes);
    }

    #[test]
    fn what_cannot_be_expressed_is_named() {
        let found = imported(
            "\"Bad Id\":{\"feed_type\":\"gtfsrt\",\"url\":\"https://h/x\"},\"b\":{\"feed_type\":\"netex\",\"url\":\"u\"},\
             \"c\":{\"feed_type\":\"gtfsrt\"},\"d\":{\"feed_type\":\"gtfsrt\",\"url\":7,\"api_key\":\"sekret-1234\"},\"e\":3,\
             \"f\":{\"feed_type\":\"gtfsrt\",\"url\":\"https://h/{}\"},\"g\":{\"publish\":\"maybe\"}",
        );
        assert!(found.drafts.is_empty());
        let why: Vec<_> = found.refused.iter().map(|(id, why)| format!("{id}: {why}")).collect();
        for (n, part) in
            ["bad_id", "netex", "no `url`", "wrong type", "not an object", "api_key", "wrong type"]
                .iter()
                .enumerate()
        {
            assert!(why[n].contains(part), "{}", why[n]);
        }
        assert!(!why.join(" ").contains(KEY));
        for text in ["{", "[]", "{\"feeds\":[]}"] {
            assert!(import(text, "t").is_err(), "{text}");
        }
    }
}
