//! What can go wrong between rows and tables.

use std::io;
use std::path::Path;

use lakegate_domain::{Code, Failure};

use crate::session::sentence;

/// An error of this crate: a code and a sentence for people.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    pub code: Code,
    pub message: String,
}

impl Error {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// Says what was being done.
    pub fn doing(mut self, what: impl std::fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// For `map_err`: what could not be done, with what on disk.
    pub(crate) fn io<'a>(what: &'a str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
        move |e| {
            let code = match e.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                    Code::DiskFull
                }
                _ => Code::Storage,
            };
            Error::new(code, format!("`{}` cannot be {what}: {e}", path.display()))
        }
    }
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        Failure::new(e.code, e.message)
    }
}

impl Error {
    /// For `map_err` of a data file's writer: a full disk arrives wrapped in
    /// the writer's own error.
    pub(crate) fn writing(path: &Path) -> impl FnOnce(parquet::errors::ParquetError) -> Error + '_ {
        move |e| {
            let text = e.to_string();
            let full = ["os error 28)", "os error 27)", "No space left"].iter().any(|t| text.contains(t));
            let code = if full { Code::DiskFull } else { Code::Storage };
            Error::new(code, format!("`{}` cannot be written: {text}", path.display()))
        }
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(e: arrow::error::ArrowError) -> Self {
        Error::new(Code::Bug, e.to_string())
    }
}

impl From<deltalake::DeltaTableError> for Error {
    fn from(e: deltalake::DeltaTableError) -> Self {
        Error::new(Code::TableDamaged, sentence(&e.to_string()))
    }
}

pub type Result<T, E = Error> = std::result::Result<T, E>;
