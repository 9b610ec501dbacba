//! Files that say their own types: Parquet and Arrow IPC. Batches come as they
//! are stored, cut to at most [`BATCH_ROWS`] rows.

mod footer;
mod ipc;

use std::io;

use arrow::array::RecordBatch;
use lakegate_domain::Code;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use crate::container::{Blob, inside};
use crate::encoding::Bytestream;
use crate::error::{Error, Result};
use ipc::{IpcFile, IpcStream};

/// Rows of a batch at most.
pub const BATCH_ROWS: usize = 8192;
/// One batch of an Arrow file is read as a whole: it may take so many times what
/// one record may.
const BATCH_RECORDS: usize = 16;

pub(crate) const PARQUET_MAGIC: &[u8] = b"PAR1";
pub(crate) const ARROW_MAGIC: &[u8] = b"ARROW1";
/// How an Arrow stream begins: the mark before a message's length.
pub(crate) const STREAM_MAGIC: &[u8] = &[0xFF; 4];

/// Reads one typed file, batch by batch.
pub(crate) struct Typed {
    source: Source,
    /// What is left of a batch that was too long.
    rest: Option<RecordBatch>,
    /// Returned where there are no rows, so that the schema is known.
    empty: Option<RecordBatch>,
}

enum Source {
    Parquet(ParquetRecordBatchReader),
    ArrowFile(Box<IpcFile>),
    ArrowStream(Box<IpcStream>),
}

impl Typed {
    /// Errors: LG103 where the file is cut short, LG101 where it is damaged or
    /// something else.
    pub fn parquet(blob: Blob) -> Result<Self> {
        let mut tail = [0u8; 4];
        let begins = starts_with(&blob, 0, PARQUET_MAGIC)?;
        let ends = blob.size() >= 12 && {
            io::Read::read_exact(&mut blob.range(blob.size() - 4, 4), &mut tail)
                .map_err(crate::container::carried)?;
            tail == PARQUET_MAGIC
        };
        if begins && !ends {
            return Err(Error::new(
                Code::DamagedArchive,
                "the Parquet file is cut short: its footer, which stands at the end, is missing",
            ));
        }
        if !begins {
            return Err(Error::new(Code::Malformed, "not a Parquet file: it does not begin with `PAR1`"));
        }
        let damaged = |e: &(dyn std::error::Error + 'static)| broken("Parquet", e);
        footer::check_footer(&blob)?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(blob.clone()).map_err(|e| damaged(&e))?;
        footer::check_dictionaries(&blob, builder.metadata())?;
        let empty = RecordBatch::new_empty(builder.schema().clone());
        let reader = builder.with_batch_size(BATCH_ROWS).build().map_err(|e| damaged(&e))?;
        Ok(Self { source: Source::Parquet(reader), rest: None, empty: Some(empty) })
    }

    /// Whether a blob is an Arrow IPC file, rather than a stream, shows in its
    /// first bytes. `record_cap`: bytes that one record may have.
    pub fn arrow_file(blob: Blob, record_cap: usize) -> Result<Self> {
        let reader = IpcFile::open(blob, batch_cap(record_cap)).map_err(|own| {
            if own.code != Code::Malformed {
                return own;
            }
            Error::new(
                Code::DamagedArchive,
                format!("{}; its footer stands at the end, so it may be cut short", own.message),
            )
        })?;
        let empty = RecordBatch::new_empty(reader.schema());
        Ok(Self { source: Source::ArrowFile(Box::new(reader)), rest: None, empty: Some(empty) })
    }

    /// `record_cap`: bytes that one record may have.
    pub fn arrow_stream(stream: Bytestream, record_cap: usize) -> Result<Self> {
        let reader = IpcStream::open(stream, batch_cap(record_cap))?;
        let empty = RecordBatch::new_empty(reader.schema());
        Ok(Self { source: Source::ArrowStream(Box::new(reader)), rest: None, empty: Some(empty) })
    }

    /// The next batch; at least one is returned.
    pub fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(rest) = self.rest.take() {
                self.empty = None;
                if rest.num_rows() > BATCH_ROWS {
                    self.rest = Some(rest.slice(BATCH_ROWS, rest.num_rows() - BATCH_ROWS));
                    return Ok(Some(rest.slice(0, BATCH_ROWS)));
                }
                return Ok(Some(rest));
            }
            let next = match &mut self.source {
                Source::Parquet(reader) => reader.next().transpose().map_err(|e| broken("Parquet", &e))?,
                Source::ArrowFile(reader) => reader.next()?,
                Source::ArrowStream(reader) => reader.next()?,
            };
            match next {
                Some(batch) if batch.num_rows() == 0 => {}
                Some(batch) => self.rest = Some(batch),
                None => {
                    if let Source::ArrowStream(reader) = &mut self.source {
                        // Past the end mark only a compression's checksum is left.
                        io::copy(reader.rest(), &mut io::sink()).map_err(crate::container::carried)?;
                    }
                    return Ok(self.empty.take());
                }
            }
        }
    }
}

fn batch_cap(record_cap: usize) -> u64 {
    (record_cap as u64).saturating_mul(BATCH_RECORDS as u64)
}

pub(crate) fn starts_with(blob: &Blob, at: u64, magic: &[u8]) -> Result<bool> {
    let mut found = Vec::new();
    let mut reader = blob.range(at, magic.len() as u64);
    io::Read::read_to_end(&mut reader, &mut found).map_err(crate::container::carried)?;
    Ok(found == magic)
}

fn broken(format: &str, error: &(dyn std::error::Error + 'static)) -> Error {
    inside(error)
        .unwrap_or_else(|| Error::new(Code::Malformed, format!("the {format} file cannot be read: {error}")))
}
