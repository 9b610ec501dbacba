//! Every address once: what it is called, what it takes, what it answers, and
//! who answers it. The router and the OpenAPI document are both made from here,
//! so that neither knows an address that the other does not.

use std::sync::Arc;

use axum::Router;
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use tower_http::cors::{Any, CorsLayer};

use crate::api::{adding, events, exports, feeds, observatory, review, rows, sql, tables, upkeep};
use crate::app::App;
use crate::wanted::Format;

/// The template of the address that answered, for the figures.
#[derive(Clone, Copy, Debug)]
pub struct Template(pub &'static str);

/// An address.
pub struct Route {
    pub path: &'static str,
    pub group: Group,
    pub summary: &'static str,
    /// Forms that can be chosen by ending, `format=` or `Accept`; the first is
    /// that of those who do not choose.
    pub formats: &'static [Format],
    /// Media type where there is no choice.
    pub media_type: &'static str,
    pub params: &'static [&'static str],
    /// Whether the ending is one of the address itself: `/feeds.csv`. Addresses
    /// that end in a value take the ending there.
    pub ends_in_word: bool,
    /// What goes wrong, beside what can go wrong everywhere.
    pub problems: &'static [u16],
    /// Media type of the body that it takes by POST as well.
    pub post: Option<&'static str>,
    handler: fn() -> MethodRouter<Arc<App>>,
}

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Pages of any site may ask: it is published.
    Feeds,
    /// The Bus Observatory's addresses; published as well.
    Observatory,
    /// Only where the whole lake is served.
    Lake,
    Upkeep,
    /// Only where feeds may be added: it changes the lake.
    Admin,
}

impl Group {
    pub fn name(self) -> &'static str {
        match self {
            Group::Feeds => "feeds",
            Group::Observatory => "Bus Observatory",
            Group::Lake => "lake",
            Group::Upkeep => "upkeep",
            Group::Admin => "admin",
        }
    }
}

const NO_FORMATS: &[Format] = &[];
const PLAIN: Route = Route {
    path: "/",
    group: Group::Upkeep,
    summary: "",
    formats: NO_FORMATS,
    media_type: "application/json",
    params: &[],
    ends_in_word: false,
    problems: &[],
    post: None,
    handler: || get(upkeep::home),
};

