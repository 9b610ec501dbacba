//! A request as it is sent, made from what the configuration says.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use lakegate_domain::feed::{Auth, Feed, Fill, Template};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};

use super::secrets::Secrets;

/// One request. It holds secrets, so it is never shown; `shown` is.
#[derive(Clone)]
pub(super) struct Ask {
    /// The address as people may see it.
    pub(super) shown: String,
    pub(super) url: Url,
    pub(super) method: Method,
    /// Sent wherever redirects lead.
    pub(super) open_headers: HeaderMap,
    /// Sent to the address's own origin alone.
    pub(super) secret_headers: HeaderMap,
    pub(super) body: Option<String>,
    pub(super) body_is_secret: bool,
    pub(super) timeout: Duration,
}

impl Ask {
    /// The request for an address of the configuration.
    ///
    /// # Errors
    /// A sentence that says what is wrong and names no value.
    pub(super) fn of(
        feed: &Feed,
        address: &Template,
        fill: &Fill,
        secrets: &mut Secrets,
    ) -> Result<Self, String> {
        let mut ask = Self::plain(feed, address, fill, secrets)?;
        for (name, text) in &feed.request.query {
            let value = text.fill(fill, |s| secrets.value(s))?;
            ask.url.query_pairs_mut().append_pair(name, &value);
        }
        ask.method = match feed.request.method {
            lakegate_domain::feed::Method::Get => Method::GET,
            lakegate_domain::feed::Method::Post => Method::POST,
        };
        if let Some(text) = &feed.request.body {
            ask.body = Some(text.fill(fill, |s| secrets.value(s))?);
            ask.body_is_secret = text.secrets().next().is_some();
        }
        Ok(ask)
    }

    /// The same without `method`, `query` and `body`.
    pub(super) fn plain(
        feed: &Feed,
        address: &Template,
        fill: &Fill,
        secrets: &mut Secrets,
    ) -> Result<Self, String> {
        let shown = address.to_string();
        let filled = address.fill_url(fill, |s| secrets.value(s))?;
        let url = Url::parse(&filled)
            .ok()
            .filter(|url| url.has_host() && matches!(url.scheme(), "http" | "https"))
            .ok_or_else(|| format!("`{shown}` is no address once it is filled in; look at what fills it"))?;
        Self::to(feed, url, shown, secrets)
    }

    /// The request for an address that a server gave: the feed's headers, and
    /// nothing else of it.
    pub(super) fn to(feed: &Feed, url: Url, shown: String, secrets: &mut Secrets) -> Result<Self, String> {
        let mut ask = Self {
            shown,
            url,
            method: Method::GET,
            open_headers: HeaderMap::new(),
            secret_headers: HeaderMap::new(),
            body: None,
            body_is_secret: false,
            timeout: feed.request.timeout,
        };
        for (name, text) in &feed.request.headers {
            let value = text.fill(&Fill::default(), |s| secrets.value(s))?;
            let key = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| format!("`{name}` is not the name of a header"))?;
            let value = header_value(&value).ok_or_else(|| unsendable(&format!("the header `{name}`")))?;
            let is_secret =
                text.secrets().next().is_some() || matches!(key.as_str(), "authorization" | "cookie");
            let headers = if is_secret { &mut ask.secret_headers } else { &mut ask.open_headers };
            headers.insert(key, value);
        }
        match &feed.request.auth {
            None => {}
            Some(Auth::Bearer(token)) => {
                let token = token.fill(&Fill::default(), |s| secrets.value(s))?;
                let value = header_value(&format!("Bearer {token}"))
                    .ok_or_else(|| unsendable("`auth: { bearer }`"))?;
                ask.secret_headers.insert(AUTHORIZATION, value);
            }
            Some(Auth::Basic { user, password }) => {
                let user = user.fill(&Fill::default(), |s| secrets.value(s))?;
                let shown = password.to_string();
                let password = password.fill(&Fill::default(), |s| secrets.value(s))?;
                let credential = BASE64.encode(format!("{user}:{password}"));
                secrets.forbid(&credential, &shown);
                let value = header_value(&format!("Basic {credential}"))
                    .ok_or_else(|| unsendable("`auth: { password }`"))?;
                ask.secret_headers.insert(AUTHORIZATION, value);
            }
        }
        Ok(ask)
    }
}

fn header_value(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn unsendable(what: &str) -> String {
    format!(
        "the value of {what} cannot be sent: it holds a line break or another control character; look at the secret"
    )
}
