//! Results on their way out: to a terminal, a script or a file.
//!
//! Everything but the terminal's table streams: memory holds one batch, and for
//! Parquet one row group. Instants are ISO 8601 in UTC with a `Z`, times without
//! a zone have none; nested values are JSON wherever the format has no nesting.

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use arrow::array::RecordBatch;
use arrow::csv::WriterBuilder as CsvBuilder;
use arrow::error::ArrowError;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions};
use arrow::json::WriterBuilder as JsonBuilder;
use arrow::json::writer::{EncoderOptions, JsonFormat, LineDelimited};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::session::Error;

mod cells;
mod table;

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
        OutputFormat::Csv => csv(&mut stream, &mut out, &mut n_rows).await,
        OutputFormat::Json => json::<RowALine>(&mut stream, &mut out, &mut n_rows).await,
        OutputFormat::Ndjson => json::<LineDelimited>(&mut stream, &mut out, &mut n_rows).await,
        OutputFormat::Parquet => parquet(&mut stream, &mut out, &mut n_rows).await,
        OutputFormat::Arrow => arrow_file(&mut stream, &mut out, &mut n_rows).await,
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

async fn csv(
    stream: &mut SendableRecordBatchStream,
    out: &mut Outlet<'_>,
    n_rows: &mut u64,
) -> Result<(), Failed> {
    let build = |header: bool| {
        CsvBuilder::new()
            .with_header(header)
            .with_timestamp_format(NAIVE.into())
            .with_timestamp_tz_format(INSTANT.into())
            .with_datetime_format(NAIVE.into())
    };
    // The header is written even where there are no rows.
    let empty = cells::flat(&RecordBatch::new_empty(stream.schema()))?;
    let mut writer = build(true).build(out);
    writer.write(&empty)?;
    while let Some(batch) = next(stream, n_rows).await? {
        writer.write(&cells::flat(&batch)?)?;
    }
    Ok(())
}

async fn json<F: JsonFormat>(
    stream: &mut SendableRecordBatchStream,
    out: &mut Outlet<'_>,
    n_rows: &mut u64,
) -> Result<(), Failed> {
    let mut writer = json_builder().build::<_, F>(out);
    while let Some(batch) = next(stream, n_rows).await? {
        writer.write(&batch)?;
    }
    writer.finish()?;
    Ok(())
}

/// One array, each of its objects on a line of its own.
#[derive(Debug, Default)]
struct RowALine;

impl JsonFormat for RowALine {
    fn start_stream<W: Write>(&self, out: &mut W) -> Result<(), ArrowError> {
        Ok(out.write_all(b"[")?)
    }

    fn start_row<W: Write>(&self, out: &mut W, is_first_row: bool) -> Result<(), ArrowError> {
        Ok(out.write_all(if is_first_row { b"\n" } else { b",\n" })?)
    }

    fn end_stream<W: Write>(&self, out: &mut W) -> Result<(), ArrowError> {
        Ok(out.write_all(b"\n]\n")?)
    }
}

/// JSON as everywhere in results: missing values are `null`.
fn json_builder() -> JsonBuilder {
    JsonBuilder::new()
        .with_explicit_nulls(true)
        .with_timestamp_format(NAIVE.into())
        .with_timestamp_tz_format(INSTANT.into())
        .with_datetime_format(NAIVE.into())
}

/// The same for single values.
fn json_options() -> EncoderOptions {
    EncoderOptions::default()
        .with_explicit_nulls(true)
        .with_timestamp_format(NAIVE.into())
        .with_timestamp_tz_format(INSTANT.into())
        .with_datetime_format(NAIVE.into())
}

/// Encoded bytes at which a row group is closed.
const ROW_GROUP_BYTES: usize = 64 << 20;

async fn parquet(
    stream: &mut SendableRecordBatchStream,
    out: &mut Outlet<'_>,
    n_rows: &mut u64,
) -> Result<(), Failed> {
    let properties =
        WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
    let mut writer = ArrowWriter::try_new(out, stream.schema(), Some(properties))?;
    while let Some(batch) = next(stream, n_rows).await? {
        writer.write(&batch)?;
        if writer.in_progress_size() >= ROW_GROUP_BYTES {
            writer.flush()?;
        }
    }
    writer.close()?;
    Ok(())
}

async fn arrow_file(
    stream: &mut SendableRecordBatchStream,
    out: &mut Outlet<'_>,
    n_rows: &mut u64,
) -> Result<(), Failed> {
    let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD))?;
    let mut writer = FileWriter::try_new_with_options(out, &stream.schema(), options)?;
    while let Some(batch) = next(stream, n_rows).await? {
        writer.write(&batch)?;
    }
    writer.finish()?;
    Ok(())
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

/// Why a result could not be written to its end.
struct Failed(Error);

impl From<io::Error> for Failed {
    fn from(e: io::Error) -> Self {
        Failed(Error::failed(format!("the result cannot be written: {e}")))
    }
}

impl From<ArrowError> for Failed {
    fn from(e: ArrowError) -> Self {
        Failed(Error::failed(format!("the result cannot be written: {e}")))
    }
}

impl From<parquet::errors::ParquetError> for Failed {
    fn from(e: parquet::errors::ParquetError) -> Self {
        Failed(Error::failed(format!("the result cannot be written: {e}")))
    }
}

#[cfg(test)]
mod tests;
