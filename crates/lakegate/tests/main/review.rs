//! `lakegate review`: what files hold, what is wrong with them, and the census of
//! their parameters, on the command line, in SQL and on pages.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::http::Served;
use crate::lake::{DONE, FINDINGS, Ran, TestLake, USAGE, zip};

const BOTTLE: &str = "\
BOTTLE,20240101SIOCCHXYZ
EXPOCODE,STNNBR,CASTNO,SAMPNO,DATE,TIME,LATITUDE,LONGITUDE,CTDPRS,OXYGEN,OXYGEN_FLAG_W,KRILL
,,,,,,,,DBAR,UMOL/KG,,1/M3
33RR20240101,1,1,1,20240229,0557,-33.2,28.1,9.2,211.4,2,4
33RR20240101,1,1,2,20240229,0557,-33.2,28.1,99.2,-999.0,9,-999
END_DATA
";

const CTD: &str = "\
CTD,20240101SIOCCHXYZ
NUMBER_HEADERS = 7
EXPOCODE = 74EQ20240101
STNNBR = 1
CASTNO = 1
DATE = 20240101
LATITUDE = 26.4
LONGITUDE = -78.6
CTDPRS,CTDTMP,CTDTMP_FLAG_W
DBAR,ITS-90,
1.0,26.9,2
3.0,-999.0,9
END_DATA
";

