//! Writes netCDF files for `tests/interop/netcdf.py`, which compares them as
//! other readers see them: `cargo run -p lakegate-format --example netcdf_sample -- FOLDER`.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::Float32Type;
use lakegate_format::netcdf::write::{
    Attribute, Declared, Dimension, Origin, Storage, Value, Variable, write,
};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("give a folder")?;
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("buoy.nc"), write(buoy(), &[rows()?])?)?;
    std::fs::write(folder.join("empty.nc"), write(buoy(), &[])?)?;
    std::fs::write(folder.join("types.nc"), write(types(), &[every_type()?])?)?;
    let many = many()?;
    std::fs::write(folder.join("many.nc"), write(plain(&many), &[many])?)?;
    Ok(())
}

fn variable(name: &str, dimensions: &[&str], storage: Storage, attributes: Vec<Attribute>) -> Variable {
    Variable {
        name: name.into(),
        origin: Origin::Column(name.into()),
        dimensions: dimensions.iter().map(|d| d.to_string()).collect(),
        storage,
        attributes,
    }
}

/// All columns in the types that lose nothing.
fn plain(rows: &RecordBatch) -> Declared {
    let schema = rows.schema();
    let of = |f: &std::sync::Arc<arrow::datatypes::Field>| {
        variable(f.name(), &["row"], Storage::of(f.data_type()), Vec::new())
    };
    Declared {
        attributes: vec![Attribute::new("Conventions", "CF-1.8")],
        rows: "row".into(),
        unlimited: true,
        dimensions: Vec::new(),
        variables: schema.fields().iter().map(of).collect(),
        compression: 4,
    }
}

/// A buoy with a profile of currents, as CF 1.8 has it.
fn buoy() -> Declared {
    let text = |name: &str, value: &str| Attribute::new(name, value);
    let pressure = vec![
        Attribute::new("_FillValue", Value::Double(vec![-9999.0])),
        text("long_name", "Air pressure at 4 m – the mast"),
        text("standard_name", "air_pressure"),
        text("units", "hPa"),
        text("ancillary_variables", "qc_pressure"),
        text("coordinates", "latitude longitude"),
        Attribute::new("fail_range", Value::Double(vec![850.0, 1100.0])),
    ];
    let qc = vec![
        text("long_name", "Quality check results on field: pressure"),
        text("standard_name", "quality_flag"),
        text("units", "1"),
        Attribute::new("flag_masks", Value::Int(vec![1, 2, 4])),
        text("flag_meanings", "missing below_range above_range"),
        Attribute::new(
            "flag_assessments",
            Value::Texts(vec!["Bad".into(), "Bad".into(), "Indeterminate".into()]),
        ),
    ];
    let currents = vec![
        Attribute::new("_FillValue", Value::Float(vec![-999.0])),
        text("long_name", "Current speed"),
        text("standard_name", "sea_water_speed"),
        text("units", "m s-1"),
        text("coordinates", "latitude longitude"),
    ];
    let place = |name: &str, axis: &str, units: &str, value: f64| Variable {
        origin: Origin::Constant(Arc::new(Float64Array::from(vec![value]))),
        ..variable(
            name,
            &[],
            Storage::Double,
            vec![
                text("standard_name", name),
                text("long_name", name),
                text("units", units),
                text("axis", axis),
            ],
        )
    };
    let depth = Variable {
        origin: Origin::Constant(Arc::new(Float32Array::from(vec![4.0, 8.0, 12.0]))),
        ..variable(
            "depth",
            &["depth"],
            Storage::Float,
            vec![
                text("standard_name", "depth"),
                text("long_name", "Depth below the surface"),
                text("units", "m"),
                text("positive", "down"),
                text("axis", "Z"),
            ],
        )
    };
    Declared {
        attributes: vec![
            text("Conventions", "CF-1.8"),
            text("title", "Buoy at the harbour of Ærø"),
            text("history", "made by tests/interop"),
            text("institution", "Harbour"),
            text("source", "buoy"),
            text("references", "none"),
            text("comment", "none"),
            Attribute::new("level", Value::Short(vec![1])),
        ],
        rows: "time".into(),
        unlimited: true,
        dimensions: vec![Dimension { name: "depth".into(), size: 3 }],
        variables: vec![
            variable(
                "time",
                &["time"],
                Storage::Double,
                vec![
                    text("standard_name", "time"),
                    text("long_name", "Time in UTC"),
                    text("units", "seconds since 1970-01-01 00:00:00"),
                    text("calendar", "standard"),
                    text("axis", "T"),
                ],
            ),
            variable("pressure", &["time"], Storage::Double, pressure),
            variable("qc_pressure", &["time"], Storage::Int, qc),
            variable("current_speed", &["time", "depth"], Storage::Float, currents),
            variable(
                "remark",
                &["time"],
                Storage::Char(12),
                vec![text("long_name", "Remark of the observer")],
            ),
            depth,
            place("latitude", "Y", "degrees_north", 54.853),
            place("longitude", "X", "degrees_east", 10.523),
        ],
        compression: 4,
    }
}

