//! WHP-Exchange: bottle and CTD files.

use std::collections::BTreeMap;

use lakegate_domain::Code;
use lakegate_domain::exchange::Rule;
use lakegate_domain::model::{Encoding, Format, WhpExchange};
use lakegate_format::exchange::{Kind, inspect};

use crate::*;

const BOTTLE: &str = "\
BOTTLE,20240101SIOCCHXYZ
# a comment, with commas
EXPOCODE,SECT_ID,STNNBR,CASTNO,SAMPNO,BTLNBR,BTLNBR_FLAG_W,DATE,TIME,LATITUDE,LONGITUDE,DEPTH,CTDPRS,CTDSAL,CTDSAL_FLAG_W,OXYGEN,OXYGEN_FLAG_W
,,,,,,,,,,,METERS,DBAR,PSS-78,,UMOL/KG,
33RR20240101,I06S, 1, 1, 2, 35,2,20240229,0557, -33.2152, 28.0528, 180,   9.20, 35.3126,2, 211.4,2
33RR20240101,I06S, 1, 1, 1, 36,2,20240229,2400, -33.2152, 28.0528, 180,  99.20, 35.0,1,-999.0000,9
# in between

33RR20240101,I06S, 2, 1, 1, 36,3,20240229,, -34, 28, -999, 5,-999,5,-999,1
END_DATA
anything at all
";

const CTD: &str = "\
CTD,20240101SIOCCHXYZ
# a comment
NUMBER_HEADERS = 8
EXPOCODE = 74EQ20240101
STNNBR = A 1
CASTNO = 1
DATE = 20240101
TIME = 0005
LATITUDE =   26.43360
LONGITUDE =  -78.66688
CTDPRS,CTDPRS_FLAG_W,CTDTMP,CTDTMP_FLAG_W
DBAR, ,ITS-90, 
     1.0,2, 26.9964,2
     3.0,2, -999.00,9
END_DATA
";

fn exchange(accept: &[Rule]) -> Read {
    reads(Some(Format::WhpExchange(WhpExchange { encoding: None, accept: accept.to_vec() })))
}

#[test]
fn bottles() {
    let found = rows(BOTTLE, "b.csv", &exchange(&[])).unwrap();
    assert_eq!(found.len(), 3);
    let first = &found[0];
    for (name, value) in [
        ("EXPOCODE", "\"33RR20240101\""),
        ("STNNBR", "1"),
        ("TIME", "\"0557\""),
        // All digits stay.
        ("CTDPRS", "9.20"),
        ("CTDSAL", "35.3126"),
        ("CTDSAL_FLAG_W", "2"),
        ("DATETIME", "\"2024-02-29T05:57:00Z\""),
    ] {
        assert_eq!(first.get(name).map(String::as_str), Some(value), "{name}");
    }
    // Fills are missing; 2400 is the next day's midnight.
    assert!(
        !found[1].contains_key("OXYGEN")
            && !found[2].contains_key("DEPTH")
            && !found[2].contains_key("CTDSAL")
    );
    assert_eq!(found[1]["DATETIME"], "\"2024-03-01T00:00:00Z\"");
    assert!(!found[2].contains_key("TIME") && !found[2].contains_key("DATETIME"));

    // It is known by its stamp, and its units are told.
    let chunks = chunks_of(BOTTLE, "b.csv", &reads(None), CHUNK).unwrap();
    assert_eq!(chunks[0].stream.format, "whp_exchange");
    let units: BTreeMap<_, _> = chunks[0].stream.units.iter().cloned().collect();
    assert_eq!(units["CTDPRS"], "DBAR");
    assert_eq!(units.len(), 4);
    for chunk in [1, 100] {
        assert_eq!(rows_by(BOTTLE, "b.csv", &reads(None), chunk).unwrap(), found, "chunks of {chunk}");
    }
}

