//! Adding feeds: from the command line, from another system's configuration,
//! and from a page.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::http::{Answer, Served};
use crate::lake::{DONE, FAILED, FINDINGS, Ran, TestLake, USAGE, await_state};

/// What an endpoint answers at a path: status, content type, body.
type Said = (u16, &'static str, &'static str);

/// Endpoints on this machine, and the heads of all requests that came.
struct Endpoints {
    base: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Endpoints {
    fn start(paths: &[(&'static str, Said)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (paths, heads): (BTreeMap<_, _>, _) = (paths.iter().copied().collect(), asked.clone());
        // It ends with the process.
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut head = String::new();
                for line in
                    BufReader::new(&stream).lines().map_while(Result::ok).take_while(|l| !l.is_empty())
                {
                    head += &format!("{line}\n");
                }
                let path = head.split([' ', '?']).nth(1).unwrap_or_default().to_string();
                heads.lock().unwrap().push(head);
                let (status, kind, body) =
                    paths.get(path.as_str()).copied().unwrap_or((404, "text/plain", "no"));
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        Self { base, asked }
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn was_asked(&self, part: &str) -> bool {
        self.asked.lock().unwrap().iter().any(|head| head.contains(part))
    }
}

const GTFS_RT: &str = r#"{"header":{"gtfsRealtimeVersion":"2.0","timestamp":"1700000000"},"entity":[
{"id":"1","vehicle":{"trip":{"tripId":"t1","routeId":"M1"},"vehicle":{"id":"bus1"},"timestamp":"1700000000",
"position":{"latitude":40.5,"longitude":-73.9}}},
{"id":"2","vehicle":{"trip":{"tripId":"t2","routeId":"M2"},"vehicle":{"id":"bus2"},"timestamp":"1700000010",
"position":{"latitude":40.6,"longitude":-73.8}}}]}"#;
const SIRI: &str = "<Siri><ServiceDelivery><VehicleMonitoringDelivery><VehicleActivity>\
<RecordedAtTime>2024-05-01T10:00:00+02:00</RecordedAtTime><MonitoredVehicleJourney><LineRef>7</LineRef>\
<VehicleLocation><Longitude>10.7</Longitude><Latitude>59.9</Latitude></VehicleLocation>\
<VehicleRef>v7</VehicleRef></MonitoredVehicleJourney></VehicleActivity></VehicleMonitoringDelivery>\
</ServiceDelivery></Siri>";
const CLEVER: &str = "\n\n<buses><time>10:00</time><bus><id>5229</id><rt>159</rt><lat>40.7</lat><lon>-74.0</lon>\
<run>MAN</run></bus></buses>";
const NEXTBUS: &str = "<body copyright='c'><vehicle id='1' routeTag='N' lat='37.7' lon='-122.4' secsSinceReport='5' \
predictable='true' heading='1' speedKmHr='9'/><lastTime time='1700000000000'/></body>";
const GBFS: &str = r#"{"last_updated":1700000000,"ttl":60,"version":"2.3","data":{"stations":[
{"station_id":"a","num_bikes_available":3,"last_reported":1700000000,"is_renting":true},
{"station_id":"b","num_bikes_available":0,"last_reported":1700000060,"is_renting":false}]}}"#;
const XML: &str =
    "<list><car id='1' line='A'><seen>2024-05-01T10:00:00Z</seen></car><car id='2' line='B'/></list>";
const CSV: &str = "time,route,bus_id,lat,lon\n2024-05-01T10:00:00Z,M1,b1,40.5,-73.9\n";
const LINES: &str = "{\"ts\":\"2024-05-01T10:00:00Z\",\"tz\":\"Europe/Oslo\",\"line\":\"7\"}\n{\"ts\":\"2024-05-01T10:01:00Z\",\"tz\":\"Europe/Oslo\",\"line\":\"8\"}\n";

fn all_formats() -> Endpoints {
    Endpoints::start(&[
        ("/gtfs", (200, "application/json", GTFS_RT)),
        ("/siri", (200, "text/xml", SIRI)),
        ("/clever.jsp", (200, "text/xml", CLEVER)),
        ("/nextbus", (200, "text/xml", NEXTBUS)),
        ("/station_status.json", (200, "application/json", GBFS)),
        ("/cars.xml", (200, "text/xml", XML)),
        ("/buses.csv", (200, "text/csv", CSV)),
        ("/lines", (200, "application/json", LINES)),
    ])
}

fn add(lake: &TestLake, url: &str, more: &[&str]) -> Ran {
    let mut args = vec!["feed", "add", url];
    args.extend(more);
    lake.lakegate(&args)
}

