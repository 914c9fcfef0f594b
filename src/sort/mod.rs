//! Sorting more than fits in memory: entries in sorted runs on disk, merged as they are read.
//!
//! The crate `extsort` sorts. [`ordered_id`] has the order of ids, [`runs`] the folders that runs lie in, [`worker`] the
//! thread that sorts, [`merge`] the one that reads ahead. What is sorted, and by what, is up to the jobs.

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

/// How much is sorted in memory, and where the rest goes.
#[derive(Debug, Clone)]
pub struct SortSettings {
    /// Bytes of records that may wait in memory in all.
    pub memory: usize,
    /// The folder for what does not fit.
    pub dir: PathBuf,
}

/// How entries compare.
pub(crate) trait SortOrder: Serialize + DeserializeOwned + Send + 'static {
    fn compare(&self, other: &Self) -> Ordering;
}

type Compare<T> = fn(&EncodedEntry<T>, &EncodedEntry<T>) -> Ordering;

/// Entries that go from thread to thread together.
const BATCH: usize = 1_000;
/// Batches on their way between two threads.
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
