//! A dataset file: `datasets/**/*.yaml`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::feed::FeedKeys;
use super::read::ReadDecl;
use super::table::{ColumnDecl, TableKeys, TableRest};
use crate::config::decode::{At, Decode, Named, Reporter, Slot, keyed, words};
use crate::config::scalars::{Expression, Folder, Guard, Lapse, Name, Zone};
use crate::config::yaml::{Content, Node};
use crate::model::{After, Empty, OnChange, SameBytes, Scalar};

keyed! {
    /// One dataset: which files it takes, how they are read and what tables they become.
    ///
    /// A dataset of one table may give the table's keys (`columns`, `expect`, …) here
    /// instead of under `tables`; the table is then called as the dataset.
    pub struct DatasetFile {
        /// Team that the dataset belongs to.
        team = "team": Name, required;
        /// Name of the dataset; the file's name where not given.
        dataset = "dataset": Name;
        /// What the dataset is, for people.
        description = "description": String;
        /// Folder in which its files land; `landing/<team>/<dataset>` where not given.
        landing = "landing": Folder;
        /// An endpoint that is polled; its answers land in the landing folder.
        feed = "feed": FeedKeys;
        /// Which files are its own: a regular expression for the whole name or, where it has
        /// a `/`, for the whole path below the landing folder. Named groups, `(?<name>…)`,
        /// become columns; `site` chooses the values of `sites`, `table` the table.
        pattern = "match": Expression;
        /// IANA zone of naive times; the lake's where not given.
        timezone = "timezone": Zone;
        /// Values by the text that the group `site` captured; they become columns.
        sites = "sites": Named<SiteKeys>;
        /// What becomes of a landed file when its bytes are safe; `keep`, but `delete` for a feed,
        /// where not given.
        after = "after": After;
        /// What follows when a name comes back with other bytes; `replace` where not given
        /// and rows carry their file.
        on_change = "on_change": OnChange;
        /// What follows when known bytes come under a new name; `duplicate` where not given.
        same_bytes = "same_bytes": SameBytes;
        /// What becomes of a file without a single row (no bytes, or a header alone); `park`,
        /// but `accept` for a feed, where not given.
        empty = "empty": Empty;
        /// How long a file must not have changed before it is taken. Where not given nothing for a
        /// feed, `250ms` if changed files replace and landed ones are kept, else `5s`: half a file
        /// would stay.
        settle = "settle": Lapse;
        /// How the bytes are read; `auto` where not given.
        read = "read": ReadDecl;
        /// Types of the columns that a transform sees; those not named are text.
        input = "input": Named<ColumnDecl>;
        /// The tables by name. `'*'` is for every name that is not declared.
        tables = "tables": Named<TableKeys>;
        /// Parks files with far fewer rows than usual.
        volume_guard = "volume_guard": Volumes;
        /// Serves one of its tables over HTTP as a feed.
        publish = "publish": PublishKeys;
        /// Age of the newest data from which on the dataset counts as stale; never where not
        /// given.
        stale_after = "stale_after": Lapse;
        /// How many rows are to come within a time; any number where not given.
        expect_rows = "expect_rows": ExpectRowsKeys;
        /// Whether rows carry `_file_id`, `_row` and `_loaded_at`; `true` where not given.
        provenance = "provenance": bool;
    }
    .. table: TableRest
}

keyed! {
    /// Serves a table over HTTP as a feed: by route and local hour, live, and as a page.
    pub struct PublishKeys {
        /// Name of the feed in addresses; the dataset's where not given.
        name = "name": Name;
        /// Table that is served; the only one where not given.
        table = "table": String;
        /// IANA zone of the feed's local hours; the dataset's where not given.
        timezone = "timezone": Zone;
        /// Column that tells the route.
        route = "route": String, required;
        /// Column that tells when, an instant.
        time = "time": String, required;
        /// Column that tells the vehicle; without it there are no live positions.
        vehicle = "vehicle": String;
        /// Column of the latitude, degrees north.
        latitude = "latitude": String;
        /// Column of the longitude, degrees east.
        longitude = "longitude": String;
    }
}

keyed! {
    /// How many rows are to come within a time.
    pub struct ExpectRowsKeys {
        /// The time, up to now: `1h`.
        within = "within": Lapse, required;
        /// Fewer are too few.
        at_least = "at_least": u64;
        /// More are too many.
        at_most = "at_most": u64;
    }
}

keyed! {
    /// Parks files with far fewer rows than usual.
    pub struct VolumeKeys {
        /// A replacement with less than this share of the rows it replaces is parked; `50%`
        /// where not given.
        replacement = "replacement": Guard;
        /// A file with less than this share of the median of recent files is parked; `off`
        /// where not given.
        file = "file": Guard;
    }
}

/// `volume_guard`: its keys, or `off` for both.
#[derive(Clone, Debug)]
pub struct Volumes(pub VolumeKeys);

impl Decode for Volumes {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        match &node.content {
            Content::Scalar(s) if s.text == "off" => {
                let off = Slot::Given(At { value: Guard(None), span: node.span });
                Some(Volumes(VolumeKeys { replacement: off.clone(), file: off }))
            }
            _ => VolumeKeys::decode(node, report).map(Volumes),
        }
    }
}

impl JsonSchema for Volumes {
    fn schema_name() -> Cow<'static, str> {
        "VolumeGuard".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "const": "off" }, generator.subschema_for::<VolumeKeys>()] })
    }
}

/// The values of one site.
#[derive(Clone, Debug)]
pub struct SiteKeys(pub Named<Scalar>);

impl Decode for SiteKeys {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        Named::decode(node, report).map(SiteKeys)
    }
}

impl JsonSchema for SiteKeys {
    fn schema_name() -> Cow<'static, str> {
        "Site".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Named::<Scalar>::json_schema(generator)
    }
}

words! { After, "After", "what becomes of a landed file":
    /// It stays where it is.
    "keep" => After::Keep;
    /// It is moved out of the landing folder, into an archive.
    "archive" => After::Archive;
    /// It is deleted; its bytes are in the raw store.
    "delete" => After::Delete;
}

words! { OnChange, "OnChange", "what follows a changed file":
    /// The rows of the earlier file are replaced.
    "replace" => OnChange::Replace;
    /// The rows are added to those of the earlier file.
    "append" => OnChange::Append;
    /// The new bytes are recorded, not loaded.
    "ignore" => OnChange::Ignore;
}

words! { Empty, "Empty", "what becomes of a file without rows":
    /// It is parked: somebody should know.
    "park" => Empty::Park;
    /// It is committed with no rows: such files are normal here.
    "accept" => Empty::Accept;
}

words! { SameBytes, "SameBytes", "what follows known bytes under a new name":
    /// A duplicate: recorded, not loaded.
    "duplicate" => SameBytes::Duplicate;
    /// Another file that happens to say the same: loaded.
    "load" => SameBytes::Load;
}
