//! Columns that nobody declared: what the first files say of them, what later
//! files may add or widen, and that a file which fails says nothing.

use crate::lake::{DONE, TestLake};

fn at(name: &str) -> String {
    format!("landing/ops/t/{name}")
}

/// Files with integers, then one with a double, and what comes of the column.
fn drifted(batches: &[&[(&str, &str)]], declaration: &str) -> TestLake {
    let lake = TestLake::with("t", declaration);
    for batch in batches {
        batch.iter().for_each(|(name, text)| lake.land(&at(name), text));
        lake.run();
    }
    lake.prove();
    lake
}

#[test]
fn inferred_integers_become_doubles_when_one_comes() {
    let whole = ("a.csv", "id,v\n1,1\n2,\n");
    let drift = ("b.csv", "id,v\n3,2.5\n4,7\n");
    let select = "select arrow_typeof(v), id, v from t order by id";
    let want = ["Float64|1|1.0", "Float64|2|", "Float64|3|2.5", "Float64|4|7.0"];
    // However the files are batched.
    for batches in
        [&[&[whole][..], &[drift][..]][..], &[&[whole, drift][..]][..], &[&[drift][..], &[whole][..]][..]]
    {
        let lake = drifted(batches, "");
        assert_eq!(lake.lines(select), want);
        assert_eq!(lake.value("select count(*) from system.columns where column = '_rescued'"), 0);
        lake.lakegate(&["replay", "ops.t"]).is(DONE);
        assert_eq!(lake.lines(select), want, "after a replay");
    }
    // A declared column keeps its type, and the value that does not fit is kept beside it.
    let lake = drifted(&[&[whole], &[drift]], "columns: { v: int }\n");
    assert_eq!(lake.lines("select v, _rescued from t where id = 3"), ["|{\"v\":\"2.5\"}"]);
    // What a double would round stays an integer.
    let lake = drifted(&[&[("a.csv", "id,v\n1,9007199254740993\n")], &[drift]], "");
    assert_eq!(lake.lines("select v from t where id = 1"), ["9007199254740993"]);
    assert_eq!(lake.lines("select v, _rescued from t where id = 3"), ["|{\"v\":\"2.5\"}"]);
    // A column that partitions is never rewritten.
    let lake = drifted(&[&[whole], &[("b.csv", "id,v\n3.5,2\n")]], "partition_by: id\n");
    assert_eq!(lake.lines("select _rescued from t where _rescued is not null"), ["{\"id\":\"3.5\"}"]);
}

#[test]
fn a_double_far_down_in_the_first_file_widens_its_column() {
    let mut text = String::from("id,v\n");
    (0..5000).for_each(|i| text.push_str(&format!("{i},{}\n", if i == 4321 { "2.5" } else { "7" })));
    let lake = drifted(&[&[("a.csv", &text)]], "");
    assert_eq!(lake.lines("select arrow_typeof(v), v from t where id = 4321"), ["Float64|2.5"]);
    assert_eq!(lake.value("select count(*) from system.columns where column = '_rescued'"), 0);
}

/// Numbers in a file that is read in chunks, with one other line among them.
fn large(other: (usize, &str)) -> String {
    let mut text = String::from("id,v\n");
    for i in 0..3_000_000 {
        match other {
            (at, line) if at == i => text.push_str(line),
            _ => text.push_str(&format!("{i},{}\n", i % 10)),
        }
    }
    text
}

#[test]
fn a_double_anywhere_in_a_large_file_widens_all_of_it() {
    for at_row in [700_000, 2_999_999] {
        let lake = TestLake::with("t", "");
        lake.land(&at("large.csv"), large((at_row, "-1,0.5\n")));
        lake.run();
        lake.prove();
        assert_eq!(
            lake.lines(
                "select arrow_typeof(sum(v)), count(*), count(_file_id), sum(v) - floor(sum(v)) from t"
            ),
            ["Float64|3000000|3000000|0.5"]
        );
        assert_eq!(lake.value("select count(*) from system.columns where column = '_rescued'"), 0);
    }
}

#[test]
fn a_large_file_with_one_bad_row_is_parked_and_the_others_go_on() {
    for (declaration, line, code) in
        [("", "1,2,3,4\n", "LG109"), ("evolve: fixed\ncolumns: { id: int, v: int }\n", "1,many\n", "LG302")]
    {
        let lake = TestLake::with("t", declaration);
        lake.land(&at("a.csv"), large((300_000, line)));
        lake.land(&at("b.csv"), "id,v\n1,2\n");
        lake.run_with_findings();
        assert_eq!(lake.parked(), [format!("a.csv|{code}")]);
        assert_eq!(lake.value("select count(*) from t"), 1);
        lake.prove();
    }
}

