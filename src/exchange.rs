//! Exchange between the shards of a job and the step that combines them: named streams of encoded entries.
//!
//! A job that runs in shards writes what a shard cannot decide alone, in a fixed order, to an [`ExchangeWriter`]. The step
//! after all shards reads it from an [`ExchangeReader`]. The job defines the entries; `fleet` stores them.

use std::io;

use async_trait::async_trait;

#[cfg(test)]
pub(crate) mod memory;

/// Receives the entries of one shard of a job.
pub trait ExchangeWriter: Send + Sync {
    /// Adds an entry to a stream. The entries of a stream are read in the order in which they were added.
    ///
    /// # Errors
    /// Returns an error if the entry cannot be stored.
    fn write(&mut self, stream: &'static str, entry: &[u8]) -> io::Result<()>;
}

/// Receives an entry with the number of its shard.
pub type EachEntry<'a> = dyn FnMut(u32, &[u8]) -> anyhow::Result<()> + Send + 'a;

/// Entries of all shards of a job.
#[async_trait]
pub trait ExchangeReader: Send + Sync {
    /// Reads a stream of these shards, one shard after the other in the given order.
    ///
    /// # Errors
    /// Returns an error if the entries cannot be read or are not those that the shards wrote, or the error of `each`.
    async fn read(&self, stream: &'static str, shards: &[u32], each: &mut EachEntry<'_>) -> anyhow::Result<()>;
}
