//! Repair: what of the findings can be mended, in the direction that was asked for; then a second reading of each.
//!
//! | finding | mended by |
//! | --- | --- |
//! | lake_only | inserting the row |
//! | warehouse_only | writing the object, never over another |
//! | differing, the lake is trusted | writing the lake's values into the row, if it still is as the audit saw it |
//! | differing, the warehouse is trusted | writing the row's values into the object, if it still is as the audit saw it |
//!
//! Everything else is said, not guessed: objects of the lake are never moved or deleted, and only written over where the
//! user says that the warehouse is to be trusted. Each change is in the undo file, on the disk, before it is made.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;

use super::finding::{Finding, Stability};
use super::finding_file::DriftFile;
use super::outcome::{Action, RepairCounter, RepairOutcome};
use super::verdict::DriftKind;
use super::{Audit, Budget};
use crate::cancellation::CancellationToken;
use crate::progress::{Progress, Stage};
use crate::undo::UndoFile;
use pipeline::record::row::TableSchema;

mod objects;
mod rows;

/// Findings that are mended together.
const BATCH: usize = 500;

/// Which side is mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum RepairTarget {
    /// Rows are inserted and updated from the lake.
    Warehouse,
    /// Objects that are missing are written from the warehouse.
    Lake,
    /// Both.
    Both,
}

/// Which side is right where both have other values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Trust {
    /// The lake: rows get its values.
    #[default]
    Lake,
    /// The warehouse: objects of the lake get its values.
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

/// What a repair may do, and what the audit before it saw.
#[derive(Debug, Clone)]
pub struct RepairPlan {
    /// Which side is mended.
    pub direction: RepairTarget,
    /// Which side is right where both have other values.
    pub trust: Trust,
    /// Only count what would be done.
    pub dry_run: bool,
    /// Objects that could not be judged and do not name their record: any of them may be that of a row without one.
    pub unidentified: u64,
    /// Nothing at all is done where it would be more than that.
    pub max_changes: Option<Budget>,
    /// Ids on both sides, of which the budget may be a share.
    pub ids: u64,
    /// The undo file, and the table that its lines are about.
    pub undo: (PathBuf, String),
}

/// Why no object is written while such objects are about.
const UNIDENTIFIED_OBJECTS: &str = "objects without an id in their names could not be judged, and one of them may be this row's: mend or restore them, then audit again";

impl RepairPlan {
    /// What is done about a finding, or why nothing is.
    fn action(&self, finding: &Finding) -> Result<Action, &'static str> {
        let direction = self.direction;
        match finding.kind {
            _ if finding.stability == Stability::Unstable => {
                Err("it was another at every look: audit again when it has come to rest")
            }
            DriftKind::LakeOnly if direction.targets_warehouse() => Ok(Action::Insert),
            DriftKind::Differing => match self.trust {
                Trust::Lake if direction.targets_warehouse() => Ok(Action::Update),
                Trust::Warehouse if direction.targets_lake() => Ok(Action::ReplaceObject),
                Trust::Lake => Err(DriftKind::Differing.left_because()),
                Trust::Warehouse => Err("the warehouse is trusted: repair the lake, or both; or --trust lake"),
            },
            DriftKind::WarehouseOnly if direction.targets_lake() && self.unidentified > 0 => Err(UNIDENTIFIED_OBJECTS),
            DriftKind::WarehouseOnly if direction.targets_lake() => Ok(Action::WriteObject),
            kind => Err(kind.left_because()),
        }
    }
}

