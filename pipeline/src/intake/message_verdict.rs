//! Verdict of the intake on one message, and the cause of a failure. The verdicts of an audit are in `reconcile/verdict.rs`
//! of the toolkit.

use std::fmt;

use crate::error::Kind;
use crate::lake::{self, PutResult};
use crate::record::Rejection;
use crate::warehouse::{self, Conflict, LoadResult};

/// Result of one message.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The record is in the lake and in the warehouse.
    Stored {
        /// Id of the record.
        id: String,
        /// Result of the object write.
        object: PutResult,
        /// Result of the row.
        row: LoadResult,
        /// Why the existing object could not be read; `None` if it was read, or is new.
        unverifiable: Option<String>,
    },
    /// The message can never be processed and is in the quarantine.
    Quarantined {
        /// Reason for the rejection.
        reason: Rejection,
        /// Key below the quarantine folder.
        key: String,
    },
    /// A store failed; the message must be redelivered.
    Failed(StoreFailure),
}

/// Meaning of a verdict for counters, logs and responses: whether the sender must retry, and what needs attention.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Meaning<'a> {
    /// In both stores, with equal values.
    Stored {
        /// Id of the record.
        id: &'a str,
    },
    /// In both stores, with equal values as far as the id shows: the existing object cannot be read. A retry cannot help.
    Unverifiable {
        /// Id of the record.
        id: &'a str,
        /// Error message of the lake.
        why: &'a str,
    },
    /// In both stores, but the existing row has other values.
    Conflicting {
        /// Id of the record.
        id: &'a str,
        /// The differing values of the row.
        conflict: &'a Conflict,
    },
    /// In the lake, but a column of the table rejects the row. A retry cannot help.
    RowRefused {
        /// Id of the record.
        id: &'a str,
        /// Error message of the warehouse.
        why: &'a str,
    },
    /// The message can never be processed and is in the quarantine.
    Quarantined {
        /// Reason for the rejection.
        reason: &'a Rejection,
        /// Key below the quarantine folder.
        key: &'a str,
    },
    /// A store failed; the message must be redelivered.
    Failed(&'a StoreFailure),
}

impl Meaning<'_> {
    /// Returns the kind of problem, as named in outcomes; `None` if there is no problem.
    pub const fn problem(&self) -> Option<&'static str> {
        match self {
            Self::Stored { .. } => None,
            Self::Unverifiable { .. } => Some("unverifiable"),
            Self::Conflicting { .. } => Some("conflicting"),
            Self::RowRefused { .. } => Some("refused"),
            Self::Quarantined { .. } => Some("quarantined"),
            Self::Failed(_) => Some("failed"),
        }
    }
}

/// Writes the cause of the problem, in one line.
impl fmt::Display for Meaning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stored { id } => write!(f, "{id} is stored"),
            Self::Unverifiable { id, why } => write!(f, "the object of {id} exists and cannot be read: {why}"),
            Self::Conflicting { id, conflict } => {
                write!(f, "the existing row {id} has other values of {}", conflict.fields())
            }
            Self::RowRefused { id, why } => write!(f, "in the lake, but the warehouse refuses row {id}: {why}"),
            Self::Quarantined { reason, .. } => reason.fmt(f),
            Self::Failed(failure) => failure.fmt(f),
        }
    }
}

impl Verdict {
    /// Returns the meaning of the verdict.
    pub fn meaning(&self) -> Meaning<'_> {
        match self {
            Self::Stored { id, row: LoadResult::Refused(why), .. } => Meaning::RowRefused { id, why },
            Self::Stored { id, row: LoadResult::Conflicting(conflict) | LoadResult::Overwritten(conflict), .. } => {
                Meaning::Conflicting { id, conflict }
            }
            Self::Stored { id, unverifiable: Some(why), .. } => Meaning::Unverifiable { id, why },
            Self::Stored { id, row: LoadResult::Inserted | LoadResult::Identical, .. } => Meaning::Stored { id },
            Self::Quarantined { reason, key } => Meaning::Quarantined { reason, key },
            Self::Failed(failure) => Meaning::Failed(failure),
        }
    }

    /// Returns why the existing object could not be read; `None` if it was read, or is new.
    pub fn unverifiable(&self) -> Option<&str> {
        match self {
            Self::Stored { unverifiable, .. } => unverifiable.as_deref(),
            Self::Quarantined { .. } | Self::Failed(_) => None,
        }
    }

    /// Returns the temporary failure of a store; `None` if there is none.
    pub(super) fn outage(&self) -> Option<&StoreFailure> {
        match self {
            Self::Failed(failure) if failure.kind.is_transient() => Some(failure),
            Self::Failed(_) | Self::Stored { .. } | Self::Quarantined { .. } => None,
        }
    }

    /// Returns true if both the object and the row existed before.
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Stored { object: PutResult::AlreadyExists, row, .. } if *row != LoadResult::Inserted)
    }
}

/// A store failure during the processing of a message.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct StoreFailure {
    /// Kind of the failure, which decides whether a retry can help.
    pub kind: Kind,
    /// Description of the failure, in one line.
    pub message: String,
}

impl StoreFailure {
    pub(super) fn transient(message: &str) -> Self {
        Self { kind: Kind::Transient, message: message.into() }
    }
}

impl From<lake::Error> for StoreFailure {
    fn from(e: lake::Error) -> Self {
        Self { kind: e.kind(), message: e.to_string() }
    }
}

impl From<warehouse::Error> for StoreFailure {
    fn from(e: warehouse::Error) -> Self {
        Self { kind: e.kind(), message: e.to_string() }
    }
}
