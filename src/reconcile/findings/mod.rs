//! Findings of an audit: candidates that are rechecked, findings that are reported, and the counts of both sides.
//!
//! This module counts and reports. [`recheck`] rechecks candidates and classifies them, [`single_record`] checks single records
//! and rows, [`pair`] describes a record whose row has other values, and [`day`] determines the farm and day of a finding.

use std::io;

use anyhow::Context as _;
use xxhash_rust::xxh3::xxh3_128;

use super::Audit;
use super::deferred::{Deferred, FindingEntry, NaturalFilter};
use super::drift::Drift;
use super::entries::NaturalKeyEntry;
use super::finding::Finding;
use super::finding_file::DriftWriter;
use super::one_sided::OneSided;
use super::outcome::{Outcome, Store};
use super::recheck::Candidate;
use super::sorters::{FULL, Sorters};
use super::verdict::Counter;
use crate::sort::{OrderedId, Sorted, Sorter};
use pipeline::record::Record;
use pipeline::record::row::{Row, TableSchema};

mod day;
mod pair;
mod recheck;
mod single_record;

pub(super) use day::FindingDay;
pub(super) use single_record::record_findings;

/// Findings of an audit so far.
pub(super) struct FindingCollector {
    pub outcome: Outcome,
    sink: DriftWriter,
    found: u64,
    /// Candidates with both sides that wait for a recheck.
    candidates: Vec<Candidate>,
    /// Candidates with one side.
    one_sided: OneSided,
    naturals: Sorter<NaturalKeyEntry>,
    sorters: Sorters,
    /// Receives what is not counted here, because only a part of both sides is known.
    deferred: Option<Deferred>,
    /// Filter with the natural keys that were added, if they do not include those of the shards' compared ids.
    natural_filter: Option<NaturalFilter>,
}

impl FindingCollector {
    pub(super) fn new(mut outcome: Outcome, sink: DriftWriter, sorters: Sorters) -> io::Result<Self> {
        outcome.problems.store_in_order();
        let (one_sided, naturals) = (sorters.unpaired()?, sorters.naturals()?);
        let candidates = Vec::new();
        Ok(Self {
            outcome,
            sink,
            found: 0,
            candidates,
            one_sided,
            naturals,
            sorters,
            deferred: None,
            natural_filter: None,
        })
    }

    /// Returns the findings of a part of an audit: only ids with all their evidence in the part are counted.
    pub(super) fn of_shard(outcome: Outcome, sorters: Sorters, deferred: Deferred) -> io::Result<Self> {
        Ok(Self { deferred: Some(deferred), ..Self::new(outcome, DriftWriter::new(None)?, sorters)? })
    }

    /// Returns the findings with a filter that collects all natural keys.
    pub(super) fn with_natural_filter(self, filter: NaturalFilter) -> Self {
        Self { natural_filter: Some(filter), ..self }
    }

    /// Returns the receiver of evidence that this part cannot compare. `None` if both sides are known completely.
    pub(super) fn deferred(&mut self) -> Option<&mut Deferred> {
        self.deferred.as_mut()
    }

    /// Completes the part: returns its counts, and the receiver of deferred entries.
    pub(super) fn into_part(self) -> (Outcome, Option<Deferred>) {
        (self.outcome, self.deferred)
    }

    /// Reports a finding: counts it, stores it as a sample, and writes it to the drift file.
    pub(super) fn report(&mut self, finding: Finding, place: Option<FindingDay>) -> anyhow::Result<()> {
        if let Some(deferred) = &mut self.deferred {
            let place = place.map(|place| (place.farm, place.day));
            return deferred.leave_finding(FindingEntry { finding, place }).context(FULL);
        }
        self.found += 1;
        let drift = Drift::from(&finding);
        self.outcome.count(&drift, place.map(|place| (place.farm, place.day)));
        self.outcome.count_late(&finding);
        self.sink.write(&finding, &drift).context("a finding cannot be written to the drift file")
    }

    /// Returns true if there are enough findings that more do not change the result.
    pub(super) fn reached_limit(&self, audit: &Audit) -> bool {
        audit.halt_after.is_some_and(|max| self.found >= max)
    }

    /// Adds a candidate for a finding.
    pub(super) fn add_candidate(&mut self, candidate: Candidate) -> io::Result<()> {
        if candidate.row.is_some() && !candidate.keys.is_empty() {
            self.candidates.push(candidate);
            return Ok(());
        }
        self.one_sided.push(candidate)
    }

