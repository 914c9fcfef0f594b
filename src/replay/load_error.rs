//! Why a batch is not in.

use std::io;

use pipeline::warehouse;

/// Why a batch is not in; what of it is in already is in [`super::load::LoadedBatch`].
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error(transparent)]
    Warehouse(#[from] warehouse::Error),
    #[error("the undo file cannot be written, and nothing is overwritten without it: {0}")]
    Undo(io::Error),
    /// A row holds other values, and the policy is to stop there.
    #[error("a conflict was found, and --on-conflict is fail")]
    Conflict,
    /// Somebody wishes to stop while the batch waits.
    #[error("interrupted")]
    Stopped,
}
