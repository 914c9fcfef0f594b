//! Repair: fixes findings in the requested direction, and verifies each by reading it again.
//!
//! | finding | repaired by |
//! | --- | --- |
//! | lake_only | inserting the row |
//! | warehouse_only | writing the object, never over another |
//! | differing, the lake is trusted | writing the lake's values into the row, if it has not changed since the audit |
//! | differing, the warehouse is trusted | writing the row's values into the object, if it has not changed since the audit |
//!
//! All other findings are reported and left unchanged. So are the values of an object whose id is forged: they are never
//! copied into the warehouse. Neither are those of an earlier repair, if the row alone matches the id. Objects of the
//! lake are never moved or deleted, and only overwritten if the user trusts the warehouse; objects that match their id
//! are then overwritten too, and counted. Each change is flushed to the undo file before it is made.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;

use super::action::Action;
use super::drift::Drift;
use super::finding::{CopyState, Finding, Stability};
use super::finding_file::WrittenFindings;
use super::intact::IntactSide;
use super::outcome::{PlannedChange, RepairCounter, RepairOutcome, Repairable};
use super::verdict::{DriftKind, FORGED, FORGED_COPY, INTACT_COPY, INTACT_ROW};
use super::{Audit, Budget};
use crate::cancellation::CancellationToken;
use crate::outcome::counted;
use crate::progress::{Progress, Stage};
use crate::undo::UndoFile;
use pipeline::record::row::TableSchema;

mod objects;
mod rows;

/// Number of findings that are repaired together.
const BATCH: usize = 500;

/// Side to repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum RepairTarget {
    /// Insert and update rows from the lake
    Warehouse,
    /// Write missing objects from the warehouse
    Lake,
    /// Both sides
    Both,
}

/// Side whose values are used if both sides differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Trust {
    /// Use the lake's values
    #[default]
    Lake,
    /// Use the warehouse's values
    Warehouse,
}

impl RepairTarget {
    fn targets_warehouse(self) -> bool {
        matches!(self, Self::Warehouse | Self::Both)
    }

    fn targets_lake(self) -> bool {
        matches!(self, Self::Lake | Self::Both)
    }
}

/// Scope of a repair, with the results of the audit before it.
#[derive(Debug, Clone)]
pub struct RepairPlan {
    /// Side to repair.
    pub direction: RepairTarget,
    /// Side whose values are used if both sides differ.
    pub trust: Trust,
    /// If true, only counts the changes.
    pub dry_run: bool,
    /// Number of objects that could not be compared and have no id in their name; any of them may belong to a row
    /// without an object.
    pub unidentified: u64,
    /// Maximum number of changes; if the repair would exceed it, nothing is changed.
    pub max_changes: Option<Budget>,
    /// Number of ids on both sides, for a relative limit.
    pub ids: u64,
    /// Undo file, and the table of its lines.
    pub undo: (PathBuf, String),
}

/// Reason for not writing objects while such objects exist.
const UNIDENTIFIED_OBJECTS: &str = "objects without an id in their names could not be compared, and one of them may belong to this row: fix or restore them, then audit again";

impl RepairPlan {
    /// Returns the change that is planned for a finding. `None` if it is left unchanged.
    pub fn planned(&self, finding: &Finding) -> Option<Action> {
        self.action(finding).ok()
    }

    /// Returns the action for a finding, or the reason to leave it unchanged.
    fn action(&self, finding: &Finding) -> Result<Action, &'static str> {
        let direction = self.direction;
        match finding.kind {
            _ if finding.stability == Stability::Unstable => {
                Err("different at every recheck: audit again when it has come to rest")
            }
            DriftKind::LakeOnly if direction.targets_warehouse() && finding.forged => Err(FORGED),
            DriftKind::LakeOnly if direction.targets_warehouse() => Ok(Action::Insert),
            DriftKind::Differing => match self.trust {
                Trust::Lake if direction.targets_warehouse() && finding.forged => Err(FORGED),
                Trust::Lake if direction.targets_warehouse() && finding.intact == Some(IntactSide::Warehouse) => {
                    Err(INTACT_ROW)
                }
                Trust::Lake if direction.targets_warehouse() => Ok(Action::Update),
                Trust::Warehouse if direction.targets_lake() => Ok(Action::ReplaceObject),
                Trust::Lake => Err(DriftKind::Differing.left_because()),
                Trust::Warehouse => Err("the warehouse is trusted: repair the lake, or both; or --trust lake"),
            },
            DriftKind::WarehouseOnly if direction.targets_lake() && self.unidentified > 0 => Err(UNIDENTIFIED_OBJECTS),
            DriftKind::WarehouseOnly if direction.targets_lake() => Ok(Action::WriteObject),
            DriftKind::ForgedId if finding.copy == CopyState::Removable => Err(FORGED_COPY),
            DriftKind::DuplicateObject if finding.copy == CopyState::OnlyIntact => Err(INTACT_COPY),
            kind => Err(kind.left_because()),
        }
    }
}

