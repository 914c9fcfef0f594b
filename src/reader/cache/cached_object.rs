//! Cached objects, and those of a partition in the order of their keys.

use std::iter::Peekable;
use std::vec::IntoIter;

use crate::reader::ObjectContent;
use pipeline::lake::ObjectMeta;
use pipeline::record::Record;

/// An object as it was when it was read.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::reader) struct CachedObject {
    pub(super) key: String,
    pub(super) etag: String,
    pub(super) size: u64,
    pub(super) content: Result<Box<Record>, String>,
}

impl CachedObject {
    /// Returns what to cache of an object; `None` if another read could have another result, or a repair has changed it.
    pub(in crate::reader) fn of(meta: &ObjectMeta, item: &ObjectContent) -> Option<Self> {
        let held = match item {
            // The file has no column for the mark of a repair, and such objects are few.
            ObjectContent::Record(record) if record.repaired_id.is_some() => return None,
            ObjectContent::Record(record) => Ok(record.clone()),
            ObjectContent::Rejected(why) if !why.is_empty() => Err(why.clone()),
            _ => return None,
        };
        Some(Self { key: meta.key.clone(), etag: meta.etag.clone(), size: meta.size, content: held })
    }

    /// Converts it to the content of an object.
    pub(in crate::reader) fn into_item(self) -> ObjectContent {
        match self.content {
            Ok(record) => ObjectContent::Record(record),
            Err(why) => ObjectContent::Rejected(why),
        }
    }
}

/// The cached objects of a partition, requested in the order of their keys, as in listings.
#[derive(Debug)]
pub(in crate::reader) struct CachedPartition {
    cached: Peekable<IntoIter<CachedObject>>,
    /// True if a cached object is missing or changed in the listing.
    changed: bool,
}

impl Default for CachedPartition {
    fn default() -> Self {
        Self::of(Vec::new())
    }
}

impl CachedPartition {
    pub(super) fn of(cached: Vec<CachedObject>) -> Self {
        Self { cached: cached.into_iter().peekable(), changed: false }
    }

    /// Returns the cached content of the next listed object; `None` if it is not cached or has changed.
    pub(in crate::reader) fn take(&mut self, meta: &ObjectMeta) -> Option<CachedObject> {
        while self.cached.next_if(|cached| cached.key < meta.key).is_some() {
            self.changed = true;
        }
        let known = self.cached.next_if(|known| known.key == meta.key)?;
        let same = known.etag == meta.etag && known.size == meta.size;
        self.changed |= !same;
        same.then_some(known)
    }

    /// Returns true if the listing contained every cached object unchanged.
    pub(in crate::reader) fn is_used_up(&self) -> bool {
        !self.changed && self.cached.len() == 0
    }
}
