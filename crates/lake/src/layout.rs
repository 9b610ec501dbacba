//! How a table of the lake is laid out: its own columns, then what every row
//! carries. The one place that turns a conform plan into a Delta schema and a
//! Delta schema back into a plan.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{
    DataType, Date32Type, Field, FieldRef, Int64Type, Schema, SchemaRef, TimeUnit as ArrowTimeUnit,
    TimestampMicrosecondType,
};
use indexmap::IndexMap;
use lakegate_domain::Code;
use lakegate_domain::model::{
    Column, Evolve, Flags, Kind, Level, PartitionBy, Range, Thresholds, TimeUnit, qc_name,
};
pub use lakegate_format::conform::RESCUED;
use lakegate_format::conform::{Plan, Target, data_type};
use lakegate_format::netcdf::stated::Stated;

use serde_json::json;

use crate::{Error, Result, quality};

/// The landed file that a row came from.
pub const FILE_ID: &str = "_file_id";
/// The row's number in its file, from 1.
pub const ROW: &str = "_row";
/// When the row was committed.
pub const LOADED_AT: &str = "_loaded_at";
/// Names of the expectations that the row fails, where they say `flag`.
pub const FLAGS: &str = "_flags";

/// Column metadata: the input column that it is made from.
pub(crate) const FROM: &str = "lakegate.from";
/// Column metadata: the type was inferred, not declared.
const INFERRED: &str = "lakegate.inferred";
/// Column metadata: what a partition column is made from, such as `day(at)`.
const PARTITION: &str = "lakegate.partition";
/// Column metadata: the text is JSON.
const JSON: &str = "lakegate.json";
/// Column metadata: it holds the flags of this column.
const FLAGS_OF: &str = "lakegate.flags_of";
/// Column metadata of flags, in the words of the CF conventions, as JSON lists.
const FLAG_MASKS: &str = "flag_masks";
const FLAG_MEANINGS: &str = "flag_meanings";
const FLAG_ASSESSMENTS: &str = "flag_assessments";
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
    let mut last = Vec::new();
    if extras.provenance {
        last.push(commented(Field::new(FILE_ID, DataType::Int64, true), "the landed file the row came from"));
        last.push(commented(Field::new(ROW, DataType::Int64, true), "the row's number in its file, from 1"));
        last.push(commented(Field::new(LOADED_AT, timestamp(), true), "when the row was committed"));
    }
    let mut derived = Vec::new();
    for p in partition_by {
        let column = source(p);
        let Some(source) = fields.iter().chain(&last).find(|f| f.name() == column) else {
            return Err(Error::new(
                Code::MissingColumn,
                format!("partition column `{column}` is not in the table"),
            ));
        };
        match p {
            PartitionBy::Column(_) => {
                if source.data_type().is_nested() || source.data_type() == &DataType::Binary {
                    return Err(Error::new(
                        Code::DoesNotFit,
                        format!(
                            "cannot partition by `{column}`: its type is {}",
                            type_name(source.data_type(), None)
                        ),
                    ));
                }
            }
            PartitionBy::Time { unit, .. } => {
                if !matches!(source.data_type(), DataType::Timestamp(..) | DataType::Date32) {
                    return Err(Error::new(
                        Code::DoesNotFit,
                        format!(
                            "`{}` needs a time, but the type of `{column}` is {}",
                            spelled(p),
                            type_name(source.data_type(), None)
                        ),
                    ));
                }
                let t = match unit {
                    TimeUnit::Day | TimeUnit::Month => DataType::Date32,
                    TimeUnit::Hour => DataType::Utf8,
                };
                let comment = format!("{} of {column}, UTC", unit.name());
                let mut field = commented(Field::new(p.column_name(), t, true), &comment);
                field.metadata_mut().insert(PARTITION.into(), spelled(p));
                derived.push(field);
            }
        }
    }
    fields.extend(derived);
    fields.extend(last);
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

