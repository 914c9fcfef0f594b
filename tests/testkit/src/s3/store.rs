//! Buckets and objects in memory, with direct access for tests. `listing` orders the keys, `service` decides what a request may
//! do.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::SystemTime;

use bytes::Bytes;

use crate::s3::listing::{self, Page, Query};
use crate::s3::object::{Object, Restore, StorageClass};
use crate::s3::versions::{self, History, Version, Versioning};

pub(crate) type Objects = BTreeMap<String, Object>;

#[derive(Debug)]
struct Bucket {
    created: SystemTime,
    objects: RwLock<Objects>,
    /// Locked after `objects`, if both are locked.
    history: RwLock<History>,
}

impl Bucket {
    /// Records a write, or a deletion if there is no object. Returns the name of the version, if versions are kept.
    fn note(&self, key: &str, object: Option<&Object>) -> Option<String> {
        // Most buckets keep no versions, so no write lock is needed.
        if read(&self.history).state == Versioning::Never {
            return None;
        }
        write(&self.history).add(key, object.cloned())
    }
}

/// Handle to the buckets; clones share them, so a store can outlive a server and be served by another one.
///
/// The methods that write objects create a missing bucket; those that read return nothing.
#[derive(Debug, Clone, Default)]
pub struct Store {
    buckets: Arc<RwLock<BTreeMap<String, Arc<Bucket>>>>,
}

impl Store {
    /// Creates an empty bucket; false if it exists.
    pub fn create_bucket(&self, bucket: &str) -> bool {
        let mut created = false;
        write(&self.buckets).entry(bucket.to_owned()).or_insert_with(|| {
            created = true;
            Arc::new(Bucket { created: SystemTime::now(), objects: RwLock::default(), history: RwLock::default() })
        });
        created
    }

    /// Returns names and creation times, in order of name.
    pub fn buckets(&self) -> Vec<(String, SystemTime)> {
        read(&self.buckets).iter().map(|(name, bucket)| (name.clone(), bucket.created)).collect()
    }

    /// Returns true if the bucket exists.
    pub fn has_bucket(&self, bucket: &str) -> bool {
        read(&self.buckets).contains_key(bucket)
    }

    /// Writes a standard object dated now; an existing object is replaced.
    pub fn put(&self, bucket: &str, key: &str, bytes: impl Into<Bytes>) {
        self.put_object(bucket, key, Object::new(bytes.into()));
    }

    /// Writes an object with its time, class and description.
    pub fn put_object(&self, bucket: &str, key: &str, object: Object) {
        let bucket = self.open(bucket);
        let mut objects = write(&bucket.objects);
        bucket.note(key, Some(&object));
        objects.insert(key.to_owned(), object);
    }

    /// Enables or suspends versioning; false if the bucket does not exist.
    pub fn set_versioning(&self, bucket: &str, state: Versioning) -> bool {
        let Some(bucket) = self.find(bucket) else { return false };
        let objects = read(&bucket.objects);
        write(&bucket.history).set(state, &objects);
        true
    }

    /// Returns the state of versioning.
    pub fn versioning(&self, bucket: &str) -> Versioning {
        self.find(bucket).map_or(Versioning::Never, |bucket| read(&bucket.history).state)
    }

    /// Returns the versions of a key, the newest last; none in a bucket that never had versioning.
    pub fn versions(&self, bucket: &str, key: &str) -> Vec<Version> {
        self.find(bucket).map_or_else(Vec::new, |bucket| read(&bucket.history).of(key).to_vec())
    }

    /// Sets the time of a version or delete marker. Returns false if it does not exist.
    pub fn set_version_time(&self, bucket: &str, key: &str, id: &str, at: SystemTime) -> bool {
        self.find(bucket).is_some_and(|bucket| write(&bucket.history).date(key, id, at))
    }

