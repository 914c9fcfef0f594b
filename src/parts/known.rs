//! Objects whose content is known from an earlier read, in the order of their keys.

use super::content::Content;
use pipeline::lake::ObjectMeta;

/// Identity of an object's version in a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ObjectVersion<'a> {
    pub key: &'a str,
    pub etag: &'a str,
    pub size: u64,
}

impl ObjectVersion<'_> {
    /// Returns true if a listed object is this version. Without an ETag that is unknown.
    pub(super) fn is(&self, meta: &ObjectMeta) -> bool {
        !meta.etag.is_empty() && self.key == meta.key && self.etag == meta.etag && self.size == meta.size
    }
}

/// Known objects of a part or of a cache file, in the key order of listings.
pub(crate) trait KnownObjects {
    /// Known data of an object.
    type Known;

    /// Returns the next object; `None` after the last one.
    fn peek(&mut self) -> Option<ObjectVersion<'_>>;

    /// Skips the next object.
    fn skip(&mut self);

    /// Returns the known data of the next object and advances; `None` if it cannot be read.
    fn take(&mut self) -> Option<Self::Known>;
}

/// An object as it was when it was read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct KnownObject {
    pub key: String,
    pub etag: String,
    pub size: u64,
    pub content: Content,
}

impl KnownObject {
    pub(crate) fn version(&self) -> ObjectVersion<'_> {
        ObjectVersion { key: &self.key, etag: &self.etag, size: self.size }
    }
}

impl KnownObjects for std::iter::Peekable<std::vec::IntoIter<KnownObject>> {
    type Known = KnownObject;

    fn peek(&mut self) -> Option<ObjectVersion<'_>> {
        std::iter::Peekable::peek(self).map(KnownObject::version)
    }

    fn skip(&mut self) {
        self.next();
    }

    fn take(&mut self) -> Option<KnownObject> {
        self.next()
    }
}
