//! Objects as they were when they were read, and those of a partition in the order of their keys.

use std::iter::Peekable;
use std::vec::IntoIter;

use crate::reader::Item;
use pipeline::lake::Meta;
use pipeline::record::Record;

/// An object as it was when it was read.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::reader) struct Known {
    pub(super) key: String,
    pub(super) etag: String,
    pub(super) size: u64,
    pub(super) held: Result<Box<Record>, String>,
}

impl Known {
    /// What there is to keep of an object; nothing of what may be otherwise when it is read again.
    pub(in crate::reader) fn of(meta: &Meta, item: &Item) -> Option<Self> {
        let held = match item {
            Item::Record(record) => Ok(record.clone()),
            Item::Rejected(why) if !why.is_empty() => Err(why.clone()),
            _ => return None,
        };
        Some(Self { key: meta.key.clone(), etag: meta.etag.clone(), size: meta.size, held })
    }

    /// What becomes of the object.
    pub(in crate::reader) fn into_item(self) -> Item {
        match self.held {
            Ok(record) => Item::Record(record),
            Err(why) => Item::Rejected(why),
        }
    }
}

/// What is known of a partition's objects, to be asked for in the order of their keys, as listings come.
#[derive(Debug)]
pub(in crate::reader) struct Recalled {
    known: Peekable<IntoIter<Known>>,
    /// An object that was known is not there as it was.
    changed: bool,
}

impl Default for Recalled {
    fn default() -> Self {
        Self::of(Vec::new())
    }
}

impl Recalled {
    pub(super) fn of(known: Vec<Known>) -> Self {
        Self { known: known.into_iter().peekable(), changed: false }
    }

    /// What is known of the next listed object, if it is still that one.
    pub(in crate::reader) fn take(&mut self, meta: &Meta) -> Option<Known> {
        while self.known.next_if(|known| known.key < meta.key).is_some() {
            self.changed = true;
        }
        let known = self.known.next_if(|known| known.key == meta.key)?;
        let same = known.etag == meta.etag && known.size == meta.size;
        self.changed |= !same;
        same.then_some(known)
    }

    /// Whether every object that was known is there still.
    pub(in crate::reader) fn is_used_up(&self) -> bool {
        !self.changed && self.known.len() == 0
    }
}
