//! The second look at candidates, and what is reported of each.

use anyhow::Context as _;
use chrono::{NaiveDateTime, TimeDelta, Utc};

use super::rules::{own, rule_of_row};
use super::{FindingCollector, FindingDay};
use crate::progress::Progress;
use crate::reconcile::Audit;
use crate::reconcile::finding::{Finding, Stability};
use crate::reconcile::look::{Look, Spoilt, Suspicion, agrees, look_again};
use crate::reconcile::sorters::FULL;
use crate::reconcile::verdict::{Counter, Kind};
use crate::stop::Stop;
use pipeline::record::stored::{Row, Shape, Value};
use pipeline::record::{Column, Record, reading_id};

/// Suspicions looked at again together.
const RECHECK: usize = 1_000;
/// How far the clocks of those who process records may be ahead.
const CLOCKS_APART: TimeDelta = TimeDelta::minutes(15);

impl FindingCollector {
    /// Looks again at what has gathered, once it is a batch, or would be enough to end with.
    pub(in crate::reconcile) async fn recheck_full(&mut self, audit: &Audit, shape: &Shape) -> anyhow::Result<()> {
        if let Some(most) = audit.halt_after {
            let suspected = self.doubts.len() as u64 + self.unpaired.count;
            if suspected > 0 && self.found + suspected >= most {
                return self.recheck_all(audit, shape, &Progress::Silent, &Stop::default()).await.map(drop);
            }
        }
        if self.doubts.len() >= RECHECK {
            let doubts = std::mem::take(&mut self.doubts);
            self.recheck(audit, shape, doubts).await?;
        }
        Ok(())
    }

    /// Looks again at everything that is suspected; returns whether it came to the end.
    pub(in crate::reconcile) async fn recheck_all(
        &mut self,
        audit: &Audit,
        shape: &Shape,
        progress: &Progress,
        stop: &Stop,
    ) -> anyhow::Result<bool> {
        let doubts = std::mem::take(&mut self.doubts);
        let stage = progress.stage("second look", Some(doubts.len() as u64 + self.unpaired.count));
        let unpaired = std::mem::replace(&mut self.unpaired, self.sorters.unpaired()?);
        let mut pairs = unpaired.paired().context(FULL)?;
        let mut batch = doubts;
        loop {
            while batch.len() < RECHECK
                && let Some(suspicion) = pairs.next().transpose().context("what was found cannot be read back")?
            {
                batch.push(suspicion);
            }
            if batch.is_empty() {
                break;
            }
            if stop.is_set() || self.is_hopeless(audit) {
                return Ok(false);
            }
            stage.add(batch.len() as u64);
            self.recheck(audit, shape, std::mem::take(&mut batch)).await?;
        }
        stage.finish();
        Ok(true)
    }

    async fn recheck(&mut self, audit: &Audit, shape: &Shape, doubts: Vec<Suspicion>) -> anyhow::Result<()> {
        for (suspicion, look) in look_again(audit, shape, doubts).await? {
            self.conclude(audit, shape, &suspicion, look)?;
        }
        Ok(())
    }

    /// Says what a suspicion comes to, and counts what is there now.
    fn conclude(&mut self, audit: &Audit, shape: &Shape, before: &Suspicion, now: Look) -> anyhow::Result<()> {
        let agreed = match (&before.record, &before.row) {
            (Some(record), Some(row)) => audit.differences(record, &row.0, shape).is_empty(),
            _ => false,
        };
        if !agreed && agrees(audit, shape, &now) {
            self.outcome[Counter::Settled] += 1;
        }
        let spoilt = !now.spoilt.is_empty();
        for (key, how) in &now.spoilt {
            self.spoilt(before, key, how)?;
        }
        let differences = match (&now.home, &now.row) {
            (Some((_, record)), Some(row)) => audit.differences(record, row, shape),
            _ => Vec::new(),
        };
        match (&now.home, &now.row) {
            (Some(_), Some(row)) if differences.is_empty() => self.saw_both(row),
            (home, row) => {
                home.iter().for_each(|(_, record)| self.saw_record(record, shape));
                row.iter().for_each(|row| self.saw_row(row));
                if let (Some((_, record)), Some(row)) = (home, row)
                    && let Some(strayed) = FindingDay::of_row(row).filter(|place| *place != FindingDay::of(record))
                {
                    self.outcome.cell(&strayed.farm, strayed.day).out_of_window += 1;
                }
            }
        }
        if let Some((key, record)) = &now.home {
            self.home(audit, key, record, &now.copies)?;
        }
        match (&now.home, &now.row) {
            (Some(_), Some(_)) if differences.is_empty() => {
                self.outcome[Counter::Matched] += 1;
                Ok(())
            }
            (Some((key, record)), Some(_)) => {
                let finding = Finding::new(Kind::Differing, &record.id_treated_data, Some(key.clone()));
                self.tell(Finding { fields: differences, ..finding }, &now, Some(FindingDay::of(record)))
            }
            (Some((key, record)), None) => {
                let finding = Finding::new(Kind::LakeOnly, &record.id_treated_data, Some(key.clone()));
                let finding = about(finding, Some(record), None, shape);
                self.tell(finding, &now, Some(FindingDay::of(record)))
            }
            (None, Some(row)) => self.row_alone(audit, shape, row, spoilt, &now),
            (None, None) => Ok(()),
        }
    }

