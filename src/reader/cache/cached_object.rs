//! Objects as they were when they were read, and those of a partition in the order of their keys.

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
    /// What there is to keep of an object; nothing of what may be otherwise when it is read again.
    pub(in crate::reader) fn of(meta: &ObjectMeta, item: &ObjectContent) -> Option<Self> {
        let held = match item {
            ObjectContent::Record(record) => Ok(record.clone()),
            ObjectContent::Rejected(why) if !why.is_empty() => Err(why.clone()),
            _ => return None,
        };
        Some(Self { key: meta.key.clone(), etag: meta.etag.clone(), size: meta.size, content: held })
    }

    /// What becomes of the object.
    pub(in crate::reader) fn into_item(self) -> ObjectContent {
        match self.content {
            Ok(record) => ObjectContent::Record(record),
            Err(why) => ObjectContent::Rejected(why),
        }
    }
}

/// What is known of a partition's objects, to be asked for in the order of their keys, as listings come.
#[derive(Debug)]
pub(in crate::reader) struct CachedPartition {
    cached: Peekable<IntoIter<CachedObject>>,
    /// An object that was known is not there as it was.
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

    /// What is known of the next listed object, if it is still that one.
    pub(in crate::reader) fn take(&mut self, meta: &ObjectMeta) -> Option<CachedObject> {
        while self.cached.next_if(|cached| cached.key < meta.key).is_some() {
            self.changed = true;
        }
        let known = self.cached.next_if(|known| known.key == meta.key)?;
        let same = known.etag == meta.etag && known.size == meta.size;
        self.changed |= !same;
        same.then_some(known)
    }

    /// Whether every object that was known is there still.
    pub(in crate::reader) fn is_used_up(&self) -> bool {
        !self.changed && self.cached.len() == 0
    }
}