/// Runs `lakegate` in a folder that is no lake.
fn without_lake(folder: &Path, args: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lakegate"));
    command.args(args).current_dir(folder).env_remove("LAKEGATE_LAKE").env("NO_COLOR", "1");
    let output = command.output().unwrap();
    Ran {
        command: args.join(" "),
        code: output.status.code(),
        signal: None,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The values of some keys of JSON rows, joined by `|`.
fn lines(rows: &Value, keys: &[&str]) -> Vec<String> {
    let text = |v: &Value| match v {
        Value::Null => String::new(),
        Value::String(s) => s.clone(),
        other => other.to_string(),
    };
    let of = |row: &Value| keys.iter().map(|k| text(&row[*k])).collect::<Vec<_>>().join("|");
    rows.as_array().unwrap().iter().map(of).collect()
}

fn json(ran: Ran, code: i32, keys: &[&str]) -> Vec<String> {
    lines(&ran.is(code).json(), keys)
}

/// A plain count of WHP-Exchange documents, as `tests/exchange/count.py` does it:
/// rows, and by parameter and unit the rows and the values.
#[derive(Default)]
struct Counted {
    n_documents: usize,
    n_rows: u64,
    parameters: BTreeMap<(String, String), (u64, u64)>,
}

impl Counted {
    fn add(&mut self, text: &str) {
        self.n_documents += 1;
        let is_value = |f: &str| !f.is_empty() && f.parse::<f64>().map_or(true, |v| v != -999.0);
        let mut lines = text.lines();
        let is_ctd = lines.next().unwrap().starts_with("CTD,");
        let mut lines = lines.filter(|l| !l.starts_with('#'));
        let mut header = Vec::new();
        if is_ctd {
            let n: usize = lines.next().unwrap().split_once('=').unwrap().1.trim().parse().unwrap();
            for _ in 1..n {
                let (key, value) = lines.next().unwrap().split_once('=').unwrap();
                header.push((key.trim(), value.trim()));
            }
        }
        let cut = |line: &str| line.split(',').map(|f| f.trim().to_string()).collect::<Vec<_>>();
        let (names, units) = (cut(lines.next().unwrap()), cut(lines.next().unwrap()));
        for line in lines.take_while(|l| l.trim() != "END_DATA").filter(|l| !l.trim().is_empty()) {
            self.n_rows += 1;
            let fields = cut(line);
            let of_header = header.iter().map(|(k, v)| ((k.to_string(), String::new()), v.to_string()));
            let of_row = names.iter().cloned().zip(units.iter().cloned()).zip(fields);
            for ((name, unit), field) in of_header.chain(of_row).filter(|((n, _), _)| !n.ends_with("_FLAG_W"))
            {
                let found = self.parameters.entry((name, unit)).or_default();
                found.0 += 1;
                found.1 += u64::from(is_value(&field));
            }
        }
    }

    /// As the census has it, in one file.
    fn census(&self) -> BTreeSet<String> {
        let of = |((name, unit), (rows, values)): (&(String, String), &(u64, u64))| {
            format!("{name}|{unit}|1|{rows}|{values}")
        };
        self.parameters.iter().map(of).collect()
    }

    fn n_values(&self) -> u64 {
        self.parameters.values().map(|(_, values)| values).sum()
    }
}

const CENSUS: [&str; 5] = ["parameter", "unit", "n_files", "n_rows", "n_values"];

fn test_data() -> Option<PathBuf> {
    let found = std::env::var_os("LAKEGATE_TEST_DATA").map(PathBuf::from);
    if found.is_none() {
        println!("skipped: LAKEGATE_TEST_DATA is not set");
    }
    found.map(
        |f| if f.is_absolute() { f } else { Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(f) },
    )
}

/// What the census of a landed file is, and its row of the review.
fn check_counts(dataset: &str, path: &Path, counted: &Counted) -> TestLake {
    let lake = TestLake::with(dataset, "");
    let name = path.file_name().unwrap().to_str().unwrap();
    lake.land(&format!("landing/ops/{dataset}/{name}"), fs::read(path).unwrap());
    lake.run();
    let census = "select parameter, unit, n_files, n_rows, n_values from system.census";
    assert_eq!(lake.lines(census).into_iter().collect::<BTreeSet<_>>(), counted.census());
    let files = lake.lakegate(&["review", &format!("ops.{dataset}"), "--json"]);
    let keys = ["kind", "state", "n_documents", "n_rows", "n_parameters", "n_errors", "n_warnings"];
    let (n_documents, n_parameters) = (counted.n_documents, counted.parameters.len());
    let want = format!("whp_exchange|committed|{n_documents}|{}|{n_parameters}|0|0", counted.n_rows);
    assert_eq!(json(files, DONE, &keys), [want]);
    // Flags are values too, but no parameters.
    assert!(lake.value("select n_values from system.review").as_u64().unwrap() > counted.n_values());
    // Statistics are those of the table.
    assert_eq!(
        lake.lines("select \"min\", \"max\", n_values from system.file_columns where parameter = 'CTDPRS'"),
        lake.lines(&format!("select min(ctdprs), max(ctdprs), count(ctdprs) from {dataset}"))
    );
    lake
}

/// What Python counts of a parameter: tests/exchange/count.py.
fn python(counted: &Counted, parameter: &str, unit: &str) -> (u64, u64) {
    counted.parameters[&(parameter.into(), unit.into())]
}

const UNKNOWN: &str =
    "select parameter || ' ' || coalesce(unit, '') from system.census where is_known = false order by 1";

#[test]
fn a_real_bottle_file_is_counted_as_it_is() {
    let Some(data) = test_data() else { return };
    let path = data.join("exchange/33RR20160208_hy1.csv");
    let mut counted = Counted::default();
    counted.add(&fs::read_to_string(&path).unwrap());
    assert_eq!((counted.n_documents, counted.n_rows), (1, 2738));
    assert_eq!(python(&counted, "SALNTY", "PSS-78"), (2738, 2719));
    assert_eq!(python(&counted, "DELC14", "/MILLE"), (2738, 500));
    // Where it lies, without a lake.
    let folder = tempfile::tempdir().unwrap();
    let found = without_lake(folder.path(), &["review", path.to_str().unwrap(), "--census", "--json"]);
    assert_eq!(json(found, DONE, &CENSUS).into_iter().collect::<BTreeSet<_>>(), counted.census());

    let lake = check_counts("samples", &path, &counted);
    let unlisted = ["AP ", "CDOMSL 1/M", "CDOMSN 1/M", "DOM UMOL/KG", "HPLC ", "TON "];
    assert_eq!(lake.lines(UNKNOWN), unlisted);
    assert_eq!(lake.value("select count(*) from system.problems where severity = 'note'"), 6);
}

#[test]
fn a_real_zip_of_casts_is_counted_as_it_is() {
    let Some(data) = test_data() else { return };
    let path = data.join("exchange/a05_74EQ20151206_ct1.zip");
    let mut counted = Counted::default();
    let mut archive = ::zip::ZipArchive::new(fs::File::open(&path).unwrap()).unwrap();
    for i in 0..archive.len() {
        let mut text = String::new();
        archive.by_index(i).unwrap().read_to_string(&mut text).unwrap();
        counted.add(&text);
    }
    assert_eq!((counted.n_documents, counted.n_rows), (145, 292_050));
    assert_eq!(python(&counted, "CTDTMP", "ITS-90"), (292_050, 292_049));
    // Times of day as `0557` do not fit the numbers that others are; they count.
    assert_eq!(python(&counted, "TIME", ""), (292_050, 292_050));
    let lake = check_counts("casts", &path, &counted);
    assert_eq!(lake.lines(UNKNOWN), [""; 0]);
}

/// A broken file for each rule that can be provoked in a bottle file, and what is
/// said of it: the rule and the line.
fn broken() -> Vec<(&'static str, u64, Vec<u8>)> {
    let with = |from: &str, to: &str| {
        let text = BOTTLE.replacen(from, to, 1);
        assert_ne!(text, BOTTLE, "{from}");
        text.into_bytes()
    };
    let of_ctd = |from: &str, to: &str| CTD.replacen(from, to, 1).into_bytes();
    vec![
        (
            "utf8",
            4,
            BOTTLE.replacen("33RR", "33R\u{1}", 1).bytes().map(|b| if b == 1 { 0xE6 } else { b }).collect(),
        ),
        ("byte_order_mark", 1, with("BOTTLE", "\u{feff}BOTTLE")),
        ("line_endings", 1, BOTTLE.replace('\n', "\r\n").into_bytes()),
        ("header", 2, of_ctd("NUMBER_HEADERS", "HEADERS")),
        ("end_data", 5, with("END_DATA\n", "")),
        ("unit_count", 3, with("UMOL/KG,,1/M3", "UMOL/KG")),
        ("unique_parameters", 2, with("KRILL", "CTDPRS")),
        ("flag_parameter", 2, with("OXYGEN_FLAG_W", "SALNTY_FLAG_W")),
        ("error_parameter", 2, with("KRILL\n", "C14ERR\n")),
        ("flag_allowed", 2, with("KRILL\n", "DATE_FLAG_W\n")),
        ("flag_unit", 2, with("UMOL/KG,,", "UMOL/KG,X,")),
        ("field_count", 4, with("211.4,2,4", "211.4,2")),
        ("flag_value", 4, with("211.4,2", "211.4,9")),
        ("key_present", 2, with("EXPOCODE", "WHO")),
        ("key_unique", 5, with("1,1,2,2024", "1,1,1,2024")),
        ("coordinates_present", 4, with("-33.2", "-999")),
        ("coordinates_constant", 5, with("28.1,99.2", "28.2,99.2")),
    ]
}

#[test]
fn every_rule_that_a_file_breaks_is_told_landed_or_not() {
    let lake = TestLake::with("samples", "read: whp_exchange\n");
    let broken = broken();
    for (rule, _, bytes) in &broken {
        lake.land(&format!("landing/ops/samples/{rule}.csv"), bytes);
    }
    // Four at once.
    let many = BOTTLE
        .replace("211.4,2", "-999,2")
        .replace("99.2,-999.0,9", "99.2,7.5,9")
        .replace("1,1,2,2024", "1,1,1,2024")
        .replace("END_DATA\n", "");
    lake.land("landing/ops/samples/zz_many.csv", &many);
    lake.land("landing/ops/samples/zz_stamp.csv", "BOTLE,20240101\n");
    let statement = "select path, severity, code, rule, line from system.problems where severity = 'error' \
                     order by path, line, rule";
    // Before anything has landed: read as `plan` reads.
    let before = lake.files_below("");
    let keys = ["path", "severity", "code", "rule", "line"];
    let planned = lake.lakegate(&["review", "landing", "--problems", "--json"]).is(FINDINGS).json();
    assert_eq!(lake.files_below(""), before, "nothing is written");
    lake.run_with_findings();
    let landed = lake.lines(statement);
    let mut planned: Vec<String> = lines(&planned, &keys)
        .into_iter()
        .filter(|l| l.contains("|error|"))
        .map(|l| l.rsplit_once("samples/").unwrap().1.to_string())
        .collect();
    planned.sort();
    let mut sorted = landed.clone();
    sorted.sort();
    assert_eq!(planned, sorted);

    for (rule, line, _) in &broken {
        let code = if *rule == "utf8" { "LG102" } else { "LG101" };
        let want = format!("{rule}.csv|error|{code}|{rule}|{line}");
        assert!(landed.contains(&want), "{want} is not in {landed:#?}");
    }
    let of = |name: &str| -> Vec<&str> {
        landed.iter().filter_map(|l| l.strip_prefix(name)?.strip_prefix("|error|LG101|")).collect()
    };
    assert_eq!(of("zz_many.csv"), ["flag_value|4", "end_data|5", "flag_value|5", "key_unique|5"]);
    assert_eq!(of("zz_stamp.csv"), ["stamp|1"]);
    // What such files hold is known all the same, but for those without rows.
    let kinds = lake.lines("select distinct kind from system.review");
    assert_eq!(kinds, ["whp_exchange"]);
    let known = "select n_rows, n_values from system.file_columns where path = 'zz_many.csv' and parameter = 'OXYGEN'";
    assert_eq!(lake.lines(known), ["2|1"]);
    // A census of files that were refused, and nothing but those.
    assert!(
        lake.value("select n_files from system.census where parameter = 'CTDPRS' and unit = 'DBAR'")
            .as_u64()
            .unwrap()
            > 10
    );
}

#[test]
fn accepted_rules_expectations_and_unknown_parameters_are_told_of_rows_that_are_there() {
    let lake = TestLake::with(
        "samples",
        "read: { whp_exchange: { accept: [flag_value, end_data] } }\n\
         columns: { oxygen: { type: float, from: OXYGEN, unit: umol/kg } }\n\
         expect: [ { column: oxygen, in_range: [0, 100], on_fail: warn, name: little_oxygen } ]\n",
    );
    lake.land("landing/ops/samples/a.csv", BOTTLE.replace("9,-999\n", "2,-999\n").replace("END_DATA\n", ""));
    lake.run();
    let problems =
        "select severity, code, rule, line, n, message from system.problems order by severity, rule";
    assert_eq!(
        lake.lines(problems),
        [
            "note||parameters|2|1|`KRILL` in `1/M3` is not known",
            "warning||end_data|5|1|the file ends without `END_DATA`",
            "warning||flag_value|5|1|`OXYGEN_FLAG_W` is 2, and `OXYGEN` has no value",
            "warning||little_oxygen||1|1 of 2 rows fail (warn), first row 1: oxygen = 211.4",
        ]
    );
    lake.lakegate(&["review"]).is(FINDINGS);
    // A parameter that nobody lists is no finding.
    let quiet = TestLake::with("samples", "");
    quiet.land("landing/ops/samples/a.csv", BOTTLE);
    quiet.run();
    quiet.lakegate(&["review"]).is(DONE);
    let table = quiet.lakegate(&["review", "ops.samples", "--format", "table"]).is(DONE);
    for part in ["a.csv", "whp_exchange", "1 file: 1 whp_exchange", "0 errors, 0 warnings, 1 note"] {
        assert!(table.stdout.contains(part), "{part}: {table}");
    }
}

#[test]
fn what_fails_and_what_goes_nowhere_is_in_the_log_of_failures() {
    let lake = TestLake::with("any", "");
    lake.dataset("strict", "match: 's_.*\\.csv'\nread: csv\ncolumns: { id: int }\nevolve: fixed\n");
    let long = zip(&[("a.csv", b"id\n1\n"), ("b.csv", b"id\n2\n")]);
    let files: [(&str, &[u8]); 9] = [
        ("any/good.csv", b"id,v\n1,x\n2,\n"),
        ("any/good.ndjson", b"{\"id\":3,\"v\":null}\n{\"id\":4}\n"),
        ("any/unknown.bin", b"\x00\x01\x02\x03"),
        ("any/page.html", b"<html><body>x</body></html>"),
        ("any/empty.csv", b""),
        ("any/header.csv", b"id,v\n"),
        ("any/cut.zip", &long[..long.len() - 30]),
        ("strict/s_1.csv", b"id\nx\n"),
        ("strict/other.txt", b"hello"),
    ];
    for (name, bytes) in files {
        lake.land(&format!("landing/ops/{name}"), bytes);
    }
    lake.run_with_findings();
    let all = "select path, state, kind, code, n_rows, n_errors from system.review order by path";
    assert_eq!(
        lake.lines(all),
        [
            "cut.zip|parked||LG103|0|1",
            "empty.csv|parked|unknown|LG107|0|1",
            "good.csv|committed|csv||2|0",
            "good.ndjson|committed|ndjson||2|0",
            "header.csv|parked|csv|LG107|0|1",
            "other.txt|stray||unmatched||1",
            "page.html|parked|unknown|LG111|0|1",
            "s_1.csv|parked|csv|LG302|0|1",
            "unknown.bin|parked|unknown|LG111|0|1",
        ]
    );
    // A dataset's review has the strays of its folder.
    let of =
        |dataset: &str| json(lake.lakegate(&["review", dataset, "--json"]), FINDINGS, &["path", "state"]);
    assert_eq!(of("ops.strict"), ["other.txt|stray", "s_1.csv|parked"]);
    // The same files where they lie, whatever the ledger says.
    let keys = ["path", "state", "kind", "code", "n_errors"];
    let paths = json(lake.lakegate(&["review", "landing/ops/strict", "--json"]), FINDINGS, &keys);
    let below: Vec<&str> = paths.iter().map(|l| l.rsplit_once('/').unwrap().1).collect();
    assert_eq!(below, ["other.txt|stray|csv|LG107|2", "s_1.csv|failed|csv|LG302|1"]);

    // A new kind of file needs a dataset file and nothing else.
    lake.dataset(
        "notes",
        "match: 'other\\.txt'\nlanding: landing/ops/strict\nread: { csv: { header: [word] } }\n",
    );
    let read = json(
        lake.lakegate(&["review", "landing/ops/strict/other.txt", "--json"]),
        DONE,
        &["dataset", "n_rows"],
    );
    assert_eq!(read, ["ops.notes|1"]);
    lake.run();
    assert_eq!(lake.value("select state from system.review where path = 'other.txt'"), "committed");

    // Mended and sent again it is another file to the ledger.
    lake.dataset("strict", "match: 's_.*\\.csv'\nread: csv\ncolumns: { id: string }\n");
    lake.lakegate(&["redrive", "--code", "LG302"]).is(DONE);
    lake.run();
    let mended = "select state, kind, n_rows, n_errors, code from system.review where path = 's_1.csv'";
    assert_eq!(lake.lines(mended), ["committed|csv|1|0|"]);
    lake.prove();
}

#[test]
fn units_are_the_files_or_those_that_the_dataset_says() {
    let lake = TestLake::with(
        "met",
        "match: '(?<buoy>[a-z]+)_.*'\nread: { csv: { units_row: true } }\n\
         columns: { air: { type: float, from: AirT, unit: degC, from_unit: degF }, wind: { type: float, unit: m s-1 } }\n",
    );
    lake.dataset("log", "read: csv\ntransform: select cast(a as double) * 2 as b from input\n");
    lake.land("landing/ops/met/x_1.csv", "AirT,wind,p\n,,mbar\n50,1,1000\n,2,\n");
    lake.land("landing/ops/met/x_2.csv", "AirT,wind,p\nK,,hPa\n50,,1000\n");
    lake.land("landing/ops/log/a.csv", "a,c\n1,\n2,z\n");
    lake.run();
    let columns = "select path, parameter, unit, column_name, n_rows, n_values, \"max\" from system.file_columns \
                   order by path, parameter";
    assert_eq!(
        lake.lines(columns),
        [
            "a.csv|a|||2|2|",
            "a.csv|c|||2|1|",
            "x_1.csv|AirT|degF|air|2|1|10.0",
            "x_1.csv|p|mbar|p|2|1|1000",
            "x_1.csv|wind|m s-1|wind|2|2|2.0",
            "x_2.csv|AirT|K|air|1|1|10.0",
            "x_2.csv|p|hPa|p|1|1|1000",
            "x_2.csv|wind|m s-1|wind|1|0|",
        ]
    );
    // What comes from the file's name is no column of the file; a census keeps
    // units apart.
    let census = "select parameter, unit, n_files, n_values from system.census where dataset = 'ops.met'";
    assert_eq!(
        lake.lines(census),
        ["AirT|K|1|1", "AirT|degF|1|1", "p|hPa|1|1", "p|mbar|1|1", "wind|m s-1|2|2"]
    );
    // Bytes that came twice count once.
    lake.land("landing/ops/met/y_9.csv", "AirT,wind,p\nK,,hPa\n50,,1000\n");
    lake.run();
    assert_eq!(lake.lines(census).len(), 5);
    assert_eq!(lake.lines(census)[4], "wind|m s-1|2|2");
    let twice = "select state, kind, n_rows from system.review where path = 'y_9.csv'";
    assert_eq!(lake.lines(twice), ["duplicate|csv|1"]);
    // What was replaced is gone.
    lake.land("landing/ops/met/x_2.csv", "AirT\nK\n51\n");
    lake.run();
    assert_eq!(lake.lines(census)[3], "p|mbar|1|1");
}

#[test]
fn files_wait_for_their_turn_and_none_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..60 {
        let text = if i % 7 == 0 { CTD.replace("3.0,-999.0,9", "3.0,-999.0,2") } else { CTD.to_string() };
        fs::write(folder.path().join(format!("{i:02}_ct1.csv")), text).unwrap();
    }
    let of = |n: &str| {
        without_lake(folder.path(), &["review", ".", "--at-once", n, "--format", "csv", "--quiet"])
            .is(FINDINGS)
            .stdout
    };
    let one = of("1");
    assert_eq!(one.lines().count(), 61);
    assert_eq!(one.matches(",failed,").count(), 9);
    for n in ["2", "7", "500"] {
        assert_eq!(of(n), one, "{n} at once");
    }
    // Faulty ones count, too: their parameters are known.
    let census = without_lake(folder.path(), &["review", ".", "--census", "--json"]);
    let census = json(census, FINDINGS, &CENSUS);
    assert!(census.contains(&"CTDTMP|ITS-90|60|120|60".to_string()), "{census:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 60, "nothing is written");
}

#[test]
fn results_in_every_form() {
    let lake = TestLake::with("samples", "");
    lake.land("landing/ops/samples/a,b.csv", BOTTLE);
    lake.land("landing/ops/samples/c.bin", b"\0\0");
    lake.run_with_findings();
    for (args, keys) in [
        (vec![], "path,state,kind"),
        (vec!["--problems"], "severity,code,rule"),
        (vec!["--columns"], "parameter,unit,n_values"),
        (vec!["--census"], "parameter,unit,n_files"),
    ] {
        let ask = |more: &[&str]| {
            let all: Vec<&str> = ["review", "ops.samples"].iter().chain(&args).chain(more).copied().collect();
            lake.lakegate(&all).is(FINDINGS).stdout
        };
        let csv = ask(&["--format", "csv"]);
        let header = csv.lines().next().unwrap();
        assert!(keys.split(',').all(|k| header.split(',').any(|h| h == k)), "{header}");
        assert_eq!(ask(&[]), csv, "csv where nobody looks");
        let rows: Vec<Value> = serde_json::from_str(&ask(&["--format", "json"])).unwrap();
        let lines: Vec<Value> =
            ask(&["--format", "ndjson"]).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(rows, lines);
        assert_eq!(csv.lines().count(), rows.len() + 1);
        for name in ["out.csv", "out.json", "out.parquet"] {
            ask(&["--output", name]);
        }
        assert_eq!(fs::read_to_string(lake.path("out.csv")).unwrap(), csv);
    }
    let csv = lake.lakegate(&["review", "--format", "csv"]).is(FINDINGS).stdout;
    assert!(csv.contains(",\"a,b.csv\","), "{csv}");
    // The same by SQL.
    assert_eq!(
        lake.lakegate(&["sql", "select * from system.review order by path", "--format", "csv"]).stdout,
        csv
    );

    lake.lakegate(&["review", "ops.nobody"]).is(USAGE).says("there is no dataset `ops.nobody`");
    lake.lakegate(&["review", "nowhere/at_all"]).is(USAGE).says("does not exist");
    lake.lakegate(&["review", "ops.samples", "landing"]).is(USAGE).says("reviewed apart");
    lake.lakegate(&["review", "--output", "x.what"]).is(USAGE).says("--format");
    let empty = TestLake::with("t", "");
    empty.lakegate(&["review", "--format", "table"]).is(DONE).says("nothing has landed yet");
}

#[test]
fn what_the_ledger_does_not_know_is_read_again() {
    let lake = TestLake::with("samples", "");
    lake.land("landing/ops/samples/a.csv", BOTTLE.replace("211.4,2", "211.4,9"));
    // Parked, and nobody has noted what it holds.
    assert!(lake.killed_at("unnoted:1", &["run"]).was_killed());
    assert_eq!(lake.parked(), ["a.csv|LG101"]);
    let of_ledger = "select kind, n_rows, n_errors, code from system.review";
    assert_eq!(lake.lines(of_ledger), ["||1|LG101"]);
    let keys = ["kind", "n_rows", "n_errors", "code"];
    assert_eq!(json(lake.lakegate(&["review", "--json"]), FINDINGS, &keys), ["whp_exchange|2|1|LG101"]);
    let problems = lake.lakegate(&["review", "ops.samples", "--problems", "--json"]);
    let keys = ["severity", "rule", "line"];
    assert_eq!(json(problems, FINDINGS, &keys), ["note|parameters|2", "error|flag_value|4"]);
    assert_eq!(lake.lines(of_ledger), ["||1|LG101"], "nothing is written");
    // Sent again it is noted.
    lake.lakegate(&["redrive", "--all"]).is(DONE);
    lake.run_with_findings();
    assert_eq!(lake.lines(of_ledger), ["whp_exchange|2|1|LG101"]);
    // A replay notes it anew.
    lake.dataset("samples", "read: { whp_exchange: { accept: [flag_value] } }\n");
    lake.lakegate(&["redrive", "--all"]).is(DONE);
    lake.run();
    lake.lakegate(&["replay", "ops.samples"]).is(DONE);
    assert_eq!(
        lake.lines("select kind, n_rows, n_errors, n_warnings from system.review"),
        ["whp_exchange|2|0|1"]
    );
}

#[test]
fn the_example_is_reviewed_on_pages() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data_review");
    let lake = TestLake::new("");
    for name in ["lake.yaml", "datasets/bottles.yaml", "datasets/casts.yaml"] {
        lake.write(name, fs::read(example.join(name)).unwrap());
    }
    for dataset in ["bottles", "casts"] {
        let input = example.join(format!("fixtures/ocean/{dataset}/winter_cruise/input"));
        for file in fs::read_dir(input).unwrap().flatten() {
            let name = file.file_name().into_string().unwrap();
            lake.land(&format!("landing/ocean/{dataset}/{name}"), fs::read(file.path()).unwrap());
        }
    }
    lake.land("landing/ocean/casts/sketch.png", b"\x89PNG\r\n");
    lake.run_with_findings();
    let all = "select path, state, kind, n_documents, n_rows, n_errors, n_warnings from system.review order by path";
    assert_eq!(
        lake.lines(all),
        [
            "99XX20260105_ct1.zip|committed|whp_exchange|3|15|0|1",
            "99XX20260105_hy1.csv|committed|whp_exchange|1|8|0|1",
            "99XX20260210_hy1.csv|parked|whp_exchange|1|8|4|0",
            "sketch.png|stray||||1|",
            "winch.dat|parked|unknown|1|0|1|0",
        ]
        .map(|l| if l.starts_with("sketch") { "sketch.png|stray||||1|0" } else { l })
    );
    let oxygen =
        "select unit, n_files, n_rows, n_values from system.census where parameter in ('OXYGEN', 'CTDOXY')";
    assert_eq!(lake.lines(oxygen), ["ML/L|1|8|6", "UMOL/KG|1|8|7", "UMOL/KG|1|10|10"]);

    let served = Served::of(&lake, &[]);
    let page = served.page("/review").is(200);
    for part in ["href=\"/review/ocean.bottles\"", "sketch.png", "unmatched", "<h1>Review</h1>"] {
        page.says(part);
    }
    let page = served.page("/review/ocean.bottles").is(200);
    for part in ["flag_value", "key_unique", "end_data", "LG111", "KRILL", "1/M3", "winch.dat", "unknown"] {
        page.says(part);
    }
    for show in ["files", "problems", "columns", "census"] {
        let address = format!("/review/ocean.bottles?show={show}");
        served.page(&address).is(200).says("<table>");
        let csv = served.get(&format!("/review/ocean.bottles.csv?show={show}")).is(200);
        assert_eq!(csv.media_type(), "text/csv");
        let n = served.get(&format!("{address}&format=json")).is(200).json().as_array().unwrap().len();
        assert_eq!(csv.text().lines().count(), n + 1, "{show}");
        assert!(n > 1, "{show}");
    }
    served.page("/review/ocean.bottles?show=columns&limit=5").is(200).says("rel=\"next\"");
    let rows = served.get("/review/ocean.bottles?show=census&limit=2&offset=1").is(200).json();
    assert_eq!(rows.as_array().unwrap().len(), 2);
    served.get("/review/ocean.nobody").says_problem(404, "unknown_dataset");
    served.get("/review/ocean.bottles?show=all").says_problem(400, "wrong_parameter");
    assert_eq!(served.get("/review.json").is(200).json()[0]["dataset"], "ocean.bottles");
    let public = Served::of(&lake, &["--feeds-only"]);
    public.get("/review").is(404);
}

#[test]
fn casts_behind_each_other_keep_their_own_units() {
    let lake = TestLake::with("t", "read: whp_exchange\n");
    let other = CTD.replace("DBAR,ITS-90,", "MBAR,IPTS-68,").replace("CASTNO = 1", "CASTNO = 2");
    lake.land("landing/ops/t/a.csv", format!("{CTD}{other}"));
    lake.run();
    assert_eq!(
        lake.lines(
            "select parameter, unit, n_files, n_rows from system.census where parameter like 'CTD%' order by 1, 2"
        ),
        ["CTDPRS|DBAR|1|2", "CTDPRS|MBAR|1|2", "CTDTMP|IPTS-68|1|2", "CTDTMP|ITS-90|1|2"]
    );
    // It is one document all the same.
    assert_eq!(lake.value("select n_documents from system.review"), 1);
}

const HELD: &str = "select parameter, unit, table_name, column_name, n_rows, n_values, \"max\" \
                    from system.file_columns order by 1, 2, 3";

#[test]
fn a_stream_of_several_tables_counts_once() {
    // Text: 3 rows, of which one has no `v`, one no `w`.
    let rows = "id,v,w\n1,1.5,\n2,-999,b\n3,-999.0,c\n";
    let tables = "tables:\n  a: { columns: { id: int, v: { type: float, unit: m, nulls: '-999' } }, evolve: rescue }\n  \
                  b: { columns: { id: int, w: string, deep: { type: float, from: v, nulls: '-999' } }, evolve: rescue }\n";
    let census = "select parameter, unit, n_files, n_rows, n_values from system.census";
    let want = ["id||1|3|3", "v|m|1|3|1", "w||1|3|2"];
    let lake = TestLake::with("two", tables);
    lake.land("landing/ops/two/x.csv", rows);
    lake.run();
    assert_eq!(lake.lines(census), want);
    assert_eq!(lake.lines("select n_rows, n_parameters, n_values from system.review"), ["3|3|6"]);
    // What another table makes of a column is told with that table.
    let columns = ["id||ops.two.a|id|3|3|3", "v|m|ops.two.a|v|3|1|1.5", "w||ops.two.b|w|3|2|c"];
    assert_eq!(lake.lines(HELD), columns);
    assert_eq!(lake.lines("select n_read from system.file_tables"), ["3", "3"]);
    // The same where it lies, whatever the ledger says.
    let planned = lake.lakegate(&["review", "landing/ops/two/x.csv", "--census", "--json"]);
    assert_eq!(json(planned, DONE, &CENSUS), ["id||1|3|3", "v|m|1|3|1", "w||1|3|2"]);

    // Rows that have types; they have no column `w` where it is null.
    let typed = TestLake::with("two", tables);
    let select = "select 1 as id, 1.5 as v, cast(null as varchar) as w union all select 2, -999, 'b' union all select 3, null, 'c'";
    typed.lakegate(&["sql", select, "--output", "x.parquet"]).is(DONE);
    typed.land("landing/ops/two/x.parquet", fs::read(typed.path("x.parquet")).unwrap());
    typed.run();
    assert_eq!(typed.lines(census), want);
    typed.prove();
}

#[test]
fn what_is_merged_computed_or_made_by_a_command_counts_as_the_file_has_it() {
    let read = "read: { archive: { members: {\n  \
                gill: { member: '.*gill.csv', csv: { nulls: [NA] } },\n  \
                baro: { member: '.*baro.csv', csv: {} } } } }\n";
    let file = zip(&[
        ("x.gill.csv", b"time,Speed (m/s),note\n2024-01-01T00:00:00Z,5.5,\n2024-01-01T00:10:00Z,NA,\n"),
        (
            "x.baro.csv",
            b"time,Pressure\n2024-01-01T00:00:00Z,1000\n2024-01-01T00:20:00Z,1001\n2024-01-01T00:30:00Z,\n",
        ),
    ]);
    let merged = "  met:\n    from: [gill, baro]\n    merge: { by: time }\n    columns: { time: timestamp, \
                  speed: { type: float, from: 'Speed (m/s)', unit: m s-1 }, pressure: { type: float, from: baro.Pressure } }\n";
    let plain = "  gill: { columns: { at: { type: timestamp, from: time } } }\n";
    let sql =
        "  met: { from: [gill, baro], merge: { by: time }, transform: 'select count(*) as n from input' }\n";
    let hook =
        "  gill: { hook: { command: [cat] } }\n  baro: { transform: select pressure as p from input }\n";
    let of = "  more: { of: gill, grid: { every: 10min }, coordinates: at }\n";
    let counts = ["Pressure||3|2", "Speed (m/s)||2|1", "note||2|0", "time||2|2", "time||3|3"];
    let counts_of = "select parameter, unit, n_rows, n_values from system.file_columns order by 1, n_rows";
    for (tables, known) in [
        (format!("tables:\n{merged}{plain}"), true),
        (format!("tables:\n{plain}{merged}{of}"), true),
        (format!("tables:\n{sql}"), false),
        (format!("tables:\n{hook}"), false),
    ] {
        let lake = TestLake::with("met", &format!("{read}{tables}"));
        lake.land("landing/ops/met/x.zip", &file);
        lake.run();
        let found: Vec<String> = lake.lines(counts_of).iter().map(|l| l.replace("m s-1", "")).collect();
        assert_eq!(found, counts, "{tables}");
        assert_eq!(
            lake.lines("select kind, n_documents, n_rows from system.review"),
            ["csv|2|5"],
            "{tables}"
        );
        // The census adds up what two documents of a file have.
        let time = "select n_rows, n_values from system.census where parameter = 'time'";
        assert_eq!(lake.lines(time), ["5|5"], "{tables}");
        let speed =
            "select unit, column_name, \"max\" from system.file_columns where parameter = 'Speed (m/s)'";
        match (known, tables.find("met:") < tables.find("gill:")) {
            (false, _) => assert_eq!(lake.lines(speed), ["||"], "{tables}"),
            (true, true) => assert_eq!(lake.lines(speed), ["m s-1|speed|5.5"], "{tables}"),
            (true, false) => assert_eq!(lake.lines(speed), ["|speed_m_s|5.5"], "{tables}"),
        }
        lake.prove();
    }
}

#[test]
fn a_large_file_counts_as_a_small_one() {
    let tables = "tables:\n  a: { columns: { id: int } }\n  b: { transform: 'select sum(v) as v from input' }\n\
                  read: { csv: { nulls: ['-999'] } }\ninput: { v: float }\n";
    let lake = TestLake::with("two", tables);
    let mut text = String::from("id,v,padding\n");
    for i in 0..120_000 {
        let v = if i % 4 == 0 { "-999.00" } else { "2.5" };
        text += &format!("{i},{v},{:0>70}\n", i);
    }
    assert!(text.len() > 9 << 20, "{}", text.len());
    lake.land("landing/ops/two/x.csv", text);
    lake.run();
    let counts = "select parameter, n_rows, n_values from system.census";
    assert_eq!(lake.lines(counts), ["id|120000|120000", "padding|120000|120000", "v|120000|90000"]);
}
