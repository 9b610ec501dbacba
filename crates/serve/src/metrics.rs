//! Figures for Prometheus, in its text format.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of the buckets of times, in seconds.
const BUCKETS_S: [f64; 9] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.3, 1.0, 3.0, 10.0];

/// Counts requests. Addresses are counted by their template, of which there are few.
#[derive(Debug, Default)]
pub struct Requests(Mutex<BTreeMap<&'static str, Counts>>);

#[derive(Debug, Default)]
struct Counts {
    by_status: BTreeMap<u16, u64>,
    buckets: [u64; BUCKETS_S.len()],
    n: u64,
    sum_s: f64,
}

impl Requests {
    /// One request; the time is that until its answer began.
    pub fn note(&self, template: &'static str, status: u16, took: Duration) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = all.entry(template).or_default();
        *counts.by_status.entry(status).or_default() += 1;
        let seconds = took.as_secs_f64();
        counts.n += 1;
        counts.sum_s += seconds;
        for (bucket, bound) in counts.buckets.iter_mut().zip(BUCKETS_S) {
            *bucket += u64::from(seconds <= bound);
        }
    }

    pub fn write(&self, out: &mut Text) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        out.begin("lakegate_http_requests_total", "counter", "Requests by address and status.");
        for (template, counts) in all.iter() {
            for (status, n) in &counts.by_status {
                let status = status.to_string();
                out.value(
                    "lakegate_http_requests_total",
                    &[("route", template), ("status", &status)],
                    *n as f64,
                );
            }
        }
        out.begin("lakegate_http_request_seconds", "histogram", "Time until an answer began.");
        for (template, counts) in all.iter() {
            for (n, bound) in counts.buckets.iter().zip(BUCKETS_S) {
                let labels = [("route", *template), ("le", &bound.to_string())];
                out.value("lakegate_http_request_seconds_bucket", &labels, *n as f64);
            }
            let n = counts.n as f64;
            out.value("lakegate_http_request_seconds_bucket", &[("route", template), ("le", "+Inf")], n);
            out.value("lakegate_http_request_seconds_sum", &[("route", template)], counts.sum_s);
            out.value("lakegate_http_request_seconds_count", &[("route", template)], n);
        }
    }
}

/// The text format: a heading for each figure, then its values.
#[derive(Debug, Default)]
pub struct Text(String);

impl Text {
    pub fn begin(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    pub fn value(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (i, (key, text)) in labels.iter().enumerate() {
            self.0.push(if i == 0 { '{' } else { ',' });
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{key}=\"{text}\"");
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{close} {value}");
    }

    pub fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_format() {
        let requests = Requests::default();
        requests.note("/feeds", 200, Duration::from_millis(20));
        requests.note("/feeds", 200, Duration::from_secs(100));
        let mut text = Text::default();
        requests.write(&mut text);
        text.value("x", &[("a", "q\"\\\n")], 1.5);
        text.value("y", &[], 2.0);
        let text = text.finish();
        for line in [
            "lakegate_http_requests_total{route=\"/feeds\",status=\"200\"} 2",
            "lakegate_http_request_seconds_bucket{route=\"/feeds\",le=\"0.01\"} 0",
            "lakegate_http_request_seconds_bucket{route=\"/feeds\",le=\"0.025\"} 1",
            "lakegate_http_request_seconds_bucket{route=\"/feeds\",le=\"+Inf\"} 2",
            "lakegate_http_request_seconds_count{route=\"/feeds\"} 2",
            "x{a=\"q\\\"\\\\\\n\"} 1.5",
            "y 2",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
    }
}
