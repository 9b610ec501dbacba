//! `read:` of what pandas and xarray were told.

use super::pipeline::ReaderKind;
use super::value::Value;
use super::write::{flow, list};
use super::{Note, NoteKind};

/// What pandas takes for a missing value without being told, beside the empty
/// field (`pandas.read_csv`, `na_values`).
const PANDAS_NULLS: [&str; 17] = [
    "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A",
    "NA", "NULL", "NaN", "None", "n/a", "nan",
];

/// One format with its keys, as `read:` has them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Format {
    /// `csv`, `netcdf`, `parquet`; empty where files are recognised by their bytes.
    pub word: &'static str,
    /// Keys and their values in YAML.
    pub keys: Vec<(&'static str, String)>,
    /// Spellings of a missing value in one input column.
    pub column_nulls: Vec<(String, Vec<String>)>,
}

impl Format {
    pub fn of(kind: &ReaderKind, notes: &mut Vec<Note>) -> Self {
        match kind {
            ReaderKind::Csv(kwargs) => csv(kwargs, notes),
            ReaderKind::Netcdf(kwargs) => netcdf(kwargs, notes),
            ReaderKind::Parquet => Format { word: "parquet", ..Self::default() },
            // Its members' readers are looked at instead.
            ReaderKind::Archive(_) => Self::default(),
            ReaderKind::Unknown(class) => {
                let text = "files are read by it, and recognised by their bytes here; if they are of no format that \
                            `read:` knows, turn them into CSV before they land";
                notes.push(Note::new(NoteKind::Lost, class, text));
                Self::default()
            }
        }
    }

    /// `csv: { … }`
    pub fn yaml(&self) -> Option<String> {
        let keys: Vec<String> = self.keys.iter().map(|(key, value)| format!("{key}: {value}")).collect();
        match self.word {
            "" => None,
            word if keys.is_empty() => Some(format!("{word}: {{}}")),
            word => Some(format!("{word}: {{ {} }}", keys.join(", "))),
        }
    }
}

fn csv(kwargs: &Value, notes: &mut Vec<Note>) -> Format {
    // Of no consequence here: names decide which columns are taken, columns have
    // declared types, and times are parsed by their own format.
    const IGNORED: [&str; 14] = [
        "index_col",
        "usecols",
        "dtype",
        "parse_dates",
        "date_format",
        "date_parser",
        "infer_datetime_format",
        "engine",
        "low_memory",
        "memory_map",
        "skip_blank_lines",
        "cache_dates",
        "float_precision",
        "keep_date_col",
    ];
    let mut format = Format { word: "csv", ..Format::default() };
    let mut lost = |key: &str, value: &Value, why: &str| {
        let text = format!("`{key}: {}` of `read_csv` {why}", flow(value));
        notes.push(Note::new(NoteKind::Lost, key, text));
    };
    let given = |key: &str| kwargs.get(key).filter(|v| **v != Value::Null);

    if let Some(sep) = given("sep").or(given("delimiter")) {
        match sep.as_text().as_deref() {
            Some("," | "infer") => {}
            Some("\t" | "\\t") => format.keys.push(("delimiter", "tab".into())),
            Some(text) if text.len() == 1 => format.keys.push(("delimiter", flow(sep))),
            _ => lost("sep", sep, "separates by an expression; fields are separated by one character here"),
        }
    }
    if let Some(whitespace) = given("delim_whitespace").filter(|v| **v == Value::Bool(true)) {
        lost(
            "delim_whitespace",
            whitespace,
            "separates by runs of spaces; fields are separated by one character here",
        );
    }
    header(kwargs, &mut format, &mut lost);
    if let Some(quoting) = given("quoting").and_then(Value::as_int)
        && quoting == 3
    {
        format.keys.push(("quote", "none".into()));
    } else if let Some(quote) = given("quotechar") {
        format.keys.push(("quote", flow(quote)));
    }
    if let Some(comment) = given("comment") {
        format.keys.push(("comment", flow(comment)));
    }
    nulls(kwargs, &mut format);
    if let Some(encoding) = given("encoding").and_then(Value::as_text) {
        match encoding.to_ascii_lowercase().replace('_', "-").as_str() {
            "utf-8" | "utf8" | "utf-8-sig" | "ascii" => {}
            "utf-16" | "utf-16le" | "utf-16-le" => format.keys.push(("encoding", "utf-16le".into())),
            "utf-16be" | "utf-16-be" => format.keys.push(("encoding", "utf-16be".into())),
            "latin-1" | "latin1" | "iso-8859-1" | "iso8859-1" | "cp1252" | "windows-1252" => {
                format.keys.push(("encoding", "latin-1".into()));
            }
            _ => lost("encoding", &Value::Text(encoding), "is an encoding that is not read here"),
        }
    }
    // pandas takes rows that are too short.
    format.keys.push(("ragged", "fill".into()));
    if given("skipinitialspace") == Some(&Value::Bool(true)) {
        format.keys.push(("trim", "true".into()));
    }
    const DONE: [&str; 15] = [
        "sep",
        "delimiter",
        "delim_whitespace",
        "header",
        "names",
        "skiprows",
        "quoting",
        "quotechar",
        "comment",
        "na_values",
        "keep_default_na",
        "na_filter",
        "encoding",
        "encoding_errors",
        "skipinitialspace",
    ];
    for (key, value) in kwargs.entries() {
        if !DONE.contains(&key.as_str()) && !IGNORED.contains(&key.as_str()) {
            lost(key, value, "has no equivalent");
        }
    }
    format
}

