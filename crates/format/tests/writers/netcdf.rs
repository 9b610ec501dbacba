//! Rows to netCDF-4 and back through the reader.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::*;
use bytes::Bytes;
use lakegate_domain::model::{Caps, Column, Evolve, Format, Netcdf, Read};
use lakegate_domain::units::Conversion;
use lakegate_format::conform::{Plan, Target, conform_typed};
use lakegate_format::netcdf::stated::Stated;
use lakegate_format::netcdf::write::{
    Attribute, Declared, Dimension, Origin, Storage, Value, Variable, WriteError, Writer, write,
};
use lakegate_format::open::{Payload, Source, open_with};
use proptest::prelude::*;

fn read(bytes: Vec<u8>, dimension: &str) -> RecordBatch {
    let options = Netcdf { dimensions: vec![dimension.into()], ..Netcdf::default() };
    let read = Read {
        format: Some(Format::Netcdf(options)),
        member: None,
        streams: Vec::new(),
        caps: Caps::default(),
    };
    let source = Source::Bytes(Bytes::from(bytes));
    let chunks: Vec<_> = open_with(source, "t.nc", &read, &std::env::temp_dir(), 1 << 20)
        .unwrap()
        .map(|chunk| match chunk.unwrap().payload {
            Payload::Typed(batch) => batch,
            Payload::Text(_) => panic!("text where typed rows were expected"),
        })
        .collect();
    arrow::compute::concat_batches(&chunks[0].schema(), &chunks).unwrap()
}

fn variable(name: &str, dimensions: &[&str], storage: Storage) -> Variable {
    Variable {
        name: name.into(),
        origin: Origin::Column(name.into()),
        dimensions: dimensions.iter().map(|d| d.to_string()).collect(),
        storage,
        attributes: Vec::new(),
    }
}

fn declared(variables: Vec<Variable>) -> Declared {
    Declared {
        attributes: vec![Attribute::new("Conventions", "CF-1.8")],
        rows: "time".into(),
        unlimited: true,
        dimensions: vec![Dimension { name: "depth".into(), size: 2 }],
        variables,
        compression: 4,
    }
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap()
}

fn failure(declared: Declared, batch: &RecordBatch) -> String {
    write(declared, std::slice::from_ref(batch)).unwrap_err().to_string()
}

#[test]
fn declared_types_and_what_is_missing() {
    let rows = batch(vec![
        ("time", Arc::new(TimestampMicrosecondArray::from(vec![0, 1_500_000]).with_timezone("UTC"))),
        ("t", Arc::new(Float64Array::from(vec![Some(1.5), None]))),
        ("n", Arc::new(Int64Array::from(vec![None, Some(7)]))),
        ("name", Arc::new(StringArray::from(vec![Some("Ærø"), None]))),
        ("code", Arc::new(StringArray::from(vec!["ab", "c"]))),
        ("site", Arc::new(StringArray::from(vec!["x", "x"]))),
    ]);
    let mut t = variable("t", &["time"], Storage::Float);
    t.attributes = vec![
        Attribute::new("_FillValue", Value::Float(vec![-9999.0])),
        Attribute::new("units", "degC"),
        Attribute::new("valid_range", Value::Float(vec![-5.0, 40.0])),
    ];
    let mut time = variable("time", &["time"], Storage::Double);
    time.attributes = vec![Attribute::new("units", "minutes since 2000-01-01 00:00:00")];
    let depth = Variable {
        origin: Origin::Constant(Arc::new(Float64Array::from(vec![0.5, 10.0]))),
        ..variable("depth", &["depth"], Storage::Double)
    };
    let file = declared(vec![
        time,
        t,
        variable("n", &["time"], Storage::Short),
        variable("name", &["time"], Storage::String),
        variable("code", &["time"], Storage::Char(4)),
        variable("site", &[], Storage::String),
        depth,
    ]);
    let bytes = write(file, &[rows]).unwrap();
    let got = read(bytes, "time");
    let time = got.column_by_name("time").unwrap().as_primitive::<TimestampMicrosecondType>();
    assert_eq!(time.values(), &[0, 1_500_000]);
    let t = got.column_by_name("t").unwrap().as_primitive::<Float32Type>();
    assert_eq!(t.iter().collect::<Vec<_>>(), [Some(1.5), None]);
    let field = got.schema().field_with_name("t").unwrap().clone();
    assert_eq!(field.metadata()["unit"], "degC");
    assert_eq!(field.metadata()["valid_range"], "-5,40");
    let n = got.column_by_name("n").unwrap().as_primitive::<Int16Type>();
    assert_eq!(n.iter().collect::<Vec<_>>(), [None, Some(7)]);
    let texts = |name: &str| {
        let array = got.column_by_name(name).unwrap().as_string::<i32>().clone();
        array.iter().map(|t| t.map(str::to_string)).collect::<Vec<_>>()
    };
    assert_eq!(texts("name"), [Some("Ærø".to_string()), None]);
    assert_eq!(texts("code"), [Some("ab".to_string()), Some("c".to_string())]);
    assert_eq!(texts("site"), [Some("x".to_string()), Some("x".to_string())]);
    assert!(got.column_by_name("depth").is_none());
}

