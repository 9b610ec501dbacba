//! Answers that are lists of links.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use lakegate_domain::feed::Step;
use lakegate_domain::feed::links::GIVE_UP_AFTER;
use serde_json::{Value, json};

use crate::Polled;
use crate::server::{Asked, Reply, Server, answer, ok};

/// What a test's server has: records by id, with when they changed and what
/// they say; how its links are signed.
#[derive(Default)]
struct Archive {
    records: BTreeMap<String, (u32, String)>,
    /// Links of another signature are refused.
    signature: u32,
    /// A new signature with every page.
    resigns: bool,
    /// Files that are listed and not there.
    gone: Vec<String>,
    page_size: usize,
}

type Shared = Arc<Mutex<Archive>>;

fn archive(records: &[(&str, u32, &str)]) -> Shared {
    let records = records.iter().map(|(id, at, says)| (id.to_string(), (*at, says.to_string()))).collect();
    Arc::new(Mutex::new(Archive { records, page_size: 100, ..Archive::default() }))
}

fn query<'a>(asked: &'a Asked, name: &str) -> Option<&'a str> {
    let (_, query) = asked.target.split_once('?')?;
    query.split('&').filter_map(|pair| pair.split_once('=')).find(|(n, _)| *n == name).map(|(_, v)| v)
}

/// `/api?since=&p=` lists; `/file/ID?sig=` downloads.
async fn serve(archive: Shared) -> Server {
    Server::start(move |asked| {
        let mut archive = archive.lock().unwrap();
        let path = asked.target.split('?').next().unwrap();
        if let Some(id) = path.strip_prefix("/file/") {
            let id = id.trim_end_matches(".csv");
            return match archive.records.get(id) {
                _ if query(asked, "sig") != Some(archive.signature.to_string().as_str()) => {
                    answer("403 Forbidden", "", "expired")
                }
                Some((_, says)) if !archive.gone.iter().any(|g| g == id) => ok(says),
                _ => answer("404 Not Found", "", ""),
            };
        }
        if archive.resigns {
            archive.signature += 1;
        }
        let since: u32 = query(asked, "since").map_or(0, |s| s.parse().unwrap());
        let page: usize = query(asked, "p").map_or(1, |p| p.parse().unwrap());
        let mut found: Vec<(&String, &(u32, String))> =
            archive.records.iter().filter(|(_, (at, _))| *at >= since).collect();
        found.sort_by_key(|(id, (at, _))| (*at, id.to_string()));
        let (size, total) = (archive.page_size, found.len());
        let results: Vec<Value> = found
            .into_iter()
            .skip((page - 1) * size)
            .take(size)
            .map(|(id, (at, _))| {
                json!({ "id": id, "last_updated": at, "name": format!("{id}.csv"),
                        "url": format!("/file/{id}.csv?sig={}", archive.signature) })
            })
            .collect();
        let next = (page * size < total).then(|| format!("/api?since={since}&p={}", page + 1));
        ok(json!({ "success": true, "results": results, "next": next }).to_string())
    })
    .await
}

const LINKS: &str =
    "links: { records: results, link: url, name: name, id: id, updated: last_updated, start: 0 }";

fn by_cursor(server: &Server) -> Polled {
    Polled::feed(&format!("url: {}?since={{cursor}}\n{LINKS}", server.url("/api")))
}

fn downloads(server: &Server) -> Vec<String> {
    let mut files: Vec<_> = server.targets().into_iter().filter(|t| t.starts_with("/file/")).collect();
    files.iter_mut().for_each(|f| *f = f.split('?').next().unwrap().to_string());
    files.sort();
    files
}

