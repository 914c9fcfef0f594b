//! Selection of the compared ids whose natural keys must be compared with those of other ids.
//!
//! Ids with one natural key have the same `data`. The `data` of a compared id is the time in the id. Another id can
//! therefore only have the natural key of compared ids in the shards with its time. Two shards can share a time only if
//! one millisecond is divided between them.

use std::collections::{BTreeSet, HashSet};

use crate::job_range::{IdLimits, ids_of};
use pipeline::record::RecordId;

/// Maximum number of hashes in memory, 16 bytes each; with more, all compared ids of the shards are compared.
const HASHES: usize = 1_000_000;

/// Collects the natural keys that were added, and selects compared ids that may have one of them.
#[derive(Debug)]
pub(in crate::reconcile) struct NaturalFilter {
    /// Ids of the shards, in ascending order.
    shards: Vec<IdLimits>,
    /// Shards with compared ids to compare.
    touched: BTreeSet<u32>,
    /// Times that several shards share.
    shared: HashSet<i64>,
    /// Hashes that were added. `None` if there are too many.
    hashes: Option<HashSet<u128>>,
    last: Option<i64>,
}

impl NaturalFilter {
    /// Returns the filter for shards with these ids, in ascending order.
    pub(in crate::reconcile) fn new(shards: Vec<IdLimits>) -> Self {
        let (touched, shared, hashes) = (BTreeSet::new(), HashSet::new(), Some(HashSet::new()));
        let mut filter = Self { shards, touched, shared, hashes, last: None };
        let ends: Vec<u128> = filter.shards.iter().filter_map(|shard| Some(shard.until?.as_u128())).collect();
        for end in ends {
            let Ok(millis) = u64::try_from(end >> 80) else { continue };
            if let (true, Ok(millis)) = (ids_of(millis).1 != end, i64::try_from(millis)) {
                filter.shared.insert(millis);
                filter.touch(millis);
            }
        }
        filter
    }

    /// Adds the natural key of an id with this time of `data`, in Unix milliseconds.
    pub(in crate::reconcile) fn add(&mut self, millis: i64, hash: u128) {
        if let Some(hashes) = &mut self.hashes {
            hashes.insert(hash);
            if hashes.len() > HASHES {
                self.hashes = None;
            }
        }
        if self.last != Some(millis) {
            self.last = Some(millis);
            self.touch(millis);
        }
    }

    fn touch(&mut self, millis: i64) {
        let Some((first, _)) = u64::try_from(millis).ok().map(ids_of) else { return };
        let start = self.shards.partition_point(|shard| shard.until.is_some_and(|until| until.as_u128() < first));
        let shards = (0..).zip(&self.shards).skip(start);
        let of_time = shards.take_while(|(_, shard)| shard.is_empty() || shard.has_time(millis));
        self.touched.extend(of_time.filter(|(_, shard)| !shard.is_empty()).map(|(at, _)| at));
    }

    /// Returns the shards with compared ids that must be compared.
    pub(in crate::reconcile) fn shards(&self) -> Vec<u32> {
        self.touched.iter().copied().collect()
    }

    /// Returns true if a compared id may have the natural key of another id.
    pub(in crate::reconcile) fn wants(&self, id: [u8; 16], hash: u128) -> bool {
        let is_shared = || RecordId::Uuid(id).data_millis().is_some_and(|millis| self.shared.contains(&millis));
        self.hashes.as_ref().is_none_or(|hashes| hashes.contains(&hash)) || is_shared()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn id(millis: u64, hash: u128) -> Uuid {
        Uuid::from_u128((u128::from(millis) << 80) | (8 << 76) | (2 << 62) | hash)
    }

    fn shards(ends: &[u128]) -> Vec<IdLimits> {
        let ends: Vec<_> = ends.iter().map(|end| Some(Uuid::from_u128(*end))).collect();
        let starts = std::iter::once(None).chain(ends.iter().copied());
        starts.zip(ends.iter().copied().chain([None])).map(|(after, until)| IdLimits { after, until }).collect()
    }

    #[test]
    fn only_the_parts_with_the_time_of_a_natural_key_are_compared() {
        let mut filter = NaturalFilter::new(shards(&[ids_of(10).1, ids_of(20).1, ids_of(20).1, ids_of(30).1]));
        assert!(filter.shards().is_empty(), "no millisecond is divided");
        filter.add(11, 7);
        assert_eq!(filter.shards(), [1]);
        filter.add(20, 8);
        filter.add(31, 9);
        assert_eq!(filter.shards(), [1, 4]);
        assert!(filter.wants(id(11, 1).into_bytes(), 7) && !filter.wants(id(11, 1).into_bytes(), 1));
        filter.add(-1, 10);
        assert_eq!(filter.shards(), [1, 4]);
    }

    #[test]
    fn a_divided_millisecond_is_compared_in_all_of_its_parts() {
        let (low, high) = (id(20, 1 << 40).as_u128(), id(20, 2 << 40).as_u128());
        let filter = NaturalFilter::new(shards(&[ids_of(10).1, low, high, ids_of(30).1]));
        assert_eq!(filter.shards(), [1, 2, 3]);
        assert!(filter.wants(id(20, 5).into_bytes(), 1) && !filter.wants(id(21, 5).into_bytes(), 1));
    }
}
