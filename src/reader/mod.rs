//! The read path of the lake: lists partitions, gets objects with bounded concurrency, and yields parsed records or the
//! reason why there is none.
//!
//! Replay, reconcile and compact read through [`Reader`]. Objects that a part ([`crate::parts`]) or a [`Cache`] has with the
//! same `(key, etag, size)` are not fetched.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Instant;

use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt};
use tokio::sync::Mutex;

use crate::parts::{Content, Parts};
use pipeline::lake::{Depth, Error, Key, Lake, ObjectMeta, Partition, ReadHints, Reason, is_folder_marker};
use pipeline::record::{MAX_OBJECT_BYTES, Record};

mod bodies;
pub mod cache;
mod cache_writer;
mod cutoff;
mod empty;
mod selection;
mod skip;
mod split;
mod walk;

pub use bodies::MAX_BODY_BYTES;
use cache::Cache;
pub use cutoff::{Age, Cutoff};
pub use empty::{Empty, Unrecognized, why_empty};
pub use selection::{ObjectSelection, RecordSelection};
pub use skip::Skip;
pub use walk::ReadEvent;
use walk::walk;

/// Number of consecutive objects with exhausted retries after which the lake counts as failing.
const FAILURES: u32 = 50;

/// Settings of a read.
#[derive(Debug, Clone, Copy)]
pub struct ReadSettings {
    /// Maximum number of concurrent reads.
    pub concurrency: usize,
    /// Objects newer than this are skipped.
    pub cutoff: Cutoff,
}

/// Result of reading one listed object.
#[derive(Debug, Clone)]
pub enum ObjectContent {
    /// A record.
    Record(Box<Record>),
    /// JSON, but not a valid record.
    Rejected(String),
    /// It could not be fetched, or is not JSON.
    Unreadable(String),
    /// In an archive tier and not restored.
    Archived,
    /// Skipped.
    Skipped(Skip),
    /// Not opened: its name contains its id, and only ids were requested.
    Unopened,
}

impl From<Content> for ObjectContent {
    fn from(content: Content) -> Self {
        match content {
            Content::Record(record) => Self::Record(record),
            Content::Rejected(why) => Self::Rejected(why),
            Content::Unreadable(why) => Self::Unreadable(why),
        }
    }
}

/// A listed object with its content.
#[derive(Debug, Clone)]
pub struct ReadObject {
    /// The object, as listed.
    pub meta: ObjectMeta,
    /// Its parsed name; `None` if it is unrecognized.
    pub key: Option<Key>,
    /// Its content.
    pub item: ObjectContent,
}

/// Filter of listed objects.
type ObjectFilter = Arc<dyn Fn(&ObjectMeta) -> bool + Send + Sync>;

/// Reads partitions of a lake.
#[derive(Clone)]
pub struct Reader {
    lake: Arc<dyn Lake>,
    settings: ReadSettings,
    keep: ObjectFilter,
    /// If true, objects whose names contain their ids are not opened.
    ids_only: bool,
    cache: Option<Arc<Cache>>,
    parts: Option<Arc<Parts>>,
    failures: Arc<AtomicU32>,
    /// True once any object was read, so not all of them are denied.
    any_read: Arc<AtomicBool>,
    /// When the last successful check of the access to the lake started.
    access_checked: Arc<Mutex<Option<Instant>>>,
}

impl Reader {
    /// Creates a reader of that lake.
    pub fn new(lake: Arc<dyn Lake>, settings: ReadSettings) -> Self {
        Self {
            lake,
            settings,
            keep: Arc::new(|_| true),
            ids_only: false,
            cache: None,
            parts: None,
            failures: Arc::default(),
            any_read: Arc::default(),
            access_checked: Arc::default(),
        }
    }

    /// Returns a reader that ignores all listed objects for which `keep` returns false.
    #[must_use]
    pub fn filtered(mut self, keep: impl Fn(&ObjectMeta) -> bool + Send + Sync + 'static) -> Self {
        self.keep = Arc::new(keep);
        self
    }

    /// Returns a reader that does not open objects whose names contain their ids.
    #[must_use]
    pub fn ids_only(self) -> Self {
        Self { ids_only: true, ..self }
    }

    /// Returns a reader that also uses and updates a cache. The cache applies to [`Reader::read`] only.
    #[must_use]
    pub fn with_cache(self, cache: Option<Arc<Cache>>) -> Self {
        Self { cache, ..self }
    }

    /// Returns a reader that reads objects from matching parts. Parts apply to [`Reader::read`] only.
    #[must_use]
    pub fn with_parts(self, parts: Option<Arc<Parts>>) -> Self {
        Self { parts, ..self }
    }

    /// Returns true if any object was fetched.
    pub(crate) fn has_read(&self) -> bool {
        self.any_read.load(Ordering::Relaxed)
    }

    fn cache(&self) -> Option<&Arc<Cache>> {
        self.cache.as_ref()
    }

