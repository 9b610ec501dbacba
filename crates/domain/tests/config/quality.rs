//! What right `quality:` and `coordinates:` mean.

use lakegate_domain::model::{
    Assessment, Flags, Level, Order, Quality, QualityCheck, Range, Table, Then, qc_name,
};

use crate::dataset;

fn table(text: &str) -> Table {
    dataset(&format!("team: t\n{text}")).tables["d"].clone()
}

fn bits(q: &Quality) -> Vec<(&str, u32)> {
    q.bits.iter().map(|(column, bit)| (column.as_str(), *bit)).collect()
}

#[test]
fn coordinates_are_the_first_time_or_those_named() {
    assert_eq!(table("columns: { a: float, b: timestamp, c: timestamp }").coordinates, ["b"]);
    assert_eq!(
        table("columns: { a: float, b: timestamp }\ncoordinates: [b, depth]").coordinates,
        ["b", "depth"]
    );
    assert_eq!(table("columns: { a: date }").coordinates, Vec::<String>::new());
    // A preset's column counts as well.
    let feed = dataset("team: t\nread: gtfs_rt\n");
    assert_eq!(feed.tables["vehicle"].coordinates, ["timestamp"]);
}

#[test]
fn the_shortest_check() {
    let t =
        table("columns: { time: timestamp, b: float, a: }\nquality:\n  - { check: missing, columns: all }\n");
    let [q] = t.quality.as_slice() else { panic!("{:?}", t.quality) };
    assert_eq!(q.name, "missing");
    assert_eq!(q.check, QualityCheck::Missing);
    assert_eq!(q.columns, ["b", "a"]);
    assert_eq!(q.then, [Then::Flag]);
    assert_eq!(q.assessment, Assessment::Bad);
    assert_eq!(q.meaning, "Value is missing");
    assert_eq!((q.correction.as_deref(), q.tolerate, q.null_fails), (None, None, false));
    assert_eq!(bits(q), [("b", 0), ("a", 0)]);
    assert_eq!(q.name_of("b"), "missing[b]");
    assert_eq!(qc_name("b"), "qc_b");
}

#[test]
fn everything_set() {
    let t = table(
        "columns: { time: timestamp, a: { type: float, fail_range: [1, null], warn_delta: 3, valid_std: 2.5 } }\n\
         coordinates: time\nquality:\n  - check: increasing\n    name: order\n    columns: coordinates\n    \
         then: [sort_descending, warn, fail]\n    tolerate: 5%\n    correction: Sorted\n    null_is: fail\n  \
         - { check: fail_min, columns: a, then: [remove, interpolate, flag], assessment: indeterminate, bit: 31, meaning: M }\n  \
         - { sql: a < 5, columns: [a] }\n",
    );
    let [order, least, sql] = t.quality.as_slice() else { panic!("{:?}", t.quality) };
    assert_eq!(order.check, QualityCheck::Ordered(Order::Increasing));
    assert_eq!(order.then, [Then::Sort { descending: true }, Then::Warn, Then::Fail]);
    assert_eq!((order.name.as_str(), order.tolerate, order.null_fails), ("order", Some(0.05), true));
    assert_eq!(order.correction.as_deref(), Some("Sorted"));
    assert_eq!(order.columns, ["time"]);
    assert!(order.bits.is_empty());
    assert_eq!(least.check, QualityCheck::Min(Level::Fail));
    assert_eq!(bits(least), [("a", 30)]);
    assert_eq!(sql.check, QualityCheck::Sql("a < 5".into()));
    let a = &t.columns[1];
    assert_eq!(a.fail_range, Some(Range { min: Some(1.0), max: None }));
    assert_eq!((a.warn_delta, a.valid_std), (Some(3.0), Some(2.5)));
    assert_eq!(
        t.flags_of("a"),
        Some(Flags {
            masks: vec![1, 1 << 30],
            meanings: vec!["Not so: a < 5".into(), "M".into()],
            assessments: vec![Assessment::Bad, Assessment::Indeterminate],
        })
    );
    assert_eq!(t.flags_of("time"), None);
}

/// A column has the bits of the checks that apply to it, each the next free one.
#[test]
fn bits_are_counted_column_by_column() {
    let t = table(
        "columns:\n  time: timestamp\n  s: string\n  a: { type: float, valid_range: [0, null] }\n  \
         b: { type: float, valid_range: [null, 1], warn_range: [0, 1] }\nquality:\n  \
         - { check: warn_min, columns: all }\n  - { check: valid_min, columns: all }\n  \
         - { check: valid_max, columns: all }\n  - { check: missing, columns: all, except: a }\n  \
         - { check: monotonic, columns: [b, a], bit: 2, meaning: Order }\n  \
         - { check: valid_max, name: again, columns: [b], bit: 2, meaning: Order }\n",
    );
    let all: Vec<_> = t.quality.iter().map(|q| (q.name.as_str(), q.columns.clone(), bits(q))).collect();
    let columns = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        all,
        [
            ("warn_min", columns(&["b"]), vec![("b", 0)]),
            ("valid_min", columns(&["a"]), vec![("a", 0)]),
            ("valid_max", columns(&["b"]), vec![("b", 2)]),
            ("missing", columns(&["s", "b"]), vec![("s", 0), ("b", 3)]),
            ("monotonic", columns(&["a", "b"]), vec![("a", 1), ("b", 1)]),
            ("again", columns(&["b"]), vec![("b", 1)]),
        ]
    );
    assert_eq!(t.quality[0].assessment, Assessment::Indeterminate);
    let flags = t.flags_of("b").unwrap();
    assert_eq!(flags.masks, [1, 2, 4, 8]);
    assert_eq!(flags.meanings[1], "Order");
}

/// As older configurations of instruments do: the bit says what it would mean
/// where a column has no threshold.
#[test]
fn a_written_bit_is_declared_on_every_column_meant() {
    let t = table(
        "columns: { time: timestamp, s: string, a: float, b: { type: float, fail_range: [0, 1] } }\n\
         quality: [{ check: fail_max, columns: all, bit: 3 }]\n",
    );
    assert_eq!(t.quality[0].columns, ["b"]);
    assert_eq!(bits(&t.quality[0]), [("s", 2), ("a", 2), ("b", 2)]);
    assert_eq!(t.flags_of("a").unwrap().masks, [4]);
}

#[test]
fn checks_of_one_column_have_names_of_their_own() {
    let t = table(
        "columns: { time: timestamp, a: float }\nquality:\n  - { check: missing, columns: coordinates }\n  \
         - { check: missing, columns: all }\n  - { check: missing, columns: a }\n",
    );
    let names: Vec<_> = t.quality.iter().map(|q| q.name.as_str()).collect();
    assert_eq!(names, ["missing", "missing", "missing_2"]);
}
