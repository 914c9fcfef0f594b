//! Checks the truth during the merge: for each id in the truth files or in a store, the state of both sides.

use anyhow::Context as _;
use chrono::{DateTime, NaiveDate};

use super::TruthOptions;
use super::read::TruthData;
use crate::reconcile::finding::Finding;
use crate::reconcile::findings::FindingCollector;
use crate::reconcile::ingest_path::IngestPath;
use crate::reconcile::outcome::{TruthCounter, TruthResult};
use crate::reconcile::sorters::{FULL, Sorters};
use crate::reconcile::truth_entries::{HashEntry, IdEntry, Unresolved};
use crate::reconcile::truth_location::TruthLocation;
use crate::reconcile::verdict::DriftKind;
use crate::sort::{OrderedId, Sorted, Sorter};
use crate::truth::Expectation;
use pipeline::lake::Span;
use pipeline::record::row::Value;
use pipeline::record::{Column, RecordId};

/// State of an id in both stores when the merge reaches it.
#[derive(Debug, Clone, Copy)]
pub(in crate::reconcile) struct Observed<'a> {
    /// Key of its first object.
    pub key: Option<&'a str>,
    /// True if that object belongs to this audit; only used without a row.
    pub inside: bool,
    /// True if it has a row.
    pub row: bool,
}

impl Observed<'_> {
    const fn is_anywhere(self) -> bool {
        self.key.is_some() || self.row
    }
}

/// Compares a truth with both sides.
pub(in crate::reconcile) struct TruthCheck {
    ids: std::iter::Peekable<Sorted<IdEntry>>,
    pub(super) hashes: Sorted<HashEntry>,
    pub(super) unresolved: Sorter<Unresolved>,
    pub(super) sorters: Sorters,
    pub(super) ingest_path: Option<IngestPath>,
    pub(super) truth: TruthResult,
    span: Span,
}

impl TruthCheck {
    pub(in crate::reconcile) fn new(
        truth_data: TruthData,
        options: &TruthOptions,
        span: &Span,
        sorters: Sorters,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            ids: truth_data.ids.peekable(),
            hashes: truth_data.hashes,
            unresolved: sorters.unresolved()?,
            sorters,
            ingest_path: options.ingest_path,
            truth: TruthResult {
                ingest_path: options.ingest_path,
                ingest_path_given: options.ingest_path.is_some(),
                ..truth_data.truth
            },
            span: span.clone(),
        })
    }

    /// Returns the next id in the truth.
    pub(in crate::reconcile) fn next(&mut self) -> anyhow::Result<Option<&OrderedId>> {
        match self.ids.peek() {
            None => Ok(None),
            Some(Ok(entry)) => Ok(Some(&entry.id)),
            Some(Err(e)) => anyhow::bail!("the sorted truth cannot be read back: {e}"),
        }
    }

    /// Compares an id, which must not precede [`TruthCheck::next`], with the truth.
    pub(in crate::reconcile) fn check_id(
        &mut self,
        id: &OrderedId,
        seen: Observed<'_>,
        findings: &mut FindingCollector,
    ) -> anyhow::Result<()> {
        let Some(entry) = self.take(id)? else {
            let is_audited = seen.row || (seen.key.is_some() && seen.inside);
            if !is_audited {
                return Ok(());
            }
            self.truth[TruthCounter::UnexpectedUnlisted] += 1;
            return self.report_unexpected(id, seen, None, "in no truth file", findings);
        };
        if !self.is_audited(id) {
            self.truth[TruthCounter::OutOfWindow] += 1;
            return Ok(());
        }
        match entry.expect {
            Expectation::Stored => {
                self.truth[TruthCounter::Expected] += 1;
                if seen.key.is_some() && seen.row {
                    self.truth[TruthCounter::Found] += 1;
                    return Ok(());
                }
                self.defer(entry, seen)
            }
            Expectation::Oversized => {
                self.truth[TruthCounter::Oversized] += 1;
                self.truth[TruthCounter::OversizedStored] += u64::from(seen.is_anywhere());
                self.defer(entry, seen)
            }
            Expectation::Undelivered => {
                self.truth[TruthCounter::Undelivered] += 1;
                if !seen.is_anywhere() {
                    return Ok(());
                }
                self.report_unexpected(id, seen, Some(entry.at.into_location()), "it was never delivered", findings)
            }
            Expectation::Quarantined => Ok(()), // a quarantined message has no id
        }
    }

    /// Takes the entry of an id; of several lines, the one with the strictest requirement.
    fn take(&mut self, id: &OrderedId) -> anyhow::Result<Option<IdEntry>> {
        let mut first = None;
        while let Some(entry) = self.ids.next_if(|entry| entry.as_ref().is_ok_and(|entry| entry.id == *id)) {
            first = first.or(Some(entry?));
        }
        Ok(first)
    }

    /// Returns true if the day in an id was audited.
    fn is_audited(&self, id: &OrderedId) -> bool {
        day_of(id).is_none_or(|day| self.span.has_day(day))
    }

    fn defer(&mut self, entry: IdEntry, seen: Observed<'_>) -> anyhow::Result<()> {
        self.unresolved.push(Unresolved { entry, key: seen.key.map(str::to_owned), row: seen.row }).context(FULL)
    }

    /// Reports an id that exists and must not.
    pub(super) fn report_unexpected(
        &mut self,
        id: &OrderedId,
        seen: Observed<'_>,
        location: Option<TruthLocation>,
        why: &str,
        findings: &mut FindingCollector,
    ) -> anyhow::Result<()> {
        self.truth[TruthCounter::Unexpected] += 1;
        let finding =
            of_id(DriftKind::TruthUnexpected, id, seen.key.map(str::to_owned), [seen.key.is_some(), seen.row]);
        let why = location.as_ref().map_or_else(|| why.to_owned(), |location| format!("{why}: {location}"));
        findings.report(Finding { truth: location, ..finding.with_reason(why) }, None)
    }
}

/// Returns a finding about an id, with the sides that have it.
pub(super) fn of_id(kind: DriftKind, id: &OrderedId, key: Option<String>, [lake, warehouse]: [bool; 2]) -> Finding {
    let text = id.text().into_owned();
    let side = |has: bool| if has { Value::Text(text.clone()) } else { Value::Null };
    Finding::new(kind, text.as_str(), key).with_field(Column::IdTreatedData, side(lake), side(warehouse))
}

/// Returns the day of `data` in an id of version 8.
fn day_of(id: &OrderedId) -> Option<NaiveDate> {
    let OrderedId::Uuid(bytes) = id else { return None };
    DateTime::from_timestamp_millis(RecordId::Uuid(*bytes).data_millis()?).map(|at| at.date_naive())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_contains_its_day() {
        // 2023-01-01 in docs/ids.md
        let id = OrderedId::new("01856aa0-c800-883a-837a-29fe66bbec99");
        assert_eq!(day_of(&id), "2023-01-01".parse().ok());
        assert_eq!(day_of(&OrderedId::new("01856aa0-c800-483a-837a-29fe66bbec99")), None, "another version has no day");
        assert_eq!(day_of(&OrderedId::new("x")), None);
    }
}
