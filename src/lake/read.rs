//! The one read path: list partitions, get objects with bounded concurrency, parse, yield records and what is none.
//!
//! Replay, reconcile and compaction all read through [`Reader`]. What a cache or a Parquet part already knows of an
//! unchanged `(key, etag, size)` can be answered in `read_object` without a change to any caller.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};
use futures::stream::{self, Stream, StreamExt};

use super::{Depth, Error, Key, Lake, Meta, Partition, Reason};
use crate::record::{MAX_OBJECT_BYTES, Record};

/// Listings of partitions under way at once, ahead of the reads.
const LISTINGS: usize = 8;

/// Objects in a row that may run out of tries before the whole lake counts as failing.
const FAILURES: u32 = 50;

/// Settings of a read.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Reads under way at once.
    pub concurrency: usize,
    /// Objects newer than this, by the store's clock, are skipped.
    pub fence: DateTime<Utc>,
}

/// Why an object was not read although it could be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Skip {
    /// Its name is not of the lake's grammar.
    Foreign,
    /// It was written after the run began.
    AfterFence,
}

/// What became of one listed object.
#[derive(Debug, Clone)]
pub enum Item {
    /// A record.
    Record(Box<Record>),
    /// JSON, but no valid record.
    Rejected(String),
    /// It could not be fetched, or is not JSON.
    Unreadable(String),
    /// In an archive tier and not restored.
    Archived,
    /// Left aside.
    Skipped(Skip),
}

/// A listed object and what became of it.
#[derive(Debug, Clone)]
pub struct Found {
    /// The object, as listed.
    pub meta: Meta,
    /// Its name taken apart; `None` for a foreign one.
    pub key: Option<Key>,
    /// What it holds.
    pub item: Item,
}

/// How far a read has come: partitions are read in order, so each new one is a step.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    partitions: usize,
    begun: usize,
    current: Option<(NaiveDate, String)>,
}

impl Pace {
    /// The pace of a read of so many partitions.
    pub fn new(partitions: usize) -> Self {
        Self { partitions, ..Self::default() }
    }

    /// The share that is done, 0 to 1, where the object is the first of another partition.
    pub fn share(&mut self, key: Option<&Key>) -> Option<f64> {
        let key = key?;
        if self.current.as_ref().is_some_and(|(day, farm)| *day == key.day && *farm == key.farm) {
            return None;
        }
        self.current = Some((key.day, key.farm.clone()));
        self.begun += 1;
        Some((self.begun - 1) as f64 / self.partitions.max(1) as f64)
    }
}

/// Which listed objects a reader is about.
type Keep = Arc<dyn Fn(&Meta) -> bool + Send + Sync>;

/// Reads partitions of a lake.
#[derive(Clone)]
pub struct Reader {
    lake: Arc<dyn Lake>,
    settings: Settings,
    keep: Keep,
    failures: Arc<AtomicU32>,
}

impl Reader {
    /// A reader of that lake.
    pub fn new(lake: Arc<dyn Lake>, settings: Settings) -> Self {
        Self { lake, settings, keep: Arc::new(|_| true), failures: Arc::default() }
    }

    /// The same for those listed objects only that `keep` takes; the others are as if they were not there.
    #[must_use]
    pub fn keeping(mut self, keep: impl Fn(&Meta) -> bool + Send + Sync + 'static) -> Self {
        self.keep = Arc::new(keep);
        self
    }

