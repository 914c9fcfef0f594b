//! Files of a directory lake: written under their key only when complete, read in ranges, and put back with their time.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use tempfile::NamedTempFile;

use super::{Dir, FileStat, describe, failure, first, open, stat, to_file_stat};
use crate::atomic_file::{folder_of, temp_file_beside};
use crate::lake::{ChangeResult, Error, ObjectMeta, PutResult, Reason};

/// Returns the change token of a file: its time in nanoseconds, and its size.
pub(super) fn token(modified: DateTime<Utc>, size: u64) -> String {
    format!("{:x}-{size:x}", modified.timestamp_nanos_opt().unwrap_or_default())
}

/// Returns the time in a change token; `None` if it is not that of a file of this size.
fn time_of(token: &str, size: u64) -> Option<SystemTime> {
    let (nanos, of) = token.split_once('-')?;
    let nanos = u64::from_str_radix(nanos, 16).ok().filter(|_| u64::from_str_radix(of, 16) == Ok(size))?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_nanos(nanos))
}

impl Dir {
    pub(super) fn read_range(&self, listed: &ObjectMeta, range: Range<u64>) -> Result<Bytes, Error> {
        let key = &*listed.key;
        let path = self.path(key)?;
        let read = || -> io::Result<(Option<FileStat>, Vec<u8>)> {
            let mut file = open(&path)?;
            let found = to_file_stat(file.metadata(), || path.clone(), key).ok().flatten();
            file.seek(SeekFrom::Start(range.start))?;
            Ok((found, first(&mut file, usize::try_from(range.end - range.start).map_err(io::Error::other)?)?))
        };
        let (found, body) = read().map_err(|e| failure(key, &e))?;
        if found.map(|found| describe(key.to_owned(), found).etag).as_ref() != Some(&listed.etag) {
            return Err(Error::new(Reason::NotFound, key, "the file changed after it was listed"));
        }
        if body.len() as u64 != range.end - range.start {
            return Err(Error::new(Reason::Other, key, format!("{} bytes of {range:?} could be read", body.len())));
        }
        Ok(body.into())
    }

    /// Copies a file to a key. As with every change of a directory, another writer can intervene between the check of
    /// the token and the rename; both files are complete.
    pub(super) fn copy_in(&self, key: &str, from: &Path, replaces: Option<&str>) -> Result<ChangeResult, Error> {
        let path = self.path(key)?;
        let fail = |e: io::Error| failure(key, &e);
        let mut file = temp_file_for(&path).map_err(fail)?;
        io::copy(&mut File::open(from).map_err(fail)?, &mut file).map_err(fail)?;
        file.as_file().sync_all().map_err(fail)?;
        if let Some(etag) = replaces {
            let now = stat(&self.root, key)?.map(|found| describe(key.to_owned(), found).etag);
            if now.as_deref() != Some(etag) {
                return Ok(ChangeResult::Conflict);
            }
            return file.persist(&path).map(|_| ChangeResult::Done).map_err(|e| fail(e.error));
        }
        match file.persist_noclobber(&path) {
            Ok(_) => Ok(ChangeResult::Done),
            Err(e) if e.error.kind() == ErrorKind::AlreadyExists => Ok(ChangeResult::Conflict),
            Err(e) => Err(fail(e.error)),
        }
    }

    /// Writes a file that was lost with the time in its change token, so that the token is the former one again.
    pub(super) fn write_back(&self, listed: &ObjectMeta, body: &[u8]) -> Result<PutResult, Error> {
        let path = self.path(&listed.key)?;
        let time = time_of(&listed.etag, body.len() as u64);
        write_at(&path, body, time).map_err(|e| failure(&listed.key, &e))
    }
}

/// Writes a file only if its path does not exist.
pub(super) fn write_new(path: &Path, body: &[u8]) -> io::Result<PutResult> {
    write_at(path, body, None)
}

fn write_at(path: &Path, body: &[u8], modified: Option<SystemTime>) -> io::Result<PutResult> {
    let mut file = temp_file_for(path)?;
    file.write_all(body)?;
    if let Some(modified) = modified {
        file.as_file().set_modified(modified)?;
    }
    match file.persist_noclobber(path) {
        Ok(_) => Ok(PutResult::Created),
        Err(e) if e.error.kind() == ErrorKind::AlreadyExists => Ok(PutResult::AlreadyExists),
        Err(e) => Err(e.error),
    }
}

/// Creates a temporary file in the folder of `path`, and the folder if it is missing.
fn temp_file_for(path: &Path) -> io::Result<NamedTempFile> {
    match temp_file_beside(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => {
            fs::create_dir_all(folder_of(path))?;
            temp_file_beside(path)
        }
        other => other,
    }
}
