//! netCDF. The files in `tests/netcdf` were written by netCDF-C, and what they
//! hold was read by netCDF4 and xarray for Python: `tests/netcdf/make.py`.

use std::path::PathBuf;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::*;
use lakegate_domain::Code;
use lakegate_domain::model::{Format, Mask, Netcdf, Times};
use lakegate_format::netcdf::stated::Stated;
use serde_json::{Map, Value, json};

use crate::*;

const CLASSIC: [&str; 3] = ["cdf1", "cdf2", "cdf5"];

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/netcdf").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn expected(name: &str) -> Map<String, Value> {
    serde_json::from_slice(&fixture(&format!("{name}.json"))).expect("the expected values are JSON")
}

fn as_netcdf(options: Netcdf) -> Read {
    reads(Some(Format::Netcdf(options)))
}

fn along(dimension: &str) -> Netcdf {
    Netcdf { dimensions: vec![dimension.into()], ..Netcdf::default() }
}

/// A value as `make.py` writes it.
fn value(array: &dyn Array, at: usize) -> Value {
    if array.is_null(at) {
        return Value::Null;
    }
    fn float(f: f64) -> Value {
        if f.is_finite() { json!(f) } else { json!(f.to_string()) }
    }
    macro_rules! int {
        ($ty:ty) => {
            json!(array.as_primitive::<$ty>().value(at))
        };
    }
    match array.data_type() {
        DataType::Boolean => json!(array.as_boolean().value(at)),
        DataType::Int8 => int!(Int8Type),
        DataType::UInt8 => int!(UInt8Type),
        DataType::Int16 => int!(Int16Type),
        DataType::UInt16 => int!(UInt16Type),
        DataType::Int32 => int!(Int32Type),
        DataType::UInt32 => int!(UInt32Type),
        DataType::Int64 => int!(Int64Type),
        DataType::UInt64 => int!(UInt64Type),
        DataType::Float32 => float(array.as_primitive::<Float32Type>().value(at).into()),
        DataType::Float64 => float(array.as_primitive::<Float64Type>().value(at)),
        DataType::Utf8 => json!(array.as_string::<i32>().value(at)),
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if &**zone == "UTC" => {
            let us = array.as_primitive::<TimestampMicrosecondType>().value(at);
            let t = jiff::Timestamp::from_microsecond(us).unwrap();
            json!(t.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string())
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>().value(at);
            (0..list.len()).map(|n| value(&list, n)).collect()
        }
        other => panic!("{other} is not expected"),
    }
}

/// The streams of a file: name, units and rows.
type Streams = Vec<(Option<String>, Vec<(String, String)>, RecordBatch)>;

fn streams(bytes: &[u8], name: &str, read: &Read) -> Result<Streams> {
    let mut out: Streams = Vec::new();
    for chunk in chunks_of(bytes, name, read, CHUNK)? {
        let Payload::Typed(batch) = chunk.payload else { panic!("text where typed rows were expected") };
        assert_eq!(chunk.stream.format, "netcdf");
        assert!(batch.num_rows() <= 8192);
        match out.last_mut().filter(|(name, ..)| *name == chunk.stream.name) {
            Some((.., so_far)) => {
                *so_far = arrow::compute::concat_batches(&batch.schema(), [&*so_far, &batch]).unwrap();
            }
            None => out.push((chunk.stream.name.clone(), chunk.stream.units.clone(), batch)),
        }
    }
    Ok(out)
}

fn only(bytes: &[u8], name: &str, read: &Read) -> RecordBatch {
    let mut found = streams(bytes, name, read).unwrap();
    assert_eq!(found.len(), 1);
    found.remove(0).2
}

fn of_column(batch: &RecordBatch, name: &str) -> Value {
    let array = batch.column_by_name(name).unwrap_or_else(|| {
        panic!(
            "no column `{name}` in {:?}",
            batch.schema().fields().iter().map(|f| f.name().clone()).collect::<Vec<_>>()
        )
    });
    (0..array.len()).map(|at| value(array, at)).collect()
}

/// Whether values are the same; floats to the last digit but one, which parsing
/// JSON may change.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Number(x), Value::Number(y)) if x.is_f64() && y.is_f64() => {
            let (x, y) = (x.as_f64().unwrap(), y.as_f64().unwrap());
            (x - y).abs() <= 2.0 * f64::EPSILON * x.abs()
        }
        _ => a == b,
    }
}

