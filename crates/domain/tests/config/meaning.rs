//! What right configurations mean.

use std::path::Path;
use std::time::Duration;

use lakegate_domain::config::{Report, schema};
use lakegate_domain::exchange::Rule;
use lakegate_domain::export::{FileAttribute, Per, Storage, taken_from_file};
use lakegate_domain::health::Rules;
use lakegate_domain::model::{
    After, Attribute, BatchLimits, Caps, Check, Columns, Csv, Encoding, Evolve, ExpectRows, Format, Header,
    Json, Kind, Mask, Netcdf, OnChange, OnFail, PartitionBy, Ragged, Range, SameBytes, Scalar, TimeUnit,
    Times, Upkeep, WhpExchange,
};
use lakegate_domain::{Dataset, Lake};

use crate::{compiled, dataset};

fn lake(text: &str) -> Lake {
    match compiled(&[("lake.yaml", text)]) {
        Ok(lake) => lake,
        Err(errors) => panic!("{errors}"),
    }
}

fn table_names(dataset: &Dataset) -> Vec<&str> {
    dataset.tables.keys().map(String::as_str).collect()
}

#[test]
fn the_shortest_lake() {
    let lake = lake("lake: My harbour, 2024\n");
    assert_eq!(lake.name, "My harbour, 2024");
    assert_eq!(lake.root, Path::new("/lake"));
    assert_eq!(lake.storage, Path::new("/lake/lake"));
    assert_eq!(lake.timezone, "UTC");
    assert_eq!(lake.memory_bytes, 256 << 20);
    assert_eq!(lake.batch, BatchLimits::default());
    assert_eq!(lake.upkeep, Upkeep::default());
    assert!(lake.teams.is_empty() && lake.datasets.is_empty());
}

#[test]
fn a_lake_with_everything_set() {
    let lake = lake(
        "lake: h\nstorage: ${env:STORE}/x/../y\ntimezone: europe/vienna\nteams: [b, a]\nmemory: 1GiB\n\
         batch: { files: 7, size: 1MB }\nupkeep: { target_file_size: 1GB, compact_at_files: 2, \
         vacuum_after: 12h, checkpoint_every: 9, keep_raw: 90d, keep_runs: 1d, keep_polls: 36h }\n",
    );
    assert_eq!(lake.storage, Path::new("/data/store/y"));
    assert_eq!(lake.timezone, "Europe/Vienna");
    assert_eq!(lake.teams, ["b", "a"]);
    assert_eq!(lake.memory_bytes, 1 << 30);
    assert_eq!(lake.batch, BatchLimits { max_files: 7, max_bytes: 1_000_000 });
    let hours = |n: u64| Duration::from_secs(n * 3600);
    assert_eq!(
        lake.upkeep,
        Upkeep {
            target_file_bytes: 1_000_000_000,
            compact_at_files: 2,
            vacuum_after: hours(12),
            checkpoint_every: 9,
            keep_raw: Some(hours(90 * 24)),
            keep_runs: Some(hours(24)),
            keep_polls: hours(36),
        }
    );
}

#[test]
fn the_shortest_dataset() {
    let d = dataset("team: t\n");
    assert_eq!(d.name.to_string(), "t.d");
    assert_eq!(d.source, Path::new("/lake/datasets/d.yaml"));
    assert_eq!(d.landing, Path::new("/lake/landing/t/d"));
    assert!(d.pattern.is_none() && d.any_table.is_none() && d.description.is_none());
    assert_eq!(d.timezone, "UTC");
    assert_eq!((d.after, d.on_change, d.same_bytes), (After::Keep, OnChange::Replace, SameBytes::Duplicate));
    assert_eq!(d.settle, Duration::from_millis(250));
    for careful in
        ["after: archive", "after: delete", "on_change: append", "on_change: ignore", "provenance: false"]
    {
        assert_eq!(dataset(&format!("team: t\n{careful}\n")).settle, Duration::from_secs(5), "{careful}");
    }
    assert_eq!((d.volume.replacement, d.volume.file), (Some(0.5), None));
    assert!(d.provenance);
    assert_eq!((&d.read.format, &d.read.member, d.read.caps), (&None, &None, Caps::default()));
    assert_eq!(table_names(&d), ["d"]);
    let table = &d.tables["d"];
    assert_eq!(table.evolve, Evolve::Add);
    assert!(table.columns.is_empty() && table.expect.is_empty() && table.from.is_none());
}

