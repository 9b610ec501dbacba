//! The example of six agencies, against the simulator, with all that can go
//! wrong; and who is told when it does.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::http::{Served, serve};
use crate::lake::{DONE, FAILED, Stopped, TestLake, await_state};

/// Vehicles of each feed: 6 routes of 12.
const VEHICLES: u64 = 72;

/// The simulator, and the example's lake polling it.
struct Observatory {
    lake: TestLake,
    agencies: Served,
}

impl Observatory {
    /// Changes to a dataset's text, by its name.
    fn new(change: impl Fn(&str, String) -> String) -> Self {
        let lake = TestLake::new("");
        let agencies = serve(&lake, &["simulate", "feeds", "--listen", "127.0.0.1:0"]);
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/bus_observatory");
        lake.write("lake.yaml", fs::read(example.join("lake.yaml")).unwrap());
        for file in fs::read_dir(example.join("datasets")).unwrap().flatten() {
            let name = file.file_name().into_string().unwrap();
            let text = fs::read_to_string(file.path()).unwrap();
            let text = text.replace("127.0.0.1:8085", &agencies.address);
            lake.write(&format!("datasets/{name}"), change(&name, text));
        }
        Self { lake, agencies }
    }

    fn fault(&self, feed: &str, fault: &str) {
        assert_eq!(self.agencies.ask("PUT", &format!("/{feed}/fault/{fault}"), &[], b"").status, 204);
    }

    fn mend(&self, feed: &str) {
        assert_eq!(self.agencies.ask("DELETE", &format!("/{feed}/fault/any"), &[], b"").status, 204);
    }

    /// The last poll of a feed.
    fn last_poll(&self, feed: &str) -> Value {
        let sql = format!(
            "select * from system.polls where dataset = 'transit.{feed}' order by started_at desc limit 1"
        );
        self.lake.sql(&sql).remove(0)
    }
}

#[test]
fn six_agencies_are_polled_loaded_and_served() {
    let observatory = Observatory::new(|_, text| text);
    let lake = &observatory.lake;
    lake.lakegate(&["check"]).is(DONE);
    lake.run();
    for (feed, table, vehicle) in [
        ("harbor", "vehicles", "vehicle_id"),
        ("prairie", "vehicles", "vehicle_id"),
        ("island", "island", "vehicle_ref"),
        ("fjord", "fjord", "vehicle_ref"),
        ("ridge", "ridge", "id"),
    ] {
        let n = lake.value(&format!("select count(distinct {vehicle}) from transit.{feed}.{table}"));
        assert_eq!(n, VEHICLES, "{feed}");
    }
    // Of those without a run the expectation says that they are dropped.
    assert_eq!(lake.value("select count(*) from transit.river.river"), VEHICLES - 8);
    assert_eq!(lake.value("select count(*) from transit.harbor_trips.trips"), VEHICLES);
    assert_eq!(lake.value("select count(*) from transit.harbor_trips.stop_times"), VEHICLES * 4);
    // Every time is an instant of the last minute, whatever the format says.
    for (table, time) in [
        ("transit.harbor.vehicles", "timestamp"),
        ("transit.prairie.vehicles", "timestamp"),
        ("transit.island.island", "recorded_at_time"),
        ("transit.fjord.fjord", "recorded_at_time"),
        ("transit.river.river", "timestamp"),
        ("transit.ridge.ridge", "timestamp"),
    ] {
        let late = lake.value(&format!(
            "select count(*) from {table} where {time} is null or {time} > _loaded_at + interval '1 second' \
             or {time} < _loaded_at - interval '2 minutes'"
        ));
        assert_eq!(late, 0, "{table}");
    }
    // What a poll found is in its row.
    let poll = observatory.last_poll("harbor");
    assert_eq!((&poll["status"], &poll["n_entities"]), (&Value::from(200), &Value::from(VEHICLES)));
    assert_eq!(poll["newest_at"], lake.value("select max(timestamp) from transit.harbor.vehicles"));
    lake.prove();

    let served = Served::of(lake, &[]);
    let feeds = served.get("/feeds").is(200).json();
    assert_eq!(feeds.as_array().unwrap().len(), 6);
    assert!(feeds.as_array().unwrap().iter().all(|f| f["state"] == "fresh"), "{feeds}");
    let live = served.get("/feeds/fjord/live.geojson").is(200).json();
    assert_eq!(live["features"].as_array().unwrap().len() as u64, VEHICLES);
}