/// Mends what the findings name, or only counts what would be done.
///
/// A store that fails on the way, or the wish to stop, ends it early; the account says so, and repairing again goes on.
///
/// # Errors
/// The warehouse cannot be reached to begin with, or the findings cannot be read back.
pub async fn repair(
    audit: &Audit,
    findings: &DriftFile,
    plan: &RepairPlan,
    progress: &Progress,
    cancel: &CancellationToken,
) -> anyhow::Result<RepairOutcome> {
    let mut repaired = plan_repairs(findings, plan)?;
    let changes = repaired.changes();
    if let Some(max) = plan.max_changes.filter(|most| !most.allows(changes, plan.ids)) {
        repaired.over_budget =
            Some(format!("{changes} changes are more than --max-repairs {max}: nothing was changed"));
        return Ok(repaired);
    }
    if plan.dry_run {
        return Ok(repaired);
    }
    let (path, table) = plan.undo.clone();
    let planned = std::mem::take(&mut repaired);
    let mut started = RepairOutcome { reasons: planned.reasons, ..RepairOutcome::default() };
    started[RepairCounter::Left] = planned.counts[RepairCounter::Left];
    let mut work = Repairer {
        audit,
        schema: audit.warehouse.table_schema().await?,
        lake: audit.lake.identity(),
        undo_file: UndoFile::new(path, table),
        repaired: started,
        stage: progress.stage("repair", Some(changes)),
    };
    let ended = work.all(findings, plan, stop).await;
    let mut repaired = work.repaired;
    // What was mended until now is told, whatever comes in between.
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

/// What would be done, and what is left with why.
fn plan_repairs(findings: &DriftFile, plan: &RepairPlan) -> anyhow::Result<RepairOutcome> {
    let mut repaired = RepairOutcome { dry_run: plan.dry_run, ..RepairOutcome::default() };
    let mut reasons: BTreeMap<(DriftKind, &'static str), u64> = BTreeMap::new();
    for finding in findings.read()? {
        let finding = finding?;
        match plan.action(&finding) {
            Ok(action) => repaired.counts.add(action.counter()),
            Err(why) => *reasons.entry((finding.kind, why)).or_default() += 1,
        }
    }
    for ((kind, why), count) in reasons {
        repaired[RepairCounter::Left] += count;
        repaired.reasons.push(format!("{count} {}: {why}", kind.name()));
    }
    Ok(repaired)
}

/// A repair under way.
struct Repairer<'a> {
    audit: &'a Audit,
    schema: TableSchema,
    /// What tells the lake from others.
    lake: String,
    undo_file: UndoFile,
    repaired: RepairOutcome,
    stage: Stage,
}

/// What became of a finding that was to be mended: done, or why not.
type RepairResult = Result<(), String>;

impl Repairer<'_> {
    async fn all(&mut self, findings: &DriftFile, plan: &RepairPlan, cancel: &CancellationToken) -> anyhow::Result<()> {
        let (mut of_rows, mut of_objects) = (Vec::new(), Vec::new());
        for finding in findings.read()? {
            let finding = finding?;
            match plan.action(&finding) {
                Ok(action @ (Action::Insert | Action::Update)) => of_rows.push((finding, action)),
                Ok(action) => of_objects.push((finding, action)),
                Err(_) => continue,
            }
            if of_rows.len() >= BATCH || of_objects.len() >= BATCH {
                self.repair_batch(&mut of_rows, &mut of_objects, stop).await?;
            }
        }
        self.repair_batch(&mut of_rows, &mut of_objects, stop).await
    }

    async fn repair_batch(
        &mut self,
        of_rows: &mut Vec<(Finding, Action)>,
        of_objects: &mut Vec<(Finding, Action)>,
        cancel: &CancellationToken,
    ) -> anyhow::Result<()> {
        anyhow::ensure!(!stop.is_cancelled(), "asked to stop: the rest is as it was");
        let batch = std::mem::take(of_rows);
        let outcomes = self.rows(&batch).await?;
        for ((finding, action), outcome) in batch.iter().zip(outcomes) {
            self.record(finding, *action, outcome);
        }
        for (finding, action) in std::mem::take(of_objects) {
            anyhow::ensure!(!stop.is_cancelled(), "asked to stop: the rest is as it was");
            let fate = match action {
                Action::ReplaceObject => self.replace_object(&finding).await?,
                _ => self.write_object(&finding).await?,
            };
            self.record(&finding, action, fate);
        }
        Ok(())
    }

    fn record(&mut self, finding: &Finding, action: Action, outcome: RepairResult) {
        self.stage.add(1);
        match outcome {
            Ok(()) => {
                self.repaired.counts.add(action.counter());
                self.repaired[RepairCounter::Verified] += 1;
            }
            Err(why) => {
                self.repaired[RepairCounter::Failed] += 1;
                let place = finding.key.as_ref().or(finding.id.as_ref()).cloned().unwrap_or_default();
                self.repaired.problems.add(finding.kind.name(), place, why);
            }
        }
    }
}

/// The undo file's failure: nothing is changed without its line.
fn require_undo_entry<T>(done: std::io::Result<T>) -> anyhow::Result<T> {
    done.context("the undo file cannot be written, and nothing is changed without it")
}