#[test]
fn datasets_are_ordered_by_name_and_make_the_teams_where_none_are_given() {
    let lake = compiled(&[
        ("datasets/z.yaml", "team: b\n"),
        ("datasets/x/y.yml", "team: a\n"),
        ("datasets/c.yaml", "team: b\ndataset: a1\n"),
    ])
    .unwrap();
    let names: Vec<_> = lake.datasets.iter().map(|d| d.name.to_string()).collect();
    assert_eq!(names, ["a.y", "b.a1", "b.z"]);
    assert_eq!(lake.teams, ["a", "b"]);
}

#[test]
fn a_dataset_takes_the_zone_of_its_lake() {
    let lake = compiled(&[
        ("lake.yaml", "lake: h\ntimezone: Asia/Tokyo\n"),
        ("datasets/a.yaml", "team: t\n"),
        ("datasets/b.yaml", "team: t\ntimezone: America/New_York\n"),
    ])
    .unwrap();
    let zones: Vec<_> = lake.datasets.iter().map(|d| d.timezone.as_str()).collect();
    assert_eq!(zones, ["Asia/Tokyo", "America/New_York"]);
}

#[test]
fn the_hash_follows_the_text_alone() {
    let hash = |text: &str| dataset(text).config_hash.clone();
    assert_eq!(hash("team: t\n"), hash("team: t\n"));
    assert_ne!(hash("team: t\n"), hash("team: t\nevolve: fixed\n"));
    assert_eq!(hash("team: t\n").len(), 16);
}

#[test]
fn words_that_yaml_takes_for_something_else() {
    let d = dataset(
        "team: t\nvolume_guard: off\nread: { csv: { quote: none, nulls: [null, ~, -999, 0x1F, 1.50, true, ''] } }\n\
         columns: { a: { nulls: null, from: 2024 } }\nexpect:\n  - { column: a, is: present, on_fail: null }\n",
    );
    assert_eq!((d.volume.replacement, d.volume.file), (None, None));
    let Some(Format::Csv(csv)) = &d.read.format else { panic!("{:?}", d.read) };
    assert_eq!(csv.quote, None);
    assert_eq!(csv.nulls, ["null", "~", "-999", "0x1F", "1.50", "true", ""]);
    assert_eq!(d.tables["d"].expect[0].on_fail, OnFail::Null);
    assert_eq!(d.tables["d"].columns[0].nulls, ["null"]);
    assert_eq!(d.tables["d"].columns[0].source(), "2024");
}

#[test]
fn read_by_word_and_by_map() {
    let format = |read: &str| dataset(&format!("team: t\nread: {read}\n")).read.format.clone();
    for (read, want) in [
        ("auto", None),
        ("csv", Some(Format::Csv(Csv::default()))),
        ("{ csv: }", Some(Format::Csv(Csv::default()))),
        ("json", Some(Format::Json(Json::default()))),
        ("{ json: { records: a.b } }", Some(Format::Json(Json { records: "a.b".into() }))),
        ("{ json: { records: '.' } }", Some(Format::Json(Json { records: ".".into() }))),
        ("ndjson", Some(Format::Ndjson)),
        ("{ ndjson: {} }", Some(Format::Ndjson)),
        ("parquet", Some(Format::Parquet)),
        ("arrow", Some(Format::Arrow)),
        ("netcdf", Some(Format::Netcdf(Netcdf::default()))),
        ("zip", None),
        ("{ tar: { ndjson: } }", Some(Format::Ndjson)),
        ("{ caps: { depth: 1 } }", None),
    ] {
        assert_eq!(format(read), want, "{read}");
    }
}

#[test]
fn netcdf_with_everything_set() {
    let d = dataset(
        "team: t\nread:\n  netcdf:\n    dimension: [time, Depth]\n    group: /sensors/ctd/\n    \
         attributes: platform\n    mask: valid_range\n    times: numbers\n\
         tables: { time: {}, levels: { from: Depth } }\n",
    );
    assert_eq!(
        d.read.format,
        Some(Format::Netcdf(Netcdf {
            dimensions: vec!["time".into(), "Depth".into()],
            group: "sensors/ctd".into(),
            attributes: vec!["platform".into()],
            mask: Mask::ValidRange,
            times: Times::Numbers,
        }))
    );
    assert_eq!(d.tables["time"].from.as_deref(), Some("time"));
    assert_eq!(d.tables["levels"].from.as_deref(), Some("Depth"));
    // Nothing said of tables: they are called as the dimensions are.
    let d = dataset("team: t\nread: { zip: { netcdf: { dimension: [time, depth] } } }\n");
    assert_eq!(table_names(&d), ["time", "depth"]);
    let d = dataset("team: t\nread: { netcdf: { dimension: time } }\n");
    assert_eq!(table_names(&d), ["d"]);
    assert_eq!(d.tables["d"].from, None);
}

