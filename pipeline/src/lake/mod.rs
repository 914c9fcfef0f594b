//! The lake: where every record is one JSON object in a farm's day, in S3 or in a directory.
//!
//! [`Lake`] is the small IO trait with its back ends [`s3`] and [`dir`], and for tests `memory`; [`Key`] is the grammar of object
//! names, new and old; [`Span`] and [`scan_partitions`] name the partitions a run is about. The read path of replay and reconcile is the
//! toolkit's. What a record is, is decided in [`crate::record`].

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};

use crate::error::Kind;

mod conditional;
pub mod dir;
mod key;
#[cfg(any(test, feature = "testing"))]
pub mod memory;
mod partition;
pub mod s3;
mod url;

pub use conditional::{ConditionalWrites, Conditions, Unconditional};
pub use key::Key;
pub use partition::{Partition, PartitionScan, Span, scan_partitions};
pub use url::LakeUrl;

/// An object as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    /// The key below the lake's prefix.
    pub key: String,
    /// Size in bytes.
    pub size: u64,
    /// The change token of this version of the object; not a content hash.
    pub etag: String,
    /// When the store took it in, by the store's clock.
    pub last_modified: DateTime<Utc>,
    /// Where the store keeps it.
    pub class: StorageClass,
    /// Brought back from an archive for a while.
    pub restored: bool,
    /// In an archive tier and not restored: it cannot be read now.
    pub archived: bool,
    /// Which version it is, where versions were listed.
    pub version: Option<String>,
}

/// A storage class, as the store names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StorageClass(Cow<'static, str>);

impl StorageClass {
    /// The class of that name; none is `STANDARD`.
    pub fn of(name: Option<&str>) -> Self {
        const KNOWN: [&str; 8] = [
            "STANDARD",
            "STANDARD_IA",
            "ONEZONE_IA",
            "INTELLIGENT_TIERING",
            "GLACIER_IR",
            "GLACIER",
            "DEEP_ARCHIVE",
            "REDUCED_REDUNDANCY",
        ];
        let name = name.filter(|name| !name.is_empty()).unwrap_or(KNOWN[0]);
        Self(KNOWN.into_iter().find(|known| *known == name).map_or_else(|| Cow::Owned(name.to_owned()), Cow::Borrowed))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether its objects are read only after a restore.
    pub fn is_archive(&self) -> bool {
        matches!(self.as_str(), "GLACIER" | "DEEP_ARCHIVE")
    }
}

impl Default for StorageClass {
    fn default() -> Self {
        Self::of(None)
    }
}

impl fmt::Display for StorageClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One page of a listing.
#[derive(Debug, Clone, Default)]
pub struct ListPage {
    /// Objects, in key order.
    pub objects: Vec<ObjectMeta>,
    /// Folders one level down, with their trailing `/`; only for [`Depth::OneLevel`].
    pub folders: Vec<String>,
    /// Where the next page goes on; `None` on the last.
    pub next: Option<String>,
}

/// How deep a listing looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Objects of this folder and the names of its folders.
    OneLevel,
    /// Every object below.
    Recursive,
}

/// What became of a write that must not overwrite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutResult {
    /// The object is new.
    Created,
    /// An object of that name was there already and stays as it was.
    AlreadyExists,
}

/// What became of a change that must not undo another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeResult {
    /// The object is as it was asked for.
    Done,
    /// It was another already, or gone, and stays as it was.
    Conflict,
}

/// How a lake likes to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadHints {
    /// Pages asked for at once.
    pub concurrent_listings: usize,
    /// Objects read in one call.
    pub batch_size: usize,
    /// Objects read at once, where nobody says otherwise.
    pub concurrent_reads: usize,
}

/// A lake: list, get, and write without overwriting. Keys are relative to its prefix and use `/`.
#[async_trait]
pub trait Lake: Send + Sync + fmt::Debug {
    /// The lake's address, without secrets.
    fn address(&self) -> String;

    /// What tells this lake from every other, however its address is written.
    fn identity(&self) -> String {
        self.address()
    }

    /// One page of the objects whose keys begin with `prefix`, in key order.
    ///
    /// # Errors
    /// The store cannot be reached or refuses.
    async fn list(&self, prefix: &str, depth: Depth, after: Option<&str>) -> Result<ListPage, Error>;

    /// An object's bytes.
    ///
    /// # Errors
    /// [`Reason::NotFound`] where there is none; the store cannot be reached or refuses.
    async fn get(&self, key: &str) -> Result<Bytes, Error>;

    /// The bytes of listed objects, one answer each in their order.
    async fn get_many(&self, listed: &[&ObjectMeta]) -> Vec<Result<Bytes, Error>> {
        let mut bodies = Vec::with_capacity(listed.len());
        for meta in listed {
            bodies.push(self.get(&meta.key).await);
        }
        bodies
    }

    /// How it likes to be read: by default as a store behind a network.
    fn read_hints(&self) -> ReadHints {
        ReadHints { concurrent_listings: 16, batch_size: 1, concurrent_reads: 256 }
    }

    /// How the store's limits were felt so far.
    fn throttle_stats(&self) -> ThrottleStats {
        ThrottleStats::default()
    }

    /// Writes an object only if its key is free.
    ///
    /// # Errors
    /// The store cannot be reached or refuses.
    async fn put_new(&self, key: &str, body: Bytes) -> Result<PutResult, Error>;

