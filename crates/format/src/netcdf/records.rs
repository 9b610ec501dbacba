//! Records of a classic file, which hold one step of every variable along the
//! record dimension, side by side.
//!
//! The library reads a variable record by record, a few bytes each time. Here
//! the records of a slab are read at once, for all the variables in turn.

use std::sync::{Arc, Mutex, PoisonError};

use hdf5_reader::Storage;
use hdf5_reader::storage::StorageBuffer;
use netcdf_reader::classic::data::{NcReadType, compute_record_stride};
use netcdf_reader::{Error, NcVariable, Result};

/// Where a variable's part of each record is.
#[derive(Clone, Copy)]
pub(super) struct Part {
    /// From the first byte of the record.
    offset: u64,
    size_bytes: u64,
}

pub(super) struct Records {
    storage: Arc<dyn Storage>,
    /// Of the first record in the file.
    offset: u64,
    stride: u64,
    /// The records that were read last.
    last: Mutex<Option<Run>>,
}

struct Run {
    from: u64,
    to: u64,
    bytes: StorageBuffer,
}

impl Records {
    /// `None` for a file without a record dimension.
    pub fn of(storage: Arc<dyn Storage>, variables: &[NcVariable]) -> Result<Option<Self>> {
        let offsets = variables.iter().filter(|v| v.is_record_var).map(|v| v.data_offset);
        let Some(offset) = offsets.min() else { return Ok(None) };
        let stride = compute_record_stride(variables)?;
        Ok(Some(Self { storage, offset, stride, last: Mutex::new(None) }))
    }

    /// `None` for a variable that does not lie along the record dimension.
    pub fn part(&self, variable: &NcVariable) -> Option<Part> {
        let offset = variable.data_offset.checked_sub(self.offset)?;
        variable.is_record_var.then_some(Part { offset, size_bytes: variable.record_size })
    }

    /// The values of the records `from..to`.
    pub fn read<T: NcReadType>(&self, part: Part, from: u64, to: u64) -> Result<Vec<T>> {
        // What is kept is replaced as a whole, so that a panic leaves nothing half done.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let run = match last.take() {
            Some(run) if (run.from, run.to) == (from, to) => run,
            _ => Run { from, to, bytes: self.bytes(from, to)? },
        };
        let size = length(part.size_bytes)?;
        let per_record = size / T::element_size().max(1);
        let n_values = length(to - from)?.checked_mul(per_record).ok_or_else(too_long)?;
        // The bytes are there already: no header makes this longer than the file.
        if n_values.saturating_mul(T::element_size()) > run.bytes.len() {
            return Err(self.cut(from));
        }
        let mut values = Vec::with_capacity(n_values);
        for record in 0..to - from {
            let at = record.checked_mul(self.stride).and_then(|n| n.checked_add(part.offset));
            let at = length(at.ok_or_else(too_long)?)?;
            let bytes = at.checked_add(size).and_then(|end| run.bytes.get(at..end));
            let bytes = bytes.ok_or_else(|| self.cut(from + record))?;
            match per_record {
                1 => values.push(T::from_be_bytes(bytes)?),
                _ => values.extend(T::decode_bulk_be(bytes, per_record)?),
            }
        }
        *last = Some(run);
        Ok(values)
    }

    fn bytes(&self, from: u64, to: u64) -> Result<StorageBuffer> {
        let start =
            from.checked_mul(self.stride).and_then(|n| n.checked_add(self.offset)).ok_or_else(too_long)?;
        let n_bytes = (to - from).checked_mul(self.stride).ok_or_else(too_long)?;
        // The padding of the last record may be missing.
        let n_bytes = n_bytes.min(self.storage.len().saturating_sub(start));
        Ok(self.storage.read_range(start, length(n_bytes)?)?)
    }

    fn cut(&self, record: u64) -> Error {
        Error::UnexpectedEof {
            offset: record.saturating_mul(self.stride).saturating_add(self.offset),
            needed: self.stride,
            available: self.storage.len(),
        }
    }
}

fn length(n: u64) -> Result<usize> {
    usize::try_from(n).map_err(|_| too_long())
}

fn too_long() -> Error {
    Error::InvalidData("records beyond what can be addressed".into())
}
