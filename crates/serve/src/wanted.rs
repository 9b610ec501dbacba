//! In which form an answer is wanted: by `format=`, by the address's ending, or
//! by the `Accept` header, in this order.

use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, StatusCode};
use lakegate_lake::output::OutputFormat;

use crate::problem::{Problem, Result};

/// A form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Html,
    Json,
    Ndjson,
    Csv,
    Parquet,
    Arrow,
    GeoJson,
}

impl Format {
    pub const ALL: [Format; 7] =
        [Self::Html, Self::Json, Self::Ndjson, Self::Csv, Self::Parquet, Self::Arrow, Self::GeoJson];

    /// What addresses end in, and what `format=` says.
    pub fn name(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
            Self::GeoJson => "geojson",
        }
    }

    pub fn media_type(self) -> &'static str {
        match self {
            Self::Html => "text/html; charset=utf-8",
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Arrow => "application/vnd.apache.arrow.file",
            Self::GeoJson => "application/geo+json",
        }
    }

    /// The form that rows are written in, where `lakegate sql` knows it too.
    pub fn of_rows(self) -> Option<OutputFormat> {
        match self {
            Self::Json => Some(OutputFormat::Json),
            Self::Ndjson => Some(OutputFormat::Ndjson),
            Self::Csv => Some(OutputFormat::Csv),
            Self::Parquet => Some(OutputFormat::Parquet),
            Self::Arrow => Some(OutputFormat::Arrow),
            Self::Html | Self::GeoJson => None,
        }
    }

    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.name() == name)
    }

    fn of_media_type(media_type: &str) -> Option<Self> {
        let other = match media_type {
            "application/jsonl" | "application/ndjson" => Some(Self::Ndjson),
            "application/x-parquet" | "application/parquet" => Some(Self::Parquet),
            "application/arrow" => Some(Self::Arrow),
            _ => None,
        };
        let plain = |f: Self| f.media_type().split(';').next().unwrap_or_default();
        other.or_else(|| Self::ALL.into_iter().find(|f| plain(*f) == media_type))
    }
}

/// Takes a form's name off the end of an address's last part.
pub fn split_ending(last: &str) -> (&str, Option<Format>) {
    match last.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() => match Format::of_name(ending) {
            Some(format) => (stem, Some(format)),
            None => (last, None),
        },
        _ => (last, None),
    }
}

/// The form that is wanted most of those offered; the first of them where
/// nothing is said.
///
/// # Errors
/// 400 for an unknown name, 406 where none of those offered will do.
pub fn choose(
    by_name: Option<&str>,
    by_ending: Option<Format>,
    headers: &HeaderMap,
    offered: &[Format],
) -> Result<Format> {
    let all = || offered.iter().map(|f| f.name()).collect::<Vec<_>>().join(", ");
    let named = match by_name {
        Some(name) => Some(Format::of_name(name).ok_or_else(|| {
            Problem::bad("unknown_format", format!("`{name}` is no format"), format!("one of: {}", all()))
        })?),
        None => by_ending,
    };
    let refused = |what: &str| {
        let detail = format!("this address has no answer as {what}");
        Problem::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable", detail, format!("one of: {}", all()))
    };
    if let Some(format) = named {
        return if offered.contains(&format) { Ok(format) } else { Err(refused(format.name())) };
    }
    let Some(accept) = headers.get(ACCEPT).and_then(|v| v.to_str().ok()) else { return Ok(offered[0]) };
    accepted(accept, offered).ok_or_else(|| refused(accept))
}

/// The offered form with the greatest weight; of equals the one that is named
/// first. A form that is named exactly is better than one that a `*` takes in.
fn accepted(accept: &str, offered: &[Format]) -> Option<Format> {
    let mut best: Option<(f32, Format)> = None;
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight: f32 = parts.find_map(|p| p.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
        let matched = match media_type.as_str() {
            "*/*" => offered.first().copied().map(|f| (weight * 0.999, f)),
            "application/*" => offered
                .iter()
                .copied()
                .find(|f| f.media_type().starts_with("application/"))
                .map(|f| (weight * 0.9995, f)),
            "text/*" => offered
                .iter()
                .copied()
                .find(|f| f.media_type().starts_with("text/"))
                .map(|f| (weight * 0.9995, f)),
            exact => Format::of_media_type(exact).filter(|f| offered.contains(f)).map(|f| (weight, f)),
        };
        if let Some((weight, format)) = matched
            && weight > 0.0
            && best.is_none_or(|(w, _)| weight > w)
        {
            best = Some((weight, format));
        }
    }
    best.map(|(_, format)| format)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFERED: [Format; 4] = [Format::Json, Format::Html, Format::Csv, Format::Parquet];

    #[test]
    fn accept_headers() {
        for (accept, want) in [
            ("*/*", Some(Format::Json)),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Some(Format::Html)),
            ("text/csv", Some(Format::Csv)),
            ("text/csv;q=0.5, application/json;q=0.9", Some(Format::Json)),
            ("text/csv, application/json", Some(Format::Csv)),
            ("*/*, text/csv", Some(Format::Csv)),
            ("application/*", Some(Format::Json)),
            ("text/*", Some(Format::Html)),
            ("application/vnd.apache.parquet", Some(Format::Parquet)),
            ("image/png", None),
            ("application/json;q=0", None),
            ("", None),
        ] {
            assert_eq!(accepted(accept, &OFFERED), want, "{accept}");
        }
    }

    #[test]
    fn endings() {
        for (last, want) in [
            ("07.csv", ("07", Some(Format::Csv))),
            ("07", ("07", None)),
            ("B1.5", ("B1.5", None)),
            ("B1.5.geojson", ("B1.5", Some(Format::GeoJson))),
            (".csv", (".csv", None)),
        ] {
            assert_eq!(split_ending(last), want, "{last}");
        }
    }

    #[test]
    fn what_is_said_outright_wins() {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, "text/csv".parse().unwrap());
        assert_eq!(choose(None, None, &headers, &OFFERED).unwrap(), Format::Csv);
        assert_eq!(choose(None, Some(Format::Json), &headers, &OFFERED).unwrap(), Format::Json);
        assert_eq!(choose(Some("html"), Some(Format::Json), &headers, &OFFERED).unwrap(), Format::Html);
        assert_eq!(choose(Some("xml"), None, &headers, &OFFERED).unwrap_err().status, 400);
        assert_eq!(choose(Some("arrow"), None, &headers, &OFFERED).unwrap_err().status, 406);
    }
}
