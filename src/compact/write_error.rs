//! Reasons why a part was not written.

use tokio::task::JoinError;

use pipeline::lake::{Error, Reason};

/// Reason why no part was written.
#[derive(Debug)]
pub(super) enum WriteError {
    /// The month has too many rows for one part.
    TooManyRows,
    /// The run was cancelled.
    Cancelled,
    /// The lake failed.
    Lake(Error),
    /// The store of the parts failed.
    Parts(Error),
    /// The temporary file could not be written, or the lake lists its keys out of order.
    Io(std::io::Error),
}

impl From<Error> for WriteError {
    fn from(e: Error) -> Self {
        Self::Lake(e)
    }
}

impl From<std::io::Error> for WriteError {
    fn from(e: std::io::Error) -> Self {
        Self::Io(e)
    }
}

/// Returns the error for a task that panicked.
pub(super) fn failed(e: &JoinError) -> Error {
    Error::new(Reason::Other, "compact", format!("a task failed: {e}"))
}
