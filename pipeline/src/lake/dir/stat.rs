//! Metadata of files: what a listing shows of them, and their change tokens.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use chrono::{DateTime, Utc};

use crate::lake::{Error, ObjectMeta, Reason, StorageClass};

/// Metadata of a file in a listing.
#[derive(Debug, Clone, Copy)]
pub(super) struct FileStat {
    size: u64,
    modified: SystemTime,
    /// Time of the last change of the file's metadata, in nanoseconds, and its inode: a program can set the time of
    /// modification back, but not these.
    changed: i128,
    inode: u64,
}

impl FileStat {
    /// Metadata of a file that cannot be found by its listed name.
    pub(super) const UNKNOWN: Self = Self { size: 0, modified: SystemTime::UNIX_EPOCH, changed: 0, inode: 0 };

    fn of(meta: &fs::Metadata) -> Self {
        let modified = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let (changed, inode) = identity(meta);
        Self { size: meta.len(), modified, changed, inode }
    }

    /// Returns the listing entry of the file.
    pub(super) fn describe(self, key: String) -> ObjectMeta {
        let Self { size, modified, changed, inode } = self;
        let last_modified = DateTime::<Utc>::from(modified);
        let nanos = last_modified.timestamp_nanos_opt().unwrap_or_default();
        ObjectMeta {
            key,
            size,
            etag: format!("{nanos:x}-{size:x}-{changed:x}-{inode:x}"),
            last_modified,
            class: StorageClass::default(),
            restored: false,
            archived: false,
            version: None,
        }
    }
}

#[cfg(unix)]
fn identity(meta: &fs::Metadata) -> (i128, u64) {
    use std::os::unix::fs::MetadataExt as _;
    (i128::from(meta.ctime()) * 1_000_000_000 + i128::from(meta.ctime_nsec()), meta.ino())
}

#[cfg(not(unix))]
fn identity(_: &fs::Metadata) -> (i128, u64) {
    (0, 0)
}

/// Returns a file's metadata; `None` if the file does not exist.
pub(super) fn stat(root: &Path, key: &str) -> Result<Option<FileStat>, Error> {
    let path = root.join(key);
    to_file_stat(fs::symlink_metadata(&path), || path, key)
}

/// Converts metadata to a `FileStat`; a link to a file is described by its target.
pub(super) fn to_file_stat(
    found: io::Result<fs::Metadata>,
    path: impl FnOnce() -> PathBuf,
    key: &str,
) -> Result<Option<FileStat>, Error> {
    let meta = match found {
        Ok(meta) if meta.is_symlink() => fs::metadata(path()).ok().filter(fs::Metadata::is_file).unwrap_or(meta),
        Ok(meta) => meta,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failure(key, &e)),
    };
    Ok(Some(FileStat::of(&meta)))
}

/// Converts an error of the file system.
pub(super) fn failure(about: &str, e: &io::Error) -> Error {
    let reason = match e.kind() {
        ErrorKind::NotFound => Reason::NotFound,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Reason::Denied,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Reason::NoSpace,
        ErrorKind::InvalidFilename => Reason::BadKey,
        ErrorKind::Interrupted => Reason::Network,
        _ => Reason::Other,
    };
    Error::new(reason, about, e.to_string())
}
