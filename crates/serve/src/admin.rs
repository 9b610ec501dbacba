//! Who may change the lake from a page, and how it is made sure that it is they
//! who do: from this machine, from a page of this server, by a form that this
//! process has made.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Uri};
use futures::future::BoxFuture;
use lakegate_domain::draft::{Proposal, Refusal, Wanted};

use crate::limits;
use crate::problem::{Problem, Result};
use crate::server::Settings;

/// Proposals that wait for somebody to say yes; older ones are forgotten.
const MOST_PROPOSALS: usize = 16;

/// Looks at endpoints and writes dataset files: what the command line does, given
/// to the server, which can do neither.
pub trait Adder: Send + Sync {
    fn propose(&self, wanted: Wanted) -> BoxFuture<'_, Result<Proposal, Refusal>>;

    /// Writes a file, and ends when the lake is served with it, or is not after
    /// a while.
    fn write(&self, proposal: Proposal) -> BoxFuture<'_, Result<(), Refusal>>;
}

/// What those who may change the lake are given. It outlives a reload.
pub struct Admin {
    pub adder: Arc<dyn Adder>,
    /// Known to the forms of this process alone.
    token: String,
    /// Whether it may be done from other machines.
    is_anywhere: bool,
    /// What was proposed, by number.
    proposals: Mutex<(u64, VecDeque<(u64, Proposal)>)>,
}

impl Admin {
    /// `token` is a text that nobody can guess.
    pub fn new(adder: Arc<dyn Adder>, token: String, is_anywhere: bool) -> Self {
        Self { adder, token, is_anywhere, proposals: Mutex::default() }
    }

    pub fn token(&self) -> &str {
        &self.token
    }

    /// Whether somebody may see the form at all.
    ///
    /// # Errors
    /// 403 where they are elsewhere, or ask under a name that may be anybody's.
    pub fn admit(&self, peer: IpAddr, headers: &HeaderMap, settings: &Settings) -> Result<()> {
        let client = limits::client(peer, headers, settings.behind_proxy).to_canonical();
        if !client.is_loopback() && !self.is_anywhere {
            return Err(forbidden(
                "feeds are added from the machine on which this server runs",
                "open the page there, use `lakegate feed add`, or start the server with `--admin-from-anywhere`",
            ));
        }
        let host = headers.get(HOST).and_then(|h| h.to_str().ok()?.parse::<Authority>().ok());
        let is_address = host.as_ref().is_some_and(|host| {
            host.host().trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok()
        });
        // A page of another site may have made its own name point here.
        if !is_address && !limits::is_own_name(headers, None, &settings.names) {
            return Err(forbidden(
                "this server is asked under a name that is not its own",
                "start it with `--name` and that name",
            ));
        }
        Ok(())
    }

    /// Whether a form was sent from a page of this process.
    ///
    /// | `Origin`            | token | taken |
    /// |---------------------|-------|-------|
    /// | this host           | right | yes   |
    /// | none                | right | yes: no browser that sends forms for others leaves it out |
    /// | another, or `null`  | any   | no    |
    /// | any                 | wrong | no    |
    ///
    /// # Errors
    /// 403.
    pub fn check(&self, headers: &HeaderMap, token: Option<&str>) -> Result<()> {
        let host = headers.get(HOST).map(|h| h.as_bytes().to_ascii_lowercase());
        let is_ours = match headers.get(ORIGIN) {
            None => true,
            Some(origin) => {
                let origin = origin.to_str().ok().and_then(|o| o.parse::<Uri>().ok());
                let authority = origin.and_then(|o| Some(o.authority()?.as_str().to_ascii_lowercase()));
                authority.is_some_and(|a| host.as_deref() == Some(a.as_bytes()))
            }
        };
        let is_same_site = headers
            .get("sec-fetch-site")
            .is_none_or(|site| matches!(site.as_bytes(), b"same-origin" | b"none"));
        if is_ours && is_same_site && token.is_some_and(|token| is_same(token, &self.token)) {
            return Ok(());
        }
        Err(forbidden(
            "the form was not sent by a page of this server, or the server was started again since",
            "open /feeds/new and send the form from there",
        ))
    }

