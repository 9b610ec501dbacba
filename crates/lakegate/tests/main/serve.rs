//! The lake over HTTP, asked as programs and browsers ask.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::http::{Answer, Served, serve};
use crate::lake::{DONE, FAILED, TestLake, await_state};

const FEED: &str = "\
timezone: America/New_York
columns: { at: timestamp, route: string, bus: string, lat: float, lon: float, note: string }
partition_by: day(at)
publish: { name: city, route: route, time: at, vehicle: bus, latitude: lat, longitude: lon }
";

/// A row every `step` minutes from `start` on; two routes take turns.
fn positions(start: &str, n: i64, step: i64) -> String {
    let start: Timestamp = start.parse().unwrap();
    let mut text = String::from("at,route,bus,lat,lon,note\n");
    for i in 0..n {
        let at = start + SignedDuration::from_mins(i * step);
        let (route, bus) = (["M1", "B 2/3"][i as usize % 2], i % 5);
        writeln!(text, "{at},{route},bus{bus},{},{},", 40.5 + (i % 7) as f64 / 10.0, -73.9).unwrap();
    }
    text
}

fn lake_of(files: &[(&str, String)]) -> TestLake {
    let lake = TestLake::with("bus", FEED);
    for (name, text) in files {
        lake.land(&format!("landing/ops/bus/{name}"), text);
    }
    lake.run();
    lake
}

fn times(rows: &Value) -> Vec<Timestamp> {
    rows.as_array().unwrap().iter().map(|r| r["at"].as_str().unwrap().parse().unwrap()).collect()
}

#[test]
fn local_hours_of_many_zones() {
    // Changes of clocks on both sides of the equator, by half an hour too, and
    // the ends of a month and a year; a row every fifteen minutes.
    let days = [
        ("America/New_York", date(2024, 3, 10)),
        ("America/New_York", date(2024, 11, 3)),
        ("America/New_York", date(2023, 12, 31)),
        ("Europe/London", date(2024, 3, 31)),
        ("Europe/London", date(2024, 10, 27)),
        ("Australia/Lord_Howe", date(2024, 4, 7)),
        ("Australia/Lord_Howe", date(2024, 10, 6)),
        ("America/St_Johns", date(2024, 11, 3)),
        ("Africa/Casablanca", date(2024, 4, 14)),
        ("Asia/Kolkata", date(2024, 2, 29)),
        ("Asia/Kathmandu", date(2023, 12, 31)),
    ];
    let mut starts: BTreeSet<String> = BTreeSet::new();
    for (_, day) in days {
        starts.insert(format!("{}T00:00:00Z", day.yesterday().unwrap()));
    }
    let files: Vec<_> =
        starts.iter().map(|s| (format!("{}.csv", &s[..10]), positions(s, 3 * 96, 15))).collect();
    let named: Vec<_> = files.iter().map(|(n, t)| (n.as_str(), t.clone())).collect();
    let lake = lake_of(&named);
    let all: Vec<(Timestamp, String)> = lake
        .sql("select at, route from bus")
        .iter()
        .map(|r| (r["at"].as_str().unwrap().parse().unwrap(), r["route"].as_str().unwrap().to_string()))
        .collect();
    let served = Served::of(&lake, &[]);
    for (name, day) in days {
        let zone = TimeZone::get(name).unwrap();
        let mut whole_day = 0;
        for hour in 0..24 {
            let is_in = |t: &Timestamp| {
                let local = t.to_zoned(zone.clone());
                local.date() == day && local.hour() == hour
            };
            let mut want: Vec<Timestamp> =
                all.iter().filter(|(t, r)| r == "M1" && is_in(t)).map(|(t, _)| *t).collect();
            want.sort();
            whole_day += want.len();
            let path = format!("/feeds/city/routes/M1/{}/{hour:02}?tz={name}", day.strftime("%Y/%m/%d"));
            assert_eq!(times(&served.get(&path).is(200).json()), want, "{path}");
        }
        let path = format!("/feeds/city/routes/M1/{}?tz={name}", day.strftime("%Y/%m/%d"));
        let found = times(&served.get(&path).is(200).json());
        assert_eq!(found.len(), whole_day, "{path}");
        assert!(found.is_sorted(), "{path}");
    }
    // The feed's own zone where none is given, and the old address says the same.
    let hour = served.get("/feeds/city/routes/M1/2024/11/3/1").is(200).json();
    assert_eq!(hour.as_array().unwrap().len(), 4, "an hour that comes twice: {hour}");
    let old = served.get("/buses/bulk/city/M1/2024/11/3/1").is(200).json();
    assert_eq!(times(&old["result"]), times(&hour));
    assert_eq!(served.get("/feeds/city/routes/M1/2024/3/10/2").is(200).json(), json!([]));
    // The last hour of a year, over which the old service stumbled.
    let old = served.get("/buses/bulk/city/M1/2023/12/31/23").is(200).json();
    assert_eq!(
        old["query"],
        json!({ "system_id": "city", "route": "M1", "start (gte)": "2023-12-31T23:00:00",
            "end (lt)": "2024-01-01T00:00:00" })
    );
    assert_eq!(old["result"][0]["note"], "", "a missing value is an empty text");
    assert_eq!(times(&old["result"]).len(), 2);
    let schema = served.get("/city/schema").is(200).json();
    assert_eq!(schema["schema"][0], json!({ "Name": "at", "Type": "timestamp" }));
    let counted: u64 = schema["history"].as_array().unwrap().iter().map(|d| d["ct"].as_u64().unwrap()).sum();
    assert_eq!(counted as usize, all.len());
}