#[tokio::test]
async fn what_links_lead_to_lands_once_under_its_own_name() {
    let archive = archive(&[("a", 1, "A1"), ("b", 2, "B1"), ("c", 2, "C1")]);
    let server = serve(archive.clone()).await;
    let mut polled = by_cursor(&server);
    let round = polled.poll().await;
    let names: Vec<_> = polled.landed().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a/a.csv", "b/b.csv", "c/c.csv"]);
    assert!(round.polls.iter().all(|p| p.error.is_none()), "{:#?}", round.polls);
    assert_eq!(round.landed.len(), 3);
    assert_eq!(polled.cursor().links.cursor.as_deref(), Some("2"));
    let linked: Vec<_> =
        round.polls.iter().filter(|p| p.step == Step::Link).map(|p| p.item.as_deref().unwrap()).collect();
    assert_eq!(linked, ["a/a.csv", "b/b.csv", "c/c.csv"]);

    // Only what has changed or is new is fetched; ties at the cursor are known.
    archive.lock().unwrap().records.insert("a".into(), (3, "A2".into()));
    archive.lock().unwrap().records.insert("d".into(), (2, "D1".into()));
    let before = downloads(&server).len();
    let round = polled.poll().await;
    assert_eq!(downloads(&server).len() - before, 2);
    assert_eq!(round.landed.len(), 2);
    assert_eq!(polled.landed_texts(), ["A2", "B1", "C1", "D1"]);
    assert!(server.targets().iter().any(|t| t == "/api?since=2"));
    // Nothing new: one page that says so.
    let before = server.asked().len();
    let round = polled.poll().await;
    assert_eq!(
        (server.asked().len() - before, round.landed.len()),
        (2, 0),
        "the page, and that nothing comes after it"
    );
}

#[tokio::test]
async fn records_that_call_their_files_the_same_keep_apart() {
    for paths in ["id: id, ", ""] {
        let server = Server::start(|asked| match asked.target.as_str() {
            "/api" => ok(json!({ "results": [
                { "id": 1, "url": "/2024/data.csv", "name": "data.csv" },
                { "id": 2, "url": "/2025/data.csv", "name": "data.csv" },
            ] })
            .to_string()),
            target => ok(target),
        })
        .await;
        let mut polled = Polled::feed(&format!(
            "url: {}\nlinks: {{ records: results, link: url, {paths}name: name }}",
            server.url("/api")
        ));
        polled.poll().await;
        assert_eq!(polled.landed_texts(), ["/2024/data.csv", "/2025/data.csv"], "{:?}", polled.landed());
    }
}

#[tokio::test]
async fn versions_that_are_appended_keep_apart() {
    let archive = archive(&[("a", 1, "A1")]);
    let server = serve(archive.clone()).await;
    let mut polled =
        Polled::feed(&format!("url: {}?since={{cursor}}\n{LINKS}\n^on_change: append", server.url("/api")));
    polled.poll().await;
    archive.lock().unwrap().records.insert("a".into(), (2, "A2".into()));
    polled.poll().await;
    let mut texts = polled.landed_texts();
    texts.sort();
    assert_eq!(texts, ["A1", "A2"]);
    assert!(polled.landed().iter().all(|(name, _)| name.ends_with("/a.csv")));
}

#[tokio::test]
async fn every_kind_of_paging_reaches_the_end() {
    let records: Vec<(String, u32)> = (0..23).map(|n| (format!("r{n:02}"), n + 1)).collect();
    let records: Vec<(&str, u32, &str)> = records.iter().map(|(id, at)| (id.as_str(), *at, "x")).collect();
    for (lines, parts) in [
        (
            "url: URL?since={cursor}\nlinks: { records: results, link: url, id: id, updated: last_updated, start: 0 }",
            4,
        ),
        ("url: URL?p={page}\nlinks: { records: results, link: url, id: id }", 3),
        ("url: URL\nlinks: { records: results, link: url, id: id, next: next }", 3),
    ] {
        let archive = archive(&records);
        archive.lock().unwrap().page_size = 10;
        // Every file says something else, so that all of them land.
        archive.lock().unwrap().records.iter_mut().for_each(|(id, (_, says))| says.clone_from(id));
        let server = serve(archive.clone()).await;
        let mut polled = Polled::feed(&lines.replace("URL", &server.url("/api")));
        let rounds = polled.poll_in_parts().await;
        assert!(rounds.len() >= parts - 1, "{lines}: told in parts");
        assert!(rounds.iter().flat_map(|r| &r.polls).all(|p| p.error.is_none()));
        assert_eq!(downloads(&server).len(), 23, "{lines}");
        assert_eq!(polled.landed().len(), 23, "{lines}");
        // Again: nothing is fetched twice.
        polled.poll().await;
        assert_eq!(downloads(&server).len(), 23, "{lines}");
    }
}

