//! What of a truth file is sorted and put on disk: ids, hashes of broken messages, and what is to be looked at again.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::truth_location::TruthLocation;
use crate::sort::{OrderedId, SortOrder};
use crate::truth::Expectation;

/// An id that a truth file tells of.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct IdEntry {
    pub id: OrderedId,
    #[serde(rename = "fate")]
    pub expect: Expectation,
    pub at: PackedTruthLocation,
}

/// A broken message, by the SHA-256 of its bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct HashEntry {
    pub hash: [u8; 32],
    pub at: PackedTruthLocation,
}

/// An object of the quarantine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct QuarantinedHash(pub [u8; 32]);

/// An id that was not in both stores, or of which only the end tells whether it should be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Unresolved {
    pub entry: IdEntry,
    /// Its object, where there is one.
    pub key: Option<String>,
    /// Whether it has a row.
    pub row: bool,
}

/// [`TruthLocation`] in a form that disks take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PackedTruthLocation(String, u64, String, String);

impl PackedTruthLocation {
    pub(super) fn of(entry: &crate::truth::Entry<'_>) -> Self {
        let text = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().unwrap_or_default().to_owned();
        Self(text(&entry.file), entry.line, text(&entry.fault), text(&entry.kind))
    }

    pub(super) fn into_location(self) -> TruthLocation {
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        TruthLocation { file: some(self.0), line: self.1, fault: some(self.2), kind: some(self.3) }
    }
}

impl SortOrder for IdEntry {
    /// By id; of one id, what asks for the most comes first.
    fn compare(&self, other: &Self) -> Ordering {
        self.id.cmp(&other.id).then(self.expect.cmp(&other.expect))
    }
}

impl SortOrder for HashEntry {
    fn compare(&self, other: &Self) -> Ordering {
        self.hash.cmp(&other.hash)
    }
}

impl SortOrder for QuarantinedHash {
    fn compare(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl SortOrder for Unresolved {
    fn compare(&self, other: &Self) -> Ordering {
        self.entry.compare(&other.entry)
    }
}
