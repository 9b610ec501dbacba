//! One landed file to rows, each batch with the table it goes to.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use lakegate_domain::ids::NAME_BYTES;
use lakegate_domain::model::{Dataset, Scalar};
use lakegate_domain::{Code, Failure};
use lakegate_format::open::{Chunk, Payload, Stream};
use lakegate_format::text::{Cell, Notation, TextBatch};

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

    /// How many values a column has; `nulls` are spellings of a missing one.
    pub fn n_values(&self, column: usize, nulls: &[String]) -> u64 {
        let n = match self {
            Rows::Typed(batch) => batch.num_rows() - batch.column(column).null_count(),
            Rows::Text(batch) => {
                let is_value = |cell: &Cell| match (batch.get(*cell), batch.notation) {
                    (None, _) => false,
                    (Some(text), Notation::Plain) => {
                        (cell.is_quoted() || !text.is_empty()) && !nulls.iter().any(|n| n == text)
                    }
                    (Some(text), Notation::Json) => text != "null",
                };
                batch.columns[column].iter().filter(|cell| is_value(cell)).count()
            }
        };
        n as u64
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
    /// The first of its columns, so many, are the file's own; the others are from
    /// its name.
    pub n_own: usize,
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

/// The table that a stream of a file goes to.
///
/// A named group `table` decides; else the table whose `from` names the stream;
/// else the only table there is.
pub fn table_of(dataset: &Dataset, groups: &[(String, String)], stream: &Stream) -> Result<String, Failure> {
    if let Some((_, name)) = groups.iter().find(|(g, _)| g == "table") {
        let name = lakegate_format::conform::column_name(name);
        if dataset.tables.contains_key(&name) {
            return Ok(name);
        }
        if dataset.any_table.is_some() {
            return any_table(name);
        }
        return Err(no_table(dataset, &format!("the file's name says table `{name}`")));
    }
    if let Some(stream_name) = &stream.name {
        if let Some((name, _)) =
            dataset.tables.iter().find(|(n, t)| t.from.as_deref().unwrap_or(n.as_str()) == stream_name)
        {
            return Ok(name.clone());
        }
        if dataset.any_table.is_some() {
            return any_table(lakegate_format::conform::column_name(stream_name));
        }
        return Err(no_table(dataset, &format!("stream `{stream_name}`")));
    }
    match dataset.tables.len() {
        1 => Ok(dataset.tables.keys().next().expect("one table").clone()),
        0 if dataset.any_table.is_some() => Ok(dataset.name.dataset.clone()),
        _ => Err(no_table(dataset, "the file's rows")),
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
    let known: Vec<&str> = dataset.tables.keys().map(String::as_str).collect();
    Failure::new(
        Code::NoTable,
        format!("{what}: no table of {} takes it; its tables are {}", dataset.name, known.join(", ")),
    )
}

/// Parses a chunk and adds the file's constants. The costly part of reading;
/// it depends on nothing but its input and runs on any thread.
pub fn parse(chunk: Chunk, table: String, constants: &[(String, String)]) -> Result<Parsed, Failure> {
    let (rows, n_own) = match chunk.payload {
        Payload::Text(text) => {
            let mut batch = text.parse().map_err(Failure::from)?;
            let n_own = batch.names.len();
            add_to_text(&mut batch, constants);
            (Rows::Text(batch), n_own)
        }
        Payload::Typed(batch) => {
            let n_own = batch.num_columns();
            (Rows::Typed(add_to_typed(batch, constants)?), n_own)
        }
    };
    Ok(Parsed { table, stream: chunk.stream, rows, n_own })
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
