//! The file's bytes through the netCDF library: opened once, read in slabs.
//!
//! Nothing of the library is called outside [`guarded`]: what a damaged file
//! makes it do is an error with a code, whatever it is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use hdf5_reader::filters::FilterRegistry;
use hdf5_reader::storage::StorageBuffer;
use hdf5_reader::{Dataset, H5Type, Hdf5File, OpenOptions, SliceInfo, SliceInfoElem, Storage};
use lakegate_domain::Code;
use netcdf_reader::{
    NcFile, NcGroup, NcOpenOptions, NcSliceInfo, NcSliceInfoElem, NcType, NcValue, NcVariable,
};

use super::element::{EnumInteger, Letter, Reference};
use super::records::{Part, Records};
use super::values::Values;
use crate::container::{Blob, carried, inside};
use crate::error::{Error, Result};

/// What decoded chunks of an HDF5 file may take, so that those which several
/// slabs share are decoded once.
const CHUNK_CACHE_BYTES: usize = 32 << 20;
/// Chunks are decoded whole; one larger than this and than the cap of a record
/// is refused.
const MAX_CHUNK_BYTES: usize = 128 << 20;
/// Of Zstandard among the registered HDF5 filters.
const FILTER_ZSTD: u16 = 32_015;

/// An opened netCDF file.
pub(super) struct NcSource {
    file: NcFile,
    /// The same bytes below the netCDF model, where slabs of texts and
    /// enumerations can be read; `None` for the classic formats.
    hdf5: Option<Hdf5File>,
    /// Of a classic file with a record dimension.
    records: Option<Records>,
}

/// A variable whose values can be read.
pub(super) struct Handle {
    path: String,
    kind: NcType,
    shape: Vec<u64>,
    dataset: Option<Dataset>,
    part: Option<Part>,
}

impl NcSource {
    /// `max_bytes`: what one read may make of memory.
    pub fn open(blob: Blob, max_bytes: usize) -> Result<Self> {
        let storage: Arc<dyn Storage> = Arc::new(BlobStorage(blob));
        let max_chunk_bytes = MAX_CHUNK_BYTES.max(max_bytes);
        guarded(|| {
            let options = NcOpenOptions {
                chunk_cache_bytes: CHUNK_CACHE_BYTES,
                max_chunk_bytes,
                max_read_bytes: max_bytes,
                filter_registry: Some(filters(max_chunk_bytes)),
                ..NcOpenOptions::default()
            };
            let file = NcFile::from_storage_with_options(storage.clone(), options)?;
            let (mut hdf5, mut records) = (None, None);
            match file.as_classic() {
                Some(classic) => records = Records::of(storage, &classic.root_group().variables)?,
                None => {
                    let options = OpenOptions::default()
                        .with_chunk_cache_bytes(CHUNK_CACHE_BYTES)
                        .with_max_chunk_bytes(max_chunk_bytes)
                        .with_max_read_bytes(max_bytes)
                        .with_filter_registry(filters(max_chunk_bytes));
                    hdf5 = Some(Hdf5File::from_storage_with_options(storage, options)?);
                }
            }
            file.root_group()?;
            Ok(Self { file, hdf5, records })
        })
    }

    /// The root group with all groups below it.
    pub fn root(&self) -> Result<&NcGroup> {
        guarded(|| self.file.root_group())
    }

    /// Whether the dimension of that path is declared by the group of that path,
    /// and not by one around it.
    pub fn declares_dimension(&self, path: &str) -> bool {
        let Some(hdf5) = &self.hdf5 else { return true };
        let class = guarded(|| Ok(hdf5.dataset(path)?.attribute("CLASS")?.read_string()?));
        class.is_ok_and(|class| class == "DIMENSION_SCALE")
    }

    /// `path`: from the root, without a leading slash.
    pub fn variable(&self, path: &str, variable: &NcVariable) -> Result<Handle> {
        let shape = variable.shape();
        let dataset = match &self.hdf5 {
            None => None,
            // A variable may end before its unlimited dimension does; the rest
            // is fill values.
            Some(hdf5) => Some(guarded(|| Ok(hdf5.dataset(path)?.with_padded_shape(&shape)?))?),
        };
        let part = self.records.as_ref().and_then(|r| r.part(variable));
        Ok(Handle { path: path.to_string(), kind: variable.dtype.clone(), shape, dataset, part })
    }

