//! What follows an attempt that failed.

use std::time::Duration;

use super::dice;

/// Why an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The configuration or a secret does not give a request.
    Request,
    /// No connection.
    Unreachable,
    TimedOut,
    /// The answer broke off: fewer bytes than said, a cut chunk, a cut gzip stream.
    CutShort,
    /// The server answered with this status, which is no success.
    Status(u16),
    /// Beyond the cap.
    TooLarge,
    /// A redirect that is not followed.
    Redirect,
    /// The answer came whole but is not what was asked for.
    Content,
    /// The answer could not be landed.
    Storage,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another attempt, after so long.
    Retry(Duration),
    /// The poll has failed. The server is left alone for `hold`; `None`: the
    /// next tick may ask again.
    Over { hold: Option<Duration> },
}

/// A wait asked for by a server that is worth waiting for within a poll.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How long a server is left alone that says "too many" and not for how long.
const HOLD: Duration = Duration::from_secs(60);
/// The longest that a server is believed.
const LONGEST_HOLD: Duration = Duration::from_secs(24 * 3600);

/// Decides what follows the `attempt`th failed attempt (from 1) of a request
/// that may be tried `retries` times more. The backoff is half to all of
/// 1 s · 2ⁿ, at most 30 s; which part is decided by `seed` and the attempt.
///
/// | fault                                  | server says wait | attempts left | none left      |
/// |----------------------------------------|------------------|---------------|----------------|
/// | no connection, timed out, cut short    |                  | backoff       | over           |
/// | 408, 425, 500, 502, 504, 520–529       |                  | backoff       | over           |
/// | 503                                    | no               | backoff       | over           |
/// | 429                                    | no               | over, hold 60 s | over, hold 60 s |
/// | 429, 503                               | up to 30 s       | that long     | over, hold so long |
/// | 429, 503                               | longer           | over, hold so long | over, hold so long |
/// | everything else                        |                  | over          | over           |
pub fn after(fault: Fault, attempt: u32, retries: u32, wait: Option<Duration>, seed: &str) -> Next {
    let left = attempt <= retries;
    let backoff = || {
        let full =
            Duration::from_secs(1).saturating_mul(1 << attempt.saturating_sub(1).min(5)).min(LONGEST_WAIT);
        let half = full / 2;
        let most = u64::try_from(half.as_millis()).unwrap_or(u64::MAX);
        half + Duration::from_millis(dice(seed, &[attempt.into()], most))
    };
    match (fault, wait) {
        (Fault::Status(429 | 503), Some(wait)) if left && wait <= LONGEST_WAIT => {
            Next::Retry(wait.max(Duration::from_millis(1)))
        }
        (Fault::Status(429 | 503), Some(wait)) => Next::Over { hold: Some(wait.min(LONGEST_HOLD)) },
        (Fault::Status(429), None) => Next::Over { hold: Some(HOLD) },
        (
            Fault::Unreachable
            | Fault::TimedOut
            | Fault::CutShort
            | Fault::Status(408 | 425 | 500 | 502 | 503 | 504 | 520..=529),
            _,
        ) if left => Next::Retry(backoff()),
        _ => Next::Over { hold: None },
    }
}

/// The time that a `Retry-After` header asks for: seconds, or a date (RFC 9110,
/// section 10.2.3). At most a day; `None` where it is neither.
pub fn retry_after(value: &str, now_ms: i64) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds).min(LONGEST_HOLD));
    }
    let date = jiff::fmt::rfc2822::parse(value).ok()?.timestamp().as_millisecond();
    let ms = u64::try_from(date.saturating_sub(now_ms)).unwrap_or(0);
    Some(Duration::from_millis(ms).min(LONGEST_HOLD))
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn truth_table() {
        let over = |hold: u64| Next::Over { hold: (hold > 0).then(|| S(hold)) };
        for (fault, attempt, wait, want) in [
            (Fault::Unreachable, 3, None, over(0)),
            (Fault::Status(503), 3, None, over(0)),
            (Fault::Status(429), 1, None, over(60)),
            (Fault::Status(429), 3, None, over(60)),
            (Fault::Status(429), 1, Some(7), Next::Retry(S(7))),
            (Fault::Status(503), 2, Some(30), Next::Retry(S(30))),
            (Fault::Status(429), 3, Some(7), over(7)),
            (Fault::Status(503), 1, Some(31), over(31)),
            (Fault::Status(429), 1, Some(999_999), over(86_400)),
            (Fault::Status(500), 3, Some(7), over(0)),
            (Fault::Status(404), 1, None, over(0)),
            (Fault::Status(401), 1, Some(5), over(0)),
            (Fault::Request, 1, None, over(0)),
            (Fault::TooLarge, 1, None, over(0)),
            (Fault::Redirect, 1, None, over(0)),
            (Fault::Content, 1, None, over(0)),
            (Fault::Storage, 1, None, over(0)),
        ] {
            let got = after(fault, attempt, 2, wait.map(S), "f");
            assert_eq!(got, want, "{fault:?}, attempt {attempt}, {wait:?}");
        }
    }

    #[test]
    fn backoff_doubles_within_bounds() {
        for fault in
            [Fault::Unreachable, Fault::TimedOut, Fault::CutShort, Fault::Status(502), Fault::Status(503)]
        {
            for attempt in 1..=10 {
                let Next::Retry(wait) = after(fault, attempt, 10, None, "f") else { panic!("{fault:?}") };
                let full = S(1 << (attempt - 1).min(5)).min(S(30));
                assert!(wait >= full / 2 && wait <= full, "{fault:?}, attempt {attempt}: {wait:?}");
            }
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = "2015-10-21T07:28:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond();
        for (text, want) in [
            ("120", Some(S(120))),
            (" 0 ", Some(S(0))),
            ("Wed, 21 Oct 2015 07:29:30 GMT", Some(S(90))),
            ("Wed, 21 Oct 2015 07:00:00 GMT", Some(S(0))),
            ("Fri, 21 Oct 2016 07:00:00 GMT", Some(S(86_400))),
            ("soon", None),
            ("-5", None),
            ("1.5", None),
        ] {
            assert_eq!(retry_after(text, now), want, "{text}");
        }
    }
}
