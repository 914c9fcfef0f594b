//! The one read path: list partitions, get objects with bounded concurrency, parse, yield records and what is none.
//!
//! Replay, reconcile and compaction all read through [`Reader`]. What a cache or a Parquet part already knows of an
//! unchanged `(key, etag, size)` can be answered in `read_object` without a change to any caller.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};
use futures::stream::{self, Stream, StreamExt};

use super::listed::listed;
use super::reading::Reading;
use super::{Error, Key, Lake, Meta, Partition, Reason};
use crate::record::{MAX_OBJECT_BYTES, Record};

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

/// What a read yields.
#[derive(Debug, Clone)]
pub enum Step {
    /// An object, in any order.
    Found(Box<Found>),
    /// Every object of this day, and of the days before it, was yielded. Days close in order, those without objects too.
    Closed(NaiveDate),
}

/// How far a read has come: each partition that was not met before is a step.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    partitions: usize,
    begun: HashSet<u64>,
    hashes: RandomState,
}

impl Pace {
    /// The pace of a read of so many partitions.
    pub fn new(partitions: usize) -> Self {
        Self { partitions, ..Self::default() }
    }

    /// The share that is done, 0 to 1, where the object is the first of another partition.
    pub fn share(&mut self, key: Option<&Key>) -> Option<f64> {
        let key = key?;
        let begun = self.begun.insert(self.hashes.hash_one((key.day, &key.farm)));
        begun.then(|| (self.begun.len() - 1) as f64 / self.partitions.max(1) as f64)
    }
}

/// Which listed objects a reader is about.
pub(super) type Keep = Arc<dyn Fn(&Meta) -> bool + Send + Sync>;

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

    /// Reads every object of the partitions: as they come, in any order; a day is closed once all of its objects and all
    /// of the days before it were yielded. A slow object holds nothing up but the end of its day.
    ///
    /// The stream ends after an error that concerns the whole lake; what concerns one object is an [`Item`].
    pub fn read(&self, partitions: Vec<Partition>) -> impl Stream<Item = Result<Step, Error>> + Send + 'static {
        let listed = listed(&self.lake, partitions, &self.keep);
        Reading::new(self.clone(), listed).into_stream()
    }

    /// Reads the named objects, in any order: for strays of a survey, and for runs that name their keys.
    pub fn read_objects(&self, objects: Vec<Meta>) -> impl Stream<Item = Result<Found, Error>> + Send + 'static {
        let this = self.clone();
        stream::iter(objects)
            .map(move |meta| {
                let this = this.clone();
                async move { this.read_object(meta).await }
            })
            .buffer_unordered(self.settings.concurrency.max(1))
    }

    pub(super) fn concurrency(&self) -> usize {
        self.settings.concurrency.max(1)
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
            _ => match self.get(&meta).await {
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
    async fn get(&self, meta: &Meta) -> Result<Bytes, Error> {
        let got = self.lake.get_listed(meta).await;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_new_partition_is_a_step() {
        let key = |farm: &str, day: u32| {
            Key::parse(&format!("{farm}/2023/01/0{day}/historico_consumo_2023-01-01 00:00:00.000.json"))
        };
        let mut pace = Pace::new(4);
        let shares = [key("a", 1), key("b", 1), None, key("a", 1), key("b", 1), key("a", 2), key("b", 2)]
            .map(|key| pace.share(key.as_ref()));
        assert_eq!(shares, [Some(0.0), Some(0.25), None, None, None, Some(0.5), Some(0.75)]);
    }
}
