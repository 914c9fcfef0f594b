//! Names of a directory in their order, a page at a time.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::SystemTime;

use super::{FileStat, failure, to_file_stat};
use crate::atomic_file;
use crate::lake::{Depth, Error};

/// One name of a listing.
#[derive(Debug)]
pub(super) enum Entry {
    File(FileStat),
    Folder,
}

/// The least names after a key, so many at most: a page costs one pass over the names and memory for its own only.
pub(super) struct SmallestKeys {
    pub after: Option<String>,
    pub max: usize,
    pub kept: BTreeMap<String, Entry>,
    /// There are others after those that are kept.
    pub more: bool,
}

impl SmallestKeys {
    /// Whether a key is among them, as far as can be told by now.
    fn may_contain(&self, key: &str) -> bool {
        let passed = self.after.as_deref().is_some_and(|after| key <= after);
        let full_before =
            self.kept.len() >= self.max && self.kept.last_key_value().is_none_or(|(last, _)| last.as_str() < key);
        !passed && !full_before
    }

    /// Takes a key, unless it is gone after all.
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

    /// Whether a key that begins so can be among them.
    fn may_contain_prefix(&self, lead: &str) -> bool {
        let passed = self.after.as_ref().is_some_and(|after| after.as_str() > lead && !after.starts_with(lead));
        !passed
    }
}

/// Takes the names below a directory that begin so.
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
        // Links are not followed into directories: they may lead out of the lake, or in a circle.
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

/// What is known of a file in its folder, which spares the system the way to it; `None` where it is gone meanwhile.
fn stat_entry(entry: &fs::DirEntry, key: &str) -> Result<Option<Entry>, Error> {
    Ok(match to_file_stat(entry.metadata(), || entry.path(), key)? {
        // No name of ours, and not to be found by what can be said of it: it is shown all the same.
        None if key.contains(char::REPLACEMENT_CHARACTER) => {
            Some(Entry::File(FileStat { size: 0, modified: SystemTime::UNIX_EPOCH }))
        }
        facts => facts.map(Entry::File),
    })
}