#[test]
fn every_form_holds_the_same_rows() {
    let lake = lake_of(&[("a.csv", positions("2024-05-01T00:00:00Z", 2000, 3))]);
    let served = Served::of(&lake, &[]);
    let range = "start=2024-05-01T00:00Z&end=2024-05-04T00:00Z&columns=at,route,bus,lat";
    let want = lake.lines("select at, route, bus, lat from bus where at < '2024-05-04' order by at, bus");
    assert_eq!(want.len(), 1440);
    let again = TestLake::new("");
    for (ending, media_type) in [
        ("json", "application/json"),
        ("ndjson", "application/x-ndjson"),
        ("csv", "text/csv"),
        ("parquet", "application/vnd.apache.parquet"),
        ("arrow", "application/vnd.apache.arrow.file"),
    ] {
        let by_ending = served.get(&format!("/feeds/city/rows.{ending}?{range}")).is(200);
        assert_eq!(by_ending.media_type(), media_type);
        assert!(by_ending.is_whole);
        let by_accept = served.get_as(&format!("/feeds/city/rows?{range}"), media_type).is(200);
        let by_name = served.get(&format!("/feeds/city/rows?{range}&format={ending}")).is(200);
        assert_eq!(by_accept.body, by_ending.body, "{ending}");
        assert_eq!(by_name.body, by_ending.body, "{ending}");
        again.dataset(ending, "provenance: false\ncolumns: { at: timestamp }\n");
        again.land(&format!("landing/ops/{ending}/rows.{ending}"), &by_ending.body);
    }
    again.run();
    for ending in ["json", "ndjson", "csv", "parquet", "arrow"] {
        let found = again.lines(&format!("select at, route, bus, lat from {ending} order by at, bus"));
        assert_eq!(found, want, "{ending}");
    }
    let geojson = served.get(&format!("/feeds/city/rows.geojson?{range}")).is(200).json();
    assert_eq!(geojson["features"].as_array().unwrap().len(), want.len());
    assert_eq!(geojson["features"][0]["geometry"]["type"], Value::Null, "its longitude was not asked for");
    let whole = served.get("/feeds/city/routes/M1/2024/05/01/03.geojson").is(200).json();
    assert_eq!(whole["features"][0]["geometry"]["coordinates"][0], -73.9);
    assert_eq!(
        whole["features"][0]["properties"]["_file_id"],
        Value::Null,
        "the lake's own columns are left out"
    );

    // Compressed where that is asked for, and where it helps.
    for (encoding, ending, want) in [
        ("gzip", "csv", Some("gzip")),
        ("zstd", "json", Some("zstd")),
        ("gzip", "parquet", None),
        ("identity", "csv", None),
    ] {
        let path = format!("/feeds/city/rows.{ending}?{range}");
        let answer = served.ask("GET", &path, &[("Accept-Encoding", encoding)], b"").is(200);
        assert_eq!(answer.header("content-encoding"), want, "{encoding} {ending}");
    }
    let answer =
        served.ask("GET", &format!("/feeds/city/rows.csv?{range}"), &[("Accept-Encoding", "zstd")], b"");
    let plain = served.get(&format!("/feeds/city/rows.csv?{range}"));
    assert_eq!(zstd::decode_all(&answer.body[..]).unwrap(), plain.body);

    // What a client has already is not sent again, until a file of the range changes.
    let path = "/feeds/city/routes/M1/2024/05/01/03.csv";
    let tag = served.get(path).is(200).header("etag").unwrap().to_string();
    let again = |path: &str, tag: &str| served.ask("GET", path, &[("If-None-Match", tag)], b"").status;
    assert_eq!(again(path, &tag), 304);
    assert_eq!(again("/feeds/city/routes/M1/2024/05/01/04.csv", &tag), 200);
    lake.land("landing/ops/bus/later.csv", positions("2024-07-01T00:00:00Z", 10, 1));
    lake.run();
    assert_eq!(again(path, &tag), 304, "other days do not matter");
    lake.land("landing/ops/bus/late.csv", positions("2024-05-01T07:00:00Z", 10, 1));
    lake.run();
    assert_eq!(again(path, &tag), 200);
    // The first rows only, over several days.
    let first = served.get("/feeds/city/rows?start=2024-05-01&end=2024-06-01&limit=1000").is(200).json();
    assert_eq!(first.as_array().unwrap().len(), 1000);
    assert!(times(&first).is_sorted());
}

