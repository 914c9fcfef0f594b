//! Writing of the cache during a walk: once all objects of a partition are read, its cache file is written if anything has
//! changed. Objects from parts are not cached.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::ReadObject;
use super::cache::{Cache, CachedObject, to_cache};
use super::split::SplitPage;
use pipeline::lake::Partition;

/// Maximum number of concurrent writes of cache files.
const WRITES: usize = 4;

/// Collects cache entries during a walk and writes them.
pub(super) struct CacheWriter {
    cache: Arc<Cache>,
    open: HashMap<Partition, OpenPartition>,
    writes: JoinSet<()>,
}

/// A partition whose objects are not all read yet.
#[derive(Debug, Default)]
struct OpenPartition {
    cached: Vec<CachedObject>,
    unread: usize,
    listed: bool,
    /// True if there is something to write.
    changed: bool,
    objects: usize,
}

impl CacheWriter {
    pub(super) fn new(cache: Arc<Cache>) -> Self {
        Self { cache, open: HashMap::new(), writes: JoinSet::new() }
    }

    /// Records a listed page.
    pub(super) fn page_listed(&mut self, partition: &Partition, split: &mut SplitPage) {
        self.cache.count(split.from_cache, split.unread.len() - split.skipped);
        let open = self.open.entry(partition.clone()).or_default();
        open.objects += split.found.len() + split.unread.len();
        open.unread += split.unread.len();
        open.cached.append(&mut split.cached);
        open.listed = split.next.is_none();
        // Cached objects that no longer exist must be removed from the cache.
        let last = split.rest.take_if(|_| open.listed);
        open.changed |= last.is_some_and(|mut rest| !rest.is_cache_used_up());
        self.close(partition);
    }

    /// Records an object that was read.
    pub(super) fn object_read(&mut self, found: &ReadObject) {
        let Some(partition) = Partition::of_key(&found.meta.key) else { return };
        let Some(open) = self.open.get_mut(&partition) else { return };
        open.unread = open.unread.saturating_sub(1);
        if let Some(cached) = to_cache(&found.meta, &found.item).filter(|_| self.cache.is_cacheable(&found.meta)) {
            open.cached.push(cached);
            open.changed = true;
        }
        if !self.cache.fits(open.objects) {
            open.cached = Vec::new();
        }
        self.close(&partition);
    }

    /// Writes a partition's cache file once all its objects are read.
    fn close(&mut self, partition: &Partition) {
        let whole = self.open.get(partition).is_some_and(|open| open.listed && open.unread == 0);
        let Some(open) = (if whole { self.open.remove(partition) } else { None }) else { return };
        if open.changed && self.cache.fits(open.objects) {
            let (cache, partition) = (Arc::clone(&self.cache), partition.clone());
            self.writes.spawn_blocking(move || cache.store(&partition, open.cached));
        }
    }

    /// Waits until few enough writes are in progress; until all are complete if `over`.
    pub(super) async fn wait_for_writes(&mut self, over: bool) {
        let max = if over { 0 } else { WRITES };
        while self.writes.len() > max {
            self.writes.join_next().await;
        }
    }
}
