//! The lake: one JSON object per record, in a folder per farm and day, in S3 or in a directory.
//!
//! [`LakeUrl`] is the address of a lake, by back end. [`Lake`] is the IO trait, with the back ends [`s3`], [`dir`] and, for
//! tests, `memory`. [`Key`] is the grammar of object keys, new and legacy. [`Span`] and [`scan_partitions`] select the
//! partitions of a run. The read path of replay and reconcile is in the toolkit; [`crate::record`] defines the records.
//!
//! # Adding a back end
//!
//! 1. A folder here with its implementation of [`Lake`]. Methods with a default body are correct but slow for a remote store:
//!    implement them too. It passes `testkit::conformance::lake`. A client library is a cargo feature, which the Lambda lacks.
//! 2. In this file its `pub mod` and its variant of [`LakeUrl`] with the same name; the compiler names the matches except that of
//!    `FromStr`, and [`LakeUrl::FORMS`] is in the help of all commands. Its address is parsed in its own folder.
//! 3. Its arm in the toolkit's `open_lake` (`src/cli/flags.rs`), which chooses the back end.
//!
//! If its storage classes have other names, [`StorageClass`] knows which of them are archives; prices of requests are those of
//! S3 only (`src/request_cost.rs`).
//!
//! # Changing every request
//!
//! What applies to all requests of every back end, such as a limit on bytes per second or a count of requests, is a [`Lake`]
//! around another one, in a file here, which `open_lake` of the toolkit (`src/cli/flags.rs`) puts around the back end. Its
//! flag is a field of `LakeRequestFlags` there. `src/inventory/lake.rs` of the toolkit is an example of forwarding. Forward
//! every method, also those with a default body. A limit also wraps what `sibling` and `as_of` return, with one budget for all:
//! parts are read from a sibling. `--listing` opens the bucket of the inventory as a second lake, with a second budget. The
//! reader is the wrong place: parts, rechecks and repairs read without it.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};

use crate::record::MAX_OBJECT_BYTES;

mod conditional;
pub mod dir;
mod encryption;
mod error;
mod files;
mod key;
mod listing;
#[cfg(any(test, feature = "testing"))]
pub mod memory;
mod partition;
pub mod s3;
mod storage_class;
mod unrecognized;
mod url;

pub use conditional::{ConditionalWrites, Conditions, Unconditional};
pub use encryption::{Encryption, SseAlgorithm};
pub use error::{Error, Reason};
pub use key::Key;
pub use listing::{head, list_all, list_complete};
pub use partition::{Partition, PartitionScan, Span, scan_partitions};
pub use storage_class::StorageClass;
pub use unrecognized::{UnrecognizedNames, is_folder_marker};

/// Location of a lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LakeUrl {
    /// `s3://bucket/prefix`.
    S3 {
        /// The bucket, or the ARN of an access point.
        bucket: String,
        /// The prefix without leading and trailing slashes; empty for the entire bucket.
        prefix: String,
    },
    /// A directory.
    Dir(PathBuf),
}

impl LakeUrl {
    /// The forms of a lake's address, for help and error messages.
    pub const FORMS: &str = "s3://bucket/prefix or a directory";

    /// Returns bucket and prefix of a lake in S3; `None` for others, which have no inventory, no requests at S3's prices, and
    /// are not for a Lambda.
    pub fn bucket_and_prefix(&self) -> Option<(&str, &str)> {
        match self {
            Self::S3 { bucket, prefix } => Some((bucket, prefix)),
            Self::Dir(_) => None,
        }
    }

    /// Returns the directory of a lake on this machine; `None` for a lake elsewhere.
    pub fn local_dir(&self) -> Option<&Path> {
        match self {
            Self::S3 { .. } => None,
            Self::Dir(path) => Some(path),
        }
    }

    /// Returns the addresses that query engines read the lake at, and a folder next to it.
    pub fn query_locations(&self, folder: &str) -> (String, String) {
        match self {
            Self::S3 { bucket, prefix } => {
                let parent = prefix.rsplit_once('/').map(|(parent, _)| format!("{parent}/")).unwrap_or_default();
                (self.to_string(), format!("s3://{bucket}/{parent}{folder}"))
            }
            Self::Dir(path) => {
                let lake = dir::Dir::new(path);
                (lake.identity(), lake.sibling(folder).address())
            }
        }
    }
}

impl FromStr for LakeUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = url::tidy(text)?;
        match text.strip_prefix("s3://") {
            Some(rest) => url::s3(text, rest),
            None => url::directory(text).map(Self::Dir),
        }
    }
}

impl fmt::Display for LakeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
            Self::Dir(path) => write!(f, "{}", path.display()),
        }
    }
}

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
