//! What can be wrong with a file's bytes.

use lakegate_domain::{Code, Failure};

/// A reader's error: a code and a sentence that names the member, line or row,
/// and field.
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

    /// Says in which member of an archive it happened.
    pub fn within(mut self, member: &str) -> Self {
        self.message = format!("in `{member}`: {}", self.message);
        self
    }
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        Failure::new(e.code, e.message)
    }
}

impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Self {
        let code = match e.kind() {
            std::io::ErrorKind::StorageFull
            | std::io::ErrorKind::QuotaExceeded
            | std::io::ErrorKind::FileTooLarge => Code::DiskFull,
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::NotFound => Code::Unreadable,
            _ => Code::Storage,
        };
        Error::new(code, e.to_string())
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(e: arrow::error::ArrowError) -> Self {
        Error::new(Code::Bug, e.to_string())
    }
}

pub type Result<T, E = Error> = std::result::Result<T, E>;
