//! Flags for sorting in memory and on disk.

use std::path::PathBuf;

use bytesize::ByteSize;
use clap::Args;

use crate::sort::SortSettings;
use crate::units;

/// Flags for sorting in memory and on disk.
#[derive(Debug, Clone, Args)]
pub(super) struct SortFlags {
    /// Memory for sorting; larger sorts spill to --sort-dir
    #[arg(long, value_name = "SIZE", default_value = SORT_MEMORY, value_parser = sort_memory)]
    pub sort_memory: ByteSize,
    /// Directory for sort spill files [default: $TMPDIR]
    #[arg(long, value_name = "DIR")]
    pub sort_dir: Option<PathBuf>,
}

impl Default for SortFlags {
    fn default() -> Self {
        Self { sort_memory: ByteSize::mb(64), sort_dir: None }
    }
}

/// Default memory limit for sorting.
const SORT_MEMORY: &str = "64MB";

/// Parses the memory limit for sorting, from 1 MB to 64 GiB.
fn sort_memory(text: &str) -> Result<ByteSize, String> {
    let size = units::size(text)?;
    let range = ByteSize::mb(1)..=ByteSize::gib(64);
    if range.contains(&size) { Ok(size) } else { Err(format!("{text} is not between 1MB and 64GiB")) }
}

impl SortFlags {
    pub(super) fn settings(&self) -> SortSettings {
        SortSettings {
            memory: usize::try_from(self.sort_memory.as_u64()).unwrap_or(usize::MAX),
            dir: self.sort_dir.clone().unwrap_or_else(std::env::temp_dir),
        }
    }
}
