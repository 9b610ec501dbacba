//! What is written of a table for others: files by a template of names, with
//! attributes. Names are decided here, purely; files are written elsewhere.

mod template;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

pub(crate) use template::outline_fault;
pub use template::{Fault, Span, Template};

use crate::ids::DatasetName;
use crate::model::{Attribute, Scalar};

/// Folder of exports, below the storage.
pub const FOLDER: &str = "export";

/// How the rows of a table become netCDF files.
#[derive(Clone, Debug, PartialEq)]
pub struct Export {
    /// Path of a file below the folder of exports.
    pub netcdf: Template,
    /// The same for plots, one of each variable: an SVG or a PNG by its ending.
    pub plots: Option<Template>,
    pub per: Per,
    /// Of the file; placeholders in texts are filled in by [`Values::attributes`].
    pub attributes: IndexMap<String, FileAttribute>,
    /// What is said of variables, by name; all other columns are variables too.
    pub variables: IndexMap<String, Variable>,
    /// Columns that are left out.
    pub except: Vec<String>,
    pub flag_meanings: FlagMeanings,
}

/// How the meanings of flags are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FlagMeanings {
    /// One text with a word for each, as CF has it.
    #[default]
    Words,
    /// A list of texts, as tsdat has it.
    Texts,
}

/// The rows that one file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    /// Those of one landed file.
    File,
    /// Those of one day of the row coordinate, UTC.
    Day,
    /// Those of one month of the row coordinate, UTC.
    Month,
}

impl Per {
    pub fn name(self) -> &'static str {
        match self {
            Per::File => "file",
            Per::Day => "day",
            Per::Month => "month",
        }
    }
}

/// An attribute of a file.
#[derive(Clone, Debug, PartialEq)]
pub enum FileAttribute {
    /// A text, with placeholders or without.
    Text(Template),
    Value(Attribute),
}

/// What is said of one variable.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Variable {
    /// In their order; `None`: the rows, then those of its lists.
    pub dimensions: Option<Vec<String>>,
    pub storage: Option<Storage>,
    /// What stands for a missing value. NaN is one.
    pub fill: Option<f64>,
    /// A value that no column has: one, or as many as its dimension has steps.
    pub value: Option<Attribute>,
    /// Beside those of its column, or instead of them.
    pub attributes: IndexMap<String, Attribute>,
}

/// The netCDF type of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    Byte,
    UByte,
    Short,
    UShort,
    Int,
    UInt,
    Int64,
    UInt64,
    Float,
    Double,
    String,
}

/// What placeholders stand for in the names and texts of one exported file.
pub struct Values<'a> {
    pub export: &'a Export,
    pub dataset: &'a DatasetName,
    pub table: &'a str,
    /// What the name of the landed file says: groups of `match:`, and the values
    /// of its site.
    pub of_file: &'a [(String, String)],
    /// The landed file's name without extensions; `None` where there are several.
    pub file: Option<&'a str>,
    /// First and last value of the row coordinate; `None` where no row has one.
    pub span: Option<Span>,
    /// The variable of a plot.
    pub column: Option<&'a str>,
}

/// Placeholders that every export has.
pub const BUILT_IN: [&str; 4] = ["team", "dataset", "table", "file"];

/// The placeholder that tells a plot's variable.
pub const COLUMN: &str = "column";

