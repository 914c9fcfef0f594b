//! Entries of truth files that are sorted on disk: ids, hashes of invalid messages, and unresolved ids.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::truth_location::TruthLocation;
use crate::sort::{OrderedId, SortOrder};
use crate::truth::Expectation;

/// Id in a truth file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct IdEntry {
    pub id: OrderedId,
    pub expect: Expectation,
    pub at: PackedTruthLocation,
}

/// Invalid message, identified by the SHA-256 of its bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct HashEntry {
    pub hash: [u8; 32],
    pub at: PackedTruthLocation,
}

/// Object of the quarantine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct QuarantinedHash(pub [u8; 32]);

/// Id that was not in both stores, or whose expectation is only known at the end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Unresolved {
    pub entry: IdEntry,
    /// Key of its object. `None` without an object.
    pub key: Option<String>,
    /// True if it has a row.
    pub row: bool,
}

/// Serialized form of [`TruthLocation`].
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
    /// Compares by id; for one id, the strictest requirement comes first.
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