#[test]
fn large_answers_stream() {
    let lake = lake_of(&[("a.csv", positions("2024-05-01T00:00:00Z", 150_000, 1))]);
    let served = Served::of(&lake, &[]);
    let answer = served.get("/feeds/city/rows.csv?start=2024-01-01&end=2025-01-01").is(200);
    assert!(answer.is_whole && answer.header("content-length").is_none(), "{:?}", answer.headers);
    assert_eq!(answer.text().lines().count(), 150_001);
    // One that is cut off is not taken for whole.
    let answer = served.get("/sql.csv?q=select+*+from+range(0,3000000)").is(200);
    assert!(!answer.is_whole);
    // A reader that goes away leaves its place: more of them than there are places.
    let few = Served::of(&lake, &["--at-once", "2"]);
    for _ in 0..5 {
        drop(few.send("GET", "/feeds/city/rows.json?start=2024-01-01&end=2025-01-01", &[], b""));
    }
    few.get("/feeds/city/routes/M1/2024/05/01/03").is(200);
}

#[test]
fn problems_say_what_to_do() {
    let lake = lake_of(&[("a.csv", positions("2024-05-01T00:00:00Z", 100, 1))]);
    lake.dataset("empty", "publish: { route: r, time: t }\n");
    let served = Served::of(&lake, &[]);
    let hour = "/feeds/city/routes/M1/2024/05/01";
    for (path, status, code) in [
        ("/nothing", 404, "http"),
        ("/feeds/town", 404, "unknown_feed"),
        ("/feeds/empty/rows?start=2024-01-01&end=2024-01-02", 404, "no_data_yet"),
        ("/feeds/city/routes/M1/2024/02/30/01", 400, "wrong_day"),
        ("/feeds/city/routes/M1/2024/05/01/24", 400, "wrong_hour"),
        ("/feeds/city/routes/M1/2024/05/01/x", 400, "wrong_hour"),
        ("/feeds/city/rows", 400, "wrong_parameter"),
        ("/feeds/city/rows?start=2024-05-02&end=2024-05-01", 400, "wrong_parameter"),
        ("/feeds/city/rows?start=2024-05-01&end=2024-05-02&tz=Mars/Base", 400, "wrong_parameter"),
        ("/feeds/city/rows?start=2024-05-01&end=2024-05-02&columns=nope", 400, "unknown_column"),
        ("/feeds/city/rows?start=2024-05-01&end=2024-05-02&stat=1", 400, "unknown_parameter"),
        ("/feeds/city/rows?start=2024-05-01&end=2024-05-02&limit=many", 400, "wrong_parameter"),
        ("/feeds/city?format=xml", 400, "unknown_format"),
        ("/feeds/city.parquet", 406, "not_acceptable"),
        ("/buses/bulk/town/M1/2024/5/1/1", 404, "unknown_feed"),
        ("/tables/no.such.table", 404, "unknown_table"),
        ("/tables/ops.bus.bus?after=1", 400, "wrong_parameter"),
        ("/sql", 400, "wrong_statement"),
        ("/sql?q=selec+1", 400, "wrong_statement"),
        ("/sql?q=select+*+from+nothing", 400, "wrong_statement"),
        ("/sql?q=drop+table+bus", 403, "refused"),
        ("/sql?q=copy+bus+to+'/tmp/x'", 403, "refused"),
        ("/sql?q=create+external+table+t+stored+as+csv+location+'/etc/passwd'", 403, "refused"),
        ("/sql?q=select+1/0", 500, "failed"),
    ] {
        served.get(path).says_problem(status, code);
    }
    served.get_as(&format!("{hour}/01"), "image/png").says_problem(406, "not_acceptable");
    let post = served.ask("POST", &format!("{hour}/01"), &[], b"x").says_problem(405, "http");
    assert!(post.header("allow").is_some_and(|a| a.contains("GET")));
    served.ask("POST", "/sql", &[], &vec![b' '; 100_000]).says_problem(413, "http");
    served
        .ask("POST", "/sql", &[("Content-Type", "application/json")], b"{\"q\": 1}")
        .says_problem(400, "wrong_body");
    let posted =
        served.ask("POST", "/sql", &[("Content-Type", "application/json")], b"{\"sql\": \"select 1 as x\"}");
    assert_eq!(posted.is(200).json(), json!([{ "x": 1 }]));
    // Whoever reads pages gets a page, with the same status.
    let page = served.page("/feeds/town").is(404);
    assert_eq!(page.media_type(), "text/html");
    assert!(page.text().contains("the feeds are city, empty"), "{}", page.text());
    // Another site's page cannot reach this machine's lake by a name of its own.
    let other = served.ask("GET", "/feeds", &[("Host", "evil.example.org")], b"");
    other.says_problem(421, "other_name");
    let named = Served::of(&lake, &["--name", "lake.example.org"]);
    named.ask("GET", "/feeds", &[("Host", "lake.example.org:80")], b"").is(200);
    // Feeds may be read by pages of any site; the rest of the lake may not.
    let origin = [("Origin", "https://example.org")];
    let allowed = |path: &str| {
        let answer = served.ask("GET", path, &origin, b"");
        answer.header("access-control-allow-origin").map(str::to_string)
    };
    assert_eq!(allowed("/feeds").as_deref(), Some("*"));
    assert_eq!(allowed("/tables"), None);
    assert_eq!(allowed("/sql?q=select+1"), None);
    // Where only feeds are served, nothing else is.
    let public = Served::of(&lake, &["--feeds-only"]);
    public.get("/feeds/city").is(200);
    for path in ["/tables", "/tables/ops.bus.bus", "/sql?q=select+1"] {
        public.get(path).says_problem(404, "http");
    }
    assert!(!public.get("/metrics").is(200).text().contains("lakegate_files"));
}