#[test]
fn every_format_is_recognised_and_its_file_loads_rows() {
    let endpoints = all_formats();
    let lake = TestLake::new("");
    for (path, name, parts) in [
        (
            "/gtfs",
            "city",
            &["read: gtfs_rt", "dedupe: { key: [vehicle_id, timestamp], by: timestamp }", "route: route_id"]
                [..],
        ),
        ("/siri", "siri", &["read: siri_vm", "partition_by: day(recorded_at_time)", "route: line_ref"]),
        ("/clever.jsp", "clever", &["read: clever_devices", "time: polled_at", "route: rt", "(?<polled_at>"]),
        ("/nextbus", "nextbus", &["read: nextbus", "route: route_tag", "time: timestamp"]),
        (
            "/station_status.json",
            "stations",
            &[
                "json: { records: data.stations }",
                "every: 60s",
                "format: unix",
                "partition_by: day(last_reported)",
            ],
        ),
        ("/cars.xml", "cars", &["xml: { records: list.car }", "route: line"]),
        ("/buses.csv", "buses", &["read: csv", "time: time", "vehicle: bus_id", "latitude: lat"]),
        ("/lines", "lines", &["read: ndjson", "timezone: Europe/Oslo", "time: ts"]),
    ] {
        let url = endpoints.at(path);
        let printed = add(&lake, &url, &["--name", name, "--print"]).is(DONE);
        for part in parts {
            assert!(printed.stdout.contains(part), "{name}: no `{part}`: {printed}");
        }
        assert!(!lake.path(format!("datasets/{name}.yaml")).exists(), "it only prints");
        let added = add(&lake, &url, &["--name", name, "--yes", "--json"]).is(DONE).json();
        assert_eq!(added["written"], json!(true));
        assert!(!added["tables"][0]["rows"].as_array().unwrap().is_empty(), "{added}");
        let text = fs::read_to_string(lake.path(format!("datasets/{name}.yaml"))).unwrap();
        assert_eq!(added["yaml"], json!(text));
    }
    lake.lakegate(&["check"]).is(DONE);
    lake.run();
    for (table, n) in [
        ("city.vehicles", 2),
        ("siri.siri", 1),
        ("clever.clever", 1),
        ("nextbus.nextbus", 1),
        ("stations.stations", 2),
        ("cars.cars", 2),
        ("buses.buses", 1),
        ("lines.lines", 2),
    ] {
        assert_eq!(lake.value(&format!("select count(*) from transit.{table}")), n, "{table}");
    }
    let time = |sql: &str| lake.lines(sql).join(" ");
    assert_eq!(
        time("select last_reported from stations order by 1"),
        "2023-11-14T22:13:20Z 2023-11-14T22:14:20Z"
    );
    assert!(
        time("select polled_at from clever").starts_with("20"),
        "{}",
        time("select polled_at from clever")
    );
    lake.prove();
}

#[test]
fn keys_that_are_written_out_become_references() {
    let endpoints = all_formats();
    let lake = TestLake::new("teams: [ops]\n");
    let url = format!("{}?api_key=sekret-1&v=2", endpoints.at("/buses.csv"));
    let header = "X-Auth-Token: sekret-2";
    let added = add(&lake, &url, &["--header", header, "--header", "Accept: text/csv", "--yes"]).is(DONE);
    let text = fs::read_to_string(lake.path("datasets/buses.yaml")).unwrap();
    assert!(text.contains("api_key=${env:BUSES_KEY}&v=2"), "{text}");
    assert!(
        text.contains("X-Auth-Token: '${env:BUSES_KEY_2}'") && text.contains("Accept: text/csv"),
        "{text}"
    );
    assert!(added.stderr.contains("BUSES_KEY ") && added.stderr.contains("BUSES_KEY_2"), "{added}");
    assert!(!format!("{text}{added}").replace(&added.command, "").contains("sekret"), "{added}");
    assert!(endpoints.was_asked("api_key=sekret-1&v=2") && endpoints.was_asked("sekret-2"));

    // The next one has another name, and one that is there is never overwritten.
    add(&lake, &url, &["--yes"]).is(DONE);
    assert!(lake.path("datasets/buses_2.yaml").exists());
    add(&lake, &url, &["--name", "buses", "--yes"]).is(USAGE).says("already").says("buses_3");
    assert_eq!(fs::read_to_string(lake.path("datasets/buses.yaml")).unwrap(), text);

    // With the variables the feed is polled; without them it says which is missing.
    assert!(lake.lakegate(&["run"]).stderr.contains("BUSES_KEY"));
    let keys = [("BUSES_KEY", "k1"), ("BUSES_KEY_2", "k2"), ("BUSES_2_KEY", "k3")];
    await_state("it was polled with its key", || {
        lake.lakegate_with(&keys, &["run"]);
        endpoints.was_asked("api_key=k1&v=2").then_some(())
    });
    // A reference is resolved when the endpoint is looked at, too.
    let url = format!("{}?key=${{env:MINE}}", endpoints.at("/lines"));
    add(&lake, &url, &["--print"]).is(FAILED).says("MINE");
    lake.lakegate_with(&[("MINE", "k4")], &["feed", "add", &url, "--print"]).is(DONE).says("${env:MINE}");
    assert!(endpoints.was_asked("key=k4"));
}