#[test]
fn csv_with_everything_set() {
    let d = dataset(
        "team: t\nread:\n  csv:\n    delimiter: tab\n    quote: \"'\"\n    header: [a, 1]\n    skip_lines: 2\n    \
         comment: '#'\n    units_row: true\n    end: EOF\n    nulls: NA\n    encoding: ISO-8859-1\n    ragged: fill\n    \
         trim: true\n  caps: { expanded: 1GiB, ratio: 5, entries: 6, depth: 7, record: 1KiB }\n",
    );
    assert_eq!(
        d.read.format,
        Some(Format::Csv(Csv {
            delimiter: Some(b'\t'),
            quote: Some(b'\''),
            header: Header::Names(vec!["a".into(), "1".into()]),
            skip_lines: 2,
            comment: Some("#".into()),
            units_row: true,
            end: Some("EOF".into()),
            nulls: vec!["NA".into()],
            encoding: Some(Encoding::Latin1),
            ragged: Ragged::Fill,
            trim: true,
        }))
    );
    assert_eq!(
        d.read.caps,
        Caps { expanded_bytes: 1 << 30, ratio: 5, entries: 6, depth: 7, record_bytes: 1024 }
    );
}

#[test]
fn header_true_and_false() {
    for (header, want) in [("true", Header::Row), ("false", Header::None)] {
        let d = dataset(&format!("team: t\nread: {{ csv: {{ header: {header} }} }}\n"));
        let Some(Format::Csv(csv)) = &d.read.format else { panic!("{:?}", d.read) };
        assert_eq!(csv.header, want);
    }
}

#[test]
fn an_archive_with_one_stream() {
    let d = dataset("team: t\nread: { zip: { member: '.*\\.met\\.csv', csv: {} } }\ncolumns: { a: int }\n");
    assert_eq!(d.read.member.as_deref(), Some(r".*\.met\.csv"));
    assert_eq!(d.read.format, Some(Format::Csv(Csv::default())));
    assert!(d.read.streams.is_empty());
    assert_eq!(d.tables["d"].from, None);
}

#[test]
fn streams_find_their_tables() {
    let read =
        "team: t\nread: { archive: { members: { met: { member: m, csv: {} }, sea: { member: s } } } }\n";
    let routes = |rest: &str| {
        let d = dataset(&format!("{read}{rest}"));
        assert!(d.any_table.is_none(), "{rest}");
        let pairs: Vec<_> =
            d.tables.iter().map(|(name, t)| format!("{name}<{}", t.from.as_deref().unwrap_or("-"))).collect();
        pairs.join(" ")
    };
    // Nothing is said: a table for each stream.
    assert_eq!(routes(""), "met<met sea<sea");
    // A table takes the stream of its own name, or the one it names.
    assert_eq!(routes("tables: { sea: , wind: { from: met } }\n"), "sea<sea wind<met");
    // One stream may go to several tables.
    assert_eq!(routes("tables: { a: { from: met }, b: { from: met }, sea: }\n"), "a<met b<met sea<sea");
    // The rest.
    assert_eq!(routes("tables: { wind: { from: met }, '*': { evolve: rescue } }\n"), "wind<met sea<sea");
    let d = dataset(&format!("{read}tables: {{ met: , '*': {{ evolve: rescue }} }}\n"));
    assert_eq!((d.tables["met"].evolve, d.tables["sea"].evolve), (Evolve::Add, Evolve::Rescue));
}

#[test]
fn a_single_named_stream_is_the_stream_of_every_table() {
    let d = dataset("team: t\nread: { zip: { members: { m: { member: x } } } }\nevolve: fixed\n");
    assert_eq!(d.tables["d"].from.as_deref(), Some("m"));
    let d = dataset("team: t\nread: { zip: { members: { m: { member: x } } } }\ntables: { a: , b: }\n");
    assert_eq!((d.tables["a"].from.as_deref(), d.tables["b"].from.as_deref()), (Some("m"), Some("m")));
}

