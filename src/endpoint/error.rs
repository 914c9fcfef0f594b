//! Why a message is not believed.

/// Why a message is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    /// It is not from SNS, or was changed on its way.
    #[error("{0}")]
    Invalid(String),
    /// It cannot be told now; another try may.
    #[error("{0}")]
    Unavailable(String),
}
