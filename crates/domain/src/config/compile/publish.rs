//! `publish:` to a feed: which table is served, and by which columns.

use indexmap::IndexMap;

use super::{columns, meant};
use crate::config::decode::{At, Reporter, Slot};
use crate::config::raw::PublishKeys;
use crate::model::{Evolve, Kind, Publish, Table};

/// What stands below `/feeds/` and is no feed.
const PAGE: &str = "new";

/// What the rest of a dataset says to its feed.
pub(super) struct Context<'a> {
    pub dataset: &'a str,
    pub timezone: &'a str,
    pub tables: &'a IndexMap<String, Table>,
    /// Whether tables that are not declared may come.
    pub any_table: bool,
    /// Columns that do not come from the rows; `None` where they are not known.
    pub elsewhere: Option<Vec<String>>,
}

/// `None` where it is so wrong that nothing can be served.
pub(super) fn compile(at: &At<PublishKeys>, context: &Context, report: &mut Reporter) -> Option<Publish> {
    let keys = &at.value;
    if keys.name.get().map_or(context.dataset, |n| &n.0) == PAGE {
        let message = format!("a feed called `{PAGE}` would have the address of the page that adds feeds");
        report.error(at.span, message, "give it another name: `publish: { name: … }`");
    }
    let table = table(at, context, report)?;
    let served = context.tables.get(&table);
    let mut column = |slot: &Slot<String>, role: Role| -> Option<String> {
        check(slot.at()?, role, served, context, report);
        slot.get().cloned()
    };
    let route = column(&keys.route, Role::Any);
    let time = column(&keys.time, Role::Time);
    let vehicle = column(&keys.vehicle, Role::Any);
    let latitude = column(&keys.latitude, Role::Number);
    let longitude = column(&keys.longitude, Role::Number);
    if keys.latitude.is_absent() != keys.longitude.is_absent() {
        let missing = if latitude.is_some() { "longitude" } else { "latitude" };
        report.error(
            at.span,
            format!("a position needs both coordinates, and `{missing}` is missing"),
            format!("add `{missing}: …`, or remove the other"),
        );
    }
    Some(Publish {
        name: keys.name.get().map_or_else(|| context.dataset.to_string(), |n| n.0.clone()),
        table,
        timezone: keys.timezone.or(context.timezone.to_string()),
        route: route?,
        time: time?,
        vehicle,
        position: latitude.zip(longitude),
    })
}

fn table(at: &At<PublishKeys>, context: &Context, report: &mut Reporter) -> Option<String> {
    let known = || context.tables.keys().map(String::as_str);
    match at.value.table.at() {
        Some(name) => {
            if !context.any_table && !context.tables.contains_key(&name.value) {
                let help = meant(&name.value, known(), "name one of the dataset's tables");
                report.error(name.span, format!("there is no table `{}`", name.value), help);
                return None;
            }
            Some(name.value.clone())
        }
        None if at.value.table.is_wrong() => None,
        None => match (context.tables.len(), context.any_table) {
            (1, false) => context.tables.keys().next().cloned(),
            _ => {
                let all: Vec<&str> = known().collect();
                let help = format!("add `table: …`; tables: {}", all.join(", "));
                report.error(at.span, "nothing says which table is published", help);
                None
            }
        },
    }
}

/// What a column must be good for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Any,
    Time,
    Number,
}

fn check(at: &At<String>, role: Role, table: Option<&Table>, context: &Context, report: &mut Reporter) {
    let Some(table) = table else { return };
    let name = &at.value;
    let Some(column) = table.columns.iter().find(|c| &c.name == name) else {
        // Only then is every column known before a file is seen.
        if let (Evolve::Fixed, [_, ..], Some(elsewhere)) =
            (table.evolve, &table.columns[..], &context.elsewhere)
            && !elsewhere.contains(name)
        {
            let known = table.columns.iter().map(|c| &c.name).chain(elsewhere).map(String::as_str);
            let help = meant(name, known, "declare it under `columns`");
            report.error(at.span, format!("the table has no column `{name}`"), help);
        }
        return;
    };
    let Some(kind) = column.kind else { return };
    let (fits, of) = match role {
        Role::Any => (!matches!(kind, Kind::Json | Kind::Binary), "text or a number"),
        Role::Time => (kind == Kind::Timestamp, "a timestamp"),
        Role::Number => (columns::is_number(kind), "a number"),
    };
    if !fits {
        let help = format!("name another column, or make its type {of}");
        report.error(at.span, format!("`{name}` must be {of} to be published so"), help);
    }
}
