//! A lake in a directory: for the demo, for local work, for files that were unpacked from somewhere.
//!
//! Objects are written to a temporary name and then linked to their own, which fails where that exists: no half
//! objects, no overwriting. They are not synced to disk one by one; a power cut can cost what the system had not written.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::{Depth, Error, Lake, Meta, Page, Put, Reason};
use crate::half::{self, half_in};

/// A directory as a lake.
#[derive(Debug, Clone)]
pub struct Dir {
    root: PathBuf,
}

impl Dir {
    /// The lake in that directory, which need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Makes the directory, for commands that are about to write into it.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn create(&self) -> Result<(), Error> {
        fs::create_dir_all(&self.root).map_err(|e| failure(&self.root.display().to_string(), &e))
    }

    fn path(&self, key: &str) -> Result<PathBuf, Error> {
        let separator = if cfg!(windows) { '\\' } else { '\0' };
        let safe = !key.contains(['\0', separator]) && key.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if safe { Ok(self.root.join(key)) } else { Err(Error::new(Reason::BadKey, key, "no safe file name")) }
    }

    fn list_now(&self, prefix: &str, depth: Depth) -> Result<Page, Error> {
        let (folder, name) = prefix.rsplit_once('/').unwrap_or(("", prefix));
        let start = if folder.is_empty() { self.root.clone() } else { self.path(folder)? };
        let mut page = Page::default();
        let lead = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        walk(&start, &lead, depth, &mut page)?;
        page.objects.retain(|object| object.key[lead.len()..].starts_with(name));
        page.folders.retain(|folder| folder[lead.len()..].starts_with(name));
        page.objects.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        page.folders.sort_unstable();
        Ok(page)
    }
}

fn walk(dir: &Path, lead: &str, depth: Depth, page: &mut Page) -> Result<(), Error> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(()),
        Err(e) => return Err(failure(lead, &e)),
    };
    for entry in entries {
        let entry = entry.map_err(|e| failure(lead, &e))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(half::PREFIX) {
            continue;
        }
        let key = format!("{lead}{name}");
        // Links are not followed into directories: they may lead out of the lake, or in a circle.
        let meta = match fs::symlink_metadata(entry.path()) {
            Ok(meta) if meta.is_symlink() => {
                fs::metadata(entry.path()).ok().filter(fs::Metadata::is_file).unwrap_or(meta)
            }
            Ok(meta) => meta,
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            Err(e) => return Err(failure(&key, &e)),
        };
        if !meta.is_dir() {
            page.objects.push(describe(key, &meta));
        } else if depth == Depth::Folders {
            page.folders.push(format!("{key}/"));
        } else {
            walk(&entry.path(), &format!("{key}/"), depth, page)?;
        }
    }
    Ok(())
}

fn describe(key: String, meta: &fs::Metadata) -> Meta {
    let modified = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    let last_modified = DateTime::<Utc>::from(modified);
    let etag = format!("{:x}-{:x}", last_modified.timestamp_nanos_opt().unwrap_or_default(), meta.len());
    Meta { key, size: meta.len(), etag, last_modified, ..Meta::default() }
}

fn failure(about: &str, e: &io::Error) -> Error {
    let reason = match e.kind() {
        ErrorKind::NotFound => Reason::NotFound,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Reason::Denied,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Reason::Full,
        ErrorKind::InvalidFilename => Reason::BadKey,
        ErrorKind::Interrupted => Reason::Network,
        _ => Reason::Other,
    };
    Error::new(reason, about, e.to_string())
}

/// File work away from the threads that drive the network.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(e) => Err(Error::new(Reason::Other, "directory", e.to_string())),
    }
}

#[async_trait]
impl Lake for Dir {
    fn address(&self) -> String {
        self.root.display().to_string()
    }

    async fn list(&self, prefix: &str, depth: Depth, after: Option<&str>) -> Result<Page, Error> {
        debug_assert!(after.is_none(), "a directory is listed in one page");
        let (this, prefix) = (self.clone(), prefix.to_owned());
        blocking(move || this.list_now(&prefix, depth)).await
    }

    async fn get(&self, key: &str) -> Result<Bytes, Error> {
        let (path, key) = (self.path(key)?, key.to_owned());
        blocking(move || {
            let unfit = |e: io::Error| match failure(&key, &e) {
                e if e.reason == Reason::Other => Error { reason: Reason::BadKey, ..e }, // a link in a circle
                e => e,
            };
            if !fs::metadata(&path).map_err(unfit)?.is_file() {
                return Err(Error::new(Reason::BadKey, &key, "is no regular file")); // reading a pipe would never end
            }
            fs::read(path).map(Bytes::from).map_err(|e| failure(&key, &e))
        })
        .await
    }

    async fn put_new(&self, key: &str, body: Bytes) -> Result<Put, Error> {
        let (path, key) = (self.path(key)?, key.to_owned());
        blocking(move || write_new(&path, &body).map_err(|e| failure(&key, &e))).await
    }

    async fn clock(&self) -> Result<DateTime<Utc>, Error> {
        let root = self.root.clone();
        blocking(move || match fs::metadata(&root) {
            Ok(meta) if meta.is_dir() => Ok(Utc::now()),
            Ok(_) => Err(Error::new(Reason::NoLake, root.display().to_string(), "is a file, not a directory")),
            Err(e) if e.kind() == ErrorKind::NotFound => {
                Err(Error::new(Reason::NoLake, root.display().to_string(), "no such directory: check --lake"))
            }
            Err(e) => Err(failure(&root.display().to_string(), &e)),
        })
        .await
    }

    fn beside(&self, name: &str) -> Arc<dyn Lake> {
        let root = std::path::absolute(&self.root).unwrap_or_else(|_| self.root.clone());
        Arc::new(Self { root: root.parent().unwrap_or(&root).join(name) })
    }
}

fn write_new(path: &Path, body: &[u8]) -> io::Result<Put> {
    let parent = path.parent().unwrap_or(Path::new("."));
    let mut file = match half_in(parent) {
        Err(e) if e.kind() == ErrorKind::NotFound => {
            fs::create_dir_all(parent)?;
            half_in(parent)?
        }
        other => other?,
    };
    file.write_all(body)?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(Put::Created),
        Err(e) if e.error.kind() == ErrorKind::AlreadyExists => Ok(Put::Exists),
        Err(e) => Err(e.error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_that_leave_the_directory_are_refused() {
        let home = tempfile::tempdir().unwrap();
        let lake = Dir::new(home.path().join("lake"));
        for key in ["../x", "a/../../x", "/etc/passwd", "a//b", ".", "", "a\0b"] {
            let e = lake.put_new(key, Bytes::new()).await.unwrap_err();
            assert_eq!(e.reason, Reason::BadKey, "{key:?}");
        }
    }

    #[tokio::test]
    async fn what_a_killed_writer_left_is_not_listed() {
        let home = tempfile::tempdir().unwrap();
        let lake = Dir::new(home.path());
        lake.put_new("a/b.json", Bytes::from_static(b"{}")).await.unwrap();
        fs::write(home.path().join("a/.ruminate-x1.tmp"), b"{").unwrap();
        let keys: Vec<_> = crate::lake::list_all(&lake, "").await.unwrap().into_iter().map(|o| o.key).collect();
        assert_eq!(keys, ["a/b.json"]);
    }

    #[tokio::test]
    async fn every_check_of_conformance_holds() {
        let home = tempfile::tempdir().unwrap();
        crate::lake::conformance::check(&Dir::new(home.path().join("bucket/lake"))).await;
    }
}
