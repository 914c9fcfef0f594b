//! Listing of directory names in key order, one page at a time.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::SystemTime;

use super::{FileStat, failure, to_file_stat};
use crate::atomic_file;
use crate::lake::{Depth, Error};

/// One entry of a listing.
#[derive(Debug)]
pub(super) enum Entry {
    File(FileStat),
    Folder,
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
        // Links to directories are not followed: they may leave the lake or form a cycle.
        let is_dir = match entry.file_type() {
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
            if keys.may_contain_prefix(&lead) {
                walk(&entry.path(), &lead, "", depth, keys)?;
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
        None if key.contains(char::REPLACEMENT_CHARACTER) => {
            Some(Entry::File(FileStat { size: 0, modified: SystemTime::UNIX_EPOCH }))
        }
        facts => facts.map(Entry::File),
    })
}
