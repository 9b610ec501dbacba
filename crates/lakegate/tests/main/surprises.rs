//! What a careful new user stumbled over: each was wrong data, a file that went
//! nowhere, or a lake that did not say what had happened.

use std::fs;

use crate::lake::{DONE, FAILED, TestLake, zip};

#[test]
fn an_empty_member_does_not_take_the_others_with_it() {
    let csv: String =
        std::iter::once("id\n".to_string()).chain((0..1000).map(|n| format!("{n}\n"))).collect();
    let full = csv.as_bytes();
    for members in [
        vec![("a.csv", full), ("b.csv", b"" as &[u8])],
        vec![("a.csv", b"" as &[u8]), ("b.csv", full)],
        vec![("a.csv", b"" as &[u8]), ("b.csv", full), ("c.csv", b"")],
    ] {
        let lake = TestLake::with("zipped", "read: { zip: { csv: {} } }\nempty: accept\n");
        lake.land("landing/ops/zipped/x.zip", zip(&members));
        lake.run();
        assert_eq!(lake.value("select count(*) from zipped"), 1000);
        lake.prove();
        // Where empty files are not normal, it waits for a person.
        let lake = TestLake::with("zipped", "read: { zip: { csv: {} } }\n");
        lake.land("landing/ops/zipped/x.zip", zip(&members));
        lake.run_with_findings();
        assert_eq!(lake.parked().len(), 1);
    }
    for (format, row) in [("json", "[{\"id\":1}]"), ("ndjson", "{\"id\":1}\n")] {
        let lake =
            TestLake::with("zipped", &format!("read: {{ zip: {{ {format}: {{}} }} }}\nempty: accept\n"));
        lake.land("landing/ops/zipped/x.zip", zip(&[("a", b""), ("b", row.as_bytes()), ("c", b" \n")]));
        lake.run();
        assert_eq!(lake.value("select count(*) from zipped"), 1, "{format}");
    }
}

#[test]
fn a_table_that_is_gone_is_not_made_anew() {
    let lake = TestLake::with("gone", "columns: { x: int }\n");
    lake.land("landing/ops/gone/1.csv", "x\n1\n2\n3\n");
    lake.run();
    fs::remove_dir_all(lake.path("lake/tables/ops/gone")).unwrap();
    lake.land("landing/ops/gone/2.csv", "x\n9\n");
    lake.lakegate(&["run"]).is(FAILED).says("LG604").says("lakegate replay ops.gone");
    assert!(!lake.path("lake/tables/ops/gone").exists());
    lake.lakegate(&["replay", "ops.gone"]).is(DONE);
    lake.run();
    assert_eq!(lake.value("select sum(x) from gone"), 15);
    lake.prove();
}

#[test]
fn a_type_that_the_table_has_not_waits_for_a_replay() {
    let lake = TestLake::with("typed", "");
    lake.land("landing/ops/typed/1.csv", "zip,amt\n12345,1\n");
    lake.run();
    lake.dataset("typed", "columns: { zip: string, amt: 'decimal(10,2)' }\n");
    lake.land("landing/ops/typed/2.csv", "zip,amt\n00501,2.50\n");
    lake.lakegate(&["plan"]).says("LG307");
    lake.run_with_findings();
    lake.lakegate(&["parked"]).says("LG307").says("`zip` is declared as string, and the table has int");
    assert_eq!(lake.value("select count(*) from typed"), 1, "nothing was written");
    lake.lakegate(&["replay", "ops.typed"]).is(DONE);
    lake.lakegate(&["redrive", "--code", "LG307"]).is(DONE);
    lake.run();
    assert_eq!(lake.lines("select zip, amt from typed order by zip"), ["00501|2.5", "12345|1.0"]);
    lake.prove();
    // A narrower type has its place in a wider column.
    let lake = TestLake::with("typed", "");
    lake.land("landing/ops/typed/1.csv", "n\n1.5\n");
    lake.run();
    lake.dataset("typed", "columns: { n: int }\n");
    lake.land("landing/ops/typed/2.csv", "n\n2\n");
    lake.run();
    assert_eq!(lake.value("select sum(n) from typed"), 3.5);
}

#[test]
fn a_header_in_another_spelling_is_the_same_column() {
    let lake = TestLake::with("spelt", "");
    lake.land("landing/ops/spelt/1.csv", "id,Name\n1,a\n");
    lake.run();
    lake.land("landing/ops/spelt/2.csv", "id,NAME\n2,b\n");
    lake.land("landing/ops/spelt/3.ndjson", "{\"id\":3,\"name\":\"c\"}\n");
    lake.run();
    assert_eq!(lake.lines("select id, name from spelt order by id"), ["1|a", "2|b", "3|c"]);
    // In one batch, before there is a table, and with a declared source.
    for declared in ["", "columns: { name: { type: string, from: NAME }, id: int }\n"] {
        let lake = TestLake::with("spelt", declared);
        for (n, header) in ["id,Name", "id,NAME", "id,name"].iter().enumerate() {
            lake.land(&format!("landing/ops/spelt/{n}.csv"), format!("{header}\n{n},x\n"));
        }
        lake.run();
        assert_eq!(lake.value("select count(name) from spelt"), 3, "{declared}");
        lake.prove();
    }
    // Both in one file are two columns.
    lake.land("landing/ops/spelt/4.csv", "id,Name,NAME\n4,a,b\n");
    lake.run_with_findings();
    assert_eq!(lake.parked().len(), 1);
}

#[test]
fn a_page_for_people_is_not_rows_of_nulls() {
    let lake = TestLake::with("page", "read: csv\ncolumns: { id: int, amount: { type: float } }\n");
    lake.land("landing/ops/page/1.csv", "<html>\n<body>\nService unavailable\n</body></html>\n");
    lake.run_with_findings();
    lake.lakegate(&["parked"]).says("none of the columns").says("id, amount");
    lake.land("landing/ops/page/2.csv", "id,other\n1,2\n");
    lake.run();
    assert_eq!(lake.lines("select id, amount, other from page"), ["1||2"]);
}

#[test]
fn short_years_and_halves_of_characters() {
    let lake = TestLake::with(
        "odd",
        "columns: { d: { type: date, format: '%d.%m.%Y' }, at: { type: timestamp, format: '%Y-%m-%d' }, s: string }\n",
    );
    lake.land("landing/ops/odd/1.csv", "d,at\n1.2.26,26-01-02\n1.2.2026,2026-01-02\n");
    lake.land("landing/ops/odd/2.ndjson", "{\"s\":\"\\ud83d\\ude00 \\ud83d lone\\n\\u00e9\"}\n");
    lake.run();
    assert_eq!(
        lake.lines("select d, at, _rescued from odd where s is null order by d nulls first"),
        ["||{\"d\":\"1.2.26\",\"at\":\"26-01-02\"}", "2026-02-01|2026-01-02T00:00:00Z|"]
    );
    assert_eq!(lake.value("select s from odd where s is not null"), "\u{1f600} \u{fffd} lone\n\u{e9}");
}

#[test]
fn a_row_that_is_too_short_names_its_member_once() {
    let lake = TestLake::with("short", "read: { zip: { csv: {} } }\n");
    lake.land("landing/ops/short/x.zip", zip(&[("m.csv", b"a,b\n1\n")]));
    lake.run_with_findings();
    let message = lake.value("select message from system.failures");
    assert_eq!(message.as_str().unwrap().matches("`m.csv`").count(), 1, "{message}");
}
