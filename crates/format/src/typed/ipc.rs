//! Arrow IPC, message by message. The library takes memory by the lengths that
//! a message claims, and stops the process where they are nonsense; here every
//! length is held against the bytes that are there before it is believed.

use std::io::Read;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::convert::fb_to_schema;
use arrow::ipc::reader::{FileDecoder, StreamDecoder, read_footer_length};
use arrow::ipc::{Block, Message, root_as_footer, root_as_message};
use bytes::Bytes;
use lakegate_domain::Code;
use parquet::file::reader::ChunkReader;

use super::{ARROW_MAGIC, STREAM_MAGIC, broken};
use crate::container::{Blob, carried};
use crate::encoding::Bytestream;
use crate::error::{Error, Result};

/// Length of the footer and the mark at a file's end.
const TRAILER_BYTES: u64 = 10;
/// What closes a stream.
const END: [u8; 8] = [0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0];

/// Batches of an IPC file, by its footer.
pub(super) struct IpcFile {
    blob: Blob,
    decoder: FileDecoder,
    schema: SchemaRef,
    blocks: std::vec::IntoIter<Block>,
    cap: u64,
}

impl IpcFile {
    /// `cap`: bytes that one batch may take.
    pub fn open(blob: Blob, cap: u64) -> Result<Self> {
        let size = blob.size();
        let at = size.checked_sub(TRAILER_BYTES).filter(|at| *at >= ARROW_MAGIC.len() as u64);
        let Some(at) = at else { return Err(damaged("it is too short")) };
        let trailer = bytes(&blob, at, TRAILER_BYTES)?;
        let trailer = trailer.as_ref().try_into().map_err(|_| damaged("it is too short"))?;
        let length = read_footer_length(trailer).map_err(|e| broken("Arrow", &e))? as u64;
        let Some(start) = at.checked_sub(length) else {
            return Err(damaged("its footer is longer than the file"));
        };
        let footer = bytes(&blob, start, length)?;
        let footer = root_as_footer(&footer).map_err(|_| damaged("its footer is damaged"))?;
        let schema = footer.schema().ok_or_else(|| damaged("its footer has no schema"))?;
        let schema = schema_of(schema)?;
        let mut file = Self {
            blob,
            decoder: FileDecoder::new(schema.clone(), footer.version()),
            schema,
            blocks: footer.recordBatches().into_iter().flatten().copied().collect::<Vec<_>>().into_iter(),
            cap,
        };
        for block in footer.dictionaries().into_iter().flatten() {
            let buffer = file.block(block)?;
            file.decoder.read_dictionary(block, &buffer).map_err(|e| broken("Arrow", &e))?;
        }
        Ok(file)
    }

    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    pub fn next(&mut self) -> Result<Option<RecordBatch>> {
        for block in self.blocks.by_ref() {
            let buffer = read_block(&self.blob, &block, self.cap)?;
            let batch = self.decoder.read_record_batch(&block, &buffer).map_err(|e| broken("Arrow", &e))?;
            if batch.is_some() {
                return Ok(batch);
            }
        }
        Ok(None)
    }

    fn block(&self, block: &Block) -> Result<Buffer> {
        read_block(&self.blob, block, self.cap)
    }
}

/// The bytes of one message and its body, as the footer says where they stand.
fn read_block(blob: &Blob, block: &Block, cap: u64) -> Result<Buffer> {
    let nonsense = || damaged("its footer says nonsense of where batches stand");
    let part = |length: i64| u64::try_from(length).map_err(|_| nonsense());
    let head_len = part(block.metaDataLength().into())?;
    let length = head_len.checked_add(part(block.bodyLength())?).ok_or_else(nonsense)?;
    let start = part(block.offset())?;
    if start.checked_add(length).is_none_or(|end| end > blob.size()) {
        return Err(nonsense());
    }
    held(length, cap)?;
    let all = bytes(blob, start, length)?;
    let (head, body) = all.split_at(head_len as usize);
    let head = match head.strip_prefix(STREAM_MAGIC) {
        Some(rest) => rest.get(4..),
        None => head.get(4..),
    };
    let message = message_in(head.ok_or_else(nonsense)?)?;
    check(&message, body, cap)?;
    Ok(Buffer::from(all))
}

/// Batches of an IPC stream.
pub(super) struct IpcStream {
    stream: Bytestream,
    decoder: StreamDecoder,
    schema: SchemaRef,
    /// What the decoder has not taken yet.
    pending: Buffer,
    cap: u64,
    ended: bool,
}

impl IpcStream {
    /// `cap`: bytes that one batch may take.
    pub fn open(stream: Bytestream, cap: u64) -> Result<Self> {
        let mut this = Self {
            stream,
            decoder: StreamDecoder::new(),
            schema: Schema::empty().into(),
            pending: Buffer::default(),
            cap,
            ended: false,
        };
        let first = this.message()?.unwrap_or_default();
        let head = first.get(8..).unwrap_or_default();
        let message = message_in(head)?;
        let schema = message.header_as_schema();
        this.schema = schema_of(schema.ok_or_else(|| damaged("it does not begin with a schema"))?)?;
        this.pending = Buffer::from(first);
        Ok(this)
    }

    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// What follows the end mark.
    pub fn rest(&mut self) -> &mut Bytestream {
        &mut self.stream
    }

