//! What became of one message, and why it failed where it did.

use std::fmt;

use crate::error::Kind;
use crate::lake::{self, PutResult};
use crate::record::Rejection;
use crate::warehouse::{self, Conflict, LoadResult};

/// What became of one message.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It is in the lake and in the warehouse.
    Stored {
        /// The record's id.
        id: String,
        /// Whether its object is new.
        object: PutResult,
        /// What became of its row.
        row: LoadResult,
    },
    /// It can never be processed, and lies in the quarantine.
    Quarantined {
        /// Why.
        reason: Rejection,
        /// Where, below the quarantine's folder.
        key: String,
    },
    /// A store failed; the message is to come again.
    Failed(StoreFailure),
}

/// The meaning of a verdict for anyone who counts, logs or answers: which sender has to send again, and what somebody has
/// to look at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Meaning<'a> {
    /// In both stores, with these values.
    Stored {
        /// The record's id.
        id: &'a str,
    },
    /// In both stores, but the row that was there has other values.
    Conflicting {
        /// The record's id.
        id: &'a str,
        /// What the row has instead.
        conflict: &'a Conflict,
    },
    /// In the lake, but a column of the table refuses the row; another try cannot help.
    RowRefused {
        /// The record's id.
        id: &'a str,
        /// The warehouse's words.
        why: &'a str,
    },
    /// It can never be processed, and is in the quarantine.
    Quarantined {
        /// Why.
        reason: &'a Rejection,
        /// Where, below the quarantine's folder.
        key: &'a str,
    },
    /// A store failed; the message has to come again.
    Failed(&'a StoreFailure),
}

impl Meaning<'_> {
    /// The kind of problem that it is, as outcomes name it; `None` if it is none.
    pub const fn problem(&self) -> Option<&'static str> {
        match self {
            Self::Stored { .. } => None,
            Self::Conflicting { .. } => Some("conflicting"),
            Self::RowRefused { .. } => Some("refused"),
            Self::Quarantined { .. } => Some("quarantined"),
            Self::Failed(_) => Some("failed"),
        }
    }
}

/// The reason of the problem, in one line.
impl fmt::Display for Meaning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stored { id } => write!(f, "{id} is stored"),
            Self::Conflicting { id, conflict } => write!(f, "the row {id} holds other values of {}", conflict.fields()),
            Self::RowRefused { id, why } => write!(f, "in the lake, but the warehouse refuses row {id}: {why}"),
            Self::Quarantined { reason, .. } => reason.fmt(f),
            Self::Failed(failure) => failure.fmt(f),
        }
    }
}

impl Verdict {
    /// What it means.
    pub fn meaning(&self) -> Meaning<'_> {
        match self {
            Self::Stored { id, row: LoadResult::Refused(why), .. } => Meaning::RowRefused { id, why },
            Self::Stored { id, row: LoadResult::Conflicting(conflict) | LoadResult::Overwritten(conflict), .. } => {
                Meaning::Conflicting { id, conflict }
            }
            Self::Stored { id, row: LoadResult::Inserted | LoadResult::Identical, .. } => Meaning::Stored { id },
            Self::Quarantined { reason, key } => Meaning::Quarantined { reason, key },
            Self::Failed(failure) => Meaning::Failed(failure),
        }
    }

    /// Stored before: its object was there, and so was its row.
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Stored { object: PutResult::AlreadyExists, row, .. } if *row != LoadResult::Inserted)
    }
}

/// A failure of a store while a message was taken in.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct StoreFailure {
    /// Whether another try can help.
    pub kind: Kind,
    /// What failed, in one line.
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
