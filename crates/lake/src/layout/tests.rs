//! Partitions of times, and layouts that outlive the configuration.

use lakegate_domain::TableName;

use super::*;
use crate::log::TableLog;

fn plan() -> Plan {
    let at = Target::declared(Column::named("at"), Kind::Timestamp);
    let city = Target::declared(Column::named("city"), Kind::String);
    Plan { targets: vec![at, city], evolve: Evolve::Add, timezone: "UTC".into(), nulls: Vec::new() }
}

fn by(column: &str, unit: TimeUnit) -> PartitionBy {
    PartitionBy::Time { column: column.into(), unit }
}

const EXTRAS: Extras = Extras { provenance: true, rescued: false, flags: false };

fn times(times: &[Option<i64>]) -> RecordBatch {
    let rows = Int64Array::from_iter_values(11..11 + times.len() as i64);
    RecordBatch::try_from_iter_with_nullable([
        (
            "at",
            Arc::new(TimestampMicrosecondArray::from(times.to_vec()).with_timezone("UTC")) as ArrayRef,
            true,
        ),
        (ROW, Arc::new(rows) as ArrayRef, true),
    ])
    .unwrap()
}

const FIRST: i64 = -62_135_596_800_000_000;
const LAST: i64 = 253_402_300_799_999_999;

#[test]
fn every_time_of_the_calendar_has_a_partition() {
    let units = [TimeUnit::Hour, TimeUnit::Day, TimeUnit::Month].map(|u| by("at", u));
    let batch = with_partitions(times(&[Some(0), None, Some(FIRST), Some(LAST)]), &units).unwrap();
    let column = |name: &str| {
        let array = batch.column_by_name(name).unwrap();
        let text = |i: usize| arrow::util::display::array_value_to_string(array, i).unwrap();
        (0..4).map(text).collect::<Vec<_>>().join("|")
    };
    assert_eq!(column("at_hour"), "1970-01-01T00||0001-01-01T00|9999-12-31T23");
    assert_eq!(column("at_day"), "1970-01-01||0001-01-01|9999-12-31");
    assert_eq!(column("at_month"), "1970-01-01||0001-01-01|9999-12-01");
}

#[test]
fn a_time_outside_the_calendar_is_a_failure_that_names_its_row() {
    let column = PartitionBy::Column("at".into());
    for p in [column, by("at", TimeUnit::Hour), by("at", TimeUnit::Day), by("at", TimeUnit::Month)] {
        for wrong in [i64::MAX, i64::MIN, FIRST - 1, LAST + 1] {
            let failed =
                with_partitions(times(&[Some(0), Some(wrong)]), std::slice::from_ref(&p)).unwrap_err();
            assert_eq!(failed.code, Code::DoesNotFit);
            assert!(failed.message.starts_with("row 12, column `at`"), "{failed}");
        }
    }
    let days: ArrayRef = Arc::new(Date32Array::from(vec![0, i32::MAX]));
    let days = RecordBatch::try_from_iter([("at", days)]).unwrap();
    assert_eq!(with_partitions(days, &[by("at", TimeUnit::Month)]).unwrap_err().code, Code::DoesNotFit);
}

#[tokio::test]
async fn a_table_keeps_its_layout_whatever_is_declared_later() {
    let layout =
        vec![PartitionBy::Column("city".into()), by("at", TimeUnit::Month), by(LOADED_AT, TimeUnit::Day)];
    let wanted = schema(&plan(), &layout, EXTRAS).unwrap();
    let names: Vec<&str> = wanted.fields().iter().map(|f| f.name().as_str()).collect();
    assert_eq!(names, ["at", "city", "at_month", "_loaded_at_day", FILE_ID, ROW, LOADED_AT]);

    let storage = tempfile::tempdir().unwrap();
    let name = TableName { team: "t".into(), dataset: "d".into(), table: "x".into() };
    let columns: Vec<String> = layout.iter().map(PartitionBy::column_name).collect();
    TableLog::open(storage.path(), &name, &[]).await.unwrap().create(wanted, &columns, None).await.unwrap();

    let log = TableLog::open(storage.path(), &name, &[]).await.unwrap();
    let stored = log.schema().unwrap();
    assert_eq!(stored_partitions(stored, log.partition_columns()), layout);
    // What is derived is no column of the data, also where one is declared of its name.
    let mut declared: Vec<Column> = plan().targets.into_iter().map(|t| t.spec).collect();
    declared.push(Column { kind: Some(Kind::Date), ..Column::named("at_month") });
    let again = plan_of(stored, &declared, Evolve::Add, "UTC", Vec::new());
    let names: Vec<&str> = again.targets.iter().map(|t| t.spec.name.as_str()).collect();
    assert_eq!(names, ["at", "city"]);
}

#[test]
fn what_makes_no_partition_is_said_when_the_columns_are_known() {
    let mut plan = plan();
    let list = DataType::List(Arc::new(Field::new("element", DataType::Int64, true)));
    plan.targets.push(Target::inferred("list", list));
    for (by, code, says) in [
        (PartitionBy::Column("nope".into()), Code::MissingColumn, "`nope` is not in the table"),
        (PartitionBy::Column("list".into()), Code::DoesNotFit, "its type is list<int>"),
        (
            by("city", TimeUnit::Day),
            Code::DoesNotFit,
            "`day(city)` needs a time, but the type of `city` is string",
        ),
    ] {
        let failed = schema(&plan, &[by], EXTRAS).unwrap_err();
        assert_eq!(failed.code, code);
        assert!(failed.message.contains(says), "{failed}");
    }
}