#[tokio::test]
async fn too_many_pages_are_said() {
    let archive = archive(&[("a", 1, "A"), ("b", 2, "B"), ("c", 3, "C"), ("d", 4, "D"), ("e", 5, "E")]);
    archive.lock().unwrap().page_size = 2;
    let server = serve(archive.clone()).await;
    let mut polled = Polled::feed(&format!(
        "url: {}\nlinks: {{ records: results, link: url, next: next, max_pages: 2 }}",
        server.url("/api")
    ));
    let round = polled.poll().await;
    let complaint = round.polls.last().unwrap().error.clone().unwrap();
    assert!(
        complaint.contains("has more than 2 pages, and nothing of the others is fetched; raise `max_pages`"),
        "{complaint}"
    );
    assert_eq!(polled.landed().len(), 4);

    // By the cursor the next poll goes on where this one stopped.
    let mut polled = Polled::feed(&format!(
        "url: {}?since={{cursor}}\nlinks: {{ records: results, link: url, updated: last_updated, start: 0, max_pages: 2 }}",
        server.url("/api")
    ));
    for n in [3, 5, 5] {
        let round = polled.poll().await;
        assert!(round.polls.iter().all(|p| p.error.is_none()), "{:#?}", round.polls);
        assert!(polled.landed().len() >= n, "{}", polled.landed().len());
    }
}

#[tokio::test]
async fn expired_links_are_asked_for_again() {
    let archive = archive(&[("a", 1, "A"), ("b", 2, "B")]);
    let expires_once = Arc::new(Mutex::new(true));
    // The signature changes between the first page and the first download.
    let (shared, once) = (archive.clone(), expires_once.clone());
    let server = Server::start(move |asked| {
        let mut archive = shared.lock().unwrap();
        if asked.target.starts_with("/file/") {
            if std::mem::take(&mut *once.lock().unwrap()) {
                archive.signature += 1;
            }
            let fresh = asked.target.ends_with(&format!("sig={}", archive.signature));
            return if fresh { ok(&asked.target[..7]) } else { answer("403 Forbidden", "", "") };
        }
        let since: u32 = query(asked, "since").unwrap().parse().unwrap();
        let results: Vec<Value> = archive
            .records
            .iter()
            .filter(|(_, (at, _))| *at > since)
            .map(|(id, (at, _))| json!({ "last_updated": at, "url": format!("/file/{id}?sig={}", archive.signature) }))
            .collect();
        ok(json!({ "results": results }).to_string())
    })
    .await;
    let mut polled = Polled::feed(&format!(
        "url: {}?since={{cursor}}\nconcurrency: 1\nlinks: {{ records: results, link: url, updated: last_updated, start: 0 }}",
        server.url("/api")
    ));
    let round = polled.poll().await;
    assert_eq!(polled.landed().len(), 2, "{:#?}", round.polls);
    assert_eq!(polled.cursor().links.cursor.as_deref(), Some("2"));
    let steps: Vec<_> = round.polls.iter().map(|p| (p.step.name(), p.status.unwrap())).collect();
    assert_eq!(
        steps,
        [
            ("page", 200),
            ("link", 403),
            ("link", 403),
            ("page", 200),
            ("link", 200),
            ("link", 200),
            ("page", 200)
        ]
    );
    // A signature is never told.
    assert!(!format!("{round:?}").contains("sig="), "{round:?}");
}

