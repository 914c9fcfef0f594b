//! Errors of input files.

use std::io;
use std::path::{Path, PathBuf};

use super::report::InputReport;

/// Error for a file that cannot be read, or that is rejected as a whole.
#[derive(Debug, thiserror::Error)]
#[error("{}: {cause}", file.display())]
pub struct Error {
    file: PathBuf,
    cause: Cause,
}

/// Reason of an error, without the name of the file.
#[derive(Debug, thiserror::Error)]
pub(super) enum Cause {
    /// The content is not what it should be. The text says what to do.
    #[error("{0}")]
    Rejected(String),
    /// The file cannot be opened or read.
    #[error("{0}")]
    Io(io::Error),
    /// The file cannot be read further. What was read before is valid.
    #[error("it cannot be read on after line {line}, it was cut short or damaged ({why}): get it whole and run again")]
    Broken {
        /// The last line that was read.
        line: u64,
        /// The error of the medium or of the decompression.
        why: io::Error,
    },
}

impl Error {
    pub(super) fn new(file: &Path, cause: impl Into<Cause>) -> Self {
        Self { file: file.to_owned(), cause: cause.into() }
    }

    /// Returns why the file is rejected as a whole; `None` if it could not be read.
    pub fn rejection(&self) -> Option<&str> {
        match &self.cause {
            Cause::Rejected(why) => Some(why),
            Cause::Io(_) | Cause::Broken { .. } => None,
        }
    }

    /// Returns the report of a rejected file; `None` if it could not be read.
    pub(crate) fn report(&self) -> Option<InputReport> {
        let mut report = InputReport::new(self.file.display().to_string());
        report.rejected = Some(self.rejection()?.to_owned());
        Some(report)
    }

    /// Returns true if the file ends unexpectedly. What was read before its end is valid.
    pub(super) fn is_truncation(&self) -> bool {
        matches!(&self.cause, Cause::Broken { why, .. } if why.kind() == io::ErrorKind::UnexpectedEof)
    }

    /// Returns what is damaged in the data; `None` if the medium cannot be read.
    pub(super) fn damage(&self) -> Option<&io::Error> {
        match &self.cause {
            Cause::Broken { why, .. } if why.raw_os_error().is_none() => Some(why),
            _ => None,
        }
    }
}

impl From<io::Error> for Cause {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}
