//! A lake whose old partitions are listed from an inventory.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::index::{Index, Page};
use super::{disk, partition_of};
use pipeline::lake::{
    ChangeResult, Conditions, Depth, Error, Lake, ListPage, ObjectMeta, Partition, PutResult, ReadHints, ThrottleStats,
};

/// A lake whose old partitions are listed from an inventory. Everything else comes from the lake itself.
#[derive(Debug)]
pub(super) struct InventoryLake {
    lake: Arc<dyn Lake>,
    index: Arc<Index>,
    tail_from: NaiveDate,
}

impl InventoryLake {
    pub(super) fn new(lake: Arc<dyn Lake>, index: Index, tail_from: NaiveDate) -> Self {
        Self { lake, index: Arc::new(index), tail_from }
    }

    /// Returns the partition with this prefix if its objects can be taken from the inventory.
    fn known(&self, prefix: &str, depth: Depth) -> Option<Partition> {
        let partition = partition_of(prefix).filter(|_| depth == Depth::Recursive)?;
        (partition.day < self.tail_from && self.index.has(&partition)).then_some(partition)
    }
}

#[async_trait]
impl Lake for InventoryLake {
    fn address(&self) -> String {
        self.lake.address()
    }

    fn identity(&self) -> String {
        self.lake.identity()
    }

    fn location(&self) -> String {
        self.lake.location()
    }

    async fn list(&self, prefix: &str, depth: Depth, after: Option<&str>) -> Result<ListPage, Error> {
        let Some(partition) = self.known(prefix, depth) else { return self.lake.list(prefix, depth, after).await };
        let from = after
            .and_then(|after| after.split_once(' '))
            .and_then(|(done, offset)| Some((done.parse().ok()?, offset.parse().ok()?)));
        let index = Arc::clone(&self.index);
        let page = tokio::task::spawn_blocking(move || index.page(&partition, from)).await;
        let Page { entries, next } = page.map_err(|e| disk(&std::io::Error::other(e)))?.map_err(|e| disk(&e))?;
        Ok(ListPage {
            objects: entries.into_iter().map(super::InventoryEntry::into_meta).collect(),
            folders: Vec::new(),
            next: next.map(|(done, offset)| format!("{done} {offset}")),
        })
    }

    async fn get(&self, key: &str) -> Result<Bytes, Error> {
        self.lake.get(key).await
    }

    async fn get_within(&self, key: &str, max: usize) -> Result<Bytes, Error> {
        self.lake.get_within(key, max).await
    }

    async fn get_many(&self, listed: &[&ObjectMeta]) -> Vec<Result<Bytes, Error>> {
        self.lake.get_many(listed).await
    }

    async fn get_range(&self, listed: &ObjectMeta, range: Range<u64>) -> Result<Bytes, Error> {
        self.lake.get_range(listed, range).await
    }

    fn read_hints(&self) -> ReadHints {
        self.lake.read_hints()
    }

    fn throttle_stats(&self) -> ThrottleStats {
        self.lake.throttle_stats()
    }

    async fn put_new(&self, key: &str, body: Bytes) -> Result<PutResult, Error> {
        self.lake.put_new(key, body).await
    }

    async fn change_if_match(&self, key: &str, etag: &str, body: Option<Bytes>) -> Result<ChangeResult, Error> {
        self.lake.change_if_match(key, etag, body).await
    }

    async fn put_file(&self, key: &str, file: &Path, replaces: Option<&str>) -> Result<ChangeResult, Error> {
        self.lake.put_file(key, file, replaces).await
    }

    fn conditions(&self) -> Conditions {
        self.lake.conditions()
    }

    async fn test_conditions(&self) -> Result<Conditions, Error> {
        self.lake.test_conditions().await
    }

    async fn clock(&self) -> Result<DateTime<Utc>, Error> {
        self.lake.clock().await
    }

    fn clock_precision(&self) -> TimeDelta {
        self.lake.clock_precision()
    }

    fn token_precision(&self) -> TimeDelta {
        self.lake.token_precision()
    }

    async fn as_of(&self, at: DateTime<Utc>) -> Result<Arc<dyn Lake>, Error> {
        self.lake.as_of(at).await
    }

    fn sibling(&self, name: &str) -> Arc<dyn Lake> {
        self.lake.sibling(name)
    }
}
