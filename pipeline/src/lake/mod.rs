//! The lake: one JSON object per record, in a folder per farm and day, in S3 or in a directory.
//!
//! [`Lake`] is the IO trait, with the back ends [`s3`], [`dir`] and, for tests, `memory`. [`Key`] is the grammar of
//! object keys, new and legacy. [`Span`] and [`scan_partitions`] select the partitions of a run. The read path of
//! replay and reconcile is in the toolkit; [`crate::record`] defines the records.
//!
//! # Adding a back end
//!
//! 1. A folder here with its implementation of [`Lake`]. Methods with a default body are correct but slow for a remote store:
//!    implement them too.
//! 2. Its variant of [`LakeUrl`] (`url.rs`), and its arm in the toolkit's `open_lake` (`src/cli/flags.rs`), which chooses the
//!    back end. The compiler finds the other places that match on the variants.
//!
//! # Changing every request
//!
//! What applies to all requests of every back end, such as a limit on bytes per second or a count of requests, is a [`Lake`]
//! around another one, in a file here, which `LakeFlags::open_for` of the toolkit puts around the back end. `src/inventory/lake.rs` of the toolkit
//! is an example of forwarding. Forward every method, also those with a default body. A limit also wraps what `sibling` and
//! `as_of` return, with one budget for all: parts are read from a sibling. The reader is the wrong place: parts, rechecks and
//! repairs read without it.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};

use crate::error::Kind;
use crate::record::MAX_OBJECT_BYTES;

mod conditional;
pub mod dir;
mod encryption;
mod files;
mod key;
mod listing;
#[cfg(any(test, feature = "testing"))]
pub mod memory;
mod partition;
pub mod s3;
mod storage_class;
mod strays;
mod url;

pub use conditional::{ConditionalWrites, Conditions, Unconditional};
pub use encryption::{Encryption, SseAlgorithm};
pub use key::Key;
pub use listing::{head, list_all, list_whole};
pub use partition::{Partition, PartitionScan, Span, scan_partitions};
pub use storage_class::StorageClass;
pub use strays::{Strays, is_folder_marker};
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

impl ObjectMeta {
    /// Returns the number of bytes to accept when the object is read: its size, or that of the largest record if it has
    /// been replaced since it was listed.
    fn max_bytes(&self) -> usize {
        usize::try_from(self.size).unwrap_or(usize::MAX).max(MAX_OBJECT_BYTES)
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

    /// Returns an object's bytes if there are at most `max`; a larger object is not read into memory.
    ///
    /// # Errors
    /// Returns [`Reason::TooLarge`] if the object is larger, or an error as [`Lake::get`].
    async fn get_within(&self, key: &str, max: usize) -> Result<Bytes, Error> {
        let body = self.get(key).await?;
        if body.len() > max { Err(Error::too_large(key, body.len() as u64, max)) } else { Ok(body) }
    }

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

    /// Returns how old an object must be so that no later write can have its change token. The default is the precision
    /// of the coarsest clocks of file systems, because a token may consist of a time and a size.
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
    /// The credentials are valid and lack a permission.
    Denied,
    /// Credentials are missing, invalid or expired, or cannot be renewed.
    Credentials,
    /// This machine's clock differs so much from the store's that requests are rejected.
    ClockSkew,
    /// The settings do not yield a valid request.
    Settings,
    /// The store has the object and cannot return it: for example, its encryption key is disabled.
    Unreadable,
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
    /// The object is larger than the caller accepts.
    TooLarge,
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

    /// Creates an error for an object of `bytes` bytes, of which at most `max` are accepted.
    pub fn too_large(about: impl Into<String>, bytes: u64, max: usize) -> Self {
        Self::new(Reason::TooLarge, about, format!("an object of {bytes} bytes, of which at most {max} are read"))
    }

    /// Returns the kind of the error, which decides whether a retry can help.
    pub fn kind(&self) -> Kind {
        match self.reason {
            Reason::SlowDown | Reason::Network => Kind::Transient,
            Reason::BadKey | Reason::NoVersions | Reason::ReadOnly | Reason::Unconditional | Reason::Settings => {
                Kind::Usage
            }
            _ => Kind::Permanent,
        }
    }

    /// Returns true if the failure concerns only this object, so that the run can continue with the others.
    pub fn concerns_one_object(&self) -> bool {
        let reasons = [Reason::NotFound, Reason::Archived, Reason::BadKey, Reason::Unreadable, Reason::TooLarge];
        reasons.contains(&self.reason)
    }

    /// Returns true if every further request will fail too, until the credentials are renewed or the clock is set.
    pub fn ends_access(&self) -> bool {
        matches!(self.reason, Reason::Credentials | Reason::ClockSkew)
    }

    /// Returns true if an object that exists cannot be read, and the store works: it is in an archive tier, access to
    /// it is denied, or something that is not an object has its name.
    pub fn is_unverifiable(&self) -> bool {
        let reasons = [
            Reason::NotFound,
            Reason::Archived,
            Reason::BadKey,
            Reason::Denied,
            Reason::Unreadable,
            Reason::TooLarge,
            Reason::Other,
        ];
        reasons.contains(&self.reason)
    }
}
