//! Servers that fail, lie, stall, and lead astray.

use std::time::Duration;

use crate::clock::TestClock;
use crate::server::{Reply, Server, answer, chunked, ok, whole};
use crate::single::gzip;
use crate::{Polled, error, only};

const S: fn(u64) -> Duration = Duration::from_secs;

type Faulty = Box<dyn Fn() -> Reply + Send + Sync>;

fn cut(mut bytes: Vec<u8>, by: usize) -> Reply {
    bytes.truncate(bytes.len() - by);
    Reply::Bytes(bytes)
}

#[tokio::test]
async fn what_is_cut_short_is_refused_and_asked_for_again() {
    let text = "x".repeat(5000);
    let packed = gzip(text.as_bytes());
    let damaged = {
        let mut damaged = packed.clone();
        let at = damaged.len() - 6;
        damaged[at] ^= 0xff;
        damaged
    };
    let cases: Vec<(&str, Faulty)> = vec![
        ("fewer bytes than said", Box::new(|| cut(whole("200 OK", "", "hello"), 2))),
        ("a cut chunk", Box::new(|| chunked("", &[b"hello"], false))),
        (
            "a chunk that never comes",
            Box::new(|| {
                Reply::Bytes(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel".to_vec())
            }),
        ),
        ("a cut gzip stream of the length that was said", {
            let packed = packed.clone();
            Box::new(move || answer("200 OK", "Content-Encoding: gzip", &packed[..packed.len() - 9]))
        }),
        ("a gzip stream without its end, in whole chunks", {
            let packed = packed.clone();
            Box::new(move || chunked("Content-Encoding: gzip", &[&packed[..packed.len() - 4]], true))
        }),
        (
            "a gzip stream whose sum is wrong",
            Box::new(move || answer("200 OK", "Content-Encoding: gzip", &damaged)),
        ),
        ("no answer at all", Box::new(|| Reply::Bytes(Vec::new()))),
        ("half a head", Box::new(|| Reply::Bytes(b"HTTP/1.1 200 OK\r\nContent-".to_vec()))),
    ];
    for (what, reply) in cases {
        let server = Server::start(move |_| reply()).await;
        let mut polled = Polled::feed(&format!("url: {}\nretries: 2", server.url("/x")));
        let round = polled.poll().await;
        let poll = only(&round);
        assert!(error(&round).contains("broke off"), "{what}: {}", error(&round));
        assert_eq!((poll.attempts, server.asked().len()), (3, 3), "{what}");
        assert_eq!((&poll.path, &poll.fingerprint, poll.identical), (&None, &None, false), "{what}");
        assert!(round.landed.is_empty() && polled.landed().is_empty(), "{what}");
        assert!(polled.cursor().marks.is_empty(), "{what}");
        assert_eq!(polled.cursor().last_tick_ms, Some(crate::START_MS), "{what}: the tick is over");
    }
}

#[tokio::test]
async fn a_failure_that_passes_is_retried_with_growing_waits() {
    let server = Server::script(vec![
        answer("500 Internal Server Error", "", "<html>"),
        answer("502 Bad Gateway", "", ""),
        cut(whole("200 OK", "", "hello"), 1),
        ok("hello"),
    ])
    .await;
    let mut polled = Polled::feed(&format!("url: {}\nretries: 3", server.url("/x")));
    let round = polled.poll().await;
    assert_eq!((only(&round).attempts, only(&round).status, &only(&round).error), (4, Some(200), &None));
    assert_eq!(polled.landed_texts(), ["hello"]);
    let waits = polled.clock.waits();
    assert_eq!(waits.len(), 3);
    for (wait, full) in waits.iter().zip([S(1), S(2), S(4)]) {
        assert!(*wait >= full / 2 && *wait <= full, "{waits:?}");
    }
    assert_eq!(only(&round).duration_ms, u64::try_from(waits.iter().sum::<Duration>().as_millis()).unwrap());
}

#[tokio::test]
async fn what_will_not_pass_is_not_retried() {
    for (status, hint) in [
        ("404 Not Found", "look at the address"),
        ("401 Unauthorized", "look at `auth`, `headers`, `query` and the secrets"),
        ("400 Bad Request", "look at the address, `method` and `headers`"),
        ("304 Not Modified", "set `conditional: false`"),
        ("206 Partial Content", "look at"),
        ("204 No Content", "look at"),
    ] {
        let server = Server::script(vec![answer(status, "", "")]).await;
        let url = server.url("/x");
        let mut polled = Polled::feed(&format!("url: {url}"));
        let round = polled.poll().await;
        let code = status[..3].parse().unwrap();
        assert_eq!((only(&round).attempts, only(&round).status), (1, Some(code)));
        assert!(error(&round).starts_with(&format!("`{url}` answered {status}; ")), "{}", error(&round));
        assert!(error(&round).contains(hint), "{}", error(&round));
    }
    let server = Server::script(vec![ok("")]).await;
    let round = Polled::feed(&format!("url: {}", server.url("/x"))).poll().await;
    assert!(error(&round).contains("nothing at all"), "{}", error(&round));
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_says_what_to_look_at() {
    let port = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let mut polled = Polled::feed(&format!("url: http://127.0.0.1:{port}/x\nretries: 1"));
    let round = polled.poll().await;
    assert_eq!((only(&round).attempts, only(&round).status), (2, None));
    assert!(error(&round).contains("cannot be reached: "), "{}", error(&round));
    assert!(error(&round).contains("look at the address, the network and the server"));
}

#[tokio::test]
async fn a_server_that_wants_to_be_left_alone_is() {
    for (headers, replies, hold_s, waited) in [
        ("Retry-After: 7", 1, None, vec![S(7)]),
        ("Retry-After: 7", 9, Some(7), vec![S(7), S(7)]),
        ("Retry-After: 600", 9, Some(600), vec![]),
        ("Retry-After: Fri, 21 Nov 2025 12:10:00 GMT", 9, Some(600), vec![]),
        ("", 9, Some(60), vec![]),
    ] {
        let n = std::sync::atomic::AtomicUsize::new(0);
        let server = Server::start(move |_| match n.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            n if n < replies => answer("429 Too Many Requests", headers, ""),
            _ => ok("hello"),
        })
        .await;
        let mut polled = Polled::feed(&format!("url: {}", server.url("/x")));
        let round = polled.poll().await;
        assert_eq!(polled.clock.waits(), waited, "{headers}");
        assert_eq!(only(&round).error.is_some(), hold_s.is_some(), "{headers}");
        let end = crate::START_MS + i64::try_from(waited.iter().sum::<Duration>().as_millis()).unwrap();
        assert_eq!(round.cursor.hold_until_ms, hold_s.map(|s| end + s * 1000), "{headers}");
    }
}

#[tokio::test]
async fn an_answer_beyond_the_cap_is_refused_while_it_comes() {
    let bomb = gzip(&vec![0; 3_000_000]);
    assert!(bomb.len() < 4096, "{}", bomb.len());
    let long = vec![b'x'; 5000];
    for (what, reply) in [
        ("by its length", answer("200 OK", "", &long)),
        ("in chunks", chunked("", &[&long[..2500], &long[2500..]], true)),
        ("once unpacked", answer("200 OK", "Content-Encoding: gzip", &bomb)),
        ("without end", Reply::Stall([b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &long].concat())),
    ] {
        let server = Server::script(vec![reply]).await;
        let mut polled = Polled::feed(&format!("url: {}\nmax_size: 4KiB", server.url("/x")));
        let round = polled.poll().await;
        assert!(
            error(&round).contains("is larger than 4096 bytes; if it is genuine, raise `max_size`"),
            "{what}: {}",
            error(&round)
        );
        assert_eq!(only(&round).attempts, 1, "{what}");
        assert!(only(&round).size_bytes <= 4096, "{what}");
        assert!(polled.landed().is_empty(), "{what}");
    }
}

#[tokio::test]
async fn slow_answers_time_out() {
    for (what, head, came) in [
        ("nothing comes", b"".as_slice(), 0),
        ("the body stalls", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", 5),
    ] {
        let server = Server::start(move |_| Reply::Stall(head.to_vec())).await;
        let clock = TestClock::standing();
        let url = server.url("/x");
        let mut polled = Polled::on_clock(
            "lake: l\n",
            &[("d", &format!("url: {url}\ntimeout: 20s\nretries: 0"))],
            clock.clone(),
        );
        let turning = async {
            server.until_asked(1).await;
            clock.sleepers_at(20_000, 1).await;
            // The bytes that are under way arrive before the time is over.
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
            clock.pass(S(20));
        };
        let (round, ()) = tokio::join!(polled.poll(), turning);
        assert!(
            error(&round).starts_with(&format!("`{url}` did not answer in full within 20s")),
            "{what}: {}",
            error(&round)
        );
        assert!(only(&round).size_bytes <= came, "{what}");
        assert_eq!(only(&round).duration_ms, 20_000, "{what}");
        assert!(polled.landed().is_empty());
    }
}

#[tokio::test]
async fn an_encoding_that_was_not_asked_for_is_refused() {
    let server = Server::script(vec![answer("200 OK", "Content-Encoding: zstd", "xyz")]).await;
    let round = Polled::feed(&format!("url: {}", server.url("/x"))).poll().await;
    assert!(error(&round).contains("packed as `zstd`, which was not asked for"), "{}", error(&round));
}

#[tokio::test]
async fn redirects_are_followed_so_far() {
    let server = Server::start(|asked| match asked.target.as_str() {
        "/a" => answer("302 Found", "Location: /b?x=1", ""),
        "/b?x=1" => answer("308 Permanent Redirect", "Location: deep/c.json", ""),
        "/deep/c.json" => ok("hello"),
        "/loop" => answer("301 Moved Permanently", "Location: /loop", ""),
        "/nowhere" => answer("302 Found", "", ""),
        "/ftp" => answer("302 Found", "Location: ftp://h/x", ""),
        _ => answer("404 Not Found", "", ""),
    })
    .await;
    let mut polled = Polled::feed(&format!("url: {}", server.url("/a")));
    let round = polled.poll().await;
    assert_eq!((only(&round).status, &only(&round).error), (Some(200), &None));
    assert!(polled.landed()[0].0.ends_with(".json"), "named by where it came from");

    for (path, n, want) in [
        ("/loop", 4, "leads on and on; look at the address, or raise `redirects`"),
        ("/nowhere", 1, "its redirect names no address"),
        ("/ftp", 1, "its redirect names no address"),
    ] {
        let before = server.asked().len();
        let mut polled = Polled::feed(&format!("url: {}\nredirects: 3", server.url(path)));
        let round = polled.poll().await;
        assert!(error(&round).contains(want), "{path}: {}", error(&round));
        assert_eq!((only(&round).attempts, server.asked().len() - before), (1, n), "{path}");
    }
}

#[tokio::test]
async fn a_redirected_post_keeps_its_body_only_where_it_should() {
    for (status, method, body) in
        [("303 See Other", "GET", ""), ("302 Found", "GET", ""), ("307 Temporary Redirect", "POST", "q")]
    {
        let server = Server::start(move |asked| match asked.target.as_str() {
            "/a" => answer(status, "Location: /b", ""),
            _ => ok("hello"),
        })
        .await;
        let mut polled = Polled::feed(&format!("url: {}\nbody: q", server.url("/a")));
        assert_eq!(only(&polled.poll().await).error, None);
        let asked = &server.asked()[1];
        assert_eq!((asked.method.as_str(), asked.body.as_str()), (method, body), "{status}");
    }
}

#[tokio::test]
async fn a_landing_folder_that_cannot_be_written_is_said() {
    let server = Server::start(|_| ok("hello")).await;
    let mut polled = Polled::feed(&format!("url: {}", server.url("/x")));
    let landing = polled.dataset("d").landing.clone();
    std::fs::create_dir_all(landing.parent().unwrap()).unwrap();
    std::fs::write(&landing, "a file in the folder's place").unwrap();
    let round = polled.poll().await;
    assert!(error(&round).starts_with("LG602: cannot write the answer to"), "{}", error(&round));
    assert!(polled.cursor().marks.is_empty(), "it is asked for again");
    std::fs::remove_file(&landing).unwrap();
    assert_eq!(only(&polled.poll().await).error, None);
    assert_eq!(polled.landed_texts(), ["hello"]);
}