#[test]
fn what_is_asked_is_never_a_part_of_a_statement_or_a_page() {
    let nasty = "x' or '1'='1";
    let markup = "<script>alert(1)</script>";
    let rows = format!(
        "at,route,bus,lat,lon,note\n2024-05-01T12:00:00Z,\"{nasty}\",b,1,2,\n\
         2024-05-01T12:00:01Z,\"{markup}\",b,1,2,\"\"\"><img src=x onerror=alert(1)>\"\n2024-05-01T12:00:02Z,M1,b,1,2,\n"
    );
    let lake = lake_of(&[("a.csv", rows)]);
    let served = Served::of(&lake, &[]);
    let encoded = |text: &str| text.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
    for (route, n) in [
        ("M1", 1),
        (nasty, 1),
        (markup, 1),
        ("M1' or 'a'='a", 0),
        ("M1';drop table bus;--", 0),
        ("M1\" or \"a\"=\"a", 0),
        ("%", 0),
        ("M_", 0),
        ("\u{0}", 0),
        ("../../../etc/passwd", 0),
    ] {
        let path = format!("/feeds/city/routes/{}/2024/05/01/08", encoded(route));
        assert_eq!(served.get(&path).is(200).json().as_array().unwrap().len(), n, "{route}");
        let old = format!("/buses/bulk/city/{}/2024/5/1/8", encoded(route));
        assert_eq!(served.get(&old).is(200).json()["result"].as_array().unwrap().len(), n, "{route}");
        let range = format!("/feeds/city/rows?start=2024-05-01&end=2024-05-02&route={}", encoded(route));
        assert_eq!(served.get(&range).is(200).json().as_array().unwrap().len(), n, "{route}");
        let page = served.page(&path).is(200).text();
        assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
    }
    for path in [
        "/feeds/city/routes".to_string(),
        "/feeds/city/live".to_string(),
        "/tables/ops.bus.bus".to_string(),
        format!("/sql?q={}", encoded("select route as \"<b>\", note from bus")),
        format!("/sql?q={}", encoded("</textarea><script>alert(1)</script>")),
        format!("/feeds/{}", encoded(markup)),
        format!("/{}/schema", encoded(markup)),
        format!("/tables/{}", encoded("ops.bus.bus\"<script>")),
    ] {
        let page = served.page(&path);
        assert_eq!(page.media_type(), "text/html", "{path}");
        assert!(
            !page.text().contains("<script") && !page.text().contains("<img") && !page.text().contains("<b>"),
            "{path}: {}",
            page.text()
        );
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'"), "{policy}");
    }
    assert_eq!(lake.value("select count(*) from bus"), 3);
}