    /// Reads the steps `from..to` of one axis and all of the others, or without
    /// `along` everything. The given axis comes first in the result.
    pub fn read(&self, handle: &Handle, along: Option<(usize, u64, u64)>) -> Result<Values> {
        macro_rules! read {
            ($to:ident, $ty:ty) => {
                Values::$to(match &handle.dataset {
                    Some(dataset) => stored::<$ty>(dataset, handle, along)?,
                    None => self.classic::<$ty>(handle, along)?,
                })
            };
        }
        let of_hdf5 = |what: &str| {
            let message = format!("the variable `{}` of a classic file is {what}", handle.path);
            handle.dataset.as_ref().ok_or_else(|| Error::new(Code::Malformed, message))
        };
        Ok(match &handle.kind {
            NcType::Byte => read!(I8, i8),
            NcType::UByte => read!(U8, u8),
            NcType::Short => read!(I16, i16),
            NcType::UShort => read!(U16, u16),
            NcType::Int => read!(I32, i32),
            NcType::UInt => read!(U32, u32),
            NcType::Int64 => read!(I64, i64),
            NcType::UInt64 => read!(U64, u64),
            NcType::Float => read!(F32, f32),
            NcType::Double => read!(F64, f64),
            NcType::Char => {
                let letters = match &handle.dataset {
                    Some(dataset) => stored::<Letter>(dataset, handle, along)?,
                    None => self.classic::<Letter>(handle, along)?,
                };
                Values::Letters(letters.into_iter().map(|l| l.0).collect())
            }
            NcType::Enum { .. } => {
                let found = stored::<EnumInteger>(of_hdf5("an enumeration")?, handle, along)?;
                Values::Enum(found.into_iter().map(|i| i.0).collect())
            }
            NcType::String => {
                let dataset = of_hdf5("a text")?;
                let references = stored::<Reference>(dataset, handle, along)?;
                guarded(|| {
                    let texts = references.iter().map(|r| r.text(dataset)).collect::<Result<_, _>>()?;
                    Ok(Values::Text(texts))
                })?
            }
            NcType::Compound { .. } | NcType::Opaque { .. } | NcType::Array { .. } | NcType::VLen { .. } => {
                return Err(Error::new(Code::Bug, format!("`{}` can only be read whole", handle.path)));
            }
        })
    }

    /// Reads all values of a compound, opaque, array or variable-length type,
    /// with one axis moved to the front. The library has no slabs of these.
    pub fn read_whole(&self, handle: &Handle, first: Option<usize>) -> Result<Vec<NcValue>> {
        guarded(|| Ok(ordered(self.file.read_variable_user_defined(&handle.path)?, first)))
    }

    fn classic<T>(&self, handle: &Handle, along: Option<(usize, u64, u64)>) -> Result<Vec<T>>
    where
        T: netcdf_reader::classic::data::NcReadType + Clone,
    {
        guarded(|| {
            if let (Some(records), Some(part), Some((0, from, to))) = (&self.records, handle.part, along) {
                return records.read(part, from, to);
            }
            let Some(file) = self.file.as_classic() else {
                return Err(netcdf_reader::Error::VariableNotFound(handle.path.clone()));
            };
            let array = match handle.shape.len() {
                0 => file.read_variable::<T>(&handle.path)?,
                ndim => {
                    let selections =
                        selected(ndim, along, |start, end| NcSliceInfoElem::Slice { start, end, step: 1 });
                    file.read_variable_slice::<T>(&handle.path, &NcSliceInfo { selections })?
                }
            };
            Ok(ordered(array, along.map(|(axis, ..)| axis)))
        })
    }
}

impl Handle {
    /// The stored type.
    pub fn kind(&self) -> &NcType {
        &self.kind
    }
}

fn stored<T: H5Type>(dataset: &Dataset, handle: &Handle, along: Option<(usize, u64, u64)>) -> Result<Vec<T>> {
    guarded(|| {
        let array = match handle.shape.len() {
            0 => dataset.read_array::<T>()?,
            ndim => {
                let selections =
                    selected(ndim, along, |start, end| SliceInfoElem::Slice { start, end, step: 1 });
                dataset.read_slice::<T>(&SliceInfo { selections })?
            }
        };
        Ok(ordered(array, along.map(|(axis, ..)| axis)))
    })
}

fn selected<S>(ndim: usize, along: Option<(usize, u64, u64)>, slice: impl Fn(u64, u64) -> S) -> Vec<S> {
    (0..ndim)
        .map(|axis| match along {
            Some((of, from, to)) if of == axis => slice(from, to),
            _ => slice(0, u64::MAX),
        })
        .collect()
}

/// The values with one axis moved to the front.
fn ordered<T: Clone>(array: ndarray::ArrayD<T>, first: Option<usize>) -> Vec<T> {
    let array = match first {
        None | Some(0) => array,
        Some(axis) => {
            let mut axes: Vec<usize> = (0..array.ndim()).filter(|a| *a != axis).collect();
            axes.insert(0, axis);
            array.permuted_axes(axes)
        }
    };
    match array.is_standard_layout() {
        true => array.into_iter().collect(),
        false => array.iter().cloned().collect(),
    }
}

