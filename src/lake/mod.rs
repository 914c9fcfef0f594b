//! The lake: where every record is one JSON object in a farm's day, in S3 or in a directory.
//!
//! [`Lake`] is the small IO trait with its back ends [`s3`], [`dir`] and [`memory`]; [`Key`] is the grammar of object
//! names, new and old; [`Span`] and [`survey`] name the partitions a run is about; [`Reader`] is the one path by which
//! replay and reconcile read records. What a record is, is decided in [`crate::record`].

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::error::Kind;

pub mod conformance;
#[cfg(feature = "cli")]
pub mod dir;
mod key;
mod listed;
pub mod memory;
mod meta;
mod partition;
mod read;
mod reading;
pub mod s3;
mod url;

pub use key::Key;
pub use meta::{Class, Meta};
pub use partition::{Partition, Span, Survey, survey};
pub use read::{Found, Item, Pace, Reader, Settings as ReadSettings, Skip, Step};
pub use url::LakeUrl;

/// One page of a listing.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Objects, in key order.
    pub objects: Vec<Meta>,
    /// Folders one level down, with their trailing `/`; only for [`Depth::Folders`].
    pub folders: Vec<String>,
    /// Where the next page goes on; `None` on the last.
    pub next: Option<String>,
}

/// How deep a listing looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Objects of this folder and the names of its folders.
    Folders,
    /// Every object below.
    Everything,
}

/// What became of a write that must not overwrite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The object is new.
    Created,
    /// An object of that name was there already and stays as it was.
    Exists,
}

/// A lake: list, get, and write without overwriting. Keys are relative to its prefix and use `/`.
#[async_trait]
pub trait Lake: Send + Sync + fmt::Debug {
    /// The lake's address, without secrets.
    fn address(&self) -> String;

    /// One page of the objects whose keys begin with `prefix`, in key order.
    ///
    /// # Errors
    /// The store cannot be reached or refuses.
    async fn list(&self, prefix: &str, depth: Depth, after: Option<&str>) -> Result<Page, Error>;

    /// An object's bytes.
    ///
    /// # Errors
    /// [`Reason::NotFound`] where there is none; the store cannot be reached or refuses.
    async fn get(&self, key: &str) -> Result<Bytes, Error>;

    /// The bytes of an object as it was listed: of that version, where the listing names one.
    ///
    /// # Errors
    /// As [`Lake::get`].
    async fn get_listed(&self, meta: &Meta) -> Result<Bytes, Error> {
        self.get(&meta.key).await
    }

    /// The lake as it was at that time, by the store's clock: to be read only.
    ///
    /// # Errors
    /// The store keeps no earlier versions, cannot be reached, or refuses.
    async fn as_of(&self, at: DateTime<Utc>) -> Result<Arc<dyn Lake>, Error> {
        let message = format!("keeps no versions, so it cannot be read as of {}", at.to_rfc3339());
        Err(Error::new(Reason::ReadOnly, self.address(), message))
    }

    /// How the store's limits were felt so far.
    fn pressure(&self) -> Pressure {
        Pressure::default()
    }

    /// Writes an object only if its key is free.
    ///
    /// # Errors
    /// The store cannot be reached or refuses.
    async fn put_new(&self, key: &str, body: Bytes) -> Result<Put, Error>;

    /// The store's clock, for the fence of a run.
    ///
    /// # Errors
    /// The store cannot be reached or refuses; this is also the check that the lake exists.
    async fn clock(&self) -> Result<DateTime<Utc>, Error>;

    /// The folder of that name beside the lake's prefix, as a lake of its own.
    fn beside(&self, name: &str) -> Arc<dyn Lake>;
}

/// How a store's limits were felt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Pressure {
    /// Answers that asked to slow down.
    pub slow_downs: u64,
    /// Requests that were tried again, for whatever reason.
    pub retries: u64,
    /// The fewest requests that were allowed to be under way at once; `None` where it was never limited.
    pub lowest_limit: Option<u64>,
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
    /// A key that this store cannot hold safely.
    BadKey,
    /// The store asks to slow down.
    SlowDown,
    /// The network, a time-out, or a passing fault of the store.
    Network,
    /// Failing for longer than it makes sense to go on.
    Outage,
    /// No space or quota left.
    Full,
    /// A lake as of a time was asked to take an object, or one that keeps no versions to be read as of a time.
    ReadOnly,
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
    pub(crate) fn new(reason: Reason, about: impl Into<String>, message: impl Into<String>) -> Self {
        Self { reason, about: about.into(), message: message.into() }
    }

    /// Whether another try can help.
    pub fn kind(&self) -> Kind {
        match self.reason {
            Reason::SlowDown | Reason::Network => Kind::Transient,
            Reason::BadKey | Reason::ReadOnly => Kind::Usage,
            _ => Kind::Permanent,
        }
    }

    /// Whether the fault lies with this one object, so that the rest of a run can go on.
    pub fn concerns_one_object(&self) -> bool {
        matches!(self.reason, Reason::NotFound | Reason::Archived | Reason::BadKey)
    }
}

/// Every object below a prefix, page by page.
///
/// # Errors
/// As [`Lake::list`].
pub async fn list_all(lake: &dyn Lake, prefix: &str) -> Result<Vec<Meta>, Error> {
    Ok(list_whole(lake, prefix, Depth::Everything).await?.objects)
}

/// All pages of a listing as one.
pub(crate) async fn list_whole(lake: &dyn Lake, prefix: &str, depth: Depth) -> Result<Page, Error> {
    let mut whole = Page::default();
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