    fn parts(&self) -> Option<&Arc<Parts>> {
        self.parts.as_ref()
    }

    /// Reads every object of the partitions, day by day. Yields objects as they are read, and the end of each day.
    ///
    /// The stream ends after an error of the complete lake. An error of one object is part of its [`ObjectContent`].
    pub fn read(&self, partitions: Vec<Partition>) -> impl Stream<Item = Result<ReadEvent, Error>> + Send + 'static {
        walk(self.clone(), self.settings.concurrency.max(1), partitions)
    }

    /// Reads the given objects in their order, for misplaced objects of a survey, and for runs with explicit keys.
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

    /// Returns true if the filter accepts a listed object.
    pub(super) fn keeps(&self, meta: &ObjectMeta) -> bool {
        (self.keep)(meta)
    }

    /// Reads one listed object.
    ///
    /// # Errors
    ///
    /// Returns an error if the complete lake cannot be read.
    pub async fn read_object(&self, meta: ObjectMeta) -> Result<ReadObject, Error> {
        let key = Key::parse(&meta.key);
        let item = match self.skip_reason(&meta, key.as_ref()) {
            Some(item) => item,
            None => match self.lake.get_many(&[&meta]).await.pop() {
                Some(got) => self.parse_body(got).await?,
                None => ObjectContent::Unreadable("no response from the lake".into()),
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
                    None => Ok(ObjectContent::Unreadable("no response from the lake".into())),
                },
            };
            read.push(item.map(|item| ReadObject { meta, key, item }));
        }
        read
    }

    /// Returns the content of an object that must not be fetched; `None` if it must be.
    pub(crate) fn skip_reason(&self, meta: &ObjectMeta, key: Option<&Key>) -> Option<ObjectContent> {
        if key.is_none() && is_folder_marker(meta) {
            Some(ObjectContent::Skipped(Skip::FolderMarker))
        } else if key.is_none() {
            Some(ObjectContent::Skipped(Skip::Unrecognized))
        } else if let Some(skip) = self.too_new(meta) {
            Some(ObjectContent::Skipped(skip))
        } else if meta.archived {
            Some(ObjectContent::Archived)
        } else if meta.size > MAX_OBJECT_BYTES as u64 {
            Some(ObjectContent::Rejected(format!("an object of {} bytes is too large for a record", meta.size)))
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

    /// Parses a fetched body, or classifies the error.
    async fn parse_body(&self, got: Result<Bytes, Error>) -> Result<ObjectContent, Error> {
        let e = match got {
            Ok(body) => {
                self.failures.store(0, Ordering::Relaxed);
                self.any_read.store(true, Ordering::Relaxed);
                return Ok(Content::parse(&body).into());
            }
            Err(e) => e,
        };
        if e.reason == Reason::Denied {
            self.check_access(&e).await?;
        }
        if failing(&e) {
            self.note_failure(&e).await?;
        } else {
            self.failures.store(0, Ordering::Relaxed);
        }
        match e.reason {
            Reason::Archived => Ok(ObjectContent::Archived),
            Reason::NotFound => Ok(ObjectContent::Unreadable("deleted after listing".into())),
            // The retries of this object are exhausted, or access to it alone is denied: it is reported, and the run
            // continues.
            _ if e.concerns_one_object() || failing(&e) => Ok(ObjectContent::Unreadable(e.message)),
            _ => Err(e),
        }
    }

    /// Returns an error if the lake rejects listings too, since this object was rejected: the session has ended, and the
    /// objects are not at fault. Concurrent calls share one check.
    async fn check_access(&self, e: &Error) -> Result<(), Error> {
        let rejected = Instant::now();
        let mut checked = self.access_checked.lock().await;
        if checked.is_some_and(|at| at >= rejected) {
            return Ok(());
        }
        let started = Instant::now();
        match self.lake.list("", Depth::OneLevel, None).await {
            Ok(_) => *checked = Some(started),
            Err(listing) if listing.ends_access() => return Err(listing),
            Err(listing) if listing.reason == Reason::Denied => {
                let message =
                    format!("neither objects nor listings are permitted any more: log in again: {}", listing.message);
                return Err(Error::new(Reason::Credentials, e.about.clone(), message));
            }
            Err(_) => {}
        }
        Ok(())
    }

    /// Counts an object with exhausted retries. Many in a row mean that the lake fails. But if they are denied or
    /// unreadable, others were read and the lake can be listed, then only these objects are affected, for example by a
    /// KMS key or a policy.
    async fn note_failure(&self, e: &Error) -> Result<(), Error> {
        if self.failures.fetch_add(1, Ordering::Relaxed) + 1 < FAILURES {
            return Ok(());
        }
        if matches!(e.reason, Reason::Denied | Reason::Unreadable) {
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

/// Returns true if an error can affect one object or the complete lake; many in a row mean the lake.
fn failing(e: &Error) -> bool {
    e.kind().is_transient() || matches!(e.reason, Reason::Denied | Reason::Unreadable)
}
