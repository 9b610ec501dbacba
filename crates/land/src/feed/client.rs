//! Asking over HTTP: one attempt with its redirects, and attempts until one
//! succeeds or it is enough.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use lakegate_domain::feed::{self, Fault, Feed, Feeds, Mark, Next};
use lakegate_domain::{Code, Failure};
use reqwest::header::{
    CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, LAST_MODIFIED, LOCATION, RETRY_AFTER,
};
use reqwest::{Method, Response, StatusCode, Url};

use super::answer::{Answer, Failed};
use super::clock::Clock;
use super::gate::Gates;
use super::request::Ask;
use super::secrets::Secrets;
use super::spool::Spool;

/// Says who asks, so that the people behind a feed know whom to talk to.
pub(super) const USER_AGENT: &str = concat!("lakegate/", env!("CARGO_PKG_VERSION"));

/// What all feeds share to ask.
pub(super) struct Client {
    /// By the longest that reaching a server may take.
    http: HashMap<Duration, reqwest::Client>,
    gates: Gates,
    limits: Feeds,
    pub(super) clock: Arc<dyn Clock>,
}

/// Who asks, and where the answer goes.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) feed: &'a Feed,
    pub(super) secrets: &'a Secrets,
    /// The landing folder.
    pub(super) landing: &'a Path,
    /// Decides the waits between attempts.
    pub(super) seed: &'a str,
}

/// What came of all attempts.
pub(super) struct Tried {
    pub(super) result: Result<Answer, Failed>,
    pub(super) attempts: u32,
    /// How long the server is to be left alone.
    pub(super) hold: Option<Duration>,
}

impl Client {
    pub(super) fn new<'f>(
        limits: Feeds,
        feeds: impl Iterator<Item = &'f Feed>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Failure> {
        let mut http = HashMap::new();
        for feed in feeds {
            let connect_timeout = feed.request.connect_timeout;
            if http.contains_key(&connect_timeout) {
                continue;
            }
            let client = reqwest::Client::builder()
                .user_agent(USER_AGENT)
                .connect_timeout(connect_timeout)
                // Followed here, where it is known what is secret.
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
                .build()
                .map_err(|e| Failure::new(Code::Storage, format!("feeds cannot be polled: {e}")))?;
            http.insert(connect_timeout, client);
        }
        Ok(Self { http, gates: Gates::new(clock.clone()), limits, clock })
    }

    /// Asks until there is an answer or it is enough.
    pub(super) async fn ask(&self, asker: Asker<'_>, ask: &Ask, mark: Option<&Mark>) -> Tried {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let failed = match self.attempt(asker, ask, mark).await {
                Ok(answer) => return Tried { result: Ok(answer), attempts, hold: None },
                Err(failed) => failed,
            };
            match feed::after(failed.fault, attempts, asker.feed.request.retries, failed.wait, asker.seed) {
                Next::Retry(wait) => self.clock.sleep(wait).await,
                Next::Over { hold } => return Tried { result: Err(failed), attempts, hold },
            }
        }
    }

    /// Asks once, and on as redirects lead.
    async fn attempt(&self, asker: Asker<'_>, ask: &Ask, mark: Option<&Mark>) -> Result<Answer, Failed> {
        let mut url = ask.url.clone();
        let mut method = ask.method.clone();
        let mut body = ask.body.clone();
        let mut left = ask.timeout;
        for _ in 0..=asker.feed.request.redirects {
            let host = url.host_str().unwrap_or_default().to_string();
            let pass = self.gates.enter(&host, self.limits.limits(&host, asker.feed)).await;
            let started = self.clock.now_ms();
            let is_home = url.origin() == ask.url.origin();
            let mut request = self.http(asker.feed)?.request(method.clone(), url.clone());
            request = request.headers(ask.open_headers.clone());
            if is_home {
                request = request.headers(ask.secret_headers.clone());
            }
            if let Some(body) = &body {
                request = request.body(body.clone());
            }
            if let Some(mark) = mark.filter(|_| asker.feed.request.conditional) {
                request = request.headers(conditions(mark));
            }
            let response = match select(Box::pin(request.send()), self.clock.sleep(left)).await {
                Either::Left((response, _)) => response.map_err(|e| Failed::unreachable(&ask.shown, e))?,
                Either::Right(_) => return Err(Failed::timed_out(&ask.shown, ask.timeout, None, 0)),
            };
            let spent = u64::try_from(self.clock.now_ms() - started).unwrap_or(0);
            left = left.saturating_sub(Duration::from_millis(spent));
            let status = response.status();
            if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                return self.take(asker, ask, mark, url, response, left).await;
            }
            let target = target(ask, &url, &response, asker.secrets)?;
            let same_origin = target.origin() == ask.url.origin();
            if matches!(status.as_u16(), 307 | 308) {
                if ask.body_is_secret && !same_origin {
                    let message = format!(
                        "`{}` leads to another host, which must not see the body's secret; ask that host itself",
                        ask.shown
                    );
                    return Err(redirect(status, message));
                }
            } else if method != Method::GET {
                method = Method::GET;
                body = None;
            }
            url = target;
            drop(pass);
        }
        let message = format!("`{}` leads on and on; look at the address, or raise `redirects`", ask.shown);
        Err(Failed::new(Fault::Redirect, message))
    }

    fn http(&self, feed: &Feed) -> Result<&reqwest::Client, Failed> {
        let client = self.http.get(&feed.request.connect_timeout);
        client.ok_or_else(|| {
            Failed::new(Fault::Request, "the feed is not one of this poller's; start it again")
        })
    }

    /// Takes an answer that is no redirect.
    async fn take(
        &self,
        asker: Asker<'_>,
        ask: &Ask,
        mark: Option<&Mark>,
        url: Url,
        mut response: Response,
        left: Duration,
    ) -> Result<Answer, Failed> {
        let status = response.status();
        let header = |name: HeaderName| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_string)
        };
        let mut answer = Answer {
            status: status.as_u16(),
            url,
            etag: header(ETAG),
            last_modified: header(LAST_MODIFIED),
            content_type: header(CONTENT_TYPE),
            body: None,
        };
        let asked_conditionally = asker.feed.request.conditional
            && mark.is_some_and(|mark| mark.etag.is_some() || mark.last_modified.is_some());
        if status == StatusCode::NOT_MODIFIED && asked_conditionally {
            return Ok(answer);
        }
        if !matches!(status.as_u16(), 200 | 203) {
            let wait = header(RETRY_AFTER).and_then(|value| feed::retry_after(&value, self.clock.now_ms()));
            return Err(Failed::status(&ask.shown, status, wait));
        }
        // What was asked for is unpacked by now, and says so no more.
        if let Some(encoding) = header(CONTENT_ENCODING).filter(|e| !e.eq_ignore_ascii_case("identity")) {
            let message = format!(
                "the answer of `{}` is packed as `{encoding}`, which was not asked for; look at the server",
                ask.shown
            );
            return Err(Failed::content(&answer, message));
        }
        let most = asker.feed.request.max_bytes;
        if response.content_length().is_some_and(|length| length > most) {
            return Err(Failed::too_large(&ask.shown, answer.status, 0, most));
        }
        let mut spool = Spool::new(asker.landing);
        let mut deadline = self.clock.sleep(left);
        loop {
            let chunk = match select(Box::pin(response.chunk()), deadline).await {
                Either::Left((chunk, rest)) => {
                    deadline = rest;
                    chunk.map_err(|e| Failed::cut_short(&ask.shown, answer.status, spool.size_bytes(), e))?
                }
                Either::Right(_) => {
                    return Err(Failed::timed_out(
                        &ask.shown,
                        ask.timeout,
                        Some(answer.status),
                        spool.size_bytes(),
                    ));
                }
            };
            let Some(chunk) = chunk else { break };
            if spool.size_bytes() + chunk.len() as u64 > most {
                return Err(Failed::too_large(&ask.shown, answer.status, spool.size_bytes(), most));
            }
            spool.write(&chunk).await.map_err(|failure| Failed::storage(&failure))?;
        }
        answer.body = Some(spool.finish().await.map_err(|failure| Failed::storage(&failure))?);
        Ok(answer)
    }
}

