//! The end of a proof: what was doubtful is looked at again, and judged by the door through which the history came.

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

/// Ids looked at again together.
const BATCH: usize = 1_000;

impl TruthCheck {
    /// Judges everything that only the end can tell; `None` where it was to stop before.
    pub(in crate::reconcile) async fn resolve(
        mut self,
        audit: &Audit,
        schema: &TableSchema,
        findings: &mut FindingCollector,
        progress: &Progress,
        cancel: &CancellationToken,
    ) -> anyhow::Result<Option<TruthResult>> {
        let Some(missing) = self.quarantine(&*audit.lake, progress, stop).await? else { return Ok(None) };
        self.truth.ingest_path = self.ingest_path.or_else(|| infer_ingest_path(&self.truth));
        self.check_quarantine(missing, findings)?;
        let mut unresolved = std::mem::replace(&mut self.unresolved, self.sorters.doubts()?).finish().context(FULL)?;
        let stage = progress.stage("third look", None);
        loop {
            if stop.is_cancelled() {
                return Ok(None);
            }
            let batch: Result<Vec<Unresolved>, _> = unresolved.by_ref().take(BATCH).collect();
            let mut batch = batch.context("what was doubtful cannot be read back from disk")?;
            if batch.is_empty() {
                break;
            }
            recheck_missing(audit, shape, &mut batch).await?;
            stage.add(batch.len() as u64);
            for doubt in batch {
                self.judge(doubt, findings)?;
            }
        }
        stage.finish();
        self.truth.finalize();
        Ok(Some(self.truth))
    }

    /// What the quarantine lacks: nothing is missing where nothing was sent.
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

/// The door that what is there tells: only a backfill brings in what is too large for a topic, and only `publish` alone leaves the
/// quarantine empty. `None` where nothing was broken or too large.
pub(super) fn infer_ingest_path(truth: &TruthResult) -> Option<IngestPath> {
    let any = |counter: TruthCounter| truth[counter] > 0;
    if any(TruthCounter::RefusedStored) {
        Some(IngestPath::Backfill)
    } else if any(TruthCounter::QuarantinedFound) {
        Some(IngestPath::SendInvalid)
    } else {
        (any(TruthCounter::QuarantinedExpected) || any(TruthCounter::Refused)).then_some(IngestPath::Publish)
    }
}

/// Looks once more for what the merge did not find: it may have been on its way.
async fn recheck_missing(audit: &Audit, schema: &TableSchema, unresolved: &mut [Unresolved]) -> anyhow::Result<()> {
    let wanted = |doubt: &Unresolved| !doubt.row || doubt.key.is_none();
    let ids: Vec<String> = doubts.iter().filter(|doubt| wanted(doubt)).map(|d| d.entry.id.text().into()).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let rows = audit.warehouse.fetch(&ids, shape).await?;
    let rows: HashMap<&str, &Row> = rows.iter().map(|row| (row.id(), row)).collect();
    for doubt in doubts.iter_mut().filter(|doubt| wanted(doubt)) {
        let row = rows.get(&*doubt.entry.id.text());
        doubt.row = row.is_some();
        // Its object lies where its values say, if it lies anywhere.
        let key = row.and_then(|row| row.to_record()).as_ref().and_then(Key::of);
        if let (None, Some(key)) = (&doubt.key, key) {
            doubt.key = head(&*audit.lake, &key.to_string()).await?.map(|meta| meta.key);
        }
    }
    Ok(())
}
