//! The end of a proof: what was doubtful is looked at again, and judged by the door through which the history came.

use std::collections::HashMap;

use anyhow::Context as _;

use super::proof::{Proof, Seen, of_id};
use crate::progress::Progress;
use crate::reconcile::Audit;
use crate::reconcile::door::Door;
use crate::reconcile::finding::Finding;
use crate::reconcile::findings::FindingCollector;
use crate::reconcile::outcome::{TruthCounter, TruthResult};
use crate::reconcile::sorters::FULL;
use crate::reconcile::truth_entries::{Doubt, HashEntry};
use crate::reconcile::verdict::Kind;
use crate::sort::Sorted;
use crate::stop::Stop;
use crate::truth::Fate;
use pipeline::hex::hex;
use pipeline::lake::{Key, look_up};
use pipeline::record::stored::{Row, Shape};

/// Ids looked at again together.
const BATCH: usize = 1_000;

impl Proof {
    /// Judges everything that only the end can tell; `None` where it was to stop before.
    pub(in crate::reconcile) async fn resolve(
        mut self,
        audit: &Audit,
        shape: &Shape,
        findings: &mut FindingCollector,
        progress: &Progress,
        stop: &Stop,
    ) -> anyhow::Result<Option<TruthResult>> {
        let Some(missing) = self.quarantine(&*audit.lake, progress, stop).await? else { return Ok(None) };
        self.truth.door = self.door.or_else(|| told_by(&self.truth));
        self.judge_kept(missing, findings)?;
        let mut doubts = std::mem::replace(&mut self.doubts, self.sorters.doubts()?).done().context(FULL)?;
        let stage = progress.stage("third look", None);
        loop {
            if stop.is_set() {
                return Ok(None);
            }
            let batch: Result<Vec<Doubt>, _> = doubts.by_ref().take(BATCH).collect();
            let mut batch = batch.context("what was doubtful cannot be read back from disk")?;
            if batch.is_empty() {
                break;
            }
            look_again(audit, shape, &mut batch).await?;
            stage.add(batch.len() as u64);
            for doubt in batch {
                self.judge(doubt, findings)?;
            }
        }
        stage.finish();
        self.truth.conclude();
        Ok(Some(self.truth))
    }

    /// What the quarantine lacks: nothing is missing where nothing was sent.
    fn judge_kept(&mut self, missing: Sorted<HashEntry>, findings: &mut FindingCollector) -> anyhow::Result<()> {
        for entry in missing {
            let HashEntry { hash, at } = entry.context("what the quarantine lacks cannot be read back from disk")?;
            if matches!(self.truth.door, Some(Door::Publish) | None) {
                self.truth[TruthCounter::QuarantinedWithheld] += 1;
                continue;
            }
            self.truth[TruthCounter::QuarantinedMissing] += 1;
            let told = at.told();
            let why = format!("not in the quarantine as {}.json: {told}", hex(&hash));
            let finding = Finding { told: Some(told), ..Finding::without_id(Kind::TruthMissing, None) };
            findings.report(finding.because(why), None)?;
        }
        Ok(())
    }

    fn judge(&mut self, doubt: Doubt, findings: &mut FindingCollector) -> anyhow::Result<()> {
        let Doubt { entry, key, row } = doubt;
        let told = entry.at.told();
        if entry.fate == Fate::Refused {
            if self.truth.door != Some(Door::Backfill) {
                let seen = Seen { key: key.as_deref(), inside: true, row };
                let there = key.is_some() || row;
                let why = "a topic refuses it as too large";
                return if there { self.surplus(&entry.id, seen, Some(told), why, findings) } else { Ok(()) };
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
        let finding = of_id(Kind::TruthMissing, &entry.id, key, sides).because(format!("{lacks}: {told}"));
        findings.report(Finding { told: Some(told), ..finding }, None)
    }
}

/// The door that what is there tells: only a backfill brings in what is too large for a topic, and only `publish` alone leaves the
/// quarantine empty. `None` where nothing was broken or too large.
pub(super) fn told_by(truth: &TruthResult) -> Option<Door> {
    let any = |counter: TruthCounter| truth[counter] > 0;
    if any(TruthCounter::RefusedStored) {
        Some(Door::Backfill)
    } else if any(TruthCounter::QuarantinedFound) {
        Some(Door::SendInvalid)
    } else {
        (any(TruthCounter::QuarantinedExpected) || any(TruthCounter::Refused)).then_some(Door::Publish)
    }
}

/// Looks once more for what the merge did not find: it may have been on its way.
async fn look_again(audit: &Audit, shape: &Shape, doubts: &mut [Doubt]) -> anyhow::Result<()> {
    let wanted = |doubt: &Doubt| !doubt.row || doubt.key.is_none();
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
            doubt.key = look_up(&*audit.lake, &key.to_string()).await?.map(|meta| meta.key);
        }
    }
    Ok(())
}
