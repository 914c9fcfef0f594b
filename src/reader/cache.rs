//! Cache of objects read by earlier runs, by `(key, etag, size)`. It has one Parquet file per partition, so that
//! reading an unchanged lake requires only its listings.
//!
//! The name of a file contains a hash of its bytes. Its metadata contains the lake, the partition, and the version of
//! the parsing rules. A file that does not match is ignored: its objects are read again, and the file is rewritten.
//! Files are written atomically, under names that two concurrent runs can both write. Not cached: objects that could
//! not be read, and those so new that another write with the same change token might follow.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use pipeline::atomic_file::temp_file_in;
use pipeline::lake::{ObjectMeta, Partition};

mod cached_object;
mod parquet;

pub(super) use cached_object::{CachedObject, CachedPartition, to_cache};

/// Maximum number of cached objects per partition. Larger partitions are not cached, to bound memory.
const MAX: usize = 100_000;

/// Minimum age of a cached object: two bodies can have the same change token if both were written within the precision
/// of a clock.
const TOO_NEW: TimeDelta = TimeDelta::seconds(2);

/// Statistics of a cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CacheStats {
    /// Objects that were found in the cache.
    pub hits: u64,
    /// Objects that were read from the lake.
    pub misses: u64,
    /// Files that were ignored, because they were damaged or from another lake or program.
    pub invalid_files: u64,
    /// Files that were written.
    pub files_written: u64,
    /// Files that could not be written; the next run reads their objects again.
    pub write_failures: u64,
}

#[derive(Debug, Default)]
struct CacheCounters {
    hits: AtomicU64,
    misses: AtomicU64,
    invalid_files: AtomicU64,
    files_written: AtomicU64,
    write_failures: AtomicU64,
}

/// A cache of one lake.
#[derive(Debug)]
pub struct Cache {
    dir: PathBuf,
    lake: String,
    /// Names of cache files by farm and day.
    names: Mutex<HashMap<String, HashMap<String, Vec<String>>>>,
    counts: CacheCounters,
    /// Objects newer than this are not cached.
    cutoff: DateTime<Utc>,
}

impl Cache {
    /// Opens the part of a cache directory that belongs to the lake with that identity, for a run with that cutoff.
    ///
    /// # Errors
    ///
    /// Returns an error if the directory cannot be created or written.
    pub fn open(dir: &Path, lake: &str, cutoff: DateTime<Utc>) -> io::Result<Self> {
        let folder = dir.join(format!("{:016x}", xxh3_64(lake.as_bytes())));
        fs::create_dir_all(&folder)?;
        temp_file_in(&folder)?;
        let (names, counts) = (Mutex::default(), CacheCounters::default());
        Ok(Self { dir: folder, lake: lake.to_owned(), names, counts, cutoff: cutoff - TOO_NEW })
    }

    /// Returns the statistics so far.
    pub fn stats(&self) -> CacheStats {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let CacheCounters { hits, misses, invalid_files, files_written, write_failures } = &self.counts;
        CacheStats {
            hits: of(hits),
            misses: of(misses),
            invalid_files: of(invalid_files),
            files_written: of(files_written),
            write_failures: of(write_failures),
        }
    }

    pub(super) fn count(&self, known: usize, read: usize) {
        self.counts.hits.fetch_add(known as u64, Ordering::Relaxed);
        self.counts.misses.fetch_add(read as u64, Ordering::Relaxed);
    }

    /// Returns true if an object is old enough to be cached, and has an ETag that shows whether it changed.
    pub(super) fn is_cacheable(&self, meta: &ObjectMeta) -> bool {
        static WARNED: Once = Once::new();
        if meta.etag.is_empty() {
            WARNED.call_once(|| {
                tracing::warn!(
                    "the store lists no ETags, so objects are read again by every run: --cache has no effect"
                );
            });
            return false;
        }
        meta.last_modified < self.cutoff && meta.version.is_none()
    }

    /// Returns true if a partition of `objects` objects is small enough to be cached.
    pub(super) fn fits(&self, objects: usize) -> bool {
        objects <= MAX
    }

