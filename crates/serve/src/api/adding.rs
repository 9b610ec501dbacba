//! `/feeds/new`: a form, what came of looking at an endpoint, and the file that
//! is written when somebody says yes.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Form;
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::http::header::REFERRER_POLICY;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use lakegate_domain::draft::{Hidden, Refusal, Wanted};

use crate::admin::Admin;
use crate::app::App;
use crate::pages::adding as pages;
use crate::problem::{Problem, Result};
use crate::wanted::Format;

fn admin(app: &App) -> Result<&Arc<Admin>> {
    app.admin.as_ref().ok_or_else(|| Problem::of_status(StatusCode::NOT_FOUND))
}

/// `GET /feeds/new`
pub async fn form(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Result<Response> {
    let admin = admin(&app)?;
    admin.admit(peer.ip(), &headers, &app.settings)?;
    Ok(telling_origin(pages::form(&app, admin.token(), &Wanted::default(), None)))
}

/// `POST /feeds/new`: looks at an endpoint or, with the number of a proposal,
/// writes it.
pub async fn submit(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Form(fields): Form<HashMap<String, String>>,
) -> Result<Response> {
    let admin = admin(&app)?;
    admin.admit(peer.ip(), &headers, &app.settings)?;
    admin.check(&headers, fields.get("token").map(String::as_str))?;
    let _place = app.place(Format::Html).await?;
    let response = match fields.get("proposal") {
        Some(number) => write(&app, admin, number).await?,
        None => look(&app, admin, &fields).await,
    };
    Ok(telling_origin(response))
}

async fn look(app: &App, admin: &Admin, fields: &HashMap<String, String>) -> Response {
    let wanted = match wanted(fields) {
        Ok(wanted) => wanted,
        Err(refusal) => {
            return refused(pages::form(app, admin.token(), &Wanted::default(), Some(&refusal)));
        }
    };
    match admin.adder.propose(wanted.clone()).await {
        Ok(proposal) => {
            let number = admin.keep(proposal.clone());
            pages::proposal(app, admin.token(), number, &proposal)
        }
        Err(refusal) => {
            // What was written out must not come back.
            let hidden = Hidden::of(wanted.name.as_deref().unwrap_or("feed"), &wanted.url, &wanted.headers);
            let shown = Wanted { url: hidden.url, headers: hidden.headers, ..wanted };
            refused(pages::form(app, admin.token(), &shown, Some(&refusal)))
        }
    }
}

async fn write(app: &App, admin: &Admin, number: &str) -> Result<Response> {
    let Some(proposal) = number.parse().ok().and_then(|n| admin.proposal(n)) else {
        return Err(Problem::missing(
            "unknown_proposal",
            "this proposal is no longer known",
            "open /feeds/new and look at the address again",
        ));
    };
    Ok(match admin.adder.write(proposal.clone()).await {
        Ok(()) => {
            let mut response = pages::written(app, &proposal);
            *response.status_mut() = StatusCode::CREATED;
            response
        }
        Err(refusal) => refused(pages::form(app, admin.token(), &Wanted::default(), Some(&refusal))),
    })
}

/// What the form's fields ask for; empty ones say nothing.
fn wanted(fields: &HashMap<String, String>) -> Result<Wanted, Refusal> {
    let field = |name: &str| fields.get(name).map(|v| v.trim().to_string()).filter(|v| !v.is_empty());
    let mut headers = Vec::new();
    for line in field("headers").unwrap_or_default().lines().filter(|l| !l.trim().is_empty()) {
        let Some((name, value)) = line.split_once(':') else {
            // It may be a key: it is not shown.
            return Err(Refusal::usage(
                "a header has no `:`",
                "write one in each line, as in `X-Api-Key: ${env:KEY}`",
            ));
        };
        headers.push((name.trim().to_string(), value.trim().to_string()));
    }
    Ok(Wanted {
        url: field("url").unwrap_or_default(),
        headers,
        name: field("name"),
        team: field("team"),
        timezone: field("timezone"),
        every: field("every"),
        records: field("records"),
    })
}

fn refused(mut response: Response) -> Response {
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    response
}

/// With `no-referrer` a browser would send the form with `Origin: null`.
fn telling_origin(mut response: Response) -> Response {
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}