#[test]
fn lists_are_dimensions() {
    let rows = vec![Some(vec![Some(1.0), None]), None, Some(vec![Some(3.0), Some(4.0)])];
    let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(rows));
    let levels: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(
        (0..3).map(|_| Some(vec![Some(0.5), Some(10.0)])),
    ));
    let file = || {
        declared(vec![
            variable("v", &["time", "depth"], Storage::Double),
            variable("depth", &["depth"], Storage::Float),
        ])
    };
    let got =
        read(write(file(), &[batch(vec![("v", list.clone()), ("depth", levels.clone())])]).unwrap(), "time");
    let v = got.column_by_name("v").unwrap().as_list::<i32>();
    let of = |row: usize| v.value(row).as_primitive::<Float64Type>().iter().collect::<Vec<_>>();
    // A missing list is one of missing values.
    assert_eq!((of(0), of(1), of(2)), (vec![Some(1.0), None], vec![None, None], vec![Some(3.0), Some(4.0)]));
    assert_eq!(got.column_by_name("depth").unwrap().as_list::<i32>().value(2).len(), 2);

    let short: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(vec![
        Some(vec![Some(1.0), None]),
        Some(vec![Some(1.0)]),
        None,
    ]));
    let said = failure(file(), &batch(vec![("v", short), ("depth", levels)]));
    assert_eq!(said, "netCDF variable `v`, row 2: a list of 1 where its dimension has 2");
    let other: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(
        [0.5f32, 0.5, 9.0].map(|f| Some(vec![Some(f), Some(10.0)])),
    ));
    let said = failure(file(), &batch(vec![("v", list), ("depth", other)]));
    assert!(said.starts_with("netCDF variable `depth`, row 3: it has no dimension `time`"), "{said}");
}

/// As the reader finds them, and as they lie in the file.
#[test]
fn rows_need_not_come_first() {
    let lists = (0..3).map(|row| Some((0..2).map(move |d| Some(row * 10 + d))));
    let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists));
    let mut file = declared(vec![variable("v", &["depth", "time"], Storage::Int)]);
    file.unlimited = false;
    let bytes = write(file, &[batch(vec![("v", list.clone())])]).unwrap();
    let got = read(bytes.clone(), "time");
    let back = got.column_by_name("v").unwrap();
    assert_eq!(back.as_list::<i32>().values(), list.as_list::<i32>().values());
    // Along the other dimension they are a table of two rows.
    let turned = read(bytes, "depth");
    let steps = turned.column_by_name("v").unwrap().as_list::<i32>().values().clone();
    assert_eq!(steps.as_primitive::<Int32Type>().values(), &[0, 10, 20, 1, 11, 21]);
    let stated = Stated::of(turned.schema().field(0).metadata()).unwrap();
    assert_eq!(stated.dimensions, Some(vec!["depth".into(), "time".into()]));
    assert_eq!(stated.rows.as_deref(), Some("depth"));
}

