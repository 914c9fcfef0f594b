//! A lake in a directory: for the demo, local work and extracted archives.
//!
//! Objects are written to a temporary name and then hard-linked to their key, which fails if the key exists. So there
//! are no partial objects and no overwrites. Objects are synced to disk one by one only if that is requested
//! ([`Durability`]); otherwise a power failure can lose recent writes.
//!
//! Symbolic links are followed when objects are listed, read and written: a farm's folder may be on another disk. A
//! link to a folder that contains the link is not followed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::{ChangeResult, Depth, Error, Lake, ListPage, ObjectMeta, PutResult, ReadHints, Reason};

mod files;
mod listing;
mod place;
mod stat;
mod write;

use listing::{Entry, Folders, SmallestKeys, walk};
use stat::{failure, stat};
pub use write::Durability;

/// Keys per page. A directory with more keys is walked once per page.
const PAGE: usize = 100_000;

/// A lake in a directory.
#[derive(Debug, Clone)]
pub struct Dir {
    root: PathBuf,
    durability: Durability,
}

impl Dir {
    /// Creates a lake for a directory, which need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), durability: Durability::default() }
    }

    /// Sets when a write counts as done.
    #[must_use]
    pub fn with_durability(self, durability: Durability) -> Self {
        Self { durability, ..self }
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
        if safe { Ok(self.root.join(key)) } else { Err(Error::new(Reason::BadKey, key, "not a safe file name")) }
    }

    fn list_now(&self, prefix: &str, depth: Depth, after: Option<&str>, max: usize) -> Result<ListPage, Error> {
        let (folder, name) = prefix.rsplit_once('/').unwrap_or(("", prefix));
        let start = if folder.is_empty() { self.root.clone() } else { self.path(folder)? };
        let lead = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let mut keys = SmallestKeys { after: after.map(str::to_owned), max, kept: BTreeMap::new(), more: false };
        let Some(mut folders) = Folders::down_to(&self.root, folder) else { return Ok(ListPage::default()) };
        walk(&start, &lead, name, depth, &mut keys, &mut folders)?;
        let mut page = ListPage::default();
        if keys.more {
            page.next = keys.kept.last_key_value().map(|(key, _)| key.clone());
        }
        for (key, entry) in keys.kept {
            match entry {
                Entry::Folder => page.folders.push(key),
                Entry::File(facts) => page.objects.push(facts.describe(key)),
            }
        }
        Ok(page)
    }

    /// Reads a file's bytes, if there are at most `max`.
    fn read(&self, key: &str, max: usize) -> Result<Bytes, Error> {
        let path = self.path(key)?;
        let unfit = |e: io::Error| match failure(key, &e) {
            e if e.reason == Reason::Other => Error { reason: Reason::BadKey, ..e }, // a cycle of links
            e => e,
        };
        let mut file = open(&path).map_err(|e| match path.symlink_metadata() {
            Ok(meta) if e.kind() == io::ErrorKind::NotFound && meta.is_symlink() => {
                Error::new(Reason::BadKey, key, "is a link without a target")
            }
            _ => unfit(e),
        })?;
        let meta = file.metadata().map_err(unfit)?;
        if !meta.is_file() {
            return Err(Error::new(Reason::BadKey, key, "is not a regular file"));
        }
        if meta.len() > max as u64 {
            return Err(Error::too_large(key, meta.len(), max));
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
        self.place().display().to_string()
    }

    async fn list(&self, prefix: &str, depth: Depth, after: Option<&str>) -> Result<ListPage, Error> {
        let (this, prefix, after) = (self.clone(), prefix.to_owned(), after.map(str::to_owned));
        blocking(move || this.list_now(&prefix, depth, after.as_deref(), PAGE)).await
    }

    async fn get(&self, key: &str) -> Result<Bytes, Error> {
        self.get_within(key, usize::MAX).await
    }

    async fn get_within(&self, key: &str, max: usize) -> Result<Bytes, Error> {
        let (this, key) = (self.clone(), key.to_owned());
        blocking(move || this.read(&key, max)).await
    }

    async fn get_many(&self, listed: &[&ObjectMeta]) -> Vec<Result<Bytes, Error>> {
        let (this, keys) = (self.clone(), listed.iter().map(|meta| (meta.key.clone(), meta.max_bytes())));
        let (count, keys) = (listed.len(), keys.collect::<Vec<_>>());
        match blocking(move || Ok(keys.iter().map(|(key, max)| this.read(key, *max)).collect())).await {
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

    fn read_hints(&self) -> ReadHints {
        // More than 2 listing threads used 130 MB more at the same speed (400,000 objects, 2 cores).
        ReadHints { concurrent_listings: 2, batch_size: 32, concurrent_reads: 64 }
    }

    async fn put_new(&self, key: &str, body: Bytes) -> Result<PutResult, Error> {
        let (this, path, key) = (self.clone(), self.path(key)?, key.to_owned());
        let write = move || write::write_new(&this.root, &path, &body, this.durability);
        blocking(move || write().map_err(|e| failure(&key, &e))).await
    }

    /// Checks the token and makes the change. Not atomic: another writer can intervene in between, because file systems
    /// have no compare-and-swap.
    async fn change_if_match(&self, key: &str, etag: &str, body: Option<Bytes>) -> Result<ChangeResult, Error> {
        let (this, path, key, etag) = (self.clone(), self.path(key)?, key.to_owned(), etag.to_owned());
        blocking(move || {
            let now = stat(&this.root, &key)?.map(|facts| facts.describe(key.clone()).etag);
            if now != Some(etag) {
                return Ok(ChangeResult::Conflict);
            }
            let changed = match body {
                Some(body) => write::overwrite(&path, &body, this.durability),
                None => write::remove(&path, this.durability),
            };
            changed.map(|()| ChangeResult::Done).map_err(|e| failure(&key, &e))
        })
        .await
    }

    async fn clock(&self) -> Result<DateTime<Utc>, Error> {
        let root = self.root.clone();
        blocking(move || match fs::metadata(&root) {
            Ok(meta) if meta.is_dir() => Ok(now(&root)),
            Ok(_) => {
                Err(Error::new(Reason::NoLake, root.display().to_string(), "is a file, not a directory: check --lake"))
            }
            Err(e) if e.kind() == ErrorKind::NotFound => {
                Err(Error::new(Reason::NoLake, root.display().to_string(), "no such directory: check --lake"))
            }
            Err(e) => Err(failure(&root.display().to_string(), &e)),
        })
        .await
    }

    fn sibling(&self, name: &str) -> Arc<dyn Lake> {
        Arc::new(Self { root: self.next_to(name), ..self.clone() })
    }
}

/// Returns the file system's current time, from the modification time of an unnamed temporary file; on a network share
/// this is the server's clock. Falls back to this machine's clock if the directory is not writable.
fn now(root: &Path) -> DateTime<Utc> {
    let modified = tempfile::tempfile_in(root).and_then(|file| file.metadata()?.modified());
    modified.map_or_else(|_| Utc::now(), DateTime::from)
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

    #[cfg(unix)]
    #[tokio::test]
    async fn links_are_followed_by_listings_reads_and_writes_alike_and_circles_are_not() {
        use std::os::unix::fs::symlink;
        let home = tempfile::tempdir().unwrap();
        let (root, disk) = (home.path().join("lake"), home.path().join("disk"));
        fs::create_dir_all(root.join("a")).unwrap();
        fs::create_dir_all(disk.join("2023")).unwrap();
        symlink(&disk, root.join("farm")).unwrap();
        symlink(&root, disk.join("2023/circle")).unwrap();
        symlink("..", root.join("a/up")).unwrap();
        symlink("nowhere", root.join("a/broken")).unwrap();
        let lake = Dir::new(&root).with_durability(Durability::Disk);
        for key in ["farm/2023/x.json", "farm/2024/y.json", "a/z.json"] {
            assert_eq!(lake.put_new(key, Bytes::from(key)).await.unwrap(), PutResult::Created);
            assert_eq!(lake.put_new(key, Bytes::new()).await.unwrap(), PutResult::AlreadyExists);
        }
        assert!(disk.join("2024/y.json").is_file(), "written where the link leads");
        let listed = crate::lake::list_all(&lake, "").await.unwrap();
        let keys: Vec<&str> = listed.iter().map(|object| object.key.as_str()).collect();
        let all = ["a/broken", "a/up", "a/z.json", "farm/2023/circle", "farm/2023/x.json", "farm/2024/y.json"];
        assert_eq!(keys, all, "links that cannot be followed are listed as objects");
        assert_eq!(lake.get("farm/2023/x.json").await.unwrap(), "farm/2023/x.json");
        let top = lake.list("", Depth::OneLevel, None).await.unwrap();
        assert_eq!(top.folders, ["a/", "farm/"]);
        assert!(crate::lake::list_all(&lake, "a/up/").await.unwrap().is_empty());
        // A change of a linked file changes its target, and the link stays.
        symlink(disk.join("2024/y.json"), root.join("a/link.json")).unwrap();
        let meta = crate::lake::head(&lake, "a/link.json").await.unwrap().unwrap();
        let changed = lake.change_if_match("a/link.json", &meta.etag, Some(Bytes::from_static(b"new"))).await;
        assert_eq!(changed.unwrap(), ChangeResult::Done);
        assert_eq!(lake.get("farm/2024/y.json").await.unwrap(), "new");
        assert!(root.join("a/link.json").is_symlink());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_change_that_keeps_size_and_time_changes_the_token() {
        let home = tempfile::tempdir().unwrap();
        let lake = Dir::new(home.path());
        lake.put_new("x", Bytes::from_static(b"one")).await.unwrap();
        let path = home.path().join("x");
        let before = crate::lake::head(&lake, "x").await.unwrap().unwrap();
        let set_back = || {
            let at = before.last_modified.into();
            File::options().write(true).open(&path).unwrap().set_modified(at).unwrap();
        };
        std::thread::sleep(std::time::Duration::from_millis(20)); // the kernel's clock of files has ticks
        fs::write(&path, "two").unwrap();
        set_back();
        let after = crate::lake::head(&lake, "x").await.unwrap().unwrap();
        assert_eq!((before.size, before.last_modified), (after.size, after.last_modified));
        assert_ne!(before.etag, after.etag);
        let change = lake.change_if_match("x", &before.etag, None).await.unwrap();
        assert_eq!((change, lake.get("x").await.unwrap()), (ChangeResult::Conflict, Bytes::from_static(b"two")));
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