#[test]
fn the_group_table_names_tables() {
    let at = "team: t\nmatch: '(?<table>\\w+)\\.csv'\n";
    let d = dataset(at);
    assert!(table_names(&d).is_empty() && d.any_table.is_some());
    // Declared ones only.
    let d = dataset(&format!("{at}tables: {{ a: {{ evolve: fixed }} }}\n"));
    assert!(table_names(&d) == ["a"] && d.any_table.is_none());
    // Declared ones, and any other.
    let d = dataset(&format!("{at}tables: {{ a: , '*': {{ evolve: fixed }} }}\n"));
    assert_eq!(table_names(&d), ["a"]);
    assert_eq!(d.any_table.as_ref().map(|t| t.evolve), Some(Evolve::Fixed));
}

#[test]
fn several_tables_may_take_the_only_stream() {
    let d = dataset("team: t\ntables: { a: { transform: select 1 from input }, b: { description: x } }\n");
    assert_eq!(table_names(&d), ["a", "b"]);
    assert_eq!(d.tables["a"].transform.as_deref(), Some("select 1 from input"));
    assert_eq!(d.tables["b"].description.as_deref(), Some("x"));
    assert!(d.tables.values().all(|t| t.from.is_none()));
}

#[test]
fn columns_with_everything_set() {
    let d = dataset(
        "team: t\ninput: { 'Odd name (x)': float }\ncolumns:\n  plain: text\n  none:\n  money: decimal(10,2)\n  \
         in_braces: { type: 'decimal(5)' }\n  time: { type: datetime, from: T, nulls: [NA, -1], format: unix_ms, \
         timezone: UTC, unit: s, default: '2024-01-01', description: when, standard_name: time, long_name: Time, \
         attributes: { axis: T, level: 2 } }\n  p: { type: double, valid_range: [850, 1100.5], default: 1 }\n",
    );
    assert_eq!(d.input[0].name, "Odd name (x)");
    assert_eq!(d.input[0].kind, Some(Kind::Float));
    let columns = &d.tables["d"].columns;
    let kinds: Vec<_> = columns.iter().map(|c| (c.name.as_str(), c.kind)).collect();
    assert_eq!(
        kinds,
        [
            ("plain", Some(Kind::String)),
            ("none", None),
            ("money", Some(Kind::Decimal(10, 2))),
            ("in_braces", Some(Kind::Decimal(5, 0))),
            ("time", Some(Kind::Timestamp)),
            ("p", Some(Kind::Float)),
        ]
    );
    let time = &columns[4];
    assert_eq!(time.source(), "T");
    assert_eq!(time.nulls, ["NA", "-1"]);
    assert_eq!(time.format.as_deref(), Some("unix_ms"));
    assert_eq!(time.timezone.as_deref(), Some("UTC"));
    assert_eq!((time.unit.as_deref(), time.description.as_deref()), (Some("s"), Some("when")));
    assert_eq!(time.default, Some(Scalar::Text("2024-01-01".into())));
    let attributes: Vec<_> = time.attributes.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
    assert_eq!(
        attributes,
        [
            r#"standard_name=Text("time")"#,
            r#"long_name=Text("Time")"#,
            r#"axis=Text("T")"#,
            "level=Ints([2])"
        ]
    );
    assert_eq!(columns[5].valid_range, Some(Range { min: Some(850.0), max: Some(1100.5) }));
    assert_eq!(columns[5].default, Some(Scalar::Int(1)));
}

#[test]
fn layout() {
    let d = dataset(
        "team: t\ncolumns: { time: timestamp }\npartition_by: [city, day(time), month( _loaded_at )]\nsort_by: time\n",
    );
    let table = &d.tables["d"];
    assert_eq!(
        table.partition_by,
        [
            PartitionBy::Column("city".into()),
            PartitionBy::Time { column: "time".into(), unit: TimeUnit::Day },
            PartitionBy::Time { column: "_loaded_at".into(), unit: TimeUnit::Month },
        ]
    );
    assert_eq!(table.sort_by, ["time"]);
}

#[test]
fn sites_are_values_by_what_the_name_says() {
    let d =
        dataset("team: t\nmatch: 'x(?<site>\\d+)'\nsites: { 05: { lat: 40.97, on: true, n: 3, who: me } }\n");
    let site = &d.sites["05"];
    assert_eq!(site["lat"], Scalar::Float(40.97));
    assert_eq!(site["on"], Scalar::Bool(true));
    assert_eq!(site["n"], Scalar::Int(3));
    assert_eq!(site["who"], Scalar::Text("me".into()));
}

#[test]
fn rows_that_do_not_carry_their_file_are_appended() {
    let d = dataset("team: t\nprovenance: false\n");
    assert_eq!((d.provenance, d.on_change), (false, OnChange::Append));
}

