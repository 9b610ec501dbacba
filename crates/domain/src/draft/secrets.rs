//! Secrets that somebody has written out, and the references that take their
//! place: no file ever holds one.

use std::fmt;

/// An environment variable that a proposed file refers to.
#[derive(Clone, PartialEq, Eq)]
pub struct Variable {
    pub name: String,
    /// What was written out. It is for one look at the endpoint and shown nowhere.
    pub value: String,
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Variable({:?})", self.name)
    }
}

/// A request without its written-out secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    pub url: String,
    pub headers: Vec<(String, String)>,
    /// User and password that stood in the address.
    pub auth: Option<(String, String)>,
    /// One for each secret, in the order in which they stood.
    pub variables: Vec<Variable>,
}

/// Whether what goes by this name, in a header or a query, is a secret.
pub fn is_secret_name(name: &str) -> bool {
    const SECRETS: [&str; 13] = [
        "apikey",
        "appid",
        "auth",
        "authorization",
        "cookie",
        "key",
        "passwd",
        "password",
        "proxy_authorization",
        "pwd",
        "secret",
        "token",
        "signature",
    ];
    let name = name.to_ascii_lowercase().replace('-', "_");
    SECRETS.contains(&name.as_str())
        || ["_key", "_token", "_secret", "_password"].iter().any(|e| name.ends_with(e))
}

/// Least length of a text that is taken for a key by its letters alone.
const KEY_CHARS: usize = 20;

/// Whether a text looks like a key whatever it is called: long, of letters and
/// digits without a word in it.
fn looks_random(value: &str) -> bool {
    let is_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '=' | '.');
    let n_digits = value.bytes().filter(u8::is_ascii_digit).count();
    let n_letters = value.bytes().filter(u8::is_ascii_alphabetic).count();
    let parts = value.split(['-', '_', '.']).map(str::len).max().unwrap_or(0);
    value.len() >= KEY_CHARS && value.chars().all(is_key) && n_digits >= 4 && n_letters >= 4 && parts >= 8
}

impl Hidden {
    /// Puts references in the place of what is written out. `dataset` begins the
    /// variables' names.
    ///
    /// | written                            | becomes                             |
    /// |------------------------------------|-------------------------------------|
    /// | `https://h/x?key=abc`              | `https://h/x?key=${env:CITY_KEY}`   |
    /// | `https://me:pw@h/x`                | `https://h/x`, `auth: { user: me, password: … }` |
    /// | `Authorization: apikey abc`        | `Authorization: apikey ${env:…}`    |
    /// | `?key=${env:MINE}`, `?key={item}`  | the same                            |
    pub fn of(dataset: &str, url: &str, headers: &[(String, String)]) -> Self {
        Self::beside(Vec::new(), dataset, url, headers)
    }

    /// The same where some secrets have their variables already.
    pub fn beside(known: Vec<Variable>, dataset: &str, url: &str, headers: &[(String, String)]) -> Self {
        let mut hidden = Hidden { variables: known, ..Hidden::default() };
        let (url, user) = without_user(url);
        if let Some((user, password)) = user {
            // Percent-encoded in an address, plain in a header.
            let (user, password) = (decoded(&user), decoded(&password));
            let password = if password.contains("${") {
                password
            } else {
                hidden.reference(dataset, "PASSWORD", &password)
            };
            hidden.auth = Some((user, password));
        }
        hidden.url = hidden.address(dataset, &url);
        for (name, value) in headers {
            let value = hidden.header(dataset, name.trim(), value.trim());
            hidden.headers.push((name.trim().to_string(), value));
        }
        hidden
    }

    fn address(&mut self, dataset: &str, url: &str) -> String {
        // What stands behind `#` is never sent.
        let url = url.split('#').next().unwrap_or_default();
        let Some((before, query)) = url.split_once('?') else { return url.to_string() };
        let pairs: Vec<String> = query
            .split('&')
            .map(|pair| match pair.split_once('=') {
                Some((name, value))
                    if !value.is_empty()
                        && !value.contains(['$', '{'])
                        && (is_secret_name(name) || looks_random(value)) =>
                {
                    format!("{name}={}", self.reference(dataset, "KEY", &decoded(&value.replace('+', " "))))
                }
                _ => pair.to_string(),
            })
            .collect();
        format!("{before}?{}", pairs.join("&"))
    }

