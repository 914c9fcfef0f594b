//! Rechecks candidates, and reports the result of each.

use anyhow::Context as _;
use chrono::{NaiveDateTime, TimeDelta, Utc};

use super::pair::differing;
use super::single_record::{forged_id, record_findings, row_findings};
use super::{FindingCollector, FindingDay};
use crate::cancellation::CancellationToken;
use crate::progress::Progress;
use crate::reconcile::Audit;
use crate::reconcile::finding::{CopyState, Finding, Stability};
use crate::reconcile::intact::IntactSide;
use crate::reconcile::recheck::{Candidate, LostObject, Observation, agrees, recheck};
use crate::reconcile::sorters::FULL;
use crate::reconcile::verdict::{Counter, DriftKind};
use pipeline::record::row::{Row, TableSchema, Value};
use pipeline::record::{Column, IdCheck, Record, reading_id};

/// Number of candidates that are rechecked together.
const RECHECK: usize = 1_000;
/// Maximum clock difference between the machines that process records.
const MAX_CLOCK_SKEW: TimeDelta = TimeDelta::minutes(15);

impl FindingCollector {
    /// Rechecks the collected candidates if they are a full batch, or enough to stop the audit.
    pub(in crate::reconcile) async fn recheck_full(
        &mut self,
        audit: &Audit,
        schema: &TableSchema,
    ) -> anyhow::Result<()> {
        if let Some(max) = audit.halt_after {
            let suspected = self.candidates.len() as u64 + self.one_sided.count;
            if suspected > 0 && self.found + suspected >= max {
                return self
                    .recheck_all(audit, schema, &Progress::Silent, &CancellationToken::default())
                    .await
                    .map(drop);
            }
        }
        if self.candidates.len() >= RECHECK {
            let candidates = std::mem::take(&mut self.candidates);
            self.recheck(audit, schema, candidates).await?;
        }
        Ok(())
    }

    /// Rechecks all candidates; returns true if it reached the end.
    pub(in crate::reconcile) async fn recheck_all(
        &mut self,
        audit: &Audit,
        schema: &TableSchema,
        progress: &Progress,
        cancel: &CancellationToken,
    ) -> anyhow::Result<bool> {
        let candidates = std::mem::take(&mut self.candidates);
        let stage = progress.stage("recheck", "findings", Some(candidates.len() as u64 + self.one_sided.count));
        let one_sided = std::mem::replace(&mut self.one_sided, self.sorters.unpaired()?);
        let mut pairs = one_sided.paired().context(FULL)?;
        let mut batch = candidates;
        loop {
            while batch.len() < RECHECK
                && let Some(candidate) = pairs.next().transpose().context("what was found cannot be read back")?
            {
                batch.push(candidate);
            }
            if batch.is_empty() {
                break;
            }
            if cancel.is_cancelled() || self.reached_limit(audit) {
                return Ok(false);
            }
            stage.add(batch.len() as u64);
            self.recheck(audit, schema, std::mem::take(&mut batch)).await?;
        }
        stage.finish();
        Ok(true)
    }

    async fn recheck(&mut self, audit: &Audit, schema: &TableSchema, candidates: Vec<Candidate>) -> anyhow::Result<()> {
        for (candidate, observation) in recheck(audit, schema, candidates).await? {
            match &mut self.deferred {
                Some(deferred) => deferred.leave_rechecked(&candidate, &observation).context(FULL)?,
                None => self.resolve_candidate(audit, schema, &candidate, observation)?,
            }
        }
        Ok(())
    }