fn type_of(batch: &RecordBatch, name: &str) -> String {
    batch.schema().field_with_name(name).unwrap().data_type().to_string()
}

#[test]
fn all_types_of_every_format_are_read_as_python_reads_them() {
    for name in CLASSIC.iter().chain(&["nc4"]) {
        let want = expected(name);
        let found = only(&fixture(&format!("{name}.nc")), "any.dat", &reads(None));
        let names: Vec<_> = found.schema().fields().iter().map(|f| f.name().clone()).collect();
        assert_eq!(names.len(), want.len() - 1, "{name}: {names:?}");
        for column in &names {
            let found = of_column(&found, column);
            assert!(same(&found, &want[column]), "{name}: {column}: {found} instead of {}", want[column]);
        }
        let read = as_netcdf(Netcdf { mask: Mask::ValidRange, ..Netcdf::default() });
        let found = only(&fixture(&format!("{name}.nc")), "f.nc", &read);
        assert_eq!(of_column(&found, "ranged"), want["ranged, masked"], "{name}");
    }
}

#[test]
fn types_and_metadata() {
    const STATED: [&str; 2] = ["long_name", "standard_name"];
    let found = streams(&fixture("nc4.nc"), "f.nc", &reads(None)).unwrap();
    let (name, units, batch) = &found[0];
    assert_eq!(*name, None);
    for (column, want) in [
        ("time", "Timestamp(µs, \"UTC\")"),
        ("temperature", "List(Float32, field: 'element')"),
        ("pressure", "Float64"),
        ("counts", "UInt8"),
        ("sparse", "Float32"),
        ("flag", "Utf8"),
        ("site", "Utf8"),
        ("u8", "UInt64"),
    ] {
        assert_eq!(type_of(batch, column), want, "{column}");
    }
    let unit = |column: &str| units.iter().find(|(c, _)| c == column).map(|(_, u)| u.as_str());
    assert_eq!(unit("temperature"), Some("K"));
    assert_eq!(unit("x"), Some("m"));
    // An instant has none.
    assert_eq!(unit("time"), None);
    let schema = batch.schema();
    let about = schema.field_with_name("temperature").unwrap().metadata();
    let stated = Stated::of(about).unwrap();
    assert_eq!(stated.dimensions.as_ref().map(Vec::len), Some(2));
    assert_eq!(stated.attributes.iter().map(|a| a.name.as_str()).collect::<Vec<_>>(), STATED);
    let own = about.iter().filter(|(k, _)| !k.starts_with("lakegate."));
    let mut about: Vec<_> = own.map(|(k, v)| (k.as_str(), v.as_str())).collect();
    about.sort_unstable();
    assert_eq!(
        about,
        [
            ("description", "Air temperature"),
            ("long_name", "Air temperature"),
            ("standard_name", "air_temperature"),
            ("unit", "K"),
        ]
    );
    assert_eq!(schema.field_with_name("ranged").unwrap().metadata()["valid_range"], "2,5");
}

#[test]
fn values_and_times_as_they_are_stored() {
    let read = as_netcdf(Netcdf { mask: Mask::None, times: Times::Numbers, ..Netcdf::default() });
    for name in CLASSIC {
        let found = only(&fixture(&format!("{name}.nc")), "f.nc", &read);
        assert_eq!(of_column(&found, "time"), json!([0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5]));
        assert_eq!(of_column(&found, "counts"), json!([0, 1, 127, 128, 254, 255, 5]));
        assert_eq!(of_column(&found, "station")[1], "");
        assert_eq!(of_column(&found, "with_nan")[1], "NaN");
        assert_eq!(of_column(&found, "with_nan")[2], 1e20);
        assert!(of_column(&found, "sparse")[0].as_f64().unwrap() > 9e36);
        let about = found.schema();
        let about = about.field_with_name("time").unwrap().metadata();
        assert_eq!(about["unit"], "days since 2020-02-28 00:00:00");
    }
}

#[test]
fn attributes_become_columns() {
    let names = ["title", "platform_number", "versions", "absent", "depth"].map(String::from).to_vec();
    let read = as_netcdf(Netcdf { attributes: names, ..Netcdf::default() });
    let found = only(&fixture("cdf1.nc"), "f.nc", &read);
    assert_eq!(of_column(&found, "title")[6], "all types");
    assert_eq!(of_column(&found, "platform_number")[0], 130);
    assert_eq!(of_column(&found, "versions")[0], "1,2");
    // The variable of that name, not an attribute.
    assert_eq!(of_column(&found, "depth")[0], 40.97);
    assert!(found.column_by_name("absent").is_none());
}

