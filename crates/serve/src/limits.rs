//! Who may ask how often, and under which name this server is asked.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use axum::http::header::HOST;
use axum::http::uri::Authority;

/// Clients that are remembered; beyond this those that ask least are forgotten.
const MOST_CLIENTS: usize = 10_000;
/// Seconds' worth of requests that a client may make at once.
const BURST_S: f64 = 10.0;

/// Requests of each client: a bucket that fills at a steady rate, and from which
/// each request takes one.
#[derive(Debug)]
pub struct Clients {
    per_second: f64,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Clients {
    /// At most so many requests in a minute from one client.
    pub fn new(per_minute: u32) -> Self {
        Self { per_second: f64::from(per_minute.max(1)) / 60.0, buckets: Mutex::default() }
    }

    /// Takes one request from a client's bucket.
    ///
    /// # Errors
    /// How long until there is one again.
    pub fn take(&self, client: IpAddr, now: Instant) -> Result<(), Duration> {
        let most = (self.per_second * BURST_S).max(1.0);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let filled = |b: &Bucket| {
            let since = now.saturating_duration_since(b.at).as_secs_f64();
            (b.left + since * self.per_second).min(most)
        };
        if buckets.len() >= MOST_CLIENTS {
            // A full bucket says nothing that a new one would not say.
            buckets.retain(|_, b| filled(b) < most);
            if buckets.len() >= MOST_CLIENTS {
                buckets.clear();
            }
        }
        let bucket = buckets.entry(network(client)).or_insert(Bucket { left: most, at: now });
        let left = filled(bucket);
        if left >= 1.0 {
            *bucket = Bucket { left: left - 1.0, at: now };
            return Ok(());
        }
        *bucket = Bucket { left, at: now };
        Err(Duration::from_secs_f64((1.0 - left) / self.per_second))
    }
}

/// One customer of a provider has a whole network of IPv6 addresses.
fn network(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_none() => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        other => other,
    }
}

/// The client's address: the peer's or, behind a proxy, what the proxy says of
/// its own peer.
pub fn client(peer: IpAddr, headers: &HeaderMap, behind_proxy: bool) -> IpAddr {
    if !behind_proxy {
        return peer;
    }
    // The last entry is the proxy's own; those before it anybody can make up.
    let last = headers.get_all("x-forwarded-for").iter().next_back();
    last.and_then(|v| v.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()).unwrap_or(peer)
}

/// Whether a request asks for this server by a name that it goes by. A server
/// on the loopback interface is reached by names of this machine alone: a page
/// of another site that makes its own name point here must not read the lake.
pub fn is_own_name(headers: &HeaderMap, uri_host: Option<&str>, own: &[String]) -> bool {
    let named = headers.get(HOST).map(|h| h.to_str().unwrap_or("?")).or(uri_host);
    let Some(named) = named else { return true };
    let Ok(authority) = named.parse::<Authority>() else { return false };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let is_loopback = host.eq_ignore_ascii_case("localhost")
        || host.to_ascii_lowercase().ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    is_loopback || own.iter().any(|o| o.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_fills_at_a_steady_rate() {
        let clients = Clients::new(60);
        let start = Instant::now();
        let (one, other): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        for _ in 0..10 {
            assert_eq!(clients.take(one, start), Ok(()));
        }
        assert_eq!(clients.take(one, start), Err(Duration::from_secs(1)));
        assert_eq!(clients.take(other, start), Ok(()));
        assert!(clients.take(one, start + Duration::from_millis(500)).is_err());
        assert_eq!(clients.take(one, start + Duration::from_secs(1)), Ok(()));
        // A network is one client.
        let v6 = |last: u16| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, last));
        assert_eq!(network(v6(1)), network(v6(2)));
    }

    #[test]
    fn many_clients_are_not_remembered_for_ever() {
        let clients = Clients::new(60);
        let start = Instant::now();
        for n in 0..(MOST_CLIENTS as u32 + 100) {
            assert!(clients.take(IpAddr::V4(n.into()), start).is_ok());
        }
        assert!(clients.buckets.lock().unwrap().len() <= MOST_CLIENTS);
    }

    #[test]
    fn only_a_proxy_is_believed() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "1.1.1.1, 2.2.2.2".parse().unwrap());
        let peer: IpAddr = "127.0.0.1".parse().unwrap();
        assert_eq!(client(peer, &headers, false), peer);
        assert_eq!(client(peer, &headers, true).to_string(), "2.2.2.2");
        assert_eq!(client(peer, &HeaderMap::new(), true), peer);
    }

    #[test]
    fn names_of_this_machine() {
        let own = ["lake.example.org".to_string()];
        for (host, want) in [
            ("localhost:8080", true),
            ("LOCALHOST", true),
            ("127.0.0.1:1", true),
            ("127.8.9.1", true),
            ("[::1]:8080", true),
            ("lake.localhost", true),
            ("lake.example.org", true),
            ("evil.example.org", false),
            ("localhost.evil.org:8080", false),
            ("10.0.0.1", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            assert_eq!(is_own_name(&headers, None, &own), want, "{host}");
        }
        assert!(is_own_name(&HeaderMap::new(), None, &own));
        assert!(!is_own_name(&HeaderMap::new(), Some("evil.org"), &own));
    }
}