#[test]
fn a_client_that_asks_too_often_waits() {
    let lake = lake_of(&[("a.csv", positions("2024-05-01T00:00:00Z", 10, 1))]);
    // Ten at once, and then one every second.
    let served = Served::of(&lake, &["--per-minute", "60"]);
    let answers: Vec<Answer> = (0..40).map(|_| served.get("/health/live")).collect();
    let refused: Vec<&Answer> = answers.iter().filter(|a| a.status == 429).collect();
    assert!(!refused.is_empty());
    let wait: u64 = refused[0].header("retry-after").unwrap().parse().unwrap();
    assert!((1..=2).contains(&wait));
    assert_eq!(refused[0].json()["type"], "urn:lakegate:too_many_requests");
    await_state("the bucket has filled", || (served.get("/health/live").status == 200).then_some(()));
    // Behind a proxy clients are told apart by what the proxy says.
    let proxied = Served::of(&lake, &["--per-minute", "60", "--behind-proxy"]);
    for n in 0..40 {
        let client = format!("9.9.9.9, 10.0.0.{n}");
        proxied.ask("GET", "/health/live", &[("X-Forwarded-For", &client)], b"").is(200);
    }
}

#[test]
fn newest_positions_and_their_stream() {
    let lake = lake_of(&[("a.csv", positions("2024-05-01T00:00:00Z", 60, 1))]);
    let served = Served::of(&lake, &[]);
    let vehicles = |collection: &Value| -> Vec<String> {
        let features = collection["features"].as_array().unwrap();
        features
            .iter()
            .map(|f| {
                format!(
                    "{}@{}",
                    f["properties"]["bus"].as_str().unwrap(),
                    f["properties"]["at"].as_str().unwrap()
                )
            })
            .collect()
    };
    let want: Vec<String> = (0..5).map(|i| format!("bus{i}@2024-05-01T00:{}:00Z", 55 + i)).collect();
    let live = served.get("/feeds/city/live").is(200);
    assert_eq!(live.media_type(), "application/geo+json");
    let mut found = vehicles(&live.json());
    found.sort();
    assert_eq!(found, want);
    assert_eq!(served.get("/feeds/city/live.csv").is(200).text().lines().count(), 6);

    let mut events = served.events("/feeds/city/stream");
    let mut first = vehicles(&events.next().unwrap());
    first.sort();
    assert_eq!(first, want, "all of them first");
    // One moves, one tells an older time, one is new.
    let moved = "at,route,bus,lat,lon,note\n2024-05-01T01:00:00Z,M1,bus1,41,-73,\n\
        2024-05-01T00:10:00Z,M1,bus2,41,-73,\n2024-05-01T00:59:00Z,M1,bus9,41,-73,\n";
    lake.land("landing/ops/bus/b.csv", moved);
    lake.run();
    let mut second = vehicles(&events.next().unwrap());
    second.sort();
    assert_eq!(second, ["bus1@2024-05-01T01:00:00Z", "bus9@2024-05-01T00:59:00Z"]);
    // Asked to stop, it ends its streams and then itself.
    let mut served = served;
    assert_eq!(served.process.take().unwrap().interrupt(), Some(DONE));
    assert_eq!(events.next(), None);
}