/// What a dataset holds when all these files landed at once, and when each was
/// run alone.
fn both_ways(declaration: &str, files: &[(&str, &str)], check: impl Fn(&TestLake)) {
    let together = TestLake::with("t", declaration);
    files.iter().for_each(|(name, text)| together.land(&at(name), text));
    together.lakegate(&["run"]);
    check(&together);
    together.prove();
    let alone = TestLake::with("t", declaration);
    for (name, text) in files {
        alone.land(&at(name), text);
        alone.lakegate(&["run"]);
    }
    check(&alone);
    alone.prove();
}

#[test]
fn a_header_that_clashes_is_one_file_s_fault() {
    let files =
        [("a.csv", "id\n1\n"), ("b.csv", "id,ID\n2,2\n"), ("c.csv", "id\n3\n"), ("d.csv", "id,x\n4,5\n")];
    both_ways("", &files, |lake| {
        assert_eq!(lake.parked(), ["b.csv|LG306"]);
        assert_eq!(lake.lines("select id, x from t order by id"), ["1|", "3|", "4|5"]);
    });
}

#[test]
fn a_column_named_as_a_partition_is_one_file_s_fault() {
    let files = [
        ("a.csv", "id,time\n1,2026-01-01T00:00:00Z\n"),
        ("b.csv", "id,time,time_day\n2,2026-01-01T00:00:00Z,monday\n"),
        ("c.csv", "id,time\n3,2026-01-02T00:00:00Z\n"),
    ];
    both_ways("partition_by: day(time)\n", &files, |lake| {
        assert_eq!(lake.parked().len(), 1, "{:?}", lake.parked());
        assert_eq!(lake.lines("select id from t order by id"), ["1", "3"]);
    });
}

#[test]
fn an_expectation_of_no_column_lets_no_file_in() {
    let lake = TestLake::with("t", "expect: [ { column: sped, in_range: [0, 10] } ]\n");
    lake.land(&at("a.csv"), "id,speed\n1,5\n");
    lake.land(&at("b.csv"), "id,speed\n2,50\n");
    lake.run_with_findings();
    assert_eq!(lake.parked(), ["a.csv|LG402", "b.csv|LG402"]);
    lake.dataset("t", "expect: [ { column: speed, in_range: [0, 10], on_fail: drop } ]\n");
    lake.lakegate(&["redrive", "--all"]).is(DONE);
    lake.run();
    assert_eq!(lake.lines("select id, speed from t"), ["1|5"]);
    lake.prove();
}

#[test]
fn a_rejected_file_leaves_no_column_behind() {
    let files = [("a.csv", "id\n1\n"), ("b.csv", "id,extra\n-1,7\n"), ("c.csv", "id,more\n2,8\n")];
    both_ways("expect: [ { column: id, in_range: [0, null], on_fail: reject } ]\n", &files, |lake| {
        assert_eq!(lake.parked(), ["b.csv|LG501"]);
        assert_eq!(lake.lines("select id, more from t order by id"), ["1|", "2|8"]);
        assert_eq!(lake.value("select count(*) from system.columns where column = 'extra'"), 0);
    });
}

#[test]
fn a_large_rejected_file_leaves_no_column_behind() {
    let lake = TestLake::with("t", "expect: [ { column: id, in_range: [0, null], on_fail: reject } ]\n");
    lake.land(&at("a.csv"), large((1_000_000, "-5,1\n")));
    lake.land(&at("b.csv"), "id,w\n1,2\n");
    lake.run_with_findings();
    assert_eq!(lake.parked(), ["a.csv|LG501"]);
    assert_eq!(lake.lines("select id, w from t"), ["1|2"]);
    assert_eq!(lake.value("select count(*) from system.columns where column = 'v'"), 0);
    lake.prove();
}

#[test]
fn columns_stand_in_the_order_of_their_declaration() {
    // `b` and `d` have no type: the first file tells it.
    let lake =
        TestLake::with("t", "columns: { a: int, b: { unit: m }, c: string, d: { description: Depth } }\n");
    lake.land(&at("a.csv"), "extra,d,c,b,a\n5,4,x,2.5,1\n");
    lake.land(&at("b.csv"), "c,b,a,other\ny,3,1,6\n");
    lake.run();
    let select =
        "select column from system.columns where \"table\" = 't' and column not like '\\_%' order by ordinal";
    let want = ["a", "b", "c", "d", "extra", "other"];
    assert_eq!(lake.lines(select), want);
    lake.lakegate(&["replay", "ops.t"]).is(DONE);
    assert_eq!(lake.lines(select), want, "after a replay");
}
