//! What an element of a variable is in the file, where it is no plain number.

use encoding_rs::WINDOWS_1252;
use hdf5_reader::datatype_api::dtype_element_size;
use hdf5_reader::error::{Error, Result};
use hdf5_reader::{ByteOrder, Dataset, Datatype, H5Type, StringPadding, StringSize};
use netcdf_reader::NcType;
use netcdf_reader::classic::data::NcReadType;

/// One byte of a character array.
#[derive(Clone, Copy, Default)]
pub(super) struct Letter(pub u8);

impl H5Type for Letter {
    fn hdf5_type() -> Datatype {
        u8::hdf5_type()
    }

    fn from_bytes(bytes: &[u8], dtype: &Datatype) -> Result<Self> {
        match (dtype, bytes) {
            (Datatype::String { size: StringSize::Fixed(1), .. }, [byte, ..]) => Ok(Letter(*byte)),
            _ => Err(mismatch("a character", dtype)),
        }
    }

    fn element_size(_: &Datatype) -> usize {
        1
    }
}

impl NcReadType for Letter {
    fn nc_type() -> NcType {
        NcType::Char
    }

    fn from_be_bytes(bytes: &[u8]) -> netcdf_reader::Result<Self> {
        let first = bytes.first().copied();
        first
            .map(Letter)
            .ok_or_else(|| netcdf_reader::Error::InvalidData("a character without a byte".into()))
    }

    fn element_size() -> usize {
        1
    }
}

/// The number behind a member of an enumeration.
#[derive(Clone, Copy)]
pub(super) struct EnumInteger(pub i128);

impl H5Type for EnumInteger {
    fn hdf5_type() -> Datatype {
        i64::hdf5_type()
    }

    fn from_bytes(bytes: &[u8], dtype: &Datatype) -> Result<Self> {
        let Datatype::Enum { base, .. } = dtype else { return Err(mismatch("an enumeration", dtype)) };
        let Datatype::FixedPoint { size, signed, byte_order } = base.as_ref() else {
            return Err(mismatch("an enumeration of integers", base));
        };
        let (Some(stored), 1..=8) = (bytes.get(..usize::from(*size)), *size) else {
            return Err(mismatch("an enumeration of up to 8 bytes", base));
        };
        let high_first = |n: i128, byte: &u8| (n << 8) | i128::from(*byte);
        let n = match byte_order {
            ByteOrder::BigEndian => stored.iter().fold(0, high_first),
            ByteOrder::LittleEndian => stored.iter().rev().fold(0, high_first),
        };
        let bits = 8 * u32::from(*size);
        let is_negative = *signed && n >> (bits - 1) != 0;
        Ok(EnumInteger(if is_negative { n - (1 << bits) } else { n }))
    }

    fn element_size(dtype: &Datatype) -> usize {
        dtype_element_size(dtype).unwrap_or(0)
    }
}

/// A text, or where in the file it stands.
#[derive(Clone)]
pub(super) struct Reference(Vec<u8>);

impl Reference {
    /// The text. Bytes that are no UTF-8 are taken for Latin-1, which older
    /// programs wrote.
    pub fn text(&self, dataset: &Dataset) -> Result<String> {
        let (bytes, padding) = match dataset.dtype() {
            Datatype::String { size: StringSize::Fixed(_), padding, .. } => (self.0.clone(), *padding),
            Datatype::String { padding, .. } | Datatype::VarLen { padding, .. } => {
                (dataset.resolve_vlen_reference_bytes(&self.0, 1)?, *padding)
            }
            other => return Err(mismatch("a text", other)),
        };
        let whole = match padding {
            StringPadding::NullTerminate => bytes.split(|b| *b == 0).next().unwrap_or_default(),
            StringPadding::NullPad => without_end(&bytes, 0),
            StringPadding::SpacePad => without_end(&bytes, b' '),
        };
        Ok(decoded(whole))
    }
}

impl H5Type for Reference {
    fn hdf5_type() -> Datatype {
        u8::hdf5_type()
    }

    fn from_bytes(bytes: &[u8], _: &Datatype) -> Result<Self> {
        Ok(Reference(bytes.to_vec()))
    }

    fn element_size(dtype: &Datatype) -> usize {
        dtype_element_size(dtype).unwrap_or(0)
    }
}

pub(super) fn without_end(bytes: &[u8], end: u8) -> &[u8] {
    &bytes[..bytes.iter().rposition(|b| *b != end).map_or(0, |last| last + 1)]
}

pub(super) fn decoded(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_string(),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(),
    }
}

fn mismatch(expected: &str, found: &Datatype) -> Error {
    Error::TypeMismatch { expected: expected.into(), actual: format!("{found:?}") }
}
