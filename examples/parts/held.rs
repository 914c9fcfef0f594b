//! A lake in this process's memory, with listings by range: the memory lake of the tests scans all keys for every page.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use pipeline::lake::memory::Memory;
use pipeline::lake::{Depth, Error, Lake, ListPage, ObjectMeta, PutResult, StorageClass};

use crate::records::Herd;

/// Keys per page, as in S3.
const PAGE: usize = 1_000;

/// A lake with objects that are older than any cutoff.
#[derive(Debug)]
pub struct Held {
    objects: BTreeMap<String, Bytes>,
    folders: BTreeSet<String>,
    /// Error of the operations that a replay does not use.
    none: Memory,
}

impl Held {
    pub fn of(herd: Herd) -> Self {
        let objects: BTreeMap<String, Bytes> =
            herd.all().map(|record| (herd.key(&record), record.object_from_values().into())).collect();
        let above = |key: &String| key.match_indices('/').map(|(at, _)| key[..=at].to_owned()).collect::<Vec<_>>();
        let folders = objects.keys().flat_map(above).collect();
        Self { objects, folders, none: Memory::default() }
    }
}

#[async_trait]
impl Lake for Held {
    fn address(&self) -> String {
        "held".into()
    }

    async fn list(&self, prefix: &str, depth: Depth, after: Option<&str>) -> Result<ListPage, Error> {
        let from = after.map_or(Bound::Included(prefix), Bound::Excluded);
        let mut page = ListPage::default();
        if depth == Depth::OneLevel {
            let below = self.folders.range::<str, _>((from, Bound::Unbounded));
            let below = below.take_while(|folder| folder.starts_with(prefix));
            let direct =
                |folder: &&String| folder.len() > prefix.len() && folder[prefix.len()..].matches('/').count() == 1;
            page.folders = below.filter(direct).cloned().collect();
            return Ok(page);
        }
        for (key, body) in
            self.objects.range::<str, _>((from, Bound::Unbounded)).take_while(|(key, _)| key.starts_with(prefix))
        {
            if page.objects.len() == PAGE {
                page.next = page.objects.last().map(|meta| meta.key.clone());
                break;
            }
            page.objects.push(ObjectMeta {
                key: key.clone(),
                size: body.len() as u64,
                etag: String::new(),
                last_modified: DateTime::UNIX_EPOCH,
                class: StorageClass::of(None),
                archived: false,
                restored: false,
                version: None,
            });
        }
        Ok(page)
    }

    async fn get(&self, key: &str) -> Result<Bytes, Error> {
        match self.objects.get(key) {
            Some(body) => Ok(body.clone()),
            None => self.none.get(key).await,
        }
    }

    async fn put_new(&self, key: &str, body: Bytes) -> Result<PutResult, Error> {
        self.none.put_new(key, body).await
    }

    async fn clock(&self) -> Result<DateTime<Utc>, Error> {
        Ok(Utc::now())
    }

    fn sibling(&self, name: &str) -> Arc<dyn Lake> {
        self.none.sibling(name)
    }
}
