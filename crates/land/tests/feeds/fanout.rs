//! Several addresses, and lists of items.

use std::sync::atomic::{AtomicUsize, Ordering};

use lakegate_domain::feed::Step;

use crate::Polled;
use crate::server::{Server, answer, ok};

#[tokio::test]
async fn named_addresses_each_have_their_own_mark() {
    let server = Server::start(|asked| match asked.target.as_str() {
        "/n" => answer("200 OK", "ETag: \"n\"", "north"),
        "/s?x=south%20side" => ok("south"),
        _ => answer("404 Not Found", "", ""),
    })
    .await;
    let mut polled = Polled::feed(&format!(
        "urls: {{ north: '{}', 'south side': '{}?x={{item}}', gone: '{}' }}",
        server.url("/n"),
        server.url("/s"),
        server.url("/g")
    ));
    let round = polled.poll().await;
    let seen: Vec<_> =
        round.polls.iter().map(|p| (p.item.as_deref().unwrap(), p.status, p.error.is_some())).collect();
    assert_eq!(
        seen,
        [("north", Some(200), false), ("south side", Some(200), false), ("gone", Some(404), true)]
    );
    assert_eq!(polled.landed_texts(), ["north", "south"]);
    let names: Vec<_> = polled.landed().into_iter().map(|(name, _)| name).collect();
    assert!(names[0].contains("Z-north-") && names[1].contains("Z-south side-"), "{names:?}");
    let round = polled.poll().await;
    assert!(round.polls[0].identical && round.polls[1].identical);
    assert_eq!(polled.cursor().marks.keys().collect::<Vec<_>>(), ["north", "south side"]);
}

#[tokio::test]
async fn a_list_is_asked_for_first_and_each_item_once() {
    let list_n = AtomicUsize::new(0);
    let server = Server::start(move |asked| {
        if asked.target.starts_with("/list") {
            return match list_n.fetch_add(1, Ordering::Relaxed) {
                0 => ok(r#"{"data":{"list":[{"id":"MTA NYCT_B63"},{"id":"B/1"},{"id":"B/1"}]}}"#),
                1 => ok("<html>"),
                _ => ok(r#"{"data":{"list":[{"id":"B/1"},{"id":"X"}]}}"#),
            };
        }
        if asked.target.contains("X") { answer("404 Not Found", "", "") } else { ok(&asked.target) }
    })
    .await;
    let mut polled = Polled::feed(&format!(
        "url: {}?line={{item}}\nquery: {{ detail: calls }}\nlist: {{ url: '{}', items: data.list.id }}",
        server.url("/vm/{item}"),
        server.url("/list?agency=1")
    ));
    let round = polled.poll().await;
    let seen: Vec<_> = round.polls.iter().map(|p| (p.step, p.item.as_deref(), p.error.is_some())).collect();
    assert_eq!(
        seen,
        [
            (Step::List, None, false),
            (Step::Feed, Some("MTA NYCT_B63"), false),
            (Step::Feed, Some("B/1"), false)
        ]
    );
    let mut targets = server.targets();
    targets.sort();
    assert_eq!(
        targets,
        [
            "/list?agency=1",
            "/vm/B%2F1?line=B%2F1&detail=calls",
            "/vm/MTA%20NYCT_B63?line=MTA%20NYCT_B63&detail=calls"
        ]
    );
    // The list cannot be had: the items before are polled.
    let round = polled.poll().await;
    let failed = round.polls[0].error.as_deref().unwrap();
    assert!(failed.contains("cannot be read: it is not XML"), "{failed}");
    assert!(failed.ends_with("; the items of the list before are polled"), "{failed}");
    assert!(round.polls.len() == 3 && round.polls[1].identical && round.polls[2].identical);
    // An item that is gone is forgotten, a bad one harms no other.
    let round = polled.poll().await;
    let seen: Vec<_> =
        round.polls.iter().map(|p| (p.item.as_deref(), p.identical, p.error.is_some())).collect();
    assert_eq!(seen, [(None, false, false), (Some("B/1"), true, false), (Some("X"), false, true)]);
    assert_eq!(polled.cursor().marks.keys().collect::<Vec<_>>(), ["B/1"]);
    assert_eq!(polled.landed().len(), 2);
}

#[tokio::test]
async fn a_list_may_be_xml_and_kept() {
    let server = Server::start(|asked| match asked.target.as_str() {
        "/list" => ok("\n\n<body><route tag='1'/><route tag='2'/></body>"),
        target => ok(target),
    })
    .await;
    let mut polled = Polled::feed(&format!(
        "url: {}\nlist: {{ url: '{}', items: body.route@tag, keep: 1m }}",
        server.url("/r/{item}"),
        server.url("/list")
    ));
    for _ in 0..4 {
        polled.poll().await;
    }
    // Polls are 30 s apart.
    assert_eq!(server.targets().iter().filter(|t| *t == "/list").count(), 2);
    assert_eq!(server.targets().len(), 10);
}

#[tokio::test]
async fn lists_of_nothing_and_of_too_much_are_refused() {
    let server = Server::start(|asked| match asked.target.as_str() {
        "/long" => ok(r#"["a","b","c"]"#),
        _ => ok(r#"{"data":[]}"#),
    })
    .await;
    for (path, want) in [
        ("/long", "has 3 items; if they are genuine, raise `max_items`"),
        ("/empty", "has nothing at `.`; look at `items`"),
    ] {
        let mut polled = Polled::feed(&format!(
            "url: {}\nlist: {{ url: '{}', items: ., max_items: 2 }}",
            server.url("/r/{item}"),
            server.url(path)
        ));
        let round = polled.poll().await;
        assert!(crate::error(&round).contains(want), "{path}: {}", crate::error(&round));
    }
}

#[tokio::test]
async fn at_most_so_many_are_asked_at_a_time_and_none_after_a_429() {
    let server = Server::start(|asked| match asked.target.as_str() {
        "/list" => ok(serde_json::to_vec(&(0..40).collect::<Vec<_>>()).unwrap()),
        target => ok(target),
    })
    .await;
    let lines = |path: &str| {
        format!(
            "url: {}\nconcurrency: 3\nlist: {{ url: '{}', items: . }}",
            server.url(path),
            server.url("/list")
        )
    };
    let mut polled = Polled::feed(&lines("/r/{item}"));
    let round = polled.poll().await;
    assert_eq!(round.polls.len(), 41);
    assert_eq!(round.landed.len(), 40);
    assert!((2..=3).contains(&server.most_at_a_time()), "{}", server.most_at_a_time());

    let busy = Server::start(|asked| match asked.target.as_str() {
        "/list" => ok(serde_json::to_vec(&(0..40).collect::<Vec<_>>()).unwrap()),
        "/r/2" => answer("429 Too Many Requests", "Retry-After: 300", ""),
        target => ok(target),
    })
    .await;
    let mut polled = Polled::feed(&format!(
        "url: {}\nconcurrency: 1\nlist: {{ url: '{}', items: . }}",
        busy.url("/r/{item}"),
        busy.url("/list")
    ));
    let round = polled.poll().await;
    assert_eq!(busy.targets(), ["/list", "/r/0", "/r/1", "/r/2"]);
    assert_eq!((round.polls.len(), round.landed.len()), (4, 2));
    assert_eq!(round.cursor.hold_until_ms, Some(crate::START_MS + 300_000));
    assert_eq!(round.cursor.marks.len(), 2, "what was had is kept");
}
