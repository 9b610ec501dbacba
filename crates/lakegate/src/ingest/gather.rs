//! Rows of tables whose rows of one file come together before their columns are
//! looked at: several record streams become one set of rows, and a command makes
//! others of them. Both see the whole file.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};
use lakegate_domain::model::{Column, Csv, Dataset, Evolve, Format, Hook, Kind, Merge, Table};
use lakegate_domain::{Code, Failure};
use lakegate_format::conform::{self, Plan, Target, column_name};
use lakegate_format::merge::{self, MergedColumn, Naming};
use lakegate_format::open::Stream;
use lakegate_format::text::TextBatch;
use lakegate_format::typed_conform::delta_type;
use lakegate_lake::sink::align;

use super::fold::Halt;
use super::hook::{self, Call, Room};
use super::parse::{Parsed, Rows, with_constants};

/// What waits of one file.
pub struct Gather<'a> {
    dataset: &'a Dataset,
    tables: BTreeMap<String, Vec<Parsed>>,
}

impl<'a> Gather<'a> {
    pub fn new(dataset: &'a Dataset) -> Self {
        Self { dataset, tables: BTreeMap::new() }
    }

    /// Whether rows of a table wait here for the end of their file.
    pub fn takes(&self, table: &str) -> bool {
        config(self.dataset, table).is_some_and(Table::is_gathered)
    }

    pub fn push(&mut self, parsed: Parsed) {
        self.tables.entry(parsed.table.clone()).or_default().push(parsed);
    }

    /// What has become of the rows, table by table. `room` says whether what is
    /// made of them may be held too.
    ///
    /// # Errors
    /// LG303 and LG302 where rows have no key to be merged by, LG306 where it is
    /// not clear which column is meant, LG405 of a hook.
    pub fn finish(
        self,
        constants: &[(String, String)],
        call: &Call<'_>,
        room: &mut Room<'_>,
    ) -> Result<Vec<Parsed>, Halt> {
        let mut all = Vec::new();
        for (name, mut parts) in self.tables {
            let Some(config) = config(self.dataset, &name) else { continue };
            if let Some(merge) = &config.merge {
                let Some(merged) = merged(self.dataset, &name, config, merge, parts, constants, room)? else {
                    continue;
                };
                parts = vec![merged];
            }
            if let Some(hook) = &config.hook {
                parts = hooked(self.dataset, hook, parts, &Call { table: &name, ..*call }, room)?;
            }
            all.extend(parts);
        }
        Ok(all)
    }
}

fn config<'d>(dataset: &'d Dataset, table: &str) -> Option<&'d Table> {
    dataset.tables.get(table).or(dataset.any_table.as_ref())
}

/// Spellings of a missing value in a stream: those of its reader.
pub fn nulls_of_stream(dataset: &Dataset, stream: Option<&str>) -> Vec<String> {
    match dataset.read.format_of(stream) {
        Some(Format::Csv(Csv { nulls, .. })) => nulls.clone(),
        _ => Vec::new(),
    }
}

/// Spellings of a missing value in a table's rows: those of the readers that feed
/// it, all of them.
pub fn nulls_of(dataset: &Dataset, config: &Table, table: &str) -> Vec<String> {
    // What another table gives, and what a command does, has nulls of its own.
    if config.of.is_some() || config.hook.is_some() {
        return Vec::new();
    }
    let mut streams = config.streams().into_iter();
    let first = nulls_of_stream(dataset, Some(streams.next().unwrap_or(table)));
    streams.fold(first, |nulls, stream| {
        let its = nulls_of_stream(dataset, Some(stream));
        nulls.into_iter().filter(|n| its.contains(n)).collect()
    })
}

/// One stream's part of a merge.
struct Side {
    name: String,
    rows: Vec<Rows>,
    columns: Vec<String>,
    units: Vec<(String, String)>,
    /// What it calls the key.
    key: String,
    /// Spellings of a missing value of its own.
    nulls: Vec<String>,
}

impl Side {
    fn n_rows(&self) -> usize {
        self.rows.iter().map(Rows::n_rows).sum()
    }
}

