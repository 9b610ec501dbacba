//! The rules of the format, line by line.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use lakegate_domain::exchange::{Beside, Flags, Rule, flagged};

use super::Fault;
use super::document::{Cast, Document, Kind, date_of, instant, is_fill};
use super::known::{self, ERRORS, PLACE};

/// Adds what is wrong with a document that could be cut into rows.
pub(super) fn check(document: &Document, faults: &mut Vec<Fault>) {
    let mut keys: HashMap<Vec<&str>, u64> = HashMap::new();
    let mut places: HashMap<Vec<&str>, Place> = HashMap::new();
    for cast in &document.casts {
        check_columns(cast, faults);
        check_flags(document.kind, cast, faults);
        check_keys(document.kind, cast, &mut keys, faults);
        check_coordinates(document.kind, cast, &mut places, faults);
    }
}

fn check_columns(cast: &Cast, faults: &mut Vec<Fault>) {
    let line = cast.names_line;
    let mut fault = |rule: Rule, what: String| faults.push(Fault::new(rule, line, what));
    for (at, (name, unit)) in cast.names.iter().zip(&cast.units).enumerate() {
        if name.is_empty() {
            fault(Rule::UniqueParameters, format!("parameter {} has no name", at + 1));
            continue;
        }
        if cast.names[..at].contains(name) {
            fault(Rule::UniqueParameters, format!("the parameter `{name}` stands twice"));
        }
        if cast.header_value(name).is_some() {
            fault(
                Rule::UniqueParameters,
                format!("`{name}` is a parameter and stands in the header as well"),
            );
        }
        if let Some(of) = flagged(name) {
            if !cast.has(of) {
                fault(Rule::FlagParameter, format!("`{name}` has no parameter `{of}`"));
            }
            if PLACE.contains(&of) || ERRORS.iter().any(|(error, _)| *error == of) {
                fault(Rule::FlagAllowed, format!("`{of}` has no flags, and there is `{name}`"));
            }
            if !unit.is_empty() {
                fault(Rule::FlagUnit, format!("`{name}` has the unit `{unit}`"));
            }
            continue;
        }
        if let Some((_, of)) = ERRORS.iter().find(|(error, _)| error == name)
            && !cast.has(of)
        {
            fault(Rule::ErrorParameter, format!("`{name}` is the error of `{of}`, which is missing"));
        }
        if !known::is_known(name, unit) {
            let with = if unit.is_empty() { "without a unit".to_string() } else { format!("in `{unit}`") };
            fault(Rule::Parameters, format!("`{name}` {with} is not known"));
        }
    }
}

fn check_flags(kind: Kind, cast: &Cast, faults: &mut Vec<Fault>) {
    for (flag_at, name) in cast.names.iter().enumerate() {
        let Some(of) = flagged(name) else { continue };
        let Some(value_at) = cast.names.iter().position(|n| *n == of) else { continue };
        let flags = match kind {
            _ if of == "BTLNBR" => Flags::Bottle,
            Kind::Ctd => Flags::Ctd,
            Kind::Bottle if of.starts_with("CTD") => Flags::Ctd,
            Kind::Bottle => Flags::Sample,
        };
        for row in &cast.rows {
            let (flag, value) = (row.fields[flag_at], row.fields[value_at]);
            // No flag says nothing, like 0.
            if is_fill(flag) {
                continue;
            }
            let beside = flag.parse::<i64>().map_or(Beside::Unknown, |flag| flags.beside(flag));
            let what = match (beside, is_fill(value)) {
                (Beside::Any, _) | (Beside::Value, false) | (Beside::Nothing, true) => continue,
                (Beside::Unknown, _) => format!("`{flag}` is no flag, in `{name}`"),
                (Beside::Value, true) => format!("`{name}` is {flag}, and `{of}` has no value"),
                (Beside::Nothing, false) => format!("`{name}` is {flag}, and `{of}` is {value}"),
            };
            faults.push(Fault::new(Rule::FlagValue, row.line, what));
        }
    }
}

/// The parts of a row's key, the last of which tells rows of a cast apart.
fn key_of(kind: Kind) -> [&'static [&'static str]; 4] {
    let last: &[&str] = match kind {
        // Where samples have no numbers, bottles have.
        Kind::Bottle => &["SAMPNO", "BTLNBR"],
        Kind::Ctd => &["CTDPRS"],
    };
    [&["EXPOCODE"], &["STNNBR"], &["CASTNO"], last]
}