impl Values<'_> {
    /// The file's path below the folder of exports, with `/` between its parts.
    ///
    /// # Errors
    /// A sentence: a placeholder has no value, or the path would leave the folder.
    pub fn path(&self) -> Result<String, String> {
        self.path_by(&self.export.netcdf)
    }

    /// The path of the plot of [`Values::column`]; `None` where none are wanted.
    ///
    /// # Errors
    /// As [`Values::path`].
    pub fn plot(&self) -> Result<Option<String>, String> {
        self.export.plots.as_ref().map(|plots| self.path_by(plots)).transpose()
    }

    fn path_by(&self, template: &Template) -> Result<String, String> {
        let path = template.render(&|name| self.value(name, &[]), self.span, true)?;
        match template::path_fault(&path) {
            Some(why) => Err(format!("`{path}` {why}")),
            None => Ok(path),
        }
    }

    /// The file's attributes, with placeholders filled in.
    ///
    /// # Errors
    /// A sentence: a placeholder has no value.
    pub fn attributes(&self) -> Result<IndexMap<String, Attribute>, String> {
        let filled = |(name, attribute): (&String, &FileAttribute)| {
            let value = match attribute {
                FileAttribute::Value(value) => value.clone(),
                FileAttribute::Text(text) => {
                    let text = text.render(&|wanted| self.value(wanted, &[name]), self.span, false);
                    Attribute::Text(text.map_err(|e| format!("attribute `{name}`: {e}"))?)
                }
            };
            Ok((name.clone(), value))
        };
        self.export.attributes.iter().map(filled).collect()
    }

    /// What a placeholder stands for. An attribute goes before what the file's
    /// name says, but not within its own text: `site: 'buoy {site}'`.
    fn value(&self, name: &str, within: &[&str]) -> Result<String, String> {
        let attribute = self.export.attributes.get(name).filter(|_| !within.contains(&name));
        if let Some(attribute) = attribute {
            return match attribute {
                FileAttribute::Value(value) => Ok(value.to_string()),
                FileAttribute::Text(text) => {
                    let within = [within, &[name]].concat();
                    text.render(&|wanted| self.value(wanted, &within), self.span, false)
                }
            };
        }
        if let Some((_, value)) = self.of_file.iter().find(|(known, _)| known == name) {
            return Ok(value.clone());
        }
        match name {
            "team" => Ok(self.dataset.team.clone()),
            "dataset" => Ok(self.dataset.dataset.clone()),
            "table" => Ok(self.table.to_string()),
            COLUMN => self.column.map(str::to_string).ok_or("`{column}` is for `plots`".to_string()),
            "file" => self.file.map(str::to_string).ok_or("`{file}` is for `per: file`".to_string()),
            _ => Err(format!("nothing gives `{{{name}}}` a value for this file")),
        }
    }
}

/// The names that an export's path and attributes take from the landed file's
/// name: files that differ in one of them are never in one exported file.
pub fn taken_from_file(export: &Export, of_file: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let texts = export.attributes.values().filter_map(|a| match a {
        FileAttribute::Text(text) => Some(text),
        FileAttribute::Value(_) => None,
    });
    for name in std::iter::once(&export.netcdf).chain(&export.plots).chain(texts).flat_map(Template::names) {
        if of_file.iter().any(|known| known == name) && !names.iter().any(|known| known == name) {
            names.push(name.to_string());
        }
    }
    names
}

/// A landed file's name without its folder and extensions: that of
/// `in/buoy.z05.20201201.csv.gz` is `buoy.z05.20201201`. An extension has at most
/// seven letters or digits, one of them a letter; before that of a packed file
/// there may be another.
pub fn stem(path: &str) -> &str {
    let mut name = path.rsplit('/').next().unwrap_or(path);
    const PACKED: [&str; 6] = ["gz", "zst", "bz2", "xz", "zip", "tar"];
    loop {
        let Some((rest, extension)) = name.rsplit_once('.') else { return name };
        let lower = extension.to_ascii_lowercase();
        let is_extension = (1..=7).contains(&lower.len())
            && lower.chars().all(|c| c.is_ascii_alphanumeric())
            && lower.chars().any(|c| c.is_ascii_alphabetic());
        if rest.is_empty() || !is_extension {
            return name;
        }
        name = rest;
        if !PACKED.contains(&lower.as_str()) {
            return name;
        }
    }
}

/// A literal of the configuration as an attribute.
impl From<Scalar> for Attribute {
    fn from(value: Scalar) -> Self {
        match value {
            Scalar::Bool(v) => Attribute::Text(v.to_string()),
            Scalar::Int(v) => Attribute::Ints(vec![v]),
            Scalar::Float(v) => Attribute::Floats(vec![v]),
            Scalar::Text(v) => Attribute::Text(v),
        }
    }
}

#[cfg(test)]
mod tests;