/// The filters of the library, and Zstandard, which netCDF-C has written since
/// version 4.9.
fn filters(max_chunk_bytes: usize) -> FilterRegistry {
    let mut registry = FilterRegistry::new();
    registry.register(
        FILTER_ZSTD,
        Box::new(move |_, data, _| {
            let mut out = Vec::new();
            let decoder = zstd::stream::read::Decoder::with_buffer(data)?;
            std::io::Read::read_to_end(
                &mut std::io::Read::take(decoder, max_chunk_bytes as u64 + 1),
                &mut out,
            )?;
            match out.len() > max_chunk_bytes {
                true => Err(hdf5_reader::error::Error::ResourceLimit("a Zstandard chunk".into())),
                false => Ok(out),
            }
        }),
    );
    registry
}

/// Bytes in memory or on disk, as the library wants them.
struct BlobStorage(Blob);

impl Storage for BlobStorage {
    fn len(&self) -> u64 {
        self.0.size()
    }

    fn read_range(&self, offset: u64, len: usize) -> hdf5_reader::error::Result<StorageBuffer> {
        // Before anything is allocated: a damaged header may claim any length.
        if offset.checked_add(len as u64).is_none_or(|end| end > self.0.size()) {
            return Err(hdf5_reader::error::Error::UnexpectedEof {
                offset,
                needed: len as u64,
                available: self.0.size().saturating_sub(offset),
            });
        }
        if let Some(bytes) = self.0.bytes(offset, len) {
            return StorageBuffer::from_shared_owner(Arc::new(bytes), 0, len);
        }
        let mut buffer = vec![0; len];
        std::io::Read::read_exact(&mut self.0.range(offset, len as u64), &mut buffer)?;
        Ok(StorageBuffer::from_vec(buffer))
    }
}

/// Calls the library. It promises errors for damaged files, yet it is a large
/// decoder of untrusted bytes; should it panic after all, that file is parked
/// and the process lives. What it was reading is not used again: readers end
/// with their first error.
pub(super) fn guarded<T>(call: impl FnOnce() -> Result<T, netcdf_reader::Error>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|e| refused(&e)),
        Err(panic) => {
            let why = panic.downcast_ref::<String>().map(String::as_str);
            let why = why.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
            Err(Error::new(
                Code::Malformed,
                format!("the netCDF file cannot be read: its structure makes no sense ({why})"),
            ))
        }
    }
}

fn refused(error: &netcdf_reader::Error) -> Error {
    use hdf5_reader::error::Error as H5;
    use netcdf_reader::Error as Nc;
    if let Some(own) = inside(error) {
        return own;
    }
    let mut deepest = None;
    if let Nc::Hdf5(e) = error {
        let mut e = e;
        while let H5::Context { source, .. } = e {
            e = source;
        }
        deepest = Some(e);
    }
    match (error, deepest) {
        (Nc::InvalidMagic, _) | (_, Some(H5::InvalidMagic)) => Error::new(
            Code::Malformed,
            "not a netCDF file: it begins neither with `CDF` and a version nor with the mark of HDF5",
        ),
        (Nc::Io(e), _) | (_, Some(H5::Io(e))) if e.kind() != std::io::ErrorKind::UnexpectedEof => {
            let own = carried(std::io::Error::new(e.kind(), e.to_string()));
            Error::new(own.code, format!("the netCDF file cannot be read: {}", own.message))
        }
        (Nc::UnexpectedEof { .. } | Nc::Io(_), _)
        | (_, Some(H5::UnexpectedEof { .. } | H5::OffsetOutOfBounds(_) | H5::Io(_))) => Error::new(
            Code::DamagedArchive,
            format!("the netCDF file is cut short: it ends before what its header announces ({error})"),
        ),
        (_, Some(H5::ChecksumMismatch { .. } | H5::DecompressionError(_) | H5::FilterError(_))) => {
            Error::new(Code::DamagedArchive, format!("the netCDF file is damaged: {error}"))
        }
        (_, Some(H5::ResourceLimit(_))) => Error::new(
            Code::RecordTooLong,
            format!(
                "the netCDF file holds a piece that is too large to be read at once ({error}); \
                 raise `caps: {{ record: … }}` if that is meant"
            ),
        ),
        (_, Some(H5::UnsupportedFilter(_))) => Error::new(
            Code::Malformed,
            format!(
                "the netCDF file is compressed in a way that is not read ({error}); write it with deflate, \
                 zstd, lz4 or szip"
            ),
        ),
        _ => Error::new(Code::Malformed, format!("the netCDF file cannot be read: {error}")),
    }
}