#[test]
fn casts() {
    let found = rows(CTD, "c.csv", &reads(None)).unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0]["STNNBR"], "\"A 1\"");
    assert_eq!(found[1]["LATITUDE"], "26.43360");
    assert_eq!(found[1]["CTDPRS"], "3.0");
    assert_eq!(found[1]["DATETIME"], "\"2024-01-01T00:05:00Z\"");
    assert!(!found[1].contains_key("CTDTMP") && found[1]["CTDTMP_FLAG_W"] == "9");

    // Casts behind each other, whatever stands between them.
    let both = format!("{CTD}----\n{}", CTD.replace("STNNBR = A 1", "STNNBR = 2"));
    let found = rows(&both, "c.csv", &reads(None)).unwrap();
    let stations: Vec<_> = found.iter().map(|r| r["STNNBR"].as_str()).collect();
    assert_eq!(stations, ["\"A 1\"", "\"A 1\"", "2", "2"]);
    assert_eq!(inspect(both.as_bytes(), None).n_casts, 2);
}

#[test]
fn a_zip_of_casts() {
    let other = CTD.replace("CASTNO = 1", "CASTNO = 2");
    let archive = zip(&[("a_ct1.csv", CTD.as_bytes()), ("b_ct1.csv", other.as_bytes())]);
    let found = rows(archive, "x_ct1.zip", &exchange(&[])).unwrap();
    assert_eq!(found.iter().map(|r| r["CASTNO"].as_str()).collect::<Vec<_>>(), ["1", "1", "2", "2"]);
}

/// What a file breaks: the rule, the line and what is said of it.
fn faults(text: &str) -> Vec<(Rule, u64, String)> {
    inspect(text.as_bytes(), None).faults.into_iter().map(|f| (f.rule, f.line, f.what)).collect()
}

#[test]
fn every_rule_is_told_with_its_line() {
    assert_eq!(faults(BOTTLE), []);
    assert_eq!(faults(CTD), []);
    let units = ",,,,,,,,,,,METERS,DBAR,PSS-78,,UMOL/KG,\n";
    let cases: &[(&str, &str, Rule, u64, &str)] = &[
        ("BOTTLE,2024", "BOTLE,2024", Rule::Stamp, 1, "begins with \"BOTLE,20240101SIOCCHXYZ\""),
        ("BOTTLE,2024", "\u{feff}BOTTLE,2024", Rule::ByteOrderMark, 1, "byte order mark"),
        ("END_DATA", "END", Rule::FieldCount, 10, "1 fields where there are 17"),
        ("END_DATA\nanything at all\n", "", Rule::EndData, 9, "without `END_DATA`"),
        (units, ",,METERS\n", Rule::UnitCount, 4, "17 parameters and 3 units"),
        ("OXYGEN,OXYGEN", "WIBBLE,WIBBLE", Rule::Parameters, 3, "`WIBBLE` in `UMOL/KG` is not known"),
        ("DEPTH", "CTDPRS", Rule::UniqueParameters, 3, "`CTDPRS` stands twice"),
        (
            "OXYGEN_FLAG_W",
            "SALNTY_FLAG_W",
            Rule::FlagParameter,
            3,
            "`SALNTY_FLAG_W` has no parameter `SALNTY`",
        ),
        ("OXYGEN,OXYGEN_FLAG_W", "C14ERR,BTLNBR_FLAG", Rule::ErrorParameter, 3, "is the error of `DELC14`"),
        ("OXYGEN_FLAG_W", "DEPTH_FLAG_W", Rule::FlagAllowed, 3, "`DEPTH` has no flags"),
        ("UMOL/KG,\n", "UMOL/KG,X\n", Rule::FlagUnit, 3, "`OXYGEN_FLAG_W` has the unit `X`"),
        ("211.4,2\n", "211.4\n", Rule::FieldCount, 5, "16 fields where there are 17"),
        ("211.4,2\n", "211.4,9\n", Rule::FlagValue, 5, "`OXYGEN_FLAG_W` is 9, and `OXYGEN` is 211.4"),
        ("211.4,2\n", "-999,2\n", Rule::FlagValue, 5, "`OXYGEN_FLAG_W` is 2, and `OXYGEN` has no value"),
        ("211.4,2\n", "211.4,A\n", Rule::FlagValue, 5, "`A` is no flag"),
        (
            "-999,5,-999,1",
            "-999,1,-999,1",
            Rule::FlagValue,
            9,
            "`CTDSAL_FLAG_W` is 1, and `CTDSAL` has no value",
        ),
        ("EXPOCODE", "WHO", Rule::KeyPresent, 3, "the key has no `EXPOCODE`"),
        (" 1, 1, 2, 35", " -999, 1, 2, 35", Rule::KeyPresent, 5, "`STNNBR`, a part of the key, has no value"),
        (" 1, 1, 2, 35", " 1, 1, 1, 35", Rule::KeyUnique, 6, "33RR20240101, 1, 1, 1 is that of line 5"),
        ("LATITUDE", "NORTH", Rule::CoordinatesPresent, 3, "there is no `LATITUDE`"),
        (
            "20240229,0557",
            "20240231,0557",
            Rule::CoordinatesPresent,
            5,
            "`DATE` is 20240231, which is no date",
        ),
        ("20240229,0557", "20240229,0577", Rule::CoordinatesPresent, 5, "`TIME` is 0577, which is no time"),
        (
            "28.0528, 180,   9.20",
            "28.0528, 180,   -999.0",
            Rule::CoordinatesPresent,
            5,
            "`CTDPRS` has no value",
        ),
        (
            "-33.2152, 28.0528, 180,  99",
            "-33.2153, 28.0528, 180,  99",
            Rule::CoordinatesConstant,
            6,
            "from that in line 5",
        ),
    ];
    for (from, to, rule, line, what) in cases {
        let text = BOTTLE.replacen(from, to, 1);
        assert_ne!(text, BOTTLE, "{from}");
        let found = faults(&text);
        let told =
            found.iter().find(|(r, ..)| r == rule).unwrap_or_else(|| panic!("{from} -> {to}: {found:?}"));
        assert!(told.1 == *line && told.2.contains(what), "{from} -> {to}: {told:?}");

        // A reader parks such files, unless the rule may be broken and is accepted.
        if *rule == Rule::Parameters {
            assert!(rows(&text, "b.csv", &exchange(&[])).is_ok());
            continue;
        }
        let e = error(&text, "b.csv", &exchange(&[]));
        assert_eq!(e.code, Code::Malformed, "{e}");
        let all: Vec<Rule> = found.iter().map(|(r, ..)| *r).collect();
        let accepted = rows(&text, "b.csv", &exchange(&all)).is_ok();
        assert_eq!(accepted, all.iter().all(|r| r.can_be_accepted()), "{from} -> {to}: {found:?}");
    }

    let header: &[(&str, &str, &str)] = &[
        ("NUMBER_HEADERS = 8", "HEADERS = 8", "`NUMBER_HEADERS = n` must stand here"),
        ("NUMBER_HEADERS = 8", "NUMBER_HEADERS = 9", "line 9 of the header is no `KEY = value`"),
        ("CASTNO = 1", "STNNBR = 1", "`STNNBR` stands twice in the header"),
    ];
    for (from, to, what) in header {
        let found = faults(&CTD.replacen(from, to, 1));
        assert!(matches!(&found[..], [(Rule::Header, _, said)] if said.contains(what)), "{to}: {found:?}");
    }
    let twice = CTD.replacen("     3.0", "     1.0", 1);
    assert!(matches!(&faults(&twice)[..], [(Rule::KeyUnique, 14, _)]));
}