#[test]
fn what_has_no_place_is_an_error() {
    let of = |storage: Storage, array: ArrayRef| {
        failure(declared(vec![variable("v", &["time"], storage)]), &batch(vec![("v", array)]))
    };
    let floats = |v: &[f64]| Arc::new(Float64Array::from(v.to_vec())) as ArrayRef;
    let ints = |v: &[i64]| Arc::new(Int64Array::from(v.to_vec())) as ArrayRef;
    assert_eq!(
        of(Storage::Int, floats(&[1.0, 1.5])),
        "netCDF variable `v`, row 2: 1.5 is no value of its type"
    );
    assert_eq!(
        of(Storage::Short, ints(&[40_000])),
        "netCDF variable `v`, row 1: 40000 is no value of its type"
    );
    assert!(of(Storage::Float, floats(&[1e300])).contains("beyond its type"));
    assert!(of(Storage::Double, ints(&[9_007_199_254_740_993])).contains("would be rounded"));
    assert!(
        of(Storage::Int, ints(&[3, -2_147_483_647])).contains("row 2: its value stands for a missing one")
    );
    let times = Arc::new(TimestampMicrosecondArray::from(vec![1])) as ArrayRef;
    assert!(of(Storage::Int64, times.clone()).contains("no whole number of its unit"));
    assert!(
        of(Storage::Float, Arc::new(TimestampSecondArray::from(vec![1_606_780_801])) as ArrayRef)
            .contains("declare `double`")
    );
    let text = |t: &str| Arc::new(StringArray::from(vec![t.to_string()])) as ArrayRef;
    assert!(of(Storage::Char(2), text("abc")).contains("longer than 2 bytes"));
    assert!(of(Storage::String, text("a\0b")).contains("NUL"));
    assert!(of(Storage::Double, text("warm")).contains("`warm` is no number"));

    let one = |v: Variable| failure(declared(vec![v]), &batch(vec![("v", ints(&[1, 5]))]));
    let with = |storage, name: &str, value: Value| {
        let attributes = vec![Attribute::new(name, value)];
        one(Variable { attributes, ..variable("v", &["time"], storage) })
    };
    assert!(with(Storage::Int, "_FillValue", Value::Int(vec![5])).contains("row 2: it is the _FillValue"));
    assert!(
        with(Storage::Int, "_FillValue", Value::Double(vec![5.0])).contains("not of the variable's type")
    );
    assert!(one(variable("v", &["depth", "time"], Storage::Int)).contains("more dimensions"));
    assert!(one(variable("v", &["time", "x"], Storage::Int)).contains("not declared"));
    assert!(one(variable("v", &["time", "depth"], Storage::Int)).contains("more dimensions"));
    let twice =
        declared(vec![variable("v", &["time"], Storage::Int), variable("v", &["time"], Storage::Int)]);
    assert!(matches!(Writer::new(twice), Err(WriteError::Declaration(why)) if why.contains("twice")));
    let units = Attribute::new("units", "months since 2000-01-01");
    let v = Variable { attributes: vec![units], ..variable("v", &["time"], Storage::Double) };
    assert!(failure(declared(vec![v]), &batch(vec![("v", times)])).contains("seconds since 1970-01-01"));
}

/// From a file in one unit to a table in another: what `from_unit` does.
#[test]
fn units_of_a_file_become_those_of_a_table() {
    let raw: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int16Type, _, _>(vec![
        Some(vec![Some(0), Some(300)]),
        Some(vec![None, Some(273)]),
    ]));
    let pressure: ArrayRef = Arc::new(Float32Array::from(vec![1013.25, 0.1]));
    let file = declared(vec![
        variable("t", &["time", "depth"], Storage::Short),
        variable("p", &["time"], Storage::Float),
    ]);
    let rows = read(write(file, &[batch(vec![("t", raw), ("p", pressure)])]).unwrap(), "time");

    let measured = |name: &str, from: &str, to: &str, data_type: &DataType| {
        let conversion = Some(Conversion::between(from, to).unwrap());
        Target::untyped(
            Column { conversion, unit: Some(to.into()), ..Column::named(name) },
            data_type.clone(),
        )
    };
    let schema = rows.schema();
    let of = |name: &str| schema.field_with_name(name).unwrap().data_type();
    let plan = Plan {
        targets: vec![measured("t", "K", "degC", of("t")), measured("p", "mbar", "hPa", of("p"))],
        evolve: Evolve::Fixed,
        timezone: "UTC".into(),
        nulls: Vec::new(),
    };
    let table = conform_typed(&plan, &rows, 1).unwrap().batch;
    let t = table.column(0).as_list::<i32>();
    let celsius = |row: usize| t.value(row).as_primitive::<Float64Type>().iter().collect::<Vec<_>>();
    assert_eq!(celsius(0), [Some(-273.15), Some(26.85)]);
    assert_eq!(celsius(1), [None, Some(-0.15)]);
    assert_eq!(table.column(1).as_primitive::<Float32Type>().values(), &[1013.25, 0.1]);
}

#[test]
fn a_table_without_rows_is_a_file() {
    let file = declared(vec![
        variable("time", &["time"], Storage::Double),
        variable("v", &["depth", "time"], Storage::Double),
        variable("s", &["time"], Storage::String),
    ]);
    let bytes = write(file, &[]).unwrap();
    assert_eq!(read(bytes, "time").num_rows(), 0);
}

