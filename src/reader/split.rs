//! Split of a listed page: objects that are known from a part or the cache, and objects that must be read.

use std::sync::Arc;

use tokio::task::JoinError;

use super::cache::{CachedObject, CachedPartition, to_cache};
use super::{ObjectContent, ReadObject, Reader, Skip};
use crate::parts::PartDay;
use pipeline::lake::{Key, ListPage, ObjectMeta, Partition};

/// A listed page, split into known and unknown objects.
#[derive(Debug, Default)]
pub(super) struct SplitPage {
    /// Objects that are not known.
    pub unread: Vec<ObjectMeta>,
    /// Number of these that will not be opened: archived, too new, or unrecognized.
    pub skipped: usize,
    /// Objects from a part or the cache.
    pub found: Vec<ReadObject>,
    /// Number of these from a part.
    pub from_part: usize,
    /// Number of these from the cache.
    pub from_cache: usize,
    /// Cache entries of the latter, if they may have to be written again.
    pub cached: Vec<CachedObject>,
    /// Start of the next page; `None` after the last one.
    pub next: Option<String>,
    /// Known data of the objects that were not listed yet.
    pub rest: Option<KnownPartition>,
}

/// Known data of a partition's objects.
#[derive(Debug, Default)]
pub(super) struct KnownPartition {
    part: Option<PartDay>,
    cache: Option<CachedPartition>,
}

impl KnownPartition {
    async fn load(reader: &Reader, partition: &Partition) -> Self {
        let part = match reader.parts() {
            Some(parts) => parts.day(partition).await,
            None => None,
        };
        let cache = match reader.cache() {
            Some(cache) => {
                let (cache, partition) = (Arc::clone(cache), partition.clone());
                tokio::task::spawn_blocking(move || cache.load(&partition)).await.ok()
            }
            None => None,
        };
        Self { part, cache }
    }

    /// Returns true if every object in the cache was listed.
    pub(super) fn is_cache_used_up(&mut self) -> bool {
        self.cache.as_mut().is_none_or(CachedPartition::is_used_up)
    }
}

/// Splits a page. `rest` is that of the previous page, and `None` for the first page of a partition.
pub(super) async fn split_page(
    reader: &Reader,
    partition: &Partition,
    page: ListPage,
    rest: Option<KnownPartition>,
) -> SplitPage {
    let ListPage { mut objects, next, .. } = page;
    objects.retain(|meta| reader.keeps(meta));
    if reader.cache().is_none() && reader.parts().is_none() {
        return SplitPage { unread: objects, next, ..SplitPage::default() };
    }
    let is_first = rest.is_none();
    let known = match rest {
        Some(rest) => rest,
        None => KnownPartition::load(reader, partition).await,
    };
    let (reader, listed, end) = (reader.clone(), objects.clone(), next.clone());
    // Rows of a part are decoded during the comparison.
    let split = tokio::task::spawn_blocking(move || split(&reader, listed, end, (known, is_first)));
    or_unread(split.await, objects, next)
}

/// Returns the split of a page, or all its objects as unread if the split panicked, as on damaged data that a decoder does
/// not expect. The next page is compared with what is read again.
fn or_unread(split: Result<SplitPage, JoinError>, unread: Vec<ObjectMeta>, next: Option<String>) -> SplitPage {
    split.unwrap_or_else(|e| {
        tracing::warn!("a part or a cache file failed, reading its objects: {e}");
        SplitPage { unread, next, ..SplitPage::default() }
    })
}

fn split(
    reader: &Reader,
    objects: Vec<ObjectMeta>,
    next: Option<String>,
    (mut known, is_first): (KnownPartition, bool),
) -> SplitPage {
    let only_parts = reader.parts().is_some_and(|parts| parts.is_only());
    let mut split = SplitPage { next, ..SplitPage::default() };
    for meta in objects {
        let key = Key::parse(&meta.key);
        let from_part = known.part.as_mut().and_then(|part| part.take(&meta));
        let is_skipped = match reader.skip_reason(&meta, key.as_ref()) {
            None => false,
            // Nothing is fetched, so it does not matter where the object is.
            Some(ObjectContent::Archived) => !only_parts || from_part.is_none(),
            Some(_) => true,
        };
        let from_part = from_part.filter(|_| !is_skipped);
        // The cache has only objects that no part has, so it is compared with the other objects only.
        let from_cache = match (&from_part, &mut known.cache) {
            (None, Some(cache)) => cache.take(&meta).filter(|_| !is_skipped),
            _ => None,
        };
        let item = match (from_part, from_cache) {
            (Some(content), _) => {
                split.from_part += 1;
                content.into()
            }
            (None, Some(cached)) => {
                split.from_cache += 1;
                cached.content.into()
            }
            (None, None) if only_parts && !is_skipped => ObjectContent::Skipped(Skip::NotInPart),
            (None, None) => {
                split.skipped += usize::from(is_skipped);
                split.unread.push(meta);
                continue;
            }
        };
        split.found.push(ReadObject { meta, key, item });
    }
    if let Some(parts) = reader.parts() {
        parts.count(split.from_part, split.unread.len() - split.skipped);
    }
    let is_unchanged = is_first && split.next.is_none() && split.unread.is_empty() && known.is_cache_used_up();
    if !is_unchanged && split.from_cache > 0 {
        split.cached = split.found.iter().filter_map(|found| to_cache(&found.meta, &found.item)).collect();
    }
    split.rest = Some(known);
    split
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_pages_after_one_that_panicked_are_listed() {
        let page = tokio::task::spawn_blocking(|| -> SplitPage { panic!("damaged") }).await;
        let split = or_unread(page, Vec::new(), Some("next".to_owned()));
        assert_eq!(split.next.as_deref(), Some("next"));
        assert!(split.rest.is_none(), "the next page loads what is known");
    }
}
