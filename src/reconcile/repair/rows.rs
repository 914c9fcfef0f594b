//! Warehouse side of a repair: inserts and updates rows in batches, and reads them again.

use std::collections::HashMap;

use futures::stream::{self, StreamExt};

use super::{RepairResult, Repaired, Repairer, require_undo_entry};
use crate::reconcile::action::Action;
use crate::reconcile::finding::Finding;
use crate::undo::{RecordedChanges, RowChange};
use pipeline::lake::Reason;
use pipeline::record::row::Row;
use pipeline::record::{MAX_OBJECT_BYTES, Record};
use pipeline::warehouse::{self, ChangeSet, InsertResult};

/// Row to repair: the record, and the row before and after. `None` if the row is already correct.
struct RowRepair {
    record: Record,
    change: Option<(Option<Row>, Row)>,
}

impl RowRepair {
    /// Returns the row before and after.
    fn pair(&self) -> Option<RowChange<'_>> {
        self.change.as_ref().map(|(before, after)| (before.as_ref(), after))
    }
}

impl Repairer<'_> {
    /// Repairs findings by changing rows; returns one result per finding.
    pub(super) async fn rows(&mut self, batch: &[(Finding, Action)]) -> anyhow::Result<Vec<RepairResult>> {
        let mut repairs = self.prepare(batch).await?;
        let mut recorded = RecordedChanges::default();
        let due = || repairs.iter().flatten().filter_map(RowRepair::pair);
        if due().next().is_some() {
            require_undo_entry(self.undo_file.record(due(), &mut recorded))?;
            if !self.apply_all(repairs.iter().flatten()).await? {
                for repair in &mut repairs {
                    let refused = match repair {
                        Ok(repair) => self.apply_one(repair, &mut recorded).await?,
                        Err(_) => None,
                    };
                    if let Some(why) = refused {
                        *repair = Err(why);
                    }
                }
            }
        }
        self.verify(repairs).await
    }

    /// Reads object and row of each finding again, and prepares the changes.
    async fn prepare(&self, batch: &[(Finding, Action)]) -> anyhow::Result<Vec<Result<RowRepair, String>>> {
        let records: Vec<_> = stream::iter(batch)
            .map(|(finding, _)| self.read_record(finding))
            .buffered(self.audit.reads.max(1))
            .collect::<Vec<_>>()
            .await;
        let ids: Vec<String> = batch.iter().map(|(finding, _)| finding.row_id().to_owned()).collect();
        let mut rows = self.by_id(&ids).await?;
        let mut repairs = Vec::with_capacity(batch.len());
        for (((finding, action), record), id) in batch.iter().zip(records).zip(&ids) {
            let row = rows.remove(id);
            repairs.push(record?.and_then(|record| self.step(finding, *action, record, row)));
        }
        Ok(repairs)
    }

    fn step(&self, finding: &Finding, action: Action, record: Record, row: Option<Row>) -> Result<RowRepair, String> {
        let differences = row.as_ref().map(|row| record.differences(row, &self.schema));
        let change = match (row, differences) {
            (Some(_), Some(none)) if none.is_empty() => None,
            (None, _) if action == Action::Insert => Some((None, record.to_row(&self.schema))),
            (None, _) => return Err("the row no longer exists: audit again".into()),
            (Some(_), _) if action == Action::Insert => {
                return Err("a row with other values was written in the meantime: audit again".into());
            }
            (Some(row), Some(differences)) if finding.is_unchanged(&differences) => {
                Some((Some(row), record.to_row(&self.schema)))
            }
            _ => return Err("the row or the object changed since the audit: audit again".into()),
        };
        Ok(RowRepair { record, change })
    }

    /// Returns the record in a finding's object, or why there is none.
    async fn read_record(&self, finding: &Finding) -> anyhow::Result<Result<Record, String>> {
        let (Some(id), Some(key)) = (&finding.id, &finding.key) else {
            return Ok(Err("it has no id or no key".into()));
        };
        Ok(match self.audit.lake.get_within(key, MAX_OBJECT_BYTES).await {
            Ok(body) => match Record::parse(&body) {
                Ok(record) if record.id_treated_data == *id => Ok(record),
                Ok(_) => Err("the object now holds another record".into()),
                Err(why) => Err(format!("the object can no longer be read: {why}")),
            },
            Err(e) if e.reason == Reason::NotFound => Err("the object no longer exists".into()),
            Err(e) if e.concerns_one_object() => Err(format!("the object can no longer be read: {}", e.message)),
            Err(e) => return Err(e.into()),
        })
    }

    pub(super) async fn by_id(&self, ids: &[String]) -> anyhow::Result<HashMap<String, Row>> {
        let rows = self.audit.warehouse.fetch(ids, &self.schema).await?;
        Ok(rows.into_iter().map(|row| (row.id().to_owned(), row)).collect())
    }

    /// Applies all changes in one transaction; returns true if it succeeded.
    async fn apply_all(&self, repairs: impl Iterator<Item = &RowRepair>) -> anyhow::Result<bool> {
        let (mut insert, replace) = split_inserts(repairs);
        insert.sort_by(|a, b| a.id().cmp(b.id()));
        let change = ChangeSet { insert: &insert, replace: &replace, ..ChangeSet::default() };
        match self.audit.warehouse.apply(&change, &self.schema).await {
            Ok(done) => Ok(done == InsertResult::Inserted),
            Err(e) if e.reason == warehouse::Reason::BadRow => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// Applies a single change; returns the reason if it was rejected.
    async fn apply_one(
        &self,
        repair: &mut RowRepair,
        recorded: &mut RecordedChanges,
    ) -> anyhow::Result<Option<String>> {
        let Some(pair) = repair.pair() else { return Ok(None) };
        require_undo_entry(self.undo_file.record([pair], recorded))?;
        let (insert, replace) = split_inserts(std::iter::once(&*repair));
        let change = ChangeSet { insert: &insert, replace: &replace, ..ChangeSet::default() };
        match self.audit.warehouse.apply(&change, &self.schema).await {
            // After a lost response, `Taken` may mean our own row; the verification reads it again.
            Ok(_) => Ok(None),
            Err(e) if e.reason == warehouse::Reason::BadRow => Ok(Some(e.message)),
            Err(e) => Err(e.into()),
        }
    }

    /// Reads all rows again and compares them.
    async fn verify(&self, repairs: Vec<Result<RowRepair, String>>) -> anyhow::Result<Vec<RepairResult>> {
        let ids: Vec<String> = repairs.iter().flatten().map(|repair| repair.record.id_treated_data.clone()).collect();
        let rows = self.by_id(&ids).await?;
        let judge = |RowRepair { record, change }: RowRepair| match rows.get(&record.id_treated_data) {
            Some(row) if record.differences(row, &self.schema).is_empty() => {
                Ok(if change.is_some() { Repaired::Changed } else { Repaired::AlreadyEqual })
            }
            Some(_) => Err("verification failed: another process is writing; audit again".to_owned()),
            None => Err("verification failed: another process deletes rows; audit again".to_owned()),
        };
        Ok(repairs.into_iter().map(|repair| repair.and_then(judge)).collect())
    }
}

/// Returns the rows to insert, and the rows to update.
fn split_inserts<'a>(repairs: impl Iterator<Item = &'a RowRepair>) -> (Vec<Row>, Vec<(Row, Row)>) {
    let (mut insert, mut replace) = (Vec::new(), Vec::new());
    for (before, after) in repairs.filter_map(|repair| repair.change.clone()) {
        match before {
            None => insert.push(after),
            Some(before) => replace.push((before, after)),
        }
    }
    (insert, replace)
}