/// Polled only when the test says so: a `run` that takes long must not find a
/// feed due.
fn rarely(text: String) -> String {
    text.replace("every: 10s", "every: 1h")
        .replace("every: 15s", "every: 1h")
        .replace("every: 20s", "every: 1h")
}

#[test]
fn what_goes_wrong_is_recorded_and_no_data() {
    // Every row counts here, also of buses that have not moved.
    let plain = |text: String| text.lines().filter(|l| !l.contains("dedupe:")).collect::<Vec<_>>().join("\n");
    let observatory =
        Observatory::new(|_, text| plain(rarely(text).replace("feed: { url:", "feed: { retries: 0, url:")));
    let lake = &observatory.lake;
    let count = || lake.value("select count(*) from transit.harbor.vehicles").as_u64().unwrap();
    lake.lakegate(&["poll", "transit.harbor"]).is(DONE);
    lake.run();
    let before = count();
    for (fault, says) in [("error", "500"), ("truncated", "bytes"), ("limited", "429")] {
        observatory.fault("harbor", fault);
        let polled = lake.lakegate(&["poll", "transit.harbor", "--json"]).is(FAILED).json();
        assert!(polled[0]["error"].as_str().unwrap().contains(says), "{fault}: {polled}");
        assert_eq!(polled[0]["landed"], Value::Null, "{fault}");
        assert!(!observatory.last_poll("harbor")["error"].is_null(), "{fault}");
    }
    observatory.fault("harbor", "repeated");
    lake.lakegate(&["poll", "transit.harbor"]).is(DONE);
    let polled = lake.lakegate(&["poll", "transit.harbor", "--json"]).is(DONE).json();
    assert_eq!(polled[0]["identical"], true, "{polled}");
    lake.run();
    let repeated = count();
    assert_eq!(repeated, before + VEHICLES, "a body equal to the one before is no new data");
    // A page for people is no feed: the file waits for a person, the table is as it was.
    observatory.fault("harbor", "wrong_type");
    lake.lakegate(&["poll", "transit.harbor"]).is(DONE);
    lake.run_with_findings();
    assert_eq!((count(), lake.parked().len()), (repeated, 1));
    // Nothing comes of nothing, and what the schema does not know is kept.
    observatory.fault("harbor", "empty");
    lake.lakegate(&["poll", "transit.harbor"]).is(DONE);
    lake.run();
    assert_eq!(count(), repeated);
    observatory.fault("harbor", "drift");
    lake.lakegate(&["poll", "transit.harbor"]).is(DONE);
    lake.run();
    assert_eq!(lake.value("select count(extensions) from transit.harbor.vehicles"), VEHICLES);
    observatory.mend("harbor");
    observatory.fault("prairie", "drift");
    lake.lakegate(&["poll", "transit.prairie"]).is(DONE);
    lake.run();
    let speeds = lake.value("select count(speed) from transit.prairie.vehicles where extensions is not null");
    assert_eq!(speeds, VEHICLES, "a number that comes as text is a number");
    lake.prove();

    let served = Served::of(lake, &[]);
    let told = served.get("/feeds/harbor").is(200).json();
    assert_eq!(told["failed_polls"].as_array().unwrap().len(), 3, "{told}");
    served.page("/feeds/harbor").is(200).says("Polls that failed");
    let public = Served::of(lake, &["--feeds-only"]);
    assert_eq!(public.get("/feeds/harbor").is(200).json()["failed_polls"], serde_json::json!([]));
}

#[test]
fn a_slow_feed_harms_no_other_and_a_clock_ahead_no_row() {
    let observatory = Observatory::new(|_, text| {
        rarely(text).replace("feed: { url:", "feed: { retries: 0, timeout: 2s, url:")
    });
    let lake = &observatory.lake;
    observatory.fault("harbor", "slow");
    let polled = lake.lakegate(&["poll", "transit.harbor", "transit.prairie", "--json"]).is(FAILED).json();
    let of = |name: &str| polled.as_array().unwrap().iter().find(|p| p["dataset"] == name).unwrap().clone();
    assert!(of("transit.harbor")["error"].as_str().unwrap().contains("within 2s"), "{polled}");
    assert_eq!(of("transit.prairie")["error"], Value::Null, "{polled}");
    // What a clock that is an hour ahead says is taken as it is said; once the
    // clock is right again earlier times are new rows, not late repetitions.
    observatory.fault("harbor", "clock_jump");
    lake.lakegate(&["poll", "transit.harbor"]).is(DONE);
    lake.run();
    let buses = "select count(distinct vehicle_id) from transit.harbor.vehicles where timestamp";
    assert_eq!(lake.value(&format!("{buses} > now()")), VEHICLES);
    observatory.mend("harbor");
    lake.lakegate(&["poll", "transit.harbor"]).is(DONE);
    lake.run();
    assert_eq!(lake.value(&format!("{buses} <= now()")), VEHICLES);
    assert_eq!(lake.parked().len(), 0);
    lake.prove();
}