#[test]
fn what_is_no_feed_is_told_with_what_to_do() {
    let endpoints = Endpoints::start(&[
        ("/page", (200, "text/html", "<!doctype html><html><head><title>Sign in</title></head></html>")),
        ("/wrong", (200, "application/json", "{\"error\":\"invalid key\"}")),
        ("/nothing", (200, "application/json", "")),
        ("/empty", (200, "application/json", "{\"header\":{\"gtfsRealtimeVersion\":\"2.0\"},\"entity\":[]}")),
        ("/none", (200, "application/json", "{\"data\":{\"bikes\":[]}}")),
        ("/key", (401, "text/plain", "who?")),
        ("/no", (403, "text/plain", "no")),
        ("/binary", (200, "application/octet-stream", "\u{1}\u{0}\u{2}")),
    ]);
    let lake = TestLake::new("");
    for (path, parts) in [
        ("/page", &["web page", "Sign in", "help:"][..]),
        ("/wrong", &["invalid key", "help:"]),
        ("/nothing", &["nothing at all"]),
        ("/empty", &["gtfs_rt", "without a single row", "ask when"]),
        ("/none", &["empty now"]),
        ("/key", &["401", "--header"]),
        ("/no", &["403", "--header"]),
        ("/gone", &["404", "look at the address"]),
        ("/binary", &["neither text nor"]),
    ] {
        let ran = add(&lake, &endpoints.at(path), &["--yes"]).is(FAILED);
        assert!(parts.iter().all(|p| ran.stderr.contains(p)), "{path}: {ran}");
    }
    let refused =
        add(&lake, "http://127.0.0.1:1/x?key=sekret", &["--yes"]).is(FAILED).says("cannot be reached");
    assert!(!refused.stderr.contains("sekret"), "{refused}");
    let url = endpoints.at("/page");
    add(&lake, &url, &[]).is(USAGE).says("--yes").says("--print");
    add(&lake, "nonsense", &["--yes"]).is(USAGE).says("is not an address");
    add(&lake, &url, &["--yes", "--timezone", "Mars/Base"]).is(USAGE).says("Mars/Base");
    add(&lake, &url, &["--yes", "--name", "Not A Name"]).is(USAGE).says("not_a_name");
    add(&lake, &url, &["--yes", "--every", "often"]).is(USAGE).says("often");
    assert!(lake.files_below("datasets").is_empty(), "nothing was written");
    TestLake::new("teams: [a, b]\n")
        .lakegate(&["feed", "add", &url, "--yes"])
        .is(USAGE)
        .says("--team")
        .says("a, b");
}

const STACK: &str = r#"{"bucket_name":"b","feeds":{
"sf_muni":{"publish":"True","system_name":"Muni","city_name":"San Francisco","feed_type":"gtfsrt",
 "url":"https://api.example.org/vp?api_key={}&agency=SF","api_key":"sekret-sf","header":"False",
 "route_key":"vehicle.trip.route_id","timestamp_key":"vehicle.timestamp","tz":"America/Los_Angeles","notes":""},
"tfnsw_bus":{"publish":"False","system_name":"Buses","feed_type":"gtfsrt","url":"https://h.example.org/buses",
 "api_key":"sekret-nsw","header":"True","header_format":{"key_name":"Authorization","template":"apikey {key_value}"},
 "route_key":"vehicle.trip.route_id","timestamp_key":"vehicle.timestamp","tz":"Australia/Sydney"},
"nyct_mta_bus_siri":{"publish":"True","feed_type":"siri","url":"http://bustime.mta.info","api_key":"sekret-mta",
 "header":"False","route_key":"route","timestamp_key":"timestamp","tz":"America/New_York"},
