//! The one read path: list partitions, get objects with bounded concurrency, parse, yield records and what is none.
//!
//! Replay, reconcile and compaction all read through [`Reader`]. What a [`Cache`] already knows of an unchanged
//! `(key, etag, size)` is not fetched again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt};

use pipeline::lake::{Depth, Error, Habits, Key, Lake, Meta, Partition, Reason};
use pipeline::record::{MAX_OBJECT_BYTES, Record};

pub mod cache;
mod cache_writer;
mod cutoff;
mod empty;
mod skip;
mod walk;

use cache::Cache;
pub use cutoff::{Age, Cutoff};
pub use empty::{Empty, Unrecognised, why_empty};
pub use skip::Skip;
pub use walk::Step;
use walk::walk;

/// Objects in a row that may run out of tries before the whole lake counts as failing.
const FAILURES: u32 = 50;

/// Settings of a read.
#[derive(Debug, Clone, Copy)]
pub struct ReadSettings {
    /// Reads under way at once.
    pub concurrency: usize,
    /// Objects that are newer are skipped.
    pub cutoff: Cutoff,
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
    /// Not opened: its name has its id, and no more was asked for.
    Unopened,
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

/// Which listed objects a reader is about.
type Keep = Arc<dyn Fn(&Meta) -> bool + Send + Sync>;

/// Reads partitions of a lake.
#[derive(Clone)]
pub struct Reader {
    lake: Arc<dyn Lake>,
    settings: ReadSettings,
    keep: Keep,
    /// Objects whose names have their ids are not opened.
    by_name: bool,
    cache: Option<Arc<Cache>>,
    failures: Arc<AtomicU32>,
    /// An object was read: it is not all of them that are refused.
    any_read: Arc<AtomicBool>,
}

impl Reader {
    /// A reader of that lake.
    pub fn new(lake: Arc<dyn Lake>, settings: ReadSettings) -> Self {
        Self {
            lake,
            settings,
            keep: Arc::new(|_| true),
            by_name: false,
            cache: None,
            failures: Arc::default(),
            any_read: Arc::default(),
        }
    }

    /// The same for those listed objects only that `keep` takes; the others are as if they were not there.
    #[must_use]
    pub fn keeping(mut self, keep: impl Fn(&Meta) -> bool + Send + Sync + 'static) -> Self {
        self.keep = Arc::new(keep);
        self
    }

    /// The same without opening objects whose names have their ids.
    #[must_use]
    pub fn by_name(self) -> Self {
        Self { by_name: true, ..self }
    }

    /// The same with what a cache knows of objects, and learns of them. It serves [`Reader::read`] only.
    #[must_use]
    pub fn recalling(self, cache: Option<Arc<Cache>>) -> Self {
        Self { cache, ..self }
    }

    fn cache(&self) -> Option<&Arc<Cache>> {
        self.cache.as_ref()
    }

    /// Reads every object of the partitions, day by day: objects as they come, and each day's end.
    ///
    /// The stream ends after an error that concerns the whole lake; what concerns one object is an [`Item`].
    pub fn read(&self, partitions: Vec<Partition>) -> impl Stream<Item = Result<Step, Error>> + Send + 'static {
        walk(self.clone(), self.settings.concurrency.max(1), partitions)
    }