    /// Counts a record and a row that agree and have no other problem.
    pub(super) fn matched(&mut self, key: &str, record: &Record, row: &Row) -> anyhow::Result<()> {
        self.saw_both(row);
        self.outcome[Counter::Matched] += 1;
        match &mut self.deferred {
            Some(deferred) => deferred.judged(row, Some(natural_key(record))).context(FULL),
            None => self.natural(record, Some(key)),
        }
    }

    /// Counts a row with an unopened object. No value was compared, so it is not in the totals.
    pub(super) fn present(&mut self, key: &str, row: &Row) -> anyhow::Result<()> {
        self.count_record(FindingDay::of_key(key).as_ref());
        self.count_row(FindingDay::of_row(row).as_ref());
        self.outcome[Counter::Present] += 1;
        match &mut self.deferred {
            Some(deferred) => deferred.judged(row, None).context(FULL),
            None => Ok(()),
        }
    }

    /// Counts an id that a part compared again, without its natural key.
    pub(super) fn count_judged(outcome: &mut Outcome, row: &Row) {
        let place = FindingDay::of_row(row);
        let verdict = if outcome.quick { Counter::Present } else { Counter::Matched };
        if !outcome.quick {
            outcome.add_matched(row, place.as_ref().map(FindingDay::named));
        }
        for counter in [verdict, Counter::LakeObjects, Counter::LakeRecords, Counter::WarehouseRows] {
            outcome[counter] += 1;
        }
        if let Some(place) = place {
            let cell = outcome.cell(&place.farm, place.day);
            cell.lake += 1;
            cell.warehouse += 1;
        }
    }

    /// Counts a row whose object exists and cannot be compared.
    pub(super) fn add_not_compared(&mut self, row: &Row) {
        self.saw_row(row);
        self.outcome[Counter::NotCompared] += 1;
    }

    /// Counts the stored row for both sides, because the record should be exactly this row.
    fn saw_both(&mut self, row: &Row) {
        let place = FindingDay::of_row(row);
        self.outcome.add_matched(row, place.as_ref().map(FindingDay::named));
        self.count_record(place.as_ref());
        self.count_row(place.as_ref());
    }

    fn saw_record(&mut self, record: &Record, schema: &TableSchema) {
        let place = FindingDay::of(record);
        self.outcome.add(Store::Lake, &record.to_row(schema), Some(place.named()));
        self.count_record(Some(&place));
    }

    fn saw_row(&mut self, row: &Row) {
        let place = FindingDay::of_row(row);
        self.outcome.add(Store::Warehouse, row, place.as_ref().map(FindingDay::named));
        self.count_row(place.as_ref());
    }

    fn count_record(&mut self, place: Option<&FindingDay>) {
        self.outcome[Counter::LakeObjects] += 1;
        self.outcome[Counter::LakeRecords] += 1;
        if let Some(place) = place {
            self.outcome.cell(&place.farm, place.day).lake += 1;
        }
    }

    fn count_row(&mut self, place: Option<&FindingDay>) {
        self.outcome[Counter::WarehouseRows] += 1;
        if let Some(place) = place {
            self.outcome.cell(&place.farm, place.day).warehouse += 1;
        }
    }

    fn natural(&mut self, record: &Record, key: Option<&str>) -> anyhow::Result<()> {
        let (id, hash) = (OrderedId::new(&record.id_treated_data), natural_key(record));
        if let Some(filter) = &mut self.natural_filter {
            filter.add(record.reading.data.timestamp_millis(), hash);
        }
        self.add_natural(NaturalKeyEntry { hash, id, key: key.map(str::to_owned) })
    }

    /// Adds a natural key.
    pub(super) fn add_natural(&mut self, entry: NaturalKeyEntry) -> anyhow::Result<()> {
        self.naturals.push(entry).context(FULL)
    }

    /// Takes the filter of natural keys.
    pub(super) fn take_natural_filter(&mut self) -> Option<NaturalFilter> {
        self.natural_filter.take()
    }

    /// Completes the findings, and returns the outcome with the writer of the finding files.
    pub(super) fn into_parts(self) -> (Outcome, DriftWriter) {
        (self.outcome, self.sink)
    }

    /// Takes the natural keys, in their order.
    pub(super) fn naturals(&mut self) -> anyhow::Result<Sorted<NaturalKeyEntry>> {
        std::mem::replace(&mut self.naturals, self.sorters.naturals()?).finish().context(FULL)
    }
}

/// Returns the XXH3 hash (128 bits) of the natural key: farm, pen, lot and time.
fn natural_key(record: &Record) -> u128 {
    let reading = &record.reading;
    let mut bytes = Vec::with_capacity(96);
    for part in [&reading.cod_cliente, &reading.id_curral, &reading.id_lote] {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes.extend_from_slice(&reading.data.timestamp_micros().to_le_bytes());
    xxh3_128(&bytes)
}