#[test]
fn health_and_figures() {
    let lake = lake_of(&[("a.csv", positions("2024-05-01T00:00:00Z", 60, 1))]);
    let served = Served::of(&lake, &[]);
    let health = served.get("/health").is(200).json();
    assert_eq!(health["feeds"][0]["state"], "unwatched");
    assert_eq!(health["feeds"][0]["newest"], "2024-05-01T00:59:00Z");
    assert_eq!(health["feeds"][0]["rows"], 60);
    drop(served);
    lake.dataset("bus", &format!("{FEED}stale_after: 1h\n"));
    lake.dataset("other", "stale_after: 1h\n");
    let served = Served::of(&lake, &[]);
    let health = served.get("/health").is(503).json();
    assert_eq!((&health["status"], &health["feeds"][0]["state"]), (&json!("unwell"), &json!("stale")));
    assert_eq!(health["datasets"][0]["state"], "empty");
    served.get("/health/live").is(200);
    let now = Timestamp::now();
    lake.land("landing/ops/bus/now.csv", positions(&now.to_string(), 1, 1));
    lake.land("landing/ops/other/x.csv", "a\n1\n");
    lake.run();
    let health = served.get("/health").is(200).json();
    assert_eq!((&health["status"], &health["feeds"][0]["state"]), (&json!("ok"), &json!("fresh")));
    assert_eq!(health["datasets"][0]["state"], "fresh");
    let metrics = served.get("/metrics").is(200).text();
    for line in [
        "lakegate_feed_unwell{feed=\"city\"} 0",
        "lakegate_feed_rows{feed=\"city\"} 61",
        "lakegate_dataset_unwell{dataset=\"ops.other\"} 0",
        "lakegate_files{dataset=\"ops.bus\",state=\"committed\"} 2",
        "lakegate_http_requests_total{route=\"/health\",status=\"503\"} 1",
    ] {
        assert!(metrics.lines().any(|l| l == line), "{line} is not in\n{metrics}");
    }
    // A feed whose table lacks a column by which it is served says so, and harms no other.
    lake.dataset("other", "publish: { route: a, time: nope }\n");
    let served = Served::of(&lake, &[]);
    served.get("/feeds/other").is(200);
    served.get("/feeds/other/rows?start=2024-01-01&end=2024-01-02").says_problem(500, "feed_misconfigured");
    assert_eq!(served.get("/health").is(503).json()["feeds"][1]["state"], "broken");
    served.get("/feeds/city").is(200);
}