/// Which line names the columns, and what is above it.
fn header(kwargs: &Value, format: &mut Format, lost: &mut impl FnMut(&str, &Value, &str)) {
    let names = kwargs.get("names").filter(|v| matches!(v, Value::List(_)));
    let header = kwargs.get("header");
    // Lines above the header, or the data where there is none.
    let mut skip = 0;
    let mut has_header = names.is_none();
    match header {
        None => {}
        Some(Value::Null) => has_header = false,
        Some(Value::Int(line)) => {
            skip = *line;
            has_header = true;
        }
        Some(other) if other.as_text().as_deref() == Some("infer") => {}
        Some(other) => lost("header", other, "makes names of several lines; one line names columns here"),
    }
    let mut units_row = false;
    match kwargs.get("skiprows") {
        None | Some(Value::Null) => {}
        Some(Value::Int(n)) => skip += n,
        Some(rows @ Value::List(_)) => {
            let mut rows: Vec<i64> = rows.items().into_iter().filter_map(Value::as_int).collect();
            rows.sort_unstable();
            let above = rows.iter().enumerate().take_while(|(n, row)| *n as i64 == **row).count();
            let rest = &rows[above..];
            let line = above as i64 + skip;
            match rest {
                [] => skip += above as i64,
                // The line behind the header: units, mostly.
                [row] if has_header && *row == line + 1 => {
                    skip += above as i64;
                    units_row = true;
                }
                _ => lost(
                    "skiprows",
                    kwargs.get("skiprows").unwrap_or(&Value::Null),
                    "leaves out lines in between",
                ),
            }
        }
        Some(other) => lost("skiprows", other, "has no equivalent"),
    }
    // Names that are given take the place of the line that has them.
    let replaced = i64::from(names.is_some() && has_header) + i64::from(names.is_some() && units_row);
    if skip + replaced > 0 {
        format.keys.push(("skip_lines", (skip + replaced).to_string()));
    }
    match names {
        Some(names) => format.keys.push(("header", list(&names.texts()))),
        None if !has_header => {
            let why =
                "leaves columns without names; they are `column_1`, `column_2`, … here: give `header: [ … ]`";
            lost("header", &Value::Null, why);
            format.keys.push(("header", "false".into()));
        }
        None => {}
    }
    if units_row && names.is_none() {
        format.keys.push(("units_row", "true".into()));
    }
}

fn nulls(kwargs: &Value, format: &mut Format) {
    if kwargs.get("na_filter") == Some(&Value::Bool(false)) {
        return;
    }
    let mut all: Vec<String> = Vec::new();
    match kwargs.get("na_values") {
        Some(Value::Map(columns)) => {
            format.column_nulls =
                columns.iter().map(|(name, values)| (name.clone(), values.texts())).collect();
        }
        Some(values) => all = values.texts(),
        None => {}
    }
    if kwargs.get("keep_default_na") != Some(&Value::Bool(false)) {
        all.extend(PANDAS_NULLS.map(str::to_string));
        all.push("null".into());
    }
    if !all.is_empty() {
        format.keys.push(("nulls", list(&all)));
    }
}