/// `name: check of columns -> on_fail` of each expectation.
fn expectations(text: &str) -> Vec<String> {
    let columns = "columns: { a: { type: float, valid_range: [0, 1] }, b: string }\n";
    let d = dataset(&format!("team: t\n{columns}expect:\n{text}"));
    let shown = |e: &lakegate_domain::model::Expectation| {
        let columns = match &e.columns {
            Columns::None => "-".to_string(),
            Columns::All => "*".into(),
            Columns::Named(list) => list.join("+"),
        };
        let tolerate = e.tolerate.map(|t| format!(" {t}")).unwrap_or_default();
        let nulls = if e.null_fails { " null fails" } else { "" };
        format!("{}: {:?} of {columns} -> {:?}{tolerate}{nulls}", e.name, e.check, e.on_fail)
    };
    d.tables["d"].expect.iter().map(shown).collect()
}

#[test]
fn expectations_of_every_kind() {
    let got = expectations(
        "  - { column: a, is: present }\n  - { columns: [a, b], is: [unique, present], on_fail: drop }\n  \
         - { columns: all, is: in_valid_range, on_fail: flag }\n  - { column: a, in_range: [0, null], tolerate: 5% }\n  \
         - { column: c, in_range: ['2024-01-01', '2025-01-01'] }\n  - { column: b, in_set: [x, 'y'], null_is: fail }\n  \
         - { column: b, matches: '\\d+' }\n  - { unique: [a, b] }\n  - { unique: a }\n  - { rows: [1, null] }\n  \
         - { rows: [0, 9], on_fail: warn }\n  - { sql: a > 0, tolerate: 0.5 }\n  - { sql: a > 1, column: a, on_fail: null }\n",
    );
    assert_eq!(
        got,
        [
            "a_present: Present of a -> Warn",
            "a_b_unique: Unique of a+b -> Drop",
            "a_b_present: Present of a+b -> Drop",
            "all_in_valid_range: InValidRange of * -> Flag",
            "a_in_range: InRange { min: Some(Int(0)), max: None } of a -> Warn 0.05",
            "c_in_range: InRange { min: Some(Text(\"2024-01-01\")), max: Some(Text(\"2025-01-01\")) } of c -> Warn",
            "b_in_set: InSet([Text(\"x\"), Text(\"y\")]) of b -> Warn null fails",
            "b_matches: Matches(\"\\\\d+\") of b -> Warn",
            "a_b_unique_2: Unique of a+b -> Warn",
            "a_unique: Unique of a -> Warn",
            "rows: Rows { min: Some(1), max: None } of - -> Reject",
            "rows_2: Rows { min: Some(0), max: Some(9) } of - -> Warn",
            "sql: Sql(\"a > 0\") of - -> Warn 0.5",
            "a_sql: Sql(\"a > 1\") of a -> Null",
        ]
    );
}

#[test]
fn a_name_given_to_several_words_is_the_beginning_of_each() {
    assert_eq!(
        expectations("  - { column: a, is: [increasing, decreasing], name: x, on_fail: reject }\n"),
        ["x_increasing: Increasing of a -> Reject", "x_decreasing: Decreasing of a -> Reject"]
    );
}

#[test]
fn anchors_are_copied() {
    let d = dataset(
        "team: t\ntables:\n  a: { columns: &c { x: int, y: { type: float, valid_range: [0, 1] } } }\n  b: { columns: *c }\n",
    );
    assert_eq!(d.tables["a"].columns, d.tables["b"].columns);
    assert_eq!(d.tables["b"].columns.len(), 2);
}

#[test]
fn windows_line_ends_and_a_byte_order_mark() {
    let d = dataset("\u{feff}team: t\r\ncolumns:\r\n  a: int\r\n");
    assert_eq!(d.tables["d"].columns[0].kind, Some(Kind::Int));
    let errors = compiled(&[("datasets/d.yaml", "\u{feff}team: t\r\nwrong: 1\r\nafter: x\r\n")]).unwrap_err();
    let places: Vec<_> = errors.items().iter().map(|d| d.position()).collect();
    assert_eq!(places, [Some((2, 1)), Some((3, 8))]);
    assert!(errors.to_string().contains("2 | wrong: 1\n  | ^^^^^\n"), "{errors}");
}

