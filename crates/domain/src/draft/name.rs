//! What a dataset is called where nobody has said it: by its address.

use crate::config::scalars;

/// Parts of hosts and paths that tell nothing.
const EMPTY_WORDS: [&str; 34] = [
    "api",
    "apis",
    "app",
    "apps",
    "cdn",
    "co",
    "com",
    "data",
    "dev",
    "developer",
    "developers",
    "edu",
    "feed",
    "feeds",
    "gateway",
    "gov",
    "http",
    "https",
    "index",
    "json",
    "net",
    "open",
    "opendata",
    "org",
    "pb",
    "prod",
    "public",
    "realtime",
    "rest",
    "service",
    "services",
    "v1",
    "v2",
    "www",
];

/// Longest name that is made.
const LONGEST: usize = 40;

/// A name for the dataset of an address: who answers, and what. References to
/// secrets tell nothing.
///
/// | address                                              | name                    |
/// |------------------------------------------------------|-------------------------|
/// | `https://cdn.mbta.com/realtime/VehiclePositions.pb`  | `mbta_vehicle_positions`|
/// | `https://gbfs.example.org/gbfs/en/station_status.json` | `example_station_status` |
/// | `http://127.0.0.1:8080/vm.json?key=x`                | `vm`                    |
/// | `https://10.0.0.1/`                                  | `feed`                  |
pub fn suggest(url: &str) -> String {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    let path_begins = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(path_begins);
    let host = authority.rsplit('@').next().unwrap_or_default().split(':').next().unwrap_or_default();
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let is_word = |text: &str| !text.is_empty() && !EMPTY_WORDS.contains(&text) && !text.contains("${");
    let is_address = host.bytes().all(|b| b.is_ascii_digit() || b == b'.') || host.starts_with('[');
    let labels: Vec<String> = host.split('.').map(str::to_ascii_lowercase).collect();
    // The last label is the top level; a country's has one of `co`, `com` before it.
    let who = labels[..labels.len().saturating_sub(1)]
        .iter()
        .rev()
        .find(|label| is_word(label) && !is_address)
        .cloned()
        .or_else(|| {
            (labels.len() == 1 && is_word(&labels[0]) && !is_address && host != "localhost")
                .then(|| labels[0].clone())
        });
    let what = path.rsplit('/').map(|part| words(stem(part))).find(|part| is_word(part));
    let parts: Vec<String> = who.into_iter().chain(what).collect();
    let name = as_name(&parts.join("_")).unwrap_or_else(|| "feed".into());
    let name = name[..name.floor_char_boundary(LONGEST)].trim_end_matches('_').to_string();
    if name.is_empty() { "feed".into() } else { name }
}

/// A name that nobody has: the same, or with a number.
pub fn unique(name: &str, is_taken: impl Fn(&str) -> bool) -> String {
    if !is_taken(name) {
        return name.to_string();
    }
    let numbered = |n: u32| format!("{name}_{n}");
    (2..).map(numbered).find(|n| !is_taken(n)).expect("numbers do not end")
}

/// The nearest name to a text, of letters that names may have.
pub(super) fn as_name(text: &str) -> Option<String> {
    let name = scalars::as_name(text)?;
    let cut = name.floor_char_boundary(crate::ids::NAME_BYTES.min(name.len()));
    Some(name[..cut].to_string())
}

/// A file's name without its endings.
fn stem(part: &str) -> &str {
    part.split('.').next().unwrap_or_default()
}

/// `VehiclePositions` as `vehicle_positions`.
fn words(text: &str) -> String {
    let mut out = String::new();
    let mut before_is_small = false;
    for c in text.chars() {
        if c.is_ascii_uppercase() && before_is_small {
            out.push('_');
        }
        before_is_small = c.is_ascii_lowercase() || c.is_ascii_digit();
        out.push(c.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_addresses() {
        for (url, want) in [
            ("https://cdn.mbta.com/realtime/VehiclePositions.pb", "mbta_vehicle_positions"),
            ("https://gbfs.example.org/gbfs/en/station_status.json", "example_station_status"),
            ("https://api.transport.nsw.gov.au/v1/gtfs/vehiclepos/buses", "nsw_buses"),
            ("http://127.0.0.1:8080/vm.json?key=x/y", "vm"),
            ("https://10.0.0.1/", "feed"),
            ("http://localhost/bustime/map/getBusesForRouteAll.jsp", "get_buses_for_route_all"),
            ("http://gtfsrt.prod.obanyc.com/vehiclePositions?key=${env:K}", "obanyc_vehicle_positions"),
            ("https://user:pw@h.example.org/api", "example"),
            ("${env:WHOLE}", "feed"),
            ("nonsense", "nonsense"),
            ("", "feed"),
        ] {
            let name = suggest(url);
            assert_eq!(name, want, "{url}");
            assert!(scalars::is_name(&name), "{name}");
        }
        assert_eq!(suggest(&format!("https://h.org/{}", "x".repeat(200))).len(), LONGEST);
    }

    #[test]
    fn names_are_told_apart() {
        assert_eq!(unique("a", |_| false), "a");
        assert_eq!(unique("a", |n| n == "a" || n == "a_2"), "a_3");
    }
}
