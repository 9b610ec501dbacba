//! tsdat's own classes, by the names that configurations call them by.

use super::pipeline::{Check, Converter, Handler, Reader, ReaderKind, Side, Style, Threshold};
use super::value::Value;

/// A class's own name, where it is one of tsdat's; `None` for somebody else's.
pub(super) fn own(class: &str) -> Option<&str> {
    let is_tsdat = class.starts_with("tsdat.") || !class.contains('.');
    is_tsdat.then(|| class.rsplit('.').next().unwrap_or(class))
}

/// A checker with its parameters.
pub(super) fn check(declared: &Value, style: Style) -> Check {
    let class = declared.text("classname").unwrap_or_default();
    let flag = |name: &str| declared.at(&["parameters", name]) == Some(&Value::Bool(true));
    let Some(name) = own(&class) else { return Check::Unknown(class) };
    match name {
        "CheckMissing" => Check::Missing,
        "CheckMonotonic" if flag("require_increasing") || flag("increasing") => Check::Increasing,
        "CheckMonotonic" if flag("require_decreasing") || flag("decreasing") => Check::Decreasing,
        "CheckMonotonic" => Check::Monotonic,
        "CheckGoringNikora2002" => Check::Despike,
        _ => threshold(name, style).map_or(Check::Unknown(class), Check::Threshold),
    }
}

/// `CheckFailMin`, `CheckWarnRangeMax`, `CheckValidDelta`, ….
fn threshold(name: &str, style: Style) -> Option<Threshold> {
    let rest = name.strip_prefix("Check")?;
    let (level, rest) = [("valid", "Valid"), ("fail", "Fail"), ("warn", "Warn")]
        .into_iter()
        .find_map(|(level, word)| rest.strip_prefix(word).map(|rest| (level, rest)))?;
    let (of_range, rest) = rest.strip_prefix("Range").map_or((false, rest), |rest| (true, rest));
    let side = match rest {
        "Min" => Side::Min,
        "Max" => Side::Max,
        "Delta" if !of_range => Side::Delta,
        "Std" if !of_range => Side::Std,
        _ => return None,
    };
    // There was one attribute for both sides before there was one for each.
    let is_side = matches!(side, Side::Min | Side::Max);
    Some(Threshold { level, side, of_range: is_side && (of_range || style == Style::Old) })
}

/// A handler with its parameters.
pub(super) fn handler(declared: &Value) -> Handler {
    let class = declared.text("classname").unwrap_or_default();
    let nothing = Value::Null;
    let parameters = declared.get("parameters").unwrap_or(&nothing);
    match own(&class) {
        Some("RemoveFailedValues") => Handler::Remove { correction: parameters.text("correction") },
        Some("RecordQualityResults") => Handler::Record {
            bit: parameters.get("bit").and_then(Value::as_int),
            assessment: parameters.text("assessment").unwrap_or_default().to_ascii_lowercase(),
            meaning: parameters.text("meaning").unwrap_or_default(),
        },
        Some("SortDatasetByCoordinate") => Handler::Sort {
            ascending: parameters.get("ascending") != Some(&Value::Bool(false)),
            correction: parameters
                .text("correction")
                .unwrap_or_else(|| "Coordinate data was sorted in order to ensure monotonicity.".into()),
        },
        Some("FailPipeline") => {
            Handler::Fail { tolerance: parameters.get("tolerance").and_then(Value::as_number).unwrap_or(0.0) }
        }
        Some("CubicSplineInterp") => Handler::Interpolate,
        _ => Handler::Unknown(class),
    }
}

/// A converter with its keys, which stand beside its class or under `parameters`.
pub(super) fn converter(declared: &Value) -> Converter {
    let class = declared.text("classname").unwrap_or_default();
    let key = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| declared.text(name).or_else(|| declared.at(&["parameters", name])?.as_text()))
    };
    match own(&class) {
        Some("DefaultConverter" | "UnitsConverter") => Converter::Units(key(&["input_units"])),
        Some("StringTimeConverter" | "StringToDatetime") => Converter::Time {
            format: key(&["time_format", "format"]),
            zone: key(&["timezone"]),
            unit: declared.at(&["to_datetime_kwargs", "unit"]).and_then(Value::as_text),
        },
        Some("TimestampTimeConverter") => Converter::Time {
            format: None,
            zone: key(&["timezone"]),
            unit: Some(key(&["unit"]).unwrap_or_else(|| "s".into())),
        },
        _ => Converter::Unknown(class),
    }
}

/// A reader of the current style, `classname` and `parameters`.
pub(super) fn reader(pattern: &str, declared: &Value) -> Reader {
    let class = declared.text("classname").unwrap_or_default();
    let under = |key: &str| declared.at(&["parameters", key]).cloned().unwrap_or(Value::Null);
    let kind = match own(&class) {
        Some("CSVReader") => ReaderKind::Csv(under("read_csv_kwargs")),
        Some("NetCDFReader") => {
            ReaderKind::Netcdf(declared.get("parameters").cloned().unwrap_or(Value::Null))
        }
        Some("ParquetReader") => ReaderKind::Parquet,
        Some("ZipReader" | "TarReader") => {
            let nested = under("readers");
            ReaderKind::Archive(nested.entries().iter().map(|(p, declared)| reader(p, declared)).collect())
        }
        _ => ReaderKind::Unknown(class),
    };
    Reader { pattern: pattern.to_string(), kind }
}

/// An input handler of the 0.2 style.
pub(super) fn input_handler(declared: &Value) -> Reader {
    let class = declared.text("classname").unwrap_or_default();
    let read = declared.at(&["parameters", "read"]).cloned().unwrap_or(Value::Null);
    let kind = match own(&class) {
        Some("CsvHandler") => ReaderKind::Csv(read.get("read_csv").cloned().unwrap_or(read)),
        Some("NetCdfHandler") => ReaderKind::Netcdf(read),
        _ => ReaderKind::Unknown(class),
    };
    Reader { pattern: declared.text("file_pattern").unwrap_or_else(|| ".*".into()), kind }
}
