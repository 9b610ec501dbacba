//! Values in one unit that land in another, from text and from typed files.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Schema};
use lakegate_domain::model::{Column, Evolve, Kind};
use lakegate_domain::units::Conversion;
use lakegate_format::conform::{Conformed, Plan, Target, conform_text, conform_typed};

use crate::*;

fn measured(name: &str, kind: Kind, from: &str, to: &str) -> Target {
    let conversion = Some(Conversion::between(from, to).expect("units that convert"));
    Target::declared(
        Column { kind: Some(kind), unit: Some(to.into()), conversion, ..Column::named(name) },
        kind,
    )
}

fn plan(targets: Vec<Target>) -> Plan {
    Plan { targets, evolve: Evolve::Add, timezone: "UTC".into(), nulls: vec!["-999".into()] }
}

fn conformed(bytes: &str, name: &str, read: &Read, plan: &Plan) -> Conformed {
    let chunks = chunks_of(bytes, name, read, CHUNK).unwrap();
    conform_text(plan, &parsed(&chunks[0]).unwrap(), 1).unwrap()
}

fn floats(batch: &RecordBatch, at: usize) -> Vec<Option<f64>> {
    batch.column(at).as_primitive::<Float64Type>().iter().collect()
}

#[test]
fn csv_and_json_and_typed_rows_agree() {
    let plan = plan(vec![
        measured("p", Kind::Float, "mbar", "hPa"),
        measured("t", Kind::Float, "degF", "degC"),
        measured("v", Kind::Float32, "km/h", "m s-1"),
    ]);
    let csv = "p,t,v\n1013.25,212,36\n-999,-40,\n0.1,-999.000,7.2\n";
    let json = r#"[{"p":1013.25,"t":212,"v":36},{"p":-999,"t":-40},{"p":0.1,"t":null,"v":7.2}]"#;
    let typed = RecordBatch::try_from_iter([
        ("p", Arc::new(Float64Array::from(vec![Some(1013.25), Some(-999.0), Some(0.1)])) as ArrayRef),
        ("t", Arc::new(Int32Array::from(vec![Some(212), Some(-40), None]))),
        ("v", Arc::new(StringArray::from(vec![Some("36"), None, Some("7.2")]))),
    ])
    .unwrap();
    let tables = [
        conformed(csv, "t.csv", &reads(None), &plan),
        conformed(json, "t.json", &as_json(""), &plan),
        conform_typed(&plan, &typed, 1).unwrap(),
    ];
    for table in tables {
        assert!(table.rescued.is_none());
        assert_eq!(floats(&table.batch, 0), [Some(1013.25), None, Some(0.1)]);
        assert_eq!(floats(&table.batch, 1), [Some(100.0), Some(-40.0), None]);
        let speeds: Vec<_> = table.batch.column(2).as_primitive::<Float32Type>().iter().collect();
        assert_eq!(speeds, [Some(10.0), None, Some(2.0)]);
    }
}

#[test]
fn what_is_no_number_is_rescued_as_it_came() {
    let mut plan = plan(vec![measured("t", Kind::Float, "Mm", "nm")]);
    plan.targets[0].spec.default = Some(lakegate_domain::model::Scalar::Float(5.0));
    // The default is in the new unit; what became infinite had no place there.
    let table = conformed("t\n1\nwarm\n\n1e300\ninf\n", "t.csv", &reads(None), &plan);
    let inf = f64::INFINITY;
    assert_eq!(floats(&table.batch, 0), [Some(1e15), Some(5.0), Some(5.0), Some(inf)]);
    let rescued = table.rescued.unwrap();
    assert_eq!(rescued[1].as_deref(), Some(r#"{"t":"warm"}"#));
    assert_eq!(rescued[2].as_deref(), Some(r#"{"t":"1e300"}"#));
    assert_eq!((&rescued[0], &rescued[3]), (&None, &None));

    plan.evolve = Evolve::Fixed;
    let chunks = chunks_of("t\n1\n1e300\n", "t.csv", &reads(None), CHUNK).unwrap();
    let e = conform_text(&plan, &parsed(&chunks[0]).unwrap(), 1).unwrap_err();
    assert!(e.message.starts_with("row 2, column `t`: \"1e300\""), "{e}");
}

/// A column without a type: integers and lists of them become doubles.
#[test]
fn lists_are_converted_within() {
    let element = |t| Arc::new(Field::new("element", t, true));
    let conversion = Some(Conversion::between("K", "degC").unwrap());
    let spec = Column { conversion, unit: Some("degC".into()), ..Column::named("t") };
    let raw = DataType::List(element(DataType::Int16));
    let target = Target::untyped(spec.clone(), raw);
    assert_eq!(target.data_type, DataType::List(element(DataType::Float64)));
    assert_eq!(Target::untyped(spec.clone(), DataType::Float32).data_type, DataType::Float32);
    assert_eq!(Target::untyped(spec, DataType::Utf8).data_type, DataType::Float64);

    let rows = vec![Some(vec![Some(0i16), None, Some(300)]), None, Some(vec![])];
    let list = ListArray::from_iter_primitive::<arrow::datatypes::Int16Type, _, _>(rows);
    let schema = Arc::new(Schema::new(vec![Field::new("t", list.data_type().clone(), true)]));
    let batch = RecordBatch::try_new(schema, vec![Arc::new(list)]).unwrap();
    let table = conform_typed(&plan(vec![target]), &batch, 1).unwrap();
    assert!(table.rescued.is_none());
    let got = table.batch.column(0).as_list::<i32>();
    assert!(got.is_null(1) && got.value(2).is_empty());
    let first: Vec<_> = got.value(0).as_primitive::<Float64Type>().iter().collect();
    assert_eq!(first, [Some(-273.15), None, Some(26.85)]);
}
