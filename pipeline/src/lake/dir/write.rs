//! Writing of files: complete or not at all, and on disk if that is requested.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use crate::atomic_file::{folder_of, temp_file_next_to};
use crate::lake::PutResult;

/// When a write counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// When the operating system has it; a power failure can lose recent writes.
    #[default]
    System,
    /// When the file and the folders of its path are on disk.
    Disk,
}

/// Writes a file only if its path does not exist. `root` is the folder of the lake, which exists.
pub(super) fn write_new(root: &Path, path: &Path, body: &[u8], durability: Durability) -> io::Result<PutResult> {
    let mut made_folders = false;
    let mut file = match temp_file_next_to(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => {
            fs::create_dir_all(folder_of(path))?;
            made_folders = true;
            temp_file_next_to(path)?
        }
        other => other?,
    };
    file.write_all(body)?;
    if durability == Durability::Disk {
        file.as_file().sync_all()?;
    }
    match file.persist_noclobber(path) {
        Ok(_) if durability == Durability::Disk => {
            let folders = folder_of(path).ancestors().take_while(|folder| folder.starts_with(root));
            let count = if made_folders { usize::MAX } else { 1 };
            folders.take(count).try_for_each(sync_folder)?;
            Ok(PutResult::Created)
        }
        Ok(_) => Ok(PutResult::Created),
        Err(e) if e.error.kind() == ErrorKind::AlreadyExists => Ok(PutResult::AlreadyExists),
        Err(e) => Err(e.error),
    }
}

/// Replaces a file, or the file that a link leads to.
pub(super) fn overwrite(path: &Path, body: &[u8], durability: Durability) -> io::Result<()> {
    let path = &fs::canonicalize(path)?;
    let mut file = temp_file_next_to(path)?;
    file.write_all(body)?;
    if durability == Durability::Disk {
        file.as_file().sync_all()?;
    }
    file.persist(path).map_err(|e| e.error)?;
    if durability == Durability::Disk { sync_folder(folder_of(path)) } else { Ok(()) }
}

/// Removes a file, or the link to one.
pub(super) fn remove(path: &Path, durability: Durability) -> io::Result<()> {
    fs::remove_file(path)?;
    if durability == Durability::Disk { sync_folder(folder_of(path)) } else { Ok(()) }
}

/// Writes a folder's entries to disk.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps, reason = "other systems have it")]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