#[test]
fn groups_texts_enumerations_and_what_people_declare() {
    let want = expected("extended");
    let found = only(&fixture("extended.nc"), "f.nc", &reads(None));
    assert_eq!(found.num_rows(), 7);
    for column in
        ["time", "longer", "squeezed", "text", "quality", "is_valid", "z", "turned", "sensors/ctd/salinity"]
    {
        assert_eq!(of_column(&found, column), want[column], "{column}");
    }
    for column in ["wind", "ragged"] {
        let texts = of_column(&found, column);
        let parsed: Vec<Value> = texts
            .as_array()
            .unwrap()
            .iter()
            .map(|t| serde_json::from_str(t.as_str().unwrap()).unwrap())
            .collect();
        assert_eq!(Value::from(parsed), want[column], "{column}");
    }
    // They lie along other dimensions.
    assert!(found.column_by_name("lat").is_none());
    assert!(found.column_by_name("sensors/ctd/own").is_none());
    assert_eq!(type_of(&found, "is_valid"), "Boolean");
}

#[test]
fn a_stream_for_each_dimension() {
    let want = expected("extended");
    let names = ["profile", "z", "sensors/ctd/scan"].map(String::from).to_vec();
    let read = as_netcdf(Netcdf { dimensions: names.clone(), ..Netcdf::default() });
    let found = streams(&fixture("extended.nc"), "f.nc", &read).unwrap();
    let streams: Vec<_> = found.iter().map(|(name, ..)| name.clone().unwrap()).collect();
    assert_eq!(streams, names);
    assert_eq!(of_column(&found[0].2, "lat"), want["lat"]);
    assert_eq!(of_column(&found[2].2, "sensors/ctd/own"), want["sensors/ctd/own"]);
    let levels = &found[1].2;
    assert_eq!(levels.num_rows(), 4);
    assert_eq!(of_column(levels, "z"), want["z"][0]);
    // The other way round: for each level its values in time, and the times.
    assert_eq!(of_column(levels, "turned")[2], json!([200.0, 201.0, 202.0, 203.0, 204.0, 205.0, 206.0]));
    assert_eq!(of_column(levels, "time")[3], want["time"]);
}

#[test]
fn one_group() {
    let want = expected("extended");
    let group = |group: &str| Netcdf { group: group.into(), ..Netcdf::default() };
    let read = as_netcdf(Netcdf { attributes: vec!["serial".into()], ..group("sensors/ctd") });
    let found = only(&fixture("extended.nc"), "f.nc", &read);
    assert_eq!(of_column(&found, "salinity"), want["sensors/ctd/salinity"]);
    assert_eq!(of_column(&found, "serial")[0], "SN-7");
    assert_eq!(found.num_columns(), 2);
    let read = as_netcdf(Netcdf { dimensions: vec!["scan".into()], ..group("sensors/ctd") });
    let found = only(&fixture("extended.nc"), "f.nc", &read);
    assert_eq!(of_column(&found, "own"), want["sensors/ctd/own"]);
    let e = streams(&fixture("extended.nc"), "f.nc", &as_netcdf(group("sensor"))).unwrap_err();
    assert_eq!(e.code, Code::Malformed);
    assert!(e.message.ends_with("no group `sensor`; it has `sensors`, `sensors/ctd`"), "{e}");
}

#[test]
fn every_calendar() {
    let want = expected("calendars");
    let found = only(&fixture("calendars.nc"), "f.nc", &reads(None));
    for (column, want) in &want {
        assert_eq!(&of_column(&found, column), want, "{column}");
    }
    assert_eq!(type_of(&found, "julian"), "Timestamp(µs, \"UTC\")");
    assert_eq!(type_of(&found, "360_day"), "Utf8");
    let schema = found.schema();
    assert_eq!(schema.field_with_name("360_day").unwrap().metadata()["calendar"], "360_day");
    assert_eq!(schema.field_with_name("months").unwrap().metadata()["unit"], "months since 2000-01-01");
}