#[test]
fn expressions_in_blocks_may_be_verbose_and_end_in_a_comment() {
    let d = dataset("team: t\nmatch: |\n  (?x) a(?<n>\\d)  # the number\n");
    let pattern = d.pattern.as_ref().unwrap();
    assert_eq!(pattern.groups, ["n"]);
    assert!(pattern.regex.is_match("a1") && !pattern.regex.is_match("a1b"));
    let d = dataset("team: t\nmatch: |\n  a\\d\n");
    assert!(d.pattern.as_ref().unwrap().regex.is_match("a1"));
}

#[test]
fn patterns_are_anchored_around_alternatives() {
    let d = dataset("team: t\nmatch: 'a|b'\n");
    let regex = &d.pattern.as_ref().unwrap().regex;
    assert!(regex.is_match("a") && regex.is_match("b") && !regex.is_match("ab") && !regex.is_match("b\n"));
}

#[test]
fn findings_as_json() {
    let errors = compiled(&[("datasets/a.yaml", "team: t\nevolv: add\n")]).unwrap_err();
    assert_eq!(
        errors.to_json(),
        serde_json::json!([{
            "file": "datasets/a.yaml",
            "line": 2,
            "column": 1,
            "message": "unknown key `evolv`",
            "help": "did you mean `evolve`?",
        }])
    );
}

#[test]
fn findings_by_miette() {
    let errors = compiled(&[("datasets/a.yaml", "team: t\nevolv: add\n")]).unwrap_err();
    let mut out = String::new();
    miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::none())
        .render_report(&mut out, &Report(errors))
        .unwrap();
    for part in ["unknown key `evolv`", "datasets/a.yaml:2:1", "did you mean `evolve`?"] {
        assert_eq!(out.matches(part).count(), 1, "{part} in:\n{out}");
    }
}

#[test]
fn a_file_that_is_cut_anywhere_is_judged_and_shown() {
    let example = include_str!("../../../../docs/dataset.example.yaml");
    let mut wrong = 0;
    for cut in (0..example.len()).step_by(23).filter(|cut| example.is_char_boundary(*cut)) {
        let Err(errors) = compiled(&[("datasets/a.yaml", &example[..cut])]) else { continue };
        wrong += 1;
        assert!(!errors.is_empty());
        for item in errors.items() {
            let (source, span) = item.place.as_ref().expect("every finding of a text has a place");
            assert!(span.start <= source.text.len(), "cut at {cut}: {item}");
            assert!(errors.to_string().contains(&item.message), "cut at {cut}");
        }
    }
    assert!(wrong > 20, "{wrong}");
}

#[test]
fn keys_are_known_to_the_schema_in_their_order() {
    let schema = schema::lake();
    let keys: Vec<_> = schema["properties"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        keys,
        ["lake", "storage", "timezone", "teams", "memory", "batch", "feeds", "notify", "upkeep"]
    );
}

#[test]
fn checks_compare_by_value() {
    let d = dataset("team: t\nexpect:\n  - { column: a, in_set: [1, 1.5, true, x] }\n");
    assert_eq!(
        d.tables["d"].expect[0].check,
        Check::InSet(vec![Scalar::Int(1), Scalar::Float(1.5), Scalar::Bool(true), Scalar::Text("x".into())])
    );
}