#[tokio::test]
async fn a_dead_link_harms_no_other_and_is_given_up_in_the_end() {
    let archive = archive(&[("a", 1, "A"), ("dead", 2, ""), ("z", 3, "Z")]);
    archive.lock().unwrap().gone.push("dead".into());
    archive.lock().unwrap().resigns = true;
    let server = serve(archive.clone()).await;
    let mut polled = by_cursor(&server);
    for n in 1..=GIVE_UP_AFTER {
        let round = polled.poll().await;
        assert_eq!(polled.landed_texts(), ["A", "Z"]);
        let (cursor, given_up) = if n < GIVE_UP_AFTER { ("1", false) } else { ("3", true) };
        assert_eq!(polled.cursor().links.cursor.as_deref(), Some(cursor), "poll {n}");
        let errors: Vec<_> = round.polls.iter().filter_map(|p| p.error.as_deref()).collect();
        assert_eq!(
            errors.iter().any(|e| e.contains("is given up until the record changes")),
            given_up,
            "{errors:?}"
        );
    }
    // Once it changes it is tried again.
    archive.lock().unwrap().gone.clear();
    archive.lock().unwrap().records.insert("dead".into(), (4, "alive".into()));
    polled.poll().await;
    assert_eq!(polled.landed_texts(), ["A", "alive", "Z"]);
}

#[tokio::test]
async fn failures_that_pass_leave_the_cursor_where_it_is() {
    let failing = Arc::new(Mutex::new(true));
    let flag = failing.clone();
    let server = Server::start(move |asked| match asked.target.split('?').next().unwrap() {
        "/api" => ok(json!({ "results": [
            { "last_updated": "2024-01-01T00:00:00Z", "url": "a.csv" },
            { "last_updated": "2024-01-02T00:00:00Z", "url": "/b.csv" },
            { "last_updated": "2024-01-03T00:00:00Z" },
            { "last_updated": "2024-01-04T00:00:00Z", "url": "mailto:x@y" },
        ] })
        .to_string()),
        "/a.csv" if *flag.lock().unwrap() => answer("500 Internal Server Error", "", ""),
        target => ok(target),
    })
    .await;
    let mut polled = Polled::feed(&format!(
        "url: {}?since={{cursor}}\nretries: 0\nlinks: {{ records: results, link: url, updated: last_updated, start: '2020-01-01' }}",
        server.url("/api")
    ));
    let round = polled.poll().await;
    assert_eq!(server.targets()[0], "/api?since=2020-01-01");
    let complaint = round.polls[0].error.as_deref().unwrap();
    assert!(complaint.contains("1 of 4 records of the page"), "{complaint}");
    assert!(complaint.ends_with("are left out; the first is number 3: it has no `url`"), "{complaint}");
    let odd =
        round.polls.iter().find(|p| p.error.as_deref().is_some_and(|e| e.contains("no address on the web")));
    assert!(odd.is_some(), "{:#?}", round.polls);
    assert_eq!(polled.landed_texts(), ["/b.csv"]);
    assert_eq!(polled.cursor().links.cursor, None);
    *failing.lock().unwrap() = false;
    polled.poll().await;
    assert_eq!(polled.landed_texts(), ["/a.csv", "/b.csv"]);
    assert_eq!(polled.cursor().links.cursor.as_deref(), Some("2024-01-02T00:00:00Z"));
}