    /// Keeps a proposal until somebody says yes; answers its number.
    pub fn keep(&self, proposal: Proposal) -> u64 {
        let mut kept = self.proposals.lock().unwrap_or_else(PoisonError::into_inner);
        kept.0 += 1;
        let number = kept.0;
        kept.1.push_back((number, proposal));
        while kept.1.len() > MOST_PROPOSALS {
            kept.1.pop_front();
        }
        number
    }

    /// A proposal by its number.
    pub fn proposal(&self, number: u64) -> Option<Proposal> {
        let kept = self.proposals.lock().unwrap_or_else(PoisonError::into_inner);
        kept.1.iter().find(|(n, _)| *n == number).map(|(_, p)| p.clone())
    }
}

fn forbidden(detail: &str, help: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "forbidden", detail, help)
}

/// Compares without telling by the time it takes how much is right.
fn is_same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nobody;

    impl Adder for Nobody {
        fn propose(&self, _: Wanted) -> BoxFuture<'_, Result<Proposal, Refusal>> {
            Box::pin(async { Err(Refusal::usage("no", "no")) })
        }

        fn write(&self, _: Proposal) -> BoxFuture<'_, Result<(), Refusal>> {
            Box::pin(async { Err(Refusal::usage("no", "no")) })
        }
    }

    fn admin(is_anywhere: bool) -> Admin {
        Admin::new(Arc::new(Nobody), "token".into(), is_anywhere)
    }

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn forms_of_others_are_refused() {
        for (sent, token, want) in [
            (&[("host", "localhost:1"), ("origin", "http://localhost:1")][..], Some("token"), true),
            (&[("host", "localhost:1")], Some("token"), true),
            (&[("host", "localhost:1"), ("sec-fetch-site", "same-origin")], Some("token"), true),
            (&[("host", "localhost:1"), ("sec-fetch-site", "cross-site")], Some("token"), false),
            (&[("host", "localhost:1"), ("origin", "http://localhost:2")], Some("token"), false),
            (&[("host", "localhost:1"), ("origin", "null")], Some("token"), false),
            (&[("host", "localhost:1"), ("origin", "http://evil.org")], Some("token"), false),
            (&[("host", "localhost:1"), ("origin", "http://localhost:1")], Some("tokem"), false),
            (&[("host", "localhost:1"), ("origin", "http://localhost:1")], None, false),
        ] {
            assert_eq!(admin(false).check(&headers(sent), token).is_ok(), want, "{sent:?} {token:?}");
        }
    }

    #[test]
    fn only_this_machine_unless_told() {
        let settings = |behind_proxy| Settings {
            listen: "127.0.0.1:0".parse().unwrap(),
            feeds_only: false,
            per_minute: None,
            behind_proxy,
            names: vec!["lake.example.org".into()],
            at_once: 1,
        };
        let here: IpAddr = "127.0.0.1".parse().unwrap();
        let there: IpAddr = "10.1.1.1".parse().unwrap();
        for (is_anywhere, peer, behind_proxy, sent, want) in [
            (false, here, false, &[("host", "localhost")][..], true),
            (false, there, false, &[("host", "localhost")], false),
            (true, there, false, &[("host", "10.1.1.2:80")], true),
            (true, there, false, &[("host", "evil.org")], false),
            (true, there, false, &[("host", "lake.example.org")], true),
            // Whoever comes through the proxy is not here because the proxy is.
            (false, here, true, &[("host", "lake.example.org"), ("x-forwarded-for", "10.1.1.1")], false),
            (false, here, true, &[("host", "localhost"), ("x-forwarded-for", "127.0.0.1")], true),
        ] {
            let found = admin(is_anywhere).admit(peer, &headers(sent), &settings(behind_proxy));
            assert_eq!(found.is_ok(), want, "{is_anywhere} {peer} {sent:?}");
        }
    }

    #[test]
    fn old_proposals_are_forgotten() {
        let admin = admin(false);
        let numbers: Vec<u64> = (0..MOST_PROPOSALS + 1).map(|_| admin.keep(Proposal::default())).collect();
        assert!(admin.proposal(numbers[0]).is_none());
        assert!(numbers[1..].iter().all(|n| admin.proposal(*n).is_some()));
    }
}
