//! Last step of a truth check: rechecks unresolved ids, and classifies them by the ingest path of the history.

use std::collections::HashMap;

use anyhow::Context as _;

use super::check::{Observed, TruthCheck, of_id};
use crate::cancellation::CancellationToken;
use crate::progress::Progress;
use crate::reconcile::Audit;
use crate::reconcile::finding::Finding;
use crate::reconcile::findings::FindingCollector;
use crate::reconcile::ingest_path::IngestPath;
use crate::reconcile::outcome::{TruthCounter, TruthResult};
use crate::reconcile::sorters::FULL;
use crate::reconcile::truth_entries::{HashEntry, Unresolved};
use crate::reconcile::verdict::DriftKind;
use crate::sort::Sorted;
use crate::truth::Expectation;
use pipeline::hex::hex;
use pipeline::lake::{Key, head};
use pipeline::record::row::{Row, TableSchema};

/// Number of ids that are rechecked together.
const BATCH: usize = 1_000;

impl TruthCheck {
    /// Resolves everything that depends on the complete result; returns `None` if the run was cancelled.
    pub(in crate::reconcile) async fn resolve(
        mut self,
        audit: &Audit,
        schema: &TableSchema,
        findings: &mut FindingCollector,
        progress: &Progress,
        cancel: &CancellationToken,
    ) -> anyhow::Result<Option<TruthResult>> {
        let Some(missing) = self.quarantine(&*audit.lake, progress, cancel).await? else { return Ok(None) };
        self.truth.ingest_path = self.ingest_path.or_else(|| infer_ingest_path(&self.truth));
        self.check_quarantine(missing, findings)?;
        let mut unresolved =
            std::mem::replace(&mut self.unresolved, self.sorters.unresolved()?).finish().context(FULL)?;
        let stage = progress.stage("final recheck", "readings", None);
        loop {
            if cancel.is_cancelled() {
                return Ok(None);
            }
            let batch: Result<Vec<Unresolved>, _> = unresolved.by_ref().take(BATCH).collect();
            let mut batch = batch.context("what was doubtful cannot be read back from disk")?;
            if batch.is_empty() {
                break;
            }
            recheck_missing(audit, schema, &mut batch).await?;
            stage.add(batch.len() as u64);
            for item in batch {
                self.judge(item, findings)?;
            }
        }
        stage.finish();
        self.truth.finalize();
        Ok(Some(self.truth))
    }

    /// Checks messages missing from the quarantine; none are missing if none were sent.
    fn check_quarantine(&mut self, missing: Sorted<HashEntry>, findings: &mut FindingCollector) -> anyhow::Result<()> {
        for entry in missing {
            let HashEntry { hash, at } = entry.context("what the quarantine lacks cannot be read back from disk")?;
            if matches!(self.truth.ingest_path, Some(IngestPath::Publish) | None) {
                self.truth[TruthCounter::QuarantinedWithheld] += 1;
                continue;
            }
            self.truth[TruthCounter::QuarantinedMissing] += 1;
            let location = at.into_location();
            let why = format!("not in the quarantine as {}.json: {location}", hex(&hash));
            let finding = Finding { truth: Some(location), ..Finding::without_id(DriftKind::TruthMissing, None) };
            findings.report(finding.with_reason(why), None)?;
        }
        Ok(())
    }

    fn judge(&mut self, unresolved: Unresolved, findings: &mut FindingCollector) -> anyhow::Result<()> {
        let Unresolved { entry, key, row } = unresolved;
        let location = entry.at.into_location();
        if entry.expect == Expectation::Oversized {
            if self.truth.ingest_path != Some(IngestPath::Backfill) {
                let seen = Observed { key: key.as_deref(), inside: true, row };
                let there = key.is_some() || row;
                let why = "a topic refuses it as too large";
                return if there {
                    self.report_unexpected(&entry.id, seen, Some(location), why, findings)
                } else {
                    Ok(())
                };
            }
            self.truth[TruthCounter::Expected] += 1;
        }
        let lacks = match (key.is_some(), row) {
            (true, true) => {
                self.truth[TruthCounter::Found] += 1;
                return Ok(());
            }
            (true, false) => "not in the warehouse",
            (false, true) => "not in the lake",
            (false, false) => "in neither store",
        };
        self.truth[TruthCounter::Missing] += 1;
        self.truth[TruthCounter::MissingInLake] += u64::from(key.is_none());
        self.truth[TruthCounter::MissingInWarehouse] += u64::from(!row);
        let sides = [key.is_some(), row];
        let finding = of_id(DriftKind::TruthMissing, &entry.id, key, sides).with_reason(format!("{lacks}: {location}"));
        findings.report(Finding { truth: Some(location), ..finding }, None)
    }
}

/// Infers the ingest path: only a backfill stores messages too large for a topic, and only plain `publish` leaves the
/// quarantine empty. `None` if no message was invalid or too large.
pub(super) fn infer_ingest_path(truth: &TruthResult) -> Option<IngestPath> {
    let any = |counter: TruthCounter| truth[counter] > 0;
    if any(TruthCounter::OversizedStored) {
        Some(IngestPath::Backfill)
    } else if any(TruthCounter::QuarantinedFound) {
        Some(IngestPath::SendInvalid)
    } else {
        (any(TruthCounter::QuarantinedExpected) || any(TruthCounter::Oversized)).then_some(IngestPath::Publish)
    }
}

/// Rechecks what the merge did not find, because it may have been in transit.
async fn recheck_missing(audit: &Audit, schema: &TableSchema, unresolved: &mut [Unresolved]) -> anyhow::Result<()> {
    let wanted = |item: &Unresolved| !item.row || item.key.is_none();
    let ids: Vec<String> = unresolved.iter().filter(|item| wanted(item)).map(|d| d.entry.id.text().into()).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let rows = audit.warehouse.fetch(&ids, schema).await?;
    let rows: HashMap<&str, &Row> = rows.iter().map(|row| (row.id(), row)).collect();
    for item in unresolved.iter_mut().filter(|item| wanted(item)) {
        let row = rows.get(&*item.entry.id.text());
        item.row = row.is_some();
        // The values of the row determine the key of its object.
        let key = row.and_then(|row| row.to_record()).as_ref().and_then(Key::of);
        if let (None, Some(key)) = (&item.key, key) {
            item.key = head(&*audit.lake, &key.to_string()).await?.map(|meta| meta.key);
        }
    }
    Ok(())
}
