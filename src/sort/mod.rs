//! Sorting of more entries than fit in memory: sorted runs on disk, merged as they are read.
//!
//! The crate `extsort` sorts. [`ordered_id`] defines the order of ids, [`runs`] the directories of runs, [`worker`] the
//! sorting thread, and [`merge`] the thread that reads ahead. The jobs define what is sorted, and in which order.

use std::cmp::Ordering;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use extsort::Sortable;
use serde::Serialize;
use serde::de::DeserializeOwned;

mod merge;
mod ordered_id;
mod runs;
#[cfg(test)]
mod tests;
mod worker;

pub(crate) use merge::Sorted;
pub(crate) use ordered_id::OrderedId;
pub(crate) use runs::SortDir;
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

type Compare<T> = fn(&EncodedEntry<T>, &EncodedEntry<T>) -> Ordering;

/// Entries per batch sent between threads.
const BATCH: usize = 1_000;
/// Maximum number of batches in a channel between two threads.
const ON_THE_WAY: usize = 2;

/// An entry on disk: its length, then its bytes.
struct EncodedEntry<T>(T);

impl<T: Serialize + DeserializeOwned + Send> Sortable for EncodedEntry<T> {
    fn encode<W: Write>(&self, writer: &mut W) -> io::Result<()> {
        let bytes = postcard::to_stdvec(&self.0).map_err(io::Error::other)?;
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        writer.write_all(&length.to_le_bytes())?;
        writer.write_all(&bytes)
    }

    fn decode<R: Read>(reader: &mut R) -> io::Result<Self> {
        let mut length = [0; 4];
        reader.read_exact(&mut length)?;
        let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
        reader.read_exact(&mut bytes)?;
        postcard::from_bytes(&bytes).map(Self).map_err(io::Error::other)
    }
}
