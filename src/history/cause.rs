//! Reasons why a file cannot be read, or is rejected as a whole.

use std::io;

/// Reason of an error, without the name of the file.
#[derive(Debug, thiserror::Error)]
pub(super) enum Cause {
    /// The content cannot be used. The text states what to do.
    #[error("{0}")]
    Rejected(String),
    /// The file cannot be opened or read.
    #[error("{0}")]
    Io(io::Error),
    /// The file is not the one that was inspected.
    #[error("it changed after it was checked, perhaps it is still being written: run again when it is complete")]
    Changed,
    /// The file cannot be read further. What was read before is valid.
    #[error("it cannot be read on after line {line}, it was cut short or damaged ({why}): get it whole and run again")]
    Broken {
        /// The last line that was read.
        line: u64,
        /// The error of the medium or of the decompression.
        why: io::Error,
    },
}

impl From<io::Error> for Cause {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}