fn netcdf(kwargs: &Value, notes: &mut Vec<Note>) -> Format {
    const IGNORED: [&str; 6] =
        ["engine", "chunks", "cache", "drop_variables", "concat_characters", "decode_coords"];
    let mut format = Format { word: "netcdf", keys: vec![("dimension", "time".into())], ..Format::default() };
    for (key, value) in kwargs.entries() {
        match (key.as_str(), value) {
            ("group", Value::Text(_)) => format.keys.push(("group", flow(value))),
            ("mask_and_scale", Value::Bool(false)) => format.keys.push(("mask", "none".into())),
            ("decode_times", Value::Bool(false)) => format.keys.push(("times", "numbers".into())),
            ("mask_and_scale" | "decode_times" | "decode_cf", Value::Bool(true)) => {}
            (key, _) if IGNORED.contains(&key) => {}
            (key, value) => {
                let text = format!("`{key}: {}` of `open_dataset` has no equivalent", flow(value));
                notes.push(Note::new(NoteKind::Lost, key, text));
            }
        }
    }
    format
}

#[cfg(test)]
mod tests {
    use super::super::value::parse;
    use super::*;

    fn read(kwargs: &str) -> (String, Vec<Note>) {
        let mut notes = Vec::new();
        // What pandas takes for missing by itself is long.
        let kwargs = parse("k", &format!("keep_default_na: false\n{kwargs}")).unwrap();
        let format = Format::of(&ReaderKind::Csv(kwargs), &mut notes);
        (format.yaml().unwrap(), notes)
    }

    #[test]
    fn keyword_arguments_of_read_csv() {
        for (kwargs, want) in [
            ("", "csv: { ragged: fill }"),
            ("sep: ';'\nindex_col: false", "csv: { delimiter: ';', ragged: fill }"),
            ("sep: '\\t'\nheader: 2", "csv: { delimiter: tab, skip_lines: 2, ragged: fill }"),
            ("sep: \"\\t\"\nskiprows: 4\nheader: 1", "csv: { delimiter: tab, skip_lines: 5, ragged: fill }"),
            ("skiprows: [0, 1, 3]", "csv: { skip_lines: 2, units_row: true, ragged: fill }"),
            ("skiprows: [0, 2, 3]", "csv: { ragged: fill }"),
            ("names: [a, 'b c']", "csv: { header: [a, 'b c'], ragged: fill }"),
            ("names: [a]\nheader: 0", "csv: { skip_lines: 1, header: [a], ragged: fill }"),
            ("names: [a]\nheader: ~\nskiprows: 3", "csv: { skip_lines: 3, header: [a], ragged: fill }"),
            ("comment: '#'\nencoding: ISO-8859-1", "csv: { comment: '#', encoding: latin-1, ragged: fill }"),
            ("na_values: [-999, NaN]", "csv: { nulls: ['-999', NaN], ragged: fill }"),
            ("quoting: 3\nskipinitialspace: true", "csv: { quote: none, ragged: fill, trim: true }"),
        ] {
            assert_eq!(read(kwargs).0, want, "{kwargs}");
        }
    }

    #[test]
    fn what_read_csv_does_and_nothing_here_is_listed() {
        for (kwargs, about) in [
            ("sep: '\\s+'", "sep"),
            ("delim_whitespace: true", "delim_whitespace"),
            ("header: [0, 1]", "header"),
            ("skiprows: [0, 2, 3]", "skiprows"),
            ("skipfooter: 1", "skipfooter"),
            ("thousands: ','", "thousands"),
            ("encoding: shift_jis", "encoding"),
        ] {
            let (_, notes) = read(kwargs);
            assert_eq!(notes.len(), 1, "{kwargs}: {notes:?}");
            assert_eq!((notes[0].kind, notes[0].about.as_str()), (NoteKind::Lost, about));
        }
        assert!(read("usecols: [a]\ndtype: { a: str }").1.is_empty());
    }

    #[test]
    fn missing_values_of_one_column() {
        let mut notes = Vec::new();
        let kwargs = parse("k", "na_values: { a: [-1, x] }").unwrap();
        let format = Format::of(&ReaderKind::Csv(kwargs), &mut notes);
        assert_eq!(format.column_nulls, [("a".to_string(), vec!["-1".to_string(), "x".to_string()])]);
    }
}
