//! How a table of the lake is laid out: its own columns, then what every row
//! carries. The one place that turns a conform plan into a Delta schema and a
//! Delta schema back into a plan.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit as ArrowTimeUnit};
use lakegate_domain::Code;
use lakegate_domain::model::{Column, Evolve, Kind, PartitionBy, TimeUnit};
use lakegate_format::conform::{Plan, RESCUED, Target, data_type};

use crate::{Error, Result};

/// The landed file that a row came from.
pub const FILE_ID: &str = "_file_id";
/// The row's number in its file, from 1.
pub const ROW: &str = "_row";
/// When the row was committed.
pub const LOADED_AT: &str = "_loaded_at";
/// Names of the expectations that the row fails, where they say `flag`.
pub const FLAGS: &str = "_flags";

/// Column metadata: the input column that it is made from.
const FROM: &str = "lakegate.from";
/// Column metadata: the type was inferred, not declared.
const INFERRED: &str = "lakegate.inferred";
/// Column metadata: the text is JSON.
const JSON: &str = "lakegate.json";
/// Column metadata that every engine shows as the column's comment.
const COMMENT: &str = "comment";

pub fn timestamp() -> DataType {
    data_type(Kind::Timestamp)
}

/// Which columns beside its own a table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extras {
    pub provenance: bool,
    pub rescued: bool,
    pub flags: bool,
}

/// The schema of the table as it is stored.
pub fn schema(plan: &Plan, partition_by: &[PartitionBy], extras: Extras) -> Result<SchemaRef> {
    let mut fields: Vec<Field> = plan.targets.iter().map(field).collect();
    for p in partition_by {
        match p {
            PartitionBy::Column(c) => {
                if !fields.iter().any(|f| f.name() == c) {
                    return Err(Error::new(
                        Code::MissingColumn,
                        format!("partition column `{c}` is not in the table"),
                    ));
                }
            }
            PartitionBy::Time { column, unit } => {
                let Some(source) = fields.iter().find(|f| f.name() == column) else {
                    return Err(Error::new(
                        Code::MissingColumn,
                        format!("partition column `{column}` is not in the table"),
                    ));
                };
                if !matches!(source.data_type(), DataType::Timestamp(..) | DataType::Date32) {
                    return Err(Error::new(
                        Code::DoesNotFit,
                        format!(
                            "`{}({column})` needs a time, but `{column}` is {}",
                            unit.name(),
                            source.data_type()
                        ),
                    ));
                }
                let t = match unit {
                    TimeUnit::Day | TimeUnit::Month => DataType::Date32,
                    TimeUnit::Hour => DataType::Utf8,
                };
                let comment = format!("{} of {column}, UTC", unit.name());
                fields.push(commented(Field::new(p.column_name(), t, true), &comment));
            }
        }
    }
    if extras.provenance {
        fields
            .push(commented(Field::new(FILE_ID, DataType::Int64, true), "the landed file the row came from"));
        fields
            .push(commented(Field::new(ROW, DataType::Int64, true), "the row's number in its file, from 1"));
        fields.push(commented(Field::new(LOADED_AT, timestamp(), true), "when the row was committed"));
    }
    if extras.flags {
        let item = Arc::new(Field::new("element", DataType::Utf8, true));
        fields.push(commented(
            Field::new(FLAGS, DataType::List(item), true),
            "expectations that the row fails",
        ));
    }
    if extras.rescued {
        fields.push(commented(Field::new(RESCUED, DataType::Utf8, true), "values without a place, as JSON"));
    }
    Ok(Arc::new(Schema::new(fields)))
}

fn commented(field: Field, comment: &str) -> Field {
    field.with_metadata(HashMap::from([(COMMENT.to_string(), comment.to_string())]))
}

fn field(t: &Target) -> Field {
    let mut metadata: HashMap<String, String> =
        t.spec.attributes.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    if let Some(from) = &t.spec.from {
        metadata.insert(FROM.into(), from.clone());
    }
    if !t.declared {
        metadata.insert(INFERRED.into(), "true".into());
    }
    if t.spec.kind == Some(Kind::Json) {
        metadata.insert(JSON.into(), "true".into());
    }
    if let Some(unit) = &t.spec.unit {
        metadata.insert("unit".into(), unit.clone());
    }
    match (&t.spec.description, &t.spec.unit) {
        (Some(d), Some(u)) => metadata.insert(COMMENT.into(), format!("{d} [{u}]")),
        (Some(d), None) => metadata.insert(COMMENT.into(), d.clone()),
        (None, Some(u)) => metadata.insert(COMMENT.into(), format!("[{u}]")),
        (None, None) => None,
    };
    if let Some((low, high)) = t.spec.valid_range {
        metadata.insert("valid_range".into(), format!("{low},{high}"));
    }
    Field::new(&t.spec.name, t.data_type.clone(), true).with_metadata(metadata)
}

/// Whether a column is one that the lake adds to every table.
pub fn is_extra(name: &str) -> bool {
    matches!(name, FILE_ID | ROW | LOADED_AT | FLAGS | RESCUED)
}

