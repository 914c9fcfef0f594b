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

use std::path::PathBuf;

use anyhow::Context as _;

use super::finding::{Finding, Stability};
use super::finding_file::Written;
use super::outcome::{Action, RepairCounter, RepairOutcome};
use super::verdict::Kind;
use super::{Audit, Budget};
use crate::progress::{Progress, Stage};
use crate::stop::Stop;
use crate::undo::Undo;
use pipeline::record::stored::Shape;

mod objects;
mod rows;

/// Findings that are mended together.
const BATCH: usize = 500;

/// Which side is mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Direction {
    /// Insert and update rows from the lake
    Warehouse,
    /// Write missing objects from the warehouse
    Lake,
    /// Both
    Both,
}

/// Which side is right where both have other values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Trust {
    /// Use the lake's values
    #[default]
    Lake,
    /// Use the warehouse's values
    Warehouse,
}

impl Direction {
    fn mends_warehouse(self) -> bool {
        matches!(self, Self::Warehouse | Self::Both)
    }

    fn mends_lake(self) -> bool {
        matches!(self, Self::Lake | Self::Both)
    }
}

/// What a repair may do, and what the audit before it saw.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Which side is mended.
    pub direction: Direction,
    /// Which side is right where both have other values.
    pub trust: Trust,
    /// Only count what would be done.
    pub dry_run: bool,
    /// Objects that could not be judged and do not name their record: any of them may be that of a row without one.
    pub nameless: u64,
    /// Nothing at all is done where it would be more than that.
    pub most: Option<Budget>,
    /// Ids on both sides, of which the budget may be a share.
    pub ids: u64,
    /// The undo file, and the table that its lines are about.
    pub undo: (PathBuf, String),
}

/// Why no object is written while such objects are about.
const NAMELESS: &str = "objects without an id in their names could not be compared, and one of them may belong to this row: fix or restore them, then audit again";

impl Plan {
    /// What is done about a finding, or why nothing is.
    fn action(&self, finding: &Finding) -> Result<Action, &'static str> {
        let direction = self.direction;
        match finding.kind {
            _ if finding.stability == Stability::Unstable => {
                Err("different at every recheck: audit again when it has come to rest")
            }
            Kind::LakeOnly if direction.mends_warehouse() => Ok(Action::Insert),
            Kind::Differing => match self.trust {
                Trust::Lake if direction.mends_warehouse() => Ok(Action::Update),
                Trust::Warehouse if direction.mends_lake() => Ok(Action::ReplaceObject),
                Trust::Lake => Err(Kind::Differing.left_because()),
                Trust::Warehouse => Err("the warehouse is trusted: repair the lake, or both; or --trust lake"),
            },
            Kind::WarehouseOnly if direction.mends_lake() && self.nameless > 0 => Err(NAMELESS),
            Kind::WarehouseOnly if direction.mends_lake() => Ok(Action::WriteObject),
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
    findings: &Written,
    plan: &Plan,
    progress: &Progress,
    stop: &Stop,
) -> anyhow::Result<RepairOutcome> {
    let mut repaired = due(findings, plan)?;
    let changes = repaired.changes();
    if let Some(most) = plan.most.filter(|most| !most.allows(changes, plan.ids)) {
        repaired.over_budget =
            Some(format!("{changes} changes are more than --max-repairs {most}: nothing was changed"));
        return Ok(repaired);
    }
    if plan.dry_run {
        return Ok(repaired);
    }
    let (path, table) = plan.undo.clone();
    let planned = std::mem::take(&mut repaired);
    let mut begun = RepairOutcome { reasons: planned.reasons, ..RepairOutcome::default() };
    begun[RepairCounter::Left] = planned.counts[RepairCounter::Left];
    let mut work = Work {
        audit,
        shape: audit.warehouse.shape().await?,
        lake: audit.lake.identity(),
        undo: Undo::new(path, table),
        repaired: begun,
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
    repaired.undo_file = work.undo.written().map(|path| path.display().to_string());
    work.stage.finish();
    Ok(repaired)
}

/// What would be done, and what is left with why.
fn due(findings: &Written, plan: &Plan) -> anyhow::Result<RepairOutcome> {
    let mut repaired = RepairOutcome { dry_run: plan.dry_run, ..RepairOutcome::default() };
    for finding in findings.read()? {
        let finding = finding?;
        match plan.action(&finding) {
            Ok(action) => repaired.counts.add(action.counter()),
            Err(why) => repaired.reasons.add(finding.kind, why, 1),
        }
    }
    repaired[RepairCounter::Left] = repaired.reasons.total();
    Ok(repaired)
}

/// A repair under way.
struct Work<'a> {
    audit: &'a Audit,
    shape: Shape,
    /// What tells the lake from others.
    lake: String,
    undo: Undo,
    repaired: RepairOutcome,
    stage: Stage,
}

/// What became of a finding that was to be mended: done, or why not.
type Fate = Result<(), String>;

impl Work<'_> {
    async fn all(&mut self, findings: &Written, plan: &Plan, stop: &Stop) -> anyhow::Result<()> {
        let (mut of_rows, mut of_objects) = (Vec::new(), Vec::new());
        for finding in findings.read()? {
            let finding = finding?;
            match plan.action(&finding) {
                Ok(action @ (Action::Insert | Action::Update)) => of_rows.push((finding, action)),
                Ok(action) => of_objects.push((finding, action)),
                Err(_) => continue,
            }
            if of_rows.len() >= BATCH || of_objects.len() >= BATCH {
                self.mend(&mut of_rows, &mut of_objects, stop).await?;
            }
        }
        self.mend(&mut of_rows, &mut of_objects, stop).await
    }

    async fn mend(
        &mut self,
        of_rows: &mut Vec<(Finding, Action)>,
        of_objects: &mut Vec<(Finding, Action)>,
        stop: &Stop,
    ) -> anyhow::Result<()> {
        anyhow::ensure!(!stop.is_set(), "interrupted: the rest is unchanged");
        let batch = std::mem::take(of_rows);
        let fates = self.rows(&batch).await?;
        for ((finding, action), fate) in batch.iter().zip(fates) {
            self.tell(finding, *action, fate);
        }
        for (finding, action) in std::mem::take(of_objects) {
            anyhow::ensure!(!stop.is_set(), "interrupted: the rest is unchanged");
            let fate = match action {
                Action::ReplaceObject => self.replace_object(&finding).await?,
                _ => self.write_object(&finding).await?,
            };
            self.tell(&finding, action, fate);
        }
        Ok(())
    }

    fn tell(&mut self, finding: &Finding, action: Action, fate: Fate) {
        self.stage.add(1);
        match fate {
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
fn without_its_line<T>(done: std::io::Result<T>) -> anyhow::Result<T> {
    done.context("the undo file cannot be written, and nothing is changed without it")
}
