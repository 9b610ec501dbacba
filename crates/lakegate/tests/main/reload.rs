//! A configuration that changes while `up` and `serve` run.

use std::io::BufRead;
use std::process::{Command, Stdio};

use crate::http::{Served, serve};
use crate::lake::{DONE, TestLake, await_state};

const FEED: &str = "\
columns: { at: timestamp, route: string, n: int }
publish: { name: city, route: route, time: at }
";

fn configuration(served: &Served) -> (String, String) {
    let health = served.get("/health.json").json();
    let text = |key: &str| health["configuration"][key].as_str().unwrap_or_default().to_string();
    (text("state"), text("errors"))
}

/// As an administrator asks for it.
fn hang_up(served: &Served) {
    let id = served.process.as_ref().unwrap().0.id().to_string();
    assert!(Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
}

#[test]
fn up_takes_a_new_dataset_over_and_survives_a_wrong_one() {
    let lake = TestLake::new("");
    let mut served = serve(&lake, &["up", "--listen", "127.0.0.1:0"]);
    let n_rows = |table: &str| {
        let ran = lake.lakegate(&["sql", &format!("select count(*) from {table}"), "--format", "csv"]);
        ran.stdout.lines().nth(1).map(str::to_string)
    };
    served.get("/feeds/city").is(404);
    // Nobody is told: the files are looked at.
    lake.dataset("a", FEED);
    lake.land("landing/ops/a/1.csv", "at,route,n\n2024-05-01T10:00:00Z,M1,1\n");
    await_state("the new dataset's file is loaded", || (n_rows("ops.a.a")? == "1").then_some(()));
    await_state("it is served", || {
        (served.get("/feeds/city/routes/M1/2024/05/01/10").status == 200).then_some(())
    });
    assert_eq!(configuration(&served).0, "current");

    // A wrong one is told, and everything goes on as before.
    lake.dataset("b", "columns: { n: intt }\n");
    await_state("the mistake is told", || {
        let (state, errors) = configuration(&served);
        (state == "outdated" && errors.contains("intt") && errors.contains("datasets/b.yaml")).then_some(())
    });
    lake.land("landing/ops/a/2.csv", "at,route,n\n2024-05-01T11:00:00Z,M1,2\n");
    let hour = "/feeds/city/routes/M1/2024/05/01/11";
    await_state("the old lake works on", || (served.get(hour).json().as_array()?.len() == 1).then_some(()));

    // Mended, and asked for at once.
    lake.dataset("b", "columns: { n: int }\n");
    hang_up(&served);
    lake.land("landing/ops/b/1.csv", "n\n1\n2\n");
    await_state("the mended dataset's file is loaded", || (n_rows("ops.b.b")? == "2").then_some(()));
    assert_eq!(configuration(&served), ("current".into(), String::new()));

    // Another storage needs another process.
    lake.write("lake.yaml", "lake: test\nstorage: ./elsewhere\n");
    await_state("that is told", || configuration(&served).1.contains("`storage`").then_some(()));
    lake.write("lake.yaml", "lake: test\n");
    await_state("what was is again", || (configuration(&served).0 == "current").then_some(()));
    assert_eq!(served.process.take().unwrap().interrupt(), Some(DONE));
    lake.prove();
}

#[test]
fn serve_takes_over_what_is_published_and_ends_streams() {
    let positions = FEED.replace("time: at", "time: at, vehicle: n, latitude: lat, longitude: lon");
    let lake = TestLake::with("a", &positions);
    lake.land("landing/ops/a/1.csv", "at,route,n,lat,lon\n2024-05-01T10:00:00Z,M1,1,40.5,-73.9\n");
    lake.run();
    let served = Served::of(&lake, &[]);
    served.get("/feeds/city/routes/M1/2024/05/01/10").is(200);
    let mut events = served.events("/feeds/city/stream");
    assert!(events.next().is_some());
    lake.dataset("a", &positions.replace("name: city", "name: town"));
    assert_eq!(events.next(), None, "who follows a feed is to ask again");
    await_state("the feed has its new name", || (served.get("/feeds/town").status == 200).then_some(()));
    served.get("/feeds/city").is(404);
    // A team that has no dataset any more.
    std::fs::remove_file(lake.path("datasets/a.yaml")).unwrap();
    await_state("the feed is gone", || (served.get("/feeds/town").status == 404).then_some(()));
}

#[test]
fn a_mistake_is_told_once() {
    let lake = TestLake::with("a", FEED);
    let mut child = lake.command(&["up"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let says = child.stderr.take().unwrap();
    let mut first = String::new();
    std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.contains("is up"), "{first}");
    let up = crate::lake::Stopped(child);
    let (line, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for text in std::io::BufReader::new(says).lines().map_while(Result::ok) {
            let _ = line.send(text);
        }
    });
    let hang_up = || {
        Command::new("kill").args(["-HUP", &up.0.id().to_string()]).status().unwrap();
    };
    lake.dataset("b", "colums: {}\n");
    let mut said = Vec::new();
    await_state("the mistake is told", || {
        said.extend(lines.try_iter());
        said.iter().any(|l: &String| l.contains("colums")).then_some(())
    });
    // Looked at again and again, it is not told again; another one is.
    (0..5).for_each(|_| hang_up());
    // A request to look at once sees half a file where it is not renamed.
    lake.write("aside", "team: ops\ncolmns: {}\n");
    lake.rename("aside", "datasets/b.yaml");
    await_state("the next mistake is told", || {
        said.extend(lines.try_iter());
        said.iter().any(|l| l.contains("colmns")).then_some(())
    });
    assert_eq!(said.iter().filter(|l| l.contains("has errors")).count(), 2, "{said:#?}");
    assert_eq!(up.interrupt(), Some(DONE));
}
