//! Feeds, from an endpoint on this machine to rows in a table.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use crate::lake::{DONE, FINDINGS, Stopped, TestLake, await_state};

/// An endpoint whose answer the test decides; `None` is a 503.
struct Endpoint {
    url: String,
    answer: Arc<Mutex<Option<String>>>,
}

impl Endpoint {
    fn start(answer: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/vehicles.json", listener.local_addr().unwrap());
        let answer = Arc::new(Mutex::new(Some(answer.to_string())));
        let said = answer.clone();
        // It ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let mut asked = [0; 4096];
                let _ = stream.read(&mut asked);
                let answer = said.lock().unwrap().clone();
                let (status, body) = match &answer {
                    Some(body) => ("200 OK", body.as_str()),
                    None => ("503 Service Unavailable", ""),
                };
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                     Connection: close\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        Self { url, answer }
    }

    fn says(&self, answer: Option<&str>) {
        *self.answer.lock().unwrap() = answer.map(str::to_string);
    }

    fn lake(&self) -> TestLake {
        TestLake::with(
            "positions",
            &format!(
                "feed: {{ url: '{}', every: 1s, retries: 0 }}\nread: json\ncolumns: {{ vehicle: string, lat: float }}\n",
                self.url
            ),
        )
    }
}

const FIRST: &str = r#"[{"vehicle":"a","lat":40.5},{"vehicle":"b","lat":41}]"#;
const SECOND: &str = r#"[{"vehicle":"a","lat":40.75}]"#;

#[test]
fn run_polls_what_is_due_and_loads_what_is_new() {
    let endpoint = Endpoint::start(FIRST);
    let lake = endpoint.lake();
    lake.run();
    assert_eq!(lake.lines("select vehicle, lat from positions order by vehicle"), ["a|40.5", "b|41.0"]);
    // The same answer is no new data, but a poll all the same.
    await_state("the next tick was polled", || {
        lake.run();
        (lake.value("select count(*) from system.polls").as_u64()? >= 2).then_some(())
    });
    assert_eq!(lake.value("select count(*) from positions"), 2);
    assert_eq!(lake.value("select count(*) from system.polls where identical"), 1);
    // A failure is told and recorded, and no data.
    endpoint.says(None);
    await_state("a poll failed", || {
        let ran = lake.lakegate(&["run"]);
        ran.stderr.contains("503").then(|| ran.is(FINDINGS))
    });
    assert_eq!(lake.value("select count(distinct status) from system.polls"), 2);
    lake.prove();
}

#[test]
fn up_polls_for_as_long_as_it_lives() {
    let endpoint = Endpoint::start(FIRST);
    let lake = endpoint.lake();
    let up = Stopped(lake.start(&["up"]));
    let n_rows = || {
        let ran = lake.lakegate(&["sql", "select count(*) from ops.positions.positions", "--format", "csv"]);
        ran.stdout.lines().nth(1).map(str::to_string)
    };
    await_state("the first answer's rows are there", || (n_rows()? == "2").then_some(()));
    endpoint.says(None);
    await_state("a failed poll was recorded", || {
        let failed = lake.lakegate(&[
            "sql",
            "select count(*) from system.polls where error is not null",
            "--format",
            "csv",
        ]);
        (failed.stdout.lines().nth(1)? != "0").then_some(())
    });
    endpoint.says(Some(SECOND));
    await_state("the next answer's row is there", || (n_rows()? == "3").then_some(()));
    assert_eq!(up.interrupt(), Some(DONE));
    lake.prove();
}