    /// Reads the named objects, in their order: for strays of a survey, and for runs that name their keys.
    pub fn read_objects(&self, objects: Vec<Meta>) -> impl Stream<Item = Result<Found, Error>> + Send + 'static {
        let this = self.clone();
        stream::iter(objects)
            .map(move |meta| {
                let this = this.clone();
                async move { this.read_object(meta).await }
            })
            .buffered(self.settings.concurrency.max(1))
    }

    pub(super) fn lake(&self) -> Arc<dyn Lake> {
        Arc::clone(&self.lake)
    }

    pub(super) fn habits(&self) -> Habits {
        self.lake.habits()
    }

    /// Whether a listed object is one that is meant.
    pub(super) fn keeps(&self, meta: &Meta) -> bool {
        (self.keep)(meta)
    }

    /// Reads one listed object.
    ///
    /// # Errors
    /// The lake as a whole cannot be read.
    pub async fn read_object(&self, meta: Meta) -> Result<Found, Error> {
        let key = Key::parse(&meta.key);
        let item = match self.unread(&meta, key.as_ref()) {
            Some(item) => item,
            None => match self.lake.get_listed(&[&meta]).await.pop() {
                Some(got) => self.judge(got).await?,
                None => Item::Unreadable("the lake gave no answer".into()),
            },
        };
        Ok(Found { meta, key, item })
    }

    /// Reads listed objects in one call of the lake.
    pub(super) async fn read_batch(&self, mut batch: Vec<Meta>) -> Vec<Result<Found, Error>> {
        if batch.len() == 1
            && let Some(meta) = batch.pop()
        {
            return vec![self.read_object(meta).await];
        }
        let known: Vec<_> = batch
            .iter()
            .map(|meta| {
                let key = Key::parse(&meta.key);
                let item = self.unread(meta, key.as_ref());
                (key, item)
            })
            .collect();
        let wanted: Vec<&Meta> =
            batch.iter().zip(&known).filter(|(_, (_, item))| item.is_none()).map(|(meta, _)| meta).collect();
        let mut bodies = self.lake.get_listed(&wanted).await.into_iter();
        let mut read = Vec::with_capacity(known.len());
        for (meta, (key, item)) in batch.into_iter().zip(known) {
            let item = match item {
                Some(item) => Ok(item),
                None => match bodies.next() {
                    Some(got) => self.judge(got).await,
                    None => Ok(Item::Unreadable("the lake gave no answer".into())),
                },
            };
            read.push(item.map(|item| Found { meta, key, item }));
        }
        read
    }

    /// What becomes of an object that is not to be fetched.
    pub(super) fn unread(&self, meta: &Meta, key: Option<&Key>) -> Option<Item> {
        if key.is_none() {
            Some(Item::Skipped(Skip::Foreign))
        } else if let Some(skip) = self.too_new(meta) {
            Some(Item::Skipped(skip))
        } else if meta.archived {
            Some(Item::Archived)
        } else if meta.size > MAX_OBJECT_BYTES as u64 {
            Some(Item::Rejected(format!("an object of {} bytes holds no record", meta.size)))
        } else if self.by_name && key.is_some_and(|key| key.id.is_some()) {
            Some(Item::Unopened)
        } else {
            None
        }
    }

    fn too_new(&self, meta: &Meta) -> Option<Skip> {
        match self.settings.cutoff.age(meta.last_modified) {
            Age::Included => None,
            Age::After => Some(Skip::AfterCutoff),
            Age::Future => Some(Skip::FutureDated),
        }
    }

    /// What was fetched, or why it was not.
    async fn judge(&self, got: Result<Bytes, Error>) -> Result<Item, Error> {
        let e = match got {
            Ok(body) => {
                self.failures.store(0, Ordering::Relaxed);
                self.any_read.store(true, Ordering::Relaxed);
                return Ok(match Record::parse(&body) {
                    Ok(record) => Item::Record(Box::new(record)),
                    Err(why) if why.is_unreadable() => Item::Unreadable(why.to_string()),
                    Err(why) => Item::Rejected(why.to_string()),
                });
            }
            Err(e) => e,
        };
        if failing(&e) {
            self.one_more_failed(&e).await?;
        } else {
            self.failures.store(0, Ordering::Relaxed);
        }
        match e.reason {
            Reason::Archived => Ok(Item::Archived),
            Reason::NotFound => Ok(Item::Unreadable("vanished after it was listed".into())),
            // Tries have run out for this object, or it alone is refused: named, and the rest goes on.
            _ if e.concerns_one_object() || failing(&e) => Ok(Item::Unreadable(e.message)),
            _ => Err(e),
        }
    }

    /// Once many in a row have run out of tries it is the lake that fails, not they. Where they are refused, others were
    /// read, and the lake lets itself be listed, it is they after all: a key of KMS, or a policy on some of them.
    async fn one_more_failed(&self, e: &Error) -> Result<(), Error> {
        if self.failures.fetch_add(1, Ordering::Relaxed) + 1 < FAILURES {
            return Ok(());
        }
        if e.reason == Reason::Denied {
            self.failures.store(0, Ordering::Relaxed);
            if self.any_read.load(Ordering::Relaxed) && self.lake.list("", Depth::Folders, None).await.is_ok() {
                tracing::warn!(
                    "{FAILURES} objects in a row were refused although the lake can be listed: check the policy and the \
                     keys of what is counted as unreadable ({})",
                    e.message
                );
                return Ok(());
            }
        }
        let message = format!("{FAILURES} objects in a row could not be read, the last because: {}", e.message);
        Err(Error::new(Reason::Outage, e.about.clone(), message))
    }
}

/// What may be this object's own fault or the beginning of the lake's: many in a row tell.
fn failing(e: &Error) -> bool {
    e.kind().is_transient() || e.reason == Reason::Denied
}