#[test]
fn a_feed_brings_its_columns() {
    let streams = |d: &Dataset| match &d.read.format {
        Some(Format::GtfsRt(feed)) => feed.streams.clone(),
        other => panic!("{other:?}"),
    };
    // Nothing said: a table for each stream.
    let d = dataset("team: t\nread: gtfs_rt\n");
    assert_eq!(table_names(&d).len(), 10);
    assert_eq!(streams(&d), table_names(&d));
    let vehicle = &d.tables["vehicle"];
    let column = |name: &str| vehicle.columns.iter().find(|c| c.name == name);
    assert_eq!(column("timestamp").unwrap().kind, Some(Kind::Timestamp));
    assert_eq!(column("latitude").unwrap().unit.as_deref(), Some("degree"));

    // Only what a table takes is read; a column may be declared again.
    let d = dataset(
        "team: t\nread: { gtfs_rt: { names: dotted } }\ntables:\n  buses:\n    from: vehicle\n    columns:\n      \
         bus: { from: vehicle.vehicle.id }\n      vehicle.timestamp: { description: when }\n      agency: string\n",
    );
    assert_eq!(streams(&d), ["vehicle"]);
    let columns = &d.tables["buses"].columns;
    let at = |name: &str| columns.iter().position(|c| c.name == name);
    assert_eq!(columns[at("bus").unwrap()].kind, Some(Kind::String));
    assert_eq!(at("vehicle.vehicle.id"), None);
    let time = &columns[at("vehicle.timestamp").unwrap()];
    assert_eq!((time.kind, time.description.as_deref()), (Some(Kind::Timestamp), Some("when")));
    assert_eq!(at("agency"), Some(columns.len() - 1));

    // Behind a transform the columns are what it selects.
    let d = dataset("team: t\nread: siri_vm\ntransform: select line_ref from input\n");
    assert!(d.tables["d"].columns.is_empty());
    let line = d.input.iter().find(|c| c.name == "recorded_at_time").unwrap();
    assert_eq!(line.kind, Some(Kind::Timestamp));

    let d = dataset("team: t\nread: { siri_vm: { names: bus_observatory } }\n");
    assert!(d.tables["d"].columns.iter().any(|c| c.name == "next_stop_d_along_route"));
    let d = dataset("team: t\nread: { zip: { members: { a: { member: x, nextbus: {} } } } }\n");
    assert!(d.tables["a"].columns.iter().any(|c| c.name == "secs_since_report"));
    // Every stream that no table names.
    let d = dataset("team: t\nread: gtfs_rt\ntables: { v: { from: vehicle }, '*': { evolve: fixed } }\n");
    assert_eq!(table_names(&d).len(), 10);
    assert!(d.tables["alert"].columns.iter().any(|c| c.name == "header_text"));
    assert_eq!(d.tables["alert"].evolve, Evolve::Fixed);
}

#[test]
fn a_published_feed() {
    let feed = dataset("team: t\npublish: { route: r, time: at }\n").publish.clone().unwrap();
    assert_eq!((feed.name.as_str(), feed.table.as_str(), feed.timezone.as_str()), ("d", "d", "UTC"));
    assert_eq!((feed.vehicle, feed.position), (None, None));

    let all = dataset(
        "team: t\ntimezone: UTC\nstale_after: 5m\nexpect_rows: { within: 1h, at_least: 9 }\n\
         tables: { positions: { columns: { r: int, at: timestamp, v: string, lat: float, lon: float } }, other: }\n\
         publish: { name: city, table: positions, timezone: asia/kolkata, route: r, time: at, vehicle: v, \
         latitude: lat, longitude: lon }\n",
    );
    let rows = ExpectRows { within: Duration::from_secs(3600), at_least: 9, at_most: None };
    assert_eq!(all.watch, Rules { stale_after: Some(Duration::from_secs(300)), rows: Some(rows) });
    let feed = all.publish.clone().unwrap();
    assert_eq!(feed.name, "city");
    assert_eq!(feed.table, "positions");
    assert_eq!(feed.timezone, "Asia/Kolkata");
    assert_eq!(feed.vehicle.as_deref(), Some("v"));
    assert_eq!(feed.position, Some(("lat".into(), "lon".into())));
}

#[test]
fn units_and_their_conversions() {
    let d = dataset(
        "team: t\ncolumns:\n  a: { type: float, from_unit: degF, unit: degC }\n  b: { from_unit: '%', unit: 1 }\n  \
         c: { type: float32, from_unit: mbar, unit: hPa }\n  d: { type: 'decimal(9,2)', unit: EUR }\n",
    );
    let columns = &d.tables["d"].columns;
    let made: Vec<_> = columns.iter().map(|c| c.conversion.map(|x| (x.apply(0.0), x.apply(100.0)))).collect();
    assert_eq!(made, [Some((-160.0 / 9.0, 340.0 / 9.0)), Some((0.0, 1.0)), Some((0.0, 100.0)), None]);
    let units: Vec<_> = columns.iter().map(|c| c.unit.as_deref()).collect();
    assert_eq!(units, [Some("degC"), Some("1"), Some("hPa"), Some("EUR")]);
    assert_eq!(columns[1].kind, None);

    let d = dataset(
        "team: t\ninput: { a: { from_unit: km, unit: m } }\ntransform: select a from input\ncolumns: { a: float }\n",
    );
    assert_eq!(d.input[0].kind, Some(Kind::Float));
    assert!(d.input[0].conversion.is_some());
}

