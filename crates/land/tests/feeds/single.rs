//! One address: what lands, under which name, and what does not land again.

use std::io::Write;

use lakegate_domain::feed::Step;
use lakegate_domain::route::{Routed, route};

use crate::server::{Reply, Server, answer, chunked, ok};
use crate::{Polled, START_MS, only};

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn an_answer_lands_under_a_name_that_tells_when_and_is_routed() {
    let server =
        Server::script(vec![answer("200 OK", "ETag: \"v1\"\nContent-Type: application/x-protobuf", "body")])
            .await;
    let mut polled = Polled::feed(&format!("url: {}", server.url("/vehicles?x=1")));
    let round = polled.poll().await;
    let poll = only(&round);
    let hash = blake3::hash(b"body").to_string();
    let path = format!("2025/11/21/20251121T120000.000Z-{}.pb", &hash[..8]);
    assert_eq!((poll.step, poll.item.as_deref(), poll.status), (Step::Feed, None, Some(200)));
    assert_eq!((poll.size_bytes, poll.attempts, poll.n_missed, poll.identical), (4, 1, 0, false));
    assert_eq!((poll.due_ms, poll.started_ms), (START_MS, START_MS));
    assert_eq!(
        (poll.path.as_deref(), poll.fingerprint.as_deref()),
        (Some(path.as_str()), Some(hash.as_str()))
    );
    assert_eq!((poll.etag.as_deref(), poll.error.as_deref()), (Some("\"v1\""), None));
    let dataset = polled.dataset("d");
    assert_eq!(round.landed, [dataset.landing.join(&path)]);
    assert_eq!(polled.landed(), [(path.clone(), b"body".to_vec())]);
    assert_eq!(round.cursor.last_tick_ms, Some(START_MS));

    // The listing sees it, and it is this dataset's.
    let listing = lakegate_land::list(&dataset.landing, &[]);
    assert_eq!(listing.files.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(), [path.as_str()]);
    assert!(listing.problems.is_empty());
    assert!(matches!(route(&[dataset], &path), Routed::To(..)));
    let asked = &server.asked()[0];
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("GET", "/vehicles?x=1"));
    assert!(asked.header("user-agent").unwrap().starts_with("lakegate/"));
    assert_eq!(asked.header("if-none-match"), None);
}

#[tokio::test]
async fn what_has_not_changed_lands_once() {
    let server = Server::script(vec![
        answer("200 OK", "ETag: \"v1\"\nLast-Modified: Fri, 21 Nov 2025 11:59:00 GMT", "one"),
        answer("304 Not Modified", "", ""),
        answer("200 OK", "ETag: \"v2\"", "one"),
        answer("200 OK", "", "two"),
        answer("200 OK", "", "one"),
    ])
    .await;
    let mut polled = Polled::feed(&format!("url: {}", server.url("/x.json")));
    let mut seen = Vec::new();
    for _ in 0..5 {
        let round = polled.poll().await;
        let poll = only(&round);
        assert_eq!(poll.error, None);
        seen.push((poll.status.unwrap(), poll.identical, poll.path.is_some(), round.landed.len()));
    }
    assert_eq!(
        seen,
        [
            (200, false, true, 1),
            (304, true, false, 0),
            (200, true, false, 0),
            (200, false, true, 1),
            (200, false, true, 1)
        ]
    );
    assert_eq!(polled.landed_texts(), ["one", "two", "one"]);
    let asked = server.asked();
    let conditions: Vec<_> =
        asked.iter().map(|a| (a.header("if-none-match"), a.header("if-modified-since"))).collect();
    let then = Some("Fri, 21 Nov 2025 11:59:00 GMT");
    assert_eq!(
        conditions,
        [(None, None), (Some("\"v1\""), then), (Some("\"v1\""), then), (Some("\"v2\""), None), (None, None)]
    );
}

#[tokio::test]
async fn without_conditions_nothing_is_said_of_the_answer_before() {
    let server = Server::start(|_| answer("200 OK", "ETag: \"v1\"", "one")).await;
    let mut polled = Polled::feed(&format!("url: {}\nconditional: false", server.url("/x")));
    polled.poll().await;
    let round = polled.poll().await;
    assert!(only(&round).identical);
    assert_eq!(server.asked()[1].header("if-none-match"), None);
}