#[cfg(test)]
mod tests {
    use crate::cancellation::CancellationToken;
    use crate::progress::Progress;
    use crate::reconcile::outcome::RepairOutcome;
    use crate::reconcile::tests::{Scene, record};
    use crate::reconcile::{DriftWriter, RepairCounter, RepairPlan, RepairTarget, Trust, repair, run};
    use pipeline::record::Record;

    /// Audits an object and a row with other values, writes another row, and repairs what the audit found.
    async fn repaired_after(written: &Record) -> RepairOutcome {
        let scene = Scene::new().await;
        let mut other = record(1);
        other.reading.dia_confinamento += 1;
        scene.object(&record(1));
        scene.row(&other);
        let (audit, progress, cancel) = (scene.audit(), Progress::Silent, CancellationToken::default());
        let (_, sink) = run(&audit, DriftWriter::new(None).unwrap(), &progress, &cancel).await.unwrap();
        let findings = sink.finish(&audit.sort).unwrap();
        scene.row(written);
        let home = tempfile::tempdir().unwrap();
        let plan = RepairPlan {
            direction: RepairTarget::Both,
            trust: Trust::Lake,
            dry_run: false,
            unidentified: 0,
            max_changes: None,
            ids: 1,
            undo: (home.path().join("undo.ndjson"), "t".into()),
        };
        repair(&audit, &findings, &plan, &progress, &cancel).await.unwrap()
    }

    /// The row was repaired between the audit and its repair, as by a merge that runs twice.
    #[tokio::test]
    async fn a_finding_that_is_gone_is_no_change() {
        let repaired = repaired_after(&record(1)).await;
        let counts = [RepairCounter::AlreadyEqual, RepairCounter::Updated, RepairCounter::Verified];
        assert_eq!((counts.map(|counter| repaired[counter]), repaired.undo_file), ([1, 0, 0], None));
    }

    /// Another program changed the row between the audit and its repair.
    #[tokio::test]
    async fn a_row_that_changed_since_the_audit_is_not_overwritten() {
        let mut written = record(1);
        written.reading.quantidade_animais += 5;
        let repaired = repaired_after(&written).await;
        let counts = [RepairCounter::Failed, RepairCounter::Updated, RepairCounter::Verified];
        assert_eq!((counts.map(|counter| repaired[counter]), repaired.undo_file), ([1, 0, 0], None));
    }
}
