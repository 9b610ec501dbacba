//! What a Parquet file claims of itself, looked at before the library believes
//! it: that takes memory by counts, and a damaged count may ask for more than
//! there is, which ends the process. Thrift's compact protocol, read only as far
//! as that needs.

use std::io::Read;

use lakegate_domain::Code;
use parquet::file::metadata::ParquetMetaData;

use crate::container::{Blob, carried};
use crate::error::{Error, Result};

/// Structs within structs; the format itself has six.
const MAX_DEPTH: u32 = 32;
/// Groups within groups of the schema.
const MAX_GROUPS: usize = 128;
/// A dictionary page's header is a few numbers.
const PAGE_HEAD_BYTES: u64 = 128;

const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;

/// Checks that no count in the footer is beyond what its bytes can hold.
pub(super) fn check_footer(blob: &Blob) -> Result<()> {
    let Some(at) = blob.size().checked_sub(8) else { return Ok(()) };
    let length = u64::from(u32::from_le_bytes(head(blob, at, 4)?.try_into().unwrap_or_default()));
    // A length that is itself nonsense the library refuses.
    let Some(start) = at.checked_sub(length) else { return Ok(()) };
    let bytes = head(blob, start, length)?;
    let mut footer = Thrift { bytes: &bytes };
    let mut groups: Vec<i64> = Vec::new();
    footer.fields(0, &mut |thrift, field, kind| {
        if (field, kind) != (2, LIST) {
            return thrift.skip(kind, 0).map(drop);
        }
        // The schema's tree, in depth-first order: each element says how many
        // children follow it.
        let (of, n) = thrift.list()?;
        for _ in 0..n {
            let mut children = 0;
            if of != STRUCT {
                return Err(nonsense());
            }
            thrift.fields(1, &mut |thrift, field, kind| {
                let value = thrift.skip(kind, 1)?;
                if field == 5 {
                    children = value;
                }
                Ok(())
            })?;
            if !(0..=n as i64).contains(&children) {
                return Err(nonsense());
            }
            while groups.last() == Some(&0) {
                groups.pop();
            }
            if let Some(left) = groups.last_mut() {
                *left -= 1;
            }
            groups.push(children);
            if groups.len() > MAX_GROUPS {
                return Err(nonsense());
            }
        }
        Ok(())
    })
}

/// Checks that no column's dictionary claims more values than it has bytes.
pub(super) fn check_dictionaries(blob: &Blob, metadata: &ParquetMetaData) -> Result<()> {
    for column in metadata.row_groups().iter().flat_map(|g| g.columns()) {
        let at = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
        let Ok(at) = u64::try_from(at) else { continue };
        let bytes = head(blob, at, PAGE_HEAD_BYTES)?;
        let (mut size, mut n_values) = (0, 0);
        let read = Thrift { bytes: &bytes }.fields(0, &mut |thrift, field, kind| match (field, kind) {
            (2, _) => {
                size = thrift.skip(kind, 0)?;
                Ok(())
            }
            (7, STRUCT) => thrift.fields(1, &mut |thrift, field, kind| {
                let value = thrift.skip(kind, 1)?;
                if field == 1 {
                    n_values = value;
                }
                Ok(())
            }),
            _ => thrift.skip(kind, 0).map(drop),
        });
        // Where a page's head is no such thing, the library says so.
        if read.is_ok() && n_values > size {
            return Err(nonsense());
        }
    }
    Ok(())
}

fn head(blob: &Blob, at: u64, length: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    blob.range(at, length).read_to_end(&mut bytes).map_err(carried)?;
    Ok(bytes)
}

fn nonsense() -> Error {
    Error::new(Code::Malformed, "the Parquet file cannot be read: its metadata is damaged")
}

struct Thrift<'a> {
    bytes: &'a [u8],
}

/// Told of each field: its number and the kind of its value, which it reads.
type OnField<'f, 'a> = &'f mut dyn FnMut(&mut Thrift<'a>, i64, u8) -> Result<()>;

impl<'a> Thrift<'a> {
    fn byte(&mut self) -> Result<u8> {
        let (first, rest) = self.bytes.split_first().ok_or_else(nonsense)?;
        self.bytes = rest;
        Ok(*first)
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(nonsense())
    }

    fn zigzag(&mut self) -> Result<i64> {
        let n = self.varint()?;
        Ok((n >> 1) as i64 ^ -((n & 1) as i64))
    }

    fn advance(&mut self, n: u64) -> Result<()> {
        let n = usize::try_from(n).map_err(|_| nonsense())?;
        self.bytes = self.bytes.get(n..).ok_or_else(nonsense)?;
        Ok(())
    }

    /// Kind and number of a list's elements, each of which takes a byte or more.
    fn list(&mut self) -> Result<(u8, usize)> {
        let head = self.byte()?;
        let n = match head >> 4 {
            15 => self.varint()?,
            n => u64::from(n),
        };
        let n = usize::try_from(n).ok().filter(|n| *n <= self.bytes.len()).ok_or_else(nonsense)?;
        Ok((head & 0x0F, n))
    }

    fn fields(&mut self, depth: u32, on_field: OnField<'_, 'a>) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(nonsense());
        }
        let mut field = 0i64;
        loop {
            let head = self.byte()?;
            if head & 0x0F == 0 {
                return Ok(());
            }
            field = match head >> 4 {
                0 => self.zigzag()?,
                delta => field + i64::from(delta),
            };
            on_field(self, field, head & 0x0F)?;
        }
    }

    /// Passes a field's value by; what it is, where it is an integer.
    fn skip(&mut self, kind: u8, depth: u32) -> Result<i64> {
        match kind {
            // In a struct a boolean is its kind.
            1 | 2 => {}
            3 => self.advance(1)?,
            4..=6 => return self.zigzag(),
            7 => self.advance(8)?,
            BINARY => {
                let n = self.varint()?;
                self.advance(n)?;
            }
            LIST | SET => {
                let (of, n) = self.list()?;
                for _ in 0..n {
                    self.element(of, depth)?;
                }
            }
            MAP => {
                let n = self.varint()?;
                let kinds = if n > 0 { self.byte()? } else { 0 };
                for _ in 0..n {
                    self.element(kinds >> 4, depth)?;
                    self.element(kinds & 0x0F, depth)?;
                }
            }
            STRUCT => {
                self.fields(depth + 1, &mut |thrift, _, kind| thrift.skip(kind, depth + 1).map(drop))?
            }
            13 => self.advance(16)?,
            _ => return Err(nonsense()),
        }
        Ok(0)
    }

    /// Passes a list's element by: there a boolean takes a byte.
    fn element(&mut self, kind: u8, depth: u32) -> Result<()> {
        match kind {
            1 | 2 => self.advance(1),
            LIST | SET | MAP if depth >= MAX_DEPTH => Err(nonsense()),
            LIST | SET | MAP => self.skip(kind, depth + 1).map(drop),
            _ => self.skip(kind, depth).map(drop),
        }
    }
}
