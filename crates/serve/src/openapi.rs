//! `/openapi.json`: every address, described for programs.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use utoipa::openapi::path::{Operation, OperationBuilder, ParameterBuilder, ParameterIn, PathItemBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{
    ContentBuilder, HttpMethod, InfoBuilder, OpenApi, OpenApiBuilder, PathsBuilder, RefOr, Required,
    ResponseBuilder,
};

use crate::app::App;
use crate::routes::{Route, served};
use crate::sheet;
use crate::wanted::Format;

/// `GET /openapi.json`
pub async fn answer(State(app): State<Arc<App>>) -> Response {
    sheet::json(&document(&app.lake.name, served(&app)))
}

/// The description of addresses.
fn document(lake: &str, routes: impl Iterator<Item = &'static Route>) -> OpenApi {
    let mut paths = PathsBuilder::new();
    for route in routes {
        let mut item = PathItemBuilder::new().operation(HttpMethod::Get, operation(route, None));
        if route.post.is_some() {
            item = item.operation(HttpMethod::Post, operation(route, route.post));
        }
        paths = paths.path(documented(route), item.build());
    }
    let about = "Feeds and tables of a lake. A form is chosen by the ending of the address (`.csv`), by `format=` or \
                 by `Accept`. Times are UTC; local hours are those of the feed's zone. What goes wrong is told as \
                 `application/problem+json`.";
    let info = InfoBuilder::new()
        .title(format!("Lakegate: {lake}"))
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(about))
        .build();
    OpenApiBuilder::new().info(info).paths(paths.build()).build()
}

/// An address as OpenAPI writes it: it has no parts that take several.
fn documented(route: &Route) -> String {
    route.path.replace("{*", "{")
}

/// `body`: media type of what is posted.
fn operation(route: &Route, body: Option<&str>) -> Operation {
    let path = documented(route);
    let in_path = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut operation = OperationBuilder::new().tag(route.group.name()).summary(Some(route.summary));
    for name in in_path {
        operation = operation.parameter(
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .description(Some(meaning(name)))
                .schema(Some(schema_of(name, route))),
        );
    }
    for name in route.params.iter().filter(|name| !(body.is_some() && **name == "q")) {
        operation = operation.parameter(
            ParameterBuilder::new()
                .name(*name)
                .parameter_in(ParameterIn::Query)
                .required(Required::False)
                .description(Some(meaning(name)))
                .schema(Some(schema_of(name, route))),
        );
    }
    if let Some(media_type) = body {
        let content = ContentBuilder::new().schema(Some(object(Type::String))).build();
        let body = RequestBodyBuilder::new().content(media_type, content).required(Some(Required::True));
        operation = operation.request_body(Some(body.build()));
    }
    let mut good = ResponseBuilder::new().description("What was asked for");
    let media_types: Vec<&str> = match route.formats {
        [] => vec![route.media_type],
        formats => formats.iter().map(|f| f.media_type().split(';').next().unwrap_or_default()).collect(),
    };
    for media_type in media_types {
        good = good.content(media_type, ContentBuilder::new().build());
    }
    let status = if route.path == "/" { "303" } else { "200" };
    operation = operation.response(status, good.build());
    for status in [400_u16, 429, 503].iter().chain(route.problems) {
        let problem = ContentBuilder::new().schema(Some(object(Type::Object))).build();
        let response = ResponseBuilder::new()
            .description(crate::problem::reason(*status))
            .content("application/problem+json", problem);
        operation = operation.response(status.to_string(), response.build());
    }
    operation.build()
}

fn object(kind: Type) -> RefOr<Schema> {
    RefOr::T(Schema::Object(ObjectBuilder::new().schema_type(kind).build()))
}

fn schema_of(name: &str, route: &Route) -> RefOr<Schema> {
    match name {
        "limit" | "offset" | "year" | "month" | "day" | "hour" => object(Type::Integer),
        "format" => {
            let names: Vec<&str> = route.formats.iter().copied().map(Format::name).collect();
            let builder = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
            RefOr::T(Schema::Object(builder.build()))
        }
        _ => object(Type::String),
    }
}

fn meaning(name: &str) -> &'static str {
    match name {
        "name" | "system_id" => "A feed",
        "route" => "A route, as the feed spells it",
        "year" | "month" | "day" => "The local day",
        "hour" => "The local hour, 0 to 23",
        "table" => "A table, `team.dataset.table` or `system.files`",
        "dataset" => "A dataset, `team.dataset`",
        "path" => "Path of the file below the folder of exports",
        "show" => {
            "What of it: of a dataset files, problems, columns or census; of a table rows, quality, findings or exports"
        }
        "format" => "The form of the answer",
        "columns" => "Columns, with commas between",
        "limit" => "The first rows only",
        "offset" => "Rows that are left out first",
        "after" => "The file and the number of the last row of the page before, with a point between",
        "tz" => "An IANA time zone, instead of the feed's",
        "start" => "From when on: a date or a time, local where it has no offset",
        "end" => "Until before when",
        "q" => "The statement",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::routes::{ROUTES, served_to};

    #[test]
    fn every_address_is_described_with_every_parameter() {
        let document = serde_json::to_value(document("x", served_to(false, true))).unwrap();
        let paths = document["paths"].as_object().unwrap();
        assert_eq!(paths.len(), ROUTES.len());
        for route in ROUTES {
            let get = &paths[&documented(route)]["get"];
            assert!(!route.summary.is_empty() && get["summary"] == route.summary, "{}", route.path);
            let named: BTreeSet<&str> = get["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|p| {
                    assert_ne!(p["description"], "", "{} {}", route.path, p["name"]);
                    p["name"].as_str().unwrap()
                })
                .collect();
            assert!(route.params.iter().all(|p| named.contains(p)), "{}", route.path);
        }
        let public = self::document("x", served_to(true, false));
        assert!(public.paths.paths.keys().all(|p| !p.starts_with("/sql") && p != "/feeds/new"));
    }
}
