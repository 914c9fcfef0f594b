//! The lake: one JSON object per record, in a folder per farm and day, in S3 or in a directory.
//!
//! [`Lake`] is the IO trait, with the back ends [`s3`], [`dir`] and, for tests, `memory`. [`Key`] is the grammar of
//! object keys, new and legacy. [`Span`] and [`scan_partitions`] select the partitions of a run. The read path of
//! replay and reconcile is in the toolkit; [`crate::record`] defines the records.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};

use crate::error::Kind;

mod conditional;
pub mod dir;
mod files;
mod key;
mod listing;
#[cfg(any(test, feature = "testing"))]
pub mod memory;
mod partition;
pub mod s3;
mod url;

pub use conditional::{ConditionalWrites, Conditions, Unconditional};
pub use key::Key;
pub use listing::{head, list_all, list_whole};
pub use partition::{Partition, PartitionScan, Span, scan_partitions};
pub use url::LakeUrl;

/// Metadata of an object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    /// The key below the lake's prefix.
    pub key: String,
    /// Size in bytes.
    pub size: u64,
    /// The change token of this version of the object; not a content hash.
    pub etag: String,
    /// Time of the last write, by the store's clock.
    pub last_modified: DateTime<Utc>,
    /// Storage class of the object.
    pub class: StorageClass,
    /// Temporarily restored from an archive tier.
    pub restored: bool,
    /// In an archive tier and not restored, so not readable now.
    pub archived: bool,
    /// Version id; `None` unless versions were listed.
    pub version: Option<String>,
}

/// A storage class, by the store's name for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StorageClass(Cow<'static, str>);

impl StorageClass {
    /// Returns the class with a name; `None` or an empty name is `STANDARD`.
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

    /// Returns the name of the class.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns true if objects of this class need a restore before they can be read.
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
    /// Start of the next page; `None` on the last page.
    pub next: Option<String>,
}

/// Depth of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Objects in this folder and the names of its subfolders.
    OneLevel,
    /// All objects below.
    Recursive,
}

/// Result of a write that must not overwrite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutResult {
    /// The object was created.
    Created,
    /// An object with that key existed and was left unchanged.
    AlreadyExists,
}

/// Result of a conditional change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeResult {
    /// The object was changed as requested.
    Done,
    /// The object had changed or disappeared, and was left as it is.
    Conflict,
}

/// Recommended parameters for reading a lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadHints {
    /// Number of concurrent listing requests.
    pub concurrent_listings: usize,
    /// Number of objects per [`Lake::get_many`] call.
    pub batch_size: usize,
    /// Default number of concurrently read objects.
    pub concurrent_reads: usize,
}

/// A lake: listing, reading, and writing without overwriting. Keys are relative to its prefix and use `/`.
#[async_trait]
pub trait Lake: Send + Sync + fmt::Debug {
    /// Returns the lake's address, without secrets.
    fn address(&self) -> String;

    /// Returns a text that identifies the lake, regardless of how its address is written.
    fn identity(&self) -> String {
        self.address()
    }

    /// Returns one page of the objects whose keys start with `prefix`, in key order.
    ///
    /// # Errors
    /// Returns an error if the store cannot be reached or rejects the request.
    async fn list(&self, prefix: &str, depth: Depth, after: Option<&str>) -> Result<ListPage, Error>;

    /// Returns an object's bytes.
    ///
    /// # Errors
    /// Returns [`Reason::NotFound`] if the object does not exist, or another error if the store cannot be reached or
    /// rejects the request.
    async fn get(&self, key: &str) -> Result<Bytes, Error>;

    /// Returns the bytes of listed objects: one result per object, in order.
    async fn get_many(&self, listed: &[&ObjectMeta]) -> Vec<Result<Bytes, Error>> {
        let mut bodies = Vec::with_capacity(listed.len());
        for meta in listed {
            bodies.push(self.get(&meta.key).await);
        }
        bodies
    }

    /// Returns a range of the bytes of a listed object, only if it still has the listed change token.
    ///
    /// # Errors
    /// Returns [`Reason::NotFound`] if the object changed or disappeared, or another error if the range is not in the
    /// object, or if the store cannot be reached or rejects the request.
    async fn get_range(&self, listed: &ObjectMeta, range: Range<u64>) -> Result<Bytes, Error> {
        files::slice(listed, &self.get(&listed.key).await?, range)
    }

    /// Returns how the lake should be read; by default as a store behind a network.
    fn read_hints(&self) -> ReadHints {
        ReadHints { concurrent_listings: 16, batch_size: 1, concurrent_reads: 256 }
    }

    /// Returns how much the store has throttled requests so far.
    fn throttle_stats(&self) -> ThrottleStats {
        ThrottleStats::default()
    }

    /// Writes an object only if its key does not exist.
    ///
    /// # Errors
    /// Returns an error if the store cannot be reached or rejects the request.
    async fn put_new(&self, key: &str, body: Bytes) -> Result<PutResult, Error>;

