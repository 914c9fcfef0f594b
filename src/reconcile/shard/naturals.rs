//! Natural keys of all shards: those of concluded ids, and those of compared ids that may be the same.

use std::collections::HashSet;

use crate::exchange::ExchangeReader;
use crate::reconcile::deferred::{JudgedKeyEntry, canonical_key, decode, judgeable_id, stream};
use crate::reconcile::entries::NaturalKeyEntry;
use crate::reconcile::findings::FindingCollector;
use crate::sort::{OrderedId, Sorted};

/// Adds the natural keys of compared ids, except for withdrawn ones, and returns all natural keys in their order.
pub(super) async fn with_judged(
    findings: &mut FindingCollector,
    shards: &[u32],
    exchange: &dyn ExchangeReader,
    withdrawn: &HashSet<[u8; 16]>,
) -> anyhow::Result<Sorted<NaturalKeyEntry>> {
    let is_withdrawn = |id: &OrderedId| judgeable_id(id).is_some_and(|id| withdrawn.contains(&id));
    let Some(filter) = findings.take_natural_filter() else { return findings.naturals() };
    let mut shared = |_: u32, entry: &[u8]| {
        let entry: NaturalKeyEntry = decode(entry)?;
        if is_withdrawn(&entry.id) { Ok(()) } else { findings.add_natural(entry) }
    };
    exchange.read(stream::SHARED_KEYS, shards, &mut shared).await?;
    let mut judged = |_: u32, entry: &[u8]| {
        let JudgedKeyEntry { id, hash, farm } = decode(entry)?;
        let hash = u128::from_be_bytes(hash);
        if withdrawn.contains(&id) || !filter.wants(id, hash) {
            return Ok(());
        }
        findings.add_natural(NaturalKeyEntry { hash, id: OrderedId::Uuid(id), key: Some(canonical_key(&farm, id)) })
    };
    exchange.read(stream::NATURALS, &filter.shards(), &mut judged).await?;
    findings.naturals()
}
