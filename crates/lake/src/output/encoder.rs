//! Batches in, bytes out: whoever has the bytes decides when the next batch is
//! made, so that a slow reader holds up the statement and not the memory.

use std::io::{self, Write};

use arrow::array::RecordBatch;
use arrow::csv::{Writer as CsvWriter, WriterBuilder as CsvBuilder};
use arrow::datatypes::SchemaRef;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions};
use arrow::json::WriterBuilder as JsonBuilder;
use arrow::json::writer::{JsonFormat, LineDelimited, Writer as JsonWriter};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::{INSTANT, NAIVE, OutputFormat, cells};
use crate::session::Error;

/// Encoded bytes at which a Parquet row group is closed.
const ROW_GROUP_BYTES: usize = 16 << 20;

/// Turns one result into one document.
pub struct Encoder(Box<dyn Form>);

impl Encoder {
    /// An encoder for rows of `schema`.
    ///
    /// # Errors
    /// A column that the format has no place for, or the format is
    /// [`OutputFormat::Table`], which shows a whole result at once.
    pub fn new(format: OutputFormat, schema: &SchemaRef) -> Result<Self, Error> {
        Ok(Self(match format {
            OutputFormat::Table => {
                return Err(Error::failed("a table for the terminal is no stream of bytes"));
            }
            OutputFormat::Csv => Box::new(Csv::new(schema)?),
            OutputFormat::Json => Box::new(Json::<RowALine>::new()),
            OutputFormat::Ndjson => Box::new(Json::<LineDelimited>::new()),
            OutputFormat::Parquet => Box::new(Parquet::new(schema)?),
            OutputFormat::Arrow => Box::new(ArrowFile::new(schema)?),
        }))
    }

    /// Takes rows in; returns the bytes that are ready, perhaps none.
    ///
    /// # Errors
    /// A value that the format has no place for.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, Error> {
        self.0.write(batch)?;
        Ok(std::mem::take(self.0.bytes()))
    }

    /// The last bytes.
    ///
    /// # Errors
    /// As [`Encoder::write`].
    pub fn finish(mut self) -> Result<Vec<u8>, Error> {
        self.0.finish()?;
        Ok(std::mem::take(self.0.bytes()))
    }
}

/// A format's writer over bytes in memory.
trait Form: Send {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Failed>;
    fn finish(&mut self) -> Result<(), Failed>;
    /// What is written and not yet taken.
    fn bytes(&mut self) -> &mut Vec<u8>;
}

struct Csv {
    bytes: Vec<u8>,
}

impl Csv {
    fn new(schema: &SchemaRef) -> Result<Self, Failed> {
        let mut csv = Self { bytes: Vec::new() };
        // The header is written even where there are no rows.
        let empty = cells::flat(&RecordBatch::new_empty(schema.clone()))?;
        csv.writer(true).write(&empty)?;
        Ok(csv)
    }

    fn writer(&mut self, header: bool) -> CsvWriter<&mut Vec<u8>> {
        CsvBuilder::new()
            .with_header(header)
            .with_timestamp_format(NAIVE.into())
            .with_timestamp_tz_format(INSTANT.into())
            .with_datetime_format(NAIVE.into())
            .build(&mut self.bytes)
    }
}

impl Form for Csv {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Failed> {
        let flat = cells::flat(batch)?;
        Ok(self.writer(false).write(&flat)?)
    }

    fn finish(&mut self) -> Result<(), Failed> {
        Ok(())
    }

    fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

struct Json<F: JsonFormat>(JsonWriter<Vec<u8>, F>);

impl<F: JsonFormat> Json<F> {
    fn new() -> Self {
        // Missing values are `null`.
        let builder = JsonBuilder::new()
            .with_explicit_nulls(true)
            .with_timestamp_format(NAIVE.into())
            .with_timestamp_tz_format(INSTANT.into())
            .with_datetime_format(NAIVE.into());
        Self(builder.build(Vec::new()))
    }
}

impl<F: JsonFormat + Send> Form for Json<F> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Failed> {
        Ok(self.0.write(batch)?)
    }

    fn finish(&mut self) -> Result<(), Failed> {
        Ok(self.0.finish()?)
    }

    fn bytes(&mut self) -> &mut Vec<u8> {
        self.0.get_mut()
    }
}

/// One array, each of its objects on a line of its own.
#[derive(Debug, Default)]
struct RowALine;

impl JsonFormat for RowALine {
    fn start_stream<W: Write>(&self, out: &mut W) -> Result<(), arrow::error::ArrowError> {
        Ok(out.write_all(b"[")?)
    }

    fn start_row<W: Write>(&self, out: &mut W, is_first_row: bool) -> Result<(), arrow::error::ArrowError> {
        Ok(out.write_all(if is_first_row { b"\n" } else { b",\n" })?)
    }

    fn end_stream<W: Write>(&self, out: &mut W) -> Result<(), arrow::error::ArrowError> {
        Ok(out.write_all(b"\n]\n")?)
    }
}

struct Parquet {
    writer: ArrowWriter<Vec<u8>>,
}

impl Parquet {
    fn new(schema: &SchemaRef) -> Result<Self, Failed> {
        let properties =
            WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
        Ok(Self { writer: ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties))? })
    }
}

impl Form for Parquet {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Failed> {
        self.writer.write(batch)?;
        if self.writer.in_progress_size() >= ROW_GROUP_BYTES {
            self.writer.flush()?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Failed> {
        self.writer.finish()?;
        Ok(())
    }

    // The writer counts what went through it: bytes that are taken away do not
    // change where it believes to be.
    fn bytes(&mut self) -> &mut Vec<u8> {
        self.writer.inner_mut()
    }
}

struct ArrowFile(FileWriter<Vec<u8>>);

impl ArrowFile {
    fn new(schema: &SchemaRef) -> Result<Self, Failed> {
        let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD))?;
        Ok(Self(FileWriter::try_new_with_options(Vec::new(), schema, options)?))
    }
}

impl Form for ArrowFile {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Failed> {
        Ok(self.0.write(batch)?)
    }

    fn finish(&mut self) -> Result<(), Failed> {
        Ok(self.0.finish()?)
    }

    fn bytes(&mut self) -> &mut Vec<u8> {
        self.0.get_mut()
    }
}

/// Why a result could not be written to its end.
#[derive(Debug)]
pub(super) struct Failed(pub(super) Error);

impl From<Failed> for Error {
    fn from(e: Failed) -> Self {
        e.0
    }
}

impl From<io::Error> for Failed {
    fn from(e: io::Error) -> Self {
        Failed(Error::failed(format!("the result cannot be written: {e}")))
    }
}

impl From<arrow::error::ArrowError> for Failed {
    fn from(e: arrow::error::ArrowError) -> Self {
        Failed(Error::failed(format!("the result cannot be written: {e}")))
    }
}

impl From<parquet::errors::ParquetError> for Failed {
    fn from(e: parquet::errors::ParquetError) -> Self {
        Failed(Error::failed(format!("the result cannot be written: {e}")))
    }
}
