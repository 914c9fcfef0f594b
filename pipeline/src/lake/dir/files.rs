//! Files of a directory lake that are too large for memory: read in ranges, and copied when they are complete.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use bytes::Bytes;
use tempfile::NamedTempFile;

use super::stat::{FileStat, failure, stat, to_file_stat};
use super::{Dir, first, open};
use crate::atomic_file::{folder_of, temp_file_next_to};
use crate::lake::{ChangeResult, Error, ObjectMeta, Reason};

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
        if found.map(|found| found.describe(key.to_owned()).etag).as_ref() != Some(&listed.etag) {
            return Err(Error::new(Reason::NotFound, key, "the file changed after it was listed"));
        }
        if body.len() as u64 != range.end - range.start {
            return Err(Error::new(Reason::Other, key, format!("only {} bytes of {range:?} were read", body.len())));
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
            let now = stat(&self.root, key)?.map(|found| found.describe(key.to_owned()).etag);
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
}

/// Creates a temporary file in the folder of `path`, and the folder if it is missing.
fn temp_file_for(path: &Path) -> io::Result<NamedTempFile> {
    match temp_file_next_to(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => {
            fs::create_dir_all(folder_of(path))?;
            temp_file_next_to(path)
        }
        other => other,
    }
}
