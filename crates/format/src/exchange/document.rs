//! Lines of a WHP-Exchange file to casts: stamp, comments, header, parameters,
//! units and rows.

use jiff::civil::{Date, DateTime, Time};
use lakegate_domain::exchange::Rule;

use super::Fault;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Water samples; the rows of a file are of many casts.
    Bottle,
    /// A profile; all rows are of one cast, which its header names.
    Ctd,
}

/// A file.
#[derive(Clone, Debug)]
pub struct Document<'t> {
    pub kind: Kind,
    /// The rest of the first line: date and initials.
    pub stamp: &'t str,
    /// Of a bottle file one, of a CTD file one or, where several stand behind
    /// each other, more.
    pub casts: Vec<Cast<'t>>,
}

/// One block of rows.
#[derive(Clone, Debug, Default)]
pub struct Cast<'t> {
    /// `KEY = value` of a CTD file, in order.
    pub header: Vec<(&'t str, &'t str)>,
    pub header_line: u64,
    pub names: Vec<&'t str>,
    pub names_line: u64,
    /// One for each name; empty where there is none.
    pub units: Vec<&'t str>,
    pub rows: Vec<Row<'t>>,
}

/// The fields of one line, without the spaces around them.
#[derive(Clone, Debug)]
pub struct Row<'t> {
    pub line: u64,
    pub fields: Vec<&'t str>,
}

impl<'t> Cast<'t> {
    pub fn has(&self, name: &str) -> bool {
        self.names.contains(&name)
    }

    pub fn header_value(&self, name: &str) -> Option<&'t str> {
        self.header.iter().find(|(n, _)| *n == name).map(|(_, value)| *value)
    }

    /// A row's value of a parameter, or that of the header; fills are none.
    pub fn value(&self, row: &Row<'t>, name: &str) -> Option<&'t str> {
        let of_row = self.names.iter().position(|n| *n == name).and_then(|at| row.fields.get(at).copied());
        of_row.or_else(|| self.header_value(name)).filter(|value| !is_fill(value))
    }
}

/// The lines of a file, with their numbers.
struct Lines<'t> {
    rest: std::iter::Peekable<std::iter::Zip<std::str::Lines<'t>, std::ops::RangeFrom<u64>>>,
}

impl<'t> Lines<'t> {
    /// The next line that is no comment.
    fn next(&mut self) -> Option<(&'t str, u64)> {
        self.rest.find(|(line, _)| !line.starts_with('#'))
    }
}

impl<'t> Document<'t> {
    /// `None` where what is wrong leaves no rows to look at.
    pub(super) fn parse(text: &'t str, faults: &mut Vec<Fault>) -> Option<Self> {
        let mut lines = Lines { rest: text.lines().zip(1..).peekable() };
        let (first, line) = lines.rest.next().unwrap_or(("", 1));
        let Some((kind, stamp)) = stamp(first) else {
            let shown: String = first.chars().take(40).collect();
            let what = format!("the file begins with {shown:?}, not with `BOTTLE,` or `CTD,` and its stamp");
            faults.push(Fault::new(Rule::Stamp, line, what));
            return None;
        };
        let mut casts = Vec::new();
        loop {
            let cast = cast(kind, &mut lines, faults)?;
            casts.push(cast);
            // Behind the end there may be anything, and of CTD files another.
            let again = lines.rest.find(|(line, _)| self::stamp(line).is_some_and(|(k, _)| k == Kind::Ctd));
            if kind == Kind::Bottle || again.is_none() {
                return Some(Self { kind, stamp, casts });
            }
        }
    }
}

fn stamp(line: &str) -> Option<(Kind, &str)> {
    let (word, stamp) = line.split_once(',')?;
    match word.trim() {
        "BOTTLE" => Some((Kind::Bottle, stamp.trim())),
        "CTD" => Some((Kind::Ctd, stamp.trim())),
        _ => None,
    }
}

