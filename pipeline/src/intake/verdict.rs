//! What became of one message, and why it failed where it did.

use crate::error::Kind;
use crate::lake::{self, Put};
use crate::record::Rejection;
use crate::warehouse::{self, Conflict, Loaded};

/// What became of one message.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It is in the lake and in the warehouse.
    Stored {
        /// The record's id.
        id: String,
        /// Whether its object is new.
        object: Put,
        /// What became of its row.
        row: Loaded,
    },
    /// It can never be processed, and lies in the quarantine.
    Quarantined {
        /// Why.
        reason: Rejection,
        /// Where, below the quarantine's folder.
        key: String,
    },
    /// A store failed; the message is to come again.
    Failed(Failure),
}

impl Verdict {
    /// Stored before: its object was there, and so was its row.
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Stored { object: Put::Exists, row, .. } if *row != Loaded::Inserted)
    }

    /// What the row that was there holds otherwise.
    pub fn conflict(&self) -> Option<&Conflict> {
        match self {
            Self::Stored { row: Loaded::Conflicting(conflict) | Loaded::Overwritten(conflict), .. } => Some(conflict),
            _ => None,
        }
    }
}

/// A failure of a store while a message was taken in.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Whether another try can help.
    pub kind: Kind,
    /// What failed, in one line.
    pub message: String,
}

impl Failure {
    pub(super) fn passing(message: &str) -> Self {
        Self { kind: Kind::Transient, message: message.into() }
    }
}

impl From<lake::Error> for Failure {
    fn from(e: lake::Error) -> Self {
        Self { kind: e.kind(), message: e.to_string() }
    }
}

impl From<warehouse::Error> for Failure {
    fn from(e: warehouse::Error) -> Self {
        Self { kind: e.kind(), message: e.to_string() }
    }
}