#[test]
fn whp_exchange() {
    let of = |text: &str| match &dataset(&format!("team: t\nread: {text}\n")).read.format {
        Some(Format::WhpExchange(options)) => options.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(of("whp_exchange"), WhpExchange::default());
    let options = of("{ whp_exchange: { encoding: latin1, accept: [flag_value, end_data] } }");
    assert_eq!(options.accept, [Rule::FlagValue, Rule::EndData]);
    assert_eq!(options.encoding, Some(Encoding::Latin1));
    assert_eq!(of("{ zip: { whp_exchange: { accept: key_unique } } }").accept, [Rule::KeyUnique]);
    // Every rule that can be accepted has a word here.
    for rule in Rule::ALL {
        let text = format!("team: t\nread: {{ whp_exchange: {{ accept: {} }} }}\n", rule.name());
        assert_eq!(
            compiled(&[("datasets/d.yaml", &text)]).is_ok(),
            rule.can_be_accepted(),
            "{}",
            rule.name()
        );
    }
}

#[test]
fn exports() {
    let d = dataset(
        "team: t
match: '(?<site>.*)\\.csv'
sites: { a: { place: hum } }
columns: { time: timestamp, depth: , speed: { attributes: { levels: [1, 2.5], words: [x, y], n: 4 } } }
export:
  netcdf: '{place}/{stream}.{start:%Y%m%d}.nc'
  per: day
  attributes: { stream: '{site}.b1', version: 3, doi: [a, b] }
  variables:
    depth: { dimensions: depth, type: float, fill: nan }
    lat: { value: 40.9, attributes: { units: degrees_north } }
  except: speed
",
    );
    let table = &d.tables["d"];
    let levels: Vec<_> = table.columns[2].attributes.values().map(ToString::to_string).collect();
    assert_eq!(levels, ["1,2.5", r#"["x","y"]"#, "4"]);
    let export = table.export.as_ref().expect("an export");
    assert_eq!(export.netcdf.to_string(), "{place}/{stream}.{start:%Y%m%d}.nc");
    assert_eq!((export.per, export.except.as_slice()), (Per::Day, &["speed".to_string()][..]));
    assert_eq!(export.attributes["version"], FileAttribute::Value(Attribute::Ints(vec![3])));
    let depth = &export.variables["depth"];
    assert_eq!(
        (depth.dimensions.as_deref(), depth.storage),
        (Some(&["depth".into()][..]), Some(Storage::Float))
    );
    assert!(depth.fill.is_some_and(f64::is_nan));
    assert_eq!(export.variables["lat"].value, Some(Attribute::Floats(vec![40.9])));
    assert_eq!(taken_from_file(export, &["site".into(), "place".into(), "x".into()]), ["place", "site"]);
}

/// What stands behind one another in `docs/instruments.md` and the example.
#[test]
fn levels_inherit_what_the_one_before_declares() {
    let lake = crate::compiled(&[
        ("lake.yaml", "lake: x\n"),
        (
            "datasets/d.yaml",
            "team: t\nmatch: '(?<site>z\\d+).csv'\ntables:\n  c1: { of: b1, grid: { every: 30min }, quality: [ { check: warn_max, columns: v } ] }\n  b1:\n    columns: { at: timestamp, v: { type: float, unit: m/s, fail_range: [0, 60], warn_range: [null, 9] }, n: int, w: { from: W, from_unit: kPa, unit: hPa } }\n    quality: [ { check: fail_max, columns: v } ]\n  d1: { of: b1, columns: { value: { from: v } } }\n",
        ),
    ])
    .unwrap();
    let d = &lake.datasets[0];
    assert_eq!(d.tables.keys().collect::<Vec<_>>(), ["c1", "b1", "d1"]);
    let (c1, d1) = (&d.tables["c1"], &d.tables["d1"]);
    let kinds: Vec<_> = c1.columns.iter().map(|c| (c.name.as_str(), c.kind)).collect();
    let float = Some(Kind::Float);
    // The mean of whole numbers is none, and what was converted is not converted again.
    assert_eq!(kinds, [("at", Some(Kind::Timestamp)), ("v", float), ("n", float), ("w", None)]);
    assert!(c1.columns[3].conversion.is_none() && c1.columns[3].source() == "w");
    assert_eq!(c1.coordinates, ["at"]);
    // The grid's thirteen bits, then its own.
    assert_eq!(c1.flags_of("v").unwrap().masks.last(), Some(&(1 << 13)));
    assert_eq!(c1.flags_of("n").unwrap().masks.len(), 13);
    assert_eq!((c1.flags_of("at"), c1.flags_of("site"), c1.flags_of("v_std")), (None, None, None));
    // Flags go with a column that is renamed.
    assert_eq!(d1.flags_of("value").unwrap().masks, [1]);
    assert_eq!(d1.flags_of("n"), None);
}
