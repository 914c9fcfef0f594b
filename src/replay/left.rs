//! Records that a shard of a replay defers to the merge, because another shard may load the same id.
//!
//! If two objects have one id, the time-ordered one is loaded, and of several the first. A shard can decide this only
//! if the id is in its own range and the object in the path of the id's day. Each shard loads random ids of legacy
//! lakes, because every object there has its own id.

use std::cmp::Ordering;
use std::io;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::order::{IdOrder, id_day};
use crate::exchange::{ExchangeReader, ExchangeWriter};
use crate::job_range::IdLimits;
use crate::reader::ObjectSelection;
use crate::sort::{OrderedId, SortDir, SortOrder, SortSettings, Sorted, Sorter};
use pipeline::record::RecordId;

/// Name of the stream.
const UNORDERED: &str = "unordered";
/// Memory of one entry during the sort, in bytes.
const ENTRY_BYTES: usize = 250;

/// Receives the records that a shard defers.
pub(super) struct LeftRecords {
    to: Box<dyn ExchangeWriter>,
    ids: IdLimits,
}

/// Record that a shard deferred.
#[derive(Debug, Serialize, Deserialize)]
struct LeftEntry {
    id: OrderedId,
    key: String,
}

impl SortOrder for LeftEntry {
    fn compare(&self, other: &Self) -> Ordering {
        self.id.cmp(&other.id).then_with(|| self.key.cmp(&other.key))
    }
}

impl LeftRecords {
    /// Returns the receiver of a shard with these ids.
    pub(super) fn new(to: Box<dyn ExchangeWriter>, ids: IdLimits) -> Self {
        Self { to, ids }
    }

    /// Returns true if the shard must defer a record.
    pub(super) fn takes(&self, id: &OrderedId, order: IdOrder) -> bool {
        if id_day(id).is_none() {
            return false;
        }
        let is_elsewhere = || match id {
            OrderedId::Uuid(bytes) => RecordId::Uuid(*bytes).data_millis().is_some() && !self.ids.has(*bytes),
            OrderedId::Other(_) => false,
        };
        order == IdOrder::Unordered || is_elsewhere()
    }

    /// Defers a record.
    pub(super) fn write(&mut self, id: OrderedId, key: String) -> io::Result<()> {
        self.to.write(UNORDERED, &postcard::to_stdvec(&LeftEntry { id, key }).map_err(io::Error::other)?)
    }
}

/// Objects that all shards deferred, in the order in which they are loaded.
pub struct LeftObjects(Sorted<LeftEntry>);

impl LeftObjects {
    /// Reads the records that the shards deferred.
    ///
    /// # Errors
    /// Returns an error if they cannot be read or sorted.
    pub async fn read(exchange: &dyn ExchangeReader, shards: &[u32], sort: &SortSettings) -> anyhow::Result<Self> {
        const FULL: &str = "cannot sort on disk: set --sort-dir to a directory with free space";
        let dir = SortDir::in_dir(&sort.dir).context(FULL)?;
        let mut sorter = Sorter::in_dir((sort.memory / ENTRY_BYTES).max(1_000), &dir).context(FULL)?;
        let mut each = |_: u32, entry: &[u8]| {
            let entry: LeftEntry = postcard::from_bytes(entry).context("an entry of a shard cannot be decoded")?;
            sorter.push(entry).context(FULL)
        };
        exchange.read(UNORDERED, shards, &mut each).await?;
        Ok(Self(sorter.finish().context(FULL)?))
    }

    /// Returns the next objects, at most `count`. `None` after the last.
    ///
    /// # Errors
    /// Returns an error if they cannot be read back.
    pub fn next(&mut self, count: usize) -> anyhow::Result<Option<ObjectSelection>> {
        let mut objects = ObjectSelection::default();
        for entry in self.0.by_ref().take(count) {
            objects.insert(&entry.context("sorted objects cannot be read back")?.key);
        }
        Ok(Some(objects).filter(|objects| !objects.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::memory::Memory;

    #[tokio::test]
    async fn only_records_that_another_part_may_have_are_left() {
        let exchange = Memory::default();
        let own = |text: &str| Some(text.parse().unwrap());
        let ids = IdLimits {
            after: own("01856aa0-c800-8000-8000-000000000000"),
            until: own("01856aa0-c800-9000-8000-000000000000"),
        };
        let mut left = LeftRecords::new(exchange.shard(3), ids);
        let cases = [
            ("01856aa0-c800-883a-837a-29fe66bbec99", IdOrder::TimeOrdered, false),
            ("01856aa0-c800-883a-837a-29fe66bbec99", IdOrder::Unordered, true),
            ("01856fc7-2400-883a-837a-29fe66bbec99", IdOrder::TimeOrdered, true),
            ("01856aa0-c800-783a-837a-29fe66bbec99", IdOrder::TimeOrdered, false),
            ("01856aa0-c800-483a-837a-29fe66bbec99", IdOrder::Unordered, false),
            ("by hand", IdOrder::Unordered, false),
        ];
        for (n, (text, order, is_left)) in cases.into_iter().enumerate() {
            let id = OrderedId::new(text);
            assert_eq!(left.takes(&id, order), is_left, "{text} {order:?}");
            if is_left {
                left.write(id, format!("{n}")).unwrap();
            }
        }
        let sort = SortSettings { memory: 1, dir: std::env::temp_dir() };
        let mut objects = LeftObjects::read(&exchange, &[0, 3], &sort).await.unwrap();
        let has = |objects: &ObjectSelection, key| objects.len() == 1 && objects.contains(key);
        assert!(objects.next(1).unwrap().is_some_and(|objects| has(&objects, "1")));
        assert!(objects.next(5).unwrap().is_some_and(|objects| has(&objects, "2")));
        assert!(objects.next(5).unwrap().is_none());
    }
}