"njtransit_bus":{"publish":"True","feed_type":"njxml","url":"http://h.example.org/getBusesForRouteAll.jsp",
 "api_key":"","header":"False","route_key":"rt","timestamp_key":"timestamp","tz":"America/New_York"},
"odd":{"publish":"True","feed_type":"netex","url":"https://h.example.org/x","tz":"UTC"},
"lost":{"publish":"True","feed_type":"gtfsrt","url":"https://h.example.org/x","tz":"Mars/Base"}}}"#;

#[test]
fn a_bus_observatory_is_imported() {
    let lake = TestLake::new("");
    lake.write("stack_config.json", STACK);
    let args = ["import", "busobservatory", "stack_config.json"];
    let looked = lake.lakegate(&[&args[..], &["--dry-run"]].concat()).is(FINDINGS);
    assert!(lake.files_below("datasets").is_empty(), "{looked}");
    let ran = lake.lakegate(&args).is(FINDINGS).says("netex").says("Mars/Base");
    assert!(!ran.text().contains("sekret"), "{ran}");
    for variable in ["SF_MUNI_KEY", "TFNSW_BUS_KEY", "NYCT_MTA_BUS_SIRI_KEY"] {
        assert!(ran.stderr.contains(&format!("set {variable} ")), "{ran}");
    }
    lake.lakegate(&["check"]).is(DONE);
    let files = lake.files_below("datasets");
    assert_eq!(
        files.iter().map(String::as_str).collect::<Vec<_>>(),
        ["njtransit_bus.yaml", "nyct_mta_bus_siri.yaml", "sf_muni.yaml", "tfnsw_bus.yaml"]
    );
    let text = |name: &str| fs::read_to_string(lake.path(format!("datasets/{name}.yaml"))).unwrap();
    for name in &files {
        assert!(
            !fs::read_to_string(lake.path(format!("datasets/{name}"))).unwrap().contains("sekret"),
            "{name}"
        );
    }
    assert!(text("sf_muni").contains("api_key=${env:SF_MUNI_KEY}&agency=SF"), "{}", text("sf_muni"));
    assert!(text("sf_muni").contains("route: vehicle.trip.route_id"), "{}", text("sf_muni"));
    assert!(!text("tfnsw_bus").contains("publish:"), "{}", text("tfnsw_bus"));
    assert!(text("tfnsw_bus").contains("'apikey ${env:TFNSW_BUS_KEY}'"), "{}", text("tfnsw_bus"));
    assert!(text("nyct_mta_bus_siri").contains("items: data.list.id"), "{}", text("nyct_mta_bus_siri"));

    // What is there stays, and is told.
    let again = lake.lakegate(&[&args[..], &["--json"]].concat()).is(FINDINGS).json();
    assert_eq!(again["refused"].as_array().unwrap().len(), 6, "{again}");
    lake.lakegate(&["import", "busobservatory", "lake.yaml"]).is(USAGE).says("not JSON");
    lake.lakegate(&["import", "busobservatory", "nowhere.json"]).is(USAGE).says("nowhere.json");

    // Its rows keep the names that clients know, and the old address answers.
    lake.land("landing/transit/sf_muni/20231114T221321.000Z-0123abcd.json", GTFS_RT);
    lake.land("landing/transit/njtransit_bus/20231114T221321.000Z-0123abcd.xml", CLEVER);
    lake.lakegate(&["run", "--dataset", "transit.njtransit_bus"]);
    lake.lakegate(&["run", "--dataset", "transit.sf_muni"]);
    let served = Served::of(&lake, &[]);
    let hour = served.get("/buses/bulk/sf_muni/M1/2023/11/14/14").is(200).json();
    assert_eq!(hour["result"][0]["vehicle.vehicle.id"], "bus1", "{hour}");
    let hour = served.get("/buses/bulk/njtransit_bus/159/2023/11/14/17").is(200).json();
    assert_eq!(hour["result"][0]["id"], "5229", "{hour}");
}

/// The value of a hidden field of a form.
fn hidden(page: &Answer, name: &str) -> String {
    let text = page.text();
    let mark = format!("name=\"{name}\" value=\"");
    let at = text.find(&mark).unwrap_or_else(|| panic!("no `{name}` in {text}")) + mark.len();
    text[at..].split('"').next().unwrap().to_string()
}

