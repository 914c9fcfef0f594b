//! What an audit sorts: the lake's entries by id, and natural keys by their hash.

use std::cmp::Ordering;

use serde::Serialize;

use crate::record::Record;
use crate::sort::{InOrder, OrderedId};

/// Entries kept in memory before a run goes to disk; an entry of the lake takes some 700 bytes.
pub(super) const RUN: usize = 50_000;

/// What the lake has under an id: a record, or a name whose object could not be judged.
#[derive(Debug, Clone, Serialize, serde::Deserialize)]
pub(super) struct LakeEntry {
    pub id: OrderedId,
    pub key: String,
    pub record: Option<Record>,
}

/// A natural key's hash, with an id and where it was seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize)]
pub(super) struct NaturalEntry {
    pub hash: [u8; 16],
    pub id: String,
    pub key: Option<String>,
}

impl InOrder for LakeEntry {
    fn compare(&self, other: &Self) -> Ordering {
        self.id.cmp(&other.id).then_with(|| self.key.cmp(&other.key))
    }
}

impl InOrder for NaturalEntry {
    fn compare(&self, other: &Self) -> Ordering {
        self.cmp(other)
    }
}
