//! `export:`, the files that are written for others.

use super::super::decode::{Named, OneOrMany, keyed, words};
use super::super::scalars::{FillValue, TemplateText};
use crate::export::{FlagMeanings, Per, Storage};
use crate::model::Attribute;

keyed! {
    /// How the rows of a table become netCDF files for others.
    pub struct ExportKeys {
        /// Path of a file below `<storage>/export/`. Placeholders are groups of `match`, values
        /// of the site, `{team}`, `{dataset}`, `{table}`, `{file}` (the landed file's name
        /// without extensions), `{start:%Y%m%d.%H%M%S}` and `{end:…}` (first and last time of
        /// the rows, UTC), and keys of `attributes`.
        netcdf = "netcdf": TemplateText, required;
        /// Path of a plot of each variable, an SVG or a PNG by its ending, with the same
        /// placeholders and `{column}`; none where not given.
        plots = "plots": TemplateText;
        /// The rows of one file: those of a landed `file`, a `day` or a `month` of the row
        /// coordinate in UTC; `file` where not given.
        per = "per": Per;
        /// Attributes of the file: texts, which may have placeholders, numbers, or lists of them.
        attributes = "attributes": Named<Attribute>;
        /// What is said of variables, and variables that no column gives, by name.
        variables = "variables": Named<VariableKeys>;
        /// Columns that are left out.
        except = "except": OneOrMany<String>;
        /// How the meanings of the flags in `qc_` variables are written; `words` where not given.
        flag_meanings = "flag_meanings": FlagMeanings;
    }
}

keyed! {
    /// One variable of the files.
    pub struct VariableKeys {
        /// Its dimensions in their order; the rows, then those of its lists, where not given.
        dimensions = "dimensions": OneOrMany<String>;
        /// Its netCDF type; the one that holds the column without loss where not given.
        storage = "type": Storage;
        /// What stands for a missing value; netCDF's own, where there are any, where not given.
        fill = "fill": FillValue;
        /// A value that no column has: one, or a list along one dimension.
        value = "value": Attribute;
        /// Attributes beside those of its column, or instead of them.
        attributes = "attributes": Named<Attribute>;
    }
}

words! { Per, "Per", "the rows that one exported file holds":
    /// Those of one landed file.
    "file" => Per::File;
    /// Those of one day, UTC.
    "day" => Per::Day;
    /// Those of one month, UTC.
    "month" => Per::Month;
}

words! { FlagMeanings, "FlagMeanings", "how the meanings of flags are written":
    /// One text with a word for each, as CF has it: `value_is_missing value_is_too_high`.
    "words" => FlagMeanings::Words;
    /// A list of texts as they are declared, as tsdat has it.
    "texts" => FlagMeanings::Texts;
}

words! { Storage, "Storage", "a netCDF type":
    /// Whole numbers of 8 bits.
    "byte" | "int8" => Storage::Byte;
    /// The same from 0; CF 1.8 does not know it.
    "ubyte" | "uint8" => Storage::UByte;
    /// Whole numbers of 16 bits.
    "short" | "int16" => Storage::Short;
    /// The same from 0; CF 1.8 does not know it.
    "ushort" | "uint16" => Storage::UShort;
    /// Whole numbers of 32 bits.
    "int" | "int32" => Storage::Int;
    /// The same from 0; CF 1.8 does not know it.
    "uint" | "uint32" => Storage::UInt;
    /// Whole numbers of 64 bits; CF 1.8 does not know it.
    "int64" | "long" => Storage::Int64;
    /// The same from 0; CF 1.8 does not know it.
    "uint64" => Storage::UInt64;
    /// Floating point of 32 bits.
    "float" | "float32" => Storage::Float;
    /// Floating point of 64 bits.
    "double" | "float64" => Storage::Double;
    /// Texts.
    "string" | "str" => Storage::String;
}