fn rows() -> Result<RecordBatch, Box<dyn Error>> {
    let n = 2000i64;
    let time = (0..n).map(|i| 1_606_780_800_000_000 + i * 1_500_000);
    let pressure = (0..n).map(|i| (i % 97 != 5).then(|| 1000.0 + (i as f64) / 7.0));
    let qc = (0..n).map(|i| i32::from(i % 97 == 5));
    let speeds = (0..n).map(|i| {
        (i % 50 != 3).then(|| {
            (0..3).map(|d| (d + i % 11 != 2).then_some(i as f32 / 8.0 + d as f32)).collect::<Vec<_>>()
        })
    });
    let remark = (0..n).map(|i| (i % 3 == 0).then(|| format!("sé {i}")));
    Ok(RecordBatch::try_from_iter_with_nullable([
        (
            "time",
            Arc::new(TimestampMicrosecondArray::from_iter_values(time).with_timezone("UTC")) as ArrayRef,
            true,
        ),
        ("pressure", Arc::new(Float64Array::from_iter(pressure)), true),
        ("qc_pressure", Arc::new(Int32Array::from_iter_values(qc)), true),
        ("current_speed", Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(speeds)), true),
        ("remark", Arc::new(StringArray::from_iter(remark)), true),
    ])?)
}

/// Variables and attributes of every type.
fn types() -> Declared {
    let attributes = vec![
        Attribute::new("byte", Value::Byte(vec![-128, 127])),
        Attribute::new("ubyte", Value::UByte(vec![255])),
        Attribute::new("short", Value::Short(vec![-32768])),
        Attribute::new("ushort", Value::UShort(vec![65535])),
        Attribute::new("int", Value::Int(vec![i32::MIN, 0])),
        Attribute::new("uint", Value::UInt(vec![u32::MAX])),
        Attribute::new("int64", Value::Int64(vec![i64::MIN])),
        Attribute::new("uint64", Value::UInt64(vec![u64::MAX])),
        Attribute::new("float", Value::Float(vec![0.1])),
        Attribute::new("double", Value::Double(vec![0.1, f64::NAN])),
        Attribute::new("text", "Ærø"),
        Attribute::new("empty", ""),
        Attribute::new("texts", Value::Texts(vec!["a".into(), "".into(), "é".into()])),
    ];
    let storages = [
        ("byte", Storage::Byte),
        ("ubyte", Storage::UByte),
        ("short", Storage::Short),
        ("ushort", Storage::UShort),
        ("int", Storage::Int),
        ("uint", Storage::UInt),
        ("int64", Storage::Int64),
        ("uint64", Storage::UInt64),
        ("float", Storage::Float),
        ("double", Storage::Double),
        ("string", Storage::String),
    ];
    Declared {
        attributes: attributes.clone(),
        rows: "row".into(),
        unlimited: false,
        dimensions: vec![],
        variables: storages
            .iter()
            .map(|(name, storage)| variable(name, &["row"], *storage, attributes.clone()))
            .collect(),
        compression: 0,
    }
}

fn every_type() -> Result<RecordBatch, Box<dyn Error>> {
    Ok(RecordBatch::try_from_iter_with_nullable([
        ("byte", Arc::new(Int8Array::from(vec![Some(-128), None, Some(127)])) as ArrayRef, true),
        ("ubyte", Arc::new(UInt8Array::from(vec![Some(0), None, Some(254)])), true),
        ("short", Arc::new(Int16Array::from(vec![Some(-32768), None, Some(32767)])), true),
        ("ushort", Arc::new(UInt16Array::from(vec![Some(0), None, Some(65534)])), true),
        ("int", Arc::new(Int32Array::from(vec![Some(i32::MIN), None, Some(i32::MAX)])), true),
        ("uint", Arc::new(UInt32Array::from(vec![Some(0), None, Some(u32::MAX - 1)])), true),
        ("int64", Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(i64::MAX)])), true),
        ("uint64", Arc::new(UInt64Array::from(vec![Some(0), None, Some(u64::MAX)])), true),
        ("float", Arc::new(Float32Array::from(vec![Some(f32::MIN), None, Some(0.1)])), true),
        ("double", Arc::new(Float64Array::from(vec![Some(f64::MIN), None, Some(0.1)])), true),
        ("string", Arc::new(StringArray::from(vec![Some("Ærø"), None, Some("a\nb")])), true),
    ])?)
}

/// More variables than one node of an index takes, and more chunks of the one
/// that is long.
fn many() -> Result<RecordBatch, Box<dyn Error>> {
    let n = 2_000_000;
    let long = |c: i32| {
        Arc::new(Float64Array::from_iter_values((0..n).map(|i| f64::from(i % 1009 + c)))) as ArrayRef
    };
    let short =
        |c: i32| Arc::new(Int8Array::from_iter_values((0..n).map(|i| ((i + c) % 100) as i8))) as ArrayRef;
    let columns = (0..40).map(|c| (format!("v{c:03}"), if c % 20 == 0 { long(c) } else { short(c) }));
    Ok(RecordBatch::try_from_iter(columns)?)
}