fn merged(
    dataset: &Dataset,
    table: &str,
    config: &Table,
    merge: &Merge,
    parts: Vec<Parsed>,
    constants: &[(String, String)],
    room: &mut Room<'_>,
) -> Result<Option<Parsed>, Halt> {
    let n_read = parts.iter().map(|p| p.n_read).sum();
    let n_bytes: usize = parts.iter().map(|p| p.rows.size_bytes()).sum();
    let Some(format) = parts.first().map(|p| p.stream.format) else { return Ok(None) };
    room(merge::merged_bytes(n_bytes))?;
    let key = Key::of(dataset, config, merge);
    let mut sides: Vec<Side> = Vec::new();
    for name in &merge.streams {
        let its: Vec<&Parsed> =
            parts.iter().filter(|p| p.stream.name.as_deref() == Some(name.as_str())).collect();
        if its.is_empty() {
            // The file has no such member: its columns are null.
            continue;
        }
        sides.push(side(dataset, table, name, &its, &key)?);
    }
    drop(parts);
    let common = nulls_of(dataset, config, table);
    let mut keys: Vec<Vec<Option<i64>>> = Vec::with_capacity(sides.len());
    let kind = key.kind(&sides, merge, table)?;
    for side in &sides {
        let spec = Column { from: Some(side.key.clone()), ..key.column.clone() };
        let plan = Plan {
            targets: vec![Target::declared(spec, kind)],
            evolve: Evolve::Rescue,
            timezone: dataset.timezone.clone(),
            nulls: common.iter().chain(&side.nulls).cloned().collect(),
        };
        let mut all = Vec::with_capacity(side.n_rows());
        for rows in &side.rows {
            let first_row = all.len() as u64 + 1;
            let its = match rows {
                Rows::Text(batch) => merge::keys_of_text(&plan, &side.key, batch, first_row),
                Rows::Typed(batch) => merge::keys_of_typed(&plan, &side.key, batch, first_row),
            };
            all.extend(its.map_err(|e| of_stream(table, &side.name, e.into()))?);
        }
        keys.push(all);
    }
    let missing = merge.streams.len() - sides.len();
    // A row that every stream has is not there where a stream is not.
    let is_empty = missing > 0 && merge.how == lakegate_domain::model::How::Inner
        || merge.how == lakegate_domain::model::How::Left && sides[0].name != merge.streams[0];
    if is_empty {
        keys.iter_mut().for_each(Vec::clear);
    }
    let joined = merge::join(&keys, merge.how, merge.tolerance.as_micros() as u64);
    let streams: Vec<(String, Vec<String>)> =
        sides.iter().map(|s| (s.name.clone(), s.columns.clone())).collect();
    let side_keys: Vec<String> = sides.iter().map(|s| s.key.clone()).collect();
    let columns = named(dataset, config, &streams, &side_keys, &key)?;
    let rows = joined_rows(&columns, &sides, &joined).map_err(|f| of_table(table, f))?;
    let units = columns
        .iter()
        .filter_map(|c| {
            let side = &sides[c.stream.unwrap_or(0)];
            let source = if c.stream.is_some() { &c.source } else { &side.key };
            let (_, unit) = side.units.iter().find(|(column, _)| column == source)?;
            Some((c.name.clone(), unit.clone()))
        })
        .collect();
    let name = merge.streams.first().cloned();
    let stream = Stream { name, member: None, units, format, kind: format, faults: Vec::new() };
    let rows = with_constants(rows, constants)?;
    Ok(Some(Parsed { table: table.into(), stream: Arc::new(stream), rows, n_read }))
}

/// The column by which rows are merged.
struct Key {
    /// As it is declared, or by its name alone.
    column: Column,
}

impl Key {
    /// The column that `by` names: of `input:`, of the table, or of the file.
    fn of(dataset: &Dataset, config: &Table, merge: &Merge) -> Self {
        let all = || dataset.input.iter().chain(&config.columns);
        let declared = all().find(|c| c.name == merge.by).or_else(|| all().find(|c| c.is_from(&merge.by)));
        let mut column = declared.cloned().unwrap_or_else(|| Column::named(merge.by.as_str()));
        column.default = None;
        column.conversion = None;
        Key { column }
    }

    /// What the merge calls it.
    fn name(&self) -> &str {
        self.column.source()
    }

    /// What a stream calls it.
    fn source(&self, columns: &[String]) -> Option<String> {
        let exact = self.column.sources().find(|s| columns.iter().any(|c| c == s)).map(str::to_string);
        exact.or_else(|| columns.iter().find(|c| column_name(c) == column_name(&self.column.name)).cloned())
    }