#[tokio::test]
async fn marks_of_another_address_prove_nothing() {
    let server = Server::start(|_| answer("200 OK", "ETag: \"v1\"", "one")).await;
    let mut polled = Polled::feed(&format!("url: {}", server.url("/x")));
    polled.poll().await;
    let cursor = polled.cursor().clone();
    let mut moved = Polled::feed(&format!("url: {}", server.url("/y")));
    moved.cursors.insert("d".into(), cursor);
    let round = moved.poll().await;
    assert!(!only(&round).identical);
    assert_eq!(server.asked()[1].header("if-none-match"), None);
    assert_eq!(moved.landed().len(), 1);
}

#[tokio::test]
async fn packed_answers_are_unpacked() {
    let text = "vehicle ".repeat(1000);
    let packed = gzip(text.as_bytes());
    // Brotli's stored form of `hello`.
    let brotli: &[u8] = b"\x0b\x02\x80hello\x03";
    let server = Server::script(vec![
        answer("200 OK", "Content-Encoding: gzip", &packed),
        chunked("Content-Encoding: gzip", &[&packed[..7], &packed[7..]], true),
        answer("200 OK", "Content-Encoding: br", brotli),
        // A file that is packed in itself stays as it is.
        answer("200 OK", "Content-Type: application/gzip", &packed),
    ])
    .await;
    let mut polled = Polled::feed(&format!("url: {}", server.url("/x.csv")));
    let mut sizes = Vec::new();
    for _ in 0..4 {
        let round = polled.poll().await;
        let poll = only(&round);
        assert_eq!(poll.error, None);
        sizes.push((poll.size_bytes, poll.identical));
    }
    assert_eq!(sizes, [(8000, false), (8000, true), (5, false), (packed.len() as u64, false)]);
    let landed: Vec<_> = polled.landed().into_iter().map(|(_, bytes)| bytes).collect();
    assert_eq!(landed, [text.into_bytes(), b"hello".to_vec(), packed]);
    let accepted = server.asked()[0].header("accept-encoding").unwrap().to_string();
    assert!(accepted.contains("gzip") && accepted.contains("br"), "{accepted}");
}

#[tokio::test]
async fn a_large_answer_passes_through_a_file() {
    let bytes: Vec<u8> = (0..3_000_000_u32).flat_map(|n| n.to_le_bytes()).collect();
    let body = bytes.clone();
    let server = Server::start(move |_| ok(&body)).await;
    let mut polled = Polled::feed(&format!("url: {}", server.url("/x")));
    let round = polled.poll().await;
    assert_eq!(only(&round).fingerprint, Some(blake3::hash(&bytes).to_string()));
    assert_eq!(polled.landed().len(), 1);
    assert!(polled.landed()[0].1 == bytes);
}

#[tokio::test]
async fn a_request_says_what_the_configuration_says() {
    let server = Server::script(vec![ok("one")]).await;
    let mut polled = Polled::feed(&format!(
        "url: {}\nquery: {{ v: 2, name: 'a b&c' }}\nheaders: {{ Accept: text/xml, User-Agent: lab }}\nbody: '<q>{{1}}</q>'",
        server.url("/x?k=1")
    ));
    polled.poll().await;
    let asked = &server.asked()[0];
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("POST", "/x?k=1&v=2&name=a+b%26c"));
    assert_eq!((asked.header("accept"), asked.header("user-agent")), (Some("text/xml"), Some("lab")));
    assert_eq!(asked.body, "<q>{1}</q>");
}

#[tokio::test]
async fn what_a_crash_left_is_swept() {
    let server = Server::script(vec![Reply::Bytes(Vec::new())]).await;
    let polled = Polled::feed(&format!("url: {}", server.url("/x")));
    let leftovers = polled.dataset("d").landing.join(".polling");
    std::fs::create_dir_all(&leftovers).unwrap();
    std::fs::write(leftovers.join("x.part"), "half").unwrap();
    let clock = std::sync::Arc::new(polled.clock.clone());
    lakegate_land::feed::Poller::new(&polled.lake, clock, std::sync::Arc::new(|_: &str| None)).unwrap();
    assert!(polled.landed().is_empty());
    assert!(polled.folder.path().exists());
}
