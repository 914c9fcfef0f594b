//! What an audit finds: candidates that are rechecked, findings that are reported, and the counts of both sides.
//!
//! Here are the counts and the reporting. [`recheck`] has the second look and what it makes of a candidate, [`rules`] what
//! can be wrong with a record or a row alone, [`day`] the farm and day that a finding is counted under.

use std::io;

use anyhow::Context as _;
use xxhash_rust::xxh3::xxh3_128;

use super::Audit;
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
mod recheck;
mod rules;

pub(super) use day::FindingDay;
pub(super) use rules::record_findings;

/// What has been found so far.
pub(super) struct FindingCollector {
    pub outcome: Outcome,
    sink: DriftWriter,
    found: u64,
    /// What has both sides, and is to be looked at again.
    candidates: Vec<Candidate>,
    /// What has one side.
    one_sided: OneSided,
    naturals: Sorter<NaturalKeyEntry>,
    sorters: Sorters,
}

impl FindingCollector {
    pub(super) fn new(outcome: Outcome, sink: DriftWriter, sorters: Sorters) -> io::Result<Self> {
        let (one_sided, naturals) = (sorters.unpaired()?, sorters.naturals()?);
        Ok(Self { outcome, sink, found: 0, candidates: Vec::new(), one_sided, naturals, sorters })
    }

    /// Takes a finding down: counted, kept as a sample, written to the drift file.
    pub(super) fn report(&mut self, finding: Finding, place: Option<FindingDay>) -> anyhow::Result<()> {
        self.found += 1;
        let drift = Drift::from(&finding);
        self.outcome.count(&drift, place.map(|place| (place.farm, place.day)));
        self.outcome.count_late(&finding);
        self.sink.write(&finding, &drift).context("a finding cannot be written to the drift file")
    }

    /// Whether so much was found that the rest changes nothing.
    pub(super) fn reached_limit(&self, audit: &Audit) -> bool {
        audit.halt_after.is_some_and(|max| self.found >= max)
    }

    /// Takes something that looks like a finding.
    pub(super) fn add_candidate(&mut self, candidate: Candidate) -> io::Result<()> {
        if candidate.row.is_some() && !candidate.keys.is_empty() {
            self.candidates.push(candidate);
            return Ok(());
        }
        self.one_sided.push(candidate)
    }

    /// A record and its row agree, and nothing else is wrong.
    pub(super) fn matched(&mut self, key: &str, record: &Record, row: &Row) -> anyhow::Result<()> {
        self.saw_both(row);
        self.outcome[Counter::Matched] += 1;
        self.natural(record, Some(key))
    }

    /// An object that was not opened has a row: no value of it was compared, so that it is in no total.
    pub(super) fn present(&mut self, key: &str, row: &Row) {
        self.count_record(FindingDay::of_key(key).as_ref());
        self.count_row(FindingDay::of_row(row).as_ref());
        self.outcome[Counter::Present] += 1;
    }

    /// A row whose object is there and cannot be judged.
    pub(super) fn add_not_compared(&mut self, row: &Row) {
        self.saw_row(row);
        self.outcome[Counter::NotCompared] += 1;
    }

    /// Both sides have this: what is stored is the row that the record should be.
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
        let id = OrderedId::new(&record.id_treated_data);
        self.naturals.push(NaturalKeyEntry { hash: natural_key(record), id, key: key.map(str::to_owned) }).context(FULL)
    }

    /// Ends the findings: the counts, and the file of them.
    pub(super) fn into_parts(self) -> (Outcome, DriftWriter) {
        (self.outcome, self.sink)
    }

    /// Takes the natural keys out, in their order.
    pub(super) fn naturals(&mut self) -> anyhow::Result<Sorted<NaturalKeyEntry>> {
        std::mem::replace(&mut self.naturals, self.sorters.naturals()?).finish().context(FULL)
    }
}

/// The hash of what is unique in the real files: farm, pen, lot and time (DESIGN §2); XXH3, 128 bits.
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