#[tokio::test]
async fn pages_that_are_none_are_said() {
    for (body, want) in [
        ("<html>", "cannot be read: it is not JSON"),
        (r#"{"data":[]}"#, "has nothing at `results`; look at `records`"),
    ] {
        let server = Server::start(move |_| ok(body)).await;
        let mut polled =
            Polled::feed(&format!("url: {}\nlinks: {{ records: results, link: url }}", server.url("/api")));
        let round = polled.poll().await;
        assert!(crate::error(&round).contains(want), "{}", crate::error(&round));
    }
    // A list that is empty is no mistake.
    let server = Server::start(|_| ok(r#"{"results":[]}"#)).await;
    let mut polled =
        Polled::feed(&format!("url: {}\nlinks: {{ records: results, link: url }}", server.url("/api")));
    assert_eq!(crate::only(&polled.poll().await).error, None);
}

#[tokio::test]
async fn links_to_another_host_carry_no_secret() {
    let store = Arc::new(Server::start(|asked| ok(&asked.target)).await);
    let (plain, leaking) = (store.url("/f?sig=1"), store.url("/g?key=swordfish"));
    let server = Server::start(move |asked| match asked.target.split('?').next().unwrap() {
        "/api" => {
            ok(json!({ "results": [{ "url": "/here" }, { "url": plain }, { "url": leaking }] }).to_string())
        }
        target => ok(target),
    })
    .await;
    let lines = format!(
        "url: {}?key=${{env:K}}\nheaders: {{ X-Key: '${{env:K}}', Accept: text/csv }}\nquery: {{ v: 1 }}\nbody: q\n\
         links: {{ records: results, link: url }}",
        server.url("/api")
    );
    let mut polled = Polled::with_env("lake: l\n", &[("d", &lines)], &[("K", "swordfish")]);
    let round = polled.poll().await;
    assert_eq!(polled.landed_texts(), ["/f?sig=1", "/here"]);
    let page = &server.asked()[0];
    assert_eq!((page.method.as_str(), page.header("x-key")), ("POST", Some("swordfish")));
    let here = &server.asked()[1];
    assert_eq!(
        (here.method.as_str(), here.target.as_str(), here.header("x-key")),
        ("GET", "/here", Some("swordfish"))
    );
    let asked = store.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!((asked[0].header("x-key"), asked[0].header("accept")), (None, Some("text/csv")));
    let told = format!("{round:?}");
    assert!(
        !told.contains("swordfish") && told.contains("another host, with a secret in the address"),
        "{told}"
    );
}

#[tokio::test]
async fn a_poll_that_is_cut_off_is_taken_up_where_it_stood() {
    let archive = archive(&[("a", 1, "A"), ("b", 2, "B"), ("c", 3, "C")]);
    archive.lock().unwrap().page_size = 1;
    let server = serve(archive.clone()).await;
    let lines = format!(
        "url: {}?p={{page}}\n{}",
        server.url("/api"),
        "links: { records: results, link: url, id: id }"
    );
    let mut polled = Polled::feed(&lines);
    let rounds = polled.poll_in_parts().await;
    // Whoever kept only the first part goes on from it.
    let mut again = Polled::feed(&lines);
    again.cursors.insert("d".into(), rounds[0].cursor.clone());
    let before = downloads(&server).len();
    again.poll().await;
    assert_eq!(downloads(&server).len() - before, 2);
    assert_eq!(rounds[0].cursor.last_tick_ms, None, "the poll was not over");
}

#[tokio::test]
async fn a_server_that_answers_the_same_for_ever_is_left() {
    let page = json!({ "results": [{ "url": "/a" }], "next": "/api" }).to_string();
    let server = Server::start(move |asked| match asked.target.split('?').next().unwrap() {
        "/api" => ok(&page),
        _ => Reply::Bytes(crate::server::whole("200 OK", "", "x")),
    })
    .await;
    for lines in [
        "url: URL\nlinks: { records: results, link: url, next: next }",
        "url: URL?p={page}\nlinks: { records: results, link: url }",
    ] {
        let before = server.asked().len();
        Polled::feed(&lines.replace("URL", &server.url("/api"))).poll().await;
        assert!(server.asked().len() - before <= 4, "{lines}");
    }
}
