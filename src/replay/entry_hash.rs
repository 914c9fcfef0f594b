//! Hash of the objects that a replay read.

use super::order::ReplayEntry;

pub(super) use crate::multiset_hash::MultisetHash;

impl MultisetHash {
    /// Returns the hash of all entries, with their complete content.
    pub(super) fn of<'a>(entries: impl IntoIterator<Item = &'a ReplayEntry>) -> Self {
        let (mut seen, mut bytes) = (Self::default(), Vec::new());
        for entry in entries {
            bytes.clear();
            bytes.extend_from_slice(entry.key.as_bytes());
            bytes.push(0);
            bytes =
                postcard::to_extend(&entry.record, bytes).expect("records have nothing that cannot be written down");
            seen.insert(&bytes);
        }
        seen
    }
}
