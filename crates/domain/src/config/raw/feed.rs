//! `feed:`: an endpoint that is polled.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::config::decode::{Decode, Named, Reporter, keyed, scalar, text, words};
use crate::config::scalars::{Lapse, Size, Spelled, Zone, parse_lapse};
use crate::config::yaml::{Literal, Node};
use crate::feed::{Method, Path, PathError, Template};

keyed! {
    /// An endpoint that is polled; each answer that differs from the last one lands as a file.
    ///
    /// `url`, `headers`, `query`, `body` and `auth` may hold `${env:NAME}` and `${file:PATH}`.
    pub struct FeedKeys {
        /// The address. With `list` it holds `{item}`; with `links` it may hold `{cursor}` and `{page}`.
        url = "url": Templated;
        /// Several addresses by name, instead of `url`; the name becomes part of the file's name.
        urls = "urls": Named<Templated>;
        /// How often: a duration such as `30s`, or a cron expression of five or six fields.
        every = "every": Every, required;
        /// IANA zone of the cron expression; the dataset's where not given.
        timezone = "timezone": Zone;
        /// Most that a poll begins after its tick, so that feeds do not ask all at once; a tenth
        /// of a duration and at most `5s`, nothing with a cron expression, where not given.
        jitter = "jitter": Lapse;
        /// A fan-out: a list is asked for first, then `url` once per item of it.
        list = "list": ListKeys;
        /// The address answers a list of links, and what they lead to lands.
        links = "links": LinksKeys;
        /// Items, addresses or links that are asked for at a time; 8 where not given.
        concurrency = "concurrency": u64;
        /// What a host is asked at most, whoever asks; as in lake.yaml where not given.
        per_host = "per_host": HostKeys;
        /// `POST` where there is a `body`, else `GET`, where not given.
        method = "method": Method;
        /// Headers by name.
        headers = "headers": Named<Templated>;
        /// Parameters that are added to the address, by name.
        query = "query": Named<Templated>;
        /// Body of the request.
        body = "body": Templated;
        /// A user and password, or a bearer token.
        auth = "auth": AuthKeys;
        /// Longest that one attempt may take; `30s` where not given.
        timeout = "timeout": Lapse;
        /// Longest that reaching the server may take; `10s` where not given.
        connect_timeout = "connect_timeout": Lapse;
        /// Attempts after the first; 2 where not given.
        retries = "retries": u64;
        /// A larger answer is refused, packed or unpacked; `64MiB` where not given.
        max_size = "max_size": Size;
        /// Redirects that are followed; 5 where not given. Another host is sent no secret.
        redirects = "redirects": u64;
        /// Whether the server may answer that nothing has changed; `true` where not given.
        conditional = "conditional": bool;
    }
}

keyed! {
    /// The request that tells a fan-out's items.
    pub struct ListKeys {
        /// The address of the list.
        url = "url": Templated, required;
        /// Path to the items in the answer, JSON or XML: `data.list.id`, `body.route@tag`.
        items = "items": PathWord, required;
        /// How long a list is good for; it is asked for with every poll where not given.
        keep = "keep": Lapse;
        /// A longer list is refused; 1000 where not given.
        max_items = "max_items": u64;
    }
}

keyed! {
    /// How the records of a JSON answer lead to files.
    pub struct LinksKeys {
        /// Path to the records in the answer: `results`; `.` where the answer is the list.
        records = "records": PathWord, required;
        /// Path to the address of the file, within a record.
        link = "link": PathWord, required;
        /// Path to what the file is called; as the link where not given. It lands in a folder that is
        /// called as the record's `id`, or as the link's folders.
        name = "name": PathWord;
        /// Path to what tells one record from another; the link without its query where not given.
        id = "id": PathWord;
        /// Path to when the record last changed. A later state of a record is fetched again.
        updated = "updated": PathWord;
        /// What `{cursor}` is in the first request; later the newest `updated` that is done.
        start = "start": Spelled;
        /// Path to the address of the next page, within the answer.
        next = "next": PathWord;
        /// Number of the first page, where the address holds `{page}`; 1 where not given.
        first_page = "first_page": u64;
        /// Pages that one poll asks for at most; 100 where not given.
        max_pages = "max_pages": u64;
        /// Longest that one download may take; `10m` where not given.
        timeout = "timeout": Lapse;
    }
}

keyed! {
    /// What a host is asked at most.
    pub struct HostKeys {
        /// Requests under way at a time; 8 where not given.
        concurrency = "concurrency": u64;
        /// Least time from the start of one request to the start of the next; none where not given.
        spacing = "spacing": Lapse;
    }
}

keyed! {
    /// A user and password, or a bearer token.
    pub struct AuthKeys {
        /// User of basic authentication.
        user = "user": Templated;
        /// Password of basic authentication: a reference.
        password = "password": Templated;
        /// Bearer token: a reference.
        bearer = "bearer": Templated;
    }
}

words! { Method, "Method", "a method of HTTP":
    /// Asks.
    "GET" | "get" => Method::Get;
    /// Asks with a body.
    "POST" | "post" => Method::Post;
}

/// A duration, or a cron expression that is still to be read.
#[derive(Clone, Debug, PartialEq)]
pub enum Every {
    Lapse(Duration),
    Cron(String),
}

impl Decode for Every {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        const WHAT: &str = "a duration or a cron expression";
        const HELP: &str = "write `30s`, `5m`, `1h`, or in quotes '*/5 6-22 * * *'";
        let found = text(node, WHAT, HELP, report)?;
        if let Some(lapse) = parse_lapse(found) {
            return Some(Every::Lapse(lapse));
        }
        let is_cron = found.starts_with('@') || found.split_whitespace().count() > 1;
        if !is_cron {
            report.expected(node, WHAT, HELP);
        }
        is_cron.then(|| Every::Cron(found.trim().to_string()))
    }
}

impl JsonSchema for Every {
    fn schema_name() -> Cow<'static, str> {
        "Every".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration such as `30s`, or a cron expression such as `*/5 6-22 * * *`.",
            "type": "string",
        })
    }
}

/// A text that may hold references to secrets and places to fill.
#[derive(Clone, Debug)]
pub struct Templated(pub Template);

impl Decode for Templated {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        let found = scalar(node, "text", "", report)?;
        if found.literal() == Literal::Null {
            report.expected(node, "text", "give a value, or remove the key");
            return None;
        }
        match Template::parse(&found.text) {
            Ok(template) => Some(Templated(template)),
            Err(error) => {
                report.error(node.span, error.to_string(), "write `${env:NAME}` or `${file:PATH}`");
                None
            }
        }
    }
}

impl JsonSchema for Templated {
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A text; `${env:NAME}` and `${file:PATH}` are replaced by what they name.",
            "type": ["string", "number", "boolean"],
        })
    }
}

/// A path into a JSON or XML answer.
#[derive(Clone, Debug)]
pub struct PathWord(pub Path);

impl Decode for PathWord {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        let found = text(node, "a path such as `data.list`", "", report)?;
        match Path::parse(found) {
            Ok(path) => Some(PathWord(path)),
            Err(error) => {
                let help = match error {
                    PathError::Empty(_) => {
                        "write the keys that lead there, `a.b.c`, with `@name` for an attribute"
                    }
                    PathError::Brackets(_) => "leave them out: lists are gone through item by item",
                };
                report.error(node.span, error.to_string(), help);
                None
            }
        }
    }
}

impl JsonSchema for PathWord {
    fn schema_name() -> Cow<'static, str> {
        "Path".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Keys that lead to something, `a.b.c`; lists are gone through; `@name` is an attribute.",
            "type": "string",
        })
    }
}
