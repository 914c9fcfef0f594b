//! S3 Inventory in place of LIST: a lake whose partitions are listed from a manifest's files.
//!
//! This module owns the manifest, its files and the order of their keys; [`pipeline::lake`] owns the wrapped lake and
//! the listing of folders. Folders are always listed, so new farms and days are found; the objects of a partition come
//! from the inventory if it is old enough to have them, and are listed otherwise. An inventory is some hours old: later
//! changes in older days are not detected, which outcomes report.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::sort::{SortDir, Sorter};
use pipeline::lake::{Error, Lake, Partition, Reason};

mod entry;
mod files;
mod index;
mod lake;
mod manifest;

use entry::InventoryEntry;
pub use files::read_objects;
use index::IndexBuilder;
use lake::InventoryLake;
pub use manifest::{FileFormat, Manifest, ManifestFile};

/// Number of days before an inventory that are listed: an object can be filed under the day before it was written.
const TAIL_DAYS: u64 = 2;

/// Memory of one entry during the sort, in bytes.
const ENTRY_BYTES: usize = 400;

/// Location of an inventory, and its lake.
#[derive(Debug, Clone)]
pub struct InventorySource {
    /// The bucket with the inventory's files.
    pub store: Arc<dyn Lake>,
    /// Key of the manifest in that bucket.
    pub manifest: String,
    /// Bucket of the lake.
    pub bucket: String,
    /// Prefix of the lake in its bucket, without slashes at the ends.
    pub prefix: String,
    /// Memory for sorting the keys, in bytes.
    pub memory: usize,
    /// Directory for sorting the keys.
    pub dir: PathBuf,
}

/// The inventory that a run used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryInfo {
    /// Address of the manifest.
    pub manifest: String,
    /// Time at which S3 started the inventory.
    pub created: DateTime<Utc>,
    /// Age of the inventory when the run started, in seconds.
    pub age_seconds: i64,
    /// Number of objects of the lake in it.
    pub objects: u64,
    /// First day whose objects were listed.
    pub tail_from: NaiveDate,
}

impl InventoryInfo {
    /// Returns an inventory for the tests of outcomes.
    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        Self {
            manifest: "s3://store/inv/manifest.json".into(),
            created: DateTime::from_timestamp_millis(1_768_878_000_000).unwrap_or_default(),
            age_seconds: 18_000,
            objects: 7,
            tail_from: NaiveDate::from_ymd_opt(2026, 1, 18).unwrap_or_default(),
        }
    }

    /// Combines the inventories of two parts of the same run, if they have any.
    pub(crate) fn merge_some(mine: &mut Option<Self>, theirs: Option<Self>) {
        match (mine.as_mut(), theirs) {
            (Some(mine), Some(theirs)) => mine.merge(&theirs),
            (None, theirs) => *mine = theirs,
            (Some(_), None) => {}
        }
    }

    /// Combines it with the inventory of another part of the same run: the older one is used.
    fn merge(&mut self, other: &Self) {
        if (other.created, &other.manifest) < (self.created, &self.manifest) {
            self.clone_from(other);
        }
        self.age_seconds = self.age_seconds.max(other.age_seconds);
    }
}

/// Reads an inventory of a lake; returns the lake with its listings, and its description.
///
/// # Errors
/// Returns an error if the manifest or a file is missing, does not match its checksum, is of another bucket or lacks a
/// column, or if the keys cannot be sorted on disk.
pub async fn open(
    lake: Arc<dyn Lake>,
    source: InventorySource,
    now: DateTime<Utc>,
) -> Result<(Arc<dyn Lake>, InventoryInfo), Error> {
    let manifest = Manifest::read(&*source.store, &source.manifest).await?;
    manifest.check(&source.bucket)?;
    let created = manifest.created()?;
    let dir = SortDir::in_dir(&source.dir).map_err(|e| disk(&e))?;
    let run = (source.memory / ENTRY_BYTES).max(1_000);
    let mut sorter: Sorter<InventoryEntry> = Sorter::in_dir(run, &dir).map_err(|e| disk(&e))?;
    for file in &manifest.files {
        sorter = files::read(&source, &manifest, file, sorter).await?;
    }
    let index = tokio::task::spawn_blocking(move || {
        let mut index = IndexBuilder::new()?;
        for entry in sorter.finish()? {
            index.push(entry?)?;
        }
        index.finish()
    });
    let index = index.await.map_err(|e| disk(&std::io::Error::other(e)))?.map_err(|e| disk(&e))?;
    let tail_from = created.date_naive().checked_sub_days(Days::new(TAIL_DAYS)).unwrap_or(NaiveDate::MIN);
    let info = InventoryInfo {
        manifest: format!("{}/{}", source.store.address(), source.manifest),
        created,
        age_seconds: (now - created).num_seconds(),
        objects: index.objects(),
        tail_from,
    };
    Ok((Arc::new(InventoryLake::new(lake, index, tail_from)), info))
}

fn disk(e: &std::io::Error) -> Error {
    Error::new(Reason::Other, "inventory", format!("its keys cannot be sorted on disk: {e}: use another --sort-dir"))
}

/// Returns an error about an inventory.
fn wrong(about: impl Into<String>, what: impl fmt::Display) -> Error {
    Error::new(Reason::Other, about, format!("{what}; use another inventory, or omit --listing"))
}

/// Returns the partition whose objects have this prefix; `None` if it is not the prefix of a partition.
fn partition_of(prefix: &str) -> Option<Partition> {
    Partition::of_key(&format!("{prefix}x")).filter(|partition| partition.prefix() == prefix)
}

#[cfg(test)]
mod tests;