/// All addresses.
pub const ROUTES: &[Route] = &[
    Route { summary: "The list of feeds", media_type: "text/html", ..PLAIN },
    Route {
        path: "/feeds",
        group: Group::Feeds,
        summary: "The published feeds and how they stand",
        formats: feeds::OFFERED,
        params: &["format"],
        ends_in_word: true,
        handler: || get(feeds::list),
        ..PLAIN
    },
    Route {
        path: "/feeds/new",
        group: Group::Admin,
        summary: "A form that looks at an endpoint and writes a dataset file for it",
        media_type: "text/html",
        problems: &[403, 422],
        post: Some("application/x-www-form-urlencoded"),
        handler: || get(adding::form).post(adding::submit),
        ..PLAIN
    },
    Route {
        path: "/feeds/{name}",
        group: Group::Feeds,
        summary: "A feed: columns, rows of each local day, freshness, gaps, failures",
        formats: feeds::OFFERED,
        params: &["format"],
        problems: &[404],
        handler: || get(feeds::one),
        ..PLAIN
    },
    Route {
        path: "/feeds/{name}/routes",
        group: Group::Feeds,
        summary: "The routes of a range, or of the newest local day, with their rows",
        formats: rows::OFFERED_FLAT,
        params: &["format", "start", "end", "tz"],
        ends_in_word: true,
        problems: &[404],
        handler: || get(rows::routes),
        ..PLAIN
    },
    Route {
        path: "/feeds/{name}/routes/{route}/{year}/{month}/{day}/{hour}",
        group: Group::Feeds,
        summary: "The rows of one route in one local hour, by time; an hour that comes twice is taken twice",
        formats: rows::OFFERED,
        params: rows::PARAMS,
        problems: &[404],
        handler: || get(rows::hour),
        ..PLAIN
    },
    Route {
        path: "/feeds/{name}/routes/{route}/{year}/{month}/{day}",
        group: Group::Feeds,
        summary: "The rows of one route in one local day, by time",
        formats: rows::OFFERED,
        params: rows::PARAMS,
        problems: &[404],
        handler: || get(rows::day),
        ..PLAIN
    },
    Route {
        path: "/feeds/{name}/rows",
        group: Group::Feeds,
        summary: "The rows from `start` to `end`, by time, of one route or of all",
        formats: rows::OFFERED,
        params: rows::RANGE_PARAMS,
        ends_in_word: true,
        problems: &[404],
        handler: || get(rows::range),
        ..PLAIN
    },
    Route {
        path: "/feeds/{name}/live",
        group: Group::Feeds,
        summary: "The newest position of every vehicle",
        formats: rows::OFFERED_LIVE,
        params: &["format"],
        ends_in_word: true,
        problems: &[404],
        handler: || get(rows::live),
        ..PLAIN
    },
    Route {
        path: "/feeds/{name}/stream",
        group: Group::Feeds,
        summary: "New positions as they come, as server-sent events",
        media_type: "text/event-stream",
        problems: &[404],
        handler: || get(events::follow),
        ..PLAIN
    },
    Route {
        path: "/buses/bulk/{system_id}/{route}/{year}/{month}/{day}/{hour}",
        group: Group::Observatory,
        summary: "One local hour of one route, in the shape of the Bus Observatory",
        problems: &[404],
        handler: || get(observatory::bulk),
        ..PLAIN
    },
    Route {
        path: "/{system_id}/schema",
        group: Group::Observatory,
        summary: "Columns and rows of each day, in the shape of the Bus Observatory",
        problems: &[404],
        handler: || get(observatory::schema),
        ..PLAIN
    },
    Route {
        path: "/tables",
        group: Group::Lake,
        summary: "All tables of the lake",
        formats: tables::OFFERED,
        params: &["format"],
        ends_in_word: true,
        handler: || get(tables::list),
        ..PLAIN
    },
    Route {
        path: "/tables/{table}",
        group: Group::Lake,
        summary: "A table's rows, or what is known of it beside them: a page as HTML, all in the other forms",
        formats: tables::OFFERED,
        params: tables::PARAMS,
        problems: &[404],
        handler: || get(tables::one),
        ..PLAIN
    },
    Route {
        path: "/exports/{*path}",
        group: Group::Lake,
        summary: "A file that was exported, or a plot beside one",
        media_type: "application/octet-stream",
        problems: &[404],
        handler: || get(exports::file),
        ..PLAIN
    },
    Route {
        path: "/review",
        group: Group::Lake,
        summary: "The datasets, with their files and problems",
        formats: review::OFFERED,
        params: &["format"],
        ends_in_word: true,
        handler: || get(review::list),
        ..PLAIN
    },
    Route {
        path: "/review/{dataset}",
        group: Group::Lake,
        summary: "What a dataset's files hold and what is wrong with them, and the census of their parameters",
        formats: review::OFFERED,
        params: review::PARAMS,
        problems: &[404],
        handler: || get(review::one),
        ..PLAIN
    },
    Route {
        path: "/sql",
        group: Group::Lake,
        summary: "One statement that reads, within limits of time, memory and rows",
        formats: sql::OFFERED,
        params: sql::PARAMS,
        ends_in_word: true,
        problems: &[403, 422],
        post: Some("text/plain"),
        handler: || get(sql::get).post(sql::post),
        ..PLAIN
    },
    Route {
        path: "/health",
        summary: "How feeds and watched datasets stand; 503 where one is unwell",
        formats: &[Format::Json, Format::Html],
        params: &["format"],
        ends_in_word: true,
        handler: || get(upkeep::health),
        ..PLAIN
    },
    Route {
        path: "/health/live",
        summary: "That the process answers",
        handler: || get(upkeep::alive),
        ..PLAIN
    },
    Route {
        path: "/metrics",
        summary: "Figures in the text format of Prometheus",
        media_type: "text/plain",
        handler: || get(upkeep::metrics),
        ..PLAIN
    },
    Route {
        path: "/openapi.json",
        summary: "This description",
        handler: || get(crate::openapi::answer),
        ..PLAIN
    },
    Route {
        path: "/style.css",
        summary: "The style of the pages",
        media_type: "text/css",
        handler: || get(upkeep::style),
        ..PLAIN
    },
];

/// The addresses that are served.
pub fn served(app: &App) -> impl Iterator<Item = &'static Route> {
    served_to(app.settings.feeds_only, app.admin.is_some())
}

/// The addresses of a server with these settings.
pub fn served_to(feeds_only: bool, has_admin: bool) -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(move |r| match r.group {
        Group::Lake => !feeds_only,
        Group::Admin => has_admin,
        Group::Feeds | Group::Observatory | Group::Upkeep => true,
    })
}

/// The router of the addresses that are served.
pub fn router(app: &App) -> Router<Arc<App>> {
    let (mut public, mut own) = (Router::new(), Router::new());
    for route in served(app) {
        let template = route.path;
        let mark = move |mut response: Response| async move {
            response.extensions_mut().insert(Template(template));
            response
        };
        let router = match route.group {
            Group::Lake | Group::Admin => &mut own,
            Group::Feeds | Group::Observatory | Group::Upkeep => &mut public,
        };
        let endings = route.formats.iter().filter(|_| route.ends_in_word);
        let paths = endings.map(|f| format!("{}.{}", route.path, f.name())).chain([route.path.to_string()]);
        for path in paths {
            let handler = (route.handler)().layer(map_response(mark));
            *router = std::mem::take(router).route(&path, handler);
        }
    }
    // Published data may be read by pages of any site. The rest of the lake may
    // not: a site that somebody visits must not read what only their browser reaches.
    public.layer(CorsLayer::new().allow_origin(Any).allow_methods([axum::http::Method::GET])).merge(own)
}
