use arrow::datatypes::TimeUnit;
use lakegate_domain::model::{Column, GridLimits};

use super::*;

fn minutes(n: i64) -> i64 {
    n * 60_000_000
}

fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn table(every: i64, align: Align) -> Table {
    let every = std::time::Duration::from_micros(minutes(every) as u64);
    Table {
        coordinates: vec!["time".into()],
        columns: vec![Column::named("time"), Column::named("v")],
        grid: Some(Grid {
            every,
            method: Method::Average,
            align,
            width: every,
            range: None,
            columns: [("at".to_string(), Method::Nearest)].into_iter().collect(),
            limits: GridLimits::default(),
            constants: vec!["site".into()],
        }),
        ..Table::default()
    }
}

fn times(minutes_: &[Option<i64>]) -> ArrayRef {
    let all: TimestampMicrosecondArray = minutes_.iter().map(|m| m.map(minutes)).collect();
    Arc::new(all.with_timezone("UTC"))
}

fn apply(table: &Table, columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch, Failure> {
    let fields: Vec<Field> =
        columns.iter().map(|(name, c)| Field::new(*name, c.data_type().clone(), true)).collect();
    let n = columns[0].1.len() as i64;
    let stage = GridStage::compile(table, Arc::new(Schema::new(fields)))?.unwrap();
    let rows = Rows {
        columns: columns.into_iter().map(|(_, c)| c).collect(),
        numbers: (1..=n).collect(),
        rescued: None,
    };
    let made = stage.apply(Flagged { rows, flags: Vec::new() }, 64 << 20)?;
    let mut fields: Vec<FieldRef> = stage.output().fields().iter().cloned().collect();
    let mut arrays = made.rows.columns.clone();
    // Flags by the columns of the output: those of a companion are none.
    for (at, flags) in made.flags.into_iter().enumerate() {
        if let Some(flags) = flags {
            fields.push(Arc::new(Field::new(
                format!("qc_{}", fields[at].name()),
                flags.data_type().clone(),
                true,
            )));
            arrays.push(flags);
        }
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap())
}

fn shown(batch: &RecordBatch) -> String {
    arrow::util::pretty::pretty_format_batches(std::slice::from_ref(batch)).unwrap().to_string()
}

#[test]
fn labels_are_multiples_of_the_step_that_hold_all_times() {
    for (align, want) in
        [(Align::Left, vec![0, 10, 20]), (Align::Center, vec![0, 10, 20]), (Align::Right, vec![10, 20, 30])]
    {
        let stage = GridStage::compile(
            &table(10, align),
            Arc::new(Schema::new(vec![Field::new("time", time_type(), true)])),
        );
        let stage = stage.unwrap().unwrap();
        let want: Vec<i64> = want.into_iter().map(minutes).collect();
        assert_eq!(stage.labels(&[minutes(0), minutes(20)], 1 << 20).unwrap(), want, "{align:?}");
        // Before 1970 too.
        assert_eq!(stage.labels(&[minutes(-10)], 1 << 20).unwrap().len(), 1);
        assert!(stage.labels(&[], 1 << 20).unwrap().is_empty());
    }
    let stage = GridStage::compile(
        &table(10, Align::Center),
        Arc::new(Schema::new(vec![Field::new("time", time_type(), true)])),
    );
    let far = stage.unwrap().unwrap().labels(&[minutes(0), minutes(5_000_000_000)], 1 << 20).unwrap_err();
    assert_eq!(far.code, Code::TooLargeToHold);
    assert!(
        far.message.contains("1970-01-01T00:00:00Z") && far.message.contains("500000001 rows"),
        "{}",
        far.message
    );
}

#[test]
fn rows_come_to_the_grid() {
    let given = vec![
        ("time", times(&[Some(12), Some(0), None, Some(4), Some(33)])),
        (
            "v",
            Arc::new(Float64Array::from(vec![Some(7.0), Some(1.0), Some(99.0), None, Some(3.0)])) as ArrayRef,
        ),
        ("kind", Arc::new(StringArray::from(vec!["b", "a", "x", "a", "c"]))),
        ("site", Arc::new(StringArray::from(vec!["z05"; 5]))),
    ];
    let made = apply(&table(10, Align::Left), given).unwrap();
    let want = "\
+----------------------+-----+-------+----------------+------+------+------+---------+
| time                 | v   | v_std | v_goodfraction | kind | site | qc_v | qc_kind |
+----------------------+-----+-------+----------------+------+------+------+---------+
| 1970-01-01T00:00:00Z | 1.0 | 0.0   | 0.5            | a    | z05  | 32   | 0       |
| 1970-01-01T00:10:00Z | 7.0 | 0.0   | 1.0            | b    | z05  | 0    | 0       |
| 1970-01-01T00:20:00Z |     |       | 0.0            | c    | z05  | 129  | 0       |
| 1970-01-01T00:30:00Z | 3.0 | 0.0   | 1.0            | c    | z05  | 0    | 0       |
+----------------------+-----+-------+----------------+------+------+------+---------+";
    assert_eq!(shown(&made), want);
}

#[test]
fn lists_are_averaged_place_by_place() {
    let mut lists = ListBuilder::new(Float32Builder::new());
    for row in [Some(vec![Some(1.0), Some(10.0)]), Some(vec![Some(3.0)]), None, Some(vec![None, Some(30.0)])]
    {
        match row {
            Some(values) => lists.append_value(values),
            None => lists.append_null(),
        }
    }
    let given = vec![
        ("time", times(&[Some(0), Some(1), Some(2), Some(3)])),
        ("v", Arc::new(lists.finish()) as ArrayRef),
    ];
    let made = apply(&table(10, Align::Left), given).unwrap();
    let want = "\
+----------------------+-------------+-------------+----------------+----------+
| time                 | v           | v_std       | v_goodfraction | qc_v     |
+----------------------+-------------+-------------+----------------+----------+
| 1970-01-01T00:00:00Z | [2.0, 20.0] | [1.0, 10.0] | [0.5, 0.5]     | [32, 32] |
+----------------------+-------------+-------------+----------------+----------+";
    assert_eq!(shown(&made), want);
    assert_eq!(made.column(1).data_type(), &DataType::new_list(DataType::Float32, true));
}

#[test]
fn a_file_without_times_has_no_rows_on_the_grid() {
    let given =
        vec![("time", times(&[None, None])), ("v", Arc::new(Float64Array::from(vec![1.0, 2.0])) as ArrayRef)];
    assert_eq!(apply(&table(10, Align::Center), given).unwrap().num_rows(), 0);
    let lacking = vec![("v", Arc::new(Float64Array::from(vec![1.0])) as ArrayRef)];
    assert_eq!(apply(&table(10, Align::Center), lacking).unwrap_err().code, Code::MissingColumn);
}

/// What an origin says of its values decides whether they are used.
#[test]
fn flags_of_the_origin_are_heeded() {
    use lakegate_domain::model::{Quality, QualityCheck, Then};
    let quality = |bit: u32, assessment: Assessment| Quality {
        name: format!("q{bit}"),
        check: QualityCheck::Missing,
        columns: vec!["v".into()],
        bits: [("v".to_string(), bit)].into_iter().collect(),
        then: vec![Then::Flag],
        assessment,
        meaning: String::new(),
        correction: None,
        tolerate: None,
        null_fails: false,
    };
    let origin = Table {
        quality: vec![quality(0, Assessment::Bad), quality(1, Assessment::Indeterminate)],
        ..Table::default()
    };
    let table = Table { origin: Some(Arc::new(origin)), of: Some("b1".into()), ..table(10, Align::Left) };
    let schema =
        Schema::new(vec![Field::new("time", time_type(), true), Field::new("v", DataType::Float64, true)]);
    let stage = GridStage::compile(&table, Arc::new(schema)).unwrap().unwrap();
    let rows = Rows {
        columns: vec![
            times(&[Some(0), Some(1), Some(2), Some(10), Some(20)]),
            Arc::new(Float64Array::from(vec![1.0, 3.0, 1000.0, 5.0, 6.0])),
        ],
        numbers: (1..=5).collect(),
        rescued: None,
    };
    let flags = vec![None, Some(Arc::new(Int32Array::from(vec![0, 2, 3, 1, 0])) as ArrayRef)];
    let made = stage.apply(Flagged { rows, flags }, 1 << 20).unwrap();
    let values: Vec<Option<f64>> = made.rows.columns[1].as_primitive::<Float64Type>().iter().collect();
    assert_eq!(values, [Some(2.0), None, Some(6.0)]);
    let flags = made.flags[1].as_ref().unwrap().as_primitive::<Int32Type>().values().to_vec();
    assert_eq!(flags, [2 | 32, 1 | 32 | 256, 0]);
}
