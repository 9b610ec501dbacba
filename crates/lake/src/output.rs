//! Results on their way out: to a terminal, a script or a file.
//!
//! Everything but the terminal's table streams: memory holds one batch, and for
//! Parquet one row group. Instants are ISO 8601 in UTC with a `Z`, times without
//! a zone have none; nested values are JSON wherever the format has no nesting.

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use arrow::array::RecordBatch;
use arrow::json::writer::EncoderOptions;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;

use crate::session::Error;

mod cells;
mod encoder;
mod table;

pub use cells::texts;
pub use encoder::Encoder;
use encoder::Failed;

/// `strftime` of an instant; the fraction is left out where it is zero.
const INSTANT: &str = "%Y-%m-%dT%H:%M:%S%.fZ";
/// `strftime` of a time without a zone.
const NAIVE: &str = "%Y-%m-%dT%H:%M:%S%.f";

/// Forms that a result is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// Aligned columns for people.
    Table,
    /// RFC 4180 with a header; a missing value is an empty field.
    Csv,
    /// One array of objects.
    Json,
    /// One object a line.
    Ndjson,
    /// Zstandard-compressed Parquet.
    Parquet,
    /// An Arrow IPC file (Feather 2).
    Arrow,
}

impl OutputFormat {
    pub const ALL: [OutputFormat; 6] =
        [Self::Table, Self::Csv, Self::Json, Self::Ndjson, Self::Parquet, Self::Arrow];

    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
        }
    }

    /// The format that a file's name asks for by its ending.
    pub fn of_path(path: &std::path::Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "txt" => Some(Self::Table),
            "csv" => Some(Self::Csv),
            "json" => Some(Self::Json),
            "ndjson" | "jsonl" => Some(Self::Ndjson),
            "parquet" | "pq" => Some(Self::Parquet),
            "arrow" | "feather" | "ipc" => Some(Self::Arrow),
            _ => None,
        }
    }

    /// Whether the bytes would be noise on a terminal.
    pub fn is_binary(self) -> bool {
        matches!(self, Self::Parquet | Self::Arrow)
    }
}

impl fmt::Display for OutputFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for OutputFormat {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|f| f.name() == text).ok_or_else(|| {
            let all: Vec<_> = Self::ALL.iter().map(|f| f.name()).collect();
            format!("`{text}` is not a format; the formats are {}", all.join(", "))
        })
    }
}

/// How [`OutputFormat::Table`] is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableOptions {
    /// Rows shown; the rest is only counted.
    pub max_rows: usize,
    /// Characters in a line; `None` for as many as it takes, as in a pipe.
    pub width: Option<u16>,
    /// Whether the terminal shows bold and dim text.
    pub color: bool,
}

impl Default for TableOptions {
    fn default() -> Self {
        Self { max_rows: 1000, width: None, color: false }
    }
}

/// Writes a result and returns its number of rows.
///
/// A reader that goes away, as `head` does, ends the result without an error:
/// the number is then that of the rows handed over before.
///
/// # Errors
/// The statement fails while it runs, or `out` cannot be written to.
pub async fn write(
    mut stream: SendableRecordBatchStream,
    format: OutputFormat,
    out: &mut (dyn Write + Send),
    options: TableOptions,
) -> Result<u64, Error> {
    let mut out = Outlet { inner: out, closed: false };
    let mut n_rows = 0;
    let done = match format {
        OutputFormat::Table => table::write(&mut stream, &mut out, options, &mut n_rows).await,
        format => encoded(&mut stream, format, &mut out, &mut n_rows).await,
    };
    match done.and_then(|()| Ok(out.flush()?)) {
        Err(_) if out.closed => Ok(n_rows),
        Err(e) => Err(e.0),
        Ok(()) => Ok(n_rows),
    }
}

/// The next batch, counted.
async fn next(
    stream: &mut SendableRecordBatchStream,
    n_rows: &mut u64,
) -> Result<Option<RecordBatch>, Failed> {
    match stream.next().await {
        Some(Ok(batch)) => {
            *n_rows += batch.num_rows() as u64;
            Ok(Some(batch))
        }
        Some(Err(e)) => Err(Failed(e.into())),
        None => Ok(None),
    }
}

async fn encoded(
    stream: &mut SendableRecordBatchStream,
    format: OutputFormat,
    out: &mut Outlet<'_>,
    n_rows: &mut u64,
) -> Result<(), Failed> {
    let mut encoder = Encoder::new(format, &stream.schema()).map_err(Failed)?;
    while let Some(batch) = next(stream, n_rows).await? {
        out.write_all(&encoder.write(&batch).map_err(Failed)?)?;
    }
    out.write_all(&encoder.finish().map_err(Failed)?)?;
    Ok(())
}

/// How single values are written as JSON: missing ones are `null`.
pub fn json_options() -> EncoderOptions {
    EncoderOptions::default()
        .with_explicit_nulls(true)
        .with_timestamp_format(NAIVE.into())
        .with_timestamp_tz_format(INSTANT.into())
        .with_datetime_format(NAIVE.into())
}

/// Where bytes go, and whether the other end hung up.
struct Outlet<'a> {
    inner: &'a mut (dyn Write + Send),
    closed: bool,
}

impl Outlet<'_> {
    fn noticing<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        self.closed |= result.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::BrokenPipe);
        result
    }
}

impl Write for Outlet<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.inner.write(bytes);
        self.noticing(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.inner.flush();
        self.noticing(result)
    }
}

#[cfg(test)]
mod tests;
