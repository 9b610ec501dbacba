//! One landed file to rows, each batch with the table it goes to.

use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use lakegate_domain::ids::NAME_BYTES;
use lakegate_domain::model::{Dataset, Scalar, Table};
use lakegate_domain::{Code, Failure};
use lakegate_format::open::{Chunk, Payload, Stream};
use lakegate_format::text::{Cell, Notation, TextBatch};

use super::contents::Tally;

/// Rows as a reader gives them.
#[derive(Clone, Debug)]
pub enum Rows {
    Text(TextBatch),
    Typed(RecordBatch),
}

impl Rows {
    pub fn n_rows(&self) -> usize {
        match self {
            Rows::Text(t) => t.n_rows,
            Rows::Typed(b) => b.num_rows(),
        }
    }

    /// What the rows take in memory: text and where each cell is in it, or arrays.
    pub fn size_bytes(&self) -> usize {
        match self {
            Rows::Text(t) => t.text.len() + t.side.len() + t.names.len() * t.n_rows * size_of::<Cell>(),
            Rows::Typed(b) => b.get_array_memory_size(),
        }
    }

    /// The columns' names as the file has them.
    pub fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Rows::Text(t) => Box::new(t.names.iter().map(String::as_str)),
            Rows::Typed(b) => Box::new(b.schema_ref().fields().iter().map(|f| f.name().as_str())),
        }
    }
}

/// A batch of one file's rows on their way to a table.
#[derive(Clone, Debug)]
pub struct Parsed {
    pub table: String,
    pub stream: Arc<Stream>,
    pub rows: Rows,
    /// Rows of the reader that these are made of.
    pub n_read: u64,
}

/// A chunk's rows for each table that they go to, and what they hold whatever the
/// tables make of them.
#[derive(Debug)]
pub struct Chunked {
    pub parts: Vec<Parsed>,
    pub tally: Tally,
}

/// What every row of a file is given from its name: the route's groups and its
/// site's values.
pub fn constants(dataset: &Dataset, groups: &[(String, String)]) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = groups.iter().filter(|(g, _)| g != "table").cloned().collect();
    let site = groups.iter().find(|(g, _)| g == "site").and_then(|(_, v)| dataset.sites.get(v));
    for (name, value) in site.into_iter().flatten() {
        out.push((name.clone(), Scalar::to_string(value)));
    }
    out
}

/// The tables that a stream of a file goes to, in the order of their declaration.
///
/// A named group `table` decides; else the tables whose `from` names the stream;
/// a stream without a name goes to every table that is not made of another.
pub fn tables_of(
    dataset: &Dataset,
    groups: &[(String, String)],
    stream: &Stream,
) -> Result<Vec<String>, Failure> {
    if let Some((_, name)) = groups.iter().find(|(g, _)| g == "table") {
        let name = lakegate_format::conform::column_name(name);
        if dataset.tables.get(&name).is_some_and(|t| t.of.is_none()) {
            return Ok(vec![name]);
        }
        if dataset.any_table.is_some() {
            return any_table(name).map(|name| vec![name]);
        }
        return Err(no_table(dataset, &format!("the file's name says table `{name}`")));
    }
    let taking = |takes: &dyn Fn(&str, &Table) -> bool| -> Vec<String> {
        dataset.tables.iter().filter(|(n, t)| takes(n, t)).map(|(n, _)| n.clone()).collect()
    };
    if let Some(stream_name) = &stream.name {
        let tables = taking(&|name, table| table.takes(name, stream_name));
        if !tables.is_empty() {
            return Ok(tables);
        }
        if dataset.any_table.is_some() {
            return any_table(lakegate_format::conform::column_name(stream_name)).map(|name| vec![name]);
        }
        return Err(no_table(dataset, &format!("stream `{stream_name}`")));
    }
    let tables = taking(&|_, table| table.of.is_none());
    match tables.len() {
        0 if dataset.any_table.is_some() => Ok(vec![dataset.name.dataset.clone()]),
        0 => Err(no_table(dataset, "the file's rows")),
        _ => Ok(tables),
    }
}

