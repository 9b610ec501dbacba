//! What right feeds mean.

use std::time::Duration;

use lakegate_domain::Feed;
use lakegate_domain::feed::{Auth, HostLimits, Method, Paging, Schedule, Source};
use lakegate_domain::model::{After, Empty};

use crate::{compiled, dataset};

fn feed(keys: &str) -> Feed {
    let dataset = dataset(&format!("team: t\ntimezone: America/New_York\nfeed:\n{keys}"));
    dataset.feed.clone().expect("it has a feed")
}

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn the_shortest_feed() {
    let d = dataset("team: t\nfeed: { url: 'https://h.example.org/x.pb', every: 30s }\n");
    assert_eq!((d.after, d.settle, d.empty), (After::Delete, Duration::ZERO, Empty::Accept));
    let f = d.feed.as_ref().unwrap();
    assert!(matches!(&f.source, Source::One(url) if url.to_string() == "https://h.example.org/x.pb"));
    assert!(matches!(f.schedule, Schedule::Every(every) if every == secs(30)));
    assert_eq!((f.jitter, f.concurrency, f.per_host), (secs(3), 8, None));
    let r = &f.request;
    assert_eq!((r.method, r.timeout, r.connect_timeout), (Method::Get, secs(30), secs(10)));
    assert_eq!((r.retries, r.redirects, r.max_bytes, r.conditional), (2, 5, 64 << 20, true));
    assert!(r.headers.is_empty() && r.query.is_empty() && r.body.is_none() && r.auth.is_none());
}

#[test]
fn what_a_dataset_says_holds_for_a_feed_too() {
    let d = dataset(
        "team: t\nafter: archive\nsettle: 1s\nempty: park\nfeed: { url: 'https://h/x', every: 30s }\n",
    );
    assert_eq!((d.after, d.settle, d.empty), (After::Archive, secs(1), Empty::Park));
}

#[test]
fn everything_set() {
    let f = feed(
        "  url: https://h/{item}?key=${env:KEY}\n  every: 0 4 * * *\n  jitter: 1m\n  concurrency: 3\n  \
         per_host: { concurrency: 1 }\n  list: { url: 'https://g/list', items: data.list.id, keep: 1h, max_items: 5 }\n  \
         headers: { X-Api-Key: '${file:key}' }\n  query: { v: 2, route: '{item}' }\n  body: '<a>{item}</a>'\n  \
         auth: { user: me, password: '${env:P}' }\n  timeout: 5s\n  retries: 0\n  max_size: 1MiB\n  \
         redirects: 0\n  conditional: false\n",
    );
    // Four o'clock where the dataset is.
    assert_eq!(f.schedule.next(0), Some(9 * 3600 * 1000));
    assert_eq!((f.jitter, f.concurrency), (secs(60), 3));
    assert_eq!(f.per_host, Some(HostLimits { concurrency: 1, spacing: Duration::ZERO }));
    let Source::List { list, each } = &f.source else { panic!("{:?}", f.source) };
    assert_eq!(
        (list.items.to_string().as_str(), list.keep, list.max_items),
        ("data.list.id", Some(secs(3600)), 5)
    );
    assert_eq!(each.to_string(), "https://h/{item}?key=${env:KEY}");
    let r = &f.request;
    assert_eq!((r.method, r.timeout, r.connect_timeout), (Method::Post, secs(5), secs(5)));
    assert_eq!((r.retries, r.redirects, r.max_bytes, r.conditional), (0, 0, 1 << 20, false));
    assert_eq!(r.query[0].1.to_string(), "2");
    assert!(matches!(&r.auth, Some(Auth::Basic { user, .. }) if user.to_string() == "me"));
    assert!(!format!("{f:?}").is_empty());
}

#[test]
fn links() {
    let of = |url: &str, keys: &str| {
        let f =
            feed(&format!("  url: {url}\n  every: 1h\n  links: {{ records: results, link: url{keys} }}\n"));
        let Source::Links { links, .. } = f.source else { panic!("{:?}", f.source) };
        *links
    };
    assert_eq!(of("https://h/x", "").paging, Paging::None);
    assert_eq!(of("https://h/x?p={page}", "").paging, Paging::Number(1));
    assert_eq!(of("https://h/x?p={page}", ", first_page: 0").paging, Paging::Number(0));
    assert!(matches!(of("https://h/x", ", next: paging.next").paging, Paging::Next(_)));
    let l = of("https://h/x?since={cursor}", ", updated: last_updated, start: 2020-01-01, id: dataset_id");
    assert_eq!(
        (l.paging, l.start.as_deref(), l.max_pages, l.timeout),
        (Paging::Cursor, Some("2020-01-01"), 100, secs(600))
    );
}

#[test]
fn named_addresses_keep_their_order() {
    let f = feed("  urls: { north: 'https://h/n', south: 'https://h/s?x={item}' }\n  every: 1m\n");
    let Source::Named(urls) = &f.source else { panic!("{:?}", f.source) };
    assert_eq!(urls.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["north", "south"]);
}

#[test]
fn whoever_asks_a_host_keeps_to_the_strictest() {
    let lake = compiled(&[
        (
            "lake.yaml",
            "lake: h\nfeeds: { per_host: { spacing: 1s }, hosts: { A.example.org: { concurrency: 3 } } }\n",
        ),
        ("datasets/a.yaml", "team: t\nfeed: { url: 'https://a.example.org/x', every: 30s }\n"),
        ("datasets/b.yaml", "team: t\nfeed: { url: 'https://b.example.org:8443/x', every: 30s }\n"),
        (
            "datasets/c.yaml",
            "team: t\nfeed: { url: 'https://B.example.org/y', every: 30s, per_host: { concurrency: 1 } }\n",
        ),
        (
            "datasets/d.yaml",
            "team: t\nfeed: { url: 'https://${env:HOST}/y', every: 30s, per_host: { spacing: 4s } }\n",
        ),
    ])
    .unwrap();
    let limits = |dataset: &str, host: &str| {
        let name = format!("t.{dataset}").parse().unwrap();
        let limits = lake.feeds.limits(host, lake.dataset(&name).unwrap().feed.as_ref().unwrap());
        (limits.concurrency, limits.spacing.as_secs())
    };
    assert_eq!(limits("a", "a.example.org"), (3, 0));
    assert_eq!(limits("b", "b.example.org"), (1, 0), "as c says");
    assert_eq!(limits("b", "cdn.example.org"), (8, 1), "as the lake says");
    assert_eq!(limits("d", "unknown.example.org"), (8, 4), "as the feed says");
    assert_eq!(limits("d", "a.example.org"), (3, 4), "as both say");
}

#[test]
fn marks_are_of_one_request_alone() {
    let of = |keys: &str| feed(&format!("  every: 1m\n{keys}"));
    let plain = of("  url: https://h/x\n").request_key();
    assert_eq!(plain, of("  url: https://h/x\n").request_key());
    assert_ne!(plain, of("  url: https://h/y\n").request_key());
    assert_ne!(plain, of("  url: https://h/x\n  headers: { Accept: text/xml }\n").request_key());
    // How often and how patiently it is asked changes nothing.
    assert_eq!(plain, of("  url: https://h/x\n  retries: 9\n  timeout: 5s\n").request_key());
}