    /// Removes a version permanently. Returns false if it does not exist.
    pub fn remove_version(&self, bucket: &str, key: &str, id: &str) -> bool {
        let Some(bucket) = self.find(bucket) else { return false };
        let mut objects = write(&bucket.objects);
        match write(&bucket.history).remove(key, id) {
            None => return false,
            Some(Some(newest)) => objects.insert(key.to_owned(), newest),
            Some(None) => objects.remove(key),
        };
        true
    }

    /// Returns one page as ListObjectVersions would; `None` if the bucket does not exist.
    pub(crate) fn version_page(&self, bucket: &str, query: &versions::Query<'_>) -> Option<versions::Page> {
        let bucket = self.find(bucket)?;
        let objects = read(&bucket.objects);
        Some(versions::page(&objects, &read(&bucket.history), query))
    }

    /// Returns the content of an object.
    pub fn get(&self, bucket: &str, key: &str) -> Option<Bytes> {
        self.object(bucket, key).map(|object| object.bytes)
    }

    /// Returns the complete object.
    pub fn object(&self, bucket: &str, key: &str) -> Option<Object> {
        read(&self.find(bucket)?.objects).get(key).cloned()
    }

    /// Removes an object and returns it; with versioning, it stays as a version.
    pub fn remove(&self, bucket: &str, key: &str) -> Option<Object> {
        self.delete(bucket, key).0
    }

    /// Removes an object and returns it, with the name of the delete marker if there is one.
    pub(crate) fn delete(&self, bucket: &str, key: &str) -> (Option<Object>, Option<String>) {
        let Some(bucket) = self.find(bucket) else { return (None, None) };
        let mut objects = write(&bucket.objects);
        (objects.remove(key), bucket.note(key, None))
    }

    /// Writes an object if `may` accepts the existing one; both under one lock, so that two conditional writes cannot
    /// both succeed. `None` without the bucket, otherwise the name of the version if versions are kept.
    pub(crate) fn put_if<E>(
        &self,
        bucket: &str,
        key: &str,
        object: Object,
        may: impl FnOnce(Option<&Object>) -> Result<(), E>,
    ) -> Option<Result<Option<String>, E>> {
        let bucket = self.find(bucket)?;
        let mut objects = write(&bucket.objects);
        if let Err(refusal) = may(objects.get(key)) {
            return Some(Err(refusal));
        }
        let id = bucket.note(key, Some(&object));
        objects.insert(key.to_owned(), object);
        Some(Ok(id))
    }

    /// Returns every key below a prefix (`""` for all), in order.
    pub fn list(&self, bucket: &str, prefix: &str) -> Vec<String> {
        let Some(bucket) = self.find(bucket) else {
            return Vec::new();
        };
        let objects = read(&bucket.objects);
        let from = objects.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        from.map(|(key, _)| key).take_while(|key| key.starts_with(prefix)).cloned().collect()
    }

    /// Returns one page as ListObjectsV2 would; `None` if the bucket does not exist.
    pub fn page(&self, bucket: &str, query: &Query<'_>) -> Option<Page> {
        Some(listing::page(&read(&self.find(bucket)?.objects), query))
    }

    /// Returns the number of objects in a bucket; 0 if the bucket does not exist.
    pub fn len(&self, bucket: &str) -> usize {
        self.find(bucket).map_or(0, |bucket| read(&bucket.objects).len())
    }

    /// Returns true if a bucket has no object.
    pub fn is_empty(&self, bucket: &str) -> bool {
        self.len(bucket) == 0
    }

    /// Moves an object to a storage class; false if it does not exist.
    pub fn set_storage_class(&self, bucket: &str, key: &str, class: StorageClass) -> bool {
        self.alter(bucket, key, |object| object.storage_class = class)
    }

    /// Sets the restore state of an object; false if it does not exist.
    pub fn set_restored(&self, bucket: &str, key: &str, restore: Restore) -> bool {
        self.alter(bucket, key, |object| object.restore = restore)
    }

    /// Sets the time of an object; false if it does not exist.
    pub fn set_last_modified(&self, bucket: &str, key: &str, at: SystemTime) -> bool {
        self.alter(bucket, key, |object| object.last_modified = at)
    }