    /// The scheme before a secret, `Bearer` or `apikey`, is none.
    fn header(&mut self, dataset: &str, name: &str, value: &str) -> String {
        if value.contains("${") || value.is_empty() || !(is_secret_name(name) || looks_random(value)) {
            return value.to_string();
        }
        match value.rsplit_once(' ') {
            Some((scheme, secret)) => format!("{scheme} {}", self.reference(dataset, "KEY", secret)),
            None => self.reference(dataset, "KEY", value),
        }
    }

    fn reference(&mut self, dataset: &str, what: &str, value: &str) -> String {
        let name = match self.variables.iter().find(|v| v.value == value) {
            Some(known) => known.name.clone(),
            None => {
                let name = format!("{}_{what}", dataset.to_ascii_uppercase());
                let name = super::unique(&name, |n| self.variables.iter().any(|v| v.name == n));
                self.variables.push(Variable { name: name.clone(), value: value.to_string() });
                name
            }
        };
        format!("${{env:{name}}}")
    }
}

/// An address without its user and password, and those.
fn without_user(url: &str) -> (String, Option<(String, String)>) {
    let Some((scheme, rest)) = url.split_once("://") else { return (url.to_string(), None) };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let Some((user, host)) = rest[..end].rsplit_once('@') else { return (url.to_string(), None) };
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let rest = format!("{scheme}://{host}{}", &rest[end..]);
    (rest, Some((user.to_string(), password.to_string())))
}

fn decoded(text: &str) -> String {
    crate::feed::name::decoded(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hide(url: &str, headers: &[(&str, &str)]) -> Hidden {
        let headers: Vec<_> = headers.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        Hidden::of("city", url, &headers)
    }

    #[test]
    fn what_is_written_out_becomes_a_reference() {
        for (url, want, values) in [
            ("https://h/x?a=b", "https://h/x?a=b", &[][..]),
            ("https://h/x?key=abc&v=1", "https://h/x?key=${env:CITY_KEY}&v=1", &["abc"]),
            ("https://h/x?api_key=a%26b+c", "https://h/x?api_key=${env:CITY_KEY}", &["a&b c"]),
            ("https://h/x?key=${env:MINE}", "https://h/x?key=${env:MINE}", &[]),
            ("https://h/x?key={item}", "https://h/x?key={item}", &[]),
            ("https://h/x?key=", "https://h/x?key=", &[]),
            (
                "https://h/x?key=abc&token=def&secret=abc",
                "https://h/x?key=${env:CITY_KEY}&token=${env:CITY_KEY_2}&secret=${env:CITY_KEY}",
                &["abc", "def"],
            ),
            // A key by any other name.
            (
                "https://h/x?app=0f8fad5b-d9cb-469f-a165-70867728950e#top",
                "https://h/x?app=${env:CITY_KEY}",
                &["0f8fad5b-d9cb-469f-a165-70867728950e"],
            ),
            ("https://h/x?since=2024-01-01T00:00:00Z", "https://h/x?since=2024-01-01T00:00:00Z", &[]),
            (
                "https://h/x?LineRef=MTA_NYCT_B63_and_others",
                "https://h/x?LineRef=MTA_NYCT_B63_and_others",
                &[],
            ),
        ] {
            let hidden = hide(url, &[]);
            assert_eq!(hidden.url, want);
            assert_eq!(
                hidden.variables.iter().map(|v| v.value.as_str()).collect::<Vec<_>>(),
                values,
                "{url}"
            );
            assert!(!format!("{hidden:?}").contains("abc") || url.contains("${"), "{hidden:?}");
        }
    }

    #[test]
    fn headers_and_users() {
        let hidden = hide(
            "https://me:p%40w@h.org/x",
            &[
                ("Authorization", "apikey abc"),
                ("X-Api-Key", "def"),
                ("Accept", "application/json"),
                ("Cookie", "${file:c}"),
            ],
        );
        assert_eq!(hidden.url, "https://h.org/x");
        assert_eq!(hidden.auth, Some(("me".into(), "${env:CITY_PASSWORD}".into())));
        let values: Vec<&str> = hidden.headers.iter().map(|(_, v)| v.as_str()).collect();
        assert_eq!(values, ["apikey ${env:CITY_KEY}", "${env:CITY_KEY_2}", "application/json", "${file:c}"]);
        let found: Vec<_> = hidden.variables.iter().map(|v| (v.name.as_str(), v.value.as_str())).collect();
        assert_eq!(found, [("CITY_PASSWORD", "p@w"), ("CITY_KEY", "abc"), ("CITY_KEY_2", "def")]);
    }
}
