//! Reading a file that somebody names: once, whole, and no more than is sensible.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context as _, ensure};

/// The bytes of a regular file of at most so many, which is what the taker takes.
///
/// # Errors
/// It cannot be read, is no regular file, is larger, or changed meanwhile.
pub(super) fn read(path: &Path, most_bytes: u64, taker: &str) -> anyhow::Result<Vec<u8>> {
    let name = || path.display().to_string();
    // Asked before it is opened: opening a pipe would wait for its writer.
    let is_file = std::fs::metadata(path).with_context(name)?.is_file();
    ensure!(is_file, "{}: is not a regular file", name());
    let mut file = File::open(path).with_context(name)?;
    let before = file.metadata().with_context(name)?;
    ensure!(
        before.len() <= most_bytes,
        "{}: has {} bytes, but {taker} accepts at most {most_bytes}",
        name(),
        before.len()
    );
    let mut bytes = Vec::new();
    file.by_ref().take(most_bytes + 1).read_to_end(&mut bytes).with_context(name)?;
    let after = file.metadata().with_context(name)?;
    let same = after.modified().ok() == before.modified().ok() && bytes.len() as u64 == after.len();
    ensure!(same && after.len() == before.len(), "{}: changed while it was read: try again", name());
    Ok(bytes)
}