    /// Writes every file under a directory as `prefix` + its path with `/`. Returns their number.
    pub fn load_dir(&self, bucket: &str, prefix: &str, dir: &Path) -> io::Result<usize> {
        self.create_bucket(bucket);
        let mut loaded = 0;
        let mut pending = vec![(dir.to_path_buf(), prefix.to_owned())];
        while let Some((dir, prefix)) = pending.pop() {
            for entry in std::fs::read_dir(&dir)? {
                let entry = entry?;
                let name = entry.file_name().into_string().map_err(|name| {
                    io::Error::new(io::ErrorKind::InvalidData, format!("{}: an S3 key is UTF-8", name.display()))
                })?;
                if entry.path().is_dir() {
                    pending.push((entry.path(), format!("{prefix}{name}/")));
                } else {
                    self.put(bucket, &format!("{prefix}{name}"), std::fs::read(entry.path())?);
                    loaded += 1;
                }
            }
        }
        Ok(loaded)
    }

    /// Writes every object under a prefix as a file of `dir`, at its key without the prefix. Returns their number.
    pub fn dump_dir(&self, bucket: &str, prefix: &str, dir: &Path) -> io::Result<usize> {
        let all = self.dump(bucket, prefix);
        for (key, bytes) in &all {
            let path = dir.join(key[prefix.len()..].trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().unwrap_or(dir))?;
            std::fs::write(path, bytes)?;
        }
        Ok(all.len())
    }

    /// Returns keys and contents below a prefix, in order.
    pub fn dump(&self, bucket: &str, prefix: &str) -> BTreeMap<String, Bytes> {
        let keys = self.list(bucket, prefix).into_iter();
        keys.filter_map(|key| self.get(bucket, &key).map(|bytes| (key, bytes))).collect()
    }

    fn alter(&self, bucket: &str, key: &str, change: impl FnOnce(&mut Object)) -> bool {
        let Some(bucket) = self.find(bucket) else { return false };
        let mut objects = write(&bucket.objects);
        let Some(object) = objects.get_mut(key) else { return false };
        change(object);
        write(&bucket.history).amend(key, object);
        true
    }

    fn find(&self, bucket: &str) -> Option<Arc<Bucket>> {
        read(&self.buckets).get(bucket).cloned()
    }

    fn open(&self, bucket: &str) -> Arc<Bucket> {
        loop {
            if let Some(found) = self.find(bucket) {
                return found;
            }
            self.create_bucket(bucket);
        }
    }
}

// A test that panics while it holds a lock must not make every later request fail.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_got_listed_and_removed() {
        let store = Store::default();
        store.put("b", "x/1", "one");
        store.put("b", "x/2", "two");
        store.put("b", "y", "three");
        assert_eq!(store.get("b", "x/1").as_deref(), Some(b"one".as_slice()));
        assert_eq!(store.list("b", "x/"), ["x/1", "x/2"]);
        assert_eq!(store.len("b"), 3);
        assert!(store.remove("b", "x/1").is_some());
        assert!(store.get("b", "x/1").is_none());
        assert!(store.list("nowhere", "").is_empty());
        assert!(!store.set_restored("b", "x/1", Restore::InProgress));
    }

    #[test]
    fn a_directory_loaded_and_dumped_is_the_same_directory() {
        let store = Store::default();
        let [from, to] = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
        std::fs::create_dir_all(from.path().join("a/b c")).expect("a directory");
        std::fs::write(from.path().join("a/b c/d.json"), "{}").expect("a file");
        std::fs::write(from.path().join("e.json"), "[]").expect("a file");
        assert_eq!(store.load_dir("b", "p/", from.path()).expect("loaded"), 2);
        assert_eq!(store.list("b", ""), ["p/a/b c/d.json", "p/e.json"]);
        assert_eq!(store.dump_dir("b", "p/", to.path()).expect("dumped"), 2);
        assert_eq!(std::fs::read(to.path().join("a/b c/d.json")).expect("a file"), b"{}");
    }
}