#[test]
fn a_feed_tells_its_days_and_gaps() {
    let mut files = vec![
        ("a.csv", positions("2024-05-01T00:00:00Z", 96, 15)),
        ("b.csv", positions("2024-05-02T06:00:00Z", 10, 15)),
    ];
    files.push((
        "odd.csv",
        "at,route,bus,lat,lon,note\n,M1,b,,,\n2024-05-02T05:59:59.5Z,M1,b,,,\n".to_string(),
    ));
    let lake = lake_of(&files);
    let served = Served::of(&lake, &[]);
    let feed = served.get("/feeds/city").is(200).json();
    let mut want = Vec::new();
    for row in lake.sql("select at from bus where at is not null") {
        let at: Timestamp = row["at"].as_str().unwrap().parse().unwrap();
        want.push(at.to_zoned(TimeZone::get("America/New_York").unwrap()).date().to_string());
    }
    let days = feed["days"].as_array().unwrap();
    for day in days {
        let n = want.iter().filter(|d| day["day"] == d.as_str()).count();
        assert_eq!(day["rows"], n, "{day}");
    }
    assert_eq!(days.iter().map(|d| d["rows"].as_u64().unwrap()).sum::<u64>(), 107);
    let gap = &feed["gaps"][1];
    assert_eq!(
        (&gap["start"], &gap["end"]),
        (&json!("2024-05-02T00:00:00Z"), &json!("2024-05-02T05:45:00Z"))
    );
    assert_eq!(
        feed["columns"][0],
        json!({ "column": "at", "type": "timestamp", "unit": null, "description": null, "nullable": true })
    );
    assert!(
        feed["columns"]
            .as_array()
            .unwrap()
            .iter()
            .all(|c| c["column"] != "at_day" && c["column"] != "_file_id")
    );
    assert!(served.get("/feeds/city.csv").is(200).text().starts_with("day,rows\n2024-04-30,16\n"));
    let routes = served.get("/feeds/city/routes?start=2024-05-01&end=2024-05-02").is(200).json();
    assert_eq!(routes.as_array().unwrap().len(), 2);
    assert_eq!(routes[0]["route"], "B 2/3");
}

#[test]
fn every_described_address_answers_as_described() {
    let lake = lake_of(&[("a.csv", positions("2024-05-01T00:00:00Z", 300, 1))]);
    let served = Served::of(&lake, &[]);
    let document = served.get("/openapi.json").is(200).json();
    assert_eq!(document["openapi"].as_str().map(|v| &v[..2]), Some("3."));
    let mut n_asked = 0;
    'routes: for (path, item) in document["paths"].as_object().unwrap() {
        let operation = &item["get"];
        let mut address = path.clone();
        let mut query = Vec::new();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            let value = match name {
                "name" | "system_id" => "city",
                "route" => "M1",
                "year" => "2024",
                "month" => "05",
                "day" => "01",
                "hour" => "02",
                // Tested by `pages`: a path leads to one file.
                "path" => continue 'routes,
                "table" => "ops.bus.bus",
                "dataset" => "ops.bus",
                "start" => "2024-05-01",
                "end" => "2024-05-02",
                "tz" => "Europe/Paris",
                "q" => "select+1",
                "limit" => "7",
                "columns" => "at,lat,lon",
                _ => continue,
            };
            match parameter["in"].as_str() {
                Some("path") => address = address.replace(&format!("{{{name}}}"), value),
                _ => query.push(format!("{name}={value}")),
            }
        }
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        let (status, good) = match operation["responses"].get("200") {
            Some(good) => (200, good),
            None => (303, &operation["responses"]["303"]),
        };
        for media_type in good["content"].as_object().unwrap().keys() {
            n_asked += 1;
            if media_type == "text/event-stream" {
                assert!(served.events(&address).next().is_some());
                continue;
            }
            let answer = served.get_as(&format!("{address}{query}"), media_type).is(status);
            if status == 200 {
                assert_eq!(answer.media_type(), media_type, "{address}{query}");
            }
        }
        let names = operation["parameters"].as_array().into_iter().flatten().find(|p| p["name"] == "format");
        for name in names.into_iter().flat_map(|p| p["schema"]["enum"].as_array().unwrap()) {
            n_asked += 1;
            let name = name.as_str().unwrap();
            served.get(&format!("{address}.{name}{query}")).is(200);
        }
    }
    assert!(n_asked > 60, "{n_asked}");
}