#[test]
fn inside_archives_and_from_disk() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["cdf2.nc", "nc4.nc", "extended.nc"] {
        let bytes = fixture(name);
        let want = only(&bytes, name, &reads(None));
        for wrapped in [gz(&bytes), zst(&bytes), zip(&[("d/x", &bytes)]), gz(&tar(&[("x.nc", &bytes)]))] {
            assert_eq!(only(&wrapped, "t.dat", &reads(None)), want, "{name}");
        }
        let path = folder.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        let reader =
            lakegate_format::open::open(Source::File(path), name, &reads(None), folder.path()).unwrap();
        let chunks: Vec<Chunk> = reader.collect::<Result<_>>().unwrap();
        let Payload::Typed(found) = &chunks[0].payload else { panic!() };
        assert_eq!(found, &want, "{name}");
    }
}

#[test]
fn what_is_no_netcdf_or_lacks_what_is_named() {
    let read = |dimension: &str| as_netcdf(along(dimension));
    for (bytes, name, read, code, message) in [
        (
            b"a,b\n1,2\n".to_vec(),
            "x.csv",
            as_netcdf(Netcdf::default()),
            Code::Malformed,
            "not a netCDF file: it begins neither with `CDF` and a version nor with the mark of HDF5",
        ),
        (b"CDF\x03\0\0\0\0".to_vec(), "x.nc", reads(None), Code::Malformed, "version 3"),
        (b"CDF".to_vec(), "x.nc", reads(None), Code::Malformed, "not a netCDF file"),
        (
            fixture("cdf1.nc"),
            "x.nc",
            read("depht"),
            Code::Malformed,
            "it has `time`, `x`, `letters`, `unused`",
        ),
        (fixture("cdf1.nc"), "x.nc", read("unused"), Code::NoRecords, "the dimension `unused`"),
        // A header that announces nothing at all.
        ([b"CDF\x01".as_slice(), &[0; 28]].concat(), "x.nc", reads(None), Code::NoRecords, "no variables"),
    ] {
        let e = streams(&bytes, name, &read).unwrap_err();
        assert_eq!(e.code, code, "{e}");
        assert!(e.message.contains(message), "{e}");
    }
    let e = streams(&zip(&[("a/x.nc", &fixture("cdf1.nc")[..200])]), "t.zip", &reads(None)).unwrap_err();
    assert!(e.message.starts_with("in `a/x.nc`: the netCDF file is cut short"), "{e}");
}

#[test]
fn caps_bound_a_row_and_the_whole() {
    let mut read = reads(None);
    read.caps.record_bytes = 50;
    let e = streams(&fixture("cdf1.nc"), "x.nc", &read).unwrap_err();
    assert_eq!(e.code, Code::RecordTooLong);
    assert!(e.message.contains("raise `caps: { record: … }`"), "{e}");
    read.caps = Caps { expanded_bytes: 300, ..Caps::default() };
    let e = streams(&fixture("cdf1.nc"), "x.nc", &read).unwrap_err();
    assert_eq!(e.code, Code::CapExceeded);
}

/// A file that is cut at any place is an error, or gives whole rows where only
/// padding was lost; it never takes the process along.
#[test]
fn cut_anywhere() {
    for name in ["cdf1.nc", "cdf5.nc", "nc4.nc", "extended.nc"] {
        let whole = fixture(name);
        let step = (whole.len() / 150).max(1);
        let mut n_errors = 0;
        for cut in (0..whole.len()).step_by(step) {
            if let Err(e) = streams(&whole[..cut], name, &reads(None)) {
                n_errors += 1;
                let known = [Code::DamagedArchive, Code::Malformed, Code::NoRecords, Code::DoesNotFit];
                assert!(known.contains(&e.code), "{name} cut at {cut}: {e}");
            }
        }
        assert!(n_errors > 100, "{name}: {n_errors}");
    }
}

/// Bytes that were changed at random, reproducibly, are errors or rows.
#[test]
fn changed_anywhere() {
    let n_rounds = 400;
    for name in ["cdf1.nc", "cdf2.nc", "cdf5.nc", "calendars.nc", "nc4.nc", "extended.nc"] {
        let whole = fixture(name);
        let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
        let mut random = move |below: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed % below as u64) as usize
        };
        let mut n_errors = 0;
        for _ in 0..n_rounds {
            let mut bytes = whole.clone();
            for _ in 0..1 + random(8) {
                let at = random(bytes.len());
                bytes[at] = match random(4) {
                    0 => 0,
                    1 => 0xFF,
                    2 => bytes[at] ^ (1 << random(8)),
                    _ => random(256) as u8,
                };
            }
            n_errors += usize::from(streams(&bytes, name, &reads(None)).is_err());
        }
        assert!(n_errors > 0, "{name}");
    }
}
