//! Telling an address what has happened.

use std::path::Path;
use std::time::Duration;

use lakegate_domain::feed::Fill;
use lakegate_domain::model::Webhook;
use lakegate_domain::{Code, Failure};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::client::USER_AGENT;
use super::secrets::{Environment, Secrets};

/// Longest that telling may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Sends a message to a webhook, once. Secrets are resolved anew; redirects are
/// not followed, for they would carry the secrets elsewhere.
///
/// # Errors
/// The address cannot be reached, or answers with anything but 2xx. What is
/// said holds no value of a secret.
pub async fn tell(webhook: &Webhook, message: &Value, env: &Environment, root: &Path) -> Result<(), Failure> {
    let shown = webhook.url.to_string();
    let failed =
        |what: String| Failure::new(Code::Storage, format!("the webhook `{shown}` was not told: {what}"));
    let texts: Vec<_> = std::iter::once(&webhook.url).chain(webhook.headers.iter().map(|(_, t)| t)).collect();
    let secrets = Secrets::open(&texts, env, root).map_err(failed)?;
    let said = |e: reqwest::Error| failed(secrets.redact(&causes(&e.without_url())));
    let url = webhook.url.fill_url(&Fill::default(), |s| secrets.value(s)).map_err(failed)?;
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, text) in &webhook.headers {
        let value = text.fill(&Fill::default(), |s| secrets.value(s)).map_err(failed)?;
        let pair = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(&value).ok());
        let (key, value) = pair.ok_or_else(|| failed(format!("the header `{name}` cannot be sent")))?;
        headers.insert(key, value);
    }
    let client = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(said)?;
    let response = client.post(url).headers(headers).body(message.to_string()).send().await.map_err(said)?;
    match response.status() {
        status if status.is_success() => Ok(()),
        status => Err(failed(format!("it answered {status}"))),
    }
}

/// An error with what led to it: the outer one rarely says what happened.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
