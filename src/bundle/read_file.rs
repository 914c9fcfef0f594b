//! Reading of a user's file: once, completely, and up to a size limit.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context as _, ensure};

/// Reads a regular file of at most `max_bytes` bytes; `taker` names the owner of that limit in messages.
///
/// # Errors
///
/// Returns an error if it cannot be read, is not a regular file, is larger, or changed during the read.
pub(super) fn read(path: &Path, max_bytes: u64, taker: &str) -> anyhow::Result<Vec<u8>> {
    let name = || path.display().to_string();
    // Checked before opening: opening a pipe would wait for its writer.
    let is_file = std::fs::metadata(path).with_context(name)?.is_file();
    ensure!(is_file, "{}: is not a regular file", name());
    let mut file = File::open(path).with_context(name)?;
    let before = file.metadata().with_context(name)?;
    ensure!(
        before.len() <= max_bytes,
        "{}: has {} bytes, but {taker} accepts at most {max_bytes}",
        name(),
        before.len()
    );
    let mut bytes = Vec::new();
    file.by_ref().take(max_bytes + 1).read_to_end(&mut bytes).with_context(name)?;
    let after = file.metadata().with_context(name)?;
    let same = after.modified().ok() == before.modified().ok() && bytes.len() as u64 == after.len();
    ensure!(same && after.len() == before.len(), "{}: changed while it was read: try again", name());
    Ok(bytes)
}
