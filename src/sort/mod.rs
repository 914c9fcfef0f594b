//! Sorting of more entries than fit in memory: sorted runs on disk, merged as they are read.
//!
//! [`run`] writes sorted runs and merges them, [`ordered_id`] has the order of ids, [`runs`] the directories of runs,
//! [`worker`] the thread that sorts, [`sorted`] the one that reads ahead. The jobs define the entries and their order.

use std::cmp::Ordering;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;

mod ordered_id;
mod run;
mod runs;
mod sorted;
#[cfg(test)]
mod tests;
mod worker;

pub(crate) use ordered_id::OrderedId;
pub(crate) use runs::SortDir;
pub(crate) use sorted::Sorted;
pub(crate) use worker::Sorter;

/// Memory limit of a sort, and the directory for its runs.
#[derive(Debug, Clone)]
pub struct SortSettings {
    /// Total size of records in memory, in bytes.
    pub memory: usize,
    /// Directory for what does not fit.
    pub dir: PathBuf,
}

/// The order of entries.
pub(crate) trait SortOrder: Serialize + DeserializeOwned + Send + 'static {
    fn compare(&self, other: &Self) -> Ordering;
}

/// Entries that go from thread to thread together.
const BATCH: usize = 1_000;
/// Maximum number of batches in a channel between two threads.
const ON_THE_WAY: usize = 2;
