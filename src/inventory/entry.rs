//! An object of an inventory, in the order of keys.

use std::cmp::Ordering;

use chrono::DateTime;
use serde::{Deserialize, Serialize};

use crate::sort::SortOrder;
use pipeline::lake::{ObjectMeta, StorageClass};

/// An object of an inventory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct InventoryEntry {
    /// Key below the lake's prefix.
    pub key: String,
    pub size: u64,
    pub etag: String,
    /// Milliseconds since 1970.
    pub modified: i64,
    pub class: String,
}

impl SortOrder for InventoryEntry {
    fn compare(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

impl InventoryEntry {
    pub(super) fn is_archived(&self) -> bool {
        StorageClass::of(Some(&self.class)).is_archive()
    }

    pub(super) fn into_meta(self) -> ObjectMeta {
        let class = StorageClass::of(Some(&self.class));
        ObjectMeta {
            key: self.key,
            size: self.size,
            etag: self.etag,
            last_modified: DateTime::from_timestamp_millis(self.modified).unwrap_or_default(),
            archived: class.is_archive(),
            class,
            restored: false,
            version: None,
        }
    }
}
