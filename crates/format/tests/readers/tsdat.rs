//! Files of tsdat, whose folder `LAKEGATE_TEST_DATA` names; without it these
//! tests say that they were skipped. What is expected of netCDF files was
//! computed by xarray 2026.9 for Python: `nansum` and the count of NaN.

use std::path::{Path, PathBuf};

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use lakegate_domain::model::{Column, Evolve, Format, Kind, Netcdf};
use lakegate_format::conform::{Plan, Target, conform_text, conform_typed};

use crate::*;

fn data(name: &str) -> Option<Vec<u8>> {
    let Some(folder) = std::env::var_os("LAKEGATE_TEST_DATA").map(PathBuf::from) else {
        println!("skipped: LAKEGATE_TEST_DATA is not set");
        return None;
    };
    // Tests run in the crate's folder, people name paths from the workspace's.
    let folder = match folder.is_absolute() {
        true => folder,
        false => Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder),
    };
    let path = folder.join("tsdat").join(name);
    Some(std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
}

fn only_batch(bytes: &[u8], read: &Read) -> (Vec<(String, String)>, RecordBatch) {
    let chunks = chunks_of(bytes, "f.nc", read, CHUNK).unwrap();
    let [Chunk { stream, payload: Payload::Typed(batch) }] = &chunks[..] else {
        panic!("one batch is expected")
    };
    (stream.units.clone(), batch.clone())
}

/// Number of missing values and the sum of the others, lists taken apart.
fn tally(array: &ArrayRef) -> (usize, f64) {
    if let Some(list) = array.as_list_opt::<i32>() {
        return tally(list.values());
    }
    let floats = cast(array, &DataType::Float64).unwrap();
    let floats: &Float64Array = floats.as_primitive();
    (floats.null_count(), floats.iter().flatten().sum())
}

fn check(batch: &RecordBatch, want: &[(&str, usize, f64)]) {
    for (name, nulls, sum) in want {
        let array = batch.column_by_name(name).unwrap_or_else(|| panic!("no column `{name}`"));
        let (found_nulls, found) = tally(array);
        assert_eq!(found_nulls, *nulls, "{name}");
        assert!((found - sum).abs() <= 1e-8 * sum.abs(), "{name}: {found} instead of {sum}");
    }
}

fn first_and_last(batch: &RecordBatch, name: &str) -> [String; 2] {
    let times = batch.column_by_name(name).unwrap().as_primitive::<TimestampMicrosecondType>();
    [0, times.len() - 1].map(|at| jiff::Timestamp::from_microsecond(times.value(at)).unwrap().to_string())
}

