//! What of a truth file is sorted and put on disk: ids, hashes of broken messages, and what is to be looked at again.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::truth_location::TruthLocation;
use crate::sort::{InOrder, OrderedId};
use crate::truth::Fate;

/// An id that a truth file tells of.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct IdEntry {
    pub id: OrderedId,
    pub fate: Fate,
    pub at: Place,
}

/// A broken message, by the SHA-256 of its bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct HashEntry {
    pub hash: [u8; 32],
    pub at: Place,
}

/// An object of the quarantine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct KeptEntry(pub [u8; 32]);

/// An id that was not in both stores, or of which only the end tells whether it should be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Doubt {
    pub entry: IdEntry,
    /// Its object, where there is one.
    pub key: Option<String>,
    /// Whether it has a row.
    pub row: bool,
}

/// [`TruthLocation`] in a form that disks take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place(String, u64, String, String);

impl Place {
    pub(super) fn of(told: &crate::truth::Told<'_>) -> Self {
        let text = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().unwrap_or_default().to_owned();
        Self(text(&told.file), told.line, text(&told.fault), text(&told.kind))
    }

    pub(super) fn told(self) -> TruthLocation {
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        TruthLocation { file: some(self.0), line: self.1, fault: some(self.2), kind: some(self.3) }
    }
}

impl InOrder for IdEntry {
    /// By id; of one id, what asks for the most comes first.
    fn compare(&self, other: &Self) -> Ordering {
        self.id.cmp(&other.id).then(self.fate.cmp(&other.fate))
    }
}

impl InOrder for HashEntry {
    fn compare(&self, other: &Self) -> Ordering {
        self.hash.cmp(&other.hash)
    }
}

impl InOrder for KeptEntry {
    fn compare(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl InOrder for Doubt {
    fn compare(&self, other: &Self) -> Ordering {
        self.entry.compare(&other.entry)
    }
}