/// The headers with which a server may answer that nothing has changed.
fn conditions(mark: &Mark) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [(IF_NONE_MATCH, &mark.etag), (IF_MODIFIED_SINCE, &mark.last_modified)] {
        if let Some(value) = value.as_ref().and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    }
    headers
}

/// Where a redirect leads, if it may be followed.
fn target(ask: &Ask, from: &Url, response: &Response, secrets: &Secrets) -> Result<Url, Failed> {
    let status = response.status();
    let shown = &ask.shown;
    let location = response.headers().get(LOCATION).and_then(|l| l.to_str().ok());
    let target = location
        .and_then(|l| from.join(l).ok())
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(target) = target else {
        return Err(redirect(
            status,
            format!("`{shown}` leads nowhere: its redirect names no address; look at the address"),
        ));
    };
    let host = target.host_str().unwrap_or_default();
    check_origin(&ask.url, &target, secrets)
        .map_err(|why| redirect(status, format!("`{shown}` leads to `{host}`, {why}")))?;
    Ok(target)
}

/// Whether a server of one origin may send us on to an address.
///
/// | from, to                              | may |
/// |---------------------------------------|-----|
/// | https, http                           | no  |
/// | another origin, a secret in the address | no |
/// | everything else                       | yes |
pub(super) fn check_origin(from: &Url, to: &Url, secrets: &Secrets) -> Result<(), &'static str> {
    if from.scheme() == "https" && to.scheme() == "http" {
        return Err("and gives up encryption on the way; ask for the address that it leads to itself");
    }
    if from.origin() != to.origin() && secrets.are_in(to.as_str()) {
        return Err("another host, with a secret in the address; ask that host itself");
    }
    Ok(())
}

fn redirect(status: StatusCode, message: String) -> Failed {
    Failed { status: Some(status.as_u16()), ..Failed::new(Fault::Redirect, message) }
}
