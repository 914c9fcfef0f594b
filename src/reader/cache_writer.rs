//! What a walk takes from a cache and gives back to it: pages of a listing are parted into objects that are known and
//! objects to be read, and once all of a partition was found it is written down, if anything about it is new.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::cache::{Cache, Known, Recalled};
use super::{Found, Reader};
use pipeline::lake::{Key, Meta, Page, Partition};

/// Partitions that are written at once.
const WRITES: usize = 4;

/// A page, parted.
#[derive(Debug, Default)]
pub(super) struct Parted {
    /// Objects that are not known.
    pub unread: Vec<Meta>,
    /// How many of these are not opened either: archived ones, new ones, foreign ones.
    pub shut: usize,
    /// Objects that are known.
    pub found: Vec<Found>,
    /// What is known of these, where it may have to be written again.
    pub learnt: Vec<Known>,
    /// Where the next page goes on.
    pub next: Option<String>,
    /// What is known of objects that were not met yet.
    pub rest: Option<Recalled>,
}

/// Parts a page. `rest` is what the page before left; the first page of a partition has none.
pub(super) async fn part(reader: &Reader, partition: &Partition, page: Page, rest: Option<Recalled>) -> Parted {
    let objects = page.objects.into_iter().filter(|meta| reader.keeps(meta));
    let Some(cache) = reader.cache() else {
        return Parted { unread: objects.collect(), next: page.next, ..Parted::default() };
    };
    let first = rest.is_none();
    let mut recalled = match rest {
        Some(rest) => rest,
        None => {
            let (cache, partition) = (Arc::clone(cache), partition.clone());
            tokio::task::spawn_blocking(move || cache.recall(&partition)).await.unwrap_or_default()
        }
    };
    let mut parted = Parted { next: page.next, ..Parted::default() };
    let mut hits = Vec::new();
    for meta in objects {
        let key = Key::parse(&meta.key);
        let shut = reader.unread(&meta, key.as_ref()).is_some();
        match recalled.take(&meta).filter(|_| !shut) {
            Some(known) => hits.push((meta, key, known)),
            None => {
                parted.shut += usize::from(shut);
                parted.unread.push(meta);
            }
        }
    }
    let unchanged = first && parted.next.is_none() && parted.unread.is_empty() && recalled.is_used_up();
    if !unchanged {
        parted.learnt = hits.iter().map(|(_, _, known)| known.clone()).collect();
    }
    parted.found = hits.into_iter().map(|(meta, key, known)| Found { meta, key, item: known.into_item() }).collect();
    parted.rest = Some(recalled);
    parted
}

/// What is being learnt.
pub(super) struct Learning {
    cache: Arc<Cache>,
    open: HashMap<Partition, Open>,
    writes: JoinSet<()>,
}

/// A partition of which not everything was found.
#[derive(Debug, Default)]
struct Open {
    known: Vec<Known>,
    unfound: usize,
    listed: bool,
    /// There is something to write.
    changed: bool,
    objects: usize,
}

impl Learning {
    pub(super) fn new(cache: Arc<Cache>) -> Self {
        Self { cache, open: HashMap::new(), writes: JoinSet::new() }
    }

    /// A page came.
    pub(super) fn came(&mut self, partition: &Partition, parted: &mut Parted) {
        self.cache.count(parted.found.len(), parted.unread.len() - parted.shut);
        let open = self.open.entry(partition.clone()).or_default();
        open.objects += parted.found.len() + parted.unread.len();
        open.unfound += parted.unread.len();
        open.known.append(&mut parted.learnt);
        open.listed = parted.next.is_none();
        // Objects that are gone: what is known of them is to go as well.
        open.changed |= open.listed && parted.rest.take_if(|_| open.listed).is_some_and(|rest| !rest.is_used_up());
        self.close(partition);
    }

    /// An object was read.
    pub(super) fn found(&mut self, found: &Found) {
        let Some(partition) = Partition::of_key(&found.meta.key) else { return };
        let Some(open) = self.open.get_mut(&partition) else { return };
        open.unfound = open.unfound.saturating_sub(1);
        if let Some(known) = Known::of(&found.meta, &found.item).filter(|_| self.cache.keeps(&found.meta)) {
            open.known.push(known);
            open.changed = true;
        }
        if !self.cache.holds(open.objects) {
            open.known = Vec::new();
        }
        self.close(&partition);
    }

    /// Writes a partition down, once all of it was found.
    fn close(&mut self, partition: &Partition) {
        let whole = self.open.get(partition).is_some_and(|open| open.listed && open.unfound == 0);
        let Some(open) = (if whole { self.open.remove(partition) } else { None }) else { return };
        if open.changed && self.cache.holds(open.objects) {
            let (cache, partition) = (Arc::clone(&self.cache), partition.clone());
            self.writes.spawn_blocking(move || cache.learn(&partition, open.known));
        }
    }

    /// Waits until no more than so many partitions are being written.
    pub(super) async fn settle(&mut self, over: bool) {
        let most = if over { 0 } else { WRITES };
        while self.writes.len() > most {
            self.writes.join_next().await;
        }
    }
}
