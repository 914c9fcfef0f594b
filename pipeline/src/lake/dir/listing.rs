//! Listing of directory names in key order, one page at a time.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::stat::{FileStat, failure, to_file_stat};
use crate::atomic_file;
use crate::lake::{Depth, Error};

/// One entry of a listing.
#[derive(Debug)]
pub(super) enum Entry {
    File(FileStat),
    Folder,
}

/// Identity of a folder, regardless of its path.
#[cfg(unix)]
type FolderId = (u64, u64);
#[cfg(not(unix))]
type FolderId = std::path::PathBuf;

/// The folders from the lake's root down to the one that is read, to recognize a link that leads back to one of them.
#[derive(Debug)]
pub(super) struct Folders(Vec<FolderId>);

impl Folders {
    /// Returns the folders down to one of the lake; `None` if its path leads through one of them twice.
    pub(super) fn down_to(root: &Path, folder: &str) -> Option<Self> {
        let mut folders = Self(Vec::new());
        let mut path = root.to_owned();
        for part in std::iter::once("").chain(folder.split('/').filter(|part| !part.is_empty())) {
            path.push(part);
            if !folders.enter(&path) {
                return None;
            }
        }
        Some(folders)
    }

    /// Enters a folder; returns false if it is one of those that lead to it. A folder that is missing has no entries, so
    /// it needs no identity.
    fn enter(&mut self, path: &Path) -> bool {
        let Some(id) = folder_id(path) else { return true };
        let is_new = !self.0.contains(&id);
        if is_new {
            self.0.push(id);
        }
        is_new
    }

    fn leave(&mut self, depth: usize) {
        self.0.truncate(depth);
    }

    /// Returns true if an entry is a link to a folder that does not contain it.
    fn may_follow(&self, link: &Path) -> bool {
        folder_id(link).is_some_and(|id| !self.0.contains(&id))
    }
}

#[cfg(unix)]
fn folder_id(path: &Path) -> Option<FolderId> {
    use std::os::unix::fs::MetadataExt as _;
    let meta = fs::metadata(path).ok().filter(fs::Metadata::is_dir)?;
    Some((meta.dev(), meta.ino()))
}

#[cfg(not(unix))]
fn folder_id(path: &Path) -> Option<FolderId> {
    fs::canonicalize(path).ok().filter(|path| path.is_dir())
}

/// The smallest keys after `after`, up to a limit. A page requires one scan of all names and memory for its own keys
/// only.
pub(super) struct SmallestKeys {
    pub after: Option<String>,
    pub max: usize,
    pub kept: BTreeMap<String, Entry>,
    /// True if there are keys after the retained ones.
    pub more: bool,
}

impl SmallestKeys {
    /// Returns true if a key can be in the page, by the keys seen so far.
    fn may_contain(&self, key: &str) -> bool {
        let passed = self.after.as_deref().is_some_and(|after| key <= after);
        let full_before =
            self.kept.len() >= self.max && self.kept.last_key_value().is_none_or(|(last, _)| last.as_str() < key);
        !passed && !full_before
    }

    /// Adds a key, unless its file has disappeared.
    fn take(&mut self, key: String, entry: impl FnOnce(&str) -> Result<Option<Entry>, Error>) -> Result<(), Error> {
        if !self.may_contain(&key) {
            self.more |= self.after.as_ref().is_none_or(|after| key > *after);
            return Ok(());
        }
        let Some(entry) = entry(&key)? else { return Ok(()) };
        if self.kept.len() >= self.max {
            self.more = true;
            self.kept.pop_last();
        }
        self.kept.insert(key, entry);
        Ok(())
    }

    /// Returns true if keys with this prefix can be in the page.
    fn may_contain_prefix(&self, lead: &str) -> bool {
        let passed = self.after.as_ref().is_some_and(|after| after.as_str() > lead && !after.starts_with(lead));
        !passed
    }
}

/// Adds the keys below a directory that start with a prefix.
pub(super) fn walk(
    dir: &Path,
    lead: &str,
    name_start: &str,
    depth: Depth,
    keys: &mut SmallestKeys,
    folders: &mut Folders,
) -> Result<(), Error> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(()),
        Err(e) => return Err(failure(lead, &e)),
    };
    for entry in entries {
        let entry = entry.map_err(|e| failure(lead, &e))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(atomic_file::PREFIX) || !name.starts_with(name_start) {
            continue;
        }
        let key = format!("{lead}{name}");
        let is_dir = match entry.file_type() {
            Ok(kind) if kind.is_symlink() => folders.may_follow(&entry.path()),
            Ok(kind) => kind.is_dir(),
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            Err(e) => return Err(failure(&key, &e)),
        };
        if !is_dir {
            keys.take(key, |key| stat_entry(&entry, key))?;
        } else if depth == Depth::OneLevel {
            keys.take(format!("{key}/"), |_| Ok(Some(Entry::Folder)))?;
        } else {
            let lead = format!("{key}/");
            let here = folders.0.len();
            if keys.may_contain_prefix(&lead) && folders.enter(&entry.path()) {
                walk(&entry.path(), &lead, "", depth, keys, folders)?;
                folders.leave(here);
            }
        }
    }
    Ok(())
}

/// Returns a file's metadata relative to its open directory, which avoids a path lookup. `None` if it has disappeared.
fn stat_entry(entry: &fs::DirEntry, key: &str) -> Result<Option<Entry>, Error> {
    Ok(match to_file_stat(entry.metadata(), || entry.path(), key)? {
        // The name is not UTF-8, so its lossy key finds no file. It is listed with placeholder metadata, so that it is
        // not lost.
        None if key.contains(char::REPLACEMENT_CHARACTER) => Some(Entry::File(FileStat::UNKNOWN)),
        facts => facts.map(Entry::File),
    })
}
