//! Errors of a lake: their reasons, and what follows from them for the run.

use crate::error::Kind;

/// Reason of an error of the lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The object does not exist.
    NotFound,
    /// The bucket or directory does not exist.
    NoLake,
    /// The object is in an archive tier.
    Archived,
    /// The credentials are valid and lack a permission.
    Denied,
    /// Credentials are missing, invalid or expired, or cannot be renewed.
    Credentials,
    /// This machine's clock differs so much from the store's that requests are rejected.
    ClockSkew,
    /// The settings do not yield a valid request.
    Settings,
    /// The store has the object and cannot return it: for example, its encryption key is disabled.
    Unreadable,
    /// The bucket is in another region.
    WrongRegion,
    /// The store keeps no versions.
    NoVersions,
    /// A write to a read-only lake.
    ReadOnly,
    /// The store does not honour conditional writes, and they are required.
    Unconditional,
    /// A key that the store cannot hold safely.
    BadKey,
    /// The object is larger than the caller accepts.
    TooLarge,
    /// The store requested a slowdown.
    SlowDown,
    /// A network failure, a timeout, or a temporary failure of the store.
    Network,
    /// The store failed for too long to continue.
    Outage,
    /// No space or quota left.
    NoSpace,
    /// Any other reason; the message has the details.
    Other,
}

/// A lake failure, with the key or address it concerns.
#[derive(Debug, Clone, thiserror::Error)]
#[error("lake {about}: {message}")]
pub struct Error {
    /// Reason for the failure.
    pub reason: Reason,
    /// Key or address that the failure concerns.
    pub about: String,
    /// What happened and what to do, in one line.
    pub message: String,
}

impl Error {
    /// Creates an error about a key or address, with a one-line message.
    pub fn new(reason: Reason, about: impl Into<String>, message: impl Into<String>) -> Self {
        Self { reason, about: about.into(), message: message.into() }
    }

    /// Creates an error for an object of `bytes` bytes, of which at most `max` are accepted.
    pub fn too_large(about: impl Into<String>, bytes: u64, max: usize) -> Self {
        Self::new(Reason::TooLarge, about, format!("an object of {bytes} bytes, of which at most {max} are read"))
    }

    /// Returns the kind of the error, which decides whether a retry can help.
    pub fn kind(&self) -> Kind {
        match self.reason {
            Reason::SlowDown | Reason::Network => Kind::Transient,
            Reason::BadKey | Reason::NoVersions | Reason::ReadOnly | Reason::Unconditional | Reason::Settings => {
                Kind::Usage
            }
            _ => Kind::Permanent,
        }
    }

    /// Returns true if the failure concerns only this object, so that the run can continue with the others.
    pub fn concerns_one_object(&self) -> bool {
        let reasons = [Reason::NotFound, Reason::Archived, Reason::BadKey, Reason::Unreadable, Reason::TooLarge];
        reasons.contains(&self.reason)
    }

    /// Returns true if every further request will fail too, until the credentials are renewed or the clock is set.
    pub fn ends_access(&self) -> bool {
        matches!(self.reason, Reason::Credentials | Reason::ClockSkew)
    }

    /// Returns true if an object that exists cannot be read, and the store works: it is in an archive tier, access to
    /// it is denied, or something that is not an object has its name.
    pub fn is_unverifiable(&self) -> bool {
        let reasons =
            [Reason::Archived, Reason::BadKey, Reason::Denied, Reason::Unreadable, Reason::TooLarge, Reason::Other];
        reasons.contains(&self.reason)
    }
}
