//! What machines ask: `/health`, `/metrics`, `/openapi.json`; and the style of
//! the pages.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use lakegate_domain::health::State as Health;
use serde_json::{Map, Value, json};

use crate::app::{App, Asked};
use crate::health::{self, Standing, Stood, ledger};
use crate::metrics::Text;
use crate::pages;
use crate::params::Params;
use crate::problem::Result;
use crate::sheet;
use crate::wanted::{Format, choose, split_ending};

/// `GET /`
pub async fn home() -> Redirect {
    Redirect::to("/feeds")
}

/// What has a standing here: what is not published is shown where all tables are.
async fn standings(app: &App) -> Result<Vec<Stood>> {
    let mut all = health::standings(&app.feeds, &app.lake, &app.session, app.store.as_ref()).await?;
    all.retain(|s| s.feed.is_some() || !app.settings.feeds_only);
    Ok(all)
}

/// `GET /health`: 503 where something is unwell.
pub async fn health(State(app): State<Arc<App>>, asked: Asked) -> Result<Response> {
    let params = Params::parse(asked.query.as_deref(), &["format"])?;
    let (_, ending) = split_ending(&asked.path);
    let format = choose(params.get("format"), ending, &asked.headers, &[Format::Json, Format::Html])?;
    let all = standings(&app).await?;
    let is_unwell = all.iter().any(|s| s.standing.is_unwell());
    let status = if is_unwell { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let mut response = if format == Format::Html {
        pages::health(&app, &all)
    } else {
        let of = |kind: &str| -> Vec<Value> {
            let mine = all.iter().filter(|s| s.kind() == kind);
            mine.map(|stood| {
                let mut map = Map::from_iter([("name".to_string(), stood.name().into())]);
                if let Ok(Value::Object(rest)) = serde_json::to_value(&stood.standing) {
                    map.extend(rest);
                }
                Value::Object(map)
            })
            .collect()
        };
        // Names of files and datasets are not for everybody.
        let kept = app.kept().map(|why| if app.settings.feeds_only { String::new() } else { why });
        let configuration = match kept {
            Some(errors) => json!({ "state": "outdated", "errors": errors }),
            None => json!({ "state": "current" }),
        };
        sheet::json(&json!({ "status": if is_unwell { "unwell" } else { "ok" }, "lake": app.lake.name,
            "version": env!("CARGO_PKG_VERSION"), "configuration": configuration, "feeds": of("feed"), "datasets": of("dataset") }))
    };
    *response.status_mut() = status;
    Ok(response)
}

/// `GET /health/live`: that the process answers, whatever the feeds do.
pub async fn alive() -> Response {
    sheet::json(&json!({ "status": "ok" }))
}

/// `GET /metrics`
pub async fn metrics(State(app): State<Arc<App>>) -> Result<Response> {
    let mut text = Text::default();
    text.begin("lakegate_build_info", "gauge", "This program.");
    text.value("lakegate_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    let all = standings(&app).await?;
    type Figure = fn(&Standing) -> Option<f64>;
    let figures: [(&str, &str, Figure); 6] = [
        ("unwell", "1 where somebody should look at it.", |s| Some(f64::from(u8::from(s.is_unwell())))),
        ("newest_timestamp_seconds", "Its newest time, seconds since 1970.", |s| {
            s.newest.map(|t| t.as_second() as f64)
        }),
        ("age_seconds", "Age of its newest data.", |s| s.age_s.map(|n| n as f64)),
        ("stale_after_seconds", "Age from which on it is stale.", |s| s.stale_after_s.map(|n| n as f64)),
        ("rows", "Rows in its table.", |s| s.rows.map(|n| n as f64)),
        ("rows_within", "Rows that came within the time of `expect_rows`.", |s| {
            s.rows_within.map(|n| n as f64)
        }),
    ];
    for kind in ["feed", "dataset"] {
        let mine: Vec<_> = all.iter().filter(|s| s.kind() == kind).map(|s| (s.name(), &s.standing)).collect();
        if !mine.is_empty() {
            let name = format!("lakegate_{kind}_state");
            text.begin(&name, "gauge", "1 for the state that it is in.");
            for (of, standing) in &mine {
                for state in Health::ALL {
                    let labels = [(kind, of.as_str()), ("state", state.name())];
                    text.value(&name, &labels, f64::from(u8::from(standing.state == state)));
                }
            }
        }
        for (name, help, figure) in figures {
            let name = format!("lakegate_{kind}_{name}");
            let values: Vec<_> = mine.iter().filter_map(|(n, s)| Some((n, figure(s)?))).collect();
            if !values.is_empty() {
                text.begin(&name, "gauge", help);
                values.iter().for_each(|(of, value)| text.value(&name, &[(kind, of)], *value));
            }
        }
    }
    if let Some(store) = app.store.as_ref().filter(|_| !app.settings.feeds_only) {
        let now = Timestamp::now().as_millisecond();
        let status = store.status().await.map_err(ledger)?;
        text.begin("lakegate_files", "gauge", "Landed files by state.");
        for s in &status {
            let dataset = s.dataset.to_string();
            for (state, n) in &s.counts {
                text.value("lakegate_files", &[("dataset", &dataset), ("state", state.name())], *n as f64);
            }
        }
        text.begin("lakegate_lag_seconds", "gauge", "Longest that a landed file has waited to be committed.");
        for s in &status {
            let lag = s.oldest_queued.map_or(0.0, |t| (now - t.0).max(0) as f64 / 1000.0);
            text.value("lakegate_lag_seconds", &[("dataset", &s.dataset.to_string())], lag);
        }
    }
    app.requests.write(&mut text);
    let mut response = text.finish().into_response();
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

/// `GET /style.css`
pub async fn style() -> Response {
    let mut response = pages::STYLE.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
    response
}
