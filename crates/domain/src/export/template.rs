//! Names with placeholders: `{site}/{start:%Y%m%d}.nc`.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// First and last instant, microseconds since 1970, UTC.
pub type Span = (i64, i64);

/// How `{start}` and `{end}` are written where nothing is said.
const TIME_FORMAT: &str = "%Y%m%d.%H%M%S";

/// A text with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Value(String),
    Time { is_end: bool, format: String },
}

/// What is wrong with a template, where (bytes from its beginning), and the mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub at: std::ops::Range<usize>,
    pub why: String,
    pub help: String,
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Template {
    /// Reads a text. `{{` and `}}` stand for braces.
    ///
    /// # Errors
    /// A brace without its other one, a placeholder without a name, or a format
    /// of times that cannot be written.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            let rest = &text[at..];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                literal.push(c);
                at += 2;
            } else if c == '{' {
                let Some(length) = rest.find('}') else {
                    return Err(fault(at..text.len(), "`{` has no `}`", "write `{{` for a brace itself"));
                };
                if !literal.is_empty() {
                    parts.push(Part::Literal(std::mem::take(&mut literal)));
                }
                parts.push(placeholder(&rest[1..length], at..at + length + 1)?);
                at += length + 1;
            } else if c == '}' {
                return Err(fault(at..at + 1, "`}` has no `{`", "write `}}` for a brace itself"));
            } else {
                literal.push(c);
                at += c.len_utf8();
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self { text: text.to_string(), parts })
    }

    /// The placeholders but for times, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Value(name) => Some(name.as_str()),
            Part::Literal(_) | Part::Time { .. } => None,
        })
    }

    /// Whether it tells the first time.
    pub fn has_start(&self) -> bool {
        self.parts.iter().any(|p| matches!(p, Part::Time { is_end: false, .. }))
    }

    /// Whether it tells a time.
    pub fn has_time(&self) -> bool {
        self.parts.iter().any(|p| matches!(p, Part::Time { .. }))
    }

    /// The letters behind the last point, where they are written out.
    pub fn extension(&self) -> Option<&str> {
        match self.parts.last() {
            Some(Part::Literal(text)) => text.rsplit_once('.').map(|(_, extension)| extension),
            _ => None,
        }
    }

    /// The literal parts alone, with `x` for each placeholder.
    pub fn outline(&self) -> String {
        let part = |p: &Part| match p {
            Part::Literal(text) => text.clone(),
            Part::Value(_) | Part::Time { .. } => "x".into(),
        };
        self.parts.iter().map(part).collect()
    }

    /// The text with its placeholders filled in. In a path no value makes a
    /// folder: what separates names in it becomes `_`.
    ///
    /// # Errors
    /// A sentence: a placeholder has no value.
    pub fn render(
        &self,
        value: &dyn Fn(&str) -> Result<String, String>,
        span: Option<Span>,
        is_path: bool,
    ) -> Result<String, String> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Value(name) => {
                    let value = value(name)?;
                    match is_path {
                        true => out.extend(value.chars().map(|c| if separates(c) { '_' } else { c })),
                        false => out.push_str(&value),
                    }
                }
                Part::Time { is_end, format } => {
                    let (first, last) = span.ok_or("no row has a time, which `{start}` and `{end}` tell")?;
                    out.push_str(&written(if *is_end { last } else { first }, format)?);
                }
            }
        }
        Ok(out)
    }
}

fn separates(c: char) -> bool {
    matches!(c, '/' | '\\') || c.is_control()
}

fn fault(at: std::ops::Range<usize>, why: impl Into<String>, help: impl Into<String>) -> Fault {
    Fault { at, why: why.into(), help: help.into() }
}

fn placeholder(text: &str, at: std::ops::Range<usize>) -> Result<Part, Fault> {
    const KNOWN: &str = "write `{start:%Y%m%d}`, or the name of a group, a site's value or an attribute";
    let (name, format) = match text.split_once(':') {
        Some((name, format)) => (name.trim(), Some(format)),
        None => (text.trim(), None),
    };
    let is_time = matches!(name, "start" | "end");
    if name.is_empty() {
        return Err(fault(at, "a placeholder without a name", KNOWN));
    }
    if !is_time {
        return match format {
            Some(_) => Err(fault(
                at,
                format!("`{name}` is no time and takes no format"),
                "remove what follows the `:`",
            )),
            None => Ok(Part::Value(name.to_string())),
        };
    }
    let format = format.unwrap_or(TIME_FORMAT).to_string();
    // A directive that cannot be written is found by writing one.
    match written(0, &format) {
        Ok(text) if text.chars().any(separates) && !format.contains('/') => Err(fault(
            at,
            format!("the format `{format}` makes a folder"),
            "write other directives: `%Y%m%d`",
        )),
        Ok(_) => Ok(Part::Time { is_end: name == "end", format }),
        Err(why) => Err(fault(at, why, "such as `%Y%m%d.%H%M%S`, as `strftime` has it")),
    }
}

fn written(us: i64, format: &str) -> Result<String, String> {
    let odd = || format!("the time format `{format}` cannot be written");
    let time =
        Timestamp::from_microsecond(us).map_err(|_| format!("{us} µs since 1970 is beyond the calendar"))?;
    let time = time.to_zoned(TimeZone::UTC);
    jiff::fmt::strtime::format(format, &time).map_err(|_| odd())
}

/// Why a path is none below a folder.
pub(super) fn path_fault(path: &str) -> Option<&'static str> {
    if path.starts_with('/') || path.contains('\\') || path.get(1..2) == Some(":") {
        return Some("is no path below the folder of exports");
    }
    if path.ends_with('/') || path.is_empty() {
        return Some("has no file's name");
    }
    let odd = |part: &str| matches!(part, "." | "..") || part.is_empty();
    if path.split('/').any(odd) {
        return Some("has a part that is no name: `..`, `.` or nothing");
    }
    if path.split('/').any(|part| part.len() > 255 || part.starts_with(".lakegate-")) {
        return Some("has a part that is no name: too long, or beginning with `.lakegate-`");
    }
    None
}

/// Why no path that the template makes is one below a folder.
pub(crate) fn outline_fault(template: &Template) -> Option<&'static str> {
    path_fault(&template.outline())
}