/// Repairs the findings, or only counts the changes in a dry run.
///
/// A failure of a store during the repair, or a cancellation, ends it early. The outcome contains the reason, and
/// another repair continues.
///
/// # Errors
/// Returns an error if the warehouse cannot be reached at the start, or if the findings cannot be read back.
pub async fn repair(
    audit: &Audit,
    findings: &WrittenFindings,
    plan: &RepairPlan,
    progress: &Progress,
    cancel: &CancellationToken,
) -> anyhow::Result<RepairOutcome> {
    let mut repaired = plan_repairs(findings, plan)?;
    let changes = repaired.changes();
    if let Some(max) = plan.max_changes.filter(|most| !most.allows(changes, plan.ids)) {
        repaired.over_budget = Some(format!(
            "{} more than --max-repairs {max}: nothing was changed",
            counted(changes, "change is", "changes are")
        ));
        return Ok(repaired);
    }
    if plan.dry_run {
        return Ok(repaired);
    }
    let (path, table) = plan.undo.clone();
    let planned = std::mem::take(&mut repaired);
    let mut started = RepairOutcome { reasons: planned.reasons, ..RepairOutcome::default() };
    started[RepairCounter::NotRepaired] = planned.counts[RepairCounter::NotRepaired];
    let mut work = Repairer {
        audit,
        schema: audit.warehouse.table_schema().await?,
        lake: audit.lake.identity(),
        undo_file: UndoFile::new(path, table),
        repaired: started,
        stage: progress.stage("repair", "changes", Some(changes)),
    };
    let ended = work.all(findings, plan, cancel).await;
    let mut repaired = work.repaired;
    // Repairs completed so far are reported, regardless of the failure.
    if let Err(e) = ended {
        repaired.stopped = Some(format!("{e:#}"));
    }
    repaired.conditional_writes =
        match (repaired[RepairCounter::ObjectsWritten], repaired[RepairCounter::ObjectsReplaced]) {
            (0, 0) => None,
            (_, 0) => Some(audit.lake.conditions().create),
            (0, _) => Some(audit.lake.conditions().change),
            (_, _) => Some(audit.lake.conditions().weakest()),
        };
    repaired.undo_file = work.undo_file.written().map(|path| path.display().to_string());
    work.stage.finish();
    Ok(repaired)
}

/// Returns the changes that a repair of both sides from the lake would make, with the plan of such a repair.
///
/// # Errors
/// Returns an error if the findings cannot be read back.
pub fn repairable(findings: &WrittenFindings, unidentified: u64) -> anyhow::Result<Repairable> {
    let plan = RepairPlan {
        direction: RepairTarget::Both,
        trust: Trust::Lake,
        dry_run: true,
        unidentified,
        max_changes: None,
        ids: 0,
        undo: (PathBuf::new(), String::new()),
    };
    Ok(Repairable::of(&plan_repairs(findings, &plan)?))
}

/// Counts the changes, the further findings that these resolve, and the findings to leave unchanged with their reasons.
fn plan_repairs(findings: &WrittenFindings, plan: &RepairPlan) -> anyhow::Result<RepairOutcome> {
    let mut repaired = RepairOutcome { dry_run: plan.dry_run, ..RepairOutcome::default() };
    let mut resolved = BTreeMap::<DriftKind, u64>::new();
    for finding in findings.read()? {
        let finding = finding?;
        match plan.action(&finding) {
            Ok(action) => {
                repaired.plan(PlannedChange::of(action, Drift::from(&finding)));
                let kinds = if action == Action::ReplaceObject { finding.resolves } else { Vec::new() };
                kinds.into_iter().for_each(|kind| *resolved.entry(kind).or_default() += 1);
            }
            Err(why) => repaired.reasons.add(finding.kind, why, 1),
        }
    }
    // Each of them is a separate finding, which was counted above.
    for (kind, n) in resolved {
        let removed = repaired.reasons.remove(kind, kind.left_because(), n);
        repaired[RepairCounter::AlsoResolved] += removed;
    }
    repaired[RepairCounter::NotRepaired] = repaired.reasons.total();
    Ok(repaired)
}