    /// Puts another body in an object's place, or takes the object away where there is none, only if it still has that
    /// change token. For what the user asks for by name only (DESIGN §3, 5).
    ///
    /// # Errors
    /// [`Reason::ReadOnly`] where the lake is only read; the store cannot be reached or refuses.
    async fn change_if_match(&self, key: &str, _etag: &str, _body: Option<Bytes>) -> Result<ChangeResult, Error> {
        Err(Error::new(Reason::ReadOnly, key, "this lake can be read only"))
    }

    /// Support of the store for conditional writes, as far as it is known.
    fn conditions(&self) -> Conditions {
        Conditions::default()
    }

    /// Finds out whether the store honours conditional writes, with an object of its own outside the lake.
    ///
    /// # Errors
    /// Returns an error if the store cannot be reached or rejects the test's object.
    async fn test_conditions(&self) -> Result<Conditions, Error> {
        Ok(self.conditions())
    }

    /// The store's clock, for the cutoff of a run.
    ///
    /// # Errors
    /// The store cannot be reached or refuses; this is also the check that the lake exists.
    async fn clock(&self) -> Result<DateTime<Utc>, Error>;

    /// The unit to which [`Lake::clock`] is cut off: zero where it is as precise as the times of objects.
    fn clock_precision(&self) -> TimeDelta {
        TimeDelta::zero()
    }

    /// The lake as it was at that time, to read from only.
    ///
    /// # Errors
    /// [`Reason::NoVersions`] where nothing is kept of what was; the store cannot be reached or refuses.
    async fn as_of(&self, _at: DateTime<Utc>) -> Result<Arc<dyn Lake>, Error> {
        Err(Error::new(
            Reason::NoVersions,
            self.address(),
            "keeps no earlier versions: only an S3 bucket with versioning does",
        ))
    }

    /// The folder of that name beside the lake's prefix, as a lake of its own.
    fn sibling(&self, name: &str) -> Arc<dyn Lake>;
}

/// How a store's limits were felt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct ThrottleStats {
    /// Answers that asked to slow down.
    pub slow_downs: u64,
    /// Requests that were tried again, for whatever reason.
    pub retries: u64,
    /// The fewest requests that were allowed to be under way at once; `None` where it was never limited.
    #[serde(rename = "lowest_limit")]
    pub min_concurrency: Option<u64>,
}

impl ThrottleStats {
    /// Adds what another client of the same store felt.
    pub fn merge(&mut self, other: Self) {
        self.slow_downs += other.slow_downs;
        self.retries += other.retries;
        self.min_concurrency = [self.min_concurrency, other.min_concurrency].into_iter().flatten().min();
    }
}

/// Why the lake could not do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No such object.
    NotFound,
    /// No such bucket or directory.
    NoLake,
    /// The object is in an archive tier.
    Archived,
    /// Credentials are missing, wrong, or not allowed to do this.
    Denied,
    /// The bucket lives in another region.
    WrongRegion,
    /// Nothing is kept of what the lake was before.
    NoVersions,
    /// A lake that is only read was to be written.
    ReadOnly,
    /// The store does not honour conditional writes, and they are required.
    Unconditional,
    /// A key that this store cannot hold safely.
    BadKey,
    /// The store asks to slow down.
    SlowDown,
    /// The network, a time-out, or a passing fault of the store.
    Network,
    /// Failing for longer than it makes sense to go on.
    Outage,
    /// No space or quota left.
    NoSpace,
    /// Anything else, as the source says.
    Other,
}

/// A failure of the lake, with the key or address it is about.
#[derive(Debug, Clone, thiserror::Error)]
#[error("lake {about}: {message}")]
pub struct Error {
    /// What went wrong.
    pub reason: Reason,
    /// The key or address.
    pub about: String,
    /// What happened and what to do, in one line.
    pub message: String,
}

impl Error {
    /// A failure about a key or address, in one line.
    pub fn new(reason: Reason, about: impl Into<String>, message: impl Into<String>) -> Self {
        Self { reason, about: about.into(), message: message.into() }
    }

    /// Whether another try can help.
    pub fn kind(&self) -> Kind {
        match self.reason {
            Reason::SlowDown | Reason::Network => Kind::Transient,
            Reason::BadKey | Reason::NoVersions | Reason::ReadOnly | Reason::Unconditional => Kind::Usage,
            _ => Kind::Permanent,
        }
    }

    /// Whether the fault lies with this one object, so that the rest of a run can go on.
    pub fn concerns_one_object(&self) -> bool {
        matches!(self.reason, Reason::NotFound | Reason::Archived | Reason::BadKey)
    }
}

/// An object as a listing shows it now; `None` where there is none.
///
/// # Errors
/// As [`Lake::list`].
pub async fn head(lake: &dyn Lake, key: &str) -> Result<Option<ObjectMeta>, Error> {
    let page = lake.list(key, Depth::Recursive, None).await?;
    Ok(page.objects.into_iter().find(|meta| meta.key == key))
}

/// Every object below a prefix, page by page.
///
/// # Errors
/// As [`Lake::list`].
pub async fn list_all(lake: &dyn Lake, prefix: &str) -> Result<Vec<ObjectMeta>, Error> {
    Ok(list_whole(lake, prefix, Depth::Recursive).await?.objects)
}

/// All pages of a listing as one.
pub async fn list_whole(lake: &dyn Lake, prefix: &str, depth: Depth) -> Result<ListPage, Error> {
    let mut whole = ListPage::default();
    let mut after = None;
    loop {
        let page = lake.list(prefix, depth, after.as_deref()).await?;
        whole.objects.extend(page.objects);
        whole.folders.extend(page.folders);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(whole),
        }
    }
}
