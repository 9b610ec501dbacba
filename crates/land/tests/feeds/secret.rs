//! No value of a secret comes out, whatever a server does with it, and none
//! goes where it should not.

use std::sync::Arc;

use lakegate_land::feed::Round;

use crate::server::{Server, answer, ok};
use crate::{Polled, error, only};

const ENV: [(&str, &str); 3] = [("KEY", "hunter2/+ä"), ("TOKEN", "swordfish"), ("EMPTY", "")];
/// Every form in which the secrets travel.
const VALUES: [&str; 8] = [
    "hunter2/+ä",
    "hunter2%2F%2B%C3%A4",
    "hunter2%2f%2b%c3%a4",
    "hunter2",
    "swordfish",
    // base64 of `lab:swordfish` and of the token alone
    "bGFiOnN3b3JkZmlzaA==",
    "c3dvcmRmaXNo",
    "hunter2%2F%2B%c3%a4",
];

/// Whatever is told of a poll.
fn assert_silent(round: &Round, what: &str) {
    let told = format!("{round:?}");
    for value in VALUES {
        assert!(!told.contains(value), "{what}: `{value}` is told: {told}");
    }
}

fn polled(lines: &str) -> Polled {
    Polled::with_env("lake: l\n", &[("d", lines)], &ENV)
}

#[tokio::test]
async fn secrets_are_sent_in_every_place_and_never_told() {
    let server =
        Server::start(|_| answer("200 OK", "ETag: \"swordfish-1\"\nLast-Modified: hunter2/+\u{e4}", "data"))
            .await;
    let file = "secret-file";
    let mut p = polled(&format!(
        "url: {}?key=${{env:KEY}}\nheaders: {{ X-Api-Key: 'v1 ${{env:TOKEN}}', X-File: '${{file:{file}}}' }}\n\
         query: {{ token: '${{env:TOKEN}}' }}\nbody: 'k=${{env:TOKEN}}'\nauth: {{ user: lab, password: '${{env:TOKEN}}' }}",
        server.url("/${env:TOKEN}/x")
    ));
    std::fs::write(p.folder.path().join(file), "from-a-file\n").unwrap();
    let round = p.poll().await;
    assert_eq!(only(&round).error, None);
    let asked = &server.asked()[0];
    assert_eq!(asked.target, "/swordfish/x?key=hunter2%2F%2B%C3%A4&token=swordfish");
    assert_eq!(
        (asked.header("x-api-key"), asked.header("x-file")),
        (Some("v1 swordfish"), Some("from-a-file"))
    );
    assert_eq!(asked.header("authorization"), Some("Basic bGFiOnN3b3JkZmlzaA=="));
    assert_eq!(asked.body, "k=swordfish");
    assert_silent(&round, "a good answer");
    assert_eq!(only(&round).etag.as_deref(), Some("\"${env:TOKEN}-1\""));
    // A mark that holds a secret is none.
    assert_eq!((&p.cursor().marks[""].etag, &p.cursor().marks[""].last_modified), (&None, &None));
    let shown = format!("{:?}", p.lake);
    assert!(VALUES.iter().all(|value| !shown.contains(value)));
}

#[tokio::test]
async fn a_bearer_token_is_sent_as_one() {
    let server = Server::start(|_| ok("data")).await;
    let round =
        polled(&format!("url: {}\nauth: {{ bearer: '${{env:TOKEN}}' }}", server.url("/x"))).poll().await;
    assert_silent(&round, "bearer");
    assert_eq!(server.asked()[0].header("authorization"), Some("Bearer swordfish"));
}