/// Repair in progress.
struct Repairer<'a> {
    audit: &'a Audit,
    schema: TableSchema,
    /// Identity of the lake.
    lake: String,
    undo_file: UndoFile,
    repaired: RepairOutcome,
    stage: Stage,
}

/// State of a finding after its repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repaired {
    /// A side was changed, and both agree.
    Changed,
    /// Both sides agreed already, so nothing was changed.
    AlreadyEqual,
}

/// Result of the repair of a finding, or the reason why it failed.
type RepairResult = Result<Repaired, String>;

impl Repairer<'_> {
    async fn all(
        &mut self,
        findings: &WrittenFindings,
        plan: &RepairPlan,
        cancel: &CancellationToken,
    ) -> anyhow::Result<()> {
        let (mut of_rows, mut of_objects) = (Vec::new(), Vec::new());
        for finding in findings.read()? {
            let finding = finding?;
            match plan.action(&finding) {
                Ok(action @ (Action::Insert | Action::Update)) => of_rows.push((finding, action)),
                Ok(action) => of_objects.push((finding, action)),
                Err(_) => continue,
            }
            if of_rows.len() >= BATCH || of_objects.len() >= BATCH {
                self.repair_batch(&mut of_rows, &mut of_objects, cancel).await?;
            }
        }
        self.repair_batch(&mut of_rows, &mut of_objects, cancel).await
    }

    async fn repair_batch(
        &mut self,
        of_rows: &mut Vec<(Finding, Action)>,
        of_objects: &mut Vec<(Finding, Action)>,
        cancel: &CancellationToken,
    ) -> anyhow::Result<()> {
        anyhow::ensure!(!cancel.is_cancelled(), "interrupted: the rest is unchanged");
        let batch = std::mem::take(of_rows);
        let outcomes = self.rows(&batch).await?;
        for ((finding, action), outcome) in batch.iter().zip(outcomes) {
            self.record(finding, *action, outcome);
        }
        for (finding, action) in std::mem::take(of_objects) {
            anyhow::ensure!(!cancel.is_cancelled(), "interrupted: the rest is unchanged");
            let result = match action {
                Action::ReplaceObject => self.replace_object(&finding).await?,
                _ => self.write_object(&finding).await?,
            };
            self.record(&finding, action, result);
        }
        Ok(())
    }

    fn record(&mut self, finding: &Finding, action: Action, outcome: RepairResult) {
        self.stage.add(1);
        let resolved = if action == Action::ReplaceObject { finding.resolves.as_slice() } else { &[] };
        match outcome {
            Ok(done) => {
                match done {
                    Repaired::Changed => {
                        self.repaired.add_change(action, finding.intact);
                        self.repaired[RepairCounter::Verified] += 1;
                    }
                    Repaired::AlreadyEqual => self.repaired[RepairCounter::AlreadyEqual] += 1,
                }
                self.repaired[RepairCounter::AlsoResolved] += resolved.len() as u64;
            }
            Err(why) => {
                self.repaired[RepairCounter::Failed] += 1;
                // The plan counted them as resolved.
                for kind in resolved {
                    self.repaired.reasons.add(*kind, kind.left_because(), 1);
                    self.repaired[RepairCounter::NotRepaired] += 1;
                }
                let place = finding.key.as_ref().or(finding.id.as_ref()).cloned().unwrap_or_default();
                self.repaired.problems.add(finding.kind.name(), place, why);
            }
        }
    }
}

/// Converts a failure of the undo file into an error: nothing is changed without its line.
fn require_undo_entry<T>(done: std::io::Result<T>) -> anyhow::Result<T> {
    done.context("the undo file cannot be written, and nothing is changed without it")
}
