//! Reasons to reject a message.

/// Reason why a message is not accepted as sent by SNS.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    /// It is not from SNS, or was changed in transit.
    #[error("{0}")]
    Invalid(String),
    /// It cannot be verified now; a retry may succeed.
    #[error("{0}")]
    Unavailable(String),
}