#[test]
fn bytes_and_line_ends() {
    let windows = BOTTLE.replace('\n', "\r\n");
    let said = |text: &str| faults(text).into_iter().map(|(r, _, what)| (r, what)).collect::<Vec<_>>();
    assert_eq!(said(&windows), [(Rule::LineEndings, "lines end in `\\r\\n`, not in `\\n`".to_string())]);
    assert!(said(&BOTTLE.replace('\n', "\r"))[0].1.contains("`\\r` alone"));
    assert!(said(&BOTTLE.replacen('\n', "\r\n", 2))[0].1.contains("different ways"));
    let found = rows(&windows, "b.csv", &exchange(&[Rule::LineEndings])).unwrap();
    assert_eq!(found, rows(BOTTLE, "b.csv", &exchange(&[])).unwrap());

    let mut latin = BOTTLE.replace("I06S", "Ærø").into_bytes();
    let text = String::from_utf8(latin.clone()).unwrap();
    latin = text.chars().map(|c| c as u8).collect();
    let e = error(&latin, "b.csv", &exchange(&[]));
    assert_eq!(e.code, Code::Encoding);
    assert!(e.message.starts_with("line 5: the byte 0xC6 is not UTF-8"), "{e}");
    let options = WhpExchange { encoding: Some(Encoding::Latin1), accept: Vec::new() };
    let found = rows(&latin, "b.csv", &reads(Some(Format::WhpExchange(options)))).unwrap();
    assert_eq!(found[0]["SECT_ID"], "\"Ærø\"");
}

