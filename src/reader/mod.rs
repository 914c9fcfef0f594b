//! The one read path: list partitions, get objects with bounded concurrency, parse, yield records and what is none.
//!
//! Replay, reconcile and compaction all read through [`Reader`]. What a [`Cache`] already knows of an unchanged
//! `(key, etag, size)` is not fetched again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt};

use pipeline::lake::{Depth, Error, Key, Lake, ObjectMeta, Partition, ReadHints, Reason};
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
pub use walk::ReadEvent;
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
pub enum ObjectContent {
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
pub struct ReadObject {
    /// The object, as listed.
    pub meta: ObjectMeta,
    /// Its name taken apart; `None` for a foreign one.
    pub key: Option<Key>,
    /// What it holds.
    pub item: ObjectContent,
}

/// Which listed objects a reader is about.
type ObjectFilter = Arc<dyn Fn(&ObjectMeta) -> bool + Send + Sync>;

/// Reads partitions of a lake.
#[derive(Clone)]
pub struct Reader {
    lake: Arc<dyn Lake>,
    settings: ReadSettings,
    keep: ObjectFilter,
    /// Objects whose names have their ids are not opened.
    ids_only: bool,
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
            ids_only: false,
            cache: None,
            failures: Arc::default(),
            any_read: Arc::default(),
        }
    }

    /// The same for those listed objects only that `keep` takes; the others are as if they were not there.
    #[must_use]
    pub fn filtered(mut self, keep: impl Fn(&ObjectMeta) -> bool + Send + Sync + 'static) -> Self {
        self.keep = Arc::new(keep);
        self
    }

    /// The same without opening objects whose names have their ids.
    #[must_use]
    pub fn ids_only(self) -> Self {
        Self { ids_only: true, ..self }
    }

    /// The same with what a cache knows of objects, and learns of them. It serves [`Reader::read`] only.
    #[must_use]
    pub fn with_cache(self, cache: Option<Arc<Cache>>) -> Self {
        Self { cache, ..self }
    }

    fn cache(&self) -> Option<&Arc<Cache>> {
        self.cache.as_ref()
    }

    /// Reads every object of the partitions, day by day: objects as they come, and each day's end.
    ///
    /// The stream ends after an error that concerns the whole lake; what concerns one object is an [`ObjectContent`].
    pub fn read(&self, partitions: Vec<Partition>) -> impl Stream<Item = Result<ReadEvent, Error>> + Send + 'static {
        walk(self.clone(), self.settings.concurrency.max(1), partitions)
    }

    /// Reads the named objects, in their order: for strays of a survey, and for runs that name their keys.
    pub fn read_objects(
        &self,
        objects: Vec<ObjectMeta>,
    ) -> impl Stream<Item = Result<ReadObject, Error>> + Send + 'static {
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

    pub(super) fn read_hints(&self) -> ReadHints {
        self.lake.read_hints()
    }

    /// Whether a listed object is one that is meant.
    pub(super) fn keeps(&self, meta: &ObjectMeta) -> bool {
        (self.keep)(meta)
    }

    /// Reads one listed object.
    ///
    /// # Errors
    /// The lake as a whole cannot be read.
    pub async fn read_object(&self, meta: ObjectMeta) -> Result<ReadObject, Error> {
        let key = Key::parse(&meta.key);
        let item = match self.skip_reason(&meta, key.as_ref()) {
            Some(item) => item,
            None => match self.lake.get_many(&[&meta]).await.pop() {
                Some(got) => self.parse_body(got).await?,
                None => ObjectContent::Unreadable("the lake gave no answer".into()),
            },
        };
        Ok(ReadObject { meta, key, item })
    }

    /// Reads listed objects in one call of the lake.
    pub(super) async fn read_batch(&self, mut batch: Vec<ObjectMeta>) -> Vec<Result<ReadObject, Error>> {
        if batch.len() == 1
            && let Some(meta) = batch.pop()
        {
            return vec![self.read_object(meta).await];
        }
        let known: Vec<_> = batch
            .iter()
            .map(|meta| {
                let key = Key::parse(&meta.key);
                let item = self.skip_reason(meta, key.as_ref());
                (key, item)
            })
            .collect();
        let wanted: Vec<&ObjectMeta> =
            batch.iter().zip(&known).filter(|(_, (_, item))| item.is_none()).map(|(meta, _)| meta).collect();
        let mut bodies = self.lake.get_many(&wanted).await.into_iter();
        let mut read = Vec::with_capacity(known.len());
        for (meta, (key, item)) in batch.into_iter().zip(known) {
            let item = match item {
                Some(item) => Ok(item),
                None => match bodies.next() {
                    Some(got) => self.parse_body(got).await,
                    None => Ok(ObjectContent::Unreadable("the lake gave no answer".into())),
                },
            };
            read.push(item.map(|item| ReadObject { meta, key, item }));
        }
        read
    }

    /// What becomes of an object that is not to be fetched.
    pub(super) fn skip_reason(&self, meta: &ObjectMeta, key: Option<&Key>) -> Option<ObjectContent> {
        if key.is_none() {
            Some(ObjectContent::Skipped(Skip::Unrecognized))
        } else if let Some(skip) = self.too_new(meta) {
            Some(ObjectContent::Skipped(skip))
        } else if meta.archived {
            Some(ObjectContent::Archived)
        } else if meta.size > MAX_OBJECT_BYTES as u64 {
            Some(ObjectContent::Rejected(format!("an object of {} bytes holds no record", meta.size)))
        } else if self.ids_only && key.is_some_and(|key| key.id.is_some()) {
            Some(ObjectContent::Unopened)
        } else {
            None
        }
    }

    fn too_new(&self, meta: &ObjectMeta) -> Option<Skip> {
        match self.settings.cutoff.age(meta.last_modified) {
            Age::Included => None,
            Age::After => Some(Skip::AfterCutoff),
            Age::Future => Some(Skip::FutureDated),
        }
    }

    /// What was fetched, or why it was not.
    async fn parse_body(&self, got: Result<Bytes, Error>) -> Result<ObjectContent, Error> {
        let e = match got {
            Ok(body) => {
                self.failures.store(0, Ordering::Relaxed);
                self.any_read.store(true, Ordering::Relaxed);
                return Ok(match Record::parse(&body) {
                    Ok(record) => ObjectContent::Record(Box::new(record)),
                    Err(why) if why.is_unreadable() => ObjectContent::Unreadable(why.to_string()),
                    Err(why) => ObjectContent::Rejected(why.to_string()),
                });
            }
            Err(e) => e,
        };
        if failing(&e) {
            self.note_failure(&e).await?;
        } else {
            self.failures.store(0, Ordering::Relaxed);
        }
        match e.reason {
            Reason::Archived => Ok(ObjectContent::Archived),
            Reason::NotFound => Ok(ObjectContent::Unreadable("vanished after it was listed".into())),
            // Tries have run out for this object, or it alone is refused: named, and the rest goes on.
            _ if e.concerns_one_object() || failing(&e) => Ok(ObjectContent::Unreadable(e.message)),
            _ => Err(e),
        }
    }

    /// Once many in a row have run out of tries it is the lake that fails, not they. Where they are refused, others were
    /// read, and the lake lets itself be listed, it is they after all: a key of KMS, or a policy on some of them.
    async fn note_failure(&self, e: &Error) -> Result<(), Error> {
        if self.failures.fetch_add(1, Ordering::Relaxed) + 1 < FAILURES {
            return Ok(());
        }
        if e.reason == Reason::Denied {
            self.failures.store(0, Ordering::Relaxed);
            if self.any_read.load(Ordering::Relaxed) && self.lake.list("", Depth::OneLevel, None).await.is_ok() {
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
