//! What a walk takes from a cache and gives back to it: pages of a listing are parted into objects that are known and
//! objects to be read, and once all of a partition was found it is written down, if anything about it is new.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::cache::{Cache, CachedObject, CachedPartition};
use super::{ReadObject, Reader};
use pipeline::lake::{Key, ListPage, ObjectMeta, Partition};

/// Partitions that are written at once.
const WRITES: usize = 4;

/// A page, parted.
#[derive(Debug, Default)]
pub(super) struct SplitPage {
    /// Objects that are not known.
    pub unread: Vec<ObjectMeta>,
    /// How many of these are not opened either: archived ones, new ones, foreign ones.
    pub skipped: usize,
    /// Objects that are known.
    pub found: Vec<ReadObject>,
    /// What is known of these, where it may have to be written again.
    pub cached: Vec<CachedObject>,
    /// Where the next page goes on.
    pub next: Option<String>,
    /// What is known of objects that were not met yet.
    pub rest: Option<CachedPartition>,
}

/// Parts a page. `rest` is what the page before left; the first page of a partition has none.
pub(super) async fn split_page(
    reader: &Reader,
    partition: &Partition,
    page: ListPage,
    rest: Option<CachedPartition>,
) -> SplitPage {
    let objects = page.objects.into_iter().filter(|meta| reader.keeps(meta));
    let Some(cache) = reader.cache() else {
        return SplitPage { unread: objects.collect(), next: page.next, ..SplitPage::default() };
    };
    let first = rest.is_none();
    let mut recalled = match rest {
        Some(rest) => rest,
        None => {
            let (cache, partition) = (Arc::clone(cache), partition.clone());
            tokio::task::spawn_blocking(move || cache.load(&partition)).await.unwrap_or_default()
        }
    };
    let mut parted = SplitPage { next: page.next, ..SplitPage::default() };
    let mut hits = Vec::new();
    for meta in objects {
        let key = Key::parse(&meta.key);
        let shut = reader.skip_reason(&meta, key.as_ref()).is_some();
        match recalled.take(&meta).filter(|_| !shut) {
            Some(cached) => hits.push((meta, key, cached)),
            None => {
                parted.skipped += usize::from(shut);
                parted.unread.push(meta);
            }
        }
    }
    let unchanged = first && parted.next.is_none() && parted.unread.is_empty() && recalled.is_used_up();
    if !unchanged {
        parted.cached = hits.iter().map(|(_, _, known)| known.clone()).collect();
    }
    parted.found =
        hits.into_iter().map(|(meta, key, known)| ReadObject { meta, key, item: known.into_item() }).collect();
    parted.rest = Some(recalled);
    parted
}

/// What is being learnt.
pub(super) struct CacheWriter {
    cache: Arc<Cache>,
    open: HashMap<Partition, OpenPartition>,
    writes: JoinSet<()>,
}

/// A partition of which not everything was found.
#[derive(Debug, Default)]
struct OpenPartition {
    cached: Vec<CachedObject>,
    unfound: usize,
    listed: bool,
    /// There is something to write.
    changed: bool,
    objects: usize,
}

impl CacheWriter {
    pub(super) fn new(cache: Arc<Cache>) -> Self {
        Self { cache, open: HashMap::new(), writes: JoinSet::new() }
    }

    /// A page came.
    pub(super) fn page_listed(&mut self, partition: &Partition, parted: &mut SplitPage) {
        self.cache.count(parted.found.len(), parted.unread.len() - parted.skipped);
        let open = self.open.entry(partition.clone()).or_default();
        open.objects += parted.found.len() + parted.unread.len();
        open.unfound += parted.unread.len();
        open.cached.append(&mut parted.cached);
        open.listed = parted.next.is_none();
        // Objects that are gone: what is known of them is to go as well.
        open.changed |= open.listed && parted.rest.take_if(|_| open.listed).is_some_and(|rest| !rest.is_used_up());
        self.close(partition);
    }

    /// An object was read.
    pub(super) fn object_read(&mut self, found: &ReadObject) {
        let Some(partition) = Partition::of_key(&found.meta.key) else { return };
        let Some(open) = self.open.get_mut(&partition) else { return };
        open.unfound = open.unfound.saturating_sub(1);
        if let Some(cached) =
            CachedObject::of(&found.meta, &found.item).filter(|_| self.cache.is_cacheable(&found.meta))
        {
            open.cached.push(cached);
            open.changed = true;
        }
        if !self.cache.fits(open.objects) {
            open.cached = Vec::new();
        }
        self.close(&partition);
    }

    /// Writes a partition down, once all of it was found.
    fn close(&mut self, partition: &Partition) {
        let whole = self.open.get(partition).is_some_and(|open| open.listed && open.unfound == 0);
        let Some(open) = (if whole { self.open.remove(partition) } else { None }) else { return };
        if open.changed && self.cache.fits(open.objects) {
            let (cache, partition) = (Arc::clone(&self.cache), partition.clone());
            self.writes.spawn_blocking(move || cache.store(&partition, open.cached));
        }
    }

    /// Waits until no more than so many partitions are being written.
    pub(super) async fn wait_for_writes(&mut self, over: bool) {
        let max = if over { 0 } else { WRITES };
        while self.writes.len() > max {
            self.writes.join_next().await;
        }
    }
}