/// Addresses that a page links to.
fn links(page: &str) -> Vec<String> {
    let unescape = |s: &str| s.replace("&amp;", "&").replace("&quot;", "\"").replace("&#39;", "'");
    page.split("href=\"").skip(1).map(|rest| unescape(rest.split('"').next().unwrap())).collect()
}

#[test]
fn everything_is_a_link_that_leads_somewhere() {
    let lake = lake_of(&[("a.csv", positions("2024-05-01T00:00:00Z", 300, 1))]);
    let served = Served::of(&lake, &[]);
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut waiting = vec!["/".to_string(), "/sql?q=select+*+from+bus".to_string()];
    while let Some(path) = waiting.pop() {
        if seen.len() > 200 || !seen.insert(path.clone()) {
            continue;
        }
        let answer = served.page(&path);
        if answer.status == 303 {
            waiting.push(answer.header("location").unwrap().to_string());
            continue;
        }
        let answer = answer.is(200);
        if answer.media_type() != "text/html" {
            continue;
        }
        let page = answer.text();
        assert!(
            !page.contains("http://") && !page.contains("https://") && !page.contains("<script"),
            "{path}"
        );
        assert!(
            page.contains("<html lang=\"en\">")
                && page.contains("<title>")
                && page.matches("<h1>").count() == 1,
            "{path}"
        );
        balanced(&page, &path);
        for link in links(&page) {
            let base = path.split('?').next().unwrap();
            match link.chars().next() {
                Some('/') => waiting.push(link),
                Some('?') => waiting.push(format!("{base}{link}")),
                Some('#') => {}
                _ => panic!("{path} links to {link}"),
            }
        }
    }
    for path in ["/feeds/city", "/feeds/city/routes/M1/2024/05/01", "/tables/ops.bus.bus", "/health"] {
        assert!(seen.iter().any(|s| s.starts_with(path)), "{path} is not linked: {seen:?}");
    }
    // A table is read through page by page, each row once.
    let mut path = "/tables/ops.bus.bus?limit=70".to_string();
    let mut n = 0;
    loop {
        let page = served.page(&path).is(200).text();
        n += page.matches("<tr>").count() - 1;
        let next = links(&page).into_iter().find(|l| l.starts_with('?') && l.contains("after="));
        let Some(next) = next else { break };
        path = format!("/tables/ops.bus.bus{next}");
    }
    assert_eq!(n, 300);
    let system = served.get("/tables/system.files?limit=1").is(200).json();
    assert_eq!(system[0]["path"], "a.csv");
}

/// Every element that is opened is closed, in order.
fn balanced(page: &str, path: &str) {
    let mut open: Vec<&str> = Vec::new();
    for tag in page.split('<').skip(1) {
        let name = tag.split(['>', ' ']).next().unwrap();
        match name.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop(), Some(closed), "{path}"),
            None if ["!doctype", "meta", "link"].contains(&name) => {}
            None => open.push(name),
        }
    }
    assert_eq!(open, [""; 0], "{path}");
}

#[test]
fn up_serves_beside_its_work() {
    let lake = TestLake::with("bus", FEED);
    let mut served = serve(&lake, &["up", "--listen", "127.0.0.1:0", "--per-minute", "0"]);
    assert_eq!(served.get("/feeds/city").is(200).json()["state"], "empty");
    lake.land("landing/ops/bus/a.csv", positions("2024-05-01T00:00:00Z", 10, 1));
    await_state("the rows are served", || (served.get("/feeds/city").json()["rows"] == 10).then_some(()));
    // The address is taken.
    let other = TestLake::with("bus", FEED);
    other.lakegate(&["serve", "--listen", &served.address]).is(FAILED).says("another program listens");
    assert_eq!(served.process.take().unwrap().interrupt(), Some(DONE));
}