    /// Its type: as declared, as all streams have it, or a time.
    fn kind(&self, sides: &[Side], merge: &Merge, table: &str) -> Result<Kind, Failure> {
        let kinds: Vec<Kind> = sides
            .iter()
            .map(|side| match side.rows.first() {
                Some(Rows::Typed(batch)) => match batch.column_by_name(&side.key).map(|c| c.data_type()) {
                    Some(DataType::Date32 | DataType::Date64) => Kind::Date,
                    Some(t) if t.is_integer() => Kind::Int,
                    _ => Kind::Timestamp,
                },
                _ => Kind::Timestamp,
            })
            .collect();
        let of_files = kinds.first().filter(|first| kinds.iter().all(|k| k == *first));
        let kind = self.column.kind.or(of_files.copied()).unwrap_or(Kind::Timestamp);
        if matches!(kind, Kind::Int | Kind::Int32) && !merge.tolerance.is_zero() {
            return Err(of_table(
                table,
                Failure::new(
                    Code::DoesNotFit,
                    format!("`{}` is a number, and `tolerance:` is for times", merge.by),
                ),
            ));
        }
        Ok(kind)
    }
}

fn side(dataset: &Dataset, table: &str, name: &str, parts: &[&Parsed], key: &Key) -> Result<Side, Failure> {
    let mut columns: Vec<String> = Vec::new();
    let mut units = Vec::new();
    for part in parts {
        for column in part.rows.names() {
            if !columns.iter().any(|c| c == column) {
                columns.push(column.to_string());
            }
        }
        units.extend(part.stream.units.iter().cloned());
    }
    let Some(key) = key.source(&columns) else {
        let found: Vec<String> = columns.iter().take(8).map(|c| format!("`{c}`")).collect();
        let wanted: Vec<String> = key.column.sources().map(|c| format!("`{c}`")).collect();
        return Err(of_stream(
            table,
            name,
            Failure::new(
                Code::MissingColumn,
                format!(
                    "there is no column {} to merge by; it has {}",
                    wanted.join(" or "),
                    found.join(", ")
                ),
            ),
        ));
    };
    let config = config(dataset, table);
    let common = config.map_or(Vec::new(), |c| nulls_of(dataset, c, table));
    let mut nulls = nulls_of_stream(dataset, Some(name));
    nulls.retain(|n| !common.contains(n));
    let rows = parts.iter().map(|p| p.rows.clone()).collect();
    Ok(Side { name: name.into(), rows, columns, units, key, nulls })
}

/// Names the columns of merged streams, each of which is given with its columns
/// and what it calls the key.
fn named(
    dataset: &Dataset,
    config: &Table,
    streams: &[(String, Vec<String>)],
    keys: &[String],
    key: &Key,
) -> Result<Vec<MergedColumn>, Failure> {
    // What follows sees either the table's inputs or those of `input:`.
    let declared = dataset.input.iter().chain(&config.columns).collect();
    Ok(merge::names(&Naming { streams, keys, key: key.name(), declared })?)
}

/// What each column of a table's streams is called when they are merged; `None`
/// where they cannot be.
pub fn merged_names(
    dataset: &Dataset,
    config: &Table,
    merge: &Merge,
    streams: &[(String, Vec<String>)],
) -> Option<Vec<Vec<String>>> {
    let key = Key::of(dataset, config, merge);
    let keys = streams.iter().map(|(_, columns)| key.source(columns)).collect::<Option<Vec<_>>>()?;
    let merged = named(dataset, config, streams, &keys, &key).ok()?;
    let name = |at: usize, column: &String| {
        let is_it = |c: &&MergedColumn| c.stream == Some(at) && c.source == *column;
        merged.iter().find(is_it).map_or(key.name(), |c| &c.name).to_string()
    };
    let of = |(at, (_, columns)): (usize, &(String, Vec<String>))| {
        columns.iter().map(|column| name(at, column)).collect()
    };
    Some(streams.iter().enumerate().map(of).collect())
}

/// The merged rows: text where all streams are text of one notation.
fn joined_rows(columns: &[MergedColumn], sides: &[Side], joined: &merge::Joined) -> Result<Rows, Failure> {
    let keys: Vec<String> = sides.iter().map(|s| s.key.clone()).collect();
    let texts: Vec<Vec<TextBatch>> = sides
        .iter()
        .map(|s| {
            s.rows.iter().filter_map(|r| if let Rows::Text(t) = r { Some(t.clone()) } else { None }).collect()
        })
        .collect();
    let notation = texts.iter().flatten().next().map(|t| t.notation);
    let all_text = texts.iter().zip(sides).all(|(texts, side)| texts.len() == side.rows.len())
        && texts.iter().flatten().all(|t| Some(t.notation) == notation);
    if all_text {
        let nulls: Vec<Vec<String>> = sides.iter().map(|s| s.nulls.clone()).collect();
        return Ok(Rows::Text(merge::merge_text(columns, &texts, &keys, &nulls, joined)?));
    }
    let mut typed: Vec<Vec<RecordBatch>> = Vec::with_capacity(sides.len());
    for side in sides {
        let mut batches = Vec::with_capacity(side.rows.len());
        for rows in &side.rows {
            batches.push(match rows {
                Rows::Text(batch) => merge::as_typed(batch)?,
                Rows::Typed(batch) => batch.clone(),
            });
        }
        typed.push(batches);
    }
    Ok(Rows::Typed(merge::merge_typed(columns, &typed, &keys, joined)?))
}