/// A column of any type, and what comes back of it.
fn column(n: usize) -> impl Strategy<Value = ArrayRef> {
    fn vector<T: std::fmt::Debug + Clone>(
        s: impl Strategy<Value = T>,
        n: usize,
    ) -> impl Strategy<Value = Vec<Option<T>>> {
        proptest::collection::vec(proptest::option::weighted(0.8, s), n)
    }
    const US: i64 = 4_000_000_000_000_000;
    prop_oneof![
        vector(any::<i16>().prop_filter("fill", |v| *v != -32_767), n)
            .prop_map(|v| Arc::new(Int16Array::from(v)) as ArrayRef),
        vector(any::<i32>().prop_filter("fill", |v| *v != -2_147_483_647), n)
            .prop_map(|v| Arc::new(Int32Array::from(v)) as ArrayRef),
        vector(any::<i64>().prop_filter("fill", |v| *v != -9_223_372_036_854_775_806), n)
            .prop_map(|v| Arc::new(Int64Array::from(v)) as ArrayRef),
        vector(any::<u8>().prop_filter("fill", |v| *v != 255), n)
            .prop_map(|v| Arc::new(UInt8Array::from(v)) as ArrayRef),
        vector(any::<f32>(), n).prop_map(|v| Arc::new(Float32Array::from(v)) as ArrayRef),
        vector(any::<f64>(), n).prop_map(|v| Arc::new(Float64Array::from(v)) as ArrayRef),
        vector(any::<bool>(), n).prop_map(|v| Arc::new(BooleanArray::from(v)) as ArrayRef),
        vector("[a-zé🌊 ]{1,6}", n).prop_map(|v| Arc::new(StringArray::from(v)) as ArrayRef),
        vector(-US..US, n)
            .prop_map(|v| Arc::new(TimestampMicrosecondArray::from(v).with_timezone("UTC")) as ArrayRef),
    ]
}

/// Whether what lists hold in the end are truth values.
fn has_truths(t: &DataType) -> bool {
    match t {
        DataType::List(f) => has_truths(f.data_type()),
        t => *t == DataType::Boolean,
    }
}

/// Wraps `n * product` values in lists.
fn listed(values: ArrayRef, lengths: &[usize]) -> ArrayRef {
    lengths.iter().rev().fold(values, |values, length| {
        let element = Arc::new(Field::new("element", values.data_type().clone(), true));
        let n = values.len() / length;
        let offsets = arrow::buffer::OffsetBuffer::from_lengths(std::iter::repeat_n(*length, n));
        Arc::new(ListArray::new(element, offsets, values, None))
    })
}

fn table() -> impl Strategy<Value = (usize, Vec<(Vec<usize>, ArrayRef)>)> {
    let lengths = proptest::collection::vec(1usize..4, 0..3);
    (1usize..12, proptest::collection::vec(lengths, 1..6)).prop_flat_map(|(n, lengths)| {
        let columns: Vec<_> =
            lengths.into_iter().map(|l| (Just(l.clone()), column(n * l.iter().product::<usize>()))).collect();
        (Just(n), columns)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Table to netCDF to table: the same values, missing ones and types, in one
    /// or two pieces, compressed or not, the rows anywhere among the dimensions.
    #[test]
    fn there_and_back((n, columns) in table(), split in 0usize..12, compression in 0u8..5, at in 0usize..4) {
        let named: Vec<(String, Vec<usize>, ArrayRef)> = columns
            .into_iter()
            .enumerate()
            .map(|(at, (lengths, values))| (format!("c{at}"), lengths.clone(), listed(values, &lengths)))
            .collect();
        let rows = batch(named.iter().map(|(name, _, array)| (name.as_str(), array.clone())).collect());
        let mut file = Declared {
            attributes: Vec::new(),
            rows: "row".into(),
            unlimited: compression % 2 == 0,
            dimensions: Vec::new(),
            variables: Vec::new(),
            compression,
        };
        for (name, lengths, array) in &named {
            let mut dimensions: Vec<String> = (0..lengths.len()).map(|n| format!("{name}_{n}")).collect();
            let of = |(n, length): (usize, &usize)| Dimension { name: dimensions[n].clone(), size: *length as u64 };
            file.dimensions.extend(lengths.iter().enumerate().map(of));
            dimensions.insert(at.min(dimensions.len()), "row".into());
            let storage = Storage::of(array.data_type());
            let attributes = match array.data_type() {
                _ if has_truths(array.data_type()) => vec![Attribute::new("dtype", "bool")],
                _ => Vec::new(),
            };
            let origin = Origin::Column(name.clone());
            file.variables.push(Variable { name: name.clone(), origin, dimensions, storage, attributes });
        }
        let split = split.min(n);
        let bytes = write(file, &[rows.slice(0, split), rows.slice(split, n - split)]).unwrap();
        let got = read(bytes, "row");
        prop_assert_eq!(got.num_rows(), n);
        for (name, _, array) in &named {
            let back = got.column_by_name(name).unwrap();
            // Fields of lists may have other names.
            let same_type = arrow::compute::cast(array, back.data_type()).unwrap();
            prop_assert_eq!(back, &same_type);
        }
    }
}