#[test]
fn an_error_counts_the_others() {
    let text = BOTTLE.replace("28.0528, 180,", "-999, 180,").replace("211.4,2", "-999,2");
    let e = error(text, "b.csv", &exchange(&[]));
    assert_eq!(
        e.message,
        "line 5: `OXYGEN_FLAG_W` is 2, and `OXYGEN` has no value; 2 of other kinds; `accept: flag_value` reads such \
         files all the same"
    );
}

/// Texts that are cut short or changed anywhere are refused or read.
#[test]
fn damage_never_panics() {
    for text in [BOTTLE, CTD] {
        for at in 0..text.len() {
            let _ = inspect(&text.as_bytes()[..at], None);
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] = b',';
            let _ = inspect(&bytes, None);
            bytes[at] = 0xFF;
            let _ = inspect(&bytes, None);
        }
    }
}

fn real(name: &str) -> Option<Vec<u8>> {
    let path = test_data()?.join("exchange").join(name);
    Some(std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
}

/// Rows, and for columns how many values there are and their sum, as
/// `tests/exchange/count.py` has them.
fn check(bytes: &[u8], name: &str, n_rows: usize, columns: &[(&str, usize, f64)]) {
    let mut n = 0;
    let mut found = vec![(0usize, 0f64); columns.len()];
    for chunk in chunks_of(bytes, name, &exchange(&[]), CHUNK).unwrap() {
        let batch = parsed(&chunk).unwrap();
        n += batch.n_rows;
        for ((column, ..), (count, sum)) in columns.iter().zip(&mut found) {
            let at = batch.names.iter().position(|n| n == column).unwrap();
            for field in batch.columns[at].iter().filter_map(|cell| batch.get(*cell)) {
                *count += 1;
                *sum += field.trim_matches('"').parse::<f64>().unwrap();
            }
        }
    }
    assert_eq!(n, n_rows);
    for ((column, count, sum), (n, total)) in columns.iter().zip(found) {
        assert_eq!(n, *count, "{column}");
        assert!((total - sum).abs() < 1e-3, "{column}: {total}");
    }
}

#[test]
fn real_bottles() {
    let Some(bytes) = real("33RR20160208_hy1.csv") else { return };
    let report = inspect(&bytes, None);
    assert_eq!((report.kind, report.n_rows), (Some(Kind::Bottle), 2738));
    // Parameters that nobody lists; no other rule is broken.
    assert!(report.faults.iter().all(|f| f.rule == Rule::Parameters), "{:?}", report.faults);
    check(
        &bytes,
        "33RR20160208_hy1.csv",
        2738,
        &[
            ("CTDPRS", 2738, 3_080_947.3),
            ("CTDTMP", 2738, 11_354.480_1),
            ("SALNTY", 2719, 94_101.601),
            ("OXYGEN", 2699, 600_229.1),
            ("OXYGEN_FLAG_W", 2738, 5825.0),
            ("SF6", 2080, 1_799.202_117),
            ("DELC14", 500, -49_180.7),
            ("DELC14_FLAG_W", 503, 1123.0),
            ("BTL_TIME", 2738, 3_210_401.0),
        ],
    );
    let Some(bytes) = real("33RR20080204_mini_hy1.csv") else { return };
    check(&bytes, "mini.csv", 123, &[("TCARBN", 75, 159_797.3), ("DELC14", 15, -418.1)]);
    let Some(bytes) = real("btl_time_span.csv") else { return };
    check(&bytes, "span.csv", 37, &[("CTDPRS", 37, 63_901.3)]);
    let Some(bytes) = real("btl_csv.csv") else { return };
    assert_eq!(inspect(&bytes, None).faults[0].rule, Rule::Stamp);
}

#[test]
fn real_casts() {
    let Some(bytes) = real("a05_74EQ20151206_ct1.zip") else { return };
    check(
        &bytes,
        "a05_74EQ20151206_ct1.zip",
        292_050,
        &[
            ("CTDPRS", 292_050, 735_333_626.0),
            ("CTDTMP", 292_049, 1_711_257.424),
            ("CTDTMP_FLAG_W", 292_050, 584_107.0),
            ("CTDOXY", 292_049, 66_760_121.6),
        ],
    );
}
