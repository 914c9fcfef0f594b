//! What a replay saw of objects, told by one number.

use super::order::ReplayEntry;

pub(super) use crate::multiset_hash::MultisetHash;

impl MultisetHash {
    /// All entries with everything that they hold.
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
