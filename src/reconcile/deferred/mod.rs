//! Evidence that a shard of an audit defers to the step that combines all shards, and the ids that the shard compared.
//!
//! A shard compares an id only if all its evidence is in the shard: an id of version 8 with a row and exactly one object,
//! whose name is the canonical one. Another shard may still have evidence of such an id, if an object contains another
//! record than its path shows. The shard therefore also writes the ids that it compared, and the result can be
//! withdrawn.
//!
//! | stream | order | entries |
//! | --- | --- | --- |
//! | `objects`, `rows` | id | evidence of ids that the shard does not compare |
//! | `rechecked` | id | ids with all evidence that do not simply match, with the state of both sides at the recheck |
//! | `findings` | kind, id, key | findings about objects without a record |
//! | `judged` | id | rows of the compared ids; each agrees with its object |
//! | `naturals` | id | hashes of the natural keys of the compared ids |
//! | `shared_keys` | hash, id | natural keys that several compared ids of the shard have |
//! | `counts` | | counts of the shard, as one entry in JSON |

use std::io;

use serde::{Deserialize, Serialize};

use super::entries::{LakeEntry, NaturalKeyEntry, ObjectState, encoded};
use super::recheck::{Candidate, Observation};
use super::window::AuditWindow;
use crate::exchange::ExchangeWriter;
use crate::job_range::IdLimits;
use crate::sort::{OrderedId, Sorter};
use pipeline::lake::Key;
use pipeline::record::row::Row;

mod canonical;
mod entry;
mod natural_filter;

pub(super) use canonical::{canonical_key, judgeable_id};
pub(super) use entry::{FindingEntry, JudgedKeyEntry, RecheckedEntry, decode};
pub(super) use natural_filter::NaturalFilter;

/// Names of the streams.
pub(super) mod stream {
    pub(in crate::reconcile) const OBJECTS: &str = "objects";
    pub(in crate::reconcile) const ROWS: &str = "rows";
    pub(in crate::reconcile) const RECHECKED: &str = "rechecked";
    pub(in crate::reconcile) const FINDINGS: &str = "findings";
    pub(in crate::reconcile) const JUDGED: &str = "judged";
    pub(in crate::reconcile) const NATURALS: &str = "naturals";
    pub(in crate::reconcile) const SHARED_KEYS: &str = "shared_keys";
    pub(in crate::reconcile) const COUNTS: &str = "counts";
}

/// Number of entries that a shard deferred, and of ids that it compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftCounts {
    /// Ids that match, and that no other shard is known to have evidence of.
    pub judged: u64,
    /// Ids that were rechecked.
    pub rechecked: u64,
    /// Objects of other ids.
    pub objects: u64,
    /// Rows of other ids.
    pub rows: u64,
    /// Findings about objects without a record.
    pub findings: u64,
}

/// Receives the evidence of a shard in id order.
pub(super) struct Deferred {
    to: Box<dyn ExchangeWriter>,
    ids: IdLimits,
    findings: Sorter<FindingEntry>,
    naturals: Sorter<NaturalKeyEntry>,
    counts: LeftCounts,
}

impl Deferred {
    /// Returns the receiver of a shard with these ids.
    pub(super) fn new(
        to: Box<dyn ExchangeWriter>,
        ids: IdLimits,
        (findings, naturals): (Sorter<FindingEntry>, Sorter<NaturalKeyEntry>),
    ) -> Self {
        Self { to, ids, findings, naturals, counts: LeftCounts::default() }
    }

    /// Returns true if the shard has all evidence of an id, as far as it is known.
    pub(super) fn has_all_evidence(&self, id: &OrderedId, group: &[LakeEntry], row: Option<&Row>) -> bool {
        let ([entry], Some(_), Some(bytes)) = (group, row, judgeable_id(id)) else { return false };
        let is_in_place = match &entry.state {
            ObjectState::Record(record) => canonical::fits(&entry.key, bytes, Some(record)),
            ObjectState::IdOnly => canonical::fits(&entry.key, bytes, None),
            ObjectState::Unavailable => false,
        };
        is_in_place && self.ids.has(bytes)
    }