    /// Reads the cache file of a partition; empty if there is no valid one.
    pub(super) fn load(&self, partition: &Partition) -> CachedPartition {
        for name in self.named(partition) {
            match self.read(&self.farm(partition).join(&name), partition) {
                Ok(cached) => {
                    return cached_object::partition(cached);
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => {
                    tracing::warn!("cache file for {} is invalid, rebuilding: {e}", partition.prefix());
                    self.counts.invalid_files.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        cached_object::partition(Vec::new())
    }

    fn read(&self, path: &Path, partition: &Partition) -> io::Result<Vec<CachedObject>> {
        let bytes = fs::read(path)?;
        if path.file_name().and_then(|name| name.to_str()) != Some(&*name(partition, &bytes)) {
            return Err(invalid("its bytes are not those that were written"));
        }
        parquet::decode(bytes, &self.lake, partition)
    }

    /// Replaces the cache file of a partition.
    pub(super) fn store(&self, partition: &Partition, mut cached: Vec<CachedObject>) {
        cached.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let done = self.write(partition, &cached);
        let count = if done.is_ok() { &self.counts.files_written } else { &self.counts.write_failures };
        let first = count.fetch_add(1, Ordering::Relaxed) == 0;
        if let (Err(e), true) = (done, first) {
            tracing::warn!("the cache of {} cannot be written: {e}; others are counted only", partition.prefix());
        }
    }

    fn write(&self, partition: &Partition, cached: &[CachedObject]) -> io::Result<()> {
        let dir = self.farm(partition);
        let mut new = None;
        if !cached.is_empty() {
            let bytes = parquet::encode(cached, &self.lake, partition)?;
            fs::create_dir_all(&dir)?;
            let mut half = temp_file_in(&dir)?;
            half.write_all(&bytes)?;
            let name = name(partition, &bytes);
            half.persist(dir.join(&name)).map_err(|e| e.error)?;
            new = Some(name);
        }
        for old in self.named(partition).into_iter().filter(|old| new.as_ref() != Some(old)) {
            // Another run may have removed it already.
            let _ = fs::remove_file(dir.join(old));
        }
        Ok(())
    }

    fn farm(&self, partition: &Partition) -> PathBuf {
        self.dir.join(&partition.farm)
    }

    /// Returns the names of a partition's files: one, or more if two runs wrote concurrently.
    fn named(&self, partition: &Partition) -> Vec<String> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if !names.contains_key(&partition.farm) {
            let mut days: HashMap<String, Vec<String>> = HashMap::new();
            for entry in fs::read_dir(self.farm(partition)).into_iter().flatten().flatten() {
                let Ok(name) = entry.file_name().into_string() else { continue };
                let Some((day, _)) = name.split_once('.').filter(|_| name.ends_with(".parquet")) else { continue };
                days.entry(day.to_owned()).or_default().push(name);
            }
            names.insert(partition.farm.clone(), days);
        }
        let of_day = names.get(&partition.farm).and_then(|days| days.get(&partition.day.to_string()));
        of_day.cloned().unwrap_or_default()
    }
}

/// Returns the name of a file with these bytes.
fn name(partition: &Partition, bytes: &[u8]) -> String {
    format!("{}.{:032x}.parquet", partition.day, xxh3_128(bytes))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::ObjectContent;
    use pipeline::lake::{Key, StorageClass};
    use testkit::conformance::warehouse::record;

    struct Scene {
        home: tempfile::TempDir,
        partition: Partition,
    }

    impl Scene {
        fn new() -> Self {
            let day = record(0).reading.data.date_naive();
            Self { home: tempfile::tempdir().unwrap(), partition: Partition { day, farm: "fazenda_sao_joao".into() } }
        }

        fn cache(&self) -> Cache {
            Cache::open(self.home.path(), "lake", Utc::now()).unwrap()
        }

        fn file(&self) -> PathBuf {
            let cache = self.cache();
            let names = cache.named(&self.partition);
            assert_eq!(names.len(), 1, "{names:?}");
            cache.farm(&self.partition).join(&names[0])
        }
    }

    fn meta(n: u32) -> ObjectMeta {
        ObjectMeta {
            key: Key::of(&record(n)).unwrap().to_string(),
            size: 300 + u64::from(n),
            etag: format!("e{n}"),
            last_modified: DateTime::UNIX_EPOCH,
            class: StorageClass::default(),
            restored: false,
            archived: false,
            version: None,
        }
    }

    fn known() -> Vec<CachedObject> {
        let mut cached: Vec<CachedObject> =
            (0..50).filter_map(|n| to_cache(&meta(n), &ObjectContent::Record(Box::new(record(n))))).collect();
        cached.extend(to_cache(&meta(50), &ObjectContent::Rejected("field data is missing: “x”".into())));
        cached
    }

    #[test]
    fn cached_objects_are_returned_exactly_and_only_for_the_same_object() {
        let scene = Scene::new();
        scene.cache().store(&scene.partition, known());
        let mut partition = scene.cache().load(&scene.partition);
        let mut expected = known();
        expected.sort_by(|a, b| a.key.cmp(&b.key));
        let listed = |cached: &CachedObject| ObjectMeta {
            key: cached.key.clone(),
            etag: cached.etag.clone(),
            size: cached.size,
            ..meta(0)
        };
        for expected in &expected {
            assert_eq!(partition.take(&listed(expected)).as_ref(), Some(expected));
        }
        assert!(partition.is_used_up());
        let others = [
            ObjectMeta { etag: "other".into(), ..listed(&expected[0]) },
            ObjectMeta { size: 1, ..listed(&expected[0]) },
            ObjectMeta { key: format!("{}x", expected[0].key), ..listed(&expected[0]) },
        ];
        for other in others {
            let mut recalled = scene.cache().load(&scene.partition);
            assert_eq!(recalled.take(&other), None);
            expected[1..].iter().for_each(|known| assert!(recalled.take(&listed(known)).is_some()));
            assert!(!recalled.is_used_up(), "{other:?}");
        }
        let mut recalled = scene.cache().load(&scene.partition);
        expected[1..].iter().for_each(|known| assert!(recalled.take(&listed(known)).is_some()));
        assert!(!recalled.is_used_up(), "a cached object is missing");
    }

    #[test]
    fn a_newer_cache_file_replaces_the_older_one() {
        let scene = Scene::new();
        scene.cache().store(&scene.partition, known());
        let first = scene.file();
        scene.cache().store(&scene.partition, known());
        assert_eq!(scene.file(), first, "the same objects give the same file");
        scene.cache().store(&scene.partition, known()[..3].to_vec());
        assert_ne!(scene.file(), first);
        scene.cache().store(&scene.partition, Vec::new());
        assert!(scene.cache().named(&scene.partition).is_empty());
    }

    #[test]
    fn a_file_changed_in_any_byte_is_ignored() {
        let scene = Scene::new();
        scene.cache().store(&scene.partition, known());
        let (path, whole) = (scene.file(), fs::read(scene.file()).unwrap());
        for at in (0..whole.len()).step_by(97) {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&path, damaged).unwrap();
            let cache = scene.cache();
            assert!(cache.load(&scene.partition).is_used_up(), "byte {at}");
            assert_eq!(cache.stats().invalid_files, 1);
        }
        for length in [0, 1, whole.len() / 2, whole.len() - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(scene.cache().load(&scene.partition).is_used_up(), "{length} bytes");
        }
    }

    #[test]
    fn a_file_of_another_lake_or_day_is_ignored() {
        let scene = Scene::new();
        scene.cache().store(&scene.partition, known());
        let path = scene.file();
        let other = Cache::open(scene.home.path(), "another lake", Utc::now()).unwrap();
        assert!(other.load(&scene.partition).is_used_up(), "each lake has its own directory");
        let place = other.farm(&scene.partition).join(path.file_name().unwrap());
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::copy(&path, &place).unwrap();
        let other = Cache::open(scene.home.path(), "another lake", Utc::now()).unwrap();
        assert!(other.load(&scene.partition).is_used_up());
        assert_eq!(other.stats().invalid_files, 1);
        let tomorrow = Partition { day: scene.partition.day.succ_opt().unwrap(), ..scene.partition.clone() };
        let bytes = fs::read(&path).unwrap();
        fs::write(path.with_file_name(name(&tomorrow, &bytes)), &bytes).unwrap();
        let cache = scene.cache();
        assert!(cache.load(&tomorrow).is_used_up());
        assert_eq!(cache.stats().invalid_files, 1);
    }

    #[test]
    fn objects_that_may_still_change_are_not_cached() {
        let now = Utc::now();
        let cache = Scene::new().cache();
        assert!(cache.is_cacheable(&ObjectMeta { last_modified: now - TimeDelta::minutes(1), ..meta(1) }));
        assert!(!cache.is_cacheable(&ObjectMeta { last_modified: now - TimeDelta::seconds(1), ..meta(1) }));
        let old = ObjectMeta { last_modified: now - TimeDelta::minutes(1), ..meta(1) };
        assert!(!cache.is_cacheable(&ObjectMeta { etag: String::new(), ..old }), "a change could not be noticed");
        assert_eq!(to_cache(&meta(1), &ObjectContent::Unreadable("no response".into())), None);
        assert_eq!(to_cache(&meta(1), &ObjectContent::Archived), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_failed_write_affects_only_the_cache() {
        let scene = Scene::new();
        let cache = scene.cache();
        fs::create_dir_all(cache.farm(&scene.partition).parent().unwrap()).unwrap();
        fs::write(cache.farm(&scene.partition), "a file where a folder should be").unwrap();
        cache.store(&scene.partition, known());
        assert_eq!(cache.stats().write_failures, 1);
    }
}
