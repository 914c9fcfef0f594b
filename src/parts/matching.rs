//! Comparison of known objects with a listing, object by object: the one rule for parts and for the audit's cache.

use super::known::KnownObjects;
use pipeline::lake::ObjectMeta;

/// Known objects, in the order of a listing.
///
/// | listed | known | result |
/// | --- | --- | --- |
/// | a key | the same key, ETag and size | the known data is used |
/// | a key | the same key, another ETag or size | `changed`; the object must be read |
/// | a key | nothing | the object must be read |
/// | nothing | a key | `gone` |
#[derive(Debug)]
pub(crate) struct Matching<K> {
    known: K,
    /// Known objects that the listing does not have.
    gone: u64,
    /// Known objects of which the listing has another version.
    changed: u64,
}

impl<K: KnownObjects> Matching<K> {
    pub(crate) fn new(known: K) -> Self {
        Self { known, gone: 0, changed: 0 }
    }

    /// Returns the known data of the next listed object; `None` if it must be read.
    pub(crate) fn take(&mut self, meta: &ObjectMeta) -> Option<K::Known> {
        loop {
            let next = self.known.peek()?;
            if next.key < meta.key.as_str() {
                self.gone += 1;
                self.known.skip();
            } else if next.is(meta) {
                return self.known.take();
            } else {
                if next.key == meta.key {
                    self.changed += 1;
                    self.known.skip();
                }
                return None;
            }
        }
    }

    /// Counts known objects after the last listed one as gone. Returns the number of known objects that are gone, and
    /// of those that changed.
    pub(crate) fn finish(&mut self) -> (u64, u64) {
        while self.known.peek().is_some() {
            self.gone += 1;
            self.known.skip();
        }
        (self.gone, self.changed)
    }

    /// Returns true if the listing had every known object unchanged.
    pub(crate) fn is_used_up(&mut self) -> bool {
        self.gone == 0 && self.changed == 0 && self.known.peek().is_none()
    }
}
