//! Reasons why a batch was not loaded.

use std::io;

use pipeline::warehouse;

/// Reason why a batch was not loaded; [`super::load::LoadedBatch`] contains the part that was.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error(transparent)]
    Warehouse(#[from] warehouse::Error),
    #[error("the undo file cannot be written, and nothing is overwritten without it: {0}")]
    Undo(io::Error),
    /// A row has other values, and the policy is to stop at the first conflict.
    #[error("a conflict was found, and --on-conflict is fail")]
    Conflict,
    /// The run was cancelled while the batch waited.
    #[error("interrupted")]
    Stopped,
}
