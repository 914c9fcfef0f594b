//! Exchange files of a run: the entries that shards defer to the merge, named by their content.
//!
//! A file is compressed with zstd. It has a header with its plan, shard and stream, and the entries, each after its
//! length. The SHA-256 of the file is in its name and in the outcome of its shard. A file that was truncated, changed
//! or taken from another run is therefore detected before its entries are used.

use serde::{Deserialize, Serialize};

use super::plan::shard_folder;

mod format;
mod reader;
mod writer;

pub use format::exchange_entries;
pub(super) use reader::RunExchange;
pub(super) use writer::FileWriter;

/// File of a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExchangeFile {
    /// Stream of its entries.
    pub stream: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Size of the file, in bytes.
    pub bytes: u64,
    /// Number of entries.
    pub entries: u64,
}

impl ExchangeFile {
    /// Returns the name of the file in its run.
    pub(super) fn name(&self, shard: u32) -> String {
        format!("{}{}-{}.zst", shard_folder(shard), self.stream, self.sha256)
    }
}