/// The schema with a column of flags behind each column that has some.
pub fn with_flags(schema: &SchemaRef, flags: &IndexMap<String, Flags>) -> SchemaRef {
    if flags.is_empty() {
        return schema.clone();
    }
    let of = |field: &FieldRef| {
        let flags = flags.get(field.name())?;
        let data_type = quality::flags_type(field.data_type());
        let name = field.metadata().get("long_name").unwrap_or(field.name());
        let mut metadata = HashMap::from([
            (COMMENT.to_string(), explained(field.name(), flags)),
            ("standard_name".to_string(), "quality_flag".to_string()),
            ("long_name".to_string(), format!("Quality check results on field: {name}")),
            (FLAGS_OF.to_string(), field.name().clone()),
        ]);
        let assessments: Vec<&str> = flags.assessments.iter().map(|a| a.word()).collect();
        metadata.insert(FLAG_MASKS.into(), json!(flags.masks).to_string());
        metadata.insert(FLAG_MEANINGS.into(), json!(flags.meanings).to_string());
        metadata.insert(FLAG_ASSESSMENTS.into(), json!(assessments).to_string());
        Some(Arc::new(Field::new(qc_name(field.name()), data_type, true).with_metadata(metadata)))
    };
    let fields = schema.fields().iter().flat_map(|f| [Some(f.clone()), of(f)]).flatten();
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Flags for people: `flags of sst: 1 = Value is missing (bad)`.
fn explained(column: &str, flags: &Flags) -> String {
    let bits = flags.masks.iter().zip(&flags.meanings).zip(&flags.assessments);
    let said: Vec<String> = bits.map(|((mask, m), a)| format!("{mask} = {m} ({})", a.word())).collect();
    format!("flags of {column}: {}", said.join("; "))
}

/// A stored column, with what its flags mean in `wanted` where it holds flags.
pub fn with_flags_of(stored: &FieldRef, wanted: &Schema) -> FieldRef {
    let Ok(field) = wanted.field_with_name(stored.name()) else { return stored.clone() };
    if !field.metadata().contains_key(FLAGS_OF) {
        return stored.clone();
    }
    let mut metadata = stored.metadata().clone();
    metadata.extend(field.metadata().iter().map(|(k, v)| (k.clone(), v.clone())));
    if metadata == *stored.metadata() {
        return stored.clone();
    }
    Arc::new(stored.as_ref().clone().with_metadata(metadata))
}

/// A column of flags that the stored table has with another type, as a sentence:
/// it came from files before.
pub fn changed_flags(stored: &Schema, flags: &IndexMap<String, Flags>) -> Option<String> {
    flags.keys().find_map(|column| {
        let wanted = quality::flags_type(stored.field_with_name(column).ok()?.data_type());
        let name = qc_name(column);
        let found = stored.field_with_name(&name).ok()?.data_type();
        (!found.equals_datatype(&wanted)).then(|| {
            format!(
                "`{name}` is to hold the flags of `{column}`, as {}, and the table has {}",
                type_name(&wanted, None),
                type_name(found, None)
            )
        })
    })
}

/// The column that a partition is made from.
fn source(by: &PartitionBy) -> &str {
    match by {
        PartitionBy::Column(column) | PartitionBy::Time { column, .. } => column,
    }
}

/// As the configuration writes it: `city`, `day(at)`.
fn spelled(by: &PartitionBy) -> String {
    match by {
        PartitionBy::Column(column) => column.clone(),
        PartitionBy::Time { column, unit } => format!("{}({column})", unit.name()),
    }
}

/// How a table that exists is partitioned, whatever the configuration says
/// now: rows go on to be laid out so until the table is rebuilt.
pub fn stored_partitions(stored: &Schema, partition_columns: &[String]) -> Vec<PartitionBy> {
    let time = |name: &str| {
        let (unit, column) = stored
            .field_with_name(name)
            .ok()?
            .metadata()
            .get(PARTITION)?
            .strip_suffix(')')?
            .split_once('(')?;
        let unit = [TimeUnit::Hour, TimeUnit::Day, TimeUnit::Month].into_iter().find(|u| u.name() == unit)?;
        Some(PartitionBy::Time { column: column.to_string(), unit })
    };
    partition_columns
        .iter()
        .map(|name| time(name).unwrap_or_else(|| PartitionBy::Column(name.clone())))
        .collect()
}

fn commented(field: Field, comment: &str) -> Field {
    field.with_metadata(HashMap::from([(COMMENT.to_string(), comment.to_string())]))
}

fn field(t: &Target) -> Field {
    let mut metadata = HashMap::new();
    t.stated.put(&mut metadata);
    metadata.extend(t.spec.attributes.iter().map(|(k, v)| (k.clone(), v.to_string())));
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
    match (t.spec.description.clone().or_else(|| t.stated.description()), &t.spec.unit) {
        (Some(d), Some(u)) => metadata.insert(COMMENT.into(), format!("{d} [{u}]")),
        (Some(d), None) => metadata.insert(COMMENT.into(), d),
        (None, Some(u)) => metadata.insert(COMMENT.into(), format!("[{u}]")),
        (None, None) => None,
    };
    metadata.extend(thresholds(&t.spec));
    Field::new(&t.spec.name, t.data_type.clone(), true).with_metadata(metadata)
}

/// What a column declares for checks, as metadata: `valid_range` as `850,1100`,
/// with nothing for an open side, `fail_delta` as `3`.
fn thresholds(spec: &Column) -> impl Iterator<Item = (String, String)> {
    [Level::Valid, Level::Fail, Level::Warn].into_iter().flat_map(|level| {
        let Thresholds { range, delta, std } = spec.thresholds(level);
        let side = |bound: Option<f64>| bound.map_or(String::new(), |v| v.to_string());
        let entries = [
            ("range", range.map(|Range { min, max }| format!("{},{}", side(min), side(max)))),
            ("delta", delta.map(|v| v.to_string())),
            ("std", std.map(|v| v.to_string())),
        ];
        entries.into_iter().filter_map(move |(key, v)| Some((format!("{}_{key}", level.name()), v?)))
    })
}

/// Whether a column is made from another to lay the table out.
pub(crate) fn is_partition(field: &Field) -> bool {
    field.metadata().contains_key(PARTITION)
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
    evolve: Evolve,
    timezone: &str,
    nulls: Vec<String>,
) -> Plan {
    let mut targets = Vec::new();
    for f in stored.fields() {
        if is_extra(f.name()) || is_partition(f) {
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
        let stated = Stated::of(f.metadata()).unwrap_or_default();
        targets.push(Target { spec, data_type: f.data_type().clone(), declared: !inferred, stated });
    }
    for c in declared {
        if let Some(kind) = c.kind
            && stored.index_of(&c.name).is_err()
        {
            targets.push(Target::declared(c.clone(), kind));
        }
    }
    Plan { targets, evolve, timezone: timezone.to_string(), nulls }
}

/// What is declared with a type that the stored column cannot hold, as a
/// sentence.
pub fn changed_type(stored: &Schema, declared: &[Column]) -> Option<String> {
    declared.iter().find_map(|column| {
        let wanted = data_type(column.kind?);
        let found = stored.field_with_name(&column.name).ok()?.data_type();
        let is_wider = match (found, &wanted) {
            (found, wanted) if found == wanted => true,
            (DataType::Float64, wanted) => wanted.is_integer() || *wanted == DataType::Float32,
            (DataType::Int64, wanted) => *wanted == DataType::Int32,
            _ => false,
        };
        (!is_wider).then(|| {
            format!(
                "column `{}` is declared as {}, and the table has {}",
                column.name,
                type_name(&wanted, column.kind),
                type_name(found, None)
            )
        })
    })
}

/// Adds the columns by which the table is partitioned in time. Afterwards every
/// value of a partition column names a partition.
///
/// # Errors
/// LG302 naming the row, by `_row`: a time outside the years 1 to 9999.
pub fn with_partitions(batch: RecordBatch, partition_by: &[PartitionBy]) -> Result<RecordBatch> {
    let mut fields: Vec<_> = batch.schema_ref().fields().iter().cloned().collect();
    let mut columns = batch.columns().to_vec();
    for p in partition_by {
        let column = source(p);
        let source = batch.column_by_name(column).ok_or_else(|| {
            Error::new(Code::MissingColumn, format!("partition column `{column}` is missing"))
        })?;
        if let Some(at) = first_outside_years(source) {
            let row = batch.column_by_name(ROW).and_then(|r| r.as_primitive_opt::<Int64Type>());
            let row = row.map(|r| format!("row {}, ", r.value(at))).unwrap_or_default();
            return Err(Error::new(
                Code::DoesNotFit,
                format!("{row}column `{column}`: a time outside the years 1 to 9999 makes no partition"),
            ));
        }
        let PartitionBy::Time { unit, .. } = p else { continue };
        let array = time_part(source, *unit)?;
        fields.push(Arc::new(Field::new(p.column_name(), array.data_type().clone(), true)));
        columns.push(array);
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

const HOUR_US: i64 = 3_600_000_000;
pub(crate) const DAY_US: i64 = 24 * HOUR_US;
/// 0001-01-01 and 9999-12-31, in days since 1970.
const YEARS: std::ops::RangeInclusive<i32> = -719_162..=2_932_896;

/// The first row whose time has no place in a calendar of four-digit years.
fn first_outside_years(times: &ArrayRef) -> Option<usize> {
    let micros = i64::from(*YEARS.start()) * DAY_US..(i64::from(*YEARS.end()) + 1) * DAY_US;
    match times.data_type() {
        DataType::Date32 => {
            let mut days = times.as_primitive::<Date32Type>().iter();
            days.position(|d| d.is_some_and(|d| !YEARS.contains(&d)))
        }
        DataType::Timestamp(ArrowTimeUnit::Microsecond, _) => {
            let mut all = times.as_primitive::<TimestampMicrosecondType>().iter();
            all.position(|t| t.is_some_and(|t| !micros.contains(&t)))
        }
        _ => None,
    }
}

fn time_part(source: &ArrayRef, unit: TimeUnit) -> Result<ArrayRef> {
    let micros = arrow::compute::cast(source, &DataType::Timestamp(ArrowTimeUnit::Microsecond, None))?;
    let micros = micros.as_primitive::<TimestampMicrosecondType>();
    Ok(match unit {
        TimeUnit::Day => {
            Arc::new(micros.iter().map(|m| m.map(|m| m.div_euclid(DAY_US) as i32)).collect::<Date32Array>())
        }
        TimeUnit::Month => Arc::new(
            micros
                .iter()
                .map(|m| m.map(|m| first_of_month(m.div_euclid(DAY_US) as i32)).transpose())
                .collect::<Result<Date32Array>>()?,
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
                let hour = m.div_euclid(HOUR_US);
                if last.as_ref().is_none_or(|(h, _)| *h != hour) {
                    last = Some((hour, civil(hour * HOUR_US)?.strftime("%Y-%m-%dT%H").to_string()));
                }
                out.append_value(last.as_ref().map_or("", |(_, t)| t));
            }
            Arc::new(out.finish())
        }
    })
}

fn first_of_month(days: i32) -> Result<i32> {
    Ok(days - i32::from(civil(i64::from(days) * DAY_US)?.day()) + 1)
}

/// An instant as UTC's calendar shows it, to the last day of the year 9999,
/// which many use for "never"; `jiff::Timestamp` ends two hours before it.
pub(crate) fn civil(micros: i64) -> Result<jiff::civil::DateTime> {
    jiff::civil::date(1970, 1, 1)
        .at(0, 0, 0, 0)
        .checked_add(jiff::SignedDuration::from_micros(micros))
        .map_err(|e| Error::new(Code::DoesNotFit, format!("a time without a date: {e}")))
}

/// A column's type in the words of the configuration.
pub fn type_name(t: &DataType, kind: Option<Kind>) -> String {
    match kind {
        Some(Kind::Json) => "json".into(),
        _ => crate::catalog::type_name(t),
    }
}

#[cfg(test)]
mod tests;
