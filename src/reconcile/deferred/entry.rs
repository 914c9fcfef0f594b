//! Entries of the streams, and their decoding.

use std::cmp::Ordering;

use anyhow::Context as _;
use chrono::NaiveDate;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::reconcile::finding::Finding;
use crate::reconcile::recheck::{Candidate, Observation};
use crate::sort::SortOrder;

/// Finding about an object without a record, with its farm and day.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::reconcile) struct FindingEntry {
    pub finding: Finding,
    pub place: Option<(String, NaiveDate)>,
}

impl SortOrder for FindingEntry {
    fn compare(&self, other: &Self) -> Ordering {
        let order = |entry: &Self| (entry.finding.kind, entry.finding.id.clone(), entry.finding.key.clone());
        order(self).cmp(&order(other)).then_with(|| self.finding.reason.cmp(&other.finding.reason))
    }
}

/// Hash of the natural key of an id that a shard compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::reconcile) struct JudgedKeyEntry {
    pub id: [u8; 16],
    /// Big-endian.
    pub hash: [u8; 16],
    /// Folder of the farm.
    pub farm: String,
}

/// Id that a shard rechecked: the first observation, and that of the recheck.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::reconcile) struct RecheckedEntry {
    pub candidate: Candidate,
    pub observation: Observation,
}

/// Decodes an entry.
///
/// # Errors
/// Returns an error if the bytes are not such an entry.
pub(in crate::reconcile) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> anyhow::Result<T> {
    postcard::from_bytes(bytes).context("an entry of a shard cannot be decoded: it was written by another version")
}