    /// Reads every object of the partitions, in the order of the partitions and of keys within each.
    ///
    /// The stream ends after an error that concerns the whole lake; what concerns one object is an [`Item`].
    pub fn read(&self, partitions: Vec<Partition>) -> impl Stream<Item = Result<Found, Error>> + Send + 'static {
        let this = self.clone();
        let keep = Arc::clone(&self.keep);
        let listed = stream::iter(partitions)
            .map(move |partition| list_partition(Arc::clone(&this.lake), partition.prefix()))
            .buffered(LISTINGS)
            .flatten()
            .filter(move |meta| std::future::ready(meta.as_ref().map_or(true, |meta| keep(meta))));
        self.read_listed(listed)
    }

    /// Reads the named objects: for strays of a survey, and for runs that name their keys.
    pub fn read_objects(&self, objects: Vec<Meta>) -> impl Stream<Item = Result<Found, Error>> + Send + 'static {
        self.read_listed(stream::iter(objects).map(Ok))
    }

    fn read_listed(
        &self,
        listed: impl Stream<Item = Result<Meta, Error>> + Send + 'static,
    ) -> impl Stream<Item = Result<Found, Error>> + Send + 'static {
        let this = self.clone();
        listed
            .map(move |meta| {
                let this = this.clone();
                let task = tokio::spawn(async move { this.read_object(meta?).await });
                async move {
                    task.await
                        .unwrap_or_else(|e| Err(Error::new(Reason::Other, "read", format!("a reader failed: {e}"))))
                }
            })
            .buffered(self.settings.concurrency.max(1))
    }

    /// Reads one listed object.
    ///
    /// # Errors
    /// The lake as a whole cannot be read.
    pub async fn read_object(&self, meta: Meta) -> Result<Found, Error> {
        let key = Key::parse(&meta.key);
        let item = match &key {
            None => Item::Skipped(Skip::Foreign),
            _ if meta.last_modified > self.settings.fence => Item::Skipped(Skip::AfterFence),
            _ if meta.archived => Item::Archived,
            _ if meta.size > MAX_OBJECT_BYTES as u64 => {
                Item::Rejected(format!("an object of {} bytes holds no record", meta.size))
            }
            _ => match self.get(&meta.key).await {
                Ok(body) => match Record::parse(&body) {
                    Ok(record) => Item::Record(Box::new(record)),
                    Err(why) if why.is_unreadable() => Item::Unreadable(why.to_string()),
                    Err(why) => Item::Rejected(why.to_string()),
                },
                Err(e) if e.reason == Reason::Archived => Item::Archived,
                Err(e) if e.reason == Reason::NotFound => Item::Unreadable("vanished after it was listed".into()),
                // Tries have run out for this object, or it alone is refused: named, and the rest goes on.
                Err(e) if e.concerns_one_object() || failing(&e) => Item::Unreadable(e.message),
                Err(e) => return Err(e),
            },
        };
        Ok(Found { meta, key, item })
    }

    /// Gets an object. Once many in a row have run out of tries it is the lake that fails, not they.
    async fn get(&self, key: &str) -> Result<Bytes, Error> {
        let got = self.lake.get(key).await;
        match &got {
            Err(e) if failing(e) => {
                if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES {
                    let message =
                        format!("{FAILURES} objects in a row could not be read, the last because: {}", e.message);
                    return Err(Error::new(Reason::Outage, e.about.clone(), message));
                }
            }
            _ => self.failures.store(0, Ordering::Relaxed),
        }
        got
    }
}

/// What may be this object's own fault or the beginning of the lake's: many in a row tell.
fn failing(e: &Error) -> bool {
    e.kind().is_transient() || e.reason == Reason::Denied
}

/// The objects of a partition: the first page now, the others as they are asked for.
async fn list_partition(lake: Arc<dyn Lake>, prefix: String) -> impl Stream<Item = Result<Meta, Error>> + Send {
    let first = lake.list(&prefix, Depth::Everything, None).await;
    stream::unfold(Some(first), move |page| {
        let (lake, prefix) = (Arc::clone(&lake), prefix.clone());
        async move {
            let page = match page? {
                Ok(page) => page,
                Err(e) => return Some((vec![Err(e)], None)),
            };
            let next = match &page.next {
                Some(after) => Some(lake.list(&prefix, Depth::Everything, Some(after)).await),
                None => None,
            };
            Some((page.objects.into_iter().map(Ok).collect::<Vec<_>>(), next))
        }
    })
    .map(stream::iter)
    .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_new_partition_is_a_step() {
        let key = |farm: &str, day: u32| {
            Key::parse(&format!("{farm}/2023/01/0{day}/historico_consumo_2023-01-01 00:00:00.000.json"))
        };
        let mut pace = Pace::new(4);
        let shares = [key("a", 1), key("a", 1), None, key("b", 1), key("b", 1), key("a", 2), key("b", 2)]
            .map(|key| pace.share(key.as_ref()));
        assert_eq!(shares, [Some(0.0), None, None, Some(0.25), None, Some(0.5), Some(0.75)]);
    }
}