/// What a command makes of rows. Of none it makes none.
pub fn hooked(
    dataset: &Dataset,
    hook: &Hook,
    parts: Vec<Parsed>,
    call: &Call<'_>,
    room: &mut Room<'_>,
) -> Result<Vec<Parsed>, Halt> {
    let n_read: u64 = parts.iter().map(|p| p.n_read).sum();
    if parts.iter().all(|p| p.rows.n_rows() == 0) {
        // Nothing is known of the columns that it would make.
        return Ok(Vec::new());
    }
    let Some(stream) = parts.first().map(|p| p.stream.clone()) else { return Ok(Vec::new()) };
    let mut batches = Vec::with_capacity(parts.len());
    for part in parts {
        batches.push(input(dataset, part, call.table)?);
    }
    // Batches of one file may know different columns: all of them count.
    let schemas = batches.iter().map(|b| b.schema_ref().as_ref().clone());
    let schema = Schema::try_merge(schemas).map(Arc::new).map_err(|e| {
        Failure::new(Code::Hook, format!("table {}: the file's columns change their types: {e}", call.table))
    })?;
    let batches = batches
        .iter()
        .map(|b| align(b, &schema))
        .collect::<lakegate_lake::Result<Vec<_>>>()
        .map_err(Failure::from)?;
    room(batches.iter().map(RecordBatch::get_array_memory_size).sum())?;
    let rows = hook::run(hook, call, &schema, &batches, room)?;
    let stream = Arc::new(Stream { units: Vec::new(), ..stream.as_ref().clone() });
    let mut n_left = n_read;
    Ok(rows
        .into_iter()
        .map(|batch| {
            let rows = Rows::Typed(batch);
            // All that was read is accounted for once.
            let n_read = std::mem::take(&mut n_left);
            Parsed { table: call.table.into(), stream: stream.clone(), rows, n_read }
        })
        .collect())
}

/// What a command sees of rows: the file's columns under the file's names; text
/// is text, but where `input:` declares a type.
fn input(dataset: &Dataset, part: Parsed, table: &str) -> Result<RecordBatch, Failure> {
    let declared = |name: &str| {
        let column = dataset.input.iter().find(|c| c.is_from(name))?;
        Some(Target::declared(
            Column { name: name.into(), from: None, or_from: Vec::new(), ..column.clone() },
            column.kind?,
        ))
    };
    let as_it_is =
        |name: &str, t: DataType| Target { declared: true, ..Target::untyped(Column::named(name), t) };
    let targets: Vec<Target> = match &part.rows {
        Rows::Text(batch) => {
            batch.names.iter().map(|n| declared(n).unwrap_or_else(|| as_it_is(n, DataType::Utf8))).collect()
        }
        Rows::Typed(batch) => batch
            .schema_ref()
            .fields()
            .iter()
            .map(|f| declared(f.name()).unwrap_or_else(|| as_it_is(f.name(), delta_type(f.data_type()))))
            .collect(),
    };
    let config = config(dataset, table);
    let nulls = config.map_or(Vec::new(), |c| nulls_of(dataset, &Table { hook: None, ..c.clone() }, table));
    let plan = Plan { targets, evolve: Evolve::Rescue, timezone: dataset.timezone.clone(), nulls };
    let conformed = match &part.rows {
        Rows::Text(batch) => conform::conform_text(&plan, batch, 1)?,
        Rows::Typed(batch) => conform::conform_typed(&plan, batch, 1)?,
    };
    let misfit = conformed.rescued.iter().flatten().flatten().next();
    match misfit {
        None => Ok(conformed.batch),
        Some(what) => Err(of_table(
            table,
            Failure::new(
                Code::DoesNotFit,
                format!("a value does not fit the type that `input:` declares: {what}"),
            ),
        )),
    }
}

fn of_table(table: &str, f: Failure) -> Failure {
    Failure { message: format!("table {table}: {}", f.message), ..f }
}

fn of_stream(table: &str, stream: &str, f: Failure) -> Failure {
    of_table(table, Failure { message: format!("stream {stream}: {}", f.message), ..f })
}