/// A table that no declaration names: by what a file says, which may be any
/// length.
fn any_table(name: String) -> Result<String, Failure> {
    if name.len() <= NAME_BYTES {
        return Ok(name);
    }
    let message =
        format!("`{name}` is too long for a table's name: {} bytes of at most {NAME_BYTES}", name.len());
    Err(Failure::new(Code::NoTable, message))
}

fn no_table(dataset: &Dataset, what: &str) -> Failure {
    let known: Vec<&str> =
        dataset.tables.iter().filter(|(_, t)| t.of.is_none()).map(|(n, _)| n.as_str()).collect();
    Failure::new(
        Code::NoTable,
        format!("{what}: no table of {} takes it; its tables are {}", dataset.name, known.join(", ")),
    )
}

/// Parses a chunk for the tables that it goes to and adds the file's constants.
/// The costly part of reading; it depends on nothing but its input and runs on
/// any thread.
pub fn parse(
    dataset: &Dataset,
    groups: &[(String, String)],
    chunk: Chunk,
    constants: &[(String, String)],
) -> Result<Chunked, Failure> {
    let tables = tables_of(dataset, groups, &chunk.stream)?;
    let rows = match chunk.payload {
        Payload::Text(text) => Rows::Text(text.parse().map_err(Failure::from)?),
        Payload::Typed(batch) => Rows::Typed(batch),
    };
    let tally = Tally::of(dataset, &tables, &chunk.stream, &rows)?;
    let mut parts = Vec::with_capacity(tables.len());
    let last = tables.len().saturating_sub(1);
    let mut left = Some(rows);
    for (at, table) in tables.into_iter().enumerate() {
        let rows = if at == last { left.take() } else { left.clone() };
        let Some(mut rows) = rows else { break };
        // Streams that are merged get them together.
        if dataset.tables.get(&table).is_none_or(|t| t.merge.is_none()) {
            rows = with_constants(rows, constants)?;
        }
        let n_read = rows.n_rows() as u64;
        parts.push(Parsed { table, stream: chunk.stream.clone(), rows, n_read });
    }
    Ok(Chunked { parts, tally })
}

/// Adds the file's constants to rows.
pub fn with_constants(rows: Rows, constants: &[(String, String)]) -> Result<Rows, Failure> {
    Ok(match rows {
        Rows::Text(mut batch) => {
            add_to_text(&mut batch, constants);
            Rows::Text(batch)
        }
        Rows::Typed(batch) => Rows::Typed(add_to_typed(batch, constants)?),
    })
}

/// A column that the file itself has goes before one from its name.
fn add_to_text(batch: &mut TextBatch, constants: &[(String, String)]) {
    let new: Vec<_> = constants.iter().filter(|(n, _)| !batch.names.contains(n)).collect();
    if new.is_empty() {
        return;
    }
    let mut names = batch.names.to_vec();
    for (name, value) in new {
        let text = match batch.notation {
            Notation::Plain => value.clone(),
            Notation::Json => serde_json::Value::from(value.as_str()).to_string(),
        };
        let start = batch.side.len();
        batch.side.push_str(&text);
        let cell = Cell::in_side(start, text.len(), false);
        batch.columns.push(vec![cell; batch.n_rows]);
        names.push(name.clone());
    }
    batch.names = names.into();
}

fn add_to_typed(batch: RecordBatch, constants: &[(String, String)]) -> Result<RecordBatch, Failure> {
    let mut fields: Vec<_> = batch.schema_ref().fields().iter().cloned().collect();
    let mut columns = batch.columns().to_vec();
    for (name, value) in constants {
        if batch.schema_ref().index_of(name).is_ok() {
            continue;
        }
        fields.push(Arc::new(Field::new(name, DataType::Utf8, true)));
        columns.push(Arc::new(StringArray::from(vec![value.as_str(); batch.num_rows()])));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|e| Failure::new(Code::Bug, e.to_string()))
}