    /// Defers the evidence of an id. Objects outside of the window are omitted if their id cannot have a row inside.
    pub(super) fn leave(
        &mut self,
        id: &OrderedId,
        group: impl Iterator<Item = LakeEntry>,
        row: Option<Row>,
        inside: Option<&AuditWindow>,
    ) -> io::Result<()> {
        let has_no_row = row.is_none() && judgeable_id(id).is_some_and(|bytes| self.ids.has(bytes));
        let is_outside = |entry: &LakeEntry| match (inside, &entry.state) {
            (Some(inside), ObjectState::Record(record)) if has_no_row => {
                // Only all shards together show whether the days of legacy names are those of `data`.
                Key::parse(&entry.key).is_some_and(|key| key.id.is_some()) && !inside.has_record(&entry.key, record)
            }
            (Some(inside), ObjectState::IdOnly) if has_no_row => !inside.has_name(&entry.key),
            _ => false,
        };
        for entry in group.filter(|entry| !is_outside(entry)) {
            self.counts.objects += 1;
            self.write(stream::OBJECTS, &entry)?;
        }
        if let Some(row) = row {
            self.counts.rows += 1;
            self.write(stream::ROWS, &encoded(&row))?;
        }
        Ok(())
    }

    /// Defers a candidate that was rechecked.
    pub(super) fn leave_rechecked(&mut self, candidate: &Candidate, observation: &Observation) -> io::Result<()> {
        self.counts.rechecked += 1;
        self.write(
            stream::RECHECKED,
            &RecheckedEntry { candidate: candidate.clone(), observation: observation.clone() },
        )
    }

    /// Defers a finding about an object.
    pub(super) fn leave_finding(&mut self, entry: FindingEntry) -> io::Result<()> {
        self.counts.findings += 1;
        self.findings.push(entry)
    }

    /// Records that an id matches, with the hash of its natural key. `None` if no value was compared.
    pub(super) fn judged(&mut self, row: &Row, natural: Option<u128>) -> io::Result<()> {
        self.counts.judged += 1;
        self.write(stream::JUDGED, &encoded(row))?;
        let Some(hash) = natural else { return Ok(()) };
        let id = OrderedId::new(row.id());
        if let (OrderedId::Uuid(bytes), Some(farm)) = (&id, canonical::farm_of(row)) {
            let key = canonical_key(&farm, *bytes);
            self.write(stream::NATURALS, &JudgedKeyEntry { id: *bytes, hash: hash.to_be_bytes(), farm })?;
            self.naturals.push(NaturalKeyEntry { hash, id, key: Some(key) })?;
        }
        Ok(())
    }

    /// Writes the entries that must be sorted first, and then the counts of the shard. Returns the numbers of deferred
    /// entries.
    pub(super) fn finish(mut self, counts: &[u8]) -> io::Result<LeftCounts> {
        let (to, findings, naturals) = (&mut *self.to, self.findings.finish()?, self.naturals.finish()?);
        for finding in findings {
            write(to, stream::FINDINGS, &finding?)?;
        }
        let (mut last, mut is_written): (Option<NaturalKeyEntry>, bool) = (None, false);
        for entry in naturals {
            let entry = entry?;
            match &last {
                Some(first) if first.hash == entry.hash => {
                    if !std::mem::replace(&mut is_written, true) {
                        write(to, stream::SHARED_KEYS, first)?;
                    }
                    write(to, stream::SHARED_KEYS, &entry)?;
                }
                _ => is_written = false,
            }
            last = Some(entry);
        }
        to.write(stream::COUNTS, counts)?;
        Ok(self.counts)
    }

    fn write(&mut self, stream: &'static str, entry: &impl Serialize) -> io::Result<()> {
        write(&mut *self.to, stream, entry)
    }
}

fn write(to: &mut dyn ExchangeWriter, stream: &'static str, entry: &impl Serialize) -> io::Result<()> {
    to.write(stream, &postcard::to_stdvec(entry).map_err(io::Error::other)?)
}