    /// Reports the result of a candidate, and counts the current state.
    pub(in crate::reconcile) fn resolve_candidate(
        &mut self,
        audit: &Audit,
        schema: &TableSchema,
        before: &Candidate,
        now: Observation,
    ) -> anyhow::Result<()> {
        let agreed = match (&before.record, &before.row) {
            (Some(record), Some(row)) => audit.differences(record, &row.0, schema).is_empty(),
            _ => false,
        };
        if !agreed && agrees(audit, schema, &now) {
            self.outcome[Counter::ResolvedOnRecheck] += 1;
        }
        let lost = !now.lost.is_empty();
        for (key, how) in &now.lost {
            self.report_lost_object(before, key, how)?;
        }
        let differences = match (&now.primary, &now.row) {
            (Some((_, record)), Some(row)) => audit.differences(record, row, schema),
            _ => Vec::new(),
        };
        match (&now.primary, &now.row) {
            (Some(_), Some(row)) if differences.is_empty() => self.saw_both(row),
            (home, row) => {
                home.iter().for_each(|(_, record)| self.saw_record(record, schema));
                row.iter().for_each(|row| self.saw_row(row));
                if let (Some((_, record)), Some(row)) = (home, row)
                    && let Some(strayed) = FindingDay::of_row(row).filter(|place| *place != FindingDay::of(record))
                {
                    self.outcome.cell(&strayed.farm, strayed.day).out_of_window += 1;
                }
            }
        }
        if let Some((key, record)) = &now.primary {
            self.check_record(audit, schema, (key.as_str(), record), &now)?;
        }
        match (&now.primary, &now.row) {
            (Some(_), Some(_)) if differences.is_empty() => {
                self.outcome[Counter::Matched] += 1;
                Ok(())
            }
            (Some((key, record)), Some(row)) => {
                let finding = differing(audit, schema, (key.as_str(), record), (row, differences));
                self.report_observed(finding, &now, Some(FindingDay::of(record)))
            }
            (Some((key, record)), None) => {
                let finding = Finding::new(DriftKind::LakeOnly, &record.id_treated_data, Some(key.clone()));
                let finding = finding.of_record(record);
                let finding = with_context(finding, Some(record), None, schema);
                self.report_observed(finding, &now, Some(FindingDay::of(record)))
            }
            (None, Some(row)) => self.check_row_without_object(audit, schema, row, lost, &now),
            (None, None) => Ok(()),
        }
    }

    /// Reports a finding with the context from its recheck.
    fn report_observed(
        &mut self,
        finding: Finding,
        now: &Observation,
        place: Option<FindingDay>,
    ) -> anyhow::Result<()> {
        let finding = match &now.id_variant {
            Some(near) if finding.kind != DriftKind::Differing => {
                finding.with_reason(format!("the warehouse has {near:?}, which it takes for the same id"))
            }
            _ => finding,
        };
        if !now.unstable {
            return self.report(finding, place);
        }
        self.outcome[Counter::Unstable] += 1;
        self.report(Finding { stability: Stability::Unstable, ..finding }, place)
    }

    /// Reports an object that no longer contains its record.
    fn report_lost_object(&mut self, before: &Candidate, key: &str, how: &LostObject) -> anyhow::Result<()> {
        self.outcome[Counter::LakeObjects] += 1;
        let finding = |kind, why: &str| Finding::new(kind, &before.id, Some(key.to_owned())).with_reason(why);
        match how {
            LostObject::Archived => {
                self.outcome[Counter::Archived] += 1;
                Ok(())
            }
            LostObject::Unreadable(why) => self.report(finding(DriftKind::Unreadable, why), FindingDay::of_key(key)),
            LostObject::Rejected(why) => self.report(finding(DriftKind::Rejected, why), FindingDay::of_key(key)),
        }
    }

    /// Checks a single record: its id, its location, its rule, its copies.
    fn check_record(
        &mut self,
        audit: &Audit,
        schema: &TableSchema,
        (key, record): (&str, &Record),
        now: &Observation,
    ) -> anyhow::Result<()> {
        self.natural(record, Some(key))?;
        self.outcome[Counter::FromWarehouse] += u64::from(record.check_id() == IdCheck::Repaired);
        let intact = || now.row.as_ref().and_then(|row| IntactSide::of(record, row, schema));
        let intact_copy = intact_copy(record, now);
        let forged = forged_id(key, record).map(|finding| {
            let more = intact_copy.map(|copy| format!("; {copy} has the values of the id")).unwrap_or_default();
            let reason = finding.reason.as_ref().map(|reason| format!("{reason}{more}"));
            Finding { intact: intact(), reason, ..finding }
        });
        for finding in forged.into_iter().chain(record_findings(audit, key, record)) {
            self.report(finding, Some(FindingDay::of(record)))?;
        }
        for (copy, other) in &now.copies {
            self.check_copy((key, record), (copy.as_str(), other), intact_copy.is_some())?;
        }
        Ok(())
    }