fn cast<'t>(kind: Kind, lines: &mut Lines<'t>, faults: &mut Vec<Fault>) -> Option<Cast<'t>> {
    let mut cast = Cast::default();
    if kind == Kind::Ctd {
        header(&mut cast, lines, faults)?;
    }
    let Some((names, line)) = lines.next() else {
        faults.push(Fault::new(Rule::Header, cast.header_line.max(1), "the file ends before its parameters"));
        return None;
    };
    cast.names = fields(names);
    cast.names_line = line;
    let Some((units, line)) = lines.next() else {
        faults.push(Fault::new(Rule::UnitCount, line, "the file ends before its units"));
        return None;
    };
    cast.units = fields(units);
    if cast.names.len() != cast.units.len() {
        let what = format!("{} parameters and {} units", cast.names.len(), cast.units.len());
        faults.push(Fault::new(Rule::UnitCount, line, what));
        return None;
    }
    let mut last = line;
    loop {
        let Some((text, line)) = lines.next() else {
            faults.push(Fault::new(Rule::EndData, last, "the file ends without `END_DATA`"));
            return Some(cast);
        };
        last = line;
        if text.trim() == "END_DATA" {
            return Some(cast);
        }
        if text.trim().is_empty() {
            continue;
        }
        let fields = fields(text);
        if fields.len() != cast.names.len() {
            let what = format!("{} fields where there are {} parameters", fields.len(), cast.names.len());
            faults.push(Fault::new(Rule::FieldCount, line, what));
            continue;
        }
        cast.rows.push(Row { line, fields });
    }
}

/// `NUMBER_HEADERS = n` and n - 1 lines more.
fn header<'t>(cast: &mut Cast<'t>, lines: &mut Lines<'t>, faults: &mut Vec<Fault>) -> Option<()> {
    let wrong = |line: u64, what: String| Some(Fault::new(Rule::Header, line, what));
    let fault = 'read: {
        let Some((text, line)) = lines.next() else { break 'read wrong(1, "the header is missing".into()) };
        cast.header_line = line;
        let count = text.split_once('=').filter(|(key, _)| key.trim() == "NUMBER_HEADERS");
        let Some(n) = count.and_then(|(_, n)| n.trim().parse::<u32>().ok()).filter(|n| *n > 0) else {
            break 'read wrong(line, "`NUMBER_HEADERS = n` must stand here".into());
        };
        for at in 1..n {
            let Some((text, line)) = lines.next() else {
                break 'read wrong(line, format!("NUMBER_HEADERS is {n}, and the file ends after {at}"));
            };
            match text.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
                Some((key, _)) if cast.header.iter().any(|(k, _)| *k == key) => {
                    break 'read wrong(line, format!("`{key}` stands twice in the header"));
                }
                Some((key, value)) if !key.is_empty() => cast.header.push((key, value)),
                _ => {
                    break 'read wrong(
                        line,
                        format!(
                            "NUMBER_HEADERS is {n}, and line {} of the header is no `KEY = value`",
                            at + 1
                        ),
                    );
                }
            }
        }
        return Some(());
    };
    faults.extend(fault);
    None
}

fn fields(line: &str) -> Vec<&str> {
    line.split(',').map(str::trim).collect()
}

/// Whether a field stands for a missing value: nothing, or -999 in any
/// precision.
pub(super) fn is_fill(field: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|b| b == b'0');
    match field.trim().strip_prefix("-999") {
        Some(rest) => rest.is_empty() || rest.strip_prefix('.').is_some_and(digits),
        None => field.trim().is_empty(),
    }
}

/// Date and time of day as an instant; 2400 is the midnight that follows.
/// `None` where either is missing or is none.
pub(super) fn instant(date: Option<&str>, time: Option<&str>) -> Option<String> {
    let (date, time) = (date_of(date?)?, time?);
    if time.len() > 4 || !time.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let time: i16 = time.parse().ok()?;
    let at = match time {
        2400 => date.tomorrow().ok()?.to_datetime(Time::midnight()),
        _ => DateTime::from_parts(
            date,
            Time::new(i8::try_from(time / 100).ok()?, (time % 100) as i8, 0, 0).ok()?,
        ),
    };
    Some(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

pub(super) fn date_of(text: &str) -> Option<Date> {
    let is_date = text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit());
    is_date.then(|| Date::strptime("%Y%m%d", text).ok()).flatten()
}
