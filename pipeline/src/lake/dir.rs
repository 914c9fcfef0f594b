//! A lake in a directory: for the demo, local work and extracted archives.
//!
//! Objects are written to a temporary name and then hard-linked to their key, which fails if the key exists. So there
//! are no partial objects and no overwrites. Objects are not synced to disk one by one; a power failure can lose recent
//! writes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::{ChangeResult, Depth, Error, Lake, ListPage, ObjectMeta, PutResult, ReadHints, Reason, StorageClass};
use crate::atomic_file::temp_file_beside;

mod files;
mod listing;

use files::write_new;
use listing::{Entry, SmallestKeys, walk};

/// Keys per page. A directory with more keys is walked once per page.
const PAGE: usize = 100_000;

/// A lake in a directory.
#[derive(Debug, Clone)]
pub struct Dir {
    root: PathBuf,
}

impl Dir {
    /// Creates a lake for a directory, which need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Creates the directory, for commands that are about to write.
    ///
    /// # Errors
    /// Returns an error if the directory cannot be created.
    pub fn create(&self) -> Result<(), Error> {
        fs::create_dir_all(&self.root).map_err(|e| failure(&self.root.display().to_string(), &e))
    }

    fn path(&self, key: &str) -> Result<PathBuf, Error> {
        let separator = if cfg!(windows) { '\\' } else { '\0' };
        let safe = !key.contains(['\0', separator]) && key.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if safe { Ok(self.root.join(key)) } else { Err(Error::new(Reason::BadKey, key, "no safe file name")) }
    }

    fn list_now(&self, prefix: &str, depth: Depth, after: Option<&str>, max: usize) -> Result<ListPage, Error> {
        let (folder, name) = prefix.rsplit_once('/').unwrap_or(("", prefix));
        let start = if folder.is_empty() { self.root.clone() } else { self.path(folder)? };
        let lead = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let mut keys = SmallestKeys { after: after.map(str::to_owned), max, kept: BTreeMap::new(), more: false };
        walk(&start, &lead, name, depth, &mut keys)?;
        let mut page = ListPage::default();
        if keys.more {
            page.next = keys.kept.last_key_value().map(|(key, _)| key.clone());
        }
        for (key, entry) in keys.kept {
            match entry {
                Entry::Folder => page.folders.push(key),
                Entry::File(facts) => page.objects.push(describe(key, facts)),
            }
        }
        Ok(page)
    }

    /// Reads a file's bytes.
    fn read(&self, key: &str) -> Result<Bytes, Error> {
        let path = self.path(key)?;
        let unfit = |e: io::Error| match failure(key, &e) {
            e if e.reason == Reason::Other => Error { reason: Reason::BadKey, ..e }, // a cycle of links
            e => e,
        };
        let mut file = open(&path).map_err(unfit)?;
        let meta = file.metadata().map_err(unfit)?;
        if !meta.is_file() {
            return Err(Error::new(Reason::BadKey, key, "is no regular file"));
        }
        let body = usize::try_from(meta.len()).map_err(io::Error::other).and_then(|size| first(&mut file, size));
        body.map(Bytes::from).map_err(|e| failure(key, &e))
    }
}

/// Opens a file for reading, without blocking on a pipe that has no writer.
fn open(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    options.read(true).open(path)
}