fn check_keys<'t>(
    kind: Kind,
    cast: &Cast<'t>,
    keys: &mut HashMap<Vec<&'t str>, u64>,
    faults: &mut Vec<Fault>,
) {
    let parts = key_of(kind);
    let has = |part: &[&str]| part.iter().any(|name| cast.has(name) || cast.header_value(name).is_some());
    let missing: Vec<&str> = parts.iter().filter(|part| !has(part)).map(|part| part[0]).collect();
    if !missing.is_empty() {
        let what = format!("the key has no `{}`", missing.join("`, `"));
        faults.push(Fault::new(Rule::KeyPresent, cast.names_line, what));
        return;
    }
    for row in &cast.rows {
        let values = parts.iter().map(|part| part.iter().find_map(|name| cast.value(row, name)));
        let Some(key) = values.collect::<Option<Vec<&str>>>() else {
            let lacks = parts.iter().find(|part| part.iter().all(|name| cast.value(row, name).is_none()));
            let what =
                format!("`{}`, a part of the key, has no value", lacks.map_or("a column", |part| part[0]));
            faults.push(Fault::new(Rule::KeyPresent, row.line, what));
            continue;
        };
        match keys.entry(key) {
            Entry::Vacant(place) => {
                place.insert(row.line);
            }
            Entry::Occupied(place) => {
                let what =
                    format!("the key {} is that of line {} as well", place.key().join(", "), place.get());
                faults.push(Fault::new(Rule::KeyUnique, row.line, what));
            }
        }
    }
}

/// Where a cast was made. Times of its bottles differ in good files.
struct Place {
    line: u64,
    position: [Option<f64>; 2],
    /// A cast is told once.
    is_told: bool,
}

fn check_coordinates<'t>(
    kind: Kind,
    cast: &Cast<'t>,
    places: &mut HashMap<Vec<&'t str>, Place>,
    faults: &mut Vec<Fault>,
) {
    const NEEDED: [&str; 4] = ["LATITUDE", "LONGITUDE", "DATE", "CTDPRS"];
    let has = |name: &&str| cast.has(name) || cast.header_value(name).is_some();
    let missing: Vec<&str> = NEEDED.into_iter().filter(|name| !has(name)).collect();
    if !missing.is_empty() {
        let what = format!("there is no `{}`", missing.join("`, `"));
        faults.push(Fault::new(Rule::CoordinatesPresent, cast.names_line, what));
    }
    for row in &cast.rows {
        let mut fault = |rule: Rule, what: String| faults.push(Fault::new(rule, row.line, what));
        for name in NEEDED.into_iter().filter(|name| has(name)) {
            match cast.value(row, name) {
                None => fault(Rule::CoordinatesPresent, format!("`{name}` has no value")),
                Some(date) if name == "DATE" && date_of(date).is_none() => {
                    fault(Rule::CoordinatesPresent, format!("`DATE` is {date}, which is no date"));
                }
                Some(value) if name != "DATE" && value.parse::<f64>().is_err() => {
                    fault(Rule::CoordinatesPresent, format!("`{name}` is {value}, which is no number"));
                }
                Some(_) => {}
            }
        }
        let (date, time) = (cast.value(row, "DATE"), cast.value(row, "TIME"));
        if let (Some(date), Some(time)) = (date, time)
            && date_of(date).is_some()
            && instant(Some(date), Some(time)).is_none()
        {
            fault(Rule::CoordinatesPresent, format!("`TIME` is {time}, which is no time of day"));
        }
        // Those of a header are one for all rows.
        if kind == Kind::Ctd {
            continue;
        }
        let key: Option<Vec<&str>> =
            ["EXPOCODE", "STNNBR", "CASTNO"].iter().map(|n| cast.value(row, n)).collect();
        let Some(key) = key else { continue };
        let number = |name: &str| cast.value(row, name).and_then(|v| v.parse::<f64>().ok());
        let here = [number("LATITUDE"), number("LONGITUDE")];
        match places.entry(key) {
            Entry::Vacant(place) => {
                place.insert(Place { line: row.line, position: here, is_told: false });
            }
            Entry::Occupied(mut place) if place.get().position != here && !place.get().is_told => {
                place.get_mut().is_told = true;
                let what = format!(
                    "the position of station {}, cast {} differs from that in line {}",
                    place.key()[1],
                    place.key()[2],
                    place.get().line
                );
                fault(Rule::CoordinatesConstant, what);
            }
            Entry::Occupied(_) => {}
        }
    }
}