/// The plan of a table that exists: its stored columns under today's
/// declarations. Declared columns that it lacks come last, as new ones.
pub fn plan_of(
    stored: &Schema,
    declared: &[Column],
    partition_by: &[PartitionBy],
    evolve: Evolve,
    timezone: &str,
    nulls: Vec<String>,
) -> Plan {
    let derived: Vec<String> = partition_by
        .iter()
        .filter(|p| matches!(p, PartitionBy::Time { .. }))
        .map(PartitionBy::column_name)
        .collect();
    let mut targets = Vec::new();
    for f in stored.fields() {
        if is_extra(f.name()) || derived.contains(f.name()) {
            continue;
        }
        let inferred = f.metadata().get(INFERRED).is_some_and(|v| v == "true");
        let mut spec = match declared.iter().find(|c| &c.name == f.name()) {
            Some(c) => c.clone(),
            None => Column { from: f.metadata().get(FROM).cloned(), ..Column::named(f.name().as_str()) },
        };
        if spec.kind.is_none() && f.metadata().contains_key(JSON) {
            spec.kind = Some(Kind::Json);
        }
        if spec.unit.is_none() {
            spec.unit = f.metadata().get("unit").cloned();
        }
        targets.push(Target { spec, data_type: f.data_type().clone(), declared: !inferred });
    }
    for c in declared {
        if let Some(kind) = c.kind
            && !targets.iter().any(|t| t.spec.name == c.name)
        {
            targets.push(Target::declared(c.clone(), kind));
        }
    }
    Plan { targets, evolve, timezone: timezone.to_string(), nulls }
}

/// Adds the columns by which the table is partitioned in time.
pub fn with_partitions(batch: RecordBatch, partition_by: &[PartitionBy]) -> Result<RecordBatch> {
    let mut fields: Vec<_> = batch.schema_ref().fields().iter().cloned().collect();
    let mut columns = batch.columns().to_vec();
    for p in partition_by {
        let PartitionBy::Time { column, unit } = p else { continue };
        let source = batch.column_by_name(column).ok_or_else(|| {
            Error::new(Code::MissingColumn, format!("partition column `{column}` is missing"))
        })?;
        let array = time_part(source, *unit)?;
        fields.push(Arc::new(Field::new(p.column_name(), array.data_type().clone(), true)));
        columns.push(array);
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

const DAY_US: i64 = 86_400_000_000;

fn time_part(source: &ArrayRef, unit: TimeUnit) -> Result<ArrayRef> {
    let micros = arrow::compute::cast(source, &DataType::Timestamp(ArrowTimeUnit::Microsecond, None))?;
    let micros = micros.as_primitive::<arrow::datatypes::TimestampMicrosecondType>();
    Ok(match unit {
        TimeUnit::Day => {
            Arc::new(micros.iter().map(|m| m.map(|m| m.div_euclid(DAY_US) as i32)).collect::<Date32Array>())
        }
        TimeUnit::Month => Arc::new(
            micros
                .iter()
                .map(|m| m.map(|m| first_of_month(m.div_euclid(DAY_US) as i32)))
                .collect::<Date32Array>(),
        ),
        TimeUnit::Hour => {
            // Rows of one hour come together: the text is made once per run.
            let mut last: Option<(i64, String)> = None;
            let mut out = StringBuilder::new();
            for m in micros {
                let Some(m) = m else {
                    out.append_null();
                    continue;
                };
                let hour = m.div_euclid(3_600_000_000);
                if last.as_ref().is_none_or(|(h, _)| *h != hour) {
                    let t = jiff::Timestamp::from_second(hour * 3600)
                        .map_err(|e| Error::new(Code::DoesNotFit, e.to_string()))?;
                    last = Some((hour, t.strftime("%Y-%m-%dT%H").to_string()));
                }
                out.append_value(last.as_ref().map_or("", |(_, t)| t));
            }
            Arc::new(out.finish())
        }
    })
}

fn first_of_month(days: i32) -> i32 {
    jiff::Timestamp::from_second(i64::from(days) * 86_400)
        .map(|t| days - i32::from(t.to_zoned(jiff::tz::TimeZone::UTC).day()) + 1)
        .unwrap_or(days)
}

/// A column's type in the words of the configuration.
pub fn type_name(t: &DataType, kind: Option<Kind>) -> String {
    match t {
        _ if kind == Some(Kind::Json) => "json".into(),
        DataType::Utf8 => "string".into(),
        DataType::Boolean => "bool".into(),
        DataType::Int64 => "int".into(),
        DataType::Int32 => "int32".into(),
        DataType::Float64 => "float".into(),
        DataType::Float32 => "float32".into(),
        DataType::Decimal128(p, s) => format!("decimal({p},{s})"),
        DataType::Date32 => "date".into(),
        DataType::Timestamp(..) => "timestamp".into(),
        DataType::Binary => "binary".into(),
        other => other.to_string().to_lowercase(),
    }
}
