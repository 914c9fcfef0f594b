//! Errors of input files.

use std::io;
use std::path::{Path, PathBuf};

use super::cause::Cause;
use super::report::InputReport;

/// Error for a file that cannot be read, or that is rejected as a whole.
#[derive(Debug, thiserror::Error)]
#[error("{}: {cause}", file.display())]
pub struct Error {
    file: PathBuf,
    cause: Cause,
}

impl Error {
    pub(super) fn new(file: &Path, cause: impl Into<Cause>) -> Self {
        Self { file: file.to_owned(), cause: cause.into() }
    }

    /// Returns why the file is rejected as a whole; `None` if it could not be read.
    pub fn rejection(&self) -> Option<&str> {
        match &self.cause {
            Cause::Rejected(why) => Some(why),
            Cause::Io(_) | Cause::Changed | Cause::Broken { .. } => None,
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

    /// Returns true if the file is not the one that was inspected.
    pub(super) fn is_change(&self) -> bool {
        matches!(self.cause, Cause::Changed)
    }

    /// Returns what is damaged in the data; `None` if the medium cannot be read.
    pub(super) fn damage(&self) -> Option<&io::Error> {
        match &self.cause {
            Cause::Broken { why, .. } if why.raw_os_error().is_none() => Some(why),
            _ => None,
        }
    }
}