fn post(served: &Served, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
    let encoded = |text: &str| -> String {
        text.bytes()
            .map(|b| match b {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => (b as char).to_string(),
                b => format!("%{b:02X}"),
            })
            .collect()
    };
    let body: Vec<String> = fields.iter().map(|(k, v)| format!("{k}={}", encoded(v))).collect();
    let mut all = vec![("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "text/html")];
    all.extend(headers);
    served.ask("POST", "/feeds/new", &all, body.join("&").as_bytes())
}

#[test]
fn a_feed_is_added_on_a_page_and_served_at_once() {
    let endpoints = all_formats();
    let lake = TestLake::new("");
    let served = Served::of(&lake, &["--admin"]);
    assert!(served.page("/feeds").is(200).text().contains("href=\"/feeds/new\""));
    let page = served.page("/feeds/new").is(200);
    assert_eq!(page.header("referrer-policy"), Some("same-origin"), "or its form would come from nowhere");
    assert_eq!(page.header("access-control-allow-origin"), None);
    let token = hidden(&page, "token");
    let origin = format!("http://{}", served.address);
    let own = [("Origin", origin.as_str())];

    let url = format!("{}?key=sekret-1", endpoints.at("/gtfs"));
    let fields =
        [("token", token.as_str()), ("url", &url), ("name", "city"), ("timezone", "America/New_York")];
    let proposal = post(&served, &fields, &own).is(200);
    let text = proposal.text();
    for part in ["read: gtfs_rt", "datasets/city.yaml", "CITY_KEY", "bus1", "vehicles"] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    assert!(!text.contains("sekret"), "{text}");
    assert!(!lake.path("datasets/city.yaml").exists(), "nobody has said yes");
    let number = hidden(&proposal, "proposal");
    let yes = [("token", token.as_str()), ("proposal", number.as_str())];
    post(&served, &yes, &own).is(201);
    assert!(fs::read_to_string(lake.path("datasets/city.yaml")).unwrap().contains("${env:CITY_KEY}"));
    // The same process serves it without a restart.
    let feeds = served.get("/feeds.json").is(200).json();
    assert_eq!(feeds.to_string().matches("\"city\"").count(), 1, "{feeds}");
    // Once more is refused, and so is what nobody has proposed.
    assert!(post(&served, &yes, &own).is(422).text().contains("city.yaml"));
    post(&served, &[("token", &token), ("proposal", "99")], &own).is(404);
    // What is wrong is told beside the form, and no key with it.
    let wrong = [
        ("token", token.as_str()),
        ("url", "http://127.0.0.1:1/?key=sekret-2"),
        ("headers", "Cookie: sekret-3"),
    ];
    let wrong = post(&served, &wrong, &own).is(422).text();
    assert!(wrong.contains("cannot be reached") && !wrong.contains("sekret"), "{wrong}");
    let no_colon =
        post(&served, &[("token", &token), ("url", &url), ("headers", "sekret-4")], &own).is(422).text();
    assert!(no_colon.contains("has no") && !no_colon.contains("sekret"), "{no_colon}");
}

#[test]
fn only_forms_of_the_server_itself_change_the_lake() {
    let endpoints = all_formats();
    let lake = TestLake::new("");
    let served = Served::of(&lake, &["--admin"]);
    let token = hidden(&served.page("/feeds/new").is(200), "token");
    let url = endpoints.at("/gtfs");
    let origin = format!("http://{}", served.address);
    let right = [("token", token.as_str()), ("url", url.as_str())];
    for (fields, headers) in [
        (&right[..], &[("Origin", "http://evil.example.org")][..]),
        (&right, &[("Origin", "null")]),
        (&right, &[("Sec-Fetch-Site", "cross-site")]),
        (&[("url", url.as_str())], &[("Origin", origin.as_str())]),
        (&[("token", "x"), ("url", url.as_str())], &[("Origin", origin.as_str())]),
    ] {
        post(&served, fields, headers).is(403);
    }
    assert!(endpoints.asked.lock().unwrap().is_empty(), "nobody was asked");
    // Another machine, which a proxy tells of; another name.
    let behind = Served::of(&lake, &["--admin", "--behind-proxy", "--name", "lake.example.org"]);
    behind.ask("GET", "/feeds/new", &[("X-Forwarded-For", "10.0.0.9")], b"").is(403);
    served.ask("GET", "/feeds/new", &[("Host", "evil.example.org")], b"").is(421);
    // Without the option there is no such page, and elsewhere it is not begun.
    let plain = Served::of(&lake, &[]);
    plain.get("/feeds/new").is(404);
    post(&plain, &right, &[]).is(405);
    lake.lakegate(&["serve", "--listen", "0.0.0.0:0", "--admin"]).is(USAGE).says("--admin-from-anywhere");
    let paths = served.get("/openapi.json").is(200).json()["paths"].clone();
    assert!(paths["/feeds/new"]["post"]["requestBody"] != Value::Null, "{paths}");
}