#[tokio::test]
async fn failures_tell_the_reference_alone() {
    let server = Server::start(|asked| match asked.target.split('?').next().unwrap() {
        "/status" => answer("403 no hunter2/+", "X-Echo: swordfish", "your key swordfish is bad"),
        "/elsewhere" => answer("302 Found", "Location: http://swordfish.invalid/x", ""),
        "/loop" => answer("302 Found", "Location: /loop?key=hunter2%2F%2B%C3%A4", ""),
        "/encoding" => answer("200 OK", "Content-Encoding: swordfish", "x"),
        "/cut" => crate::server::chunked("", &[b"hunter2"], false),
        _ => answer("404 Not Found", "", ""),
    })
    .await;
    for path in ["/status", "/elsewhere", "/loop", "/encoding", "/cut", "/none"] {
        let mut p = polled(&format!(
            "url: {}?key=${{env:KEY}}\nheaders: {{ A: '${{env:TOKEN}}' }}\nretries: 0",
            server.url(path)
        ));
        let round = p.poll().await;
        assert_silent(&round, path);
        assert!(error(&round).contains("?key=${env:KEY}"), "{path}: {}", error(&round));
        assert!(p.landed().is_empty());
    }
    // Nor where nobody answers, or the address is none.
    for url in ["http://127.0.0.1:1/?key=${env:KEY}", "http://${env:KEY}/", "${env:TOKEN}/x"] {
        let round = polled(&format!("url: {url}\nretries: 0")).poll().await;
        assert_silent(&round, url);
        assert!(only(&round).error.is_some());
    }
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_named() {
    let server = Server::start(|_| ok("data")).await;
    for (reference, want) in [
        (
            "${env:NONE}",
            "the environment variable `NONE` is not set; set it for the process that runs lakegate",
        ),
        ("${env:EMPTY}", "the secret `${env:EMPTY}` is empty; give it its value"),
        ("${file:/none/such}", "the file `/none/such` of a secret cannot be read (No such file or directory"),
    ] {
        let round =
            polled(&format!("url: {}\nheaders: {{ A: '{reference}' }}", server.url("/x"))).poll().await;
        assert!(error(&round).starts_with(want), "{}", error(&round));
        assert_eq!((only(&round).attempts, only(&round).status), (0, None));
    }
    let bad = Polled::with_env(
        "lake: l\n",
        &[("d", &format!("url: {}\nheaders: {{ A: '${{env:BAD}}' }}", server.url("/x")))],
        &[("BAD", "two\nlines")],
    )
    .poll()
    .await;
    assert!(error(&bad).starts_with("the value of the header `A` cannot be sent"), "{}", error(&bad));
    assert!(!error(&bad).contains("lines\""));
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn another_host_is_sent_no_secret() {
    let other = Arc::new(Server::start(|_| ok("data")).await);
    let elsewhere = other.url("/y");
    let server = Server::start(move |_| answer("302 Found", &format!("Location: {elsewhere}"), "")).await;
    let mut p = polled(&format!(
        "url: {}\nheaders: {{ X-Key: '${{env:TOKEN}}', Cookie: 'a=${{env:TOKEN}}', Accept: text/xml }}\n\
         auth: {{ bearer: '${{env:TOKEN}}' }}\nquery: {{ key: '${{env:KEY}}' }}",
        server.url("/x")
    ));
    let round = p.poll().await;
    assert_eq!(only(&round).error, None);
    assert_silent(&round, "a redirect to another host");
    let asked = &other.asked()[0];
    assert_eq!((asked.target.as_str(), asked.header("accept")), ("/y", Some("text/xml")));
    for name in ["authorization", "x-key", "cookie"] {
        assert!(server.asked()[0].header(name).is_some(), "{name}");
        assert_eq!(asked.header(name), None, "{name}");
    }
}

#[tokio::test]
async fn a_redirect_that_carries_a_secret_elsewhere_is_refused() {
    let other = Server::start(|_| ok("data")).await;
    let (in_query, plain) = (other.url("/y?key=swordfish"), other.url("/y"));
    let server = Server::start(move |asked| match asked.target.as_str() {
        "/query" => answer("302 Found", &format!("Location: {in_query}"), ""),
        _ => answer("307 Temporary Redirect", &format!("Location: {plain}"), ""),
    })
    .await;
    for (path, more, want) in [
        (
            "/query",
            "headers: { A: '${env:TOKEN}' }",
            "leads to `127.0.0.1`, another host, with a secret in the address",
        ),
        ("/body", "body: 'k=${env:TOKEN}'", "leads to another host, which must not see the body's secret"),
    ] {
        let round = polled(&format!("url: {}\n{more}", server.url(path))).poll().await;
        assert!(error(&round).contains(want), "{}", error(&round));
        assert_silent(&round, path);
    }
    assert!(other.asked().is_empty());
}

#[tokio::test]
async fn a_panic_in_the_surroundings_is_one_failed_poll() {
    let p = polled("url: http://127.0.0.1:1/?key=${env:KEY}");
    let clock = Arc::new(p.clock.clone());
    let poller =
        lakegate_land::feed::Poller::new(&p.lake, clock, Arc::new(|_: &str| panic!("no environment")))
            .unwrap();
    let mut p = Polled { poller: Arc::new(poller), ..p };
    let round = p.poll().await;
    assert!(error(&round).starts_with("lakegate made a mistake"), "{}", error(&round));
}