    /// Reports with what the second look adds.
    fn tell(&mut self, finding: Finding, now: &Look, place: Option<FindingDay>) -> anyhow::Result<()> {
        let finding = match &now.near {
            Some(near) if finding.kind != Kind::Differing => {
                finding.because(format!("the warehouse has {near:?}, which it takes for the same id"))
            }
            _ => finding,
        };
        if !now.moving {
            return self.report(finding, place);
        }
        self.outcome[Counter::Moving] += 1;
        self.report(Finding { stability: Stability::Unstable, ..finding }, place)
    }

    /// An object that says nothing of its record any more.
    fn spoilt(&mut self, before: &Suspicion, key: &str, how: &Spoilt) -> anyhow::Result<()> {
        self.outcome[Counter::LakeObjects] += 1;
        let finding = |kind, why: &str| Finding::new(kind, &before.id, Some(key.to_owned())).because(why);
        match how {
            Spoilt::Archived => {
                self.outcome[Counter::Archived] += 1;
                Ok(())
            }
            Spoilt::Unreadable(why) => self.report(finding(Kind::Unreadable, why), FindingDay::of_key(key)),
            Spoilt::Rejected(why) => self.report(finding(Kind::Rejected, why), FindingDay::of_key(key)),
        }
    }

    /// What can be said of a record by itself: its place, its rule, its copies.
    fn home(&mut self, audit: &Audit, key: &str, record: &Record, copies: &[(String, Record)]) -> anyhow::Result<()> {
        self.natural(record, Some(key))?;
        for finding in own(audit, key, record) {
            self.report(finding, Some(FindingDay::of(record)))?;
        }
        for (copy, other) in copies {
            self.outcome[Counter::LakeObjects] += 1;
            self.outcome[Counter::LakeRecords] += 1;
            let same = if record == other { "the same values" } else { "other values" };
            let finding = Finding::new(Kind::DuplicateObject, &record.id_treated_data, Some(copy.clone()));
            self.report(finding.because(format!("{same} as {key}")), Some(FindingDay::of(record)))?;
        }
        Ok(())
    }

    /// A row for which no object speaks.
    fn row_alone(&mut self, audit: &Audit, shape: &Shape, row: &Row, spoilt: bool, now: &Look) -> anyhow::Result<()> {
        // Its object may be one of those that were too new to be read; nothing is so new that it is still to come.
        let fence = self.outcome.fence.map_or(NaiveDateTime::MAX, |fence| fence.naive_utc());
        let latest = (Utc::now() + CLOCKS_APART).naive_utc();
        let too_new = row.instant(Column::RowTs).is_some_and(|at| fence <= at && at <= latest);
        if spoilt || too_new {
            self.outcome[Counter::Unjudged] += 1;
            return Ok(());
        }
        let record = row.to_record();
        let place = FindingDay::of_row(row);
        if let Some(record) = &record {
            self.natural(record, None)?;
            if let Some(finding) = rule_of_row(audit, shape, row, record) {
                self.report(finding, place.clone())?;
            }
        }
        let finding = about(Finding::new(Kind::WarehouseOnly, row.id(), None), None, Some(row), shape);
        let why = match &record {
            Some(record) if reading_id(&record.reading).to_string() == row.id() => {
                "the row is intact: its id matches its values"
            }
            _ => "its id is not that of its values: written by hand or by an older Lambda?",
        };
        self.tell(finding.because(why), now, place)
    }
}

/// Who and when, so that a reader of the finding file need not look the id up.
fn about(mut finding: Finding, record: Option<&Record>, row: Option<&Row>, shape: &Shape) -> Finding {
    for column in [Column::CodCliente, Column::IdCurral, Column::IdLote, Column::Data, Column::RowTs] {
        let lake = record.map_or(Value::Null, |record| record.value(column, shape));
        let warehouse = row.map_or(Value::Null, |row| row.get(column).clone());
        finding = finding.with_field(column, lake, warehouse);
    }
    finding
}