    /// Checks a further object with the id of a record. `is_forged` means that the record was changed, and a copy was not.
    fn check_copy(
        &mut self,
        (key, record): (&str, &Record),
        (copy, other): (&str, &Record),
        is_forged: bool,
    ) -> anyhow::Result<()> {
        self.outcome[Counter::LakeObjects] += 1;
        self.outcome[Counter::LakeRecords] += 1;
        let is_intact = is_forged && other.check_id() == IdCheck::Proven;
        let state = if is_intact { CopyState::OnlyIntact } else { CopyState::Removable };
        let why = match (record == other, is_intact) {
            (true, _) => format!("the same values as {key}"),
            (false, false) => format!("other values as {key}"),
            (false, true) => format!("other values as {key}, which was changed: only the copy has those of the id"),
        };
        let finding = Finding::new(DriftKind::DuplicateObject, &record.id_treated_data, Some(copy.to_owned()));
        self.report(Finding { copy: state, ..finding.with_reason(why) }, Some(FindingDay::of(record)))?;
        match forged_id(copy, other) {
            Some(forged) => self.report(Finding { copy: state, ..forged }, Some(FindingDay::of(other))),
            None => Ok(()),
        }
    }

    /// Checks a row without an object.
    fn check_row_without_object(
        &mut self,
        audit: &Audit,
        schema: &TableSchema,
        row: &Row,
        lost: bool,
        now: &Observation,
    ) -> anyhow::Result<()> {
        // Its object may be too new to be read. A row dated further ahead than clocks differ cannot have such an
        // object.
        let cutoff = self.outcome.cutoff.map_or(NaiveDateTime::MAX, |cutoff| cutoff.naive_utc());
        let latest = (Utc::now() + MAX_CLOCK_SKEW).naive_utc();
        let too_new = row.instant(Column::RowTs).is_some_and(|at| cutoff <= at && at <= latest);
        if lost || too_new {
            self.outcome[Counter::NotCompared] += 1;
            return Ok(());
        }
        let record = row.to_record();
        let place = FindingDay::of_row(row);
        if let Some(record) = &record {
            self.natural(record, None)?;
            for finding in row_findings(audit, schema, row, record) {
                self.report(finding, place.clone())?;
            }
        }
        let finding = with_context(Finding::new(DriftKind::WarehouseOnly, row.id(), None), None, Some(row), schema);
        let why = match &record {
            Some(record) if reading_id(&record.reading).to_string() == row.id() => {
                "the row is intact: its id matches its values"
            }
            _ => "its id does not match its values: written manually or by the legacy Lambda?",
        };
        self.report_observed(finding.with_reason(why), now, place)
    }
}

/// Returns the key of a copy that has the values of its id, if the compared object was changed.
fn intact_copy<'a>(record: &Record, now: &'a Observation) -> Option<&'a str> {
    let mut copies = now.copies.iter().filter(|(_, copy)| copy.check_id() == IdCheck::Proven);
    let first = copies.next().map(|(key, _)| key.as_str())?;
    (record.check_id() == IdCheck::Forged).then_some(first)
}

/// Adds farm, pen, lot and times, so that a reader of the finding need not look up the id.
fn with_context(mut finding: Finding, record: Option<&Record>, row: Option<&Row>, schema: &TableSchema) -> Finding {
    for column in [Column::CodCliente, Column::IdCurral, Column::IdLote, Column::Data, Column::RowTs] {
        let lake = record.map_or(Value::Null, |record| record.value(column, schema));
        let warehouse = row.map_or(Value::Null, |row| row.get(column).clone());
        finding = finding.with_field(column, lake, warehouse);
    }
    finding
}