    pub fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            while !self.pending.is_empty() {
                let batch = self.decoder.decode(&mut self.pending).map_err(|e| broken("Arrow", &e))?;
                if batch.is_some() {
                    return Ok(batch);
                }
            }
            if self.ended {
                return Ok(None);
            }
            // The end mark also makes the decoder give up what it holds.
            self.pending = Buffer::from(self.message()?.unwrap_or_else(|| END.to_vec()));
        }
    }

    /// The next message with its mark, its length and its body, as a whole;
    /// `None` at the end.
    fn message(&mut self) -> Result<Option<Vec<u8>>> {
        let mut all = Vec::new();
        let mut n = self.read(4, &mut all)?;
        let marked = all == STREAM_MAGIC;
        if marked {
            n = self.read(4, &mut all)?;
        } else {
            // Streams of before 2019 have none.
            all.splice(0..0, STREAM_MAGIC.iter().copied());
        }
        let length = match all.get(4..8) {
            Some(length) => u64::from(u32::from_le_bytes(length.try_into().expect("four bytes"))),
            None if n == 0 && !marked => 0,
            None => return Err(cut_short()),
        };
        if length == 0 {
            self.ended = true;
            return Ok(None);
        }
        held(length, self.cap)?;
        self.read_all(length, &mut all)?;
        let body_at = all.len();
        let message = message_in(&all[8..])?;
        let body =
            u64::try_from(message.bodyLength()).map_err(|_| damaged("a message says nonsense of itself"))?;
        held(length.saturating_add(body), self.cap)?;
        self.read_all(body, &mut all)?;
        let message = message_in(&all[8..body_at])?;
        check(&message, &all[body_at..], self.cap)?;
        Ok(Some(all))
    }

    /// Appends up to `n` bytes, and takes memory only as they come. Says how many
    /// there were.
    fn read(&mut self, n: u64, to: &mut Vec<u8>) -> Result<u64> {
        Ok((&mut self.stream).take(n).read_to_end(to).map_err(carried)? as u64)
    }

    fn read_all(&mut self, n: u64, to: &mut Vec<u8>) -> Result<()> {
        if self.read(n, to)? < n { Err(cut_short()) } else { Ok(()) }
    }
}

/// Holds what a message says of its body against the body.
fn check(message: &Message<'_>, body: &[u8], cap: u64) -> Result<()> {
    let nonsense = || damaged("a batch says nonsense of itself");
    let dictionary = message.header_as_dictionary_batch().and_then(|d| d.data());
    let Some(batch) = message.header_as_record_batch().or(dictionary) else { return Ok(()) };
    // A row of nulls takes no bytes at all: their number has its own bound.
    held(u64::try_from(batch.length()).map_err(|_| nonsense())?, cap)?;
    for node in batch.nodes().into_iter().flatten() {
        if node.null_count() < 0 || node.null_count() > node.length() {
            return Err(nonsense());
        }
        held(u64::try_from(node.length()).map_err(|_| nonsense())?, cap)?;
    }
    let mut unpacked = 0u64;
    for buffer in batch.buffers().into_iter().flatten() {
        let at = usize::try_from(buffer.offset()).map_err(|_| nonsense())?;
        let length = usize::try_from(buffer.length()).map_err(|_| nonsense())?;
        let end = at.checked_add(length).ok_or_else(nonsense)?;
        let part = body.get(at..end).ok_or_else(nonsense)?;
        if batch.compression().is_none() || part.is_empty() {
            continue;
        }
        // Its length when unpacked, or -1 where it is not packed.
        let claim = part.first_chunk().ok_or_else(nonsense)?;
        let claim = match i64::from_le_bytes(*claim) {
            -1 => length as u64,
            claim => u64::try_from(claim).map_err(|_| nonsense())?,
        };
        unpacked = unpacked.saturating_add(claim);
    }
    held(unpacked, cap)
}

/// LG106 where a batch is larger than may be held.
fn held(length: u64, cap: u64) -> Result<()> {
    if length <= cap {
        return Ok(());
    }
    Err(Error::new(
        Code::RecordTooLong,
        format!(
            "one batch of the Arrow file takes {length} bytes or rows; at most {cap} are held at once, which is \
             {} times `caps: {{ record: … }}`: write smaller batches, or raise it",
            super::BATCH_RECORDS
        ),
    ))
}

fn schema_of(schema: arrow::ipc::Schema<'_>) -> Result<SchemaRef> {
    if !schema.endianness().equals_to_target_endianness() {
        return Err(Error::new(Code::Malformed, "the Arrow file has the other byte order than this machine"));
    }
    Ok(fb_to_schema(schema).into())
}

fn message_in(bytes: &[u8]) -> Result<Message<'_>> {
    root_as_message(bytes).map_err(|_| damaged("the head of a message is damaged"))
}

fn bytes(blob: &Blob, at: u64, length: u64) -> Result<Bytes> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    blob.get_bytes(at, length).map_err(|e| broken("Arrow", &e))
}

fn damaged(how: &str) -> Error {
    Error::new(Code::Malformed, format!("the Arrow file cannot be read: {how}"))
}

fn cut_short() -> Error {
    damaged("it is cut short in the middle of a message")
}
