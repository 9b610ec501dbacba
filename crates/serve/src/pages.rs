//! The pages: plain HTML that works without a script, without any other host,
//! and for those who listen to it. What is on a page is escaped by the one type
//! that can write it.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};

use crate::app::{App, Asked};
use crate::health::{Standing, Stood};
use crate::problem::Problem;
use crate::wanted::{Format, split_ending};

pub mod adding;
pub mod chart;
pub mod facts;
pub mod feeds;
pub mod grid;
mod html;
pub mod review;
pub mod sql;
pub mod tables;

pub use html::Html;

pub const STYLE: &str = include_str!("pages/style.css");

/// The same answer in other forms, as links.
pub struct Alternatives(Vec<(&'static str, String)>);

impl Alternatives {
    /// Those of an address, by its endings.
    pub fn of(asked: &Asked, offered: &[Format]) -> Self {
        let path = split_ending(&asked.path).0;
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(
                url::form_urlencoded::parse(asked.query.as_deref().unwrap_or_default().as_bytes())
                    .filter(|(key, _)| key != "format"),
            )
            .finish();
        let query = if query.is_empty() { query } else { format!("?{query}") };
        let others = offered.iter().filter(|f| **f != Format::Html);
        Self(others.map(|f| (f.name(), format!("{path}.{}{query}", f.name()))).collect())
    }
}

/// A page: where it is, what it is called, what is on it.
pub fn page(app: &App, title: &str, parents: &[(&str, &str)], body: Html) -> Response {
    let mut html = Html::default();
    html.raw("<!doctype html>\n").open("html", &[("lang", "en")]).open("head", &[]);
    html.raw(
        "<meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">",
    );
    html.raw("<meta name=\"color-scheme\" content=\"light dark\">");
    html.element("title", &[], &format!("{title} · {}", app.lake.name));
    html.raw("<link rel=\"stylesheet\" href=\"/style.css\">").close("head").open("body", &[]);
    html.raw("<a class=\"skip\" href=\"#main\">Skip to the content</a>");
    html.open("header", &[]).open("nav", &[("aria-label", "Lake")]);
    html.element("a", &[("href", "/feeds"), ("class", "lake")], &app.lake.name);
    html.link("/feeds", "Feeds");
    if !app.settings.feeds_only {
        html.link("/tables", "Tables").link("/review", "Review").link("/sql", "SQL");
    }
    html.link("/health", "Health").close("nav").close("header");
    html.open("main", &[("id", "main")]);
    if !parents.is_empty() {
        html.open("nav", &[("aria-label", "Where you are"), ("class", "path")]).open("ol", &[]);
        for (href, text) in parents {
            html.open("li", &[]).link(href, text).close("li");
        }
        html.close("ol").close("nav");
    }
    html.element("h1", &[], title).append(body).close("main");
    html.open("footer", &[]).text(concat!("Lakegate ", env!("CARGO_PKG_VERSION"), " · "));
    html.link("/openapi.json", "OpenAPI").text(" · ").link("/metrics", "Metrics");
    html.close("footer").close("body").close("html");
    let mut response = html.finish().into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(Format::Html.media_type()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// The links to a page's other forms.
pub fn alternatives(html: &mut Html, alternatives: &Alternatives) {
    html.open("p", &[("class", "forms")]).text("This as ");
    for (i, (name, href)) in alternatives.0.iter().enumerate() {
        html.text(if i == 0 { "" } else { " · " }).link(href, name);
    }
    html.close("p");
}

/// A problem as a page.
pub fn problem(app: &App, problem: &Problem) -> Response {
    let mut html = Html::default();
    html.element("p", &[], &problem.detail).element("p", &[("class", "help")], &problem.help);
    html.open("p", &[]).link("/feeds", "Go to the feeds").close("p");
    let title = problem.status.canonical_reason().unwrap_or("It failed");
    let mut response = page(app, title, &[], html);
    *response.status_mut() = problem.status;
    response
}

/// The page of `/health`.
pub fn health(app: &App, all: &[Stood]) -> Response {
    let mut html = Html::default();
    if let Some(why) = app.kept() {
        html.open("div", &[("role", "status"), ("class", "alert")]);
        html.element("p", &[], "The configuration was changed and has errors; the lake goes on as it was.");
        if !app.settings.feeds_only {
            html.element("pre", &[], &why);
        }
        html.close("div");
    }
    html.open("table", &[]).element("caption", &[], "How feeds and datasets stand");
    html.head(&["", "State", "Newest", "Age", "Stale after", "What is wrong"]);
    for stood in all {
        let (name, standing) = (stood.name(), &stood.standing);
        html.open("tr", &[]).open("th", &[("scope", "row")]);
        match &stood.feed {
            Some(feed) => html.link(&format!("/feeds/{}", html::segment(feed)), feed),
            None => html.text(&name),
        };
        html.close("th");
        state(&mut html, standing);
        html.element("td", &[], &standing.newest.map_or_else(String::new, |t| t.to_string()));
        html.element("td", &[("class", "number")], &standing.age_s.map_or_else(String::new, age));
        let limit = standing.stale_after_s.map_or_else(String::new, |s| age(s as i64));
        html.element("td", &[("class", "number")], &limit);
        html.element("td", &[], standing.detail.as_deref().unwrap_or_default()).close("tr");
    }
    html.close("tbody").close("table");
    if all.is_empty() {
        html.element(
            "p",
            &[],
            "Nothing is published or watched: add `publish:`, `stale_after:` or `expect_rows:` to a dataset.",
        );
    }
    page(app, "Health", &[], html)
}

/// A cell with the state as a word and, for those who see it, a colour.
fn state(html: &mut Html, standing: &Standing) {
    let word = standing.state.name();
    html.open("td", &[]).element("span", &[("class", &format!("state {word}"))], word).close("td");
}

/// A length of time as people say it: `35 s`, `12 min`, `3 h`, `9 d`.
fn age(seconds: i64) -> String {
    match seconds {
        s if s < 120 => format!("{s} s"),
        s if s < 2 * 3600 => format!("{} min", s / 60),
        s if s < 2 * 86_400 => format!("{} h", s / 3600),
        s => format!("{} d", s / 86_400),
    }
}

/// An instant as its age, for the title of a value.
fn ago(t: Timestamp, now: Timestamp) -> String {
    let since = now.duration_since(t);
    if since < SignedDuration::ZERO {
        "in the future".into()
    } else {
        format!("{} ago", age(since.as_secs()))
    }
}

/// Digits in groups of three.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            // A narrow space that does not break.
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// Turns an answer that says what went wrong into a page, for those who read pages.
pub fn for_people(app: &App, response: Response) -> Response {
    match response.extensions().get::<Problem>().cloned() {
        Some(found) => {
            let mut page = problem(app, &found);
            let headers = response.headers();
            for name in [axum::http::header::RETRY_AFTER, axum::http::header::ALLOW] {
                if let Some(value) = headers.get(&name) {
                    page.headers_mut().insert(name, value.clone());
                }
            }
            page
        }
        None if response.status() == StatusCode::NOT_FOUND => {
            problem(app, &Problem::of_status(StatusCode::NOT_FOUND))
        }
        None => response,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_for_people() {
        assert_eq!([grouped(0), grouped(999), grouped(1_234_567)], ["0", "999", "1\u{202f}234\u{202f}567"]);
        assert_eq!(
            [age(0), age(119), age(120), age(7200), age(172_800)],
            ["0 s", "119 s", "2 min", "2 h", "2 d"]
        );
    }

    #[test]
    fn other_forms_keep_the_question() {
        let asked = Asked {
            path: "/feeds/a/rows".into(),
            query: Some("start=2024-01-01&format=html&route=A%26B".into()),
            headers: Default::default(),
        };
        let found = Alternatives::of(&asked, &[Format::Json, Format::Html, Format::Csv]);
        assert_eq!(
            found.0,
            [
                ("json", "/feeds/a/rows.json?start=2024-01-01&route=A%26B".to_string()),
                ("csv", "/feeds/a/rows.csv?start=2024-01-01&route=A%26B".to_string()),
            ]
        );
    }
}