/// Reads the first `size` bytes of a file, fewer if it is shorter, without system calls other than reads.
fn first(file: &mut File, size: usize) -> io::Result<Vec<u8>> {
    let (mut body, mut have) = (vec![0; size], 0);
    while have < size {
        match file.read(&mut body[have..]) {
            Ok(0) => break,
            Ok(count) => have += count,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    body.truncate(have);
    Ok(body)
}

/// Returns a file's metadata; `None` if the file does not exist.
fn stat(root: &Path, key: &str) -> Result<Option<FileStat>, Error> {
    let path = root.join(key);
    to_file_stat(fs::symlink_metadata(&path), || path, key)
}

/// Converts metadata to a `FileStat`; a link to a file is described by its target.
fn to_file_stat(
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
    Ok(Some(FileStat { size: meta.len(), modified: meta.modified().unwrap_or(SystemTime::UNIX_EPOCH) }))
}

/// Metadata of a file in a listing.
#[derive(Debug, Clone, Copy)]
struct FileStat {
    size: u64,
    modified: SystemTime,
}

fn describe(key: String, FileStat { size, modified }: FileStat) -> ObjectMeta {
    let last_modified = DateTime::<Utc>::from(modified);
    let etag = files::token(last_modified, size);
    ObjectMeta {
        key,
        size,
        etag,
        last_modified,
        class: StorageClass::default(),
        restored: false,
        archived: false,
        version: None,
    }
}

fn failure(about: &str, e: &io::Error) -> Error {
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

/// Runs file work on a blocking thread, away from the async runtime's workers.
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

    fn identity(&self) -> String {
        let whole = self.root.canonicalize().or_else(|_| std::path::absolute(&self.root));
        whole.map_or_else(|_| self.address(), |path| path.display().to_string())
    }

    async fn list(&self, prefix: &str, depth: Depth, after: Option<&str>) -> Result<ListPage, Error> {
        let (this, prefix, after) = (self.clone(), prefix.to_owned(), after.map(str::to_owned));
        blocking(move || this.list_now(&prefix, depth, after.as_deref(), PAGE)).await
    }

    async fn get(&self, key: &str) -> Result<Bytes, Error> {
        let (this, key) = (self.clone(), key.to_owned());
        blocking(move || this.read(&key)).await
    }

    async fn get_many(&self, listed: &[&ObjectMeta]) -> Vec<Result<Bytes, Error>> {
        let (this, keys) = (self.clone(), listed.iter().map(|meta| meta.key.clone()).collect::<Vec<_>>());
        let count = keys.len();
        match blocking(move || Ok(keys.iter().map(|key| this.read(key)).collect())).await {
            Ok(bodies) => bodies,
            Err(e) => vec![Err(e); count],
        }
    }

    async fn get_range(&self, listed: &ObjectMeta, range: Range<u64>) -> Result<Bytes, Error> {
        let (this, listed) = (self.clone(), listed.clone());
        blocking(move || this.read_range(&listed, range)).await
    }

    async fn put_file(&self, key: &str, file: &Path, replaces: Option<&str>) -> Result<ChangeResult, Error> {
        let (this, key, file, replaces) = (self.clone(), key.to_owned(), file.to_owned(), replaces.map(str::to_owned));
        blocking(move || this.copy_in(&key, &file, replaces.as_deref())).await
    }

    async fn put_back(&self, listed: &ObjectMeta, body: Bytes) -> Result<PutResult, Error> {
        let (this, listed) = (self.clone(), listed.clone());
        blocking(move || this.write_back(&listed, &body)).await
    }

    fn read_hints(&self) -> ReadHints {
        // More than 2 listing threads used 130 MB more at the same speed (400,000 objects, 2 cores).
        ReadHints { concurrent_listings: 2, batch_size: 32, concurrent_reads: 64 }
    }

    async fn put_new(&self, key: &str, body: Bytes) -> Result<PutResult, Error> {
        let (path, key) = (self.path(key)?, key.to_owned());
        blocking(move || write_new(&path, &body).map_err(|e| failure(&key, &e))).await
    }

    /// Not atomic: another writer can intervene between the token check and the change, because file systems have no
    /// compare-and-swap.
    async fn change_if_match(&self, key: &str, etag: &str, body: Option<Bytes>) -> Result<ChangeResult, Error> {
        let (this, path, key, etag) = (self.clone(), self.path(key)?, key.to_owned(), etag.to_owned());
        blocking(move || {
            let now = stat(&this.root, &key)?.map(|facts| describe(key.clone(), facts).etag);
            if now != Some(etag) {
                return Ok(ChangeResult::Conflict);
            }
            let changed = match body {
                Some(body) => overwrite(&path, &body),
                None => fs::remove_file(&path),
            };
            changed.map(|()| ChangeResult::Done).map_err(|e| failure(&key, &e))
        })
        .await
    }

    async fn clock(&self) -> Result<DateTime<Utc>, Error> {
        let root = self.root.clone();
        blocking(move || match fs::metadata(&root) {
            Ok(meta) if meta.is_dir() => Ok(now(&root)),
            Ok(_) => Err(Error::new(Reason::NoLake, root.display().to_string(), "is a file, not a directory")),
            Err(e) if e.kind() == ErrorKind::NotFound => {
                Err(Error::new(Reason::NoLake, root.display().to_string(), "no such directory: check --lake"))
            }
            Err(e) => Err(failure(&root.display().to_string(), &e)),
        })
        .await
    }

    fn sibling(&self, name: &str) -> Arc<dyn Lake> {
        let root = std::path::absolute(&self.root).unwrap_or_else(|_| self.root.clone());
        Arc::new(Self { root: root.parent().unwrap_or(&root).join(name) })
    }
}

/// Returns the file system's current time, from the modification time of an unnamed temporary file; on a network share
/// this is the server's clock. Falls back to this machine's clock if the directory is not writable.
fn now(root: &Path) -> DateTime<Utc> {
    let modified = tempfile::tempfile_in(root).and_then(|file| file.metadata()?.modified());
    modified.map_or_else(|_| Utc::now(), DateTime::from)
}

fn overwrite(path: &Path, body: &[u8]) -> io::Result<()> {
    let mut file = temp_file_beside(path)?;
    file.write_all(body)?;
    file.persist(path).map(drop).map_err(|e| e.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keys_outside_the_directory_are_rejected() {
        let home = tempfile::tempdir().unwrap();
        let lake = Dir::new(home.path().join("lake"));
        for key in ["../x", "a/../../x", "/etc/passwd", "a//b", ".", "", "a\0b"] {
            let e = lake.put_new(key, Bytes::new()).await.unwrap_err();
            assert_eq!(e.reason, Reason::BadKey, "{key:?}");
        }
    }

    #[tokio::test]
    async fn temporary_files_of_a_killed_writer_are_not_listed() {
        let home = tempfile::tempdir().unwrap();
        let lake = Dir::new(home.path());
        lake.put_new("a/b.json", Bytes::from_static(b"{}")).await.unwrap();
        fs::write(home.path().join("a/.ruminate-x1.tmp"), b"{").unwrap();
        let keys: Vec<_> = crate::lake::list_all(&lake, "").await.unwrap().into_iter().map(|o| o.key).collect();
        assert_eq!(keys, ["a/b.json"]);
    }

    #[test]
    fn pages_of_any_size_list_the_same_keys() {
        let home = tempfile::tempdir().unwrap();
        let lake = Dir::new(home.path());
        let names =
            ["a", "b/a", "b/c/x", "b/c.json", "b/c-", "b/ção", "b/d/1", "b/d/2", "b/d/3", "b-", "b.x", "c/z", "d"];
        for name in names {
            let path = home.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        for depth in [Depth::Recursive, Depth::OneLevel] {
            for prefix in ["", "b", "b/", "b/c", "b/d/", "none/"] {
                let whole = lake.list_now(prefix, depth, None, 1_000).unwrap();
                let mut expected: Vec<_> = whole.objects.iter().map(|object| object.key.clone()).collect();
                expected.extend(whole.folders);
                expected.sort();
                assert!(
                    depth == Depth::OneLevel
                        || expected.len() == names.iter().filter(|n| n.starts_with(prefix)).count()
                );
                for max in 1..5 {
                    let (mut seen, mut after, mut pages) = (Vec::new(), None, 0);
                    loop {
                        let page = lake.list_now(prefix, depth, after.as_deref(), max).unwrap();
                        let first = seen.len();
                        seen.extend(page.objects.into_iter().map(|object| object.key));
                        seen.extend(page.folders);
                        assert!(seen.len() - first <= max);
                        seen[first..].sort();
                        pages += 1;
                        let Some(next) = page.next else { break };
                        after = Some(next);
                    }
                    assert_eq!(
                        (&seen, pages),
                        (&expected, expected.len().div_ceil(max).max(1)),
                        "{prefix:?} {depth:?} {max}"
                    );
                }
            }
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_name_that_is_not_utf8_is_still_listed() {
        use std::os::unix::ffi::OsStrExt;
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join(std::ffi::OsStr::from_bytes(b"a\xff.json")), "{}").unwrap();
        let lake = Dir::new(home.path());
        let listed = crate::lake::list_all(&lake, "").await.unwrap();
        assert_eq!(listed.iter().map(|object| object.key.as_str()).collect::<Vec<_>>(), ["a\u{fffd}.json"]);
        assert_eq!(lake.get(&listed[0].key).await.unwrap_err().reason, Reason::NotFound);
    }

    #[tokio::test]
    async fn each_object_of_a_batch_has_its_own_result() {
        let home = tempfile::tempdir().unwrap();
        let lake = Dir::new(home.path());
        for n in 0..5 {
            lake.put_new(&format!("{n}"), Bytes::from(format!("body {n}"))).await.unwrap();
        }
        let listed = crate::lake::list_all(&lake, "").await.unwrap();
        fs::remove_file(home.path().join("3")).unwrap();
        let bodies = lake.get_many(&listed.iter().collect::<Vec<_>>()).await;
        for (n, body) in bodies.into_iter().enumerate() {
            match body {
                Ok(body) => assert_eq!(body, format!("body {n}")),
                Err(e) => assert_eq!((n, e.reason), (3, Reason::NotFound)),
            }
        }
    }
}
