//! Withdraws results of ids that a shard compared, if another shard has further evidence.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use futures::stream::{self, StreamExt, TryStreamExt};

use super::Counted;
use crate::exchange::ExchangeReader;
use crate::job_range::IdLimits;
use crate::reconcile::deferred::{canonical_key, decode, judgeable_id, stream as streams};
use crate::reconcile::entries::{LakeEntry, ObjectState, SpooledRow, WarehouseEntry};
use crate::reconcile::findings::{FindingCollector, FindingDay};
use crate::reconcile::window::PathDateVotes;
use crate::reconcile::{Audit, Outcome};
use crate::sort::OrderedId;
use pipeline::lake;
use pipeline::record::Record;

/// Ids for which a shard has evidence that another shard did not know, by the shard that has the id in its range.
///
/// Kept in memory, because such ids are rare: their objects were overwritten with another record, or copied to another
/// day.
#[derive(Debug, Default)]
pub(super) struct Contested {
    by_home: BTreeMap<u32, BTreeSet<[u8; 16]>>,
}

/// Judgements that were withdrawn, with their evidence.
#[derive(Debug, Default)]
pub(super) struct Withdrawn {
    pub objects: Vec<LakeEntry>,
    pub rows: Vec<WarehouseEntry>,
    pub ids: HashSet<[u8; 16]>,
    /// Date that the paths of legacy names follow, in all shards.
    pub votes: PathDateVotes,
}

impl Contested {
    /// Adds an object that a shard deferred.
    pub(super) fn add(&mut self, shard: u32, id: &OrderedId, ranges: &[IdLimits]) {
        let Some(id) = judgeable_id(id) else { return };
        let home = ranges.partition_point(|range| range.until.is_some_and(|until| until.into_bytes() < id));
        if let Ok(home) = u32::try_from(home)
            && home != shard
        {
            self.by_home.entry(home).or_default().insert(id);
        }
    }

    /// Returns true if another shard has evidence of an id.
    pub(super) fn has(&self, shard: u32, id: &OrderedId) -> bool {
        let ids = self.by_home.get(&shard);
        judgeable_id(id).zip(ids).is_some_and(|(id, ids)| ids.contains(&id))
    }

    /// Adds the counts of all shards to the outcome, except for contested ids, whose evidence is returned.
    pub(super) async fn resolve(
        &self,
        audit: &Audit,
        shards: &[u32],
        exchange: &dyn ExchangeReader,
        outcome: &mut Outcome,
    ) -> anyhow::Result<Withdrawn> {
        let mut withdrawn = Withdrawn::default();
        let mut counts = |shard: u32, entry: &[u8]| {
            let Counted { read, judged, votes } = serde_json::from_slice(entry)?;
            outcome.add_counts(&read);
            withdrawn.votes.merge(votes);
            if !self.by_home.contains_key(&shard) {
                outcome.add_counts(&judged);
            }
            Ok(())
        };
        exchange.read(streams::COUNTS, shards, &mut counts).await?;
        for (shard, ids) in &self.by_home {
            let mut rest = Outcome { cutoff: outcome.cutoff, quick: outcome.quick, ..Outcome::default() };
            let mut each = |_: u32, entry: &[u8]| {
                let row: SpooledRow = decode(entry)?;
                let id = OrderedId::new(row.0.id());
                match judgeable_id(&id).filter(|id| ids.contains(id)) {
                    Some(bytes) => {
                        withdrawn.ids.insert(bytes);
                        withdrawn.rows.push(WarehouseEntry { id, row });
                    }
                    None => FindingCollector::count_judged(&mut rest, &row.0),
                }
                Ok(())
            };
            exchange.read(streams::JUDGED, &[*shard], &mut each).await?;
            outcome.add_counts(&rest);
        }
        withdrawn.objects = objects(audit, &withdrawn.rows).await?;
        Ok(withdrawn)
    }
}

/// Returns the current objects of compared rows, without those that no longer exist.
async fn objects(audit: &Audit, rows: &[WarehouseEntry]) -> anyhow::Result<Vec<LakeEntry>> {
    let keyed = rows.iter().filter_map(|entry| {
        let (place, id) = (FindingDay::of_row(&entry.row.0)?, judgeable_id(&entry.id)?);
        Some((entry.id.clone(), canonical_key(&place.farm, id)))
    });
    let read = |(id, key): (OrderedId, String)| async move {
        if audit.quick {
            return Ok(Some(LakeEntry { id, key, state: ObjectState::IdOnly }));
        }
        let record = match audit.lake.get(&key).await {
            Ok(body) => Record::parse(&body).ok(),
            Err(e) if e.concerns_one_object() => None,
            Err(e) => return Err(e),
        };
        let record = record.filter(|record| record.id_treated_data == id.text());
        Ok::<_, lake::Error>(record.map(|record| LakeEntry { id, key, state: ObjectState::Record(Box::new(record)) }))
    };
    let keyed: Vec<_> = keyed.collect();
    let read: Vec<_> = stream::iter(keyed).map(read).buffered(audit.reads.max(1)).try_collect().await?;
    Ok(read.into_iter().flatten().collect())
}
