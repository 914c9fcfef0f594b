//! Cached objects, and those of a partition in the order of their keys.

use std::iter::Peekable;
use std::vec::IntoIter;

use crate::parts::{Content, KnownObject, Matching};
use crate::reader::ObjectContent;
use pipeline::lake::ObjectMeta;

/// An object as it was when it was read.
pub(in crate::reader) type CachedObject = KnownObject;

/// The cached objects of a partition, compared with its listing.
pub(in crate::reader) type CachedPartition = Matching<Peekable<IntoIter<CachedObject>>>;

/// Returns the data to cache of an object; `None` if another read could have another result.
pub(in crate::reader) fn to_cache(meta: &ObjectMeta, item: &ObjectContent) -> Option<CachedObject> {
    let content = match item {
        ObjectContent::Record(record) => Content::Record(record.clone()),
        ObjectContent::Rejected(why) => Content::Rejected(why.clone()),
        _ => return None,
    };
    Some(CachedObject { key: meta.key.clone(), etag: meta.etag.clone(), size: meta.size, content })
}

/// Returns cached objects, in the order of their keys, for the comparison with a listing.
pub(super) fn partition(cached: Vec<CachedObject>) -> CachedPartition {
    Matching::new(cached.into_iter().peekable())
}
