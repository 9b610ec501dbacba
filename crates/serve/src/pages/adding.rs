//! The pages of `/feeds/new`.

use axum::response::Response;
use lakegate_domain::draft::{Proposal, Refusal, Shown, Wanted};

use super::{Html, grouped, page};
use crate::app::App;

const PARENTS: &[(&str, &str)] = &[("/feeds", "Feeds")];

/// A field of the form.
struct Field {
    name: &'static str,
    label: &'static str,
    help: &'static str,
    placeholder: &'static str,
}

const fn field(
    name: &'static str,
    label: &'static str,
    help: &'static str,
    placeholder: &'static str,
) -> Field {
    Field { name, label, help, placeholder }
}

const FIELDS: [Field; 6] = [
    field(
        "url",
        "Address",
        "A key in it becomes a reference to an environment variable; it is never written or shown.",
        "https://feeds.example.org/vehicles.pb",
    ),
    field(
        "name",
        "Name",
        "Of the dataset and its file: small letters, digits and _. Made from the address.",
        "",
    ),
    field("team", "Team", "The lake's only one, where nothing is said.", ""),
    field("timezone", "Time zone", "Of local hours and of times without an offset.", "America/New_York"),
    field("every", "How often", "A duration, or a cron expression.", "30s"),
    field("records", "Path to the records", "Of JSON or XML, where it cannot be told.", "data.vehicles"),
];

/// The form, with what was asked for and why that was refused.
pub fn form(app: &App, token: &str, wanted: &Wanted, refusal: Option<&Refusal>) -> Response {
    let mut html = Html::default();
    if let Some(refusal) = refusal {
        html.open("div", &[("role", "alert"), ("class", "alert")]);
        // The compiler's findings have lines.
        html.element("pre", &[], &refusal.message).element("p", &[("class", "help")], &refusal.help);
        html.close("div");
    }
    html.element(
        "p",
        &[],
        "The address is asked once. Nothing is written before you have seen the file and its first rows.",
    );
    html.open("form", &[("action", "/feeds/new"), ("method", "post"), ("class", "fields")]);
    hidden(&mut html, "token", token);
    let value = |name: &str| match name {
        "url" => Some(&wanted.url),
        "name" => wanted.name.as_ref(),
        "team" => wanted.team.as_ref(),
        "timezone" => wanted.timezone.as_ref(),
        "every" => wanted.every.as_ref(),
        _ => wanted.records.as_ref(),
    };
    for Field { name, label, help, placeholder } in FIELDS {
        let described = format!("{name}-help");
        let mut attributes = vec![
            ("id", name),
            ("name", name),
            ("value", value(name).map_or("", String::as_str)),
            ("placeholder", placeholder),
            ("aria-describedby", described.as_str()),
            ("autocomplete", "off"),
        ];
        if name == "url" {
            attributes.extend([("required", ""), ("spellcheck", "false")]);
        }
        html.open("p", &[]).element("label", &[("for", name)], label).open("input", &attributes);
        html.element("span", &[("id", &described), ("class", "help")], help).close("p");
    }
    html.open("p", &[]).element("label", &[("for", "headers")], "Headers");
    html.open(
        "textarea",
        &[
            ("id", "headers"),
            ("name", "headers"),
            ("rows", "2"),
            ("spellcheck", "false"),
            ("aria-describedby", "headers-help"),
            ("placeholder", "Authorization: apikey ${env:CITY_KEY}"),
        ],
    );
    html.raw("\n");
    for (name, header) in &wanted.headers {
        html.text(name).text(": ").text(header).raw("\n");
    }
    html.close("textarea").element("span", &[("id", "headers-help"), ("class", "help")], "One in each line.");
    html.close("p").raw("<button type=\"submit\">Look</button>").close("form");
    page(app, "Add a feed", PARENTS, html)
}

/// What would be written, and what the answer becomes by it.
pub fn proposal(app: &App, token: &str, number: u64, proposal: &Proposal) -> Response {
    let mut html = Html::default();
    html.open("p", &[]).text("The address answers ").element("code", &[], &proposal.format);
    html.text(". This would be written to ").element("code", &[], &proposal.path).text(":").close("p");
    html.element("pre", &[("tabindex", "0"), ("aria-label", "The file")], &proposal.yaml);
    to_do(&mut html, proposal);
    html.open("form", &[("action", "/feeds/new"), ("method", "post")]);
    hidden(&mut html, "token", token);
    hidden(&mut html, "proposal", &number.to_string());
    html.raw("<button type=\"submit\">Write it</button> ").link("/feeds/new", "Start again").close("form");
    proposal.tables.iter().for_each(|shown| rows(&mut html, shown));
    page(app, "Add a feed", PARENTS, html)
}

/// That it was written, and what is left to do.
pub fn written(app: &App, proposal: &Proposal) -> Response {
    let mut html = Html::default();
    html.open("p", &[("role", "status")]).element("code", &[], &proposal.path);
    html.text(" is written, and the lake is loaded anew: the feed is polled where `lakegate up` runs.")
        .close("p");
    to_do(&mut html, proposal);
    html.open("p", &[]).link("/feeds", "Go to the feeds").text(" · ").link("/feeds/new", "Add another");
    html.text(" · ").link("/health", "Health").close("p");
    page(app, "The feed is added", PARENTS, html)
}

fn to_do(html: &mut Html, proposal: &Proposal) {
    if proposal.variables.is_empty() && proposal.notes.is_empty() {
        return;
    }
    html.open("ul", &[]);
    for variable in &proposal.variables {
        html.open("li", &[]).text("Set the environment variable ").element("code", &[], variable);
        html.text(" to the key that was given, for the process that polls, and start that process with it: the key itself is written nowhere.");
        html.close("li");
    }
    proposal.notes.iter().for_each(|note| {
        html.element("li", &[], note);
    });
    html.close("ul");
}

fn rows(html: &mut Html, shown: &Shown) {
    let n = grouped(shown.n_rows);
    let caption = match shown.rows.len() as u64 == shown.n_rows {
        true => format!("{}: {n} rows", shown.table),
        false => format!("{}: the first {} of {n} rows", shown.table, shown.rows.len()),
    };
    html.open("div", &[("class", "wide"), ("tabindex", "0"), ("role", "region"), ("aria-label", &caption)]);
    html.open("table", &[("class", "rows")]).element("caption", &[], &caption);
    html.head(&shown.columns.iter().map(String::as_str).collect::<Vec<_>>());
    for row in &shown.rows {
        html.open("tr", &[]);
        for value in row {
            match value {
                Some(value) => html.element("td", &[], value),
                None => html.element("td", &[("class", "null")], ""),
            };
        }
        html.close("tr");
    }
    html.close("tbody").close("table").close("div");
}

fn hidden(html: &mut Html, name: &str, value: &str) {
    html.open("input", &[("type", "hidden"), ("name", name), ("value", value)]);
}
