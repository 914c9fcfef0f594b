//! An in-memory lake, for tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use super::files::slice;
use super::{ChangeResult, Depth, Error, Lake, ListPage, ObjectMeta, PutResult, Reason, StorageClass};

/// Keys per page, small enough that tests need several pages.
const PAGE: usize = 100;

type Objects = BTreeMap<String, (Bytes, DateTime<Utc>)>;

/// The clock of a lake.
type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// A lake in a map; clones share the objects.
#[derive(Clone)]
pub struct Memory {
    objects: Arc<Mutex<Objects>>,
    prefix: String,
    now: Clock,
}

impl Default for Memory {
    fn default() -> Self {
        Self::with_clock(Utc::now)
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Memory {
    /// Returns an empty lake with that clock.
    pub fn with_clock(now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self { objects: Arc::default(), prefix: String::new(), now: Arc::new(now) }
    }

    fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes an object unconditionally, for tests that damage a lake. The toolkit never does this.
    pub fn overwrite(&self, key: &str, body: impl Into<Bytes>) {
        self.objects().insert(format!("{}{key}", self.prefix), (body.into(), (self.now)()));
    }

    /// Replaces an object's body without a change to its time, as if the cause of a read error was fixed.
    pub fn turn_into(&self, key: &str, body: impl Into<Bytes>) {
        if let Some((there, _)) = self.objects().get_mut(&format!("{}{key}", self.prefix)) {
            *there = body.into();
        }
    }

    /// Removes an object and returns its body, for tests that damage a lake.
    pub fn remove(&self, key: &str) -> Option<Bytes> {
        self.objects().remove(&format!("{}{key}", self.prefix)).map(|(body, _)| body)
    }

    /// Returns all keys below the prefix.
    pub fn keys(&self) -> Vec<String> {
        self.objects().keys().filter_map(|key| key.strip_prefix(&self.prefix)).map(str::to_owned).collect()
    }
}

/// Returns the change token of a body.
fn token(body: &[u8]) -> String {
    format!("{:x?}", &Sha256::digest(body)[..8])
}

#[async_trait]
impl Lake for Memory {
    fn address(&self) -> String {
        format!("memory:{}", self.prefix)
    }

    async fn list(&self, prefix: &str, depth: Depth, after: Option<&str>) -> Result<ListPage, Error> {
        let objects = self.objects();
        let (mut page, mut seen) = (ListPage::default(), BTreeSet::new());
        for (key, (body, last_modified)) in objects.iter() {
            let Some(key) = key.strip_prefix(&self.prefix).filter(|key| key.starts_with(prefix)) else { continue };
            let folder = key[prefix.len()..].split_once('/').map(|(name, _)| format!("{prefix}{name}/"));
            let entry = match (depth, folder) {
                (Depth::OneLevel, Some(folder)) => folder,
                _ => key.to_owned(),
            };
            if after.is_some_and(|after| entry.as_str() <= after) || !seen.insert(entry.clone()) {
                continue;
            }
            if seen.len() > PAGE {
                page.next = page.objects.iter().map(|o: &ObjectMeta| &o.key).chain(&page.folders).max().cloned();
                break;
            }
            if entry.ends_with('/') && entry != key {
                page.folders.push(entry);
            } else {
                let etag = token(body);
                page.objects.push(ObjectMeta {
                    key: entry,
                    size: body.len() as u64,
                    etag,
                    last_modified: *last_modified,
                    class: StorageClass::default(),
                    restored: false,
                    archived: false,
                    version: None,
                });
            }
        }
        Ok(page)
    }

    async fn get(&self, key: &str) -> Result<Bytes, Error> {
        self.objects()
            .get(&format!("{}{key}", self.prefix))
            .map(|(body, _)| body.clone())
            .ok_or_else(|| Error::new(Reason::NotFound, key, "no such object"))
    }

    async fn get_range(&self, listed: &ObjectMeta, range: Range<u64>) -> Result<Bytes, Error> {
        let body = self.get(&listed.key).await?;
        if token(&body) != listed.etag {
            return Err(Error::new(Reason::NotFound, &*listed.key, "it was replaced by another version"));
        }
        slice(listed, &body, range)
    }

    async fn put_new(&self, key: &str, body: Bytes) -> Result<PutResult, Error> {
        let mut objects = self.objects();
        let key = format!("{}{key}", self.prefix);
        if objects.contains_key(&key) {
            return Ok(PutResult::AlreadyExists);
        }
        objects.insert(key, (body, (self.now)()));
        Ok(PutResult::Created)
    }

    async fn change_if_match(&self, key: &str, etag: &str, body: Option<Bytes>) -> Result<ChangeResult, Error> {
        let mut objects = self.objects();
        let key = format!("{}{key}", self.prefix);
        if objects.get(&key).is_none_or(|(there, _)| token(there) != etag) {
            return Ok(ChangeResult::Conflict);
        }
        match body {
            Some(body) => drop(objects.insert(key, (body, (self.now)()))),
            None => drop(objects.remove(&key)),
        }
        Ok(ChangeResult::Done)
    }

    async fn clock(&self) -> Result<DateTime<Utc>, Error> {
        Ok((self.now)())
    }

    /// Returns the token of a body, which is its hash.
    fn token_precision(&self) -> TimeDelta {
        TimeDelta::zero()
    }

    fn sibling(&self, name: &str) -> Arc<dyn Lake> {
        let parent = self.prefix.trim_end_matches('/').rsplit_once('/').map_or("", |(parent, _)| parent);
        let prefix = if parent.is_empty() { format!("{name}/") } else { format!("{parent}/{name}/") };
        Arc::new(Self { prefix, ..self.clone() })
    }
}