#[test]
fn the_buoy_with_currents_by_depth() {
    let Some(bytes) = data("v0_2/expected/humboldt.buoy_z05-10min.a1.20201201.000000.nc") else { return };
    let (units, batch) = only_batch(&bytes, &reads(None));
    assert_eq!((batch.num_rows(), batch.num_columns()), (144, 36));
    assert_eq!(first_and_last(&batch, "time"), ["2020-12-01T00:00:00Z", "2020-12-01T23:50:00Z"]);
    check(
        &batch,
        &[
            ("CTD_SST", 2, 1687.418),
            ("current_speed", 1152, 966.49),
            ("current_direction", 1156, 851_993.0),
            ("pressure", 0, 147_714.275),
            ("longitude", 0, -17_941.612_4),
            ("qc_current_speed", 0, 4508.0),
            ("qc_current_direction", 0, 1156.0),
            ("qc_YSI_SST", 0, 6.0),
            // Of the 50 depths in each of the 144 rows.
            ("depth", 0, 5167.5 * 144.0),
        ],
    );
    // In the file it lies along depth, then time.
    let speeds = batch.column_by_name("current_speed").unwrap().as_list::<i32>();
    assert_eq!(speeds.value(0).len(), 50);
    assert!(units.contains(&("current_speed".into(), "m/s".into())));
    assert!(!units.iter().any(|(column, _)| column == "time"));
    let schema = batch.schema();
    let about = schema.field_with_name("qc_CTD_SST").unwrap().metadata();
    assert_eq!(about["standard_name"], "quality_flag");
    assert_eq!(about["flag_masks"], "1,2,4");
    assert!(about["flag_meanings"].starts_with(r#"["Value is equal to _FillValue or NaN","#));

    let dimensions = vec!["time".to_string(), "depth".to_string()];
    let read = reads(Some(Format::Netcdf(Netcdf { dimensions, ..Netcdf::default() })));
    let chunks = chunks_of(&bytes, "f.nc", &read, CHUNK).unwrap();
    let names: Vec<_> = chunks.iter().map(|c| c.stream.name.as_deref().unwrap()).collect();
    assert_eq!(names, ["time", "depth"]);
    let Payload::Typed(levels) = &chunks[1].payload else { panic!() };
    assert_eq!(levels.num_rows(), 50);
    check(levels, &[("depth", 0, 5167.5), ("current_speed", 1152, 966.49)]);
}

#[test]
fn waves_of_both_versions() {
    let Some(bytes) = data("v0_2/expected/humboldt.buoy_z05-waves-20min.a1.20201201.000000.nc") else {
        return;
    };
    let (_, batch) = only_batch(&bytes, &reads(None));
    assert_eq!((batch.num_rows(), batch.num_columns()), (72, 47));
    check(
        &batch,
        &[
            ("mean_wave_height", 0, 157.798),
            ("mean_wave_direction", 0, 20_565.37),
            ("max_wave_period", 72, 0.0),
            ("significant_wave_height", 0, 274.492),
            ("qc_max_wave_height", 0, 2240.0),
            ("qc_F2", 0, 72.0),
        ],
    );
    let Some(bytes) = data("v0_9/expected.morro.buoy_z06-waves.a1.20201201.000000.nc") else { return };
    let (_, batch) = only_batch(&bytes, &reads(None));
    assert_eq!((batch.num_rows(), batch.num_columns()), (72, 29));
    assert_eq!(first_and_last(&batch, "time"), ["2020-12-01T00:00:00Z", "2020-12-01T23:40:00Z"]);
    check(
        &batch,
        &[
            ("num_zero_crossings", 0, 10_964.0),
            ("mean_wave_height", 0, 127.548),
            ("mean_wave_spread", 0, 2073.071),
            ("peak_wave_direction", 72, 0.0),
            ("qc_wave_energy_period", 0, 72.0),
        ],
    );
}

/// The same three rows in five forms. The netCDF and Parquet files also hold
/// `index`, the row's number in pandas, which no column is made of.
#[test]
fn one_table_in_five_forms() {
    let time = Column {
        from: Some("timestamp".into()),
        format: Some("%Y-%m-%d %H:%M:%S".into()),
        ..Column::named("time")
    };
    let value = Column { from: Some("First Data Var".into()), ..Column::named("value") };
    let plan = Plan {
        targets: vec![Target::declared(time, Kind::Timestamp), Target::declared(value, Kind::Float)],
        evolve: Evolve::Rescue,
        timezone: "UTC".into(),
        nulls: Vec::new(),
    };
    let mut tables: Vec<(&str, RecordBatch)> = Vec::new();
    for name in ["input.csv", "input.parquet", "input.nc", "input.zip", "input.tar.gz"] {
        let Some(bytes) = data(&format!("io_fixtures/{name}")) else { return };
        let chunks = chunks_of(&bytes, name, &reads(None), CHUNK).unwrap();
        let [chunk] = &chunks[..] else { panic!("{name}: {} chunks", chunks.len()) };
        let batch = match &chunk.payload {
            Payload::Text(text) => conform_text(&plan, &text.clone().parse().unwrap(), 1).unwrap().batch,
            Payload::Typed(batch) => conform_typed(&plan, batch, 1).unwrap().batch,
        };
        tables.push((name, batch));
    }
    assert_eq!(first_and_last(&tables[0].1, "time"), ["2022-03-24T21:43:00Z", "2022-03-24T21:45:00Z"]);
    let values = tables[0].1.column_by_name("value").unwrap();
    assert_eq!(values.as_ref(), &Float64Array::from(vec![71.4, 71.2, 71.1]) as &dyn Array);
    for (name, table) in &tables[1..] {
        assert_eq!(table, &tables[0].1, "{name}");
    }
}