/// The head and the body of each message that was taken.
type Heard = Arc<Mutex<Vec<(String, Value)>>>;

/// An address that keeps what it is told, and refuses the first messages.
fn listener(refuse: usize) -> (String, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let told = Heard::default();
    let heard = told.clone();
    std::thread::spawn(move || {
        let mut refused = 0;
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut text = Vec::new();
            let mut chunk = [0; 4096];
            let (head, body) = loop {
                let n = stream.read(&mut chunk).unwrap();
                text.extend_from_slice(&chunk[..n]);
                let text = String::from_utf8_lossy(&text).into_owned();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length = head.to_ascii_lowercase();
                let length = length.split_once("content-length: ").unwrap().1;
                let length: usize = length.lines().next().unwrap().parse().unwrap();
                if body.len() >= length {
                    break (head.to_string(), body.to_string());
                }
            };
            let status = if refused < refuse { "503 Busy" } else { "204 No Content" };
            if refused < refuse {
                refused += 1;
            } else {
                heard.lock().unwrap().push((head, serde_json::from_str(&body).unwrap()));
            }
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        }
    });
    (url, told)
}

#[test]
fn a_webhook_is_told_of_each_change_once() {
    let (url, told) = listener(1);
    let lake = TestLake::with("bus", "stale_after: 1h\ncolumns: { n: int }\n");
    let settings = fs::read_to_string(lake.path("lake.yaml")).unwrap();
    lake.write("hook.key", "s3cret");
    lake.write(
        "lake.yaml",
        format!("{settings}notify: {{ webhook: '{url}', headers: {{ X-Key: '${{file:hook.key}}' }} }}\n"),
    );
    let heard = |n: usize| {
        await_state("the webhook was told", || {
            let told = told.lock().unwrap();
            (told.len() >= n).then(|| told.clone())
        })
    };
    let up = Stopped(lake.start(&["up"]));
    let first = heard(1);
    assert_eq!((&first[0].1["state"], &first[0].1["unwell"]), (&"empty".into(), &true.into()));
    assert!(first[0].0.contains("s3cret"), "{}", first[0].0);
    lake.land("landing/ops/bus/a.csv", "n\n1\n");
    let second = heard(2);
    assert_eq!((&second[1].1["state"], &second[1].1["unwell"]), (&"fresh".into(), &false.into()));
    assert_eq!(up.interrupt(), Some(DONE));
    // Nothing has changed meanwhile: a new process has nothing to tell. What
    // happens after it has looked is told, and nothing before that.
    let up = Stopped(lake.start(&["up"]));
    lake.land("landing/ops/bus/b.csv", "n\n2\n");
    await_state("the rows are there", || (lake.value("select count(*) from bus") == 2).then_some(()));
    assert_eq!(up.interrupt(), Some(DONE));
    assert_eq!(told.lock().unwrap().len(), 2);
}

#[test]
fn too_few_rows_are_told_everywhere() {
    let lake =
        TestLake::with("bus", "expect_rows: { within: 10s, at_least: 5, at_most: 6 }\ncolumns: { n: int }\n");
    lake.land("landing/ops/bus/a.csv", "n\n1\n");
    lake.run();
    // Nobody has looked for ten seconds yet; then one row is too few, and none.
    let state = || lake.lakegate(&["status", "--json"]).json()["datasets"][0]["health"]["state"].clone();
    assert_eq!(state(), "fresh");
    await_state("ten seconds have passed", || (state() == "low").then_some(()));
    lake.lakegate(&["status"]).is(DONE).says("5 to 6 are expected");
    let served = Served::of(&lake, &[]);
    assert_eq!(served.get("/health").is(503).json()["datasets"][0]["state"], "low");
    served.get("/metrics").is(200).says("lakegate_dataset_state{dataset=\"ops.bus\",state=\"low\"} 1");
    lake.land("landing/ops/bus/b.csv", "n\n1\n2\n3\n4\n5\n");
    lake.run();
    assert_eq!(state(), "fresh");
    lake.land("landing/ops/bus/c.csv", "n\n1\n2\n3\n4\n6\n");
    lake.run();
    assert_eq!(state(), "high");
}