    /// Replaces an object's body, or deletes the object if `body` is `None`, only if it still has the change token.
    /// Used only for explicitly requested changes.
    ///
    /// # Errors
    /// Returns [`Reason::ReadOnly`] if the lake is read-only, or another error if the store cannot be reached or
    /// rejects the request.
    async fn change_if_match(&self, key: &str, _etag: &str, _body: Option<Bytes>) -> Result<ChangeResult, Error> {
        Err(Error::new(Reason::ReadOnly, key, "this lake can be read only"))
    }

    /// Writes a file as an object, without loading it into memory. Without a change token the key must not exist; with
    /// one, the object must still have it.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, if the store does not check these conditions itself, cannot be
    /// reached or rejects the request.
    async fn put_file(&self, key: &str, file: &Path, replaces: Option<&str>) -> Result<ChangeResult, Error> {
        files::put(self, key, file, replaces).await
    }

    /// Writes an object that was lost, only if its key does not exist, with its former change token if the store
    /// derives it from something that can be restored.
    ///
    /// # Errors
    /// Returns an error for the reasons of [`Lake::put_new`].
    async fn put_back(&self, listed: &ObjectMeta, body: Bytes) -> Result<PutResult, Error> {
        self.put_new(&listed.key, body).await
    }

    /// Returns the store's support for conditional writes, as far as it is known.
    fn conditions(&self) -> Conditions {
        Conditions::default()
    }

    /// Tests whether the store honours conditional writes, with a test object outside the lake.
    ///
    /// # Errors
    /// Returns an error if the store cannot be reached or rejects the test object.
    async fn test_conditions(&self) -> Result<Conditions, Error> {
        Ok(self.conditions())
    }

    /// Returns the store's time, for the cutoff of a run. This also checks that the lake exists.
    ///
    /// # Errors
    /// Returns an error if the store cannot be reached or rejects the request.
    async fn clock(&self) -> Result<DateTime<Utc>, Error>;

    /// Returns the unit to which [`Lake::clock`] is truncated; zero if it is as precise as the times of objects.
    fn clock_precision(&self) -> TimeDelta {
        TimeDelta::zero()
    }

    /// Returns how old an object must be so that no later write can have its change token; by default the precision of
    /// the coarsest clocks of file systems, because a token may be a time and a size.
    fn token_precision(&self) -> TimeDelta {
        TimeDelta::seconds(2)
    }

    /// Returns a read-only view of the lake as it was at `at`.
    ///
    /// # Errors
    /// Returns [`Reason::NoVersions`] if the store keeps no versions, or another error if it cannot be reached or
    /// rejects the request.
    async fn as_of(&self, _at: DateTime<Utc>) -> Result<Arc<dyn Lake>, Error> {
        Err(Error::new(
            Reason::NoVersions,
            self.address(),
            "keeps no earlier versions: only an S3 bucket with versioning does",
        ))
    }

    /// Returns a text that identifies the lake on every host: its identity without the endpoint of its store.
    fn location(&self) -> String {
        self.identity()
    }

    /// Returns the folder `name` next to the lake's prefix, as a separate lake.
    fn sibling(&self, name: &str) -> Arc<dyn Lake>;
}

/// Throttling by a store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct ThrottleStats {
    /// Number of responses that requested a slowdown.
    pub slow_downs: u64,
    /// Number of retried requests, for any reason.
    pub retries: u64,
    /// The lowest limit on concurrent requests; `None` if requests were never limited.
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
    /// The object does not exist.
    NotFound,
    /// The bucket or directory does not exist.
    NoLake,
    /// The object is in an archive tier.
    Archived,
    /// Credentials are missing, invalid or lack a permission.
    Denied,
    /// The bucket is in another region.
    WrongRegion,
    /// The store keeps no versions.
    NoVersions,
    /// A write to a read-only lake.
    ReadOnly,
    /// The store does not honour conditional writes, and they are required.
    Unconditional,
    /// A key that the store cannot hold safely.
    BadKey,
    /// The store requested a slowdown.
    SlowDown,
    /// A network failure, a timeout, or a temporary failure of the store.
    Network,
    /// The store failed for too long to continue.
    Outage,
    /// No space or quota left.
    NoSpace,
    /// Any other reason; the message has the details.
    Other,
}

/// A lake failure, with the key or address it concerns.
#[derive(Debug, Clone, thiserror::Error)]
#[error("lake {about}: {message}")]
pub struct Error {
    /// Reason for the failure.
    pub reason: Reason,
    /// Key or address that the failure concerns.
    pub about: String,
    /// What happened and what to do, in one line.
    pub message: String,
}

impl Error {
    /// Creates an error about a key or address, with a one-line message.
    pub fn new(reason: Reason, about: impl Into<String>, message: impl Into<String>) -> Self {
        Self { reason, about: about.into(), message: message.into() }
    }

    /// Returns the kind of the error, which decides whether a retry can help.
    pub fn kind(&self) -> Kind {
        match self.reason {
            Reason::SlowDown | Reason::Network => Kind::Transient,
            Reason::BadKey | Reason::NoVersions | Reason::ReadOnly | Reason::Unconditional => Kind::Usage,
            _ => Kind::Permanent,
        }
    }

    /// Returns true if the failure concerns only this object, so that the run can continue with the others.
    pub fn concerns_one_object(&self) -> bool {
        matches!(self.reason, Reason::NotFound | Reason::Archived | Reason::BadKey)
    }
}
